"""The recipe of select-subject: a slimmable network that finds the subject of a picture.

SlimSeg (Xue 2024, chapter 2) on composites with exact alpha (`training.composites`) and on
photographs that polygons or a teacher have labelled: every width runs on every batch, each narrower
one learns from the next wider one, and a head that only training has tells where borders run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from models.mobilenet_v2 import FEATURE_CHANNELS, ConvNorm, MobileNetV2, SlimConv, set_width
from models.registry import Port
from models.select_subject import WIDTHS, SelectSubject
from training import cutouts, packs, sources
from training.composites import IGNORE, STYLES, Composer, Library
from training.loop import Settings
from training.polygons import Polygons
from training.teacher import Teacher

if TYPE_CHECKING:
    from training.export import Network

NAME = "select-subject"
PHOTO_SIDE, DRAWING_SIDE = 384, 320
PHOTOS = ("coco_cc_photos", "coco_cc_photos_more", "open_photos")
DRAWINGS = ("asp_illustrations", "bookdash")
CUTOUTS = ("fluentui_emoji_svg", "noto_emoji_svg", "gophers_cc0")
IMAGENET = "weights/mobilenetv2_imagenet/tf2_mobilenet_v2_1.0_224_ptq_torch_fp16.pth"
TEACHER = "weights/deeplabv3_voc/deeplabv3_mnv2_pascal_quant.tflite"
HEAD_CHANNELS = 64
PER_STYLE = 16
"""Validation pictures of each style."""
BACKBONE = "backbone."
WORKING_SIZE = 192
"""Longer side at which the network looks at a picture."""


@dataclass(frozen=True)
class Config(Settings):
    """size: of the square pictures, a multiple of 32. widths: ascending.

    The rest are the losses of Xue 2024: distill (2.1; without it every width learns from the
    truth), boundary (2.2) with its weight and radius in pixels, guided (2.4) with its weight, and
    the probability from which a pixel counts as border (2.3).
    """

    batch: int = 8
    learning_rate: float = 1e-3
    ema: float = 0.995
    size: int = 128
    widths: tuple[float, ...] = WIDTHS
    backbone_scale: float = 0.5
    distill: bool = True
    boundary: bool = True
    guided: bool = True
    boundary_weight: float = 10.0
    guided_weight: float = 1.0
    threshold: float = 0.7
    radius: int = 2


def network(config: Config) -> Network:
    """What is exported: the network without its boundary head, one variant per width."""
    from training.export import Network  # a training machine need not have what export needs

    return Network(
        module="models.select_subject",
        arguments={"classes": 2, "widths": list(config.widths)},
        variants=tuple(str(width) for width in config.widths),
        inputs=(Port("image", 3, (0.0, 1.0)),),
        outputs=(Port("subject", 1, (0.0, 1.0)),),
        size_multiple=32,
        working_size=WORKING_SIZE,
        origins=(
            "MobileNetV2 1.0 on ImageNet (Apache-2.0), fine-tuned",
            "DeepLabv3-MobileNetV2 on PASCAL VOC (Apache-2.0), teacher for photographs",
        ),
        limits="It chooses what stands out, not what is meant; hair and thin limbs are coarse.",
    )


def pack(out: Path, shared: Path) -> list[Path]:
    """Writes the photographs with their labels, and the drawings, cut-outs and start weights."""
    data = shared / "data"
    photos, others = packs.PackWriter(), packs.PackWriter()
    small = _add_photos(photos, others, shared)
    for source in sources.pictures("clothing_cc0", data=data):
        _add_cutouts(others, source, [cutouts.of_garment(source.read()[..., :3])], drawn=False)
    for set_name in CUTOUTS:
        for source in sources.pictures(set_name, data=data):
            if "high-contrast" not in source.path.stem:
                _add_cutouts(others, source, [cutouts.of_drawing(source)], drawn=True)
    for set_name in DRAWINGS:
        for source in sources.pictures(set_name, data=data):
            pixels = source.read(DRAWING_SIDE)[..., :3]
            others.add_picture(source.path.stem, pixels, source, kind="drawing", quality=80)
    backbone = MobileNetV2(WIDTHS)
    backbone.load_imagenet(shared / IMAGENET, small)
    for name, value in backbone.state_dict().items():
        others.add_array(BACKBONE + name, value.half().numpy())
    return [photos.write(out / "photos.safetensors"), others.write(out / "others.safetensors")]


def _add_photos(photos: packs.PackWriter, others: packs.PackWriter, shared: Path) -> Tensor:
    """Adds photographs, their labels and their cut-outs; some of them, small, to calibrate with."""
    polygons = Polygons(shared / "data/coco_cc_photos")
    teacher = Teacher(shared / TEACHER)
    small = []
    found = [p for name in PHOTOS for p in sources.pictures(name, data=shared / "data")]
    for source in (p for p in found if "semantic_masks" not in p.path.parts):
        photo = np.ascontiguousarray(source.read(PHOTO_SIDE)[..., :3])
        label = cutouts.label_of_polygons(polygons, source.path.stem, photo)
        label = teacher.subject(photo) if label is None else label
        name = f"{source.set}/{source.path.stem}"
        photos.add_picture(name, photo, source, kind="photo", quality=85)
        photos.add_picture(f"{name} label", label, source, kind="label", extra={"of": name})
        things = cutouts.of_polygons(polygons, source.path.stem, photo) or list(
            cutouts.of_label(photo, label)
        )
        _add_cutouts(others, source, things, drawn=False)
        small.append(F.adaptive_avg_pool2d(torch.from_numpy(photo).permute(2, 0, 1) / 255, 128))
    return torch.stack(small[::4])


def _add_cutouts(
    writer: packs.PackWriter,
    source: sources.Picture,
    things: list[np.ndarray | None],
    *,
    drawn: bool,
) -> None:
    for number, pixels in enumerate(thing for thing in things if thing is not None):
        name = f"{source.set}/{source.path.stem} {number}"
        writer.add_picture(name, pixels, source, kind="cutout", extra={"drawn": drawn})


class BoundaryHead(nn.Module):
    """Where borders run, told from the encoder's features at stride 4; only training has it."""

    def __init__(self, widths: tuple[float, ...]) -> None:
        super().__init__()
        self.unit = ConvNorm(widths, FEATURE_CHANNELS[0], HEAD_CHANNELS, 3)
        self.border = SlimConv(widths, HEAD_CHANNELS, 1, bias=True, slim_output=False)

    def forward(self, features: Tensor) -> Tensor:
        """Logits of a border at the picture's size, N×1×4H×4W from N×24×H×W."""
        return F.interpolate(self.border(self.unit(features)), scale_factor=4, mode="bilinear")


