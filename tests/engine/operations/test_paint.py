"""The operation: what the network paints, in the artist's colours, as layers that add up."""

import hashlib
import json
import re
import threading
import zipfile

import cv2
import numpy as np
import pytest
from onnx import helper
from skimage.color import deltaE_ciede2000, rgb2lab

from engine import runtime
from engine.cli import main
from engine.imaging import files
from engine.imaging.composite import blend
from engine.imaging.raster import Raster
from engine.job import Cache, Cancelled, Input, Job
from engine.operations import line_art, paint
from engine.run import run_operation
from ipc import catalog, paths
from ipc.errors import LimnerError
from ipc.planes import Plane
from tests import simple_networks
from tests.drawings import RED as DRAWN_RED
from tests.drawings import photograph, write_face
from tests.engine.imaging.line_art import (
    LEFT,
    OUTSIDE,
    RIGHT,
    WALL,
    blank,
    box,
    floats,
    segment,
    strokes,
    two_rooms,
)
from tests.engine.operations.layers import dense

RED, BLUE, GREEN = (0.8, 0.2, 0.2), (0.2, 0.4, 0.8), (0.2, 0.6, 0.4)
BASE = (0.5, 0.6, 0.7)


@pytest.fixture(autouse=True)
def obedient_network(own_home):
    paints_what_it_is_told()


def paints_what_it_is_told(grain: float = 0.0, told: str = "hints", leak: float = 0.0) -> None:
    """A network that paints what it is told, around it the reference or, without one, BASE.

    grain: how much of |x_t| - 0.8 is added, whose mean is 0 for noise alone. leak: how much of x_t.
    told: hints, flats (where these say that a colour is asked for) or suggested (all of flats).
    """
    heard, other = ("hints", "flats") if told == "hints" else ("flats", "hints")
    # Colours of hints are multiplied with how much of a cell they cover; flats are everywhere.
    counts = "stroked" if told == "flats" else "one"
    covered = "one" if told == "suggested" else "stroked"
    nodes = [
        helper.make_node("Split", [heard, "three_one"], ["colours", "stroked"], axis=1),
        helper.make_node("Mul", ["colours", counts], ["strokes"]),
        helper.make_node("Split", ["reference", "three_one"], ["shown", "present"], axis=1),
        helper.make_node("Sub", ["one", "present"], ["absent"]),
        helper.make_node("Mul", ["absent", "base"], ["guessed"]),
        helper.make_node("Add", ["shown", "guessed"], ["ground"]),
        helper.make_node("Sub", ["one", covered], ["bare"]),
        helper.make_node("Mul", ["bare", "ground"], ["around"]),
        helper.make_node("Add", ["strokes", "around"], ["sum"]),
        helper.make_node("Mul", ["sum", "two"], ["doubled"]),
        helper.make_node("Sub", ["doubled", "one"], ["plain"]),
        helper.make_node("Abs", ["noisy"], ["size"]),
        helper.make_node("Sub", ["size", "usual"], ["bumps"]),
        helper.make_node("Mul", ["bumps", "grain"], ["noise"]),
        helper.make_node("Mul", ["noisy", "leak"], ["leaked"]),
        helper.make_node("Add", ["line", "time"], ["unused"]),
        helper.make_node("ReduceMean", [other], ["filled"], axes=[1]),
        helper.make_node("Mul", ["unused", "filled"], ["product"]),
        helper.make_node("Mul", ["product", "none"], ["nothing"]),
        helper.make_node("Sum", ["plain", "noise", "leaked", "nothing"], ["colour"]),
    ]
    arrays = {
        "three_one": np.int64([3, 1]),
        "one": np.float32(1),
        "two": np.float32(2),
        "none": np.float32(0),
        "usual": np.float32(0.8),
        "grain": np.float32(grain),
        "leak": np.float32(leak),
        "base": np.float32(BASE).reshape(1, 3, 1, 1),
    }
    inputs = {"noisy": 3, "time": 1, "line": 1, "hints": 4, "flats": 4, "reference": 4}
    simple_networks._write("paint", nodes, arrays, inputs=inputs, outputs={"colour": (3, 1)})
    path = paths.home() / "models/paint.json"
    descriptor = json.loads(path.read_text())
    descriptor["inputs"][0]["range"] = None
    path.write_text(json.dumps(descriptor))


