"""Parameters of which the catalogue says that an input decides in their place do nothing then."""

import threading

import numpy as np
import pytest

from engine.job import Cache
from engine.run import run_operation
from ipc.catalog import CATALOG, Operation, Parameter, Value
from ipc.planes import Plane
from tests import simple_networks

OVERRULED = [
    pytest.param(operation, parameter, role, id=f"{operation.id}-{parameter.name}-{role}")
    for operation in CATALOG
    for parameter in operation.parameters
    for role in parameter.overruled_by
]
SIDE = 48
COLOURS = ((190, 60, 50), (200, 150, 60), (90, 140, 60), (60, 90, 160), (130, 60, 140))


@pytest.fixture(autouse=True)
def red_network(own_home):
    """What is red is a subject."""
    simple_networks.red_is_subject()


def picture(role: str, number: int) -> Plane:
    """A red square on bands of other colours, a little other for each number."""
    bands = np.array(COLOURS)[1:][(np.arange(SIDE) * 4 // SIDE + number) % 4] + 20 * number
    pixels = np.repeat(bands[:, None], SIDE, axis=1) + np.arange(SIDE)[None, :, None] // 4
    pixels[12:36, 12:36] = np.array(COLOURS[0]) + 15 * number
    return of_codes(role, pixels)


def of_codes(role: str, pixels: np.ndarray) -> Plane:
    data = np.ascontiguousarray(pixels.clip(0, 255), np.uint8)
    height, width, channels = data.shape
    return Plane(role, role, width, height, channels, "u8", data.tobytes())


def pictures(operation: Operation) -> list[Plane]:
    """What the operation needs: of a set two pictures."""
    count = 2 if operation.takes_set else 1
    own = [picture(operation.primary.role, number) for number in range(count)]
    required = [entry for entry in operation.inputs[1:] if entry.required]
    return own + [picture(entry.role, 2) for entry in required]


def given(operation: Operation, role: str) -> list[Plane]:
    """An input of that role; links as they came back, the first colour changed."""
    kind = operation.input(role).kind
    if kind == "palette":
        return [of_codes(role, np.array([COLOURS[1:4]]))]
    if kind in ("mask", "reference-mask"):
        half = np.zeros((SIDE, SIDE, 1))
        half[:, : SIDE // 2] = 255
        return [of_codes(role, half)]
    is_common = operation.common_links is not None and role == operation.common_links.role
    (output,) = (o for o in operation.outputs if o.kind == "palette" and o.common == is_common)
    return [_changed(role, came) for came in run(operation, [], {}) if came.role == output.role]


def _changed(role: str, came: Plane) -> Plane:
    rows = np.frombuffer(came.data, np.float32).reshape(2, -1, 4).copy()
    rows[1, 1:] = 0
    rows[1, 0] = (0.2, 0.6, 0.5, 1)
    return Plane(role, role, came.width, 2, 4, "f32", rows.tobytes())


def run(operation: Operation, more: list[Plane], params: dict[str, Value]) -> list[Plane]:
    results, _ = run_operation(
        operation.id,
        params,
        [*pictures(operation), *more],
        (SIDE, SIDE),
        cache=Cache(0),
        on_progress=lambda *_: None,
        cancelled=threading.Event(),
    )
    return results


def answers(operation: Operation, parameter: Parameter, more: list[Plane]) -> set[bytes]:
    """The main results, as different as they are for different values."""
    ends: tuple[Value | None, ...] = (parameter.minimum, parameter.maximum, parameter.default)
    values = parameter.choices or ends
    role = operation.outputs[0].role
    found = set()
    for value in values:
        results = run(operation, more, {parameter.name: value})
        found.add(b"".join(bytes(plane.data) for plane in results if plane.role == role))
    return found


@pytest.mark.parametrize(("operation", "parameter", "role"), OVERRULED)
def test_an_overruled_parameter_changes_nothing(operation, parameter, role):
    assert len(answers(operation, parameter, [])) > 1
    assert len(answers(operation, parameter, given(operation, role))) == 1
