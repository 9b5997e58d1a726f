"""Pictures with a known subject, put together on the device from cut-outs and grounds.

Several styles: photographs as they are (labelled by polygons or a teacher), photographed things on
photographs, drawn things on photographs, on drawings and on paper, with changes of place, size,
angle, colour, sharpness, shadow and noise. Truth is the alpha of what was pasted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from training.cutouts import SIDE as CUTOUT_SIDE
from training.packs import Pack
from training.teacher import SUBJECT, UNSURE

IGNORE = -1
"""The label of pixels that no loss counts."""
STYLES = {  # name: (share of a batch, cut-outs, grounds)
    "photograph": (0.25, None, "labelled"),
    "photo on photo": (0.33, "photo", "photo"),
    "drawn on photo": (0.19, "drawn", "photo"),
    "drawn on drawing": (0.11, "drawn", "drawing"),
    "photo on drawing": (0.04, "photo", "drawing"),
    "drawn on paper": (0.08, "drawn", None),
}
FINER = 2
"""Pictures are put together this much larger, then averaged, so that edges are smooth."""
LEAST_SUBJECT, MOST_SUBJECT = 0.05, 0.12
"""A photograph with at least so much subject teaches as it is; one with more is no ground."""


@dataclass(frozen=True)
class Library:
    """What pictures are made of, uint8 on the device.

    cutouts: M×4×S×S, straight alpha, in the middle of a square. grounds: N×4×T×T, squeezed to
    squares, with the label as fourth channel; aspects: their width over height. of: indices of the
    cut-outs ("photo", "drawn") and of the grounds ("labelled", "ground photo", "drawing").
    """

    cutouts: Tensor
    grounds: Tensor
    aspects: Tensor
    of: dict[str, Tensor]

    @classmethod
    def read(cls, pack: Pack, split: str, size: int, device: torch.device) -> Library:
        """The pictures of one side of the split, for training at `size` pixels."""
        chosen = pack.find("cutout", split)
        cutouts = [_centred(cutout) for cutout in pack.pictures(chosen)]
        drawn = torch.tensor([bool(pack.items[index].extra["drawn"]) for index in chosen])
        labels = {pack.items[index].extra["of"]: index for index in pack.find("label", split)}
        grounds, aspects, kinds = [], [], []
        for index in pack.find("photo", split) + pack.find("drawing", split):
            item, picture = pack.items[index], pack.picture(index)
            label = np.zeros(picture.shape[:2], np.uint8)
            if item.name in labels:
                label = pack.picture(labels[item.name])
            grounds.append(_squeezed(np.dstack([picture, label]), FINER * size))
            aspects.append(picture.shape[1] / picture.shape[0])
            kinds.append((item.kind == "photo", float((label == SUBJECT).mean())))
        photo = torch.tensor([kind for kind, _ in kinds])
        share = torch.tensor([share for _, share in kinds])
        of = {
            "photo": ~drawn,
            "drawn": drawn,
            "labelled": photo & (share >= LEAST_SUBJECT),
            "ground photo": photo & (share <= MOST_SUBJECT),
            "ground drawing": ~photo,
        }
        return cls(
            torch.stack(cutouts).to(device),
            torch.stack(grounds).to(device),
            torch.tensor(aspects, device=device),
            {name: found.nonzero()[:, 0].to(device) for name, found in of.items()},
        )


class Composer:
    """Draws pictures and labels from a library with a random generator."""

    def __init__(self, library: Library, size: int, generator: torch.Generator) -> None:
        self.library, self.size, self.random = library, size, generator
        self.device = library.cutouts.device

    def draw(self, count: int, styles: list[str] | None = None) -> tuple[Tensor, Tensor]:
        """Pictures N×3×H×W in [0, 1] and labels N×H×W: 0, 1 or IGNORE.

        styles: of each picture, keys of STYLES; None draws them by their shares.
        """
        if styles is None:
            shares = torch.tensor([share for share, _, _ in STYLES.values()])
            drawn = torch.multinomial(shares, count, True, generator=self._cpu())
            styles = [list(STYLES)[index] for index in drawn]
        picture, label = self._grounds(styles)
        pasted = [index for index, style in enumerate(styles) if STYLES[style][1]]
        label[pasted] = 0
        for chance in (1.0, 0.15):  # now and then a second thing
            luck = (self._uniform(len(pasted)) < chance).tolist()
            chosen = [index for index, lucky in zip(pasted, luck, strict=True) if lucky]
            if chosen:
                thing = self._cutouts([styles[index] for index in chosen])
                alpha = thing[:, 3:]
                ground = self._shadowed(picture[chosen], alpha)
                picture[chosen] = ground * (1 - alpha) + thing[:, :3]
                label[chosen] = torch.maximum(label[chosen], (alpha > 0.5) * float(SUBJECT))
        labels = (label[:, 0] > (UNSURE + SUBJECT) / 2).long()
        labels[label[:, 0] == UNSURE] = IGNORE
        return self._finished(picture), labels

    def _grounds(self, styles: list[str]) -> tuple[Tensor, Tensor]:
        """Crops of grounds and their labels at the finer size; paper where there is no ground."""
        names = [STYLES[style][2] for style in styles]
        pools = [name if name in (None, "labelled") else f"ground {name}" for name in names]
        index = torch.stack([self._one_of(pool or "ground drawing") for pool in pools])
        count = len(styles)
        aspect = self.library.aspects[index]
        part = self._uniform(count, 0.5, 1.0)
        part = torch.where(self._where(styles, ["photograph"])[:, 0, 0, 0], part.sqrt(), part)
        across, down = part / aspect.clamp(min=1), part * aspect.clamp(max=1)
        theta = torch.zeros(count, 2, 3, device=self.device)
        theta[:, 0, 0] = across * self._sign(count)
        theta[:, 1, 1] = down
        theta[:, 0, 2] = self._uniform(count, -1, 1) * (1 - across)
        theta[:, 1, 2] = self._uniform(count, -1, 1) * (1 - down)
        source = self.library.grounds[index].float()
        picture = self._sampled(source[:, :3] / 255, theta, FINER, "border")
        label = self._sampled(source[:, 3:], theta, 1, "border", "nearest")
        paper = self._paper(count)
        blank = torch.tensor([name is None for name in names], device=self.device)
        picture = torch.where(blank[:, None, None, None], paper, picture)
        return self._recoloured(picture, torch.ones_like(label), 0.5), label

    def _paper(self, count: int) -> Tensor:
        """Plain, softly shaded or white grounds, N×3×1×1 to be broadcast with a slope."""
        light = self._uniform(count * 3, 0.15, 1.0).view(count, 3, 1, 1)
        white = (self._uniform(count) < 0.5)[:, None, None, None]
        slope = torch.linspace(-1, 1, self.size, device=self.device).view(1, 1, -1, 1)
        shade = self._uniform(count, -0.15, 0.15)[:, None, None, None] * slope
        return torch.where(white, 0.97 + 0.1 * shade, light + shade).clamp(0, 1)

    def _cutouts(self, styles: list[str]) -> Tensor:
        """Things in their places, premultiplied N×4×H×W; nothing for photographs as is."""
        count = len(styles)
        names = [STYLES[style][1] for style in styles]
        index = torch.stack([self._one_of(name or "drawn") for name in names])
        drawn = self._where(styles, [s for s, (_, name, _) in STYLES.items() if name == "drawn"])
        turn = self._normal(count) * torch.where(drawn[:, 0, 0, 0], 0.4, 0.2)
        share = torch.exp(self._uniform(count, math.log(0.3), math.log(1.15)))
        stretch = torch.exp(self._normal(count) * 0.08)
        room = (1 - 0.7 * share).clamp(min=0.12)
        x, y = self._uniform(count, -1, 1) * room, self._uniform(count, -1, 1) * room
        cos, sin = turn.cos() / share, turn.sin() / share
        flip = self._sign(count)
        rows = [cos * flip * stretch, sin * flip * stretch, -sin / stretch, cos / stretch]
        linear = torch.stack(rows, 1).view(count, 2, 2)
        shift = -(linear @ torch.stack([x, y], 1)[:, :, None])
        theta = torch.cat([linear, shift], 2)
        source = self.library.cutouts[index].float() / 255
        source[:, :3] *= source[:, 3:]
        thing = self._sampled(source, theta, FINER, "zeros")
        colour, alpha = thing[:, :3], thing[:, 3:]
        colour = self._textured(colour, alpha, drawn)
        colour = self._outlined(colour, alpha, drawn)
        thing = torch.cat([self._recoloured(colour, alpha, 0.7), alpha], 1)
        soft = (self._uniform(count) < 0.3)[:, None, None, None]
        return torch.where(soft, F.avg_pool2d(thing, 3, 1, 1), thing)

    def _sampled(
        self, source: Tensor, theta: Tensor, finer: int, outside: str, mode: str = "bilinear"
    ) -> Tensor:
        """Pictures transformed, N×C×H×W; sampled `finer` times as densely, then averaged."""
        shape = [len(source), 1, finer * self.size, finer * self.size]
        grid = F.affine_grid(theta, shape, align_corners=False)
        found = F.grid_sample(source, grid, mode, outside, align_corners=False)
        return F.avg_pool2d(found, finer) if finer > 1 else found

    def _textured(self, colour: Tensor, alpha: Tensor, drawn: Tensor) -> Tensor:
        """Some drawn things get the surface of a photograph, and so pass for photographed ones."""
        count, side = len(colour), colour.shape[-1]
        index = torch.stack([self._one_of("ground photo") for _ in range(count)])
        photo = self.library.grounds[index, :3].float() / 255
        photo = F.interpolate(photo, (side, side), mode="bilinear")
        luma = (colour / alpha.clamp(min=1e-3)).mean(1, keepdim=True)
        chosen = drawn & (self._uniform(count) < 0.2)[:, None, None, None]
        return torch.where(chosen, photo * (0.35 + 0.65 * luma) * alpha, colour)

    def _outlined(self, colour: Tensor, alpha: Tensor, drawn: Tensor) -> Tensor:
        """Some drawn things get dark lines along their outline and the edges inside them."""
        count = len(colour)
        luma = colour.mean(1, keepdim=True)
        contrast = F.max_pool2d(luma, 3, 1, 1) + F.max_pool2d(-luma, 3, 1, 1)
        rim = alpha + F.max_pool2d(-alpha, 3, 1, 1)
        line = (rim + 3 * (contrast - 0.12).clamp(min=0)).clamp(0, 1)
        chosen = drawn & (self._uniform(count) < 0.35)[:, None, None, None]
        faded = self._uniform(count)[:, None, None, None] < 0.25  # line art with hardly any colour
        base = torch.where(faded, 0.15 * colour + 0.85 * alpha, colour)
        return torch.where(chosen, base * (1 - 0.9 * line), colour)

    def _recoloured(self, colour: Tensor, alpha: Tensor, chance: float) -> Tensor:
        """Other brightness, contrast, saturation and tint of premultiplied colours."""
        count = len(colour)
        happens = (self._uniform(count) < chance)[:, None, None, None]
        gain = torch.exp(self._normal(count) * 0.18)[:, None, None, None]
        tint = torch.exp(self._normal(3 * count) * 0.07).view(count, 3, 1, 1)
        saturation = self._uniform(count, 0.3, 1.5)[:, None, None, None]
        lift = self._normal(count)[:, None, None, None] * 0.05
        grey = colour.mean(1, keepdim=True)
        changed = (grey + (colour - grey) * saturation) * gain * tint + lift * alpha
        changed = torch.minimum(changed.clamp(min=0), alpha)
        return torch.where(happens, changed, colour)

    def _shadowed(self, picture: Tensor, alpha: Tensor) -> Tensor:
        """Some pasted things throw a soft shadow on the ground."""
        count, side = len(picture), picture.shape[-1]
        strength = self._uniform(count, 0.2, 0.6) * (self._uniform(count) < 0.25)
        blurred = F.interpolate(F.avg_pool2d(alpha, side // 16), (side, side), mode="bilinear")
        shift = (side // 24, side // 32)
        shadow = torch.roll(blurred, shift, (2, 3))
        return picture * (1 - strength[:, None, None, None] * shadow)

    def _finished(self, picture: Tensor) -> Tensor:
        """Some pictures are unsharp, noisy or grey."""
        count = len(picture)
        unsharp = (self._uniform(count) < 0.15)[:, None, None, None]
        picture = torch.where(unsharp, F.avg_pool2d(picture, 3, 1, 1), picture)
        grey = (self._uniform(count) < 0.05)[:, None, None, None]
        picture = torch.where(grey, picture.mean(1, keepdim=True), picture)
        amount = self._uniform(count, 0, 0.05) * (self._uniform(count) < 0.3)
        noise = self._normal(picture.numel()).view(picture.shape)
        return (picture + noise * amount[:, None, None, None]).clamp(0, 1)

    def _where(self, styles: list[str], among: list[str]) -> Tensor:
        """N×1×1×1, true for the pictures of these styles."""
        found = [style in among for style in styles]
        return torch.tensor(found, device=self.device)[:, None, None, None]

    def _one_of(self, pool: str) -> Tensor:
        pool_of = self.library.of[pool]
        place = torch.randint(len(pool_of), (), generator=self.random, device=self.device)
        return pool_of[place]

    def _uniform(self, count: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        drawn = torch.rand(count, generator=self.random, device=self.device)
        return low + (high - low) * drawn

    def _normal(self, count: int) -> Tensor:
        return torch.randn(count, generator=self.random, device=self.device)

    def _sign(self, count: int) -> Tensor:
        return (self._uniform(count) < 0.5) * 2.0 - 1

    def _cpu(self) -> torch.Generator:
        """A generator for draws that choose Python objects, seeded by the one of the device."""
        seed = torch.randint(1 << 31, (), generator=self.random, device=self.device)
        return torch.Generator().manual_seed(int(seed))


def _centred(cutout: npt.NDArray[np.uint8]) -> Tensor:
    """A cut-out in the middle of an empty square, 4×S×S; small ones are enlarged up to twice."""
    scale = min(2.0, CUTOUT_SIDE / max(cutout.shape[:2]))
    cutout = cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    height, width = cutout.shape[:2]
    top, left = (CUTOUT_SIDE - height) // 2, (CUTOUT_SIDE - width) // 2
    square = np.zeros((CUTOUT_SIDE, CUTOUT_SIDE, 4), np.uint8)
    square[top : top + height, left : left + width] = cutout
    return torch.from_numpy(square).permute(2, 0, 1).contiguous()


def _squeezed(picture: npt.NDArray[np.uint8], side: int) -> Tensor:
    """A picture with label squeezed to a square, 4×side×side; labels are not mixed."""
    whole = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    colour = F.interpolate(whole[:, :3], (side, side), mode="bilinear", antialias=True)
    label = F.interpolate(whole[:, 3:], (side, side), mode="nearest")
    return torch.cat([colour.round().clamp(0, 255), label], 1)[0].byte()
