"""Palettes as files."""

import io
import os
import struct
import zipfile
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import GimpPaletteFile, Image

from engine.imaging.palette_files import FORMATS, load, read_palette, save, write_palette
from engine.imaging.palettes import Palette
from ipc.errors import LimnerError
from ipc.planes import LOCKED, Plane

NAMED = (".aco", ".ase", ".css", ".gpl", ".kpl", ".txt")

codes = st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=256, unique=True)
names = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20).filter(
        lambda name: not name.endswith(LOCKED)
    ),
    min_size=1,
    max_size=20,
    unique=True,
)


def palette(colors, names=None, locked=None, name=""):
    count = len(colors)
    rgb = np.array(colors, np.float32) / np.float32(255)
    return Palette(rgb, tuple(names or [""] * count), tuple(locked or [False] * count), name=name)


def again(path, colors):
    save(path, colors)
    return load(path)


def refused(path, content):
    path.write_bytes(content)
    with pytest.raises(LimnerError) as caught:
        load(path)
    assert caught.value.code == "bad-file"
    assert len(caught.value.sentence) < 200
    return caught.value.sentence


@pytest.mark.parametrize("ending", [*FORMATS, ".png", ".tif"])
@given(colors=codes)
@settings(max_examples=20)
def test_8_bit_colours_come_back_exactly_and_in_order(tmp_path_factory, ending, colors):
    back = again(tmp_path_factory.mktemp("p") / f"p{ending}", palette(colors))

    assert back.codes().tolist() == [list(color) for color in colors]


@pytest.mark.parametrize("ending", NAMED)
@given(names=names)
@settings(max_examples=30)
def test_names_come_back(tmp_path_factory, ending, names):
    colors = [(n, 0, 255 - n) for n in range(len(names))]

    back = again(tmp_path_factory.mktemp("p") / f"p{ending}", palette(colors, names))

    assert back.names == tuple("" if n == "Untitled" and ending == ".gpl" else n for n in names)


@pytest.mark.parametrize("ending", NAMED)
def test_locks_and_names_of_several_words_come_back(tmp_path, ending):
    kept = palette([(1, 2, 3), (4, 5, 6), (7, 8, 9)], ["warm skin", "ink", "été"], [True, False, 1])

    back = again(tmp_path / f"p{ending}", kept)

    assert back.names == ("warm skin", "ink", "été")
    assert back.locked == (True, False, True)


@pytest.mark.parametrize("ending", [".gpl", ".kpl"])
def test_the_palettes_own_name_comes_back_where_there_is_a_place_for_it(tmp_path, ending):
    assert again(tmp_path / f"p{ending}", palette([(1, 2, 3)], name="Autumn")).name == "Autumn"
    assert again(tmp_path / f"Dusk{ending}", palette([(1, 2, 3)])).name == "Dusk"


def test_names_that_a_format_cannot_hold_are_made_so(tmp_path):
    broken = palette([(1, 2, 3), (4, 5, 6)], ["two\nlines\x00", "x" * 70000])
    for ending in NAMED:
        assert again(tmp_path / f"p{ending}", broken).names == ("two lines", "x" * 250)


def test_css_properties_have_different_names(tmp_path):
    css = tmp_path / "p.css"
    save(css, palette([(1, 2, 3), (4, 5, 6), (7, 8, 9)], ["red", "red", ""]))

    assert css.read_text() == (
        ":root {\n  --red: #010203;\n  --red-2: #040506;\n  --color-3: #070809;\n}\n"
    )


@pytest.mark.parametrize("ending", [".ase", ".kpl"])
def test_light_above_white_is_kept_where_the_format_has_float(tmp_path, ending):
    bright = Palette(np.array([[2.5, 0.5, 0.25]], np.float32), ("",), (False,))

    assert np.allclose(again(tmp_path / f"p{ending}", bright).rgb, bright.rgb, atol=1e-6)


