"""The operations, one module each, named after their catalogue id."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Protocol, cast

from engine.job import Job, Layer
from ipc import catalog


class OperationModule(Protocol):
    """What a module in this folder offers."""

    BYTES_PER_PIXEL: int

    @staticmethod
    def run(job: Job) -> Iterable[Layer]:
        """Runs the job to its end."""


def load(id: str) -> OperationModule:
    """The operation's module, imported when first asked for.

    Raises LimnerError unknown-operation.
    """
    name = catalog.operation(id).id.replace("-", "_")
    return cast(OperationModule, importlib.import_module(f"engine.operations.{name}"))
