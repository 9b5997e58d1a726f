"""Palettes as files, in the formats that editors and web pages keep them in, and as pictures.

A name that ends in [locked] locks its colour, in every format that has names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.imaging import files
from engine.imaging.palette_adobe import (
    read_aco,
    read_act,
    read_ase,
    write_aco,
    write_act,
    write_ase,
)
from engine.imaging.palette_krita import read_kpl, write_kpl
from engine.imaging.palette_models import BadPaletteError, Swatch
from engine.imaging.palette_text import (
    read_css,
    read_gpl,
    read_hex,
    write_css,
    write_gpl,
    write_hex,
)
from engine.imaging.palettes import MOST_SWATCHES, Palette
from engine.imaging.raster import LARGEST, PixelFormat, codes_of, decode, encode
from ipc.errors import LimnerError
from ipc.planes import LOCKED, Plane, palette_attributes, split_lock

MOST_BYTES = 1 << 24
MOST_TEXT_BYTES = 1 << 20
NAME_LENGTH = 250


class Format(NamedTuple):
    """How a kind of file is read and written.

    read: the palette's name and its swatches from a file's bytes; write: the bytes of a palette.
    Both raise BadPaletteError. most: bytes that are read.
    """

    read: Callable[[bytes], tuple[str, list[Swatch]]]
    write: Callable[[Palette], bytes]
    most: int = MOST_TEXT_BYTES


FORMATS = {
    ".aco": Format(read_aco, write_aco),
    ".act": Format(read_act, write_act),
    ".ase": Format(read_ase, write_ase),
    ".css": Format(read_css, write_css),
    ".gpl": Format(read_gpl, write_gpl),
    ".hex": Format(read_hex, write_hex),
    ".kpl": Format(read_kpl, write_kpl, MOST_BYTES),
    ".txt": Format(read_css, write_css),
}
"""By the ending of the file's name; any other file is a picture."""


def is_picture(path: Path) -> bool:
    """Whether the file's name says that a palette in it would be a picture."""
    return path.suffix.lower() not in FORMATS


def load(path: Path) -> Palette:
    """The palette in a file; of a picture, its opaque colours once each, in reading order.

    Raises LimnerError missing-file, or bad-file for a file that is damaged, without colours or with
    more than 4096 different ones.
    """
    title, swatches = ("", _picture(path)) if is_picture(path) else _read(path)
    colors = np.array([swatch.rgb for swatch in swatches], np.float64).reshape(-1, 3)
    if not np.isfinite(colors).all() or np.abs(colors).max(initial=0) > LARGEST:
        raise _bad(path, "it has a colour whose numbers are none")
    named = [split_lock(_clean(swatch.name)) for swatch in swatches]
    palette = Palette(
        colors.astype(np.float32),
        tuple(name for name, _ in named),
        tuple(locked for _, locked in named),
        name=_clean(title) or path.stem,
    )
    count = len(np.unique(palette.codes(), axis=0))
    if not 1 <= count <= MOST_SWATCHES:
        raise _bad(path, f"it has {count} colours, and 1 to {MOST_SWATCHES} can be used")
    return palette


def save(path: Path, palette: Palette) -> None:
    """Writes a palette in the format that the name's ending says, or as a picture of one row.

    Raises LimnerError cannot-write.
    """
    if is_picture(path):
        files.write_plane(path, plane_of(palette, ""))
        return
    names = zip(palette.names, palette.locked, strict=True)
    written = Palette(
        palette.rgb,
        tuple(_clean(f"{name} {LOCKED}" if locked else name) for name, locked in names),
        palette.locked,
        name=_clean(palette.name),
    )
    try:
        data = FORMATS[path.suffix.lower()].write(written)
    except BadPaletteError as error:
        raise LimnerError(
            "cannot-write",
            f"{path} cannot be written: {error}.",
            "Write to a .gpl or .kpl file instead.",
        ) from error
    files.write_bytes(path, data)


def plane_of(palette: Palette, role: str) -> Plane:
    """The palette as a plane of N x 1 RGB pixels; names and locks, where any, are attributes."""
    codes = palette.codes()
    return Plane(
        role,
        palette.name,
        len(codes),
        1,
        3,
        "u8",
        codes.tobytes(),
        attributes=palette_attributes(zip(palette.names, palette.locked, strict=True)),
    )


def read_palette(path: Path, role: str) -> Plane:
    """The palette in a file as a plane of N x 1 RGB pixels, each colour once, in its order.

    Raises LimnerError as `load` does.
    """
    return plane_of(load(path).distinct(), role)


def write_palette(path: Path, plane: Plane) -> None:
    """Writes a palette output: a picture of all its rows, or its last row as a palette.

    Raises LimnerError cannot-write.
    """
    codes = encode(decode(plane), PixelFormat(channels=3, depth="u8"), exact=True, name=plane.name)
    if is_picture(path):
        files.write_plane(path, codes)
        return
    rgb = codes_of(codes)[-1] / np.float32(255)
    count = len(rgb)
    save(path, Palette(rgb, ("",) * count, (False,) * count, name=plane.name))


def _read(path: Path) -> tuple[str, list[Swatch]]:
    kind = FORMATS[path.suffix.lower()]
    if path.is_file() and path.stat().st_size > kind.most:
        raise _bad(path, "it is larger than a palette can be")
    data = files.bytes_of(path)
    try:
        return kind.read(data)
    except BadPaletteError as error:
        raise _bad(path, str(error)) from error
    except Exception as error:  # the libraries raise whatever a damaged file makes them trip over
        raise _bad(path, "it is damaged or incomplete") from error


def _picture(path: Path) -> Sequence[Swatch]:
    """The opaque colours of a picture of 8 bits, once each."""
    picture = files.read_plane(path, "")
    if picture.depth != "u8":
        raise _bad(path, "a picture of a palette needs 8 bits per channel")
    pixels = codes_of(picture).reshape(-1, picture.channels)
    if picture.channels in (2, 4):
        pixels = pixels[pixels[:, -1] == 255][:, :-1]
    unique, first = np.unique(pixels, axis=0, return_index=True)
    if len(unique) > MOST_SWATCHES:
        raise _bad(path, f"it has {len(unique)} colours, and 1 to {MOST_SWATCHES} can be used")
    colors = np.repeat(pixels, 3, axis=1) if pixels.shape[1] == 1 else pixels
    return [Swatch((r / 255, g / 255, b / 255)) for r, g, b in colors[np.sort(first)].tolist()]


def _clean(name: str) -> str:
    """A name that every format can hold: printable, on one line, not endless."""
    printable = "".join(c for c in " ".join(name.split()) if c.isprintable())
    return printable[:NAME_LENGTH].strip()


def _bad(path: Path, why: str) -> LimnerError:
    return LimnerError(
        "bad-file",
        f"{path.name} is no palette that can be used: {why}.",
        "Give a palette file (.gpl, .kpl, .ase, .aco, .act, .hex, .css) or a small picture.",
    )
