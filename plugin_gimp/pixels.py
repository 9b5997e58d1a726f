"""GIMP's drawables as planes, and planes as GIMP's layers; no value changes on the way."""

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Tuple

from gi.repository import Babl, Gegl, Gimp

from .ipc.errors import LimnerError
from .ipc.planes import Plane, coverage, is_opaque, palette_attributes, split_lock

DEPTHS = {"u8": "u8", "u16": "u16", "half": "f16", "float": "f32"}
"""Our name of each of GIMP's component types that travels as it is."""
CURVES = {"linear": "", "non-linear": "'", "perceptual": "~"}
"""Babl's mark behind the letter of a colour component, by GIMP's name of the curve."""
LAYOUTS = {
    1: (Gimp.ImageBaseType.GRAY, Gimp.ImageType.GRAY_IMAGE, "Y*"),
    2: (Gimp.ImageBaseType.GRAY, Gimp.ImageType.GRAYA_IMAGE, "Y*A"),
    3: (Gimp.ImageBaseType.RGB, Gimp.ImageType.RGB_IMAGE, "R*G*B*"),
    4: (Gimp.ImageBaseType.RGB, Gimp.ImageType.RGBA_IMAGE, "R*G*B*A"),
}
"""Type of image and layer and the components, by the number of channels."""
STRIP = 4 << 20
"""Bytes read or written at once: some 25 ms; GEGL could count no more than 32 bits of them."""

_turns: List[Callable[[], None]] = []


@contextmanager
def in_turns(other_work: Callable[[], None]) -> Iterator[None]:
    """Has other work done between the strips of what is read meanwhile, so that nothing freezes."""
    _turns.append(other_work)
    try:
        yield
    finally:
        _turns.pop()


def read(layer: Gimp.Layer, role: str, *, bare: bool = False, masked: bool = True) -> Plane:
    """The layer as the artist sees it, without its opacity and mode.

    bare: without its mask and effects too, which is what is written when it is changed in place.
    masked: whether its mask hides anything.
    """
    image = layer.get_image()
    has_mask = masked and layer.get_mask() is not None
    if bare or not (layer.is_group() or has_mask or layer.get_filters()):
        _, x, y = layer.get_offsets()
        return _plane(layer, image, role, layer.get_name(), x, y)
    with _drawn(layer, image, masked) as drawn:
        return _plane(drawn, image, role, layer.get_name(), 0, 0)


def read_with_below(layer: Gimp.Layer, role: str) -> Plane:
    """The layer and all that lies under it, as the artist would see it with nothing above."""
    image = layer.get_image()
    copy = image.duplicate()
    try:
        for other in above(_twin(layer, copy)):
            other.set_visible(False)
        drawn = Gimp.Layer.new_from_visible(copy, copy, layer.get_name())
        return _plane(drawn, image, role, layer.get_name(), 0, 0)
    finally:
        copy.delete()


def read_image(image: Gimp.Image, role: str, hides: Callable[[Gimp.Layer], bool]) -> Plane:
    """All that is seen of the image but those layers that it hides."""
    copy = image.duplicate()
    try:
        for layer in filter(hides, copy.get_layers()):
            layer.set_visible(False)
        name = Path(image.get_name()).stem
        drawn = Gimp.Layer.new_from_visible(copy, copy, name)
        return _plane(drawn, image, role, name, 0, 0)
    finally:
        copy.delete()


def _twin(layer: Gimp.Layer, copy: Gimp.Image) -> Gimp.Layer:
    """The layer in a copy of its image."""
    parent = layer.get_parent()
    siblings = _twin(parent, copy).get_children() if parent else copy.get_layers()
    return siblings[layer.get_image().get_item_position(layer)]


def above(layer: Gimp.Layer) -> List[Gimp.Layer]:
    """All that lies over the layer, in its group and in the groups around it."""
    siblings, place, parent = _neighbours(layer)
    return siblings[:place] + (above(parent) if parent else [])


def below(layer: Gimp.Layer) -> List[Gimp.Layer]:
    """All that lies under the layer, in its group and in the groups around it."""
    siblings, place, parent = _neighbours(layer)
    return siblings[place + 1 :] + (below(parent) if parent else [])


def _neighbours(layer: Gimp.Layer) -> Tuple[List[Gimp.Layer], int, Optional[Gimp.Layer]]:
    """The layers of the same group from top to bottom, the layer's place there, and the group."""
    image, parent = layer.get_image(), layer.get_parent()
    siblings = parent.get_children() if parent else image.get_layers()
    return list(siblings), image.get_item_position(layer), parent


