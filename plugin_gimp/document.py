"""Where results go in the artist's image, as one undo step."""

from contextlib import contextmanager
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

from gi.repository import Gegl, Gimp

from . import kept, pixels
from .ipc.catalog import Operation
from .ipc.errors import LimnerError
from .ipc.planes import Plane

MODES = {
    "normal": Gimp.LayerMode.NORMAL,
    "multiply": Gimp.LayerMode.MULTIPLY,
    "screen": Gimp.LayerMode.SCREEN,
}


ON_TOP = "on-top"
"""What is noted of a result that is of the whole image."""


def add_under(lines: Gimp.Layer, title: str, planes: Sequence[Plane]) -> None:
    """Puts results, bottom layer first, into one group directly under the line layer.

    A line layer that is opaque paper is set to blend as the results say, so that the colours show.
    Of several variants the first alone is shown.
    """
    image = lines.get_image()
    # The group that is made in any case stands for one that is around all layers.
    paths = [tuple(plane.attributes.get("group", ())) for plane in planes]
    outer = 1 if len({path[:1] for path in paths}) == 1 else 0
    with _one_step(image, planes):
        if pixels.is_paper(lines) and lines.get_mode() == Gimp.LayerMode.NORMAL:
            _blend(lines, _metadata(planes[0]).get("lines", "multiply"))
        group = Gimp.GroupLayer.new(image, title)
        image.insert_layer(group, lines.get_parent(), image.get_item_position(lines) + 1)
        groups = {(): group}
        # Top layer first: where names occur again, GIMP numbers them in this order.
        for path, plane in zip(reversed(paths), reversed(planes)):
            parent = _group(groups, path[outer:])
            layer = _insert(image, plane, parent, len(parent.get_children()))
            if _metadata(plane).get("variant"):
                top = groups[path[outer : outer + 1]] if path[outer:] else layer
                top.set_visible(False)
        for path, inner in groups.items():
            # So that variants lie one below the other in the layer list, each with its eye.
            inner.set_expanded(path == ())


def add_above(sources: Sequence[Gimp.Layer], operation: str, planes: Sequence[Plane]) -> None:
    """Puts results, bottom layer first, each directly above its source and that one's earlier ones.

    A result says which source it is of.
    """
    image = sources[0].get_image()
    with _one_step(image, planes):
        for plane in planes:
            source = sources[number_of(plane)]
            parent, place = source.get_parent(), image.get_item_position(source)
            siblings = parent.get_children() if parent else image.get_layers()
            while place and _is_result(siblings[place - 1], operation, sources):
                place -= 1
            _insert(image, plane, parent, place)


def add_on_top(images: Sequence[Gimp.Image], planes: Sequence[Plane]) -> None:
    """Puts each result on top of all layers of its image; images that were closed get none."""
    for plane in planes:
        image = images[number_of(plane)]
        if image.is_valid():
            with _one_step(image, [plane]):
                layer = _insert(image, plane, None, 0)
                kept.write(layer, kept.MADE, {**_metadata(plane), ON_TOP: True})


def is_on_top(layer: Gimp.Layer, operation: Operation) -> bool:
    """Whether the operation made the layer of the whole image."""
    made = kept.read(layer, kept.MADE)
    return made.get("operation") == operation.id and ON_TOP in made


def _is_result(layer: Gimp.Layer, operation: str, sources: Sequence[Gimp.Layer]) -> bool:
    """Whether the operation made the layer, which is not worked on itself now."""
    return layer not in sources and kept.read(layer, kept.MADE).get("operation") == operation


def select(image: Gimp.Image, operation: str, plane: Plane) -> None:
    """Makes a mask the selection, soft values included."""
    with _one_step(image, [plane]):
        size, colour = (image.get_width(), image.get_height()), Gegl.Color.new("black")
        channel = Gimp.Channel.new(image, plane.name, *size, 100.0, colour)
        image.insert_channel(channel, None, 0)
        pixels.write_values(channel, plane, plane.x, plane.y)
        image.select_item(Gimp.ChannelOps.REPLACE, channel)
        image.remove_channel(channel)
    made = pixels.read_selection(image, plane.role)
    if made:
        kept.note_made(image, operation, made)


def put_mask(layer: Gimp.Layer, operation: str, plane: Plane) -> None:
    """Makes a mask the layer's, in place of one made earlier."""
    image = layer.get_image()
    with _one_step(image, [plane]):
        if layer.get_mask():
            layer.remove_mask(Gimp.MaskApplyMode.DISCARD)
        mask = layer.create_mask(Gimp.AddMaskType.BLACK)
        layer.add_mask(mask)
        _, x, y = layer.get_offsets()
        pixels.write_values(mask, plane, plane.x - x, plane.y - y)
        kept.note_made(mask, operation, pixels.read_mask(mask))
        # Else the next run, and the artist's brush, would have the mask instead of the layer.
        layer.set_edit_mask(False)


def has_own_mask(layer: Gimp.Layer, operation: str) -> bool:
    """Whether the operation made the layer's mask, and nobody changed it since."""
    mask = layer.get_mask()
    return mask is not None and kept.is_made(mask, operation, pixels.read_mask(mask))


