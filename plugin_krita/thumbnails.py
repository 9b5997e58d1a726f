"""Small pictures of variants, made of what was read and drawn anyway; away from the main thread."""

from typing import Dict, Optional, Sequence

from .ipc.planes import Plane
from .pixels import Drawn, Pixels
from .qt import QImage, QPainter, Qt
from .samples import PIXEL, Samples, of_drawn, of_pixels

SIDE = 160
"""Pixels of a thumbnail's longer side; enough for twice the size at which it is shown."""
LARGE_SIDE = 400
"""The same of the picture of a whole result, which is as wide as the docker."""
BAND = 32
"""Rows that are drawn at once: meanwhile Qt lets no other Python code run, the docker's neither."""
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
    return {number: _seen(layers, number, lines, lines_mode, SIDE) for number in sorted(numbers)}


def of_first(layers: Sequence[Drawn], lines: Pixels, lines_mode: str) -> QImage:
    """A result as it will be seen, the first variant where there are several; else as above."""
    first = min((layer.variant for layer in layers if layer.variant is not None), default=None)
    return _seen(layers, first, lines, lines_mode, LARGE_SIDE)


def of_plane(plane: Plane) -> QImage:
    """The picture that an 8-bit RGB plane holds."""
    row = plane.width * plane.channels
    size = plane.width, plane.height
    return QImage(bytes(plane.data), *size, row, QImage.Format.Format_RGB888).copy()


def _seen(
    layers: Sequence[Drawn], variant: Optional[int], lines: Pixels, lines_mode: str, side: int
) -> QImage:
    canvas = (lines.width, lines.height)
    step = max(1, max(canvas) // (FINENESS * side))
    ink = of_pixels(lines, step)
    picture = QImage(ink.width, ink.height, QImage.Format.Format_RGB32)
    picture.fill(Qt.GlobalColor.white)
    painter = QPainter(picture)
    for layer in layers:
        if layer.variant == variant:
            _draw(painter, of_drawn(layer, canvas, step), layer.blending, layer.opacity)
    _draw(painter, ink, lines_mode)
    painter.end()
    return _scaled(picture, side)


def _draw(painter: QPainter, samples: Samples, mode: str, opacity: float = 1.0) -> None:
    painter.setCompositionMode(MODES.get(mode, MODES["normal"]))
    painter.setOpacity(opacity)
    row, data = PIXEL * samples.width, memoryview(samples.data)
    for top in range(0, samples.height, BAND):
        rows = min(BAND, samples.height - top)
        band = bytes(data[top * row : (top + rows) * row])
        form = QImage.Format.Format_ARGB32
        painter.drawImage(0, top, QImage(band, samples.width, rows, row, form))


def _scaled(picture: QImage, side: int) -> QImage:
    return picture.scaled(
        side,
        side,
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )
