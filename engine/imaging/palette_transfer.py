"""Colour transfer by palettes: each main colour of a picture moves to one of a reference.

Lv & Zhang. Palettes are peaks of the histograms of CIELAB's channels; the mapping between them
keeps distinct colours distinct. In the paper pixels move as hard clusters; here the moves of the
palette are mixed smoothly, so that the change is a continuous function of the colour alone. And how
far a pixel differs from its palette colour in a and b is kept in part only where the reference
varies less: or a grey reference would leave traces of hues, turned to their opposites.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.imaging.color_table import ColorTable, grid
from engine.imaging.compiled import compiled
from engine.imaging.raster import by_strips

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]
Numbers = npt.NDArray[Any]

_BINS = 100
_RADIUS = 3
_LEAST_SHARE = 30 / 300**2
"""Of all pixels that a peak's bin has to hold: the paper's 30, of a picture of 300 x 300."""
_LOW = np.array([0, -128, -128], np.float32)
_HIGH = np.array([100, 128, 128], np.float32)
_PER_UNIT = _BINS / (_HIGH - _LOW)
_MIDDLE = np.array([0.5, 0, 0], np.float32)
"""Of the first bin, in bins from _LOW: neutral is the middle of a bin of a and of b. As an edge of
two, rounding would decide which of them has the greys."""
_CLOSEST = 1e-3
"""Distance in CIELAB that colours count as apart at least."""
_LEAST_DEVIATION = 0.2
"""Of a palette colour's pixels, in CIELAB: what rounding to 8 bits makes of a flat colour."""
_SOFTNESS, _LEAST_SPREAD, _MOST_SPREAD = 1.25, 6.0, 15.0
"""The spread in median distances between neighbours of a palette, and its bounds in CIELAB: what is
finer needs a finer table, what is wider would mix the few flat colours of a drawing.

Measured on eight photographs, 99th percentile: hard clusters part colours one unit from each other
by 11, this by about 1.
"""
_LEVELS, _STEPS = 25, 97
"""Lightnesses in a table, and grid points of a and of b: for the worst of 14 photographs a mean
error of 0.04 and one of 0.25 at the 99.9th percentile, CIEDE2000. 17 lightnesses or 81 points were
not enough for 0.05 and 0.5."""
_LEAST_EXPONENT = -230.0
"""Of a Gaussian in one channel: three of them multiplied are over 0 in float64. It is felt only by
colours that are more than 21 spreads from all of the palette."""


@dataclass(frozen=True)
class Palette:
    """A picture's main colours, most frequent first.

    lab: float64 k x 3, CIELAB; each is the mean of its pixels. share: float64 k, its part of the
    picture, sum 1. deviation: float64 k, of its pixels from it, in a and b.
    """

    lab: Numbers
    share: Numbers
    deviation: Numbers

    @property
    def nbytes(self) -> int:
        """What it takes to keep it."""
        return self.lab.nbytes + self.share.nbytes + self.deviation.nbytes


def peak_palette(lab: Floats, weight: Floats, colors: int) -> Palette:
    """The main colours of pixels, at most `colors`, most frequent first (Lv & Zhang, eq. 1 to 4).

    lab: 3 x N, CIELAB; values beyond [0, 100] and [-128, 128] count as these. weight: N, at least
    0, not all 0. Pixels of one bin in all three channels are assigned together.
    """
    bins, totals, means = _occupied_cells(lab, weight)
    of_cell = [_nearest_peak(np.bincount(each, totals, _BINS))[each] for each in bins]
    peaks = np.ravel_multi_index(tuple(of_cell), (_BINS,) * 3)
    kept = _most_frequent(peaks, totals, colors)
    centres = np.stack(np.unravel_index(kept, (_BINS,) * 3), axis=1) + _MIDDLE
    labels = _nearest(means[:3], centres / _PER_UNIT + _LOW)
    return _palette(means, totals, labels)


