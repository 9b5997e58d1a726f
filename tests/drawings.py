"""Drawings made in code: line art with known regions, and scribbles for it."""

from pathlib import Path

import cv2
import numpy as np

RED, BLUE = (200, 40, 60), (30, 90, 200)


def face(size: int = 256) -> np.ndarray:
    """A head with two eyes, black on white, size x size x 3."""
    lines = np.full((size, size, 3), 255, np.uint8)
    unit = size / 256
    thick = max(1, round(3 * unit))

    def circle(x: float, y: float, radius: float) -> None:
        centre = (round(x * unit), round(y * unit))
        cv2.circle(lines, centre, round(radius * unit), (0, 0, 0), thick, cv2.LINE_AA)

    circle(128, 128, 100)
    circle(92, 108, 20)
    circle(164, 108, 20)
    return lines


def face_hints(size: int = 256) -> np.ndarray:
    """Red inside the head, blue inside the left eye, size x size x 4."""
    hints = np.zeros((size, size, 4), np.uint8)
    unit = size / 256
    for (x, y), colour in (((128, 180), RED), ((92, 108), BLUE)):
        top, left, reach = round(y * unit), round(x * unit), max(1, round(5 * unit))
        hints[top - reach : top + reach, left - reach : left + reach] = (*colour, 255)
    return hints


def write_face(folder: Path, size: int = 256) -> tuple[Path, Path]:
    """Line art and scribbles as PNG files in `folder`."""
    lines, hints = folder / "lines.png", folder / "hints.png"
    cv2.imwrite(str(lines), face(size)[..., ::-1])
    cv2.imwrite(str(hints), cv2.cvtColor(face_hints(size), cv2.COLOR_RGBA2BGRA))
    return lines, hints


def photograph(width: int = 160, height: int = 120) -> np.ndarray:
    """A smooth coloured scene: sky, grass and a red thing; height x width x 3, deterministic."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    sky = np.stack([110 + 60 * y / height, 150 + 40 * y / height, 220 - 30 * x / width], -1)
    grass = np.stack([90 + 30 * x / width, 140 - 20 * y / height, 70 + 10 * x / width], -1)
    scene = np.where((y > 0.6 * height)[..., None], grass, sky)
    thing = (x - 0.5 * width) ** 2 + (y - 0.55 * height) ** 2 < (0.2 * height) ** 2
    scene[thing] = (190, 70, 60)
    grain = np.random.default_rng(7).normal(0, 3, scene.shape)
    return np.clip(scene + grain, 0, 255).astype(np.uint8)
