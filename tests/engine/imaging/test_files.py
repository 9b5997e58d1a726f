"""Files in, files out."""

import io
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.imaging import files, icc, raster
from engine.imaging.raster import DTYPES, PixelFormat
from ipc.errors import LimnerError
from ipc.planes import Plane
from tests.engine.imaging import profiles

DEPTHS = ("u8", "u16", "f16", "f32")
HOLDS = {  # what each kind of file keeps without loss
    ".png": [(depth, channels) for depth in ("u8", "u16") for channels in (1, 2, 3, 4)],
    ".tif": [(depth, channels) for depth in DEPTHS for channels in (1, 2, 3, 4)],
    ".webp": [("u8", 3), ("u8", 4)],
}
EVERYTHING = [(ending, *kind) for ending, kinds in HOLDS.items() for kind in kinds]


def plane_of(codes, depth="u8", **kwargs):
    codes = np.ascontiguousarray(codes, DTYPES[depth])
    height, width, channels = codes.shape
    return Plane("image", "picture", width, height, channels, depth, codes.tobytes(), **kwargs)


def noise(channels, depth="u8", height=9, width=7):
    samples = np.random.default_rng(2).random((height, width, channels))
    if depth[0] == "u":
        samples = np.rint(samples * np.iinfo(DTYPES[depth]).max)
    return samples.astype(DTYPES[depth])


def codes_of(plane):
    codes = np.frombuffer(plane.data, DTYPES[plane.depth])
    return codes.reshape(plane.height, plane.width, plane.channels)


def read(path):
    return files.read_plane(path, "image")


def error_of(function, *args):
    with pytest.raises(LimnerError) as caught:
        function(*args)
    assert caught.value.next_step
    return caught.value


@pytest.mark.parametrize(("ending", "depth", "channels"), EVERYTHING)
def test_files_keep_size_depth_alpha_and_profile(tmp_path, ending, depth, channels):
    grey = channels < 3
    profile = profiles.GREY["gamma 2.2"] if grey else profiles.RGB["linear Rec. 2020"]
    for name, embedded in (("plain", None), ("profiled", profile)):
        plane = plane_of(noise(channels, depth), depth, icc=embedded)
        path = tmp_path / (name + ending)
        files.write_plane(path, plane)
        found = read(path)
        assert (found.role, found.name, found.x, found.y) == ("image", path.name, 0, 0)
        assert np.array_equal(codes_of(found), codes_of(plane))
        assert PixelFormat.of(found).profile is PixelFormat.of(plane).profile or (
            embedded is None and PixelFormat.of(found).profile.is_srgb
        )
    assert list(tmp_path.iterdir()) != []
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_comes_back_alike_with_its_profile(tmp_path, channels):
    smooth = np.linspace(0, 255, 64 * 64 * channels).reshape(64, 64, channels)
    profile = profiles.GREY["linear"] if channels == 1 else profiles.RGB["Adobe RGB"]
    plane = plane_of(smooth, icc=profile)
    files.write_plane(tmp_path / "a.jpg", plane)
    found = read(tmp_path / "a.jpg")
    assert found.icc == profile
    assert np.abs(codes_of(found).astype(int) - codes_of(plane)).max() < 8
    opaque = np.concatenate([smooth, np.full((64, 64, 1), 255)], axis=2)
    files.write_plane(tmp_path / "b.jpeg", plane_of(opaque, icc=profile))
    assert read(tmp_path / "b.jpeg").channels == channels


@pytest.mark.parametrize(
    ("ending", "depth", "channels"),
    [
        *((".png", depth, channels) for depth in ("f16", "f32") for channels in (1, 4)),
        *((".jpg", *kind) for kind in (("u8", 2), ("u8", 4), ("u16", 3), ("f32", 1))),
        *((".webp", *kind) for kind in (("u8", 1), ("u8", 2), ("u16", 4))),
        (".gif", "u8", 3),
        ("", "u8", 3),
    ],
)
def test_a_file_that_cannot_keep_the_picture_is_refused(tmp_path, ending, depth, channels):
    path = tmp_path / ("picture" + ending)
    plane = plane_of(noise(channels, depth), depth)
    assert error_of(files.write_plane, path, plane).code == "cannot-write"
    assert not path.exists()


def test_16_bit_png_always_says_what_its_numbers_mean(tmp_path):
    """Krita 5.2 stops and asks where a 16-bit PNG has no profile."""
    for channels in (1, 2, 3, 4):
        files.write_plane(tmp_path / "a.png", plane_of(noise(channels, "u16"), "u16"))
        found = read(tmp_path / "a.png")
        assert found.icc is not None
        assert PixelFormat.of(found).profile.is_srgb
        with Image.open(tmp_path / "a.png") as image:
            assert image.info["icc_profile"] == found.icc


