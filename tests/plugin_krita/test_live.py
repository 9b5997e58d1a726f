"""Live mode and previews in a real Krita: seen in the docker, and in the picture once applied."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.plugin_krita.conftest import Krita
from tests.plugin_krita.documents import (
    BLUE,
    GREEN,
    RED,
    SIZE,
    SRGB,
    add_scribbles,
    bgra,
    drawing,
    names,
    new_document,
    open_drawing,
    open_ink,
    scribbles,
    undo,
)

pytestmark = [pytest.mark.editors, pytest.mark.timeout(900)]

RESULT = "Limner/Flat colours"
MEASURED = 3.0
"""Seconds in which a stroke is followed, and more."""


def start_live(krita: Krita) -> None:
    """Shows the docker and turns live mode on."""
    krita.show_docker(300)
    assert krita.click("limner_live")
    wait_for_result(krita)


def wait_for_result(krita: Krita) -> str:
    return krita.wait(lambda state: state["notice"].startswith("Live, "))["notice"]


def previewed(krita: Krita) -> np.ndarray | None:
    """The docker's picture, H x W x 3; None where there is none."""
    file = krita.folder / "preview.png"
    return np.array(Image.open(file).convert("RGB")) if krita.preview(str(file)) else None


def at(picture: np.ndarray, x: float, y: float) -> tuple[int, ...]:
    """The colour at a place given as shares of width and height."""
    height, width = picture.shape[:2]
    return tuple(int(value) for value in picture[int(y * height), int(x * width)][:3])


def rooms(krita: Krita) -> list[tuple[int, ...]]:
    """The colours that the docker shows in both boxes."""
    picture = previewed(krita)
    return [] if picture is None else [at(picture, x, 0.3) for x in (0.25, 0.75)]


def test_each_stroke_is_followed_and_the_picture_is_left_alone(krita: Krita, shots: Path) -> None:
    open_drawing(krita)
    before = krita.tree()
    start_live(krita)

    assert rooms(krita) == [RED, BLUE]
    for colours in ((GREEN, BLUE), (GREEN, RED)):
        krita.paint("Scribbles", bgra(scribbles(*colours)))
        krita.wait_until(lambda wanted=list(colours): rooms(krita) == wanted, 20)
    wait_for_result(krita)
    assert krita.tree() == before
    krita.grab(str(krita.folder / "docker.png"))
    shutil.copy(krita.folder / "docker.png", shots / "live 300.png")

    krita.click("limner_run")
    said = krita.finish()

    assert "Flat colours: 1 layer under “Background”" in said
    flats = bgra(krita.pixels(RESULT + "/Flats", SIZE))
    assert [at(flats, x, 0.3) for x in (0.25, 0.75)] == [GREEN, RED]
    seen = bgra(krita.seen(SIZE))
    shown = previewed(krita)
    apart = np.abs(
        shown.astype(int)
        - np.array(Image.fromarray(seen).convert("RGB").resize(shown.shape[1::-1])).astype(int)
    ).max(axis=2)
    assert (apart > 8).mean() < 0.06
    undo(krita)
    assert RESULT not in names(krita)


def test_only_the_last_of_many_strokes_counts(krita: Krita) -> None:
    open_drawing(krita)
    start_live(krita)

    for colours in ((GREEN, GREEN), (BLUE, RED), (RED, RED), (BLUE, GREEN)):
        krita.paint("Scribbles", bgra(scribbles(*colours)))
        time.sleep(0.1)

    krita.wait_until(lambda: rooms(krita) == [BLUE, GREEN], 20)
    assert wait_for_result(krita)


def test_a_choice_of_layers_is_followed_too(krita: Krita) -> None:
    open_drawing(krita)
    start_live(krita)

    krita.choose("limner_input_scribbles", "None")

    krita.wait_until(lambda: not {RED, BLUE} & set(rooms(krita)), 20)
    assert (255, 255, 255) not in rooms(krita)


def test_an_applied_layer_is_never_overwritten(krita: Krita) -> None:
    open_drawing(krita)
    start_live(krita)
    krita.click("limner_run")
    krita.finish()
    applied = krita.pixels(RESULT + "/Flats", SIZE)

    krita.paint("Scribbles", bgra(scribbles(GREEN, BLUE)))

    krita.wait_until(lambda: rooms(krita) == [GREEN, BLUE], 20)
    assert np.array_equal(krita.pixels(RESULT + "/Flats", SIZE), applied)


def test_what_was_applied_and_undone_can_be_applied_again(krita: Krita) -> None:
    open_drawing(krita)
    start_live(krita)
    for _ in range(2):
        krita.click("limner_run")
        assert "Flat colours: 1 layer" in krita.finish()
        assert RESULT in names(krita)
        undo(krita)
        assert RESULT not in names(krita)


