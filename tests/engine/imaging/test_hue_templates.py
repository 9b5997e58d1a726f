"""Templates of hue: which fits, and where hues go."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.imaging.color import lab_to_srgb, srgb_to_lab
from engine.imaging.hue_templates import SECTORS, Template, best_template, gentlest_template

names = st.sampled_from(list(SECTORS))
degrees = st.floats(0, 360, exclude_max=True)


def outside(template, hue):
    """Arc in degrees from each hue to the template, one sector and hue at a time."""
    arcs = []
    for value in hue:
        off = [
            abs((value - template.angle - 360 * centre + 180) % 360 - 180) - 180 * width
            for centre, width in SECTORS[template.name]
        ]
        arcs.append(max(min(off), 0))
    return np.array(arcs)


@settings(deadline=None)
@given(names, degrees, st.integers(0, 2**32 - 1))
def test_hues_go_into_their_sector_and_never_past_its_middle(name, angle, seed):
    template = Template(name, angle)
    hue = np.random.default_rng(seed).uniform(0, 360, 100)
    moved = template.moved(hue)
    assert outside(template, moved).max() < 1e-6
    turned = (moved - hue + 180) % 360 - 180
    assert np.all(np.abs(turned) <= 180)
    middle = template.angle + 360 * SECTORS[name][0][0]
    assert template.moved(np.array([middle]))[0] == pytest.approx(middle % 360, abs=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_no_template_and_angle_fits_better_than_the_best(seed):
    rng = np.random.default_rng(seed)
    hue, weight = rng.integers(0, 360, 6).astype(float), rng.uniform(0.1, 1, 6)
    found = (outside(best_template(hue, weight), hue) * weight).sum()
    every = [
        (outside(Template(name, angle), hue) * weight).sum()
        for name in SECTORS
        for angle in range(0, 360, 3)
    ]
    assert found <= min(every) + 1e-6


def test_one_hue_lies_in_the_smallest_template():
    assert best_template(np.full(5, 200.0), np.ones(5)).name == "i"


def drawn(template, ab):
    """Colours (N x 2), whose hue is a whole degree, drawn in."""
    at = np.rint(np.degrees(np.arctan2(ab[:, 1], ab[:, 0]))).astype(int) % 360
    moved = template.drawing_in()[at] * (ab[:, 0] + 1j * ab[:, 1])
    return np.stack([moved.real, moved.imag], axis=1)


def of_hue(degrees, chroma=20.0):
    angle = np.radians(degrees)
    return chroma * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


@settings(deadline=None)
@given(names, degrees, st.sampled_from([55.0, 70.0, 85.0]))
def test_colors_drawn_in_lie_inside_at_any_lightness(name, angle, lightness):
    template = Template(name, angle)
    ab = drawn(template, of_hue(np.arange(360)))
    ab = ab[np.hypot(*ab.T) > 2]
    lab = np.float32([np.full(len(ab), lightness), *ab.T])
    hue = cv2.cvtColor(lab_to_srgb(lab).T[None].copy(), cv2.COLOR_RGB2HSV)[0, :, 0]
    assert outside(template, hue).max() < 6


@settings(deadline=None)
@given(names, degrees)
def test_drawing_in_adds_no_chroma_and_leaves_what_is_inside(name, angle):
    template = Template(name, angle)
    factors = template.drawing_in()
    assert np.abs(factors).max() <= 1 + 1e-6
    middle = template.angle + 360 * SECTORS[name][0][0]
    hsv = np.float32([[[middle % 360, 0.5, 1]]])
    _, a, b = srgb_to_lab(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0].T.copy())[:, 0]
    at = np.degrees(np.arctan2(b, a))
    assert max(abs(factors[int(np.floor(at + k)) % 360] - 1) for k in (0, 1)) < 0.1


@settings(deadline=None)
@given(names, degrees)
def test_colors_that_lie_close_stay_close(name, angle):
    """Neighbouring degrees, to the middle of a gap and over it."""
    ab = drawn(Template(name, angle), of_hue(np.arange(360), 1.0))
    assert np.linalg.norm(ab - np.roll(ab, 1, axis=0), axis=1).max() < 0.25


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_no_template_changes_colors_less_than_the_gentlest(seed):
    rng = np.random.default_rng(seed)
    ab = of_hue(rng.integers(0, 360, 6), rng.uniform(1, 60, (6, 1)))
    weight = rng.uniform(0.1, 1, 6)

    def change(template):
        seen = 1 + 0.015 * np.linalg.norm(ab, axis=1)
        return (weight * (np.linalg.norm(drawn(template, ab) - ab, axis=1) / seen) ** 2.5).sum()

    found = change(gentlest_template(ab.T, weight))
    every = [change(Template(name, angle)) for name in SECTORS for angle in range(0, 360, 3)]
    assert found <= min(every) * (1 + 1e-4) + 1e-4


def test_a_color_without_weight_does_not_count():
    ab = of_hue(np.array([0.0, 30.0, 180.0]))
    alone = gentlest_template(ab.T, np.array([0, 0, 1.0]))
    assert np.allclose(drawn(alone, ab)[2], ab[2], atol=1e-3)
    assert not np.allclose(drawn(alone, ab)[:2], ab[:2], atol=1)
