"""Scenes of drawn figures on drawn grounds, with exact colours and exact lines.

Figures are emoji without outlines. Their line art is the same SVG with every shape filled with
paper and stroked with ink: so lines lie exactly where colours meet, at one weight for all sizes.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from training import sources
from training.sources import Picture

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SETS = {"fluentui_emoji_svg": 0.6, "noto_emoji_svg": 0.4}
"""Where figures come from, with shares: flat ones and softly shaded ones."""
SHAPES = ("path", "polygon", "circle", "ellipse", "rect")
STROKED = ("line", "polyline")
SVG = "{http://www.w3.org/2000/svg}"
FINEST = 0.02
"""Share of a small figure's side that its lines have at most, finer than the others."""
FINER = 2
"""Scenes are painted this much larger, then averaged."""


@dataclass(frozen=True)
class Scene:
    """colour: uint8 S x S x 3 without lines. line: S x S, 1 is ink. source: of the main figure."""

    name: str
    colour: Bytes
    line: Floats
    source: Picture


def compose(split: str, count: int, side: int, seed: int, data: Path) -> Iterator[Scene]:
    """Scenes of `side` pixels; the same seed gives the same ones."""
    figures = {name: _figures(name, split, data) for name in SETS}
    for number in range(count):
        random = np.random.default_rng([seed, number])
        chosen = figures[random.choice(list(SETS), p=list(SETS.values()))]
        canvas = Canvas(FINER * side, float(random.uniform(0.9, 2.4)) * FINER)
        GROUNDS[random.choice(len(GROUNDS), p=GROUND_SHARES)](canvas, random)
        main = chosen[random.integers(len(chosen))]
        _place(canvas, [main, *random.choice(chosen, random.integers(0, 6))], random)
        if random.uniform() < 0.4:
            canvas.light(random)
        yield Scene(f"scene {split} {number}", *canvas.shrunk(FINER), main)


