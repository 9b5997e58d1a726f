"""The swatches that palette files hold, and their colour models as sRGB-encoded colours.

Inks have no profile in most of these files, so CMYK is taken as ideal inks on ideal paper: a
colour is (1 - C)(1 - K). Lab and XYZ are relative to D50, as in ICC and Adobe files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.imaging.color import linear_to_srgb
from engine.imaging.icc import SRGB_TO_XYZ

Color = tuple[float, float, float]
"""Red, green and blue, sRGB-encoded."""

_FROM_XYZ = np.linalg.inv(SRGB_TO_XYZ)
_WHITE = SRGB_TO_XYZ.sum(axis=1)
_KNEE = 6 / 29


class Swatch(NamedTuple):
    """A colour and its name, "" for none."""

    rgb: Color
    name: str = ""


class BadPaletteError(ValueError):
    """A file is no palette; says why, to go on after "no palette that can be used"."""


def of_gray(gray: float) -> Color:
    """The colour of a grey, 0 black to 1 white, encoded like sRGB."""
    return (gray, gray, gray)


def of_cmyk(cyan: float, magenta: float, yellow: float, black: float) -> Color:
    """The colour of inks, each in [0, 1]."""
    light = 1 - black
    return ((1 - cyan) * light, (1 - magenta) * light, (1 - yellow) * light)


def of_lab(lightness: float, a: float, b: float) -> Color:
    """The colour of CIELAB (D50), L in [0, 100]; clipped to sRGB."""
    grey = (lightness + 16) / 116
    f = np.array([grey + a / 500, grey, grey - b / 200])
    relative = np.where(f > _KNEE, f**3, 3 * _KNEE**2 * (f - 4 / 29))
    return of_xyz(relative * _WHITE)


def of_xyz(xyz: Sequence[float] | np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Color:
    """The colour of CIE XYZ (D50), white at Y = 1; clipped to sRGB."""
    light = np.clip(_FROM_XYZ @ np.asarray(xyz, np.float64), 0, 1)
    red, green, blue = linear_to_srgb(light.astype(np.float32)).tolist()
    return (red, green, blue)
