"""Transfer colours beside other global methods, on photographs with other photographs' colours.

Run with `python -m benchmarks.transfer [--pairs N] [--sheet FILE.png]`, with the licensed pictures
beside the repository. Metrics are Lv & Zhang's (section 6.3); as doing nothing is best by all of
them, how far the colours still are from the reference's stands beside. Reinhard's method, linear
histogram matching and principal component colour matching come from colortrans where it is
installed (`pip install colortrans`), G'MIC takes part where it is on the PATH.
"""

import argparse
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.stats import wasserstein_distance
from skimage.exposure import match_histograms

from engine.imaging.color import fit_chroma, linear_to_srgb, srgb_to_lab
from engine.imaging.palette_transfer import mapping, peak_palette
from engine.job import Cache
from engine.run import run_operation
from ipc.planes import Plane

DATA = Path(__file__).parents[2] / "shared/data"
LONG_SIDE = 512
RGB_BINS, L_BINS = 10, 20
LARGEST_CHROMA = 128
"""Of a and b, in the fading rates, whose scale the paper leaves open."""
COLORS, LIGHTNESS = 32, 0.3
GOALS = ((300, 0.03), (4096, 1.5))
"""Pixels of a side, and seconds that a first run may take there."""
REPEATS = 5
GMIC = {
    "G'MIC histogram": "transfer_histogram[0] [1]",
    "G'MIC PCA": "transfer_pca[0] [1]",
    "G'MIC RGB": "transfer_rgb[0] [1]",
}
COLORTRANS = {"Reinhard": "transfer_reinhard", "linear": "transfer_lhm", "PCCM": "transfer_pccm"}

Bytes = np.ndarray
Method = Callable[[Bytes, Bytes], Bytes]


@dataclass(frozen=True)
class Figures:
    """What the paper measures, and the distance to the reference.

    consistency_l: variance, L in [0, 1]; consistency_rgb: variance, 8 bits; fading_a, fading_b:
    mean loss of |a| and |b|, over LARGEST_CHROMA; distance: Wasserstein, mean of a and b, CIELAB.
    """

    consistency_l: float
    consistency_rgb: float
    fading_a: float
    fading_b: float
    distance: float


def main() -> None:
    """Measure and print a table."""
    arguments = argparse.ArgumentParser(description="Measure transfer on pairs of photographs.")
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--pairs", type=int, default=40)
    arguments.add_argument("--sheet", type=Path, help="write twelve pairs as one picture")
    options = arguments.parse_args()
    files = photographs(options.data)
    if not files:
        print(f"no photographs in {options.data}: nothing measured")
        return
    pairs = list(pairs_of(files, options.pairs))
    results = {name: timed(method, pairs) for name, method in methods()}
    print_table(pairs, results)
    print_times(*pairs[0])
    if options.sheet:
        write_sheet(pairs, {name: found for name, (found, _) in results.items()}, options.sheet)


def photographs(data: Path) -> list[Path]:
    """Their files, sorted by name within each set."""
    return sorted(data.glob("open_photos/*.webp")) + sorted(data.glob("coco_cc_photos/images/*"))


