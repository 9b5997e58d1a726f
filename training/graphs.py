"""ONNX graphs of torch networks, whose weights lie in the safetensors file beside them."""

from __future__ import annotations

import json
import struct
import warnings

import onnx
import onnx_ir
import torch
from onnx import TensorProto, helper
from onnx_ir.passes.common import RemoveUnusedNodesPass
from onnxscript import optimizer
from torch import nn

from training.export import Network

OPSET = 18


def graph(model: nn.Module, network: Network, weights: bytes, location: str) -> bytes:
    """The ONNX graph of a module, its weights external.

    Batch, height and width are free. weights: the safetensors file of its state_dict, at location.
    """
    side = network.size_multiple
    example = network.example(2, 3 * side, 4 * side)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about torch's insides
        program = torch.onnx.export(
            model,
            tuple(torch.from_numpy(array) for array in example.values()),
            dynamo=True,
            input_names=list(example),
            output_names=[port.name for port in network.outputs],
            dynamic_shapes=tuple({0: "n", 2: "h", 3: "w"} for _ in example),
            opset_version=OPSET,
            optimize=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("the exporter gave nothing")
    names = set(model.state_dict())
    optimizer.inline(program.model)
    optimizer.fold_constants_ir(
        program.model,
        should_fold=lambda node: (
            False
            if any(value is not None and value.name in names for value in node.inputs)
            else None
        ),
    )
    RemoveUnusedNodesPass()(program.model)
    proto = onnx_ir.to_proto(program.model)
    _strip(proto)
    _move_weights(proto, weights, location)
    return proto.SerializeToString(deterministic=True)


def _strip(proto: onnx.ModelProto) -> None:
    """Takes out what only tells how the graph came about, machine paths among it."""
    del proto.graph.value_info[:], proto.graph.metadata_props[:], proto.metadata_props[:]
    proto.ClearField("doc_string")
    proto.graph.ClearField("doc_string")
    for element in [*proto.graph.node, *proto.graph.input, *proto.graph.output]:
        del element.metadata_props[:]
        element.ClearField("doc_string")


def _move_weights(proto: onnx.ModelProto, weights: bytes, location: str) -> None:
    """Points the graph's initializers into the safetensors file and casts them to float32."""
    length = struct.unpack("<Q", weights[:8])[0]
    places = json.loads(weights[8 : 8 + length])
    casts = []
    for tensor in proto.graph.initializer:
        del tensor.metadata_props[:]
        if tensor.name not in places or places[tensor.name]["dtype"] != "F16":
            continue
        begin, end = places[tensor.name]["data_offsets"]
        tensor.ClearField("raw_data")
        tensor.data_type = TensorProto.FLOAT16
        tensor.data_location = TensorProto.EXTERNAL
        where = {"location": location, "offset": 8 + length + begin, "length": end - begin}
        for key, value in where.items():
            tensor.external_data.add(key=key, value=str(value))
        casts.append(
            helper.make_node("Cast", [tensor.name], [f"{tensor.name}.f32"], to=TensorProto.FLOAT)
        )
    moved = {cast.input[0]: cast.output[0] for cast in casts}
    for node in proto.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = moved.get(name, name)
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
