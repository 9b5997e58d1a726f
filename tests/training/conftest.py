"""A trained network, made once for the tests of this room."""

import sys
from pathlib import Path

import pytest
import torch

from tests.training import reddest
from training import export, loop


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Networks this small are slower on several."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packs of the recipe."""
    folder = tmp_path_factory.mktemp("packs")
    reddest.pack(folder, folder)
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """The folder of a training; tests only read it."""
    folder = tmp_path_factory.mktemp("run")
    config = reddest.Config()
    loop.train(reddest, config, pictures, folder, loop.Budget(steps=60), device="cpu")
    return folder


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Path:
    """The folder of its export; tests only read it."""
    folder = tmp_path_factory.mktemp("weights")
    export.export("reddest", reddest.network(reddest.Config()), trained, folder)
    return folder


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name by which `python -m training` finds the recipe."""
    monkeypatch.setitem(sys.modules, "training.reddest", reddest)
    return reddest.NAME
