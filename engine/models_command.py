"""`limner models`: which networks there are, whether they are sound, and the user's own."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine import machine, runtime
from engine.runtime import Floats
from ipc.errors import LimnerError
from models import registry
from models.registry import DamagedNetworkError, Descriptor, Port, UnknownNetworkError

SLACK = 1e-3
"""How far beyond its range an output may go by rounding."""


def table() -> str:
    """The networks, a line each."""
    header = ("name", "version", "role", "variants", "size", "licence", "from")
    try:
        rows = [header, *map(_row, registry.networks(*runtime.folders()))]
    except DamagedNetworkError as error:
        raise runtime.damaged(error) from error
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def _row(network: Descriptor) -> tuple[str, ...]:
    return (
        network.name,
        network.version,
        network.role,
        " ".join(variant.name for variant in network.variants),
        f"{network.size_on_disk / 1e6:.1f} MB",
        network.licence,
        "Limner" if network.is_built_in else "you",
    )


def verify() -> tuple[str, bool]:
    """A report on every network, and whether all are sound."""
    lines, sound = [], True
    for folder in runtime.folders():
        for path in sorted(folder.glob("*.json")):
            for line, good in [*check_files(path), *_check_results(path)]:
                lines.append(line if good else f"{line}: WRONG")
                sound &= good
    if not importlib.util.find_spec("torch"):
        lines.append("torch is not installed, so results were not compared with it")
    return "\n".join(lines), sound


def check_files(path: Path) -> Iterator[tuple[str, bool]]:
    """A line on the network that the descriptor in `path` describes, and whether it is good."""
    try:
        network = registry.read(path)
        for file in network.files:
            network.read(file)
    except DamagedNetworkError as error:
        yield f"{path.stem}: {error}", False
    else:
        origin = "built in" if network.is_built_in else "your own"
        yield f"{network.name} {network.version} ({origin}): files as their digests say", True


def _check_results(path: Path) -> Iterator[tuple[str, bool]]:
    """A line on each variant that torch and ONNX Runtime can both run."""
    with contextlib.suppress(DamagedNetworkError):  # which `check_files` has told
        network = registry.read(path)
        if not network.module or not importlib.util.find_spec("torch"):
            return
        for variant in network.variants:
            difference = _difference(network, variant.name)
            allowed = f"{network.tolerance:.0e} allowed"
            line = f"  {variant.name}: {difference:.1e} between torch and ONNX Runtime, {allowed}"
            yield line, difference <= network.tolerance


def _difference(network: Descriptor, variant: str) -> float:
    """By how much torch and ONNX Runtime differ at most, at any output, on a test picture."""
    inputs = _test_inputs(network, network.working_size, network.working_size)
    expected = runtime.torch_network(network, variant).run(inputs)
    found = runtime.load(network, variant, on="cpu").run(inputs)
    return max(float(np.abs(found[name] - expected[name]).max()) for name in expected)


def add(file: Path, role: str) -> str:
    """Takes a user's ONNX file for a role; returns what to tell. Raises LimnerError.

    The file must hold its weights, have the inputs and outputs of the built-in network by name,
    type and channels, and take any height and width that are multiples of that network's.
    """
    needs = _needs(role)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise LimnerError(
            "missing-file", f"'{file}' cannot be read.", "Check the name and run again."
        ) from error
    try:
        session = runtime.onnx_session(data, {})
    except Exception as error:  # the library has a class for each way to be no network
        raise _unfit(
            f"'{file.name}' is no ONNX file with its weights inside ({_reason(error)})",
            "Export the network as one file and add that.",
        ) from error
    _check_ports(session.get_inputs(), needs.inputs, "input")
    _check_ports(session.get_outputs(), needs.outputs, "output")
    memory = _try_out(session, needs)
    folder = runtime.folders()[-1]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{role}.onnx").write_bytes(data)
    descriptor = _descriptor(file.stem, needs, data, _strides(session, needs), memory)
    (folder / f"{role}.json").write_text(json.dumps(descriptor, indent=1), encoding="utf-8")
    return (
        f"{file.name} now serves {role}.\nBack to the built-in network: limner models remove {role}"
    )


def remove(role: str) -> str:
    """Removes the user's network for a role; returns what to tell. Raises LimnerError."""
    own = [runtime.folders()[-1] / f"{role}.{ending}" for ending in ("json", "onnx")]
    if role not in _roles() or not any(path.exists() for path in own):
        raise LimnerError(
            "unknown-network",
            f"You have added no network for '{role}'.",
            "See 'limner models list'.",
        )
    for path in own:
        path.unlink(missing_ok=True)
    return f"The built-in network serves {role} again."


def _roles() -> list[str]:
    return [network.role for network in registry.networks()]


def _needs(role: str) -> Descriptor:
    """The built-in network for the role, which says what another one must do."""
    try:
        return registry.find(role if role in _roles() else "")
    except UnknownNetworkError as error:
        raise LimnerError(
            "unknown-network", f"There is no role '{role}'.", f"Roles are {', '.join(_roles())}."
        ) from error


