"""The engine's log: what happened and when, never pixels or secrets."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler

from ipc import paths

PART_BYTES = 1 << 20
OLD_PARTS = 3


def open_log() -> logging.Logger:
    """The log of the front process, which alone writes it; old parts are kept beside it."""
    logger = logging.getLogger("limner")
    handler = RotatingFileHandler(
        paths.log_file(), maxBytes=PART_BYTES, backupCount=OLD_PARTS, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return logger