class Recipe:
    """One training of the network."""

    def __init__(self, config: Config, data: Path, device: torch.device) -> None:
        self.config, self.device = config, device
        pack = packs.read(data)
        self.model = SelectSubject(2, config.widths)
        self.model.backbone.take(_backbone(pack))
        self.heads = BoundaryHead(config.widths)
        self.model.to(device)
        self.heads.to(device)
        self.library = Library.read(pack, "train", config.size, device)
        held_out = Library.read(pack, "validation", config.size, device)
        draws = Composer(held_out, config.size, torch.Generator(device).manual_seed(0))
        self.shown = {style: draws.draw(PER_STYLE, [style] * PER_STYLE) for style in STYLES}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The backbone learns more slowly, norms and biases without decay."""
        decay = self.config.weight_decay
        scale = self.config.backbone_scale
        rest = [*self.model.context.parameters(), *self.model.merges.parameters()]
        rest += [*self.model.classifier.parameters(), *self.heads.parameters()]
        groups = []
        for lr_scale, parameters in ((scale, list(self.model.backbone.parameters())), (1.0, rest)):
            matrices = [p for p in parameters if p.ndim > 1]
            vectors = [p for p in parameters if p.ndim == 1]
            groups.append({"params": matrices, "lr_scale": lr_scale, "weight_decay": decay})
            groups.append({"params": vectors, "lr_scale": lr_scale, "weight_decay": 0.0})
        return groups

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """AdamW."""
        return torch.optim.AdamW(groups, lr=self.config.learning_rate)

    def step(self, generator: torch.Generator) -> dict[str, float | Tensor]:
        """Algorithm 1: all widths on one batch, from wide to narrow; gradients add up."""
        images, labels = Composer(self.library, self.config.size, generator).draw(self.config.batch)
        images = images.contiguous(memory_format=torch.channels_last)
        borders = border_of(labels, self.config.radius)
        teacher: Prediction | None = None
        figures: dict[str, float | Tensor] = {}
        for width in reversed(self.config.widths):
            set_width(self.model, width)
            set_width(self.heads, width)
            logits, features = self.model.scores(images)
            found = logits, self.heads(features) if self.config.boundary else None
            loss = total_loss(found, labels, borders, teacher, self.config)
            loss.backward()
            figures[f"loss {width}"] = loss.detach()
            if self.config.distill:
                teacher = probabilities(found)
        return figures

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Mean IoU per style, averaged over widths, and per width, averaged over styles."""
        table = np.zeros((len(self.config.widths), len(STYLES)))
        for row, width in enumerate(self.config.widths):
            set_width(model, width)
            for column, (images, labels) in enumerate(self.shown.values()):
                table[row, column] = mean_iou(model(images)[:, 0], labels)
        figures = {"score": float(table.mean())}
        for row, width in enumerate(self.config.widths):
            figures[f"width {width}"] = float(table[row].mean())
        for column, style in enumerate(self.shown):
            figures[style] = float(table[:, column].mean())
        return figures

    def sheet(self, model: nn.Module) -> np.ndarray:
        """Four pictures of each style: the picture, the widest and the narrowest result, truth."""
        rows = []
        for images, labels in self.shown.values():
            images, labels = images[:4], labels[:4]
            masks = []
            for width in (self.config.widths[-1], self.config.widths[0]):
                set_width(model, width)
                masks.append(model(images))
            truth = torch.where(labels == IGNORE, 0.5, labels.float())[:, None]
            cells = torch.cat([images, *(m.expand(-1, 3, -1, -1) for m in (*masks, truth))], 3)
            rows.append(torch.cat(list(cells), 2))
        whole = torch.cat(rows, 1).permute(1, 2, 0)
        return (whole.float().cpu().numpy() * 255).round().astype(np.uint8)


