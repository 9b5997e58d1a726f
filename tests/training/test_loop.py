"""The loop trains, stops, keeps the best and goes on where it ended."""

import json
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training import reddest
from training import checkpoints, loop

CPU = torch.device("cpu")


def train(pictures, out, steps, **changes):
    config = reddest.Config(**changes)
    return loop.train(reddest, config, pictures, out, loop.Budget(steps=steps), device="cpu")


def run_of(pictures, out):
    return loop.Run(reddest, reddest.Config(), pictures, out, CPU)


def test_training_improves_and_leaves_everything(trained):
    record = json.loads((trained / "record.json").read_text())
    files = {path.name for path in trained.iterdir()} - {"export.json"}  # of the tests of export

    assert record["best"]["score"] > record["curve"][0]["score"] * 0.7
    assert record["best"]["score"] == max(point["score"] for point in record["curve"][1:])
    assert len(record["curve"]) >= 3
    assert (record["steps"], record["samples"]) == (60, 960)
    assert record["data"][0]["licence"] == "CC0"
    assert (record["data"][0]["train"], record["data"][0]["validation"]) == (24, 8)
    assert record["config"]["channels"] == 8
    assert record["stages"][0]["hardware"]
    assert record["stages"][0]["config"] == record["config"]
    assert files == {
        "checkpoint-1.safetensors", "record.json", "sheet.png", "weights-1.safetensors"
    }  # fmt: skip
    with Image.open(trained / "sheet.png") as sheet:
        assert sheet.size[0] > 300


def test_the_weights_are_the_best_average(trained, pictures):
    weights, about = checkpoints.load(trained, checkpoints.WEIGHTS)
    record = json.loads((trained / "record.json").read_text())
    recipe = reddest.Recipe(reddest.Config(), pictures, CPU)
    recipe.model.load_state_dict(weights)

    with torch.no_grad():
        score = recipe.validate(recipe.model.eval())["score"]

    assert weights["stem.weight"].dtype == torch.float16
    assert about["step"] == record["best"]["step"]
    assert score == pytest.approx(record["best"]["score"], abs=1e-3)


def test_the_same_seed_gives_the_same_weights(pictures, tmp_path):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(pictures, tmp_path / folder, 5, seed=seed)
    a, b, c = (checkpoints.load(tmp_path / folder, "weights")[0] for folder in "abc")

    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["stem.weight"], c["stem.weight"])


def test_a_restored_run_has_all_that_the_other_had(pictures, tmp_path):
    first = run_of(pictures, tmp_path)
    first.train(loop.Budget(steps=7))
    second = run_of(pictures, tmp_path / "other")
    second.restore(tmp_path)

    for part in ("recipe.model", "heads", "average"):
        ours, theirs = (_part(run, part).state_dict() for run in (first, second))
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert second.spent == first.spent
    assert second.best == first.best
    draws = [torch.rand(3, generator=run.generator) for run in (first, second)]
    assert torch.equal(*draws)
    moments = [
        {
            name: value.float()
            for name, value in checkpoints.optimizer_tensors(run.optimizer).items()
        }
        for run in (first, second)
    ]
    assert moments[0].keys() == moments[1].keys()
    assert all(torch.equal(value, moments[1][name]) for name, value in moments[0].items())
    assert any("exp_avg_sq" in name and value.any() for name, value in moments[0].items())


def _part(run, path):
    for name in path.split("."):
        run = getattr(run, name)
    return run


def test_going_on_adds_to_the_record_and_ends_the_schedule(pictures, tmp_path):
    train(pictures, tmp_path, 4)
    run = run_of(pictures, tmp_path)
    run.restore(tmp_path)

    record = run.train(loop.Budget(steps=6))

    assert record["steps"] == 10
    assert [stage["steps"] for stage in record["stages"]] == [4, 6]
    assert [point["step"] for point in record["curve"]] == sorted(
        point["step"] for point in record["curve"]
    )
    rates = [group["lr"] for group in run.optimizer.param_groups]
    assert rates[0] == pytest.approx(0.02 * loop.schedule(0.9))
    assert rates[1] == pytest.approx(rates[0] / 10)


