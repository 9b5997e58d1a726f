"""Select the subject of a photograph or a drawing.

A network (Xue 2024, chapter 2) says roughly where the subject is; its edges are then drawn after
the picture's own, at full size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import machine, runtime
from engine.imaging.color import coverage
from engine.imaging.matte import LIKELY, Matte, feathered, refine, settled
from engine.imaging.raster import Raster
from engine.imaging.resample import Box, planar, shrink, shrink_mask, strips, working_size
from engine.job import Input, Job, Layer
from engine.runtime import Network
from ipc.errors import LimnerError

Floats = npt.NDArray[np.float32]

# Measured: 66 for RGBA of 32 bits with a mask; feathering adds 4.
BYTES_PER_PIXEL = 76
ROLE = "select-subject"
GROUND = 0.5
"""The grey that is seen through transparent parts."""
SURROUNDINGS = 0.1
"""How much is seen around the mask to search in, in sizes of the mask."""
LEAST_SUBJECT = 1e-3
"""Share of what is seen that the subject has to have."""
SCALES = (2 / 3, 1)
"""Sizes that the network looks at, in parts of its working size."""
CLOSER, MARGIN = 0.9, 0.25
"""A subject whose box with a margin is a smaller share of what is seen gets a second, closer look.

The margin is in parts of the box's longer side.
"""
LEAST_TRANSPARENT = 0.05
"""Share of the canvas from which a layer with transparency counts as a cut-out."""


@dataclass(frozen=True)
class Subject:
    """A subject that was found.

    box: the part of the picture that it lies in; matte: of that. contrast: by how much its places
    are likelier than others, at most 1; some subjects are a guess.
    """

    box: Box
    matte: Matte
    contrast: float

    @property
    def nbytes(self) -> int:
        """What it takes to keep it."""
        return self.matte.nbytes


def run(job: Job) -> list[Layer]:
    """The subject's mask.

    Raises LimnerError no-subject where none is found, what runtime.network raises, and Cancelled.
    """
    job.progress(0.0, "network")
    image, limit = job.primary("image"), job.input("mask")
    picture = image.raster
    inside = None if limit is None else coverage(limit.raster.rgb, limit.raster.alpha)
    network = runtime.network(ROLE, _width(str(job.params["width"])))
    subject = find(job, network, image, limit, inside)
    metadata: dict[str, Any] = {"network": network.identity}
    if subject is not None:
        mask = draw(job, subject, picture)
    elif picture.alpha is not None and (picture.alpha == 0).mean() > LEAST_TRANSPARENT:
        mask = picture.alpha.copy()
        metadata["note"] = "No subject stands out; all that is not transparent was selected."
    else:
        raise LimnerError(
            "no-subject",
            f"No subject was found in '{image.name}'.",
            "Select roughly where it is, or choose a higher quality, and run again.",
        )
    job.progress(0.9, "feather")
    if job.params["feather"]:
        mask = feathered(mask, float(job.params["feather"]))
    if inside is not None:
        mask *= inside
    return [Layer("subject", "Subject", mask, kind="mask", exact=True, metadata=metadata)]


def find(
    job: Job,
    network: Network,
    image: Input,
    limit: Input | None = None,
    inside: Floats | None = None,
) -> Subject | None:
    """The subject of a picture, kept for the next run; None where there is none.

    limit: the mask to search in; inside: its coverage. Raises LimnerError empty-layer where nothing
    is visible, and empty-mask.
    """
    box = _searched(image.raster, limit, inside)
    key = (ROLE, image.digest, limit and limit.digest, *network.identity.values())
    return job.cache.get(key, lambda: _subject(job, network, image.raster, box))


def _width(chosen: str) -> str | None:
    """The network's variant for a choice of quality; None is the best one.

    The best one takes a fraction of a second, but for a single processor half of it is enough.
    """
    if chosen != "auto":
        return chosen
    return "0.5" if runtime.device() == "cpu" and machine.threads() == 1 else None


def _searched(picture: Raster, limit: Input | None, inside: Floats | None) -> Box:
    """The part of the picture that is looked at: what is visible, near the mask where there is one.

    Raises LimnerError empty-layer and empty-mask.
    """
    seen = np.ones(picture.rgb.shape[:2], np.bool_)
    if picture.alpha is not None:
        seen &= picture.alpha > 0
    if not seen.any():
        raise LimnerError(
            "empty-layer",
            "The picture is transparent everywhere.",
            "Choose a layer with something on it and run again.",
        )
    if inside is None:
        return Box.around(seen)
    seen &= inside > 0
    if limit is not None and not seen.any():
        raise LimnerError(
            "empty-mask",
            f"The mask '{limit.name}' has nothing of the picture inside.",
            "Move it over the picture, or run without a mask.",
        )
    return Box.around(seen).grown(SURROUNDINGS, picture.width, picture.height)


def _subject(job: Job, network: Network, picture: Raster, box: Box) -> Subject | None:
    """The subject in the box, its edges ready to be drawn; None where there is none."""
    likely, small = look(network, picture, box)
    there = likely > LIKELY
    if there.mean() < LEAST_SUBJECT:
        return None
    closer = _enlarged(Box.around(there), there.shape, box).grown(
        MARGIN, picture.width, picture.height
    )
    if closer.width * closer.height < CLOSER * box.width * box.height:
        job.progress(0.15, "network")
        again, close = look(network, picture, closer)
        if (again > LIKELY).mean() > LEAST_SUBJECT:
            box, likely, small = closer, again, close
    job.progress(0.25, "edges")
    matte = refine(settled(likely, small), *_part(picture, box), GROUND)
    return Subject(box, matte, _contrast(likely))


def _contrast(likely: Floats) -> float:
    """The mean likelihood of places that are likelier of the subject than not, less the others'."""
    inside = likely > 0.5
    if inside.all() or not inside.any():
        return 0.0
    return float(likely[inside].mean() - likely[~inside].mean())


