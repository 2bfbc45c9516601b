"""The time of a live frame, from the stream's own timestamps tied to this machine's clock.

Frames arrive in bursts when a network stalls, so their arrival is a poor clock; the stream's
timestamps are even, but start anywhere and may be made up by a camera from its nominal rate. The
smallest delay seen between timestamp and arrival ties one to the other. Timestamps that do not
keep pace with arrival are not believed again.
"""

from __future__ import annotations

from typing import Final

LATE_S: Final = 2.0
"""A frame this much later than its timestamp says is in a stall, or the timestamps run slow."""
STALL_S: Final = 4.0
"""A stall ends within this time: what stays late does not keep pace."""
DRIFT: Final = 2e-4
"""Two clocks may drift apart so much per second."""
TRUSTED_REBASES: Final = 2


class StreamClock:
    """Times of one connection's frames, strictly ascending."""

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._late_since_s: float | None = None
        self._last: tuple[float, float, float] | None = None
        self._rebases = 0

    @property
    def trusts_stream(self) -> bool:
        """Whether the stream's timestamps are still believed."""
        return self._rebases <= TRUSTED_REBASES

    def time_of(self, arrival_s: float, stream_s: float | None) -> float | None:
        """The time of a frame in the clock of ``arrival_s``; None if it is not after the last.

        Args:
            arrival_s: When it came.
            stream_s: Its timestamp, in seconds from anywhere; None if the stream has none.
        """
        time_s = arrival_s
        if stream_s is not None and self.trusts_stream:
            time_s = stream_s + self._tied(arrival_s, stream_s)
        if self._last is not None and time_s <= self._last[0]:
            return None
        self._last = (time_s, arrival_s, stream_s or 0.0)
        return time_s

    def _tied(self, arrival_s: float, stream_s: float) -> float:
        """What to add to a timestamp."""
        delay_s = arrival_s - stream_s
        if self._offset_s is None or self._last is None:
            self._offset_s = delay_s
            return delay_s
        since_s = arrival_s - self._last[1]
        # A timestamp that goes back, or leaps ahead of the time that passed, begins a new count.
        leapt = stream_s < self._last[2] or stream_s - self._last[2] > since_s + LATE_S + STALL_S
        self._offset_s = min(self._offset_s + DRIFT * since_s, delay_s)
        late = delay_s - self._offset_s > LATE_S
        if not late:
            self._late_since_s = None
        elif self._late_since_s is None:
            self._late_since_s = arrival_s
        stays_late = self._late_since_s is not None and arrival_s - self._late_since_s > STALL_S
        if leapt or stays_late:
            self._offset_s, self._late_since_s = delay_s, None
            self._rebases += 1
        return self._offset_s
