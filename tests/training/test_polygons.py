"""Objects that people outlined."""

import json

import pytest

from training.polygons import Polygons


@pytest.fixture
def polygons(tmp_path):
    instances = [
        {"category": "cat", "iscrowd": 0, "segmentation": [[10, 10, 30, 10, 30, 20, 10, 20]]},
        {"category": "cat", "iscrowd": 1, "segmentation": {"counts": [1, 2], "size": [40, 60]}},
    ]
    about = {"known": {"width": 60, "height": 40, "instances": instances}}
    (tmp_path / "annotations.json").write_text(json.dumps(about))
    return Polygons(tmp_path)


def test_polygons_are_drawn_at_the_size_asked_for(polygons):
    ((category, mask),) = polygons.objects("known", (120, 80))
    assert category == "cat"
    assert mask.shape == (80, 120)
    assert mask[30, 40] == 255
    assert mask[30, 70] == 0
    assert (mask > 0).sum() == pytest.approx(41 * 21, abs=130)  # with its edge of one pixel


def test_a_picture_without_annotations_has_no_masks(polygons):
    assert list(polygons.objects("unknown", (10, 10))) == []
