"""Floods beside scikit-image's watershed, flows beside a plain one, ways uphill."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.segmentation import watershed

from engine.imaging.flooding import climb, flood, flow

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=9)


@given(st.data())
def test_flood_is_a_watershed(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    # No two heights alike: among equals scikit-image's order is its own.
    order = data.draw(st.permutations(range(shape[0] * shape[1])))
    heights = np.array(order, np.float32).reshape(shape)
    markers = data.draw(arrays(np.int32, shape, elements=st.integers(0, 3)))
    inside = data.draw(arrays(bool, shape))
    expected = watershed(heights, markers, mask=inside)
    np.testing.assert_array_equal(flood(heights, markers, inside), expected)


def test_floods_meet_halfway_on_level_ground() -> None:
    markers = np.array([[1, 0, 0, 0, 0, 2]], np.int32)
    flooded = flood(np.zeros((1, 6), np.float32), markers, np.ones((1, 6), bool))
    assert flooded.tolist() == [[1, 1, 1, 2, 2, 2]]


def test_flood_tells_heights_apart_to_a_sixteenth() -> None:
    # A sill of 1/16 in the left one's way lets the right one pass first.
    heights = np.array([[0, 1 / 16, 0, 0, 0, 0]], np.float32)
    markers = np.array([[1, 0, 0, 0, 0, 2]], np.int32)
    flooded = flood(heights, markers, np.ones((1, 6), bool))
    assert flooded.tolist()[0][2:] == [2, 2, 2, 2]


@given(st.data())
def test_flow_goes_as_far_as_it_can_by_the_shortest_way(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    labels = data.draw(arrays(np.uint16, shape, elements=st.sampled_from([0, 0, 0, 1, 2])))
    waiting = data.draw(arrays(bool, shape)) & (labels == 0)
    gives = data.draw(st.none() | arrays(bool, shape))
    expected = _plain_flow(labels, waiting, np.ones(shape, bool) if gives is None else gives)
    flow(labels, np.flatnonzero(waiting), gives)
    np.testing.assert_array_equal(labels, expected)


def _plain_flow(labels: np.ndarray, waiting: np.ndarray, gives: np.ndarray) -> np.ndarray:
    """In turns over the whole picture."""
    while True:
        given = np.pad(np.where(gives, labels, 0), 1)
        around = given[:-2, 1:-1], given[1:-1, :-2], given[1:-1, 2:], given[2:, 1:-1]
        first = np.select([side > 0 for side in around], around)
        after = np.where(waiting & (labels == 0), first, labels)
        if (after == labels).all():
            return after
        labels = after


def test_climb_leads_to_a_peak_and_stops_at_another_ones_way() -> None:
    heights = np.array([[1, 2, 3, 4, 9], [0, 0, 0, 0, 0]], np.float32)
    markers, order = np.zeros((2, 5), np.int32), -heights
    markers[1, 0], markers[1, 3] = 7, 8
    rows, columns = np.array([1, 1]), np.array([3, 0])
    climb(heights, rows, columns, np.array([8, 7], np.int32), markers, order, np.float32(-9))
    assert markers.tolist() == [[0, 7, 7, 7, 8], [7, 0, 0, 8, 0]]
    assert (order[markers > 0] == -9).all()
    assert (order[markers == 0] == -heights[markers == 0]).all()