def _occupied_cells(lab: Floats, weight: Floats) -> tuple[Ints, Numbers, Numbers]:
    """Where pixels are: n cells, each of one bin in all three channels.

    Returns their bins (3 x n), weights (n), and means of L, a, b and a² + b² (4 x n).
    """
    number = np.zeros((_BINS,) * 3, np.int32)
    bins, sums = np.empty((lab.shape[1], 3), np.intp), np.zeros((lab.shape[1], 5))
    count = _sum_cells(lab, np.asarray(weight, np.float32), number, bins, sums)
    totals, *moments = sums[:count].T
    return bins[:count].T, totals, np.stack(moments) / totals


@compiled
def _sum_cells(lab, weight, number, bins, sums):  # type: ignore[no-untyped-def]
    """Counts the cells and sums up their pixels, in the order in which cells are met.

    number: _BINS of a x of b x of L, of 0; becomes the cell's place in bins and sums, from 1 on.
    """
    count = 0
    for x in range(len(weight)):
        w = weight[x]
        if w <= 0:
            continue
        light, a, b = _clipped(lab[0, x], 0), _clipped(lab[1, x], 1), _clipped(lab[2, x], 2)
        at = _bin(a, 1), _bin(b, 2), _bin(light, 0)
        if number[at] == 0:
            bins[count] = at[2], at[0], at[1]
            count += 1
            number[at] = count
        of_cell = sums[number[at] - 1]
        of_cell[0] += w
        of_cell[1] += w * light
        of_cell[2] += w * a
        of_cell[3] += w * b
        of_cell[4] += w * (a * a + b * b)
    return count


@compiled
def _clipped(value, channel):  # type: ignore[no-untyped-def]
    return min(max(value, _LOW[channel]), _HIGH[channel])


@compiled
def _bin(value, channel):  # type: ignore[no-untyped-def]
    """The bin of a value within the bounds."""
    from_middle = (value - _LOW[channel]) * _PER_UNIT[channel] - _MIDDLE[channel]
    return min(int(from_middle + np.float32(0.5)), _BINS - 1)


def _nearest_peak(histogram: Numbers) -> Ints:
    """The peak that is nearest to each bin (eq. 2): a largest bin within the radius."""
    around = np.pad(histogram, _RADIUS, constant_values=-1)
    windows = np.lib.stride_tricks.sliding_window_view(around, 2 * _RADIUS + 1)
    is_first_largest = windows.argmax(axis=1) == _RADIUS
    (peaks,) = np.nonzero(is_first_largest & (histogram > _LEAST_SHARE * histogram.sum()))
    distance = np.abs(np.arange(len(histogram))[:, None] - peaks)
    nearest: Ints = peaks[distance.argmin(axis=1)]
    return nearest


def _most_frequent(codes: Ints, weight: Numbers, most: int) -> Ints:
    """The codes of most weight (eq. 3)."""
    found, index = np.unique(codes, return_inverse=True)
    order = np.argsort(-np.bincount(index, weight), kind="stable")
    kept: Ints = found[order[:most]]
    return kept


def _nearest(colors: Numbers, centres: Numbers) -> Ints:
    """The nearest of the centres (k x 3) for each colour (3 x N)."""
    closeness = colors.T @ centres.T
    closeness -= (centres**2).sum(axis=1) / 2
    nearest: Ints = closeness.argmax(axis=1)
    return nearest


def _palette(means: Numbers, totals: Numbers, labels: Ints) -> Palette:
    """The palette of labelled bins; labels without a bin are left out.

    means: 4 x N, of L, a, b and a² + b²; totals: N, the bins' weight.
    """
    share = np.bincount(labels, totals)
    sums = np.stack([np.bincount(labels, totals * channel) for channel in means], axis=1)
    order = np.argsort(-share, kind="stable")[: np.count_nonzero(share)]
    *lab, squares = (sums[order] / share[order, None]).T
    variance = np.maximum(squares - lab[1] ** 2 - lab[2] ** 2, 0)
    return Palette(np.stack(lab, axis=1), share[order] / share.sum(), np.sqrt(variance))


@dataclass(frozen=True)
class Mapping:
    """What becomes of each colour of a palette.

    target: float64 k x 3, the colour that it moves to. kept: float64 k in [0, 1], the part of its
    pixels' deviation that stays.
    """

    target: Numbers
    kept: Numbers


