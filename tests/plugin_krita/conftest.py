"""A real Krita with the docker installed, and an engine outside it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ipc import connection
from ipc.client import Client
from tests import editors
from tests import simple_networks as networks
from tests.engine.operations.test_paint import paints_what_it_is_told

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGIN = Path(__file__).parent / "limner_test"
START, ANSWER = 600.0, 240.0
DEPTHS = {"U8": "<u1", "U16": "<u2", "F16": "<f2", "F32": "<f4"}
CHANNELS = {"RGBA": 4, "GRAYA": 2, "CMYKA": 5}


class Krita:
    """A running Krita; `krita.click("limner_run")` calls the function in limner_test/actions.py."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self._log = (folder / "krita.log").open("wb")
        port = folder / "port"
        self._process = editors.start(
            ["krita", "--nosplash"],
            shared=[folder, home],
            screen="1600x1000",
            log=self._log,
            env={
                **_places(folder),
                "LIMNER_HOME": str(home),
                "LIMNER_TEST_PORT": str(port),
                "PYTHONWARNINGS": "ignore",
            },
        )
        address = ("127.0.0.1", int(self._announced(port)))
        self._socket = socket.create_connection(address, timeout=2 * ANSWER)
        self._lines = self._socket.makefile("rw")

    def _announced(self, port: Path) -> str:
        deadline = time.monotonic() + START
        while not port.exists():
            ended = self._process.poll() is not None
            assert not ended and time.monotonic() < deadline, self.log()
            time.sleep(0.05)
        return port.read_text()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self._lines.write(json.dumps([name, arguments]) + "\n")
            self._lines.flush()
            answer = json.loads(self._lines.readline() or '{"error": "Krita is gone"}')
            assert "error" not in answer, f"{answer['error']}\n{self.log()}"
            return answer["value"]

        return call

    def log(self) -> str:
        """The end of what Krita printed; it complains of its own plug-ins all the time."""
        lines = (self.folder / "krita.log").read_text(errors="replace").splitlines()
        return "\n".join([line for line in lines if "QPainter" not in line][-20:])

    def wait(
        self, wanted: Callable[[dict[str, Any]], bool], seconds: float = ANSWER, every: float = 0.01
    ) -> dict:
        """The docker's state once it is as wanted.

        every: seconds between two looks, each of which keeps Krita busy for milliseconds.
        """
        deadline = time.monotonic() + seconds
        while not wanted(state := self.state()):
            assert time.monotonic() < deadline, f"{state}\n{self.errors()}\n{self.log()}"
            time.sleep(every)
        return state

    def wait_until(self, done: Callable[[], bool], seconds: float = ANSWER) -> None:
        """Returns once `done` holds."""
        self.wait(lambda _: done(), seconds)

    def wait_until_at_work(self) -> None:
        """Returns once the engine computes for the docker."""
        waiting = ("Reading", "Starting", "Waiting", "Decode")
        self.wait(lambda state: state["running"] and not state["progress"].startswith(waiting))

    def run(self) -> str:
        """Clicks Run and returns what the docker says at the end."""
        assert self.click("limner_run")
        return self.finish()

    def finish(self, every: float = 0.01) -> str:
        """What the docker says once the job has ended; every as in `wait`."""
        ended = self.wait(lambda state: state["can_run"] and not state["running"], every=every)
        return ended["notice"]

    def paint(self, path: str, pixels: np.ndarray) -> None:
        """Fills a layer; pixels in Krita's own order of channels."""
        file = self.folder / "pixels.raw"
        file.write_bytes(np.ascontiguousarray(pixels).tobytes())
        self.write(path, str(file))

    def pixels(self, path: str, height: int) -> np.ndarray:
        """A layer's pixels in Krita's own order of channels."""
        file = self.folder / "pixels.raw"
        model, depth, _ = self.read(path, str(file))
        data = np.frombuffer(file.read_bytes(), DEPTHS[depth])
        return data.reshape(height, -1, CHANNELS[model])

    def seen(self, height: int, depth: str = "U8") -> np.ndarray:
        """The picture as the artist sees it, four channels in Krita's own order."""
        file = self.folder / "pixels.raw"
        self.picture(str(file))
        return np.frombuffer(file.read_bytes(), DEPTHS[depth]).reshape(height, -1, 4)

    def select_softly(self, values: np.ndarray) -> None:
        """Makes 8-bit values, H x W, the selection."""
        file = self.folder / "pixels.raw"
        file.write_bytes(values.tobytes())
        self.select_values(str(file))

    def selected(self, height: int) -> np.ndarray | None:
        """The selection's values, H x W; None where nothing is selected."""
        file = self.folder / "pixels.raw"
        if not self.selection(str(file)):
            return None
        return np.frombuffer(file.read_bytes(), np.uint8).reshape(height, -1)

    def shown(self, path: str, height: int) -> np.ndarray:
        """What the artist sees of a layer, 8-bit BGRA."""
        file = self.folder / "pixels.raw"
        self.projection(path, str(file))
        return np.frombuffer(file.read_bytes(), np.uint8).reshape(height, -1, 4)

    def close(self) -> None:
        """Closes the document in view."""
        # Krita 5.2 crashes where a document goes while the layer list still catches up with it.
        time.sleep(0.5)
        left = self.documents()
        self.close_document()
        self.wait_until(lambda: self.documents() < left)

    def close_all(self) -> None:
        """Closes every document."""
        while self.documents():
            self.close()

    def quit(self) -> int:
        """Closes the documents and quits as the artist does; returns the exit status."""
        self.close_all()
        self.trigger_later("file_quit")
        return self._process.wait(60)

    def answers(self) -> bool:
        """Whether it lives and hears us; a crash takes a moment to end the process."""
        try:
            return not self.has_ended and bool(self.version())
        except (AssertionError, OSError):
            return False

    @property
    def has_ended(self) -> bool:
        """Whether it no longer runs."""
        return self._process.poll() is not None

    def again(self) -> "Krita":
        """A new one in the same home."""
        self.kill()
        (self.folder / "port").unlink()
        return Krita(self.folder, self.home)

    def kill(self) -> None:
        """Ends it at once."""
        self._socket.close()
        self._process.kill()
        self._process.wait()
        self._log.close()


