"""Pictures side by side with labels, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Bytes = npt.NDArray[np.uint8]

GAP = 4
LABEL = 18
"""Height of a line of labels, pixels."""
PAPER, INK = (255, 255, 255), (32, 32, 32)


def grid(
    rows: Sequence[Sequence[npt.NDArray[np.generic]]],
    columns: Sequence[str] = (),
    labels: Sequence[str] = (),
    side: int = 192,
) -> Bytes:
    """The pictures of each row side by side, uint8 H x W x 3.

    rows: uint8, or floats in [0, 1]; H x W, H x W x 3 or H x W x 4 (shown over squares). columns:
    headings. labels: one under each row. side: of the square cell that every picture fits into.
    """
    across = max(len(row) for row in rows)
    top = LABEL if columns else 0
    height = side + (LABEL if labels else 0) + GAP
    sheet = Image.new("RGB", (across * (side + GAP) + GAP, top + len(rows) * height + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for column, heading in enumerate(columns):
        draw.text((GAP + column * (side + GAP), 2), heading, INK, font)
    for number, row in enumerate(rows):
        y = top + GAP + number * height
        for column, pixels in enumerate(row):
            cell = _fitted(pixels, side)
            x = GAP + column * (side + GAP)
            sheet.paste(cell, (x + (side - cell.width) // 2, y + (side - cell.height) // 2))
        if labels:
            draw.text((GAP, y + side + 1), labels[number], INK, font)
    return np.array(sheet)


def _fitted(pixels: npt.NDArray[np.generic], side: int) -> Image.Image:
    """The picture as RGB, its longer side made `side`."""
    if pixels.dtype != np.uint8:
        pixels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(pixels)
    scale = side / max(picture.size)
    size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    kind = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    picture = picture.resize(size, kind)
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    return Image.alpha_composite(_squares(picture.size), picture).convert("RGB")


def _squares(size: tuple[int, int]) -> Image.Image:
    """Light and lighter squares, which stand for transparency."""
    x, y = np.arange(size[0]) // 8, np.arange(size[1]) // 8
    grey = np.where((x[None] + y[:, None]) % 2, 255, 220).astype(np.uint8)
    return Image.fromarray(grey).convert("RGBA")
