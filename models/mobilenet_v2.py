"""Slimmable MobileNetV2: the encoder of our networks, runnable at several widths.

A network of `widths` (0.25, 0.5, 1.0) holds the weights of its widest form; at a narrower width
every convolution uses its leading filters and leading input channels, so narrow networks are nested
in wide ones, and every width has batch norms of its own (Yu 2019, "Slimmable neural networks";
Xue 2024, section 2.3). `set_width` chooses the width at which a whole network runs.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

STAGES = (  # expansion, channels, blocks, stride of the first block (Sandler 2018, table 2)
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM_CHANNELS = 32
FEATURE_BLOCKS = (2, 5, 12, 16)  # the last blocks at strides 4, 8, 16 and 32
FEATURE_CHANNELS = (24, 32, 96, 320)


def narrow(channels: int, width: float) -> int:
    """Channels of a layer at a width in (0, 1]."""
    return max(1, round(channels * width))


class SlimUnit(nn.Module):
    """What every slimmable layer has: its widths in ascending order, and the one in use."""

    def __init__(self, widths: tuple[float, ...]) -> None:
        super().__init__()
        rising = list(widths) == sorted(set(widths))
        if not widths or not rising or widths[0] <= 0 or widths[-1] > 1:
            raise ValueError(f"widths must rise within (0, 1]: {widths}")
        self.widths = widths
        self.width = widths[-1]


def set_width(network: nn.Module, width: float) -> None:
    """Makes a network run at one of its widths; ValueError for another one."""
    for unit in network.modules():
        if isinstance(unit, SlimUnit):
            if width not in unit.widths:
                raise ValueError(f"width {width} is not one of {unit.widths}")
            unit.width = width


class SlimConv(SlimUnit):
    """A convolution that uses its leading filters and input channels; padding as TensorFlow's SAME.

    `slim_input` and `slim_output` say which sides follow the width (a picture's three channels and
    a classifier's classes do not); a depthwise convolution has as many groups as channels.
    """

    def __init__(
        self,
        widths: tuple[float, ...],
        inputs: int,
        outputs: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        depthwise: bool = False,
        bias: bool = False,
        slim_input: bool = True,
        slim_output: bool = True,
    ) -> None:
        super().__init__(widths)
        self.inputs, self.outputs = inputs, outputs
        self.stride, self.depthwise = stride, depthwise
        self.slim_input, self.slim_output = slim_input, slim_output
        rows, columns = self.size(widths[-1])
        self.weight = nn.Parameter(torch.empty(rows, columns, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(rows)) if bias else None
        nn.init.kaiming_normal_(self.weight, mode="fan_out")
        before = (kernel - stride) // 2 if stride > 1 else kernel // 2
        self.padding = (before, max(kernel - stride, 0) - before)

    def size(self, width: float) -> tuple[int, int]:
        """Filters and input channels per filter at a width."""
        rows = narrow(self.outputs, width) if self.slim_output else self.outputs
        columns = narrow(self.inputs, width) if self.slim_input else self.inputs
        return rows, 1 if self.depthwise else columns

    def forward(self, x: Tensor) -> Tensor:
        """The convolution with the leading filters of the width in use."""
        rows, columns = self.size(self.width)
        bias = None if self.bias is None else self.bias[:rows]
        padding = self.padding[0]
        if self.padding[0] != self.padding[1]:
            x, padding = F.pad(x, self.padding * 2), 0
        groups = rows if self.depthwise else 1
        return F.conv2d(x, self.weight[:rows, :columns], bias, self.stride, padding, 1, groups)


class BatchNorm(nn.Module):
    """Batch norm whose state is four arrays (no counter), so that it stores as weights do."""

    momentum = 0.1
    epsilon = 1e-3

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised by the batch in training, by the running statistics afterwards."""
        return F.batch_norm(
            x, self.mean, self.variance, self.weight, self.bias,
            self.training, self.momentum, self.epsilon,
        )  # fmt: skip


class SlimNorm(SlimUnit):
    """One batch norm per width."""

    def __init__(self, widths: tuple[float, ...], channels: int) -> None:
        super().__init__(widths)
        self.norms = nn.ModuleList(BatchNorm(narrow(channels, width)) for width in widths)

    def at(self, width: float) -> BatchNorm:
        """The batch norm of a width."""
        return self.norms[self.widths.index(width)]

    def forward(self, x: Tensor) -> Tensor:
        """Normalised by the batch norm of the width in use."""
        return self.at(self.width)(x)


class ConvNorm(nn.Module):
    """Convolution, batch norm and, unless linear, ReLU6."""

    def __init__(
        self,
        widths: tuple[float, ...],
        inputs: int,
        outputs: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        depthwise: bool = False,
        slim_input: bool = True,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.conv = SlimConv(
            widths, inputs, outputs, kernel,
            stride=stride, depthwise=depthwise, slim_input=slim_input,
        )  # fmt: skip
        self.norm = SlimNorm(widths, outputs)
        self.linear = linear

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """One unit; `added` joins the convolution's result before the norm."""
        x = self.conv(x)
        x = self.norm(x if added is None else x + added)
        return x if self.linear else F.relu6(x)


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, linear projection; residual where the shape allows it."""

    def __init__(
        self, widths: tuple[float, ...], inputs: int, outputs: int, expansion: int, stride: int
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = ConvNorm(widths, inputs, hidden) if expansion > 1 else None
        self.depthwise = ConvNorm(widths, hidden, hidden, 3, stride=stride, depthwise=True)
        self.project = ConvNorm(widths, hidden, outputs, linear=True)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """N×inputs×H×W to N×outputs×H×W, or half of it at stride 2."""
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(y))
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """MobileNetV2 without its classifier: features at strides 4, 8, 16 and 32.

    Args:
        widths: the widths at which it can run, ascending, in (0, 1].
        extra_inputs: channels of a second input (a mask) with a first convolution of its own, whose
            result is added to that of the picture (Sofiiuk 2021, section 3.2); zero at the start.
    """

    def __init__(self, widths: tuple[float, ...] = (1.0,), extra_inputs: int = 0) -> None:
        super().__init__()
        self.widths = widths
        self.stem = ConvNorm(widths, 3, STEM_CHANNELS, 3, stride=2, slim_input=False)
        self.extra_stem = None
        if extra_inputs:
            self.extra_stem = SlimConv(
                widths, extra_inputs, STEM_CHANNELS, 3, stride=2, slim_input=False
            )
            nn.init.zeros_(self.extra_stem.weight)
        blocks: list[InvertedResidual] = []
        inputs = STEM_CHANNELS
        for expansion, outputs, count, stride in STAGES:
            for place in range(count):
                first = stride if place == 0 else 1
                blocks.append(InvertedResidual(widths, inputs, outputs, expansion, first))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)

    def forward(self, image: Tensor, extra: Tensor | None = None) -> list[Tensor]:
        """Features of an N×3×H×W picture in [0, 1], H and W multiples of 32.

        N×24, ×32, ×96 and ×320 channels (times the width) at H/4, H/8, H/16 and H/32.
        """
        x = self.stem(image * 2 - 1, None if extra is None else self.extra_stem(extra))
        features = []
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place in FEATURE_BLOCKS:
                features.append(x)
        return features

    def load_imagenet(self, path: Path, pictures: Tensor) -> None:
        """Starts from ImageNet weights whose batch norms are folded into the convolutions.

        Channels are sorted by importance first, so that leading slices are good networks, and every
        batch norm gets the statistics that it sees on `pictures` (N×3×H×W in [0, 1]). At width 1
        the function is then exactly the pretrained one; at a narrower width every channel keeps
        the pretrained mean and variance.
        """
        full = MobileNetV2(tuple(sorted({*self.widths, 1.0}))).to(pictures.device).eval()
        _read_folded(full, torch.load(path, map_location=pictures.device, weights_only=True))
        with torch.no_grad():
            _sort_channels(full, pictures)
            for width in reversed(full.widths):
                _calibrate(full, pictures, width)
        self.take(full)

    def take(self, wider: "MobileNetV2") -> None:
        """Copies the leading slices of a network that has all widths of this one, and its norms."""
        own = self.state_dict()
        for name, value in wider.state_dict().items():
            target = _of_width(name, wider.widths, self.widths)
            if target in own:
                own[target].copy_(value[tuple(slice(size) for size in own[target].shape)])


def _units(network: MobileNetV2) -> Iterator[ConvNorm]:
    return (unit for unit in network.modules() if isinstance(unit, ConvNorm))


def _of_width(name: str, widths: tuple[float, ...], own: tuple[float, ...]) -> str | None:
    """The name that a parameter has in a network of other widths; None if there is none."""
    before, mark, after = name.partition(".norms.")
    if not mark:
        return name
    place, _, last = after.partition(".")
    width = widths[int(place)]
    return f"{before}.norms.{own.index(width)}.{last}" if width in own else None


def _read_folded(network: MobileNetV2, state: dict[str, Tensor]) -> None:
    """Copies convolutions and biases in order; the norms at width 1 only add the bias."""
    weights = [value for name, value in state.items() if name.endswith("conv.weight")]
    biases = [value for name, value in state.items() if name.endswith("conv.bias")]
    with torch.no_grad():
        for unit, weight, bias in zip(_units(network), weights, biases, strict=False):
            unit.conv.weight.copy_(weight)
            norm = unit.norm.at(1.0)
            norm.weight.fill_((1 + norm.epsilon) ** 0.5)
            norm.bias.copy_(bias)


def _sort_channels(network: MobileNetV2, pictures: Tensor) -> None:
    """Orders channels by the energy that they give to the layers that read them."""
    energy: dict[nn.Module, Tensor] = {}

    def record(conv: SlimConv, inputs: tuple[Tensor, ...]) -> None:
        weight = conv.weight.square().sum(dim=(0, 2, 3))
        energy[conv] = inputs[0].square().mean(dim=(0, 2, 3)) * weight

    hooks = [unit.conv.register_forward_pre_hook(record) for unit in _units(network)]
    last = network(pictures)[-1].var(dim=(0, 2, 3))
    for hook in hooks:
        hook.remove()
    for block in network.blocks:
        order = energy[block.project.conv].argsort(descending=True)
        _reorder([block.expand or network.stem, block.depthwise], [block.project], order)
    stages: list[list[InvertedResidual]] = []
    for block in network.blocks:
        if block.residual:
            stages[-1].append(block)
        else:
            stages.append([block])
    for place, stage in enumerate(stages):
        following = stages[place + 1][:1] if place + 1 < len(stages) else []
        readers = [block.expand for block in stage[1:] + following]
        rank = sum(energy[reader.conv] for reader in readers) if readers else last
        _reorder([block.project for block in stage], readers, rank.argsort(descending=True))


def _reorder(writers: list[ConvNorm], readers: list[ConvNorm], order: Tensor) -> None:
    """Gives the channels between layers another order, which changes no result."""
    for unit in writers:
        norm = unit.norm.at(1.0)
        for values in (unit.conv.weight, norm.weight, norm.bias, norm.mean, norm.variance):
            values.copy_(values[order].clone())
    for unit in readers:
        unit.conv.weight.copy_(unit.conv.weight[:, order].clone())


def _calibrate(network: MobileNetV2, pictures: Tensor, width: float) -> None:
    """Gives every batch norm of a width the statistics of its input."""

    def adopt(slim: SlimNorm, inputs: tuple[Tensor, ...]) -> None:
        norm, widest = slim.at(width), slim.at(1.0)
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), unbiased=False)
        deviation = (variance + norm.epsilon).sqrt()
        if norm is widest:
            scale = norm.weight / (norm.variance + norm.epsilon).sqrt()
            norm.bias.add_((mean - norm.mean) * scale)
            norm.weight.copy_(scale * deviation)
        else:
            norm.weight.copy_(widest.weight[: len(mean)])
            norm.bias.copy_(widest.bias[: len(mean)])
        norm.mean.copy_(mean)
        norm.variance.copy_(variance)

    set_width(network, width)
    hooks = [unit.norm.register_forward_pre_hook(adopt) for unit in _units(network)]
    network(pictures)
    for hook in hooks:
        hook.remove()
