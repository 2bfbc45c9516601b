"""Passages of the stop line that nothing showed: the vehicle came over it hidden by a larger one.

In a dense discharge riders cross behind a bus and are first seen well inside the junction. Who
appears there, within the width of the approach, driving the way that leads from it, while or just
after its signal was green, came over the line: there is no other way to be there. Unless it is a
vehicle that was counted, hidden past the line, and has come out again; each of those explains one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detection.approach_signals import ApproachSignals
from detection.geometry import StopLine
from detection.trajectory import TrajectoryPoint
from models.camera import Point
from models.signals import SignalState

AFTER_GREEN_S: Final = 3.0
"""So long after green ended the last may still come out."""
LEAST_MPS: Final = 1.0


@dataclass(frozen=True, slots=True)
class HiddenSettings:
    """Who is taken to have crossed unseen.

    First seen ``least_m`` to ``most_m`` past the line, by its wheels, and at most ``beside_m``
    beyond the line's ends both there and where its way leads back to the line; followed for
    ``follow_s`` or more over ``travel_m`` or more. ``settle_s`` after the watch began whoever was
    in the junction before has left. A counted vehicle that was lost up to ``lost_s`` before, and
    may have driven there (``slack_m`` more or less than at its speed, ``aside_m`` aside), is it.
    """

    enabled: bool = True
    least_m: float = -0.5
    most_m: float = 15.0
    beside_m: float = 1.0
    follow_s: float = 0.5
    wait_s: float = 1.5
    travel_m: float = 3.0
    settle_s: float = 10.0
    lost_s: float = 8.0
    slack_m: float = 3.0
    aside_m: float = 2.0
    gain_mps2: float = 2.5


@dataclass(frozen=True, slots=True)
class _Lost:
    """A vehicle that crossed the line, at its last sighting."""

    time_s: float
    centre: Point
    speed_mps: float


class HiddenPassages:
    """Tells who came over one stop line unseen. Calibrated cameras only."""

    def __init__(self, line: StopLine, settings: HiddenSettings, signals: ApproachSignals) -> None:
        self._line = line
        self._settings = settings
        self._signals = signals
        self._began_s: float | None = None
        self._lost: deque[_Lost] = deque(maxlen=64)

    def may_have(self, time_s: float, wheels_m: float, wheels: Point) -> bool:
        """Whether one first seen at this depth and place may have crossed unseen."""
        s = self._settings
        if self._began_s is None:
            self._began_s = time_s
        return (
            s.enabled
            and s.least_m < wheels_m <= s.most_m
            and time_s - self._began_s >= s.settle_s
            and self._line.beside_m(wheels, (1.0, 1.0)) <= s.beside_m
        )

    def lost(self, point: TrajectoryPoint) -> None:
        """A vehicle that had crossed the line is seen no more since this sighting."""
        self._lost.append(_Lost(point.time_s, point.centre, point.speed_mps))

    def crossed_s(
        self, points: Sequence[TrajectoryPoint], wheels_m: float, unseen: Sequence[TrajectoryPoint]
    ) -> float | None:
        """When a vehicle crossed that was first seen past the line; None if it did not.

        Args:
            points: Its sightings; the first is the one that :meth:`may_have` was asked about.
            wheels_m: How far past the line its wheels were then.
            unseen: Last sightings of those who crossed and are not seen just now.
        """
        s = self._settings
        first = points[0]
        after = next((p for p in points if math.dist(p.centre, first.centre) >= s.travel_m), None)
        if after is None or points[-1].time_s - first.time_s < s.follow_s:
            return None
        way_m = math.dist(first.centre, after.centre)
        forward = [(b - a) / way_m for a, b in zip(first.centre, after.centre, strict=True)]
        inward = forward[0] * self._line.normal[0] + forward[1] * self._line.normal[1]
        if inward < 0.5:
            return None
        back_m = self._line.depth_m(first.centre, (1.0, 1.0)) / inward
        entry = (first.centre[0] - back_m * forward[0], first.centre[1] - back_m * forward[1])
        if self._line.beside_m(entry, (1.0, 1.0)) > s.beside_m:
            return None
        speed_mps = max(way_m / (after.time_s - first.time_s), LEAST_MPS)
        time_s = first.time_s - max(wheels_m, 0.0) / speed_mps
        if not self._on_green(time_s, first.time_s):
            return None
        if self._explained(first, (forward[0], forward[1]), speed_mps, unseen):
            return None
        return time_s

    def _on_green(self, from_s: float, to_s: float) -> bool:
        """Whether it was let in: else it is likelier that it came from elsewhere."""
        times = (from_s - AFTER_GREEN_S, from_s, (from_s + to_s) / 2, to_s)
        open_ = (SignalState.GREEN, SignalState.YELLOW)
        return any(self._signals.approach.state_at(time_s) in open_ for time_s in times)

    def _explained(
        self,
        first: TrajectoryPoint,
        forward: Point,
        speed_mps: float,
        unseen: Sequence[TrajectoryPoint],
    ) -> bool:
        """Whether it is one that was counted and lost; that one then explains no other."""
        s = self._settings
        while self._lost and first.time_s - self._lost[0].time_s > 2 * s.lost_s:
            self._lost.popleft()
        best: tuple[float, _Lost] | None = None
        for item in [*self._lost, *(_Lost(p.time_s, p.centre, p.speed_mps) for p in unseen)]:
            gap_s = first.time_s - item.time_s
            if not 0.0 < gap_s <= s.lost_s:
                continue
            dx, dy = first.centre[0] - item.centre[0], first.centre[1] - item.centre[1]
            along_m = dx * forward[0] + dy * forward[1]
            aside_m = abs(dx * forward[1] - dy * forward[0])
            most_m = max(speed_mps, item.speed_mps + s.gain_mps2 * gap_s) * gap_s + s.slack_m
            if aside_m > s.aside_m or not -s.slack_m <= along_m <= most_m:
                continue
            off = aside_m + abs(along_m - item.speed_mps * gap_s)
            if best is None or off < best[0]:
                best = (off, item)
        if best is None:
            return False
        if best[1] in self._lost:
            self._lost.remove(best[1])
        return True
