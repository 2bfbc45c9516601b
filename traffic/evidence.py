"""Evidence files on disk, named by their content; the database holds names and hashes only."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from models.errors import BadInput, XanhError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_STALE_S = 3600.0
MEDIA_TYPES: Mapping[str, str] = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webm": "video/webm",
    ".mp4": "video/mp4",
    ".json": "application/json",
}


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """One file of a case: the name it had, and the hash and size in bytes of its content."""

    name: str
    sha256: str
    size: int

    @property
    def media_type(self) -> str:
        """Media type by the name's ending."""
        return MEDIA_TYPES.get(Path(self.name).suffix.lower(), "application/octet-stream")

    def to_dict(self) -> dict[str, str | int]:
        """Plain values for the case's row."""
        return {"name": self.name, "sha256": self.sha256, "size": self.size}


class EvidenceFiles:
    """A folder of content-addressed files: ``aa/bb...`` is the SHA-256 of what is inside.

    A file is written under another name, flushed to disk and renamed, so that a name always
    holds the whole content. Nothing is ever overwritten.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / ".incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        for left in self._incoming.iterdir():
            # A crash leaves its temporary file; a younger one may be another process at work.
            if time.time() - left.stat().st_mtime > _STALE_S:
                left.unlink(missing_ok=True)

    def put(self, folder: Path) -> tuple[EvidenceFile, ...]:
        """Store every file directly in a folder; returns them sorted by name.

        The caller writes the returned names into one row: until then the files are unused
        content, so a crash never leaves half a set behind a case.

        Raises:
            BadInput: If there is no such folder, or no file in it.
        """
        if not folder.is_dir():
            raise BadInput(str(folder), "", "is not a folder; valid is a folder of evidence files")
        paths = sorted(path for path in folder.iterdir() if path.is_file())
        if not paths:
            raise BadInput(str(folder), "", "holds no file; valid is at least one")
        return tuple(self._put_file(path) for path in paths)

    def _put_file(self, path: Path) -> EvidenceFile:
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        target = self._target(digest)
        if not target.exists():
            temporary = self._incoming / secrets.token_hex(16)
            try:
                with temporary.open("wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                target.parent.mkdir(parents=True, exist_ok=True)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
        return EvidenceFile(path.name, digest, len(content))

    def _target(self, sha256: str) -> Path:
        return self._root / sha256[:2] / sha256[2:]

    def path(self, sha256: str) -> Path:
        """Where the content with this hash lies.

        Raises:
            XanhError: If the hash is malformed or the content is not here.
        """
        if not _SHA256.fullmatch(sha256):
            raise XanhError("evidence is named by 64 hexadecimal digits")
        target = self._target(sha256)
        if not target.is_file():
            raise XanhError(f"evidence {sha256[:12]} is not in the store")
        return target

    def is_intact(self, sha256: str) -> bool:
        """Whether the content is here and still has this hash."""
        try:
            content = self.path(sha256).read_bytes()
        except (XanhError, OSError):
            return False
        return hashlib.sha256(content).hexdigest() == sha256
