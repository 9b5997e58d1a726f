"""Closed regions of a drawing, although its lines have gaps, and which of them touch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from engine.imaging import gaps
from engine.imaging.lines import line_width

Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Box = tuple[slice, slice]

# The widest gap that is closed unasked: in line widths, and its limits as shares of the page.
_GAP_LINES, _GAP_LEAST, _GAP_MOST = 8.0, 0.02, 0.06
# Ends and bridges are found where lines are about this wide; more detail would not change them.
_WORKING_LINE_WIDTH = 6.0

COMPLETED, REACHED = 1, 2
"""Kinds of bridges: see Regions."""

# Index pairs that put each pixel beside the one to its right, and the one below it.
NEIGHBOURS = (
    ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
    ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
)


@dataclass(frozen=True)
class Regions:
    """A drawing cut into regions.

    labels: int32 H x W, 1 to count, everywhere: under a line the regions on its two sides meet in
    its middle; all 0 where the page is nothing but ink. ink: H x W, where lines are. bridges: uint8
    H x W, where gaps were closed: COMPLETED where an interrupted line goes on, REACHED where a line
    stops short of another; else 0. gap: widest gap that was closed, in pixels.
    """

    labels: Labels
    ink: Bools
    bridges: npt.NDArray[np.uint8]
    count: int
    gap: float

    @cached_property
    def areas(self) -> Ints:
        """Pixels of paper in each region, by label."""
        return np.bincount(self.labels[~self.ink], minlength=self.count + 1)

    @cached_property
    def boxes(self) -> list[Box]:
        """The smallest box around each region; label k's is the one before k."""
        from scipy.ndimage import find_objects

        return [(rows, columns) for rows, columns in find_objects(self.labels)]

    @cached_property
    def seams(self) -> Seams:
        """Where regions meet."""
        places = np.arange(self.labels.size).reshape(self.labels.shape)
        pairs = []
        for here, there in NEIGHBOURS:
            where = self.labels[here] != self.labels[there]
            pairs.append(np.stack([places[here][where], places[there][where]]))
        one, other = np.concatenate(pairs, axis=1)
        paper, completed = ~self.ink.ravel(), self.bridges.ravel() == COMPLETED
        opening = paper[one] & paper[other]
        return Seams(one, other, opening, opening & ~(completed[one] | completed[other]))

    @property
    def nbytes(self) -> int:
        """What it takes to keep it; what it finds out later of itself is small beside that."""
        return self.labels.nbytes + self.ink.nbytes + self.bridges.nbytes


@dataclass(frozen=True)
class Seams:
    """Pairs of pixels side by side that lie in two regions.

    one, other: N places in H x W, row by row. opening: N, whether both are paper; passage: N, and
    there is no interrupted line.
    """

    one: Ints
    other: Ints
    opening: Bools
    passage: Bools


@dataclass(frozen=True)
class Parts:
    """Regions, some of them cut into several parts.

    labels: int32 H x W, 1 on, as in Regions; a region's first part has its label. region: of each
    part, by label.
    """

    regions: Regions
    labels: Labels
    region: Labels

    @classmethod
    def whole(cls, regions: Regions) -> Parts:
        """The regions as they are."""
        every = np.arange(regions.count + 1, dtype=np.int32)
        return cls(regions, regions.labels, every)

    @property
    def count(self) -> int:
        """How many parts there are."""
        return len(self.region) - 1

    def at_border(self) -> Bools:
        """Whether each part touches the page's border, by label."""
        touches = np.zeros(self.count + 1, bool)
        for edge in (self.labels[0], self.labels[-1], self.labels[:, 0], self.labels[:, -1]):
            touches[edge] = True
        return touches

    def contacts(self) -> Contacts:
        """Which parts touch, and along how many pixels; parts of one region do not count."""
        seams, base = self.regions.seams, self.count + 1
        one, other = (self.labels.ravel()[p].astype(np.int64) for p in (seams.one, seams.other))
        keys = np.minimum(one, other) * base + np.maximum(one, other)
        unique, inverse = np.unique(keys, return_inverse=True)
        passages, openings = (
            np.bincount(inverse, kind, len(unique)).astype(np.int64)
            for kind in (seams.passage, seams.opening)
        )
        borders = np.bincount(inverse, minlength=len(unique))
        pairs = np.stack([unique // base, unique % base], axis=1)
        return Contacts(pairs, passages, openings, borders)


@dataclass(frozen=True)
class Contacts:
    """Pairs of parts that touch. pairs: N x 2 labels.

    passages: N, pixels along which they meet where one line stops short of another; openings: N, on
    paper in all, so where lines are interrupted too; borders: N, lines included.
    """

    pairs: Ints
    passages: Ints
    openings: Ints
    borders: Ints


def automatic_gap(width: float, shape: tuple[int, ...]) -> float:
    """The widest gap to close, in pixels, for a drawing with lines of that width and shape."""
    page = float(np.sqrt(shape[0] * shape[1]))
    return float(np.clip(_GAP_LINES * width, _GAP_LEAST * page, _GAP_MOST * page))


def find_regions(ink: Bools, gap: float = 0.0) -> Regions:
    """The drawing's regions. ink: H x W; gap: widest gap to close, in pixels, 0 = automatic."""
    import cv2

    width = line_width(ink)
    gap = gap or automatic_gap(width, ink.shape)
    bridges, factor = _find_bridges(ink, width, gap)
    drawn = np.zeros(ink.shape, np.uint8)
    for kind, curves in ((REACHED, bridges.to_lines), (COMPLETED, bridges.between_ends)):
        # Wide enough to reach the ink that a pixel of the reduced picture stands for.
        gaps.draw(drawn, curves, kind, factor, 2 * factor - 1)
    drawn[ink] = 0
    walls = (ink | (drawn > 0)).astype(np.uint8)
    # Paper is connected by edges and lines by corners too, so that a thin diagonal line is tight.
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - walls, connectivity=4)
    real = stats[:, cv2.CC_STAT_AREA] >= max(4.0, 0.25 * width**2)
    real[0] = False
    if not real.any():
        real[1:] = True
    numbers = np.where(real, np.cumsum(real), 0).astype(np.int32)
    return Regions(fill_to_nearest(numbers[labels]), ink, drawn, int(real.sum()), gap)


def _find_bridges(ink: Bools, width: float, gap: float) -> tuple[gaps.Bridges, int]:
    """The bridges over the drawing's gaps, and how much smaller the picture was they lie in."""
    import cv2

    factor = max(1, int(width / _WORKING_LINE_WIDTH))
    size = -(-ink.shape[1] // factor), -(-ink.shape[0] // factor)
    small = cv2.resize(ink * np.uint8(255), size, interpolation=cv2.INTER_AREA) >= 128
    ends = gaps.line_ends(small, width / factor)
    return gaps.find_bridges(small, ends, gap / factor, width / factor), factor


def fill_to_nearest(labels: Labels) -> Labels:
    """Every pixel without a label (0) takes that of the nearest pixel that has one."""
    import cv2

    missing = (labels == 0).astype(np.uint8)
    if missing.all():
        return labels
    _, nearest = cv2.distanceTransformWithLabels(
        missing, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    known = missing == 0
    label_of = np.zeros(int(nearest.max()) + 1, np.int32)
    label_of[nearest[known]] = labels[known]
    return label_of[nearest]
