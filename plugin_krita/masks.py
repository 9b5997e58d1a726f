"""Puts a mask into the document: as the selection, or as a mask on the layer that it is of."""

from typing import Any, Generator, Optional

from krita import Krita, Selection

from . import document as documents
from .bindings import DocumentState, Made
from .commands import LOOK, LOOKS, activate, wait_for_return
from .document import key_of, node_of
from .ipc.catalog import Operation
from .ipc.errors import LimnerError
from .pixels import Drawn
from .qt import QByteArray
from .result import CONTAINER, fingerprint

Steps = Generator[Optional[int], None, int]
"""Steps (see turns.py) that end with the number of undo steps."""


def select(state: DocumentState, operation: Operation, drawn: Drawn) -> Steps:
    """Makes the mask the selection, soft values included; one undo step.

    Krita cannot undo a selection that a script makes. So the mask is put aside on some layer, where
    it changes nothing, and Krita's own command selects by it.
    """
    document = state.document
    aside = document.createSelectionMask(CONTAINER)
    aside.setSelection((yield from _selection(document, drawn)))
    yield from wait_for_return(document)
    host, active = _childless(document), document.activeNode()
    children = host.childNodes()
    documents.set_children(host, [*children, aside])
    try:
        yield from _select_by(document, aside)
    finally:
        if documents.is_open(document):
            documents.set_children(host, children)
            document.setActiveNode(active)
    state.made_selections[operation.id] = documents.signature(document.selection())
    return 1


def put_on_layer(
    state: DocumentState,
    operation: Operation,
    primary_key: str,
    drawn: Drawn,
    replaced: Optional[Made],
) -> Steps:
    """Adds the mask to the primary layer as a transparency mask, in place of an earlier result.

    Adding it is the last undo step, so that the first undo removes it. Raises LimnerError
    layer-changed where the layer is gone.
    """
    document, steps = state.document, 1
    mask = document.createTransparencyMask(drawn.name)
    mask.setSelection((yield from _selection(document, drawn)))
    digest = yield from fingerprint(document, mask)
    layer = node_of(document, primary_key)
    if layer is None:
        raise LimnerError(
            "layer-changed",
            "The layer was removed before its mask was there.",
            "Choose another layer and run again.",
        )
    if replaced is not None:
        node_of(document, replaced.group).remove()
        steps += 1
        yield None
        documents.require_open(document)
    active = document.activeNode()
    layer.addChildNode(mask, None)
    state.made = [made for made in state.made if made is not replaced]
    state.made.append(Made(operation.id, primary_key, key_of(mask), [digest]))
    # Krita's layer list knows a new mask only after the event loop's next turn.
    yield None
    document.setActiveNode(active)
    return steps


def _selection(document: Any, drawn: Drawn) -> Generator[Optional[int], None, Any]:
    selection = Selection()
    for top, rows, data in drawn.strips:
        selection.setPixelData(QByteArray(data), drawn.x, top, drawn.width, rows)
        yield None
    documents.require_open(document)
    return selection


def _childless(document: Any) -> Any:
    """A layer with as few masks as there are on any; no group that has layers in it."""
    layers = [node for _, node in documents.layers(document)]
    hosts = [node for node in layers if node.type() != "grouplayer" or not node.childNodes()]
    return min(hosts, key=lambda node: len(node.childNodes()))


def _select_by(document: Any, mask: Any) -> Generator[Optional[int], None, None]:
    """Has Krita select by the mask, and waits until it has."""
    if not (yield from activate(document, mask)):
        raise _refused()
    Krita.instance().action("selectopaque").trigger()
    wanted = documents.signature(mask.selection())
    for _ in range(LOOKS):
        yield from documents.wait_until_idle(document)
        selection = document.selection()
        if selection is not None and documents.signature(selection) == wanted:
            return
        yield LOOK
    raise _refused()


def _refused() -> LimnerError:
    return LimnerError(
        "internal", "Krita did not select by the mask.", "Choose a mask on the layer and run again."
    )
