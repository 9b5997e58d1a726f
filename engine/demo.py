"""`limner demo`: colours the sample drawings through the engine and leaves pictures."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.install import engine_command
from ipc import catalog, connection, launch
from ipc.client import Client
from ipc.errors import LimnerError
from ipc.planes import Plane

SAMPLES = Path(__file__).parent / "samples"


def run(folder: Path) -> str:
    """Colours every sample drawing into `folder`; returns what to tell the person.

    Starts the engine where none runs and ends it again. Raises LimnerError.
    """
    from engine.imaging import composite, files

    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(path.stem.removesuffix("-scribbles") for path in _scribbles())
    was_running = _is_running()
    print("Using the running engine." if was_running else "Starting the engine.", file=sys.stderr)
    client = Client("limner demo")
    client.connect(launch.ensure_running(command=engine_command()))
    try:
        for name in names:
            lines = files.read_plane(SAMPLES / f"{name}.png", "line-art")
            scribbles = files.read_plane(SAMPLES / f"{name}-scribbles.png", "scribbles")
            flats = _run(client, "flats", [lines, scribbles])
            colored = composite.flatten(catalog.operation("flats"), lines, flats[:1])
            files.write_plane(folder / f"{name}-flats.png", flats[0])
            files.write_plane(folder / f"{name}-colored.png", colored)
            image = replace(colored, role="image")
            harmonized = _run(client, "harmonize-palette", [image])
            files.write_plane(folder / f"{name}-harmonized.png", harmonized[0])
            steps = [[lines], [lines, scribbles], [colored], harmonized[:1]]
            _write_sheet(folder / f"{name}-sheet.png", steps)
    finally:
        if not was_running:
            client.shutdown()
        client.close()
    listing = "\n".join(f"  {path}" for path in sorted(folder.resolve().glob("*.png")))
    return f"Lines, scribbles, flat colours and harmonized colours side by side:\n{listing}"


def compile_ahead() -> None:
    """Has the loops over pixels compiled (engine.imaging.compiled), which is kept for every use.

    Runs operations that have such loops on a sample drawing, in this process. Raises LimnerError.
    """
    from engine.imaging import files
    from engine.job import Cache
    from engine.run import run_operation

    lines = files.read_plane(SAMPLES / "fox-market.png", "line-art")
    scribbles = files.read_plane(SAMPLES / "fox-market-scribbles.png", "scribbles")
    image, reference = replace(lines, role="image"), replace(scribbles, role="reference")
    runs: list[tuple[str, dict[str, str], list[Plane]]] = [
        ("flats", {}, [lines, scribbles]),
        ("harmonize-palette", {}, [image]),
        ("transfer", {"subjects": "none"}, [image, reference]),
    ]
    for operation, params, planes in runs:
        run_operation(
            operation,
            params,
            planes,
            (lines.width, lines.height),
            cache=Cache(0),
            on_progress=lambda *_: None,
            cancelled=threading.Event(),
        )


def _scribbles() -> list[Path]:
    return list(SAMPLES.glob("*-scribbles.png"))


def _is_running() -> bool:
    try:
        connection.read()
    except LimnerError:
        return False
    return True


def _run(client: Client, operation: str, planes: Sequence[Plane]) -> list[Plane]:
    params = catalog.operation(operation).check_params({})
    canvas = (planes[0].width, planes[0].height)
    result = client.run(operation, params, planes, canvas)
    seconds = result.report["seconds"]["all"]
    print(f"{operation}: {canvas[0]} × {canvas[1]} in {seconds:.2f} s", file=sys.stderr)
    return result.planes


def _write_sheet(path: Path, steps: Sequence[Sequence[Plane]], side: int = 720) -> None:
    """Pictures in a row on white, each a stack of layers scaled to fit `side` pixels."""
    from PIL import Image

    sheet = Image.new("RGB", (side * len(steps), side), "white")
    for number, layers in enumerate(steps):
        for plane in layers:
            mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[plane.channels]
            picture = Image.frombytes(mode, (plane.width, plane.height), bytes(plane.data))
            picture = picture.convert("RGBA")
            picture.thumbnail((side - 16, side - 16), Image.Resampling.LANCZOS)
            place = (side * number + (side - picture.width) // 2, (side - picture.height) // 2)
            sheet.paste(picture, place, picture)
    sheet.save(path, optimize=True)
