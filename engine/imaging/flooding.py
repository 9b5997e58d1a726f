"""Labels that spread over a picture from pixel to pixel, each step depending on the one before.

numba compiles the loops: numpy would pass over whole arrays at every step, and scikit-image's
watershed, which has a heap where here are buckets, takes five to ten times as long as `flood`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.imaging.compiled import compiled

Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_DOWN, _ACROSS = np.array([-1, 0, 0, 1]), np.array([0, -1, 1, 0])
_WAITING, _QUEUED, _DONE = np.uint8(1), np.uint8(2), np.uint8(3)


_LEVELS = 16
"""Heights that `flood` tells apart, per unit."""


def flood(heights: Floats, markers: Labels, inside: Bools) -> Labels:
    """A watershed: labels spread from their markers over a landscape, lowest ground first.

    heights: float32 H x W, told apart to 1/16; of ground equally high what was reached first comes
    first. markers: int32 H x W, 0 = none. Returns int32 H x W, 0 outside and where none leads.
    """
    levels = np.rint((heights - heights.min()) * np.float32(_LEVELS)).astype(np.int32)
    return np.asarray(_flood(levels, np.where(inside, markers, 0), inside, int(levels.max()) + 1))


@compiled
def _flood(levels, labels, inside, count):  # type: ignore[no-untyped-def]
    """Floods `labels`; levels: of each pixel, 0 to count - 1."""
    width = labels.shape[1]
    level, label, open_ = levels.reshape(-1), labels.reshape(-1), inside.reshape(-1)
    # A queue for each level: its first and last pixel, and after each pixel the next.
    first, last = np.full(count, -1, np.int32), np.full(count, -1, np.int32)
    after = np.full(len(label), -1, np.int32)
    for at in range(len(label)):
        if label[at]:
            _enqueue(at, level[at], first, last, after)
    lowest = 0
    while lowest < count:
        at = first[lowest]
        if at < 0:
            lowest += 1
            continue
        first[lowest] = after[at]
        for side in range(4):
            beside = _beside(at, side, width, len(label))
            if beside >= 0 and open_[beside] and not label[beside]:
                label[beside] = label[at]
                _enqueue(beside, level[beside], first, last, after)
                lowest = min(lowest, level[beside])
    return labels


@compiled
def _enqueue(at, level, first, last, after):  # type: ignore[no-untyped-def]
    if first[level] < 0:
        first[level] = at
    else:
        after[last[level]] = at
    last[level] = at


def flow(labels: npt.NDArray[np.integer[Any]], place: Ints, through: Bools | None = None) -> None:
    """Pixels without a label take one from a pixel beside them, in turns, as far as that leads.

    labels: H x W, 0 = none; changed in place. place: N, the pixels that may take one, as places in
    H x W row by row. through: H x W, who gives; None is everyone. Of several neighbours the first
    counts: above, left, right, below.
    """
    gives = np.ones(0, bool) if through is None else through.reshape(-1)
    _flow(labels.reshape(-1), labels.shape[1], place, gives)


@compiled
def _flow(labels, width, place, gives):  # type: ignore[no-untyped-def]
    state = np.zeros(len(labels), np.uint8)
    # A pixel asks at first, and once more after a neighbour took a label that it gives.
    queue = np.empty(2 * len(place), place.dtype)
    taken = np.zeros(len(queue), labels.dtype)
    start, end = 0, len(place)
    for turn in range(end):
        queue[turn], state[place[turn]] = place[turn], _WAITING
    while start < end:
        for turn in range(start, end):
            taken[turn] = _offer(queue[turn], labels, width, gives)
        for turn in range(start, end):
            if taken[turn]:
                labels[queue[turn]], state[queue[turn]] = taken[turn], _DONE
        stop = end
        for turn in range(start, stop):
            if taken[turn] and (not len(gives) or gives[queue[turn]]):
                end = _ask_around(queue[turn], state, width, queue, end)
        start = stop


@compiled
def _offer(at, labels, width, gives):  # type: ignore[no-untyped-def]
    """The first label beside a pixel that is given, or 0."""
    for side in range(4):
        beside = _beside(at, side, width, len(labels))
        if beside >= 0 and labels[beside] and (not len(gives) or gives[beside]):
            return labels[beside]
    return 0


@compiled
def _ask_around(at, state, width, queue, end):  # type: ignore[no-untyped-def]
    """Queues the waiting pixels beside one; the queue's new end."""
    for side in range(4):
        beside = _beside(at, side, width, len(state))
        if beside >= 0 and state[beside] == _WAITING:
            state[beside], queue[end] = _QUEUED, beside
            end += 1
    return end


@compiled
def _beside(at, side, width, size):  # type: ignore[no-untyped-def]
    """The pixel above, left, right or below, -1 beyond the page."""
    column, beside = at % width + _ACROSS[side], at + _DOWN[side] * width + _ACROSS[side]
    return beside if 0 <= column < width and 0 <= beside < size else -1


@compiled
def climb(heights, rows, columns, seeds, markers, order, first):  # type: ignore[no-untyped-def]
    """From each start the steepest way uphill is marked as its seed's, up to a peak or another's.

    heights: float32 H x W. rows, columns, seeds: N starts and their numbers. markers: int32 H x W,
    0 = none; order: float32 H x W, which becomes `first` on the ways; both are changed in place.
    """
    height, width = heights.shape
    for n in range(len(seeds)):
        y, x = rows[n], columns[n]
        while markers[y, x] == 0 or markers[y, x] == seeds[n]:
            order[y, x], markers[y, x] = first, seeds[n]
            top, left = y, x
            for row in range(max(y - 1, 0), min(y + 2, height)):
                for column in range(max(x - 1, 0), min(x + 2, width)):
                    if heights[row, column] > heights[top, left]:
                        top, left = row, column
            if top == y and left == x:
                break
            y, x = top, left
