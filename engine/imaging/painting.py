"""From a painting made at a small size to flats, shade and light at the size of the lines.

The small painting has a colour for each cell of a picture, lines left out. A cell beside a line
holds something of both sides; so each region takes its colours from cells that lie within it, and
no colour crosses a line.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from engine.imaging.color import lab_to_srgb, srgb_to_lab
from engine.imaging.color_transform import spread
from engine.imaging.palettes import weighted_kmeans
from engine.imaging.regions import Parts

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]
Ints = npt.NDArray[np.intp]
Box = tuple[slice, slice]
T = TypeVar("T", bound=np.generic)

_PURITY, _NEAR = 8, 0.5
"""Power of a region's share of a cell, and of those within so many cells (a deviation), that says
how far the cell's colour is the region's own: networks blur a little from cell to cell."""
_BURNT_IN = 0.01
"""How far a cell under a stroke is trusted: networks repeat strokes as strokes."""
_BURNT_IN_SIZE = 4
"""In a broad region a colour's part has to be so many times as large as the strokes that ask for
it; else they are all of it that the network painted."""
_REACH = 2
"""Cells around a region that the interpolation inside it looks at."""
_MOST_LIGHTNESS, _MOST_CHROMA = 20.0, 12.0
"""How far the painting may move away from a colour that was asked for, in L* and in a*, b*.

Measured: less takes shading away from good paintings, more lets weak ones spoil what was asked.
"""
_SOFT, _ROUNDS = 1.0, 3
"""Cells over which a correction fades where a broad region was cut, and rounds to find it."""
_BROAD = 0.06
"""Share of the page beyond which a region may hold several things.

