"""Picture files as planes, and back: PNG, TIFF, JPEG, WebP and OpenRaster.

Size, depth, alpha and colour profile are kept; a file that cannot keep them is refused.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from engine.imaging.icc import SRGB, icc_channels
from engine.imaging.raster import (
    DTYPES,
    Codes,
    PixelFormat,
    Raster,
    codes_of,
    decode,
    encode,
    on_canvas,
)
from ipc.errors import LimnerError
from ipc.planes import MAX_SIDE, Plane

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PROFILE_BYTES = 1 << 24
"""The largest ICC profile that is unpacked from a PNG."""
SRGB_GAMMA = 1 / 2.2
"""What a gAMA chunk says of an sRGB picture."""
THUMBNAIL_SIDE = 256
OPENRASTER_BLENDING = {"normal": "svg:src-over", "multiply": "svg:multiply", "screen": "svg:screen"}

# EXIF and TIFF orientation, by number: how the stored rows are turned upright.
UPRIGHT: dict[int, Callable[[Codes], Codes]] = {
    2: lambda codes: codes[:, ::-1],
    3: lambda codes: codes[::-1, ::-1],
    4: lambda codes: codes[::-1],
    5: lambda codes: codes.swapaxes(0, 1),
    6: lambda codes: codes.swapaxes(0, 1)[:, ::-1],
    7: lambda codes: codes.swapaxes(0, 1)[::-1, ::-1],
    8: lambda codes: codes.swapaxes(0, 1)[::-1],
}


def read_plane(path: Path, role: str) -> Plane:
    """The picture in a file, known by its content: of a TIFF the first page, of .ora the whole.

    Palettes and pictures of 1, 2 or 4 bit come as 8 bit; EXIF and TIFF orientation is applied.
    Raises LimnerError missing-file, bad-file, too-large or unsupported-model.
    """
    data = bytes_of(path)
    try:
        codes, icc = _decoded(data)
    except LimnerError:
        raise
    except MemoryError as error:
        raise LimnerError(
            "too-large",
            f"{path.name} needs more memory than there is.",
            "Make the picture smaller, or close other programs, and run again.",
        ) from error
    except Exception as error:  # the libraries raise whatever a damaged file makes them trip over
        raise LimnerError(
            "bad-file",
            f"{path.name} cannot be read as a picture: {str(error).rstrip('.')}.",
            "Give an undamaged PNG, TIFF, JPEG, WebP or OpenRaster file.",
        ) from error
    depth = next(depth for depth, dtype in DTYPES.items() if dtype == codes.dtype)
    height, width, channels = codes.shape
    if max(height, width) > MAX_SIDE:
        raise LimnerError(
            "too-large",
            f"{path.name} is {width} × {height}.",
            f"Give a picture of at most {MAX_SIDE} pixels a side.",
        )
    # Many programs leave an RGB profile in a grey picture; like them, take its tone curve as sRGB.
    if icc is not None and icc_channels(icc) not in (None, 1 if channels < 3 else 3):
        icc = None
    pixels = np.ascontiguousarray(codes).data.cast("B")
    return Plane(role, path.name, width, height, channels, depth, pixels, icc=icc)


def write_plane(path: Path, plane: Plane) -> None:
    """Writes the plane's pixels as the kind of file that the name's ending says.

    Raises LimnerError cannot-write where that file cannot keep depth, alpha or model, or where the
    place cannot be written; a file that was there before stays whole then.
    """
    writers: dict[str, Callable[[Plane], bytes]] = {
        ".png": _png,
        ".tif": _tiff,
        ".tiff": _tiff,
        ".jpg": _jpeg,
        ".jpeg": _jpeg,
        ".webp": _webp,
        ".cube": _cube,
    }
    ending = path.suffix.lower()
    if ending == ".ora":
        write_ora(path, [plane], plane.width, plane.height)
        return
    if ending not in writers:
        raise _cannot_write(
            path, f"'{path.suffix}' is no file type that Limner writes", "Use .png, .tif or .ora."
        )
    try:
        data = writers[ending](plane)
    except (ValueError, OSError, RuntimeError) as error:
        raise _cannot_write(path, str(error), "Write to a .tif file instead.") from error
    write_bytes(path, data)


def _cube(plane: Plane) -> bytes:
    """A colour table (n² rows of n colours, red fastest) as Adobe's .cube text.

    Cube LUT Specification 1.0 (Adobe, 2013).
    """
    size = plane.width
    if plane.height != size * size or plane.channels != 3 or plane.depth != "f32":
        raise ValueError("it holds tables of colour, no pictures")
    colors = np.frombuffer(plane.data, "<f4").reshape(-1, 3)
    rows = "\n".join(f"{red:.6f} {green:.6f} {blue:.6f}" for red, green, blue in colors)
    return f'TITLE "{plane.name}"\nLUT_3D_SIZE {size}\n{rows}\n'.encode()


def write_ora(path: Path, layers: Sequence[Plane], width: int, height: int) -> None:
    """Writes layers, bottom one first, as an OpenRaster file (openraster.org, version 0.0.3).

    Names, places, blending, opacity and groups come from the planes; float layers become 16 bit,
    because the format's PNG files hold no float. Raises LimnerError cannot-write.
    """
    from engine.imaging.composite import blend

    shown = np.zeros((height, width, 4), np.float32)
    members = {"mimetype": b"image/openraster", "stack.xml": _stack(layers, width, height)}
    for number, layer in enumerate(layers):
        members[f"data/layer{number}.png"] = _png(_without_float(layer))
        pixels = on_canvas(decode(layer), width, height).rgba()
        blending = layer.attributes.get("blending", "normal")
        shown = blend(shown, pixels, blending, layer.attributes.get("opacity", 1.0))
    merged = encode(Raster.of_rgba(shown), PixelFormat(4, "u8"))
    members["mergedimage.png"] = _png(merged)
    members["Thumbnails/thumbnail.png"] = _thumbnail(merged)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            # A ZipInfo of its own carries no clock time: the same layers make the same bytes.
            archive.writestr(zipfile.ZipInfo(name), content)
    write_bytes(path, buffer.getvalue())


def bytes_of(path: Path) -> bytes:
    """A file's bytes. Raises LimnerError missing-file or bad-file."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise LimnerError(
            "missing-file", f"There is no file {path}.", "Check the name and the folder."
        ) from error
    except OSError as error:
        raise LimnerError(
            "bad-file", f"{path} cannot be read: {error.strerror}.", "Give another file."
        ) from error


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file, whole or not at all. Raises LimnerError cannot-write."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        reason = error.strerror or str(error)
        raise _cannot_write(path, reason, "Choose another place for it.") from error


