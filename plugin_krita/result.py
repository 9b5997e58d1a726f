"""Puts layers into the document: one group, one undo step for all that is seen of it."""

import zlib
from typing import Any, Generator, List, NamedTuple, Optional, Tuple

from krita import Krita

from . import document as documents
from .bindings import DocumentState, Made
from .document import format_of, key_of, node_of
from .engine import Answer
from .ipc.catalog import Operation
from .ipc.errors import LimnerError
from .pixels import Drawn, strips
from .qt import QByteArray

MOVE_LOOK, MOVE_LOOKS = 50, 60
"""Milliseconds between two looks at whether Krita has moved a layer, and how many looks at most."""
RETURN_LOOK = 300
"""Milliseconds between two looks at whether the artist is back in the document."""
CONTAINER = "Limner"


class Prepared(NamedTuple):
    """A result outside the document. undo_steps: those that preparing it took."""

    group: Any
    layers: int
    digests: List[str]
    undo_steps: int


def prepare(
    state: DocumentState, operation: Operation, answer: Answer
) -> Generator[Optional[int], None, Prepared]:
    """Makes the group and its layers; nothing is seen of them yet. Steps, see turns.py."""
    document, steps = state.document, 0
    documents.require_open(document)
    group = document.createGroupLayer(operation.title)
    nodes, digests = [], []
    for layer in answer.layers:
        node = document.createNode(layer.name, "paintlayer")
        steps += yield from _fill(document, node, layer)
        digests.append((yield from fingerprint(document, node)))
        nodes.append(node)
    # Adding children one by one would make an undo step of each, even outside the document.
    group.setChildNodes(nodes)
    return Prepared(group, len(nodes), digests, steps)


def make_room(
    state: DocumentState, operation: Operation, primary_key: str
) -> Generator[Optional[int], None, int]:
    """Puts an empty group under the lowest layer, to hold results; returns the undo steps.

    A script can only add a layer over another one. So the group is added over the line layer and
    then moved by Krita's own command, which takes the active layer of the document in view.
    """
    document, steps = state.document, 1
    yield from wait_for_return(document)
    primary = node_of(document, primary_key)
    if primary is None or not operation.works_on_line_art or _below(primary) is not None:
        return 0
    active, place = document.activeNode(), None
    container = document.createGroupLayer(CONTAINER)
    primary.parentNode().addChildNode(container, primary)
    for _ in range(MOVE_LOOKS):
        yield MOVE_LOOK
        if _below(primary) == container:
            state.containers.append(key_of(container))
            document.setActiveNode(active)
            return steps
        # Where the line art is a group, the command leads through it, layer by layer.
        if (key_of(container.parentNode()), container.index()) != place:
            place = key_of(container.parentNode()), container.index()
            yield from wait_for_return(document)
            document.setActiveNode(container)
            Krita.instance().action("move_layer_down").trigger()
            steps += 1
    container.remove()
    document.setActiveNode(active)
    raise LimnerError(
        "internal",
        f"Krita did not move a group under '{primary.name()}'.",
        "Add an empty layer under it and run again.",
    )


def find_earlier(
    state: DocumentState, operation: Operation, primary_key: str
) -> Generator[Optional[int], None, Tuple[Optional[Made], bool]]:
    """The operation's last result for this layer, if still there, and whether it was edited."""
    for made in reversed(state.made):
        group = node_of(state.document, made.group)
        if (made.operation, made.primary) == (operation.id, primary_key) and group is not None:
            return made, (yield from _is_edited(state.document, group, made))
    return None, False


def place(
    state: DocumentState,
    operation: Operation,
    primary_key: str,
    prepared: Prepared,
    replaced: Optional[Made],
    on_paper: bool,
) -> Generator[Optional[int], None, Tuple[bool, int]]:
    """Puts the group under or above the primary layer, in place of an earlier result.

    Returns whether the primary layer was set to Multiply, and the undo steps. Attaching the group
    is the last of them, so that the first undo removes the whole result.
    """
    document, multiplied, steps = state.document, False, 1
    if replaced is not None:
        node_of(document, replaced.group).remove()
        steps += 1
        yield None
    primary = node_of(document, primary_key)
    if on_paper and primary is not None and primary.blendingMode() == "normal":
        primary.setBlendingMode("multiply")
        multiplied, steps = True, steps + 1
        yield None
    documents.require_open(document)
    active = document.activeNode()
    _attach(state, operation, primary, prepared.group)
    state.made = [made for made in state.made if made is not replaced]
    made = Made(operation.id, primary_key, key_of(prepared.group), prepared.digests)
    state.made.append(made)
    # Krita's layer list knows a new layer only after the event loop's next turn.
    yield None
    document.setActiveNode(active)
    return multiplied, steps


def _fill(document: Any, node: Any, layer: Drawn) -> Generator[Optional[int], None, int]:
    """Writes a layer that is not yet in the document; returns the undo steps that it took."""
    steps = 0
    if format_of(node) != layer.format:
        node.setColorSpace(*layer.format)
        steps += 1
    if layer.blending != "normal":
        node.setBlendingMode(layer.blending)
        steps += 1
    node.setOpacity(round(255 * layer.opacity))
    yield None
    for top, rows, data in layer.strips:
        node.setPixelData(QByteArray(data), layer.x, top, layer.width, rows)
        yield None
    documents.require_open(document)
    return steps


def fingerprint(document: Any, node: Any) -> Generator[Optional[int], None, str]:
    """What tells whether a layer was edited: its looks, its masks and its pixels."""
    looks = (node.name(), node.opacity(), node.blendingMode(), len(node.childNodes()))
    digest = zlib.crc32(repr(looks).encode())
    width, height = document.width(), document.height()
    for top, rows in strips(width, height, node.pixelData(0, 0, 1, 1).size()):
        digest = zlib.crc32(memoryview(node.pixelData(0, top, width, rows)), digest)
        yield None
    documents.require_open(document)
    return f"{digest:08x}"


def _is_edited(document: Any, group: Any, made: Made) -> Generator[Optional[int], None, bool]:
    if group.type() == "transparencymask":
        return [(yield from fingerprint(document, group))] != made.digests
    children = group.childNodes()
    if len(children) != len(made.digests):
        return True
    for child, digest in zip(children, made.digests):
        if child.type() != "paintlayer" or (yield from fingerprint(document, child)) != digest:
            return True
    return False


def _attach(state: DocumentState, operation: Operation, primary: Any, group: Any) -> None:
    """Adds the group under a line layer, above another one, or on top where that is gone."""
    if primary is None:
        state.document.rootNode().addChildNode(group, None)
        return
    below = _below(primary)
    if not operation.works_on_line_art:
        primary.parentNode().addChildNode(group, primary)
    elif key_of(below) in state.containers:
        below.addChildNode(group, None)
    else:
        primary.parentNode().addChildNode(group, below)


def _below(node: Any) -> Any:
    """The next layer below in the same group, or None."""
    index = node.index()
    return node.parentNode().childNodes()[index - 1] if index else None


def wait_for_return(document: Any) -> Generator[Optional[int], None, None]:
    """Waits until the document is the one in view."""
    documents.require_open(document)
    while Krita.instance().activeDocument() != document:
        yield RETURN_LOOK
        documents.require_open(document)
