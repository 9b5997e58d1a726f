"""Main colours of a picture, and colours of a palette."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.imaging import palettes
from ipc.errors import LimnerError


def blobs(centres, counts, spread=1.0, seed=0):
    """CIELAB pixels (3 x N) around the centres (k x 3)."""
    rng = np.random.default_rng(seed)
    parts = [
        np.asarray(centre)[:, None] + spread * rng.normal(size=(3, count))
        for centre, count in zip(centres, counts, strict=True)
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


THREE = [(50, 60, 40), (70, -50, 40), (30, 10, -60)]


def even(lab):
    return np.ones(lab.shape[1])


def test_main_colors_are_found_most_frequent_first():
    lab = blobs(THREE, (200, 500, 300))
    found = palettes.source_palette(lab, even(lab))
    assert np.allclose(found.share, (0.5, 0.3, 0.2))
    assert np.abs(found.lab - np.array(THREE)[[1, 2, 0]]).max() < 0.5


def test_a_wanted_number_of_colors_is_given():
    lab = blobs(THREE, (400, 400, 400), spread=8)
    for wanted in range(1, 8):
        assert len(palettes.source_palette(lab, even(lab), wanted).share) == wanted


def test_weight_decides_what_counts():
    lab = blobs(THREE, (400, 400, 400))
    weight = np.repeat([1.0, 0.0, 0.25], 400)
    found = palettes.source_palette(lab, weight)
    assert np.allclose(found.share, (0.8, 0.2))
    assert np.abs(found.lab - np.array(THREE)[[0, 2]]).max() < 0.5


def test_the_number_is_the_smallest_that_explains_enough():
    lab = blobs(THREE, (4000, 4000, 4000), spread=4)
    bins, share = palettes._histogram(lab, even(lab))
    distortion = [
        palettes._distortion(bins[:, 1:], share, palettes.weighted_kmeans(bins[:, 1:], share, k))
        for k in range(1, 8)
    ]
    explained = (distortion[0] - np.array(distortion)) / (distortion[0] - distortion[-1])
    expected = 1 + int(np.argmax(explained > 0.93))
    assert len(palettes.source_palette(lab, even(lab)).share) == expected == 3


@pytest.mark.parametrize("count", [1, 2, 500])
def test_a_flat_picture_has_one_color(count):
    lab = np.tile(np.float32([[40], [12], [-7]]), (1, count))
    found = palettes.source_palette(lab, even(lab))
    assert np.allclose(found.lab, [[40, 12, -7]])
    assert np.allclose(found.share, [1])


def test_unseen_noise_is_no_color():
    lab = blobs([(40, 12, -7)], (500,), spread=0.1)
    assert len(palettes.source_palette(lab, even(lab)).share) == 1


def test_a_few_bright_pixels_do_not_coarsen_the_palette():
    lab = np.concatenate([blobs(THREE, (4000, 4000, 4000)), [[900]] * 3], axis=1)
    found = palettes.source_palette(lab.astype(np.float32), even(lab))
    assert np.abs(found.lab[:3, 1:].sum(axis=0) - np.array(THREE)[:, 1:].sum(axis=0)).max() < 2


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 7))
def test_any_picture_has_a_palette_and_always_the_same(seed, count, wanted):
    rng = np.random.default_rng(seed)
    lab = rng.normal(0, 40, (3, count)).astype(np.float32)
    weight = rng.random(count) + 0.01
    found = palettes.source_palette(lab, weight, wanted)
    assert 1 <= len(found.share) <= wanted
    assert np.isclose(found.share.sum(), 1)
    assert np.all(np.diff(found.share) <= 0)
    again = palettes.source_palette(lab, weight, wanted)
    assert np.array_equal(found.lab, again.lab)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 15))
def test_no_cluster_is_empty(seed, k):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 32, (300, 3)).astype(np.float64)
    points = np.unique(points, axis=0)
    labels = palettes.weighted_kmeans(points, rng.random(len(points)) + 0.01, k)
    assert np.array_equal(np.unique(labels), np.arange(k))


def test_swatches_are_the_different_opaque_colors_in_order():
    rgb = np.float32([[[1, 0, 0], [0, 1, 0], [1, 0.0001, 0]], [[0, 0, 1], [0, 1, 0], [1, 1, 1]]])
    alpha = np.float32([[1, 0.4, 1], [0.5, 0.6, 0]])
    assert np.array_equal(palettes.swatches(rgb, alpha), [[1, 0, 0], [0, 0, 1], [0, 1, 0]])
    assert len(palettes.swatches(rgb, None)) == 4


@pytest.mark.parametrize("pixels", ["none", "photograph"])
def test_what_is_no_palette_is_refused(pixels):
    rgb = np.random.default_rng(0).random((80, 80, 3), dtype=np.float32)
    alpha = np.zeros((80, 80), np.float32) if pixels == "none" else None
    with pytest.raises(LimnerError) as refused:
        palettes.swatches(rgb, alpha)
    assert refused.value.code == "bad-parameter"


def test_a_palette_has_each_colour_once_and_a_lock_on_any_of_them_counts():
    rgb = np.float32([[0.5, 0, 0], [0, 0, 1], [0.5001, 0, 0]])
    kept = palettes.Palette(rgb, ("a", "b", "c"), (False, False, True), name="p").distinct()

    assert kept.codes().tolist() == [[128, 0, 0], [0, 0, 255]]
    assert (kept.names, kept.locked, kept.name) == (("a", "b"), (True, False), "p")
