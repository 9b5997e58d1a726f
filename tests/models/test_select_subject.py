import pytest
import torch

from models.mobilenet_v2 import SlimConv
from models.select_subject import WIDTHS, SelectSubject, build


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("height", "wide"), [(64, 64), (32, 96)])
def test_probabilities_at_the_size_of_the_picture(width, height, wide):
    network = build().eval().with_variant(str(width))
    with torch.no_grad():
        subject = network(torch.rand(2, 3, height, wide))
    assert subject.shape == (2, 1, height, wide)
    assert subject.min() >= 0
    assert subject.max() <= 1


def test_more_classes_than_the_product_needs():
    network = build(classes=5).eval()
    with torch.no_grad():
        found = network(torch.rand(1, 3, 32, 32))
    assert found.shape == (1, 4, 32, 32)
    assert (found.sum(dim=1) < 1).all()


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match="width"):
        build().with_variant("0.6")


def test_it_is_small_and_has_no_head_for_training():
    network = build()
    assert sum(parameter.numel() for parameter in network.parameters()) < 3.5e6
    assert not [name for name in network.state_dict() if "bound" in name or "border" in name]


def test_every_convolution_is_slimmed():
    network = SelectSubject()
    for name, conv in network.named_modules():
        if isinstance(conv, SlimConv):
            rows, columns = conv.size(0.25)
            assert (rows < conv.weight.shape[0]) == (name != "classifier")
            assert columns < conv.weight.shape[1] or conv.depthwise or name.endswith("stem.conv")


def test_every_width_learns_from_its_own_loss():
    network = SelectSubject()
    for width in WIDTHS:
        network.zero_grad()
        network.with_variant(str(width))(torch.rand(2, 3, 32, 32)).mean().backward()
        for norm in network.context.here.norm.norms:
            own = norm is network.context.here.norm.at(width)
            assert (norm.weight.grad is not None) == own
