"""The plug-in as a person uses it: menu, dialog, progress, Cancel and undo.

$LIMNER_SHOTS names a folder that keeps the pictures taken here.
"""

import contextlib
import os
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.demo import SAMPLES
from ipc.catalog import CATALOG
from tests.plugin_gimp.images import (
    SIZE,
    expected,
    ink,
    layer,
    lines,
    meadow,
    photograph,
    plane,
    same,
    scribbles,
    thing,
    with_ball,
)
from tests.plugin_gimp.rig import wait_until

pytestmark = pytest.mark.editors

U8 = {"precision": "U8_NON_LINEAR", "encoding": "R'G'B'A u8"}
WINDOW = (1390, 870)
CANCEL = (1120, 872)
"""Where GIMP's Cancel button lies in a window of that size."""
CORNER = (5, 895)
"""Where the pointer shows no tooltip and marks no menu entry."""
TRIES = 3
"""How often a menu is opened before it counts as lost."""
PAINT = 1.5
"""Seconds until GIMP has painted what it shows."""


@pytest.fixture
def screenshot(gui, screen_folder, tmp_path):
    """Takes a picture of the screen."""

    def take(name: str) -> None:
        time.sleep(PAINT)
        file = screen_folder / f"{name}.png"
        gui.shoot(file)
        assert cv2.imread(str(file)).shape[:2] == (900, 1400)
        kept = Path(os.environ.get("LIMNER_SHOTS", tmp_path))
        kept.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, kept / f"gimp-{name}.png")

    return take


def opened(gui, **given):
    """An image in a window that is in front; returns its id and the window's."""
    image = gui("make", show=True, **given)
    window = gui.window(".* – GIMP")
    gui.type("windowactivate", "--sync", window)
    gui.type("windowsize", "--sync", window, *WINDOW, "mousemove", *CORNER)
    return image, window


def front(gui, window):
    gui.type("windowactivate", "--sync", window)
    time.sleep(0.3)


def choose(gui, window, title):
    """Opens Filters ▸ Limner, the menu's last entry, at an operation; GIMP sorts them by title."""
    entry = sorted(operation.title for operation in CATALOG).index(title)
    front(gui, window)
    gui.type("key", "alt+r", "sleep", 0.5, "key", "End", "sleep", 0.3, "key", "Right", "sleep", 0.3)
    for _ in range(entry):
        gui.type("key", "Down", "sleep", 0.2)


def open_dialog(gui, window, title, look=lambda: None):
    """Chooses an operation in the menu; a busy screen loses a key now and then, so it tries anew.

    look: what is done while the menu shows.
    """

    def is_open():
        return gui.type("search", "--onlyvisible", "--name", f"^{title}$")

    for _ in range(TRIES):
        choose(gui, window, title)
        look()
        gui.type("key", "Return")
        with contextlib.suppress(AssertionError):
            wait_until(is_open, 30)
            return
        gui.type("key", "Escape", "key", "Escape", "key", "Escape")
    raise AssertionError(f"the menu does not open {title}")


def agree(gui, title):
    """Presses OK in a dialog."""
    gui.type("windowactivate", "--sync", gui.window(title), "key", "Return")


def press(gui, window, key):
    front(gui, window)
    gui.type("key", key)


def test_from_the_menu_to_a_layer_and_back(gui, screenshot):
    drawn = cv2.cvtColor(cv2.imread(str(SAMPLES / "fox-market.png"), -1), cv2.COLOR_GRAY2RGBA)
    hints = cv2.imread(str(SAMPLES / "fox-market-scribbles.png"), -1)
    hints = cv2.cvtColor(hints, cv2.COLOR_BGRA2RGBA)
    layers = [layer("Lines", drawn), layer("Scribbles", hints)]
    height, width = drawn.shape[:2]
    image, window = opened(gui, canvas=(width, height), layers=layers, **U8)
    icc = gui("effective_icc", image=image)
    before = gui("look", image=image)
    assert before["selected"] == ["Scribbles"], "as one has just drawn them"

    open_dialog(gui, window, "Flat colours", lambda: screenshot("menu"))
    screenshot("flats-dialog")
    agree(gui, "Flat colours")
    # Here and below, pixels are looked at once GIMP is done: it ends who reads what it changes.
    wait_until(lambda: gui("count", image=image) == 4)
    screenshot("flats")
    after = gui("look", image=image)
    assert [entry["name"] for entry in after["layers"]] == ["Scribbles", "Lines", "Flat colours"]
    assert after["layers"][1]["mode"] == "multiply"
    planes = [plane("line-art", layers[0], icc=icc), plane("scribbles", layers[1], icc=icc)]
    (result,) = expected("flats", planes, (width, height))
    assert same(after["layers"][2]["children"][0], result)

    press(gui, window, "ctrl+z")
    wait_until(lambda: gui("count", image=image) == 2)
    wait_until(lambda: gui("look", image=image) == before)
    press(gui, window, "ctrl+y")
    wait_until(lambda: gui("count", image=image) == 4)
    wait_until(lambda: gui("look", image=image)["layers"] == after["layers"])


