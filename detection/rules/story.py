"""What a rule is told of a vehicle, what it answers, and how a track is known to be unbroken."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from detection.movements import MovementMatch
from detection.trajectory import TrajectoryPoint
from models.signals import SignalState, SignalTimeline
from models.violation import ViolationKind

STANDING_MPS = 0.7
"""Slower than this, with the boxes' jitter, a vehicle stands."""
ASTRIDE_M = 0.5
"""Whose front stands so little past the line may have crossed it only when he drove off."""


@dataclass(frozen=True, slots=True)
class Story:
    """One vehicle as far as it is known now.

    ``points`` are its sightings, oldest first; ``signal`` the timeline of the head that rules it
    (unknown while its movement is in doubt and the approach's heads differ); ``crossing_s`` when
    its front crossed the stop line inward, ``unseen_s`` when it must have where nobody saw it,
    ``turn`` the movement that it made as far as its way tells. ``turn_forbidden`` and
    ``closed_areas`` (bits of ``TrajectoryPoint.areas``) are what signs say of its class;
    ``passed`` is how many others drove past it since ``alone_s``, when it last drove or waited for
    another, ``ahead_hidden`` the share that it hides of a car which may stand ahead of it.
    ``riders`` and ``bare_heads`` are the detector's readings, one per frame in which it gave one.
    """

    vehicle_class: str
    points: Sequence[TrajectoryPoint]
    signal: SignalTimeline
    crossing_s: float | None = None
    unseen_s: float | None = None
    inward: tuple[float, float] = (0.0, 1.0)
    turn: MovementMatch | None = None
    turn_forbidden: bool = False
    closed_areas: int = 0
    pavement_areas: int = 0
    no_stopping_areas: int = 0
    box_areas: int = 0
    alone_s: float = -math.inf
    passed: int = 0
    ahead_hidden: float = 0.0
    speed_limit_mps: float | None = None
    riders: Sequence[int] = ()
    bare_heads: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A flag. ``time_s`` is the instant of the act; the other two the frames that show it.

    ``measures`` are the figures that a reviewer sees, the rule's thresholds among them.
    """

    kind: ViolationKind
    time_s: float
    before_s: float
    inside_s: float
    signal_state: SignalState
    time_into_red_s: float | None = None
    at_s: float | None = None
    measures: Mapping[str, float] = field(default_factory=dict)


def latest_run(
    points: Sequence[TrajectoryPoint],
    *,
    areas: int,
    max_gap_s: float,
    max_speed_mps: float,
    jitter_m: float,
) -> list[TrajectoryPoint]:
    """The unbroken series of sightings, up to the last, within some of the areas.

    A longer gap, or a step that no vehicle makes, ends it: the track may have changed vehicles.
    """
    run: list[TrajectoryPoint] = []
    for point in reversed(points):
        if not point.areas & areas or not point.whole:
            break
        if run:
            gap_s = run[-1].time_s - point.time_s
            if gap_s > max_gap_s or way_m((point, run[-1])) > max_speed_mps * gap_s + jitter_m:
                break
        run.append(point)
    run.reverse()
    return run


def way_m(points: Iterable[TrajectoryPoint]) -> float:
    """Length of the way between sightings, metres (calibrated cameras only)."""
    return math.fsum(math.dist(now.centre, later.centre) for now, later in pairwise(points))


def apart_m(one: TrajectoryPoint, other: TrajectoryPoint) -> float:
    """Distance between two sightings, metres."""
    return way_m((one, other))


def drove_over_s(story: Story) -> float | None:
    """When a vehicle drove over the line: of one that stood on it, when it drove off."""
    crossing_s = story.crossing_s
    if crossing_s is None:
        return None
    stood = [
        point.time_s
        for point in story.points
        if point.time_s >= crossing_s
        and point.speed_mps < STANDING_MPS
        and point.depth_m < ASTRIDE_M
    ]
    return stood[-1] if stood else crossing_s
