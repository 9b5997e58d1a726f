"""GIMP's drawables as planes, and planes as GIMP's layers; no value changes on the way."""

from contextlib import contextmanager
from typing import Iterator, Optional, Tuple

from gi.repository import Babl, Gegl, Gimp

from .ipc.errors import LimnerError
from .ipc.planes import Plane

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
STRIP = 64 << 20
"""Bytes read or written at once; GEGL counts them in 32 bits."""


def read(layer: Gimp.Layer, role: str, *, bare: bool = False) -> Plane:
    """The layer as the artist sees it, without its opacity and mode.

    bare: without its mask and effects too, which is what is written when it is changed in place.
    """
    image = layer.get_image()
    if bare or not (layer.is_group() or layer.get_mask() or layer.get_filters()):
        _, x, y = layer.get_offsets()
        return _plane(layer, image, role, layer.get_name(), x, y)
    with _drawn(layer, image) as drawn:
        return _plane(drawn, image, role, layer.get_name(), 0, 0)


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


def read_palette(palette: Gimp.Palette, role: str) -> Plane:
    """The palette's colours, N x 1."""
    encoding = Babl.format("R'G'B' float")
    colours = [colour.get_bytes(encoding).get_data() for colour in palette.get_colors()]
    return Plane(role, palette.get_name(), len(colours), 1, 3, "f32", b"".join(colours))


def is_opaque(layer: Gimp.Layer) -> bool:
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
def _drawn(layer: Gimp.Layer, image: Gimp.Image) -> Iterator[Gimp.Layer]:
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
    return data


def _write(layer: Gimp.Layer, encoding: str, plane: Plane) -> None:
    buffer, data = layer.get_buffer(), memoryview(plane.data).cast("B")
    row_bytes = plane.byte_count // plane.height
    for top, rows in _strips(plane.height, row_bytes):
        strip = bytes(data[top * row_bytes : (top + rows) * row_bytes])
        buffer.set(Gegl.Rectangle.new(0, top, plane.width, rows), encoding, strip)
    buffer.flush()
    layer.update(0, 0, plane.width, plane.height)
