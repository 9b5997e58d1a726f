"""What a palette's colours are for those who look at it: contrast, and colour-blind sight.

Sources: WCAG 2.2 (contrast ratio); Machado, Oliveira and Fernandes 2009 (colour vision deficiency);
CIEDE2000 for differences. Colours are float32 N x 3, sRGB-encoded, clipped to [0, 1].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.imaging.color import linear_to_srgb, srgb_to_linear

Floats = npt.NDArray[np.float32]

SHAPES, TEXT = 3.0, 4.5
"""Contrast ratios from which large text and shapes, and text, are told apart (WCAG 2.2, AA)."""

APART, ALIKE = 10.0, 5.0
"""CIEDE2000 over which two colours are plainly different, and under which they hardly are."""

_SIGHTS = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
"""What linear light becomes at severity 1 (Machado et al. 2009)."""

SIGHTS = tuple(_SIGHTS)

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


class Confusion(NamedTuple):
    """Two colours, by index, that one kind of sight hardly tells apart.

    normal, seen: their CIEDE2000 for normal sight, and for that sight.
    """

    first: int
    second: int
    normal: float
    seen: float


def contrast(rgb: Floats) -> Floats:
    """Contrast ratios of all pairs, N x N in [1, 21] (WCAG 2.2)."""
    light = srgb_to_linear(np.clip(rgb, 0, 1)) @ _LUMINANCE
    light += np.float32(0.05)
    ratios: Floats = light[:, None] / light
    return np.maximum(ratios, 1 / ratios)


def seen(rgb: Floats, sight: str) -> Floats:
    """The colours as a kind of SIGHTS sees them, N x 3 in [0, 1]."""
    light = srgb_to_linear(np.clip(rgb, 0, 1))
    matrix = np.array(_SIGHTS[sight], np.float32)
    return linear_to_srgb(np.clip(light @ matrix.T, 0, 1))


def confusions(rgb: Floats, sight: str) -> list[Confusion]:
    """The pairs APART for normal sight and ALIKE for another, most alike first."""
    normal, other = differences(np.clip(rgb, 0, 1)), differences(seen(rgb, sight))
    first, second = np.nonzero(np.triu((normal > APART) & (other < ALIKE)))
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    found = [Confusion(i, j, float(normal[i, j]), float(other[i, j])) for i, j in pairs]
    return sorted(found, key=lambda pair: pair.seen)


def differences(rgb: Floats) -> npt.NDArray[np.float64]:
    """CIEDE2000 of all pairs, N x N."""
    from skimage.color import deltaE_ciede2000, rgb2lab

    lab = rgb2lab(rgb.astype(np.float64))
    count = len(lab)
    pairs = (
        np.broadcast_to(lab[:, None], (count, count, 3)),
        np.broadcast_to(lab, (count, count, 3)),
    )
    found: npt.NDArray[np.float64] = deltaE_ciede2000(*pairs)
    return found
