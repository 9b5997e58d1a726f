"""Krita's documents: finding layers, and reading what the artist sees of them."""

from typing import Any, Dict, Generator, Iterator, List, NamedTuple, Optional, Tuple

from krita import Krita, Palette

from .ipc.errors import LimnerError
from .pixels import CHANNELS, MASK, SRGB, Format, Pixels, strips
from .profiles import Profiles
from .qt import QByteArray, QUuid

LAYER_TYPES = ("paintlayer", "grouplayer", "vectorlayer", "filelayer", "clonelayer", "filllayer")
SELECTION = "selection"
PALETTE = "palette:"
ATTEMPTS = 3
"""How often a layer is read anew when it changes meanwhile."""
IDLE_LOOK = 20
"""Milliseconds between two looks at whether Krita has finished painting."""

Reading = Generator[Optional[int], None, Pixels]
"""Steps (see turns.py) that end with a layer's pixels."""


class Source(NamedTuple):
    """Where an input comes from. key: a layer's id, SELECTION, or PALETTE and a palette's name."""

    role: str
    key: str


def is_open(document: Any) -> bool:
    """Whether the document has not been closed."""
    return document in Krita.instance().documents()


def identity(document: Any) -> str:
    """What tells a document from all others as long as it is open."""
    return key_of(document.rootNode())


def key_of(node: Any) -> str:
    """A layer's id."""
    return node.uniqueId().toString()


def node_of(document: Any, key: str) -> Any:
    """The layer of that id, or None where it is gone."""
    return document.nodeByUniqueID(QUuid(key)) if key.startswith("{") else None


def layers(document: Any) -> List[Tuple[int, Any]]:
    """All layers from top to bottom, as the layer list shows them, each with its depth."""
    return list(_below(document.rootNode(), 0))


def _below(parent: Any, depth: int) -> Iterator[Tuple[int, Any]]:
    for node in reversed(parent.childNodes()):
        if node.type() in LAYER_TYPES:
            yield depth, node
            yield from _below(node, depth + 1)


def format_of(node: Any) -> Format:
    """The colour space in which Krita gives a layer's pixels."""
    return Format(node.colorModel(), node.colorDepth(), node.colorProfile())


def require_open(document: Any) -> None:
    """Raises LimnerError no-document where the document has been closed."""
    if not is_open(document):
        raise LimnerError(
            "no-document",
            "The document was closed before the result was there.",
            "Open it and run again.",
        )


def read(document: Any, source: Source, profiles: Profiles) -> Reading:
    """Reads an input in strips; a layer comes padded to the canvas with transparency.

    Raises LimnerError layer-changed, missing-input or no-document.
    """
    if source.key.startswith(PALETTE):
        return (yield from _read_palette(source))
    for _ in range(ATTEMPTS):
        pixels = yield from _read_strips(document, source)
        if pixels is not None:
            break
    else:
        raise LimnerError(
            "layer-changed",
            f"The layer for '{source.role}' kept changing while it was read.",
            "Finish the stroke and run again.",
        )
    own = pixels.format
    if not (own.is_known and own.profile in profiles):
        return (yield from _converted(pixels))
    return pixels


def _read_strips(document: Any, source: Source) -> Generator[Optional[int], None, Optional[Pixels]]:
    """The pixels, or None where they changed between two readings."""
    yield from _wait_until_idle(document)
    width, height = document.width(), document.height()
    if source.key == SELECTION:
        take, name, own = _selection(document).pixelData, "Selection", Format(MASK, "U8", "")
    else:
        node = _require(document, source)
        # The projection is the layer with its masks, or the whole group.
        take, name, own = node.projectionPixelData, node.name(), format_of(node)
    rows = list(strips(width, height, take(0, 0, 1, 1).size()))
    parts = []
    for top, count in rows:
        parts.append(take(0, top, width, count))
        yield None
    if len(parts) > 1:
        # Krita tells nobody that a layer changed, so a second reading has to find out.
        yield from _wait_until_idle(document)
        for (top, count), part in zip(rows, parts):
            if take(0, top, width, count) != part:
                return None
            yield None
    return Pixels(source.role, name, width, height, own, parts)


def _wait_until_idle(document: Any) -> Generator[Optional[int], None, None]:
    """Waits until Krita has no stroke or update under way in the document."""
    while True:
        require_open(document)
        if document.tryBarrierLock():
            document.unlock()
            return
        yield IDLE_LOOK


def _require(document: Any, source: Source) -> Any:
    node = node_of(document, source.key)
    if node is None:
        raise LimnerError(
            "missing-input",
            f"The layer for '{source.role}' is gone.",
            "Choose another layer in the docker and run again.",
        )
    return node


def _selection(document: Any) -> Any:
    selection = document.selection()
    if selection is None:
        raise LimnerError(
            "missing-input", "The selection is gone.", "Select something and run again."
        )
    return selection


def _converted(pixels: Pixels) -> Reading:
    """The pixels in a colour space that can travel, as Krita converts them.

    This happens on a document of its own: converting a layer of the artist's document, even a copy
    that is nowhere to be seen, adds an undo step there.
    """
    target, height = pixels.format.nearest, max(1, pixels.height // len(pixels.strips))
    helper = Krita.instance().createDocument(pixels.width, height, "", *pixels.format, 72.0)
    try:
        parts = []
        for strip in pixels.strips:
            rows = strip.size() // (pixels.width * _krita_pixel_bytes(pixels))
            node = helper.createNode("strip", "paintlayer")
            node.setPixelData(strip, 0, 0, pixels.width, rows)
            node.setColorSpace(*target)
            parts.append(node.pixelData(0, 0, pixels.width, rows))
            yield None
    finally:
        helper.setModified(False)
        helper.close()
    return pixels._replace(format=target, strips=parts)


def _krita_pixel_bytes(pixels: Pixels) -> int:
    return sum(strip.size() for strip in pixels.strips) // (pixels.width * pixels.height)


def palettes() -> Dict[str, Any]:
    """Krita's palettes by name."""
    return Krita.instance().resources("palette")


def _read_palette(source: Source) -> Reading:
    """A palette as a row of pixels; sRGB, 16 bit."""
    name = source.key[len(PALETTE) :]
    resource = palettes().get(name)
    if resource is None:
        raise LimnerError(
            "missing-input", f"The palette '{name}' is gone.", "Choose another one and run again."
        )
    palette, colours = Palette(resource), bytearray()
    for index in range(palette.colorsCountTotal()):
        swatch = palette.colorSetEntryByIndex(index)
        if swatch is not None and swatch.isValid():
            colour = swatch.color()
            colour.setColorSpace("RGBA", "U16", SRGB)
            # `components` are in the order of the bytes, as in a layer.
            for component in colour.components():
                colours += min(65535, max(0, round(component * 65535))).to_bytes(2, "little")
        if index % 64 == 63:
            yield None
    pixel = 2 * CHANNELS["RGBA"]
    if not colours:
        raise LimnerError(
            "empty-layer", f"The palette '{name}' is empty.", "Choose another one and run again."
        )
    count = len(colours) // pixel
    own = Format("RGBA", "U16", SRGB)
    return Pixels(source.role, name, count, 1, own, [QByteArray(bytes(colours))])
