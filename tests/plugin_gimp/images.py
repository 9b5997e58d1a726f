"""Images for GIMP, and what the engine makes of them without GIMP."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.job import Cache
from engine.run import run_operation
from ipc import catalog
from ipc.planes import Plane
from tests import drawings

SIZE = 96


def layer(name: str, pixels: np.ndarray, **more: Any) -> dict[str, Any]:
    """A layer for driver.make; pixels: H x W or H x W x channels, as they are stored."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    data = np.ascontiguousarray(pixels).tobytes()
    return dict(name=name, width=width, height=height, channels=channels, data=data, **more)


def plane(
    role: str, given: Mapping[str, Any], depth: str = "u8", icc: bytes | None = None
) -> Plane:
    """What the plug-in should send of a layer."""
    size = {key: given[key] for key in ("width", "height", "channels", "data")}
    place = {key: given.get(key, 0) for key in ("x", "y")}
    return Plane(role, given["name"], depth=depth, icc=icc, **size, **place)


def expected(
    operation: str,
    planes: Sequence[Plane],
    canvas: tuple[int, int],
    **params: Any,
) -> list[Plane]:
    """The operation's main result, made in this process."""
    results, _ = run_operation(
        operation,
        params,
        planes,
        canvas,
        cache=Cache(0),
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
        outputs=[catalog.operation(operation).outputs[0].role],
    )
    return results


def same(described: Mapping[str, Any], result: Plane) -> bool:
    """Whether a layer of GIMP's is a result, pixel for pixel."""
    places = ("name", "x", "y", "width", "height")
    equal = all(described[key] == getattr(result, key) for key in places)
    return equal and described["data"] == bytes(result.data)


def lines() -> np.ndarray:
    """Line art on opaque paper, RGB."""
    return drawings.face(SIZE)


def ink() -> np.ndarray:
    """The same lines on nothing, RGBA."""
    drawn = np.zeros((SIZE, SIZE, 4), np.uint8)
    drawn[..., 3] = 255 - drawings.face(SIZE)[..., 0]
    return drawn


def scribbles() -> np.ndarray:
    return drawings.face_hints(SIZE)


def photograph(channels: int = 4) -> np.ndarray:
    """A picture with some transparency where it has an alpha channel."""
    picture = drawings.photograph(64, 48)
    if channels < 3:
        picture = picture[..., :1]
    if channels in (2, 4):
        alpha = np.full((48, 64, 1), 255, np.uint8)
        alpha[:8, :8] = 0
        alpha[8:12, :8] = 128
        picture = np.concatenate([picture, alpha], axis=-1)
    return picture


def ball(softness: float = 6.0) -> np.ndarray:
    """How far each pixel lies in a ball left of the middle, H x W in [0, 1]."""
    y, x = np.mgrid[:SIZE, :SIZE]
    return np.clip((24 - np.hypot(x - 40, y - 48)) / softness + 0.5, 0, 1)


def meadow() -> np.ndarray:
    """Green with some structure, RGBA."""
    y, x = np.mgrid[:SIZE, :SIZE]
    pixels = np.full((SIZE, SIZE, 4), 255, np.uint8)
    pixels[..., 0] = 60 + (x * 7 + y * 3) % 40
    pixels[..., 1] = 150 + (x * 5 + y * 11) % 50
    pixels[..., 2] = 50 + (x * 3 + y * 13) % 40
    return pixels


def with_ball() -> np.ndarray:
    """A red ball on the meadow."""
    pixels, inside = meadow(), ball()[..., None]
    pixels[..., :3] = np.rint(pixels[..., :3] * (1 - inside) + [210, 40, 30] * inside)
    return pixels


def thing() -> np.ndarray:
    """A yellowish ball on nothing, with a soft edge."""
    pixels = np.zeros((SIZE, SIZE, 4), np.uint8)
    pixels[..., :3] = (220, 190, 120)
    pixels[..., 3] = np.rint(255 * ball())
    return pixels
