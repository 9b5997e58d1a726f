"""From hints to a colour for every region."""

from __future__ import annotations

import functools
import hashlib
import heapq
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.imaging.regions import NEIGHBOURS, Regions, contacts, fill_to_nearest

Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

# A stroke means the region that holds most of it, and those that hold at least this share of that.
_ALSO_MEANT = 0.25
# Share of a stroke in one region from which on it lies inside that region.
_INSIDE = 0.9
# A region is meant, whatever the stroke does elsewhere, once this share of it is painted.
_MOSTLY_PAINTED = 0.3
# Colour spreads through a line only to a region at most this many times as large.
_SPREAD = 4.0
# How colour spreads, best first: where a line stops short, where one is interrupted, through one.
_LINE = 2
# A passage is narrow if it is narrower than this share of the wider room that it leads to.
_PASSAGE = 0.7
# Pixels beyond which a region of several colours is parted at a reduced size.
_LARGE = 4_000_000


Keep = Callable[[Hashable, Callable[[], Labels]], Labels]
"""Gives what is kept under a key; makes it where there is nothing yet."""


def assign(
    regions: Regions, colours: Labels, hints: Labels, keep: Keep = lambda _, make: make()
) -> tuple[Regions, Labels]:
    """Gives regions the colours that hints ask for; those that have one keep it.

    colours: by region label, 0 = none yet. hints: int32 H x W, 0 = none, k = colour k. keep: for
    what is slow to make. Returns the regions, cut where the hints ask for several colours, and the
    colour of each.
    """
    from scipy.ndimage import find_objects

    strokes, colour_of_stroke = _strokes(hints)
    meant = _meant(regions, strokes, colour_of_stroke)
    meant = meant[colours[meant[:, 1]] == 0]
    colours = colours.copy()
    colours[meant[:, 1]] = colour_of_stroke[meant[:, 0]]
    differ = colours[meant[:, 1]] != colour_of_stroke[meant[:, 0]]
    shared = np.unique(meant[differ, 1])
    if not len(shared):
        return regions, colours
    labels, count = regions.labels.copy(), regions.count
    boxes = find_objects(regions.labels)
    for region in shared:
        box = boxes[region - 1]
        chosen = meant[meant[:, 1] == region, 0]
        seed_of_stroke = np.zeros(len(colour_of_stroke), np.int32)
        seed_of_stroke[chosen] = np.arange(1, len(chosen) + 1)
        own, part_of_stroke = np.unique(colour_of_stroke[chosen], return_inverse=True)
        seeds = seed_of_stroke[strokes[box]]
        parts = _part(regions, region, box, seeds, part_of_stroke + 1, keep)
        colours[region] = own[0]
        colours = np.append(colours, own[1:]).astype(np.int32)
        for part in range(2, len(own) + 1):
            count += 1
            labels[box][parts == part] = count
    return replace(regions, labels=labels, count=count), colours


def spread(regions: Regions, colours: Labels) -> Labels:
    """Gives regions without a colour that of a neighbour; those at the border stay as they are.

    Colour goes first where a line stops short of another, then where lines are interrupted, the
    widest gaps first; then through the longest shared lines, but only to regions that are not much
    larger. Paper spreads through gaps too, so what is open to the page's border stays empty.
    """
    touching = contacts(regions)
    area = regions.areas()
    beside: list[list[tuple[int, int, int]]] = [[] for _ in colours]
    ways = (touching.passages, touching.openings, touching.borders)
    rank = np.select([way > 0 for way in ways], [0, 1, _LINE])
    width = np.choose(rank, ways)
    for (one, other), step, wide in zip(
        touching.pairs.tolist(), rank.tolist(), width.tolist(), strict=True
    ):
        beside[one].append((other, step, wide))
        beside[other].append((one, step, wide))
    colours = colours.copy()
    settled = (colours > 0) | regions.at_border()
    queue: list[tuple[int, int, int, int]] = []

    def reach_out(region: int) -> None:
        for other, step, wide in beside[region]:
            open_way = step < _LINE or (colours[region] and area[other] <= _SPREAD * area[region])
            if open_way and not settled[other]:
                heapq.heappush(queue, (step, -wide, region, other))

    for region in np.flatnonzero(settled).tolist():
        reach_out(region)
    while queue:
        _, _, source, region = heapq.heappop(queue)
        if not settled[region]:
            settled[region] = True
            colours[region] = colours[source]
            reach_out(region)
    return colours


