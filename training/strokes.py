"""Scribbles as an artist would set them on line art, simulated on the device.

Half of the drawings follow the protocol of Carrillo 2024, 7.5, the rest has longer, curved and
thicker strokes and dabs. Every stroke has one colour, the median of the truth under it, and lies
where the truth is nearly uniform and hardly any ink is. Lengths are in pixels of a picture of 256.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from engine.imaging.suggested import NEAR, OUTSIDE, POWER, UNASKED

MANNERS = {"straight": 0.5, "free": 0.4, "none": 0.1}
"""How strokes are set, with shares: after the protocol, freely, not at all."""
MOST = 40
"""Strokes of a drawing."""
CANDIDATES = 112
"""Strokes that are tried for it."""
ALONG, ACROSS = 9, 3
"""Points of a stroke at which the truth is looked up."""
INK, MOST_INK = 0.37, 0.2
"""Coverage from which a pixel counts as ink, and the share of it that a stroke bears."""
EASY, RELAXED = 0.4, 3.0
"""Share of candidates that may count as uniform in a busy picture, and how far that may go."""
WHITE, MOST_WHITE = 0.92, 0.6
"""Least channel of white, and the share of strokes that may be white."""
ALIKE = 0.09
"""Distance in RGB up to which two colours are the same hint."""


@dataclass(frozen=True)
class Strokes:
    """Arcs of parabolas; lengths are shares of the picture's side, each N×K.

    x, y: middle of the chord. angle: of the chord. length, thickness: from end to end, across.
    bend: height of the arc over its chord.
    """

    x: Tensor
    y: Tensor
    angle: Tensor
    length: Tensor
    thickness: Tensor
    bend: Tensor

    def at(self, index: Tensor) -> Strokes:
        """The strokes with these indices, N×M."""
        return Strokes(*(values.gather(1, index) for values in vars(self).values()))


@dataclass(frozen=True)
class Scribbles:
    """What was drawn: strokes N×K, their colours N×K×3 in [0, 1], and which of them there are."""

    strokes: Strokes
    colours: Tensor
    chosen: Tensor


def simulate(
    colour: Tensor, line: Tensor, generator: torch.Generator, most: int = MOST
) -> Scribbles:
    """Scribbles on drawings, on each at most so many strokes, fewer being the first of more.

    colour: the truth, N×3×H×W in [0, 1]; line: N×1×H×W, 1 is ink.
    """
    random = Random(generator, colour.device)
    count = len(colour)
    manner = random.choice(count, list(MANNERS.values()))
    free = (manner == 1)[:, None]
    strokes = _candidates(free, random)
    median, fits = _looked_up(colour, line, strokes, _tolerance(free, random))
    careful = random.uniform((count, 1)) < torch.where(free, 0.6, 0.75)
    kept = _apart(strokes, median, fits, careful)
    kept = _not_all_white(median, kept)
    wanted = _wanted(free, random) * (manner != 2)[:, None]
    kept &= kept.cumsum(1) <= wanted.clamp(max=most)
    number = max(int(kept.sum(1).max()), 1)
    first = (~kept).to(torch.uint8).argsort(dim=1, stable=True)[:, :number]
    chosen = kept.gather(1, first)
    colours = median.gather(1, first[..., None].expand(-1, -1, 3))
    return Scribbles(strokes.at(first), colours, chosen)


def drawn(scribbles: Scribbles, distance: Tensor) -> Tensor:
    """Planes as a layer of strokes shrunk by area gives them, N×4×S×S: RGB times coverage, and it.

    distance: as `distances` has them. A stroke thinner than a pixel covers no pixel in full.
    """
    strokes, size = scribbles.strokes, distance.shape[-1]
    width = (strokes.thickness * size)[..., None, None]
    cover = torch.minimum((width / 2 + 0.5 - distance).clamp(min=0), width.clamp(max=1))
    longest = ((strokes.length + strokes.thickness) * size).clamp(max=1)  # of a dab in a pixel
    cover = (cover * (longest * scribbles.chosen)[..., None, None]).flatten(2)
    colours = scribbles.colours
    paint = torch.cat([colours, torch.ones_like(colours[..., :1])], 2).transpose(1, 2)
    planes = (paint @ cover).unflatten(2, (size, size))
    return planes / planes[:, 3:].clamp(min=1)


def suggested(scribbles: Scribbles, distance: Tensor, regions: Tensor) -> Tensor:
    """What `engine.imaging.suggested` finds, N×4×S×S: RGB, and 1 in regions that have a stroke.

    distance: as `distances` has them. regions: labels N×1×S×S; a stroke is in that which has most
    of it.
    """
    grid = 2 * torch.stack(_points(scribbles.strokes), 3) - 1
    found = F.grid_sample(regions.float(), grid, "nearest", "border", align_corners=False)
    own = found[:, 0].mode(dim=2).values
    chosen = scribbles.chosen[..., None, None]
    outside = regions != own[..., None, None]
    known = (chosen & ~outside).any(1, keepdim=True)
    size = distance.shape[-1]
    away = distance / size + NEAR + torch.where(known, OUTSIDE, UNASKED) * outside
    weight = (chosen * away**-POWER).flatten(2)
    colour = scribbles.colours.transpose(1, 2) @ weight / weight.sum(1, keepdim=True).clamp(1e-6)
    return torch.cat([colour.unflatten(2, (size, size)), known.to(colour.dtype)], 1)


def distances(strokes: Strokes, size: int) -> Tensor:
    """Of each pixel to the middle line of each stroke, in pixels, N×K×size×size."""
    place = (torch.arange(size, device=strokes.x.device) + 0.5) / size
    x = place - strokes.x[..., None]
    y = place - strokes.y[..., None]
    cos, sin = strokes.angle.cos()[..., None, None], strokes.angle.sin()[..., None, None]
    along = cos * x[:, :, None, :] + sin * y[:, :, :, None]
    across = cos * y[:, :, :, None] - sin * x[:, :, None, :]
    half = (strokes.length / 2).clamp(min=1e-3)[..., None, None]
    bend = strokes.bend[..., None, None]
    on_chord = (along / half).clamp(-1, 1)
    slope = 2 * bend / half * on_chord
    off = (across - bend * (1 - on_chord.square())).square() / (1 + slope.square())
    beyond = along - on_chord * half
    return (off + beyond.square()).sqrt() * size


class Random:
    """Random draws on a device."""

    def __init__(self, generator: torch.Generator, device: torch.device) -> None:
        self.generator, self.device = generator, device

    def uniform(self, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> Tensor:
        """Numbers of U(low, high)."""
        found = torch.rand(shape, generator=self.generator, device=self.device)
        return low + (high - low) * found

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Numbers of N(0, 1)."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def choice(self, count: int, shares: list[float]) -> Tensor:
        """Indices drawn by shares, N."""
        bounds = torch.tensor(shares, device=self.device).cumsum(0)
        found = torch.bucketize(self.uniform((count,)) * bounds[-1], bounds, right=True)
        return found.clamp(max=len(shares) - 1)


def _candidates(free: Tensor, random: Random) -> Strokes:
    """Strokes anywhere, N×CANDIDATES; free: N×1, else straight ones."""
    shape = (len(free), CANDIDATES)
    quarter = random.uniform(shape, 0, 4).floor() * (math.pi / 4)
    angle = torch.where(free, random.uniform(shape, 0, math.pi), quarter)
    length = torch.where(free, 4 * (110 / 4) ** random.uniform(shape), random.uniform(shape, 5, 30))
    dab = free & (random.uniform(shape) < 0.25)
    length = torch.where(dab, 0, length)
    thickness = torch.where(
        free, 1.5 * (12 / 1.5) ** random.uniform(shape), random.uniform(shape, 1, 4)
    )
    bend = free * (0.15 * random.normal(shape)).clamp(-0.4, 0.4) * length
    x, y = random.uniform(shape), random.uniform(shape)
    return Strokes(x, y, angle, length / 256, thickness / 256, bend / 256)


def _wanted(free: Tensor, random: Random) -> Tensor:
    """How many strokes a drawing gets, N×1: U(4, 25), or from 1 to MOST with few more often."""
    shape = free.shape
    few = (1 + (MOST - 1) * random.uniform(shape) ** 2).round()
    return torch.where(free, few, random.uniform(shape, 4, 26).floor())


def _tolerance(free: Tensor, random: Random) -> Tensor:
    """Greatest deviation of the truth under a stroke, N×1: artists mind texture less."""
    return torch.where(free, 25, 12) / 255 * random.uniform(free.shape, 0.5, 1.0)


def _looked_up(
    colour: Tensor, line: Tensor, strokes: Strokes, tolerance: Tensor
) -> tuple[Tensor, Tensor]:
    """The median colour under each stroke, N×K×3, and whether it may lie there, N×K."""
    grid = 2 * torch.stack(_points(strokes), 3) - 1
    truth = torch.cat([colour, line], 1)
    found = F.grid_sample(truth, grid, "nearest", "border", align_corners=False)
    median = found[:, :3].median(3).values.movedim(1, 2)
    uneven = found[:, :3].std(3).amax(1)
    busy = uneven.quantile(EASY, dim=1, keepdim=True)
    uniform = uneven < busy.clamp(tolerance, RELAXED * tolerance)
    bare = (found[:, 3] > INK).float().mean(2) <= MOST_INK
    inside = (grid.abs() <= 1).flatten(2).all(2)
    return median, uniform & bare & inside


def _points(strokes: Strokes) -> tuple[Tensor, Tensor]:
    """Columns and rows, as shares of the side, of points all over each stroke, N×K×P."""
    device = strokes.x.device
    along = torch.linspace(-1, 1, ALONG, device=device).repeat_interleave(ACROSS)
    across = torch.linspace(-0.7, 0.7, ACROSS, device=device).repeat(ALONG)
    u = strokes.length[..., None] / 2 * along
    v = strokes.thickness[..., None] / 2 * across + strokes.bend[..., None] * (1 - along.square())
    cos, sin = strokes.angle.cos()[..., None], strokes.angle.sin()[..., None]
    return strokes.x[..., None] + cos * u - sin * v, strokes.y[..., None] + sin * u + cos * v


def _apart(strokes: Strokes, median: Tensor, fits: Tensor, careful: Tensor) -> Tensor:
    """Strokes, N×K, that touch no earlier one; careful artists repeat no colour near itself."""
    place = torch.stack([strokes.x, strokes.y], 2)
    distance = torch.cdist(place, place)
    reach = strokes.length / 2 + strokes.thickness
    touching = distance < 0.7 * (reach[:, :, None] + reach[:, None])
    repeated = (torch.cdist(median, median) < ALIKE) & (distance < 0.25) & careful[..., None]
    conflict = (touching | repeated) & fits[:, None]  # stroke i with an earlier one j that fits
    return fits & ~conflict.tril(-1).any(2)


def _not_all_white(median: Tensor, kept: Tensor) -> Tensor:
    """Strokes without the white ones that exceed MOST_WHITE of those so far, N×K."""
    white = kept & (median.amin(2) > WHITE)
    coloured = kept & ~white
    bound = MOST_WHITE / (1 - MOST_WHITE) * (coloured.cumsum(1) + 1)
    return coloured | (white & (white.cumsum(1) <= bound))
