"""A picture's main colours above what each becomes, for the artist to change."""

import struct
from typing import Callable, List, NamedTuple, Optional, Sequence

from gi.repository import Babl, Gdk, GdkPixbuf, Gegl, Gimp, GimpUi, GLib, Gtk

from .ipc.planes import LOCKED as LOCK
from .links import Link, colour_of, rgb_of, shown

SWATCH = 36, 24
"""Width and height of a colour."""
GAP, BORDER = 2, 12
PER_LINE = 7
LINE_HEIGHT = 98
"""Pixels kept for colours that are not known yet, so that the dialog stays as large as it is."""
RGB = "=3f"
COLOR_TARGET, RGBA16 = "application/x-color", "=4H"
"""What GTK's programs call a colour that is dragged, and how it is packed."""
FREE, LOCKED, EDITED = "chosen by Limner", "kept as it is", "your choice"
ICONS = {FREE: "pan-down-symbolic", LOCKED: "gimp-lock", EDITED: "gtk-edit"}


class Swatch(NamedTuple):
    """A main colour.

    was, becomes: what it looks like, and what the engine makes of it, near a link's target, as
    text. share: its part of the picture in [0, 1], or None.
    """

    link: Link
    was: str
    becomes: str
    share: Optional[float]

    @classmethod
    def of(cls, link: Link) -> "Swatch":
        """A colour of which the engine said nothing yet."""
        return cls(link, shown(link.source), link.target or link.source, None)

    def linked(self, link: Link) -> "Swatch":
        """With what the artist wants of it now; what was known stays until the engine answers."""
        if link == self.link:
            return self
        was = self.was if link.source == self.link.source else shown(link.source)
        return Swatch(link, was, link.target or self.becomes, self.share)

    @property
    def state(self) -> str:
        """FREE, LOCKED or EDITED."""
        if self.link.target is None:
            return FREE
        return LOCKED if self.link.is_locked else EDITED

    def __str__(self) -> str:
        share = "" if self.share is None else f" ({self.share:.0%} of the picture)"
        return f"{self.was}{share} becomes {shown(self.becomes)}, {self.state}."


class PaletteStrip(Gtk.FlowBox):
    """Calls `change(place, target)` when the artist wants a colour to become another.

    target: a colour as text, or None to leave it to the operation.
    """

    def __init__(self, change: Callable[[int, Optional[str]], None]) -> None:
        super().__init__(
            selection_mode=Gtk.SelectionMode.NONE,
            max_children_per_line=PER_LINE,
            min_children_per_line=PER_LINE,
            column_spacing=GAP,
            row_spacing=GAP,
            halign=Gtk.Align.START,
        )
        self._change = change
        self._columns: List[_Column] = []
        self.connect("mnemonic-activate", self._take_keyboard)
        self.set_size_request(-1, LINE_HEIGHT)

    def show_swatches(self, swatches: Sequence[Swatch]) -> None:
        """Shows these and no others; the one that has the keyboard keeps it."""
        while len(self._columns) > len(swatches):
            self.remove(self._columns.pop().get_parent())
        while len(self._columns) < len(swatches):
            column = _Column(len(self._columns), self._change)
            self._columns.append(column)
            self.add(column)
            column.get_parent().set_can_focus(False)
        for column, swatch in zip(self._columns, swatches):
            column.show_swatch(swatch)
        self.show_all()

    def _take_keyboard(self, *_: object) -> bool:
        return self.child_focus(Gtk.DirectionType.TAB_FORWARD)


