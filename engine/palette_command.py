"""`limner palette`: what a palette's colours are, and palettes from one format to another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.imaging import files, palette_checks, palette_files
from engine.imaging.color import lab_to_srgb, srgb_to_lab
from engine.imaging.naming import NAMES, name_probabilities
from engine.imaging.palette_checks import SHAPES, SIGHTS, TEXT
from engine.imaging.palettes import MOST_COLORS, Palette, evenly, source_palette
from engine.imaging.raster import decode
from ipc.errors import LimnerError
from ipc.planes import LOCKED

Floats = npt.NDArray[np.float32]

MOST_LISTED = 10
"""Colours whose contrasts are shown as a table, and pairs listed of each kind of sight."""


def palette_of(path: Path, colors: int) -> Palette:
    """The palette in a file, or the main colours of a picture.

    colors: how many main colours, 1 to 7; 0 finds the number. Raises LimnerError.
    """
    if not palette_files.is_picture(path):
        return palette_files.load(path)
    if not 0 <= colors <= MOST_COLORS:
        raise LimnerError(
            "bad-parameter",
            f"{colors} main colours are asked for.",
            f"Give a number from 1 to {MOST_COLORS}, or 0 to find it from the picture.",
        )
    raster = decode(files.read_plane(path, "image"))
    weight = np.ones(raster.rgb.shape[:2], np.float32) if raster.alpha is None else raster.alpha
    (shown,) = np.nonzero(weight.ravel())
    if not len(shown):
        raise LimnerError(
            "empty-layer", f"Nothing is visible in {path.name}.", "Give a picture with colours."
        )
    shown = shown[evenly(len(shown))]
    lab = srgb_to_lab(raster.rgb.reshape(-1, 3)[shown].T.copy())
    main = source_palette(lab, weight.ravel()[shown], colors)
    rgb = np.clip(lab_to_srgb(main.lab.T.astype(np.float32)).T, 0, 1)
    count = len(rgb)
    return Palette(rgb, tuple(_words(rgb)), (False,) * count, main.share, path.stem)


def report(palette: Palette) -> str:
    """The colours, their contrasts, and what colour-blind sight does to them."""
    title = f"{palette.name}: {len(palette.names)} colours"
    distinct = palette.distinct()
    parts = [_colors(palette)]
    if len(distinct.names) > 1:
        parts += [_contrast(distinct), _confusions(distinct)]
    return "\n\n".join([title, *parts])


def _words(rgb: Floats) -> list[str]:
    """The most probable of the eleven basic names, for each colour."""
    return [NAMES[index] for index in name_probabilities(rgb).argmax(axis=-1)]


def _codes(palette: Palette) -> list[str]:
    return [f"#{bytes(color).hex()}" for color in palette.codes()]


def _colors(palette: Palette) -> str:
    """A line for each colour: code, basic name, share, own name, lock."""
    rows = []
    for i, (code, word) in enumerate(zip(_codes(palette), _words(palette.rgb), strict=True)):
        share = "" if palette.weights is None else f"{palette.weights[i]:4.0%}"
        own = palette.names[i] if palette.names[i] != word else ""
        locked = LOCKED if palette.locked[i] else ""
        rows.append([code, word, share, own, locked])
    return _table(rows)


def _contrast(palette: Palette) -> str:
    ratios = palette_checks.contrast(palette.rgb)
    pairs = ratios[np.triu_indices(len(ratios), 1)]
    lines = [
        f"Contrast (WCAG 2), {len(pairs)} pairs:",
        f"  {(pairs >= TEXT).sum()} of {TEXT}:1 or more, enough for text",
        f"  {((pairs >= SHAPES) & (pairs < TEXT)).sum()} of {SHAPES:g}:1 or more, enough for "
        "large text and shapes",
        f"  {(pairs < SHAPES).sum()} below {SHAPES:g}:1",
    ]
    if len(ratios) <= MOST_LISTED:
        codes = _codes(palette)
        rows = [
            [code, *(f"{ratio:7.1f}" if j < i else "" for j, ratio in enumerate(row))]
            for i, (code, row) in enumerate(zip(codes, ratios, strict=True))
        ]
        lines.append(_table([["", *codes[:-1]], *[row[:-1] for row in rows[1:]]]))
    return "\n".join(lines)


def _confusions(palette: Palette) -> str:
    codes, lines = _codes(palette), []
    for sight in SIGHTS:
        found = palette_checks.confusions(palette.rgb, sight)
        lines += [
            f"  {sight}: {codes[pair.first]} and {codes[pair.second]} "
            f"(ΔE00 {pair.normal:.0f} becomes {pair.seen:.1f})"
            for pair in found[:MOST_LISTED]
        ]
        if len(found) > MOST_LISTED:
            lines.append(f"  {sight}: and {len(found) - MOST_LISTED} pairs more")
    if not lines:
        return "Colour-blind sight tells apart all colours that are plainly different."
    return "\n".join(["Hardly told apart by colour-blind sight:", *lines])


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(f"  {line}" for line in lines)
