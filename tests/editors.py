"""Runs a command inside the folder of Krita and GIMP that .ci/editors makes.

The command gets its own mount and process namespaces: no mount stays and nothing that it started
outlives it. The network is shared, so an engine outside is reached through 127.0.0.1.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import pytest

# /tmp and /run are the run's own; Xvfb takes a free display by itself, so runs never collide.
INSIDE = """
set -e
mount -t proc proc "$ROOT/proc"
mount --rbind /sys "$ROOT/sys"
mount --rbind /dev "$ROOT/dev"
mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
mount -t tmpfs tmpfs "$ROOT/run"
for folder in ${SHARED//:/ }; do
  mkdir -p "$ROOT$folder"
  mount --bind "$folder" "$ROOT$folder"
done
exec chroot "$ROOT" bash -c '
if [ -n "$SCREEN" ]; then
  Xvfb -displayfd 3 -screen 0 ${SCREEN}x24 -nolisten tcp 3>/run/display 2>/run/xvfb.log &
  for try in {1..200}; do [ -s /run/display ] && break; sleep 0.05; done
  export DISPLAY=:$(cat /run/display)
fi
"$@"' bash "$@"
"""


def folder() -> Path:
    """The folder that $LIMNER_EDITORS names; skips the test where it cannot be used."""
    named = os.environ.get("LIMNER_EDITORS")
    if not named:
        pytest.skip("LIMNER_EDITORS names no folder of editors; .ci/editors makes one")
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("the editors run in a folder of their own, which needs root and unshare")
    return Path(named)


def start(
    command: Sequence[str],
    *,
    shared: Sequence[Path] = (),
    env: Mapping[str, str] | None = None,
    screen: str | None = None,
    log: IO[bytes] | None = None,
) -> "subprocess.Popen[bytes]":
    """Starts `command` inside; killing the process returned ends everything that it started.

    shared: folders that appear inside under the same path. env: what is added to a bare
    environment. screen: size of a virtual screen ("1600x1000"), or None for no screen.
    """
    root = folder()
    bare = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    inside = {
        "ROOT": str(root),
        "SHARED": ":".join(str(path) for path in shared),
        "SCREEN": screen or "",
    }
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation=private"]
    return subprocess.Popen(
        # Nothing is left over either where the tests themselves are killed.
        ["setpriv", "--pdeathsig=KILL", *namespaces, "bash", "-c", INSIDE, "bash", *command],
        env={**bare, **inside, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log else None,
    )
