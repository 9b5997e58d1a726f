"""Widgets for an operation's parameters, made from the catalogue."""

import secrets
from typing import Callable, Dict, List

from krita import Krita

from .bindings import LAYER_MASK, SELECTION
from .ipc.catalog import Operation, Parameter, Value
from .qt import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QSpinBox,
    QToolButton,
    QWidget,
)

MASK_PLACE_TEXTS = {SELECTION: "Selection", LAYER_MASK: "Mask on the layer"}
SEED, DRAWN_SEEDS = "seed", 10_000
"""The parameter that says which of many results it is, and how many seeds are drawn from."""
FLOAT_STEPS = 100
"""Steps from one end of a float's range to the other."""


class ParameterForm(QWidget):
    """The parameters of one operation; calls `changed(name, value)` when the artist sets one."""

    def __init__(self, operation: Operation, changed: Callable[[str, Value], None]) -> None:
        super().__init__()
        self._operation, self._changed = operation, changed
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.widgets: Dict[str, QWidget] = {}
        self._rows: Dict[str, List[QWidget]] = {}
        for parameter in operation.parameters:
            widget = self._widget(parameter)
            widget.setObjectName(f"limner_parameter_{parameter.name}")
            self.widgets[parameter.name] = widget
            row = _with_dice(widget) if parameter.name == SEED else widget
            self._rows[parameter.name] = [row]
            if parameter.kind == "bool":
                form.addRow(widget)
            else:
                form.addRow(parameter.title, row)
                self._rows[parameter.name].append(form.labelForField(row))
        self.show_overruled({})

    def show_values(self, values: Dict[str, Value]) -> None:
        """Shows the values without reporting them as changes."""
        for parameter in self._operation.parameters:
            widget, value = self.widgets[parameter.name], values[parameter.name]
            widget.blockSignals(True)
            if parameter.kind == "bool":
                widget.setChecked(value)
            elif parameter.kind == "choice":
                widget.setCurrentIndex(parameter.choices.index(value))
            elif widget.value() != value:
                # Setting the same value anew would disturb whoever is typing.
                widget.setValue(value)
            widget.blockSignals(False)

    def show_overruled(self, reasons: Dict[str, str]) -> None:
        """Has parameters be out of reach that have no effect. reasons: why, by name."""
        for parameter in self._operation.parameters:
            reason = reasons.get(parameter.name, "")
            for widget in self._rows[parameter.name]:
                widget.setEnabled(not reason)
                widget.setToolTip(f"{parameter.help}\n{reason}".strip())

    def _widget(self, parameter: Parameter) -> QWidget:
        def report(value: Value) -> None:
            self._changed(parameter.name, value)

        if parameter.kind == "bool":
            check = QCheckBox(parameter.title)
            check.toggled.connect(report)
            return check
        if parameter.kind == "choice":
            combo = QComboBox()
            combo.addItems([choice.capitalize().replace("-", " ") for choice in parameter.choices])
            combo.currentIndexChanged.connect(lambda index: report(parameter.choices[index]))
            return combo
        spin = QSpinBox() if parameter.kind == "int" else QDoubleSpinBox()
        spin.setRange(parameter.minimum, parameter.maximum)
        if parameter.kind == "float":
            step = (parameter.maximum - parameter.minimum) / FLOAT_STEPS
            spin.setSingleStep(step)
            spin.setDecimals(0 if step >= 1 else 2)
        if parameter.unit:
            spin.setSuffix(f" {parameter.unit}")
        spin.setAccelerated(True)
        spin.valueChanged.connect(report)
        return spin


def _with_dice(spin: QSpinBox) -> QWidget:
    """The field for a seed with a button that draws another one."""
    button = QToolButton()
    button.setObjectName("limner_another_seed")
    button.setIcon(Krita.instance().icon("view-refresh"))
    button.setToolTip("Another seed.")
    button.setAccessibleName("Another seed")
    button.setAutoRaise(True)

    button.clicked.connect(lambda: spin.setValue(secrets.randbelow(DRAWN_SEEDS)))
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(2)
    layout.addWidget(spin, 1)
    layout.addWidget(button)
    return row


class MaskPlaceForm(QWidget):
    """Where a mask goes that an operation makes; calls `changed(place)` when the artist chooses."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        super().__init__()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._combo = QComboBox()
        self._combo.setObjectName("limner_mask_place")
        self._combo.setToolTip("The result becomes the selection, or hides the rest of the layer.")
        for place, text in MASK_PLACE_TEXTS.items():
            self._combo.addItem(text, place)
        self._combo.activated.connect(lambda index: changed(self._combo.itemData(index)))
        form.addRow("Result", self._combo)
        form.labelForField(self._combo).setToolTip(self._combo.toolTip())

    def show_place(self, place: str) -> None:
        """Shows a place without reporting it as chosen."""
        self._combo.setCurrentIndex(self._combo.findData(place))
