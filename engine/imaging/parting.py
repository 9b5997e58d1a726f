"""Parts one region between strokes of several colours.

Colours grow from the strokes and meet in narrow passages, else halfway. A large region is worked
on in blocks of pixels, and then pixel by pixel where colours meet.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from engine.imaging.flooding import climb, flood, flow
from engine.imaging.regions import NEIGHBOURS, Box, Regions, fill_to_nearest
from engine.imaging.scribbles import Hints

Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Pieces = npt.NDArray[np.uint16]
"""Colours of a region's pixels: memory that is touched first time takes long, so it is little."""

# A passage is narrow if it is narrower than this share of the wider room that it leads to.
_PASSAGE = 0.7
# A seed lies in a nook if it has less than 1 / so much of the room that another has.
_NOOK = 3.0
# Pixels beyond which a region is worked on in blocks: what flooding manages while an artist waits.
_LARGE = 1 << 17
# Share of paper from which on a block is paper; less, and thin lines would not hold.
_PAPER = 0.75


@dataclass(frozen=True)
class Seeds:
    """Painted pixels from which colours grow over a region.

    rows, columns, seed: N, in the region's box; seeds count from 1 on. colour: by seed, 1 on; 0 for
    seed 0, which is none.
    """

    rows: Ints
    columns: Ints
    seed: Labels
    colour: Labels

    @classmethod
    def of(
        cls, hints: Hints, inside: Bools, strokes: Ints, box: Box, colour_of_seed: Ints
    ) -> Seeds:
        """The strokes' pixels that lie inside. colour_of_seed: of each stroke."""
        seed_of_stroke = np.zeros(len(hints.colour_of_stroke), np.int32)
        seed_of_stroke[strokes] = np.arange(1, len(strokes) + 1)
        seed = seed_of_stroke[hints.stroke]
        own = inside & (seed > 0)
        rows, columns = np.divmod(hints.place[own], hints.shape[1])
        colour = np.concatenate([[0], colour_of_seed]).astype(np.int32)
        return cls(rows - box[0].start, columns - box[1].start, seed[own], colour)

    def digest(self) -> bytes:
        """What tells them from all others."""
        digest = hashlib.sha256(repr((len(self.seed), len(self.colour))).encode())
        for values in (self.rows, self.columns, self.seed, self.colour):
            digest.update(np.ascontiguousarray(values).data)
        return digest.digest()

    def on(self, shape: tuple[int, ...], step: int = 1) -> Labels:
        """A map of the seeds at 1 / step of the box's size, 0 = none."""
        seeds = np.zeros(shape, np.int32)
        seeds[self.rows // step, self.columns // step] = self.seed
        return seeds


@dataclass(frozen=True)
class Ground:
    """What parting a region needs to know of it, whatever the seeds.

    inside: H x W in its box, the region. paper: where it has no ink. step: pixels along a block's
    side. blocks: h x w, those that have anything of it. bare: those with paper alone in and around
    them. room: h x w, how far a block's middle of the paper is from ink, in pixels.
    """

    inside: Bools
    paper: Bools
    step: int
    blocks: Bools
    bare: Bools
    room: Floats

    @classmethod
    def of(cls, regions: Regions, region: int, box: Box) -> Ground:
        """That of the region with that label."""
        inside = regions.labels[box] == region
        paper = inside & ~regions.ink[box]
        room = np.asarray(
            cv2.distanceTransform(paper.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE),
            np.float32,
        )
        step = math.ceil(math.sqrt(inside.size / _LARGE))
        if step == 1:
            return cls(inside, paper, 1, inside, paper, room)
        shares = _shares(paper, step)
        # The widest room in a block, as exact as in pixels: passages are told apart by it.
        widest = cv2.dilate(room, np.ones((step, step), np.uint8), anchor=(0, 0))
        room = np.asarray(widest, np.float32)[::step, ::step] * (shares > _PAPER)
        bare = cv2.erode(shares, np.ones((3, 3), np.uint8)) == 1
        return cls(inside, paper, step, _shares(inside, step) > 0, bare, room)


def _shares(image: Bools, step: int) -> Floats:
    """Which share of each block is set."""
    height, width = image.shape
    padded = np.pad(image.view(np.uint8) * np.uint8(255), [(0, -height % step), (0, -width % step)])
    size = padded.shape[1] // step, padded.shape[0] // step
    shares = cv2.resize(padded, size, interpolation=cv2.INTER_AREA)
    return np.asarray(shares, np.float32) / np.float32(255)


def part(ground: Ground, seeds: Seeds) -> Pieces:
    """The seeds' colours all over a region, uint16; 0 in the rest of its box.

    Seeds keep their own pixels.
    """
    markers = seeds.on(ground.room.shape, ground.step)
    blocks = ground.blocks | (markers > 0)
    grown = fill_to_nearest(_grow(blocks, ground.room, markers, seeds.colour)).astype(np.uint16)
    parts = _enlarged(grown, ground) if ground.step > 1 else grown
    parts *= ground.inside
    parts[seeds.rows, seeds.columns] = seeds.colour[seeds.seed]
    return parts


def _enlarged(blocks: Pieces, ground: Ground) -> Pieces:
    """The colours of blocks for each pixel."""
    (height, width), step = ground.inside.shape, ground.step
    parts = np.repeat(np.repeat(blocks, step, axis=1)[:, :width], step, axis=0)[:height]
    around, values = np.ones((3, 3), np.uint8), blocks.astype(np.float32)
    mixed = cv2.dilate(values, around) != cv2.erode(values, around)
    _meet_on_paper(parts, blocks, mixed & ground.bare, step)
    _meet_in_lines(parts, ground.paper, mixed & ~ground.bare, step)
    return parts


def _pixels(blocks: Bools, step: int, shape: tuple[int, ...]) -> tuple[Ints, Ints, Bools]:
    """Rows and columns of the pixels in some blocks, M x step**2, and whether they lie on the page.

    Those beyond it are moved to its edge.
    """
    down, across = (part.ravel() for part in np.mgrid[:step, :step])
    top, left = np.nonzero(blocks)
    rows, columns = top[:, None] * step + down, left[:, None] * step + across
    on_page = (rows < shape[0]) & (columns < shape[1])
    return rows.clip(max=shape[0] - 1), columns.clip(max=shape[1] - 1), on_page


def _meet_on_paper(parts: Pieces, blocks: Pieces, where: Bools, step: int) -> None:
    """Softens the border between blocks on open paper: the colour that weighs most has a pixel.

    Weights are those of a quadratic B-spline over a block and the eight around it.
    """
    rows, columns, on_page = _pixels(where, step, parts.shape)
    offset = (np.arange(step) + 0.5) / step - 0.5
    spline = np.stack([(0.5 - offset) ** 2 / 2, 0.75 - offset**2, (0.5 + offset) ** 2 / 2])
    weights = np.einsum("iy,jx->ijyx", spline, spline).reshape(9, -1).astype(np.float32)
    top, left = np.nonzero(where)
    padded = np.pad(blocks, 1, mode="edge")
    around = padded[top[:, None] + np.repeat(range(3), 3), left[:, None] + np.tile(range(3), 3)]
    most = np.zeros(rows.shape, np.float32)
    colour = np.zeros(rows.shape, np.uint16)
    for candidate in np.unique(around):
        weight = (around == candidate).astype(np.float32) @ weights
        more = weight > most
        most[more], colour[more] = weight[more], candidate
    parts[rows[on_page], columns[on_page]] = colour[on_page]


def _meet_in_lines(parts: Pieces, paper: Bools, where: Bools, step: int) -> None:
    """Lets colours flow once more near ink: over paper first, and then into the lines."""
    rows, columns, on_page = _pixels(where, step, parts.shape)
    place = rows[on_page] * parts.shape[1] + columns[on_page]
    colour, bare = parts.reshape(-1), paper.reshape(-1)[place]
    guess = colour[place]
    colour[place] = 0
    flow(parts, place[bare], paper)
    # Bits of paper that nothing flows to keep what their block has.
    lost = bare & (colour[place] == 0)
    colour[place[lost]] = guess[lost]
    flow(parts, place[~bare])


def _grow(inside: Bools, room: Floats, seeds: Labels, colour_of_seed: Labels) -> Labels:
    """Colours grown from seeds over a region; they meet in narrow passages, else halfway.

    inside: H x W, the region; room: how far it is from ink.
    """
    from scipy.ndimage import find_objects

    basins = flood(*_uphill(room, seeds, len(colour_of_seed)), inside)
    hall_of_basin = _halls(room, basins, len(colour_of_seed))
    grown: Labels = colour_of_seed[basins]
    for hall, box in enumerate(find_objects(hall_of_basin[basins]), start=1):
        members = hall_of_basin == hall
        if len(np.unique(colour_of_seed[members])) > 1:
            here = members[basins[box]]
            own = np.where(here, seeds[box], 0)
            grown[box][here] = _share(here, own, room[box], colour_of_seed)[here]
    return grown


def _share(hall: Bools, seeds: Labels, room: Floats, colour_of_seed: Labels) -> Labels:
    """The colours of a hall, H x W: nearest to a seed first makes fair halves.

    A seed in a nook, where there is far less room than at another, reaches less far by as much; it
    takes what is around it and leaves the hall to the others.
    """
    from skimage.measure import label

    painted = seeds > 0
    present, number = np.unique(seeds[painted], return_inverse=True)
    reach = np.zeros(len(present), np.float32)
    np.maximum.at(reach, number, room[painted])
    reach = np.clip(_NOOK * reach / max(float(reach.max()), 1.0), 1e-3, 1.0)
    nooks = np.flatnonzero(reach < 1)
    away, nearest = _nearest(np.where(np.isin(seeds, present[nooks]), 0, seeds))
    if not len(nooks):
        return colour_of_seed[flood(away, seeds, hall)]
    for nook in nooks:
        own, _ = _nearest(np.where(seeds == present[nook], seeds, 0))
        nearer = own / reach[nook] < away
        away[nearer], nearest[nearer] = own[nearer] / reach[nook], present[nook]
    # What lies behind a line from its seed goes to what comes around that line.
    nearest[~hall] = 0
    pieces = label(nearest, connectivity=1)
    reached = np.zeros(int(pieces.max()) + 1, bool)
    reached[pieces[painted]] = True
    nearest[~reached[pieces]] = 0
    nearest[painted] = seeds[painted]
    return colour_of_seed[flood(away, nearest, hall)]


def _nearest(seeds: Labels) -> tuple[Floats, Labels]:
    """Distance to the nearest seed, and which it is, H x W each; there is one at least."""
    painted = seeds > 0
    away, pixel = cv2.distanceTransformWithLabels(
        (~painted).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    seed_of = np.zeros(int(pixel.max()) + 1, np.int32)
    seed_of[pixel[painted]] = seeds[painted]
    return np.asarray(away, np.float32), np.asarray(seed_of[pixel], np.int32)


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
    starts = deepest[deepest >= 0]
    climb(room, y[starts], x[starts], seeds[y, x][starts], markers, order, widest)
    return order, markers


def _halls(room: Floats, basins: Labels, count: int) -> Labels:
    """The hall that each basin is part of, by number: no narrow passage lies inside a hall.

    Basin 0 is no place and hall 0.
    """
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
