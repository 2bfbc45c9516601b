"""The two errors a user can meet, each one clear line."""

from __future__ import annotations

import re
from typing import Final

_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]+@")


class XanhError(Exception):
    """Something expected went wrong; the message is one line for a person (exit code 1)."""


class BadInput(XanhError):
    """Input that cannot be used (exit code 2): names the thing, the field and what is valid."""

    def __init__(self, source: str, field: str, valid: str) -> None:
        """Build the line ``source: field: valid``.

        A user and password within an address are left out: the line may end up in a log.

        Args:
            source: The file (with line, when known) or the thing that was given.
            field: The field within it; empty when the whole thing is meant.
            valid: What is wrong and what would be valid.
        """
        self.source = source
        self.field = field
        self.valid = valid
        line = ": ".join(part for part in (source, field, valid) if part)
        super().__init__(_CREDENTIALS.sub("***@", line))

    def __reduce__(self) -> tuple[type[BadInput], tuple[str, str, str]]:
        return BadInput, (self.source, self.field, self.valid)
