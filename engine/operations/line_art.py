"""What operations on line art share: its regions, and the colours that are asked for in them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from engine.imaging import fill, scribbles
from engine.imaging.lines import ink_coverage, ink_mask
from engine.imaging.regions import Regions, find_regions
from engine.job import Job
from ipc.errors import LimnerError

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]


class LineArt:
    """A job's line art."""

    def __init__(self, job: Job) -> None:
        self.job, self.layer = job, job.primary("line-art")

    @cached_property
    def coverage(self) -> Floats:
        """Share of each pixel that ink covers, H x W in [0, 1]."""
        return ink_coverage(self.layer.raster.rgb, self.layer.raster.alpha)

    def regions(self) -> Regions:
        """Its regions for the job's gap, from the cache where they are known.

        Raises LimnerError empty-line-art.
        """
        gap = int(self.job.params["gap"])
        return self.job.cache.get(("regions", self.layer.digest, gap), lambda: self._prepare(gap))

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


def hints(job: Job, palette: Floats | None = None) -> tuple[Floats, list[Labels]]:
    """All colours asked for, N x 3, and where: scribbles first, then an earlier flats layer.

    palette: M x 3; each colour becomes the nearest of these.
    """
    given = [i.raster for i in (job.input("scribbles"), job.input("flats")) if i is not None]
    if not given:
        return np.zeros((0, 3), np.float32), []
    read = [scribbles.read_hints(raster.rgb, raster.alpha) for raster in given]
    colours = np.concatenate([layer.colours for layer in read])
    if palette is not None:
        colours = palette[scribbles.nearest(colours, palette)]
    colours, number = np.unique(colours, axis=0, return_inverse=True)
    *numbers, _ = np.split(number + 1, np.cumsum([len(layer.colours) for layer in read]))
    return colours, [
        np.concatenate([[0], own]).astype(np.int32)[layer.labels]
        for layer, own in zip(read, numbers, strict=True)
    ]


def assigned(job: Job, regions: Regions, asked: list[Labels]) -> tuple[Regions, Labels]:
    """The regions, cut where several colours are asked for in one, and the colour of each.

    asked: colour numbers, H x W, 0 = none; the first go first.
    """
    colour_of_region = np.zeros(regions.count + 1, np.int32)
    for layer in asked:
        regions, colour_of_region = fill.assign(regions, colour_of_region, layer, job.cache.get)
        job.checkpoint()
    return regions, colour_of_region
