"""The operation: what is selected, where it is looked for, and what it says."""

import json
import shutil
import threading
import zipfile

import cv2
import numpy as np
import pytest

from engine import machine, runtime
from engine.cli import main
from engine.imaging.raster import Raster
from engine.job import Cache, Cancelled, Input, Job
from engine.operations import select_subject
from ipc import catalog
from ipc.errors import LimnerError
from tests import networks, simple_networks


@pytest.fixture(autouse=True)
def red_network(own_home):
    """Finds what is red."""
    simple_networks.red_is_subject()


def run(rgb, alpha=None, *, mask=None, cancelled=None, cache=None, **params):
    """The result layer."""
    height, width = rgb.shape[:2]
    given = {"image": [Input(Raster(rgb, alpha), "image", "picture.png")]}
    if mask is not None:
        grey = np.repeat(mask[..., None], 3, axis=2).astype(np.float32)
        given["mask"] = [Input(Raster(grey), "mask", "mask.png")]
    operation = catalog.operation("select-subject")
    job = Job(
        operation.id,
        (width, height),
        operation.check_params(params),
        given,
        Cache(0) if cache is None else cache,
        cancelled=cancelled or threading.Event(),
    )
    (layer,) = select_subject.run(job)
    assert (layer.role, layer.kind, layer.exact) == ("subject", "mask", True)
    assert layer.pixels.dtype == np.float32
    assert layer.pixels.shape == (height, width)
    assert layer.pixels.min() >= 0
    assert layer.pixels.max() <= 1
    return layer


def disc(height=300, width=400, x=0.5, y=0.5, radius=70):
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (round(x * width), round(y * height)), radius, 255, -1, cv2.LINE_AA)
    return mask.astype(np.float32) / 255


def scene(*discs, color=(0.9, 0.1, 0.1)):
    """Red discs on grainy green."""
    shape = discs[0].shape
    rgb = np.random.default_rng(0).normal([0.2, 0.45, 0.25], 0.02, (*shape, 3))
    for alpha in discs:
        rgb += (np.array(color) - rgb) * alpha[..., None]
    return np.clip(rgb, 0, 1).astype(np.float32)


def test_the_subject_is_selected_to_the_pixel():
    alpha = disc()

    found = run(scene(alpha)).pixels

    assert np.abs(found - alpha).mean() < 0.003
    assert ((found > 0.5) != (alpha > 0.5)).sum() < 60
    assert found[150, 200] == 1
    assert found[:30].max() == 0


def test_a_mask_limits_where_it_is_looked_for():
    left, right = disc(x=0.2, radius=50), disc(x=0.8, radius=50)
    mask = np.zeros(left.shape)
    mask[:, 200:] = 1

    found = run(scene(left, right), mask=mask).pixels

    assert found[:, :200].max() == 0
    assert ((found > 0.5) != (right > 0.5)).sum() < 60


def test_a_soft_mask_selects_in_part():
    alpha = disc()

    found = run(scene(alpha), mask=np.full(alpha.shape, 0.5)).pixels

    assert found[150, 200] == pytest.approx(0.5)


def test_a_small_mask_looks_closely():
    """A thing that the whole picture is too large to show is found inside a selection."""
    alpha = disc(2000, 2000, 0.7, 0.3, 8)
    mask = np.zeros(alpha.shape)
    mask[560:640, 1360:1440] = 1
    rgb = scene(alpha)

    with pytest.raises(LimnerError):
        run(rgb)
    found = run(rgb, mask=mask).pixels

    assert ((found > 0.5) != (alpha > 0.5)).sum() < 20


@pytest.mark.parametrize("feather", [5.0, 40.0])
def test_feathering_softens_the_edge(feather):
    alpha = disc()
    rgb = scene(alpha)

    sharp, soft = run(rgb).pixels, run(rgb, feather=feather).pixels

    assert soft.mean() == pytest.approx(sharp.mean(), rel=0.05)
    assert ((soft > 0.05) & (soft < 0.95)).sum() > 3 * ((sharp > 0.05) & (sharp < 0.95)).sum()


def test_what_is_transparent_is_not_selected():
    alpha, opaque = disc(), np.ones((300, 400), np.float32)
    opaque[:, :200] = 0

    found = run(scene(alpha), opaque).pixels

    assert found[:, :200].max() == 0
    assert ((found > 0.5) != (alpha * opaque > 0.5)).sum() < 60


def test_a_cut_out_on_nothing_is_selected_as_it_is():
    """Where the network sees no subject, what the layer shows is one."""
    alpha = disc()

    layer = run(scene(alpha, color=(0.3, 0.3, 0.8)), alpha)

    assert np.array_equal(layer.pixels, alpha)
    assert "transparent" in layer.metadata["note"]


def test_no_subject_is_told_and_nothing_selected():
    with pytest.raises(LimnerError) as refused:
        run(scene(disc(), color=(0.3, 0.3, 0.8)))

    assert refused.value.code == "no-subject"
    assert "picture.png" in refused.value.sentence


def test_a_wholly_transparent_picture_is_refused():
    with pytest.raises(LimnerError) as refused:
        run(scene(disc()), np.zeros((300, 400), np.float32))

    assert refused.value.code == "empty-layer"