def as_input(raster, name="Ink"):
    parts = [raster.rgb] if raster.alpha is None else [raster.rgb, raster.alpha]
    return Input(raster, hashlib.sha256(b"".join(p.tobytes() for p in parts)).hexdigest(), name)


def run(
    lines,
    *drawn,
    scribbles=None,
    mask=None,
    reference=None,
    palette=None,
    earlier=None,
    clear=None,
    cache=None,
    on_progress=lambda *_: None,
    on_preview=None,
    cancelled=None,
    line_art=None,
    **params,
):
    """The layers. lines: 8-bit RGB or float RGBA; drawn: as for strokes."""
    raster = Raster(floats(lines)) if lines.dtype == np.uint8 else Raster.of_rgba(lines)
    if drawn:
        scribbles = strokes(lines.shape, *drawn)
    given = {"line-art": [line_art or as_input(raster)]}
    painted = {"scribbles": scribbles, "clear": clear, "flats": earlier}
    for role, pixels in painted.items():
        if pixels is not None:
            given[role] = [as_input(Raster.of_rgba(pixels))]
    if reference is not None:
        given["reference"] = [as_input(Raster(np.float32(reference)))]
    if palette is not None:
        given["palette"] = [as_input(Raster(np.float32([palette])))]
    if mask is not None:
        given["mask"] = [as_input(Raster(np.repeat(np.float32(mask)[..., None], 3, axis=2)))]
    operation = catalog.operation("paint")
    job = Job(
        operation.id,
        (raster.width, raster.height),
        operation.check_params(params),
        given,
        cache or Cache(0),
        on_progress,
        cancelled or threading.Event(),
        on_preview=on_preview,
    )
    layers = paint.run(job)
    assert {layer.role for layer in layers} == {"painting"}
    return [dense(layer) for layer in layers]


def shown(layers):
    """The layers put together, H x W x 4."""
    picture = np.zeros_like(layers[0].pixels)
    for layer in layers:
        picture = blend(picture, layer.pixels, layer.blending)
    return picture


def in_both(left=RED, right=BLUE):
    return (left, (70, 100), (110, 110)), (right, (190, 100), (230, 110))


def difference(one, other):
    one, other = (rgb2lab(np.float32(colour)[..., :3]) for colour in (one, other))
    return deltaE_ciede2000(one, other)


ROOM = np.s_[24:177, 34:147]
"""Paper of the left room."""


def test_layers_say_what_they_are():
    layers = run(two_rooms(), *in_both())

    assert [(x.name, x.blending, x.group, x.exact) for x in layers] == [
        ("Flats (seed 0, steps 1, simple 1)", "normal", ("Paint",), True),
        ("Shade", "multiply", ("Paint",), False),
        ("Light", "screen", ("Paint",), False),
    ]
    assert all((layer.pixels[..., 3] == 1).all() for layer in layers)
    assert {(layer.metadata["seed"], layer.metadata["variant"]) for layer in layers} == {(0, 0)}
    assert layers[0].metadata["network"] == runtime.network("paint").identity


def test_scribbles_are_met_on_the_flats_and_in_the_picture():
    layers = run(two_rooms(), *in_both())

    flats, picture = layers[0].pixels, shown(layers)
    drawn = strokes((200, 300), *in_both())
    under = drawn[..., 3] > 0
    assert np.array_equal(flats[under], drawn[under])
    assert difference(np.median(picture[ROOM], axis=(0, 1)), RED) < 3
    assert difference(picture[OUTSIDE[::-1]], BASE) < 3


