"""Scribbles as an artist means them: strokes of one colour each, not of a hundred shades."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engine.imaging.color import srgb_to_lab
from engine.imaging.raster import Marks

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]

# CIEDE2000 difference up to which two shades are one colour.
_SAME_COLOUR = 2.0
# What CIEDE2000 2 can be in L* at most (its lightness weight is at most 1.75).
_SAME_LIGHTNESS = 3.6
# A layer with more colours than this is a painting; its rarest shades are no hints.
_MOST_COLOURS = 1024
# Of a photograph, so many of the most frequent shades are looked at.
_MOST_SHADES = 1 << 15


@dataclass(frozen=True)
class Hints:
    """Colours that were asked for, and where.

    shape: H, W. place: N painted pixels of H x W, row by row. stroke: N, which stroke each is of,
    1 on: a connected piece of one colour. colour_of_stroke: by stroke, k = colours[k - 1]; 0 for
    stroke 0, which is none. colours: float32 M x 3, sRGB-encoded, each as painted.
    """

    shape: tuple[int, int]
    place: Ints
    stroke: Labels
    colour_of_stroke: Labels
    colours: Floats

    @property
    def number(self) -> Labels:
        """N, which colour is asked for at each pixel, 1 on."""
        return self.colour_of_stroke[self.stroke]

    @property
    def nbytes(self) -> int:
        """What it takes to keep it."""
        return self.place.nbytes + self.stroke.nbytes + self.colour_of_stroke.nbytes

    def joined(self, other: Hints) -> Hints:
        """These and other hints of the same colours; of pixels that both have these say."""
        new = ~np.isin(other.place, self.place)
        strokes = len(self.colour_of_stroke) - 1
        place = np.concatenate([self.place, other.place[new]])
        stroke = np.concatenate([self.stroke, other.stroke[new] + strokes]).astype(np.int32)
        order = np.argsort(place, kind="stable")
        colours = np.concatenate([self.colour_of_stroke, other.colour_of_stroke[1:]])
        return replace(self, place=place[order], stroke=stroke[order], colour_of_stroke=colours)

    def renumbered(self, number: Labels, colours: Floats) -> Hints:
        """The same strokes, colour k now being colours[number[k] - 1]; number[0] is 0."""
        return replace(self, colour_of_stroke=number[self.colour_of_stroke], colours=colours)


def read_hints(marks: Marks) -> Hints:
    """The hints of a layer of scribbles or flats.

    Shades within CIEDE2000 2 of a more frequent one take its colour; bands of mixed colour between
    two strokes are left out.
    """
    if not len(marks.place):
        none = np.zeros(0, np.int32)
        colours = np.zeros((0, 3), np.float32)
        return Hints(marks.shape, marks.place, none, np.zeros(1, np.int32), colours)
    # Runs of one shade first: a flats layer has millions of pixels and few runs.
    bins = _bins(marks.rgb)
    starts = np.flatnonzero(np.concatenate([[True], bins[1:] != bins[:-1]]))
    lengths = np.diff(starts, append=len(bins))
    _, first, shade = np.unique(bins[starts], return_index=True, return_inverse=True)
    shades = marks.rgb[starts[first]]
    colour_of_shade, modes = _merge(shades, np.bincount(shade, lengths).astype(np.int64))
    number = np.repeat(colour_of_shade[shade], lengths)
    asked = number > 0
    return _in_strokes(marks.shape, marks.place[asked], number[asked], shades[modes])


def _in_strokes(shape: tuple[int, int], place: Ints, number: Labels, colours: Floats) -> Hints:
    """Hints of pixels of known colours, without mixtures."""
    runs = _Runs(shape, place, number)
    stroke_of_run = runs.strokes()
    count = int(stroke_of_run.max(initial=0))
    colour_of_stroke = np.zeros(count + 1, np.int32)
    colour_of_stroke[stroke_of_run] = runs.number
    mixed = runs.mixtures(stroke_of_run, count)
    numbers = np.where(mixed, 0, np.cumsum(~mixed) - 1).astype(np.int32)
    stroke = np.repeat(numbers[stroke_of_run], runs.length)
    kept = stroke > 0
    return Hints(shape, place[kept], stroke[kept], colour_of_stroke[~mixed], colours)


class _Runs:
    """Painted pixels as horizontal runs of one colour, and which of them touch.

    number, length: of each run. above, below: pairs of runs that touch by an edge or a corner;
    edge: pixels by which each pair touches, 0 for a corner. beside: the left ones of runs that
    touch the next one.
    """

    def __init__(self, shape: tuple[int, int], place: Ints, number: Labels) -> None:
        self.height, self.width = shape
        # Two columns more, so that no row touches the next one's beginning.
        line = self.width + 2
        key = place + 2 * (place // self.width)
        new = np.ones(len(key), bool)
        new[1:] = (np.diff(key) != 1) | (np.diff(number) != 0)
        starts = np.flatnonzero(new)
        self.length = np.diff(starts, append=len(key))
        self.number = number[starts]
        first, last = key[starts], key[starts] + self.length
        self.row, self.column = np.divmod(first, line)
        self.beside = np.flatnonzero(last[:-1] == first[1:])
        low = np.searchsorted(last, first + line)
        count = np.searchsorted(first, last + line, side="right") - low
        self.above = np.repeat(np.arange(len(starts)), count)
        ahead = np.arange(len(self.above)) - np.repeat(np.cumsum(count) - count, count)
        self.below = np.repeat(low, count) + ahead
        one, other = self.above, self.below
        self.edge = np.minimum(last[one] + line, last[other])
        self.edge -= np.maximum(first[one] + line, first[other])

    def strokes(self) -> Labels:
        """The number of each run's stroke, from 1 on in reading order."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        same = self.number[self.above] == self.number[self.below]
        pairs = self.above[same], self.below[same]
        shape = len(self.number), len(self.number)
        graph = coo_array((np.ones(len(pairs[0]), bool), pairs), shape=shape)
        component = connected_components(graph, directed=False)[1]
        _, first, stroke = np.unique(component, return_index=True, return_inverse=True)
        order = np.empty(len(first), np.int32)
        order[np.argsort(first)] = np.arange(1, len(first) + 1)
        return order[stroke]

    def mixtures(self, stroke: Labels, count: int) -> Bools:
        """Which strokes are thin bands between two others: where soft ones overlap, colours mix.

        stroke: of each run, 1 to count; 0 is no mixture.
        """
        area = np.bincount(stroke, self.length, count + 1)
        touching, others = self._contact(stroke, count)
        edges = self._outline(stroke, count)
        mixture: Bools = (area <= touching) & (2 * touching >= edges) & (others >= 2)
        mixture[0] = False
        return mixture

    def _contact(self, stroke: Labels, count: int) -> tuple[Ints, Ints]:
        """By how many edges of pixels each stroke touches others, and of how many colours."""
        differ = (self.number[self.above] != self.number[self.below]) & (self.edge > 0)
        one = np.concatenate([self.above[differ], self.beside])
        other = np.concatenate([self.below[differ], self.beside + 1])
        edge = np.concatenate([self.edge[differ], np.ones(len(self.beside), np.int64)])
        one, other, edge = (
            np.concatenate(both) for both in ((one, other), (other, one), (edge, edge))
        )
        touching = np.bincount(stroke[one], edge, count + 1).astype(np.int64)
        colours = int(self.number.max(initial=0)) + 1
        pairs = np.unique(stroke[one].astype(np.int64) * colours + self.number[other])
        return touching, np.bincount(pairs // colours, minlength=count + 1)

    def _outline(self, stroke: Labels, count: int) -> Ints:
        """Edges of pixels around each stroke, without those of the page."""
        edges = (self.column > 0) + (self.column + self.length < self.width).astype(np.int64)
        edges += self.length * (self.row > 0) + self.length * (self.row < self.height - 1)
        outline = np.bincount(stroke, edges, count + 1)
        same = (self.number[self.above] == self.number[self.below]) & (self.edge > 0)
        outline -= 2 * np.bincount(stroke[self.above[same]], self.edge[same], count + 1)
        return outline.astype(np.int64)


def _bins(pixels: Floats) -> Ints:
    """A number for each pixel's colour, in steps of 1/255; values beyond sRGB have theirs too."""
    steps = np.rint(np.clip(pixels, -1.0, 7.0) * 255.0).astype(np.int64) + 255
    bins: Ints = (steps[:, 0] << 22) | (steps[:, 1] << 11) | steps[:, 2]
    return bins


def _merge(shades: Floats, counts: Ints) -> tuple[Labels, list[int]]:
    """Gathers shades around the most frequent ones: 1-based colour per shade, shade per colour."""
    from skimage.color import deltaE_ciede2000

    lab = srgb_to_lab(shades.T).T.astype(np.float64)
    colour_of_shade = np.zeros(len(shades), np.int32)
    modes: list[int] = []
    frequent = np.argsort(-counts, kind="stable")[:_MOST_SHADES]
    lightness = lab[frequent, 0]
    for mode in frequent:
        if colour_of_shade[mode]:
            continue
        if len(modes) == _MOST_COLOURS:
            break
        modes.append(int(mode))
        near = frequent[np.abs(lightness - lab[mode, 0]) <= _SAME_LIGHTNESS]
        near = near[colour_of_shade[near] == 0]
        difference = deltaE_ciede2000(np.broadcast_to(lab[mode], lab[near].shape), lab[near])
        colour_of_shade[near[difference <= _SAME_COLOUR]] = len(modes)
    return colour_of_shade, modes


def nearest(colours: Floats, palette: Floats) -> Ints:
    """Index of the palette colour that each colour is nearest to in CIEDE2000; N x 3, M x 3."""
    from skimage.color import deltaE_ciede2000

    ours, theirs = (srgb_to_lab(rgb.T).T.astype(np.float64) for rgb in (colours, palette))
    shape = (len(ours), len(theirs), 3)
    difference = deltaE_ciede2000(
        np.broadcast_to(ours[:, None], shape), np.broadcast_to(theirs, shape)
    )
    index: Ints = np.argmin(difference, axis=1)
    return index
