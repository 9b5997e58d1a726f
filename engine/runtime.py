"""Runs networks: from arrays to arrays, torch on a GPU, ONNX Runtime on the processor.

    network = runtime.network("select-subject", "0.5")
    subject = network.run({"image": image})["subject"]

Importing this module loads neither. On the processor the same input gives the same bytes.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import machine
from engine.job import Cache
from ipc import paths
from ipc.errors import LimnerError
from models import registry
from models.registry import DamagedNetworkError, Descriptor, Port, UnknownNetworkError

Floats = npt.NDArray[np.float32]
Run = Callable[[list[Floats]], list[Floats]]
"""From the inputs in the descriptor's order to the outputs in the descriptor's order."""

_loaded = Cache(machine.keep_budget())


class Network:
    """A network that is loaded. Made by `network`."""

    def __init__(self, descriptor: Descriptor, variant: str, provider: str, run: Run) -> None:
        """provider: cpu, cuda or mps, by whatever runs it there."""
        self.descriptor = descriptor
        self.variant = descriptor.variant(variant)
        self.provider = provider
        self.nbytes = self.variant.fixed_bytes
        self._run = run

    @property
    def identity(self) -> dict[str, str]:
        """What a result's metadata and the report say of it."""
        return {
            "name": self.descriptor.name,
            "version": self.descriptor.version,
            "digest": self.descriptor.digest,
            "variant": self.variant.name,
            "provider": self.provider,
        }

    def run(self, inputs: Mapping[str, Floats]) -> dict[str, Floats]:
        """The outputs for the inputs, each N x channels x H x W, by name.

        Height and width are free: the inputs are padded to the network's multiple by repeating
        their last row and column, and the outputs cropped; one of stride s comes back as
        ceil(H / s) x ceil(W / s). Values outside an input's range are moved into it. Raises
        LimnerError too-large where the memory does not suffice.
        """
        ports = self.descriptor.inputs
        arrays = [_into_range(inputs[port.name], port) for port in ports]
        count, _, height, width = arrays[0].shape
        for port, array in zip(ports, arrays, strict=True):
            if array.shape != (count, port.channels, height, width):
                raise ValueError(f"{port.name} is {array.shape}, beside {arrays[0].shape}")
        padded = [_padded(array, self.descriptor.size_multiple) for array in arrays]
        self._check_memory(padded[0].size // ports[0].channels)
        try:
            outputs = self._run(padded)
        except Exception as error:  # each library has a class of its own
            if not _is_out_of_memory(error):
                raise
            raise self._too_large("it needs more memory than there is") from error
        return {
            port.name: output[:, :, : -(-height // port.stride), : -(-width // port.stride)]
            for port, output in zip(self.descriptor.outputs, outputs, strict=True)
        }

    def _check_memory(self, pixels: int) -> None:
        needed = self.variant.bytes_per_pixel * pixels
        free = _free_memory(self.provider)
        if needed > free:
            raise self._too_large(
                f"{pixels / 1e6:.2f} megapixels need about {needed / 1e9:.2f} GB of memory, and "
                f"{free / 1e9:.2f} GB are free"
            )

    def _too_large(self, reason: str) -> LimnerError:
        faster = ", choose a faster quality" if len(self.descriptor.variants) > 1 else ""
        where = "" if self.provider == "cpu" else ", or set LIMNER_DEVICE to cpu"
        return LimnerError(
            "too-large",
            f"The network {self.descriptor.name} cannot run: {reason}.",
            f"Close other programs{faster}{where}, and run again.",
        )


def network(role: str, variant: str | None = None) -> Network:
    """The network for a role, the user's own before the built-in one; loaded once.

    variant: None is the best one. Raises LimnerError unknown-network and damaged-network.
    """
    try:
        descriptor = registry.find(role, *folders())
        name = descriptor.variant(variant).name
        key = (descriptor.digest, descriptor.name, name, device())
        return _loaded.get(key, lambda: load(descriptor, name))
    except UnknownNetworkError as error:
        raise LimnerError(
            "unknown-network", f"No network can serve this: {error}.", "See 'limner models list'."
        ) from error
    except DamagedNetworkError as error:
        raise damaged(error) from error


def folders() -> tuple[Path, Path]:
    """Where networks lie: the built-in ones, then the user's own."""
    return registry.BUILT_IN, paths.home() / "models"


def damaged(error: DamagedNetworkError) -> LimnerError:
    """The error as a person reads it."""
    own = "Remove it with 'limner models remove' and add it again."
    built_in = "Install Limner anew; 'limner models verify' says when all is well."
    return LimnerError(
        "damaged-network",
        f"A network's file cannot be used: {error}.",
        built_in if error.path.parent == registry.BUILT_IN else own,
    )


def load(descriptor: Descriptor, variant: str, on: str | None = None) -> Network:
    """The network, loaded anew. on: cpu, cuda or mps; None is the best that there is.

    Without torch, a GPU is used where ONNX Runtime finds the libraries that it needs for that; the
    processor serves otherwise, and `provider` says so. Raises DamagedNetworkError.
    """
    place = on or device()
    if place != "cpu" and descriptor.module and _has_torch():
        return Network(descriptor, variant, place, _torch_run(descriptor, variant, place))
    provider, run = _onnx_run(descriptor, variant, place)
    return Network(descriptor, variant, provider, run)


def device() -> str:
    """Where networks run: cuda, mps or cpu; torch is asked where it and a driver are there."""
    place = machine.device()
    if place == "cpu" or not _has_torch():
        return place
    import torch

    there = torch.cuda.is_available() if place == "cuda" else torch.backends.mps.is_available()
    return place if there else "cpu"


def torch_network(descriptor: Descriptor, variant: str) -> Network:
    """The network from its torch source, on the processor: the measure for all others.

    Raises DamagedNetworkError.
    """
    return Network(descriptor, variant, "cpu", _torch_run(descriptor, variant, "cpu"))


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _free_memory(provider: str) -> int:
    if provider == "cuda" and _has_torch():
        import torch

        return int(torch.cuda.mem_get_info()[0])
    return machine.memory_budget()


def _into_range(array: Floats, port: Port) -> Floats:
    """Contiguous float32 within the port's range; what is not a number is its least value."""
    within = np.array(array, np.float32, order="C")
    if port.range is not None:
        np.clip(within, *port.range, out=within)
        within[np.isnan(within)] = port.range[0]
    return within


def _padded(array: Floats, multiple: int) -> Floats:
    bottom, right = (-side % multiple for side in array.shape[2:])
    if not bottom and not right:
        return array
    return np.pad(array, ((0, 0), (0, 0), (0, bottom), (0, right)), mode="edge")


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, which ONNX Runtime and torch tell in words alone."""
    words = ("out of memory", "allocate memory", "bad_alloc", "not enough memory")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)


# ONNX Runtime


def _onnx_run(descriptor: Descriptor, variant: str, place: str) -> tuple[str, Run]:
    """Where it runs in fact, and how."""
    graph = descriptor.read(descriptor.variant(variant).graph)
    files = {descriptor.weights: descriptor.read(descriptor.weights)} if descriptor.weights else {}
    session = onnx_session(graph, files, place)
    names = [port.name for port in descriptor.inputs]
    outputs = [port.name for port in descriptor.outputs]

    def run(arrays: list[Floats]) -> list[Floats]:
        found: list[Floats] = session.run(outputs, dict(zip(names, arrays, strict=True)))
        return found

    on_gpu = session.get_providers()[0] == "CUDAExecutionProvider"
    return ("cuda" if on_gpu else "cpu"), run


def onnx_session(graph: bytes, files: Mapping[str, bytes], place: str = "cpu") -> Any:
    """An onnxruntime.InferenceSession. files: those that the graph's external data lie in."""
    onnxruntime = _onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = machine.threads()
    options.inter_op_num_threads = 1
    # Idle threads sleep: spinning, they would take the processor from the operation's own.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.use_deterministic_compute = True
    options.enable_cpu_mem_arena = False  # what a run took is given back when it ends
    options.log_severity_level = 4  # errors come as exceptions
    # Data outside the graph are those handed over, never a file that happens to lie somewhere.
    folder = "session.model_external_initializers_file_folder_path"
    options.add_session_config_entry(folder, os.devnull)
    if files:
        options.add_external_initializers_from_files_in_memory(
            list(files), list(files.values()), [len(data) for data in files.values()]
        )
    providers: list[Any] = ["CPUExecutionProvider"]
    if place == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        with contextlib.redirect_stdout(io.StringIO()):  # it says what is missing; see `load`
            onnxruntime.preload_dlls()
        providers.insert(0, ("CUDAExecutionProvider", {"use_tf32": "0"}))
    return onnxruntime.InferenceSession(graph, options, providers=providers)


@lru_cache(maxsize=1)
def _onnxruntime() -> ModuleType:
    onnxruntime = importlib.import_module("onnxruntime")
    onnxruntime.disable_telemetry_events()  # its builds for Windows would report home
    onnxruntime.set_default_logger_severity(4)
    return onnxruntime


# torch


def _torch_run(descriptor: Descriptor, variant: str, place: str) -> Run:
    import torch

    model = _torch_model(descriptor, variant).to(place)

    def run(arrays: list[Floats]) -> list[Floats]:
        with torch.inference_mode(), _exact_arithmetic():
            outputs = model(*(torch.from_numpy(array).to(place) for array in arrays))
        tensors: Iterable[Any] = outputs if isinstance(outputs, tuple) else (outputs,)
        return [tensor.float().cpu().numpy() for tensor in tensors]

    return run


def _torch_model(descriptor: Descriptor, variant: str) -> Any:
    """The variant's torch module with its weights, for inference."""
    import torch
    from safetensors.numpy import load as parse

    if descriptor.module is None or descriptor.weights is None:
        raise ValueError(f"{descriptor.name} has no torch source")
    arrays = parse(descriptor.read(descriptor.weights))
    state = {
        name: torch.from_numpy(array.astype(np.float32) if array.dtype == np.float16 else array)
        for name, array in arrays.items()
    }
    model = importlib.import_module(descriptor.module).build(**descriptor.arguments)
    missing, surplus = model.load_state_dict(state, strict=False)
    # Counters of training steps are not kept with the weights, and inference does not read them.
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or surplus:
        raise DamagedNetworkError(
            descriptor.folder / descriptor.weights, f"does not fit the network ({missing, surplus})"
        )
    model.eval()
    return model.with_variant(variant).eval() if len(descriptor.variants) > 1 else model


def _exact_arithmetic() -> contextlib.AbstractContextManager[Any]:
    """The same sums each time, in full float32, where cuDNN does them."""
    import torch

    flags: contextlib.AbstractContextManager[Any] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags
