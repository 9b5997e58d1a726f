"""The operation: what a set shares, what stays, and what it says."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from engine.imaging.color import srgb_to_lab
from engine.imaging.raster import Raster
from engine.job import Cache, Cancelled, Input, Job
from engine.operations import recolor
from ipc import catalog
from ipc.errors import LimnerError

BLUES = [(0.3, 0.45, 0.75), (0.35, 0.6, 0.8)]
BROWNS = [(0.6, 0.45, 0.3), (0.55, 0.35, 0.25)]


def scene(number, height=24, width=30):
    """A blue and a brown half, a little other in every scene."""
    rgb = np.empty((height, width, 3), np.float32)
    rgb[: height // 2], rgb[height // 2 :] = BLUES[number], BROWNS[number]
    return rgb


def run(*pictures, **given):
    """Results as (pictures, swatches), each in order; a picture is H x W x 3 or 4."""
    layers = run_all(*pictures, **given)
    return tuple(
        [layer for layer in layers if layer.role == role] for role in ("picture", "swatches")
    )


def common(*pictures, **given):
    """The palette in common, 2 x N x 4: as it is and what it becomes."""
    (layer,) = [each for each in run_all(*pictures, **given) if each.role == "common"]
    return layer


def run_all(
    *pictures,
    palette=None,
    locked=None,
    masks=(),
    links=(),
    common_links=None,
    cancelled=None,
    previews=None,
    outputs=None,
    **params,
):
    """All results."""
    operation = catalog.operation("recolor")
    given = {"image": [], "mask": [], "links": []}
    for n, pixels in enumerate(pictures):
        alpha = pixels[..., 3].copy() if pixels.shape[2] == 4 else None
        digest = f"{n} {hash(pixels.tobytes())}"
        given["image"].append(Input(Raster(pixels[..., :3].copy(), alpha), digest, f"page {n}"))
    for n, mask in enumerate(masks):
        grey = np.repeat(np.float32(mask)[..., None], 3, axis=2)
        given["mask"].append(Input(Raster(grey), f"mask {n}"))
    given["links"] = [
        Input(Raster.of_rgba(np.float32(each)), f"links {n}") for n, each in enumerate(links)
    ]
    if common_links is not None:
        given["common-links"] = [Input(Raster.of_rgba(np.float32(common_links)), "common")]
    if palette is not None:
        marks = None if locked is None else {"locked": locked}
        given["palette"] = [Input(Raster(np.float32([palette])), "palette", attributes=marks)]
    job = Job(
        operation.id,
        pictures[0].shape[1::-1],
        operation.check_params({k.replace("_", "-"): v for k, v in params.items()}),
        {role: inputs for role, inputs in given.items() if inputs},
        Cache(1 << 26),
        cancelled=cancelled or threading.Event(),
        outputs=outputs,
        on_preview=previews,
    )
    return list(recolor.run(job))


def ab_of(color):
    return srgb_to_lab(np.float32(color)[:3, None])[1:, 0]


def apart(first, second, row):
    """Distance in a, b of two pictures' pixels in a row."""
    return np.linalg.norm(ab_of(first[row, 0]) - ab_of(second[row, 0]))


def test_like_colours_become_one_and_lightness_and_order_stay():
    before = [scene(0), scene(1)]
    after, swatches = run(*before)
    assert [layer.of for layer in after] == [layer.of for layer in swatches] == [0, 1]
    assert [layer.name for layer in after] == ["page 0 recolored", "page 1 recolored"]
    first, second = (layer.pixels for layer in after)
    for row in (0, 23):
        assert apart(first, second, row) < 1.5 < apart(*before, row) / 2
    for old, new in zip(before, after, strict=True):
        lab, moved = (srgb_to_lab(p[..., :3].reshape(-1, 3).T.copy()) for p in (old, new.pixels))
        assert np.abs(lab[0] - moved[0]).max() < 0.2
    said = [layer.metadata for layer in swatches]
    assert sorted(said[0]["link"]) == sorted(said[1]["link"]) == [0, 1]
    shared = common(*before).metadata
    assert shared["source"] == shared["target"]
    assert sum(shared["share"]) == pytest.approx(1)


