"""The parts of the docker that need neither Qt nor Krita."""

import importlib
import itertools
import json
import struct
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageCms

from ipc.planes import Plane

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGIN = REPOSITORY / "plugin_krita"
DTYPES = {"U8": np.uint8, "U16": np.uint16, "F16": np.float16, "F32": np.float32}


def module(name: str) -> Any:
    """A module of the plug-in as it is installed: in a package that has the wire inside."""
    package = types.ModuleType("limner_krita")
    package.__path__ = [str(PLUGIN), str(REPOSITORY)]
    sys.modules.setdefault("limner_krita", package)
    return importlib.import_module(f"limner_krita.{name}")


pixels, profiles, samples = module("pixels"), module("profiles"), module("samples")
swatches = module("swatches")


def krita_pixels(model: str, depth: str, values: np.ndarray) -> Any:
    """A layer's pixels as they are read: in strips, in Krita's order."""
    height, width = values.shape[:2]
    layer_format = pixels.Format(model, depth, "")
    rows = pixels.strips(width, height, layer_format.pixel_bytes)
    strips = [values[top : top + count].tobytes() for top, count in rows]
    return pixels.Pixels("role", "name", width, height, layer_format, strips)


@pytest.mark.parametrize("depth", DTYPES)
@pytest.mark.parametrize("model", ["RGBA", "GRAYA"])
def test_pixels_come_in_a_planes_order_and_go_back_in_kritas(model: str, depth: str) -> None:
    channels = pixels.CHANNELS[model]
    # Higher than one strip, and not a whole number of strips.
    values = np.arange(600 * 7 * channels).reshape(600, 7, channels).astype(DTYPES[depth])
    layer = krita_pixels(model, depth, values)

    plane = pixels.pack(layer, None)

    swaps = model == "RGBA" and depth in ("U8", "U16")
    wanted = values[..., [2, 1, 0, 3]] if swaps else values
    assert bytes(plane.data) == wanted.tobytes()
    assert (plane.width, plane.height, plane.channels) == (7, 600, channels)
    drawn = pixels.unpack(plane, layer.format)
    assert b"".join(data for _, _, data in drawn.strips) == values.tobytes()
    assert [(top, rows) for top, rows, _ in drawn.strips] == [(0, 256), (256, 256), (512, 88)]


@given(
    width=st.integers(1, 100_000),
    height=st.integers(1, 5_000),
    pixel_bytes=st.sampled_from([1, 2, 4, 5, 8, 16, 20]),
)
def test_strips_cover_the_canvas_and_stay_small(width: int, height: int, pixel_bytes: int) -> None:
    strips = list(pixels.strips(width, height, pixel_bytes))

    assert strips[0][0] == 0
    assert all(a + b == c for (a, b), (c, _) in itertools.pairwise(strips))
    assert sum(strips[-1]) == height
    assert all(
        rows <= 256 and (rows == 1 or rows * width * pixel_bytes <= pixels.STRIP_BYTES)
        for _, rows in strips
    )


@pytest.mark.parametrize("depth", DTYPES)
def test_paper_is_told_from_ink_on_nothing(depth: str) -> None:
    full = 1 if depth.startswith("F") else np.iinfo(DTYPES[depth]).max
    ink = np.zeros((20, 20, 4), DTYPES[depth])
    ink[5, :, 3] = full
    paper = np.full((20, 20, 4), full, DTYPES[depth])

    assert pixels.is_paper(krita_pixels("RGBA", depth, paper))
    assert not pixels.is_paper(krita_pixels("RGBA", depth, ink))


@given(
    count=st.integers(1, 40),
    strokes=st.lists(st.binary(min_size=4, max_size=4), max_size=5),
    seed=st.integers(0, 99),
)
def test_later_strokes_lie_over_earlier_ones(count: int, strokes: list[bytes], seed: int) -> None:
    covers = np.random.default_rng(seed).integers(0, 256, (len(strokes), count), np.uint8)
    wanted = np.zeros((count, 4), np.uint8)
    for pixel, cover in zip(strokes, covers, strict=True):
        wanted[cover >= 128] = tuple(pixel)

    pairs = [(pixel, cover.tobytes()) for pixel, cover in zip(strokes, covers, strict=True)]
    assert pixels.painted(pairs, 4 * count) == wanted.tobytes()


