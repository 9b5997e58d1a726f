"""Shards: whole, small, and of one write."""

import shutil

import pytest
import torch

from training import checkpoints


def tensors(count: int) -> dict[str, torch.Tensor]:
    """Tensors of 6 MiB each."""
    return {f"t{number}": torch.full((3 << 20,), number).half() for number in range(count)}


def test_large_states_are_split_and_come_back(tmp_path):
    given = tensors(5)
    checkpoints.save(tmp_path, "state", given, {"step": 3})

    files = checkpoints.shard_paths(tmp_path, "state")
    found, about = checkpoints.load(tmp_path, "state")

    assert len(files) == 3
    assert all(path.stat().st_size <= checkpoints.SHARD for path in files)
    assert about["step"] == 3
    assert all(torch.equal(found[name], value) for name, value in given.items())
    assert set(found) == set(given)


def test_a_smaller_write_leaves_no_old_shards(tmp_path):
    checkpoints.save(tmp_path, "state", tensors(5), {"step": 1})
    checkpoints.save(tmp_path, "state", tensors(1), {"step": 2})

    assert [path.name for path in tmp_path.iterdir()] == ["state-1.safetensors"]
    assert checkpoints.load(tmp_path, "state")[1]["step"] == 2


def test_shards_of_two_writes_are_refused(tmp_path):
    for step, folder in ((1, tmp_path / "a"), (2, tmp_path / "b")):
        checkpoints.save(folder, "state", tensors(3), {"step": step})
    shutil.copy(tmp_path / "a/state-1.safetensors", tmp_path / "b/state-1.safetensors")
    (tmp_path / "a/state-2.safetensors").unlink()

    for folder in (tmp_path / "a", tmp_path / "b"):
        with pytest.raises(ValueError, match="one write"):
            checkpoints.load(folder, "state")
    with pytest.raises(FileNotFoundError):
        checkpoints.load(tmp_path, "state")


def test_what_cannot_be_kept_is_refused(tmp_path):
    with pytest.raises(ValueError, match="larger than a shard"):
        checkpoints.save(tmp_path, "s", {"t": torch.zeros(checkpoints.SHARD, dtype=torch.int8)}, {})
    with pytest.raises(ValueError, match="wide"):
        checkpoints.half({"wide": torch.tensor([1e6])})
    counter = checkpoints.half({"count": torch.tensor(70000)})["count"]
    assert counter.item() == 70000
