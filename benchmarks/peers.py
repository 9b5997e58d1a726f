"""Who colours line art from strokes: ours, plain methods, G'MIC and Krita's Colorize Mask.

G'MIC takes part where `gmic` is on the PATH, Krita where LIMNER_EDITORS names the folder that
.ci/editors makes.
"""

import json
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
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
from ipc.planes import Plane
from tests import editors

Bytes = npt.NDArray[np.uint8]
Answer = tuple[Bytes, float]
"""Colours without lines, H x W x 3 or x 4, and the seconds that they took."""
Method = Callable[[Sequence["Case"]], Iterator[Answer | None]]
"""As many answers as cases; None is no answer in time."""

GMIC = {
    "gmic-propagation": ("fx_colorize_lineart", "0,1,0,0.05", "k[0]"),
    "gmic-smart": (
        "fx_colorize_lineart_smart",
        "1,95,0,0,1,24,200,0,75,2,60,20,90,1,10,1,0",
        "k[2]",
    ),
}
"""Command, its arguments (colour spots are given), and which picture of its answer to keep."""
GMIC_SECONDS = 60
"""What G'MIC may take for a case."""
PATIENCE = 2
"""Cases without an answer after which a method is asked no more."""
COLORIZE_MASK: dict[str, dict[str, float]] = {
    "colorize-mask": {},
    "colorize-mask-edges": {"edge_size": 4.0, "clean_up": 0.7},
}
"""Settings of the mask: none are its own defaults; edge detection in pixels, clean-up a share."""
PLUGIN = Path(__file__).parent / "colorize_mask"
KRITA_SECONDS = 60
"""What Krita may take to start, and again for every case."""


@dataclass(frozen=True)
class Case:
    """A drawing and its strokes, as the protocols write them.

    level: how many strokes, where the protocol tells it.
    """

    folder: Path
    level: str = ""

    @property
    def line_file(self) -> Path:
        """Grey lines on white paper."""
        return self.folder / "line.png"

    @property
    def line(self) -> Bytes:
        """Grey lines on white paper, H x W x 3."""
        return read(self.line_file)

    @property
    def truth(self) -> Bytes:
        """The drawing in the right colours, H x W x 3."""
        return read(self.folder / "truth.png")

    @property
    def strokes_file(self) -> Path:
        """Strokes on nothing."""
        return self.result_file("scribbles")

    @property
    def strokes(self) -> Bytes:
        """Strokes on nothing, H x W x 4, alpha 0 or 255."""
        return read(self.strokes_file)

    def result_file(self, method: str) -> Path:
        """Where the protocol looks for a method's colours."""
        return self.folder / f"{method}{self.level and '_' + self.level}.png"

    def result(self, method: str) -> Bytes:
        """The drawing in a method's colours, H x W x 3; mere lines where it had no answer."""
        file = self.result_file(method)
        return finished(self, read(file)) if file.exists() else self.line


def all_methods(
    names: Sequence[str], gmic_seconds: float = GMIC_SECONDS
) -> Iterator[tuple[str, Method]]:
    """Those of the methods that can run here; says why the others cannot."""
    for name in names:
        try:
            yield name, method_of(name, gmic_seconds)
        except LookupError as reason:
            print(f"{name} skipped: {reason}")


def method_of(name: str, gmic_seconds: float) -> Method:
    """A method by its name. Raises LookupError where it cannot run here."""
    if name in PLAIN:
        return one_by_one(PLAIN[name])
    if name in GMIC:
        if not shutil.which("gmic"):
            raise LookupError("gmic is not on the PATH")
        return one_by_one(gmic(*GMIC[name], gmic_seconds))
    if name in COLORIZE_MASK:
        try:
            editors.folder()
        except pytest.skip.Exception as reason:
            raise LookupError(str(reason)) from reason
        return colorize_mask(COLORIZE_MASK[name])
    operation, *options = shlex.split(name)
    if operation not in {entry.id for entry in catalog.CATALOG}:
        raise LookupError("it is not in the catalogue")
    return own(operation, parameters(operation, options))


def parameters(operation: str, options: Sequence[str]) -> dict[str, Value]:
    """Parameters given as on the command line: --NAME VALUE ..."""
    kinds = {entry.name: entry.kind for entry in catalog.operation(operation).parameters}
    names = [name.removeprefix("--") for name in options[::2]]
    return {
        name: value if kinds.get(name) == "choice" else json.loads(value)
        for name, value in zip(names, options[1::2], strict=True)
    }


