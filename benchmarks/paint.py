"""Scribble colorization of real drawings: paint beside flats, plain methods and other programs.

Run with `python -m benchmarks.paint [--set pairs|extracted] [--drawings N] [--only METHOD...]
[--sheet FILE.png] [--json FILE.json]`, with the licensed pictures, the protocol and its weights
beside the repository. No recipe trains on the drawings; they are validation pairs of an artist's
line art and colours, and validation illustrations with line art extracted from them. Strokes are
simulated, 6, 15 and 40 of them. A method may have parameters: `--only flats "paint --steps 6"`.
G'MIC takes part where `gmic` is on the PATH, Krita's Colorize Mask where LIMNER_EDITORS names the
folder that .ci/editors makes. The figures are the protocol's.
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy.ndimage import distance_transform_edt
from skimage.color import deltaE_ciede2000, rgb2lab

from engine.imaging import composite, files
from engine.job import Cache
from engine.run import run_operation
from ipc import catalog
from ipc.catalog import Value
from tests import editors
from training import drawings, line_drawings, sheets, sources
from training.sources import Picture

Bytes = npt.NDArray[np.uint8]
Result = tuple[Bytes, float]
"""Colours without lines, H x W x 3 or x 4, and the seconds that they took."""
Method = Callable[[Sequence["Case"]], Iterator[Result]]

SETS = ("pairs", "extracted")
ILLUSTRATIONS = ("asp_illustrations", "bookdash")
SIDE = 512
LEVELS = {"sparse": 6, "medium": 15, "dense": 40}
GMIC = {
    "gmic-propagation": ("fx_colorize_lineart", "0,1,0,0.05", "k[0]"),
    "gmic-smart": (
        "fx_colorize_lineart_smart",
        "1,95,0,0,1,24,200,0,75,2,60,20,90,1,10,1,0",
        "k[2]",
    ),
}
"""Command, its arguments (colour spots are given), and which picture of its answer to keep."""
PLUGIN = Path(__file__).parent / "colorize_mask"
KRITA_SECONDS = 60
"""What Krita may take to start, and again for every case."""
FIGURES = ("PSNR", "SSIM", "ΔE00", "LPIPS", "adherence", "ink", "s")
COLUMNS = ["set", "method", "strokes", "drawings", *FIGURES]
SHOWN = 6
NOTE = (
    f"Drawings of {SIDE} pixels; means. Pairs: line art and colours by the artist, all of one "
    "story; extracted: illustrations of many books, line art by two methods, truth the colours "
    "under these lines and the lines. LPIPS: squeeze. Adherence: share of stroke pixels on bare "
    "paper within ΔE00 3 of the stroke. Ink: mean difference in luminance from the line art on its "
    "lines, of 255. The oracle takes the best stroke colour for every pixel, knowing the truth. "
    "Seconds: G'MIC's with the start of the program, Krita's for the mask alone."
)


@dataclass(frozen=True)
class Case:
    """A drawing and its strokes of one level, as the protocol wrote them."""

    folder: Path
    level: str

    @property
    def line(self) -> Bytes:
        """Grey lines on white paper, H x W x 3."""
        return read(self.folder / "line.png")

    @property
    def truth(self) -> Bytes:
        """The drawing in the illustrator's colours, H x W x 3."""
        return read(self.folder / "truth.png")

    @property
    def strokes_file(self) -> Path:
        """Strokes on nothing."""
        return self.folder / f"scribbles_{self.level}.png"

    @property
    def strokes(self) -> Bytes:
        """Strokes on nothing, H x W x 4, alpha 0 or 255."""
        return read(self.strokes_file)

    def result_file(self, method: str) -> Path:
        """Where the protocol looks for a method's colours."""
        return self.folder / f"{method}_{self.level}.png"


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
    methods = dict(all_methods(options.only or ALL))
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


def make_cases(name: str, shared: Path, folder: Path, most: int) -> list[Case]:
    """The protocol's cases of a set of drawings, made in `folder`."""
    with tempfile.TemporaryDirectory() as pairs:
        for part in ("lineart", "color"):
            Path(pairs, part).mkdir()
        write = write_pairs if name == "pairs" else write_extracted
        write(shared / "data", Path(pairs))
        script = shared / "protocols/pairs_cases.py"
        subprocess.run([sys.executable, script, pairs, folder, str(most), str(SIDE)], check=True)
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


