"""How soon GIMP's dialog shows what a changed colour does: a real GIMP, a real engine, no screen.

Run with `python -m benchmarks.gimp_dialog [--side 2048]`; $LIMNER_EDITORS as in `make editors`.
Changes come one by one, each when all is still, and then every 16 ms, as while a colour is dragged.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from tests import drawings
from tests.plugin_gimp.images import layer
from tests.plugin_gimp.rig import Engine, Gimp

HERE = Path(__file__).with_name("gimp_timing")
CASES = {"harmonize-palette": 1, "recolor": 3}
"""Operations, and the number of layers."""
U8 = {"precision": "U8_NON_LINEAR", "encoding": "R'G'B'A u8"}


def main() -> None:
    """Measure and print the table."""
    arguments = argparse.ArgumentParser(description="Time a changed colour in GIMP's dialog.")
    arguments.add_argument("--side", type=int, default=2048, help="pixels of each layer")
    arguments.add_argument("--single", type=int, default=40, help="changes one by one")
    arguments.add_argument("--drag", type=float, default=6.0, help="seconds")
    options = arguments.parse_args()
    if "LIMNER_EDITORS" not in os.environ:
        print("skipped: LIMNER_EDITORS names no folder of editors; .ci/editors makes one")
        return
    wanted = {"single": options.single, "drag": options.drag, "every": 16}
    print(f"{options.side}², milliseconds; load {os.getloadavg()[0]:.1f} before")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for operation, count in CASES.items():
            report(
                operation,
                count,
                measured(folder / operation, operation, count, options.side, wanted),
            )
    print(f"load {os.getloadavg()[0]:.1f} after")


def measured(folder: Path, operation: str, count: int, side: int, wanted: dict) -> dict:
    """The times that the dialog noted."""
    home = folder / "engine"
    home.mkdir(mode=0o700, parents=True)
    (folder / "timing.json").write_text(json.dumps(wanted))
    engine = Engine(home)
    engine.start()
    gimp = Gimp(folder, home, screen="1400x900")
    try:
        plugin = folder / "gimp/plug-ins/limner"
        shutil.copy(HERE / "timing.py", plugin)
        with (plugin / "dialog.py").open("a") as dialog:
            dialog.write("\nfrom .timing import Timed as Live\n")
        names = [f"Picture {number}" for number in range(count)]
        pictures = [layer(name, picture(side, turn)) for turn, name in enumerate(names)]
        image = gimp("make", canvas=(side, side), layers=pictures, show=True, **U8)
        given = {"procedure": f"limner-{operation}", "image": image, "drawables": names}
        assert gimp("call", mode="INTERACTIVE", **given)[0] == "cancel", gimp.log()
        return json.loads((folder / "times.json").read_text())
    finally:
        gimp.close()
        engine.stop()


def picture(side: int, turn: int) -> np.ndarray:
    """A view, its channels turned so that each has colours of its own."""
    rgb = np.roll(drawings.photograph(side, side), turn, axis=2)
    return cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2RGBA)


def report(operation: str, count: int, times: dict) -> None:
    """Prints a line each for single changes and for the drag."""
    ages, at = zip(*times["drag"], strict=True)
    print(f"{operation}, layers: {count}")
    print(f"  change to preview: {spread(times['single'])}, {len(times['single'])} changes")
    between = [later - earlier for earlier, later in pairwise(at)]
    print(f"  drag, {times['changes']} changes: age when painted {spread(ages)}")
    print(f"  drag, {len(at)} previews, one every {spread(between)}")


def spread(seconds: "list[float] | tuple[float, ...]") -> str:
    """Least, median and most, in milliseconds."""
    figures = min(seconds), statistics.median(seconds), max(seconds)
    return "min {:.0f} median {:.0f} max {:.0f}".format(*(1000 * figure for figure in figures))


if __name__ == "__main__":
    main()
