"""How far the table of colour names agrees with van de Weijer's (van de Weijer et al. 2009).

Run with `python -m benchmarks.naming`, with that table beside the repository: it is compared and
never shipped. Its rows are in the order of its source: red changes fastest, then green, then blue.
"""

from pathlib import Path

import numpy as np

from engine.imaging.naming import CELLS, NAMES, name_probabilities

TABLE = Path(__file__).parents[2] / "shared/data/colour_data/w2c/w2c_32768.npz"


def main() -> None:
    """Prints the agreement, overall and for each of that table's names."""
    if not TABLE.exists():
        print(f"skipped: {TABLE} is not there")
        return
    with np.load(TABLE) as data:
        other = data["w2c"].astype(np.float64)
    ours = name_probabilities(_middles()).astype(np.float64)
    same = ours.argmax(axis=1) == other.argmax(axis=1)
    distance = np.linalg.norm(ours - other, axis=1)
    print(f"{'name':8} {'cells':>6} {'same name':>10} {'mean L2':>8}   most often here, where not")
    _row("all", np.ones(len(same), bool), same, distance, "")
    for index, name in enumerate(NAMES):
        members = other.argmax(axis=1) == index
        wrong = np.bincount(ours.argmax(axis=1)[members & ~same], minlength=len(NAMES))
        _row(name, members, same, distance, NAMES[wrong.argmax()] if wrong.any() else "")


def _middles() -> np.ndarray:
    """The middle of every cell, N x 3 in [0, 1], in the other table's order."""
    blue, green, red = np.meshgrid(*[np.arange(CELLS)] * 3, indexing="ij")
    middles = (np.stack([red, green, blue], axis=-1).reshape(-1, 3) * 8 + 4) / 255
    return middles.astype(np.float32)


def _row(
    name: str, members: np.ndarray, same: np.ndarray, distance: np.ndarray, instead: str
) -> None:
    count, share = np.count_nonzero(members), same[members].mean()
    print(f"{name:8} {count:6} {share:10.1%} {distance[members].mean():8.3f}   {instead}".rstrip())


if __name__ == "__main__":
    main()
