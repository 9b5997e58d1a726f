import cv2
import numpy as np
import pytest

from training import scenes
from training.scenes import Canvas
from training.sources import Picture, split_of

BALL = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none">
<circle cx="16" cy="16" r="14" fill="#F8312F"/>
<circle cx="16" cy="16" r="6" fill="#FCD53F"/>
<circle cx="10" cy="10" r="3" fill="white" fill-opacity="0.5"/>
</svg>"""
SHADED = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 128">
<linearGradient id="soft"><stop style="stop-color:#000"/>
<stop style="stop-color:#000;stop-opacity:0"/></linearGradient>
<linearGradient id="solid"><stop style="stop-color:#800"/>
<stop style="stop-color:#008"/></linearGradient>
<rect x="16" y="16" width="96" height="96" style="fill:url(#solid)"/>
<rect x="16" y="64" width="96" height="48" style="fill:url(#soft)"/>
<line x1="32" y1="32" x2="96" y2="32" style="fill:none;stroke:#fff;stroke-width:4"/>
</svg>"""


def codes(split):
    return [f"1f{n:03x}" for n in range(0x400, 0x4FF) if split_of(f"1f{n:03x}") == split][:3]


@pytest.fixture
def data(tmp_path):
    """Two sets with three figures on each side of the split."""
    for set_name, pattern, svg in (
        ("fluentui_emoji_svg", "{}_flat.svg", BALL),
        ("noto_emoji_svg", "emoji_u{}.svg", SHADED),
    ):
        folder = tmp_path / set_name
        folder.mkdir()
        rows = ["file,source_path,author,licence"]
        for split in ("train", "validation"):
            for code in codes(split):
                name = pattern.format(code)
                (folder / name).write_bytes(svg)
                rows.append(f"{name},{name},Somebody,MIT")
        (folder / "files.csv").write_text("\n".join(rows))
    return tmp_path


def figure(path, svg):
    path.write_bytes(svg)
    return Picture(path, "made", "1", "nobody", "CC0", path.name)


def ink_of(svg, side=128):
    pixels = scenes._rendered(scenes.outlined(svg, 2 / side), side)
    return (1 - pixels[..., 0]) * pixels[..., 3]


def test_lines_run_where_shapes_end():
    ink = ink_of(BALL)
    for radius in (14, 6):
        assert ink[64, 64 + radius * 4] > 0.4
    assert ink[64, 64] == 0 and ink[64, 64 + 40] == 0
    assert ink[2:8, 2:8].max() == 0


def test_highlights_and_shadows_have_no_lines():
    assert ink_of(BALL)[40, 52] == 0
    ink = ink_of(SHADED)
    assert ink[16, 64] > 0.4
    assert ink[60:70, 40:90].max() == 0


def test_lines_of_a_drawing_stay_lines():
    ink = ink_of(SHADED)
    assert ink[32, 64] > 0.4
    assert ink[40, 64] == 0


def test_lines_and_colours_cover_each_other_alike(tmp_path):
    canvas = Canvas(200, 2.0)
    canvas.paint(scenes._rectangle(-0.1, 0.5, 1.1, 1.1), np.array([0, 0.5, 0], np.float32))
    assert canvas.line[100, 5] > 0.4
    canvas.put(figure(tmp_path / "ball.svg", BALL), 0.5, 0.5, 0.5, flipped=True)
    assert canvas.line[100, 85] == 0  # the horizon is behind the ball
    assert canvas.colour[100, 70].tolist() == pytest.approx([0.973, 0.192, 0.184], abs=0.01)
    colour, line = canvas.shrunk(2)
    assert colour.shape == (100, 100, 3) and colour.dtype == np.uint8
    assert line.shape == (100, 100) and line.max() <= 1


def test_figures_may_reach_over_the_edge(tmp_path):
    ball = figure(tmp_path / "ball.svg", BALL)
    canvas = Canvas(100, 2.0)
    for x, y in ((0, 0), (1, 1), (0.5, 1)):
        canvas.put(ball, x, y, 0.5, flipped=False)
    assert canvas.line[0, :7].max() == 0
    assert canvas.colour[2, 2, 0] > canvas.colour[2, 2, 2]


def test_colours_change_only_near_lines_unless_softly(data):
    for scene in scenes.compose("train", 6, 144, 1, data):
        assert scene.colour.shape == (144, 144, 3)
        near = cv2.dilate((scene.line > 0.1).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        change = np.abs(np.diff(scene.colour.astype(int), axis=1)).max(axis=2)
        assert (change[~near[:, 1:]] > 40).mean() < 0.02


def test_scenes_keep_to_their_side_of_the_split_and_to_their_seed(data):
    for split in ("train", "validation"):
        first, again = (list(scenes.compose(split, 3, 72, 1, data)) for _ in range(2))
        assert all(scene.source.split == split for scene in first)
        assert all((a.colour == b.colour).all() for a, b in zip(first, again, strict=True))
    other = next(scenes.compose("train", 1, 72, 2, data))
    assert (other.colour != next(scenes.compose("train", 1, 72, 1, data)).colour).any()
