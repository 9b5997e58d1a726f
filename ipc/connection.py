"""The connection file: how to reach the engine that runs, and the secret that it asks for."""

import json
import os
import socket
import stat
from pathlib import Path
from typing import Any, NamedTuple

from . import paths
from .errors import LimnerError

PROBE_SECONDS = 1.0
"""How long a listening engine may take to accept a connection on this computer."""


class Connection(NamedTuple):
    """Where an engine listens. secret: 64 hexadecimal digits; pid: the front process's."""

    host: str
    work_port: int
    control_port: int
    secret: str
    pid: int
    protocol: int
    version: str

    def __repr__(self) -> str:
        return f"Connection({self.host}:{self.work_port}/{self.control_port}, pid {self.pid})"


def write(connection: Connection) -> None:
    """Writes the file in one step, readable by this user alone."""
    file = paths.connection_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as stream:
        json.dump(connection._asdict(), stream)
    draft.replace(file)


def read() -> Connection:
    """The running engine's connection.

    Raises LimnerError engine-not-running where there is no file, or one that a dead engine left
    behind, and unsafe-connection where another user could have read or written it.
    """
    file = paths.connection_file()
    try:
        with file.open() as stream:
            _check_private(file, os.fstat(stream.fileno()))
            connection = _parse(json.load(stream))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _not_running() from error
    if not _listens(connection):
        raise _not_running()
    return connection


def remove() -> None:
    """Removes the file; it need not be there."""
    paths.connection_file().unlink(missing_ok=True)


def _parse(fields: Any) -> Connection:
    # A newer engine may say more than this version knows.
    return Connection(
        **{name: kind(fields[name]) for name, kind in Connection.__annotations__.items()}
    )


def _check_private(file: Path, status: os.stat_result) -> None:
    if os.name != "posix":  # elsewhere the user's profile folder is private by its access list
        return
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise LimnerError(
            "unsafe-connection",
            f"The file {file} can be read or written by other users.",
            "Stop the engine, delete that file and start the engine again.",
        )


def _listens(connection: Connection) -> bool:
    # Asking the port works where a process id says nothing: inside Flatpak, and after a restart.
    try:
        address = (connection.host, connection.control_port)
        socket.create_connection(address, PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def _not_running() -> LimnerError:
    return LimnerError(
        "engine-not-running", "No engine is running.", "Start it with 'limner serve'."
    )
