"""The catalogue of operations, as plain data.

From this one place come the docker's widgets, GIMP's procedures and dialogs, the command line's
options and docs/operations.md. An operation is an entry here and a module in engine/operations/.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Collection, Dict, Mapping, Optional, Sequence, Tuple, Union

from .errors import LimnerError

Value = Union[bool, int, float, str]


@dataclass(frozen=True)
class Input:
    """Something the operation looks at.

    kind: line-art, scribbles, image, reference, mask, reference-mask, palette or links. The first
    input is the primary one: it sets the canvas, and its layer is where the result goes. Where that
    one is repeatable, the operation takes a set of pictures (Operation.takes_set). Links are the
    swatches that the operation gave (two rows: main colours, and what each becomes), changed by the
    artist.
    """

    role: str
    kind: str
    help: str
    required: bool = False
    repeatable: bool = False

    @property
    def is_of_document(self) -> bool:
        """Whether it covers the canvas; references, palettes and links keep their own size."""
        return self.kind not in ("reference", "reference-mask", "palette", "links")

    @property
    def is_mask(self) -> bool:
        """Whether it says where: a mask over the canvas or over a reference."""
        return self.kind in ("mask", "reference-mask")


@dataclass(frozen=True)
class Parameter:
    """A setting.

    kind: bool, int, float or choice; minimum and maximum are inclusive. overruled_by: roles of
    inputs that decide in its place; beside any of them it has no effect.
    """

    name: str
    kind: str
    default: Value
    title: str
    help: str
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    choices: Tuple[str, ...] = ()
    unit: str = ""
    overruled_by: Tuple[str, ...] = ()

    def check(self, value: Any) -> Value:
        """`value` as this parameter's type. Raises LimnerError bad-parameter."""
        if self.kind == "bool" and isinstance(value, bool):
            return value
        if self.kind == "choice" and value in self.choices:
            return str(value)
        if self.kind in ("int", "float") and isinstance(value, (int, float)):
            whole = self.kind == "float" or float(value).is_integer()
            if whole and not isinstance(value, bool) and self._in_range(value):
                return int(value) if self.kind == "int" else float(value)
        raise LimnerError(
            "bad-parameter",
            f"The parameter '{self.name}' cannot be {value!r}.",
            f"Give {self.allowed()}.",
        )

    def _in_range(self, value: float) -> bool:
        # NaN fails both comparisons, infinities fail one where a bound is set.
        low = self.minimum is None or value >= self.minimum
        return low and (self.maximum is None or value <= self.maximum)

    def allowed(self) -> str:
        """The allowed values in words."""
        if self.kind == "bool":
            return "true or false"
        if self.kind == "choice":
            return " or ".join(self.choices)
        noun = "a whole number" if self.kind == "int" else "a number"
        unit = f" {self.unit}" if self.unit else ""
        return f"{noun} from {self.minimum:g} to {self.maximum:g}{unit}"


@dataclass(frozen=True)
class Output:
    """What comes back.

    kind: layers (colour layers of their own), picture (the primary input, changed), mask, labels,
    palette or cube (a change of colour as a table). name: pattern of the layer's name. exact: never
    dithered. common: of a set of pictures, one for all instead of one for each.
    """

    role: str
    kind: str
    name: str
    help: str
    exact: bool = False
    common: bool = False


