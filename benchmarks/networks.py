"""Time and memory of the networks, and of their operations up to pictures of 8192 x 8192.

Run with `python -m benchmarks.networks [--sides 1024 8192]`. Each measurement has a process of its
own, because a process tells the most memory that it ever used. An operation's network works on a
small copy, so its cost should grow with the pixels and no faster.
"""

import argparse
import json
import multiprocessing
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from os import getpid
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from engine import machine, runtime
from engine.job import Cache
from engine.run import run_operation
from ipc.planes import Plane
from models import registry

T = TypeVar("T")

PICTURE = Path(__file__).parents[2] / "shared/data/open_photos/budgie-backgro_perched-osprey.webp"
SIDES = (1024, 2048, 4096)
OPERATIONS = ("select-subject", "harmonize-composite")
WORKING_SIZES = (128, 256, 512)
RUNS = 15
RASTER_BYTES = 12
"""Of a pixel as three floats; the picture of so many is what memory is counted in."""


def main() -> None:
    """Measure and print two tables."""
    arguments = argparse.ArgumentParser(description="Measure networks and their operations.")
    arguments.add_argument("--sides", type=int, nargs="*", default=SIDES, help="pixels")
    arguments.add_argument("--picture", type=Path, default=PICTURE)
    arguments.add_argument("--json", type=Path, help="write all figures as well")
    options = arguments.parse_args()
    print(f"{machine.threads()} threads, {runtime.device()}, {machine.versions()}")
    found = {"networks": print_networks(), "operations": []}
    if options.picture.is_file():
        found["operations"] = print_operations(options.picture, options.sides)
    else:
        print(f"no picture at {options.picture}: operations were not measured")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def print_networks() -> list[dict]:
    """Every network, variant, size and runner."""
    runners = ["onnxruntime cpu", *(["torch cpu"] if find_spec("torch") else [])]
    if runtime.device() != "cpu":
        runners.append(runtime.device())
    print(f"\n{'network':22}{'variant':>8}{'side':>6}  {'by':16}{'ms':>8}{'load ms':>9}{'MiB':>7}")
    rows = []
    for network in registry.networks():
        for variant in network.variants:
            for runner in runners:
                for side in WORKING_SIZES:
                    row = apart(measure_network, network.role, variant.name, side, runner)
                    rows.append(row)
                    print(
                        f"{network.name:22}{variant.name:>8}{side:6}  {runner:16}"
                        f"{row['ms']:8.1f}{row['load_ms']:9.0f}{row['mib']:7.1f}",
                        flush=True,
                    )
    return rows


def print_operations(picture: Path, sides: list[int]) -> list[dict]:
    """Each operation on the picture, made square, at rising sizes."""
    print(f"\n{'operation':22}{'side':>6}{'s':>8}{'cpu s':>8}{'/ Mpx':>8}{'rasters':>9}  stages")
    rows = []
    for operation in OPERATIONS:
        for side in sides:
            row = apart(measure_operation, operation, picture, side)
            rows.append(row)
            stages = " ".join(f"{name} {part:.2f}" for name, part in row["stages"].items())
            print(
                f"{operation:22}{side:6}{row['seconds']:8.2f}{row['cpu']:8.2f}"
                f"{row['cpu'] / side**2 * 1e6:8.3f}{row['rasters']:9.2f}  {stages}",
                flush=True,
            )
        if len(sides) > 1:
            first, last = rows[-len(sides)], rows[-1]
            growth = np.log(last["cpu"] / first["cpu"])
            pixels = np.log((last["side"] / first["side"]) ** 2)
            print(f"{'':22}cpu time grows as the pixels to the power of {growth / pixels:.2f}")
    return rows


def apart(measure: Callable[..., T], *arguments: object) -> T:
    """What `measure` returns in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, arguments)


def measure_network(role: str, variant: str, side: int, runner: str) -> dict:
    """Shortest time of a run, time to load, and memory that runs add to the loaded network."""
    network = registry.find(role)
    begin = time.perf_counter()
    if runner == "torch cpu":
        loaded = runtime.torch_network(network, variant)
    else:
        loaded = runtime.load(network, variant, None if runner == runtime.device() else "cpu")
    load = time.perf_counter() - begin
    noise = np.random.default_rng(0)
    inputs = {
        port.name: noise.random((1, port.channels, side, side), np.float32)
        for port in network.inputs
    }
    before, times = machine.memory_of(getpid()), []
    for _ in range(RUNS):
        start = time.perf_counter()
        loaded.run(inputs)
        times.append(time.perf_counter() - start)
    return {
        "network": role,
        "variant": variant,
        "side": side,
        "runner": runner,
        "ms": min(times) * 1e3,
        "load_ms": load * 1e3,
        "mib": max(machine.peak_memory() - before, 0) / 2**20,
    }


def measure_operation(operation: str, picture: Path, side: int) -> dict:
    """Time, processor time and peak memory in rasters, once libraries and network are loaded."""
    run(operation, planes_of(operation, picture, 256), 256)
    planes = planes_of(operation, picture, side)
    before, begin = machine.memory_of(getpid()), time.process_time()
    report = run(operation, planes, side)
    spent, seconds = time.process_time() - begin, dict(report["seconds"])
    return {
        "operation": operation,
        "side": side,
        "cpu": spent,
        "seconds": seconds.pop("all"),
        "stages": seconds,
        "rasters": (machine.peak_memory() - before) / (side * side * RASTER_BYTES),
        "networks": report["networks"],
    }


def planes_of(operation: str, picture: Path, side: int) -> list[Plane]:
    """The picture, 8-bit RGB, and a soft disc in its middle where the operation needs a mask."""
    pixels = cv2.imread(str(picture), cv2.IMREAD_COLOR_RGB)
    square = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC)
    planes = [Plane("image", picture.stem, side, side, 3, "u8", square.tobytes())]
    if operation == "harmonize-composite":
        small = np.zeros((256, 256), np.uint8)
        cv2.circle(small, (128, 128), 60, 255, -1)
        disc = cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)
        planes.append(Plane("mask", "disc", side, side, 1, "u8", disc.tobytes()))
    return planes


def run(operation: str, planes: list[Plane], side: int) -> dict:
    """The report of a run with default parameters and nothing kept from earlier ones."""
    _, report = run_operation(
        operation,
        {},
        planes,
        (side, side),
        cache=Cache(0),
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
    )
    return report


if __name__ == "__main__":
    main()
