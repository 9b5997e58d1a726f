"""The door: every depth, model and profile, in and out."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.imaging import raster as door
from engine.imaging.raster import (
    PixelFormat,
    Raster,
    decode,
    decode_marks,
    encode,
    encode_layer,
    on_canvas,
)
from engine.job import Layer
from ipc.errors import LimnerError
from ipc.planes import Plane
from tests.engine.imaging import profiles

DEPTHS = ("u8", "u16", "f16", "f32")
MODELS = {1: "grey", 2: "grey + alpha", 3: "RGB", 4: "RGBA"}
FORMATS = [
    pytest.param(PixelFormat(channels, depth, icc), id=f"{depth} {model} {name}")
    for depth in DEPTHS
    for channels, model in MODELS.items()
    for name, icc in {
        "none": None,
        **(profiles.GREY if channels < 3 else {**profiles.RGB, "tables": profiles.of_tables()}),
    }.items()
]
STORED = {"u8": 2.0, "u16": 0.05, "f16": 0.15, "f32": 0.005}
"""CIEDE2000 between a changed pixel and what is stored of it; at 8 bit the dither's code counts."""
LINEAR = [icc for name, icc in profiles.RGB.items() if name.startswith("linear")]
TABLES = 1.2
"""The same through a profile of 33-point tables, whatever the depth."""


def plane_of(codes, pixel_format, **kwargs):
    codes = np.ascontiguousarray(codes, door.DTYPES[pixel_format.depth])
    height, width, channels = codes.shape
    return Plane(
        role="image",
        name="picture",
        width=width,
        height=height,
        channels=channels,
        depth=pixel_format.depth,
        data=codes.tobytes(),
        icc=pixel_format.icc,
        **kwargs,
    )


def picture(pixel_format, height=40, width=37, peak=1.0):
    """A plane of random codes; float samples reach `peak` and go a little below 0."""
    random = np.random.default_rng(3)
    shape = (height, width, pixel_format.channels)
    if pixel_format.depth[0] == "u":
        dtype = door.DTYPES[pixel_format.depth]
        return plane_of(random.integers(0, np.iinfo(dtype).max, shape, endpoint=True), pixel_format)
    codes = random.random(shape) * peak - 0.05
    if pixel_format.has_alpha:
        codes[..., -1] = random.random((height, width))
    return plane_of(codes, pixel_format)


def codes_of(plane):
    codes = np.frombuffer(plane.data, door.DTYPES[plane.depth])
    return codes.reshape(plane.height, plane.width, plane.channels)


def xyz_of(colours):
    return profiles.srgb_xyz(np.ascontiguousarray(colours.reshape(-1, 3).T))


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_an_untouched_plane_comes_back_bit_by_bit(pixel_format):
    plane = picture(pixel_format, peak=30)
    if plane.depth[0] == "f":
        odd = codes_of(plane).copy()
        odd[0, :6, 0] = [np.nan, np.inf, -np.inf, -0.0, 65504, -65504]
        odd[1, :3, -1] = [np.nan, 1.5, -0.5]
        plane = plane_of(odd, pixel_format)
    raster = decode(plane)
    assert np.isfinite(raster.rgb).all()
    assert bytes(encode(raster, pixel_format, source=plane).data) == plane.data
    assert bytes(encode(raster, pixel_format, source=plane, exact=True).data) == plane.data


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_untouched_pixels_beside_changed_ones_keep_their_codes(pixel_format):
    plane = picture(pixel_format)
    raster = decode(plane)
    changed = raster.rgb.copy()
    changed[:20] = 0.5
    codes = codes_of(encode(replace(raster, rgb=changed), pixel_format, source=plane))
    assert (codes[20:] == codes_of(plane)[20:]).all()
    assert (codes[:20, :, : pixel_format.colours] != codes_of(plane)[:20, :, :1]).mean() > 0.9
    if pixel_format.has_alpha:
        assert (codes[..., -1] == codes_of(plane)[..., -1]).all()


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_changed_pixels_are_stored_as_they_look(pixel_format):
    random = np.random.default_rng(4)
    rgb = random.random((32, 32, 3), np.float32) * np.float32(0.9) + np.float32(0.05)
    if pixel_format.colours == 1:
        rgb[...] = rgb[..., :1]
    alpha = random.random((32, 32), np.float32) if pixel_format.has_alpha else None
    stored = decode(encode(Raster(rgb, alpha), pixel_format))
    tables = pixel_format.icc == profiles.of_tables()
    linear = pixel_format.icc in (profiles.GREY["linear"], *LINEAR)
    found = profiles.delta_e(xyz_of(stored.rgb), xyz_of(rgb))
    assert np.median(found) < 0.25
    if not (linear and pixel_format.depth == "u8"):  # whose codes lie far apart in the dark
        assert found.max() < (TABLES if tables else STORED[pixel_format.depth])
    if alpha is not None:
        assert np.abs(stored.alpha - alpha).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("name", ["linear sRGB", "linear Rec. 2020", "linear ACEScg"])
