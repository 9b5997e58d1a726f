"""Colour names: how probably people call a colour by each of eleven basic names.

The table and the prototypes come from engine/data/color_names.npz (see its README), read once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

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


def name_probabilities(rgb: Floats) -> Floats:
    """Probability of each name, ... x 11, for colours ... x 3; sRGB-encoded, clipped to [0, 1]."""
    cells = np.minimum(np.clip(rgb, 0, 1) * (255 / 8), CELLS - 1).astype(np.intp)
    probabilities: Floats = _table()[cells[..., 0], cells[..., 1], cells[..., 2]]
    return probabilities


@lru_cache(maxsize=1)
def prototypes() -> Prototypes:
    """The prototypes of all names."""
    with np.load(TABLE_FILE) as data:
        rgb = data["prototype_rgb"].astype(np.float32) / 255
        return Prototypes(rgb, data["prototype_name"].astype(np.intp))


@lru_cache(maxsize=1)
def skin() -> tuple[float, float, float]:
    """Mean a and b of the colours that people call skin, and their standard deviation around it."""
    with np.load(TABLE_FILE) as data:
        a, b, deviation = data["skin"].tolist()
        return a, b, deviation


@lru_cache(maxsize=1)
def _table() -> Floats:
    """Probabilities, CELLS x CELLS x CELLS x 11, red first."""
    with np.load(TABLE_FILE) as data:
        table: Floats = data["probabilities"].astype(np.float32)
    table /= table.sum(axis=-1, keepdims=True)
    return table
