"""What a user reads when something is wrong."""

from __future__ import annotations

import pickle

import pytest

from models.errors import BadInput


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://user:secret@10.0.0.7/live", "rtsp://***@10.0.0.7/live"),
        ("http://secret@cam/a@b", "http://***@cam/a@b"),
        ("rtsp://10.0.0.7/a@b", "rtsp://10.0.0.7/a@b"),
        ("clip@home.mp4", "clip@home.mp4"),
    ],
)
def test_a_line_never_shows_a_password(source: str, shown: str) -> None:
    error = BadInput(source, "", f"no frame from {source}")
    assert str(error) == f"{shown}: no frame from {shown}"
    assert error.source == source
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
