"""Palette strips in a real Krita: filled by a run, changed by the artist, obeyed by the next."""

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.job import Cache
from engine.run import run_operation
from ipc.planes import Plane
from tests.plugin_krita.conftest import Krita
from tests.plugin_krita.documents import (
    SIZE,
    SRGB,
    bgra,
    expected,
    names,
    new_document,
    plane,
    undo,
)

pytestmark = [pytest.mark.editors, pytest.mark.timeout(900)]

RESULT = "Harmonize palette/Harmonized"
COLOURS = ((190, 90, 60), (60, 100, 150), (120, 160, 80), (225, 205, 120), (110, 60, 110))
WIDE = "#1f9d8a"
GREEN = (31, 157, 138)


def picture(size: int = SIZE) -> np.ndarray:
    """Bands of colours, each a little uneven, RGBA; the first ones are wider."""
    edges = np.linspace(0, 1, len(COLOURS) + 1) ** 1.4 * size
    band = np.searchsorted(edges[1:-1], np.arange(size), "right")
    pixels = np.full((size, size, 4), 255, np.uint8)
    ramp = np.linspace(-18, 18, size)[:, None, None]
    pixels[..., :3] = np.rint(np.array(COLOURS)[band][None] + ramp).clip(0, 255)
    return pixels


def open_picture(krita: Krita, size: int = SIZE) -> None:
    new_document(krita, size, "RGBA", "U8", SRGB)
    krita.paint("Background", bgra(picture(size)))
    krita.show_docker(300)
    krita.choose("limner_operation", "Harmonize palette")


def result(krita: Krita) -> np.ndarray:
    return bgra(krita.pixels(RESULT, SIZE))


def from_engine(krita: Krita, **params: object) -> list[Plane]:
    """The engine's own answer to the picture with what the strip shows: picture and swatches."""
    source, links = krita.exact_swatches(), krita.links()
    data = np.zeros((2, len(source), 4), np.float32)
    data[0] = [(*rgb, 1) for rgb in source]
    for number, *rgb in links:
        data[1, number] = (*rgb, 1)
    given = [plane("image", picture())]
    if links:
        given.append(plane("links", data, None, "f32"))
    results, _ = run_operation(
        "harmonize-palette",
        params,
        given,
        (SIZE, SIZE),
        cache=Cache(0),
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
        outputs=("picture", "swatches"),
    )
    return results


def pixels_of(found: Plane) -> np.ndarray:
    return np.frombuffer(found.data, np.uint8).reshape(SIZE, SIZE, 4)


def looks(krita: Krita, shots: Path, name: str) -> None:
    krita.grab(str(krita.folder / "docker.png"))
    shutil.copy(krita.folder / "docker.png", shots / f"{name}.png")


def choose_colour(krita: Krita, number: int, code: str) -> None:
    krita.click_swatch(number, True)
    krita.try_colour(code)
    krita.end_colours(True)


def start_live(krita: Krita) -> None:
    assert krita.click("limner_live")
    krita.wait(lambda state: state["notice"].startswith("Live, "))


def previewed(krita: Krita) -> Any:
    file = krita.folder / "preview.png"
    return np.array(Image.open(file).convert("RGB")) if krita.preview(str(file)) else None


def first_colour(krita: Krita) -> int:
    """Number of the swatch that the first band is of."""
    codes = [np.array([*bytes.fromhex(code[1:])], int) for code in krita.swatches()[0]]
    return int(np.argmin([np.abs(code - COLOURS[0]).sum() for code in codes]))


