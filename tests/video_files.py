"""Small videos with a will of their own: a varying rate, a clock that jumps."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

_NESTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def write_video(path: Path, pictures: Iterable[np.ndarray], rate_hz: float, codec: str) -> Path:
    writer = None
    for picture in pictures:
        if writer is None:
            size = (picture.shape[1], picture.shape[0])
            code = cv2.VideoWriter.fourcc(*codec)
            writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, rate_hz, size)
        writer.write(picture)
    assert writer is not None
    writer.release()
    return path


def set_times(path: Path, steps_s: Sequence[float]) -> None:
    """Give the frames of an MP4 these durations (its table of times, ISO 14496-12, 8.6.1.2)."""
    data = path.read_bytes()
    scale = _media_scale(data)
    rows = b"".join(struct.pack(">II", 1, round(step_s * scale)) for step_s in steps_s)
    table = struct.pack(">II", 0, len(steps_s)) + rows
    path.write_bytes(_rebuilt(data, table, round(sum(steps_s) * scale)))


def _media_scale(data: bytes) -> int:
    at = data.index(b"mdhd") + 4 + 4 + 8
    return int(struct.unpack(">I", data[at : at + 4])[0])


def _rebuilt(data: bytes, table: bytes, length: int) -> bytes:
    out, at = b"", 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + size]
        if kind in _NESTS:
            body = _rebuilt(body, table, length)
        elif kind == b"stts":
            body = table
        elif kind == b"edts":
            kind = b"free"  # it would cut the video to its old length
        elif kind == b"mdhd":
            body = body[:16] + struct.pack(">I", length) + body[20:]
        out += struct.pack(">I4s", len(body) + 8, kind) + body
        at += size
    return out
