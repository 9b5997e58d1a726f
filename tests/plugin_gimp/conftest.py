"""An engine, and GIMPs that use it: one in a console, one with a screen."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import editors
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


@pytest.fixture(scope="session")
def screen_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("screen")


@pytest.fixture(scope="session")
def screen_gimp(screen_folder: Path, engine: Engine) -> Iterator[Gimp]:
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
