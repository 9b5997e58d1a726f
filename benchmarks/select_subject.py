"""How well select-subject's network finds subjects that it was not trained on, at every width.

Run with `python -m benchmarks.select_subject [--sheet FILE] [--packs DIR]`, with the data beside
the repository. Cut-outs by others (things, drawn things, people and animals) are pasted on
photographs that no training may use; share-alike photographs with polygons are taken as they are;
validation composites come from the recipe's packs. Beside the network stand GrabCut from a box in
the middle, and the teacher. The table says mean IoU and border F-measure, and milliseconds (median
of one run).
"""

import argparse
import csv
import importlib.util
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from engine import machine, runtime
from engine.imaging.raster import Raster
from engine.job import Cache, Input, Job
from engine.operations import select_subject
from ipc import catalog
from ipc.errors import LimnerError
from training import packs
from training.composites import IGNORE, STYLES, Composer, Library
from training.cutouts import label_of_polygons, of_object
from training.polygons import Polygons
from training.segmentation_metrics import boundary_f, iou
from training.sources import data_folder, is_permitted
from training.teacher import SUBJECT, SUBJECT_CLASSES, UNSURE, Teacher

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Method = Callable[[Bytes], Mask]

SIDE = 512
PER_GROUP = 48
SHARES = (0.45, 0.6, 0.75, 0.9)
"""Longer sides of pasted cut-outs, in turn, as shares of the picture's."""
LIVING = ("person", "cat", "dog", "horse", "cow", "sheep", "bird", "elephant", "bear", "zebra")
LEAST_LIVING, LEAST_SUBJECT = 0.04, 0.08
GRABCUT_SIDE, GRABCUT_MARGIN = 256, 0.1
SHOWN = 6
NOTE = (
    "Mean IoU and border F-measure; in brackets the number of pictures. Things, drawn things, "
    "people and animals are cut-outs by others on photographs that no training may use; "
    "photographs have polygons; validation composites are the recipe's. The networks run once at "
    "their working size; the operation looks more than once and refines. Milliseconds are the "
    "median of one run on a picture of 512 pixels."
)


@dataclass(frozen=True)
class Case:
    """A picture and where its subject is; pixels that do not count are left out of the IoU."""

    picture: Bytes
    truth: Mask
    counted: Mask


def main() -> None:
    """Run every method on every case and print the table."""
    arguments = argparse.ArgumentParser(description="Measure how well subjects are found.")
    arguments.add_argument("--sheet", type=Path, help="picture of some results")
    arguments.add_argument("--packs", type=Path, default=Path("packs/select-subject"))
    arguments.add_argument("--json", type=Path, help="the table for the model card")
    options = arguments.parse_args()
    if not data_folder().is_dir():
        print("skipped: the data are not beside the repository")
        return
    groups = dict(held_out())
    if options.packs.is_dir():
        groups["validation"] = list(composites(options.packs))
    methods = dict(all_methods())
    print(f"{machine.threads()} threads, {runtime.device()}, {machine.versions()}")
    print(f"{'IoU / border F':16}", *(f"{name:>17}" for name in groups), "     ms")
    results: dict[str, dict[str, list[tuple[Mask, float]]]] = {}
    rows = []
    for name, method in methods.items():
        results[name] = {
            group: [timed(method, c) for c in cases] for group, cases in groups.items()
        }
        cells = [score(cases, results[name][group]) for group, cases in groups.items()]
        seconds = [took for found in results[name].values() for _, took in found]
        rows.append([name, *cells, f"{np.median(seconds) * 1e3:.0f}"])
        print(f"{name:16}", *(f"{cell:>17}" for cell in cells), f"{rows[-1][-1]:>7}", flush=True)
    print(f"{'cases':16}", *(f"{len(cases):17}" for cases in groups.values()))
    if options.json:
        columns = ["IoU / border F", *(f"{name} ({len(groups[name])})" for name in groups), "ms"]
        table = {"title": "Subjects found", "columns": columns, "rows": rows, "note": NOTE}
        options.json.write_text(json.dumps([table], indent=1) + "\n", encoding="utf-8")
    if options.sheet:
        Image.fromarray(sheet(groups, results)).save(options.sheet)


