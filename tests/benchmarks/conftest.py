"""A drawing for every benchmark of flats and paint."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.paint import LEVELS
from benchmarks.peers import Case
from tests.drawings import BLUE, RED


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A red and a blue half with a line between, and a stroke of its own colour in each."""
    line = np.full((64, 64, 3), 255, np.uint8)
    line[:, 30:34] = 0
    truth = np.full_like(line, BLUE)
    truth[:, :32] = RED
    truth[:, 30:34] = 0
    strokes = np.zeros((64, 64, 4), np.uint8)
    strokes[8:12, 8:20] = *RED, 255
    strokes[50:54, 36:48] = *BLUE, 255
    folder = tmp_path / "halves"
    folder.mkdir()
    for name, pixels in (("line", line), ("truth", truth), ("scribbles", strokes)):
        Image.fromarray(pixels).save(folder / f"{name}.png")
    for level in LEVELS:
        Image.fromarray(strokes).save(folder / f"scribbles_{level}.png")
    return Case(folder, "sparse")