@pytest.mark.parametrize("depth", ["f16", "f32"])
def test_light_above_white_survives_a_change(name, depth):
    pixel_format = PixelFormat(4, depth, profiles.RGB[name])
    raster = decode(picture(pixel_format, peak=30))
    assert raster.rgb.max() > 3
    brighter = replace(raster, rgb=raster.rgb * np.float32(1.1))
    stored = decode(encode(brighter, pixel_format))
    difference = profiles.delta_e(xyz_of(stored.rgb), xyz_of(brighter.rgb))
    assert difference.max() < (0.2 if depth == "f16" else 0.02)


@pytest.mark.parametrize("depth", ["u8", "u16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_srgb_codes_are_plain_fractions_and_every_one_comes_back(depth, channels):
    pixel_format = PixelFormat(channels, depth)
    top = np.iinfo(door.DTYPES[depth]).max
    every = np.repeat(np.arange(top + 1).reshape(256, -1, 1), channels, axis=2)
    raster = decode(plane_of(every, pixel_format))
    assert np.array_equal(raster.rgb[..., 0], (every[..., 0] / np.float32(top)).astype(np.float32))
    for exact in (True, False):
        assert np.array_equal(codes_of(encode(raster, pixel_format, exact=exact)), every)


@pytest.mark.parametrize("channels", MODELS)
def test_8_bit_linear_codes_come_back_without_their_source(channels):
    icc = profiles.GREY["linear"] if channels < 3 else profiles.RGB["linear sRGB"]
    pixel_format = PixelFormat(channels, "u8", icc)
    every = np.repeat(np.arange(256).reshape(16, 16, 1), channels, axis=2)
    assert np.array_equal(
        codes_of(encode(decode(plane_of(every, pixel_format)), pixel_format)), every
    )


@given(st.floats(0, 255, width=32), st.integers(0, 1000))
def test_dither_keeps_the_mean_and_strays_less_than_a_code(level, seed):
    rgb = np.full((64, 64, 3), level / 255, np.float32)
    codes = codes_of(encode(Raster(rgb), PixelFormat(3, "u8"), seed=seed)).astype(np.float64)
    assert np.abs(codes - level).max() < 1
    assert abs(codes.mean() - level) < 0.01
    assert np.ptp(codes, axis=2).max() == 0


def test_dither_keeps_the_mean_of_a_ramp_nearly_everywhere():
    ramp = np.tile(np.linspace(0.2, 0.25, 1024, dtype=np.float32), (64, 1))
    rgb = np.repeat(ramp[..., np.newaxis], 3, axis=2)
    codes = codes_of(encode(Raster(rgb), PixelFormat(3, "u8")))[..., 0].astype(np.float64)
    blocks = (codes - ramp * 255).reshape(4, 16, 64, 16).mean(axis=(1, 3))
    assert np.abs(blocks).max() < 0.05
    rounded = codes_of(encode(Raster(rgb), PixelFormat(3, "u8"), exact=True))[..., 0]
    banded = (rounded - ramp * 255).reshape(4, 16, 64, 16).mean(axis=(1, 3))
    assert np.abs(banded).max() > 0.3


def test_dither_repeats_itself_and_hangs_on_the_document_not_the_layer():
    rgb = np.full((50, 60, 3), 0.3011, np.float32)
    whole = codes_of(encode(Raster(rgb), PixelFormat(3, "u8")))
    assert np.array_equal(whole, codes_of(encode(Raster(rgb), PixelFormat(3, "u8"))))
    part = codes_of(encode(Raster(rgb[10:, 20:], x=20, y=10), PixelFormat(3, "u8")))
    assert np.array_equal(part, whole[10:, 20:])
    assert not np.array_equal(whole, codes_of(encode(Raster(rgb), PixelFormat(3, "u8"), seed=1)))


def test_exact_alpha_and_deep_pixels_are_rounded():
    random = np.random.default_rng(5)
    raster = Raster(random.random((9, 9, 3), np.float32), random.random((9, 9), np.float32))
    for depth, top in (("u8", 255), ("u16", 65535)):
        codes = codes_of(encode(raster, PixelFormat(4, depth), exact=True))
        assert np.abs(codes - np.rint(raster.rgba() * top)).max() <= (0 if top == 255 else 1)
    assert np.array_equal(
        codes_of(encode(raster, PixelFormat(4, "u8")))[..., 3], np.rint(raster.alpha * 255)
    )
    assert np.array_equal(
        codes_of(encode(raster, PixelFormat(4, "u16"))),
        codes_of(encode(raster, PixelFormat(4, "u16"), exact=True)),
    )


def test_whole_number_depths_clip_and_nothing_stays_infinite():
    rgb = np.array([[[-1, 0.5, 2], [np.nan, np.inf, -np.inf]]], np.float32)
    assert codes_of(encode(Raster(rgb), PixelFormat(3, "u16")))[0].tolist() == [
        [0, 32768, 65535],
        [0, 65535, 0],
    ]
    half = codes_of(encode(Raster(rgb * 1e6), PixelFormat(3, "f16")))
    assert half[0].tolist() == [[-65504, 65504, 65504], [0, 65504, -65504]]
    assert np.isfinite(codes_of(encode(Raster(rgb), PixelFormat(3, "f32")))).all()


def test_not_a_number_counts_as_nothing_and_infinity_as_the_largest_half():
    samples = np.array([[[np.nan, np.inf, -np.inf, np.nan], [1e30, 0.25, 1, np.inf]]])
    for depth in ("f16", "f32"):
        with np.errstate(over="ignore"):
            raster = decode(plane_of(samples, PixelFormat(4, depth)))
        assert raster.rgb[0, 0].tolist() == [0, 65504, -65504]
        assert raster.rgb[0, 1].tolist() == [65504, 0.25, 1]
        assert raster.alpha[0].tolist() == [0, 1]


def test_grey_takes_the_luminance():
    rgb = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]], np.float32)
    codes = codes_of(encode(Raster(rgb), PixelFormat(1, "u8"), exact=True))[0, :, 0]
    light = profiles.srgb_xyz(np.ascontiguousarray(rgb[0].T))[:, 1]
    assert np.abs(profiles.srgb_light(codes / 255) - light).max() < 0.005


