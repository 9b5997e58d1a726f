"""A rough mask's edges drawn after the picture, at the picture's full size.

Guided filter (He, Sun, Tang 2013) in colour, its maps made at a small size and applied at the full
one (He, Sun 2015): within a small window the mask is a sum of red, green, blue and 1, so it follows
every edge that the picture has, hair too. Several passes, each with more contrast, first move the
mask's edge to the picture's; a last one at a larger size settles where that is. A drawn outline is
like neither its inside nor the paper: where a thin dark line is in doubt, it goes to the subject.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from engine.imaging.resample import AffineField, over, planar, shrink, shrink_mask

Floats = npt.NDArray[np.float32]

RADIUS = 8
"""Of the window, in pixels of the small size; the filter reaches twice as far."""
EPSILON = 1e-4
"""Colour variance below which a window counts as one colour."""
PASSES = 3
CONTRAST = 2.5
FINAL_CONTRAST = 1.5
FINE_SIDE = 1024
REACH = 5
"""Pixels of the small size by which the edge moves freely; by twice as many it moves at all."""
FARTHEST = 3.0 * REACH
LIKELY, SURE = 0.4, 0.1
"""Likelihood from which a subject is there at all, and up to which a pixel stays outside it."""
PEAK, SHARE = 0.9, 0.55
"""A pixel counts as inside at first from this share of what the subject's likelihood, this quantile
of it, reaches: a network that is unsure of all is as right as one that is sure."""
LEAST_COLOURS = 32
"""Pixels on either side that colours can be learned from."""
GRABCUT_ROUNDS = 3
LINE = 5
"""Pixels of the small size that a drawn line may be wide."""
LINE_BONUS, LINE_CONTRAST = 0.15, 3.0


class Matte:
    """A mask that follows a picture's edges; made by `refine`, drawn strip by strip."""

    def __init__(self, maps: Floats, width: int, height: int, ground: float) -> None:
        """maps: 8 x h x w, from a colour to the mask and to the depth inside the rough mask.

        ground: the grey that is seen through the picture.
        """
        self._field = AffineField(maps, width, height)
        self._ground = ground

    @property
    def nbytes(self) -> int:
        """What it takes to keep it."""
        return self._field.nbytes

    def strip(self, rgb: Floats, alpha: Floats | None, top: int) -> Floats:
        """The mask of a strip of the picture, rows x W in [0, 1]; 0 where nothing is visible.

        rgb: rows x W x 3, alpha: rows x W or None. top: the strip's first row in the picture.
        """
        seen = planar(over(rgb, alpha, self._ground))
        values, depth = self._field.apply(seen, top)
        mask = _near(contrasted(values, FINAL_CONTRAST), depth)
        return mask if alpha is None else mask * alpha


def refine(mask: Floats, rgb: Floats, alpha: Floats | None, ground: float) -> Matte:
    """The mask with the edges of the picture.

    mask: h x w in [0, 1], rough, of the whole picture. rgb: H x W x 3, alpha: H x W or None.
    ground: the grey that is seen through it.
    """
    height, width = rgb.shape[:2]
    size = mask.shape[1], mask.shape[0]
    picture, depth = planar(shrink(rgb, alpha, size, ground)), depth_inside(mask)
    lines = dark_lines(picture)
    mask = _with_lines(mask, lines)
    for _ in range(PASSES - 1):
        fitted = AffineField(local_maps(picture, mask), *size).apply(picture, 0)[0]
        fitted = _with_lines(np.clip(fitted, 0, 1), lines)
        mask = _near(contrasted(fitted, CONTRAST), depth)
    maps = local_maps(picture, mask)
    zoom = min(FINE_SIDE, max(width, height)) / max(size)
    if zoom > 1:
        size = round(size[0] * zoom), round(size[1] * zoom)
        picture, depth = planar(shrink(rgb, alpha, size, ground)), shrink_mask(depth, size)
        fitted = AffineField(maps, *size).apply(picture, 0)[0]
        maps = local_maps(picture, _near(contrasted(fitted, CONTRAST), depth))
    constant = np.zeros_like(maps)
    constant[3] = depth
    return Matte(np.concatenate([maps, constant]), width, height, ground)


