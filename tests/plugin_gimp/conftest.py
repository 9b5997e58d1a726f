"""An engine, and GIMPs that use it: one in a console, one with a screen."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import editors
from tests import simple_networks as networks
from tests.engine.operations.test_paint import paints_what_it_is_told
from tests.plugin_gimp.rig import Engine, Gimp


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    editors.folder()
    engine = Engine(tmp_path_factory.mktemp("engine"))
    engine.home.chmod(0o700)
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def console_gimp(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Gimp]:
    gimp = Gimp(tmp_path_factory.mktemp("console"), engine.home)
    yield gimp
    gimp.close()


@pytest.fixture(scope="module")
def screen_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("screen")


@pytest.fixture(scope="module")
def screen_gimp(screen_folder: Path, engine: Engine) -> Iterator[Gimp]:
    """One for each module: it opens dialogs with the values of the last run."""
    gimp = Gimp(screen_folder, engine.home, screen="1400x900")
    yield gimp
    gimp.close()


@pytest.fixture
def console(console_gimp: Gimp, engine: Engine) -> Gimp:
    engine.start()
    return console_gimp


@pytest.fixture
def gui(screen_gimp: Gimp, engine: Engine) -> Gimp:
    engine.start()
    return screen_gimp


@pytest.fixture
def simple_networks(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Networks of which can be told what they find: red is a subject, pasted things get bluer."""
    monkeypatch.setenv("LIMNER_HOME", str(engine.home))
    networks.red_is_subject()
    networks.one_change([[0.7, 0, 0, 0], [0, 0.9, 0, 0], [0, 0, 0.8, 0.2]])
    yield
    shutil.rmtree(engine.home / "models", ignore_errors=True)


@pytest.fixture
def painter(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A network that paints as told, with grain by which variants differ."""
    monkeypatch.setenv("LIMNER_HOME", str(engine.home))
    paints_what_it_is_told(grain=0.4)
    yield
    shutil.rmtree(engine.home / "models", ignore_errors=True)
