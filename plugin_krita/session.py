"""What the dockers of all windows and Krita's actions share: documents' states and jobs."""

from pathlib import Path
from typing import Any, Dict, List, Optional

from krita import Krita

from . import document as documents
from . import variants
from .background import Background
from .bindings import SCRIBBLES, DocumentState
from .document import key_of
from .engine import Engine
from .ipc.errors import LimnerError
from .job import Job, Notice
from .live import Live
from .pixels import SRGB
from .profiles import Profiles, system_folders
from .qt import QCoreApplication, QObject, QStandardPaths, QTimer, Signal
from .turns import Steps, Turns

CLOSED = ""
"""Key of the notice of a run whose document was closed."""


class Session(QObject):
    """All that goes on in this Krita. changed: something that a docker shows is different."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._states: Dict[str, DocumentState] = {}
        self._jobs: Dict[str, Job] = {}
        self._notices: Dict[str, Notice] = {}
        self._choosing: Dict[str, Turns] = {}
        self._lives: Dict[str, Live] = {}
        self._background = Background()
        self._profiles = Profiles([*_krita_folders(), *system_folders()])
        self._background.submit(self._profiles.files, lambda _: None, lambda _: None)
        self.engine = Engine(self._background, self._profiles)
        self.engine.changed.connect(self.changed)
        self.engine.look()
        QCoreApplication.instance().aboutToQuit.connect(self._close)

    def state(self, document: Any) -> DocumentState:
        """The document's settings."""
        key = documents.identity(document)
        if key not in self._states:
            self._states[key] = DocumentState(document, self.state)
        return self._states[key]

    def job(self, document: Any) -> Optional[Job]:
        """The job that runs for the document, or None."""
        return self._jobs.get(documents.identity(document))

    def notice(self, document: Any) -> Optional[Notice]:
        """What to say of the document's last run, or of one whose document was closed."""
        own = self._notices.get(documents.identity(document))
        return own or self._notices.get(CLOSED)

    def run(self, document: Any) -> None:
        """Runs the document's operation; does nothing where it runs already."""
        key = documents.identity(document)
        if key in self._jobs:
            return
        try:
            job = Job(self.state(document), self.engine, self._profiles)
        except LimnerError as error:
            self._notices[key] = Notice.of(error)
            self.changed.emit()
            return
        self._begin(document, job)
        job.start()
        self.changed.emit()

    def _begin(self, document: Any, job: Job) -> None:
        """Takes note of the document's job, which is about to start."""
        key = documents.identity(document)
        self._jobs[key] = job
        self._stop_choosing(key)
        self._notices.pop(key, None)
        self._notices.pop(CLOSED, None)

        def ended(notice: Notice) -> None:
            # What live mode made may be placed again, and is then another job.
            job.ended.disconnect(ended)
            job.changed.disconnect(self.changed)
            self._ended(key, document, notice)

        job.changed.connect(self.changed)
        job.ended.connect(ended)

    def live(self, document: Any) -> Optional[Live]:
        """The document's live mode, or None where it is off."""
        return self._lives.get(documents.identity(document))

    def set_live(self, document: Any, on: bool) -> None:
        """Turns the document's live mode on or off."""
        key = documents.identity(document)
        if key in self._lives:
            self._lives.pop(key).stop()
        if on:
            state = self.state(document)
            live = Live(state, self.engine, self._profiles, lambda: key in self._jobs)
            live.changed.connect(self.changed)
            live.told.connect(lambda: self._told(key, document))
            self._lives[key] = live
        self.changed.emit()

    def hurry(self, document: Any) -> None:
        """Has live mode follow at once what the artist set in the docker."""
        live = self.live(document)
        if live is not None:
            live.hurry()

    def say(self, document: Any, notice: Notice) -> None:
        """Says something of the document in place of its last run."""
        self._notices[documents.identity(document)] = notice
        self.changed.emit()

    def apply(self, document: Any) -> None:
        """Puts what live mode made into the document; what it did not make is run."""
        live = self.live(document)
        if live is None or not live.is_current or not live.job.answer.layers:
            if live is not None:
                live.stand_aside()
            self.run(document)
        elif documents.identity(document) not in self._jobs:
            self._begin(document, live.job)
            live.job.place()

    def cancel(self, document: Any) -> None:
        """Cancels the document's job, where there is one."""
        job = self.job(document)
        if job is not None:
            job.cancel()

    def add_scribbles(self, document: Any) -> None:
        """Adds a layer for scribbles over the line art, binds it and makes it active."""
        state = self.state(document)
        lines = state.primary()
        layer = document.createNode(SCRIBBLES, "paintlayer")
        if layer.colorModel() != "RGBA":
            layer.setColorSpace("RGBA", "U8", SRGB)
        parent = document.rootNode() if lines is None else lines.parentNode()
        parent.addChildNode(layer, lines)
        # Krita's layer list knows a new layer only after the event loop's next turn.
        QTimer.singleShot(0, lambda: document.setActiveNode(layer))
        for entry in state.operation.inputs:
            if entry.kind == "scribbles":
                state.bind(entry.role, key_of(layer))
        self.changed.emit()

    def choose(self, document: Any, variant: str) -> None:
        """Shows one of the last result's variants and hides the others."""
        self._choose(document, variants.show(self.state(document), variant))

    def keep(self, document: Any, variant: str) -> None:
        """Removes all of the last result's variants but one."""
        self._choose(document, self._keep(document, variant))

    def _keep(self, document: Any, variant: str) -> Steps:
        steps = yield from variants.keep(self.state(document), variant)
        if steps:
            times = "once" if steps == 1 else f"{steps} times"
            words = f"The other variants are removed. Undo {times} to have them back."
            self._notices[documents.identity(document)] = Notice("result", words)
        self.changed.emit()

    def _choose(self, document: Any, steps: Steps) -> None:
        """Does steps with the variants; only what the artist asked for last is of interest."""
        key = documents.identity(document)
        self._stop_choosing(key)

        def failed(error: LimnerError) -> None:
            self._notices[key] = Notice.of(error)
            self.changed.emit()

        self._choosing[key] = Turns(steps, failed)

    def _stop_choosing(self, key: str) -> None:
        if key in self._choosing:
            self._choosing.pop(key).stop()

    def _told(self, key: str, document: Any) -> None:
        """Live mode has something to say, in place of the last run."""
        self._notices.pop(key, None)
        if not documents.is_open(document):
            self._lives.pop(key, None)

    def _ended(self, key: str, document: Any, notice: Notice) -> None:
        del self._jobs[key]
        self._notices[key if documents.is_open(document) else CLOSED] = notice
        self.changed.emit()

    def _close(self) -> None:
        for live in self._lives.values():
            live.stop()
        for job in list(self._jobs.values()):
            job.cancel()
        self._background.close()


def _krita_folders() -> List[Path]:
    """Where Krita itself finds profiles: its own, then the user's and the system's."""
    program = Path(QCoreApplication.applicationDirPath()).parent
    data = QStandardPaths.StandardLocation.GenericDataLocation
    return [
        program / "share/color/icc",
        Path(Krita.getAppDataLocation()) / "color/icc",
        *(Path(folder) / "color/icc" for folder in QStandardPaths.standardLocations(data)),
    ]
