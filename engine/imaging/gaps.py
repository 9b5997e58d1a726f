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
# A line ahead is a weaker sign than an end that faces back: it must be nearer, and costs more.
_AHEAD, _WEAKER = 1.6, 2.0
# How well a dot, which has no heading, faces anything: as a cosine.
_DOT_FACES = 0.7
# Two ends meet if both look at the other this well, or one this well: as cosines.
_FACES, _AIMS = 0.2, 0.85
# Places at which the way between two ends is looked at.
_SAMPLES = 48
# What a bend costs beside length: straight lines are likelier.
_TURN = 0.75
# Ends that face each other exactly may lie this much farther apart than the gap.
_FACING_REACH = 1.75
# A line ahead that goes on for so many line widths, about as an end heads, is the end's own.
_GOES_ON, _ABOUT = 4.0, (-15, -10, -5, 0, 5, 10, 15)


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


@dataclass(frozen=True)
class Bridges:
    """Curves over gaps, N x 2 points (x, y) each.

    between_ends: where an interrupted line goes on; to_lines: where one stops short of another, or
    two would have to turn to meet.
    """

    between_ends: list[Floats]
    to_lines: list[Floats]


def find_bridges(ink: Bools, ends: LineEnds, gap: float, line_width: float) -> Bridges:
    """The bridges over gaps up to `gap` pixels wide. An end takes one bridge, a dot two.

    Cheapest first, an end takes an end or settles for a line ahead. Those that settled, or found
    nothing, then go to what is cheapest ahead, the bridges included: where a fork of lines is
    missing, two of its ends make a line and the third meets it.
    """
    found = Bridges([], [])
    if not len(ends.tips):
        return found
    facing = _to_ends(ink, ends, gap)
    ahead = _to_lines(ink, ends, gap / _AHEAD, line_width)
    cost = np.concatenate([facing.cost, ahead.cost])
    starts = np.concatenate([facing.starts, ahead.starts])
    free = np.where(ends.dots, 2, 1)
    alone = ~ends.dots
    for number in np.lexsort((starts, cost)):
        start = starts[number]
        if not free[start]:
            continue
        if number >= len(facing.cost):
            free[start] = 0
        elif free[other := facing.targets[number]]:
            free[[start, other]] -= 1
            alone[[start, other]] = False
            kind = found.between_ends if _face(ends, start, other) else found.to_lines
            kind.append(_curve(ends, start, other))
    _meet_lines(found, ink, ends, np.flatnonzero(alone), gap, line_width)
    return found


def _meet_lines(
    bridges: Bridges, ink: Bools, ends: LineEnds, alone: Ints, gap: float, line_width: float
) -> None:
    """Adds the bridges from ends that are left alone to the lines ahead, and to the bridges."""
    from scipy.spatial import cKDTree

    walls = ink.astype(np.uint8)
    draw(walls, bridges.between_ends + bridges.to_lines)
    left = LineEnds(ends.tips[alone], ends.headings[alone])
    ahead = _to_lines(walls > 0, left, gap, line_width)
    x, y = ahead.targets.T
    on_bridge = ~ink[y, x]
    near = np.linalg.norm(ahead.targets - left.tips[ahead.starts], axis=1) <= gap / _AHEAD
    # Where the line reached ends too, the two make a corner.
    reach = 1.5 * line_width
    _, ending = cKDTree(ends.tips).query(ahead.targets, k=2, distance_upper_bound=reach)
    corner = ((ending < len(ends.tips)) & (ending != alone[ahead.starts][:, None])).any(axis=1)
    order = np.lexsort((ahead.cost, ahead.starts))
    order = order[(on_bridge | near)[order]]
    _, cheapest = np.unique(ahead.starts[order], return_index=True)
    chosen = order[cheapest]
    starts, targets = ahead.starts[chosen], ahead.targets[chosen]
    interrupted = on_bridge[chosen] | corner[chosen]
    interrupted |= _go_on(ink, targets, left.headings[starts], _GOES_ON * line_width)
    for start, target, is_line in zip(starts, targets, interrupted, strict=True):
        kind = bridges.between_ends if is_line else bridges.to_lines
        kind.append(np.stack([left.tips[start], target.astype(np.float64)]))


