"""Scribbles as an artist means them: strokes of one colour each, not of a hundred shades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.imaging.color import srgb_to_lab
from engine.imaging.regions import NEIGHBOURS

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


@dataclass(frozen=True)
class Hints:
    """Colours that were asked for, and where.

    labels: int32 H x W, 0 = none, k = colours[k - 1]. colours: float32 N x 3, sRGB-encoded, each
    as painted.
    """

    labels: Labels
    colours: Floats


def read_hints(rgb: Floats, alpha: Floats | None = None) -> Hints:
    """The hints of a layer of scribbles or flats.

    rgb: float32 H x W x 3, straight (not premultiplied); alpha: float32 H x W, None for opaque.
    Pixels with alpha of 50 % or more count. Shades within CIEDE2000 2 of a more frequent one take
    its colour; bands of mixed colour between two strokes are left out.
    """
    painted = np.ones(rgb.shape[:2], bool) if alpha is None else alpha >= 0.5
    labels = np.zeros(rgb.shape[:2], np.int32)
    pixels = rgb[painted]
    if not len(pixels):
        return Hints(labels, np.zeros((0, 3), np.float32))
    # Runs of one shade first: a flats layer has millions of pixels and few runs.
    bins = _bins(pixels)
    starts = np.flatnonzero(np.concatenate([[True], bins[1:] != bins[:-1]]))
    lengths = np.diff(starts, append=len(bins))
    _, first, shade = np.unique(bins[starts], return_index=True, return_inverse=True)
    shades = pixels[starts[first]]
    colour_of_shade, modes = _merge(shades, np.bincount(shade, lengths).astype(np.int64))
    labels[painted] = np.repeat(colour_of_shade[shade], lengths)
    _erase_mixtures(labels)
    return Hints(labels, shades[modes])


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
    for mode in np.argsort(-counts, kind="stable"):
        if colour_of_shade[mode]:
            continue
        if len(modes) == _MOST_COLOURS:
            break
        modes.append(int(mode))
        near = np.abs(lab[:, 0] - lab[mode, 0]) <= _SAME_LIGHTNESS
        near = np.flatnonzero(near & (colour_of_shade == 0))
        difference = deltaE_ciede2000(np.broadcast_to(lab[mode], lab[near].shape), lab[near])
        colour_of_shade[near[difference <= _SAME_COLOUR]] = len(modes)
    return colour_of_shade, modes


def _erase_mixtures(labels: Labels) -> None:
    """Takes out thin bands between two other colours: where soft strokes overlap, colours mix."""
    from skimage.measure import label

    if labels.max() < 3:
        return
    bands, count = label(labels, background=0, connectivity=2, return_num=True)
    area = np.bincount(bands.ravel(), minlength=count + 1)
    edges = np.zeros(count + 1, np.int64)
    beside = []
    for here, there in NEIGHBOURS:
        differ = labels[here] != labels[there]
        pairs = np.stack([bands[here][differ], bands[there][differ]], axis=1)
        for one, other in (pairs.T, pairs.T[::-1]):
            edges += np.bincount(one, minlength=count + 1)
            beside.append(np.stack([one, other], axis=1)[(one > 0) & (other > 0)])
    contact = np.concatenate(beside)
    touching = np.bincount(contact[:, 0], minlength=count + 1)
    colour_of_band = np.zeros(count + 1, np.int64)
    colour_of_band[bands] = labels
    contact[:, 1] = colour_of_band[contact[:, 1]]
    others = np.bincount(np.unique(contact, axis=0)[:, 0], minlength=count + 1)
    mixture = (area <= touching) & (2 * touching >= edges) & (others >= 2)
    mixture[0] = False
    labels[mixture[bands]] = 0


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