def read_shape(layer: Gimp.Layer, role: str) -> Optional[Plane]:
    """Where the layer has pixels, softly, as a mask; None where it covers the whole canvas."""
    plane, image = read(layer, role), layer.get_image()
    if not is_opaque(plane):
        return coverage(plane)
    right, bottom = plane.x + plane.width, plane.y + plane.height
    reaches = right >= image.get_width() and bottom >= image.get_height()
    if plane.x <= 0 and plane.y <= 0 and reaches:
        return None
    inside = b"\xff" * (plane.width * plane.height)
    return replace(plane, channels=1, depth="u8", data=inside, icc=None)


def read_mask(mask: Gimp.LayerMask) -> Plane:
    """The stored values of a layer's mask."""
    size = mask.get_width(), mask.get_height()
    return Plane("mask", mask.get_name(), *size, 1, "f32", _read(mask, "Y float"))


def read_selection(image: Gimp.Image, role: str) -> Optional[Plane]:
    """The selection's soft values; None where nothing, so everything, is selected."""
    if Gimp.Selection.is_empty(image):
        return None
    component, _ = _precision(image)
    return Plane(
        role=role,
        name="Selection",
        width=image.get_width(),
        height=image.get_height(),
        channels=1,
        depth=DEPTHS.get(component, "f32"),
        data=_read(image.get_selection(), None if component in DEPTHS else "Y float"),
    )


def whole(image: Gimp.Image, role: str) -> Plane:
    """A mask that has all of the image inside."""
    width, height = image.get_width(), image.get_height()
    return Plane(role, "Selection", width, height, 1, "u8", b"\xff" * (width * height))


def read_palette(palette: Gimp.Palette, role: str) -> Plane:
    """The palette's colours, N x 1, with names and locks."""
    encoding = Babl.format("R'G'B' float")
    colours = [colour.get_bytes(encoding).get_data() for colour in palette.get_colors()]
    names = [palette.get_entry_name(index)[1] for index in range(len(colours))]
    attributes = palette_attributes(map(split_lock, names))
    return Plane(
        role,
        palette.get_name(),
        len(colours),
        1,
        3,
        "f32",
        b"".join(colours),
        attributes=attributes,
    )


def is_paper(layer: Gimp.Layer) -> bool:
    """Whether more than half of the layer hides what lies under it, as paper does."""
    alpha = _read(layer, "A u8")
    return 2 * alpha.count(255) > len(alpha)


@contextmanager
def as_layer(plane: Plane, image: Gimp.Image) -> Iterator[Gimp.Layer]:
    """A layer of the plane's pixels, in a hidden image that stores them as they are.

    It stores them as `image` does where the plane is of its precision and profile, so that copying
    the layer there changes no bit.
    """
    component, curve = _precision(image)
    profile = image.get_color_profile()
    if plane.depth != DEPTHS.get(component) or plane.icc != _profile(image, curve):
        component = next(name for name, depth in DEPTHS.items() if depth == plane.depth)
        profile = Gimp.ColorProfile.new_from_icc_profile(plane.icc) if plane.icc else None
        curve = "linear" if profile and profile.is_linear() else "non-linear"
    base, kind, letters = LAYOUTS[plane.channels]
    size = plane.width, plane.height
    precision = getattr(Gimp.Precision, f"{component}-{curve}".replace("-", "_").upper())
    hidden = Gimp.Image.new_with_precision(*size, base, precision)
    try:
        layer = Gimp.Layer.new(hidden, plane.name, *size, kind, 100.0, Gimp.LayerMode.NORMAL)
        hidden.insert_layer(layer, None, 0)
        _write(layer, f"{letters.replace('*', CURVES[curve])} {component}", plane)
        # A format given by name is sRGB's: said only now, the profile changes no value.
        if profile:
            hidden.set_color_profile(profile)
        yield layer
    finally:
        hidden.delete()