def _cannot_write(path: Path, reason: str, next_step: str) -> LimnerError:
    return LimnerError("cannot-write", f"{path} cannot be written: {reason}.", next_step)


def _decoded(data: bytes) -> tuple[Codes, bytes | None]:
    """Codes (H x W x channels) and ICC profile of a file's bytes."""
    if data.startswith(PNG_SIGNATURE):
        return _decoded_png(data)
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _decoded_tiff(data)
    if data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _decoded_png(archive.read("mergedimage.png"))
    return _decoded_photograph(data)


def _decoded_png(data: bytes) -> tuple[Codes, bytes | None]:
    import imagecodecs

    codes = imagecodecs.png_decode(data)
    codes = codes[..., np.newaxis] if codes.ndim == 2 else codes
    return codes, _png_profile(dict(_chunks(data)), grey=codes.shape[2] < 3)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of a PNG's chunks before the pixels."""
    at, name = len(PNG_SIGNATURE), b""
    while name != b"IDAT":
        size, name = struct.unpack_from(">I4s", png, at)
        yield name, png[at + 8 : at + 8 + size]
        at += size + 12


def _png_profile(chunks: dict[bytes, bytes], *, grey: bool) -> bytes | None:
    """The ICC profile that a PNG embeds, or one for what its gAMA and cHRM chunks say."""
    if b"iCCP" in chunks:
        _, _, packed = chunks[b"iCCP"].partition(b"\0")
        return zlib.decompressobj().decompress(packed[1:], PROFILE_BYTES)
    if b"sRGB" in chunks or b"gAMA" not in chunks:
        return None
    gamma = struct.unpack(">I", chunks[b"gAMA"])[0] / 100000
    if abs(gamma - SRGB_GAMMA) < 0.01 or not 0.1 < gamma < 10:
        return None
    import imagecodecs

    white_and_primaries = [0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06]
    if b"cHRM" in chunks:
        white_and_primaries = [n / 100000 for n in struct.unpack(">8I", chunks[b"cHRM"])]
    profile: bytes = imagecodecs.cms_profile(
        "gray" if grey else "rgb",
        whitepoint=white_and_primaries[:2],
        primaries=None if grey else white_and_primaries[2:],
        gamma=1 / gamma,
    )
    return profile


