"""A rented machine has torch, numpy, Pillow, OpenCV, scikit-image and safetensors, no more."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
ABSENT = [
    "ai_edge_litert", "cairosvg", "imagecodecs", "onnx", "onnx_ir", "onnxruntime", "onnxscript",
    "psutil", "tifffile", "zmq",
]  # fmt: skip
RECIPES = [
    path.stem
    for path in sorted((REPOSITORY / "training").glob("*.py"))
    if re.search(r"^NAME = ", path.read_text(encoding="utf-8"), re.M)
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_trains_without_what_is_not_there(recipe):
    without = f"import sys; sys.modules.update(dict.fromkeys({ABSENT}))"
    work = f"from training import __main__, {recipe}; {recipe}.network({recipe}.Config())"

    done = subprocess.run(
        [sys.executable, "-c", f"{without}; {work}"],
        cwd=REPOSITORY, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
