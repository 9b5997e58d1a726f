"""The client against a scripted engine: a pyzmq ROUTER pair that says what the test wants."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import zmq
from zmq.auth.thread import ThreadAuthenticator

from ipc import PROTOCOL, client, messages
from ipc.client import Client
from ipc.connection import Connection
from ipc.errors import LimnerError
from ipc.messages import Message
from ipc.planes import Plane

SECRET = "0123456789abcdef" * 4
LINES = Plane("line-art", "Ink", 2, 1, 4, "u8", bytes(range(8)), x=3, y=4, icc=b"profile")
HINTS = Plane("scribbles", "Hints", 1, 1, 4, "u8", b"\1\2\3\4")
FLATS = Plane("flats", "Flats", 1, 1, 4, "u8", b"\4\3\2\1", attributes={"kind": "colour"})


class Engine:
    """The engine's side of both sockets, driven by the test."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.work, self.control = (context.socket(zmq.ROUTER) for _ in range(2))
        ports = []
        for socket in (self.work, self.control):
            socket.plain_server = 1
            socket.rcvtimeo = 20_000
            socket.linger = 0
            ports.append(socket.bind_to_random_port("tcp://127.0.0.1"))
        self.connection = Connection("127.0.0.1", *ports, SECRET, 1, PROTOCOL, "0.1.0")

    def hear(self, socket: zmq.Socket[bytes]) -> Message:
        self.peer, *parts = socket.recv_multipart()
        return messages.decode(parts)

    def say(
        self,
        socket: zmq.Socket[bytes],
        type: str,
        frames: dict[str, bytes] | None = None,
        **fields: Any,
    ) -> None:
        socket.send_multipart([self.peer, *messages.encode(type, fields, frames or {})])

    def welcome(self, protocol: int = PROTOCOL) -> None:
        for socket in (self.work, self.control):
            assert self.hear(socket).header["client"] == "test"
            self.say(socket, "welcome", protocol=protocol, session="s")

    def send_result(self, job: str) -> None:
        frames = {FLATS.digest: bytes(FLATS.data)}
        planes = [FLATS.describe(FLATS.digest)]
        self.say(self.work, "result", frames, job=job, planes=planes, report={"seed": None})


@pytest.fixture
def engine() -> Iterator[Engine]:
    context = zmq.Context()
    door = ThreadAuthenticator(context)
    door.start()
    door.configure_plain(passwords={"limner": SECRET})
    yield Engine(context)
    door.stop()
    context.destroy(linger=0)


class Run(threading.Thread):
    """Connects and runs one job in a thread of its own, as an editor does."""

    def __init__(self, engine: Engine, **options: Any) -> None:
        super().__init__()
        self.client = Client("test")
        self.cancelled = threading.Event()
        self.progress: list[tuple[float, str]] = []
        self.previews: list[Plane] = []
        self.outcome: Any = None
        self._engine, self._options = engine, options
        self.start()

    def run(self) -> None:
        try:
            self.client.connect(self._engine.connection)
            self.outcome = self.client.run(
                "flats",
                {"gap": 3},
                [LINES, HINTS],
                (8, 9),
                on_progress=lambda *news: self.progress.append(news),
                on_preview=self.previews.append,
                cancelled=self.cancelled,
                **self._options,
            )
        except LimnerError as error:
            self.outcome = error
        finally:
            self.client.close()

    def end(self) -> Any:
        self.join(20)
        assert not self.is_alive()
        return self.outcome


def submitted(engine: Engine) -> dict[str, Any]:
    """The job that the client submits after its welcome."""
    engine.welcome()
    message = engine.hear(engine.work)
    assert (message.type, message.frames) == ("submit", {})
    return message.header


def test_previews_come_with_progress(engine: Engine) -> None:
    run = Run(engine)
    submit = submitted(engine)
    job, small = submit["job"], Plane("preview", "Preview", 2, 1, 3, "u8", bytes(range(6)))
    described = small.describe(small.digest)
    for extra, frames in (({}, {}), ({"preview": described}, {small.digest: small.data})):
        header = {"job": job, "fraction": 0.5, "stage": "painting", **extra}
        engine.say(engine.work, "progress", frames=frames, **header)
    engine.send_result(job)
    run.end()

    assert submit["previews"] is True
    assert run.progress == [(0.5, "painting")] * 2
    assert run.previews == [small]


def test_a_job_from_submit_to_result(engine: Engine) -> None:
    run = Run(engine, outputs=["flats"], supersedes="older")
    submit = submitted(engine)
    job = submit["job"]
    engine.say(engine.work, "need", job=job, digests=[HINTS.digest])
    provided = engine.hear(engine.work)
    engine.say(engine.work, "accepted", job=job, position=0)
    engine.say(engine.work, "progress", job=job, fraction=0.5, stage="regions")
    engine.send_result(job)
    result = run.end()

    assert submit["operation"] == "flats"
    assert submit["params"] == {"gap": 3}
    assert submit["canvas"] == [8, 9]
    assert submit["planes"] == [LINES.describe(LINES.digest), HINTS.describe(HINTS.digest)]
    assert (submit["supersedes"], submit["outputs"]) == ("older", ["flats"])
    assert provided.type == "provide"
    assert {d: bytes(f) for d, f in provided.frames.items()} == {HINTS.digest: HINTS.data}
    assert run.progress == [(0.5, "regions")]
    assert result.planes == [FLATS]
    assert result.report == {"seed": None}


