"""Puts layers into the document: one group, one undo step for all that is seen of it."""

import zlib
from typing import Any, Generator, List, NamedTuple, Optional, Tuple

from krita import Krita

from . import document as documents
from .bindings import DocumentState, Made, Variant
from .commands import LOOK, LOOKS, activate, remove_together, repaint, wait_for_return
from .document import key_of, node_of
from .engine import Answer
from .ipc.catalog import Operation
from .ipc.errors import LimnerError
from .pixels import Drawn, strips
from .qt import QByteArray
from .tree import Blanks, Tree

CONTAINER = "Limner"


class Prepared(NamedTuple):
    """A result outside the document.

    digests: of what lies in the group. undo_steps: those that preparing it took. variants: only
    where there are several. unseen: layers of which Krita has to compute what is seen, see
    tree.Tree.
    """

    group: Any
    layers: int
    digests: List[str]
    undo_steps: int
    variants: List[Variant]
    unseen: List[Any]


def prepare(
    state: DocumentState, operation: Operation, answer: Answer
) -> Generator[Optional[int], None, Prepared]:
    """Makes the group and its layers; nothing is seen of them yet. Steps, see turns.py.

    Of several variants only the first will be seen.
    """
    document = state.document
    documents.require_open(document)
    # The group that is made in any case stands for one that is around all layers.
    shared = len({layer.group[:1] for layer in answer.layers}) == 1
    blanks, tree = Blanks(document), Tree(document, operation.title)
    for layer in answer.layers:
        node = blanks.make(layer)
        yield from _fill(document, node, layer)
        tree.add(node, layer.group[1:] if shared else layer.group, layer)
    group, tops = tree.close()
    parts = group.childNodes()
    digests = yield from _fingerprints(document, parts)
    digest_of = {key_of(part): digest for part, digest in zip(parts, digests)}
    found = []
    for number, picture in sorted(answer.pictures.items()):
        top = tops[number]
        top.setVisible(not found)
        seed = next(layer.seed for layer in answer.layers if layer.variant == number)
        found.append(Variant(key_of(top), top.name(), seed, digest_of[key_of(top)], picture))
    count, steps = len(answer.layers), blanks.undo_steps
    return Prepared(group, count, digests, steps, found, tree.unseen)


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
    for _ in range(LOOKS):
        yield LOOK
        if _below(primary) == container:
            state.containers.append(key_of(container))
            document.setActiveNode(active)
            return steps
        # Where the line art is a group, the command leads through it, layer by layer.
        if (key_of(container.parentNode()), container.index()) != place:
            place = key_of(container.parentNode()), container.index()
            if (yield from activate(document, container)):
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
            return made, (yield from _is_edited(state, group))
    return None, False


def remove(state: DocumentState, earlier: List[Made]) -> Generator[Optional[int], None, int]:
    """Removes earlier results, for new ones to take their place; returns the undo steps."""
    document = state.document
    found = [node_of(document, made.group) for made in earlier]
    groups = [group for group in found if group is not None]
    steps = len(groups)
    if steps > 1:
        steps = yield from remove_together(document, groups)
    elif groups:
        groups[0].remove()
    gone = {made.group for made in earlier}
    state.made = [made for made in state.made if made.group not in gone]
    yield None
    return steps


def place(
    state: DocumentState,
    operation: Operation,
    primary_key: str,
    prepared: Prepared,
    lines_mode: str,
) -> Generator[Optional[int], None, Tuple[bool, int]]:
    """Puts the group under or above the primary layer.

    lines_mode: how the primary layer has to blend. Returns whether it was set to that, and the undo
    steps. Attaching the group is the last of them, so that the first undo removes the whole result.
    """
    document, set_mode, steps = state.document, False, 1
    primary = node_of(document, primary_key)
    usual = primary is not None and primary.blendingMode() == "normal"
    if usual and lines_mode != "normal":
        primary.setBlendingMode(lines_mode)
        set_mode, steps = True, steps + 1
    yield None
    documents.require_open(document)
    active = document.activeNode()
    # What is hidden Krita need not compute while the main thread waits; `repaint` comes after.
    prepared.group.setVisible(prepared.layers == 1)
    _attach(state, operation, primary, prepared.group)
    prepared.group.setVisible(True)
    made = Made(operation.id, primary_key, key_of(prepared.group), prepared.digests)
    state.made.append(made)
    # Krita's layer list knows a new layer only after the event loop's next turn.
    yield None
    document.setActiveNode(active)
    yield None
    if prepared.layers > 1:
        yield from repaint(document, prepared.unseen)
        yield None
    return set_mode, steps


def _fill(document: Any, node: Any, layer: Drawn) -> Generator[Optional[int], None, None]:
    """Writes a layer that is not yet in the document."""
    node.setOpacity(round(255 * layer.opacity))
    yield None
    for top, rows, data in layer.strips:
        node.setPixelData(QByteArray(data), layer.x, top, layer.width, rows)
        yield None
    documents.require_open(document)


def fingerprint(document: Any, node: Any) -> Generator[Optional[int], None, str]:
    """What tells whether a layer was edited: its looks, its masks and its pixels.

    Of a group, what tells it of all that lies in it.
    """
    looks = (node.name(), node.opacity(), node.blendingMode(), len(node.childNodes()))
    digest = zlib.crc32(repr(looks).encode())
    if node.type() == "grouplayer":
        for child in node.childNodes():
            digest = zlib.crc32((yield from fingerprint(document, child)).encode(), digest)
        return f"{digest:08x}"
    width, height = document.width(), document.height()
    for top, rows in strips(width, height, node.pixelData(0, 0, 1, 1).size()):
        digest = zlib.crc32(memoryview(node.pixelData(0, top, width, rows)), digest)
        yield None
    documents.require_open(document)
    return f"{digest:08x}"


def _fingerprints(document: Any, nodes: List[Any]) -> Generator[Optional[int], None, List[str]]:
    digests: List[str] = []
    for node in nodes:
        digest = yield from fingerprint(document, node)
        digests.append(digest)
    return digests


def _is_edited(state: DocumentState, group: Any) -> Generator[Optional[int], None, bool]:
    parts = [group] if group.type() == "transparencymask" else group.childNodes()
    known = [made.digests for made in state.made if made.group == key_of(group)]
    if len(parts) not in [len(digests) for digests in known]:
        return True
    return (yield from _fingerprints(state.document, parts)) not in known


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
