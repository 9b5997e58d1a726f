"""The log keeps its size."""

import logging
from collections.abc import Iterator

import pytest

from engine import log
from ipc import paths


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = log.open_log()
    yield logger
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


def test_old_parts_are_kept_up_to_their_number(logger: logging.Logger) -> None:
    line = "x" * (log.PART_BYTES // 3)
    for number in range(20):
        logger.info("%d %s", number, line)

    names = sorted(path.name for path in paths.home().iterdir())
    assert names == ["engine.log", "engine.log.1", "engine.log.2", "engine.log.3"]
    assert "19 x" in paths.log_file().read_text()
    assert all(path.stat().st_size <= log.PART_BYTES for path in paths.home().iterdir())
