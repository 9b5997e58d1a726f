"""How much more alike the palettes of sets become, and what the gates of recolor let through.

Run with `python -m benchmarks.recolor [--sheet FILE.png]`, with the pictures beside the repository.
Sets are pages of one book. The distance of two palettes is the mean, weighted by share, of each
colour's distance in a, b to the nearest colour of the other one. Tinted copies are a picture under
light of four colours, clipped as a camera would.
"""

import argparse
import itertools
import threading
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from engine.imaging.color import (
    RGB_TO_XYZ,
    lab_to_linear,
    linear_to_lab,
    srgb_to_lab,
    srgb_to_linear,
)
from engine.imaging.palette_groups import NOT_LINKED, MainColors, linked, subject_colors
from engine.imaging.palettes import SourcePalette, source_palette
from engine.imaging.raster import Raster
from engine.imaging.white_balance import adaptation, balanced, light_color
from engine.job import Cache, Input, Job
from engine.operations import recolor
from ipc import catalog

DATA = Path(__file__).parents[2] / "shared/data"
SIDE, PAGES = 512, 6
LIGHTS = {"warm": (12, 45), "blue": (-2, -35), "green": (-30, 15), "red": (30, 20)}
"""a, b of the lights that tint copies, at L = 80."""
PAIRS = {
    "grey, green": ((0, 0), (-45, 40)),
    "purple, blue": ((40, -40), (0, -40)),
    "grey, blue": ((0, 0), (0, -40)),
    "brown, green": ((15, 30), (-45, 40)),
}
"""Pairs that Xue 2024 names in fig. 3.10, as a, b."""
VARIANTS = {"default": {}, "free play": {"keep-names": False}, "harmonized": {"harmonize": True}}


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description="Measure recolor on sets of pictures.")
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--books", type=int, default=8)
    arguments.add_argument("--sheet", type=Path, help="write pages before and after as one picture")
    options = arguments.parse_args()
    print_pairs()
    print_subject()
    photos = sorted((options.data / "open_photos").glob("*.webp"))
    books = defaultdict(list)
    for file in sorted((options.data / "bookdash").glob("*_*.*")):
        books[file.stem.rsplit("_", 1)[0]].append(file)
    sets = [files[1 : 1 + PAGES] for files in books.values() if len(files) > PAGES]
    if not photos or not sets:
        print(f"no pictures in {options.data}: nothing more measured")
        return
    print_balance(photos)
    sets = [[picture(file) for file in files] for files in sets[: options.books]]
    print_sets(sets)
    if options.sheet:
        cv2.imwrite(str(options.sheet), sheet(sets))
        print(f"\nsheet: {options.sheet}")


def picture(file: Path, side: int = SIDE) -> np.ndarray:
    """RGB in [0, 1], H x W x 3, made smaller."""
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    scale = side / max(pixels.shape[:2])
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def lab_of(rgb: np.ndarray) -> np.ndarray:
    """CIELAB, 3 x N."""
    return srgb_to_lab(rgb.reshape(-1, 3).T.copy())


def print_pairs() -> None:
    """Whether pairs of other names are kept apart."""
    for pair, (one, other) in PAIRS.items():
        main_colors = MainColors(np.float32([one]), np.ones(1))
        (link,) = linked(main_colors, np.float32([other]), keep_names=True)
        print(f"{pair:16}{'stays' if link == NOT_LINKED else 'is linked'}")


