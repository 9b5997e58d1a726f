"""The operation: what moves, what stays exactly, and what it says."""

import threading

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cli import main
from engine.imaging import files
from engine.imaging.color import srgb_to_lab
from engine.imaging.raster import Raster
from engine.job import Cache, Cancelled, Input, Job
from engine.operations import transfer
from ipc import catalog
from ipc.errors import LimnerError
from ipc.planes import Plane
from tests import simple_networks


@pytest.fixture(autouse=True)
def red_network(own_home):
    """What is red is the subject."""
    simple_networks.red_is_subject()


def as_mask(mask, x=0, y=0):
    return Raster(np.repeat(mask[..., None], 3, axis=2).astype(np.float32), None, x, y)


def run(
    rgb,
    reference,
    alpha=None,
    *,
    mask=None,
    reference_mask=None,
    cache=None,
    cancelled=None,
    previews=None,
    progress=None,
    cubes=None,
    **params,
):
    """The result layer. reference, reference_mask: pixels, or a Raster."""
    height, width = rgb.shape[:2]
    if not isinstance(reference, Raster):
        reference = Raster(reference)
    inputs = {"image": Raster(rgb, alpha), "reference": reference}
    if mask is not None:
        inputs["mask"] = as_mask(mask)
    if reference_mask is not None:
        given_raster = isinstance(reference_mask, Raster)
        inputs["reference-mask"] = reference_mask if given_raster else as_mask(reference_mask)
    named = {
        role: [Input(raster, f"{role} {raster.rgb.mean()} {raster.x}", f"{role}.png")]
        for role, raster in inputs.items()
    }
    operation = catalog.operation("transfer")
    job = Job(
        operation.id,
        (width, height),
        operation.check_params(params),
        named,
        Cache(0) if cache is None else cache,
        on_progress=lambda fraction, _: None if progress is None else progress.append(fraction),
        cancelled=cancelled or threading.Event(),
        outputs=None if cubes is not None else ["picture"],
        on_preview=None if previews is None else previews.append,
    )
    layer, *others = transfer.run(job)
    if cubes is not None:
        cubes += others
    assert (layer.role, layer.kind, layer.exact) == ("picture", "colour", False)
    assert layer.pixels.dtype == np.float32
    assert layer.pixels.shape == (height, width, 4)
    return layer


