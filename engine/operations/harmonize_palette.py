"""Harmonise a picture: its main colours move to harmonious ones, lightness stays.

Xue 2024, chapter 4, or the templates of Cohen-Or et al. 2006; then hues that are left outside are
drawn in. With the method of names, strength 100, a turn of 180, no unity, no palette, no links and
nothing kept, the colours are Xue's.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from engine.imaging.color import lab_to_srgb
from engine.imaging.color_table import ColorTable
from engine.imaging.harmony import (
    Protection,
    Recoloring,
    named_targets,
    palette_targets,
    template_targets,
    turned,
)
from engine.imaging.hue_templates import best_template
from engine.imaging.palettes import SourcePalette, shares, source_palette
from engine.job import Input, Job, Layer
from engine.operations import pictures
from engine.operations.pictures import Links, Sample

Floats = npt.NDArray[np.float32]

# Measured: 86 for RGBA of 32 bits with a mask.
BYTES_PER_PIXEL = 90

_ENOUGH = 4096
"""Pixels that tell which template fits."""

_NOTHING_TO_DO = "No colour moves; the picture is as it was."


def run(job: Job) -> list[Layer]:
    """The picture in its new colours, and the main colours before and after.

    Alpha, transparent pixels and those outside the mask are exactly as they were. Raises
    LimnerError bad-parameter for a palette or links that cannot be used, and Cancelled.
    """
    job.progress(0.0, "palette")
    image, mask = job.primary("image"), job.input("mask")
    known = pictures.sample(job, image, mask)
    links = pictures.links(job.input("links"))
    main = _main_colours(job, known, links)
    recoloring = _recoloring(job, known, main, links)
    table = recoloring.table()
    pictures.preview(job, image, mask, table)
    moved = recoloring.source + recoloring.shift(recoloring.source.T).T
    swatches = [pictures.swatches_layer(main, moved)] if len(main.share) else []
    result = [_picture(job, image, mask, table)] if job.wants("picture") else []
    return [*result, *swatches, *pictures.cube_layers(job, table)]


def _picture(job: Job, image: Input, mask: Input | None, table: ColorTable) -> Layer:
    pixels = image.raster.rgba()
    pictures.recolored(job, pixels, pictures.inside_of(mask), table)
    note = {} if table.changes else {"note": _NOTHING_TO_DO}
    return Layer("picture", "Harmonized", pixels, x=image.raster.x, y=image.raster.y, metadata=note)


def _main_colours(job: Job, known: Sample, links: Links | None) -> SourcePalette:
    """The artist's main colours, or those of what is visible inside the mask."""
    if links is not None:
        return SourcePalette(links.lab, shares(known.lab, known.weight, links.lab))
    if not len(known.weight):
        return SourcePalette(np.zeros((0, 3)), np.zeros(0))
    return source_palette(known.lab, known.weight, int(job.params["colors"]))


def _recoloring(job: Job, known: Sample, main: SourcePalette, links: Links | None) -> Recoloring:
    protection = Protection(bool(job.params["keep-neutrals"]), bool(job.params["keep-skin"]))
    source = main.lab[:, 1:].astype(np.float32)
    target = source + protection.freedom(source.T)[:, None] * (
        _targets(job, known, source, protection) - source
    )
    strength = np.float32(float(job.params["strength"]) / 100)
    target = source + strength * (target - source)
    free = _drawn_in(job, known, Recoloring(source, target, protection))
    if links is None:
        return free
    target = np.where(links.fixed[:, None], links.target, target)
    return replace(free, target=target, fixed=links.fixed)


def _drawn_in(job: Job, known: Sample, recoloring: Recoloring) -> Recoloring:
    """With what is left outside drawn in; not beside a given palette, which is the harmony.

    The artist's links do not count: who edits one colour does not want others to move.
    """
    unity = float(job.params["unity"]) * float(job.params["strength"]) / 100**2
    if not unity or job.input("palette") is not None:
        return recoloring
    some = slice(None, None, -(-len(known.weight) // _ENOUGH) or 1)
    return recoloring.drawn_in(known.lab[1:, some], known.weight[some], unity)


def _targets(job: Job, known: Sample, source: Floats, protection: Protection) -> Floats:
    palette = pictures.given_palette(job)
    if palette is not None:
        return palette_targets(source, palette, pictures.locked_colors(job, palette))
    if job.params["method"] == "names" or not len(source):
        target = named_targets(source, protection)
    else:
        hsv = cv2.cvtColor(np.clip(lab_to_srgb(known.lab), 0, 1).T[None], cv2.COLOR_RGB2HSV)[0]
        target = template_targets(source, best_template(hsv[:, 0], hsv[:, 1] * known.weight))
    return turned(source, target, float(job.params["turn"]))