def test_a_colour_layer_is_rgba_of_the_documents_depth():
    adobe, grey = profiles.RGB["Adobe RGB"], profiles.GREY["gamma 2.2"]
    assert PixelFormat(3, "u16", adobe).for_colour_layer() == PixelFormat(4, "u16", adobe)
    assert PixelFormat(1, "f32", grey).for_colour_layer() == PixelFormat(4, "f32", None)
    assert PixelFormat(2, "u8").for_colour_layer() == PixelFormat(4, "u8", None)


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (0, 0)])
def test_a_layer_without_a_pixel_is_an_error(width, height):
    with pytest.raises(LimnerError) as caught:
        decode(plane_of(np.zeros((height, width, 4)), PixelFormat(4, "u8")))
    assert caught.value.code == "empty-layer"
    with pytest.raises(LimnerError):
        encode(Raster(np.zeros((height, width, 3), np.float32)), PixelFormat(4, "u8"))


def test_one_pixel_and_a_very_wide_row_go_through():
    for shape in ((1, 1), (1, 70_001), (70_001, 1)):
        plane = picture(PixelFormat(4, "f32", profiles.RGB["ProPhoto"]), *shape)
        assert bytes(encode(decode(plane), PixelFormat.of(plane), source=plane).data) == plane.data


def test_a_source_that_does_not_fit_is_a_mistake():
    plane = picture(PixelFormat(4, "u8"))
    raster = decode(plane)
    with pytest.raises(ValueError, match="source"):
        encode(raster, PixelFormat(4, "u16"), source=plane)
    with pytest.raises(ValueError, match="source"):
        encode(on_canvas(raster, 99, 99), PixelFormat(4, "u8"), source=plane)


def test_a_bad_profile_is_said():
    with pytest.raises(LimnerError, match="profile"):
        decode(picture(PixelFormat(4, "u8", b"nonsense")))


