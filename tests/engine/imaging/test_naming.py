"""The table of colour names and the prototypes."""

import json

import numpy as np
import pytest

from engine.data import derive_color_names
from engine.imaging import naming
from engine.imaging.color import srgb_to_lab

EXAMPLES = {
    "black": (0, 0, 0),
    "blue": (20, 60, 220),
    "brown": (110, 60, 20),
    "grey": (128, 128, 128),
    "green": (30, 160, 40),
    "orange": (250, 140, 10),
    "pink": (255, 150, 190),
    "purple": (120, 30, 150),
    "red": (220, 10, 20),
    "white": (255, 255, 255),
    "yellow": (250, 240, 30),
}


def table():
    steps = (np.arange(32, dtype=np.float32) * 8 + 4) / 255
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    return naming.name_probabilities(grid)


@pytest.mark.parametrize("name", naming.NAMES)
def test_plain_colors_have_their_name(name):
    color = np.float32(EXAMPLES[name]) / 255
    assert naming.NAMES[naming.name_probabilities(color).argmax()] == name


def test_probabilities_sum_to_one_and_are_soft():
    probabilities = table()
    assert np.allclose(probabilities.sum(axis=-1), 1, atol=1e-5)
    assert probabilities.min() >= 0
    assert abs(probabilities.max(axis=-1).mean() - 0.68) < 0.005


def test_some_name_is_always_admitted():
    assert table().max(axis=-1).min() > 0.15


def test_colors_outside_srgb_are_named_as_the_nearest_inside():
    outside = np.float32([[2, -1, 0.5], [9, 9, 9]])
    assert np.array_equal(
        naming.name_probabilities(outside), naming.name_probabilities(outside.clip(0, 1))
    )


def test_an_8_bit_code_falls_into_its_cell():
    codes = np.float32([7, 8]) / 255
    first, second = naming.name_probabilities(np.stack([codes, codes * 0, codes * 0], axis=1))
    assert np.array_equal(first, naming.name_probabilities(np.zeros(3, np.float32)))
    assert not np.array_equal(first, second)


def test_prototypes_are_counted_named_and_saturated():
    prototypes = naming.prototypes()
    counts = dict(zip(naming.NAMES, np.bincount(prototypes.name), strict=True))
    many = {"green", "blue", "purple", "red", "pink"}
    assert counts == {name: 15 if name in many else 10 for name in naming.NAMES}
    assert np.array_equal(naming.name_probabilities(prototypes.rgb).argmax(axis=1), prototypes.name)
    chroma = np.hypot(*srgb_to_lab(prototypes.rgb.T)[1:])
    neutral = np.isin(prototypes.name, [naming.NAMES.index(n) for n in ("black", "grey", "white")])
    assert chroma[neutral].max() < 26 < chroma[~neutral].min()


def test_compounds_count_for_their_head_noun_and_others_as_names_are_usual():
    terms = ["blue", "green", "navyblue", "bluegreen", "teal"]
    counts = np.array([[50, 10, 30, 10, 2], [10, 50, 0, 20, 18]], np.float64)
    weights = derive_color_names._names_of_terms(terms, counts)
    blue, green = (weights[:, naming.NAMES.index(name)] for name in ("blue", "green"))
    assert blue[:4].tolist() == [1, 0, 1, 0]
    assert green[:4].tolist() == [0, 1, 0, 1]
    assert np.isclose(blue[4], 0.1 * 80 / 100 + 0.9 * 10 / 80)
    assert np.allclose(weights.sum(axis=1), 1)


def test_the_shipped_table_is_what_the_survey_gives(shared, tmp_path, monkeypatch):
    counts = shared / "data/colour_data/c3/c3_data.json"
    assert len(json.loads(counts.read_text())["terms"]) == 153
    monkeypatch.setattr(derive_color_names, "TABLE_FILE", tmp_path / "table.npz")
    derive_color_names.main(counts)
    with np.load(tmp_path / "table.npz") as made, np.load(naming.TABLE_FILE) as shipped:
        assert set(made) == set(shipped)
        # A rounding step or two may differ between machines' exponential functions.
        difference = made["probabilities"].astype(int) - shipped["probabilities"]
        assert np.abs(difference).max() <= 1
        assert np.array_equal(made["prototype_name"], shipped["prototype_name"])


def test_agreement_with_van_de_weijers_table(shared):
    with np.load(shared / "data/colour_data/w2c/w2c_32768.npz") as data:
        other = data["w2c"].reshape(32, 32, 32, 11).transpose(2, 1, 0, 3)
    assert (table().argmax(axis=-1) == other.argmax(axis=-1)).mean() > 0.78
