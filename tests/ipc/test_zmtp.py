"""The pure-Python DEALER against libzmq's ROUTER."""

import hashlib
import math
import os
import select
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st
from zmq.auth.thread import ThreadAuthenticator

from ipc.zmtp import AuthenticationFailed, ConnectFailed, ConnectionLost, Dealer

pytestmark = pytest.mark.timeout(60)

USERNAME, SECRET = "limner", "5e" * 32
PATIENCE = 20.0
REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def router(port: int = 0, **options: int) -> Iterator[tuple[zmq.Socket[bytes], int]]:
    """A ROUTER that lets USERNAME with SECRET in, and its port."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        authenticator = ThreadAuthenticator(context)
        authenticator.start()
        authenticator.configure_plain(passwords={USERNAME: SECRET})
        socket.plain_server = True
        socket.linger = 0
        socket.rcvtimeo = socket.sndtimeo = int(1000 * PATIENCE)
        for name, value in options.items():
            setattr(socket, name, value)
        try:
            socket.bind(f"tcp://127.0.0.1:{port or '*'}")
            yield socket, int(socket.last_endpoint.rpartition(b":")[2])
        finally:
            authenticator.stop()


@contextmanager
def echo(**options: int) -> Iterator[int]:
    """The port of a ROUTER that sends everything back."""
    with router(**options) as (socket, port):
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                if socket.poll(20):
                    socket.send_multipart(socket.recv_multipart(copy=False), copy=False)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            stop.set()
            thread.join()


@pytest.fixture(scope="module")
def echo_port() -> Iterator[int]:
    with echo() as port:
        yield port


@pytest.fixture
def dealer(echo_port: int) -> Iterator[Dealer]:
    with Dealer("127.0.0.1", echo_port, USERNAME, SECRET) as connected:
        yield connected


def test_a_wrong_secret_is_refused_and_the_right_one_let_in(echo_port: int) -> None:
    for username, password in [(USERNAME, "wrong"), ("stranger", SECRET), ("", "")]:
        stranger = Dealer("127.0.0.1", echo_port, username, password)
        with pytest.raises(AuthenticationFailed, match="400"):
            stranger.connect()
        assert not stranger.connected
    with Dealer("127.0.0.1", echo_port, USERNAME, SECRET) as friend:
        assert friend.connected


def test_a_router_without_passwords_is_no_peer() -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        with pytest.raises(ConnectFailed, match="handshake"):
            Dealer("127.0.0.1", port, USERNAME, SECRET).connect()


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65535, 65536, 65537, 1 << 20])
def test_frames_of_all_sizes_come_back(dealer: Dealer, size: int) -> None:
    message = [b"", os.urandom(size), b"between", os.urandom(size), b""]
    dealer.send(message)
    assert dealer.recv(PATIENCE) == message


def test_a_message_of_one_empty_frame_comes_back(dealer: Dealer) -> None:
    dealer.send([b""])
    assert dealer.recv(PATIENCE) == [b""]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.lists(st.binary(max_size=600), min_size=1, max_size=12), min_size=1, max_size=4))
def test_any_messages_come_back_in_order(echo_port: int, messages: list[list[bytes]]) -> None:
    with Dealer("127.0.0.1", echo_port, USERNAME, SECRET) as dealer:
        for message in messages:
            dealer.send(message)
        for message in messages:
            assert dealer.recv(PATIENCE) == message


def test_a_plane_of_64_mib_arrives_whole_in_both_directions() -> None:
    plane = os.urandom(1 << 16) * 1024
    with router() as (socket, port), Dealer("127.0.0.1", port, USERNAME, SECRET) as dealer:
        sender = threading.Thread(target=dealer.send, args=([b"header", memoryview(plane)],))
        sender.start()
        client, header, received = socket.recv_multipart(copy=False)
        sender.join()
        assert header.bytes == b"header"
        assert hashlib.sha256(received.buffer).digest() == hashlib.sha256(plane).digest()

        socket.send_multipart([client, b"result", received], copy=False)
        reply = dealer.recv(PATIENCE)
        assert reply is not None
        assert reply[0] == b"result"
        assert hashlib.sha256(reply[1]).digest() == hashlib.sha256(plane).digest()


def test_buffers_of_any_item_size_and_shape_are_sent_as_their_bytes(dealer: Dealer) -> None:
    floats = memoryview(bytearray(range(64))).cast("f", (4, 4))
    dealer.send([floats, bytearray(b"mutable"), memoryview(b"")])
    assert dealer.recv(PATIENCE) == [bytes(range(64)), b"mutable", b""]


def test_what_cannot_be_sent_is_refused_and_the_connection_lives_on(dealer: Dealer) -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        dealer.send([])
    with pytest.raises(TypeError):
        dealer.send([b"first", memoryview(bytes(8))[::2]])
    dealer.send([b"still here"])
    assert dealer.recv(PATIENCE) == [b"still here"]


def test_credentials_that_plain_cannot_carry_are_refused() -> None:
    with pytest.raises(ValueError, match="255"):
        Dealer("127.0.0.1", 1, "é" * 128, SECRET)


def test_recv_without_waiting_goes_with_select(dealer: Dealer) -> None:
    assert dealer.recv(timeout=0) is None
    for number in range(3):
        dealer.send([b"%d" % number, bytes(1000)])
    received: list[bytes] = []
    while len(received) < 3:
        readable, _, _ = select.select([dealer], [], [], PATIENCE)
        assert readable, "a message is left, so the descriptor must be readable"
        message = dealer.recv(timeout=0)
        if message is not None:
            received.append(bytes(message[0]))
    assert received == [b"0", b"1", b"2"]
    assert select.select([dealer], [], [], 0)[0] == []


def test_recv_gives_none_when_its_time_is_over(dealer: Dealer) -> None:
    start = time.monotonic()
    assert dealer.recv(timeout=0.2) is None
    assert time.monotonic() - start >= 0.2
    assert dealer.connected


def test_one_thread_sends_while_another_receives(dealer: Dealer) -> None:
    messages = [[b"%d" % n, bytes([n % 251]) * (n * 7919 % 100_000)] for n in range(500)]

    def send_all() -> None:
        for message in messages:
            dealer.send(message)

    sender = threading.Thread(target=send_all)
    sender.start()
    for message in messages:
        assert dealer.recv(PATIENCE) == message
    sender.join()


def test_messages_of_several_threads_do_not_mix(dealer: Dealer) -> None:
    def send_many(name: bytes) -> None:
        for size in range(100):
            dealer.send([name, name * size * 100, name])

    names = [b"a", b"b", b"c"]
    threads = [threading.Thread(target=send_many, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    expected = {name: iter(range(100)) for name in names}
    for _ in range(300):
        message = dealer.recv(PATIENCE)
        assert message is not None
        name = bytes(message[0])
        assert message == [name, name * next(expected[name]) * 100, name]
    for thread in threads:
        thread.join()


def test_closing_wakes_a_thread_that_receives(echo_port: int) -> None:
    dealer = Dealer("127.0.0.1", echo_port, USERNAME, SECRET, heartbeat=math.inf)
    dealer.connect()
    closer = threading.Timer(0.2, dealer.close)
    closer.start()
    with pytest.raises(ConnectionLost):
        dealer.recv()
    closer.join()
    with pytest.raises(ConnectionLost, match="no connection"):
        dealer.send([b"too late"])
    with pytest.raises(ConnectionLost, match="no connection"):
        dealer.fileno()


def test_nobody_listens() -> None:
    with router() as (_, port):
        pass
    dealer = Dealer("127.0.0.1", port, USERNAME, SECRET)
    with pytest.raises(ConnectFailed, match=str(port)):
        dealer.connect()
    assert not dealer.connected


def test_connecting_anew_after_the_router_came_back_on_its_port() -> None:
    with router() as (socket, port):
        dealer = Dealer("127.0.0.1", port, USERNAME, SECRET)
        dealer.connect()
        dealer.send([b"first"])
        assert socket.recv_multipart()[1:] == [b"first"]
    with pytest.raises(ConnectionLost):
        dealer.recv(PATIENCE)
    assert not dealer.connected
    with pytest.raises(ConnectionLost):
        dealer.send([b"into the void"])
    with pytest.raises(ConnectFailed):
        dealer.connect()

    with router(port) as (socket, _), dealer:
        dealer.send([b"second"])
        client, *message = socket.recv_multipart()
        assert message == [b"second"], "nothing is sent again by itself"
        socket.send_multipart([client, b"answer"])
        assert dealer.recv(PATIENCE) == [b"answer"]


def test_connecting_anew_forgets_half_a_message() -> None:
    with router() as (socket, port), Dealer("127.0.0.1", port, USERNAME, SECRET) as dealer:
        for answer in (b"one", b"two"):
            dealer.connect()
            dealer.send([b"hello"])
            client, _ = socket.recv_multipart()
            socket.send_multipart([client, answer, bytes(1 << 25)])
            select.select([dealer], [], [], PATIENCE)
            dealer.recv(timeout=0)
        dealer.connect()
        dealer.send([b"hello"])
        client, _ = socket.recv_multipart()
        socket.send_multipart([client, b"three"])
        assert dealer.recv(PATIENCE) == [b"three"]


def test_heartbeats_of_libzmq_are_answered_while_waiting() -> None:
    with (
        echo(heartbeat_ivl=100, heartbeat_timeout=1000) as port,
        Dealer("127.0.0.1", port, USERNAME, SECRET) as dealer,
    ):
        assert dealer.recv(timeout=2.5) is None
        dealer.send([b"alive"])
        assert dealer.recv(PATIENCE) == [b"alive"]


def test_libzmq_gives_up_a_client_that_does_not_receive() -> None:
    """Shows that the test before this one would fail without an answer."""
    with (
        echo(heartbeat_ivl=100, heartbeat_timeout=300) as port,
        Dealer("127.0.0.1", port, USERNAME, SECRET) as dealer,
    ):
        time.sleep(1.5)
        with pytest.raises(ConnectionLost):
            dealer.recv(PATIENCE)


def test_libzmq_answers_our_heartbeats(echo_port: int) -> None:
    with Dealer(
        "127.0.0.1", echo_port, USERNAME, SECRET, heartbeat=0.05, heartbeat_timeout=1.0
    ) as dealer:
        assert dealer.recv(timeout=2.5) is None
        assert dealer.connected


SCRIPT = """
import hashlib, os, select, sys
sys.path.insert(0, sys.argv[1])
from ipc.zmtp import AuthenticationFailed, Dealer
port, username, secret = int(sys.argv[2]), sys.argv[3], sys.argv[4]
try:
    Dealer("127.0.0.1", port, username, "wrong").connect()
