"""Thumbnails of a result's variants, to pick one from."""

from typing import Any, Callable, List

from .bindings import Variant
from .qt import (
    QIcon,
    QListView,
    QListWidget,
    QListWidgetItem,
    QPixmap,
    QPushButton,
    QSignalBlocker,
    QSize,
    Qt,
    QVBoxLayout,
    QWidget,
)

SIDE, MARGIN, LABEL = 64, 4, 20
"""Pixels: a thumbnail's longer side as shown, what is around it, and the height of its number."""
KEY_ROLE = Qt.ItemDataRole.UserRole


class VariantStrip(QWidget):
    """Calls `choose(key)` when the artist picks a variant, `keep(key)` to remove the others."""

    def __init__(self, choose: Callable[[str], None], keep: Callable[[str], None]) -> None:
        super().__init__()
        self._keys: List[str] = []
        self._list = _Thumbnails()
        self._list.currentItemChanged.connect(
            lambda item, _: item is not None and choose(item.data(KEY_ROLE))
        )
        self._keep = QPushButton("Keep this one")
        self._keep.setObjectName("limner_keep")
        self._keep.setToolTip("Remove the other variants. Undo brings them back.")
        self._keep.clicked.connect(lambda: keep(self._list.currentItem().data(KEY_ROLE)))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._list)
        column.addWidget(self._keep)

    def show_variants(self, variants: List[Variant], shown: str) -> None:
        """Shows what there is to choose from, and what is seen in the picture, "" for no one."""
        self.setVisible(len(variants) > 1)
        blocker = QSignalBlocker(self._list)
        if [variant.key for variant in variants] != self._keys:
            self._keys = [variant.key for variant in variants]
            self._list.fill(variants)
        row = self._keys.index(shown) if shown else -1
        if row != self._list.currentRow():
            self._list.setCurrentRow(row)
        self._keep.setEnabled(bool(shown))
        blocker.unblock()


class _Thumbnails(QListWidget):
    """As high as it has to be for its width; the arrow keys go through it."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("limner_variants")
        # By itself only the number would be marked.
        self.setStyleSheet("QListView::item:selected { background: palette(highlight); }")
        self.setAccessibleName("Variants")
        self.setToolTip("Click a variant, or go to it with the arrow keys, to see it.")
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def fill(self, variants: List[Variant]) -> None:
        """Shows these and no others."""
        self.clear()
        for number, variant in enumerate(variants, 1):
            item = QListWidgetItem(_icon(variant), str(number))
            seed = variant.name if variant.seed is None else f"Seed {variant.seed}"
            item.setToolTip(seed)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"Variant {number}, {seed}")
            item.setData(KEY_ROLE, variant.key)
            self.addItem(item)
        if variants:
            size = variants[0].picture.size()
            size.scale(SIDE, SIDE, Qt.AspectRatioMode.KeepAspectRatio)
            self.setIconSize(size)
            cell = max(size.width(), LABEL) + 2 * MARGIN
            self.setGridSize(QSize(cell, size.height() + LABEL + 2 * MARGIN))
        self._fit()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Qt gives it another size."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        columns = max(1, self.viewport().width() // max(1, self.gridSize().width()))
        rows = -(-self.count() // columns)
        self.setFixedHeight(rows * self.gridSize().height() + 2 * self.frameWidth())


def _icon(variant: Variant) -> QIcon:
    icon, pixmap = QIcon(), QPixmap.fromImage(variant.picture)
    # Qt would tint the one that is selected, and its colours are what this is about.
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
        icon.addPixmap(pixmap, mode)
    return icon
