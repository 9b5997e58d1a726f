"""The metrics of the harmony benchmark on pictures whose values are known."""

import numpy as np

from benchmarks.harmony import harmony_of, template_distances


def picture(*colors):
    return np.repeat(np.uint8([colors]), 8, axis=0)


def test_templates_have_the_published_widths():
    share_inside = (template_distances() == 0).mean(axis=1).reshape(8, 360).mean(axis=1)
    expected = [0.05, 0.26, 0.27, 0.27, 0.1, 0.5, 0.31, 0.52]
    assert np.abs(share_inside - expected).max() < 0.02


def test_one_hue_is_harmonious():
    harmony = harmony_of(picture((255, 0, 0), (128, 64, 64)))
    assert harmony.f == 0
    assert harmony.pit == harmony.pit_colourful == 100
    assert np.isclose(harmony.mits, 0.75, atol=0.01)


def test_opposite_hues_are_harmonious_and_three_even_ones_nearly():
    assert harmony_of(picture((255, 0, 0), (0, 255, 255))).f == 0
    # Template X with one hue in the middle of a sector: the others are 60 - 46.8 degrees outside.
    three = harmony_of(picture((255, 0, 0), (0, 255, 0), (0, 0, 255)))
    assert np.isclose(three.f, 8 * 2 * np.radians(13.2))
    assert np.isclose(three.pit, 100 / 3)


def test_grey_counts_for_one_share_only():
    harmony = harmony_of(picture((0, 0, 255), (0, 0, 255), (90, 90, 90)))
    assert harmony.f == 0
    assert harmony.pit_colourful == 100
