"""The part of a dialog that shows what the operation would do, and lets the artist change it."""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from gi.repository import Gimp, GLib, GObject, Gtk, Pango

from . import bindings, links, palette, pixels
from .ipc.catalog import Operation
from .ipc.errors import LimnerError
from .ipc.planes import Plane
from .links import Link
from .looks import COMMON, NOTHING, Answers, Known, Links, Looks, Question
from .palette import PaletteStrip, Swatch
from .preview import Preview, grid
from .procedures import PREVIEW

SPACING = 6
WIDTH, TEXT_HEIGHT = 50, 36
"""Characters in a line of text, and pixels kept for two lines, so that nothing jumps."""


NAME = 24
"""Characters of a name in a list, so that the dialog does not grow with names."""
IN_COMMON = "Palette in common"
SIDE = 256
"""Pixels of a picture of a set in the engine's preview, at most."""


class Live(Gtk.Box):
    """Preview and palettes, if any, of what is worked on. `close` it with the dialog."""

    def __init__(
        self,
        operation: Operation,
        sources: Sequence[Gimp.Layer],
        config: Gimp.ProcedureConfig,
    ) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=SPACING)
        self._operation, self._layers, self._config = operation, sources, config
        own, common = operation.links, operation.common_links
        self._role, self._common_role = own.role if own else "", common.role if common else ""
        self._read: Dict[str, Tuple[Any, List[Plane]]] = {}
        self._waiting, self._changes = 0, False
        image = sources[0].get_image()
        canvas = image.get_width(), image.get_height()
        self._preview = Preview(canvas)
        self._chooser = Gtk.ComboBoxText(tooltip_text="The picture that the palette is of.")
        shorten(self._chooser)
        self._chosen = self._chooser.connect("changed", self._choose)
        self._begin()
        self._strip = PaletteStrip(self._link)
        self._words = Gtk.Label(
            xalign=0, yalign=0, wrap=True, max_width_chars=WIDTH, height_request=TEXT_HEIGHT
        )
        self._reset = Gtk.Button.new_with_mnemonic("Reset Pale_tte")
        self._reset.set_tooltip_text("Leaves all colours to Limner.")
        self._reset.connect("clicked", lambda _: self._set_links(self._shown, []))
        self._save = Gtk.Button.new_with_mnemonic("Sa_ve Palette")
        self._save.set_tooltip_text("Adds what the colours become to GIMP's palettes.")
        self._save.connect("clicked", lambda _: self._save_palette())
        self._arrange()
        self._looks = Looks(
            operation,
            canvas,
            Answers(self._wait, self._after, self._preview.show_before, self._known, self._fail),
        )
        self._watch = config.connect("notify", self._changed)
        if self._palettes:
            self._show_swatches()
        self._ask_soon(GLib.PRIORITY_LOW)

    def close(self) -> None:
        """Ends what still goes on."""
        self._config.disconnect(self._watch)
        if self._waiting:
            GLib.source_remove(self._waiting)
        self._looks.close()

    def _arrange(self) -> None:
        shown = Gtk.CheckButton.new_with_mnemonic("Previe_w")
        flags = GObject.BindingFlags.BIDIRECTIONAL | GObject.BindingFlags.SYNC_CREATE
        self._config.bind_property(PREVIEW, shown, "active", flags)
        shown.bind_property("active", self._preview, "visible", GObject.BindingFlags.SYNC_CREATE)
        buttons = Gtk.Box(spacing=SPACING)
        buttons.pack_start(self._reset, False, False, 0)
        buttons.pack_start(self._save, False, False, 0)
        title = Gtk.Label.new_with_mnemonic("Palette: _before above, after below")
        title.set_xalign(0)
        title.set_mnemonic_widget(self._strip)
        heading = Gtk.Box(spacing=SPACING)
        heading.pack_start(title, True, True, 0)
        if self._common_role:
            heading.pack_start(self._chooser, False, False, 0)
        palettes = (heading, self._strip, buttons) if self._palettes else ()
        for widget in (shown, self._preview, *palettes, self._words):
            self.pack_start(widget, False, False, 0)
            if widget is not self._preview:
                widget.show_all()
        self.show()

    def _begin(self) -> None:
        """With the pictures of the moment, of which nothing is known yet."""
        operation, config = self._operation, self._config
        self._sources = bindings.pictures(operation, self._layers, config)
        common = [COMMON] if self._common_role else []
        self._palettes = [*common, *range(len(self._sources))] if self._role else []
        self._swatches: Dict[int, List[Swatch]] = {number: [] for number in self._palettes}
        self._shown = next(iter(self._palettes), COMMON)
        if common:
            count = len(self._sources)
            columns, rows = grid(count)
            self._preview.set_canvas((SIDE * columns, SIDE * rows), count)
        self._chooser.handler_block(self._chosen)
        self._chooser.remove_all()
        for number in self._palettes:
            self._chooser.append_text(self._name(number))
        self._chooser.set_active(0)
        self._chooser.handler_unblock(self._chosen)

    def _choose(self, _: Gtk.ComboBoxText) -> None:
        """The artist wants to see another palette."""
        self._shown = self._palettes[self._chooser.get_active()]
        self._show_swatches()

    def _name(self, number: int) -> str:
        if number == COMMON:
            return IN_COMMON
        names = [Path(source.get_name()).stem for source in self._sources]
        if names.count(names[number]) == 1:
            return names[number]
        # As in GIMP's titles.
        return f"{names[number]}-{self._sources[number].get_id()}"

    def _changed(self, _: Gimp.ProcedureConfig, setting: GObject.ParamSpec) -> None:
        kinds = {entry.role: entry.kind for entry in self._operation.inputs}
        if kinds.get(setting.name) == "links":
            self._show_swatches()
        elif kinds.get(setting.name) == "palette" and self._common_role:
            # Another palette in common begins afresh.
            self._config.set_property(self._common_role, "")
        elif setting.name == bindings.PICTURES:
            self._begin()
            bindings.suggest_links(self._operation, self._sources, self._config)
        self._ask_soon(GLib.PRIORITY_DEFAULT)

    def _ask_soon(self, priority: int) -> None:
        """Asks once for all that changes now; with a low priority, once the dialog is drawn."""
        self._changes = True

        def ask() -> bool:
            while self._changes:
                self._changes = False
                self._ask()
            self._waiting = 0
            return GLib.SOURCE_REMOVE

        if not self._waiting:
            self._waiting = GLib.idle_add(ask, priority=priority)

    def _ask(self) -> None:
        if not self._config.get_property(PREVIEW):
            unknown = self._palettes and not any(self._swatches.values())
            self._words.set_text("The preview shows the palette." if unknown else "")
            return
        params = {p.name: self._config.get_property(p.name) for p in self._operation.parameters}
        for entry in bindings.layer_inputs(self._operation):
            if entry.required and not self._config.get_property(entry.role):
                self._preview.say(f"Choose a layer as '{entry.role}': {entry.help}")
                return
        try:
            with pixels.in_turns(_let_gtk_work):
                planes = self._planes()
            asked = {number: self._links(number) for number in self._palettes}
            self._looks.ask(Question(params, planes, asked))
        except LimnerError as error:
            self._fail(error)

    def _planes(self) -> List[Plane]:
        """All inputs, of which only those are read that the artist chose anew."""
        bare = self._config.get_property(bindings.IN_PLACE)
        for entry in self._operation.inputs:
            own = entry is self._operation.primary or self._config.get_property(entry.role)
            choice = bare, bindings.takes_images(self._operation, self._config), own
            if self._read.get(entry.role, (None,))[0] != choice:
                planes = bindings.read_input(
                    self._operation, entry, self._sources, self._config, bare=bare
                )
                self._read[entry.role] = choice, planes
        return [plane for _, planes in self._read.values() for plane in planes]

    def _links(self, number: int) -> List[Link]:
        """What the artist wants of a palette; nothing where it is left to the operation."""
        if number == COMMON:
            return links.read(self._config.get_property(self._common_role))
        return self._each()[number]

    def _each(self) -> List[List[Link]]:
        return links.read_each(self._config.get_property(self._role), len(self._sources))

    def _set_links(self, number: int, wanted: Sequence[Link]) -> None:
        if number == COMMON:
            self._config.set_property(self._common_role, links.write(wanted))
        else:
            each: List[Sequence[Link]] = list(self._each())
            each[number] = wanted
            self._config.set_property(self._role, links.write_each(each))

    def _wait(self, words: str) -> None:
        self._preview.say(words + "…")

    def _after(self, plane: Plane) -> None:
        self._words.set_text("")
        self._preview.show_after(plane)

    def _fail(self, error: LimnerError) -> None:
        say = self._preview.say if self._preview.is_empty else self._words.set_text
        say(str(error))

    def _known(self, asked: Links, known: Mapping[int, Known]) -> None:
        """The engine knows what each colour becomes; for links that are no more, that is old."""
        if not self._palettes:
            return
        for number in self._palettes:
            wanted = self._links(number)
            if asked.get(number) == wanted:
                said = known.get(number, NOTHING)
                given = wanted or [Link(source) for source in said.source]
                rows = zip(given, said.was, said.becomes, said.share)
                self._swatches[number] = [Swatch(*row) for row in rows]
        self._show_swatches()
        if not self._swatches[self._shown]:
            self._words.set_text("There is no colour here to change.")

    def _show_swatches(self) -> None:
        """Shows what is known, with the artist's choices."""
        given, known = self._links(self._shown), self._swatches[self._shown]
        now = given or [Link(swatch.link.source) for swatch in known]
        if len(known) != len(now):
            known = [Swatch.of(link) for link in now]
        swatches = [swatch.linked(link) for swatch, link in zip(known, now)]
        self._swatches[self._shown] = swatches
        self._strip.show_swatches(swatches)
        self._reset.set_sensitive(bool(given))
        self._save.set_sensitive(bool(swatches))

    def _link(self, place: int, target: Optional[str]) -> None:
        """The artist wants a colour to become another; None leaves it to the operation."""
        given = [swatch.link for swatch in self._swatches[self._shown]]
        given[place] = Link(given[place].source, target)
        self._set_links(self._shown, given)

    def _save_palette(self) -> None:
        title = f"{self._name(self._shown)} ({self._operation.title})"
        name = palette.save(title, self._swatches[self._shown])
        self._words.set_text(f"Saved: '{name}' is one of GIMP's palettes now.")


def shorten(combo: Gtk.ComboBoxText) -> None:
    """Keeps the list narrow, however long what it has to choose from is."""
    for cell in combo.get_cells():
        cell.set_properties(ellipsize=Pango.EllipsizeMode.MIDDLE, max_width_chars=NAME)


def _let_gtk_work() -> None:
    while Gtk.events_pending():
        Gtk.main_iteration_do(False)
