"""The compiled colour maths beside numpy's."""

import numpy as np
import pytest

from engine.imaging.color import linear_to_srgb, srgb_to_lab
from engine.imaging.color_kernels import lab_at
from engine.imaging.color_table import ColorTable


@pytest.mark.parametrize(("low", "high"), [(0, 0.05), (0, 1), (-0.5, 1), (1, 8)])
def test_lab_of_some_pixels(low, high):
    rng = np.random.default_rng(0)
    rgb = rng.uniform(low, high, (30, 50, 3)).astype(np.float32)
    places = rng.permutation(1500)[:1100]
    expected = srgb_to_lab(rgb.reshape(-1, 3)[places].T.copy())
    assert np.allclose(lab_at(rgb, places), expected, rtol=1e-5, atol=1e-3)


def test_no_pixels_have_no_lab():
    assert lab_at(np.zeros((4, 4, 3), np.float32), np.zeros(0, np.intp)).shape == (3, 0)


def test_grey_scales_come_back_through_every_curve():
    """A shift of lightness and back, from black to far beyond white."""
    grey = np.concatenate([np.linspace(0, 0.01, 50), np.linspace(0, 1, 400), [1.5, 4, 30]])
    rgb = linear_to_srgb(grey.astype(np.float32))[None, :, None].repeat(3, axis=2)
    pixels = rgb.copy()
    for by in (3, -3):
        ColorTable(np.full((1, 5, 5, 3), (by, 0, 0), np.float32)).apply(pixels)
    inside = (grey > 0.01) & (grey < 0.8)
    assert np.abs(pixels - rgb)[0, inside].max() < 1e-5
    assert pixels.min() >= 0
    assert pixels[0, grey <= 1].max() <= 1
