"""harmonize-composite beside plain matching of colours, on composites whose truth is known.

Run with `python -m benchmarks.harmonize_composite [--sheet FILE.png] [--json FILE.json]
[--runs FOLDER]`, with the licensed pictures beside the repository. A thing in a photograph has its
colours altered as in training; the photograph as it was is the truth. Two sets: validation
photographs, and photographs under a licence that training never reaches. Everything is measured at
the pictures' full size; "ours" is the whole operation. MSE, PSNR and fMSE (over the foreground
alone) are means over the pictures, colours to 255 (Sofiiuk 2021).
"""

import argparse
import csv
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from engine.job import Cache
from engine.run import run_operation
from ipc.planes import Plane
from training import foregrounds, sheets, sources
from training.alterations import statistics
from training.harmonize_composite import NAME, PHOTOGRAPHS, composites
from training.polygons import Polygons
from training.teacher import Teacher

TEACHER = "weights/deeplabv3_voc/deeplabv3_mnv2_pascal_quant.tflite"
OBJECTS = 3
"""Of one picture, the largest."""
ALTERATIONS = {"validation": 3, "other": 1}
SHARES = ((0.0, 0.05), (0.05, 0.15), (0.15, 1.0))
STEPS = ("dih", "augmentation", "fn-mse", "idih", "semantic", "statistics", "transform")
"""Runs of the ablation, in the paper's order; the last two steps are ours."""
EPSILON = 1e-6


@dataclass(frozen=True)
class Pair:
    """pasted, truth: float32 H×W×3 in [0, 1]; mask: float32 H×W in [0, 1]."""

    name: str
    pasted: np.ndarray
    truth: np.ndarray
    mask: np.ndarray


def main() -> None:
    """Measure and print the tables."""
    arguments = argparse.ArgumentParser(description="Measure harmonize-composite on composites.")
    arguments.add_argument("--shared", type=Path, default=sources.data_folder().parent)
    arguments.add_argument("--sheet", type=Path, help="write twelve results as one picture")
    arguments.add_argument("--json", type=Path, help="write the tables, for the model card")
    arguments.add_argument("--runs", type=Path, help="folder of the ablation's runs")
    options = arguments.parse_args()
    if not (options.shared / "data").is_dir():
        print(f"no pictures in {options.shared}: nothing measured")
        return
    tables = []
    for title, pairs in (
        ("Validation photographs", list(validation_pairs(options.shared))),
        ("Other photographs, never trained on", list(other_pairs(options.shared))),
    ):
        results = {name: [method(pair) for pair in pairs] for name, method in METHODS.items()}
        tables.append(table_of(title, pairs, results))
        print_table(tables[-1])
    if options.sheet:
        write_sheet(pairs, results, options.sheet)
    if options.runs:
        tables.append(ablation(options.runs))
        print_table(tables[-1])
    if options.json:
        options.json.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")


def validation_pairs(shared: Path) -> Iterator[Pair]:
    """Things in photographs of the validation split."""
    data = shared / "data"
    photos = [p.path for name in PHOTOGRAPHS for p in sources.pictures(name, "validation", data)]
    yield from pairs_of(photos, shared, ALTERATIONS["validation"], seed=1)


def other_pairs(shared: Path) -> Iterator[Pair]:
    """Things in photographs whose licence keeps them out of training."""
    photos = []
    for name in PHOTOGRAPHS[:2]:
        folder = shared / "data" / name
        with (folder / "files.csv").open(newline="", encoding="utf-8") as table:
            rows = [row for row in csv.DictReader(table) if "BY-SA" in row["licence"]]
        photos += sorted(folder / row["file"] for row in rows)
    yield from pairs_of(photos, shared, ALTERATIONS["other"], seed=2)


