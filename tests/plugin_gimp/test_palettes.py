"""A picture's palette in the dialog: seen, changed, kept, saved, and heeded by the engine."""

import contextlib
import threading

import cv2
import numpy as np
import pytest

from engine.job import Cache
from engine.run import run_operation
from ipc.planes import Plane
from tests import drawings
from tests.plugin_gimp.images import expected, layer, plane, same
from tests.plugin_gimp.rig import wait_until
from tests.plugin_gimp.test_screen import CORNER, TRIES, U8, opened, screenshot

pytestmark = pytest.mark.editors

__all__ = ["screenshot"]

ID, TITLE, CHOOSER = "harmonize-palette", "Harmonize palette", "What the Colour Becomes"
WIDTH, HEIGHT = 320, 240
RUN = {"procedure": f"limner-{ID}", "drawables": ["Photograph"]}
SWATCH = 36, 24
"""Width and height of a colour in the dialog."""
HTML_NOTATION = 365, 335
"""Where GIMP's field for a hex code lies in its colour chooser."""
BLUE = "#2060a0"


def photograph_pixels():
    return cv2.cvtColor(drawings.photograph(WIDTH, HEIGHT), cv2.COLOR_RGB2RGBA)


def photograph():
    return layer("Photograph", photograph_pixels())


def given(gui, picture):
    """An image of it in a window, and its plane."""
    image, _ = opened(gui, canvas=(WIDTH, HEIGHT), layers=[picture], **U8)
    return image, plane("image", picture, icc=gui("effective_icc", image=image))


def known(found):
    """What swatches say: main colours as codes and, `exact`, as RGB, and what each becomes."""
    rows = np.frombuffer(found.data, np.float32).reshape(2, -1, 4)
    return {**found.attributes["metadata"], "exact": [tuple(rgb) for rgb in rows[0, :, :3]]}


def swatches(*planes):
    """What the engine says of the palette."""
    (found,), _ = run_operation(
        ID,
        {},
        planes,
        (WIDTH, HEIGHT),
        cache=Cache(0),
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
        outputs=["swatches"],
    )
    return known(found)


def links(pairs):
    """Links as the engine takes them. pairs: hex codes or RGB; None where a colour is free."""
    rows = np.zeros((2, len(pairs), 4), np.float32)
    for place, (source, target) in enumerate(pairs):
        for row, color in enumerate((source, target or source)):
            is_code = isinstance(color, str)
            rows[row, place, :3] = list(bytes.fromhex(color[1:])) if is_code else color
            rows[row, place, :3] /= 255 if is_code else 1
        rows[:, place, 3] = 1, target is not None
    return Plane("links", "Links", len(pairs), 2, 4, "f32", rows.tobytes())


@pytest.fixture
def find(gui, screen_folder):
    """Waits until the dialog shows one colour above another, and gives the place of both."""

    def found(before, after):
        file = screen_folder / "look.png"
        gui.shoot(file)
        seen = cv2.imread(str(file))
        rows = [seen == list(bytes.fromhex(code[1:]))[::-1] for code in (before, after)]
        (width, height), (above, below) = SWATCH, (row.all(axis=-1) for row in rows)
        for y, x in np.argwhere(above):
            wanted = above[y : y + height, x : x + width], below[y + height :, x : x + width]
            if wanted[0].size == width * height and wanted[0].all() and wanted[1][:height].all():
                return int(x) + width // 2, int(y) + height
        return None

    return lambda before, after: wait_until(lambda: found(before, after), 60)


def choose_colour(gui, place, code):
    """Opens the chooser by a click on a swatch and gives it a hex code; a key may be lost."""
    gui.type("mousemove", *place, "click", 1)
    window = gui.window(CHOOSER)
    gui.type("windowactivate", "--sync", window)
    gui.type("mousemove", "--window", window, *HTML_NOTATION, "click", 1)
    gui.type("key", "ctrl+a", "type", code[1:])

    def is_closed():
        return not gui.type("search", "--onlyvisible", "--name", f"^{CHOOSER}$")

    for _ in range(TRIES):
        gui.type("key", "Tab", "sleep", 0.3, "key", "alt+o", "mousemove", *CORNER)
        with contextlib.suppress(AssertionError):
            wait_until(is_closed, 5)
            return
    raise AssertionError("the chooser does not close")


def keep(gui, place):
    """Chooses the second entry of a swatch's menu."""
    gui.type("mousemove", *place, "click", 3, "sleep", 0.5)
    gui.type("key", "Down", "key", "Down", "key", "Return", "mousemove", *CORNER)


