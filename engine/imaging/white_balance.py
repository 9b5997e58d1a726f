"""White balance: the colour of a picture's light, and the picture as under neutral light.

The light is estimated by shades of grey (Finlayson & Trezzi 2004), and taken away by the Bradford
transform (Lam 1985). Xue 2024, eq. 3.1, says when that is worth doing: by mean colour difference.
"""

from __future__ import annotations

import numpy as np

from engine.imaging.color import RGB_TO_XYZ, Floats, lab_to_linear, linear_to_lab

NORM = 6
"""Of the Minkowski mean: 1 is the grey world, without end the brightest channel."""
WORTH = 15.0
"""Mean colour difference (CIE76) from which a picture is balanced.

Xue's 20 was found with a trained corrector; see benchmarks/recolor.py for what either value finds.
"""

_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_RGB_TO_CONE = _BRADFORD @ RGB_TO_XYZ


def light_color(light: Floats, weight: Floats) -> Floats:
    """The colour of the light, linear RGB with luminance 1. light: 3 x N, linear; weight: N."""
    seen = np.clip(light, 0, 1).astype(np.float64)
    mean = np.average(seen**NORM, axis=1, weights=weight) ** (1 / NORM)
    mean = np.maximum(mean, 1e-4)
    color: Floats = (mean / (RGB_TO_XYZ[1] @ mean)).astype(np.float32)
    return color


def adaptation(light: Floats) -> Floats:
    """The matrix, 3 x 3 for linear RGB, that makes light of that colour white."""
    cones = _RGB_TO_CONE @ light
    white = _RGB_TO_CONE @ np.ones(3)
    matrix = np.linalg.inv(_RGB_TO_CONE) @ np.diag(white / np.maximum(cones, 1e-3)) @ _RGB_TO_CONE
    adapted: Floats = matrix.astype(np.float32)
    return adapted


def balanced(lab: Floats, matrix: Floats) -> Floats:
    """CIELAB (3 x N) of colours under the new light."""
    return linear_to_lab(np.tensordot(matrix, lab_to_linear(lab), 1))


def needed_balance(lab: Floats, weight: Floats) -> Floats | None:
    """The matrix for pixels (CIELAB 3 x N, weight N); None where the change is not worth it."""
    if not len(weight):
        return None
    matrix = adaptation(light_color(lab_to_linear(lab), weight))
    change = np.linalg.norm(balanced(lab, matrix) - lab, axis=0)
    return matrix if np.average(change, weights=weight) > WORTH else None
