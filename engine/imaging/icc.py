"""ICC profiles as functions between a picture's samples and sRGB colours.

Matrix and grey profiles are computed here from their tags, in float and without bounds, so that
light above 1 and colours outside sRGB survive; profiles made of tables go through LittleCMS.
Samples and colours are planar: float32, channels x N, samples nominally [0, 1].
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ipc.errors import LimnerError

Floats = npt.NDArray[np.float32]

SRGB_TO_XYZ = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
"""Linear sRGB to XYZ, adapted to D50 (ICC.1, the usual sRGB profile's colorant tags)."""
LUMINANCE = SRGB_TO_XYZ[1] / SRGB_TO_XYZ[1].sum()

# A profile this near to sRGB is meant as sRGB: a quarter of an 8-bit code, below any difference
# that can be seen. Published sRGB profiles differ from each other by as much.
SAME_CURVE = 1e-3
SAME_MATRIX = 1.5e-3


class Profile(Protocol):
    """Between the samples of a picture and sRGB-encoded, unbounded colours.

    channels: 1 grey or 3 RGB. is_srgb: samples are sRGB-encoded as they stand. by_channel: each
    channel is converted by itself, so that a table can hold the conversion.
    """

    channels: int
    is_srgb: bool
    by_channel: bool

    def decode(self, samples: Floats) -> Floats:
        """Colours (3 x N) of samples (channels x N)."""

    def encode(self, colours: Floats) -> Floats:
        """Samples (channels x N) of colours (3 x N); grey takes their luminance."""


class Curve(Protocol):
    """A tone curve, mirrored at 0 so that negative values keep their sign."""

    def to_linear(self, samples: Floats) -> Floats:
        """Light of encoded samples."""

    def from_linear(self, light: Floats) -> Floats:
        """Encoded samples of light."""


@dataclass(frozen=True)
class ParametricCurve:
    """ICC.1 parametricCurveType, function 4: (ax + b)^g + e from d on, cx + f below it."""

    g: float
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 0.0
    f: float = 0.0

    def to_linear(self, samples: Floats) -> Floats:
        """Light of encoded samples."""
        if self.g == 1.0 and self.d == 0.0:
            return _mirrored(self.a * np.abs(samples) + (self.b + self.e), samples)
        size = np.abs(samples)
        base = np.maximum(self.a * size + self.b, 0)
        light = np.power(base, np.float32(self.g), out=base)
        light += np.float32(self.e)
        if self.d > 0:
            np.copyto(light, self.c * size + self.f, where=size < self.d)
        return _mirrored(light, samples)

    def from_linear(self, light: Floats) -> Floats:
        """Encoded samples of light."""
        if self.g == 1.0 and self.d == 0.0:
            return _mirrored((np.abs(light) - (self.b + self.e)) / self.a, light)
        size = np.abs(light)
        base = np.maximum(size - np.float32(self.e), 0)
        samples = np.power(base, np.float32(1 / self.g), out=base)
        samples -= np.float32(self.b)
        samples /= np.float32(self.a)
        if self.d > 0:
            knee = max(self.a * self.d + self.b, 0.0) ** self.g + self.e
            below = (size - self.f) / self.c if self.c else np.zeros_like(size)
            np.copyto(samples, np.maximum(below, 0), where=size < knee)
        return _mirrored(samples, light)


@dataclass(frozen=True, eq=False)
class SampledCurve:
    """A table over [0, 1], joined by straight lines; beyond 1 it goes on in proportion."""

    light: npt.NDArray[np.float64]

    def to_linear(self, samples: Floats) -> Floats:
        """Light of encoded samples."""
        size = np.abs(samples)
        light = np.interp(size, np.linspace(0, 1, len(self.light)), self.light)
        return _mirrored(light * np.maximum(size, 1), samples)

    def from_linear(self, light: Floats) -> Floats:
        """Encoded samples of light."""
        size = np.abs(light)
        rising = self.light if self.light[-1] >= self.light[0] else self.light[::-1]
        samples = np.interp(size, np.maximum.accumulate(rising), np.linspace(0, 1, len(rising)))
        if rising is not self.light:
            return _mirrored(1 - samples, light)
        return _mirrored(samples * np.maximum(size / self.light[-1], 1), light)


def _mirrored(sizes: npt.NDArray[np.floating], signs: Floats) -> Floats:
    sizes = sizes.astype(np.float32, copy=False)
    # Looking for a sign costs a tenth of copying it, and most strips have none.
    return np.copysign(sizes, signs) if signs.min() < 0 else sizes


SRGB = ParametricCurve(g=2.4, a=1 / 1.055, b=0.055 / 1.055, c=1 / 12.92, d=0.04045)
"""The sRGB curve (IEC 61966-2-1)."""


class CurveProfile:
    """A profile of tone curves and, where its primaries are not sRGB's, a matrix."""

    def __init__(self, curves: Sequence[Curve], to_srgb: npt.NDArray[np.float64] | None = None):
        """curves: one (grey) or three. to_srgb: linear light to linear sRGB, None for the same."""
        self.channels = len(curves)
        self.by_channel = to_srgb is None
        self.is_srgb = self.by_channel and all(curve is SRGB for curve in curves)
        self._curves = curves
        self._to_srgb = to_srgb
        self._from_srgb = None if to_srgb is None else np.linalg.inv(to_srgb)

    def decode(self, samples: Floats) -> Floats:
        """Colours (3 x N) of samples (channels x N)."""
        if self.is_srgb:
            return np.broadcast_to(samples, (3, samples.shape[1]))
        light = [curve.to_linear(row) for curve, row in zip(self._curves, samples, strict=True)]
        if self.channels == 1:
            return np.broadcast_to(SRGB.from_linear(light[0]), (3, light[0].size))
        return np.stack([SRGB.from_linear(row) for row in _mixed(self._to_srgb, light)])

    def encode(self, colours: Floats) -> Floats:
        """Samples (channels x N) of colours (3 x N); grey takes their luminance."""
        if self.is_srgb and self.channels == 3:
            return colours
        light = [SRGB.to_linear(row) for row in colours]
        if self.channels == 1:
            light = _mixed(LUMINANCE[np.newaxis], light)
        else:
            light = _mixed(self._from_srgb, light)
        return np.stack(
            [curve.from_linear(row) for curve, row in zip(self._curves, light, strict=True)]
        )


def _mixed(matrix: npt.NDArray[np.floating] | None, light: list[Floats]) -> list[Floats]:
    """The matrix applied to rows. One product at a time, where BLAS would round by position."""
    if matrix is None:
        return light
    rows = []
    for weights in matrix.astype(np.float32):
        row = light[0] * weights[0]
        row += light[1] * weights[1]
        row += light[2] * weights[2]
        rows.append(row)
    return rows


class TableProfile:
    """A profile of tables, converted by LittleCMS in float with the relative intent.

    The tables bound what they hold: samples and colours outside their range are clipped to it.
    """

    by_channel = False
    is_srgb = False

    def __init__(self, icc: bytes, channels: int) -> None:
        self.channels = channels
        self._icc = icc
        self._space = "gray" if channels == 1 else "rgb"

    def decode(self, samples: Floats) -> Floats:
        """Colours (3 x N) of samples (channels x N)."""
        light = _littlecms(samples, self._icc, _linear_srgb(), self._space, "rgb")
        return SRGB.from_linear(light)

    def encode(self, colours: Floats) -> Floats:
        """Samples (channels x N) of colours (3 x N); grey takes their luminance."""
        light = SRGB.to_linear(colours)
        return _littlecms(light, _linear_srgb(), self._icc, "rgb", self._space)


def _littlecms(values: Floats, source: bytes, target: bytes, space: str, into: str) -> Floats:
    import imagecodecs

    # LittleCMS takes rows of pixels: 1 x N for grey, 1 x N x 3 for RGB.
    pixels = values if len(values) == 1 else np.ascontiguousarray(values.T)[np.newaxis]
    try:
        result = imagecodecs.cms_transform(
            pixels,
            source,
            target,
            colorspace=space,
            outcolorspace=into,
            intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
        )
    except imagecodecs.CmsError as error:
        raise _unreadable("LittleCMS refuses it") from error
    return np.ascontiguousarray(result.reshape(values.shape[1], -1).T)


@lru_cache(maxsize=1)
def _linear_srgb() -> bytes:
    import imagecodecs

    profile: bytes = imagecodecs.cms_profile(
        "rgb",
        whitepoint=[0.3127, 0.3290],
        primaries=[0.64, 0.33, 0.30, 0.60, 0.15, 0.06],
        gamma=1.0,
    )
    return profile


@lru_cache(maxsize=32)
def profile_of(icc: bytes | None, channels: int) -> Profile:
    """The profile for 1 (grey) or 3 (RGB) channels; `icc` None means the sRGB curve or sRGB.

    Raises LimnerError unsupported-model for CMYK, Lab and the like, bad-profile for one that is
    damaged or made for another number of channels.
    """
    if icc is None:
        return CurveProfile([SRGB] * channels)
    try:
        return _parsed(icc, channels)
    except (struct.error, LookupError, ValueError, ArithmeticError) as error:
        raise _unreadable("it is damaged or incomplete") from error


def _parsed(icc: bytes, channels: int) -> Profile:
    if len(icc) < 132 or icc[36:40] != b"acsp":
        raise _unreadable("it is not an ICC profile")
    space = icc[16:20].decode("ascii", "replace").strip()
    if space not in ("RGB", "GRAY"):
        raise LimnerError(
            "unsupported-model",
            f"The colour profile is for {space}, and Limner works in RGB and grey.",
            "Convert the image or layer to RGB in the editor and run again.",
        )
    if channels != (3 if space == "RGB" else 1):
        raise _unreadable(f"it is for {space}, and the pixels have {channels} colour channel(s)")
    tags = _tags(icc)
    if "A2B0" in tags or "A2B1" in tags or icc[20:24] == b"Lab ":
        profile = TableProfile(icc, channels)
        profile.decode(np.zeros((channels, 1), np.float32))
        return profile
    if channels == 1:
        return CurveProfile([_curve(tags["kTRC"])])
    return CurveProfile([_curve(tags[f"{c}TRC"]) for c in "rgb"], _to_srgb(tags))


def icc_channels(icc: bytes) -> int | None:
    """How many colour channels a profile is for: 1 grey, 3 RGB, None anything else or damaged."""
    return {b"GRAY": 1, b"RGB ": 3}.get(icc[16:20])


def _tags(icc: bytes) -> Mapping[str, bytes]:
    (count,) = struct.unpack_from(">I", icc, 128)
    entries = (struct.unpack_from(">4sII", icc, 132 + 12 * i) for i in range(min(count, 100)))
    return {name.decode("ascii", "replace"): icc[at : at + size] for name, at, size in entries}


def _to_srgb(tags: Mapping[str, bytes]) -> npt.NDArray[np.float64] | None:
    """Linear light in the profile's primaries to linear sRGB, None where they are sRGB's."""
    primaries = [struct.unpack_from(">3i", tags[f"{c}XYZ"], 8) for c in "rgb"]
    matrix = np.linalg.solve(SRGB_TO_XYZ, np.array(primaries, np.float64).T / 65536)
    return None if np.abs(matrix - np.eye(3)).max() < SAME_MATRIX else matrix


def _curve(tag: bytes) -> Curve:
    """The tone curve of a TRC tag (curveType or parametricCurveType of ICC.1)."""
    curve: Curve
    if tag[:4] == b"para":
        curve = _parametric(tag)
    elif tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        entries = np.frombuffer(tag, ">u2", count, 12)
        if count == 0:
            curve = ParametricCurve(1.0)
        elif count == 1:
            curve = ParametricCurve(float(entries[0]) / 256)
        else:
            curve = SampledCurve(entries / 65535)
    else:
        raise ValueError(f"unknown curve type {tag[:4]!r}")
    ramp = np.linspace(0, 1, 256, dtype=np.float32)
    light = curve.to_linear(ramp)
    if not np.isfinite(curve.from_linear(light)).all() or light[0] == light[-1]:
        raise ValueError("a tone curve that cannot be inverted")
    return SRGB if np.abs(SRGB.from_linear(light) - ramp).max() < SAME_CURVE else curve


def _parametric(tag: bytes) -> ParametricCurve:
    (function,) = struct.unpack_from(">H", tag, 8)
    count = (1, 3, 4, 5, 7)[function]
    numbers = [n / 65536 for n in struct.unpack_from(f">{count}i", tag, 12)]
    if not 0.1 < numbers[0] < 10:
        raise ValueError(f"a gamma of {numbers[0]}")
    if function == 0:
        return ParametricCurve(numbers[0])
    g, a, b = numbers[:3]
    if function in (1, 2):
        offset = numbers[3] if function == 2 else 0.0
        return ParametricCurve(g, a, b, c=0.0, d=-b / a, e=offset, f=offset)
    return ParametricCurve(*numbers)


def _unreadable(reason: str) -> LimnerError:
    return LimnerError(
        "bad-profile",
        f"The colour profile cannot be used: {reason}.",
        "Assign or convert to sRGB in the editor and run again.",
    )
