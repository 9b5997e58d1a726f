"""How right a mask is: intersection over union, and the F-measure of its border."""

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
TOLERANCE = 0.0075
"""How far a border may be off, as a share of the picture's diagonal (Perazzi 2016, DAVIS)."""


def iou(found: Mask, truth: Mask, counted: Mask | None = None) -> float:
    """TP / (TP + FP + FN) of the subject, over the pixels that count; 1 where both are empty."""
    if counted is not None:
        found, truth = found & counted, truth & counted
    either = np.count_nonzero(found | truth)
    return np.count_nonzero(found & truth) / either if either else 1.0


def boundary_f(found: Mask, truth: Mask) -> float:
    """Harmonic mean of precision and recall of border pixels, within TOLERANCE of each other.

    1 where neither mask has a border, 0 where one alone has.
    """
    borders = border(found), border(truth)
    if not borders[0].any() or not borders[1].any():
        return float(not borders[0].any() and not borders[1].any())
    reach = max(1, round(TOLERANCE * float(np.hypot(*truth.shape))))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    near = [cv2.dilate(edge.astype(np.uint8), disc) > 0 for edge in borders]
    precision = np.count_nonzero(borders[0] & near[1]) / np.count_nonzero(borders[0])
    recall = np.count_nonzero(borders[1] & near[0]) / np.count_nonzero(borders[1])
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def border(mask: Mask) -> Mask:
    """The pixels of a mask that have a neighbour outside it, to the right or below."""
    edge = np.zeros_like(mask)
    edge[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    edge[:-1] |= mask[:-1] != mask[1:]
    return edge