def pairs_of(photos: list[Path], shared: Path, alterations: int, seed: int) -> Iterator[Pair]:
    """The largest things of each photograph, altered; colours to take come from the thing before.

    Things are annotated polygons, or where there are none what a teacher is sure of.
    """
    polygons = Polygons(shared / "data/coco_cc_photos")
    teacher = Teacher(shared / TEACHER)
    generator = torch.Generator().manual_seed(seed)
    source = torch.tensor([[[0.5, 0.2], [0.0, 0.05], [0.0, 0.03]]])
    for path in photos:
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        height, width = pixels.shape[:2]
        masks = [mask for _, mask in polygons.objects(path.stem, (width, height))]
        masks = masks or list(foregrounds.objects(pixels, teacher))
        masks = sorted(filter(foregrounds.useful, masks), key=np.sum, reverse=True)[:OBJECTS]
        truth = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
        for number, mask in enumerate(masks):
            inside = torch.from_numpy(mask)[None, None] / 255
            for turn in range(alterations):
                pasted = composites(truth, inside, generator, source)
                pasted = pasted.mul(255).round().div(255)
                name = f"{path.stem} {number}.{turn}"
                yield Pair(name, picture(pasted), picture(truth), inside[0, 0].numpy())
            source = statistics(truth, inside)


def picture(tensor: torch.Tensor) -> np.ndarray:
    """H×W×3 of 1×3×H×W."""
    return np.ascontiguousarray(tensor[0].permute(1, 2, 0).numpy())


def unchanged(pair: Pair) -> np.ndarray:
    """The composite as it was pasted."""
    return pair.pasted


def reinhard(pair: Pair, strength: float = 1.0) -> np.ndarray:
    """The foreground with the background's mean and deviation in Lab (Reinhard 2001)."""
    lab = cv2.cvtColor(pair.pasted, cv2.COLOR_RGB2LAB)
    mean, deviation = moments(lab, pair.mask)
    target_mean, target_deviation = moments(lab, 1 - pair.mask)
    moved = (lab - mean) / np.maximum(deviation, EPSILON) * target_deviation + target_mean
    mixed = lab + strength * (moved - lab)
    return into(pair, cv2.cvtColor(mixed.astype(np.float32), cv2.COLOR_LAB2RGB))


def half_reinhard(pair: Pair) -> np.ndarray:
    """Half of the way there."""
    return reinhard(pair, 0.5)


def linear_histogram(pair: Pair) -> np.ndarray:
    """The background's mean and covariance in RGB (Hertzmann 2001; colortrans' lhm)."""
    inside = pair.pasted[pair.mask > 0.5].astype(np.float64)
    outside = pair.pasted[pair.mask <= 0.5].astype(np.float64)
    matrix = root(np.cov(outside.T)) @ np.linalg.inv(root(np.cov(inside.T)))
    moved = (pair.pasted - inside.mean(axis=0)) @ matrix.T + outside.mean(axis=0)
    return into(pair, moved)


def ours(pair: Pair) -> np.ndarray:
    """The operation, with default parameters, on 8-bit planes."""
    height, width = pair.mask.shape
    pixels = np.round(pair.pasted * 255).astype(np.uint8)
    mask = np.round(pair.mask * 255).astype(np.uint8)
    planes = [
        Plane("image", pair.name, width, height, 3, "u8", pixels.tobytes()),
        Plane("mask", "thing", width, height, 1, "u8", mask.tobytes()),
    ]
    results, _ = run_operation(
        NAME,
        {},
        planes,
        (width, height),
        cache=Cache(0),
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
    )
    found = np.frombuffer(results[0].data, np.uint8).reshape(height, width, -1)
    return found[..., :3].astype(np.float32) / 255


METHODS: dict[str, Callable[[Pair], np.ndarray]] = {
    "as pasted": unchanged,
    "Reinhard": reinhard,
    "half Reinhard": half_reinhard,
    "linear histogram": linear_histogram,
    "harmonize-composite": ours,
}


