"""The operation: the pasted thing moves, nothing else does, and what it says."""

import csv
import itertools
import json
import shutil
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine import runtime
from engine.cli import main
from engine.imaging.raster import Raster
from engine.job import Cache, Cancelled, Input, Job
from engine.operations import harmonize_composite
from ipc import catalog
from ipc.errors import LimnerError
from tests import simple_networks
from tests.drawings import photograph

BRIGHTER = np.eye(3, 4) + np.float32([0, 0, 0, 0.1])


@pytest.fixture(autouse=True)
def brightening_network(own_home):
    """Adds a tenth to every channel; outside the mask, where it may say anything, it is wild."""
    simple_networks.one_change(BRIGHTER, outside=50)


def run(rgb, mask, alpha=None, *, cancelled=None, cache=None, strength=100.0):
    """The result layer."""
    height, width = rgb.shape[:2]
    grey = np.repeat(mask[..., None], 3, axis=2).astype(np.float32)
    given = {
        "image": [Input(Raster(rgb, alpha), "image", "picture.png")],
        "mask": [Input(Raster(grey), "mask", "mask.png")],
    }
    operation = catalog.operation("harmonize-composite")
    job = Job(
        operation.id,
        (width, height),
        operation.check_params({"strength": strength}),
        given,
        Cache(0) if cache is None else cache,
        cancelled=cancelled or threading.Event(),
    )
    (layer,) = harmonize_composite.run(job)
    assert (layer.role, layer.kind, layer.exact) == ("picture", "colour", False)
    return layer


def picture(height=90, width=120):
    """A scene with colour and grain, float32."""
    return cv2.resize(photograph(), (width, height)).astype(np.float32) / 255


