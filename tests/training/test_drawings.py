from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from training import drawings, packs, scenes
from training.drawings import STYLES, Composer, Library, main_colours, recoloured, tiles
from training.scenes import Scene
from training.sources import Picture, split_of

SIZE = 64
CPU = torch.device("cpu")


def groups(split):
    return [f"{n:04}" for n in range(60) if split_of(f"{n:04}") == split][:2]


def page(number):
    """An outlined disc on a ground; every page has other colours."""
    random = np.random.default_rng(number)
    rgb = np.full((300, 300, 3), random.integers(90, 250, 3), np.uint8)
    lines = np.full((300, 300), 250, np.uint8)
    colour = random.integers(90, 250, 3).tolist()
    cv2.circle(rgb, (150, 150), 90, colour, -1, cv2.LINE_AA)
    cv2.circle(rgb, (150, 150), 90, (10, 10, 10), 3, cv2.LINE_AA)
    cv2.circle(lines, (150, 150), 90, 20, 3, cv2.LINE_AA)
    return rgb, lines


def write(folder, rows):
    table = ["file,source_path,author,licence", *(f"{row},{row},Ada,CC BY" for row in rows)]
    (folder / "files.csv").write_text("\n".join(table))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Sets of the kinds that are packed: two books on each side, of two pages each."""
    folder = tmp_path_factory.mktemp("made") / "data"
    stems = [
        f"{group}_{n}" for split in ("train", "validation") for group in groups(split) for n in "12"
    ]
    for set_name in ("asp_lineart_pairs", "asp_illustrations", "bookdash", "gophers_cc0"):
        place = folder / set_name
        paired = set_name == "asp_lineart_pairs"
        for part in ("color", "lineart") if paired else (".",):
            (place / part).mkdir(parents=True, exist_ok=True)
        for number, stem in enumerate(stems):
            colour, lines = page(number)
            Image.fromarray(colour).save(place / ("color" if paired else ".") / f"{stem}.png")
            if paired:
                Image.fromarray(lines).convert("RGB").save(place / "lineart" / f"{stem}.png")
        write(place, [f"{'*/' * paired}{stem}.png" for stem in stems])
    return folder.parent


def made_scenes(split, count, side, seed, data):
    """Scenes of one square."""
    for number in range(min(count, 2)):
        colour = np.full((side, side, 3), (90, 180, 240), np.uint8)
        colour[80:200, 80:200] = (240, 200 - 50 * number, 60)
        line = np.zeros((side, side), np.float32)
        cv2.rectangle(line, (80, 80), (200, 200), 1.0, 2)
        source = Picture(Path("a.svg"), "made", groups(split)[0], "Ada", "MIT", "a.svg")
        yield Scene(f"{split} {number}", colour, line, source)


@pytest.fixture(scope="module")
def pack(made, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "compose", made_scenes)
        paths = drawings.pack(tmp_path_factory.mktemp("packs"), made)
    assert [path.stem for path in paths] == ["pairs", "illustrations", "scenes"]
    return packs.read(paths[0].parent)


@pytest.fixture(scope="module")
def library(pack):
    return Library.read(pack, "train", SIZE, CPU)


def composer(library, seed=0):
    return Composer(library, SIZE, torch.Generator().manual_seed(seed))


def test_squares_cover_a_spread_and_the_middle_of_a_page():
    assert list(tiles(100, 100)) == [(slice(0, 100), slice(0, 100))]
    assert list(tiles(100, 120)) == [(slice(0, 100), slice(10, 110))]
    assert list(tiles(100, 200)) == [
        (slice(0, 100), slice(0, 100)),
        (slice(0, 100), slice(100, 200)),
    ]
    assert [rows.start for rows, _ in tiles(150, 100)] == [0, 50]


def test_a_pack_has_the_lines_of_every_style(pack):
    styles = Counter(pack.items[index].extra["style"] for index in pack.find("line"))
    assert styles == {"xdog": 32, "edges": 32, "drawn": 8, "exact": 4}
    assert len(pack.find("colour", "validation")) >= 3 * 4 + 2


def test_a_pack_has_the_regions_of_all_lines(pack):
    lines = [pack.items[index].name for index in pack.find("line")]
    assert [pack.items[index].extra["of"] for index in pack.find("regions")] == lines
    for index in pack.find("regions", "validation"):
        low, high, nothing = np.moveaxis(pack.picture(index).astype(int), 2, 0)
        assert len(np.unique(low + 256 * high)) >= 2
        assert low.min() > 0 and not nothing.any()


def test_colours_lie_under_the_lines(pack):
    places = {item.name: index for index, item in enumerate(pack.items)}
    drawn = [i for i in pack.find("line") if pack.items[i].extra["style"] == "drawn"]
    for index in drawn:
        colour, line = pack.picture(places[pack.items[index].extra["of"]]), pack.picture(index)
        assert line.max() == 255 and line[20, 20] == 0
        assert colour.min() > 60  # no ghost of the outline


def test_a_drawing_has_planes_of_one_size_in_their_ranges(library):
    found = composer(library).draw(24)
    for planes, channels, low in (
        (found.line, 1, 0), (found.colour, 3, -1), (found.hints, 4, 0), (found.flats, 4, 0),
        (found.reference, 4, 0),
    ):  # fmt: skip
        assert planes.shape == (24, channels, SIZE, SIZE)
        assert planes.dtype == torch.float32
        assert low <= planes.min() and planes.max() <= 1
    assert (found.hints[:, :3] <= found.hints[:, 3:] + 1e-6).all()


@pytest.mark.parametrize("style", STYLES)
def test_lines_of_every_style_lie_where_colours_meet(library, style):
    found = composer(library).draw(16, [style] * 16)
    change = found.colour.diff(dim=3).abs().amax(1, keepdim=True)
    change = torch.nn.functional.pad(change, (1, 0))
    near = torch.nn.functional.max_pool2d((found.line > 0.3).float(), 5, 1, 2) > 0
    assert near.any()
    assert change[near].mean() > 2 * change[~near].mean()


def test_a_reference_is_whole_or_absent(library):
    reference = composer(library).draw(64).reference
    present = reference[:, 3].mean((1, 2))
    assert set(present.tolist()) == {0.0, 1.0}
    assert not reference[present == 0].any()
    assert 0.25 < present.mean() < 0.7


def test_pages_of_the_same_book_are_siblings(pack, library):
    items = [pack.items[index] for index in pack.find("colour", "train")]
    for row, item in enumerate(items):
        for other in library.siblings[row].tolist():
            if other < 0:
                assert item.set in ("made", "gophers_cc0")
            else:
                assert items[other].extra["group"] == item.extra["group"]
                assert items[other].extra["page"] != item.extra["page"]


def test_a_seed_gives_the_same_drawings(library):
    first, again, other = (composer(library, seed).draw(8) for seed in (1, 1, 2))
    for name, planes in vars(first).items():
        assert (planes == vars(again)[name]).all()
    assert (first.colour != other.colour).any()


def test_both_sides_of_the_split_have_every_style(pack):
    for split in ("train", "validation"):
        found = Library.read(pack, split, SIZE, CPU)
        assert all(len(found.of[style]) for style in STYLES)
        assert found.colours.shape[2] == 3 * SIZE


def test_styles_without_lines_are_left_to_the_others(library):
    few = {**library.of, "drawn": library.of["drawn"][:0]}
    only = Library(**{**vars(library), "of": few})
    lines = composer(only)._chosen(200, None)
    assert not torch.isin(lines, library.of["drawn"]).any()


def test_main_colours_are_the_most_frequent_first():
    red, blue = torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0])
    pixels = torch.where(torch.arange(100)[:, None] % 4 == 0, red, blue)[None]
    found = main_colours(pixels)[0]
    assert torch.allclose(found[0], blue, atol=1e-5)
    assert torch.allclose(found[1], red, atol=1e-5)


def test_looks_leave_grey_grey_but_for_a_tint_and_turn_hues(library):
    looks = composer(library)._looks(400)
    grey = recoloured(torch.full((400, 3, 1, 1), 0.5), looks)
    assert (grey - 0.5).abs().mean() < 0.1
    orange = torch.tensor([0.8, 0.5, 0.2]).view(1, 3, 1, 1).expand(400, -1, -1, -1)
    turned = recoloured(orange, looks)[:, 0] <= recoloured(orange, looks)[:, 2]
    assert 0.02 < turned.float().mean() < 0.2  # hints alone tell these


def test_the_pictures_beside_the_repository_pair_up(shared):
    found = drawings.pairs(shared / "data", "validation")
    assert found
    assert all(line.path.stem == colour.path.stem for line, colour in found)
