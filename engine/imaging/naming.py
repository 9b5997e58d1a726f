"""Colour names: how probably people call a colour by each of eleven basic names.

The table and the prototypes come from engine/data/color_names.npz (see its README), or from the
user's own file where there is one (`limner names`).
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ipc import paths
from ipc.errors import LimnerError

Floats = npt.NDArray[np.float32]

NAMES = (
    "black",
    "blue",
    "brown",
    "grey",
    "green",
    "orange",
    "pink",
    "purple",
    "red",
    "white",
    "yellow",
)
CELLS = 32
"""Cells of the table per channel; one covers 8 codes of an 8-bit channel."""

TABLE_FILE = Path(__file__).parents[1] / "data" / "color_names.npz"


@dataclass(frozen=True)
class Prototypes:
    """Highly saturated colours of every name (Xue 2024, section 4.2).

    rgb: float32 N x 3, sRGB-encoded in [0, 1]. name: N, index into NAMES.
    """

    rgb: Floats
    name: npt.NDArray[np.intp]


def own_file() -> Path:
    """Where the user's own table is, if there is any."""
    return paths.home() / TABLE_FILE.name


def name_probabilities(rgb: Floats) -> Floats:
    """Probability of each name, ... x 11, for colours ... x 3; sRGB-encoded, clipped to [0, 1]."""
    cells = np.minimum(np.clip(rgb, 0, 1) * (255 / 8), CELLS - 1).astype(np.intp)
    table, _ = _current()
    probabilities: Floats = table[cells[..., 0], cells[..., 1], cells[..., 2]]
    return probabilities


def prototypes() -> Prototypes:
    """The prototypes of all names."""
    return _current()[1]


@lru_cache(maxsize=1)
def skin() -> tuple[float, float, float]:
    """Mean a and b of the colours that people call skin, and their standard deviation around it."""
    with np.load(TABLE_FILE) as data:
        a, b, deviation = data["skin"].tolist()
        return a, b, deviation


def _current() -> tuple[Floats, Prototypes]:
    """The table that counts now: the user's, and Limner's where there is none."""
    own = own_file()
    try:
        changed = own.stat().st_mtime_ns
    except FileNotFoundError:
        return _read(TABLE_FILE, 0)
    try:
        return _read(own, changed)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise LimnerError(
            "bad-file",
            f"Your own table of colour names ({own}) is damaged.",
            "Add it again, or run 'limner names remove'.",
        ) from error


@lru_cache(maxsize=2)
def _read(file: Path, _changed: int) -> tuple[Floats, Prototypes]:
    """Probabilities, CELLS x CELLS x CELLS x 11, red first, and prototypes.

    _changed: when the file was, so that what is kept of an older one does not count.
    """
    with np.load(file) as data:
        table: Floats = data["probabilities"].astype(np.float32)
        rgb = data["prototype_rgb"].astype(np.float32) / 255
        name = data["prototype_name"].astype(np.intp)
    table /= table.sum(axis=-1, keepdims=True)
    return table, Prototypes(rgb, name)
