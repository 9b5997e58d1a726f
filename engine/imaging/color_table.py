"""A change of colour as a table: made once from any function of CIELAB, applied to any picture.

The table holds what is added to L, a and b on a grid over a and b, and over L where lightness
matters; between its points it is linear. Pixels keep their own precision: only the change is
tabulated, never the colour. The loop over pixels is compiled by numba: numpy's passes over whole
arrays take several times as long, and OpenCV's conversions, which take about as long, leave colours
out of the gamut (benchmarks/color_table.py).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from engine import machine
from engine.imaging import color

Floats = npt.NDArray[np.float32]

FINE, COARSE = 385, 129
"""Grid points of a and of b, over [-128, 128], of a table of a, b alone and of one of L as well.

Beyond them the table's edge counts. Over many photographs a harmonized one is then within ΔE00 0.05
of the exact one on average, and within 0.5 at 999 of 1000 pixels (benchmarks/color_table.py).
"""
CUBE_SIZE = 33
"""Points per channel of a table for other programs; all of them read this size."""

_FINE = 1 << 14
"""Steps of the curves on [0, 1]; between them they are linear, off by less than 2e-6."""


@dataclass(frozen=True)
class ColorTable:
    """shift: float32 l x n x n x 3, what is added to L, a, b at l lightnesses from 0 to 100."""

    shift: Floats

    @staticmethod
    def baked(shift: Callable[[Floats], Floats], levels: int = 1) -> ColorTable:
        """The table of a function from CIELAB (3 x N) to what is added to it (3 x N).

        levels: how many lightnesses are told apart; 1 for a function of a and b alone, which is
        asked at L = 50.
        """
        lightness = np.linspace(0, 100, levels) if levels > 1 else np.array([50])
        chroma = np.linspace(-128, 128, COARSE if levels > 1 else FINE, dtype=np.float32)
        grid = np.meshgrid(lightness.astype(np.float32), chroma, chroma, indexing="ij")
        added = shift(np.stack(grid).reshape(3, -1))
        return ColorTable(np.ascontiguousarray(added.T).reshape(*grid[0].shape, 3))

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
        rows = max(1, -(-len(pixels) // machine.threads()))
        amount = np.zeros((len(pixels), 0), np.float32) if inside is None else inside

        def move(top: int) -> None:
            part = np.s_[top : top + rows]
            _move(pixels[part], amount[part], self.shift, _CURVES)

        tops = range(0, len(pixels), rows)
        with ThreadPoolExecutor(max(1, len(tops))) as pool:
            list(pool.map(move, tops))

    def cube(self) -> Floats:
        """What the colours of an sRGB grid become, n² x n x 3: rows of blue, green, then red."""
        steps = np.linspace(0, 1, CUBE_SIZE, dtype=np.float32)
        blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
        colors = np.stack([red, green, blue], axis=-1).reshape(CUBE_SIZE**2, CUBE_SIZE, 3)
        self.apply(colors)
        return colors


def _curves() -> Floats:
    """On [0, 1]: linear light of sRGB, CIELAB's f of linear light, sRGB of linear light, 3 x n."""
    steps = np.linspace(0, 1, _FINE + 1)
    light = np.where(steps > 0.04045, ((steps + 0.055) / 1.055) ** 2.4, steps / 12.92)
    f = np.where(steps > color.KNEE**3, np.cbrt(steps), steps / color.SLOPE + 16 / 116)
    raised = 1.055 * np.maximum(steps, 0.0031308) ** (1 / 2.4) - 0.055
    encoded = np.where(steps > 0.0031308, raised, 12.92 * steps)
    return np.stack([light, f, encoded]).astype(np.float32)


# From here on everything is float32: a number that is not would make the loops twice as slow. A run
# of pixels goes through one short loop after another, which is several times as quick as one long
# loop: what it needs stays in the cache, and arithmetic alone becomes vector code.
_RUN = 512
_ZERO, _ONE = np.float32(0), np.float32(1)
_KNEE, _SLOPE = np.float32(color.KNEE), np.float32(color.SLOPE)
_OVER, _UNDER = np.float32(1 + color.OVER), np.float32(color.UNDER)
_FROM_RGB = color.TO_RELATIVE.astype(np.float32)
_TO_RGB = color.FROM_RELATIVE.astype(np.float32)
_LIGHT, _F, _ENCODED = 0, 1, 2
_CURVES = _curves()
_compiled = numba.njit(nogil=True, cache=True, error_model="numpy")