def test_one_layer_is_the_three_put_together():
    lines = two_rooms()
    y = np.linspace(0, 1, 64, dtype=np.float32)[:, None, None]
    reference = np.float32(BASE) * (0.6 + 0.6 * y) + np.zeros((64, 64, 3), np.float32)

    three = run(lines, *in_both(), reference=reference)
    (one,) = run(lines, *in_both(), reference=reference, layers="one")

    assert (one.group, one.blending) == ((), "normal")
    assert one.name.startswith("Paint (seed 0")
    assert np.abs(shown(three) - one.pixels).max() < 1e-5
    assert np.abs(np.diff(one.pixels[:20, 5, 0])).max() > 0


def test_nothing_leaks_through_a_line_or_a_gap():
    closed = shown(run(two_rooms(), *in_both()))
    gap = shown(run(two_rooms(8), *in_both()))

    assert difference(closed[100, WALL - 3], RED) < 4
    assert difference(closed[100, WALL + 3], BLUE) < 4
    assert (difference(closed, gap) > 3).mean() < 2e-3


def test_a_selection_limits_it_with_hard_edges():
    mask = np.zeros((200, 300), np.float32)
    mask[50:150, 100:200] = 1
    mask[50, 100:200] = 0.4

    layers = run(two_rooms(), *in_both(), mask=mask)
    (one,) = run(two_rooms(), *in_both(), mask=mask, layers="one")

    for layer in layers:
        assert np.array_equal(layer.pixels[..., 3], (mask >= 0.5).astype(np.float32))
        assert not layer.pixels[mask < 0.5].any()
    assert np.array_equal(one.pixels[..., 3], mask)
    whole = run(two_rooms(), *in_both())
    inside = mask == 1
    assert np.array_equal(shown(layers)[inside], shown(whole)[inside])
    assert "note" not in layers[0].metadata


def test_scribbles_outside_the_selection_are_told():
    mask = np.zeros((200, 300), np.float32)
    mask[:20] = 1

    layers = run(two_rooms(), *in_both(), mask=mask)

    assert "No scribble lies inside the selection" in layers[0].metadata["note"]


def test_a_seed_is_one_painting_and_variants_have_their_own(own_home):
    paints_what_it_is_told(grain=0.3)

    first, again, other = (run(two_rooms(), seed=seed, layers="one") for seed in (4, 4, 5))
    both = run(two_rooms(), seed=4, variants=2, layers="one")

    assert first[0].pixels.tobytes() == again[0].pixels.tobytes()
    assert np.abs(first[0].pixels - other[0].pixels).max() > 0.01
    told = {"network": runtime.network("paint").identity, "lines": "multiply"}
    assert [(layer.name[:7], layer.metadata) for layer in both] == [
        ("Paint 2", {**told, "seed": 5, "variant": 1}),
        ("Paint 1", {**told, "seed": 4, "variant": 0}),
    ]
    assert np.abs(both[1].pixels - first[0].pixels).max() < 1e-5
    assert np.abs(both[0].pixels - other[0].pixels).max() < 1e-5


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_what_a_network_takes_from_noise_alone_linearly_is_not_seen(guidance):
    pages = []
    for leak in (0.0, 0.4):
        paints_what_it_is_told(leak=leak)
        pages += run(two_rooms(), *in_both(), seed=4, guidance=guidance, layers="one")

    assert np.abs(pages[0].pixels - pages[1].pixels).max() < 1e-5


def test_with_several_steps_noise_is_seen_again():
    pages = []
    for leak in (0.0, 0.4):
        paints_what_it_is_told(leak=leak)
        pages += run(two_rooms(), *in_both(), seed=4, steps=2, layers="one")

    assert np.abs(pages[0].pixels - pages[1].pixels).max() > 0.01