class _Column(Gtk.Box):
    def __init__(self, place: int, change: Callable[[int, Optional[str]], None]) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL)
        self._swatch: Optional[Swatch] = None
        self._place, self._change = place, change
        self._before, self._after = Gtk.Image(), Gtk.Image()
        colours = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        colours.add(self._before)
        colours.add(self._after)
        self._button = Gtk.Button()
        self._button.add(colours)
        self._button.connect("clicked", lambda _: self._choose())
        self._button.connect("button-press-event", self._pressed)
        self._button.connect("popup-menu", lambda _: self._popup(None) or True)
        self._mark, self._menu = Gtk.Image(), Gtk.MenuButton(relief=Gtk.ReliefStyle.NONE)
        self._menu.set_image(self._mark)
        self._menu.set_popup(self._entries())
        self.add(self._button)
        self.add(self._menu)
        self._drags_from_below = True
        self._accept_drags()

    def show_swatch(self, swatch: Swatch) -> None:
        self._swatch = swatch
        self._before.set_from_pixbuf(_filled(swatch.was))
        self._after.set_from_pixbuf(_filled(swatch.becomes))
        self._mark.set_from_icon_name(ICONS[swatch.state], Gtk.IconSize.MENU)
        for widget in (self._button, self._menu):
            widget.set_tooltip_text(str(swatch))
            widget.get_accessible().set_name(str(swatch))

    def _entries(self) -> Gtk.Menu:
        menu = Gtk.Menu()
        for label, act in (
            ("_Choose Colour…", self._choose),
            ("_Keep as It Is", lambda: self._change(self._place, self._swatch.link.source)),
            ("_Leave to Limner", lambda: self._change(self._place, None)),
        ):
            entry = Gtk.MenuItem.new_with_mnemonic(label)
            entry.connect("activate", lambda _, act=act: act())
            menu.append(entry)
        menu.show_all()
        return menu

    def _pressed(self, _: Gtk.Button, event: Gdk.EventButton) -> bool:
        self._drags_from_below = event.y > self._button.get_allocated_height() / 2
        if event.triggers_context_menu():
            self._popup(event)
            return True
        return False

    def _popup(self, event: Optional[Gdk.EventButton]) -> None:
        gravity = Gdk.Gravity.SOUTH_WEST, Gdk.Gravity.NORTH_WEST
        self._menu.get_popup().popup_at_widget(self._button, *gravity, event)

    def _choose(self) -> None:
        """Has the artist choose a colour; all else follows while it is chosen."""
        link, becomes = self._swatch.link, self._swatch.becomes
        flags = Gtk.DialogFlags.MODAL | Gtk.DialogFlags.DESTROY_WITH_PARENT
        dialog = Gtk.Dialog("What the Colour Becomes", self.get_toplevel(), flags)
        dialog.add_button("_Cancel", Gtk.ResponseType.CANCEL)
        dialog.add_button("_OK", Gtk.ResponseType.OK)
        dialog.set_default_response(Gtk.ResponseType.OK)
        chooser = GimpUi.ColorSelection()
        chooser.set_border_width(BORDER)
        chooser.set_show_alpha(False)
        chooser.set_old_color(_color(link.source))
        chooser.set_color(_color(link.target or becomes))
        chooser.connect("color-changed", lambda _: self._change(self._place, _chosen(chooser)))
        dialog.get_content_area().add(chooser)
        chooser.show()
        if dialog.run() != Gtk.ResponseType.OK:
            self._change(self._place, link.target)
        dialog.destroy()

    def _accept_drags(self) -> None:
        """A colour may be dragged here, from here, and from and to GIMP."""
        kinds = [Gtk.TargetEntry.new(COLOR_TARGET, 0, 0)]
        self._button.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, kinds, Gdk.DragAction.COPY)
        self._button.drag_dest_set(Gtk.DestDefaults.ALL, kinds, Gdk.DragAction.COPY)
        self._button.connect("drag-begin", self._begin_drag)
        self._button.connect("drag-data-get", self._give)
        self._button.connect("drag-data-received", self._take)

    def _dragged(self) -> str:
        return self._swatch.becomes if self._drags_from_below else self._swatch.was

    def _begin_drag(self, _: Gtk.Button, context: Gdk.DragContext) -> None:
        Gtk.drag_set_icon_pixbuf(context, _filled(self._dragged()), 0, 0)

    def _give(self, _: Gtk.Button, __: Gdk.DragContext, data: Gtk.SelectionData, *___: int) -> None:
        rgb = [257 * byte for byte in bytes.fromhex(shown(self._dragged())[1:])]
        data.set(data.get_target(), 16, struct.pack(RGBA16, *rgb, 0xFFFF))

    def _take(
        self,
        _: Gtk.Button,
        __: Gdk.DragContext,
        ___: int,
        ____: int,
        data: Gtk.SelectionData,
        *_____: int,
    ) -> None:
        if data.get_length() == struct.calcsize(RGBA16):
            rgb = struct.unpack(RGBA16, data.get_data())[:3]
            self._change(self._place, colour_of([value / 0xFFFF for value in rgb]))


def save(name: str, swatches: Sequence[Swatch]) -> str:
    """Makes what the colours become one of GIMP's palettes; returns its name, which is unique."""
    palette = Gimp.Palette.new(name)
    palette.set_columns(len(swatches))
    for swatch in swatches:
        lock = f" {LOCK}" if swatch.state == LOCKED else ""
        palette.add_entry(f"was {swatch.was}{lock}", _color(swatch.becomes))
    return palette.get_name()


def _filled(colour: str) -> GdkPixbuf.Pixbuf:
    pixbuf = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, False, 8, *SWATCH)
    pixbuf.fill(int(shown(colour)[1:] + "ff", 16))
    return pixbuf


def _color(colour: str) -> Gegl.Color:
    color = Gegl.Color.new("black")
    data = GLib.Bytes.new(struct.pack(RGB, *rgb_of(colour)))
    color.set_bytes(Babl.format("R'G'B' float"), data)
    return color


def _chosen(chooser: GimpUi.ColorSelection) -> str:
    rgb = chooser.get_color().get_bytes(Babl.format("R'G'B' float"))
    return colour_of(struct.unpack(RGB, rgb.get_data()))
