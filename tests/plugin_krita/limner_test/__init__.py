"""A Krita plug-in through which tests drive this Krita: functions called over a local socket."""

import faulthandler
import inspect
import json
import os
import socket
import sys
import traceback
from pathlib import Path

from krita import Extension, Krita

from . import actions

if int(Krita.instance().version().split(".")[0]) >= 6:
    from PyQt6.QtCore import QSocketNotifier, QTimer
else:
    from PyQt5.QtCore import QSocketNotifier, QTimer


class Server:
    """Calls functions of actions.py in the main thread, one JSON line per call and answer."""

    def __init__(self, announce: Path) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._watch(self._listening, self._accept)
        draft = announce.with_suffix(".draft")
        draft.write_text(str(self._listening.getsockname()[1]))
        draft.rename(announce)

    def _watch(self, sock, call) -> None:
        self._notifier = QSocketNotifier(sock.fileno(), QSocketNotifier.Type.Read)
        self._notifier.activated.connect(call)

    def _accept(self, *_) -> None:
        self._connection, _ = self._listening.accept()
        self._lines = self._connection.makefile("rw")
        self._watch(self._connection, self._answer)

    def _answer(self, *_) -> None:
        line = self._lines.readline()
        if not line:
            self._notifier.setEnabled(False)
            return
        name, arguments = json.loads(line)
        try:
            function = dict(inspect.getmembers(actions, inspect.isfunction))[name]
            answer = {"value": function(*arguments)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        self._lines.write(json.dumps(answer) + "\n")
        self._lines.flush()


class TestExtension(Extension):
    """Opens the door once the window is there."""

    def setup(self) -> None:
        notifier = Krita.instance().notifier()
        notifier.setActive(True)
        notifier.windowCreated.connect(lambda: QTimer.singleShot(0, self._begin))

    def createActions(self, window) -> None:  # noqa: N802  Krita's name
        pass

    def _begin(self) -> None:
        # After Krita's own handler, so that a crash leaves a trace in its log.
        faulthandler.enable()
        # Krita's own hook opens a modal dialog, and nothing would end it.
        sys.excepthook = lambda *error: actions.ERRORS.append(
            "".join(traceback.format_exception(*error))
        )
        self._server = Server(Path(os.environ["LIMNER_TEST_PORT"]))


Krita.instance().addExtension(TestExtension(Krita.instance()))
