import numpy as np
import pytest

from training.segmentation_metrics import border, boundary_f, iou


def square(top, left, side, within=100):
    mask = np.zeros((within, within), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_iou_of_shifted_squares():
    assert iou(square(0, 0, 10), square(0, 5, 10)) == pytest.approx(50 / 150)
    assert iou(square(0, 0, 10), square(0, 0, 10)) == 1
    assert iou(square(0, 0, 10), square(50, 50, 10)) == 0


def test_iou_leaves_out_what_does_not_count():
    counted = ~square(0, 10, 5)
    assert iou(square(0, 0, 10), square(0, 5, 10), counted) == pytest.approx(50 / 125)


def test_two_empty_masks_agree():
    empty = np.zeros((10, 10), bool)
    assert iou(empty, empty) == 1
    assert boundary_f(empty, empty) == 1
    assert boundary_f(square(2, 2, 4, 10), empty) == 0


def test_a_border_is_one_pixel_wide():
    mask = np.zeros((4, 4), bool)
    mask[:, 2:] = True
    assert border(mask).tolist() == [[False, True, False, False]] * 4


def test_borders_may_be_off_by_the_tolerance():
    truth = square(30, 30, 40)  # the diagonal of 100 × 100 allows one pixel
    assert boundary_f(square(29, 29, 42), truth) > 0.97  # a corner is √2 off
    assert boundary_f(square(26, 26, 48), truth) == 0
    half = truth.copy()
    half[50:] = False
    assert 0.5 < boundary_f(half, truth) < 0.75
