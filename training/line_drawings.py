"""Line art out of colour pictures, and the colour under the lines.

Two methods draw the lines, so that a network learns no single one's manner (Carrillo 2024, 7.5,
takes two external networks): differences of Gaussians (`xdog`) and edges of the picture whose own
outlines were taken away, beside these outlines (`edges`). Lengths are given for pictures with a
longer side of 546 pixels and scale with it.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SIDE = 546
"""Longer side in pixels for which lengths are given."""
OUTLINES = {3: (76, 60), 5: (52, 36), 10: (32, 20)}
"""Structures up to a width are lines if L + C / 2 lies below the first bound, wholly below the
second; wider or lighter ones are painted areas: a thin arm is no line."""
HALO = 2
"""Reach of what a line leaves beside it: smooth edges, compression."""
MOST_INK = 0.13
"""Share of a picture that extracted lines cover at most; busy pictures lose their weakest."""


def separated(rgb: Bytes) -> tuple[Bytes, Floats]:
    """The colour under the lines, uint8 H x W x 3, and the drawing's own outlines, [0, 1] H x W.

    A line is dark, thin and much darker than its surroundings; its pixels and those beside it take
    the nearest colour, so that two areas meet in the middle of the line between them.
    """
    ink = outlines(rgb)
    reach = _disc(max(1.0, HALO * _scale(rgb)))
    lines = cv2.dilate((ink > 0.2).astype(np.uint8), reach)
    return _filled(rgb, lines > 0), ink


def outlines(rgb: Bytes) -> Floats:
    """The coverage by dark thin lines that a picture has already, float32 H x W in [0, 1]."""
    lab = _lab(rgb)
    light, chroma = lab[..., 0], np.hypot(lab[..., 1], lab[..., 2])
    ink = np.zeros_like(light)
    for width, (bright, dark) in OUTLINES.items():
        around = cv2.morphologyEx(light, cv2.MORPH_CLOSE, _disc(width / 2 * _scale(rgb)))
        darker = _ramp(light / np.maximum(around, 1), 0.75, 0.45)
        contrast = _ramp(around - light, 14, 26)
        black = _ramp(light + 0.5 * chroma, bright, dark)
        ink = np.maximum(ink, np.minimum(darker, contrast) * black)
    return without_specks(ink, 12 * _scale(rgb))


def xdog(rgb: Bytes, random: np.random.Generator) -> Floats:
    """Lines by differences of Gaussians (Winnemöller 2012, XDoG), float32 H x W in [0, 1].

    On all three Lab channels, since drawings without outlines change in hue alone; with τ = 1, so
    that dark areas stay paper. The width is drawn at random.
    """
    lab = _smoothed(rgb)
    sigma = float(random.uniform(0.9, 1.6)) * _scale(rgb)
    difference = cv2.GaussianBlur(lab, (0, 0), 1.6 * sigma) - cv2.GaussianBlur(lab, (0, 0), sigma)
    darker, hue = difference[..., 0], np.abs(difference[..., 1:]).max(axis=2)
    response = np.maximum(darker, 0.5 * hue * (darker > -0.2))  # a line on one side alone
    threshold = _threshold(response, 0.9, 1.0)
    ink = np.tanh(np.maximum(response - threshold, 0) * 0.7)
    return without_specks(ink.astype(np.float32), 14 * _scale(rgb))


def edges(colour: Bytes, ink: Floats, random: np.random.Generator) -> Floats:
    """Outlines together with thin lines where colours meet, float32 H x W in [0, 1].

    colour, ink: as from `separated`. Edges are Canny's on the channel of Lab that changes most, at
    a fine scale, and at a coarse one where the fine one finds nothing.
    """
    lab = _smoothed(colour)
    scale = _scale(colour)
    found = np.zeros(ink.shape, np.uint8)
    for sigma, strongest in ((1.0, 12.0), (2.5, 5.0)):
        near = cv2.dilate(found, _disc(4 * scale))
        found |= np.where(near > 0, 0, _canny(lab, sigma * scale, strongest))
    found &= cv2.dilate((ink > 0.5).astype(np.uint8), _disc(2 * scale)) == 0
    drawn = without_specks(found.astype(np.float32), 20 * scale)
    width = float(random.uniform(0.5, 0.9)) * scale
    line = cv2.GaussianBlur(drawn, (0, 0), max(width, 0.45)) * 2.2 * max(width, 0.45)
    return np.clip(np.maximum(ink, line), 0, 1)


def _canny(lab: Floats, sigma: float, strongest: float) -> Bytes:
    """Edges one pixel wide, 0 or 1; strongest: change per pixel from which one is begun."""
    soft = cv2.GaussianBlur(lab, (0, 0), sigma)
    across = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=1 / 8)
    channel = (across**2 + down**2).argmax(axis=2)[..., None]
    chosen = [np.take_along_axis(slope, channel, 2)[..., 0] for slope in (across, down)]
    high = _threshold(np.hypot(*chosen), strongest / (2.5 * sigma), 0.6)
    steps = [np.rint(np.clip(64 * slope, -32768, 32767)).astype(np.int16) for slope in chosen]
    return (cv2.Canny(*steps, 64 * 0.4 * high, 64 * high, L2gradient=True) > 0).astype(np.uint8)


def _threshold(response: Floats, least: float, share: float) -> float:
    """At least `least`, and so high that no more than `share` of MOST_INK exceeds it."""
    return max(least, float(np.quantile(response, 1 - share * MOST_INK)))


def _smoothed(rgb: Bytes) -> Floats:
    """Lab without the texture of paint, paper and compression; edges stay."""
    lab = _lab(rgb)
    for _ in range(2):
        lab = cv2.bilateralFilter(lab, 5, 9.0, 3.0 * _scale(rgb))
    return lab


def _filled(rgb: Bytes, mask: npt.NDArray[np.bool_]) -> Bytes:
    """Pixels of the mask get the colour of the nearest other pixel; where areas meet, smoothly."""
    if not mask.any() or mask.all():
        return rgb
    _, label = cv2.distanceTransformWithLabels(
        mask.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((label.max() + 1, 3), np.uint8)
    colours[label[~mask]] = cv2.medianBlur(rgb, 3)[~mask]
    filled = np.where(mask[..., None], colours[label], rgb)
    return np.where(mask[..., None], cv2.medianBlur(filled, 5), filled)


def without_specks(ink: Floats, least: float) -> Floats:
    """Ink without connected parts of fewer than `least` pixels."""
    _, part, about, _ = cv2.connectedComponentsWithStats((ink > 0.1).astype(np.uint8))
    return ink * (about[:, cv2.CC_STAT_AREA] >= least)[part] * (part > 0)


def _ramp(values: Floats, zero: float, one: float) -> Floats:
    """0 at `zero`, 1 at `one`, straight between them."""
    return np.clip((values - zero) / (one - zero), 0, 1)


def _lab(rgb: Bytes) -> Floats:
    return cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def _scale(picture: npt.NDArray[np.generic]) -> float:
    return max(picture.shape[:2]) / SIDE


def _disc(radius: float) -> Bytes:
    side = 2 * max(round(radius), 1) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)).astype(np.uint8)
