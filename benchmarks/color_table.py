"""A change of colour as a table: how far it is from the exact function, and how fast it is.

Run with `python -m benchmarks.color_table [--every N] [--side N] [--sheet FILE.png]`, with the
photographs beside the repository. The function is harmonize-palette's: main colours of photographs
move to random palettes, or to purer colours of their names. Exact is that function evaluated for
every pixel with numpy. Times are the shortest of some runs, wall beside processor.
"""

import argparse
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import map_coordinates
from skimage.color import deltaE_ciede2000

from benchmarks.harmony import lab_of
from benchmarks.photographs import Bytes, Photographs, photographs, read
from engine import machine
from engine.imaging.color import fit_chroma, linear_to_lab, linear_to_srgb, srgb_to_linear
from engine.imaging.color_table import FINE, ColorTable
from engine.imaging.harmony import Protection, Recoloring, named_targets, palette_targets, turned
from engine.imaging.palettes import source_palette
from engine.imaging.raster import PixelFormat, Raster, decode, encode
from engine.job import Cache
from engine.run import run_operation
from ipc import catalog
from ipc.planes import Plane
from training import sheets

T = TypeVar("T")
Floats = npt.NDArray[np.float32]
Change = Callable[[Floats], Floats]
"""New colours of colours, both N x 3, sRGB-encoded."""

STEPS = (33, 65, 129, 257, 385, 513)
CUBES = (33, 65)
PALETTE_COLORS = 5
STRIDE = 7
"""Errors are taken at each so many-th pixel."""
REPEATS = 3
STRIP = 1 << 18
SHOWN = 6
GOALS = {"mean": 0.05, "99.9 %": 0.5}
SECONDS = {"u8": 0.4, "u16": 1.5}


