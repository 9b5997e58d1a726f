"""The eight harmonic templates of hue, and how far a picture lies outside them.

Cohen-Or et al. 2006, section 3. A template is one or two sectors of the hue circle, turned to the
angle that suits the picture best: the least arc to the sectors, weighted by saturation. Hue and
saturation are HSV's. Because only hue counts, a histogram of it takes the picture's place, which
gives the same answer in a fraction of the time.

Drawing colours of CIELAB into the template that changes them least is Limner's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from engine.imaging.color import srgb_to_lab

Floats = npt.NDArray[np.floating]
Complexes = npt.NDArray[np.complex64]

SECTORS: dict[str, tuple[tuple[float, float], ...]] = {
    "i": ((0, 0.05),),
    "V": ((0, 0.26),),
    "L": ((0, 0.05), (0.25, 0.22)),
    "mirrored L": ((0, 0.05), (-0.25, 0.22)),
    "I": ((0, 0.05), (0.5, 0.05)),
    "T": ((0.25, 0.5),),
    "Y": ((0, 0.26), (0.5, 0.05)),
    "X": ((0, 0.26), (0.5, 0.26)),
}
"""Each template's sectors: centre and width, as parts of the circle."""
ANGLES = 360
DEGREES = np.arange(360)

_STEP = 3
"""Degrees between the angles at which templates are tried for drawing in."""
_WITHIN = 12.0
"""Degrees from a sector's border to where hues are drawn in: a hue of CIELAB, seen at one
lightness, is at others that far from the same hue of HSV."""
_NARROWEST = 1.0
_POWER = 2.5
"""Of a change: with its square, large areas that hardly change decide over the accents."""


@dataclass(frozen=True)
class Template:
    """A template at an angle (degrees), by its name in SECTORS."""

    name: str
    angle: float

    def moved(self, hue: Floats) -> Floats:
        """Hues (degrees) drawn into their nearest sector; those far out end near its border.

        Cohen-Or et al. 2006, eq. 3, with a standard deviation of half the sector's width.
        """
        sectors = np.array(SECTORS[self.name]) * 360
        off = _signed(hue[..., None] - self.angle - sectors[:, 0])
        half = sectors[:, 1] / 2
        nearest = np.argmin(np.abs(off) - half, axis=-1)[..., None]
        distance = np.take_along_axis(off, nearest, axis=-1)[..., 0]
        half, centre = half[nearest[..., 0]], sectors[nearest[..., 0], 0]
        pulled = np.sign(distance) * half * (1 - np.exp(-((distance / half) ** 2) / 2))
        moved: Floats = np.mod(self.angle + centre + pulled, 360)
        return moved

    def drawing_in(self) -> Complexes:
        """What draws colours a + ib of CIELAB in: their factor at each whole degree of hue, 360.

        1 inside. A hue outside goes to the nearest border, and the paler the nearer it is to the
        middle of its gap, where it is grey: colours that lie close stay close.
        """
        factors: Complexes = _drawing_in(SECTORS[self.name], np.array([self.angle]))[0]
        return factors


def best_template(hue: Floats, weight: Floats) -> Template:
    """The template and angle with the least arc outside (Cohen-Or et al. 2006, eq. 2).

    hue: N, degrees. weight: N, saturation times how much each counts.
    """
    bins = np.mod(np.rint(hue).astype(np.intp), 360)
    histogram = np.bincount(bins, weight, minlength=360)
    best = int(np.argmin(arcs(360) @ histogram))
    return Template(list(SECTORS)[best // ANGLES], float(best % ANGLES))


def gentlest_template(ab: Floats, weight: Floats) -> Template:
    """The template into which colours (2 x N: a, b) are drawn with the least change of a and b.

    By the mean of its power of 2.5: rather all a little than few by far; a vivid colour's change
    counts for less, as one of hue in CIE94. weight: N, how much each colour counts.
    """
    chroma = np.hypot(ab[0], ab[1])
    counts = weight * (chroma / (1 + 0.015 * chroma)) ** _POWER
    hue = np.rint(np.degrees(np.arctan2(ab[1], ab[0]))).astype(np.intp) % 360
    best = int(np.argmin(_changes() @ np.bincount(hue, counts, minlength=360)))
    angles = 360 // _STEP
    return Template(list(SECTORS)[best // angles], float(best % angles * _STEP))


@lru_cache(maxsize=1)
def _changes() -> Floats:
    """Of colours of chroma 1 at each degree of hue, drawn into each template; to the power."""
    angles = np.arange(0.0, 360.0, _STEP)
    factors = np.concatenate([_drawing_in(sectors, angles) for sectors in SECTORS.values()])
    changes: Floats = np.abs(factors - 1) ** _POWER
    return changes


def _drawing_in(sectors: tuple[tuple[float, float], ...], angles: Floats) -> Complexes:
    """As Template.drawing_in says, for a template at many angles, angles x 360."""
    of_hsv = _lab_hues()
    hue = np.interp((DEGREES - of_hsv[0]) % 360 + of_hsv[0], of_hsv, np.arange(361))
    centre, width = 360 * np.array(sectors).T[..., None, None]
    half = np.maximum(width / 2 - _WITHIN, _NARROWEST)
    middle = centre + angles[:, None]
    beyond = np.mod(hue - middle - half, 360).min(axis=0)
    before = np.mod(middle - half - hue, 360).min(axis=0)
    inside = (np.abs(_signed(hue - middle)) <= half).any(axis=0)
    border = np.mod(hue + np.where(beyond < before, -beyond, before), 360)
    turn = np.radians(np.interp(border, np.arange(361), of_hsv) - DEGREES)
    # Squared, it is level in the middle: no edge shows there, and tables need less points.
    chroma = np.cos(np.pi * np.minimum(beyond, before) / (beyond + before)) ** 2
    factors: Complexes = np.where(inside, 1, chroma * np.exp(1j * turn)).astype(np.complex64)
    return factors


@lru_cache(maxsize=1)
def _lab_hues() -> Floats:
    """The hue in CIELAB, degrees, of HSV's hues 0 to 360 at half saturation; ascending."""
    hsv = np.stack([np.arange(361), np.full(361, 0.5), np.ones(361)], axis=1).astype(np.float32)
    _, a, b = srgb_to_lab(cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0].T.copy())
    hues: Floats = np.unwrap(np.degrees(np.arctan2(b, a)), period=360)
    return hues


@lru_cache(maxsize=2)
def arcs(hues: int) -> Floats:
    """Arc (radians) from each of so many hues to each template at each angle, 8 · 360 x hues."""
    return arcs_of(np.arange(hues) * (360 / hues))


def arcs_of(hue: Floats) -> Floats:
    """Arc (radians) from hues (N, degrees) to each template at each angle, 8 · 360 x N."""
    angles = np.arange(ANGLES)[:, None]
    rows = []
    for sectors in SECTORS.values():
        off = [
            np.abs(_signed(hue - angles - 360 * centre)) - 180 * width for centre, width in sectors
        ]
        rows.append(np.radians(np.maximum(np.min(off, axis=0), 0)))
    return np.concatenate(rows)


def _signed(degrees: Floats) -> Floats:
    """The same angle in [-180, 180)."""
    signed: Floats = (degrees + 180) % 360 - 180
    return signed
