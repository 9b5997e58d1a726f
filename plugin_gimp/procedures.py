"""One GIMP procedure for each operation: arguments, run modes, and how a run ended."""

import traceback
from typing import Dict, List, Optional, Sequence, Tuple

import gi
from gi.repository import Gegl, Gimp, GLib, GObject

from . import bindings, document, running
from .bindings import IMAGES, IN_PLACE, LAYER_MASK, LAYERS, PICTURES, RESULT, SELECTION, Picture
from .ipc import catalog
from .ipc.catalog import Operation, Parameter
from .ipc.errors import LimnerError
from .ipc.planes import Plane

PREFIX = "limner-"
MENU = "<Image>/Filters/Limner"
FLAGS = GObject.ParamFlags.READWRITE
PREVIEW = "preview"
"""The dialog's own setting: whether the preview is shown."""
PREVIEW_LETTERS = "wbtv"
"""Letters of what a dialog has for the preview and palettes."""
LINKS_HELP = (
    "Which main colours become which, and which are left to the operation: "
    "'#b04030>#2060a0, #888888>color(srgb 0.4 0.5 1.2), #b0c040'; empty leaves all to it."
)
EACH_HELP = " Of several pictures those of each, from top to bottom, parted by ';'."


class Limner(Gimp.PlugIn):
    """The plug-in as GIMP asks it for its procedures."""

    def do_set_i18n(self, _name: str) -> bool:
        """Says that there are no translations, so that GIMP does not look for them."""
        return False

    def do_query_procedures(self) -> List[str]:
        """The names of all procedures."""
        return [PREFIX + operation.id for operation in catalog.CATALOG]

    def do_create_procedure(self, name: str) -> Gimp.Procedure:
        """The procedure of that name, its arguments those of the catalogue."""
        operation = catalog.operation(name[len(PREFIX) :])
        kind = Gimp.PDBProcType.PLUGIN
        procedure = Gimp.ImageProcedure.new(self, name, kind, run, operation)
        procedure.set_image_types("*")
        procedure.set_sensitivity_mask(_sensitivity(operation))
        procedure.set_menu_label(operation.title + "…")
        procedure.add_menu_path(MENU)
        inputs = "\n".join(f"{entry.role}: {entry.help}" for entry in operation.inputs)
        procedure.set_documentation(operation.summary, f"{operation.summary}\n\n{inputs}", None)
        procedure.set_attribution("Limner", "Limner", "2026")
        _add_arguments(procedure, operation)
        return procedure


def _sensitivity(operation: Operation) -> Gimp.ProcedureSensitivityMask:
    """With how many selected layers the menu entry can be chosen."""
    one, several = Gimp.ProcedureSensitivityMask.DRAWABLE, Gimp.ProcedureSensitivityMask.DRAWABLES
    return one | several if operation.takes_set else one


def _add_arguments(procedure: Gimp.Procedure, operation: Operation) -> None:
    links = bindings.links_inputs(operation)
    has_preview = bindings.shows_preview(operation)
    label = _Labels(PREVIEW_LETTERS if has_preview else "")
    for entry in bindings.layer_inputs(operation):
        name = label(entry.role.replace("-", " ").capitalize())
        procedure.add_layer_argument(entry.role, name, entry.help, True, FLAGS)
    for entry in bindings.palette_inputs(operation):
        name = label(entry.role.capitalize())
        procedure.add_palette_argument(entry.role, name, entry.help, True, None, False, FLAGS)
    for entry in bindings.mask_inputs(operation):
        name = label(entry.role.capitalize())
        procedure.add_layer_argument(entry.role, name, entry.help, True, FLAGS)
    for entry in links:
        name = entry.role.replace("-", " ").capitalize()
        text = LINKS_HELP + (EACH_HELP if entry.repeatable else "")
        procedure.add_string_argument(entry.role, name, text, "", FLAGS)
    if has_preview:
        text = "Shows what the result will be like."
        procedure.add_boolean_aux_argument(PREVIEW, "Preview", text, True, FLAGS)
    for parameter in operation.parameters:
        unit = f" ({parameter.unit})" if parameter.unit else ""
        _add_parameter(procedure, parameter, label(parameter.title + unit))
    own = bindings.own_arguments(operation)
    if PICTURES in own:
        text = "The layers that are selected, or all open images; those get a layer on top."
        words = {LAYERS: "Selected layers", IMAGES: "Open images"}
        _add_choice(procedure, PICTURES, label("Pictures"), text, words, LAYERS)
    if IN_PLACE in own:
        text = "Changes the layer itself instead of adding one above it."
        procedure.add_boolean_argument(IN_PLACE, label("In place"), text, False, FLAGS)
    if RESULT in own:
        text = "The result becomes the selection, or a mask that hides the rest of the layer."
        words = {SELECTION: "Selection", LAYER_MASK: "Layer mask"}
        _add_choice(procedure, RESULT, label("Result"), text, words, SELECTION)


