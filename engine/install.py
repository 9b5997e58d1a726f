"""Puts the plug-ins, each with its own copy of ipc/, where Krita and GIMP read them."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ipc
from ipc import launch
from ipc.errors import LimnerError

ROOT = Path(__file__).resolve().parents[1]
EDITORS = ("krita", "gimp")
TITLES = {"krita": "Krita", "gimp": "GIMP 3"}


@dataclass(frozen=True)
class Place:
    """A folder in which an editor keeps a user's own things, and how that editor was packaged.

    settings: Krita's kritarc; None for GIMP, which enables whatever lies in plug-ins/.
    """

    title: str
    folder: Path
    settings: Path | None = None

    @property
    def plugin(self) -> Path:
        """Where the plug-in's modules lie."""
        return self.folder / ("pykrita" if self.settings else "plug-ins") / "limner"


def plugin_files(editor: str) -> Iterator[tuple[str, Path]]:
    """Files of the plug-in: path relative to the editor's plug-in folder, and source."""
    source = ROOT / f"plugin_{editor}"
    for file in sorted(source.iterdir()):
        if file.suffix == ".desktop":
            yield file.name, file
        elif file.suffix == ".action":
            yield f"../actions/{file.name}", file
        elif file.suffix in (".py", ".html"):
            yield f"limner/{file.name}", file
    for file in sorted((ROOT / "ipc").glob("*.py")):
        yield f"limner/ipc/{file.name}", file


def places(editor: str) -> list[Place]:
    """Where this user has the editor; the native place where no trace of it is found."""
    known = list(_krita_places() if editor == "krita" else _gimp_places())
    return [place for place in known if place.folder.is_dir()] or known[:1]


def _krita_places() -> Iterator[Place]:
    home = Path.home()
    if sys.platform == "win32":
        data, settings = _env("APPDATA"), _env("LOCALAPPDATA")
        yield Place("Krita", data / "krita", settings / "kritarc")
    elif sys.platform == "darwin":
        library = home / "Library"
        yield Place("Krita", library / "Application Support/krita", library / "Preferences/kritarc")
    else:
        data = _env("XDG_DATA_HOME", home / ".local/share")
        config = _env("XDG_CONFIG_HOME", home / ".config")
        yield Place("Krita", data / "krita", config / "kritarc")  # an AppImage reads these as well
        flatpak = home / ".var/app/org.kde.krita"
        yield Place("Krita (Flatpak)", flatpak / "data/krita", flatpak / "config/kritarc")
        snap = home / "snap/krita/current"
        yield Place("Krita (Snap)", snap / ".local/share/krita", snap / ".config/kritarc")


def _gimp_places() -> Iterator[Place]:
    home = Path.home()
    if "GIMP3_DIRECTORY" in os.environ:
        yield Place("GIMP", Path(os.environ["GIMP3_DIRECTORY"]))
        return
    if sys.platform == "win32":
        roots = {"GIMP": _env("APPDATA") / "GIMP"}
    elif sys.platform == "darwin":
        roots = {"GIMP": home / "Library/Application Support/GIMP"}
    else:
        roots = {
            "GIMP": _env("XDG_CONFIG_HOME", home / ".config") / "GIMP",
            "GIMP (Flatpak)": home / ".var/app/org.gimp.GIMP/config/GIMP",
            "GIMP (Snap)": home / "snap/gimp/current/.config/GIMP",
        }
    for title, root in roots.items():
        # One folder per minor version; 3.0 also stands for a GIMP that has not been started yet.
        for folder in sorted({root / "3.0", *root.glob("3.*")}):
            yield Place(f"{title} {folder.name}", folder)


def _env(name: str, default: Path | None = None) -> Path:
    return Path(os.environ.get(name) or default or Path.home())


def install(editor: str, folder: Path | None = None) -> list[Path]:
    """Installs the plug-in in every place of `editor`, or in `folder` alone; enables it.

    Returns the plug-in folders written. Records this program as the engine to start.
    Raises LimnerError cannot-install.
    """
    chosen = _chosen(editor, folder)
    try:
        for place in chosen:
            _remove(place)
            for relative, source in plugin_files(editor):
                target = place.plugin.parent / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
            if place.settings:
                _enable(place.settings, enabled=True)
            else:
                (place.plugin / "limner.py").chmod(0o755)
    except OSError as error:
        raise _cannot(editor, error) from error
    launch.record_command(engine_command())
    return [place.plugin for place in chosen]


def uninstall(editor: str, folder: Path | None = None) -> list[Path]:
    """Removes the plug-in from every place of `editor`; returns the folders that it was in."""
    chosen = [place for place in _chosen(editor, folder) if place.plugin.exists()]
    try:
        for place in chosen:
            _remove(place)
            if place.settings:
                _enable(place.settings, enabled=False)
    except OSError as error:
        raise _cannot(editor, error) from error
    if not any(place.plugin.exists() for name in EDITORS for place in places(name)):
        launch.forget_command()
    return [place.plugin for place in chosen]


def package(folder: Path) -> Path:
    """Writes the zip for Krita's "Import Python Plugin from File"; returns its path."""
    path = folder / f"limner-krita-{ipc.__version__}.zip"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for relative, source in plugin_files("krita"):
                archive.write(source, relative.removeprefix("../"))
    except OSError as error:
        raise LimnerError(
            "cannot-write", f"{path} cannot be written: {error.strerror}.", "Choose another folder."
        ) from error
    return path


def engine_command() -> list[str]:
    """The command that starts this very installation."""
    script = Path(sys.executable).parent / ("limner.exe" if sys.platform == "win32" else "limner")
    return [str(script)] if script.exists() else [sys.executable, "-m", "engine.cli"]


def _chosen(editor: str, folder: Path | None) -> list[Place]:
    if folder is None:
        return places(editor)
    settings = folder / "kritarc" if editor == "krita" else None
    return [Place(TITLES[editor], folder, settings)]


def _remove(place: Place) -> None:
    if place.plugin.exists():
        if not (place.plugin / "ipc" / "catalog.py").exists():
            raise FileExistsError(0, "something else is named 'limner' there", str(place.plugin))
        shutil.rmtree(place.plugin)
    for file in (place.plugin.parent / "limner.desktop", place.folder / "actions/limner.action"):
        file.unlink(missing_ok=True)


def _enable(settings: Path, *, enabled: bool) -> None:
    """Sets or removes the plug-in's line in kritarc and leaves every other line as it is."""
    lines = settings.read_text(encoding="utf-8").splitlines() if settings.exists() else []
    lines = [line for line in lines if not line.startswith("enable_limner=")]
    if enabled:
        if "[python]" not in lines:
            lines += ["", "[python]"]
        lines.insert(lines.index("[python]") + 1, "enable_limner=true")
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("\n".join(lines).strip("\n") + "\n", encoding="utf-8")


def _cannot(editor: str, error: OSError) -> LimnerError:
    return LimnerError(
        "cannot-install",
        f"The plug-in for {TITLES[editor]} cannot be put in place: {error}.",
        "Close the editor, see that its folder can be written, or name another with --folder.",
    )
