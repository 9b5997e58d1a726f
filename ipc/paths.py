"""Where Limner keeps its own files: one folder per user."""

import os
import sys
from pathlib import Path


def home() -> Path:
    """Limner's folder; $LIMNER_HOME names another one.

    It does not follow XDG_DATA_HOME: Flatpak and Snap change that inside their sandboxes, and
    editor and engine must meet in the same place.
    """
    chosen = os.environ.get("LIMNER_HOME")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "limner"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "limner"
    return Path.home() / ".local" / "share" / "limner"


def connection_file() -> Path:
    """Where a running engine says how to reach it; readable by the user alone."""
    return home() / "engine.json"


def log_file() -> Path:
    """The engine's log; older parts beside it end in .1, .2 and so on."""
    return home() / "engine.log"
