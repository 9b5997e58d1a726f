"""Masks in a real GIMP: results that become selections and layer masks, selections as inputs."""

import shutil

import numpy as np
import pytest

from tests.plugin_gimp.images import (
    SIZE,
    ball,
    expected,
    layer,
    meadow,
    plane,
    thing,
    with_ball,
)

pytestmark = [pytest.mark.editors, pytest.mark.usefixtures("simple_networks")]

CANVAS = (SIZE, SIZE)
U8 = {"precision": "U8_NON_LINEAR", "encoding": "R'G'B'A u8"}
SUBJECT, HARMONIZE = "limner-select-subject", "limner-harmonize-composite"
AS_MASK = {"result": "layer-mask"}
CORE, FAR = np.s_[40:56, 32:48], np.s_[:8, :]
"""Parts of the pictures: in the middle of the ball, and far from it."""
PRECISIONS = {
    "u8": ("U8_NON_LINEAR", "R'G'B'A u8", np.uint8),
    "u8-linear": ("U8_LINEAR", "RGBA u8", np.uint8),
    "u8-perceptual": ("U8_PERCEPTUAL", "R~G~B~A u8", np.uint8),
    "u16": ("U16_NON_LINEAR", "R'G'B'A u16", np.uint16),
    "u16-linear": ("U16_LINEAR", "RGBA u16", np.uint16),
    "half-linear": ("HALF_LINEAR", "RGBA half", np.float16),
    "float": ("FLOAT_NON_LINEAR", "R'G'B'A float", np.float32),
}
DEPTHS = {np.uint8: "u8", np.uint16: "u16", np.float16: "f16", np.float32: "f32"}


@pytest.fixture
def run(console):
    """Runs a procedure and checks that it went well."""

    def call(procedure, image, name, **arguments):
        ended = console(
            "call", procedure=procedure, image=image, drawables=[name], arguments=arguments
        )
        assert ended == ("success", "")
        return console("look", image=image)

    return call


def fails(console, procedure, image, name, words, **arguments):
    """Runs a procedure; it has to refuse, to say why, and to leave everything as it was."""
    before = console("look", image=image)
    status, message = console(
        "call", procedure=procedure, image=image, drawables=[name], arguments=arguments
    )
    assert status == "calling-error"
    assert words in message
    assert message.count(".") >= 2, "a sentence and a next step"
    assert console("look", image=image) == before


def picture(console, pixels=None, **more):
    """An image of one layer, the ball on the meadow; returns its id and the plane to expect."""
    given = layer("Picture", with_ball() if pixels is None else pixels, **more)
    image = console("make", canvas=CANVAS, layers=[given], **U8)
    return image, plane("image", given, icc=console("effective_icc", image=image))


def pasted(console, pixels=None):
    """The meadow and over it a layer with the thing; returns the image's id and what it shows."""
    layers = [layer("Meadow", meadow()), layer("Thing", thing() if pixels is None else pixels)]
    image = console("make", canvas=CANVAS, layers=layers, **U8)
    return image, shown(console, image)


def shown(console, image):
    """The plane of all that the artist sees."""
    seen = np.frombuffer(console("merged", image=image), np.uint8).reshape(SIZE, SIZE, 4)
    return plane("image", layer("Thing", seen), icc=console("effective_icc", image=image))


def subject(image, *masks):
    """The mask that the engine makes, H x W."""
    (found,) = expected("select-subject", [image, *masks], CANVAS)
    return values(bytes(found.data))


def harmonized(image, inside, **params):
    """The picture that the engine makes; inside: H x W."""
    mask = plane("mask", layer("Selection", inside))
    (found,) = expected("harmonize-composite", [image, mask], CANVAS, **params)
    return bytes(found.data)


def values(data):
    return np.frombuffer(data, np.uint8).reshape(SIZE, SIZE)


def names(seen):
    return [entry["name"] for entry in seen["layers"]]


def test_the_subject_becomes_the_selection(console, run):
    image, given = picture(console)
    before = console("look", image=image)

    seen = run(SUBJECT, image, "Picture")

    selected = values(seen["selection"])
    assert np.array_equal(selected, subject(given))
    assert (selected[CORE] > 250).all()
    assert not selected[FAR].any()
    assert ((selected > 10) & (selected < 245)).any(), "soft at the edge"
    assert seen["layers"] == before["layers"]
    assert (seen["channels"], seen["selected"]) == (0, ["Picture"])


