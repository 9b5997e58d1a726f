"""Compiled loops over many pixels, with the colour maths of engine.imaging.color.

Everything is float32: a number that is not would make the loops twice as slow. A run of pixels goes
through one short loop after another: what it needs stays in the cache, and the loops that do not
branch become vector code.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.imaging import color
from engine.imaging.compiled import compiled

Floats = npt.NDArray[np.float32]

_RUN = 512
"""Pixels in a run."""
_ZERO, _ONE = np.float32(0), np.float32(1)

_KNEE, _SLOPE = np.float32(color.KNEE), np.float32(color.SLOPE)
_ENCODED_TOE, _LINEAR_TOE = np.float32(color.ENCODED_TOE), np.float32(color.LINEAR_TOE)
_FROM_RGB = color.TO_RELATIVE.astype(np.float32)
_TO_RGB = color.FROM_RELATIVE.astype(np.float32)
_OVER, _UNDER = np.float32(1 + color.OVER), np.float32(color.UNDER)
_CUBIC_START, _QUINTIC_START = np.float32(1419910954), np.float32(1277913859)
"""(1 + 1 / n) times the bits of 1.0, less what makes the largest error least."""
_LOW = np.array([0, -128, -128], np.float32)
_HIGH = np.array([100, 128, 128], np.float32)


def lab_at(rgb: Floats, places: npt.NDArray[np.intp]) -> Floats:
    """CIELAB, 3 x N, of the pixels (H x W x 3, sRGB-encoded) at N flat places."""
    lab = np.empty((3, len(places)), np.float32)
    _lab_at(rgb.reshape(-1, 3), places, lab)
    return lab


@compiled
def _lab_at(pixels, places, lab):  # type: ignore[no-untyped-def]
    light, found = np.empty((3, _RUN), np.float32), np.empty((3, _RUN), np.float32)
    for left in range(0, len(places), _RUN):
        run = places[left : left + _RUN]
        for x in range(len(run)):
            for c in range(3):
                light[c, x] = pixels[run[x], c]
        _to_linear(light, len(run))
        _to_lab(light, found, len(run))
        for c in range(3):
            for x in range(len(run)):
                lab[c, left + x] = found[c, x]


@compiled
def move(pixels, inside, shift):  # type: ignore[no-untyped-def]
    """As ColorTable.apply says, by its shift; inside is without columns where there is no mask."""
    light, lab = np.empty((3, _RUN), np.float32), np.empty((3, _RUN), np.float32)
    more, bounds = np.empty((3, _RUN), np.float32), np.empty((2, _RUN), np.float32)
    cell, along = np.empty((3, _RUN), np.int32), np.empty((3, _RUN), np.float32)
    part, place = np.empty(_RUN, np.float32), np.empty(_RUN, np.int32)
    for y in range(pixels.shape[0]):
        for left in range(0, pixels.shape[1], _RUN):
            run = pixels[y, left : left + _RUN]
            _decode(run, light, bounds)
            _to_lab(light, lab, len(run))
            _look_up(shift, lab, more, cell, along, len(run))
            _from_lab(lab, more, light, bounds, len(run))
            _fit(lab, light, bounds, part, place, len(run))
            _encode(run, inside[y, left : left + _RUN], light, more)


@compiled
def _decode(run, light, bounds):  # type: ignore[no-untyped-def]
    """Linear light of pixels, and the bounds that a result keeps to."""
    for x in range(len(run)):
        for c in range(3):
            light[c, x] = run[x, c]
    _to_linear(light, len(run))
    for x in range(len(run)):
        bounds[0, x] = min(light[0, x], light[1, x], light[2, x], _ZERO)
        bounds[1, x] = max(light[0, x], light[1, x], light[2, x], _ONE)


@compiled
def _look_up(shift, lab, more, cell, along, n):  # type: ignore[no-untyped-def]
    """What is added to L, a and b: linear between the grid's points, its edge beyond them.

    cell: where in the grid a colour lies, the near corner; along: how far from there, in [0, 1].
    """
    for c in range(3):
        last, low, high = shift.shape[c] - 1, _LOW[c], _HIGH[c]
        per_unit = np.float32(last) / (high - low)
        for x in range(n):
            place = min(max(per_unit * lab[c, x] - per_unit * low, _ZERO), np.float32(last))
            # What is no number (NaN) is at either end.
            cell[c, x] = max(min(np.int32(place), np.int32(last - 1)), np.int32(0))
            along[c, x] = place - np.float32(cell[c, x])
    for x in range(n):
        k, i, j = np.uint32(cell[0, x]), np.uint32(cell[1, x]), np.uint32(cell[2, x])
        w, u, v = along[0, x], along[1, x], along[2, x]
        for c in range(3):
            more[c, x] = _bilinear(shift, k, i, u, j, v, c)
            if shift.shape[0] > 1:
                above = _bilinear(shift, k + np.uint32(1), i, u, j, v, c)
                more[c, x] += w * (above - more[c, x])


@compiled
def _from_lab(lab, more, light, bounds, n):  # type: ignore[no-untyped-def]
    """Linear light of the colours with what is added; lab is then f of the grey, and its chroma."""
    for x in range(n):
        grey = (lab[0, x] + more[0, x] + np.float32(16)) * np.float32(1 / 116)
        # Lightness alone may not leave the gamut.
        inside = _f(min(max(_relative(grey), bounds[0, x]), bounds[1, x]))
        lab[0, x] = grey if more[0, x] == 0 else inside
        lab[1, x] = (lab[1, x] + more[1, x]) * np.float32(1 / 500)
        lab[2, x] = (lab[2, x] + more[2, x]) * np.float32(-1 / 200)
    for x in range(n):
        light[0, x], light[1, x], light[2, x] = _with_part(lab, x, _ONE)


@compiled
def _fit(lab, light, bounds, part, place, n):  # type: ignore[no-untyped-def]
    """Takes chroma from colours with a channel out of bounds, until it is just within.

    By bisection and one step of the secant method, as color.fit_chroma.
    """
    count = _gather_outside(lab, light, bounds, part, place, n)
    step = np.float32(0.5)
    for _ in range(color.BISECTIONS):
        for x in range(count):
            part[x] += step if _excess_with(part[x] + step, lab, bounds, x) <= 0 else _ZERO
        step *= np.float32(0.5)
    step *= np.float32(2)
    for x in range(count):
        below = min(_excess_with(part[x], lab, bounds, x), _ZERO)
        above = _excess_with(part[x] + step, lab, bounds, x)
        part[x] -= step * below / max(above - below, np.float32(1e-9))
    for x in range(count):
        fitted = _with_part(lab, x, part[x])
        for c in range(3):
            light[c, place[x]] = min(max(fitted[c], bounds[0, x]), bounds[1, x])


@compiled
def _gather_outside(lab, light, bounds, part, place, n):  # type: ignore[no-untyped-def]
    """Moves lab and bounds of colours that are out of bounds to the front; how many these are.

    place: where each was; part: 0 for each. The others' light is clipped to the bounds.
    """
    for x in range(n):
        part[x] = _excess(light[0, x], light[1, x], light[2, x], bounds, x)
    for c in range(3):
        for x in range(n):
            light[c, x] = min(max(light[c, x], bounds[0, x]), bounds[1, x])
    count = 0
    for x in range(n):
        if part[x] > 0:
            place[count], part[count] = x, _ZERO
            for c in range(3):
                lab[c, count] = lab[c, x]
            for c in range(2):
                bounds[c, count] = bounds[c, x]
            count += 1
    return count


@compiled
def _encode(run, inside, light, more):  # type: ignore[no-untyped-def]
    """Writes what moved, as far as it lies inside."""
    for c in range(3):
        for x in range(len(run)):
            light[c, x] = _encoded(light[c, x])
    masked, translucent = inside.size > 0, run.shape[1] == 4
    for x in range(len(run)):
        amount = inside[x] if masked else _ONE
        stays = more[0, x] == 0 and more[1, x] == 0 and more[2, x] == 0
        if stays or amount <= 0 or (translucent and run[x, 3] <= 0):
            continue
        for c in range(3):
            run[x, c] += amount * (light[c, x] - run[x, c])


@compiled
def _to_linear(rgb, n):  # type: ignore[no-untyped-def]
    """Makes sRGB-encoded values, the first n of 3 rows, linear light."""
    for c in range(3):
        for x in range(n):
            rgb[c, x] = _linear(rgb[c, x])


@compiled
def _to_lab(light, lab, n):  # type: ignore[no-untyped-def]
    """CIELAB of linear light, the first n of 3 rows each."""
    for c in range(3):
        for x in range(n):
            lab[c, x] = _f(_mixed(_FROM_RGB, c, light[0, x], light[1, x], light[2, x]))
    for x in range(n):
        fx, fy, fz = lab[0, x], lab[1, x], lab[2, x]
        lab[0, x] = np.float32(116) * fy - np.float32(16)
        lab[1, x] = np.float32(500) * (fx - fy)
        lab[2, x] = np.float32(200) * (fy - fz)


@compiled
def _linear(value):  # type: ignore[no-untyped-def]
    """Linear light of an sRGB-encoded value, as color.srgb_to_linear."""
    size = abs(value)
    base = (size + np.float32(0.055)) * np.float32(1 / 1.055)
    root = base * _inverse_root(base, 5)
    light = root * root * root if size > _ENCODED_TOE else size * np.float32(1 / 12.92)
    return light if value >= 0 else -light


@compiled
def _encoded(light):  # type: ignore[no-untyped-def]
    """The sRGB-encoded value of linear light, as color.linear_to_srgb."""
    size = abs(light)
    root = _cube_root(size)
    raised = np.float32(1.055) * root * np.sqrt(np.sqrt(root)) - np.float32(0.055)
    value = raised if size > _LINEAR_TOE else size * np.float32(12.92)
    return value if light >= 0 else -value


@compiled
def _f(relative):  # type: ignore[no-untyped-def]
    """CIELAB's f of linear light relative to white; straight below the knee, and so below 0."""
    root = _cube_root(relative)
    return root if root > _KNEE else relative / _SLOPE + np.float32(16 / 116)


