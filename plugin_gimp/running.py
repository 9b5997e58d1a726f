"""Has the engine do the work, while GIMP's progress bar shows how far it is."""

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import List, Mapping, Sequence, Tuple

from gi.repository import Gimp

from .ipc import launch, paths
from .ipc.catalog import Operation, Value
from .ipc.client import Client
from .ipc.planes import Plane

TURN = 0.1
"""Seconds between two signs of life to GIMP."""


def run(
    operation: Operation,
    params: Mapping[str, Value],
    planes: Sequence[Plane],
    canvas: Tuple[int, int],
) -> List[Plane]:
    """The planes of the main output and of other layers, bottom layer first. Raises LimnerError.

    GIMP's Cancel ends this process without a word; the engine then sees the connection close and
    cancels the job. Nothing in the image has been touched by then.
    """
    news: queue.SimpleQueue[Tuple[float, str]] = queue.SimpleQueue()
    cancelled = threading.Event()

    def work() -> List[Plane]:
        with Client(f"gimp {Gimp.version()}") as client:
            client.connect(launch.ensure_running())
            result = client.run(
                operation.id,
                params,
                planes,
                canvas,
                on_progress=lambda fraction, stage: news.put((fraction, stage)),
                cancelled=cancelled,
                outputs=[
                    output.role
                    for output in operation.outputs
                    if output is operation.outputs[0] or output.kind == "layers"
                ],
            )
            return result.planes

    running = paths.connection_file().exists()
    Gimp.progress_init(operation.title if running else "Starting the engine")
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        try:
            while not future.done():
                _show(news, operation.title)
        finally:
            cancelled.set()
        # Without a bar there is no Cancel either, which would leave a half-written result.
        Gimp.progress_end()
        return future.result()


def _show(news: "queue.SimpleQueue[Tuple[float, str]]", title: str) -> None:
    try:
        fraction, stage = news.get(timeout=TURN)
    except queue.Empty:
        return
    Gimp.progress_set_text(f"{title}: {stage}")
    Gimp.progress_update(fraction)
