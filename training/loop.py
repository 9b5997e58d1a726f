"""The one training loop: budget, schedule, moving average, validation, record, resume.

A recipe is a module of this package (docs/training.md); it draws batches and computes losses, the
loop does what every training needs.
"""

from __future__ import annotations

import copy
import json
import platform
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from training import checkpoints, packs

REPORT_SECONDS = 5.0
VALIDATION_SHARE = 0.08
"""Part of the time that validation may take."""
VALIDATIONS = 10
"""How often a run validates, if there is time for it."""
SAME = 1e-3
"""Relative difference up to which two scores of the same weights are measured alike."""
WARM_UP, POWER = 0.02, 0.9
"""Part of the budget in which the learning rate rises; then it falls as (1 - t)^0.9."""


@dataclass(frozen=True)
class Settings:
    """What the loop needs to know; a recipe's Config adds its own fields.

    batch: samples per step. learning_rate: the highest. seed: of every draw. ema: decay of the
    moving average per step. clip: largest norm of the gradient.
    """

    batch: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    seed: int = 1
    ema: float = 0.999
    clip: float = 1.0


@dataclass(frozen=True)
class Budget:
    """How long to train: minutes of wall clock, or steps."""

    minutes: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("give either minutes or steps")

    def part(self, spent: Spent) -> float:
        """Part of the budget that is spent."""
        if self.steps is not None:
            return spent.steps / max(self.steps, 1)
        return spent.seconds / max(60 * cast(float, self.minutes), 1e-9)

    def and_before(self, before: Spent) -> Budget:
        """The horizon: this budget and what was trained before."""
        if self.steps is not None:
            return Budget(steps=self.steps + before.steps)
        return Budget(minutes=cast(float, self.minutes) + before.seconds / 60)


@dataclass(frozen=True)
class Spent:
    """What a training has used."""

    steps: int = 0
    seconds: float = 0.0

    def since(self, before: Spent) -> Spent:
        """What was used after `before`."""
        return Spent(self.steps - before.steps, self.seconds - before.seconds)


class Recipe(Protocol):
    """One training, as a recipe's module makes it: Recipe(config, data, device).

    model: what ships. A recipe may also have `heads`, a module that only training needs.
    """

    model: nn.Module

    def parameter_groups(self) -> list[dict[str, Any]]:
        """For the optimiser; "lr_scale" multiplies the learning rate of a group."""

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimiser over the groups."""

    def step(self, generator: torch.Generator) -> dict[str, float | Tensor]:
        """Draws a batch, computes the loss, calls backward; returns figures to show."""

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Figures on the validation split, the same at each call; "score" is maximised."""

    def sheet(self, model: nn.Module) -> np.ndarray:
        """Validation results to look at, uint8 H x W x 3."""


def train(
    module: Any,
    config: Settings,
    data: Path,
    out: Path,
    budget: Budget,
    *,
    resume: Path | None = None,
    device: str | None = None,
    compiled: bool = False,
) -> dict[str, Any]:
    """Trains a recipe and writes DIR/weights-*, checkpoint-*, record.json and sheet.png.

    module: the recipe's. data: its packs. resume: a folder that an earlier run wrote. device:
    "cpu", "cuda" or "mps"; None is the best there is. Returns the record. An interrupt or SIGTERM
    ends the training as its budget would.
    """
    run = Run(module, config, data, out, torch.device(device or best_device()))
    if resume is not None:
        run.restore(resume)
    if compiled:
        run.recipe.model.compile()
    return run.train(budget)


