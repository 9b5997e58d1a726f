"""From small paintings to full-size ones: nothing leaks, and colours asked for are met."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import deltaE_ciede2000, rgb2lab

from engine.imaging import fill
from engine.imaging.composite import blend
from engine.imaging.lines import ink_coverage, ink_mask
from engine.imaging.painting import Cells, Painted, Painter, Plan, Shares, shade_and_light
from engine.imaging.regions import fill_to_nearest, find_regions
from tests.engine.imaging.line_art import (
    LEFT,
    OUTSIDE,
    RIGHT,
    WALL,
    blank,
    box,
    floats,
    hints_of,
    ink_of,
    segment,
    two_rooms,
)

RED, BLUE, GREEN, GREY = (0.8, 0.2, 0.2), (0.2, 0.4, 0.8), (0.2, 0.6, 0.3), (0.5, 0.5, 0.5)


def in_rooms(left=RED, right=BLUE, outside=GREY, lines=None):
    """Colours under the lines of the two rooms, H x W x 3; they meet in the lines' middle."""
    labels = regions_of(two_rooms() if lines is None else lines).labels
    picture = np.empty((*labels.shape, 3), np.float32)
    for place, colour in ((LEFT, left), (RIGHT, right), (OUTSIDE, outside)):
        picture[labels == labels[place[::-1]]] = colour
    return picture


def regions_of(lines):
    return find_regions(ink_mask(ink_coverage(floats(lines))))


def painted(lines, truth, *hints, side=8, colours=(RED, BLUE, GREEN)):
    """The truth shrunk to cells and painted again. hints: colour numbers and places (x, y)."""
    height, width = lines.shape[:2]
    cells, regions = Cells(height, width, side), regions_of(lines)
    ink = cells.means(cells.padded(ink_coverage(floats(lines))))
    strokes = np.zeros((height, width), np.int32)
    for number, (x, y) in hints:
        strokes[y - 3 : y + 4, x - 8 : x + 9] = number
    asked = hints_of(strokes)
    parts, colour_of_part = fill.assign(regions, [asked])
    plan = Plan(
        parts,
        np.float32(colours),
        colour_of_part,
        asked.place,
        asked.number,
        colour_of_part < 0,
        ink,
    )
    small = np.moveaxis(cells.means(cells.padded(truth.astype(np.float32))), -1, 0)
    shares = Shares(cells.padded(regions.labels), regions.count, cells)
    result = Painter(plan, cells, shares).paint(small)
    assert result.picture.shape == (3, height, width)
    result = replace(result, picture=np.moveaxis(result.picture, 0, -1))
    assert result.parts.shape == truth.shape[:2]
    return result


def difference(one, other):
    one, other = (rgb2lab(np.clip(np.float32(colour), 0, 1)) for colour in (one, other))
    return deltaE_ciede2000(one, other)


def flat_picture(result: Painted):
    return result.flats[result.parts]


@pytest.mark.parametrize("side", [1, 2, 5, 8, 16])
def test_no_colour_crosses_a_line(side):
    truth = in_rooms()

    found = painted(two_rooms(), truth, side=side)

    paper = ~ink_of(two_rooms())
    assert difference(found.picture, truth)[paper].max() < 2.5
    assert difference(flat_picture(found), truth)[paper].max() < 2.5


def test_a_gap_in_a_line_lets_nothing_through():
    truth = in_rooms()

    found = painted(two_rooms(gap=8), truth)

    closed = painted(two_rooms(), truth)
    assert (difference(found.picture, closed.picture) > 2).mean() < 1e-3


def test_plain_enlarging_would_leak():
    truth, cells = in_rooms(), Cells(200, 300, 8)
    small = cells.means(cells.padded(truth))

    large = cv2.resize(small, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)[:200, :300]

    assert difference(large, truth)[100, [WALL - 2, WALL + 2]].max() > 10


def test_a_region_smaller_than_a_cell_has_one_colour():
    lines = two_rooms()
    box(lines, 84, 94, 89, 99, width=1)
    truth = in_rooms()

    found = painted(lines, truth, side=16)

    assert len(np.unique(found.picture[95:98, 85:88].reshape(-1, 3), axis=0)) == 1
    assert difference(found.picture[96, 86], RED) < 12


