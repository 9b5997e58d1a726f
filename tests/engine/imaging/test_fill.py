"""Which colour each region gets from strokes, from its neighbours, or from nobody."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.imaging import fill, parting
from engine.imaging.regions import Parts, find_regions
from tests.engine.imaging.line_art import (
    LEFT,
    OUTSIDE,
    RIGHT,
    blank,
    box,
    hints_of,
    ink_of,
    segment,
    two_rooms,
)

RED, BLUE, GREEN = 1, 2, 3


def row_of_rooms(count):
    """A row of rooms 60 pixels wide; room k has its middle at x = 50 + 60 k, y = 60."""
    lines = blank(120, 40 + 60 * count)
    box(lines, 20, 20, 20 + 60 * count, 100)
    for wall in range(1, count):
        segment(lines, (20 + 60 * wall, 20), (20 + 60 * wall, 100))
    return lines


def middle(room):
    return 50 + 60 * room, 60


def hints_on(lines, *areas):
    """Painted rectangles: (colour, left, top, right, bottom) each, the last two excluded."""
    painted = np.zeros(lines.shape[:2], np.int32)
    for colour, left, top, right, bottom in areas:
        painted[top:bottom, left:right] = colour
    return painted


def assigned(lines, *areas):
    """The picture of colour numbers, the parts, and the colour of each."""
    parts, colours = fill.assign(find_regions(ink_of(lines)), [hints_of(hints_on(lines, *areas))])
    return colours[parts.labels], parts, colours


def at(picture, place):
    return int(picture[place[1], place[0]])


def test_each_region_takes_its_stroke():
    picture, _, _ = assigned(two_rooms(), (RED, 80, 90, 100, 96), (BLUE, 200, 90, 220, 96))
    assert [at(picture, p) for p in (LEFT, RIGHT, OUTSIDE)] == [RED, BLUE, 0]


def test_nothing_painted_changes_nothing():
    lines = two_rooms()
    picture, regions, _ = assigned(lines)
    assert not picture.any()
    assert regions.count == 3


@pytest.mark.parametrize("slip", [3, 20])
def test_a_slip_into_a_room_of_another_colour_means_nothing(slip):
    picture, regions, _ = assigned(
        two_rooms(), (RED, 100, 90, 153 + slip, 96), (BLUE, 200, 60, 240, 100)
    )
    assert at(picture, LEFT) == RED
    assert at(picture, RIGHT) == BLUE
    assert regions.count == 3
    assert (picture[30:170, 160:260] == BLUE).all()


def test_a_short_slip_into_a_room_without_hint_means_nothing():
    picture, _, _ = assigned(two_rooms(), (RED, 90, 90, 156, 96))
    assert at(picture, LEFT) == RED
    assert at(picture, RIGHT) == 0


def test_a_stroke_over_several_rooms_means_all_that_it_leads_in():
    lines = row_of_rooms(4)
    picture, _, _ = assigned(lines, (RED, 30, 50, 250, 56), (BLUE, 150, 70, 195, 90))
    assert [at(picture, middle(room)) for room in range(4)] == [RED, RED, BLUE, RED]


def test_a_stroke_that_leads_nowhere_means_the_room_that_holds_most_of_it():
    lines = row_of_rooms(2)
    picture, regions, _ = assigned(
        lines, (RED, 60, 30, 90, 40), (BLUE, 30, 70, 70, 90), (GREEN, 90, 70, 130, 90)
    )
    # Red: 18 columns in the first room and 8 in the second, less than blue and green have there.
    assert at(picture, (65, 35)) == RED
    assert at(picture, (50, 80)) == BLUE
    assert (picture[25:95, 85:135] == GREEN).all()
    assert regions.count == 4


def test_a_stroke_on_ink_alone_means_what_lies_under_it():
    lines = blank()
    box(lines, 50, 50, 250, 150, 21)
    picture, _, _ = assigned(lines, (RED, 100, 52, 160, 58))
    assert at(picture, (150, 100)) == RED
    assert at(picture, OUTSIDE) == 0


def test_ink_under_a_stroke_does_not_count():
    picture, _, _ = assigned(two_rooms(width=21), (RED, 120, 90, 161, 96))
    assert at(picture, LEFT) == RED
    assert at(picture, RIGHT) == 0


def test_a_stroke_inside_a_room_counts_though_another_colour_leads_there():
    lines = two_rooms()
    box(lines, 100, 92, 108, 100)
    # Red crosses a tiny room, which it leads in, on its way through the one where blue leads.
    picture, _, _ = assigned(lines, (RED, 40, 94, 140, 98), (BLUE, 40, 120, 140, 170))
    assert [at(picture, p) for p in ((60, 96), (104, 96), (90, 150))] == [RED, RED, BLUE]


def test_a_small_room_mostly_painted_over_is_meant():
    lines = two_rooms()
    box(lines, 200, 90, 212, 102)
    picture, _, _ = assigned(lines, (RED, 170, 60, 260, 140))
    assert at(picture, (206, 96)) == RED


def test_regions_that_have_a_colour_keep_it():
    lines = two_rooms()
    regions = find_regions(ink_of(lines))
    first = hints_on(lines, (GREEN, 60, 60, 80, 66))
    then = hints_on(lines, (RED, 80, 90, 100, 96), (BLUE, 200, 90, 220, 96))
    parts, filled = fill.assign(regions, [hints_of(first), hints_of(then)])
    assert parts.count == regions.count
    assert filled[at(regions.labels, LEFT)] == GREEN
    assert filled[at(regions.labels, RIGHT)] == BLUE


def one_room():
    lines = blank()
    box(lines, 20, 20, 280, 180)
    return lines


def test_two_colours_in_one_region_meet_halfway():
    picture, regions, _ = assigned(one_room(), (RED, 58, 98, 62, 102), (BLUE, 178, 98, 182, 102))
    assert regions.count == 3
    border = (picture[30:170, 30:270] == RED).sum(axis=1) + 30
    assert abs(border.mean() - 120) < 4
    assert abs(border[70] - 120) < 2


def test_a_stroke_in_a_nook_leaves_the_room_to_others():
    lines = one_room()
    segment(lines, (200, 90), (214, 90))
    parts, colours = fill.assign(
        find_regions(ink_of(lines), 2),
        [hints_of(hints_on(lines, (RED, 100, 95, 130, 99), (BLUE, 206, 96, 209, 99)))],
    )
    picture = colours[parts.labels]
    assert at(picture, (207, 97)) == BLUE
    assert at(picture, (250, 100)) == RED
    assert (picture == BLUE).sum() < 0.05 * (picture == RED).sum()


def test_a_stroke_in_a_nook_has_no_hall_beyond_a_wide_passage():
    """A pipe sticks out from a wall that leaves two wide passages; the stroke reaches its end."""
    lines = one_room()
    box(lines, 120, 70, 150, 150)
    segment(lines, (150, 95), (170, 95))
    segment(lines, (150, 105), (170, 105))
    parts, colours = fill.assign(
        find_regions(ink_of(lines), 2),
        [hints_of(hints_on(lines, (RED, 50, 95, 60, 105), (BLUE, 155, 99, 173, 101)))],
    )
    picture = colours[parts.labels]
    assert at(picture, (160, 100)) == BLUE
    assert (picture[30:170, 185:270] == RED).mean() > 0.6


def test_a_stroke_beside_a_wall_keeps_its_hall():
    picture, _, _ = assigned(with_door(), (RED, 70, 92, 80, 102), (BLUE, 268, 90, 276, 96))
    assert (picture[30:170, 30:145] == RED).mean() > 0.99
    assert (picture[30:170, 156:270] == BLUE).mean() > 0.99


def test_strokes_keep_the_pixels_that_they_painted():
    areas = [(RED, 40, 40, 80, 160), (BLUE, 78, 90, 250, 96), (GREEN, 200, 120, 230, 160)]
    picture, _, _ = assigned(one_room(), *areas)
    hints = hints_on(one_room(), *areas)
    assert np.array_equal(picture[hints > 0], hints[hints > 0])
    assert set(np.unique(picture)) == {0, RED, BLUE, GREEN}


def test_two_strokes_of_one_colour_do_not_part_a_region():
    _, regions, _ = assigned(one_room(), (RED, 58, 98, 62, 102), (RED, 178, 98, 182, 102))
    assert regions.count == 2


def with_door():
    """Two halls with a door 30 pixels wide between them, nobody's gap."""
    lines = one_room()
    segment(lines, (150, 20), (150, 84))
    segment(lines, (150, 116), (150, 180))
    return lines


