"""Widgets that bind an operation's inputs to layers, the selection and palettes."""

from typing import Callable, Dict

from krita import Krita

from .bindings import DocumentState
from .ipc.catalog import Input, Operation
from .qt import QComboBox, QFormLayout, QHBoxLayout, QSizePolicy, QToolButton, QWidget

SHOWN_CHARACTERS = 8
"""Width that a list of layers needs at least; longer names are cut off, not the docker widened."""


class BindingBox(QComboBox):
    """Shows what an input is bound to; lists the layers anew each time it opens.

    Krita tells nobody when layers come, go or change their names.
    """

    def __init__(self, entry: Input, bind: Callable[[str], None]) -> None:
        super().__init__()
        self._entry = entry
        self._state = None
        self.setObjectName(f"limner_input_{entry.role}")
        self.setToolTip(entry.help)
        self.setMinimumContentsLength(SHOWN_CHARACTERS)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.activated.connect(lambda index: bind(self.itemData(index)))

    def show_state(self, state: DocumentState) -> None:
        """Shows what the input is bound to."""
        self._state = state
        text = state.text(self._entry)
        if self.count() != 1 or self.itemText(0) != text:
            self.clear()
            self.addItem(text, state.binding(self._entry.role))

    def list_choices(self) -> None:
        """Fills the list with all that the input can be bound to."""
        if self._state is None:
            return
        self.clear()
        for key, text in self._state.choices(self._entry):
            self.addItem(text, key)
        self.setCurrentIndex(max(0, self.findData(self._state.binding(self._entry.role))))

    def showPopup(self) -> None:  # noqa: N802  Qt's name
        """Qt opens the list."""
        self.list_choices()
        super().showPopup()


class InputForm(QWidget):
    """The inputs of one operation."""

    def __init__(
        self,
        operation: Operation,
        bind: Callable[[str, str], None],
        add_scribbles: Callable[[], None],
    ) -> None:
        super().__init__()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.boxes: Dict[str, BindingBox] = {}
        # Links come from the palette strip.
        for entry in (entry for entry in operation.inputs if entry.kind != "links"):
            box = BindingBox(entry, lambda key, role=entry.role: bind(role, key))
            self.boxes[entry.role] = box
            row = _with_button(box, add_scribbles) if entry.kind == "scribbles" else box
            form.addRow(entry.role.replace("-", " ").capitalize(), row)
            form.labelForField(row).setToolTip(entry.help)

    def show_state(self, state: DocumentState) -> None:
        """Shows what the inputs are bound to."""
        for box in self.boxes.values():
            if not box.view().isVisible():
                box.show_state(state)


def _with_button(box: BindingBox, add_scribbles: Callable[[], None]) -> QWidget:
    button = QToolButton()
    button.setObjectName("limner_new_scribbles")
    button.setIcon(Krita.instance().icon("list-add"))
    button.setToolTip("Add a layer for scribbles above the line art and make it active.")
    button.setAutoRaise(True)
    button.clicked.connect(lambda: add_scribbles())
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(2)
    layout.addWidget(box)
    layout.addWidget(button)
    return row
