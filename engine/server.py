"""The front process: sockets and queue. It never waits for anyone and never looks at pixels.

Clients reach two sockets, work and control, so that cancel and status never queue behind pixels;
the worker process has a third one. docs/protocol.md says what is spoken.
"""

from __future__ import annotations

import hmac
import logging
import os
import secrets
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import zmq

from engine import machine, supervisor
from engine.log import open_log
from engine.supervisor import Supervisor, start_failed
from engine.task import Task, bad_message, is_job_id, read_submit
from ipc import PROTOCOL, __version__, catalog, connection, messages, paths
from ipc.client import USERNAME
from ipc.connection import Connection
from ipc.errors import LimnerError
from ipc.messages import MAX_HEADER, Message
from ipc.planes import Buffer

HOST = "127.0.0.1"
IDLE_SECONDS = 30 * 60.0
GRACE_SECONDS = 5.0
"""How long a worker may go on after a cancel before it is ended and replaced."""
NEWS_SECONDS = 1.0
"""A client hears of its job at least this often, and one that is gone is noticed."""
BUSY_TURN, IDLE_TURN = 100, 500
"""Longest milliseconds between two looks at the worker, the clock and the signals."""
MAX_FRAME = 8 << 30
MAX_REMEMBERED = 1000
"""Names of clients, which serve `status`, and cancelled jobs that are not here (yet)."""
LINGER = 1000
"""Milliseconds that last words have to leave."""


@dataclass(frozen=True)
class Request:
    """A message with the way back to its sender."""

    socket: zmq.Socket[bytes]
    client: bytes
    message: Message

    @property
    def job(self) -> str:
        """The job that it is about; empty where it names none."""
        return str(self.message.header.get("job", ""))


class Doorkeeper:
    """Lets in who knows the secret (ZAP, https://rfc.zeromq.org/spec/27/)."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.socket = context.socket(zmq.ROUTER)
        self.socket.bind("inproc://zeromq.zap.01")
        self._secrets: dict[bytes, bytes] = {}

    def guard(self, username: str, *sockets: zmq.Socket[bytes]) -> str:
        """Makes the sockets ask for that user name and a new secret, which it returns."""
        secret = secrets.token_hex(32)
        self._secrets[username.encode()] = secret.encode()
        for socket in sockets:
            socket.plain_server = 1
            socket.zap_domain = username.encode()
        return secret

    def answer(self) -> None:
        """Answers one question of the library's."""
        *route, version, request, domain, _, _, mechanism, username, password = (
            self.socket.recv_multipart()
        )
        known = self._secrets.get(domain, b"")
        right = mechanism == b"PLAIN" and username == domain and bool(known)
        right &= hmac.compare_digest(password, known)
        verdict = [b"200", b"OK"] if right else [b"400", b"wrong user name or secret"]
        self.socket.send_multipart([*route, version, request, *verdict, domain, b""])


