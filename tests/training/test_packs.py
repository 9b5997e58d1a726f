"""Packs hold what was given to them, and know where it came from."""

from pathlib import Path

import numpy as np
import pytest

from tests.training.reddest import drawn
from training import packs
from training.sources import Picture


def picture(group: str, set_name: str = "blocks", licence: str = "CC0") -> Picture:
    return Picture(Path(group), set_name, group, f"author of {group}", licence, f"from/{group}")


def test_pictures_and_arrays_come_back(tmp_path):
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (5, 7), np.uint8)
    rgba = rng.integers(0, 256, (6, 4, 4), np.uint8)
    table = rng.random((3, 2)).astype(np.float16)
    writer = packs.PackWriter()
    writer.add_picture("grey", grey, picture("a"), kind="mask", extra={"of": "rgba"})
    writer.add_picture("rgba", rgba, picture("b"), kind="cutout", quality=100)
    writer.add_picture("lossy", drawn(1), picture("b"), kind="cutout")
    writer.add_array("table", table)

    pack = packs.read(writer.write(tmp_path / "sub" / "one.safetensors"))

    assert [item.name for item in pack.items] == ["grey", "rgba", "lossy"]
    assert pack.items[0].extra["of"] == "rgba"
    assert np.array_equal(pack.picture(0), grey)
    assert np.array_equal(pack.picture(1), rgba)
    lossy = pack.picture(2)
    assert lossy.shape == (16, 16, 3)
    assert np.abs(lossy.astype(int) - drawn(1)).mean() < 30
    assert np.array_equal(pack.arrays["table"], table)
    assert pack.arrays["table"].dtype == np.float16


def test_items_are_found_by_kind_and_split(tmp_path):
    writer = packs.PackWriter()
    for number in range(80):
        kind = "even" if number % 2 == 0 else "odd"
        writer.add_picture(str(number), drawn(number), picture(str(number)), kind=kind)
    pack = packs.read(writer.write(tmp_path / "p.safetensors"))

    assert pack.find("even", "validation") == [18, 72, 74]
    assert pack.find("odd", "validation") == []
    assert len(pack.find("odd")) == 40
    assert len(pack.find()) == 80
    first, second = pack.pictures([3, 5])
    assert np.array_equal(first, pack.picture(3))
    assert not np.array_equal(first, second)


def test_several_packs_are_one_set_with_its_provenance(tmp_path):
    for file, set_name in (("a", "photos"), ("b", "emoji")):
        writer = packs.PackWriter()
        for number in range(10, 21):
            writer.add_picture(f"{number}", drawn(number), picture(str(number), set_name))
            writer.add_picture(f"{number}-again", drawn(number), picture(str(number), set_name))
        writer.write(tmp_path / f"{file}.safetensors")

    pack = packs.read(tmp_path)

    assert len(pack.items) == 44
    assert np.array_equal(pack.picture(0), pack.picture(22))
    rows = pack.provenance()
    assert [(row["set"], row["train"], row["validation"]) for row in rows] == [
        ("emoji", 10, 1),
        ("photos", 10, 1),
    ]
    assert rows[0]["authors"][0] == "author of 10"
    assert packs.provenance(tmp_path) == rows


def test_a_pack_of_arrays_alone(tmp_path):
    writer = packs.PackWriter()
    writer.add_array("start", np.arange(3))
    pack = packs.read(writer.write(tmp_path / "start.safetensors"))

    assert pack.items == []
    assert pack.arrays["start"].tolist() == [0, 1, 2]
    assert pack.provenance() == []


def test_bad_packs(tmp_path):
    writer = packs.PackWriter()
    writer.add_array("large", np.zeros(packs.LARGEST, np.uint8))
    with pytest.raises(ValueError, match="already"):
        writer.add_array("large", np.zeros(1))
    with pytest.raises(ValueError, match="already"):
        writer.add_array(packs.PICTURES, np.zeros(1))
    writer.add_array("one more", np.zeros(1, np.uint8))
    with pytest.raises(ValueError, match="over 48"):
        writer.write(tmp_path / "p.safetensors")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match="training pack"):
        packs.read(tmp_path)