def test_a_palette_is_the_one_in_common():
    orange, blue = (0.8, 0.6, 0.4), (0.2, 0.3, 0.8)
    after, _ = run(scene(0), scene(1), palette=[orange, blue], keep_names=False)
    for layer in after:
        assert np.linalg.norm(ab_of(layer.pixels[23, 0]) - ab_of(orange)) < 3


def test_one_picture_alone_stays_and_says_why():
    after, _ = run(scene(0))
    assert np.array_equal(after[0].pixels[..., :3], scene(0))
    assert "add others" in after[0].metadata["note"]
    harmonized, _ = run(scene(0), harmonize=True)
    assert np.abs(harmonized[0].pixels[..., :3] - scene(0)).max() > 0.02


def test_strength_zero_is_the_input_exactly():
    after, _ = run(scene(0), scene(1), strength=0)
    assert all(np.array_equal(a.pixels[..., :3], scene(n)) for n, a in enumerate(after))


def test_swatches_given_back_as_links_change_nothing_and_locks_hold():
    first, swatches = run(scene(0), scene(1))
    again, _ = run(scene(0), scene(1), links=[layer.pixels for layer in swatches])
    for one, other in zip(first, again, strict=True):
        assert np.abs(one.pixels - other.pixels).max() < 1e-3
    locked = [layer.pixels.copy() for layer in swatches]
    locked[1][1] = locked[1][0]
    held, _ = run(scene(0), scene(1), links=locked)
    assert np.abs(held[1].pixels[..., :3] - scene(1)).max() < 1e-3


PAPER = (0.93, 0.925, 0.91)


def on_paper(number):
    """A scene on nearly white paper."""
    rgb = scene(number)
    rgb[:, :12] = PAPER
    return rgb


def test_paper_stays_unless_the_artist_wants_another():
    pages = [on_paper(0), on_paper(1)]
    found, swatches = run(*pages, keep_names=False)
    change = np.abs([layer.pixels[..., :3] for layer in found] - np.array(pages))
    assert change[:, :, :12].max() < 1e-3
    assert change[:, :, 12:].max() > 0.02
    for layer in swatches:
        paler = np.ptp(layer.pixels[0, :, :3], axis=1).argmin()
        assert np.abs(np.diff(layer.pixels[:, paler, :3], axis=0)).max() < 1e-3
    shared = common(*pages, keep_names=False)
    paper = np.ptp(shared.pixels[0, :, :3], axis=1).argmin()
    links = edited(shared, paper, (0.95, 0.85, 0.7))
    tinted, _ = run(*pages, keep_names=False, common_links=links)
    given, _ = run(*pages, keep_names=False, palette=[(0.95, 0.85, 0.7)])
    for asked in (tinted, given):
        for layer in asked:
            assert np.abs(layer.pixels[0, 0, :3] - PAPER).max() > 0.05


def edited(shared, number, color):
    """The palette in common with another colour for one of its own."""
    links = shared.pixels.copy()
    links[1] = 0
    links[1, number] = (*color, 1)
    return links


@pytest.mark.parametrize("keep_names", [True, False])
def test_a_changed_colour_of_the_palette_in_common_takes_along_what_is_linked(keep_names):
    settings = {"keep_names": keep_names}
    before, swatches = run(scene(0), scene(1), **settings)
    shared = common(scene(0), scene(1), **settings)
    (blue,) = {layer.metadata["link"][int(n)] for n, layer in _bluest(swatches)}
    green = (0.4, 0.6, 0.45)
    links = edited(shared, blue, green)

    after, linked = run(scene(0), scene(1), common_links=links, **settings)

    assert [x.metadata["link"] for x in linked] == [x.metadata["link"] for x in swatches]
    for old, new in zip(before, after, strict=True):
        assert np.linalg.norm(ab_of(new.pixels[0, 0]) - ab_of(green)) < 5
        assert np.abs(new.pixels[23] - old.pixels[23]).max() < 1e-3
    again = common(scene(0), scene(1), common_links=links, **settings)
    assert np.allclose(again.pixels[0], shared.pixels[0], atol=1e-3)
    assert np.allclose(ab_of(again.pixels[1, blue]), ab_of(green), atol=0.1)
    assert again.metadata["share"] == shared.metadata["share"]


def _bluest(swatches):
    """The number of the bluest main colour of each picture, and its swatches."""
    return [(layer.pixels[0, :, 2].argmax(), layer) for layer in swatches]


