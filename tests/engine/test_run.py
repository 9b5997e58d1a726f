"""One run from planes to planes: checks, placing, formats and the report."""

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine import operations
from engine import run as run_module
from engine.imaging import raster
from engine.job import Cache, Cancelled
from engine.run import run_operation
from ipc import catalog
from ipc.errors import LimnerError
from ipc.planes import Plane
from models import registry
from tests import drawings

SIZE = 96


def plane(role: str, pixels: np.ndarray, depth: str = "u8", **fields: Any) -> Plane:
    """H x W x channels pixels as they are."""
    height, width, channels = pixels.shape
    data = np.ascontiguousarray(pixels).tobytes()
    return Plane(role, f"my {role}", width, height, channels, depth, data, **fields)


def pixels(result: Plane) -> np.ndarray:
    codes = np.frombuffer(result.data, raster.DTYPES[result.depth])
    return codes.reshape(result.height, result.width, result.channels)


def run(
    operation: str, *planes: Plane, canvas: tuple[int, int] | None = None, **options: Any
) -> tuple[list[Plane], dict[str, Any]]:
    arguments = {
        "cache": Cache(1 << 28),
        "on_progress": lambda *_: None,
        "cancelled": threading.Event(),
        **options,
    }
    size = canvas or (planes[0].width, planes[0].height)
    return run_operation(operation, arguments.pop("params", {}), planes, size, **arguments)


def code_of(operation: str, *planes: Plane, **options: Any) -> str:
    with pytest.raises(LimnerError) as caught:
        run(operation, *planes, **options)
    return caught.value.code


LINES = plane("line-art", drawings.face(SIZE))
HINTS = plane("scribbles", drawings.face_hints(SIZE))
PHOTO = plane("image", drawings.photograph())


def test_flats_are_the_hint_colours_and_nothing_else():
    (flats, labels), _ = run("flats", LINES, HINTS)

    assert (flats.role, flats.channels, flats.depth, flats.icc) == ("flats", 4, "u8", None)
    assert (flats.x, flats.y, flats.width, flats.height) == (0, 0, SIZE, SIZE)
    shown = pixels(flats)[pixels(flats)[..., 3] > 0]
    assert {tuple(map(int, colour)) for colour in shown} == {
        (*drawings.RED, 255),
        (*drawings.BLUE, 255),
    }
    assert (labels.channels, labels.depth, labels.attributes["kind"]) == (1, "u16", "labels")


def test_layers_say_what_they_are():
    (flats, _), _ = run("flats", LINES, HINTS, params={"gap": 3})

    said = flats.attributes
    assert (said["kind"], said["blending"], said["opacity"]) == ("colour", "normal", 1.0)
    assert said["exact"] is True
    assert said["metadata"]["operation"] == "flats"
    assert said["metadata"]["parameters"]["gap"] == 3
    assert "limner" in said["metadata"]["versions"]


def test_the_same_run_gives_the_same_bytes():
    first, _ = run("harmonize-palette", PHOTO)
    again, _ = run("harmonize-palette", PHOTO)

    assert [bytes(p.data) for p in first] == [bytes(p.data) for p in again]


def test_a_kept_cache_changes_nothing():
    cache = Cache(1 << 28)
    fresh, _ = run("flats", LINES, HINTS)
    run("flats", LINES, cache=cache)
    warm, _ = run("flats", LINES, HINTS, cache=cache)

    assert [bytes(p.data) for p in fresh] == [bytes(p.data) for p in warm]


