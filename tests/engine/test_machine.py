"""What the computer offers, as far as it can be told without another one."""

import os

import psutil
import pytest

from engine import machine


def test_the_memory_budget_can_be_chosen(monkeypatch):
    monkeypatch.setenv("LIMNER_MEMORY", "300")

    assert machine.memory_budget() == 300 << 20


@pytest.mark.parametrize("chosen", ["", "plenty", "-5"])
def test_otherwise_it_is_what_is_free(monkeypatch, chosen):
    monkeypatch.setenv("LIMNER_MEMORY", chosen)

    assert 0 < machine.memory_budget() <= psutil.virtual_memory().total


def test_what_stays_between_jobs_is_a_small_part_of_memory():
    assert 0 < machine.keep_budget() <= min(1 << 30, psutil.virtual_memory().total // 8)


def test_memory_is_in_bytes():
    before = machine.memory_of(os.getpid())
    block = b"x" * (64 << 20)

    assert machine.memory_of(os.getpid()) - before > 0.9 * len(block)
    assert machine.peak_memory() >= len(block)


def test_a_process_that_is_gone_uses_no_memory():
    assert machine.memory_of(2**31 - 1) == 0


def test_versions_name_what_touches_pixels():
    assert {"limner", "python", "numpy", "imagecodecs"} <= set(machine.versions())
