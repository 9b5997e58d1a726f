"""What this computer offers: memory, device, versions. Imports nothing heavy, for the front."""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import importlib.util
import os
import platform
import sys
from functools import lru_cache

import psutil

import ipc

LIBRARIES = (
    "numpy",
    "opencv-python",
    "scikit-image",
    "scipy",
    "numba",
    "pillow",
    "imagecodecs",
    "pyzmq",
    "onnxruntime",
    "onnxruntime-gpu",
    "torch",
)


MATRIX_THREADS = {"OPENBLAS_NUM_THREADS": "1"}
"""Environment for numpy's matrix products, to be set before numpy is loaded: ours are small, and
threads that wait for each other made painting take several times as long on a busy computer."""

NICENESS = 10
"""How much nicer than the front the worker is, where priorities are counted so."""


def device() -> str:
    """What networks run on as far as drivers and $LIMNER_DEVICE tell: cuda, mps or cpu."""
    return "cpu" if os.environ.get("LIMNER_DEVICE") == "cpu" else _graphics()


@lru_cache(maxsize=1)
def _graphics() -> str:
    if ctypes.util.find_library("nvcuda" if sys.platform == "win32" else "cuda"):
        return "cuda"
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    return "mps" if apple and importlib.util.find_spec("torch") else "cpu"


def threads() -> int:
    """Processors that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def give_way() -> None:
    """Has other programs go first from now on: an artist draws in an editor while a job runs."""
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        os.nice(NICENESS)


def memory_budget() -> int:
    """Bytes that a job may use: what is free now, or $LIMNER_MEMORY in MiB."""
    chosen = os.environ.get("LIMNER_MEMORY", "")
    return int(chosen) << 20 if chosen.isdigit() else int(psutil.virtual_memory().available)


def keep_budget() -> int:
    """Bytes that may stay in memory between jobs, for pixels and for prepared work each."""
    return min(1 << 30, int(psutil.virtual_memory().total) // 8)


def memory_of(pid: int) -> int:
    """Bytes of memory that a process uses now; 0 where it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def peak_memory() -> int:
    """The most bytes of memory that this process has used since it started."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions of Limner, Python and the libraries that touch pixels."""
    found = {"limner": ipc.__version__, "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
