"""Fixtures for every room's tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no defect, and what CI finds must not depend on chance.
settings.register_profile("limner", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("limner")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of licensed pictures beside the repository; tests that want it are extra."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the licensed pictures are not beside the repository")
    return folder


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Limner's folder for this test alone, so that no test meets the developer's own engine."""
    home = tmp_path_factory.mktemp("limner-home")
    monkeypatch.setenv("LIMNER_HOME", str(home))
    return home
