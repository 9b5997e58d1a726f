"""What Xue 2024's choices do to harmony: tables 4.3, 4.4 and 4.6 as trends.

Run with `python -m benchmarks.harmony_ablations [--every N]`, with the photographs beside the
repository. Prototypes are made anew from the shipped table of colour names. Nothing is kept and
hues turn freely, as in the paper; lightness stays. Main colours are the operation's own.
"""

import argparse
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from benchmarks.harmony import XUE, harmony_of, operated, recoloring_of, released_harmony_of
from benchmarks.photographs import Bytes, Photographs, photographs
from engine.data.derive_color_names import prototypes_of
from engine.imaging.color import lab_to_srgb, srgb_to_lab
from engine.imaging.harmony import LEAST_PROBABILITY, NAMING_LIGHTNESS, Recoloring
from engine.imaging.naming import CELLS, NAMES, TABLE_FILE, Prototypes, name_probabilities

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Choice:
    """clusters: of each name, and `more` of those that the paper gives more. names: admitted.

    measure: euclidean, angular or probability. clustering, search: rgb or ab; search counts where
    the measure is Euclidean.
    """

    clusters: int = 10
    more: int = 5
    names: int = 3
    measure: str = "euclidean"
    clustering: str = "rgb"
    search: str = "rgb"


TABLES: dict[str, dict[str, Choice]] = {
    "4.3 prototypes of a name, names admitted": {
        **{f"{n}, top 1": Choice(n, 0, 1) for n in (5, 10, 15, 20, 50)},
        **{f"10 + 5, top {k}": Choice(names=k) for k in (1, 2, 3)},
    },
    "4.4 similarity": {
        "angular": Choice(measure="angular"),
        "probability": Choice(measure="probability"),
        "Euclidean": Choice(),
    },
    "4.6 clustering, search": {
        "RGB, RGB": Choice(),
        "RGB, ab": Choice(search="ab"),
        "ab, ab": Choice(clustering="ab", search="ab"),
    },
}


def main() -> None:
    """Measure and print the tables."""
    arguments = argparse.ArgumentParser(description="Measure Xue's choices on photographs.")
    arguments.add_argument("--every", type=int, default=1, help="take each so many-th photograph")
    photos = photographs().every(arguments.parse_args().every)
    print(photos.about)
    if photos.files:
        print_tables(photos)


def print_tables(photos: Photographs) -> None:
    """Means over the photographs; a choice that comes up again is measured once."""
    choices = list(dict.fromkeys(c for table in TABLES.values() for c in table.values()))
    figures: dict[Choice, list[list[float]]] = {choice: [] for choice in choices}
    for picture in photos.pictures():
        source = recoloring_of(operated(picture, XUE)[1]).source
        for choice in choices:
            result = recolored(picture, source, targets(source, choice))
            exact, _ = harmony_of(result)
            found = exact, released_harmony_of(result)
            figures[choice].append([f for h in found for f in (h.f, h.pit, h.mits)])
    for title, table in TABLES.items():
        print(f"\n{title}")
        print(f"{'':20}{'every pixel':>25}{'as released':>25}")
        print(f"{'':20}" + 2 * f"{'F':>8}{'PIT %':>8}{'MITS':>9}")
        for name, choice in table.items():
            means = np.mean(figures[choice], axis=0)
            cells = [f"{f:8.0f}{pit:8.2f}{mits:9.3f}" for f, pit, mits in means.reshape(2, 3)]
            print(f"{name:20}{''.join(cells)}")


def recolored(picture: Bytes, source: Floats, target: Floats) -> Bytes:
    """8-bit pixels whose main colours (k x 2: a, b) move to their targets."""
    pixels = np.float32(picture / 255)
    Recoloring(source, target).table().apply(pixels)
    return np.rint(255 * pixels).astype(np.uint8)


def targets(source: Floats, choice: Choice) -> Floats:
    """The prototype that each main colour moves to, k x 2 (a, b) (Xue 2024, section 4.4)."""
    known = prototypes(choice.clusters, choice.more, choice.clustering)
    colors = at_naming_lightness(source)
    probabilities = name_probabilities(colors)
    rank = (-probabilities).argsort(axis=1).argsort(axis=1)
    admitted = (rank < choice.names) & ((probabilities > LEAST_PROBABILITY) | (rank == 0))
    apart = distances(colors, source, known, choice)
    apart[~admitted[:, known.name]] = np.inf
    return chroma_of(known.rgb)[apart.argmin(axis=1)]


def distances(colors: Floats, source: Floats, known: Prototypes, choice: Choice) -> Floats:
    """From main colours (k x 3, and k x 2: a, b) to prototypes, k x n."""
    if choice.measure == "angular":
        unit = [c / np.linalg.norm(c, axis=1, keepdims=True) for c in (colors, known.rgb + 1e-6)]
        return -(unit[0] @ unit[1].T)
    if choice.measure == "probability":
        theirs = name_probabilities(at_naming_lightness(chroma_of(known.rgb)))
        return -(name_probabilities(colors) @ np.log2(np.maximum(theirs, 1e-6)).T)
    ours, theirs = (source, chroma_of(known.rgb)) if choice.search == "ab" else (colors, known.rgb)
    return np.linalg.norm(ours[:, None] - theirs[None], axis=2)


@cache
def prototypes(clusters: int = 10, more: int = 5, clustering: str = "rgb") -> Prototypes:
    """Prototypes made from the shipped table; clustering: rgb or ab."""
    with np.load(TABLE_FILE) as data:
        table = data["probabilities"].reshape(-1, len(NAMES)).astype(np.float64)
    steps = [np.arange(CELLS) * (256 // CELLS)] * 3
    codes = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    space = chroma_of(np.float32(codes / 255)) if clustering == "ab" else None
    table /= table.sum(axis=1, keepdims=True)
    rgb, name = prototypes_of(codes, table, clusters, more, space)
    return Prototypes(np.float32(rgb / 255), name)


def at_naming_lightness(ab: Floats) -> Floats:
    """Colours (k x 3, sRGB) of a, b (k x 2) at the lightness that names are given at."""
    lab = np.vstack([np.full((1, len(ab)), NAMING_LIGHTNESS), ab.T]).astype(np.float32)
    return np.clip(lab_to_srgb(lab), 0, 1).T


def chroma_of(rgb: Floats) -> Floats:
    """a, b (k x 2) of colours (k x 3, sRGB)."""
    return srgb_to_lab(rgb.T.copy())[1:].T


if __name__ == "__main__":
    main()