def timed(method: Method, case: Case) -> tuple[Mask, float]:
    """What a method finds in a case, and the seconds it took."""
    start = time.perf_counter()
    return method(case.picture), time.perf_counter() - start


def score(cases: list[Case], found: list[tuple[Mask, float]]) -> str:
    """Mean IoU and border F-measure of a group, as a cell of the table."""
    pairs = [(mask, case) for (mask, _), case in zip(found, cases, strict=True)]
    overlap = np.mean([iou(mask, case.truth, case.counted) for mask, case in pairs])
    borders = [boundary_f(mask & case.counted, case.truth) for mask, case in pairs]
    return f"{overlap:.3f} / {np.mean(borders):.3f}"


def held_out() -> Iterator[tuple[str, list[Case]]]:
    """The groups of pictures that no training may use."""
    data = data_folder()
    grounds = [read(path)[..., :3] for path in not_permitted(data / "open_photos")]
    stamps = sorted((data / "tuxpaint_cutouts").glob("*.webp"))
    drawn = [path for path in stamps if "cartoon" in path.stem]
    for name, paths in (("things", [p for p in stamps if p not in drawn]), ("drawn", drawn)):
        yield name, pasted([read(path) for path in paths[:PER_GROUP]], grounds)
    polygons = Polygons(data / "coco_cc_photos")
    living, photographs = [], []
    for path in not_permitted(data / "coco_cc_photos", "images/"):
        photo = read(path)[..., :3]
        for category, mask in polygons.objects(path.stem, photo.shape[1::-1]):
            if category in LIVING and (mask > 127).mean() > LEAST_LIVING:
                living.append(of_object(photo, mask))
        label = label_of_polygons(polygons, path.stem, photo)
        if label is not None and (label == SUBJECT).mean() > LEAST_SUBJECT:
            photographs.append(Case(photo, label == SUBJECT, label != UNSURE))
    cutouts = [cutout for cutout in living if cutout is not None]
    yield "people, animals", pasted(cutouts[:PER_GROUP], grounds)
    yield "photographs", photographs[:PER_GROUP]


def not_permitted(folder: Path, start: str = "") -> list[Path]:
    """Photographs whose licence keeps them out of training; start: of their names in the table."""
    with (folder / "files.csv").open(newline="", encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["file"].startswith(start)]
    kept = [row for row in rows if not is_permitted(row["licence"])]
    return sorted(folder / row["file"] for row in kept if "illustration" not in row["licence"])