def picture(colors, seed=0, height=60, width=90):
    """Soft grainy patches of the colours."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, len(colors), (height // 10, width // 10)).repeat(10, 0).repeat(10, 1)
    noise = rng.normal(0, 0.02, (height, width, 3))
    return np.clip(np.array(colors)[patches] + noise, 0, 1).astype(np.float32)


def warm(seed=0, **size):
    return picture([(0.7, 0.5, 0.3), (0.5, 0.35, 0.25), (0.85, 0.75, 0.55)], seed, **size)


def cool(seed=1, **size):
    return picture([(0.3, 0.5, 0.7), (0.2, 0.3, 0.5), (0.6, 0.75, 0.85)], seed, **size)


def lab_of(rgb):
    return srgb_to_lab(rgb[..., :3].reshape(-1, 3).T.copy())


def moved(layer, rgb):
    return np.abs(layer.pixels[..., :3] - rgb).max(axis=2)


def test_the_change_is_given_as_a_cube_unless_there_are_two():
    cubes = []
    run(warm(), cool(), cubes=cubes, subjects="none")
    (cube,) = cubes
    assert (cube.role, cube.pixels.shape) == ("cube", (33 * 33, 33, 3))
    assert np.abs(cube.pixels[17 * 33 + 17, 17] - 17 / 32).max() > 0.01


def test_the_picture_takes_the_references_colors_and_keeps_its_detail():
    rgb, reference = warm(), cool()
    after, before, wanted = lab_of(run(rgb, reference).pixels), lab_of(rgb), lab_of(reference)
    left, all_the_way = (
        np.linalg.norm((wanted - each).mean(axis=1)[1:]) for each in (after, before)
    )
    assert left < 0.3 * all_the_way
    assert np.corrcoef(after[0], before[0])[0, 1] > 0.98


def test_its_own_colors_leave_a_picture_as_it_is():
    rgb = warm()
    assert moved(run(rgb, rgb), rgb).max() < 1e-3


def test_alpha_stays():
    rgb = warm()
    alpha = np.random.default_rng(1).random(rgb.shape[:2], dtype=np.float32) + 0.01
    assert np.array_equal(run(rgb, cool(), alpha).pixels[..., 3], alpha)


def test_lightness_moves_as_far_as_is_wanted():
    rgb, dark = warm(), cool() * np.float32(0.4)

    def mean(**params):
        return lab_of(run(rgb, dark, **params).pixels)[0].mean()

    before, wanted = lab_of(rgb)[0].mean(), lab_of(dark)[0].mean()
    assert mean(lightness=0) == pytest.approx(before, abs=0.2)
    assert abs(mean(lightness=100) - wanted) < 0.4 * (before - wanted)
    assert mean() == pytest.approx(before + 0.3 * (mean(lightness=100) - before), abs=1)


def test_strength_zero_is_the_input_exactly():
    rgb = warm()
    assert moved(run(rgb, cool(), strength=0), rgb).max() == 0


@settings(max_examples=15, deadline=None)
@given(st.floats(1, 95), st.integers(0, 50))
def test_more_strength_moves_colors_further(strength, seed):
    rgb, reference = warm(seed, height=20, width=20), cool(seed, height=20, width=20)
    part, whole = (moved(run(rgb, reference, strength=s), rgb).mean() for s in (strength, 100))
    assert 0 < part < whole


def test_fewer_colors_are_a_broader_change():
    """With one, all colours move alike in a and b, apart from what the gamut takes."""
    rgb = picture([(0.6, 0.45, 0.4), (0.4, 0.5, 0.4), (0.45, 0.45, 0.6)])
    reference = picture([(0.7, 0.5, 0.4), (0.45, 0.6, 0.5), (0.45, 0.5, 0.7)], 1)

    def moves(colors):
        change = lab_of(run(rgb, reference, colors=colors).pixels) - lab_of(rgb)
        return change[1:].std(axis=1).max()

    assert moves(1) < 0.7
    assert moves(32) > 2


def test_transparent_pixels_stay_exactly_and_do_not_count():
    rgb, alpha = warm(), np.ones((60, 90), np.float32)
    rgb[:, 60:] = (0.9, 0.1, 0.9)
    alpha[:, 60:] = 0
    layer = run(rgb, cool(), alpha)
    assert moved(layer, rgb)[:, 60:].max() == 0
    assert np.array_equal(layer.pixels[:, :60], run(rgb[:, :60].copy(), cool()).pixels)


def test_a_mask_limits_the_result_and_the_palette():
    rgb, mask = warm(), np.zeros((60, 90))
    mask[:, :60] = 1
    rgb[:, 60:] = (0.9, 0.1, 0.9)
    layer = run(rgb, cool(), mask=mask)
    assert moved(layer, rgb)[:, 60:].max() == 0
    cut = run(rgb[:, :60].copy(), cool())
    assert np.abs(layer.pixels[:, :60] - cut.pixels).max() < 1e-6


def test_a_soft_mask_blends():
    rgb = warm()
    whole = run(rgb, cool()).pixels
    half = run(rgb, cool(), mask=np.full((60, 90), 0.5)).pixels
    assert np.abs(half[..., :3] - (rgb + whole[..., :3]) / 2).max() < 1e-5


def test_a_reference_mask_says_which_colors_count():
    both = np.concatenate([cool(), picture([(0.8, 0.2, 0.6)])], axis=1)
    mask = np.zeros(both.shape[:2])
    mask[:, :90] = 1
    expected = run(warm(), cool()).pixels
    assert np.abs(run(warm(), both, reference_mask=mask).pixels - expected).max() < 1e-6
    assert np.abs(run(warm(), both).pixels - expected).max() > 0.1


def test_a_reference_mask_lies_where_it_lies_over_the_reference():
    """As layers of a document they have places, and sizes of their own."""
    both = np.concatenate([cool(), picture([(0.8, 0.2, 0.6)])], axis=1)
    reference, mask = Raster(both, None, 30, 7), as_mask(np.ones((80, 100)), 20, -3)
    expected = run(warm(), cool()).pixels
    assert np.abs(run(warm(), reference, reference_mask=mask).pixels - expected).max() < 1e-6


def scene(subject, ground):
    """A disc of grainy reddish colour on a ground, and where it is."""
    disc = cv2.circle(np.zeros((300, 400), np.uint8), (200, 150), 80, 255, -1, cv2.LINE_AA)
    inside = disc.astype(np.float32)[..., None] / 255
    noise = np.random.default_rng(0).normal(0, 0.02, (300, 400, 3))
    rgb = np.array(ground) + inside * (np.array(subject) - np.array(ground)) + noise
    return np.clip(rgb, 0, 1).astype(np.float32), inside[..., 0]


def test_subject_goes_to_subject_and_background_to_background():
    """Both have the same colours, which alone are no reason for a change."""
    rgb, inside = scene((0.9, 0.1, 0.1), (0.2, 0.45, 0.25))
    reference, _ = scene((0.9, 0.1, 0.7), (0.2, 0.25, 0.45))
    layer = run(rgb, reference)
    assert layer.metadata["network"]["name"]
    ours, theirs = layer.pixels[..., :3], reference
    for part in (inside == 1, inside == 0):
        wanted = lab_of(theirs)[1:, part.ravel()].mean(axis=1)
        assert np.abs(lab_of(ours)[1:, part.ravel()].mean(axis=1) - wanted).max() < 5


@pytest.mark.parametrize("how", ["none", "mask", "reference-mask", "one has no subject"])
def test_all_is_one_where_parts_are_not_told_apart(how):
    rgb, inside = scene((0.9, 0.1, 0.1), (0.2, 0.45, 0.25))
    reference, _ = scene((0.9, 0.1, 0.7), (0.2, 0.25, 0.45))
    whole = np.ones(inside.shape)
    if how == "none":
        layer = run(rgb, reference, subjects="none")
    elif how == "mask":
        layer = run(rgb, reference, mask=whole)
    elif how == "reference-mask":
        layer = run(rgb, reference, reference_mask=whole)
    else:
        reference = cool()
        layer = run(rgb, reference)
    expected = run(rgb, reference, mask=whole, reference_mask=np.ones(reference.shape[:2]))
    assert np.array_equal(layer.pixels, expected.pixels)


def test_the_parts_meet_softly():
    """A subject's soft edge is a mixture, as it is in the picture."""
    rgb, inside = scene((0.9, 0.1, 0.1), (0.2, 0.45, 0.25))
    soft = cv2.GaussianBlur(inside, (0, 0), 6)
    rgb = (0.5 * (1 - soft) + soft * 0.5)[..., None] * np.float32([1, 0.9, 0.9])
    rgb[..., 0] = 0.45 + 0.5 * soft
    reference, _ = scene((0.9, 0.1, 0.7), (0.2, 0.25, 0.45))
    result = run(rgb.astype(np.float32), reference).pixels[150, :, :3]
    assert np.abs(np.diff(result, axis=0)).max() < 0.15