def test_a_changed_colour_is_not_harmonized_and_the_others_are():
    shared = common(scene(0), scene(1), harmonize=True)
    assert shared.metadata["source"] != shared.metadata["target"]
    links = edited(shared, 0, shared.pixels[0, 0, :3])
    held = common(scene(0), scene(1), harmonize=True, common_links=links).metadata
    assert held["target"][0] == held["source"][0] != shared.metadata["target"][0]
    assert held["target"][1:] == shared.metadata["target"][1:]


def test_of_a_palette_in_common_that_is_given_only_what_is_used_comes_back_and_can_change():
    palette = [(0.9, 0.9, 0.2), (0.8, 0.6, 0.4), (0.2, 0.3, 0.8), (0.2, 0.9, 0.2)]
    given = {"palette": palette, "keep_names": False}
    shared = common(scene(0), scene(1), **given)
    assert np.allclose(shared.pixels[0, :, :3], palette[1:3], atol=1e-3)
    links = edited(shared, 0, (0.8, 0.3, 0.7))
    after, _ = run(scene(0), scene(1), common_links=links, **given)
    for layer in after:
        assert np.linalg.norm(ab_of(layer.pixels[23, 0]) - ab_of((0.8, 0.3, 0.7))) < 5


def test_a_picture_new_to_the_set_follows_the_palette_as_it_was_changed():
    shared = common(scene(0), scene(0) * 0.95)
    number = int(shared.pixels[0, :, 2].argmax())
    links = edited(shared, number, (0.2, 0.7, 0.3))
    after, _ = run(scene(0), scene(0) * 0.95, scene(1), common_links=links)
    assert np.linalg.norm(ab_of(after[2].pixels[0, 0]) - ab_of((0.2, 0.7, 0.3))) < 5


def test_the_palettes_alone_take_no_picture():
    layers = run_all(scene(0), scene(1), outputs=["swatches", "common"])
    assert [layer.role for layer in layers] == ["common", "swatches", "swatches"]


def test_links_of_some_pictures_alone_leave_the_others_free():
    _, swatches = run(scene(0), scene(1))
    locked = swatches[0].pixels.copy()
    locked[1] = locked[0]
    held, again = run(scene(0), scene(1), links=[locked, np.zeros((2, 1, 4))])
    assert np.abs(held[0].pixels[..., :3] - scene(0)).max() < 1e-3
    assert again[1].metadata["source"] == swatches[1].metadata["source"]


def test_masks_limit_statistics_and_result_each_of_its_picture():
    left = np.zeros((24, 30))
    left[:, :15] = 1
    spoilt = scene(1)
    spoilt[:, 15:] = (0.9, 0.1, 0.9)
    after, swatches = run(scene(0), spoilt, masks=[np.ones((24, 30)), left])
    assert np.array_equal(after[1].pixels[:, 15:, :3], spoilt[:, 15:])
    assert apart(after[0].pixels, after[1].pixels, 0) < 1.5
    assert len(swatches[1].metadata["source"]) == 2


def test_pictures_of_any_size_stand_together():
    after, _ = run(scene(0, 2, 1), scene(1, 50, 7), scene(0))
    assert [layer.pixels.shape[:2] for layer in after] == [(2, 1), (50, 7), (24, 30)]
    assert apart(after[0].pixels, after[1].pixels[[0, 49]], 0) < 1.5


def test_transparent_grey_and_flat_pictures_do_no_harm():
    unseen = np.concatenate([scene(0), np.zeros((24, 30, 1), np.float32)], axis=2)
    grey = np.full((5, 5, 3), 0.5, np.float32)
    red = np.full((5, 5, 3), (0.8, 0.1, 0.1), np.float32)
    after, swatches = run(unseen, grey, red, scene(1))
    assert np.array_equal(after[0].pixels, unseen)
    assert np.abs(after[1].pixels[..., :3] - grey).max() < 1e-3
    assert [layer.of for layer in swatches] == [1, 2, 3]


def test_nothing_visible_at_all_comes_back():
    unseen = np.zeros((4, 4, 4), np.float32)
    after, swatches = run(unseen, unseen)
    assert not swatches
    assert all("note" in layer.metadata for layer in after)


