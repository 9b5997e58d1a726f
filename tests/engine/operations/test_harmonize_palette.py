"""The operation: what moves, what stays exactly, and what it says."""

import threading

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.imaging.color import srgb_to_lab
from engine.imaging.hue_templates import arcs
from engine.imaging.raster import Raster
from engine.job import Cache, Cancelled, Input, Job
from engine.operations import harmonize_palette
from ipc import catalog
from ipc.errors import LimnerError


def run(
    rgb, alpha=None, *, mask=None, palette=None, links=None, cancelled=None, outputs=None, **params
):
    """The result layers by role."""
    height, width = rgb.shape[:2]
    given_inputs = {"image": [Input(Raster(rgb, alpha), "image")]}
    if mask is not None:
        grey = np.repeat(mask[..., None], 3, axis=2).astype(np.float32)
        given_inputs["mask"] = [Input(Raster(grey), "mask")]
    if palette is not None:
        given_inputs["palette"] = [Input(Raster(np.float32([palette])), "palette")]
    if links is not None:
        given_inputs["links"] = [Input(Raster.of_rgba(np.float32(links)), "links", "My links")]
    operation = catalog.operation("harmonize-palette")
    checked = operation.check_params({k.replace("_", "-"): v for k, v in params.items()})
    job = Job(
        operation.id,
        (width, height),
        checked,
        given_inputs,
        Cache(0),
        cancelled=cancelled or threading.Event(),
        outputs=outputs,
    )
    layers = {layer.role: layer for layer in harmonize_palette.run(job)}
    assert set(layers) <= {output.role for output in operation.outputs}
    return layers