def pairs_of(files: list[Path], count: int) -> Iterator[tuple[Bytes, Bytes]]:
    """Sources and references, 8-bit RGB, drawn with a fixed seed."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        source, reference = rng.choice(len(files), 2, replace=False)
        yield picture(files[source]), picture(files[reference])


def picture(file: Path) -> Bytes:
    """8-bit RGB pixels, made smaller."""
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    scale = min(1, LONG_SIDE / max(pixels.shape[:2]))
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def methods() -> Iterator[tuple[str, Method]]:
    """Those that can run here; says why the others cannot."""
    yield "unchanged", lambda source, _: source
    yield "transfer", lambda source, reference: ours(source, reference, "auto")
    yield "transfer, subjects none", lambda source, reference: ours(source, reference, "none")
    yield "as in the paper", as_in_the_paper
    yield (
        "match_histograms",
        lambda source, reference: match_histograms(source, reference, channel_axis=2).astype(
            np.uint8
        ),
    )
    try:
        import colortrans
    except ImportError:
        print("Reinhard, linear and PCCM skipped: colortrans is not installed")
    else:
        for name, function in COLORTRANS.items():
            yield name, getattr(colortrans, function)
    if shutil.which("gmic"):
        yield from ((name, gmic(command)) for name, command in GMIC.items())
    else:
        print("G'MIC skipped: gmic is not on the PATH")


def ours(source: Bytes, reference: Bytes, subjects: str) -> Bytes:
    """What the operation makes of 8-bit pixels."""
    return operated(source, reference, {"subjects": subjects}, Cache(0))


def operated(source: Bytes, reference: Bytes, params: dict[str, Any], cache: Cache) -> Bytes:
    """The whole operation, of 8-bit planes."""
    height, width = source.shape[:2]
    planes = [
        Plane(role, role, pixels.shape[1], pixels.shape[0], 3, "u8", pixels.tobytes())
        for role, pixels in (("image", source), ("reference", reference))
    ]
    results, _ = run_operation(
        "transfer",
        params,
        planes,
        (width, height),
        cache=cache,
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
        outputs=["picture"],
    )
    return np.frombuffer(results[0].data, np.uint8).reshape(height, width, -1)[..., :3]


def as_in_the_paper(source: Bytes, reference: Bytes) -> Bytes:
    """Every pixel moves with the one palette colour that is nearest (eq. 11 and 12)."""
    lab, wanted = lab_of(source), lab_of(reference)
    palette = peak_palette(lab, np.ones(lab.shape[1]), COLORS)
    target = mapping(palette, peak_palette(wanted, np.ones(wanted.shape[1]), COLORS)).target
    colors = palette.lab.T.astype(np.float32)
    nearest = ((colors**2).sum(axis=0) - 2 * lab.T @ colors).argmin(axis=1)
    moved = lab + (target - palette.lab)[nearest].T * [[LIGHTNESS], [1], [1]]
    moved[0] = np.clip(moved[0], 0, 100)
    low = np.zeros(lab.shape[1], np.float32)
    rgb = linear_to_srgb(fit_chroma(moved.astype(np.float32), low, low + 1))
    return np.rint(rgb.T * 255).astype(np.uint8).reshape(source.shape)


def gmic(command: str) -> Method:
    """A command of G'MIC, which starts anew and reads files each time."""

    def method(source: Bytes, reference: Bytes) -> Bytes:
        with tempfile.TemporaryDirectory() as temporary:
            names = [str(Path(temporary) / name) for name in ("source.png", "reference.png")]
            for name, pixels in zip(names, (source, reference), strict=True):
                cv2.imwrite(name, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
            steps = [*command.split(), "keep[0]", "cut", "0,255", "output", names[0]]
            subprocess.run(["gmic", *names, *steps], check=True, capture_output=True, timeout=60)
            return cv2.imread(names[0], cv2.IMREAD_COLOR_RGB)

    return method


def timed(method: Method, pairs: list[tuple[Bytes, Bytes]]) -> tuple[list[Bytes], float]:
    """The results, and the median of the seconds that they took; the first pair warms up."""
    method(*pairs[0])
    results, seconds = [], []
    for pair in pairs:
        start = time.perf_counter()
        results.append(method(*pair))
        seconds.append(time.perf_counter() - start)
    return results, float(np.median(seconds))


def print_times(source: Bytes, reference: Bytes) -> None:
    """Seconds of the whole operation without subjects: anew, and with another setting."""
    print(f"\nshortest of {REPEATS} runs, both pictures of one size")
    print(f"{'':14}{'anew':>8}{'again':>8}  (goals: {', '.join(f'{s}: {g} s' for s, g in GOALS)})")
    for side, _ in GOALS:
        pair = [
            cv2.resize(p, (side, side), interpolation=cv2.INTER_CUBIC) for p in (source, reference)
        ]
        every = []
        for _ in range(REPEATS):
            cache, times = Cache(1 << 30), []
            for strength in (100, 60):
                start = time.perf_counter()
                operated(*pair, {"subjects": "none", "strength": strength}, cache)
                times.append(time.perf_counter() - start)
            every.append(times)
        anew, again = np.min(every, axis=0)
        print(f"{side:6} x {side:<6}{anew:7.3f}{again:8.3f}")


def figures(source: Bytes, reference: Bytes, result: Bytes) -> Figures:
    """How well a result keeps what belongs together, keeps colour, and nears the reference."""
    before, after, wanted = lab_of(source), lab_of(result), lab_of(reference)
    channels = [
        consistency(source[..., c] / 255, result[..., c].astype(float), RGB_BINS) for c in range(3)
    ]
    fading = np.maximum(np.abs(before) - np.abs(after), 0).mean(axis=1) / LARGEST_CHROMA
    apart = [wasserstein_distance(after[c], wanted[c]) for c in (1, 2)]
    return Figures(
        consistency(before[0] / 100, after[0] / 100, L_BINS),
        float(np.mean(channels)),
        float(fading[1]),
        float(fading[2]),
        float(np.mean(apart)),
    )


def consistency(before: np.ndarray, after: np.ndarray, bins: int) -> float:
    """The variance of results within each bin of source values in [0, 1], mean of the bins."""
    labels = np.clip((before.ravel() * bins).astype(int), 0, bins - 1)
    values = after.ravel()
    return float(np.mean([values[labels == label].var() for label in np.unique(labels)]))


def lab_of(rgb: Bytes) -> np.ndarray:
    """CIELAB, 3 x N, of 8-bit pixels."""
    return srgb_to_lab(rgb.reshape(-1, 3).T.astype(np.float32) / 255)


def print_table(
    pairs: list[tuple[Bytes, Bytes]], results: dict[str, tuple[list[Bytes], float]]
) -> None:
    """The means over the pairs, and seconds beside those of `transfer` without subjects."""
    print(f"{len(pairs)} pairs of photographs, longer side {LONG_SIDE}; means")
    heads = ("cons. L", "cons. RGB", "F-a", "F-b", "distance", "time")
    print(f"{'':26}" + "".join(f"{head:>11}" for head in heads))
    unit = results["transfer, subjects none"][1]
    for name, (found, seconds) in results.items():
        rows = [figures(*pair, result) for pair, result in zip(pairs, found, strict=True)]
        mean = {field: np.mean([getattr(row, field) for row in rows]) for field in vars(rows[0])}
        values = "{consistency_l:11.2e}{consistency_rgb:11.0f}{fading_a:11.2e}{fading_b:11.2e}"
        print(
            f"{name:26}" + (values + "{distance:11.2f}").format(**mean) + f"{seconds / unit:11.2f}"
        )


def write_sheet(
    pairs: list[tuple[Bytes, Bytes]], results: dict[str, list[Bytes]], sheet: Path
) -> None:
    """Twelve rows of source, reference and what each method made of them."""
    shown = [name for name in results if name != "unchanged"]
    chosen = np.linspace(0, len(pairs) - 1, 12).round().astype(int)
    rows = [[*pairs[i], *(results[name][i] for name in shown)] for i in chosen]
    strips = [np.concatenate([fitted(cell) for cell in row], axis=1) for row in rows]
    print(f"\n{sheet}: source, reference, {', '.join(shown)}")
    cv2.imwrite(str(sheet), cv2.cvtColor(np.concatenate(strips), cv2.COLOR_RGB2BGR))


def fitted(pixels: Bytes, width: int = 270, height: int = 180) -> Bytes:
    """The picture on grey of that size."""
    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cell = np.full((height, width, 3), 128, np.uint8)
    cell[: small.shape[0], : small.shape[1]] = small
    return cell


if __name__ == "__main__":
    main()
