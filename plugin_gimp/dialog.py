"""An operation's dialog: its inputs, then GIMP's own widgets for its parameters."""

import gc
import secrets
from typing import Any, Iterator, List, Sequence, Tuple

from gi.repository import Gimp, GimpUi, GObject, Gtk

from .bindings import (
    IN_PLACE,
    all_layers,
    layer_inputs,
    mask_inputs,
    own_arguments,
    palette_inputs,
    shows_preview,
    without_effect,
)
from .ipc.catalog import Input, Operation
from .live import Live, shorten

SPACING = 6
WIDTH = 60
"""Characters in a line of text."""
SEED, DRAWN_SEEDS = "seed", 10_000
"""The parameter that says which of many results it is, and how many seeds are drawn from."""
VARIANTS = "variants"
"""The parameter that says how many results there are to choose from."""


def ask(
    procedure: Gimp.Procedure,
    operation: Operation,
    sources: Sequence[Gimp.Layer],
    config: Gimp.ProcedureConfig,
) -> bool:
    """Lets the person choose inputs and parameters; False where they thought better of it."""
    GimpUi.init(procedure.get_name())
    dialog = GimpUi.ProcedureDialog.new(procedure, config, operation.title)
    settings = _settings(dialog, operation, sources[0].get_image(), config)
    _follow_inputs(dialog, operation, sources[0].get_image(), config)
    if not shows_preview(operation):
        dialog.get_content_area().pack_start(settings, False, False, 0)
        agreed = dialog.run()
    else:
        columns, live = Gtk.Box(spacing=2 * SPACING), Live(operation, sources, config)
        columns.pack_start(settings, True, True, 0)
        columns.pack_start(live, False, False, 0)
        columns.show()
        dialog.get_content_area().pack_start(columns, True, True, 0)
        agreed = dialog.run()
        live.close()
    dialog.destroy()
    # Here, and not in the thread that waits for the result: widgets end in the main thread.
    gc.collect()
    return agreed


def _settings(
    dialog: GimpUi.ProcedureDialog,
    operation: Operation,
    image: Gimp.Image,
    config: Gimp.ProcedureConfig,
) -> Gtk.Box:
    """What the operation does, its inputs, its parameters, and notes."""
    box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=SPACING)
    labels = Gtk.SizeGroup(mode=Gtk.SizeGroupMode.HORIZONTAL)
    box.pack_start(_text(operation.summary), False, False, SPACING)
    layers = [(_path(layer), layer) for layer in all_layers(image.get_layers())]
    palettes = [(palette.get_name(), palette) for palette in Gimp.palettes_get_list("")]
    for entry in layer_inputs(operation) + palette_inputs(operation) + mask_inputs(operation):
        things = palettes if entry.kind == "palette" else layers
        needs_one = entry.required and entry.kind != "mask"
        options = things if needs_one else [(_without(operation, entry), None), *things]
        row = Gtk.Box(spacing=SPACING)
        label = Gtk.Label.new_with_mnemonic(config.find_property(entry.role).nick)
        label.set_xalign(0)
        labels.add_widget(label)
        combo = _chooser(config, entry.role, options)
        label.set_mnemonic_widget(combo)
        row.set_tooltip_text(entry.help)
        row.pack_start(label, False, False, 0)
        row.pack_start(combo, True, True, 0)
        row.show_all()
        box.pack_start(row, False, False, 0)
    for parameter in operation.parameters:
        if parameter.name == SEED:
            labels.add_widget(_with_dice(dialog, config).get_label())
        elif parameter.kind in ("int", "float"):
            labels.add_widget(dialog.get_scale_entry(parameter.name, 1.0).get_label())
    names = [parameter.name for parameter in operation.parameters]
    filled = dialog.fill_box("limner", names + own_arguments(operation))
    filled.show()
    box.pack_start(filled, False, False, 0)
    for note in _notes(operation):
        box.pack_start(_text(note), False, False, SPACING)
    box.show()
    return box


def _follow_inputs(
    dialog: GimpUi.ProcedureDialog,
    operation: Operation,
    image: Gimp.Image,
    config: Gimp.ProcedureConfig,
) -> None:
    """What has no effect cannot be changed, and says why."""
    names = [parameter.name for parameter in operation.parameters if parameter.overruled_by]
    names += [IN_PLACE] if operation.takes_set else []

    def follow(*_: GObject.ParamSpec) -> None:
        why = without_effect(operation, image, config)
        for name in names:
            dialog.set_sensitive(name, name not in why, None, None, False)
            words = why.get(name, config.find_property(name).blurb)
            dialog.get_widget(name, GObject.TYPE_NONE).set_tooltip_text(words)
        # Set only where it changes: each set is another notice.
        if IN_PLACE in why and config.get_property(IN_PLACE):
            config.set_property(IN_PLACE, False)

    follow()
    config.connect("notify", follow)


def _notes(operation: Operation) -> Iterator[str]:
    if operation.works_on_line_art:
        yield "Lines on opaque paper are set to Multiply or Screen, so that the colours show."
    if operation.works_on_composite:
        yield "The picture is the selected layer with all that lies under it."
    if any(parameter.name == VARIANTS for parameter in operation.parameters):
        yield "The first variant is shown; the eyes in the layer list show the others."


def _with_dice(dialog: GimpUi.ProcedureDialog, config: Gimp.ProcedureConfig) -> GimpUi.LabelSpin:
    """The field for a seed, with a button that draws another one."""
    field = dialog.get_widget(SEED, GimpUi.LabelSpin)
    button = Gtk.Button.new_from_icon_name("view-refresh", Gtk.IconSize.BUTTON)
    button.set_tooltip_text("Another seed.")
    button.connect("clicked", lambda _: config.set_property(SEED, secrets.randbelow(DRAWN_SEEDS)))
    button.show()
    field.attach(button, 2, 0, 1, 1)
    return field


def _without(operation: Operation, entry: Input) -> str:
    """What is taken where no layer or palette is chosen."""
    if entry.kind != "mask":
        return "None"
    return "Selection, else the layer itself" if operation.works_on_composite else "Selection"


def _text(words: str) -> Gtk.Label:
    label = Gtk.Label(label=words, xalign=0, wrap=True, max_width_chars=WIDTH)
    label.show()
    return label


def _path(layer: Gimp.Layer) -> str:
    """The layer's name after those of the groups that it lies in."""
    parent = layer.get_parent()
    return f"{_path(parent)} ▸ {layer.get_name()}" if parent else layer.get_name()


def _chooser(
    config: Gimp.ProcedureConfig, name: str, options: List[Tuple[str, Any]]
) -> Gtk.ComboBoxText:
    """A list bound to the property. GIMP's own choosers do not offer None or show what is set."""
    combo = Gtk.ComboBoxText()
    shorten(combo)
    for label, _ in options:
        combo.append_text(label)

    def show(*_: GObject.ParamSpec) -> None:
        value = config.get_property(name)
        things = [thing for _, thing in options]
        combo.set_active(things.index(value) if value in things else -1)

    def choose(_: Gtk.ComboBoxText) -> None:
        if combo.get_active() >= 0:
            config.set_property(name, options[combo.get_active()][1])

    show()
    combo.connect("changed", choose)
    config.connect(f"notify::{name}", show)
    return combo
