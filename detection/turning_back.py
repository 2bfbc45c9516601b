"""One who turns back in the junction, is lost there and found again, is the same vehicle.

A rider who turns round is seen from the side, far off, for a moment in one box with another who
passes, or not at all; what goes on has another number, and never came over the line. Where the new
track drives back, and the way of exactly one that was lost bends into it (place, speed and
direction of both, on one arc), it goes on with what was known of that one. Where a second one
would do as well, nothing is joined.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from detection.judge import Watch
from detection.lives import Life, as_many_wheels
from detection.trajectory import Trajectory, TrajectoryPoint, mean_velocity
from models.camera import Point

UNSEEN_S: Final = 1.2
"""What one does who is not seen for longer is anybody's guess."""
MIXED_S: Final = 1.2
"""The last sightings of a lost track, so long, may be of another, in one box with it;"""
BESIDE_S: Final = 1.0
"""so long it may go on, on second boxes, beside the track that its vehicle has now."""
WINDOW_S: Final = 0.6
LEAST_S: Final = 0.3
"""A speed and its direction are taken over so long, and no less."""
BROKEN_S: Final = 0.45
"""Who was unseen for so long may be another one afterwards,"""
KNOWN_POINTS: Final = 4
"""unless it was known by so many sightings before, and its own way bends into the later one."""
BEGUN_S: Final = 3.0
"""So long after it began to be seen a track may still go on with another: a turn takes as long."""
KEPT_S: Final = BEGUN_S + 2 * UNSEEN_S
"""Who was lost longer ago can no longer be found again."""
PAST_M: Final = 2.0
"""So far past the line one is in the junction."""
SLOW_MPS: Final = 1.0
"""Slower than this, on either side of the gap, a direction tells nothing."""
MOST_MPS: Final = 6.0
"""Nobody turns back faster."""
CHANGE_MPS: Final = 1.2
GAIN_MPS2: Final = 2.0
"""Speeds before and after differ by so much, and by such an acceleration in between, or less."""
BEND_RAD: Final = math.radians(115.0)
"""The rest of the turn, at least a third of it, is seen."""
OFF_RAD: Final = math.radians(35.0)
"""The way across the gap points to the middle of both directions, so nearly."""
SHORT_M: Final = 1.2
"""A shorter way across has no direction of its own."""
SLACK_M: Final = 0.8
SLACK_SHARE: Final = 0.3
"""It is as long as the arc, give or take so much."""


class Motion(NamedTuple):
    """Where a vehicle was at a time, how fast it drove over the half second beside it."""

    time_s: float
    place: Point
    velocity: Point

    @property
    def speed_mps(self) -> float:
        """Its speed."""
        return math.hypot(*self.velocity)


class TurningBack:
    """Who was lost in one junction. Calibrated cameras only: distances are metres."""

    def __init__(self, inward: Point) -> None:
        self._inward = inward
        self._lost: deque[Life] = deque(maxlen=64)

    def lost(self, life: Life) -> None:
        """A track has ended."""
        if life.trajectory.points and life.last.vehicle_class != "pedestrian":
            self._lost.append(life)

    def rejoin(self, time_s: float, lives: Mapping[int, Life]) -> None:
        """Let those who drive back go on with what was known before they were lost."""
        while self._lost and time_s - self._lost[0].trajectory.points[-1].time_s > KEPT_S:
            self._lost.popleft()
        for life in lives.values():
            begun = self._begun(life)
            if not begun:
                continue
            others = [other for other in lives.values() if other is not life]
            before = earlier([*self._lost, *others], life, begun)
            if before is not None:
                go_on(life, *before, begun)

    def _begun(self, life: Life) -> Sequence[TrajectoryPoint]:
        """The sightings of one who has just begun to be seen driving back; else none."""
        last = life.last
        if life.watch.crossing is not None or not last.seen or life.wheels_m <= PAST_M:
            return ()
        back_mps = -last.velocity[0] * self._inward[0] - last.velocity[1] * self._inward[1]
        if back_mps < SLOW_MPS or last.vehicle_class == "pedestrian":
            return ()
        points = unbroken(life.trajectory.points)
        enough = bool(points) and points[-1].time_s - points[0].time_s >= WINDOW_S - 0.05
        return points if enough else ()


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


def earlier(
    lives: Iterable[Life], life: Life, begun: Sequence[TrajectoryPoint]
) -> tuple[Life, float] | None:
    """Whose way bends into this one's, and until when it was seen; None if nobody's, or several.

    Args:
        lives: All others, those who were lost a short time ago among them.
        life: One that drives back and never came over the line.
        begun: Its sightings since it was unseen.
    """
    after = motion(begun, begun[0].time_s, forward=True)
    if after is None:
        return None
    own = [point for point in life.trajectory.points if point.time_s < begun[0].time_s]
    if len(own) >= KNOWN_POINTS and _bends(own, after):
        return None
    others = [other for other in lives if _alike(other, life)]
    found = [(other, seen_s) for other in others if (seen_s := _seen(other, after))]
    if len(found) != 1 or found[0][0].watch.crossing is None:
        return None
    before = _before(found[0][0].trajectory.points, found[0][1])
    rivals = (motion(other.trajectory.points, _first_s(other), forward=True) for other in others)
    if before is None or any(_later(before, rival, after) for rival in rivals):
        return None
    return found[0]


