"""Palettes by peaks, the mapping between two of them, and the smooth change that it makes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from skimage.color import deltaE_ciede2000

from engine.imaging.palette_transfer import Palette, PaletteShift, mapping, peak_palette

seeds = st.integers(0, 2**32 - 1)
THREE = [(50, 60, 40), (70, -50, 40), (30, 10, -60)]


def blobs(centres, counts, spread=1.0, seed=0):
    """CIELAB pixels (3 x N) around the centres (k x 3)."""
    rng = np.random.default_rng(seed)
    parts = [
        np.asarray(centre)[:, None] + spread * rng.normal(size=(3, count))
        for centre, count in zip(centres, counts, strict=True)
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


def even(lab):
    return np.ones(lab.shape[1])


def palette(colors, share=None, deviation=3.0):
    lab = np.array(colors, float).reshape(-1, 3)
    share = np.full(len(lab), 1 / len(lab)) if share is None else np.array(share)
    return Palette(lab, share, np.full(len(lab), deviation))


def random_palette(seed, count=16):
    rng = np.random.default_rng(seed)
    lab = rng.uniform((10, -60, -60), (90, 60, 60), (count, 3))
    share = np.sort(rng.uniform(0.1, 1, count))[::-1]
    return Palette(lab, share / share.sum(), rng.uniform(0.5, 8, count))


def test_peaks_are_found_most_frequent_first():
    lab = blobs(THREE, (2000, 5000, 3000))
    found = peak_palette(lab, even(lab), 3)
    assert np.allclose(found.share, (0.5, 0.3, 0.2), atol=0.01)
    assert np.abs(found.lab - np.array(THREE)[[1, 2, 0]]).max() < 0.2
    assert np.abs(found.deviation - np.sqrt(2)).max() < 0.1


def test_rare_colors_are_no_peaks():
    """30 pixels of 300 x 300 are too few, as in the paper, and so are as many of a larger one."""
    for scale in (1, 4):
        few, some = (
            peak_palette(lab, even(lab), 9)
            for lab in (
                blobs(THREE, np.array((60000, 30000, rare)) * scale, 0) for rare in (29, 33)
            )
        )
        assert len(few.share) < len(some.share)


def test_the_number_of_colors_is_a_bound():
    lab = blobs(THREE, (4000, 4000, 4000), spread=12)
    counts = [len(peak_palette(lab, even(lab), most).share) for most in range(1, 33)]
    assert counts[:8] == list(range(1, 9))
    assert max(counts) <= 32


def test_each_color_is_the_mean_of_the_pixels_nearest_to_a_peak():
    lab = blobs(THREE, (3000, 2000, 1000), spread=9)
    found = peak_palette(lab, even(lab), 12)
    assert found.share.sum() == pytest.approx(1)
    assert np.allclose(found.share @ found.lab, lab.mean(axis=1), atol=1e-3)
    spread = found.share @ (found.deviation**2 + (found.lab[:, 1:] ** 2).sum(axis=1))
    assert spread == pytest.approx((lab[1:].astype(float) ** 2).sum(axis=0).mean(), rel=1e-5)


def test_weight_decides_what_counts():
    lab = blobs(THREE, (4000, 4000, 4000))
    found = peak_palette(lab, np.repeat([1.0, 0.0, 0.25], 4000), 2)
    assert np.allclose(found.share, (0.8, 0.2), atol=0.01)
    assert np.abs(found.lab - np.array(THREE)[[0, 2]]).max() < 0.5


@pytest.mark.parametrize("count", [1, 2])
def test_a_picture_of_a_pixel_or_two_has_a_palette(count):
    lab = np.array(THREE[:count], np.float32).T
    found = peak_palette(lab, even(lab), 32)
    assert sorted(map(tuple, found.lab.round(3))) == sorted(THREE[:count])
    assert not found.deviation.any()


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_greys_are_greys_however_they_were_rounded(seed):
    rng = np.random.default_rng(seed)
    exact = np.zeros((3, 9000), np.float32)
    exact[0] = rng.uniform(0, 100, 9000)
    rounded = exact + np.float32([[0], [1], [1]]) * rng.normal(0, 1e-4, exact.shape)
    one, other = (peak_palette(np.float32(lab), even(lab), 32) for lab in (exact, rounded))
    assert np.allclose(one.lab, other.lab, atol=1e-3)
    assert np.allclose(one.share, other.share)


def test_light_beyond_white_counts_as_white():
    found = peak_palette(np.float32([[300], [0], [-200]]), np.ones(1), 4)
    assert found.lab.tolist() == [[100, 0, -128]]


def test_colors_go_to_the_nearest():
    source, reference = palette(THREE), palette([(40, 55, 35), (60, -40, 45), (33, 5, -50)])
    assert np.array_equal(mapping(source, reference).target, reference.lab)


def test_of_colors_that_share_a_target_the_most_frequent_keeps_it():
    """The other takes the mean of what its neighbours became, the nearer one's more."""
    source = palette([(50, 10, 0), (50, 40, 0), (50, 20, 0)], (0.5, 0.3, 0.2))
    reference = palette([(50, 10, 30), (50, 40, 24)])
    target = mapping(source, reference).target
    assert np.array_equal(target[:2], reference.lab)
    # Distances 10 and 20: two thirds of one, a third of the other.
    assert target[2] == pytest.approx((50, 20, 28))


def test_a_color_twice_in_a_palette_has_one_target():
    source = palette([(50, 10, 0), (50, 10, 0)], (0.6, 0.4))
    target = mapping(source, palette([(50, 10, 30)])).target
    assert np.allclose(target, (50, 10, 30))


