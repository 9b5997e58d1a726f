"""What is suggested: near scribbles their colours, in a region those that it is asked to have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.imaging.suggested import NEAR, OUTSIDE, POWER, UNASKED, suggested

RED, BLUE, GREEN = (0.8, 0.2, 0.2), (0.2, 0.4, 0.8), (0.2, 0.6, 0.4)


def planes(regions, *drawn, colours=(RED, BLUE), means=(), everywhere=(), seed=0, ink=None):
    """drawn: colour number, row and column of strokes. means: pairs of region and colour.

    everywhere: numbers of colours that are asked for everywhere.
    """
    strokes = np.zeros((len(colours), *regions.shape), bool)
    strokes[list(everywhere)] = True
    for number, row, column in drawn:
        strokes[number, row, column] = True
    meant = np.zeros((int(regions.max()) + 1, len(colours)), bool)
    for region, number in means:
        meant[region, number] = True
    paper = np.zeros(regions.shape, np.float32) if ink is None else ink
    return suggested(regions, paper, np.float32(colours).reshape(-1, 3), meant, strokes, seed)


def halves(size=32):
    """Region 1 on the left, region 2 on the right."""
    regions = np.ones((size, size), np.int32)
    regions[:, size // 2 :] = 2
    return regions


def away(found, colour):
    """How far colours, 3 x ..., are from one."""
    return np.abs(found[:3] - np.float32(colour).reshape(3, *[1] * (found.ndim - 1))).max(axis=0)


def test_near_a_stroke_there_is_its_colour():
    found = planes(halves(), (0, 5, 5), (1, 25, 5), means=[(1, 0), (1, 1)])

    assert found.dtype == np.float32
    assert away(found[:, 5, 5], RED) < 0.01
    assert away(found[:, 25, 5], BLUE) < 0.01
    assert away(found[:, 6, 6], RED) < 0.05
    assert 0.1 < away(found[:, 15, 5], RED) < 0.5


def test_the_colours_of_a_region_prevail_in_it_over_nearer_ones_outside():
    found = planes(halves(), (0, 16, 1), (1, 16, 16), means=[(1, 0), (2, 1)])

    assert away(found[:, :, :16], RED).max() < 0.1
    assert away(found[:, :, 16:], BLUE).max() < 0.1


def test_regions_that_nothing_is_asked_of_take_a_mix_and_say_so():
    regions = halves()
    regions[:, 24:] = 3
    found = planes(regions, (0, 1, 1), (1, 30, 1), means=[(1, 0), (1, 1)])

    assert (found[3] == (regions == 1)).all()
    mix = (np.float32(RED) + np.float32(BLUE)) / 2
    assert away(found[:, 15:17, 24:], mix).max() < 0.02
    assert away(found[:, :, 24:], mix).max() < 0.2


def share_of_blue(found):
    """In mixes of red and blue, of 3 x ... colours."""
    return (found[2] - RED[2]) / (BLUE[2] - RED[2])


def test_the_way_to_where_a_colour_is_not_meant_is_shorter_where_none_is():
    """The weights of the documentation, at the blue stroke's own distance of 0."""
    near, far = NEAR**-POWER, (1 / 32 + NEAR + OUTSIDE) ** -POWER
    regions = np.ones((32, 32), np.int32)
    own = planes(regions, (0, 16, 16), (1, 16, 17), means=[(1, 1)])
    none = planes(regions, (0, 16, 16), (1, 16, 17))
    assert share_of_blue(own)[16, 17] == pytest.approx(near / (near + far), abs=1e-4)
    near, far = ((away + NEAR + UNASKED) ** -POWER for away in (0, 1 / 32))
    assert share_of_blue(none)[16, 17] == pytest.approx(near / (near + far), abs=1e-4)


def test_colours_meant_nowhere_fill_what_has_none_and_hardly_touch_the_rest():
    found = planes(halves(), (0, 16, 5), means=[(1, 0)], everywhere=[1])

    assert away(found[:, :, :16], RED).max() < 0.1
    assert away(found[:, :, 16:], BLUE).max() < 0.25
    assert away(found[:, :, 24:], BLUE).max() < 0.15
    assert (found[3] == (halves() == 1)).all()


def stripes(count=16):
    """Regions 1 to count, two columns each."""
    return np.repeat(np.arange(1, count + 1, dtype=np.int32), 2)[None].repeat(8, axis=0)


def test_seed_0_mixes_alike_and_others_by_chance():
    plain = planes(stripes(), everywhere=[0, 1])
    lucky, again, other = (planes(stripes(), everywhere=[0, 1], seed=s) for s in (4, 4, 5))

    mix = (np.float32(RED) + np.float32(BLUE)) / 2
    assert away(plain, mix).max() < 1e-6
    assert lucky.tobytes() == again.tobytes()
    assert away(lucky, other[:3, 0, 0]).max() > 0.3
    shares = np.stack([share_of_blue(found)[0, ::2] for found in (lucky, other)])
    assert ((shares < 0.25) | (shares > 0.75)).mean() > 0.5
    assert shares.min() < 0.2 and shares.max() > 0.8
    assert (np.abs(shares[0] - shares[1]) > 0.5).any()
    # All of a region has the same luck.
    assert (lucky[:, :, ::2] == lucky[:, :, 1::2]).all() and (lucky == lucky[:, :1]).all()


