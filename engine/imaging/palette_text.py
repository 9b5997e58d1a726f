"""Palettes as text: GIMP's .gpl, lists of hex codes (.hex) and of CSS colours (.css, .txt)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.imaging.color import lab_to_srgb
from engine.imaging.palette_models import BadPaletteError, Color, Swatch, of_lab
from engine.imaging.palettes import Palette

UNTITLED = "Untitled"
"""What GIMP and Krita call a colour without a name."""

_GPL_HEAD = "GIMP Palette"
_GPL_COLOR = re.compile(r"\s*(\d+)\s+(\d+)\s+(\d+)(?:\s+(.*))?", re.ASCII)
_HEX_COLOR = re.compile(r"#?([0-9a-f]{6})", re.ASCII | re.IGNORECASE)
_NESTED = ("{} block", "() block", "[] block", "function")


def read_gpl(data: bytes) -> tuple[str, list[Swatch]]:
    """The palette's name and colours; columns and comments are read past."""
    head, *lines = _text(data).splitlines() or [""]
    if head.strip() != _GPL_HEAD:
        raise BadPaletteError(f"it does not begin with '{_GPL_HEAD}'")
    title, swatches = "", []
    for line in lines:
        if line.startswith("Name:"):
            title = line[5:]
        elif line.strip()[:1] in set("-0123456789") - {""}:
            swatches.append(_gpl_color(line))
    return title, swatches


def _gpl_color(line: str) -> Swatch:
    match = _GPL_COLOR.fullmatch(line)
    codes = [int(code) for code in match.groups()[:3]] if match else []
    if not match or max(codes) > 255:
        raise BadPaletteError("a line is not three numbers from 0 to 255")
    name = (match[4] or "").strip()
    red, green, blue = (code / 255 for code in codes)
    return Swatch((red, green, blue), "" if name == UNTITLED else name)


def write_gpl(palette: Palette) -> bytes:
    """The palette as GIMP writes it."""
    rows = [
        f"{r:3} {g:3} {b:3}\t{name or UNTITLED}"
        for (r, g, b), name in zip(palette.codes(), palette.names, strict=True)
    ]
    return _bytes([_GPL_HEAD, f"Name: {palette.name}", "#", *rows])


def read_hex(data: bytes) -> tuple[str, list[Swatch]]:
    """The colours, rrggbb on each line; lines that begin with ; are comments."""
    lines = [line.strip() for line in _text(data).splitlines()]
    return "", [Swatch(_hex_color(line)) for line in lines if line and line[0] != ";"]


def _hex_color(line: str) -> Color:
    match = _HEX_COLOR.fullmatch(line)
    if not match:
        raise BadPaletteError("a line is not six hexadecimal digits")
    red, green, blue = bytes.fromhex(match[1])
    return (red / 255, green / 255, blue / 255)


def write_hex(palette: Palette) -> bytes:
    """rrggbb, a line each."""
    return _bytes([bytes(color).hex() for color in palette.codes()])


def read_css(data: bytes) -> tuple[str, list[Swatch]]:
    """Every colour of CSS (Color Level 4) in the text, named by the --name that it is the value of.

    In a style sheet those within braces count, and those of a selector do not.
    """
    import tinycss2

    nodes = tinycss2.parse_component_value_list(_text(data), skip_comments=True)
    braces = [node for node in nodes if node.type == "{} block"]
    return "", list(_css_swatches(braces or nodes))


def _css_swatches(nodes: list[Any]) -> Iterator[Swatch]:
    name, open_lists = "", [iter(nodes)]
    while open_lists:
        node = next(open_lists[-1], None)
        if node is None:
            open_lists.pop()
        elif node.type == "ident" and node.value.startswith("--"):
            name = node.value[2:]
        elif node == ";":
            name = ""
        elif rgb := _css_color(node):
            yield Swatch(rgb, name)
            name = ""
        elif node.type in _NESTED:
            open_lists.append(iter(node.arguments if node.type == "function" else node.content))


def _css_color(node: Any) -> Color | None:
    """The colour that a node is; None for none, for one unseen and for spaces not known here."""
    from tinycss2 import color4

    color = color4.parse_color(node) if node.type in ("hash", "ident", "function") else None
    if not isinstance(color, color4.Color) or color.alpha == 0:
        return None
    if color.space in ("srgb", "hsl", "hwb"):
        red, green, blue = color.to("srgb").coordinates
    elif color.space in ("lab", "lch"):
        red, green, blue = of_lab(*color.to("lab").coordinates)
    elif color.space in ("oklab", "oklch"):
        lab = np.array(color.to("lab").coordinates, np.float32)[:, np.newaxis]
        red, green, blue = np.clip(lab_to_srgb(lab)[:, 0], 0, 1).tolist()
    else:
        return None
    return (red, green, blue)


def write_css(palette: Palette) -> bytes:
    """A :root rule with a custom property for each colour; a name's second one gets a number."""
    from tinycss2 import serialize_identifier

    taken: set[str] = set()
    rows = []
    for number, (color, name) in enumerate(zip(palette.codes(), palette.names, strict=True), 1):
        unique = name or f"color-{number}"
        while unique in taken:
            unique = f"{name or 'color'}-{number}"
            number += len(palette.names)
        taken.add(unique)
        rows.append(f"  {serialize_identifier('--' + unique)}: #{bytes(color).hex()};")
    return _bytes([":root {", *rows, "}"])


def _text(data: bytes) -> str:
    """Text of UTF-8, with or without its mark, or else of Latin-1."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _bytes(lines: list[str]) -> bytes:
    return "\n".join([*lines, ""]).encode()
