"""Folders for the files of a run, below the system's temporary folder, gone when it ends.

A killed process cannot clean up. Each folder is locked (``flock``) while its process lives, so the
next start of a command finds what was left behind and removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType

_PREFIX = "xanh-"
_UNLOCKED_S = 60.0
"""A younger folder may have been made and not locked yet."""


class Scratch:
    """A temporary folder, ``path``: used as a context, or closed by its owner."""

    def __init__(self, purpose: str) -> None:
        """Make it; ``purpose`` stands in its name."""
        self._folder = tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{purpose}-")
        self.path = Path(self._folder.name)
        self._held = os.open(self.path, os.O_RDONLY)
        fcntl.flock(self._held, fcntl.LOCK_EX)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove it; doing so again does nothing."""
        if self._held >= 0:
            self._folder.cleanup()
            os.close(self._held)
            self._held = -1


def remove_left_over() -> None:
    """Remove the user's own scratch folders whose process is gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            made = os.fstat(held)
            if made.st_uid == os.getuid() and time.time() - made.st_mtime > _UNLOCKED_S:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass  # its process lives
        finally:
            os.close(held)
