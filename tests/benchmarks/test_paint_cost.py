"""What the cost of paint is measured on, and the measurement."""

import numpy as np
import pytest
from PIL import Image

from benchmarks import paint_cost

RED, BLUE, GREEN = (220, 40, 40, 255), (40, 40, 220, 255), (30, 160, 60, 255)


@pytest.fixture
def drawing(tmp_path):
    """Two halves of a page, a stroke in one of them, and two more strokes."""
    line = np.full((64, 64, 3), 255, np.uint8)
    line[:, 30:34] = 0
    strokes = np.zeros((64, 64, 4), np.uint8)
    strokes[8:12, 8:20] = RED
    Image.fromarray(line).save(tmp_path / "line.png")
    Image.fromarray(strokes).save(tmp_path / "scribbles_medium.png")
    strokes[50:54, 36:48] = BLUE
    strokes[58:60, 8:20] = GREEN
    Image.fromarray(strokes).save(tmp_path / "scribbles_dense.png")
    return tmp_path


def test_strokes_are_added_one_at_a_time(drawing):
    shown = [paint_cost.planes_of(drawing, 64, more)[1] for more in range(3)]
    found = [np.frombuffer(plane.data, np.uint8).reshape(64, 64, 4) for plane in shown]
    colours = [np.unique(pixels[pixels[..., 3] > 0], axis=0).tolist() for pixels in found]
    drawn = [(RED,), (RED, BLUE), (RED, BLUE, GREEN)]
    assert colours == [sorted(map(list, strokes)) for strokes in drawn]


def test_a_drawing_is_scaled_with_its_strokes_hard(drawing):
    line, strokes = paint_cost.planes_of(drawing, 160, 0)
    assert (line.width, line.height, strokes.width, strokes.height) == (160,) * 4
    alpha = np.frombuffer(strokes.data, np.uint8).reshape(160, 160, 4)[..., 3]
    assert set(np.unique(alpha)) == {0, 255}


def test_a_row_compares_with_the_first_method(drawing, monkeypatch):
    monkeypatch.setattr(paint_cost, "METHODS", {"a": ("flats", {}), "b": ("flats", {"gap": 3})})
    monkeypatch.setattr(paint_cost, "apart", lambda measure, *arguments: measure(*arguments))
    first, second = paint_cost.rows_of(drawing, 96, ["a", "b"])
    assert [len(first), len(second)] == [len(paint_cost.COLUMNS)] * 2
    assert first[:2] == ["a", "96"]
    assert first[5:7] == ["1.00", "1.00"]
    assert all(float(figure) > 0 for figure in second[2:])
