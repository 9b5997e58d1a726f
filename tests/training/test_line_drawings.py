import cv2
import numpy as np
import pytest

from training import line_drawings

BLUE, YELLOW = (70, 140, 220), (240, 210, 90)


def flat(size=400):
    """A yellow disc on blue, without an outline."""
    rgb = np.full((size, size, 3), BLUE, np.uint8)
    cv2.circle(rgb, (size // 2, size // 2), size // 4, YELLOW, -1, cv2.LINE_AA)
    return rgb


def inked(size=400):
    """The disc with a black outline."""
    rgb = flat(size)
    cv2.circle(rgb, (size // 2, size // 2), size // 4, (15, 12, 18), 4, cv2.LINE_AA)
    return rgb


@pytest.fixture
def rim():
    """Where the disc's outline runs, with a margin."""
    mask = np.zeros((400, 400), np.uint8)
    cv2.circle(mask, (200, 200), 100, 255, 13)
    return mask > 0


def methods(rgb):
    colour, ink = line_drawings.separated(rgb)
    random = np.random.default_rng(0)
    return {
        "xdog": line_drawings.xdog(rgb, random),
        "edges": line_drawings.edges(colour, ink, random),
    }


def test_outlines_go_and_areas_meet_beneath_them():
    colour, ink = line_drawings.separated(inked())
    assert ink[200, 100] > 0.9
    assert np.abs(colour.astype(int) - flat()).mean() < 2
    assert colour.min(axis=2).min() > 45  # nothing dark is left


def test_wide_dark_areas_and_thin_brown_things_are_colour():
    rgb = np.full((200, 200, 3), 240, np.uint8)
    rgb[40:160, 40:100] = 10
    rgb[40:160, 130:136] = (110, 62, 34)
    colour, _ = line_drawings.separated(rgb)
    assert np.abs(colour.astype(int) - rgb).mean() < 1


def test_a_picture_without_outlines_keeps_every_colour():
    colour, ink = line_drawings.separated(flat())
    assert not ink.any()
    assert (colour == flat()).all()


@pytest.mark.parametrize("method", ["xdog", "edges"])
@pytest.mark.parametrize("drawing", [flat, inked])
def test_lines_run_where_colours_meet_and_nowhere_else(method, drawing, rim):
    ink = methods(drawing())[method]
    assert ink.dtype == np.float32 and ink.min() >= 0 and ink.max() <= 1
    assert not ink[~rim].any()
    around = cv2.warpPolar(ink, (150, 360), (200, 200), 150, cv2.WARP_POLAR_LINEAR)
    assert (around.max(axis=1) > 0.3).mean() > 0.95  # closed


def test_equally_light_hues_have_a_line_between_them():
    rgb = np.full((120, 120, 3), (200, 90, 90), np.uint8)
    rgb[:, 60:] = (70, 140, 70)
    for ink in methods(rgb).values():
        assert (ink[20:100, 56:64].max(axis=1) > 0.3).all()


def test_one_edge_gives_one_line():
    for ink in methods(flat()).values():
        row = (ink[200, :200] > 0.3).astype(np.uint8)
        assert np.abs(np.diff(np.concatenate([[0], row, [0]]))).sum() == 2


def test_paper_has_no_lines():
    random = np.random.default_rng(0)
    grainy = (240 + random.normal(0, 3, (120, 120, 3))).clip(0, 255).astype(np.uint8)
    assert not any(ink.any() for ink in methods(grainy).values())


def test_specks_go():
    ink = np.zeros((40, 40), np.float32)
    ink[5, 5], ink[20, 5:35] = 1, 1
    cleaned = line_drawings.without_specks(ink, 6)
    assert cleaned[5, 5] == 0
    assert (cleaned[20, 5:35] == 1).all()
