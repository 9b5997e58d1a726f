"""Targets of main colours, and the change of the picture that follows from them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.imaging.color import lab_to_srgb, linear_to_lab, srgb_to_lab, srgb_to_linear
from engine.imaging.harmony import Recoloring, harmonious_targets
from engine.imaging.naming import NAMES, name_probabilities, prototypes

seeds = st.integers(0, 2**32 - 1)


def random_moves(seed, count=4, size=25.0):
    rng = np.random.default_rng(seed)
    cells = rng.choice(12 * 12, count, replace=False)
    source = (
        np.stack([cells // 12, cells % 12], axis=1) * 10 - 60 + rng.uniform(0, 6, (count, 2))
    ).astype(np.float32)
    return Recoloring(source, source + rng.normal(0, size, (count, 2)).astype(np.float32))


def random_rgb(seed, low=0.0, high=1.0, count=400):
    return np.random.default_rng(seed).uniform(low, high, (count, 3)).astype(np.float32)


def recolored(moves, rgb):
    result = rgb[None].copy()
    moves.table().apply(result)
    return result[0]


def lab_of(rgb):
    return linear_to_lab(srgb_to_linear(rgb.T.copy()))


def at_70(ab):
    lab = np.float32([[70] * len(ab), *np.transpose(ab)])
    return np.clip(lab_to_srgb(lab), 0, 1).T


def paper_target(ab):
    """Section 4.4, a colour at a time."""
    color = at_70([ab])[0]
    p = name_probabilities(color)
    names = [name for name in np.argsort(-p)[:3] if p[name] > 0.15]
    known = prototypes()
    own = [k for k in range(len(known.name)) if known.name[k] in names]
    nearest = min(own, key=lambda k: float(np.sum((known.rgb[k] - color) ** 2)))
    return srgb_to_lab(known.rgb[nearest][:, None])[1:, 0]


def test_targets_are_those_of_the_paper():
    source = np.float32([[a, b] for a in range(-60, 70, 15) for b in range(-60, 70, 15)])
    expected = np.stack([paper_target(ab) for ab in source])
    assert np.allclose(harmonious_targets(source), expected, atol=1e-4)


def test_without_the_guard_neutral_takes_a_tint_and_with_it_stays():
    neutral = np.float32([[0, 0], [1, -2]])
    assert np.hypot(*harmonious_targets(neutral).T).min() > 5
    assert np.array_equal(harmonious_targets(neutral, keep_neutrals=True), neutral)


def test_guarded_colors_become_no_duller():
    vivid = np.float32([[58, 45], [70, 55], [70, -80], [-80, 75]])
    chroma = np.hypot(*vivid.T)
    assert np.hypot(*harmonious_targets(vivid).T).min() < 0.8 * chroma.min()
    guarded = np.hypot(*harmonious_targets(vivid, keep_neutrals=True).T)
    assert np.all(guarded > 0.99 * chroma)


def test_targets_come_from_a_given_palette_by_name_first():
    palette = np.float32([[0.1, 0.1, 0.6], [0.8, 0.1, 0.1], [0.1, 0.5, 0.1]])
    of_palette = lab_of(palette)[1:].T
    source = np.float32([[10, -40], [55, 35], [-50, 45]])
    assert np.allclose(harmonious_targets(source, palette), of_palette, atol=1e-4)
    for keep in (False, True):
        red_only = harmonious_targets(source, palette[1:2], keep)
        assert np.hypot(*(red_only - of_palette[1]).T).max() < 25
    assert np.allclose(harmonious_targets(source, palette[1:2]), of_palette[1], atol=1e-4)


def test_a_main_color_of_the_same_name_is_preferred_to_a_nearer_one():
    orange_brown, blue = (0.55, 0.3, 0.05), (0.05, 0.1, 0.9)
    teal_blue = np.float32([[-20, -25]])
    assert NAMES[name_probabilities(at_70(teal_blue)).argmax()] == "blue"
    target = harmonious_targets(teal_blue, np.float32([orange_brown, blue]))
    assert np.allclose(target, lab_of(np.float32([blue]))[1:].T, atol=1e-4)


def test_no_main_colors_have_no_targets():
    assert harmonious_targets(np.zeros((0, 2), np.float32), keep_neutrals=True).shape == (0, 2)


@settings(deadline=None)
@given(seeds)
def test_shift_is_the_weighted_mean_of_the_moves(seed):
    moves = random_moves(seed)
    ab = np.random.default_rng(seed).uniform(-90, 90, (2, 50)).astype(np.float32)
    gaps = ((ab.T[:, None].astype(float) - moves.source[None]) ** 2).sum(axis=2)
    weight = 1 / (gaps + 1e-4)
    weight /= weight.sum(axis=1, keepdims=True)
    expected = weight @ (moves.target - moves.source)
    assert np.allclose(moves.shift(ab).T, expected, atol=2e-3)


@settings(deadline=None)
@given(seeds)
def test_main_colors_reach_their_targets(seed):
    moves = random_moves(seed, count=3)
    shift = moves.shift(np.ascontiguousarray(moves.source.T)).T
    assert np.allclose(moves.source + shift, moves.target, atol=0.05)


def test_grey_stays_grey_beside_any_colors():
    moves = Recoloring(np.float32([[8, 3], [60, 40]]), np.float32([[40, 40], [60, 80]]))
    grey = np.repeat(np.linspace(0, 1, 50, dtype=np.float32)[:, None], 3, axis=1)
    assert np.abs(recolored(moves, grey) - grey).max() > 0.02
    assert np.abs(recolored(moves.with_neutral(), grey) - grey).max() < 1e-4
