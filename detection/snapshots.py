"""The last seconds of a camera, kept for evidence in bounded memory."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from detection.ports import Image
from detection.tracking import TrackState
from models.signals import SignalState

JPEG_QUALITY: Final = 92


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One frame with its tracks; ``jpeg`` is None where the camera has no picture."""

    frame: int
    time_s: float
    tracks: tuple[TrackState, ...]
    signal: SignalState
    jpeg: bytes | None

    def image(self) -> Image | None:
        """The picture, decoded."""
        if self.jpeg is None:
            return None
        image = cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR)
        return None if image is None else np.asarray(image, np.uint8)


def encode_jpeg(image: Image, quality: int = JPEG_QUALITY) -> bytes:
    """An image as JPEG."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"cannot encode an image of shape {image.shape}")
    return bytes(data)


class SnapshotBuffer:
    """Snapshots of the last ``keep_s`` seconds, at most ``max_frames`` of them."""

    def __init__(self, keep_s: float, max_frames: int) -> None:
        self._keep_s = keep_s
        self._items: deque[Snapshot] = deque(maxlen=max_frames)

    def add(
        self,
        frame: int,
        time_s: float,
        tracks: tuple[TrackState, ...],
        signal: SignalState,
        image: Image | None,
    ) -> None:
        """Keep a frame and let go of those that are too old."""
        jpeg = None if image is None else encode_jpeg(image)
        self._items.append(Snapshot(frame, time_s, tracks, signal, jpeg))
        while self._items and time_s - self._items[0].time_s > self._keep_s:
            self._items.popleft()

    def between(self, start_s: float, end_s: float) -> list[Snapshot]:
        """Snapshots from ``start_s`` to ``end_s``, oldest first."""
        return [item for item in self._items if start_s - 1e-9 <= item.time_s <= end_s + 1e-9]
