"""Masks of what could have been pasted."""

import json

import numpy as np
import pytest

from training.foregrounds import Polygons, regions, useful


@pytest.fixture
def polygons(tmp_path):
    instances = [
        {"iscrowd": 0, "segmentation": [[10, 10, 30, 10, 30, 20, 10, 20]]},
        {"iscrowd": 1, "segmentation": {"counts": [1, 2], "size": [40, 60]}},
    ]
    about = {"known": {"width": 60, "height": 40, "instances": instances}}
    (tmp_path / "annotations.json").write_text(json.dumps(about))
    return Polygons(tmp_path)


def test_polygons_are_drawn_at_the_size_asked_for(polygons):
    (mask,) = polygons.masks("known", (120, 80))
    assert mask.shape == (80, 120)
    assert mask[30, 40] == 255
    assert mask[30, 70] == 0
    assert (mask > 0).sum() == pytest.approx(41 * 21, abs=130)  # with its edge of one pixel


def test_a_picture_without_annotations_has_no_masks(polygons):
    assert list(polygons.masks("unknown", (10, 10))) == []


def test_useful_masks_are_neither_tiny_nor_nearly_all():
    mask = np.zeros((100, 100), np.uint8)
    assert not useful(mask)
    mask[:20, :20] = 255
    assert useful(mask)
    assert not useful(255 - mask)


def test_regions_follow_edges():
    picture = np.zeros((128, 128, 3), np.uint8)
    picture[:, 64:] = 200
    found = list(regions(picture, 12, np.random.default_rng(0)))
    assert found
    for mask in found:
        inside = mask > 127
        assert inside[:, :60].all() or not inside[:, :60].any()
        assert inside[:, 68:].all() or not inside[:, 68:].any()
