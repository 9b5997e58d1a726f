"""Documents for Krita, and what the engine makes of them without Krita."""

import threading
import time

import numpy as np
import numpy.typing as npt

from engine.job import Cache
from engine.run import run_operation
from ipc.planes import Plane
from tests import editors
from tests.plugin_krita.conftest import DEPTHS, Krita

Pixels = npt.NDArray[np.generic]
RED, BLUE, GREEN = (220, 60, 40), (40, 90, 220), (60, 160, 70)
SRGB, LINEAR = "sRGB-elle-V2-srgbtrc.icc", "sRGB-elle-V2-g10.icc"
SIZE, LARGE = 240, 3000
PRESSES = 20
"""How often an undo is tried."""


def drawing(size: int = SIZE, *, paper: bool = True) -> Pixels:
    """Two boxes drawn in black, RGBA: on white paper or on nothing."""
    ink = np.zeros((size, size), bool)
    for left in (size // 12, size // 2 + size // 24):
        outer, inner = np.zeros_like(ink), np.zeros_like(ink)
        right = left + 9 * size // 24
        outer[size // 6 : -size // 6, left:right] = True
        inner[size // 6 + 3 : -size // 6 - 3, left + 3 : right - 3] = True
        ink |= outer & ~inner
    pixels = np.zeros((size, size, 4), np.uint8)
    pixels[...] = 255 if paper else 0
    pixels[ink] = (0, 0, 0, 255)
    return pixels


def scribbles(*colours: tuple[int, int, int], size: int = SIZE) -> Pixels:
    """A stroke of colour in each box, RGBA."""
    pixels = np.zeros((size, size, 4), np.uint8)
    for number, colour in enumerate(colours):
        left = size // 6 + number * (size // 2 - size // 24)
        pixels[size // 2 : size // 2 + 8, left : left + size // 6] = (*colour, 255)
    return pixels


def bgra(pixels: Pixels) -> Pixels:
    """RGBA as Krita keeps it in whole-number layers, or the other way round."""
    return pixels[..., [2, 1, 0, 3]]


def icc(name: str) -> bytes:
    """Bytes of one of Krita's own profiles."""
    return (editors.folder() / "usr/share/color/icc/krita" / name).read_bytes()


def plane(role: str, pixels: Pixels, profile: str | None = SRGB, depth: str = "u8") -> Plane:
    """Pixels in a plane's own order, H x W x channels."""
    height, width, channels = pixels.shape
    return Plane(
        role=role,
        name=role,
        width=width,
        height=height,
        channels=channels,
        depth=depth,
        data=np.ascontiguousarray(pixels).tobytes(),
        icc=None if profile is None else icc(profile),
    )


def expected(operation: str, *planes: Plane, **params: object) -> list[Pixels]:
    """What the engine makes of these planes in this process: layers and masks in planes' order."""
    first = planes[0]
    results, _ = run_operation(
        operation,
        params,
        planes,
        (first.width, first.height),
        cache=Cache(0),
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
    )
    return [
        _on_canvas(result, first.width, first.height)
        for result in results
        if result.attributes["kind"] in ("colour", "mask")
    ]


def _on_canvas(result: Plane, width: int, height: int) -> Pixels:
    codes = np.frombuffer(result.data, DEPTHS[result.depth.upper()])
    canvas = np.zeros((height, width, result.channels), codes.dtype)
    place = np.s_[result.y : result.y + result.height, result.x : result.x + result.width]
    canvas[place] = codes.reshape(result.height, result.width, result.channels)
    return canvas


def open_drawing(krita: Krita) -> None:
    """A document whose lowest layer is the drawing, on paper, with scribbles over it."""
    new_document(krita, SIZE, "RGBA", "U8", SRGB)
    krita.paint("Background", bgra(drawing()))
    add_scribbles(krita, bgra(scribbles(RED, BLUE)))


def open_large_drawing(krita: Krita, number: int) -> None:
    """A drawing that keeps the engine busy for seconds; it knows none of another number yet."""
    new_document(krita, LARGE, "RGBA", "U8", SRGB)
    pixels = drawing(LARGE)
    pixels[0, :number] = (0, 0, 0, 255)
    krita.paint("Background", bgra(pixels))
    add_scribbles(krita, bgra(scribbles(RED, BLUE, size=LARGE)))


def open_ink(krita: Krita) -> None:
    """A document with the drawing as ink on nothing, and scribbles, over white paper."""
    new_document(krita, SIZE, "RGBA", "U8", SRGB)
    krita.add_layer("Ink", "paintlayer")
    krita.wait_until(lambda: krita.active_layer() == "Ink")
    krita.paint("Ink", bgra(drawing(paper=False)))
    add_scribbles(krita, bgra(scribbles(RED, BLUE)))


def new_document(krita: Krita, size: int, model: str, depth: str, profile: str) -> None:
    krita.new_document(size, size, model, depth, profile)
    krita.wait(lambda state: state["can_run"])
    krita.wait_until(lambda: krita.active_layer() == "Background")


def add_scribbles(krita: Krita, pixels: Pixels) -> None:
    """Clicks the button beside the scribbles, and draws."""
    assert krita.click("limner_new_scribbles")
    krita.wait_until(lambda: krita.active_layer() == "Scribbles")
    krita.paint("Scribbles", pixels)


def names(krita: Krita) -> list[str]:
    return [path for path, _ in krita.tree()]


def undo(krita: Krita, times: int = 1, action: str = "edit_undo") -> None:
    for _ in range(times):
        for _ in range(PRESSES):
            # Krita forgets about an undo that it is too busy for, and a moment after a change it is
            # busy once more with small pictures of its layers.
            krita.wait_until(krita.is_idle)
            place = krita.history_place()
            krita.trigger(action)
            if krita.history_place() != place:
                break
        else:
            raise AssertionError(f"Krita does not {action}")
        time.sleep(0.3)
        krita.wait_until(krita.is_idle)


def in_depth(pixels: Pixels, depth: str, *, linear: bool) -> Pixels:
    unit = pixels / 255
    if linear:
        unit[..., :3] = unit[..., :3] ** 2.2
    if depth.startswith("F"):
        return unit.astype(DEPTHS[depth])
    return np.rint(unit * 65535).astype(np.uint16)
