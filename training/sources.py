"""The licensed pictures: which may enter shipped weights, and on which side of the split they lie.

A recipe reaches pictures through here alone, so it cannot train on one that may not ship.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Bytes = npt.NDArray[np.uint8]

SPLITS = ("train", "validation")
PERMITTED = re.compile(
    r"CC0\b|CC[ -]BY\b(?![ -](?:SA|NC|ND))|MIT\b|Apache-2\.0\b|Public Domain\b", re.IGNORECASE
)
"""How the licence of a file that may enter shipped weights begins."""


class LicenceError(ValueError):
    """A set was asked for that has no file which may enter shipped weights."""


@dataclass(frozen=True)
class Picture:
    """A file that may be trained on.

    path: bitmap or SVG. set: its folder. group: what must not be split between training and
    validation. author, licence, source: for the model card.
    """

    path: Path
    set: str
    group: str
    author: str
    licence: str
    source: str

    @property
    def split(self) -> str:
        """The side of the split: train or validation."""
        return split_of(self.group)

    def read(self, side: int | None = None) -> Bytes:
        """Pixels, uint8 H x W x 3, or x 4 (straight alpha) where the file has an alpha channel.

        side: length of the longer side. Bitmaps are made smaller to it, never larger; SVGs are
        drawn at it, with 512 where it is not given.
        """
        picture = self._drawn(side or 512) if self.path.suffix == ".svg" else Image.open(self.path)
        has_alpha = "A" in picture.getbands() or "transparency" in picture.info
        picture = picture.convert("RGBA" if has_alpha else "RGB")
        if side and max(picture.size) > side:
            scale = side / max(picture.size)
            size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
            picture = picture.resize(size, Image.Resampling.BOX)
        return np.array(picture)

    def _drawn(self, side: int) -> Image.Image:
        import cairosvg  # here, because a training machine has none and needs none

        def drawn(**size: int) -> Image.Image:
            return Image.open(BytesIO(cairosvg.svg2png(url=str(self.path), **size)))

        wide = drawn(output_width=side)
        return wide if wide.height <= side else drawn(output_height=side)


def pictures(set_name: str, split: str | None = None, data: Path | None = None) -> list[Picture]:
    """The pictures of one set that may enter shipped weights, sorted by path.

    split: "train", "validation" or None for both. data: the folder of the sets. Raises
    LicenceError if the set has no permitted file, FileNotFoundError if there is no such set.
    """
    if split not in (None, *SPLITS):
        raise ValueError(f"split must be one of {SPLITS}, not {split!r}")
    folder = (data or data_folder()) / set_name
    with (folder / "files.csv").open(newline="", encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if is_permitted(row["licence"])]
    if not rows:
        raise LicenceError(f"no file of {set_name} may enter shipped weights")
    found = [
        Picture(
            path,
            set_name,
            group_of(set_name, path.stem),
            row["author"],
            row["licence"],
            row["source_path"],
        )
        for row in rows
        for path in _files(folder, row["file"])
    ]
    return sorted(
        (picture for picture in found if split in (None, picture.split)), key=lambda p: p.path
    )


def data_folder() -> Path:
    """The folder of the sets: LIMNER_DATA, else shared/data beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("LIMNER_DATA", beside))


def is_permitted(licence: str) -> bool:
    """Whether files under the licence may enter shipped weights; unknown ones may not."""
    return PERMITTED.match(licence.strip()) is not None


def split_of(group: str) -> str:
    """The side of a group: one in ten is validation, by the SHA-256 of its name."""
    digest = hashlib.sha256(group.encode()).digest()
    return "validation" if int.from_bytes(digest, "big") % 10 == 0 else "train"


def group_of(set_name: str, stem: str) -> str:
    """The group of a file: story, book or code point; else the file itself."""
    return _GROUPS.get(set_name, str)(stem)


def _before_page(stem: str) -> str:
    """Story number or book, from e.g. 0267_07 or a-beautiful-day_01."""
    return stem.rpartition("_")[0]


def _code_point(stem: str) -> str:
    """Code points, e.g. 1f004, from 1f004_flat, emoji_u1f004 and 1F004 alike."""
    codes = re.match(r"(?:emoji_u)?([0-9a-f]+(?:[-_][0-9a-f]{2,})*)", stem.lower())
    if codes is None:
        return stem
    return "-".join(code for code in re.split("[-_]", codes[1]) if code != "fe0f")


_GROUPS: dict[str, Callable[[str], str]] = {
    "asp_illustrations": _before_page,
    "asp_lineart_pairs": _before_page,
    "bookdash": _before_page,
    "fluentui_emoji_svg": _code_point,
    "noto_emoji_svg": _code_point,
    "openmoji_svg": _code_point,
}


def _files(folder: Path, listed: str) -> list[Path]:
    """The files of a row: its ending may differ, and * stands for any subfolder."""
    parent, _, name = listed.rpartition("/")
    places = [place for place in folder.glob(parent) if place.is_dir()] if parent else [folder]
    found = []
    for place in places:
        exact = place / name
        found += [exact] if exact.is_file() else list(place.glob(f"{Path(name).stem}.*"))
    return found
