"""The key with which an installation signs what leaves it (Ed25519, RFC 8032).

Whoever holds the public key checks a signature without Xanh, with OpenSSL alone.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from models.errors import BadInput, XanhError

KEY_FILE = "signing-key.pem"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; it is never shown."""

    _private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def at(cls, folder: Path) -> SigningKey:
        """The key of this folder, made on first use; only its owner may read the file.

        Raises:
            BadInput: If the file holds no Ed25519 key.
            XanhError: If it cannot be read or written.
        """
        path = folder / KEY_FILE
        try:
            if not path.exists():
                _create(path)
            private = load_pem_private_key(path.read_bytes(), password=None)
        except OSError as error:
            raise XanhError(f"{path}: cannot be used: {error.strerror}") from None
        except (ValueError, TypeError):
            private = None
        if not isinstance(private, Ed25519PrivateKey):
            raise BadInput(str(path), "", "is no key; valid is a private Ed25519 key in PEM")
        return cls(private)

    def sign(self, content: bytes) -> bytes:
        """The signature of some bytes, 64 bytes."""
        return self._private.sign(content)

    @property
    def public_pem(self) -> bytes:
        """The public key as PEM."""
        return self._private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key (DER), hexadecimal: what an authority publishes."""
        der = self._private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.sha256(der).hexdigest()


def _create(path: Path) -> None:
    """Write a new key; of two processes that do so at once one wins."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(pem)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        Path(draft).unlink(missing_ok=True)
