"""Two vehicles that met may have changed tracks; how they drove on tells.

Where two riders pass each other closely, one turning back, one turning off, their boxes are one
for a moment, and whose is whose afterwards a tracker can only guess: both are about where either
must be. Half a second later it shows. If one of them has since done what no vehicle does, and
each goes on as the other came, then they were exchanged.

Where one overtakes another who has begun to turn back, one box may be left of both: the track of
the faster one takes it, brakes and turns, and that of the slower one is lost. Who was lost there,
and whose way bends into what is seen since, is who turns. It may take so long to show that his
track has ended: then he goes on under the other's number, and the other is who was lost.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from detection.lives import Life, as_many_wheels
from detection.same_vehicle import MOST_MPS, TURNED_LOST_S, bends_into, motion
from detection.same_vehicle import Motion as Drive
from detection.tracking import TrackState
from detection.trajectory import TrajectoryPoint, mean_velocity
from models.camera import Point
from models.violation import ViolationKind

AFTER_S: Final = 0.5
"""So long after they met it is told."""
WINDOW_S: Final = 0.6
LEAST_S: Final = 0.3
"""A speed and its direction are taken over so long, and no less."""
LOST_S: Final = 0.7
"""One who was not seen for longer may have done anything."""
PAST_M: Final = 2.0
"""So far past the line both are in the junction, whoever is who."""
APART_M: Final = 3.0
"""Vehicles that met were so near to each other."""
MOST_MPS2: Final = 8.0
"""More than hard braking, boxes' jitter included: what no vehicle does."""
SLOW_MPS: Final = 1.0
"""Slower than this into the junction, or back, may be jitter."""
TAKEN_S: Final = 1.0
"""So long after one was lost it shows whether another goes on with his vehicle,"""
TAKEN_FOR_S: Final = TURNED_LOST_S + WINDOW_S - TAKEN_S
"""and for so long it is asked: who takes it drives on for a while before he brakes."""
TAKEN_M: Final = 8.0
"""So far he has driven since at the most."""
FASTER_MPS: Final = 2.0
"""Who takes it had come by so much faster than the lost one drove, and than he drives since."""
STRAIGHT: Final = 0.9
"""Who drives in with more of his speed (a cosine) turns nowhere yet."""
CLEARLY: Final = 0.5
"""Exchanged, their changes of speed (squares, together) are this share or less."""


class Motion(NamedTuple):
    """How a vehicle drove for about half a second: when and where in the middle, how fast."""

    time_s: float
    near: Point
    velocity: Point


def part(
    lives: dict[int, Life], inward: Point, ended: Iterable[Life] = ()
) -> tuple[Life, Life] | None:
    """Give those who changed tracks past the line, where one drives back, each his own again.

    Args:
        lives: What is kept of each track, by its number; changed in place.
        inward: Unit vector into the junction. The view's plane is in metres.
        ended: What is kept of tracks that have ended.

    Returns:
        One whose track had ended and who is among ``lives`` again, and the one who was followed in
        his place and no longer is; None if there is none.
    """
    revived = _give_taken(lives, inward, ended)
    # Mostly nobody drives back.
    if not any(
        life.wheels_m > PAST_M and _along(life.last.velocity, inward) <= -SLOW_MPS
        for life in lives.values()
    ):
        return revived
    past = {
        track: life
        for track, life in lives.items()
        if life.wheels_m > PAST_M and life.last.vehicle_class != "pedestrian"
    }
    for track, life in list(past.items()):
        if not life.last.seen or _along(life.last.velocity, inward) > -SLOW_MPS:
            continue
        at_s = turned_on_the_spot(life, inward)
        if at_s is None:
            continue
        other = partner(life, at_s, (one for one in past.values() if one is not life))
        if other is not None:
            others = other.last.id
            exchange(life, other, at_s)
            past[track], past[others] = lives[track], lives[others] = other, life
    return revived


def _give_taken(
    lives: dict[int, Life], inward: Point, ended: Iterable[Life]
) -> tuple[Life, Life] | None:
    """Give one who was lost past the line the vehicle with which another goes on in his place."""
    past = [life for life in lives.values() if _is_past(life)]
    turning = [life for life in past if life.last.seen and _turns(life.last, inward)]
    if not turning:
        return None
    begun = [
        life
        for life in lives.values()
        if not life.over and life.wheels_m > PAST_M and life.last.seen
    ]
    now_s = max(map(_seen_s, turning))
    for lost in (*past, *ended):
        since_s = now_s - _seen_s(lost)
        if lost.last.seen or not -0.05 <= since_s - TAKEN_S <= TAKEN_FOR_S or not _is_past(lost):
            continue
        taker = taken_by(lost, turning)
        if taker is None or any(_may_be(lost, life) for life in begun):
            continue
        exchange(lost, taker, _seen_s(lost) + 1e-3)
        # If it was told already, it was told of his way.
        lost.watch.settled |= taker.watch.settled & {ViolationKind.U_TURN}
        lives[lost.last.id] = lost
        if taker.last.id not in lives:
            return lost, taker
        lives[taker.last.id] = taker
        return None
    return None


def _may_be(lost: Life, life: Life) -> bool:
    """Whether one who has begun to be seen since may be the lost one as well."""
    goes = _goes(life.trajectory.points)
    if goes is None or not as_many_wheels(lost.last, life.last):
        return False
    return bends_into(lost.trajectory.points, goes) is not None


def _is_past(life: Life) -> bool:
    on_foot = life.last.vehicle_class == "pedestrian"
    return life.over and life.wheels_m > PAST_M and not on_foot


def _seen_s(life: Life) -> float:
    return life.trajectory.points[-1].time_s


def _turns(track: TrackState, inward: Point) -> bool:
    """Whether one no longer drives straight in."""
    (x, y), (ix, iy) = track.velocity, inward
    return x * ix + y * iy < STRAIGHT * track.speed_mps


def turned_on_the_spot(life: Life, inward: Point) -> float | None:
    """When, half a second ago, one who drove in drove back as no vehicle can; None if he did not.

    ``inward`` is the unit vector into the junction.
    """
    points = life.trajectory.points
    if not points:
        return None
    at_s = points[-1].time_s - AFTER_S
    before, after = _motions(points, at_s)
    if before is None or after is None or _change(before, after) <= MOST_MPS2:
        return None
    back = _along(after.velocity, inward) < -SLOW_MPS < SLOW_MPS < _along(before.velocity, inward)
    return at_s if back else None


def taken_by(lost: Life, others: Iterable[Life]) -> Life | None:
    """Who goes on with the vehicle of one who was lost a second ago; None if it is open."""
    points = lost.trajectory.points
    own = motion(points, points[-1].time_s, forward=False)
    if own is None or own.speed_mps > MOST_MPS:
        return None
    found = [
        other
        for other in others
        if math.dist(own.place, other.last.centre) <= TAKEN_M
        and as_many_wheels(lost.last, other.last)
        and _takes(own, points, other.trajectory.points)
    ]
    return found[0] if len(found) == 1 else None


def partner(life: Life, at_s: float, others: Iterable[Life]) -> Life | None:
    """With which other vehicle one changed tracks at a time; None if with none, or it is open.

    A rider is no car: which of both a track follows is told by its boxes.
    """
    mine = _motions(life.trajectory.points, at_s)
    found = [
        other
        for other in others
        if as_many_wheels(life.last, other.last) and _exchanged(mine, other, at_s)
    ]
    return found[0] if len(found) == 1 else None


def exchange(one: Life, other: Life, at_s: float) -> None:
    """Give each of two lives the sightings that the other had from a time on."""
    mine, others = one.trajectory, other.trajectory
    mine.points, others.points = (
        _joined(mine.points, others.points, at_s),
        _joined(others.points, mine.points, at_s),
    )
    one.last, other.last = other.last, one.last
    one.wheels_m, other.wheels_m = other.wheels_m, one.wheels_m


def _takes(own: Drive, lost: Sequence[TrajectoryPoint], other: Sequence[TrajectoryPoint]) -> bool:
    """Whether one overtook another, and has gone on since he was lost as only that one drove."""
    came = motion(other, own.time_s, forward=False)
    goes = _goes(other)
    if came is None or goes is None:
        return False
    overtook = math.dist(own.place, came.place) <= APART_M
    overtook &= came.speed_mps - max(own.speed_mps, goes.speed_mps) >= FASTER_MPS
    return overtook and bends_into(lost, goes) is not None


def _goes(points: Sequence[TrajectoryPoint]) -> Drive | None:
    """How one has driven of late."""
    return motion(points, points[-1].time_s - WINDOW_S, forward=True) if points else None


def _joined(
    before: deque[TrajectoryPoint], after: deque[TrajectoryPoint], at_s: float
) -> deque[TrajectoryPoint]:
    points = [point for point in before if point.time_s < at_s]
    return deque([*points, *(p for p in after if p.time_s >= at_s)], before.maxlen)


def _exchanged(mine: tuple[Motion | None, Motion | None], other: Life, at_s: float) -> bool:
    theirs = _motions(other.trajectory.points, at_s)
    if mine[0] is None or mine[1] is None or theirs[0] is None or theirs[1] is None:
        return False
    if math.dist(mine[0].near, theirs[0].near) > APART_M:
        return False
    if math.dist(mine[1].near, theirs[1].near) > APART_M:
        return False
    if max(_change(mine[0], theirs[1]), _change(theirs[0], mine[1])) > MOST_MPS2:
        return False
    as_is = _square(mine[0], mine[1]) + _square(theirs[0], theirs[1])
    return _square(mine[0], theirs[1]) + _square(theirs[0], mine[1]) < CLEARLY * as_is


def _motions(points: Sequence[TrajectoryPoint], at_s: float) -> tuple[Motion | None, Motion | None]:
    """How a vehicle drove just before and just after a time."""
    late = [p for p in points if at_s <= p.time_s]
    early = [p for p in points if p.time_s < at_s]
    if not late or not early or late[0].time_s - early[-1].time_s > LOST_S:
        return None, None
    before = [p for p in early if early[-1].time_s - p.time_s <= WINDOW_S]
    after = [p for p in late if p.time_s - late[0].time_s <= WINDOW_S]
    return _motion(before, before[-1]), _motion(after, after[0])


def _motion(points: Sequence[TrajectoryPoint], near: TrajectoryPoint) -> Motion | None:
    velocity = mean_velocity(points, LEAST_S)
    if velocity is None:
        return None
    return Motion((points[0].time_s + points[-1].time_s) / 2, near.centre, velocity)


def _along(velocity: Point, inward: Point) -> float:
    return velocity[0] * inward[0] + velocity[1] * inward[1]


def _square(before: Motion, after: Motion) -> float:
    return math.dist(before.velocity, after.velocity) ** 2


def _change(before: Motion, after: Motion) -> float:
    """Acceleration from one motion to another, m/s2, speed and direction."""
    return math.sqrt(_square(before, after)) / (after.time_s - before.time_s)