def middle(height=90, width=120):
    mask = np.zeros((height, width), np.float32)
    mask[height // 3 : -height // 3, width // 3 : -width // 3] = 1
    return mask


def test_the_thing_moves_and_the_background_keeps_every_bit():
    rgb, mask = picture(), middle()

    layer = run(rgb, mask)

    found = layer.pixels[..., :3]
    assert np.array_equal(found[mask == 0], rgb[mask == 0])
    assert np.abs(found - rgb - 0.1)[mask == 1].max() < 0.01
    assert (layer.pixels[..., 3] == 1).all()


def test_strength_is_how_far_it_moves():
    rgb, mask = picture(), middle()

    none, half = (run(rgb, mask, strength=s).pixels[..., :3] for s in (0, 50))

    assert np.array_equal(none, rgb)
    assert np.abs(half - rgb - 0.05)[mask == 1].max() < 0.01


def test_a_soft_mask_moves_in_part():
    rgb = picture()
    mask = np.tile(np.linspace(0, 1, 120, dtype=np.float32), (90, 1))

    moved = run(rgb, mask).pixels[..., :3] - rgb

    assert np.abs(moved - 0.1 * mask[..., None]).max() < 0.01


def test_blend_0_is_the_picture(own_home):
    simple_networks.one_change(np.zeros((3, 4)), blend=0)
    rgb, mask = picture(), middle()

    assert np.array_equal(run(rgb, mask).pixels[..., :3], rgb)


def test_detail_stays():
    noise = np.random.default_rng(0).random((600, 500, 3), np.float32) * np.float32(0.8)
    mask = middle(600, 500)

    found = run(noise, mask).pixels[..., :3]

    assert np.abs(found - noise - 0.1)[mask == 1].max() < 0.01


def test_what_is_transparent_stays_and_counts_for_nothing():
    rgb, mask = picture(), middle()
    alpha = np.ones(mask.shape, np.float32)
    alpha[:, 60:] = 0

    pixels = run(rgb, mask, alpha).pixels

    assert np.array_equal(pixels[alpha == 0, :3], rgb[alpha == 0])
    assert np.array_equal(pixels[..., 3], alpha)
    assert np.abs(pixels[..., :3] - rgb - 0.1)[(mask * alpha) == 1].max() < 0.01


def test_light_beyond_white_survives():
    rgb, mask = picture() * np.float32(6), middle()

    found = run(rgb, mask).pixels[..., :3]

    assert np.array_equal(found[mask == 0], rgb[mask == 0])
    assert found.max() >= rgb[mask == 1].max()
    assert ((found - rgb)[mask == 1] >= 0).all()


def test_a_grey_picture_stays_grey(own_home):
    simple_networks.one_change([[0.5, 0.1, 0, 0.3], [0.2, 0.9, 0, 0], [0, 0, 0.4, 0.1]])
    rgb = np.repeat(picture()[..., 1:2], 3, axis=2)

    found = run(rgb, middle()).pixels[..., :3]

    assert np.array_equal(found[..., 0], found[..., 1])
    assert np.array_equal(found[..., 1], found[..., 2])
    assert np.abs(found - rgb).max() > 0.05


@pytest.mark.parametrize("size", [(1, 2), (2, 1), (3, 700), (900, 2), (33, 31)])
def test_any_size_works(size):
    rgb, mask = picture(*size), np.zeros(size, np.float32)
    mask[0, 0] = 1

    found = run(rgb, mask).pixels[..., :3]

    assert np.array_equal(found[mask == 0], rgb[mask == 0])
    assert found[0, 0] == pytest.approx(rgb[0, 0] + 0.1, abs=0.02)


def test_one_pixel_of_a_large_picture_moves():
    rgb, mask = picture(1000, 1200), np.zeros((1000, 1200), np.float32)
    mask[990, 15] = 1

    found = run(rgb, mask).pixels[..., :3]

    assert (found != rgb).any(axis=2).sum() == 1
    assert found[990, 15] == pytest.approx(rgb[990, 15] + 0.1, abs=0.02)


@pytest.mark.parametrize(
    ("mask", "code"),
    [
        (np.zeros((90, 120)), "empty-mask"),
        (np.ones((90, 120)), "full-mask"),
        (np.full((90, 120), 0.9999), "full-mask"),
    ],
)
def test_a_mask_of_nothing_or_of_everything_is_refused(mask, code):
    with pytest.raises(LimnerError) as refused:
        run(picture(), mask)

    assert refused.value.code == code
    assert "mask.png" in refused.value.sentence


def test_a_mask_on_nothing_visible_is_refused():
    alpha = np.zeros((90, 120), np.float32)
    alpha[:, :10] = 1
    with pytest.raises(LimnerError) as refused:
        run(picture(), middle(), alpha)

    assert refused.value.code == "empty-mask"


def test_the_pasted_layer_alone_is_refused():
    """Its own shape as the mask leaves nothing around it."""
    with pytest.raises(LimnerError) as refused:
        run(picture(), middle(), middle())

    assert refused.value.code == "full-mask"


def test_another_strength_runs_no_network(monkeypatch):
    runs = []
    whole = runtime.Network.run

    def counted(network, inputs):
        runs.append(inputs["image"].shape)
        return whole(network, inputs)

    monkeypatch.setattr(runtime.Network, "run", counted)
    cache, rgb = Cache(1 << 24), picture()
    kept = [run(rgb, middle(), cache=cache, strength=s).pixels for s in (100, 30, 30)]

    assert len(runs) == 1
    assert np.array_equal(kept[1], run(rgb, middle(), strength=30).pixels)
    assert np.array_equal(kept[1], kept[2])


def test_the_layer_says_which_network_ran():
    assert (
        run(picture(), middle()).metadata["network"]
        == runtime.network("harmonize-composite").identity
    )


def test_a_cancelled_job_ends():
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        run(picture(), middle(), cancelled=cancelled)


@pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 255), (np.uint16, 65535)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_files_keep_depth_and_model(tmp_path, dtype, scale, channels):
    codes = picture()[..., ::-1]
    if channels == 1:
        codes = codes[..., 0]
    elif channels == 4:
        codes = np.dstack([codes, np.ones(codes.shape[:2])])
    codes = np.round(codes * scale).astype(dtype)
    cv2.imwrite(str(tmp_path / "in.png"), codes)
    cv2.imwrite(str(tmp_path / "mask.png"), (middle() * 255).astype(np.uint8))
    out, report = tmp_path / "out.png", tmp_path / "report.json"

    status = main(
        ["harmonize-composite", str(tmp_path / "in.png"), "--mask", str(tmp_path / "mask.png"),
         "-o", str(out), "--report", str(report)]
    )  # fmt: skip

    found = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    inside = middle() == 1
    assert status == 0
    assert (found.dtype, found.shape) == (codes.dtype, codes.shape)
    assert np.array_equal(found[~inside], codes[~inside])
    colours = np.s_[..., :3] if channels > 1 else np.s_[...]
    moved = (found.astype(float) - codes)[inside][colours] / scale
    assert moved.mean() == pytest.approx(0.1, abs=0.01)
    told = json.loads(report.read_text())
    assert [network["name"] for network in told["networks"]] == ["simple"]
    assert {"network", "colours"} <= told["seconds"].keys()