class Server:
    """The front: `open`, `run` until someone ends it, then `close`."""

    def __init__(self, logger: logging.Logger, idle_seconds: float, grace_seconds: float) -> None:
        self._logger = logger
        self._idle_seconds = idle_seconds
        self._grace_seconds = grace_seconds
        self._context = zmq.Context()
        self._door = Doorkeeper(self._context)
        self._work, self._control, bench = (self._context.socket(zmq.ROUTER) for _ in range(3))
        for socket in (self._work, self._control):
            socket.router_mandatory = 1  # so that a client that is gone is noticed
        self._work.maxmsgsize = bench.maxmsgsize = MAX_FRAME
        self._control.maxmsgsize = MAX_HEADER
        bench.set_hwm(0)
        self._secret = self._door.guard(USERNAME, self._work, self._control)
        worker_secret = self._door.guard(supervisor.USERNAME, bench)
        self._bench = bench
        self._ports = [
            socket.bind_to_random_port(f"tcp://{HOST}")
            for socket in (self._work, self._control, bench)
        ]
        self._worker = Supervisor(bench, self._ports[2], worker_secret, machine.keep_budget())
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._names: OrderedDict[bytes, str] = OrderedDict()
        self._cancelled: OrderedDict[str, None] = OrderedDict()
        self._session = secrets.token_hex(8)
        self._started = self._active = time.monotonic()
        self._ending = False

    # Life

    def open(self) -> None:
        """Lets clients find it; what they send waits for `run`."""
        self._worker.start()
        connection.write(self._connection())
        self._logger.info("engine %s started, process %d", __version__, os.getpid())

    def run(self) -> None:
        """Serves until a client or a signal ends it, or nobody has wanted anything for long."""
        poller = zmq.Poller()
        handlers = {
            self._door.socket: self._door.answer,
            self._control: self._hear_control,
            self._work: self._hear_work,
            self._bench: self._hear_worker,
        }
        for socket in handlers:
            poller.register(socket, zmq.POLLIN)
        try:
            while not self._ending:
                turn = BUSY_TURN if self._tasks else IDLE_TURN
                ready = dict(poller.poll(turn))
                for socket, hear in handlers.items():
                    if socket in ready:
                        hear()
                self._look_around()
        finally:
            for task in list(self._tasks.values()):
                self._fail(task, _ended())
            self._worker.end()
            connection.remove()
            self._logger.info("engine ended")

    def end(self) -> None:
        """Lets `run` return; a signal handler may call it."""
        self._ending = True

    def close(self) -> None:
        """Hangs up, once the last words are out."""
        self._context.destroy(LINGER)

    def _connection(self) -> Connection:
        work, control, _ = self._ports
        return Connection(HOST, work, control, self._secret, os.getpid(), PROTOCOL, __version__)

    def _look_around(self) -> None:
        """What is due without a message."""
        now = time.monotonic()
        if self._worker.has_died():
            self._replace_worker()
        for task in list(self._tasks.values()):
            if task.state == "cancelling" and now - task.cancelled_at > self._grace_seconds:
                self._logger.warning("job %s does not heed its cancel; worker replaced", task.id)
                self._worker.end()
                self._replace_worker()
                return
            if now - task.told > NEWS_SECONDS:
                self._report(task)
        if self._tasks:
            self._active = now
        elif self._idle_seconds and now - self._active > self._idle_seconds:
            self._logger.info("nothing to do for %g s", self._idle_seconds)
            self._ending = True

    # Clients

    def _hear_work(self) -> None:
        self._hear(
            self._work,
            {"hello": self._on_hello, "submit": self._on_submit, "provide": self._on_provide},
        )

    def _hear_control(self) -> None:
        self._hear(
            self._control,
            {
                "hello": self._on_hello,
                "cancel": self._on_cancel,
                "status": self._on_status,
                "shutdown": self._on_shutdown,
            },
        )

    def _hear(
        self, socket: zmq.Socket[bytes], handlers: Mapping[str, Callable[[Request], None]]
    ) -> None:
        """Takes one message; whatever is wrong with it, its sender hears of it and we go on."""
        identity, *parts = socket.recv_multipart(copy=False)
        client = identity.bytes
        about: dict[str, str] = {}
        try:
            message = messages.decode([part.buffer for part in parts])
            if is_job_id(message.header.get("job")):
                about = {"job": message.header["job"]}
            if message.type not in handlers:
                known = ", ".join(handlers)
                raise bad_message(
                    f"'{message.type[:40]}' is no message for this socket; it takes {known}"
                )
            handlers[message.type](Request(socket, client, message))
        except LimnerError as error:
            self._tell(socket, client, "error", {**about, **error.to_fields()})
        except Exception as error:
            self._logger.exception("a message could not be handled")
            self._tell(socket, client, "error", {**about, **_internal(error).to_fields()})

    def _tell(
        self,
        socket: zmq.Socket[bytes],
        client: bytes,
        type: str,
        fields: Mapping[str, Any],
        frames: Mapping[str, Buffer] | None = None,
    ) -> None:
        """Tells a client; one that is gone, or takes nothing any more, loses its jobs."""
        parts = [client, *messages.encode(type, fields, frames or {})]
        try:
            socket.send_multipart(parts, flags=zmq.NOBLOCK, copy=False)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            for task in [t for t in self._tasks.values() if t.client == client]:
                self._cancel(task)

    def _on_hello(self, request: Request) -> None:
        hello = request.message.header
        if hello.get("protocol") != PROTOCOL:
            raise LimnerError(
                "version-mismatch",
                f"This engine speaks protocol {PROTOCOL}, and the client "
                f"{str(hello.get('protocol'))[:40]}.",
                "Install the plug-in again with 'limner install', then restart the editor.",
            )
        self._active = time.monotonic()
        self._names[request.client] = str(hello.get("client", "unknown"))[:200]
        if len(self._names) > MAX_REMEMBERED:
            self._names.popitem(last=False)
        welcome = {
            "protocol": PROTOCOL,
            "version": __version__,
            "catalog": catalog.digest(),
            "session": self._session,
            "device": machine.device(),
            "pid": os.getpid(),
        }
        self._tell(request.socket, request.client, "welcome", welcome)

    def _on_submit(self, request: Request) -> None:
        self._active = time.monotonic()
        header = request.message.header
        task = read_submit(request.client, header)
        if task.id in self._tasks:
            raise bad_message("its job id is in use")
        if task.id in self._cancelled:
            raise _cancelled()
        self._check_room(task)
        if not self._worker.pid:
            self._worker.start()
        superseded = self._tasks.get(str(header.get("supersedes")))
        if superseded:
            self._cancel(superseded)
        self._tasks[task.id] = task
        self._logger.info("job %s: %s", task.id, task.request["operation"])
        self._accept_frames(task, request.message.frames)
        if task.state == "waiting":
            self._ask_for_frames(task)

    def _on_provide(self, request: Request) -> None:
        task = self._tasks.get(request.job)
        if task and task.client == request.client:  # else it ended meanwhile
            self._accept_frames(task, request.message.frames)

    def _on_cancel(self, request: Request) -> None:
        task = self._tasks.get(request.job)
        if task:
            self._cancel(task)
            return
        # It has ended, or this overtook its submit, which came on the other socket.
        self._cancelled[request.job] = None
        if len(self._cancelled) > MAX_REMEMBERED:
            self._cancelled.popitem(last=False)

    def _on_status(self, request: Request) -> None:
        worker = self._worker.pid
        status = {
            "version": __version__,
            "device": machine.device(),
            "pid": os.getpid(),
            "uptime": round(time.monotonic() - self._started, 1),
            "jobs": [self._describe(task) for task in self._tasks.values()],
            "worker": worker and {"pid": worker, "memory": machine.memory_of(worker)},
            "held": {"count": len(self._worker.held), "bytes": sum(self._worker.held.values())},
        }
        self._tell(request.socket, request.client, "status", status)

    def _describe(self, task: Task) -> dict[str, Any]:
        return {
            "job": task.id,
            "operation": task.request["operation"],
            "client": self._names.get(task.client, "unknown"),
            "state": task.state,
            "fraction": task.fraction,
            "stage": task.stage,
        }

    def _on_shutdown(self, request: Request) -> None:
        self._tell(request.socket, request.client, "bye", {})
        self._ending = True

    # Jobs

    def _check_room(self, task: Task) -> None:
        """Raises LimnerError too-large where the jobs' pixels would not fit into memory."""
        announced = dict(task.sizes)
        for other in self._tasks.values():
            announced.update(other.sizes)
        needed, budget = sum(announced.values()), machine.memory_budget()
        if needed > budget:
            raise LimnerError(
                "too-large",
                f"The layers have {needed / 1e9:.1f} GB together with those of waiting jobs, and "
                f"{budget / 1e9:.1f} GB of memory are free.",
                "Make the picture smaller, or close other programs, and run again.",
            )

    def _accept_frames(self, task: Task, frames: Mapping[str, Buffer]) -> None:
        """Hands a job's frames to the worker; the job queues once all are there."""
        held = self._worker.held
        new = {d: f for d, f in frames.items() if d in task.sizes and d not in held}
        self._worker.keep(new, self._pinned())
        if task.state == "waiting" and not self._missing(task):
            self._queue(task)

    def _queue(self, task: Task) -> None:
        ahead = sum(t.state != "waiting" for t in self._tasks.values())
        task.state = "queued"
        self._tell(self._work, task.client, "accepted", {"job": task.id, "position": ahead})
        self._run_next()

    def _ask_for_frames(self, task: Task) -> None:
        task.state = "waiting"
        need = {"job": task.id, "digests": self._missing(task)}
        self._tell(self._work, task.client, "need", need)

    def _missing(self, task: Task) -> list[str]:
        return [digest for digest in task.sizes if digest not in self._worker.held]

    def _pinned(self) -> set[str]:
        return {digest for task in self._tasks.values() for digest in task.sizes}

    def _run_next(self) -> None:
        """Gives the worker the next job, where it is ready and has none."""
        if not self._worker.ready or any(task.on_worker for task in self._tasks.values()):
            return
        for task in self._tasks.values():
            if task.state == "queued":
                task.state = "running"
                self._worker.touch(task.sizes)
                self._worker.tell("run", task.request)
                return

    def _report(self, task: Task, message: Message | None = None) -> None:
        """Tells the client how far its job is; also its sign that the engine lives.

        message: the worker's, which may have a preview.
        """
        task.told = time.monotonic()
        stage = task.stage if task.state == "running" else task.state
        news: dict[str, Any] = {"job": task.id, "fraction": task.fraction, "stage": stage}
        if message is not None and "preview" in message.header:
            news["preview"] = message.header["preview"]
        frames = None if message is None else message.frames
        self._tell(self._work, task.client, "progress", news, frames)

    def _cancel(self, task: Task) -> None:
        if task.state == "running":
            task.state, task.cancelled_at = "cancelling", time.monotonic()
            self._worker.tell("cancel", {"job": task.id})
        elif task.state != "cancelling":
            self._fail(task, _cancelled())

    def _fail(self, task: Task, error: LimnerError) -> None:
        self._finish(task, "error", error.to_fields())

    def _finish(
        self,
        task: Task,
        type: str,
        fields: Mapping[str, Any],
        frames: Mapping[str, Buffer] | None = None,
    ) -> None:
        """The job's last word; the next one starts. Does nothing for a job that has ended."""
        if self._tasks.pop(task.id, None) is None:
            return
        code = f" ({fields['code']})" if type == "error" else ""
        self._logger.info("job %s: %s%s", task.id, type, code)
        self._tell(self._work, task.client, type, {**fields, "job": task.id}, frames)
        self._worker.keep({}, self._pinned())  # what this job alone had pinned may go
        self._run_next()

    # The worker

    def _hear_worker(self) -> None:
        try:
            message = self._worker.receive()
        except LimnerError as error:  # a result of too many layers
            for task in [t for t in self._tasks.values() if t.on_worker]:
                self._fail(task, error)
            return
        if message is None:
            return
        concerned = self._tasks.get(message.header.get("job", ""))
        if message.type == "ready":
            self._run_next()
        elif message.type == "refused":
            self._refuse(message.header["digests"])
        elif concerned and message.type == "progress":
            concerned.fraction = message.header["fraction"]
            concerned.stage = message.header["stage"]
            self._report(concerned, message)
        elif concerned:
            self._end_job(concerned, message)

    def _end_job(self, task: Task, message: Message) -> None:
        """Passes on the worker's last word on a job: a result or an error."""
        fields = {k: v for k, v in message.header.items() if k not in ("type", "traceback")}
        if "traceback" in message.header:
            self._logger.error("job %s failed\n%s", task.id, message.header["traceback"])
        if task.state == "cancelling":
            self._fail(task, _cancelled())
        else:
            self._finish(task, message.type, fields, message.frames)

    def _refuse(self, digests: list[str]) -> None:
        """Frames came whose digest is not theirs: the jobs that named them fail."""
        self._worker.drop(digests)
        for task in list(self._tasks.values()):
            if not set(digests).isdisjoint(task.sizes):
                self._fail(task, bad_message("a layer's pixels are not what their digest says"))

    def _replace_worker(self) -> None:
        """After a worker's end: its job fails, the others give their pixels to the next one."""
        self._logger.warning("the worker ended, ready: %s", self._worker.ready)
        tasks, failure = list(self._tasks.values()), _crashed()
        try:
            if not self._worker.ready:
                raise start_failed()  # the next job tries again, lest a broken one starts for ever
            self._worker.start()
            waiting = [task for task in tasks if task.state in ("waiting", "queued")]
        except LimnerError as error:
            waiting, failure = [], error
        for task in waiting:
            task.state = "waiting"
        for task in tasks:
            if task not in waiting:
                self._fail(task, _cancelled() if task.state == "cancelling" else failure)
        for task in waiting:
            self._ask_for_frames(task)


