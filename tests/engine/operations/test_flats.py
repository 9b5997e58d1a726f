"""The operation: exact colours in closed regions, whatever the line art looks like."""

import hashlib
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from skimage.color import deltaE_ciede2000, rgb2lab

from engine.imaging.raster import Raster
from engine.job import Cache, Cancelled, Input, Job
from engine.operations import flats, line_art
from ipc import catalog
from ipc.errors import LimnerError
from tests.drawings import photograph
from tests.engine.imaging.line_art import (
    LEFT,
    OUTSIDE,
    RIGHT,
    WALL,
    blank,
    box,
    floats,
    ink_of,
    segment,
    strokes,
    two_rooms,
)
from tests.engine.operations.layers import dense

RED, BLUE, GREEN = (0.8, 0.2, 0.2), (0.2, 0.4, 0.8), (0.2, 0.8, 0.4)


def as_input(raster):
    parts = [raster.rgb] if raster.alpha is None else [raster.rgb, raster.alpha]
    return Input(raster, hashlib.sha256(b"".join(p.tobytes() for p in parts)).hexdigest(), "Ink")


def run(
    lines,
    *painted,
    scribbles=None,
    earlier=None,
    clear=None,
    palette=None,
    mask=None,
    cache=None,
    on_progress=lambda *_: None,
    cancelled=None,
    **params,
):
    """All result layers. lines: 8-bit RGB or float RGBA; painted: as for strokes."""
    line_art = Raster(floats(lines)) if lines.dtype == np.uint8 else Raster.of_rgba(lines)
    if painted:
        scribbles = strokes(lines.shape, *painted)
    given_inputs = {"line-art": [as_input(line_art)]}
    if scribbles is not None:
        given_inputs["scribbles"] = [as_input(Raster.of_rgba(scribbles))]
    if earlier is not None:
        given_inputs["flats"] = [as_input(Raster.of_rgba(earlier))]
    if clear is not None:
        given_inputs["clear"] = [as_input(Raster.of_rgba(clear))]
    if palette is not None:
        given_inputs["palette"] = [as_input(Raster(np.float32([palette])))]
    if mask is not None:
        grey = np.repeat(mask[..., None], 3, axis=2).astype(np.float32)
        given_inputs["mask"] = [as_input(Raster(grey))]
    operation = catalog.operation("flats")
    job = Job(
        operation.id,
        (line_art.width, line_art.height),
        operation.check_params(params),
        given_inputs,
        cache or Cache(0),
        on_progress,
        cancelled or threading.Event(),
    )
    layers = flats.run(job)
    wanted = {"flats", "labels"} | ({"gaps"} if params.get("show-gaps") else set())
    assert {layer.role for layer in layers} == wanted
    assert wanted <= {output.role for output in operation.outputs}
    assert all(layer.exact for layer in layers)
    return [dense(layer) for layer in layers]


def filled(lines, *painted, **options):
    """The flats as H x W x 4."""
    picture, _ = run(lines, *painted, **options)
    assert picture.pixels.shape == (*lines.shape[:2], 4)
    return picture.pixels


def at(pixels, place):
    return pixels[place[1], place[0]]


def is_colour(pixel, colour):
    return pixel[3] == 1 and np.abs(pixel[:3] - colour).max() <= 1 / 255


def is_empty(pixel):
    return pixel[3] == 0


def in_both(left=RED, right=BLUE):
    return (left, (70, 100), (110, 110)), (right, (190, 100), (230, 110))


codes = st.tuples(*[st.integers(0, 255)] * 3)


@settings(max_examples=25, deadline=None)
@given(codes, codes)
def test_hard_edges_leave_the_hint_colours_alone(left, right):
    hints = floats(np.array([left, right]))
    assume(float(deltaE_ciede2000(*rgb2lab(hints.astype(np.float64)))) > 2.1)
    pixels = filled(two_rooms(), *in_both(*hints))
    assert set(np.unique(pixels[..., 3])) == {0, 1}
    shown = pixels[pixels[..., 3] > 0][:, :3]
    assert np.abs(shown[:, None] - hints).max(axis=2).min(axis=1).max() <= 1 / 255
    assert is_colour(at(pixels, LEFT), hints[0])
    assert is_colour(at(pixels, RIGHT), hints[1])
    assert is_empty(at(pixels, OUTSIDE))


