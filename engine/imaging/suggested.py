"""The colours that scribbles suggest everywhere in a drawing."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]

POWER, NEAR, OUTSIDE = 4, 1 / 64, 1.0
"""A scribble weighs (distance + NEAR)^-POWER; to where its regions are not, OUTSIDE further.

Distances are shares of the longer side. Measured on drawings with known colours.
"""


def suggested(regions: Labels, colours: Floats, meant: Bools, strokes: Bools) -> Floats:
    """Colours that go over into each other by the distances of their strokes (Shepard 1968).

    regions: of each cell, h x w. colours: N x 3 in [0, 1]. meant: the colours that each region is
    asked to have, by label, M x N. strokes: where each colour is asked for, N x h x w. Returns
    4 x h x w: RGB, and 1 in regions that are asked to have any; all 0 without colours.
    """
    if not len(colours):
        return np.zeros((4, *regions.shape), np.float32)
    outside: Bools = ~meant[regions]
    total = np.zeros(regions.shape, np.float32)
    sums = np.zeros((*regions.shape, 3), np.float32)
    for number, stroke in enumerate(strokes):
        away = cv2.distanceTransform((~stroke).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        distance = away / max(regions.shape) + np.float32(OUTSIDE) * outside[..., number]
        weight = (distance + np.float32(NEAR)) ** -POWER
        total += weight
        sums += weight[..., None] * colours[number]
    asked = meant.any(axis=1)[regions]
    return np.stack([*np.moveaxis(sums / total[..., None], -1, 0), asked.astype(np.float32)])
