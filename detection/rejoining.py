"""Whose life a vehicle goes on with that has just begun to be seen.

A track breaks: its vehicle is hidden, seen from the side, or in one box with another for a moment,
and goes on under a new number that never came over the line. Four kinds of the lost are known
again: who **stands** past the line (a bus drove before him; or a box that was off began a track
beside his own), who **stays** where nobody may stop, whether he was seen to come over the line or
not, who **rides back** out of the junction against a one-way approach (the queue at the
line hides him; hardly anybody else drives that way there) and who **turns back** in the junction.
Where exactly one of the lost may have become the found one, and nobody else who has begun since may
be that one as well, it goes on with what was known; else nothing is joined.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

from detection.geometry import StopLine
from detection.lives import Life, as_many_wheels
from detection.rules.story import STANDING_MPS
from detection.same_vehicle import (
    SLOW_MPS,
    STAYED_S,
    STOOD_HIDDEN_S,
    STOOD_LOST_S,
    WINDOW_S,
    Found,
    bends_into,
    motion,
    rides_back,
    stands,
    stays,
    turns_back,
)
from detection.trajectory import Trajectory, TrajectoryPoint
from models.camera import AreaKind, CameraView, Point
from models.site import TWO_WHEELERS

BROKEN_S: Final = 0.45
"""Who was unseen for so long may be another one afterwards,"""
KNOWN_POINTS: Final = 4
"""unless it was known by so many sightings before, and its own way bends into the later one."""
BEGUN_S: Final = 3.0
"""So long after it began to be seen a track may still go on with another: a turn takes as long."""
KEPT_S: Final = STOOD_HIDDEN_S + STOOD_LOST_S
"""Who was lost longer ago can no longer be found again."""
HIDDEN: Final = 0.5
"""One of whose place others hide so much may be there still."""
PAST_M: Final = 2.0
"""So far past the line one is in the junction."""

Test: TypeAlias = Callable[[Life, Found], float | None]
"""Until when the sightings of one who was lost are the found one's; None if they hardly are."""


class LostLives:
    """Who was lost before one camera. Calibrated cameras only: distances are metres."""

    def __init__(self, view: CameraView) -> None:
        self._inward = view.inward
        self._ended: deque[Life] = deque(maxlen=128)
        areas = view.road.areas
        self._no_stopping = sum(
            1 << i for i, area in enumerate(areas) if area.kind is AreaKind.NO_STOPPING
        )
        line = StopLine(view)
        boxes = (area.outline for area in areas if area.kind is AreaKind.BOX)
        depths_m = (line.depth_m(corner, (1.0, 1.0)) for outline in boxes for corner in outline)
        self._deepest_m = max(depths_m, default=math.inf)
        """Where the junction ends, if that is known: who comes from further on came from there."""
        self._of_the_new: list[Test] = [_stands]
        # On a road of two directions many come back, on the opposite carriageway.
        if view.wrong_way:
            self._of_the_new.append(partial(_rides_back, inward=view.inward))

    @property
    def lives(self) -> Iterable[Life]:
        """Those whose tracks have ended and who may be found again."""
        return self._ended

    def ended(self, life: Life) -> None:
        """A track has ended."""
        if life.trajectory.points and life.last.vehicle_class != "pedestrian":
            self._ended.append(life)

    def found(self, life: Life) -> None:
        """One whose track had ended is followed again."""
        self._ended = deque((one for one in self._ended if one is not life), self._ended.maxlen)

    def rejoin(self, time_s: float, lives: dict[int, Life]) -> None:
        """Let those who have just begun to be seen go on with the lives that are theirs.

        ``lives`` are those that are followed, by number; one not seen just now may be the one. Its
        number is free then: should it come back, it is somebody else's.
        """
        while self._ended and time_s - _last_s(self._ended[0]) > KEPT_S:
            self._ended.popleft()
        for life in list(lives.values()):
            if life.rejoined or life.front is not None:
                continue
            for test, begun in self._questions(life):
                lost = self._whose(life, begun, test, lives)
                if lost is not None:
                    self._take(lost[0], lives)
                    life.go_on_with(*lost, begun)
                    break

    def _take(self, lost: Life, lives: dict[int, Life]) -> None:
        """Nobody else goes on with this one."""
        number = lost.last.id
        if lives.get(number) is lost:
            lives[number] = Life(Trajectory(), lost.last)
        else:
            self.found(lost)

    def _questions(self, life: Life) -> Iterator[tuple[Test, Sequence[TrajectoryPoint]]]:
        """What is to be asked now of one who may have just begun to be seen, and its sightings."""
        last, points = life.last, life.trajectory.points
        if not last.seen or last.vehicle_class == "pedestrian":
            return
        if len(points) == 1:
            yield from ((test, points) for test in self._of_the_new)
        here = points[-1].areas & self._no_stopping
        if here and STAYED_S - 0.05 <= _for_s(points) <= BEGUN_S:
            yield self._stays, points
        back_mps = -last.velocity[0] * self._inward[0] - last.velocity[1] * self._inward[1]
        if life.wheels_m > PAST_M and back_mps >= SLOW_MPS:
            begun = unbroken(points)
            inside = bool(begun) and begun[0].depth_m <= self._deepest_m
            if inside and not _himself(points, begun):
                yield _turns_back, begun

    def _stays(self, lost: Life, found: Found) -> float | None:
        """Whether one who stood where nobody may stop is there still."""
        last = lost.trajectory.points[-1]
        if last.time_s < found.points[0].time_s and not last.areas & self._no_stopping:
            return None
        return stays(lost.trajectory.points, found, _lost_for_s(lost))

    def _whose(
        self, life: Life, begun: Sequence[TrajectoryPoint], test: Test, lives: Mapping[int, Life]
    ) -> tuple[Life, float] | None:
        """Whose life it is, and until when that one was seen; None if nobody's, or it is open."""
        found = _found(life, begun)
        unseen = (other for other in lives.values() if not other.last.seen)
        fits = [
            (other, until_s)
            for other in (*self._ended, *unseen)
            if other is not life
            and other.trajectory.points
            and (until_s := test(other, found)) is not None
            and _alike(other, life)
        ]
        if len(fits) != 1:
            return None
        lost, until_s = fits[0]
        meanwhile = (
            _found(other, other.trajectory.points)
            for other in (*self._ended, *lives.values())
            if other is not life and other is not lost and _alike(other, life)
            if until_s < other.trajectory.points[0].time_s <= begun[0].time_s + BROKEN_S
        )
        return None if any(test(lost, rival) is not None for rival in meanwhile) else fits[0]


