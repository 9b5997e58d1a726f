"""What ships: the graph of each variant runs as the torch network does, with the weights once."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256

import numpy as np
import onnx
import pytest
import torch

from engine import runtime
from models import registry
from tests.training import reddest
from training import checkpoints, export, memory

NETWORK = reddest.network(reddest.Config())


def test_the_files_and_their_descriptor(exported, trained):
    descriptor = registry.read(exported / "reddest.json")

    assert {path.name for path in exported.iterdir()} == {*descriptor.files, "reddest.json"}
    assert set(descriptor.files) == {
        "reddest.safetensors", "reddest.0.5.onnx", "reddest.1.0.onnx"
    }  # fmt: skip
    for file, digest in descriptor.files.items():
        assert sha256((exported / file).read_bytes()).hexdigest() == digest
    assert [variant.name for variant in descriptor.variants] == ["0.5", "1.0"]
    assert (descriptor.size_multiple, descriptor.working_size) == (4, 16)
    differences = json.loads((trained / "export.json").read_text())
    assert differences.keys() == {"0.5", "1.0"}
    assert max(differences.values()) <= descriptor.tolerance


@pytest.mark.parametrize("variant", ["0.5", "1.0"])
def test_the_runtime_gives_what_torch_gives(exported, variant):
    descriptor = registry.read(exported / "reddest.json")
    image = NETWORK.example(2, 20, 36, seed=3)

    ours = runtime.load(descriptor, variant, on="cpu").run(image)["red"]
    theirs = runtime.torch_network(descriptor, variant).run(image)["red"]

    assert ours.shape == (2, 1, 20, 36)
    assert np.abs(ours - theirs).max() <= descriptor.tolerance
    assert np.ptp(ours) > 0.1


def test_variants_differ(exported):
    descriptor = registry.read(exported / "reddest.json")
    image = NETWORK.example(1, 16, 16)
    narrow, wide = (
        runtime.load(descriptor, variant, on="cpu").run(image)["red"] for variant in ("0.5", "1.0")
    )

    assert np.abs(narrow - wide).max() > 0.01


def test_a_graph_is_a_plain_onnx_file_without_weights(exported):
    path = exported / "reddest.1.0.onnx"
    bare = onnx.load(path, load_external_data=False)
    outside = {tensor.name for tensor in bare.graph.initializer if tensor.external_data}

    onnx.checker.check_model(path)
    session = memory.session_of(path)
    found = session.run(None, NETWORK.example(3, 8, 12))[0]

    assert outside == {
        "stem.weight", "head.weight", "head.bias",
        *(f"norms.1.{name}" for name in ("weight", "bias", "running_mean", "running_var")),
    }  # fmt: skip
    assert found.shape == (3, 1, 8, 12)
    assert b"/tests/" not in path.read_bytes()


def test_networks_of_one_variant_export_to_the_same_bytes_each_time(trained, tmp_path):
    for folder in (tmp_path / "a", tmp_path / "b"):
        shutil.copytree(trained, tmp_path / "run", dirs_exist_ok=True)
        export.export("reddest", replace(NETWORK, variants=()), tmp_path / "run", folder)

    files = ["reddest.onnx", "reddest.safetensors"]
    a, b = ([(tmp_path / folder / file).read_bytes() for file in files] for folder in "ab")
    assert a == b
    assert list(json.loads((tmp_path / "a/reddest.json").read_text())["variants"]) == ["full"]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"tolerance": -1.0}, ArithmeticError, "differ by"),
        ({"arguments": {"channels": 4}}, RuntimeError, "size mismatch"),
        ({"outputs": (registry.Port("red", 1, stride=2),)}, ValueError, "the recipe says"),
    ],
)
def test_what_does_not_fit_is_not_written(trained, tmp_path, changes, error, words):
    with pytest.raises(error, match=words):
        export.export("reddest", replace(NETWORK, **changes), trained, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_network_are_refused(tmp_path):
    other = torch.nn.Conv2d(3, 1, 1)
    checkpoints.save(tmp_path, "weights", checkpoints.half(other.state_dict()), {})
    with pytest.raises(ValueError, match="differ"):
        export.export("reddest", NETWORK, tmp_path, tmp_path / "to")


def test_memory_grows_with_the_picture(exported):
    measured = export.memory(replace(NETWORK, working_size=256), exported / "reddest.1.0.onnx")

    planes = 3 + 8 + 1
    assert planes * 4 / 2 < measured["per_pixel"] < planes * 4 * 4
    assert 0 < measured["fixed"] < 100 << 20
