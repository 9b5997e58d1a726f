"""Krita's colours as pixels: swatches, and the key strokes of Colorize Masks."""

from typing import Any, Tuple

from .ipc.errors import LimnerError
from .pixels import SRGB, Format, is_painted, painted
from .qt import QByteArray

OVERHEAD = 3
"""Strokes that take as long as all that is done besides reading strokes, generously."""


def pixel_of(colour: Any, own: Format) -> bytes:
    """A colour as a whole-number pixel of that colour space; the colour itself is converted too."""
    colour.setColorSpace(*own)
    size = own.sample_bytes
    top = 256**size - 1
    # `components` are in the order of the bytes, as in a layer.
    codes = (min(top, max(0, round(component * top))) for component in colour.components())
    return b"".join(code.to_bytes(size, "little") for code in codes)


def srgb_of(colour: Any) -> Tuple[float, ...]:
    """Red, green and blue of a colour in sRGB; it is converted itself."""
    colour.setColorSpace("RGBA", "F32", SRGB)
    return tuple(colour.componentsOrdered()[:3])


def has_transparent_strokes(node: Any) -> bool:
    """Whether it is a Colorize Mask on which strokes of a colour mean transparent."""
    return has_strokes(node) and node.transparencyIndex() >= 0


def has_strokes(node: Any) -> bool:
    """Whether it is a Colorize Mask; Krita 5.1 does not show what is painted on one."""
    return hasattr(node, "keyStrokesColors")


class KeyStrokes:
    """What is painted on a Colorize Mask: the colour of each stroke where that covers half or more.

    Later strokes lie over earlier ones. clear: takes those that tell Krita to leave an area
    transparent, and none of the others; else these are left out. pixel_bytes: by which to cut
    strips; more than a pixel's, as each stroke is spread over them. painted: whether anything was,
    as far as was taken.
    """

    def __init__(self, mask: Any, clear: bool) -> None:
        self._mask, self._clear = mask, clear
        self.format = Format("RGBA", "U8" if mask.colorDepth() == "U8" else "U16", SRGB)
        self.pixel_bytes = self.format.pixel_bytes * (len(mask.keyStrokesColors()) + OVERHEAD)
        self.painted = False

    def take(self, x: int, y: int, width: int, height: int) -> QByteArray:
        """The pixels there."""
        mask, strokes = self._mask, []
        # Krita finds a stroke by the colour that it has before it is converted.
        pairs = zip(mask.keyStrokesColors(), mask.keyStrokesColors())
        for number, (own, colour) in enumerate(pairs):
            if (number == mask.transparencyIndex()) == self._clear:
                cover = bytes(mask.keyStrokePixelData(own, x, y, width, height))
                strokes.append((pixel_of(colour, self.format), cover))
                self.painted = self.painted or is_painted(cover)
        return QByteArray(painted(strokes, width * height * self.format.pixel_bytes))

    def require_painted(self) -> None:
        """Raises LimnerError empty-layer where no colour was painted."""
        if not self.painted and not self._clear:
            raise LimnerError(
                "empty-layer",
                f"The Colorize Mask '{self._mask.name()}' has no strokes of a colour.",
                "Paint some with the Colorize Mask Tool, or choose other scribbles, and run again.",
            )

    @property
    def remarks(self) -> Tuple[str, ...]:
        """What the artist should know of it."""
        if not self._mask.visible():
            return ()
        return (f"“{self._mask.name()}” lies over the result: hide it to see the result alone.",)
