"""Harmonising: main colours move to purer colours of the same name, or into a template of hues.

Colour names: Xue 2024, chapter 4, in its lightness-keeping form, where only CIELAB's a, b change.
Templates: Cohen-Or et al. 2006, applied to main colours instead of pixels. What is protected,
targets from a given palette and targets that stay apart are Limner's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from engine.imaging.color import Bools, Floats, lab_to_srgb, srgb_to_lab
from engine.imaging.color_table import ColorTable
from engine.imaging.compiled import compiled
from engine.imaging.hue_templates import DEGREES, Complexes, Template, gentlest_template
from engine.imaging.naming import NAMES, Prototypes, name_probabilities, prototypes, skin

NAMING_LIGHTNESS = 70.0
"""L at which a main colour, which is only a, b, is named and compared."""
MOST_NAMES = 3
LEAST_PROBABILITY = 0.15
EPSILON = 1e-4
NEUTRAL, COLOURFUL = 3.0, 8.0
"""Chroma up to which a colour is neutral, and from which it is not at all."""

_APART = np.float32(8)
_STEPS = 90
"""Of the slope in a quarter of the hues."""
_NONE = np.empty(0, np.complex64)
_ACHROMATIC = np.array([name in ("black", "grey", "white") for name in NAMES])


@dataclass(frozen=True)
class Protection:
    """What keeps its colour: neutrals, the colours of skin, both or nothing."""

    neutrals: bool = True
    skin: bool = True

    def freedom(self, ab: Floats) -> Floats:
        """How far each colour may move, N in [0, 1], for a, b (2 x N)."""
        return self.outside_skin(ab) * self.outside_neutrals(ab)

    def outside_skin(self, ab: Floats) -> Floats:
        """The same for the protection of skin alone."""
        if not self.skin:
            return np.ones_like(ab[0])
        a, b, deviation = skin()
        return _ramp(_length(ab[0] - a, ab[1] - b), deviation, 2 * deviation)

    def outside_neutrals(self, ab: Floats) -> Floats:
        """The same for the protection of neutrals alone."""
        if not self.neutrals:
            return np.ones_like(ab[0])
        return _ramp(_length(ab[0], ab[1]), NEUTRAL, COLOURFUL)


NOTHING = Protection(neutrals=False, skin=False)


def named_targets(source: Floats, protection: Protection = NOTHING) -> Floats:
    """The purer colour of its name that each main colour moves to, float32 k x 2 (a, b).

    source: k x 2 (a, b). A target is the nearest in RGB of the prototypes whose name is one of the
    source's three most probable and more probable than 0.15 (Xue 2024, section 4.4).

    Where neutrals are protected, none moves to a prototype of black, grey or white, as those are
    tints, no two take the same prototype while there are enough, and none becomes duller, or more
    than twice as vivid: a pale colour made vivid shows every grain of its picture.
    """
    known = prototypes()
    colors = naming_colors(source)
    admitted = _admitted(name_probabilities(colors))
    if protection.neutrals:
        admitted &= ~_ACHROMATIC
    distance = _distances(colors, admitted[:, known.name], known.rgb)
    if not protection.neutrals:
        return srgb_to_lab(known.rgb[distance.argmin(axis=1)].T)[1:].T
    rounds = 1 + len(source) // len(known.rgb)
    chosen = linear_sum_assignment(np.tile(distance, rounds))[1] % len(known.rgb)
    target = srgb_to_lab(known.rgb[chosen].T)[1:].T
    return _with_chroma(target, np.clip(_chroma(target), _chroma(source), 2 * _chroma(source)))


def palette_targets(source: Floats, palette: Floats, locked: Bools | None = None) -> Floats:
    """The colour of a palette that each main colour moves to, float32 k x 2 (a, b).

    source: k x 2 (a, b). palette: N x 3, sRGB-encoded. The nearest of those that may have the same
    name, both seen at one lightness; where none has a fitting name, all are candidates. Main
    colours that take the same one stay a little apart, unless it is locked (N, or None for none).
    """
    candidates = _as_prototypes(palette)
    colors = naming_colors(source)
    admitted = _admitted(name_probabilities(colors))
    chosen = _distances(colors, admitted[:, candidates.name], candidates.rgb).argmin(axis=1)
    target = srgb_to_lab(palette[chosen].T)[1:].T
    return kept_apart(source, target, chosen, np.ones(len(source)), locked)


def kept_apart(
    source: Floats,
    target: Floats,
    chosen: npt.NDArray[np.intp],
    share: npt.NDArray[np.floating],
    locked: Bools | None = None,
) -> Floats:
    """Targets (k x 2) of main colours, those with the same number in `chosen` a little apart.

    By no more than the sources are from their mean, weighted by share, and by at most _APART.
    locked: by number, which targets are taken exactly; None for none.
    """
    apart = target.copy()
    for taken in np.unique(chosen if locked is None else chosen[~locked[chosen]]):
        own = chosen == taken
        mean = np.average(source[own], axis=0, weights=np.maximum(share[own], 1e-6))
        off = (source[own] - mean).astype(np.float32)
        apart[own] += off * np.minimum(1, _APART / _chroma(off))
    return apart


def template_targets(source: Floats, template: Template) -> Floats:
    """Main colours (k x 2: a, b) with their hue drawn into the template, chroma as it was."""
    hsv = cv2.cvtColor(naming_colors(source)[None], cv2.COLOR_RGB2HSV)
    hsv[0, :, 0] = template.moved(np.asarray(hsv[0, :, 0], np.float32))
    target = srgb_to_lab(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0].T.copy())[1:].T
    return _with_chroma(target, _chroma(source))


def turned(source: Floats, target: Floats, most: float) -> Floats:
    """Targets (k x 2: a, b) whose hue is not further than `most` degrees from their source's."""
    hue = np.arctan2(source[:, 1], source[:, 0])
    turn = np.arctan2(target[:, 1], target[:, 0]) - hue
    turn = np.arctan2(np.sin(turn), np.cos(turn)).clip(-np.radians(most), np.radians(most))
    limited: Floats = np.stack([np.cos(hue + turn), np.sin(hue + turn)], axis=1)
    return np.asarray(limited * _chroma(target), np.float32)


