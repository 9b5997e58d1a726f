"""Adobe's palettes: swatch exchange (.ase), Photoshop swatches (.aco) and colour tables (.act).

Sources: Adobe Photoshop File Formats Specification (November 2019) for .aco and .act; .ase is not
published, and is read as other programs agree on it. All numbers are big-endian.
"""

from __future__ import annotations

import colorsys
import struct
from collections.abc import Iterator

from engine.imaging.palette_models import (
    BadPaletteError,
    Color,
    Swatch,
    of_cmyk,
    of_gray,
    of_lab,
)
from engine.imaging.palettes import Palette

ASE_COLOR, ASE_GROUP = 0x0001, 0xC001
ASE_NORMAL = 2
"""The kind of colour that is neither global nor a spot colour."""
ACT_COLORS = 256
ACT_OPAQUE = 0xFFFF
"""The transparent index of a table that has none."""


def read_ase(data: bytes) -> tuple[str, list[Swatch]]:
    """The colours of all groups, in order, and the group's name where there is but one."""
    magic, _, blocks = struct.unpack_from(">4s2I", data)
    if magic != b"ASEF":
        raise BadPaletteError("it does not begin with 'ASEF'")
    groups, swatches, at = [], [], 12
    for _ in range(blocks):
        kind, size = struct.unpack_from(">HI", data, at)
        block, at = data[at + 6 : at + 6 + size], at + 6 + size
        if kind == ASE_GROUP:
            groups.append(_ase_name(block)[0])
        elif kind == ASE_COLOR:
            name, rest = _ase_name(block)
            swatches.append(Swatch(_ase_color(rest), name))
    return groups[0] if len(groups) == 1 else "", swatches


def _ase_name(block: bytes) -> tuple[str, bytes]:
    """A block's name, and what follows it."""
    (units,) = struct.unpack_from(">H", block)
    return _text(block[2 : 2 + 2 * units]), block[2 + 2 * units :]


def _ase_color(block: bytes) -> Color:
    model = block[:4]
    if model == b"RGB ":
        red, green, blue = struct.unpack_from(">3f", block, 4)
        return (red, green, blue)
    if model == b"CMYK":
        return of_cmyk(*struct.unpack_from(">4f", block, 4))
    if model == b"LAB ":
        lightness, a, b = struct.unpack_from(">3f", block, 4)
        return of_lab(100 * lightness, a, b)
    if model.upper() == b"GRAY":
        return of_gray(*struct.unpack_from(">f", block, 4))
    raise BadPaletteError("it has a colour that is not RGB, CMYK, Lab or grey")


def write_ase(palette: Palette) -> bytes:
    """RGB colours with names, in no group, as every program finds them there."""
    blocks = [
        _ase_text(name) + struct.pack(">4s3fH", b"RGB ", *rgb, ASE_NORMAL)
        for rgb, name in zip(palette.rgb.tolist(), palette.names, strict=True)
    ]
    packed = (struct.pack(">HI", ASE_COLOR, len(block)) + block for block in blocks)
    return struct.pack(">4s2HI", b"ASEF", 1, 0, len(blocks)) + b"".join(packed)


def _ase_text(name: str) -> bytes:
    text = _utf16(name)
    return struct.pack(">H", len(text) // 2) + text


def read_aco(data: bytes) -> tuple[str, list[Swatch]]:
    """The colours, with names where the file has its second part (version 2)."""
    version, count = struct.unpack_from(">2H", data)
    if version not in (1, 2):
        raise BadPaletteError("it is not Photoshop's version 1 or 2")
    second = data[4 + 10 * count :] if version == 1 else data
    if second[:2] != b"\0\2":
        return "", [Swatch(_aco_color(data, 4 + 10 * i)) for i in range(count)]
    return "", list(_aco_named(second))


def _aco_named(data: bytes) -> Iterator[Swatch]:
    (count,), at = struct.unpack_from(">H", data, 2), 4
    for _ in range(count):
        (units,) = struct.unpack_from(">I", data, at + 10)
        end = at + 14 + 2 * units
        if end > len(data):
            raise BadPaletteError("it ends in the middle of a name")
        yield Swatch(_aco_color(data, at), _text(data[at + 14 : end]))
        at = end


def _aco_color(data: bytes, at: int) -> Color:
    space, *values = struct.unpack_from(">5H", data, at)
    parts = [value / 65535 for value in values]
    if space == 0:
        return (parts[0], parts[1], parts[2])
    if space == 1:
        return colorsys.hsv_to_rgb(*parts[:3])
    if space == 2:  # inverse: 0 is full ink
        return of_cmyk(*(1 - part for part in parts))
    if space == 7:
        lightness, a, b = struct.unpack_from(">H2h", data, at + 2)
        return of_lab(lightness / 100, a / 100, b / 100)
    if space == 8:  # ink, as GIMP reads it
        return of_gray(1 - values[0] / 10000)
    raise BadPaletteError("it has a colour that is not RGB, HSB, CMYK, Lab or grey")


def write_aco(palette: Palette) -> bytes:
    """Both parts: without names for old programs, and with them."""
    colors = [
        struct.pack(">5H", 0, *(round(65535 * min(max(c, 0.0), 1.0)) for c in rgb), 0)
        for rgb in palette.rgb.tolist()
    ]
    texts = [_utf16(name) for name in palette.names]
    named = (
        color + struct.pack(">I", len(text) // 2) + text
        for color, text in zip(colors, texts, strict=True)
    )
    first, second = (struct.pack(">2H", version, len(colors)) for version in (1, 2))
    return first + b"".join(colors) + second + b"".join(named)


def read_act(data: bytes) -> tuple[str, list[Swatch]]:
    """The table's colours: as many as its last bytes say, else all; not the transparent one."""
    if len(data) not in (3 * ACT_COLORS, 3 * ACT_COLORS + 4):
        raise BadPaletteError("a colour table has 768 or 772 bytes")
    count, transparent = ACT_COLORS, ACT_OPAQUE
    if len(data) > 3 * ACT_COLORS:
        count, transparent = struct.unpack_from(">2H", data, 3 * ACT_COLORS)
    if count > ACT_COLORS:
        raise BadPaletteError(f"a colour table has at most {ACT_COLORS} colours")
    codes = (data[3 * i : 3 * i + 3] for i in range(count) if i != transparent)
    return "", [Swatch((r / 255, g / 255, b / 255)) for r, g, b in codes]


def write_act(palette: Palette) -> bytes:
    """The table with its count. Raises BadPaletteError for more than 256 colours."""
    codes = palette.codes()
    if len(codes) > ACT_COLORS:
        raise BadPaletteError(f"a colour table holds {ACT_COLORS} colours")
    table = codes.tobytes().ljust(3 * ACT_COLORS, b"\0")
    return table + struct.pack(">2H", len(codes), ACT_OPAQUE)


def _text(data: bytes) -> str:
    return data.decode("utf-16-be", errors="replace").partition("\0")[0]


def _utf16(text: str) -> bytes:
    return (text + "\0").encode("utf-16-be")