def distinct(regions: Regions, palette: Floats | None) -> tuple[Floats, Labels]:
    """Colours that tell neighbours apart, N x 3, and the number of each region's, by label.

    palette: N x 3, used in turn, or None for a colour of its own for each region. Regions at the
    page's border stay empty.
    """
    area = regions.areas()
    wanted = np.flatnonzero(~regions.at_border() & (np.arange(len(area)) > 0))
    wanted = wanted[np.argsort(-area[wanted], kind="stable")]
    colours = np.zeros(regions.count + 1, np.int32)
    if palette is None:
        colours[wanted] = np.arange(1, len(wanted) + 1)
        return _golden_hues(len(wanted)), colours
    beside: list[list[int]] = [[] for _ in colours]
    for one, other in contacts(regions).pairs.tolist():
        beside[one].append(other)
        beside[other].append(one)
    uses = np.zeros(len(palette) + 1, np.int64)
    for region in wanted:
        # Least often used first, but not next to itself while another is left.
        taken = np.bincount(colours[beside[region]], minlength=len(uses))
        colour = 1 + np.lexsort((uses[1:], taken[1:] > 0))[0]
        colours[region] = colour
        uses[colour] += 1
    return palette, colours


def _golden_hues(count: int) -> Floats:
    """Light colours on 8-bit codes, each far in hue from the ones before."""
    number = np.arange(count)
    hue = (number * 0.6180339887) % 1.0
    chroma = 0.3 + 0.1 * (number % 3)
    lightest = 0.85 + 0.05 * (number % 4)
    ramp = np.abs((hue[:, None] * 6.0 + np.array([0.0, 4.0, 2.0])) % 6.0 - 3.0) - 1.0
    rgb = lightest[:, None] - chroma[:, None] * (1.0 - np.clip(ramp, 0.0, 1.0))
    on_codes: Floats = (np.rint(rgb * 255.0) / 255.0).astype(np.float32)
    return on_codes


def _strokes(hints: Labels) -> tuple[Labels, Labels]:
    """The hints' connected pieces of one colour, H x W, and the colour of each, by number."""
    from skimage.measure import label

    strokes, count = label(hints, background=0, connectivity=2, return_num=True)
    colour_of_stroke = np.zeros(count + 1, np.int32)
    painted = strokes > 0
    colour_of_stroke[strokes[painted]] = hints[painted]
    return strokes.astype(np.int32), colour_of_stroke


