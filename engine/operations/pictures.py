"""What operations share that change the colours of whole pictures by a table."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from engine.imaging.color import coverage, fit_chroma, lab_to_srgb, linear_to_srgb, srgb_to_lab
from engine.imaging.color_kernels import lab_at
from engine.imaging.color_table import ColorTable
from engine.imaging.palettes import SourcePalette, evenly, swatches
from engine.imaging.raster import Raster, by_strips
from engine.imaging.resample import over, strips
from engine.job import Input, Job, Layer
from ipc.errors import LimnerError

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

PREVIEW_SIDE = 512
"""Pixels of a preview's longer side, at most."""

_MOST_LINKS = 256


@dataclass(frozen=True)
class Sample:
    """The colours of a picture without looking at every pixel again.

    lab: float32 3 x N, CIELAB of pixels that are visible and inside the mask, evenly spread.
    weight: N, how far each is.
    """

    lab: Floats
    weight: Floats


@dataclass(frozen=True)
class Small:
    """A picture at the size of a preview, h x w x 4, and how far inside the mask it is, h x w."""

    pixels: Floats
    inside: Floats | None


def inside_of(mask: Input | None) -> Floats | None:
    """How far inside a mask each pixel is, H x W in [0, 1]; None where there is no mask."""
    if mask is None:
        return None
    rgb, alpha = mask.raster.rgb, mask.raster.alpha
    inside = np.empty(rgb.shape[:2], np.float32)

    def cover(rows: slice) -> None:
        inside[rows] = coverage(rgb[rows], None if alpha is None else alpha[rows])

    by_strips(inside.shape, cover)
    return inside


def sample(job: Job, picture: Input, mask: Input | None) -> Sample:
    """The picture's sample, taken once for each pair of picture and mask."""

    def take() -> Sample:
        raster, inside = picture.raster, inside_of(mask)
        weight = _weight(raster, inside)
        if weight is None:
            places = evenly(raster.width * raster.height)
        else:
            shown = np.flatnonzero(weight)
            places = shown[evenly(len(shown))]
        ones = np.ones(len(places), np.float32)
        return Sample(
            lab_at(raster.rgb, places), ones if weight is None else weight.ravel()[places]
        )

    return job.cache.get(("sample", picture.digest, mask.digest if mask else None), take)


def small(job: Job, picture: Input, mask: Input | None) -> Small:
    """The picture made small, once for each pair of picture and mask."""

    def make() -> Small:
        raster, inside = picture.raster, inside_of(mask)
        scale = min(1.0, PREVIEW_SIDE / max(raster.width, raster.height))
        alpha = None if raster.alpha is None else shrunk(raster.alpha, scale)
        return Small(
            Raster(shrunk(raster.rgb, scale), alpha).rgba(),
            None if inside is None else shrunk(inside, scale),
        )

    return job.cache.get(("small", picture.digest, mask.digest if mask else None), make)


def _weight(picture: Raster, inside: Floats | None) -> Floats | None:
    """How much each pixel counts, H x W; None where all count alike."""
    if picture.alpha is None or inside is None:
        return inside if picture.alpha is None else picture.alpha
    return inside * picture.alpha


def preview(job: Job, picture: Input, mask: Input | None, table: ColorTable) -> None:
    """Shows the picture with the table's change, on white, where anyone wants to see it."""

    def make() -> Floats:
        shown = small(job, picture, mask)
        pixels = shown.pixels.copy()
        table.apply(pixels, shown.inside)
        return over(pixels[..., :3], pixels[..., 3], 1.0)

    job.preview(make)


def recolored(job: Job, pixels: Floats, inside: Floats | None, table: ColorTable) -> None:
    """Changes pixels (H x W x 4) in place, and says how far it is."""
    if table.changes:
        for rows in strips(*pixels.shape[:2]):
            job.progress(0.1 + 0.9 * rows.start / len(pixels), "recolour")
            table.apply(pixels[rows], None if inside is None else inside[rows])


