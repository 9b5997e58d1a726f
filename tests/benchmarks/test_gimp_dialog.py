"""The dialog that changes a colour by itself still finds what it takes hold of in the plug-in."""

from pathlib import Path

import pytest

from benchmarks.gimp_dialog import measured
from tests import editors

pytestmark = pytest.mark.editors


def test_each_change_and_the_drag_are_timed(tmp_path: Path) -> None:
    editors.folder()
    wanted = {"single": 3, "drag": 1.0, "every": 16}
    times = measured(tmp_path, "recolor", 2, 64, wanted)
    assert len(times["single"]) == 3
    assert min(times["single"]) > 0
    ages, at = zip(*times["drag"], strict=True)
    assert 0 < len(at) < times["changes"], "of those that wait the newest is taken"
    assert list(at) == sorted(at)
    assert min(ages) > 0
