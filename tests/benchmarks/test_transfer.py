"""The figures that transfer is measured by, and the paper's plain form beside it."""

import numpy as np
import pytest

from benchmarks.transfer import as_in_the_paper, consistency, figures, fitted, ours
from engine.imaging.color import lab_to_srgb


def flat(*lab):
    rgb = lab_to_srgb(np.float32(lab).T[:, :, None])
    return np.rint(np.moveaxis(rgb, 0, -1) * 255).astype(np.uint8).repeat(20, axis=1)


def test_consistency_by_hand():
    """Two bins: one of results 1 and 3, one of results 5 and 5."""
    before, after = np.array([0.1, 0.2, 0.8, 0.9]), np.array([1.0, 3.0, 5.0, 5.0])
    assert consistency(before, after, 2) == pytest.approx(0.5)


def test_figures_by_hand():
    source, result = flat((50, 20, 30), (50, -20, 10)), flat((50, 10, 30), (50, -20, 42))
    found = figures(source, result, result)
    assert found.fading_a == pytest.approx(10 / 2 / 128, rel=0.1)
    assert found.fading_b == pytest.approx(0, abs=1e-3)
    assert found.distance == 0
    assert figures(source, result, source).distance == pytest.approx((5 + 16) / 2, rel=0.1)


@pytest.mark.parametrize("method", [as_in_the_paper, lambda *pair: ours(*pair, "none")])
def test_methods_bring_flat_colors_to_the_reference(method):
    source, reference = flat((50, 40, 30), (60, -40, 10)), flat((50, 30, 40), (60, -30, 0))
    before, after = (
        figures(source, reference, result).distance
        for result in (source, method(source, reference))
    )
    assert after < 0.15 * before


def test_a_cell_of_the_sheet_keeps_proportions():
    cell = fitted(np.full((100, 50, 3), 7, np.uint8), 80, 60)
    assert cell.shape == (60, 80, 3)
    assert (cell[:, :30] == 7).all()
    assert (cell[:, 30:] == 128).all()
