"""An operation on a set of pictures: on all layers that are selected, as one step."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from engine.job import Cache
from engine.run import run_operation
from tests import drawings
from tests.plugin_gimp.images import expected, layer, plane, same
from tests.plugin_gimp.rig import wait_until
from tests.plugin_gimp.test_endings import fails
from tests.plugin_gimp.test_palettes import choose_colour, find, keep, known, links
from tests.plugin_gimp.test_screen import (
    CANCEL,
    agree,
    choose,
    open_dialog,
    opened,
    press,
    screenshot,
)

pytestmark = pytest.mark.editors

__all__ = ["find", "screenshot"]

CANVAS = (360, 240)
U8 = {"precision": "U8_NON_LINEAR", "encoding": "R'G'B'A u8"}
RECOLOR, TITLE = "limner-recolor", "Recolor set"
NAMES = ["Evening", "Noon", "Morning"]
"""The layers from top to bottom."""
SUCCESS = ("success", "")


LIGHTS = {
    "Evening": ((90, 100, 200), (160, 110, 60)),
    "Noon": ((80, 150, 210), (150, 130, 60)),
    "Morning": ((110, 120, 190), (140, 80, 60)),
}
"""Sky and ground of each."""


def picture(name, width, height):
    """A view with some structure, the sky transparent in a corner."""
    y, x = np.mgrid[:height, :width]
    rgb = np.where((y < height * (0.4 + 0.1 * x / width))[..., None], *LIGHTS[name])
    rgb = rgb + ((x * 7 + y * 3) % 24)[..., None] - 12
    alpha = np.full((height, width, 1), 255)
    alpha[: height // 4, : width // 5] = 0
    return np.concatenate([rgb, alpha], axis=-1).astype(np.uint8)


def pictures(scale=1):
    """Three of different size and content, bottom first; one reaches over the canvas."""
    return [
        layer("Morning", picture("Morning", 160 * scale, 100 * scale), x=-20, y=10),
        layer("Noon", picture("Noon", 150 * scale, 120 * scale), x=190, y=80, group="Day"),
        layer("Evening", picture("Evening", 110 * scale, 140 * scale), x=60, y=30),
    ]


def given(gimp, **more):
    """An image of the three, and their planes from top to bottom."""
    layers = pictures()
    image = gimp("make", canvas=CANVAS, layers=layers, **{**U8, **more})
    return image, sent(gimp, image, layers)


def sent(gimp, image, layers):
    icc = gimp("effective_icc", image=image)
    return [plane("image", each, icc=icc) for each in reversed(layers)]


@pytest.fixture
def run(console):
    """Recolors the layers that are named and checks that it went well."""

    def call(image, *names, **arguments):
        ended = console(
            "call", procedure=RECOLOR, image=image, drawables=names, arguments=arguments
        )
        assert ended == SUCCESS
        return console("look", image=image)

    return call


def places(seen):
    """The names from top to bottom, those of a group in a list."""
    return [
        [child["name"] for child in entry["children"]] if entry["children"] else entry["name"]
        for entry in seen["layers"]
    ]


def flat(seen):
    """All layers that hold pixels, by name."""
    found = {}
    for entry in seen["layers"]:
        found.update({inner["name"]: inner for inner in entry["children"] or [entry]})
    return found


def test_each_result_goes_above_its_own_layer(console, run):
    image, planes = given(console)
    before = flat(console("look", image=image))

    seen = run(image, "Noon", "Morning", "Evening")

    assert places(seen) == [
        "Evening recolored",
        "Evening",
        ["Noon recolored", "Noon"],
        "Morning recolored",
        "Morning",
    ]
    found, results = flat(seen), expected("recolor", planes, CANVAS)
    assert len(results) == 3
    for name, source, result in zip(NAMES, planes, results, strict=True):
        assert bytes(result.data) != source.data, "there is something to see"
        assert same(found[f"{name} recolored"], result)
        assert found[name] == before[name]


def test_in_place_each_layer_is_changed(console, run):
    image, planes = given(console)
    seen = run(image, *NAMES, **{"in-place": True})
    assert places(seen) == ["Evening", ["Noon"], "Morning"]
    found, results = flat(seen), expected("recolor", planes, CANVAS)
    for name, source, result in zip(NAMES, planes, results, strict=True):
        assert bytes(result.data) != source.data
        assert found[name]["data"] == bytes(result.data)
        assert (found[name]["x"], found[name]["y"]) == (source.x, source.y)


@pytest.mark.parametrize("in_place", [False, True])
def test_the_selection_is_one_mask_over_all(console, run, in_place):
    image, planes = given(console)
    soft = np.clip(np.arange(CANVAS[0]) * 3 - 100, 0, 255).astype(np.uint8)
    soft[250:] = 40
    selected = layer("Selection", np.tile(soft, (CANVAS[1], 1)))
    console("select", image=image, data=selected["data"])

    seen = run(image, *NAMES, **{"in-place": in_place})

    found, results = flat(seen), expected("recolor", [*planes, plane("mask", selected)], CANVAS)
    for name, result in zip(NAMES, results, strict=True):
        assert found[name if in_place else f"{name} recolored"]["data"] == bytes(result.data)
    morning = np.frombuffer(bytes(results[2].data), np.uint8).reshape(100, 160, 4)
    original = np.frombuffer(planes[2].data, np.uint8).reshape(100, 160, 4)
    assert np.array_equal(morning[:, :50], original[:, :50]), "outside, 33 pixels and 20 more"
    assert not np.array_equal(morning, original)
    assert seen["selection"] == selected["data"]
    assert seen["channels"] == 0


def test_a_palette_and_settings_reach_the_engine(console, run):
    image, planes = given(console)
    colours = np.array([[[200, 40, 60], [30, 90, 200]]], np.uint8)
    name = console("palette", name="Set", colours=colours[0].tolist())
    seen = run(image, *NAMES, palette=name, strength=70.0, **{"keep-names": False})
    given_colours = layer(name, (colours / np.float32(255)).astype(np.float32))
    results = expected(
        "recolor",
        [*planes, plane("palette", given_colours, depth="f32")],
        CANVAS,
        strength=70.0,
        **{"keep-names": False},
    )
    for wanted, result in zip(NAMES, results, strict=True):
        assert same(flat(seen)[f"{wanted} recolored"], result)


def test_one_layer_is_recolored_and_a_note_says_that_it_is_alone(console, run):
    image, planes = given(console)
    seen = run(image, "Noon")
    (result,) = expected("recolor", planes[1:2], CANVAS)
    assert same(flat(seen)["Noon recolored"], result)
    assert len(flat(seen)) == 4
    assert result.attributes["metadata"]["note"] in console.log()


def test_a_note_about_some_says_which(console, run):
    layers = pictures()
    grey = np.full((40, 50, 4), 255, np.uint8)
    grey[..., :3] = np.linspace(0, 255, 50, dtype=np.uint8)[None, :, None]
    layers.append(layer("Grey", grey))
    image = console("make", canvas=CANVAS, layers=layers, **U8)
    planes = sent(console, image, layers)
    seen = run(image, *NAMES, "Grey")
    results = expected("recolor", planes, CANVAS)
    note = results[0].attributes["metadata"]["note"]
    assert f"Grey: {note}" in console.log()
    assert same(flat(seen)["Grey recolored"], results[0])


def test_results_of_a_set_are_a_set_again(console, run):
    image, _ = given(console)
    run(image, *NAMES)
    seen = run(image, "Evening recolored", "Evening", "Noon recolored", harmonize=True)
    assert places(seen)[:4] == [
        "Evening recolored recolored",
        "Evening recolored",
        "Evening recolored #1",
        "Evening",
    ]
    again = run(image, *NAMES, strength=50.0)
    assert places(again)[-3:] == ["Morning recolored #1", "Morning recolored", "Morning"]


@pytest.mark.parametrize("in_place", [False, True])
def test_a_grey_image_becomes_rgb_where_colour_comes_in(console, run, in_place):
    small = drawings.photograph(60, 40)[..., 0]
    pair = [layer("One", small), layer("Two", 255 - small[:30, :50], x=4)]
    grey = {"precision": "U8_NON_LINEAR", "encoding": "Y' u8"}
    image = console("make", canvas=(60, 40), layers=pair, **grey)
    planes = sent(console, image, pair)
    colours = np.array([[[200, 40, 60], [30, 90, 200]]], np.uint8)
    name = console("palette", name="Two", colours=colours[0].tolist())
    seen = run(image, "One", "Two", palette=name, **{"in-place": in_place})
    given_colours = layer(name, (colours / np.float32(255)).astype(np.float32))
    results = expected("recolor", [*planes, plane("palette", given_colours, depth="f32")], (60, 40))
    assert seen["base"] == ("rgb" if results[0].channels > 2 else "gray")
    for wanted, result in zip(("Two", "One"), results, strict=True):
        assert flat(seen)[wanted if in_place else f"{wanted} recolored"]["data"] == bytes(
            result.data
        )


def test_what_cannot_be_worked_on_is_said(console):
    image, _ = given(console)
    fails(console, image, "works on layers, and 0 are", procedure=RECOLOR, drawables=[])
    corner = np.zeros(CANVAS[::-1], np.uint8)
    corner[-2:, :2] = 255
    console("select", image=image, data=corner.tobytes())
    fails(console, image, "outside the layers", procedure=RECOLOR, drawables=NAMES)
    console("lock", image=image, name="Noon")
    words = "The layer 'Noon' is locked"
    fails(console, image, words, procedure=RECOLOR, drawables=NAMES, **{"in-place": True})


def palettes(planes):
    """What the engine says of the palette in common, and of those of the pictures."""
    found, _ = run_operation(
        "recolor",
        {},
        planes,
        CANVAS,
        cache=Cache(0),
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
        outputs=["common", "swatches"],
    )
    common, *each = map(known, found)
    return common, each


def common_links(pairs):
    """Links of the palette in common as the engine takes them; see `links`."""
    return replace(links(pairs), role="common-links")


def words(pairs):
    return ", ".join(f"{source}>{target}" if target else source for source, target in pairs)


def test_a_script_gives_links_of_the_palette_in_common_and_of_some_pictures(console, run):
    image, planes = given(console)
    common, each = palettes(planes)
    shared = [(common["source"][0], "#a040c0"), *((code, None) for code in common["source"][1:])]
    noon = [(code, code) for code in each[1]["source"]]
    text = {"common-links": words(shared), "links": f"; {words(noon)};"}
    seen = run(image, *NAMES, **text)
    nothing = np.zeros((2, 1, 4), np.float32)
    free = replace(links([("#000000", None)]), width=1, data=nothing.tobytes())
    results = expected("recolor", [*planes, common_links(shared), free, links(noon), free], CANVAS)
    for name, result in zip(NAMES, results, strict=True):
        assert same(flat(seen)[f"{name} recolored"], result)


def test_links_of_another_number_of_pictures_are_refused(console):
    image, _ = given(console)
    said = "The links are of 2 pictures, and 3 are selected."
    fails(console, image, said, procedure=RECOLOR, drawables=NAMES, links="#a0a0a0; #b0b0b0")


def test_the_dialog_shows_and_changes_the_palettes_of_a_set(gui, find, screenshot):
    image, _ = opened(gui, canvas=CANVAS, layers=pictures(), **U8)
    planes = sent(gui, image, pictures())
    common, _ = palettes(planes)
    dialog = {"procedure": RECOLOR, "image": image, "drawables": NAMES, "mode": "INTERACTIVE"}
    gui.begin("call", **dialog)
    window = gui.window(TITLE)
    codes = common["source"]
    for code in codes:
        find(code, code)
    screenshot("set-palette")

    exact = common["exact"]
    shared = [(exact[0], "#a040c0"), *((rgb, None) for rgb in exact[1:])]
    becomes = palettes([*planes, common_links(shared)])[0]["target"]
    choose_colour(gui, find(codes[0], codes[0]), "#a040c0")
    find(codes[0], becomes[0])
    gui.type("sleep", 1)
    screenshot("set-palette-changed")

    # The next palette in the list is that of the uppermost picture.
    gui.type("windowactivate", "--sync", window, "key", "alt+b")
    gui.type("key", "shift+Tab", "key", "shift+Tab", "key", "Down")
    evening = palettes([*planes, common_links(shared)])[1][0]
    source, target = evening["source"], evening["target"]
    keep(gui, find(source[0], target[0]))
    find(source[0], source[0])
    gui.type("sleep", 1)
    screenshot("set-palette-picture")
    gui.type("windowactivate", "--sync", window, "key", "alt+o")
    assert gui.end() == SUCCESS
    wait_until(lambda: gui("count", image=image) == 7)
    nothing = np.zeros((2, 1, 4), np.float32)
    free = replace(links([("#000000", None)]), width=1, data=nothing.tobytes())
    exact = evening["exact"]
    held = links([(exact[0], exact[0]), *((rgb, None) for rgb in exact[1:])])
    results = expected("recolor", [*planes, common_links(shared), held, free, free], CANVAS)
    seen = flat(gui("look", image=image))
    for name, result in zip(NAMES, results, strict=True):
        assert same(seen[f"{name} recolored"], result)

    # What was changed is there when the dialog is opened again.
    gui.begin("call", **dialog)
    window = gui.window(TITLE)
    find(codes[0], becomes[0])
    gui.type("windowactivate", "--sync", window, "key", "alt+t")
    find(codes[0], codes[0])
    gui.type("key", "Escape")
    assert gui.end()[0] == "cancel"


def select_all_three(gui, image):
    """Selects the layers as the artist may, out of order."""
    gui("choose_layers", image=image, names=["Noon", "Morning", "Evening"])


def settled(seen):
    """All but the order in which layers were selected, which undo does not keep."""
    return {**seen, "selected": sorted(seen["selected"])}


def test_the_menu_takes_all_selected_layers_and_undo_is_one_step(gui, screenshot):
    layers = pictures()
    image, window = opened(gui, canvas=CANVAS, layers=layers, **U8)
    select_all_three(gui, image)
    before = settled(gui("look", image=image))
    assert before["selected"] == sorted(NAMES)

    open_dialog(gui, window, TITLE, lambda: screenshot("set-menu"))
    screenshot("set-dialog")
    agree(gui, TITLE)
    # Pixels are looked at once GIMP is done: the group's may not change while they are read.
    wait_until(lambda: gui("count", image=image) == 7)
    screenshot("set-result")
    after = gui("look", image=image)
    results = expected("recolor", sent(gui, image, layers), CANVAS)
    for name, result in zip(NAMES, results, strict=True):
        assert same(flat(after)[f"{name} recolored"], result)
    assert sorted(after["selected"]) == sorted(NAMES)

    press(gui, window, "ctrl+z")
    wait_until(lambda: gui("count", image=image) == 4)
    wait_until(lambda: settled(gui("look", image=image)) == before)
    press(gui, window, "ctrl+y")
    wait_until(lambda: gui("count", image=image) == 7)
    wait_until(lambda: gui("look", image=image)["layers"] == after["layers"])


def test_a_run_in_place_is_one_step_too(gui):
    image, window = opened(gui, canvas=CANVAS, layers=pictures(), **U8)
    half = np.zeros(CANVAS[::-1], np.uint8)
    half[:, 100:] = 200
    gui("select", image=image, data=half.tobytes())
    before = gui("look", image=image)
    run = {"procedure": RECOLOR, "image": image, "drawables": NAMES}
    assert gui("call", arguments={"in-place": True}, **run) == SUCCESS
    after = flat(gui("look", image=image))
    assert all(after[name]["data"] != flat(before)[name]["data"] for name in NAMES)
    press(gui, window, "ctrl+z")
    wait_until(lambda: gui("look", image=image) == before)


def test_other_operations_are_not_offered_for_several_layers(gui, screenshot):
    image, window = opened(gui, canvas=CANVAS, layers=pictures(), **U8)
    select_all_three(gui, image)
    choose(gui, window, "Flat colours")
    screenshot("set-menu-others")
    gui.type("key", "Return")
    # The keyboard passes over what cannot be chosen.
    gui.type("windowactivate", "--sync", gui.window(TITLE), "key", "Escape")


def long_set(gui):
    """A set that keeps the engine busy for a few seconds, and how to run it."""
    layers = pictures(16)
    image, window = opened(gui, canvas=CANVAS, layers=layers, **U8)
    return image, window, {"procedure": RECOLOR, "image": image, "drawables": NAMES}


def run_from_dialog(gui, engine):
    """Agrees, and waits until the engine works on the whole of it, not on the preview."""
    agree(gui, TITLE)
    wait_until(lambda: not gui.type("search", "--onlyvisible", "--name", f"^{TITLE}$"), 30)
    wait_until(engine.running_job, 30)


def test_cancel_leaves_every_layer(gui, engine):
    image, _, run = long_set(gui)
    before = gui("look", image=image)
    gui.begin("call", mode="INTERACTIVE", **run)
    run_from_dialog(gui, engine)
    gui.type("mousemove", *CANCEL, "click", 1)
    assert gui.end()[0] == "cancel"
    wait_until(lambda: not engine.status()["jobs"])
    assert gui("look", image=image) == before
    gui("forget", image=image)


def test_a_layer_removed_meanwhile_leaves_the_others(gui, engine):
    image, window, _ = long_set(gui)
    select_all_three(gui, image)
    open_dialog(gui, window, TITLE)
    run_from_dialog(gui, engine)
    gui("remove", image=image, name="Noon")
    gui.type("windowactivate", "--sync", gui.window("GIMP Message"), "key", "Return")
    assert sorted(flat(gui("look", image=image))) == ["Day", "Evening", "Morning"]