def _decoded_tiff(data: bytes) -> tuple[Codes, bytes | None]:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page: Any = file.pages[0]
        # Where a damaged tag promises more strips than are listed, tifffile would make up millions.
        if math.prod(page.chunked) > len(page.dataoffsets) or max(page.shape) > MAX_SIDE:
            raise ValueError("its parts do not make up its size")
        codes = page.asarray()
        icc = page.tags.get("InterColorProfile")
        orientation = page.tags.valueof("Orientation", default=1)
    if page.axes not in ("YX", "YXS", "SYX"):
        raise ValueError(f"its pixels lie along {page.axes}")
    codes = codes[..., np.newaxis] if codes.ndim == 2 else codes
    codes = np.moveaxis(codes, 0, -1) if page.axes == "SYX" else codes
    codes = _tiff_colours(codes, page)
    codes = codes if orientation not in UPRIGHT else UPRIGHT[orientation](codes)
    return codes, None if icc is None else icc.value


def _tiff_colours(codes: Codes, page: Any) -> Codes:
    """RGB or grey codes with straight alpha of a TIFF page's samples."""
    kind = page.photometric.name
    if codes.dtype == np.bool_:
        codes = codes.astype(np.uint8) * np.uint8(255)
    elif codes.dtype == np.float64:
        codes = codes.astype(np.float32)
    codes = codes.astype(codes.dtype.newbyteorder("<"), copy=False)
    if codes.dtype not in DTYPES.values():
        raise ValueError(f"its samples are {codes.dtype}")
    if kind == "PALETTE":
        return np.ascontiguousarray((page.colormap >> 8).astype(np.uint8).T[codes[..., 0]])
    if kind == "MINISWHITE":
        codes = codes.copy()
        codes[..., 0] = np.iinfo(codes.dtype).max - codes[..., 0]
    elif kind not in ("MINISBLACK", "RGB", "YCBCR"):
        raise _unsupported(kind)
    colours = 1 if kind.startswith("MINIS") else 3
    has_alpha = codes.shape[2] > colours
    if has_alpha and page.extrasamples and page.extrasamples[0] == 1:
        codes = _straightened(codes, colours)
    return codes[..., : colours + has_alpha]


def _straightened(codes: Codes, colours: int) -> Codes:
    """Codes whose colours were multiplied by alpha, with straight alpha."""
    limit = 1.0 if codes.dtype.kind == "f" else float(np.iinfo(codes.dtype).max)
    alpha = codes[..., colours, np.newaxis].astype(np.float64) / limit
    straight = codes[..., :colours] / np.maximum(alpha, 1e-6)
    result = codes.copy()
    result[..., :colours] = (
        straight if codes.dtype.kind == "f" else np.rint(straight).clip(0, limit)
    )
    return result