def check_maskable(layer: Gimp.Layer, operation: str) -> None:
    """Raises LimnerError cannot-write where the layer has a mask of the artist's."""
    if layer.get_mask() and not has_own_mask(layer, operation):
        raise LimnerError(
            "cannot-write",
            f"The layer '{layer.get_name()}' has a mask already.",
            "Apply or delete that mask, or choose the selection as 'Result', and run again.",
        )


def check_writable(layer: Gimp.Layer) -> None:
    """Raises LimnerError cannot-write where the layer cannot be changed in place."""
    if layer.is_group() or layer.get_lock_content():
        what = "is a group" if layer.is_group() else "is locked"
        raise LimnerError(
            "cannot-write",
            f"The layer '{layer.get_name()}' {what}, so it cannot be changed in place.",
            "Run again without 'In place': the result becomes a layer above it.",
        )


def check_unchanged(layer: Gimp.Layer, read: Plane, in_place: bool) -> None:
    """Raises LimnerError layer-changed where the result has no place any more.

    GIMP stays open to the artist meanwhile: the layer may be gone, or painted on, which matters
    where the result would replace it.
    """
    gone = not layer.is_valid()
    if gone or (in_place and pixels.read(layer, read.role, bare=True).data != read.data):
        raise LimnerError(
            "layer-changed",
            f"The layer '{read.name}' was {'removed' if gone else 'changed'} in the meantime.",
            "Run again when you are done with it.",
        )


def write_into(layers: Sequence[Gimp.Layer], planes: Sequence[Plane]) -> None:
    """Replaces the layers' pixels by the results, each of which says which layer it is of."""
    image = layers[0].get_image()
    # The results heed the selection already: soft edges would be doubled.
    with _one_step(image, planes), _nothing_selected(image):
        for plane in planes:
            _write_into(layers[number_of(plane)], plane)


def _write_into(layer: Gimp.Layer, plane: Plane) -> None:
    with pixels.as_layer(plane, layer.get_image()) as drawn:
        _, x, y = layer.get_offsets()
        before, after = layer.get_buffer(), layer.get_shadow_buffer()
        everything = Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height())
        before.copy(everything, Gegl.AbyssPolicy.NONE, after, everything)
        drawn.get_buffer().copy(
            Gegl.Rectangle.new(0, 0, plane.width, plane.height),
            Gegl.AbyssPolicy.NONE,
            after,
            Gegl.Rectangle.new(plane.x - x, plane.y - y, plane.width, plane.height),
        )
        after.flush()
        layer.merge_shadow(True)
        layer.update(0, 0, layer.get_width(), layer.get_height())


@contextmanager
def _one_step(image: Gimp.Image, planes: Sequence[Plane]) -> Iterator[None]:
    """One undo step, in an image that can hold the planes' colours; the selected layers stay."""
    selected = image.get_selected_layers()
    image.undo_group_start()
    try:
        # A grey image takes the colour out of what is put into it, without a word.
        in_colour = any(plane.channels >= 3 for plane in planes)
        if in_colour and image.get_base_type() != Gimp.ImageBaseType.RGB:
            image.convert_rgb()
        yield
        image.set_selected_layers(selected)
    finally:
        image.undo_group_end()


@contextmanager
def _nothing_selected(image: Gimp.Image) -> Iterator[None]:
    if Gimp.Selection.is_empty(image):
        yield
        return
    kept = Gimp.Selection.save(image)
    Gimp.Selection.none(image)
    yield
    image.select_item(Gimp.ChannelOps.REPLACE, kept)
    image.remove_channel(kept)


def _group(
    groups: Dict[Tuple[str, ...], Gimp.GroupLayer], path: Tuple[str, ...]
) -> Gimp.GroupLayer:
    """The group of that path; where it is not yet among the groups it is made, under the rest."""
    if path not in groups:
        parent = _group(groups, path[:-1])
        groups[path] = Gimp.GroupLayer.new(parent.get_image(), path[-1])
        parent.get_image().insert_layer(groups[path], parent, len(parent.get_children()))
    return groups[path]


def number_of(plane: Plane) -> int:
    """The number of the source that a result is of."""
    return int(plane.attributes.get("of", 0))


def _metadata(plane: Plane) -> Dict[str, Any]:
    """What the engine says of how a result was made."""
    return dict(plane.attributes.get("metadata", {}))


def _blend(layer: Gimp.Layer, blending: str) -> None:
    """Has a layer blend as the engine does."""
    layer.set_mode(MODES[blending])
    if blending != "normal":
        # GIMP would multiply light, where the engine multiplies values as they are seen.
        layer.set_blend_space(Gimp.LayerColorSpace.RGB_PERCEPTUAL)


def _insert(
    image: Gimp.Image, plane: Plane, parent: Optional[Gimp.GroupLayer], position: int
) -> Gimp.Layer:
    with pixels.as_layer(plane, image) as drawn:
        layer = Gimp.Layer.new_from_drawable(drawn, image)
    image.insert_layer(layer, parent, position)
    layer.set_name(plane.name)
    layer.set_offsets(plane.x, plane.y)
    _blend(layer, plane.attributes.get("blending", "normal"))
    layer.set_opacity(100.0 * plane.attributes.get("opacity", 1.0))
    kept.write(layer, kept.MADE, _metadata(plane))
    return layer
