"""A picture's main colours, what each becomes, and what the artist wants of them.

No Qt and no Krita in here.
"""

import struct
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from .ipc.planes import LOCKED, Plane
from .pixels import Format, Pixels
from .profiles import WITHOUT_FILE

CHANNELS = 4
PIXEL = struct.Struct("<4f")
EXACT = Format("RGBA", "F32", WITHOUT_FILE[0])
"""sRGB without bounds."""


class Swatch(NamedTuple):
    """A colour. rgb: sRGB, may lie outside [0, 1]. code: what it looks like, as #rrggbb."""

    rgb: Tuple[float, ...]
    code: str

    @classmethod
    def of(cls, rgb: Sequence[float]) -> "Swatch":
        """A colour in gamut."""
        codes = (round(255 * min(1.0, max(0.0, part))) for part in rgb)
        return cls(tuple(rgb), "#{:02x}{:02x}{:02x}".format(*codes))


class Swatches(NamedTuple):
    """The strip of one picture.

    source: main colours. target: what each became where the operation chose. share: how much of
    the picture each is, in [0, 1]. links: by number, what the artist has some of them become.
    """

    source: List[Swatch]
    target: List[Swatch]
    share: List[float]
    links: Dict[int, Swatch]

    @classmethod
    def of_plane(cls, plane: Plane) -> "Swatches":
        """Swatches as they come back (docs/protocol.md): two rows of RGBA, f32."""
        metadata = plane.attributes["metadata"]
        pixels = [tuple(pixel[:3]) for pixel in PIXEL.iter_unpack(memoryview(plane.data))]
        above, below = pixels[: plane.width], pixels[plane.width :]
        return cls(
            [Swatch(*pair) for pair in zip(above, metadata["source"])],
            [Swatch(*pair) for pair in zip(below, metadata["target"])],
            list(metadata["share"]),
            {},
        )

    @classmethod
    def of_kept(cls, kept: Dict[str, Any]) -> "Swatches":
        """What `kept` gave. Raises KeyError, TypeError or ValueError for anything else."""
        source, target = ([_restored(s) for s in kept[row]] for row in ("source", "target"))
        links = {int(number): _restored(swatch) for number, swatch in kept["links"].items()}
        share = [float(part) for part in kept["share"]]
        if not len(source) == len(target) == len(share) > max(links, default=0):
            raise ValueError("rows of different lengths")
        return cls(source, target, share, links)

    def kept(self) -> Dict[str, Any]:
        """As data that JSON can hold."""
        links = {str(number): swatch for number, swatch in self.links.items()}
        return {**self._asdict(), "links": links}

    @property
    def codes(self) -> List[str]:
        """What the main colours look like."""
        return [swatch.code for swatch in self.source]

    def becomes(self, number: int) -> Swatch:
        """What a main colour becomes."""
        return self.links.get(number, self.target[number])

    @property
    def now(self) -> List[Swatch]:
        """What all main colours become."""
        return [self.becomes(number) for number in range(len(self.source))]

    def is_locked(self, number: int) -> bool:
        """Whether the artist has the colour stay as it is."""
        return number in self.links and self.links[number].rgb == self.source[number].rgb

    def linked(self, number: int, swatch: Swatch) -> "Swatches":
        """With a colour of the artist's choice."""
        return self._replace(links={**self.links, number: swatch})

    def locked(self, number: int) -> "Swatches":
        """With a colour that stays as it is."""
        return self.linked(number, self.source[number])

    def freed(self, number: int) -> "Swatches":
        """With a colour that the operation chooses."""
        return self._replace(links={n: s for n, s in self.links.items() if n != number})

    def following(self, changed: Dict[Tuple[float, ...], Swatch]) -> "Swatches":
        """With other colours for those of the artist's choice that changed; locked ones stay."""
        links = {
            n: s if self.is_locked(n) else changed.get(s.rgb, s) for n, s in self.links.items()
        }
        return self._replace(links=links)

    def reset(self) -> "Swatches":
        """With no colour of the artist's choice."""
        return self._replace(links={})

    def answered(self, answer: "Swatches", sent: Dict[int, Swatch]) -> "Swatches":
        """These after another run. sent: the links that it had; without any the run's are new.

        What a link looks like is known now: it has the lightness of its main colour.
        """
        if not sent and answer.codes != self.codes:
            return self if self.links else answer
        target = [old if n in sent else answer.target[n] for n, old in enumerate(self.target)]
        links = {
            n: s._replace(code=answer.target[n].code) if n in sent and sent[n].rgb == s.rgb else s
            for n, s in self.links.items()
        }
        return self._replace(target=target, share=answer.share, links=links)

    def pixels(self, role: str) -> Pixels:
        """As an input: main colours above; below each what it becomes, transparent where free."""
        above = [(*swatch.rgb, 1.0) for swatch in self.source]
        below = [
            (*self.links[number].rgb, 1.0) if number in self.links else (0.0,) * CHANNELS
            for number in range(len(self.source))
        ]
        data = b"".join(PIXEL.pack(*pixel) for pixel in above + below)
        return Pixels(role, "Palette", len(self.source), 2, EXACT, [data])


def _restored(kept: Any) -> Swatch:
    red, green, blue = (float(part) for part in kept[0])
    return Swatch((red, green, blue), str(kept[1]))


def widths(shares: Sequence[float], total: int, least: int) -> List[int]:
    """Widths in pixels that add up to `total`, by share, none less than `least` where that fits."""
    count = len(shares)
    least = min(least, total // count)
    spare, whole = total - count * least, sum(shares) or 1.0
    parts = list(shares) if sum(shares) else [1.0 / count] * count
    edges, reached = [0], 0.0
    for number, part in enumerate(parts, 1):
        reached += part / whole
        edges.append(number * least + round(spare * min(1.0, reached)))
    edges[-1] = total
    return [right - left for left, right in zip(edges, edges[1:])]


def gimp_palette(title: str, strip: Swatches, below: bool) -> str:
    """The text of a .gpl file, which Krita, GIMP and others read.

    below: whether its colours are those that the main ones become. Locked colours stay locked.
    """
    count = len(strip.source)
    lines = ["GIMP Palette", f"Name: {' '.join(title.split())}", f"Columns: {count}", "#"]
    for number, share in enumerate(strip.share):
        code = (strip.becomes(number) if below else strip.source[number]).code
        red, green, blue = bytes.fromhex(code[1:])
        lock = f" {LOCKED}" if strip.is_locked(number) else ""
        lines.append(f"{red:3d} {green:3d} {blue:3d}\t{code} {share:.0%}{lock}")
    return "\n".join(lines) + "\n"


def read_gimp_palette(text: str) -> Tuple[str, bytes, List[str]]:
    """The name of a .gpl file's palette, its colours (RGB, 8 bit) and their names.

    Raises ValueError where it is none.
    """
    head, *lines = text.splitlines() or [""]
    colours = [line.split(None, 3) for line in lines if line.strip()[:1].isdigit()]
    if head.strip() != "GIMP Palette" or not colours:
        raise ValueError("no palette")
    titles = [line[5:].strip() for line in lines if line.startswith("Name:")]
    codes = bytes(int(code) for colour in colours for code in colour[:3])
    return "".join(titles[:1]), codes, ["".join(colour[3:]) for colour in colours]
