"""May one track have become another? Four tests of the gap between, of place and of velocity.

Each takes what was seen of a vehicle before it was lost and how another one began, and tells until
when the sightings of the first are of the second one's vehicle; None if they hardly are. Distances
are metres.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from detection.rules.story import STANDING_MPS
from detection.trajectory import TrajectoryPoint, mean_velocity, speeds_explain
from models.camera import Point

WINDOW_S: Final = 0.6
LEAST_S: Final = 0.3
"""A speed and its direction are taken over so long, and no less."""

STOOD_LOST_S: Final = 6.0
"""Rules ask for sightings of one who stands more often than this."""
STOOD_HIDDEN_S: Final = 20.0
"""One who stood where nobody may stop, and whose place others hide, may be there for so long."""
STOOD_S: Final = 1.5
NEAR_M: Final = 1.2
"""Who is found again so near to where he stood has not moved; four wheels are placed less well."""
RIDES_MPS: Final = 2.0
"""Whose first boxes move so fast rides by: of one who stands they seldom scatter so."""
NEAR_LARGE_M: Final = 2.0

STAYED_S: Final = 1.0
"""Who was seen so long at a place is there by the middle of his sightings: one alone is off by half
a metre where riders are twenty pixels tall."""
SCATTER: Final = 0.5
"""Of places that scatter by more than this share of what may lie between, nothing is told."""

RODE_LOST_S: Final = 3.0
"""Where one who rides back is after longer is anybody's guess."""
RODE_MPS: Final = 1.5
"""Slower than this may be the scatter of boxes."""
STRAIGHT: Final = 0.9
"""So much of his way while hidden leads back (a cosine)."""
RODE_CHANGE_MPS: Final = 2.5
"""By so much at most is he faster or slower than before."""

TURNED_LOST_S: Final = 1.8
"""What one who turns does while not seen for longer is anybody's guess."""
MIXED_S: Final = 1.2
"""The last sightings of a lost track, so long, may be of another, in one box with it (of one who
stood: all of another that passed him, if he is found so soon after);"""
BESIDE_S: Final = 1.0
"""so long it may go on, on second boxes, beside the track that its vehicle has now."""
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


class Found(NamedTuple):
    """How a track began: its first box, confirmed or not, its sightings and its velocity now."""

    since_s: float
    points: Sequence[TrajectoryPoint]
    velocity: Point
    large: bool
    """It goes on four wheels, or more."""


class Motion(NamedTuple):
    """Where a vehicle was at a time, how fast it drove over the half second beside it."""

    time_s: float
    place: Point
    velocity: Point

    @property
    def speed_mps(self) -> float:
        """Its speed."""
        return math.hypot(*self.velocity)


def stands(
    lost: Sequence[TrajectoryPoint], found: Found, most_s: float = STOOD_LOST_S
) -> float | None:
    """One who stood past the line is found where he stood, up to ``most_s`` later."""
    last, first = lost[-1], found.points[0]
    near_m = NEAR_LARGE_M if found.large else NEAR_M
    again = (
        last.depth_m > 0.0
        and 0.0 < found.since_s - last.time_s <= most_s
        and math.dist(first.centre, last.centre) <= near_m
        and math.hypot(*found.velocity) < RIDES_MPS
        and _stood(lost)
    )
    return last.time_s if again else None


def stays(
    lost: Sequence[TrajectoryPoint], found: Found, most_s: float = STOOD_LOST_S
) -> float | None:
    """One who stood is found standing there, by the middle of what was seen of both.

    His earlier track may have gone on with another that passed him, away from there, or have ended
    with one that hid him.
    """
    last, first = lost[-1], found.points[0]
    strayed = last.time_s >= first.time_s
    if not strayed and first.time_s - last.time_s > most_s:
        return None
    near_m = NEAR_LARGE_M if found.large else NEAR_M
    begun = [p for p in found.points if p.time_s - first.time_s <= 2 * STAYED_S]
    after = _stood_at(begun, STAYED_S, near_m)
    if after is None:
        return None
    own_s = next((p.time_s for p in reversed(lost) if math.dist(p.centre, after) <= near_m), None)
    if own_s is None or not 0.0 < first.time_s - own_s <= (MIXED_S if strayed else most_s):
        return None
    if not strayed and _others_s(lost, own_s) > MIXED_S:
        return None
    own = [p for p in lost if 0.0 <= own_s - p.time_s <= 2 * STOOD_S]
    before = _stood_at(own, STOOD_S, near_m)
    return own_s if before and math.dist(before, after) <= near_m else None


