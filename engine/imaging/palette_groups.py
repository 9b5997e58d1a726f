"""One palette for a set of pictures: the group's colours, and which main colour becomes which.

Xue 2024, chapter 3, gives the task, the rule that tells a subject's colours from the others (eq.
3.2) and the distance of names (eq. 3.3). The grouping is solved another way than in its basis
(Nguyen et al. 2017), whose penalty for dissimilar pairs is left out on purpose: k-means over all
main colours, in which every picture gives its colours out by an optimal assignment. A group colour
that a picture already uses costs more (CROWDING), and so does no group colour at all (REACH), so
that colours of one picture do not fall together for nothing and poor matches stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from engine.imaging.harmony import naming_colors
from engine.imaging.naming import name_probabilities
from engine.imaging.palettes import MOST_COLORS, weighted_kmeans

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]

NOT_LINKED = -1
CROWDING = 20.0
"""Distance in a, b that a colour goes rather than share a group colour with one of its picture."""
REACH = 30.0
"""Distance in a, b beyond which a colour rather stays as it is."""
SAME_NAME = 0.45
"""Distance of two vectors of name probabilities up to which colours may have one name.

Xue's 0.8 is for a table of names that is nearly sure of most colours; this one is softer.
"""

_ROUNDS = 10
_NEVER = 1e9


@dataclass(frozen=True)
class MainColors:
    """A picture's main colours as the group sees them: ab float32 k x 2, share k."""

    ab: Floats
    share: npt.NDArray[np.floating]

    def of(self, chosen: Bools) -> MainColors:
        """Some of them."""
        return MainColors(self.ab[chosen], self.share[chosen])


def group_size(palettes: Sequence[MainColors]) -> int:
    """How many colours a group needs: as many as its pictures have on average, half up."""
    counts = [len(palette.ab) for palette in palettes if len(palette.ab)]
    return min(MOST_COLORS, math.floor(np.mean(counts) + 0.5)) if counts else 0


def group_colors(palettes: Sequence[MainColors], count: int, keep_names: bool) -> Floats:
    """The group's palette, at most count x 2 (a, b); every one is a main colour of some picture.

    keep_names: as in `linked`. Each picture counts alike. A mean of colours would be duller than
    any of them, so each group colour is the main colour next to its cluster's mean.
    """
    points = np.concatenate([palette.ab for palette in palettes])
    weight = np.concatenate([palette.share for palette in palettes]).astype(np.float64)
    different, place = np.unique(points, axis=0, return_inverse=True)
    if count < 1 or not len(points):
        return np.zeros((0, 2), np.float32)
    totals = np.bincount(place.ravel(), weight).astype(np.float64)
    labels = weighted_kmeans(different, totals, min(count, len(different)))[place.ravel()]
    group = np.zeros((0, 2), np.float32)
    for _ in range(_ROUNDS):
        group, before = _medoids(points, weight, labels), group
        if np.array_equal(group, before):
            break
        labels = np.concatenate([linked(palette, group, keep_names) for palette in palettes])
    return group


def linked(main: MainColors, group: Floats, keep_names: bool, reach: float | None = None) -> Ints:
    """The group colour (m x 2) that each main colour becomes, k; NOT_LINKED where it stays.

    keep_names: a colour is linked only where both may have one name (Xue 2024, eq. 3.3). The links
    are the cheapest of all by squared distance in a, b, weighted by share. reach: beyond it a
    colour stays; without one it is REACH where names are kept, and endless otherwise.
    """
    if reach is None:
        reach = REACH if keep_names else math.inf
    count, groups = len(main.ab), len(group)
    if not count or not groups:
        return np.full(count, NOT_LINKED)
    cost = ((main.ab[:, None] - group[None]) ** 2).sum(axis=2, dtype=np.float64)
    if keep_names:
        cost[_name_distance(main.ab, group) > SAME_NAME] = _NEVER
    crowded = [cost + use * CROWDING**2 for use in range(count)]
    alone = np.full((count, count), min(reach**2, _NEVER / 2))
    columns = np.concatenate([*crowded, alone], axis=1)
    columns = np.minimum(columns, _NEVER) * np.maximum(main.share, 1e-6)[:, None]
    chosen = linear_sum_assignment(columns)[1]
    return np.where(chosen < count * groups, chosen % groups, NOT_LINKED)


def subject_colors(ab: Floats, pixels: Floats, weight: Floats, likely: Bools) -> Bools:
    """Which main colours (k x 2) are the subject's: a greater part of it than of the rest.

    Xue 2024, eq. 3.2. pixels: a, b, 2 x N; weight: N; likely: N, whether the subject is there.
    """
    nearest = ((pixels.T[:, None] - ab[None]) ** 2).sum(axis=2).argmin(axis=1)
    subject, rest = (
        np.bincount(nearest[where], weight[where], minlength=len(ab)) / max(weight[where].sum(), 1)
        for where in (likely, ~likely)
    )
    return np.asarray(subject > rest)


def _medoids(points: Floats, weight: npt.NDArray[np.float64], labels: Ints) -> Floats:
    """For each label but NOT_LINKED the point nearest to the mean of those that have it."""
    found = []
    for label in np.unique(labels[labels != NOT_LINKED]):
        own = labels == label
        mean = np.average(points[own], axis=0, weights=np.maximum(weight[own], 1e-9))
        found.append(points[own][((points[own] - mean) ** 2).sum(axis=1).argmin()])
    return np.array(found, np.float32).reshape(-1, 2)


def _name_distance(ab: Floats, others: Floats) -> Floats:
    """Between the name probabilities of colours (k x 2) and others (m x 2), k x m."""
    names, other_names = (name_probabilities(naming_colors(colors)) for colors in (ab, others))
    distance: Floats = np.linalg.norm(names[:, None] - other_names[None], axis=2)
    return distance
