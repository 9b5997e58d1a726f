"""Pictures out of noise by a network that tells the picture under it.

A picture x_0 in [-1, 1] and noise ε, each N x 3 x H x W, are mixed as x_t = α x_0 + σ ε with
α = cos(π t / 2) and σ = sin(π t / 2) (variance preserving, cosine schedule): t = 0 is the picture,
t = 1 noise with nothing left of the picture, so that no colour drifts towards what the noise's mean
says. The network gives its estimate of x_0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Predict = Callable[[Floats, float], Floats]
"""The estimate of x_0 for x_t and t."""
OnStep = Callable[[int, Floats], None]
"""Told after each step its number, from 1, and the picture as it stands; may raise to cancel."""

QUARTER_TURN = math.pi / 2
"""Angle at t = 1; its cosine and sine are α and σ."""


def rates(time: float) -> tuple[float, float]:
    """α and σ at a time in [0, 1]."""
    return math.cos(QUARTER_TURN * time), math.sin(QUARTER_TURN * time)


def gaussian(seeds: Sequence[int], height: int, width: int) -> Floats:
    """Noise for each seed, N x 3 x H x W; a seed's noise does not depend on the others."""
    shape = (3, height, width)
    made = [np.random.Generator(np.random.PCG64(seed)) for seed in seeds]
    return np.stack([generator.standard_normal(shape, np.float32) for generator in made])


def noised(x0: Floats, noise: Floats, time: float) -> Floats:
    """x_t."""
    alpha, sigma = rates(time)
    return alpha * x0 + sigma * noise


def even_times(steps: int, start: float = 1.0) -> list[float]:
    """Times of `steps` steps from the start towards 0, evenly spaced."""
    return [start * (1 - step / steps) for step in range(steps)]


def sample(
    predict: Predict, start: Floats, times: Sequence[float], on_step: OnStep | None = None
) -> Floats:
    """The picture at the end of the flow from x_t at times[0], by DPM-Solver++(2M) (Lu 2022).

    times: falling, above 0; one call of `predict` at each. start: noise where times[0] is 1, else
    `noised` with it. The result is what the last call gives as x_0.
    """
    x, before, width_before = start, start, math.inf
    for step, (time, following) in enumerate(zip(times, [*times[1:], 0.0], strict=True), 1):
        x0 = np.clip(predict(x, time), -1, 1)
        if on_step is not None:
            on_step(step, x0)
        if step == len(times):
            break
        width = _log_snr(following) - _log_snr(time)
        half_slope = width / (2 * width_before)
        target = x0 + half_slope * (x0 - before)
        x = _flowed(x, target, time, following)
        before, width_before = x0, width
    return x0


def ddpm(
    predict: Predict,
    start: Floats,
    times: Sequence[float],
    random: np.random.Generator,
    on_step: OnStep | None = None,
) -> Floats:
    """As `sample`, by ancestral sampling (Ho 2020), which needs many more steps."""
    x = start
    for step, (time, following) in enumerate(zip(times, [*times[1:], 0.0], strict=True), 1):
        x0 = np.clip(predict(x, time), -1, 1)
        if on_step is not None:
            on_step(step, x0)
        (alpha, sigma), (alpha_next, sigma_next) = rates(time), rates(following)
        kept = alpha / alpha_next
        added = 1 - (kept * sigma_next / sigma) ** 2
        mean = kept * (sigma_next / sigma) ** 2 * x + alpha_next * added * x0
        noise = random.standard_normal(x.shape, np.float32)
        x = mean + sigma_next * math.sqrt(added) * noise
    return x0


def _log_snr(time: float) -> float:
    """λ = log(α / σ); finite at t = 1 too, where rounding leaves α = 6e-17."""
    alpha, sigma = rates(time)
    return math.log(alpha / sigma)


def _flowed(x: Floats, x0: Floats, time: float, following: float) -> Floats:
    """The x_t of the following time if x_0 stayed what it is (Lu 2022, eq. 9)."""
    (alpha, sigma), (alpha_next, sigma_next) = rates(time), rates(following)
    kept = sigma_next / sigma
    return kept * x + (alpha_next - kept * alpha) * x0
