"""A network's colour transform, made at a small size, on the picture's own pixels.

The transform is a field of affine maps of colour. A pixel takes the map of its place, so every
detail of the picture stays; only colours move.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from engine.imaging.resample import AffineField, planar

Floats = npt.NDArray[np.float32]

IDENTITY = np.eye(3, 4, dtype=np.float32).reshape(12, 1, 1)


def blended(transform: Floats, blend: Floats) -> Floats:
    """The maps I·(1 − D) + T(I)·D of colours I (Sofiiuk 2021, eq. 1), 12 x h x w.

    transform: the maps T, 12 x h x w, row by row of 3 x 4 matrices. blend: D, h x w in [0, 1].
    """
    return IDENTITY + blend * (transform - IDENTITY)


def grey(maps: Floats) -> Floats:
    """The maps (12 x h x w) with the luma of their results in all three channels."""
    weights = np.array([[[0.2126]], [[0.7152]], [[0.0722]]], np.float32)
    luma = (maps.reshape(3, 4, *maps.shape[1:]) * weights[:, None]).sum(axis=0)
    return np.concatenate([luma] * 3)


def spread(cells: Floats, inside: Floats) -> Floats:
    """The field with every cell outside the mask like those inside that are near (pull-push).

    Outside, a network's maps mean nothing, and an edge between cells must not mix them in.

    cells: c x h x w. inside: how much of each cell lies in the mask, h x w in [0, 1].
    """
    weight = np.clip(inside, 0, 1)[..., None]
    return np.moveaxis(_spread(np.ascontiguousarray(np.moveaxis(cells, 0, -1)), weight), -1, 0)


def _spread(cells: Floats, weight: Floats) -> Floats:
    """As `spread`, h x w x c, with a weight h x w x 1."""
    height, width = weight.shape[:2]
    if height == width == 1:
        return cells
    size = (width + 1) // 2, (height + 1) // 2
    coarse_weight = _halved(weight, size)
    coarse = _halved(cells * weight, size)
    coarse /= np.maximum(coarse_weight, np.float32(1e-12))
    filled = _spread(coarse, np.minimum(4 * coarse_weight, np.float32(1)))
    around = cv2.resize(filled, (width, height)).reshape(cells.shape)
    nearer: Floats = weight * cells + (1 - weight) * around
    return nearer


def _halved(cells: Floats, size: tuple[int, int]) -> Floats:
    """Means of 2 x 2 cells; the last row and column count twice where their number is odd."""
    height, width, count = cells.shape
    even = cv2.copyMakeBorder(cells, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    halved = cv2.resize(even, size, interpolation=cv2.INTER_AREA)
    return np.asarray(halved, np.float32).reshape(*size[::-1], count)


def transformed(rgb: Floats, inside: Floats, field: AffineField, top: int) -> Floats:
    """A strip of the picture, its colours moved as far as they are inside, rows x W x 3.

    rgb: rows x W x 3, unbounded. inside: rows x W in [0, 1]; where it is 0, the pixel is exactly
    as it was. field: of 12 numbers per cell. top: the strip's first row in the picture.

    Light beyond white (HDR) moves as the same colour does at white, and stays as much brighter.
    No channel falls below 0, or below what it was where it was lower (wide gamut).
    """
    before = planar(rgb)
    if before.max(initial=0) > 1:
        peak = np.maximum(before.max(axis=0), 1)
        after = field.apply(before / peak, top) * peak
    else:
        after = field.apply(before, top)
    np.maximum(after, np.minimum(before, 0), out=after)
    after -= before
    after *= inside
    after += before
    np.copyto(after, before, where=inside == 0)
    return np.moveaxis(after, 0, -1)
