"""Cut-outs with alpha: what is pasted on other pictures to train select-subject.

Drawn ones have the exact alpha of their SVG. Photographed ones come from polygons, from a teacher
where it is sure, and from garments on plain grounds; GrabCut settles their edges, and what it
does not confirm is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from training.polygons import Polygons
from training.sources import Picture
from training.teacher import BACKGROUND, SUBJECT, UNSURE

Bytes = npt.NDArray[np.uint8]

SIDE = 256
"""Longer side of a cut-out in a pack."""
SCENERY = {
    "chair", "couch", "bed", "dining table", "toilet", "tv", "sink", "oven", "refrigerator",
    "book", "traffic light",
}  # fmt: skip
"""COCO's categories that are as often scenery as subject."""
LEAST_PART, LEAST_SIDE = 0.015, 48
"""Share of its photograph and shorter side in pixels from which an object is worth cutting out."""
AGREEMENT = 0.8
"""IoU between a mask and what GrabCut makes of it from which the mask counts as right."""


def of_polygons(polygons: Polygons, stem: str, photo: Bytes) -> list[Bytes | None]:
    """The cut-outs of a photograph's objects that are large enough and no scenery."""
    return [
        of_object(photo, mask)
        for category, mask in polygons.objects(stem, photo.shape[1::-1])
        if _is_subject(category, mask)
    ]


