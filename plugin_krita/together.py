"""Puts several results into the document at once, so that one undo takes all of them back.

Each layer that a script adds is an undo step of its own. Layers that are dragged in the layer list,
one soon after another, are one step together. So the results are added in a hidden group, and go
from there to their places as if the artist had dragged them. Krita ends that step some seconds
later, or when the artist begins anything else, an undo too.
"""

from typing import Any, Callable, Generator, Optional, Sequence, Tuple

from krita import Krita

from . import document as documents
from .bindings import DocumentState, Made
from .commands import LOOKS, wait_for_return
from .document import key_of, node_of
from .ipc.catalog import Operation
from .ipc.errors import LimnerError
from .qt import QModelIndex, Qt, QTreeView
from .result import CONTAINER, Prepared, fingerprint

DOCKER, LIST = "KisLayerBox", "listLayers"
"""Krita's names of its docker of layers, and of the list in it."""
TRIED = "5.2."
"""Krita's versions in which this was tried: it counts on how its list of layers works inside."""
LOOK = 10
"""Milliseconds between two looks at whether Krita has moved a layer."""
DRAWN = 800
"""Milliseconds after the last one in which Krita begins to draw what was moved."""


class LayerList:
    """Krita's list of the layers of the document in view."""

    def __init__(self) -> None:
        # To look through the whole window takes tens of milliseconds.
        dockers = Krita.instance().dockers()
        docker = next((d for d in dockers if d.objectName() == DOCKER), None)
        self._view = None if docker is None else docker.findChild(QTreeView, LIST)

    def index_of(self, node: Any) -> Optional[QModelIndex]:
        """Where a layer is listed; None where it is not, or not yet, or others are filtered out."""
        parent, model = node.parentNode(), None if self._view is None else self._view.model()
        if parent is None or model is None:
            return None
        is_top = parent.parentNode() is None
        around = self._view.rootIndex() if is_top else self.index_of(parent)
        if around is None:
            return None
        listed = [child for child in reversed(parent.childNodes()) if not _is_selection(child)]
        row = [key_of(child) for child in listed].index(key_of(node))
        found = model.index(row, 0, around)
        fits = model.rowCount(around) == len(listed) and found.data() == node.name()
        return found if fits else None

    def lift(self, node: Any) -> Any:
        """What is dragged where the layer is."""
        return self._view.model().mimeData([self.index_of(node)])

    def drop_above(self, dragged: Any, node: Any) -> None:
        """Drops it above a layer."""
        place = self.index_of(node)
        move = Qt.DropAction.MoveAction
        self._view.model().dropMimeData(dragged, move, place.row(), 0, place.parent())


def place(
    state: DocumentState, operation: Operation, keys: Sequence[str], made: Sequence[Prepared]
) -> Generator[Optional[int], None, Tuple[int, bool]]:
    """Puts each result above its layer, and notes it. Steps, see turns.py.

    Returns the undo steps, the last of which takes all back, and whether they are in place. They
    are not where the layer list shows but a part of the layers, nor in another Krita than TRIED.
    Raises LimnerError internal.
    """
    if not Krita.instance().version().startswith(TRIED):
        return 0, False
    document, listed = state.document, LayerList()
    layers = [node_of(document, key) for key in keys]
    groups = [prepared.group for prepared in made]
    if any(layer is None or listed.index_of(layer) is None for layer in layers):
        return 0, False
    yield None
    stage = document.createGroupLayer(CONTAINER)
    stage.setVisible(False)
    yield from _note(state, operation, keys, made, stage)
    stage.setChildNodes(groups)
    filled = [group.childNodes() for group in groups]
    for group in groups:
        # To lift a group, Krita looks at each pixel in it.
        documents.set_children(group, [])
    layers[0].parentNode().addChildNode(stage, layers[0])
    yield None
    if not (yield from _wait(document, lambda: _are_listed(listed, [stage, *groups, *layers]))):
        stage.remove()
        for group, parts in zip(groups, filled):
            documents.set_children(group, parts)
        return 2, False
    # What is lifted waits for Krita, in the main thread.
    yield from documents.wait_until_idle(document)
    dragged = []
    for node in (*groups, stage):
        yield from _require(document, lambda node=node: listed.index_of(node) is not None)
        dragged.append(listed.lift(node))
        yield None
    for group, parts in zip(groups, filled):
        documents.set_children(group, parts)
        yield None
    # The empty group is moved too, into the first result, to be taken out there.
    targets = [*layers, filled[0][0]]
    for node, target, what in zip((*groups, stage), targets, dragged):
        yield from _require(document, lambda target=target: listed.index_of(target) is not None)
        listed.drop_above(what, target)
        yield from _require(document, lambda node=node, target=target: _is_above(node, target))
    yield None
    # A script may change what no undo step knows of: the first undo leaves no empty group behind.
    documents.set_children(groups[0], filled[0])
    yield DRAWN
    return 2, True


def _note(
    state: DocumentState,
    operation: Operation,
    keys: Sequence[str],
    made: Sequence[Prepared],
    stage: Any,
) -> Generator[Optional[int], None, None]:
    """Notes the results, the first also with the empty group, which a redo puts into it."""
    digest = yield from fingerprint(state.document, stage)
    state.containers.append(key_of(stage))
    for key, prepared in zip(keys, made):
        own = Made(operation.id, key, key_of(prepared.group), prepared.digests)
        with_stage = own._replace(digests=[*own.digests, digest])
        state.made += [with_stage, own] if prepared is made[0] else [own]


def _is_selection(node: Any) -> bool:
    return bool(node.type() == "selectionmask")


def _are_listed(listed: LayerList, nodes: Sequence[Any]) -> bool:
    return all(listed.index_of(node) is not None for node in nodes)


def _is_above(node: Any, other: Any) -> bool:
    parent = node.parentNode()
    return parent is not None and parent == other.parentNode() and node.index() == other.index() + 1


def _wait(document: Any, done: Callable[[], bool]) -> Generator[Optional[int], None, bool]:
    """Waits until it is done; returns whether it is once Krita has nothing else to do.

    The layer list is that of the document in view: so it waits for that too.
    """
    idle = 0
    while idle < LOOKS:
        yield from wait_for_return(document)
        if done():
            return True
        idle += documents.is_idle(document)
        yield LOOK
    return False


def _require(document: Any, done: Callable[[], bool]) -> Generator[Optional[int], None, None]:
    if not (yield from _wait(document, done)):
        raise LimnerError(
            "internal",
            "Krita did not move a result to its place.",
            "Undo until the results are gone, and run again.",
        )