def mapping(source: Palette, reference: Palette) -> Mapping:
    """The mapping of the source's colours to those of the reference (eq. 6 to 10)."""
    nearest = _distances(source.lab, reference.lab).argmin(axis=1)
    # The source's colours are in order, so the first to choose a colour has the most pixels.
    mapped = np.unique(nearest, return_index=True)[1]
    chosen = nearest[mapped]
    weight = 1 / np.maximum(_distances(source.lab, source.lab[mapped]), _CLOSEST)
    weight[mapped] = np.eye(len(mapped))
    weight /= weight.sum(axis=1, keepdims=True)
    ours, theirs = (
        each + _LEAST_DEVIATION for each in (source.deviation[mapped], reference.deviation[chosen])
    )
    return Mapping(weight @ reference.lab[chosen], weight @ np.minimum(theirs / ours, 1))


def _distances(one: Numbers, other: Numbers) -> Numbers:
    """Euclidean distances between rows."""
    apart: Numbers = np.linalg.norm(one[:, None] - other[None], axis=2)
    return apart


@dataclass(frozen=True)
class PaletteShift:
    """A change of colour that moves a palette and takes every other colour along.

    Colours move as their nearest palette colours do, these weighted by a Gaussian of the distance:
    eq. 11 with soft clusters.

    source, move: float64 k x 3, CIELAB, the palette and how it moves. lost: float64 k in [0, 1],
    the part of the difference to it, in a and b, that does not stay. spread: CIELAB distance over
    which moves are mixed.
    """

    source: Numbers
    move: Numbers
    lost: Numbers
    spread: float

    @classmethod
    def between(cls, source: Palette, reference: Palette) -> PaletteShift:
        """The change that gives a picture of one palette the colours of another."""
        found = mapping(source, reference)
        return cls(source.lab, found.target - source.lab, 1 - found.kept, _spread(source))

    def scaled(self, lightness: float, chroma: float) -> PaletteShift:
        """The change with so much of what is added to L, and to a and b."""
        move = self.move * (lightness, chroma, chroma)
        return replace(self, move=move, lost=self.lost * chroma)

    def table(self) -> ColorTable:
        """The change as a table.

        On a grid a Gaussian is a product of three, each of one channel alone, and so the sums over
        the palette are products of matrices.
        """
        lightness, chroma = grid(_LEVELS, _STEPS)
        of_l, of_a, of_b = map(self._weights, range(3), (lightness, chroma, chroma))
        moved_a, moved_b = of_a * self._moves(1, chroma), of_b * self._moves(2, chroma)
        shift = np.empty((_LEVELS, _STEPS, _STEPS, 3), np.float32)

        def bake(levels: slice) -> None:
            of_la = of_l[levels, None] * of_a
            total = of_la @ of_b.T
            shift[levels, ..., 0] = (of_la * self.move[:, 0]) @ of_b.T / total
            shift[levels, ..., 1] = (of_l[levels, None] * moved_a) @ of_b.T / total
            shift[levels, ..., 2] = of_la @ moved_b.T / total

        by_strips((_LEVELS, _STEPS**2), bake)
        return ColorTable(shift)

    def _weights(self, channel: int, at: Floats) -> Numbers:
        """The palette's Gaussians in one channel, n x k, at n of its values, beside the largest."""
        exponents = (at[:, None] - self.source[:, channel]) ** 2 / (-2 * self.spread**2)
        exponents -= exponents.max(axis=1, keepdims=True)
        weights: Numbers = np.exp(np.maximum(exponents, _LEAST_EXPONENT))
        return weights

    def _moves(self, channel: int, at: Floats) -> Numbers:
        """What the palette's colours add to a or b (channel 1 or 2), n x k, at n of its values."""
        moves: Numbers = self.move[:, channel] + self.lost * (self.source[:, channel] - at[:, None])
        return moves


def _spread(palette: Palette) -> float:
    apart = _distances(palette.lab, palette.lab)
    np.fill_diagonal(apart, np.inf)
    typical = np.median(apart.min(axis=1)) if len(apart) > 1 else 0
    return min(max(_SOFTNESS * float(typical), _LEAST_SPREAD), _MOST_SPREAD)
