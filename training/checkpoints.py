"""What a training leaves behind: weights that ship, and the state from which it can go on.

Both are safetensors in shards of at most 16 MiB, so that they come back from a rented machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

SHARD = 16 << 20
"""Bytes of the largest file."""
HEADER = 1 << 17
"""Bytes kept free in a shard for its header."""
WEIGHTS, CHECKPOINT = "weights", "checkpoint"


def save(folder: Path, stem: str, tensors: Mapping[str, Tensor], about: dict[str, Any]) -> None:
    """Writes tensors and what is said about them as STEM-1.safetensors and on.

    Older shards of the stem are replaced. A tensor may not be larger than a shard.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = list(_shards(tensors))
    metadata = {"about": json.dumps({**about, "shards": len(parts)})}
    written = []
    for number, part in enumerate(parts, 1):
        written.append(folder / f"{stem}-{number}.safetensors")
        save_file(part, written[-1].with_suffix(".part"), metadata)
    for path in written:
        path.with_suffix(".part").replace(path)
    for path in set(shard_paths(folder, stem)) - set(written):
        path.unlink()


def load(folder: Path, stem: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and what was said about them.

    Raises FileNotFoundError if there are none, ValueError if the shards are not of one write.
    """
    paths = shard_paths(folder, stem)
    if not paths:
        raise FileNotFoundError(f"no {stem}-*.safetensors in {folder}")
    tensors: dict[str, Tensor] = {}
    said = []
    for path in paths:
        with safe_open(path, "pt") as shard:
            said.append(json.loads(shard.metadata()["about"]))
            tensors.update({name: shard.get_tensor(name) for name in shard.keys()})  # noqa: SIM118
    if any(about != said[0] for about in said) or len(paths) != said[0]["shards"]:
        raise ValueError(f"the shards of {stem} in {folder} are not of one write")
    return tensors, said[0]


def shard_paths(folder: Path, stem: str) -> list[Path]:
    """The files of a stem, in the order of their numbers."""
    return sorted(folder.glob(f"{stem}-*.safetensors"), key=lambda path: (len(path.name), path))


def half(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state_dict as it ships: on the CPU, floats as fp16. Raises ValueError if one overflows."""
    halved = {name: _as(tensor, torch.float16) for name, tensor in state.items()}
    for name, tensor in halved.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} has values that are not finite as fp16")
    return halved


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's tensors, as bf16 where they have the shape of their parameter."""
    return {
        f"optimizer.{index}.{key}": _as(value, torch.bfloat16 if value.ndim else value.dtype)
        for index, parameter in enumerate(_parameters(optimizer))
        for key, value in optimizer.state[parameter].items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Puts back what `optimizer_tensors` gave, in the parameters' layout and precision."""
    parameters = _parameters(optimizer)
    for name, tensor in tensors.items():
        if not name.startswith("optimizer."):
            continue
        _, index, key = name.split(".", 2)
        parameter = parameters[int(index)]
        if tensor.shape == parameter.shape and tensor.ndim:
            optimizer.state[parameter][key] = torch.empty_like(parameter.detach()).copy_(tensor)
        else:
            on_device = any(
                group.get("fused") or group.get("capturable") for group in optimizer.param_groups
            )
            optimizer.state[parameter][key] = tensor.to(parameter.device) if on_device else tensor


def module_tensors(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    """A module's state_dict on the CPU, every name with the prefix."""
    return {f"{prefix}.{name}": _as(value, None) for name, value in module.state_dict().items()}


def restore_module(prefix: str, module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Puts back what `module_tensors` gave; a difference in names or shapes is an error."""
    start = prefix + "."
    module.load_state_dict(
        {name[len(start) :]: value for name, value in tensors.items() if name.startswith(start)}
    )


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _as(tensor: Tensor, kind: torch.dtype | None) -> Tensor:
    """A copy on the CPU, row-major; floats in the given type, which None leaves as it is."""
    kind = kind if kind and tensor.is_floating_point() else tensor.dtype
    return tensor.detach().to("cpu", kind).clone(memory_format=torch.contiguous_format)


def _shards(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The tensors in their order, in parts that fit a shard."""
    part: dict[str, Tensor] = {}
    size = 0
    for name, tensor in tensors.items():
        if tensor.nbytes > SHARD - HEADER:
            raise ValueError(f"{name} alone is larger than a shard")
        if size + tensor.nbytes > SHARD - HEADER:
            yield part
            part, size = {}, 0
        part[name] = tensor
        size += tensor.nbytes
    yield part
