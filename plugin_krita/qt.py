"""Qt as this Krita brings it: PyQt5 in Krita 5, PyQt6 in Krita 6. Nothing else imports Qt.

Enumerations are always written with their scope (Qt.AlignmentFlag.AlignLeft): both accept that.
"""

from krita import Krita

if int(Krita.instance().version().split(".")[0]) >= 6:
    from PyQt6.QtCore import (
        QByteArray,
        QCoreApplication,
        QObject,
        QStandardPaths,
        Qt,
        QTimer,
        QUuid,
    )
    from PyQt6.QtCore import pyqtSignal as Signal
    from PyQt6.QtWidgets import (
        QCheckBox,
        QComboBox,
        QDoubleSpinBox,
        QFormLayout,
        QFrame,
        QHBoxLayout,
        QLabel,
        QProgressBar,
        QPushButton,
        QScrollArea,
        QSizePolicy,
        QSpinBox,
        QToolButton,
        QVBoxLayout,
        QWidget,
    )
else:
    from PyQt5.QtCore import (
        QByteArray,
        QCoreApplication,
        QObject,
        QStandardPaths,
        Qt,
        QTimer,
        QUuid,
    )
    from PyQt5.QtCore import pyqtSignal as Signal
    from PyQt5.QtWidgets import (
        QCheckBox,
        QComboBox,
        QDoubleSpinBox,
        QFormLayout,
        QFrame,
        QHBoxLayout,
        QLabel,
        QProgressBar,
        QPushButton,
        QScrollArea,
        QSizePolicy,
        QSpinBox,
        QToolButton,
        QVBoxLayout,
        QWidget,
    )

__all__ = [
    "QByteArray",
    "QCheckBox",
    "QComboBox",
    "QCoreApplication",
    "QDoubleSpinBox",
    "QFormLayout",
    "QFrame",
    "QHBoxLayout",
    "QLabel",
    "QObject",
    "QProgressBar",
    "QPushButton",
    "QScrollArea",
    "QSizePolicy",
    "QSpinBox",
    "QStandardPaths",
    "QTimer",
    "QToolButton",
    "QUuid",
    "QVBoxLayout",
    "QWidget",
    "Qt",
    "Signal",
]