def test_a_stroke_counts_from_half_on() -> None:
    assert not pixels.is_painted(bytes([0, 127]))
    assert pixels.is_painted(bytes([0, 128]))
    assert pixels.painted([(b"abcdefgh", bytes([127, 128]))], 16) == bytes(8) + b"abcdefgh"
    # Of a colour that is gone, Krita gives nothing.
    assert pixels.painted([(b"abcd", b"")], 4) == bytes(4)


def test_profiles_are_found_by_their_names(tmp_path: Path) -> None:
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "four.ICC").write_bytes(made)
    (tmp_path / "two.icm").write_bytes(profile_of_version_2("My own monitor"))
    (tmp_path / "none.icc").write_bytes(b"not a profile")
    (tmp_path / "cut.icc").write_bytes(made[:150])
    (tmp_path / "notes.txt").write_text("not a profile")

    found = profiles.Profiles([tmp_path, tmp_path / "absent"])

    assert sorted(found.files()) == ["My own monitor", "sRGB built-in"]
    assert "My own monitor" in found
    assert "Another" not in found
    icc = found.icc("My own monitor")
    assert icc == profile_of_version_2("My own monitor")
    assert found.name(icc) == "My own monitor"
    with pytest.raises(KeyError):
        found.icc("Another")


def test_a_name_in_several_languages_is_taken_in_english(tmp_path: Path) -> None:
    file = tmp_path / "several.icc"
    file.write_bytes(profile(multilingual({"de": "Bildschirm", "en": "Monitor"})))

    assert profiles.description(file) == "Monitor"


def test_what_has_no_file_travels_as_srgb() -> None:
    found = profiles.Profiles([])

    assert "sRGB built-in" in found
    assert found.icc("sRGB built-in") is None
    assert found.name(None) is None


def profile_of_version_2(name: str) -> bytes:
    text = name.encode() + b"\0"
    return profile(b"desc" + bytes(4) + struct.pack(">I", len(text)) + text)


def multilingual(names: dict[str, str]) -> bytes:
    records, texts, start = b"", b"", 16 + 12 * len(names)
    for language, name in names.items():
        text = name.encode("utf-16-be")
        records += struct.pack(">2s2sII", language.encode(), b"XX", len(text), start + len(texts))
        texts += text
    return b"mluc" + bytes(4) + struct.pack(">II", len(names), 12) + records + texts


def profile(description: bytes) -> bytes:
    """The least that counts as a profile, with that description tag."""
    header = bytes(36) + b"acsp" + bytes(88)
    table = struct.pack(">I4sII", 1, b"desc", 144, len(description))
    return header + table + description


def test_qt_comes_through_one_module() -> None:
    importing = [file.name for file in PLUGIN.glob("*.py") if "PyQt" in file.read_text()]

    assert importing == ["qt.py"]


def drawn(model: str, depth: str, values: np.ndarray, x: int = 0, y: int = 0, **names: Any) -> Any:
    """A result layer of values in Krita's order, at its place."""
    height, width = values.shape[:2]
    layer_format = pixels.Format(model, depth, names.get("profile", ""))
    parts = [
        (y + top, rows, values[top : top + rows].tobytes())
        for top, rows in pixels.strips(width, height, layer_format.pixel_bytes)
    ]
    return pixels.Drawn("name", x, width, layer_format, parts, 1.0, "normal")


def as_array(found: Any) -> np.ndarray:
    return np.frombuffer(bytes(found.data), np.uint8).reshape(found.height, found.width, 4)


@pytest.mark.parametrize("step", [1, 3, 7])
def test_samples_are_every_nth_pixel_of_what_was_read(step: int) -> None:
    values = np.random.default_rng(0).integers(0, 256, (600, 50, 4), np.uint8)

    found = samples.of_pixels(krita_pixels("RGBA", "U8", values), step)

    assert np.array_equal(as_array(found), values[::step, ::step])


@given(
    x=st.integers(-30, 50),
    y=st.integers(-30, 50),
    step=st.integers(1, 9),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
)
def test_samples_of_a_result_lie_where_it_lies(
    x: int, y: int, step: int, width: int, height: int
) -> None:
    values = np.random.default_rng(0).integers(1, 256, (height, width, 4), np.uint8)
    wide = np.zeros((140, 140, 4), np.uint8)
    wide[40 + y : 40 + y + height, 40 + x : 40 + x + width] = values
    canvas = wide[40 : 40 + 33, 40 : 40 + 29]

    found = samples.of_drawn(drawn("RGBA", "U8", values, x, y), (29, 33), step)

    assert np.array_equal(as_array(found), canvas[::step, ::step])