def png_with(codes, chunks):
    data = bytes(imagecodecs.png_encode(codes))
    extra = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks.items()
    )
    return data[:33] + extra + data[33:]


CHROMATICITIES = struct.pack(
    ">8I", *(round(n * 100000) for n in (*profiles.D65, *profiles.REC2020))
)


@pytest.mark.parametrize(
    ("chunks", "meant"),
    [
        ({}, None),
        ({b"gAMA": struct.pack(">I", 45455)}, None),
        ({b"sRGB": b"\0", b"gAMA": struct.pack(">I", 100000)}, None),
        ({b"gAMA": struct.pack(">I", 0)}, None),
        ({b"gAMA": struct.pack(">I", 100000)}, "linear sRGB"),
        ({b"gAMA": struct.pack(">I", 100000), b"cHRM": CHROMATICITIES}, "linear Rec. 2020"),
    ],
)
def test_png_gamma_and_primaries_count_where_there_is_no_profile(tmp_path, chunks, meant):
    (tmp_path / "a.png").write_bytes(png_with(noise(3), chunks))
    found = read(tmp_path / "a.png")
    expected = plane_of(noise(3), icc=meant and profiles.RGB[meant])
    assert np.allclose(raster.decode(found).rgb, raster.decode(expected).rgb, atol=1e-3)
    assert (found.icc is None) == (meant is None)