def test_progress_never_goes_back():
    rgb, _ = scene((0.9, 0.1, 0.1), (0.2, 0.45, 0.25))
    reference, _ = scene((0.9, 0.1, 0.7), (0.2, 0.25, 0.45))
    progress = []
    run(rgb, reference, progress=progress)
    assert progress == sorted(progress)
    assert len(set(progress)) > 6
    assert progress[-1] <= 1


def test_another_setting_finds_palettes_and_subjects_kept(monkeypatch):
    rgb, _ = scene((0.9, 0.1, 0.1), (0.2, 0.45, 0.25))
    reference, _ = scene((0.9, 0.1, 0.7), (0.2, 0.25, 0.45))
    cache = Cache(1 << 30)
    expected = run(rgb, reference, strength=50).pixels
    run(rgb, reference, cache=cache)

    def again(*_):
        raise AssertionError

    monkeypatch.setattr(transfer, "peak_palette", again)
    monkeypatch.setattr(transfer.select_subject, "look", again)
    assert np.array_equal(run(rgb, reference, cache=cache, strength=50).pixels, expected)


def test_a_preview_is_a_small_picture_of_the_result():
    rgb, previews = warm(height=400, width=800), []
    alpha = np.ones(rgb.shape[:2], np.float32)
    alpha[:, :200] = 0
    layer = run(rgb, cool(), alpha, previews=previews)
    (small,) = previews
    assert small.shape == (200, 400, 3)
    assert np.abs(small[:, 100:] - np.clip(layer.pixels[::2, 200::2, :3], 0, 1)).max() < 1e-5
    assert np.all(small[:, :100] == 1)


