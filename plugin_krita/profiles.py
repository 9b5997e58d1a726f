"""ICC profiles by the names that Krita gives them: Krita tells a profile's name, never its bytes.

The bytes lie in files that Krita itself has read. No Qt and no Krita in here.
"""

import struct
import sys
import threading
from pathlib import Path
from typing import Dict, Iterable, Iterator, Optional

from .ipc.planes import digest_of

SUFFIXES = (".icc", ".icm")
WITHOUT_FILE = ("sRGB built-in", "")
"""LittleCMS's own sRGB, which lies in no file, and a selection's profile."""
HEADER = 128


class Profiles:
    """The profiles found in some folders and below; searched once, by whoever asks first."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = list(folders)
        self._searching = threading.Lock()
        self._found: Optional[Dict[str, Path]] = None
        self._names: Dict[str, str] = {}

    def files(self) -> Dict[str, Path]:
        """Files of the profiles by name."""
        with self._searching:
            if self._found is None:
                self._found = {}
                for file in _profile_files(self._folders):
                    name = description(file)
                    if name is not None:
                        self._found.setdefault(name, file)
            return self._found

    def __contains__(self, name: str) -> bool:
        return name in WITHOUT_FILE or name.strip() in self.files()

    def icc(self, name: str) -> Optional[bytes]:
        """Bytes of the profile of that name, None where it has none. Raises KeyError."""
        if name in WITHOUT_FILE:
            return None
        data = self.files()[name.strip()].read_bytes()
        self._names[digest_of(data)] = name
        return data

    def name(self, icc: Optional[bytes]) -> Optional[str]:
        """Krita's name of a profile that `icc` gave earlier; None for sRGB. Raises KeyError."""
        return None if icc is None else self._names[digest_of(icc)]


def system_folders() -> Iterator[Path]:
    """Where this kind of system keeps profiles beside Krita's own."""
    if sys.platform == "win32":
        yield Path("C:/Windows/System32/spool/drivers/color")
    elif sys.platform == "darwin":
        for root in (Path("/"), Path("/System"), Path.home()):
            yield root / "Library/ColorSync/Profiles"
    else:
        yield Path("/usr/share/color/icc")
        yield Path("/usr/local/share/color/icc")
        yield Path.home() / ".color/icc"


def description(file: Path) -> Optional[str]:
    """The profile's name: its description tag. None where the file is no profile."""
    try:
        data = file.read_bytes()
        if data[36:40] != b"acsp":
            return None
        (count,) = struct.unpack_from(">I", data, HEADER)
        for entry in range(count):
            tag, start, size = struct.unpack_from(">4sII", data, HEADER + 4 + 12 * entry)
            if tag == b"desc":
                return _text(data[start : start + size]).strip()
    except (OSError, struct.error, UnicodeDecodeError):
        return None
    return None


def _text(tag: bytes) -> str:
    """Text of a description tag: ASCII in version 2, several languages in version 4."""
    if tag[:4] != b"mluc":
        (length,) = struct.unpack_from(">I", tag, 8)
        return tag[12 : 12 + length].split(b"\0")[0].decode("ascii", "replace")
    count, record = struct.unpack_from(">II", tag, 8)
    texts = {}
    for entry in range(count):
        language, size, start = struct.unpack_from(">2s2xII", tag, 16 + record * entry)
        texts[language] = tag[start : start + size].decode("utf-16-be")
    return texts.get(b"en", next(iter(texts.values()), ""))


def _profile_files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir():
            for file in sorted(folder.rglob("*")):
                if file.suffix.lower() in SUFFIXES:
                    yield file
