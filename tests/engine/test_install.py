"""Installing into folders laid out as the editors' own."""

import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from engine import demo, install
from engine.cli import main
from ipc import launch
from ipc.errors import LimnerError


@pytest.fixture
def person(tmp_path, monkeypatch):
    """A home folder of a person on Linux."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "GIMP3_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_krita_gets_plug_in_wire_and_its_switch(person):
    settings = person / ".config/kritarc"
    settings.parent.mkdir()
    settings.write_text("[General]\nkey=value\n\n[python]\nenable_other=true\n")

    folders = install.install("krita")

    pykrita = person / ".local/share/krita/pykrita"
    assert folders == [pykrita / "limner"]
    assert (pykrita / "limner.desktop").is_file()
    assert (pykrita / "limner/ipc/zmtp.py").is_file()
    assert (pykrita.parent / "actions/limner.action").is_file()
    assert "[python]\nenable_limner=true\nenable_other=true" in settings.read_text()
    assert launch.find_command() == install.engine_command()


def test_the_command_installs_and_then_compiles(tmp_path, monkeypatch, capsys):
    found = []
    monkeypatch.setattr(demo, "compile_ahead", lambda: found.extend(tmp_path.rglob("limner.py")))
    assert main(["install", "gimp", "--folder", str(tmp_path)]) == 0
    assert found
    assert "Installed in" in capsys.readouterr().out


def test_uninstall_leaves_nothing_of_ours_and_everything_else(person):
    settings = person / ".config/kritarc"
    settings.parent.mkdir()
    before = "[General]\nkey=value\n\n[python]\nenable_other=true\n"
    settings.write_text(before)
    other = person / ".local/share/krita/pykrita/other/__init__.py"
    other.parent.mkdir(parents=True)
    other.touch()
    install.install("krita")

    removed = install.uninstall("krita")

    assert len(removed) == 1
    assert settings.read_text() == before
    assert [p for p in other.parents[2].rglob("*") if p.is_file()] == [other]
    assert install.uninstall("krita") == []


def test_every_packaging_of_an_editor_is_found(person):
    (person / ".local/share/krita").mkdir(parents=True)
    (person / ".var/app/org.kde.krita/data/krita").mkdir(parents=True)
    (person / ".config/GIMP/3.0").mkdir(parents=True)
    (person / ".config/GIMP/3.2").mkdir(parents=True)

    assert [p.title for p in install.places("krita")] == ["Krita", "Krita (Flatpak)"]
    assert [p.title for p in install.places("gimp")] == ["GIMP 3.0", "GIMP 3.2"]


@pytest.mark.parametrize(
    ("platform", "variables", "krita", "gimp"),
    [
        (
            "win32",
            {"APPDATA": "roaming", "LOCALAPPDATA": "local"},
            "roaming/krita",
            "roaming/GIMP/3.0",
        ),
        (
            "darwin",
            {},
            "Library/Application Support/krita",
            "Library/Application Support/GIMP/3.0",
        ),
    ],
)
def test_other_systems_have_their_own_folders(
    person, monkeypatch, platform, variables, krita, gimp
):
    monkeypatch.setattr(sys, "platform", platform)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(person / value))

    assert install.places("krita")[0].folder == person / krita
    assert install.places("gimp")[0].folder == person / gimp


@pytest.mark.skipif(os.name == "nt", reason="Windows has no executable bit")
def test_gimp_gets_an_executable(person):
    (folder,) = install.install("gimp")

    assert folder == person / ".config/GIMP/3.0/plug-ins/limner"
    assert (folder / "limner.py").stat().st_mode & stat.S_IXUSR


def test_somebody_elses_folder_of_that_name_is_left_alone(person):
    theirs = person / ".config/GIMP/3.0/plug-ins/limner/limner.py"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")

    with pytest.raises(LimnerError) as caught:
        install.install("gimp")

    assert caught.value.code == "cannot-install"
    assert theirs.read_text() == "theirs"


def test_the_package_is_what_krita_imports(tmp_path):
    path = install.package(tmp_path)

    names = zipfile.ZipFile(path).namelist()
    assert {"limner.desktop", "actions/limner.action"} <= set(names)
    assert {"limner/__init__.py", "limner/ipc/catalog.py"} <= set(names)


def test_the_installed_wire_needs_nothing_but_python(person):
    (folder,) = install.install("krita")

    subprocess.run(
        [sys.executable, "-I", "-S", "-c", "import sys; sys.path.insert(0, sys.argv[1]);"
         "from ipc import catalog, client, connection, launch, messages, planes, zmtp",
         str(folder)],
        check=True,
    )  # fmt: skip
