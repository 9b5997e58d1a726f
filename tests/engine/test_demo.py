"""What is compiled ahead is all that later pictures need."""

import importlib
import json
import pkgutil
import subprocess
import sys
import threading

import numpy as np
from numba.core.dispatcher import Dispatcher

import engine.imaging
from engine import demo
from engine.imaging import files
from engine.job import Cache
from engine.run import run_operation
from ipc.planes import Plane

TYPES = {"u8": np.uint8, "u16": np.uint16, "f32": np.float32}


def test_later_pictures_find_every_loop_compiled():
    """In a process of its own, where nothing else was compiled."""
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True)
    before, after = json.loads(done.stdout)
    for loop in ("color_kernels.move", "palette_transfer._sum_cells", "flooding._flood"):
        assert before[f"engine.imaging.{loop}"] == 1
    assert after == before


def variants():
    """How often each loop is compiled after compile_ahead, and after pictures of other kinds."""
    demo.compile_ahead()
    before = compiled()
    masked = plane("image", 4, "u16"), plane("mask", 1, "u8")
    run("harmonize-palette", {}, *masked)
    run("recolor", {}, plane("image", 3, "f32"), plane("image", 4, "u8"))
    run("transfer", {}, *masked, plane("reference", 1, "f32"))
    run("transfer", {"subjects": "none"}, plane("image", 3, "u8"), plane("reference", 4, "u16"))
    run("flats", {"gap": 0}, files.read_plane(demo.SAMPLES / "pencil-sailor.png", "line-art"))
    return before, compiled()


def compiled():
    """The number of types that each loop was compiled for."""
    names = [module.name for module in pkgutil.iter_modules(engine.imaging.__path__)]
    modules = [importlib.import_module(f"engine.imaging.{name}") for name in names]
    return {
        f"{module.__name__}.{name}": len(loop.signatures)
        for module in modules
        for name, loop in vars(module).items()
        if isinstance(loop, Dispatcher)
    }


def plane(role, channels, depth):
    codes = np.random.default_rng(channels).random((40, 30, channels)) * 255
    return Plane(role, role, 30, 40, channels, depth, codes.astype(TYPES[depth]).tobytes())


def run(operation, params, *planes):
    run_operation(
        operation,
        params,
        planes,
        (planes[0].width, planes[0].height),
        cache=Cache(1 << 20),
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
    )


if __name__ == "__main__":
    print(json.dumps(variants()))