class Canvas:
    """A picture that is painted on: its colour, and its lines, hidden by what lies over them.

    weight: of lines in pixels.
    """

    def __init__(self, side: int, weight: float) -> None:
        self.side, self.weight = side, weight
        self.colour = np.ones((side, side, 3), np.float32)
        self.line = np.zeros((side, side), np.float32)

    def paint(self, outline: Floats, colour: Floats) -> None:
        """Paints a closed shape with its line. outline: P x 2 in shares of the side."""
        points = [np.rint(outline * self.side * 16).astype(np.int32)]
        inside, line = np.zeros((2, self.side, self.side), np.uint8)
        cv2.fillPoly(inside, points, 255, cv2.LINE_AA, 4)
        cv2.polylines(line, points, True, 255, max(1, round(self.weight)), cv2.LINE_AA, 4)
        cover, ink = inside.astype(np.float32) / 255, line.astype(np.float32) / 255
        self.colour += cover[..., None] * (colour - self.colour)
        self.line = np.maximum(self.line * (1 - cover), ink)

    def put(self, figure: Picture, x: float, y: float, size: float, *, flipped: bool) -> None:
        """Puts a figure with its line; x, y: its middle, size: its side, in shares."""
        side = max(8, round(size * self.side))
        left, top = round(x * self.side - side / 2), round(y * self.side - side / 2)
        rows = slice(max(top, 0), min(top + side, self.side))
        columns = slice(max(left, 0), min(left + side, self.side))
        svg = figure.path.read_bytes()
        for plane, drawing in (
            (self.colour, svg),
            (self.line, outlined(svg, min(self.weight / side, FINEST))),
        ):
            pixels = _rendered(drawing, side)
            pixels = pixels[:, ::-1] if flipped else pixels
            pixels = pixels[rows.start - top : rows.stop - top, columns.start - left :]
            pixels = pixels[:, : columns.stop - columns.start]
            paint, cover = pixels[..., :3], pixels[..., 3:]
            if plane is self.line:
                paint, cover = 1 - paint[..., 0], cover[..., 0]
            plane[rows, columns] += cover * (paint - plane[rows, columns])

    def shade(self, x: float, y: float, width: float, height: float, depth: float) -> None:
        """Darkens an ellipse, without a line."""
        shadow = np.zeros((self.side, self.side), np.float32)
        middle = (round(x * self.side), round(y * self.side))
        axes = (max(1, round(width * self.side / 2)), max(1, round(height * self.side / 2)))
        cv2.ellipse(shadow, middle, axes, 0, 0, 360, 1.0, -1, cv2.LINE_AA)
        self.colour *= 1 - depth * shadow[..., None]

    def light(self, random: np.random.Generator) -> None:
        """Darkens softly away from where light comes from, and tints what it leaves dark."""
        down, across = np.mgrid[0 : self.side, 0 : self.side].astype(np.float32) / self.side
        x, y = random.uniform(-0.2, 1.2, 2)
        far = np.clip(np.hypot(across - x, down - y) / 1.2, 0, 1)[..., None]
        tint = random.uniform(0.55, 0.95, 3).astype(np.float32)
        self.colour *= 1 - far * (1 - tint)

    def shrunk(self, factor: int) -> tuple[Bytes, Floats]:
        """Colour, uint8, and lines, `factor` times smaller."""
        size = (self.side // factor,) * 2
        colour = cv2.resize(self.colour, size, interpolation=cv2.INTER_AREA)
        line = cv2.resize(self.line, size, interpolation=cv2.INTER_AREA)
        return np.rint(np.clip(colour, 0, 1) * 255).astype(np.uint8), np.clip(line, 0, 1)


def outlined(svg: bytes, weight: float) -> bytes:
    """The line art of an SVG without outlines; weight: of its lines, share of the drawing's width.

    Shapes that let others through (shadows, highlights) have no line.
    """
    root = ElementTree.fromstring(svg)  # noqa: S314 - the licensed pictures alone
    width = weight * _width(root)
    fading = {
        gradient.get("id")
        for gradient in root.iter()
        if any("stop-opacity" in f"{stop.attrib}" for stop in gradient)
    }
    for parent in list(root.iter()):
        for element in list(parent):
            shape = element.tag.removeprefix(SVG)
            if shape not in (*SHAPES, *STROKED) or parent.tag == f"{SVG}clipPath":
                continue
            look = f"{element.attrib}"
            paint = re.search(r"url\(#([^)]+)\)", look)
            if "opacity" in look or (paint and paint[1] in fading):
                parent.remove(element)
                continue
            hollow = shape in STROKED or re.search(r"fill(:|': ')none", look)
            for name in ("style", "stroke", "stroke-width"):
                thickness = re.search(r"stroke-width(?::|': ')([\d.]+)", look)
                element.attrib.pop(name, None)
            own = float(thickness[1]) if hollow and thickness else 0.0
            element.set("fill", "none" if hollow else "#fff")
            element.set("stroke", "#000")
            element.set("stroke-width", f"{max(width, min(own, 2 * width)):.3f}")
            element.set("stroke-linejoin", "round")
    return ElementTree.tostring(root)


def _rendered(svg: bytes, side: int) -> Floats:
    """An SVG as float32 side x side x 4, straight alpha."""
    import cairosvg  # here, because a training machine has none and needs none

    png = cairosvg.svg2png(bytestring=svg, output_width=side, output_height=side)
    return np.array(Image.open(BytesIO(png)).convert("RGBA"), np.float32) / 255


def _width(root: ElementTree.Element) -> float:
    box = root.get("viewBox")
    return float(box.split()[2]) if box else float(re.match(r"[\d.]+", root.get("width", "32"))[0])


def _figures(set_name: str, split: str, data: Path) -> list[Picture]:
    found = sources.pictures(set_name, split, data)
    return [figure for figure in found if "high-contrast" not in figure.path.stem]


def _place(canvas: Canvas, figures: list[Picture], random: np.random.Generator) -> None:
    """Puts figures, the lower the larger and the later; some throw a shadow on the ground."""
    foot = np.sort(random.uniform(0.45, 1.0, len(figures)))
    shadows = random.uniform() < 0.5
    for figure, y in zip(figures, foot, strict=True):
        size = float(np.clip(y * random.uniform(0.25, 0.7), 0.12, 0.75))
        x = float(random.uniform(0.05, 0.95))
        if shadows:
            canvas.shade(x, y, 0.9 * size, 0.22 * size, float(random.uniform(0.15, 0.4)))
        canvas.put(figure, x, y - size / 2, size, flipped=random.uniform() < 0.5)


def _outdoors(canvas: Canvas, random: np.random.Generator) -> None:
    """Sky, a few clouds, hills one before the other, and now and then a sun."""
    canvas.paint(_rectangle(-0.1, -0.1, 1.1, 1.1), _colour(random, 0.57, 0.35, 0.92))
    if random.uniform() < 0.4:
        x, y, size = random.uniform((0.1, 0.08, 0.05), (0.9, 0.35, 0.12))
        canvas.paint(_blob(random, x, y, size, 0.0), _colour(random, 0.13, 0.6, 0.97))
    for _ in range(random.integers(0, 4)):
        x, y, size = random.uniform((0.0, 0.05, 0.06), (1.0, 0.4, 0.16))
        canvas.paint(_blob(random, x, y, size, 0.25), _colour(random, 0.57, 0.06, 0.96))
    for start in np.sort(random.uniform(0.35, 0.85, random.integers(1, 5))):
        canvas.paint(_hill(random, start), _colour(random, random.uniform(0.08, 0.38), 0.5, 0.65))


def _room(canvas: Canvas, random: np.random.Generator) -> None:
    """A wall with windows or pictures, and a floor with now and then a rug."""
    wall, wood = _colour(random, random.uniform(), 0.3, 0.88), _colour(random, 0.08, 0.5, 0.6)
    canvas.paint(_rectangle(-0.1, -0.1, 1.1, 1.1), wall)
    floor = random.uniform(0.55, 0.85)
    for _ in range(random.integers(0, 4)):
        x, y, width, height = random.uniform((0, 0.03, 0.12, 0.12), (0.8, 0.3, 0.35, 0.35))
        canvas.paint(_rectangle(x, y, x + width, y + height), wood)
        glass = _colour(random, random.uniform(), 0.4, 0.85)
        frame = random.uniform(0.015, 0.03)
        inner = (x + frame, y + frame, x + width - frame, y + height - frame)
        canvas.paint(_rectangle(*inner), glass)
    canvas.paint(_rectangle(-0.1, floor, 1.1, 1.1), _colour(random, 0.08, 0.4, 0.7))
    if random.uniform() < 0.5:
        rug = _blob(random, random.uniform(0.2, 0.8), (floor + 1) / 2, 0.3, 0.0)
        rug[:, 1] = (rug[:, 1] - (floor + 1) / 2) * 0.4 + (floor + 1) / 2
        canvas.paint(rug, _colour(random, random.uniform(), 0.6, 0.7))


def _paper(canvas: Canvas, random: np.random.Generator) -> None:
    """White or coloured paper, with now and then large blots."""
    if random.uniform() < 0.5:
        canvas.paint(_rectangle(-0.1, -0.1, 1.1, 1.1), _colour(random, random.uniform(), 0.35, 0.9))
    for _ in range(random.integers(0, 4)):
        x, y, size = random.uniform((0, 0, 0.1), (1, 1, 0.4))
        canvas.paint(_blob(random, x, y, size, 0.15), _colour(random, random.uniform(), 0.5, 0.8))


GROUNDS = (_outdoors, _room, _paper)
GROUND_SHARES = (0.45, 0.25, 0.3)


def _colour(random: np.random.Generator, hue: float, saturation: float, value: float) -> Floats:
    """A colour near the usual one; in one case of five a quite different one."""
    hue = random.uniform() if random.uniform() < 0.2 else hue + 0.05 * random.normal()
    saturation = float(np.clip(saturation * random.uniform(0.5, 1.5), 0, 0.95))
    value = float(np.clip(value * random.uniform(0.75, 1.1), 0.12, 1))
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float32)


def _rectangle(left: float, top: float, right: float, bottom: float) -> Floats:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def _hill(random: np.random.Generator, start: float) -> Floats:
    """The ground below a wavy line that begins at the height `start`."""
    x = np.linspace(-0.1, 1.1, 60)
    waves = random.uniform((0.3, 0.0, 0.0), (1.6, 6.3, 0.09), (3, 3))
    y = start + sum(height * np.sin(6.3 * pace * x + phase) for pace, phase, height in waves)
    return np.concatenate([np.stack([x, y], 1), [[1.1, 1.2], [-0.1, 1.2]]]).astype(np.float32)


def _blob(random: np.random.Generator, x: float, y: float, size: float, uneven: float) -> Floats:
    """A round shape with a wavy outline; size: its radius; uneven: depth of the waves."""
    angle = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    lobes, phase = random.integers(3, 8), random.uniform(0, 2 * np.pi)
    radius = size * (1 - uneven + 2 * uneven * np.abs(np.sin(lobes / 2 * angle + phase)))
    points = [x + radius * np.cos(angle), y + 0.7 * radius * np.sin(angle)]
    return np.stack(points, 1).astype(np.float32)
