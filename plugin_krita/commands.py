"""Krita's own commands, for what its scripting cannot do; they act on the layers selected."""

from typing import Any, Generator, Iterator, List, Optional

from krita import Krita

from . import document as documents
from .document import key_of

LOOK, LOOKS = 50, 60
"""Milliseconds between two looks at whether Krita has done it, and how many looks at most."""
RETURN_LOOK = 300
"""Milliseconds between two looks at whether the artist is back in the document."""


def wait_for_return(document: Any) -> Generator[Optional[int], None, None]:
    """Waits until the document is the one in view."""
    documents.require_open(document)
    while Krita.instance().activeDocument() != document:
        yield RETURN_LOOK
        documents.require_open(document)


def activate(document: Any, node: Any) -> Generator[Optional[int], None, bool]:
    """Makes the node the active one of the document in view, with nothing under way there.

    Returns whether it is.
    """
    for _ in range(LOOKS):
        yield from wait_for_return(document)
        _activate(document, node)
        yield None
        yield from documents.wait_until_idle(document)
        if _is_active(document, node):
            return True
        yield LOOK
    return False


def activate_again(document: Any, node: Any) -> None:
    """Makes a node the active one that was it before, if it is still there."""
    if node is not None and _left(document, [node]):
        _activate(document, node)


def activate_on_return(document: Any, node: Any) -> Generator[Optional[int], None, None]:
    """Makes a node the active one again as soon as the document is in view.

    In one that is out of view Krita goes on to another node where any is removed: to the selection,
    maybe, which it shows as a red cover then.
    """
    yield from wait_for_return(document)
    activate_again(document, node)


def _activate(document: Any, node: Any) -> None:
    """Makes the node the active one; Krita takes milliseconds for it, also where it is that."""
    if not _is_active(document, node):
        document.setActiveNode(node)


def _is_active(document: Any, node: Any) -> bool:
    return Krita.instance().activeDocument() == document and document.activeNode() == node


def repaint(document: Any, nodes: List[Any]) -> Generator[Optional[int], None, None]:
    """Has Krita compute what is seen where layers lie, with all groups around them; no undo step.

    Krita shows nothing of a group that was filled before it was attached, and does not notice that
    a script shows a layer. Hiding a layer and showing it again makes Krita look, and two steps that
    cancel each other out are dropped from its history.
    """
    yield from documents.wait_until_idle(document)
    active = document.activeNode()
    try:
        for node in nodes:
            # Krita's command would wait for what is under way, in the main thread.
            if (yield from activate(document, node)):
                yield from _toggle_twice(document, node)
                yield None
    finally:
        if documents.is_open(document):
            activate_again(document, active)


def _toggle_twice(document: Any, node: Any) -> Generator[Optional[int], None, None]:
    """Hides the active layer and shows it again, also where these steps are stopped in between."""
    toggle = Krita.instance().action("toggle_layer_visibility")
    toggle.trigger()
    try:
        yield from activate(document, node)
    finally:
        if documents.is_open(document):
            if _is_active(document, node):
                toggle.trigger()
            else:
                node.setVisible(True)


def remove_together(document: Any, nodes: List[Any]) -> Generator[Optional[int], None, int]:
    """Removes layers in one undo step, or in one each where Krita refuses; returns the steps.

    Scripts cannot select layers, but Krita has a command that selects all that are locked.
    """
    yield from documents.wait_until_idle(document)
    active = document.activeNode()
    if (yield from activate(document, nodes[0])):
        _select(document, nodes)
        yield None
        view = Krita.instance().activeWindow().activeView()
        if _keys(view.selectedNodes()) == _keys(nodes):
            Krita.instance().action("remove_layer").trigger()
            for _ in range(LOOKS):
                yield LOOK
                documents.require_open(document)
                if not _left(document, nodes):
                    activate_again(document, active)
                    return 1
    left = _left(document, nodes)
    for node in left:
        node.remove()
        yield None
        documents.require_open(document)
    activate_again(document, active)
    return len(left)


def select(document: Any, nodes: List[Any]) -> Generator[Optional[int], None, None]:
    """Selects layers in the layer list of the document in view, the topmost as the active one."""
    for _ in range(LOOKS):
        documents.require_open(document)
        left = _left(document, nodes)
        if Krita.instance().activeDocument() != document or len(left) < 2:
            return
        view = Krita.instance().activeWindow().activeView()
        # For those that are selected already Krita's command selects all others.
        if _keys(view.selectedNodes()) == _keys(left):
            return
        _select(document, left)
        yield LOOK


def _select(document: Any, nodes: List[Any]) -> None:
    locked = [node for node in _all(document.rootNode()) if node.locked()]
    for node in locked:
        node.setLocked(False)
    for node in nodes:
        node.setLocked(True)
    Krita.instance().action("select_locked_layers").trigger()
    for node in nodes:
        node.setLocked(False)
    for node in locked:
        node.setLocked(key_of(node) not in _keys(nodes))


def _all(parent: Any) -> Iterator[Any]:
    for node in parent.childNodes():
        yield node
        yield from _all(node)


def _keys(nodes: List[Any]) -> List[str]:
    return sorted(key_of(node) for node in nodes)


def _left(document: Any, nodes: List[Any]) -> List[Any]:
    return [node for node in nodes if documents.node_of(document, key_of(node)) is not None]
