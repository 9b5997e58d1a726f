"""Where a drawing has ink, and how wide its lines are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

# Rec. 709 weights on encoded values: a rank of darkness, not a measured luminance.
_LUMA = (0.2126, 0.7152, 0.0722)
# Share of one channel's darkness that counts: yellow and pale blue lines have hardly any luma.
_CHROMA = 0.6
# Of the drawing's usual ink: what a line must have to count in full where it stands alone.
_FAINTEST = 0.35
# Of the page's paper: shading below it is black ink, not uneven light.
_DARKEST_PAPER = 0.5
# Coverage that a hairline's crest has at least.
_CREST = 0.2
# Contrast that an 8-bit page without lines may have.
_NOTHING = 0.02


def ink_coverage(rgb: Floats, alpha: Floats | None = None) -> Floats:
    """Share of each pixel that ink covers: float32 H x W in [0, 1]; 0.5 is the line's edge.

    rgb: float32 H x W x 3, sRGB-encoded, values outside [0, 1] count as clipped; alpha: float32
    H x W, straight, or None for opaque. Ink may be dark on light paper, light on dark paper, or of
    any colour on nothing. Grey pencil counts like black; uneven light and paper grain are taken
    out. A page without contrast has no ink.
    """
    density = _density(rgb, alpha)
    grain, ink = _grain_and_ink(_sample(density))
    if ink <= grain:
        return np.zeros_like(density)
    density -= grain
    density /= _full_ink(density, ink - grain)
    return np.clip(density, 0.0, 1.0, out=density)


def ink_mask(coverage: Floats) -> Bools:
    """Which pixels belong to a line, bool H x W: half covered, or on the crest of a hairline.

    coverage: float32 H x W as from ink_coverage. A line thinner than a pixel covers none by half.
    """
    import cv2

    half = coverage >= 0.5
    height, width = coverage.shape
    padded = np.pad(coverage, 2, mode="edge")

    def moved(x: int, y: int) -> Floats:
        return padded[2 + y : 2 + y + height, 2 + x : 2 + x + width]

    crest = np.zeros_like(half)
    for x, y in ((1, 0), (0, 1), (1, 1), (1, -1)):
        beside = np.maximum(moved(2 * x, 2 * y), moved(-2 * x, -2 * y))
        highest = np.maximum(moved(x, y), moved(-x, -y))
        crest |= (coverage >= highest) & (coverage > 2.0 * beside)
    # Between the soft ends of wide lines a crest is no hairline but a narrow gap.
    wide = cv2.erode(half.astype(np.uint8), np.ones((3, 3), np.uint8))
    near_wide = cv2.dilate(wide, np.ones((7, 7), np.uint8)) > 0
    return half | (crest & (coverage >= _CREST) & ~near_wide)


def line_width(ink: Bools) -> float:
    """Typical width of the drawing's lines in pixels, 0.0 where there is no ink.

    ink: H x W. The median over the lines' ridges, each pixel weighted by its own width, so that
    neither grain nor solid black decides.
    """
    import cv2

    if not ink.any():
        return 0.0
    inside = cv2.distanceTransform(
        np.pad(ink, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    ridge = (inside > 0) & (inside >= cv2.dilate(inside, np.ones((3, 3), np.uint8)))
    radii = np.sort(inside[ridge])
    middle = np.searchsorted(np.cumsum(radii, dtype=np.float64), radii.sum(dtype=np.float64) / 2.0)
    # A line 2 r or 2 r - 1 pixels wide has its ridge r deep.
    return float(2.0 * radii[min(middle, len(radii) - 1)] - 0.5)


def _density(rgb: Floats, alpha: Floats | None) -> Floats:
    """How much each pixel differs from bare paper, not yet scaled to the drawing's ink."""
    sample = np.clip(_sample(rgb), 0.0, 1.0)
    if alpha is not None:
        cover = _sample(alpha)
        if _is_ink_on_nothing(sample, cover):
            return np.clip(alpha, 0.0, 1.0).astype(np.float32)
        sample = sample * cover[..., None] + (np.float32(1.0) - cover[..., None])
    negative = float(np.median(sample @ np.array(_LUMA, np.float32))) < _FAINTEST
    luma: Floats = np.zeros(rgb.shape[:2], np.float32)
    strongest: Floats = np.zeros(rgb.shape[:2], np.float32)
    for channel, weight in enumerate(_LUMA):
        light = np.clip(rgb[..., channel], 0.0, 1.0)
        if alpha is not None:
            light = np.float32(1.0) - alpha * (np.float32(1.0) - light)
        if negative:
            light = np.float32(1.0) - light
        light /= _paper(light)
        darkness = np.clip(np.float32(1.0) - light, 0.0, 1.0, out=light)
        np.maximum(strongest, darkness, out=strongest)
        luma += np.float32(weight) * darkness
    strongest *= np.float32(_CHROMA)
    return np.maximum(luma, strongest, out=luma)


def _is_ink_on_nothing(rgb: Floats, alpha: Floats) -> bool:
    """Whether transparency says where the ink is; else the layer brings its own paper."""
    solid = alpha > 0.5
    if solid.mean() > 0.98:
        return False
    luma = (rgb @ np.array(_LUMA, np.float32))[solid]
    has_paper = np.mean(luma > 0.85) > 0.5 and np.mean(luma < 0.6) > 1e-3 if luma.size else False
    return not has_paper


def _sample(image: Floats) -> Floats:
    """About a quarter of a million of the image's pixels, for statistics."""
    step = max(1, int(np.sqrt(image.shape[0] * image.shape[1] / 2.5e5)))
    return image[::step, ::step]


def _paper(light: Floats) -> Floats:
    """The paper's lightness at each pixel: lines closed away, the rest smoothed."""
    import cv2

    height, width = light.shape
    scale = min(1.0, 512.0 / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
    reach = 2 * (max(size) // 24) + 1
    closed = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    smooth = cv2.blur(closed, (reach, reach))
    darkest = max(_DARKEST_PAPER * float(np.percentile(closed, 90.0)), 1e-3)
    smooth = np.maximum(smooth, np.float32(darkest))
    paper = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(paper, np.float32)


def _grain_and_ink(density: Floats) -> tuple[float, float]:
    """The density that paper grain reaches, and that of full ink."""
    values = density.ravel()
    bare = values[values <= _otsu(values)]
    middle = float(np.median(bare))
    grain = middle + 4.0 * 1.4826 * float(np.median(np.abs(bare - middle)))
    above = values[values > max(grain, _NOTHING)]
    if not above.size:
        return grain, grain
    # Once more, because much of what is above the grain is the lines' soft edge.
    return grain, float(np.median(above[above >= _otsu(above)]))


def _otsu(values: Floats) -> float:
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(values)) if np.ptp(values) > 0 else float(values[0])


def _full_ink(density: Floats, ink: float) -> Floats:
    """What counts as full ink at each pixel: a faint line far from strong ones is a line too."""
    import cv2

    height, width = density.shape
    block = max(density.shape) // 256 + 1
    rows = np.maximum.reduceat(density, np.arange(0, height, block), axis=0)
    strongest = np.maximum.reduceat(rows, np.arange(0, width, block), axis=1)
    strongest = cv2.blur(cv2.dilate(strongest, np.ones((9, 9), np.uint8)), (9, 9))
    strongest = np.clip(strongest, _FAINTEST * ink, ink)
    level = cv2.resize(strongest, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(level, np.float32)
