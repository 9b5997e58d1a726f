"""`limner names` as a person meets it."""

import threading

import numpy as np
import pytest
from scipy.io import savemat

from engine import doctor
from engine.cli import main
from engine.imaging import naming
from engine.imaging.naming import CELLS, NAMES, name_probabilities, prototypes
from engine.job import Cache
from engine.run import run_operation
from ipc.planes import Plane

BLUE, GREEN, PURPLE = (NAMES.index(name) for name in ("blue", "green", "purple"))


@pytest.fixture(scope="module")
def table():
    """Limner's own table with green and purple exchanged but for plain green; red fastest."""
    blue, green, red = np.meshgrid(*[np.arange(CELLS)] * 3, indexing="ij")
    codes = np.stack([red, green, blue], axis=-1).reshape(-1, 3) * 8 + 3.5
    with np.load(naming.TABLE_FILE) as data:
        values = data["probabilities"].transpose(2, 1, 0, 3).reshape(-1, len(NAMES)) / 255.0
    plain = (codes[:, 0] < 40) & (codes[:, 2] < 40)
    values[:, [GREEN, PURPLE]] = np.where(
        plain[:, None], values[:, [GREEN, PURPLE]], values[:, [PURPLE, GREEN]]
    )
    return np.hstack([codes, values])


def written(path, numbers):
    if path.suffix == ".mat":
        savemat(path, {"w2c": numbers})
    else:
        np.savetxt(path, numbers, fmt="%.6f")
    return path


def command(capsys, *arguments):
    status = main(["names", *map(str, arguments)])
    said = capsys.readouterr()
    return status, said.out + said.err


def called(*rgb):
    return NAMES[name_probabilities(np.float32(rgb)).argmax()]


@pytest.mark.parametrize("name", ["w2c.txt", "rows in any order.txt", "w2c.mat"])
def test_an_own_table_names_colours_until_it_is_removed(tmp_path, capsys, table, name):
    violet = (0.5, 0.15, 0.6)
    own = table[:, 3:] if name.endswith("mat") else table[:: -1 if "any" in name else 1]
    before = prototypes()

    status, said = command(capsys, "add", written(tmp_path / name, own))

    assert (status, called(*violet)) == (0, "green")
    assert "limner names remove" in said
    now = prototypes()
    assert np.array_equal(name_probabilities(now.rgb).argmax(axis=1), now.name)
    assert set(now.name) == set(range(len(NAMES)))
    assert not np.array_equal(now.rgb, before.rgb)

    assert command(capsys, "remove")[0] == 0
    assert called(*violet) == "purple"
    assert np.array_equal(prototypes().rgb, before.rgb)
    assert "none" in command(capsys, "remove")[1]


def test_it_counts_from_the_next_job_on(tmp_path, capsys, table):
    rng = np.random.default_rng(0)
    pixels = np.repeat(rng.integers(0, 255, (4, 1, 3), dtype=np.uint8), 16, axis=1)
    cache = Cache(1 << 24)

    def targets(operation, **params):
        plane = Plane("image", "p", 16, 4, 3, "u8", pixels.tobytes())
        results, _ = run_operation(
            operation,
            params,
            [plane],
            (16, 4),
            cache=cache,
            on_progress=lambda *_: None,
            cancelled=threading.Event(),
        )
        return next(p.attributes["metadata"]["target"] for p in results if p.role == "swatches")

    def both():
        return targets("harmonize-palette"), targets("recolor", harmonize=True)

    before = both()
    command(capsys, "add", written(tmp_path / "w2c.txt", table))
    now = both()
    command(capsys, "remove")

    assert now[0] != before[0]
    assert now[1] != before[1]
    assert both() == before


def test_the_doctor_says_which_table_is_used(tmp_path, capsys, table):
    def lines():
        return doctor.examine()[0].splitlines()

    at = lines().index("Colour names") + 1
    assert lines()[at] == "  Limner's own table"

    command(capsys, "add", written(tmp_path / "w2c.txt", table))
    assert "color_names.npz" in lines()[lines().index("Colour names") + 1]

    naming.own_file().write_bytes(b"PK no table")
    report, healthy = doctor.examine()
    assert not healthy
    assert "limner names remove" in report


def broken(table, kind):
    table = table.copy()
    if kind == "short":
        return table[:-1]
    if kind == "narrow":
        return table[:, :13]
    if kind == "negative":
        table[7, 5] = -0.5
    elif kind == "empty":
        table[7, 3:] = 0
    elif kind == "no number":
        table[7, 5] = np.nan
    elif kind == "twice":
        table[7, :3] = table[8, :3]
    elif kind == "names":
        table[:, 3:] = table[:, :2:-1]
    elif kind == "rows":
        table[:, :3] = table[:, 2::-1]
    return table


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("short", "32767"),
        ("narrow", "13"),
        ("negative", "probabilities"),
        ("empty", "probabilities"),
        ("no number", "probabilities"),
        ("twice", "leaves out"),
        ("names", "order"),
        ("rows", "order"),
    ],
)
def test_a_table_that_does_not_fit_changes_nothing(tmp_path, capsys, table, kind, why):
    status, said = command(capsys, "add", written(tmp_path / "w2c.txt", broken(table, kind)))

    sentence, next_step = said.splitlines()
    assert status == 2
    assert why in sentence
    assert ", ".join(NAMES) in next_step
    assert not naming.own_file().exists()


@pytest.mark.parametrize("name", ["w2c.txt", "w2c.mat"])
@pytest.mark.parametrize("content", [b"", b"no numbers", b"MATLAB 5.0 \0\0\0"])
def test_what_is_no_table_is_refused(tmp_path, capsys, name, content):
    (tmp_path / name).write_bytes(content)

    status, said = command(capsys, "add", tmp_path / name)

    assert status == 2
    assert said.startswith(f"limner: {name} is no table of colour names")
    assert len(said.splitlines()) == 2


def test_a_missing_file_is_said_to_be_missing(tmp_path, capsys):
    assert "no file" in command(capsys, "add", tmp_path / "w2c.txt")[1]
