"""Variants of a painting in a real Krita: one is seen, any other can be picked, one is kept."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.plugin_krita.conftest import Krita
from tests.plugin_krita.documents import (
    BLUE,
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

pytestmark = [pytest.mark.editors, pytest.mark.timeout(900), pytest.mark.usefixtures("painter")]

SEED = 7


def choose_paint(krita: Krita, variants: int = 3) -> None:
    # Out of sight it does not look after the layers.
    krita.show_docker(300)
    krita.choose("limner_operation", "Paint")
    krita.set_value("limner_parameter_seed", SEED)
    krita.set_value("limner_parameter_variants", variants)


def painted(krita: Krita) -> list[str]:
    """Paths of the variants, first to last."""
    return [p for p in names(krita) if p.startswith("Paint/Paint ") and p.count("/") == 1]


def seen(krita: Krita) -> list[bool]:
    return [krita.visible(path) for path in painted(krita)]


def picture(krita: Krita, size: int = SIZE) -> np.ndarray:
    """What is seen once Krita has painted it."""
    krita.wait_until(krita.is_idle)
    return bgra(krita.seen(size))


def pick(krita: Krita, row: int) -> None:
    """Clicks a thumbnail and waits until its variant is seen."""
    krita.pick(row)
    wait_for_row(krita, row)
    time.sleep(0.5)
    krita.wait_until(krita.is_idle)


def wait_for_row(krita: Krita, row: int) -> None:
    krita.wait_until(lambda: (krita.variants() or [None, None])[1] == row, 10)


def test_the_first_variant_is_seen_and_a_click_shows_another(krita: Krita, shots: Path) -> None:
    open_ink(krita)
    before = picture(krita)
    choose_paint(krita)

    said = krita.run()

    assert "Paint: 3 variants under “Ink”" in said
    assert len(painted(krita)) == 3
    assert krita.variants() == [["Seed 7", "Seed 8", "Seed 9"], 0]
    assert seen(krita) == [True, False, False]
    pictures = [picture(krita)]
    for row in (1, 2, 0):
        pick(krita, row)
        assert seen(krita) == [row == number for number in range(3)]
        assert krita.active_layer() == "Scribbles"
        pictures.append(picture(krita))
    assert np.array_equal(pictures[0], pictures[3])
    distinct = [before, *pictures[:3]]
    assert all(not np.array_equal(a, b) for n, a in enumerate(distinct) for b in distinct[n + 1 :])
    krita.show_docker(300)
    krita.grab(str(krita.folder / "docker.png"))
    shutil.copy(krita.folder / "docker.png", shots / "variants 300.png")
    krita.grab_window(str(krita.folder / "window.png"))
    shutil.copy(krita.folder / "window.png", shots / "variants window.png")
    undo(krita)
    assert painted(krita) == []
    krita.wait_until(lambda: krita.variants() is None, 10)
    assert np.array_equal(picture(krita), before)
    undo(krita, 1, "edit_redo")
    wait_for_row(krita, 0)
    assert np.array_equal(picture(krita), pictures[0])


def test_the_last_of_quick_clicks_counts(krita: Krita) -> None:
    open_ink(krita)
    choose_paint(krita)
    krita.run()
    pick(krita, 2)
    wanted = picture(krita)
    # Each click stops what the one before began, at another place.
    for pause in (0.0, 0.02, 0.05, 0.1, 0.15):
        krita.pick(1)
        time.sleep(pause)
        pick(krita, 2)
        assert seen(krita) == [False, False, True]
        assert np.array_equal(picture(krita), wanted)
    undo(krita)
    assert painted(krita) == []


def test_the_rest_is_removed_in_one_step_and_undo_brings_it_back(krita: Krita) -> None:
    open_ink(krita)
    choose_paint(krita, 4)
    krita.run()
    pick(krita, 2)
    wanted, all_of_it = picture(krita), krita.tree()
    kept = painted(krita)[2]

    assert krita.click("limner_keep")

    krita.wait(lambda state: "Undo once to have them back" in state["notice"])
    assert painted(krita) == [kept]
    krita.wait_until(lambda: krita.variants() is None, 10)
    assert np.array_equal(picture(krita), wanted)
    assert krita.active_layer() == "Scribbles"
    undo(krita)
    assert krita.tree() == all_of_it
    wait_for_row(krita, 2)
    assert np.array_equal(picture(krita), wanted)
    undo(krita)
    assert painted(krita) == []


@pytest.mark.parametrize("kept", [True, False])
def test_a_new_run_replaces_all_variants_or_the_one_that_was_kept(krita: Krita, kept: bool) -> None:
    open_ink(krita)
    choose_paint(krita)
    krita.run()
    if kept:
        pick(krita, 1)
        assert krita.click("limner_keep")
        krita.wait_until(lambda: len(painted(krita)) == 1)
        krita.wait_until(krita.is_idle)
    krita.set_value("limner_parameter_seed", 20)

    said = krita.run()

    assert "edited" not in said
    assert krita.variants() == [["Seed 20", "Seed 21", "Seed 22"], 0]
    assert len(painted(krita)) == 3


def test_an_edited_variant_stays(krita: Krita) -> None:
    open_ink(krita)
    choose_paint(krita)
    krita.run()
    mine = painted(krita)[1]
    krita.rename(mine, "Paint of mine")

    assert "You edited the last result" in krita.run()

    assert names(krita).count("Paint") == 2
    assert mine.replace("Paint 2", "Paint of mine") in names(krita)


def test_the_strip_adapts_to_what_the_artist_does(krita: Krita) -> None:
    open_ink(krita)
    choose_paint(krita)
    krita.run()
    first, second, third = painted(krita)
    krita.show(first, False)
    krita.show(third, True)
    wait_for_row(krita, 2)
    krita.show(first, True)
    wait_for_row(krita, -1)
    assert not krita.click("limner_keep")
    krita.remove(second)
    krita.wait_until(lambda: krita.variants() == [["Seed 7", "Seed 9"], -1], 10)
    krita.pick(1)
    krita.wait_until(lambda: seen(krita) == [False, True], 10)
    wait_for_row(krita, 1)
    krita.remove(first)
    krita.wait_until(lambda: krita.variants() is None, 10)


def test_the_eyes_in_the_layer_list_show_variants_too(krita: Krita) -> None:
    open_ink(krita)
    choose_paint(krita)
    krita.run()
    pick(krita, 2)
    wanted = picture(krita)
    pick(krita, 0)

    for path in (painted(krita)[0], painted(krita)[2]):
        krita.activate(path)
        time.sleep(0.3)
        krita.trigger("toggle_layer_visibility")

    wait_for_row(krita, 2)
    assert np.array_equal(picture(krita), wanted)


def test_the_keyboard_goes_through_the_variants(krita: Krita) -> None:
    open_ink(krita)
    choose_paint(krita)
    krita.run()
    for key, row in (("Key_Right", 1), ("Key_Right", 2), ("Key_Left", 1), ("Key_Home", 0)):
        krita.press("limner_variants", key)
        krita.wait_until(lambda row=row: seen(krita)[row] and sum(seen(krita)) == 1, 10)
        wait_for_row(krita, row)
    krita.press("limner_variants", "Key_End")
    wait_for_row(krita, 2)
    krita.press("limner_keep", "Key_Space")
    krita.wait_until(lambda: len(painted(krita)) == 1, 10)


def test_the_strip_belongs_to_its_document_and_goes_with_it(krita: Krita) -> None:
    new_document(krita, SIZE, "RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
    open_ink(krita)
    choose_paint(krita)
    krita.run()
    krita.show_document(0)
    krita.wait_until(lambda: krita.variants() is None, 10)
    krita.show_document(1)
    wait_for_row(krita, 0)
    krita.pick(2)

    krita.close()

    krita.wait_until(lambda: krita.variants() is None, 10)
    assert names(krita) == ["Background"]


def test_a_run_of_something_else_ends_the_choice(krita: Krita) -> None:
    open_ink(krita)
    choose_paint(krita)
    krita.run()
    krita.choose("limner_operation", "Flat colours")
    assert krita.variants() is not None
    krita.run()
    assert krita.variants() is None


def test_variants_of_one_layer_each(krita: Krita) -> None:
    open_drawing(krita)
    choose_paint(krita, 2)
    krita.choose("limner_parameter_layers", "One")
    krita.run()
    assert krita.variants() == [["Seed 7", "Seed 8"], 0]
    before = picture(krita)
    pick(krita, 1)
    assert not np.array_equal(picture(krita), before)
    assert krita.click("limner_keep")
    krita.wait(lambda state: "Undo once to have them back" in state["notice"])


def test_a_single_painting_is_seen_as_a_whole(krita: Krita) -> None:
    open_ink(krita)
    choose_paint(krita, 1)

    said = krita.run()

    assert "Paint: 3 layers" in said
    assert krita.variants() is None
    light, shade, flats = [path for path in names(krita) if path.startswith("Paint/")]
    assert (light, shade) == ("Paint/Light", "Paint/Shade")
    assert flats.startswith("Paint/Flats (seed 7")
    colours = picture(krita)[60:180, 60:64].reshape(-1, 4)
    assert not (colours == 255).all(axis=1).any()
    undo(krita)
    assert names(krita) == ["Scribbles", "Ink", "Background"]


def test_all_layers_of_flat_colours_are_seen(krita: Krita) -> None:
    open_ink(krita)
    krita.choose("limner_parameter_layers", "Per colour")

    krita.run()

    found = picture(krita)
    assert tuple(found[60, 60]) == (*RED, 255)
    assert tuple(found[60, -60]) == (*BLUE, 255)


def test_eight_variants_fit_the_docker(krita: Krita, shots: Path) -> None:
    open_ink(krita)
    choose_paint(krita, 8)
    krita.run()
    pick(krita, 5)
    krita.thumbnail(5, str(krita.folder / "thumbnail.png"))
    shutil.copy(krita.folder / "thumbnail.png", shots / "thumbnail.png")
    for width in (260, 300, 420):
        krita.show_docker(width)
        krita.wait_until(krita.is_idle)
        assert krita.grab(str(krita.folder / "docker.png"))
        shutil.copy(krita.folder / "docker.png", shots / f"eight variants {width}.png")
        assert krita.clipped() == []


def test_the_dice_draws_another_seed(krita: Krita) -> None:
    open_ink(krita)
    choose_paint(krita)
    drawn = set()
    for _ in range(4):
        assert krita.click("limner_another_seed")
        drawn.add(krita.value("limner_parameter_seed"))
    assert len(drawn) > 1


def test_krita_gets_a_turn_after_each_of_its_own_commands(krita: Krita) -> None:
    open_ink(krita)
    choose_paint(krita)
    krita.start_counting()
    for _ in range(2):
        krita.run()
    pick(krita, 1)
    assert krita.click("limner_keep")
    krita.wait_until(lambda: len(painted(krita)) == 1)
    krita.wait_until(krita.is_idle)

    slices = krita.stop_counting()

    assert {"addChildNode", "remove", "setActiveNode", "trigger"} <= set().union(*slices)
    assert [calls for calls in slices if len(calls) > 1] == []


def test_the_main_thread_is_not_held_up_by_variants(
    krita: Krita, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Measured and reported: a loaded machine says nothing about the docker."""
    size = 2048
    new_document(krita, size, "RGBA", "U8", SRGB)
    krita.add_layer("Ink", "paintlayer")
    krita.wait_until(lambda: krita.active_layer() == "Ink")
    krita.paint("Ink", bgra(drawing(size, paper=False)))
    add_scribbles(krita, bgra(scribbles(RED, BLUE, size=size)))
    choose_paint(krita, 4)
    krita.start_stopwatch()
    begun = time.perf_counter()

    assert krita.click("limner_run")
    krita.finish(every=0.5)

    words = f"4 variants in {time.perf_counter() - begun:.2f} s, {krita.stop_stopwatch()}"
    record_testsuite_property("krita-variants-2048", words)
    print(words)
    assert len(painted(krita)) == 4
