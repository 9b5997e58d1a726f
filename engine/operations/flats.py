"""Flat colours for line art, from a few scribbles.

The line art is cut into regions once; scribbles, a flats layer or both then say their colours as
often as one likes, and other strokes where no colour shall be. Where neither says any, every region
that does not touch the page's border gets a colour that its neighbours have not, from the palette
where there is one; crumbs take a neighbour's. A further layer shows what gaps were closed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engine.imaging import fill
from engine.imaging.color import coverage
from engine.imaging.naming import NAMES, name_probabilities
from engine.imaging.palettes import swatches
from engine.imaging.regions import Parts, Regions, fill_to_nearest
from engine.imaging.scribbles import Hints
from engine.job import Job, Layer
from engine.operations.line_art import LineArt, hints, with_clear

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

# Measured: 145 with all inputs, a group per figure, colour held back under lines and closed gaps.
BYTES_PER_PIXEL = 160
LAYER_NAME = "Flats"
MOST_LABELS = 65535
MARK = 1.0, 0.0, 1.0
"""Colour of what is wrong or was mended: hardly any drawing has it."""
MOST_FIGURES = 40
"""Groups of layers; what is smaller than so many figures is in the last one."""


def run(job: Job) -> list[Layer]:
    """The flats on one layer or several, what gaps were closed, and the region labels.

    Raises LimnerError empty-line-art, bad-parameter for a palette without colours, and Cancelled.
    """
    palette = job.input("palette")
    chosen = None if palette is None else swatches(palette.raster.rgb, palette.raster.alpha)
    art = LineArt(job)
    regions = art.regions
    job.progress(0.5, "scribbles")
    asked = hints(job, chosen)
    job.progress(0.6, "colours")
    colours, parts, colour_of_part = _coloured(job, regions, art, asked, chosen)
    job.progress(0.8, "layers")
    mask = job.input("mask")
    cover = None if mask is None else coverage(mask.raster.rgb, mask.raster.alpha)
    picture = _Picture(job, art, parts, colour_of_part, colours, cover)
    layers = picture.layers()
    if job.params["show-gaps"]:
        layers.append(_gaps(parts, colour_of_part, layers[0].group[:1]))
    layers = [replace(layer, metadata={"lines": art.blending}) for layer in layers]
    if art.look().is_picture:
        note = f"'{art.layer.name}' looks like a picture: flat colours want line art."
        layers[0] = replace(layers[0], metadata={**layers[0].metadata, "note": note})
    job.checkpoint()
    return [*layers, _labels(parts, cover)] if job.wants("labels") else layers


def _coloured(
    job: Job, regions: Regions, art: LineArt, asked: list[Hints], palette: Floats | None
) -> tuple[Floats, Parts, Labels]:
    """Colours, N x 3, the parts, and the number of each part's colour, 0 = none."""
    wanted = with_clear(job, asked)
    if not (asked and len(asked[0].colours)):
        colours, number = fill.distinct(regions, palette)
        _, clear = art.assigned(regions, wanted)
        return colours, Parts.whole(regions), np.where(clear > 0, 0, number)
    parts, number = art.assigned(regions, wanted, parted=job.params["mixed"] == "part")
    if job.params["unhinted"] == "neighbour":
        number = fill.spread(parts, number)
    # The number beyond the colours is that of strokes that ask for none.
    return asked[0].colours, parts, np.where(number > len(asked[0].colours), 0, number)


