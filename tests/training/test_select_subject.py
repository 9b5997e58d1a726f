import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.mobilenet_v2 import MobileNetV2
from models.select_subject import WIDTHS
from training import packs, select_subject
from training.composites import IGNORE, STYLES, Composer, Library
from training.select_subject import (
    Config,
    Recipe,
    border_of,
    mean_iou,
    mean_where,
    probabilities,
    soft_cross_entropy,
    total_loss,
)
from training.sources import Picture, split_of
from training.teacher import BACKGROUND, SUBJECT, UNSURE

SMALL = Config(batch=2, size=32)
PLAIN = replace(SMALL, distill=False, boundary=False, guided=False)


def group(split):
    return next(name for name in map(str, range(1000)) if split_of(name) == split)


def add(writer, name, pixels, split, kind, **extra):
    source = Picture(Path(name), "made", group(split), "nobody", "CC0", name)
    writer.add_picture(name, pixels, source, kind=kind, extra=extra, quality=100)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A small pack: blue photographs with a red subject, a drawing, a photo and a drawn cut-out."""
    folder = tmp_path_factory.mktemp("packs")
    writer = packs.PackWriter()
    for split in ("train", "validation"):
        photo = np.full((48, 64, 3), (20, 40, 200), np.uint8)
        photo[10:30, 10:40] = (220, 30, 30)
        label = np.full((48, 64), BACKGROUND, np.uint8)
        label[10:30, 10:40] = SUBJECT
        label[40:] = UNSURE
        add(writer, f"{split} photo", photo, split, "photo")
        add(writer, f"{split} label", label, split, "label", of=f"{split} photo")
        add(writer, f"{split} ground", np.full((64, 64, 3), 120, np.uint8), split, "photo")
        add(writer, f"{split} drawing", np.full((40, 64, 3), 250, np.uint8), split, "drawing")
        cutout = np.zeros((256, 256, 4), np.uint8)
        cutout[64:192, 64:192] = (30, 200, 30, 255)
        for drawn in (False, True):
            add(writer, f"{split} {drawn}", cutout, split, "cutout", drawn=drawn)
    for name, value in MobileNetV2(WIDTHS).state_dict().items():
        writer.add_array(select_subject.BACKBONE + name, value.half().numpy())
    writer.write(folder / "made.safetensors")
    return folder


@pytest.fixture(scope="module")
def library(data):
    return Library.read(packs.read(data), "train", 32, torch.device("cpu"))


def logits_of(*subject):
    """Logits of a 1×2×1×N picture whose subject has these probabilities."""
    p = torch.tensor(subject)
    return torch.stack([(1 - p).log(), p.log()])[None, :, None]


def test_soft_cross_entropy_by_hand():
    target = torch.tensor([0.25, 0.75]).view(1, 2, 1, 1)
    expected = -(0.25 * math.log(0.4) + 0.75 * math.log(0.6))
    assert soft_cross_entropy(logits_of(0.6), target).item() == pytest.approx(expected, rel=1e-5)


def test_a_mean_over_nothing_is_nothing():
    values, none = torch.tensor([3.0, 5.0]), torch.tensor([False, False])
    assert mean_where(values, none) == 0
    assert mean_where(values, ~none) == 4


def test_plain_loss_leaves_unsure_pixels_out():
    labels = torch.tensor([[[1, 0, IGNORE]]])
    loss = total_loss((logits_of(0.8, 0.4, 0.1), None), labels, labels == 9, None, PLAIN)
    assert loss.item() == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2, rel=1e-5)


def test_boundary_and_guided_losses_by_hand():
    """Two pixels; the head is sure of a border (p > 0.7) at the first alone (2.2 to 2.5)."""
    labels, borders = torch.tensor([[[1, 0]]]), torch.tensor([[[True, False]]])
    border = torch.logit(torch.tensor([0.8, 0.6])).view(1, 1, 1, 2)
    loss = total_loss((logits_of(0.9, 0.3), border), labels, borders, None, SMALL)
    seg = -(math.log(0.9) + math.log(0.7)) / 2
    bce = -(math.log(0.8) + math.log(0.4)) / 2
    guided = -math.log(0.9)
    assert loss.item() == pytest.approx(seg + 10 * bce + guided, rel=1e-5)


def test_without_the_head_the_true_border_guides():
    labels, borders = torch.tensor([[[1, 0]]]), torch.tensor([[[False, True]]])
    config = replace(SMALL, boundary=False)
    loss = total_loss((logits_of(0.9, 0.3), None), labels, borders, None, config)
    seg = -(math.log(0.9) + math.log(0.7)) / 2
    assert loss.item() == pytest.approx(seg - math.log(0.7), rel=1e-5)


def test_distillation_learns_from_the_wider_width_alone():
    """Labels play no part once there is a teacher, and no gradient reaches it (2.1)."""
    wide = logits_of(0.7, 0.2).requires_grad_()
    wide_border = torch.zeros(1, 1, 1, 2, requires_grad=True)
    teacher = probabilities((wide, wide_border))
    losses = []
    for truth in ([[[1, 0]]], [[[0, IGNORE]]]):
        found = logits_of(0.6, 0.4).requires_grad_(), torch.zeros(1, 1, 1, 2, requires_grad=True)
        labels = torch.tensor(truth)
        losses.append(total_loss(found, labels, labels == 1, teacher, SMALL))
        losses[-1].backward()
    entropy = -sum(q * math.log(p) + (1 - q) * math.log(1 - p) for q, p in ((0.7, 0.6), (0.2, 0.4)))
    assert losses[0].item() == pytest.approx(entropy / 2 + 10 * math.log(2), rel=1e-5)
    assert losses[0] == losses[1]
    assert wide.grad is None
    assert wide_border.grad is None


def test_borders_are_a_disc_around_changes():
    labels = torch.zeros(1, 9, 9, dtype=torch.long)
    labels[0, :, 5:] = 1
    columns = border_of(labels, 2)[0].all(dim=0).tolist()
    assert columns == [False, False, True, True, True, True, True, True, False]
    point = torch.zeros(1, 9, 9, dtype=torch.long)
    point[0, 4, 4] = 1
    found = border_of(point, 2)[0]
    assert found[4, 1]  # three from the point, two from its neighbour
    assert not found[1, 1]


def test_unsure_pixels_have_no_border():
    labels = torch.zeros(1, 4, 8, dtype=torch.long)
    labels[0, :, 3:5] = IGNORE
    labels[0, :, 5:] = 1
    assert not border_of(labels, 3).any()


def test_mean_iou_by_hand():
    subject = torch.tensor([[[0.9, 0.9, 0.1, 0.9]], [[0.1, 0.1, 0.1, 0.1]]])
    labels = torch.tensor([[[1, 0, 1, IGNORE]], [[0, 0, 0, 0]]])
    assert mean_iou(subject, labels) == pytest.approx((1 / 3 + 1) / 2)


@pytest.mark.parametrize("style", STYLES)
def test_composites_are_deterministic_and_labelled(library, style):
    first, again = (
        Composer(library, 32, torch.Generator().manual_seed(4)).draw(6, [style] * 6)
        for _ in range(2)
    )
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    pictures, labels = first
    assert pictures.shape == (6, 3, 32, 32)
    assert 0 <= pictures.min() <= pictures.max() <= 1
    assert set(labels.unique().tolist()) <= ({0, 1, IGNORE} if style == "photograph" else {0, 1})
    assert (labels == 1).any()


def test_labels_lie_on_what_was_pasted(library):
    """Where a photographed cut-out lies on white paper, the label and the colour agree."""
    composer = Composer(library, 64, torch.Generator().manual_seed(2))
    pictures, labels = composer.draw(32, ["photo on drawing"] * 32)
    dark = pictures.mean(dim=1) < 0.6
    subject = labels == 1
    assert (dark & subject).sum() > 0.85 * subject.sum()
    assert (dark & ~subject).sum() < 0.1 * (~subject).sum()


def test_validation_pictures_are_never_drawn_in_training(data):
    pack = packs.read(data)
    for split in ("train", "validation"):
        chosen = Library.read(pack, split, 32, torch.device("cpu"))
        assert len(chosen.cutouts) == 2
        assert len(chosen.grounds) == 3


def test_a_step_reaches_every_width_and_the_head(data):
    recipe = Recipe(SMALL, data, torch.device("cpu"))
    figures = recipe.step(torch.Generator().manual_seed(1))
    assert list(figures) == [f"loss {width}" for width in (1.0, 0.75, 0.5, 0.25)]
    parameters = [*recipe.model.parameters(), *recipe.heads.parameters()]
    assert all(parameter.grad is not None for parameter in parameters)
    grouped = [p for g in recipe.parameter_groups() for p in g["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in parameters}
    assert len(grouped) == len(parameters)


def test_a_single_width_trains_on_its_own_slice(data):
    recipe = Recipe(replace(PLAIN, widths=(0.5,)), data, torch.device("cpu"))
    whole = packs.read(data).arrays[select_subject.BACKBONE + "stem.conv.weight"]
    stem = recipe.model.backbone.stem.conv.weight
    assert torch.equal(stem, torch.from_numpy(whole[:16]).float())
    assert list(recipe.step(torch.Generator().manual_seed(1))) == ["loss 0.5"]


def test_validation_is_the_same_at_each_call(data):
    recipe = Recipe(SMALL, data, torch.device("cpu"))
    recipe.model.eval()
    with torch.no_grad():
        first, again = (recipe.validate(recipe.model) for _ in range(2))
        sheet = recipe.sheet(recipe.model)
    assert first == again
    assert 0 <= first["score"] <= 1
    assert sheet.shape == (len(STYLES) * 32, 4 * 4 * 32, 3)
    assert sheet.dtype == np.uint8


def test_what_is_exported_has_no_boundary_head(data):
    recipe = Recipe(SMALL, data, torch.device("cpu"))
    about = select_subject.network(SMALL)
    model = about.built(recipe.model.state_dict())
    assert about.variants == ("0.25", "0.5", "0.75", "1.0")
    assert model.state_dict().keys() == recipe.model.state_dict().keys()
