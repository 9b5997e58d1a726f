"""Diffusion: the schedule's algebra, and samplers on a distribution whose flow is known."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.imaging import diffusion
from engine.imaging.diffusion import ddpm, even_times, gaussian, noised, rates, sample

times = st.floats(0, 1)
MEAN, SPREAD = 0.1, 0.15
"""Of the toy distribution: every value is normal by itself."""


def picture(seed=0, shape=(2, 3, 8, 12)):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def expectation_of(mean, spread):
    """The best prediction for normal data: x_0's expectation given x_t."""

    def predict(x, time):
        alpha, sigma = rates(time)
        variance = alpha**2 * spread**2 + sigma**2
        x0 = mean + alpha * spread**2 / variance * (x - alpha * mean)
        return np.broadcast_to(x0, x.shape).astype(np.float32)

    return predict


def expectation(noise, time):
    """x_0's expectation at that x_t."""
    alpha, sigma = rates(time)
    return MEAN + alpha * SPREAD**2 / math.hypot(alpha * SPREAD, sigma) * noise


def error_of(sampler, steps, first=0.9, last=0.1):
    """Largest error against the exact flow between two times."""
    noise = gaussian([0, 1], 8, 12) / 2
    moments = list(np.linspace(first, last, steps))
    found = sampler(expectation_of(MEAN, SPREAD), on_the_way(noise, first), moments)
    return np.abs(found - expectation(noise, last)).max()


def on_the_way(noise, time):
    """The exact flow's x_t, which was `noise` at t = 1."""
    alpha, sigma = rates(time)
    return (alpha * MEAN + math.hypot(alpha * SPREAD, sigma) * noise).astype(np.float32)


def first_order(predict, start, moments):
    """DDIM (Song 2021)."""
    x = start
    for time, following in pairwise(moments):
        alpha, sigma = rates(time)
        x0 = predict(x, time)
        x = noised(x0, (x - alpha * x0) / sigma, following)
    return predict(x, moments[-1])


@given(times)
def test_variance_is_preserved(time):
    alpha, sigma = rates(time)
    assert alpha**2 + sigma**2 == pytest.approx(1)


def test_the_ends_are_picture_and_noise():
    x0, noise = picture(), gaussian([0, 1], 8, 12)
    assert np.array_equal(noised(x0, noise, 0.0), x0)
    np.testing.assert_allclose(noised(x0, noise, 1.0), noise, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 3])
def test_pictures_stay_within_their_range(steps):
    seen = []
    found = sample(
        lambda x, _: 3 * x, gaussian([0], 8, 12), even_times(steps), lambda *s: seen.append(s[1])
    )
    assert all(np.abs(x0).max() == 1 for x0 in [*seen, found])


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_known_picture_is_found_exactly(steps):
    x0, noise = picture(), gaussian([0, 1], 8, 12)
    found = sample(expectation_of(x0, 0.0), noise, even_times(steps))
    np.testing.assert_allclose(found, x0, atol=1e-5)


def test_the_solver_follows_the_exact_flow():
    assert error_of(sample, 160, first=1.0, last=0.05) < 1e-4


def test_the_solver_is_of_second_order():
    coarse, fine = error_of(sample, 40), error_of(sample, 80)
    assert coarse / fine > 3.3
    assert error_of(first_order, 40) / error_of(first_order, 80) < 2.3
    assert coarse < 0.3 * error_of(first_order, 40)


def test_a_start_between_picture_and_noise_follows_the_same_flow():
    assert error_of(sample, 100, first=0.6, last=0.05) < 1e-4


def test_ancestral_sampling_has_the_distribution():
    noise = gaussian([0], 64, 64)
    random = np.random.Generator(np.random.PCG64(1))
    found = ddpm(expectation_of(MEAN, SPREAD), noise, even_times(300), random)
    assert found.mean() == pytest.approx(MEAN, abs=0.006)
    assert found.std() == pytest.approx(SPREAD, rel=0.05)
    correlation = np.corrcoef(found.ravel(), noise.ravel())[0, 1]
    assert abs(correlation) < 0.05


def test_ancestral_steps_keep_to_the_schedules_variance():
    seen = {}

    def predict(x, time):
        seen[time] = x
        return expectation_of(MEAN, SPREAD)(x, time)

    random = np.random.Generator(np.random.PCG64(1))
    ddpm(predict, gaussian([0], 64, 64), even_times(200), random)
    for time, x in seen.items():
        alpha, sigma = rates(time)
        assert x.std() == pytest.approx(math.hypot(alpha * SPREAD, sigma), rel=0.06)


def test_times_fall_evenly_to_above_nothing():
    assert even_times(4) == pytest.approx([1, 0.75, 0.5, 0.25])
    assert even_times(2, start=0.5) == pytest.approx([0.5, 0.25])


def test_a_seeds_noise_is_its_own():
    both = gaussian([7, 8], 5, 6)
    assert both.dtype == np.float32
    assert both.shape == (2, 3, 5, 6)
    assert np.array_equal(both[1], gaussian([8], 5, 6)[0])
    assert not np.array_equal(both[0], both[1])
    assert gaussian([1], 64, 64).std() == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize("sampler", [sample, ddpm])
def test_the_same_seed_gives_the_same_bytes(sampler):
    def run(seed):
        random = [np.random.Generator(np.random.PCG64(seed))] if sampler is ddpm else []
        noise = gaussian([seed], 8, 12)
        return sampler(expectation_of(MEAN, SPREAD), noise, even_times(4), *random)

    assert run(5).dtype == np.float32
    assert run(5).tobytes() == run(5).tobytes()
    assert run(5).tobytes() != run(6).tobytes()


@pytest.mark.parametrize("sampler", [sample, ddpm])
def test_every_step_is_told_and_may_end_it(sampler):
    class CancelledError(Exception):
        pass

    told, random = [], [np.random.default_rng(0)] if sampler is ddpm else []

    def on_step(step, x0):
        told.append((step, x0.copy()))
        if cancelled_at == step:
            raise CancelledError

    def run():
        predict = expectation_of(MEAN, SPREAD)
        return sampler(predict, gaussian([0], 8, 12), even_times(4), *random, on_step)

    cancelled_at = None
    result = run()
    assert [step for step, _ in told] == [1, 2, 3, 4]
    assert np.array_equal(told[-1][1], result)
    told.clear()
    cancelled_at = 2
    with pytest.raises(CancelledError):
        run()
    assert len(told) == 2


def test_the_networks_answer_is_asked_once_at_each_time():
    asked = []

    def predict(x, time):
        asked.append(time)
        return expectation_of(MEAN, SPREAD)(x, time)

    sample(predict, gaussian([0], 8, 12), even_times(3))
    assert asked == even_times(3)


def test_one_step_from_noise_is_the_plain_estimate():
    x0 = picture(1)
    found = sample(lambda x, time: x0, gaussian([0, 1], 8, 12), [1.0])
    np.testing.assert_allclose(found, x0, atol=1e-6)


def test_rates_are_plain_numbers():
    x = picture()
    assert isinstance(diffusion.rates(0.3)[0], float)
    assert noised(x, x, 0.3).dtype == np.float32
