"""One run: reading the layers, waiting for the engine, putting the result into the document."""

import threading
import time
from typing import Generator, List, NamedTuple, Optional

from . import document as documents
from . import result
from .bindings import DocumentState
from .engine import Answer, Engine, Request
from .ipc.errors import LimnerError
from .pixels import Pixels
from .profiles import Profiles
from .qt import QObject, Signal
from .turns import Turns


class Notice(NamedTuple):
    """What the docker says of the last run. kind: result, error or note."""

    kind: str
    text: str

    @classmethod
    def of(cls, error: LimnerError) -> "Notice":
        """The notice of an error; a cancelled job is none."""
        if error.code == "cancelled":
            return cls("note", "Cancelled. The picture is as it was.")
        return cls("error", f"{error.sentence} {error.next_step}")


class Job(QObject):
    """A run of a document's operation with the settings of this moment.

    fraction and stage: how far it is. `ended` brings a Notice, once.
    """

    changed = Signal()
    ended = Signal(object)

    def __init__(self, state: DocumentState, engine: Engine, profiles: Profiles) -> None:
        """Raises LimnerError where an input is missing."""
        super().__init__()
        self.fraction, self.stage, self.can_cancel = 0.0, "Reading the layers", True
        self._state, self._engine, self._profiles = state, engine, profiles
        self._operation, self._params = state.operation, state.values()
        self._sources = state.sources()
        self._converted: List[str] = []
        self._cancelled = threading.Event()
        self._over = False
        self._turns: Optional[Turns] = None

    def start(self) -> None:
        """Begins to read."""
        self._begun = time.monotonic()
        self._turns = Turns(self._read(), self._fail)

    def cancel(self) -> None:
        """Ends the job and leaves the picture as it was."""
        if self.can_cancel:
            self._cancelled.set()
            if self._turns is not None:
                self._turns.stop()
            self._fail(LimnerError("cancelled", "The job was cancelled.", "Run it again."))

    def _read(self) -> Generator[Optional[int], None, None]:
        document = self._state.document
        pixels: List[Pixels] = []
        for source in self._sources:
            read = yield from documents.read(document, source, self._profiles)
            node = documents.node_of(document, source.key)
            if node is not None and documents.format_of(node) != read.format:
                self._converted.append(read.name)
            pixels.append(read)
        canvas = (document.width(), document.height())
        request = Request(self._operation, self._params, pixels, canvas)
        self._engine.submit(request, self._cancelled, self._progress, self._write, self._fail)

    def _progress(self, fraction: float, stage: str) -> None:
        if not self._over:
            self.fraction, self.stage = fraction, stage
            self.changed.emit()

    def _write(self, answer: Answer) -> None:
        if not self._over:
            self._progress(1.0, "Writing the layers")
            self._turns = Turns(self._insert(answer), self._fail)

    def _insert(self, answer: Answer) -> Generator[Optional[int], None, None]:
        state, operation, primary = self._state, self._operation, self._sources[0].key
        prepared = yield from result.prepare(state, operation, answer)
        earlier, edited = yield from result.find_earlier(state, operation, primary)
        steps = yield from result.make_room(state, operation, primary)
        self.can_cancel = False
        self.changed.emit()
        multiplied, placing = yield from result.place(
            state,
            operation,
            primary,
            prepared,
            replaced=None if edited else earlier,
            on_paper=operation.works_on_line_art and answer.on_paper,
        )
        state.save(answer.report)
        layer = documents.node_of(state.document, primary)
        name = "the picture" if layer is None else f"“{layer.name()}”"
        side = "under" if operation.works_on_line_art else "above"
        count = "1 layer" if prepared.layers == 1 else f"{prepared.layers} layers"
        seconds = time.monotonic() - self._begun
        steps += prepared.undo_steps + placing
        words = [
            f"{operation.title}: {count} {side} {name}, {seconds:.1f} s.",
            f"{name} now multiplies, since its paper is opaque." if multiplied else "",
            "You edited the last result, so it stays." if edited else "",
            *(f"Krita converted “{name}” to sRGB for this." for name in self._converted),
            "Undo once to remove the result"
            + (f", {steps} times for all of it." if steps > 1 else "."),
        ]
        self._end(Notice("result", " ".join(word for word in words if word)))

    def _fail(self, error: LimnerError) -> None:
        self._end(Notice.of(error))

    def _end(self, notice: Notice) -> None:
        if not self._over:
            self._over, self._turns = True, None
            self.ended.emit(notice)
