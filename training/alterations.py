"""Alterations of a foreground's colours: what makes a paste look wrong, as one function.

White balance, exposure, gamma, curves, contrast and saturation, and the colour statistics of
another picture, each drawn for every picture of a batch. All of it in torch, so that pairs are
synthesized on the device.
"""

import torch
from torch import Tensor

OPPONENT = ((1 / 3, 1 / 3, 1 / 3), (0.5, 0.0, -0.5), (-0.25, 0.5, -0.25))
"""Rows: lightness, red against blue, green against magenta."""
SCALES = {
    "balance": 0.16,  # of the log gains of red, green and blue
    "exposure": 0.3,  # log gain of all three, sRGB-encoded
    "gamma": 0.3,  # log exponent
    "bend": 0.35,  # x + b·x(1 − x), a curve per channel
    "contrast": 0.8,  # x + c·x(1 − x)(2x − 1), the same for all channels
    "saturation": 0.45,  # log factor
}
"""Standard deviations at strength 1."""
CHANCE = 0.6
"""That an alteration takes part."""
TRANSFER_CHANCE = 0.4
SMALLEST = 1e-4


def alter(image: Tensor, strength: Tensor, source: Tensor, generator: torch.Generator) -> Tensor:
    """Every picture with its colours altered in a way of its own; strength 0 changes nothing.

    Args:
        image: N×3×H×W, sRGB-encoded in [0, 1].
        strength: N, 0 or more; 1 is a paste that everyone sees.
        source: N×3×2, mean and deviation (`statistics`) of pictures whose colours may be taken.
        generator: on the image's device.

    Returns:
        N×3×H×W in [0, 1].
    """
    drawn = {name: _draw(image, strength, name, generator) for name in SCALES}
    chance = torch.rand(len(image), 1, 1, 1, generator=generator, device=image.device)
    amount = torch.rand(len(image), 1, 1, 1, generator=generator, device=image.device)
    amount = (amount * strength.view(-1, 1, 1, 1)).clamp_max(1) * (chance < TRANSFER_CHANCE)
    x = _transferred(image, source, amount)
    x = (x * (drawn["balance"] + drawn["exposure"]).exp()).clamp(0, 1)
    x = x.clamp_min(SMALLEST) ** drawn["gamma"].exp() * (x >= SMALLEST)
    sides = x * (1 - x)
    bend, contrast = drawn["bend"].clamp(-0.9, 0.9), drawn["contrast"].clamp(-0.9, 0.9)
    x = x + sides * (bend + contrast * (2 * x - 1))
    light = x.mean(dim=1, keepdim=True)
    return (light + (x - light) * drawn["saturation"].exp()).clamp(0, 1)


def statistics(image: Tensor, mask: Tensor) -> Tensor:
    """Mean and deviation under the mask in the opponent space, N×3×2, for `alter`."""
    opponent = _opponent(image)
    area = mask.sum(dim=(2, 3), keepdim=True).clamp_min(1)
    mean = (opponent * mask).sum(dim=(2, 3), keepdim=True) / area
    variance = ((opponent - mean).square() * mask).sum(dim=(2, 3), keepdim=True) / area
    return torch.cat([mean, variance.sqrt()], dim=3).squeeze(2)


def paste(image: Tensor, altered: Tensor, mask: Tensor) -> Tensor:
    """The altered foreground (N×3×H×W) on the picture, through the mask N×1×H×W."""
    return image + mask * (altered - image)


def _draw(image: Tensor, strength: Tensor, name: str, generator: torch.Generator) -> Tensor:
    """One number per picture, or per channel of it, 0 where the alteration takes no part."""
    channels = 3 if name in ("balance", "bend") else 1
    size = (len(image), channels, 1, 1)
    value = torch.randn(size, generator=generator, device=image.device) * SCALES[name]
    chance = torch.rand(len(image), 1, 1, 1, generator=generator, device=image.device)
    return value * strength.view(-1, 1, 1, 1) * (chance < CHANCE)


def _opponent(image: Tensor) -> Tensor:
    matrix = torch.tensor(OPPONENT, device=image.device)
    return torch.einsum("ij,njhw->nihw", matrix, image)


def _transferred(image: Tensor, source: Tensor, amount: Tensor) -> Tensor:
    """Part of the way to the source's mean and deviation (Reinhard 2001, in a cheaper space)."""
    opponent = _opponent(image)
    whole = torch.ones_like(image[:, :1])
    mean, deviation = statistics(image, whole)[..., None].unbind(2)
    mean, deviation = mean[..., None], deviation[..., None]
    ratio = (source[:, :, 1, None, None] / deviation.clamp_min(0.01)).clamp(0.4, 2.5)
    moved = (opponent - mean) * ratio + source[:, :, 0, None, None]
    inverse = torch.tensor(OPPONENT, device=image.device).inverse()
    change = torch.einsum("ij,njhw->nihw", inverse, moved - opponent)
    return (image + amount * change).clamp(0, 1)
