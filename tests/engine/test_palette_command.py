"""`limner palette`."""

import numpy as np
import pytest
from PIL import Image

from engine.cli import main
from engine.imaging import palette_files


def run(capsys, *arguments):
    status = main(["palette", *map(str, arguments)])
    return status, capsys.readouterr()


@pytest.fixture
def picture(tmp_path):
    pixels = np.zeros((60, 100, 3), np.uint8)
    pixels[:, :70] = 200, 30, 30
    pixels[:, 70:] = 30, 30, 200
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_pictures_main_colours_are_kept_as_a_palette(picture, tmp_path, capsys):
    status, said = run(capsys, picture, "-o", tmp_path / "p.gpl")

    kept = palette_files.load(tmp_path / "p.gpl")
    assert status == 0
    assert "photo: 2 colours" in said.out
    assert "#c81e1e  red   " in said.out
    assert " 70%" in said.out
    assert kept.names == ("red", "blue")
    assert kept.codes().tolist() == [[200, 30, 30], [30, 30, 200]]


def test_as_many_colours_as_are_asked_for(picture, capsys):
    assert "photo: 1 colours" in run(capsys, picture, "--colors", 1)[1].out

    status, said = run(capsys, picture, "--colors", 9)
    assert status == 2
    assert "1 to 7" in said.err


def test_a_palette_changes_its_format_and_keeps_names_locks_and_order(tmp_path, capsys):
    source = tmp_path / "p.gpl"
    source.write_text("GIMP Palette\nName: Two\n9 9 9\tink [locked]\n250 0 0\n9 9 9\tink too\n")

    status, said = run(capsys, source, "-o", tmp_path / "p.kpl")

    kept = palette_files.load(tmp_path / "p.kpl")
    assert status == 0
    assert "[locked]" in said.out
    assert "ink too" in said.out
    assert (kept.name, kept.names) == ("Two", ("ink", "", "ink too"))
    assert kept.locked == (True, False, False)
    assert kept.codes().tolist() == [[9, 9, 9], [250, 0, 0], [9, 9, 9]]


def test_what_it_says_of_contrast_and_colour_blind_sight(tmp_path, capsys):
    (tmp_path / "p.hex").write_text("000000\nffffff\na86400\n648200\n")

    said = run(capsys, tmp_path / "p.hex")[1].out

    assert "#000000 and" not in said
    assert "deutan: #a86400 and #648200" in said
    assert "21.0" in said
    assert "6 pairs" in said


def test_bad_files_and_pictures_of_nothing(tmp_path, capsys):
    (tmp_path / "p.ase").write_bytes(b"nothing")
    Image.new("RGBA", (4, 4)).save(tmp_path / "clear.png")

    for name in ("p.ase", "clear.png", "absent.kpl"):
        status, said = run(capsys, tmp_path / name)
        assert status == 2
        assert said.err.startswith("limner: ")
