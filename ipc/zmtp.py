"""A ZeroMQ DEALER socket in pure Python: ZMTP 3.1 over TCP with the PLAIN mechanism.

Editors ship many Pythons that no wheel of pyzmq fits; this client needs the standard library alone.
The protocol is https://rfc.zeromq.org/spec/37/ and the mechanism https://rfc.zeromq.org/spec/24/.

    with Dealer("127.0.0.1", port, "limner", secret) as dealer:
        dealer.send([b"header", plane])
        message = dealer.recv(timeout=1.0)      # a list of buffers, or None

Threads: one thread may receive while others send, and any thread may close. Nothing runs in the
background: heartbeats are sent and answered inside `recv` alone, so call it as often as the peer
expects an answer.

Errors, each of which leaves the socket closed:

    ZmtpError
    ├── ConnectFailed           nobody listens there, or the peer hung up during the handshake
    ├── AuthenticationFailed    the peer refused our user name and password
    ├── ProtocolError           the peer does not speak ZMTP 3.1 with PLAIN, or broke a limit
    ├── ConnectionLost          a connection ended, or there is none
    └── TimedOut                connecting or sending took too long

Nothing is ever sent a second time: after an error, `connect` anew and submit again what matters.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import selectors
import socket
import threading
import time
from collections import deque
from typing import Generator, Iterator, Sequence, Tuple, TypeVar, Union

BytesLike = Union[bytes, bytearray, memoryview]
Received = Union[bytearray, memoryview]
T = TypeVar("T")
Plan = Generator[None, None, T]  # reads a socket and yields whenever it has nothing to read
Frame = Tuple[int, Received]  # flags and body

MORE, LONG, COMMAND = 0x01, 0x02, 0x04  # flags of a frame
SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
VERSION = (3, 1)
MECHANISM = b"PLAIN".ljust(20, b"\0")
GREETING = SIGNATURE + bytes(VERSION) + MECHANISM + bytes(32)

MAX_COMMAND = 1 << 16  # bytes; the commands of ZMTP are far smaller
MAX_WAITING = 16  # commands kept for a peer that takes none
TRANSFER = 1 << 20  # bytes handed to the system at once
COALESCED = 1 << 16  # bytes up to which frames travel together
RETRY = 0.05  # seconds until a command that the system would not take is offered again
LONGEST_WAIT = 3600.0  # seconds; the system's clocks overflow on an endless wait

# select() cannot watch descriptors over 1023 on POSIX, and Windows has no poll().
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


class ZmtpError(Exception):
    """Base of the errors of this module."""


class ConnectFailed(ZmtpError):
    """No connection could be made."""


class AuthenticationFailed(ZmtpError):
    """The peer refused our user name and password."""


class ProtocolError(ZmtpError):
    """The peer said something that ZMTP or our limits do not allow."""


class ConnectionLost(ZmtpError):
    """The connection ended, or there is none."""


class TimedOut(ZmtpError):
    """Connecting or sending took longer than allowed."""


class Dealer:
    """Sends messages of several frames to a ROUTER and receives such messages.

    `host`, `port`: where the ROUTER listens. `username`, `password`: each at most 255 bytes of
    UTF-8. `connect_timeout`: seconds for the connection and the handshake together.
    `heartbeat`: seconds of silence after which the peer is asked for a sign of life.
    `heartbeat_timeout`: seconds without that sign, or without taking any of what we send, after
    which the connection counts as lost. `max_message`, `max_frames`: the bytes and the frames that
    a received message may have.
    """

    def __init__(
        self,
        host: str,
        port: int,
        username: str,
        password: str,
        *,
        connect_timeout: float = 5.0,
        heartbeat: float = 5.0,
        heartbeat_timeout: float = 15.0,
        max_message: int = 1 << 34,
        max_frames: int = 4096,
    ) -> None:
        self._host = host
        self._port = port
        self._credentials = _short(username.encode()) + _short(password.encode())
        self._connect_timeout = connect_timeout
        self._heartbeat = heartbeat
        self._heartbeat_timeout = heartbeat_timeout
        self._max_message = max_message
        self._max_frames = max_frames
        self._socket: socket.socket | None = None
        self._watch = (math.inf, False)
        self._receiving = threading.Lock()
        self._sending = threading.Lock()

    def __enter__(self) -> Dealer:
        self.connect()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as this side has noticed."""
        return self._socket is not None

    def fileno(self) -> int:
        """The descriptor for select() and notifiers; it changes with every `connect`.

        It is readable while anything is left to receive, for nothing is read ahead.
        Raises ConnectionLost.
        """
        with self._connection() as sock:
            return sock.fileno()

    # Connecting

    def connect(self) -> None:
        """Connect, or connect anew: an earlier connection ends, with all that was under way on it.

        Raises ConnectFailed, AuthenticationFailed, ProtocolError, TimedOut.
        """
        self.close()
        with self._receiving, self._sending:
            deadline = _after(self._connect_timeout)
            sock = self._open()
            try:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._reset()
                self._shake_hands(sock, deadline)
            except (OSError, ConnectionLost) as error:
                sock.close()
                raise ConnectFailed(f"the handshake broke off: {error}") from error
            except BaseException:
                sock.close()
                raise
            self._socket = sock

    def _open(self) -> socket.socket:
        try:
            return socket.create_connection((self._host, self._port), self._connect_timeout)
        except (socket.timeout, TimeoutError) as error:
            raise TimedOut(f"no connection within {self._connect_timeout:g} s") from error
        except OSError as error:
            raise ConnectFailed(f"no connection to {self._host}:{self._port}: {error}") from error

    def _reset(self) -> None:
        """The state of a connection at its start."""
        self._reading: Plan[Frame] | None = None
        self._parts: list[Received] = []  # the frames that came of the current message
        self._room = self._max_message  # bytes that may still come of it
        self._waiting: deque[bytes] = deque()  # commands to be sent by who holds `_sending`
        self._note_life()

    def _shake_hands(self, sock: socket.socket, deadline: float) -> None:
        # Where nobody listens, the system may give our end that very port and connect us to us.
        if sock.getsockname() == sock.getpeername():
            raise ConnectFailed(f"nobody listens at {self._host}:{self._port}")
        self._write(sock, GREETING, deadline)
        _check_signature(self._read(sock, _exactly(sock, 10), deadline))
        _check_greeting(self._read(sock, _exactly(sock, 54), deadline))
        self._write(sock, _command(b"HELLO", self._credentials), deadline)
        self._expect(sock, b"WELCOME", deadline)
        self._write(sock, _command(b"INITIATE", _property(b"Socket-Type", b"DEALER")), deadline)
        kind = _properties(self._expect(sock, b"READY", deadline)).get(b"socket-type")
        if kind != b"ROUTER":
            raise ProtocolError(f"the peer is no ROUTER: its socket type is {kind!r}")

    def _expect(self, sock: socket.socket, name: bytes, deadline: float) -> bytes:
        """The data of the handshake's next command, which must be `name`."""
        flags, body = self._read(sock, _frame(sock, 0), deadline)
        if not flags & COMMAND:
            raise ProtocolError("a message came in place of the handshake")
        # libzmq 4.3.5 has "\x05ERROR" in its C++ source, where \x05E is one character, a caret.
        is_error = bytes(body[:5]) == b"^RROR"
        said, data = (b"ERROR", bytes(body[5:])) if is_error else _split_short(body)
        if said == b"ERROR":
            reason = _split_short(data)[0].decode("ascii", "replace")
            raise AuthenticationFailed(f"the peer refused our user name and password: {reason}")
        if said != name:
            raise ProtocolError(f"the peer said {said!r} where {name!r} was due")
        return data

    def _read(self, sock: socket.socket, plan: Plan[T], deadline: float) -> T:
        """Carry out a plan of the handshake."""
        while _ready(sock, selectors.EVENT_READ, deadline):
            result = _advance(plan)
            if result is not None:
                return result
        raise TimedOut(f"no complete handshake within {self._connect_timeout:g} s")

    @contextlib.contextmanager
    def _connection(self) -> Iterator[socket.socket]:
        """The connected socket, closed upon any error: half a message cannot be mended."""
        sock = self._socket
        if sock is None:
            raise ConnectionLost("there is no connection")
        try:
            yield sock
        except OSError as error:
            self._end(sock)
            raise ConnectionLost(f"the connection broke: {error}") from error
        except BaseException:
            self._end(sock)
            raise

    def close(self) -> None:
        """Close; a thread that is inside `recv` or `send` gets ConnectionLost."""
        if (sock := self._socket) is not None:
            self._end(sock)

    def _end(self, sock: socket.socket) -> None:
        if self._socket is sock:
            self._socket = None
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)  # close() alone does not wake a thread that waits
        sock.close()

    # Sending

    def send(self, frames: Sequence[BytesLike], timeout: float | None = None) -> None:
        """Send one message of C-contiguous buffers, which must not change until this returns.

        The system has the message then, not necessarily the peer. Raises ConnectionLost, and
        TimedOut where the system could not take all of it in `timeout` seconds.
        """
        views = [_flat(frame) for frame in frames]
        if not views:
            raise ValueError("a message has at least one frame")
        deadline = _after(timeout)
        with self._connection() as sock:
            with self._sending:
                while self._waiting:
                    self._write(sock, self._waiting.popleft(), deadline)
                for chunk in _chunks(views):
                    self._write(sock, chunk, deadline)
            self._flush(sock)

    def _write(self, sock: socket.socket, data: BytesLike, deadline: float) -> None:
        view = memoryview(data)
        while view:
            taken = _try_to_send(sock, view[:TRANSFER])
            view = view[taken:]
            if not taken:
                self._await_taking(sock, deadline)

    def _await_taking(self, sock: socket.socket, deadline: float) -> None:
        patience = _after(self._heartbeat_timeout)
        if _ready(sock, selectors.EVENT_WRITE, min(deadline, patience)):
            self._note_life()
        elif deadline < patience:
            raise TimedOut("the peer did not take the message in time")
        else:
            raise ConnectionLost(f"the peer took nothing for {self._heartbeat_timeout:g} s")

    def _flush(self, sock: socket.socket) -> None:
        """Send the waiting commands as far as the system takes them at once.

        While another thread sends a message nothing happens: that thread comes here afterwards.
        """
        while self._waiting and self._sending.acquire(blocking=False):
            try:
                command = self._waiting.popleft()
                rest = command[_try_to_send(sock, command) :]
                if rest:
                    self._waiting.appendleft(rest)
                    return
            finally:
                self._sending.release()

    # Receiving

    def recv(self, timeout: float | None = None) -> list[Received] | None:
        """The next message, or None where none is complete after `timeout` seconds.

        With 0 it takes what has come without waiting. The beginning of a message is kept for the
        next call. Raises ConnectionLost, ProtocolError.
        """
        deadline = _after(timeout)
        with self._receiving, self._connection() as sock:
            while True:
                frame = self._next_frame(sock, deadline)
                if frame is None:
                    return None
                flags, body = frame
                if flags & COMMAND:
                    self._obey(sock, body)
                    if time.monotonic() >= deadline:  # a peer of many commands may not hold us here
                        return None
                elif self._completes(flags, body):
                    message, self._parts, self._room = self._parts, [], self._max_message
                    return message

    def _next_frame(self, sock: socket.socket, deadline: float) -> Frame | None:
        """The next frame, or None at the deadline."""
        reading = self._reading = self._reading or _frame(sock, self._room)
        while True:
            retry = _after(RETRY) if self._waiting else math.inf
            if _ready(sock, selectors.EVENT_READ, min(deadline, retry, self._watch[0])):
                self._note_life()
                frame = _advance(reading)
                if frame is not None:
                    self._reading = None
                    return frame
            else:
                self._keep_alive(sock)
                if time.monotonic() >= deadline:
                    return None

    def _completes(self, flags: int, body: Received) -> bool:
        """Take a frame of a message; whether it was the last."""
        self._parts.append(body)
        self._room -= len(body)
        if flags & MORE and len(self._parts) >= self._max_frames:
            raise ProtocolError(f"the peer sent a message of more than {self._max_frames} frames")
        return not flags & MORE

    def _obey(self, sock: socket.socket, body: Received) -> None:
        """Answer a PING; no other command wants anything of us."""
        name, data = _split_short(body)
        if name == b"PING":
            if not 2 <= len(data) <= 18:
                raise ProtocolError(f"the peer sent a PING of {len(data)} bytes")
            self._say(sock, _command(b"PONG", data[2:]))

    def _keep_alive(self, sock: socket.socket) -> None:
        """After a silence ask for a sign of life; after another one give the connection up."""
        due, asked = self._watch
        if time.monotonic() >= due:
            if asked:
                raise ConnectionLost(f"the peer is silent for {self._heartbeat_timeout:g} s")
            self._watch = (_after(self._heartbeat_timeout), True)
            self._say(sock, _command(b"PING", bytes(2)))  # no deadline for us, no context
        self._flush(sock)

    def _note_life(self) -> None:
        # When to act next, and whether a PING is unanswered: one tuple, for two threads set it.
        self._watch = (_after(self._heartbeat), False)

    def _say(self, sock: socket.socket, command: bytes) -> None:
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(command)
        self._flush(sock)


