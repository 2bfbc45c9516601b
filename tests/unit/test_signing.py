"""What leaves the house is signed with a key that stays."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from models.errors import BadInput
from traffic.signing import KEY_FILE, SigningKey


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    first = SigningKey.at(tmp_path / "data")
    path = tmp_path / "data" / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SigningKey.at(tmp_path / "data").fingerprint == first.fingerprint
    assert SigningKey.at(tmp_path / "other").fingerprint != first.fingerprint
    assert [item.name for item in (tmp_path / "data").iterdir()] == [KEY_FILE]
    assert "BEGIN" not in repr(first)


def test_a_signature_holds_for_these_bytes_alone(tmp_path: Path) -> None:
    key = SigningKey.at(tmp_path)
    public = load_pem_public_key(key.public_pem)
    assert isinstance(public, Ed25519PublicKey)
    signature = key.sign(b"evidence")
    public.verify(signature, b"evidence")
    with pytest.raises(InvalidSignature):
        public.verify(signature, b"evidence.")
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.fingerprint == hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_a_file_that_is_no_key_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(content)
    with pytest.raises(BadInput, match="valid is a private Ed25519 key"):
        SigningKey.at(tmp_path)