def test_a_profile_travels_as_a_frame(engine: Engine) -> None:
    run = Run(engine)
    submit = submitted(engine)
    profile = submit["planes"][0]["icc"]
    engine.say(engine.work, "need", job=submit["job"], digests=[profile])

    assert bytes(engine.hear(engine.work).frames[profile]) == b"profile"
    engine.send_result(submit["job"])
    run.end()


def test_the_engines_error_is_raised(engine: Engine) -> None:
    run = Run(engine)
    job = submitted(engine)["job"]
    error = LimnerError("empty-line-art", "There are no lines.", "Draw some.")
    engine.say(engine.work, "error", job=job, **error.to_fields())
    outcome = run.end()

    assert outcome.to_fields() == error.to_fields()


def test_cancel_goes_over_the_control_socket(engine: Engine) -> None:
    run = Run(engine)
    job = submitted(engine)["job"]
    run.cancelled.set()
    heard = engine.hear(engine.control)
    outcome = run.end()

    assert (heard.type, heard.header["job"]) == ("cancel", job)
    assert outcome.code == "cancelled"


def test_a_failing_callback_cancels_the_job(engine: Engine) -> None:
    def fail(fraction: float, stage: str) -> None:
        raise KeyError("the editor's own")

    def work() -> None:
        job = submitted(engine)["job"]
        engine.say(engine.work, "progress", job=job, fraction=0.1, stage="x")
        heard.append(engine.hear(engine.control).type)

    heard: list[str] = []
    thread = threading.Thread(target=work)
    thread.start()
    with Client("test") as asking, pytest.raises(KeyError, match="the editor's own"):
        asking.connect(engine.connection)
        asking.run("flats", {}, [LINES], (2, 1), on_progress=fail)
    thread.join(20)

    assert heard == ["cancel"]


def test_news_of_an_earlier_job_is_ignored(engine: Engine) -> None:
    run = Run(engine)
    job = submitted(engine)["job"]
    engine.say(engine.work, "error", job="earlier", code="cancelled", sentence="", next_step="")
    engine.send_result(job)

    assert run.end().planes == [FLATS]


def test_an_engine_that_goes_away_is_lost(engine: Engine) -> None:
    run = Run(engine)
    submitted(engine)
    engine.work.close()

    assert run.end().code == "engine-lost"


def test_an_engine_that_falls_silent_is_given_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SILENCE", 0.1)
    run = Run(engine)
    submitted(engine)

    assert run.end().code == "timed-out"


@pytest.mark.parametrize(
    ("type", "fields"),
    [
        ("need", {"digests": ["0" * 64]}),
        ("need", {}),
        ("progress", {"fraction": "half", "stage": ""}),
        ("progress", {}),
        ("result", {}),
        ("result", {"planes": [{}], "report": {}}),
        ("result", {"planes": [FLATS.describe(FLATS.digest)], "report": {}}),
    ],
)
def test_senseless_messages_are_errors_of_ours(
    engine: Engine, type: str, fields: dict[str, Any]
) -> None:
    run = Run(engine)
    job = submitted(engine)["job"]
    engine.say(engine.work, type, job=job, **fields)

    assert run.end().code == "bad-message"


def test_another_protocol_is_told_at_once(engine: Engine) -> None:
    thread = threading.Thread(
        target=lambda: (engine.hear(engine.work), engine.say(engine.work, "welcome", protocol=99))
    )
    thread.start()
    with Client("test") as asking, pytest.raises(LimnerError) as caught:
        asking.connect(engine.connection)
    thread.join(20)

    assert caught.value.code == "version-mismatch"


def test_nobody_there_means_no_engine(engine: Engine) -> None:
    engine.work.close()
    engine.control.close()

    with Client("test") as asking, pytest.raises(LimnerError) as caught:
        asking.connect(engine.connection)
    assert caught.value.code == "engine-not-running"


def test_an_engine_without_an_answer_times_out(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ANSWER", 0.1)

    with Client("test") as asking, pytest.raises(LimnerError) as caught:
        asking.connect(engine.connection)
    assert caught.value.code == "timed-out"


def test_calls_without_a_connection_say_so() -> None:
    with Client("test") as asking:
        for call in (asking.status, asking.shutdown, lambda: asking.run("flats", {}, [], (1, 1))):
            with pytest.raises(LimnerError) as caught:
                call()
            assert caught.value.code == "engine-lost"


def test_status_can_be_asked_while_a_job_runs(engine: Engine) -> None:
    run = Run(engine)
    job = submitted(engine)["job"]
    answers: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: answers.append(run.client.status()))
    asking.start()
    assert engine.hear(engine.control).type == "status"
    engine.say(engine.control, "status", jobs=[])
    asking.join(20)
    assert answers[0]["jobs"] == []
    run.cancelled.set()
    assert engine.hear(engine.control).header["job"] == job
    assert run.end().code == "cancelled"
