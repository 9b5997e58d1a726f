#!/usr/bin/env python3
"""What GIMP starts: makes the folder around this file the package `limner` and runs it."""

import sys
from pathlib import Path

import gi


def main() -> None:
    """Serves GIMP until it has no more use for this process."""
    gi.require_version("Gegl", "0.4")
    gi.require_version("Gimp", "3.0")
    # On this folder's path `limner` would be this file. The folder above goes last, so that no
    # other plug-in there hides a module of Python.
    folder = Path(__file__).resolve().parent
    sys.path = [entry for entry in sys.path if Path(entry).resolve() != folder]
    sys.path.append(str(folder.parent))
    from gi.repository import Gimp
    from limner.procedures import Limner

    Gimp.main(Limner.__gtype__, sys.argv)


if __name__ == "__main__":
    main()
