"""How a run ends: bad input and failures are said, with a next step, and nothing has changed."""

import json
import os
import signal

import numpy as np
import pytest

from tests.plugin_gimp.images import SIZE, expected, ink, layer, photograph, plane, scribbles
from tests.plugin_gimp.rig import wait_until

pytestmark = pytest.mark.editors

CANVAS = (SIZE, SIZE)
U8 = {"precision": "U8_NON_LINEAR", "encoding": "R'G'B'A u8"}
FLATS, HARMONIZE = "limner-flats", "limner-harmonize-palette"


def drawing(console):
    layers = [layer("Lines", ink()), layer("Scribbles", scribbles())]
    return console("make", canvas=CANVAS, layers=layers, **U8)


def fails(console, image, words, procedure=FLATS, drawables=("Lines",), **arguments):
    """Runs the procedure; it has to refuse, to say why, and to leave everything as it was."""
    before = console("look", image=image)
    status, message = console(
        "call", procedure=procedure, image=image, drawables=list(drawables), arguments=arguments
    )
    assert status == "calling-error"
    assert words in message
    assert message.count(".") >= 2, "a sentence and a next step"
    assert console("look", image=image) == before
    assert not before["dirty"]


@pytest.mark.parametrize("drawables", [(), ("Lines", "Scribbles")])
def test_it_works_on_one_layer(console, drawables):
    fails(console, drawing(console), "works on one layer", drawables=drawables)


def test_a_layer_cannot_be_two_inputs(console):
    fails(console, drawing(console), "both 'line-art' and 'scribbles'", scribbles="Lines")


def test_empty_line_art(console):
    empty = layer("Lines", np.zeros((SIZE, SIZE, 4), np.uint8))
    image = console("make", canvas=CANVAS, layers=[empty], **U8)
    fails(console, image, "no lines")


def test_nothing_but_ink(console):
    black = np.zeros((SIZE, SIZE, 4), np.uint8)
    black[..., 3] = 255
    image = console("make", canvas=CANVAS, layers=[layer("Lines", black)], **U8)
    fails(console, image, "The line art 'Lines'")


def test_a_layer_outside_the_canvas(console):
    away = layer("Lines", ink(), x=SIZE + 10)
    image = console("make", canvas=CANVAS, layers=[away], **U8)
    fails(console, image, "no pixels on the canvas")


def test_a_selection_outside_the_layer(console):
    small = layer("Lines", ink()[:20, :20])
    image = console("make", canvas=CANVAS, layers=[small], **U8)
    corner = np.zeros(CANVAS, np.uint8)
    corner[-10:, -10:] = 255
    console("select", image=image, data=corner.tobytes())
    fails(console, image, "selection lies outside")


def test_a_group_cannot_be_changed_in_place(console):
    image = console("make", canvas=CANVAS, layers=[layer("Lines", ink(), group="Inks")], **U8)
    in_place = {"in-place": True}
    fails(console, image, "is a group", procedure=HARMONIZE, drawables=["Inks"], **in_place)


def test_a_locked_layer_cannot_be_changed_in_place(console):
    image = drawing(console)
    console("lock", image=image, name="Lines")
    fails(console, image, "is locked", procedure=HARMONIZE, **{"in-place": True})


def test_a_single_pixel(console):
    image = console("make", canvas=(1, 1), layers=[layer("Lines", ink()[:1, :1])], **U8)
    fails(console, image, "no lines")
    ended = console("call", procedure=HARMONIZE, image=image, drawables=["Lines"])
    assert ended == ("success", "")


def test_numbers_that_are_none(console):
    broken = (photograph() / np.float32(255)).astype(np.float32)
    broken[20, 20, 0], broken[21, 21, 1], broken[22, 22, 2] = np.nan, np.inf, -np.inf
    given = layer("Photograph", broken)
    image = console(
        "make",
        canvas=(64, 48),
        precision="FLOAT_NON_LINEAR",
        encoding="R'G'B'A float",
        layers=[given],
    )
    icc = console("effective_icc", image=image)
    ended = console("call", procedure=HARMONIZE, image=image, drawables=["Photograph"])
    assert ended == ("success", "")
    (result,) = expected(
        "harmonize-palette", [plane("image", given, depth="f32", icc=icc)], (64, 48)
    )
    assert console("look", image=image)["layers"][0]["data"] == bytes(result.data)


def long_job(console):
    """Begins a run that takes a few seconds."""
    big = np.tile(photograph(), (60, 45, 1))
    height, width = big.shape[:2]
    image = console("make", canvas=(width, height), layers=[layer("Photograph", big)], **U8)
    console.begin("call", procedure=HARMONIZE, image=image, drawables=["Photograph"])
    return image


@pytest.mark.parametrize("process", ["engine", "worker"])
def test_a_crash_is_said_and_the_next_run_works(console, engine, process):
    image = long_job(console)
    wait_until(engine.running_job)
    if process == "engine":
        engine.kill()
    else:
        os.kill(engine.status()["worker"]["pid"], signal.SIGKILL)
    status, message = console.end()
    assert status == "execution-error"
    assert message.count(".") >= 2
    seen = console("look", image=image)
    assert (len(seen["layers"]), seen["dirty"]) == (1, False)
    console("forget", image=image)
    engine.start()
    image = drawing(console)
    ended = console("call", procedure=HARMONIZE, image=image, drawables=["Scribbles"])
    assert ended == ("success", "")


def test_the_engine_is_started(console, engine):
    image = drawing(console)
    engine.stop()
    wish = engine.home / "wish"
    # No engine can run inside the editors' folder: the command asks for one outside.
    starter = engine.home / "starter"
    starter.write_text(f"#!/bin/sh\ntouch '{wish}'\n")
    starter.chmod(0o755)
    (engine.home / "command.json").write_text(json.dumps([str(starter)]))
    console.begin("call", procedure=HARMONIZE, image=image, drawables=["Scribbles"])
    wait_until(wish.exists)
    engine.start()
    assert console.end() == ("success", "")


def test_an_engine_that_is_not_installed(console, engine):
    image = drawing(console)
    engine.stop()
    (engine.home / "command.json").unlink(missing_ok=True)
    status, message = console("call", procedure=FLATS, image=image, drawables=["Lines"])
    assert status == "execution-error"
    assert "pipx install limner" in message
    assert not console("look", image=image)["dirty"]
