"""A layer as a mask."""

import numpy as np
import pytest

from ipc.planes import Plane, coverage, is_opaque

DTYPES = {"u8": "<u1", "u16": "<u2", "f16": "<f2", "f32": "<f4"}


def plane(pixels: np.ndarray, depth: str) -> Plane:
    height, width, channels = pixels.shape
    data = memoryview(np.ascontiguousarray(pixels).tobytes())
    return Plane("mask", "Thing", width, height, channels, depth, data, x=3, y=-2, icc=b"profile")


def some(depth: str, channels: int, size: tuple[int, int]) -> np.ndarray:
    full = 1 if depth.startswith("f") else np.iinfo(DTYPES[depth]).max
    values = np.random.default_rng(1).uniform(0, full, (*size, channels))
    values[0, 0, -1], values[-1, -1, -1] = 0, full
    return values.astype(DTYPES[depth])


@pytest.mark.parametrize("depth", DTYPES)
@pytest.mark.parametrize("channels", [2, 4])
def test_inside_is_where_the_layer_has_pixels(depth: str, channels: int) -> None:
    pixels = some(depth, channels, (7, 5))

    mask = coverage(plane(pixels, depth))

    assert (mask.channels, mask.depth, mask.icc) == (1, depth, None)
    assert (mask.x, mask.y, mask.width, mask.height) == (3, -2, 5, 7)
    assert bytes(mask.data) == pixels[..., -1].tobytes()


def test_a_layer_of_many_pixels() -> None:
    pixels = some("u8", 4, (700, 900))

    assert bytes(coverage(plane(pixels, "u8")).data) == pixels[..., 3].tobytes()


@pytest.mark.parametrize("depth", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_opaque_layer_counts_by_its_brightness(depth: str, channels: int) -> None:
    pixels = some(depth, channels, (4, 6))
    if channels in (2, 4):
        pixels[..., -1] = 1 if depth.startswith("f") else np.iinfo(DTYPES[depth]).max
    given = plane(pixels, depth)

    assert is_opaque(given)
    assert coverage(given) == given


def test_one_soft_pixel_is_enough_not_to_be_opaque() -> None:
    pixels = np.full((4, 6, 4), 65535, np.uint16)
    pixels[2, 3, 3] = 65534

    assert not is_opaque(plane(pixels, "u16"))
