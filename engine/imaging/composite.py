"""Layers put together as an editor shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from engine.imaging.raster import PixelFormat, Raster, decode, encode
from ipc.catalog import Operation
from ipc.planes import DEPTH_BYTES, Plane

Pixels = npt.NDArray[np.float32]

BLENDING: dict[str, Callable[[Pixels, Pixels], Pixels]] = {
    "normal": lambda _, source: source,
    "multiply": lambda backdrop, source: backdrop * source,
    "screen": lambda backdrop, source: backdrop + source - backdrop * source,
}


def blend(backdrop: Pixels, source: Pixels, mode: str = "normal", opacity: float = 1.0) -> Pixels:
    """`source` over `backdrop`, both H x W x 4 with straight alpha (W3C Compositing, section 5).

    mode: a key of BLENDING. Colours may be unbounded.
    """
    below, above = backdrop[..., 3:], source[..., 3:] * np.float32(opacity)
    mixed = (1 - below) * source[..., :3] + below * BLENDING[mode](
        backdrop[..., :3], source[..., :3]
    )
    alpha = above + below * (1 - above)
    colour = above * mixed + (1 - above) * below * backdrop[..., :3]
    return np.concatenate([colour / np.maximum(alpha, np.float32(1e-6)), alpha], axis=-1)


def flatten(operation: Operation, primary: Plane, layers: Sequence[Plane]) -> Plane:
    """The picture with its result layers, bottom layer first in `layers`.

    Line-art results lie under the lines: on opaque paper these blend as the result says.
    A picture result lies above its source; a mask hides what it has outside.
    """
    width, height = primary.width, primary.height
    base = decode(primary)
    shown = np.zeros((height, width, 4), np.float32)
    if not operation.works_on_line_art:
        shown = _rgba(base)
    for layer in layers:
        whole = _rgba(decode(on_canvas(layer, width, height)))
        if layer.attributes.get("kind") == "mask":
            shown[..., 3] *= whole[..., 0]
            continue
        shown = blend(
            shown,
            whole,
            layer.attributes.get("blending", "normal"),
            layer.attributes.get("opacity", 1.0),
        )
    if operation.works_on_line_art:
        opaque = base.alpha is None or bool((base.alpha == 1).all())
        on_paper = layers[0].attributes["metadata"]["lines"]
        shown = blend(shown, _rgba(base), on_paper if opaque else "normal")
    colour_profile = primary.icc if primary.channels >= 3 else None
    form = PixelFormat(depth=primary.depth, channels=4, icc=colour_profile)
    return encode(Raster(shown[..., :3], shown[..., 3]), form, name="flattened")


def merged(layers: Sequence[Plane], width: int, height: int) -> Plane:
    """Layers put together, bottom layer first, on nothing; of the canvas's size.

    Not dithered: what is no exact colour has been already.
    """
    shown = np.zeros((height, width, 4), np.float32)
    for layer in layers:
        pixels = _rgba(decode(on_canvas(layer, width, height)))
        blending = layer.attributes.get("blending", "normal")
        shown = blend(shown, pixels, blending, layer.attributes.get("opacity", 1.0))
    first = layers[0]
    form = PixelFormat(depth=first.depth, channels=4, icc=first.icc)
    return encode(Raster.of_rgba(shown), form, exact=True, role=first.role, name="merged")


def on_canvas(plane: Plane, width: int, height: int) -> Plane:
    """The plane padded with zeros, or cropped, to the canvas; its code values stay as they are."""
    if (plane.x, plane.y, plane.width, plane.height) == (0, 0, width, height):
        return plane
    size = plane.channels * DEPTH_BYTES[plane.depth]
    source = np.frombuffer(plane.data, np.uint8).reshape(plane.height, plane.width, size)
    target = np.zeros((height, width, size), np.uint8)
    top, left = max(plane.y, 0), max(plane.x, 0)
    part = source[top - plane.y : height - plane.y, left - plane.x : width - plane.x]
    target[top : top + part.shape[0], left : left + part.shape[1]] = part
    return replace(plane, x=0, y=0, width=width, height=height, data=target.tobytes())


def _rgba(raster: Raster) -> Pixels:
    alpha = np.ones(raster.rgb.shape[:2], np.float32) if raster.alpha is None else raster.alpha
    return np.concatenate([raster.rgb, alpha[..., None]], axis=-1)
