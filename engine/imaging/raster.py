"""Planes as float32 sRGB pictures, and back: the door that every pixel passes twice.

At the exit an untouched pixel keeps its own code values, whatever its depth, model and profile;
the others are dithered at 8 bit unless the layer is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine import machine
from engine.imaging.icc import Floats, Profile, icc_channels, profile_of
from ipc.errors import LimnerError
from ipc.planes import DEPTH_BYTES, Plane

if TYPE_CHECKING:
    from engine.job import Layer

Codes = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

DTYPES = {name: np.dtype(f"<{name[0]}{size}") for name, size in DEPTH_BYTES.items()}
LARGEST = 65504.0
"""Float samples beyond it (half float's largest), infinities too, count as it; NaN counts as 0."""

EXACT = 1 / 512
"""Of an 8-bit code: values this near to a code take it, whatever the dither says."""
STRIP_PIXELS = 1 << 15
TABLE_COLUMNS = 256
PAINTED = 0.5
"""Alpha from which on a pixel counts as painted."""


@dataclass(frozen=True)
class Raster:
    """A picture at its place in the document.

    rgb: float32 H x W x 3, sRGB-encoded, nominally [0, 1], unbounded (negative = outside sRGB,
    mirrored curve). alpha: float32 H x W in [0, 1], straight, or None where there is none.
    """

    rgb: Floats
    alpha: Floats | None = None
    x: int = 0
    y: int = 0

    @property
    def width(self) -> int:
        """Pixels in a row."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.rgb.shape[0])

    @classmethod
    def of_rgba(cls, rgba: Floats, x: int = 0, y: int = 0) -> Raster:
        """The raster of H x W x 4 pixels, which it shares."""
        return cls(rgba[..., :3], rgba[..., 3], x, y)

    def marks(self) -> Marks:
        """Its painted pixels."""
        painted = np.ones(self.rgb.shape[:2], bool) if self.alpha is None else self.alpha >= PAINTED
        return Marks((self.height, self.width), np.flatnonzero(painted), self.rgb[painted])

    def rgba(self) -> Floats:
        """The pixels as H x W x 4, a copy; alpha is 1 where there is none."""
        pixels = np.empty((self.height, self.width, 4), np.float32)

        def copy(rows: slice) -> None:
            # By channels: of three numbers at a time numpy copies much slower.
            for channel in range(3):
                pixels[rows, :, channel] = self.rgb[rows, :, channel]
            pixels[rows, :, 3] = 1 if self.alpha is None else self.alpha[rows]

        by_strips(pixels.shape[:2], copy)
        return pixels


@dataclass(frozen=True)
class Marks:
    """The painted pixels of a picture: alpha of PAINTED or more.

    shape: H, W. place: N, row by row. rgb: float32 N x 3, as in Raster.
    """

    shape: tuple[int, int]
    place: Ints
    rgb: Floats


@dataclass(frozen=True)
class PixelFormat:
    """How pixels are stored: channels, depth and ICC profile as in ipc.planes.Plane."""

    channels: int
    depth: str
    icc: bytes | None = None

    @classmethod
    def of(cls, plane: Plane) -> PixelFormat:
        """The format of a plane."""
        return cls(plane.channels, plane.depth, plane.icc)

    @property
    def colours(self) -> int:
        """Colour channels: 1 grey or 3 RGB."""
        return 1 if self.channels < 3 else 3

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.channels % 2 == 0

    def for_colour_layer(self) -> PixelFormat:
        """RGBA of the same depth, for a colour layer in a document of this format.

        Keeps the profile where it is an RGB one; a grey document's colour layer is sRGB.
        """
        keeps = self.icc is not None and icc_channels(self.icc) == 3
        return replace(self, channels=4, icc=self.icc if keeps else None)

    @property
    def profile(self) -> Profile:
        """The conversion between samples and colours; errors as in icc.profile_of."""
        return profile_of(self.icc, self.colours)


def has_colour(rgb: Floats, tolerance: float = 0.0) -> bool:
    """Whether a pixel's channels (H x W x 3 or more) differ by more than the tolerance."""
    red, green, blue = (rgb[..., channel] for channel in range(3))
    return bool((np.abs(red - green) > tolerance).any() or (np.abs(green - blue) > tolerance).any())


def decode(plane: Plane) -> Raster:
    """The plane's colours and alpha.

    Raises LimnerError empty-layer for a plane without a pixel, and as icc.profile_of does.
    """
    codes, pixel_format = codes_of(plane), PixelFormat.of(plane)
    rgb = np.empty((plane.height, plane.width, 3), np.float32)
    alpha = np.empty(rgb.shape[:2], np.float32) if pixel_format.has_alpha else None

    def decode_strip(rows: slice) -> None:
        _decode_rows(codes[rows], pixel_format, rgb[rows])
        if alpha is not None:
            alpha[rows] = _alpha(codes[rows])

    by_strips(rgb.shape[:2], decode_strip)
    return Raster(rgb, alpha, plane.x, plane.y)


def decode_marks(plane: Plane, width: int, height: int) -> Marks:
    """The painted pixels of a plane on a canvas of that size; errors as in decode."""
    codes, pixel_format = codes_of(plane), PixelFormat.of(plane)
    left, top = max(plane.x, 0), max(plane.y, 0)
    right, bottom = min(plane.x + plane.width, width), min(plane.y + plane.height, height)
    rows = slice(top - plane.y, max(bottom - plane.y, 0))
    codes = codes[rows, left - plane.x : max(right - plane.x, 0)]
    painted = np.ones(codes.shape[:2], bool)
    if pixel_format.has_alpha:
        # The least code of PAINTED: an odd number of steps, so that its half is no code.
        least = PAINTED if codes.dtype.kind == "f" else np.iinfo(codes.dtype).max // 2 + 1
        painted = codes[..., -1] >= least
    # Much quicker than np.nonzero where little is painted.
    row, column = np.divmod(np.flatnonzero(painted), codes.shape[1])
    rgb = np.empty((1, len(row), 3), np.float32)
    _decode_rows(codes[row, column][np.newaxis], pixel_format, rgb)
    return Marks((height, width), (row + top) * width + column + left, rgb[0])


def encode(
    raster: Raster,
    pixel_format: PixelFormat,
    *,
    exact: bool = False,
    source: Plane | None = None,
    seed: int = 0,
    role: str = "",
    name: str = "",
) -> Plane:
    """The raster as a plane of that format, at its place.

    exact: rounded to the nearest code, never dithered. source: a plane of the same size and format
    that the raster came from; where a pixel equals the source's, it takes the source's own codes.
    seed: of the dither. Alpha is rounded, never dithered, and dropped where the format has none;
    grey takes the luminance. Raises ValueError where source does not fit, and as decode does.
    """
    height, width = raster.rgb.shape[:2]
    if not height or not width:
        raise _empty()
    codes = np.empty((height, width, pixel_format.channels), DTYPES[pixel_format.depth])
    dither = None if exact or pixel_format.depth != "u8" else seed
    kept = _kept_codes(source, codes, pixel_format)

    def encode_strip(rows: slice) -> None:
        _encode_rows(raster, rows, pixel_format, codes, dither)
        if kept is not None:
            same = _untouched(raster, rows, kept[rows], pixel_format)
            np.copyto(codes[rows], kept[rows], where=same[..., np.newaxis])

    by_strips((height, width), encode_strip)
    return _plane(codes, pixel_format, raster.x, raster.y, role, name)


def encode_layer(
    layer: Layer, pixel_format: PixelFormat, *, source: Plane | None = None, seed: int = 0
) -> Plane:
    """A result layer as the plane that carries it, with what it is in the attributes.

    Colour layers take `pixel_format`; masks are 8-bit grey (255 = inside), labels 16-bit grey (the
    numbers themselves), palettes float RGBA, cubes float RGB. source, seed: as in encode.
    """
    if layer.kind == "mask":
        codes = _codes(layer.pixels, DTYPES["u8"], 0.5)
        plane = _plane(codes, PixelFormat(1, "u8"), layer.x, layer.y)
    elif layer.kind == "labels":
        codes = np.ascontiguousarray(layer.pixels, DTYPES["u16"])
        plane = _plane(codes, PixelFormat(1, "u16"), layer.x, layer.y)
    elif layer.kind == "palette":
        plane = encode(Raster.of_rgba(layer.pixels), PixelFormat(4, "f32"))
    elif layer.kind == "cube":
        plane = encode(Raster(layer.pixels), PixelFormat(3, "f32"))
    elif layer.table is not None:
        plane = _encode_by_table(layer.pixels, layer.table, pixel_format, layer.x, layer.y)
    else:
        raster = Raster.of_rgba(layer.pixels, layer.x, layer.y)
        plane = encode(raster, pixel_format, exact=layer.exact, source=source, seed=seed)
    attributes = {
        "kind": layer.kind,
        "blending": layer.blending,
        "opacity": layer.opacity,
        "group": list(layer.group),
        "exact": layer.exact,
        "of": layer.of,
        "metadata": dict(layer.metadata),
    }
    return replace(plane, role=layer.role, name=layer.name, attributes=attributes)


def _encode_by_table(
    rows: npt.NDArray[np.integer[Any]], table: Floats, pixel_format: PixelFormat, x: int, y: int
) -> Plane:
    """A picture of few colours as a plane, never dithered; rows: of the table, for each pixel."""
    # In rows, as no picture is as wide as a table can be long.
    padded = np.pad(table, [(0, -len(table) % TABLE_COLUMNS), (0, 0)])
    square = padded.reshape(-1, TABLE_COLUMNS, table.shape[1])
    colours = encode(Raster.of_rgba(square), pixel_format, exact=True)
    # Each colour's codes as one item, so that a pixel is one look-up.
    item = np.dtype(f"V{pixel_format.channels * DEPTH_BYTES[pixel_format.depth]}")
    items, picture = np.frombuffer(colours.data, item), np.empty(rows.shape, item)

    def encode_strip(strip: slice) -> None:
        picture[strip] = items[rows[strip]]

    by_strips(rows.shape, encode_strip)
    codes = picture.view(DTYPES[pixel_format.depth]).reshape(*rows.shape, pixel_format.channels)
    return _plane(codes, pixel_format, x, y)


def _plane(
    codes: Codes, pixel_format: PixelFormat, x: int, y: int, role: str = "", name: str = ""
) -> Plane:
    height, width = codes.shape[:2]
    return Plane(
        role=role,
        name=name,
        width=width,
        height=height,
        channels=pixel_format.channels,
        depth=pixel_format.depth,
        data=codes.data.cast("B"),
        x=x,
        y=y,
        icc=pixel_format.icc,
    )


def window(raster: Raster, x: int, y: int, width: int, height: int) -> Raster:
    """What the raster shows in a rectangle of the document, transparent where it has no pixel.

    The raster itself where it is exactly that rectangle.
    """
    if (raster.x, raster.y, raster.width, raster.height) == (x, y, width, height):
        return raster
    rgb = np.zeros((height, width, 3), np.float32)
    alpha = np.zeros((height, width), np.float32)
    left, top = max(raster.x, x), max(raster.y, y)
    right = min(raster.x + raster.width, x + width)
    bottom = min(raster.y + raster.height, y + height)
    if right > left and bottom > top:
        there = np.s_[top - y : bottom - y, left - x : right - x]
        here = np.s_[top - raster.y : bottom - raster.y, left - raster.x : right - raster.x]
        rgb[there] = raster.rgb[here]
        alpha[there] = 1 if raster.alpha is None else raster.alpha[here]
    return Raster(rgb, alpha, x, y)


def on_canvas(raster: Raster, width: int, height: int) -> Raster:
    """The raster on the document's canvas: cut to it and padded with transparency."""
    return window(raster, 0, 0, width, height)


def codes_of(plane: Plane) -> Codes:
    """The plane's codes, H x W x channels, not copied. Raises LimnerError empty-layer."""
    if not plane.width or not plane.height:
        raise _empty()
    codes = np.frombuffer(plane.data, DTYPES[plane.depth])
    return codes.reshape(plane.height, plane.width, plane.channels)


def _empty() -> LimnerError:
    return LimnerError(
        "empty-layer",
        "The layer has no pixels.",
        "Choose a layer with something on it and run again.",
    )


def by_strips(shape: tuple[int, ...], work: Callable[[slice], None]) -> None:
    """Calls `work` on slices of rows that together are the picture, on all processors.

    A strip fits the processor's cache, which makes the many passes over it cheap.
    """
    height, width = shape
    step = max(1, STRIP_PIXELS // width)
    strips = [slice(top, min(top + step, height)) for top in range(0, height, step)]
    workers = max(1, min(len(strips), machine.threads()))

    def work_in_turn(first: int) -> None:
        for strip in strips[first::workers]:
            work(strip)

    # Handing over each strip by itself would take as long as a light strip's work.
    with ThreadPoolExecutor(workers) as pool:
        others = pool.map(work_in_turn, range(1, workers))
        work_in_turn(0)
        for _ in others:
            pass


def _decode_rows(codes: Codes, pixel_format: PixelFormat, rgb: Floats) -> None:
    """Colours of a strip's codes, into `rgb`."""
    profile, colours = pixel_format.profile, pixel_format.colours
    planar = np.moveaxis(codes[..., :colours], -1, 0)
    if profile.by_channel and codes.dtype.itemsize < 4:
        table = _table(pixel_format)
        indices = planar.view(f"u{codes.dtype.itemsize}")
        for channel in range(3):
            row = table[channel].take(indices[channel % colours], mode="clip")
            rgb[..., channel] = row
    else:
        decoded = profile.decode(_samples(planar.reshape(colours, -1)))
        for channel in range(3):
            rgb[..., channel] = decoded[channel].reshape(rgb.shape[:2])


@lru_cache(maxsize=16)
def _table(pixel_format: PixelFormat) -> Floats:
    """Colour channels (3 x codes) of every code of a depth of up to 16 bits."""
    dtype = DTYPES[pixel_format.depth]
    every = np.arange(1 << 8 * dtype.itemsize).astype(f"u{dtype.itemsize}").view(dtype)
    samples = _samples(np.stack([every] * pixel_format.colours))
    return np.ascontiguousarray(pixel_format.profile.decode(samples))


def _samples(codes: Codes) -> Floats:
    """Codes as finite samples, nominally [0, 1]."""
    if codes.dtype.kind == "u":
        return np.divide(codes, np.float32(np.iinfo(codes.dtype).max), dtype=np.float32)
    return _finite(codes, LARGEST)


def _finite(values: Codes, limit: float) -> Floats:
    finite: Floats = np.clip(values, -limit, limit, dtype=np.float32)
    finite[np.isnan(finite)] = 0
    return finite


def _alpha(codes: Codes) -> Floats:
    """Alpha of a strip's codes, in [0, 1]."""
    return np.clip(_samples(codes[..., -1]), 0, 1)


def _encode_rows(
    raster: Raster, rows: slice, pixel_format: PixelFormat, codes: Codes, dither: int | None
) -> None:
    """Codes of a strip, into `codes`; dither: the dither's seed, or None to round."""
    strip = raster.rgb[rows]
    planar = pixel_format.profile.encode(np.moveaxis(strip, -1, 0).reshape(3, -1))
    if dither is None:
        threshold: Floats | float = 0.5
    else:
        threshold = _thresholds(rows, raster.width, raster.x, raster.y, dither)
    for channel, samples in enumerate(planar.reshape(-1, *strip.shape[:2])):
        codes[rows, :, channel] = _codes(samples, codes.dtype, threshold)
    if pixel_format.has_alpha:
        alpha = np.ones(1, np.float32) if raster.alpha is None else raster.alpha[rows]
        codes[rows, :, -1] = _codes(alpha, codes.dtype, 0.5)


def _codes(samples: Floats, dtype: np.dtype[Any], threshold: Floats | float) -> Codes:
    """The codes that samples lie at or, for whole-number depths, between.

    threshold: in (0, 1); the upper code is taken where the remainder and it reach 1 together.
    """
    if dtype.kind == "f":
        limit = LARGEST if dtype.itemsize == 2 else float(np.finfo(np.float32).max)
        return _finite(samples, limit).astype(dtype, copy=False)
    scale = np.float32(np.iinfo(dtype).max)
    scaled = samples * scale
    # fmax and fmin let NaN become 0, where clip would keep it and the cast would warn.
    np.fmax(scaled, np.float32(0), out=scaled)
    np.fmin(scaled, scale, out=scaled)
    scaled += threshold
    return scaled.astype(dtype)


def _thresholds(rows: slice, width: int, x: int, y: int, seed: int) -> Floats:
    """Ordered dither of a strip, H x W in (0, 1): the additive R2 sequence (Roberts 2018).

    Its values are spread evenly over every neighbourhood, so means are kept without clumps. All
    channels share it, so grey stays grey. EXACT keeps codes that are exact but for rounding.
    """
    across = np.arange(x, x + width, dtype=np.float64) * 0.7548776662466927
    down = np.arange(y + rows.start, y + rows.stop, dtype=np.float64) * 0.5698402909980532
    down += seed * 0.6180339887498949
    phase = (down % 1)[:, np.newaxis].astype(np.float32) + (across % 1).astype(np.float32)
    phase -= phase >= 1
    phase *= np.float32(1 - 2 * EXACT)
    phase += np.float32(EXACT)
    return phase


def _kept_codes(source: Plane | None, codes: Codes, pixel_format: PixelFormat) -> Codes | None:
    """The source's codes; None where there is no source, or nothing that a round trip can lose."""
    if source is None:
        return None
    kept = codes_of(source)
    if kept.shape != codes.shape or PixelFormat.of(source) != pixel_format:
        raise ValueError("the source plane is not of the raster's size and the wanted format")
    return None if pixel_format.profile.is_srgb and codes.dtype.kind == "u" else kept


def _untouched(raster: Raster, rows: slice, kept: Codes, pixel_format: PixelFormat) -> Bools:
    """Where a strip's pixels equal those that `kept` decodes to."""
    rgb = np.empty((*kept.shape[:2], 3), np.float32)
    _decode_rows(kept, pixel_format, rgb)
    different = rgb != raster.rgb[rows]
    same: Bools = ~(different[..., 0] | different[..., 1] | different[..., 2])
    if pixel_format.has_alpha:
        same &= _alpha(kept) == (1 if raster.alpha is None else raster.alpha[rows])
    return same
