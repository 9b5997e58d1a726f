"""Harmonising by colour names: main colours move to purer colours of the same name.

Xue 2024, chapter 4, in its lightness-keeping form: only CIELAB's a, b change. The neutral guard,
targets from a given palette, the strength and the return into the gamut are Limner's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.imaging.color import Floats, lab_to_srgb, srgb_to_lab
from engine.imaging.color_table import ColorTable
from engine.imaging.naming import NAMES, Prototypes, name_probabilities, prototypes

NAMING_LIGHTNESS = 70.0
"""L at which a main colour, which is only a, b, is named and compared."""
MOST_NAMES = 3
LEAST_PROBABILITY = 0.15
EPSILON = 1e-4

_ACHROMATIC = np.array([name in ("black", "grey", "white") for name in NAMES])


def harmonious_targets(
    source: Floats, palette: Floats | None = None, keep_neutrals: bool = False
) -> Floats:
    """The colour that each main colour moves to, float32 k x 2 (a, b).

    source: k x 2 (a, b). A target is the nearest in RGB of the prototypes whose name is one of the
    source's three most probable and more probable than 0.15 (Xue 2024, section 4.4). palette: N x 3
    sRGB-encoded colours to choose from instead; they are named and compared at the source's
    lightness, and where none has a fitting name all are candidates.

    keep_neutrals: a source that is most probably black, grey or white stays, and moves only in part
    where that nearly is so. Others move to no prototype of these names, as those are tints, and
    become no duller than they were.
    """
    candidates = prototypes() if palette is None else _as_prototypes(palette)
    colors = _at_naming_lightness(source)
    probabilities = name_probabilities(colors)
    admitted = _admitted(probabilities)
    if keep_neutrals and palette is None:
        admitted &= ~_ACHROMATIC
    fitting = admitted[:, candidates.name]
    fitting |= ~fitting.any(axis=1, keepdims=True)
    distance = np.linalg.norm(colors[:, None] - candidates.rgb[None], axis=2)
    chosen = np.where(fitting, distance, np.inf).argmin(axis=1)
    target = srgb_to_lab((candidates.rgb if palette is None else palette)[chosen].T)[1:].T
    if not keep_neutrals:
        return target
    if palette is None:
        target = target * np.maximum(1, _chroma(source) / _chroma(target))
    neutral = probabilities[:, _ACHROMATIC].max(axis=1, keepdims=True)
    colourful = probabilities[:, ~_ACHROMATIC].max(axis=1, keepdims=True)
    guarded: Floats = source + np.maximum(1 - neutral / colourful, 0) * (target - source)
    return guarded


@dataclass(frozen=True)
class Recoloring:
    """A change of a, b that takes main colours to their targets and every other colour along.

    source, target: float32 k x 2 (a, b).
    """

    source: Floats
    target: Floats

    def shift(self, ab: Floats) -> Floats:
        """What is added to a, b (2 x N): the sources' moves, weighted by inverse squared distance.

        Xue 2024, eq. 4.1 and 4.2, with the sign and the weights as in Nguyen et al. 2017.
        """
        total = np.zeros_like(ab[0])
        shift: Floats = np.zeros_like(ab)
        for centre, move in zip(self.source, self.target - self.source, strict=True):
            weight = 1 / ((ab[0] - centre[0]) ** 2 + (ab[1] - centre[1]) ** 2 + np.float32(EPSILON))
            total += weight
            shift += weight * move[:, None]
        shift /= total
        return shift

    def with_neutral(self) -> Recoloring:
        """The same with one more main colour, neutral, that stays."""
        neutral = np.zeros((1, 2), np.float32)
        return Recoloring(np.vstack([self.source, neutral]), np.vstack([self.target, neutral]))

    def table(self) -> ColorTable:
        """The change as a table; lightness stays."""
        return ColorTable.baked(
            lambda lab: np.vstack([np.zeros_like(lab[:1]), self.shift(lab[1:])])
        )


def _chroma(ab: Floats) -> Floats:
    """Distance of each colour (k x 2) from neutral, k x 1, over 0."""
    chroma: Floats = np.maximum(np.linalg.norm(ab, axis=1, keepdims=True), np.float32(1e-6))
    return chroma


def _at_naming_lightness(ab: Floats) -> Floats:
    """Colours, k x 3 sRGB-encoded, of a, b (k x 2), clipped to [0, 1]."""
    lab = np.stack([np.full(len(ab), NAMING_LIGHTNESS), ab[:, 0], ab[:, 1]]).astype(np.float32)
    return np.clip(lab_to_srgb(lab), 0, 1).T


def _admitted(probabilities: Floats) -> npt.NDArray[np.bool_]:
    """Which names count for each colour, k x 11."""
    third = np.sort(probabilities, axis=1)[:, -MOST_NAMES, None]
    return (probabilities >= third) & (probabilities > LEAST_PROBABILITY)


def _as_prototypes(palette: Floats) -> Prototypes:
    """Palette colours (N x 3) as they are named and compared."""
    colors = _at_naming_lightness(srgb_to_lab(palette.T)[1:].T)
    return Prototypes(colors, name_probabilities(colors).argmax(axis=1))
