"""A plane: raw pixels and what they are, as they cross the wire.

Straight (un-premultiplied) alpha, RGBA or grey(+alpha) order, little-endian, rows packed.
"""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Dict, Iterable, Mapping, Optional, Tuple, Union

from .errors import LimnerError

Buffer = Union[bytes, bytearray, memoryview]

DEPTH_BYTES = {"u8": 1, "u16": 2, "f16": 2, "f32": 4}
MAX_SIDE = 1 << 17
LOCKED = "[locked]"
"""A name of a palette's colour that ends in it locks the colour."""


def digest_of(data: Buffer) -> str:
    """sha256 of `data` in hexadecimal: the name of a frame on the wire."""
    return hashlib.sha256(data).hexdigest()


def split_lock(name: str) -> Tuple[str, bool]:
    """A colour's own name, and whether its full one locks it."""
    locked = name.endswith(LOCKED)
    return (name[: -len(LOCKED)].rstrip() if locked else name), locked


def palette_attributes(colours: Iterable[Tuple[str, bool]]) -> Dict[str, Any]:
    """The attributes of a palette's plane. colours: the name of each, and whether it is locked."""
    pairs = list(colours)
    names, locked = [name for name, _ in pairs], [lock for _, lock in pairs]
    return {
        **({"names": names} if any(names) else {}),
        **({"locked": locked} if any(locked) else {}),
    }


@dataclass(frozen=True)
class Plane:
    """Pixels of one layer at their place in the document.

    channels: 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA. depth: u8, u16, f16 or f32. icc: the ICC
    profile's bytes, or None for sRGB (grey: the sRGB tone curve). attributes: what a result layer
    carries beside its pixels (kind, blending, opacity, group, exact, of, metadata), or a palette
    (names, locked).
    """

    role: str
    name: str
    width: int
    height: int
    channels: int
    depth: str
    data: Buffer = field(repr=False)
    x: int = 0
    y: int = 0
    icc: Optional[bytes] = field(default=None, repr=False)
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.channels not in (1, 2, 3, 4) or self.depth not in DEPTH_BYTES:
            raise _malformed(f"{self.channels} channels of depth {self.depth!r}")
        if not (0 <= self.width <= MAX_SIDE and 0 <= self.height <= MAX_SIDE):
            raise _malformed(f"a size of {self.width} x {self.height}")
        if memoryview(self.data).nbytes != self.byte_count:
            raise _malformed(
                f"{memoryview(self.data).nbytes} bytes of pixels instead of {self.byte_count}"
            )

    @property
    def byte_count(self) -> int:
        """Size of the pixels in bytes."""
        return self.width * self.height * self.channels * DEPTH_BYTES[self.depth]

    @cached_property
    def digest(self) -> str:
        """sha256 of the pixels, which must not change any more; the first call passes over them."""
        return digest_of(self.data)

    def describe(self, digest: str) -> Dict[str, Any]:
        """The plane's description in a message's header; `digest` names its pixels' frame."""
        return {
            "role": self.role,
            "name": self.name,
            "width": self.width,
            "height": self.height,
            "x": self.x,
            "y": self.y,
            "channels": self.channels,
            "depth": self.depth,
            "digest": digest,
            "icc": None if self.icc is None else digest_of(self.icc),
            **({"attributes": dict(self.attributes)} if self.attributes else {}),
        }

    @classmethod
    def from_description(cls, fields: Mapping[str, Any], frames: Mapping[str, Buffer]) -> "Plane":
        """The plane of a description, its pixels and profile looked up in `frames` by digest.

        Raises LimnerError bad-message where a field is missing or wrong.
        """
        try:
            numbers = {k: fields[k] for k in ("width", "height", "x", "y", "channels")}
            if any(type(v) is not int or abs(v) > 1 << 31 for v in numbers.values()):
                raise TypeError("a size or place is not a whole number")
            icc = fields.get("icc")
            return cls(
                role=str(fields["role"]),
                name=str(fields["name"]),
                depth=str(fields["depth"]),
                data=frames[fields["digest"]],
                icc=None if icc is None else bytes(frames[icc]),
                attributes=dict(fields.get("attributes", {})),
                **numbers,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _malformed(f"no usable description ({error})") from error


def is_opaque(plane: Plane) -> bool:
    """Whether no pixel lets anything through that lies under it."""
    pixels = plane.width * plane.height
    return plane.channels in (1, 3) or _alpha(plane) == _ONE[plane.depth] * pixels


def coverage(plane: Plane) -> Plane:
    """A layer as a mask: inside is where it has pixels, softly; an opaque one is as it was.

    So an opaque layer, as any mask, counts by its brightness. The values are not changed.
    """
    if is_opaque(plane):
        return plane
    return replace(plane, channels=1, data=_alpha(plane), icc=None)


_ONE = {"u8": b"\xff", "u16": b"\xff\xff", "f16": b"\x00\x3c", "f32": b"\x00\x00\x80\x3f"}


_PIECE = 1 << 18
"""Pixels handled at once; an editor's interface stands still meanwhile."""


def _alpha(plane: Plane) -> bytearray:
    sample = DEPTH_BYTES[plane.depth]
    pixel, alpha = plane.channels * sample, bytearray()
    data = memoryview(plane.data).cast("B")
    for first in range(0, len(data), _PIECE * pixel):
        piece = bytes(data[first : first + _PIECE * pixel])
        part = bytearray(len(piece) // plane.channels)
        for byte in range(sample):
            part[byte::sample] = piece[pixel - sample + byte :: pixel]
        alpha += part
    return alpha


def _malformed(what: str) -> LimnerError:
    return LimnerError(
        "bad-message",
        f"A layer came with {what}.",
        "Update the plug-in and the engine to the same version and try again.",
    )
