"""A Krita plug-in that colours line art with the Colorize Mask, and quits.

$COLORIZE_TASKS names a folder. tasks.json lists sizes and colours, and edge_size and clean_up where
the mask is to detect edges; for task N, N.ink is the line art and N.strokes the number of each
pixel's colour, 0 for none. N.colours and results.json, which holds the seconds of each task or what
went wrong, come back. Pixels are 8-bit BGRA. The standard library alone, as nothing else is sure to
be where Krita is.
"""

import json
import os
import time
import traceback
from pathlib import Path

from krita import Extension, Krita, ManagedColor
from PyQt5.QtCore import QByteArray, QTimer


def colorize(document, ink, strokes, task) -> tuple:
    """The mask's colours, and the seconds from its start on."""
    frame = 0, 0, document.width(), document.height()
    layer = document.createNode("ink", "paintlayer")
    document.rootNode().addChildNode(layer, None)
    layer.setPixelData(QByteArray(ink), *frame)
    mask = document.createColorizeMask("colours")
    layer.addChildNode(mask, None)
    if "edge_size" in task:
        mask.setUseEdgeDetection(True)
        mask.setEdgeDetectionSize(task["edge_size"])
        mask.setCleanUpAmount(task["clean_up"])
    mask.setEditKeyStrokes(True)
    managed = [managed_color(colour) for colour in task["colours"]]
    mask.initializeKeyStrokeColors(managed)
    for number, colour in enumerate(managed, 1):
        stroke = strokes.translate(bytes(255 * (value == number) for value in range(256)))
        mask.setKeyStrokePixelData(QByteArray(stroke), colour, *frame)
    document.waitForDone()
    start = time.perf_counter()
    mask.updateMask()
    mask.setEditKeyStrokes(False)
    mask.setShowOutput(True)
    document.waitForDone()
    seconds = time.perf_counter() - start
    document.refreshProjection()
    document.waitForDone()
    return bytes(mask.projectionPixelData(*frame)), seconds


def managed_color(rgb) -> ManagedColor:
    """Krita's own form of an 8-bit colour; its components are in the order of the pixels."""
    colour = ManagedColor("RGBA", "U8", "")
    colour.setComponents([*(code / 255 for code in reversed(rgb)), 1.0])
    return colour


def work_through(folder) -> list:
    """Does every task; returns the seconds of each."""
    seconds = []
    for number, task in enumerate(json.loads((folder / "tasks.json").read_text())):
        width, height = task["size"]
        document = Krita.instance().createDocument(width, height, "task", "RGBA", "U8", "", 96.0)
        document.setBatchmode(True)
        ink, strokes = ((folder / f"{number}.{kind}").read_bytes() for kind in ("ink", "strokes"))
        pixels, spent = colorize(document, ink, strokes, task)
        (folder / f"{number}.colours").write_bytes(pixels)
        seconds.append(spent)
        document.setModified(False)
        document.close()
    return seconds


class Colorizer(Extension):
    """Begins once the window is there."""

    def setup(self) -> None:
        """Waits for the window."""
        notifier = Krita.instance().notifier()
        notifier.setActive(True)
        notifier.windowCreated.connect(lambda: QTimer.singleShot(0, self._begin))

    def createActions(self, window) -> None:  # noqa: N802  Krita's name
        """There are none."""

    def _begin(self) -> None:
        folder = Path(os.environ["COLORIZE_TASKS"])
        try:
            results = {"seconds": work_through(folder)}
        except Exception:
            # Left to itself it would open a dialog, and nothing would end that.
            results = {"error": traceback.format_exc()}
        (folder / "results.json").write_text(json.dumps(results))
        QTimer.singleShot(0, lambda: Krita.instance().action("file_quit").trigger())


Krita.instance().addExtension(Colorizer(Krita.instance()))
