"""Networks run: loading, padding, memory, cache, and torch and ONNX Runtime giving the same."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine import runtime
from engine.job import Cache
from ipc.errors import LimnerError
from models import registry
from tests import networks

HEAVY = "{'torch', 'onnxruntime', 'onnx'} & set(sys.modules)"
EVERY = [
    pytest.param(descriptor, variant.name, id=f"{descriptor.name}-{variant.name}")
    for descriptor in registry.networks()
    for variant in descriptor.variants
]


@pytest.fixture(autouse=True)
def no_network_loaded(monkeypatch: pytest.MonkeyPatch) -> Cache:
    cache = Cache(1 << 20)
    monkeypatch.setattr(runtime, "_loaded", cache)
    return cache


@pytest.fixture
def own_folder(own_home: Path) -> Path:
    """The user's networks; one for select-subject is there."""
    networks.write(own_home / "models")
    return own_home / "models"


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).random(shape, np.float32)


def picture_inputs(descriptor: registry.Descriptor, height: int, width: int) -> dict:
    return {p.name: noise(1, p.channels, height, width) for p in descriptor.inputs}


def code_of(call, *arguments) -> LimnerError:
    with pytest.raises(LimnerError) as caught:
        call(*arguments)
    return caught.value


@pytest.mark.parametrize("module", ["engine", "engine.runtime", "models.registry", "engine.worker"])
def test_importing_loads_neither_torch_nor_onnxruntime(module):
    code = f"import sys, {module}\nassert not {HEAVY}, {HEAVY}"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("variant", networks.WIDTHS)
def test_a_user_network_gives_what_its_torch_source_gives(own_folder, variant):
    image = noise(2, 3, 64, 40)

    found = runtime.network("select-subject", variant).run({"image": image})

    descriptor = registry.find("select-subject", own_folder)
    expected = runtime.torch_network(descriptor, variant).run({"image": image})
    assert found.keys() == {"subject", "cells"}
    for name, values in found.items():
        assert values.dtype == np.float32
        assert np.abs(values - expected[name]).max() <= descriptor.tolerance
    assert found["subject"].std() > 0.001


def test_variants_differ(own_folder):
    image = noise(1, 3, 64, 64)

    slim, wide = (
        runtime.network("select-subject", width).run({"image": image})["subject"]
        for width in networks.WIDTHS
    )

    assert np.abs(slim - wide).max() > 0.001


@pytest.mark.parametrize("variant", ["1.0", None])
def test_without_a_choice_the_best_variant_runs(own_folder, variant):
    network = runtime.network("select-subject", variant)

    assert network.identity == {
        "name": "tiny",
        "version": "1",
        "digest": registry.find("select-subject", own_folder).digest,
        "variant": "1.0",
        "provider": runtime.device(),
    }