def _advance(plan: Plan[T]) -> T | None:
    """What the plan returns, or None while the socket has too little for it."""
    try:
        next(plan)
    except StopIteration as done:
        result: T = done.value
        return result
    return None


def _exactly(sock: socket.socket, size: int) -> Plan[Received]:
    """Read `size` bytes. The system gives memory for what has come, not for what is promised."""
    # A large bytearray would be zeroed while no other Python code, an editor's included, can run.
    buffer = bytearray(size) if size <= TRANSFER else memoryview(mmap.mmap(-1, size))
    filled = 0
    while filled < size:
        try:
            count = sock.recv_into(memoryview(buffer)[filled : filled + TRANSFER])
        except BlockingIOError:
            yield
            continue
        if not count:
            raise ConnectionLost("the peer closed the connection")
        filled += count
    return buffer


def _frame(sock: socket.socket, max_size: int) -> Plan[Frame]:
    """Read one frame: a command, or part of a message with at most `max_size` bytes."""
    flags, size = yield from _exactly(sock, 2)
    if flags & ~(MORE | LONG | COMMAND) or (flags & COMMAND and flags & MORE):
        raise ProtocolError(f"the peer sent a frame with flags {flags:#04x}")
    if flags & LONG:
        size = int.from_bytes(bytes([size]) + (yield from _exactly(sock, 7)), "big")
    limit = MAX_COMMAND if flags & COMMAND else max_size
    if size > limit:
        raise ProtocolError(f"the peer sent a frame of {size} bytes where {limit} are allowed")
    return flags, (yield from _exactly(sock, size))


