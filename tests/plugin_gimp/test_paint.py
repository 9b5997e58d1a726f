"""Paintings in a real GIMP: groups that add up to what the engine painted, and variants of them."""

import json

import numpy as np
import pytest

from engine.imaging import composite
from tests.plugin_gimp.images import (
    SIZE,
    expected,
    ink,
    layer,
    photograph,
    plane,
    same,
    scribbles,
)

pytestmark = [pytest.mark.editors, pytest.mark.usefixtures("painter")]

CANVAS = (SIZE, SIZE)
U8 = {"precision": "U8_NON_LINEAR", "encoding": "R'G'B'A u8"}


def drawing(console, depth="u8"):
    """An image of lines and scribbles; returns its id and the planes to expect."""
    layers, form = [layer("Lines", ink()), layer("Scribbles", scribbles())], U8
    if depth == "f32":
        # Without a profile GIMP means light by these.
        unit = [pixels / np.float32(255) for pixels in (ink(), scribbles())]
        layers = [layer(given["name"], made) for given, made in zip(layers, unit, strict=True)]
        form = {"precision": "FLOAT_LINEAR", "encoding": "RGBA float"}
    image = console("make", canvas=CANVAS, layers=layers, **form)
    icc = console("effective_icc", image=image)
    roles = zip(("line-art", "scribbles"), layers, strict=True)
    return image, [plane(role, given, depth, icc) for role, given in roles]


def paint(console, image, **params):
    """Runs the procedure, which has to go well, and gives the group that it made."""
    arguments = {"scribbles": "Scribbles", **params}
    call = {"procedure": "limner-paint", "image": image, "drawables": ["Lines"]}
    assert console("call", arguments=arguments, **call) == ("success", "")
    above, lines, group = console("look", image=image)["layers"]
    assert (above["name"], lines["name"], group["name"]) == ("Scribbles", "Lines", "Paint")
    return group


def holds(group, results):
    """Whether a group holds the results, pixel for pixel, bottom layer first."""
    numbers = [{**child, "name": child["name"].split(" #")[0]} for child in group["children"]]
    return all(map(same, reversed(numbers), results)) and len(numbers) == len(results)


@pytest.mark.parametrize(("depth", "off"), [("u8", 1), ("f32", 1e-4)])
def test_a_painting_adds_up_under_the_lines(console, depth, off):
    image, planes = drawing(console, depth)

    group = paint(console, image, seed=5, steps=2)

    results = expected("paint", planes, CANVAS, seed=5, steps=2)
    flats = "Flats (seed 5, steps 2, simple 1)"
    assert [child["name"] for child in group["children"]] == ["Light", "Shade", flats]
    assert [child["mode"] for child in group["children"]] == ["screen", "multiply", "normal"]
    assert holds(group, results)
    for name in ("Lines", "Scribbles"):
        console("show", image=image, name=name, visible=False)
    form = {"u8": np.uint8, "f32": np.float32}[depth]
    seen = np.frombuffer(console("merged", image=image), form).astype(float)
    wanted = np.frombuffer(composite.merged(results, *CANVAS).data, form).astype(float)
    assert np.abs(seen - wanted).max() <= off
    bottom = np.frombuffer(results[0].data, form).astype(float)
    assert np.abs(seen - bottom).max() > 20 * off, "shade and light do something"


def test_a_painting_can_be_one_layer_and_says_how_it_was_made(console):
    image, planes = drawing(console)

    (painting,) = paint(console, image, layers="one", guidance=1.5)["children"]

    (result,) = expected("paint", planes, CANVAS, layers="one", guidance=1.5)
    assert same(painting, result)
    made = json.loads(painting["made"])
    assert (made["operation"], made["seed"], made["network"]["name"]) == ("paint", 0, "simple")
    assert made["parameters"]["guidance"] == 1.5


def test_a_selection_limits_the_painting(console):
    image, planes = drawing(console)
    inside = np.zeros(CANVAS, np.uint8)
    inside[:, : SIZE // 2] = 255
    console("select", image=image, data=inside.tobytes())

    group = paint(console, image)

    selected = plane("mask", layer("Selection", inside))
    assert holds(group, expected("paint", [*planes, selected], CANVAS))
    for child in group["children"]:
        alpha = np.frombuffer(child["data"], np.uint8).reshape(SIZE, SIZE, 4)[..., 3]
        assert np.array_equal(alpha, inside)


def test_the_first_of_several_variants_is_shown(console):
    image, planes = drawing(console)

    group = paint(console, image, seed=7, variants=3)

    names = ["Paint 1", "Paint 2", "Paint 3"]
    assert [variant["name"] for variant in group["children"]] == names
    assert [variant["visible"] for variant in group["children"]] == [True, False, False]
    results = expected("paint", planes, CANVAS, seed=7, variants=3)
    for number, variant in enumerate(group["children"]):
        assert holds(variant, [r for r in results if r.attributes["group"] == [names[number]]])
        assert variant["children"][2]["name"].startswith(f"Flats (seed {7 + number},")
        assert all(child["visible"] for child in variant["children"])
    pictures = [variant["children"][2]["data"] for variant in group["children"]]
    assert len(set(pictures)) == 3


def test_variants_of_one_layer_each(console):
    image, planes = drawing(console)

    group = paint(console, image, variants=2, layers="one")

    assert holds(group, expected("paint", planes, CANVAS, variants=2, layers="one"))
    assert [child["visible"] for child in group["children"]] == [True, False]


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.full((SIZE, SIZE, 4), 255, np.uint8), "no lines"),
        (np.tile(photograph(), (2, 2, 1))[:SIZE, :SIZE], "is a picture, not line art"),
    ],
)
def test_what_is_no_line_art_is_refused(console, pixels, words):
    image = console("make", canvas=CANVAS, layers=[layer("Lines", pixels)], **U8)
    before = console("look", image=image)

    call = {"procedure": "limner-paint", "image": image, "drawables": ["Lines"]}
    status, message = console("call", **call)

    assert (status, words in message) == ("calling-error", True)
    assert message.count(".") >= 2, "a sentence and a next step"
    assert console("look", image=image) == before
    assert not before["dirty"]
