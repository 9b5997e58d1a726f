"""A rough mask takes the edges of the picture."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.imaging.matte import contrasted, depth_inside, feathered, refine, settled
from engine.imaging.resample import strips

SIDE, ROUGH = 768, 128


def rough(alpha, seed=0):
    """What a network might say of a mask: small, soft, its edge off by some pixels."""
    rng = np.random.default_rng(seed)
    cells = cv2.resize(alpha, (ROUGH // 4, ROUGH // 4), interpolation=cv2.INTER_AREA)
    cells = cv2.GaussianBlur(cells, (0, 0), 0.8)
    logits = (cells - 0.5) * 9 + rng.normal(0, 0.3, cells.shape)
    large = cv2.resize(logits.astype(np.float32), (ROUGH, ROUGH))
    return (1 / (1 + np.exp(-large))).astype(np.float32)


def refined(mask, rgb, alpha=None):
    matte = refine(mask, rgb, alpha, 0.5)
    return np.concatenate(
        [
            matte.strip(rgb[rows], None if alpha is None else alpha[rows], rows.start)
            for rows in strips(*rgb.shape[:2])
        ]
    )


def iou(found, alpha):
    return ((found > 0.5) & (alpha > 0.5)).sum() / ((found > 0.5) | (alpha > 0.5)).sum()


def ground(seed=0):
    """A soft scene with grain."""
    rng = np.random.default_rng(seed)
    soft = cv2.resize(rng.random((5, 5, 3), np.float32) * 0.4, (SIDE, SIDE))
    return np.clip(soft + rng.normal(0, 0.01, soft.shape), 0, 1).astype(np.float32)


def on_ground(alpha, color):
    return ground() * (1 - alpha[..., None]) + alpha[..., None] * np.float32(color)


def star():
    """A mask with points and notches, anti-aliased."""
    angles = np.linspace(0, 2 * np.pi, 15)[:-1]
    radii = np.where(np.arange(14) % 2, 0.2, 0.42) * SIDE
    points = SIDE / 2 + np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def hair():
    """A disc with strands two pixels wide."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(mask, (SIDE // 2, SIDE // 2), SIDE // 4, 255, -1, cv2.LINE_AA)
    for turn in np.linspace(0, 2 * np.pi, 90):
        end = SIDE / 2 + SIDE * 0.31 * np.array([np.cos(turn), np.sin(turn)])
        cv2.line(mask, (SIDE // 2, SIDE // 2), tuple(np.int32(end).tolist()), 255, 2, cv2.LINE_AA)
    return mask.astype(np.float32) / 255


def test_edges_become_those_of_the_picture():
    alpha = star()
    rgb, mask = on_ground(alpha, [0.9, 0.75, 0.6]), rough(alpha)

    found = refined(mask, rgb)

    enlarged = cv2.resize(mask, (SIDE, SIDE))
    assert iou(enlarged, alpha) < 0.94
    assert iou(found, alpha) > 0.985
    assert np.abs(found - alpha).mean() < 0.2 * np.abs(enlarged - alpha).mean()


def test_strands_of_hair_are_found():
    alpha = hair()

    found = refined(rough(alpha), on_ground(alpha, [0.75, 0.6, 0.4]))

    strands = (alpha > 0.9) & (cv2.GaussianBlur(alpha, (0, 0), 12) < 0.3)
    gaps = (alpha == 0) & (cv2.GaussianBlur(alpha, (0, 0), 12) > 0.2)
    assert strands.sum() > 200
    assert found[strands].mean() > 0.8
    assert found[gaps].mean() < 0.2


def test_a_drawn_outline_belongs_to_the_thing():
    alpha = star()
    inner = cv2.erode(alpha, np.ones((9, 9)))
    rgb = on_ground(alpha, [0, 0, 0])
    rgb += (np.float32([0.9, 0.8, 0.3]) - rgb) * inner[..., None]
    rgb = np.where(alpha[..., None] > 0, rgb, 0.9).astype(np.float32)

    found = refined(rough(alpha), rgb)

    line = (alpha > 0.9) & (inner < 0.1)
    assert found[line].mean() > 0.9
    assert iou(found, alpha) > 0.98


def test_there_is_no_halo():
    """Off the edge the mask is exactly empty, and exactly full inside."""
    alpha = star()
    found = refined(rough(alpha), on_ground(alpha, [0.9, 0.75, 0.6]))

    far = SIDE // 8
    outside = cv2.dilate(alpha, np.ones((3, 3)), iterations=far) == 0
    inside = cv2.erode(alpha, np.ones((3, 3)), iterations=far) == 1
    near = (cv2.dilate(alpha, np.ones((9, 9))) == 0) & ~outside
    assert outside.any()
    assert inside.any()
    assert found[outside].max() == 0
    assert found[inside].min() == 1
    assert found[near].mean() < 0.01


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_an_even_mask_stays_as_it_is(level):
    found = refined(np.full((96, 128), level, np.float32), ground())

    assert found.min() == found.max() == level


def test_a_picture_without_edges_gives_the_mask_a_soft_one():
    mask = np.zeros((64, 64), np.float32)
    mask[:, 32:] = 1

    found = refined(mask, np.full((256, 256, 3), 0.4, np.float32))

    assert found[:, :64].max() == 0
    assert found[:, 192:].min() == 1
    assert (np.diff(found, axis=1) > -1e-3).all()


def test_what_is_transparent_is_not_selected():
    alpha, opaque = star(), np.ones((SIDE, SIDE), np.float32)
    opaque[:, : SIDE // 2] = 0

    found = refined(rough(alpha * opaque), on_ground(alpha, [0.9, 0.75, 0.6]), opaque)

    assert found[:, : SIDE // 2].max() == 0
    assert iou(found, alpha * opaque) > 0.97


@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 10**6), st.floats(0.1, 100))
def test_whatever_the_picture_the_mask_is_one(height, width, seed, light):
    rng = np.random.default_rng(seed)
    rgb = ((rng.random((height, width, 3)) - 0.2) * light).astype(np.float32)
    mask = rng.random((32, 64), np.float32)

    found = refined(mask, rgb)

    assert found.shape == (height, width)
    assert found.min() >= 0
    assert found.max() <= 1


def test_ink_far_from_the_thing_is_left_alone():
    """Lines like the outline's own, but not of the thing."""
    alpha = star()
    rgb = np.full((SIDE, SIDE, 3), 0.9, np.float32)
    rgb[alpha > 0.5] = (0.9, 0.8, 0.3)
    edge = cv2.morphologyEx(alpha, cv2.MORPH_GRADIENT, np.ones((7, 7))) > 0.5
    rgb[edge] = 0
    rgb[:, 40:46] = rgb[700:706] = 0

    found = refined(rough(alpha), rgb)

    assert found[:, :60].max() == 0
    assert found[690:].max() == 0


def test_colours_decide_where_the_mask_is_in_doubt():
    alpha = cv2.resize(star(), (ROUGH, ROUGH), interpolation=cv2.INTER_AREA)
    picture = cv2.resize(on_ground(star(), [0.9, 0.75, 0.6]), (ROUGH, ROUGH))
    doubtful = cv2.GaussianBlur(alpha, (0, 0), 6)

    found = settled(doubtful, picture)

    assert set(np.unique(found)) == {0, 1}
    assert iou(doubtful, alpha) < 0.93
    assert iou(found, alpha) > 0.97
    assert np.array_equal(found, settled(doubtful, picture))


def test_an_unsure_network_finds_the_same_as_a_sure_one():
    alpha = cv2.resize(star(), (ROUGH, ROUGH), interpolation=cv2.INTER_AREA)
    picture = cv2.resize(on_ground(star(), [0.9, 0.75, 0.6]), (ROUGH, ROUGH))
    likely = 0.8 * cv2.GaussianBlur(alpha, (0, 0), 6) + 0.15

    sure, unsure = settled(likely, picture), settled(0.65 * likely, picture)

    assert iou(sure, unsure) > 0.98


@pytest.mark.parametrize("level", [0.0, 0.2, 0.45, 1.0])
@pytest.mark.parametrize("grain", [0.0, 0.1])
def test_an_even_doubt_is_decided_as_it_leans(level, grain):
    noise = np.random.default_rng(0).random((32, 64, 3), np.float32)

    found = settled(np.full((32, 64), level, np.float32), 0.5 + grain * noise)

    assert found.min() == found.max() == (level > 0.4)


def test_depth_is_the_way_to_the_edge():
    mask = np.zeros((20, 40), np.float32)
    mask[:, 20:] = 1

    depth = depth_inside(mask)[10]

    assert depth[15:25].tolist() == [-5, -4, -3, -2, -1, 1, 2, 3, 4, 5]
    assert np.ptp(depth_inside(np.ones((5, 5), np.float32))) == 0


@given(st.floats(1, 4), st.integers(0, 10**6))
def test_contrast_keeps_the_middle_and_the_order(factor, seed):
    mask = np.sort(np.random.default_rng(seed).random((1, 50), np.float32))
    found = contrasted(mask, factor)

    assert contrasted(np.full((1, 1), 0.5, np.float32), factor) == 0.5
    assert (np.diff(found) >= 0).all()
    assert (np.abs(found - 0.5) >= np.abs(mask - 0.5) - 1e-6).all()


@pytest.mark.parametrize("reach", [0.4, 2.0, 9.0, 40.0])
def test_feathering_softens_as_far_as_it_says(reach):
    mask = np.zeros((20, 400), np.float32)
    mask[:, 200:] = 1

    found = feathered(mask, reach)[10]

    soft = np.flatnonzero((found > 1e-6) & (found < 1 - 1e-6))
    assert (np.diff(found) >= -1e-6).all()
    assert len(soft) == pytest.approx(2 * reach, abs=3)
    assert found[195:205].mean() == pytest.approx(0.5, abs=0.01)
