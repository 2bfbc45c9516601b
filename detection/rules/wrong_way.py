"""Travel against a one-way carriageway."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from detection.rules.story import Finding, Story
from detection.trajectory import TrajectoryPoint
from models.violation import ViolationKind

TURNING_IN_M: Final = 3.0
"""One whose front is less far before the line, and his middle not in the zone, comes out of the
junction."""


@dataclass(frozen=True, slots=True)
class WrongWayRule:
    """Parameters of the wrong-way rule: steady travel against the approach, ending in its zone.

    ``min_distance_m`` within ``min_time_s`` or more, ``min_zone_m`` of it in the zone (it may begin
    in the junction, where a rider turns in against the traffic), seen ``min_points`` times.

    ``max_speed_mps`` with ``jitter_m``, and ``max_gap_s``, bound way and time between two
    sightings of one vehicle; more may be a track that jumped to another.
    ``max_backward_share`` is the share of steps that may point the other way (jitter).
    """

    enabled: bool = True
    min_distance_m: float = 4.5
    min_zone_m: float = 2.5
    min_time_s: float = 0.6
    min_speed_mps: float = 2.0
    min_points: int = 5
    max_speed_mps: float = 14.0
    jitter_m: float = 1.5
    max_gap_s: float = 1.2
    max_backward_share: float = 0.15


def wrong_way(story: Story, rule: WrongWayRule) -> Finding | None:
    """Whether a vehicle rode against the approach; judged on its latest run of sightings.

    A run is an unbroken series of sightings without a jump, none of them cut by the picture's edge
    (a box that is cut moves as its vehicle does not), up to the last, which is in the zone.
    """
    if not story.points or not story.points[-1].in_zone:
        return None
    run: list[TrajectoryPoint] = []
    for point in reversed(story.points):
        turning_in = point.depth_m > -TURNING_IN_M
        if not (point.in_zone or turning_in) or not point.whole:
            break
        if run:
            gap_s = run[-1].time_s - point.time_s
            step_m = abs(run[-1].progress_m - point.progress_m)
            if gap_s > rule.max_gap_s or step_m > rule.max_speed_mps * gap_s + rule.jitter_m:
                break
        run.append(point)
    run.reverse()
    if len(run) < rule.min_points:
        return None
    # Start where it was furthest forward: what came before was travel the right way.
    start = max(range(len(run)), key=lambda index: run[index].progress_m)
    run = run[start:]
    if len(run) < rule.min_points:
        return None
    distance_m = run[0].progress_m - run[-1].progress_m
    zone = [point for point in run if point.in_zone]
    if max(point.progress_m for point in zone) - run[-1].progress_m < rule.min_zone_m:
        return None
    time_s = run[-1].time_s - run[0].time_s
    steps = [later.progress_m - now.progress_m for now, later in pairwise(run)]
    wrong = sum(step > 0 for step in steps) / len(steps)
    if (
        distance_m < rule.min_distance_m
        or time_s < rule.min_time_s
        or distance_m / time_s < rule.min_speed_mps
        or wrong > rule.max_backward_share
    ):
        return None
    return Finding(
        ViolationKind.WRONG_WAY,
        zone[0].time_s,
        run[0].time_s,
        run[-1].time_s,
        story.signal.state_at(zone[0].time_s),
        at_s=(run[0].time_s + run[-1].time_s) / 2,
        measures={
            "distance_m": round(distance_m, 2),
            "duration_s": round(time_s, 2),
            "rule_min_distance_m": rule.min_distance_m,
        },
    )