def rides_back(lost: Sequence[TrajectoryPoint], found: Found, inward: Point) -> float | None:
    """One on two wheels who rode back is found riding back, where his speed must have taken him.

    ``inward`` is the unit vector into the junction.
    """
    last, first = lost[-1], found.points[0]
    if found.large or not 0.0 < found.since_s - last.time_s <= RODE_LOST_S:
        return None
    before = motion(lost, last.time_s, forward=False)
    if before is None or -_dot(before.velocity, inward) < RODE_MPS:
        return None
    if -_dot(found.velocity, inward) < RODE_MPS:
        return None
    way = (first.centre[0] - last.centre[0], first.centre[1] - last.centre[1])
    way_m = math.hypot(*way)
    again = (
        abs(first.speed_mps - last.speed_mps) <= RODE_CHANGE_MPS
        and -_dot(way, inward) >= STRAIGHT * way_m
        and speeds_explain(last, first, way_m)
    )
    return last.time_s if again else None


def turns_back(lost: Sequence[TrajectoryPoint], found: Found) -> float | None:
    """One who began to turn is found further on in the same turn."""
    begun_s = found.points[0].time_s
    if not -BESIDE_S <= begun_s - lost[-1].time_s <= TURNED_LOST_S:
        return None
    after = motion(found.points, begun_s, forward=True)
    return None if after is None else bends_into(lost, after)


def bends_into(lost: Sequence[TrajectoryPoint], after: Motion) -> float | None:
    """The latest sighting from which a way bends into another's; None if it does not."""
    last_s = lost[-1].time_s
    for point in reversed(lost):
        if last_s - point.time_s > MIXED_S or after.time_s - point.time_s > TURNED_LOST_S:
            return None
        if point.time_s >= after.time_s:
            continue
        before = _before(lost, point.time_s)
        if before is not None and bends(before, after):
            return point.time_s
    return None


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


def _stood(points: Sequence[TrajectoryPoint]) -> bool:
    """Whether a vehicle had stood for a while when it was seen last."""
    last = points[-1]
    if last.speed_mps >= STANDING_MPS:
        return False
    since = next((p for p in points if last.time_s - p.time_s <= 2 * STOOD_S), last)
    near = math.dist(since.centre, last.centre) <= NEAR_M
    return near and last.time_s - since.time_s >= STOOD_S


def _stood_at(points: Sequence[TrajectoryPoint], least_s: float, near_m: float) -> Point | None:
    """Where one stood so long; None if he was not seen so long, or not at one place."""
    if points[-1].time_s - points[0].time_s < least_s - 0.05:
        return None
    middle = (
        statistics.median(point.centre[0] for point in points),
        statistics.median(point.centre[1] for point in points),
    )
    off_m = statistics.median(math.dist(point.centre, middle) for point in points)
    return middle if off_m <= SCATTER * near_m else None


def _others_s(points: Sequence[TrajectoryPoint], own_s: float) -> float:
    """How long a track had another's boxes after its own vehicle was seen last."""
    others_s = [point.time_s for point in points if point.time_s > own_s]
    return others_s[-1] - others_s[0] if others_s else 0.0


def _before(points: Iterable[TrajectoryPoint], until_s: float) -> Motion | None:
    """How one drove before a time: if seen too shortly, since the sighting before that."""
    known = [p for p in points if until_s - TURNED_LOST_S - 1e-6 <= p.time_s <= until_s]
    earlier_s = [p.time_s for p in known if until_s - p.time_s >= LEAST_S]
    window_s = WINDOW_S if not earlier_s else max(WINDOW_S, until_s - earlier_s[-1])
    return motion(known, until_s, forward=False, window_s=window_s)


def _dot(a: Point, b: Point) -> float:
    return a[0] * b[0] + a[1] * b[1]


def _angle(a: Point, b: Point) -> float:
    return abs(math.atan2(a[0] * b[1] - a[1] * b[0], _dot(a, b)))
