"""Layers and groups that are not yet in the document."""

from typing import Any, Dict, List, Tuple

from .document import format_of
from .pixels import Drawn, Format

Box = Tuple[int, int, int, int]
"""Left, top, right and bottom."""


class Blanks:
    """Empty layers; the first of a kind takes undo steps, and the others are its copies."""

    def __init__(self, document: Any) -> None:
        self.undo_steps = 0
        self._document = document
        self._blanks: Dict[Tuple[Format, str], Any] = {}

    def make(self, layer: Drawn) -> Any:
        """A layer outside the document, of this one's name, colour space and blending mode."""
        kind = (layer.format, layer.blending)
        if kind not in self._blanks:
            self._blanks[kind] = self._first(*kind)
        node = self._blanks[kind].duplicate()
        node.setName(layer.name)
        return node

    def _first(self, layer_format: Format, blending: str) -> Any:
        node = self._document.createNode("blank", "paintlayer")
        if format_of(node) != layer_format:
            node.setColorSpace(*layer_format)
            self.undo_steps += 1
        if blending != "normal":
            node.setBlendingMode(blending)
            self.undo_steps += 1
        return node


class Tree:
    """A group outside the document, and groups and layers in it.

    unseen: layers that cover all the others of their groups; Krita has to compute what is seen of
    them once they are attached.
    """

    def __init__(self, document: Any, title: str) -> None:
        self._document = document
        self._groups = {(): document.createGroupLayer(title)}
        self._children: Dict[Tuple[str, ...], List[Any]] = {(): []}
        self._tops: Dict[int, Any] = {}
        self._covered: Dict[Tuple[str, ...], List[Box]] = {}
        self.unseen: List[Any] = []

    def add(self, node: Any, path: Tuple[str, ...], layer: Drawn) -> None:
        """Adds a layer over the others. path: names of the groups around it, outermost first."""
        for length in range(len(path)):
            inner = path[: length + 1]
            if inner not in self._groups:
                self._groups[inner] = self._document.createGroupLayer(inner[-1])
                self._children[inner] = []
                self._children[path[:length]].append(self._groups[inner])
        self._children[path].append(node)
        covered, box = self._covered.setdefault(path, []), _box(layer)
        if not any(_is_within(box, other) for other in covered):
            covered.append(box)
            self.unseen.append(node)
        if layer.variant is not None:
            self._tops.setdefault(layer.variant, self._groups[path[:1]] if path else node)

    def close(self) -> Tuple[Any, Dict[int, Any]]:
        """The whole group, and which of its children each variant is."""
        # Adding children one by one would make an undo step of each, even outside the document.
        for path in sorted(self._groups, key=len, reverse=True):
            self._groups[path].setChildNodes(self._children[path])
        return self._groups[()], self._tops


def _box(layer: Drawn) -> Box:
    first, last = layer.strips[0], layer.strips[-1]
    return layer.x, first[0], layer.x + layer.width, last[0] + last[1]


def _is_within(box: Box, other: Box) -> bool:
    return all(a >= b for a, b in zip(box[:2], other[:2])) and all(
        a <= b for a, b in zip(box[2:], other[2:])
    )
