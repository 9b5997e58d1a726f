"""One run of an operation: planes in, planes out; the same in the worker and on the command line.

decode -> canvas -> operation -> encode
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine import machine, operations
from engine.imaging.raster import (
    PixelFormat,
    Raster,
    decode,
    decode_marks,
    encode,
    encode_layer,
    has_colour,
    window,
)
from engine.job import Cache, Cancelled, Floats, Input, Job, Layer
from ipc import catalog
from ipc.catalog import Operation, Value
from ipc.errors import LimnerError
from ipc.planes import DEPTH_BYTES, MAX_SIDE, Plane, digest_of

DECODED, DONE = 0.1, 0.9
"""Progress when the operation starts and when it ends."""
GREY = 1e-4
"""Channels nearer to each other are one grey; less than a code of 8 bits."""


def run_operation(
    operation_id: str,
    params: Mapping[str, Any],
    planes: Sequence[Plane],
    canvas: tuple[int, int],
    *,
    cache: Cache,
    on_progress: Callable[[float, str], None],
    cancelled: threading.Event,
    outputs: Sequence[str] | None = None,
    digests: Sequence[str] | None = None,
    on_preview: Callable[[Plane], None] | None = None,
) -> tuple[list[Plane], dict[str, Any]]:
    """Runs the operation; returns its results and the report (docs/protocol.md).

    canvas: width and height of the document. outputs: roles of the results that are wanted; None
    is all. digests: of the planes, in order, where they are known already. on_preview: called with
    small pictures of what the result will be like, as far as the operation makes any. The same
    bytes come back for the same inputs and parameters. Raises LimnerError.
    """
    operation = catalog.operation(operation_id)
    checked = operation.check_params(params)
    operation.check_roles([plane.role for plane in planes])
    module = operations.load(operation_id)
    _check_memory(operation, planes, canvas, module.BYTES_PER_PIXEL)
    watch = _Stopwatch(on_progress, cancelled)
    try:
        watch.enter(0.0, "decode")
        sources = _sources(operation, planes, canvas)
        inputs = _inputs(operation, planes, digests or [p.digest for p in planes], canvas)
        job = Job(
            operation_id,
            canvas,
            checked,
            inputs,
            cache,
            watch.enter_scaled,
            cancelled,
            outputs,
            _previewer(on_preview),
        )
        results: list[Plane] = []
        networks: list[Any] = []
        for layer in module.run(job):
            watch.enter(watch.fraction, "encode")
            networks.append(layer.metadata.get("network"))
            if job.wants(layer.role):
                results.append(_encode(operation, checked, layer, sources[layer.of]))
    except MemoryError as error:
        raise _too_large("The job needs more memory than there is.") from error
    watch.enter(1.0, "done")
    return results, {
        "operation": operation_id,
        "parameters": checked,
        "seed": checked.get("seed"),
        "versions": machine.versions(),
        "device": machine.device(),
        "networks": _each_once(networks),
        "sizes": {
            "canvas": list(canvas),
            "inputs": [[plane.role, plane.width, plane.height] for plane in planes],
            "outputs": [[plane.role, plane.width, plane.height] for plane in results],
        },
        "seconds": watch.seconds(),
        "peak_memory": machine.peak_memory(),
    }


class _Stopwatch:
    """Seconds by stage, taken from the progress that the work reports."""

    def __init__(
        self, on_progress: Callable[[float, str], None], cancelled: threading.Event
    ) -> None:
        self._on_progress = on_progress
        self._cancelled = cancelled
        self.fraction, self._stage, self._since = 0.0, "", time.perf_counter()
        self._seconds: dict[str, float] = {}

    def enter(self, fraction: float, stage: str) -> None:
        """A stage begins. Raises Cancelled once the job has been cancelled."""
        if self._cancelled.is_set():
            raise Cancelled
        now = time.perf_counter()
        if self._stage:
            spent = self._seconds.get(self._stage, 0.0)
            self._seconds[self._stage] = spent + now - self._since
        self.fraction, self._stage, self._since = fraction, stage, now
        self._on_progress(fraction, stage)

    def enter_scaled(self, fraction: float, stage: str) -> None:
        """A stage of the operation begins, whose own progress goes from 0 to 1."""
        self.enter(DECODED + (DONE - DECODED) * min(max(fraction, 0.0), 1.0), stage)

    def seconds(self) -> dict[str, float]:
        """Seconds of each stage that has ended, and of all of them."""
        rounded = {stage: round(seconds, 4) for stage, seconds in self._seconds.items()}
        return {**rounded, "all": round(sum(self._seconds.values()), 4)}


def _previewer(on_preview: Callable[[Plane], None] | None) -> Callable[[Floats], None] | None:
    """What gives an operation's previews on, as planes."""
    if on_preview is None:
        return None
    small = PixelFormat(3, "u8")
    return lambda rgb: on_preview(encode(Raster(rgb), small, role="preview", name="Preview"))


def _check_memory(
    operation: Operation, planes: Sequence[Plane], canvas: tuple[int, int], bytes_per_pixel: int
) -> None:
    """Raises LimnerError bad-message for no canvas, too-large where memory is short."""
    width, height = canvas
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise LimnerError(
            "bad-message",
            f"A canvas of {width} × {height} pixels is none.",
            f"Give a width and a height from 1 to {MAX_SIDE}.",
        )
    needed, what = width * height * bytes_per_pixel, f"{width} × {height} pixels need"
    if operation.takes_set:
        # One picture at a time is worked on; planes of all are held, before and after.
        pictures = [plane for plane in planes if plane.role == operation.primary.role]
        largest = max(plane.width * plane.height for plane in pictures)
        needed = largest * bytes_per_pixel + 2 * sum(plane.byte_count for plane in planes)
        what = f"The {len(pictures)} pictures need"
    budget = machine.memory_budget()
    if needed > budget:
        raise _too_large(
            f"{what} about {needed / 1e9:.1f} GB of memory, and {budget / 1e9:.1f} GB are free."
        )


