"""A small picture of what the result will be like, beside or instead of what is."""

import math
from typing import Iterator, Optional, Tuple

from gi.repository import Gdk, GdkPixbuf, GLib, Gtk

from .ipc.planes import Plane

WIDEST, HIGHEST, LOWEST = 444, 300, 80
"""Pixels that the picture may take in the dialog, and what a narrow strip has around it."""
SPACING = 6
BEFORE, SPLIT, AFTER = "Before", "Split", "After"
HINTS = {
    BEFORE: "The picture as it is.",
    SPLIT: "As it is on the left, as it will be on the right; drag the line in a picture.",
    AFTER: "The picture as it will be.",
}
LINE = 0xFFFFFFFF, 0x000000FF
"""Colours of the line between before and after, seen on light and on dark."""


def grid(count: int) -> Tuple[int, int]:
    """Columns and rows of the sheet of squares on which the engine shows a set of pictures."""
    columns = math.ceil(math.sqrt(count))
    return columns, math.ceil(count / columns)


class Preview(Gtk.Box):
    """The picture, or a sheet of pictures, and buttons for what of it is shown."""

    def __init__(self, canvas: Tuple[int, int]) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=SPACING)
        self._shown, self._place = AFTER, 0.5
        self._picture, self._words = Gtk.Image(), Gtk.Label()
        self.set_canvas(canvas)
        touched = Gtk.EventBox(halign=Gtk.Align.CENTER)
        touched.add(self._picture)
        touched.add_events(Gdk.EventMask.BUTTON_PRESS_MASK | Gdk.EventMask.BUTTON1_MOTION_MASK)
        touched.connect("button-press-event", self._drag)
        touched.connect("motion-notify-event", self._drag)
        self._words.set_line_wrap(True)
        self._words.set_justify(Gtk.Justification.CENTER)
        place = Gtk.Overlay()
        place.set_size_request(WIDEST, LOWEST)
        place.add(touched)
        place.add_overlay(self._words)
        self.pack_start(place, False, False, 0)
        self.pack_start(self._buttons(), False, False, 0)
        self.show_all()

    def set_canvas(self, canvas: Tuple[int, int], count: int = 1) -> None:
        """Makes room for a picture of that shape, which is not there yet. count: on its sheet."""
        self._count = count
        scale = min(WIDEST / canvas[0], HIGHEST / canvas[1], 1.0)
        self._size = [max(1, round(side * scale)) for side in canvas]
        self._before: Optional[GdkPixbuf.Pixbuf] = None
        self._after: Optional[GdkPixbuf.Pixbuf] = None
        self._picture.clear()
        self._picture.set_size_request(*self._size)
        self._words.show()

    def say(self, words: str) -> None:
        """Says why there is no picture yet."""
        self._words.set_text(words)

    @property
    def is_empty(self) -> bool:
        """Whether there is no picture yet."""
        return self._after is None

    def show_before(self, plane: Plane) -> None:
        """Shows the picture as it is."""
        self._before = self._pixbuf(plane)
        self._draw()

    def show_after(self, plane: Plane) -> None:
        """Shows the picture as it will be."""
        self._after = self._pixbuf(plane)
        self._words.hide()
        self._draw()

    def _buttons(self) -> Gtk.Box:
        row = Gtk.ButtonBox(layout_style=Gtk.ButtonBoxStyle.EXPAND, halign=Gtk.Align.CENTER)
        first: Optional[Gtk.RadioButton] = None
        for shown, hint in HINTS.items():
            button = Gtk.RadioButton.new_with_label_from_widget(first, shown)
            button.set_mode(False)
            button.set_tooltip_text(hint)
            button.set_active(shown == self._shown)
            button.connect("toggled", self._choose, shown)
            row.add(button)
            first = first or button
        return row

    def _choose(self, button: Gtk.RadioButton, shown: str) -> None:
        if button.get_active():
            self._shown = shown
            self._draw()

    def _drag(self, _: Gtk.EventBox, event: Gdk.Event) -> None:
        columns, _ = grid(self._count)
        x = min(1.0, max(0.0, event.x / self._size[0])) * columns
        self._place = x - min(columns - 1, int(x))
        self._draw()

    def _pixbuf(self, plane: Plane) -> GdkPixbuf.Pixbuf:
        data, row = GLib.Bytes.new(bytes(plane.data)), 3 * plane.width
        whole = GdkPixbuf.Pixbuf.new_from_bytes(
            data, GdkPixbuf.Colorspace.RGB, False, 8, plane.width, plane.height, row
        )
        return whole.scale_simple(*self._size, GdkPixbuf.InterpType.BILINEAR)

    def _draw(self) -> None:
        if self._shown == SPLIT and self._before and self._after:
            self._picture.set_from_pixbuf(self._split(self._before, self._after.copy()))
            return
        first, second = self._after, self._before
        if self._shown == BEFORE:
            first, second = second, first
        self._picture.set_from_pixbuf(first or second)

    def _split(self, before: GdkPixbuf.Pixbuf, drawn: GdkPixbuf.Pixbuf) -> GdkPixbuf.Pixbuf:
        for left, top, width, height in self._places():
            line = round(self._place * width)
            if line:
                before.copy_area(left, top, line, height, drawn, left, top)
            for place, colour in zip((line - 1, line), LINE):
                if 0 <= place < width:
                    drawn.new_subpixbuf(left + place, top, 1, height).fill(colour)
        return drawn

    def _places(self) -> Iterator[Tuple[int, int, int, int]]:
        """Left, top, width and height of each picture of the sheet."""
        columns, rows = grid(self._count)
        lefts = [round(self._size[0] * column / columns) for column in range(columns + 1)]
        tops = [round(self._size[1] * row / rows) for row in range(rows + 1)]
        for number in range(self._count):
            row, column = divmod(number, columns)
            left, top = lefts[column], tops[row]
            yield left, top, lefts[column + 1] - left, tops[row + 1] - top