@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 8), (9, 23), (64, 40), (3, 100)])
def test_any_size_is_padded_by_its_edges_and_cropped(own_folder, height, width):
    image = noise(1, 3, height, width)
    network = runtime.network("select-subject")

    found = network.run({"image": image})

    more = ((0, 0), (0, 0), (0, -height % 8), (0, -width % 8))
    whole = network.run({"image": np.pad(image, more, mode="edge")})
    rows, columns = -(-height // networks.STRIDE), -(-width // networks.STRIDE)
    assert found["subject"].shape == (1, 1, height, width)
    assert found["cells"].shape == (1, 1, rows, columns)
    assert (found["subject"] == whole["subject"][:, :, :height, :width]).all()
    assert (found["cells"] == whole["cells"][:, :, :rows, :columns]).all()


def test_values_out_of_range_are_moved_into_it(own_folder):
    image = noise(1, 3, 16, 16) * 3 - 1
    image[0, 0, :4, 0] = (np.nan, np.inf, -np.inf, 70000)
    network = runtime.network("select-subject")

    found = network.run({"image": image})["subject"]

    image[0, 0, :4, 0] = (0, 1, 0, 1)
    assert (found == network.run({"image": np.clip(image, 0, 1)})["subject"]).all()


def test_a_gpu_without_its_libraries_is_passed_over_in_silence(capfd):
    session = runtime.onnx_session(networks.whole_graph(), {}, "cuda")

    assert session.get_providers()[-1] == "CPUExecutionProvider"
    assert session.run(["subject"], {"image": noise(1, 3, 8, 8)})[0].shape == (1, 1, 8, 8)
    assert capfd.readouterr() == ("", "")


def test_inputs_of_unequal_shapes_are_refused(own_folder):
    with pytest.raises(ValueError, match="image is"):
        runtime.network("select-subject").run({"image": noise(1, 4, 16, 16)})


def test_same_bytes_every_time(own_folder):
    image = noise(1, 3, 160, 96)

    runs = [
        runtime.load(registry.find("select-subject", own_folder), "1.0").run({"image": image})
        for _ in range(3)
    ]

    assert len({found["subject"].tobytes() for found in runs}) == 1


@pytest.mark.parametrize("file", ["tiny.safetensors", "tiny.1.0.onnx"])
def test_a_file_altered_by_one_byte_is_refused(own_folder, file):
    data = bytearray((own_folder / file).read_bytes())
    data[-2] ^= 1
    (own_folder / file).write_bytes(data)

    error = code_of(runtime.network, "select-subject")

    assert error.code == "damaged-network"
    assert file in error.sentence
    assert "limner models remove" in error.next_step


def test_a_missing_file_is_told(own_folder):
    (own_folder / "tiny.safetensors").unlink()

    assert code_of(runtime.network, "select-subject").code == "damaged-network"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"name": 3', '{"variants": []}'])
def test_a_descriptor_that_makes_no_sense_is_told(own_folder, text):
    (own_folder / "select-subject.json").write_text(text)

    assert code_of(runtime.network, "select-subject").code == "damaged-network"


def test_a_built_in_file_that_is_altered_asks_for_a_new_installation(tmp_path, monkeypatch):
    networks.write(tmp_path)
    monkeypatch.setattr(registry, "BUILT_IN", tmp_path)
    (tmp_path / "tiny.1.0.onnx").write_bytes(b"something else")

    error = code_of(runtime.network, "select-subject")

    assert error.code == "damaged-network"
    assert error.next_step.startswith("Install Limner anew")


def test_an_unknown_role_or_variant_is_told_with_those_that_are_known(own_folder):
    assert code_of(runtime.network, "fly").code == "unknown-network"
    error = code_of(runtime.network, "select-subject", "0.1")
    assert error.code == "unknown-network"
    assert "0.5, 1.0" in error.sentence


def test_a_single_variant_serves_every_choice(own_home):
    path = networks.write(own_home / "models")
    data = json.loads(path.read_text())
    data["variants"] = {"full": data["variants"]["0.5"]}
    path.write_text(json.dumps(data))

    assert runtime.network("select-subject", "0.25").variant.name == "full"


def test_too_large_a_run_is_refused_with_the_numbers(own_folder, monkeypatch):
    monkeypatch.setenv("LIMNER_MEMORY", "1")
    network = runtime.network("select-subject")

    assert network.run({"image": noise(1, 3, 64, 64)})  # 0.4 MB
    error = code_of(network.run, {"image": noise(1, 3, 120, 120)})  # 1.44 MB

    assert error.code == "too-large"
    assert "0.01 megapixels" in error.sentence
    assert "tiny" in error.sentence


@pytest.mark.skipif(sys.platform != "linux", reason="memory can be limited on Linux only")
def test_a_run_that_finds_no_memory_is_told_in_words(own_folder):
    """ONNX Runtime itself fails: the limit leaves room for the input, not for the run."""
    code = """
import resource, numpy, psutil
from engine import runtime
from ipc.errors import LimnerError
network = runtime.network("select-subject")
image = numpy.zeros((1, 3, 2048, 2048), numpy.float32)
network.run({"image": image[:, :, :64, :64]})
limit = psutil.Process().memory_info().vms + (75 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    network.run({"image": image})
except LimnerError as error:
    print(error.code)
"""
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "too-large"


def test_a_network_is_loaded_once(own_folder):
    first = runtime.network("select-subject", "0.5")

    assert runtime.network("select-subject", "0.5") is first
    assert runtime.network("select-subject", "1.0") is not first


def test_the_network_not_used_for_longest_is_unloaded_first(own_folder, monkeypatch):
    monkeypatch.setattr(runtime, "_loaded", Cache(1500))  # each says 1000
    slim = runtime.network("select-subject", "0.5")

    wide = runtime.network("select-subject", "1.0")

    assert runtime.network("select-subject", "1.0") is wide
    assert runtime.network("select-subject", "0.5") is not slim


def test_a_replaced_network_is_loaded_anew(own_home, own_folder):
    before = runtime.network("select-subject")
    networks.write(own_home / "models", name="other")

    assert runtime.network("select-subject").descriptor.name == "other"
    assert before.descriptor.name == "tiny"


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="torch is not installed")
@pytest.mark.parametrize(("descriptor", "variant"), EVERY)
def test_every_network_gives_the_same_from_torch_and_onnx_runtime(descriptor, variant):
    side = 2 * descriptor.size_multiple
    inputs = picture_inputs(descriptor, side, side + descriptor.size_multiple)

    expected = runtime.torch_network(descriptor, variant).run(inputs)
    found = runtime.load(descriptor, variant, on="cpu").run(inputs)

    for port in descriptor.outputs:
        assert found[port.name].shape == expected[port.name].shape
        assert found[port.name].shape[1] == port.channels
        assert np.abs(found[port.name] - expected[port.name]).max() <= descriptor.tolerance


@pytest.mark.parametrize("descriptor", registry.networks(), ids=lambda d: d.name)
def test_every_network_is_complete(descriptor):
    for file in descriptor.files:
        descriptor.read(file)
    assert descriptor.card is not None
    assert (descriptor.folder / descriptor.card).is_file()
    assert {variant.graph for variant in descriptor.variants} <= descriptor.files.keys()
    assert descriptor.size_on_disk < 12e6
    assert all(variant.fixed_bytes > 0 < variant.bytes_per_pixel for variant in descriptor.variants)
