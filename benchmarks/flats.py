"""Flats on real drawings with exact truth: share of right pixels, and seconds.

Run with `python -m benchmarks.flats [DRAWINGS] [SIZE]`, with the drawings and their protocol beside
the repository. Each drawing is judged closed, with small gaps, and rough (wide gaps, grey pencil,
paper grain), with one short stroke in every region. The table says: pixels of the right colour,
pixels within 1/255 of it, regions that are right to 95 %, the worst drawing, and the mean seconds
of a first run and of one whose line art is known.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np

from engine.imaging.raster import Raster
from engine.job import Cache, Input, Job
from engine.operations import flats
from ipc import catalog

SHARED = Path(__file__).parents[2] / "shared"
KINDS = ("closed", "gaps", "rough")
RESULT = "limner"


def main() -> None:
    """Make the cases, fill them and print the table."""
    if not (SHARED / "protocols/flats_cases.py").exists():
        print("skipped: the drawings and their protocol are not beside the repository")
        return
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("drawings", nargs="?", default="24")
    given.add_argument("size", nargs="?", default="1024")
    options = given.parse_args()
    protocol = scorer()
    with tempfile.TemporaryDirectory() as folder:
        script, source = SHARED / "protocols/flats_cases.py", SHARED / "data/openmoji_svg"
        subprocess.run(
            [sys.executable, script, source, folder, options.drawings, options.size], check=True
        )
        print(f"{'':8}  pixels   exact  regions   worst   first   again")
        for kind in KINDS:
            cases = sorted(Path(folder).glob(f"*/{kind}"))
            seconds = np.mean([solve(case) for case in cases], axis=0)
            scores = np.array([protocol.score(case, RESULT) for case in cases])
            numbers = (*scores.mean(axis=0), scores[:, 0].min())
            print(f"{kind:8}", *(f"{n:7.4f}" for n in numbers), *(f"{s:6.2f}s" for s in seconds))


def scorer() -> ModuleType:
    """The protocol's own scorer."""
    spec = importlib.util.spec_from_file_location("score", SHARED / "protocols/flats_score.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def solve(case: Path) -> tuple[float, float]:
    """Writes the result of one case; seconds of the first and of a second run."""
    lines, scribbles = (Raster.of_rgba(read(case / name)) for name in ("line.png", "scribbles.png"))
    operation = catalog.operation("flats")
    job = Job(
        operation.id,
        (lines.width, lines.height),
        operation.check_params({}),
        {"line-art": [Input(lines, "lines")], "scribbles": [Input(scribbles, "scribbles")]},
        Cache(1 << 30),
    )
    times = []
    for _ in range(2):
        start = time.perf_counter()
        layer = flats.run(job)[0]
        picture = layer.table[layer.pixels]
        times.append(time.perf_counter() - start)
    codes = np.rint(picture * 255).astype(np.uint8)
    cv2.imwrite(str(case / f"{RESULT}.png"), cv2.cvtColor(codes, cv2.COLOR_RGBA2BGRA))
    return times[0], times[1]


def read(path: Path) -> np.ndarray:
    """A picture's pixels, float32 H x W x 4 in [0, 1]."""
    codes = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert codes is not None
    to_rgba = cv2.COLOR_BGR2RGBA if codes.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return cv2.cvtColor(codes, to_rgba).astype(np.float32) / 255


if __name__ == "__main__":
    main()
