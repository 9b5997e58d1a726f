import numpy as np
import pytest
import torch
from torch import Tensor

from engine.imaging.suggested import suggested
from training import strokes
from training.strokes import Random, Scribbles, Strokes

SIZE = 64


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def one(**changes):
    """One stroke in the middle, from left to right."""
    values = {"x": 0.5, "y": 0.5, "angle": 0, "length": 0.25, "thickness": 4 / SIZE, "bend": 0}
    return Strokes(**{name: torch.tensor([[float(v)]]) for name, v in (values | changes).items()})


def layer(stroke, size=SIZE):
    red = torch.tensor([[[1.0, 0.0, 0.0]]])
    scribbles = Scribbles(stroke, red, torch.ones(1, 1, dtype=torch.bool))
    return strokes.drawn(scribbles, strokes.distances(stroke, size))[0]


def hints_on(colour, line, seed=0, most=strokes.MOST):
    scribbles = strokes.simulate(colour, line, generator(seed), most)
    return strokes.drawn(scribbles, strokes.distances(scribbles.strokes, SIZE))


@pytest.fixture
def chequered() -> tuple[Tensor, Tensor]:
    """32 drawings of four flat colours, and a line across each."""
    corners = torch.rand(32, 3, 2, 2, generator=generator()) * 0.8
    colour = torch.nn.functional.interpolate(corners, (2 * SIZE, 2 * SIZE), mode="nearest")
    line = torch.zeros(32, 1, 2 * SIZE, 2 * SIZE)
    line[..., 60:68, :] = 1
    return colour, line


def test_a_stroke_covers_its_area():
    planes = layer(one())
    area = 16 * 4 + 3.14159 * 4  # with round ends
    assert planes[3].sum() == pytest.approx(area, rel=0.03)
    assert (planes[0] == planes[3]).all()
    assert not planes[1:3].any()


@pytest.mark.parametrize("changes", [{"angle": 0.6}, {"bend": 0.08}, {"length": 0.05}])
def test_small_layers_are_large_ones_shrunk_by_area(changes):
    thin = one(thickness=1 / SIZE, **changes)
    large = torch.nn.functional.avg_pool2d(layer(thin, 16 * SIZE)[None], 16)[0]
    small = layer(thin)
    assert small[3].sum() == pytest.approx(float(large[3].sum()), rel=0.25)
    assert (small - large).abs().max() < 0.3


