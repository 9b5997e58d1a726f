"""What the docker keeps for each document: the operation, its settings, and which layer is what."""

import json
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from . import document as documents
from .colours import has_transparent_strokes
from .document import (
    CLEAR,
    DOCUMENTS,
    LAYER_TYPES,
    PALETTE,
    SELECTION,
    Source,
    identity,
    key_of,
    node_of,
)
from .ipc import catalog
from .ipc.errors import LimnerError
from .pixels import Pixels
from .qt import QByteArray, QImage
from .swatches import Swatch, Swatches

ANNOTATION = "limner"
AUTOMATIC, NOTHING = "", "none"
LAYER_MASK = "layer-mask"
SCRIBBLES = "Scribbles"
INDENT = "    "
AUTOMATIC_TEXTS = {
    "line-art": "Active layer",
    "image": "Active layer",
    "scribbles": "Layer named Scribbles, else Colorize Mask",
    "mask": "Selection",
}
"""What an input is bound to until the artist chooses; the others are bound to nothing."""
TRANSPARENT = "Transparent strokes of the Colorize Mask"
COMPOSITE_TEXTS = {"image": "Active layer and below", "mask": "Selection, else the layer"}
"""The same for operations that look at a thing within a picture."""
SET_TEXT = "Selected layers"
"""The same of the primary input of operations on a set of pictures."""
DOCUMENTS_TEXT = "Open documents"
BELOW = "{} and below"
COMMON = "common"
"""In place of a layer's id: the palette that the pictures of a set have in common."""


class Made(NamedTuple):
    """A result in the document.

    primary: the id of its layer; DOCUMENTS where that is the whole document. group: the id of the
    group, or of the mask; digests: of what lies in it, as written.
    """

    operation: str
    primary: str
    group: str
    digests: List[str]


class Variant(NamedTuple):
    """One of several results of a run, which all lie in one group.

    key: the id of its layer or group. seed: None where the engine gave none. digest: of its layers
    as they were written.
    """

    key: str
    name: str
    seed: Optional[int]
    digest: str
    picture: QImage