def label_of_polygons(polygons: Polygons, stem: str, photo: Bytes) -> Bytes | None:
    """The label of a photograph whose polygons are complete, as `Teacher.subject`."""
    size = photo.shape[1::-1]
    if not polygons.is_complete(stem):
        return None
    label = np.full(size[::-1], BACKGROUND, np.uint8)
    for category, mask in polygons.objects(stem, size):
        kind = SUBJECT if _is_subject(category, mask) else UNSURE
        label[(mask > 127) & (label != SUBJECT)] = kind
    edge = cv2.morphologyEx(label, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    label[edge > 0] = UNSURE
    return label


def _is_subject(category: str, mask: Bytes) -> bool:
    return category not in SCENERY and (mask > 127).mean() > LEAST_PART


def of_drawing(picture: Picture) -> Bytes | None:
    """The cut-out of a drawing with alpha, or of a sketch on white paper."""
    pixels = picture.read(SIDE)
    if pixels.shape[2] == 3:
        pixels = np.dstack([pixels, _inside_paper(pixels)])
    return _trimmed(pixels)


def of_object(photo: Bytes, mask: Bytes) -> Bytes | None:
    """The cut-out of an object of a photograph; GrabCut settles its edge near the mask's."""
    around = _around(mask)
    photo, mask = _fitted(photo[around]), _fitted(mask[around])
    mask = np.where(mask > 127, 255, 0).astype(np.uint8)
    if not mask.any() or (mask > 0).mean() > 0.95 or min(mask.shape) < LEAST_SIDE:
        return None
    reach = max(2, round(0.02 * max(mask.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    trimap = np.where(mask > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    trimap[cv2.erode(mask, disc) > 0] = cv2.GC_FGD
    trimap[cv2.dilate(mask, disc) == 0] = cv2.GC_BGD
    return _settled(photo, mask, trimap)


def of_label(photo: Bytes, label: Bytes) -> Iterator[Bytes]:
    """The cut-outs of the parts that a teacher's label calls subject, where GrabCut confirms."""
    count, parts, about, _ = cv2.connectedComponentsWithStats((label == SUBJECT).astype(np.uint8))
    for part in range(1, count):
        if about[part, cv2.CC_STAT_AREA] < 2 * LEAST_PART * label.size:
            continue
        mask = np.where(parts == part, 255, 0).astype(np.uint8)
        around = _around(mask)
        doubt = np.where(label[around] == BACKGROUND, cv2.GC_BGD, cv2.GC_PR_BGD).astype(np.uint8)
        doubt[label[around] == UNSURE] = cv2.GC_PR_FGD
        doubt[cv2.erode(mask[around], np.ones((5, 5), np.uint8)) > 0] = cv2.GC_FGD
        if min(doubt.shape) >= LEAST_SIDE and (doubt == cv2.GC_BGD).any():
            cutout = _settled(photo[around], mask[around], doubt)
            if cutout is not None:
                yield cutout


def of_garment(photo: Bytes) -> Bytes | None:
    """The cut-out of the one thing in the middle of a photograph with a plain ground."""
    photo = _fitted(photo)
    height, width = photo.shape[:2]
    trimap = np.full((height, width), cv2.GC_PR_FGD, np.uint8)
    margin = max(2, round(0.04 * min(height, width)))
    trimap[:margin] = trimap[-margin:] = trimap[:, :margin] = trimap[:, -margin:] = cv2.GC_BGD
    first = _grabcut(photo, trimap.copy())
    trimap[height // 2 - margin : height // 2 + margin, width // 2 - margin :][:, : 2 * margin] = (
        cv2.GC_FGD
    )
    return _settled(photo, first, trimap) if 0.1 < (first > 0).mean() < 0.75 else None


def _settled(photo: Bytes, mask: Bytes, trimap: Bytes) -> Bytes | None:
    """The cut-out by GrabCut from a trimap, if it agrees with the mask and is one thing."""
    found = _largest(_grabcut(photo, trimap))
    both, either = np.count_nonzero(found & mask), np.count_nonzero(found | mask)
    if both < AGREEMENT * either:
        return None
    inner = cv2.erode(found, np.ones((3, 3), np.uint8))
    return _trimmed(_fitted(np.dstack([photo, cv2.GaussianBlur(inner, (0, 0), 0.7)])))


def _grabcut(photo: Bytes, trimap: Bytes) -> Bytes:
    """GrabCut's mask, 0 or 255, by three rounds from a trimap; its random start is fixed."""
    cv2.setRNGSeed(1)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(photo[..., ::-1])
    cv2.grabCut(bgr, trimap, None, *models, 3, cv2.GC_INIT_WITH_MASK)
    return np.where(trimap & 1, 255, 0).astype(np.uint8)


def _largest(mask: Bytes) -> Bytes:
    """The largest connected part of a mask, its small holes filled."""
    count, parts, about, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return mask
    largest = np.where(parts == 1 + about[1:, cv2.CC_STAT_AREA].argmax(), 255, 0).astype(np.uint8)
    return cv2.morphologyEx(largest, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))


def _inside_paper(sketch: Bytes) -> Bytes:
    """Alpha of a sketch: everything but the white that reaches the edge of the paper."""
    paper = cv2.erode((sketch.min(axis=2) > 225).astype(np.uint8), np.ones((3, 3), np.uint8))
    framed = cv2.copyMakeBorder(paper, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, parts = cv2.connectedComponents(framed, connectivity=4)
    outside = (parts == parts[0, 0])[1:-1, 1:-1].astype(np.uint8)
    outside = cv2.dilate(outside, np.ones((3, 3), np.uint8))
    return cv2.GaussianBlur(np.where(outside > 0, 0, 255).astype(np.uint8), (0, 0), 0.7)


def _fitted(pixels: Bytes) -> Bytes:
    """A picture made small enough for a cut-out."""
    scale = min(1.0, SIDE / max(pixels.shape[:2]))
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _around(mask: Bytes) -> tuple[slice, slice]:
    """The mask's surroundings, an eighth wider than itself."""
    left, top, width, height = cv2.boundingRect(mask)
    margin = max(width, height) // 8
    return (
        slice(max(top - margin, 0), top + height + margin),
        slice(max(left - margin, 0), left + width + margin),
    )


def _trimmed(pixels: Bytes) -> Bytes | None:
    """The part of a cut-out that shows; None if it is too little or has no outline."""
    left, top, width, height = cv2.boundingRect((pixels[..., 3] > 32).astype(np.uint8))
    pixels = pixels[top : top + height, left : left + width]
    if min(width, height) < 16:
        return None
    filled = (pixels[..., 3] > 127).mean()
    return np.ascontiguousarray(pixels) if 0.08 < filled < 0.98 else None
