"""The cases, the plain methods and what is handed to the protocol's scorer."""

import numpy as np
import pytest
from PIL import Image

from benchmarks import paint
from benchmarks.paint import LEVELS, Case

RED, BLUE = (220, 40, 40), (40, 40, 220)


@pytest.fixture
def case(tmp_path):
    """A red and a blue half with a line between, and a stroke of its own colour in each."""
    line = np.full((64, 64, 3), 255, np.uint8)
    line[:, 30:34] = 0
    truth = np.full_like(line, BLUE)
    truth[:, :32] = RED
    truth[:, 30:34] = 0
    strokes = np.zeros((64, 64, 4), np.uint8)
    strokes[8:12, 8:20] = *RED, 255
    strokes[50:54, 36:48] = *BLUE, 255
    folder = tmp_path / "halves"
    folder.mkdir()
    for name, pixels in (("line", line), ("truth", truth)):
        Image.fromarray(pixels).save(folder / f"{name}.png")
    for level in LEVELS:
        Image.fromarray(strokes).save(folder / f"scribbles_{level}.png")
    return Case(folder, "sparse")


def test_nearest_takes_the_nearest_stroke(case):
    found = paint.nearest(case)
    np.testing.assert_array_equal(found[0, 0], [*RED, 255])
    np.testing.assert_array_equal(found[63, 63], [*BLUE, 255])
    np.testing.assert_array_equal(found[0, 40], [*RED, 255])


def test_the_oracle_is_right_wherever_a_stroke_can_be(case):
    np.testing.assert_array_equal(paint.finished(case, paint.oracle(case)), case.truth)


def test_flats_are_measured_without_lines(case):
    found = paint.own("flats")(case)
    np.testing.assert_array_equal(found[32, [4, 60]], [[*RED, 255], [*BLUE, 255]])
    np.testing.assert_array_equal(paint.finished(case, found), case.truth)


def test_what_is_transparent_shows_paper(case):
    finished = paint.finished(case, np.zeros((64, 64, 4), np.uint8))
    np.testing.assert_array_equal(finished, case.line)


def test_colours_are_numbered_from_one(case):
    colours, labels = paint.colours_of(case.strokes)
    np.testing.assert_array_equal(colours, [BLUE, RED])
    assert [labels[51, 40], labels[10, 10], labels[0, 0]] == [1, 2, 0]


def test_krita_is_given_ink_and_numbered_strokes(case, tmp_path):
    task = paint.write_task(case, tmp_path / "0")
    assert task == {"size": [64, 64], "colours": [list(BLUE), list(RED)]}
    ink = np.fromfile(tmp_path / "0.ink", np.uint8).reshape(64, 64, 4)
    assert (ink[..., :3] == 0).all()
    np.testing.assert_array_equal(ink[..., 3], 255 - case.line[..., 0])
    strokes = np.fromfile(tmp_path / "0.strokes", np.uint8).reshape(64, 64)
    assert set(np.unique(strokes)) == {0, 1, 2}


def test_results_lie_where_the_scorer_looks(case, tmp_path):
    paint.solve("nearest", paint.one_by_one(paint.nearest), [case], tmp_path)
    assert (tmp_path / "halves/nearest_sparse.png").is_file()
    name, level, seconds = (tmp_path / "times_nearest.txt").read_text().split()
    assert (name, level) == ("halves", "sparse")
    assert float(seconds) > 0


def test_the_sheet_has_a_row_for_each_case_but_the_dense(case):
    cases = [Case(case.folder, level) for level in LEVELS]
    for shown in cases:
        Image.fromarray(case.truth).save(shown.result_file("perfect"))
    one = paint.sheet(cases[:1], ["perfect"]).shape
    all_levels = paint.sheet(cases, ["perfect"]).shape
    assert one[1] == all_levels[1]
    assert all_levels[0] > 1.8 * one[0]


def test_the_scorer_finds_the_truth_without_fault(case, shared):
    for level in LEVELS:
        Image.fromarray(case.truth).save(case.folder / f"perfect_{level}.png")
    rows = paint.score("perfect", shared, case.folder.parent)
    assert [row[:3] for row in rows] == [["perfect", str(n), "1"] for n in LEVELS.values()]
    assert all(len(row) == len(paint.COLUMNS) for row in rows)
    assert {row[5] for row in rows} == {"0.00"}


def test_cases_come_from_validation_pairs_alone(shared, tmp_path):
    cases = paint.make_cases(shared, tmp_path, 1)
    assert [case.level for case in cases] == list(LEVELS)
    validation = {
        picture.path.stem
        for picture in paint.sources.pictures(paint.PAIRS, "validation", shared / "data")
    }
    assert cases[0].folder.name in validation
    assert cases[0].line.shape == (paint.SIDE, paint.SIDE, 3)
