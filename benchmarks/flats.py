"""Flats on real drawings with exact truth, beside Krita's Colorize Mask and G'MIC.

Run with `make bench-flats` or `python -m benchmarks.flats [--drawings N] [--skip N] [--size PIXELS]
[--timeout SECONDS] [--against METHOD...] [--output FOLDER]`, with the licensed drawings and their
protocol beside the repository. Each drawing is judged closed, with small gaps, and rough (wide
gaps, grey pencil, paper grain), with one short stroke in every region. The table (flats.md) says
the shares of pixels of the right colour, of those within 1/255 of it, and of regions that are right
to 95 %, the share of right pixels in the worst drawing, mean seconds, and these as a multiple of
ours on the same drawings; `flats again` is a run after one more scribble, its line art known.
flats.png shows the drawings of each kind that ours does worst on, and pairs.png ours on an artist's
line art, without strokes and with simulated ones; there mere lines are no answer. Who takes part:
benchmarks/peers.py.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from benchmarks import paint, peers
from benchmarks.peers import Answer, Bytes, Case, Method
from engine import machine
from engine.job import Cache
from training import sheets, sources

KINDS = ("closed", "gaps", "rough")
OURS, AGAIN = "flats", "flats again"
EDGES = "colorize-mask-edges"
"""Settings for rough drawings, and asked for these alone."""
AGAINST = (*peers.COLORIZE_MASK, *peers.GMIC)
COLUMNS = ("method", "kind", "drawings", "pixels", "exact", "regions", "worst", "s", "× ours")
SHOWN = 5
"""Drawings of each kind on the sheet."""
PAIRS = 8
"""Drawings on the sheet of an artist's line art."""
CELL = 288
"""Side of a picture on a sheet, pixels."""


@dataclass(frozen=True)
class Score:
    """What a method made of a case: shares of the case, and seconds."""

    pixels: float
    exact: float
    regions: float
    seconds: float


Scores = Mapping[Case, Score]
"""Of the cases that a method had an answer for."""


def main() -> None:
    """Make the cases, ask every method, and write the table and the sheets."""
    arguments = argparse.ArgumentParser(description="Measure flats beside other programs.")
    arguments.add_argument("--shared", type=Path, default=sources.data_folder().parent)
    arguments.add_argument("--drawings", type=int, default=24)
    arguments.add_argument("--skip", type=int, default=0, help="leave out so many drawings before")
    arguments.add_argument("--size", type=int, default=1024, help="side of a drawing, pixels")
    arguments.add_argument("--timeout", type=float, default=peers.GMIC_SECONDS, help="of G'MIC")
    arguments.add_argument("--against", nargs="*", metavar="METHOD", default=AGAINST)
    arguments.add_argument("--output", type=Path, default=Path("sheets"), help="for the results")
    options = arguments.parse_args()
    if not (options.shared / "protocols/flats_cases.py").is_file():
        print("skipped: the drawings and their protocol are not beside the repository")
        return
    against = peers.all_methods(options.against, options.timeout)
    methods = {OURS: peers.own(OURS, {}), AGAIN: again, **dict(against)}
    options.output.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "flats")
        cases = make_cases(options.shared, folder, options.drawings, options.skip, options.size)
        compare(methods, cases, protocol(options.shared), options.output)
        folder = Path(temporary, "pairs")
        pairs = paint.make_cases("pairs", options.shared, folder, PAIRS, options.size)
        Image.fromarray(pairs_sheet(pairs)).save(options.output / "pairs.png")
    print(f"table and sheets: {options.output.resolve()}")


