"""Everything that a bug report needs, with the person's name and secrets left out."""

from __future__ import annotations

import getpass
import hashlib
import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ipc
from engine import install, machine
from ipc import catalog, connection, launch, paths
from ipc.errors import LimnerError

LIBRARIES = {
    "numpy": "numpy",
    "opencv-python": "cv2",
    "scikit-image": "skimage",
    "scipy": "scipy",
    "pillow": "PIL",
    "imagecodecs": "imagecodecs",
    "pyzmq": "zmq",
    "psutil": "psutil",
    "safetensors": "safetensors",
}


def examine() -> tuple[str, bool]:
    """The report as text, and whether everything that must work does."""
    lines, healthy = [f"Limner {ipc.__version__}, protocol {ipc.PROTOCOL}"], True
    for title, section in (
        ("System", _system()),
        ("Libraries", _libraries()),
        ("Networks", _networks()),
        ("Colour names", _names()),
        ("Paths", _paths()),
        ("Editors", _editors()),
        ("Engine", _engine()),
        ("Self-test", _self_test()),
    ):
        lines += ["", title]
        for line, good in section:
            lines.append(f"  {line}")
            healthy &= good
    return redact("\n".join(lines)), healthy


def redact(text: str) -> str:
    """`text` without the user's name, home folder, host name or anything like a secret."""
    text = text.replace(str(Path.home()), "~")
    for private, stand_in in ((getpass.getuser(), "USER"), (socket.gethostname(), "HOST")):
        if len(private) > 2:
            text = re.sub(rf"\b{re.escape(private)}\b", stand_in, text)
    return re.sub(r"\b[0-9a-fA-F]{32,}\b", "SECRET", text)


def _system() -> Iterator[tuple[str, bool]]:
    import psutil

    gigabytes = psutil.virtual_memory().total / 1e9
    yield f"{platform.system()} {platform.release()} {platform.machine()}", True
    yield f"Python {platform.python_version()}, {sys.executable}", True
    yield f"{os.cpu_count()} processors, {gigabytes:.1f} GB of memory", True
    yield f"Graphics: {_graphics()}", True


def _graphics() -> str:
    tool = shutil.which("nvidia-smi")
    if not tool:
        return "no NVIDIA driver found"
    query = [tool, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return f"nvidia-smi failed ({type(error).__name__})"
    return answer.stdout.strip()


def _libraries() -> Iterator[tuple[str, bool]]:
    for distribution, module in LIBRARIES.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            yield f"{distribution}: MISSING. {_missing_library(error)}", False
        else:
            yield f"{distribution} {importlib.metadata.version(distribution)}", True


def _missing_library(error: ImportError) -> str:
    """What to install: a shared library of the system, or the package itself."""
    found = re.match(r"(\S+\.so[.\d]*): cannot open shared object", str(error))
    if found:
        package = {"libGL.so.1": "libgl1", "libgthread-2.0.so.0": "libglib2.0-0"}
        name = package.get(found[1], found[1])
        return f"The system library {found[1]} is not there; install it (Debian: {name})."
    return f"Install Limner anew ({error})."


def _networks() -> Iterator[tuple[str, bool]]:
    try:
        onnxruntime = importlib.import_module("onnxruntime")
        from engine import models_command, runtime
    except ImportError as error:
        yield f"onnxruntime: MISSING. {_missing_library(error)}", False
        return
    device, torch = runtime.device(), machine.versions().get("torch")
    by_torch = device != "cpu" and torch is not None
    runner = f"torch {torch}" if by_torch else f"onnxruntime {onnxruntime.__version__}"
    yield f"Run on: {device}, with {runner}", True
    for folder in runtime.folders():
        for path in sorted(folder.glob("*.json")):
            yield from models_command.check_files(path)


def _names() -> Iterator[tuple[str, bool]]:
    from engine.imaging import naming

    own = naming.own_file()
    if not own.exists():
        yield "Limner's own table", True
        return
    digest = hashlib.sha256(own.read_bytes()).hexdigest()[:12]
    try:
        naming.prototypes()
        yield f"a table of yours: {own}, {digest}", True
    except LimnerError as error:
        yield str(error), False


def _paths() -> Iterator[tuple[str, bool]]:
    home = paths.home()
    parent = next(folder for folder in (home, *home.parents) if folder.exists())
    writable = os.access(parent, os.W_OK)
    yield f"Limner's folder: {home}" + ("" if writable else " CANNOT BE WRITTEN"), writable
    yield f"Log: {paths.log_file()}", True
    try:
        yield f"Plug-ins start: {' '.join(launch.find_command())}", True
    except LimnerError as error:
        yield f"Plug-ins start: nothing. {error.next_step}", True


def _editors() -> Iterator[tuple[str, bool]]:
    for editor in install.EDITORS:
        for place in install.places(editor):
            state = "installed" if place.plugin.exists() else "not installed"
            yield f"{place.title}: {state} ({place.plugin})", True


def _engine() -> Iterator[tuple[str, bool]]:
    from engine.operate import connected

    try:
        running = connection.read()
        with connected() as client:
            status = client.status()
        yield f"runs: version {status['version']}, {status['device']}", True
        yield f"process {running.pid}, {len(status['jobs'])} jobs", True
    except LimnerError as error:
        good = error.code == "engine-not-running"
        yield ("not running (it starts with the first job)" if good else str(error)), good


def _self_test() -> Iterator[tuple[str, bool]]:
    """Colours a square."""
    import threading

    import numpy as np

    from engine.job import Cache
    from engine.run import run_operation
    from ipc.planes import Plane

    lines = np.full((64, 64, 3), 255, np.uint8)
    lines[8:56, 8:56] = 0
    lines[11:53, 11:53] = 255
    hints = np.zeros((64, 64, 4), np.uint8)
    hints[28:36, 28:36] = (200, 40, 90, 255)
    planes = [
        Plane("line-art", "square", 64, 64, 3, "u8", lines.tobytes()),
        Plane("scribbles", "hints", 64, 64, 4, "u8", hints.tobytes()),
    ]
    try:
        params = catalog.operation("flats").check_params({})
        results, _ = run_operation(
            "flats",
            params,
            planes,
            (64, 64),
            cache=Cache(0),
            on_progress=lambda *_: None,
            cancelled=threading.Event(),
        )
        flats = np.frombuffer(results[0].data, np.uint8).reshape(64, 64, 4)
        good = tuple(flats[20, 20]) == (200, 40, 90, 255) and flats[2, 2, 3] == 0
        yield "a square is coloured: " + ("as it should be" if good else "WRONG COLOUR"), good
    except Exception as error:  # whatever fails belongs in the report
        yield f"a square is coloured: FAILED, {type(error).__name__}: {error}", False
