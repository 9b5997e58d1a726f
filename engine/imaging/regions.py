"""Closed regions of a drawing, although its lines have gaps, and which of them touch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.imaging import gaps
from engine.imaging.lines import line_width

Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]

# The widest gap that is closed unasked: in line widths, and its limits as shares of the page.
_GAP_LINES, _GAP_LEAST, _GAP_MOST = 8.0, 0.02, 0.06
# Ends and bridges are found where lines are about this wide; more detail would not change them.
_WORKING_LINE_WIDTH = 6.0

# Index pairs that put each pixel beside the one to its right, and the one below it.
NEIGHBOURS = (
    ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
    ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
)


@dataclass(frozen=True)
class Regions:
    """A drawing cut into regions.

    labels: int32 H x W, 1 to count, everywhere: under a line the regions on its two sides meet in
    its middle; all 0 where the page is nothing but ink. ink: H x W, where lines are. bridged:
    H x W, where an interrupted line was completed. gap: widest gap that was closed, in pixels.
    """

    labels: Labels
    ink: Bools
    bridged: Bools
    count: int
    gap: float

    def areas(self) -> Ints:
        """Pixels of paper in each region, by label."""
        return np.bincount(self.labels[~self.ink], minlength=self.count + 1)

    def at_border(self) -> Bools:
        """Whether each region touches the page's border, by label."""
        touches = np.zeros(self.count + 1, bool)
        for edge in (self.labels[0], self.labels[-1], self.labels[:, 0], self.labels[:, -1]):
            touches[edge] = True
        return touches


@dataclass(frozen=True)
class Contacts:
    """Pairs of regions that touch. pairs: N x 2 labels.

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
    walls = ink.astype(np.uint8)
    # Wide enough to reach the ink that a pixel of the reduced picture stands for.
    gaps.draw(walls, bridges.between_ends, factor, 2 * factor - 1)
    bridged = (walls > 0) & ~ink
    gaps.draw(walls, bridges.to_lines, factor, 2 * factor - 1)
    # Paper is connected by edges and lines by corners too, so that a thin diagonal line is tight.
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - walls, connectivity=4)
    real = stats[:, cv2.CC_STAT_AREA] >= max(4.0, 0.25 * width**2)
    real[0] = False
    if not real.any():
        real[1:] = True
    numbers = np.where(real, np.cumsum(real), 0).astype(np.int32)
    return Regions(fill_to_nearest(numbers[labels]), ink, bridged, int(real.sum()), gap)


def contacts(regions: Regions) -> Contacts:
    """Which regions touch, and along how many pixels."""
    labels, paper, base = regions.labels, ~regions.ink, regions.count + 1
    keys, opens, passes = [], [], []
    for here, there in NEIGHBOURS:
        where = labels[here] != labels[there]
        first, second = labels[here][where].astype(np.int64), labels[there][where]
        keys.append(np.minimum(first, second) * base + np.maximum(first, second))
        opens.append(paper[here][where] & paper[there][where])
        bridged = regions.bridged[here][where] | regions.bridged[there][where]
        passes.append(opens[-1] & ~bridged)
    unique, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    passages, openings = (
        np.bincount(inverse, np.concatenate(each), len(unique)).astype(np.int64)
        for each in (passes, opens)
    )
    borders = np.bincount(inverse, minlength=len(unique))
    pairs = np.stack([unique // base, unique % base], axis=1)
    return Contacts(pairs, passages, openings, borders)


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
