"""What the table's benchmark measures: no error where there is none, and a known one."""

import numpy as np
import pytest

from benchmarks.color_table import changes, errors, exact, shift_of, square, with_opencv
from engine.imaging.harmony import Recoloring

STILL = Recoloring(np.float32([[20, 10], [-30, 20]]), np.float32([[20, 10], [-30, 20]]))
MOVED = Recoloring(np.float32([[20, 10], [-30, 20]]), np.float32([[26, 12], [-34, 16]]))


@pytest.fixture
def colors():
    """Away from the faces of the gamut."""
    return np.random.default_rng(0).uniform(0.3, 0.7, (500, 3)).astype(np.float32)


@pytest.mark.parametrize("name", changes(STILL))
def test_no_table_changes_what_does_not_move(colors, name):
    assert errors(changes(STILL)[name](colors), colors).max() < 0.02


def test_finer_tables_are_nearer_to_the_function(colors):
    expected = exact(shift_of(MOVED))(colors)
    found = {
        name: errors(change(colors), expected).mean() for name, change in changes(MOVED).items()
    }
    assert found["a, b: 257 steps"] < found["a, b: 65 steps"] < found["a, b: 33 steps"]
    assert found["R, G, B: 65 steps"] < found["R, G, B: 33 steps"]
    assert np.isclose(found["a, b: 385 steps"], found["a, b: 385 steps, as shipped"], atol=0.01)


def test_opencv_does_the_same_within_the_gamut(colors):
    expected = exact(shift_of(MOVED))(colors)
    found = with_opencv(colors[None].copy(), MOVED.table())[0]
    assert np.percentile(errors(found, expected), 99) < 0.5


def test_a_step_in_lightness_is_seen():
    assert errors(np.float32([[0.5] * 3]), np.float32([[0.55] * 3]))[0] > 3


def test_the_middle_is_enlarged():
    picture = np.zeros((10, 20, 3), np.uint8)
    picture[:, 5:15] = 200
    assert (square(picture, 64) == 200).all()
