"""The engine as its clients meet it: real processes, real sockets."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.job import Cache
from engine.run import run_operation
from engine.supervisor import ROOT
from ipc import PROTOCOL, messages
from ipc.client import Client, Result, pack
from ipc.connection import Connection
from ipc.errors import LimnerError
from ipc.messages import Message
from ipc.planes import Plane
from ipc.zmtp import ConnectionLost, Dealer
from tests import drawings

posix = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
PATIENCE = 60.0
SMALL, LARGE = 64, 3200


def lines(size: int) -> Plane:
    return Plane("line-art", "Ink", size, size, 3, "u8", drawings.face(size).tobytes())


def hints(size: int) -> Plane:
    return Plane("scribbles", "Hints", size, size, 4, "u8", drawings.face_hints(size).tobytes())


JOB = [lines(SMALL), hints(SMALL)]
numbers = itertools.count(1)


def long_job() -> list[Plane]:
    """Takes seconds: long enough for whatever a test does to it meanwhile.

    Never the same drawing twice, so that nothing of it is prepared.
    """
    page = drawings.face(LARGE)
    page[0, 0] = (*divmod(next(numbers), 256), 0)
    return [Plane("line-art", "Ink", LARGE, LARGE, 3, "u8", page.tobytes()), hints(LARGE)]


class Engine:
    """An engine of the test's own, in `home`."""

    def __init__(self, home: Path, environment: dict[str, str], **options: float) -> None:
        self.home = home
        source = f"from engine.server import serve; raise SystemExit(serve(**{options}))"
        self.process = subprocess.Popen(
            [sys.executable, "-c", source],
            cwd=ROOT,
            env={**os.environ, "LIMNER_HOME": str(home), **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.greeting = self.process.stdout.readline()

    @property
    def connection(self) -> Connection:
        return Connection(**json.loads((self.home / "engine.json").read_text()))

    @property
    def log(self) -> str:
        return (self.home / "engine.log").read_text()

    def client(self, name: str = "test") -> Client:
        client = Client(name)
        client.connect(self.connection)
        return client

    def status(self) -> dict[str, Any]:
        with self.client("status") as client:
            return client.status()

    def wait_until(self, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first status that meets the condition."""
        deadline = time.monotonic() + PATIENCE
        with self.client("status") as client:
            while time.monotonic() < deadline:
                status = client.status()
                if met(status):
                    return status
                time.sleep(0.01)
        raise AssertionError(f"never met: {status}\n{self.log}")

    def end(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE)


@contextmanager
def running(
    home: Path, environment: dict[str, str] | None = None, **options: float
) -> Iterator[Engine]:
    engine = Engine(home, environment or {}, **options)
    try:
        yield engine
    finally:
        engine.end()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One engine for the tests that leave it as it was."""
    with running(tmp_path_factory.mktemp("engine"), grace_seconds=PATIENCE) as engine:
        yield engine


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[Engine]:
    with running(tmp_path, grace_seconds=1.0) as engine:
        yield engine


class Run(threading.Thread):
    """A job in a thread of its own. begun: set once the operation itself works."""

    def __init__(self, engine: Engine, planes: list[Plane], **options: Any) -> None:
        super().__init__()
        self.client = engine.client("runner")
        self.job = uuid.uuid4().hex
        self.begun, self.cancelled = threading.Event(), threading.Event()
        self.stages: list[str] = []
        self.outcome: Any = None
        self._planes, self._options = planes, options
        self.start()

    def run(self) -> None:
        try:
            self.outcome = flats(
                self.client,
                self._planes,
                on_progress=self._note,
                cancelled=self.cancelled,
                job=self.job,
                **self._options,
            )
        except LimnerError as error:
            self.outcome = error
        finally:
            self.client.close()

    def _note(self, fraction: float, stage: str) -> None:
        self.stages.append(stage)
        if fraction >= 0.1:
            self.begun.set()

    def wait_begun(self) -> "Run":
        assert self.begun.wait(PATIENCE)
        return self

    def end(self) -> Any:
        self.join(PATIENCE)
        assert not self.is_alive()
        return self.outcome


def flats(client: Client, planes: list[Plane], **options: Any) -> Result:
    return client.run("flats", {}, planes, (planes[0].width, planes[0].height), **options)


def works(engine: Engine) -> bool:
    with engine.client() as client:
        return flats(client, JOB).planes[0].width == SMALL


class Raw:
    """A client of pyzmq's that sends what it likes."""

    def __init__(self, connection: Connection, port: int, secret: str | None = None) -> None:
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.plain_username = b"limner"
        self.socket.plain_password = (secret or connection.secret).encode()
        self.socket.connect(f"tcp://127.0.0.1:{port}")

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *error: object) -> None:
        self._context.destroy(linger=0)

    def say(self, type: str, frames: dict[str, Any] | None = None, **fields: Any) -> None:
        self.socket.send_multipart(messages.encode(type, fields, frames or {}))

    def hear(self, *types: str) -> Message:
        """The next message of one of the types."""
        while True:
            assert self.socket.poll(PATIENCE * 1000), "the engine is silent"
            message = messages.decode(self.socket.recv_multipart())
            if not types or message.type in types:
                return message


@contextmanager
def raw_work(engine: Engine) -> Iterator[Raw]:
    with Raw(engine.connection, engine.connection.work_port) as raw:
        yield raw


@contextmanager
def raw_control(engine: Engine) -> Iterator[Raw]:
    with Raw(engine.connection, engine.connection.control_port) as raw:
        yield raw


def submit(planes: list[Plane], /, **fields: Any) -> dict[str, Any]:
    descriptions, _ = pack(planes)
    canvas = [planes[0].width, planes[0].height]
    job = {"job": uuid.uuid4().hex, "operation": "flats", "params": {}, "canvas": canvas}
    return {**job, "planes": descriptions, **fields}


# Jobs


def test_a_job_gives_the_same_bytes_as_in_process(engine: Engine) -> None:
    with engine.client() as client:
        there = flats(client, JOB)
    here, report = run_operation(
        "flats",
        {},
        JOB,
        (SMALL, SMALL),
        cache=Cache(0),
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
    )

    assert [bytes(p.data) for p in there.planes] == [bytes(p.data) for p in here]
    assert [p.role for p in there.planes] == ["flats", "labels"]
    assert there.planes[0].attributes["metadata"]["operation"] == "flats"
    assert there.report.keys() == report.keys()


def test_a_palettes_locks_reach_the_operation(engine: Engine) -> None:
    rows = b"\xc8\x28\x3c" * SMALL + b"\xa0\x46\x50" * SMALL
    picture = Plane("image", "red", SMALL, 2, 3, "u8", rows)

    def made(**attributes: Any) -> bytes:
        palette = Plane("palette", "one", 1, 1, 3, "u8", b"\x1e\x5a\xc8", attributes=attributes)
        params = {"colors": 2, "keep-skin": False}
        with engine.client() as client:
            result = client.run("harmonize-palette", params, [picture, palette], (SMALL, 2))
        return bytes(result.planes[0].data)

    assert made(locked=[True]) != made()
    assert made(locked=[False]) == made()


def test_a_client_of_pyzmqs_can_talk_too(engine: Engine) -> None:
    _, frames = pack(JOB)
    with raw_work(engine) as raw:
        raw.say("hello", protocol=PROTOCOL, client="raw", version="0", colour="unknown fields pass")
        welcome = raw.hear()
        raw.say("submit", frames, **submit(JOB, job="mine"))
        accepted, result = raw.hear("accepted"), raw.hear("result", "error")

    assert welcome.type == "welcome"
    assert welcome.header["device"] == "cpu"
    assert welcome.header["pid"] == engine.process.pid
    assert accepted.header["position"] == 0
    assert result.header["job"] == "mine"
    (colours, labels) = (result.frames[p["digest"]] for p in result.header["planes"])
    assert (len(colours), len(labels)) == (SMALL * SMALL * 4, SMALL * SMALL * 2)


def test_pixels_that_the_engine_holds_are_not_sent_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []

    def counted(self: Dealer, frames: Any, timeout: float | None = None) -> None:
        sent.append(sum(memoryview(frame).nbytes for frame in frames))
        send(self, frames, timeout)

    send = Dealer.send
    monkeypatch.setattr(Dealer, "send", counted)
    drawing = Plane("line-art", "Ink", 60, 60, 3, "u8", drawings.face(60).tobytes())
    old = Plane("scribbles", "Hints", 60, 60, 4, "u8", drawings.face_hints(60).tobytes())
    new = Plane("scribbles", "Hints", 8, 8, 4, "u8", bytes([1, 2, 3, 255]) * 64, x=30, y=40)
    with engine.client() as client:
        flats(client, [drawing, old])
    first = sum(sent)
    sent.clear()
    with engine.client() as client:
        flats(client, [drawing, new])
    second = sum(sent)
    sent.clear()
    with engine.client() as client:
        flats(client, [drawing, new])

    assert first > drawing.byte_count + old.byte_count
    assert new.byte_count < second < new.byte_count + 2000
    assert sum(sent) < 1500


def test_progress_comes_while_a_job_waits_and_runs(engine: Engine) -> None:
    first = Run(engine, long_job()).wait_begun()
    second = Run(engine, JOB)
    engine.wait_until(lambda status: [j["state"] for j in status["jobs"]] == ["running", "queued"])
    while "queued" not in second.stages:  # told each second, so that a client knows that we live
        assert first.is_alive()
        time.sleep(0.01)
    first.cancelled.set()

    assert isinstance(second.end(), Result)
    assert first.end().code == "cancelled"


@pytest.mark.parametrize("wanted", [True, False])
def test_paintings_are_previewed_where_that_is_wanted(engine: Engine, wanted: bool) -> None:
    previews: list[Plane] = []
    with engine.client() as client:
        client.run(
            "paint",
            {"steps": 3},
            JOB,
            (SMALL, SMALL),
            on_preview=previews.append if wanted else None,
        )

    assert len(previews) == (3 if wanted else 0)
    for plane in previews:
        assert (plane.width, plane.height, plane.channels, plane.depth) == (SMALL, SMALL, 3, "u8")
        assert len(set(bytes(plane.data))) > 2


def test_status_answers_during_a_job(engine: Engine) -> None:
    long = long_job()
    run = Run(engine, long).wait_begun()
    status = engine.status()
    run.cancelled.set()
    run.end()

    (job,) = status["jobs"]
    assert (job["job"], job["operation"], job["client"]) == (run.job, "flats", "runner")
    assert job["state"] == "running"
    assert 0.1 <= job["fraction"] <= 1
    assert status["worker"]["memory"] > 1 << 20
    assert status["held"]["bytes"] >= sum(plane.byte_count for plane in long)


def test_a_cancel_is_heard_while_a_job_runs(engine: Engine) -> None:
    worker = engine.status()["worker"]["pid"]
    run = Run(engine, long_job()).wait_begun()
    run.cancelled.set()

    assert run.end().code == "cancelled"
    engine.wait_until(lambda status: not status["jobs"])
    assert works(engine)
    assert engine.status()["worker"]["pid"] == worker


def test_a_cancelled_job_ends_once_with_its_error(engine: Engine) -> None:
    long = long_job()
    _, frames = pack(long)
    with raw_work(engine) as work, raw_control(engine) as control:
        work.say("submit", frames, **submit(long, job="running"))
        work.say("submit", **submit(long, job="queued"))
        work.say("submit", **submit([lines(50)], job="waiting"))
        while work.hear("progress").header["fraction"] < 0.1:
            pass
        for job in ("waiting", "queued", "running", "running"):
            control.say("cancel", job=job)
        ends = [work.hear("error", "result").header for _ in range(3)]
        control.say("status")
        assert control.hear("status").header["jobs"] == []
        assert not work.socket.poll(0)

    assert {end["job"] for end in ends} == {"running", "queued", "waiting"}
    assert {end["code"] for end in ends} == {"cancelled"}


def test_a_cancel_may_overtake_its_submit(engine: Engine) -> None:
    with raw_work(engine) as work, raw_control(engine) as control:
        control.say("cancel", job="hasty")
        control.say("status")
        control.hear("status")
        work.say("submit", **submit(JOB, job="hasty"))
        end = work.hear("error", "need", "accepted").header

    assert (end["type"], end["job"], end["code"]) == ("error", "hasty", "cancelled")


def test_the_latest_request_wins(engine: Engine) -> None:
    first = Run(engine, long_job()).wait_begun()
    second = Run(engine, long_job(), supersedes="nobody")
    engine.wait_until(lambda status: [j["state"] for j in status["jobs"]] == ["running", "queued"])
    third = Run(engine, long_job(), supersedes=second.job)
    assert second.end().code == "cancelled"
    assert first.is_alive()
    last = Run(engine, JOB, supersedes=first.job)
    assert first.end().code == "cancelled"
    third.cancelled.set()

    assert isinstance(last.end(), Result)
    assert third.end().code == "cancelled"


def test_a_client_that_is_gone_has_its_jobs_cancelled(engine: Engine) -> None:
    long = long_job()
    _, frames = pack(long)
    with raw_work(engine) as raw:
        for job in ("left-running", "left-queued"):
            raw.say("submit", frames, **submit(long, job=job))
        while raw.hear("progress").header["fraction"] < 0.1:
            pass
        engine.wait_until(lambda status: len(status["jobs"]) == 2)

    engine.wait_until(lambda status: not status["jobs"])
    assert "job left-running: error (cancelled)" in engine.log
    assert "job left-queued: error (cancelled)" in engine.log
    assert works(engine)


# Bad messages


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("unknown-operation", {"operation": "sing"}),
        ("unknown-parameter", {"params": {"volume": 11}}),
        ("bad-parameter", {"params": {"gap": "wide"}}),
        ("missing-input", {"planes": pack(JOB[1:])[0]}),
        ("unknown-input", {"planes": pack([Plane("song", "", 1, 1, 1, "u8", b"x")])[0]}),
        ("bad-message", {"planes": 7}),
        ("bad-message", {"planes": [7]}),
        ("bad-message", {"planes": [{**pack(JOB)[0][0], "width": "wide"}]}),
        ("bad-message", {"planes": [{**pack(JOB)[0][0], "width": -1}]}),
        ("bad-message", {"planes": [{**pack(JOB)[0][0], "depth": "u12"}]}),
        ("bad-message", {"planes": [{**pack(JOB)[0][0], "x": 1 << 40}]}),
        ("bad-message", {"planes": [{**pack(JOB)[0][0], "attributes": [7]}]}),
        ("bad-message", {"params": None}),
        ("bad-message", {"canvas": [SMALL]}),
        ("bad-message", {"canvas": [0, SMALL]}),
        ("bad-message", {"canvas": None}),
        ("bad-message", {"job": None}),
        ("bad-message", {"job": "x" * 65}),
        ("bad-message", {"job": "line\nbreak"}),
        ("bad-message", {"outputs": 3}),
    ],
)
def test_a_submit_that_makes_no_sense_is_refused(
    engine: Engine, code: str, fields: dict[str, Any]
) -> None:
    with raw_work(engine) as raw:
        raw.say("submit", **submit(JOB, **fields))
        error = raw.hear()

    assert (error.type, error.header["code"]) == ("error", code)
    assert error.header["sentence"]
    assert error.header["next_step"]
    assert not engine.status()["jobs"]


