"""Alterations of the foreground, and the losses and figures of harmonize-composite."""

import pytest
import torch

from training.alterations import alter, paste, statistics
from training.harmonize_composite import centres, composites, errors, foreground_mse, looks


@pytest.fixture
def image():
    return torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def seeded(number=1):
    return torch.Generator().manual_seed(number)


def sources_of(image):
    return statistics(image, torch.ones_like(image[:, :1])).roll(1, 0)


def test_strength_zero_changes_nothing(image):
    altered = alter(image, torch.zeros(8), sources_of(image), seeded())
    torch.testing.assert_close(altered, image, atol=2e-4, rtol=0)


def test_every_picture_is_altered_in_its_own_way(image):
    same = image[:1].expand(8, -1, -1, -1)
    altered = alter(same, torch.ones(8), sources_of(image), seeded())
    assert altered.min() >= 0
    assert altered.max() <= 1
    means = altered.mean(dim=(2, 3))
    assert len({tuple(mean.tolist()) for mean in means}) == 8


def test_stronger_is_further_away(image):
    far = [
        (alter(image, torch.full((8,), s), sources_of(image), seeded()) - image).abs().mean()
        for s in (0.1, 0.4, 1.0)
    ]
    assert 0 < far[0] < far[1] < far[2]


def test_the_same_seed_gives_the_same_alteration(image):
    one, two = (alter(image, torch.ones(8), sources_of(image), seeded(3)) for _ in range(2))
    assert torch.equal(one, two)


def test_the_background_stays_exactly(image):
    mask = torch.zeros(8, 1, 32, 32)
    mask[:, :, 8:20, 8:20] = 1
    result = composites(image, mask, seeded())
    outside = (mask == 0).expand_as(image)
    assert torch.equal(result[outside], image[outside])
    assert not torch.equal(result[~outside], image[~outside])


def test_a_look_changes_the_whole_picture(image):
    changed = looks(image, seeded())
    assert 0 <= changed.min() <= changed.max() <= 1
    moved = (changed - image).abs().mean(dim=(1, 2, 3))
    assert (moved > 0.01).sum() >= 4


def test_paste_is_linear_in_the_mask(image):
    half = torch.full((8, 1, 32, 32), 0.5)
    torch.testing.assert_close(paste(image, 1 - image, half), torch.full_like(image, 0.5))


def test_statistics_are_those_under_the_mask():
    image = torch.zeros(1, 3, 2, 2)
    image[0, :, 0, 0] = torch.tensor([0.2, 0.4, 0.6])
    image[0, :, 0, 1] = torch.tensor([0.6, 0.4, 0.2])
    image[0, :, 1] = 1.0
    mask = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    mean, deviation = statistics(image, mask)[0].unbind(1)
    torch.testing.assert_close(mean, torch.tensor([0.4, 0.0, 0.0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(deviation, torch.tensor([0.0, 0.2, 0.0]), atol=1e-6, rtol=0)


def test_fn_mse_divides_by_the_foreground_by_hand():
    truth = torch.zeros(1, 3, 256, 256)
    predicted = truth.clone()
    predicted[0, :, :20, :20] = 0.1
    mask = torch.zeros(1, 1, 256, 256)
    mask[0, 0, :20, :20] = 1
    expected = 400 * 3 * 0.01 / 400
    assert foreground_mse(predicted, truth, mask).item() == pytest.approx(expected, rel=1e-5)


def test_fn_mse_of_a_tiny_object_is_held_by_a_min():
    truth = torch.zeros(1, 3, 256, 256)
    predicted = truth.clone()
    predicted[0, :, 0, 0] = 0.1
    mask = torch.zeros(1, 1, 256, 256)
    mask[0, 0, 0, 0] = 1
    assert foreground_mse(predicted, truth, mask).item() == pytest.approx(3 * 0.01 / 100, rel=1e-5)


def test_a_min_follows_the_size():
    truth = torch.zeros(1, 3, 128, 128)
    predicted = truth.clone()
    predicted[0, :, 0, 0] = 0.1
    mask = torch.zeros(1, 1, 128, 128)
    mask[0, 0, 0, 0] = 1
    assert foreground_mse(predicted, truth, mask).item() == pytest.approx(3 * 0.01 / 25, rel=1e-5)


def test_errors_by_hand():
    truth = torch.zeros(1, 3, 10, 10)
    predicted = truth.clone()
    predicted[0, :, :5, :2] = 10 / 255
    mask = torch.zeros(1, 1, 10, 10)
    mask[0, 0, :5, :4] = 1
    mse, fmse = errors(predicted, truth, mask)
    assert mse.item() == pytest.approx(10.0, rel=1e-4)
    assert fmse.item() == pytest.approx(50.0, rel=1e-4)


def test_centres_of_masks():
    mask = torch.zeros(2, 1, 101, 101, dtype=torch.uint8)
    mask[0, 0, 50, 100] = 255
    mask[1, 0, 25, 0:101] = 255
    found = centres(mask)
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.0], [0.0, -0.5]]))
