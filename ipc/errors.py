"""Errors as a person reads them: a code, one sentence, and the next step.

Every code has an anchor in docs/troubleshooting.md. The command line ends with exit status 2 for
codes in BAD_INPUT and with 1 for those in FAILURES.
"""

from typing import Any, Dict

BAD_INPUT = {
    "bad-file": "a file is not a picture, is damaged or is of an unknown type",
    "bad-message": "a message on the wire is malformed, truncated or too large",
    "bad-network": "a network's file does not fit the role that it was given",
    "bad-parameter": "a parameter's value is of the wrong type or out of range",
    "bad-profile": "a colour profile cannot be read",
    "cannot-write": "the result cannot be written where it should go",
    "empty-layer": "a layer has no pixels",
    "empty-line-art": "the line art has no lines, or nothing but ink",
    "empty-mask": "the mask or selection has no pixel inside",
    "full-mask": "the mask or selection leaves nothing of the picture outside",
    "missing-file": "a file is not there",
    "missing-input": "an input that the operation needs was not given",
    "no-document": "no document is open in the editor",
    "no-subject": "no subject was found in the picture",
    "size-mismatch": "the inputs are not of the same size",
    "too-large": "the job needs more memory than there is",
    "unknown-input": "the operation has no such input",
    "unknown-network": "there is no network for that role, or it has no such variant",
    "unknown-operation": "there is no such operation",
    "unknown-parameter": "the operation has no such parameter",
    "unsupported-model": "the colour model is not RGB or grey",
}
FAILURES = {
    "cancelled": "the job was cancelled",
    "cannot-install": "the editor or its plug-in folder cannot be found or written",
    "damaged-network": "a network's file is missing or is not what its digest says",
    "engine-lost": "the connection to the engine broke",
    "engine-not-found": "the engine's program cannot be found",
    "engine-not-running": "no engine is running",
    "engine-start-failed": "the engine did not start",
    "internal": "something failed inside the engine",
    "layer-changed": "the layer changed while it was being read",
    "timed-out": "the engine did not answer in time",
    "unsafe-connection": "other users can read or write the connection file",
    "version-mismatch": "plug-in and engine speak different protocol versions",
    "worker-crashed": "the worker process died during the job",
    "wrong-secret": "the engine refused the connection's secret",
}
CODES = dict(BAD_INPUT, **FAILURES)
"""Every code with what it means; tests hold it and docs/troubleshooting.md to each other."""


class LimnerError(Exception):
    """Something the person can act on.

    code: one of CODES; sentence: what happened; next_step: what to do now.
    """

    def __init__(self, code: str, sentence: str, next_step: str) -> None:
        if code not in CODES:
            raise ValueError(f"unknown error code {code!r}")
        super().__init__(f"{sentence} {next_step}")
        self.code = code
        self.sentence = sentence
        self.next_step = next_step

    @property
    def is_bad_input(self) -> bool:
        """Whether the person's input was at fault, rather than something inside."""
        return self.code in BAD_INPUT

    def to_fields(self) -> Dict[str, str]:
        """The fields of an `error` message."""
        return {"code": self.code, "sentence": self.sentence, "next_step": self.next_step}

    @classmethod
    def from_fields(cls, fields: Dict[str, Any]) -> "LimnerError":
        """An error as it came over the wire; a newer engine's unknown code reads as `internal`."""
        code = fields.get("code")
        return cls(
            code if code in CODES else "internal",
            str(fields.get("sentence", "The engine reported an error without words.")),
            str(fields.get("next_step", "Run 'limner doctor' and look at the log.")),
        )