def one_by_one(colours: Callable[[Case], Bytes]) -> Method:
    """The method that takes one case after the other, until it has too often had no answer."""

    def method(cases: Sequence[Case]) -> Iterator[Answer | None]:
        late = 0
        for case in cases:
            start = time.perf_counter()
            try:
                found = colours(case) if late < PATIENCE else None
            except subprocess.TimeoutExpired:
                late, found = late + 1, None
            yield None if found is None else (found, time.perf_counter() - start)

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


def own(name: str, params: Mapping[str, Value]) -> Method:
    """An operation of ours on line art that it has not seen before."""

    def method(cases: Sequence[Case]) -> Iterator[Answer]:
        for case in cases:
            planes = planes_of(case)
            layers, seconds = run(name, params, planes, Cache(0))
            yield flattened(name, planes[0], layers), seconds

    return method


def planes_of(case: Case) -> list[Plane]:
    """Line art and strokes as an operation takes them."""
    return [
        files.read_plane(case.line_file, "line-art"),
        files.read_plane(case.strokes_file, "scribbles"),
    ]


def run(
    name: str, params: Mapping[str, Value], planes: Sequence[Plane], cache: Cache
) -> tuple[list[Plane], float]:
    """The layers that an operation of ours makes, and its seconds.

    The digests of its inputs are known when it starts, as in the engine.
    """
    digests = [plane.digest for plane in planes]
    start = time.perf_counter()
    layers, _ = run_operation(
        name,
        params,
        planes,
        (planes[0].width, planes[0].height),
        cache=cache,
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
        outputs=[catalog.operation(name).outputs[0].role],
        digests=digests,
    )
    return layers, time.perf_counter() - start


def flattened(name: str, line: Plane, layers: Sequence[Plane]) -> Bytes:
    """The layers of an operation on white paper, without lines, H x W x 4."""
    paper = replace(line, data=b"\xff" * line.byte_count)
    shown = composite.flatten(catalog.operation(name), paper, layers)
    return np.frombuffer(shown.data, np.uint8).reshape(line.height, line.width, 4)


def gmic(command: str, arguments: str, keep: str, seconds: float) -> Callable[[Case], Bytes]:
    """A command of G'MIC that takes strokes and line art; raises TimeoutExpired."""

    def colours(case: Case) -> Bytes:
        given = [case.strokes_file, case.line_file]
        output = case.folder / "gmic.png"
        subprocess.run(
            ["gmic", *given, command, arguments, keep, "cut", "0,255", "output", output],
            check=True,
            capture_output=True,
            timeout=seconds,
        )
        return read(output)

    return colours


def colorize_mask(settings: Mapping[str, float]) -> Method:
    """Krita's Colorize Mask, all cases in one Krita."""

    def method(cases: Sequence[Case]) -> Iterator[Answer]:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            tasks = [
                {**write_task(case, folder / str(number)), **settings}
                for number, case in enumerate(cases)
            ]
            (folder / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
            seconds = run_krita(folder, KRITA_SECONDS * (len(cases) + 1))
            for number, (task, spent) in enumerate(zip(tasks, seconds, strict=True)):
                codes = np.fromfile(folder / f"{number}.colours", np.uint8)
                yield codes.reshape(*task["size"][::-1], 4)[..., [2, 1, 0, 3]], spent

    return method


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


def solve(name: str, method: Method, cases: Sequence[Case]) -> list[float | None]:
    """Writes a method's colours where the protocol looks for them; its seconds for each case."""
    spent: list[float | None] = []
    for case, answer in zip(cases, method(cases), strict=True):
        if answer is not None:
            Image.fromarray(answer[0]).save(case.result_file(name))
        spent.append(None if answer is None else answer[1])
    return spent


def colours_of(strokes: Bytes) -> tuple[Bytes, Bytes]:
    """The colours of the strokes, N x 3, and the number of each pixel's from 1 on; 0 is none."""
    painted = strokes[..., 3] > 0
    colours, numbers = np.unique(strokes[painted, :3], axis=0, return_inverse=True)
    labels = np.zeros(painted.shape, np.uint8)
    labels[painted] = numbers.ravel() + 1
    return colours, labels


def finished(case: Case, colours: Bytes) -> Bytes:
    """The colours on white paper with the lines multiplied on top, H x W x 3."""
    alpha = colours[..., 3:] / 255 if colours.shape[2] == 4 else 1.0
    shown = (colours[..., :3] * alpha + 255 * (1 - alpha)) * case.line / 255
    return shown.round().astype(np.uint8)


def read(path: Path) -> Bytes:
    """A picture's pixels, with alpha where it has one."""
    return np.array(Image.open(path))
