"""One run: reading the layers, waiting for the engine, putting the result into the document."""

import threading
import time
from typing import Generator, List, NamedTuple, Optional, Tuple

from . import commands, masks, result, together
from . import document as documents
from .bindings import COMMON, DocumentState
from .document import DOCUMENTS, SELECTION, Source
from .engine import Answer, Engine, Read, Request
from .ipc.errors import LimnerError
from .pixels import Pixels
from .profiles import Profiles
from .qt import QImage, QObject, Signal
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


EDITED = "You edited the last result, so it stays."
NOW_BLENDS = {
    "multiply": "{} now multiplies, since its paper is opaque.",
    "screen": "{} is set to Screen now, since its lines are light on dark paper.",
}


class Placed(NamedTuple):
    """What was put into the document, and the undo steps that it took.

    states: of the documents that it was put into. steps: in one of them, at most. last: how many of
    these, the last ones, added what is seen of it.
    """

    states: List[DocumentState]
    what: str
    steps: int
    remarks: List[str]
    last: int = 1


class Job(QObject):
    """A run of a document's operation with the settings of this moment.

    fraction and stage: how far it is. preview: a picture of what the result will be like, as soon
    as there is one. answer: what the engine gave. `ended` brings a Notice, once; of a live job it
    comes with the answer, and once more if that is placed.
    """

    changed = Signal()
    ended = Signal(object)

    def __init__(
        self,
        state: DocumentState,
        engine: Engine,
        profiles: Profiles,
        live: bool = False,
        read: Optional[Read] = None,
    ) -> None:
        """live: leaves the document alone until `place`. read: the layers, where they are known.

        Raises LimnerError for a missing input.
        """
        super().__init__()
        self.live, self.read = live, read
        self.preview: Optional[QImage] = None
        self.answer: Optional[Answer] = None
        self.fraction, self.stage, self.can_cancel = 0.0, "Reading the layers", True
        self._state, self._engine, self._profiles = state, engine, profiles
        self._operation, self._params = state.operation, state.values()
        self._sources, self._mask_place = state.sources(), state.mask_place
        self._links = state.links()
        self._sent = state.sent()
        role = self._operation.primary.role
        self._pictures = [source.key for source in self._sources if source.role == role]
        self._names = {key: state.name_of(key) for key in self._pictures}
        found = {key: documents.opened(key) for key in self._pictures}
        # A document can be asked who it is only as long as it is open.
        self._states = {k: state.state_of(d) for k, d in found.items() if d is not None}
        self._remarks: List[str] = []
        self._cancelled = threading.Event()
        self._over = False
        self._turns: Optional[Turns] = None

    def start(self) -> None:
        """Begins to read."""
        self._begun = time.monotonic()
        self._turns = Turns(self._read(), self._fail)

    @property
    def is_as_set(self) -> bool:
        """Whether the document's operation and its settings are still those of the job."""
        state = self._state
        now, own = (state.operation.id, state.values()), (self._operation.id, self._params)
        try:
            return now == own and state.sources() == self._sources and state.links() == self._links
        except LimnerError:
            return False

    @property
    def picture(self) -> Optional[QImage]:
        """What the result looks like, as far as that is known."""
        answered = self.answer is not None and self.answer.picture is not None
        return self.answer.picture if answered else self.preview

    def place(self) -> None:
        """Puts the answer into the document."""
        self._over, self.can_cancel = False, True
        if self.live:
            # Of what live mode made, perhaps long ago, the artist waits for the placing alone.
            self._begun = time.monotonic()
        self._progress(1.0, "Writing the layers")
        self._turns = Turns(self._insert(self.answer), self._fail)

    def cancel(self) -> None:
        """Ends the job and leaves the picture as it was."""
        if self.can_cancel:
            self._cancelled.set()
            if self._turns is not None:
                self._turns.stop()
            self._fail(LimnerError("cancelled", "The job was cancelled.", "Run it again."))

    def _read(self) -> Generator[Optional[int], None, None]:
        state, document = self._state, self._state.document
        primary = self._sources[0]
        if self._operation.makes_mask:
            # A mask made earlier hides what the operation has to see.
            earlier, edited = yield from result.find_earlier(state, self._operation, primary.key)
            if earlier is not None and not edited:
                primary = primary._replace(without=(earlier.group,))
        if self.read is None:
            self.read = yield from self._read_layers(primary)
        own = any(source.key == primary.key for source in self._sources[1:])
        canvas = (document.width(), document.height())
        request = Request(
            self._operation, self._params, self.read, self._links, canvas, own, self.live
        )
        self._engine.submit(
            request, self._cancelled, self._progress, self._show, self._answered, self._fail
        )

    def _read_layers(self, primary: Source) -> Generator[Optional[int], None, Read]:
        pixels: List[Pixels] = []
        for source in (primary, *self._sources[1:]):
            own = self._states.get(source.of or source.key, self._state)
            documents.require_open(own.document)
            read = yield from documents.read(self._state.document, source, self._profiles)
            pixels.append(read)
            self._remarks += [remark for remark in read.remarks if remark not in self._remarks]
        return Read(pixels)

    def _progress(self, fraction: float, stage: str) -> None:
        if not self._over:
            self.fraction, self.stage = fraction, stage
            self.changed.emit()

    def _show(self, preview: QImage) -> None:
        if not self._over:
            self.preview = preview
            self.changed.emit()

    def _answered(self, answer: Answer) -> None:
        if self._over:
            return
        self.answer = answer
        for number, swatches in answer.swatches.items():
            key = COMMON if number is None else self._pictures[number]
            self._state.note_swatches(self._operation.id, key, swatches, self._sent.get(key, {}))
        if self.live:
            seconds = time.monotonic() - self._begun
            words = [f"Live, {seconds:.1f} s. Apply puts it into the picture.", *answer.notes]
            self._end(Notice("note", " ".join(words)))
        else:
            self.place()

    def _insert(self, answer: Answer) -> Generator[Optional[int], None, None]:
        put = self._put_mask if self._operation.makes_mask else self._put_layers
        if self._states:
            put = self._put_on_documents
        placed = yield from put(answer)
        for state in placed.states:
            state.report = answer.report
            state.save()
        seconds = time.monotonic() - self._begun
        words = [
            f"{self._operation.title}: {placed.what}, {seconds:.1f} s.",
            *answer.notes,
            *placed.remarks,
            *self._remarks,
            self._left_behind,
            _undo_words(placed),
        ]
        self._end(Notice("result", " ".join(word for word in words if word)))

    @property
    def _left_behind(self) -> str:
        """A word about swatches that the artist changed and that had no effect."""
        if not documents.is_open(self._state.document):
            return ""
        strips = self._state.swatches.get(self._operation.id, {})
        chosen = [key for key, strip in strips.items() if strip.links]
        if any(key in self._pictures for key in chosen):
            words = "New pictures have their palette now: run again for the colours that you chose."
            return "" if self._sent else words
        name = next(filter(None, map(self._state.name_of, chosen)), "")
        return f"The colours that you chose stay with “{name}”." if name else ""

    def _put_layers(self, answer: Answer) -> Generator[Optional[int], None, Placed]:
        state, operation, name = self._state, self._operation, self._primary_name()
        made, replaced, kept = [], [], False
        for number, layer in enumerate(self._pictures):
            prepared = yield from result.prepare(state, operation, answer.of(number))
            earlier, edited = yield from result.find_earlier(state, operation, layer)
            made.append(prepared)
            replaced += [earlier] if earlier is not None and not edited else []
            kept = kept or edited
        steps = yield from result.make_room(state, operation, self._pictures[0])
        self._begin_to_write()
        yield None
        selected = documents.selected(state.document)
        steps += yield from result.remove(state, replaced)
        steps += sum(prepared.undo_steps for prepared in made)
        remarks, at_once = [], False
        if len(made) > 1:
            placing, at_once = yield from together.place(state, operation, self._pictures, made)
            steps += placing
        for layer, prepared in [] if at_once else zip(self._pictures, made):
            set_mode, placing = yield from result.place(
                state, operation, layer, prepared, answer.lines_mode
            )
            state.variants = prepared.variants
            steps += placing
            remarks += [NOW_BLENDS[answer.lines_mode].format(name)] if set_mode else []
        if len(made) > 1:
            yield from commands.select(state.document, selected)
        side = "under" if operation.works_on_line_art else "above"
        count = _layers(sum(prepared.layers for prepared in made))
        count = f"{len(state.variants)} variants" if state.variants else count
        where = f" {side} {name}" if len(made) == 1 else f", each {side} its own"
        remarks += [EDITED] if kept else []
        return Placed([state], count + where, steps, remarks, 1 if at_once else len(made))

    def _put_on_documents(self, answer: Answer) -> Generator[Optional[int], None, Placed]:
        """Each document that is still open gets its own result on top of all layers."""
        states, steps, remarks = [], [], []
        self._begin_to_write()
        for number, key in enumerate(self._pictures):
            state = self._states[key]
            try:
                taken, kept = yield from self._put_on_top(state, answer.of(number))
            except LimnerError:
                if documents.is_open(state.document):
                    raise
                remarks.append(f"“{self._names[key]}” was closed meanwhile and has no result.")
                continue
            states.append(state)
            steps.append(taken)
            remarks += [EDITED] if kept and EDITED not in remarks else []
        if not states:
            documents.require_open(state.document)
        count = "1 document" if len(states) == 1 else f"{len(states)} documents"
        return Placed(states, f"a layer on top of {count}", max(steps), remarks)

    def _put_on_top(
        self, state: DocumentState, answer: Answer
    ) -> Generator[Optional[int], None, Tuple[int, bool]]:
        """Returns the undo steps, and whether an earlier result was edited and stays."""
        operation, active = self._operation, state.document.activeNode()
        prepared = yield from result.prepare(state, operation, answer)
        earlier, edited = yield from result.find_earlier(state, operation, DOCUMENTS)
        replaced = [earlier] if earlier is not None and not edited else []
        steps = yield from result.remove(state, replaced)
        _, placing = yield from result.place(state, operation, DOCUMENTS, prepared, "normal")
        state.back = Turns(commands.activate_on_return(state.document, active), _nothing)
        return prepared.undo_steps + steps + placing, edited

    def _put_mask(self, answer: Answer) -> Generator[Optional[int], None, Placed]:
        state, operation, primary = self._state, self._operation, self._sources[0].key
        self._begin_to_write()
        mask = answer.layers[0]
        if self._mask_place == SELECTION:
            steps = yield from masks.select(state, operation, mask)
            return Placed([state], "selected", steps, [])
        earlier, edited = yield from result.find_earlier(state, operation, primary)
        replaced = None if edited else earlier
        steps = yield from masks.put_on_layer(state, operation, primary, mask, replaced)
        remarks = [EDITED] if edited else []
        return Placed([state], f"mask on {self._primary_name()}", steps, remarks)

    def _begin_to_write(self) -> None:
        self.can_cancel = False
        self._state.variants = []
        self.changed.emit()

    def _primary_name(self) -> str:
        name = self._state.name_of(self._sources[0].key)
        return f"“{name}”" if name else "the picture"

    def _fail(self, error: LimnerError) -> None:
        self._end(Notice.of(error))

    def _end(self, notice: Notice) -> None:
        if not self._over:
            self._over, self._turns = True, None
            self.ended.emit(notice)


def _nothing(_: LimnerError) -> None:
    """Of a document that was closed nothing is left to be done."""


def _undo_words(placed: Placed) -> str:
    words = "Undo once to remove the result"
    if len(placed.states) > 1:
        words = "Undo once in each document to remove its result"
    if placed.last > 1:
        words = f"Undo {placed.last} times to remove the results"
    return words + (f", {placed.steps} times for all of it." if placed.steps > placed.last else ".")


def _layers(count: int) -> str:
    return "1 layer" if count == 1 else f"{count} layers"
