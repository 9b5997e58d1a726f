"""What the computer offers, as far as it can be told without another one."""

import os
import subprocess
import sys

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


def test_networks_can_be_kept_on_the_processor(monkeypatch):
    monkeypatch.setenv("LIMNER_DEVICE", "cpu")

    assert machine.device() == "cpu"


def test_a_device_is_told_without_loading_a_library():
    code = """
import sys
from engine import machine
assert machine.device() in ("cpu", "cuda", "mps")
assert not {"torch", "onnxruntime", "numpy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="processors are allotted on Linux only")
def test_threads_are_those_that_the_process_may_use():
    one = min(os.sched_getaffinity(0))
    code = f"""
import os
from engine import machine
os.sched_setaffinity(0, {{{one}}})
print(machine.threads())
"""
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert told.stdout.strip() == b"1"


def test_versions_name_what_touches_pixels():
    versions = machine.versions()
    assert {"limner", "python", "numpy", "imagecodecs"} <= set(versions)
    assert {"onnxruntime", "onnxruntime-gpu"} & set(versions)