def test_gimp_palettes_as_gimp_and_krita_write_them(tmp_path):
    gpl = tmp_path / "p.gpl"
    gpl.write_text(
        "GIMP Palette\nName: Old\nColumns: 10\n# by me\n255 255 255    White 100%\n"
        "  0   0   1\tUntitled\n#\n\n 10 20 30\n"
    )

    read = load(gpl)

    assert (read.name, read.names) == ("Old", ("White 100%", "", ""))
    assert read.codes().tolist() == [[255, 255, 255], [0, 0, 1], [10, 20, 30]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#abc #102030", [("", "aabbcc"), ("", "102030")]),
        ("rgb(1, 2, 3), rgb(4 5 6 / 50%), hsl(120 100% 50%)",
         [("", "010203"), ("", "040506"), ("", "00ff00")]),
        ("rebeccapurple\nhwb(0 0% 0%)\ntransparent currentcolor", [("", "663399"), ("", "ff0000")]),
        (":root { --sky: #abc; --gap: 4px; --ink: rgb(0 0 0) }",
         [("sky", "aabbcc"), ("ink", "000000")]),
        (".red, tan { background: linear-gradient(#fff, #00f) }", [("", "ffffff"), ("", "0000ff")]),
        ("oklch(0.627955 0.257683 29.2339)", [("", "ff0000")]),
        ("lab(54.29 80.80 69.89)", [("", "ff0000")]),
        ("(" * 100000 + "red", [("", "ff0000")]),
        ("@media print { :root { --a\\ b: #111 } }", [("a b", "111111")]),
    ],
)  # fmt: skip
def test_css_colours(tmp_path, text, expected):
    (tmp_path / "p.css").write_text(text)

    read = load(tmp_path / "p.css")

    found = [bytes(code).hex() for code in read.codes()]
    assert list(zip(read.names, found, strict=True)) == expected


def test_hex_lists(tmp_path):
    (tmp_path / "p.hex").write_text("; made by hand\r\n0a0b0c\r\n#FF0000\r\n\r\n")

    assert load(tmp_path / "p.hex").codes().tolist() == [[10, 11, 12], [255, 0, 0]]


def ase(*blocks):
    packed = b"".join(struct.pack(">HI", kind, len(block)) + block for kind, block in blocks)
    return b"ASEF" + struct.pack(">2HI", 1, 0, len(blocks)) + packed


def ase_text(text):
    return struct.pack(">H", len(text) + 1) + (text + "\0").encode("utf-16-be")


def test_swatch_exchange_models_and_groups(tmp_path):
    content = ase(
        (0x0001, ase_text("loose") + struct.pack(">4s3fH", b"RGB ", 1, 0.5, 0, 0)),
        (0xC001, ase_text("Group")),
        (0x0001, ase_text("cyan") + struct.pack(">4s4fH", b"CMYK", 1, 0, 0, 0.5, 1)),
        (0x0001, ase_text("lab") + struct.pack(">4s3fH", b"LAB ", 0.5429, 80.80, 69.89, 2)),
        (0x0001, ase_text("grey") + struct.pack(">4sfH", b"Gray", 0.25, 2)),
        (0xC002, b""),
    )
    (tmp_path / "p.ase").write_bytes(content)

    read = load(tmp_path / "p.ase")

    assert (read.name, read.names) == ("Group", ("loose", "cyan", "lab", "grey"))
    expected = [[255, 128, 0], [0, 128, 128], [255, 0, 0], [64, 64, 64]]
    assert np.abs(read.codes().astype(int) - expected).max() <= 1


def test_of_several_groups_none_gives_the_palette_its_name(tmp_path):
    (tmp_path / "p.ase").write_bytes(
        ase(
            (0xC001, ase_text("blues")),
            (0x0001, ase_text("one") + struct.pack(">4s3fH", b"RGB ", 0, 0, 1, 0)),
            (0xC002, b""),
            (0xC001, ase_text("reds")),
            (0xC002, b""),
        )
    )

    assert load(tmp_path / "p.ase").name == "p"


