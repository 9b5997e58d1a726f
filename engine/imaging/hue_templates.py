"""The eight harmonic templates of hue, and how far a picture lies outside them.

Cohen-Or et al. 2006, section 3. A template is one or two sectors of the hue circle, turned to the
angle that suits the picture best: the least arc to the sectors, weighted by saturation. Hue and
saturation are HSV's. Because only hue counts, a histogram of it takes the picture's place, which
gives the same answer in a fraction of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

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


def best_template(hue: Floats, weight: Floats) -> Template:
    """The template and angle with the least arc outside (Cohen-Or et al. 2006, eq. 2).

    hue: N, degrees. weight: N, saturation times how much each counts.
    """
    bins = np.mod(np.rint(hue).astype(np.intp), 360)
    histogram = np.bincount(bins, weight, minlength=360)
    best = int(np.argmin(arcs(360) @ histogram))
    return Template(list(SECTORS)[best // ANGLES], float(best % ANGLES))


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
