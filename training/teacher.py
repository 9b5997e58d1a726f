"""A teacher's labels for photographs without masks: DeepLabv3 on PASCAL VOC, where it is sure.

The teacher tells only the best class of a pixel, so its sureness is the agreement of several views
of the photograph (flips, scales, shifts). Pixels on which the views differ are marked unsure, and
no loss counts them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

BACKGROUND, UNSURE, SUBJECT = 0, 128, 255
SIDE = 513
SUBJECT_CLASSES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 13, 14, 15, 17, 19)
"""Vehicles, animals, people and bottles; furniture is as often scenery as subject."""
SURE, ABSENT = 0.8, 0.1
"""Shares of views from which a pixel is surely subject, and up to which it surely is none."""
FRAMES = ((0.0, 0.0, 1.0), (-0.2, -0.2, 1.4), (0.0, 0.0, 0.8), (0.2, 0.2, 0.8))
"""The views, each also mirrored: left, top and side of a frame, in shares of the photograph."""


class Teacher:
    """DeepLabv3-MobileNetV2 with 21 classes (Chen 2017), a TFLite file that gives a class map."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter  # packing alone needs it

        self._network: Any = Interpreter(str(path), num_threads=threads)
        self._network.allocate_tensors()
        self._input = self._network.get_input_details()[0]["index"]
        self._output = self._network.get_output_details()[0]["index"]

    def classes(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The class of every pixel of a picture, H×W×3 to H×W."""
        fitted = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        self._network.set_tensor(self._input, fitted[None])
        self._network.invoke()
        found = self._network.get_tensor(self._output)[0].astype(np.uint8)
        return cv2.resize(found, rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST)

    def subject(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Where the subject is: BACKGROUND, UNSURE or SUBJECT of every pixel of a photograph."""
        height, width = rgb.shape[:2]
        subject = np.zeros((height, width), np.float32)
        something, seen = subject.copy(), subject.copy()
        for left, top, share in FRAMES:
            size = (max(round(width * share), 1), max(round(height * share), 1))
            place = np.float32([[1, 0, -left * width], [0, 1, -top * height]])
            view = cv2.warpAffine(rgb, place, size, borderValue=(127, 127, 127))
            for mirror in (False, True):
                found = self.classes(view[:, ::-1] if mirror else view)
                found = found[:, ::-1] if mirror else found
                for votes, voted in (
                    (subject, np.isin(found, SUBJECT_CLASSES)),
                    (something, found > 0),
                    (seen, np.ones_like(found)),
                ):
                    votes += cv2.warpAffine(
                        voted.astype(np.float32), place, (width, height),
                        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
                    )  # fmt: skip
        label = np.full((height, width), UNSURE, np.uint8)
        label[something <= ABSENT * seen] = BACKGROUND
        label[subject >= SURE * seen] = SUBJECT
        return label
