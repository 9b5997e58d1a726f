"""Saves colours as a palette file, where Krita finds it or where the artist likes."""

from pathlib import Path
from typing import Any, Callable

from .document import palette_folder
from .ipc.errors import LimnerError
from .job import Notice
from .qt import QFileDialog
from .swatches import Swatches, gimp_palette

SUFFIX = "gpl"


def ask(parent: Any, name: str, chosen: Callable[[Path], None]) -> None:
    """Asks for a file; begins where Krita keeps its own. name: of the palette."""
    folder = palette_folder()
    start = folder if folder.is_dir() else Path.home()
    clean = "".join(letter if letter.isalnum() or letter in " -_()" else "_" for letter in name)
    dialog = QFileDialog(parent, "Save palette", str(start), f"GIMP palette (*.{SUFFIX})")
    dialog.setObjectName("limner_palette_dialog")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(SUFFIX)
    dialog.selectFile(f"{clean}.{SUFFIX}")
    dialog.fileSelected.connect(lambda file: chosen(Path(file)))
    dialog.finished.connect(lambda *_: dialog.deleteLater())
    dialog.open()


def write(file: Path, strip: Swatches, below: bool) -> Notice:
    """Writes a row of the strip; says where it is, and when Krita knows it."""
    try:
        file.write_text(gimp_palette(file.stem, strip, below), encoding="utf-8")
    except OSError as error:
        return Notice.of(
            LimnerError(
                "cannot-write",
                f"The palette could not be saved: {error.strerror}.",
                "Choose another folder and save again.",
            )
        )
    # Krita lets no script add a palette while it runs.
    if file.parent.resolve() == palette_folder().resolve():
        when = "This docker lists it at once, Krita itself from its next start on."
    else:
        when = "Krita's Palette docker can import it."
    return Notice("result", f"Palette “{file.stem}” is saved. {when}")