def test_a_selection_is_followed_too(krita: Krita) -> None:
    open_drawing(krita)
    start_live(krita)

    krita.select(0, 0, SIZE // 2, SIZE)

    krita.wait_until(lambda: rooms(krita) == [RED, (255, 255, 255)], 20)


def test_lines_are_followed_too(krita: Krita) -> None:
    open_drawing(krita)
    krita.paint("Scribbles", bgra(scribbles(RED)))
    start_live(krita)
    assert rooms(krita) == [RED, (255, 255, 255)]

    joined = drawing()
    joined[SIZE // 2 - 20 : SIZE // 2 + 20, SIZE // 4 : -SIZE // 4] = 255
    joined[[SIZE // 2 - 20, SIZE // 2 + 20], SIZE // 4 : -SIZE // 4, :3] = 0
    krita.paint("Background", bgra(joined))

    krita.wait_until(lambda: at(previewed(krita), 0.5, 0.5) == RED, 20)


def test_turned_off_it_follows_no_more(krita: Krita) -> None:
    open_drawing(krita)
    start_live(krita)
    assert krita.click("limner_live")
    assert previewed(krita) is None
    before = krita.tree()

    krita.paint("Scribbles", bgra(scribbles(GREEN, BLUE)))
    time.sleep(1.0)

    assert previewed(krita) is None
    assert "Flat colours" in krita.run()
    assert krita.tree() != before


def test_operations_that_follow_nothing_have_no_live_mode(krita: Krita) -> None:
    open_drawing(krita)
    start_live(krita)
    krita.choose("limner_operation", "Select subject")
    assert not krita.is_shown("limner_live")
    assert previewed(krita) is None
    krita.choose("limner_operation", "Harmonize palette")
    assert krita.is_shown("limner_live")
    assert not krita.value("limner_live")
    assert "Harmonize palette" in krita.run()


def test_what_is_applied_is_what_the_docker_asks_for(krita: Krita) -> None:
    open_drawing(krita)
    start_live(krita)
    krita.choose("limner_parameter_layers", "Per colour")

    krita.click("limner_run")
    said = krita.finish()

    assert "Flat colours: 2 layers" in said
    krita.paint("Scribbles", bgra(scribbles(GREEN, BLUE)))
    wait_for_result(krita)


def test_what_is_wrong_is_said_and_the_next_stroke_is_followed(krita: Krita) -> None:
    open_drawing(krita)
    start_live(krita)

    krita.paint("Background", np.full((SIZE, SIZE, 4), 255, np.uint8))
    krita.paint("Scribbles", bgra(scribbles(GREEN, BLUE)))
    krita.wait(lambda state: "has no lines in it" in state["notice"])

    krita.paint("Background", bgra(drawing()))
    krita.paint("Scribbles", bgra(scribbles(GREEN, RED)))
    krita.wait_until(lambda: rooms(krita) == [GREEN, RED], 20)


def test_a_document_closed_meanwhile_ends_it(krita: Krita) -> None:
    open_drawing(krita)
    start_live(krita)
    krita.close()

    open_drawing(krita)

    assert krita.value("limner_live") is False
    assert "Flat colours" in krita.run()


@pytest.mark.usefixtures("painter")
def test_a_painting_is_previewed_while_it_is_made(krita: Krita, shots: Path) -> None:
    open_ink(krita)
    krita.show_docker(300)
    krita.choose("limner_operation", "Paint")
    krita.set_value("limner_parameter_steps", 50)

    assert krita.click("limner_run")
    krita.wait_until(lambda: previewed(krita) is not None, 30)
    krita.grab(str(krita.folder / "docker.png"))
    shutil.copy(krita.folder / "docker.png", shots / "preview 300.png")
    krita.finish()

    assert previewed(krita) is None
    assert "Paint" in names(krita)


def test_light_lines_on_dark_paper_are_screened(krita: Krita) -> None:
    new_document(krita, SIZE, "RGBA", "U8", SRGB)
    negative = drawing()
    negative[..., :3] = 255 - negative[..., :3]
    krita.paint("Background", bgra(negative))
    add_scribbles(krita, bgra(scribbles(RED, BLUE)))

    said = krita.run()

    assert "“Background” is set to Screen now" in said
    assert ["Background", "screen"] in krita.tree()
    seen = bgra(krita.seen(SIZE))
    assert tuple(seen[60, 60]) == (*RED, 255)


def test_the_main_thread_is_not_held_up_by_following(
    krita: Krita, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Measured and reported: a loaded machine says nothing about the docker.

    Krita is left alone meanwhile, since each look at it from here would count.
    """
    size = 2048
    new_document(krita, size, "RGBA", "U8", SRGB)
    krita.add_layer("Ink", "paintlayer")
    krita.wait_until(lambda: krita.active_layer() == "Ink")
    krita.paint("Ink", bgra(drawing(size, paper=False)))
    add_scribbles(krita, bgra(scribbles(RED, BLUE, size=size)))
    start_live(krita)
    waits, held = [], []
    for colours in ((GREEN, RED), (BLUE, RED)):
        krita.paint("Scribbles", bgra(scribbles(*colours, size=size)))
        krita.start_stopwatch()
        time.sleep(MEASURED)
        held.append(krita.stop_stopwatch())
        krita.wait_until(lambda wanted=list(colours): rooms(krita) == wanted, 20)
        waits.append(wait_for_result(krita))
    assert krita.click("limner_live")
    krita.paint("Scribbles", bgra(scribbles(RED, GREEN, size=size)))
    krita.start_stopwatch()
    time.sleep(MEASURED)
    without = krita.stop_stopwatch()["gaps"]
    words = f"{', '.join(waits)}, {held}; gaps without live mode {without}"
    record_testsuite_property("krita-live-2048", words)
    print(words)
    assert all(len(times["slices"]) > 1 for times in held)
