"""Flat colours for line art, from a few scribbles.

The line art is cut into regions once; scribbles, a flats layer or both then say their colours as
often as one likes. Where neither says any, every region that does not touch the page's border gets
a colour that its neighbours have not, from the palette where there is one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from engine.imaging import fill
from engine.imaging.color import coverage
from engine.imaging.naming import NAMES, name_probabilities
from engine.imaging.palettes import swatches
from engine.imaging.regions import Parts, fill_to_nearest
from engine.job import Job, Layer
from engine.operations.line_art import LineArt, hints

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]

# Measured: 85 with line art and scribbles; a flats layer and a mask add 40.
BYTES_PER_PIXEL = 128
LAYER_NAME = "Flats"
MOST_LABELS = 65535


def run(job: Job) -> list[Layer]:
    """The flats as one layer or one per colour, and the region labels.

    Raises LimnerError empty-line-art, bad-parameter for a palette without colours, and Cancelled.
    """
    palette = job.input("palette")
    chosen = None if palette is None else swatches(palette.raster.rgb, palette.raster.alpha)
    art = LineArt(job)
    regions = art.regions
    job.progress(0.5, "scribbles")
    asked = hints(job, chosen)
    job.progress(0.6, "colours")
    if asked and len(asked[0].colours):
        colours = asked[0].colours
        parts, colour_of_part = art.assigned(regions, asked)
        if job.params["unhinted"] == "neighbour":
            colour_of_part = fill.spread(parts, colour_of_part)
    else:
        parts = Parts.whole(regions)
        colours, colour_of_part = fill.distinct(regions, chosen)
    job.progress(0.8, "layers")
    mask = job.input("mask")
    cover = None if mask is None else coverage(mask.raster.rgb, mask.raster.alpha)
    layers = [
        replace(layer, metadata={"lines": art.blending})
        for layer in _colour_layers(job, parts.labels, colour_of_part, colours, cover)
    ]
    job.checkpoint()
    return [*layers, _labels(parts, cover)] if job.wants("labels") else layers


def _colour_layers(
    job: Job, labels: Labels, colour_of_part: Labels, colours: Floats, cover: Floats | None
) -> list[Layer]:
    """The parts in their colours, on one layer or on one for each colour. cover: the mask."""
    per_colour = job.params["layers"] == "per-colour"
    table = np.zeros((len(colours) + 1, 4), np.float32)
    table[1:, :3], table[1:, 3] = colours, 1
    if job.params["edges"] == "hard":
        inside = labels if cover is None else np.where(cover >= 0.5, labels, 0)
        # Part 0 is no part, and so outside the mask.
        number = np.concatenate([[0], colour_of_part[1:]])
        if not (per_colour and (shown := number[inside]).any()):
            return [Layer("flats", LAYER_NAME, inside, exact=True, table=table[number])]
        return _one_per_colour(shown, (shown > 0).astype(np.float32), colours)
    shown, alpha = _softened(colour_of_part[labels], cover)
    if per_colour and shown.any():
        return _one_per_colour(shown, alpha, colours)
    pixels = table[shown]
    pixels[..., 3] = alpha
    return [Layer("flats", LAYER_NAME, pixels, exact=True)]


def _softened(colour: Labels, cover: Floats | None) -> tuple[Labels, Floats]:
    """Each pixel's colour number (0 = none) and alpha, H x W both, with smooth edges."""
    import cv2

    alpha = np.asarray(cv2.GaussianBlur((colour > 0).astype(np.float32), (3, 3), 0.0), np.float32)
    if cover is not None:
        alpha *= cover
    # Beyond the edge too, so that the softened edge shows no other colour.
    return np.where(alpha > 0, fill_to_nearest(colour), 0), alpha


def _one_per_colour(colour: Labels, alpha: Floats, colours: Floats) -> list[Layer]:
    """A layer for each colour, cut to where it is; the largest first."""
    from scipy.ndimage import find_objects

    boxes = find_objects(colour)
    area = np.bincount(colour.ravel(), minlength=len(colours) + 1)[1:]
    layers = []
    for number in np.argsort(-area, kind="stable"):
        if not area[number]:
            continue
        box = boxes[number]
        here = colour[box] == number + 1
        pixels = np.zeros((*here.shape, 4), np.float32)
        pixels[here, :3] = colours[number]
        pixels[here, 3] = alpha[box][here]
        top, left = box[0].start, box[1].start
        name = f"{LAYER_NAME} {_name(colours[number])}"
        group = (LAYER_NAME,)
        layers.append(Layer("flats", name, pixels, x=left, y=top, group=group, exact=True))
    return layers


def _name(colour: Floats) -> str:
    """A colour in words and as hex code."""
    name = NAMES[int(name_probabilities(colour).argmax())]
    red, green, blue = np.rint(np.clip(colour, 0.0, 1.0) * 255.0).astype(int)
    return f"{name} #{red:02x}{green:02x}{blue:02x}"


def _labels(parts: Parts, cover: Floats | None) -> Layer:
    """The regions' numbers; where there are more than fit, the smallest have none."""
    numbers = np.arange(parts.count + 1)
    if parts.count > MOST_LABELS:
        area = np.bincount(parts.labels.ravel(), minlength=parts.count + 1)
        numbers[:] = 0
        numbers[np.sort(np.argsort(-area, kind="stable")[:MOST_LABELS])] = np.arange(
            1, MOST_LABELS + 1
        )
    labels = numbers.astype(np.uint16)[parts.labels]
    if cover is not None:
        labels[cover < 0.5] = 0
    return Layer("labels", "Regions", labels, kind="labels", exact=True)
