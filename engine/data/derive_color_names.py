"""Makes color_names.npz from the colour-name counts of the c3 project.

    python -m engine.data.derive_color_names c3_data.json

The counts are answers of the XKCD colour survey: 8325 CIELAB bins by 153 terms. README.md beside
this file says what is done to them and why.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.imaging.color import srgb_to_lab
from engine.imaging.naming import CELLS, NAMES, TABLE_FILE
from engine.imaging.palettes import weighted_kmeans

Array = npt.NDArray[np.float64]

SOFTNESS = 0.68
"""Mean highest probability over the table, about that of van de Weijer's table (0.685)."""
BANDWIDTH = 3.0
"""Standard deviation of the smoothing in CIELAB. The survey's bins are 5 apart; much more smoothing
would drown white, which has few bins."""
MORE_PROTOTYPES = ("green", "blue", "purple", "red", "pink")
SKIN = ("skin", "flesh")
"""The survey's terms for the colour of skin."""


def main(counts_file: Path) -> None:
    """Writes the table and the prototypes."""
    lab, terms, counts = _read(counts_file)
    grid = np.stack(np.meshgrid(*[np.arange(CELLS)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    smooth = _smoothed(lab, counts @ _names_of_terms(terms, counts), grid)
    table = np.rint(255 * _softened(smooth)).astype(np.uint8)
    rgb, name = prototypes_of(grid * (256 // CELLS), table / table.sum(axis=1, keepdims=True))
    np.savez_compressed(
        TABLE_FILE,
        probabilities=table.reshape(CELLS, CELLS, CELLS, len(NAMES)),
        prototype_rgb=rgb.astype(np.uint8),
        prototype_name=name.astype(np.uint8),
        skin=_skin(lab, terms, counts).astype(np.float32),
    )


def _read(file: Path) -> tuple[Array, list[str], Array]:
    """CIELAB bins (n x 3), terms, and counts (n x terms)."""
    data = json.loads(file.read_text())
    lab = np.array(data["color"], np.float64).reshape(-1, 3)
    counts = np.zeros(len(lab) * len(data["terms"]))
    index, count = np.array(data["T"]).reshape(-1, 2).T
    counts[index] = count
    return lab, data["terms"], counts.reshape(len(lab), -1)


def _names_of_terms(terms: list[str], counts: Array) -> Array:
    """How much an answer of a term counts for each name (terms x names), 1 in all.

    A compound counts for its head noun, which comes last ("navyblue"); any other term for all names
    as usual as they are for the colours that it is used for.
    """
    heads = np.array([[term.endswith(name) for name in NAMES] for term in terms], np.float64)
    named = counts @ heads
    usual = (counts / counts.sum(axis=0)).T @ (named / named.sum(axis=1, keepdims=True))
    weights: Array = np.where(heads.any(axis=1, keepdims=True), heads, usual)
    return weights


def _skin(lab: Array, terms: list[str], counts: Array) -> Array:
    """Mean a, b of the colours that are called skin, and their standard deviation around it."""
    weight = counts[:, [terms.index(term) for term in SKIN]].sum(axis=1)
    mean = np.average(lab[:, 1:], axis=0, weights=weight)
    squares = np.average((lab[:, 1:] - mean) ** 2, axis=0, weights=weight)
    return np.array([*mean, np.sqrt(squares.mean())])


def _smoothed(lab: Array, counts: Array, grid: npt.NDArray[np.intp]) -> Array:
    """Probabilities at the table's cells: a Gaussian mean of the counts around them in CIELAB."""
    middles = ((grid + 0.5) / CELLS).astype(np.float32)
    cells = srgb_to_lab(middles.T.copy()).T
    table: Array = np.empty((len(cells), counts.shape[1]))
    for part in range(0, len(cells), 1024):
        some = cells[part : part + 1024].astype(np.float64)
        squares = (some**2).sum(axis=1)[:, None] + (lab**2).sum(axis=1) - 2 * some @ lab.T
        table[part : part + 1024] = np.exp(squares / (-2 * BANDWIDTH**2)) @ counts
    table /= table.sum(axis=1, keepdims=True)
    return table


def _softened(table: Array) -> Array:
    """The table to that power, normalised, at which its mean highest probability is SOFTNESS."""
    low, high = 0.1, 1.0
    for _ in range(40):
        power = (low + high) / 2
        raised = table**power
        soft: Array = raised / raised.sum(axis=1, keepdims=True)
        low, high = (power, high) if soft.max(axis=1).mean() < SOFTNESS else (low, power)
    return soft


def prototypes_of(
    rgb: npt.NDArray[np.intp],
    table: Array,
    clusters: int = 10,
    more: int = 5,
    space: Array | None = None,
) -> tuple[Array, Array]:
    """The most saturated colour of each cluster of each name's colours (Xue 2024, section 4.2).

    rgb: N x 3, codes. table: N x 11, probabilities. clusters: of each name, and `more` of those in
    MORE_PROTOTYPES; as many as it has colours where they are fewer. space: N x dimensions, where
    clusters are made; RGB where it is not given. Returns k x 3 codes, and k indices into NAMES.

    Colours are weighted by their probability of the name; of equally saturated ones the nearest to
    the cluster's mean is taken.
    """
    every = np.asarray(rgb if space is None else space, np.float64)
    colors, names = [], []
    for name, word in enumerate(NAMES):
        members = table.argmax(axis=1) == name
        codes, points, weight = rgb[members], every[members], table[members, name]
        saturation = 1 - codes.min(axis=1) / np.maximum(codes.max(axis=1), 1)
        wanted = clusters + (more if word in MORE_PROTOTYPES else 0)
        labels = weighted_kmeans(points, weight, min(wanted, len(points)))
        for cluster in np.unique(labels):
            (own,) = np.nonzero(labels == cluster)
            mean = np.average(points[own], axis=0, weights=weight[own])
            off = np.linalg.norm(points[own] - mean, axis=1)
            colors.append(codes[own[np.lexsort((off, -saturation[own]))[0]]])
            names.append(name)
    return np.array(colors), np.array(names)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
