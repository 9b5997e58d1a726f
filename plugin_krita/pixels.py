"""Krita's bytes as planes, and planes as Krita's bytes. No Qt and no Krita in here.

Krita keeps whole-number RGB as BGRA and float RGB as RGBA.
"""

import mmap
from typing import Any, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .ipc.planes import DEPTH_BYTES, Buffer, Plane

STRIP_ROWS = 256
STRIP_BYTES = 1 << 20
"""Krita takes one to three milliseconds to give or take that much."""

PIECE_BYTES = 1 << 17
"""What is rearranged at once: meanwhile no other Python code runs, the docker's neither."""
MASK = "A"
"""Krita's model of selections."""
CHANNELS = {"RGBA": 4, "GRAYA": 2, MASK: 1}
DEPTHS = {"U8": "u8", "U16": "u16", "F16": "f16", "F32": "f32"}
OPAQUE = {"U8": 0xFF, "U16": 0xFF, "F16": 0x3C, "F32": 0x3F}
"""The highest byte of an alpha sample that is 1 (for floats: or a little less or more)."""
HALF = bytes(128) + b"\xff" * 128
"""What 8-bit coverages become: nothing or all, from half on."""

SRGB, GREY, LINEAR = (
    "sRGB-elle-V2-srgbtrc.icc",
    "Gray-D50-elle-V2-srgbtrc.icc",
    "sRGB-elle-V2-g10.icc",
)


class Format(NamedTuple):
    """A colour space by Krita's names for its model, depth and profile."""

    model: str
    depth: str
    profile: str

    @property
    def is_known(self) -> bool:
        """Whether a plane can hold it; other models are converted by Krita first."""
        return self.model in CHANNELS and self.depth in DEPTHS

    @property
    def sample_bytes(self) -> int:
        """Size of a channel of a pixel in bytes."""
        return DEPTH_BYTES[DEPTHS[self.depth]]

    @property
    def pixel_bytes(self) -> int:
        """Size of a pixel in bytes."""
        return CHANNELS[self.model] * self.sample_bytes

    @property
    def is_bgra(self) -> bool:
        """Whether Krita keeps red and blue the other way round than a plane."""
        return self.model == "RGBA" and self.depth in ("U8", "U16")

    @property
    def nearest(self) -> "Format":
        """What a layer of this colour space is converted to where it cannot travel as it is."""
        is_float = self.depth in ("F16", "F32")
        return Format("RGBA", self.depth, LINEAR if is_float else SRGB)

    @classmethod
    def of(cls, plane: Plane, profile: Optional[str]) -> "Format":
        """The colour space for a result. profile: Krita's name of its profile; None is sRGB."""
        model = {channels: model for model, channels in CHANNELS.items()}[plane.channels]
        depth = {depth: krita for krita, depth in DEPTHS.items()}[plane.depth]
        return cls(model, depth, profile or (SRGB if model == "RGBA" else GREY))


class Pixels(NamedTuple):
    """What was read of a layer.

    strips: from top to bottom, together the whole canvas. remarks: what the artist should know.
    attributes: of the plane.
    """

    role: str
    name: str
    width: int
    height: int
    format: Format
    strips: Sequence[Buffer]
    remarks: Tuple[str, ...] = ()
    attributes: Mapping[str, Any] = {}


class Drawn(NamedTuple):
    """A result layer ready to be written.

    strips: first row, number of rows, Krita's bytes. group: names of the groups that it lies in,
    outermost first. variant: which of several results it is of, None where there is but one. of:
    number of the picture of a set.
    """

    name: str
    x: int
    width: int
    format: Format
    strips: List[Tuple[int, int, bytes]]
    opacity: float
    blending: str
    group: Tuple[str, ...] = ()
    variant: Optional[int] = None
    seed: Optional[int] = None
    of: int = 0


