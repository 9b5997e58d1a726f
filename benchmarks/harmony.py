"""Harmony before and after harmonize-palette and plain methods, and its time.

Run with `python -m benchmarks.harmony [--every N] [--sheet FILE.png]`, with the photographs beside
the repository. F, PIT and MITS are Xue 2024's (eq. 4.3 to 4.5) under the best template of Cohen-Or
et al. 2006: over every pixel, and as the paper's own program has them ("as released"). Ours is the
whole operation on 8-bit planes. Time is measured beside a plain evaluation of the paper's method:
scikit-image and numpy, double precision, all pixels at once.
"""

import argparse
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage.color import deltaE_ciede2000, lab2rgb, rgb2lab

from benchmarks.photographs import Bytes, Photographs, photographs
from engine.imaging.color import srgb_to_lab
from engine.imaging.harmony import EPSILON, Recoloring, named_targets
from engine.imaging.hue_templates import arcs, arcs_of, best_template
from engine.imaging.naming import name_probabilities
from engine.imaging.palettes import source_palette
from engine.job import Cache
from engine.run import run_operation
from ipc.planes import Plane
from training import sheets

T = TypeVar("T")
Floats = npt.NDArray[np.floating]
Method = Callable[[Bytes], Bytes]

XUE = {"turn": 180, "unity": 0, "keep-neutrals": False, "keep-skin": False}
OURS: dict[str, dict[str, Any]] = {
    "Xue 2024": XUE,
    "ours": {},
    "ours, unity 0": {"unity": 0},
    "ours, keep-skin off": {"keep-skin": False},
    "ours, keep-neutrals off": {"keep-neutrals": False},
    "ours, turn 180": {"turn": 180},
    "ours, template": {"method": "template"},
}
"""Parameters of harmonize-palette; what is not given is as in the catalogue."""
HUES = 180
"""OpenCV's 8-bit hues, 2 degrees each."""
BINS = 32
COLOURFUL = 0.1
"""HSV saturation from which a pixel counts in the second PIT; below it hue is noise."""
GREY = 3.0
"""Chroma below which a pixel is grey."""
WINDOW = ("palette", "matching", "recolouring")
"""The stages that Xue 2024, table 4.7 counts."""
SHOWN = 10
REPEATS = 3


@dataclass(frozen=True)
class Harmony:
    """How well a picture's colours fit the best template.

    f: arc length outside it (radians) times saturation, summed over the pixels. pit: percent of the
    pixels inside it. mits: mean saturation inside. inside: which hues lie inside.
    """

    f: float
    pit: float
    mits: float
    inside: npt.NDArray[np.bool_]

    @staticmethod
    def of(distances: Floats, counts: Floats, saturation: Floats) -> "Harmony":
        """Under the template of the smallest F.

        distances: templates x hues. counts, saturation: pixels of each hue, and their sum of S.
        """
        f = distances @ saturation
        inside = distances[f.argmin()] == 0
        inner = counts[inside].sum()
        mits = saturation[inside].sum() / max(inner, 1)
        return Harmony(f.min(), 100 * inner / counts.sum(), mits, inside)


@dataclass(frozen=True)
class Measured:
    """A result beside its source.

    exact, released: harmony. colourful: PIT of colourful pixels. turn: mean turn of hue in CIELAB,
    degrees, weighted by the source's chroma. greys: how far each grey pixel moved, CIEDE2000.
    renamed: percent of the pixels whose most probable name changed. saturation: mean of HSV's.
    """

    exact: Harmony
    released: Harmony
    colourful: float
    turn: float
    greys: Floats
    renamed: float
    saturation: float