Prediction = tuple[Tensor, Tensor | None]
"""Logits of the classes N×C×H×W and of a border N×1×H×W; or their probabilities."""


def total_loss(
    found: Prediction, labels: Tensor, borders: Tensor, teacher: Prediction | None, config: Config
) -> Tensor:
    """L_full of one width (Xue 2024, 2.5); with a teacher its terms are distillation (2.1, 2.2).

    labels: N×H×W, IGNORE does not count. borders: N×H×W, true within the radius of a border.
    """
    logits, border = found
    known = labels != IGNORE
    if teacher is None:
        errors = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none")
    else:
        errors, known = soft_cross_entropy(logits, teacher[0]), torch.ones_like(known)
    loss = mean_where(errors, known)
    near = borders
    if border is not None:
        target = borders[:, None].float() if teacher is None else teacher[1]
        wrong = F.binary_cross_entropy_with_logits(border, target, reduction="none")[:, 0]
        loss = loss + config.boundary_weight * mean_where(wrong, known)
        near = border.detach()[:, 0].sigmoid() > config.threshold
    if config.guided:
        loss = loss + config.guided_weight * mean_where(errors, known & near)
    return loss


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """KD of 2.1 per pixel, N×H×W: -Σ_c q_c log p_c for probabilities q."""
    return -(target * logits.log_softmax(dim=1)).sum(dim=1)


def mean_where(values: Tensor, counted: Tensor) -> Tensor:
    """The mean of the values that count; 0 where none does."""
    return (values * counted).sum() / counted.sum().clamp(min=1)


def probabilities(found: Prediction) -> Prediction:
    """What a width has found, for the next narrower one to learn; no gradient passes."""
    logits, border = found
    return logits.detach().softmax(dim=1), None if border is None else border.detach().sigmoid()


def border_of(labels: Tensor, radius: int) -> Tensor:
    """Pixels of N×H×W labels within `radius` of a border between two known labels, as booleans.

    A border's pixels are those that differ from a 4-neighbour; the disc is Euclidean.
    """
    known = labels != IGNORE
    edge = torch.zeros_like(known)
    for axis in (1, 2):
        length = labels.shape[axis] - 1
        first, second = labels.narrow(axis, 0, length), labels.narrow(axis, 1, length)
        counted = known.narrow(axis, 0, length) & known.narrow(axis, 1, length)
        differs = (first != second) & counted
        edge.narrow(axis, 0, length).logical_or_(differs)
        edge.narrow(axis, 1, length).logical_or_(differs)
    steps = torch.arange(-radius, radius + 1, device=labels.device)
    disc = (steps[:, None] ** 2 + steps**2 <= radius**2).float()[None, None]
    return F.conv2d(edge[:, None].float(), disc, padding=radius)[:, 0] > 0.5


def mean_iou(subject: Tensor, labels: Tensor) -> float:
    """Mean over pictures of the subject's IoU at probability 0.5; N×H×W each."""
    known = labels != IGNORE
    found, truth = (subject > 0.5) & known, labels == 1
    both = (found & truth).sum(dim=(1, 2)).float()
    either = (found | truth).sum(dim=(1, 2)).float()
    return float(torch.where(either > 0, both / either.clamp(min=1), 1.0).mean())


def _backbone(pack: packs.Pack) -> MobileNetV2:
    """The pretrained encoder at all widths that the pack carries."""
    backbone = MobileNetV2(WIDTHS)
    state = {
        name.removeprefix(BACKBONE): torch.from_numpy(value).float()
        for name, value in pack.arrays.items()
        if name.startswith(BACKBONE)
    }
    backbone.load_state_dict(state)
    return backbone