def test_png_gamma_of_a_grey_picture(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    (tmp_path / "a.png").write_bytes(png_with(grey, {b"gAMA": struct.pack(">I", 100000)}))
    expected = plane_of(grey[..., np.newaxis], icc=profiles.GREY["linear"])
    found = raster.decode(read(tmp_path / "a.png"))
    assert np.allclose(found.rgb, raster.decode(expected).rgb, atol=1e-3)


def saved(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def test_palette_bitmap_and_key_colour_become_8_bit(tmp_path):
    path = tmp_path / "a.png"
    indexed = Image.new("P", (3, 1))
    indexed.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    indexed.putdata([0, 1, 2])
    path.write_bytes(saved(indexed))
    assert codes_of(read(path)).tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    path.write_bytes(saved(indexed, transparency=1))
    assert codes_of(read(path))[0, :, 3].tolist() == [255, 0, 255]
    bitmap = Image.new("1", (2, 1))
    bitmap.putdata([0, 255])
    path.write_bytes(saved(bitmap))
    assert codes_of(read(path)).tolist() == [[[0], [255]]]
    path.write_bytes(saved(Image.new("L", (1, 1), 7), transparency=7))
    assert codes_of(read(path)).tolist() == [[[7, 0]]]


def test_a_grey_picture_drops_an_rgb_profile_and_the_other_way_round(tmp_path):
    path = tmp_path / "a.tif"
    files.write_plane(path, plane_of(noise(1), icc=profiles.RGB["Adobe RGB"]))
    assert read(path).icc is None
    files.write_plane(path, plane_of(noise(4), icc=profiles.GREY["linear"]))
    assert read(path).icc is None


ARROW = np.array([[1, 2, 3], [4, 5, 6]], np.uint8) * 40


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright(tmp_path, orientation):
    upright = np.kron(ARROW, np.ones((16, 16), np.uint8))
    back = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    stored = upright if back == 1 else np.ascontiguousarray(files.UPRIGHT[back](upright))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = codes_of(read(tmp_path / "a.jpg"))[..., 0]
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).max() < 12
    # Pillow's own reading of the tag is the reference.
    with Image.open(tmp_path / "a.jpg") as image:
        from PIL import ImageOps

        assert np.array_equal(found, np.asarray(ImageOps.exif_transpose(image)))
    tifffile.imwrite(
        tmp_path / "a.tif", stored, extratags=[(274, 3, 1, orientation, True)], metadata=None
    )
    assert np.array_equal(codes_of(read(tmp_path / "a.tif"))[..., 0], upright)


def tiff(path, codes, **options):
    tifffile.imwrite(path, codes, metadata=None, **options)
    return codes_of(read(path))


def test_tiff_in_all_its_shapes(tmp_path):
    path = tmp_path / "a.tif"
    deep = noise(3, "u16")
    assert np.array_equal(tiff(path, deep, byteorder=">", photometric="rgb"), deep)
    assert np.array_equal(tiff(path, deep, compression="lzw", photometric="rgb"), deep)
    planar = np.ascontiguousarray(np.moveaxis(deep, -1, 0))
    assert np.array_equal(tiff(path, planar, planarconfig="separate", photometric="rgb"), deep)
    grey = noise(1)[..., 0]
    assert np.array_equal(tiff(path, grey, photometric="miniswhite")[..., 0], 255 - grey)
    bits = grey > 99
    assert np.array_equal(tiff(path, bits, photometric="minisblack")[..., 0], bits * 255)
    double = noise(3, "f32").astype(np.float64)
    assert np.array_equal(tiff(path, double, photometric="rgb"), double.astype(np.float32))
    colormap = np.zeros((3, 256), np.uint16)
    colormap[:, 5] = [65535, 257 * 9, 0]
    indexed = np.array([[5, 0]], np.uint8)
    found = tiff(path, indexed, photometric="palette", colormap=colormap)
    assert found.tolist() == [[[255, 9, 0], [0, 0, 0]]]
    spare = np.dstack([noise(3), noise(2)])
    found = tiff(path, spare, photometric="rgb", extrasamples=["unassalpha", "unspecified"])
    assert np.array_equal(found, spare[..., :4])


def test_multiplied_alpha_becomes_straight(tmp_path):
    multiplied = np.array([[[50, 100, 0, 100], [0, 0, 0, 0], [1, 2, 3, 255]]], np.uint8)
    found = tiff(tmp_path / "a.tif", multiplied, photometric="rgb", extrasamples=["assocalpha"])
    assert found.tolist() == [[[128, 255, 0, 100], [0, 0, 0, 0], [1, 2, 3, 255]]]
    half = np.array([[[0.5, 1.0, 0, 0.25]]], np.float32)
    found = tiff(tmp_path / "b.tif", half, photometric="rgb", extrasamples=["assocalpha"])
    assert found.tolist() == [[[2, 4, 0, 0.25]]]


def test_models_that_are_not_ours_say_what_to_do(tmp_path):
    Image.new("CMYK", (8, 8)).save(tmp_path / "a.jpg")
    tifffile.imwrite(tmp_path / "a.tif", noise(4), photometric="separated", metadata=None)
    tifffile.imwrite(tmp_path / "b.tif", noise(3), photometric="cielab", metadata=None)
    for name in ("a.jpg", "a.tif", "b.tif"):
        assert error_of(read, tmp_path / name).code == "unsupported-model"


def test_what_is_no_picture_is_a_bad_file(tmp_path):
    whole = tmp_path / "whole"
    for ending in (".png", ".tif", ".jpg", ".webp", ".ora"):
        plane = plane_of(noise(3, height=90, width=90))
        files.write_plane(whole.with_suffix(ending), plane)
        data = whole.with_suffix(ending).read_bytes()
        for kept in (20, len(data) // 2):
            (tmp_path / "cut").write_bytes(data[:kept])
            error = error_of(read, tmp_path / "cut")
            assert error.code == "bad-file"
            assert "cut" in error.sentence
    for content in (b"", b"hello", b"\x89PNG\r\n\x1a\n", b"II*\0", b"PK\x03\x04"):
        (tmp_path / "odd").write_bytes(content)
        assert error_of(read, tmp_path / "odd").code == "bad-file"
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.int32), metadata=None)
    assert error_of(read, tmp_path / "a.tif").code == "bad-file"