@contextmanager
def _drawn(layer: Gimp.Layer, image: Gimp.Image, masked: bool) -> Iterator[Gimp.Layer]:
    """The layer with its children, mask and effects drawn together, as large as the canvas."""
    grey = image.get_base_type() == Gimp.ImageBaseType.GRAY
    copy = Gimp.Image.new_with_precision(
        image.get_width(),
        image.get_height(),
        Gimp.ImageBaseType.GRAY if grey else Gimp.ImageBaseType.RGB,
        image.get_precision(),
    )
    try:
        if image.get_color_profile():
            copy.set_color_profile(image.get_color_profile())
        twin = Gimp.Layer.new_from_drawable(layer, copy)
        copy.insert_layer(twin, None, 0)
        if twin.get_mask() and not masked:
            twin.remove_mask(Gimp.MaskApplyMode.DISCARD)
        twin.set_visible(True)
        twin.set_opacity(100.0)
        twin.set_mode(Gimp.LayerMode.NORMAL)
        yield Gimp.Layer.new_from_visible(copy, copy, layer.get_name())
    finally:
        copy.delete()


def _plane(
    drawable: Gimp.Drawable, image: Gimp.Image, role: str, name: str, x: int, y: int
) -> Plane:
    component, curve = _precision(image)
    if drawable.is_indexed():
        depth, channels, encoding, icc = "u8", 4, "R'G'B'A u8", None
    elif component not in DEPTHS:
        grey = drawable.is_gray()
        encoding = ("Y'A" if grey else "R'G'B'A") + " float"
        depth, channels, icc = "f32", 2 if grey else 4, None
    else:
        encoding, icc = None, _profile(image, curve)
        depth = DEPTHS[component]
        channels = (1 if drawable.is_gray() else 3) + drawable.has_alpha()
    return Plane(
        role=role,
        name=name,
        width=drawable.get_width(),
        height=drawable.get_height(),
        channels=channels,
        depth=depth,
        data=_read(drawable, encoding),
        x=x,
        y=y,
        icc=icc,
    )


def _precision(image: Gimp.Image) -> Tuple[str, str]:
    """Component type (u8 to double) and curve (linear, non-linear or perceptual)."""
    component, _, curve = image.get_precision().value_nick.partition("-")
    return component, curve


def _profile(image: Gimp.Image, curve: str) -> bytes:
    """The ICC profile by which the image's stored values are read."""
    profile = image.get_color_profile()
    if not profile:
        profile = image.get_effective_color_profile()
    # A profile of the image's own gives the primaries; its curve holds for non-linear alone.
    elif curve == "linear":
        profile = profile.new_linear_from_color_profile()
    elif curve == "perceptual":
        profile = profile.new_srgb_trc_from_color_profile()
    if profile is None:
        raise LimnerError(
            "bad-profile",
            f"The image's colour profile does not go with its precision ({curve}).",
            "Convert the image to another profile (Image ▸ Color Management) and run again.",
        )
    return bytes(profile.get_icc_profile())


def _strips(height: int, row_bytes: int) -> Iterator[Tuple[int, int]]:
    """First row and number of rows of each strip."""
    step = max(1, STRIP // row_bytes)
    for top in range(0, height, step):
        yield top, min(step, height - top)


def _read(drawable: Gimp.Drawable, encoding: Optional[str]) -> bytearray:
    """The stored values, or what they are in a Babl format."""
    buffer, data, width = drawable.get_buffer(), bytearray(), drawable.get_width()
    for top, rows in _strips(drawable.get_height(), width * drawable.get_bpp()):
        strip = Gegl.Rectangle.new(0, top, width, rows)
        data += buffer.get(strip, 1.0, encoding, Gegl.AbyssPolicy.NONE)
        for other_work in _turns:
            other_work()
    return data


def write_values(mask: Gimp.Channel, plane: Plane, x: int, y: int) -> None:
    """Writes the values of a mask plane into a channel or a layer's mask, at a place in it.

    Stored values are what counts there, and a channel's, unlike a mask's, have a curve at 8 bit.
    """
    curved = mask.get_image().get_precision() == Gimp.Precision.U8_NON_LINEAR
    is_channel = not isinstance(mask, Gimp.LayerMask)
    _write(mask, "Y' u8" if curved and is_channel else "Y u8", plane, x, y)


def _write(drawable: Gimp.Drawable, encoding: str, plane: Plane, x: int = 0, y: int = 0) -> None:
    buffer, data = drawable.get_buffer(), memoryview(plane.data).cast("B")
    row_bytes = plane.byte_count // plane.height
    for top, rows in _strips(plane.height, row_bytes):
        strip = bytes(data[top * row_bytes : (top + rows) * row_bytes])
        buffer.set(Gegl.Rectangle.new(x, y + top, plane.width, rows), encoding, strip)
    buffer.flush()
    drawable.update(0, 0, drawable.get_width(), drawable.get_height())
