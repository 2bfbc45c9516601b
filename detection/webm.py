"""Writing pictures as a WebM video (VP8), which browsers play.

Of the codecs that OpenCV's FFmpeg brings, VP8 takes a fifth of VP9's processor time; H.264 is not
among them, and MPEG-4 plays in no browser.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import cv2

from models.errors import XanhError

_CODEC: Final = "VP80"
_LENGTH_AT: Final = 4
"""The file begins with the four bytes that say that it is EBML."""
_SEGMENT: Final = bytes.fromhex("18538067")


def open_webm(path: Path, rate_hz: float, size_px: tuple[int, int]) -> Any:
    """A ``cv2.VideoWriter`` for pictures of this size; release it at the end.

    Raises:
        XanhError: If OpenCV cannot write such a video here.
    """
    with _quiet():
        writer = cv2.VideoWriter(
            str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*_CODEC), rate_hz, size_px
        )
    if not writer.isOpened():
        raise XanhError(f"{path}: OpenCV cannot write VP8 video here")
    return writer


def check_webm(path: Path) -> None:
    """Refuse a file of :func:`open_webm` that was not written to its end.

    OpenCV's writer does not tell. The length of the one segment (RFC 9559, 5.1) is written last;
    it must be what is there.

    Raises:
        XanhError: If it breaks off.
    """
    with path.open("rb") as file:
        begin = file.read(256)
    at = _LENGTH_AT + _element_bytes(begin, _LENGTH_AT)  # behind the head of the file
    at += len(_SEGMENT)
    if begin[at - len(_SEGMENT) : at] != _SEGMENT or (
        at + _element_bytes(begin, at) != path.stat().st_size
    ):
        raise XanhError(f"{path.name}: could not be written to its end; is the disk full?")


def _element_bytes(data: bytes, at: int) -> int:
    """Bytes of an element's length and of what it is the length of (RFC 8794, 4)."""
    first = data[at] if at < len(data) else 0
    width = 9 - first.bit_length()
    number = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
    return width + number


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV tells the terminal, past every log level, that WebM needs no codec tag."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
