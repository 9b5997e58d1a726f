"""Finding and starting the engine's program, here a stand-in that listens and writes the file."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ipc import connection, launch, paths
from ipc.errors import LimnerError

Record = Callable[[str], None]
ROOT = Path(launch.__file__).resolve().parents[1]
ENGINE = f"""
import json, os, pathlib, socket, sys
sys.path.insert(0, {str(ROOT)!r})
from ipc import connection, paths
(paths.home() / "seen.json").write_text(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))
server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
connection.write(connection.Connection("127.0.0.1", port, port, "s", os.getpid(), 1, "0.1.0"))
while True:
    server.accept()
"""
FAILING = "import sys; sys.exit('ImportError: libGL.so.1 is missing')"
SECOND = "print('limner: the engine is already running.')"


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    """Records a stand-in of the given source; ends it after the test."""

    def record(source: str) -> None:
        script = tmp_path / "stand_in.py"
        script.write_text(source)
        launch.record_command([sys.executable, str(script)])

    yield record
    try:
        os.kill(connection.read().pid, signal.SIGTERM)
    except LimnerError:
        return


def failure_of_ensuring(timeout: float = 30.0) -> LimnerError:
    with pytest.raises(LimnerError) as caught:
        launch.ensure_running(timeout)
    return caught.value


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_recorded_command_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin" / "limner")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    recorded = program(tmp_path / "venv" / "limner")
    launch.record_command([str(recorded), "--quiet"])

    assert launch.find_command() == [str(recorded), "--quiet"]


@pytest.mark.skipif(os.name != "posix", reason="programs are told by their mode on POSIX alone")
@pytest.mark.parametrize("note", [None, "{", "[]", '["/nowhere/limner"]', '{"a": 1}'])
def test_without_a_usable_record_path_is_searched(
    note: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = program(tmp_path / "bin" / "limner")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    if note is not None:
        (paths.home() / "command.json").write_text(note)

    assert launch.find_command() == [str(on_path)]


@pytest.mark.skipif(os.name != "posix", reason="programs are told by their mode on POSIX alone")
def test_then_the_usual_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = program(tmp_path / ".local" / "bin" / "limner")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("HOME", str(tmp_path))

    assert launch.find_command() == [str(usual)]


def test_nothing_found_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(launch, "USUAL_FOLDERS", ())

    with pytest.raises(LimnerError, match="pipx install limner") as caught:
        launch.find_command()
    assert caught.value.code == "engine-not-found"


def test_a_forgotten_command_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    launch.record_command([sys.executable])
    launch.forget_command()
    launch.forget_command()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(launch, "USUAL_FOLDERS", ())

    with pytest.raises(LimnerError):
        launch.find_command()


def test_starts_the_engine_once_with_a_clean_environment(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LD_LIBRARY_PATH", "PYTHONHOME", "QT_PLUGIN_PATH", "GIO_MODULE_DIR"):
        monkeypatch.setenv(name, "/of/the/editor")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    record(ENGINE)

    first = launch.ensure_running()
    again = launch.ensure_running()

    arguments, environment, folder = json.loads((paths.home() / "seen.json").read_text())
    assert first == again == connection.read()
    assert arguments == ["serve"]
    assert "/of/the/editor" not in environment.values()
    assert environment["LANG"] == "de_DE.UTF-8"
    assert Path(folder) == paths.home()


def test_the_engine_outlives_who_started_it(record: Record) -> None:
    record(ENGINE)
    editor = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + (
        "from ipc import launch; print(launch.ensure_running().pid)"
    )
    started = subprocess.run(
        [sys.executable, "-c", editor], check=True, capture_output=True, text=True
    )

    assert connection.read().pid == int(started.stdout)
    if os.name == "posix":
        assert os.getsid(int(started.stdout)) != os.getsid(0)


def test_a_failed_start_tells_the_reason(record: Record) -> None:
    record(FAILING)

    error = failure_of_ensuring()

    assert error.code == "engine-start-failed"
    assert "libGL.so.1 is missing" in error.sentence


def test_a_program_that_cannot_run_is_a_failed_start(tmp_path: Path) -> None:
    broken = program(tmp_path / "limner")
    broken.write_text("#!/nowhere/python\n")
    launch.record_command([str(broken)])

    assert failure_of_ensuring().code == "engine-start-failed"


def test_a_second_engine_that_gives_way_is_no_failure_by_itself(record: Record) -> None:
    record(SECOND)

    error = failure_of_ensuring(timeout=0.3)

    assert "not ready after 0.3 seconds" in error.sentence


def test_flatpak_cannot_start_it_and_says_the_command(
    tmp_path: Path, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(ENGINE)
    mark = tmp_path / "flatpak-info"
    mark.touch()
    monkeypatch.setattr(launch, "FLATPAK", mark)

    error = failure_of_ensuring()

    assert error.code == "engine-not-running"
    assert f"{sys.executable} {tmp_path / 'stand_in.py'} serve" in error.next_step


def test_an_unsafe_connection_file_is_not_papered_over(record: Record) -> None:
    record(ENGINE)
    launch.ensure_running()
    paths.connection_file().chmod(0o644)

    assert failure_of_ensuring().code == "unsafe-connection"
    paths.connection_file().chmod(0o600)
