"""A conversation with the engine, for the plug-ins and the command line.

    with Client("krita 5.2.9") as client:
        client.connect(launch.ensure_running())
        result = client.run("flats", {}, planes, (width, height), on_progress=show)

Calls block: an editor makes them outside its main thread. `run` belongs to one thread at a time;
`status` and `shutdown` may be called beside it. Every error is a LimnerError, and after engine-lost
or timed-out `connect` makes the client usable again. Connecting costs a few milliseconds and the
engine keeps pixels across connections, so a client for each run is good use too.
"""

import contextlib
import threading
import time
import uuid
from typing import (
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from . import PROTOCOL, __version__, messages
from .connection import Connection
from .errors import LimnerError
from .messages import Message
from .planes import Buffer, Plane, digest_of
from .zmtp import AuthenticationFailed, ConnectFailed, Dealer, TimedOut, ZmtpError

USERNAME = "limner"
TURN = 0.03
"""Seconds between two looks at the event that cancels."""
ANSWER = 10.0
"""Seconds that the engine's front may take for an answer; it never waits for pixels."""
SILENCE = 30.0
"""Seconds without a word after which a job's engine counts as lost; it reports every second."""
FAREWELL = 10.0
"""Seconds that the engine may take to end."""


class Result(NamedTuple):
    """What a job gave. report: timings, sizes, versions (docs/protocol.md)."""

    planes: List[Plane]
    report: Dict[str, Any]


class Client:
    """A client of one engine. name: who asks, with a version, as `limner status` shows it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: Optional[Dealer] = None
        self._control: Optional[Dealer] = None
        self._asking = threading.Lock()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def connect(self, connection: Connection) -> Dict[str, Any]:
        """Connects, or connects anew; returns the engine's welcome (docs/protocol.md).

        Raises LimnerError engine-not-running, wrong-secret, version-mismatch, engine-lost,
        timed-out.
        """
        self.close()
        try:
            self._work, _ = self._dial(connection, connection.work_port)
            self._control, welcome = self._dial(connection, connection.control_port)
        except LimnerError:
            self.close()
            raise
        return welcome

    def close(self) -> None:
        """Hangs up; the engine cancels what this client still has there."""
        for socket in (self._work, self._control):
            if socket is not None:
                socket.close()
        self._work = self._control = None

    def run(
        self,
        operation: str,
        params: Mapping[str, Any],
        planes: Sequence[Plane],
        canvas: Tuple[int, int],
        *,
        on_progress: Callable[[float, str], None] = lambda *_: None,
        on_preview: Optional[Callable[[Plane], None]] = None,
        cancelled: Optional[threading.Event] = None,
        job: Optional[str] = None,
        supersedes: Optional[str] = None,
        outputs: Optional[Sequence[str]] = None,
    ) -> Result:
        """Runs a job to its end. Only pixels that the engine does not hold are sent.

        on_progress(fraction, stage) is called in this thread, and so is on_preview(plane) with
        small pictures of what the result will be like, where the operation makes any. cancelled:
        setting it ends the job and this call. job: an id of one's own choice; supersedes: the id of
        a job, of any client, that this one replaces. outputs: the roles of the outputs that are
        wanted; None is all of them. Raises LimnerError: the engine's, or engine-lost, timed-out.
        """
        cancelled = cancelled or threading.Event()
        job = job or uuid.uuid4().hex
        descriptions, frames = pack(planes)
        submit = {
            "job": job,
            "operation": operation,
            "params": dict(params),
            "canvas": list(canvas),
            "planes": descriptions,
            "supersedes": supersedes,
            "outputs": None if outputs is None else list(outputs),
            "previews": on_preview is not None,
        }
        work = self._connected(self._work)
        with _translated():
            work.send(messages.encode("submit", submit, {}))
        try:
            return self._follow(work, job, frames, on_progress, on_preview, cancelled)
        except BaseException:
            # Whatever ended this call, an interrupt too: nobody waits for the job any more.
            with contextlib.suppress(LimnerError):
                self._cancel(job)
            raise

    def status(self) -> Dict[str, Any]:
        """What the engine does now (docs/protocol.md)."""
        return self._ask("status", "status")

    def shutdown(self) -> None:
        """Ends the engine; returns when it no longer listens. Raises LimnerError timed-out."""
        self._ask("shutdown", "bye")
        control, deadline = self._connected(self._control), time.monotonic() + FAREWELL
        with contextlib.suppress(ZmtpError):
            while time.monotonic() < deadline:
                control.recv(TURN)
            raise _timed_out("The engine did not end in time.")
        self.close()

    def _dial(self, connection: Connection, port: int) -> Tuple[Dealer, Dict[str, Any]]:
        """A socket that has been welcomed, and the welcome."""
        socket = Dealer(connection.host, port, USERNAME, connection.secret)
        hello = {"protocol": PROTOCOL, "client": self._name, "version": __version__}
        try:
            with _translated():
                socket.connect()
                socket.send(messages.encode("hello", hello, {}))
                welcome = _answer(socket, "welcome").header
            if welcome.get("protocol") != PROTOCOL:
                raise _other_version(welcome)
        except LimnerError:
            socket.close()
            raise
        return socket, welcome

    def _follow(
        self,
        work: Dealer,
        job: str,
        frames: Mapping[str, Buffer],
        on_progress: Callable[[float, str], None],
        on_preview: Optional[Callable[[Plane], None]],
        cancelled: threading.Event,
    ) -> Result:
        """Answers what the engine says of the job until it is done."""
        for message in _news(work, job, cancelled):
            if message.type == "need":
                with _translated():
                    needed = {name: frames[name] for name in message.header["digests"]}
                    work.send(messages.encode("provide", {"job": job}, needed))
            elif message.type == "progress":
                with _translated():
                    fraction, stage = float(message.header["fraction"]), message.header["stage"]
                    preview = message.header.get("preview")
                    plane = preview and Plane.from_description(preview, message.frames)
                on_progress(fraction, str(stage))
                if plane and on_preview is not None:
                    on_preview(plane)
            elif message.type == "result":
                with _translated():
                    described = message.header["planes"]
                    planes = [Plane.from_description(p, message.frames) for p in described]
                    return Result(planes, message.header["report"])
        raise AssertionError("a job's news ends with a result or an error")

    def _cancel(self, job: str) -> None:
        control = self._connected(self._control)
        with _translated():
            control.send(messages.encode("cancel", {"job": job}, {}))

    def _ask(self, question: str, answer: str) -> Dict[str, Any]:
        control = self._connected(self._control)
        with _translated(), self._asking:
            control.send(messages.encode(question, {}, {}))
            return _answer(control, answer).header

    @staticmethod
    def _connected(socket: Optional[Dealer]) -> Dealer:
        if socket is None or not socket.connected:
            raise LimnerError(
                "engine-lost", "There is no connection to the engine.", "Run again to connect anew."
            )
        return socket


def pack(planes: Sequence[Plane]) -> Tuple[List[Dict[str, Any]], Dict[str, Buffer]]:
    """The planes' descriptions, and their frames by digest."""
    descriptions, frames = [], {}  # type: List[Dict[str, Any]], Dict[str, Buffer]
    for plane in planes:
        digest = plane.digest
        descriptions.append(plane.describe(digest))
        frames[digest] = plane.data
        if plane.icc is not None:
            frames[digest_of(plane.icc)] = plane.icc
    return descriptions, frames


def _news(work: Dealer, job: str, cancelled: threading.Event) -> Iterator[Message]:
    """What the engine says of the job, without end. Raises LimnerError where the job fails."""
    heard = time.monotonic()
    while not cancelled.is_set():
        with _translated():
            parts = work.recv(TURN)
        if parts is None:
            if time.monotonic() - heard > SILENCE:
                work.close()
                raise _timed_out("The engine stopped answering.")
            continue
        heard = time.monotonic()
        message = messages.decode(parts)
        # An earlier, cancelled job of this connection may have a last word.
        if message.header.get("job", job) == job:
            if message.type == "error":
                raise LimnerError.from_fields(message.header)
            yield message
    raise LimnerError("cancelled", "The job was cancelled.", "Run it again when you like.")


def _answer(socket: Dealer, wanted: str) -> Message:
    """The next message of that type. Raises LimnerError: the engine's, or timed-out."""
    deadline = time.monotonic() + ANSWER
    while True:
        parts = socket.recv(max(0.0, deadline - time.monotonic()))
        if parts is None:
            socket.close()
            raise _timed_out("The engine did not answer.")
        message = messages.decode(parts)
        if message.type == "error":
            raise LimnerError.from_fields(message.header)
        if message.type == wanted:
            return message


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """The wire's errors as a person reads them."""
    try:
        yield
    except AuthenticationFailed as error:
        raise LimnerError(
            "wrong-secret",
            "The engine refused the connection.",
            "Stop the engine with 'limner stop', or end its process, and run again.",
        ) from error
    except ConnectFailed as error:
        raise LimnerError(
            "engine-not-running", "No engine answers.", "Start it with 'limner serve'."
        ) from error
    except TimedOut as error:
        raise _timed_out("The engine did not answer.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise LimnerError(
            "bad-message",
            f"The engine sent a message that makes no sense ({error!r}).",
            "Update the plug-in and the engine to the same version and try again.",
        ) from error
    except ZmtpError as error:
        raise LimnerError(
            "engine-lost",
            f"The connection to the engine broke: {error}.",
            "Run again; the engine is started anew. If it happens again, see its log.",
        ) from error


def _timed_out(sentence: str) -> LimnerError:
    return LimnerError(
        "timed-out", sentence, "Run again; if it happens again, stop the engine and see its log."
    )


def _other_version(welcome: Mapping[str, Any]) -> LimnerError:
    return LimnerError(
        "version-mismatch",
        f"The engine speaks protocol {welcome.get('protocol')}, and this side {PROTOCOL}.",
        "Install the plug-in again with 'limner install', then restart editor and engine.",
    )