def test_a_locked_color_of_the_palette_is_not_harmonized():
    given = {"palette": [(0.55, 0.6, 0.7), (0.6, 0.5, 0.4)], "keep_names": False}

    def group(**marks):
        return common(*pair, harmonize=True, **given, **marks).metadata["target"]

    pair = scene(0), scene(1)
    plain = common(*pair, **given).metadata["target"]
    free, locked = group(), group(locked=[True, False])
    assert free[0] != plain[0]
    assert locked == [plain[0], free[1]]
    assert group(locked=[True]) == group(locked="yes") == free


def test_a_locked_color_of_the_palette_is_taken_exactly():
    red = np.float32([0.7, 0.2, 0.2])
    page = np.concatenate([np.full((10, 20, 3), color, np.float32) for color in BLUES[:2]])
    given = {"palette": [red, red], "keep_names": False, "subject": "together"}

    def reached(**marks):
        _, (swatches,) = run(page, **given, **marks)
        return srgb_to_lab(swatches.pixels[1, :, :3].T.copy())[1:].T

    wanted = srgb_to_lab(red[:, None])[1:].T
    locked = reached(locked=[False, True])
    assert len(locked) == 2
    assert np.abs(locked - wanted).max() < 1e-3
    assert np.ptp(reached(), axis=0).max() > 0.5


@pytest.mark.parametrize("harmonize", [True, False])
@pytest.mark.parametrize("count", [1, 256, 4096])
def test_palettes_of_any_size_are_taken(count, harmonize):
    palette = np.random.default_rng(0).random((count, 3))
    after, _ = run(scene(0), scene(1), palette=palette, keep_names=False, harmonize=harmonize)
    assert all(np.isfinite(layer.pixels).all() for layer in after)


def test_a_palette_of_too_many_colours_and_links_of_one_row_are_refused():
    for wrong in (
        {"palette": np.random.default_rng(0).random((5000, 3))},
        {"links": [np.ones((1, 3, 4))] * 2},
    ):
        with pytest.raises(LimnerError) as refused:
            run(scene(0), scene(1), **wrong)
        assert refused.value.code == "bad-parameter"


def test_white_balance_brings_a_tinted_page_to_the_others():
    paper = np.random.default_rng(1).random((24, 30, 1), dtype=np.float32) * np.ones(3, np.float32)
    tinted = paper * np.float32([1, 0.75, 0.4])
    after, swatches = run(paper, tinted, white_balance=True)
    assert [layer.metadata["balanced"] for layer in swatches] == [False, True]
    chroma = [
        np.hypot(*srgb_to_lab(p[..., :3].reshape(-1, 3).T.copy())[1:]).mean()
        for p in (tinted, after[1].pixels)
    ]
    assert chroma[1] < chroma[0] / 4


@pytest.mark.parametrize("subject", ["apart", "keep"])
def test_subjects_are_told_from_the_rest(subject, monkeypatch):
    network = SimpleNamespace(identity={"name": "stand-in"})

    def look(_network, picture, _box):
        likely = np.zeros((picture.height, picture.width), np.float32)
        likely[12:] = 1
        return likely, None

    monkeypatch.setattr(recolor.runtime, "network", lambda _: network)
    monkeypatch.setattr(recolor, "look", look)
    after, swatches = run(scene(0), scene(1), subject=subject)
    assert apart(after[0].pixels, after[1].pixels, 0) < 1.5
    links = [layer.metadata["link"] for layer in swatches]
    shared = common(scene(0), scene(1), subject=subject)
    held = edited(shared, 0, (0.3, 0.6, 0.3))
    again = run(scene(0), scene(1), subject=subject, common_links=held)[1]
    assert [layer.metadata["link"] for layer in again] == links
    if subject == "keep":
        assert np.abs(after[1].pixels[23, 0, :3] - BROWNS[1]).max() < 1e-3
        assert all(sorted(link) == [-1, 0] for link in links)
    else:
        assert all(sorted(link) == [0, 1] for link in links)


def test_the_preview_shows_every_picture():
    shown = []
    run(scene(0), scene(1), scene(0), previews=shown.append)
    (sheet,) = shown
    assert sheet.shape == (512, 512, 3)
    assert (sheet[:256, :256] < 0.99).any()
    assert (sheet[256:, 256:] == 1).all()


def test_a_cancelled_job_ends():
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        run(scene(0), cancelled=cancelled)