@dataclass(frozen=True)
class Recoloring:
    """A change of a, b that takes main colours to their targets and every other colour along.

    source, target: float32 k x 2 (a, b). protection: which colours are not taken along, but for
    those near to a source that is fixed (k, or None for none): the artist wants it so. drawing_in:
    what draws the moved colours into a template of hues, all but skin and those near to a fixed
    source; as Template.drawing_in has it, or None for nothing.
    """

    source: Floats
    target: Floats
    protection: Protection = NOTHING
    fixed: Bools | None = None
    drawing_in: Complexes | None = None

    def shift(self, ab: Floats) -> Floats:
        """What is added to a, b (2 x N): the sources' moves, weighted by inverse squared distance.

        Xue 2024, eq. 4.1 and 4.2, with the sign and the weights as in Nguyen et al. 2017.
        """
        ab = np.ascontiguousarray(ab, np.float32)
        fixed = np.zeros(len(self.source), bool) if self.fixed is None else self.fixed
        draw = self.protection.outside_skin(ab)
        move = draw * self.protection.outside_neutrals(ab)
        drawing_in = _by_slope(self.drawing_in) if self.drawing_in is not None else _NONE
        shift = np.empty_like(ab)
        _shift(ab, move, draw, self.source, self.target, fixed, drawing_in, shift)
        return shift

    def drawn_in(self, ab: Floats, weight: Floats, unity: float = 1.0) -> Recoloring:
        """The same, and hues that it leaves outside a template are drawn in.

        ab: 2 x N, weight: N, of the picture; the template is the one that changes it least. unity:
        how far, in [0, 1]. A picture that is grey after the moves has no hues to draw in.
        """
        moved = ab + self.shift(ab)
        if np.hypot(moved[0], moved[1]).max(initial=0) < NEUTRAL:
            return self
        factors = gentlest_template(moved, weight).drawing_in()
        return replace(self, drawing_in=1 + np.float32(unity) * (factors - 1))

    def table(self) -> ColorTable:
        """The change as a table; lightness stays."""

        def shift(lab: Floats) -> Floats:
            return np.vstack([np.zeros_like(lab[:1]), self.shift(lab[1:])])

        return ColorTable.baked(shift)