except AuthenticationFailed:
    pass
else:
    sys.exit("the wrong secret was let in")
plane = os.urandom(1 << 20) * 4
with Dealer("127.0.0.1", port, username, secret, heartbeat=0.05) as dealer:
    assert dealer.recv(timeout=0.3) is None
    for message in ([b"", b"header", plane], [b""], [bytes(255), memoryview(bytes(256))]):
        dealer.send(message, timeout=20.0)
        assert select.select([dealer], [], [], 20.0)[0]
        assert dealer.recv(20.0) == [bytearray(frame) for frame in message]
print("%d.%d" % sys.version_info[:2])
"""


def interpreter(version: str) -> str | None:
    """A Python of that version that runs."""
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))
    for candidate in [*map(str, pyenv), shutil.which(f"python{version}")]:
        if candidate is not None:
            check = subprocess.run([candidate, "-c", "import ssl"], capture_output=True)
            if check.returncode == 0:
                return candidate
    return None


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_the_pythons_of_the_editors(echo_port: int, version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    arguments = [str(REPOSITORY), str(echo_port), USERNAME, SECRET]
    run = subprocess.run(
        [python, "-I", "-B", "-W", "error", "-c", SCRIPT, *arguments],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (run.stdout.strip(), run.returncode) == (version, 0), run.stderr


def test_only_the_standard_library_is_imported() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import ipc.zmtp; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(REPOSITORY)],
        capture_output=True,
        text=True,
        check=True,
    )
    roots = {name.partition(".")[0] for name in run.stdout.split()}
    assert roots - sys.stdlib_module_names <= {"ipc", "__main__"}
