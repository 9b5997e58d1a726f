"""A layer seen from afar: every n-th pixel as 8-bit BGRA. No Qt and no Krita in here."""

import struct
from functools import lru_cache
from typing import Callable, Iterable, List, NamedTuple, Tuple

from .ipc.planes import DEPTH_BYTES, Buffer
from .pixels import CHANNELS, DEPTHS, Drawn, Format, Pixels

PIXEL = 4
"""Bytes of a sample."""
LINEAR_MARK = "-g10"
"""What the names of Krita's linear profiles have in them; all others are taken to be like sRGB."""


class Samples(NamedTuple):
    """Straight 8-bit BGRA, width x height x 4 bytes, rows packed."""

    width: int
    height: int
    data: bytearray


def of_drawn(layer: Drawn, canvas: Tuple[int, int], step: int) -> Samples:
    """The canvas (width, height) with nothing but a result layer on it, every `step`-th pixel."""
    return _samples(layer.format, layer.x, layer.width, layer.strips, canvas, step)


def of_pixels(layer: Pixels, step: int) -> Samples:
    """Every `step`-th pixel of a layer as it was read."""
    row, top, parts = layer.width * layer.format.pixel_bytes, 0, []
    for strip in layer.strips:
        rows = memoryview(strip).nbytes // row
        parts.append((top, rows, strip))
        top += rows
    return _samples(layer.format, 0, layer.width, parts, (layer.width, layer.height), step)


def _samples(
    own: Format,
    x: int,
    width: int,
    parts: Iterable[Tuple[int, int, Buffer]],
    canvas: Tuple[int, int],
    step: int,
) -> Samples:
    """x: column of the parts' first pixel. parts: first row, number of rows, Krita's bytes."""
    columns, rows = -(-canvas[0] // step), -(-canvas[1] // step)
    samples = Samples(columns, rows, bytearray(PIXEL * columns * rows))
    # The first column that is on the canvas and a multiple of `step`.
    left = max(0, -(-x // step)) * step
    right = min(x + width, canvas[0])
    if left >= right:
        return samples
    size = own.pixel_bytes
    for top, count, data in parts:
        part = memoryview(data).cast("B")
        for y in range(max(0, -(-top // step)) * step, min(top + count, canvas[1]), step):
            first = ((y - top) * width - x) * size
            row = _bgra(own, part[first + left * size : first + right * size], step)
            place = PIXEL * (y // step * columns + left // step)
            samples.data[place : place + len(row)] = row
    return samples


def _bgra(own: Format, row: memoryview, step: int) -> bytearray:
    """Every `step`-th pixel of a row."""
    size, sample, count = own.pixel_bytes, DEPTH_BYTES[DEPTHS[own.depth]], CHANNELS[own.model]
    is_linear = LINEAR_MARK in own.profile
    channels: List[bytes] = []
    for channel in range(count):
        is_alpha = channel == count - 1
        convert = _converter(own.depth, is_linear and not is_alpha)
        channels.append(convert(row[channel * sample :], step * size))
    if count == CHANNELS["GRAYA"]:
        channels = [channels[0]] * 3 + [channels[1]]
    elif not own.is_bgra:
        channels = [channels[2], channels[1], channels[0], channels[3]]
    pixels = bytearray(PIXEL * len(channels[0]))
    for place, values in enumerate(channels):
        pixels[place::PIXEL] = values
    return pixels


def _converter(depth: str, is_linear: bool) -> Callable[[memoryview, int], bytes]:
    """What makes 8-bit codes of the samples that stand `stride` bytes apart."""
    codes = _codes(depth, is_linear)
    if depth == "U8":
        return lambda row, stride: row[::stride].tobytes().translate(codes)
    # A float's upper half is a float too, exact enough for eight bits.
    low = 2 if depth == "F32" else 0

    def convert(row: memoryview, stride: int) -> bytes:
        lower, upper = row[low::stride].tobytes(), row[low + 1 :: stride].tobytes()
        return bytes([codes[high << 8 | small] for small, high in zip(lower, upper)])

    return convert


@lru_cache(maxsize=None)
def _codes(depth: str, is_linear: bool) -> bytes:
    """8-bit sRGB codes of a sample's upper 16 bits, or of its 8."""
    if depth == "U8":
        values = [code / 255 for code in range(256)]
    elif depth == "U16":
        values = [code / 65535 for code in range(65536)]
    else:
        letter = "e" if depth == "F16" else "f"
        words = struct.pack("<65536H", *range(65536))
        if letter == "f":
            words = b"".join(b"\0\0" + words[i : i + 2] for i in range(0, len(words), 2))
        values = list(struct.unpack(f"<65536{letter}", words))
    return bytes([_code(value, is_linear) for value in values])


def _code(value: float, is_linear: bool) -> int:
    # NaN is not above 0 either.
    if not value > 0:
        return 0
    if value >= 1:
        return 255
    if is_linear:
        value = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(255 * value)
