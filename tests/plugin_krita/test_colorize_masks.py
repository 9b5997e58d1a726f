"""Colorize Masks in a real Krita: their key strokes are scribbles."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.plugin_krita.conftest import Krita
from tests.plugin_krita.documents import (
    BLUE,
    GREEN,
    LINEAR,
    RED,
    SIZE,
    SRGB,
    Pixels,
    add_scribbles,
    bgra,
    drawing,
    in_depth,
    names,
    new_document,
    scribbles,
    undo,
)

pytestmark = [pytest.mark.editors, pytest.mark.timeout(900)]

MASK = "Ink/Colours"
FLATS = "Flat colours/Flats"
LEFT, RIGHT = np.s_[SIZE // 2, SIZE // 4], np.s_[SIZE // 2, -SIZE // 4]
"""A place in each box of the drawing."""


def strokes(*numbers: int, size: int = SIZE) -> Pixels:
    """A stroke in each box, H x W: its number, 0 for none."""
    painted = scribbles(*((number, 0, 0) for number in numbers), size=size)
    return painted[..., 0]


def open_ink(
    krita: Krita,
    depth: str = "U8",
    *,
    numbers: Pixels | None = None,
    colours: tuple[tuple[int, int, int], ...] = (RED, BLUE),
    transparent: int = -1,
) -> None:
    """Ink on nothing with a Colorize Mask that nobody computed, over white paper."""
    profile = SRGB if depth == "U8" else LINEAR
    new_document(krita, SIZE, "RGBA", depth, profile)
    krita.add_layer("Ink", "paintlayer")
    krita.wait_until(lambda: krita.active_layer() == "Ink")
    krita.paint("Ink", bgra(ink(depth)))
    add_mask(krita, strokes(1, 2) if numbers is None else numbers, colours, transparent)


def ink(depth: str) -> Pixels:
    lines = drawing(paper=False)
    return lines if depth == "U8" else in_depth(lines, depth, linear=True)


def add_mask(
    krita: Krita,
    numbers: Pixels,
    colours: tuple[tuple[int, int, int], ...],
    transparent: int = -1,
    layer: str = "Ink",
) -> None:
    file = krita.folder / "strokes.raw"
    file.write_bytes(numbers.tobytes())
    krita.add_colorize_mask(layer, "Colours", colours, transparent, str(file))
    krita.show_docker(300)


def mask_of(krita: Krita, path: str = MASK) -> tuple[list[Any], bytes]:
    """All that there is to know of the mask, its strokes included."""
    file = krita.folder / "strokes.raw"
    known = krita.colorize_mask(path, str(file))
    return known, file.read_bytes()


def test_key_strokes_colour_the_regions_and_stay_as_they_are(krita: Krita) -> None:
    open_ink(krita)
    krita.edit_strokes(MASK)
    krita.wait_until(lambda: krita.active_layer() == "Colours")
    before = mask_of(krita)
    krita.wait_until(lambda: krita.value("limner_input_scribbles") == "Colours (automatic)")

    said = krita.run()

    found = bgra(krita.pixels(FLATS, SIZE))
    assert {tuple(c) for c in found[found[..., 3] > 0]} == {(*RED, 255), (*BLUE, 255)}
    assert (tuple(found[LEFT]), tuple(found[RIGHT])) == ((*RED, 255), (*BLUE, 255))
    assert mask_of(krita) == before
    assert np.array_equal(bgra(krita.pixels("Ink", SIZE)), ink("U8"))
    assert krita.active_layer() == "Colours"
    assert "Undo once" in said
    undo(krita)
    assert names(krita) == ["Ink", "Background"]
    assert mask_of(krita) == before
    undo(krita)
    assert krita.masks("Ink") == []


def test_lines_on_paper_may_have_a_mask(krita: Krita) -> None:
    new_document(krita, SIZE, "RGBA", "U8", SRGB)
    krita.paint("Background", bgra(drawing()))
    add_mask(krita, strokes(1, 2), (RED, BLUE), layer="Background")
    krita.edit_strokes("Background/Colours")
    krita.wait_until(lambda: krita.active_layer() == "Colours")
    before = mask_of(krita, "Background/Colours")

    krita.run()

    found = bgra(krita.pixels("Limner/" + FLATS, SIZE))
    assert (tuple(found[LEFT]), tuple(found[RIGHT])) == ((*RED, 255), (*BLUE, 255))
    assert krita.active_layer() == "Colours"
    assert mask_of(krita, "Background/Colours") == before


def test_the_colours_that_a_mask_shows_are_no_lines(krita: Krita) -> None:
    open_ink(krita)
    krita.show_colours(MASK)
    before = mask_of(krita)
    shown = krita.shown("Ink", SIZE)
    assert tuple(bgra(shown)[60, 60]) == (*RED, 255)

    said = krita.run()

    found = bgra(krita.pixels(FLATS, SIZE))
    assert {tuple(c) for c in found[found[..., 3] > 0]} == {(*RED, 255), (*BLUE, 255)}
    assert found[5, 5, 3] == 0
    assert "“Colours” lies over the result: hide it to see the result alone." in said
    assert mask_of(krita) == before
    assert np.array_equal(krita.shown("Ink", SIZE), shown)
    undo(krita)
    assert names(krita) == ["Ink", "Background"]


def test_other_masks_of_the_lines_count(krita: Krita) -> None:
    open_ink(krita, numbers=strokes(1))
    krita.show_colours(MASK)
    before = mask_of(krita)
    krita.add_transparency_mask("Ink", 0, 0, SIZE // 2, SIZE)

    krita.run()

    found = bgra(krita.pixels(FLATS, SIZE))
    assert tuple(found[LEFT]) == (*RED, 255)
    # The right box's lines are hidden, so that it is part of the page.
    assert found[5, 5, 3] == found[RIGHT][3] == 0
    assert mask_of(krita) == before


def test_a_deep_documents_strokes_keep_their_colours(krita: Krita) -> None:
    open_ink(krita, "U16")
    before = mask_of(krita)

    krita.run()

    linear = bgra(krita.pixels(FLATS, SIZE))[..., :3] / 65535
    codes = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    found = np.rint(255 * codes).astype(int)
    assert (tuple(found[LEFT]), tuple(found[RIGHT])) == (RED, BLUE)
    assert mask_of(krita) == before
    undo(krita)
    assert names(krita) == ["Ink", "Background"]


@pytest.mark.parametrize("colours", [(), (RED, BLUE)])
def test_a_mask_without_strokes_is_told(
    krita: Krita, colours: tuple[tuple[int, int, int], ...]
) -> None:
    open_ink(krita, numbers=strokes(), colours=colours)

    said = krita.run()

    assert said == (
        "The Colorize Mask 'Colours' has no strokes of a colour. "
        "Paint some with the Colorize Mask Tool, or choose other scribbles, and run again."
    )
    assert names(krita) == ["Ink", "Background"]


def test_strokes_that_mean_transparent_ask_for_no_colour(krita: Krita) -> None:
    open_ink(krita, numbers=strokes(1, 2), transparent=1)
    krita.wait_until(lambda: krita.value("limner_input_clear") == "Colours (automatic)")

    krita.run()

    found = bgra(krita.pixels(FLATS, SIZE))
    assert {tuple(c) for c in found[found[..., 3] > 0]} == {(*RED, 255)}
    assert found[RIGHT][3] == 0


def test_a_mask_is_offered_by_name_and_a_layer_of_scribbles_comes_first(
    krita: Krita, shots: Path
) -> None:
    open_ink(krita)
    add_scribbles(krita, bgra(scribbles(GREEN, GREEN)))
    krita.choose("limner_input_scribbles", "Layer named Scribbles, else Colorize Mask")
    krita.wait_until(lambda: krita.value("limner_input_scribbles") == "Scribbles (automatic)")
    offered = [text.strip() for text in krita.choices("limner_input_scribbles")]
    assert offered[2:] == ["Scribbles", "Ink", "Colours", "Background"]
    assert "Colours" not in [text.strip() for text in krita.choices("limner_input_line-art")]

    krita.choose("limner_input_scribbles", "Colours")
    said = krita.run()

    assert tuple(bgra(krita.pixels(FLATS, SIZE))[LEFT]) == (*RED, 255), said
    assert krita.value("limner_input_scribbles") == "Colours"
    assert krita.grab(str(krita.folder / "docker.png"))
    shutil.copy(krita.folder / "docker.png", shots / "Colorize Mask.png")
    assert krita.grab_window(str(krita.folder / "window.png"))
    shutil.copy(krita.folder / "window.png", shots / "Colorize Mask window.png")


def test_many_strokes_never_hold_up_the_main_thread(
    krita: Krita, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Measured and reported: a loaded machine says nothing about the docker."""
    size, count = 2048, 24
    new_document(krita, size, "RGBA", "U8", SRGB)
    krita.add_layer("Ink", "paintlayer")
    krita.wait_until(lambda: krita.active_layer() == "Ink")
    krita.paint("Ink", bgra(drawing(size, paper=False)))
    numbers = np.zeros((size, size), np.uint8)
    for number in range(1, count + 1):
        numbers[size // 4 + 20 * number : size // 4 + 20 * number + 10, 300:800] = number
    add_mask(krita, numbers, tuple((10 * n, 255 - 10 * n, 90) for n in range(count)))
    krita.wait_until(krita.is_idle)
    krita.start_stopwatch()

    said = krita.run()

    held = krita.stop_stopwatch()
    record_testsuite_property("krita_colorize_mask_slices", held["slices"])
    assert "1 layer under" in said
