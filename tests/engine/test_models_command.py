"""`limner models` as a person meets it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from engine import models_command, runtime
from engine.cli import main
from engine.job import Cache
from ipc.errors import LimnerError
from models import registry
from tests import networks

ROLE = "select-subject"


@pytest.fixture(autouse=True)
def built_in(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of built-in networks with a single one."""
    folder = tmp_path_factory.mktemp("weights")
    networks.write(folder)
    monkeypatch.setattr(registry, "BUILT_IN", folder)
    monkeypatch.setattr(runtime, "_loaded", Cache(1 << 20))
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.onnx"
    path.write_bytes(networks.whole_graph())
    return path


def refused(call, *arguments) -> LimnerError:
    with pytest.raises(LimnerError) as caught:
        call(*arguments)
    return caught.value


def test_the_command_lists_what_is_there(capsys):
    assert main(["models", "list"]) == 0

    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "version", "role", "variants", "size", "licence", "from"]
    assert line.split() == ["tiny", "1", ROLE, "0.5", "1.0", "0.0", "MB", "Apache-2.0", "Limner"]


def test_help_loads_no_network_library():
    code = """
import sys
from engine.cli import main
try:
    main(["models", "--help"])
except SystemExit:
    pass
assert not {"torch", "onnxruntime", "numpy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_verify_compares_files_and_results(capsys):
    assert main(["models", "verify"]) == 0

    told = capsys.readouterr().out.splitlines()
    assert told[0] == "tiny 1 (built in): files as their digests say"
    assert [line.split(":")[0].strip() for line in told[1:]] == ["0.5", "1.0"]


def test_verify_tells_an_altered_file(built_in, capsys):
    weights = bytearray((built_in / "tiny.safetensors").read_bytes())
    weights[-1] ^= 1
    (built_in / "tiny.safetensors").write_bytes(weights)

    assert main(["models", "verify"]) == 1

    told = capsys.readouterr().out
    assert "tiny.safetensors" in told
    assert "WRONG" in told


def test_verify_tells_a_graph_that_computes_something_else(built_in, capsys):
    """Digests are right here, only the result is not: a graph of the other width."""
    networks.write(built_in, variants={
        width: {"graph": "tiny.0.5.onnx", "memory": {"fixed": 1, "per_pixel": 1}}
        for width in networks.WIDTHS
    })  # fmt: skip

    assert main(["models", "verify"]) == 1

    fine, wrong = capsys.readouterr().out.splitlines()[-2:]
    assert "WRONG" not in fine
    assert "1.0" in wrong
    assert wrong.endswith("WRONG")


def test_a_network_of_ones_own_replaces_the_built_in_one_until_it_is_removed(file, capsys):
    image = np.random.default_rng(2).random((1, 3, 40, 24), np.float32)
    built_in = runtime.network(ROLE).run({"image": image})["subject"]

    assert main(["models", "add", str(file), "--role", ROLE]) == 0
    assert f"limner models remove {ROLE}" in capsys.readouterr().out
    network = runtime.network(ROLE, "0.5")
    own = network.run({"image": image})["subject"]

    assert network.identity["name"] == "mine"
    assert own.shape == built_in.shape
    assert np.abs(own - built_in).max() > 0.01
    assert main(["models", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "mine"
    assert main(["models", "remove", ROLE]) == 0
    assert (runtime.network(ROLE).run({"image": image})["subject"] == built_in).all()


def test_adding_again_replaces_the_first(file, tmp_path):
    models_command.add(file, ROLE)
    other = tmp_path / "other.onnx"
    other.write_bytes(file.read_bytes())

    models_command.add(other, ROLE)

    assert runtime.network(ROLE).identity["name"] == "other"


def test_an_own_network_has_its_own_stride_and_memory(file):
    models_command.add(file, ROLE)

    network = runtime.network(ROLE)
    found = network.run({"image": np.zeros((1, 3, 9, 9), np.float32)})
    assert found["cells"].shape == (1, 1, 5, 5), "stride 2 where the built-in network has 4"
    assert network.variant.bytes_per_pixel >= 100


def altered(**changes) -> bytes:
    """The good file with something wrong."""
    model = onnx.load_from_string(networks.whole_graph(
        channels_in=changes.get("channels_in", 3), inside=changes.get("inside", True),
        output=changes.get("output", "subject"),
    ))  # fmt: skip
    if "fixed" in changes:
        for dimension, size in zip(model.graph.input[0].type.tensor_type.shape.dim[2:], (64, 48),
                                   strict=True):  # fmt: skip
            dimension.dim_value = size
    if changes.get("logits"):
        model.graph.node[1].op_type = "Neg"
    if changes.get("double"):
        model.graph.node.append(onnx.helper.make_node("Cast", ["y"], ["subject"], to=11))
        model.graph.node[1].output[0] = model.graph.node[2].input[0] = "y"
        model.graph.output[0].type.tensor_type.elem_type = 11
    if "pads" in changes:
        model.graph.node[0].attribute[0].ints[:] = changes["pads"]
    return model.SerializeToString()


UNFIT = {
    "no ONNX file": (lambda: b"this is none", "no ONNX file"),
    "weights elsewhere": (lambda: altered(inside=False), "weights inside"),
    "four channels in": (lambda: altered(channels_in=4), "batch × 3 × height × width"),
    "another output's name": (lambda: altered(output="mask"), "the role needs subject, cells"),
    "a fixed size": (lambda: altered(fixed=True), "64 × 48 pixels only"),
    "logits": (lambda: altered(logits=True), "sigmoid"),
    "doubles": (lambda: altered(double=True), "float32"),
    "an odd size out": (lambda: altered(pads=[0, 0, 0, 0]), "(1, 1, 62, 62)"),
}


@pytest.mark.parametrize("what", UNFIT)
def test_a_file_that_does_not_fit_the_role_is_refused_with_the_reason(tmp_path, own_home, what):
    make, words = UNFIT[what]
    (tmp_path / "bad.onnx").write_bytes(make())

    error = refused(models_command.add, tmp_path / "bad.onnx", ROLE)

    assert error.code == "bad-network"
    assert words in f"{error.sentence} {error.next_step}"
    assert not (own_home / "models").exists()
    assert runtime.network(ROLE).identity["name"] == "tiny"


def test_weights_that_lie_in_the_working_folder_are_outside_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere.bin").write_bytes(bytes(4 * 27))
    (tmp_path / "bad.onnx").write_bytes(networks.whole_graph(inside=False))

    error = refused(models_command.add, tmp_path / "bad.onnx", ROLE)

    assert "weights inside" in error.sentence


def test_what_is_not_there_is_told(file, tmp_path):
    assert refused(models_command.add, tmp_path / "none.onnx", ROLE).code == "missing-file"
    assert refused(models_command.remove, ROLE).code == "unknown-network"
    assert refused(models_command.remove, "../engine").code == "unknown-network"
    for role in ("fly", "../weights/select-subject"):
        error = refused(models_command.add, file, role)
        assert error.code == "unknown-network"
        assert ROLE in error.next_step


def test_a_damaged_own_network_can_be_removed(file, own_home, capsys):
    models_command.add(file, ROLE)
    (own_home / "models" / f"{ROLE}.json").write_text("nonsense")

    assert main(["models", "list"]) == 1
    assert main(["models", "remove", ROLE]) == 0
    assert main(["models", "list"]) == 0
    assert json.loads((registry.BUILT_IN / f"{ROLE}.json").read_text())["name"] == "tiny"


def test_doctor_checks_the_networks(built_in, capsys):
    main(["doctor"])
    assert "tiny 1 (built in): files as their digests say" in capsys.readouterr().out
    (built_in / "tiny.0.5.onnx").unlink()

    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert "tiny.0.5.onnx cannot be read" in told
    assert "Run on: " in told