def test_a_mask_on_nothing_visible_is_refused():
    opaque = np.zeros((300, 400), np.float32)
    opaque[:10] = 1
    with pytest.raises(LimnerError) as refused:
        run(scene(disc()), opaque, mask=disc())

    assert refused.value.code == "empty-mask"


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (700, 2), (31, 33)])
def test_any_size_works(size):
    rgb = np.broadcast_to(np.float32([0.9, 0.1, 0.1]), (*size, 3)).copy()

    assert run(rgb).pixels.min() == 1


def test_light_beyond_white_counts_as_white():
    alpha = disc()
    rgb = scene(alpha)
    rgb[alpha == 1] = (30, 0.1, -2)

    found = run(rgb).pixels

    assert ((found > 0.5) != (alpha > 0.5)).sum() < 60


def test_feather_and_limit_run_no_network_again(monkeypatch):
    runs = []
    whole = runtime.Network.run

    def counted(network, inputs):
        runs.append(inputs["image"].shape)
        return whole(network, inputs)

    monkeypatch.setattr(runtime.Network, "run", counted)
    cache, rgb = Cache(1 << 24), scene(disc())
    first = run(rgb, cache=cache).pixels
    once = len(runs)
    run(rgb, cache=cache, feather=9.0)
    again = run(rgb, cache=cache).pixels

    assert len(runs) == once
    assert np.array_equal(first, again)


@pytest.mark.parametrize("width", catalog.operation("select-subject").parameters[0].choices)
def test_every_quality_runs_and_the_layer_says_which(width):
    identity = run(scene(disc()), width=width).metadata["network"]

    assert identity["name"] == "simple"
    assert identity["provider"] == runtime.device()


@pytest.mark.parametrize(("threads", "variant"), [(1, "0.5"), (2, "1.0"), (16, "1.0")])
def test_auto_quality_suits_the_processor(own_home, monkeypatch, threads, variant):
    """With a network that has several widths; what it finds does not matter here."""
    networks.write(own_home / "models")
    monkeypatch.setattr(machine, "threads", lambda: threads)
    alpha = disc()

    assert run(scene(alpha), alpha).metadata["network"]["variant"] == variant


def test_a_cancelled_job_ends():
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        run(scene(disc()), cancelled=cancelled)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.round(scene(disc())[..., ::-1] * 255))
    return path


def test_the_file_is_a_grey_mask_of_8_bits(photo, tmp_path):
    out, report = tmp_path / "mask.png", tmp_path / "report.json"

    assert main(["select-subject", str(photo), "-o", str(out), "--report", str(report)]) == 0

    mask = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert (mask.dtype, mask.shape) == (np.uint8, (300, 400))
    assert (mask[150, 200], mask[5, 5]) == (255, 0)
    told = json.loads(report.read_text())
    assert told["networks"][0]["name"] == "simple"
    assert told["sizes"]["outputs"] == [["subject", 400, 300]]
    assert {"network", "edges"} <= told["seconds"].keys()


def test_flattened_it_is_the_cut_out(photo, tmp_path):
    out = tmp_path / "cut-out.png"

    assert main(["select-subject", str(photo), "-o", str(out), "--flatten"]) == 0

    cut, whole = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (out, photo))
    assert (cut[150, 200, 3], cut[5, 5, 3]) == (255, 0)
    assert np.array_equal(cut[..., :3][cut[..., 3] == 255], whole[cut[..., 3] == 255])


def test_openraster_holds_the_mask(photo, tmp_path):
    out = tmp_path / "mask.ora"

    assert main(["select-subject", str(photo), "-o", str(out)]) == 0

    with zipfile.ZipFile(out) as archive:
        data = np.frombuffer(archive.read("data/layer0.png"), np.uint8)
    mask = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert mask.shape == (300, 400)
    assert (mask[150, 200], mask[5, 5]) == (255, 0)


def test_no_subject_on_the_command_line(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((40, 40, 3), 128, np.uint8))

    status = main(["select-subject", str(tmp_path / "grey.png"), "-o", str(tmp_path / "m.png")])

    assert status == 2
    assert "No subject" in capsys.readouterr().err
    assert not (tmp_path / "m.png").exists()


def test_real_things_on_real_photographs_are_found(shared, own_home):
    """The built-in network, on cut-outs and grounds that it was not trained on."""
    shutil.rmtree(own_home / "models")
    names = (
        "mammals_cats_lion-2",
        "birds_owl",
        "birds_pelican",
        "bears_cartoon",
        "cartoon_penguin",
    )
    cutouts = sorted((shared / "data/tuxpaint_cutouts").glob("*.webp"))
    chosen = [next(path for path in cutouts if name in path.stem) for name in names]
    grounds = sorted((shared / "data/open_photos").glob("ubuntu*.webp"))
    overlaps = []
    for path, ground in zip(chosen, grounds, strict=False):
        rgba = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
        rgba = cv2.resize(rgba, (300, 300)).astype(np.float32) / 255
        rgb = cv2.resize(cv2.imread(str(ground), cv2.IMREAD_COLOR_RGB), (480, 480))
        rgb = rgb.astype(np.float32) / 255
        truth = np.zeros((480, 480), bool)
        truth[90:390, 90:390] = rgba[..., 3] > 0.5
        part = rgb[90:390, 90:390]
        part += rgba[..., 3:] * (rgba[..., :3] - part)
        found = run(rgb).pixels > 0.5
        overlaps.append((found & truth).sum() / (found | truth).sum())

    assert np.mean(overlaps) > 0.6, overlaps
