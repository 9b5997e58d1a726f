"""A picture of what a result will be like, in the docker and not in the document."""

from typing import Any, Optional

from .qt import QImage, QLabel, QPixmap, QSizePolicy, Qt

HIGHEST = 400
"""Pixels; a tall page is not as wide as the docker then."""


class Preview(QLabel):
    """As wide as the docker; hidden while there is nothing to show."""

    def __init__(self) -> None:
        super().__init__()
        self._image: Optional[QImage] = None
        self.setObjectName("limner_preview")
        self.setAccessibleName("Preview")
        self.setToolTip("What the result looks like; the picture is as it was.")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        # A picture must not widen the docker.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setVisible(False)

    def show_image(self, image: Optional[QImage]) -> None:
        """Shows an image, or nothing."""
        if image is self._image:
            return
        self._image = image
        self.setVisible(image is not None)
        self._fit()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802  Qt's name
        """Qt gives it another size."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit()

    def _fit(self) -> None:
        if self._image is None or self.width() < 1:
            return
        scaled = QPixmap.fromImage(self._image).scaled(
            self.width(),
            HIGHEST,
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        self.setPixmap(scaled)
        self.setFixedHeight(scaled.height())
