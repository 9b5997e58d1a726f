"""Scribble colorization of real drawings: paint beside flats, plain methods and other programs.

Run with `python -m benchmarks.paint [--set pairs|extracted] [--drawings N] [--only METHOD...]
[--sheet FILE.png] [--json FILE.json]`, with the licensed pictures, the protocol and its weights
beside the repository. No recipe trains on the drawings; they are validation pairs of an artist's
line art and colours, and validation illustrations with line art extracted from them. Strokes are
simulated, 6, 15 and 40 of them. A method may have parameters: `--only flats "paint --steps 6"`.
Who takes part: benchmarks/peers.py. The figures are the protocol's.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import peers
from benchmarks.peers import Bytes, Case, Method
from training import drawings, line_drawings, sheets, sources
from training.sources import Picture

SETS = ("pairs", "extracted")
ILLUSTRATIONS = ("asp_illustrations", "bookdash")
SIDE = 512
LEVELS = {"sparse": 6, "medium": 15, "dense": 40}
ALL = ("nearest", *peers.GMIC, "colorize-mask", "flats", "paint", "oracle")
FIGURES = ("PSNR", "SSIM", "ΔE00", "LPIPS", "adherence", "ink", "s")
COLUMNS = ["set", "method", "strokes", "drawings", *FIGURES]
SHOWN = 6
NOTE = (
    f"Drawings of {SIDE} pixels; means. Pairs: line art and colours by the artist, all of one "
    "story; extracted: illustrations of many books, line art by two methods, truth the colours "
    "under these lines and the lines. LPIPS: squeeze. Adherence: share of stroke pixels on bare "
    "paper within ΔE00 3 of the stroke. Ink: mean difference in luminance from the line art on its "
    "lines, of 255. The oracle takes the best stroke colour for every pixel, knowing the truth. "
    "Seconds: G'MIC's with the start of the program, Krita's for the mask alone, ours for the "
    "operation alone."
)


def main() -> None:
    """Run the methods on the cases of both sets and print the table."""
    arguments = argparse.ArgumentParser(description="Measure scribble colorization.")
    arguments.add_argument("--shared", type=Path, default=sources.data_folder().parent)
    arguments.add_argument("--set", choices=SETS, help="these drawings alone")
    arguments.add_argument("--drawings", type=int, default=1000, help="of each set, at most")
    arguments.add_argument("--only", nargs="+", metavar="METHOD", help="these methods alone")
    arguments.add_argument("--sheet", type=Path, help="write some results as one picture")
    arguments.add_argument("--json", type=Path, help="the table for the model card")
    options = arguments.parse_args()
    if not (options.shared / "protocols/pairs_cases.py").is_file():
        print("skipped: the drawings and their protocol are not beside the repository")
        return
    methods = dict(peers.all_methods(options.only or ALL))
    rows, shown = [], []
    with tempfile.TemporaryDirectory() as temporary:
        for name in [options.set] if options.set else SETS:
            folder = Path(temporary, name)
            cases = make_cases(name, options.shared, folder, options.drawings)
            rows += measure(name, methods, cases, options.shared)
            shown += few(cases)
        if options.sheet:
            Image.fromarray(sheet(shown, list(methods))).save(options.sheet)
    if options.json:
        table = {"title": "Colours from strokes", "columns": COLUMNS, "rows": rows, "note": NOTE}
        options.json.write_text(json.dumps([table], indent=1) + "\n", encoding="utf-8")


def make_cases(name: str, shared: Path, folder: Path, most: int, side: int = SIDE) -> list[Case]:
    """The protocol's cases of a set of drawings, made in `folder`, side x side."""
    with tempfile.TemporaryDirectory() as pairs:
        for part in ("lineart", "color"):
            Path(pairs, part).mkdir()
        write = write_pairs if name == "pairs" else write_extracted
        write(shared / "data", Path(pairs))
        script = shared / "protocols/pairs_cases.py"
        subprocess.run([sys.executable, script, pairs, folder, str(most), str(side)], check=True)
    found = sorted(path.parent for path in folder.glob("*/truth.png"))
    return [Case(drawing, level) for drawing in found for level in LEVELS]


def write_pairs(data: Path, folder: Path) -> None:
    """Links to an artist's line art and colours, in folders as the protocol wants them."""
    for pair in drawings.pairs(data, "validation"):
        for part, picture in zip(("lineart", "color"), pair, strict=True):
            (folder / part / picture.path.name).symlink_to(picture.path)


def write_extracted(data: Path, folder: Path) -> None:
    """Illustrations made line art by both methods in turn, and the colours under their lines."""
    for number, picture in enumerate(middle_pages(data)):
        line, truth = extracted(picture.read()[..., :3], number)
        Image.fromarray(line).save(folder / f"lineart/{picture.path.stem}.png")
        Image.fromarray(truth).save(folder / f"color/{picture.path.stem}.png")


def middle_pages(data: Path) -> list[Picture]:
    """One illustration out of every validation book, from its middle."""
    books = defaultdict(list)
    for name in ILLUSTRATIONS:
        for picture in sources.pictures(name, "validation", data):
            books[picture.group].append(picture)
    return [pages[len(pages) // 2] for pages in books.values()]


def extracted(picture: Bytes, number: int) -> tuple[Bytes, Bytes]:
    """Line art, H x W, and the picture with its lines, H x W x 3, of the square with most lines.

    The lines are drawn by differences of Gaussians where `number` is even, else along edges.
    """
    random = np.random.default_rng(number)
    found = []
    for rows, columns in drawings.tiles(*picture.shape[:2]):
        square = np.ascontiguousarray(picture[rows, columns])
        colour, outlines = line_drawings.separated(square)
        if number % 2:
            found.append((line_drawings.edges(colour, outlines, random), colour))
        else:
            found.append((line_drawings.xdog(square, random), colour))
    ink, colour = max(found, key=lambda one: one[0].sum())
    paper = np.rint(255 * (1 - ink)).astype(np.uint8)
    return paper, np.rint(colour * (1 - ink[..., None])).astype(np.uint8)


def measure(
    name: str, methods: Mapping[str, Method], cases: Sequence[Case], shared: Path
) -> list[list[str]]:
    """Runs the methods on the cases of one set and prints their rows of the table."""
    folder, rows = cases[0].folder.parent, []
    print(" | ".join(COLUMNS))
    for method, run in methods.items():
        solve(method, run, cases, folder)
        for figures in score(method, shared, folder):
            rows.append([name, *figures])
            print(" | ".join(rows[-1]), flush=True)
    return rows


def solve(name: str, method: Method, cases: Sequence[Case], folder: Path) -> None:
    """Writes a method's colours and seconds as the protocol's scorer reads them."""
    times = [
        f"{case.folder.name} {case.level} {'timeout' if spent is None else f'{spent:.4f}'}\n"
        for case, spent in zip(cases, peers.solve(name, method, cases), strict=True)
    ]
    (folder / f"times_{name}.txt").write_text("".join(times), encoding="utf-8")


def score(name: str, shared: Path, folder: Path) -> list[list[str]]:
    """A method's rows of the table, one per level, by the protocol's scorer."""
    script, weights = shared / "protocols/pairs_score.py", shared / "weights"
    printed = subprocess.run(
        [sys.executable, script, folder, name, weights], check=True, capture_output=True, text=True
    ).stdout
    rows = [line.split(" | ") for line in printed.splitlines()[1:]]
    return [[method, str(LEVELS[level]), *figures] for method, level, *figures in rows]


def few(cases: Sequence[Case]) -> list[Case]:
    """Some of the drawings, evenly chosen, with few and with more strokes."""
    folders = sorted({case.folder for case in cases})
    places = np.linspace(0, len(folders) - 1, SHOWN).round().astype(int)
    chosen = {folders[place] for place in places}
    return [case for case in cases if case.folder in chosen and case.level != "dense"]


def sheet(cases: Sequence[Case], methods: Sequence[str]) -> Bytes:
    """A row for each case: strokes, every method, truth."""
    rows = [
        [
            peers.finished(case, case.strokes),
            *(case.result(method) for method in methods),
            case.truth,
        ]
        for case in cases
    ]
    labels = [f"{case.folder.name}, {LEVELS[case.level]} strokes" for case in cases]
    return sheets.grid(rows, ["strokes", *methods, "truth"], labels)


if __name__ == "__main__":
    main()