@compiled
def _relative(f):  # type: ignore[no-untyped-def]
    """Linear light relative to white of CIELAB's f."""
    return f * f * f if f > _KNEE else (f - np.float32(16 / 116)) * _SLOPE


@compiled
def _cube_root(value):  # type: ignore[no-untyped-def]
    root = _inverse_root(value, 3)
    return value * root * root


@compiled
def _inverse_root(value, degree):  # type: ignore[no-untyped-def]
    """One over the 3rd or 5th root of a number over 0, to float32's precision.

    The bits of a float are about its logarithm, and a start within 4 % is linear in them; two steps
    of Householder's method follow.
    """
    n = np.float32(degree)
    start = _CUBIC_START if degree == 3 else _QUINTIC_START
    bits = np.float32(np.float32(value).view(np.int32))
    root = np.float32(np.int32(start - bits * (_ONE / n)).view(np.float32))
    for _ in range(2):
        power = root * root * root * (_ONE if degree == 3 else root * root)
        off = _ONE - value * power
        root += root * off * (_ONE / n + (_ONE + n) / (np.float32(2) * n * n) * off)
    return root


@compiled
def _mixed(matrix, row, x, y, z):  # type: ignore[no-untyped-def]
    return matrix[row, 0] * x + matrix[row, 1] * y + matrix[row, 2] * z


