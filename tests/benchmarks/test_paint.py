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
    found = paint.own("flats", {})(case)
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
    shown = paint.few(cases)
    assert [one.level for one in shown] == ["sparse", "medium"]
    for one in shown:
        Image.fromarray(case.truth).save(one.result_file("perfect"))
    single = paint.sheet(shown[:1], ["perfect"]).shape
    both = paint.sheet(shown, ["perfect"]).shape
    assert single[1] == both[1]
    assert both[0] > 1.8 * single[0]


def test_methods_take_parameters_as_on_the_command_line():
    options = ["--gap", "7", "--edges", "smooth"]
    assert paint.parameters("flats", options) == {"gap": 7, "edges": "smooth"}


def test_a_method_with_parameters_has_its_own_result(case, tmp_path):
    name = "flats --layers per-colour"
    methods = dict(paint.all_methods([name]))
    paint.solve(name, methods[name], [case], tmp_path)
    found = paint.read(case.result_file(name))
    np.testing.assert_array_equal(found, paint.own("flats", {})(case))


def test_unknown_methods_are_skipped_with_their_reason(capsys):
    assert dict(paint.all_methods(["crayons"])) == {}
    assert capsys.readouterr().out == "crayons skipped: it is not in the catalogue\n"


def test_extracted_line_art_and_its_truth_have_the_same_lines():
    picture = np.full((120, 250, 3), (240, 200, 80), np.uint8)
    picture[30:90, 160:220] = 40, 90, 200
    for number in range(2):
        line, truth = paint.extracted(picture, number)
        assert line.shape == (120, 120)
        assert truth.shape == (120, 120, 3)
        assert (line < 128).any()
        assert (truth[line == 0] == 0).all()
        assert (truth[line == 255] > 0).all()


def test_the_scorer_finds_the_truth_without_fault(case, shared):
    for level in LEVELS:
        Image.fromarray(case.truth).save(case.folder / f"perfect_{level}.png")
    rows = paint.score("perfect", shared, case.folder.parent)
    assert [row[:3] for row in rows] == [["perfect", str(n), "1"] for n in LEVELS.values()]
    assert all(1 + len(row) == len(paint.COLUMNS) for row in rows)
    assert {row[5] for row in rows} == {"0.00"}


def test_cases_come_from_validation_pairs_alone(shared, tmp_path):
    cases = paint.make_cases("pairs", shared, tmp_path, 1)
    assert [case.level for case in cases] == list(LEVELS)
    validation = {
        picture.path.stem
        for picture in paint.sources.pictures(paint.drawings.PAIRS, "validation", shared / "data")
    }
    assert cases[0].folder.name in validation
    assert cases[0].line.shape == (paint.SIDE, paint.SIDE, 3)


def test_extracted_drawings_are_one_page_of_every_validation_book(shared):
    chosen = paint.middle_pages(shared / "data")
    assert {picture.split for picture in chosen} == {"validation"}
    books = {
        picture.group
        for name in paint.ILLUSTRATIONS
        for picture in paint.sources.pictures(name, "validation", shared / "data")
    }
    assert sorted(picture.group for picture in chosen) == sorted(books)