def go_on(life: Life, before: Life, until_s: float, begun: Sequence[TrajectoryPoint]) -> None:
    """One goes on with the life of another up to a time, then with its own since it began."""
    trajectory = Trajectory()
    trajectory.points.extend(p for p in before.trajectory.points if p.time_s <= until_s)
    trajectory.points.extend(begun)
    life.go_on_with(before)
    life.trajectory = trajectory
    before.watch = Watch()


def _alike(other: Life, life: Life) -> bool:
    """Whether another was seen at all, on as many wheels."""
    if not other.trajectory.points or other.last.vehicle_class == "pedestrian":
        return False
    return as_many_wheels(other.last, life.last)


def _first_s(life: Life) -> float:
    return life.trajectory.points[0].time_s


def _later(before: Motion, rival: Motion | None, after: Motion) -> bool:
    """Whether another that began to be seen meanwhile may be the lost one as well."""
    if rival is None or not before.time_s < rival.time_s <= after.time_s + BROKEN_S:
        return False
    return bends(before, rival)


def _seen(other: Life, after: Motion) -> float | None:
    """Until when one was seen whose way bends into another's; None if it does not."""
    points = other.trajectory.points
    since_s = after.time_s - points[-1].time_s
    if other.last.seen or not -BESIDE_S <= since_s <= UNSEEN_S:
        return None
    return _bends(points, after)


def _bends(points: Sequence[TrajectoryPoint], after: Motion) -> float | None:
    """The latest sighting from which a way bends into another's."""
    last_s = points[-1].time_s
    for point in reversed(points):
        if last_s - point.time_s > MIXED_S or after.time_s - point.time_s > UNSEEN_S:
            return None
        if point.time_s >= after.time_s:
            continue
        before = _before(points, point.time_s)
        if before is not None and bends(before, after):
            return point.time_s
    return None


def _before(points: Iterable[TrajectoryPoint], until_s: float) -> Motion | None:
    """How one drove before a time: if seen too shortly, since the sighting before that."""
    known = [p for p in points if until_s - UNSEEN_S - 1e-6 <= p.time_s <= until_s]
    earlier_s = [p.time_s for p in known if until_s - p.time_s >= LEAST_S]
    window_s = WINDOW_S if not earlier_s else max(WINDOW_S, until_s - earlier_s[-1])
    return motion(known, until_s, forward=False, window_s=window_s)


def motion(
    points: Iterable[TrajectoryPoint], at_s: float, *, forward: bool, window_s: float = WINDOW_S
) -> Motion | None:
    """How a vehicle drove just after (``forward``), or just before it was seen at a time."""
    low_s, high_s = (at_s, at_s + window_s) if forward else (at_s - window_s, at_s)
    near = [p for p in points if low_s - 1e-6 <= p.time_s <= high_s + 1e-6]
    velocity = mean_velocity(near, LEAST_S)
    if velocity is None:
        return None
    return Motion(at_s, (near[0] if forward else near[-1]).centre, velocity)


def bends(before: Motion, after: Motion) -> bool:
    """Whether one vehicle may have driven both, along an arc between."""
    gap_s = after.time_s - before.time_s
    slow, fast = sorted((before.speed_mps, after.speed_mps))
    if slow < SLOW_MPS or fast > MOST_MPS or fast - slow > CHANGE_MPS + GAIN_MPS2 * gap_s:
        return False
    bend_rad = _angle(before.velocity, after.velocity)
    if bend_rad > BEND_RAD:
        return False
    half = bend_rad / 2
    chord = (after.place[0] - before.place[0], after.place[1] - before.place[1])
    chord_m = math.hypot(*chord)
    arc_m = (slow + fast) / 2 * gap_s
    straight_m = arc_m * (math.sin(half) / half if half > 0.0 else 1.0)
    if abs(chord_m - straight_m) > SLACK_M + SLACK_SHARE * straight_m:
        return False
    if chord_m < SHORT_M:
        return True
    bx, by = before.velocity[0] / before.speed_mps, before.velocity[1] / before.speed_mps
    ax, ay = after.velocity[0] / after.speed_mps, after.velocity[1] / after.speed_mps
    return _angle(chord, (ax + bx, ay + by)) <= OFF_RAD


def _angle(a: Point, b: Point) -> float:
    return abs(math.atan2(a[0] * b[1] - a[1] * b[0], a[0] * b[0] + a[1] * b[1]))