def _decoded_photograph(data: bytes) -> tuple[Codes, bytes | None]:
    """Codes and profile of a JPEG or WebP file."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the job's memory budget judges sizes, not Pillow's warning
    with Image.open(io.BytesIO(data), formats=("JPEG", "WEBP")) as image:
        if image.mode not in ("L", "RGB", "RGBA"):
            raise _unsupported(image.mode)
        codes = np.asarray(image)
        orientation = image.getexif().get(0x0112, 1)
        icc: bytes | None = image.info.get("icc_profile")
    codes = codes[..., np.newaxis] if codes.ndim == 2 else codes
    return codes if orientation not in UPRIGHT else UPRIGHT[orientation](codes), icc or None


def _unsupported(model: str) -> LimnerError:
    return LimnerError(
        "unsupported-model",
        f"The picture is {model}, and Limner works in RGB and grey.",
        "Convert it to RGB in the editor and run again.",
    )


def _png(plane: Plane) -> bytes:
    import imagecodecs

    if plane.depth not in ("u8", "u16"):
        raise ValueError(f"a PNG holds 8 or 16 bit, not {plane.depth}")
    data = bytes(imagecodecs.png_encode(codes_of(plane), level=3))
    icc = plane.icc
    if icc is None and plane.depth == "u16":
        # Krita stops and asks what a 16-bit PNG without a profile means.
        icc = imagecodecs.cms_profile("srgb") if plane.channels > 2 else _grey_srgb()
    if icc is None:
        return data
    # The codec writes no iCCP chunk; its place is right behind the IHDR chunk of 25 bytes.
    head = len(PNG_SIGNATURE) + 25
    return data[:head] + _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)) + data[head:]


def _grey_srgb() -> bytes:
    """A grey profile with the sRGB curve."""
    import imagecodecs

    ramp = np.linspace(0, 1, 1024, dtype=np.float32)
    curve = np.rint(65535 * SRGB.to_linear(ramp)).astype(np.uint16)
    profile: bytes = imagecodecs.cms_profile(
        "gray", whitepoint=[0.3457, 0.3585], transferfunction=curve
    )
    return profile


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(name))
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def _tiff(plane: Plane) -> bytes:
    import tifffile

    codes = codes_of(plane)
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        codes[..., 0] if plane.channels == 1 else codes,
        photometric="rgb" if plane.channels > 2 else "minisblack",
        planarconfig="contig" if plane.channels > 1 else None,
        extrasamples=["unassalpha"] if plane.channels % 2 == 0 else None,
        compression="zlib",
        predictor=plane.depth in ("u8", "u16"),
        iccprofile=plane.icc,
        metadata=None,
    )
    return buffer.getvalue()


def _jpeg(plane: Plane) -> bytes:
    codes = codes_of(plane)
    if plane.depth != "u8" or (plane.channels % 2 == 0 and codes[..., -1].min() < 255):
        raise ValueError("a JPEG holds 8 bit without transparency")
    codes = codes[..., 0] if plane.channels < 3 else codes[..., :3]
    return _pillow(codes, "JPEG", plane.icc, quality=95, subsampling=0)


def _webp(plane: Plane) -> bytes:
    if plane.depth != "u8" or plane.channels < 3:
        raise ValueError("a WebP holds 8-bit RGB")
    return _pillow(codes_of(plane), "WEBP", plane.icc, lossless=True, exact=True)


def _pillow(codes: Codes, kind: str, icc: bytes | None, **options: Any) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(codes).save(buffer, kind, icc_profile=icc, **options)
    return buffer.getvalue()


def _without_float(plane: Plane) -> Plane:
    if plane.depth in ("u8", "u16"):
        return plane
    return encode(decode(plane), replace(PixelFormat.of(plane), depth="u16"))


def _thumbnail(plane: Plane) -> bytes:
    from PIL import Image

    image = Image.fromarray(codes_of(plane))
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _stack(layers: Sequence[Plane], width: int, height: int) -> bytes:
    """The file's stack.xml, which lists the top layer first."""
    image = ElementTree.Element("image", version="0.0.3", w=str(width), h=str(height))
    _fill(ElementTree.SubElement(image, "stack"), list(enumerate(layers))[::-1], 0)
    xml: bytes = ElementTree.tostring(image, encoding="utf-8", xml_declaration=True)
    return xml


def _fill(stack: ElementTree.Element, layers: Sequence[tuple[int, Plane]], depth: int) -> None:
    """Adds numbered layers to a stack, those in groups that lie `depth` deep in stacks within."""

    def group_of(numbered: tuple[int, Plane]) -> str | None:
        return next(iter(numbered[1].attributes.get("group", ())[depth:]), None)

    for group, members in groupby(layers, group_of):
        if group is not None:
            _fill(ElementTree.SubElement(stack, "stack", name=group), list(members), depth + 1)
            continue
        for number, layer in members:
            blending = layer.attributes.get("blending", "normal")
            attributes = {
                "name": layer.name,
                "src": f"data/layer{number}.png",
                "x": str(layer.x),
                "y": str(layer.y),
                "opacity": str(layer.attributes.get("opacity", 1.0)),
                "composite-op": OPENRASTER_BLENDING[blending],
            }
            ElementTree.SubElement(stack, "layer", attributes)
