"""Harmony before and after harmonize-palette, and its time beside a plain evaluation.

Run with `python -m benchmarks.harmony [--sheet FILE.png]`, with the photographs beside the
repository. Metrics are Xue 2024's (eq. 4.3 to 4.5, templates of Cohen-Or et al. 2006), over every
pixel. The plain evaluation is the same method written down with scikit-image and numpy, in double
precision, on all pixels at once.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from skimage.color import lab2rgb, rgb2lab

from engine.imaging.color import lab_to_srgb, srgb_to_lab
from engine.imaging.harmony import EPSILON, Recoloring, harmonious_targets
from engine.imaging.palettes import source_palette

T = TypeVar("T")

PHOTOS = Path(__file__).parents[2] / "shared/data/open_photos"
SHORT_SIDE = 512
TEMPLATES = {
    "i": [(0, 0.05)],
    "V": [(0, 0.26)],
    "L": [(0, 0.05), (0.25, 0.22)],
    "L mirrored": [(0, 0.05), (-0.25, 0.22)],
    "I": [(0, 0.05), (0.5, 0.05)],
    "T": [(0.25, 0.5)],
    "Y": [(0, 0.26), (0.5, 0.05)],
    "X": [(0, 0.26), (0.5, 0.26)],
}
"""Sectors of the hue circle as centre and width, both as parts of the circle."""
HUES = 180
"""OpenCV's 8-bit hues, 2 degrees each."""
COLOURFUL = 0.1
"""HSV saturation from which a pixel counts in the second PIT; below it hue is noise."""


@dataclass(frozen=True)
class Harmony:
    """How well a picture's colours fit the best template.

    f: arc length outside it (radians) times saturation, summed over the pixels. pit: percent of the
    pixels inside it, pit_colourful of the colourful ones. mits: mean saturation inside.
    """

    f: float
    pit: float
    pit_colourful: float
    mits: float


def main() -> None:
    """Measure and print two tables."""
    arguments = argparse.ArgumentParser(description="Measure harmonize-palette on photographs.")
    arguments.add_argument("--photos", type=Path, default=PHOTOS)
    arguments.add_argument("--sheet", type=Path, help="write input and results as one picture")
    options = arguments.parse_args()
    files = sorted(options.photos.glob("*.webp"))
    if not files:
        print(f"no photographs in {options.photos}: nothing measured")
        return
    print_harmony(files)
    print_times(files[::8])
    if options.sheet:
        write_sheet(files[::5], options.sheet)


def print_harmony(files: list[Path]) -> None:
    """The metrics' means over the files."""
    print(f"{len(files)} photographs, shorter side {SHORT_SIDE}; means")
    print(f"{'':22}{'F':>8}{'PIT %':>8}{'PIT % S>0.1':>13}{'MITS':>8}")
    variants: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "input": lambda picture: picture,
        "as in the paper": lambda picture: harmonized(picture, keep_neutrals=False)[0],
        "neutrals kept": lambda picture: harmonized(picture, keep_neutrals=True)[0],
    }
    for name, variant in variants.items():
        found = [harmony_of(variant(picture)) for picture in pictures(files)]
        f, pit, colourful, mits = (
            np.mean([getattr(harmony, field) for harmony in found])
            for field in ("f", "pit", "pit_colourful", "mits")
        )
        print(f"{name:22}{f:8.0f}{pit:8.1f}{colourful:13.1f}{mits:8.3f}")


