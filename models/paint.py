"""Paint: a line-art diffusion model that takes scribbles and a reference.

After Diffusart (Carrillo 2024, chapter 7): a denoiser ε_θ that sees the line art itself (explicit
conditioning) and, by cross-attention at its bottleneck, what an encoder g_θ of the same shape finds
in line art and scribbles (implicit conditioning). Ours go further: g_θ's features of every level
are added to the denoiser's, so that a scribble acts where it was drawn and not only at the
bottleneck; the colours that the scribbles suggest, region by region, come too, and what is learnt
is how the painting differs from them; a reference joins what the cross-attention looks at; and what
is predicted is the picture instead of the noise: it says something even where all is noise, and a
small network has not to carry the noise through.
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

PATCH = 2
"""Pixels along a side that are one place to the network."""
GROUPS = 8
HEADS = 4
TIME_CHANNELS = 128


class Paint(nn.Module):
    """Noisy colours, line art, scribbles and reference to the colours without noise.

    Args:
        channels: of the levels, each at half the size of the one before.
        explicit: whether line art, flats and g_θ's features reach the denoiser place by place;
            otherwise by cross-attention alone (the paper's ablation).
    """

    def __init__(
        self, channels: tuple[int, int, int, int] = (32, 64, 128, 192), *, explicit: bool = True
    ) -> None:
        super().__init__()
        self.explicit = explicit
        self.time = TimeEmbedding()
        self.stem = patch_convolution(8 if explicit else 3, channels[0])
        self.encoder = Encoder(channels, blocks=2, timed=True)
        self.hints = Hints(channels)
        self.reference = Reference(channels[-1])
        self.gates = nn.ModuleList(
            zero(nn.Conv2d(width, width, 1)) for width in channels if explicit
        )
        self.self_attention = Attention(channels[-1])
        self.cross_attention = Attention(channels[-1])
        self.decoder = nn.ModuleList(
            Level(below + width, width, blocks=2, timed=True)
            for width, below in reversed(list(pairwise(channels)))
        )
        self.norm = nn.GroupNorm(GROUPS, channels[0])
        self.out = zero(nn.Conv2d(channels[0], 3 * PATCH**2, 3, padding=1))

    def forward(
        self,
        noisy: Tensor,
        time: Tensor,
        line: Tensor,
        hints: Tensor,
        flats: Tensor,
        reference: Tensor,
    ) -> Tensor:
        """An estimate of x_0, the colours under the lines, N×3×H×W, about [-1, 1].

        Args:
            noisy: x_t = α x_0 + σ ε, N×3×H×W, colours in [-1, 1] before noise; H and W multiples
                of 32.
            time: N×1×H×W, the same everywhere in a picture; 0 without noise, 1 noise alone.
            line: N×1×H×W in [0, 1], 1 = ink.
            hints: N×4×H×W, colours in [0, 1] where there is a scribble, else 0, and where it is.
            flats: N×4×H×W, colours in [0, 1] that the scribbles suggest everywhere, and 1 in
                regions that have a scribble; all 0 without scribbles.
            reference: N×4×H×W, colours in [0, 1], else 0, and whether there is one.
        """
        moment = self.time(time[:, 0, 0, 0])
        known = started(flats)
        beside = torch.cat([line, known, flats[:, 3:]], dim=1)
        found = self.hints(torch.cat([hints, beside], dim=1))
        given = torch.cat([tokens(found[-1]), tokens(self.reference(reference))], dim=1)
        x = self.stem(torch.cat([noisy, beside], dim=1) if self.explicit else noisy)
        skips = []
        for number, level in enumerate(self.encoder.levels):
            x = level(x, moment)
            if self.explicit:
                x = x + self.gates[number](found[number])
            skips.append(x)
        x = self.attend(skips.pop(), given)
        for level in self.decoder:
            x = F.interpolate(x, scale_factor=2.0)
            x = level(torch.cat([x, skips.pop()], dim=1), moment)
        colours = F.pixel_shuffle(self.out(F.silu(self.norm(x))), PATCH)
        return known + colours if self.explicit else colours

    def attend(self, x: Tensor, given: Tensor) -> Tensor:
        """The bottleneck's N×C×h×w features after they looked at themselves and at N×T×C."""
        places = tokens(x)
        places = places + self.self_attention(places, places)
        places = places + self.cross_attention(places, given)
        return places.transpose(1, 2).unflatten(2, x.shape[2:])


class TimeEmbedding(nn.Module):
    """A time in [0, 1] as a vector (Ho 2020)."""

    def __init__(self, waves: int = 32) -> None:
        super().__init__()
        frequencies = torch.logspace(0, math.log10(200), waves)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.layers = nn.Sequential(
            nn.Linear(2 * waves, TIME_CHANNELS), nn.SiLU(), nn.Linear(TIME_CHANNELS, TIME_CHANNELS)
        )

    def forward(self, time: Tensor) -> Tensor:
        """N×128 from N."""
        angles = time[:, None] * self.frequencies
        return F.silu(self.layers(torch.cat([angles.cos(), angles.sin()], dim=1)))


class Encoder(nn.Module):
    """Levels of residual blocks, each at half the size of the one before."""

    def __init__(self, channels: tuple[int, ...], blocks: int, *, timed: bool) -> None:
        super().__init__()
        before = (channels[0], *channels[:-1])
        self.levels = nn.ModuleList(
            Level(inputs, width, blocks, timed=timed, halved=number > 0)
            for number, (inputs, width) in enumerate(zip(before, channels, strict=True))
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of every level."""
        found = []
        for level in self.levels:
            x = level(x)
            found.append(x)
        return found


class Hints(nn.Module):
    """g_θ: what line art and scribbles together say, at every level."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = patch_convolution(9, channels[0])
        self.encoder = Encoder(channels, blocks=1, timed=False)

    def forward(self, given: Tensor) -> list[Tensor]:
        """Features of the levels from N×9×H×W."""
        return self.encoder(self.stem(given))


class Reference(nn.Module):
    """Colours of a reference or palette, cell by cell; without norms, which would hide them."""

    def __init__(self, outputs: int, channels: tuple[int, int, int] = (32, 64, 96)) -> None:
        super().__init__()
        a, b, c = channels
        self.layers = nn.Sequential(
            nn.Conv2d(4, a, 4, stride=4),
            nn.SiLU(),
            nn.Conv2d(a, b, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(b, c, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(c, outputs, 3, stride=2, padding=1),
        )

    def forward(self, reference: Tensor) -> Tensor:
        """N×C×H/32×W/32 from N×4×H×W."""
        return self.layers(reference)


class Level(nn.Module):
    """Residual blocks at one size."""

    def __init__(
        self, inputs: int, width: int, blocks: int, *, timed: bool, halved: bool = False
    ) -> None:
        super().__init__()
        self.down = nn.Conv2d(inputs, width, 3, stride=2, padding=1) if halved else nn.Identity()
        first = width if halved else inputs
        self.blocks = nn.ModuleList(
            Block(first if number == 0 else width, width, timed=timed) for number in range(blocks)
        )

    def forward(self, x: Tensor, moment: Tensor | None = None) -> Tensor:
        """Features at this level; moment: N×128, for blocks that know the time."""
        x = self.down(x)
        for block in self.blocks:
            x = block(x, moment)
        return x


class Block(nn.Module):
    """A residual block; the time is added between its convolutions (Ho 2020)."""

    def __init__(self, inputs: int, outputs: int, *, timed: bool) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.moment = nn.Linear(TIME_CHANNELS, outputs) if timed else None
        self.norm2 = nn.GroupNorm(GROUPS, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, moment: Tensor | None) -> Tensor:
        """N×outputs×H×W from N×inputs×H×W and, if it is timed, N×128."""
        y = self.conv1(F.silu(self.norm1(x)))
        if self.moment is not None:
            y = y + self.moment(moment)[:, :, None, None]
        y = self.conv2(F.silu(self.norm2(y)))
        return self.skip(x) + y


class Attention(nn.Module):
    """Multi-head attention from places to tokens; zero before training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.norm_given = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.gate = zero(nn.Linear(channels, channels))

    def forward(self, places: Tensor, given: Tensor) -> Tensor:
        """What each of N×P×C places takes from N×T×C tokens, N×P×C."""
        query = heads(self.query(self.norm(places)))
        key, value = self.key_value(self.norm_given(given)).chunk(2, dim=2)
        seen = F.scaled_dot_product_attention(query, heads(key), heads(value))
        return self.gate(seen.transpose(1, 2).flatten(2))


def started(flats: Tensor) -> Tensor:
    """Where the network starts, N×3×H×W in [-1, 1]: the suggested colours; without any from grey.

    flats: N×4×H×W as the network takes them.
    """
    any_colour = flats.amax(dim=(1, 2, 3), keepdim=True) > 0
    return (2 * flats[:, :3] - 1) * any_colour


def heads(x: Tensor) -> Tensor:
    """N×heads×P×c from N×P×C."""
    return x.unflatten(2, (HEADS, -1)).transpose(1, 2)


def tokens(x: Tensor) -> Tensor:
    """N×hw×C from N×C×h×w."""
    return x.flatten(2).transpose(1, 2)


def patch_convolution(inputs: int, outputs: int) -> nn.Sequential:
    """Patches of pixels as one place each."""
    return nn.Sequential(
        nn.PixelUnshuffle(PATCH), nn.Conv2d(inputs * PATCH**2, outputs, 3, padding=1)
    )


def zero(layer: nn.Module) -> nn.Module:
    """The layer, which gives 0 until it is trained."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def build(**arguments: object) -> Paint:
    """The network from the arguments that its descriptor holds."""
    return Paint(**arguments)  # type: ignore[arg-type]
