"""Which networks there are, told by descriptors: data beside the weights, read without torch.

A descriptor is a file ROLE.json. The export of a training writes those in `weights/`; a user's own
networks lie in another folder, in the same form, without a module and with the weights inside the
graph.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUILT_IN = Path(__file__).parent / "weights"
SINGLE_VARIANT = "full"
"""The variant's name where a network has but one."""


class UnknownNetworkError(Exception):
    """There is no network for that role, or it has no such variant."""


class DamagedNetworkError(Exception):
    """A file of a network is missing, unreadable or not what its digest says. path: that file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path.name} {reason}")
        self.path = path


@dataclass(frozen=True)
class Port:
    """An input or an output: float32 N x channels x H / stride x W / stride.

    range: least and greatest value; None is unbounded. stride: pixels of the input along a side of
    one cell.
    """

    name: str
    channels: int
    range: tuple[float, float] | None = None
    stride: int = 1


@dataclass(frozen=True)
class Variant:
    """A size of the network, with a graph file of its own.

    fixed_bytes: memory that it takes once loaded; bytes_per_pixel: what a run adds for each pixel
    of the padded input.
    """

    name: str
    graph: str
    fixed_bytes: int
    bytes_per_pixel: int


@dataclass(frozen=True)
class Descriptor:
    """All that is known of a network without loading it.

    role: the operation's need that it serves. module and arguments: where its torch source has
    `build(**arguments)`; None where there is no source. weights: the file of its parameters; None
    where they are inside the graph. files: sha256 of each file. variants: from fast to good.
    inputs, outputs: in the order of the source's arguments and results. size_multiple: of what
    height and width must be multiples. working_size: pixels along the longer side that it was
    trained for. tolerance: by how much torch and ONNX Runtime may differ at any output.
    """

    folder: Path
    name: str
    version: str
    role: str
    licence: str
    module: str | None
    arguments: Mapping[str, Any]
    weights: str | None
    files: Mapping[str, str]
    variants: tuple[Variant, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    size_multiple: int
    working_size: int
    precision: str
    tolerance: float
    card: str | None

    @property
    def is_built_in(self) -> bool:
        """Whether it came with Limner."""
        return self.folder == BUILT_IN

    @property
    def digest(self) -> str:
        """The sha256 of its parameters."""
        return self.files[self.weights or self.variants[0].graph]

    @property
    def size_on_disk(self) -> int:
        """Bytes of its files on the disk; those that are missing count nothing."""
        paths = [self.folder / file for file in self.files]
        return sum(path.stat().st_size for path in paths if path.is_file())

    def variant(self, name: str | None = None) -> Variant:
        """The variant of that name; None is the best one. Raises UnknownNetworkError.

        A network with a single variant serves every choice.
        """
        if name is None or len(self.variants) == 1:
            return self.variants[-1]
        for variant in self.variants:
            if variant.name == name:
                return variant
        known = ", ".join(variant.name for variant in self.variants)
        raise UnknownNetworkError(f"{self.name} has no variant {name}; it has {known}")

    def read(self, file: str) -> bytes:
        """The bytes of one of its files. Raises DamagedNetworkError unless the digest is right."""
        path = self.folder / file
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DamagedNetworkError(path, "cannot be read") from error
        if hashlib.sha256(data).hexdigest() != self.files.get(file):
            raise DamagedNetworkError(path, "is not the file that its digest names")
        return data


def networks(*folders: Path) -> list[Descriptor]:
    """The descriptors in the folders (the built-in one where none is given), by name.

    Raises DamagedNetworkError for one that cannot be understood.
    """
    found = [read(path) for folder in folders or (BUILT_IN,) for path in folder.glob("*.json")]
    return sorted(found, key=lambda network: (network.name, network.folder))


def find(role: str, *folders: Path) -> Descriptor:
    """The network for a role in the last folder that has one (the built-in one if none is given).

    Raises UnknownNetworkError and DamagedNetworkError.
    """
    for folder in reversed(folders or (BUILT_IN,)):
        path = folder / f"{role}.json"
        if path.is_file():
            return read(path)
    raise UnknownNetworkError(f"there is no network for the role {role}")


def read(path: Path) -> Descriptor:
    """The descriptor in a file. Raises DamagedNetworkError."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        fields = {name: data[name] for name in _PLAIN}
        return Descriptor(
            folder=path.parent,
            variants=tuple(_variant(name, value) for name, value in data["variants"].items()),
            inputs=tuple(_port(port) for port in data["inputs"]),
            outputs=tuple(_port(port) for port in data["outputs"]),
            **fields,
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedNetworkError(path, f"is no descriptor of a network ({error!r})") from error


_PLAIN = (
    "name",
    "version",
    "role",
    "licence",
    "module",
    "arguments",
    "weights",
    "files",
    "size_multiple",
    "working_size",
    "precision",
    "tolerance",
    "card",
)
"""Fields that a descriptor's file holds as they are."""


def _variant(name: str, data: Mapping[str, Any]) -> Variant:
    memory = data["memory"]
    return Variant(name, data["graph"], memory["fixed"], memory["per_pixel"])


def _port(data: Mapping[str, Any]) -> Port:
    low_high = data.get("range")
    return Port(
        data["name"],
        data["channels"],
        None if low_high is None else (low_high[0], low_high[1]),
        data.get("stride", 1),
    )