def serve(*, idle_seconds: float = IDLE_SECONDS, grace_seconds: float = GRACE_SECONDS) -> int:
    """Runs the engine until it is ended; the exit status.

    idle_seconds: ends by itself after this time without work, 0 never. grace_seconds: how long a
    job may go on after its cancel. Where one runs already, says so and returns 0.
    """
    paths.home().mkdir(mode=0o700, parents=True, exist_ok=True)
    with (paths.home() / "engine.lock").open("ab") as lock:
        if not _take(lock):
            print("limner: the engine is already running.")
            return 0
        logger = open_log()
        server = Server(logger, idle_seconds, grace_seconds)
        for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: server.end())
        try:
            server.open()
            print(
                f"limner: the engine runs (process {os.getpid()}); Control-C ends it.", flush=True
            )
            server.run()
        except Exception:
            logger.exception("the engine failed")
            raise
    # Only without the lock: who hears that we hang up may start the next engine at once.
    server.close()
    return 0


def _take(lock: BinaryIO) -> bool:
    """Locks the file, unless another process has; the system unlocks it however we end."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _cancelled() -> LimnerError:
    return LimnerError("cancelled", "The job was cancelled.", "Run it again when you like.")


def _crashed() -> LimnerError:
    return LimnerError(
        "worker-crashed",
        "The process that ran the job died, perhaps for want of memory.",
        "Run again; if it happens again, make the picture smaller and see the engine's log.",
    )


def _ended() -> LimnerError:
    return LimnerError("engine-lost", "The engine was stopped.", "Run again to start it anew.")


def _internal(error: Exception) -> LimnerError:
    return LimnerError(
        "internal",
        f"The engine could not handle a message ({type(error).__name__}).",
        "Please report it with the output of 'limner doctor' and the end of the engine's log.",
    )
