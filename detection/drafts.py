"""Folders that are being written: hidden beside their place until they are whole.

A draft is locked (``flock``) while its process lives, so what a killed process left behind can be
told from what another one is writing, and is removed.
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
import time
from pathlib import Path

_UNLOCKED_S = 60.0
"""A younger folder may have been made and not locked yet."""


class Draft:
    """A hidden folder beside ``target``, on the same disk, so that renaming is possible.

    ``folder`` may be moved away; ``release`` forgets it.
    """

    def __init__(self, target: Path) -> None:
        """Make it, with the folders above.

        Raises:
            OSError: If it cannot be made.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        self._held = os.open(self.folder, os.O_RDONLY)
        fcntl.flock(self._held, fcntl.LOCK_EX)

    def release(self) -> None:
        """Let go of it and remove what is still there; doing so again does nothing."""
        if self._held >= 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            os.close(self._held)
            self._held = -1


def remove_left_over(parent: Path, name: str | None = None) -> None:
    """Remove drafts in a folder, of one target or of any, whose process is gone."""
    wanted = "*" if name is None else glob.escape(name)
    for folder in parent.glob(f".{wanted}.????????"):
        try:
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - os.fstat(held).st_mtime > _UNLOCKED_S:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass  # somebody is writing it
        finally:
            os.close(held)
