"""Targets of main colours, and the change of the picture that follows from them."""

from dataclasses import replace

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.imaging.color import lab_to_srgb, linear_to_lab, srgb_to_lab, srgb_to_linear
from engine.imaging.harmony import (
    NOTHING,
    Protection,
    Recoloring,
    named_targets,
    palette_targets,
    template_targets,
    turned,
)
from engine.imaging.hue_templates import Template
from engine.imaging.naming import NAMES, name_probabilities, prototypes, skin

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
    assert np.allclose(named_targets(source), expected, atol=1e-4)


def test_neutrals_have_a_tint_for_a_target_and_are_not_free_where_protected():
    neutral = np.float32([[0, 0], [1, -2]])
    assert np.hypot(*named_targets(neutral).T).min() > 5
    assert np.all(Protection(skin=False).freedom(neutral.T) == 0)
    assert np.all(NOTHING.freedom(neutral.T) == 1)


def test_skin_is_not_free_and_what_is_far_from_it_is():
    skin = srgb_to_lab(np.float32([[0.88, 0.67, 0.55], [0.55, 0.38, 0.28]]).T.copy())[1:]
    vivid = np.float32([[60, -60, 10], [40, 50, -50]])
    only_skin = Protection(neutrals=False)
    assert np.all(only_skin.freedom(skin) < 0.3)
    assert np.all(only_skin.freedom(vivid) == 1)
    assert np.all(Protection(skin=False).freedom(skin) == 1)


@settings(deadline=None)
@given(seeds)
def test_freedom_has_no_edges(seed):
    ab = np.random.default_rng(seed).uniform(-60, 60, (2, 200)).astype(np.float32)
    near = ab + np.float32(0.01)
    assert np.abs(Protection().freedom(near) - Protection().freedom(ab)).max() < 0.01


def test_guarded_colors_become_no_duller():
    vivid = np.float32([[58, 45], [70, 55], [70, -80], [-80, 75]])
    chroma = np.hypot(*vivid.T)
    assert np.hypot(*named_targets(vivid).T).min() < 0.8 * chroma.min()
    guarded = np.hypot(*named_targets(vivid, Protection()).T)
    assert np.all(guarded > 0.99 * chroma)


@settings(deadline=None)
@given(seeds)
def test_guarded_colors_become_at_most_twice_as_vivid(seed):
    source = np.random.default_rng(seed).normal(0, 20, (5, 2)).astype(np.float32)
    ratio = np.hypot(*named_targets(source, Protection()).T) / np.hypot(*source.T)
    assert ratio.min() > 0.99
    assert ratio.max() < 2.01


@settings(deadline=None)
@given(seeds, st.floats(0, 180))
def test_hues_turn_no_further_than_allowed(seed, most):
    rng = np.random.default_rng(seed)
    source, target = rng.normal(0, 30, (2, 20, 2)).astype(np.float32)
    limited = turned(source, target, most)

    def angle(one, other):
        dot = (one * other).sum(axis=1) / (np.hypot(*one.T) * np.hypot(*other.T))
        return np.degrees(np.arccos(dot.clip(-1, 1)))

    assert np.allclose(np.hypot(*limited.T), np.hypot(*target.T), rtol=1e-3)
    wanted = angle(source, target)
    assert np.allclose(angle(source, limited), np.minimum(wanted, most), atol=0.1)
    assert np.allclose(limited[wanted < most - 0.1], target[wanted < most - 0.1], atol=1e-3)


def test_similar_colors_take_different_targets():
    similar = np.float32([[-30, 30], [-32, 31], [-28, 33], [-31, 28]])
    assert len(np.unique(named_targets(similar), axis=0)) < 4
    assert len(np.unique(named_targets(similar, Protection()), axis=0)) == 4


def test_targets_come_from_a_given_palette_by_name_first():
    palette = np.float32([[0.1, 0.1, 0.6], [0.8, 0.1, 0.1], [0.1, 0.5, 0.1]])
    of_palette = lab_of(palette)[1:].T
    source = np.float32([[10, -40], [55, 35], [-50, 45]])
    assert np.allclose(palette_targets(source, palette), of_palette, atol=1e-4)


def test_colors_that_share_a_palettes_color_stay_a_little_apart():
    red = np.float32([[0.8, 0.1, 0.1]])
    source = np.float32([[10, -40], [55, 35], [53, 36]])
    target = palette_targets(source, red)
    assert np.hypot(*(target - lab_of(red)[1:].T).T).max() < 8.01
    between = np.linalg.norm(target[1] - target[2])
    assert 0.1 < between < np.linalg.norm(source[1] - source[2]) + 0.01


