"""An operation from files to files: in the running engine, or in this process where none runs."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ipc import connection
from ipc.catalog import Operation
from ipc.client import Client, Result
from ipc.errors import LimnerError
from ipc.planes import Plane

CACHE_BYTES = 1 << 30


@contextlib.contextmanager
def connected() -> Iterator[Client]:
    """A client of the running engine. Raises LimnerError engine-not-running where none runs."""
    client = Client("limner command line")
    client.connect(connection.read())
    try:
        yield client
    finally:
        client.close()


def run_files(
    operation: Operation,
    *,
    primary: Path,
    inputs: Mapping[str, Sequence[Path]],
    params: Mapping[str, Any],
    output: Path,
    extra: Mapping[str, Path],
    form: str = "layers",
    report_file: Path | None = None,
) -> None:
    """Reads the files, runs the operation and writes the results.

    form: layers (one picture, or an .ora file for several layers), split (numbered files) or flat
    (what the editor would show). extra: further outputs to write, by role. Raises LimnerError.
    """
    from engine.imaging import files, palette_files

    checked = operation.check_params(params)
    planes = [files.read_plane(primary, operation.primary.role)]
    for role, paths in inputs.items():
        planes += [_read(operation, role, path) for path in paths]
    _check_sizes(operation, planes)
    _check_folders([output, *extra.values(), *([report_file] if report_file else [])])
    result = run_planes(operation, checked, planes, on_progress=_progress_line())
    for role in sorted(extra.keys() - {plane.role for plane in result.planes}):
        raise LimnerError(
            "cannot-write",
            f"With these settings there is no '{role}' to write to {extra[role].name}.",
            f"See 'limner {operation.id} --help' for what makes it, and run again.",
        )
    _write(operation, planes[0], result.planes, output, form)
    for plane in result.planes:
        if plane.role in extra:
            palette = plane.attributes["kind"] == "palette"
            write = palette_files.write_palette if palette else files.write_plane
            write(extra[plane.role], plane)
    if report_file:
        report_file.write_text(json.dumps(result.report, indent=2) + "\n", encoding="utf-8")


def run_set(
    operation: Operation,
    *,
    pictures: Sequence[Path],
    inputs: Mapping[str, Sequence[Path]],
    params: Mapping[str, Any],
    folder: Path,
    extra: Mapping[str, Path],
    report_file: Path | None = None,
) -> None:
    """As run_files, for an operation that takes a set: results have their pictures' file names.

    folder: of the results, made where it is not there. extra: folders of further outputs, by role,
    or files of those that are one for the whole set; palettes in folders are written as .png.
    Raises LimnerError; an input file is never written over.
    """
    from engine.imaging import files, palette_files

    checked = operation.check_params(params)
    names = [path.name for path in pictures]
    main = operation.outputs[0].role
    common = {output.role for output in operation.outputs if output.common}
    folders = {main: folder, **{r: path for r, path in extra.items() if r not in common}}
    _check_names(pictures, names, folder)
    planes = [files.read_plane(path, operation.primary.role) for path in pictures]
    for role, paths in inputs.items():
        planes += [_read(operation, role, path) for path in paths]
    operation.check_roles([plane.role for plane in planes])
    _check_set_sizes(operation, planes)
    _check_folders([folder, *extra.values(), *([report_file] if report_file else [])])
    result = run_planes(operation, checked, planes, on_progress=_progress_line())
    for plane in result.planes:
        if plane.role in common & extra.keys():
            palette_files.write_palette(extra[plane.role], plane)
        elif plane.role in folders:
            folders[plane.role].mkdir(exist_ok=True)
            path = folders[plane.role] / names[plane.attributes["of"]]
            if plane.role == main:
                files.write_plane(path, plane)
            else:
                palette_files.write_palette(path.with_suffix(".png"), plane)
    if report_file:
        report_file.write_text(json.dumps(result.report, indent=2) + "\n", encoding="utf-8")


def run_planes(
    operation: Operation,
    params: Mapping[str, Any],
    planes: Sequence[Plane],
    on_progress: Callable[[float, str], None],
) -> Result:
    """Runs the operation on planes, wherever it can; Control-C cancels."""
    canvas = (planes[0].width, planes[0].height)
    try:
        with connected() as client:
            return client.run(operation.id, params, planes, canvas, on_progress=on_progress)
    except LimnerError as error:
        if error.code != "engine-not-running":
            raise
    from engine.job import Cache
    from engine.run import run_operation

    results, report = run_operation(
        operation.id,
        params,
        planes,
        canvas,
        cache=Cache(CACHE_BYTES),
        on_progress=on_progress,
        cancelled=threading.Event(),
    )
    return Result(results, report)


def _read(operation: Operation, role: str, path: Path) -> Plane:
    from engine.imaging import files, palette_files

    if operation.input(role).kind == "palette":
        return palette_files.read_palette(path, role)
    return files.read_plane(path, role)


def _check_sizes(operation: Operation, planes: Sequence[Plane]) -> None:
    """Raises LimnerError size-mismatch where a plane has not the size of the one that it covers."""
    by_kind = {operation.input(plane.role).kind: plane for plane in planes}
    for plane in planes[1:]:
        given = operation.input(plane.role)
        if given.is_of_document:
            covered = planes[0]
        elif given.kind == "reference-mask" and "reference" in by_kind:
            covered = by_kind["reference"]
        else:
            continue
        if (plane.width, plane.height) != (covered.width, covered.height):
            raise LimnerError(
                "size-mismatch",
                f"'{plane.name}' is {plane.width} × {plane.height}, and '{covered.name}' is "
                f"{covered.width} × {covered.height}.",
                "Give files of the same size; nothing is resampled.",
            )


def _check_names(pictures: Sequence[Path], names: Sequence[str], folder: Path) -> None:
    """Results may not take each other's place, nor that of a picture."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise LimnerError(
            "cannot-write",
            f"Two pictures have the name {twice}, and so would their results.",
            "Rename one of them and run again.",
        )
    taken = {path.resolve() for path in pictures}
    for name in names:
        if (folder / name).resolve() in taken:
            raise LimnerError(
                "cannot-write",
                f"The result of {name} would be written over a picture of the set.",
                "Choose another folder.",
            )


