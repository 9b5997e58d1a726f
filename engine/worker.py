"""The worker process: runs one job at a time; started by the front and ended with it.

A thread of its own listens to the front, so that a cancel is heard while a job runs, and keeps the
frames that come; it checks that each is what its digest says.
"""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import zmq

from engine import machine
from engine.job import Cache
from engine.run import run_operation
from ipc import messages
from ipc.client import pack
from ipc.errors import LimnerError
from ipc.planes import Buffer, Plane, digest_of

PROGRESS_EVERY = 0.05
"""Seconds between two reports of progress within a stage."""
TRACEBACK_CHARACTERS = 8000


@dataclass(frozen=True)
class Task:
    """A job that the front sent. frames: those that it names, as far as they are here."""

    request: Mapping[str, Any]
    frames: Mapping[str, Buffer]
    cancelled: threading.Event = field(default_factory=threading.Event)


class Desk:
    """The line to the front: orders come in while a job runs, and its news goes out."""

    def __init__(self, port: int, username: str, secret: str, identity: str) -> None:
        self.tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._frames: dict[str, Buffer] = {}
        self._cancels: dict[str, threading.Event] = {}
        context = zmq.Context()
        self._front = context.socket(zmq.DEALER)
        self._front.setsockopt(zmq.ROUTING_ID, identity.encode())
        self._front.plain_username = username.encode()
        self._front.plain_password = secret.encode()
        self._front.set_hwm(0)
        self._front.connect(f"tcp://127.0.0.1:{port}")
        # A socket belongs to one thread; the job's thread reaches the listening one through these.
        self._outgoing, self._news = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        for end in (self._outgoing, self._news):
            end.set_hwm(0)
        self._outgoing.bind("inproc://news")
        self._news.connect("inproc://news")
        threading.Thread(target=self._listen, name="desk", daemon=True).start()

    def say(
        self, type: str, fields: Mapping[str, Any], frames: Mapping[str, Buffer] | None = None
    ) -> None:
        """Tells the front; for the thread that runs the jobs."""
        self._news.send_multipart(messages.encode(type, fields, frames or {}), copy=False)

    def _listen(self) -> None:
        poller = zmq.Poller()
        for socket in (self._front, self._outgoing):
            poller.register(socket, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self._front in ready:
                parts = self._front.recv_multipart(copy=False)
                self._obey(messages.decode([part.buffer for part in parts]))
            if self._outgoing in ready:
                self._front.send_multipart(self._outgoing.recv_multipart(copy=False), copy=False)

    def _obey(self, message: messages.Message) -> None:
        header = message.header
        if message.type == "keep":
            self._keep(message.frames)
        elif message.type == "forget":
            for digest in header["digests"]:
                self._frames.pop(digest, None)
        elif message.type == "run":
            frames = {d: self._frames[d] for d in header["digests"] if d in self._frames}
            task = Task(header, frames)
            self._cancels = {header["job"]: task.cancelled}  # there is one job at a time
            self.tasks.put(task)
        elif message.type == "cancel" and header["job"] in self._cancels:
            self._cancels[header["job"]].set()

    def _keep(self, frames: Mapping[str, Buffer]) -> None:
        wrong = [digest for digest, frame in frames.items() if digest_of(frame) != digest]
        self._frames.update({d: frame for d, frame in frames.items() if d not in wrong})
        if wrong:
            self._front.send_multipart(messages.encode("refused", {"digests": wrong}, {}))


def perform(task: Task, desk: Desk, cache: Cache) -> None:
    """Runs a job and says how it ended."""
    request = task.request
    job = {"job": request["job"]}
    last, fraction_now = ("", 0.0), 0.0

    def on_progress(fraction: float, stage: str) -> None:
        nonlocal last, fraction_now
        now, fraction_now = time.monotonic(), fraction
        if stage != last[0] or now - last[1] >= PROGRESS_EVERY:
            last = (stage, now)
            desk.say("progress", {**job, "fraction": fraction, "stage": stage})

    def on_preview(plane: Plane) -> None:
        (description,), frames = pack([plane])
        news = {**job, "fraction": fraction_now, "stage": last[0], "preview": description}
        desk.say("progress", news, frames)

    try:
        results, report = run_operation(
            request["operation"],
            request["params"],
            [Plane.from_description(plane, task.frames) for plane in request["planes"]],
            tuple(request["canvas"]),
            cache=cache,
            on_progress=on_progress,
            cancelled=task.cancelled,
            outputs=request["outputs"],
            digests=[plane["digest"] for plane in request["planes"]],
            on_preview=on_preview if request["previews"] else None,
        )
        descriptions, frames = pack(results)
        desk.say("result", {**job, "planes": descriptions, "report": report}, frames)
    except LimnerError as error:
        desk.say("error", {**job, **error.to_fields()})
    except Exception as error:  # whatever an operation does, the worker lives on
        text = traceback.format_exc()[-TRACEBACK_CHARACTERS:]
        desk.say("error", {**job, **_internal(error).to_fields(), "traceback": text})


def _internal(error: Exception) -> LimnerError:
    return LimnerError(
        "internal",
        f"The operation failed with an error of its own ({type(error).__name__}).",
        "Please report it with the output of 'limner doctor' and the end of the engine's log.",
    )


def _end_with_front() -> None:
    # The front holds the other end open as long as it lives, however it ends.
    while sys.stdin.buffer.read(1):
        pass
    os._exit(0)


def main() -> None:
    """Works until the front ends."""
    faulthandler.enable()
    machine.give_way()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Control-C is for the front to hear
    desk = Desk(**json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=_end_with_front, name="front-watch", daemon=True).start()
    desk.say("ready", {})
    cache = Cache(machine.keep_budget())
    while True:
        perform(desk.tasks.get(), desk, cache)


if __name__ == "__main__":
    main()
