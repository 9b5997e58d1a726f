"""The harmonization network: eq. 1, the identity at the start, and the algebra of transforms."""

import pytest
import torch

from models.harmonize_composite import (
    HarmonizeComposite,
    affine,
    apply_transform,
    build,
    masked_mean,
)


@pytest.fixture
def pair():
    """A random picture and a soft square mask."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 64, 96, generator=generator)
    mask = torch.zeros(2, 1, 64, 96)
    mask[:, :, 16:48, 20:60] = 0.75
    return image, mask


def transform_of(matrix):
    """N×12×16×24 of one 3×4 matrix."""
    rows = torch.tensor(matrix, dtype=torch.float32).flatten()
    return rows[None, :, None, None].expand(2, 12, 16, 24)


def test_blend_zero_returns_the_input_exactly(pair):
    image, mask = pair
    transform = torch.randn(2, 12, 16, 24)
    blend = torch.zeros(2, 1, 16, 24)
    assert torch.equal(apply_transform(image, mask, transform, blend), image)


def test_the_background_stays_exactly(pair):
    image, mask = pair
    mask = (mask > 0).float()
    result = apply_transform(image, mask, torch.randn(2, 12, 16, 24), torch.ones(2, 1, 16, 24))
    outside = (mask == 0).expand_as(image)
    assert torch.equal(result[outside], image[outside])
    assert not torch.equal(result[~outside], image[~outside])


def test_a_transform_acts_through_mask_and_blend(pair):
    image, mask = pair
    halve_red_raise_blue = [[0.5, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0.2]]
    blend = torch.full((2, 1, 16, 24), 0.5)
    result = apply_transform(image, mask, transform_of(halve_red_raise_blue), blend)
    target = torch.stack([image[:, 0] * 0.5, image[:, 1], image[:, 2] + 0.2], dim=1)
    weight = mask * 0.5
    torch.testing.assert_close(result, image * (1 - weight) + target * weight)


def test_rows_mix_channels(pair):
    image, mask = pair
    swap = [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]
    ones = torch.ones(2, 1, 16, 24)
    result = apply_transform(image, torch.ones_like(mask), transform_of(swap), ones)
    torch.testing.assert_close(result, image[:, [1, 0, 2]])


def test_a_new_network_changes_nothing(pair):
    image, mask = pair
    network = build().eval()
    with torch.no_grad():
        transform, blend = network(image, mask)
        result = network.harmonize(image, mask)
    identity = transform_of([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    assert transform.shape == (2, 12, 16, 24)
    assert torch.equal(transform, identity)
    assert 0 <= blend.min() <= blend.max() <= 1
    torch.testing.assert_close(result, image)


def test_a_change_about_a_centre_keeps_the_centre():
    change = torch.randn(2, 12, 1, 1)
    change[:, 3::4] = 0
    centre = torch.rand(2, 3, 1, 1)
    everywhere = torch.ones(2, 1, 1, 1)
    kept = apply_transform(centre, everywhere, affine(change, centre), everywhere)
    torch.testing.assert_close(kept, centre)


@pytest.mark.parametrize("part", ["semantic", "statistics", "blending", "transforming"])
def test_every_part_can_be_left_out(pair, part):
    image, mask = pair
    with torch.no_grad():
        result = build(**{part: False}).eval().harmonize(image, mask)
    assert result.shape == image.shape
    outside = (mask == 0).expand_as(image)
    assert torch.equal(result[outside], image[outside])


def test_without_a_blend_head_the_prediction_replaces(pair):
    image, mask = pair
    network = HarmonizeComposite(semantic=False, blending=False, transforming=False).eval()
    with torch.no_grad():
        colours, blend = network(image, mask)
        result = network.harmonize(image, torch.ones_like(mask))
    assert torch.equal(blend, torch.ones_like(blend))
    assert not torch.equal(network.harmonize(image, mask), result)
    assert colours.shape == image.shape


def test_the_mask_reaches_the_backbone(pair):
    image, mask = pair
    network = build().eval()
    semantic = network.semantic
    torch.nn.init.normal_(semantic.backbone.extra_stem.weight)
    with torch.no_grad():
        assert not torch.equal(semantic(image, mask), semantic(image, torch.zeros_like(mask)))


def test_training_leaves_the_backbones_statistics(pair):
    network = build().train()
    before = {name: value.clone() for name, value in network.semantic.backbone.named_buffers()}
    network.harmonize(*pair)
    after = dict(network.semantic.backbone.named_buffers())
    assert before
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_masked_mean_is_the_mean_under_the_mask():
    x = torch.tensor([[[[1.0, 3.0], [5.0, 100.0]]]])
    mask = torch.tensor([[[[1.0, 1.0], [1.0, 0.0]]]])
    assert masked_mean(x, mask).item() == pytest.approx(3.0, abs=1e-3)


def test_an_empty_mask_is_no_division_by_zero(pair):
    image, mask = pair
    network = build().eval()
    with torch.no_grad():
        for side in (torch.zeros_like(mask), torch.ones_like(mask)):
            transform, blend = network(image, side)
            assert transform.isfinite().all()
            assert blend.isfinite().all()