def test_a_float_file_keeps_its_light(tmp_path):
    import tifffile

    rgb, mask = picture() * np.float32(20), middle()
    tifffile.imwrite(tmp_path / "in.tif", rgb, photometric="rgb")
    cv2.imwrite(str(tmp_path / "mask.png"), (mask * 255).astype(np.uint8))

    arguments = [str(tmp_path / "in.tif"), "--mask", str(tmp_path / "mask.png")]
    assert main(["harmonize-composite", *arguments, "-o", str(tmp_path / "out.tif")]) == 0

    found = tifffile.imread(tmp_path / "out.tif")
    assert found.dtype == np.float32
    assert np.array_equal(found[mask == 0], rgb[mask == 0])
    assert (found - rgb)[mask == 1].mean() > 0.1


def test_a_missing_mask_is_asked_for(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "in.png"), photograph())
    with pytest.raises(SystemExit):
        main(["harmonize-composite", str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png")])

    assert "--mask" in capsys.readouterr().err


def test_real_things_with_altered_colours_come_nearer_to_what_they_were(shared, own_home):
    """The built-in network, on photographs whose licence keeps them out of training."""
    shutil.rmtree(own_home / "models")
    folder = shared / "data/coco_cc_photos"
    about = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    with (folder / "files.csv").open(newline="", encoding="utf-8") as table:
        held_out = [row["file"] for row in csv.DictReader(table) if "BY-SA" in row["licence"]]
    gains = itertools.cycle([(0.5, 0.5, 0.5), (1.3, 0.9, 0.6), (0.6, 0.9, 1.3)])
    before, after = [], []
    for name in sorted(file for file in held_out if Path(file).stem in about)[:60]:
        truth = cv2.imread(str(folder / name), cv2.IMREAD_COLOR_RGB).astype(np.float32) / 255
        mask = largest_thing(about.get(Path(name).stem), truth.shape)
        if mask is None:
            continue
        rgb = np.clip(truth + mask[..., None] * truth * (np.float32(next(gains)) - 1), 0, 1)
        found = np.clip(run(rgb.astype(np.float32), mask).pixels[..., :3], 0, 1)
        before.append(((rgb - truth)[mask > 0.5] ** 2).mean())
        after.append(((found - truth)[mask > 0.5] ** 2).mean())

    assert len(before) >= 5
    assert np.mean(after) < 0.8 * np.mean(before), (before, after)


def largest_thing(photo, shape):
    """The mask of a photograph's largest annotated thing; None where it is too small or large."""
    height, width = shape[:2]
    best = None
    for thing in photo["instances"] if photo else ():
        if isinstance(thing["segmentation"], list):
            mask = np.zeros((height, width), np.float32)
            scale = width / photo["width"], height / photo["height"]
            rings = [np.reshape(ring, (-1, 2)) * scale for ring in thing["segmentation"]]
            cv2.fillPoly(mask, [np.round(ring).astype(np.int32) for ring in rings], 1)
            best = mask if best is None or mask.sum() > best.sum() else best
    return best if best is not None and 0.02 < best.mean() < 0.6 else None
