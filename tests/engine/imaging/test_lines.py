"""Ink is found on any paper, in any colour, and its width is measured."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.imaging.lines import ink_coverage, ink_mask, line_width
from tests.engine.imaging.line_art import (
    blank,
    components,
    floats,
    ink_of,
    thickness,
    two_rooms,
)


def found(rgb, alpha=None):
    return ink_mask(ink_coverage(rgb, alpha))


def agreement(one, other):
    return (one & other).sum() / (one | other).sum()


def face():
    """Round lines, 3 pixels wide, anti-aliased."""
    lines = blank(240, 240)
    for centre, radius in (((120, 120), 95), ((85, 100), 22), ((155, 100), 22)):
        cv2.circle(lines, centre, radius, (0, 0, 0), thickness(3), cv2.LINE_AA)
    return lines


def grain(shape, strength, seed=0):
    return np.random.default_rng(seed).normal(0, strength, (*shape[:2], 1)).astype(np.float32)


def test_coverage_is_how_black_a_pixel_is():
    lines = face()
    coverage = ink_coverage(floats(lines))
    assert coverage.dtype == np.float32
    assert coverage.shape == (240, 240)
    assert np.abs(coverage - (1 - floats(lines[..., 0]))).max() < 0.03


def test_the_mask_is_what_is_half_covered():
    assert agreement(found(floats(face())), ink_of(face())) > 0.99


def test_ink_on_nothing_is_ink_on_paper():
    lines = floats(face())
    on_nothing = found(np.zeros_like(lines), 1 - lines[..., 0])
    assert np.array_equal(on_nothing, found(lines))


@pytest.mark.parametrize("ink", [(0, 0, 0), (1, 1, 1), (0.9, 0.8, 0.1)])
def test_ink_of_any_colour_on_nothing_counts(ink):
    lines = floats(face())
    rgb = np.ones_like(lines) * np.float32(ink)
    assert agreement(found(rgb, 1 - lines[..., 0]), ink_of(face())) > 0.99


def test_a_layer_may_bring_its_own_paper():
    lines, alpha = floats(face()), np.ones((240, 240), np.float32)
    alpha[:12] = 0
    assert agreement(found(lines, alpha), ink_of(face())) > 0.99


@pytest.mark.parametrize("hue", range(0, 180, 15))
def test_lines_of_every_hue_are_found(hue):
    colour = cv2.cvtColor(np.uint8([[[hue, 160, 255]]]), cv2.COLOR_HSV2RGB)[0, 0] / 255
    share = 1 - floats(face())[..., :1]
    rgb = (1 - share) + share * colour
    assert agreement(found(rgb.astype(np.float32)), ink_of(face())) > 0.97


def test_light_lines_on_dark_paper_are_ink():
    assert agreement(found(1 - floats(face())), ink_of(face())) > 0.99


def test_grey_pencil_on_grain_in_uneven_light_is_found():
    lines = floats(face())
    # 60 % grey lines; the page darkens to 70 % from side to side.
    page = (1 - 0.4 * (1 - lines)) * np.linspace(1, 0.7, 240, dtype=np.float32)[None, :, None]
    ink = found(np.clip(page + grain(page.shape, 0.015), 0, 1))
    assert agreement(ink, ink_of(face())) > 0.85
    far = cv2.distanceTransform((~ink_of(face())).astype(np.uint8), cv2.DIST_L2, 3) > 3
    assert ink[far].mean() < 1e-3


@pytest.mark.parametrize("ink", [(0.5, 0.5, 0.5), (1, 0.9, 0.2), (0.95, 0.4, 0.9)])
def test_faint_lines_beside_strong_ones_count(ink):
    lines = floats(two_rooms())
    lines[:, 190:] = 1 - (1 - lines[:, 190:]) * (1 - np.float32(ink))
    assert agreement(found(lines), ink_of(two_rooms())) > 0.97


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.9, 0.9), st.floats(0.45, 0.9))
def test_a_hairline_is_tight_at_every_angle(slope, width):
    # Drawn 16 times too large and averaged, so that the line is thinner than a pixel.
    large = np.full((96 * 16, 96 * 16), 255, np.uint8)
    rise = round(48 * 16 * slope)
    start, end = (-16, 48 * 16 - rise), (97 * 16, 48 * 16 + rise)
    cv2.line(large, start, end, 0, round(16 * width))
    # Strong lines beside it say what full ink is.
    for offset in (-7 * 16, 7 * 16):
        cv2.line(large, (start[0], start[1] + offset), (end[0], end[1] + offset), 0, 3 * 16)
    page = large.reshape(96, 16, 96, 16).mean(axis=(1, 3)).astype(np.float32) / 255
    ink = found(np.repeat(page[..., None], 3, axis=2))
    pieces, _ = cv2.connectedComponents((~ink).astype(np.uint8), connectivity=4)
    assert pieces - 1 == 4
    assert ink.mean() < 0.15


@pytest.mark.parametrize("colour", [(1, 1, 1), (0, 0, 0), (0.3, 0.6, 0.2), (2.5, 2.5, 2.5)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (40, 30)])
def test_a_bare_page_has_no_ink(colour, shape):
    rgb = np.ones((*shape, 3), np.float32) * np.float32(colour)
    assert not ink_coverage(rgb).any()
    assert not found(rgb).any()
    assert not found(rgb, np.zeros(shape, np.float32)).any()


def test_values_beyond_the_range_count_as_clipped():
    lines = floats(face())
    assert np.array_equal(found(lines * 3 - 1), found(np.clip(lines * 3 - 1, 0, 1)))


@pytest.mark.parametrize("width", [1, 3, 5, 7, 9, 15])
def test_line_width_is_measured(width):
    lines = blank(240, 240)
    cv2.circle(lines, (120, 120), 90, (0, 0, 0), thickness(width))
    cv2.line(lines, (120, 30), (120, 210), (0, 0, 0), thickness(width))
    assert abs(line_width(ink_of(lines)) - width) <= 0.6


def test_neither_blots_nor_specks_decide_the_width():
    lines = two_rooms()
    cv2.circle(lines, (80, 100), 25, (0, 0, 0), -1)
    speckled = ink_of(lines) | (np.random.default_rng(0).random(lines.shape[:2]) < 0.002)
    assert abs(line_width(speckled) - 3) <= 1


def test_no_ink_has_no_width():
    assert line_width(np.zeros((5, 5), bool)) == 0.0


def test_a_closed_drawing_stays_closed():
    count, _ = components(two_rooms())
    pieces, _ = cv2.connectedComponents(
        (~found(floats(two_rooms()))).astype(np.uint8), connectivity=4
    )
    assert pieces - 1 == count == 3
