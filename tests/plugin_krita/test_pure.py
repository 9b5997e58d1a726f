"""The parts of the docker that need neither Qt nor Krita."""

import importlib
import itertools
import struct
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageCms

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGIN = REPOSITORY / "plugin_krita"
DTYPES = {"U8": np.uint8, "U16": np.uint16, "F16": np.float16, "F32": np.float32}


def module(name: str) -> Any:
    """A module of the plug-in as it is installed: in a package that has the wire inside."""
    package = types.ModuleType("limner_krita")
    package.__path__ = [str(PLUGIN), str(REPOSITORY)]
    sys.modules.setdefault("limner_krita", package)
    return importlib.import_module(f"limner_krita.{name}")


pixels, profiles = module("pixels"), module("profiles")


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
