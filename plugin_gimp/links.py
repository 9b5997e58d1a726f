"""Links: a picture's main colours, and what the artist wants each to become.

As text, for scripts and for GIMP to remember: "#b04030>#2060a0, #336699>#336699, #888888". The
first becomes blue, the second stays as it is, and the operation chooses what the third becomes. A
colour that is no hex code is written as in CSS, "color(srgb 0.5 0.25 1.2)". Of several pictures the
links of each, from top to bottom, are parted by ";"; those of which nothing is said are left to the
operation.
"""

import re
import struct
from typing import List, NamedTuple, Optional, Sequence, Tuple

from .ipc.catalog import Input
from .ipc.errors import LimnerError
from .ipc.planes import Plane

SEPARATOR = ";"
"""Stands between the links of two pictures."""
_PIXEL = struct.Struct("<4f")
_NUMBER = r"-?\d*\.?\d+(?:e[+-]?\d+)?"
_COLOUR = rf"#[0-9a-f]{{6}}|color\(srgb(?: +{_NUMBER}){{3}} *\)"
_LINK = re.compile(rf"({_COLOUR})(?:>({_COLOUR}))?", re.ASCII)
_HALF_STEP = 0.5 / 65535


class Link(NamedTuple):
    """A main colour and what it becomes, as text. target: None where the operation chooses."""

    source: str
    target: Optional[str] = None

    @property
    def is_locked(self) -> bool:
        """Whether the colour stays as it is."""
        return self.source == self.target


def rgb_of(colour: str) -> Tuple[float, ...]:
    """Red, green and blue of a colour's text, sRGB-encoded; may lie outside [0, 1]."""
    if colour.startswith("#"):
        return tuple(byte / 255 for byte in bytes.fromhex(colour[1:]))
    return tuple(float(part) for part in colour[:-1].split()[1:])


def colour_of(rgb: Sequence[float]) -> str:
    """A colour as text: a hex code where that says it as finely as 16 bits can."""
    code = _code(rgb)
    is_fine = all(abs(own - part) < _HALF_STEP for own, part in zip(rgb, rgb_of(code)))
    return code if is_fine else _exact(rgb)


def _exact(rgb: Sequence[float]) -> str:
    """A colour of 32-bit floats as text that says each bit."""
    return "color(srgb {:.9g} {:.9g} {:.9g})".format(*rgb)


def shown(colour: str) -> str:
    """The hex code of what a colour looks like."""
    return _code(rgb_of(colour))


def _code(rgb: Sequence[float]) -> str:
    return "#" + bytes(round(255 * min(1.0, max(0.0, part))) for part in rgb).hex()


def read(text: str) -> List[Link]:
    """The links that a text says. Raises LimnerError bad-parameter."""
    words = [word.strip().lower() for word in text.split(",")] if text.strip() else []
    found = [_LINK.fullmatch(word) for word in words]
    if None in found:
        raise LimnerError(
            "bad-parameter",
            f"The link '{words[found.index(None)]}' does not say which colour becomes which.",
            "Give links like '#b04030>#2060a0, #888888' and run again.",
        )
    return [Link(*match.groups()) for match in found if match]


def read_each(text: str, count: int) -> List[List[Link]]:
    """The links of each of so many pictures. Raises LimnerError bad-parameter."""
    if not text.strip():
        return [[] for _ in range(count)]
    parts = text.split(SEPARATOR)
    if len(parts) != count:
        raise LimnerError(
            "bad-parameter",
            f"The links are of {len(parts)} pictures, and {count} are selected.",
            "Give links for each picture, from top to bottom, parted by ';', or none.",
        )
    return [read(part) for part in parts]


def part(text: str, number: int) -> str:
    """What a text says of the picture of that number; nothing where it says nothing of any."""
    return text.split(SEPARATOR)[number].strip() if text.strip() else ""


def write_each(links: Sequence[Sequence[Link]]) -> str:
    """The links of pictures as text; nothing where the operation chooses all."""
    return join([write(each) for each in links])


def join(parts: Sequence[str]) -> str:
    """The links of pictures, each as text, as one text; nothing where nothing is said of any."""
    return f"{SEPARATOR} ".join(parts) if any(parts) else ""


def planes(entry: Input, text: str, count: int) -> List[Plane]:
    """The links that a text says, for so many pictures where each has its own.

    Raises LimnerError bad-parameter.
    """
    each = read_each(text, count) if entry.repeatable else [read(text)]
    return [plane(entry.role, links) for links in each] if any(each) else []


def write(links: Sequence[Link]) -> str:
    """The links as text; nothing where the operation chooses all."""
    if not any(link.target for link in links):
        return ""
    return ", ".join(f"{link.source}>{link.target}" if link.target else link[0] for link in links)


def plane(role: str, links: Sequence[Link]) -> Plane:
    """The links as the engine takes them: 2 rows of RGBA, free ones transparent below.

    Where there are none, all is free.
    """
    if not links:
        return Plane(role, "Links", 1, 2, 4, "f32", bytes(2 * _PIXEL.size))
    above = [_rgba(link.source, 1.0) for link in links]
    below = [_rgba(link.target or link.source, 1.0 if link.target else 0.0) for link in links]
    return Plane(role, "Links", len(links), 2, 4, "f32", b"".join(above + below))


def sources(plane: Plane) -> List[str]:
    """The main colours of swatches that the engine gave (2 rows of RGBA), exactly, as texts."""
    above = memoryview(plane.data).cast("B")[: plane.width * _PIXEL.size]
    return [_exact(pixel[:3]) for pixel in _PIXEL.iter_unpack(above)]


def _rgba(colour: str, alpha: float) -> bytes:
    return _PIXEL.pack(*rgb_of(colour), alpha)
