"""An operation on all open images: results, what is remembered, and images that are closed."""

from dataclasses import replace

import numpy as np
import pytest

from tests.plugin_gimp.images import expected, layer, plane
from tests.plugin_gimp.rig import wait_until
from tests.plugin_gimp.test_palettes import choose_colour, find, keep
from tests.plugin_gimp.test_screen import WINDOW, press, screenshot
from tests.plugin_gimp.test_sets import (
    RECOLOR,
    SUCCESS,
    TITLE,
    U8,
    common_links,
    palettes,
    picture,
    run_from_dialog,
)

pytestmark = pytest.mark.editors

__all__ = ["find", "screenshot"]

PURPLE = "#a040c0"

SIZES = {"Evening": (160, 100), "Noon": (110, 140), "Morning": (150, 120)}


def open_images(gimp, scale=1, **more):
    """An image for each name, of two layers; their ids, and planes of what is seen of them."""
    images, planes = [], []
    for name, (width, height) in SIZES.items():
        size = scale * width, scale * height
        pixels = picture(name, *size)
        ground = np.full_like(pixels, (120, 130, 60, 255))
        layers = [layer("Ground", ground), layer("Over", pixels)]
        images.append(gimp("make", canvas=size, layers=layers, **{**U8, **more}))
        planes.append(seen_of(gimp, images[-1], size))
    return images, planes


def seen_of(gimp, image, size):
    merged = np.frombuffer(gimp("merged", image=image), np.uint8).reshape(*size[::-1], 4)
    return plane("image", layer("[Untitled]", merged), icc=gimp("effective_icc", image=image))


