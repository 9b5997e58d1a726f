"""What operations on line art share: its regions, and the colours that are asked for in them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from engine.imaging import fill, scribbles
from engine.imaging.color import coverage
from engine.imaging.composite import BLENDING
from engine.imaging.lines import ink_coverage, ink_mask
from engine.imaging.raster import Raster
from engine.imaging.regions import Parts, Regions, find_regions
from engine.imaging.resample import over, shrink
from engine.imaging.scribbles import Hints
from engine.job import Input, Job
from ipc.errors import LimnerError

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]


T = TypeVar("T")

SAMPLE_SIDE = 512
PAPER_TONES = 0.06
"""How far paper may differ from a page's usual colour."""
COLOURED, LEAST_PAPER, LEAST_GREY_PAPER = 0.05, 0.45, 0.2
"""How far channels differ in a page with colours; the least share of paper in such line art, and in
grey ones, where pencil and uneven light leave less.

Measured: paper has .67 to .96 of line art; half of photographs have less than .09 of a usual colour
and less than .26 of a usual grey.
"""
DARK = 0.35
"""Luma of paper below which lines are light on dark."""


@dataclass(frozen=True)
class Look:
    """What a page looks like. is_picture: too little of it is paper; is_negative: paper is dark."""

    is_picture: bool
    is_negative: bool


class LineArt:
    """A job's line art."""

    def __init__(self, job: Job) -> None:
        self.job, self.layer = job, job.primary("line-art")

    def look(self) -> Look:
        """What it looks like, from the cache where that is known."""
        return self.job.cache.get(("look", self.layer.digest), lambda: _look(self.layer.raster))

    @property
    def blending(self) -> str:
        """How lines on opaque paper show colours that lie under them."""
        return "screen" if self.look().is_negative else "multiply"

    @cached_property
    def coverage(self) -> Floats:
        """Share of each pixel that ink covers, H x W in [0, 1]."""
        return ink_coverage(self.layer.raster.rgb, self.layer.raster.alpha)

    @property
    def depth(self) -> Floats:
        """How far each pixel lies under ink, in pixels, H x W; 0 on paper."""
        import cv2

        def measure() -> Floats:
            ink = self.regions.ink.astype(np.uint8)
            return np.asarray(cv2.distanceTransform(ink, cv2.DIST_L2, cv2.DIST_MASK_5), np.float32)

        return self.job.cache.get(("depth", self.layer.digest), measure)

    @cached_property
    def regions(self) -> Regions:
        """Its regions for the job's gap, from the cache where they are known.

        Raises LimnerError empty-line-art.
        """
        gap = int(self.job.params["gap"])
        return self.job.cache.get(("regions", self.layer.digest, gap), lambda: self._prepare(gap))

    def assigned(
        self, regions: Regions, asked: list[Hints], parted: bool = True
    ) -> tuple[Parts, Labels]:
        """Its regions and their colours, as from `fill.assign`, with what is known in the cache."""

        def keep(key: Hashable, make: Callable[[], T]) -> T:
            self.job.checkpoint()
            return self.job.cache.get(("parts", self.layer.digest, regions.gap, key), make)

        return fill.assign(regions, asked, keep, parted=parted)

    def over(self, colours: Floats) -> Floats:
        """The lines over the whole page's colours, both h x w x 3 in [0, 1]."""
        size, blending = (colours.shape[1], colours.shape[0]), self.blending
        ground = 0.0 if blending == "screen" else 1.0

        def make() -> Floats:
            raster = self.layer.raster
            return shrink(raster.rgb, raster.alpha, size, ground)

        lines = self.job.cache.get(("small lines", self.layer.digest, size), make)
        return BLENDING[blending](colours, lines)

    def _prepare(self, gap: int) -> Regions:
        self.job.progress(0.0, "lines")
        ink = ink_mask(self.coverage)
        if not ink.any() or ink.all():
            raise LimnerError(
                "empty-line-art",
                f"The line art '{self.layer.name}' has no lines in it."
                if not ink.any()
                else f"The line art '{self.layer.name}' is nothing but ink.",
                "Choose the layer that holds the lines and run again.",
            )
        self.job.progress(0.2, "regions")
        return find_regions(ink, gap)


def _look(raster: Raster) -> Look:
    step = max(1, max(raster.width, raster.height) // SAMPLE_SIDE)
    alpha = None if raster.alpha is None else raster.alpha[::step, ::step]
    seen = over(raster.rgb[::step, ::step], alpha, 1.0)
    usual = np.median(seen.reshape(-1, 3), axis=0)
    paper = (np.abs(seen - usual).max(axis=2) < PAPER_TONES).mean()
    coloured = np.ptp(seen, axis=2).mean() > COLOURED
    return Look(
        is_picture=bool(paper < (LEAST_PAPER if coloured else LEAST_GREY_PAPER)),
        is_negative=coverage(usual[None, None], None).item() < DARK,
    )


def hints(job: Job, palette: Floats | None = None) -> list[Hints]:
    """What scribbles and then an earlier flats layer ask for, by the same colours.

    palette: M x 3; each colour becomes the nearest of these.
    """
    read = [_read(job, layer) for role in ("scribbles", "flats") if (layer := job.input(role))]
    if not read:
        return []
    colours = np.concatenate([layer.colours for layer in read])
    if palette is not None:
        colours = palette[scribbles.nearest(colours, palette)]
    colours, number = np.unique(colours, axis=0, return_inverse=True)
    *numbers, _ = np.split(number + 1, np.cumsum([len(layer.colours) for layer in read]))
    return [
        layer.renumbered(np.concatenate([[0], own]).astype(np.int32), colours)
        for layer, own in zip(read, numbers, strict=True)
    ]


def with_clear(job: Job, asked: list[Hints]) -> list[Hints]:
    """The hints, with the strokes that ask for no colour by a last colour of their own.

    They count as scribbles do.
    """
    layer = job.input("clear")
    if layer is None:
        return asked
    before = asked[0].colours if asked else np.zeros((0, 3), np.float32)
    colours = np.concatenate([before, np.zeros((1, 3), np.float32)])
    strokes = _read(job, layer)
    number = np.full(len(strokes.colours) + 1, len(colours), np.int32)
    number[0] = 0
    clear = strokes.renumbered(number, colours)
    asked = [replace(hints, colours=colours) for hints in asked]
    if job.input("scribbles") is None:
        return [clear, *asked]
    return [asked[0].joined(clear), *asked[1:]]


def _read(job: Job, layer: Input) -> Hints:
    """What a layer asks for, from the cache where that is known."""
    return job.cache.get(("hints", layer.digest), lambda: scribbles.read_hints(layer.marks()))
