"""Where lines end, and the bridges that close the gaps between them.

An end is bridged to another end that it faces, along the curve that both suggest, or straight to a
line that lies ahead. Matching ends by good continuation follows the idea of Fourey, Tschumperlé and
Revoy 2018, section 3; here the ends come from a pruned skeleton.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# The eight neighbours in circular order, as (x, y) steps; a walk prefers the straight ones.
_RING = np.array([(-1, -1), (0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0)])
_STRAIGHT = np.array([1, 2, 1, 2, 1, 2, 1, 2])
# Where an end looks for a line ahead, in degrees off its heading.
_LOOK = np.arange(-40, 41, 10)
# How many of the ends near it an end may be bridged to, and how many ends are looked at in all.
_NEAREST, _MOST_ENDS = 8, 20_000
# A line ahead is a weaker sign than an end that faces back, so it must be nearer.
_AHEAD = 1.6
# How well a dot, which has no heading, faces anything: as a cosine.
_DOT_FACES = 0.7
# Ends that face each other exactly may lie this much farther apart than the gap.
_FACING_REACH = 1.25


@dataclass(frozen=True)
class LineEnds:
    """Where lines end. tips: N x 2 (x, y) in pixels, on ink; headings: N x 2 unit vectors.

    A dot, too short to have a direction, has the heading 0.
    """

    tips: Floats
    headings: Floats

    @property
    def dots(self) -> Bools:
        """Which ends are dots."""
        dots: Bools = (self.headings == 0).all(axis=1)
        return dots


def line_ends(ink: Bools, line_width: float) -> LineEnds:
    """The ends of a drawing's lines, without those at the page's border.

    ink: H x W; line_width: pixels. Skeleton branches no longer than the line is wide are pruned:
    they are corners and burrs. Of very many ends, those of the largest pieces of ink are kept.
    """
    import cv2
    from skimage.morphology import skeletonize

    page = np.pad(ink, 1)
    skeleton = skeletonize(page)
    ends = _prune(skeleton, int(np.ceil(0.75 * line_width)) + 1)
    headings = _headings(skeleton, ends, steps=max(4, round(3.0 * line_width)))
    tips, ends_in_paper = _tips(page, ends, headings, reach=int(2.0 * line_width) + 3)
    _, pieces, stats, centres = cv2.connectedComponentsWithStats(
        page.astype(np.uint8), connectivity=8
    )
    area = stats[:, cv2.CC_STAT_AREA]
    # Pieces that pruning took whole are dots, unless they are dust.
    has_line = np.zeros(len(area), bool)
    has_line[pieces[skeleton]] = True
    has_line[0] = True
    dots = np.flatnonzero(~has_line & (area >= 0.25 * line_width**2))
    size = np.concatenate([area[pieces[ends[:, 1], ends[:, 0]]][ends_in_paper], area[dots]])
    tips = np.concatenate([tips[ends_in_paper], centres[dots]]) - 1.0
    headings = np.concatenate([headings[ends_in_paper], np.zeros((len(dots), 2))])
    last = np.array(ink.shape[::-1]) - 1.0
    inside = np.flatnonzero(((tips >= 1.5) & (tips <= last - 1.5)).all(axis=1))
    kept = inside[np.sort(np.argsort(-size[inside], kind="stable")[:_MOST_ENDS])]
    return LineEnds(tips[kept], headings[kept])


def find_bridges(ink: Bools, ends: LineEnds, gap: float, line_width: float) -> list[Floats]:
    """Curves over the gaps up to `gap` pixels wide, cheapest first: N x 2 points (x, y) each.

    An end takes one bridge, a dot two.
    """
    if not len(ends.tips):
        return []
    facing, ahead = _to_ends(ends, gap), _to_lines(ink, ends, gap, line_width)
    cost = np.concatenate([facing.cost, ahead.cost])
    starts = np.concatenate([facing.starts, ahead.starts])
    free = np.where(ends.dots, 2, 1)
    found = []
    for number in np.lexsort((starts, cost)):
        start, other = starts[number], number - len(facing.cost)
        if not free[start]:
            continue
        if other >= 0:
            found.append(np.stack([ends.tips[start], ahead.targets[other].astype(np.float64)]))
        elif free[facing.targets[number]]:
            free[facing.targets[number]] -= 1
            found.append(_curve(ends, start, facing.targets[number]))
        else:
            continue
        free[start] -= 1
    return found


@dataclass(frozen=True)
class _Candidates:
    """Bridges that could be. starts: N, line ends; cost: N, length, more where the aim is bad.

    targets: N line ends, or N x 2 pixels (x, y) of a line.
    """

    starts: Ints
    targets: Ints
    cost: Floats


def _curve(ends: LineEnds, start: int, end: int) -> Floats:
    """Points of a cubic that leaves both ends along their headings."""
    here, there = ends.tips[start], ends.tips[end]
    length = float(np.linalg.norm(there - here))
    leave, arrive = ends.headings[start] * length, -ends.headings[end] * length
    t = np.linspace(0.0, 1.0, max(2, int(length / 3.0)))[:, None]
    points: Floats = (
        (2 * t**3 - 3 * t**2 + 1) * here
        + (t**3 - 2 * t**2 + t) * leave
        + (3 * t**2 - 2 * t**3) * there
        + (t**3 - t**2) * arrive
    )
    return points


def _around(mask: Bools, points: Ints) -> Bools:
    """The eight neighbours of each point in the mask, N x 8."""
    ring = points[:, None] + _RING
    around: Bools = mask[ring[..., 1], ring[..., 0]]
    return around


def _branches(around: Bools) -> Ints:
    """How many lines leave a skeleton pixel: runs of set neighbours around it."""
    runs: Ints = (around & ~np.roll(around, 1, axis=1)).sum(axis=1)
    return runs


def _prune(skeleton: Bools, length: int) -> Ints:
    """Takes `length` pixels off every end of the skeleton; the ends that remain, N x 2 (x, y)."""
    points = np.argwhere(skeleton)[:, ::-1]
    ends = points[_branches(_around(skeleton, points)) <= 1]
    for _ in range(length):
        neighbours = (ends[:, None] + _RING)[_around(skeleton, ends)]
        skeleton[ends[:, 1], ends[:, 0]] = False
        neighbours = np.unique(neighbours, axis=0)
        left = neighbours[skeleton[neighbours[:, 1], neighbours[:, 0]]]
        ends = left[_branches(_around(skeleton, left)) <= 1]
    return ends


def _headings(skeleton: Bools, ends: Ints, steps: int) -> Floats:
    """The direction in which each end points, from a walk back along its line."""
    here, before = ends, ends
    walking = np.ones(len(ends), bool)
    for _ in range(steps):
        ring = here[:, None] + _RING
        ahead = skeleton[ring[..., 1], ring[..., 0]]
        behind = np.abs(ring - before[:, None]).max(axis=2) <= 1
        ahead &= ~(behind & (here != before).any(axis=1, keepdims=True))
        walking &= _branches(ahead) == 1
        if not walking.any():
            break
        step = _RING[(ahead * _STRAIGHT).argmax(axis=1)]
        before = np.where(walking[:, None], here, before)
        here = np.where(walking[:, None], here + step, here)
    away = (ends - here).astype(np.float64)
    length = np.linalg.norm(away, axis=1, keepdims=True)
    away /= np.where(length > 0, length, 1.0)
    return away


def _tips(ink: Bools, ends: Ints, headings: Floats, reach: int) -> tuple[Floats, Bools]:
    """The last ink ahead of each end, and whether paper follows it within reach."""
    distance = np.arange(reach)
    points = np.rint(ends[:, None] + headings[:, None] * distance[:, None]).astype(np.int64)
    points = points.clip(0, np.array(ink.shape[::-1]) - 1)
    paper = ~ink[points[..., 1], points[..., 0]]
    first = paper.argmax(axis=1)
    return ends + headings * (first - 1)[:, None], paper.any(axis=1) & (first > 0)


def _to_ends(ends: LineEnds, gap: float) -> _Candidates:
    """Bridges between two ends that face each other."""
    from scipy.spatial import cKDTree

    reach = _FACING_REACH * gap
    distance, near = cKDTree(ends.tips).query(ends.tips, k=_NEAREST + 1, distance_upper_bound=reach)
    near = np.asarray(near)
    start, rank = np.nonzero(np.isfinite(distance))
    pairs = np.unique(np.sort(np.stack([start, near[start, rank]], axis=1), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    way = ends.tips[pairs[:, 1]] - ends.tips[pairs[:, 0]]
    length = np.linalg.norm(way, axis=1)
    way /= np.maximum(length, 1e-9)[:, None]
    cosines = np.stack(
        [
            (ends.headings[pairs[:, 0]] * way).sum(axis=1),
            -(ends.headings[pairs[:, 1]] * way).sum(axis=1),
        ],
        axis=1,
    )
    cosines[ends.dots[pairs]] = _DOT_FACES
    cost = length * (1.0 + 0.5 * (1.0 - cosines).sum(axis=1))
    facing = (cost <= reach) & ((cosines > 0.2).all(axis=1) | (length < 3.0))
    return _Candidates(pairs[facing, 0], pairs[facing, 1], cost[facing])


def _to_lines(ink: Bools, ends: LineEnds, gap: float, line_width: float) -> _Candidates:
    """Bridges from an end to the first ink that lies ahead of it."""
    distance = np.arange(1, int(gap / _AHEAD) + 1)
    last = np.array(ink.shape[::-1]) - 1
    lines = np.flatnonzero(~ends.dots)
    found = [_Candidates(lines[:0], np.zeros((0, 2), np.int64), np.zeros(0))]
    for degrees in _LOOK:
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        direction = ends.headings[lines] @ np.array([[cos, sin], [-sin, cos]])
        # Sideways, the end's own blunt corner would be the first ink that one meets.
        own = 0.0 if degrees == 0 else 0.6 * line_width
        target = np.zeros((len(lines), 2), np.int64)
        length = np.zeros(len(lines))
        in_paper = np.zeros(len(lines), bool)
        looking = np.ones(len(lines), bool)
        for step in distance:
            point = np.rint(ends.tips[lines] + direction * step).astype(np.int64)
            looking &= ((point >= 0) & (point <= last)).all(axis=1)
            x, y = point.clip(0, last).T
            meets = looking & in_paper & ink[y, x]
            target[meets], length[meets] = point[meets], step
            looking &= ~meets
            in_paper |= (step > own) & ~ink[y, x]
        met = length > 0
        cost = length * _AHEAD * (1.5 - 0.5 * np.cos(np.radians(2.0 * degrees)))
        found.append(_Candidates(lines[met], target[met], cost[met]))
    return _Candidates(
        np.concatenate([each.starts for each in found]),
        np.concatenate([each.targets for each in found]),
        np.concatenate([each.cost for each in found]),
    )
