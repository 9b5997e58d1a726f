"""The recipe of harmonize-composite: a pasted object takes the look of its background.

Pairs are synthesized: a picture and the mask of something in it are real, the foreground's colours
are altered (`training.alterations`), the picture as it was is the truth (Sofiiuk 2021).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from models.harmonize_composite import build
from models.mobilenet_v2 import MobileNetV2
from models.registry import Port
from training import foregrounds, packs, sources
from training.alterations import alter, paste, statistics
from training.export import Network
from training.loop import Settings
from training.polygons import Polygons
from training.teacher import Teacher

NAME = "harmonize-composite"
SIDE = 256
"""Of the pictures in the pack; they are squeezed to a square, as in the paper."""
WORKING_SIZE = 256
"""A network that was trained at 128, on crops, makes smaller errors here than at 128."""
PHOTOGRAPHS = ("coco_cc_photos", "coco_cc_photos_more", "open_photos")
DRAWINGS = ("asp_illustrations", "bookdash")
CUTOUTS = ("fluentui_emoji_svg", "noto_emoji_svg")
OBJECT, REGION, DRAWN = "object", "region", "drawn"
SHARES = {OBJECT: 0.5, REGION: 0.25, DRAWN: 0.25}
"""Of the kinds of masks in a batch: things in photographs, regions of them, regions of drawings."""
REGIONS = 6
CUTOUT_COUNT = 160
SMALLEST_AREA = 100
"""A_min of eq. 2, in pixels at 256 × 256."""
STRENGTHS = (0.35, 1.15)
LOOKS = 0.7
"""Strength up to which a whole picture is altered before a pair is made of it."""
WEIGHTS = "mobilenet."


@dataclass(frozen=True)
class Config(Settings):
    """size: of the squares, a multiple of 32. The rest switches parts off for the ablation.

    augmentation: crops of at least half the side, flips, other looks of the whole picture.
    foreground_normalized: FN-MSE (eq. 2) instead of MSE. backbone_every: steps from one update of
    the backbone to the next.
    """

    batch: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    size: int = 128
    augmentation: bool = True
    foreground_normalized: bool = True
    blending: bool = True
    semantic: bool = True
    statistics: bool = True
    transforming: bool = True
    backbone_scale: float = 0.1
    backbone_every: int = 2


def network(config: Config) -> Network:
    """What is exported: a network that predicts transforms."""
    return Network(
        module="models.harmonize_composite",
        arguments=architecture(config),
        inputs=(Port("image", 3, (0.0, 1.0)), Port("mask", 1, (0.0, 1.0))),
        outputs=(Port("transform", 12, stride=4), Port("blend", 1, (0.0, 1.0), stride=4)),
        size_multiple=32,
        working_size=WORKING_SIZE,
        origins=(
            "MobileNetV2 1.0 on ImageNet (Apache-2.0), fine-tuned",
            "DeepLabv3-MobileNetV2 on PASCAL VOC (Apache-2.0), which found objects in photographs",
        ),
        limits=(
            "It moves colours alone: shadows, the light's direction, grain and sharpness stay. It "
            "goes part of the way; after a strong cast skin comes out greyer than it was. What "
            "matched its surroundings already is sometimes changed a little."
        ),
    )


def architecture(config: Config) -> dict[str, bool]:
    """The arguments of the network's `build`."""
    return {
        "semantic": config.semantic,
        "statistics": config.statistics,
        "blending": config.blending,
        "transforming": config.transforming,
    }