@_compiled
def _move(pixels, inside, shift, curves):  # type: ignore[no-untyped-def]
    """As ColorTable.apply says; inside is without columns where there is no mask."""
    light, lab = np.empty((3, _RUN), np.float32), np.empty((3, _RUN), np.float32)
    more, bounds = np.empty((3, _RUN), np.float32), np.empty((2, _RUN), np.float32)
    for y in range(pixels.shape[0]):
        for left in range(0, pixels.shape[1], _RUN):
            run = pixels[y, left : left + _RUN]
            _decode(run, light, curves)
            _to_lab(light, lab, bounds, len(run), curves)
            _look_up(shift, lab, more, len(run))
            _from_lab(lab, more, light, bounds, len(run), curves)
            _fit(lab, light, bounds, len(run))
            _encode(run, inside[y, left : left + _RUN], light, more, curves)


@_compiled
def _decode(run, light, curves):  # type: ignore[no-untyped-def]
    """Linear light of pixels; the curve is mirrored at 0."""
    for c in range(3):
        for x in range(len(run)):
            size = abs(run[x, c])
            if size <= _ONE:
                value = _on_curve(size, curves, _LIGHT)
            else:
                value = ((size + np.float32(0.055)) * np.float32(1 / 1.055)) ** np.float32(2.4)
            light[c, x] = value if run[x, c] >= 0 else -value


@_compiled
def _to_lab(light, lab, bounds, n, curves):  # type: ignore[no-untyped-def]
    """CIELAB of linear light, and the bounds that a result keeps to."""
    for c in range(3):
        for x in range(n):
            lab[c, x] = _mixed(_FROM_RGB, c, light[0, x], light[1, x], light[2, x])
    for c in range(3):
        for x in range(n):
            lab[c, x] = _f(lab[c, x], curves)
    for x in range(n):
        fx, fy, fz = lab[0, x], lab[1, x], lab[2, x]
        lab[0, x] = np.float32(116) * fy - np.float32(16)
        lab[1, x] = np.float32(500) * (fx - fy)
        lab[2, x] = np.float32(200) * (fy - fz)
        bounds[0, x] = min(light[0, x], light[1, x], light[2, x], _ZERO)
        bounds[1, x] = max(light[0, x], light[1, x], light[2, x], _ONE)


@_compiled
def _look_up(shift, lab, more, n):  # type: ignore[no-untyped-def]
    """What is added to L, a and b: linear between the grid's points, its edge beyond them."""
    levels, steps = shift.shape[0], shift.shape[1]
    per_unit, middle = np.float32((steps - 1) / 256), np.float32((steps - 1) / 2)
    for x in range(n):
        i, u = _cell(per_unit * lab[1, x] + middle, steps)
        j, v = _cell(per_unit * lab[2, x] + middle, steps)
        if levels == 1:
            for c in range(3):
                more[c, x] = _bilinear(shift, 0, i, u, j, v, c)
        else:
            k, w = _cell(np.float32(0.01) * np.float32(levels - 1) * lab[0, x], levels)
            for c in range(3):
                below = _bilinear(shift, k, i, u, j, v, c)
                more[c, x] = below + w * (_bilinear(shift, k + 1, i, u, j, v, c) - below)


@_compiled
def _from_lab(lab, more, light, bounds, n, curves):  # type: ignore[no-untyped-def]
    """Linear light of the colours with what is added; lab is then f of the grey, and its chroma."""
    for x in range(n):
        grey = (lab[0, x] + more[0, x] + np.float32(16)) * np.float32(1 / 116)
        if more[0, x] != 0:
            # Lightness alone may not leave the gamut.
            inside = min(max(_relative(grey), bounds[0, x]), bounds[1, x])
            grey = _f(inside, curves)
        lab[0, x] = grey
        lab[1, x] = (lab[1, x] + more[1, x]) * np.float32(1 / 500)
        lab[2, x] = (lab[2, x] + more[2, x]) * np.float32(-1 / 200)
    for x in range(n):
        _set_part(light, lab, x, _ONE)


