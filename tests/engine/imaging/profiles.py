"""Colour profiles for tests, made on the spot."""

import struct
from functools import cache

import imagecodecs
import numpy as np
from skimage.color import deltaE_ciede2000, xyz2lab

D65, D50, ACES_WHITE = (0.3127, 0.3290), (0.3457, 0.3585), (0.32168, 0.33767)
SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
DISPLAY_P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
REC2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046)
PROPHOTO = (0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001)
ACES_CG = (0.713, 0.293, 0.165, 0.830, 0.128, 0.044)


def srgb_light(samples):
    """The sRGB curve (IEC 61966-2-1) in float64, mirrored at 0."""
    size = np.abs(np.asarray(samples, np.float64))
    light = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return np.copysign(light, samples)


SRGB_TABLE = np.rint(65535 * srgb_light(np.linspace(0, 1, 1024))).astype(np.uint16)
DOT_GAIN = np.rint(65535 * np.linspace(0, 1, 256) ** 1.75).astype(np.uint16)

RGB = {
    "sRGB": imagecodecs.cms_profile("srgb"),
    "sRGB table": imagecodecs.cms_profile(
        "rgb", whitepoint=D65, primaries=SRGB, transferfunction=SRGB_TABLE
    ),
    "linear sRGB": imagecodecs.cms_profile("rgb", whitepoint=D65, primaries=SRGB, gamma=1.0),
    "Display P3": imagecodecs.cms_profile(
        "rgb", whitepoint=D65, primaries=DISPLAY_P3, transferfunction=SRGB_TABLE
    ),
    "Adobe RGB": imagecodecs.cms_profile("adobergb"),
    "linear Rec. 2020": imagecodecs.cms_profile("rgb", whitepoint=D65, primaries=REC2020, gamma=1),
    "ProPhoto": imagecodecs.cms_profile("rgb", whitepoint=D50, primaries=PROPHOTO, gamma=1.8),
    "linear ACEScg": imagecodecs.cms_profile(
        "rgb", whitepoint=ACES_WHITE, primaries=ACES_CG, gamma=1.0
    ),
}
GREY = {
    "gamma 2.2": imagecodecs.cms_profile("gray", whitepoint=D50, gamma=2.2),
    "linear": imagecodecs.cms_profile("gray", whitepoint=D50, gamma=1.0),
    "dot gain": imagecodecs.cms_profile("gray", whitepoint=D50, transferfunction=DOT_GAIN),
}


def with_tags(space, pcs, tags):
    """An ICC profile of version 2 (ICC.1:2001-04) with these tags."""
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    size = at + len(body)
    header = struct.pack(">I4xI4s4s4s12x4s", size, 0x02100000, b"mntr", space, pcs, b"acsp")
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


@cache
def of_tables():
    """sRGB as an RGB profile of tables alone: 33 grid points, Lab, 16 bit (lut16Type)."""
    ramp = np.linspace(0, 1, 33)
    grid = np.stack(np.meshgrid(ramp, ramp, ramp, indexing="ij"), axis=-1).reshape(33, -1, 3)
    lab = imagecodecs.cms_profile("lab4")
    span, zero = np.array([65280 / 100, 256, 256]), np.array([0, 32768, 32768])
    ahead = _converted(grid, "rgb", RGB["sRGB"], "lab", lab) * span + zero
    back = _converted((grid * 65535 - zero) / span, "lab", lab, "rgb", RGB["sRGB"]) * 65535
    return with_tags(b"RGB ", b"Lab ", {b"A2B0": _lut16(ahead), b"B2A0": _lut16(back)})


def _converted(values, space, source, into, target):
    intent = imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC
    return imagecodecs.cms_transform(
        values, source, target, colorspace=space, outcolorspace=into, intent=intent
    )


def _lut16(grid):
    matrix = struct.pack(">9i", *(np.eye(3).ravel() * 65536).astype(int))
    straight = struct.pack(">2H", 0, 65535) * 3
    head = b"mft2\0\0\0\0" + bytes([3, 3, len(grid), 0]) + matrix + struct.pack(">2H", 2, 2)
    return head + straight + np.rint(grid.clip(0, 65535)).astype(">u2").tobytes() + straight


def reference_xyz(samples, icc):
    """XYZ (D50, N x 3, float64) of samples (channels x N) as LittleCMS computes it."""
    pixels = samples if len(samples) == 1 else samples.T[np.newaxis]
    pixels = np.ascontiguousarray(pixels, np.float64)
    space = "gray" if len(samples) == 1 else "rgb"
    return _converted(pixels, space, icc, "xyz", imagecodecs.cms_profile("xyz"))[0]


def srgb_xyz(colours):
    """XYZ (D50, N x 3, float64) of sRGB-encoded, unbounded colours (3 x N)."""
    light = srgb_light(colours)
    return reference_xyz(light, RGB["linear sRGB"])


def delta_e(xyz, other):
    """CIEDE2000 between XYZ colours (D50, N x 3); light above white is scaled to it."""
    scale = np.maximum(1, np.maximum(xyz, other).max(axis=1, keepdims=True))
    labs = [xyz2lab(colours / scale, illuminant="D50") for colours in (xyz, other)]
    return deltaE_ciede2000(*labs)
