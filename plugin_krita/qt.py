"""Qt as this Krita brings it: PyQt5 in Krita 5, PyQt6 in Krita 6. Nothing else imports Qt.

Enumerations are always written with their scope (Qt.AlignmentFlag.AlignLeft): both accept that.
"""

from krita import Krita

if int(Krita.instance().version().split(".")[0]) >= 6:
    from PyQt6.QtCore import (
        QByteArray,
        QCoreApplication,
        QObject,
        QSignalBlocker,
        QSize,
        QStandardPaths,
        Qt,
        QTimer,
        QUuid,
    )
    from PyQt6.QtCore import pyqtSignal as Signal
    from PyQt6.QtGui import QIcon, QImage, QPainter, QPixmap
    from PyQt6.QtWidgets import (
        QCheckBox,
        QComboBox,
        QDoubleSpinBox,
        QFormLayout,
        QFrame,
        QHBoxLayout,
        QLabel,
        QListView,
        QListWidget,
        QListWidgetItem,
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
        QSignalBlocker,
        QSize,
        QStandardPaths,
        Qt,
        QTimer,
        QUuid,
    )
    from PyQt5.QtCore import pyqtSignal as Signal
    from PyQt5.QtGui import QIcon, QImage, QPainter, QPixmap
    from PyQt5.QtWidgets import (
        QCheckBox,
        QComboBox,
        QDoubleSpinBox,
        QFormLayout,
        QFrame,
        QHBoxLayout,
        QLabel,
        QListView,
        QListWidget,
        QListWidgetItem,
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
    "QIcon",
    "QImage",
    "QLabel",
    "QListView",
    "QListWidget",
    "QListWidgetItem",
    "QObject",
    "QPainter",
    "QPixmap",
    "QProgressBar",
    "QPushButton",
    "QScrollArea",
    "QSignalBlocker",
    "QSize",
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
