"""A colour transform on a picture's pixels: what moves, how far, and what never does."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from engine.imaging import color_transform
from engine.imaging.color_transform import IDENTITY, blended, grey, spread, transformed
from engine.imaging.resample import AffineField

numbers = st.floats(-3, 3, width=32)
shares = st.floats(0, 1, width=32)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def everywhere(maps, height, width):
    """The same map, 3 x 4, all over the picture."""
    cells = np.float32(maps).reshape(12, 1, 1)
    return AffineField(np.ascontiguousarray(np.broadcast_to(cells, (12, 2, 2))), width, height)


def shift(amount):
    return np.eye(3, 4) + np.float32([0, 0, 0, amount])


maps = npst.arrays(np.float32, (12, 2, 3), elements=numbers)


@given(maps)
def test_without_blend_every_map_is_the_identity(transform):
    assert np.array_equal(
        blended(transform, np.zeros((2, 3), np.float32)), np.broadcast_to(IDENTITY, (12, 2, 3))
    )


@given(
    maps,
    npst.arrays(np.float32, (2, 3), elements=shares),
    npst.arrays(np.float32, 3, elements=shares),
)
def test_blending_maps_is_blending_colours(transform, blend, color):
    """Equation 1 of the paper, on colours."""

    def of(cells):
        rows = cells.reshape(3, 4, 2, 3)
        return (rows[:, :3] * color[:, None, None]).sum(axis=1) + rows[:, 3]

    expected = color[:, None, None] * (1 - blend) + of(transform) * blend
    assert np.abs(of(blended(transform, blend)) - expected).max() < 1e-4


@given(maps, npst.arrays(np.float32, 3, elements=shares))
def test_grey_maps_give_the_luma_of_the_colours(transform, color):
    def of(cells):
        rows = cells.reshape(3, 4, 2, 3)
        return (rows[:, :3] * color[:, None, None]).sum(axis=1) + rows[:, 3]

    found = of(grey(transform))
    expected = np.tensordot([0.2126, 0.7152, 0.0722], of(transform), 1)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[1], found[2])
    assert np.abs(found[0] - expected).max() < 1e-4


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 10**6), st.floats(0, 0.9))
def test_outside_the_mask_nothing_of_the_field_remains(height, width, seed, part):
    rng = np.random.default_rng(seed)
    inside = (rng.random((height, width)) > part).astype(np.float32)
    inside[rng.integers(height), rng.integers(width)] = 1
    cells = rng.random((2, height, width), np.float32)
    wild = np.where(inside > 0, cells, np.float32(1e6))

    found = spread(wild, inside)

    assert np.array_equal(found[:, inside > 0], cells[:, inside > 0])
    low, high = (f(cells[:, inside > 0], axis=1)[:, None, None] for f in (np.min, np.max))
    assert (found >= low - 1e-4).all()
    assert (found <= high + 1e-4).all()


def test_a_cell_that_lies_hardly_inside_counts_hardly():
    inside, cells = np.zeros((8, 8), np.float32), np.zeros((1, 8, 8), np.float32)
    inside[4:, :] = 1
    inside[3, :], cells[0, 3, :] = 0.02, 1

    assert spread(cells, inside).max() < 0.2


@given(st.integers(0, 10**6), st.floats(-2, 8))
def test_what_is_outside_keeps_every_bit(seed, light):
    rng = np.random.default_rng(seed)
    rgb = (rng.random((20, 30, 3)) * light).astype(np.float32)
    inside = (rng.random((20, 30)) > 0.5).astype(np.float32)
    field = AffineField(rng.normal(0, 5, (12, 3, 3)).astype(np.float32), 30, 20)

    found = transformed(rgb, inside, field, 0)

    assert np.array_equal(found[inside == 0], rgb[inside == 0])
    assert np.isfinite(found).all()


@given(shares)
def test_colours_move_as_far_as_they_are_inside(part):
    rgb = noise(10, 12, 3)
    field = everywhere(np.eye(3, 4)[[1, 2, 0]] * 0.5, 10, 12)
    whole = transformed(rgb, np.ones((10, 12), np.float32), field, 0)

    found = transformed(rgb, np.full((10, 12), part, np.float32), field, 0)

    assert np.abs(found - (rgb + np.float32(part) * (whole - rgb))).max() < 1e-6


def test_detail_stays():
    """Differences between neighbours are what they were, with a field that has few cells."""
    rgb = noise(200, 240, 3) * np.float32(0.5)
    cells = np.broadcast_to(IDENTITY, (12, 4, 4)).copy()
    cells[3] = noise(4, 4, seed=1) * 0.2

    found = transformed(rgb, np.ones((200, 240), np.float32), AffineField(cells, 240, 200), 0)

    assert np.abs(np.diff(found - rgb, axis=1)).max() < 0.01
    assert np.abs(found - rgb)[..., 0].mean() > 0.05


@given(st.floats(1, 60000, width=32), st.sampled_from([0.3, 1.0, 1.7]))
def test_light_beyond_white_moves_as_white_does(light, gain):
    rgb = np.full((2, 2, 3), light, np.float32)
    field = everywhere(np.eye(3, 4) * gain + np.float32([0, 0, 0, 0.1]), 2, 2)

    found = transformed(rgb, np.ones((2, 2), np.float32), field, 0)

    assert np.allclose(found, light * (gain + 0.1), rtol=1e-5)


def test_nothing_jumps_where_light_passes_white():
    ramp = np.linspace(0.5, 2, 3001, dtype=np.float32)
    rgb = ramp[None, :, None] * np.float32([1, 0.6, 0.2])
    maps = np.array([[0.8, 0.3, 0, 0.1], [0.2, 0.9, -0.1, 0], [0, 0.2, 1.2, -0.05]])

    found = transformed(rgb, np.ones((1, 3001), np.float32), everywhere(maps, 1, 3001), 0)

    assert np.abs(np.diff(found, axis=1)).max() < 0.002


def test_no_channel_falls_below_zero_or_what_it_was():
    rgb = np.float32([[[0.1, 0.5, 0.9], [-0.2, 0.5, 1.3]]])

    found = transformed(rgb, np.ones((1, 2), np.float32), everywhere(shift(-0.4), 1, 2), 0)

    assert np.allclose(found[0, 0], [0, 0.1, 0.5], atol=1e-6)
    assert found[0, 1, 0] == np.float32(-0.2)


def test_a_step_in_the_mask_leaves_no_trace_of_what_is_outside():
    """A field that is wild outside makes the same picture as one that is calm."""
    rgb, inside = noise(64, 64, 3), np.zeros((64, 64), np.float32)
    inside[:, :30] = 1
    cells_inside = inside.reshape(16, 4, 16, 4).mean(axis=(1, 3))
    calm = np.broadcast_to(np.float32(shift(0.1)).reshape(12, 1, 1), (12, 16, 16))
    wild = np.where(cells_inside > 0, calm, np.float32(50))

    found, expected = (
        transformed(rgb, inside, AffineField(spread(cells, cells_inside), 64, 64), 0)
        for cells in (wild, calm)
    )

    assert np.abs(found - expected).max() < 1e-4
    assert color_transform.spread(wild, cells_inside).max() < 1.2
