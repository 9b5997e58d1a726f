"""Masks in a real Krita: results that become selections and masks, and selections as inputs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.plugin_krita.conftest import Krita
from tests.plugin_krita.documents import (
    LARGE,
    LINEAR,
    SIZE,
    SRGB,
    Pixels,
    bgra,
    expected,
    in_depth,
    names,
    new_document,
    plane,
    undo,
)

pytestmark = [
    pytest.mark.editors,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("simple_networks"),
]

SUBJECT, HARMONIZE = "Select subject", "Harmonize composite"
RESULT = "Harmonize composite/Harmonized"
CORE, FAR = np.s_[100:140, 80:120], np.s_[:20, :]
"""Parts of the pictures below: in the middle of the ball, and far from it."""


def ball(size: int = SIZE, softness: float = 6.0) -> Pixels:
    """How far each pixel lies in a ball left of the middle, H x W in [0, 1]."""
    y, x = np.mgrid[:size, :size] * (240 / size)
    return np.clip((60 - np.hypot(x - 100, y - 120)) / softness + 0.5, 0, 1)


def meadow(size: int = SIZE) -> Pixels:
    """Green with some structure, RGBA."""
    y, x = np.mgrid[:size, :size]
    pixels = np.full((size, size, 4), 255, np.uint8)
    pixels[..., 0] = 60 + (x * 7 + y * 3) % 40
    pixels[..., 1] = 150 + (x * 5 + y * 11) % 50
    pixels[..., 2] = 50 + (x * 3 + y * 13) % 40
    return pixels


def with_ball(size: int = SIZE) -> Pixels:
    """A red ball on the meadow."""
    pixels, inside = meadow(size), ball(size)[..., None]
    mixed = pixels[..., :3] * (1 - inside) + np.array([210, 40, 30]) * inside
    pixels[..., :3] = np.rint(mixed)
    return pixels


def thing(size: int = SIZE) -> Pixels:
    """A yellowish ball on nothing, with a soft edge."""
    pixels = np.zeros((size, size, 4), np.uint8)
    pixels[..., :3] = (220, 190, 120)
    pixels[..., 3] = np.rint(255 * ball(size))
    return pixels


def open_picture(krita: Krita, operation: str, pixels: Pixels | None = None) -> None:
    """A document with one layer, by default the ball on the meadow."""
    new_document(krita, SIZE, "RGBA", "U8", SRGB)
    krita.paint("Background", bgra(with_ball() if pixels is None else pixels))
    choose(krita, operation)


def choose(krita: Krita, operation: str) -> None:
    """Chooses it in a docker that is seen, and so shows what the inputs are bound to."""
    krita.show_docker(300)
    krita.choose("limner_operation", operation)


def open_pasted(krita: Krita, pixels: Pixels | None = None) -> None:
    """The meadow and over it a layer with the thing, active as it is after pasting."""
    new_document(krita, SIZE, "RGBA", "U8", SRGB)
    krita.paint("Background", bgra(meadow()))
    add_layer(krita, "Thing", thing() if pixels is None else pixels)
    choose(krita, HARMONIZE)


def add_layer(krita: Krita, name: str, pixels: Pixels) -> None:
    krita.add_layer(name, "paintlayer")
    krita.wait_until(lambda: krita.active_layer() == name)
    krita.paint(name, bgra(pixels))


def subject(pixels: Pixels, mask: Pixels | None = None) -> Pixels:
    """The mask that the engine makes of a picture, H x W."""
    masks = [] if mask is None else [plane("mask", mask[..., None], None)]
    (found,) = expected("select-subject", plane("image", pixels), *masks)
    return found[..., 0]


def harmonized(
    pixels: Pixels, inside: Pixels, profile: str = SRGB, depth: str = "u8", **params: float
) -> Pixels:
    """The picture that the engine makes; inside: H x W."""
    planes = plane("image", pixels, profile, depth), plane("mask", inside[..., None], None)
    (found,) = expected("harmonize-composite", *planes, **params)
    return found


def mask_values(krita: Krita, name: str = "Background/Subject") -> Pixels:
    file = krita.folder / "pixels.raw"
    krita.read(name, str(file))
    return np.frombuffer(file.read_bytes(), np.uint8).reshape(SIZE, SIZE)


def test_the_subject_becomes_the_selection(krita: Krita) -> None:
    open_picture(krita, SUBJECT)
    assert krita.value("limner_mask_place") == "Selection"
    tree = krita.tree()

    said = krita.run()

    selected = krita.selected(SIZE)
    assert np.array_equal(selected, subject(with_ball()))
    assert (selected[CORE] > 250).all()
    assert not selected[FAR].any()
    assert ((selected > 10) & (selected < 245)).any(), "soft at the edge"
    assert said.startswith("Select subject: selected, ")
    assert said.endswith("Undo once to remove the result.")
    assert krita.tree() == tree
    assert krita.masks("Background") == []
    assert krita.active_layer() == "Background"
    assert np.array_equal(bgra(krita.pixels("Background", SIZE)), with_ball())


@pytest.mark.parametrize("earlier", [False, True])
def test_one_undo_takes_the_selection_back(krita: Krita, earlier: bool) -> None:
    open_picture(krita, SUBJECT)
    if earlier:
        krita.trigger("select_all")
        krita.wait_until(lambda: is_all_selected(krita))
    krita.run()
    after = krita.selected(SIZE)
    assert not (after == 255).all()

    undo(krita)

    assert is_all_selected(krita) if earlier else krita.selected(SIZE) is None
    undo(krita, 1, "edit_redo")
    assert np.array_equal(krita.selected(SIZE), after)


def is_all_selected(krita: Krita) -> bool:
    selected = krita.selected(SIZE)
    return selected is not None and bool((selected == 255).all())


def test_a_selection_says_where_to_search_and_is_not_its_own_limit(krita: Krita) -> None:
    open_picture(krita, SUBJECT)
    half = np.zeros((SIZE, SIZE), np.uint8)
    half[:, :100], half[:, 100:110] = 255, 100
    krita.select_softly(half)
    krita.wait_until(lambda: krita.value("limner_input_mask") == "Selection")

    krita.run()

    first = krita.selected(SIZE)
    assert np.array_equal(first, subject(with_ball(), half))
    assert first[120, 90] == 255
    assert not first[:, 110:].any()
    krita.wait_until(lambda: krita.value("limner_input_mask") == "None")
    krita.run()
    assert np.array_equal(krita.selected(SIZE), subject(with_ball()))
    krita.select(0, 0, 100, SIZE)
    krita.wait_until(lambda: krita.value("limner_input_mask") == "Selection")


def test_the_subject_becomes_a_mask_on_the_layer(krita: Krita) -> None:
    open_picture(krita, SUBJECT)
    krita.choose("limner_mask_place", "Mask on the layer")

    said = krita.run()

    wanted = subject(with_ball())
    assert krita.masks("Background") == ["Subject"]
    assert np.array_equal(mask_values(krita), wanted)
    assert np.array_equal(krita.shown("Background", SIZE)[..., 3], wanted)
    assert np.array_equal(bgra(krita.pixels("Background", SIZE)), with_ball())
    assert krita.selected(SIZE) is None
    assert krita.active_layer() == "Background"
    assert said.startswith("Select subject: mask on “Background”, ")
    assert said.endswith("Undo once to remove the result.")
    undo(krita)
    assert krita.masks("Background") == []
    undo(krita, 1, "edit_redo")
    assert np.array_equal(krita.shown("Background", SIZE)[..., 3], wanted)


def test_running_again_sees_the_whole_layer_and_replaces_its_mask(krita: Krita) -> None:
    open_picture(krita, SUBJECT)
    krita.choose("limner_mask_place", "Mask on the layer")
    krita.run()
    moved = np.roll(with_ball(), 80, axis=1)
    krita.paint("Background", bgra(moved))

    said = krita.run()

    assert krita.masks("Background") == ["Subject"]
    assert np.array_equal(mask_values(krita), subject(moved))
    assert "2 times for all of it" in said
    undo(krita)
    assert krita.masks("Background") == []
    undo(krita)
    assert np.array_equal(mask_values(krita), subject(with_ball()))


def test_an_edited_mask_stays(krita: Krita) -> None:
    open_picture(krita, SUBJECT)
    krita.choose("limner_mask_place", "Mask on the layer")
    krita.run()
    krita.rename("Background/Subject", "Mine")

    said = krita.run()

    assert sorted(krita.masks("Background")) == ["Mine", "Subject"]
    assert "You edited the last result" in said


def test_a_layer_with_masks_is_selected_from_as_any_other(krita: Krita) -> None:
    open_picture(krita, SUBJECT)
    krita.choose("limner_mask_place", "Mask on the layer")
    krita.run()
    kept = mask_values(krita)
    krita.choose("limner_mask_place", "Selection")

    krita.run()

    assert np.array_equal(krita.selected(SIZE), subject(with_ball()))
    assert krita.masks("Background") == ["Subject"]
    assert np.array_equal(mask_values(krita), kept)
    undo(krita)
    assert krita.selected(SIZE) is None
    undo(krita)
    assert krita.masks("Background") == []


def test_each_document_keeps_where_its_masks_go(krita: Krita) -> None:
    open_picture(krita, SUBJECT)
    krita.choose("limner_mask_place", "Mask on the layer")
    open_picture(krita, SUBJECT)
    assert krita.value("limner_mask_place") == "Selection"
    krita.show_document(0)
    krita.wait_until(lambda: krita.value("limner_mask_place") == "Mask on the layer")
    krita.run()
    file = str(krita.folder / "kept-mask.kra")
    krita.save(file)
    krita.close()

    krita.open_document(file)

    krita.wait(lambda state: state["can_run"])
    krita.wait_until(lambda: krita.value("limner_mask_place") == "Mask on the layer")
    assert json.loads(krita.annotation())["operation"] == "select-subject"
    krita.run()
    assert krita.masks("Background") == ["Subject"]
    assert krita.click("limner_reset")
    assert krita.value("limner_mask_place") == "Selection"


def test_a_picture_without_a_subject_changes_nothing(krita: Krita) -> None:
    open_picture(krita, SUBJECT, meadow())

    said = krita.run()

    assert said.startswith("No subject was found")
    assert krita.selected(SIZE) is None
    assert krita.masks("Background") == []


def test_cancel_leaves_the_selection(krita: Krita) -> None:
    new_document(krita, LARGE, "RGBA", "U8", SRGB)
    krita.paint("Background", bgra(with_ball(LARGE)))
    krita.choose("limner_operation", SUBJECT)
    assert krita.click("limner_run")
    krita.wait_until_at_work()

    assert krita.click("limner_cancel")

    assert krita.finish() == "Cancelled. The picture is as it was."
    assert krita.selected(LARGE) is None


def test_a_pasted_layer_takes_the_look_of_what_lies_under_it(krita: Krita) -> None:
    open_pasted(krita)
    merged = bgra(krita.seen(SIZE))
    add_layer(krita, "Ink", thing())
    krita.activate("Thing")
    krita.wait_until(lambda: krita.value("limner_input_image") == "Thing and below (automatic)")
    assert krita.value("limner_input_mask") == "Thing (automatic)"

    said = krita.run()

    assert names(krita) == ["Ink", "Harmonize composite", RESULT, "Thing", "Background"]
    found = bgra(krita.pixels(RESULT, SIZE))
    inside = thing()[..., 3]
    assert np.array_equal(found, harmonized(merged, inside))
    assert np.array_equal(found[inside == 0], meadow()[inside == 0]), "bit by bit"
    assert np.array_equal(found[CORE][..., 2], np.rint(120 * 0.8 + 51) * np.ones((40, 40)))
    assert np.array_equal(bgra(krita.pixels("Thing", SIZE)), thing())
    assert krita.active_layer() == "Thing"
    assert "1 layer above “Thing”" in said
    assert said.endswith("Undo once to remove the result.")
    undo(krita)
    assert names(krita) == ["Ink", "Thing", "Background"]


def test_running_again_harmonizes_no_second_time(krita: Krita) -> None:
    open_pasted(krita)
    merged = bgra(krita.seen(SIZE))
    krita.run()
    krita.set_value("limner_parameter_strength", 50)

    krita.run()

    assert names(krita) == ["Harmonize composite", RESULT, "Thing", "Background"]
    wanted = harmonized(merged, thing()[..., 3], strength=50.0)
    assert np.array_equal(bgra(krita.pixels(RESULT, SIZE)), wanted)
    assert not np.array_equal(wanted, harmonized(merged, thing()[..., 3]))


def test_a_chosen_layer_is_the_thing_whichever_is_active(krita: Krita) -> None:
    open_pasted(krita)
    merged = bgra(krita.seen(SIZE))
    krita.activate("Background")
    krita.choose("limner_input_mask", "Thing")

    krita.run()

    assert names(krita) == ["Harmonize composite", RESULT, "Thing", "Background"]
    wanted = harmonized(merged, thing()[..., 3])
    assert np.array_equal(bgra(krita.pixels(RESULT, SIZE)), wanted)


@pytest.mark.parametrize(
    ("depth", "profile"), [("U8", SRGB), ("U16", LINEAR), ("U16", SRGB), ("F32", LINEAR)]
)
def test_a_soft_selection_is_the_thing(krita: Krita, depth: str, profile: str) -> None:
    new_document(krita, SIZE, "RGBA", depth, profile)
    picture = with_ball()
    if depth != "U8":
        picture = in_depth(picture, depth, linear=profile == LINEAR)
    order = bgra if depth.startswith("U") else np.asarray
    krita.paint("Background", order(picture))
    choose(krita, HARMONIZE)
    inside = np.rint(255 * ball(softness=30)).astype(np.uint8)
    krita.select_softly(inside)
    krita.wait_until(lambda: krita.value("limner_input_mask") == "Selection")

    krita.run()

    found = order(krita.pixels(RESULT, SIZE))
    assert np.array_equal(found, harmonized(picture, inside, profile, depth.lower()))
    assert np.array_equal(found[inside == 0], picture[inside == 0]), "bit by bit"
    assert (found[CORE] != picture[CORE]).any(axis=-1).all()
    assert np.array_equal(krita.selected(SIZE), inside)


def test_a_thing_found_as_subject_is_harmonized(krita: Krita) -> None:
    open_picture(krita, SUBJECT)
    krita.run()
    selected = krita.selected(SIZE)
    krita.choose("limner_operation", HARMONIZE)

    krita.run()

    wanted = harmonized(with_ball(), selected)
    assert np.array_equal(bgra(krita.pixels(RESULT, SIZE)), wanted)


def test_without_a_thing_the_docker_says_what_to_do(krita: Krita) -> None:
    open_picture(krita, HARMONIZE)

    said = krita.run()

    assert said == (
        "'Harmonize composite' does not know which part of the picture is meant. "
        "Select it, or choose the layer that it lies on as 'Mask', and run again."
    )
    krita.trigger("select_all")
    krita.wait_until(lambda: krita.value("limner_input_mask") == "Selection")
    assert "leaves nothing of the picture" in krita.run()
    assert names(krita) == ["Background"]


def test_a_layer_that_covers_everything_is_no_thing(krita: Krita) -> None:
    open_pasted(krita, with_ball())

    assert "covers everything" in krita.run()
    krita.show("Thing", False)
    assert "is hidden" in krita.run()
    assert names(krita) == ["Thing", "Background"]


def test_the_networks_that_ship_find_and_harmonize(krita: Krita, limner_home: Path) -> None:
    shutil.rmtree(limner_home / "models")
    open_picture(krita, SUBJECT)

    krita.run()

    selected = krita.selected(SIZE)
    inside = ball() > 0.5
    assert (inside & (selected > 127)).sum() / (inside | (selected > 127)).sum() > 0.8
    krita.choose("limner_operation", HARMONIZE)
    krita.run()
    found = bgra(krita.pixels(RESULT, SIZE))
    assert np.array_equal(found[selected == 0], with_ball()[selected == 0])
    assert not np.array_equal(found, with_ball())


@pytest.mark.parametrize("width", [260, 300])
def test_the_docker_shows_all_its_texts(krita: Krita, width: int, shots: Path) -> None:
    open_pasted(krita)
    krita.show_docker(width)
    for title in (SUBJECT, HARMONIZE):
        krita.choose("limner_operation", title)
        krita.run()
        assert krita.grab(str(krita.folder / "docker.png"))
        (shots / f"{title} {width}.png").write_bytes((krita.folder / "docker.png").read_bytes())
        assert krita.clipped() == []
    krita.grab_window(str(krita.folder / "window.png"))
    (shots / f"masks {width}.png").write_bytes((krita.folder / "window.png").read_bytes())