@pytest.mark.usefixtures("painter")
def test_variants_of_a_painting_are_one_undo_step(gui, screenshot):
    layers = [
        layer("Lines", np.tile(ink(), (4, 4, 1))),
        layer("Scribbles", np.tile(scribbles(), (4, 4, 1))),
    ]
    image, window = opened(gui, canvas=(4 * SIZE, 4 * SIZE), layers=layers, **U8)
    before = gui("look", image=image)

    open_dialog(gui, window, "Paint")
    gui.type("windowactivate", "--sync", gui.window("Paint"))
    # Another seed by the button behind it, and one variant more by each Up.
    gui.type("key", "alt+d", "key", "Tab", "key", "space", "sleep", 0.3)
    gui.type("key", "alt+v", "key", "Up", "key", "Up")
    screenshot("paint-dialog")
    gui.type("key", "alt+o")
    wait_until(lambda: gui("count", image=image) == 15)
    screenshot("variants")
    after = gui("look", image=image)
    assert [entry["name"] for entry in after["layers"]] == ["Scribbles", "Lines", "Paint"]
    variants = after["layers"][2]["children"]
    assert [entry["name"] for entry in variants] == ["Paint 1", "Paint 2", "Paint 3"]
    assert "seed 0" not in variants[0]["children"][2]["name"]

    press(gui, window, "ctrl+z")
    wait_until(lambda: gui("count", image=image) == 2)
    wait_until(lambda: gui("look", image=image) == before)
    press(gui, window, "ctrl+y")
    wait_until(lambda: gui("count", image=image) == 15)
    wait_until(lambda: gui("look", image=image)["layers"] == after["layers"])


def test_one_undo_brings_a_grey_image_back(gui):
    given = layer("Lines", lines()[..., :1])
    image, window = opened(
        gui, canvas=(SIZE, SIZE), layers=[given], precision="U8_NON_LINEAR", encoding="Y' u8"
    )
    before = gui("look", image=image)
    assert gui("call", procedure="limner-flats", image=image, drawables=["Lines"])[0] == "success"
    assert gui("look", image=image)["base"] == "rgb"
    press(gui, window, "ctrl+z")
    wait_until(lambda: gui("look", image=image) == before)


def test_run_modes_and_one_undo_in_place(gui, screenshot):
    picture = layer("Photograph", photograph())
    image, window = opened(gui, canvas=(64, 48), layers=[picture], **U8)
    icc = gui("effective_icc", image=image)
    selected = layer("Selection", np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1)))
    gui("select", image=image, data=selected["data"])
    before = gui("look", image=image)
    run = {
        "procedure": "limner-harmonize-palette",
        "image": image,
        "drawables": ["Photograph"],
    }
    wanted = {"in-place": True, "strength": 60.0}
    gui.begin("call", mode="INTERACTIVE", arguments=wanted, **run)
    gui.window("Harmonize palette")
    screenshot("harmonize-dialog")
    agree(gui, "Harmonize palette")
    assert gui.end() == ("success", "")
    planes = [plane("image", picture, icc=icc), plane("mask", selected)]
    (result,) = expected("harmonize-palette", planes, (64, 48), strength=60.0)
    assert gui("look", image=image)["layers"][0]["data"] == bytes(result.data)
    press(gui, window, "ctrl+z")
    wait_until(lambda: gui("look", image=image) == before)

    assert gui("call", mode="WITH_LAST_VALS", **run) == ("success", "")
    assert gui("look", image=image)["layers"][0]["data"] == bytes(result.data)


def test_the_dialog_can_be_left(gui):
    image, _ = opened(gui, canvas=(SIZE, SIZE), layers=[layer("Lines", ink())], **U8)
    before = gui("look", image=image)
    gui.begin(
        "call", procedure="limner-flats", image=image, drawables=["Lines"], mode="INTERACTIVE"
    )
    dialog = gui.window("Flat colours")
    gui.type("windowactivate", "--sync", dialog, "key", "Escape")
    assert gui.end()[0] == "cancel"
    assert gui("look", image=image) == before


def test_an_error_is_said(gui, screenshot):
    empty = np.full((SIZE, SIZE, 4), 255, np.uint8)
    image, window = opened(gui, canvas=(SIZE, SIZE), layers=[layer("Lines", empty)], **U8)
    open_dialog(gui, window, "Flat colours")
    agree(gui, "Flat colours")
    said = gui.window("GIMP Message")
    screenshot("error")
    gui.type("windowactivate", "--sync", said, "key", "Return")
    assert not gui("look", image=image)["dirty"]


def long_job(gui):
    """A picture that keeps the engine busy for a few seconds, and how to run it."""
    big = np.tile(photograph(), (60, 45, 1))
    height, width = big.shape[:2]
    image, window = opened(gui, canvas=(width, height), layers=[layer("Photograph", big)], **U8)
    run = {"procedure": "limner-harmonize-palette", "image": image, "drawables": ["Photograph"]}
    return image, window, run


