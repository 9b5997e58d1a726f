"""From hints to a colour for every region."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from engine.imaging.lines import line_width
from engine.imaging.parting import Ground, Seeds, part
from engine.imaging.regions import Parts, Regions
from engine.imaging.scribbles import Hints

Labels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
T = TypeVar("T")

# A stroke means the region that holds most of it, and those that hold at least this share of that.
_ALSO_MEANT = 0.25
# Share of a stroke in one region from which on it lies inside that region.
_INSIDE = 0.9
# A region is meant, whatever the stroke does elsewhere, once this share of it is painted.
_MOSTLY_PAINTED = 0.3
# Colour spreads through a line only to a region at most this many times as large.
_SPREAD = 4.0
# A region smaller than so many squares as wide as a line is a crumb, between hatches for instance.
_CRUMB = 9.0
# How colour spreads, best first: where a line stops short, where one is interrupted, through one.
_LINE = 2


class Keep(Protocol):
    """Gives what is kept under a key; makes it where there is nothing yet."""

    def __call__(self, key: Hashable, make: Callable[[], T], /) -> T:
        """What is kept, or made."""


def keep_nothing(_: Hashable, make: Callable[[], T]) -> T:
    """Makes it anew each time."""
    return make()


def assign(
    regions: Regions,
    asked: Sequence[Hints],
    keep: Keep = keep_nothing,
    *,
    parted: bool = True,
) -> tuple[Parts, Labels]:
    """Gives regions the colours that hints ask for.

    asked: hints of the same colours; those that come first go first: what they give a colour to
    keeps it. keep: for what is slow to make of these regions. parted: whether a region is cut where
    hints ask for several colours in it; else the one with most pixels has it all. Returns the parts
    and the colour of each, 0 = none.
    """
    parts, colours = Parts.whole(regions), np.zeros(regions.count + 1, np.int32)
    for hints in asked:
        meant = _meant(regions, hints)
        meant = meant[colours[meant[:, 1]] == 0]
        # A region that was cut has a colour, so none is cut twice.
        colour = hints.colour_of_stroke[meant[:, 0]]
        colours[meant[:, 1]] = colour
        shared = np.unique(meant[colours[meant[:, 1]] != colour, 1])
        if len(shared) and not parted:
            colours[shared] = _most(regions, hints, meant, shared)
        elif len(shared):
            parts, colours = _cut(parts, colours, hints, meant, shared, keep)
    return parts, colours


def _most(regions: Regions, hints: Hints, meant: Ints, shared: Ints) -> Labels:
    """The colour with most painted pixels in each of some regions, of those that mean it."""
    base, place = len(hints.colours) + 1, np.full(regions.count + 1, -1)
    place[shared] = np.arange(len(shared))
    region = place[regions.labels.ravel()[hints.place]]
    keys = region[region >= 0] * base + hints.number[region >= 0]
    pixels = np.bincount(keys, minlength=len(shared) * base)
    here = place[meant[:, 1]]
    asked = np.zeros(len(pixels), bool)
    asked[(here * base + hints.colour_of_stroke[meant[:, 0]])[here >= 0]] = True
    found: Labels = np.where(asked, pixels, 0).reshape(-1, base).argmax(axis=1)
    return found.astype(np.int32)


def _cut(
    parts: Parts, colours: Labels, hints: Hints, meant: Ints, shared: Ints, keep: Keep
) -> tuple[Parts, Labels]:
    """Cuts regions in which strokes ask for several colours.

    meant: N x 2 (stroke, region). shared: the regions' labels.
    """
    regions, labels = parts.regions, parts.labels.copy()
    region_of_part, colour_of_part = parts.region.tolist(), colours.tolist()
    region_of_mark = regions.labels.ravel()[hints.place]
    for region in shared.tolist():
        box = regions.boxes[region - 1]
        strokes = meant[meant[:, 1] == region, 0]
        (first, *others), number = np.unique(hints.colour_of_stroke[strokes], return_inverse=True)
        seeds = Seeds.of(hints, region_of_mark == region, strokes, box, number + 1)
        ground = keep(region, partial(Ground.of, regions, region, box))
        pieces = keep((region, seeds.digest()), partial(part, ground, seeds))
        # The first piece keeps the region's label, and so does all around the region.
        added = np.int32(len(region_of_part) - 2)
        np.add(pieces, added, out=labels[box], where=pieces > 1)
        colour_of_part[region] = first
        colour_of_part += others
        region_of_part += [region] * len(others)
    cut = Parts(regions, labels, np.array(region_of_part, np.int32))
    return cut, np.array(colour_of_part, np.int32)


def spread(parts: Parts, colours: Labels) -> Labels:
    """Gives parts without a colour that of a neighbour; those at the border stay as they are.

    Colour goes first where a line stops short of another, then where lines are interrupted, the
    widest gaps first; then through the longest shared lines, but only to regions that are not much
    larger. Paper spreads through gaps too, so what is open to the page's border stays empty.
    """
    touching, area = parts.contacts(), parts.regions.areas[parts.region]
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
    settled = (colours > 0) | parts.at_border()
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


def figures(parts: Parts, colours: Labels, most: int) -> Labels:
    """The figure that each part belongs to, by label: coloured regions that touch are one.

    colours: of each part, 0 = none. Figures count from 1 on, the largest first; the last of `most`
    is all smaller ones. 0 is the background: regions at the page's border, and what has no colour.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = parts.regions.count + 1
    drawn = np.zeros(count, bool)
    drawn[parts.region[(colours > 0) & ~parts.at_border()]] = True
    drawn[parts.region[parts.at_border()]] = False
    pairs = parts.region[parts.contacts().pairs]
    one, other = pairs[drawn[pairs].all(axis=1)].T
    graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(count, count))
    figure = connected_components(graph, directed=False)[1]
    area = np.bincount(figure, np.where(drawn, parts.regions.areas, 0))
    rank = np.empty(len(area), np.int32)
    rank[np.argsort(-area, kind="stable")] = np.arange(1, len(area) + 1)
    found: Labels = np.where(drawn, np.minimum(rank[figure], most), 0)[parts.region]
    return found.astype(np.int32)