@pytest.mark.parametrize("depth", DTYPES)
@pytest.mark.parametrize("model", ["RGBA", "GRAYA"])
@pytest.mark.parametrize("profile", ["sRGB-elle-V2-srgbtrc.icc", "sRGB-elle-V2-g10.icc"])
def test_samples_are_seen_alike_at_every_depth(model: str, depth: str, profile: str) -> None:
    is_linear = "g10" in profile
    wanted = np.random.default_rng(0).integers(0, 256, (9, 11, 4), np.uint8)
    if model == "GRAYA":
        wanted[..., 1:3] = wanted[..., :1]
    unit = wanted / 255
    if is_linear:
        colour = unit[..., :3]
        unit[..., :3] = np.where(
            colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4
        )
    if depth.startswith("F") and model == "RGBA":
        unit = unit[..., [2, 1, 0, 3]]
    if model == "GRAYA":
        unit = unit[..., [0, 3]]
    whole = depth.startswith("U")
    scaled = np.rint(unit * np.iinfo(DTYPES[depth]).max) if whole else unit
    layer = drawn(model, depth, scaled.astype(DTYPES[depth]), profile=profile)

    found = as_array(samples.of_drawn(layer, (11, 9), 1)).astype(int)

    # Few codes are there for dark linear colours; floats are read to eight bits of precision.
    near = {"U8": 13, "U16": 1, "F16": 1, "F32": 1}[depth]
    assert np.abs(found - wanted).max() <= (near if is_linear or depth == "F32" else 0)


def test_samples_of_floats_beyond_the_scale_stay_on_it() -> None:
    values = np.array([[[np.nan, -np.inf, np.inf, 2.0], [-0.5, 1.0, 1e9, -0.0]]], np.float32)

    found = samples.of_drawn(drawn("RGBA", "F32", values), (2, 1), 1)

    assert as_array(found).tolist() == [[[255, 0, 0, 255], [255, 255, 0, 0]]]


def test_a_result_says_which_variant_and_picture_it_is_of() -> None:
    layer_format = pixels.Format("RGBA", "U8", "")
    plane = Plane("painting", "Shade", 1, 1, 4, "u8", bytes(4))
    assert pixels.unpack(plane, layer_format)[-4:] == ((), None, None, 0)
    attributes = {"group": ["Paint 2"], "of": 2, "metadata": {"seed": 8, "variant": 1}}

    found = pixels.unpack(replace(plane, attributes=attributes), layer_format)

    assert found[-4:] == (("Paint 2",), 1, 8, 2)


SHARES = [0.5, 0.3, 0.2]
RGB = st.tuples(*[st.floats(-0.5, 1.5, width=32)] * 3)


def strip_of(source: list[Any], target: list[Any], shares: list[float] = SHARES) -> Any:
    """A strip as it comes back from a run."""
    data = np.ones((2, len(source), 4), np.float32)
    data[..., :3] = [source, target]
    codes = [[swatches.Swatch.of(rgb).code for rgb in row] for row in (source, target)]
    metadata = {"source": codes[0], "target": codes[1], "share": shares}
    attributes = {"kind": "palette", "metadata": metadata}
    plane = Plane("swatches", "P", len(source), 2, 4, "f32", data.tobytes(), attributes=attributes)
    return swatches.Swatches.of_plane(plane)


@given(source=st.lists(RGB, min_size=3, max_size=3), target=st.lists(RGB, min_size=3, max_size=3))
def test_links_are_the_swatches_exactly_and_free_where_nothing_was_chosen(
    source: list[Any], target: list[Any]
) -> None:
    strip = strip_of(source, target)
    changed = strip.linked(1, swatches.Swatch.of((0.25, 0.5, 0.75))).locked(2)

    links = pixels.pack(changed.pixels("links"), None)

    assert (links.width, links.height, links.channels, links.depth) == (3, 2, 4, "f32")
    found = np.frombuffer(links.data, np.float32).reshape(2, 3, 4)
    assert np.array_equal(found[0, :, :3], np.array(source, np.float32))
    assert found[1, :, 3].tolist() == [0, 1, 1]
    assert found[1, 1].tolist() == [0.25, 0.5, 0.75, 1]
    assert np.array_equal(found[1, 2], found[0, 2])
    assert swatches.Swatches.of_kept(json.loads(json.dumps(changed.kept()))) == changed
    assert changed.freed(1).freed(2) == changed.reset() == strip


