"""The cases, and what is handed to the protocol's scorer."""

import numpy as np
from PIL import Image

from benchmarks import paint, peers
from benchmarks.paint import LEVELS, SIDE
from benchmarks.peers import Case


def test_results_lie_where_the_scorer_looks(case, tmp_path):
    paint.solve("nearest", peers.one_by_one(peers.nearest), [case], tmp_path)
    assert (tmp_path / "halves/nearest_sparse.png").is_file()
    name, level, seconds = (tmp_path / "times_nearest.txt").read_text().split()
    assert (name, level) == ("halves", "sparse")
    assert float(seconds) > 0


def test_the_scorer_is_told_of_cases_without_an_answer(case, tmp_path):
    paint.solve("late", lambda cases: iter([None]), [case], tmp_path)
    assert (tmp_path / "times_late.txt").read_text() == "halves sparse timeout\n"


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
    assert cases[0].line.shape == (SIDE, SIDE, 3)


def test_extracted_drawings_are_one_page_of_every_validation_book(shared):
    chosen = paint.middle_pages(shared / "data")
    assert {picture.split for picture in chosen} == {"validation"}
    books = {
        picture.group
        for name in paint.ILLUSTRATIONS
        for picture in paint.sources.pictures(name, "validation", shared / "data")
    }
    assert sorted(picture.group for picture in chosen) == sorted(books)
