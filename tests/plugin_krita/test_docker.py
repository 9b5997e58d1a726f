"""The docker in a real Krita: clicks go to its widgets, and pixels come from its layers."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.plugin_krita.conftest import Engine, Krita
from tests.plugin_krita.documents import (
    BLUE,
    GREEN,
    LINEAR,
    RED,
    SIZE,
    SRGB,
    add_scribbles,
    bgra,
    drawing,
    expected,
    in_depth,
    names,
    new_document,
    open_drawing,
    open_ink,
    open_large_drawing,
    plane,
    scribbles,
    undo,
)

pytestmark = [pytest.mark.editors, pytest.mark.timeout(900)]

RESULT = "Limner/Flat colours"


def test_the_result_is_the_command_lines_and_lies_under_the_lines(krita: Krita) -> None:
    open_drawing(krita)

    said = krita.run()

    assert krita.tree() == [
        ["Scribbles", "normal"],
        ["Background", "multiply"],
        ["Limner", "normal"],
        [RESULT, "normal"],
        [RESULT + "/Flats", "normal"],
    ]
    (wanted,) = expected(
        "flats", plane("line-art", drawing()), plane("scribbles", scribbles(RED, BLUE))
    )
    assert np.array_equal(bgra(krita.pixels(RESULT + "/Flats", SIZE)), wanted)
    assert {tuple(c) for c in wanted[wanted[..., 3] > 0]} == {(*RED, 255), (*BLUE, 255)}
    seen = bgra(krita.seen(SIZE))
    assert tuple(seen[60, 60]) == (*RED, 255)
    assert tuple(seen[5, 5]) == (255, 255, 255, 255)
    assert np.array_equal(bgra(krita.pixels("Background", SIZE)), drawing())
    assert krita.active_layer() == "Scribbles"
    assert "1 layer under “Background”" in said
    assert "multiplies" in said
    assert "4 times" in said


def test_the_first_undo_removes_the_result_and_redo_brings_it_back(krita: Krita) -> None:
    open_drawing(krita)
    before = krita.tree()
    krita.run()
    after, pixels = krita.tree(), krita.pixels(RESULT + "/Flats", SIZE)

    undo(krita)
    assert RESULT not in names(krita)
    undo(krita, 3)
    assert krita.tree() == before
    undo(krita, 4, "edit_redo")

    assert krita.tree() == after
    assert np.array_equal(krita.pixels(RESULT + "/Flats", SIZE), pixels)


def test_ink_on_nothing_keeps_its_blending_mode_and_needs_one_undo(krita: Krita) -> None:
    open_ink(krita)

    said = krita.run()

    order = ["Scribbles", "Ink", "Flat colours", "Flat colours/Flats", "Background"]
    assert krita.tree() == [[path, "normal"] for path in order], said
    assert said.endswith("Undo once to remove the result.")
    undo(krita)
    assert names(krita) == ["Scribbles", "Ink", "Background"]


def test_without_scribbles_every_area_gets_a_colour_of_its_own(krita: Krita) -> None:
    new_document(krita, SIZE, "RGBA", "U8", SRGB)
    krita.paint("Background", bgra(drawing()))

    krita.run()

    (wanted,) = expected("flats", plane("line-art", drawing()))
    assert np.array_equal(bgra(krita.pixels(RESULT + "/Flats", SIZE)), wanted)
    assert len({tuple(c) for c in wanted[wanted[..., 3] > 0]}) == 2


def test_harmonized_colours_lie_above_their_source(krita: Krita) -> None:
    new_document(krita, SIZE, "RGBA", "U8", SRGB)
    picture = scribbles(RED, BLUE)
    picture[..., 3] = 255
    picture[: SIZE // 2, :, :3] = GREEN
    krita.paint("Background", bgra(picture))
    krita.choose("limner_operation", "Harmonize palette")
    krita.set_value("limner_parameter_strength", 80)

    said = krita.run()

    assert krita.tree() == [
        ["Harmonize palette", "normal"],
        ["Harmonize palette/Harmonized", "normal"],
        ["Background", "normal"],
    ]
    (wanted,) = expected("harmonize-palette", plane("image", picture), strength=80.0)
    assert np.array_equal(bgra(krita.pixels("Harmonize palette/Harmonized", SIZE)), wanted)
    assert not np.array_equal(wanted, picture)
    assert np.array_equal(bgra(krita.pixels("Background", SIZE)), picture)
    assert "above “Background”" in said
    undo(krita)
    assert names(krita) == ["Background"]


def test_running_again_replaces_the_last_result(krita: Krita) -> None:
    open_drawing(krita)
    krita.run()
    krita.paint("Scribbles", bgra(scribbles(GREEN, BLUE)))

    krita.run()

    assert names(krita).count(RESULT) == 1
    found = bgra(krita.pixels(RESULT + "/Flats", SIZE))
    assert {tuple(c) for c in found[found[..., 3] > 0]} == {(*GREEN, 255), (*BLUE, 255)}
    undo(krita)
    assert RESULT not in names(krita)
    undo(krita)
    assert tuple(bgra(krita.pixels(RESULT + "/Flats", SIZE))[60, 60]) == (*RED, 255)


@pytest.mark.parametrize("edit", ["pixels", "name"])
def test_an_edited_result_stays(krita: Krita, edit: str) -> None:
    open_drawing(krita)
    krita.run()
    mine = RESULT + "/Flats"
    if edit == "pixels":
        pixels = krita.pixels(mine, SIZE).copy()
        pixels[0, 0] = (1, 2, 3, 255)
        krita.paint(mine, pixels)
    else:
        krita.rename(mine, "Mine")

    said = krita.run()

    assert names(krita).count(RESULT) == 2
    assert "You edited the last result" in said


def test_layers_by_colour_lie_in_one_group(krita: Krita) -> None:
    open_drawing(krita)
    krita.choose("limner_parameter_layers", "Per colour")

    krita.run()

    layers = [path for path in names(krita) if path.startswith(RESULT + "/")]
    wanted = expected(
        "flats",
        plane("line-art", drawing()),
        plane("scribbles", scribbles(RED, BLUE)),
        layers="per-colour",
    )
    assert len(layers) == len(wanted) == 2
    for path, pixels in zip(reversed(layers), wanted, strict=True):
        assert np.array_equal(bgra(krita.pixels(path, SIZE)), pixels)
    undo(krita)
    assert RESULT not in names(krita)


def test_figures_have_groups_and_closed_gaps_a_layer(krita: Krita) -> None:
    open_drawing(krita)
    lines = drawing()
    lines[SIZE // 2 : SIZE // 2 + 6, : SIZE // 3] = 255
    krita.paint("Background", bgra(lines))
    krita.choose("limner_parameter_layers", "Per figure")
    assert krita.click("limner_parameter_show-gaps")

    krita.run()

    found = [path.removeprefix(RESULT + "/") for path in names(krita)]
    assert {"Gaps", "Figure 1", "Figure 2"} <= set(found)
    assert found.index("Gaps") < min(found.index("Figure 1"), found.index("Figure 2"))
    gaps = bgra(krita.pixels(RESULT + "/Gaps", SIZE))
    assert {tuple(pixel) for pixel in gaps[gaps[..., 3] > 0]} == {(255, 0, 255, 255)}
    undo(krita)
    assert RESULT not in names(krita)


def test_cancel_leaves_the_picture_and_the_engine_as_they_were(krita: Krita) -> None:
    open_large_drawing(krita, number=1)
    before = krita.tree()

    assert krita.click("limner_run")
    krita.wait_until_at_work()
    assert not krita.click("limner_run")
    assert krita.click("limner_cancel")

    assert krita.finish() == "Cancelled. The picture is as it was."
    assert krita.tree() == before
    krita.wait(lambda state: "Ready" in state["engine"])
    open_drawing(krita)
    assert "Flat colours: 1 layer" in krita.run()


def test_a_killed_engine_is_told_and_the_next_run_recovers(krita: Krita, engine: Engine) -> None:
    open_large_drawing(krita, number=2)
    before = krita.tree()
    assert krita.click("limner_run")
    krita.wait_until_at_work()

    engine.end()

    said = krita.finish()
    assert said.startswith("The connection to the engine broke")
    assert "Run again" in said
    assert krita.tree() == before
    assert "Not available" in krita.state()["engine"]
    engine.start()
    open_drawing(krita)
    assert "Flat colours: 1 layer" in krita.run()
    assert "Ready" in krita.state()["engine"]


def test_a_killed_worker_is_told_and_the_next_run_recovers(krita: Krita, engine: Engine) -> None:
    open_large_drawing(krita, number=3)
    assert krita.click("limner_run")
    krita.wait_until_at_work()

    engine.kill_worker()

    assert "process that ran the job died" in krita.finish()
    open_drawing(krita)
    assert "Flat colours: 1 layer" in krita.run()


def test_the_docker_starts_the_engine_that_was_recorded(
    krita: Krita, engine: Engine, limner_home: Path
) -> None:
    open_drawing(krita)
    engine.end()
    said = krita.run()
    assert "was not found" in said
    assert "pipx install limner" in said
    # The program that the docker starts in the editors' folder asks for the engine outside it.
    wanted, program = limner_home / "wanted", limner_home / "limner"
    program.write_text(f"#!/bin/sh\necho $1 $LD_LIBRARY_PATH > {wanted}\nsleep 60\n")
    program.chmod(0o755)
    (limner_home / "command.json").write_text(json.dumps([str(program)]))

    assert krita.click("limner_run")
    krita.wait_until(wanted.exists)
    engine.start()

    assert "Flat colours: 1 layer" in krita.finish()
    assert wanted.read_text().split() == ["serve"]


@pytest.mark.parametrize(
    ("depth", "profile"), [("U16", LINEAR), ("F16", LINEAR), ("F32", LINEAR), ("U16", SRGB)]
)
def test_every_depth_travels_as_it_is(krita: Krita, depth: str, profile: str) -> None:
    new_document(krita, SIZE, "RGBA", depth, profile)
    lines, hints = (
        in_depth(pixels, depth, linear=profile == LINEAR)
        for pixels in (drawing(), scribbles(RED, BLUE))
    )
    order = bgra if depth.startswith("U") else np.asarray
    krita.paint("Background", order(lines))
    add_scribbles(krita, order(hints))

    krita.run()

    (wanted,) = expected(
        "flats",
        plane("line-art", lines, profile, depth.lower()),
        plane("scribbles", hints, profile, depth.lower()),
    )
    assert np.array_equal(order(krita.pixels(RESULT + "/Flats", SIZE)), wanted)


def test_a_grey_document_gets_a_colour_layer(krita: Krita) -> None:
    profile = "Gray-D50-elle-V2-srgbtrc.icc"
    new_document(krita, SIZE, "GRAYA", "U8", profile)
    lines = drawing()[..., [0, 3]]
    krita.paint("Background", lines)
    add_scribbles(krita, bgra(scribbles(RED, BLUE)))

    krita.run()

    (wanted,) = expected(
        "flats",
        plane("line-art", lines, profile),
        plane("scribbles", scribbles(RED, BLUE)),
    )
    assert np.array_equal(bgra(krita.pixels(RESULT + "/Flats", SIZE)), wanted)


def test_krita_converts_what_the_engine_does_not_read(krita: Krita) -> None:
    new_document(krita, SIZE, "CMYKA", "U8", "Chemical proof")
    ink = drawing()[..., 0] < 128
    lines = np.zeros((SIZE, SIZE, 5), np.uint8)
    lines[..., 4] = 255
    lines[ink, 3] = 255
    krita.paint("Background", lines)
    add_scribbles(krita, bgra(scribbles(RED, BLUE)))

    said = krita.run()

    assert "Krita converted “Background” to sRGB" in said
    found = bgra(krita.pixels(RESULT + "/Flats", SIZE))
    assert {tuple(c) for c in found[found[..., 3] > 0]} == {(*RED, 255), (*BLUE, 255)}


def test_a_selection_limits_the_result(krita: Krita) -> None:
    open_drawing(krita)
    krita.select(0, 0, SIZE // 2, SIZE)
    assert krita.value("limner_input_mask") in ("None", "Selection")

    krita.run()

    mask = np.zeros((SIZE, SIZE, 1), np.uint8)
    mask[:, : SIZE // 2] = 255
    (wanted,) = expected(
        "flats",
        plane("line-art", drawing()),
        plane("scribbles", scribbles(RED, BLUE)),
        plane("mask", mask, None),
    )
    assert np.array_equal(bgra(krita.pixels(RESULT + "/Flats", SIZE)), wanted)
    krita.choose("limner_input_mask", "None")
    krita.run()
    krita.deselect()
    assert tuple(bgra(krita.pixels(RESULT + "/Flats", SIZE))[60, -60]) == (*BLUE, 255)


def test_a_palette_of_kritas_gives_the_colours(krita: Krita) -> None:
    open_drawing(krita)
    krita.choose("limner_input_palette", "PixelArt 16")

    krita.run()

    found = bgra(krita.pixels(RESULT + "/Flats", SIZE))
    colours = {tuple(int(c) for c in colour) for colour in found[found[..., 3] > 0]}
    assert len(colours) == 2
    assert colours < {(*colour, 255) for colour in krita.palette("PixelArt 16")}
    assert not colours & {(*RED, 255), (*BLUE, 255)}


def test_the_job_belongs_to_its_document(krita: Krita) -> None:
    open_ink(krita)
    assert krita.click("limner_run")
    new_document(krita, SIZE, "RGBA", "U8", SRGB)
    other = krita.tree()
    assert krita.state()["notice"] == ""
    time.sleep(3)

    assert krita.tree() == other
    krita.show_document(0)

    assert "Flat colours: 1 layer" in krita.finish()
    assert "Flat colours/Flats" in names(krita)


def test_the_result_of_a_closed_document_is_dropped_with_a_word(krita: Krita) -> None:
    new_document(krita, SIZE, "RGBA", "U8", SRGB)
    krita.show_document(0)
    open_large_drawing(krita, number=4)
    assert krita.click("limner_run")

    krita.close()

    state = krita.wait(lambda state: "closed" in state["notice"])
    assert state["notice"] == (
        "The document was closed before the result was there. Open it and run again."
    )
    assert names(krita) == ["Background"]


def test_each_document_keeps_its_own_settings(krita: Krita) -> None:
    open_drawing(krita)
    krita.set_value("limner_parameter_gap", 7)
    open_drawing(krita)
    assert krita.value("limner_parameter_gap") == 0
    krita.show_document(0)
    krita.wait_until(lambda: krita.value("limner_parameter_gap") == 7)
    assert krita.click("limner_reset")
    assert krita.value("limner_parameter_gap") == 0


def test_settings_travel_with_the_file(krita: Krita) -> None:
    open_drawing(krita)
    krita.set_value("limner_parameter_gap", 7)
    krita.run()
    kept = json.loads(krita.annotation())
    assert kept["report"]["parameters"]["gap"] == 7
    file = str(krita.folder / "kept.kra")
    krita.save(file)
    krita.close()

    krita.open_document(file)

    krita.wait(lambda state: state["can_run"])
    krita.wait_until(lambda: krita.value("limner_parameter_gap") == 7)
    krita.wait_until(lambda: krita.value("limner_input_scribbles") == "Scribbles")
    krita.run()
    assert names(krita).count(RESULT) == 1


def test_bad_input_is_said_in_the_docker(krita: Krita) -> None:
    new_document(krita, SIZE, "RGBA", "U8", SRGB)
    krita.paint("Background", np.full((SIZE, SIZE, 4), 255, np.uint8))

    said = krita.run()

    assert said == (
        "The line art 'Background' has no lines in it. "
        "Choose the layer that holds the lines and run again."
    )
    assert names(krita) == ["Background"]


def test_run_is_a_krita_action_with_a_shortcut(krita: Krita) -> None:
    open_drawing(krita)
    krita.trigger("limner_run")
    krita.wait(lambda state: state["notice"].startswith("Flat colours: 1 layer"))
    assert krita.shortcut("limner_run") == "Ctrl+Alt+L"


@pytest.mark.parametrize("width", [260, 300, 420])
def test_the_docker_shows_all_its_texts(krita: Krita, width: int, shots: Path) -> None:
    open_drawing(krita)
    krita.show_docker(width)
    for title in ("Harmonize palette", "Flat colours"):
        krita.choose("limner_operation", title)
        krita.wait(lambda state: state["can_run"])
        assert krita.grab(str(krita.folder / "docker.png"))
        shutil.copy(krita.folder / "docker.png", shots / f"{title} {width}.png")
        assert krita.clipped() == []


def test_the_main_thread_is_never_held_up_for_long(
    krita: Krita, shots: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Measured and reported: a loaded machine says nothing about the docker."""
    size = 2048
    new_document(krita, size, "RGBA", "U8", SRGB)
    krita.add_layer("Ink", "paintlayer")
    krita.wait_until(lambda: krita.active_layer() == "Ink")
    lines, hints = drawing(size, paper=False), scribbles(RED, BLUE, size=size)
    krita.paint("Ink", bgra(lines))
    add_scribbles(krita, bgra(hints))
    krita.start_stopwatch()
    begun = time.perf_counter()

    said = krita.run()

    seconds = time.perf_counter() - begun
    held = krita.stop_stopwatch()
    begun = time.perf_counter()
    expected("flats", plane("line-art", lines), plane("scribbles", hints))
    alone = time.perf_counter() - begun
    krita.grab_window(str(krita.folder / "window.png"))
    shutil.copy(krita.folder / "window.png", shots / "window.png")
    words = f"click to layer {seconds:.2f} s, in-process {alone:.2f} s, {held}"
    record_testsuite_property("krita-2048", words)
    print(words)
    assert len(held["slices"]) > 1
    told = float(said.split(" s. ")[0].rsplit(" ", 1)[1])
    assert 0.7 * seconds < told < seconds + 0.1, said


def test_krita_quits_at_once_in_the_middle_of_a_job(krita: Krita) -> None:
    open_large_drawing(krita, number=5)
    assert krita.click("limner_run")
    krita.wait_until_at_work()
    begun = time.monotonic()

    status = krita.quit()

    assert status == 0
    assert time.monotonic() - begun < 20
