"""A change of colour as a table: made once from any function of CIELAB, applied to any picture.

The table holds what is added to L, a and b on a grid over a and b, and over L where lightness
matters; between its points it is linear. Pixels keep their own precision: only the change is
tabulated, never the colour. The loop over pixels is compiled (color_kernels): numpy's passes over
whole arrays take many times as long, and OpenCV's conversions leave colours out of the gamut
(benchmarks/color_table.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.imaging import color_kernels
from engine.imaging.raster import by_strips

Floats = npt.NDArray[np.float32]

FINE = 385
"""Grid points of a and of b, over [-128, 128], of a table of a, b alone.

Beyond them the table's edge counts. Over many photographs a harmonized one is then within ΔE00 0.05
of the exact one on average, and within 0.5 at 999 of 1000 pixels (benchmarks/color_table.py).
"""
CUBE_SIZE = 33
"""Points per channel of a table for other programs; all of them read this size."""


def grid(levels: int, steps: int) -> tuple[Floats, Floats]:
    """Where a table's points lie: its lightnesses, 50 where it has one, and values of a and b."""
    lightness = np.linspace(0, 100, levels) if levels > 1 else np.array([50])
    return lightness.astype(np.float32), np.linspace(-128, 128, steps, dtype=np.float32)


@dataclass(frozen=True)
class ColorTable:
    """shift: float32 l x n x n x 3, what is added to L, a, b at l lightnesses from 0 to 100."""

    shift: Floats

    @staticmethod
    def baked(shift: Callable[[Floats], Floats], levels: int = 1, steps: int = FINE) -> ColorTable:
        """The table of a function from CIELAB (3 x N) to what is added to it (3 x N), each alone.

        levels: how many lightnesses are told apart; 1 for a function of a and b alone, which is
        asked at L = 50. steps: grid points of a and of b.
        """
        lightness, chroma = grid(levels, steps)
        # Rows of b: each has one lightness and one a.
        along = np.stack([np.repeat(lightness, steps), np.tile(chroma, levels)])
        table = np.empty((levels * steps, steps, 3), np.float32)

        def bake(rows: slice) -> None:
            part = table[rows]
            lab = np.empty((3, *part.shape[:2]), np.float32)
            lab[:2], lab[2] = along[:, rows, None], chroma
            for channel, added in enumerate(shift(lab.reshape(3, -1))):
                part[..., channel] = added.reshape(part.shape[:2])

        by_strips(table.shape[:2], bake)
        return ColorTable(table.reshape(levels, steps, steps, 3))

    @property
    def changes(self) -> bool:
        """Whether any colour moves."""
        return bool(self.shift.any())

    def apply(self, pixels: Floats, inside: Floats | None = None) -> None:
        """Moves the colours of pixels in place.

        pixels: H x W x 3 or 4, sRGB-encoded, unbounded, alpha last; inside: H x W in [0, 1], how
        far each moves. Transparent pixels, those outside and those whose colour does not move stay
        exactly as they are. A result outside sRGB loses chroma until no channel leaves [0, 1], or
        goes beyond it no further than the channels of its source do (HDR, wide gamut).
        """
        amount = np.zeros((len(pixels), 0), np.float32) if inside is None else inside

        def move(rows: slice) -> None:
            color_kernels.move(pixels[rows], amount[rows], self.shift)

        by_strips(pixels.shape[:2], move)

    def cube(self) -> Floats:
        """What the colours of an sRGB grid become, n² x n x 3: rows of blue, green, then red."""
        steps = np.linspace(0, 1, CUBE_SIZE, dtype=np.float32)
        blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
        colors = np.stack([red, green, blue], axis=-1).reshape(CUBE_SIZE**2, CUBE_SIZE, 3)
        self.apply(colors)
        return colors