def all_methods(names: Sequence[str]) -> Iterator[tuple[str, Method]]:
    """Those of the methods that can run here; says why the others cannot."""
    for name in names:
        try:
            yield name, method_of(name)
        except LookupError as reason:
            print(f"{name} skipped: {reason}")


def method_of(name: str) -> Method:
    """A method by its name. Raises LookupError where it cannot run here."""
    if name in PLAIN:
        return one_by_one(PLAIN[name])
    if name in GMIC:
        if not shutil.which("gmic"):
            raise LookupError("gmic is not on the PATH")
        return one_by_one(gmic(*GMIC[name]))
    if name == "colorize-mask":
        try:
            editors.folder()
        except pytest.skip.Exception as reason:
            raise LookupError(str(reason)) from reason
        return colorize_mask
    operation, *options = shlex.split(name)
    if operation not in {entry.id for entry in catalog.CATALOG}:
        raise LookupError("it is not in the catalogue")
    return one_by_one(own(operation, parameters(operation, options)))


def parameters(operation: str, options: Sequence[str]) -> dict[str, Value]:
    """Parameters given as on the command line: --NAME VALUE ..."""
    kinds = {entry.name: entry.kind for entry in catalog.operation(operation).parameters}
    names = [name.removeprefix("--") for name in options[::2]]
    return {
        name: value if kinds.get(name) == "choice" else json.loads(value)
        for name, value in zip(names, options[1::2], strict=True)
    }


def one_by_one(colours: Callable[[Case], Bytes]) -> Method:
    """The method that takes one case after the other."""

    def method(cases: Sequence[Case]) -> Iterator[Result]:
        for case in cases:
            start = time.perf_counter()
            found = colours(case)
            yield found, time.perf_counter() - start

    return method


def nearest(case: Case) -> Bytes:
    """The colour of the nearest stroke."""
    strokes = case.strokes
    at = distance_transform_edt(strokes[..., 3] == 0, return_distances=False, return_indices=True)
    return strokes[tuple(at)]


def oracle(case: Case) -> Bytes:
    """For each pixel the stroke colour that comes nearest to the truth with the lines on top."""
    truth, line = (np.float32(pixels / 255) for pixels in (case.truth, case.line))
    colours, _ = colours_of(case.strokes)
    lab = rgb2lab(truth)
    errors = [deltaE_ciede2000(lab, rgb2lab(np.float32(c / 255) * line)) for c in colours]
    return colours[np.argmin(errors, axis=0)]


PLAIN = {"nearest": nearest, "oracle": oracle}
ALL = ("nearest", *GMIC, "colorize-mask", "flats", "paint", "oracle")


def own(name: str, params: Mapping[str, Value]) -> Callable[[Case], Bytes]:
    """An operation of ours on line art that it has not seen before."""
    operation = catalog.operation(name)

    def colours(case: Case) -> Bytes:
        line_art = files.read_plane(case.folder / "line.png", "line-art")
        size = line_art.width, line_art.height
        results, _ = run_operation(
            name,
            params,
            [line_art, files.read_plane(case.strokes_file, "scribbles")],
            size,
            cache=Cache(0),
            on_progress=lambda *_: None,
            cancelled=threading.Event(),
            outputs=[operation.outputs[0].role],
        )
        paper = replace(line_art, data=b"\xff" * line_art.byte_count)
        shown = composite.flatten(operation, paper, results)
        return np.frombuffer(shown.data, np.uint8).reshape(*size[::-1], 4)

    return colours


def gmic(command: str, arguments: str, keep: str) -> Callable[[Case], Bytes]:
    """A command of G'MIC that takes strokes and line art."""

    def colours(case: Case) -> Bytes:
        given = [case.strokes_file, case.folder / "line.png"]
        output = case.folder / "gmic.png"
        subprocess.run(
            ["gmic", *given, command, arguments, keep, "cut", "0,255", "output", output],
            check=True,
            capture_output=True,
        )
        return read(output)

    return colours


