"""The paint network: its size, what reaches it by which way, and that all of it learns."""

import pytest
import torch

from models.paint import TimeEmbedding, build, started

LARGEST = 6.0e6
"""Parameters of denoiser, hint encoder and reference encoder together."""


def inputs(count=2, height=64, width=96, seed=0):
    """noisy, time, line, hints, flats, reference."""
    generator = torch.Generator().manual_seed(seed)

    def random(channels):
        return torch.rand(count, channels, height, width, generator=generator)

    time = torch.rand(count, 1, 1, 1, generator=generator).expand(-1, -1, height, width)
    return [2 * random(3) - 1, time, random(1).round(), random(4), random(4), random(4)]


@pytest.fixture
def network():
    return new()


def new(**arguments):
    """A network whose last layer lets something through."""
    torch.manual_seed(0)
    network = build(**arguments)
    torch.nn.init.normal_(network.out.weight, std=0.1)
    return network.eval()


def opened(network):
    """The network with gates that let something through, as training leaves them."""
    for name, parameter in network.named_parameters():
        if "gate" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def changed(given, index):
    """The inputs with one of them quite different."""
    other = list(given)
    other[index] = 1 - other[index]
    return other


@torch.no_grad()
def difference(network, one, other):
    return float((network(*one) - network(*other)).abs().max())


def test_it_is_small(network):
    assert sum(parameter.numel() for parameter in network.parameters()) <= LARGEST


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96), (160, 32)])
def test_sizes_are_multiples_of_32(network, height, width):
    with torch.no_grad():
        colour = network(*inputs(1, height, width))
    assert colour.shape == (1, 3, height, width)
    assert colour.isfinite().all()


def test_drawings_in_a_batch_do_not_mix(network):
    given = inputs()
    with torch.no_grad():
        alone = opened(network)(*(planes[1:] for planes in given))
        together = network(*given)
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=1e-4)


def test_everything_reaches_a_trained_network(network):
    given = inputs()
    opened(network)
    for index in range(6):
        assert difference(network, given, changed(given, index)) > 1e-3


def test_a_network_that_has_learnt_nothing_gives_the_flats():
    given = inputs()
    with torch.no_grad():
        assert torch.equal(build()(*given), started(given[4]))


def test_with_closed_gates_there_is_explicit_conditioning_alone(network):
    """A new network's gates are 0: it sees lines and where colours may be, but no reference."""
    given = inputs()
    assert difference(network, given, changed(given, 2)) > 1e-3
    assert difference(network, given, changed(given, 5)) == 0


def test_it_starts_from_what_scribbles_suggest_and_without_any_from_grey():
    flats = torch.zeros(3, 4, 32, 32)
    flats[0, 0], flats[0, 3, :16] = 1.0, 1.0
    flats[1, 3, :16] = 1.0  # black

    found = started(flats)

    red = torch.tensor([1.0, -1, -1])[:, None, None].expand(3, 32, 32)
    assert torch.equal(found[0], red)
    assert (found[1] == -1).all()
    assert not found[2].any()


def test_without_explicit_conditioning_lines_pass_the_cross_attention_alone():
    network = new(explicit=False)
    given = inputs()
    assert difference(network, given, changed(given, 2)) == 0
    torch.nn.init.normal_(network.cross_attention.gate.weight, std=0.1)
    assert difference(network, given, changed(given, 2)) > 1e-4


def test_a_scribble_acts_most_where_it_was_drawn(network):
    """The features of every level carry it, not the bottleneck alone."""
    opened(network)
    given = inputs(1, 128, 128)
    given[3] = torch.zeros_like(given[3])
    given[3][:, :, 96:104, 96:104] = 1  # another scribble, which stays
    other = list(given)
    other[3] = given[3].clone()
    other[3][:, :, 8:16, 8:16] = 1
    with torch.no_grad():
        change = (network(*given) - network(*other)).abs().mean(dim=(0, 1))
    assert change[8:16, 8:16].mean() > 2 * change[64:, 64:].mean()


def test_the_attention_asks_what_tokens_say_and_not_where_they_are(network):
    opened(network)
    x, given = torch.randn(2, 192, 4, 6), torch.randn(2, 30, 192)
    with torch.no_grad():
        one, two = network.attend(x, given), network.attend(x, given.flip(1))
        other = network.attend(x, torch.cat([given[:, :-1], -given[:, -1:]], dim=1))
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)
    assert (one - other).abs().max() > 1e-3


def test_every_parameter_learns_after_two_steps():
    torch.manual_seed(0)
    network = build()
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        network(*inputs()).square().mean().backward()
        optimizer.step()
    still = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert not still


def test_times_are_told_apart():
    embedding = TimeEmbedding()
    moments = torch.linspace(0, 1, 201)
    angles = moments[:, None] * embedding.frequencies
    waves = torch.cat([angles.cos(), angles.sin()], dim=1)
    apart = torch.cdist(waves, waves) + 10 * torch.eye(len(moments))
    assert apart.min() > 0.3
    assert embedding(moments).shape == (201, 128)


def test_reduced_precision_changes_little(network):
    given = inputs()
    with torch.no_grad():
        exact = opened(network)(*given)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network(*given).float()
    assert (exact - rounded).abs().mean() < 0.03 * exact.abs().mean()


def test_memory_layout_changes_nothing(network):
    given = inputs()
    with torch.no_grad():
        plain = opened(network)(*given)
        network.to(memory_format=torch.channels_last)
        last = network(*(p.contiguous(memory_format=torch.channels_last) for p in given))
    torch.testing.assert_close(last, plain, atol=1e-4, rtol=1e-4)