@dataclass(frozen=True)
class Operation:
    """One thing that Limner does. Its code is engine/operations/ID.py, '-' written as '_'."""

    id: str
    title: str
    summary: str
    inputs: Tuple[Input, ...]
    parameters: Tuple[Parameter, ...]
    outputs: Tuple[Output, ...]

    @property
    def primary(self) -> Input:
        """The input that sets the canvas."""
        return self.inputs[0]

    @property
    def takes_set(self) -> bool:
        """Whether it works on a set of pictures, each of its own size, depth and profile.

        Its other repeatable inputs come one for each picture, in the same order, or not at all; one
        mask alone is every picture's. Results say which picture they are of.
        """
        return self.primary.repeatable

    @property
    def works_on_line_art(self) -> bool:
        """Whether results go under the primary layer (line art) instead of above it."""
        return self.primary.kind == "line-art"

    @property
    def works_on_composite(self) -> bool:
        """Whether it looks at a thing within a picture: a mask, which it needs, says where."""
        return self.primary.kind == "image" and any(
            entry.kind == "mask" and entry.required for entry in self.inputs
        )

    @property
    def makes_mask(self) -> bool:
        """Whether its main result is a mask: in an editor the selection, or a mask on the layer."""
        return self.outputs[0].kind == "mask"

    @property
    def links(self) -> Optional[Input]:
        """The input for a picture's palette that it gave and the artist changed, if it gives any.

        Of a set there is one for each picture, or none.
        """
        found = (i for i in self.inputs if i.kind == "links")
        return next((i for i in found if i.repeatable == self.takes_set), None)

    @property
    def common_links(self) -> Optional[Input]:
        """The same for the palette that the pictures of a set have in common."""
        found = (i for i in self.inputs if i.kind == "links")
        return next((i for i in found if self.takes_set and not i.repeatable), None)

    def input(self, role: str) -> Input:
        """The input of that role. Raises LimnerError unknown-input."""
        for candidate in self.inputs:
            if candidate.role == role:
                return candidate
        raise LimnerError(
            "unknown-input",
            f"'{self.id}' has no input '{role}'.",
            "Its inputs are: " + ", ".join(i.role for i in self.inputs) + ".",
        )

    def overruled(self, roles: Collection[str]) -> Dict[str, str]:
        """Parameters that have no effect beside inputs of these roles, and why, in a sentence."""
        return {
            parameter.name: f"It has no effect as long as {self._given(role)}."
            for parameter in self.parameters
            for role in parameter.overruled_by
            if role in roles
        }

    def _given(self, role: str) -> str:
        """What the artist did for an input of that role to be there, in words."""
        entry = self.input(role)
        if entry == self.common_links:
            return "colours of the palette in common are changed or locked"
        return {
            "links": "colours of the palette are changed or locked",
            "mask": "there is a selection or a mask",
        }.get(entry.kind, f"there is a {entry.kind.replace('-', ' ')}")

    def check_params(self, params: Mapping[str, Any]) -> Dict[str, Value]:
        """All parameters, checked, with defaults filled in.

        Raises LimnerError unknown-parameter or bad-parameter.
        """
        known = {p.name: p for p in self.parameters}
        for name in params:
            if name not in known:
                raise LimnerError(
                    "unknown-parameter",
                    f"'{self.id}' has no parameter '{name}'.",
                    "Its parameters are: " + ", ".join(known) + ".",
                )
        return {n: p.check(params[n]) if n in params else p.default for n, p in known.items()}

    def check_roles(self, roles: Sequence[str]) -> None:
        """Raises LimnerError unknown-input, missing-input or, for a wrong number, bad-message."""
        for role in set(roles):
            if not self.input(role).repeatable and roles.count(role) > 1:
                raise LimnerError(
                    "bad-message",
                    f"'{self.id}' takes one '{role}', and {roles.count(role)} were given.",
                    "Give one only.",
                )
        for needed in self.inputs:
            if needed.required and needed.role not in roles:
                raise LimnerError(
                    "missing-input",
                    f"'{self.title}' needs an input '{needed.role}': {needed.help}",
                    f"Choose a layer or file for '{needed.role}' and run again.",
                )
        if self.takes_set:
            self._check_set(roles)

    def _check_set(self, roles: Sequence[str]) -> None:
        pictures = roles.count(self.primary.role)
        for entry in self.inputs[1:]:
            given = roles.count(entry.role)
            fitting = (0, 1, pictures) if entry.kind == "mask" else (0, pictures)
            if entry.repeatable and given not in fitting:
                raise LimnerError(
                    "bad-message",
                    f"{given} '{entry.role}' were given for {pictures} pictures.",
                    "Give one for each picture in the same order, or none.",
                )