def _add_parameter(procedure: Gimp.Procedure, parameter: Parameter, label: str) -> None:
    name, text, default = parameter.name, parameter.help, parameter.default
    low, high = parameter.minimum, parameter.maximum
    if parameter.kind == "bool":
        procedure.add_boolean_argument(name, label, text, default, FLAGS)
    elif parameter.kind == "int":
        procedure.add_int_argument(name, label, text, int(low), int(high), default, FLAGS)
    elif parameter.kind == "float":
        procedure.add_double_argument(name, label, text, low, high, default, FLAGS)
    else:
        words = {value: value.replace("-", " ").capitalize() for value in parameter.choices}
        _add_choice(procedure, name, label, text, words, default)


def _add_choice(
    procedure: Gimp.Procedure, name: str, label: str, text: str, words: Dict[str, str], default: str
) -> None:
    """words: what the dialog says for each value."""
    choice = Gimp.Choice.new()
    for number, (value, word) in enumerate(words.items()):
        choice.add(value, number, word, text)
    procedure.add_choice_argument(name, label, text, choice, default, FLAGS)


class _Labels:
    """Gives each label of a dialog a letter of its own for the keyboard."""

    def __init__(self, taken: str) -> None:
        self._taken = set("rcolsh" + taken)  # the dialog's own buttons

    def __call__(self, label: str) -> str:
        for place, letter in enumerate(label.lower()):
            if letter.isalpha() and letter not in self._taken:
                self._taken.add(letter)
                return f"{label[:place]}_{label[place:]}"
        return label


def run(
    procedure: Gimp.Procedure,
    run_mode: Gimp.RunMode,
    _image: Gimp.Image,
    drawables: Sequence[Gimp.Drawable],
    config: Gimp.ProcedureConfig,
    operation: Operation,
) -> Gimp.ValueArray:
    """What GIMP calls; the status says how it ended, and an error what to do."""
    try:
        Gegl.init(None)
        if run_mode != Gimp.RunMode.NONINTERACTIVE:
            bindings.suggest(operation, bindings.selected_layer(operation, drawables), config)
            sources = bindings.pictures(operation, drawables, config)
            bindings.suggest_links(operation, sources, config)
        if run_mode == Gimp.RunMode.INTERACTIVE and not _ask(
            procedure, operation, drawables, config
        ):
            return _ended(procedure, Gimp.PDBStatusType.CANCEL)
        sources = perform(operation, drawables, config)
    except LimnerError as error:
        return _ended(procedure, _status(error), str(error))
    except Exception as error:
        traceback.print_exc()
        text = f"Limner failed ({error!r}). Please report it with what GIMP printed."
        return _ended(procedure, Gimp.PDBStatusType.EXECUTION_ERROR, text)
    if run_mode != Gimp.RunMode.NONINTERACTIVE:
        bindings.keep_choices(operation, sources, config)
        Gimp.displays_flush()
    return _ended(procedure, Gimp.PDBStatusType.SUCCESS)


def perform(
    operation: Operation, drawables: Sequence[Gimp.Drawable], config: Gimp.ProcedureConfig
) -> List[Picture]:
    """Reads the inputs, has the engine work, and puts the results in the image or images.

    Returns what was worked on. Raises LimnerError; no image has been touched then.
    """
    sources = bindings.pictures(operation, drawables, config)
    is_of_images = bindings.takes_images(operation, config)
    (_perform_on_images if is_of_images else _perform_on_layers)(operation, sources, config)
    return sources