def test_cancel_ends_the_job(gui, engine, screenshot):
    image, _, run = long_job(gui)
    gui.begin("call", mode="INTERACTIVE", **run)
    agree(gui, "Harmonize palette")
    wait_until(engine.running_job)
    gui.type("mousemove", *CANCEL, "click", 1)
    assert gui.end()[0] == "cancel"
    wait_until(lambda: not engine.status()["jobs"])
    seen = gui("look", image=image)
    assert ([entry["name"] for entry in seen["layers"]], seen["dirty"]) == (["Photograph"], False)
    assert gui("call", **run) == ("success", "")


def test_a_layer_painted_on_meanwhile_is_not_overwritten(gui, engine):
    image, window, run = long_job(gui)
    gui.begin("call", arguments={"in-place": True}, **run)
    wait_until(engine.running_job)
    press(gui, window, "Delete")
    status, message = gui.end()
    assert status == "execution-error"
    assert "'Photograph' was changed" in message
    (cleared,) = gui("look", image=image)["layers"]
    assert not any(cleared["data"][3::4])


def test_a_layer_removed_meanwhile(gui, engine):
    image, window, _ = long_job(gui)
    open_dialog(gui, window, "Harmonize palette")
    agree(gui, "Harmonize palette")
    wait_until(engine.running_job)
    gui("remove", image=image, name="Photograph")
    gui.type("windowactivate", "--sync", gui.window("GIMP Message"), "key", "Return")
    assert gui("look", image=image)["layers"] == []


@pytest.mark.usefixtures("simple_networks")
def test_a_selected_subject_is_one_undo_step(gui, screenshot):
    given = layer("Picture", np.tile(with_ball(), (5, 5, 1)))
    image, window = opened(gui, canvas=(5 * SIZE, 5 * SIZE), layers=[given], **U8)
    before = gui("look", image=image)

    open_dialog(gui, window, "Select subject")
    screenshot("subject-dialog")
    agree(gui, "Select subject")
    wait_until(lambda: gui("look", image=image)["selection"])
    screenshot("subject")
    after = gui("look", image=image)

    press(gui, window, "ctrl+z")
    wait_until(lambda: gui("look", image=image) == before)
    press(gui, window, "ctrl+y")
    wait_until(lambda: gui("look", image=image)["selection"] == after["selection"])


def choose_place(gui, key):
    """Moves to the other place in the dialog's list, whose letter is e, and agrees."""
    gui.type("windowactivate", "--sync", gui.window("Select subject"))
    gui.type("key", "alt+e", "sleep", 0.5, "key", key, "sleep", 0.5, "key", "alt+o")


@pytest.mark.usefixtures("simple_networks")
def test_an_image_keeps_where_its_masks_go(gui):
    given = {"canvas": (SIZE, SIZE), "layers": [layer("Picture", with_ball())], **U8}
    run = {"procedure": "limner-select-subject", "drawables": ["Picture"]}
    image, window = opened(gui, **given)
    before = gui("look", image=image)
    gui.begin("call", image=image, mode="INTERACTIVE", **run)
    choose_place(gui, "Down")
    assert gui.end() == ("success", "")
    assert gui("look", image=image)["layers"][0]["mask"]
    press(gui, window, "ctrl+z")
    wait_until(lambda: gui("look", image=image)["layers"] == before["layers"])

    other, _ = opened(gui, **given)
    gui.begin("call", image=other, mode="INTERACTIVE", **run)
    choose_place(gui, "Up")
    assert gui.end() == ("success", "")
    assert gui("look", image=other)["selection"]

    assert gui("call", image=image, mode="WITH_LAST_VALS", **run) == ("success", "")
    seen = gui("look", image=image)
    assert (seen["layers"][0]["mask"], seen["selection"]) == (True, None)


@pytest.mark.usefixtures("simple_networks")
def test_a_pasted_layer_is_harmonized_with_one_click(gui, screenshot):
    layers = [layer("Meadow", meadow()), layer("Thing", thing())]
    image, window = opened(gui, canvas=(SIZE, SIZE), layers=layers, **U8)
    before = gui("look", image=image)
    assert before["selected"] == ["Thing"], "as one has just pasted it"

    open_dialog(gui, window, "Harmonize composite")
    screenshot("composite-dialog")
    agree(gui, "Harmonize composite")
    wait_until(lambda: gui("count", image=image) == 3)
    screenshot("composite")
    result = gui("look", image=image)["layers"][0]
    found = np.frombuffer(result["data"], np.uint8).reshape(SIZE, SIZE, 4)
    assert np.array_equal(found[thing()[..., 3] == 0], meadow()[thing()[..., 3] == 0])
    assert not np.array_equal(found, meadow())

    press(gui, window, "ctrl+z")
    wait_until(lambda: gui("count", image=image) == 2)
    wait_until(lambda: gui("look", image=image) == before)
