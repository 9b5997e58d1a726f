"""Messages: a JSON header and raw frames (docs/protocol.md).

The header's `type` says what it is; `frames`, where present, lists the sha256 of each frame that
follows, in order. Unknown fields are ignored by whoever reads them.
"""

import json
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

from .errors import LimnerError
from .planes import Buffer

MAX_HEADER = 4 << 20
"""Largest header in bytes; pixels never travel in it."""
MAX_FRAMES = 512
"""Most frames after the header."""


class Message(NamedTuple):
    """A message taken apart. frames: the raw frames by digest, as the header names them."""

    type: str
    header: Dict[str, Any]
    frames: Dict[str, Buffer]


def encode(type: str, header: Mapping[str, Any], frames: Mapping[str, Buffer]) -> List[Buffer]:
    """The message as the parts of a ZeroMQ multipart message. frames: by their digest."""
    fields = dict(header, type=type)
    if frames:
        fields["frames"] = list(frames)
    return [json.dumps(fields, separators=(",", ":")).encode(), *frames.values()]


def decode(parts: Sequence[Buffer]) -> Message:
    """Takes a multipart message apart. Raises LimnerError bad-message."""
    if not parts:
        raise _bad("it is empty")
    if len(parts) > MAX_FRAMES + 1:
        raise _bad(f"it has {len(parts)} parts, and {MAX_FRAMES + 1} are the most")
    if memoryview(parts[0]).nbytes > MAX_HEADER:
        raise _bad(f"its header has {memoryview(parts[0]).nbytes} bytes; {MAX_HEADER} are the most")
    try:
        # A hostile header may nest deeper than the parser's stack or name a huge number.
        header = json.loads(bytes(parts[0]).decode())
    except (ValueError, RecursionError) as error:
        raise _bad("its header is not JSON") from error
    if not isinstance(header, dict) or not isinstance(header.get("type"), str):
        raise _bad("its header has no type")
    names = header.get("frames", [])
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise _bad("its list of frames is not a list of digests")
    if len(names) != len(parts) - 1:
        raise _bad(f"it announces {len(names)} frames and has {len(parts) - 1}")
    return Message(header["type"], header, dict(zip(names, parts[1:])))


def _bad(what: str) -> LimnerError:
    return LimnerError(
        "bad-message",
        f"A message could not be read: {what}.",
        "Update the plug-in and the engine to the same version and try again.",
    )
