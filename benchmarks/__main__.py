"""Every benchmark, one after another; each is a command of its own as well."""

import subprocess
import sys
from pathlib import Path

names = {script.stem for script in Path(__file__).parent.glob("[a-z]*.py")}
for name in sorted(names - {"peers", "photographs"}):
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
