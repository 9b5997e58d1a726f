"""Which photographs the benchmarks of colours take, and at what size."""

import cv2
import numpy as np
import pytest

from benchmarks.photographs import photographs
from training.sources import split_of


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMNER_DATA", str(tmp_path))
    return tmp_path


def listed(folder, rows):
    folder.mkdir()
    lines = [f"{name},from,someone,{licence}" for name, licence in rows]
    (folder / "files.csv").write_text("\n".join(["file,source_path,author,licence", *lines]))


def test_without_data_there_is_a_reason(data):
    found = photographs().every(2)
    assert not found.files
    assert str(data) in found.about


def test_illustrations_and_what_networks_were_trained_on_are_left_out(data):
    names = [f"{n:012}" for n in range(40)]
    listed(data / "open_photos", [("lake.png", "CC0"), ("fox.png", "CC0 (illustration)")])
    listed(data / "coco_cc_photos", [(f"images/{name}.png", "CC BY 2.0") for name in names])
    validation = [name for name in names if split_of(name) == "validation"]
    assert validation
    found = photographs()
    assert [file.stem for file in found.files] == ["lake", *validation]
    assert (
        f"1 photographs of open_photos (all but illustrations) and {len(validation)}" in found.about
    )
    assert "one in 3" in found.every(3).about


def test_the_shorter_side_is_made_that_long(data):
    listed(data / "open_photos", [("tall.png", "CC0"), ("wide.png", "CC0")])
    pixels = np.full((30, 20, 3), (10, 20, 30), np.uint8)
    cv2.imwrite(str(data / "open_photos/tall.png"), pixels)
    cv2.imwrite(
        str(data / "open_photos/wide.png"), np.swapaxes(np.repeat(pixels, 40, axis=0), 0, 1)
    )
    tall, wide = photographs().pictures(40)
    assert tall.shape == (60, 40, 3)
    assert wide.shape[0] == 40
    assert (tall == (30, 20, 10)).all()