def _check_signature(signature: Received) -> None:
    if (signature[0], signature[9]) != (0xFF, 0x7F):
        raise ProtocolError("the peer does not speak ZMTP")


def _check_greeting(rest: Received) -> None:
    """Check what follows the signature, before any secret is sent."""
    version, mechanism = tuple(rest[:2]), bytes(rest[2:22])
    if version < VERSION:
        raise ProtocolError("the peer speaks ZMTP {}.{} and not 3.1".format(*version))
    if mechanism != MECHANISM:
        raise ProtocolError(f"the peer wants the mechanism {mechanism!r} and not PLAIN")


def _short(text: bytes) -> bytes:
    """A string behind its length, one byte."""
    if len(text) > 255:
        raise ValueError(f"{len(text)} bytes are too long for a name, at most 255 are allowed")
    return bytes([len(text)]) + text


def _split_short(data: BytesLike) -> tuple[bytes, bytes]:
    """The string that `_short` wrote, and what follows it."""
    data = bytes(data)
    if not data or len(data) <= data[0]:
        raise ProtocolError("the peer sent a truncated command")
    return data[1 : data[0] + 1], data[data[0] + 1 :]


def _command(name: bytes, data: bytes) -> bytes:
    body = _short(name) + data
    return _head(COMMAND, len(body)) + body


