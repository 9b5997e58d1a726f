"""Krita's documents: finding layers, and reading what the artist sees of them."""

import time
import zlib
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Generator,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from krita import Krita, Palette

from .colours import KeyStrokes, has_strokes, pixel_of
from .ipc.errors import LimnerError
from .ipc.planes import palette_attributes, split_lock
from .pixels import MASK, SRGB, Format, Pixels, strips
from .profiles import Profiles
from .qt import QByteArray, QUuid
from .swatches import read_gimp_palette

LAYER_TYPES = ("paintlayer", "grouplayer", "vectorlayer", "filelayer", "clonelayer", "filllayer")
SELECTION = "selection"
CLEAR = "clear"
"""Role of the strokes that ask for no colour."""
PALETTE = "palette:"
DOCUMENTS = "documents"
"""In place of a layer's id: all documents that are open, each as the artist sees it."""
STARTED = time.time()
"""When Krita did, as far as this plug-in saw; its palettes are read from their files before."""
ATTEMPTS = 3
"""How often a layer is read anew when it changes meanwhile."""
IDLE_LOOK = 20
"""Milliseconds between two looks at whether Krita has finished painting."""
SAMPLED_ROWS = 64
"""Rows by which a selection is told from another; all of them would take too long to look at."""

Reading = Generator[Optional[int], None, Pixels]
"""Steps (see turns.py) that end with a layer's pixels."""
Take = Callable[[int, int, int, int], QByteArray]
"""Gives the bytes of x, y, width, height."""


class Source(NamedTuple):
    """Where an input comes from.

    key: a layer's id, a document's identity, SELECTION, or PALETTE and a palette's name.
    with_below: the layer together with all that lies under it, as the artist would see it with
    nothing above; of a document, all of it. without: the ids of masks, or of results, that are left
    out. of: the identity of the document whose layer or selection it is, where there are several;
    where that has no selection, all of it is selected.
    """

    role: str
    key: str
    with_below: bool = False
    without: Tuple[str, ...] = ()
    of: str = ""


def is_open(document: Any) -> bool:
    """Whether the document has not been closed."""
    return document in Krita.instance().documents()


def identity(document: Any) -> str:
    """What tells a document from all others as long as it is open."""
    return key_of(document.rootNode())


def in_view() -> List[Any]:
    """The documents that have a tab, in the order of these; Krita has others for its own use."""
    found: Dict[str, Any] = {}
    for window in Krita.instance().windows():
        for view in window.views():
            found.setdefault(identity(view.document()), view.document())
    return list(found.values())


def opened(key: str) -> Any:
    """The open document of that identity, or None."""
    documents = Krita.instance().documents() if key.startswith("{") else []
    return next((document for document in documents if identity(document) == key), None)


def title(document: Any) -> str:
    """What the artist calls it."""
    return Path(document.fileName()).stem or document.name() or "Not saved"


def key_of(node: Any) -> str:
    """A layer's id."""
    return node.uniqueId().toString()


def node_of(document: Any, key: str) -> Any:
    """The layer of that id, or None where it is gone."""
    return document.nodeByUniqueID(QUuid(key)) if key.startswith("{") else None


def set_children(node: Any, children: Sequence[Any]) -> None:
    """Gives a node these children alone; unlike addChildNode and remove, this is no undo step."""
    while node.childNodes():
        # Krita takes every other child away.
        node.setChildNodes([])
    node.setChildNodes(list(children))


def layers(document: Any, colorize_masks: bool = False) -> Iterator[Tuple[int, Any]]:
    """All layers from top to bottom, as the layer list shows them, each with its depth.

    There may be hundreds, and Krita gives each anew: it looks no further than it is asked to.
    """
    for depth, node in _below(document.rootNode(), 0):
        if colorize_masks or node.type() in LAYER_TYPES:
            yield depth, node


def selected(document: Any) -> List[Any]:
    """The layers selected in the layer list, from top to bottom; none of a document out of view."""
    window = Krita.instance().activeWindow()
    view = None if window is None else window.activeView()
    if view is None or view.document() != document:
        return []
    chosen = [node for node in view.selectedNodes() if node.type() in LAYER_TYPES]
    return sorted(chosen, key=_place)


def _place(node: Any) -> Tuple[int, ...]:
    """What sorts layers from top to bottom, a group before what lies in it."""
    parent = node.parentNode()
    return () if parent is None else (*_place(parent), -node.index())


def colorize_masks(layer: Any) -> List[Any]:
    """The Colorize Masks of a layer and of all that lies in it, from top to bottom."""
    return [node for _, node in _below(layer, 0) if has_strokes(node)]


def _below(parent: Any, depth: int) -> Iterator[Tuple[int, Any]]:
    for node in reversed(parent.childNodes()):
        if node.type() in LAYER_TYPES or has_strokes(node):
            yield depth, node
            yield from _below(node, depth + 1)


