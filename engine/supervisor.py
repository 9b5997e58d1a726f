"""The worker process as the front sees it: started, fed, ended and replaced.

Frames go to the worker once and stay there, named by digest; what it holds is decided here, so that
the front knows without asking. Its standard input carries the secret and, while it is open, the
word that the front lives.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import zmq

from engine import machine
from ipc import messages
from ipc.errors import LimnerError
from ipc.planes import Buffer

ROOT = Path(__file__).resolve().parents[1]
"""Where the packages lie; as working folder it keeps modules of other folders out."""
USERNAME = "worker"
NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)


class Supervisor:
    """One worker at a time.

    socket: a ROUTER bound to `port` that only workers can reach, with `secret`. budget: bytes of
    frames that the worker keeps when no job needs them. ready: whether the worker, or the last
    one, came to the point where it takes jobs.
    """

    def __init__(self, socket: zmq.Socket[bytes], port: int, secret: str, budget: int) -> None:
        self._socket = socket
        self._port = port
        self._secret = secret
        self._budget = budget
        self._process: subprocess.Popen[bytes] | None = None
        self._generation = 0
        self._identity = b""
        self._held: OrderedDict[str, int] = OrderedDict()
        self._backlog: list[list[Buffer]] = []
        self.ready = False

    @property
    def pid(self) -> int | None:
        """The worker's process id; None where there is no worker."""
        return self._process.pid if self._process else None

    @property
    def held(self) -> Mapping[str, int]:
        """Bytes of the frames that the worker has or is being sent, by digest."""
        return self._held

    def start(self) -> None:
        """Starts a worker that holds nothing; until it is ready, what is sent to it waits.

        Raises LimnerError engine-start-failed.
        """
        self._generation += 1
        self._identity = f"worker-{self._generation}".encode()
        self._held.clear()
        self._backlog.clear()
        self.ready = False
        greeting = {
            "port": self._port,
            "username": USERNAME,
            "secret": self._secret,
            "identity": self._identity.decode(),
        }
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "engine.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                cwd=ROOT,
                env={**machine.MATRIX_THREADS, **os.environ},
                creationflags=NO_WINDOW,
            )
        except OSError as error:  # an upgrade may have taken the program away under us
            raise start_failed() from error
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):  # it died already, which `has_died` will see
                self._process.stdin.write(json.dumps(greeting).encode() + b"\n")
                self._process.stdin.flush()

    def has_died(self) -> bool:
        """Whether the worker ended by itself; the next `start` makes another."""
        if self._process is None or self._process.poll() is None:
            return False
        self.end()
        return True

    def end(self) -> None:
        """Ends the worker at once; it has nothing to save."""
        if self._process and self._process.stdin:
            self._process.kill()
            self._process.stdin.close()
            self._process.wait()
            self._process = None

    def receive(self) -> messages.Message | None:
        """The next message of the present worker; None for one of a worker that was ended.

        Raises LimnerError bad-message.
        """
        identity, *parts = self._socket.recv_multipart(copy=False)
        if identity.bytes != self._identity:
            return None
        message = messages.decode([part.buffer for part in parts])
        if message.type == "ready":
            self.ready = True
            for waiting in self._backlog:
                self._send(waiting)
            self._backlog.clear()
        return message

    def tell(
        self, type: str, fields: Mapping[str, Any], frames: Mapping[str, Buffer] | None = None
    ) -> None:
        """Sends a message, in order, never waiting."""
        parts = messages.encode(type, fields, frames or {})
        if self.ready:
            self._send(parts)
        else:
            self._backlog.append(parts)

    def keep(self, frames: Mapping[str, Buffer], pinned: Collection[str]) -> None:
        """Hands frames over to be kept; those least recently used go, except the pinned ones."""
        if frames:
            self.tell("keep", {}, frames)
            self._held.update({d: memoryview(frame).nbytes for d, frame in frames.items()})
        surplus = sum(self._held.values()) - self._budget
        gone = []
        for digest in [d for d in self._held if d not in pinned]:
            if surplus <= 0:
                break
            surplus -= self._held.pop(digest)
            gone.append(digest)
        if gone:
            self.tell("forget", {"digests": gone})

    def touch(self, digests: Collection[str]) -> None:
        """Notes that these frames are used now."""
        for digest in digests:
            self._held.move_to_end(digest)

    def drop(self, digests: Collection[str]) -> None:
        """Notes that the worker does not have these frames after all."""
        for digest in digests:
            self._held.pop(digest, None)

    def _send(self, parts: list[Buffer]) -> None:
        self._socket.send_multipart([self._identity, *parts], copy=False)


def start_failed() -> LimnerError:
    """What to say where no worker can be started."""
    return LimnerError(
        "engine-start-failed",
        "The process that runs the jobs did not start.",
        "Stop the engine and run again; if it happens again, see what 'limner doctor' says.",
    )
