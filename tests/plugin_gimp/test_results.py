"""Results in the artist's image: where they go, and that they are the engine's, to the bit."""

from dataclasses import replace

import numpy as np
import pytest

from tests.plugin_gimp.images import (
    SIZE,
    expected,
    ink,
    layer,
    lines,
    photograph,
    plane,
    same,
    scribbles,
)

pytestmark = pytest.mark.editors

CANVAS = (SIZE, SIZE)
U8 = {"precision": "U8_NON_LINEAR", "encoding": "R'G'B'A u8"}
SUCCESS = ("success", "")


@pytest.fixture
def run(console):
    """Runs a procedure on the image and layer that are named and checks that it went well."""

    def call(operation, image, name, **arguments):
        ended = console(
            "call",
            procedure=f"limner-{operation}",
            image=image,
            drawables=[name],
            arguments=arguments,
        )
        assert ended == SUCCESS
        return console("look", image=image)

    return call


def names(layers):
    return [entry["name"] for entry in layers]


def test_flats_go_into_one_group_under_the_lines(console, run):
    drawn, hints = layer("Lines", ink()), layer("Scribbles", scribbles())
    image = console("make", canvas=CANVAS, layers=[drawn, hints], **U8)
    icc = console("effective_icc", image=image)
    seen = run("flats", image, "Lines", scribbles="Scribbles", layers="per-colour")
    assert names(seen["layers"]) == ["Scribbles", "Lines", "Flat colours"]
    planes = [plane("line-art", drawn, icc=icc), plane("scribbles", hints, icc=icc)]
    results = expected("flats", planes, CANVAS, layers="per-colour")
    children = seen["layers"][2]["children"]
    assert len(results) > 1
    assert all(same(child, result) for child, result in zip(children[::-1], results, strict=True))
    assert seen["layers"][1]["data"] == drawn["data"]
    assert seen["layers"][1]["mode"] == "normal"
    assert seen["selected"] == ["Scribbles"]


@pytest.mark.parametrize(("paper", "mode"), [("white", "multiply"), ("black", "screen")])
def test_lines_on_paper_let_colours_through(console, run, paper, mode):
    drawn = layer("Lines", lines() if paper == "white" else 255 - lines())
    given = {"precision": "U8_NON_LINEAR", "encoding": "R'G'B' u8"}
    image = console("make", canvas=CANVAS, layers=[drawn], **given)
    above, group = run("flats", image, "Lines")["layers"]
    assert above["mode"] == mode
    assert above["data"] == drawn["data"]
    assert group["name"] == "Flat colours"


def test_layers_keep_their_places(console, run):
    drawn = layer("Lines", ink(), x=40, y=-10)
    hints = layer("Scribbles", scribbles(), x=40, y=-10)
    image = console("make", canvas=(200, 120), layers=[drawn, hints], **U8)
    icc = console("effective_icc", image=image)
    seen = run("flats", image, "Lines", scribbles="Scribbles")
    planes = [plane("line-art", drawn, icc=icc), plane("scribbles", hints, icc=icc)]
    (result,) = expected("flats", planes, (200, 120))
    assert same(seen["layers"][2]["children"][0], result)


def test_a_picture_goes_above_its_source(console, run):
    below, picture = layer("Below", photograph()), layer("Photograph", photograph(), group="Pages")
    image = console("make", canvas=(64, 48), layers=[below, picture], **U8)
    icc = console("effective_icc", image=image)
    seen = run("harmonize-palette", image, "Photograph", strength=80.0)
    assert names(seen["layers"]) == ["Pages", "Below"]
    assert names(seen["layers"][0]["children"]) == ["Harmonized", "Photograph"]
    (result,) = expected(
        "harmonize-palette", [plane("image", picture, icc=icc)], (64, 48), strength=80.0
    )
    assert same(seen["layers"][0]["children"][0], result)
    assert seen["layers"][0]["children"][1]["data"] == picture["data"]


def test_a_picture_can_be_changed_in_place(console, run):
    mask = bytes(range(64)) * 48
    picture = layer("Photograph", photograph(), x=-4, y=5, mask=mask)
    image = console("make", canvas=(64, 48), layers=[picture], **U8)
    icc = console("effective_icc", image=image)
    (seen,) = run("harmonize-palette", image, "Photograph", **{"in-place": True})["layers"]
    (result,) = expected("harmonize-palette", [plane("image", picture, icc=icc)], (64, 48))
    whole = photograph()
    whole[: result.height, 4:] = np.frombuffer(result.data, np.uint8).reshape(
        result.height, result.width, 4
    )
    assert seen["data"] == whole.tobytes()
    assert seen["mask"], "the mask stays a mask"
    assert (seen["x"], seen["y"]) == (-4, 5)


