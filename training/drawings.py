"""Drawings to learn painting from: line art, the colour under it, scribbles and references.

Composed on the device from a pack: real pairs of line art and colour, illustrations with line art
by two methods (`training.line_drawings`), and scenes with exact lines (`training.scenes`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from engine.imaging.lines import ink_coverage, ink_mask
from engine.imaging.regions import find_regions
from training import line_drawings, packs, scenes, sources, strokes
from training.packs import Pack, PackWriter
from training.sources import Picture

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

STYLES = {"drawn": 0.22, "xdog": 0.27, "edges": 0.27, "exact": 0.24}
"""Where the lines come from, with shares: an artist, two extractions, the shapes of a scene."""
SIDE = 288
"""Pictures of a pack are squares of this side."""
LEVELS = 7
"""Steps of a line's coverage in a pack."""
PAIRS = "asp_lineart_pairs"
ILLUSTRATIONS = ("asp_illustrations", "bookdash", "gophers_cc0")
SCENES = {"train": 420, "validation": 60}
SEED = 4
FINER = 2
"""Drawings are put together this much larger, then averaged, so that lines are smooth."""
SIBLINGS = 8
"""Other pages of the same book that are remembered for a picture."""
REFERENCES = {"none": 0.55, "page": 0.25, "palette": 0.2}
"""What is given as reference, with shares; a picture without siblings gets a palette for a page."""
RECOLOURED = 0.1
"""Share of drawings in colours that nobody would guess: there hints alone tell."""
MAIN_COLOURS = 8


def pack(out: Path, shared: Path) -> list[Path]:
    """Writes pairs, illustrations and scenes, each as a pack of its own."""
    parts = {"pairs": _pairs, "illustrations": _illustrations, "scenes": _scenes}
    return [
        part(shared / "data").write(out / f"{name}.safetensors") for name, part in parts.items()
    ]


def _pairs(data: Path) -> PackWriter:
    writer = PackWriter()
    for line, colour in pairs(data):
        _add(writer, colour, _clean(line.read()[..., :3]))
    return writer


def _illustrations(data: Path) -> PackWriter:
    writer = PackWriter()
    for set_name in ILLUSTRATIONS:
        for source in sources.pictures(set_name, data=data):
            _add(writer, source)
    return writer


def _scenes(data: Path) -> PackWriter:
    writer = PackWriter()
    for split, count in SCENES.items():
        for scene in scenes.compose(split, count, SIDE, SEED, data):
            about = {"group": scene.name, "page": scene.name}
            _add_colour(writer, scene.name, scene.colour, scene.source, about)
            _add_line(writer, scene.name, "exact", scene.line, scene.source)
    return writer


def pairs(data: Path, split: str | None = None) -> list[tuple[Picture, Picture]]:
    """Registered line art and colour of the same drawing."""
    found = sources.pictures(PAIRS, split, data)
    lines = {picture.path.stem: picture for picture in found if "lineart" in picture.path.parts}
    colours = [picture for picture in found if "color" in picture.path.parts]
    return [(lines[colour.path.stem], colour) for colour in colours if colour.path.stem in lines]