Measured on drawings with known colours: smaller regions hold one thing, broad ones (a landscape of
open lines) several, and giving all of them the colour of one stroke costs more than all else.
"""
_ALIKE = 15.0
"""Difference in L* / 2, a*, b* up to which a colour is that under a stroke, shaded."""
_SHADING = 10.0
"""Mean deviation in L* / 2, a*, b* up to which colours are one colour, shaded."""
_MOST_PARTS, _LEAST_PART = 5, 0.04
"""Into how many parts what no stroke explains is cut at most, and the least share of one."""
_MEDIAN_PIXELS = 1 << 10
"""How many pixels of a part say its median."""
_TINY = np.float32(1e-12)
"""Least divisor, so that nothing is divided by 0."""
_BLOCK = 12
"""Cells along a side of what is enlarged at once."""
LONGEST = 4
"""How many times as many cells as asked for may lie along a side."""


@dataclass(frozen=True)
class Cells:
    """The square cells, `side` pixels wide, of a picture; the last ones reach beyond its edges."""

    height: int
    width: int
    side: int

    @classmethod
    def about(cls, height: int, width: int, across: int) -> Cells:
        """About across x across cells, no side with more than LONGEST times as many."""
        side = max(math.sqrt(height * width), max(height, width) / LONGEST) / across
        return cls(height, width, max(1, round(side)))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return -(-self.height // self.side), -(-self.width // self.side)

    def padded(self, pixels: npt.NDArray[T]) -> npt.NDArray[T]:
        """H x W (x channels) pixels, filled up to whole cells by repeating the last ones."""
        more = [(0, -length % self.side) for length in pixels.shape[:2]]
        if more == [(0, 0), (0, 0)]:
            return pixels
        return np.pad(pixels, [*more, *[(0, 0)] * (pixels.ndim - 2)], mode="edge")

    def cropped(self, pixels: npt.NDArray[T]) -> npt.NDArray[T]:
        """Whole cells' pixels, (c x) H x W, without those beyond the picture's edges."""
        return pixels[..., : self.height, : self.width]

    def means(self, pixels: npt.NDArray[np.generic]) -> Floats:
        """Mean of each cell, for H x W (x channels) pixels of whole cells."""
        rows, columns = (length // self.side for length in pixels.shape[:2])
        size = (columns, rows)
        means = cv2.resize(pixels.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return np.asarray(means, np.float32)

    def enlarged(self, cells: Floats, kept: Box) -> Floats:
        """Pixels of some of c x h x w cells, smooth, c x rows x columns."""
        rows, columns = (slice(max(part.start - _REACH, 0), part.stop + _REACH) for part in kept)
        around = cells[:, rows, columns]
        _, height, width = around.shape
        down = _cubic(height, self.side)[self._own(kept[0], rows.start)]
        across = _cubic(width, self.side)[self._own(kept[1], columns.start)]
        return np.asarray(down @ around @ across.T, np.float32)

    def shrunk(self, cells: Floats, side: int) -> Floats:
        """The picture of c x h x w cells, at most `side` pixels along a side, H x W x c."""
        scale = min(1.0, side / max(self.height, self.width))
        rows, columns = (max(1, round(length * self.side * scale)) for length in self.shape)
        pixels = np.ascontiguousarray(np.moveaxis(cells, 0, -1))
        large = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_CUBIC)
        height, width = (max(1, round(length * scale)) for length in (self.height, self.width))
        shrunk: Floats = np.clip(large[:height, :width], 0, 1, dtype=np.float32)
        return shrunk

    def _own(self, kept: slice, first: int) -> slice:
        """The pixels of some cells among those from the first cell on."""
        return slice((kept.start - first) * self.side, (kept.stop - first) * self.side)

    def pixels(self, cells: Box) -> Box:
        """The pixels of a box of cells."""
        rows, columns = (slice(part.start * self.side, part.stop * self.side) for part in cells)
        return rows, columns


@cache
def _cubic(cells: int, side: int) -> Floats:
    """Weights of so many cells in a row for each of their pixels, pixels x cells (Keys 1981)."""
    unit = np.eye(cells, dtype=np.float32)
    weights = cv2.resize(unit, (cells, cells * side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(weights, np.float32)


class Shares:
    """Which share of each cell the pixels of each label have."""

    def __init__(self, labels: Labels, count: int, cells: Cells) -> None:
        """labels: of whole cells, 0 to count."""
        self.shape, side = cells.shape, cells.side
        rows, columns = self.shape
        blocks = labels.reshape(rows, side, columns, side)
        least, most = blocks.min(axis=3).min(axis=1).ravel(), blocks.max(axis=3).max(axis=1).ravel()
        mixed = np.flatnonzero(least != most)
        pixels = blocks.transpose(0, 2, 1, 3)[np.divmod(mixed, columns)].reshape(-1, side**2)
        keys = pixels.astype(np.int64) * least.size + mixed[:, None]
        found, pixels_of = np.unique(keys, return_counts=True)
        pure = np.flatnonzero(least == most)
        label = np.concatenate([least[pure], found // least.size])
        order = np.argsort(label, kind="stable")
        self._cell = np.concatenate([pure, found % least.size])[order]
        share = np.concatenate([np.ones(len(pure)), pixels_of / side**2])
        self._share = share[order].astype(np.float32)
        self._start = np.searchsorted(label[order], np.arange(count + 2))

    @property
    def nbytes(self) -> int:
        """What it takes to keep it."""
        return self._cell.nbytes + self._share.nbytes + self._start.nbytes

    def areas(self) -> Doubles:
        """Cells that each label covers, by label."""
        totals = np.concatenate([[0], np.cumsum(self._share, dtype=np.float64)])
        return np.diff(totals[self._start])

    def near(self, label: int) -> Box:
        """The cells that a label lies in, and some around them."""
        rows, columns = self._places(label)
        here = (rows.min(), rows.max()), (columns.min(), columns.max())
        down, across = (
            slice(max(int(first) - _REACH, 0), min(int(last) + 1 + _REACH, length))
            for (first, last), length in zip(here, self.shape, strict=True)
        )
        return down, across

    def of(self, label: int, box: Box) -> Floats:
        """The label's share of each cell in a box that holds all of it, h x w."""
        rows, columns = self._places(label)
        share = np.zeros([part.stop - part.start for part in box], np.float32)
        own = slice(self._start[label], self._start[label + 1])
        share[rows - box[0].start, columns - box[1].start] = self._share[own]
        return share

    def _places(self, label: int) -> tuple[Ints, Ints]:
        """Rows and columns of a label's cells."""
        return np.divmod(self._cell[self._start[label] : self._start[label + 1]], self.shape[1])


