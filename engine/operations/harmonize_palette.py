"""Harmonise a picture: its main colours move to purer ones of the same name, lightness stays.

Xue 2024, chapter 4. With strength 100, without a palette and with keep-neutrals off, the colours
are the paper's; strength, palette, mask and the guard for neutrals are Limner's.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from engine.imaging.color import coverage, fit_chroma, linear_to_srgb, srgb_to_lab
from engine.imaging.harmony import Recoloring, harmonious_targets
from engine.imaging.palettes import SourcePalette, sampled, source_palette, swatches
from engine.imaging.raster import Raster
from engine.job import Job, Layer

Floats = npt.NDArray[np.float32]

BYTES_PER_PIXEL = 120

_SAMPLES = 1 << 18
"""Pixels that the main colours are found from, as many as the paper's pictures have."""
_STRIP = 1 << 20
_NOTHING_TO_DO = "No colour moves; the picture is as it was."


def run(job: Job) -> list[Layer]:
    """The picture in its new colours, and the main colours before and after.

    Alpha, transparent pixels and those outside the mask are exactly as they were. Raises
    LimnerError bad-parameter for a palette that cannot be used, and Cancelled.
    """
    job.progress(0.0, "palette")
    picture, mask = job.primary("image").raster, job.input("mask")
    inside = None if mask is None else coverage(mask.raster.rgb, mask.raster.alpha)
    main = _main_colours(job, picture, inside)
    recoloring = _recoloring(job, main)
    pixels = picture.rgba()
    changes = bool((recoloring.source != recoloring.target).any())
    if changes:
        whole = recoloring.with_neutral() if job.params["keep-neutrals"] else recoloring
        table = whole.table()
        for done, rows in _strips(pixels.shape):
            job.progress(0.1 + 0.9 * done, "recolour")
            table.apply(pixels[rows], None if inside is None else inside[rows])
    note = {} if changes else {"note": _NOTHING_TO_DO}
    result = Layer("picture", "Harmonized", pixels, x=picture.x, y=picture.y, metadata=note)
    return [result, _palette_layer(main, recoloring)] if len(main.share) else [result]


def _main_colours(job: Job, picture: Raster, inside: Floats | None) -> SourcePalette:
    """The main colours of what is visible inside the mask; none where nothing is."""
    weight = np.ones(picture.rgb.shape[:2], np.float32) if inside is None else inside
    if picture.alpha is not None:
        weight = weight * picture.alpha
    shown = sampled(weight, _SAMPLES)
    if not len(shown):
        return SourcePalette(np.zeros((0, 3)), np.zeros(0))
    lab = srgb_to_lab(picture.rgb.reshape(-1, 3)[shown].T.copy())
    return source_palette(lab, weight.ravel()[shown], int(job.params["colors"]))


def _recoloring(job: Job, main: SourcePalette) -> Recoloring:
    palette = job.input("palette")
    chosen = None if palette is None else swatches(palette.raster.rgb, palette.raster.alpha)
    source = main.lab[:, 1:].astype(np.float32)
    target = harmonious_targets(source, chosen, bool(job.params["keep-neutrals"]))
    strength = np.float32(float(job.params["strength"]) / 100)
    return Recoloring(source, source + strength * (target - source))


def _strips(shape: tuple[int, ...]) -> Iterator[tuple[float, slice]]:
    """Rows of the picture, a strip at a time, each with the part that is done before it."""
    height, width = shape[:2]
    step = max(1, _STRIP // width)
    for top in range(0, height, step):
        yield top / height, slice(top, top + step)


def _palette_layer(main: SourcePalette, recoloring: Recoloring) -> Layer:
    """The colours after, as pixels; before and after, as hex codes, with their shares."""
    lightness = main.lab[:, 0].astype(np.float32)
    before = _shown(lightness, recoloring.source)
    after = _shown(lightness, recoloring.target)
    pixels = np.concatenate([after, np.ones((len(after), 1), np.float32)], axis=1)[None]
    metadata = {
        "source": [_hex_code(color) for color in before],
        "target": [_hex_code(color) for color in after],
        "share": [round(float(share), 4) for share in main.share],
    }
    return Layer("swatches", "Palette", pixels, kind="palette", exact=True, metadata=metadata)


def _shown(lightness: Floats, ab: Floats) -> Floats:
    """Colours (k x 3, sRGB-encoded, in gamut) of lightness (k) and a, b (k x 2)."""
    lab = np.concatenate([np.clip(lightness, 0, 100)[None], ab.T])
    bound = np.zeros_like(lightness)
    return linear_to_srgb(fit_chroma(lab, bound, bound + 1)).T


def _hex_code(color: Floats) -> str:
    red, green, blue = np.rint(np.clip(color, 0, 1) * 255).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"
