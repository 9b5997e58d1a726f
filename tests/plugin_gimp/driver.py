"""Runs inside GIMP as a batch and does what the tests ask, over two connections.

On the first come calls of the functions below, one after the other; on the second, commands to run
meanwhile: the hands on the keyboard. Each answer is a pair: whether it went well, and the value.
"""

import os
import socket
import subprocess
import threading
import traceback
from multiprocessing.connection import Connection

from gi.repository import Babl, Gegl, Gimp

DISPLAYS = {}
"""By the image's id."""
LAYER_TYPES = {1: "GRAY_IMAGE", 2: "GRAYA_IMAGE", 3: "RGB_IMAGE", 4: "RGBA_IMAGE"}


def rectangle(drawable):
    return Gegl.Rectangle.new(0, 0, drawable.get_width(), drawable.get_height())


def write(drawable, encoding, data):
    buffer = drawable.get_buffer()
    buffer.set(rectangle(drawable), encoding, data)
    buffer.flush()
    drawable.update(0, 0, drawable.get_width(), drawable.get_height())


def make(canvas, precision, encoding, layers, profile=None, indexed=0, show=False):
    """An image with layers, bottom first; returns its id.

    encoding: the Babl format of the pixels given, without space. A layer is a dictionary: name,
    width, height, channels, data, and if wanted x, y, mask (8-bit), group (put in one), hidden.
    """
    Gegl.init(None)
    base = Gimp.ImageBaseType.GRAY if layers[0]["channels"] < 3 else Gimp.ImageBaseType.RGB
    image = Gimp.Image.new_with_precision(*canvas, base, getattr(Gimp.Precision, precision))
    for given in layers:
        kind = getattr(Gimp.ImageType, LAYER_TYPES[given["channels"]])
        size = given["width"], given["height"]
        layer = Gimp.Layer.new(image, given["name"], *size, kind, 100, Gimp.LayerMode.NORMAL)
        parent = None
        if "group" in given:
            parent = Gimp.GroupLayer.new(image, given["group"])
            image.insert_layer(parent, None, 0)
        image.insert_layer(layer, parent, 0)
        write(layer, encoding, given["data"])
        layer.set_offsets(given.get("x", 0), given.get("y", 0))
        layer.set_visible(not given.get("hidden"))
        if "mask" in given:
            mask = layer.create_mask(Gimp.AddMaskType.WHITE)
            layer.add_mask(mask)
            write(mask, "Y u8", given["mask"])
    if profile:
        image.set_color_profile(profile_of(profile))
    if indexed:
        dither, palette = Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE
        image.convert_indexed(dither, palette, indexed, False, False, "")
    if show:
        DISPLAYS[image.get_id()] = Gimp.Display.new(image)
    image.clean_all()
    return image.get_id()


def profile_of(name):
    adobe = Gimp.ColorProfile.new_rgb_adobe()
    return {
        "adobe": adobe,
        "adobe-linear": adobe.new_linear_from_color_profile(),
        "adobe-srgb-curve": adobe.new_srgb_trc_from_color_profile(),
    }[name]


def icc(name):
    return bytes(profile_of(name).get_icc_profile())


def select(image, data):
    """Makes 8-bit values the selection."""
    image = Gimp.Image.get_by_id(image)
    channel = Gimp.Channel.new(image, "given", image.get_width(), image.get_height(), 50, COLOUR)
    image.insert_channel(channel, None, 0)
    curved = image.get_precision() == Gimp.Precision.U8_NON_LINEAR
    write(channel, "Y' u8" if curved else "Y u8", data)
    image.select_item(Gimp.ChannelOps.REPLACE, channel)
    image.remove_channel(channel)
    image.clean_all()


COLOUR = Gegl.Color.new("black")


def call(procedure, image, drawables, mode="NONINTERACTIVE", arguments=None):
    """Runs a procedure; returns status and message. Values of layer arguments are their names."""
    procedure = Gimp.get_pdb().lookup_procedure(procedure)
    image = Gimp.Image.get_by_id(image)
    config = procedure.create_config()
    config.set_property("run-mode", getattr(Gimp.RunMode, mode))
    config.set_property("image", image)
    named = [image.get_layer_by_name(name) for name in drawables]
    config.set_core_object_array("drawables", named)
    for name, value in (arguments or {}).items():
        if config.find_property(name).value_type.name == "GimpLayer":
            value = image.get_layer_by_name(value)
        elif config.find_property(name).value_type.name == "GimpPalette":
            value = Gimp.Palette.get_by_name(value)
        config.set_property(name, value)
    result = procedure.run(config)
    words = [result.index(place) for place in range(1, result.length())]
    return result.index(0).value_nick, words[0] if words else ""


def look(image):
    """All that the tests want to know of an image."""
    image = Gimp.Image.get_by_id(image)
    whole = Gegl.Rectangle.new(0, 0, image.get_width(), image.get_height())
    selection = image.get_selection().get_buffer()
    return {
        "base": image.get_base_type().value_nick,
        "dirty": image.is_dirty(),
        "layers": [describe(layer) for layer in image.get_layers()],
        "channels": len(image.get_channels()),
        "selected": [layer.get_name() for layer in image.get_selected_layers()],
        "selection": None
        if Gimp.Selection.is_empty(image)
        else selection.get(whole, 1.0, "Y u8", Gegl.AbyssPolicy.NONE),
    }