def test_colour_lies_under_the_line_up_to_its_middle():
    lines = two_rooms(width=7)
    row = filled(lines, *in_both())[100]
    assert all(is_colour(pixel, RED) for pixel in row[60:WALL])
    assert all(is_colour(pixel, BLUE) for pixel in row[WALL + 1 : 240])
    # The outer line's middle is at 30: half of it is under red and half under nothing.
    assert is_empty(row[28])
    assert is_colour(row[32], RED)


def test_layers_say_what_they_are():
    picture, labels = run(two_rooms(), *in_both())
    assert (picture.name, picture.kind, picture.group) == ("Flats", "colour", ())
    assert (labels.name, labels.kind, labels.pixels.dtype) == ("Regions", "labels", np.uint16)


@pytest.mark.parametrize("gap", [0, 12])
def test_a_gap_does_not_leak(gap):
    closed = filled(two_rooms(), *in_both(), gap=gap)
    open_by_8 = filled(two_rooms(8), *in_both(), gap=gap)
    assert (np.abs(closed - open_by_8).max(axis=2) > 0).mean() < 1e-3
    assert np.array_equal(closed[..., 3], open_by_8[..., 3])


def test_a_gap_to_the_outside_does_not_leak():
    lines = two_rooms()
    lines[100:108, 25:36] = 255
    pixels = filled(lines, *in_both())
    assert is_colour(at(pixels, LEFT), RED)
    assert is_empty(at(pixels, OUTSIDE))
    assert is_empty(at(pixels, (20, 104)))


def test_a_gap_narrower_than_the_opening_lets_colour_through():
    left_only = filled(two_rooms(8), in_both()[0], gap=2, unhinted="empty")
    assert is_colour(at(left_only, RIGHT), RED)


def test_a_soft_brush_is_one_colour():
    hard = strokes((200, 300), *in_both(), width=15)
    soft = hard.copy()
    soft[..., 3] = cv2.GaussianBlur(hard[..., 3], (0, 0), 3)
    for colour, side in ((RED, np.s_[:, :WALL, :3]), (BLUE, np.s_[:, WALL:, :3])):
        soft[side] = colour
    assert np.array_equal(filled(two_rooms(), scribbles=soft), filled(two_rooms(), *in_both()))


def test_two_shades_of_a_colour_are_one():
    shade = np.add(RED, 1 / 255)
    pixels = filled(two_rooms(), (RED, (60, 50), (120, 50)), (shade, (80, 150), (90, 150)))
    assert len(np.unique(pixels[pixels[..., 3] > 0], axis=0)) == 1
    assert is_colour(at(pixels, LEFT), RED)


def test_a_stroke_that_slips_over_a_line_means_only_where_it_leads():
    pixels = filled(two_rooms(), (RED, (70, 100), (170, 100)), (BLUE, (190, 60), (250, 140)))
    assert np.array_equal(pixels, filled(two_rooms(), *in_both()))


def test_two_colours_in_one_region_meet_halfway():
    lines = blank()
    box(lines, 20, 20, 280, 180)
    row = filled(lines, (RED, (60, 100), (60, 100)), (BLUE, (200, 100), (200, 100)))[100]
    red = np.abs(row[:, :3] - RED).max(axis=1) < 1 / 255
    assert abs(red.nonzero()[0].max() - 130) <= 4
    assert (row[25:275, 3] == 1).all()


def test_areas_without_a_scribble():
    neighbour = filled(two_rooms(), in_both()[0])
    empty = filled(two_rooms(), in_both()[0], unhinted="empty")
    assert is_colour(at(neighbour, RIGHT), RED)
    assert is_empty(at(empty, RIGHT))
    for pixels in (neighbour, empty):
        assert is_colour(at(pixels, LEFT), RED)
        assert is_empty(at(pixels, OUTSIDE))


def test_paper_at_the_border_is_filled_when_asked_for():
    pixels = filled(two_rooms(), (GREEN, (5, 5), (5, 60)), *in_both())
    assert is_colour(at(pixels, OUTSIDE), GREEN)
    assert is_colour(at(pixels, LEFT), RED)


