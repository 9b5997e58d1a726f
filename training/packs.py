"""Packs: the data of a training as one file of bytes that travels to the training machine.

A pack is a safetensors file. Pictures lie in it as WebP, end to end in the array `pictures`;
other arrays (start weights, tables) lie beside them under their own names. Its metadata describes
every picture as JSON: name, kind, set, author, licence, source, split and what the recipe adds.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from training.sources import Picture

Bytes = npt.NDArray[np.uint8]

LARGEST = 48 << 20
"""Bytes of all packs of a recipe together: what travels has to stay small."""
PICTURES, ENDS = "pictures", "picture_ends"


@dataclass(frozen=True)
class Item:
    """What a pack knows of one picture. extra: the recipe's own facts, JSON."""

    name: str
    kind: str
    set: str
    author: str
    licence: str
    source: str
    split: str
    extra: dict[str, Any] = field(default_factory=dict)


class PackWriter:
    """Collects pictures and arrays, then writes them as one file."""

    def __init__(self) -> None:
        self._blobs: list[bytes] = []
        self._items: list[Item] = []
        self._arrays: dict[str, npt.NDArray[Any]] = {}

    def add_picture(
        self,
        name: str,
        pixels: Bytes,
        source: Picture,
        *,
        kind: str = "",
        quality: int = 90,
        extra: Mapping[str, Any] | None = None,
    ) -> int:
        """Adds a picture, uint8 H x W, H x W x 3 or H x W x 4 (straight alpha); its index.

        source: where it comes from; the same file may give several items. quality: of the WebP,
        1 to 99 lossy (alpha and grey pictures are exact all the same), 100 exact.
        """
        grey = pixels.ndim == 2
        blob = BytesIO()
        Image.fromarray(pixels).save(
            blob, "WEBP", lossless=grey or quality == 100, quality=quality, exact=quality == 100
        )
        facts = {**(extra or {}), "grey": True} if grey else dict(extra or {})
        about = (source.set, source.author, source.licence, source.source, source.split)
        self._blobs.append(blob.getvalue())
        self._items.append(Item(name, kind, *about, facts))
        return len(self._items) - 1

    def add_array(self, name: str, array: npt.NDArray[Any]) -> None:
        """Adds an array of any plain type under a name of its own."""
        if name in (PICTURES, ENDS) or name in self._arrays:
            raise ValueError(f"the pack has an array {name!r} already")
        self._arrays[name] = np.ascontiguousarray(array)

    def write(self, path: Path) -> Path:
        """Writes the pack, whole or not at all. Raises ValueError if it is over LARGEST."""
        arrays = {
            **self._arrays,
            PICTURES: np.frombuffer(b"".join(self._blobs), np.uint8),
            ENDS: np.cumsum([len(blob) for blob in self._blobs], dtype=np.int64),
        }
        size = sum(array.nbytes for array in arrays.values())
        if size > LARGEST:
            raise ValueError(f"{path.name} has {size >> 20} MiB, over {LARGEST >> 20}")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        items = json.dumps([asdict(item) for item in self._items], ensure_ascii=False)
        save_file(arrays, part, {"items": items})
        part.replace(path)
        return path


@dataclass(frozen=True)
class Pack:
    """One or several packs, read. blobs: the pictures' WebP, in the order of `items`."""

    items: list[Item]
    blobs: list[bytes]
    arrays: dict[str, npt.NDArray[Any]]

    def find(self, kind: str | None = None, split: str | None = None) -> list[int]:
        """Indices of the items of a kind and side of the split; None is any."""
        return [
            index
            for index, item in enumerate(self.items)
            if kind in (None, item.kind) and split in (None, item.split)
        ]

    def picture(self, index: int) -> Bytes:
        """The pixels of an item as they were given."""
        pixels = np.array(Image.open(BytesIO(self.blobs[index])))
        return pixels[..., 0] if self.items[index].extra.get("grey") else pixels

    def pictures(self, indices: Sequence[int]) -> list[Bytes]:
        """The pixels of several items, decoded on every core."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(self.picture, indices))

    def provenance(self) -> list[dict[str, Any]]:
        """For the card: per set and licence the number of source files on each side, and authors.

        A dict has set, licence, train, validation and authors.
        """
        rows = []
        for key in sorted({(item.set, item.licence) for item in self.items}):
            items = [item for item in self.items if (item.set, item.licence) == key]
            files = Counter(split for _, split in {(item.source, item.split) for item in items})
            rows.append(
                {
                    "set": key[0],
                    "licence": key[1],
                    "train": files["train"],
                    "validation": files["validation"],
                    "authors": sorted({item.author for item in items}),
                }
            )
        return rows


def read(path: Path) -> Pack:
    """A pack file, or all packs of a folder as one.

    Raises FileNotFoundError if there is none.
    """
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if not files:
        raise FileNotFoundError(f"no packs in {path}; python -m training pack writes them")
    whole = Pack([], [], {})
    for file in files:
        with safe_open(file, "numpy") as pack:
            arrays = {name: pack.get_tensor(name) for name in pack.keys()}  # noqa: SIM118
            whole.items.extend(_items(pack))
        blob, ends = arrays.pop(PICTURES).tobytes(), arrays.pop(ENDS).tolist()
        starts = [0, *ends][:-1]
        whole.blobs.extend(blob[start:end] for start, end in zip(starts, ends, strict=True))
        whole.arrays.update(arrays)
    return whole


def provenance(path: Path) -> list[dict[str, Any]]:
    """`Pack.provenance` of a pack file or folder, without reading its pictures."""
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    whole = Pack([], [], {})
    for file in files:
        with safe_open(file, "numpy") as pack:
            whole.items.extend(_items(pack))
    return whole.provenance()


def _items(pack: Any) -> list[Item]:
    return [Item(**item) for item in json.loads(pack.metadata()["items"])]