class Strokes:
    """Pixels where colours are asked for."""

    def __init__(self, place: Ints, number: Labels, cells: Cells) -> None:
        """place: N pixels of the picture, row by row. number: which colour is asked for, N."""
        self.cells, self.number = cells, number
        self.rows, self.columns = np.divmod(place, cells.width)
        self._cell = self.rows // cells.side * cells.shape[1] + self.columns // cells.side

    def means(self, table: Floats) -> Floats:
        """Mean of each cell, c x h x w; 0 without strokes. table: a row of c for each number."""
        rows, columns = self.cells.shape
        sums = [np.bincount(self._cell, values[self.number], rows * columns) for values in table.T]
        means = np.stack(sums).reshape(-1, rows, columns) / self.cells.side**2
        return means.astype(np.float32)


@dataclass(frozen=True)
class Plan:
    """What is asked for where in a drawing.

    parts: regions, kept apart by lines, cut where several colours are asked for in one. colours:
    N x 3. colour_of_part: by label, 0 = none, k = colours[k - 1]. place: M pixels of H x W, row by
    row, where colours are asked for; number: which, M, numbered alike. clear: whether no colour is
    asked for, by label. ink: each cell's share of ink, h x w.
    """

    parts: Parts
    colours: Floats
    colour_of_part: Labels
    place: npt.NDArray[np.int64]
    number: Labels
    clear: Bools
    ink: Floats


@dataclass(frozen=True)
class Painted:
    """A painting at full size.

    picture: 3 x H x W in [0, 1]. parts: int32 H x W, all in one region and of one flat colour.
    flats: colour of each part, by label.
    """

    picture: Floats
    parts: Labels
    flats: Floats


def shade_and_light(picture: Floats, flats: Floats) -> tuple[Floats, Floats]:
    """Two layers that make flats the picture: multiplied with shade, then screened with light.

    All of one shape, in [0, 1]; shade is white and light black where they do nothing. Exact.
    """
    shade = np.maximum(picture, _TINY)
    shade /= np.maximum(flats, _TINY)
    np.minimum(shade, 1, out=shade)
    light = picture - flats
    light /= np.maximum(1 - flats, _TINY)
    np.maximum(light, 0, out=light)
    return shade, light


class Painter:
    """Carries paintings of one drawing to full size, region by region."""

    def __init__(self, plan: Plan, cells: Cells, shares: Shares) -> None:
        """shares: of the plan's regions."""
        self.plan, self.cells, self.shares = plan, cells, shares
        # All pixels here are filled up to whole cells.
        parts, regions = plan.parts, plan.parts.regions
        self.regions = cells.padded(regions.labels)
        if parts.count == regions.count:
            self.cut, self.shares_of_parts = self.regions, shares
        else:
            self.cut = cells.padded(parts.labels)
            self.shares_of_parts = Shares(self.cut, parts.count, cells)
        self.strokes = Strokes(plan.place, plan.number, cells)
        self.region_of_stroke = self.regions[self.strokes.rows, self.strokes.columns]
        self.paper = 1 - plan.ink
        anything = np.ones((len(plan.colours) + 1, 1), np.float32)
        anything[0] = 0
        covered = self.strokes.means(anything)[0]
        self.bare = np.maximum((1 - covered) ** _PURITY, np.float32(_BURNT_IN))
        self.parts_of_region: list[list[int]] = [[] for _ in range(regions.count + 1)]
        for part, region in enumerate(parts.region.tolist()):
            self.parts_of_region[region].append(part)
        self.targets = srgb_to_lab(plan.colours.T)

    def paint(self, painting: Floats, checkpoint: Callable[[], None] = lambda: None) -> Painted:
        """The painting at full size, with the colours that are asked for.

        painting: 3 x h x w in [0, 1], a colour for each cell. checkpoint: called again and
        again, from several threads; may raise to cancel. A part's flat colour is the one asked
        for, else the median of the painting. Where a colour is asked for in a region, or in each of
        the parts that `fill.assign` makes of one, it becomes the painting's median there. In a
        broad region the painting says how far a colour reaches.
        """
        return _Painting(self, painting).paint(checkpoint)


@dataclass(frozen=True)
class _Piece:
    """What is painted at once: a label in H x W labels.

    near: a box of cells around it. share: what it has of each of these.
    """

    labels: Labels
    label: int
    near: Box
    share: Floats


