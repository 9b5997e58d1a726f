"""The docker: shows the session's state for the document in view, and passes clicks on to it."""

from pathlib import Path
from typing import Any, Callable, List, Optional

from krita import DockWidget, Krita

from . import document as documents
from . import palette_file, variants
from .bindings import COMMON
from .colours import srgb_of
from .inputs import InputForm
from .ipc import catalog
from .job import Job, Notice
from .live import followed
from .palette_strip import PaletteStrip, PictureBox
from .parameters import MaskPlaceForm, ParameterForm
from .preview import Preview
from .qt import (
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    Qt,
    QTimer,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from .session import Session
from .strip import VariantStrip
from .swatches import Swatch, Swatches

LOOK = 500
"""Milliseconds between two looks at the active layer, whose changes Krita does not announce."""
COLOURS = {"error": "#e5484d", "result": "#46a758", "note": "#8b8d98"}
"""Colours of the strip beside a notice; they stand out on Krita's dark and light themes."""
STRIP = 3
"""Width of that strip in pixels."""


class LimnerDocker(DockWidget):
    """One docker; Krita makes one for each window."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._document: Any = None
        self._inputs: Optional[InputForm] = None
        self._parameters: Optional[ParameterForm] = None
        self._mask_place: Optional[MaskPlaceForm] = None
        self._shown_operation = ""
        self.setWindowTitle("Limner")
        self._build()
        session.changed.connect(self._show)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK)
        self._timer.timeout.connect(self._look)
        self._timer.start()
        self._show()

    def canvasChanged(self, canvas: Any) -> None:  # noqa: N802  Krita's name
        """Krita shows another document, or none, in this window."""
        view = canvas.view() if canvas is not None else None
        self._document = view.document() if view is not None else None
        self._show()

    def _build(self) -> None:
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(6)
        self._operations = QComboBox()
        self._operations.setObjectName("limner_operation")
        for operation in catalog.CATALOG:
            self._operations.addItem(operation.title, operation.id)
            self._operations.setItemData(
                self._operations.count() - 1, operation.summary, Qt.ItemDataRole.ToolTipRole
            )
        self._operations.activated.connect(self._choose)
        column.addWidget(self._operations)
        self._summary = _text("limner_summary")
        column.addWidget(self._summary)
        self._forms = QVBoxLayout()
        self._forms.setSpacing(6)
        column.addLayout(self._forms)
        column.addLayout(self._buttons())
        self._live = QCheckBox()
        self._live.setObjectName("limner_live")
        self._live.setToolTip("Shows the result here after each change, until you apply it.")
        self._live.clicked.connect(lambda on: self._session.set_live(self._document, on))
        column.addWidget(self._live)
        self._progress = QProgressBar()
        self._progress.setObjectName("limner_progress")
        self._progress.setRange(0, 1000)
        column.addWidget(self._progress)
        self._common_title = _text("limner_common_title")
        self._common_title.setText("Palette in common")
        column.addWidget(self._common_title)
        self._common = self._strip("common", lambda: COMMON)
        column.addWidget(self._common)
        self._picture = PictureBox(self._look_at)
        column.addWidget(self._picture)
        self._palette = self._strip(
            "swatches", lambda: self._session.state(self._document).strip_of
        )
        column.addWidget(self._palette)
        self._preview = Preview()
        column.addWidget(self._preview)
        self._variants = VariantStrip(self._choose_variant, self._keep_variant)
        column.addWidget(self._variants)
        self._notice = _Notice()
        column.addWidget(self._notice)
        column.addStretch(1)
        self._engine = _text("limner_engine")
        column.addWidget(self._engine)
        self._area = area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(body)
        self.setWidget(area)

    def _buttons(self) -> QHBoxLayout:
        self._run = QPushButton("Run")
        self._run.setObjectName("limner_run")
        self._run.clicked.connect(lambda: self._session.apply(self._document))
        self._cancel = QPushButton("Cancel")
        self._cancel.setObjectName("limner_cancel")
        self._cancel.clicked.connect(lambda: self._session.cancel(self._document))
        self._reset = QToolButton()
        self._reset.setObjectName("limner_reset")
        self._reset.setText("Reset")
        self._reset.setToolTip("Set the operation's settings back to what they were at first.")
        self._reset.clicked.connect(self._reset_values)
        row = QHBoxLayout()
        row.addWidget(self._run, 1)
        row.addWidget(self._cancel, 1)
        row.addWidget(self._reset)
        return row

    def _look(self) -> None:
        if self.isVisible() and self._has_document():
            state = self._session.state(self._document)
            self._inputs.show_state(state)
            self._parameters.show_overruled(state.overruled())
            self._show_variants()
            self._show_palette()

    def _has_document(self) -> bool:
        """Whether there is a document in view; it may be closed before Krita says so."""
        if self._document is not None and not documents.is_open(self._document):
            self._document = None
        return self._document is not None

    def _show(self) -> None:
        """Shows all anew; cheap enough for every progress report."""
        document = self._document if self._has_document() else None
        job = self._session.job(document) if document is not None else None
        notice = self._notice_of(document)
        self._show_operation()
        self._run.setEnabled(document is not None and job is None)
        self._cancel.setVisible(job is not None)
        self._cancel.setEnabled(job is not None and job.can_cancel)
        self._reset.setVisible(job is None)
        self._progress.setVisible(job is not None)
        if job is not None:
            self._progress.setValue(round(1000 * job.fraction))
            self._progress.setFormat(f"{job.stage.capitalize()} – %p%")
        self._show_live(document, job)
        self._show_palette()
        self._show_variants()
        self._notice.show_notice(notice)
        self._engine.setText(_engine_words(self._session))

    def _notice_of(self, document: Any) -> Optional[Notice]:
        """What to say of the document: of its last run, else of live mode."""
        if document is None:
            return None
        live = self._session.live(document)
        return self._session.notice(document) or (None if live is None else live.notice)

    def _show_live(self, document: Any, job: Optional[Job]) -> None:
        """Live mode's switch and button, and the picture of what is to come."""
        live = self._session.live(document) if document is not None else None
        self._live.setEnabled(document is not None)
        self._live.setChecked(live is not None)
        self._run.setText("Run" if live is None else "Apply")
        was_hidden = self._preview.isHidden()
        source = live or job
        before = None if live is None else live.before
        self._preview.show_image(None if source is None else source.picture, before)
        self._bring_into_view(self._preview, was_hidden)

    def _show_palette(self) -> None:
        """The swatches of the operation and the picture."""
        state = None if self._document is None else self._session.state(self._document)
        was_hidden = self._palette.isHidden()
        pictures, shown = ([], "") if state is None else (state.palettes(), state.strip_of)
        common = None if state is None else state.common
        self._common_title.setVisible(common is not None)
        self._common.show_strip(common)
        self._picture.show_pictures(pictures, shown)
        self._palette.show_strip(None if state is None else state.strip)
        self._bring_into_view(self._palette, was_hidden)

    def _show_variants(self) -> None:
        """The last result's variants; while a job runs, what they will be replaced by is open."""
        if self._document is None or self._session.job(self._document) is not None:
            self._variants.show_variants([], "")
        else:
            state = self._session.state(self._document)
            was_hidden = self._variants.isHidden()
            self._variants.show_variants(variants.present(state), variants.shown(state))
            self._bring_into_view(self._variants, was_hidden)

    def _bring_into_view(self, widget: QWidget, was_hidden: bool) -> None:
        """Scrolls to a widget that appears."""
        if was_hidden and not widget.isHidden():
            # Its place is known once Qt has laid it out.
            QTimer.singleShot(0, lambda: self._area.ensureWidgetVisible(widget))

    def _show_operation(self) -> None:
        """The forms of the document's operation, with its values."""
        if self._document is None:
            operation, state = catalog.CATALOG[0], None
        else:
            state = self._session.state(self._document)
            operation = state.operation
        if operation.id != self._shown_operation:
            self._shown_operation = operation.id
            self._operations.setCurrentIndex(self._operations.findData(operation.id))
            self._summary.setText(operation.summary)
            self._fill_forms(operation)
        self._operations.setEnabled(state is not None)
        self._inputs.setEnabled(state is not None)
        self._parameters.setEnabled(state is not None)
        self._mask_place.setEnabled(state is not None)
        if state is not None:
            self._inputs.show_state(state)
            self._parameters.show_values(state.values())
            self._parameters.show_overruled(state.overruled())
            self._mask_place.show_place(state.mask_place)

    def _fill_forms(self, operation: catalog.Operation) -> None:
        while self._forms.count():
            self._forms.takeAt(0).widget().deleteLater()
        self._inputs = InputForm(operation, self._bind, self._add_scribbles)
        self._parameters = ParameterForm(operation, self._set_value)
        self._mask_place = MaskPlaceForm(self._set_mask_place)
        self._mask_place.setVisible(operation.makes_mask)
        self._live.setText(followed(operation))
        self._live.setVisible(bool(followed(operation)))
        self._forms.addWidget(self._inputs)
        self._forms.addWidget(_line())
        self._forms.addWidget(self._parameters)
        self._forms.addWidget(self._mask_place)

    def _choose(self, index: int) -> None:
        operation = catalog.CATALOG[index]
        self._session.state(self._document).operation = operation
        if not followed(operation):
            self._session.set_live(self._document, False)
        self._show()

    def _choose_variant(self, key: str) -> None:
        if self._has_document():
            self._session.choose(self._document, key)

    def _keep_variant(self, key: str) -> None:
        if self._has_document():
            self._session.keep(self._document, key)

    def _bind(self, role: str, key: str) -> None:
        self._session.state(self._document).bind(role, key)
        self._show()

    def _strip(self, name: str, key: Callable[[], str]) -> PaletteStrip:
        """A strip of the swatches that the document keeps under the key of the moment."""
        return PaletteStrip(
            name,
            lambda strip: self._set_strip(key(), strip),
            lambda below: self._save_palette(key(), below),
            _foreground,
            lambda: self._offered(key()),
        )

    def _offered(self, key: str) -> List[Swatch]:
        """The colours in common, for those of a picture."""
        common = self._session.state(self._document).common
        return [] if key == COMMON or common is None else common.now

    def _set_strip(self, key: str, strip: Swatches) -> None:
        if self._has_document() and key:
            self._session.state(self._document).set_strip(key, strip)
            self._session.hurry(self._document)
            self._show()

    def _look_at(self, picture: str) -> None:
        self._session.state(self._document).look_at(picture)
        self._show()

    def _save_palette(self, key: str, below: bool) -> None:
        """Asks where to, and saves a row of the strip as it is then."""
        document = self._document
        strip = self._session.state(document).swatches_of(key)
        name = document.name() or self._session.state(document).primary().name()
        title = f"{name} {'harmonized' if below else 'colours'}"

        def chosen(file: Path) -> None:
            notice = palette_file.write(file, strip, below)
            if documents.is_open(document):
                self._session.say(document, notice)

        palette_file.ask(self, title, chosen)

    def _set_value(self, name: str, value: catalog.Value) -> None:
        self._session.state(self._document).set_value(name, value)
        self._session.hurry(self._document)

    def _set_mask_place(self, place: str) -> None:
        state = self._session.state(self._document)
        state.mask_places[state.operation.id] = place

    def _reset_values(self) -> None:
        self._session.state(self._document).reset_values()
        self._session.hurry(self._document)
        self._show()

    def _add_scribbles(self) -> None:
        self._session.add_scribbles(self._document)


class _Notice(QWidget):
    """Words about the last run beside a strip that tells good news from bad."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: Optional[Notice] = None
        self._strip = QFrame()
        self._strip.setFixedWidth(STRIP)
        self._text = _text("limner_notice")
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._strip)
        row.addWidget(self._text)

    def show_notice(self, notice: Optional[Notice]) -> None:
        """Shows a notice, or nothing."""
        self.setVisible(notice is not None)
        if notice is not None and notice != self._shown:
            # Qt takes milliseconds for a style sheet.
            self._shown = notice
            self._text.setText(notice.text)
            self._strip.setStyleSheet(f"background: {COLOURS[notice.kind]};")


def _foreground() -> Optional[Swatch]:
    """The colour that the artist paints with."""
    view = Krita.instance().activeWindow().activeView()
    colour = None if view is None else view.foregroundColor()
    return None if colour is None else Swatch.of(srgb_of(colour))


def _engine_words(session: Session) -> str:
    engine = session.engine
    words = f"Engine: {engine.text}"
    return words if engine.problem is None else f"{words}. {engine.problem}"


def _text(name: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    # A long word must not widen the docker.
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFrameShadow(QFrame.Shadow.Sunken)
    return line
