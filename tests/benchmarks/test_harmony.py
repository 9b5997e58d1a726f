"""The metrics and the plain methods of the harmony benchmark, where their values are known."""

import numpy as np
import pytest

from benchmarks import harmony
from benchmarks.harmony import (
    harmony_of,
    measured,
    operated,
    plain_recoloring,
    recoloring_of,
    released_harmony_of,
    saturated,
    template_harmonized,
)
from engine.imaging.color import srgb_to_lab
from engine.imaging.harmony import Recoloring


def picture(*colors):
    return np.repeat(np.uint8([colors]), 8, axis=0)


@pytest.fixture
def garden():
    """Greens, a red and a grey, each with some grain."""
    colors = np.repeat([(60, 130, 50), (120, 160, 40), (180, 60, 50), (128, 128, 128)], 8, axis=0)
    grain = np.random.default_rng(0).integers(-6, 7, (32, 32, 1))
    return np.uint8(colors[None] + grain)


def test_one_hue_is_harmonious():
    found, colourful = harmony_of(picture((255, 0, 0), (128, 64, 64)))
    assert found.f == 0
    assert found.pit == colourful == 100
    assert np.isclose(found.mits, 0.75, atol=0.01)


def test_opposite_hues_are_harmonious_and_three_even_ones_nearly():
    assert harmony_of(picture((255, 0, 0), (0, 255, 255)))[0].f == 0
    # Template X with one hue in the middle of a sector: the others are 60 - 46.8 degrees outside.
    three, _ = harmony_of(picture((255, 0, 0), (0, 255, 0), (0, 0, 255)))
    assert np.isclose(three.f, 8 * 2 * np.radians(13.2))
    assert np.isclose(three.pit, 100 / 3)


def test_grey_counts_for_one_share_only():
    found, colourful = harmony_of(picture((0, 0, 255), (0, 0, 255), (90, 90, 90)))
    assert found.f == 0
    assert colourful == 100


def test_as_released_saturations_are_lower_edges():
    found = released_harmony_of(picture((255, 0, 0), (0, 255, 0), (64, 128, 64)))
    highest = 128 + (255 - 128) * 31 / 32
    assert found.pit == 100
    assert np.isclose(found.mits, (2 * highest + 128) / 3 / 255)


def test_as_released_mits_is_divided_by_all_pixels():
    three = picture((255, 0, 0), (0, 255, 0), (0, 0, 255))
    found = released_harmony_of(three)
    assert found.pit < 99
    assert np.isclose(found.mits, found.pit / 100, atol=0.01)
    assert harmony_of(three)[0].mits == 1


def test_the_two_modes_agree_on_what_lies_inside_in_a_picture_of_near_hues(garden):
    greens = garden[:, :16]
    assert harmony_of(greens)[0].pit == released_harmony_of(greens).pit == 100


def test_nothing_is_measured_where_nothing_changed(garden):
    found = measured(garden, garden)
    assert found.turn == found.renamed == 0
    assert not found.greys.any()
    assert len(found.greys) == 32 * 8


def test_measured_tells_turned_hues_new_names_and_moved_greys(garden):
    result = garden.copy()
    result[:, 16:24] = result[:, 16:24, ::-1]
    result[:, 24:] += 20
    found = measured(garden, result)
    assert np.isclose(found.renamed, 25, atol=1)
    assert 10 < found.turn < 60
    assert found.greys.min() > 2


def test_plain_methods_do_what_they_say(garden):
    before = harmony.hsv_of(garden)[..., 1].mean()
    assert np.isclose(harmony.hsv_of(saturated(garden))[..., 1].mean(), 1.3 * before, rtol=0.02)
    assert harmony_of(template_harmonized(garden))[0].f <= harmony_of(garden)[0].f


def test_the_operations_own_palette_gives_its_result_to_the_plain_evaluation(garden):
    result, palette, _ = operated(garden, harmony.XUE)
    lab = srgb_to_lab(np.float32(garden.reshape(-1, 3).T / 255)).T.astype(float)
    _, expected = plain_recoloring(lab, recoloring_of(palette))
    inside = ((expected > 0.01) & (expected < 0.99)).all(axis=1)
    assert inside.any()
    off = np.abs(result.reshape(-1, 3) / 255 - expected)[inside]
    assert off.max() < 2 / 255


def test_a_main_colour_lands_on_its_target():
    recoloring = Recoloring(np.float32([[20, 10], [-30, 20]]), np.float32([[30, 20], [-40, 10]]))
    shifted, _ = plain_recoloring(np.array([[50.0, 20, 10], [60, -30, 20]]), recoloring)
    np.testing.assert_allclose(shifted, [[50, 30, 20], [60, -40, 10]], atol=0.01)