@pytest.mark.parametrize("name", PRECISIONS)
@pytest.mark.parametrize("place", ["selection", "layer-mask"])
def test_every_precision_keeps_the_values(console, run, name, place):
    precision, encoding, dtype = PRECISIONS[name]
    unit = with_ball() / 255
    stored = unit.astype(dtype) if dtype in (np.float16, np.float32) else None
    stored = np.rint(unit * np.iinfo(dtype).max).astype(dtype) if stored is None else stored
    given = layer("Picture", stored)
    image = console("make", canvas=CANVAS, layers=[given], precision=precision, encoding=encoding)
    icc = console("effective_icc", image=image)

    seen = run(SUBJECT, image, "Picture", result=place)

    wanted = subject(plane("image", given, depth=DEPTHS[dtype], icc=icc))
    found = seen["selection"] or console("mask", image=image, name="Picture")
    assert np.array_equal(values(found), wanted)
    assert (seen["selection"] is None) == (place == "layer-mask")


def test_the_place_on_the_canvas_is_right(console, run):
    image, given = picture(console, np.tile(with_ball(), (2, 2, 1)), x=-SIZE, y=-SIZE)
    assert np.array_equal(values(run(SUBJECT, image, "Picture")["selection"]), subject(given))

    run(SUBJECT, image, "Picture", **AS_MASK)

    mask = np.frombuffer(console("mask", image=image, name="Picture"), np.uint8)
    wanted = np.zeros((2 * SIZE, 2 * SIZE), np.uint8)
    wanted[SIZE:, SIZE:] = subject(given)
    assert np.array_equal(mask.reshape(2 * SIZE, 2 * SIZE), wanted)


def test_a_selection_says_where_to_search_and_is_not_its_own_limit(console, run):
    image, given = picture(console)
    half = np.zeros(CANVAS, np.uint8)
    half[:, :40], half[:, 40:44] = 255, 100
    console("select", image=image, data=half.tobytes())

    first = values(run(SUBJECT, image, "Picture")["selection"])

    assert np.array_equal(first, subject(given, plane("mask", layer("Selection", half))))
    assert first[48, 36] == 255
    assert not first[:, 44:].any()
    again = values(run(SUBJECT, image, "Picture")["selection"])
    assert np.array_equal(again, subject(given))


def test_the_subject_becomes_the_layers_mask(console, run):
    image, given = picture(console)

    seen = run(SUBJECT, image, "Picture", **AS_MASK)

    wanted = subject(given)
    assert np.array_equal(values(console("mask", image=image, name="Picture")), wanted)
    assert seen["layers"][0]["data"] == given.data
    assert seen["selection"] is None
    merged = np.frombuffer(console("merged", image=image), np.uint8).reshape(SIZE, SIZE, 4)
    assert np.array_equal(merged[..., 3], wanted)


def test_a_layer_without_alpha_takes_a_mask(console, run):
    given = layer("Picture", with_ball()[..., :3])
    image = console(
        "make", canvas=CANVAS, layers=[given], precision="U8_NON_LINEAR", encoding="R'G'B' u8"
    )
    run(SUBJECT, image, "Picture", **AS_MASK)
    assert (values(console("mask", image=image, name="Picture"))[CORE] > 250).all()


def test_running_again_replaces_its_mask_alone(console, run):
    image, given = picture(console)
    run(SUBJECT, image, "Picture", **AS_MASK)
    wider = run(SUBJECT, image, "Picture", feather=5.0, **AS_MASK)
    assert wider["layers"][0]["mask"]
    (soft,) = expected("select-subject", [given], CANVAS, feather=5.0)
    assert console("mask", image=image, name="Picture") == bytes(soft.data)

    mine = np.full(CANVAS, 200, np.uint8).tobytes()
    console("paint_mask", image=image, name="Picture", data=mine)

    fails(console, SUBJECT, image, "Picture", "has a mask already", **AS_MASK)
    assert console("mask", image=image, name="Picture") == mine


def test_a_picture_without_a_subject_changes_nothing(console):
    image, _ = picture(console, meadow())
    fails(console, SUBJECT, image, "Picture", "No subject was found")


def test_a_pasted_layer_takes_the_look_of_what_lies_under_it(console, run):
    layers = [layer("Meadow", meadow()), layer("Thing", thing(), group="Things")]
    image = console("make", canvas=CANVAS, layers=[*layers, layer("Ink", thing())], **U8)
    console("show", image=image, name="Ink", visible=False)
    merged = shown(console, image)
    console("show", image=image, name="Ink", visible=True)

    seen = run(HARMONIZE, image, "Thing")

    assert names(seen) == ["Ink", "Things", "Meadow"]
    result, source = seen["layers"][1]["children"]
    assert (result["name"], source["name"]) == ("Harmonized", "Thing")
    inside = thing()[..., 3]
    assert result["data"] == harmonized(merged, inside)
    found = np.frombuffer(result["data"], np.uint8).reshape(SIZE, SIZE, 4)
    assert np.array_equal(found[inside == 0], meadow()[inside == 0]), "bit by bit"
    assert np.array_equal(found[CORE][..., 2], np.full((16, 16), round(120 * 0.8 + 51)))
    assert source["data"] == layers[1]["data"]
    again = run(HARMONIZE, image, "Thing")["layers"][1]["children"]
    assert [entry["name"] for entry in again] == ["Harmonized #1", "Harmonized", "Thing"]
    assert again[0]["data"] == result["data"], "an earlier result is no part of the picture"


