"""Transfer colours: a picture takes the colour scheme of a reference.

Lv & Zhang. Where both pictures have a clear subject, subject goes to subject and background to
background. What depends on one picture alone is kept: another setting takes a moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from engine import runtime
from engine.imaging.color import coverage
from engine.imaging.color_kernels import lab_at
from engine.imaging.color_table import ColorTable
from engine.imaging.palette_transfer import Palette, PaletteShift, peak_palette
from engine.imaging.palettes import evenly
from engine.imaging.raster import window
from engine.imaging.resample import over, strips
from engine.job import Input, Job, Layer
from engine.operations import pictures, select_subject
from engine.operations.select_subject import Subject
from engine.runtime import Network
from ipc.errors import LimnerError

Floats = npt.NDArray[np.float32]

# Measured: 91 for RGBA of 32 bits with a mask or a subject; a mask over few pixels adds 8.
BYTES_PER_PIXEL = 100
ROLE = "transfer"
CLEAR, LEAST_SUBJECT, MOST_SUBJECT = 0.68, 0.02, 0.8
"""A clear subject: its contrast at least, and its share of what is visible."""
GROUND = 1.0
"""The grey that is seen through a preview's transparent parts."""
_NOTHING_TO_DO = "The picture has nothing visible to recolour; it is as it was."


@dataclass(frozen=True)
class Look:
    """A picture, and where its colours count. key: names both."""

    image: Input
    inside: Floats | None
    key: tuple[str, str]

    @cached_property
    def weight(self) -> Floats:
        """How much each pixel counts, H x W in [0, 1]."""
        alpha = self.image.raster.alpha
        if self.inside is not None:
            return self.inside if alpha is None else self.inside * alpha
        size = self.image.raster.rgb.shape[:2]
        return np.broadcast_to(np.float32(1), size) if alpha is None else alpha


@dataclass(frozen=True)
class Scheme:
    """A picture's palette, and those of its subject and background where it has a clear subject."""

    whole: Palette
    parts: tuple[Palette, Palette] | None

    @property
    def nbytes(self) -> int:
        """What it takes to keep it."""
        return sum(palette.nbytes for palette in (self.whole, *(self.parts or ())))


def run(job: Job) -> list[Layer]:
    """The picture in the reference's colours.

    Alpha, transparent pixels and those outside the mask are exactly as they were. Raises
    LimnerError empty-layer and empty-mask for a reference without colours, what runtime.network
    raises, and Cancelled.
    """
    job.progress(0.0, "palettes")
    source, reference = _source(job), _reference(job)
    picture = source.image.raster
    pixels = picture.rgba()
    if not source.weight.any():
        return [Layer("picture", "Transferred", pixels, metadata={"note": _NOTHING_TO_DO})]
    network = _network(job)
    subject, tables = _tables(job, network, source, reference)
    mask = None if subject is None else select_subject.draw(job.part(0.5, 0.6), subject, picture)
    job.preview(lambda: _preview(pixels, tables, source.inside, mask))
    cube = pictures.cube_layers(job, tables[0]) if mask is None else []
    if not job.wants("picture"):
        return cube
    for rows in strips(*pixels.shape[:2]):
        job.progress(0.6 + 0.4 * rows.start / len(pixels), "colours")
        _recolour(pixels[rows], tables, _part(source.inside, rows), _part(mask, rows))
    metadata = {} if network is None else {"network": network.identity}
    result = Layer("picture", "Transferred", pixels, metadata=metadata)
    return [result, *cube]


def _source(job: Job) -> Look:
    image, mask = job.primary("image"), job.input("mask")
    return Look(
        image, pictures.inside_of(mask), (image.digest, "" if mask is None else mask.digest)
    )


def _reference(job: Job) -> Look:
    """The reference, its mask cut to it. Raises LimnerError empty-layer and empty-mask."""
    image, mask = job.primary("reference"), job.input("reference-mask")
    if not Look(image, None, ("", "")).weight.any():
        raise LimnerError(
            "empty-layer",
            f"The reference '{image.name}' is transparent everywhere.",
            "Choose a reference with something on it and run again.",
        )
    if mask is None:
        return Look(image, None, (image.digest, ""))
    picture = image.raster
    over_it = window(mask.raster, picture.x, picture.y, picture.width, picture.height)
    look = Look(image, coverage(over_it.rgb, over_it.alpha), (image.digest, mask.digest))
    if not look.weight.any():
        raise LimnerError(
            "empty-mask",
            f"The mask '{mask.name}' has nothing of the reference inside.",
            "Move it over the reference, or run without it.",
        )
    return look


