"""The photographs that changes of colour are measured on."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from training.sources import data_folder, split_of

Bytes = npt.NDArray[np.uint8]

SHORT_SIDE = 512


@dataclass(frozen=True)
class Photographs:
    """files: pictures. about: one line that says which they are, or why there are none."""

    files: list[Path]
    about: str

    def every(self, step: int) -> "Photographs":
        """Each step-th of them."""
        files = self.files[::step]
        about = f"{len(files)} (one in {step}) of {self.about}"
        return Photographs(files, about) if step > 1 and files else self

    def pictures(self, short_side: int = SHORT_SIDE) -> Iterator[Bytes]:
        """8-bit RGB pixels, the shorter side made that long."""
        for file in self.files:
            yield read(file, short_side)


def photographs() -> Photographs:
    """Those of open_photos that are no illustrations, and coco_cc_photos' validation split."""
    data = data_folder()
    open_photos = [f for f, licence in _listed(data / "open_photos") if "illustr" not in licence]
    coco = [f for f, _ in _listed(data / "coco_cc_photos") if split_of(f.stem) == "validation"]
    if not open_photos + coco:
        return Photographs([], f"nothing measured: no photographs in {data}")
    about = (
        f"{len(open_photos)} photographs of open_photos (all but illustrations) and {len(coco)} of "
        f"coco_cc_photos (validation split), shorter side {SHORT_SIDE}"
    )
    return Photographs(open_photos + coco, about)


def read(file: Path, short_side: int = SHORT_SIDE) -> Bytes:
    """A file's pixels, 8-bit RGB, the shorter side made that long."""
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    height, width = picture.shape[:2]
    scale = short_side / min(height, width)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    size = max(round(width * scale), short_side), max(round(height * scale), short_side)
    return cv2.resize(picture, size, interpolation=how)


def _listed(folder: Path) -> list[tuple[Path, str]]:
    """The files of a set, sorted, each with its licence; none where the set is not there."""
    listing = folder / "files.csv"
    if not listing.is_file():
        return []
    with listing.open(newline="", encoding="utf-8") as table:
        rows = [(folder / row["file"], row["licence"]) for row in csv.DictReader(table)]
    return sorted(rows)