def colorize_mask(cases: Sequence[Case]) -> Iterator[Result]:
    """Krita's Colorize Mask with its own defaults, all cases in one Krita."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tasks = [write_task(case, folder / str(number)) for number, case in enumerate(cases)]
        (folder / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
        seconds = run_krita(folder, KRITA_SECONDS * (len(cases) + 1))
        for number, (task, spent) in enumerate(zip(tasks, seconds, strict=True)):
            codes = np.fromfile(folder / f"{number}.colours", np.uint8)
            yield codes.reshape(*task["size"][::-1], 4)[..., [2, 1, 0, 3]], spent


def write_task(case: Case, path: Path) -> dict[str, list]:
    """Writes a case's ink and strokes for the plug-in; returns size and colours."""
    line = case.line[..., 0]
    ink = np.zeros((*line.shape, 4), np.uint8)
    ink[..., 3] = 255 - line
    colours, labels = colours_of(case.strokes)
    ink.tofile(path.with_suffix(".ink"))
    labels.tofile(path.with_suffix(".strokes"))
    return {"size": list(line.shape[::-1]), "colours": colours.tolist()}


def run_krita(folder: Path, timeout: float) -> list[float]:
    """Starts Krita with the plug-in on the folder's tasks; the seconds of each."""
    plugins, config = folder / "data/krita/pykrita", folder / "config"
    shutil.copytree(PLUGIN, plugins / PLUGIN.name)
    shutil.copy(PLUGIN / f"{PLUGIN.name}.desktop", plugins)
    config.mkdir()
    (config / "kritarc").write_text(f"[python]\nenable_{PLUGIN.name}=true\n", encoding="utf-8")
    # Software rendering needs no OpenGL, and starts faster without.
    (config / "kritadisplayrc").write_text("[General]\nOpenGLRenderer=none\n", encoding="utf-8")
    (folder / "runtime").mkdir(mode=0o700)
    places = {"CONFIG_HOME": "config", "DATA_HOME": "data", "CACHE_HOME": "cache"}
    places |= {"RUNTIME_DIR": "runtime"}
    environment = {f"XDG_{name}": str(folder / place) for name, place in places.items()}
    with (folder / "krita.log").open("wb") as log:
        process = editors.start(
            ["krita", "--nosplash"],
            shared=[folder],
            screen="1280x800",
            log=log,
            env={**environment, "HOME": str(folder), "COLORIZE_TASKS": str(folder)},
        )
        try:
            process.wait(timeout)
        finally:
            process.kill()
    answer = folder / "results.json"
    if not answer.exists():
        raise RuntimeError((folder / "krita.log").read_text(errors="replace")[-2000:])
    results = json.loads(answer.read_text(encoding="utf-8"))
    if "error" in results:
        raise RuntimeError(results["error"])
    return results["seconds"]


def colours_of(strokes: Bytes) -> tuple[Bytes, Bytes]:
    """The colours of the strokes, N x 3, and the number of each pixel's from 1 on; 0 is none."""
    painted = strokes[..., 3] > 0
    colours, numbers = np.unique(strokes[painted, :3], axis=0, return_inverse=True)
    labels = np.zeros(painted.shape, np.uint8)
    labels[painted] = numbers.ravel() + 1
    return colours, labels


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
    times = []
    for case, (colours, seconds) in zip(cases, method(cases), strict=True):
        Image.fromarray(colours).save(case.result_file(name))
        times.append(f"{case.folder.name} {case.level} {seconds:.4f}\n")
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
            finished(case, case.strokes),
            *(finished(case, read(case.result_file(method))) for method in methods),
            case.truth,
        ]
        for case in cases
    ]
    labels = [f"{case.folder.name}, {LEVELS[case.level]} strokes" for case in cases]
    return sheets.grid(rows, ["strokes", *methods, "truth"], labels)


def finished(case: Case, colours: Bytes) -> Bytes:
    """The colours on white paper with the lines multiplied on top, H x W x 3."""
    alpha = colours[..., 3:] / 255 if colours.shape[2] == 4 else 1.0
    shown = (colours[..., :3] * alpha + 255 * (1 - alpha)) * case.line / 255
    return shown.round().astype(np.uint8)


def read(path: Path) -> Bytes:
    """A picture's pixels, with alpha where it has one."""
    return np.array(Image.open(path))


if __name__ == "__main__":
    main()
