"""Asks the engine what an operation would do, beside GTK's main loop."""

import gc
import threading
import traceback
from dataclasses import dataclass
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence, Tuple

from gi.repository import Gimp, GLib

from . import links
from .ipc import launch, paths
from .ipc.catalog import Operation, Value
from .ipc.client import Client
from .ipc.errors import LimnerError
from .ipc.planes import Plane
from .links import Link

FAREWELL = 2.0
"""Seconds that the end of the dialog waits for the thread; it looks up more often."""
WAITING = "Looking at the picture"
WORDS = {"queued": "Waiting until the engine is done with another picture"}
"""What is said at a stage of the engine's; WAITING at all others."""

NO_SWATCHES: Mapping[str, Any] = {"source": [], "target": [], "share": []}


class Question(NamedTuple):
    """What to look at: parameters, all inputs as planes, the primary one first, and the links."""

    params: Mapping[str, Value]
    planes: Sequence[Plane]
    links: Sequence[Link]


class Answers(NamedTuple):
    """Who is told of a look, each in the main thread.

    waits(words): what it waits for. after(plane), before(plane): small pictures. swatches(links,
    metadata): of the links that were asked for or, without any, of the picture, main colours, what
    each becomes, and its share, in lists `source`, `target` and `share`. failed(error).
    """

    waits: Callable[[str], None]
    after: Callable[[Plane], None]
    before: Callable[[Plane], None]
    swatches: Callable[[Sequence[Link], Mapping[str, Any]], None]
    failed: Callable[[LimnerError], None]


@dataclass(frozen=True)
class _Roles:
    links: str
    swatches: str


class Looks:
    """One look after another in a thread of its own; of those that wait only the newest is taken.

    A look that runs is not cut short by the next one: while a slider is dragged, none would end.
    """

    def __init__(self, operation: Operation, canvas: Tuple[int, int], answers: Answers) -> None:
        self._operation, self._canvas, self._answers = operation, canvas, answers
        self._roles = _Roles(
            next(entry.role for entry in operation.inputs if entry.kind == "links"),
            next(output.role for output in operation.outputs if output.kind == "palette"),
        )
        self._name = f"gimp {Gimp.version()}"  # GIMP answers the main thread alone
        self._asked = threading.Condition()
        self._next: Optional[Question] = None
        self._closed = threading.Event()
        self._seen: Optional[Plane] = None
        # Widgets may be destroyed in the main thread alone, and Python's collector of cycles runs
        # in whichever thread allocates.
        gc.disable()
        # A daemon, so that not even an engine that hangs keeps this process from ending.
        self._thread = threading.Thread(target=self._work, name="limner-looks", daemon=True)
        self._thread.start()

    def ask(self, question: Question) -> None:
        """Has a look; it takes the place of one that waits."""
        with self._asked:
            self._next = question
            self._asked.notify()

    def close(self) -> None:
        """Ends the thread and, in the engine, the look that runs; nobody is told any more."""
        self._closed.set()
        with self._asked:
            self._asked.notify()
        self._thread.join(FAREWELL)
        gc.enable()

    def _work(self) -> None:
        while True:
            with self._asked:
                self._asked.wait_for(lambda: self._next or self._closed.is_set())
                question, self._next = self._next, None
            if self._closed.is_set() or question is None:
                return
            try:
                self._look(question)
            except LimnerError as error:
                self._tell(self._answers.failed, error)
            except Exception as error:
                traceback.print_exc()
                text = f"The preview failed ({error!r})."
                report = "Please report it with what GIMP printed."
                self._tell(self._answers.failed, LimnerError("internal", text, report))

    def _look(self, question: Question) -> None:
        known = paths.connection_file().exists()
        self._tell(self._answers.waits, WAITING if known else "Starting the engine")
        with Client(self._name) as client:
            client.connect(launch.ensure_running())
            swatches = self._run(client, question, self._answers.after)
            metadata = swatches.attributes["metadata"] if swatches else NO_SWATCHES
            self._tell(self._answers.swatches, question.links, metadata)
            if question.planes[0] is not self._seen:
                # With all colours kept, the picture is as it was.
                kept = [Link(code, code) for code in metadata["source"]]
                planes = [p for p in question.planes if p.role != self._roles.links]
                if kept:
                    planes.append(links.plane(self._roles.links, kept))
                self._run(client, Question(question.params, planes, kept), self._answers.before)
                self._seen = question.planes[0]

    def _run(
        self, client: Client, question: Question, show: Callable[[Plane], None]
    ) -> Optional[Plane]:
        """Shows a small picture; returns the swatches where there are any."""
        result = client.run(
            self._operation.id,
            question.params,
            question.planes,
            self._canvas,
            on_progress=lambda _, stage: self._tell(self._answers.waits, WORDS.get(stage, WAITING)),
            on_preview=lambda plane: self._tell(show, plane),
            cancelled=self._closed,
            outputs=[self._roles.swatches],
        )
        return next(iter(result.planes), None)

    def _tell(self, call: Callable[..., None], *arguments: Any) -> None:
        def tell() -> bool:
            if not self._closed.is_set():
                call(*arguments)
            return GLib.SOURCE_REMOVE

        GLib.idle_add(tell)
