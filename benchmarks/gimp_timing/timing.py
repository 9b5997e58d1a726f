"""A dialog of the plug-in for GIMP that changes a colour by itself, notes the times, and leaves.

Lies beside the plug-in's own modules, in place of whose `Live` it is (benchmarks/gimp_dialog.py).
In $HOME, timing.json says how many changes to make and how far apart; times.json comes back: of
the single changes the seconds from each until its preview is painted; of the drag, for each preview
painted, the seconds since the change that it shows, and since the drag began.
"""

import json
import random
import time
from pathlib import Path

from gi.repository import GLib, Gtk

from .live import Live

SETTLED = 0.4
"""Seconds without news after which the dialog waits for the artist."""
LOOK = 20
"""Milliseconds between two looks whether it does."""


class Timed(Live):
    """Waits until all is shown, changes a colour again and again, then as if it were dragged."""

    def __init__(self, *given) -> None:
        super().__init__(*given)
        self._wanted = json.loads((Path.home() / "timing.json").read_text())
        self._random, self._changed_at, self._heard = random.Random(1), {}, time.monotonic()
        self._times = {"single": [], "drag": [], "changes": 0}
        self._begun = 0.0
        self._fresh = None
        run = self._looks._run

        def timed_run(client, question, show):
            wanted = str(question.links)
            return run(client, question, lambda plane: self._arrived(show, plane, wanted))

        self._looks._run = timed_run
        self.connect("realize", lambda _: self._follow_frames())
        GLib.timeout_add(LOOK, self._step)

    def _follow_frames(self) -> None:
        self.get_frame_clock().connect("after-paint", lambda _: self._painted())

    def _arrived(self, show, plane, wanted) -> None:
        show(plane)
        self._heard = time.monotonic()
        if show == self._after:
            self._fresh = wanted

    def _painted(self) -> None:
        wanted, self._fresh = self._fresh, None
        if wanted in self._changed_at:
            now = time.monotonic()
            age = now - self._changed_at.pop(wanted)
            if self._begun:
                self._times["drag"].append((age, now - self._begun))
            else:
                self._times["single"].append(age)

    def _known(self, *given) -> None:
        super()._known(*given)
        self._heard = time.monotonic()

    def _change(self) -> None:
        """What the colour chooser does when the artist moves in it."""
        target = "color(srgb {:.4f} {:.4f} {:.4f})".format(*(self._random.random() for _ in "rgb"))
        begun = time.monotonic()
        self._link(0, target)
        self._changed_at[str({n: self._links(n) for n in self._palettes})] = begun

    def _step(self) -> bool:
        if time.monotonic() - self._heard < SETTLED or not self._swatches[self._shown]:
            return GLib.SOURCE_CONTINUE
        if len(self._times["single"]) < self._wanted["single"]:
            self._heard = time.monotonic()
            self._change()
            return GLib.SOURCE_CONTINUE
        self._changed_at.clear()
        self._begun = time.monotonic()
        GLib.timeout_add(self._wanted["every"], self._drag)
        return GLib.SOURCE_REMOVE

    def _drag(self) -> bool:
        if time.monotonic() - self._begun < self._wanted["drag"]:
            self._times["changes"] += 1
            self._change()
            return GLib.SOURCE_CONTINUE
        GLib.timeout_add(1000, self._leave)
        return GLib.SOURCE_REMOVE

    def _leave(self) -> bool:
        (Path.home() / "times.json").write_text(json.dumps(self._times))
        self.get_toplevel().response(Gtk.ResponseType.CANCEL)
        return GLib.SOURCE_REMOVE
