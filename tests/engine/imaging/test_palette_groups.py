"""One palette for several: which colours are linked, and which stay."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.imaging.palette_groups import (
    CROWDING,
    NOT_LINKED,
    REACH,
    MainColors,
    group_colors,
    group_size,
    linked,
    subject_colors,
)

RED, ORANGE, YELLOW = (60, 35), (35, 55), (5, 70)
GREEN, BLUE, PURPLE, GREY, BROWN = (-45, 40), (0, -40), (40, -40), (0, 0), (15, 30)


def main_colors(*ab, share=None):
    return MainColors(np.float32(ab).reshape(-1, 2), np.array(share or [1 / len(ab)] * len(ab)))


@pytest.mark.parametrize(
    ("counts", "size"), [([2, 3], 3), ([2, 2, 3], 2), ([7, 7], 7), ([1], 1), ([0, 4], 4), ([0], 0)]
)
def test_a_group_is_as_large_as_palettes_are_on_average_half_up(counts, size):
    palettes = [MainColors(np.zeros((k, 2), np.float32), np.ones(k)) for k in counts]
    assert group_size(palettes) == size


def test_near_colours_of_different_pictures_become_one():
    first, second = main_colors(BLUE, BROWN), main_colors((4, -36), (12, 34))
    group = group_colors([first, second], 2, keep_names=True)
    links = [linked(main, group, keep_names=True) for main in (first, second)]
    assert sorted(links[0]) == [0, 1]
    assert links[0].tolist() == links[1].tolist()
    given_colors = np.concatenate([first.ab, second.ab])
    assert all((color == given_colors).all(axis=1).any() for color in group)


@pytest.mark.parametrize(
    ("one", "other"), [(GREY, GREEN), (PURPLE, BLUE), (GREY, BLUE), (BROWN, GREEN)]
)
def test_colours_of_different_names_are_linked_in_free_play_only(one, other):
    group = np.float32([other])
    assert linked(main_colors(one), group, keep_names=True).tolist() == [NOT_LINKED]
    assert linked(main_colors(one), group, keep_names=False).tolist() == [0]


def test_what_is_too_far_stays():
    group = np.float32([(0, -20)])
    far = main_colors((0, -20 - REACH - 1))
    assert linked(far, group, keep_names=False, reach=REACH).tolist() == [NOT_LINKED]
    assert linked(far, group, keep_names=False).tolist() == [0]


def test_colours_of_a_picture_do_not_fall_together_for_nothing():
    group = np.float32([(0, -40), (0, -30)])
    twins = main_colors((0, -41), (0, -43))
    assert sorted(linked(twins, group, keep_names=False)) == [0, 1]


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1000))
def test_links_are_the_cheapest_of_all(count, groups, seed):
    rng = np.random.default_rng(seed)
    main = MainColors(rng.normal(0, 30, (count, 2)).astype(np.float32), rng.random(count) + 0.05)
    group = rng.normal(0, 30, (groups, 2)).astype(np.float32)

    def cost(links):
        total, used = 0.0, []
        order = sorted(range(count), key=lambda n: -main.share[n])
        for n in order:
            if links[n] == NOT_LINKED:
                total += main.share[n] * REACH**2
                continue
            square = ((main.ab[n] - group[links[n]]) ** 2).sum()
            total += main.share[n] * (square + used.count(links[n]) * CROWDING**2)
            used.append(links[n])
        return total

    found = linked(main, group, keep_names=False, reach=REACH)
    every = itertools.product(range(NOT_LINKED, groups), repeat=count)
    assert cost(found.tolist()) == pytest.approx(min(map(cost, every)), rel=1e-5)


def test_nothing_is_linked_to_nothing():
    none = np.zeros((0, 2), np.float32)
    empty = MainColors(none, np.zeros(0))
    assert linked(main_colors(RED), none, keep_names=True).tolist() == [NOT_LINKED]
    assert linked(empty, np.float32([RED]), keep_names=True).tolist() == []
    assert group_colors([empty], 3, keep_names=True).shape == (0, 2)


def test_more_colours_than_there_are_give_those_that_are():
    group = group_colors([main_colors(RED, BLUE)], 7, keep_names=True)
    assert sorted(map(tuple, group.tolist())) == sorted([RED, BLUE])


def test_a_subject_has_the_colours_that_prevail_in_it_though_its_mask_is_rough():
    disc = np.hypot(*np.mgrid[-32:32, -32:32]) < 16
    rough = np.roll(disc, 4, axis=0).ravel()
    pixels = np.where(disc.ravel(), np.float32(RED)[:, None], np.float32(BLUE)[:, None])
    ab = np.float32([BLUE, RED])
    weight = np.ones(pixels.shape[1], np.float32)
    assert subject_colors(ab, pixels, weight, rough).tolist() == [False, True]
    nowhere = np.zeros_like(rough)
    assert subject_colors(ab, pixels, weight, nowhere).tolist() == [False, False]
