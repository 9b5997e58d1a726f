"""Work on Krita's own objects, which only its main thread may touch, in short slices."""

import traceback
from typing import Callable, Generator, Optional

from .ipc.errors import LimnerError
from .qt import QObject, QTimer

Steps = Generator[Optional[int], None, None]
"""Does a slice of work between two yields; yields the milliseconds to wait, None for no wait."""


class Turns(QObject):
    """Runs steps one per turn of the event loop, so that Krita goes on painting between them."""

    def __init__(self, steps: Steps, failed: Callable[[LimnerError], None]) -> None:
        super().__init__()
        self._steps = steps
        self._failed = failed
        self._stopped = False
        self._step()

    def stop(self) -> None:
        """Does no further step."""
        self._stopped = True
        self._steps.close()

    def _step(self) -> None:
        if self._stopped:
            return
        try:
            wait = next(self._steps)
        except StopIteration:
            return
        except LimnerError as error:
            self._failed(error)
        except Exception as error:
            traceback.print_exc()
            self._failed(internal(error))
        else:
            QTimer.singleShot(wait or 0, self._step)


def internal(error: Exception) -> LimnerError:
    """An error that should not have happened, as a person reads it."""
    return LimnerError(
        "internal",
        f"Something failed inside the plug-in ({type(error).__name__}: {error}).",
        "Run again; if it fails again, start Krita from a terminal and report what it prints.",
    )
