"""Networks that do one plain thing each, so that what an operation makes of it can be told."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ipc import paths

STRIDE = 4
"""Of harmonize-composite's outputs."""
IDENTITY = np.eye(3, 4)


def red_is_subject() -> None:
    """Select-subject finds what is clearly redder than green and blue are on average."""
    weight = np.float32([40, -20, -20]).reshape(1, 3, 1, 1)
    nodes = [
        helper.make_node("Conv", ["image", "weight", "bias"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["subject"]),
    ]
    arrays = {"weight": weight, "bias": np.float32([-10])}
    _write("select-subject", nodes, arrays, inputs={"image": 3}, outputs={"subject": (1, 1)})


def one_change(maps: Any = IDENTITY, blend: float = 1.0, outside: float = 0.0) -> None:
    """Harmonize-composite changes all colours alike.

    maps: 3 x 4. outside: what is added to all twelve numbers of cells that lie outside the mask.
    """
    cells = {"strides": [STRIDE] * 2, "kernel_shape": [STRIDE] * 2}
    arrays = {
        "spread": np.full((12, 1, 1, 1), -outside, np.float32),
        "maps": np.float32(maps).reshape(12) + np.float32(outside),
        "much": np.float32(1e9),
        "low": np.float32(0),
        "high": np.float32(1),
        "none": np.zeros((1, 1, 1, 1), np.float32),
        "blends": np.float32([blend]),
    }
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["grey"], axes=[1]),
        helper.make_node("Conv", ["grey", "none"], ["nothing"]),
        helper.make_node("Add", ["mask", "nothing"], ["inside"]),
        helper.make_node("AveragePool", ["inside"], ["cells"], **cells),
        helper.make_node("Mul", ["cells", "much"], ["large"]),
        helper.make_node("Clip", ["large", "low", "high"], ["touched"]),
        helper.make_node("Conv", ["touched", "spread", "maps"], ["transform"]),
        helper.make_node("Conv", ["cells", "none", "blends"], ["blend"]),
    ]
    inputs = {"image": 3, "mask": 1}
    outputs = {"transform": (12, STRIDE), "blend": (1, STRIDE)}
    _write("harmonize-composite", nodes, arrays, inputs=inputs, outputs=outputs)


def _write(
    role: str,
    nodes: Sequence[NodeProto],
    arrays: dict[str, np.ndarray],
    *,
    inputs: dict[str, int],
    outputs: dict[str, tuple[int, int]],
) -> None:
    """The network as the user's own for its role; outputs: channels and stride by name."""

    def port(name: str, channels: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, None, None])

    graph = helper.make_graph(
        list(nodes),
        role,
        [port(name, channels) for name, channels in inputs.items()],
        [port(name, channels) for name, (channels, _) in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    data = model.SerializeToString()
    folder: Path = paths.home() / "models"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{role}.onnx").write_bytes(data)
    memory = {"fixed": 1000, "per_pixel": 100}
    descriptor = {
        "name": "simple",
        "version": "1",
        "role": role,
        "licence": "Apache-2.0",
        "module": None,
        "arguments": {},
        "weights": None,
        "files": {f"{role}.onnx": hashlib.sha256(data).hexdigest()},
        "variants": {"full": {"graph": f"{role}.onnx", "memory": memory}},
        "inputs": [{"name": n, "channels": c, "range": [0, 1]} for n, c in inputs.items()],
        "outputs": [
            {"name": name, "channels": channels, "range": None, "stride": stride}
            for name, (channels, stride) in outputs.items()
        ],
        "size_multiple": 32,
        "working_size": 128,
        "precision": "float32",
        "tolerance": 1e-4,
        "card": None,
    }
    (folder / f"{role}.json").write_text(json.dumps(descriptor))