def _check_set_sizes(operation: Operation, planes: Sequence[Plane]) -> None:
    pictures = [plane for plane in planes if plane.role == operation.primary.role]
    masks = [plane for plane in planes if operation.input(plane.role).kind == "mask"]
    masks = masks * len(pictures) if len(masks) == 1 else masks
    for picture, mask in zip(pictures, masks, strict=False):
        _check_sizes(operation, [picture, mask])


def _check_folders(paths: Sequence[Path]) -> None:
    """Finds an unwritable place before the work, not after it."""
    for path in paths:
        if not path.parent.is_dir():
            raise LimnerError(
                "cannot-write",
                f"The folder {path.parent} is not there.",
                "Make it, or choose another place for the result.",
            )


def _write(
    operation: Operation, primary: Plane, planes: Sequence[Plane], output: Path, form: str
) -> None:
    from engine.imaging import composite, files

    main = operation.outputs[0]
    layers = [plane for plane in planes if plane.role == main.role]
    if form == "flat":
        files.write_plane(output, composite.flatten(operation, primary, layers))
    elif form == "split":
        for number, whole in enumerate(_pictures(layers, primary), 1):
            files.write_plane(output.with_stem(f"{output.stem}-{number:02}"), whole)
    elif output.suffix.lower() == ".ora":
        files.write_ora(output, layers, primary.width, primary.height)
    else:
        pictures = _pictures(layers, primary)
        if len(pictures) > 1:
            raise LimnerError(
                "cannot-write",
                f"{output.name} holds one layer, and the result has {len(pictures)}.",
                "Write to a file ending in .ora, or give --split or --flatten.",
            )
        files.write_plane(output, pictures[0])


def _pictures(layers: Sequence[Plane], primary: Plane) -> list[Plane]:
    """Layers that can be seen alone, of the primary's size, bottom one first.

    Those that blend are merged with what is below them in their group.
    """
    from engine.imaging import composite

    found: list[list[Plane]] = []
    for layer in layers:
        blends = layer.attributes.get("blending", "normal") != "normal"
        if blends and found and found[-1][0].attributes["group"] == layer.attributes["group"]:
            found[-1].append(layer)
        else:
            found.append([layer])
    return [
        composite.merged(stack, primary.width, primary.height)
        if len(stack) > 1
        else composite.on_canvas(stack[0], primary.width, primary.height)
        for stack in found
    ]


def _progress_line() -> Callable[[float, str], None]:
    """Progress on a terminal; silence in a pipe or a log."""
    if not sys.stderr.isatty():
        return lambda *_: None

    def show(fraction: float, stage: str) -> None:
        end = "\n" if fraction >= 1 else ""
        print(f"\r\033[K{fraction:4.0%} {stage}", end=end, file=sys.stderr, flush=True)

    return show