@pytest.mark.parametrize("unhinted", ["neighbour", "empty"])
def test_an_earlier_flats_layer_keeps_its_colours(unhinted):
    earlier = filled(two_rooms(), *in_both())
    assert np.array_equal(filled(two_rooms(), earlier=earlier, unhinted=unhinted), earlier)


def test_scribbles_override_an_earlier_flats_layer():
    earlier = filled(two_rooms(), *in_both())
    pixels = filled(two_rooms(), (GREEN, (200, 60), (205, 60)), earlier=earlier)
    assert np.array_equal(pixels, filled(two_rooms(), *in_both(RED, GREEN)))


def test_a_palette_is_snapped_to():
    palette = [(0.9, 0.1, 0.1), (0.1, 0.2, 0.9), (0.9, 0.9, 0.1)]
    pixels = filled(two_rooms(), *in_both(), palette=palette)
    assert is_colour(at(pixels, LEFT), palette[0])
    assert is_colour(at(pixels, RIGHT), palette[1])


def test_without_hints_regions_differ_in_colour():
    pixels = filled(two_rooms())
    assert at(pixels, LEFT)[3] == at(pixels, RIGHT)[3] == 1
    assert np.abs(at(pixels, LEFT) - at(pixels, RIGHT)).max() > 0.1
    assert is_empty(at(pixels, OUTSIDE))


def test_without_hints_a_palette_gives_the_colours():
    palette = [RED, BLUE, GREEN]
    pixels = filled(two_rooms(), palette=palette)
    shown = {tuple(colour) for colour in np.unique(pixels[pixels[..., 3] > 0][:, :3], axis=0)}
    assert len(shown) == 2
    assert shown <= {tuple(colour) for colour in np.float32(palette)}


def test_an_unpainted_scribble_layer_is_no_hint():
    assert np.array_equal(
        filled(two_rooms(), scribbles=np.zeros((200, 300, 4), np.float32)), filled(two_rooms())
    )


@pytest.mark.parametrize("edges", ["hard", "smooth"])
def test_layers_per_colour_make_up_the_one(edges):
    painted = (*in_both(), (GREEN, (2, 2), (2, 60)))
    whole = filled(two_rooms(), *painted, edges=edges)
    *parts, _ = run(two_rooms(), *painted, edges=edges, layers="per-colour")
    together = np.zeros_like(whole)
    for part in parts:
        height, width = part.pixels.shape[:2]
        there = np.s_[part.y : part.y + height, part.x : part.x + width]
        shown = part.pixels[..., 3] > 0
        assert not together[there][shown].any()
        together[there][shown] = part.pixels[shown]
        assert len(np.unique(part.pixels[shown][:, :3], axis=0)) == 1
        assert part.group == ("Flats",)
    assert np.array_equal(together, np.where(whole[..., 3:] > 0, whole, 0))
    assert len({part.name for part in parts}) == len(parts) == 3
    assert any(part.name.endswith("#cc3333") for part in parts)
    sizes = [(part.pixels[..., 3] > 0).sum() for part in parts]
    assert sizes == sorted(sizes, reverse=True)


def test_a_mask_limits_the_output_and_nothing_else():
    whole, labels = run(two_rooms(8), *in_both())
    mask = np.zeros((200, 300), np.float32)
    mask[40:110, 100:200] = 1
    cut, cut_labels = run(two_rooms(8), *in_both(), mask=mask)
    inside = mask > 0
    assert np.array_equal(cut.pixels[inside], whole.pixels[inside])
    assert not cut.pixels[~inside][:, 3].any()
    assert np.array_equal(cut_labels.pixels, np.where(inside, labels.pixels, 0))


def test_a_soft_mask_cuts_hard_edges_hard_and_smooth_ones_softly():
    mask = np.tile(np.linspace(0, 1, 300, dtype=np.float32), (200, 1))
    hard = filled(two_rooms(), *in_both(), mask=mask)
    smooth = filled(two_rooms(), *in_both(), mask=mask, edges="smooth")
    assert set(np.unique(hard[..., 3])) == {0, 1}
    assert np.array_equal(hard[100, 40:260, 3] == 1, mask[100, 40:260] >= 0.5)
    assert np.abs(smooth[100, 40:260, 3] - mask[100, 40:260]).max() < 1e-5


