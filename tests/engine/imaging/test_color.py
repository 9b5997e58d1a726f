"""sRGB and CIELAB: against scikit-image, there and back, and beyond [0, 1]."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.color import rgb2lab

from engine.imaging import color


def colors(low, high, count=16):
    values = st.floats(low, high, width=32, allow_subnormal=False)
    return arrays(np.float32, (3, count), elements=values)


def random_colors(count=20000, seed=0):
    return np.random.default_rng(seed).random((3, count), dtype=np.float32)


def test_lab_is_that_of_scikit_image():
    rgb = random_colors()
    expected = rgb2lab(rgb.T.astype(np.float64)).T
    # Its white point is given to five digits, ours is the sum of the primaries.
    assert np.abs(color.srgb_to_lab(rgb) - expected).max() < 0.02


def test_the_srgb_curve_at_published_points():
    encoded = np.float32([0, 0.04045, 0.5, 1, -0.5])
    expected = [0, 0.0031308, 0.21404114, 1, -0.21404114]
    assert np.allclose(color.srgb_to_linear(encoded), expected, atol=1e-6)
    assert np.allclose(color.linear_to_srgb(np.float32(expected)), encoded, atol=1e-6)


@settings(deadline=None)
@given(colors(0, 1))
def test_colors_come_back(rgb):
    assert np.abs(color.lab_to_srgb(color.srgb_to_lab(rgb)) - rgb).max() < 3e-5


@settings(deadline=None)
@given(colors(-4, 20))
def test_colors_beyond_the_gamut_come_back(rgb):
    light = color.srgb_to_linear(rgb)
    assert np.allclose(color.linear_to_srgb(light), rgb, rtol=1e-5, atol=1e-5)
    again = color.lab_to_linear(color.linear_to_lab(light))
    assert np.all(np.abs(again - light) < 3e-5 * np.maximum(1, np.abs(light).max(axis=0)))


@settings(deadline=None)
@given(st.floats(0, 30, width=32))
def test_neutral_colors_have_no_chroma(level):
    lab = color.srgb_to_lab(np.full((3, 1), level, np.float32))
    assert np.abs(lab[1:]).max() < 1e-5 * max(1, lab[0, 0]) * 5


def test_shape_does_not_change_values():
    rgb = random_colors(600)
    whole = color.srgb_to_lab(rgb)
    assert np.array_equal(color.srgb_to_lab(rgb.reshape(3, 20, 30)).reshape(3, -1), whole)
    assert np.array_equal(color.srgb_to_lab(rgb[:, 7:99].copy()), whole[:, 7:99])


def fitted(lab):
    low = np.zeros(lab.shape[1], np.float32)
    return color.fit_chroma(lab, low, low + 1)


@settings(deadline=None)
@given(colors(0, 1), st.floats(1, 8))
def test_chroma_is_fitted_at_the_same_lightness_and_hue(rgb, factor):
    lab = color.srgb_to_lab(rgb)
    lab[1:] *= np.float32(factor)
    light = fitted(lab)
    assert light.min() >= 0
    assert light.max() <= 1
    again = color.linear_to_lab(light)
    assert np.abs(again[0] - lab[0]).max() < 0.1
    assert np.all(np.hypot(*again[1:]) <= np.hypot(*lab[1:]) + 0.1)
    across = again[1] * lab[2] - again[2] * lab[1]
    assert np.all(np.abs(across) <= 0.2 * np.hypot(*lab[1:]) + 1e-3)


def test_fitted_colors_are_as_colourful_as_the_gamut_allows():
    lab = color.srgb_to_lab(random_colors())
    lab[1:] *= 1.5
    more = color.linear_to_lab(fitted(lab))
    more[1:] *= 1.02
    too_much, still_too_much = (
        (light.min(axis=0) < -1e-4) | (light.max(axis=0) > 1 + 1e-4)
        for light in (color.lab_to_linear(lab), color.lab_to_linear(more))
    )
    assert too_much.mean() > 0.5
    assert still_too_much[too_much].mean() > 0.99


def test_colors_in_the_gamut_keep_their_chroma():
    rgb = random_colors()
    assert np.abs(color.linear_to_srgb(fitted(color.srgb_to_lab(rgb))) - rgb).max() < 2e-4


def test_wider_bounds_keep_wider_colors():
    rgb = np.float32([[2.0], [-0.3], [0.5]])
    light = color.srgb_to_linear(rgb)
    lab = color.linear_to_lab(light)
    kept = color.fit_chroma(lab, light.min(axis=0), light.max(axis=0))
    assert np.abs(kept - light).max() < 1e-4
    assert np.abs(fitted(np.minimum(lab, 99)) - light).max() > 0.1


def test_coverage_is_luma_times_alpha():
    rgb = np.float32([[[1, 1, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [9, 9, 9]]])
    alpha = np.float32([[1, 1, 0.5, 1, 1]])
    assert np.allclose(color.coverage(rgb, alpha), [[1, 0, 0.5, 0.7152, 1]], atol=1e-6)
    assert np.allclose(color.coverage(rgb, None), [[1, 0, 1, 0.7152, 1]], atol=1e-6)