@pytest.mark.parametrize("x", [40, 80, 130])
def test_colours_meet_in_a_door_wherever_the_strokes_are(x):
    picture, _, _ = assigned(with_door(), (RED, x, 40, x + 6, 46), (BLUE, 260, 150, 266, 156))
    assert (picture[30:170, 30:145] == RED).mean() > 0.99
    assert (picture[30:170, 156:270] == BLUE).mean() > 0.99


def test_a_large_region_is_parted_alike_at_a_reduced_size(monkeypatch):
    areas = (RED, 40, 40, 46, 46), (BLUE, 260, 150, 266, 156)
    full, _, _ = assigned(with_door(), *areas)
    monkeypatch.setattr(parting, "_LARGE", 6_000)
    reduced, _, _ = assigned(with_door(), *areas)
    assert (full == reduced).mean() > 0.985
    assert np.array_equal(reduced > 0, full > 0)
    hints = hints_on(with_door(), *areas)
    assert np.array_equal(reduced[hints > 0], hints[hints > 0])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_parting_never_leaks_out_of_the_region(seed):
    rng = np.random.default_rng(seed)
    areas = []
    for colour in (RED, BLUE, GREEN):
        x, y = rng.integers((40, 30), (130, 160))
        areas.append((colour, x, y, x + 5, y + 5))
    lines = two_rooms()
    picture, regions, colours = assigned(lines, *areas)
    assert set(np.unique(picture[30:170, 40:140])) <= {RED, BLUE, GREEN}
    assert not picture[30:170, 155:265].any()
    assert at(picture, OUTSIDE) == 0
    assert regions.labels.min() >= 1
    assert regions.labels.max() == regions.count == len(colours) - 1