def test_a_mask_of_nothing_leaves_nothing():
    for layers in ("one", "per-colour"):
        picture, labels = run(two_rooms(), *in_both(), mask=np.zeros((200, 300)), layers=layers)
        assert not picture.pixels[..., 3].any()
        assert not labels.pixels.any()


def test_smooth_edges_are_soft_and_of_the_same_colours():
    hard = filled(two_rooms(), *in_both())
    smooth = filled(two_rooms(), *in_both(), edges="smooth")
    soft = (smooth[..., 3] > 0.01) & (smooth[..., 3] < 0.99)
    edge = cv2.morphologyEx(hard[..., 3], cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    assert soft.any()
    assert np.array_equal(soft, edge)
    assert np.array_equal(smooth[~edge], hard[~edge])
    shown = np.unique(smooth[smooth[..., 3] > 0][:, :3], axis=0)
    assert np.array_equal(shown, np.unique(np.float32([RED, BLUE]), axis=0))
    # Between two colours there is no seam.
    assert (smooth[60:140, WALL - 5 : WALL + 6, 3] == 1).all()


def test_labels_agree_with_the_flats():
    lines = two_rooms()
    painted = (*in_both(), (GREEN, (70, 160), (110, 160)))
    picture, labels = run(lines, *painted)
    numbers = np.unique(labels.pixels)
    # Two rooms, one of them parted, and around them.
    assert numbers.tolist() == [1, 2, 3, 4]
    for number in numbers:
        assert len(np.unique(picture.pixels[labels.pixels == number], axis=0)) == 1
    count, truth = cv2.connectedComponents((~ink_of(lines)).astype(np.uint8), connectivity=4)
    for piece in range(1, count):
        inside = labels.pixels[truth == piece]
        assert len(np.unique(inside)) == (2 if truth[LEFT[::-1]] == piece else 1)


def test_of_too_many_regions_the_smallest_have_no_label(monkeypatch):
    lines = two_rooms()
    box(lines, 200, 90, 220, 110)
    _, every = run(lines)
    assert every.pixels.max() == 4
    monkeypatch.setattr(flats, "MOST_LABELS", 3)
    _, most = run(lines)
    assert np.unique(most.pixels).tolist() == [0, 1, 2, 3]
    assert np.array_equal(most.pixels == 0, every.pixels == at(every.pixels, (210, 100)))


@pytest.mark.parametrize(
    "page",
    [
        blank(60, 60),
        np.zeros((60, 60, 3), np.uint8),
        np.full((60, 60, 3), (120, 200, 90), np.uint8),
        np.zeros((60, 60, 4), np.float32),
        np.ones((60, 60, 4), np.float32) * np.float32([0, 0, 0, 1]),
        blank(1, 1),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((1, 1, 4), np.float32),
    ],
    ids=["white", "black", "green", "transparent", "opaque", "1x1 white", "1x1 black", "1x1 none"],
)
def test_a_drawing_without_lines_is_refused(page):
    with pytest.raises(LimnerError) as refused:
        run(page, scribbles=np.ones((*page.shape[:2], 4), np.float32))
    assert refused.value.code == "empty-line-art"
    assert "Ink" in refused.value.sentence


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (5, 5)])
def test_the_smallest_drawings(shape):
    lines = blank(*shape)
    lines[shape[0] // 2, shape[1] // 2] = 0
    pixels = filled(lines, scribbles=np.ones((*shape, 4), np.float32) * np.float32([*RED, 1]))
    assert (pixels == np.float32([*RED, 1])).all()


def test_a_palette_without_colours_is_refused():
    with pytest.raises(LimnerError) as refused:
        run(two_rooms(), *in_both(), palette=np.zeros((0, 3)))
    assert refused.value.code == "bad-parameter"


def test_ink_on_nothing_is_ink_on_paper():
    lines = two_rooms(8)
    on_nothing = np.zeros((200, 300, 4), np.float32)
    on_nothing[..., 3] = 1 - floats(lines[..., 0])
    for one, other in zip(run(on_nothing, *in_both()), run(lines, *in_both()), strict=True):
        assert np.array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("ink", [(230, 210, 40), (150, 190, 255), (200, 40, 40), (120, 120, 120)])
def test_lines_of_any_colour_are_lines(ink):
    black = two_rooms()
    share = 1 - floats(black)
    coloured = np.rint((1 - share) * 255 + share * np.float32(ink)).astype(np.uint8)
    pixels, expected = filled(coloured, *in_both()), filled(black, *in_both())
    assert (np.abs(pixels - expected).max(axis=2) > 0).mean() < 2e-3


def test_grey_pencil_on_grainy_paper_is_filled():
    black = two_rooms(8)
    rng = np.random.default_rng(5)
    tone = cv2.GaussianBlur(rng.normal(0, 1, (200, 300)), (0, 0), 4)
    tone = 0.7 + 0.2 * tone / np.abs(tone).max()
    paper = 250 - np.abs(rng.normal(0, 6, (200, 300)))
    grey = paper - tone * (255 - black[..., 0])
    pencil = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    pixels, expected = filled(pencil, *in_both()), filled(black, *in_both())
    paper_differs = (np.abs(pixels - expected).max(axis=2) > 0) & ~ink_of(black)
    assert paper_differs.mean() < 3e-3


def counted(monkeypatch):
    calls = []
    whole = line_art.find_regions
    monkeypatch.setattr(
        line_art, "find_regions", lambda ink, gap: calls.append(gap) or whole(ink, gap)
    )
    return calls


def test_prepared_regions_are_kept_and_unchanged(monkeypatch):
    calls, cache = counted(monkeypatch), Cache(1 << 26)
    first = filled(two_rooms(), *in_both(), cache=cache)
    parted = (RED, (50, 50), (50, 60)), (GREEN, (110, 150), (120, 150))
    other = filled(two_rooms(), *parted, cache=cache)
    again = filled(two_rooms(), *in_both(), cache=cache)
    assert calls == [0]
    assert np.array_equal(first, again)
    assert np.array_equal(other, filled(two_rooms(), *parted))


def test_another_gap_or_drawing_is_prepared_anew(monkeypatch):
    calls, cache = counted(monkeypatch), Cache(1 << 26)
    for lines, gap in ((two_rooms(), 0), (two_rooms(), 12), (two_rooms(8), 12)):
        run(lines, cache=cache, gap=gap)
    assert calls == [0, 12, 12]


def test_the_same_comes_back_every_time():
    painted = (*in_both(), (GREEN, (70, 160), (110, 160)))
    for one, other in zip(run(two_rooms(8), *painted), run(two_rooms(8), *painted), strict=True):
        assert one.pixels.tobytes() == other.pixels.tobytes()


def test_a_cancelled_job_ends():
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        run(two_rooms(), cancelled=cancelled)


@pytest.mark.parametrize("stage", ["lines", "regions", "scribbles", "colours", "layers"])
def test_a_job_can_be_cancelled_at_every_stage(stage):
    cancelled, seen = threading.Event(), []

    def watch(_, name):
        seen.append(name)
        if name == stage:
            cancelled.set()

    with pytest.raises(Cancelled):
        run(two_rooms(), *in_both(), on_progress=watch, cancelled=cancelled)
    assert seen[-1] == stage


@pytest.mark.parametrize("painted", [(), in_both()])
def test_progress_goes_forward(painted):
    said = []
    run(two_rooms(), *painted, on_progress=lambda fraction, stage: said.append((fraction, stage)))
    fractions = [fraction for fraction, _ in said]
    assert len(fractions) >= 4
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1
    assert all(stage for _, stage in said)


@pytest.fixture(scope="session")
def real_cases(shared, tmp_path_factory):
    """Real drawings with exact truth: NAME/{closed,gaps,rough}."""
    folder = tmp_path_factory.mktemp("flats-cases")
    script = shared / "protocols" / "flats_cases.py"
    drawings = shared / "data" / "openmoji_svg"
    subprocess.run([sys.executable, script, drawings, folder, "2", "400"], check=True)
    return folder


def read(path):
    return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)


