"""What an operation is given and what it gives back.

An operation is a module in engine/operations/ with

    BYTES_PER_PIXEL: int                     memory it needs per canvas pixel, all inputs included
    def run(job: Job) -> Iterable[Layer]: ...  deterministic for the same inputs and parameters

A set of pictures is worked on one by one: `run` yields each result when it is made, and lets go of
a picture before it looks at the next.

Colours are float32, sRGB-encoded, nominally [0, 1] and unbounded, with straight alpha.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from ipc.catalog import Value
from ipc.errors import LimnerError

if TYPE_CHECKING:
    from engine.imaging.raster import Marks, Raster

Floats = npt.NDArray[np.float32]
T = TypeVar("T")


class Input:
    """One input: its pixels, decoded when they are looked at, and the digest that names them.

    Inputs of the document (line art, scribbles, flats, image, mask) cover the whole canvas, padded
    with transparency. References, their masks, palettes (N x 1) and links (N x 2) keep their own
    size. In a set every picture has its own size, and its mask the same.
    """

    def __init__(
        self,
        raster: Raster | Callable[[], Raster],
        digest: str,
        name: str = "",
        marks: Callable[[], Marks] | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """What is known of the input.

        marks: finds the painted pixels where that is quicker than by way of the raster. attributes:
        of the plane; of a palette its colours' names and locks (engine.imaging.palette_files).
        """
        self.digest, self.name, self.attributes = digest, name, attributes or {}
        self._raster, self._marks = raster, marks

    @cached_property
    def raster(self) -> Raster:
        """All pixels; raises LimnerError as decoding does."""
        return self._raster() if callable(self._raster) else self._raster

    def release(self) -> None:
        """Lets go of the pixels; they are decoded again when they are looked at."""
        self.__dict__.pop("raster", None)

    def marks(self) -> Marks:
        """The painted pixels."""
        return self.raster.marks() if self._marks is None else self._marks()


@dataclass(frozen=True)
class Layer:
    """A result.

    pixels: float32 H x W x 4 (RGBA) for kind colour, float32 H x W in [0, 1] for mask, uint16
    H x W for labels (0 = none), float32 2 x N x 4 for palette (before, after), float32
    n² x n x 3 for cube (what the colours of an sRGB grid become, red fastest). table: float32 N x
    4, of a colour layer whose pixels are H x W numbers of its rows. x, y: place on the canvas.
    role: the catalogue output that it is. of: number of the picture in a set that it belongs to.
    blending: normal, multiply or screen. group: names of the groups that it lies in, outermost
    first. exact: never dithered.
    """

    role: str
    name: str
    pixels: npt.NDArray[Any]
    kind: str = "colour"
    x: int = 0
    y: int = 0
    blending: str = "normal"
    opacity: float = 1.0
    group: tuple[str, ...] = ()
    exact: bool = False
    of: int = 0
    table: Floats | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Cancelled(LimnerError):
    """Raised by Job.checkpoint once the job has been cancelled."""

    def __init__(self) -> None:
        super().__init__("cancelled", "The job was cancelled.", "Run it again when you like.")


class Cache:
    """What operations prepared once, kept for the next run; least recently used goes first.

    Keys hold content digests, so an entry never goes stale. An entry's size is what it says in
    `nbytes`, or that of the numpy arrays in its attributes, items or fields, one level down.
    """

    def __init__(self, budget: int) -> None:
        """budget: bytes; an entry larger than it is made but not kept."""
        self._budget = budget
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The entry under `key`, made by `make` where it is not there."""
        if key in self._entries:
            self._entries.move_to_end(key)
            value: T = self._entries[key][0]
            return value
        value = make()
        self._entries[key] = (value, _array_bytes(value))
        while self._entries and sum(size for _, size in self._entries.values()) > self._budget:
            self._entries.popitem(last=False)
        return value


def _array_bytes(value: Any) -> int:
    if hasattr(value, "nbytes"):
        return int(value.nbytes)
    if isinstance(value, Mapping):
        parts = list(value.values())
    elif isinstance(value, Sequence):
        parts = list(value)
    else:
        parts = list(getattr(value, "__dict__", {}).values())
    return sum(part.nbytes for part in parts if isinstance(part, np.ndarray))


@dataclass
class Job:
    """One run of an operation: inputs, parameters, and the line back to whoever waits.

    canvas: width and height. params: complete and checked. inputs: by role, in the order given.
    outputs: the roles that are asked for; None is all.
    """

    operation: str
    canvas: tuple[int, int]
    params: Mapping[str, Value]
    inputs: Mapping[str, Sequence[Input]]
    cache: Cache
    on_progress: Callable[[float, str], None] = lambda *_: None
    cancelled: threading.Event = field(default_factory=threading.Event)
    outputs: Sequence[str] | None = None
    on_preview: Callable[[Floats], None] | None = None

    def preview(self, make: Callable[[], Floats]) -> None:
        """Shows what the result will be like, where anyone wants to see it.

        make: gives the whole picture, lines included, h x w x 3 in [0, 1], small.
        """
        if self.on_preview is not None:
            self.on_preview(make())

    def wants(self, role: str) -> bool:
        """Whether the output of that role is asked for."""
        return self.outputs is None or role in self.outputs

    def input(self, role: str) -> Input | None:
        """The input of that role (the first, where several were given), or None."""
        given = self.inputs.get(role, ())
        return given[0] if given else None

    def primary(self, role: str) -> Input:
        """The input of that role, which the catalogue requires."""
        return self.inputs[role][0]

    def progress(self, fraction: float, stage: str) -> None:
        """Says how far the job is (0 to 1) and what it does; raises Cancelled like checkpoint."""
        self.checkpoint()
        self.on_progress(fraction, stage)

    def part(self, start: float, end: float) -> Job:
        """The same job for one of its parts, whose progress goes from start to end of the whole."""

        def on_progress(fraction: float, stage: str) -> None:
            self.on_progress(start + (end - start) * fraction, stage)

        return replace(self, on_progress=on_progress)

    def checkpoint(self) -> None:
        """Raises Cancelled where the job was cancelled; call it between steps."""
        if self.cancelled.is_set():
            raise Cancelled