def protocol(shared: Path) -> ModuleType:
    """The protocol's own scorer."""
    spec = importlib.util.spec_from_file_location("score", shared / "protocols/flats_score.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_cases(shared: Path, folder: Path, drawings: int, skip: int, side: int) -> list[Case]:
    """The protocol's cases of the drawings after the first `skip`, each with its truth."""
    script, source = shared / "protocols/flats_cases.py", shared / "data/openmoji_svg"
    counts = str(skip + drawings), str(side)
    subprocess.run([sys.executable, script, source, folder, *counts], check=True)
    # The protocol takes them in the order of their files' names.
    made = sorted(folder.iterdir(), key=lambda drawing: f"{drawing.name}.svg")
    cases = [Case(drawing / kind) for drawing in made[skip:] for kind in KINDS]
    for case in cases:
        known = np.load(case.folder / "scribbles.npz")
        colours = np.vstack([known["pal"], np.zeros((1, 3), np.uint8)])
        Image.fromarray(colours[known["lab"]]).save(case.folder / "truth.png")
    return cases


def compare(
    methods: Mapping[str, Method], cases: Sequence[Case], scorer: ModuleType, output: Path
) -> None:
    """Asks the methods; prints and writes the table, and writes the sheet."""
    # Libraries are loaded once for all drawings.
    peers.run(OURS, {}, peers.planes_of(cases[0]), Cache(0))
    lines, shown = [" | ".join(COLUMNS), " | ".join("---" for _ in COLUMNS)], {}
    print(lines[0])
    for kind in KINDS:
        asked = [case for case in cases if case.folder.name == kind]
        found: dict[str, Scores] = {}
        for name, method in methods.items():
            if name != EDGES or kind == "rough":
                found[name] = scored(name, method, asked, scorer)
                lines.append(" | ".join([name, kind, *figures(found[name], found[OURS])]))
                print(lines[-1], flush=True)
        for case in sorted(asked, key=lambda case: found[OURS][case].pixels)[:SHOWN]:
            shown[case] = {name: scores[case] for name, scores in found.items() if case in scores}
    (output / "flats.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    names = [name for name in methods if name != AGAIN]
    Image.fromarray(sheet(shown, names)).save(output / "flats.png")


def scored(name: str, method: Method, cases: Sequence[Case], scorer: ModuleType) -> Scores:
    """What a method makes of the cases, those without an answer left out."""
    seconds = peers.solve(name, method, cases)
    return {
        case: Score(*scorer.score(case.folder, name), spent)
        for case, spent in zip(cases, seconds, strict=True)
        if spent is not None
    }


def figures(scores: Scores, ours: Scores) -> list[str]:
    """A method's figures of one kind for the table; `ours` has all the cases."""
    answered = f"{len(scores)}/{len(ours)}"
    if not scores:
        return [answered, "no answer", *[""] * 5]
    *shares, seconds = np.mean([astuple(score) for score in scores.values()], axis=0)
    worst = min(score.pixels for score in scores.values())
    ratio = seconds / np.mean([ours[case].seconds for case in scores])
    return [answered, *(f"{n:.4f}" for n in (*shares, worst)), f"{seconds:.2f}", f"{ratio:.2f}"]


def again(cases: Sequence[Case]) -> Iterator[Answer]:
    """Our flats after one more scribble, the line art known."""
    for case in cases:
        line, scribbles = peers.planes_of(case)
        strokes = case.strokes
        colours, labels = peers.colours_of(strokes)
        strokes[labels == len(colours)] = 0
        cache = Cache(machine.keep_budget())
        peers.run(OURS, {}, [line, replace(scribbles, data=strokes.tobytes())], cache)
        layers, seconds = peers.run(OURS, {}, [line, scribbles], cache)
        yield peers.flattened(OURS, line, layers), seconds


def sheet(shown: Mapping[Case, Mapping[str, Score]], methods: Sequence[str]) -> Bytes:
    """A row for each case: strokes, every method, truth; the shares of right pixels below."""
    rows, labels = [], []
    for case, scores in shown.items():
        results = [case.result(name) for name in methods]
        rows.append([peers.finished(case, case.strokes), *results, case.truth])
        right = ", ".join(f"{name} {scores[name].pixels:.4f}" for name in methods if name in scores)
        labels.append(f"{case.folder.parent.name}, {case.folder.name}: {right}")
    return sheets.grid(rows, ["strokes", *methods, "truth"], labels, CELL)


def pairs_sheet(cases: Sequence[Case]) -> Bytes:
    """A row for each drawing: lines, flats without strokes, strokes and flats, the truth."""
    peers.solve(OURS, peers.own(OURS, {}), cases)
    rows: dict[Path, list[Bytes]] = {}
    for case in cases:
        row = rows.setdefault(case.folder, [case.line, unasked(case)])
        row += [peers.finished(case, case.strokes), case.result(OURS)]
    columns = ["lines", "no strokes"]
    for count in paint.LEVELS.values():
        columns += [f"{count} strokes", "flats"]
    pictures = [[*row, Case(folder).truth] for folder, row in rows.items()]
    labels = [folder.name for folder in rows]
    return sheets.grid(pictures, [*columns, "truth"], labels, CELL)


def unasked(case: Case) -> Bytes:
    """The drawing in the colours that flats have without strokes, H x W x 3."""
    line, _ = peers.planes_of(case)
    layers, _ = peers.run(OURS, {}, [line], Cache(0))
    return peers.finished(case, peers.flattened(OURS, line, layers))


if __name__ == "__main__":
    main()
