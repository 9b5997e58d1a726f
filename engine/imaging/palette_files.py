"""Palettes as files: GIMP's .gpl, which Krita reads too, and pictures of colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.imaging import files
from engine.imaging.raster import PixelFormat, decode, encode
from ipc.errors import LimnerError
from ipc.planes import Plane

MOST_COLORS = 256


def read_palette(path: Path, role: str) -> Plane:
    """The palette as a plane of N x 1 RGB pixels, each colour once, in the file's order.

    Raises LimnerError bad-file for a file without colours or with more than 256.
    """
    if path.suffix.lower() == ".gpl":
        colors = _read_gpl(path)
    else:
        picture = files.read_plane(path, role)
        if picture.depth != "u8":
            raise _bad(path, "a picture of a palette needs 8 bits per channel")
        pixels = np.frombuffer(picture.data, np.uint8).reshape(-1, picture.channels)
        if picture.channels in (2, 4):
            pixels = pixels[pixels[:, -1] == 255][:, :-1]
        colors = np.repeat(pixels, 3, axis=1) if pixels.shape[1] == 1 else pixels
    unique, first = np.unique(colors, axis=0, return_index=True)
    if not 1 <= len(unique) <= MOST_COLORS:
        raise _bad(path, f"it has {len(unique)} colours, and 1 to {MOST_COLORS} can be used")
    ordered = colors[np.sort(first)]
    return Plane(role, path.name, len(ordered), 1, 3, "u8", ordered.tobytes())


def _read_gpl(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise LimnerError(
            "missing-file", f"{path} cannot be read: {error.strerror}.", "Check the name."
        ) from error
    if not lines or lines[0].strip() != "GIMP Palette":
        raise _bad(path, "it does not begin with 'GIMP Palette'")
    rows = [line.split()[:3] for line in lines[1:] if line.strip()[:1].isdigit()]
    try:
        return np.array([[int(value) for value in row] for row in rows], np.uint8).reshape(-1, 3)
    except (ValueError, OverflowError) as error:
        raise _bad(path, "a line is not three numbers from 0 to 255") from error


def write_palette(path: Path, plane: Plane) -> None:
    """Writes a plane of N x 1 colours: a GIMP palette where `path` ends in .gpl, else a picture.

    Raises LimnerError cannot-write.
    """
    raster = decode(plane)
    codes = encode(raster, PixelFormat(channels=3, depth="u8"), exact=True, name=plane.name)
    if path.suffix.lower() != ".gpl":
        files.write_plane(path, codes)
        return
    pixels = np.frombuffer(codes.data, np.uint8).reshape(-1, 3)
    rows = [f"{r:3} {g:3} {b:3}\tColour {n}" for n, (r, g, b) in enumerate(pixels, 1)]
    try:
        path.write_text("\n".join(["GIMP Palette", f"Name: {plane.name}", "#", *rows, ""]))
    except OSError as error:
        raise LimnerError(
            "cannot-write", f"{path} cannot be written: {error.strerror}.", "Choose another place."
        ) from error


def _bad(path: Path, why: str) -> LimnerError:
    return LimnerError(
        "bad-file",
        f"{path.name} is no palette that can be used: {why}.",
        "Give a .gpl file or a small picture of the colours.",
    )