class DocumentState:
    """The settings of one document; they travel with it in an annotation.

    swatches: by operation and primary layer, or COMMON, what the last run gave and the artist made
    of it.
    variants: of the last run, where it had several; they are forgotten with the document.
    """

    def __init__(self, document: Any, state_of: Callable[[Any], "DocumentState"]) -> None:
        """state_of: gives the states of other documents."""
        self.document, self.state_of = document, state_of
        self.operation = catalog.CATALOG[0]
        self.params: Dict[str, Dict[str, catalog.Value]] = {}
        self.bindings: Dict[str, Dict[str, str]] = {}
        self.mask_places: Dict[str, str] = {}
        self.swatches: Dict[str, Dict[str, Swatches]] = {}
        self.made: List[Made] = []
        self.made_selections: Dict[str, str] = {}
        self.containers: List[str] = []
        self.report: Dict[str, Any] = {}
        self.variants: List[Variant] = []
        self._last_primary = ""
        self._last_set: List[str] = []
        self._strip_of = ""
        self._restore(bytes(document.annotation(ANNOTATION)))

    def save(self) -> None:
        """Writes the settings and the last run's report into the document's annotation."""
        kept = {
            "operation": self.operation.id,
            "params": self.params,
            "bindings": self.bindings,
            "mask_places": self.mask_places,
            "swatches": {
                name: {key: strip.kept() for key, strip in strips.items()}
                for name, strips in self.swatches.items()
            },
            "made": [made._asdict() for made in self.made],
            "made_selections": self.made_selections,
            "containers": self.containers,
            "report": self.report,
        }
        data = QByteArray(json.dumps(kept).encode())
        self.document.setAnnotation(ANNOTATION, "Limner's settings and last run", data)

    def _restore(self, data: bytes) -> None:
        if not data:
            return
        try:
            kept = json.loads(data.decode())
            self.operation = catalog.operation(kept["operation"])
            self.params = {name: dict(values) for name, values in kept["params"].items()}
            self.bindings = {
                name: {role: str(key) for role, key in keys.items()}
                for name, keys in kept["bindings"].items()
            }
            self.mask_places = dict(kept.get("mask_places", {}))
            self.swatches = {
                name: {key: Swatches.of_kept(strip) for key, strip in strips.items()}
                for name, strips in kept.get("swatches", {}).items()
            }
            self.made = [Made(**made) for made in kept["made"]]
            self.made_selections = dict(kept.get("made_selections", {}))
            self.containers = [str(key) for key in kept["containers"]]
            self.report = dict(kept["report"])
        except (AttributeError, KeyError, TypeError, ValueError, LimnerError):
            # Written by another version: the settings start afresh.
            return

    def values(self) -> Dict[str, catalog.Value]:
        """The operation's parameters, defaults where the artist set nothing."""
        chosen = self.params.get(self.operation.id, {})
        known = {p.name for p in self.operation.parameters}
        try:
            return self.operation.check_params({k: v for k, v in chosen.items() if k in known})
        except LimnerError:
            return self.operation.check_params({})

    def overruled(self) -> Dict[str, str]:
        """Parameters that have no effect with the inputs of the next run, and why."""
        asked = {role for p in self.operation.parameters for role in p.overruled_by}
        given = {self._links_role(key) for key in self._linked()} if asked else set()
        for entry in self.operation.inputs:
            if entry.role in asked and entry.kind != "links" and self._keys(entry):
                given.add(entry.role)
        return self.operation.overruled(given)

    def set_value(self, name: str, value: catalog.Value) -> None:
        """Sets a parameter."""
        self.params.setdefault(self.operation.id, {})[name] = value

    def reset_values(self) -> None:
        """Sets the operation's parameters, and the place of its mask, back to their defaults."""
        self.params.pop(self.operation.id, None)
        self.mask_places.pop(self.operation.id, None)

    @property
    def mask_place(self) -> str:
        """Where a mask goes that the operation makes: SELECTION, or LAYER_MASK."""
        chosen = self.mask_places.get(self.operation.id)
        return LAYER_MASK if chosen == LAYER_MASK else SELECTION

    def binding(self, role: str) -> str:
        """What the input is bound to: AUTOMATIC, NOTHING, or a source's key."""
        return self.bindings.get(self.operation.id, {}).get(role, AUTOMATIC)

    def bind(self, role: str, key: str) -> None:
        """Binds an input; with another palette, the one in common begins afresh."""
        self.bindings.setdefault(self.operation.id, {})[role] = key
        if self.operation.input(role).kind == "palette":
            self._strips().pop(COMMON, None)

    @property
    def strip(self) -> Optional[Swatches]:
        """The operation's swatches for the picture that is its primary input, or for `strip_of`."""
        return self.swatches_of(self.strip_of)

    @property
    def strip_of(self) -> str:
        """The id of the layer of which the swatches are shown; empty where there are none."""
        keys = [key for key, _ in self.palettes()]
        wanted = (self._strip_of, self._last_primary, identity(self.document), *keys)
        return next((key for key in wanted if key in keys), "")

    @property
    def common(self) -> Optional[Swatches]:
        """The swatches of the palette in common, where pictures of the set have some."""
        return self.swatches_of(COMMON) if self.palettes() else None

    def swatches_of(self, key: str) -> Optional[Swatches]:
        """The operation's swatches for a picture, or for COMMON, as far as they are known."""
        return self._strips().get(key)

    def look_at(self, key: str) -> None:
        """Has the swatches of that picture of a set be shown."""
        self._strip_of = key

    def palettes(self) -> List[Tuple[str, str]]:
        """Ids and names of the pictures of which there are swatches."""
        keys = self.pictures() if self.operation.links is not None else []
        found = [(key, self.name_of(key)) for key in keys if key in self._strips()]
        return [(key, name) for key, name in found if name]

    def name_of(self, key: str) -> str:
        """What the artist calls a layer or another document; empty where it is gone."""
        document, node = documents.opened(key), node_of(self.document, key)
        if document is not None:
            return documents.title(document)
        return "" if node is None else str(node.name())

    def set_strip(self, key: str, strip: Swatches) -> None:
        """Takes what the artist made of the swatches of a picture, or of COMMON.

        What pictures have from there changes along.
        """
        strips = self._strips()
        earlier, strips[key] = strips.get(key), strip
        if key == COMMON and earlier is not None:
            pairs = zip(earlier.now, strip.now)
            changed = {old.rgb: new for old, new in pairs if old != new}
            for other in strips.keys() - {COMMON}:
                strips[other] = strips[other].following(changed)

    def links(self) -> List[Pixels]:
        """Swatches as inputs, where the artist changed any."""
        strips = self._strips()
        return [strips[key].pixels(self._links_role(key)) for key in self._linked()]

    def _links_role(self, key: str) -> str:
        """The role of a picture's swatches as an input, or of COMMON."""
        entry = self.operation.common_links if key == COMMON else self.operation.links
        return entry.role

    def sent(self) -> Dict[str, Dict[int, Swatch]]:
        """What `links` has of the artist's choice, by layer, or COMMON."""
        return {key: dict(self._strips()[key].links) for key in self._linked()}

    def _linked(self) -> List[str]:
        """Whose swatches are sent: COMMON, and all pictures or none, where all are known."""
        strips, keys = self._strips(), self.pictures()
        found = [COMMON] if COMMON in strips and strips[COMMON].links else []
        if all(key in strips for key in keys) and any(strips[key].links for key in keys):
            found += keys
        return found

    def note_swatches(
        self, operation: str, primary: str, answer: Swatches, sent: Dict[int, Swatch]
    ) -> None:
        """Takes what a run gave for a layer. sent: the links that it had."""
        strips = self.swatches.setdefault(operation, {})
        known = strips.get(primary)
        strips[primary] = answer if known is None else known.answered(answer, sent)

    def _strips(self) -> Dict[str, Swatches]:
        return self.swatches.setdefault(self.operation.id, {})

    def choices(self, entry: catalog.Input) -> List[Tuple[str, str]]:
        """Keys and texts of all that an input can be bound to."""
        automatic = self._automatic_text(entry)
        texts = [(AUTOMATIC, automatic)]
        if entry is self.operation.primary and self.operation.takes_set:
            texts.append((DOCUMENTS, DOCUMENTS_TEXT))
        if not entry.required and automatic != "None":
            texts.append((NOTHING, "None"))
        if entry.kind == "palette":
            texts += [(PALETTE + name, name) for name in sorted(documents.palettes())]
        for depth, node in documents.layers(self.document, entry.kind == "scribbles"):
            texts.append((key_of(node), INDENT * depth + node.name()))
        return texts

    def _automatic_text(self, entry: catalog.Input) -> str:
        """What an input is bound to until the artist chooses, in words."""
        if entry.role == CLEAR:
            return TRANSPARENT
        if entry.kind == "image" and entry is not self.operation.primary:
            return "None"
        if entry is self.operation.primary and self.operation.takes_set:
            return SET_TEXT
        own = COMPOSITE_TEXTS if self.operation.works_on_composite else {}
        return own.get(entry.kind) or AUTOMATIC_TEXTS.get(entry.kind, "None")

    def text(self, entry: catalog.Input) -> str:
        """What the input is bound to now, in words."""
        key = self.binding(entry.role)
        if key == DOCUMENTS:
            keys = self.pictures()
            what = "document" if len(keys) == 1 else "documents"
            return f"{len(keys)} {what}: {self._names(keys)}"
        if key == AUTOMATIC:
            keys = self._keys(entry)
            if not keys or keys == [SELECTION]:
                return "Selection" if keys else "None"
            if len(keys) > 1:
                return f"{len(keys)} layers: {self._names(keys)}"
            return f"{self._name(entry, node_of(self.document, keys[0]))} (automatic)"
        if key == NOTHING:
            return "None"
        if key.startswith(PALETTE):
            return key[len(PALETTE) :]
        node = node_of(self.document, key)
        return "(layer is gone)" if node is None else self._name(entry, node)

    def _names(self, keys: List[str]) -> str:
        return ", ".join(self.name_of(key) for key in keys)

    def _name(self, entry: catalog.Input, node: Any) -> str:
        with_below = self.operation.works_on_composite and entry is self.operation.primary
        return BELOW.format(node.name()) if with_below else node.name()

    def sources(self) -> List[Source]:
        """Where the inputs of the next run come from, the primary one first; of a set, all of it.

        Raises LimnerError missing-input.
        """
        found = []
        for entry in self.operation.inputs:
            is_primary = entry is self.operation.primary
            below = is_primary and (self.operation.works_on_composite or self.is_of_documents)
            keys = self._keys(entry)
            found += [Source(entry.role, k, below, self._left_out(entry, k)) for k in keys]
            if not keys and entry.kind == "mask" and entry.required:
                raise LimnerError(
                    "missing-input",
                    f"'{self.operation.title}' does not know which part of the picture is meant.",
                    "Select it, or choose the layer that it lies on as 'Mask', and run again.",
                )
        self.operation.check_roles([source.role for source in found])
        return found

    def _keys(self, entry: catalog.Input) -> List[str]:
        if entry is self.operation.primary:
            return self.pictures()
        key = self.binding(entry.role)
        source = self._automatic(entry) if key == AUTOMATIC else key
        return [] if source in (None, NOTHING) else [source]

    def _left_out(self, entry: catalog.Input, key: str) -> Tuple[str, ...]:
        """Colorize Masks of line art, since they show their colours over the ink.

        Of a whole document, what an earlier run put on top of it.
        """
        if entry is self.operation.primary and self.is_of_documents:
            own = (self.operation.id, DOCUMENTS)
            made = self.state_of(documents.opened(key)).made
            return tuple(m.group for m in made if (m.operation, m.primary) == own)
        node = node_of(self.document, key)
        if entry.kind != "line-art" or node is None:
            return ()
        return tuple(key_of(mask) for mask in documents.colorize_masks(node))

    def primary(self) -> Any:
        """The layer of the primary input, of a set the active one if it can be; or None."""
        keys = self.pictures()
        key = self._last_primary if self._last_primary in keys else next(iter(keys), "")
        return self.document.rootNode() if self.is_of_documents else node_of(self.document, key)

    @property
    def is_of_documents(self) -> bool:
        """Whether the pictures of the set are the open documents."""
        return self.operation.takes_set and self.binding(self.operation.primary.role) == DOCUMENTS

    def pictures(self) -> List[str]:
        """The ids of the primary input's layers: one, or several of a set, the topmost first.

        Or those of the open documents.
        """
        if self.is_of_documents:
            return [identity(document) for document in documents.in_view()]
        key = self.binding(self.operation.primary.role)
        if key == AUTOMATIC:
            self.note_active()
            chosen = self._set() if self.operation.takes_set else []
            if len(chosen) > 1:
                return chosen
            key = self._primary_key() or ""
        return [key] if key else []

    def _set(self) -> List[str]:
        """The layers last selected, without results and what lies in other ones of them."""
        own = {made.group for made in self.made if made.operation == self.operation.id}
        left = self._taken() | set(self._inside(own))
        chosen = [node_of(self.document, key) for key in self._last_set if key not in left]
        found = [node for node in chosen if node is not None]
        within = {key_of(child) for node in found for child in _descendants(node)}
        return [key_of(node) for node in found if key_of(node) not in within]

    def note_active(self) -> None:
        """Remembers the active layer where it can be the primary input: the next may not.

        For a set the layers selected too, as long as the document is in view.
        """
        if self.binding(self.operation.primary.role) == AUTOMATIC:
            if self.operation.takes_set:
                selected = documents.selected(self.document)
                self._last_set = [key_of(node) for node in selected] or self._last_set
            node = _layer_of(self.document.activeNode())
            if node is not None and key_of(node) not in self._taken():
                self._last_primary = key_of(node)

    def _automatic(self, entry: catalog.Input) -> Optional[str]:
        """The source of an input that the artist did not bind; None is nothing."""
        if entry.role == self.operation.primary.role:
            return next(iter(self.pictures()), None)
        if entry.kind == "scribbles":
            return self.scribbles_key() or self._colorize_mask_key()
        if entry.role == CLEAR:
            return self._transparent_key()
        return self._mask_key() if entry.kind == "mask" else None

    def _mask_key(self) -> Optional[str]:
        """The selection, where this operation did not make it itself; none of several documents.

        Without one a pasted thing's own layer says where the thing is.
        """
        if self.is_of_documents:
            return None
        own, selection = self.made_selections.get(self.operation.id), self.document.selection()
        if selection is not None and not (own and own == documents.signature(selection)):
            return SELECTION
        layer = self.primary() if self.operation.works_on_composite else None
        return key_of(layer) if layer and documents.is_over_something(layer) else None

    def _primary_key(self) -> Optional[str]:
        """The last layer that was active and could be the primary input, else the nearest one."""
        if self.operation.works_on_composite:
            chosen = node_of(self.document, self._chosen_mask())
            if chosen is not None:
                return key_of(chosen)
        taken, last = self._taken(), self._last_primary
        if last not in taken and node_of(self.document, last) is not None:
            return last
        keys = [key_of(node) for _, node in documents.layers(self.document)]
        active = _layer_of(self.document.activeNode())
        start = keys.index(key_of(active)) if active is not None and key_of(active) in keys else 0
        # Below first: scribbles lie over the lines.
        return next((key for key in keys[start:] + keys[:start] if key not in taken), None)

    def scribbles_key(self) -> Optional[str]:
        """The topmost layer that is named Scribbles."""
        for _, node in documents.layers(self.document):
            if node.name().lower().startswith(SCRIBBLES.lower()):
                return key_of(node)
        return None

    def _colorize_mask_key(self) -> Optional[str]:
        """The topmost Colorize Mask of the line art."""
        lines = self.primary()
        masks = documents.colorize_masks(lines) if lines is not None else []
        return key_of(masks[0]) if masks else None

    def _transparent_key(self) -> Optional[str]:
        """The Colorize Mask that gives the scribbles, where it has strokes that ask for none."""
        for entry in self.operation.inputs:
            if entry.kind == "scribbles":
                key = self.binding(entry.role) or self._automatic(entry)
                found = node_of(self.document, key) if key else None
                return key_of(found) if has_transparent_strokes(found) else None
        return None

    def _chosen_mask(self) -> str:
        """The layer that the artist chose as the mask."""
        masks = (entry.role for entry in self.operation.inputs if entry.kind == "mask")
        return next((key for key in map(self.binding, masks) if key.startswith("{")), "")

    def _taken(self) -> Set[str]:
        """Layers that are not the primary input: other inputs, and Limner's own results."""
        taken = set(self.bindings.get(self.operation.id, {}).values())
        if self.operation.works_on_line_art:
            taken.add(self.scribbles_key() or "")
            own = {made.group for made in self.made} | set(self.containers)
            taken |= set(self._inside(own))
        return taken

    def _inside(self, groups: Set[str]) -> Iterator[str]:
        for key in groups:
            node = node_of(self.document, key)
            if node is not None:
                yield key
                yield from (key_of(child) for child in _descendants(node))


def _descendants(node: Any) -> Iterator[Any]:
    for child in node.childNodes():
        yield child
        yield from _descendants(child)


def _layer_of(node: Any) -> Any:
    """The layer itself, or the one that a mask belongs to; None where there is none."""
    while node is not None and node.type() not in LAYER_TYPES:
        node = node.parentNode()
    # The selection belongs to the root, which is a group, but none that the artist sees.
    return None if node is None or node.parentNode() is None else node
