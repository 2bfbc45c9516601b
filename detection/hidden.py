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
from detection.tracking import TrackState
from detection.trajectory import TrajectoryPoint
from models.camera import Point
from models.signals import SignalState

AFTER_GREEN_S: Final = 3.0
"""So long after green ended the last may still come out."""
LEAST_MPS: Final = 1.0
STOOD_MPS: Final = 1.5
SAME_ALONG_M: Final = 1.5
SAME_ASIDE_M: Final = 0.8
STRAIGHT: Final = 0.5
"""Cosine of the angle to the line's normal at which one that comes over it may drive."""
METRES: Final = (1.0, 1.0)
OPEN: Final = (SignalState.GREEN, SignalState.YELLOW)


@dataclass(frozen=True, slots=True)
class HiddenSettings:
    """Who is taken to have crossed unseen.

    **Comes out**: first seen ``least_m`` to ``most_m`` past the line, by its wheels, while nearer
    ones hide ``covered`` of its box or more, and at most ``beside_m`` beyond the line's ends both
    there and where its way leads back to the line; followed for ``follow_s`` or more over
    ``travel_m`` or more. ``settle_s`` after the watch began whoever was in the junction before
    has left.

    **Goes in**: lost with its front ``front_m`` over the line (on red if it drove as fast, too), or
    driving at ``drive_mps`` or more with less than ``reach_s`` to go, with nobody in sight where it
    must be now.

    A counted vehicle lost up to ``lost_s`` before (``stood_s`` where it stood) that may have come
    there (``slack_m`` more or less than at its speed, ``aside_m`` aside) is the same one.
    """

    enabled: bool = True
    least_m: float = -0.5
    most_m: float = 15.0
    beside_m: float = 1.0
    covered: float = 0.25
    follow_s: float = 0.5
    wait_s: float = 1.5
    travel_m: float = 3.0
    settle_s: float = 30.0
    front_m: float = 1.0
    drive_mps: float = 2.0
    reach_s: float = 1.2
    min_points: int = 4
    lost_s: float = 8.0
    stood_s: float = 60.0
    slack_m: float = 3.0
    aside_m: float = 2.0
    gain_mps2: float = 2.5


@dataclass(frozen=True, slots=True)
class _Lost:
    """A vehicle that crossed the line, at its last sighting."""

    time_s: float
    centre: Point
    speed_mps: float

    @classmethod
    def of(cls, track: TrackState, seen_s: float) -> _Lost:
        return cls(seen_s, track.centre, track.speed_mps)