def tiles(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Squares that cover a picture; the margin of one that is nearly square is left out."""
    side = min(height, width)
    count = max(1, math.ceil(max(height, width) / side - 0.25))
    room = max(height, width) - side
    for start in (
        np.linspace(0, room, count + 2)[1:-1] if count == 1 else np.linspace(0, room, count)
    ):
        cut = slice(round(start), round(start) + side)
        yield (cut, slice(0, side)) if height > width else (slice(0, side), cut)


def _add(writer: PackWriter, source: Picture, ink: Floats | None = None) -> None:
    """Adds a picture in squares: its colour, and its lines by both methods and by the artist."""
    whole = _on_white(source.read())
    random = np.random.default_rng(SEED)
    for number, (rows, columns) in enumerate(tiles(*whole.shape[:2])):
        picture = np.ascontiguousarray(whole[rows, columns])
        colour, outlines = line_drawings.separated(picture)
        name = f"{source.set}/{source.path.stem} {number}"
        about = {"group": source.group, "page": source.path.stem}
        _add_colour(writer, name, colour, source, about)
        _add_line(writer, name, "xdog", line_drawings.xdog(picture, random), source)
        _add_line(writer, name, "edges", line_drawings.edges(colour, outlines, random), source)
        if ink is not None:
            _add_line(writer, name, "drawn", ink[rows, columns], source)


def _add_colour(
    writer: PackWriter, name: str, colour: Bytes, source: Picture, about: dict[str, str]
) -> None:
    writer.add_picture(name, _shrunk(colour), source, kind="colour", quality=82, extra=about)


def _add_line(writer: PackWriter, name: str, style: str, ink: Floats, source: Picture) -> None:
    steps = np.rint(np.rint(_shrunk(ink) * LEVELS) * (255 / LEVELS)).astype(np.uint8)
    line = f"{name} {style}"
    about = {"of": name, "style": style}
    writer.add_picture(line, steps, source, kind="line", extra=about)
    labels = find_regions(ink_mask(steps / np.float32(255))).labels
    planes = np.stack([labels & 255, labels >> 8, np.zeros_like(labels)], axis=2)
    planes, name = planes.astype(np.uint8), f"{line} regions"
    writer.add_picture(name, planes, source, kind="regions", quality=100, extra={"of": line})


def _shrunk(picture: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    way = cv2.INTER_AREA if picture.shape[0] > SIDE else cv2.INTER_LINEAR
    return cv2.resize(picture, (SIDE, SIDE), interpolation=way)


def _on_white(pixels: Bytes) -> Bytes:
    if pixels.shape[2] == 3:
        return pixels
    alpha = pixels[..., 3:].astype(np.float32) / 255
    return np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def _clean(scan: Bytes) -> Floats:
    """Coverage by an artist's lines as the operation finds it, without the grain of the scan."""
    ink = ink_coverage(scan.astype(np.float32) / 255)
    return line_drawings.without_specks(np.clip((ink - 0.08) / 0.92, 0, 1), 6)


@dataclass(frozen=True)
class Drawing:
    """Drawings to learn from, square, on the device.

    line: N×1×S×S, 1 is ink. colour: N×3×S×S in [-1, 1], under the lines. hints: N×4×S×S in [0, 1],
    RGB times coverage, and coverage. flats: N×4×S×S in [0, 1], the colours that scribbles suggest,
    and 1 in regions with a scribble. reference: N×4×S×S in [0, 1], RGB and 1, or nothing but 0.
    """

    line: Tensor
    colour: Tensor
    hints: Tensor
    flats: Tensor
    reference: Tensor


@dataclass(frozen=True)
class Library:
    """What drawings are made of, uint8 on the device.

    colours: M×3×T×T. lines: K×1×T×T, 255 is ink. regions: int16 K×1×T×T, labels of what the lines
    keep apart. colour_of: K, the colour below a line. line_of: M,
    one of a colour's lines. siblings: M×SIBLINGS, colours of other pages of the book, -1 where
    there is none. of: indices of the lines of each style.
    """

    colours: Tensor
    lines: Tensor
    regions: Tensor
    colour_of: Tensor
    line_of: Tensor
    siblings: Tensor
    of: dict[str, Tensor]

    @classmethod
    def read(cls, pack: Pack, split: str, size: int, device: torch.device) -> Library:
        """The drawings of one side of the split, for training at `size` pixels."""
        colours, lines = pack.find("colour", split), pack.find("line", split)
        side = min(SIDE, 3 * size)
        place = {pack.items[index].name: row for row, index in enumerate(colours)}
        colour_of = [place[pack.items[index].extra["of"]] for index in lines]
        styles = [pack.items[index].extra["style"] for index in lines]
        line_of = dict(zip(colour_of, range(len(lines)), strict=True))
        regions_of = {pack.items[index].extra["of"]: index for index in pack.find("regions", split)}
        return cls(
            _squares(pack, colours, side).to(device),
            _squares(pack, lines, side).to(device),
            _labels(pack, [regions_of[pack.items[index].name] for index in lines], side).to(device),
            torch.tensor(colour_of, device=device),
            torch.tensor([line_of[row] for row in range(len(colours))], device=device),
            _siblings([pack.items[index] for index in colours]).to(device),
            {
                style: torch.tensor(
                    [row for row, found in enumerate(styles) if found == style],
                    dtype=torch.long,
                    device=device,
                )
                for style in STYLES
            },
        )


def _labels(pack: Pack, indices: list[int], side: int) -> Tensor:
    """Labels of regions in a pack made smaller, int16 N×1×side×side."""
    planes = _squares(pack, indices, side, cv2.INTER_NEAREST).to(torch.int16)
    return planes[:, :1] + 256 * planes[:, 1:2]


def _squares(pack: Pack, indices: list[int], side: int, way: int = cv2.INTER_AREA) -> Tensor:
    """Pictures of a pack made smaller, uint8 N×C×side×side."""
    found = torch.empty(0)
    for start in range(0, len(indices), 64):
        part = pack.pictures(indices[start : start + 64])
        small = [cv2.resize(picture, (side, side), interpolation=way) for picture in part]
        planes = torch.from_numpy(np.stack(small).reshape(len(part), side, side, -1))
        if start == 0:
            found = torch.empty(len(indices), planes.shape[3], side, side, dtype=torch.uint8)
        found[start : start + len(part)] = planes.permute(0, 3, 1, 2)
    return found


def _siblings(items: list[packs.Item]) -> Tensor:
    """For each colour some of other pages of its group, N×SIBLINGS, -1 where there is none."""
    groups = defaultdict(list)
    for row, item in enumerate(items):
        groups[item.set, item.extra["group"]].append((row, item.extra["page"]))
    random = np.random.default_rng(SEED)
    table = np.full((len(items), SIBLINGS), -1)
    for members in groups.values():
        for row, page in members:
            others = [other for other, of in members if of != page]
            if others:
                table[row] = random.choice(others, SIBLINGS)
    return torch.from_numpy(table)


class Composer:
    """Draws drawings from a library with a random generator."""

    def __init__(self, library: Library, size: int, generator: torch.Generator) -> None:
        self.library, self.size, self.generator = library, size, generator
        self.device = library.colours.device
        self.random = strokes.Random(generator, self.device)

    def draw(
        self, count: int, styles: list[str] | None = None, most: int = strokes.MOST
    ) -> Drawing:
        """Drawings with at most so many strokes.

        styles: of each one, keys of STYLES, None draws them by their shares.
        """
        lines = self._chosen(count, styles)
        colours = self.library.colour_of[lines]
        crops, looks = self._crops(count), self._looks(count)
        ink = self._weighted(self.library.lines[lines].float() / 255)
        colour = self.library.colours[colours].float() / 255
        fine = _cropped(torch.cat([colour, ink], 1), crops, FINER * self.size)
        colour, ink = recoloured(fine[:, :3], looks), fine[:, 3:]
        scribbles = strokes.simulate(colour, ink, self.generator, most)
        distance = strokes.distances(scribbles.strokes, self.size)
        regions = _cropped(self.library.regions[lines].float(), crops, self.size, "nearest")
        line = F.avg_pool2d(self._broken(ink), FINER)
        small = F.avg_pool2d(colour, FINER)
        reference = self._references(colours, small, looks)
        hints = strokes.drawn(scribbles, distance)
        flats = strokes.suggested(scribbles, distance, regions)
        return Drawing(self._worn(line), 2 * small - 1, hints, flats, reference)

    def _chosen(self, count: int, styles: list[str] | None) -> Tensor:
        """Indices of lines; styles that the library has none of are left to the others."""
        pools = [self.library.of[name] for name in STYLES]
        if styles is None:
            shares = [
                share * bool(len(pool)) for share, pool in zip(STYLES.values(), pools, strict=True)
            ]
            style = self.random.choice(count, shares)
        else:
            style = torch.tensor([list(STYLES).index(name) for name in styles], device=self.device)
        sizes = torch.tensor([len(pool) for pool in pools], device=self.device)
        within = (self.random.uniform((count,)) * sizes[style]).long()
        return torch.cat(pools)[sizes.cumsum(0)[style] - sizes[style] + within]

    def _crops(self, count: int) -> Tensor:
        """Affine maps N×2×3 of squares within the picture, mirrored or not."""
        part = self.random.uniform((count,), 0.5, 1.0)
        theta = torch.zeros(count, 2, 3, device=self.device)
        theta[:, 0, 0] = part * (2 * (self.random.uniform((count,)) < 0.5) - 1)
        theta[:, 1, 1] = part
        theta[:, :, 2] = self.random.uniform((count, 2), -1, 1) * (1 - part[:, None])
        return theta

    def _weighted(self, ink: Tensor) -> Tensor:
        """Lines N×1×T×T made heavier or finer."""
        heavy = self.random.normal((len(ink), 1, 1, 1)) * 0.5
        wide = F.max_pool2d(ink, 3, 1, 1)
        return torch.where(
            heavy > 0, torch.lerp(ink, wide, heavy.clamp(0, 1)), ink * (1 + heavy).clamp(min=0.6)
        )

    def _broken(self, ink: Tensor) -> Tensor:
        """Some drawings' lines have gaps, and strength that varies along them."""
        count, side = len(ink), ink.shape[-1]
        field = F.interpolate(
            self.random.uniform((count, 1, 28, 28)), (side, side), mode="bilinear"
        )
        gaps = self.random.uniform((count, 1, 1, 1), 0.78, 1.3)
        soft = self.random.uniform((count, 1, 1, 1), 0, 0.6)
        pressure = 1 - (soft - 0.2).clamp(min=0) * field.roll(side // 2, 3)
        return ink * pressure * (20 * (gaps - field)).clamp(0, 1)

    def _worn(self, line: Tensor) -> Tensor:
        """Some lines are grey, on grain or in uneven light; levels differ."""
        count = len(line)
        one = (count, 1, 1, 1)
        happens = [self.random.uniform(one) < chance for chance in (0.2, 0.25, 0.15)]
        grey = torch.where(happens[0], self.random.uniform(one, 0.45, 1.0), 1.0)
        steep = torch.exp(self.random.normal(one) * 0.25)
        line = (line * steep).clamp(max=1) * grey
        grain = self.random.normal(tuple(line.shape)) * self.random.uniform(one, 0, 0.06)
        corners = self.random.uniform((count, 1, 3, 3), 0, 0.15)
        shade = F.interpolate(corners, line.shape[2:], mode="bilinear", align_corners=True)
        return (line + grain * happens[1] + shade * happens[2]).clamp(0, 1)

    def _looks(self, count: int) -> Tensor:
        """Linear maps of colour N×3×3: a little tint, gain and saturation, or quite other hues."""
        strong = (self.random.uniform((count,)) < RECOLOURED)[:, None, None]
        angle = self.random.uniform((count,), 0.15, 0.85) * (2 * math.pi)
        vivid = self.random.uniform((count, 1, 1), 0.7, 1.7)
        turned = vivid * _turns(angle)
        mild = self.random.uniform((count, 1, 1), 0.8, 1.2) * _turns(torch.zeros_like(angle))
        grey = torch.full((3, 3), 1 / 3, device=self.device)
        spread = torch.where(strong[..., 0], 0.15, 0.04)
        tint = torch.exp(self.random.normal((count, 3)) * spread - spread / 2)
        return tint[..., None] * (grey + torch.where(strong, turned, mild))

    def _references(self, colours: Tensor, truth: Tensor, looks: Tensor) -> Tensor:
        """Another page, the main colours, or nothing, N×4×S×S."""
        count = len(truth)
        kind = self.random.choice(count, list(REFERENCES.values()))
        pick = (self.random.uniform((count,)) * SIBLINGS).long().clamp(max=SIBLINGS - 1)
        sibling = self.library.siblings[colours].gather(1, pick[:, None])[:, 0]
        crops = self._crops(count)
        page = ((kind == 1) & (sibling >= 0)).nonzero()[:, 0]
        palette = ((kind == 2) | ((kind == 1) & (sibling < 0))).nonzero()[:, 0]
        found = torch.zeros(count, 4, self.size, self.size, device=self.device)
        if len(page):
            other = sibling[page]
            ink = self.library.lines[self.library.line_of[other]].float() / 255
            colour = self.library.colours[other].float() / 255
            shown = _cropped(torch.cat([colour, ink], 1), crops[page], self.size)
            found[page, :3] = recoloured(shown[:, :3], looks[page]) * (1 - shown[:, 3:])
        if len(palette):
            found[palette, :3] = self._palettes(truth[palette])
        found[page, 3] = found[palette, 3] = 1.0
        return found

    def _palettes(self, truth: Tensor) -> Tensor:
        """Stripes of the main colours, from the most frequent on, N×3×S×S."""
        pixels = truth.flatten(2).transpose(1, 2)
        place = (self.random.uniform((256,)) * pixels.shape[1]).long()
        colours = main_colours(pixels[:, place])
        number = self.random.uniform((len(truth), 1), 3, MAIN_COLOURS + 1).floor()
        across = torch.arange(self.size, device=self.device) / self.size
        stripe = (across * number).long()[..., None].expand(-1, -1, 3)
        stripes = colours.gather(1, stripe).transpose(1, 2)
        return stripes[:, :, None].expand(-1, -1, self.size, -1)


def recoloured(colour: Tensor, looks: Tensor) -> Tensor:
    """Colours N×3×H×W in [0, 1] through linear maps N×3×3."""
    return (looks @ colour.flatten(2)).clamp(0, 1).view_as(colour)


def main_colours(pixels: Tensor) -> Tensor:
    """The centres of k-means, N×MAIN_COLOURS×3, the most frequent first; pixels: N×P×3."""
    centres = pixels[:, :MAIN_COLOURS]
    share = torch.ones_like(centres[..., :1])
    for _ in range(4):
        nearest = torch.cdist(pixels, centres).argmin(2)
        member = F.one_hot(nearest, MAIN_COLOURS).float().transpose(1, 2)
        share = member.sum(2, keepdim=True)
        centres = torch.where(share > 0, member @ pixels / share.clamp(min=1), centres)
    order = share.argsort(1, descending=True).expand(-1, -1, 3)
    return centres.gather(1, order)


def _turns(angle: Tensor) -> Tensor:
    """Turns of hue by an angle about the grey axis, without their grey part, N×3×3."""
    third = 2 * math.pi / 3
    steps = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=angle.device) * third
    return torch.cos(angle[:, None, None] - steps) * (2 / 3)


def _cropped(planes: Tensor, crops: Tensor, side: int, way: str = "bilinear") -> Tensor:
    grid = F.affine_grid(crops, [len(planes), 1, side, side], align_corners=False)
    return F.grid_sample(planes, grid, way, "border", align_corners=False)
