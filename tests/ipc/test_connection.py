"""The connection file: what is written comes back, and nothing unsafe or stale does."""

import json
import os
import socket
import stat
from collections.abc import Iterator

import pytest

from ipc import connection, paths
from ipc.connection import Connection
from ipc.errors import LimnerError

posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")


@pytest.fixture
def listening() -> Iterator[Connection]:
    """A connection to a port where somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        yield Connection("127.0.0.1", port, port, "5ec2e7" * 10, os.getpid(), 1, "0.1.0")


def code_of_reading() -> str:
    with pytest.raises(LimnerError) as caught:
        connection.read()
    return caught.value.code


def test_comes_back_as_written(listening: Connection) -> None:
    connection.write(listening)

    assert connection.read() == listening
    assert [file.name for file in paths.home().iterdir()] == ["engine.json"]


def test_replaces_an_older_file(listening: Connection) -> None:
    connection.write(listening._replace(version="0.0.1"))
    connection.write(listening)

    assert connection.read() == listening


@posix
def test_only_the_user_can_read_it(listening: Connection) -> None:
    connection.write(listening)

    assert stat.S_IMODE(paths.connection_file().stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_file_open_to_others_is_refused(listening: Connection, mode: int) -> None:
    connection.write(listening)
    paths.connection_file().chmod(mode)

    assert code_of_reading() == "unsafe-connection"


@posix
def test_a_file_of_another_user_is_refused(
    listening: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.write(listening)
    monkeypatch.setattr(os, "getuid", lambda: paths.home().stat().st_uid + 1)

    assert code_of_reading() == "unsafe-connection"


def test_no_file_means_no_engine() -> None:
    assert code_of_reading() == "engine-not-running"


def test_a_dead_engine_is_told_by_its_silent_port(listening: Connection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    connection.write(listening._replace(control_port=port))

    assert code_of_reading() == "engine-not-running"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"x"', "\xff", '{"host": "127.0.0.1"}'])
def test_a_damaged_file_means_no_engine(text: str, listening: Connection) -> None:
    connection.write(listening)
    paths.connection_file().write_text(text, encoding="latin-1")

    assert code_of_reading() == "engine-not-running"


def test_fields_of_a_newer_engine_are_ignored(listening: Connection) -> None:
    connection.write(listening)
    newer = dict(listening._asdict(), colour="blue")
    paths.connection_file().write_text(json.dumps(newer))

    assert connection.read() == listening


def test_the_secret_stays_out_of_logs(listening: Connection) -> None:
    assert listening.secret not in f"{listening} {listening!r}"


def test_removing_twice_is_no_error(listening: Connection) -> None:
    connection.write(listening)
    connection.remove()
    connection.remove()

    assert code_of_reading() == "engine-not-running"
