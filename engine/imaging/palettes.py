"""Palettes: those an artist keeps, the main colours of a picture, and those given as pixels.

Main colours are found as in Xue 2024, section 4.3: weighted k-means over a histogram of CIELAB's
a, b. What that section leaves open (seeds, bins) follows Nguyen et al. 2017, its basis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ipc.errors import LimnerError

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]

MOST_COLORS = 7
MOST_SWATCHES = 4096
"""Editors come with palettes of some hundred colours; a photograph has many more than this."""

_SAMPLES = 1 << 16
_BINS = 16
_RANGE = 0.002, 0.998
"""Share of the pixels between which the bins lie; a few odd pixels would move every bin."""
_EXPLAINED = 0.93
_WIDEST = 128.0
"""a and b beyond it (HDR light) count as it, or a few such pixels would coarsen every bin."""
_ONE_COLOR = 0.25
"""Mean squared distance in a, b up to which a picture is of one colour: half a unit, unseen."""
_ROUNDS = 100


@dataclass(frozen=True, eq=False)
class Palette:
    """Colours that an artist keeps, in their order.

    rgb: float32 N x 3, sRGB-encoded. names: of each colour, "" for none. locked: which colours stay
    as they are, whatever is done with the palette. weights: float64 N, shares of a picture, sum 1,
    or None. name: the palette's own.
    """

    rgb: npt.NDArray[np.float32]
    names: tuple[str, ...]
    locked: tuple[bool, ...]
    weights: Floats | None = None
    name: str = ""

    def codes(self) -> npt.NDArray[np.uint8]:
        """The colours as 8-bit codes, N x 3, clipped to sRGB."""
        return np.rint(np.clip(self.rgb, 0, 1) * 255).astype(np.uint8)

    def distinct(self) -> Palette:
        """The palette with colours of equal 8-bit codes once, the first of them; without weights.

        A lock on any of them counts.
        """
        _, first, group = np.unique(self.codes(), axis=0, return_index=True, return_inverse=True)
        locked = np.bincount(group.ravel(), self.locked) > 0
        kept = [int(i) for i in np.sort(first)]
        return Palette(
            self.rgb[kept],
            tuple(self.names[i] for i in kept),
            tuple(bool(locked[group.ravel()[i]]) for i in kept),
            name=self.name,
        )


@dataclass(frozen=True)
class SourcePalette:
    """A picture's main colours, most frequent first.

    lab: float64 k x 3, CIELAB; L is the mean of the colour's pixels. share: float64 k, its part of
    the picture, sum 1.
    """

    lab: Floats
    share: Floats


def source_palette(lab: Floats, weight: Floats, colors: int = 0) -> SourcePalette:
    """The main colours of pixels (Xue 2024, section 4.3).

    lab: 3 x N, CIELAB. weight: N, at least 0, not all 0. colors: how many are wanted, 0 for the
    smallest number from 2 to 7 that explains 93 % of what seven do. Fewer come back where the
    pixels are of fewer colours.
    """
    bins, share = _histogram(lab, weight)
    labels = _clusters(bins[:, 1:], share, colors)
    _, labels = np.unique(labels, return_inverse=True)
    totals = np.bincount(labels, share).astype(np.float64)
    means = np.stack([np.bincount(labels, share * c) for c in bins.T], axis=1) / totals[:, None]
    order = np.argsort(-totals, kind="stable")
    return SourcePalette(means[order], totals[order])


def shares(lab: Floats, weight: Floats, main: Floats) -> Floats:
    """The part of the pixels (3 x N, weight N) that is nearest in a, b to each of k x 3 colours."""
    nearest = squared_distances(lab[1:].T, main[:, 1:]).argmin(axis=1)
    totals = np.bincount(nearest, weight, minlength=len(main))
    share: Floats = totals / max(totals.sum(), 1e-12)
    return share


def evenly(count: int) -> npt.NDArray[np.intp]:
    """Which of so many pixels to find colours from: all, or 2^16 spread evenly over them.

    About as many as the papers' pictures have. Steps of the golden ratio, unlike a stride, fall in
    with no pattern.
    """
    if count <= _SAMPLES:
        return np.arange(count)
    steps = np.arange(_SAMPLES) * 0.6180339887498949
    return np.sort(((steps - np.floor(steps)) * count).astype(np.intp))


def swatches(rgb: npt.NDArray[np.float32], alpha: npt.NDArray[np.float32] | None) -> Floats:
    """The different colours of a palette input, float32 N x 3, in reading order.

    rgb: H x W x 3; alpha: H x W or None. Pixels with alpha of 50 % or more count, and colours that
    round to the same 8-bit code are one. Raises LimnerError bad-parameter where there is none, or
    more than 4096.
    """
    shown = rgb.reshape(-1, 3) if alpha is None else rgb[alpha >= 0.5]
    codes = np.rint(shown * 255).astype(np.int32)
    _, first = np.unique(codes, axis=0, return_index=True)
    if not 1 <= len(first) <= MOST_SWATCHES:
        raise LimnerError(
            "bad-parameter",
            f"The palette has {len(first)} colours, and 1 to {MOST_SWATCHES} can be used.",
            "Give a palette file or a layer with a few flat colours.",
        )
    return shown[np.sort(first)]


def weighted_kmeans(points: Floats, weight: Floats, k: int) -> npt.NDArray[np.intp]:
    """The cluster (0 to k - 1) of each of N different points of any dimension; k is at most N.

    Deterministic: the seeds are points of large weight far from each other (Nguyen et al. 2017); a
    cluster that loses all its points begins again at the point that is worst off.
    """
    centres = points[_seeds(points, weight, k)].astype(np.float64)
    labels = np.full(len(points), -1)
    for _ in range(_ROUNDS):
        squares = squared_distances(points, centres)
        nearest = squares.argmin(axis=1)
        if np.array_equal(nearest, labels):
            break
        labels = nearest
        totals = np.bincount(labels, weight, minlength=k)
        sums = np.stack([np.bincount(labels, weight * c, minlength=k) for c in points.T], axis=1)
        centres = sums / np.maximum(totals, 1e-300)[:, None]
        empty = totals == 0
        if empty.any():
            loss = weight * squares.min(axis=1)
            worst = np.argsort(-loss, kind="stable")[: np.count_nonzero(empty)]
            centres[empty] = points[worst]
    return labels


def _seeds(points: Floats, weight: Floats, k: int) -> list[int]:
    """Indices of the first centres: largest weight, then damped near what was chosen."""
    left = weight.astype(np.float64)
    seeds: list[int] = []
    for _ in range(k):
        seeds.append(int(left.argmax()))
        distances = squared_distances(points, points[seeds[-1] :][:1])[:, 0]
        left = left * (distances / max(distances.max(), 1e-12)) ** 2
    return seeds


def squared_distances(points: Floats, centres: Floats) -> Floats:
    """From each of N x d to each of k x d, N x k."""
    squares: Floats = np.zeros((len(points), len(centres)))
    for ours, theirs in zip(points.T, centres.T, strict=True):
        squares += np.subtract.outer(ours, theirs) ** 2
    return squares


def _histogram(lab: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Mean colour (n x 3) and share (n) of the occupied bins of a, b."""
    ab = np.clip(lab[1:], -_WIDEST, _WIDEST)
    low, high = np.quantile(ab[:, weight > 0], _RANGE, axis=1)[..., None]
    cells = ((ab - low) * (_BINS / np.maximum(high - low, 1e-6))).astype(np.int32)
    cells = np.clip(cells, 0, _BINS - 1)
    index = cells[0] * _BINS + cells[1]
    totals = np.bincount(index, weight, minlength=_BINS**2)
    sums = [np.bincount(index, weight * c, minlength=_BINS**2) for c in (lab[0], *ab)]
    occupied = totals > 0
    weights = totals[occupied]
    return np.stack(sums, axis=1)[occupied] / weights[:, None], weights / weights.sum()


def _clusters(ab: Floats, share: Floats, colors: int) -> npt.NDArray[np.intp]:
    """The cluster of each bin."""
    most = min(MOST_COLORS, len(ab))
    if colors:
        return weighted_kmeans(ab, share, min(colors, most))
    labelings = [weighted_kmeans(ab, share, k) for k in range(1, most + 1)]
    distortion = np.array([_distortion(ab, share, labels) for labels in labelings])
    if distortion[0] <= _ONE_COLOR:
        return labelings[0]
    explained = (distortion[0] - distortion) / (distortion[0] - distortion[-1])
    return labelings[max(1, int(np.argmax(explained > _EXPLAINED)))]


def _distortion(ab: Floats, share: Floats, labels: npt.NDArray[np.intp]) -> float:
    """Weighted sum of squared distances to the own cluster's mean."""
    totals = np.maximum(np.bincount(labels, share), 1e-12)
    means = np.stack([np.bincount(labels, share * c) / totals for c in ab.T], axis=1)
    return float((share * ((ab - means[labels]) ** 2).sum(axis=1)).sum())