def given_palette(job: Job) -> Floats | None:
    """The colours of the palette input, N x 3, or None."""
    palette = job.input("palette")
    return None if palette is None else swatches(palette.raster.rgb, palette.raster.alpha)


def locked_colors(job: Job, palette: Floats) -> Bools:
    """Which colours that `given_palette` gave are locked, N; none where the input does not say."""
    given = job.input("palette")
    marks = given.attributes.get("locked") if given is not None else None
    pixels = given.raster.rgb.reshape(-1, 3) if given is not None else np.zeros((0, 3), np.float32)
    if not isinstance(marks, list) or len(marks) != len(pixels):
        return np.zeros(len(palette), bool)
    locked = np.rint(255 * pixels[[mark is True for mark in marks]])
    return np.asarray((np.rint(255 * palette)[:, None] == locked).all(axis=2).any(axis=1))


@dataclass(frozen=True)
class Links:
    """Main colours as the artist has them, and what they shall become.

    lab: float32 k x 3, CIELAB. target: float32 k x 2 (a, b), where fixed: k; elsewhere it is free.
    """

    lab: Floats
    target: Floats
    fixed: Bools


def links(given: Input | None) -> Links | None:
    """The links of an input; None where there is none, or it says nothing of any colour.

    Raises LimnerError bad-parameter.
    """
    if given is None:
        return None
    rgb, alpha = given.raster.rgb, given.raster.alpha
    there = np.ones(rgb.shape[:2], bool) if alpha is None else alpha >= 0.5
    if len(rgb) == 2 and not there.any():
        return None
    if len(rgb) != 2 or not 1 <= there[0].sum() <= _MOST_LINKS:
        raise LimnerError(
            "bad-parameter",
            f"'{given.name}' is {rgb.shape[1]} × {len(rgb)} pixels and does not say which colours "
            "become which.",
            f"Give 1 to {_MOST_LINKS} colours in an upper row and what they become in a lower one.",
        )
    upper, lower = (np.ascontiguousarray(row[there[0]].T) for row in rgb)
    return Links(srgb_to_lab(upper).T, srgb_to_lab(lower)[1:].T, there[1][there[0]])


def swatches_layer(main: SourcePalette, target: Floats) -> Layer:
    """Main colours in the upper row, what they become (k x 2: a, b) in the lower one.

    The pixels are exact and may lie outside sRGB; what they look like is in the metadata, as hex
    codes, with the share of each.
    """
    lightness = main.lab[:, 0].astype(np.float32)
    rows = [_with_lightness(lightness, ab) for ab in (main.lab[:, 1:].astype(np.float32), target)]
    pixels = np.ones((2, len(lightness), 4), np.float32)
    pixels[..., :3] = [lab_to_srgb(lab).T for lab in rows]
    metadata = {
        "source": hex_codes(rows[0]),
        "target": hex_codes(rows[1]),
        "share": [round(float(share), 4) for share in main.share],
    }
    return Layer("swatches", "Palette", pixels, kind="palette", exact=True, metadata=metadata)


def cube_layers(job: Job, table: ColorTable) -> list[Layer]:
    """The change as a table for other programs, where it is asked for."""
    if not job.wants("cube"):
        return []
    return [Layer("cube", "Limner", table.cube(), kind="cube", exact=True)]


def _with_lightness(lightness: Floats, ab: Floats) -> Floats:
    return np.vstack([lightness[None], ab.T]).astype(np.float32)


def hex_codes(lab: Floats) -> list[str]:
    """How colours (3 x k) are shown: in gamut, 8 bit."""
    bound = np.zeros_like(lab[0])
    shown = linear_to_srgb(fit_chroma(np.vstack([lab[:1].clip(0, 100), lab[1:]]), bound, bound + 1))
    return ["#{:02x}{:02x}{:02x}".format(*code) for code in np.rint(shown.T * 255).astype(int)]


def shrunk(pixels: Floats, scale: float) -> Floats:
    """H x W (x channels) pixels at a smaller size; a copy."""
    if scale == 1:
        return pixels.copy()
    size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32)
