"""What is seen at the line: whether a queue is leaving, and what a full road still takes.

What a full road takes depends on a signal further on; no formula knows it. So seconds and vehicles
are counted while somebody wants to enter it; their quotient, with a prior that counts as some
seconds, is what the planner uses from then on.

Learning each stream's saturation headway in the same way was tried and left out: a queue that is
held up behind the line, or by a full pocket beside it, looks like a slow one, and a lane taken for
slow is given green at the expense of those that flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.policy import Approaching
from optimizer.prediction import ACCEL_MPS2

# A drain's prior counts as so many seconds; older ones count half from so many on.
DRAIN_PRIOR_S = 20.0
DRAIN_MEMORY_S = 120.0
# Nobody crossed for so long: what holds the queue is no slow discharge.
BROKEN_S = 8.0
# More do not cross one line within a second.
MOST_CROSS = 3


@dataclass(slots=True)
class Drain:
    """What a full road still takes: vehicles that entered it while somebody wanted to."""

    seconds: float = 0.0
    vehicles: float = 0.0

    def see(self, entered: int) -> None:
        """Take in a second in which the road was full and somebody had green towards it."""
        self.seconds += 1.0
        self.vehicles += entered
        if self.seconds > DRAIN_MEMORY_S:
            self.seconds *= 0.5
            self.vehicles *= 0.5

    def per_s(self, prior_per_s: float) -> float:
        """Vehicles a second, starting from a prior."""
        return (self.vehicles + DRAIN_PRIOR_S * prior_per_s) / (self.seconds + DRAIN_PRIOR_S)


class LaneWatch:
    """One lane's line, second by second.

    Attributes:
        gone: Streams of those who crossed in the last second.
        discharging: Whether a queue is leaving now.
        since_s: Since the last one crossed, while a queue leaves.
    """

    def __init__(self) -> None:
        self.gone: list[int] = []
        self.discharging = False
        self._before: tuple[Approaching, ...] = ()
        self._streams: list[int] = []
        self.since_s = 0.0

    def see(self, vehicles: tuple[Approaching, ...], streams: Sequence[int]) -> None:
        """Take in a second with full sight.

        Args:
            vehicles: Who is on the way to the line, nearest first.
            streams: Their streams, at least of the first ``MOST_CROSS``.
        """
        self.gone = self._streams[: crossings(self._before, vehicles)]
        self._before = vehicles
        self._streams = list(streams[:MOST_CROSS])

    def count(self, gone: list[int], *, follows: bool) -> None:
        """Take in a second of detectors: who crossed, and whether the next of a queue follows."""
        self.gone = gone
        if not self.discharging:
            self.discharging, self.since_s = bool(gone) and follows, 0.0
            return
        self.since_s += 1.0
        if gone:
            self.discharging, self.since_s = follows, 0.0
        elif not follows or self.since_s > BROKEN_S:
            self.discharging = False


def crossings(before: tuple[Approaching, ...], after: tuple[Approaching, ...]) -> int:
    """How many of the first have crossed the line within a second.

    Whoever is first now was the one before whose way since then fits best.
    """
    near = before[: MOST_CROSS + 1]
    if not near:
        return 0
    if not after:
        return sum(item.distance_m <= item.speed_mps + ACCEL_MPS2 for item in near[:MOST_CROSS])
    first = after[0]
    errors = [
        abs(item.distance_m - (item.speed_mps + first.speed_mps) / 2.0 - first.distance_m)
        for item in near
    ]
    return errors.index(min(errors))