class _Painting:
    """One painting on its way to full size."""

    def __init__(self, painter: Painter, painting: Floats) -> None:
        self.painter, self.plan, self.cells = painter, painter.plan, painter.cells
        self.painting = painting
        self.parts = painter.cut.copy()
        self.colour_of_part: list[int] = self.plan.colour_of_part.tolist()
        self.picture = np.zeros((3, *self.parts.shape), np.float32)
        self.flats = np.zeros((len(self.colour_of_part), 3), np.float32)

    def paint(self, checkpoint: Callable[[], None]) -> Painted:
        """All of it."""
        painter = self.painter
        broad = painter.shares.areas() >= _BROAD * self.plan.ink.size
        speck = painter.shares_of_parts.areas() < 1
        self._paint_specks(speck)
        left = []
        for region, parts in enumerate(painter.parts_of_region):
            checkpoint()
            if not (broad[region] and self._paint_broad(region)):
                left += [part for part in parts if not speck[part]]

        def paint_part(part: int) -> None:
            checkpoint()
            self._paint_part(part)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(paint_part, left):
                pass
        asked = np.array(self.colour_of_part)
        self.flats[asked > 0] = self.plan.colours[asked[asked > 0] - 1]
        picture = self.cells.cropped(self.picture)
        np.clip(picture, 0, 1, out=picture)
        return Painted(picture, self.cells.cropped(self.parts), self.flats)

    def _paint_specks(self, speck: Bools) -> None:
        """Gives parts smaller than a cell the colour asked for, else the mean of their cells'."""
        place = np.flatnonzero(speck[self.parts])
        part = self.parts.ravel()[place]
        row, column = np.divmod(place, self.parts.shape[1])
        cell = row // self.cells.side * self.cells.shape[1] + column // self.cells.side
        weight = self.painter.paper.ravel()[cell] + np.float32(1e-3)
        total = np.bincount(part, weight)
        for channel, colours in enumerate(self.painting):
            sums = np.bincount(part, weight * colours.ravel()[cell])
            self.flats[part, channel] = sums[part] / total[part]
        asked = self.plan.colour_of_part[part]
        self.flats[part[asked > 0]] = self.plan.colours[asked[asked > 0] - 1]
        self.picture.reshape(3, -1)[:, place] = self.flats[part].T

    def _paint_part(self, part: int) -> None:
        """Paints a part of a cell or more."""
        shares = self.painter.shares_of_parts
        near = shares.near(part)
        share = shares.of(part, near)
        field = self._field(near, self._purity(near, share) * self.painter.bare[near])
        piece = _Piece(self.painter.cut, part, near, share)
        self._put(piece, field, np.ones((1, *share.shape), np.float32), [part])

    def _paint_broad(self, region: int) -> bool:
        """Cuts a region where the painting has several colours and paints it; else does nothing."""
        near = self.painter.shares.near(region)
        share = self.painter.shares.of(region, near)
        piece = _Piece(self.painter.regions, region, near, share)
        found = self._cut(piece, self.painter.parts_of_region[region])
        if found is not None:
            self._put(piece, *found)
        return found is not None

    def _put(self, piece: _Piece, field: Floats, belonging: Floats, parts: Sequence[int]) -> None:
        """Puts colours of cells, 3 x h x w, into the picture, and sets the flats.

        belonging: how far each cell belongs to each of the parts, k x h x w.
        """
        soft = _soft(belonging)
        field = self._corrected(field, belonging * piece.share, soft, parts)
        self._settle(piece, field, soft, parts)
        for here, there, inside in self._blocks(piece):
            np.copyto(self.picture[:, *there], self.cells.enlarged(field, here), where=inside)

    def _blocks(self, piece: _Piece) -> Iterator[tuple[Box, Box, Bools]]:
        """A piece bit by bit: cells within its box, their pixels, and which are its own."""
        height, width = piece.share.shape
        for top in range(0, height, _BLOCK):
            for left in range(0, width, _BLOCK):
                here = slice(top, min(top + _BLOCK, height)), slice(left, min(left + _BLOCK, width))
                if piece.share[here].any():
                    there = self.cells.pixels(_within(piece.near, here))
                    yield here, there, piece.labels[there] == piece.label

    def _purity(self, near: Box, share: Floats) -> Floats:
        """How far the colour of each cell in a box is that of the region that has such a share."""
        blurred = cv2.GaussianBlur(share, (0, 0), _NEAR, borderType=cv2.BORDER_REPLICATE)
        purity: Floats = blurred**_PURITY * self.painter.paper[near]
        return purity

    def _field(self, near: Box, weight: Floats) -> Floats:
        """The region's own colours everywhere in a box of cells, 3 x h x w."""
        weight = weight / max(float(weight.max()), 1e-6)
        return spread(self.painting[:, *near], weight)

    def _corrected(
        self, field: Floats, anchors: Floats, soft: Floats, parts: Sequence[int]
    ) -> Floats:
        """A region's colours, 3 x h x w, moved so that its parts have those that were asked for.

        anchors: weights of the cells whose median becomes the colour, k x h x w. soft: how far a
        cell follows each part, k x h x w.
        """
        hinted = [(n, self.colour_of_part[p] - 1) for n, p in enumerate(parts)]
        hinted = [(number, colour) for number, colour in hinted if colour >= 0]
        if not hinted:
            return field
        lab, owner = srgb_to_lab(field), anchors.argmax(axis=0)
        middles = {number: _weighted_median(lab, anchors[number]) for number, _ in hinted}
        for number, middle in middles.items():
            there = owner == number
            lab[:, there] = middle[:, None] + _limited(lab[:, there] - middle[:, None])
        for left in reversed(range(_ROUNDS if len(parts) > 1 else 1)):
            for number, colour in hinted:
                missing = self.painter.targets[:, colour] - middles[number]
                lab += soft[number] * missing[:, None, None]
            if left:
                middles = {number: _weighted_median(lab, anchors[number]) for number in middles}
        return lab_to_srgb(lab)

    def _settle(self, piece: _Piece, field: Floats, soft: Floats, parts: Sequence[int]) -> None:
        """Looks at a piece's pixels: makes up what medians still miss, and sets the flats."""
        rows, columns = self._samples(piece, len(parts))
        part = self.parts[rows, columns]
        top, left = (box.start * self.cells.side for box in piece.near)
        colours = self._at(field, rows - top, columns - left)
        missing = np.zeros((len(parts), 3), np.float32)
        for number, label in enumerate(parts):
            own = colours[part == label] if (part == label).any() else colours
            middle = np.median(own, axis=0)
            if asked := self.colour_of_part[label]:
                missing[number] = self.plan.colours[asked - 1] - middle
            else:
                self.flats[label] = np.rint(np.clip(middle, 0, 1) * 255) / 255
        field += np.tensordot(missing, soft, axes=(0, 0))

    def _samples(self, piece: _Piece, parts: int) -> tuple[Ints, Ints]:
        """Rows and columns of some of a piece's pixels, even over it, for so many parts."""
        there, wanted = self.cells.pixels(piece.near), _MEDIAN_PIXELS * parts
        window = piece.labels[there]
        for step in (math.ceil(math.sqrt(window.size / wanted)), 1):
            rows, columns = np.nonzero(window[::step, ::step] == piece.label)
            if len(rows):
                break
        few = slice(None, None, len(rows) // wanted + 1)
        return there[0].start + step * rows[few], there[1].start + step * columns[few]

    def _at(self, field: Floats, rows: Ints, columns: Ints) -> Floats:
        """The field's colours at pixels, N x 3."""
        y, x = (
            ((place + 0.5) / self.cells.side - 0.5).astype(np.float32)[:, None]
            for place in (rows, columns)
        )
        planes = np.ascontiguousarray(np.moveaxis(field, 0, -1))
        found = cv2.remap(planes, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(found, np.float32).reshape(-1, 3)

    def _cut(
        self, piece: _Piece, parts: Sequence[int]
    ) -> tuple[Floats, Floats, Sequence[int]] | None:
        """Cuts a region where the painting has several colours; None where it has not.

        Returns its field, how far each cell belongs to each of the new parts, and their labels.
        """
        near, bare = piece.near, self.painter.bare[piece.near]
        purity = self._purity(near, piece.share)
        if not purity.any():
            return None
        asked, strokes, under = self._strokes(piece, parts)
        field, around = self._field(near, purity), self._field(near, purity * bare)
        burnt_in = _burnt_in(field, around, purity, strokes)
        if burnt_in.any():
            covered = strokes[burnt_in].sum(axis=0) > 0
            field = self._field(near, np.where(covered, purity * bare, purity))
        belonging = _belonging(field, purity, strokes)
        if len(belonging) == 1:
            return None
        first, count = len(self.colour_of_part), len(belonging)
        for here, there, inside in self._blocks(piece):
            np.copyto(self.parts[there], first + self._owners(belonging, here), where=inside)
        rows, columns, number = under
        self.parts[rows, columns] = first + number
        self.colour_of_part += asked + [0] * (count - len(asked))
        self.flats = np.concatenate([self.flats, np.zeros((count, 3), np.float32)])
        return field, belonging, range(first, first + count)

    def _strokes(
        self, piece: _Piece, parts: Sequence[int]
    ) -> tuple[list[int], Floats, tuple[Ints, Ints, Ints]]:
        """The strokes in a region: which colours they ask for, and where.

        Returns the colours, how far each covers each cell, k x h x w, and the rows, columns and
        number, from 0 on, of the pixels.
        """
        drawn, side = self.painter.strokes, self.cells.side
        inside = self.painter.region_of_stroke == piece.label
        wanted = {self.colour_of_part[part] for part in parts}
        asked = sorted(wanted & set(np.unique(drawn.number[inside]).tolist()))
        inside &= np.isin(drawn.number, asked)
        rows, columns = drawn.rows[inside], drawn.columns[inside]
        number = np.searchsorted(asked, drawn.number[inside])
        shape = len(asked), *piece.share.shape
        top, left = (part.start for part in piece.near)
        cell = np.ravel_multi_index((number, rows // side - top, columns // side - left), shape)
        pixels = np.bincount(cell, minlength=math.prod(shape))
        strokes = (pixels / side**2).astype(np.float32).reshape(shape)
        return asked, strokes, (rows, columns, number)

    def _owners(self, belonging: Floats, here: Box) -> Labels:
        """The part, from 0 on, that each pixel of some cells belongs to."""
        around = tuple(slice(max(part.start - _REACH, 0), part.stop + _REACH) for part in here)
        present = np.unique(belonging[:, *around].argmax(axis=0))
        rows, columns = ((part.stop - part.start) * self.cells.side for part in here)
        if len(present) == 1:
            return np.full((rows, columns), present[0], np.int32)
        most, *others = self.cells.enlarged(belonging[present], here)
        owners = np.full((rows, columns), present[0], np.int32)
        # Much faster than argmax across planes.
        for part, far in zip(present[1:], others, strict=True):
            np.copyto(owners, part, where=far > most)
            np.maximum(most, far, out=most)
        return owners


def _within(near: Box, here: Box) -> Box:
    """A box in a box, as one of the whole."""
    rows, columns = (
        slice(outer.start + inner.start, outer.start + inner.stop)
        for outer, inner in zip(near, here, strict=True)
    )
    return rows, columns


def _soft(belonging: Floats) -> Floats:
    """How far each cell follows each of k parts, k x h x w: from part to part softly."""
    if len(belonging) == 1:
        return np.ones_like(belonging)
    soft = np.stack([cv2.GaussianBlur(share, (0, 0), _SOFT) for share in belonging])
    soft /= soft.sum(axis=0) + np.float32(1e-6)
    return soft


def _limited(away: Floats) -> Floats:
    """Differences of CIELAB, 3 x ..., none too large."""
    limited = np.empty_like(away)
    limited[0] = _MOST_LIGHTNESS * np.tanh(away[0] / _MOST_LIGHTNESS)
    chroma = np.maximum(np.hypot(away[1], away[2]), np.float32(1e-6))
    limited[1:] = away[1:] * (_MOST_CHROMA * np.tanh(chroma / _MOST_CHROMA) / chroma)
    return limited


def _weighted_median(planes: Floats, weight: Floats) -> Floats:
    """Of each of k x h x w planes; cells of weight 0 do not count."""
    there = weight > 0
    values = planes[:, there]
    order = np.argsort(values, axis=1, kind="stable")
    reached = np.cumsum(weight[there][order], axis=1, dtype=np.float64)
    middle = (reached < reached[:, -1:] / 2).sum(axis=1, keepdims=True)
    found = np.take_along_axis(values, np.take_along_axis(order, middle, axis=1), axis=1)
    return np.asarray(found[:, 0], np.float32)


def _burnt_in(field: Floats, around: Floats, purity: Floats, strokes: Floats) -> Bools:
    """Which strokes are themselves all that the painting has of their colour, k.

    A stroke on a small thing is no such where what is around it has a stroke of its own. field,
    around: the region's colours, 3 x h x w, with and without those under strokes.
    """
    lab, outside = _in_lab(field), _in_lab(around)
    middles = _middles(lab, strokes)
    members = _members(lab[:, _sure(purity)].T, middles)
    size = np.bincount(members, minlength=len(strokes))[: len(strokes)]
    alone = size < _BURNT_IN_SIZE * strokes.sum(axis=(1, 2))
    distance = np.linalg.norm(_middles(outside, strokes)[:, None] - middles, axis=2)
    np.fill_diagonal(distance, np.inf)
    alone &= ~(distance < _ALIKE).any(axis=1)
    return np.asarray(alone)


def _belonging(field: Floats, purity: Floats, strokes: Floats) -> Floats:
    """How far each cell belongs to each part of a region, k x h x w.

    field: the region's colours, 3 x h x w. purity: how far each cell's colour is the region's.
    strokes: how far each cell is covered by each colour that is asked for; the first parts are
    where the field is like under these, the others what is like none.
    """
    lab, sure = _in_lab(field), _sure(purity)
    members = _members(lab[:, sure].T, _middles(lab, strokes))
    parts = np.zeros((max(len(strokes), members.max() + 1), *purity.shape), np.float32)
    parts[(members, *np.nonzero(sure))] = 1
    if len(parts) == 1:
        return parts
    smooth = np.stack([cv2.GaussianBlur(part, (0, 0), 1.0) for part in parts])
    smooth /= smooth.sum(axis=0) + np.float32(1e-6)
    return spread(smooth, sure.astype(np.float32))


def _in_lab(field: Floats) -> Floats:
    """L* / 2, a*, b*: shading counts less than another colour."""
    lab = srgb_to_lab(field)
    lab[0] /= 2
    return lab


def _sure(purity: Floats) -> Bools:
    """Cells whose colour is their region's."""
    sure: Bools = purity > 0.5 * purity.max()
    return sure


def _middles(lab: Floats, strokes: Floats) -> Floats:
    """The colour under each of k strokes, k x 3."""
    middles = [_weighted_median(lab, stroke) for stroke in strokes]
    return np.array(middles, np.float32).reshape(-1, 3)


def _members(colours: Floats, middles: Floats) -> Ints:
    """The part, from 0 on, of each of N x 3 colours: the first are around k x 3 middles."""
    if not len(middles):
        return _clusters(colours)
    distance = np.stack([np.linalg.norm(colours - middle, axis=1) for middle in middles])
    members = distance.argmin(axis=0)
    strange = distance.min(axis=0) > _ALIKE
    if strange.mean() >= _LEAST_PART:
        members[strange] = len(middles) + _clusters(colours[strange])
    return np.asarray(members, np.intp)


def _clusters(colours: Floats) -> Ints:
    """The cluster, from 0 on, of each of N x 3 colours: as few as explain them."""
    shades, number, count = np.unique(
        np.rint(colours / 2), axis=0, return_inverse=True, return_counts=True
    )
    points, weight = 2.0 * shades.astype(np.float64), count.astype(np.float64)
    members = np.zeros(len(points), np.intp)
    for clusters in range(2, min(_MOST_PARTS, len(points)) + 1):
        if _deviation(points, weight, members) <= _SHADING:
            break
        found = weighted_kmeans(points, weight, clusters)
        if np.bincount(found, weight, minlength=clusters).min() < _LEAST_PART * weight.sum():
            break
        members = found
    of_each: Ints = members[number]
    return of_each


def _deviation(points: Doubles, weight: Doubles, members: Ints) -> float:
    """Root mean square distance of points to the middle of their cluster."""
    total = np.bincount(members, weight)
    middles = np.stack([np.bincount(members, weight * axis) / total for axis in points.T], axis=1)
    squares = ((points - middles[members]) ** 2).sum(axis=1)
    return math.sqrt(float((squares * weight).sum() / weight.sum()))
