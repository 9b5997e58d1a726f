"""The paper's own choices are the ones that ship."""

import numpy as np
import pytest

from benchmarks.harmony_ablations import Choice, prototypes, targets
from engine.imaging import naming
from engine.imaging.harmony import named_targets


@pytest.fixture
def main_colours():
    return np.random.default_rng(0).uniform(-80, 80, (200, 2)).astype(np.float32)


def test_prototypes_made_anew_are_those_that_ship():
    made, known = prototypes(), naming.prototypes()
    np.testing.assert_array_equal(made.rgb, known.rgb)
    np.testing.assert_array_equal(made.name, known.name)


def test_the_papers_choice_gives_the_operations_targets(main_colours):
    np.testing.assert_array_equal(targets(main_colours, Choice()), named_targets(main_colours))


@pytest.mark.parametrize(
    "choice",
    [Choice(5, 0), Choice(names=1), Choice(measure="angular"), Choice(measure="probability")],
)
def test_other_choices_give_other_targets_of_the_admitted_names(main_colours, choice):
    moved = targets(main_colours, choice)
    assert moved.shape == main_colours.shape
    assert (moved != targets(main_colours, Choice())).any(axis=1).mean() > 0.05


def test_fewer_names_admit_fewer_prototypes(main_colours):
    """The nearest of more candidates is never further away."""
    near, far = (targets(main_colours, Choice(names=n, search="ab")) for n in (3, 1))
    gaps = [np.linalg.norm(t - main_colours, axis=1) for t in (near, far)]
    assert (gaps[0] <= gaps[1] + 1e-4).all()
