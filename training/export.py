"""From a training to what ships: weights once as fp16, one graph per variant, a descriptor.

A graph is a standard ONNX file whose initializers lie in the safetensors file of the weights, under
their names in the state_dict. The runtime turns them to float32 and folds what is constant: casts,
the slices of a narrow variant, batch norms.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save
from torch import Tensor, nn

from models.registry import SINGLE_VARIANT, Port
from training import checkpoints

Arrays = dict[str, npt.NDArray[np.float32]]

TOLERANCE = 1e-4
"""Largest difference between torch and ONNX Runtime at any output."""


@dataclass(frozen=True)
class Network:
    """What a recipe says of its network.

    module: its source, whose `build(**arguments)` makes what the recipe trains. variants: names for
    `with_variant`, from fast to good; none if there is but one. inputs, outputs: in the order of
    forward's arguments and results. size_multiple: of height and width. working_size: longer side.
    origins: networks that it started or learned from, each with its licence, and limits: what it
    is known to do badly; both for the card.
    """

    module: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    size_multiple: int
    working_size: int
    arguments: Mapping[str, Any] = field(default_factory=dict)
    variants: tuple[str, ...] = ()
    version: str = "1"
    licence: str = "Apache-2.0"
    tolerance: float = TOLERANCE
    origins: tuple[str, ...] = ()
    limits: str = ""

    def built(self, state: Mapping[str, Tensor]) -> nn.Module:
        """The network with weights, for inference."""
        model: nn.Module = importlib.import_module(self.module).build(**self.arguments)
        missing, surplus = model.load_state_dict(dict(state), strict=False)
        if surplus or not all(is_counter(name) for name in missing):
            raise ValueError(f"{self.module} and the weights differ: {missing}, {surplus}")
        return model.eval()

    def variant(self, model: nn.Module, name: str) -> nn.Module:
        """The module of a variant."""
        chosen: nn.Module = model.with_variant(name) if self.variants else model  # type: ignore[operator]
        return chosen.eval()

    def example(self, count: int, height: int, width: int, seed: int = 0) -> Arrays:
        """Random inputs within their ranges, 0 to 1 for a free one."""
        generator = np.random.default_rng(seed)
        return {
            port.name: generator.uniform(
                *(port.range or (0, 1)), (count, port.channels, height, width)
            ).astype(np.float32)
            for port in self.inputs
        }


def export(name: str, network: Network, run: Path, to: Path) -> dict[str, float]:
    """Writes NAME.safetensors, the graphs and NAME.json; returns each variant's largest difference.

    run: folder of a training. Raises ArithmeticError where torch and ONNX Runtime differ by more
    than the tolerance; then nothing is written.
    """
    from training.graphs import graph  # here, as a training machine has nothing of ONNX

    state = {
        key: value
        for key, value in checkpoints.load(run, checkpoints.WEIGHTS)[0].items()
        if not is_counter(key)
    }
    weights = save(state)
    model = network.built({key: value.float() for key, value in state.items()})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / f"{name}.safetensors").write_bytes(weights)
        differences, variants = {}, {}
        for variant in network.variants or (SINGLE_VARIANT,):
            path = folder / (f"{name}.{variant}.onnx" if network.variants else f"{name}.onnx")
            chosen = network.variant(model, variant)
            path.write_bytes(graph(chosen, network, weights, f"{name}.safetensors"))
            differences[variant] = difference(chosen, network, path)
            if not differences[variant] <= network.tolerance:
                raise ArithmeticError(
                    f"{name} {variant}: torch and ONNX Runtime differ by {differences[variant]:.2g}"
                )
            variants[variant] = {"graph": path.name, "memory": memory(network, path)}
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    to.mkdir(parents=True, exist_ok=True)
    about = _descriptor(name, network, files, variants)
    for file, data in {**files, f"{name}.json": about}.items():
        part = to / f"{file}.part"
        part.write_bytes(data)
        part.replace(to / file)
    (run / "export.json").write_text(json.dumps(differences), encoding="utf-8")
    return differences


def difference(model: nn.Module, network: Network, path: Path) -> float:
    """The largest difference at any output between torch and ONNX Runtime, at three sizes."""
    from training.memory import session_of

    session = session_of(path)
    side, work = network.size_multiple, network.working_size
    largest = 0.0
    for seed, size in enumerate([(1, side, side), (2, 2 * side, 3 * side), (1, work, work)]):
        example = network.example(*size, seed=seed)
        with torch.inference_mode():
            expected = model(*(torch.from_numpy(array) for array in example.values()))
        found = session.run([port.name for port in network.outputs], example)
        for port, ours, theirs in zip(network.outputs, _tensors(expected), found, strict=True):
            _check_shape(port, example, theirs)
            largest = max(largest, float(np.abs(ours.numpy() - theirs).max()))
    return largest


def memory(network: Network, path: Path) -> dict[str, int]:
    """Bytes of the loaded network and bytes per input pixel, measured in a process of its own."""
    channels = {port.name: port.channels for port in network.inputs}
    command = [sys.executable, "-m", "training.memory", str(path), json.dumps(channels)]
    sizes = [str(network.working_size), str(4 * network.working_size)]
    root = Path(__file__).resolve().parents[1]
    output = subprocess.run(
        [*command, *sizes], check=True, capture_output=True, text=True, cwd=root
    ).stdout
    measured: dict[str, int] = json.loads(output)
    return measured


def is_counter(name: str) -> bool:
    """Whether a state_dict entry only counts training steps."""
    return name.endswith("num_batches_tracked")


def _descriptor(
    name: str, network: Network, files: Mapping[str, bytes], variants: Mapping[str, Any]
) -> bytes:
    """What `models.registry` reads."""
    about = {
        "name": name,
        "version": network.version,
        "role": name,
        "licence": network.licence,
        "module": network.module,
        "arguments": dict(network.arguments),
        "weights": f"{name}.safetensors",
        "files": {file: hashlib.sha256(data).hexdigest() for file, data in files.items()},
        "variants": dict(variants),
        "inputs": [asdict(port) for port in network.inputs],
        "outputs": [asdict(port) for port in network.outputs],
        "size_multiple": network.size_multiple,
        "working_size": network.working_size,
        "precision": "float16 weights, float32 arithmetic",
        "tolerance": network.tolerance,
        "card": f"../cards/{name}.md",
    }
    return (json.dumps(about, indent=1) + "\n").encode()


def _tensors(result: Tensor | tuple[Tensor, ...]) -> Iterator[Tensor]:
    yield from (result,) if isinstance(result, Tensor) else result


def _check_shape(port: Port, example: Arrays, found: npt.NDArray[np.float32]) -> None:
    count, _, height, width = next(iter(example.values())).shape
    expected = (count, port.channels, height // port.stride, width // port.stride)
    if found.shape != expected:
        raise ValueError(f"{port.name} is {found.shape}, the recipe says {expected}")
