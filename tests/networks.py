"""A small slimmable network with everything a real one has: torch source, graphs, weights, card."""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save
from torch import nn
from torch.nn import functional

WIDTHS = {"0.5": 4, "1.0": 8}
"""Channels by variant."""
STRIDE = 4


class Tiny(nn.Module):
    """Two convolutions; the first has `channels` of its channels in use."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.head = nn.Conv2d(8, 1, 3, stride=2, padding=1)
        self.channels = channels

    def with_variant(self, name: str) -> "Tiny":
        other = Tiny(WIDTHS[name])
        other.load_state_dict(self.state_dict())
        return other

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        n = self.channels
        x = functional.conv2d(image, self.stem.weight[:n], self.stem.bias[:n], 2, 1).relu()
        cells = functional.conv2d(x, self.head.weight[:, :n], self.head.bias, 2, 1).sigmoid()
        return functional.interpolate(cells, scale_factor=STRIDE, mode="nearest"), cells


def build() -> Tiny:
    return Tiny()


def write(folder: Path, role: str = "select-subject", **changes: Any) -> Path:
    """The network's files; returns the descriptor. changes: of the descriptor's fields."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    state = {name: value.half() for name, value in build().state_dict().items()}
    files = {"tiny.safetensors": save(state)}
    for variant, channels in WIDTHS.items():
        graph = _graph(state, channels, files["tiny.safetensors"])
        files[f"tiny.{variant}.onnx"] = graph.SerializeToString()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    memory = {"fixed": 1000, "per_pixel": 100}
    descriptor = {
        "name": "tiny",
        "version": "1",
        "role": role,
        "licence": "Apache-2.0",
        "module": "tests.networks",
        "arguments": {},
        "weights": "tiny.safetensors",
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "variants": {w: {"graph": f"tiny.{w}.onnx", "memory": memory} for w in WIDTHS},
        "inputs": [{"name": "image", "channels": 3, "range": [0, 1]}],
        "outputs": [
            {"name": "subject", "channels": 1, "range": [0, 1], "stride": 1},
            {"name": "cells", "channels": 1, "range": [0, 1], "stride": STRIDE},
        ],
        "size_multiple": 8,
        "working_size": 64,
        "precision": "float16 weights, float32 arithmetic",
        "tolerance": 1e-5,
        "card": None,
        **changes,
    }
    path = folder / f"{role}.json"
    path.write_text(json.dumps(descriptor))
    return path


def whole_graph(*, channels_in: int = 3, output: str = "subject", inside: bool = True) -> bytes:
    """A complete ONNX file as a user would bring it, with cells of two pixels.

    inside: whether it holds its weights.
    """
    weight = torch.linspace(-1, 1, channels_in * 9).reshape(1, channels_in, 3, 3).numpy()
    tensor = numpy_helper.from_array(weight, "w")
    if not inside:
        _set_outside(tensor, "elsewhere.bin", 0, weight.nbytes)
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["x"], pads=[1] * 4),
        helper.make_node("Sigmoid", ["x"], [output]),
        helper.make_node("MaxPool", [output], ["cells"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    return _model(nodes, [tensor], {output: 1, "cells": 1}, channels_in).SerializeToString()


def _graph(state: dict[str, torch.Tensor], channels: int, weights: bytes) -> onnx.ModelProto:
    length = struct.unpack("<Q", weights[:8])[0]
    places = json.loads(weights[8 : 8 + length])
    tensors, nodes = [], []
    for name, value in state.items():
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT16, dims=value.shape)
        begin, end = places[name]["data_offsets"]
        _set_outside(tensor, "tiny.safetensors", 8 + length + begin, end - begin)
        tensors.append(tensor)
        nodes.append(helper.make_node("Cast", [name], [f"{name}.f32"], to=TensorProto.FLOAT))
    for name, value in (("zero", [0]), ("n", [channels]), ("first", [0]), ("second", [1])):
        tensors.append(helper.make_tensor(name, TensorProto.INT64, [1], value))
    tensors.append(helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, STRIDE, STRIDE]))
    slices = [
        ("stem.weight.f32", "first", "w1"),
        ("stem.bias.f32", "first", "b1"),
        ("head.weight.f32", "second", "w2"),
    ]
    nodes += [helper.make_node("Slice", [x, "zero", "n", axis], [y]) for x, axis, y in slices]
    step = {"strides": [2, 2], "pads": [1] * 4}
    nodes += [
        helper.make_node("Conv", ["image", "w1", "b1"], ["x1"], **step),
        helper.make_node("Relu", ["x1"], ["x2"]),
        helper.make_node("Conv", ["x2", "w2", "head.bias.f32"], ["x3"], **step),
        helper.make_node("Sigmoid", ["x3"], ["cells"]),
        helper.make_node(
            "Resize",
            ["cells", "", "scales"],
            ["subject"],
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        ),
    ]
    return _model(nodes, tensors, {"subject": 1, "cells": 1}, 3)


def _model(
    nodes: list[onnx.NodeProto],
    tensors: list[TensorProto],
    outputs: dict[str, int],
    channels_in: int,
) -> onnx.ModelProto:
    def port(name: str, channels: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, None, None])

    ends = [port(name, channels) for name, channels in outputs.items()]
    graph = helper.make_graph(nodes, "tiny", [port("image", channels_in)], ends, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _set_outside(tensor: TensorProto, location: str, offset: int, length: int) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
