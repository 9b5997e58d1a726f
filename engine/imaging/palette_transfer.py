"""Colour transfer by palettes: each main colour of a picture moves to one of a reference.

Lv & Zhang. Palettes are peaks of the histograms of CIELAB's channels; the mapping between them
keeps distinct colours distinct. In the paper pixels move as hard clusters; here the moves of the
palette are mixed smoothly, so that the change is a continuous function of the colour alone. And how
far a pixel differs from its palette colour in a and b is kept in part only where the reference
varies less: or a grey reference would leave traces of hues, turned to their opposites.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.imaging.color_table import ColorTable
from engine.imaging.compiled import compiled

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]
Numbers = npt.NDArray[Any]

_BINS = 100
_RADIUS = 3
_LEAST_SHARE = 30 / 300**2
"""Of all pixels that a peak's bin has to hold: the paper's 30, of a picture of 300 x 300."""
_LOW = np.array([[0], [-128], [-128]], np.float32)
_HIGH = np.array([[100], [128], [128]], np.float32)
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
_NOTHING = np.float32(-10)
"""Exponent, beside the largest, of a weight that is not worth counting."""
_RUN = 512
"""Colours that are mixed at once: what they need stays in the processor's cache."""


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
    lab = np.clip(lab, _LOW, _HIGH)
    scaled = (lab - _LOW) * (_BINS / (_HIGH - _LOW))
    bins = np.minimum(scaled.astype(np.intp), _BINS - 1)
    nearest = [_nearest_peak(np.bincount(channel, weight, _BINS)) for channel in bins]
    first = bins.min(axis=1, keepdims=True)
    shape = tuple(bins.max(axis=1) - first[:, 0] + 1)
    code = np.ravel_multi_index(tuple(bins - first), shape)
    totals = np.bincount(code, weight)
    cells = np.flatnonzero(totals > 0)
    moments = (*lab, lab[1] ** 2 + lab[2] ** 2)
    sums = np.stack([np.bincount(code, weight * moment)[cells] for moment in moments])
    totals = totals[cells]
    means = sums / totals
    occupied = np.stack(np.unravel_index(cells, shape)) + first
    of_cell = [peak[place] for peak, place in zip(nearest, occupied, strict=True)]
    peaks = np.ravel_multi_index(tuple(of_cell), (_BINS,) * 3)
    kept = _most_frequent(peaks, totals, colors)
    centres = np.stack(np.unravel_index(kept, (_BINS,) * 3)) + 0.5
    labels = _nearest(means[:3], centres * ((_HIGH - _LOW) / _BINS) + _LOW)
    return _palette(means, totals, labels)


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
    """The nearest of the centres (3 x k) for each colour (3 x N)."""
    nearest: Ints = ((centres**2).sum(axis=0) - 2 * colors.T @ centres).argmin(axis=1)
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

    source, move: float32 k x 3, CIELAB, the palette and how it moves. lost: float32 k in [0, 1],
    the part of the difference to it, in a and b, that does not stay. spread: CIELAB distance over
    which moves are mixed.
    """

    source: Floats
    move: Floats
    lost: Floats
    spread: float

    @classmethod
    def between(cls, source: Palette, reference: Palette) -> PaletteShift:
        """The change that gives a picture of one palette the colours of another."""
        found = mapping(source, reference)
        move = (found.target - source.lab).astype(np.float32)
        lost = (1 - found.kept).astype(np.float32)
        return cls(source.lab.astype(np.float32), move, lost, _spread(source))

    def table(self) -> ColorTable:
        """The change as a table."""
        return ColorTable.baked(self, _LEVELS, _STEPS)

    def __call__(self, lab: Floats) -> Floats:
        """What is added to colours, 3 x N."""
        scale = np.float32(1 / self.spread**2)
        slope = np.ascontiguousarray(self.source.T) * scale
        offset = (self.source**2).sum(axis=1) * (scale / 2)
        move = np.concatenate([self.move, self.lost[:, None]], axis=1)
        move[:, 1:3] += self.lost[:, None] * self.source[:, 1:]
        shift = np.empty_like(lab)
        _mix(lab, slope, offset, move, shift)
        return shift


def _spread(palette: Palette) -> float:
    apart = _distances(palette.lab, palette.lab)
    np.fill_diagonal(apart, np.inf)
    typical = np.median(apart.min(axis=1)) if len(apart) > 1 else 0
    return min(max(_SOFTNESS * float(typical), _LEAST_SPREAD), _MOST_SPREAD)


@compiled
def _mix(lab, slope, offset, move, shift):  # type: ignore[no-untyped-def]
    """As PaletteShift says.

    The exponents of Gaussians, less what all of them share, are linear in the colour: slope (3 x k)
    and offset (k). move: k x 4, what is added to L, a, b, and the part of a and b that is taken.
    """
    exponent, most = np.empty((len(offset), _RUN), np.float32), np.empty(_RUN, np.float32)
    total, mixed = np.empty(_RUN, np.float32), np.empty((4, _RUN), np.float32)
    for left in range(0, lab.shape[1], _RUN):
        n = min(_RUN, lab.shape[1] - left)
        most[:], total[:], mixed[:] = -np.inf, 0, 0
        for i in range(len(offset)):
            x0, x1, x2, off = slope[0, i], slope[1, i], slope[2, i], offset[i]
            for x in range(n):
                at = left + x
                exponent[i, x] = lab[0, at] * x0 + lab[1, at] * x1 + lab[2, at] * x2 - off
                most[x] = max(most[x], exponent[i, x])
        for i in range(len(offset)):
            for x in range(n):
                exponent[i, x] = _weight(exponent[i, x] - most[x])
                total[x] += exponent[i, x]
            for c in range(4):
                part = move[i, c]
                for x in range(n):
                    mixed[c, x] += exponent[i, x] * part
        for x in range(n):
            shift[0, left + x] = mixed[0, x] / total[x]
            for c in range(1, 3):
                own = mixed[c, x] - mixed[3, x] * lab[c, left + x]
                shift[c, left + x] = own / total[x]


@compiled
def _weight(exponent):  # type: ignore[no-untyped-def]
    """The exponential of a number up to 0, as the 64th power of a series; 0 where it is nothing.

    Beside np.exp it becomes vector code.
    """
    y = max(exponent, _NOTHING) * np.float32(1 / 64)
    series = y * (np.float32(1 / 6) + y * np.float32(1 / 24))
    value = np.float32(1) + y * (np.float32(1) + y * (np.float32(1 / 2) + series))
    for _ in range(6):
        value *= value
    return value if exponent > _NOTHING else np.float32(0)
