"""What each input of an operation is taken from: layers, palettes, the selection, links."""

import secrets
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from gi.repository import Gimp

from . import document, kept, links, pixels
from .ipc.catalog import Input, Operation
from .ipc.errors import LimnerError
from .ipc.planes import Plane

SCRIBBLES = "scribbles"
"""Kind of input, and the name by which its layer is found."""
IN_PLACE = "in-place"
"""GIMP's own argument of picture operations."""
PICTURES = "pictures"
"""GIMP's own argument of operations on a set: LAYERS or IMAGES."""
LAYERS, IMAGES = "layers", "images"
RESULT = "result"
"""GIMP's own argument of operations that make a mask: SELECTION or LAYER_MASK."""
SELECTION, LAYER_MASK = "selection", "layer-mask"


Picture = Union[Gimp.Layer, Gimp.Image]
"""What a set is of; an image is the picture that the artist sees of it."""


def layer_inputs(operation: Operation) -> List[Input]:
    """Inputs for which a layer is chosen; a picture operation's picture is the selected layer."""
    return [
        entry
        for entry in operation.inputs
        if entry.kind not in ("mask", "palette", "links")
        and (entry is not operation.primary or operation.works_on_line_art)
    ]


def palette_inputs(operation: Operation) -> List[Input]:
    """Inputs for which one of GIMP's palettes is chosen."""
    return [entry for entry in operation.inputs if entry.kind == "palette"]


def links_inputs(operation: Operation) -> List[Input]:
    """Inputs by which the artist changes palettes that the operation gave."""
    return [entry for entry in operation.inputs if entry.kind == "links"]


def mask_inputs(operation: Operation) -> List[Input]:
    """Inputs for which the selection is taken, or a layer where one is chosen."""
    return [entry for entry in operation.inputs if entry.kind == "mask"]


def shows_preview(operation: Operation) -> bool:
    """Whether its dialog has a preview: it changes colours alone, so that a look is quick."""
    return any(output.kind in ("palette", "cube") for output in operation.outputs)


def own_arguments(operation: Operation) -> List[str]:
    """Names of the arguments that come from GIMP instead of the catalogue."""
    if operation.makes_mask:
        return [RESULT]
    if operation.takes_set:
        return [PICTURES, IN_PLACE]
    return [] if operation.works_on_line_art else [IN_PLACE]


def suggest(operation: Operation, selected: Gimp.Layer, config: Gimp.ProcedureConfig) -> None:
    """Fills in the layers that the artist most likely means.

    Those of the last run stay where they are of this image; where a mask goes is the image's own.
    """
    image = selected.get_image()
    place = kept.read(image, kept.CHOICES).get(operation.id)
    if operation.makes_mask and place in (SELECTION, LAYER_MASK):
        config.set_property(RESULT, place)
    chosen: Dict[str, Optional[Gimp.Layer]] = {}
    for entry in layer_inputs(operation) + mask_inputs(operation):
        layer = config.get_property(entry.role)
        chosen[entry.role] = layer if layer and layer.get_image() == image else None
        if entry.kind == SCRIBBLES:
            chosen[entry.role] = chosen[entry.role] or _named(image, SCRIBBLES)
    if operation.works_on_line_art:
        chosen[operation.primary.role] = _lines(selected, chosen.get(SCRIBBLES))
    for role, layer in chosen.items():
        config.set_property(role, layer)


def suggest_links(
    operation: Operation, sources: Sequence[Picture], config: Gimp.ProcedureConfig
) -> None:
    """Fills in the palettes as the artist changed them for these pictures.

    Others have their own, and so has a set to which pictures were added or of which some are gone.
    """
    entries = links_inputs(operation)
    if takes_images(operation, config):
        words = _links_of_set(operation, sources)
    else:
        words = _links_of_layers(operation, sources) if entries else {}
    for entry in entries:
        config.set_property(entry.role, words.get(entry.role, ""))


def _links_of_layers(operation: Operation, layers: Sequence[Gimp.Layer]) -> Mapping[str, str]:
    choice = kept.read(layers[0].get_image(), kept.CHOICES).get(operation.id, {})
    is_own = choice.get("layers") == [layer.get_tattoo() for layer in layers]
    return choice if is_own else {}


def _links_of_set(operation: Operation, images: Sequence[Gimp.Image]) -> Mapping[str, str]:
    """As `_keep_set` kept them, in the images' present order."""
    each = [kept.read(image, kept.SETS).get(operation.id, {}) for image in images]
    if any((own.get("set"), own.get("size")) != (each[0].get("set"), len(images)) for own in each):
        return {}
    return {
        entry.role: links.join([own.get(entry.role, "") for own in each])
        if entry.repeatable
        else each[0].get(entry.role, "")
        for entry in links_inputs(operation)
    }


