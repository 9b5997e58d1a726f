"""The palette strip: a picture's main colours over what they become, for the artist to change."""

from typing import Any, Callable, List, Optional, Sequence, Tuple

from krita import Krita

from .qt import (
    QApplication,
    QColor,
    QColorDialog,
    QComboBox,
    QEvent,
    QHBoxLayout,
    QIcon,
    QMenu,
    QPainter,
    QPalette,
    QPixmap,
    QRect,
    QSize,
    QSizePolicy,
    Qt,
    QToolButton,
    QToolTip,
    QVBoxLayout,
    QWidget,
)
from .swatches import Swatch, Swatches, widths

ABOVE, BELOW, GAP, LEAST = 16, 28, 2, 22
"""Pixels: heights of the two rows, what is between two pairs, and a pair's width at least."""
FRAME, BADGE = 2, 18
"""Pixels: what is around the current pair, and the side of a mark."""
FAINT = 0.35
"""Opacity of a button's icon where it cannot be clicked."""
LOCKED, CHOSEN = "layer-locked", "document-edit"
"""Krita's icons for colours that stay, and for those of the artist's choice."""
HELP = "Click to choose a colour, drag onto another swatch to give it on, right-click for more."

Changed = Callable[[Swatches], None]


class PaletteStrip(QWidget):
    """Calls `changed(strip)` with what the artist made of it, `save(below)` to keep a row."""

    def __init__(
        self,
        name: str,
        changed: Changed,
        save: Callable[[bool], None],
        foreground: Callable[[], Optional[Swatch]],
        offered: Callable[[], Sequence[Swatch]],
    ) -> None:
        """name: of its widgets. below: whether what the colours become is meant.

        foreground: the painting colour. offered: colours for a swatch's menu.
        """
        super().__init__()
        self._pairs = pairs = _Pairs(name, changed, foreground, offered)
        pairs.moved = self._show_buttons
        self._lock = _button(f"lock_{name}", "Locks the colour: it stays as it is (L).", LOCKED)
        self._lock.setCheckable(True)
        self._lock.clicked.connect(pairs.toggle_lock)
        self._free = _button(f"free_{name}", "Has Limner choose the colour (Delete).", "edit-undo")
        self._free.clicked.connect(pairs.free)
        self._reset = _button(f"reset_{name}", "Has Limner choose every colour.", "", "Reset all")
        self._reset.clicked.connect(pairs.reset)
        keep = _button(f"save_{name}", "Saves a row as a palette file.", "", "Save palette")
        keep.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(keep)
        for text, below in (("New colours…", True), ("Colours as they were…", False)):
            menu.addAction(text).triggered.connect(lambda *_, below=below: save(below))
        keep.setMenu(menu)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        for widget in (self._lock, self._free, None, self._reset, keep):
            row.addStretch(1) if widget is None else row.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(pairs)
        column.addLayout(row)
        self.setVisible(False)

    def show_strip(self, strip: Optional[Swatches]) -> None:
        """Shows swatches, or nothing."""
        self.setVisible(strip is not None)
        if strip is not None:
            self._pairs.show_strip(strip)
            self._show_buttons()

    def _show_buttons(self) -> None:
        strip, number = self._pairs.strip, self._pairs.current
        self._lock.setChecked(strip.is_locked(number))
        self._free.setEnabled(number in strip.links)
        self._reset.setEnabled(bool(strip.links))


class PictureBox(QComboBox):
    """Which picture of a set the strip is of; hidden where there is one only."""

    def __init__(self, chosen: Callable[[str], None]) -> None:
        super().__init__()
        self.setObjectName("limner_picture")
        self.setToolTip("The picture that the palette is of.")
        self.setAccessibleName("Picture that the palette is of")
        # A long name must not widen the docker.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.activated.connect(lambda index: chosen(self.itemData(index)))

    def show_pictures(self, pictures: List[Tuple[str, str]], shown: str) -> None:
        """Shows ids and names, and which one it is."""
        self.setVisible(len(pictures) > 1)
        if self.view().isVisible():
            return
        if pictures != [(self.itemData(i), self.itemText(i)) for i in range(self.count())]:
            self.clear()
            for key, name in pictures:
                self.addItem(name, key)
        self.setCurrentIndex(self.findData(shown))


