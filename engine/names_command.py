"""`limner names`: the user's own table of colour names in place of Limner's.

Such a table is one like van de Weijer's (van de Weijer et al. 2009), as its authors give it: text
of 32768 lines "R G B p1 … p11", or a .mat file of 32768 x 11, red fastest; names in NAMES' order.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.data.derive_color_names import prototypes_of
from engine.imaging import files, naming
from engine.imaging.naming import CELLS, NAMES
from ipc.errors import LimnerError

Array = npt.NDArray[np.float64]

COUNT = CELLS**3
PLAIN = {
    "black": (0, 0, 0),
    "blue": (0, 0, 31),
    "green": (0, 25, 0),
    "red": (28, 0, 0),
    "white": (31, 31, 31),
    "yellow": (31, 31, 0),
}
"""Cells whose name nobody doubts: another one means another order of rows or names."""


def add(file: Path) -> str:
    """Takes the table in a file for naming and harmonising; returns what to tell.

    It counts from the next job on. Raises LimnerError missing-file, bad-file or cannot-write.
    """
    table = _table(file, _numbers(file))
    levels = np.arange(CELLS) * (256 // CELLS)
    codes = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    rgb, name = prototypes_of(codes, table.reshape(COUNT, -1))
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        probabilities=table.astype(np.float32),
        prototype_rgb=rgb.astype(np.uint8),
        prototype_name=name.astype(np.uint8),
    )
    own = naming.own_file()
    own.parent.mkdir(parents=True, exist_ok=True)
    files.write_bytes(own, buffer.getvalue())
    return f"{file.name} now names colours.\nBack to Limner's own table: limner names remove"


def remove() -> str:
    """Removes the user's own table; returns what to tell."""
    own = naming.own_file()
    if not own.exists():
        return "Limner's own table names colours; you have added none."
    own.unlink()
    return "Limner's own table names colours again."


def _numbers(file: Path) -> Array:
    """What the file says, a row for each cell."""
    data = files.bytes_of(file)
    try:
        if file.suffix.lower() == ".mat":
            from scipy.io import loadmat

            tables = [a for name, a in loadmat(str(file)).items() if name[0] != "_"]
        else:
            tables = [[line.split() for line in data.decode().splitlines() if line.strip()]]
        return next(np.asarray(table, np.float64) for table in tables if np.ndim(table) == 2)
    except Exception as error:  # whatever a library says is wrong with it
        raise _unfit(file, "it is neither a table of numbers nor a .mat file of one") from error


def _table(file: Path, numbers: Array) -> Array:
    """Probabilities, CELLS x CELLS x CELLS x 11, red first."""
    rows, columns = numbers.shape
    if rows != COUNT or columns not in (len(NAMES), 3 + len(NAMES)):
        raise _unfit(file, f"it is {rows} × {columns} numbers, not {COUNT} × 14 or {COUNT} × 11")
    values = numbers[:, -len(NAMES) :]
    if not np.isfinite(numbers).all() or values.min() < 0 or values.sum(axis=1).min() <= 0:
        raise _unfit(file, "a row of it has no probabilities")
    blue, green, red = np.unravel_index(np.arange(COUNT), (CELLS,) * 3)
    if columns > len(NAMES):
        red, green, blue = (numbers[:, :3].T // (256 // CELLS)).astype(np.intp).clip(0, CELLS - 1)
    table = np.zeros((CELLS, CELLS, CELLS, len(NAMES)))
    table[red, green, blue] = values / values.sum(axis=1, keepdims=True)
    if not table.any(axis=-1).all():
        raise _unfit(file, "it leaves out some of the 32 × 32 × 32 colours")
    for word, cell in PLAIN.items():
        found = NAMES[int(table[cell].argmax())]
        if found != word:
            raise _unfit(file, f"it calls plain {word} {found}, so its order is another one")
    return table


def _unfit(file: Path, why: str) -> LimnerError:
    return LimnerError(
        "bad-file",
        f"{file.name} is no table of colour names that can be used: {why}.",
        f"Give lines of R G B and the probabilities of {', '.join(NAMES)}.",
    )