def test_what_the_artist_links_is_what_the_engine_makes(gui, find, screenshot):
    picture = photograph()
    image, sent = given(gui, picture)
    first = swatches(sent)
    source, target, exact = first["source"], first["target"], first["exact"]
    gui.begin("call", image=image, mode="INTERACTIVE", **RUN)
    gui.window(TITLE)
    for pair in zip(source, target, strict=True):
        find(*pair)
    screenshot("palette")

    keep(gui, find(source[0], target[0]))
    find(source[0], source[0])
    wanted = [(exact[0], exact[0]), (exact[1], BLUE), *((rgb, None) for rgb in exact[2:])]
    becomes = swatches(sent, links(wanted))["target"]
    held = swatches(sent, links([wanted[0], *((rgb, None) for rgb in exact[1:])]))["target"]
    choose_colour(gui, find(source[1], held[1]), BLUE)
    find(source[1], becomes[1])
    screenshot("palette-changed")
    gui.type("windowactivate", "--sync", gui.window(TITLE), "key", "alt+o")
    assert gui.end() == ("success", "")
    (result,) = expected(ID, [sent, links(wanted)], (WIDTH, HEIGHT))
    assert same(gui("look", image=image)["layers"][0], result)

    # Again without a question, and the palette is there when the dialog is opened again.
    assert gui("call", image=image, mode="WITH_LAST_VALS", **RUN) == ("success", "")
    again = gui("look", image=image)["layers"]
    assert (len(again), again[0]["data"]) == (3, bytes(result.data))
    gui.begin("call", image=image, mode="INTERACTIVE", **RUN)
    window = gui.window(TITLE)
    find(source[1], becomes[1])
    gui.type("windowactivate", "--sync", window, "key", "Escape")
    assert gui.end()[0] == "cancel"

    # Another picture has a palette of its own.
    other, _ = given(gui, picture)
    gui.begin("call", image=other, mode="INTERACTIVE", **RUN)
    window = gui.window(TITLE)
    find(source[1], target[1])
    gui.type("windowactivate", "--sync", window, "key", "Escape")
    assert gui.end()[0] == "cancel"


def test_main_colours_of_deep_images_are_as_fine_as_the_engine_knows_them(gui, find):
    rgba = (photograph_pixels() / np.float32(255)) ** np.float32(1.1)
    picture = layer("Photograph", rgba.astype(np.float32))
    deep = {"precision": "FLOAT_NON_LINEAR", "encoding": "R'G'B'A float"}
    image, _ = opened(gui, canvas=(WIDTH, HEIGHT), layers=[picture], **deep)
    sent = plane("image", picture, depth="f32", icc=gui("effective_icc", image=image))
    first = swatches(sent)
    gui.begin("call", image=image, mode="INTERACTIVE", **RUN)
    window = gui.window(TITLE)
    keep(gui, find(first["source"][1], first["target"][1]))
    find(first["source"][1], first["source"][1])
    gui.type("windowactivate", "--sync", window, "key", "alt+o")
    assert gui.end() == ("success", "")
    held = links([(rgb, rgb if n == 1 else None) for n, rgb in enumerate(first["exact"])])
    (result,) = expected(ID, [sent, held], (WIDTH, HEIGHT))
    assert gui("look", image=image)["layers"][0]["data"] == bytes(result.data)


def test_a_colour_is_dragged_onto_another_and_all_is_reset(gui, find, screenshot):
    image, sent = given(gui, photograph())
    first = swatches(sent)
    source, target = first["source"], first["target"]
    wanted = [(rgb, None) for rgb in first["exact"]]
    wanted[1] = wanted[1][0], target[0]
    becomes = swatches(sent, links(wanted))["target"]
    gui.begin("call", image=image, mode="INTERACTIVE", **RUN)
    window = gui.window(TITLE)
    (x, y), (over_x, over_y) = (find(source[n], target[n]) for n in (0, 1))
    gui.type("mousemove", x, y + 9, "mousedown", 1, "sleep", 0.2)
    for step in range(1, 6):
        place = x + (over_x - x) * step // 5, y + (over_y - y) * step // 5
        gui.type("mousemove", *place, "sleep", 0.1)
    gui.type("mousemove", over_x + 2, over_y, "sleep", 0.3)
    screenshot("palette-dragged")
    gui.type("mouseup", 1, "mousemove", *CORNER)
    find(source[1], becomes[1])

    gui.type("windowactivate", "--sync", window, "key", "alt+t")
    find(source[1], target[1])
    gui.type("key", "Escape")
    assert gui.end()[0] == "cancel"


def test_a_palette_is_saved_and_cancel_leaves_nothing_else(gui, find, engine, screenshot):
    image, sent = given(gui, photograph())
    first = swatches(sent)
    before = gui("look", image=image)
    gui.begin("call", image=image, mode="INTERACTIVE", **RUN)
    window = gui.window(TITLE)
    keep(gui, find(first["source"][0], first["target"][0]))
    find(first["source"][0], first["source"][0])
    held = [(rgb, rgb if n == 0 else None) for n, rgb in enumerate(first["exact"])]
    first = swatches(sent, links(held))
    find(first["source"][1], first["target"][1])
    gui.type("windowactivate", "--sync", window, "key", "alt+v", "sleep", 1)
    screenshot("palette-saved")
    gui.type("key", "Escape")
    assert gui.end()[0] == "cancel"
    assert gui("look", image=image) == before
    assert not engine.status()["jobs"]
    wanted = [(f"was {a}", b) for a, b in zip(first["source"], first["target"], strict=True)]
    wanted[0] = f"was {first['source'][0]} [locked]", first["source"][0]
    assert gui("entries", name=f"Photograph ({TITLE})") == wanted