class _Pairs(QWidget):
    """The swatches themselves. current: number of the pair that keys and buttons are about."""

    def __init__(
        self,
        name: str,
        changed: Changed,
        foreground: Callable[[], Optional[Swatch]],
        offered: Callable[[], Sequence[Swatch]],
    ) -> None:
        super().__init__()
        self._changed, self._foreground, self._offered = changed, foreground, offered
        self.moved: Callable[[], None] = lambda: None
        self.strip: Optional[Swatches] = None
        self.current = 0
        self._pressed: Optional[Tuple[bool, int]] = None
        self._from: Any = None
        self._over: Optional[int] = None
        self.setObjectName(f"limner_{name}")
        self.setAccessibleName("Palette: colours as they were above, what they become below")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFixedHeight(ABOVE + BELOW + 2 * FRAME)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_strip(self, strip: Swatches) -> None:
        """Shows swatches."""
        if strip != self.strip:
            self.strip = strip
            self._go(min(self.current, len(strip.source) - 1))

    def toggle_lock(self) -> None:
        """Locks the current colour, or frees it."""
        if self.strip.is_locked(self.current):
            self.free()
        else:
            self._changed(self.strip.locked(self.current))

    def free(self) -> None:
        """Has the operation choose the current colour."""
        self._changed(self.strip.freed(self.current))

    def reset(self) -> None:
        """Has the operation choose all."""
        self._changed(self.strip.reset())

    def choose(self) -> None:
        """Asks for the current colour; what the artist tries meanwhile counts already."""
        number, earlier = self.current, self.strip.links.get(self.current)
        dialog = QColorDialog(QColor(self.strip.becomes(number).code), self)
        dialog.setObjectName("limner_colour_dialog")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(f"What {self.strip.source[number].code} becomes")

        def take(colour: QColor) -> None:
            self._link(number, Swatch.of((colour.redF(), colour.greenF(), colour.blueF())))

        def restore() -> None:
            self._link(number, earlier)

        dialog.currentColorChanged.connect(take)
        dialog.colorSelected.connect(take)
        dialog.rejected.connect(restore)
        dialog.open()

    def take_foreground(self) -> None:
        """Has the current colour become the one that the artist paints with."""
        swatch = self._foreground()
        if swatch is not None:
            self._link(self.current, swatch)

    def _link(self, number: int, swatch: Optional[Swatch]) -> None:
        if number < len(self.strip.source):
            strip = self.strip
            self._changed(strip.freed(number) if swatch is None else strip.linked(number, swatch))

    def _go(self, number: int) -> None:
        self.current = min(max(0, number), len(self.strip.source) - 1)
        self.setAccessibleDescription(self._words(self.current))
        self.moved()
        self.update()

    def _words(self, number: int) -> str:
        """What the tool tip says of a pair."""
        strip = self.strip
        state = "Limner chose this."
        if strip.is_locked(number):
            state = "Locked: it stays as it is."
        elif number in strip.links:
            state = "You chose this."
        source, share = strip.source[number].code, strip.share[number]
        return (
            f"{source} ({share:.0%} of the picture) becomes {strip.becomes(number).code}. {state}"
        )

    def _places(self) -> "list[QRect]":
        """Where the pairs are, from left to right."""
        left, places = FRAME, []
        room = max(0, self.width() - 2 * FRAME + GAP)
        for span in widths(self.strip.share, room, LEAST):
            places.append(QRect(left, FRAME, span - GAP, ABOVE + BELOW))
            left += span
        return places

    def _at(self, point: Any) -> Tuple[bool, int]:
        """Whether a place is in the lower row, and of which pair."""
        places = self._places()
        reached = [number for number, place in enumerate(places) if place.left() <= point.x()]
        return point.y() >= FRAME + ABOVE, reached[-1] if reached else 0

    def mousePressEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """The artist presses a swatch."""
        self._pressed = self._at(event.pos())
        self._from, self._over = event.pos(), None
        self._go(self._pressed[1])
        if event.button() != Qt.MouseButton.LeftButton:
            self._pressed = None

    def mouseMoveEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """The artist drags it."""
        if self._pressed is None:
            return
        way = (event.pos() - self._from).manhattanLength()
        if self._over is not None or way >= QApplication.startDragDistance():
            below, number = self._at(event.pos())
            inside = below and self.rect().contains(event.pos())
            self._over = number if inside else -1
            self.setCursor(Qt.CursorShape.DragCopyCursor if inside else Qt.CursorShape.ArrowCursor)
            self.update()

    def mouseReleaseEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """The artist lets go: of a click, or over the swatch that takes the colour."""
        pressed, over = self._pressed, self._over
        self._pressed = self._over = None
        event.accept()
        self.unsetCursor()
        self.update()
        if pressed is None:
            return
        below, number = pressed
        if over is None:
            if below:
                self.choose()
        elif over >= 0 and (over, True) != (number, below):
            swatch = self.strip.becomes(number) if below else self.strip.source[number]
            self._go(over)
            self._link(over, swatch)

    def contextMenuEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """The artist asks what can be done with a pair."""
        if event.reason() == event.Reason.Mouse:
            self._go(self._at(event.pos())[1])
        number, strip = self.current, self.strip
        menu = QMenu(self)
        menu.setObjectName("limner_swatch_menu")
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        lock = "Unlock" if strip.is_locked(number) else "Lock"
        for text, act, enabled in (
            ("Choose a colour…", self.choose, True),
            ("Take the foreground colour", self.take_foreground, True),
            (lock, self.toggle_lock, True),
            ("Automatic", self.free, number in strip.links),
            ("Reset all", self.reset, bool(strip.links)),
        ):
            action = menu.addAction(text)
            action.setEnabled(enabled)
            action.triggered.connect(lambda *_, act=act: act())
        menu.addSeparator()
        for swatch in self._offered():
            action = menu.addAction(_icon(swatch), f"Becomes {swatch.code}")
            action.triggered.connect(lambda *_, swatch=swatch: self._link(number, swatch))
        menu.popup(event.globalPos())

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """The artist goes through the pairs by keys, and changes the current one."""
        key = Qt.Key
        acts = {
            key.Key_Left: lambda: self._go(self.current - 1),
            key.Key_Right: lambda: self._go(self.current + 1),
            key.Key_Return: self.choose,
            key.Key_Enter: self.choose,
            key.Key_Space: self.choose,
            key.Key_F: self.take_foreground,
            key.Key_L: self.toggle_lock,
            key.Key_Delete: self.free,
            key.Key_Backspace: self.free,
        }
        if event.key() in acts:
            acts[event.key()]()
        else:
            super().keyPressEvent(event)

    def event(self, event: Any) -> bool:
        """Qt asks for a tool tip, or whether a key is meant for Krita's shortcuts."""
        if event.type() == QEvent.Type.ToolTip and self.strip is not None:
            words = self._words(self._at(event.pos())[1])
            QToolTip.showText(event.globalPos(), f"{words}\n{HELP}", self)
            return True
        if event.type() == QEvent.Type.ShortcutOverride and event.key() in KEYS:
            event.accept()
            return True
        return super().event(event)

    def paintEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Qt wants it drawn."""
        if self.strip is None:
            return
        painter = QPainter(self)
        painter.setClipRect(event.rect())
        for number, place in enumerate(self._places()):
            above = QRect(place.left(), place.top(), place.width(), ABOVE)
            below = QRect(place.left(), place.top() + ABOVE, place.width(), BELOW)
            painter.fillRect(above, QColor(self.strip.source[number].code))
            painter.fillRect(below, QColor(self.strip.becomes(number).code))
            if number in self.strip.links:
                self._draw_mark(painter, below, LOCKED if self.strip.is_locked(number) else CHOSEN)
            if number == (self.current if self._over is None else self._over):
                self._draw_frame(painter, place if self._over is None else below)
        painter.end()

    def _draw_mark(self, painter: QPainter, place: QRect, icon: str) -> None:
        """A mark that any colour under it leaves readable."""
        badge = QRect(0, 0, BADGE, BADGE)
        badge.moveCenter(place.center())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().color(QPalette.ColorRole.Window))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.drawRoundedRect(badge, 4, 4)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        Krita.instance().icon(icon).paint(painter, badge.adjusted(2, 2, -2, -2))

    def _draw_frame(self, painter: QPainter, place: QRect) -> None:
        outer = place.adjusted(-FRAME, -FRAME, FRAME, FRAME)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(self.palette().color(QPalette.ColorRole.Highlight))
        for inset in range(FRAME if self.hasFocus() or self._over is not None else 1):
            painter.drawRect(outer.adjusted(inset, inset, -inset - 1, -inset - 1))


KEYS = (
    Qt.Key.Key_F,
    Qt.Key.Key_L,
    Qt.Key.Key_Delete,
    Qt.Key.Key_Backspace,
    Qt.Key.Key_Return,
    Qt.Key.Key_Enter,
    Qt.Key.Key_Space,
    Qt.Key.Key_Left,
    Qt.Key.Key_Right,
)
"""Keys that Krita has other uses for."""


def _icon(swatch: Swatch) -> QIcon:
    pixmap = QPixmap(ABOVE, ABOVE)
    pixmap.fill(QColor(swatch.code))
    return QIcon(pixmap)


def _button(name: str, tip: str, icon: str, text: str = "") -> QToolButton:
    button = QToolButton()
    button.setObjectName(f"limner_{name}")
    button.setToolTip(tip)
    button.setAccessibleName(text or tip)
    button.setAutoRaise(True)
    if icon:
        button.setIcon(_faint_where_disabled(Krita.instance().icon(icon), button.iconSize()))
    button.setText(text)
    return button


def _faint_where_disabled(icon: QIcon, size: QSize) -> QIcon:
    """Krita's own icons look the same on a button that cannot be clicked."""
    full = icon.pixmap(size)
    faint = QPixmap(full.size())
    faint.setDevicePixelRatio(full.devicePixelRatio())
    faint.fill(Qt.GlobalColor.transparent)
    painter = QPainter(faint)
    painter.setOpacity(FAINT)
    painter.drawPixmap(0, 0, full)
    painter.end()
    both = QIcon(full)
    both.addPixmap(faint, QIcon.Mode.Disabled)
    return both