def test_seeds_differ_where_there_is_no_scribble_and_only_there():
    """The network paints what is suggested and gives back its start."""
    paints_what_it_is_told(told="suggested", leak=0.4)
    lines = two_rooms()
    segment(lines, (30, 100), (WALL, 100))
    drawn = [(RED, (70, 60), (110, 60)), (BLUE, (70, 140), (110, 140))]

    pages = [run(lines, *drawn, seed=seed, layers="one")[0].pixels for seed in range(1, 6)]

    asked, free = (np.s_[24:97, 34:147], np.s_[104:177, 34:147]), np.s_[24:177, 154:267]
    for room in asked:
        assert max(np.abs(page[room] - pages[0][room]).max() for page in pages) < 1e-5
    medians = [np.median(page[free], axis=(0, 1)) for page in pages]
    assert max(difference(median, medians[0]) for median in medians) > 10
    again = run(lines, *drawn, seed=2, layers="one")[0].pixels
    assert again.tobytes() == pages[1].tobytes()


def offered(given, *colours):
    """Inputs that offer colours as a palette or as a reference."""
    if given == "palette":
        return {"palette": list(colours)}
    return {"reference": np.float32([colours] * 8).repeat(8, axis=1)}


@pytest.mark.parametrize("given", ["reference", "palette"])
def test_further_colours_are_suggested_where_there_is_no_scribble(given):
    paints_what_it_is_told(told="suggested")

    (one,) = run(two_rooms(), in_both()[0], layers="one", **offered(given, GREEN))

    assert difference(np.median(one.pixels[ROOM], axis=(0, 1)), RED) < 3
    assert difference(one.pixels[RIGHT[::-1]], GREEN) < 10
    assert difference(one.pixels[OUTSIDE[::-1]], GREEN) < 10


@pytest.mark.parametrize("given", ["reference", "palette"])
def test_without_a_scribble_further_colours_are_mixed_or_chosen_by_the_seed(given):
    paints_what_it_is_told(told="suggested")
    colours = offered(given, RED, BLUE)

    plain, *others = (
        run(two_rooms(), seed=seed, layers="one", **colours)[0].pixels for seed in range(12)
    )

    mix = (np.float32(RED) + np.float32(BLUE)) / 2
    inked = two_rooms()[..., 0] < 255
    assert difference(plain, mix[None, None])[~inked].max() < 2
    found = [page[place[::-1]] for page in others for place in (LEFT, RIGHT)]
    for colour in (RED, BLUE):
        assert min(difference(own, colour) for own in found) < 8


@pytest.mark.parametrize("seed", [0, 5])
def test_without_anything_to_suggest_nothing_is(seed):
    paints_what_it_is_told(told="suggested")

    (one,) = run(two_rooms(), seed=seed, layers="one")

    assert not one.pixels[..., :3].any()


def test_variants_are_groups():
    layers = run(two_rooms(), *in_both(), variants=2)

    assert [layer.group for layer in layers] == [("Paint 2",)] * 3 + [("Paint 1",)] * 3


def test_a_palette_is_offered_in_stripes_where_there_is_no_reference():
    (one,) = run(two_rooms(), palette=[RED, BLUE], layers="one")

    assert difference(one.pixels[100, 5], RED) < 3
    assert difference(one.pixels[100, 295], BLUE) < 3


def test_an_earlier_flats_layer_keeps_its_colours():
    earlier = np.ones((200, 300, 4), np.float32)
    earlier[..., :3] = BLUE
    earlier[:, WALL:, :3] = RED

    layers = run(two_rooms(), (BASE, (70, 100), (110, 110)), earlier=earlier)

    assert difference(layers[0].pixels[LEFT[::-1]], BASE) < 1e-3
    assert difference(layers[0].pixels[RIGHT[::-1]], RED) < 1e-3


def test_regions_take_the_colour_that_the_network_is_told_they_have():
    """All of a region is told; for the other a colour is suggested, but none is asked for."""
    paints_what_it_is_told(told="flats")

    (one,) = run(two_rooms(), in_both()[0], layers="one")

    assert difference(one.pixels[ROOM], np.float32([[RED]])).max() < 3
    assert difference(one.pixels[RIGHT[::-1]], BASE) < 3