def print_subject() -> None:
    """The rule of eq. 3.2 on a disc whose mask is moved and eaten at."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-64:64, -64:64]
    disc = np.hypot(x, y) < 32
    pixels = np.where(disc.ravel(), np.float32([[60], [35]]), np.float32([[0], [-40]]))
    ab = np.float32([(0, -40), (60, 35)])
    right = 0
    for _ in range(100):
        rough = np.roll(disc, rng.integers(-16, 17, 2), (0, 1)) ^ (rng.random(disc.shape) < 0.1)
        found = subject_colors(ab, pixels, np.ones(pixels.shape[1]), rough.ravel())
        right += found.tolist() == [False, True]
    print(f"\nsubject's colours right under rough masks: {right} of 100")


def print_balance(files: list[Path]) -> None:
    """Part of pictures, as they are and under tinted light, that each gate has balanced."""
    changes, left = defaultdict(list), defaultdict(list)
    for file in files:
        light = srgb_to_linear(picture(file, 256).reshape(-1, 3).T.copy())
        own = linear_to_lab(light)
        for name, ab in {"as it is": (0, 0), **LIGHTS}.items():
            lamp = lab_to_linear(np.float32([[80], [ab[0]], [ab[1]]]))[:, 0]
            tint = np.linalg.inv(adaptation(lamp / (RGB_TO_XYZ[1] @ lamp)))
            lab = linear_to_lab(np.clip(np.tensordot(tint, light, 1), 0, 1).astype(np.float32))
            weight = np.ones(lab.shape[1], np.float32)
            white = balanced(lab, adaptation(light_color(lab_to_linear(lab), weight)))
            changes[name].append(np.linalg.norm(white - lab, axis=0).mean())
            left[name].append(
                [np.linalg.norm((each - own)[1:], axis=0).mean() for each in (lab, white)]
            )
    print(f"\n{len(files)} photographs: part balanced by gate, ab off before and after balancing")
    for name, values in changes.items():
        gates = "".join(
            f"  >{gate}: {np.mean(np.array(values) > gate):4.0%}" for gate in (10, 15, 20)
        )
        before, after = np.median(left[name], axis=0)
        print(f"{name:10}{gates}   {before:5.1f} {after:5.1f}")


def recolored(pages: list[np.ndarray], params: dict, cache: Cache) -> list[np.ndarray]:
    """The pages in their new colours."""
    operation = catalog.operation("recolor")
    images = [Input(Raster(page), str(n), f"page {n}") for n, page in enumerate(pages)]
    checked = operation.check_params(params)
    job = Job(operation.id, (1, 1), checked, {"image": images}, cache, cancelled=threading.Event())
    layers = [layer for layer in recolor.run(job) if layer.role == "picture"]
    return [np.clip(layer.pixels[..., :3], 0, 1) for layer in layers]


def spread(pages: list[np.ndarray]) -> float:
    """Mean distance of the pages' palettes."""
    palettes = [source_palette(lab, np.ones(lab.shape[1])) for lab in map(lab_of, pages)]
    pairs = itertools.permutations(palettes, 2)
    return float(np.mean([distance(one, other) for one, other in pairs]))


def distance(one: SourcePalette, other: SourcePalette) -> float:
    """Of one palette's colours to the other's nearest, in a, b."""
    gaps = np.linalg.norm(one.lab[:, None, 1:] - other.lab[None, :, 1:], axis=2)
    return float(one.share @ gaps.min(axis=1))


def hue_shift(before: np.ndarray, after: np.ndarray) -> float:
    """Mean turn of hue in degrees, weighted by chroma."""
    old, new = (lab[1] + 1j * lab[2] for lab in (lab_of(before), lab_of(after)))
    turned = np.abs(np.degrees(np.angle(new * np.conj(old))))
    return float(np.average(turned, weights=np.abs(old) + 1e-6))


def print_sets(sets: list[list[np.ndarray]]) -> None:
    """Spread, hue shift and time per picture."""
    print(f"\n{len(sets)} books of {PAGES} pages; time per page of {SIDE} pixels, then once more")
    print(f"{'':14}{'spread':>8}{'hue shift':>11}{'seconds':>9}{'again':>8}")
    print(f"{'as they are':14}{np.mean([spread(pages) for pages in sets]):8.2f}")
    recolored(sets[0], {}, Cache(0))
    for name, params in VARIANTS.items():
        spreads, shifts, times = [], [], []
        for pages in sets:
            cache, marks = Cache(1 << 30), [time.perf_counter()]
            for _ in range(2):
                results = recolored(pages, params, cache)
                marks.append(time.perf_counter())
            times.append(np.diff(marks) / len(pages))
            spreads.append(spread(results))
            shifts += [hue_shift(*pair) for pair in zip(pages, results, strict=True)]
        once, again = np.mean(times, axis=0)
        print(f"{name:14}{np.mean(spreads):8.2f}{np.mean(shifts):10.1f}°{once:9.3f}{again:8.3f}")


def sheet(sets: list[list[np.ndarray]]) -> np.ndarray:
    """Rows of pages as they are and in their new colours, 8-bit BGR."""
    rows = []
    for pages in sets:
        for shown in (pages, recolored(pages, {}, Cache(0))):
            row = [cv2.resize(page, (240, 160), interpolation=cv2.INTER_AREA) for page in shown]
            rows.append(np.concatenate(row, axis=1))
    return np.rint(np.concatenate(rows)[..., ::-1] * 255).astype(np.uint8)


if __name__ == "__main__":
    main()
