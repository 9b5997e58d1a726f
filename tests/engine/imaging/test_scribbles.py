"""What a layer of scribbles asks for."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.measure import label

from engine.imaging import scribbles
from engine.imaging.raster import Raster
from engine.imaging.scribbles import nearest
from tests.engine.imaging.line_art import floats

codes = st.tuples(*[st.integers(0, 255)] * 3)
RED, BLUE = np.float32([0.8, 0.2, 0.2]), np.float32([0.2, 0.3, 0.8])


def read_hints(rgb, alpha=None):
    """The hints of a picture, with the colour number of every pixel, H x W, 0 = none."""
    hints = scribbles.read_hints(Raster(rgb, alpha).marks())
    labels = np.zeros(hints.shape, np.int32)
    labels.ravel()[hints.place] = hints.number
    return SimpleNamespace(labels=labels, colours=hints.colours, hints=hints)


def patches(*areas):
    """An opaque row of patches 10 pixels high: (colour, width) each."""
    return np.concatenate(
        [np.tile(np.float32(colour), (10, width, 1)) for colour, width in areas], axis=1
    )


def difference(one, other):
    return float(deltaE_ciede2000(*(rgb2lab(np.float64(rgb)) for rgb in (one, other))))


def test_nothing_painted_means_nothing():
    hints = read_hints(np.zeros((4, 5, 3), np.float32), np.zeros((4, 5), np.float32))
    assert hints.labels.shape == (4, 5)
    assert not hints.labels.any()
    assert hints.colours.shape == (0, 3)


def test_paint_counts_from_half_alpha_on():
    alpha = np.float32([[0, 0.3, 0.49, 0.5, 0.51, 1]])
    hints = read_hints(np.tile(RED, (1, 6, 1)), alpha)
    assert hints.labels.tolist() == [[0, 0, 0, 1, 1, 1]]


def test_without_alpha_everything_is_painted():
    hints = read_hints(patches((RED, 4), (BLUE, 8)))
    assert np.array_equal(hints.colours[hints.labels - 1], patches((RED, 4), (BLUE, 8)))


@settings(max_examples=30, deadline=None)
@given(codes)
def test_a_soft_brush_is_one_colour_exactly_as_painted(code):
    colour = floats(np.array(code))
    y, x = np.mgrid[0:60, 0:60]
    alpha = np.rint(np.clip(1.8 - np.hypot(x - 30, y - 30) / 14, 0, 1) * 255) / 255
    # As an 8-bit editor keeps it: the colour is lost by degrees where the brush fades.
    premultiplied = np.rint(colour * alpha[..., None] * 255) / 255
    rgb = premultiplied / np.maximum(alpha, 1 / 255)[..., None]
    hints = read_hints(rgb.astype(np.float32), alpha.astype(np.float32))
    assert len(hints.colours) == 1
    assert np.rint(hints.colours[0] * 255).tolist() == list(code)
    assert np.array_equal(hints.labels > 0, alpha >= 0.5)


@settings(max_examples=60, deadline=None)
@given(codes, st.tuples(*[st.integers(-9, 9)] * 3))
def test_strokes_within_two_steps_of_difference_are_one(code, step):
    one = floats(np.array(code))
    other = floats(np.clip(np.add(code, step), 0, 255))
    apart = difference(one, other)
    assume(abs(apart - 2.0) > 0.05)
    hints = read_hints(patches((one, 12), (other, 9)))
    assert len(hints.colours) == (1 if apart < 2.0 else 2)
    assert np.array_equal(hints.colours[0], one)


def test_the_most_frequent_shade_is_the_colour():
    lighter, darker = RED + np.float32(1 / 255), RED - np.float32(1 / 255)
    hints = read_hints(patches((lighter, 5), (RED, 9), (darker, 5)))
    assert np.array_equal(hints.colours, RED[None])
    assert (hints.labels == 1).all()


def test_a_band_of_mixed_colour_between_two_strokes_asks_for_nothing():
    rgb = patches((RED, 20), (0.6 * RED + 0.4 * BLUE, 1), (BLUE, 20))
    labels = read_hints(rgb).labels
    assert (labels[:, 20] == 0).all()
    assert len(np.unique(labels)) == 3


def test_soft_strokes_that_cross_are_two_colours():
    rgb = np.zeros((80, 80, 3), np.float32)
    alpha = np.zeros((80, 80), np.float32)
    for colour, start, end in ((RED, (8, 40), (72, 40)), (BLUE, (40, 8), (40, 72))):
        dab = np.zeros((80, 80), np.float32)
        cv2.line(dab, start, end, 1.0, 12)
        dab = cv2.GaussianBlur(dab, (0, 0), 1.0)
        over = dab + alpha * (1 - dab)
        rgb = (colour * dab[..., None] + rgb * (alpha * (1 - dab))[..., None]) / np.maximum(
            over, 1e-6
        )[..., None]
        alpha = over
    hints = read_hints(rgb.astype(np.float32), alpha)
    asked = hints.colours[np.unique(hints.labels[hints.labels > 0]) - 1]
    assert len(asked) == 2
    for colour in (RED, BLUE):
        assert np.abs(asked - colour).max(axis=1).min() < 1e-3


def test_a_thin_stroke_of_its_own_is_a_hint():
    rgb, alpha = np.tile(RED, (20, 20, 1)), np.zeros((20, 20), np.float32)
    alpha[10, 4:16] = 1
    hints = read_hints(rgb, alpha)
    assert np.array_equal(hints.labels > 0, alpha > 0)


def test_colours_beyond_srgb_come_back_as_painted():
    bright, wide = np.float32([4.0, 0.5, 0.1]), np.float32([0.2, 0.9, -0.25])
    hints = read_hints(patches((bright, 9), (wide, 5)))
    assert np.array_equal(hints.colours, [bright, wide])


def test_of_a_painting_the_rarest_shades_are_no_hints():
    steps = np.linspace(0, 1, 16, dtype=np.float32)
    every = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 1, 3)
    rgb = np.concatenate([every, np.tile(RED, (4096, 3, 1))], axis=1)
    hints = read_hints(rgb)
    assert len(hints.colours) == 1024
    assert np.array_equal(hints.colours[0], RED)
    assert (hints.labels[:, 0] == 0).sum() > 1000


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_hint_is_a_painted_colour_near_its_pixels(seed):
    rng = np.random.default_rng(seed)
    rgb = rng.random((5, 3), np.float32)[rng.integers(0, 5, (12, 12))]
    rgb += rng.integers(-2, 3, rgb.shape).astype(np.float32) / 255
    hints = read_hints(rgb)
    flat = rgb.reshape(-1, 3)
    assert all((flat == colour).all(axis=1).any() for colour in hints.colours)
    lab = rgb2lab(np.clip(rgb, 0, 1))
    asked = rgb2lab(np.clip(hints.colours, 0, 1))[hints.labels - 1]
    apart = deltaE_ciede2000(lab, asked)[hints.labels > 0]
    assert apart.max(initial=0.0) < 2.3


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12))
def test_strokes_are_connected_pieces_of_one_colour(seed, height, width):
    number = np.random.default_rng(seed).integers(0, 3, (height, width))
    rgb = np.float32([[0, 0, 0], RED, BLUE])[number]
    hints = scribbles.read_hints(Raster(rgb, (number > 0).astype(np.float32)).marks())
    strokes = np.zeros(number.shape, np.int32)
    strokes.ravel()[hints.place] = hints.stroke
    expected = label(number, background=0, connectivity=2)
    assert np.array_equal(strokes > 0, number > 0)
    pairs = np.unique(np.stack([strokes.ravel(), expected.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(strokes)) == len(np.unique(expected))
    assert hints.colour_of_stroke[0] == 0
    assert np.array_equal(hints.colours[hints.number - 1], rgb[number > 0])


def test_only_two_colours_of_a_mixture_count_as_two():
    rgb = patches((RED, 20), (0.6 * RED + 0.4 * BLUE, 1), (RED, 20))
    assert len(np.unique(read_hints(rgb).labels)) == 2


@pytest.mark.parametrize("colour", [(0.9, 0.1, 0.1), (0.5, 0.5, 0.55), (0.05, 0.0, 0.0)])
def test_nearest_is_by_seen_difference(colour):
    palette = np.float32([[1, 0, 0], [0, 0, 1], [0.5, 0.5, 0.5], [0, 0, 0]])
    expected = np.argmin([difference(colour, swatch) for swatch in palette])
    assert nearest(np.float32([colour]), palette).tolist() == [expected]
