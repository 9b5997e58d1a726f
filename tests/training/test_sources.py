"""Which pictures may be trained on, and how they are split."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training import sources

PERMITTED = [
    "CC0 1.0", "CC BY", "CC BY 2.0", "CC-BY-4.0 (https://creativecommons.org/licenses/by/4.0/)",
    "CC BY https://creativecommons.org/licenses/by/3.0/", "MIT", "Apache-2.0", "Public Domain",
]  # fmt: skip
OTHERS = [
    "CC BY-SA 4.0", "CC-BY-SA-4.0 (debian/copyright)", "CC BY SA 3.0", "CC BY-NC 2.0",
    "CC-BY-ND 4.0", "GPL-2.0-or-later collection; single stamps public domain", "LGPLv3", "",
    "No known copyright restrictions", "MITRE", "all rights reserved, not CC0",
]  # fmt: skip


def make_set(data: Path, name: str, rows: list[tuple[str, str]]) -> Path:
    folder = data / name
    folder.mkdir(parents=True)
    with (folder / "files.csv").open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["file", "source_path", "author", "licence"])
        writer.writerows([file, f"from/{file}", "Ada", licence] for file, licence in rows)
    return folder


def save(path: Path, size: tuple[int, int] = (8, 6), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, (255, 0, 0, 128)[: len(mode)]).save(path)


@pytest.mark.parametrize("licence", PERMITTED)
def test_licences_that_may_ship(licence):
    assert sources.is_permitted(licence)


@pytest.mark.parametrize("licence", OTHERS)
def test_licences_that_may_not(licence):
    assert not sources.is_permitted(licence)


def test_only_permitted_files_of_a_set_are_reachable(tmp_path):
    folder = make_set(tmp_path, "photos", [("a.jpg", "CC BY 2.0"), ("b.jpg", "CC BY-SA 2.0")])
    for name in ("a.webp", "b.jpg"):
        save(folder / name)

    found = sources.pictures("photos", data=tmp_path)

    assert [picture.path.name for picture in found] == ["a.webp"]
    assert (found[0].author, found[0].source) == ("Ada", "from/a.jpg")


def test_a_set_without_permitted_files_is_an_error(tmp_path):
    make_set(tmp_path, "stamps", [("a.webp", "GPL-2.0")])

    with pytest.raises(sources.LicenceError, match="stamps"):
        sources.pictures("stamps", data=tmp_path)
    with pytest.raises(FileNotFoundError):
        sources.pictures("no-such-set", data=tmp_path)


def test_a_star_stands_for_every_folder(tmp_path):
    folder = make_set(tmp_path, "asp_lineart_pairs", [("*/0004_01.jpg", "CC BY")])
    save(folder / "color/0004_01.jpg")
    save(folder / "lineart/0004_01.webp")

    found = sources.pictures("asp_lineart_pairs", data=tmp_path)

    assert [picture.path.parent.name for picture in found] == ["color", "lineart"]
    assert {picture.group for picture in found} == {"0004"}


@pytest.mark.parametrize(
    ("set_name", "stem", "group"),
    [
        ("asp_illustrations", "0267_07", "0267"),
        ("bookdash", "a-beautiful-day_01", "a-beautiful-day"),
        ("fluentui_emoji_svg", "1f004_high-contrast", "1f004"),
        ("fluentui_emoji_svg", "1f45f_flat", "1f45f"),
        ("noto_emoji_svg", "emoji_u1f469_200d_1f33e", "1f469-200d-1f33e"),
        ("openmoji_svg", "2764-FE0F", "2764"),
        ("coco_cc_photos", "000000000370", "000000000370"),
    ],
)
def test_groups(set_name, stem, group):
    assert sources.group_of(set_name, stem) == group


def test_the_split_is_one_in_ten_and_fixed():
    sides = [sources.split_of(str(number)) for number in range(5000)]

    assert 0.08 < sides.count("validation") / len(sides) < 0.12
    assert [n for n in range(90) if sides[n] == "validation"] == [18, 72, 74, 87]


def test_a_split_is_a_part_of_the_set(tmp_path):
    rows = [(f"{number}.png", "MIT") for number in range(80)]
    folder = make_set(tmp_path, "many", rows)
    for file, _ in rows:
        save(folder / file)

    train, validation = (sources.pictures("many", side, tmp_path) for side in sources.SPLITS)

    assert {picture.path.stem for picture in validation} == {"18", "72", "74"}
    assert len(train) == 77
    with pytest.raises(ValueError, match="split"):
        sources.pictures("many", "test", tmp_path)


def test_reading_makes_smaller_but_never_larger(tmp_path):
    folder = make_set(tmp_path, "set", [("a.png", "MIT"), ("b.png", "MIT"), ("c.svg", "MIT")])
    save(folder / "a.png", (40, 20))
    save(folder / "b.png", (4, 8), "RGBA")
    (folder / "c.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 20">'
        '<rect width="10" height="10" fill="#00f"/></svg>'
    )

    rgb, rgba, svg = (picture.read(16) for picture in sources.pictures("set", data=tmp_path))

    assert rgb.shape == (8, 16, 3)
    assert rgb.dtype == np.uint8
    assert rgba.shape == (8, 4, 4)
    assert svg.shape == (16, 8, 4)
    assert svg[2, 4].tolist() == [0, 0, 255, 255]
    assert svg[14, 4, 3] == 0


def test_the_pictures_beside_the_repository(shared):
    data = shared / "data"
    names = [folder.name for folder in data.iterdir() if (folder / "files.csv").exists()]
    refused = {"art4apps", "openmoji_svg", "tuxpaint_cutouts"}
    for name in refused:
        with pytest.raises(sources.LicenceError):
            sources.pictures(name, data=data)

    found = [p for name in set(names) - refused for p in sources.pictures(name, data=data)]

    assert len(found) > 3000
    assert all(picture.path.is_file() for picture in found)
    assert 0.05 < sum(p.split == "validation" for p in found) / len(found) < 0.15