@pytest.mark.parametrize("change", [{"links": {"7": [[0, 0, 0], "#000000"]}}, {"share": [1.0]}])
def test_a_strip_that_does_not_fit_together_is_not_taken_up(change: dict[str, Any]) -> None:
    kept = strip_of([(0, 0, 0)] * 3, [(1, 1, 1)] * 3).kept()
    with pytest.raises(ValueError, match="different lengths"):
        swatches.Swatches.of_kept({**kept, **change})


def test_a_run_tells_what_links_look_like_and_leaves_later_ones_alone() -> None:
    black, red, green, blue = (0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)
    earlier = strip_of([red, green, blue], [black, black, black])
    sent = earlier.linked(0, swatches.Swatch.of((0.5, 0.5, 0.5)))
    now = sent.linked(1, swatches.Swatch.of(blue))
    answer = strip_of([red, green, blue], [red, green, red])

    found = now.answered(answer, sent.links)

    assert [found.becomes(n).code for n in range(3)] == ["#ff0000", "#0000ff", "#ff0000"]
    assert found.links[0].rgb == (0.5, 0.5, 0.5)
    assert found.freed(0).becomes(0).code == "#000000"
    assert found.freed(1).becomes(1).code == "#00ff00"


def test_colours_taken_from_the_palette_in_common_follow_it_and_locked_ones_stay() -> None:
    black, red, green, blue = (0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)
    strip = strip_of([red, green, blue], [black] * 3).linked(0, swatches.Swatch.of(green)).locked(1)
    now = strip.following({green: swatches.Swatch.of(blue), red: swatches.Swatch.of(black)})
    assert [now.becomes(n).code for n in range(3)] == ["#0000ff", "#00ff00", "#000000"]
    assert now.links.keys() == strip.links.keys()


def test_without_links_a_run_brings_its_own_colours_and_with_them_they_stay() -> None:
    black, red, green = (0, 0, 0), (1, 0, 0), (0, 1, 0)
    earlier, other = strip_of([red, red, red], [black] * 3), strip_of([green] * 3, [black] * 3)

    assert earlier.answered(other, {}) == other
    # Chosen while the run was under way.
    assert earlier.locked(0).answered(other, {}) == earlier.locked(0)


@given(
    shares=st.lists(st.floats(0, 1), min_size=1, max_size=32),
    total=st.integers(0, 600),
    least=st.integers(1, 40),
)
def test_widths_fill_the_strip_and_stay_wide_enough(
    shares: list[float], total: int, least: int
) -> None:
    found = swatches.widths(shares, total, least)

    assert sum(found) == total
    assert min(found) >= min(least, total // len(shares))


def test_a_palette_file_is_one_that_others_read() -> None:
    strip = strip_of([(1, 0, 0), (0, 0.2, 0), (0, 0, 2)], [(0, 0, 0)] * 3)

    text = swatches.gimp_palette("Sunset\nnew", strip.locked(1), below=False)

    assert text.splitlines() == [
        "GIMP Palette",
        "Name: Sunset new",
        "Columns: 3",
        "#",
        "255   0   0\t#ff0000 50%",
        "  0  51   0\t#003300 30% [locked]",
        "  0   0 255\t#0000ff 20%",
    ]
    name, codes, names = swatches.read_gimp_palette(text)
    assert (name, codes) == ("Sunset new", bytes([255, 0, 0, 0, 51, 0, 0, 0, 255]))
    assert names == ["#ff0000 50%", "#003300 30% [locked]", "#0000ff 20%"]
    becoming = swatches.gimp_palette("Sunset", strip.locked(1), below=True)
    assert swatches.read_gimp_palette(becoming)[1] == bytes([0, 0, 0, 0, 51, 0, 0, 0, 0])


@pytest.mark.parametrize("text", ["", "GIMP Palette\n#", "RIFF", "GIMP Palette\n1 2 300\n1 2 x"])
def test_what_is_no_palette_file_is_told(text: str) -> None:
    with pytest.raises(ValueError):
        swatches.read_gimp_palette(text)
