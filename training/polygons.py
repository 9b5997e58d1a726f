"""The objects that people outlined in coco_cc_photos."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt


class Polygons:
    """The annotations of coco_cc_photos, by file stem."""

    def __init__(self, folder: Path) -> None:
        self._photos = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))

    def is_complete(self, stem: str) -> bool:
        """Whether every object of the photograph has its polygons."""
        return bool(self._photos.get(stem, {}).get("instances_complete"))

    def objects(
        self, stem: str, size: tuple[int, int]
    ) -> Iterator[tuple[str, npt.NDArray[np.uint8]]]:
        """Category and mask of every object with a polygon, crowds left out.

        size: (width, height) of the masks, which are uint8, 255 inside, with smooth edges.
        """
        photo = self._photos.get(stem, {"instances": []})
        for instance in photo["instances"]:
            if instance["iscrowd"] or not isinstance(instance["segmentation"], list):
                continue
            scale = np.array(size) / (photo["width"], photo["height"])
            rings = [np.reshape(ring, (-1, 2)) * scale for ring in instance["segmentation"]]
            mask = np.zeros(size[::-1], np.uint8)
            fixed = [np.round(ring * 16).astype(np.int32) for ring in rings]
            cv2.fillPoly(mask, fixed, 255, lineType=cv2.LINE_AA, shift=4)
            yield instance["category"], mask