def _keep_set(
    operation: Operation, images: Sequence[Gimp.Image], config: Gimp.ProcedureConfig
) -> None:
    """Keeps with each image its own palette, that in common, and which set they are of.

    The set has a name of its own, as images have none that lasts until they are opened again.
    """
    name = secrets.token_hex(8)
    for number, image in enumerate(images):
        if image.is_valid():
            own: Dict[str, Any] = {"set": name, "size": len(images)}
            for entry in links_inputs(operation):
                words = config.get_property(entry.role)
                own[entry.role] = links.part(words, number) if entry.repeatable else words
            kept.write(image, kept.SETS, {**kept.read(image, kept.SETS), operation.id: own})


def without_effect(
    operation: Operation, image: Gimp.Image, config: Gimp.ProcedureConfig
) -> Dict[str, str]:
    """Arguments that have no effect with the inputs as they are chosen, and why, in a sentence.

    image: in which a selection counts as a mask.
    """
    given = {entry.role for entry in operation.inputs[1:] if config.get_property(entry.role)}
    if takes_images(operation, config):
        why = {IN_PLACE: "Open images get a layer on top each."}
    else:
        why = {}
        if not Gimp.Selection.is_empty(image):
            given |= {entry.role for entry in mask_inputs(operation)}
    return {**operation.overruled(given), **why}


def keep_choices(
    operation: Operation, sources: Sequence[Picture], config: Gimp.ProcedureConfig
) -> None:
    """Keeps with the image where the artist wants the operation's mask, and the palettes.

    These are of the pictures as they were, and with a run in place those are no more.
    """
    if takes_images(operation, config):
        _keep_set(operation, sources, config)
        return
    image, entries = sources[0].get_image(), links_inputs(operation)
    choices = kept.read(image, kept.CHOICES)
    if operation.makes_mask:
        choices[operation.id] = config.get_property(RESULT)
    elif entries and config.get_property(IN_PLACE):
        choices[operation.id] = {}
    elif entries:
        words = {entry.role: config.get_property(entry.role) for entry in entries}
        choices[operation.id] = {"layers": [layer.get_tattoo() for layer in sources], **words}
    if operation.id in choices:
        kept.write(image, kept.CHOICES, choices)


def _named(image: Gimp.Image, name: str) -> Optional[Gimp.Layer]:
    layers = all_layers(image.get_layers())
    return next((layer for layer in layers if layer.get_name().lower() == name), None)


def all_layers(layers: Sequence[Gimp.Layer]) -> List[Gimp.Layer]:
    """The layers and all that lie in them, from top to bottom."""
    found: List[Gimp.Layer] = []
    for layer in layers:
        found.append(layer)
        if layer.is_group():
            found += all_layers(layer.get_children())
    return found


def _lines(selected: Gimp.Layer, scribbles: Optional[Gimp.Layer]) -> Gimp.Layer:
    """The selected layer; where that is the scribbles, just drawn, the one beside it."""
    if selected != scribbles:
        return selected
    parent = selected.get_parent()
    siblings = parent.get_children() if parent else selected.get_image().get_layers()
    place = siblings.index(selected)
    beside = [*siblings[place + 1 : place + 2], *siblings[max(0, place - 1) : place], selected]
    return beside[0]


def takes_images(operation: Operation, config: Gimp.ProcedureConfig) -> bool:
    """Whether the pictures are all open images instead of layers of one."""
    return operation.takes_set and bool(config.get_property(PICTURES) == IMAGES)


def pictures(
    operation: Operation, drawables: Sequence[Gimp.Drawable], config: Gimp.ProcedureConfig
) -> List[Picture]:
    """What is worked on: layers, or all open images. Raises LimnerError missing-input."""
    if takes_images(operation, config):
        return sorted(Gimp.get_images(), key=lambda image: image.get_id())
    return primary_layers(operation, drawables, config)


def primary_layers(
    operation: Operation, drawables: Sequence[Gimp.Drawable], config: Gimp.ProcedureConfig
) -> List[Gimp.Layer]:
    """The layers that are worked on: one, or those of a set. Raises LimnerError missing-input."""
    chosen = config.get_property(operation.primary.role) if operation.works_on_line_art else None
    return [chosen] if chosen else selected_layers(operation, drawables)


def selected_layer(operation: Operation, drawables: Sequence[Gimp.Drawable]) -> Gimp.Layer:
    """The layer that is selected, of a set the uppermost. Raises LimnerError missing-input."""
    return selected_layers(operation, drawables)[0]


def selected_layers(operation: Operation, drawables: Sequence[Gimp.Drawable]) -> List[Gimp.Layer]:
    """The selected layers from top to bottom, several for a set only.

    GIMP gives them in the order in which they were clicked. Raises LimnerError missing-input.
    """
    are_layers = all(isinstance(drawable, Gimp.Layer) for drawable in drawables)
    if are_layers and (len(drawables) == 1 or (drawables and operation.takes_set)):
        layers = all_layers(drawables[0].get_image().get_layers())
        return [layer for layer in layers if layer in drawables]
    wanted = "layers" if operation.takes_set else "one layer"
    what = f"{len(drawables)} are" if are_layers else "a channel or mask is"
    raise LimnerError(
        "missing-input",
        f"'{operation.title}' works on {wanted}, and {what} selected.",
        f"Select {wanted} in the Layers dialog and run again.",
    )