class Engine:
    """`limner serve`, outside the editors' folder."""

    def __init__(self, home: Path) -> None:
        self._environment = {**os.environ, "LIMNER_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
        self._file = home / "engine.json"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it can be reached."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "engine.cli", "serve"], env=self._environment
        )
        deadline = time.monotonic() + START
        while not self._file.exists():
            assert self._process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)

    def kill_worker(self) -> None:
        """Kills the process that does the work."""
        with pytest.MonkeyPatch.context() as patch, Client("test") as client:
            patch.setenv("LIMNER_HOME", str(self._file.parent))
            client.connect(connection.read())
            os.kill(client.status()["worker"]["pid"], signal.SIGKILL)

    def end(self) -> None:
        """Kills it with what belongs to it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _places(folder: Path) -> dict[str, str]:
    """A home of Krita's own."""
    return {
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_RUNTIME_DIR": str(folder / "runtime"),
    }


def _install(folder: Path, home: Path) -> None:
    """Installs the docker as `limner install krita` does, and the tests' own plug-in beside it."""
    from engine import install

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**_places(folder), "LIMNER_HOME": str(home)}.items():
            patch.setenv(name, value)
        install.install("krita")
    plugins = folder / "data" / "krita" / "pykrita"
    shutil.copytree(PLUGIN, plugins / PLUGIN.name)
    shutil.move(plugins / PLUGIN.name / "limner_test.desktop", plugins)
    settings = folder / "config" / "kritarc"
    settings.write_text(settings.read_text() + "enable_limner_test=true\n")
    # Software rendering needs no OpenGL, and starts faster without.
    (folder / "config" / "kritadisplayrc").write_text("[General]\nOpenGLRenderer=none\n")
    (folder / "runtime").mkdir(mode=0o700)


@pytest.fixture(scope="session")
def limner_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Krita's docker and the engine outside meet."""
    return tmp_path_factory.mktemp("engine-home")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, limner_home: Path) -> Iterator[list[Krita]]:
    """The Krita that runs: one for all tests, since it takes a while to start."""
    editors.folder()
    folder = tmp_path_factory.mktemp("krita")
    _install(folder, limner_home)
    running = [Krita(folder, limner_home)]
    yield running
    running[0].kill()


@pytest.fixture(scope="session")
def engine(limner_home: Path) -> Iterator[Engine]:
    """A running engine."""
    engine = Engine(limner_home)
    engine.start()
    yield engine
    engine.end()


@pytest.fixture
def krita(running: list[Krita], engine: Engine) -> Iterator[Krita]:
    """Krita without a document, and an engine; fails the test for an exception nobody caught."""
    if not running[0].answers():
        running[0] = running[0].again()
    krita = running[0]
    yield krita
    if not krita.has_ended:
        errors = krita.errors()
        # Krita 5.2 now and then crashes on closing a document just changed; the test is over by
        # then, and the next one gets a new Krita.
        with contextlib.suppress(ConnectionError):
            krita.close_all()
            errors += krita.errors()
        assert errors == []


@pytest.fixture
def simple_networks(limner_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Networks of which can be told what they find: red is a subject, pasted things get bluer."""
    monkeypatch.setenv("LIMNER_HOME", str(limner_home))
    networks.red_is_subject()
    networks.one_change([[0.7, 0, 0, 0], [0, 0.9, 0, 0], [0, 0, 0.8, 0.2]])
    yield
    shutil.rmtree(limner_home / "models", ignore_errors=True)


@pytest.fixture
def painter(limner_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A network that paints as told, with grain by which variants differ."""
    monkeypatch.setenv("LIMNER_HOME", str(limner_home))
    paints_what_it_is_told(0.4)
    yield
    shutil.rmtree(limner_home / "models", ignore_errors=True)


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where screenshots go, for somebody to look at: $LIMNER_SHOTS, or nowhere in particular."""
    folder = Path(os.environ.get("LIMNER_SHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
