"""Whole pictures at a network's working size, and what it says of them back at full size.

A field holds numbers for each of h x w cells that lie over the picture, c x h x w. Between the
centres of cells it goes on bilinearly, beyond them it stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

Bools = npt.NDArray[np.bool_]

STRIP_PIXELS = 1 << 20
LONGEST = 4


@dataclass(frozen=True)
class Box:
    """A rectangle of a picture's pixels; right and bottom lie just outside."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, there: Bools) -> Box:
        """The smallest box with all pixels of an H x W mask that has some."""
        (rows,), (columns,) = np.nonzero(there.any(axis=1)), np.nonzero(there.any(axis=0))
        return cls(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)

    @property
    def width(self) -> int:
        """Pixels in a row."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    def grown(self, margin: float, width: int, height: int, least: int = 0) -> Box:
        """The box with a margin, inside a picture of that size.

        margin: in parts of the box's longer side; least: in pixels.
        """
        more = max(least, round(margin * max(self.width, self.height)))
        return Box(
            max(self.left - more, 0),
            max(self.top - more, 0),
            min(self.right + more, width),
            min(self.bottom + more, height),
        )

    def of(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The box's part of H x W (x channels) pixels, not copied."""
        return pixels[self.top : self.bottom, self.left : self.right]


def working_size(width: int, height: int, side: int, multiple: int) -> tuple[int, int]:
    """Width and height of about side x side pixels, multiples of `multiple`, in like proportion.

    No side is longer than LONGEST times `side`.
    """
    scale = side / math.sqrt(width * height)

    def fitted(length: int) -> int:
        return max(1, round(min(length * scale, LONGEST * side) / multiple)) * multiple

    return fitted(width), fitted(height)


def strips(height: int, width: int) -> Iterator[slice]:
    """Slices of rows that together are the picture, of about STRIP_PIXELS pixels."""
    step = max(1, STRIP_PIXELS // width)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def shrink(rgb: Floats, alpha: Floats | None, size: tuple[int, int], ground: float) -> Floats:
    """The picture (H x W x 3) at another size (width, height), as h x w x 3 in [0, 1].

    Transparent parts show a grey of `ground`. Each pixel is the mean of those that it stands for;
    a picture that is smaller than `size` is enlarged.
    """
    height, width = rgb.shape[:2]
    columns = np.empty((height, size[0], 3), np.float32)
    for rows in strips(height, width):
        seen = over(rgb[rows], None if alpha is None else alpha[rows], ground)
        columns[rows] = _resized(seen, (size[0], seen.shape[0]))
    return _resized(columns, size)


def over(rgb: Floats, alpha: Floats | None, ground: float) -> Floats:
    """What is seen of the picture on a grey of `ground`, in [0, 1]; a copy."""
    seen = np.clip(rgb, 0, 1)
    if alpha is not None:
        seen -= np.float32(ground)
        seen *= alpha[..., None]
        seen += np.float32(ground)
    return seen


def planar(rgb: Floats) -> Floats:
    """H x W x 3 pixels as 3 x H x W."""
    return np.ascontiguousarray(np.moveaxis(rgb, -1, 0))


def shrink_mask(mask: Floats, size: tuple[int, int]) -> Floats:
    """The mask (H x W) at another size (width, height), as `shrink` does it."""
    return _resized(_resized(mask, (size[0], mask.shape[0])), size)


def _resized(picture: Floats, size: tuple[int, int]) -> Floats:
    larger = size[0] > picture.shape[1] or size[1] > picture.shape[0]
    method = cv2.INTER_LINEAR if larger else cv2.INTER_AREA
    return np.asarray(cv2.resize(picture, size, interpolation=method), np.float32)


class AffineField:
    """Affine maps of colour that vary over a picture, applied to it strip by strip.

    A map is k rows of four numbers: from a colour (r, g, b) to k sums of r, g, b and 1.
    """

    def __init__(self, cells: Floats, width: int, height: int) -> None:
        """cells: 4k x h x w, row by row of the maps. width, height: of the picture."""
        count, rows, _ = cells.shape
        wide = [cv2.resize(plane, (width, rows), interpolation=cv2.INTER_LINEAR) for plane in cells]
        self._rows = np.stack(wide, axis=1).reshape(rows, count // 4, 4, width)
        self._cells_per_row = rows / height

    @property
    def nbytes(self) -> int:
        """What it takes to keep it."""
        return int(self._rows.nbytes)

    def apply(self, rgb: Floats, top: int) -> Floats:
        """The maps' values for a strip of the picture, k x rows x W.

        rgb: 3 x rows x W. top: the strip's first row in the picture.
        """
        values = np.empty((self._rows.shape[1], *rgb.shape[1:]), np.float32)
        maps = np.empty(self._rows.shape[1:], np.float32)
        for y in range(rgb.shape[1]):
            self._maps(top + y, maps)
            for (*factors, constant), value in zip(maps, values[:, y], strict=True):
                value[:] = constant
                for factor, colour in zip(factors, rgb[:, y], strict=True):
                    factor *= colour
                    value += factor
        return values

    def _maps(self, y: int, maps: Floats) -> None:
        """The maps of a row of pixels, into `maps`, k x 4 x W."""
        place = (y + 0.5) * self._cells_per_row - 0.5
        above = min(max(math.floor(place), 0), len(self._rows) - 1)
        below = min(above + 1, len(self._rows) - 1)
        np.subtract(self._rows[below], self._rows[above], out=maps)
        maps *= np.float32(min(max(place - above, 0.0), 1.0))
        maps += self._rows[above]
