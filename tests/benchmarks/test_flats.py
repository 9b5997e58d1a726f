"""The cases, the figures and the sheets of the benchmark of flats."""

import numpy as np
import pytest
from PIL import Image

from benchmarks import flats, peers
from benchmarks.flats import KINDS, Score
from benchmarks.peers import Case
from tests.drawings import face

SIDE = 128


@pytest.fixture(scope="module")
def cases(shared, tmp_path_factory):
    """The second drawing of the protocol, of every kind; tests write results of their own."""
    return flats.make_cases(shared, tmp_path_factory.mktemp("cases") / "made", 1, 1, SIDE)


def test_the_first_drawings_are_skipped(shared, cases, tmp_path):
    both = flats.make_cases(shared, tmp_path / "both", 2, 0, SIDE)
    names = [case.folder.parent.name for case in both]
    assert len(set(names)) == 2
    assert [case.folder.parent.name for case in cases] == names[3:]
    assert [case.folder.name for case in cases] == list(KINDS)


def test_the_truth_has_no_fault_and_nearest_strokes_have(shared, cases):
    scorer = flats.protocol(shared)
    truth = peers.one_by_one(lambda case: case.truth)
    nearest = peers.one_by_one(peers.nearest)
    for score in flats.scored("perfect", truth, cases, scorer).values():
        assert (score.pixels, score.exact, score.regions) == (1, 1, 1)
    for score in flats.scored("nearest", nearest, cases, scorer).values():
        assert 0 < score.pixels < 0.99


def test_the_ratio_is_to_ours_on_the_drawings_that_were_answered():
    first, second = Case("first"), Case("second")
    ours = {first: Score(1, 1, 1, 2), second: Score(0.5, 0.5, 0.5, 8)}
    figures = flats.figures({first: Score(0.75, 0.5, 1, 3)}, ours)
    assert figures == ["1/2", "0.7500", "0.5000", "1.0000", "0.7500", "3.00", "1.50"]
    assert flats.figures(ours, ours)[-3:] == ["0.5000", "5.00", "1.00"]


def test_no_answer_is_said_in_a_row_as_long_as_the_others():
    ours = {Case("first"): Score(1, 1, 1, 2)}
    figures = flats.figures({}, ours)
    assert figures[:2] == ["0/1", "no answer"]
    assert len(figures) == len(flats.figures(ours, ours)) == len(flats.COLUMNS) - 2


def test_one_more_scribble_leads_to_the_same_flats(case):
    [(found, seconds)] = flats.again([case])
    assert seconds > 0
    np.testing.assert_array_equal(peers.finished(case, found), case.truth)


def test_the_table_has_the_edges_for_rough_drawings_alone(shared, cases, tmp_path):
    nearest = peers.one_by_one(peers.nearest)
    methods = {flats.OURS: peers.own("flats", {}), "nearest": nearest, flats.EDGES: nearest}
    flats.compare(methods, cases, flats.protocol(shared), tmp_path)
    head, _, *rows = (tmp_path / "flats.md").read_text().splitlines()
    assert head.split(" | ") == list(flats.COLUMNS)
    asked = [tuple(row.split(" | ")[:2]) for row in rows]
    assert asked == [
        *((name, kind) for kind in KINDS for name in (flats.OURS, "nearest")),
        (flats.EDGES, "rough"),
    ]
    with Image.open(tmp_path / "flats.png") as sheet:
        assert sheet.width > 5 * flats.CELL
        assert sheet.height > len(cases) * flats.CELL


def test_flats_without_strokes_leave_the_paper_white(tmp_path):
    Image.fromarray(face()).save(tmp_path / "line.png")
    Image.fromarray(np.zeros((256, 256, 4), np.uint8)).save(tmp_path / "scribbles.png")
    found = flats.unasked(Case(tmp_path))
    assert found[2, 2].tolist() == [255, 255, 255]
    inside = {tuple(found[y, x].tolist()) for y, x in ((180, 128), (108, 92), (108, 164))}
    assert len(inside) >= 2
    assert (255, 255, 255) not in inside


def test_the_sheet_of_pairs_has_a_row_for_each_drawing(case):
    cases = [Case(case.folder, level) for level in ("sparse", "medium", "dense")]
    sheet = flats.pairs_sheet(cases)
    assert sheet.shape[1] > 9 * flats.CELL
    assert flats.CELL < sheet.shape[0] < 2 * flats.CELL