def pasted(cutouts: list[Bytes], grounds: list[Bytes]) -> list[Case]:
    """Every cut-out in a place of its own, wholly visible, on a square of a photograph."""
    random = np.random.default_rng(7)
    cases = []
    for number, cutout in enumerate(cutouts):
        ground = grounds[number % len(grounds)]
        side = min(ground.shape[:2])
        top, left = ((length - side) // 2 for length in ground.shape[:2])
        picture = cv2.resize(
            ground[top : top + side, left : left + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA
        ).astype(np.float32)
        scale = SHARES[number % len(SHARES)] * SIDE / max(cutout.shape[:2])
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        thing = cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=how)
        height, width = thing.shape[:2]
        y, x = random.integers(SIDE - height + 1), random.integers(SIDE - width + 1)
        place = slice(y, y + height), slice(x, x + width)
        alpha = thing[..., 3:] / np.float32(255)
        picture[place] = picture[place] * (1 - alpha) + thing[..., :3] * alpha
        truth = np.zeros((SIDE, SIDE), bool)
        truth[place] = alpha[..., 0] > 0.5
        whole = np.ones_like(truth)
        cases.append(Case(picture.round().clip(0, 255).astype(np.uint8), truth, whole))
    return cases


def composites(folder: Path) -> Iterator[Case]:
    """Validation composites of the recipe, of all styles in turn."""
    library = Library.read(packs.read(folder), "validation", SIDE // 2, torch.device("cpu"))
    composer = Composer(library, SIDE // 2, torch.Generator().manual_seed(1))
    styles = list(STYLES) * (PER_GROUP // len(STYLES))
    images, labels = composer.draw(len(styles), styles)
    for image, label in zip(images.permute(0, 2, 3, 1).numpy(), labels.numpy(), strict=True):
        yield Case((image * 255).round().astype(np.uint8), label == 1, label != IGNORE)


def all_methods() -> Iterator[tuple[str, Method]]:
    """The network at every width, GrabCut, and the teacher where it can run."""
    for variant in runtime.network("select-subject").descriptor.variants:
        yield f"network x{variant.name}", network(variant.name)
    yield "operation", operation
    yield "GrabCut", grabcut
    path = data_folder().parent / "weights/deeplabv3_voc/deeplabv3_mnv2_pascal_quant.tflite"
    if importlib.util.find_spec("ai_edge_litert") and path.is_file():
        teacher = Teacher(path, machine.threads())
        yield "teacher", lambda picture: np.isin(teacher.classes(picture), SUBJECT_CLASSES)


def network(variant: str) -> Method:
    """The network at a width, its answer enlarged to the picture."""
    subject = runtime.network("select-subject", variant)

    def find(picture: Bytes) -> Mask:
        height, width = picture.shape[:2]
        scale = subject.descriptor.working_size / max(height, width)
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        array = np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32) / 255
        found = subject.run({"image": array})["subject"][0, 0]
        return cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5

    return find


def operation(picture: Bytes) -> Mask:
    """The whole operation with its defaults: the widest network, a closer look, refined edges."""
    height, width = picture.shape[:2]
    about = catalog.operation("select-subject")
    inputs = {"image": [Input(Raster(picture.astype(np.float32) / 255), "picture")]}
    job = Job(about.id, (width, height), about.check_params({}), inputs, Cache(0))
    try:
        return select_subject.run(job)[0].pixels > 0.5
    except LimnerError as error:
        if error.code != "no-subject":
            raise
        return np.zeros((height, width), bool)


def grabcut(picture: Bytes) -> Mask:
    """GrabCut from a box that leaves a margin on every side."""
    scale = GRABCUT_SIDE / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    x, y = round(GRABCUT_MARGIN * width), round(GRABCUT_MARGIN * height)
    mask, models = np.zeros((height, width), np.uint8), (np.zeros((1, 65)), np.zeros((1, 65)))
    cv2.setRNGSeed(1)
    box = (x, y, width - 2 * x, height - 2 * y)
    cv2.grabCut(small, mask, box, *models, 5, cv2.GC_INIT_WITH_RECT)
    whole = cv2.resize(mask & 1, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return whole > 0


def read(path: Path) -> Bytes:
    """A picture's pixels, with alpha where it has one."""
    picture = Image.open(path)
    return np.array(picture.convert("RGBA" if "A" in picture.getbands() else "RGB"))


def sheet(
    groups: dict[str, list[Case]], results: dict[str, dict[str, list[tuple[Mask, float]]]]
) -> Bytes:
    """Some cases of every group: picture, truth, then what each method found."""
    rows = []
    for group, cases in groups.items():
        step = max(len(cases) // SHOWN, 1)
        for number in range(0, len(cases), step)[:SHOWN]:
            case = cases[number]
            masks = [case.truth, *(found[group][number][0] for found in results.values())]
            cells = [case.picture, *(np.where(m[..., None], case.picture, 32) for m in masks)]
            rows.append(np.hstack([cv2.resize(c.astype(np.uint8), (128, 128)) for c in cells]))
    return np.vstack(rows)


if __name__ == "__main__":
    main()