def picture(seed=0, height=40, width=60):
    """Soft patches of five colours."""
    rng = np.random.default_rng(seed)
    base = np.float32(
        [[0.7, 0.3, 0.2], [0.2, 0.5, 0.3], [0.25, 0.3, 0.6], [0.8, 0.75, 0.5], [0.5] * 3]
    )
    patches = rng.integers(0, 5, (height // 10, width // 10)).repeat(10, 0).repeat(10, 1)
    noise = rng.normal(0, 0.03, (height, width, 3)).astype(np.float32)
    return np.clip(base[patches] + noise, 0, 1)


def lab_of(rgb):
    return np.moveaxis(srgb_to_lab(np.moveaxis(rgb, -1, 0).copy()), 0, -1)


def moved(layers, rgb):
    return np.abs(layers["picture"].pixels[..., :3] - rgb).max(axis=2)


def test_colors_change_and_lightness_and_alpha_stay():
    rgb = picture()
    alpha = np.random.default_rng(1).random(rgb.shape[:2], dtype=np.float32) + 0.01
    layer = run(rgb, alpha)["picture"]
    result = layer.pixels[..., :3]
    assert not layer.exact
    assert np.abs(result - rgb).max() > 0.1
    assert np.abs(lab_of(result)[..., 0] - lab_of(rgb)[..., 0]).max() < 0.1
    assert np.array_equal(layer.pixels[..., 3], alpha)
    assert result.min() >= 0
    assert result.max() <= 1


def test_the_palette_says_what_became_what():
    layer = run(picture())["swatches"]
    source, target = layer.metadata["source"], layer.metadata["target"]
    assert layer.kind == "palette"
    assert layer.pixels.shape == (2, len(target), 4)
    assert 2 <= len(source) == len(target) == len(layer.metadata["share"]) <= 7
    assert source != target
    for row, codes in zip(layer.pixels[..., :3], (source, target), strict=True):
        shown = [tuple(bytes.fromhex(code[1:])) for code in codes]
        in_gamut = ((row >= 0) & (row <= 1)).all(axis=1)
        assert in_gamut.any()
        assert np.abs(row * 255 - shown)[in_gamut].max() < 0.6


def test_the_palette_alone_takes_no_picture():
    alone, whole = run(picture(), outputs=["swatches"]), run(picture())
    assert list(alone) == ["swatches"]
    assert alone["swatches"].metadata == whole["swatches"].metadata


def test_the_number_of_colors_can_be_chosen():
    for colors in range(1, 8):
        assert len(run(picture(), colors=colors)["swatches"].metadata["source"]) == colors


def test_strength_zero_is_the_input_exactly():
    rgb = picture()
    layers = run(rgb, strength=0)
    assert np.array_equal(layers["picture"].pixels[..., :3], rgb)
    assert "note" in layers["picture"].metadata


@settings(max_examples=20, deadline=None)
@given(st.floats(1, 99), st.integers(0, 50))
def test_more_strength_moves_colors_further(strength, seed):
    rgb = picture(seed, 20, 20)

    def distance(percent):
        pixels = run(rgb, strength=percent)["picture"].pixels[..., :3]
        return np.hypot(*np.moveaxis(lab_of(pixels) - lab_of(rgb), -1, 0)[1:]).sum()

    assert 0 < distance(strength) < distance(100)


def test_transparent_pixels_stay_exactly_and_do_not_count():
    rgb, alpha = picture(), np.ones((40, 60), np.float32)
    rgb[:, 40:] = (0.9, 0.1, 0.9)
    alpha[:, 40:] = 0
    layers = run(rgb, alpha)
    assert moved(layers, rgb)[:, 40:].max() == 0
    cut = run(rgb[:, :40].copy())
    assert layers["swatches"].metadata == cut["swatches"].metadata
    assert np.array_equal(layers["picture"].pixels[:, :40], cut["picture"].pixels)


def test_a_mask_limits_the_result_and_the_palette():
    rgb, mask = picture(), np.zeros((40, 60))
    mask[:, :40] = 1
    rgb[:, 40:] = (0.9, 0.1, 0.9)
    layers = run(rgb, mask=mask)
    assert moved(layers, rgb)[:, 40:].max() == 0
    cut = run(rgb[:, :40].copy())
    assert layers["swatches"].metadata == cut["swatches"].metadata
    assert np.abs(layers["picture"].pixels[:, :40] - cut["picture"].pixels).max() < 1e-6


def test_a_soft_mask_blends():
    rgb = picture()
    whole = run(rgb)["picture"].pixels
    half = run(rgb, mask=np.full((40, 60), 0.5))["picture"].pixels
    assert np.abs(half[..., :3] - (rgb + whole[..., :3]) / 2).max() < 1e-5


def test_neutrals_stay_unless_wanted_otherwise():
    rgb = picture()
    rgb[:10] = np.linspace(0, 1, 60, dtype=np.float32)[None, :, None]
    assert moved(run(rgb), rgb)[:10].max() < 1e-6
    assert moved(run(rgb, keep_neutrals=False), rgb)[:10].max() > 0.02


def test_skin_stays_unless_wanted_otherwise():
    rgb = picture()
    rgb[:10] = (0.85, 0.66, 0.55)
    assert moved(run(rgb), rgb)[:10].max() < 0.02
    assert moved(run(rgb, keep_skin=False), rgb)[:10].max() > 0.05


def many_hues():
    """Half of one hue, the rest of all."""
    hsv = np.zeros((40, 72, 3), np.float32)
    hsv[..., 0], hsv[..., 1], hsv[..., 2] = np.arange(0, 360, 5), 0.5, 0.8
    hsv[:20, :, 0] = 220
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def disharmony(rgb):
    """F of Xue 2024, eq. 4.3, over every degree of hue."""
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV).reshape(-1, 3)
    hues = np.rint(hsv[:, 0]).astype(int) % 360
    return (arcs(360) @ np.bincount(hues, hsv[:, 1], minlength=360)).min()


def test_hues_outside_the_harmony_are_drawn_in_as_far_as_is_wanted():
    rgb = many_hues()
    found = [
        disharmony(run(rgb, unity=unity)["picture"].pixels[..., :3].copy())
        for unity in (0, 50, 100)
    ]
    assert found[0] > found[1] > found[2]
    assert found[2] < 0.05 * found[0]


def test_a_given_palette_is_the_harmony_whatever_the_unity():
    rgb, palette = many_hues(), [(0.9, 0.3, 0.2), (0.2, 0.5, 0.9), (0.3, 0.8, 0.3)]
    together = run(rgb, palette=palette)["picture"].pixels
    assert np.array_equal(run(rgb, palette=palette, unity=0)["picture"].pixels, together)
    assert not np.array_equal(run(rgb)["picture"].pixels, together)


def test_free_links_of_a_result_give_the_same_again():
    first = run(picture())
    links = first["swatches"].pixels.copy()
    links[1, :, 3] = 0
    again = run(picture(), links=links)
    assert np.abs(again["picture"].pixels - first["picture"].pixels).max() < 2e-3
    assert again["swatches"].metadata["source"] == first["swatches"].metadata["source"]
    assert again["swatches"].metadata["target"] == first["swatches"].metadata["target"]


def test_a_link_that_the_artist_changed_holds_and_free_ones_are_chosen():
    rgb = picture()
    first = run(rgb)["swatches"].pixels
    links = first.copy()
    links[1, 0, :3] = (0.1, 0.2, 0.9)
    links[1, 1:, 3] = 0
    layers = run(rgb, links=links)
    after = lab_of(layers["swatches"].pixels[1:, :, :3])[0, :, 1:]
    before = lab_of(first[1:, :, :3])[0, :, 1:]
    assert np.allclose(after[0], lab_of(np.float32([[[0.1, 0.2, 0.9]]]))[0, 0, 1:], atol=0.1)
    assert np.allclose(after[1:], before[1:], atol=0.5)


def test_a_locked_color_stays():
    rgb = picture()
    links = run(rgb)["swatches"].pixels.copy()
    links[1, 0] = links[0, 0]
    swatches = run(rgb, links=links)["swatches"].metadata
    assert swatches["target"][0] == swatches["source"][0]
    assert swatches["target"][1:] != swatches["source"][1:]


@pytest.mark.parametrize("shape", [(1, 4), (3, 4), (2, 300)])
def test_links_that_make_no_sense_are_refused(shape):
    with pytest.raises(LimnerError) as refused:
        run(picture(), links=np.ones((*shape, 4)))
    assert refused.value.code == "bad-parameter"


def test_links_without_any_colour_leave_all_free():
    free, given = run(picture()), run(picture(), links=np.zeros((2, 4, 4)))
    assert given["swatches"].metadata["source"] == free["swatches"].metadata["source"]
    assert np.array_equal(given["picture"].pixels, free["picture"].pixels)


def test_a_template_draws_hues_together():
    rgb = picture()
    free = {"unity": 0, "turn": 180, "keep_neutrals": False, "keep_skin": False}
    result = run(rgb, method="template", **free)["picture"].pixels
    assert disharmony(np.clip(result[..., :3], 0, 1)) < 0.8 * disharmony(rgb)


def test_the_preview_is_the_result_made_small():
    seen = []
    rgb = picture()
    given_inputs = {"image": [Input(Raster(rgb), "image")]}
    params = catalog.operation("harmonize-palette").check_params({})
    job = Job("harmonize-palette", (60, 40), params, given_inputs, Cache(1 << 20))
    job.on_preview = seen.append
    result = harmonize_palette.run(job)[0].pixels
    assert np.allclose(seen[0], result[..., :3], atol=1e-5)


def test_a_given_palette_is_moved_to():
    palette = [(0.9, 0.5, 0.1), (0.1, 0.3, 0.7)]
    layer = run(picture(), palette=palette, keep_neutrals=False, keep_skin=False)["swatches"]
    wanted = lab_of(np.float32([palette]))[0, :, 1:]
    reached = lab_of(layer.pixels[1:, :, :3])[0, :, 1:]
    apart = np.linalg.norm(reached[:, None] - wanted[None], axis=2)
    assert apart.min(axis=1).max() < 8.1


def test_light_beyond_white_survives():
    rgb = picture() * 8 - 0.5
    result = run(rgb.astype(np.float32))["picture"].pixels[..., :3]
    assert np.abs(lab_of(result)[..., 0] - lab_of(rgb)[..., 0]).max() < 0.5
    assert result.max() > 5


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("color", [(0.2, 0.3, 0.9), (0.5, 0.5, 0.5), (0, 0, 0), (1, 1, 1)])
@pytest.mark.parametrize("size", [(1, 1), (9, 7)])
def test_a_flat_picture_stays_flat(color, size, keep):
    rgb = np.ones((*size, 3), np.float32) * np.float32(color)
    layers = run(rgb, keep_neutrals=keep)
    pixels = layers["picture"].pixels
    assert np.ptp(pixels.reshape(-1, 4), axis=0).max() == 0
    assert len(layers["swatches"].metadata["source"]) == 1


def test_a_grey_picture_comes_back_and_says_so():
    rgb = np.repeat(np.random.default_rng(0).random((30, 30, 1), dtype=np.float32), 3, axis=2)
    layer = run(rgb)["picture"]
    assert np.array_equal(layer.pixels[..., :3], rgb)
    assert layer.metadata["note"] == "No colour moves; the picture is as it was."
    assert "note" not in run(picture())["picture"].metadata


@pytest.mark.parametrize("mask", [None, np.eye(40, 60)])
def test_a_wholly_transparent_picture_comes_back(mask):
    rgb = picture()
    layers = run(rgb, np.zeros(rgb.shape[:2], np.float32), mask=mask)
    assert np.array_equal(layers["picture"].pixels[..., :3], rgb)
    assert "note" in layers["picture"].metadata
    assert "swatches" not in layers


def test_a_palette_of_too_many_colors_is_refused():
    with pytest.raises(LimnerError) as refused:
        run(picture(), palette=np.random.default_rng(0).random((5000, 3)))
    assert refused.value.code == "bad-parameter"


def test_the_same_comes_back_every_time():
    rgb = picture(3, 600, 700)
    first, second = run(rgb), run(rgb)
    assert first["picture"].pixels.tobytes() == second["picture"].pixels.tobytes()
    assert first["swatches"].metadata == second["swatches"].metadata


def test_a_cancelled_job_ends():
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        run(picture(), cancelled=cancelled)
