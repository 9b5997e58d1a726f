"""Foreground-aware harmonization: a pasted object takes the look of its background.

After Sofiiuk, Popenova and Konushin 2021: an encoder-decoder with skips over picture and mask
(iDIH), a head that decides where the input stays (eq. 1), and semantic features of a pretrained
classifier that sees the mask, concatenated at one place in the encoder. Two things are ours. For
painting, the network decides a colour transform per pixel at a quarter of the size instead of
colours, so that applying it keeps every detail. And colour statistics of foreground and background
join the deepest features, because most of what makes a paste look wrong is one change of all of it.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from models.mobilenet_v2 import FEATURE_CHANNELS, ConvNorm, MobileNetV2

WIDTH = (1.0,)
BINS = 8
SEMANTIC_CHANNELS = 64
EPSILON = 1e-4


class HarmonizeComposite(nn.Module):
    """Picture and mask to a colour transform, or to colours.

    Args:
        channels: of the encoder at strides 2, 4, 8 and 16.
        semantic: with foreground-aware features of a MobileNetV2.
        statistics: with colour statistics of foreground and background.
        blending: with the blend head of eq. 1; without it the prediction replaces the foreground.
        transforming: predicts a colour transform at stride 4; otherwise RGB at full size.
    """

    def __init__(
        self,
        channels: tuple[int, int, int, int] = (16, 32, 64, 128),
        *,
        semantic: bool = True,
        statistics: bool = True,
        blending: bool = True,
        transforming: bool = True,
    ) -> None:
        super().__init__()
        a, b, c, d = channels
        self.encoder = nn.ModuleList(
            [
                ConvNorm(WIDTH, 4, a, 3, stride=2),
                nn.Sequential(ConvNorm(WIDTH, a, b, 3, stride=2), ConvNorm(WIDTH, b, b, 3)),
                nn.Sequential(ConvNorm(WIDTH, b, c, 3, stride=2), ConvNorm(WIDTH, c, c, 3)),
                ConvNorm(WIDTH, c, d, 3, stride=2),
            ]
        )
        self.semantic = Semantics() if semantic else None
        self.bottleneck = ConvNorm(WIDTH, d + (SEMANTIC_CHANNELS if semantic else 0), d, 3)
        self.statistics = Statistics(d) if statistics else None
        self.decoder = nn.ModuleList([ConvNorm(WIDTH, d + c, c, 3), ConvNorm(WIDTH, c + b, b, 3)])
        if not transforming:
            self.decoder.append(ConvNorm(WIDTH, b + a, a, 3))
            self.decoder.append(ConvNorm(WIDTH, a + 4, a, 3))
        self.transforming = transforming
        last = b if transforming else a
        self.colour = nn.Conv2d(last, 12 if transforming else 3, 1)
        if transforming:
            nn.init.zeros_(self.colour.weight)
            nn.init.zeros_(self.colour.bias)
        self.blend = nn.Conv2d(last, 1, 1) if blending else None

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Transform (or colours) and blend.

        Args:
            image: N×3×H×W, sRGB-encoded in [0, 1], H and W multiples of 32.
            mask: N×1×H×W in [0, 1], 1 where the pasted object is.

        Returns:
            N×12×H/4×W/4, the rows of a 3×4 matrix A|b per pixel (rgb' = A·rgb + b), the identity
            before training; or N×3×H×W colours. And D_M of eq. 1, N×1 at the same size, in [0, 1].
        """
        given = torch.cat([image - 0.5, mask], dim=1)
        skips, x = [given], given
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        x = skips.pop()
        if self.semantic is not None:
            x = torch.cat([x, self.semantic(image, mask)], dim=1)
        x = self.bottleneck(x)
        if self.statistics is not None:
            x = x + self.statistics(image, mask, x)
        for stage in self.decoder:
            x = F.interpolate(x, scale_factor=2.0)
            x = stage(torch.cat([x, skips.pop()], dim=1))
        colour = self.colour(x)
        blend = torch.ones_like(x[:, :1]) if self.blend is None else self.blend(x).sigmoid()
        if not self.transforming:
            return colour + 0.5, blend
        return affine(colour, masked_mean(image, mask)), blend

    def harmonize(self, image: Tensor, mask: Tensor) -> Tensor:
        """The harmonized picture, N×3×H×W (eq. 1), not clipped; arguments as for `forward`."""
        colour, blend = self(image, mask)
        if self.transforming:
            return apply_transform(image, mask, colour, blend)
        return image + mask * blend * (colour - image)

    def train(self, mode: bool = True) -> "HarmonizeComposite":
        """As in torch, but the backbone keeps the batch statistics that it came with."""
        super().train(mode)
        if self.semantic is not None:
            self.semantic.backbone.eval()
        return self