@pytest.mark.parametrize(("kind", "least"), [("closed", 0.99), ("gaps", 0.95), ("rough", 0.9)])
def test_real_drawings_are_filled_right(real_cases, kind, least):
    cases = sorted(real_cases.glob(f"*/{kind}"))
    assert len(cases) == 2
    for case in cases:
        truth = np.load(case / "scribbles.npz")
        pixels = filled(
            read(case / "line.png")[..., :3].copy(), scribbles=floats(read(case / "scribbles.png"))
        )
        wanted = floats(truth["pal"])[truth["lab"].clip(0)]
        right = (np.abs(pixels[..., :3] - wanted).max(axis=2) <= 1 / 255) & (pixels[..., 3] == 1)
        assert right[truth["lab"] >= 0].mean() >= least


def test_where_no_colour_is_asked_for_there_is_none():
    lines = two_rooms()
    clear = strokes(lines.shape, (GREEN, (190, 100), (230, 110)))
    pixels = filled(lines, (RED, (70, 100), (110, 110)), clear=clear)
    assert is_colour(at(pixels, LEFT), RED)
    assert is_empty(at(pixels, RIGHT))


def test_a_room_is_shared_with_strokes_that_ask_for_no_colour():
    lines = two_rooms()
    clear = strokes(lines.shape, (GREEN, (60, 160), (70, 160)))
    pixels = filled(lines, *in_both(), (RED, (60, 40), (70, 40)), clear=clear)
    assert is_colour(at(pixels, (60, 45)), RED)
    assert is_empty(at(pixels, (65, 165)))
    assert is_colour(at(pixels, RIGHT), BLUE)


