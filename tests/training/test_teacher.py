import numpy as np

from training.teacher import BACKGROUND, SUBJECT, UNSURE, Teacher

PERSON, TABLE = 15, 11


class Classifier(Teacher):
    """The votes of a teacher whose class map is a given function of the picture."""

    def __init__(self, classes):
        self.classes = classes


def photo():
    """Grey, with a red square and a blue one."""
    rgb = np.full((80, 120, 3), 90, np.uint8)
    rgb[20:50, 20:50] = (250, 10, 10)
    rgb[20:50, 80:110] = (10, 10, 250)
    return rgb


def by_colour(rgb):
    red = (rgb[..., 0] > 180) & (rgb[..., 2] < 60)
    blue = (rgb[..., 2] > 180) & (rgb[..., 0] < 60)
    return (PERSON * red + TABLE * blue).astype(np.uint8)


def test_a_subject_that_every_view_finds_is_sure():
    label = Classifier(by_colour).subject(photo())
    assert label[35, 35] == SUBJECT
    assert label[70, 60] == BACKGROUND
    assert label[5, 5] == BACKGROUND


def test_scenery_is_neither_subject_nor_background():
    assert Classifier(by_colour).subject(photo())[35, 95] == UNSURE


def test_what_only_one_side_of_a_mirror_sees_is_unsure():
    def left_only(rgb):
        found = by_colour(rgb)
        found[:, rgb.shape[1] // 2 :] = 0
        return found

    assert Classifier(left_only).subject(photo())[35, 35] == UNSURE
