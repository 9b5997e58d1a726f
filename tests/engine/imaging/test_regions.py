"""Regions are the drawing's closed areas, and stay so where lines have gaps."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.imaging.regions import COMPLETED, REACHED, Parts, fill_to_nearest, find_regions
from tests.engine.imaging.line_art import (
    LEFT,
    OUTSIDE,
    RIGHT,
    WALL,
    blank,
    box,
    components,
    ink_of,
    segment,
    thickness,
    two_rooms,
)


def regions_of(lines, gap=0):
    return find_regions(ink_of(lines), gap)


def at(regions, place):
    return int(regions.labels[place[1], place[0]])


def apart(regions, *places):
    labels = [at(regions, place) for place in places]
    return len(set(labels)) == len(labels)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_closed_shapes_are_the_pieces_of_paper(seed):
    rng = np.random.default_rng(seed)
    lines = blank(160, 160)
    for x, y, radius in rng.integers((20, 20, 12), (140, 140, 50), (4, 3)).tolist():
        cv2.circle(lines, (x, y), radius, (0, 0, 0), thickness(3), cv2.LINE_AA)
    count, truth = components(lines)
    regions = regions_of(lines)
    assert regions.labels.dtype == np.int32
    assert np.array_equal(np.unique(regions.labels), np.arange(1, regions.count + 1))
    pieces = [truth == piece for piece in range(1, count + 1)]
    # Crumbs between lines that nearly touch are too small to be regions.
    of_piece = [np.unique(regions.labels[piece]).tolist() for piece in pieces if piece.sum() >= 9]
    assert all(len(labels) == 1 for labels in of_piece)
    assert len({labels[0] for labels in of_piece}) == len(of_piece)


def test_colours_meet_in_the_middle_of_the_line():
    regions = regions_of(two_rooms(width=5))
    row = regions.labels[100]
    left, right = at(regions, LEFT), at(regions, RIGHT)
    assert (row[60 : WALL - 1] == left).all()
    assert row[WALL] in (left, right)
    assert (row[WALL + 2 : 240] == right).all()


@pytest.mark.parametrize("gap", [0, 12])
@pytest.mark.parametrize("opening", [1, 2, 4, 8])
def test_a_small_gap_does_not_leak(opening, gap):
    regions = regions_of(two_rooms(opening), gap)
    assert regions.count == 3
    assert apart(regions, LEFT, RIGHT, OUTSIDE)
    assert (regions.labels[60:140, WALL - 10] == at(regions, LEFT)).all()
    assert (regions.labels[60:140, WALL + 10] == at(regions, RIGHT)).all()


def test_a_gap_wider_than_asked_is_open():
    assert not apart(regions_of(two_rooms(8), gap=2), LEFT, RIGHT)
    assert not apart(regions_of(two_rooms(60)), LEFT, RIGHT)


def test_a_wider_gap_is_closed_when_asked_for():
    lines = two_rooms(30)
    assert not apart(regions_of(lines), LEFT, RIGHT)
    assert apart(regions_of(lines, gap=40), LEFT, RIGHT, OUTSIDE)


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 360), st.integers(60, 90))
def test_a_gap_anywhere_in_a_circle_is_closed(degrees, radius):
    lines = blank(240, 240)
    opening = np.degrees(8 / radius)
    cv2.ellipse(
        lines,
        (120, 120),
        (radius, radius),
        0,
        degrees + opening,
        degrees + 360,
        (0, 0, 0),
        thickness(3),
        cv2.LINE_AA,
    )
    assert apart(regions_of(lines), (120, 120), OUTSIDE)


def test_a_line_that_stops_short_of_another_is_closed():
    lines = blank()
    box(lines, 30, 20, 270, 180)
    segment(lines, (WALL, 20), (WALL, 170))
    assert apart(regions_of(lines), LEFT, RIGHT, OUTSIDE)


def erased(lines, place, radius):
    cv2.circle(lines, place, radius, (255, 255, 255), -1)


@pytest.mark.parametrize("radius", [5, 7, 9])
def test_a_missing_fork_is_closed_on_all_sides(radius):
    lines = two_rooms()
    erased(lines, (WALL, 20), radius)
    assert apart(regions_of(lines, gap=24), LEFT, RIGHT, OUTSIDE)


@pytest.mark.parametrize("shift", [0, 3, 6])
def test_a_corner_that_is_missing_on_one_side_is_closed(shift):
    lines = two_rooms()
    erased(lines, (270 - shift, 20), 6)
    assert apart(regions_of(lines, gap=24), LEFT, RIGHT, OUTSIDE)


def test_a_line_is_closed_straight_before_it_turns():
    lines = blank()
    for end in ((20, 100), (280, 100), (WALL, 190)):
        segment(lines, (WALL, 100), end)
    erased(lines, (WALL, 100), 10)
    bridges = regions_of(lines, gap=30).bridges
    assert bridges[98:103, WALL].any()
    assert bridges[104:107, WALL].any()


def test_a_line_erased_beside_a_corner_goes_on():
    lines = blank()
    box(lines, 30, 20, 270, 180)
    segment(lines, (30, 100), (270, 100))
    segment(lines, (WALL, 20), (WALL, 100))
    lines[95:106, WALL + 2 : WALL + 18] = 255
    bridges = regions_of(lines, gap=30).bridges
    assert (bridges[98:103, WALL + 4 : WALL + 16] == COMPLETED).any()
    assert not (bridges == REACHED).any()


def test_ends_that_must_turn_to_meet_interrupt_no_line():
    lines = blank()
    segment(lines, (50, 30), (50, 140))
    segment(lines, (44, 165), (250, 165))
    bridges = regions_of(lines, gap=30).bridges
    assert (bridges == REACHED).any()
    assert not (bridges == COMPLETED).any()


def test_ends_that_face_each_other_meet_over_a_wider_gap():
    assert apart(regions_of(two_rooms(30), gap=20), LEFT, RIGHT)
    assert not apart(regions_of(two_rooms(40), gap=20), LEFT, RIGHT)


def test_nothing_is_bridged_across_another_line():
    lines = two_rooms()
    for x in (WALL - 8, WALL + 8):
        cv2.circle(lines, (x, 100), 2, (0, 0, 0), -1)
    assert not regions_of(lines, gap=30).bridges.any()


def test_a_stroke_that_ends_in_the_open_cuts_nothing():
    lines = blank()
    box(lines, 30, 20, 270, 180)
    segment(lines, (WALL, 60), (WALL, 140))
    regions = regions_of(lines)
    assert regions.count == 2
    assert not apart(regions, LEFT, RIGHT)


@pytest.mark.parametrize("end", [(199, 199), (199, 120), (70, 199)])
def test_a_diagonal_line_one_pixel_wide_is_tight(end):
    lines = blank(200, 200)
    cv2.line(lines, (0, 0), end, (0, 0, 0), 1, cv2.LINE_8)
    assert regions_of(lines).count == 2


def test_dust_is_no_region():
    lines = two_rooms(width=9)
    lines[100, WALL] = 255
    assert regions_of(lines).count == 3


def test_what_regions_say_of_themselves():
    lines = two_rooms()
    regions = regions_of(lines)
    ink = ink_of(lines)
    areas, border = regions.areas, Parts.whole(regions).at_border()
    for place, outside in ((LEFT, False), (RIGHT, False), (OUTSIDE, True)):
        label = at(regions, place)
        assert areas[label] == ((regions.labels == label) & ~ink).sum()
        assert border[label] == outside
    assert areas.sum() == (~ink).sum()
    assert np.array_equal(regions.ink, ink)


@pytest.mark.parametrize("opening", [0, 8])
def test_contacts_are_measured(opening):
    regions = regions_of(two_rooms(opening))
    touching = Parts.whole(regions).contacts()
    pair = sorted((at(regions, LEFT), at(regions, RIGHT)))
    found = touching.pairs.tolist().index(pair)
    assert abs(touching.borders[found] - 160) <= 8
    assert abs(touching.openings[found] - opening) <= 2
    assert len(touching.pairs) == 3
    # The wall goes on below its gap: it is interrupted, it does not stop short.
    assert touching.passages[found] == 0


def test_where_a_line_stops_short_is_a_passage():
    lines = blank()
    box(lines, 30, 20, 270, 180)
    segment(lines, (WALL, 20), (WALL, 170))
    regions = regions_of(lines)
    touching = Parts.whole(regions).contacts()
    found = touching.pairs.tolist().index(sorted((at(regions, LEFT), at(regions, RIGHT))))
    assert touching.passages[found] == touching.openings[found]
    assert abs(touching.openings[found] - 8) <= 2


def test_regions_far_from_each_other_do_not_touch():
    lines = blank()
    for left in (30, 180):
        box(lines, left, 50, left + 80, 150)
    regions = regions_of(lines)
    pair = sorted(at(regions, place) for place in ((70, 100), (220, 100)))
    assert regions.count == 3
    assert pair not in Parts.whole(regions).contacts().pairs.tolist()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_filling_takes_the_nearest_label(seed, count):
    rng = np.random.default_rng(seed)
    labels = np.zeros((30, 40), np.int32)
    places = rng.integers(0, (30, 40), (count, 2))
    labels[places[:, 0], places[:, 1]] = np.arange(1, count + 1)
    filled = fill_to_nearest(labels)
    y, x = np.nonzero(labels)
    rows, columns = np.mgrid[0:30, 0:40]
    distance = np.hypot(rows[..., None] - y, columns[..., None] - x)
    own = (filled[..., None] == labels[y, x]) @ np.ones(len(y)) == 1
    taken = np.where(filled[..., None] == labels[y, x], distance, np.inf).min(axis=2)
    assert own.all()
    # The transform measures with a 5 x 5 mask: 2 % off either way.
    assert (taken <= 1.05 * distance.min(axis=2) + 0.5).all()


def test_filling_from_nothing_is_nothing():
    assert not fill_to_nearest(np.zeros((3, 4), np.int32)).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
@pytest.mark.parametrize("ink", [False, True])
def test_the_smallest_pages(shape, ink):
    regions = find_regions(np.full(shape, ink))
    assert regions.count == (0 if ink else 1)
    assert (regions.labels == regions.count).all()


def test_the_same_comes_back_every_time():
    first, second = regions_of(two_rooms(8)), regions_of(two_rooms(8))
    assert np.array_equal(first.labels, second.labels)
