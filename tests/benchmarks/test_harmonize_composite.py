"""The plain methods and the figures that harmonize-composite is measured by."""

import cv2
import numpy as np
import pytest

from benchmarks.harmonize_composite import (
    Pair,
    errors,
    half_reinhard,
    linear_histogram,
    moments,
    reinhard,
    table_of,
)


@pytest.fixture
def pair():
    """A dim reddish square on a brighter ground, all mid-tones, so that nothing clips."""
    random = np.random.default_rng(0)
    truth = random.normal((0.5, 0.5, 0.5), 0.04, (64, 64, 3)).clip(0, 1).astype(np.float32)
    mask = np.zeros((64, 64), np.float32)
    mask[16:40, 16:40] = 1
    pasted = truth.copy()
    pasted[mask > 0] = pasted[mask > 0] * (0.8, 0.6, 0.6)
    return Pair("square", pasted.astype(np.float32), truth, mask)


def test_reinhard_gives_the_foreground_the_grounds_moments(pair):
    lab = cv2.cvtColor(reinhard(pair), cv2.COLOR_RGB2LAB)
    inside, outside = moments(lab, pair.mask), moments(lab, 1 - pair.mask)
    np.testing.assert_allclose(inside[0], outside[0], atol=0.2)
    np.testing.assert_allclose(inside[1], outside[1], atol=0.2)


def test_half_strength_is_half_of_the_way_in_lab(pair):
    before, half, whole = (
        cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
        for picture in (pair.pasted, half_reinhard(pair), reinhard(pair))
    )
    np.testing.assert_allclose(half, (before + whole) / 2, atol=0.5)  # OpenCV uses tables


def test_linear_matching_gives_the_grounds_covariance(pair):
    found = linear_histogram(pair)
    inside, outside = found[pair.mask > 0], found[pair.mask == 0]
    np.testing.assert_allclose(inside.mean(axis=0), outside.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(np.cov(inside.T), np.cov(outside.T), atol=1e-4)


@pytest.mark.parametrize("method", [reinhard, half_reinhard, linear_histogram])
def test_plain_methods_leave_the_ground(pair, method):
    outside = pair.mask == 0
    np.testing.assert_array_equal(method(pair)[outside], pair.pasted[outside])


def test_errors_by_hand(pair):
    found = pair.truth.copy()
    found[16:40, 16:28] += 10 / 255
    mse, psnr, fmse = errors(found, pair)
    assert fmse == pytest.approx(50, rel=1e-3)
    assert mse == pytest.approx(100 * 24 * 12 / 64**2, rel=1e-3)
    assert psnr == pytest.approx(10 * np.log10(255**2 / mse), rel=1e-6)


def test_the_table_tells_shares_and_what_became_worse(pair):
    table = table_of("Squares", [pair], {"as pasted": [pair.pasted], "perfect": [pair.truth]})
    pasted, perfect = table["rows"]
    assert perfect[1:4] == ["0.0", "78.13", "0"]
    assert perfect[4:7] == ["", "0", ""]
    assert (pasted[-1], perfect[-1]) == ("", "0%")