def test_light_beyond_white_survives():
    rgb = warm() * np.float32(6)
    result = run(rgb, cool()).pixels[..., :3]
    assert np.isfinite(result).all()
    assert result.max() > 3


@pytest.mark.parametrize("color", [(0.2, 0.3, 0.9), (0.5, 0.5, 0.5), (0, 0, 0), (1, 1, 1)])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (9, 7)])
def test_a_flat_picture_stays_flat_and_a_flat_reference_serves(color, size):
    flat = np.ones((*size, 3), np.float32) * np.float32(color)
    pixels = run(flat, cool()).pixels
    assert np.ptp(pixels.reshape(-1, 4), axis=0).max() == 0
    result = lab_of(run(warm(), flat, lightness=0).pixels)
    assert np.abs(result[1:].mean(axis=1) - lab_of(flat)[1:, 0]).max() < 25


def test_a_grey_picture_is_toned():
    grey = np.repeat(np.random.default_rng(0).random((60, 90, 1), dtype=np.float32), 3, axis=2)
    after = lab_of(run(grey, cool()).pixels)
    assert after[2].mean() < -10
    assert np.isfinite(after).all()


def test_a_grey_reference_makes_grey():
    grey = np.repeat(np.random.default_rng(0).random((60, 90, 1), dtype=np.float32), 3, axis=2)
    pixels = run(warm(), grey).pixels[..., :3]
    assert np.ptp(pixels, axis=2).mean() < 0.02


def test_a_wholly_transparent_picture_comes_back():
    rgb = warm()
    layer = run(rgb, cool(), np.zeros(rgb.shape[:2], np.float32))
    assert moved(layer, rgb).max() == 0
    assert "nothing visible" in layer.metadata["note"]


@pytest.mark.parametrize(
    ("alpha", "mask", "code"),
    [(0, None, "empty-layer"), (1, as_mask(np.ones((9, 9)), 500, 500), "empty-mask")],
)
def test_a_reference_without_colors_is_refused(alpha, mask, code):
    reference = Raster(cool(), np.full((60, 90), alpha, np.float32))
    with pytest.raises(LimnerError) as refused:
        run(warm(), reference, reference_mask=mask)
    assert refused.value.code == code
    assert "reference" in refused.value.sentence


def test_the_same_comes_back_every_time():
    rgb = warm(3, height=600, width=700)
    first, second = run(rgb, cool()), run(rgb, cool())
    assert first.pixels.tobytes() == second.pixels.tobytes()


def test_a_cancelled_job_ends():
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        run(warm(), cool(), cancelled=cancelled)


def write(path, rgb):
    height, width = rgb.shape[:2]
    data = np.rint(rgb * 255).astype(np.uint8).tobytes()
    files.write_plane(path, Plane("", path.name, width, height, rgb.shape[2], "u8", data))
    return str(path)


def test_from_files(tmp_path, capsys):
    image = write(tmp_path / "photo.png", warm())
    reference = write(tmp_path / "ref.png", cool(height=30, width=40))
    mask = write(tmp_path / "mask.png", np.ones((30, 40, 1)))
    wrong = write(tmp_path / "wrong.png", np.ones((60, 90, 1)))
    command = ["transfer", image, "--reference", reference, "-o", str(tmp_path / "out.png")]

    assert main(command) == 0
    whole = (tmp_path / "out.png").read_bytes()
    assert main([*command, "--reference-mask", mask]) == 0
    assert (tmp_path / "out.png").read_bytes() == whole
    assert main([*command, "--reference-mask", wrong]) == 2
    assert "'ref.png' is 40 × 30" in capsys.readouterr().err