def test_a_network_that_hears_nothing_is_corrected():
    """Its shading stays."""
    paints_what_it_is_told(told="flats")
    y = np.linspace(0.9, 1.1, 64, dtype=np.float32)[:, None, None]
    reference = np.float32(BASE) * y + np.zeros((64, 64, 3), np.float32)
    deaf = {"guidance": 0.0, "reference": reference}

    layers = run(two_rooms(), *in_both(), **deaf)

    flats, picture = layers[0].pixels, shown(layers)
    for room, colour in ((ROOM, RED), (np.s_[24:177, 154:267], BLUE)):
        assert (flats[room][..., :3] == np.float32(colour)).all()
        assert difference(np.median(picture[room], axis=(0, 1)), colour) < 3
        assert picture[room][-1].mean() > picture[room][0].mean() + 0.03


def test_two_colours_in_one_region_are_both_met():
    lines = blank()
    box(lines, 30, 20, 270, 180)
    y = np.linspace(0.8, 1.2, 64, dtype=np.float32)[:, None, None]
    reference = np.float32(BASE) * y + np.zeros((64, 64, 3), np.float32)

    layers = run(lines, *in_both(), reference=reference)

    flats, picture = layers[0].pixels[..., :3], shown(layers)
    drawn = strokes((200, 300), *in_both())
    under = drawn[..., 3] > 0
    assert difference(flats[under], drawn[under]).max() < 1
    for colour in (RED, BLUE):
        part = (flats == np.float32(colour)).all(axis=2)
        assert part.mean() > 0.1
        assert difference(np.median(picture[part], axis=0), colour) < 3


def test_the_smallest_region_has_the_colour_asked_for():
    lines = two_rooms()
    box(lines, 84, 94, 88, 98, width=1)

    layers = run(lines, (GREEN, (86, 96), (86, 96)), scribbles=None)

    assert difference(layers[0].pixels[96, 86], GREEN) < 1
    assert difference(shown(layers)[96, 86], GREEN) < 3


def test_the_lines_are_left_alone():
    lines = as_input(Raster(floats(two_rooms())))
    before = lines.raster.rgb.tobytes()

    layers = run(two_rooms(), *in_both(), line_art=lines)

    assert lines.raster.rgb.tobytes() == before
    assert catalog.operation("paint").works_on_line_art
    assert all(layer.role == "painting" for layer in layers)


@pytest.mark.parametrize("variants", [1, 2])
def test_eight_bits_hold_the_painting_up_to_one_code(variants):
    paints_what_it_is_told(grain=0.3)
    found = {}
    for layers in ("group", "one"):
        planes = [as_plane("line-art", two_rooms())]
        planes += [as_plane("scribbles", np.rint(strokes((200, 300), *in_both()) * 255))]
        params = {"layers": layers, "variants": variants}
        results, report = run_operation(
            "paint",
            params,
            planes,
            (300, 200),
            cache=Cache(0),
            on_progress=lambda *_: None,
            cancelled=threading.Event(),
        )
        found[layers] = results
        assert report["networks"] == [runtime.network("paint").identity]
        assert results[0].attributes["metadata"]["parameters"]["variants"] == variants
    for number, one in enumerate(found["one"]):
        stack = np.zeros((200, 300, 4), np.float32)
        for plane in found["group"][3 * number : 3 * number + 3]:
            stack = blend(stack, pixels_of(plane), plane.attributes["blending"])
        paper = two_rooms()[..., 0] == 255
        away = np.abs(stack - pixels_of(one))[paper] * 255
        assert away.max() <= 2.01  # both are dithered
        assert away.mean() < 0.5


def as_plane(role, codes):
    height, width, channels = codes.shape
    data = codes.astype(np.uint8).tobytes()
    return Plane(role, role, width, height, channels, "u8", data)


def pixels_of(plane):
    codes = np.frombuffer(plane.data, np.uint8).reshape(plane.height, plane.width, 4)
    return codes.astype(np.float32) / 255


def test_one_step_is_enough_to_say_something():
    layers = run(two_rooms(), *in_both(), steps=1)

    assert difference(shown(layers)[LEFT[::-1]], RED) < 3