def _face(ends: LineEnds, start: int, other: int) -> bool:
    """Whether both ends look at the other; dots look everywhere."""
    way = ends.tips[other] - ends.tips[start]
    looks = np.array([ends.headings[start] @ way, -ends.headings[other] @ way])
    least = _FACES * np.linalg.norm(way)
    return bool(((looks > least) | ends.dots[[start, other]]).all())


def _go_on(ink: Bools, targets: Ints, headings: Floats, length: float) -> Bools:
    """Whether ink goes on from each target for so many pixels, about in the heading. N."""
    last = np.array(ink.shape[::-1]) - 1
    found = np.zeros(len(targets), bool)
    for degrees in _ABOUT:
        direction = _turned(headings, degrees)
        steps = direction[:, None] * np.arange(int(length))[:, None]
        points = np.rint(targets[:, None] + steps).astype(np.int64)
        on_page = ((points >= 0) & (points <= last)).all(axis=(1, 2))
        x, y = points.clip(0, last).transpose(2, 0, 1)
        found |= on_page & ink[y, x].all(axis=1)
    return found


def _turned(headings: Floats, degrees: float) -> Floats:
    """The headings, N x 2, turned by an angle."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned: Floats = headings @ np.array([[cos, sin], [-sin, cos]])
    return turned


@dataclass(frozen=True)
class _Candidates:
    """Bridges that could be. starts: N, line ends; cost: N, length, more where the aim is bad.

    targets: N line ends, or N x 2 pixels (x, y) of a line.
    """

    starts: Ints
    targets: Ints
    cost: Floats


def draw(
    picture: npt.NDArray[np.uint8],
    curves: list[Floats],
    value: int = 1,
    factor: int = 1,
    width: int = 1,
) -> None:
    """Draws curves as lines of a value, `width` wide, on a picture `factor` times as large."""
    import cv2

    for points in curves:
        sixteenths = np.rint(((points + 0.5) * factor - 0.5) * 16.0).astype(np.int32)
        cv2.polylines(picture, [sixteenths[:, None]], False, value, width, cv2.LINE_8, 4)


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


def _to_ends(ink: Bools, ends: LineEnds, gap: float) -> _Candidates:
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
    turn = (1.0 - cosines).sum(axis=1)
    meet = (cosines.min(axis=1) > _FACES) | (cosines.max(axis=1) > _AIMS) | (length < 3.0)
    meet &= length * (1.0 + turn / 3.0) <= reach
    meet &= ~_crosses(ink, ends.tips[pairs])
    cost = length * (1.0 + _TURN * turn)
    return _Candidates(pairs[meet, 0], pairs[meet, 1], cost[meet])


def _crosses(ink: Bools, ways: Floats) -> Bools:
    """Whether another line lies between two tips. ways: N x 2 x 2, both tips (x, y)."""
    share = np.linspace(0.0, 1.0, _SAMPLES)[:, None]
    x, y = np.rint(ways[:, :1] * (1.0 - share) + ways[:, 1:] * share).astype(np.int64).T
    paper = ~ink[y, x]
    crosses: Bools = (paper[1:] & ~paper[:-1]).sum(axis=0) > 1
    return crosses


def _to_lines(ink: Bools, ends: LineEnds, reach: float, line_width: float) -> _Candidates:
    """Bridges from an end to the first ink that lies ahead of it."""
    distance = np.arange(1, int(reach) + 1)
    last = np.array(ink.shape[::-1]) - 1
    lines = np.flatnonzero(~ends.dots)
    found = [_Candidates(lines[:0], np.zeros((0, 2), np.int64), np.zeros(0))]
    for degrees in _LOOK:
        direction = _turned(ends.headings[lines], float(degrees))
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
        cost = length * _WEAKER * (1.5 - 0.5 * np.cos(np.radians(2.0 * degrees)))
        found.append(_Candidates(lines[met], target[met], cost[met]))
    return _Candidates(
        np.concatenate([each.starts for each in found]),
        np.concatenate([each.targets for each in found]),
        np.concatenate([each.cost for each in found]),
    )