def _check_ports(given: list[Any], needed: tuple[Port, ...], what: str) -> None:
    """Compares names, types and shapes; sizes that are free have no number."""
    names, wanted = [port.name for port in given], [port.name for port in needed]
    if sorted(names) != sorted(wanted):
        raise _unfit(
            f"Its {what}s are {', '.join(names)}; the role needs {', '.join(wanted)}",
            f"Name the {what}s so when you export it.",
        )
    by_name = {port.name: port for port in given}
    for need in needed:
        port = by_name[need.name]
        if port.type != "tensor(float)":
            raise _unfit(
                f"Its {what} '{need.name}' is {port.type}, not tensor(float)",
                "Export it with float32 inputs and outputs.",
            )
        free = [size if isinstance(size, int) else None for size in port.shape]
        if len(free) != 4 or free[0] not in (None, 1) or free[1] not in (None, need.channels):
            raise _unfit(
                f"Its {what} '{need.name}' has the shape {port.shape}; the role needs batch × "
                f"{need.channels} × height × width",
                "Export it with that shape.",
            )
        if what == "input" and (free[2], free[3]) != (None, None):
            raise _unfit(
                f"Its input '{need.name}' takes {free[2]} × {free[3]} pixels only",
                "Export it with height and width free (dynamic axes).",
            )


def _try_out(session: Any, needs: Descriptor) -> int:
    """Runs it on a test picture in two sizes; returns the bytes of memory that a pixel takes."""
    side, before = needs.working_size, machine.peak_memory()
    for height, width in ((side, side), (side, side + needs.size_multiple)):
        for port, output in zip(
            needs.outputs, _outputs(session, needs, height, width), strict=True
        ):
            _check_output(output, port, height, width)
    grown = (machine.peak_memory() - before) // (side * (side + needs.size_multiple))
    return max(grown, *(variant.bytes_per_pixel for variant in needs.variants))


def _outputs(session: Any, needs: Descriptor, height: int, width: int) -> list[Floats]:
    try:
        found: list[Floats] = session.run(
            [port.name for port in needs.outputs], _test_inputs(needs, height, width)
        )
    except Exception as error:  # whatever the library says is wrong with it
        raise _unfit(
            f"It fails on a test picture of {width} × {height} pixels ({_reason(error)})",
            f"Export it for any height and width that are multiples of {needs.size_multiple}.",
        ) from error
    return found


def _check_output(output: Floats, port: Port, height: int, width: int) -> None:
    count, channels, rows, columns = output.shape
    whole = rows and columns and height % rows == 0 and height // rows * columns == width
    if (count, channels) != (1, port.channels) or not whole:
        raise _unfit(
            f"Its output '{port.name}' has the shape {output.shape} for {width} × {height} pixels",
            f"Export it with 1 × {port.channels} × height × width, or a whole part of those.",
        )
    low, high = float(output.min()), float(output.max())
    if not np.isfinite(output).all() or (
        port.range is not None and (low < port.range[0] - SLACK or high > port.range[1] + SLACK)
    ):
        raise _unfit(
            f"Its output '{port.name}' goes from {low:.3g} to {high:.3g} on a test picture; the "
            f"role needs {port.range or 'finite numbers'}",
            "Put the last step (a sigmoid, most often) inside the file.",
        )


def _strides(session: Any, needs: Descriptor) -> list[int]:
    side = needs.working_size
    return [side // output.shape[2] for output in _outputs(session, needs, side, side)]


def _test_inputs(needs: Descriptor, height: int, width: int) -> dict[str, Floats]:
    """A disc on a gradient, and the disc as its mask, in each input's range."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    rows, columns = rows / height, columns / width
    disc = np.hypot(rows - 0.5, columns - 0.5) < 0.3
    picture = np.stack([rows, columns, np.where(disc, 1 - rows, 0.5)])
    inputs = {}
    for port in needs.inputs:
        values = disc[None] if port.channels == 1 else picture[: port.channels]
        low, high = port.range or (0.0, 1.0)
        inputs[port.name] = (low + (high - low) * values[None]).astype(np.float32)
    return inputs


def _descriptor(
    name: str, needs: Descriptor, data: bytes, strides: list[int], bytes_per_pixel: int
) -> dict[str, Any]:
    graph = f"{needs.role}.onnx"
    memory = {"fixed": len(data), "per_pixel": bytes_per_pixel}
    outputs = [
        replace(port, stride=stride) for port, stride in zip(needs.outputs, strides, strict=True)
    ]
    return {
        "name": name,
        "version": "1",
        "role": needs.role,
        "licence": "unknown",
        "module": None,
        "arguments": {},
        "weights": None,
        "files": {graph: hashlib.sha256(data).hexdigest()},
        "variants": {registry.SINGLE_VARIANT: {"graph": graph, "memory": memory}},
        "inputs": [asdict(port) for port in needs.inputs],
        "outputs": [asdict(port) for port in outputs],
        "size_multiple": needs.size_multiple,
        "working_size": needs.working_size,
        "precision": "as in the file",
        "tolerance": needs.tolerance,
        "card": None,
    }


def _reason(error: Exception) -> str:
    """ONNX Runtime's words without its codes."""
    return str(error).rsplit(" : ", maxsplit=1)[-1].strip().rstrip(".")


def _unfit(sentence: str, next_step: str) -> LimnerError:
    return LimnerError("bad-network", f"{sentence}.", next_step)