_LINE_ART = Input("line-art", "line-art", "The lines; ink on paper or on nothing.", required=True)
_SCRIBBLES = Input("scribbles", "scribbles", "Strokes of colour, one or more per area.")
_CLEAR = Input("clear", "image", "Strokes of any colour where no colour shall be.")
_FLATS = Input("flats", "image", "A flats layer coloured earlier; its areas keep their colour.")
_MASK = Input("mask", "mask", "Limits the result; white is inside, soft edges count.")
_PALETTE = Input("palette", "palette", "Colours to choose from: a palette file or a picture of it.")

_LINKS = Input(
    "links",
    "links",
    "Swatches as they came back: main colours above, what each becomes below; nothing is free.",
)

_GAP = Parameter(
    "gap",
    "int",
    0,
    "Gap width",
    "Widest gap in the lines that colour must not pass; 0 finds it from the drawing.",
    minimum=0,
    maximum=200,
    unit="px",
)

_STRENGTH = Parameter(
    "strength",
    "float",
    100.0,
    "Strength",
    "How far the colours move.",
    minimum=0,
    maximum=100,
    unit="%",
)
_COLORS = Parameter(
    "colors",
    "int",
    0,
    "Colours",
    "How many main colours are moved; 0 finds the number from the picture.",
    minimum=0,
    maximum=7,
    overruled_by=("links",),
)

_SWATCHES = Output("swatches", "palette", "Palette", "Main colours, and what each becomes.")
_CUBE = Output(
    "cube", "cube", "Colour table", "The change of colours for other programs: a .cube file."
)

