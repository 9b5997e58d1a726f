"""Renders the sample drawings from their SVG sources: `python engine/samples/render.py`."""

import io
from collections.abc import Callable
from pathlib import Path

import cairosvg  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter

FOLDER = Path(__file__).parent
INK = (22, 18, 26)


def rasterize(name: str) -> Image.Image:
    """The RGBA picture of `name`.svg at its own size."""
    png = cairosvg.svg2png(bytestring=(FOLDER / f"{name}.svg").read_bytes())
    return Image.open(io.BytesIO(png)).convert("RGBA")


def on_transparency(drawing: Image.Image) -> Image.Image:
    """Ink alone: darkness becomes alpha, as on a line layer over transparency."""
    grey = np.asarray(drawing.convert("L"), dtype=np.float32)
    darkest = float(np.asarray(Image.new("RGB", (1, 1), INK).convert("L"))[0, 0])
    alpha = np.clip((255 - grey) / (255 - darkest), 0, 1)
    layer = np.empty((*grey.shape, 4), dtype=np.uint8)
    layer[..., :3] = INK
    layer[..., 3] = np.rint(alpha * 255)
    return Image.fromarray(layer)


def on_white_paper(drawing: Image.Image) -> Image.Image:
    """8-bit grey, opaque."""
    return drawing.convert("L")


def _noise(
    rng: np.random.Generator, shape: tuple[int, ...], sigma: float | tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Smooth noise of mean 0 and deviation 1."""
    smooth: npt.NDArray[np.float64] = gaussian_filter(rng.standard_normal(shape), sigma)
    return smooth / float(smooth.std())


def on_pencil_paper(drawing: Image.Image) -> Image.Image:
    """8-bit grey, opaque: graphite that skips on the paper's tooth, lit from the upper left."""
    graphite = 1 - np.asarray(drawing.convert("L"), dtype=np.float64) / 255
    rng = np.random.default_rng(5)
    tooth = _noise(rng, graphite.shape, 0.9)
    fibres = _noise(rng, graphite.shape, (3.0, 9.0))
    height, width = graphite.shape
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    light = 0.975 - 0.075 * ((x - 0.25) ** 2 + (y - 0.2) ** 2)
    paper = light + 0.0045 * tooth + 0.004 * fibres
    graphite = gaussian_filter(graphite, 0.6) * np.clip(0.92 + 0.22 * tooth, 0.3, 1.1)
    grey = paper * (1 - np.clip(graphite, 0, 0.93))
    # Even levels only: the grain looks the same and the file is a quarter smaller.
    return Image.fromarray((np.rint(grey * 127.5) * 2).clip(0, 255).astype(np.uint8))


DRAWINGS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "lantern-keeper": on_transparency,
    "fox-market": on_white_paper,
    "pencil-sailor": on_pencil_paper,
}


def render(name: str) -> dict[str, Image.Image]:
    """The line art and the scribbles of one drawing, by file stem."""
    return {
        name: DRAWINGS[name](rasterize(name)),
        f"{name}-scribbles": rasterize(f"{name}-scribbles"),
    }


if __name__ == "__main__":
    for drawing_name in DRAWINGS:
        for stem, picture in render(drawing_name).items():
            picture.save(FOLDER / f"{stem}.png", optimize=True)