def test_a_pasted_photograph_without_alpha_is_a_thing_too(console, run):
    given = {"precision": "U8_NON_LINEAR", "encoding": "R'G'B' u8"}
    photo = layer("Thing", with_ball()[:40, :50, :3], x=20, y=-4)
    image = console(
        "make", canvas=CANVAS, layers=[layer("Meadow", meadow()[..., :3]), photo], **given
    )
    merged = shown(console, image)

    seen = run(HARMONIZE, image, "Thing")

    inside = np.zeros(CANVAS, np.uint8)
    inside[:36, 20:70] = 255
    assert seen["layers"][0]["data"] == harmonized(merged, inside)


def test_a_layer_can_be_chosen_as_the_mask(console, run):
    image, given = picture(console)
    inside = np.rint(255 * ball(20)).astype(np.uint8)
    black_and_white = np.repeat(inside[..., None], 4, -1)
    black_and_white[..., 3] = 255
    layers = [layer("Picture", with_ball()), layer("White", black_and_white, hidden=True)]
    image = console("make", canvas=CANVAS, layers=layers, **U8)

    seen = run(HARMONIZE, image, "Picture", mask="White")

    assert seen["layers"][1]["data"] == harmonized(given, inside)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("name", ["u8", "u16", "u16-linear", "float"])
def test_a_soft_selection_is_the_thing(console, run, name, in_place):
    precision, encoding, dtype = PRECISIONS[name]
    unit = with_ball() / 255
    floating = dtype is np.float32
    stored = unit.astype(dtype) if floating else np.rint(unit * np.iinfo(dtype).max).astype(dtype)
    given = layer("Picture", stored)
    image = console("make", canvas=CANVAS, layers=[given], precision=precision, encoding=encoding)
    icc = console("effective_icc", image=image)
    inside = np.rint(255 * ball(20)).astype(np.uint8)
    console("select", image=image, data=inside.tobytes())

    seen = run(HARMONIZE, image, "Picture", **{"in-place": in_place})

    source = plane("image", given, depth=DEPTHS[dtype], icc=icc)
    assert seen["layers"][0]["data"] == harmonized(source, inside)
    found = np.frombuffer(seen["layers"][0]["data"], dtype).reshape(SIZE, SIZE, 4)
    assert np.array_equal(found[inside == 0], stored[inside == 0]), "bit by bit"
    assert (found[CORE] != stored[CORE]).any(axis=-1).all()
    assert np.array_equal(values(seen["selection"]), inside)
    assert len(seen["layers"]) == (1 if in_place else 2)


def test_a_subject_found_is_harmonized(console, run):
    image, given = picture(console)
    inside = values(run(SUBJECT, image, "Picture")["selection"])
    seen = run(HARMONIZE, image, "Picture")
    assert seen["layers"][0]["data"] == harmonized(given, inside)


def test_without_a_thing_it_says_what_to_do(console):
    image, _ = picture(console)
    words = "does not know which part of the picture is meant"
    fails(console, HARMONIZE, image, "Picture", words)
    image, _ = pasted(console)
    fails(console, HARMONIZE, image, "Thing", words, **{"in-place": True})
    image, _ = pasted(console, with_ball())
    fails(console, HARMONIZE, image, "Thing", words)


def test_what_is_no_part_of_the_picture_is_said(console):
    image, _ = pasted(console)
    console("show", image=image, name="Thing", visible=False)
    fails(console, HARMONIZE, image, "Thing", "is hidden")
    image, _ = picture(console)
    console("select", image=image, data=np.full(CANVAS, 255, np.uint8).tobytes())
    fails(console, HARMONIZE, image, "Picture", "leaves nothing of the picture")


def test_the_networks_that_ship_find_and_harmonize(console, run, engine):
    shutil.rmtree(engine.home / "models")
    image, _ = picture(console)
    selected = values(run(SUBJECT, image, "Picture")["selection"])
    inside = ball() > 0.5
    assert (inside & (selected > 127)).sum() / (inside | (selected > 127)).sum() > 0.8
    result = run(HARMONIZE, image, "Picture")["layers"][0]
    found = np.frombuffer(result["data"], np.uint8).reshape(SIZE, SIZE, 4)
    assert np.array_equal(found[selected == 0], with_ball()[selected == 0])
    assert not np.array_equal(found, with_ball())
