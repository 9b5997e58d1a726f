"""Harmonize a composite: a pasted thing takes the look of the picture around it.

Sofiiuk, Popenova, Konushin 2021. The network sees a small copy of the thing and its surroundings
and decides how colours change at each place; the change is made on the picture's own pixels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine import runtime
from engine.imaging.color import coverage
from engine.imaging.color_transform import blended, grey, spread, transformed
from engine.imaging.raster import Raster, has_colour
from engine.imaging.resample import (
    AffineField,
    Box,
    planar,
    shrink,
    shrink_mask,
    strips,
    working_size,
)
from engine.job import Input, Job, Layer
from engine.runtime import Network
from ipc.errors import LimnerError

Floats = npt.NDArray[np.float32]

# Measured: 79 for RGBA of 32 bits; a mask with transparency adds 4.
BYTES_PER_PIXEL = 88
ROLE = "harmonize-composite"
GROUND = 0.5
"""The grey that is seen through transparent parts."""
SURROUNDINGS, LEAST_MARGIN = 0.2, 16
"""How much is seen around the thing: in parts of its longer side, and pixels at least.

Measured on composites with known truth: the closer the look, the smaller the error; what is seen
has to hold some background, though.
"""
LEAST_AROUND = 1e-3
"""Share of the canvas that has to be visible outside the mask."""


def run(job: Job) -> list[Layer]:
    """The picture with the pasted thing changed; every other pixel is exactly as it was.

    Raises LimnerError empty-mask, full-mask and what runtime.network raises, and Cancelled.
    """
    job.progress(0.0, "mask")
    image, mask = job.primary("image"), job.primary("mask")
    inside = _inside(image.raster, mask)
    box = Box.around(inside > 0).grown(SURROUNDINGS, *job.canvas, LEAST_MARGIN)
    job.progress(0.1, "network")
    network = runtime.network(ROLE)
    key = (ROLE, image.digest, mask.digest, *network.identity.values())
    field = job.cache.get(key, lambda: _field(network, image.raster, inside, box))
    pixels = image.raster.rgba()
    thing, amount = box.of(pixels)[..., :3], box.of(inside)
    amount *= np.float32(float(job.params["strength"]) / 100)
    for rows in strips(box.height, box.width):
        job.progress(0.3 + 0.7 * rows.start / box.height, "colours")
        thing[rows] = transformed(thing[rows], amount[rows], field, rows.start)
    return [Layer("picture", "Harmonized", pixels, metadata={"network": network.identity})]


def _inside(picture: Raster, mask: Input) -> Floats:
    """How far each visible pixel belongs to the pasted thing, H x W in [0, 1].

    Raises LimnerError empty-mask where none does, and full-mask where hardly another one is seen.
    """
    inside = coverage(mask.raster.rgb, mask.raster.alpha)
    if picture.alpha is not None:
        inside *= picture.alpha > 0
    if not inside.any():
        raise LimnerError(
            "empty-mask",
            f"The mask '{mask.name}' has nothing of the picture inside.",
            "Mask the pasted thing and run again.",
        )
    around = 1 - inside
    if picture.alpha is not None:
        around *= picture.alpha
    if around.mean() < LEAST_AROUND:
        raise LimnerError(
            "full-mask",
            f"The mask '{mask.name}' leaves nothing of the picture to take the look from.",
            "Give the whole picture, mask the pasted thing alone, and run again.",
        )
    return inside


def _field(network: Network, picture: Raster, inside: Floats, box: Box) -> AffineField:
    """The change of colour at each place of the box, as the network decides it."""
    about = network.descriptor
    size = working_size(box.width, box.height, about.working_size, about.size_multiple)
    alpha = None if picture.alpha is None else box.of(picture.alpha)
    small = shrink(box.of(picture.rgb), alpha, size, GROUND)
    small_mask = shrink_mask(box.of(inside), size)
    image, mask = planar(small), small_mask[None]
    # Straight and mirrored: the mean of both is nearer to the truth.
    found = network.run(
        {
            "image": np.stack([image, image[..., ::-1]]),
            "mask": np.stack([mask, mask[..., ::-1]]),
        }
    )
    straight, mirrored = map(blended, found["transform"], found["blend"][:, 0])
    maps = (straight + mirrored[..., ::-1]) * np.float32(0.5)
    maps = spread(maps, shrink_mask(small_mask, (maps.shape[2], maps.shape[1])))
    if not has_colour(picture.rgb):
        maps = grey(maps)
    return AffineField(maps, box.width, box.height)