class HiddenPassages:
    """Tells who came over one stop line unseen. Calibrated cameras only."""

    def __init__(self, line: StopLine, settings: HiddenSettings, signals: ApproachSignals) -> None:
        self._line = line
        self._settings = settings
        self._signals = signals
        self.began_s = 0.0
        """When the watch began."""
        self._lost: deque[_Lost] = deque(maxlen=64)

    def may_have(self, time_s: float, wheels_m: float, wheels: Point) -> bool:
        """Whether one first seen at this depth and place may have crossed unseen."""
        s = self._settings
        return (
            s.enabled
            and s.least_m < wheels_m <= s.most_m
            and time_s - self.began_s >= s.settle_s
            and self._line.beside_m(wheels, METRES) <= s.beside_m
        )

    def lost(self, track: TrackState, seen_s: float) -> None:
        """A vehicle that had crossed the line is seen no more since then."""
        self._lost.append(_Lost.of(track, seen_s))

    def again(self, time_s: float, track: TrackState) -> bool:
        """Whether one first seen about the line is one that was counted and lost there."""
        found = self._counted(time_s, track.centre, track.heading, track.speed_mps, ())
        return self._settings.enabled and found

    def crossed_s(
        self,
        points: Sequence[TrajectoryPoint],
        wheels_m: float,
        unseen: Sequence[tuple[TrackState, float]],
    ) -> float | None:
        """When a vehicle crossed that was first seen past the line; None if it did not.

        Args:
            points: Its sightings; the first is the one that :meth:`may_have` was asked about.
            wheels_m: How far past the line its wheels were then.
            unseen: Who crossed and is not seen just now, and when each was seen last.
        """
        s = self._settings
        first = points[0]
        after = next((p for p in points if math.dist(p.centre, first.centre) >= s.travel_m), None)
        if after is None or points[-1].time_s - first.time_s < s.follow_s:
            return None
        way_m = math.dist(first.centre, after.centre)
        forward = (
            (after.centre[0] - first.centre[0]) / way_m,
            (after.centre[1] - first.centre[1]) / way_m,
        )
        inward = forward[0] * self._line.normal[0] + forward[1] * self._line.normal[1]
        if inward < STRAIGHT:
            return None
        back_m = self._line.depth_m(first.centre, METRES) / inward
        entry = (first.centre[0] - back_m * forward[0], first.centre[1] - back_m * forward[1])
        if self._line.beside_m(entry, METRES) > s.beside_m:
            return None
        speed_mps = max(way_m / (after.time_s - first.time_s), LEAST_MPS)
        time_s = first.time_s - max(wheels_m, 0.0) / speed_mps
        if not self._let_in(time_s, first.time_s):
            return None
        lost = [_Lost.of(*item) for item in unseen]
        if self._counted(first.time_s, first.centre, forward, speed_mps, lost):
            return None
        return time_s

    def went_s(
        self,
        points: Sequence[TrajectoryPoint],
        wheels_m: float,
        last: TrackState,
        others: Sequence[tuple[TrackState, TrajectoryPoint]],
        *,
        entered: bool,
    ) -> float | None:
        """When a vehicle went over the line that is seen no more; None if it did not.

        Args:
            points: Its sightings.
            wheels_m: How far past the line its wheels were at the last one.
            last: Where it must be now.
            others: Who else is seen now, each with its first sighting.
            entered: Its front was over the line.
        """
        s = self._settings
        if not s.enabled or len(points) < s.min_points:
            return None
        lost_s = points[-1].time_s
        normal = self._line.normal
        speed_mps = last.velocity[0] * normal[0] + last.velocity[1] * normal[1]
        to_go_s = max(-wheels_m, 0.0) / max(speed_mps, LEAST_MPS)
        over = entered and max(point.depth_m for point in points) >= s.front_m
        # Who stands there at red waits, seen or not; so does who brakes. One leap is no drive.
        driven_mps = min(speed_mps, points[-2].speed_mps)
        over &= driven_mps >= s.drive_mps or self._let_in(lost_s, lost_s + to_go_s)
        if not over:
            drives = speed_mps >= s.drive_mps and to_go_s < s.reach_s
            if not drives or not self._let_in(lost_s, lost_s + to_go_s):
                return None
            place = (
                last.contact[0] + last.velocity[0] * to_go_s,
                last.contact[1] + last.velocity[1] * to_go_s,
            )
            if self._line.beside_m(place, METRES) > s.beside_m:
                return None
        if any(
            self._at(last, other) or self._took_over(points[-1], first) for other, first in others
        ):
            return None
        return lost_s + to_go_s

    @staticmethod
    def _at(lost: TrackState, other: TrackState) -> bool:
        """Whether another is seen where a lost one must be: it was taken for it."""
        dx, dy = other.centre[0] - lost.centre[0], other.centre[1] - lost.centre[1]
        along = abs(dx * lost.heading[0] + dy * lost.heading[1])
        aside = abs(dx * lost.heading[1] - dy * lost.heading[0])
        return along < SAME_ALONG_M and aside < SAME_ASIDE_M

    def _took_over(self, lost: TrajectoryPoint, first: TrajectoryPoint) -> bool:
        """Whether another track began, after one was lost, where that vehicle may have been."""
        dx, dy = first.centre[0] - lost.centre[0], first.centre[1] - lost.centre[1]
        along, (nx, ny) = self._line.along, self._line.normal
        return (
            first.time_s > lost.time_s
            and abs(dx * along[0] + dy * along[1]) < self._settings.aside_m
            and -SAME_ALONG_M < dx * nx + dy * ny < self._settings.slack_m
        )

    def _let_in(self, from_s: float, to_s: float) -> bool:
        """Whether it was let in: else it is likelier that it came from elsewhere, or waits."""
        signal = self._signals.approach
        times = (from_s - AFTER_GREEN_S, from_s, (from_s + to_s) / 2, to_s)
        return any(signal.state_at(time_s) in OPEN for time_s in times)

    def _counted(
        self,
        time_s: float,
        centre: Point,
        forward: Point,
        speed_mps: float,
        unseen: Sequence[_Lost],
    ) -> bool:
        """Whether it is one that was counted and lost; that one then explains no other."""
        s = self._settings
        while self._lost and time_s - self._lost[0].time_s > s.stood_s + s.lost_s:
            self._lost.popleft()
        best: tuple[float, _Lost] | None = None
        for item in (*self._lost, *unseen):
            gap_s = time_s - item.time_s
            stood = item.speed_mps < STOOD_MPS
            if not 0.0 < gap_s <= (s.stood_s if stood else s.lost_s):
                continue
            dx, dy = centre[0] - item.centre[0], centre[1] - item.centre[1]
            along_m = dx * forward[0] + dy * forward[1]
            aside_m = abs(dx * forward[1] - dy * forward[0])
            gap_s = min(gap_s, s.lost_s)
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
