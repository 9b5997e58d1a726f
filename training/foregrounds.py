"""Masks of what could have been pasted: a teacher's objects, regions of one colour."""

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
from skimage.segmentation import felzenszwalb

from training.teacher import SUBJECT_CLASSES, Teacher

Bytes = npt.NDArray[np.uint8]

SMALLEST, LARGEST = 0.006, 0.6
"""Shares of the picture between which a mask is of use."""
AGREEMENT = 0.8
"""IoU of the teacher's answers to a picture and its mirror from which it counts as sure."""
SMOOTH = 0.003
"""Of the longer side: the teacher's edges have steps."""
REGION_SIDE = 128


def useful(mask: Bytes) -> bool:
    """Whether the mask's share of the picture is neither tiny nor nearly all."""
    return SMALLEST <= mask.mean() / 255 <= LARGEST


def objects(picture: Bytes, teacher: Teacher) -> Iterator[Bytes]:
    """One mask per connected object that the teacher also sees in the mirror, 255 = inside."""
    straight = teacher.classes(picture)
    mirrored = teacher.classes(np.ascontiguousarray(picture[:, ::-1]))[:, ::-1]
    for label in np.intersect1d(straight, SUBJECT_CLASSES):
        one, other = straight == label, mirrored == label
        if (one & other).sum() < AGREEMENT * (one | other).sum():
            continue
        count, parts = cv2.connectedComponents((one & other).astype(np.uint8))
        for part in range(1, count):
            mask = (parts == part).astype(np.uint8) * 255
            if useful(mask):
                yield cv2.GaussianBlur(mask, (0, 0), SMOOTH * max(mask.shape))


def regions(picture: Bytes, count: int, random: np.random.Generator) -> Iterator[Bytes]:
    """Up to `count` masks made of neighbouring segments of similar colour, of several sizes."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (REGION_SIDE, REGION_SIDE), interpolation=cv2.INTER_AREA)
    for scale in random.choice([30, 100, 300], count):
        segments = felzenszwalb(small, scale=float(scale), sigma=0.8, min_size=40)
        target = np.exp(random.uniform(np.log(0.01), np.log(0.35))) * segments.size
        mask = _grown(segments, target, random)
        smooth = cv2.resize(mask * 255, (width, height), interpolation=cv2.INTER_LINEAR)
        if useful(smooth):
            yield smooth


def _grown(segments: npt.NDArray[np.int64], target: float, random: np.random.Generator) -> Bytes:
    """A segment and neighbours of it, until `target` pixels are reached."""
    mask = (segments == segments.flat[random.integers(segments.size)]).astype(np.uint8)
    while mask.sum() < target:
        ring = cv2.dilate(mask, np.ones((3, 3), np.uint8)).astype(bool) & (mask == 0)
        around = segments[ring]
        if not around.size:
            break
        mask[segments == random.choice(around)] = 1
    return mask
