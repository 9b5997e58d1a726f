"""Pictures at a network's size, and fields of maps back on the picture."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.imaging import resample
from engine.imaging.resample import AffineField, Box

sizes = st.integers(1, 40)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


@given(st.integers(1, 30000), st.integers(1, 30000), st.sampled_from([128, 256]))
def test_a_working_size_has_the_network_s_area_and_the_picture_s_proportions(width, height, side):
    across, down = resample.working_size(width, height, side, 32)

    assert across % 32 == down % 32 == 0
    assert 32 <= min(across, down) <= max(across, down) <= 4 * side
    if 1 / 4 <= width / height <= 4:
        assert across * down == pytest.approx(side * side, rel=0.35)
        assert (across / down) / (width / height) == pytest.approx(1, abs=0.35)


@given(sizes, sizes)
def test_strips_are_the_picture_once(height, width):
    rows = [row for strip in resample.strips(height, width) for row in range(height)[strip]]

    assert rows == list(range(height))


def test_large_pictures_are_cut_into_strips():
    strips = list(resample.strips(3000, 2000))

    assert len(strips) > 4
    assert max((s.stop - s.start) * 2000 for s in strips) <= resample.STRIP_PIXELS


@pytest.mark.parametrize("size", [(8, 6), (17, 5), (64, 96), (200, 3)])
def test_each_small_pixel_is_the_mean_of_those_that_it_stands_for(size, monkeypatch):
    monkeypatch.setattr(resample, "STRIP_PIXELS", 500)
    rgb = noise(60, 64, 3)

    small = resample.shrink(rgb, None, size, 0.5)

    assert small.shape == (size[1], size[0], 3)
    if size == (8, 6):
        expected = rgb.reshape(6, 10, 8, 8, 3).mean(axis=(1, 3))
        assert np.abs(small - expected).max() < 1e-5
    assert small.mean() == pytest.approx(rgb.mean(), abs=0.02)


def test_what_is_transparent_shows_the_ground():
    rgb, alpha = noise(40, 40, 3), np.zeros((40, 40), np.float32)
    alpha[:, 20:] = 0.5

    small = resample.shrink(rgb, alpha, (2, 1), 0.25)

    assert small[0, 0] == pytest.approx([0.25] * 3)
    assert small[0, 1] == pytest.approx(0.125 + rgb[:, 20:].mean(axis=(0, 1)) / 2, abs=1e-5)


def test_light_beyond_white_counts_as_white():
    rgb = np.full((10, 10, 3), 50, np.float32)
    rgb[:, :5] = -3

    assert resample.shrink(rgb, None, (2, 1), 0.5).tolist() == [[[0] * 3, [1] * 3]]


def test_one_pixel_is_enlarged():
    rgb = np.float32([[[0.1, 0.5, 0.9]]])

    assert np.ptp(resample.shrink(rgb, None, (32, 64), 0.5), axis=(0, 1)).max() < 1e-6


@given(sizes, sizes, sizes, sizes, st.sampled_from([1, 3]))
def test_a_field_lies_over_the_picture_bilinearly(rows, columns, height, width, count):
    cells, rgb = noise(4 * count, rows, columns), noise(3, height, width, seed=1)

    found = AffineField(cells, width, height).apply(rgb, 0)

    full = np.stack([cv2.resize(plane, (width, height)) for plane in cells])
    maps = full.reshape(count, 4, height, width).astype(np.float64)
    expected = (maps[:, :3] * rgb).sum(axis=1) + maps[:, 3]
    assert found.shape == (count, height, width)
    assert np.abs(found - expected).max() < 1e-5


@given(sizes, sizes, st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_strips_of_a_field_are_those_of_the_whole(rows, width, heights):
    rgb = noise(3, sum(heights), width)
    field = AffineField(noise(12, rows, 5), width, sum(heights))

    tops = np.cumsum([0, *heights])
    strips = [field.apply(rgb[:, top:bottom], int(top)) for top, bottom in pairwise(tops)]

    assert np.array_equal(np.concatenate(strips, axis=1), field.apply(rgb, 0))


def test_a_field_of_identities_changes_no_bit():
    cells = np.broadcast_to(np.eye(3, 4, dtype=np.float32).reshape(12, 1, 1), (12, 7, 5))
    rgb = noise(3, 50, 60) * 9 - 4

    assert np.array_equal(AffineField(cells, 60, 50).apply(rgb, 0), rgb)


@given(sizes, sizes, st.floats(0, 3), st.integers(0, 10**6))
def test_a_box_holds_the_mask_and_its_margin_keeps_to_the_picture(height, width, margin, seed):
    there = np.random.default_rng(seed).random((height, width)) > 0.9
    there[height // 2, width // 2] = True

    box = Box.around(there)
    grown = box.grown(margin, width, height)

    assert there.sum() == box.of(there).sum() == grown.of(there).sum()
    assert all(edge.any() for part in [box.of(there)] for edge in (part[0], part[-1]))
    assert grown.of(there).shape == (grown.height, grown.width)
    assert grown.left == max(0, box.left - round(margin * max(box.width, box.height)))
