"""Live mode: the result follows what the artist does, in the docker alone, until it is applied."""

import time
import zlib
from typing import Any, Callable, Generator, List, Optional

from . import document as documents
from .bindings import DocumentState
from .document import SELECTION, Source, key_of
from .engine import Engine, Read
from .ipc.catalog import Operation
from .ipc.errors import LimnerError
from .job import Job, Notice
from .profiles import Profiles
from .qt import QImage, QObject, Signal
from .turns import Steps, Turns

LOOK = 250
"""Milliseconds between two looks at the scribbles, whose changes Krita does not announce."""
LINES_EVERY = 4
"""At which looks it looks at the lines too; they are large and hardly change meanwhile."""
REST = 3
"""How many times as long as a look took it waits for the next one, on a large page."""


FOLLOWED = {"scribbles": "Live: follow the scribbles", "links": "Live: follow the palette"}
"""Kinds of input that live mode is for, and what its switch says."""


def followed(operation: Operation) -> str:
    """What the switch of live mode says for an operation; empty where it has no live mode."""
    kinds = [entry.kind for entry in operation.inputs]
    return next((words for kind, words in FOLLOWED.items() if kind in kinds), "")


class Live(QObject):
    """Runs a document's operation anew after each change; that cancels what runs already.

    job: the last one that was answered, which can be applied. notice: what to say of it; `told`
    comes with each.
    """

    changed, told = Signal(), Signal()

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
        self._read: Optional[Read] = None
        self._is_late = False
        self._looks, self._lines = 0, []
        self._turns = Turns(self._watch(), self._fail)

    @property
    def picture(self) -> Optional[QImage]:
        """What the newest result looks like, as far as it is known."""
        if self._running is not None and self._running.preview is not None:
            return self._running.preview
        return None if self.job is None else self.job.picture

    @property
    def before(self) -> Optional[QImage]:
        """What the picture looks like as it is, once there is a result."""
        return None if self.job is None else self.job.read.before

    @property
    def is_current(self) -> bool:
        """Whether what can be applied is what the document asks for now."""
        return self.job is not None and self._running is None and self.job.is_as_set

    def hurry(self) -> None:
        """Follows a change of settings or swatches at once, with the layers as last seen.

        What runs already may show its preview first, so that dragging shows some.
        """
        running, self._is_late = self._running, False
        if self._is_busy() or self._read is None or self._seen is None:
            return
        if running is not None and running.preview is None:
            self._is_late = True
            return
        try:
            settings, (_, layers) = self._settings(), self._seen
            if self._state.sources() == layers[0] and settings != self._seen[0]:
                self._seen = settings, layers
                self._start(self._read)
        except LimnerError as error:
            self._fail(error)

    def stop(self) -> None:
        """Follows no further."""
        self._turns.stop()
        self._cancel()

    def stand_aside(self) -> None:
        """Forgets what it has, since another job does it; looks anew after that."""
        self._cancel()
        self._replace(None)
        self._seen = None

    def _watch(self) -> Steps:
        while True:
            begun = time.monotonic()
            if not self._is_busy() and followed(self._state.operation):
                layers = yield from self._look()
                found = self._settings(), layers
                if found != self._seen:
                    is_known = self._seen is not None and layers == self._seen[1]
                    self._seen = found
                    self._start(self._read if is_known else None)
            spent = 1000 * (time.monotonic() - begun)
            yield max(LOOK, round(REST * spent))

    def _look(self) -> Generator[Optional[int], None, Any]:
        """What the layers are: the primary input's now and then, palettes by name."""
        state = self._state
        documents.require_open(state.document)
        try:
            sources, primary = state.sources(), state.operation.primary.role
            pictures = [source for source in sources if source.role == primary]
            if self._looks % LINES_EVERY == 0:
                self._lines = yield from self._digests(pictures)
            self._looks += 1
            digests = yield from self._digests(sources[len(pictures) :])
        except LimnerError as error:
            documents.require_open(state.document)
            return [error.sentence]
        return [sources, self._lines, digests]

    def _settings(self) -> Any:
        """All else that the result depends on."""
        return self._state.operation.id, self._state.values(), self._state.links()

    def _digests(self, sources: List[Source]) -> Generator[Optional[int], None, List[Any]]:
        digests = []
        for source in sources:
            digest = yield from self._digest(source)
            digests.append(digest)
        return digests

    def _digest(self, source: Source) -> Generator[Optional[int], None, Any]:
        """What tells the source's pixels from others."""
        document, digest = self._state.document, 0
        if source.key == SELECTION:
            selection = (documents.opened(source.of) or document).selection()
            return None if selection is None else documents.signature(selection)
        if source.with_below and source.without:
            return (yield from self._digest_of_parts(source))
        if source.key.startswith("{"):
            pixels = yield from documents.read(document, source, self._profiles)
            for strip in pixels.strips:
                digest = zlib.crc32(memoryview(strip), digest)
                yield None
        return digest

    def _digest_of_parts(self, source: Source) -> Generator[Optional[int], None, List[Any]]:
        """The same of a document under its results: to merge a copy takes too long each time."""
        document, digests = documents.opened(source.key), []
        documents.require_open(document)
        for node in list(documents.parts(document.rootNode(), source.without)):
            digests += [node.opacity(), node.blendingMode(), node.inheritAlpha()]
            if not documents.passes_through(node):
                part = Source(source.role, key_of(node), of=source.key)
                digest = yield from self._digest(part)
                digests.append(digest)
        return digests

    def _start(self, read: Optional[Read]) -> None:
        """read: the layers, where they are as they were."""
        self._cancel()
        self._read, self._is_late = read, False
        try:
            job = Job(self._state, self._engine, self._profiles, live=True, read=read)
        except LimnerError as error:
            self._fail(error)
            return
        self._running = job
        job.changed.connect(lambda: self._progressed(job))
        job.ended.connect(lambda notice: self._ended(job, notice))
        job.start()
        self.changed.emit()

    def _progressed(self, job: Job) -> None:
        if job is self._running:
            self._read = job.read
            if self._is_late and job.preview is not None:
                self.hurry()
            self.changed.emit()

    def _cancel(self) -> None:
        job, self._running = self._running, None
        if job is not None:
            job.cancel()

    def _ended(self, job: Job, notice: Notice) -> None:
        if job is self._running:
            self._running, self._read = None, job.read
            self._replace(job if job.answer is not None else None)
            self._tell(notice)
            if self._is_late:
                self.hurry()

    def _fail(self, error: LimnerError) -> None:
        self._cancel()
        self._replace(None)
        self._tell(Notice.of(error))

    def _replace(self, job: Optional[Job]) -> None:
        """Takes another job as the newest; what the last one holds is large."""
        if self.job is not None:
            self.job.answer = self.job.preview = None
        self.job = job

    def _tell(self, notice: Notice) -> None:
        self.notice = notice
        self.told.emit()
        self.changed.emit()
