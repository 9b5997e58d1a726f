import pytest
import torch

from models.mobilenet_v2 import (
    FEATURE_CHANNELS,
    STAGES,
    ConvNorm,
    MobileNetV2,
    SlimConv,
    SlimNorm,
    narrow,
    set_width,
)

WIDTHS = (0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def pictures():
    return torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    """Weights as the pretrained ones are stored: a convolution with bias per unit, nothing else."""
    random = torch.Generator().manual_seed(2)
    state = {}
    for number, unit in enumerate(units(MobileNetV2())):
        shape = unit.conv.weight.shape
        scale = (2 / shape[1:].numel()) ** 0.5
        state[f"{number:02}.conv.weight"] = scale * torch.randn(shape, generator=random)
        state[f"{number:02}.conv.bias"] = 0.5 * torch.randn(shape[0], generator=random)
    path = tmp_path_factory.mktemp("weights") / "folded.pth"
    torch.save(state, path)
    return path


def units(network):
    return [unit for unit in network.modules() if isinstance(unit, ConvNorm)]


def plain_features(path, image):
    """The folded network, written a second time without any of the module's classes."""
    weights = iter(torch.load(path, weights_only=True).values())

    def conv(x, stride=1, groups=1, linear=False):
        weight, bias = next(weights), next(weights)
        if weight.shape[-1] == 3:
            before = 1 if stride == 1 else 0
            x = torch.nn.functional.pad(x, (before, 1, before, 1))
        x = torch.nn.functional.conv2d(x, weight, bias, stride, groups=groups)
        return x if linear else x.clamp(0, 6)

    x, features = conv(image * 2 - 1, 2), []
    for expansion, channels, blocks, stride in STAGES:
        for place in range(blocks):
            y = conv(x) if expansion > 1 else x
            y = conv(y, stride if place == 0 else 1, y.shape[1])
            y = conv(y, linear=True)
            x = x + y if place else y
        if channels in FEATURE_CHANNELS:
            features.append(x)
    return features


@pytest.mark.parametrize("width", WIDTHS)
def test_features_have_their_strides_and_channels(width, pictures):
    network = MobileNetV2(WIDTHS).eval()
    set_width(network, width)
    shapes = [tuple(feature.shape) for feature in network(pictures)]
    assert shapes == [
        (4, narrow(channels, width), 64 // stride, 64 // stride)
        for channels, stride in zip(FEATURE_CHANNELS, (4, 8, 16, 32), strict=True)
    ]


def test_an_unknown_width_is_refused():
    with pytest.raises(ValueError, match=r"0\.3"):
        set_width(MobileNetV2((0.5, 1.0)), 0.3)
    for widths in ((), (1.0, 0.5), (0.5, 0.5), (0.0, 1.0), (0.5, 1.5)):
        with pytest.raises(ValueError, match="widths"):
            MobileNetV2(widths)


def test_calibration_keeps_the_pretrained_function_at_width_1(folded, pictures):
    network = MobileNetV2(WIDTHS).eval()
    network.load_imagenet(folded, pictures)
    other = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        for found, truth in zip(network(other), plain_features(folded, other), strict=True):
            found, truth = (x.transpose(0, 1).flatten(1) for x in (found, truth))
            exact = "donot_use_mm_for_euclid_dist"
            distances = torch.cdist(found, truth, compute_mode=exact) / truth.std()
            nearest, match = distances.min(1)
            assert nearest.max() < 1e-2
            assert sorted(match.tolist()) == list(range(len(truth)))  # only their order changed


def test_every_width_sees_the_statistics_of_its_own_inputs(folded, pictures):
    network = MobileNetV2(WIDTHS)
    network.load_imagenet(folded, pictures)
    for width in WIDTHS:
        set_width(network, width)
        with torch.no_grad():
            running = network.eval()(pictures)[-1]
            for norm in network.modules():
                if isinstance(norm, SlimNorm):
                    norm.at(width).momentum = 0.0
            by_batch = network.train()(pictures)[-1]
        torch.testing.assert_close(by_batch, running, rtol=1e-3, atol=1e-3)


def test_a_narrow_network_is_a_leading_slice_of_the_wide_one(folded, pictures):
    wide, half = MobileNetV2(WIDTHS).eval(), MobileNetV2((0.5,)).eval()
    wide.load_imagenet(folded, pictures)
    half.take(wide)
    for narrow_unit, unit in zip(units(half), units(wide), strict=True):
        rows, columns = narrow_unit.conv.weight.shape[:2]
        assert torch.equal(narrow_unit.conv.weight, unit.conv.weight[:rows, :columns])
        assert rows == round(unit.conv.weight.shape[0] / 2)
    set_width(wide, 0.5)
    with torch.no_grad():
        for found, truth in zip(half(pictures), wide(pictures), strict=True):
            torch.testing.assert_close(found, truth)


def test_channels_are_sorted_by_the_energy_that_they_give_on(folded, pictures):
    network = MobileNetV2().eval()
    network.load_imagenet(folded, pictures)
    project = network.blocks[3].project.conv
    energies = []
    hook = project.register_forward_pre_hook(
        lambda conv, inputs: energies.append(
            inputs[0].square().mean((0, 2, 3)) * conv.weight.square().sum((0, 2, 3))
        )
    )
    with torch.no_grad():
        network(pictures)
    hook.remove()
    assert (energies[0].diff() <= 1e-5 * energies[0][0]).all()


def test_only_used_weights_get_a_gradient(pictures):
    network = MobileNetV2((0.5, 1.0))
    set_width(network, 0.5)
    network(pictures)[-1].sum().backward()
    conv = network.blocks[4].expand.conv
    used = torch.zeros_like(conv.weight, dtype=torch.bool)
    used[: len(used) // 2, : used.shape[1] // 2] = True
    assert conv.weight.grad[used].abs().sum() > 0
    assert (conv.weight.grad[~used] == 0).all()


def test_a_second_input_changes_nothing_until_it_has_learned(pictures):
    network = MobileNetV2(extra_inputs=1).eval()
    mask = torch.rand(4, 1, 64, 64)
    with torch.no_grad():
        plain = network(pictures)[-1]
        assert torch.equal(network(pictures, mask)[-1], plain)
        network.extra_stem.weight.add_(0.1)
        assert not torch.equal(network(pictures, mask)[-1], plain)


def test_a_convolution_with_stride_pads_as_tensorflow_does():
    conv = SlimConv((1.0,), 1, 1, 3, stride=2, slim_input=False, slim_output=False)
    conv.weight.data.fill_(1.0)
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert conv(image).tolist() == [[[[45.0, 39.0], [66.0, 50.0]]]]
