"""A GIMP of the tests' own, with the plug-in installed, that does what it is told."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

from engine import install
from ipc import connection
from ipc.client import Client
from ipc.errors import LimnerError
from tests import editors

DRIVER = Path(__file__).with_name("driver.py")
REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 600
"""Seconds that anything may take."""

# The welcome dialog stays away only where config-version is the running GIMP's own. GIMP would ask
# all its plug-ins for their procedures at first: there are none but ours and the one that runs us.
START = """
ln -s /usr/lib/*/gimp/3.0/plug-ins/python-eval "$GIMP3_DIRECTORY/plug-ins/"
version=$(gimp-console --version | grep -oE '[0-9]+\\.[0-9]+\\.[0-9]+' | head -1)
cat > "$GIMP3_DIRECTORY/gimprc" <<END
(check-updates no)
(show-welcome-dialog no)
(config-version "$version")
(plug-in-path "$GIMP3_DIRECTORY/plug-ins")
END
[ -n "$DISPLAY" ] && openbox &
[ -n "$DISPLAY" ] && gimp=gimp || gimp="gimp-console -i -d"
exec $gimp -s -f --batch-interpreter=python-fu-eval -b "exec(open('$DRIVER').read())" --quit
"""


def wait_until(true: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + patience
    while not (answer := true()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return answer


@contextmanager
def limner_home(home: Path):
    """Another folder of Limner's for a while."""
    with mock.patch.dict(os.environ, LIMNER_HOME=str(home)):
        yield


class Engine:
    """An engine of the tests' own; it runs outside the editors' folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, where it does not run, and waits until it listens."""
        if self.process and self.process.poll() is None:
            return
        command = [sys.executable, "-m", "engine.cli", "serve"]
        with limner_home(self.home):
            self.process = subprocess.Popen(
                command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        wait_until(self.status)

    def stop(self) -> None:
        """Ends it."""
        if self.process:
            self.process.terminate()
            self.process.wait(30)

    def kill(self) -> None:
        """Ends it the hard way, as a crash would."""
        self.process.kill()
        self.process.wait(30)

    def status(self) -> dict[str, Any] | None:
        """What it does now; None where it does not answer."""
        try:
            with limner_home(self.home), Client("test") as client:
                client.connect(connection.read())
                return client.status()
        except LimnerError:
            return None

    def running_job(self) -> dict[str, Any] | None:
        """The job that it works on now."""
        jobs = (self.status() or {}).get("jobs", [])
        return next((job for job in jobs if job["state"] == "running"), None)


class Gimp:
    """A running GIMP. Calling it calls a function of driver.py there.

    screen: size of its screen, or None for the console. folder: its home and its log.
    """

    def __init__(self, folder: Path, home: Path, screen: str | None = None) -> None:
        profile = folder / "gimp"
        (folder / "run").mkdir(mode=0o700)
        profile.mkdir()
        with limner_home(folder):  # so that the engine's command is recorded where nobody reads it
            install.install("gimp", profile)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(PATIENCE)
            self._log = folder / "gimp.log"
            with self._log.open("wb") as log:
                self._process = editors.start(
                    ["bash", "-c", START],
                    shared=[folder, home, DRIVER.parent],
                    screen=screen,
                    log=log,
                    env={
                        "HOME": str(folder),
                        "XDG_CONFIG_HOME": str(folder / "config"),
                        "XDG_CACHE_HOME": str(folder / "cache"),
                        "XDG_DATA_HOME": str(folder / "data"),
                        "XDG_RUNTIME_DIR": str(folder / "run"),
                        "GIMP3_DIRECTORY": str(profile),
                        "LIMNER_HOME": str(home),
                        "NO_AT_BRIDGE": "1",
                        "DRIVER": str(DRIVER),
                        "DRIVER_PORT": str(listener.getsockname()[1]),
                    },
                )
            self._calls = self._accept(listener)
            self._hands = self._accept(listener)

    def __call__(self, function: str, **arguments: Any) -> Any:
        self.begin(function, **arguments)
        return self.end()

    def begin(self, function: str, **arguments: Any) -> None:
        """Calls a function without waiting for it."""
        self._calls.send((function, arguments))

    def end(self) -> Any:
        """What the function that was begun gave back."""
        return self._answer(self._calls)

    def type(self, *words: str | int) -> str:
        """Runs xdotool on its screen."""
        self._hands.send(("xdotool", *map(str, words)))
        return self._answer(self._hands)

    def shoot(self, file: Path) -> None:
        """Takes a picture of its screen; `file` lies in its folder."""
        self._hands.send(("import", "-window", "root", str(file)))
        self._answer(self._hands)

    def window(self, title: str) -> str:
        """The number of the visible window of that title, once there is one."""

        def found() -> str:
            return self.type("search", "--onlyvisible", "--name", f"^{title}$")

        return str(wait_until(found)).split()[0]

    def log(self) -> str:
        """What it printed."""
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        """Ends it and all that it started."""
        self._process.kill()
        self._process.wait(30)

    def _accept(self, listener: socket.socket) -> Connection:
        try:
            return Connection(listener.accept()[0].detach())
        except TimeoutError:
            self.close()
            raise AssertionError("GIMP did not start: " + self.log()[-3000:]) from None

    def _answer(self, line: Connection) -> Any:
        assert line.poll(PATIENCE), "GIMP does not answer: " + self.log()[-3000:]
        try:
            well, answer = line.recv()
        except EOFError:
            raise AssertionError("GIMP ended: " + self.log()[-3000:]) from None
        assert well, answer
        return answer