def test_the_keyboard_reaches_every_colour(gui, find):
    image, sent = given(gui, photograph())
    first = swatches(sent)
    source, target = first["source"], first["target"]
    gui.begin("call", image=image, mode="INTERACTIVE", **RUN)
    window = gui.window(TITLE)
    find(source[0], target[0])
    # To the palette, to the second colour's button, and to the second entry of its menu.
    gui.type("windowactivate", "--sync", window, "key", "alt+b", "key", "Tab", "key", "Tab")
    gui.type("key", "Tab", "key", "space", "sleep", 0.5, "key", "Down", "key", "Return")
    find(source[1], source[1])
    gui.type("windowactivate", "--sync", window, "key", "Escape")
    assert gui.end()[0] == "cancel"


def test_the_dialog_opens_without_an_engine(gui, engine, screenshot):
    image, _ = given(gui, photograph())
    before = gui("look", image=image)
    engine.stop()
    gui.begin("call", image=image, mode="INTERACTIVE", **RUN)
    window = gui.window(TITLE)
    screenshot("palette-no-engine")
    gui.type("windowactivate", "--sync", window, "key", "Escape")
    assert gui.end()[0] == "cancel"
    assert gui("look", image=image) == before


def test_a_script_gives_links(console):
    picture = photograph()
    image = console("make", canvas=(WIDTH, HEIGHT), layers=[picture], **U8)
    sent = plane("image", picture, icc=console("effective_icc", image=image))
    pairs = [("#8090c0", "#c09080"), ("#70a050", "#70a050"), ("#be463c", None)]
    words = "#8090C0>#c09080, #70a050>#70a050, #be463c"
    assert console("call", image=image, arguments={"links": words}, **RUN) == ("success", "")
    (result,) = expected(ID, [sent, links(pairs)], (WIDTH, HEIGHT))
    assert same(console("look", image=image)["layers"][0], result)


def test_a_link_may_be_finer_than_codes_and_lie_outside_srgb(console):
    rgb = np.linspace(0.2, 0.8, WIDTH * HEIGHT * 4, dtype=np.float32).reshape(HEIGHT, WIDTH, 4)
    deep = {"precision": "FLOAT_NON_LINEAR", "encoding": "R'G'B'A float"}
    picture = layer("Photograph", rgb)
    image = console("make", canvas=(WIDTH, HEIGHT), layers=[picture], **deep)
    sent = plane("image", picture, depth="f32", icc=console("effective_icc", image=image))
    pairs = [((0.5, 0.5004, 0.5), (-0.25, 0.5, 1.3)), ("#808080", None)]
    words = "color(srgb .5 0.5004 0.5)>COLOR(srgb -0.25  0.5 1.3 ), #808080"
    assert console("call", image=image, arguments={"links": words}, **RUN) == ("success", "")
    (result,) = expected(ID, [sent, links(pairs)], (WIDTH, HEIGHT))
    assert console("look", image=image)["layers"][0]["data"] == bytes(result.data)


@pytest.mark.parametrize(
    "words",
    ["#8090c0>blue", "#8090c0,", "8090c0", "#8090c0>#1>#2", "color(srgb 1 2)", "color(srgb 1 2 .)"],
)
def test_links_that_make_no_sense_are_refused(console, words):
    image = console("make", canvas=(WIDTH, HEIGHT), layers=[photograph()], **U8)
    status, message = console("call", image=image, arguments={"links": words}, **RUN)
    assert status == "calling-error"
    assert "does not say which colour becomes which" in message
    assert len(console("look", image=image)["layers"]) == 1


def test_what_a_palette_decides_cannot_be_set(gui, find, screenshot):
    image, sent = given(gui, photograph())
    name = gui("palette", name="Two", colours=[[200, 40, 60], [30, 90, 200]])
    gui.begin("call", image=image, mode="INTERACTIVE", arguments={"palette": name}, **RUN)
    window = gui.window(TITLE)
    gui.type("windowactivate", "--sync", window, "sleep", 1)
    # "Turn of hue" by its letter; then the palette is none again, and the turn is what it was.
    gui.type("key", "alt+u", "sleep", 0.2, "key", "ctrl+a", "type", "180")
    gui.type("key", "Tab", "sleep", 0.2, "mousemove", 400, 280, "sleep", 1)
    screenshot("palette-decides")
    gui.type("key", "alt+p", "sleep", 0.2, "key", "Home", "sleep", 0.5)
    gui.type("windowactivate", "--sync", window, "key", "alt+o")
    assert gui.end() == ("success", "")
    (result,) = expected(ID, [sent], (WIDTH, HEIGHT))
    assert same(gui("look", image=image)["layers"][0], result)