def test_strokes_for_no_colour_go_before_earlier_flats():
    lines = two_rooms()
    earlier = filled(lines, *in_both())
    clear = strokes(lines.shape, (GREEN, (70, 100), (110, 110)))
    pixels = filled(lines, earlier=earlier, clear=clear)
    assert is_empty(at(pixels, LEFT))
    assert is_colour(at(pixels, RIGHT), BLUE)


@pytest.mark.parametrize("edges", ["hard", "smooth"])
@pytest.mark.parametrize("reach", [1, 4])
def test_colour_reaches_so_far_under_the_lines(edges, reach):
    lines = two_rooms(width=21)
    pixels = filled(lines, *in_both(), **{"under-lines": reach}, edges=edges)
    row = pixels[100, :, 3]
    paper = ~ink_of(lines)[100]
    end = np.flatnonzero(paper[:WALL])[-1]
    assert row[end - 3] == 1
    assert row[end + reach - 1] == 1
    assert row[end + reach + 2] == 0
    assert is_colour(pixels[100, end + reach - 1], RED)


def test_figures_have_groups_of_their_own():
    lines = blank()
    for left in (30, 170):
        box(lines, left, 50, left + 100, 150)
        segment(lines, (left + 50, 50), (left + 50, 150))
    page = (BLUE, (5, 5), (5, 190))
    rooms = [(RED, (45, 100), (60, 100)), (GREEN, (95, 100), (110, 100))]
    others = [(GREEN, (185, 100), (200, 100)), (RED, (235, 100), (250, 100))]
    *parts, _ = run(lines, page, *rooms, *others, layers="per-figure")
    names = [(part.group, part.name.split()[1]) for part in parts]
    groups = {group for group, _ in names}
    assert groups == {("Flats", "Background"), ("Flats", "Figure 1"), ("Flats", "Figure 2")}
    assert len(parts) == 5
    whole = filled(lines, page, *rooms, *others)
    together = np.zeros_like(whole)
    for part in parts:
        height, width = part.pixels.shape[:2]
        there = together[part.y : part.y + height, part.x : part.x + width]
        there[part.pixels[..., 3] > 0] = part.pixels[part.pixels[..., 3] > 0]
    assert np.array_equal(together, whole)


def test_crumbs_take_a_neighbours_colour_where_nothing_is_asked_for():
    lines = two_rooms()
    for x in range(60, 120, 15):
        box(lines, x, 90, x + 5, 95)
    pixels = filled(lines)
    left = pixels[60, 60]
    assert all(np.array_equal(pixels[93, x + 3], left) for x in range(60, 120, 15))
    assert not np.array_equal(at(pixels, RIGHT), left)


