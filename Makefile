# Set-up and everyday commands. `make demo` and `make test` work in a fresh clone with Python 3.11 or later.
PYTHON ?= python3
PY := .venv/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint editors bench bench-flats

demo: .venv/installed
	$(PY) -m engine.cli demo --output demo

test: .venv/installed-dev
	$(PY) -m pytest

lint: .venv/installed-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(PY) -m mypy
	$(PY) -m mypy --python-version 3.10 -p ipc
	.venv/bin/lint-imports
	.venv/bin/vermin --quiet --no-tips --target=3.8- --violations ipc plugin_krita plugin_gimp

# Real Krita and GIMP, without a screen. Linux and root only: .ci/editors installs them into a folder of their own.
editors: .venv/installed-dev
	LIMNER_EDITORS=$${LIMNER_EDITORS:-$$(bash .ci/editors)} $(PY) -m pytest -m editors --timeout 600

bench: .venv/installed-dev
	$(PY) -m benchmarks

# make bench-flats OPTIONS="--drawings 8 --skip 24 --size 2048"; table and pictures come to sheets/.
bench-flats: .venv/installed-dev
	$(PY) -m benchmarks.flats $(OPTIONS)

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(PIP) --upgrade pip

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(PIP) --editable '.[train]' --group dev
	touch $@