def _alike(other: Life, life: Life) -> bool:
    """Whether another was seen at all, on as many wheels."""
    if not other.trajectory.points or other.last.vehicle_class == "pedestrian":
        return False
    return as_many_wheels(other.last, life.last)


def _stands(lost: Life, found: Found) -> float | None:
    drove = lost.trajectory.points[-1].speed_mps >= STANDING_MPS
    if drove or (not lost.over and lost.front is None):
        return None
    return stands(lost.trajectory.points, found, _lost_for_s(lost))


def _lost_for_s(lost: Life) -> float:
    """How long one who stood may be unseen."""
    return STOOD_HIDDEN_S if lost.hidden >= HIDDEN else STOOD_LOST_S


def _rides_back(lost: Life, found: Found, inward: Point) -> float | None:
    return rides_back(lost.trajectory.points, found, inward)


def _turns_back(lost: Life, found: Found) -> float | None:
    points = lost.trajectory.points
    # A short piece of a turn, or second boxes of it, goes on with nothing.
    if not lost.over and _for_s(points) < BEGUN_S:
        return None
    return turns_back(points, found)


def _found(life: Life, begun: Sequence[TrajectoryPoint]) -> Found:
    since_s = begun[0].time_s
    if begun[0] is life.trajectory.points[0]:
        since_s = min(since_s, life.began_s)
    large = life.last.vehicle_class not in TWO_WHEELERS
    return Found(since_s, begun, life.last.velocity, large)


def _himself(points: Sequence[TrajectoryPoint], begun: Sequence[TrajectoryPoint]) -> bool:
    """Whether one who was unseen for a while is who he was before, or it cannot be told yet."""
    after = motion(begun, begun[0].time_s, forward=True)
    if after is None or _for_s(begun) < WINDOW_S - 0.05:
        return True
    own = [point for point in points if point.time_s < begun[0].time_s]
    return len(own) >= KNOWN_POINTS and bends_into(own, after) is not None


def _for_s(points: Sequence[TrajectoryPoint]) -> float:
    return points[-1].time_s - points[0].time_s


def _last_s(life: Life) -> float:
    return life.trajectory.points[-1].time_s


def unbroken(points: Sequence[TrajectoryPoint]) -> list[TrajectoryPoint]:
    """The sightings since it was unseen for a while, or first seen; none if that is long ago."""
    found: list[TrajectoryPoint] = []
    for point in reversed(points):
        if found and found[-1].time_s - point.time_s > BROKEN_S:
            break
        if found and found[0].time_s - point.time_s > BEGUN_S:
            return []
        found.append(point)
    return found[::-1]