@pytest.mark.parametrize("in_place", [False, True])
def test_a_soft_selection_limits_the_result(console, run, in_place):
    picture = layer("Photograph", photograph())
    image = console("make", canvas=(64, 48), layers=[picture], **U8)
    icc = console("effective_icc", image=image)
    soft = np.clip(np.arange(64) * 8 - 100, 0, 255).astype(np.uint8)
    selected = layer("Selection", np.tile(soft, (48, 1)))
    console("select", image=image, data=selected["data"])
    seen = run("harmonize-palette", image, "Photograph", **{"in-place": in_place})
    planes = [plane("image", picture, icc=icc), plane("mask", selected)]
    (result,) = expected("harmonize-palette", planes, (64, 48))
    assert seen["layers"][0]["data"] == bytes(result.data)
    outside = np.frombuffer(bytes(result.data), np.uint8).reshape(48, 64, 4)[:, soft == 0]
    assert (outside == photograph()[:, soft == 0]).all()
    assert seen["selection"] == selected["data"]
    assert seen["channels"] == 0


def test_a_selection_limits_flats(console, run):
    drawn, hints = layer("Lines", ink()), layer("Scribbles", scribbles())
    image = console("make", canvas=CANVAS, layers=[drawn, hints], **U8)
    icc = console("effective_icc", image=image)
    inside = np.zeros(CANVAS, np.uint8)
    inside[:, : SIZE // 2] = 255
    selected = layer("Selection", inside)
    console("select", image=image, data=selected["data"])
    seen = run("flats", image, "Lines", scribbles="Scribbles")
    planes = [
        plane("line-art", drawn, icc=icc),
        plane("scribbles", hints, icc=icc),
        plane("mask", selected),
    ]
    (result,) = expected("flats", planes, CANVAS)
    assert same(seen["layers"][2]["children"][0], result)


def test_a_palette_of_gimps_is_an_input(console, run):
    picture = layer("Photograph", photograph())
    image = console("make", canvas=(64, 48), layers=[picture], **U8)
    icc = console("effective_icc", image=image)
    colours = np.array([[[200, 40, 60], [30, 90, 200], [240, 220, 40]]], np.uint8)
    name = console("palette", name="Three", colours=colours[0].tolist())
    seen = run("harmonize-palette", image, "Photograph", palette=name)
    given = layer("Three", (colours / np.float32(255)).astype(np.float32))
    planes = [plane("image", picture, icc=icc), plane("palette", given, depth="f32")]
    (result,) = expected("harmonize-palette", planes, (64, 48))
    assert seen["layers"][0]["data"] == bytes(result.data)


def test_locks_of_a_palette_of_gimps_reach_the_engine(console, run):
    picture = layer("Photograph", photograph())
    image = console("make", canvas=(64, 48), layers=[picture], **U8)
    icc = console("effective_icc", image=image)
    colours = np.array([[[200, 40, 60], [30, 90, 200]]], np.uint8)
    marks = {"names": ["red [locked]", "blue [locked]"], "colours": colours[0].tolist()}
    name = console("palette", name="Locked", **marks)
    seen = run("harmonize-palette", image, "Photograph", palette=name)
    given = layer("Locked", (colours / np.float32(255)).astype(np.float32))
    free = plane("palette", given, depth="f32")
    locked = replace(free, attributes={"locked": [True, True]})
    made = [
        expected("harmonize-palette", [plane("image", picture, icc=icc), palette], (64, 48))[0].data
        for palette in (locked, free)
    ]
    assert seen["layers"][0]["data"] == bytes(made[0])
    assert made[0] != made[1]


def test_a_note_of_the_engine_is_said(console, run):
    grey = np.repeat(photograph()[..., :1], 3, -1)
    image = console(
        "make",
        canvas=(64, 48),
        layers=[layer("Photograph", grey)],
        precision="U8_NON_LINEAR",
        encoding="R'G'B' u8",
    )
    icc = console("effective_icc", image=image)
    run("harmonize-palette", image, "Photograph")
    (result,) = expected(
        "harmonize-palette", [plane("image", layer("Photograph", grey), icc=icc)], (64, 48)
    )
    assert result.attributes["metadata"]["note"] in console.log()


# What the artist sees: a hidden mask, group or effect is part of a layer.
def test_a_mask_is_part_of_a_layer(console, run):
    hidden = np.zeros(CANVAS, np.uint8)
    hidden[:, : SIZE // 2] = 255
    drawn = layer("Lines", ink())
    hints = layer("Scribbles", scribbles(), mask=hidden.tobytes(), hidden=True)
    image = console("make", canvas=CANVAS, layers=[drawn, hints], **U8)
    icc = console("effective_icc", image=image)
    seen = run("flats", image, "Lines", scribbles="Scribbles")
    shown = scribbles()
    shown[hidden == 0] = 0
    planes = [
        plane("line-art", drawn, icc=icc),
        plane("scribbles", layer("Scribbles", shown), icc=icc),
    ]
    (result,) = expected("flats", planes, CANVAS)
    assert same(seen["layers"][2]["children"][0], result)


def test_a_group_is_seen_as_a_whole(console, run):
    drawn = layer("Lines", ink(), x=4, y=6, group="Inks")
    image = console("make", canvas=CANVAS, layers=[drawn], **U8)
    icc = console("effective_icc", image=image)
    seen = run("flats", image, "Inks")
    assert names(seen["layers"]) == ["Inks", "Flat colours"]
    (result,) = expected("flats", [plane("line-art", drawn, icc=icc)], CANVAS)
    assert seen["layers"][1]["children"][0]["data"] == bytes(result.data)


def test_an_effect_is_part_of_a_layer(console, run):
    picture = layer("Photograph", photograph()[12:, 8:])
    image = console("make", canvas=(56, 36), layers=[picture], **U8)
    icc = console("effective_icc", image=image)
    console("invert", image=image, name="Photograph")
    seen = run("harmonize-palette", image, "Photograph", strength=0.0)
    inverted = 255 - photograph()[12:, 8:, :3]
    shown = np.frombuffer(seen["layers"][0]["data"], np.uint8).reshape(36, 56, 4)
    assert (shown[..., :3] == inverted).all()
    assert icc


FORMATS = {
    "u8": ("U8_NON_LINEAR", "R'G'B'A u8", "u1", 4, None, None),
    "u8-opaque": ("U8_NON_LINEAR", "R'G'B' u8", "u1", 3, None, None),
    "u8-linear": ("U8_LINEAR", "RGBA u8", "u1", 4, None, None),
    "u8-adobe": ("U8_NON_LINEAR", "R'G'B'A u8", "u1", 4, "adobe", "adobe"),
    "u16-adobe": ("U16_NON_LINEAR", "R'G'B'A u16", "u2", 4, "adobe", "adobe"),
    "u16-perceptual": ("U16_PERCEPTUAL", "R~G~B~A u16", "u2", 4, "adobe", "adobe-srgb-curve"),
    "half-linear": ("HALF_LINEAR", "RGBA half", "f2", 4, None, None),
    "half-linear-adobe": ("HALF_LINEAR", "RGBA half", "f2", 4, "adobe", "adobe-linear"),
    "float-linear": ("FLOAT_LINEAR", "RGBA float", "f4", 4, None, None),
    "float-adobe": ("FLOAT_NON_LINEAR", "R'G'B'A float", "f4", 4, "adobe", "adobe"),
    "float-perceptual": ("FLOAT_PERCEPTUAL", "R~G~B~ float", "f4", 3, None, None),
    "grey": ("U8_NON_LINEAR", "Y' u8", "u1", 1, None, None),
    "grey-alpha-u16": ("U16_NON_LINEAR", "Y'A u16", "u2", 2, None, None),
    "grey-float-linear": ("FLOAT_LINEAR", "YA float", "f4", 2, None, None),
}
DEPTHS = {"u1": "u8", "u2": "u16", "f2": "f16", "f4": "f32"}


def stored(dtype, channels):
    """A picture's stored values; those of floating point go over 1 and below 0."""
    picture = photograph(channels).astype(np.float64) / 255
    if dtype[0] == "f":
        colours = channels - (channels in (2, 4))
        picture[..., :colours] = picture[..., :colours] * 1.4 - 0.1
        return picture.astype(dtype)
    return np.round(picture * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("name", FORMATS)
def test_every_precision_makes_the_round_trip(console, run, name):
    precision, encoding, dtype, channels, profile, sent = FORMATS[name]
    picture = layer("Photograph", stored(dtype, channels))
    image = console(
        "make",
        canvas=(64, 48),
        precision=precision,
        encoding=encoding,
        layers=[picture],
        profile=profile,
    )
    icc = console("icc", name=sent) if sent else console("effective_icc", image=image)
    in_place = {"in-place": True}
    (untouched,) = run("harmonize-palette", image, "Photograph", strength=0.0, **in_place)["layers"]
    assert untouched["data"] == picture["data"]
    (result,) = expected(
        "harmonize-palette",
        [plane("image", picture, depth=DEPTHS[dtype], icc=icc)],
        (64, 48),
    )
    seen = run("harmonize-palette", image, "Photograph")
    assert seen["base"] == ("rgb" if result.channels > 2 else "gray")
    assert holds(console, image, seen["layers"][0], result)


@pytest.mark.parametrize("name", FORMATS)
def test_every_precision_takes_exact_flats(console, run, name):
    precision, encoding, dtype, channels, profile, sent = FORMATS[name]
    drawn = layer("Photograph", stored(dtype, channels))
    image = console(
        "make",
        canvas=(64, 48),
        precision=precision,
        encoding=encoding,
        layers=[drawn],
        profile=profile,
    )
    icc = console("icc", name=sent) if sent else console("effective_icc", image=image)
    seen = run("flats", image, "Photograph")
    assert seen["base"] == "rgb", "a grey image cannot hold colours"
    (result,) = expected(
        "flats", [plane("line-art", drawn, depth=DEPTHS[dtype], icc=icc)], (64, 48)
    )
    assert holds(console, image, seen["layers"][1]["children"][0], result)


def holds(console, image, described, result):
    """Whether a layer holds the result: bit for bit, where both are stored alike."""
    if result.icc is None and result.depth == "f32":  # a colour result of a linear grey image
        found = console("convert", image=image, name=described["name"], encoding="R'G'B'A float")
        made = np.frombuffer(bytes(result.data), "f4")
        return np.abs(np.frombuffer(found, "f4") - made).max() < 1e-6
    return described["data"] == bytes(result.data)


@pytest.mark.parametrize(
    ("precision", "encoding"),
    [("U32_NON_LINEAR", "R'G'B'A u32"), ("DOUBLE_LINEAR", "RGBA double")],
)
@pytest.mark.parametrize("in_place", [False, True])
def test_the_widest_precisions_are_read_as_float(console, run, precision, encoding, in_place):
    wide = stored("f4", 4).clip(0, 1).astype("f8")
    if precision.startswith("U32"):
        wide = np.round(wide * (2**32 - 1)).astype("u4")
    picture = layer("Photograph", wide)
    image = console(
        "make", canvas=(64, 48), precision=precision, encoding=encoding, layers=[picture]
    )
    before = console("convert", image=image, name="Photograph", encoding="R'G'B'A float")
    run("harmonize-palette", image, "Photograph", **{"in-place": in_place})
    name = "Photograph" if in_place else "Harmonized"
    after = console("convert", image=image, name=name, encoding="R'G'B'A float")
    read = layer("Photograph", np.frombuffer(before, "f4").reshape(48, 64, 4))
    (result,) = expected("harmonize-palette", [plane("image", read, depth="f32")], (64, 48))
    made = np.frombuffer(bytes(result.data), "f4").clip(0, 1)
    assert np.abs(np.frombuffer(after, "f4").clip(0, 1) - made).max() < 1e-6


@pytest.mark.parametrize("in_place", [False, True])
def test_an_indexed_image_becomes_rgb(console, run, in_place):
    picture = layer("Photograph", np.repeat(photograph()[::8, ::8], 8, 0).repeat(8, 1))
    image = console("make", canvas=(64, 48), layers=[picture], indexed=200, **U8)
    before = console("convert", image=image, name="Photograph", encoding="R'G'B'A u8")
    seen = run("harmonize-palette", image, "Photograph", **{"in-place": in_place})
    assert seen["base"] == "rgb"
    read = layer("Photograph", np.frombuffer(before, "u1").reshape(48, 64, 4))
    (result,) = expected("harmonize-palette", [plane("image", read)], (64, 48))
    assert seen["layers"][0]["data"] == bytes(result.data)