def main() -> None:
    """Measure and print the tables."""
    arguments = argparse.ArgumentParser(description="Measure harmonize-palette on photographs.")
    arguments.add_argument("--every", type=int, default=1, help="take each so many-th photograph")
    arguments.add_argument("--sheet", type=Path, help="write input and results as one picture")
    options = arguments.parse_args()
    photos = photographs().every(options.every)
    print(photos.about)
    if not photos.files:
        return
    print_harmony(photos)
    print_times(photos.every(8))
    if options.sheet:
        Image.fromarray(sheet(photos.every(-(-len(photos.files) // SHOWN)))).save(options.sheet)


def methods() -> dict[str, Method]:
    """Every method by its name."""

    def ours(params: Mapping[str, Any]) -> Method:
        return lambda picture: operated(picture, params)[0]

    return {
        "input": lambda picture: picture,
        "saturation 1.3": saturated,
        "C-Harmony": template_harmonized,
        **{name: ours(params) for name, params in OURS.items()},
    }


def saturated(picture: Bytes) -> Bytes:
    """HSV saturation × 1.3."""
    hsv = hsv_of(picture)
    hsv[..., 1] = np.minimum(1.3 * hsv[..., 1], 1)
    return rgb_of(hsv)


def template_harmonized(picture: Bytes) -> Bytes:
    """Every pixel's hue drawn into the best template (Cohen-Or et al. 2006)."""
    hsv = hsv_of(picture)
    hsv[..., 0] = best_template(hsv[..., 0].ravel(), hsv[..., 1].ravel()).moved(hsv[..., 0])
    return rgb_of(hsv)


def hsv_of(picture: Bytes) -> Floats:
    """HSV: degrees, [0, 1], [0, 1]."""
    return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)


def rgb_of(hsv: Floats) -> Bytes:
    """8-bit RGB of HSV."""
    return np.rint(255 * cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)).astype(np.uint8)


def operated(picture: Bytes, params: Mapping[str, Any]) -> tuple[Bytes, Plane, dict[str, Any]]:
    """What harmonize-palette makes of 8-bit pixels, its palette, and its report."""
    height, width = picture.shape[:2]
    planes, report = run_operation(
        "harmonize-palette",
        params,
        [Plane("image", "photograph", width, height, 3, "u8", picture.tobytes())],
        (width, height),
        cache=Cache(0),
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
        outputs=["picture", "swatches"],
    )
    result = np.frombuffer(planes[0].data, np.uint8).reshape(height, width, -1)
    return result[..., :3], planes[1], report


def harmony_of(picture: Bytes) -> tuple[Harmony, float]:
    """Over every pixel of 8-bit RGB; and the PIT of the colourful ones."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    hue, saturation = hsv[..., 0].ravel(), hsv[..., 1].ravel() / 255
    counts = np.bincount(hue, minlength=HUES)
    found = Harmony.of(arcs(HUES), counts, np.bincount(hue, saturation, minlength=HUES))
    colourful = np.bincount(hue[saturation > COLOURFUL], minlength=HUES)
    return found, 100 * colourful[found.inside].sum() / max(colourful.sum(), 1)


def released_harmony_of(picture: Bytes) -> Harmony:
    """As the paper's program has it.

    Colours count as the lower edges of a histogram over the picture's own range of HSV, and MITS is
    divided by all pixels. A histogram over V as well, as it has, gives the same.
    """
    hue, saturation, _ = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV).reshape(-1, 3).T
    histogram, hues, saturations = np.histogram2d(hue, saturation, BINS)
    counts, weight = histogram.sum(axis=1), histogram @ (saturations[:-1] / 255)
    found = Harmony.of(arcs_of(hues[:-1] * (360 / HUES)), counts, weight)
    return Harmony(found.f, found.pit, found.mits * found.pit / 100, found.inside)


def measured(source: Bytes, result: Bytes) -> Measured:
    """All that is said about a result."""
    exact, colourful = harmony_of(result)
    before, after = (lab_of(picture) for picture in (source, result))
    chroma = np.hypot(before[1], before[2])
    turn = np.arctan2(after[2], after[1]) - np.arctan2(before[2], before[1])
    turn = np.abs(np.degrees(np.arctan2(np.sin(turn), np.cos(turn))))
    grey = chroma < GREY
    names = [name_probabilities(np.float32(p / 255)).argmax(axis=-1) for p in (source, result)]
    return Measured(
        exact,
        released_harmony_of(result),
        colourful,
        float((turn * chroma).sum() / max(chroma.sum(), 1e-6)),
        deltaE_ciede2000(before[:, grey].T, after[:, grey].T),
        100 * float((names[0] != names[1]).mean()),
        float(hsv_of(result)[..., 1].mean()),
    )


def lab_of(picture: Bytes) -> Floats:
    """CIELAB, 3 x N, of 8-bit RGB."""
    return srgb_to_lab(np.float32(picture.reshape(-1, 3).T / 255))


def print_harmony(photos: Photographs) -> None:
    """Means over the photographs, of F the median too; greys over all of their pixels."""
    heads = ("every pixel", "as released", "hue", "greys ΔE00", "names")
    widths = (34, 33, 9, 14, 9)
    print("\n" + " " * 24 + "".join(f"{h:>{w}}" for h, w in zip(heads, widths, strict=True)))
    print(
        f"{'':24}{'F':>8}{'PIT %':>8}{'S>0.1':>8}{'MITS':>10}{'F':>8}{'median':>8}{'PIT %':>8}"
        f"{'MITS':>9}{'turn °':>9}{'mean':>7}{'99 %':>7}{'new %':>9}{'mean S':>9}"
    )
    for name, method in methods().items():
        found = [measured(picture, method(picture)) for picture in photos.pictures()]
        exact = [np.mean([getattr(m.exact, k) for m in found]) for k in ("f", "pit", "mits")]
        released = [np.mean([getattr(m.released, k) for m in found]) for k in ("f", "pit", "mits")]
        median = np.median([m.released.f for m in found])
        colourful, turn, renamed, saturation = (
            np.mean([getattr(m, k) for m in found])
            for k in ("colourful", "turn", "renamed", "saturation")
        )
        greys = np.concatenate([m.greys for m in found])
        print(
            f"{name:24}{exact[0]:8.0f}{exact[1]:8.2f}{colourful:8.2f}{exact[2]:10.3f}"
            f"{released[0]:8.0f}{median:8.0f}{released[1]:8.2f}{released[2]:9.3f}{turn:9.2f}"
            f"{greys.mean():7.2f}{np.percentile(greys, 99):7.2f}{renamed:9.1f}{saturation:9.3f}",
            flush=True,
        )


def print_times(photos: Photographs) -> None:
    """Stages beside the plain evaluation of the same, and how far the two results differ."""
    plain: dict[str, float] = {}
    ours: dict[str, float] = {}
    apart = []
    for picture in photos.pictures():
        runs = [operated(picture, XUE) for _ in range(REPEATS)]
        result, palette, report = min(runs, key=lambda run: run[2]["seconds"]["all"])
        for stage, seconds in report["seconds"].items():
            ours[stage] = ours.get(stage, 0) + seconds
        expected, in_gamut = timed_plain(plain, picture, recoloring_of(palette))
        apart.append(deltaE_ciede2000(lab_of(result).T, lab_of(expected).T)[in_gamut].mean())
    window = sum(plain[stage] for stage in WINDOW)
    print(f"\n{photos.about}; milliseconds for one, shortest of {REPEATS} runs")
    print(f"{'':46}{'ms':>8}{'of plain':>10}")
    rows = {f"plain: {stage}": seconds for stage, seconds in plain.items()}
    rows |= {f"ours: {stage}": seconds for stage, seconds in ours.items()}
    rows["plain: palette, matching, recolouring"] = window
    rows["ours: palette (and decoding), recolour"] = ours["palette"] + ours["recolour"]
    for title, seconds in rows.items():
        print(f"{title:46}{1e3 * seconds / len(photos.files):8.1f}{seconds / window:10.3f}")
    print(f"8 bit to 8 bit: ours takes {ours['all'] / sum(plain.values()):.3f} of plain")
    print(f"mean ΔE00 between the two 8-bit results, in gamut: {np.mean(apart):.3f}")


def recoloring_of(palette: Plane) -> Recoloring:
    """What the operation did to main colours, from its palette."""
    pixels = np.frombuffer(palette.data, np.float32).reshape(2, -1, 4)[..., :3]
    source, target = (srgb_to_lab(row.T.copy())[1:].T for row in pixels)
    return Recoloring(source, target)


def timed_plain(
    stages: dict[str, float], picture: Bytes, recoloring: Recoloring
) -> tuple[Bytes, npt.NDArray[np.bool_]]:
    """The plain evaluation timed; its 8-bit result, and where it needed no clipping.

    Its palette and matching are our own functions, which are no slower than others', and are only
    timed: what is moved, and where to, is given, so that the results can be compared.
    """
    rgb = picture.reshape(-1, 3) / 255
    lab = timed(stages, "to CIELAB", lambda: rgb2lab(rgb))
    found = timed(stages, "palette", lambda: source_palette(lab.T, np.ones(len(lab))))
    timed(stages, "matching", lambda: named_targets(np.float32(found.lab[:, 1:])))
    shifted, result = timed(stages, "recolouring", lambda: plain_recoloring(lab, recoloring))
    codes = timed(stages, "to 8 bit", lambda: np.rint(255 * result).astype(np.uint8))
    return codes.reshape(picture.shape), np.abs(rgb2lab(result) - shifted).max(axis=1) < 0.01


def timed(stages: dict[str, float], stage: str, work: Callable[[], T]) -> T:
    """What `work` returns; the shortest of its times is added to the stage."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    stages[stage] = stages.get(stage, 0) + min(times)
    return result


def plain_recoloring(lab: Floats, recoloring: Recoloring) -> tuple[Floats, Floats]:
    """CIELAB (N x 3) with a, b moved (Xue 2024, eq. 4.1 and 4.2); and sRGB-encoded, clipped."""
    gaps = ((lab[:, None, 1:] - recoloring.source[None]) ** 2).sum(axis=2)
    weight = 1 / (gaps + EPSILON)
    weight /= weight.sum(axis=1, keepdims=True)
    shifted = lab.copy()
    shifted[:, 1:] += weight @ (recoloring.target - recoloring.source)
    return shifted, lab2rgb(shifted)


def sheet(photos: Photographs) -> Bytes:
    """Input and results, Xue's and ours with their palettes below: before and after."""
    shown = ("input", "C-Harmony", "saturation 1.3")
    every = methods()
    rows = []
    for picture in photos.pictures():
        row = [every[name](picture) for name in shown]
        for name in ("Xue 2024", "ours"):
            result, palette, _ = operated(picture, OURS[name])
            row.append(np.concatenate([result, swatches(palette, picture.shape[1])]))
        rows.append(row)
    return sheets.grid(rows, [*shown, "Xue 2024", "ours"], side=360)


def swatches(palette: Plane, width: int) -> Bytes:
    """Main colours above, targets below."""
    shown = palette.attributes["metadata"]
    codes = [
        [tuple(bytes.fromhex(code[1:])) for code in shown[row]] for row in ("source", "target")
    ]
    return cv2.resize(np.uint8(codes), (width, 96), interpolation=cv2.INTER_NEAREST)


if __name__ == "__main__":
    main()