def test_pixels_differ_less_where_the_reference_does():
    source = palette(THREE, deviation=5)
    assert mapping(source, palette(THREE, deviation=8)).kept.tolist() == [1, 1, 1]
    assert np.allclose(mapping(source, palette(THREE, deviation=2.4)).kept, 0.5)


def test_a_palette_color_moves_to_its_target():
    colors = [(50, 80, 0), (50, -80, 0)]
    shift = PaletteShift.between(palette(colors), palette([(60, 70, 30), (30, -80, -20)]))
    moved = looked_up(shift.table(), np.float32(colors).T)
    assert np.allclose(moved.T, [(10, -10, 30), (-20, 0, -20)], atol=0.5)


def test_a_grey_reference_leaves_no_color():
    lab = blobs(THREE, (2000, 2000, 2000), spread=8)
    grey = palette([(20, 0, 0), (80, 0, 0)], deviation=0)
    table = PaletteShift.between(peak_palette(lab, even(lab), 32), grey).table()
    after = lab + looked_up(table, lab)
    assert np.hypot(*after[1:]).mean() < 0.05 * np.hypot(*lab[1:]).mean()


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_the_change_is_smooth(seed):
    """Neighbouring colours stay neighbours, so that a gradient shows no bands.

    Hard clusters would part some of them by all that two moves differ: by 100 and more here.
    """
    rng = np.random.default_rng(seed)
    table = PaletteShift.between(random_palette(seed), random_palette(seed + 1)).table()
    lab = rng.uniform((5, -60, -60), (95, 60, 60), (4000, 3)).T.astype(np.float32)
    step = rng.normal(size=lab.shape).astype(np.float32)
    step *= 0.5 / np.linalg.norm(step, axis=0)
    moved = looked_up(table, lab + step) - looked_up(table, lab)
    apart = np.linalg.norm(moved, axis=0) / 0.5
    assert np.percentile(apart, 99) < 8
    assert apart.max() < 30


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_the_table_is_as_good_as_the_function(seed):
    source = random_palette(seed, 24)
    shift = PaletteShift.between(source, random_palette(seed + 1, 24))
    rng = np.random.default_rng(seed)
    lab = source.lab[rng.integers(0, 24, 4000)] + rng.normal(0, 4, (4000, 3))
    lab = np.clip(lab, (0, -128, -128), (100, 128, 128)).T.astype(np.float32)
    exact, tabled = lab + exactly(shift, lab), lab + looked_up(shift.table(), lab)
    errors = deltaE_ciede2000(exact.T.astype(float), tabled.T.astype(float))
    assert errors.mean() < 0.05
    assert np.percentile(errors, 99.9) < 0.5


def exactly(shift, lab):
    """What is added to colours, by the definition."""
    difference = lab.T[:, None].astype(float) - shift.source
    weights = softmax((difference**2).sum(axis=2) / (-2 * shift.spread**2), axis=1)
    moves = shift.move - shift.lost[:, None] * difference * (0, 1, 1)
    return np.einsum("nk,nkc->cn", weights, moves)


def looked_up(table, lab):
    """The table's values, linear between its points."""
    table = table.shift
    levels, steps = table.shape[:2]
    chroma = (lab[1:] + 128) * (steps - 1) / 256
    place = np.stack([lab[0] * (levels - 1) / 100, *chroma]).astype(float)
    cell = np.minimum(place.astype(int), np.array(table.shape[:3])[:, None] - 2)
    part = place - cell
    total = np.zeros((3, lab.shape[1]))
    for corner in np.ndindex(2, 2, 2):
        at = np.array(corner)[:, None]
        weight = np.where(at == 1, part, 1 - part).prod(axis=0)
        total += weight * table[tuple(cell + at)].T
    return total


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_points_of_the_table_are_exact(seed):
    """Also where no palette colour is near."""
    shift = PaletteShift.between(random_palette(seed), random_palette(seed + 1))
    table = shift.table().shift
    place = np.random.default_rng(seed).integers(0, np.array(table.shape[:3])[:, None], (3, 500))
    lab = place / (np.array(table.shape[:3])[:, None] - 1) * [[100], [256], [256]]
    lab[1:] -= 128
    assert np.abs(table[tuple(place)].T - exactly(shift, lab)).max() < 1e-3


def test_where_gaussians_are_less_than_any_number_the_change_is_a_mean_of_moves():
    corners = np.array([(0, -128, 128), (100, 128, -128)], float)
    move = np.array([[7.0] * 3, [-7.0] * 3])
    table = PaletteShift(corners, move, np.zeros(2), 2.0).table().shift
    assert np.abs(table).max() <= 7
    assert np.allclose(table[0, 0, -1], 7)
    assert np.allclose(table[-1, -1, 0], -7)


def test_a_part_of_the_change_is_a_part_of_what_is_added():
    shift = PaletteShift.between(random_palette(1), random_palette(2))
    part, whole = shift.scaled(0.25, 0.5).table().shift, shift.table().shift
    assert np.allclose(part, whole * (0.25, 0.5, 0.5), atol=1e-4)


def test_the_same_comes_back_every_time():
    lab = blobs(THREE, (3000, 2000, 1000), spread=9)
    first, second = (
        PaletteShift.between(peak_palette(lab, even(lab), 32), random_palette(5)).table()
        for _ in range(2)
    )
    assert first.shift.tobytes() == second.shift.tobytes()
