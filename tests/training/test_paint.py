"""The recipe of paint on a pack of coloured squares."""

from functools import partial

import numpy as np
import pytest
import torch

from engine.imaging import diffusion
from models.paint import build
from training import paint as recipe
from training.drawings import SIDE, STYLES, Drawing
from training.packs import PackWriter
from training.paint import Config, Recipe, dropped, mixed, most_scribbled, times, weights
from training.sources import Picture, split_of

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A pack with three pictures of large squares on each side of the split."""
    folder = tmp_path_factory.mktemp("packs")
    random = np.random.default_rng(0)
    writer = PackWriter()
    for split in ("train", "validation"):
        groups = [f"g{number}" for number in range(200) if split_of(f"g{number}") == split][:3]
        for group in groups:
            source = Picture(folder / group, "drawn", group, "us", "CC0 1.0", group)
            colours = random.integers(0, 256, (4, 4, 3)).astype(np.uint8)
            pixels = np.kron(colours, np.ones((SIDE // 4, SIDE // 4, 1), np.uint8))
            line = np.zeros((SIDE, SIDE), np.uint8)
            line[:: SIDE // 4] = line[:, :: SIDE // 4] = 255
            number = 1 + np.arange(16, dtype=np.uint8).reshape(4, 4, 1) * (1, 0, 0)
            labels = np.kron(number, np.ones((SIDE // 4, SIDE // 4, 1))).astype(np.uint8)
            about = {"group": group, "page": group}
            writer.add_picture(group, pixels, source, kind="colour", extra=about)
            for style in STYLES:
                about = {"of": group, "style": style}
                writer.add_picture(f"{group} {style}", line, source, kind="line", extra=about)
                about = {"of": f"{group} {style}"}
                writer.add_picture(group, labels, source, kind="regions", quality=100, extra=about)
    writer.write(folder / "pack.safetensors")
    return folder


@pytest.fixture(scope="module")
def training(data, small):
    return new(data)


@pytest.fixture(scope="module", autouse=True)
def small():
    """A narrow network and few validation drawings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "build", partial(build, channels=(8, 16, 16, 32)))
        patch.setattr(recipe, "HELD_OUT", 6)
        yield


def new(data, **values):
    torch.manual_seed(0)
    return Recipe(Config(batch=4, size=64, **values), data, CPU)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_noise_is_mixed_as_the_sampler_expects():
    colour, noise = torch.rand(2, 3, 4, 5) * 2 - 1, torch.randn(2, 3, 4, 5)
    time = torch.tensor([0.3, 1.0]).view(2, 1, 1, 1)
    x = mixed(colour, noise, time)
    for index, moment in enumerate([0.3, 1.0]):
        own = colour[index].numpy(), noise[index].numpy()
        np.testing.assert_allclose(x[index], diffusion.noised(*own, moment), atol=1e-6)


def test_times_are_spread_over_every_batch():
    found = torch.stack([times(20, generator(seed)).flatten() for seed in range(50)])
    assert found.min() >= 0
    assert ((found == 1).sum(dim=1) >= 4).all()
    assert (found == 1).float().mean() == pytest.approx(recipe.PURE, abs=0.01)
    noisy = found[found < 1]
    assert noisy.square().mean() == pytest.approx(0.5, abs=0.01)
    assert (found.amin(dim=1) <= (1 / 20 / (1 - recipe.PURE)) ** 0.5).all()
    assert not torch.equal(found[0].argsort(), found[1].argsort())


def test_conditions_are_dropped_drawing_by_drawing():
    whole = torch.rand(400, 4, 2, 2) + 0.1
    part = dropped(whole, 0.25, generator())
    gone = (part == 0).flatten(1).all(dim=1)
    assert gone.float().mean() == pytest.approx(0.25, abs=0.06)
    assert torch.equal(part[~gone], whole[~gone])
    assert torch.equal(dropped(whole, 0.0, generator()), whole)