@compiled
def _shift(ab, move, draw, source, target, fixed, drawing_in, shift):  # type: ignore[no-untyped-def]
    """As Recoloring.shift says.

    move, draw: N, how far each colour may be moved and drawn in. drawing_in: as _by_slope has it.
    """
    weight = np.empty(len(source), np.float32)
    one, steps = np.float32(1), np.float32(len(drawing_in) // 4)
    for x in range(ab.shape[1]):
        total = np.float32(0)
        for n in range(len(source)):
            from_a, from_b = ab[0, x] - source[n, 0], ab[1, x] - source[n, 1]
            weight[n] = one / (from_a * from_a + from_b * from_b + np.float32(EPSILON))
            total += weight[n]
        free, drawn = move[x], draw[x]
        more_a, more_b = np.float32(0), np.float32(0)
        for n in range(len(source)):
            part = weight[n] / total
            held = part if fixed[n] else np.float32(0)
            taken = part * (free + (one - free) * held)
            more_a += taken * (target[n, 0] - source[n, 0])
            more_b += taken * (target[n, 1] - source[n, 1])
            drawn *= one - held
        if len(drawing_in):
            a, b = ab[0, x] + more_a, ab[1, x] + more_b
            slope = b / max(abs(a) + abs(b), np.float32(1e-30))
            place = steps * (one + slope if a >= 0 else np.float32(3) - slope)
            below = np.int32(place)
            along = place - np.float32(below)
            change = drawing_in[below] + along * (drawing_in[below + 1] - drawing_in[below]) - one
            more_a += drawn * (change.real * a - change.imag * b)
            more_b += drawn * (change.real * b + change.imag * a)
        shift[0, x], shift[1, x] = more_a, more_b


def _by_slope(drawing_in: Complexes) -> Complexes:
    """Factors at even steps of b / (|a| + |b|) in place of the hue, from its -1 all around to -1.

    A loop that asks for an arctangent would take several times as long. One more at the end.
    """
    slope = np.arange(4 * _STEPS + 2) / _STEPS - 1
    b = np.where(slope > 1, 2 - slope, slope)
    a = np.copysign(1 - np.abs(b), 1 - slope)
    factors = np.interp(np.degrees(np.arctan2(b, a)), DEGREES, drawing_in, period=360)
    return np.asarray(factors, np.complex64)


def _length(a: Floats, b: Floats) -> Floats:
    """By a root: numpy's hypot takes several times as long, for numbers that never occur here."""
    length: Floats = np.sqrt(a * a + b * b)
    return length


def _ramp(value: Floats, low: float, high: float) -> Floats:
    """From 0 at low to 1 at high, smoothly."""
    along = np.clip((value - low) / (high - low), 0, 1)
    smooth: Floats = along * along * (3 - 2 * along)
    return smooth


def _distances(colors: Floats, fitting: Bools, candidates: Floats) -> Floats:
    """Between colours (k x 3) and candidates (n x 3); far too large where one does not fit."""
    fitting = fitting | ~fitting.any(axis=1, keepdims=True)
    distance: Floats = np.linalg.norm(colors[:, None] - candidates[None], axis=2)
    distance += 100 * ~fitting
    return distance


def _chroma(ab: Floats) -> Floats:
    """Distance of each colour (k x 2) from neutral, k x 1, over 0."""
    chroma: Floats = np.maximum(np.linalg.norm(ab, axis=1, keepdims=True), np.float32(1e-6))
    return chroma


def _with_chroma(ab: Floats, chroma: Floats) -> Floats:
    scaled: Floats = ab * (chroma / _chroma(ab))
    return scaled


def naming_colors(ab: Floats) -> Floats:
    """Colours, k x 3 sRGB-encoded, of a, b (k x 2), clipped to [0, 1]."""
    lab = np.stack([np.full(len(ab), NAMING_LIGHTNESS), ab[:, 0], ab[:, 1]]).astype(np.float32)
    return np.clip(lab_to_srgb(lab), 0, 1).T


def _admitted(probabilities: Floats) -> Bools:
    """Which names count for each colour, k x 11."""
    third = np.sort(probabilities, axis=1)[:, -MOST_NAMES, None]
    return (probabilities >= third) & (probabilities > LEAST_PROBABILITY)


def _as_prototypes(palette: Floats) -> Prototypes:
    """Palette colours (N x 3) as they are named and compared."""
    colors = naming_colors(srgb_to_lab(palette.T)[1:].T)
    return Prototypes(colors, name_probabilities(colors).argmax(axis=1))