def settled(mask: Floats, picture: Floats) -> Floats:
    """The mask decided by colour where it is in doubt, h x w of 0 and 1 (GrabCut, Rother 2004).

    mask: h x w in [0, 1], how likely each pixel is inside. picture: h x w x 3 in [0, 1].
    """
    there = mask[mask > LIKELY]
    peak = np.quantile(there, PEAK) if there.size else 1.0
    labels = np.where(mask > SHARE * peak, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[mask > 1 - SURE] = cv2.GC_FGD
    labels[mask < SURE] = cv2.GC_BGD
    inside = np.count_nonzero(labels & 1)
    if LEAST_COLOURS <= inside <= labels.size - LEAST_COLOURS:
        codes = np.round(picture * 255).astype(np.uint8)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        no_box = (0, 0, 0, 0)
        cv2.setRNGSeed(1)
        cv2.grabCut(codes, labels, no_box, *models, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    return (labels & 1).astype(np.float32)


def local_maps(picture: Floats, mask: Floats) -> Floats:
    """For each pixel the sum of red, green, blue and 1 that is the mask around it, 4 x h x w.

    picture: 3 x h x w, mask: h x w, both in [0, 1]. He, Sun, Tang 2013, eq. 19-21.
    """
    means = [_mean(colour) for colour in picture]
    level = _mean(mask)

    def covariance(i: int, j: int) -> Floats:
        return _mean(picture[i] * picture[j]) - means[i] * means[j]

    rr, gg, bb = (covariance(i, i) + np.float32(EPSILON) for i in range(3))
    rg, rb, gb = covariance(0, 1), covariance(0, 2), covariance(1, 2)
    with_mask = [_mean(picture[i] * mask) - means[i] * level for i in range(3)]
    # The inverse of the symmetric 3 x 3 matrix, by its cofactors.
    first = (gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb)
    second = (first[1], rr * bb - rb * rb, rb * rg - rr * gb)
    third = (first[2], second[2], rr * gg - rg * rg)
    determinant = rr * first[0] + rg * first[1] + rb * first[2]
    maps = np.empty((4, *mask.shape), np.float32)
    for row, cofactors in zip(maps, (first, second, third), strict=False):
        row[:] = sum(c * w for c, w in zip(cofactors, with_mask, strict=True)) / determinant
    maps[3] = level - sum(row * mean for row, mean in zip(maps, means, strict=False))
    for row in maps:
        row[:] = _mean(row)
    return maps


def depth_inside(mask: Floats) -> Floats:
    """Pixels from each place of the mask (h x w in [0, 1]) to its edge, negative outside."""
    inside = (mask > 0.5).astype(np.uint8)
    within, without = (
        cv2.distanceTransform(side, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for side in (inside, 1 - inside)
    )
    depth: Floats = np.subtract(within, without, dtype=np.float32)
    return np.clip(depth, -FARTHEST, FARTHEST)


def dark_lines(picture: Floats) -> Floats:
    """How much each pixel is of a thin line darker than both its sides, h x w in [0, 1].

    picture: 3 x h x w in [0, 1].
    """
    grey = picture.mean(axis=0)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (LINE, LINE))
    depth = np.asarray(cv2.morphologyEx(grey, cv2.MORPH_CLOSE, disc), np.float32) - grey
    lines: Floats = np.clip(depth * np.float32(LINE_CONTRAST), 0, 1)
    return lines


def contrasted(mask: Floats, factor: float) -> Floats:
    """The mask with `factor` times the contrast about 1/2, in [0, 1]."""
    steeper = (mask - np.float32(0.5)) * np.float32(factor) + np.float32(0.5)
    return np.clip(steeper, 0, 1, out=steeper)


def feathered(mask: Floats, reach: float) -> Floats:
    """The mask with its edges softened to either side as far as `reach` pixels.

    Three box filters, which together are nearly a Gaussian: time does not grow with the reach.
    """
    side = 2 * round(reach / 3) + 1
    for _ in range(3):
        mask = np.asarray(cv2.blur(mask, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)
    return np.clip(mask, 0, 1, out=mask)


def _near(mask: Floats, depth: Floats) -> Floats:
    """The mask without what is found far outside the rough one, and without holes deep inside.

    Otherwise every line of a drawing would count as the outline's ink.
    """
    least = np.clip(depth / REACH - 1, 0, 1)
    most = np.clip(depth / REACH + 2, 0, 1)
    return np.clip(mask, least, most)


def _with_lines(mask: Floats, lines: Floats) -> Floats:
    """The mask, a little fuller where it is in doubt on a line."""
    doubt = 4 * mask * (1 - mask)
    fuller: Floats = np.minimum(mask + np.float32(LINE_BONUS) * lines * doubt, 1)
    return fuller


def _mean(values: Floats) -> Floats:
    side = 2 * RADIUS + 1
    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)