def spread_over(lines, *areas):
    _, parts, colours = assigned(lines, *areas)
    return fill.spread(parts, colours)[parts.labels]


def test_a_room_without_hint_takes_its_neighbours_colour():
    picture = spread_over(two_rooms(), (RED, 80, 90, 100, 96))
    assert at(picture, RIGHT) == RED
    assert at(picture, OUTSIDE) == 0


@pytest.mark.parametrize(
    ("wall", "gap", "expected"), [(220, 0, RED), (160, 0, BLUE), (160, 8, RED)]
)
def test_colour_comes_through_the_widest_gap_else_the_longest_line(wall, gap, expected):
    lines = one_room()
    segment(lines, (20, 100), (280, 100))
    segment(lines, (wall, 20), (wall, 100))
    lines[56 : 56 + gap, wall - 5 : wall + 6] = 255
    # The room top right shares 80 pixels with the red one, and 280 - wall with the blue one below.
    picture = spread_over(lines, (RED, 60, 50, 80, 60), (BLUE, 60, 140, 80, 150))
    assert at(picture, (250, 60)) == expected


def test_colour_comes_where_a_line_stops_short_before_it_comes_through_a_wider_gap():
    lines = one_room()
    segment(lines, (20, 100), (280, 100))
    segment(lines, (160, 20), (160, 94))
    lines[96:105, 215:227] = 255
    picture = spread_over(lines, (RED, 60, 50, 80, 60), (BLUE, 60, 140, 80, 150))
    assert at(picture, (250, 60)) == RED


def test_colour_does_not_flood_a_much_larger_room():
    lines = one_room()
    box(lines, 100, 80, 130, 110)
    picture = spread_over(lines, (RED, 110, 90, 116, 96))
    assert at(picture, (115, 95)) == RED
    assert at(picture, (200, 100)) == 0


def test_what_is_open_to_the_border_stays_empty():
    lines = row_of_rooms(2)
    lines[56:64, 135:146] = 255
    picture = spread_over(lines, (RED, 40, 50, 60, 60))
    assert at(picture, middle(0)) == RED
    assert at(picture, middle(1)) == 0


def test_the_border_takes_a_colour_only_from_its_own_stroke():
    picture = spread_over(two_rooms(), (RED, 2, 2, 20, 8))
    assert at(picture, OUTSIDE) == RED


def grid():
    lines = blank(240, 240)
    for wall in range(30, 211, 45):
        segment(lines, (wall, 30), (wall, 210))
        segment(lines, (30, wall), (210, wall))
    return lines


def test_without_hints_each_region_has_a_colour_of_its_own():
    regions = find_regions(ink_of(grid()))
    colours, number = fill.distinct(regions, None)
    used = number[number > 0]
    assert regions.count == 17
    assert len(np.unique(colours[used - 1], axis=0)) == 16
    assert number[at(regions.labels, OUTSIDE)] == 0
    assert colours.min() >= 0.3
    assert np.array_equal(colours * 255, np.rint(colours * 255))


def test_without_hints_a_palette_tells_neighbours_apart():
    regions = find_regions(ink_of(grid()))
    palette = np.float32([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]])
    colours, number = fill.distinct(regions, palette)
    assert np.array_equal(colours, palette)
    parts = Parts.whole(regions)
    inner = [pair for pair in parts.contacts().pairs if not parts.at_border()[pair].any()]
    assert len(inner) >= 24
    assert all(number[a] != number[b] for a, b in inner)
    uses = np.bincount(number[number > 0], minlength=6)[1:]
    assert uses.min() >= 2
    assert number[at(regions.labels, OUTSIDE)] == 0


def test_of_a_palette_too_small_something_is_still_given():
    regions = find_regions(ink_of(grid()))
    _, number = fill.distinct(regions, np.float32([[1, 0, 0]]))
    assert (number[~Parts.whole(regions).at_border()][1:] == 1).all()