def parts(parent: Any, without: Sequence[str]) -> Iterator[Any]:
    """The layers that are seen in a group, but for some, from the lowest to the topmost.

    A group is one part, unless what lies in it passes through; then these are parts as well.
    """
    for node in _seen(parent):
        if key_of(node) not in without:
            yield node
            if passes_through(node):
                yield from parts(node, without)


def passes_through(node: Any) -> bool:
    """Whether it is a group whose layers Krita treats as if there were no group."""
    return node.type() == "grouplayer" and bool(node.passThroughMode())


def is_over_something(node: Any) -> bool:
    """Whether anything that the artist sees lies under the layer."""
    return any(_beside(node, slice(0, node.index()))) or (
        node.parentNode().parentNode() is not None and is_over_something(node.parentNode())
    )


def _above(node: Any) -> Iterator[Any]:
    """All that lies over the layer and is seen, in its group and in the groups around it."""
    while node.parentNode() is not None:
        yield from _beside(node, slice(node.index() + 1, None))
        node = node.parentNode()


def _beside(node: Any, places: slice) -> Iterator[Any]:
    return _seen(node.parentNode(), places)


def _seen(parent: Any, places: slice = slice(None)) -> Iterator[Any]:
    """Layers of a group that are seen, from the lowest to the topmost."""
    for node in parent.childNodes()[places]:
        if node.visible() and not node.type().endswith("mask"):
            yield node


