"""The methods that are compared, and what other programs are given."""

import shutil
import subprocess

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.peers import GMIC_SECONDS, Case
from tests.drawings import BLUE, RED

HALVES = [[*RED, 255], [*BLUE, 255]]


def only(method, case):
    """The colours of one case."""
    [(colours, seconds)] = method([case])
    assert seconds > 0
    return colours


def test_nearest_takes_the_nearest_stroke(case):
    found = peers.nearest(case)
    np.testing.assert_array_equal(found[0, 0], [*RED, 255])
    np.testing.assert_array_equal(found[63, 63], [*BLUE, 255])
    np.testing.assert_array_equal(found[0, 40], [*RED, 255])


def test_the_oracle_is_right_wherever_a_stroke_can_be(case):
    np.testing.assert_array_equal(peers.finished(case, peers.oracle(case)), case.truth)


def test_flats_are_measured_without_lines(case):
    found = only(peers.own("flats", {}), case)
    np.testing.assert_array_equal(found[32, [4, 60]], HALVES)
    np.testing.assert_array_equal(peers.finished(case, found), case.truth)


def test_what_is_transparent_shows_paper(case):
    finished = peers.finished(case, np.zeros((64, 64, 4), np.uint8))
    np.testing.assert_array_equal(finished, case.line)


def test_colours_are_numbered_from_one(case):
    colours, labels = peers.colours_of(case.strokes)
    np.testing.assert_array_equal(colours, [BLUE, RED])
    assert [labels[51, 40], labels[10, 10], labels[0, 0]] == [1, 2, 0]


def test_files_have_the_level_in_their_name_where_there_is_one(case):
    assert case.result_file("flats").name == "flats_sparse.png"
    assert Case(case.folder).result_file("flats").name == "flats.png"


def test_krita_is_given_ink_and_numbered_strokes(case, tmp_path):
    task = peers.write_task(case, tmp_path / "0")
    assert task == {"size": [64, 64], "colours": [list(BLUE), list(RED)]}
    ink = np.fromfile(tmp_path / "0.ink", np.uint8).reshape(64, 64, 4)
    assert (ink[..., :3] == 0).all()
    np.testing.assert_array_equal(ink[..., 3], 255 - case.line[..., 0])
    strokes = np.fromfile(tmp_path / "0.strokes", np.uint8).reshape(64, 64)
    assert set(np.unique(strokes)) == {0, 1, 2}


@pytest.mark.editors
@pytest.mark.parametrize("name", peers.COLORIZE_MASK)
def test_krita_colours_the_halves(case, name):
    found = only(peers.method_of(name, GMIC_SECONDS), case)
    np.testing.assert_array_equal(found[32, [4, 60]], HALVES)


@pytest.mark.skipif(not shutil.which("gmic"), reason="gmic is not on the PATH")
@pytest.mark.parametrize("name", peers.GMIC)
def test_gmic_colours_the_halves(case, name):
    found = only(peers.method_of(name, GMIC_SECONDS), case)
    np.testing.assert_array_equal(found[32, [4, 60], :3], [RED, BLUE])


@pytest.mark.skipif(not shutil.which("gmic"), reason="gmic is not on the PATH")
def test_gmic_has_no_answer_in_no_time(case):
    assert list(peers.method_of("gmic-smart", 0.001)([case])) == [None]


def test_a_method_is_asked_no_more_after_too_many_cases_without_an_answer(case):
    asked = []

    def slow(case):
        asked.append(case)
        if len(asked) > 1:
            subprocess.run(["sleep", "60"], timeout=0.01, check=True)
        return case.truth

    first, *others = peers.one_by_one(slow)([case] * 5)
    assert first is not None
    assert others == [None] * 4
    assert len(asked) == 1 + peers.PATIENCE


def test_no_answer_leaves_no_result_and_mere_lines(case):
    assert peers.solve("late", lambda cases: iter([None]), [case]) == [None]
    assert not case.result_file("late").exists()
    np.testing.assert_array_equal(case.result("late"), case.line)


def test_methods_take_parameters_as_on_the_command_line():
    options = ["--gap", "7", "--edges", "smooth"]
    assert peers.parameters("flats", options) == {"gap": 7, "edges": "smooth"}


def test_a_method_with_parameters_has_its_own_result(case):
    name = "flats --layers per-colour"
    methods = dict(peers.all_methods([name]))
    peers.solve(name, methods[name], [case])
    found = peers.read(case.result_file(name))
    np.testing.assert_array_equal(found, only(peers.own("flats", {}), case))


def test_unknown_methods_are_skipped_with_their_reason(capsys):
    assert dict(peers.all_methods(["crayons"])) == {}
    assert capsys.readouterr().out == "crayons skipped: it is not in the catalogue\n"


def test_what_is_not_installed_is_skipped_with_its_reason(capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("LIMNER_EDITORS", raising=False)
    assert dict(peers.all_methods(["gmic-smart", "colorize-mask"])) == {}
    said = capsys.readouterr().out
    assert "gmic-smart skipped: gmic is not on the PATH\n" in said
    assert "colorize-mask skipped: LIMNER_EDITORS names no folder" in said
