"""Side-by-side measurements: ratios against a peer or a baseline, measured in one run."""

import os

from engine import machine

# As the engine's own processes do.
for name, value in machine.MATRIX_THREADS.items():
    os.environ.setdefault(name, value)