def test_a_job_id_in_use_is_refused(engine: Engine) -> None:
    with raw_work(engine) as raw:
        raw.say("submit", **submit([lines(50)], job="twice"))
        raw.hear("need")
        raw.say("submit", **submit([lines(50)], job="twice"))

        assert raw.hear("error").header["code"] == "bad-message"


@pytest.mark.parametrize("type", ["sing", "", "result", "cancel", "x" * 100_000])
def test_types_that_a_socket_does_not_know_are_answered(engine: Engine, type: str) -> None:
    with raw_work(engine) as raw:
        raw.say(type, job="j")
        error = raw.hear()

    assert (error.type, error.header["code"]) == ("error", "bad-message")
    assert error.header["job"] == "j"
    assert len(error.header["sentence"]) < 300


def test_another_protocol_is_refused_with_words(engine: Engine) -> None:
    with raw_work(engine) as raw:
        raw.say("hello", protocol=PROTOCOL + 1, client="newer", version="9")

        assert raw.hear().header["code"] == "version-mismatch"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
types = st.sampled_from(["hello", "submit", "provide", "cancel", "status", "need"])
good = submit(JOB, job="any", outputs=["flats"], supersedes=None)
headers = st.one_of(
    st.binary(max_size=64),
    st.fixed_dictionaries({}, optional={"type": json_values, "frames": json_values}).map(
        lambda header: json.dumps(header).encode()
    ),
    st.tuples(types, st.sampled_from(sorted(good)), json_values).map(
        lambda drawn: json.dumps({**good, "type": drawn[0], drawn[1]: drawn[2]}).encode()
    ),
    st.integers(0, 200).map(lambda cut: json.dumps({**good, "type": "submit"}).encode()[:cut]),
)


