"""Contrast and colour-blind sight."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.imaging import palette_checks
from engine.imaging.palette_checks import SIGHTS, confusions, contrast, seen


def colors(*codes):
    return np.array([tuple(bytes.fromhex(code)) for code in codes], np.float32) / 255


def test_contrasts_that_wcag_names():
    ratios = contrast(colors("000000", "ffffff", "767676", "0000ff"))

    assert ratios[0, 1] == pytest.approx(21)
    assert ratios[1, 2] == pytest.approx(4.54, abs=0.005)
    assert ratios[1, 3] == pytest.approx(8.59, abs=0.005)


@given(arrays(np.float32, (4, 3), elements=st.floats(-1, 2, width=32)))
def test_contrast_lies_between_1_and_21_and_has_no_order(rgb):
    ratios = contrast(rgb)

    assert (ratios >= 1).all()
    assert (ratios <= 21.001).all()
    assert np.allclose(ratios, ratios.T)


@pytest.mark.parametrize("sight", SIGHTS)
def test_greys_look_the_same_to_everyone(sight):
    greys = colors("000000", "404040", "808080", "ffffff")

    assert np.abs(seen(greys, sight) - greys).max() < 1 / 255


def test_red_and_green_are_alike_for_two_kinds_of_sight_and_blue_and_green_for_the_third():
    red_green = colors("a86400", "648200")
    assert palette_checks.differences(red_green)[0, 1] > 10
    assert confusions(red_green, "deutan")
    assert not confusions(red_green, "tritan")

    blue_green = colors("00a0a0", "2f9fc0")
    assert confusions(blue_green, "tritan")
    assert not confusions(blue_green, "deutan")


def test_a_pair_that_nobody_tells_apart_is_no_confusion():
    assert not any(confusions(colors("808080", "818181"), sight) for sight in SIGHTS)


def test_confusions_come_most_alike_first_and_once_each():
    ring = colors("e6194b", "3cb44b", "f58231", "9a6324", "808000", "46f0f0", "f032e6")

    found = confusions(ring, "deutan")

    assert [pair.seen for pair in found] == sorted(pair.seen for pair in found)
    assert len({pair[:2] for pair in found}) == len(found) > 0
    assert all(pair.first < pair.second and pair.normal > 10 > 5 > pair.seen for pair in found)
