"""A file played as if it were a camera: at its own pace, and what comes too late is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator

from detection.ports import Frame, FrameSource
from models.health import HealthEvent


class Playback:
    """Gives the frames of a file or folder at the moments that their times say.

    It has what a live source has (``next``, ``silent_s``, ``dropped``, ``began_s``), so that a
    service can be tried out on a clip. At its end it stays silent.
    """

    def __init__(self, source: FrameSource) -> None:
        """Start playing; the first frame is due now."""
        self._source = source
        self._frames: Iterator[Frame] = iter(source)
        self._due: Frame | None = next(self._frames, None)
        self._last_s = 0.0
        self.began_s = time.monotonic()
        self.dropped = 0

    @property
    def faults(self) -> tuple[HealthEvent, ...]:
        """What went wrong with the file so far."""
        return tuple(self._source.faults)

    @property
    def silent_s(self) -> float:
        """How long nothing has come."""
        return time.monotonic() - self.began_s - self._last_s

    def next(self, timeout_s: float) -> Frame | None:
        """The newest frame that is due and was not given yet; None when none is due in time."""
        if self._due is None:
            time.sleep(timeout_s)
            return None
        wait_s = self._due.time_s - (time.monotonic() - self.began_s)
        if wait_s > 0:
            time.sleep(min(wait_s, timeout_s))
        newest: Frame | None = None
        now_s = time.monotonic() - self.began_s
        while self._due is not None and self._due.time_s <= now_s:
            self.dropped += newest is not None
            newest, self._due = self._due, next(self._frames, None)
        if newest is not None:
            self._last_s = newest.time_s
        return newest

    def close(self) -> None:
        """Close the file."""
        self._source.close()
