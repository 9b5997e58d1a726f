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


def has_strokes(node: Any) -> bool:
    """Whether it is a Colorize Mask; Krita 5.1 does not show what is painted on one."""
    return hasattr(node, "keyStrokesColors")


class KeyStrokes:
    """What is painted on a Colorize Mask: the colour of each stroke where that covers half or more.

    Later strokes lie over earlier ones. Those that tell Krita to leave an area transparent are left
    out, since there is no such scribble. pixel_bytes: by which to cut strips; more than a pixel's,
    as each stroke is spread over them. painted: whether anything was, as far as was taken.
    """

    def __init__(self, mask: Any) -> None:
        self._mask = mask
        self.format = Format("RGBA", "U8" if mask.colorDepth() == "U8" else "U16", SRGB)
        self.pixel_bytes = self.format.pixel_bytes * (len(mask.keyStrokesColors()) + OVERHEAD)
        self.painted = False

    def take(self, x: int, y: int, width: int, height: int) -> QByteArray:
        """The pixels there."""
        mask, strokes = self._mask, []
        # Krita finds a stroke by the colour that it has before it is converted.
        pairs = zip(mask.keyStrokesColors(), mask.keyStrokesColors())
        for number, (own, colour) in enumerate(pairs):
            if number != mask.transparencyIndex():
                cover = bytes(mask.keyStrokePixelData(own, x, y, width, height))
                strokes.append((pixel_of(colour, self.format), cover))
                self.painted = self.painted or is_painted(cover)
        return QByteArray(painted(strokes, width * height * self.format.pixel_bytes))

    def require_painted(self) -> None:
        """Raises LimnerError empty-layer where nothing was painted."""
        if not self.painted:
            raise LimnerError(
                "empty-layer",
                f"The Colorize Mask '{self._mask.name()}' has no strokes of a colour.",
                "Paint some with the Colorize Mask Tool, or choose other scribbles, and run again.",
            )

    @property
    def remarks(self) -> Tuple[str, ...]:
        """What the artist should know of it."""
        mask, name = self._mask, self._mask.name()
        skipped = f"Strokes of “{name}” that mean transparent were left out."
        covers = f"“{name}” lies over the result: hide it to see the result alone."
        return (
            *((skipped,) if mask.transparencyIndex() >= 0 else ()),
            *((covers,) if mask.visible() else ()),
        )