def _perform_on_layers(
    operation: Operation, sources: Sequence[Gimp.Layer], config: Gimp.ProcedureConfig
) -> None:
    source, own = sources[0], bindings.own_arguments(operation)
    image = source.get_image()
    in_place = IN_PLACE in own and config.get_property(IN_PLACE)
    as_mask = RESULT in own and config.get_property(RESULT) == LAYER_MASK
    if in_place:
        for layer in sources:
            document.check_writable(layer)
    if as_mask:
        document.check_maskable(source, operation.id)
    planes, results = _run(operation, sources, config, image, in_place)
    for layer, plane in zip(sources, planes):
        document.check_unchanged(layer, plane, in_place)
    _say_notes(results, [plane.name for plane in planes[: len(sources)]])
    if as_mask:
        document.put_mask(source, operation.id, results[0])
    elif operation.makes_mask:
        document.select(image, operation.id, results[0])
    elif in_place:
        document.write_into(sources, results)
    elif operation.works_on_line_art:
        document.add_under(source, operation.title, results)
    else:
        document.add_above(sources, operation.id, results)


def _perform_on_images(
    operation: Operation, images: Sequence[Gimp.Image], config: Gimp.ProcedureConfig
) -> None:
    """Each image gets its result on top."""
    if config.get_property(IN_PLACE):
        raise LimnerError(
            "cannot-write",
            "Open images cannot be changed in place.",
            "Run again without 'In place': each result becomes a layer on top.",
        )
    planes, results = _run(operation, images, config, images[0], False)
    names = [plane.name for plane in planes[: len(images)]]
    gone = [name for name, image in zip(names, images) if not image.is_valid()]
    if len(gone) == len(images):
        raise LimnerError("layer-changed", "All images were closed.", "Open them and run again.")
    _say_notes(results, names)
    document.add_on_top(images, results)
    for name in gone:
        Gimp.message(f"'{name}' was closed meanwhile and has no result.")


def _run(
    operation: Operation,
    sources: Sequence[Picture],
    config: Gimp.ProcedureConfig,
    image: Gimp.Image,
    in_place: bool,
) -> Tuple[List[Plane], List[Plane]]:
    """What was read, and what the engine made of it. image: the first of the sources'."""
    planes = bindings.read_inputs(operation, sources, config, bare=in_place)
    params = {p.name: config.get_property(p.name) for p in operation.parameters}
    canvas = image.get_width(), image.get_height()
    return planes, running.run(operation, params, planes, canvas)


def _say_notes(results: Sequence[Plane], names: Sequence[str]) -> None:
    """Says what the engine notes; of several pictures, about which. names: of the pictures."""
    noted: Dict[str, List[str]] = {}
    for plane in results:
        note = plane.attributes.get("metadata", {}).get("note")
        if note:
            noted.setdefault(note, []).append(names[document.number_of(plane)])
    for note, about in noted.items():
        Gimp.message(note if len(names) == 1 else f"{', '.join(about)}: {note}")


def _ask(
    procedure: Gimp.Procedure,
    operation: Operation,
    drawables: Sequence[Gimp.Drawable],
    config: Gimp.ProcedureConfig,
) -> bool:
    # Not before now: GIMP without a screen may lack the interface's library.
    gi.require_version("GimpUi", "3.0")
    from . import dialog

    sources = bindings.selected_layers(operation, drawables)
    return dialog.ask(procedure, operation, sources, config)


def _status(error: LimnerError) -> Gimp.PDBStatusType:
    if error.code == "cancelled":
        return Gimp.PDBStatusType.CANCEL
    if error.is_bad_input:
        return Gimp.PDBStatusType.CALLING_ERROR
    return Gimp.PDBStatusType.EXECUTION_ERROR


def _ended(
    procedure: Gimp.Procedure, status: Gimp.PDBStatusType, text: Optional[str] = None
) -> Gimp.ValueArray:
    return procedure.new_return_values(status, GLib.Error(text) if text else None)