def _network(job: Job) -> Network | None:
    """What finds subjects; None where they are not told apart, as where the artist gave a mask."""
    given = job.input("mask") or job.input("reference-mask")
    if given is not None or job.params["subjects"] == "none":
        return None
    return runtime.network(select_subject.ROLE)


def _tables(
    job: Job, network: Network | None, source: Look, reference: Look
) -> tuple[Subject | None, list[ColorTable]]:
    """The change of all colours; or a subject, its change and that of its background."""
    ours = _scheme(job.part(0.0, 0.2), network, source)
    theirs = _scheme(job.part(0.2, 0.4), network if ours.parts else None, reference)
    subject = None
    pairs = [(ours.whole, theirs.whole)]
    if network is not None and ours.parts and theirs.parts:
        subject = select_subject.find(job.part(0.4, 0.5), network, source.image)
        pairs = list(zip(ours.parts, theirs.parts, strict=True))
    strength, lightness = (float(job.params[name]) / 100 for name in ("strength", "lightness"))
    shifts = [PaletteShift.between(*pair).scaled(strength * lightness, strength) for pair in pairs]
    return subject, [shift.table() for shift in shifts]


def _scheme(job: Job, network: Network | None, look: Look) -> Scheme:
    """The palettes of a picture, kept for the next run."""
    key = (ROLE, *look.key, job.params["colors"], _identity(network))
    return job.cache.get(key, lambda: _new_scheme(job, network, look))


def _identity(network: Network | None) -> tuple[str, ...]:
    return () if network is None else tuple(network.identity.values())


def _new_scheme(job: Job, network: Network | None, look: Look) -> Scheme:
    picture, weight = look.image.raster, look.weight
    places = _places(weight)
    lab = lab_at(picture.rgb, places)
    weights, colors = weight.flat[places], int(job.params["colors"])
    whole = peak_palette(lab, weights, colors)
    subject = None if network is None else select_subject.find(job, network, look.image)
    if subject is None or subject.contrast < CLEAR:
        return Scheme(whole, None)
    within = weights * select_subject.draw(job, subject, picture).flat[places]
    if not LEAST_SUBJECT <= within.sum() / weights.sum() <= MOST_SUBJECT:
        return Scheme(whole, None)
    parts = peak_palette(lab, within, colors), peak_palette(lab, weights - within, colors)
    return Scheme(whole, parts)


def _places(weight: Floats) -> npt.NDArray[np.intp]:
    """Flat indices of pixels that count, evenly spread."""
    shown = weight > 0
    count = int(np.count_nonzero(shown))
    chosen = evenly(count)
    return chosen if count == weight.size else np.flatnonzero(shown)[chosen]


def _part(mask: Floats | None, rows: slice) -> Floats | None:
    return None if mask is None else mask[rows]


def _recolour(
    pixels: Floats, tables: list[ColorTable], inside: Floats | None, subject: Floats | None
) -> None:
    """Recolours RGBA pixels (H x W x 4) in place.

    tables: one for all; or with a subject (H x W in [0, 1]) its own and the background's.
    """
    if subject is None:
        tables[0].apply(pixels, inside)
        return
    background = pixels.copy()
    tables[0].apply(pixels, inside)
    tables[1].apply(background, inside)
    background -= pixels
    background *= 1 - subject[..., None]
    pixels += background


def _preview(
    pixels: Floats, tables: list[ColorTable], inside: Floats | None, subject: Floats | None
) -> Floats:
    """A small picture of the result, of every n-th pixel, h x w x 3."""
    step = -(-max(pixels.shape[:2]) // pictures.PREVIEW_SIDE)
    every = np.s_[::step, ::step]
    small = pixels[every].copy()
    masks = (None if mask is None else mask[every].copy() for mask in (inside, subject))
    _recolour(small, tables, *masks)
    return over(small[..., :3], small[..., 3], GROUND)