def test_open_images_are_a_set_and_each_gets_a_layer_on_top(console):
    console("forget_all")
    images, planes = open_images(console)
    stripes = bytes([255, 0]) * (110 * 140 // 2)
    console("select", image=images[1], data=stripes)
    masks = [
        plane("mask", layer("Selection", np.full(each[::-1], 255, np.uint8)))
        for each in SIZES.values()
    ]
    masks[1] = replace(masks[1], data=stripes)
    before = [console("look", image=image) for image in images]
    for strength in (100.0, 40.0):
        given = {"pictures": "images", "strength": strength}
        run = {"procedure": RECOLOR, "image": images[1], "drawables": ["Over"]}
        assert console("call", arguments=given, **run) == SUCCESS
        # What was made earlier is no part of the pictures; selections count for their own.
        results = expected("recolor", [*planes, *masks], SIZES["Evening"], strength=strength)
        assert bytes(results[2].data) != planes[2].data
        for image, result in zip(images, results, strict=True):
            top = console("look", image=image)["layers"][0]
            assert top["data"] == bytes(result.data)
            assert (top["x"], top["y"]) == (0, 0)
    for image, earlier in zip(images, before, strict=True):
        assert console("look", image=image)["layers"][2:] == earlier["layers"]
    given = {"pictures": "images", "in-place": True}
    status, words = console("call", arguments=given, **run)
    assert (status, "cannot be changed in place" in words) == ("calling-error", True)


@pytest.fixture
def shown(gui):
    """Opens images in windows, as `open_images` does, and closes all that are open afterwards."""

    def show(**more):
        found = open_images(gui, show=True, **more)
        window = gui.window(".* – GIMP")
        gui.type("windowactivate", "--sync", window, "windowsize", "--sync", window, *WINDOW)
        return (*found, window)

    yield show
    gui("close_all")


def dialog_of(gui, image):
    """Opens the dialog for all open images, one of which is named."""
    more = {"mode": "INTERACTIVE", "arguments": {"pictures": "images"}}
    gui.begin("call", procedure=RECOLOR, image=image, drawables=["Over"], **more)
    return gui.window(TITLE)


def leave(gui, window):
    gui.type("windowactivate", "--sync", window, "key", "Escape")
    assert gui.end()[0] == "cancel"


def next_palette(gui, window, back):
    """Shows the next palette of the list above the colours. back: keys from the colours to it."""
    gui.type("windowactivate", "--sync", window, "key", "alt+b")
    gui.type("key", *["shift+Tab"] * back, "sleep", 0.3, "key", "Down")


def changed(gui, find, image, planes):
    """Runs with a colour of the palette in common and one of the first image's changed.

    Returns both swatches, each as what is above and what is below.
    """
    found, _ = palettes(planes)
    source, exact = found["source"], found["exact"]
    shared = common_links([(exact[0], PURPLE), *((rgb, None) for rgb in exact[1:])])
    common, (first, *_) = palettes([*planes, shared])
    window = dialog_of(gui, image)
    choose_colour(gui, find(source[0], source[0]), PURPLE)
    find(source[0], common["target"][0])
    next_palette(gui, window, back=2)  # the first colour had the keyboard
    keep(gui, find(first["source"][0], first["target"][0]))
    find(first["source"][0], first["source"][0])
    gui.type("windowactivate", "--sync", window, "key", "alt+o")
    assert gui.end() == SUCCESS
    return (source[0], common["target"][0]), (first["source"][0], first["source"][0])


def test_palettes_of_open_images_are_there_when_the_dialog_is_opened_again(gui, find, shown):
    images, planes, _ = shown()
    common, own = changed(gui, find, images[2], planes)
    window = dialog_of(gui, images[0])  # from any of them
    find(*common)
    next_palette(gui, window, back=1)
    find(*own)
    leave(gui, window)
    # Again without a question.
    run = {"procedure": RECOLOR, "image": images[1], "drawables": ["Over"]}
    tops = [gui("look", image=image)["layers"][0] for image in images]
    assert gui("call", mode="WITH_LAST_VALS", **run) == SUCCESS
    assert [gui("look", image=image)["layers"][0]["data"] for image in images] == [
        top["data"] for top in tops
    ]


def test_another_set_has_palettes_of_its_own(gui, find, shown):
    images, planes, _ = shown()
    common, _ = changed(gui, find, images[0], planes)
    more = gui("make", canvas=(40, 30), layers=[layer("Over", picture("Noon", 40, 30))], **U8)
    window = dialog_of(gui, images[0])
    find(common[0], common[0])
    leave(gui, window)
    # The set is as it was.
    gui("forget", image=more)
    window = dialog_of(gui, images[0])
    find(*common)
    leave(gui, window)
    # One is closed, and a run without a question is of those that are left.
    gui("close", image=images[1])
    window = dialog_of(gui, images[0])
    gui.type("sleep", 2)
    leave(gui, window)
    run = {"procedure": RECOLOR, "image": images[0], "drawables": ["Over"]}
    assert gui("call", mode="WITH_LAST_VALS", **run) == SUCCESS


def test_an_image_closed_meanwhile_is_named_and_the_others_have_results(
    gui, engine, shown, screenshot
):
    images, _, window = shown(scale=16)
    gui("say_in_log")
    dialog_of(gui, images[0])
    run_from_dialog(gui, engine)
    press(gui, window, "ctrl+w")
    assert gui.end() == SUCCESS
    screenshot("set-image-closed")
    assert "'[Untitled]' was closed meanwhile and has no result." in gui.log()
    assert [gui("count", image=image) for image in images[:2]] == [3, 3]
    assert gui("ids") == images[:2]


def test_open_images_are_chosen_in_the_dialog_and_undone_each_for_itself(gui, screenshot):
    images, _ = open_images(gui, show=True)
    window = gui.window(".* – GIMP")
    counts = [gui("count", image=image) for image in images]
    gui.begin("call", procedure=RECOLOR, image=images[2], drawables=["Over"], mode="INTERACTIVE")
    dialog = gui.window(TITLE)
    gui.type("windowactivate", "--sync", dialog, "sleep", 1)
    # From the switch above, which is set and set back on the way.
    gui.type("key", "alt+i", "key", "alt+i", "key", "Tab", "key", "Down", "sleep", 2)
    screenshot("set-images")
    gui.type("windowactivate", "--sync", dialog, "key", "alt+o")
    assert gui.end() == SUCCESS
    for image, count in zip(images, counts, strict=True):
        wait_until(lambda image=image, count=count: gui("count", image=image) == count + 1, 20)
    press(gui, window, "ctrl+z")
    wait_until(lambda: gui("count", image=images[2]) == counts[2])
    assert [gui("count", image=image) for image in images[:2]] == [n + 1 for n in counts[:2]]