def count(image):
    """How many layers there are, those in groups too; can be asked while GIMP changes them."""
    layers, number = list(Gimp.Image.get_by_id(image).get_layers()), 0
    while layers:
        layer, number = layers.pop(), number + 1
        layers += layer.get_children() if layer.is_group() else []
    return number


def describe(layer):
    _, x, y = layer.get_offsets()
    made = layer.get_parasite("limner-made")
    return {
        "name": layer.get_name(),
        "visible": layer.get_visible(),
        "made": made and bytes(made.get_data()).decode(),
        "x": x,
        "y": y,
        "width": layer.get_width(),
        "height": layer.get_height(),
        "type": layer.type().value_nick,
        "mode": layer.get_mode().value_nick,
        "mask": layer.get_mask() is not None,
        "data": layer.get_buffer().get(rectangle(layer), 1.0, None, Gegl.AbyssPolicy.NONE),
        "children": [describe(child) for child in layer.get_children()] if layer.is_group() else [],
    }


def convert(image, name, encoding):
    """A layer's pixels in another format."""
    layer = Gimp.Image.get_by_id(image).get_layer_by_name(name)
    return layer.get_buffer().get(rectangle(layer), 1.0, encoding, Gegl.AbyssPolicy.NONE)


def mask(image, name, encoding="Y u8"):
    """The values of a layer's mask; None where it has none."""
    found = Gimp.Image.get_by_id(image).get_layer_by_name(name).get_mask()
    if found is None:
        return None
    return found.get_buffer().get(rectangle(found), 1.0, encoding, Gegl.AbyssPolicy.NONE)


def paint_mask(image, name, data):
    """Changes a layer's mask, as the artist may."""
    write(Gimp.Image.get_by_id(image).get_layer_by_name(name).get_mask(), "Y u8", data)


def merged(image):
    """What the artist sees, as it is stored."""
    image = Gimp.Image.get_by_id(image)
    layer = Gimp.Layer.new_from_visible(image, image, "merged")
    return layer.get_buffer().get(rectangle(layer), 1.0, None, Gegl.AbyssPolicy.NONE)


def show(image, name, visible):
    """Shows or hides a layer."""
    image = Gimp.Image.get_by_id(image)
    image.get_layer_by_name(name).set_visible(visible)
    image.clean_all()


def effective_icc(image):
    return bytes(Gimp.Image.get_by_id(image).get_effective_color_profile().get_icc_profile())


def palette(name, colours, names=None):
    """A palette of 8-bit RGB colours, which have numbers for names where they are given none."""
    made = Gimp.Palette.new(name)
    for number, (red, green, blue) in enumerate(colours):
        made.add_entry(
            names[number] if names else str(number),
            Gegl.Color.new(f"#{red:02x}{green:02x}{blue:02x}"),
        )
    return made.get_name()


def choose_layers(image, names):
    """Selects layers in the layer list."""
    image = Gimp.Image.get_by_id(image)
    image.set_selected_layers([image.get_layer_by_name(name) for name in names])
    image.clean_all()


def entries(name):
    """Names and colours of a palette, as hex codes; None where there is no such palette."""
    found = Gimp.Palette.get_by_name(name)
    if found is None:
        return None
    number = found.get_color_count()
    colours = [found.get_entry_color(place) for place in range(number)]
    codes = ["#" + bytes(c.get_bytes(Babl.format("R'G'B' u8")).get_data()).hex() for c in colours]
    return [(found.get_entry_name(place)[1], code) for place, code in enumerate(codes)]


def lock(image, name):
    """Locks a layer's pixels."""
    layer = Gimp.Image.get_by_id(image).get_layer_by_name(name)
    layer.set_lock_content(True)
    layer.get_image().clean_all()


def invert(image, name):
    """Gives a layer an effect that stays apart from its pixels."""
    layer = Gimp.Image.get_by_id(image).get_layer_by_name(name)
    effect = Gimp.DrawableFilter.new(layer, "gegl:invert-gamma", "invert")
    effect.update()
    layer.append_filter(effect)


def remove(image, name):
    """Removes a layer, as the artist may at any time."""
    image = Gimp.Image.get_by_id(image)
    image.remove_layer(image.get_layer_by_name(name))


def forget(image):
    """Closes an image."""
    Gimp.Image.get_by_id(image).delete()


def forget_all():
    """Closes all images that have no window."""
    for image in Gimp.get_images():
        image.delete()


def close(image):
    """Closes an image that is shown."""
    DISPLAYS.pop(image).delete()


def close_all():
    """Closes all images."""
    for display in DISPLAYS.values():
        if display.is_valid():
            display.delete()
    DISPLAYS.clear()
    forget_all()


def ids():
    """The ids of all open images."""
    return sorted(image.get_id() for image in Gimp.get_images())


def say_in_log():
    """Has messages printed instead of shown."""
    Gimp.message_set_handler(Gimp.MessageHandlerType.CONSOLE)


def connect():
    address = "127.0.0.1", int(os.environ["DRIVER_PORT"])
    return Connection(socket.create_connection(address).detach())


def serve(connection, act):
    while True:
        try:
            asked = connection.recv()
        except EOFError:
            return
        try:
            connection.send((True, act(*asked)))
        except Exception:
            connection.send((False, traceback.format_exc()))


def command(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


calls, hands = connect(), connect()
threading.Thread(target=serve, args=(hands, command), daemon=True).start()
serve(calls, lambda name, arguments: globals()[name](**arguments))
