"""Small pictures of variants, made of what was read and drawn anyway; away from the main thread."""

from typing import Dict, List, Sequence

from .pixels import Drawn, Pixels
from .qt import QImage, QPainter, Qt
from .samples import PIXEL, Samples, of_drawn, of_pixels

SIDE = 160
"""Pixels of a thumbnail's longer side; enough for twice the size at which it is shown."""
FINENESS = 2
"""Samples for each pixel of it, in each direction."""
MODES = {
    "normal": QPainter.CompositionMode.CompositionMode_SourceOver,
    "multiply": QPainter.CompositionMode.CompositionMode_Multiply,
    "screen": QPainter.CompositionMode.CompositionMode_Screen,
}


def of_variants(layers: Sequence[Drawn], lines: Pixels, lines_mode: str) -> Dict[int, QImage]:
    """Each variant over white and under the lines, by number; empty where there is but one.

    layers: bottom layer first. lines: the primary layer. lines_mode: how that will be blended.
    """
    numbers = {layer.variant for layer in layers if layer.variant is not None}
    if len(numbers) < 2:
        return {}
    canvas = (lines.width, lines.height)
    step = max(1, max(canvas) // (FINENESS * SIDE))
    ink = of_pixels(lines, step)
    pictures = {}
    for number in sorted(numbers):
        own: List[Drawn] = [layer for layer in layers if layer.variant == number]
        picture = QImage(ink.width, ink.height, QImage.Format.Format_RGB32)
        picture.fill(Qt.GlobalColor.white)
        painter = QPainter(picture)
        for layer in own:
            _draw(painter, of_drawn(layer, canvas, step), layer.blending, layer.opacity)
        _draw(painter, ink, lines_mode)
        painter.end()
        pictures[number] = _scaled(picture)
    return pictures


def _draw(painter: QPainter, samples: Samples, mode: str, opacity: float = 1.0) -> None:
    image = QImage(
        bytes(samples.data),
        samples.width,
        samples.height,
        PIXEL * samples.width,
        QImage.Format.Format_ARGB32,
    )
    painter.setCompositionMode(MODES.get(mode, MODES["normal"]))
    painter.setOpacity(opacity)
    painter.drawImage(0, 0, image)


def _scaled(picture: QImage) -> QImage:
    return picture.scaled(
        SIDE,
        SIDE,
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )
