"""A layer there and back over loopback: our pure-Python DEALER beside pyzmq's.

Run with `python -m benchmarks.transport`. A second process echoes what it gets through a pyzmq
ROUTER, without copies on its side and with PLAIN as in the engine. Both clients take turns in one
run, so that whatever else the machine does falls on both.
"""

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import zmq
from zmq.auth.thread import ThreadAuthenticator

from ipc.zmtp import Dealer

USERNAME, SECRET = "limner", "a secret of this run"
TIMEOUT = 60.0


def main() -> None:
    """Measure and print a table."""
    arguments = argparse.ArgumentParser(description="Time a layer's way to the engine and back.")
    arguments.add_argument("--side", type=int, default=4096, help="pixels, of an RGBA8 layer")
    arguments.add_argument("--repeats", type=int, default=15)
    options = arguments.parse_args()

    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    echo = spawn.Process(target=serve_echo, args=(there,), daemon=True)
    echo.start()
    try:
        measure(here.recv(), os.urandom(4 * options.side) * options.side, options.repeats)
    finally:
        here.send("stop")
        echo.join()


def serve_echo(control: Connection) -> None:
    """Echo every message until something arrives on `control`."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        authenticator = ThreadAuthenticator(context)
        authenticator.start()
        authenticator.configure_plain(passwords={USERNAME: SECRET})
        router.plain_server = True
        router.linger = 0
        control.send(router.bind_to_random_port("tcp://127.0.0.1"))
        poller = zmq.Poller()
        poller.register(router, zmq.POLLIN)
        poller.register(control.fileno(), zmq.POLLIN)
        while control.fileno() not in (events := dict(poller.poll())):
            if router in events:
                router.send_multipart(router.recv_multipart(copy=False), copy=False)
        authenticator.stop()


def measure(port: int, layer: bytes, repeats: int) -> None:
    """Send `layer` through both clients in turn and print their times."""
    with (
        Dealer("127.0.0.1", port, USERNAME, SECRET) as ours,
        zmq.Context() as context,
        context.socket(zmq.DEALER) as theirs,
    ):
        theirs.plain_username, theirs.plain_password = USERNAME.encode(), SECRET.encode()
        theirs.linger = 0
        theirs.connect(f"tcp://127.0.0.1:{port}")

        def through_ours() -> object:
            ours.send([b"header", layer], TIMEOUT)
            reply = ours.recv(TIMEOUT)
            assert reply is not None
            return reply[1]

        def through_theirs() -> object:
            theirs.send_multipart([b"header", layer], copy=False)
            return theirs.recv_multipart(copy=False)[1].buffer

        clients: dict[str, Callable[[], object]] = {
            "ipc.zmtp": through_ours,
            "pyzmq": through_theirs,
        }
        for send in clients.values():  # a first round, not timed, that shows that all is well
            assert send() == layer
        seconds: dict[str, list[float]] = {name: [] for name in clients}
        for repeat in range(repeats):
            for name in list(clients)[:: 1 if repeat % 2 else -1]:
                start = time.perf_counter()
                clients[name]()
                seconds[name].append(time.perf_counter() - start)
    print_table(len(layer), seconds)


def print_table(size: int, seconds: dict[str, list[float]]) -> None:
    """Print median, extremes and rate of each client, and the ratio of the medians."""
    print(f"{size / 2**20:.1f} MiB there and back, {len(seconds['pyzmq'])} times each\n")
    print(f"{'client':<10} {'median ms':>10} {'least ms':>10} {'most ms':>10} {'MiB/s':>8}")
    for name, times in seconds.items():
        median = statistics.median(times)
        columns = (1000 * t for t in (median, min(times), max(times)))
        row = " ".join(f"{column:>10.1f}" for column in columns)
        print(f"{name:<10} {row} {2 * size / 2**20 / median:>8.0f}")
    ratio = statistics.median(seconds["ipc.zmtp"]) / statistics.median(seconds["pyzmq"])
    print(f"\nratio of the medians {ratio:.2f} (target: at most 2)")


if __name__ == "__main__":
    main()