def first_band(krita: Krita) -> np.ndarray:
    found = previewed(krita)
    return found[found.shape[0] // 2, found.shape[1] // 30].astype(int)


def test_a_run_shows_its_swatches(krita: Krita, shots: Path) -> None:
    open_picture(krita)
    assert krita.swatches() is None

    krita.run()

    wanted, swatches = from_engine(krita)
    assert np.array_equal(result(krita), pixels_of(wanted))
    source, target, marks = krita.swatches()
    metadata = swatches.attributes["metadata"]
    assert [source, target] == [metadata["source"], metadata["target"]]
    assert not any(marks)
    looks(krita, shots, "strip 300")
    krita.choose("limner_operation", "Select subject")
    assert krita.swatches() is None


def test_links_are_no_choice_of_layers(krita: Krita) -> None:
    open_picture(krita)
    assert "limner_input_links" not in krita.widgets()
    assert "limner_input_palette" in krita.widgets()


def test_what_the_artist_chooses_is_in_the_next_result(krita: Krita, shots: Path) -> None:
    open_picture(krita)
    krita.run()
    before = result(krita)

    choose_colour(krita, 1, WIDE)
    assert krita.swatches()[1][1] == WIDE
    assert krita.swatches()[2][1] == "chosen"
    krita.swatch_menu(2, "Lock")
    assert krita.swatches()[2][2] == "locked"
    wanted, swatches = from_engine(krita)
    krita.run()

    assert np.array_equal(result(krita), pixels_of(wanted))
    assert not np.array_equal(result(krita), before)
    source, target, marks = krita.swatches()
    assert target == swatches.attributes["metadata"]["target"]
    assert [bool(mark) for mark in marks] == [number in (1, 2) for number in range(len(source))]
    assert target[2] == source[2]
    looks(krita, shots, "strip edited 300")

    assert krita.click("limner_reset_swatches")
    assert not any(krita.swatches()[2])
    krita.run()
    assert np.array_equal(result(krita), before)


def test_a_swatch_dragged_onto_another_gives_its_colour(krita: Krita) -> None:
    open_picture(krita)
    krita.run()
    target = krita.swatches()[1]

    krita.drag_swatch(0, True, 1)

    assert krita.swatches()[1][:2] == [target[0], target[0]]
    assert krita.swatches()[2][:2] == [False, "chosen"]
    wanted, _ = from_engine(krita)
    krita.run()
    assert np.array_equal(result(krita), pixels_of(wanted))
    krita.drag_swatch(1, False, 1)
    assert krita.swatches()[2][1] == "locked"


def test_keys_and_menu_do_all_that_the_mouse_does(krita: Krita) -> None:
    open_picture(krita)
    krita.run()
    _, automatic, _ = krita.swatches()
    krita.click_swatch(0, False)

    krita.press("limner_swatches", "Key_Right")
    krita.press("limner_swatches", "Key_L")
    assert krita.swatches()[2][:2] == [False, "locked"]
    krita.press("limner_swatches", "Key_Delete")
    assert krita.swatches()[1:] == [automatic, [False] * len(automatic)]
    krita.paint_with(GREEN)
    krita.press("limner_swatches", "Key_F")
    assert krita.swatches()[1][1] == WIDE
    krita.press("limner_swatches", "Key_Space")
    krita.try_colour("#ff0000")
    assert krita.swatches()[1][1] == "#ff0000"
    krita.end_colours(False)
    assert krita.swatches()[1][1] == WIDE
    assert krita.click("limner_lock_swatches")
    assert krita.swatches()[2][1] == "locked"
    krita.swatch_menu(1, "Unlock")
    assert krita.swatches()[1] == automatic


def test_settings_that_the_palette_overrules_are_out_of_reach(krita: Krita) -> None:
    open_picture(krita)
    krita.run()
    method, colours = "limner_parameter_method", "limner_parameter_colors"
    assert krita.is_enabled(method) and krita.is_enabled(colours)

    krita.swatch_menu(0, "Lock")
    assert krita.is_enabled(method) and not krita.is_enabled(colours)
    krita.swatch_menu(0, "Unlock")
    krita.choose("limner_input_palette", krita.palettes()[0])
    assert krita.is_enabled(colours) and not krita.is_enabled(method)
    krita.choose("limner_operation", "Transfer colours")
    assert krita.is_enabled("limner_parameter_subjects")
    krita.select(0, 0, SIZE, SIZE // 2)
    krita.wait_until(lambda: not krita.is_enabled("limner_parameter_subjects"), 20)
    krita.choose("limner_input_mask", "None")
    assert krita.is_enabled("limner_parameter_subjects")


def test_edits_are_saved_with_the_document(krita: Krita) -> None:
    open_picture(krita)
    krita.run()
    choose_colour(krita, 0, WIDE)
    krita.run()
    kept = krita.swatches(), krita.links()
    file = str(krita.folder / "strip.kra")
    krita.save(file)
    krita.close()

    krita.open_document(file)
    krita.wait(lambda state: state["can_run"])
    krita.wait_until(lambda: krita.active_layer() == "Background", 20)

    assert (krita.swatches(), krita.links()) == kept


def test_another_picture_has_its_own_strip(krita: Krita) -> None:
    open_picture(krita)
    krita.run()
    choose_colour(krita, 0, WIDE)
    krita.add_layer("Other", "paintlayer")
    krita.wait_until(lambda: krita.active_layer() == "Other")
    krita.paint("Other", bgra(picture()[::-1, ::-1] // 2 + 127))
    krita.wait_until(lambda: krita.swatches() is None)

    said = krita.run()

    assert "stay with “Background”" in said
    assert not any(krita.swatches()[2])
    krita.activate("Background")
    krita.wait_until(lambda: (krita.swatches() or [[], [], [""]])[2][0] == "chosen")


def test_palettes_are_saved_where_krita_finds_them(krita: Krita) -> None:
    open_picture(krita)
    krita.run()
    source, target, _ = krita.swatches()

    file = Path(krita.save_palette(0, ""))
    said = krita.wait(lambda state: "is saved" in state["notice"])["notice"]
    assert "lists it at once, Krita itself from its next start on" in said
    lines = file.read_text().splitlines()
    assert lines[:2] == ["GIMP Palette", f"Name: {file.stem}"]
    assert [tuple(map(int, line.split()[:3])) for line in lines[4:]] == [
        tuple(bytes.fromhex(code[1:])) for code in target
    ]
    elsewhere = krita.folder / "before.gpl"
    krita.save_palette(1, str(elsewhere))
    krita.wait(lambda state: "“before” is saved" in state["notice"])
    assert [line.split()[3] for line in elsewhere.read_text().splitlines()[4:]] == source


def test_a_saved_palette_is_at_hand_at_once_and_krita_has_it_after_its_next_start(
    krita: Krita, running: list[Krita], shots: Path
) -> None:
    open_picture(krita)
    krita.run()
    krita.swatch_menu(1, "Lock")
    saved = krita.swatches()[1]
    name = Path(krita.save_palette(0, "next start.gpl")).stem
    krita.wait(lambda state: "is saved" in state["notice"])
    looks(krita, shots, "palette saved 300")
    krita.choose("limner_input_palette", name)
    krita.choose("limner_input_palette", "None")
    krita.close_all()

    running[0] = krita.again()

    assert ["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in running[0].palette(name)] == saved


def test_locks_of_a_palette_reach_the_engine_from_its_file_and_from_krita(
    krita: Krita, running: list[Krita]
) -> None:
    folder = krita.folder / "data/krita/palettes"
    rows = "".join(f"{r} {g} {b}\tmine [locked]\n" for r, g, b in (COLOURS[0], COLOURS[2]))
    (folder / "two.gpl").write_text(f"GIMP Palette\nName: Two\n#\n{rows}")
    free = plane("palette", np.array([COLOURS[::2][:2]], np.uint8), None)
    locked = replace(free, attributes={"locked": [True, True]})
    wanted, unlocked = (
        expected("harmonize-palette", plane("image", picture()), palette)[0]
        for palette in (locked, free)
    )
    assert not np.array_equal(wanted, unlocked)

    from_file = by_palette(krita, "Two")
    krita.close_all()
    running[0] = krita.again()

    assert "Two" in running[0].palettes()
    assert np.array_equal(from_file, wanted)
    assert np.array_equal(by_palette(running[0], "Two"), wanted)


def by_palette(krita: Krita, name: str) -> np.ndarray:
    """The picture in the colours of a palette."""
    open_picture(krita)
    krita.choose("limner_input_palette", name)
    krita.run()
    return result(krita)


def test_live_mode_follows_swatches_settings_and_palettes(krita: Krita, shots: Path) -> None:
    open_picture(krita)
    start_live(krita)
    before = krita.tree()
    assert krita.swatches() is not None
    shown, number = first_band(krita), first_colour(krita)

    krita.click_swatch(number, True)
    krita.try_colour(WIDE)
    krita.wait_until(lambda: first_band(krita)[1] > shown[1] + 20, 20)
    krita.end_colours(False)
    krita.wait_until(lambda: np.abs(first_band(krita) - shown).max() < 3, 20)
    choose_colour(krita, number, WIDE)
    krita.wait_until(lambda: first_band(krita)[1] > shown[1] + 20, 20)
    krita.wait(lambda state: state["notice"].startswith("Live, "))
    looks(krita, shots, "strip live 300")
    krita.hold("limner_preview", True)
    assert np.abs(first_band(krita) - picture()[SIZE // 2, SIZE // 30, :3]).max() < 6
    krita.hold("limner_preview", False)
    krita.set_value("limner_parameter_strength", 0)
    assert krita.tree() == before

    krita.click("limner_run")
    krita.finish()

    wanted, _ = from_engine(krita, strength=0.0)
    assert np.array_equal(result(krita), pixels_of(wanted))
    undo(krita)
    assert RESULT not in names(krita)


def test_an_edit_is_previewed_soon(
    krita: Krita, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Measured and reported: a loaded machine says nothing about the docker."""
    open_picture(krita, 2048)
    start_live(krita)
    krita.wait_until(krita.is_live_current, 20)
    dragged = [krita.seconds_to_preview(0, f"#{code:02x}70a0")[0] for code in range(20, 200, 10)]
    waits, held = [f"dragged {[round(1000 * seconds) for seconds in dragged]}"], []
    krita.wait_until(krita.is_live_current, 20)
    for code in ("#1f9d8a", "#8a1f9d", "#9d8a1f", "#1f2d9d"):
        krita.start_stopwatch()
        seconds, busy = krita.seconds_to_preview(0, code)
        krita.wait_until(krita.is_live_current, 20)
        assert seconds < 10, "the colour was never previewed"
        held.append({kind: times[:3] for kind, times in krita.stop_stopwatch().items()})
        waits.append(f"{1000 * seconds:.0f} ms ({1000 * busy:.0f} ms at once)")
    assert max(dragged) < 10, "a colour that was dragged was never previewed"
    words = f"edit to preview at 2048: {', '.join(waits)}; {held}"
    record_testsuite_property("krita-strip-2048", words)
    print(words)


@pytest.mark.parametrize("width", [260, 420])
def test_the_strip_fits_the_docker(krita: Krita, shots: Path, width: int) -> None:
    open_picture(krita)
    krita.run()
    krita.show_docker(width)
    krita.wait_until(krita.is_idle)
    looks(krita, shots, f"strip {width}")
    assert krita.clipped() == []
