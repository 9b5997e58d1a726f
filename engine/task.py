"""A job as the front knows it, and how the message that asks for it is read."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ipc import catalog
from ipc.errors import LimnerError
from ipc.planes import DEPTH_BYTES, MAX_SIDE


@dataclass
class Task:
    """A job in the front. state: waiting (for pixels), queued, running or cancelling."""

    id: str
    client: bytes
    request: Mapping[str, Any]
    sizes: Mapping[str, int]
    """Announced bytes of each plane's frame, by digest; 0 for profiles, whose size is not told."""
    state: str = "waiting"
    fraction: float = 0.0
    stage: str = "starting"
    told: float = field(default_factory=time.monotonic)
    cancelled_at: float = 0.0

    @property
    def on_worker(self) -> bool:
        """Whether the worker has it."""
        return self.state in ("running", "cancelling")


def read_submit(client: bytes, header: Mapping[str, Any]) -> Task:
    """The job that a submit asks for, all but its pixels checked. Raises LimnerError."""
    try:
        canvas = header["canvas"]
        if not is_job_id(header["job"]):
            raise TypeError("its job id is not 1 to 64 printable ASCII characters")
        if len(canvas) != 2 or not all(type(n) is int and 1 <= n <= MAX_SIDE for n in canvas):
            raise TypeError(f"its canvas is not a width and a height from 1 to {MAX_SIDE}")
        planes = [_read_description(plane) for plane in header["planes"]]
        operation = catalog.operation(str(header["operation"]))
        params = operation.check_params(dict(header["params"]))
        operation.check_roles([plane["role"] for plane in planes])
        outputs = header.get("outputs")
        sizes = {plane["icc"]: 0 for plane in planes if plane["icc"]}
        sizes.update({plane["digest"]: _announced_bytes(plane) for plane in planes})
        request = {
            "job": header["job"],
            "operation": operation.id,
            "params": params,
            "canvas": list(canvas),
            "planes": planes,
            "outputs": None if outputs is None else [str(role) for role in outputs],
            "previews": bool(header.get("previews")),
            "digests": list(sizes),
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise bad_message(f"a submit makes no sense ({error})") from error
    return Task(header["job"], client, request, sizes)


def is_job_id(value: object) -> bool:
    """Whether it may name a job: 1 to 64 printable ASCII characters."""
    return (
        isinstance(value, str) and 0 < len(value) <= 64 and value.isascii() and value.isprintable()
    )


def _read_description(plane: Mapping[str, Any]) -> dict[str, Any]:
    """What the engine knows of a plane's description, each of its type. Raises TypeError."""
    texts = {name: str(plane[name]) for name in ("role", "name", "depth", "digest")}
    numbers = {name: plane[name] for name in ("width", "height", "x", "y", "channels")}
    if any(type(n) is not int or abs(n) > 1 << 31 for n in numbers.values()):
        raise TypeError("a layer's size or place is not a whole number")
    icc = str(plane["icc"]) if plane.get("icc") else None
    return {**texts, **numbers, "icc": icc, "attributes": dict(plane.get("attributes", {}))}


def _announced_bytes(plane: Mapping[str, Any]) -> int:
    numbers = [plane[name] for name in ("width", "height", "channels")]
    if not all(0 <= n <= MAX_SIDE for n in numbers):
        raise TypeError(f"a layer's size is not from 0 to {MAX_SIDE}")
    width, height, channels = numbers
    return int(width * height * channels * DEPTH_BYTES[plane["depth"]])


def bad_message(what: str) -> LimnerError:
    """The error for a message that breaks the protocol."""
    return LimnerError(
        "bad-message",
        f"A message could not be understood: {what}.",
        "Update the plug-in and the engine to the same version and try again.",
    )
