"""Operations on a set of pictures in a real Krita: several layers, each with its own result."""

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.job import Cache
from engine.run import run_operation
from ipc.planes import Plane
from tests.plugin_krita.conftest import Krita
from tests.plugin_krita.documents import SIZE, SRGB, bgra, names, new_document, plane, undo

pytestmark = [pytest.mark.editors, pytest.mark.timeout(900)]

COLOURS = {
    "Sand": ((214, 180, 120), (70, 120, 190), (150, 70, 40)),
    "Sea": ((40, 110, 150), (210, 180, 90), (170, 60, 70)),
    "Sky": ((120, 160, 230), (230, 190, 150), (190, 90, 50)),
}
"""The layers from the lowest to the topmost, and the colours of their bands."""
SET = ("Sky", "Sea", "Sand")


def picture(name: str, size: int = SIZE) -> np.ndarray:
    """Bands of a layer's colours, a little uneven, RGBA; the topmost layers leave a part open."""
    pixels = np.full((size, size, 4), 255, np.uint8)
    bands = np.array(COLOURS[name])[np.arange(size) * 3 // size]
    ramp = np.linspace(-15, 15, size)[None, :, None]
    pixels[..., :3] = np.rint(bands[:, None] + ramp).clip(0, 255)
    pixels[:, : SET[::-1].index(name) * size // 3, 3] = 0
    return pixels


def open_set(krita: Krita, size: int = SIZE) -> None:
    """A document with three layers, selected in the layer list, and the docker beside them."""
    new_document(krita, size, "RGBA", "U8", SRGB)
    krita.rename("Background", "Sand")
    for name in ("Sea", "Sky"):
        krita.add_layer(name, "paintlayer")
        krita.wait_until(lambda name=name: krita.active_layer() == name)
    for name in SET:
        krita.paint(name, bgra(picture(name, size)))
    krita.show_docker(300)
    krita.choose("limner_operation", "Recolor set")
    select(krita, *SET)


def select(krita: Krita, *layers: str) -> None:
    krita.select_layers(*layers)
    krita.wait_until(lambda: krita.selected_layers() == sorted(layers), 20)


def recolored(planes: list[Plane], params: dict[str, object]) -> list[np.ndarray]:
    """Pictures as the engine makes them."""
    results, _ = run_operation(
        "recolor",
        params,
        planes,
        (SIZE, SIZE),
        cache=Cache(0),
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
    )
    return [pixels_of(result) for result in results if result.role == "picture"]


def from_engine(
    *layers: str,
    mask: np.ndarray | None = None,
    links: Sequence[np.ndarray] = (),
    common: np.ndarray | None = None,
    **params: object,
) -> list[np.ndarray]:
    """The engine's own answer to the set: a picture for each layer."""
    planes = [plane("image", picture(name)) for name in layers]
    planes += [plane("links", swatches, None, "f32") for swatches in links]
    if common is not None:
        planes.append(plane("common-links", common, None, "f32"))
    if mask is not None:
        planes.append(plane("mask", mask[..., None], None))
    return recolored(planes, params)


def pixels_of(found: Plane) -> np.ndarray:
    return np.frombuffer(found.data, np.uint8).reshape(SIZE, SIZE, 4)


def order(*layers: str, over: tuple[str, ...] = SET) -> list[str]:
    """The layer list where each of `layers` has its result above it; paths of twins are equal."""
    found = []
    for name in over:
        if name in layers:
            found += ["Recolor set", f"Recolor set/{name} recolored"]
        found.append(name)
    return found


def results(krita: Krita) -> list[np.ndarray]:
    """The pixels of all results, the topmost first."""
    file = krita.folder / "pixels.raw"
    count = krita.read_all(" recolored", str(file))
    data = np.frombuffer(file.read_bytes(), np.uint8).reshape(count, SIZE, SIZE, 4)
    return [bgra(pixels) for pixels in data]


def same(found: list[np.ndarray], wanted: list[np.ndarray]) -> bool:
    return len(found) == len(wanted) and all(map(np.array_equal, found, wanted))


def shown_links(krita: Krita, strip: str = "limner_swatches") -> np.ndarray:
    """A palette strip as the engine takes it."""
    source = krita.exact_swatches(strip)
    data = np.zeros((2, len(source), 4), np.float32)
    data[0] = [(*rgb, 1) for rgb in source]
    for number, *rgb in krita.links(strip):
        data[1, number] = (*rgb, 1)
    return data


def page(name: str) -> np.ndarray:
    """A picture of the set without anything transparent, RGBA."""
    pixels = picture(name)
    pixels[..., 3] = 255
    return pixels


def open_pages(krita: Krita) -> None:
    """A document for each picture, named as it is, each of two layers; the first is in view."""
    for number, name in enumerate(SET):
        new_document(krita, SIZE, "RGBA", "U8", SRGB)
        half = bgra(page(name))
        krita.paint("Background", half)
        krita.add_layer("Over", "paintlayer")
        krita.wait_until(lambda: krita.active_layer() == "Over")
        half[SIZE // 2 :] = 0
        krita.paint("Over", half)
        krita.wait_until(krita.is_idle)
        krita.save(str(krita.folder / f"{name}.kra"))
        assert krita.documents() == number + 1
    view(krita, 0)
    krita.show_docker(300)
    krita.choose("limner_operation", "Recolor set")
    krita.choose("limner_input_image", "Open documents")


def view(krita: Krita, number: int) -> None:
    """Shows another of the documents."""
    krita.show_document(number)
    krita.wait_until(lambda: krita.document_name() == SET[number])
    krita.wait_until(krita.is_idle)


def on_pages(krita: Krita, *numbers: int) -> list[np.ndarray]:
    """The results in the documents, each on top of all layers; the first one is in view again."""
    found = []
    for number in numbers:
        view(krita, number)
        path = f"Recolor set/{SET[number]} recolored"
        assert names(krita) == ["Recolor set", path, "Over", "Background"]
        found.append(bgra(krita.pixels(path, SIZE)))
        assert np.array_equal(bgra(krita.seen(SIZE)), found[-1])
    view(krita, 0)
    return found


def of_pages(**params: object) -> list[np.ndarray]:
    """The engine's own answer to the documents."""
    planes = [plane("image", page(name)) for name in SET]
    return recolored(planes, params)


def looks(krita: Krita, shots: Path, name: str) -> None:
    for part, grab in (("window", krita.grab_window), ("docker", krita.grab)):
        file = krita.folder / f"{part}.png"
        grab(str(file))
        shutil.copy(file, shots / f"{name} {part}.png")


def test_each_selected_layer_gets_its_result_above_it(krita: Krita, shots: Path) -> None:
    open_set(krita)
    krita.wait_until(lambda: krita.value("limner_input_image") == "3 layers: Sky, Sea, Sand", 20)

    said = krita.run()

    assert names(krita) == order(*SET), said
    wanted = from_engine(*SET)
    assert same(results(krita), wanted)
    assert not any(np.array_equal(w, picture(n)) for w, n in zip(wanted, SET, strict=True))
    assert all(np.array_equal(bgra(krita.pixels(name, SIZE)), picture(name)) for name in SET)
    assert said.startswith("Recolor set: 3 layers, each above its own, ")
    assert said.endswith("Undo 3 times to remove the results.")
    assert krita.selected_layers() == sorted(SET)
    looks(krita, shots, "recolor set")
    undo(krita, 3)
    assert names(krita) == list(SET)
    undo(krita, 3, "edit_redo")
    assert names(krita) == order(*SET)
    assert same(results(krita), wanted)


def test_running_again_replaces_all_results(krita: Krita) -> None:
    open_set(krita)
    krita.run()
    krita.set_value("limner_parameter_strength", 40)

    said = krita.run()

    assert names(krita) == order(*SET), said
    assert same(results(krita), from_engine(*SET, strength=40.0))
    assert said.endswith("Undo 3 times to remove the results, 4 times for all of it.")
    undo(krita, 3)
    assert names(krita) == list(SET)
    undo(krita)
    assert same(results(krita), from_engine(*SET))


def test_results_that_are_selected_too_are_no_pictures(krita: Krita) -> None:
    open_set(krita)
    krita.run()
    krita.trigger("select_all_layers")
    krita.wait_until(lambda: len(krita.selected_layers()) > len(SET), 20)

    krita.run()

    assert names(krita) == order(*SET)
    assert same(results(krita), from_engine(*SET))


def test_an_edited_result_stays_and_the_others_are_replaced(krita: Krita) -> None:
    open_set(krita)
    krita.run()
    krita.rename("Recolor set/Sand recolored", "Mine")

    said = krita.run()

    assert "You edited the last result" in said
    found = names(krita)
    assert sorted(found) == sorted([*order(*SET), "Recolor set", "Recolor set/Mine"])
    assert found[:6] == order("Sky", "Sea", over=("Sky", "Sea"))


def test_two_of_the_layers_leave_the_third_alone(krita: Krita) -> None:
    open_set(krita)
    select(krita, "Sea", "Sand")

    krita.run()

    assert names(krita) == order("Sea", "Sand")
    assert same(results(krita), from_engine("Sea", "Sand"))


def test_one_layer_alone_gets_the_engines_word(krita: Krita) -> None:
    open_set(krita)
    select(krita, "Sea")
    krita.wait_until(lambda: krita.value("limner_input_image") == "Sea (automatic)", 20)

    said = krita.run()

    assert names(krita) == order("Sea")
    assert "1 layer above “Sea”" in said
    assert "One picture alone has nothing to share its colours with" in said
    assert said.endswith("Undo once to remove the result.")


def test_the_selection_limits_all_results(krita: Krita) -> None:
    open_set(krita)
    krita.select(0, 0, SIZE, SIZE // 2)

    krita.run()

    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[: SIZE // 2] = 255
    wanted = from_engine(*SET, mask=mask)
    assert same(results(krita), wanted)
    assert np.array_equal(wanted[0][SIZE // 2 :], picture("Sky")[SIZE // 2 :])


def test_cancel_leaves_the_layers_as_they_were(krita: Krita) -> None:
    open_set(krita, 3000)
    before = krita.tree()

    assert krita.click("limner_run")
    krita.wait_until_at_work()
    assert krita.click("limner_cancel")

    assert krita.finish() == "Cancelled. The picture is as it was."
    assert krita.tree() == before
    assert krita.selected_layers() == sorted(SET)


def test_each_picture_has_its_own_palette_to_change(krita: Krita, shots: Path) -> None:
    open_set(krita)
    krita.run()
    assert krita.choices("limner_picture") == list(SET)
    assert krita.value("limner_picture") == "Sky"
    free = from_engine(*SET)
    krita.choose("limner_picture", "Sea")
    sea = krita.swatches()[0]
    krita.paint_with((31, 157, 138))
    krita.swatch_menu(0, "Take the foreground colour")
    looks(krita, shots, "recolor set links")
    links = []
    for name in SET:
        krita.choose("limner_picture", name)
        assert (krita.swatches()[0] == sea) == (name == "Sea")
        assert len(krita.links()) == (name == "Sea")
        links.append(shown_links(krita))

    krita.run()

    wanted = from_engine(*SET, links=links)
    assert same(results(krita), wanted)
    assert not np.array_equal(wanted[1], free[1])


def test_a_picture_new_to_the_set_gets_its_palette_first(krita: Krita) -> None:
    open_set(krita)
    select(krita, "Sky", "Sea")
    krita.run()
    krita.paint_with((31, 157, 138))
    krita.swatch_menu(0, "Take the foreground colour")
    select(krita, *SET)
    assert not krita.is_shown("limner_picture") or krita.choices("limner_picture") == ["Sky", "Sea"]

    said = krita.run()

    assert "run again for the colours that you chose" in said
    assert same(results(krita), from_engine(*SET))
    assert "run again" not in krita.run()
    assert not same(results(krita), from_engine(*SET))


def test_the_palette_in_common_is_changed_and_all_pictures_follow(
    krita: Krita, shots: Path
) -> None:
    open_set(krita)
    assert not krita.is_shown("limner_common") and not krita.is_shown("limner_common_title")
    krita.run()
    free = from_engine(*SET)
    assert krita.is_shown("limner_common_title")
    codes, becomes, _ = krita.swatches("limner_common")
    assert codes == becomes
    krita.paint_with((140, 90, 170))
    krita.swatch_menu(0, "Take the foreground colour", "limner_common")
    krita.swatch_menu(1, "Lock", "limner_common")
    looks(krita, shots, "recolor set common")
    common = shown_links(krita, "limner_common")

    said = krita.run()

    wanted = from_engine(*SET, common=common)
    assert same(results(krita), wanted), said
    assert sum(not np.array_equal(*pair) for pair in zip(wanted, free, strict=True)) > 1
    looks(krita, shots, "recolor set common changed")
    codes_then, becomes_then, marks = krita.swatches("limner_common")
    assert codes_then == codes and becomes_then[0] != becomes[0]
    assert marks[:2] == ["chosen", "locked"] and not any(marks[2:])
    assert krita.clipped() == []

    # Pictures keep what the artist wants of their own colours.
    krita.choose("limner_picture", "Sea")
    krita.swatch_menu(0, "Lock")
    links = []
    for name in SET:
        krita.choose("limner_picture", name)
        links.append(shown_links(krita))
    krita.run()
    assert same(results(krita), from_engine(*SET, common=common, links=links))

    assert krita.click("limner_reset_common")
    krita.run()
    assert same(results(krita), from_engine(*SET, links=links))


def test_a_colour_of_a_picture_takes_one_in_common_and_follows_it(
    krita: Krita, shots: Path
) -> None:
    open_set(krita)
    krita.run()
    krita.choose("limner_picture", "Sea")
    shared = krita.swatches("limner_common")[1]
    number = krita.swatches()[1].index(max(krita.swatches()[1]))
    texts = krita.swatch_menu(number, f"Becomes {shared[2]}")
    assert [text for text in texts if text.startswith("Becomes")] == [
        f"Becomes {code}" for code in shared
    ]
    assert krita.swatches()[1][number] == shared[2]

    krita.paint_with((60, 140, 90))
    krita.swatch_menu(2, "Take the foreground colour", "limner_common")

    taken = {tuple(rgb) for number, *rgb in krita.links()}
    assert taken == {tuple(krita.links("limner_common")[0][1:])}
    krita.run()
    links = []
    for name in SET:
        krita.choose("limner_picture", name)
        links.append(shown_links(krita))
    common = shown_links(krita, "limner_common")
    assert same(results(krita), from_engine(*SET, common=common, links=links))


def test_a_setting_without_effect_is_out_of_reach_and_says_why(krita: Krita, shots: Path) -> None:
    open_set(krita)
    krita.run()
    setting = "limner_parameter_colors"
    words = krita.tip(setting)

    # A picture's own palette leaves the number of colours in common open.
    krita.swatch_menu(0, "Lock")
    assert krita.is_enabled(setting)

    krita.swatch_menu(0, "Lock", "limner_common")
    assert not krita.is_enabled(setting)
    assert krita.tip(setting) == (
        f"{words}\nIt has no effect as long as colours of the palette in common are changed or "
        "locked."
    )
    looks(krita, shots, "recolor set overruled")
    krita.swatch_menu(0, "Unlock", "limner_common")
    assert krita.is_enabled(setting)
    assert krita.tip(setting) == words

    name = next(name for name in krita.palettes() if len(krita.palette(name)) <= 32)
    krita.choose("limner_input_palette", name)
    assert not krita.is_enabled(setting)
    assert "as long as there is a palette" in krita.tip(setting)
    krita.choose("limner_input_palette", "None")
    assert krita.is_enabled(setting)


def test_another_palette_begins_afresh(krita: Krita) -> None:
    open_set(krita)
    krita.run()
    krita.swatch_menu(0, "Lock", "limner_common")
    name = next(name for name in krita.palettes() if len(krita.palette(name)) <= 32)
    krita.choose("limner_input_palette", name)
    assert not krita.is_shown("limner_common")
    krita.run()
    given = {tuple(colour) for colour in krita.palette(name)}
    shown = [tuple(bytes.fromhex(code[1:])) for code in krita.swatches("limner_common")[0]]
    assert all(min(np.abs(np.subtract(c, g)).max() for g in given) <= 1 for c in shown)


def test_live_shows_the_whole_set_and_applies_it(krita: Krita, shots: Path) -> None:
    open_set(krita)
    assert krita.click("limner_live")
    krita.wait(lambda state: state["notice"].startswith("Live, "))
    assert krita.preview(str(krita.folder / "preview.png"))
    shutil.copy(krita.folder / "preview.png", shots / "recolor set preview.png")
    assert names(krita) == list(SET)
    krita.wait_until(krita.is_live_current)

    assert "3 layers, each above its own" in krita.run()

    assert names(krita) == order(*SET)
    assert same(results(krita), from_engine(*SET))


def test_a_group_that_is_selected_with_its_layers_is_one_picture(krita: Krita) -> None:
    open_set(krita)
    select(krita, "Sea", "Sand")
    krita.trigger("create_quick_group")
    krita.wait_until(lambda: len(names(krita)) == 4, 20)
    (group,) = {name.split("/")[0] for name in names(krita)} - {"Sky"}
    krita.trigger("select_all_layers")
    krita.wait_until(lambda: len(krita.selected_layers()) == 4, 20)

    said = krita.run()

    assert "2 layers, each above its own" in said
    assert names(krita) == [
        *order("Sky", over=("Sky",)),
        "Recolor set",
        f"Recolor set/{group} recolored",
        group,
        f"{group}/Sea",
        f"{group}/Sand",
    ]


def test_open_documents_are_a_set_and_each_gets_its_result_on_top(
    krita: Krita, shots: Path
) -> None:
    open_pages(krita)
    assert krita.value("limner_input_image") == "3 documents: Sky, Sea, Sand"

    said = krita.run()

    assert said.startswith("Recolor set: a layer on top of 3 documents, "), said
    assert said.endswith("Undo once in each document to remove its result.")
    assert same(on_pages(krita, 0, 1, 2), of_pages())
    assert krita.choices("limner_picture") == list(SET)
    assert krita.value("limner_picture") == "Sky"
    looks(krita, shots, "recolor documents")

    # What it made itself is no part of the pictures, and is replaced.
    krita.set_value("limner_parameter_strength", 40)
    krita.run()
    assert same(on_pages(krita, 0, 1, 2), of_pages(strength=40.0))

    for number in range(3):
        view(krita, number)
        undo(krita)
        assert names(krita) == ["Over", "Background"]
    undo(krita, 1, "edit_redo")
    assert len(names(krita)) == 4


@pytest.mark.parametrize("closed", [0, 2])
def test_a_document_closed_meanwhile_leaves_the_others(krita: Krita, closed: int) -> None:
    open_pages(krita)
    krita.hold_answers()
    assert krita.click("limner_run")
    krita.wait_until(krita.has_held_answer)
    krita.close_file(SET[closed])
    krita.wait_until(lambda: krita.documents() == 2)

    left = [number for number in range(3) if number != closed]
    krita.show_document(0)

    krita.let_answers_go()

    words = f"“{SET[closed]}” was closed meanwhile and has no result."
    said = krita.wait(lambda state: words in state["notice"], 20)["notice"]
    assert "a layer on top of 2 documents" in said
    wanted = of_pages()
    for place, number in enumerate(left):
        krita.show_document(place)
        krita.wait_until(lambda number=number: krita.document_name() == SET[number])
        path = f"Recolor set/{SET[number]} recolored"
        assert np.array_equal(bgra(krita.pixels(path, SIZE)), wanted[number])
