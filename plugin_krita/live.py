"""Live mode: the result follows the scribbles, in the docker alone, until it is applied."""

import time
import zlib
from typing import Any, Callable, Generator, Optional

from . import document as documents
from .bindings import DocumentState
from .engine import Engine
from .ipc.catalog import Operation
from .ipc.errors import LimnerError
from .job import Job, Notice
from .profiles import Profiles
from .qt import QImage, QObject, Signal
from .turns import Steps, Turns

LOOK = 250
"""Milliseconds between two looks at the scribbles, whose changes Krita does not announce."""
REST = 3
"""How many times as long as a look took it waits for the next one, on a large page."""


def has_scribbles(operation: Operation) -> bool:
    """Whether the operation can follow scribbles."""
    return any(entry.kind == "scribbles" for entry in operation.inputs)


class Live(QObject):
    """Runs a document's operation anew after each stroke; a stroke cancels what runs already.

    job: the last one that was answered, which can be applied. notice: what to say of it.
    """

    changed = Signal()

    def __init__(
        self,
        state: DocumentState,
        engine: Engine,
        profiles: Profiles,
        is_busy: Callable[[], bool],
    ) -> None:
        """is_busy: whether another job works on the document; it goes first."""
        super().__init__()
        self.job: Optional[Job] = None
        self.notice: Optional[Notice] = None
        self._state, self._engine, self._profiles = state, engine, profiles
        self._is_busy = is_busy
        self._running: Optional[Job] = None
        self._seen: Any = None
        self._turns = Turns(self._watch(), self._fail)

    @property
    def picture(self) -> Optional[QImage]:
        """What the newest result looks like, as far as it is known."""
        if self._running is not None and self._running.preview is not None:
            return self._running.preview
        return None if self.job is None else self.job.picture

    @property
    def is_current(self) -> bool:
        """Whether what can be applied is what the scribbles ask for now."""
        return self.job is not None and self._running is None

    def stop(self) -> None:
        """Follows no further."""
        self._turns.stop()
        self._cancel()

    def _watch(self) -> Steps:
        while True:
            begun = time.monotonic()
            if not self._is_busy() and has_scribbles(self._state.operation):
                found = yield from self._look()
                if found != self._seen:
                    self._seen = found
                    self._start()
            spent = 1000 * (time.monotonic() - begun)
            yield max(LOOK, round(REST * spent))

    def _look(self) -> Generator[Optional[int], None, Any]:
        """All that the result depends on, but the lines: they stay while an artist scribbles."""
        state = self._state
        try:
            sources, digest = state.sources(), 0
            for source in sources[1:]:
                if source.key.startswith("{"):
                    pixels = yield from documents.read(state.document, source, self._profiles)
                    for strip in pixels.strips:
                        digest = zlib.crc32(memoryview(strip), digest)
        except LimnerError as error:
            documents.require_open(state.document)
            return error.sentence
        return state.operation.id, state.values(), sources, digest

    def _start(self) -> None:
        self._cancel()
        try:
            job = Job(self._state, self._engine, self._profiles, live=True)
        except LimnerError as error:
            self._fail(error)
            return
        self._running = job
        job.changed.connect(self.changed)
        job.ended.connect(lambda notice: self._ended(job, notice))
        job.start()
        self.changed.emit()

    def _cancel(self) -> None:
        job, self._running = self._running, None
        if job is not None:
            job.cancel()

    def _ended(self, job: Job, notice: Notice) -> None:
        if job is self._running:
            self._running, self.notice = None, notice
            self.job = job if job.answer is not None else None
            self.changed.emit()

    def _fail(self, error: LimnerError) -> None:
        self.job, self.notice = None, Notice.of(error)
        self.changed.emit()