@dataclass(frozen=True)
class _Picture:
    """Parts in their colours, to be made layers. cover: the mask, H x W."""

    job: Job
    art: LineArt
    parts: Parts
    colour_of_part: Labels
    colours: Floats
    cover: Floats | None

    def layers(self) -> list[Layer]:
        """Those that the job asks for, bottom layer first."""
        labels, form = self._reached(), self.job.params["layers"]
        hard = self.job.params["edges"] == "hard"
        if hard and form == "one":
            table = np.zeros((self.parts.count + 1, 4), np.float32)
            shown = np.flatnonzero(self.colour_of_part[1:]) + 1
            table[shown, :3] = self.colours[self.colour_of_part[shown] - 1]
            table[shown, 3] = 1
            return [Layer("flats", LAYER_NAME, labels, exact=True, table=table)]
        # Part 0 is no part, and so has no colour.
        colour = np.concatenate([[0], self.colour_of_part[1:]]).astype(np.int32)[labels]
        alpha = (colour > 0).astype(np.float32)
        drawn = colour > 0
        if not hard:
            colour, alpha = _softened(colour, self.cover)
        if form == "one" or not colour.any():
            return [Layer("flats", LAYER_NAME, self._pixels(colour, alpha), exact=True)]
        if form == "per-colour":
            return self._by_colour(colour, alpha, (LAYER_NAME,))
        return self._by_figure(colour, alpha, drawn)

    def _reached(self) -> Labels:
        """The part whose colour each pixel has, 0 where it lies too deep in ink or is masked."""
        labels, reach = self.parts.labels, int(self.job.params["under-lines"])
        if reach:
            labels = np.where(self.art.depth <= reach, labels, 0)
        if self.cover is not None and self.job.params["edges"] == "hard":
            labels = np.where(self.cover >= 0.5, labels, 0)
        return labels

    def _pixels(self, colour: Labels, alpha: Floats) -> Floats:
        """Colour numbers and alpha, H x W each, as H x W x 4."""
        table = np.concatenate([np.zeros((1, 3), np.float32), self.colours])
        return np.dstack([table[colour], np.where(colour > 0, alpha, 0)]).astype(np.float32)

    def _by_colour(
        self, colour: Labels, alpha: Floats, group: tuple[str, ...], x: int = 0, y: int = 0
    ) -> list[Layer]:
        """A layer for each colour, cut to where it is; the largest first. x, y: place of it all."""
        from scipy.ndimage import find_objects

        boxes = find_objects(colour)
        area = np.bincount(colour.ravel(), minlength=len(self.colours) + 1)[1:]
        layers = []
        for number in np.argsort(-area, kind="stable")[: np.count_nonzero(area)]:
            rows, columns = boxes[number]
            here = np.where(colour[rows, columns] == number + 1, number + 1, 0)
            pixels = self._pixels(here, alpha[rows, columns])
            name = f"{LAYER_NAME} {_name(self.colours[number])}"
            place = {"x": x + columns.start, "y": y + rows.start}
            layers.append(Layer("flats", name, pixels, group=group, exact=True, **place))
        return layers

    def _by_figure(self, colour: Labels, alpha: Floats, drawn: Bools) -> list[Layer]:
        """A group of such layers for each figure, the background first.

        drawn: H x W, where parts have a colour; softened edges reach farther.
        """
        from scipy.ndimage import find_objects

        figure_of_part = fill.figures(self.parts, self.colour_of_part, MOST_FIGURES)
        number_of_part = figure_of_part[self.parts.labels] + 1
        figure = fill_to_nearest(np.where(drawn, number_of_part, 0).astype(np.int32))
        layers = []
        for number, box in enumerate(find_objects(figure)):
            if box is None:
                continue
            here = np.where(figure[box] == number + 1, colour[box], 0)
            if here.any():
                name = f"Figure {number}" if number else "Background"
                place = box[1].start, box[0].start
                layers += self._by_colour(here, alpha[box], (LAYER_NAME, name), *place)
        return layers


def _softened(colour: Labels, cover: Floats | None) -> tuple[Labels, Floats]:
    """Each pixel's colour number (0 = none) and alpha, H x W both, with smooth edges."""
    import cv2

    alpha = np.asarray(cv2.GaussianBlur((colour > 0).astype(np.float32), (3, 3), 0.0), np.float32)
    if cover is not None:
        alpha *= cover
    # Beyond the edge too, so that the softened edge shows no other colour.
    return np.where(alpha > 0, fill_to_nearest(colour), 0), alpha


def _name(colour: Floats) -> str:
    """A colour in words and as hex code."""
    name = NAMES[int(name_probabilities(colour).argmax())]
    red, green, blue = np.rint(np.clip(colour, 0.0, 1.0) * 255.0).astype(int)
    return f"{name} #{red:02x}{green:02x}{blue:02x}"


def _gaps(parts: Parts, colour_of_part: Labels, group: tuple[str, ...]) -> Layer:
    """Closed gaps, and stripes over areas without a colour, those at the page's border left out."""
    import cv2

    side = max(parts.labels.shape)
    thick = np.ones((side // 512 + 2, side // 512 + 2), np.uint8)
    closed = cv2.dilate((parts.regions.bridges > 0).astype(np.uint8), thick)
    empty = (colour_of_part == 0) & ~parts.at_border()
    rows, columns = np.ogrid[: parts.labels.shape[0], : parts.labels.shape[1]]
    stripes = (rows + columns) % (side // 64 + 4) < side // 256 + 2
    marked = np.where(empty[parts.labels] & stripes, 2, 0).astype(np.int32)
    marked[closed > 0] = 1
    table = np.array([(0, 0, 0, 0), (*MARK, 1), (*MARK, 0.6)], np.float32)
    return Layer("gaps", "Gaps", marked, group=group, exact=True, table=table)


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