def moments(x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and deviation of H×W×C."""
    whole = max(weight.sum(), EPSILON)
    mean = (x * weight[..., None]).sum(axis=(0, 1)) / whole
    variance = ((x - mean) ** 2 * weight[..., None]).sum(axis=(0, 1)) / whole
    return mean, np.sqrt(variance)


def root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric square root of a covariance, kept invertible."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, EPSILON))) @ vectors.T


def into(pair: Pair, moved: np.ndarray) -> np.ndarray:
    """The moved colours through the mask, clipped."""
    mixed = pair.pasted + pair.mask[..., None] * (moved - pair.pasted)
    return np.clip(mixed, 0, 1).astype(np.float32)


def errors(found: np.ndarray, pair: Pair) -> tuple[float, float, float]:
    """MSE, PSNR in dB, fMSE."""
    squares = ((found - pair.truth) * 255.0) ** 2
    mse = float(squares.mean())
    weight = pair.mask[..., None]
    fmse = float((squares * weight).sum() / (3 * max(weight.sum(), 1)))
    return mse, float(10 * np.log10(255**2 / max(mse, 1e-3))), fmse


def table_of(title: str, pairs: list[Pair], results: dict[str, list[np.ndarray]]) -> dict:
    """One row per method: the means over all pairs, then fMSE by share of the foreground."""
    shares = np.array([pair.mask.mean() for pair in pairs])
    groups = [(shares >= low) & (shares < high) for low, high in SHARES]
    before = np.array([errors(pair.pasted, pair)[2] for pair in pairs])
    rows = []
    for name, found in results.items():
        figures = np.array(
            [errors(result, pair) for result, pair in zip(found, pairs, strict=True)]
        )
        worse = "" if name == "as pasted" else f"{(figures[:, 2] > before).mean():.0%}"
        mse, psnr, fmse = figures.mean(axis=0)
        by_share = [f"{figures[group, 2].mean():.0f}" if group.any() else "" for group in groups]
        rows.append([name, f"{mse:.1f}", f"{psnr:.2f}", f"{fmse:.0f}", *by_share, worse])
    columns = [
        f"fMSE {low:.0%} to {high:.0%} ({group.sum()})"
        for (low, high), group in zip(SHARES, groups, strict=True)
    ]
    return {
        "title": f"{title}: {len(pairs)} composites at full size",
        "columns": ["method", "MSE", "PSNR dB", "fMSE", *columns, "made worse"],
        "rows": rows,
        "note": "fMSE by the foreground's share of the picture, with the number of composites.",
    }


def ablation(folder: Path) -> dict:
    """The runs' best validation figures at the training's size, each step added to the last."""
    rows = []
    for step in STEPS:
        path = folder / step / "record.json"
        if path.is_file():
            record = json.loads(path.read_text(encoding="utf-8"))
            last = record["curve"][-1]
            names = ("mse", "psnr", "fmse_photographs", "fmse_drawings")
            rows.append([step, record["steps"], *(f"{last[name]:.1f}" for name in names)])
    return {
        "title": "Ablation at equal steps, validation pairs at the training's size",
        "columns": ["step", "steps", "MSE", "PSNR dB", "fMSE photographs", "fMSE drawings"],
        "rows": rows,
        "note": "Each row adds one thing to the row before.",
    }


def print_table(table: dict) -> None:
    """The table as text."""
    print(f"\n{table['title']}")
    cells = [table["columns"], *([str(cell) for cell in row] for row in table["rows"])]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def write_sheet(pairs: list[Pair], results: dict[str, list[np.ndarray]], path: Path) -> None:
    """Twelve pairs: pasted, Reinhard, ours and truth, two to a row."""
    shown = ("as pasted", "Reinhard", "harmonize-composite")
    chosen = np.linspace(0, len(pairs) - 1, 12).round().astype(int)
    cells = [[*(results[name][i] for name in shown), pairs[i].truth] for i in chosen]
    rows = [left + right for left, right in zip(cells[::2], cells[1::2], strict=True)]
    heads = ["pasted", "Reinhard", "ours", "truth"] * 2
    cv2.imwrite(str(path), cv2.cvtColor(sheets.grid(rows, heads), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