def test_the_canvas_cuts_and_pads_with_transparency():
    rgb = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    placed = on_canvas(Raster(rgb, x=-1, y=1), 3, 4)
    assert (placed.width, placed.height, placed.x, placed.y) == (3, 4, 0, 0)
    assert placed.alpha.tolist() == [[0, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert np.array_equal(placed.rgb[1:3, 0], rgb[:, 1])
    assert not placed.rgb[:, 1:].any()
    back = door.window(placed, -1, 1, 2, 2)
    assert back.alpha.tolist() == [[0, 1], [0, 1]]
    assert np.array_equal(back.rgb[:, 1], rgb[:, 1])
    outside = on_canvas(Raster(rgb, x=50), 3, 3)
    assert not outside.alpha.any()
    same = Raster(rgb)
    assert on_canvas(same, 2, 2) is same


def test_layers_say_what_they_are():
    pixels = np.full((2, 3, 4), [0.2, 0.4, 0.6, 1], np.float32)
    layer = Layer(
        "flats", "Sky", pixels, x=4, y=5, blending="multiply", opacity=0.5, group=("Limner",),
        exact=True, metadata={"seed": 1},
    )  # fmt: skip
    plane = encode_layer(layer, PixelFormat(4, "u8"))
    assert (plane.role, plane.name, plane.x, plane.y) == ("flats", "Sky", 4, 5)
    assert codes_of(plane)[0, 0].tolist() == [51, 102, 153, 255]
    assert plane.attributes == {
        "kind": "colour",
        "blending": "multiply",
        "opacity": 0.5,
        "group": ["Limner"],
        "exact": True,
        "of": 0,
        "metadata": {"seed": 1},
    }


def test_masks_labels_and_palettes_have_formats_of_their_own():
    document = PixelFormat(1, "f32", profiles.GREY["linear"])
    mask = encode_layer(
        Layer("mask", "m", np.array([[0, 0.5, 1]], np.float32), kind="mask"), document
    )
    assert (mask.channels, mask.depth, mask.icc) == (1, "u8", None)
    assert codes_of(mask).ravel().tolist() == [0, 128, 255]
    labels = encode_layer(
        Layer("labels", "l", np.array([[0, 1, 60000]], np.uint16), kind="labels"), document
    )
    assert (labels.channels, labels.depth) == (1, "u16")
    assert codes_of(labels).ravel().tolist() == [0, 1, 60000]
    colours = np.random.default_rng(1).random((1, 5, 4), np.float32)
    palette = encode_layer(Layer("palette", "p", colours, kind="palette"), document)
    assert np.array_equal(codes_of(palette), colours)


def test_importing_costs_numpy_alone():
    heavy = ("imagecodecs", "cv2", "PIL", "skimage", "scipy", "tifffile")
    code = f"import engine.imaging.raster, sys; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(DEPTHS), st.integers(1, 4))
def test_marks_are_the_painted_pixels_on_the_canvas(seed, depth, channels):
    rng = np.random.default_rng(seed)
    codes = rng.random((7, 9, channels)) * (1 if depth[0] == "f" else 2 ** int(depth[1:]) - 1)
    x, y = rng.integers(-5, 6, 2).tolist()
    data = codes.astype(door.DTYPES[depth]).tobytes()
    plane = Plane("scribbles", "Hints", 9, 7, channels, depth, data, x=x, y=y)
    found = decode_marks(plane, 8, 10)
    whole = on_canvas(decode(plane), 8, 10)
    expected = Raster(whole.rgb, whole.alpha).marks()
    assert found.shape == (10, 8)
    assert np.array_equal(found.place, expected.place)
    assert np.array_equal(found.rgb, expected.rgb)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_table_is_encoded_as_its_pixels_are(depth, channels):
    rng = np.random.default_rng(1)
    table = rng.random((5, 4)).astype(np.float32)
    rows = rng.integers(0, 5, (40, 30)).astype(np.int32)
    form = PixelFormat(channels, depth)
    layer = Layer("flats", "Flats", rows, x=3, y=-2, exact=True, table=table)
    plain = Layer("flats", "Flats", table[rows], x=3, y=-2, exact=True)
    assert encode_layer(layer, form) == encode_layer(plain, form)


def test_a_table_may_be_longer_than_a_picture_is_wide():
    count = 2**17 + 2
    table = np.ones((count, 4), np.float32)
    table[:, 0] = np.arange(count) % 256 / 255
    rows = np.int32([[0, 255, count - 1]])
    plane = encode_layer(
        Layer("flats", "Flats", rows, exact=True, table=table), PixelFormat(4, "u8")
    )
    assert bytes(plane.data)[::4] == bytes([0, 255, (count - 1) % 256])
