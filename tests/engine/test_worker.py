"""The worker process and its supervisor, without the server: real process, real sockets."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import zmq

from engine import machine
from engine.server import Doorkeeper
from engine.supervisor import ROOT, USERNAME, Supervisor
from ipc.client import pack
from ipc.messages import Message
from ipc.planes import Plane, digest_of
from tests import drawings

SIZE = 64
LINES = Plane("line-art", "Ink", SIZE, SIZE, 3, "u8", drawings.face(SIZE).tobytes())
HINTS = Plane("scribbles", "Hints", SIZE, SIZE, 4, "u8", drawings.face_hints(SIZE).tobytes())
PATIENCE = 30_000


class Front:
    """Just enough of a front: lets the worker in and takes what it says."""

    def __init__(self, budget: int = 1 << 20) -> None:
        self._context = zmq.Context()
        self._door = Doorkeeper(self._context)
        self._bench = self._context.socket(zmq.ROUTER)
        secret = self._door.guard(USERNAME, self._bench)
        port = self._bench.bind_to_random_port("tcp://127.0.0.1")
        self.worker = Supervisor(self._bench, port, secret, budget)
        self._poller = zmq.Poller()
        for socket in (self._door.socket, self._bench):
            self._poller.register(socket, zmq.POLLIN)

    def next(self, *types: str) -> Message:
        """The worker's next message of one of the types; others are passed over."""
        while True:
            ready = dict(self._poller.poll(PATIENCE))
            assert ready, "the worker is silent"
            if self._door.socket in ready:
                self._door.answer()
            if self._bench in ready:
                message = self.worker.receive()
                if message and message.type in types:
                    return message

    def pending(self) -> bool:
        """Whether the worker has said more, or says it soon."""
        return bool(self._bench.poll(PATIENCE))

    def close(self) -> None:
        self.worker.end()
        self._context.destroy(linger=0)


@pytest.fixture
def front() -> Iterator[Front]:
    front = Front()
    front.worker.start()
    yield front
    front.close()


def request(*planes: Plane, job: str = "one", **fields: Any) -> tuple[dict[str, Any], dict]:
    """A job for the worker, and its frames."""
    descriptions, frames = pack(planes)
    return {
        "job": job,
        "operation": "flats",
        "params": {},
        "canvas": [SIZE, SIZE],
        "planes": descriptions,
        "outputs": ["flats"],
        "previews": False,
        "digests": list(frames),
        **fields,
    }, frames


def test_what_is_sent_before_it_is_ready_is_done(front: Front) -> None:
    task, frames = request(LINES, HINTS)
    front.worker.keep(frames, frames)
    front.worker.tell("run", task)
    assert not front.worker.ready

    result = front.next("result", "error")

    assert front.worker.ready
    assert (result.type, result.header["job"]) == ("result", "one")
    (described,) = result.header["planes"]
    assert digest_of(result.frames[described["digest"]]) == described["digest"]


@pytest.mark.skipif(sys.platform == "win32", reason="priorities are counted on POSIX only")
def test_an_editor_goes_before_it(front: Front) -> None:
    front.next("ready")

    assert psutil.Process(front.worker.pid).nice() == min(19, os.nice(0) + machine.NICENESS)


def test_frames_stay_for_the_next_job(front: Front) -> None:
    task, frames = request(LINES, HINTS)
    front.worker.keep(frames, frames)
    front.worker.tell("run", task)
    front.next("result")
    front.worker.tell("run", {**task, "job": "two"})

    assert front.next("result", "error").header["job"] == "two"


def test_a_frame_that_is_not_its_digest_is_refused(front: Front) -> None:
    task, frames = request(LINES, HINTS)
    front.worker.keep({digest: b"x" * len(frame) for digest, frame in frames.items()}, frames)
    front.worker.tell("run", task)

    refused, error = front.next("refused", "error"), front.next("refused", "error")

    assert refused.header["digests"] == [LINES.digest, HINTS.digest]
    assert (error.type, error.header["code"]) == ("error", "bad-message")


def test_frames_beyond_the_budget_are_forgotten_least_recently_used_first(front: Front) -> None:
    frames = {digest_of(bytes([n]) * (400 << 10)): bytes([n]) * (400 << 10) for n in range(4)}
    first, second, third, fourth = frames
    for digest in (first, second):
        front.worker.keep({digest: frames[digest]}, pinned=())
    front.worker.touch([first])
    front.worker.keep({third: frames[third]}, pinned=())
    assert set(front.worker.held) == {first, third}

    front.worker.keep({fourth: frames[fourth]}, pinned={first, third})
    assert set(front.worker.held) == {first, third}

    front.next("ready")
    for digest in frames:
        plane = Plane("line-art", "", 640, 640, 1, "u8", frames[digest]).describe(digest)
        task, _ = request(job=digest, planes=[plane], digests=[digest])
        front.worker.tell("run", task)
    codes = {m.header["job"]: m.header["code"] for m in (front.next("error") for _ in frames)}
    # A plain plane is no line art; one that is not there cannot even be looked at.
    assert codes == {
        first: "empty-line-art",
        second: "bad-message",
        third: "empty-line-art",
        fourth: "bad-message",
    }


def test_an_operations_own_error_keeps_the_worker_alive(front: Front) -> None:
    task, frames = request(LINES, HINTS)
    front.worker.keep(frames, frames)
    front.worker.tell("run", {**task, "canvas": ["wide", "high"]})
    error = front.next("error")
    front.worker.tell("run", {**task, "job": "two"})

    assert error.header["code"] == "internal"
    assert "Traceback" in error.header["traceback"]
    assert "Traceback" not in error.header["sentence"]
    assert front.next("result", "error").type == "result"


def test_an_ended_workers_last_words_are_not_heard(front: Front) -> None:
    task, frames = request(LINES, HINTS)
    front.worker.keep(frames, frames)
    front.worker.tell("run", task)
    front.worker.tell("run", {**task, "job": "unheard"})
    front.next("result")
    assert front.pending(), "the second job is silent"
    front.worker.end()
    front.worker.start()
    assert not front.worker.held
    front.worker.keep(frames, frames)
    front.worker.tell("run", {**task, "job": "two"})

    assert front.next("progress", "result", "error").header["job"] == "two"


def test_a_worker_that_died_is_noticed(front: Front) -> None:
    front.next("ready")
    assert not front.worker.has_died()
    psutil.Process(front.worker.pid).kill()

    deadline = time.monotonic() + 30
    while not front.worker.has_died():
        assert time.monotonic() < deadline

    assert front.worker.pid is None


def test_nobody_else_gets_at_the_workers_socket(front: Front) -> None:
    front.next("ready")
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.linger = 0
        stranger.plain_username, stranger.plain_password = USERNAME.encode(), b"guess"
        stranger.connect(f"tcp://127.0.0.1:{front.worker._port}")
        stranger.send(b'{"type": "ready"}')
        task, frames = request(LINES, HINTS)
        front.worker.keep(frames, frames)
        front.worker.tell("run", task)
        front.next("result")

        assert not stranger.poll(0)


FRONT = """
import sys
import time
sys.path.insert(0, {root!r})
from tests.engine.test_worker import Front
front = Front()
front.worker.start()
front.next("ready")
print(front.worker.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_ends_with_its_front(way: signal.Signals) -> None:
    front = subprocess.Popen(
        [sys.executable, "-c", FRONT.format(root=str(ROOT))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with front:
        worker = psutil.Process(json.loads(front.stdout.readline()))
        front.send_signal(way)
    gone, alive = psutil.wait_procs([worker], timeout=30)

    assert (len(gone), alive) == (1, [])
