"""A picture of what a result will be like, in the docker and not in the document."""

from typing import Any, Optional

from .qt import QImage, QLabel, QPixmap, QSizePolicy, Qt

HIGHEST = 400
"""Pixels; a tall page is not as wide as the docker then."""

TIP = "What the result looks like; the picture is as it was."
HOLD = "Hold the mouse button or the space bar to see the picture as it is."


class Preview(QLabel):
    """As wide as the docker; hidden while there is nothing to show."""

    def __init__(self) -> None:
        super().__init__()
        self._image: Optional[QImage] = None
        self._before: Optional[QImage] = None
        self._is_held = False
        self.setObjectName("limner_preview")
        self.setAccessibleName("Preview")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        # A picture must not widen the docker.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setVisible(False)

    def show_image(self, image: Optional[QImage], before: Optional[QImage] = None) -> None:
        """Shows an image, or nothing. before: what to compare it with while it is pressed."""
        if image is self._image and before is self._before:
            return
        self._image, self._before = image, before
        self.setVisible(image is not None)
        self.setToolTip(TIP if before is None else f"{TIP} {HOLD}")
        policy = Qt.FocusPolicy.NoFocus if before is None else Qt.FocusPolicy.StrongFocus
        self.setFocusPolicy(policy)
        self._fit()

    def mousePressEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """The artist compares."""
        event.accept()
        self._hold(True)

    def mouseReleaseEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """The artist has compared."""
        event.accept()
        self._hold(False)

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """The same by the space bar."""
        if event.key() == Qt.Key.Key_Space:
            self._hold(True)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """The same by the space bar; a key that is held repeats."""
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self._hold(False)
        else:
            super().keyReleaseEvent(event)

    def focusOutEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """A key may be let go elsewhere."""
        super().focusOutEvent(event)
        self._hold(False)

    def _hold(self, is_held: bool) -> None:
        if is_held != self._is_held:
            self._is_held = is_held
            self._fit()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Qt gives it another size."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit()

    def _fit(self) -> None:
        if self._image is None or self.width() < 1:
            return
        image = self._before if self._is_held and self._before is not None else self._image
        scaled = QPixmap.fromImage(image).scaled(
            self.width(),
            HIGHEST,
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        self.setPixmap(scaled)
        self.setFixedHeight(scaled.height())