def _meant(regions: Regions, strokes: Labels, colour_of_stroke: Labels) -> Ints:
    """Which regions each stroke means, N x 2 (stroke, region): what it merely slips into is not.

    A stroke inside one region means it. One that crosses lines means the regions in which its
    colour leads; where it leads in none, the one that holds most of it.
    """
    painted = np.flatnonzero((strokes > 0).ravel())
    stroke, region = strokes.ravel()[painted].astype(np.int64), regions.labels.ravel()[painted]
    on_paper = ~regions.ink.ravel()[painted]
    # A stroke that lies on ink alone means what lies under the ink.
    has_paper = np.bincount(stroke, on_paper) > 0
    counted = (on_paper | ~has_paper[stroke]) & (region > 0)
    base = regions.count + 1
    pairs, pixels = np.unique(stroke[counted] * base + region[counted], return_counts=True)
    stroke, region = pairs // base, pairs % base
    most = np.zeros(len(has_paper), np.int64)
    np.maximum.at(most, stroke, pixels)
    whole = np.bincount(stroke, pixels, minlength=len(has_paper))
    # Painted pixels of a colour in a region, and of the colour that leads there.
    colour = colour_of_stroke[stroke].astype(np.int64)
    colours = int(colour_of_stroke.max()) + 1
    together, which = np.unique(region * colours + colour, return_inverse=True)
    of_colour = np.bincount(which, pixels)
    lead = np.zeros(base)
    np.maximum.at(lead, together // colours, of_colour)
    leads = of_colour[which] == lead[region]
    area = np.maximum(regions.areas(), 1)
    enough = (pixels >= _ALSO_MEANT * most[stroke]) | (pixels >= _MOSTLY_PAINTED * area[region])
    inside = pixels >= _INSIDE * whole[stroke]
    means = inside | (leads & enough)
    homeless = np.bincount(stroke, means, minlength=len(has_paper)) == 0
    means |= homeless[stroke] & (pixels == most[stroke])
    meant: Ints = np.stack([stroke, region], axis=1)[means]
    return meant


def _part(
    regions: Regions, region: int, box: tuple[slice, ...], seeds: Labels, colours: Ints, keep: Keep
) -> Labels:
    """Parts one region between the seeds in it: their colours inside the region, 0 outside.

    seeds: int32, the box's size, 0 = none, k = seed k of colour colours[k - 1].
    """
    inside = regions.labels[box] == region
    paper = inside & ~regions.ink[box]
    seeds = np.where(inside, seeds, 0)
    colour_of_seed = np.concatenate([[0], colours]).astype(np.int32)

    def cut() -> Labels:
        parts = _grow(inside, paper, seeds, colour_of_seed)
        return np.where(inside, fill_to_nearest(parts), 0)

    digest = hashlib.sha256(repr(inside.shape).encode())
    for pixels in (inside, paper, seeds, colour_of_seed):
        digest.update(np.ascontiguousarray(pixels).data)
    return keep(("cut", digest.digest()), cut)


def _grow(inside: Bools, paper: Bools, seeds: Labels, colour_of_seed: Labels) -> Labels:
    """Colours grown from seeds over a region; they meet in narrow passages, else halfway.

    inside: H x W, the region; paper: where it has no ink. Large regions are worked on at a reduced
    size.
    """
    import cv2
    from scipy.ndimage import find_objects
    from skimage.segmentation import watershed

    step = int(np.ceil(np.sqrt(inside.size / _LARGE)))
    if step > 1:
        small = _grow(*_reduced(inside, paper, seeds, step), colour_of_seed)
        height, width = inside.shape
        large = small.repeat(step, axis=0).repeat(step, axis=1)[:height, :width]
        return np.where(inside, np.where(seeds > 0, colour_of_seed[seeds], large), 0)
    room = np.asarray(
        cv2.distanceTransform(paper.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE),
        np.float32,
    )
    basins = watershed(*_uphill(room, seeds, len(colour_of_seed)), mask=inside)
    hall_of_basin = _halls(room, basins, len(colour_of_seed))
    grown: Labels = colour_of_seed[basins]
    for hall, box in enumerate(find_objects(hall_of_basin[basins]), start=1):
        members = hall_of_basin == hall
        if len(np.unique(colour_of_seed[members])) > 1:
            here = members[basins[box]]
            own = np.where(here, seeds[box], 0)
            # Nearest to a seed first makes fair halves.
            away = cv2.distanceTransform((own == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
            grown[box][here] = colour_of_seed[watershed(away, own, mask=here)[here]]
    return grown


def _uphill(room: Floats, seeds: Labels, count: int) -> tuple[Floats, Labels]:
    """The order in which to flood, widest room first, and markers that lead there.

    From each seed a way goes uphill to the widest room near it. Without it a seed near a line
    would come last, after others had taken the room around it.
    """
    order, markers = -room, seeds.copy()
    widest = order.min()
    y, x = np.nonzero(seeds)
    ranked = np.argsort(room[y, x], kind="stable")
    deepest = np.full(count, -1)
    deepest[seeds[y, x][ranked]] = ranked
    for seed in np.flatnonzero(deepest >= 0):
        here = y[deepest[seed]], x[deepest[seed]]
        higher = True
        while higher and markers[here] in (0, seed):
            order[here], markers[here] = widest, seed
            top, left = (max(place - 1, 0) for place in here)
            around = room[top : here[0] + 2, left : here[1] + 2]
            up, across = np.unravel_index(around.argmax(), around.shape)
            higher = around[up, across] > room[here]
            here = top + up, left + across
    return order, markers


def _halls(room: Floats, basins: Labels, count: int) -> Labels:
    """The hall that each basin is part of, by number: no narrow passage lies inside a hall.

    Basin 0 is no place and hall 0.
    """
    import cv2
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    peaks = (room > 0) & (room >= cv2.dilate(room, np.ones((3, 3), np.uint8)))
    widest = np.zeros(count, np.float32)
    np.maximum.at(widest, basins[peaks], room[peaks])
    joined = []
    for here, there in NEIGHBOURS:
        meet = np.nonzero(
            (basins[here] != basins[there]) & (basins[here] > 0) & (basins[there] > 0)
        )
        one, other = basins[here][meet], basins[there][meet]
        passage = np.minimum(room[here][meet], room[there][meet])
        wide = passage >= _PASSAGE * np.maximum(widest[one], widest[other])
        joined.append(np.stack([one[wide], other[wide]]))
    one, other = np.concatenate(joined, axis=1)
    graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(count, count))
    # Basin 0 touches none, comes first and so is component 0.
    return np.asarray(connected_components(graph, directed=False)[1], np.int32)


def _reduced(inside: Bools, paper: Bools, seeds: Labels, step: int) -> tuple[Bools, Bools, Labels]:
    """The three maps at 1 / step of their size: blocks keep thin lines, and every seed."""
    padding = [(0, -size % step) for size in inside.shape]

    def gathered(image: npt.NDArray[Any], gather: np.ufunc) -> npt.NDArray[Any]:
        padded = np.pad(image, padding)
        rows = functools.reduce(gather, [padded[start::step] for start in range(step)])
        return functools.reduce(gather, [rows[:, start::step] for start in range(step)])

    return (
        gathered(inside, np.logical_or),
        gathered(paper.astype(np.float32), np.add) > 0.75 * step**2,
        gathered(seeds, np.maximum),
    )
