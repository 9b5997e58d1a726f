"""Asks the engine what an operation would do, beside GTK's main loop."""

import gc
import threading
import traceback
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple

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

UNCHANGED: Mapping[str, Value] = {"strength": 0.0, "white-balance": False}
"""Values of parameters with which pictures stay as they are."""
COMMON = -1
"""In place of a picture's number: the palette that the pictures of a set have in common."""

Links = Mapping[int, Sequence[Link]]
"""By the picture's number, or COMMON."""


class Known(NamedTuple):
    """What the engine knows of a palette.

    source: main colours, exactly, as text. was, becomes: hex codes of what they look like, and of
    what each becomes. share: its part of the picture in [0, 1].
    """

    source: Sequence[str]
    was: Sequence[str]
    becomes: Sequence[str]
    share: Sequence[float]

    @classmethod
    def of(cls, plane: Plane) -> "Known":
        """What swatches say, as they come back."""
        said = plane.attributes["metadata"]
        return cls(links.sources(plane), said["source"], said["target"], said["share"])


NOTHING = Known([], [], [], [])


class Question(NamedTuple):
    """What to look at: parameters, all inputs as planes, the primary ones first, and the links."""

    params: Mapping[str, Value]
    planes: Sequence[Plane]
    links: Links


class Answers(NamedTuple):
    """Who is told of a look, each in the main thread.

    waits(words): what it waits for. after(plane), before(plane): small pictures. swatches(links,
    known): what was asked for, and by the same numbers what is known of each palette.
    failed(error).
    """

    waits: Callable[[str], None]
    after: Callable[[Plane], None]
    before: Callable[[Plane], None]
    swatches: Callable[[Links, Mapping[int, Known]], None]
    failed: Callable[[LimnerError], None]


class Looks:
    """One look after another in a thread of its own; of those that wait only the newest is taken.

    A look that runs is not cut short by the next one: while a slider is dragged, none would end.
    """

    def __init__(self, operation: Operation, canvas: Tuple[int, int], answers: Answers) -> None:
        self._operation, self._canvas, self._answers = operation, canvas, answers
        self._palettes = {o.role: o.common for o in operation.outputs if o.kind == "palette"}
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
            self._tell(self._answers.swatches, question.links, swatches)
            if question.planes[0] is not self._seen:
                self._run(client, self._unchanged(question), self._answers.before)
                self._seen = question.planes[0]

    def _unchanged(self, question: Question) -> Question:
        """The same, but that the pictures stay as they are."""
        asked = {e.role for e in self._operation.inputs if e.kind not in ("links", "palette")}
        planes = [plane for plane in question.planes if plane.role in asked]
        params = {n: UNCHANGED.get(n, value) for n, value in question.params.items()}
        return Question(params, planes, {})

    def _run(
        self, client: Client, question: Question, show: Callable[[Plane], None]
    ) -> Dict[int, Known]:
        """Shows a small picture; returns what is known of the palettes."""
        result = client.run(
            self._operation.id,
            question.params,
            question.planes,
            self._canvas,
            on_progress=lambda _, stage: self._tell(self._answers.waits, WORDS.get(stage, WAITING)),
            on_preview=lambda plane: self._tell(show, plane),
            cancelled=self._closed,
            outputs=list(self._palettes),
        )
        return {
            COMMON if self._palettes[plane.role] else plane.attributes["of"]: Known.of(plane)
            for plane in result.planes
        }

    def _tell(self, call: Callable[..., None], *arguments: Any) -> None:
        def tell() -> bool:
            if not self._closed.is_set():
                call(*arguments)
            return GLib.SOURCE_REMOVE

        # Before GTK draws, so that it draws once.
        GLib.idle_add(tell, priority=GLib.PRIORITY_DEFAULT)
