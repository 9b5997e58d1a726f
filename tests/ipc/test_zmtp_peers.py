"""The pure-Python DEALER against peers that are written out byte by byte, most of them broken."""

import select
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import zmq
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ipc import zmtp
from ipc.zmtp import (
    AuthenticationFailed,
    ConnectFailed,
    ConnectionLost,
    Dealer,
    ProtocolError,
    TimedOut,
    ZmtpError,
)

pytestmark = pytest.mark.timeout(60)

PATIENCE = 20.0
GREETING = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01PLAIN" + bytes(15) + b"\0" + bytes(31)
WELCOME = b"\x04\x08\x07WELCOME"
READY = b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER"
HELLO = b"\x04\x12\x05HELLO\x04user\x06secret"
INITIATE = b"\x04\x1f\x08INITIATE\x0bSocket-Type\0\0\0\x06DEALER"


# The peer


@contextmanager
def peer(script: Callable[[socket.socket], None], **options: float) -> Iterator[Dealer]:
    """A client, not yet connected, of a server that runs `script` on its first connection."""
    problems: list[BaseException] = []

    def serve() -> None:
        try:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                script(connection)
        except BaseException as problem:
            hung_up = isinstance(problem, OSError) and not isinstance(problem, TimeoutError)
            if not hung_up:  # the client may do that at any time
                problems.append(problem)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        thread = threading.Thread(target=serve)
        thread.start()
        dealer = Dealer("127.0.0.1", listener.getsockname()[1], "user", "secret", **options)
        try:
            yield dealer
        finally:
            dealer.close()
            thread.join()
    if problems:
        raise problems[0]


@contextmanager
def connected(script: Callable[[socket.socket], None], **options: float) -> Iterator[Dealer]:
    """A client that has shaken hands with a server, which then runs `script`."""

    def serve(connection: socket.socket) -> None:
        shake_hands(connection)
        script(connection)

    with peer(serve, **options) as dealer:
        dealer.connect()
        yield dealer


def shake_hands(connection: socket.socket) -> None:
    connection.sendall(GREETING)
    take(connection, 64)
    take_frame(connection)
    connection.sendall(WELCOME)
    take_frame(connection)
    connection.sendall(READY)


