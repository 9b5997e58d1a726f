"""Finding the engine's program and starting it."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, Optional

from . import connection, paths
from .connection import Connection
from .errors import LimnerError

HOST_VARIABLES = ("LD_", "DYLD_", "PYTHON", "QT_", "GTK_", "GDK_", "GIO_", "GI_", "GST_")
"""Beginnings of the variables by which an editor steers its own libraries, not the engine's."""
USUAL_FOLDERS = ("~/.local/bin", "/opt/homebrew/bin", "/usr/local/bin")
"""Where pipx and its like put programs on every system; a desktop's PATH may lack them."""
FLATPAK = Path("/.flatpak-info")
"""Is there inside Flatpak, where no program of the host can be started."""
LOOK = 0.02


def find_command() -> List[str]:
    """The command that `limner install` recorded, else the program where it usually is.

    Raises LimnerError engine-not-found.
    """
    folders = [os.environ.get("PATH", ""), *(str(Path(f).expanduser()) for f in USUAL_FOLDERS)]
    for command in (_recorded(), ["limner"]):
        program = shutil.which(command[0], path=os.pathsep.join(folders)) if command else None
        if program:
            return [program, *command[1:]]
    raise LimnerError(
        "engine-not-found",
        "The engine's program 'limner' was not found.",
        "Install it with 'pipx install limner', then run 'limner install krita' or "
        "'limner install gimp'.",
    )


def record_command(command: List[str]) -> None:
    """Notes which command starts the engine."""
    file = _command_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(json.dumps(command), encoding="utf-8")


def forget_command() -> None:
    """Removes the note; it need not be there."""
    _command_file().unlink(missing_ok=True)


def ensure_running(timeout: float = 30.0, command: Optional[List[str]] = None) -> Connection:
    """The running engine's connection; starts the engine where none runs. Blocks.

    command: the engine's program; None finds it.

    Raises LimnerError engine-not-found, engine-start-failed (also after `timeout` seconds),
    unsafe-connection, and engine-not-running inside Flatpak, where only the person can start it.
    """
    try:
        return connection.read()
    except LimnerError as error:
        if error.code != "engine-not-running":
            raise
    if FLATPAK.exists():
        raise LimnerError(
            "engine-not-running",
            "No engine is running, and an editor inside Flatpak cannot start it.",
            f"Open a terminal, run '{_words_for_flatpak()}' and try again.",
        )
    return _start([*(command or find_command()), "serve"], timeout)


def clean_environment() -> Dict[str, str]:
    """The environment of this process without what the editor set for its own libraries."""
    return {k: v for k, v in os.environ.items() if not k.startswith(HOST_VARIABLES)}


def _start(command: List[str], timeout: float) -> Connection:
    paths.home().mkdir(mode=0o700, parents=True, exist_ok=True)
    with _output_file().open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=str(paths.home()),
                env=clean_environment(),
                **_detached(),
            )
        except OSError as error:
            raise _start_failed(str(error)) from error
    # The engine outlives this call; somebody must take its exit status once it ends.
    threading.Thread(target=process.wait, name="limner-engine", daemon=True).start()
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        try:
            return connection.read()
        except LimnerError as error:
            if error.code != "engine-not-running":
                raise
        # A second editor may have started its engine first: ours says so and ends with status 0.
        if ended and process.returncode != 0:
            raise _start_failed(_last_words())
        time.sleep(LOOK)
    raise _start_failed(f"it was not ready after {timeout:g} seconds")


def _detached() -> Dict[str, Any]:
    """Arguments that let the engine outlive the editor and open no window."""
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        return {"creationflags": flags}
    return {"start_new_session": True}


def _recorded() -> List[str]:
    try:
        command = json.loads(_command_file().read_text(encoding="utf-8"))
        return [str(word) for word in command] if isinstance(command, list) else []
    except (OSError, ValueError):
        return []


def _command_file() -> Path:
    return paths.home() / "command.json"


def _output_file() -> Path:
    """What the engine said before its log was open."""
    return paths.home() / "engine-start.log"


def _last_words() -> str:
    lines = _output_file().read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it ended without a word"


def _words_for_flatpak() -> str:
    return " ".join([*(_recorded() or ["limner"]), "serve"])


def _start_failed(reason: str) -> LimnerError:
    return LimnerError(
        "engine-start-failed",
        f"The engine did not start: {reason}.",
        "Run 'limner doctor' in a terminal; it says what is missing.",
    )
