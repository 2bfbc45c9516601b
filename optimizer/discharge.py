"""How queues really leave: saturation headways and full roads' intake, learned at the line.

A lane's saturation headway depends on its turn's radius, its speed and what comes behind the
junction; no formula knows it. What a full road takes depends on a signal further on. So seconds
and vehicles are counted while a queue leaves, or wants to enter; their quotient, with a prior
that counts as some of them, is what the planner uses from then on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from models.policy import Approaching
from optimizer.prediction import ACCEL_MPS2, STANDING_MPS, arrival_s

# A headway's prior counts as so many vehicles; older ones count half from so many on.
PRIOR_VEH = 10.0
MEMORY_VEH = 60.0
# A headway learned is no shorter, and no longer, than these parts of its prior.
LEAST, MOST = 0.7, 2.0
# A drain's prior counts as so many seconds; older ones count half from so many on.
DRAIN_PRIOR_S = 20.0
DRAIN_MEMORY_S = 120.0
# One who is slower than this share of the free speed, and could be at the line within so long,
# follows in the queue of those who cross.
QUEUED = 0.75
FOLLOWS_S = 3.5
# Nobody crossed for so long: what holds the queue is no slow discharge.
BROKEN_S = 8.0
# More do not cross one line within a second.
MOST_CROSS = 3


@dataclass(slots=True)
class Discharge:
    """One stream's headway: seconds of discharge and vehicles that crossed in them."""

    seconds: float = 0.0
    vehicles: float = 0.0

    def add(self, seconds: float, vehicles: int) -> None:
        """So many crossed in so many seconds of a queue's discharge."""
        self.seconds += seconds
        self.vehicles += vehicles
        if self.vehicles > MEMORY_VEH:
            self.seconds *= 0.5
            self.vehicles *= 0.5

    def headway_s(self, prior_s: float) -> float:
        """The headway learned, starting from a prior."""
        learned_s = (self.seconds + PRIOR_VEH * prior_s) / (self.vehicles + PRIOR_VEH)
        return min(MOST * prior_s, max(LEAST * prior_s, learned_s))


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
        learned: Headway by stream.
        since_s: Since the last one crossed, while a queue leaves.
    """

    def __init__(self, excess_s: Sequence[float]) -> None:
        """``excess_s`` is what a starting queue's first headways exceed the others by."""
        self.gone: list[int] = []
        self.learned: dict[int, Discharge] = {}
        self._excess_s = excess_s
        self._before: tuple[Approaching, ...] = ()
        self._streams: list[int] = []
        self._leader = -1
        self.since_s = 0.0
        self._started = 0

    @property
    def discharging(self) -> bool:
        """Whether a queue is leaving now."""
        return self._leader >= 0

    @property
    def most_started(self) -> int:
        """So many vehicles after the start of a queue its headways are the others'."""
        return len(self._excess_s)

    def headway_s(self, stream: int, prior_s: float) -> float:
        """The headway behind a vehicle of a stream."""
        learned = self.learned.get(stream)
        return learned.headway_s(prior_s) if learned else prior_s

    def see(
        self,
        vehicles: tuple[Approaching, ...],
        streams: Sequence[int],
        protected: Collection[int],
        free_mps: float,
    ) -> None:
        """Take in a second with full sight.

        Args:
            vehicles: Who is on the way to the line, nearest first.
            streams: Their streams, at least of the first ``MOST_CROSS``.
            protected: Streams that need not give way now.
            free_mps: Speed on the empty lane.
        """
        gone = self._streams[: crossings(self._before, vehicles)]
        stood = bool(self._before) and self._before[0].speed_mps < STANDING_MPS
        self._before = vehicles
        self._streams = list(streams[:MOST_CROSS])
        follows = (
            bool(vehicles)
            and streams[0] in protected
            and vehicles[0].speed_mps < QUEUED * free_mps
            and arrival_s(vehicles[0].distance_m, vehicles[0].speed_mps, free_mps) <= FOLLOWS_S
        )
        self.count(gone, follows, stood, protected)

    def count(
        self, gone: list[int], follows: bool, stood: bool, protected: Collection[int]
    ) -> None:
        """Take in a second: who crossed, and whether the next of a queue follows.

        ``stood`` tells whether the first of them had stood at the line.
        """
        self.gone = gone
        if self._leader < 0:
            if gone and follows and gone[-1] in protected:
                self._leader, self.since_s = gone[-1], 0.0
                self._started = 0 if stood else len(self._excess_s)
            return
        self.since_s += 1.0
        if gone:
            extra_s = sum(self._excess_s[self._started : self._started + len(gone)])
            self._started += len(gone)
            discharge = self.learned.setdefault(self._leader, Discharge())
            discharge.add(max(0.0, self.since_s - extra_s), len(gone))
            self._leader, self.since_s = (gone[-1] if follows else -1), 0.0
        elif not follows or self.since_s > BROKEN_S:
            self._leader = -1


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