def take(connection: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes; EOFError where the client has gone."""
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def take_frame(connection: socket.socket) -> tuple[int, bytes]:
    flags, size = take(connection, 2)
    if flags & 2:
        size = int.from_bytes(bytes([size]) + take(connection, 7), "big")
    return flags, take(connection, size)


def take_message(connection: socket.socket) -> list[bytes]:
    """The next message; commands are passed over."""
    frames = []
    while True:
        flags, body = take_frame(connection)
        if not flags & 4:
            frames.append(body)
            if not flags & 1:
                return frames


def until_gone(connection: socket.socket) -> None:
    """Take what comes, until the client has gone."""
    while connection.recv(1 << 16):
        pass


def frame(body: bytes, flags: int = 0) -> bytes:
    if len(body) > 255:
        return struct.pack(">BQ", flags | 2, len(body)) + body
    return struct.pack(">BB", flags, len(body)) + body


def message(*bodies: bytes) -> bytes:
    return b"".join(frame(body, 1) for body in bodies[:-1]) + frame(bodies[-1])


def saying(data: bytes) -> Callable[[socket.socket], None]:
    """A script that says `data` and hangs up after the client."""

    def script(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        until_gone(connection)

    return script


# The handshake


def test_handshake_and_messages_are_those_of_libzmq() -> None:
    messages = [[b""], [b"a", b"", bytes(255)], [bytes(256), b"end"], [b"x" * 70_000] * 2]
    recorded = []

    def record(connection: socket.socket) -> None:
        connection.sendall(GREETING)
        greeting = take(connection, 64)
        hello = take_frame(connection)
        connection.sendall(WELCOME)
        flags, initiate = take_frame(connection)
        connection.sendall(READY)
        traffic = take(connection, sum(len(message(*bodies)) for bodies in messages))
        kind = b"\x0bSocket-Type\0\0\0\x06DEALER"
        assert initiate.startswith(b"\x08INITIATE") and kind in initiate
        recorded.append((greeting[10:], hello, flags, traffic))

    with peer(record) as dealer:
        dealer.connect()
        for bodies in messages:
            dealer.send(bodies)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        zmq.Context() as context,
        context.socket(zmq.DEALER) as libzmq,
    ):
        libzmq.plain_username, libzmq.plain_password, libzmq.linger = b"user", b"secret", 0
        libzmq.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        for bodies in messages:
            libzmq.send_multipart(bodies)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            record(connection)
    ours, theirs = recorded
    assert ours == theirs


def test_the_bytes_of_the_handshake() -> None:
    heard = []

    def script(connection: socket.socket) -> None:
        heard.append(take(connection, 64))
        connection.sendall(GREETING)
        heard.append(take(connection, len(HELLO)))
        connection.sendall(WELCOME)
        heard.append(take(connection, len(INITIATE)))
        connection.sendall(READY)

    with peer(script) as dealer:
        dealer.connect()
    signature = b"\xff\0\0\0\0\0\0\0\0\x7f"
    assert heard == [signature + GREETING[10:], HELLO, INITIATE]


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        bytes(64),
        GREETING[:9] + b"\0" + GREETING[10:],
        GREETING[:10] + b"\x03\x00" + GREETING[12:],
        GREETING[:10] + b"\x01\x07" + GREETING[12:],
        GREETING[:12] + b"NULL\0" + GREETING[17:],
        GREETING[:12] + b"PLAINS" + GREETING[18:],
    ],
)
def test_a_greeting_of_another_protocol_gets_no_secret(greeting: bytes) -> None:
    heard = bytearray()

    def script(connection: socket.socket) -> None:
        connection.sendall(greeting)
        while piece := connection.recv(1 << 16):
            heard.extend(piece)

    with peer(script) as dealer:
        with pytest.raises(ProtocolError):
            dealer.connect()
        assert not dealer.connected
    assert b"secret" not in heard


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200))
@example(GREETING[:10])
@example(GREETING + WELCOME[:3])
@example(GREETING + WELCOME + b"\x04\xff\x05READY")
def test_no_garbage_passes_for_a_handshake(garbage: bytes) -> None:
    with peer(saying(garbage)) as dealer, pytest.raises((ProtocolError, ConnectFailed)):
        dealer.connect()


def test_a_newer_version_is_accepted() -> None:
    greeting = GREETING[:10] + b"\x04\x00" + GREETING[12:]
    with peer(saying(greeting + WELCOME + READY)) as dealer:
        dealer.connect()


def test_a_handshake_that_breaks_off_anywhere() -> None:
    handshake = GREETING + WELCOME + READY
    for length in range(0, len(handshake), 3):
        with (
            peer(saying(handshake[:length])) as dealer,
            pytest.raises(ConnectFailed, match="broke off"),
        ):
            dealer.connect()
    with peer(saying(handshake)) as dealer:
        dealer.connect()


@pytest.mark.parametrize("said", [b"", GREETING[:30], GREETING, GREETING + WELCOME])
def test_a_peer_that_falls_silent_in_the_handshake(said: bytes) -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(said)
        until_gone(connection)

    with peer(script, connect_timeout=0.2) as dealer, pytest.raises(TimedOut, match="handshake"):
        dealer.connect()


@pytest.mark.parametrize("error", [b"\x05ERROR\x03400", b"^RROR\x03400"], ids=["rfc", "libzmq"])
def test_a_refusal(error: bytes) -> None:
    said = GREETING + frame(error, 4)
    with peer(saying(said)) as dealer, pytest.raises(AuthenticationFailed, match="400"):
        dealer.connect()


@pytest.mark.parametrize(
    "reply",
    [
        message(b"\x07WELCOME"),
        READY,
        frame(b"", 4),
        frame(b"\x09WELCOME", 4),
        frame(bytes(1 << 17), 4),
        frame(b"\x05ERROR", 4),
        WELCOME + WELCOME,
        WELCOME + frame(b"\x05READY", 4),
        WELCOME + READY.replace(b"ROUTER", b"DEALER"),
        WELCOME + frame(b"\x05READY\x0bSocket-Type\0\0\0\x07ROUTER", 4),
        WELCOME + frame(b"\x05READY\x0bSocket-Type\0\0", 4),
    ],
)
def test_a_handshake_of_wrong_commands(reply: bytes) -> None:
    with peer(saying(GREETING + reply)) as dealer, pytest.raises(ProtocolError):
        dealer.connect()


def test_names_of_metadata_tell_no_case_and_further_ones_are_ignored() -> None:
    ready = b"\x05READY\x01X\0\0\0\x01y\x0bSOCKET-type\0\0\0\x06ROUTER\x08Identity\0\0\0\0"
    with peer(saying(GREETING + WELCOME + frame(ready, 4) + message(b"hi"))) as dealer:
        dealer.connect()
        assert dealer.recv(PATIENCE) == [b"hi"]


def test_a_port_that_the_system_connects_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as alone:
        alone.bind(("127.0.0.1", 0))
        alone.connect(alone.getsockname())
        monkeypatch.setattr(zmtp.socket, "create_connection", lambda *_: alone)
        with pytest.raises(ConnectFailed, match="nobody listens"):
            Dealer("127.0.0.1", 1, "user", "secret").connect()


# Frames


def test_a_message_that_dribbles_in_byte_by_byte() -> None:
    bodies = [b"first", b"", bytes(range(256)), b"last"]
    stream = message(*bodies[:2], b"")[:-2] + frame(b"\x07UNKNOWN", 4) + message(*bodies[2:])
    gates = threading.Semaphore(0)

    def script(connection: socket.socket) -> None:
        for byte in stream:
            gates.acquire()
            connection.sendall(bytes([byte]))
        until_gone(connection)

    with connected(script) as dealer:
        for _ in stream[:-1]:
            gates.release()
            assert select.select([dealer], [], [], PATIENCE)[0]
            assert dealer.recv(timeout=0) is None
        gates.release()
        assert dealer.recv(PATIENCE) == bodies


def test_a_slow_message_survives_recvs_that_end_too_early() -> None:
    plane = bytes(range(256)) * 4096

    def script(connection: socket.socket) -> None:
        stream = message(b"header", plane)
        for start in range(0, len(stream), 1 << 17):
            connection.sendall(stream[start : start + (1 << 17)])
            time.sleep(0.02)
        until_gone(connection)

    with connected(script) as dealer:
        deadline = time.monotonic() + PATIENCE
        while (received := dealer.recv(timeout=0.005)) is None:
            assert time.monotonic() < deadline
        assert received == [b"header", plane]


@pytest.mark.parametrize("flags", [0x05, 0x07, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF])
def test_flags_that_do_not_exist(flags: int) -> None:
    with connected(saying(bytes([flags, 1, 0]))) as dealer:
        with pytest.raises(ProtocolError, match="flags"):
            dealer.recv(PATIENCE)
        assert not dealer.connected


@pytest.mark.parametrize("flags", [0x02, 0x03, 0x06])
@pytest.mark.parametrize("size", [1 << 40, (1 << 63) - 1, (1 << 64) - 1])
def test_a_frame_of_absurd_length_allocates_nothing(flags: int, size: int) -> None:
    with connected(saying(struct.pack(">BQ", flags, size))) as dealer:
        tracemalloc.start()
        try:
            with pytest.raises(ProtocolError, match=str(size)):
                dealer.recv(PATIENCE)
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()


def test_memory_follows_what_has_come_of_a_large_frame() -> None:
    resource = pytest.importorskip("resource")
    promise = struct.pack(">BQ", 2, 1 << 31) + bytes(1 << 18)
    with connected(saying(promise)) as dealer:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(ConnectionLost):
            dealer.recv(PATIENCE)
        # KiB, or on macOS bytes.
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 18


@pytest.mark.parametrize("size", [zmtp.TRANSFER + beside for beside in (-1, 0, 1)] + [3_000_017])
def test_a_frame_beyond_what_is_taken_at_once(size: int) -> None:
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    with connected(saying(message(b"header", body))) as dealer:
        assert dealer.recv(PATIENCE) == [b"header", body]


def test_the_limit_on_the_bytes_of_a_message() -> None:
    allowed, too_much = message(bytes(600), b"", bytes(400)), message(bytes(600), bytes(401))
    with connected(saying(allowed + allowed + too_much), max_message=1000) as dealer:
        assert dealer.recv(PATIENCE) == [bytes(600), b"", bytes(400)]
        assert dealer.recv(PATIENCE) == [bytes(600), b"", bytes(400)]
        with pytest.raises(ProtocolError, match="401 bytes where 400"):
            dealer.recv(PATIENCE)


def test_the_limit_on_the_frames_of_a_message() -> None:
    allowed, too_many = message(*[b"x"] * 5), message(*[b""] * 6)
    with connected(saying(allowed + allowed + too_many), max_frames=5) as dealer:
        assert dealer.recv(PATIENCE) == [b"x"] * 5
        assert dealer.recv(PATIENCE) == [b"x"] * 5
        with pytest.raises(ProtocolError, match="5 frames"):
            dealer.recv(PATIENCE)


@pytest.mark.parametrize(
    "body", [b"", b"\x05PING", bytes([4]) + b"PING", b"\x04PING\0\0" + bytes(17)]
)
def test_malformed_commands(body: bytes) -> None:
    with connected(saying(frame(body, 4))) as dealer, pytest.raises(ProtocolError):
        dealer.recv(PATIENCE)


def test_unknown_commands_are_ignored_anywhere() -> None:
    unknown = frame(b"\x09SUBSCRIBEall", 4)
    stream = unknown + frame(b"a", 1) + unknown + unknown + frame(b"b") + unknown + message(b"c")
    with connected(saying(stream)) as dealer:
        assert dealer.recv(PATIENCE) == [b"a", b"b"]
        assert dealer.recv(PATIENCE) == [b"c"]


@pytest.mark.parametrize("length", [0, 1, 2, 5, 11, 500, 1000])
def test_a_connection_cut_in_the_middle(length: int) -> None:
    stream = message(b"whole") + message(b"header", bytes(1000))[:length]
    with connected(saying(stream)) as dealer:
        assert dealer.recv(PATIENCE) == [b"whole"]
        for _ in range(2):
            with pytest.raises(ConnectionLost):
                dealer.recv(PATIENCE)
        with pytest.raises(ConnectionLost):
            dealer.send([b"anyone?"])


@settings(deadline=None, max_examples=150)
@given(
    before=st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=4), max_size=3),
    garbage=st.binary(max_size=64),
)
@example(before=[[b"a"]], garbage=b"\x04\x07\x04PING\0\0")
def test_garbage_after_messages_costs_none_of_them(
    before: list[list[bytes]], garbage: bytes
) -> None:
    stream = b"".join(message(*bodies) for bodies in before) + garbage
    with connected(saying(stream)) as dealer:
        for bodies in before:
            assert dealer.recv(PATIENCE) == bodies
        with pytest.raises((ProtocolError, ConnectionLost)):
            while dealer.recv(PATIENCE) is not None:
                pass
        assert not dealer.connected


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_stream_with_one_wrong_byte_ends_in_an_error_of_ours(data: st.DataObject) -> None:
    messages = [[b"header", bytes(300), b""], [b"a" * 20] * 3, [b"end"]]
    stream = bytearray(b"".join(message(*bodies) for bodies in messages))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] ^= data.draw(st.integers(1, 255))
    received = []
    with (
        connected(saying(bytes(stream)), max_message=1 << 20) as dealer,
        pytest.raises(ZmtpError),
    ):
        while True:
            received.append(dealer.recv(PATIENCE))
    ends = [len(b"".join(message(*bodies) for bodies in messages[: n + 1])) for n in range(3)]
    whole = sum(end <= at for end in ends)
    assert received[:whole] == messages[:whole]


# Heartbeats and time-outs


@pytest.mark.parametrize("context", [b"", b"x", bytes(range(16))])
def test_a_ping_is_answered_with_its_context(context: bytes) -> None:
    answers = []

    def script(connection: socket.socket) -> None:
        connection.sendall(frame(b"a", 1) + frame(b"\x04PING\0\x0a" + context, 4) + frame(b"b"))
        answers.append(take_frame(connection))
        connection.sendall(message(b"thanks"))
        until_gone(connection)

    with connected(script) as dealer:
        assert dealer.recv(PATIENCE) == [b"a", b"b"]
        assert dealer.recv(PATIENCE) == [b"thanks"]
    assert answers == [(4, b"\x04PONG" + context)]


def test_silence_is_broken_by_pings_and_ended_by_no_answer() -> None:
    pings = []

    def script(connection: socket.socket) -> None:
        for _ in range(3):
            pings.append(take_frame(connection))
            connection.sendall(frame(b"\x04PONG", 4))
        until_gone(connection)

    with (
        connected(script, heartbeat=0.05, heartbeat_timeout=0.5) as dealer,
        pytest.raises(ConnectionLost, match="silent"),
    ):
        dealer.recv()
    assert pings == [(4, b"\x04PING\0\0")] * 3


def test_heartbeats_go_on_where_recv_never_waits() -> None:
    with connected(until_gone, heartbeat=0.05, heartbeat_timeout=0.2) as dealer:
        deadline = time.monotonic() + PATIENCE
        with pytest.raises(ConnectionLost, match="silent"):
            while time.monotonic() < deadline:
                assert dealer.recv(timeout=0) is None
                time.sleep(0.01)


def test_a_frame_that_takes_long_is_no_silence() -> None:
    def script(connection: socket.socket) -> None:
        for byte in message(b"a long story"):
            connection.sendall(bytes([byte]))
            time.sleep(0.1)
        until_gone(connection)

    with connected(script, heartbeat=0.3, heartbeat_timeout=0.3) as dealer:
        assert dealer.recv(PATIENCE) == [b"a long story"]


def test_a_peer_that_takes_a_long_message_is_not_silent() -> None:
    body = bytes(1 << 26)

    def script(connection: socket.socket) -> None:
        left = len(frame(body))
        while left:
            left -= len(take(connection, min(left, 1 << 20)))
            time.sleep(0.03)
        connection.sendall(message(b"thanks"))
        until_gone(connection)

    with connected(script, heartbeat=0.3, heartbeat_timeout=0.7) as dealer:
        sender = threading.Thread(target=dealer.send, args=([body],))
        sender.start()
        assert dealer.recv(PATIENCE) == [b"thanks"]
        sender.join()


def test_an_answer_that_came_while_nobody_looked_counts() -> None:
    looked_away = threading.Event()

    def script(connection: socket.socket) -> None:
        take_frame(connection)
        looked_away.wait(PATIENCE)
        connection.sendall(frame(b"\x04PONG", 4))
        until_gone(connection)

    with connected(script, heartbeat=0.05, heartbeat_timeout=0.4) as dealer:
        assert dealer.recv(timeout=0.1) is None
        looked_away.set()
        time.sleep(0.6)
        assert select.select([dealer], [], [], PATIENCE)[0]
        assert dealer.recv(timeout=0) is None
        assert dealer.connected


def idle(gone: threading.Event) -> Callable[[socket.socket], None]:
    """A script that reads nothing until told."""
    return lambda connection: None if gone.wait(PATIENCE) else pytest.fail("never told")


def test_a_send_that_the_peer_does_not_take() -> None:
    done = threading.Event()
    with connected(idle(done)) as dealer:
        with pytest.raises(TimedOut):
            dealer.send([bytes(1 << 25)], timeout=0.2)
        assert not dealer.connected
        done.set()


def test_a_send_without_a_limit_ends_with_a_peer_that_takes_nothing() -> None:
    done = threading.Event()
    with connected(idle(done), heartbeat_timeout=0.2) as dealer:
        with pytest.raises(ConnectionLost, match="took nothing"):
            dealer.send([bytes(1 << 25)])
        done.set()


def test_a_dead_peer_ends_the_send_of_another_thread() -> None:
    done, problems = threading.Event(), []

    def send() -> None:
        try:
            dealer.send([bytes(1 << 25)])
        except ZmtpError as problem:
            problems.append(problem)

    with connected(idle(done), heartbeat=0.1, heartbeat_timeout=0.3) as dealer:
        sender = threading.Thread(target=send)
        sender.start()
        with pytest.raises(ConnectionLost):
            dealer.recv()
        sender.join(PATIENCE)
        done.set()
    assert [type(problem) for problem in problems] == [ConnectionLost]


def test_a_flood_of_pings_holds_nobody_and_hides_no_message() -> None:
    ping = frame(b"\x04PING\0\0context", 4)

    def script(connection: socket.socket) -> None:
        connection.sendall(ping * 20_000 + message(b"at last") + ping)
        until_gone(connection)

    with connected(script) as dealer:
        calls = 0
        while (received := dealer.recv(timeout=0)) is None:
            calls += 1
            select.select([dealer], [], [], PATIENCE)
        assert received == [b"at last"]
        assert calls > 1000


def test_answers_wait_for_the_end_of_a_message_and_do_not_pile_up() -> None:
    blocked, asked, answered = threading.Event(), threading.Event(), threading.Event()
    pings, body = 1000, bytes(1 << 25)
    heard = []

    def script(connection: socket.socket) -> None:
        blocked.wait(PATIENCE)
        connection.sendall(frame(b"\x04PING\0\0", 4) * pings)
        asked.wait(PATIENCE)
        heard.extend(take_frame(connection)[0] for _ in range(2))
        answered.set()
        while (flags := take_frame(connection)[0]) == 4:
            heard.append(flags)

    with connected(script) as dealer:
        sender = threading.Thread(target=dealer.send, args=([body],))
        sender.start()
        time.sleep(0.3)  # the message fills all that lies between the two sides
        blocked.set()
        for _ in range(pings):
            assert select.select([dealer], [], [], PATIENCE)[0]
            assert dealer.recv(timeout=0) is None
        asked.set()
        sender.join(PATIENCE)
        assert answered.wait(PATIENCE)
        dealer.send([b"the end"])
    assert heard[:2] == [2, 4], "the message comes first, then an answer"
    assert len(heard) < 50


def test_answers_never_fall_into_the_middle_of_a_message() -> None:
    count, ping = 30, frame(b"\x04PING\0\0ctx", 4)
    received: list[list[bytes]] = []

    def script(connection: socket.socket) -> None:
        pongs, frames, open_message = 0, [], False
        while len(received) < count or not pongs:
            connection.sendall(ping)
            flags, body = take_frame(connection)
            if flags & 4:
                assert not open_message
                assert body == b"\x04PONGctx"
                pongs += 1
            else:
                frames.append(body)
                open_message = bool(flags & 1)
                if not open_message:
                    received.append(frames)
                    frames = []
        connection.sendall(message(b"done"))
        until_gone(connection)

    messages = [[b"%d" % n, bytes([n]) * 300_000, b"end"] for n in range(count)]
    with connected(script) as dealer:
        sender = threading.Thread(target=lambda: [dealer.send(m) for m in messages])
        sender.start()
        assert dealer.recv(PATIENCE) == [b"done"]
        sender.join()
    assert received == messages


def test_descriptors_over_1023_can_be_waited_for() -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip(f"only {hard} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    spare = [socket.socket() for _ in range(1100)]
    try:
        with connected(saying(message(b"high"))) as dealer:
            assert dealer.fileno() > 1023
            assert dealer.recv(PATIENCE) == [b"high"]
    finally:
        for one in spare:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
