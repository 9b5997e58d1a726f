"""The command line as a person meets it: files in, files out, words and exit statuses."""

import getpass
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.cli import main
from engine.imaging import palette_files
from tests.drawings import BLUE, RED, photograph, write_face


def limner(*arguments, check=True):
    """Runs the command in a process of its own."""
    command = [sys.executable, "-m", "engine.cli", *map(str, arguments)]
    return subprocess.run(command, check=check, capture_output=True, text=True)


def read(path):
    """A picture's pixels, RGB(A) order, depth kept."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    order = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, order[pixels.shape[2]])


@pytest.fixture
def face(tmp_path):
    return write_face(tmp_path)


@pytest.fixture
def engine():
    """A running engine of this test's own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "engine.cli", "serve"], stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    yield process
    process.terminate()
    process.communicate(timeout=20)


HEAVY = "{'torch', 'onnxruntime', 'skimage', 'scipy', 'cv2', 'numpy'} & set(sys.modules)"


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_loads_no_heavy_library(argument):
    code = f"""
import sys
from engine.cli import main
try:
    main([{argument!r}])
except SystemExit:
    pass
assert not {HEAVY}, {HEAVY}
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_importing_the_engine_loads_no_heavy_library():
    subprocess.run([sys.executable, "-c", f"import sys, engine\nassert not {HEAVY}"], check=True)


def test_flats_writes_a_layer_without_the_lines(face, tmp_path):
    lines, hints = face
    out = tmp_path / "flats.png"

    assert main(["flats", str(lines), "--scribbles", str(hints), "-o", str(out)]) == 0

    flats = read(out)
    assert flats.shape == (256, 256, 4)
    assert tuple(flats[200, 128]) == (*RED, 255)
    assert tuple(flats[108, 92]) == (*BLUE, 255)
    assert flats[4, 4, 3] == 0, "paper at the border stays empty"
    colours = np.unique(flats[flats[..., 3] > 0], axis=0)
    assert {tuple(c) for c in colours} == {(*RED, 255), (*BLUE, 255)}


def test_flats_report_and_labels(face, tmp_path):
    lines, hints = face
    report, labels = tmp_path / "report.json", tmp_path / "labels.png"

    limner("flats", lines, "--scribbles", hints, "-o", tmp_path / "f.png", "--report", report,
           "--labels", labels)  # fmt: skip

    told = json.loads(report.read_text())
    assert told["operation"] == "flats"
    assert told["parameters"]["unhinted"] == "neighbour"
    assert told["seconds"]["all"] > 0
    assert told["peak_memory"] > 0
    assert {"seed", "versions", "device", "sizes"} <= told.keys()
    regions = read(labels)
    assert regions.dtype == np.uint16
    assert len({regions[200, 128], regions[108, 92], regions[108, 164], regions[4, 4]}) == 4


@pytest.mark.parametrize("form", ["flatten", "layers", "split", "one file for several"])
def test_forms_of_the_result(face, tmp_path, form):
    lines, hints = face
    arguments = ["flats", lines, "--scribbles", hints, "--layers", "per-colour"]

    if form == "flatten":
        limner(*arguments, "-o", tmp_path / "shown.png", "--flatten")
        shown = read(tmp_path / "shown.png")
        assert tuple(shown[200, 128][:3]) == RED
        assert tuple(shown[4, 4]) == (255, 255, 255, 255)
        assert tuple(shown[128, 28][:3]) == (0, 0, 0), "the lines are seen above the colour"
    elif form == "layers":
        limner(*arguments, "-o", tmp_path / "layers.ora")
        names = zipfile.ZipFile(tmp_path / "layers.ora").namelist()
        assert names[0] == "mimetype"
        assert len([n for n in names if n.startswith("data/")]) == 2
    elif form == "split":
        limner(*arguments, "-o", tmp_path / "one.png", "--split")
        assert read(tmp_path / "one-01.png").shape == read(tmp_path / "one-02.png").shape
    else:
        refused = limner(*arguments, "-o", tmp_path / "one.png", check=False)
        assert refused.returncode == 2
        assert "--split" in refused.stderr


def test_harmonize_keeps_size_depth_and_alpha(tmp_path):
    scene = cv2.cvtColor(photograph(), cv2.COLOR_RGB2BGRA).astype(np.uint16) * 257
    scene[:10, :, 3] = 0
    cv2.imwrite(str(tmp_path / "in.png"), scene)

    limner("harmonize-palette", tmp_path / "in.png", "-o", tmp_path / "out.png",
           "--swatches", tmp_path / "p.gpl", "--cube", tmp_path / "c.cube")  # fmt: skip

    assert (tmp_path / "p.gpl").read_text().startswith("GIMP Palette")
    title, size, *rows = (tmp_path / "c.cube").read_text().splitlines()
    assert (title, size, len(rows)) == ('TITLE "Limner"', "LUT_3D_SIZE 33", 33**3)
    assert rows[0].split() == ["0.000000"] * 3
    assert rows[-1].split() == ["1.000000"] * 3
    refused = limner("harmonize-palette", tmp_path / "in.png", "-o", tmp_path / "out.cube",
                     check=False)  # fmt: skip
    assert refused.returncode == 2
    before, after = read(tmp_path / "in.png"), read(tmp_path / "out.png")
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    assert (after[..., 3] == before[..., 3]).all()
    assert (after[:10] == before[:10]).all(), "what is transparent is left alone"
    assert (after[50] != before[50]).any()


@pytest.mark.parametrize("operation", ["flats", "harmonize-palette"])
def test_same_bytes_with_and_without_an_engine(face, tmp_path, engine, operation):
    if operation == "flats":
        arguments = ["flats", face[0], "--scribbles", face[1]]
    else:
        cv2.imwrite(str(tmp_path / "photo.png"), photograph())
        arguments = ["harmonize-palette", tmp_path / "photo.png"]

    limner(*arguments, "-o", tmp_path / "engine.png", "--report", tmp_path / "engine.json")
    worker = json.loads(limner("status", "--json").stdout)["worker"]
    limner("stop")
    engine.wait(timeout=20)
    limner(*arguments, "-o", tmp_path / "alone.png", "--report", tmp_path / "alone.json")

    assert worker["pid"] != engine.pid
    assert (tmp_path / "engine.png").read_bytes() == (tmp_path / "alone.png").read_bytes()


def test_status_and_stop_where_nothing_runs():
    for command in ("status", "stop"):
        answer = limner(command, check=False)
        assert answer.returncode == 1
        assert "serve" in answer.stderr


def test_a_second_engine_says_so_and_ends_well(engine):
    second = limner("serve")

    assert second.returncode == 0
    assert "already" in second.stdout + second.stderr
    assert engine.poll() is None


def bad_inputs(folder: Path):
    """Command lines that cannot work, and the words that must be in the answer."""
    lines, _ = write_face(folder)
    white = np.full((64, 64, 3), 255, np.uint8)
    cv2.imwrite(str(folder / "white.png"), white)
    cv2.imwrite(str(folder / "black.png"), white * 0)
    cv2.imwrite(str(folder / "small.png"), np.full((64, 64, 4), 255, np.uint8))
    cv2.imwrite(str(folder / "nothing.png"), np.zeros((256, 256), np.uint8))
    (folder / "text.png").write_text("this is no picture")
    (folder / "cut.png").write_bytes(lines.read_bytes()[:300])
    out = ["-o", str(folder / "out.png")]
    return {
        "no such file": (["flats", "missing.png", *out], "missing.png"),
        "no picture": (["flats", str(folder / "text.png"), *out], "text.png"),
        "cut short": (["flats", str(folder / "cut.png"), *out], "cut.png"),
        "no lines": (["flats", str(folder / "white.png"), *out], "line"),
        "all ink": (["flats", str(folder / "black.png"), *out], "line"),
        "another size": (["flats", str(lines), "--scribbles", str(folder / "small.png"), *out],
                         "256 × 256"),
        "mask without a pixel": (["flats", str(lines), "--mask", str(folder / "nothing.png"), *out],
                                 "mask"),
        "out of range": (["flats", str(lines), "--gap", "900", *out], "200"),
        "no such folder": (["flats", str(lines), "-o", str(folder / "no" / "out.png")], "folder"),
        "no such palette": (["flats", str(lines), "--palette", "none.gpl", *out], "none.gpl"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "case",
    ["no such file", "no picture", "cut short", "no lines", "all ink", "another size",
     "mask without a pixel", "out of range", "no such folder", "no such palette"],
)  # fmt: skip
def test_bad_input_is_told_in_a_sentence_and_a_next_step(tmp_path, capsys, case):
    arguments, word = bad_inputs(tmp_path)[case]

    assert main(arguments) == 2

    told = capsys.readouterr().err
    assert word in told
    assert len(told.strip().splitlines()) == 2
    assert "Traceback" not in told
    assert not (tmp_path / "out.png").exists()


def test_a_page_too_large_is_refused_with_the_numbers(face, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LIMNER_MEMORY", "1")

    assert main(["flats", str(face[0]), "-o", str(tmp_path / "out.png")]) == 2

    assert "256 × 256" in capsys.readouterr().err


def test_one_pixel_is_answered(tmp_path):
    cv2.imwrite(str(tmp_path / "one.png"), np.full((1, 1, 3), 90, np.uint8))

    assert (
        main(["harmonize-palette", str(tmp_path / "one.png"), "-o", str(tmp_path / "o.png")]) == 0
    )
    assert read(tmp_path / "o.png").shape == (1, 1, 3)


def test_doctor_says_all_is_well_and_names_nobody():
    told = limner("doctor").stdout

    assert "a square is coloured: as it should be" in told
    assert "opencv-python 5" in told or "opencv-python 4" in told
    assert str(Path.home()) not in told
    assert not any(line.split()[0] == getpass.getuser() for line in told.splitlines() if line)


@pytest.fixture
def pages(tmp_path):
    """Two pages of different sizes, and the folder that they are in."""
    for number, size in enumerate([(24, 30), (40, 20)]):
        page = np.empty((*size, 3), np.uint8)
        page[: size[0] // 2] = (190, 120 + 20 * number, 80)
        page[size[0] // 2 :] = (75, 110 - 15 * number, 150)
        cv2.imwrite(str(tmp_path / f"page-{number}.png"), page)
    return tmp_path


def test_a_set_goes_to_a_folder_and_its_swatches_come_back_as_links(pages):
    files = sorted(pages.glob("*.png"))
    limner("recolor", *files, "-o", pages / "out", "--swatches", pages / "swatches")
    made = sorted((pages / "out").iterdir())
    assert [path.name for path in made] == ["page-0.png", "page-1.png"]
    assert [read(path).shape for path in made] == [read(path).shape for path in files]

    links = [text for path in sorted((pages / "swatches").iterdir()) for text in ("--links", path)]
    limner("recolor", *files, *links, "-o", pages / "again")
    for path in made:
        apart = np.abs(read(path).astype(int) - read(pages / "again" / path.name))
        assert apart.max() <= 6


def test_the_palette_in_common_is_written_and_a_changed_one_taken(pages):
    files = sorted(pages.glob("*.png"))
    limner("recolor", *files, "-o", pages / "out", "--common", pages / "common.png")
    limner("recolor", *files, "-o", pages / "out", "--common", pages / "common.gpl")
    before, after = read(pages / "common.png")
    assert np.array_equal(before, after)
    assert len(palette_files.load(pages / "common.gpl").rgb) == len(before)

    blue = int(before[:, 2].argmax())
    changed = np.stack([before, after])
    changed[1, blue] = (90, 160, 90)
    cv2.imwrite(str(pages / "changed.png"), changed[..., ::-1])
    limner("recolor", *files, "--common-links", pages / "changed.png", "-o", pages / "green")
    for path in files:
        old, new = read(pages / "out" / path.name), read(pages / "green" / path.name)
        assert new[0, 0].argmax() == 1 and old[0, 0].argmax() == 2
        assert np.abs(new[-1].astype(int) - old[-1]).max() <= 4


@pytest.mark.parametrize("case", ["over an input", "same names", "mask of another size"])
def test_what_a_set_cannot_be_written_to_is_said_before_the_work(pages, capsys, case):
    first, second = sorted(pages.glob("*.png"))
    arguments = {
        "over an input": [first, second, "-o", pages],
        "same names": [first, first, "-o", pages / "out"],
        "mask of another size": [first, second, "--mask", first, "-o", pages / "out"],
    }[case]
    assert main(["recolor", *map(str, arguments)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert not (pages / "out").exists()