class Semantics(nn.Module):
    """Features of a MobileNetV2 that sees the mask, at stride 16 (Sofiiuk 2021, section 3.2)."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = MobileNetV2(WIDTH, extra_inputs=1)
        self.middle = nn.Conv2d(FEATURE_CHANNELS[2], SEMANTIC_CHANNELS, 1)
        self.deep = nn.Conv2d(FEATURE_CHANNELS[3], SEMANTIC_CHANNELS, 1, bias=False)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """N×64×H/16×W/16."""
        features = self.backbone(image, mask)
        deep = F.interpolate(
            self.deep(features[3]), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        return F.relu6(self.middle(features[2]) + deep)


class Statistics(nn.Module):
    """What foreground and background look like as a whole, as one vector for every place.

    Soft histograms, means and deviations of red, green, blue, lightness and chroma, and the mean
    features, of both sides of the mask.
    """

    planes = 5

    def __init__(self, channels: int, hidden: int = 128) -> None:
        super().__init__()
        known = 2 * self.planes * (BINS + 2) + 2 * channels + 1
        self.layers = nn.Sequential(
            nn.Linear(known, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )
        nn.init.zeros_(self.layers[2].weight)

    def forward(self, image: Tensor, mask: Tensor, features: Tensor) -> Tensor:
        """N×C×1×1 from N×3×H×W, N×1×H×W and N×C×H/16×W/16."""
        share = mask.mean(dim=(2, 3)).clamp_min(EPSILON)
        colours = F.avg_pool2d(image, 2)
        small, deep = F.avg_pool2d(mask, 2), F.avg_pool2d(mask, 16)
        sides = [share.log()]
        for side, deep_side in ((small, deep), (1 - small, 1 - deep)):
            sides += [self.describe(colours, side), masked_mean(features, deep_side).flatten(1)]
        return self.layers(torch.cat(sides, dim=1))[:, :, None, None]

    def describe(self, colours: Tensor, side: Tensor) -> Tensor:
        """N×50: histograms, means and deviations of the colours under `side`."""
        light = colours.mean(dim=1, keepdim=True)
        chroma = colours.amax(dim=1, keepdim=True) - colours.amin(dim=1, keepdim=True)
        planes = torch.cat([colours, light, chroma], dim=1)
        bins = [
            masked_mean((1 - (planes * (BINS - 1) - place).abs()).clamp_min(0), side)
            for place in range(BINS)
        ]
        mean = masked_mean(planes, side)
        deviation = (masked_mean((planes - mean).square(), side) + EPSILON).sqrt()
        return torch.cat([*bins, mean, deviation], dim=1).flatten(1)


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean of N×C×H×W under N×1×H×W, as N×C×1×1; near 0 where the mask is empty."""
    area = mask.sum(dim=(2, 3), keepdim=True) + EPSILON
    return (x * mask).sum(dim=(2, 3), keepdim=True) / area


def affine(change: Tensor, centre: Tensor) -> Tensor:
    """The 3×4 matrices of a change about a colour: rgb' = rgb + C·(rgb − centre) + c.

    Args:
        change: N×12×h×w, rows of C|c; 0 gives the identity.
        centre: N×3×1×1; about the foreground's mean colour, c alone moves that mean.
    """
    change = change.unflatten(1, (3, 4))
    matrix, shift = change[:, :, :3], change[:, :, 3:]
    shift = shift - (matrix * centre[:, None]).sum(dim=2, keepdim=True)
    identity = torch.eye(3, device=change.device, dtype=change.dtype)
    return torch.cat([matrix + identity[:, :, None, None], shift], dim=2).flatten(1, 2)


def apply_transform(image: Tensor, mask: Tensor, transform: Tensor, blend: Tensor) -> Tensor:
    """Eq. 1 with a colour transform: I·(1 − D) + T(I)·D inside the mask, I outside it.

    Args:
        image: N×3×H×W.
        mask: N×1×H×W.
        transform: N×12×h×w, enlarged to the picture (bilinear), as is
        blend: N×1×h×w.

    Returns:
        N×3×H×W, not clipped; equal to `image` wherever mask or blend is 0.
    """
    size = image.shape[-2:]
    large = F.interpolate(transform, size=size, mode="bilinear", align_corners=False)
    weight = mask * F.interpolate(blend, size=size, mode="bilinear", align_corners=False)
    rows = large.unflatten(1, (3, 4))
    homogeneous = torch.cat([image, torch.ones_like(image[:, :1])], dim=1)
    mapped = (rows * homogeneous[:, None]).sum(dim=2)
    return image + weight * (mapped - image)


def build(**arguments: object) -> HarmonizeComposite:
    """The network from the arguments that its descriptor holds."""
    return HarmonizeComposite(**arguments)  # type: ignore[arg-type]
