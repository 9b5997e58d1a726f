"""White balance: neutral stays, tinted light is taken away."""

import numpy as np
import pytest

from engine.imaging.color import lab_to_linear, linear_to_lab, srgb_to_lab
from engine.imaging.white_balance import adaptation, balanced, light_color, needed_balance
from tests import drawings

LIGHTS = [(1.6, 0.9, 0.4), (0.6, 1.0, 1.8), (1.0, 1.0, 1.0)]


def lab_of(photo):
    return srgb_to_lab(photo.reshape(-1, 3).T.astype(np.float32) / 255)


@pytest.mark.parametrize("light", LIGHTS)
def test_the_lights_own_colour_becomes_white_and_back(light):
    color = np.float32(light)
    matrix = adaptation(color)
    assert matrix @ color == pytest.approx([1, 1, 1], abs=1e-4)


@pytest.mark.parametrize("light", LIGHTS)
def test_a_grey_scene_shows_its_light(light):
    color = np.float32(light)
    color /= 0.2126 * color[0] + 0.7152 * color[1] + 0.0722 * color[2]
    scene = color[:, None] * np.linspace(0.05, 0.4, 50, dtype=np.float32)
    assert light_color(scene, np.ones(50, np.float32)) == pytest.approx(color, rel=1e-3)


def test_strong_light_is_taken_away_and_a_picture_as_it_was_is_left():
    lab = lab_of(drawings.photograph())
    lab[1:] *= 0.3
    weight = np.ones(lab.shape[1], np.float32)
    lamp = np.float32([1.9, 0.9, 0.25])
    tinted = linear_to_lab(
        np.tensordot(np.linalg.inv(adaptation(lamp)), lab_to_linear(lab), 1).astype(np.float32)
    )
    matrix = needed_balance(tinted, weight)
    assert needed_balance(lab, weight) is None
    assert matrix is not None
    before = np.hypot(*(tinted - lab)[1:]).mean()
    assert np.hypot(*(balanced(tinted, matrix) - lab)[1:]).mean() < before / 2


@pytest.mark.parametrize("lab", [np.zeros((3, 0)), np.zeros((3, 5)), np.full((3, 5), 100.0)])
def test_nothing_and_black_have_no_light(lab):
    matrix = needed_balance(lab.astype(np.float32), np.ones(lab.shape[1], np.float32))
    assert matrix is None or np.isfinite(matrix).all()
