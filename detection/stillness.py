"""What has not moved: the share of a box whose pixels changed within the last half second.

A detector's boxes jump about in a dense queue: now a rider, now a rider with machine, now two
riders in one box. The picture below them does not change. A box over unchanged pixels therefore
shows something that stands, whatever the boxes do, and its track is held where it is.

The picture is compared at a small scale with one of about ``REACH_S`` before, so that even a
creeping rider has moved by a few pixels; a summed-area table then gives the share for any number
of boxes at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from detection.ports import FloatArray, Image

WIDTH_PX: Final = 320
REACH_S: Final = 0.42
"""Two to three frames at 6 a second."""
LEAST_CHANGE: Final = 11.0
"""Grey levels; the camera's noise, blurred, stays below."""
NOISE_FACTOR: Final = 4.0
MOST_NOISE: Final = 12.0
"""More than this, everywhere, is a flash, a shaking camera, or no picture of a street."""
CORE: Final = 0.15
"""The border of a box shows its surroundings: so much is left out on each side."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Where the picture changed lately; answers for boxes in the picture's own pixels."""

    table: npt.NDArray[np.int32]
    scale: tuple[float, float]

    def shares(self, boxes: FloatArray) -> FloatArray:
        """Share (N,) from 0 to 1 of each box (N, 4) whose pixels changed."""
        if len(boxes) == 0:
            return np.zeros(0)
        height, width = self.table.shape[0] - 1, self.table.shape[1] - 1
        size = boxes[:, 2:] - boxes[:, :2]
        low = (boxes[:, :2] + CORE * size) * self.scale
        high = (boxes[:, 2:] - CORE * size) * self.scale
        limit = np.array([width, height])
        low = np.clip(np.floor(low), 0, limit - 1).astype(np.int64)
        high = np.clip(np.ceil(high), low + 1, limit).astype(np.int64)
        changed = (
            self.table[high[:, 1], high[:, 0]]
            - self.table[low[:, 1], high[:, 0]]
            - self.table[high[:, 1], low[:, 0]]
            + self.table[low[:, 1], low[:, 0]]
        )
        shares: FloatArray = changed / np.prod(high - low, axis=1)
        return shares

    def calmer_half(self, boxes: FloatArray) -> FloatArray:
        """The lesser of the shares (N,) of the upper and of the lower half of each box."""
        upper, lower = boxes.copy(), boxes.copy()
        upper[:, 3] = lower[:, 1] = (boxes[:, 1] + boxes[:, 3]) / 2
        return np.minimum(self.shares(upper), self.shares(lower))


def _median(grey: Image) -> int:
    """Median of grey levels, from their histogram."""
    counts = np.bincount(grey.ravel(), minlength=256).cumsum()
    return int(np.searchsorted(counts, counts[-1] / 2))


class StillnessWatch:
    """Compares each picture of a camera with one from shortly before."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, Image]] = deque(maxlen=32)

    def look(self, time_s: float, image: Image) -> Changes | None:
        """What changed up to this picture; None where that cannot be told."""
        height, width = image.shape[:2]
        size = (WIDTH_PX, max(round(height * WIDTH_PX / width), 1))
        # Of a large picture every n-th pixel will do; means of four take the noise away.
        step = max(width // (2 * WIDTH_PX), 1)
        picked = cv2.resize(image[::step, ::step], size, interpolation=cv2.INTER_LINEAR)
        small: Image = np.asarray(
            cv2.blur(cv2.cvtColor(picked, cv2.COLOR_BGR2GRAY), (3, 3)), np.uint8
        )
        while len(self._past) > 1 and time_s - self._past[1][0] >= REACH_S - 1e-6:
            self._past.popleft()
        past = self._past[0] if self._past else None
        self._past.append((time_s, small))
        # After a gap nothing says what stood still in between; after one in which the picture hung
        # (:mod:`detection.health`) it is the same because it is the same picture.
        if past is None or not 0.5 * REACH_S <= time_s - past[0] <= 2.1 * REACH_S:
            return None
        difference = cv2.absdiff(small, past[1])
        # The median is the noise: at most times most of a street does not move.
        noise = _median(difference[::4, ::4])
        if noise > MOST_NOISE:
            return None
        limit = max(LEAST_CHANGE, NOISE_FACTOR * noise)
        _, changed = cv2.threshold(difference, limit, 1, cv2.THRESH_BINARY)
        table = np.asarray(cv2.integral(changed), np.int32)
        return Changes(table, (size[0] / width, size[1] / height))