def look(network: Network, picture: Raster, box: Box) -> tuple[Floats, Floats]:
    """How likely each place in the box is of the subject, h x w in [0, 1]; and what was seen.

    The network looks at two sizes, straight and mirrored; what it says is averaged.
    """
    about = network.descriptor
    found: list[Floats] = []
    for scale in SCALES:
        side = round(scale * about.working_size)
        size = working_size(box.width, box.height, side, about.size_multiple)
        small = shrink(*_part(picture, box), size, GROUND)
        both = np.stack([planar(small), planar(small[:, ::-1])])
        straight, mirrored = network.run({"image": both})["subject"][:, 0]
        found.append((straight + mirrored[:, ::-1]) / 2)
    likely: Floats = np.mean([shrink_mask(each, size) for each in found], axis=0)
    return likely, small


def _enlarged(box: Box, shape: tuple[int, ...], whole: Box) -> Box:
    """A box of pixels of a small copy, whose rows and columns are `shape`, in the whole box."""
    down, across = whole.height / shape[0], whole.width / shape[1]
    return Box(
        whole.left + math.floor(box.left * across),
        whole.top + math.floor(box.top * down),
        whole.left + math.ceil(box.right * across),
        whole.top + math.ceil(box.bottom * down),
    )


def draw(job: Job, subject: Subject, picture: Raster) -> Floats:
    """The subject's mask over the whole picture, H x W."""
    mask = np.zeros(picture.rgb.shape[:2], np.float32)
    found = subject.box.of(mask)
    rgb, alpha = _part(picture, subject.box)
    for rows in strips(*found.shape):
        job.progress(0.4 + 0.5 * rows.start / len(found), "edges")
        seen = None if alpha is None else alpha[rows]
        found[rows] = subject.matte.strip(rgb[rows], seen, rows.start)
    return mask


def _part(picture: Raster, box: Box) -> tuple[Floats, Floats | None]:
    """Colours and alpha in the box."""
    return box.of(picture.rgb), None if picture.alpha is None else box.of(picture.alpha)