def test_a_hairline_covers_no_pixel_in_full():
    planes = layer(one(thickness=0.25 / SIZE))
    assert planes[3].max() <= 0.25
    assert planes[3, :, SIZE // 2].sum() == pytest.approx(0.25)
    assert (planes[:3].amax(0) <= planes[3]).all()


def test_bent_strokes_leave_their_chord():
    planes = layer(one(bend=0.1))
    column = planes[3, :, SIZE // 2]
    middle = (column * (torch.arange(SIZE) + 0.5)).sum() / column.sum()
    assert float(middle) == pytest.approx(0.6 * SIZE, abs=0.3)


def test_every_stroke_has_the_colour_below_it(chequered):
    colour, line = chequered
    hints = hints_on(colour, line)
    assert hints.shape == (32, 4, SIZE, SIZE)
    assert hints.min() >= 0 and hints.max() <= 1
    small = torch.nn.functional.avg_pool2d(colour, 2)
    cover = hints[:, 3:]
    solid = (cover > 0.5).expand_as(small)
    assert solid.any()
    wrong = (hints[:, :3] / cover.clamp(min=1e-6) - small).abs()[solid]
    assert (wrong > 0.02).float().mean() < 0.05  # a stroke may just reach over an edge


def test_ink_bears_hardly_any_stroke(chequered):
    colour, line = chequered
    line = torch.ones_like(line)
    assert not hints_on(colour, line).any()


def test_some_drawings_have_no_strokes_and_none_has_too_many(chequered):
    colour, line = (planes.repeat(4, 1, 1, 1) for planes in chequered)
    covered = hints_on(colour, line)[:, 3].mean((1, 2))
    assert 0.02 < (covered == 0).float().mean() < 0.3
    assert covered.max() < 0.25


def test_most_strokes_on_white_paper_are_not_white():
    colour = torch.ones(16, 3, SIZE, SIZE)
    colour[:, 1:, :, : SIZE // 4] = 0
    hints = hints_on(colour, torch.zeros(16, 1, SIZE, SIZE))
    white = hints[:, 1].sum() / hints[:, 3].sum()
    assert 0 < white < 0.75


def test_a_seed_gives_the_same_strokes(chequered):
    first, again, other = (hints_on(*chequered, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_fewer_strokes_are_some_of_more(chequered):
    many, few = (hints_on(*chequered, most=most) for most in (strokes.MOST, 3))
    assert (few[:, 3] <= many[:, 3]).all()
    assert 0 < few[:, 3].sum() < 0.5 * many[:, 3].sum()


def test_regions_take_the_colours_of_the_strokes_in_them():
    """A wall in the middle; two strokes left of it, one lies just right of it."""
    regions = torch.ones(1, 1, SIZE, SIZE)
    regions[..., SIZE // 2 :] = 2
    x = torch.tensor([[0.1, 0.3, 0.52]])
    stroke = Strokes(x, *(torch.full_like(x, value) for value in (0.5, 0, 0.02, 0.03, 0)))
    scribbles = Scribbles(stroke, torch.eye(3)[None], torch.ones(1, 3, dtype=torch.bool))
    distance = strokes.distances(stroke, SIZE)

    found = strokes.suggested(scribbles, distance, regions)[0]

    assert (found[3] == 1).all()
    torch.testing.assert_close(found[:3].sum(0), torch.ones(SIZE, SIZE))
    middle = found[:3, SIZE // 2]
    torch.testing.assert_close(middle[:2, [6, 19]], torch.eye(2), atol=0.02, rtol=0)
    assert middle[0, 12] == pytest.approx(0.5, abs=0.15)
    assert found[2, :, : SIZE // 2].max() < 0.02 and found[2, :, SIZE // 2 :].min() > 0.9
    alone = Scribbles(stroke, scribbles.colours, torch.tensor([[False, True, False]]))
    left = strokes.suggested(alone, distance, regions)[0]
    green = torch.tensor([0.0, 1, 0])[:, None, None].expand(3, SIZE, SIZE)
    torch.testing.assert_close(left[:3], green)
    assert (left[3, :, : SIZE // 2] == 1).all() and not left[3, :, SIZE // 2 :].any()


def test_the_engine_suggests_the_same_colours():
    """The device's planes are those of the operation, but for the strokes' thickness."""
    regions = torch.ones(1, 1, SIZE, SIZE)
    regions[..., SIZE // 2 :, :] = 2
    x, y = torch.tensor([[0.2, 0.8, 0.5]]), torch.tensor([[0.2, 0.3, 0.8]])
    stroke = Strokes(x, y, *(torch.full_like(x, value) for value in (0, 0.1, 0.01, 0)))
    scribbles = Scribbles(stroke, torch.eye(3)[None], torch.ones(1, 3, dtype=torch.bool))
    distance = strokes.distances(stroke, SIZE)

    found = strokes.suggested(scribbles, distance, regions)[0].numpy()

    labels = regions[0, 0].numpy().astype(np.int32)
    meant = np.array([[False] * 3, [True, True, False], [False, False, True]])
    paper = np.zeros(labels.shape, np.float32)
    own = suggested(labels, paper, np.eye(3, dtype=np.float32), meant, (distance[0] < 0.8).numpy())
    np.testing.assert_array_equal(own[3], found[3])
    assert np.abs(own[:3] - found[:3]).mean() < 0.01


def test_choices_follow_their_shares():
    found = Random(generator(), torch.device("cpu")).choice(4000, [0.5, 0.4, 0.1])
    assert found.bincount().div(4000).tolist() == pytest.approx([0.5, 0.4, 0.1], abs=0.03)