def strips(width: int, height: int, pixel_bytes: int) -> Iterator[Tuple[int, int]]:
    """First row and number of rows of the strips in which a layer is read or written."""
    rows = max(1, min(STRIP_ROWS, STRIP_BYTES // max(1, width * pixel_bytes)))
    for top in range(0, height, rows):
        yield top, min(rows, height - top)


def pack(pixels: Pixels, icc: Optional[bytes]) -> Plane:
    """The layer as a plane. icc: its profile's bytes, None for sRGB."""
    size = pixels.width * pixels.height * pixels.format.pixel_bytes
    # A bytearray would be zeroed while no other Python code, the interface's included, can run.
    data = memoryview(mmap.mmap(-1, size))
    position = 0
    for strip in pixels.strips:
        part = swapped(strip, pixels.format.depth) if pixels.format.is_bgra else memoryview(strip)
        data[position : position + len(part)] = part
        position += len(part)
    return Plane(
        role=pixels.role,
        name=pixels.name,
        width=pixels.width,
        height=pixels.height,
        channels=CHANNELS[pixels.format.model],
        depth=DEPTHS[pixels.format.depth],
        data=data,
        icc=icc,
        attributes=pixels.attributes,
    )


def unpack(plane: Plane, layer_format: Format) -> Drawn:
    """The result as Krita takes it."""
    row = plane.width * layer_format.pixel_bytes
    data = memoryview(plane.data).cast("B")
    parts = []
    for top, rows in strips(plane.width, plane.height, layer_format.pixel_bytes):
        part = data[top * row : (top + rows) * row]
        # Bytes, because a QByteArray is not made of a view.
        part = swapped(part, layer_format.depth) if layer_format.is_bgra else part
        parts.append((plane.y + top, rows, bytes(part)))
    metadata = plane.attributes.get("metadata", {})
    return Drawn(
        name=plane.name,
        x=plane.x,
        width=plane.width,
        format=layer_format,
        strips=parts,
        opacity=float(plane.attributes.get("opacity", 1.0)),
        blending=str(plane.attributes.get("blending", "normal")),
        group=tuple(str(name) for name in plane.attributes.get("group", ())),
        variant=metadata.get("variant"),
        seed=metadata.get("seed"),
        of=int(plane.attributes.get("of", 0)),
    )


def swapped(data: Buffer, depth: str) -> bytearray:
    """RGBA of BGRA pixels, or the other way round."""
    sample = DEPTH_BYTES[DEPTHS[depth]]
    source, result = bytes(data), bytearray(data)
    for start in range(0, len(source), PIECE_BYTES):
        end = start + PIECE_BYTES
        for byte in range(start, start + sample):
            blue, red, pixel = byte, 2 * sample + byte, 4 * sample
            result[blue:end:pixel] = source[red:end:pixel]
            result[red:end:pixel] = source[blue:end:pixel]
    return result


def painted(strokes: Iterable[Tuple[bytes, bytes]], size: int) -> bytes:
    """`size` bytes of pixels, 0 but for strokes; later strokes lie over earlier ones.

    strokes: a pixel, and how much of each pixel it covers, 8 bit; less than half is nothing.
    """
    pixels = 0
    for pixel, cover in strokes:
        if is_painted(cover):
            where, full = bytearray(size), cover.translate(HALF)
            for byte in range(len(pixel)):
                where[byte :: len(pixel)] = full
            colour = int.from_bytes(pixel * len(cover), "little")
            pixels ^= (pixels ^ colour) & int.from_bytes(where, "little")
    return pixels.to_bytes(size, "little")


def is_painted(cover: bytes) -> bool:
    """Whether a stroke covers half of any pixel, or more; 8 bit."""
    # Python tells at once whether all bytes are ASCII: less than 128.
    return not cover.isascii()


def is_paper(pixels: Pixels) -> bool:
    """Whether a line layer is ink on opaque paper rather than ink on nothing."""
    size = pixels.format.pixel_bytes
    opaque = sum(
        bytes(strip)[size - 1 :: size].count(OPAQUE[pixels.format.depth]) for strip in pixels.strips
    )
    return 2 * opaque > pixels.width * pixels.height
