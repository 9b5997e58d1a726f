"""Memory that a network's graph takes, measured in a process of its own without torch (Linux).

`python -m training.memory GRAPH '{"image": 3}' SIZE...` prints JSON: fixed, the bytes of the loaded
network, and per_pixel, the bytes that a run adds per input pixel.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np


def session_of(path: Path) -> Any:
    """An ONNX Runtime session on one thread of the CPU, with memory given back after each run."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def measure(path: Path, channels: dict[str, int], sizes: list[int]) -> dict[str, int]:
    """Bytes fixed and per pixel; the larger figure of the square sizes' runs."""
    import onnxruntime  # noqa: F401, its own memory is no network's

    before = resident("VmRSS")
    session = session_of(path)
    loaded = resident("VmRSS")
    per_pixel = 0.0
    for size in sizes:
        inputs = {
            name: np.full((1, count, size, size), 0.5, np.float32)
            for name, count in channels.items()
        }
        start = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # sets the highest mark anew
        session.run(None, inputs)
        per_pixel = max(per_pixel, (resident("VmHWM") - start) / size**2)
    return {"fixed": max(loaded - before, 0), "per_pixel": round(per_pixel)}


def resident(field: str) -> int:
    """Bytes of this process in memory: VmRSS now, VmHWM at most."""
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    if found is None:
        raise OSError(f"the system does not tell {field}")
    return int(found[1]) << 10


if __name__ == "__main__":
    arguments = sys.argv[1:]
    print(
        json.dumps(
            measure(Path(arguments[0]), json.loads(arguments[1]), [int(n) for n in arguments[2:]])
        )
    )
