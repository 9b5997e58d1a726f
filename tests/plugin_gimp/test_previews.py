"""The preview in the dialog of an operation without palettes, before and after."""

import threading

import cv2
import numpy as np
import pytest

from engine.job import Cache
from engine.run import run_operation
from tests import drawings
from tests.plugin_gimp.images import layer, plane
from tests.plugin_gimp.rig import wait_until
from tests.plugin_gimp.test_screen import CORNER, U8, opened, screenshot

pytestmark = pytest.mark.editors

__all__ = ["screenshot"]

WIDTH, HEIGHT = 320, 240
TRANSFER, TITLE = "limner-transfer", "Transfer colours"


BEFORE = 84, HEIGHT + 22
"""Where the button for the picture before lies, seen from the picture."""


@pytest.fixture
def shows(gui, screen_folder):
    """Waits until a picture (RGB) is on the screen, pixel for pixel, and says where."""

    def found(picture):
        file = screen_folder / "look.png"
        gui.shoot(file)
        wanted, seen = picture[..., ::-1], cv2.imread(str(file))
        height, width = wanted.shape[:2]
        first = wanted[0].tobytes()
        for y, row in enumerate(seen[: 1 - height]):
            x = row.tobytes().find(first) // 3
            if x >= 0 and np.array_equal(seen[y : y + height, x : x + width], wanted):
                return x, y
        return None

    return lambda picture: wait_until(lambda: found(picture), 15)


def preview(planes, **params):
    """The small picture that the engine shows meanwhile."""
    seen = []
    run_operation(
        "transfer",
        params,
        planes,
        (WIDTH, HEIGHT),
        cache=Cache(0),
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
        on_preview=seen.append,
    )
    return np.frombuffer(seen[-1].data, np.uint8).reshape(HEIGHT, WIDTH, 3)


def test_a_transfer_is_previewed_before_and_after(gui, shows, screenshot):
    rgb = drawings.photograph(WIDTH, HEIGHT)
    other = np.ascontiguousarray(np.roll(rgb, 1, axis=2)[::-1])
    layers = [layer("Reference", other), layer("Photograph", rgb)]
    image, _ = opened(gui, canvas=(WIDTH, HEIGHT), layers=layers, **U8 | {"encoding": "R'G'B' u8"})
    icc = gui("effective_icc", image=image)
    roles = {"image": layers[1], "reference": layers[0]}
    planes = [plane(role, given, icc=icc) for role, given in roles.items()]
    none = {"subjects": "none"}
    run = {"procedure": TRANSFER, "image": image, "drawables": ["Photograph"]}
    gui.begin("call", mode="INTERACTIVE", arguments=none, **run)
    window = gui.window(TITLE)
    gui.type("windowactivate", "--sync", window, "sleep", 1)
    screenshot("transfer-no-reference")
    # The reference is chosen; strength and the picture before follow.
    gui.type("key", "alt+e", "key", "Home", "sleep", 0.3, "key", "Down", "sleep", 0.3)
    x, y = shows(preview(planes, **none))
    screenshot("transfer")
    gui.type("mousemove", x + BEFORE[0], y + BEFORE[1], "click", 1, "mousemove", *CORNER)
    shows(rgb)
    screenshot("transfer-before")
    gui.type("windowactivate", "--sync", window, "key", "Escape")
    assert gui.end()[0] == "cancel"