def test_photoshop_swatches_of_every_model_without_and_with_names(tmp_path):
    models = [
        (0, 65535, 257 * 20, 0, 0),
        (1, 65535 // 3, 65535, 65535, 0),
        (2, 0, 65535, 65535, 65535),
        (7, 5429, 8080, 6989, 0),
        (8, 7500, 0, 0, 0),
    ]
    colors = [struct.pack(">5H", *model) for model in models]
    first = struct.pack(">2H", 1, 5) + b"".join(colors)
    second = struct.pack(">2H", 2, 5) + b"".join(
        color + struct.pack(">I", 2) + f"{n}\0".encode("utf-16-be")
        for n, color in enumerate(colors)
    )
    expected = [[255, 20, 0], [0, 255, 0], [0, 255, 255], [255, 0, 0], [64, 64, 64]]

    for content, names in [
        (first, ("",) * 5),
        (first + second, tuple("01234")),
        (second, tuple("01234")),
    ]:
        (tmp_path / "p.aco").write_bytes(content)
        read = load(tmp_path / "p.aco")
        assert np.abs(read.codes().astype(int) - expected).max() <= 1
        assert read.names == names


def test_colour_tables_with_and_without_their_last_bytes(tmp_path):
    table = bytes(n for code in range(256) for n in (code, 0, 7))
    act = tmp_path / "p.act"

    act.write_bytes(table)
    assert len(load(act).names) == 256
    act.write_bytes(table + struct.pack(">2H", 4, 1))
    assert load(act).codes().tolist() == [[0, 0, 7], [2, 0, 7], [3, 0, 7]]


def kpl(colorset, profiles=None, **members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/x-krita-palette")
        archive.writestr("colorset.xml", colorset)
        if profiles:
            archive.writestr("profiles.xml", profiles)
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def entry(name, model, depth="U8", row=0, column=0):
    position = f'<Position row="{row}" column="{column}"/>'
    return f'<ColorSetEntry name="{name}" bitdepth="{depth}">{model}{position}</ColorSetEntry>'


def colorset(model, version="2.0"):
    return f'<ColorSet version="{version}">{entry("", model)}</ColorSet>'


def test_krita_palettes_of_every_model_profile_and_group(tmp_path):
    linear = imagecodecs.cms_profile(
        "rgb", whitepoint=(0.3127, 0.329), primaries=(0.64, 0.33, 0.3, 0.6, 0.15, 0.06), gamma=1.0
    )
    content = kpl(
        '<ColorSet version="2.0" name="Mine" columns="2">'
        + entry("second", '<RGB r="0.2159" g="0" b="1" space="lin"/>', "F32", 1, 0)
        + entry("first", '<RGB r="1" g="0.5" b="0" space="absent"/>', "U16", 0, 1)
        + '<Group name="More" rows="1">'
        + entry("grey", '<Gray g="0.25" space="x"/>')
        + entry("ink", '<CMYK c="1" m="0" y="0" k="0.5" space="x"/>')
        + entry("lab", '<Lab L="54.29" a="80.80" b="69.89" space="x"/>')
        + entry("xyz", '<XYZ x="0.9642" y="1" z="0.8252" space="x"/>')
        + "</Group></ColorSet>",
        '<Profiles><Profile name="lin" filename="lin.icc" colorModelId="RGBA"/></Profiles>',
        **{"lin.icc": linear},
    )
    (tmp_path / "p.kpl").write_bytes(content)

    read = load(tmp_path / "p.kpl")

    assert (read.name, read.names) == ("Mine", ("first", "second", "grey", "ink", "lab", "xyz"))
    expected = [
        [255, 128, 0], [128, 0, 255], [64, 64, 64], [0, 128, 128], [255, 0, 0], [255, 255, 255],
    ]  # fmt: skip
    assert np.abs(read.codes().astype(int) - expected).max() <= 1


def test_lab_of_kritas_first_version(tmp_path):
    lab = '<Lab L="0.5429" a="0.8156" b="0.7730" space="x"/>'
    (tmp_path / "p.kpl").write_bytes(kpl(colorset(lab, version="1.0")))

    assert np.abs(load(tmp_path / "p.kpl").codes()[0].astype(int) - [255, 0, 0]).max() <= 2


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><ColorSet name="&a;"/>'


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("p.gpl", b"JASC-PAL\n0100\n", "begin"),
        ("p.gpl", b"", "begin"),
        ("p.gpl", b"GIMP Palette\n#\n", "0 colours"),
        ("p.gpl", b"GIMP Palette\n300 0 0 red\n", "0 to 255"),
        ("p.gpl", b"GIMP Palette\n-3 0 0 red\n", "0 to 255"),
        ("p.gpl", b"GIMP Palette\n12 7\n", "0 to 255"),
        ("p.gpl", b"\xff\xfe\x00", "begin"),
        ("p.gpl", b"GIMP Palette\n" + b"#" * (1 << 20), "larger"),
        ("p.gpl", b"GIMP Palette\n" + b"".join(b"%d %d 2\n" % divmod(n, 64) for n in range(5000)),
         "5000 colours"),
        ("p.hex", b"aabbcc\nxyz\n", "six"),
        ("p.css", b"body { margin: 0 }", "0 colours"),
        ("p.ase", b"ASEX\0\1\0\0\0\0\0\1", "ASEF"),
        ("p.ase", b"ASEF\0\1\0\0\0\0\0\2", "incomplete"),
        ("p.ase", ase((1, ase_text("x") + b"HSV \0\0")), "not RGB"),
        ("p.ase", ase((1, ase_text("x") + struct.pack(">4s3fH", b"RGB ", np.nan, 0, 0, 0))), "num"),
        ("p.aco", b"\0\3\0\0", "version"),
        ("p.aco", b"\0\1\0\5\0\0", "incomplete"),
        ("p.aco", struct.pack(">7H", 1, 1, 3, 0, 0, 0, 0), "not RGB"),
        ("p.aco", struct.pack(">7HI", 2, 1, 0, 0, 0, 0, 0, 1 << 31), "name"),
        ("p.act", b"\0" * 700, "768"),
        ("p.act", b"\0" * 768 + b"\xff\xff\0\0", "256"),
        ("p.act", b"\0" * 768 + b"\0\0\0\0", "0 colours"),
        ("p.kpl", b"PK\3\4 no zip", "damaged"),
        ("p.kpl", kpl(BOMB), "damaged"),
        ("p.kpl", kpl("<ColorSet/>"), "0 colours"),
        ("p.kpl", kpl("<ColorSet/>", **{"big.icc": b"\0" * (1 << 25)}), "unpacks"),
        ("p.kpl", kpl(colorset('<YCbCr Y="0"/>')), "not RGB"),
        ("p.kpl", kpl(colorset('<sRGB r="1e999" g="0" b="0"/>')), "num"),
        ("p.png", b"no picture", "picture"),
    ],
)  # fmt: skip
def test_what_is_no_palette_is_refused_with_the_reason(tmp_path, name, content, why):
    sentence = refused(tmp_path / name, content)

    assert any(part in sentence for part in why.split("|")), sentence


