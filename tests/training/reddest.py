"""A small real recipe: a slimmable network learns which pixels are red."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.registry import Port
from training import loop, packs, sheets
from training.export import Network
from training.sources import Picture

NAME = "reddest"
SIDE = 16


class Reddest(nn.Module):
    """Two convolutions with a batch norm between; at "0.5" half of the channels are in use."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels // 2), nn.BatchNorm2d(channels)])
        self.head = nn.Conv2d(channels, 1, 1)
        self.width = 1

    def with_variant(self, name: str) -> "Reddest":
        self.width = ("0.5", "1.0").index(name)
        return self

    def forward(self, image: Tensor) -> Tensor:
        norm = self.norms[self.width]
        n = norm.num_features
        x = norm(functional.conv2d(image, self.stem.weight[:n], padding=1)).relu()
        return functional.conv2d(x, self.head.weight[:, :n], self.head.bias).sigmoid()


def build(channels: int = 8) -> Reddest:
    return Reddest(channels)


@dataclass(frozen=True)
class Config(loop.Settings):
    """The loop's settings and the network's size."""

    learning_rate: float = 0.02
    ema: float = 0.9
    channels: int = 8


def network(config: Config) -> Network:
    return Network(
        module="tests.training.reddest",
        arguments={"channels": config.channels},
        inputs=(Port("image", 3, (0.0, 1.0)),),
        outputs=(Port("red", 1, (0.0, 1.0)),),
        size_multiple=4,
        working_size=SIDE,
        variants=("0.5", "1.0"),
        origins=("no other network",),
        limits="It knows red alone.",
    )


def drawn(seed: int) -> np.ndarray:
    """A picture of coarse blocks."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return np.kron(blocks, np.ones((4, 4, 1), np.uint8))


def pack(out: Path, _shared: Path) -> list[Path]:
    """Pictures of one author, a quarter of them for validation."""
    writer = packs.PackWriter()
    groups = iter(range(10**6))
    for split, count in (("train", 24), ("validation", 8)):
        for seed in range(count):
            group = next(name for name in _names(groups) if _picture(name).split == split)
            writer.add_picture(group, drawn(seed), _picture(group), quality=100)
    return [writer.write(out / "pictures.safetensors")]


class Recipe:
    """One training of the network."""

    def __init__(self, config: Config, data: Path, device: torch.device) -> None:
        pack = packs.read(data)
        self.config = config
        self.model = build(config.channels)
        self.heads = nn.Conv2d(1, 1, 1)
        self.train_set, self.validation_set = (
            torch.from_numpy(np.stack(pack.pictures(pack.find(split=split))))
            .permute(0, 3, 1, 2)
            .to(device)
            for split in ("train", "validation")
        )

    def parameter_groups(self) -> list[dict]:
        return [
            {"params": list(self.model.parameters())},
            {"params": list(self.heads.parameters()), "lr_scale": 0.1},
        ]

    def optimizer(self, groups: list[dict]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(groups, lr=self.config.learning_rate)

    def step(self, generator: torch.Generator) -> dict[str, Tensor]:
        device = self.train_set.device
        size = (self.config.batch,)
        chosen = torch.randint(len(self.train_set), size, generator=generator, device=device)
        image = self.train_set[chosen] / 255
        total = torch.zeros((), device=device)
        for name in ("0.5", "1.0"):
            red = self.model.with_variant(name)(image)
            loss = functional.mse_loss(red, is_red(image))
            loss = loss + functional.mse_loss(self.heads(red.detach()), is_red(image))
            loss.backward()
            total += loss.detach()
        return {"loss": total}

    def validate(self, model: Reddest) -> dict[str, float]:
        image = self.validation_set / 255
        error = functional.mse_loss(model.with_variant("1.0")(image), is_red(image))
        return {"score": -error.item()}

    def sheet(self, model: Reddest) -> np.ndarray:
        image = self.validation_set[:2].permute(0, 2, 3, 1).cpu().numpy()
        red = model(self.validation_set[:2] / 255)[:, 0].cpu().numpy()
        return sheets.grid(list(zip(image, red, strict=True)), ("picture", "red"))


def is_red(image: Tensor) -> Tensor:
    red, green, blue = image.unbind(1)
    return ((red > green) & (red > blue)).float()[:, None]


def _names(numbers: Iterator[int]) -> Iterator[str]:
    return (f"picture-{number}" for number in numbers)


def _picture(group: str) -> Picture:
    return Picture(Path(group), "blocks", group, "The Tests", "CC0", f"drawn/{group}")