@settings(max_examples=150, deadline=None)
@given(
    parts=st.tuples(headers, st.lists(st.binary(max_size=16), max_size=3)), on_work=st.booleans()
)
def test_the_engine_survives_any_message(
    engine: Engine, parts: tuple[bytes, list[bytes]], on_work: bool
) -> None:
    with raw_work(engine) if on_work else raw_control(engine) as raw:
        raw.socket.send_multipart([parts[0], *parts[1]])
        # Answers come in the order of the questions, so that the hello's shows that it lives on.
        raw.say("hello", protocol=PROTOCOL, client="after", version="0")

        assert raw.hear("welcome").header["pid"] == engine.process.pid


def test_after_all_that_it_still_works(engine: Engine) -> None:
    engine.wait_until(lambda status: not status["jobs"])
    assert works(engine)
    assert "could not be handled" not in engine.log


def test_a_header_of_100_mb_is_refused(engine: Engine) -> None:
    with raw_work(engine) as raw:
        raw.socket.send_multipart([b" " * 100_000_000])

        assert raw.hear().header["code"] == "bad-message"
    assert works(engine)


def test_the_control_socket_hangs_up_on_one(engine: Engine) -> None:
    dealer = Dealer("127.0.0.1", engine.connection.control_port, "limner", engine.connection.secret)
    dealer.connect()
    with pytest.raises(ConnectionLost):
        dealer.send([b" " * 100_000_000])
        dealer.recv(PATIENCE)

    assert works(engine)