HEADS = [b"", b"ASEF\0\1\0\0\0\0\0\3", b"\0\1\0\2", b"\0\2\0\2", b"GIMP Palette\n", b"#"]


@pytest.mark.parametrize("ending", FORMATS)
@given(head=st.sampled_from(HEADS), body=st.binary(max_size=300))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_are_a_palette_or_a_bad_file(tmp_path_factory, ending, head, body):
    path = tmp_path_factory.getbasetemp() / f"any{ending}"
    path.write_bytes(head + body)
    try:
        read = load(path)
    except LimnerError as error:
        assert error.code == "bad-file"
    else:
        assert len(read.rgb) == len(read.names) == len(read.locked) > 0


@pytest.mark.parametrize("ending", FORMATS)
@given(data=st.data())
@settings(max_examples=60)
def test_a_damaged_file_is_a_palette_or_a_bad_file(tmp_path_factory, ending, data):
    path = tmp_path_factory.getbasetemp() / f"damaged{ending}"
    save(path, palette([(1, 2, 3), (4, 5, 6)], ["one", "two"], name="Mine"))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        assert len(load(path).rgb)
    except LimnerError as error:
        assert error.code == "bad-file"


INSTALLED = Path(os.environ.get("LIMNER_EDITORS", "/"), "usr/share")
OF_EDITORS = sorted(
    path
    for editor in ("gimp/*", "inkscape", "krita")
    for path in INSTALLED.glob(f"{editor}/palettes/*.*")
    if path.suffix in FORMATS
)


@pytest.mark.skipif(not OF_EDITORS, reason="no editor with palettes is installed")
def test_palettes_that_editors_come_with_are_read_as_pillow_reads_them():
    for path in OF_EDITORS:
        # Pillow takes no empty lines.
        full = b"".join(line for line in path.read_bytes().splitlines(True) if line.strip())

        expected = GimpPaletteFile.GimpPaletteFile.frombytes(full).palette

        assert load(path).codes().tobytes() == expected, path


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    for ending in (".gpl", ".kpl", ".png"):
        with pytest.raises(LimnerError) as caught:
            load(tmp_path / f"p{ending}")
        assert caught.value.code == "missing-file"


def test_more_colours_than_a_table_holds_are_not_written(tmp_path):
    with pytest.raises(LimnerError) as caught:
        save(tmp_path / "p.act", palette([(1, 2, 3)] * 257))

    assert caught.value.code == "cannot-write"
    assert not (tmp_path / "p.act").exists()


def test_a_picture_of_colours_gives_each_once_in_order(tmp_path):
    picture = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    for x, colour in enumerate([(9, 8, 7), (200, 0, 0), (9, 8, 7)]):
        picture.putpixel((x, 0), (*colour, 255))
    picture.save(tmp_path / "p.png")

    assert bytes(read_palette(tmp_path / "p.png", "palette").data) == bytes([9, 8, 7, 200, 0, 0])


def test_the_plane_has_each_colour_once_with_its_name_and_lock(tmp_path):
    colors = [(1, 2, 3), (4, 5, 6), (1, 2, 3)]
    save(tmp_path / "p.gpl", palette(colors, ["a", "b", "c"], [False, False, True]))

    plane = read_palette(tmp_path / "p.gpl", "palette")

    assert (plane.role, plane.width, plane.height) == ("palette", 2, 1)
    assert bytes(plane.data) == bytes([1, 2, 3, 4, 5, 6])
    assert plane.attributes == {"names": ["a", "b"], "locked": [True, False]}


def test_of_a_plane_of_two_rows_the_last_is_the_palette_and_a_picture_has_both(tmp_path):
    rows = bytes([1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4])
    plane = Plane("swatches", "Palette", 2, 2, 3, "u8", rows)

    write_palette(tmp_path / "p.gpl", plane)
    write_palette(tmp_path / "p.png", plane)

    assert load(tmp_path / "p.gpl").codes().tolist() == [[3, 3, 3], [4, 4, 4]]
    assert np.asarray(Image.open(tmp_path / "p.png")).tobytes() == rows
