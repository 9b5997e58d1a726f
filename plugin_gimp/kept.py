"""What is kept with an image, a layer or a mask, in GIMP's parasites."""

import json
from typing import Any, Dict, Union

from gi.repository import Gimp

from .ipc.planes import Plane

CHOICES = "limner-choices"
"""Of an image, by operation: where its mask goes, or the palette as it was changed for a layer."""
SETS = "limner-sets"
"""Of an image, by operation: in which set of open images its palette was changed, and how."""
MADE = "limner-made"
"""Of an image's selection or a mask: which operation made it, and what the values were; of a layer:
all that the engine says of how it was made."""

Thing = Union[Gimp.Image, Gimp.Item]


def read(thing: Thing, name: str) -> Dict[str, Any]:
    """What was kept; nothing where it cannot be read."""
    parasite = thing.get_parasite(name)
    try:
        kept = json.loads(bytes(parasite.get_data()).decode()) if parasite else {}
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}


def write(thing: Thing, name: str, kept: Dict[str, Any]) -> None:
    """Keeps it, in the image's file too; with an image this is no undo step."""
    flags = Gimp.PARASITE_PERSISTENT
    if isinstance(thing, Gimp.Item):
        # Else GIMP could undo nothing that was done before.
        flags |= Gimp.PARASITE_UNDOABLE
    thing.attach_parasite(Gimp.Parasite.new(name, flags, json.dumps(kept).encode()))


def note_made(thing: Thing, operation: str, plane: Plane) -> None:
    """Notes that the operation made the image's selection or the mask, and with what values."""
    write(thing, MADE, {"operation": operation, "digest": plane.digest})


def is_made(thing: Thing, operation: str, plane: Plane) -> bool:
    """Whether the operation made the image's selection or the mask, and nobody changed it since."""
    return read(thing, MADE) == {"operation": operation, "digest": plane.digest}