def test_a_gradient_stays_smooth_inside_a_region():
    across = np.linspace(0, 1, 300, dtype=np.float32)[None, :, None]
    truth = np.tile(np.float32([0.2, 0.3, 0.5]) + across * np.float32([0.5, 0.3, 0.1]), (200, 1, 1))

    found = painted(two_rooms(), truth, side=8).picture

    inside = np.s_[30:170, 40:140]
    assert np.abs(found - truth)[inside].max() < 2 / 255
    assert np.abs(np.diff(found, n=2, axis=1))[inside].max() < 1 / 255


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (5, 5), (33, 70)])
@pytest.mark.parametrize("side", [1, 4, 32])
def test_any_size_works(shape, side):
    lines = blank(*shape)
    lines[shape[0] // 2, shape[1] // 2] = 0

    found = painted(lines, np.full((*shape, 3), 0.3), side=side)

    assert np.abs(found.picture - 0.3).max() < 1e-3


def test_cells_are_about_as_many_as_asked_for():
    for height, width, side in (
        (100, 100, 1), (300, 300, 1), (512, 512, 2), (256, 1024, 2), (8192, 8192, 32),
        (40, 8192, 8),
    ):  # fmt: skip
        cells = Cells.about(height, width, 256)
        assert cells.side == side
        assert cells.shape == (-(-height // side), -(-width // side))


# Colours that were asked for


@pytest.mark.parametrize("asked", [RED, BLUE, (1, 1, 1), (0, 0, 0), (1, 1, 0)])
def test_the_median_of_a_region_is_the_colour_asked_for(asked):
    """Even where the painting ignores it; its shading stays."""
    y = np.linspace(-0.08, 0.08, 200, dtype=np.float32)[:, None, None]
    truth = np.float32(GREEN) + np.zeros((200, 300, 1), np.float32) + y

    found = painted(two_rooms(), truth, (1, LEFT), colours=[asked])

    room = np.s_[24:177, 34:147]
    assert difference(np.median(found.picture[room], axis=(0, 1)), asked) < 1
    assert (
        difference(flat_picture(found)[room], np.broadcast_to(np.float32(asked), (1, 1, 3))).max()
        < 1e-3
    )
    if asked in (RED, BLUE):
        assert found.picture[room][-1].mean() > found.picture[room][0].mean() + 0.1
    assert difference(found.picture, truth)[30:170, WALL + 4 : 266].max() < 1


def test_a_stroke_is_not_burnt_in():
    """A network may repeat the stroke itself in the middle of another colour."""
    lines = blank()
    box(lines, 100, 80, 160, 120)
    truth = np.full((200, 300, 3), GREEN, np.float32)
    truth[97:104, 122:139] = RED

    found = painted(lines, truth, (1, (130, 100)))

    room = found.picture[83:118, 103:158]
    assert difference(room, np.broadcast_to(np.float32(RED), room.shape)).max() < 4


def test_a_painting_strays_only_so_far_from_the_colour_asked_for():
    lines = blank()
    box(lines, 100, 80, 160, 120)
    truth = np.full((200, 300, 3), RED, np.float32)
    truth[112:] = (0, 1, 1)

    found = painted(lines, truth, (1, (130, 90)))

    away = rgb2lab(found.picture[83:118, 103:158]) - rgb2lab(np.float32(RED))
    assert np.abs(away[..., 0]).max() < 24
    assert np.linalg.norm(away[..., 1:], axis=-1).max() < 18


def test_two_colours_in_one_region_part_it_where_the_painting_does():
    lines, truth = blank(), np.empty((200, 300, 3), np.float32)
    box(lines, 20, 20, 280, 180)
    truth[:, :200], truth[:, 200:] = RED, BLUE

    found = painted(lines, truth, (1, (60, 100)), (2, (250, 100)))

    row = flat_picture(found)[100, 30:270]
    assert set(map(tuple, row)) == {tuple(np.float32(RED)), tuple(np.float32(BLUE))}
    assert abs(int((row[:, 0] > 0.5).sum()) + 30 - 200) <= 4


def test_a_stroke_in_a_broad_region_of_several_things_colours_one_of_them():
    """A landscape of open lines: what is unlike the painting under the stroke stays as it is."""
    lines, truth = blank(), np.empty((200, 300, 3), np.float32)
    segment(lines, (60, 110), (240, 110))
    truth[:110], truth[110:] = (0.6, 0.7, 0.9), GREEN
    meadow = np.float32(GREEN) + np.float32([0.05, -0.05, 0.02])

    found = painted(lines, truth, (1, (150, 160)), colours=[meadow])

    assert difference(found.picture[:95], truth[:95]).max() < 2
    assert difference(found.picture[130:], np.broadcast_to(meadow, (70, 300, 3))).max() < 2
    flats = flat_picture(found)
    assert np.abs(flats[130:] - meadow).max() == 0
    assert difference(flats[:95], truth[:95]).max() < 2


def test_pixels_under_a_stroke_are_exactly_its_colour_on_the_flats():
    truth = np.random.default_rng(3).random((200, 300, 3)).astype(np.float32)
    truth = cv2.GaussianBlur(truth, (0, 0), 12)

    found = painted(two_rooms(), truth, (1, LEFT), (2, RIGHT), (3, (5, 60)))

    for number, (x, y) in ((0, LEFT), (1, RIGHT)):
        assert (
            flat_picture(found)[y - 3 : y + 4, x - 8 : x + 9] == np.float32((RED, BLUE))[number]
        ).all()


def test_the_same_comes_back_every_time():
    truth = in_rooms()
    one, other = (painted(two_rooms(8), truth, (1, LEFT), (2, (70, 160))) for _ in range(2))

    for first, second in zip(vars(one).values(), vars(other).values(), strict=True):
        assert first.tobytes() == second.tobytes()


# Shade and light


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_flats_shade_and_light_are_the_painting(seed):
    rng = np.random.default_rng(seed)
    picture, flats = np.rint(rng.random((2, 16, 16, 3)) * 4).astype(np.float32) / 4
    picture[8:] = rng.random((8, 16, 3))

    shade, light = shade_and_light(picture, flats)

    assert shade.min() >= 0
    assert shade.max() <= 1
    assert light.min() >= 0
    assert light.max() <= 1
    ones = np.ones((16, 16, 1), np.float32)
    stack = [np.concatenate([layer, ones], axis=2) for layer in (flats, shade, light)]
    shown = blend(blend(stack[0], stack[1], "multiply"), stack[2], "screen")
    assert np.abs(shown[..., :3] - picture).max() < 1e-6
    codes = [np.rint(layer * 255) / 255 for layer in stack]
    codes[0] = stack[0]
    shown = blend(blend(codes[0], codes[1], "multiply"), codes[2], "screen")
    assert np.abs(shown[..., :3] - picture).max() <= 1 / 255


def test_where_the_painting_is_flat_shade_and_light_do_nothing():
    flats = in_rooms()

    shade, light = shade_and_light(flats.copy(), flats)

    assert (shade == 1).all()
    assert (light == 0).all()


# Real drawings


def test_real_paintings_come_back_without_leaks(shared):
    """Registered pairs: colours shrunk to half, carried back under the artist's lines."""
    folder = shared / "data/asp_lineart_pairs"
    ours, cubic = [], []
    for stem in ("0066_11", "0262_09", "0337_11"):
        (line_file,), (colour_file,) = (
            list(folder.glob(f"{d}/{stem}.*")) for d in ("lineart", "color")
        )
        lines = cv2.imread(str(line_file), cv2.IMREAD_COLOR_RGB)
        colour = floats(cv2.imread(str(colour_file), cv2.IMREAD_COLOR_RGB))
        coverage = ink_coverage(floats(lines))
        truth = without_ink(colour, coverage > 0.1)
        found = painted(lines, truth, side=2).picture
        cells = Cells(*lines.shape[:2], 2)
        small = cells.means(cells.padded(truth))
        size = (small.shape[1] * 2, small.shape[0] * 2)
        plain = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)[
            : len(lines), : lines.shape[1]
        ]
        beside = (coverage < 0.1) & (
            cv2.dilate((coverage > 0.3).astype(np.uint8), np.ones((5, 5))) > 0
        )
        ours.append(difference(found[beside], truth[beside]).mean())
        cubic.append(difference(plain[beside], truth[beside]).mean())

    assert np.mean(ours) < 0.93 * np.mean(cubic), (ours, cubic)


def without_ink(colour, ink):
    """The picture with the nearest paper's colour under the ink."""
    numbers = np.arange(1, ink.size + 1, dtype=np.int32).reshape(ink.shape)
    nearest = fill_to_nearest(np.where(ink, 0, numbers))
    return colour.reshape(-1, 3)[nearest - 1]
