"""The recipe of paint: a diffusion model that colours line art from scribbles.

Diffusart (Carrillo 2024, chapter 7): denoiser and hint encoder learn together, on line art and
scribbles that are made from colour drawings (`training.drawings`). Ours predicts x_0: its L1 error
is that of the noise (eq. 7.7) times σ / α, since ε̂ - ε = (x_0 - x̂_0) α / σ. So a network learns as
much from steps that are noise alone, in which it decides all colours, as from the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from engine.imaging import color, diffusion
from models.paint import build, started
from models.registry import Port
from training import drawings, packs, sheets
from training.drawings import Composer, Drawing, Library
from training.loop import Settings

if TYPE_CHECKING:
    from training.export import Network

NAME = "paint"
WORKING_SIZE = 128
"""Longer side at which the network paints."""
LEVELS = {"sparse": 6, "medium": 15, "dense": 40}
"""Most strokes in validation drawings."""
HELD_OUT = 48
"""Validation drawings."""
STEPS = 6
PURE = 0.6
"""Part of a batch that is noise alone."""
PAPER, PAPER_WEIGHT = 0.9, 0.5
"""From this value in all channels colours are paper: there is much of it, and little to learn."""
KNOWN_WEIGHT = 0.5
"""Of regions with a scribble in them, which are painted nearly right to begin with."""
INK_WEIGHT = 0.25
"""Of colours under ink: no one sees them, and no one knows them."""


@dataclass(frozen=True)
class Config(Settings):
    """size: of the square drawings, a multiple of 32.

    explicit: as in the network. without_hints, without_reference: chances that a drawing loses its
    scribbles or its reference, beside those that have none from the start.
    """

    batch: int = 16
    learning_rate: float = 6e-4
    ema: float = 0.999
    size: int = 64
    explicit: bool = True
    without_hints: float = 0.05
    without_reference: float = 0.1


def network(config: Config) -> Network:
    """What is exported."""
    from training.export import Network  # a training machine need not have what export needs

    return Network(
        module="models.paint",
        arguments={"explicit": config.explicit},
        inputs=(
            Port("noisy", 3),
            Port("time", 1, (0.0, 1.0)),
            Port("line", 1, (0.0, 1.0)),
            Port("hints", 4, (0.0, 1.0)),
            Port("flats", 4, (0.0, 1.0)),
            Port("reference", 4, (0.0, 1.0)),
        ),
        outputs=(Port("colour", 3),),
        size_multiple=32,
        working_size=WORKING_SIZE,
        limits=(
            "It decides colours and soft shading, no detail. Where nothing was scribbled it "
            "guesses what is likely in children's books, open comics and icons, from few lessons: "
            "most of a painting comes from what the scribbles suggest. The reference port has next "
            "to no effect yet; the operation mixes a reference's colours into what is suggested. "
            "More steps than one are further from the truth. What is suggested was changed three "
            "times while it learnt: figures of validation compare only where those of flats agree."
        ),
    )


def pack(out: Path, shared: Path) -> list[Path]:
    """Line art and the colours under it."""
    return drawings.pack(out, shared)


class Recipe:
    """One training: `training.loop` says what its parts are."""

    def __init__(self, config: Config, data: Path, device: torch.device) -> None:
        self.config, self.device = config, device
        pack = packs.read(data)
        self.model = build(explicit=config.explicit)
        self.library = Library.read(pack, "train", config.size, device)
        held_out = Library.read(pack, "validation", config.size, device)

        def drawn(most: int) -> Drawing:
            generator = torch.Generator(device).manual_seed(0)
            return Composer(held_out, config.size, generator).draw(4 * HELD_OUT, most=most)

        levels = {level: drawn(most) for level, most in LEVELS.items()}
        chosen = most_scribbled(levels["dense"], HELD_OUT)
        self.levels = {level: picked(drawing, chosen) for level, drawing in levels.items()}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Norms and biases learn without decay."""
        parameters = list(self.model.parameters())
        return [
            {"params": [p for p in parameters if p.ndim > 1]},
            {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
        ]

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """AdamW."""
        config = self.config
        return torch.optim.AdamW(groups, config.learning_rate, weight_decay=config.weight_decay)

    def step(self, generator: torch.Generator) -> dict[str, float | Tensor]:
        """One batch of drawings, each at a time of its own."""
        config = self.config
        drawing = Composer(self.library, config.size, generator).draw(config.batch)
        scribbled = torch.cat([drawing.hints, drawing.flats], dim=1)
        hints, filled = dropped(scribbled, config.without_hints, generator).split(4, dim=1)
        reference = dropped(drawing.reference, config.without_reference, generator)
        time = times(config.batch, generator)
        noise = torch.randn(drawing.colour.shape, generator=generator, device=self.device)
        noisy = mixed(drawing.colour, noise, time)
        found = self.model(*together(noisy, time, drawing.line, hints, filled, reference))
        errors = (found.float() - drawing.colour).abs().mean(dim=1, keepdim=True)
        weight = weights(drawing)
        loss = (errors * weight).sum() / weight.sum()
        loss.backward()
        pure = (time == 1) * weight
        first = (errors.detach() * pure).sum() / pure.sum().clamp(min=1)
        return {"loss": loss.detach(), "first step": first}

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Mean ΔE76 outside ink of held-out drawings at each level, after 1 step and after several.

        score: minus the mean of those after 1 step; after several they are one sample of what is
        likely, which differs more from the truth than the middle of it. Further figures: the flats
        that the network starts from, one step without scribbles, and with a reference, where there
        is one, in their place.
        """
        bare = {level: without(drawing, "reference") for level, drawing in self.levels.items()}
        figures = {
            f"{level} {steps}": difference(self.painted(model, drawing, steps), drawing)
            for level, drawing in bare.items()
            for steps in (1, STEPS)
        }
        start = {
            f"{level} flats": difference(flats(drawing), drawing) for level, drawing in bare.items()
        }
        unhinted, led = (
            without(drawing["dense"], "hints", "flats") for drawing in (bare, self.levels)
        )
        return {
            "score": -float(np.mean([figures[f"{level} 1"] for level in bare])),
            **figures,
            **start,
            "unhinted": difference(self.painted(model, unhinted, 1), unhinted),
            "reference": difference(self.painted(model, led, 1), led),
        }

    def painted(self, model: nn.Module, drawing: Drawing, steps: int, seed: int = 0) -> np.ndarray:
        """Drawings as the network paints them, N×3×H×W in [-1, 1]."""
        count, _, height, width = drawing.line.shape
        given = drawing.line, drawing.hints, drawing.flats, drawing.reference

        def predict(x: diffusion.Floats, time: float) -> diffusion.Floats:
            noisy = torch.from_numpy(x).to(self.device)
            moment = torch.full((count, 1, 1, 1), time, device=self.device)
            colour: diffusion.Floats = model(*together(noisy, moment, *given)).float().cpu().numpy()
            return colour

        seeds = range(seed, seed + count)
        noise = diffusion.gaussian(seeds, height, width)
        return diffusion.sample(predict, noise, diffusion.even_times(steps))

    def sheet(self, model: nn.Module) -> np.ndarray:
        """Drawings with few strokes, and with many: flats, one step, several, truth."""
        even = (torch.arange(HELD_OUT, device=self.device) % 2 == 0).view(-1, 1, 1, 1)
        few, many = (vars(self.levels[level]) for level in ("sparse", "dense"))
        drawing = Drawing(*(torch.where(even, few[name], many[name]) for name in few))
        drawing = without(drawing, "reference")
        line = 1 - drawing.line.cpu().numpy()
        strokes = (drawing.hints[:, :3] + 1 - drawing.hints[:, 3:]).cpu().numpy()
        colours = [
            flats(drawing),
            self.painted(model, drawing, 1),
            self.painted(model, drawing, STEPS),
            drawing.colour.cpu().numpy(),
        ]
        columns = [strokes * line, *((colour + 1) / 2 * line for colour in colours)]
        rows = [list(row) for row in zip(*(np.moveaxis(c, 1, 3) for c in columns), strict=True)]
        headings = ["scribbles", "flats", "1 step", f"{STEPS} steps", "truth"]
        pairs = [one + other for one, other in zip(rows[::2], rows[1::2], strict=True)]
        return sheets.grid(pairs, 2 * headings, side=128)


def times(count: int, generator: torch.Generator) -> Tensor:
    """Times in [0, 1] of a batch, N×1×1×1, in strata: 1 for PURE of them, else density 2 t."""
    device = generator.device
    place = torch.randperm(count, generator=generator, device=device)
    inside = torch.rand(count, generator=generator, device=device)
    part = (place + inside) / count
    return (part / (1 - PURE)).sqrt().clamp(max=1).view(-1, 1, 1, 1)


def mixed(colour: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """x_t, as `engine.imaging.diffusion` has it."""
    angle = time * diffusion.QUARTER_TURN
    return angle.cos() * colour + angle.sin() * noise


def together(noisy: Tensor, time: Tensor, *conditions: Tensor) -> Iterator[Tensor]:
    """The network's arguments; time: N×1×1×1."""
    given = (noisy, time.expand(-1, -1, *noisy.shape[2:]), *conditions)
    return (plane.contiguous(memory_format=torch.channels_last) for plane in given)


def dropped(condition: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    """N×C×H×W, zero for drawings that come without it."""
    luck = torch.rand(len(condition), 1, 1, 1, generator=generator, device=condition.device)
    return condition * (luck >= chance)


def weights(drawing: Drawing) -> Tensor:
    """How much each pixel's error counts, N×1×H×W."""
    paper = (drawing.colour > PAPER).all(dim=1, keepdim=True)
    less = (
        1 - (1 - weight) * part
        for weight, part in (
            (PAPER_WEIGHT, paper),
            (KNOWN_WEIGHT, drawing.flats[:, 3:]),
            (INK_WEIGHT, drawing.line),
        )
    )
    return math.prod(less, start=torch.ones_like(drawing.line))


def flats(drawing: Drawing) -> np.ndarray:
    """What the network starts from, N×3×H×W in [-1, 1]."""
    return started(drawing.flats).cpu().numpy()


def difference(painted: np.ndarray, drawing: Drawing) -> float:
    """Mean ΔE76 between drawings and how they were painted, N×3×H×W in [-1, 1], outside ink."""
    found, truth = (
        color.srgb_to_lab((np.moveaxis(colour, 1, 0) + 1) / 2)
        for colour in (painted, drawing.colour.cpu().numpy())
    )
    free = 1 - drawing.line[:, 0].cpu().numpy()
    return float((np.linalg.norm(found - truth, axis=0) * free).sum() / free.sum())


def without(drawing: Drawing, *conditions: str) -> Drawing:
    """The drawings with planes of these names all 0."""
    return replace(drawing, **{name: torch.zeros_like(vars(drawing)[name]) for name in conditions})


def picked(drawing: Drawing, chosen: Tensor) -> Drawing:
    """The drawings with these indices."""
    return Drawing(*(planes[chosen] for planes in vars(drawing).values()))


def most_scribbled(drawing: Drawing, count: int) -> Tensor:
    """Indices of those drawings that have the most strokes; strokes that touch are one."""
    masks = (drawing.hints[:, 3] > 0).byte().cpu().numpy()
    number = torch.tensor([cv2.connectedComponents(mask)[0] for mask in masks])
    return number.argsort(descending=True, stable=True)[:count].to(drawing.hints.device)