def test_a_tiff_that_promises_too_much_is_refused(tmp_path):
    """A damaged height, with a row for each strip, would mean millions of missing strips."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), rowsperstrip=1, metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["ImageLength"].overwrite(2**31 - 1)

    assert error_of(read, path).code == "bad-file"


@pytest.mark.parametrize("ending", [".png", ".tif", ".jpg", ".webp", ".ora"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), garbage=st.binary(min_size=1, max_size=6))
def test_a_damaged_file_is_read_or_refused(tmp_path, ending, place, garbage):
    whole = tmp_path / f"whole{ending}"
    if not whole.exists():
        files.write_plane(whole, plane_of(noise(3), icc=profiles.RGB["Adobe RGB"]))
    data = whole.read_bytes()
    at = int(place * len(data))
    (tmp_path / "damaged").write_bytes(data[:at] + garbage + data[at + len(garbage) :])
    try:
        plane = read(tmp_path / "damaged")
    except LimnerError as error:
        assert error.code in ("bad-file", "unsupported-model", "too-large")
    else:
        assert plane.width
        assert plane.height


def test_missing_and_unreadable_places(tmp_path):
    plane = plane_of(noise(3))
    assert error_of(read, tmp_path / "none.png").code == "missing-file"
    assert error_of(read, tmp_path).code == "bad-file"
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path / "no folder" / "a.png", tmp_path / "file" / "a.png"):
        assert error_of(files.write_plane, place, plane).code == "cannot-write"
    (tmp_path / "a.png").mkdir()
    assert error_of(files.write_plane, tmp_path / "a.png", plane).code == "cannot-write"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "file"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    files.write_plane(path, plane_of(noise(3)))
    before = path.read_bytes()

    def full(part, data):
        with part.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    error = error_of(files.write_plane, path, plane_of(noise(4)))
    assert "No space left" in error.sentence
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def layer(name, colour, x, y, width, height, depth="u8", **attributes):
    pixels = np.full((height, width, 4), colour, np.float32)
    plane = raster.encode(
        raster.Raster.of_rgba(pixels, x, y), PixelFormat(4, depth), exact=True, name=name
    )
    return replace(plane, attributes=attributes)


def test_openraster_keeps_layers_and_shows_them(tmp_path):
    path = tmp_path / "a.ora"
    layers = [
        layer("paper", (1, 1, 1, 1), 0, 0, 30, 20),
        layer("skin", (1, 0, 0, 1), 2, 3, 5, 6, group=["Limner", "Flats"]),
        layer("hair", (0, 1, 0, 1), 20, 10, 20, 20, "f32", group=["Limner", "Flats"]),
        layer("shade", (0.2, 0.2, 0.2, 1), 0, 0, 30, 4, "u16", group=["Limner"], opacity=0.5),
        layer("glow & <co>", (0, 0, 1, 1), 2, 3, 1, 1, blending="multiply"),
    ]
    files.write_ora(path, layers, 30, 20)
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert archive.read("mimetype") == b"image/openraster"
        assert {member.date_time[0] for member in archive.infolist()} == {1980}
        image = ElementTree.fromstring(archive.read("stack.xml"))  # noqa: S314
        stored = {
            element.get("name"): imagecodecs.png_decode(archive.read(element.get("src")))
            for element in image.iter("layer")
        }
        with Image.open(io.BytesIO(archive.read("Thumbnails/thumbnail.png"))) as thumbnail:
            assert max(thumbnail.size) <= 256

    def outline(stack):
        return [(e.get("name"), outline(e)) if e.tag == "stack" else e.get("name") for e in stack]

    assert (image.get("w"), image.get("h")) == ("30", "20")
    assert outline(image[0]) == [
        "glow & <co>",
        ("Limner", ["shade", ("Flats", ["hair", "skin"])]),
        "paper",
    ]
    found = {element.get("name"): element.attrib for element in image.iter("layer")}
    assert (found["hair"]["x"], found["hair"]["y"]) == ("20", "10")
    assert found["shade"]["opacity"] == "0.5"
    assert found["glow & <co>"]["composite-op"] == "svg:multiply"
    assert stored["skin"].dtype == np.uint8
    assert stored["hair"].dtype == np.uint16
    assert stored["hair"][0, 0].tolist() == [0, 65535, 0, 65535]

    shown = codes_of(read(path))
    assert shown.shape == (20, 30, 4)
    assert shown[19, 0].tolist() == [255, 255, 255, 255]
    assert shown[8, 6].tolist() == [255, 0, 0, 255]
    assert shown[15, 25].tolist() == [0, 255, 0, 255]
    assert shown[3, 2, :2].tolist() == [0, 0]
    assert abs(int(shown[3, 2, 2]) - int(shown[3, 3, 2])) <= 1
    assert np.abs(shown[0, 0, :3].astype(int) - 153).max() <= 1


def test_an_openraster_file_of_one_layer(tmp_path):
    plane = plane_of(noise(4), icc=profiles.RGB["Display P3"])
    files.write_plane(tmp_path / "a.ora", plane)
    with zipfile.ZipFile(tmp_path / "a.ora") as archive:
        (tmp_path / "layer.png").write_bytes(archive.read("data/layer0.png"))
    kept = read(tmp_path / "layer.png")
    assert kept.icc == plane.icc
    assert np.array_equal(codes_of(kept), codes_of(plane))


def test_real_pictures_are_read(shared):
    folder = shared / "data"
    found = [
        p for ending in ("jpg", "png", "webp") for p in sorted(folder.rglob(f"*.{ending}"))[:3]
    ]
    assert found
    for path in found:
        plane = read(path)
        assert plane.width > 1
        assert plane.icc is None or icc.icc_channels(plane.icc) in (1, 3)
        assert raster.decode(plane).rgb.max() > 0.1