def distinct(regions: Regions, palette: Floats | None) -> tuple[Floats, Labels]:
    """Colours that tell neighbours apart, N x 3, and the number of each region's, by label.

    palette: N x 3, used in turn, or None for a colour of its own for each region. Regions at the
    page's border stay empty; crumbs between lines take a neighbour's colour.
    """
    parts, area = Parts.whole(regions), regions.areas
    inner = ~parts.at_border() & (np.arange(len(area)) > 0)
    large = inner & (area >= _CRUMB * line_width(regions.ink) ** 2)
    beside_large = np.zeros(len(area), bool)
    for one, other in (parts.contacts().pairs.T, parts.contacts().pairs.T[::-1]):
        beside_large[one[large[other]]] = True
    wanted = np.flatnonzero(large | (inner & ~beside_large))
    wanted = wanted[np.argsort(-area[wanted], kind="stable")]
    colours = np.zeros(regions.count + 1, np.int32)
    if palette is None:
        colours[wanted] = np.arange(1, len(wanted) + 1)
        return _golden_hues(len(wanted)), spread(parts, colours)
    beside: list[list[int]] = [[] for _ in colours]
    for one, other in parts.contacts().pairs.tolist():
        beside[one].append(other)
        beside[other].append(one)
    uses = np.zeros(len(palette) + 1, np.int64)
    for region in wanted:
        # Least often used first, but not next to itself while another is left.
        taken = np.bincount(colours[beside[region]], minlength=len(uses))
        colour = 1 + np.lexsort((uses[1:], taken[1:] > 0))[0]
        colours[region] = colour
        uses[colour] += 1
    return palette, spread(parts, colours)


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


def _meant(regions: Regions, hints: Hints) -> Ints:
    """Which regions each stroke means, N x 2 (stroke, region): what it merely slips into is not.

    A stroke inside one region means it. One that crosses lines means the regions in which its
    colour leads; where it leads in none, the one that holds most of it.
    """
    stroke, region = hints.stroke.astype(np.int64), regions.labels.ravel()[hints.place]
    on_paper = ~regions.ink.ravel()[hints.place]
    # A stroke that lies on ink alone means what lies under the ink.
    has_paper = np.bincount(stroke, on_paper, len(hints.colour_of_stroke)) > 0
    counted = (on_paper | ~has_paper[stroke]) & (region > 0)
    base = regions.count + 1
    pairs, pixels = np.unique(stroke[counted] * base + region[counted], return_counts=True)
    stroke, region = pairs // base, pairs % base
    most = np.zeros(len(has_paper), np.int64)
    np.maximum.at(most, stroke, pixels)
    whole = np.bincount(stroke, pixels, minlength=len(has_paper))
    # Painted pixels of a colour in a region, and of the colour that leads there.
    colour = hints.colour_of_stroke[stroke].astype(np.int64)
    colours = int(colour.max(initial=0)) + 1
    together, which = np.unique(region * colours + colour, return_inverse=True)
    of_colour = np.bincount(which, pixels)
    lead = np.zeros(base)
    np.maximum.at(lead, together // colours, of_colour)
    leads = of_colour[which] == lead[region]
    area = np.maximum(regions.areas, 1)
    enough = (pixels >= _ALSO_MEANT * most[stroke]) | (pixels >= _MOSTLY_PAINTED * area[region])
    inside = pixels >= _INSIDE * whole[stroke]
    means = inside | (leads & enough)
    homeless = np.bincount(stroke, means, minlength=len(has_paper)) == 0
    means |= homeless[stroke] & (pixels == most[stroke])
    meant: Ints = np.stack([stroke, region], axis=1)[means]
    return meant