@_compiled
def _fit(lab, light, bounds, n):  # type: ignore[no-untyped-def]
    """Takes chroma from colours with a channel out of bounds, until it is just within.

    By bisection and one step of the secant method, as color.fit_chroma.
    """
    for x in range(n):
        low, high = bounds[0, x] - _UNDER, bounds[1, x] * _OVER
        above = _excess(light, x, low, high)
        if above > 0:
            part, step, below = _ZERO, np.float32(0.5), _ZERO
            for _ in range(color.BISECTIONS):
                _set_part(light, lab, x, part + step)
                excess = _excess(light, x, low, high)
                if excess <= 0:
                    part, below = part + step, excess
                else:
                    above = excess
                step *= np.float32(0.5)
            part -= np.float32(2) * step * below / max(above - below, np.float32(1e-9))
            _set_part(light, lab, x, part)
    for c in range(3):
        for x in range(n):
            light[c, x] = min(max(light[c, x], bounds[0, x]), bounds[1, x])


@_compiled
def _encode(run, inside, light, more, curves):  # type: ignore[no-untyped-def]
    """Writes what moved, as far as it lies inside."""
    masked, translucent = inside.size > 0, run.shape[1] == 4
    for x in range(len(run)):
        amount = inside[x] if masked else _ONE
        stays = more[0, x] == 0 and more[1, x] == 0 and more[2, x] == 0
        if stays or amount <= 0 or (translucent and run[x, 3] <= 0):
            continue
        for c in range(3):
            size = abs(light[c, x])
            if size <= _ONE:
                value = _on_curve(size, curves, _ENCODED)
            else:
                value = np.float32(1.055) * size ** np.float32(1 / 2.4) - np.float32(0.055)
            value = value if light[c, x] >= 0 else -value
            run[x, c] += amount * (value - run[x, c])


@_compiled
def _on_curve(value, curves, n):  # type: ignore[no-untyped-def]
    """The n-th curve at a value in [0, 1]."""
    place = value * np.float32(_FINE)
    step = _index(place, _FINE)
    low, high = curves[n, step], curves[n, step + np.uint32(1)]
    return low + (place - np.float32(step)) * (high - low)


@_compiled
def _index(place, count):  # type: ignore[no-untyped-def]
    """The whole part, from 0 to count - 1; of what is no number (NaN) either of them."""
    return np.uint32(max(min(np.int32(place), np.int32(count - 1)), np.int32(0)))


@_compiled
def _mixed(matrix, row, x, y, z):  # type: ignore[no-untyped-def]
    return matrix[row, 0] * x + matrix[row, 1] * y + matrix[row, 2] * z


@_compiled
def _f(relative, curves):  # type: ignore[no-untyped-def]
    """CIELAB's f of linear light relative to white; straight below the knee, and so below 0."""
    if relative > _ONE:
        return relative ** np.float32(1 / 3)
    if relative < 0:
        return relative / _SLOPE + np.float32(16 / 116)
    return _on_curve(relative, curves, _F)


@_compiled
def _relative(f):  # type: ignore[no-untyped-def]
    """Linear light relative to white of CIELAB's f."""
    return f * f * f if f > _KNEE else (f - np.float32(16 / 116)) * _SLOPE


@_compiled
def _cell(place, steps):  # type: ignore[no-untyped-def]
    """The grid's cell that a place lies in, and how far along it is, in [0, 1]."""
    place = min(max(place, _ZERO), np.float32(steps - 1))
    cell = _index(place, steps - 1)
    return cell, place - np.float32(cell)


@_compiled
def _bilinear(shift, k, i, u, j, v, c):  # type: ignore[no-untyped-def]
    i1, j1 = i + np.uint32(1), j + np.uint32(1)
    left = shift[k, i, j, c] + v * (shift[k, i, j1, c] - shift[k, i, j, c])
    right = shift[k, i1, j, c] + v * (shift[k, i1, j1, c] - shift[k, i1, j, c])
    return left + u * (right - left)


@_compiled
def _set_part(light, lab, x, part):  # type: ignore[no-untyped-def]
    """Linear light of a colour with that part of its chroma."""
    relative_x = _relative(lab[0, x] + part * lab[1, x])
    relative_y = _relative(lab[0, x])
    relative_z = _relative(lab[0, x] + part * lab[2, x])
    for c in range(3):
        light[c, x] = _mixed(_TO_RGB, c, relative_x, relative_y, relative_z)


@_compiled
def _excess(light, x, low, high):  # type: ignore[no-untyped-def]
    """How far the worst channel is out of bounds."""
    most = max(light[0, x], light[1, x], light[2, x])
    least = min(light[0, x], light[1, x], light[2, x])
    return max(most - high, low - least)