@pytest.mark.parametrize("guidance", [0.0, 3.0])
def test_guidance_weighs_what_scribbles_change(guidance):
    calls = []
    whole = runtime.Network.run

    def counted(network, inputs):
        calls.append(bool(inputs["hints"].any()))
        return whole(network, inputs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime.Network, "run", counted)
        run(two_rooms(), *in_both(), steps=2, guidance=guidance)
        assert calls == [True, False] * 3  # noise alone counts twice: it and its opposite
        calls.clear()
        run(two_rooms(), *in_both(), steps=2)
        assert calls == [True] * 3


def test_refine_takes_up_the_last_painting_and_nothing_else_does(monkeypatch):
    calls = watched(monkeypatch)
    cache = Cache(1 << 26)
    run(two_rooms(), in_both()[0], steps=8, refine=True, cache=cache)
    whole = [1.0, *np.arange(8, 0, -1) / 8]  # noise alone and its opposite, then one for each step
    assert calls == whole
    calls.clear()
    run(two_rooms(), *in_both(), steps=8, refine=True, cache=cache)
    assert calls == [0.5, 0.375, 0.25, 0.125]
    calls.clear()
    kept = run(two_rooms(), *in_both(), steps=8, cache=cache)
    assert calls == whole
    fresh = run(two_rooms(), *in_both(), steps=8)
    assert shown(kept).tobytes() == shown(fresh).tobytes()


def test_refining_with_one_step_stays_near_the_last_painting_and_takes_up_scribbles(monkeypatch):
    paints_what_it_is_told(grain=0.05)
    cache = Cache(1 << 26)
    first = run(two_rooms(), in_both()[0], seed=3, layers="one", cache=cache)[0].pixels

    times = watched(monkeypatch)
    again = run(two_rooms(), *in_both(), seed=3, layers="one", refine=True, cache=cache)[0].pixels

    assert times == [0.5]
    assert difference(np.median(again[ROOM], axis=(0, 1)), RED) < 3
    assert difference(np.median(again[24:177, 154:267], axis=(0, 1)), BLUE) < 3
    around = np.s_[:16]
    fresh = run(two_rooms(), *in_both(), seed=9, layers="one")[0].pixels
    assert np.abs(again - first)[around].mean() < np.abs(fresh - first)[around].mean()


def watched(monkeypatch):
    """Times that the network is asked at, as they come."""
    times = []
    whole = runtime.Network.run

    def counted(network, inputs):
        times.append(float(inputs["time"].max()))
        return whole(network, inputs)

    monkeypatch.setattr(runtime.Network, "run", counted)
    return times


def test_line_art_is_prepared_once(monkeypatch):
    calls = []
    for module, name in ((line_art, "find_regions"), (line_art, "ink_coverage"), (paint, "Shares")):
        whole = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, n=name, w=whole: calls.append(n) or w(*a))
    cache = Cache(1 << 26)
    run(two_rooms(), in_both()[0], cache=cache)
    assert sorted(calls) == ["Shares", "find_regions", "ink_coverage"]

    kept = run(two_rooms(), *in_both(), cache=cache)

    assert len(calls) == 3
    assert shown(kept).tobytes() == shown(run(two_rooms(), *in_both())).tobytes()


def test_variants_go_through_the_network_together(monkeypatch):
    counts = []
    whole = runtime.Network.run

    def counted(network, inputs):
        counts.append({len(planes) for planes in inputs.values()})
        return whole(network, inputs)

    monkeypatch.setattr(runtime.Network, "run", counted)
    run(two_rooms(), *in_both(), variants=3, steps=2)
    assert counts == [{3}] * 3


def test_where_the_palette_is_not_needed_it_is_told():
    reference = np.full((8, 8, 3), RED, np.float32)

    layers = run(two_rooms(), reference=reference, palette=[BLUE])

    assert difference(shown(layers)[5, 5], RED) < 3
    assert "palette" in layers[0].metadata["note"]


