"""Flattening, against the editors' arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.imaging import composite
from ipc.planes import Plane

pixels = hnp.arrays(np.float32, (2, 3, 4), elements=st.floats(0, 1, width=32))


@given(pixels, pixels)
def test_opaque_normal_hides_and_transparent_shows(below, above):
    above[..., 3] = 1
    assert np.allclose(composite.blend(below, above), above, atol=1e-5)
    above[..., 3] = 0
    shown = composite.blend(below, above)
    assert np.allclose(shown[..., 3], below[..., 3])
    seen = below[..., 3] > 0.01
    assert np.allclose(shown[seen], below[seen], atol=1e-3)


@pytest.mark.parametrize("mode", ["multiply", "screen"])
@given(below=pixels, above=pixels)
def test_modes_on_opaque_backdrops(mode, below, above):
    below[..., 3] = above[..., 3] = 1
    b, a = below[..., :3], above[..., :3]
    expected = b * a if mode == "multiply" else 1 - (1 - b) * (1 - a)

    assert np.allclose(composite.blend(below, above, mode)[..., :3], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("x", "y", "shown"), [(0, 0, [[1, 2, 0], [3, 4, 0]]), (2, 1, [[0, 0, 0], [0, 0, 1]]),
                          (-1, 0, [[2, 0, 0], [4, 0, 0]]), (5, 5, [[0, 0, 0], [0, 0, 0]])]
)  # fmt: skip
def test_a_layer_is_placed_on_the_canvas(x, y, shown):
    plane = Plane("mask", "m", 2, 2, 1, "u8", bytes([1, 2, 3, 4]), x, y)

    placed = composite.on_canvas(plane, 3, 2)

    assert np.frombuffer(placed.data, np.uint8).reshape(2, 3).tolist() == shown
