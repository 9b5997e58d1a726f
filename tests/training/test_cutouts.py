import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from training import cutouts
from training.polygons import Polygons
from training.sources import Picture
from training.teacher import BACKGROUND, SUBJECT, UNSURE

STEM = "000000000001"


@pytest.fixture
def photo():
    """A red disc, grainy, in the middle of grainy blue."""
    random = np.random.default_rng(1)
    rgb = np.full((100, 120, 3), (40, 60, 190), np.uint8)
    cv2.circle(rgb, (60, 50), 26, (200, 40, 30), -1)
    return (rgb + random.integers(0, 30, rgb.shape)).astype(np.uint8)


@pytest.fixture
def disc():
    mask = np.zeros((100, 120), np.uint8)
    cv2.circle(mask, (60, 50), 26, 255, -1)
    return mask


def overlap(cutout, radius=26):
    """How much of the cut-out's alpha is the disc's area."""
    return (cutout[..., 3] > 127).sum() / (np.pi * radius**2)


def test_an_object_is_cut_out_along_its_edge(photo, disc):
    rough = cv2.dilate(disc, np.ones((3, 3), np.uint8))
    cutout = cutouts.of_object(photo, rough)
    assert 0.85 < overlap(cutout) < 1.02
    inside = cutout[..., 3] > 200
    assert (cutout[inside, 0] > cutout[inside, 2]).all()  # red alone: no blue rim


def test_a_mask_that_is_too_small_gives_nothing(photo):
    tiny = np.zeros((100, 120), np.uint8)
    tiny[45:55, 45:55] = 255
    assert cutouts.of_object(photo, tiny) is None


def test_a_teachers_subject_is_cut_out(photo, disc):
    label = np.full(disc.shape, BACKGROUND, np.uint8)
    label[cv2.dilate(disc, np.ones((7, 7), np.uint8)) > 0] = UNSURE
    label[cv2.erode(disc, np.ones((5, 5), np.uint8)) > 0] = SUBJECT
    (cutout,) = cutouts.of_label(photo, label)
    assert 0.85 < overlap(cutout) < 1.02
    assert not list(cutouts.of_label(photo, np.zeros_like(label)))


def test_a_garment_on_a_plain_ground_is_cut_out(photo):
    assert 0.85 < overlap(cutouts.of_garment(photo)) < 1.02


def test_a_sketch_loses_its_paper_but_not_its_white_inside(tmp_path):
    sketch = np.full((90, 90, 3), 252, np.uint8)
    cv2.circle(sketch, (45, 45), 30, (20, 20, 20), 3)
    Image.fromarray(sketch).save(tmp_path / "sketch.png")
    source = Picture(tmp_path / "sketch.png", "made", "1", "nobody", "CC0", "sketch.png")
    cutout = cutouts.of_drawing(source)
    assert overlap(cutout, 32) == pytest.approx(1, abs=0.1)
    assert cutout[cutout.shape[0] // 2, cutout.shape[1] // 2].tolist() == [252, 252, 252, 255]


@pytest.fixture
def polygons(tmp_path: Path):
    def instance(category, left, top, right, bottom):
        ring = [left, top, right, top, right, bottom, left, bottom]
        return {"category": category, "iscrowd": 0, "segmentation": [ring]}

    instances = [
        instance("dog", 20, 20, 120, 100),
        instance("couch", 130, 20, 230, 180),
        instance("spoon", 20, 150, 30, 160),
        {"category": "person", "iscrowd": 1, "segmentation": {"counts": []}},
    ]
    photos = {
        STEM: {"width": 240, "height": 200, "instances_complete": True, "instances": instances},
        "part": {"width": 9, "height": 9, "instances_complete": False, "instances": instances},
    }
    (tmp_path / "annotations.json").write_text(json.dumps(photos))
    return Polygons(tmp_path)


def test_large_things_are_subject_scenery_and_small_ones_unsure(polygons):
    label = cutouts.label_of_polygons(polygons, STEM, np.zeros((100, 120, 3), np.uint8))
    assert label[30, 35] == SUBJECT
    assert label[50, 90] == UNSURE
    assert label[78, 12] == UNSURE
    assert label[30, 10] == UNSURE  # an edge is as exact as its polygon
    assert label[95, 5] == BACKGROUND


def test_a_photograph_without_all_its_polygons_has_no_label(polygons):
    assert cutouts.label_of_polygons(polygons, "part", np.zeros((9, 9, 3), np.uint8)) is None
    assert cutouts.label_of_polygons(polygons, "unknown", np.zeros((9, 9, 3), np.uint8)) is None
    assert cutouts.of_polygons(polygons, "unknown", np.zeros((9, 9, 3), np.uint8)) == []