def test_a_worse_continuation_keeps_the_best_weights(trained, pictures, tmp_path):
    config = reddest.Config(learning_rate=1e3, ema=0.0)
    budget = loop.Budget(steps=3)

    record = loop.train(reddest, config, pictures, tmp_path, budget, resume=trained, device="cpu")

    before = checkpoints.load(trained, "weights")[0]
    after = checkpoints.load(tmp_path, "weights")[0]
    assert record["curve"][-1]["score"] < record["best"]["score"]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_other_validation_pictures_start_the_best_anew(trained, pictures, tmp_path, monkeypatch):
    """Worse figures on harder pictures are no worse weights."""
    validate = reddest.Recipe.validate
    monkeypatch.setattr(
        reddest.Recipe, "validate", lambda *given: {"score": validate(*given)["score"] - 10}
    )
    budget = loop.Budget(steps=20)

    record = loop.train(
        reddest, reddest.Config(), pictures, tmp_path, budget, resume=trained, device="cpu"
    )

    assert record["best"]["score"] < -5
    assert record["best"]["score"] == max(point["score"] for point in record["curve"][-2:])


def test_minutes_are_kept(pictures, tmp_path):
    start = time.perf_counter()
    budget = loop.Budget(minutes=0.01)

    record = loop.train(reddest, reddest.Config(), pictures, tmp_path, budget, device="cpu")

    assert record["minutes"] >= 0.01
    assert record["steps"] > 1
    assert time.perf_counter() - start < 30


def test_a_signal_ends_the_training_as_its_budget_would(pictures, tmp_path):
    class Interrupted(reddest.Recipe):
        steps = 0

        def step(self, generator):
            self.steps += 1
            if self.steps == 3:
                signal.raise_signal(signal.SIGTERM)
            return super().step(generator)

    module = SimpleNamespace(NAME="reddest", Recipe=Interrupted)
    before = signal.getsignal(signal.SIGTERM)

    record = loop.train(
        module, reddest.Config(), pictures, tmp_path, loop.Budget(steps=1000), device="cpu"
    )

    assert record["steps"] == 3
    assert checkpoints.load(tmp_path, "checkpoint")[1]["steps"] == 3
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_diverged_training_says_so(pictures, tmp_path):
    with pytest.raises(ArithmeticError, match="diverged"):
        train(pictures, tmp_path, 5, learning_rate=1e30)
    assert not (tmp_path / "weights-1.safetensors").exists()


def test_another_recipes_run_cannot_be_resumed(trained, pictures, tmp_path):
    module = SimpleNamespace(NAME="other", Recipe=reddest.Recipe)
    run = loop.Run(module, reddest.Config(), pictures, tmp_path, CPU)
    with pytest.raises(ValueError, match="training of reddest"):
        run.restore(trained)


def test_the_average_follows_by_its_decay():
    model, average = torch.nn.BatchNorm1d(1), torch.nn.BatchNorm1d(1)
    with torch.no_grad():
        model.weight.fill_(3)
        model.num_batches_tracked.fill_(5)

    loop.update_average(average, model, decay=0.75, step=10**6)

    assert average.weight.item() == pytest.approx(1.5)
    assert average.num_batches_tracked.item() == 5
    loop.update_average(average, model, decay=0.999, step=0)
    assert average.weight.item() == pytest.approx(3 - 0.1 * 1.5)


def test_the_learning_rate_rises_then_falls_to_nothing():
    rates = [loop.schedule(part) for part in np.linspace(0, 1, 101)]

    assert 0 < rates[0] < 0.01
    assert max(rates) == rates[round(loop.WARM_UP * 100)] > 0.98
    assert np.all(np.diff(rates[2:]) < 0)
    assert rates[-1] == 0


def test_validation_is_more_seldom_where_it_is_slow():
    def count(cost):
        plan = loop.ValidationPlan(cost)
        return sum(plan.is_due(part, part * 100) for part in np.linspace(0.001, 0.999, 999))

    assert count(0.01) == 9
    assert count(4.0) == 1
    assert count(50.0) == 0


def test_a_budget_is_minutes_or_steps():
    for values in ({}, {"minutes": 1.0, "steps": 2}):
        with pytest.raises(ValueError, match="either"):
            loop.Budget(**values)
    half = loop.Budget(minutes=2.0).and_before(loop.Spent(9, 60.0))
    assert half.part(loop.Spent(9, 60.0)) == pytest.approx(1 / 3)


def test_settings_are_read_from_text():
    config = loop.with_values(
        reddest.Config(), {"batch": "3", "learning_rate": "1e-2", "channels": "4"}
    )

    assert config == reddest.Config(batch=3, learning_rate=0.01, channels=4)
    for name, text in (("batch", "many"), ("batch", "1.5"), ("bach", "3")):
        with pytest.raises(ValueError, match=name):
            loop.with_values(config, {name: text})