def test_white_lines_on_black_are_read_and_told():
    layers = run(255 - two_rooms(), *in_both())

    assert difference(layers[0].pixels[LEFT[::-1]], RED) < 1
    assert "light on dark" in layers[0].metadata["note"]


@pytest.mark.parametrize("ink", [(200, 40, 40), (60, 90, 200)])
def test_coloured_lines_are_lines(ink):
    share = 1 - floats(two_rooms())
    coloured = np.rint((1 - share) * 255 + share * np.float32(ink)).astype(np.uint8)

    layers = run(coloured, *in_both())

    assert difference(layers[0].pixels[LEFT[::-1]], RED) < 1
    assert "note" not in layers[0].metadata


def grey_photograph():
    """All tones, none of them more often than others."""
    tones = np.random.default_rng(2).random((120, 160), np.float32)
    tones = cv2.GaussianBlur(tones, (0, 0), 12)
    ranks = tones.ravel().argsort().argsort().reshape(tones.shape) * (255 / tones.size)
    return np.repeat(ranks.astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize(
    "page",
    [
        blank(60, 60),
        np.zeros((60, 60, 3), np.uint8),
        np.zeros((60, 60, 4), np.float32),
        photograph(),
        grey_photograph(),
    ],
    ids=["white", "black", "transparent", "photograph", "grey photograph"],
)
def test_what_is_no_line_art_is_refused(page):
    with pytest.raises(LimnerError) as refused:
        run(page)

    assert refused.value.code == "empty-line-art"
    assert "Ink" in refused.value.sentence


def test_many_variants_of_a_large_page_are_refused_in_time(monkeypatch):
    monkeypatch.setenv("LIMNER_MEMORY", "20")
    with pytest.raises(LimnerError) as refused:
        run(two_rooms(), variants=8)

    assert refused.value.code == "too-large"
    assert "8 variants" in refused.value.sentence


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (5, 5)])
def test_the_smallest_drawings(shape):
    lines = blank(*shape)
    lines[shape[0] // 2, shape[1] // 2] = 0

    layers = run(lines, scribbles=np.ones((*shape, 4), np.float32) * np.float32([*RED, 1]))

    assert (layers[0].pixels == np.float32([*RED, 1])).all()


def test_forty_colours():
    rng = np.random.default_rng(1)
    drawn = [
        (tuple(rng.random(3)), (x, y), (x + 12, y))
        for x in range(40, 260, 25)
        for y in range(30, 170, 35)
    ][:40]

    layers = run(two_rooms(), *drawn)

    wanted = strokes((200, 300), *drawn)
    under = (wanted[..., 3] > 0) & (two_rooms()[..., 0] == 255)
    exact = (difference(layers[0].pixels, wanted) < 1)[under]
    assert exact.mean() > 0.9


@pytest.mark.parametrize(
    ("name", "value"), [("steps", 0), ("variants", 9), ("seed", -1), ("guidance", -1.0)]
)
def test_what_makes_no_sense_is_refused_in_words(name, value):
    with pytest.raises(LimnerError) as refused:
        run(two_rooms(), *in_both(), **{name: value})

    assert refused.value.code == "bad-parameter"
    assert name in refused.value.sentence


def test_cancel_is_heard_between_steps(monkeypatch):
    cancelled, times = threading.Event(), watched(monkeypatch)

    def watch(*_):
        if len(times) == 3:
            cancelled.set()

    with pytest.raises(Cancelled):
        run(two_rooms(), *in_both(), steps=9, on_progress=watch, cancelled=cancelled)
    assert len(times) in (3, 4)


@pytest.mark.parametrize("stage", ["lines", "regions", "scribbles", "painting", "colours"])
def test_a_job_can_be_cancelled_at_every_stage(stage):
    cancelled, seen = threading.Event(), []

    def watch(_, name):
        seen.append(name)
        if name == stage:
            cancelled.set()

    with pytest.raises(Cancelled):
        run(two_rooms(), *in_both(), on_progress=watch, cancelled=cancelled)
    assert seen[-1] == stage


def test_progress_goes_forward_step_by_step():
    said = []
    run(two_rooms(), *in_both(), steps=6, variants=2, on_progress=lambda f, s: said.append((f, s)))
    fractions = [fraction for fraction, _ in said]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1
    assert [stage for _, stage in said].count("painting") == 7


def at(picture, place):
    return picture[place[1], place[0]]


def test_each_step_is_previewed_under_the_lines():
    seen = []
    paints_what_it_is_told(told="suggested")
    layers = run(two_rooms(), *in_both(), steps=3, on_preview=seen.append)
    assert [picture.shape for picture in seen] == [(200, 300, 3)] * 3
    final = shown(layers)
    for place in (LEFT, RIGHT):
        assert np.abs(at(seen[-1], place) - at(final, place)[:3]).max() < 0.02
    assert at(seen[0], (WALL, 60)).max() < 0.1


def test_of_light_lines_on_dark_paper_the_preview_shows_these():
    seen = []
    paints_what_it_is_told(told="suggested")
    layers = run(255 - two_rooms(), *in_both(), on_preview=seen.append)
    assert layers[0].metadata["lines"] == "screen"
    assert at(seen[-1], (WALL, 60)).min() > 0.9
    assert np.abs(at(seen[-1], LEFT) - RED).max() < 0.05


def test_a_large_page_is_previewed_small():
    seen = []
    lines = np.kron(two_rooms(), np.ones((4, 4, 1), np.uint8))
    run(lines, on_preview=seen.append)
    assert [picture.shape for picture in seen] == [(341, 512, 3)]


def test_the_command_writes_a_layer_without_lines(tmp_path):
    lines, hints = write_face(tmp_path)
    out = tmp_path / "out.png"

    arguments = ["paint", str(lines), "--scribbles", str(hints), "--seed", "3"]
    assert main([*arguments, "-o", str(out)]) == 0
    whole = pixels_of(files.read_plane(out, "image"))
    assert main([*arguments, "--layers", "one", "-o", str(out)]) == 0
    one = pixels_of(files.read_plane(out, "image"))

    assert whole.shape == (256, 256, 4)
    assert np.abs(whole - one).max() <= 2.01 / 255
    assert difference(whole[180, 150], np.float32(DRAWN_RED) / 255) < 3


def test_the_command_writes_variants_to_one_file_or_to_several(tmp_path, capsys):
    lines, hints = write_face(tmp_path)
    arguments = ["paint", str(lines), "--scribbles", str(hints), "--variants", "2", "-o"]

    assert main([*arguments, str(tmp_path / "out.ora")]) == 0
    assert main([*arguments, str(tmp_path / "out.png"), "--split"]) == 0
    assert main([*arguments, str(tmp_path / "out.png")]) == 2

    stack = zipfile.ZipFile(tmp_path / "out.ora").read("stack.xml").decode()
    names = re.findall('name="(.*?)"', stack)
    assert names[:4] == ["Paint 1", "Light", "Shade", "Flats (seed 0, steps 1, simple 1)"]
    assert names[4] == "Paint 2"
    assert sorted(path.name for path in tmp_path.glob("out-*.png")) == ["out-01.png", "out-02.png"]
    assert "the result has 2" in capsys.readouterr().err


def test_where_no_colour_is_asked_for_nothing_is_painted():
    lines = two_rooms()
    clear = strokes(lines.shape, (GREEN, (190, 100), (230, 110)))
    for layers in ("group", "one"):
        for layer in run(lines, (RED, (70, 100), (110, 110)), clear=clear, layers=layers):
            assert at(layer.pixels, LEFT)[3] == 1
            assert at(layer.pixels, RIGHT)[3] == 0
            assert at(layer.pixels, OUTSIDE)[3] == 1


def test_a_long_page_is_previewed():
    seen = []
    lines = np.full((8, 4096, 3), 255, np.uint8)
    lines[:, ::64] = 0
    run(lines, on_preview=seen.append)
    assert [picture.shape for picture in seen] == [(1, 512, 3)]
