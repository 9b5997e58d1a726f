"""Work that must not hold up Krita's main thread."""

import gc
import queue
import sys
import threading
import traceback
from typing import Any, Callable, Optional, Tuple

from .ipc.errors import LimnerError
from .qt import QObject, Qt, Signal
from .turns import internal

SWITCH = 0.00005
"""Seconds that the main thread waits for the turn to run Python, instead of Python's own 0.005.

It takes several turns to show a thing, so that Krita would stand still for several times as long.
"""
FAREWELL = 2.0
"""Seconds that Krita's exit waits for the thread; it looks at its cancel events more often."""

Task = Tuple[Callable[[], Any], Callable[[Any], None], Callable[[LimnerError], None]]


class Background(QObject):
    """One thread that does one thing after another; what comes of it arrives in the main thread."""

    _called = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        # The simple queue waits without allocating, see `submit`.
        self._tasks: queue.SimpleQueue[Optional[Task]] = queue.SimpleQueue()
        self._pending = 0
        self._usual = (False, SWITCH)
        self._closed = False
        self._called.connect(self._call, Qt.ConnectionType.QueuedConnection)
        # A daemon, so that not even an engine that hangs keeps Krita from ending.
        self._thread = threading.Thread(target=self._work, name="limner", daemon=True)
        self._thread.start()

    def submit(
        self,
        work: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[LimnerError], None],
    ) -> None:
        """Calls `work` in the thread, then `done` or `failed` in the main thread.

        Krita's objects may be destroyed in the main thread alone, and Python's collector of cycles
        runs in whichever thread allocates: it rests until the thread has nothing more to do.
        """
        if not self._pending:
            self._usual = (gc.isenabled(), sys.getswitchinterval())
            gc.disable()
            sys.setswitchinterval(SWITCH)
        self._pending += 1
        self._tasks.put((work, done, failed))

    def in_main_thread(self, call: Callable[[], None]) -> None:
        """Calls `call` in the main thread, soon."""
        if not self._closed:
            self._called.emit(call)

    def close(self) -> None:
        """Ends the thread; what it still does is forgotten."""
        self._closed = True
        self._tasks.put(None)
        self._thread.join(FAREWELL)

    def _work(self) -> None:
        for work, done, failed in iter(self._tasks.get, None):
            self._finish(*_outcome(work, done, failed))

    def _finish(self, call: Callable[[Any], None], result: Any) -> None:
        def finish() -> None:
            self._pending -= 1
            if not self._pending:
                collects, interval = self._usual
                sys.setswitchinterval(interval)
                if collects:
                    gc.enable()
            call(result)

        self.in_main_thread(finish)

    def _call(self, call: Callable[[], None]) -> None:
        if not self._closed:
            call()


def _outcome(
    work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[LimnerError], None]
) -> Tuple[Callable[[Any], None], Any]:
    """What to call in the main thread, and with what."""
    try:
        return done, work()
    except LimnerError as error:
        return failed, error
    except Exception as error:
        traceback.print_exc()
        return failed, internal(error)
