"""What paint costs beside flats, whole and live, on drawings of 512 to 8192 pixels.

Run with `python -m benchmarks.paint_cost [--sides 512 1024 ...] [--json FILE.json]`, with the
licensed pictures and their protocol beside the repository. A validation drawing and its strokes
are scaled up. Each row has a process of its own, because a process tells the most memory that it
ever used. First: the line art is new. Again: one more scribble, its line art known, as while an
artist scribbles with live results.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from os import getpid
from pathlib import Path

import cv2
import numpy as np

from benchmarks import peers
from benchmarks.networks import apart
from benchmarks.paint import make_cases
from benchmarks.peers import Bytes, Case
from engine import machine
from engine.job import Cache
from ipc import catalog
from ipc.catalog import Value
from ipc.planes import Plane
from training import sources

SIDES = (512, 1024, 2048, 4096, 8192)
METHODS: dict[str, tuple[str, dict[str, Value]]] = {
    "flats": ("flats", {}),
    "paint": ("paint", {"refine": False}),
    "paint, refine": ("paint", {"refine": True}),
}
"""Operation and parameters; the first is what the others are compared with."""
MORE = 3
"""Scribbles that are added, one at a time."""
WARM = 256
"""Side of a first drawing, not measured, that loads libraries and networks."""
FIGURES = ("first s", "again s", "MiB")
COLUMNS = ["method", "side", *FIGURES, *(f"{figure} /flats" for figure in FIGURES)]
NOTE = (
    "A drawing of 15 strokes scaled up, default parameters, libraries and network loaded. First: "
    "new line art. Again: median time after each of three more scribbles, line art known. MiB: the "
    "most memory that the first run adds to the process. /flats: ratio to flats on the same inputs."
)


def main() -> None:
    """Measure and print the table."""
    arguments = argparse.ArgumentParser(description="Measure what paint costs.")
    arguments.add_argument("--shared", type=Path, default=sources.data_folder().parent)
    arguments.add_argument("--sides", type=int, nargs="*", default=SIDES, help="pixels")
    arguments.add_argument("--json", type=Path, help="the table for the model card")
    options = arguments.parse_args()
    if not (options.shared / "protocols/pairs_cases.py").is_file():
        print("skipped: the drawings and their protocol are not beside the repository")
        return
    known = {operation.id for operation in catalog.CATALOG}
    methods = [name for name, (operation, _) in METHODS.items() if operation in known]
    print(f"{machine.threads()} threads, {machine.device()}")
    print(" | ".join(COLUMNS))
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        case = make_cases("pairs", options.shared, Path(temporary), 1)[0]
        for side in options.sides:
            for row in rows_of(case.folder, side, methods):
                rows.append(row)
                print(" | ".join(row), flush=True)
    if options.json:
        table = {"title": "Cost against size", "columns": COLUMNS, "rows": rows, "note": NOTE}
        options.json.write_text(json.dumps([table], indent=1) + "\n", encoding="utf-8")


def rows_of(drawing: Path, side: int, methods: list[str]) -> Iterator[list[str]]:
    """A row of the table for each method, the first of which is flats."""
    flats: dict[str, float] = {}
    for name in methods:
        found = apart(measure, *METHODS[name], drawing, side)
        flats = flats or found
        figures = [f"{found[figure]:.3f}" for figure in FIGURES]
        ratios = [f"{found[figure] / flats[figure]:.2f}" for figure in FIGURES]
        yield [name, str(side), *figures, *ratios]


def measure(
    operation: str, params: Mapping[str, Value], drawing: Path, side: int
) -> dict[str, float]:
    """Seconds of the first run and of later ones, and the memory that the first adds."""
    peers.run(operation, params, planes_of(drawing, WARM, 0), Cache(0))
    cache = Cache(machine.keep_budget())
    given = planes_of(drawing, side, 0)
    before = machine.memory_of(getpid())
    _, first = peers.run(operation, params, given, cache)
    added = max(machine.peak_memory() - before, 2**20)
    again = [
        peers.run(operation, params, planes_of(drawing, side, more), cache)[1]
        for more in range(1, MORE + 1)
    ]
    return dict(zip(FIGURES, (first, statistics.median(again), added / 2**20), strict=True))


def planes_of(drawing: Path, side: int, more: int) -> tuple[Plane, Plane]:
    """Line art and strokes of a case, `more` of them beyond the medium ones, side x side."""
    medium, dense = Case(drawing, "medium"), Case(drawing, "dense")
    strokes = with_more(medium.strokes, dense.strokes, more)
    line = cv2.resize(medium.line, (side, side), interpolation=cv2.INTER_CUBIC)
    large = cv2.resize(strokes, (side, side), interpolation=cv2.INTER_NEAREST)
    return (
        Plane("line-art", "lines", side, side, 3, "u8", line.tobytes()),
        Plane("scribbles", "strokes", side, side, 4, "u8", large.tobytes()),
    )


def with_more(strokes: Bytes, others: Bytes, more: int) -> Bytes:
    """The strokes and so many of the others, H x W x 4."""
    added = (others[..., 3] > 0) & (strokes[..., 3] == 0)
    _, number = cv2.connectedComponents(added.astype(np.uint8))
    chosen = (number > 0) & (number <= more)
    return np.where(chosen[..., None], others, strokes)


if __name__ == "__main__":
    main()
