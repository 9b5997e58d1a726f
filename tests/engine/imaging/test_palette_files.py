"""Palettes as files."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.imaging.palette_files import read_palette, write_palette
from ipc.errors import LimnerError
from ipc.planes import Plane

colors = st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=256, unique=True)


@given(colors)
def test_a_palette_is_read_as_it_was_written(tmp_path_factory, colors):
    path = tmp_path_factory.mktemp("palettes") / "p.gpl"
    pixels = np.array(colors, np.uint8).tobytes()
    write_palette(path, Plane("palette", "Mine", len(colors), 1, 3, "u8", pixels))

    assert bytes(read_palette(path, "palette").data) == pixels


def test_a_picture_of_colours_gives_each_once_in_order(tmp_path):
    picture = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    for x, colour in enumerate([(9, 8, 7), (200, 0, 0), (9, 8, 7)]):
        picture.putpixel((x, 0), (*colour, 255))
    picture.save(tmp_path / "p.png")

    palette = read_palette(tmp_path / "p.png", "palette")

    assert bytes(palette.data) == bytes([9, 8, 7, 200, 0, 0])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.gpl", b"JASC-PAL\n0100\n"),
        ("p.gpl", b"GIMP Palette\n#\n"),
        ("p.gpl", b"GIMP Palette\n300 0 0 red\n"),
        ("p.gpl", b"GIMP Palette\n12 7\n"),
        ("p.png", b"no picture"),
        ("p.gpl", b"\xff\xfe\x00"),
    ],
)
def test_what_is_no_palette_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(LimnerError) as caught:
        read_palette(tmp_path / name, "palette")

    assert caught.value.code == "bad-file"
