"""The sample drawings: the committed PNGs are what their SVG sources say."""

import itertools
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

SAMPLES = Path(__file__).resolve().parents[2] / "engine" / "samples"
SIZES = {
    "lantern-keeper": (2048, 2048),
    "fox-market": (1600, 1200),
    "pencil-sailor": (1400, 1400),
}
drawings = pytest.mark.parametrize("name", SIZES)


def committed(stem: str) -> Image.Image:
    with Image.open(SAMPLES / f"{stem}.png") as picture:
        picture.load()
        return picture


def block_means(picture: Image.Image) -> np.ndarray:
    """Means of 8 × 8 pixels: the drawing without the last bit of anti-aliasing and grain."""
    pixels = np.asarray(picture.convert("RGBA"), np.float32)
    pixels[..., :3] *= pixels[..., 3:] / 255
    return cv2.resize(pixels, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)


def stroke_colours(name: str) -> set[str]:
    source = (SAMPLES / f"{name}-scribbles.svg").read_text(encoding="utf-8")
    return set(re.findall(r'stroke="(#[0-9a-f]{6})"', source))


def opaque_colours(picture: Image.Image) -> set[str]:
    pixels = np.asarray(picture)
    assert set(np.unique(pixels[..., 3])) == {0, 255}
    painted = np.unique(pixels[pixels[..., 3] > 0][:, :3], axis=0)
    return {f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in painted}


@drawings
def test_committed_pictures_are_renderings_of_their_sources(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        import cairosvg  # noqa: F401
    except (ImportError, OSError):  # cairosvg raises OSError where the cairo library is absent
        pytest.skip("CairoSVG or the cairo library is not installed")
    monkeypatch.syspath_prepend(SAMPLES)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import render

    for stem, picture in render.render(name).items():
        kept = committed(stem)
        assert picture.mode == kept.mode
        difference = np.abs(block_means(picture) - block_means(kept))
        assert difference.mean() < 1
        assert difference.max() < 24


@drawings
def test_lines_and_scribbles_have_the_drawing_s_size(name: str) -> None:
    assert committed(name).size == SIZES[name]
    assert committed(f"{name}-scribbles").size == SIZES[name]


@drawings
def test_scribbles_are_inside_the_canvas(name: str) -> None:
    source = (SAMPLES / f"{name}-scribbles.svg").read_text(encoding="utf-8")
    starts = re.findall(r'd="M([-\d.]+),([-\d.]+)', source)
    ends = re.findall(r'([-\d.]+),([-\d.]+)"/>', source)
    points = np.array(starts + ends, dtype=float)
    assert len(starts) > 50
    assert (points >= 0).all()
    assert (points <= SIZES[name]).all()


@drawings
def test_scribbles_have_the_source_s_colours_and_no_others(name: str) -> None:
    assert opaque_colours(committed(f"{name}-scribbles")) == stroke_colours(name)


@drawings
def test_no_two_scribble_colours_are_close_enough_to_be_merged(name: str) -> None:
    codes = sorted(stroke_colours(name))
    bgr = np.array([[[int(code[k : k + 2], 16) for k in (5, 3, 1)] for code in codes]], np.float32)
    lab = cv2.cvtColor(bgr / 255, cv2.COLOR_BGR2Lab)[0]
    pairs = itertools.combinations(range(len(codes)), 2)
    assert min(float(np.linalg.norm(lab[a] - lab[b])) for a, b in pairs) > 3