def pack(out: Path, shared: Path) -> list[Path]:
    """Pictures with the masks of what could be pasted in them, and the backbone's weights."""
    writer = packs.PackWriter()
    random = np.random.default_rng(1)
    data = shared / "data"
    teacher = Teacher(shared / "weights/deeplabv3_voc/deeplabv3_mnv2_pascal_quant.tflite")
    polygons = Polygons(data / "coco_cc_photos")
    seen = []
    for name in PHOTOGRAPHS:
        for photo in sources.pictures(name, data=data):
            pixels = square(photo.read()[..., :3])
            seen.append(pixels)
            masks = [mask for _, mask in polygons.objects(photo.path.stem, (SIDE, SIDE))]
            masks = masks or list(foregrounds.objects(pixels, teacher))
            add(writer, photo, pixels, OBJECT, masks)
            add(writer, photo, pixels, REGION, foregrounds.regions(pixels, REGIONS, random))
    drawings = [picture for name in DRAWINGS for picture in sources.pictures(name, data=data)]
    for drawing in drawings:
        pixels = square(drawing.read()[..., :3])
        add(writer, drawing, pixels, DRAWN, foregrounds.regions(pixels, REGIONS, random))
    cutouts = [picture for name in CUTOUTS for picture in sources.pictures(name, data=data)]
    for index in random.permutation(len(cutouts))[:CUTOUT_COUNT]:
        same_side = [drawing for drawing in drawings if drawing.split == cutouts[index].split]
        below = same_side[random.integers(len(same_side))]
        pixels, mask = pasted(square(below.read()[..., :3]), cutouts[index].read(SIDE), random)
        add(writer, cutouts[index], pixels, DRAWN, [mask])
    add_backbone(writer, shared, np.stack(seen[::8]))
    return [writer.write(out / f"{NAME}.safetensors")]


def square(picture: packs.Bytes) -> packs.Bytes:
    """A picture squeezed to the pack's square."""
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def add(
    writer: packs.PackWriter,
    source: sources.Picture,
    pixels: packs.Bytes,
    kind: str,
    masks: Iterator[packs.Bytes] | list[packs.Bytes],
) -> None:
    """A picture and its useful masks of one kind; nothing if there are none."""
    useful = [mask for mask in masks if foregrounds.useful(mask)]
    if useful:
        place = writer.add_picture(source.path.stem, pixels, source, kind="picture")
        for mask in useful:
            writer.add_picture(source.path.stem, mask, source, kind=kind, extra={"of": place})


def pasted(
    below: packs.Bytes, cutout: packs.Bytes, random: np.random.Generator
) -> tuple[packs.Bytes, packs.Bytes]:
    """A cut-out (RGBA) somewhere on a square picture, and its mask."""
    side = int(random.uniform(0.25, 0.75) * SIDE)
    small = cv2.resize(cutout, (side, side), interpolation=cv2.INTER_AREA)
    left, top = random.integers(SIDE - side, size=2)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[top : top + side, left : left + side] = small[..., 3]
    above = np.zeros_like(below)
    above[top : top + side, left : left + side] = small[..., :3]
    alpha = mask[..., None] / 255
    return np.round(below * (1 - alpha) + above * alpha).astype(np.uint8), mask


def add_backbone(writer: packs.PackWriter, shared: Path, pictures: packs.Bytes) -> None:
    """The ImageNet weights as the network's own backbone holds them."""
    backbone = MobileNetV2((1.0,), extra_inputs=1)
    path = shared / "weights/mobilenetv2_imagenet/tf2_mobilenet_v2_1.0_224_ptq_torch_fp16.pth"
    small = F.avg_pool2d(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255, 2)
    backbone.load_imagenet(path, small)
    for name, value in backbone.state_dict().items():
        writer.add_array(WEIGHTS + name, value.half().numpy())