def test_gaps_that_were_closed_and_empty_areas_are_shown():
    lines = two_rooms(gap=8)
    options = {"show-gaps": True, "unhinted": "empty", "layers": "per-colour"}
    *flats_, gaps, _ = run(lines, in_both()[0], **options)
    assert (gaps.role, gaps.group) == ("gaps", flats_[0].group)
    assert gaps.pixels[94, WALL].tolist() == [1, 0, 1, 1]
    assert not gaps.pixels[40:80, WALL, 3].any()
    for place, share in ((LEFT, 0), (RIGHT, 0.5), (OUTSIDE, 0)):
        x, y = place
        around = gaps.pixels[max(y - 20, 0) : y + 20, max(x - 20, 0) : x + 20, 3]
        assert abs((around > 0).mean() - share) < 0.2


def test_of_two_colours_in_a_room_most_of_it_can_win():
    hints = (RED, (60, 50), (120, 50)), (BLUE, (80, 150), (90, 150)), (GREEN, (190, 60), (200, 60))
    parted, whole = (filled(two_rooms(), *hints, mixed=mixed) for mixed in ("part", "most"))
    assert is_colour(at(parted, (85, 155)), BLUE)
    assert is_colour(at(whole, (85, 155)), RED)
    for pixels in (parted, whole):
        assert is_colour(at(pixels, (60, 45)), RED)
        assert is_colour(at(pixels, RIGHT), GREEN)


def test_strokes_for_no_colour_alone_leave_the_rest_its_own_colours():
    clear = strokes(two_rooms().shape, (GREEN, (190, 100), (230, 110)))
    pixels = filled(two_rooms(), clear=clear)
    assert at(pixels, LEFT)[3] == 1
    assert is_empty(at(pixels, RIGHT))


def test_a_small_room_alone_has_a_colour_of_its_own():
    lines = blank()
    cv2.circle(lines, (150, 100), 12, (0, 0, 0), 8, cv2.LINE_AA)
    pixels = filled(lines)
    assert at(pixels, (150, 100))[3] == 1
    assert is_empty(at(pixels, OUTSIDE))


def test_soft_edges_of_figures_are_not_the_backgrounds():
    options = {"layers": "per-figure", "edges": "smooth", "unhinted": "empty"}
    *parts, _ = run(two_rooms(), *in_both(), **options)
    assert {part.group for part in parts} == {("Flats", "Figure 1")}


def test_a_photograph_is_filled_with_a_word_of_warning():
    picture = photograph(160)[..., :3]
    layers = run(picture)
    assert "looks like a picture" in layers[0].metadata["note"]
    assert "note" not in run(two_rooms())[0].metadata


def test_five_hundred_rooms_of_two_hundred_colours_each_by_one_pixel():
    across, down, side = 25, 20, 20
    lines = np.full((down * side + 1, across * side + 1, 3), 255, np.uint8)
    lines[::side] = lines[:, ::side] = 0
    colours = _no_shades_of_each_other(200)
    wanted = colours[np.arange(across * down) % len(colours)].reshape(down, across, 3)
    scribbles = np.zeros((*lines.shape[:2], 4), np.float32)
    middles = np.s_[side // 2 :: side, side // 2 :: side]
    scribbles[middles] = np.dstack([wanted, np.ones((down, across))])
    found = filled(lines, scribbles=scribbles)
    for offset in (3, side // 2, side - 3):
        assert np.allclose(found[offset::side, offset::side, :3], wanted, atol=1 / 255)


def _no_shades_of_each_other(count):
    """So many colours, CIEDE2000 3 or more apart."""
    steps = np.linspace(0, 1, 9)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    lab, chosen = rgb2lab(colours[None])[0], [0]
    for number in range(1, len(colours)):
        others = lab[chosen]
        if deltaE_ciede2000(others, np.broadcast_to(lab[number], others.shape)).min() >= 3:
            chosen.append(number)
    return colours[chosen[:: len(chosen) // count][:count]]
