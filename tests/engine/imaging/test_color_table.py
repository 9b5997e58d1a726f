"""A change of colour as a table, beside the function that it was made from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import deltaE_ciede2000

from engine.imaging.color import fit_chroma, linear_to_lab, linear_to_srgb, srgb_to_linear
from engine.imaging.color_table import ColorTable

seeds = st.integers(0, 2**32 - 1)
STILL = np.zeros((1, 129, 129, 3), np.float32)


def smooth_shift(seed, lightness=0.0):
    """A gentle change of CIELAB: waves of some tens of units over a and b, and over L."""
    rng = np.random.default_rng(seed)
    phases, sizes = rng.uniform(0, 6, (3, 3)), rng.uniform(4, 12, 3)
    sizes[0] *= lightness

    def shift(lab):
        waves = [np.sin(lab.T / (40, 25, 25) + phase).sum(axis=1) for phase in phases]
        return (np.stack(waves) * sizes[:, None] / 3).astype(np.float32)

    return shift if lightness else lambda lab: shift(np.vstack([0 * lab[:1], lab[1:]]))


def applied(table, rgb, **given_mask):
    pixels = rgb.copy()
    table.apply(pixels, **given_mask)
    return pixels


def random_picture(seed, low=0.0, high=1.0, size=(20, 30), channels=3):
    rng = np.random.default_rng(seed)
    return rng.uniform(low, high, (*size, channels)).astype(np.float32)


def lab_of(rgb):
    return linear_to_lab(srgb_to_linear(rgb.reshape(-1, 3).T.copy()))


def exactly(shift, rgb):
    """The function itself, pixel by pixel, with numpy."""
    light = srgb_to_linear(rgb.reshape(-1, 3).T.copy())
    lab = linear_to_lab(light)
    lab += shift(lab)
    lab[0] = np.clip(lab[0], 0, 100)
    fitted = fit_chroma(lab, np.zeros_like(light[0]), np.ones_like(light[0]))
    return linear_to_srgb(fitted).T.reshape(rgb.shape)


@settings(deadline=None, max_examples=20)
@given(seeds, st.sampled_from([0.0, 1.0]))
def test_the_table_does_what_the_function_does(seed, lightness):
    rgb, shift = random_picture(seed), smooth_shift(seed, lightness)
    table = ColorTable.baked(shift, levels=17 if lightness else 1)
    apart = deltaE_ciede2000(
        lab_of(applied(table, rgb)).T.astype(float), lab_of(exactly(shift, rgb)).T.astype(float)
    )
    assert apart.mean() < 0.05
    assert np.percentile(apart, 99) < 0.5


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_lightness_stays_where_the_table_leaves_it_and_results_are_in_the_gamut(seed):
    rgb = random_picture(seed)
    result = applied(ColorTable.baked(smooth_shift(seed)), rgb)
    assert np.abs(lab_of(result)[0] - lab_of(rgb)[0]).max() < 0.1
    assert result.min() >= 0
    assert result.max() <= 1


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_light_beyond_the_gamut_survives(seed):
    rgb = random_picture(seed, -0.3, 6)
    result = applied(ColorTable.baked(smooth_shift(seed)), rgb)
    before, after = lab_of(rgb), lab_of(result)
    assert np.abs(after[0] - before[0]).max() < 0.003 * np.abs(before).max()
    assert np.all(result.min(axis=2) >= np.minimum(rgb.min(axis=2), 0) - 1e-4)
    assert np.all(result.max(axis=2) <= np.maximum(rgb.max(axis=2), 1) + 1e-4)
    assert np.abs(result - rgb).max() > 0.01


def test_what_does_not_move_stays_exactly():
    shift = STILL.copy()
    shift[:, 65:] = (0, 5, 5)
    rgb = random_picture(1, -0.5, 3)
    result = applied(ColorTable(shift), rgb)
    still = lab_of(rgb)[1].reshape(rgb.shape[:2]) < 0
    assert 0.1 < still.mean() < 0.9
    assert np.array_equal(result[still], rgb[still])
    assert np.array_equal(applied(ColorTable(STILL), rgb), rgb)
    assert not ColorTable(STILL).changes
    assert ColorTable(shift).changes


def test_transparent_pixels_and_those_outside_stay_and_soft_ones_blend():
    rgba = random_picture(2, channels=4)
    rgba[:, :10, 3] = 0
    inside = np.linspace(-0.5, 1, 30, dtype=np.float32).clip(0)[None].repeat(20, axis=0)
    table = ColorTable.baked(smooth_shift(2))
    whole, masked = applied(table, rgba), applied(table, rgba, inside=inside)
    assert np.array_equal(whole[:, :10], rgba[:, :10])
    assert np.array_equal(masked[inside == 0], rgba[inside == 0])
    blended = rgba + inside[..., None] * (whole - rgba)
    assert np.abs(masked - blended).max() < 1e-6
    assert np.array_equal(masked[..., 3], rgba[..., 3])


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (3, 513), (700, 5)])
def test_a_pixel_does_not_depend_on_those_around_it(size):
    table = ColorTable.baked(smooth_shift(3))
    rgb = random_picture(3, size=size)
    alone = applied(table, rgb.reshape(-1, 1, 3)).reshape(rgb.shape)
    assert np.array_equal(applied(table, rgb), alone)


def test_no_pixels_and_no_numbers_do_no_harm():
    table = ColorTable.baked(smooth_shift(4))
    table.apply(np.zeros((0, 5, 4), np.float32))
    rgb = random_picture(4)
    rgb[3, 3], rgb[4, 4] = np.nan, np.inf
    result = applied(table, rgb)
    ordinary = np.isfinite(rgb).all(axis=2)
    assert np.isfinite(result[ordinary]).all()


def test_a_cube_holds_what_grid_colors_become():
    table = ColorTable.baked(smooth_shift(5))
    cube = table.cube()
    assert cube.shape == (33 * 33, 33, 3)
    some = np.float32([[[3, 5, 1], [32, 0, 4]]]) / 32
    expected = applied(table, some)[0]
    assert np.allclose(cube[1 * 33 + 5, 3], expected[0], atol=1e-6)
    assert np.allclose(cube[4 * 33 + 0, 32], expected[1], atol=1e-6)