class Run:
    """A training under way."""

    def __init__(
        self, module: Any, config: Settings, data: Path, out: Path, device: torch.device
    ) -> None:
        torch.manual_seed(config.seed)
        torch.backends.cudnn.benchmark = True
        self.name, self.config, self.data, self.out = module.NAME, config, data, out
        self.device = device
        self.precision = "bf16" if has_fast_bf16(device) else "fp32"
        self.recipe: Recipe = module.Recipe(config, data, device)
        self.heads: nn.Module = getattr(self.recipe, "heads", nn.Module())
        for part in (self.recipe.model, self.heads):
            part.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.recipe.model).eval().requires_grad_(False)
        self.optimizer = self.recipe.optimizer(self.recipe.parameter_groups())
        for group in self.optimizer.param_groups:
            group["full_lr"] = group["lr"] * group.get("lr_scale", 1.0)
        self.generator = torch.Generator(device).manual_seed(config.seed)
        self.spent = Spent()
        self.curve: list[dict[str, float]] = []
        self.stages: list[dict[str, Any]] = []
        self.best: dict[str, float] = {}
        self.best_state: dict[str, Tensor] = {}

    def train(self, budget: Budget) -> dict[str, Any]:
        """Steps until the budget is spent; returns the record."""
        before, horizon, part = self.spent, budget.and_before(self.spent), 0.0
        self.stages.append({})
        if self.best_state:
            self._save_weights()
        plan = ValidationPlan(self._first_validation())
        self.recipe.model.train()
        report = Report()
        start = time.perf_counter()
        with stopped_by_signal() as stopped:
            while part < 1 and not stopped:
                self._set_learning_rate(horizon.part(self.spent))
                report.add(self._step())
                seconds = time.perf_counter() - start
                self.spent = Spent(self.spent.steps + 1, before.seconds + seconds)
                part = budget.part(self.spent.since(before))
                if report.is_due():
                    left = seconds * (1 - part) / part
                    report.print(part, left, self.spent.steps, self.config.batch)
                if part < 1 and plan.is_due(part, seconds):
                    self._validate_and_save(before)
        return self._validate_and_save(before)

    def restore(self, folder: Path) -> None:
        """Goes on where the run that wrote the folder ended."""
        tensors, about = checkpoints.load(folder, checkpoints.CHECKPOINT)
        if about["recipe"] != self.name:
            raise ValueError(f"{folder} is a training of {about['recipe']}, not of {self.name}")
        checkpoints.restore_module("model", self.recipe.model, tensors)
        checkpoints.restore_module("average", self.average, tensors)
        checkpoints.restore_module("heads", self.heads, tensors)
        checkpoints.restore_optimizer(self.optimizer, tensors)
        self.spent = Spent(about["steps"], about["seconds"])
        self.curve, self.best, self.stages = about["curve"], about["best"], about["stages"]
        self.best_state = checkpoints.load(folder, checkpoints.WEIGHTS)[0]
        torch.manual_seed(self.config.seed + self.spent.steps)
        if about["device"] == self.device.type:
            self.generator.set_state(tensors["generator"])
        else:
            self.generator.manual_seed(self.config.seed + self.spent.steps)

    def _step(self) -> dict[str, float | Tensor]:
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            figures = self.recipe.step(self.generator)
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(parameters, self.config.clip)
        self.optimizer.step()
        update_average(self.average, self.recipe.model, self.config.ema, self.spent.steps)
        return figures

    def _set_learning_rate(self, progress: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = group["full_lr"] * schedule(progress)

    def _first_validation(self) -> float:
        """Seconds that a validation takes; a new training's is where its curve starts."""
        start = time.perf_counter()
        figures = self._validate()
        seconds = time.perf_counter() - start
        if not self.curve:
            self.curve.append(figures)
        elif not np.isclose(figures["score"], self.curve[-1]["score"], rtol=SAME):
            # Pictures of another size, say: earlier scores do not compare.
            self.best, self.best_state = figures, checkpoints.half(self.average.state_dict())
            self._save_weights()
        return seconds

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        figures = self.recipe.validate(self.average)
        print("validation  " + shown(figures), flush=True)
        if not np.isfinite(figures["score"]):
            raise ArithmeticError(f"the training diverged before step {self.spent.steps}")
        values = {name: float(value) for name, value in figures.items()}
        return {"step": self.spent.steps, "minutes": self.spent.seconds / 60, **values}

    def _validate_and_save(self, before: Spent) -> dict[str, Any]:
        self.curve.append(self._validate())
        if not self.best or self.curve[-1]["score"] > self.best["score"]:
            self.best = self.curve[-1]
            self.best_state = checkpoints.half(self.average.state_dict())
            self._save_weights()
        spent = self.spent.since(before)
        self.stages[-1] = {
            "hardware": hardware(self.device),
            "torch": str(torch.__version__),
            "precision": self.precision,
            "minutes": spent.seconds / 60,
            "steps": spent.steps,
            "samples": spent.steps * self.config.batch,
            "config": asdict(self.config),
        }
        record = self._record()
        self._save_checkpoint()
        (self.out / "record.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
        return record

    def _save_weights(self) -> None:
        about = {"recipe": self.name, "step": self.best["step"]}
        checkpoints.save(self.out, checkpoints.WEIGHTS, self.best_state, about)
        shipped = copy.deepcopy(self.average)
        shipped.load_state_dict(self.best_state)
        with torch.no_grad():
            sheet = self.recipe.sheet(shipped.eval())
        Image.fromarray(sheet).save(self.out / "sheet.png")

    def _save_checkpoint(self) -> None:
        tensors = {
            **checkpoints.module_tensors("model", self.recipe.model),
            **checkpoints.module_tensors("heads", self.heads),
            **checkpoints.module_tensors("average", self.average),
            **checkpoints.optimizer_tensors(self.optimizer),
            "generator": self.generator.get_state(),
        }
        about = {
            "recipe": self.name,
            "config": asdict(self.config),
            "device": self.device.type,
            "steps": self.spent.steps,
            "seconds": self.spent.seconds,
            "curve": self.curve,
            "best": self.best,
            "stages": self.stages,
        }
        checkpoints.save(self.out, checkpoints.CHECKPOINT, tensors, about)

    def _record(self) -> dict[str, Any]:
        return {
            "recipe": self.name,
            "config": asdict(self.config),
            "parameters": sum(p.numel() for p in self.recipe.model.parameters()),
            "minutes": self.spent.seconds / 60,
            "steps": self.spent.steps,
            "samples": sum(stage["samples"] for stage in self.stages),
            "stages": self.stages,
            "best": self.best,
            "curve": self.curve,
            "data": packs.provenance(self.data),
        }


class ValidationPlan:
    """When to validate: ten times in a run, more seldom where that would take too long."""

    def __init__(self, cost: float) -> None:
        self.cost = cost
        self.last = 0.0

    def is_due(self, part: float, seconds: float) -> bool:
        """Whether to validate now; part: of the budget that is spent, after so many seconds."""
        expected = seconds / max(part, 1e-9)
        between = max(1 / VALIDATIONS, self.cost / max(VALIDATION_SHARE * expected, 1e-9))
        if part - self.last < between:
            return False
        self.last = part
        return True


class Report:
    """The line of figures every few seconds, as means since the last one."""

    def __init__(self) -> None:
        self._restart()

    def add(self, figures: Mapping[str, float | Tensor]) -> None:
        """Counts a step's figures; tensors stay on the device until they are shown."""
        self.steps += 1
        for name, value in figures.items():
            value = value.detach() if isinstance(value, Tensor) else value
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = (total + value, count + 1)

    def is_due(self) -> bool:
        """Whether the last line is some seconds old."""
        return time.perf_counter() - self.since >= REPORT_SECONDS

    def print(self, part: float, left: float, step: int, batch: int) -> None:
        """Prints the line. Raises ArithmeticError where the training has diverged."""
        means = {name: float(total) / count for name, (total, count) in self.sums.items()}
        speed = self.steps * batch / (time.perf_counter() - self.since)
        minutes, seconds = divmod(round(left), 60)
        print(
            f"{part:6.1%}  step {step}  {shown(means)}  {speed:.1f} samples/s"
            f"  {minutes}:{seconds:02} left",
            flush=True,
        )
        if not np.isfinite(list(means.values())).all():
            raise ArithmeticError(f"the training diverged before step {step}")
        self._restart()

    def _restart(self) -> None:
        self.since, self.steps = time.perf_counter(), 0
        self.sums: dict[str, tuple[Any, int]] = {}


def schedule(progress: float) -> float:
    """Factor of the learning rate at a part of the horizon: linear rise, then poly 0.9."""
    return float(min(progress / WARM_UP + 1e-3, 1.0) * max(1 - progress, 0.0) ** POWER)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Moves the average towards the model; early steps weigh more, whole numbers are copied."""
    weight = 1 - min(decay, (1 + step) / (10 + step))
    targets, sources = [], []
    for target, source in zip(
        average.state_dict().values(), model.state_dict().values(), strict=True
    ):
        if target.is_floating_point():
            targets.append(target)
            sources.append(source)
        else:
            target.copy_(source)
    torch._foreach_lerp_(targets, sources, weight)


@contextmanager
def stopped_by_signal() -> Iterator[list[int]]:
    """A list that an interrupt or SIGTERM makes true."""
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def best_device() -> str:
    """The name of torch's best device here."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 in hardware."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and any(name in _cpu() for name in ("avx512_bf16", "amx_bf16"))


def hardware(device: torch.device) -> str:
    """The device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    models = [line for line in _cpu().splitlines() if line.startswith("model name")]
    name = models[0].partition(":")[2].strip() if models else platform.processor()
    threads = torch.get_num_threads()
    return f"{name}, {threads} thread{'s' * (threads > 1)}" if device.type == "cpu" else "MPS"


def with_values(config: Settings, values: Mapping[str, str]) -> Settings:
    """The settings with fields changed, given as text. Raises ValueError on a wrong one."""
    kinds = {field.name: type(getattr(config, field.name)) for field in fields(config)}
    changed: dict[str, Any] = {}
    for name, text in values.items():
        if name not in kinds:
            raise ValueError(f"no setting {name!r}; there are {', '.join(kinds)}")
        try:
            changed[name] = _value(kinds[name], text)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{name} cannot be {text!r}") from error
    return replace(config, **changed)


def _value(kind: type, text: str) -> Any:
    """The text as a value of the kind; tuples are written as JSON lists."""
    if kind is bool:
        return {"true": True, "false": False}[text.lower()]
    return tuple(json.loads(text)) if kind is tuple else kind(text)


def settings_of(module: Any, folder: Path) -> Settings:
    """The settings of an earlier run; fields that it did not know have their defaults."""
    _, about = checkpoints.load(folder, checkpoints.CHECKPOINT)
    known = {field.name for field in fields(module.Config)}
    saved = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in about["config"].items()
        if name in known
    }
    return cast(Settings, module.Config(**saved))


def shown(figures: Mapping[str, float]) -> str:
    """Figures as a line of text."""
    return "  ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _cpu() -> str:
    """What Linux says of the processor; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8") if path.exists() else ""
