"""Links: a picture's main colours, and what the artist wants each to become.

As text, for scripts and for GIMP to remember: "#b04030>#2060a0, #336699>#336699, #888888". The
first becomes blue, the second stays as it is, and the operation chooses what the third becomes.
Of several pictures the links of each, from top to bottom, are parted by ";"; those of which nothing
is said are left to the operation.
"""

import re
import struct
from typing import List, NamedTuple, Optional, Sequence

from .ipc.catalog import Input
from .ipc.errors import LimnerError
from .ipc.planes import Plane

_PIXEL = struct.Struct("<4f")
_LINK = re.compile(r"(#[0-9a-f]{6})(?:>(#[0-9a-f]{6}))?")


class Link(NamedTuple):
    """A main colour and what it becomes, as hex codes. target: None where the operation chooses."""

    source: str
    target: Optional[str] = None

    @property
    def is_locked(self) -> bool:
        """Whether the colour stays as it is."""
        return self.source == self.target


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
    parts = text.split(";")
    if len(parts) != count:
        raise LimnerError(
            "bad-parameter",
            f"The links are of {len(parts)} pictures, and {count} are selected.",
            "Give links for each picture, from top to bottom, parted by ';', or none.",
        )
    return [read(part) for part in parts]


def write_each(links: Sequence[Sequence[Link]]) -> str:
    """The links of pictures as text; nothing where the operation chooses all."""
    words = [write(each) for each in links]
    return "; ".join(words) if any(words) else ""


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


def _rgba(code: str, alpha: float) -> bytes:
    return _PIXEL.pack(*(byte / 255 for byte in bytes.fromhex(code[1:])), alpha)