def signature(selection: Any) -> str:
    """What tells a selection from any other."""
    x, y = selection.x(), selection.y()
    width, height = selection.width(), selection.height()
    digest = zlib.crc32(repr((x, y, width, height)).encode())
    for top in range(y, y + height, max(1, height // SAMPLED_ROWS)):
        digest = zlib.crc32(memoryview(selection.pixelData(x, top, width, 1)), digest)
    return f"{digest:08x}"


def format_of(node: Any) -> Format:
    """The colour space in which Krita gives the pixels of a layer or a document."""
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

    document: which one, unless the source is another. Raises LimnerError layer-changed,
    missing-input or no-document.
    """
    document = opened(source.of or source.key) or document
    if source.key.startswith(PALETTE):
        return (yield from _read_palette(source))
    if source.with_below:
        _require_shown(_require(document, source))
    for _ in range(ATTEMPTS):
        pixels = yield from _read_whole(document, source)
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


def _read_whole(document: Any, source: Source) -> Generator[Optional[int], None, Optional[Pixels]]:
    """The pixels, or None where they changed meanwhile; from a copy where something is left out."""
    yield from wait_until_idle(document)
    node = node_of(document, source.key)
    if has_strokes(node):
        return (yield from _read_strokes(document, source))
    masks = [node_of(document, key) for key in source.without]
    left_out = [key_of(mask) for mask in masks if mask is not None and mask.visible()]
    if source.with_below:
        left_out += [key_of(node) for node in _above(_require(document, source))]
    if not left_out or _is_bare(node, source):
        return (yield from _read_strips(document, source))
    copy = document.clone()
    try:
        # Krita has no other way to merge a part of the layers; it takes as long as merging does.
        for key in left_out:
            node_of(copy, key).setVisible(False)
        copy.refreshProjection()
        yield None
        return (yield from _read_strips(document, source, copy))
    finally:
        copy.setModified(False)
        copy.close()


def _read_strips(
    document: Any, source: Source, copy: Any = None
) -> Generator[Optional[int], None, Optional[Pixels]]:
    """The pixels of the document, or of the copy; None where they changed between two readings."""
    seen = copy or document
    yield from wait_until_idle(document, copy)
    width, height = seen.width(), seen.height()
    if source.key == SELECTION:
        take, name, own = _selection(seen, source), "Selection", Format(MASK, "U8", "")
    else:
        node = _require(document, source)
        # The projection is the layer with its masks, the whole group, or the whole document.
        take = seen.pixelData if source.with_below else _require(seen, source).projectionPixelData
        if _is_bare(node, source):
            take = _require(seen, source).pixelData
        name, own = node.name(), format_of(seen if source.with_below else node)
        name = name if node.parentNode() is not None else title(document)
    rows = list(strips(width, height, take(0, 0, 1, 1).size()))
    parts = yield from _take(document, take, width, rows, copy is None)
    return None if parts is None else Pixels(source.role, name, width, height, own, parts)


def _is_bare(node: Any, source: Source) -> bool:
    """Whether a paint layer shows no masks but those left out, and so nothing but its pixels."""
    if source.with_below or node is None or node.type() != "paintlayer":
        return False
    shown = {key_of(mask) for mask in node.childNodes() if mask.visible()}
    return bool(shown) and shown <= set(source.without)


def _read_strokes(
    document: Any, source: Source
) -> Generator[Optional[int], None, Optional[Pixels]]:
    """What is painted on a Colorize Mask; None where it changed between two readings."""
    mask, width, height = _require(document, source), document.width(), document.height()
    strokes = KeyStrokes(mask, clear=source.role == CLEAR)
    rows = list(strips(width, height, strokes.pixel_bytes))
    parts = yield from _take(document, strokes.take, width, rows, again=True)
    if parts is None:
        return None
    strokes.require_painted()
    return Pixels(source.role, mask.name(), width, height, strokes.format, parts, strokes.remarks)


def _take(
    document: Any,
    take: Take,
    width: int,
    rows: List[Tuple[int, int]],
    again: bool,
) -> Generator[Optional[int], None, Optional[List[QByteArray]]]:
    """The bytes of strips. again: to look twice; None where they changed in between."""
    parts = []
    for top, count in rows:
        parts.append(take(0, top, width, count))
        yield None
    if len(parts) > 1 and again:
        # Krita tells nobody that a layer changed, so a second reading has to find out.
        yield from wait_until_idle(document)
        for (top, count), part in zip(rows, parts):
            if take(0, top, width, count) != part:
                return None
            yield None
    return parts


def wait_until_idle(document: Any, copy: Any = None) -> Generator[Optional[int], None, None]:
    """Waits until Krita has no stroke or update under way in the document, or in its copy."""
    while True:
        require_open(document)
        if is_idle(copy or document):
            return
        yield IDLE_LOOK


def is_idle(document: Any) -> bool:
    """Whether Krita has no stroke or update under way in the document."""
    idle = bool(document.tryBarrierLock())
    if idle:
        document.unlock()
    return idle


def _require_shown(node: Any) -> None:
    name = node.name()
    while node.parentNode() is not None:
        if not node.visible():
            raise LimnerError(
                "missing-input",
                f"The layer '{name}' is hidden, so it is no part of the picture.",
                "Show it and run again.",
            )
        node = node.parentNode()


def _require(document: Any, source: Source) -> Any:
    node = node_of(document, source.key)
    if node is None:
        raise LimnerError(
            "missing-input",
            f"The layer for '{source.role}' is gone.",
            "Choose another layer in the docker and run again.",
        )
    return node


def _selection(document: Any, source: Source) -> Take:
    """What gives the bytes of the document's selection."""
    selection = document.selection()
    if selection is not None:
        return selection.pixelData
    if source.of:
        return lambda *frame: QByteArray(frame[2] * frame[3], b"\xff")
    raise LimnerError("missing-input", "The selection is gone.", "Select something and run again.")


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
    remark = f"Krita converted “{pixels.name}” to sRGB for this."
    return pixels._replace(format=target, strips=parts, remarks=(*pixels.remarks, remark))


def _krita_pixel_bytes(pixels: Pixels) -> int:
    return sum(strip.size() for strip in pixels.strips) // (pixels.width * pixels.height)


def palette_folder() -> Path:
    """Where Krita looks for palettes when it starts."""
    chosen = Krita.instance().readSetting("", "ResourceDirectory", "")
    return Path(chosen or Krita.getAppDataLocation()) / "palettes"


def palettes() -> Dict[str, Any]:
    """By name: Krita's palettes, and the files of those that it knows after its next start."""
    return {**Krita.instance().resources("palette"), **_saved_palettes()}


def _saved_palettes() -> Dict[str, Path]:
    """The .gpl files that came or were changed since Krita started, by the palette's name."""
    found = {}
    for file in palette_folder().glob("*.gpl"):
        try:
            if file.stat().st_mtime > STARTED:
                name, _, _ = read_gimp_palette(file.read_text(encoding="utf-8"))
                found[name or file.stem] = file
        except (OSError, ValueError):
            continue
    return found


def _read_palette(source: Source) -> Reading:
    """A palette as a row of pixels, sRGB, with the names and locks of its colours."""
    name = source.key[len(PALETTE) :]
    given = palettes().get(name)
    if given is None:
        raise LimnerError(
            "missing-input", f"The palette '{name}' is gone.", "Choose another one and run again."
        )
    if isinstance(given, Path):
        _, codes, names = read_gimp_palette(given.read_text(encoding="utf-8"))
        colours = b"".join(codes[n : n + 3][::-1] + b"\xff" for n in range(0, len(codes), 3))
        own = Format("RGBA", "U8", SRGB)
    else:
        own = Format("RGBA", "U16", SRGB)
        colours, names = yield from _read_swatches(Palette(given), own)
    if not colours:
        raise LimnerError(
            "empty-layer", f"The palette '{name}' is empty.", "Choose another one and run again."
        )
    attributes = palette_attributes(map(split_lock, names))
    strips = [QByteArray(colours)]
    return Pixels(source.role, name, len(names), 1, own, strips, attributes=attributes)


def _read_swatches(
    palette: Any, own: Format
) -> Generator[Optional[int], None, Tuple[bytes, List[str]]]:
    """The pixels of a palette's colours, and their names."""
    colours, names = bytearray(), []
    for index in range(palette.colorsCountTotal()):
        swatch = palette.colorSetEntryByIndex(index)
        if swatch is not None and swatch.isValid():
            colours += pixel_of(swatch.color(), own)
            names.append(swatch.name())
        if index % 64 == 63:
            yield None
    return bytes(colours), names