class Recipe:
    """One training: `training.loop` says what its parts are."""

    def __init__(self, config: Config, data: Path, device: torch.device) -> None:
        self.config, self.device = config, device
        pack = packs.read(data)
        self.pictures = Pictures(pack, "train", device)
        self.pairs = validation_pairs(Pictures(pack, "validation", device), config.size)
        self.model = build(**architecture(config))
        self.steps = 0
        if self.model.semantic is not None:
            self.model.semantic.backbone.load_state_dict(
                {
                    name.removeprefix(WEIGHTS): torch.from_numpy(value).float()
                    for name, value in pack.arrays.items()
                    if name.startswith(WEIGHTS)
                }
            )

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The backbone learns at a tenth of the rate."""
        semantic = self.model.semantic
        backbone = list(semantic.backbone.parameters()) if semantic is not None else []
        known = {id(parameter) for parameter in backbone}
        own = [p for p in self.model.parameters() if id(p) not in known]
        slow = {"params": backbone, "lr_scale": self.config.backbone_scale}
        return [{"params": own}, *([slow] if backbone else [])]

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """AdamW with the paper's betas."""
        return torch.optim.AdamW(
            groups, self.config.learning_rate, weight_decay=self.config.weight_decay
        )

    def step(self, generator: torch.Generator) -> dict[str, float | Tensor]:
        """One batch of freshly synthesized pairs."""
        config = self.config
        truth, mask = self.pictures.draw(config, generator)
        if config.augmentation:
            truth = looks(truth, generator)
        image = composites(truth, mask, generator)
        if self.model.semantic is not None:
            learns = self.steps % config.backbone_every == 0
            self.model.semantic.backbone.requires_grad_(learns)
        self.steps += 1
        predicted = self.model.harmonize(image, mask)
        normalized = foreground_mse(predicted, truth, mask)
        loss = normalized if config.foreground_normalized else F.mse_loss(predicted, truth)
        loss.backward()
        pasted_error = foreground_mse(image, truth, mask)
        return {"fn_mse": normalized.detach(), "of_pasted": normalized.detach() / pasted_error}

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Mean figures over the validation pairs, colours in [0, 255]; score: −fMSE."""
        predicted = torch.cat(
            [
                model.harmonize(image, mask).clamp(0, 1)
                for image, mask in zip(
                    self.pairs.image.split(16), self.pairs.mask.split(16), strict=True
                )
            ]
        )
        mse, fmse = errors(predicted, self.pairs.truth, self.pairs.mask)
        before = errors(self.pairs.image, self.pairs.truth, self.pairs.mask)[1]
        drawn = self.pairs.drawn
        return {
            "score": -float(fmse.mean()),
            "mse": float(mse.mean()),
            "psnr": float((10 * torch.log10(255**2 / mse.clamp_min(1e-3))).mean()),
            "fmse_photographs": float(fmse[~drawn].mean()),
            "pasted_photographs": float(before[~drawn].mean()),
            "fmse_drawings": float(fmse[drawn].mean()),
            "pasted_drawings": float(before[drawn].mean()),
        }

    def sheet(self, model: nn.Module) -> np.ndarray:
        """Twelve pairs as rows: pasted, result, truth, mask; two rows side by side."""
        chosen = torch.linspace(0, len(self.pairs.image) - 1, 12).long().tolist()
        image, truth = self.pairs.image[chosen], self.pairs.truth[chosen]
        mask = self.pairs.mask[chosen]
        result = model.harmonize(image, mask).clamp(0, 1)
        rows = torch.cat([image, result, truth, mask.expand_as(image)], dim=3)
        rows = rows.permute(0, 2, 3, 1).mul(255).round().byte().cpu().numpy()
        return np.hstack([np.vstack(list(rows[:6])), np.vstack(list(rows[6:]))])


class Pictures:
    """One side of the split on the device, uint8: pictures, and masks with the picture of each."""

    def __init__(self, pack: packs.Pack, split: str, device: torch.device) -> None:
        places = pack.find("picture", split)
        order = {place: index for index, place in enumerate(places)}
        masks = [place for kind in SHARES for place in pack.find(kind, split)]
        self.kinds = [pack.items[place].kind for place in masks]
        of = [order[pack.items[place].extra["of"]] for place in masks]
        pixels = np.stack(pack.pictures(places)).transpose(0, 3, 1, 2)
        self.pixels = torch.from_numpy(np.ascontiguousarray(pixels)).to(device)
        self.masks = torch.from_numpy(np.stack(pack.pictures(masks)))[:, None].to(device)
        self.of = torch.tensor(of, device=device)
        groups = Counter(zip(self.kinds, of, strict=True))
        pictures = Counter(kind for kind, _ in groups)
        self.weights = torch.tensor(
            [
                SHARES[kind] / pictures[kind] / groups[kind, place]
                for kind, place in zip(self.kinds, of, strict=True)
            ],
            device=device,
        )
        self.centres = centres(self.masks)

    def read(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures and masks in [0, 1], N×3 and N×1, for indices of masks."""
        return self.pixels[self.of[chosen]] / 255, self.masks[chosen] / 255

    def draw(self, config: Config, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """A batch of pictures and masks at the training's size."""
        chosen = torch.multinomial(self.weights, config.batch, True, generator=generator)
        both = torch.cat(self.read(chosen), dim=1)
        if not config.augmentation:
            both = F.interpolate(both, (config.size, config.size), mode="area")
            return both[:, :3], both[:, 3:]
        count, device = len(chosen), both.device
        side = 1 - 0.5 * torch.rand(count, 1, generator=generator, device=device)
        offset = torch.rand(count, 2, generator=generator, device=device) * 1.6 - 0.8
        middle = self.centres[chosen] + offset * side
        middle = torch.minimum(torch.maximum(middle, side - 1), 1 - side)
        flip = (torch.rand(count, generator=generator, device=device) < 0.5) * 2.0 - 1
        frame = torch.zeros(count, 2, 3, device=device)
        frame[:, 0, 0], frame[:, 1, 1], frame[:, :, 2] = side[:, 0] * flip, side[:, 0], middle
        grid = F.affine_grid(frame, [count, 4, config.size, config.size], align_corners=False)
        both = F.grid_sample(both, grid, padding_mode="border", align_corners=False)
        return both[:, :3].contiguous(memory_format=torch.channels_last), both[:, 3:]


@dataclass(frozen=True)
class Pairs:
    """Validation pairs, N×3, N×3 and N×1 in [0, 1]; drawn: N, whether it is of a drawing."""

    image: Tensor
    truth: Tensor
    mask: Tensor
    drawn: Tensor


def validation_pairs(pictures: Pictures, size: int) -> Pairs:
    """The same pairs in every run: each object three times, one in six regions of drawings."""
    objects = [place for place, kind in enumerate(pictures.kinds) if kind == OBJECT]
    drawn = [place for place, kind in enumerate(pictures.kinds) if kind == DRAWN][::6]
    chosen = torch.tensor(objects * 3 + drawn, device=pictures.of.device)
    generator = torch.Generator(pictures.of.device).manual_seed(0)
    truth, mask = pictures.read(chosen)
    image = composites(truth, mask, generator)
    small = [F.interpolate(x, (size, size), mode="area") for x in (image, truth, mask)]
    is_drawn = torch.arange(len(chosen), device=chosen.device) >= 3 * len(objects)
    return Pairs(*small, is_drawn)


def composites(
    truth: Tensor, mask: Tensor, generator: torch.Generator, source: Tensor | None = None
) -> Tensor:
    """Pictures whose foregrounds are altered, each in its own way and strength.

    source: statistics of what colours may be taken from; None is the pictures' own foregrounds,
    each from the one before.
    """
    draw = torch.rand(len(truth), generator=generator, device=truth.device)
    strength = STRENGTHS[0] + (STRENGTHS[1] - STRENGTHS[0]) * draw
    if source is None:
        source = statistics(truth, mask).roll(1, 0)
    return paste(truth, alter(truth, strength, source, generator), mask)


def looks(truth: Tensor, generator: torch.Generator) -> Tensor:
    """Whole pictures with other colours, so that no picture's own can be learnt by heart."""
    strength = LOOKS * torch.rand(len(truth), generator=generator, device=truth.device)
    source = statistics(truth, torch.ones_like(truth[:, :1])).roll(1, 0)
    return alter(truth, strength, source, generator)


def foreground_mse(predicted: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """FN-MSE (Sofiiuk 2021, eq. 2), mean over the batch; A_min in proportion to the size."""
    smallest = SMALLEST_AREA * mask[0, 0].numel() / 256**2
    area = mask.sum(dim=(1, 2, 3)).clamp_min(smallest)
    return ((predicted - truth).square().sum(dim=(1, 2, 3)) / area).mean()


def errors(predicted: Tensor, truth: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """MSE over the picture, and over the foreground alone (fMSE), per pair, colours to 255."""
    squares = ((predicted - truth) * 255).square()
    area = mask.sum(dim=(1, 2, 3)).clamp_min(1)
    return squares.mean(dim=(1, 2, 3)), (squares * mask).sum(dim=(1, 2, 3)) / (3 * area)


def centres(masks: Tensor) -> Tensor:
    """The middle of each mask (N×1×H×W, uint8), x and y in [-1, 1], N×2."""
    found = []
    for other in (1, 2):
        profile = masks[:, 0].sum(dim=other, dtype=torch.float32)
        place = torch.linspace(-1, 1, profile.shape[1], device=masks.device)
        found.append((profile * place).sum(dim=1) / profile.sum(dim=1).clamp_min(1))
    return torch.stack(found, dim=1)