def test_chance_goes_by_region_and_seed_0_knows_none():
    swapped = 3 - halves()
    for seed, alike in ((0, True), (2, False)):
        one, other = (planes(r, everywhere=[0, 1], seed=seed) for r in (halves(), swapped))
        assert np.array_equal(one, other) == alike


@pytest.mark.parametrize("seed", [1, 2, 9])
def test_regions_that_are_asked_to_have_a_colour_do_not_depend_on_the_seed(seed):
    drawn, means = [(0, 16, 1), (1, 4, 20)], [(1, 0)]

    plain, lucky = (planes(halves(), *drawn, means=means, seed=s) for s in (0, seed))

    asked = halves() == 1
    assert (plain[:, asked] == lucky[:, asked]).all()
    assert (plain[:3, ~asked] != lucky[:3, ~asked]).any()
    assert (plain[3] == lucky[3]).all()


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_region_keeps_its_favourite_when_something_else_is_asked_for(seed):
    """Green comes first, so that all numbers change; what is left of a mix keeps its shares."""
    before = planes(stripes(), everywhere=[0, 1], seed=seed)

    after = planes(
        stripes(),
        (0, 4, 1),
        colours=(GREEN, RED, BLUE),
        means=[(1, 0)],
        everywhere=[1, 2],
        seed=seed,
    )

    green, red, blue = np.linalg.solve(np.transpose([GREEN, RED, BLUE]), after[:3, 0])
    assert green[:2].min() > 0.9
    assert green[2:].min() < 0.3
    assert np.abs(blue / (red + blue) - share_of_blue(before)[0])[2:].max() < 1e-3


@pytest.mark.parametrize("shape", [(20, 30), (30, 20)])
def test_half_the_cells_hold_the_same_colours(shape):
    small = np.ones(shape, np.int32)
    large = np.ones((2 * shape[0], 2 * shape[1]), np.int32)
    means = [(1, 0), (1, 1)]
    # Blocks of 2 x 2 cells lie where the small strokes do.
    blocks = [
        (number, 2 * row + down, 2 * column + across)
        for number, row, column in ((0, 4, 4), (1, 14, 15))
        for down in (0, 1)
        for across in (0, 1)
    ]

    coarse = planes(small, (0, 4, 4), (1, 14, 15), means=means)
    fine = planes(large, *blocks, means=means)

    means_of_fine = fine.reshape(4, shape[0], 2, shape[1], 2).mean(axis=(2, 4))
    assert np.abs(coarse - means_of_fine).max() < 0.1
    assert np.abs(coarse - means_of_fine).mean() < 0.01


@pytest.mark.parametrize("colours", [(), (RED, BLUE)])
def test_without_strokes_nothing_is_suggested(colours):
    found = planes(halves(), colours=colours)

    assert found.shape == (4, 32, 32)
    assert not found.any()


def test_a_colour_without_a_stroke_changes_nothing():
    drawn, means = (0, 5, 5), [(1, 0)]

    assert (
        planes(halves(), drawn, means=means) == planes(halves(), drawn, colours=(RED,), means=means)
    ).all()


def test_the_same_bytes_come_back_wherever_they_lie_in_memory():
    regions, found, kept = np.ones((110, 146), np.int32), set(), []
    for number in range(12):
        kept.append(np.empty(1000 * number + 1, np.uint8))
        found.add(planes(regions, (0, 9, 9), (1, 90, 99), means=[(1, 0), (1, 1)]).tobytes())

    assert len(found) == 1


PLACES = st.tuples(st.integers(0, 1), st.integers(0, 11), st.integers(0, 8))


@given(st.lists(PLACES, min_size=1, max_size=8), st.integers(1, 8))
def test_all_colours_lie_between_those_asked_for(drawn, border):
    regions = np.ones((12, 9), np.int32)
    regions[:, border:] = 2
    means = [(int(regions[row, column]), number) for number, row, column in drawn]

    found = planes(regions, *drawn, means=means)

    low, high = np.minimum(RED, BLUE) - 1e-5, np.maximum(RED, BLUE) + 1e-5
    assert (found[:3] >= np.float32(low)[:, None, None]).all()
    assert (found[:3] <= np.float32(high)[:, None, None]).all()
    assert (found[3] == np.isin(regions, [region for region, _ in means])).all()


def test_a_line_within_a_region_keeps_colours_apart():
    """An open wall: the way around it is longer than the way through the air."""
    regions = np.ones((32, 32), np.int32)
    ink = np.zeros((32, 32), np.float32)
    ink[:28, 16] = 1
    asked = {"colours": (RED, BLUE), "means": [(1, 0), (1, 1)]}
    strokes = [(0, 4, 4), (1, 4, 28)]

    open_field = planes(regions, *strokes, **asked)
    walled = planes(regions, *strokes, **asked, ink=ink)

    beside = slice(2, 8), slice(13, 16)
    towards_red = [found[0][beside].mean() for found in (open_field, walled)]
    assert towards_red[1] > towards_red[0] + 0.1