@compiled
def _bilinear(shift, k, i, u, j, v, c):  # type: ignore[no-untyped-def]
    i1, j1 = i + np.uint32(1), j + np.uint32(1)
    left = shift[k, i, j, c] + v * (shift[k, i, j1, c] - shift[k, i, j, c])
    right = shift[k, i1, j, c] + v * (shift[k, i1, j1, c] - shift[k, i1, j, c])
    return left + u * (right - left)


@compiled
def _with_part(lab, x, part):  # type: ignore[no-untyped-def]
    """Linear light of a colour with that part of its chroma."""
    relative_x = _relative(lab[0, x] + part * lab[1, x])
    relative_y = _relative(lab[0, x])
    relative_z = _relative(lab[0, x] + part * lab[2, x])
    return (
        _mixed(_TO_RGB, 0, relative_x, relative_y, relative_z),
        _mixed(_TO_RGB, 1, relative_x, relative_y, relative_z),
        _mixed(_TO_RGB, 2, relative_x, relative_y, relative_z),
    )


@compiled
def _excess(red, green, blue, bounds, x):  # type: ignore[no-untyped-def]
    """How far the worst channel is out of bounds."""
    most, least = max(red, green, blue), min(red, green, blue)
    return max(most - bounds[1, x] * _OVER, bounds[0, x] - _UNDER - least)


@compiled
def _excess_with(part, lab, bounds, x):  # type: ignore[no-untyped-def]
    red, green, blue = _with_part(lab, x, part)
    return _excess(red, green, blue, bounds, x)
