"""The recipe of harmonize-composite on a pack of drawn pictures."""

import numpy as np
import pytest
import torch

from models.mobilenet_v2 import MobileNetV2
from training import harmonize_composite as recipe
from training.harmonize_composite import Config, Pictures, Recipe, pasted, validation_pairs
from training.packs import PackWriter, read
from training.sources import Picture, split_of


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A pack with two pictures on each side of the split, an object and a region in each."""
    folder = tmp_path_factory.mktemp("packs")
    random = np.random.default_rng(0)
    writer = PackWriter()
    for split in ("train", "validation"):
        groups = [f"g{number}" for number in range(200) if split_of(f"g{number}") == split][:2]
        for group in groups:
            source = Picture(folder / group, "drawn", group, "us", "CC0 1.0", group)
            colours = random.integers(0, 256, (8, 8, 3)).astype(np.uint8)
            pixels = np.kron(colours, np.ones((32, 32, 1), np.uint8))
            mask = np.zeros((256, 256), np.uint8)
            mask[64:160, 32:128] = 255
            for kind in recipe.SHARES:
                recipe.add(writer, source, pixels, kind, [mask, mask[::-1]])
    for name, value in MobileNetV2((1.0,), extra_inputs=1).state_dict().items():
        writer.add_array(recipe.WEIGHTS + name, value.half().numpy())
    writer.write(folder / "pack.safetensors")
    return folder


@pytest.fixture(scope="module")
def pictures(data):
    return Pictures(read(data), "train", torch.device("cpu"))


def config(**values):
    return Config(batch=4, size=64, **values)


def test_a_batch_without_augmentation_is_the_whole_picture(pictures):
    truth, mask = pictures.draw(config(augmentation=False), torch.Generator().manual_seed(0))
    whole = pictures.pixels.float().mean(dim=(1, 2, 3)) / 255
    means = truth.mean(dim=(1, 2, 3))
    assert truth.shape == (4, 3, 64, 64)
    assert (means[:, None] - whole).abs().amin(dim=1).max() < 1e-3
    torch.testing.assert_close(mask.mean(dim=(1, 2, 3)), torch.full((4,), 96 * 96 / 256**2))


def test_crops_hold_a_part_of_the_mask(pictures):
    generator = torch.Generator().manual_seed(0)
    shares = [pictures.draw(config(), generator)[1].mean(dim=(1, 2, 3)) for _ in range(20)]
    shares = torch.cat(shares)
    assert (shares > 0.02).all()
    assert shares.max() > 1.5 * 96 * 96 / 256**2


def test_every_kind_of_mask_is_drawn_in_its_share(pictures):
    by_kind = {
        kind: sum(
            weight
            for weight, own in zip(pictures.weights.tolist(), pictures.kinds, strict=True)
            if own == kind
        )
        for kind in recipe.SHARES
    }
    assert by_kind == pytest.approx(recipe.SHARES, rel=1e-5)


def test_validation_pairs_are_the_same_every_time(data):
    pack = read(data)
    one, two = (
        validation_pairs(Pictures(pack, "validation", torch.device("cpu")), 64) for _ in range(2)
    )
    assert torch.equal(one.image, two.image)
    assert not torch.equal(one.image, one.truth)
    outside = (one.mask == 0).expand_as(one.image)
    torch.testing.assert_close(one.image[outside], one.truth[outside])


@pytest.mark.parametrize(
    "values",
    [{}, {"transforming": False, "blending": False, "semantic": False, "statistics": False}],
    ids=["ours", "dih"],
)
def test_a_step_learns_and_validation_scores(data, values):
    torch.manual_seed(0)
    training = Recipe(config(**values), data, torch.device("cpu"))
    with torch.no_grad():
        before = training.validate(training.model.eval())
    optimizer = training.optimizer(training.parameter_groups())
    generator = torch.Generator().manual_seed(0)
    training.model.train()
    for _ in range(2):
        optimizer.zero_grad()
        figures = training.step(generator)
        optimizer.step()
    with torch.no_grad():
        after = training.validate(training.model.eval())
        sheet = training.sheet(training.model)
    assert set(figures) == {"fn_mse", "of_pasted"}
    assert after["score"] != before["score"]
    assert sheet.shape == (6 * 64, 2 * 4 * 64, 3)


def test_a_new_network_scores_as_pasted(data):
    training = Recipe(config(), data, torch.device("cpu"))
    with torch.no_grad():
        figures = training.validate(training.model.eval())
    assert figures["fmse_photographs"] == pytest.approx(figures["pasted_photographs"], rel=1e-3)


def test_the_backbone_learns_slowly_and_every_other_step(data):
    training = Recipe(config(), data, torch.device("cpu"))
    own, backbone = training.parameter_groups()
    assert backbone["lr_scale"] == 0.1
    assert len(own["params"]) + len(backbone["params"]) == len(list(training.model.parameters()))
    generator = torch.Generator().manual_seed(0)
    learns = []
    for _ in range(4):
        training.step(generator)
        learns.append(backbone["params"][0].requires_grad)
    assert learns == [True, False, True, False]


def test_pasting_a_cutout_keeps_the_picture_around_it():
    below = np.full((256, 256, 3), 40, np.uint8)
    cutout = np.full((100, 100, 4), 255, np.uint8)
    cutout[:, :50, 3] = 0
    picture, mask = pasted(below, cutout, np.random.default_rng(0))
    assert (picture[mask == 0] == 40).all()
    assert (picture[mask == 255] == 255).all()
    assert 0.02 < mask.mean() / 255 < 0.4
