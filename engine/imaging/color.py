"""sRGB, linear light and CIELAB (D65), on unbounded float32 values.

Arrays are planar, 3 x ..., unless said: the first axis is the channel. sRGB and linear values are
nominally in [0, 1] and may lie outside (HDR, wide gamut): the sRGB curve is mirrored at 0, CIELAB's
goes on with its linear part. White is the sum of the primaries, so that neutral colours have
a = b = 0. Sources: IEC 61966-2-1, CIE 15:2018.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

RGB_TO_XYZ = np.array(
    [
        [0.4123908, 0.3575843, 0.1804808],
        [0.2126390, 0.7151687, 0.0721923],
        [0.0193308, 0.1191948, 0.9505322],
    ]
)
TO_RELATIVE = RGB_TO_XYZ / RGB_TO_XYZ.sum(axis=1, keepdims=True)
FROM_RELATIVE = np.linalg.inv(TO_RELATIVE)
"""Linear light to XYZ relative to white, and back."""

# Every curve is a power above its knee and goes on as a straight line below.
ENCODED_TOE, LINEAR_TOE = 0.04045, 0.0031308
KNEE = 6 / 29
SLOPE = 3 * KNEE**2
"""Of CIELAB's curve, the knee as its value there."""

# Less than half an 8-bit code, clipped: the gamut's faces are so flat near yellow and cyan that
# keeping to them strictly would cost much chroma for nothing that is seen.
OVER, UNDER = 2e-3, 5e-5
BISECTIONS = 6
"""How a colour's chroma is fitted into the gamut."""


def srgb_to_linear(rgb: Floats) -> Floats:
    """Linear light of sRGB-encoded values."""
    size = np.abs(rgb)
    light = np.maximum(size, np.float32(ENCODED_TOE))
    light += np.float32(0.055)
    light *= np.float32(1 / 1.055)
    np.power(light, np.float32(2.4), out=light)
    light += _below(size, ENCODED_TOE) * np.float32(1 / 12.92)
    return np.copysign(light, rgb, out=light)


def linear_to_srgb(light: Floats) -> Floats:
    """Values, sRGB-encoded, of linear light."""
    size = np.abs(light)
    root = np.cbrt(np.maximum(size, np.float32(LINEAR_TOE)))
    # x^(1/2.4) = x^(1/3) * x^(1/12): several times faster than a general power.
    rgb = np.sqrt(root)
    np.sqrt(rgb, out=rgb)
    rgb *= root
    rgb *= np.float32(1.055)
    rgb -= np.float32(0.055)
    rgb += _below(size, LINEAR_TOE) * np.float32(12.92)
    return np.copysign(rgb, light, out=rgb)


def linear_to_lab(light: Floats) -> Floats:
    """CIELAB of linear light: L in [0, 100], a and b in about [-110, 100] for sRGB colours."""
    relative = _mixed(TO_RELATIVE, light)
    f = np.cbrt(np.maximum(relative, np.float32(KNEE**3)))
    f += _below(relative, KNEE**3) * np.float32(1 / SLOPE)
    lab = np.empty_like(f)
    np.multiply(f[1], np.float32(116), out=lab[0])
    lab[0] -= np.float32(16)
    np.multiply(f[0] - f[1], np.float32(500), out=lab[1])
    np.multiply(f[1] - f[2], np.float32(200), out=lab[2])
    return lab


def lab_to_linear(lab: Floats) -> Floats:
    """Linear light of CIELAB."""
    grey, chroma = _grey_and_chroma(lab)
    chroma += grey
    return _light(chroma)


def srgb_to_lab(rgb: Floats) -> Floats:
    """CIELAB of sRGB-encoded values."""
    return linear_to_lab(srgb_to_linear(rgb))


def lab_to_srgb(lab: Floats) -> Floats:
    """sRGB-encoded values of CIELAB; colours outside sRGB leave [0, 1]."""
    return linear_to_srgb(lab_to_linear(lab))


def coverage(rgb: Floats, alpha: Floats | None) -> Floats:
    """How far inside a mask each pixel is, H x W in [0, 1]: luma × alpha.

    rgb: H x W x 3, sRGB-encoded; alpha: H x W or None.
    """
    red, green, blue = (np.clip(rgb[..., channel], 0, 1) for channel in range(3))
    inside: Floats = red * np.float32(0.2126)
    inside += green * np.float32(0.7152)
    inside += blue * np.float32(0.0722)
    return inside if alpha is None else inside * alpha


def fit_chroma(lab: Floats, low: Floats, high: Floats) -> Floats:
    """Linear light of CIELAB (3 x N), with less chroma where a channel would leave [low, high].

    Lightness (within 0.1) and hue stay. low, high: linear light, N; the grey of a colour's
    lightness has to lie between them.
    """
    light = lab_to_linear(lab)
    least, most = low - np.float32(UNDER), high * np.float32(1 + OVER)
    outside = (light.min(axis=0) < least) | (light.max(axis=0) > most)
    where = np.flatnonzero(outside)
    if len(where):
        light[:, where] = _reduced(lab.take(where, axis=1), least[where], most[where])
    return np.clip(light, low, high, out=light)


def _reduced(lab: Floats, low: Floats, high: Floats) -> Floats:
    """Linear light of the most chromatic colours of the same lightness and hue within bounds.

    The part of the chroma that stays is found by bisection and one step of the secant method.
    """
    grey, chroma = _grey_and_chroma(lab)

    def excess_of(part: Floats) -> Floats:
        light = _light(grey + part * chroma)
        excess: Floats = np.maximum(light.max(axis=0) - high, low - light.min(axis=0))
        return excess

    part = np.zeros_like(low)
    step = np.float32(0.5)
    for _ in range(BISECTIONS):
        part += step * (excess_of(part + step) <= 0)
        step *= np.float32(0.5)
    step *= 2
    below, above = np.minimum(excess_of(part), 0), excess_of(part + step)
    part -= step * below / np.maximum(above - below, np.float32(1e-9))
    return _light(grey + part * chroma)


def _grey_and_chroma(lab: Floats) -> tuple[Floats, Floats]:
    """CIELAB's f of the grey of the same lightness, and what a and b add to it (3 x ...)."""
    grey = (lab[0] + np.float32(16)) * np.float32(1 / 116)
    chroma = np.zeros_like(lab)
    np.multiply(lab[1], np.float32(1 / 500), out=chroma[0])
    np.multiply(lab[2], np.float32(-1 / 200), out=chroma[2])
    return grey, chroma


def _light(f: Floats) -> Floats:
    """Linear light of CIELAB's f."""
    knee = np.maximum(f, np.float32(KNEE))
    relative = knee * knee
    relative *= knee
    relative += _below(f, KNEE) * np.float32(SLOPE)
    return _mixed(FROM_RELATIVE, relative)


def _mixed(matrix: npt.NDArray[np.float64], light: Floats) -> Floats:
    """The matrix applied to channels. One product at a time, as BLAS would round by position."""
    rows = np.empty_like(light)
    for row, weights in zip(rows, matrix.astype(np.float32), strict=True):
        np.multiply(light[0], weights[0], out=row)
        row += light[1] * weights[1]
        row += light[2] * weights[2]
    return rows


def _below(values: Floats, knee: float) -> Floats:
    """How far values lie below the knee of a curve, else 0; so its straight part needs no mask."""
    short: Floats = values - np.float32(knee)
    return np.minimum(short, 0, out=short)