def read_inputs(
    operation: Operation,
    sources: Sequence[Picture],
    config: Gimp.ProcedureConfig,
    *,
    bare: bool,
) -> List[Plane]:
    """Planes of all inputs that there are, first those of the layers that are worked on.

    bare: these are changed in place. Raises LimnerError missing-input, empty-mask, bad-profile, and
    bad-parameter for links.
    """
    return [
        plane
        for entry in operation.inputs
        for plane in read_input(operation, entry, sources, config, bare=bare)
    ]


def read_input(
    operation: Operation,
    entry: Input,
    sources: Sequence[Picture],
    config: Gimp.ProcedureConfig,
    *,
    bare: bool,
) -> List[Plane]:
    """The planes of one input, as `read_inputs` reads them; none where there are none."""
    if entry is operation.primary:
        return [_read_primary(operation, source, bare) for source in sources]
    given = config.get_property(entry.role)
    if entry.kind == "links":
        return links.planes(entry, given, len(sources))
    if entry.kind == "mask" and not given and isinstance(sources[0], Gimp.Image):
        return _read_selections(entry, sources)
    if entry.kind == "mask":
        plane = _read_mask(operation, entry, sources, given, bare)
    else:
        _check_other(operation, entry, sources, given)
        plane = _read_other(entry, given) if given else None
    return [plane] if plane else []


def _read_primary(operation: Operation, primary: Picture, bare: bool) -> Plane:
    """The primary layer; where the operation looks at a thing in a picture, all under it too.

    Of an image all that is seen, without what an earlier run put on top of it.
    """
    role = operation.primary.role
    if isinstance(primary, Gimp.Image):
        return pixels.read_image(primary, role, lambda layer: document.is_on_top(layer, operation))
    if operation.works_on_composite and not bare:
        _check_shown(primary)
        return pixels.read_with_below(primary, role)
    # A mask made earlier hides what the operation has to see.
    own_mask = operation.makes_mask and document.has_own_mask(primary, operation.id)
    return pixels.read(primary, role, bare=bare, masked=not own_mask)


def _check_shown(layer: Gimp.Layer) -> None:
    outer: Optional[Gimp.Layer] = layer
    while outer:
        if not outer.get_visible():
            raise LimnerError(
                "missing-input",
                f"The layer '{layer.get_name()}' is hidden, so it is no part of the picture.",
                "Show it and run again.",
            )
        outer = outer.get_parent()


def _read_other(entry: Input, given: Any) -> Plane:
    if entry.kind == "palette":
        return pixels.read_palette(given, entry.role)
    shape = pixels.read_shape(given, entry.role) if entry.is_mask else None
    return shape or pixels.read(given, entry.role)


def _read_selections(entry: Input, images: Sequence[Gimp.Image]) -> List[Plane]:
    """What is selected in each image, where anything is in any."""
    found = [pixels.read_selection(image, entry.role) for image in images]
    if not any(found):
        return []
    return [one or pixels.whole(image, entry.role) for one, image in zip(found, images)]


def _read_mask(
    operation: Operation,
    entry: Input,
    sources: Sequence[Picture],
    chosen: Optional[Gimp.Layer],
    bare: bool,
) -> Optional[Plane]:
    """The layer chosen, else the selection, else the shape of a pasted thing's own layer.

    A layer that covers everything counts by its brightness; a selection that the operation made
    itself does not count. Raises LimnerError missing-input.
    """
    primary = sources[0]
    if chosen and chosen not in sources:
        return pixels.read_shape(chosen, entry.role) or pixels.read(chosen, entry.role)
    plane = pixels.read_selection(primary.get_image(), entry.role)
    if plane and not chosen and not kept.is_made(primary.get_image(), operation.id, plane):
        if bare or not operation.works_on_composite:
            _check_selection(sources)
        return plane
    if not entry.required:
        return None
    is_pasted = not bare and any(layer.get_visible() for layer in pixels.below(primary))
    shape = pixels.read_shape(primary, entry.role) if is_pasted else None
    if shape is None:
        raise LimnerError(
            "missing-input",
            f"'{operation.title}' does not know which part of the picture is meant.",
            f"Select it, or choose the layer that it lies on as '{entry.role}', and run again.",
        )
    return shape


def _check_selection(sources: Sequence[Gimp.Layer]) -> None:
    if not any(layer.mask_intersect()[0] for layer in sources):
        names = " and ".join(f"'{layer.get_name()}'" for layer in sources)
        raise LimnerError(
            "empty-mask",
            f"The selection lies outside the {'layer' if len(sources) == 1 else 'layers'} {names}.",
            "Select a part of the layer, or nothing for all of it, and run again.",
        )


def _check_other(
    operation: Operation, entry: Input, sources: Sequence[Picture], given: Any
) -> None:
    if given in sources:
        raise LimnerError(
            "missing-input",
            f"The layer '{given.get_name()}' is both '{operation.primary.role}' and "
            f"'{entry.role}'.",
            f"Choose another layer as '{entry.role}' and run again.",
        )