def _property(name: bytes, value: bytes) -> bytes:
    return _short(name) + len(value).to_bytes(4, "big") + value


def _properties(data: bytes) -> dict[bytes, bytes]:
    """Metadata by name, in lower case: names do not tell case."""
    found = {}
    while data:
        name, data = _split_short(data)
        end = 4 + int.from_bytes(data[:4], "big")
        if len(data) < end:
            raise ProtocolError("the peer sent truncated metadata")
        found[name.lower()], data = data[4:end], data[end:]
    return found


def _head(flags: int, size: int) -> bytes:
    if size > 255:
        return bytes([flags | LONG]) + size.to_bytes(8, "big")
    return bytes([flags, size])


def _flat(frame: BytesLike) -> memoryview:
    view = memoryview(frame)
    return view.cast("B") if view.nbytes else memoryview(b"")  # cast() refuses empty arrays


def _chunks(frames: Sequence[memoryview]) -> Iterator[BytesLike]:
    """The bytes of a message: heads and small frames joined, large frames as they are."""
    joined = bytearray()
    for index, frame in enumerate(frames):
        joined += _head(MORE if index + 1 < len(frames) else 0, len(frame))
        if len(frame) <= COALESCED:
            joined += frame
        if len(frame) > COALESCED or len(joined) > COALESCED:
            yield joined
            joined = bytearray()
        if len(frame) > COALESCED:
            yield frame
    yield joined


def _try_to_send(sock: socket.socket, data: BytesLike) -> int:
    """How many bytes the system took."""
    try:
        return sock.send(data)
    except BlockingIOError:
        return 0


def _after(seconds: float | None) -> float:
    """The moment that many seconds from now; None is never."""
    return math.inf if seconds is None else time.monotonic() + seconds


def _ready(sock: socket.socket, event: int, until: float) -> bool:
    """Wait until the socket can be read or written; False when `until` has passed first."""
    with _Selector() as selector:
        try:
            selector.register(sock, event)
        except ValueError:
            raise ConnectionLost("the connection was closed meanwhile") from None
        while True:
            remaining = until - time.monotonic()
            if selector.select(max(0.0, min(remaining, LONGEST_WAIT))):
                return True
            if remaining <= 0:
                return False
