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