def test_colors_that_take_a_locked_color_take_it_exactly():
    palette = np.float32([[0.8, 0.1, 0.1], [0.1, 0.1, 0.6]])
    source = np.float32([[10, -40], [12, -42], [55, 35], [53, 36]])
    target = palette_targets(source, palette, np.array([True, False]))
    assert np.array_equal(target[2:], lab_of(palette[[0, 0]])[1:].T)
    assert np.array_equal(target[:2], palette_targets(source, palette)[:2])
    assert not np.array_equal(target[0], target[1])


def test_more_colors_than_prototypes_share_them():
    source = np.random.default_rng(0).uniform(-60, 60, (300, 2)).astype(np.float32)
    target = named_targets(source, Protection())
    chosen, taken = np.unique(np.arctan2(*target.T).round(3), return_counts=True)
    assert target.shape == source.shape
    assert len(chosen) > 60
    assert taken.max() <= 6


def test_a_main_color_of_the_same_name_is_preferred_to_a_nearer_one():
    orange_brown, blue = (0.55, 0.3, 0.05), (0.05, 0.1, 0.9)
    teal_blue = np.float32([[-20, -25]])
    assert NAMES[name_probabilities(at_70(teal_blue)).argmax()] == "blue"
    target = palette_targets(teal_blue, np.float32([orange_brown, blue]))
    assert np.allclose(target, lab_of(np.float32([blue]))[1:].T, atol=1e-4)


def test_a_template_turns_hues_and_keeps_chroma():
    source = np.float32([[40, 20], [-30, 30], [5, -35]])
    target = template_targets(source, Template("i", 30.0))
    assert np.allclose(np.hypot(*target.T), np.hypot(*source.T), rtol=1e-3)
    hsv = cv2.cvtColor(at_70(target)[None], cv2.COLOR_RGB2HSV)[0]
    assert np.abs(hsv[:, 0] - 30).max() < 15


def test_no_main_colors_have_no_targets():
    none = np.zeros((0, 2), np.float32)
    assert named_targets(none, Protection()).shape == (0, 2)
    assert Recoloring(none, none).shift(np.ones((2, 3), np.float32)).max() == 0


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
    source, target = np.float32([[8, 3], [60, 40]]), np.float32([[40, 40], [60, 80]])
    grey = np.repeat(np.linspace(0, 1, 50, dtype=np.float32)[:, None], 3, axis=1)
    assert np.abs(recolored(Recoloring(source, target), grey) - grey).max() > 0.02
    kept = recolored(Recoloring(source, target, Protection(skin=False)), grey)
    assert np.array_equal(kept, grey)


def skin_ab():
    a, b, _ = skin()
    return np.float32([[a], [b]])


@settings(deadline=None)
@given(seeds)
def test_what_is_drawn_in_is_what_moved(seed):
    moves = random_moves(seed)
    factors = Template("T", 40.0).drawing_in()
    ab = np.random.default_rng(seed).uniform(-80, 80, (2, 200)).astype(np.float32)
    moved = ab + moves.shift(ab)
    expected = Recoloring(*np.zeros((2, 0, 2), np.float32), drawing_in=factors).shift(moved)
    found = replace(moves, drawing_in=factors).shift(ab)
    assert np.allclose(ab + found, moved + expected, atol=1e-3)


def test_skin_and_what_the_artist_fixed_are_not_drawn_in():
    none = np.zeros((0, 2), np.float32)
    # Skin lies opposite.
    (angle,) = np.degrees(np.arctan2(*skin_ab()[::-1])) + 180
    factors = Template("i", float(angle)).drawing_in()
    assert np.abs(Recoloring(none, none, NOTHING, None, factors).shift(skin_ab())).max() > 5
    kept = Protection(neutrals=False)
    assert np.abs(Recoloring(none, none, kept, None, factors).shift(skin_ab())).max() == 0
    source = np.ascontiguousarray(skin_ab().T)
    fixed = Recoloring(source, source, NOTHING, np.array([True]), factors)
    assert np.abs(fixed.shift(skin_ab())).max() < 1e-3


def test_grey_is_not_drawn_in():
    none = np.zeros((0, 2), np.float32)
    drawn = Recoloring(none, none, NOTHING, None, Template("i", 0.0).drawing_in())
    assert np.array_equal(drawn.shift(np.zeros((2, 3), np.float32)), np.zeros((2, 3)))


def test_what_the_artist_fixed_moves_though_it_is_protected():
    source, target = np.float32([[1, 1], [60, 40]]), np.float32([[30, -10], [60, 40]])
    protected = Recoloring(source, target, Protection())
    fixed = Recoloring(source, target, Protection(), np.array([True, False]))
    at_source = np.ascontiguousarray(source.T)
    assert np.abs(protected.shift(at_source)).max() < 1e-3
    assert np.allclose(source + fixed.shift(at_source).T, target, atol=0.05)