def _too_large(sentence: str) -> LimnerError:
    return LimnerError(
        "too-large", sentence, "Make the picture smaller, or close other programs, and run again."
    )


def _sources(operation: Operation, planes: Sequence[Plane], canvas: tuple[int, int]) -> list[Plane]:
    """What results are encoded like: the primary input, or every picture of a set."""
    pictures = [plane for plane in planes if plane.role == operation.primary.role]
    return pictures if operation.takes_set else [_visible(pictures[0], canvas)]


def _visible(plane: Plane, canvas: tuple[int, int]) -> Plane:
    """The part of the plane that lies on the canvas, its codes as they are.

    Raises LimnerError empty-layer where there is none.
    """
    left, top = max(plane.x, 0), max(plane.y, 0)
    right, bottom = min(plane.x + plane.width, canvas[0]), min(plane.y + plane.height, canvas[1])
    if right <= left or bottom <= top:
        raise _empty(plane)
    if (right - left, bottom - top) == (plane.width, plane.height):
        return plane
    size = plane.channels * DEPTH_BYTES[plane.depth]
    codes = np.frombuffer(plane.data, np.uint8).reshape(plane.height, plane.width, size)
    part = codes[top - plane.y : bottom - plane.y, left - plane.x : right - plane.x]
    return replace(
        plane, x=left, y=top, width=right - left, height=bottom - top, data=part.tobytes()
    )


def _empty(plane: Plane) -> LimnerError:
    return LimnerError(
        "empty-layer",
        f"The layer '{plane.name}' has no pixels on the canvas.",
        f"Choose another layer as '{plane.role}', or draw on it, and run again.",
    )


Area = tuple[int, int, int, int]
"""x, y, width and height in the document."""


def _inputs(
    operation: Operation,
    planes: Sequence[Plane],
    digests: Sequence[str],
    canvas: tuple[int, int],
) -> dict[str, list[Input]]:
    """The inputs by role: on the canvas or, of a set, on their own pictures. Raises LimnerError."""
    inputs: dict[str, list[Input]] = {}
    for role in operation.inputs:
        given = [pair for pair in zip(planes, digests, strict=True) if pair[0].role == role.role]
        for plane, _ in given:
            if not plane.width or not plane.height:
                raise _empty(plane)
        areas: list[Area] = [(0, 0, *canvas)] * len(given)
        if operation.takes_set and given and role.is_of_document:
            areas = [(p.x, p.y, p.width, p.height) for p in _sources(operation, planes, canvas)]
            given = given * len(areas) if len(given) == 1 else given
        found = [_input(*pair, role, area) for pair, area in zip(given, areas, strict=True)]
        if role.is_mask and found and not any(_selects(mask) for mask in found):
            raise LimnerError(
                "empty-mask",
                f"The mask '{found[0].name}' has no pixel inside.",
                "Select something, or run without a mask.",
            )
        if found:
            inputs[role.role] = found
    return inputs


def _input(plane: Plane, digest: str, role: catalog.Input, area: Area) -> Input:
    def raster() -> Raster:
        whole = decode(plane)
        return window(whole, *area) if role.is_of_document else whole

    return Input(
        raster,
        _content(plane, digest, area),
        plane.name,
        lambda: decode_marks(plane, *area[2:]),
        plane.attributes,
    )


def _selects(mask: Input) -> bool:
    """Whether any pixel lies inside: brightness × alpha over 0."""
    rgb, alpha = mask.raster.rgb, mask.raster.alpha
    bright = rgb > 0
    return bool((bright if alpha is None else bright & (alpha > 0)[..., None]).any())


def _content(plane: Plane, digest: str, area: Area) -> str:
    """A name for all that decides the decoded pixels."""
    profile = "" if plane.icc is None else digest_of(plane.icc)
    place = (plane.x, plane.y, plane.width, plane.height, *area)
    return digest_of(repr((digest, profile, plane.channels, plane.depth, place)).encode())


def _encode(
    operation: Operation, params: Mapping[str, Value], layer: Layer, primary: Plane
) -> Plane:
    """A result in the document's own format: see contract 3 of the design."""
    kinds = {output.role: output.kind for output in operation.outputs}
    origin = {"operation": operation.id, "parameters": dict(params), "versions": _own_version()}
    layer = replace(layer, metadata={**origin, **layer.metadata})
    own = PixelFormat.of(primary)
    if layer.kind != "colour" or kinds[layer.role] != "picture":
        return encode_layer(layer, own.for_colour_layer())
    raster = Raster.of_rgba(layer.pixels, layer.x, layer.y)
    covering = window(raster, primary.x, primary.y, primary.width, primary.height)
    if covering is not raster:
        layer = replace(layer, pixels=covering.rgba(), x=primary.x, y=primary.y)
    if own.colours == 1 and has_colour(layer.pixels, GREY):
        return encode_layer(layer, PixelFormat(own.channels + 2, own.depth))
    return encode_layer(layer, own, source=primary)


def _each_once(networks: Sequence[Any]) -> list[Any]:
    """What ran to make the layers, each network once; None is no network."""
    told = [network for network in networks if network]
    return [network for i, network in enumerate(told) if network not in told[:i]]


def _own_version() -> dict[str, str]:
    return {"limner": machine.versions()["limner"]}