def harmony_of(picture: np.ndarray) -> Harmony:
    """The metrics of 8-bit RGB pixels under the template and angle of the smallest F."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    hue, saturation = hsv[..., 0].ravel(), hsv[..., 1].ravel() / 255
    weight = np.bincount(hue, saturation, minlength=HUES)
    counts = np.bincount(hue, minlength=HUES)
    colourful = np.bincount(hue[saturation > COLOURFUL], minlength=HUES)
    distances = template_distances()
    f = distances @ weight
    inside = distances[f.argmin()] == 0
    return Harmony(
        f.min(),
        100 * counts[inside].sum() / counts.sum(),
        100 * colourful[inside].sum() / max(colourful.sum(), 1),
        weight[inside].sum() / counts[inside].sum(),
    )


def template_distances() -> np.ndarray:
    """Arc from each hue to each template at each of 360 angles, radians (templates x 180)."""
    hues = np.arange(HUES) * (360 / HUES)
    rows = []
    for sectors in TEMPLATES.values():
        for angle in range(360):
            arcs = [
                np.abs((hues - angle - 360 * centre + 180) % 360 - 180) - 180 * width
                for centre, width in sectors
            ]
            rows.append(np.radians(np.maximum(np.min(arcs, axis=0), 0)))
    return np.array(rows)


def pictures(files: list[Path]) -> Iterator[np.ndarray]:
    """8-bit RGB pixels, made smaller."""
    for file in files:
        picture = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
        scale = SHORT_SIDE / min(picture.shape[:2])
        yield cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def harmonized(picture: np.ndarray, keep_neutrals: bool) -> tuple[np.ndarray, Recoloring]:
    """The picture in its new colours, 8-bit RGB, and what was changed."""
    rgb = picture.reshape(-1, 3).astype(np.float32) / 255
    main_colours = source_palette(srgb_to_lab(rgb.T.copy()), np.ones(len(rgb)))
    source = main_colours.lab[:, 1:].astype(np.float32)
    recoloring = Recoloring(source, harmonious_targets(source, keep_neutrals=keep_neutrals))
    result = rgb.reshape(picture.shape).copy()
    (recoloring.with_neutral() if keep_neutrals else recoloring).table().apply(result)
    return np.rint(result * 255).astype(np.uint8), recoloring


def print_times(files: list[Path]) -> None:
    """Time per stage and beside the plain evaluation, and how far the two results differ."""
    ours: dict[str, list[float]] = {}
    plain, apart = [], []
    for picture in pictures(files):
        rgb = picture.reshape(-1, 3).astype(np.float32) / 255
        lab = timed(ours, "to CIELAB", lambda rgb=rgb: srgb_to_lab(rgb.T.copy()))
        weight = np.ones(len(rgb))
        found = timed(ours, "palette", lambda lab=lab, weight=weight: source_palette(lab, weight))
        source = found.lab[:, 1:].astype(np.float32)
        target = timed(ours, "matching", lambda source=source: harmonious_targets(source))
        recoloring = Recoloring(source, target)
        table = timed(ours, "table", recoloring.table)
        result = rgb.reshape(picture.shape).copy()
        timed(ours, "recolouring", lambda t=table, p=picture: t.apply(p.astype(np.float32) / 255))
        table.apply(result)
        stages: dict[str, list[float]] = {}
        expected, in_gamut = timed(
            stages, "plain", lambda rgb=rgb, r=recoloring: plain_recoloring(rgb, r)
        )
        plain += stages["plain"]
        apart.append(np.abs(result.reshape(-1, 3) - expected)[in_gamut].max())
    print(f"\n{len(files)} photographs, one run; plain recolouring = 1")
    for stage, seconds in ours.items():
        print(f"{stage:22}{np.sum(seconds) / np.sum(plain):8.3f}")
    print(
        f"largest difference to the plain result, in gamut: {max(apart) * 255:.3f} of an 8-bit code"
    )


def timed(stages: dict[str, list[float]], stage: str, work: Callable[[], T]) -> T:
    """What `work` returns; the shortest of three times goes to the stage."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    stages.setdefault(stage, []).append(min(times))
    return result


def plain_recoloring(rgb: np.ndarray, recoloring: Recoloring) -> tuple[np.ndarray, np.ndarray]:
    """Colours (N x 3) recoloured, clipped to [0, 1], and which needed no clipping."""
    lab = rgb2lab(rgb.astype(np.float64))
    gaps = ((lab[:, None, 1:] - recoloring.source[None]) ** 2).sum(axis=2)
    weight = 1 / (gaps + EPSILON)
    weight /= weight.sum(axis=1, keepdims=True)
    lab[:, 1:] += weight @ (recoloring.target - recoloring.source)
    result = lab2rgb(lab)
    return result, np.abs(rgb2lab(result) - lab).max(axis=1) < 0.01


def write_sheet(files: list[Path], sheet: Path) -> None:
    """Rows of input, the paper's result, the default result and the default's palettes."""
    rows = []
    for picture in pictures(files):
        results = [harmonized(picture, keep_neutrals) for keep_neutrals in (False, True)]
        columns = [picture, *(result for result, _ in results), palettes_of(results[1][1])]
        columns = [
            cv2.resize(column, (360, 240), interpolation=cv2.INTER_AREA) for column in columns
        ]
        rows.append(np.concatenate(columns, axis=1))
    cv2.imwrite(str(sheet), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))
    print(f"\nsheet: {sheet}")


def palettes_of(recoloring: Recoloring) -> np.ndarray:
    """Main colours above, targets below, at the lightness that names are given at."""
    both = np.stack([recoloring.source, recoloring.target])
    lab = np.concatenate([np.full((*both.shape[:2], 1), 70), both], axis=2).astype(np.float32)
    rgb = np.moveaxis(lab_to_srgb(np.moveaxis(lab, -1, 0).copy()), 0, -1)
    swatches = np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
    return cv2.resize(swatches, (350, 240), interpolation=cv2.INTER_NEAREST)


if __name__ == "__main__":
    main()