def test_pixels_that_are_not_their_digest_fail_the_job(engine: Engine) -> None:
    planes = [lines(40)]
    with raw_work(engine) as raw:
        raw.say("submit", **submit(planes, job="wrong"))
        raw.hear("need")
        raw.say("provide", {planes[0].digest: b"x" * planes[0].byte_count}, job="wrong")

        assert raw.hear("error", "result").header["code"] == "bad-message"
        raw.say("submit", **submit(planes))
        assert raw.hear("need", "accepted").header["digests"] == [planes[0].digest]


def test_pixels_of_the_wrong_size_fail_the_job(engine: Engine) -> None:
    described, frames = pack(JOB)
    with raw_work(engine) as raw:
        raw.say("submit", frames, **submit(JOB, planes=[{**described[0], "width": 65}]))

        assert raw.hear("error", "result").header["code"] == "bad-message"


def test_pixels_that_nobody_asked_for_are_not_kept(engine: Engine) -> None:
    held = engine.status()["held"]
    with raw_work(engine) as raw:
        raw.say("provide", {"a" * 64: b"x" * 1000}, job="unknown")
        raw.say("submit", {"b" * 64: b"x" * 1000}, **submit([lines(50)]))
        raw.hear("need")

        assert engine.status()["held"] == held


def test_a_result_of_too_many_layers_is_an_error(engine: Engine) -> None:
    """One layer per colour, and more colours than a message may have frames."""
    cells = 26
    page = np.zeros((cells * 12, cells * 12, 3), np.uint8)
    strokes = np.zeros((*page.shape[:2], 4), np.uint8)
    for number in range(cells * cells):
        top, left = number // cells * 12, number % cells * 12
        page[top + 2 : top + 11, left + 2 : left + 11] = 255
        red, green, blue = (10 + 30 * (number // step % 9) for step in (1, 9, 81))
        colour = (red, green, blue, 255)
        strokes[top + 4 : top + 9, left + 4 : left + 9] = colour
    planes = [
        Plane("line-art", "Ink", *page.shape[1::-1], 3, "u8", page.tobytes()),
        Plane("scribbles", "Hints", *page.shape[1::-1], 4, "u8", strokes.tobytes()),
    ]
    with engine.client() as client, pytest.raises(LimnerError, match="513"):
        client.run("flats", {"layers": "per-colour"}, planes, (12 * cells, 12 * cells))
    assert works(engine)


def test_a_job_too_large_is_refused_before_its_pixels_travel(tmp_path: Path) -> None:
    page = {**pack(JOB)[0][0], "width": 16384, "height": 16384}
    with running(tmp_path, {"LIMNER_MEMORY": "10"}) as engine, raw_work(engine) as raw:
        raw.say("submit", **submit(JOB, planes=[page], canvas=[16384, 16384]))
        error = raw.hear().header

    assert error["code"] == "too-large"
    assert "0.8 GB" in error["sentence"]


# Security


def test_a_stranger_gets_no_message(engine: Engine) -> None:
    before = engine.log
    for port in (engine.connection.work_port, engine.connection.control_port):
        with Raw(engine.connection, port, secret="0" * 64) as stranger:
            stranger.say("hello", protocol=PROTOCOL, client="stranger", version="0")
            stranger.say("submit", **submit(JOB, job="stranger"))
            assert works(engine)

            assert not stranger.socket.poll(0)
    assert "stranger" not in engine.log[len(before) :]


def test_the_client_tells_a_wrong_secret(engine: Engine) -> None:
    with Client("test") as client, pytest.raises(LimnerError) as caught:
        client.connect(engine.connection._replace(secret="0" * 64))

    assert caught.value.code == "wrong-secret"


def test_the_workers_secret_is_not_the_clients(engine: Engine) -> None:
    """A client cannot pass for a worker: the user name decides which secret counts."""
    with Raw(engine.connection, engine.connection.work_port) as stranger:
        stranger.socket.disconnect(stranger.socket.last_endpoint)
        stranger.socket.plain_username = b"worker"
        stranger.socket.connect(f"tcp://127.0.0.1:{engine.connection.work_port}")
        stranger.say("hello", protocol=PROTOCOL, client="stranger", version="0")
        assert works(engine)

        assert not stranger.socket.poll(0)


def test_the_secret_is_nowhere_but_in_its_file(engine: Engine) -> None:
    assert works(engine)
    secret, everything = engine.connection.secret, psutil.Process(engine.process.pid)

    assert len(secret) == 64
    assert secret not in engine.log + engine.greeting
    for process in (everything, *everything.children(recursive=True)):
        assert secret not in " ".join(process.cmdline())


@posix
def test_the_files_are_the_users_alone(engine: Engine) -> None:
    assert (engine.home / "engine.json").stat().st_mode & 0o777 == 0o600


# Life and death


@posix
def test_a_worker_that_is_killed_takes_its_job_only(own_engine: Engine) -> None:
    doomed = Run(own_engine, long_job()).wait_begun()
    waiting = Run(own_engine, JOB)
    status = own_engine.wait_until(
        lambda status: [j["state"] for j in status["jobs"]] == ["running", "queued"]
    )
    os.kill(status["worker"]["pid"], signal.SIGKILL)

    assert doomed.end().code == "worker-crashed"
    assert isinstance(waiting.end(), Result)
    assert works(own_engine)
    assert own_engine.status()["worker"]["pid"] != status["worker"]["pid"]


@posix
def test_a_worker_that_dies_idle_is_replaced(own_engine: Engine) -> None:
    assert works(own_engine)
    first = own_engine.status()["worker"]["pid"]
    os.kill(first, signal.SIGKILL)
    own_engine.wait_until(lambda status: status["worker"]["pid"] != first)

    assert works(own_engine)


@posix
def test_a_worker_that_does_not_heed_a_cancel_is_replaced(own_engine: Engine) -> None:
    stubborn = Run(own_engine, long_job()).wait_begun()
    worker = own_engine.status()["worker"]["pid"]
    os.kill(worker, signal.SIGSTOP)
    waiting = Run(own_engine, JOB)
    stubborn.cancelled.set()

    assert stubborn.end().code == "cancelled"
    assert isinstance(waiting.end(), Result)
    assert not psutil.pid_exists(worker)


def test_a_worker_that_cannot_start_is_told_and_not_tried_for_ever(tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "numpy"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no such library')")
    environment = {"PYTHONPATH": str(broken.parent)}
    with running(tmp_path / "home", environment) as engine:
        for _ in range(2):
            with engine.client() as client, pytest.raises(LimnerError) as caught:
                flats(client, JOB)
            assert caught.value.code == "engine-start-failed"
        assert engine.status()["worker"] is None
        assert engine.log.count("the worker ended, ready: False") <= 3


def test_a_second_engine_says_so_and_gives_way(engine: Engine) -> None:
    with running(engine.home) as second:
        assert second.process.wait(PATIENCE) == 0
        assert "already running" in second.greeting

    assert works(engine)


def test_it_ends_by_itself_when_nobody_wants_anything(tmp_path: Path) -> None:
    with running(tmp_path, idle_seconds=0.1) as engine:
        assert engine.process.wait(PATIENCE) == 0

    assert not (tmp_path / "engine.json").exists()


def test_it_does_not_end_by_itself_in_the_middle_of_a_job(tmp_path: Path) -> None:
    with running(tmp_path, idle_seconds=1.5) as engine:
        with raw_work(engine) as raw:
            raw.say("submit", **submit(JOB))
            for _ in range(3):  # one a second
                raw.hear("progress")
        assert engine.process.wait(PATIENCE) == 0


@posix
@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_tells_the_clients(
    tmp_path: Path, way: signal.Signals
) -> None:
    with running(tmp_path) as engine:
        run = Run(engine, long_job()).wait_begun()
        worker = engine.status()["worker"]["pid"]
        engine.process.send_signal(way)

        assert run.end().code == "engine-lost"
        assert engine.process.wait(PATIENCE) == 0
    assert not (tmp_path / "engine.json").exists()
    assert not psutil.pid_exists(worker)


def test_after_a_shutdown_the_next_engine_can_start_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        with first.client() as client:
            client.shutdown()
        with running(tmp_path) as second:
            assert works(second)


@posix
def test_an_engine_that_was_killed_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        run = Run(first, long_job()).wait_begun()
        worker = psutil.Process(first.status()["worker"]["pid"])
        first.process.kill()
        assert run.end().code == "engine-lost"
        assert psutil.wait_procs([worker], PATIENCE)[1] == []
    stale = first.connection
    with running(tmp_path) as second:
        assert second.connection != stale
        assert works(second)


def test_the_front_loads_nothing_heavy() -> None:
    source = (
        "import sys, engine.server; "
        "print(*{'numpy', 'cv2', 'PIL', 'scipy', 'skimage', 'torch'} & set(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert loaded.stdout.strip() == ""
