"""select-subject: which pixels of a picture are its subject, at a width chosen when it runs.

A slimmable network in the manner of SlimSeg (Xue 2024, chapter 2): MobileNetV2, a pooled context
and a pyramid of sums, all slimmed together. Features join by sums instead of concatenations, so
that every weight of a narrow network is a leading slice of the wide one's.
"""

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from models.mobilenet_v2 import (
    FEATURE_CHANNELS,
    ConvNorm,
    MobileNetV2,
    SlimConv,
    set_width,
)

WIDTHS = (0.25, 0.5, 0.75, 1.0)
DECODER_CHANNELS = 96


class Context(nn.Module):
    """The coarsest features, what lies around each of them, and their mean over the picture."""

    def __init__(self, widths: tuple[float, ...], inputs: int, outputs: int) -> None:
        super().__init__()
        self.here = ConvNorm(widths, inputs, outputs)
        self.around = ConvNorm(widths, outputs, outputs, 5, depthwise=True)
        self.everywhere = SlimConv(widths, outputs, outputs, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """N×inputs×H×W to N×outputs×H×W."""
        x = self.here(x)
        pooled = F.relu6(self.everywhere(x.mean(dim=(2, 3), keepdim=True)))
        return x + self.around(x) + pooled


class Merge(nn.Module):
    """Finer features of the encoder joined with coarser ones of the decoder."""

    def __init__(self, widths: tuple[float, ...], inputs: int, outputs: int) -> None:
        super().__init__()
        self.lateral = ConvNorm(widths, inputs, outputs, linear=True)
        self.depthwise = ConvNorm(widths, outputs, outputs, 3, depthwise=True)
        self.pointwise = ConvNorm(widths, outputs, outputs)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """N×inputs×2H×2W and N×outputs×H×W to N×outputs×2H×2W."""
        x = self.lateral(fine) + F.interpolate(coarse, scale_factor=2, mode="bilinear")
        return self.pointwise(self.depthwise(x))


class SelectSubject(nn.Module):
    """The network; class 0 is the background, and the product needs two classes.

    Args:
        classes: how many there are.
        widths: the widths at which it can run, ascending, in (0, 1].
    """

    def __init__(self, classes: int = 2, widths: tuple[float, ...] = WIDTHS) -> None:
        super().__init__()
        self.widths = widths
        self.backbone = MobileNetV2(self.widths)
        *fine, coarsest = FEATURE_CHANNELS
        self.context = Context(self.widths, coarsest, DECODER_CHANNELS)
        self.merges = nn.ModuleList(
            Merge(self.widths, inputs, DECODER_CHANNELS) for inputs in reversed(fine)
        )
        self.classifier = SlimConv(
            self.widths, DECODER_CHANNELS, classes, bias=True, slim_output=False
        )
        nn.init.normal_(self.classifier.weight, std=0.01)

    def with_variant(self, variant: str) -> "SelectSubject":
        """Itself, running at a width given as text; ValueError for another one."""
        set_width(self, float(variant))
        return self

    def scores(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the classes, N×C×H×W, and the encoder's features at stride 4."""
        features = self.backbone(image)
        x = self.context(features[-1])
        for merge, fine in zip(self.merges, reversed(features[:-1]), strict=True):
            x = merge(fine, x)
        return F.interpolate(self.classifier(x), scale_factor=4, mode="bilinear"), features[0]

    def forward(self, image: Tensor) -> Tensor:
        """Probabilities of all classes but the background, N×(C-1)×H×W, in [0, 1].

        image: N×3×H×W, sRGB in [0, 1], H and W multiples of 32.
        """
        logits, _ = self.scores(image)
        return logits.softmax(dim=1)[:, 1:]


def build(classes: int = 2, widths: tuple[float, ...] = WIDTHS) -> SelectSubject:
    """The network as it ships."""
    return SelectSubject(classes, tuple(widths))