def main() -> None:
    """Measure and print the tables."""
    arguments = argparse.ArgumentParser(description="Measure tables of colour changes.")
    arguments.add_argument("--every", type=int, default=1, help="take each so many-th photograph")
    arguments.add_argument("--side", type=int, default=4096, help="of the pictures for times")
    arguments.add_argument("--sheet", type=Path, help="write pictures and errors as one picture")
    options = arguments.parse_args()
    photos = photographs().every(options.every)
    print(photos.about)
    if not photos.files:
        return
    print_errors(photos)
    print_times(photos.files[0], options.side)
    if options.sheet:
        Image.fromarray(sheet(photos.every(-(-len(photos.files) // SHOWN)))).save(options.sheet)


def random_palette(random: np.random.Generator) -> Bytes:
    """Colours, N x 3, 8-bit."""
    return random.integers(0, 256, (PALETTE_COLORS, 3), np.uint8)


def recolorings(lab: Floats, palette: Bytes) -> dict[str, Recoloring]:
    """What harmonize-palette does with the main colours of pixels (3 x N), by what it is given."""
    source = source_palette(lab, np.ones(lab.shape[1])).lab[:, 1:].astype(np.float32)
    return {
        "random palettes": Recoloring(source, palette_targets(source, np.float32(palette / 255))),
        "names, nothing kept": Recoloring(source, named_targets(source)),
        "names, as by default": as_by_default(lab, source),
    }


def as_by_default(lab: Floats, source: Floats) -> Recoloring:
    """Main colours (k x 2) of pixels moved with the default parameters."""
    most = float(catalog.operation("harmonize-palette").check_params({})["turn"])
    kept = Protection()
    target = turned(source, named_targets(source, kept), most)
    target = source + kept.freedom(source.T)[:, None] * (target - source)
    return Recoloring(source, target, kept).drawn_in(lab[1:], np.ones(lab.shape[1]))


def exact(shift: Callable[[Floats], Floats]) -> Change:
    """The change itself; shift: from CIELAB (3 x N) to what is added to it."""

    def change(rgb: Floats) -> Floats:
        light = srgb_to_linear(rgb.T.copy())
        low, high = np.minimum(light.min(axis=0), 0), np.maximum(light.max(axis=0), 1)
        lab = linear_to_lab(light)
        return linear_to_srgb(fit_chroma(lab + shift(lab), low, high)).T

    return change


def shift_of(recoloring: Recoloring) -> Callable[[Floats], Floats]:
    """What is added to CIELAB, without a table."""
    return lambda lab: np.vstack([np.zeros_like(lab[:1]), recoloring.shift(lab[1:])])


def interpolated(recoloring: Recoloring, steps: int) -> Change:
    """As ColorTable, with so many steps, in numpy; the gamut is kept to exactly."""
    axis = np.linspace(-128, 128, steps, dtype=np.float32)
    grid = np.stack([a.ravel() for a in np.meshgrid(axis, axis, indexing="ij")])
    table = recoloring.shift(grid).reshape(2, steps, steps)

    def shift(lab: Floats) -> Floats:
        place = (lab[1:] + 128) * ((steps - 1) / 256)
        added = [map_coordinates(plane, place, order=1, mode="nearest") for plane in table]
        return np.stack([np.zeros_like(lab[0]), *added])

    return exact(shift)


def shipped(recoloring: Recoloring) -> Change:
    """The table as it is applied to pictures."""
    table = recoloring.table()

    def change(rgb: Floats) -> Floats:
        pixels = rgb[None].copy()
        table.apply(pixels)
        return pixels[0]

    return change


def cubic(recoloring: Recoloring, size: int) -> Change:
    """The usual table over red, green and blue, with trilinear interpolation."""
    steps = np.linspace(0, 1, size, dtype=np.float32)
    grid = np.stack([a.ravel() for a in np.meshgrid(steps, steps, steps, indexing="ij")], axis=1)
    cube = exact(shift_of(recoloring))(grid).reshape(size, size, size, 3)

    def change(rgb: Floats) -> Floats:
        place = rgb.T * (size - 1)
        return np.stack([map_coordinates(c, place, order=1) for c in np.moveaxis(cube, -1, 0)], 1)

    return change


def changes(recoloring: Recoloring) -> dict[str, Change]:
    """Every table by its name."""
    return {
        **{f"a, b: {n} steps": interpolated(recoloring, n) for n in STEPS},
        f"a, b: {FINE} steps, as shipped": shipped(recoloring),
        **{f"R, G, B: {n} steps": cubic(recoloring, n) for n in CUBES},
    }


def errors(found: Floats, expected: Floats) -> Floats:
    """CIEDE2000 between colours, N x 3, sRGB-encoded."""
    lab = [linear_to_lab(srgb_to_linear(rgb.T.copy())).T.astype(float) for rgb in (found, expected)]
    return deltaE_ciede2000(*lab)


def print_errors(photos: Photographs) -> None:
    """Errors over all photographs, and of the worst of them."""
    random = np.random.default_rng(1)
    found: dict[str, dict[str, list[Floats]]] = {}
    for picture in photos.pictures():
        rgb = np.float32(picture.reshape(-1, 3)[::STRIDE] / 255)
        for title, recoloring in recolorings(lab_of(picture), random_palette(random)).items():
            expected = exact(shift_of(recoloring))(rgb)
            for name, change in changes(recoloring).items():
                every = found.setdefault(title, {}).setdefault(name, [])
                every.append(errors(change(rgb), expected))
    for title, tables in found.items():
        print(f"\n{title}: errors, ΔE00; goals: mean {GOALS['mean']}, 99.9 % {GOALS['99.9 %']}")
        print(
            f"{'':30}{'mean':>8}{'99.9 %':>9}{'most':>8}{'worst photograph: mean':>25}{'99.9 %':>9}"
        )
        for name, every in tables.items():
            pixels = np.concatenate(every)
            worst = max(e.mean() for e in every), max(np.percentile(e, 99.9) for e in every)
            print(
                f"{name:30}{pixels.mean():8.4f}{np.percentile(pixels, 99.9):9.3f}"
                f"{pixels.max():8.2f}{worst[0]:25.4f}{worst[1]:9.3f}"
            )


@dataclass(frozen=True)
class Spent:
    """Seconds: by the clock, and of all processors together."""

    wall: float
    cpu: float


def timed(work: Callable[[], T], repeats: int = REPEATS) -> tuple[T, Spent]:
    """What `work` returns, and its least times."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return result, Spent(min(walls), min(cpus))


def print_times(photograph: Path, side: int) -> None:
    """Times of a random picture and of a photograph, beside numpy and OpenCV."""
    print(f"\nTimes at {side} × {side}, {machine.threads()} threads, shortest of {REPEATS} runs")
    random = np.random.default_rng(2)
    pictures = {
        "random colours": random.integers(0, 256, (side, side, 3), np.uint8),
        f"photograph ({photograph.stem})": square(read(photograph, side), side),
    }
    for title, picture in pictures.items():
        palette = random_palette(random)
        recoloring = recolorings(lab_of(picture[::8, ::8]), palette)["random palettes"]
        print(f"\n{title}, {len(recoloring.source)} main colours")
        opencv, plain = print_apply(picture, recoloring)
        for depth in ("u8", "u16"):
            every = print_operation(picture, depth, palette)
            print(
                f"  all, of numpy's and OpenCV's mere change of float32 pixels: wall "
                f"{every.wall / plain.wall:.2f} and {every.wall / opencv.wall:.2f}, cpu "
                f"{every.cpu / plain.cpu:.2f} and {every.cpu / opencv.cpu:.2f}"
            )


def square(picture: Bytes, side: int) -> Bytes:
    """The middle of a picture, made larger."""
    short = min(picture.shape[:2])
    top, left = ((length - short) // 2 for length in picture.shape[:2])
    part = picture[top : top + short, left : left + short]
    return cv2.resize(part, (side, side), interpolation=cv2.INTER_CUBIC)


def print_apply(picture: Bytes, recoloring: Recoloring) -> tuple[Spent, Spent]:
    """Float32 pixels through the table, OpenCV and numpy; the times of the last two."""
    pixels = np.float32(picture / np.float32(255))
    table = recoloring.table()
    table.apply(pixels[:1].copy())  # compiled now, if it was not
    copies = iter([pixels.copy() for _ in range(REPEATS)])
    _, ours = timed(lambda: table.apply(next(copies)))
    _, opencv = timed(lambda: with_opencv(pixels, table))
    _, plain = timed(lambda: in_strips(pixels, exact(shift_of(recoloring))), repeats=1)
    print(f"{'float32 pixels':32}{'wall s':>9}{'cpu s':>9}{'ours is, wall':>15}{'cpu':>8}")
    for name, spent in (("ColorTable.apply", ours), ("OpenCV", opencv), ("numpy, exact", plain)):
        ratios = f"{ours.wall / spent.wall:15.3f}{ours.cpu / spent.cpu:8.3f}"
        print(f"{name:32}{spent.wall:9.3f}{spent.cpu:9.3f}{ratios}", flush=True)
    return opencv, plain


def with_opencv(pixels: Floats, table: ColorTable) -> Floats:
    """The table applied by OpenCV's functions; colours outside sRGB are clipped."""
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab)
    place = (lab[..., 1:] + 128) * ((FINE - 1) / 256)
    added = cv2.remap(table.shift[0], place[..., ::-1].copy(), None, cv2.INTER_LINEAR)
    cv2.add(lab, added, dst=lab)
    return cv2.cvtColor(lab, cv2.COLOR_Lab2RGB)


def in_strips(pixels: Floats, change: Change) -> Floats:
    """All pixels changed, so many at a time that they fit into memory."""
    flat = pixels.reshape(-1, 3)
    return np.concatenate([change(flat[n : n + STRIP]) for n in range(0, len(flat), STRIP)])


def print_operation(picture: Bytes, depth: str, palette: Bytes) -> Spent:
    """The whole operation on a plane, by stages of its report; its time.

    A picture is decoded when it is first looked at, which is in the stage of the palette.
    """
    codes = picture if depth == "u8" else picture.astype(np.uint16) * 257
    height, width = codes.shape[:2]
    plane = Plane("image", "picture", width, height, 3, depth, codes.tobytes())
    colors = Plane("palette", "random", len(palette), 1, 3, "u8", palette.tobytes())
    reports: list[Mapping[str, float]] = []
    _, whole = timed(lambda: reports.append(operated([plane, colors])["seconds"]))
    raster, decoded = timed(lambda: decode(plane))
    rgba = raster.rgba()
    _, encoded = timed(lambda: encode(Raster.of_rgba(rgba), PixelFormat.of(plane), source=plane))
    print(f"harmonize-palette, {depth} (goal for recolour: {SECONDS[depth]} s)")
    for stage in reports[0]:
        print(f"  {stage:30}{min(report[stage] for report in reports):9.3f}")
    for name, spent in (("all", whole), ("decode alone", decoded), ("encode alone", encoded)):
        print(f"  {name + ', measured apart':30}{spent.wall:9.3f}{spent.cpu:9.3f}", flush=True)
    return whole


def operated(planes: Sequence[Plane]) -> Mapping[str, Any]:
    """The report of harmonize-palette; only the picture is asked for."""
    _, report = run_operation(
        "harmonize-palette",
        {},
        planes,
        (planes[0].width, planes[0].height),
        cache=Cache(0),
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
        outputs=["picture"],
    )
    return report


def sheet(photos: Photographs) -> Bytes:
    """Photograph, exact result, and errors of tables: white is ΔE00 2."""
    random = np.random.default_rng(1)
    shown = (f"a, b: {FINE} steps, as shipped", *(f"R, G, B: {n} steps" for n in CUBES))
    rows = []
    for picture in photos.pictures():
        recoloring = recolorings(lab_of(picture), random_palette(random))["random palettes"]
        rgb = np.float32(picture.reshape(-1, 3) / 255)
        expected = exact(shift_of(recoloring))(rgb)
        tables = changes(recoloring)
        off = [errors(tables[name](rgb), expected).reshape(picture.shape[:2]) / 2 for name in shown]
        rows.append([picture, expected.reshape(picture.shape), *off])
    return sheets.grid(rows, ["input", "exact", *shown], side=300)


if __name__ == "__main__":
    main()