def test_paper_ink_and_scribbled_regions_count_less():
    colour, flats = torch.zeros(1, 3, 1, 4), torch.zeros(1, 4, 1, 4)
    colour[..., 1] = 1.0
    line = torch.tensor([0.0, 0.0, 1.0, 0.0]).view(1, 1, 1, 4)
    flats[..., 3] = 1.0
    nothing = torch.zeros(1, 4, 1, 4)
    found = weights(Drawing(line, colour, nothing, flats, nothing))
    less = [recipe.PAPER_WEIGHT, recipe.INK_WEIGHT, recipe.KNOWN_WEIGHT]
    assert found.flatten().tolist() == [1.0, *less]


def test_validation_takes_the_drawings_with_the_most_strokes():
    hints = torch.zeros(3, 4, 16, 16)
    hints[0, :, 3] = hints[2, :, 3] = hints[2, :, 9] = 1
    planes = torch.arange(3.0).view(3, 1, 1, 1)
    chosen = most_scribbled(Drawing(planes, planes, hints, planes, planes), 2)
    assert chosen.tolist() == [2, 0]


def test_validation_is_the_same_every_time(data, training):
    again = new(data)
    with torch.no_grad():
        one = training.validate(training.model.eval())
        two = again.validate(again.model.eval())
    assert one == two
    first = [one[f"{level} 1"] for level in recipe.LEVELS]
    assert one["score"] == pytest.approx(-np.mean(first))


def test_levels_are_the_same_drawings_with_more_and_more_strokes(training):
    levels = list(training.levels.values())
    for planes in ("hints", "flats"):
        covered = [float((vars(level)[planes][:, 3] > 0).float().mean()) for level in levels]
        assert 0 < covered[0] < covered[1] <= covered[2]
    for level in levels[1:]:
        assert torch.equal(level.line, levels[0].line)
        assert torch.equal(level.colour, levels[0].colour)
        assert torch.equal(level.reference, levels[0].reference)


def test_a_network_that_knows_the_truth_scores_0(training):
    class Knowing(torch.nn.Module):
        def forward(self, *_):
            return training.levels["dense"].colour

    figures = training.validate(Knowing())
    painted = {name: value for name, value in figures.items() if not name.endswith("flats")}
    assert all(value == pytest.approx(0, abs=0.05) for value in painted.values())
    assert figures["sparse flats"] > figures["dense flats"] > 0


def test_learning_one_drawing_by_heart_lowers_its_error(data, monkeypatch):
    training = new(data, learning_rate=4e-3)
    drawing = recipe.Composer(training.library, 64, generator()).draw(4)
    monkeypatch.setattr(recipe.Composer, "draw", lambda *_: drawing)
    optimizer = training.optimizer(training.parameter_groups())
    training.model.train()
    errors = []
    for step in range(20):
        optimizer.zero_grad()
        errors.append(float(training.step(generator(step % 2))["loss"]))
        optimizer.step()
    assert np.mean(errors[-2:]) < 0.8 * np.mean(errors[:2])


def test_steps_are_the_same_for_the_same_draws(data):
    one, two = (float(new(data).step(generator(3))["loss"]) for _ in range(2))
    assert one == two
    assert one != float(new(data).step(generator(4))["loss"])


def test_decay_spares_norms_and_biases(training):
    matrices, vectors = training.parameter_groups()
    assert vectors["weight_decay"] == 0
    assert all(parameter.ndim == 1 for parameter in vectors["params"])
    counted = sum(p.numel() for group in (matrices, vectors) for p in group["params"])
    assert counted == sum(p.numel() for p in training.model.parameters())


def test_the_sheet_shows_every_drawing(training):
    with torch.no_grad():
        sheet = training.sheet(training.model.eval())
    assert sheet.dtype == np.uint8
    assert sheet.shape[0] > recipe.HELD_OUT / 2 * 128
    assert sheet.shape[1] > 2 * 5 * 128


def test_the_export_knows_the_networks_ports():
    network = recipe.network(Config(explicit=False))
    model = network.built(build(explicit=False).state_dict())
    example = network.example(1, 32, 64)
    with torch.no_grad():
        colour = model(*(torch.from_numpy(array) for array in example.values()))
    assert colour.shape == (1, network.outputs[0].channels, 32, 64)