CATALOG: Tuple[Operation, ...] = (
    Operation(
        "flats",
        "Flat colours",
        "Fills line art with exact flat colours from a few scribbles; small gaps do not leak.",
        (
            _LINE_ART,
            _SCRIBBLES,
            _CLEAR,
            _FLATS,
            _PALETTE,
            _MASK,
        ),
        (
            _GAP,
            Parameter(
                "unhinted",
                "choice",
                "neighbour",
                "Areas without a scribble",
                "They take a neighbour's colour or stay empty; paper at the border stays empty.",
                choices=("neighbour", "empty"),
            ),
            Parameter(
                "mixed",
                "choice",
                "part",
                "Areas with two colours",
                "Areas with scribbles of two colours are parted, or the one with most of it wins.",
                choices=("part", "most"),
            ),
            Parameter(
                "edges",
                "choice",
                "hard",
                "Edges",
                "Hard edges leave exactly the hint colours, so that wand and fill work.",
                choices=("hard", "smooth"),
            ),
            Parameter(
                "under-lines",
                "int",
                0,
                "Under lines",
                "How far colour reaches under the lines; 0 is to their middle.",
                minimum=0,
                maximum=100,
                unit="px",
            ),
            Parameter(
                "layers",
                "choice",
                "one",
                "Layers",
                "One layer, one for each colour, or a group of these for each figure.",
                choices=("one", "per-colour", "per-figure"),
            ),
            Parameter(
                "show-gaps",
                "bool",
                False,
                "Show gaps",
                "Adds a layer that shows which gaps were closed and which areas have no colour.",
            ),
        ),
        (
            Output("flats", "layers", "Flats", "Flat colours, lines left out.", exact=True),
            Output(
                "gaps", "layers", "Gaps", "Closed gaps and empty areas, to look at.", exact=True
            ),
            Output("labels", "labels", "Regions", "Number of each pixel's region.", exact=True),
        ),
    ),
    Operation(
        "paint",
        "Paint",
        "Paints line art from a few scribbles: flats in their colours, shade and light on top.",
        (
            _LINE_ART,
            _SCRIBBLES,
            _CLEAR,
            _FLATS,
            _PALETTE,
            Input("reference", "reference", "A picture whose colours suit what has no scribble."),
            _MASK,
        ),
        (
            Parameter(
                "seed",
                "int",
                0,
                "Seed",
                "Another seed is another painting; the same one gives the same again.",
                minimum=0,
                maximum=2**31 - 1,
            ),
            Parameter(
                "variants",
                "int",
                1,
                "Variants",
                "How many paintings to choose from; their seeds follow one another.",
                minimum=1,
                maximum=8,
            ),
            Parameter(
                "steps",
                "int",
                1,
                "Steps",
                "More steps take longer and paint more freely.",
                minimum=1,
                maximum=50,
            ),
            Parameter(
                "guidance",
                "float",
                1.0,
                "Guidance",
                "How far scribbles sway what has none; 1 as learnt, 0 not at all.",
                minimum=0,
                maximum=5,
            ),
            _GAP,
            Parameter(
                "layers",
                "choice",
                "group",
                "Layers",
                "A group of flats, shade and light, or one layer with all of it.",
                choices=("group", "one"),
            ),
            Parameter(
                "refine",
                "bool",
                False,
                "Refine the last one",
                "Takes up the last painting of these lines instead of starting anew.",
            ),
        ),
        (Output("painting", "layers", "Paint", "The painting, lines left out."),),
    ),
    Operation(
        "harmonize-palette",
        "Harmonize palette",
        "Moves a picture's main colours to harmonious ones; lightness is kept.",
        (
            Input("image", "image", "The picture to recolour.", required=True),
            _PALETTE,
            _LINKS,
            _MASK,
        ),
        (
            Parameter(
                "method",
                "choice",
                "names",
                "Harmony",
                "Purer colours of the same name, or hues that fit one of the classical templates.",
                choices=("names", "template"),
                overruled_by=("palette",),
            ),
            _STRENGTH,
            Parameter(
                "turn",
                "float",
                10.0,
                "Turn of hue",
                "How far a main colour's hue may turn; 180 is as far as harmony wants.",
                minimum=0,
                maximum=180,
                unit="°",
                overruled_by=("palette",),
            ),
            _COLORS,
            Parameter(
                "keep-neutrals",
                "bool",
                True,
                "Keep neutrals",
                "Greys stay grey, in the harmony's hue; others become no duller, nor too vivid.",
            ),
            Parameter(
                "keep-skin",
                "bool",
                True,
                "Keep skin",
                "The colours of skin stay, and with them those of wood and sand.",
            ),
        ),
        (
            Output("picture", "picture", "Harmonized", "The picture in its new colours."),
            _SWATCHES,
            _CUBE,
        ),
    ),
    Operation(
        "transfer",
        "Transfer colours",
        "Gives a picture the colour scheme of a reference; its light and detail stay.",
        (
            Input("image", "image", "The picture to recolour.", required=True),
            Input("reference", "reference", "The picture whose colours are taken.", required=True),
            _MASK,
            Input(
                "reference-mask",
                "reference-mask",
                "Where the reference's colours are taken from; of the reference's size.",
            ),
        ),
        (
            Parameter(
                "strength",
                "float",
                100.0,
                "Strength",
                "How far the colours move.",
                minimum=0,
                maximum=100,
                unit="%",
            ),
            Parameter(
                "lightness",
                "float",
                30.0,
                "Lightness",
                "How far light and dark move along; 0 keeps them as they are.",
                minimum=0,
                maximum=100,
                unit="%",
            ),
            Parameter(
                "colors",
                "int",
                32,
                "Colours",
                "How many main colours are told apart at most; few make broad changes.",
                minimum=1,
                maximum=64,
            ),
            Parameter(
                "subjects",
                "choice",
                "auto",
                "Subject and background",
                "Subject to subject and background to background where both pictures have a clear "
                "subject and no mask is given, or all at once.",
                choices=("auto", "none"),
                overruled_by=("mask", "reference-mask"),
            ),
        ),
        (
            Output("picture", "picture", "Transferred", "The picture in the reference's colours."),
            _CUBE,
        ),
    ),
    Operation(
        "recolor",
        "Recolor set",
        "Gives a set of pictures one palette in common; lightness is kept.",
        (
            Input("image", "image", "The pictures of the set.", required=True, repeatable=True),
            Input(
                "palette", "palette", "The palette in common; without one it is found in the set."
            ),
            Input(
                "common-links",
                "links",
                "The palette in common as it came back: colours above, what each becomes below; "
                "pictures follow.",
            ),
            replace(_LINKS, repeatable=True),
            replace(_MASK, repeatable=True),
        ),
        (
            _STRENGTH,
            Parameter(
                "colors",
                "int",
                0,
                "Colours in common",
                "How many colours the palette in common has; 0 finds the number from the set.",
                minimum=0,
                maximum=7,
                overruled_by=("palette", "common-links"),
            ),
            Parameter(
                "keep-names",
                "bool",
                True,
                "Keep names",
                "A colour moves only to one that may have the same name; off for free play.",
            ),
            Parameter(
                "subject",
                "choice",
                "together",
                "Subjects",
                "Share the palette, have a palette of their own in common, or keep their colours.",
                choices=("together", "apart", "keep"),
            ),
            Parameter(
                "harmonize",
                "bool",
                False,
                "Harmonize",
                "The palette in common moves to purer colours of the same names.",
            ),
            Parameter(
                "white-balance",
                "bool",
                False,
                "White balance",
                "Pictures under strongly coloured light are brought to white light first.",
            ),
        ),
        (
            Output("picture", "picture", "Recolored", "Each picture in its new colours."),
            _SWATCHES,
            Output(
                "common",
                "palette",
                "Palette in common",
                "The palette in common, and what each of its colours becomes.",
                common=True,
            ),
        ),
    ),
    Operation(
        "select-subject",
        "Select subject",
        "Finds the main thing in a photograph or a drawing and selects it, edges and all.",
        (
            Input("image", "image", "The picture to search.", required=True),
            Input("mask", "mask", "Where to search: the subject is looked for inside only."),
        ),
        (
            Parameter(
                "width",
                "choice",
                "auto",
                "Quality",
                "How much of the network runs: 0.25 is quickest, 1.0 surest; auto fits the device.",
                choices=("auto", "0.25", "0.5", "0.75", "1.0"),
            ),
            Parameter(
                "feather",
                "float",
                0.0,
                "Feather",
                "How far the edge is softened; 0 keeps it as sharp as it is in the picture.",
                minimum=0,
                maximum=250,
                unit="px",
            ),
        ),
        (Output("subject", "mask", "Subject", "White where the subject is.", exact=True),),
    ),
    Operation(
        "harmonize-composite",
        "Harmonize composite",
        "Gives a pasted thing the light and colours of the picture around it; detail is kept.",
        (
            Input("image", "image", "The whole picture, pasted thing included.", required=True),
            Input(
                "mask",
                "mask",
                "The pasted thing: white is inside, soft edges count.",
                required=True,
            ),
        ),
        (
            Parameter(
                "strength",
                "float",
                100.0,
                "Strength",
                "How far the pasted thing changes.",
                minimum=0,
                maximum=100,
                unit="%",
            ),
        ),
        (Output("picture", "picture", "Harmonized", "The picture, pasted thing at home in it."),),
    ),
)


def operation(id: str) -> Operation:
    """The catalogue's entry. Raises LimnerError unknown-operation."""
    for entry in CATALOG:
        if entry.id == id:
            return entry
    raise LimnerError(
        "unknown-operation",
        f"There is no operation '{id}'.",
        "Operations are: " + ", ".join(e.id for e in CATALOG) + ".",
    )


def digest() -> str:
    """sha256 of the catalogue: tells whether plug-in and engine know the same operations."""
    text = json.dumps([asdict(entry) for entry in CATALOG], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
