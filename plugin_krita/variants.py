"""Several results of one run, in one group: which there are, which is seen, and keeping one."""

from typing import Generator, List, Optional

from .bindings import DocumentState, Variant
from .commands import remove_together, repaint
from .document import key_of, node_of, wait_until_idle


def present(state: DocumentState) -> List[Variant]:
    """The last result's variants that are in the document, in order."""
    return [v for v in state.variants if node_of(state.document, v.key) is not None]


def shown(state: DocumentState) -> str:
    """The key of the only variant that is not hidden; empty where there is none or more."""
    found = [v.key for v in present(state) if node_of(state.document, v.key).visible()]
    return found[0] if len(found) == 1 else ""


def show(state: DocumentState, key: str) -> Generator[Optional[int], None, None]:
    """Shows one variant and hides the others; no undo step."""
    document = state.document
    yield from wait_until_idle(document)
    # As long as Krita computes the new one, the old one stays in view.
    for variant in present(state):
        node_of(document, variant.key).setVisible(variant.key == key)
    chosen = node_of(document, key)
    if chosen is not None:
        yield from repaint(document, [chosen])


def keep(state: DocumentState, key: str) -> Generator[Optional[int], None, int]:
    """Removes all variants but one; returns the undo steps that it took."""
    document = state.document
    kept = next((v for v in present(state) if v.key == key), None)
    others = [node_of(document, v.key) for v in present(state) if v.key != key]
    if kept is None or not others:
        return 0
    group = key_of(node_of(document, key).parentNode())
    made = next((made for made in reversed(state.made) if made.group == group), None)
    if made is not None:
        # What the docker does is no edit; undone, the result is as the entry before says.
        state.made.append(made._replace(digests=[kept.digest]))
        state.save()
    return (yield from remove_together(document, others))
