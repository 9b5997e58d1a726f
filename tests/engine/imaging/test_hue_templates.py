"""Templates of hue: which fits, and where hues go."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.imaging.hue_templates import SECTORS, Template, best_template

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