def test_the_cache_tells_places_apart():
    """Bytes that are equal mean another drawing where the layer lies elsewhere."""
    cache, canvas = Cache(1 << 28), (SIZE, SIZE)
    half = plane("line-art", drawings.face(SIZE)[: SIZE // 2])
    lower = plane("line-art", drawings.face(SIZE)[: SIZE // 2], y=SIZE // 2)
    run("flats", half, HINTS, canvas=canvas, cache=cache)
    warm, _ = run("flats", lower, HINTS, canvas=canvas, cache=cache)
    fresh, _ = run("flats", lower, HINTS, canvas=canvas)

    assert bytes(warm[1].data) == bytes(fresh[1].data)


def test_digests_given_and_computed_mean_the_same():
    given, _ = run("flats", LINES, HINTS, digests=[LINES.digest, HINTS.digest])
    computed, _ = run("flats", LINES, HINTS)

    assert [bytes(p.data) for p in given] == [bytes(p.data) for p in computed]


def test_only_the_wanted_outputs_come_back():
    results, report = run("flats", LINES, HINTS, outputs=["labels"])

    assert [p.role for p in results] == ["labels"]
    assert report["sizes"]["outputs"] == [["labels", SIZE, SIZE]]


def test_layers_are_placed_on_the_canvas():
    """A scribble layer cut to its strokes does what the whole one does."""
    whole = drawings.face_hints(SIZE)
    rows, columns = (np.flatnonzero(whole[..., 3].any(axis)) for axis in (1, 0))
    top, left = rows[0], columns[0]
    cut = whole[top : rows[-1] + 1, left : columns[-1] + 1]
    cut_hints = plane("scribbles", cut, x=int(left), y=int(top))

    expected, _ = run("flats", LINES, HINTS)
    actual, _ = run("flats", LINES, cut_hints)

    assert [bytes(p.data) for p in actual] == [bytes(p.data) for p in expected]


@pytest.mark.parametrize("depth", ["u8", "u16", "f16", "f32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_colour_layer_takes_the_depth_of_the_lines(depth, channels):
    grey = drawings.face(SIZE)[..., :1]
    opaque = np.full_like(grey, 255)
    codes = np.concatenate([grey] * (1 if channels < 3 else 3) + [opaque], axis=2)[..., :channels]
    scale = 255 if depth == "u8" else 65535 if depth == "u16" else 1
    codes = (codes / 255 * scale).astype(raster.DTYPES[depth])

    (flats, _), _ = run("flats", plane("line-art", codes, depth), HINTS)

    assert (flats.channels, flats.depth, flats.icc) == (4, depth, None)
    middle = pixels(flats)[round(SIZE * 180 / 256), SIZE // 2] / scale * 255
    assert middle == pytest.approx([*drawings.RED, 255], abs=0.2)


@pytest.mark.parametrize("channels", [3, 4])
def test_a_picture_keeps_its_format_and_place(channels):
    photo = drawings.photograph()
    alpha = np.full((*photo.shape[:2], 1), 255, np.uint8)
    alpha[:40] = 0
    source = np.concatenate([photo, alpha], axis=2)[..., :channels]

    results, _ = run("harmonize-palette", plane("image", source, x=7, y=9), canvas=(200, 150))

    picture = results[0]
    assert (picture.x, picture.y, picture.width, picture.height) == (7, 9, 160, 120)
    assert (picture.channels, picture.depth, picture.icc) == (channels, "u8", None)
    assert channels == 3 or (pixels(picture)[..., 3:] == alpha).all()
    assert (pixels(picture)[..., :3] != photo).any()


@pytest.mark.parametrize("depth", ["u8", "f32"])
def test_a_picture_that_nothing_moves_comes_back_as_it_is(depth):
    photo = drawings.photograph()
    codes = photo if depth == "u8" else (photo / np.float32(200)).astype(np.float32)

    results, _ = run("harmonize-palette", plane("image", codes, depth), params={"strength": 0})

    assert (pixels(results[0]) == codes).all()


def test_a_grey_picture_stays_grey_without_colour():
    grey = drawings.photograph()[..., 1:2]

    results, _ = run("harmonize-palette", plane("image", grey), params={"keep-neutrals": True})

    assert results[0].channels == 1
    assert (pixels(results[0]) == grey).all()


def test_a_grey_picture_that_gets_colour_becomes_rgb(monkeypatch):
    def tinted(job):
        (layer, *_) = harmonize(job)
        layer.pixels[..., 0] += 0.1
        return [layer]

    module = operations.load("harmonize-palette")
    harmonize = module.run
    monkeypatch.setattr(module, "run", tinted)
    grey = np.full((4, 5, 2), 100, np.uint8)

    results, _ = run("harmonize-palette", plane("image", grey))

    assert results[0].channels == 4
    assert pixels(results[0])[0, 0, 3] == 100


def test_what_sticks_out_of_the_canvas_is_cut():
    photo = drawings.photograph()

    results, _ = run(
        "harmonize-palette",
        plane("image", photo, x=-10, y=-20),
        canvas=(100, 60),
        params={"strength": 0},
    )

    assert (results[0].x, results[0].y, results[0].width, results[0].height) == (0, 0, 100, 60)
    assert (pixels(results[0]) == photo[20:80, 10:110]).all()


def test_outside_the_mask_every_pixel_is_its_own():
    photo = drawings.photograph()
    mask = np.zeros((*photo.shape[:2], 1), np.uint8)
    mask[:, :80] = 255

    results, _ = run("harmonize-palette", PHOTO, plane("mask", mask))

    assert (pixels(results[0])[:, 80:] == photo[:, 80:]).all()
    assert (pixels(results[0])[:, :80] != photo[:, :80]).any()


def test_the_report_says_what_was_done():
    _, report = run("flats", LINES, HINTS, params={"gap": 2})

    assert report["operation"] == "flats"
    assert report["parameters"] == {**catalog.operation("flats").check_params({}), "gap": 2}
    assert report["sizes"]["canvas"] == [SIZE, SIZE]
    assert report["sizes"]["inputs"] == [["line-art", SIZE, SIZE], ["scribbles", SIZE, SIZE]]
    assert {"limner", "python", "numpy"} <= set(report["versions"])
    assert report["device"] == "cpu"
    assert report["peak_memory"] > SIZE * SIZE
    assert {"decode", "encode", "all"} < set(report["seconds"])
    stages = sum(seconds for stage, seconds in report["seconds"].items() if stage != "all")
    assert stages == pytest.approx(report["seconds"]["all"], abs=0.01)


def test_progress_rises_to_the_end():
    news: list[tuple[float, str]] = []
    run("flats", LINES, HINTS, on_progress=lambda *said: news.append(said))

    fractions = [fraction for fraction, _ in news]
    assert fractions == sorted(fractions)
    assert (fractions[0], news[-1]) == (0.0, (1.0, "done"))


@pytest.mark.parametrize("stage", ["decode", "regions", "encode"])
def test_a_cancel_is_heeded_at_every_stage(stage):
    cancelled = threading.Event()

    def on_progress(fraction: float, now: str) -> None:
        assert not cancelled.is_set()
        if now == stage:
            cancelled.set()

    with pytest.raises(Cancelled):
        run("flats", LINES, HINTS, on_progress=on_progress, cancelled=cancelled)
    assert cancelled.is_set()


def empty(role: str) -> Plane:
    return Plane(role, "empty", 0, 7, 4, "u8", b"")


@pytest.mark.parametrize(
    ("expected", "operation", "planes", "options"),
    [
        ("unknown-operation", "paint-it-black", [LINES], {}),
        ("unknown-parameter", "flats", [LINES], {"params": {"gaps": 1}}),
        ("bad-parameter", "flats", [LINES], {"params": {"gap": -1}}),
        ("missing-input", "flats", [HINTS], {}),
        ("unknown-input", "flats", [LINES, PHOTO], {}),
        ("bad-message", "flats", [LINES, LINES], {}),
        ("bad-message", "flats", [LINES], {"canvas": (0, 5)}),
        ("bad-message", "flats", [LINES], {"canvas": (1 << 20, 5)}),
        ("empty-layer", "flats", [empty("line-art")], {"canvas": (5, 5)}),
        ("empty-layer", "flats", [LINES, empty("scribbles")], {}),
        ("empty-layer", "harmonize-palette", [PHOTO], {"canvas": (0x100, 1), "x": 300}),
        ("empty-mask", "flats", [LINES, plane("mask", np.zeros((4, 4, 1), np.uint8))], {}),
        ("empty-mask", "flats", [LINES, plane("mask", np.full((4, 4, 2), (255, 0), np.uint8))], {}),
    ],
)
def test_bad_input_is_told(expected, operation, planes, options):
    moved = options.pop("x", 0)
    planes = [replace(p, x=p.x + moved) for p in planes]

    assert code_of(operation, *planes, **options) == expected


def test_a_picture_too_large_for_memory_is_refused_with_the_numbers(monkeypatch):
    monkeypatch.setenv("LIMNER_MEMORY", "100")

    with pytest.raises(LimnerError, match=r"16384 × 16384 pixels need about \d+\.\d GB") as caught:
        run("flats", LINES, canvas=(16384, 16384))
    assert caught.value.code == "too-large"
    assert "0.1 GB are free" in caught.value.sentence


def test_memory_that_runs_out_is_told_as_such(monkeypatch):
    def run_out(job):
        raise MemoryError

    monkeypatch.setattr(operations.load("flats"), "run", run_out)

    assert code_of("flats", LINES) == "too-large"


def test_one_pixel_is_a_picture():
    pixel = plane("image", np.array([[[10, 200, 30]]], np.uint8))

    results, _ = run("harmonize-palette", pixel)

    assert (results[0].width, results[0].height) == (1, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_floats_that_are_no_numbers_do_no_harm(bad):
    photo = (drawings.photograph() / np.float32(255)).astype(np.float32)
    photo[3, 4] = bad

    results, _ = run("harmonize-palette", plane("image", photo, "f32"))

    assert np.isfinite(np.delete(pixels(results[0]).reshape(-1, 3), 3 * 160 + 4, axis=0)).all()


def test_the_report_names_the_networks_that_ran():
    mask = np.zeros((PHOTO.height, PHOTO.width, 1), np.uint8)
    mask[20:40, 20:40] = 255

    (harmonized,), report = run("harmonize-composite", PHOTO, plane("mask", mask))
    _, without = run("harmonize-palette", PHOTO)

    (network,) = report["networks"]
    assert network == harmonized.attributes["metadata"]["network"]
    assert network["digest"] == registry.find("harmonize-composite").digest
    assert without["networks"] == []


def scene(shift: int, height: int, width: int) -> np.ndarray:
    """A bluish and a brownish half, 8 bit."""
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[: height // 2], rgb[height // 2 :] = (80, 120 + shift, 190), (150, 110 - shift, 75)
    return rgb


def test_a_set_keeps_every_pictures_own_size_place_and_format():
    deep = scene(20, 10, 40).astype(np.uint16) * 257
    first = plane("image", scene(0, 24, 30))
    opaque = np.full(deep.shape[:2], 65535, np.uint16)
    second = plane("image", np.dstack([deep, opaque]), "u16", x=-7, y=90)

    (common, *results), report = run("recolor", first, second)

    shapes = [(p.role, p.width, p.height, p.channels, p.depth) for p in results]
    assert shapes[::2] == [("picture", 30, 24, 3, "u8"), ("picture", 40, 10, 4, "u16")]
    assert common.role == "common"
    assert [p.attributes["of"] for p in results] == [0, 0, 1, 1]
    assert (results[2].x, results[2].y) == (-7, 90)
    links = [results[n].attributes["metadata"]["link"] for n in (1, 3)]
    assert sorted(links[0]) == sorted(links[1]) == [0, 1]
    assert "recolour" in report["seconds"]
    one, other = pixels(results[0])[0, 0] / 255, pixels(results[2])[0, 0, :3] / 65535
    assert np.abs(one - other).max() < 0.15


def test_one_mask_is_every_pictures_where_it_lies_in_the_document():
    first, second = plane("image", scene(0, 24, 30)), plane("image", scene(20, 24, 30), x=30)
    mask = plane("mask", np.full((24, 15, 1), 255, np.uint8), x=30)

    (_, *results), _ = run("recolor", first, second, mask, params={"harmonize": True})

    before, after = pixels(second), pixels(results[-2])
    assert (pixels(results[0]) == pixels(first)).all()
    assert (after[:, 15:] == before[:, 15:]).all()
    assert (after[:, :15] != before[:, :15]).any()


def test_a_set_needs_memory_for_its_largest_picture_and_all_planes(monkeypatch):
    pages = [plane("image", scene(n, 200, 100)) for n in range(20)]
    largest = 200 * 100 * operations.load("recolor").BYTES_PER_PIXEL
    needed = largest + 2 * sum(page.byte_count for page in pages)
    monkeypatch.setattr(run_module.machine, "memory_budget", lambda: needed)
    assert len(run("recolor", *pages)[0]) == 1 + 2 * len(pages)

    monkeypatch.setattr(run_module.machine, "memory_budget", lambda: needed - 1)
    assert code_of("recolor", *pages) == "too-large"
