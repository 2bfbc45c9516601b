"""Travel against a one-way carriageway."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detection.rules.story import Finding, Story
from detection.trajectory import TrajectoryPoint, speeds_explain
from models.site import TWO_WHEELERS
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
    sightings of one vehicle; more may be a track that jumped to another, and so may more than
    ``max_cut_s`` in which a two-wheeler's box was cut. One who was hidden for up
    to ``max_hidden_s`` is believed to be the same where his speeds before and after explain the
    way in between, and he was seen ``min_after`` times since, cut by the picture's edge or not.
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
    max_cut_s: float = 0.6
    max_hidden_s: float = 3.0
    min_after: int = 3
    max_backward_share: float = 0.15


def wrong_way(story: Story, rule: WrongWayRule) -> Finding | None:
    """Whether a vehicle rode against the approach; judged on its latest run of sightings.

    A run is an unbroken series of sightings without a jump, none of them cut by the picture's edge
    (a box that is cut moves as its vehicle does not: those of a two-wheeler are left out for a
    moment, those of others end the run), up to the last, which is in the zone. Of the run counts
    the part that is steady travel: a rider may have waited in the junction before it, or come from
    the side.
    """
    run = _run(story, rule)
    if not run or not run[-1].in_zone:
        return None
    start = _start(run, rule)
    if start is None:
        return None
    run = run[start:]
    entered_s = next(point.time_s for point in run if point.in_zone)
    return Finding(
        ViolationKind.WRONG_WAY,
        entered_s,
        run[0].time_s,
        run[-1].time_s,
        story.signal.state_at(entered_s),
        at_s=(run[0].time_s + run[-1].time_s) / 2,
        measures={
            "distance_m": round(run[0].progress_m - run[-1].progress_m, 2),
            "duration_s": round(run[-1].time_s - run[0].time_s, 2),
            "rule_min_distance_m": rule.min_distance_m,
        },
    )


def _run(story: Story, rule: WrongWayRule) -> list[TrajectoryPoint]:
    """The latest unbroken run of sightings on the approach, or coming out of the junction."""
    rides = story.vehicle_class in TWO_WHEELERS
    run: list[TrajectoryPoint] = []
    was_cut = False
    for since, point in enumerate(reversed(story.points)):
        turning_in = point.depth_m > -TURNING_IN_M
        if not (point.in_zone or turning_in) or not (point.whole or rides):
            break
        if not point.whole:
            was_cut = True
            continue
        if run and was_cut and run[-1].time_s - point.time_s > rule.max_cut_s:
            break
        if run and not _same(point, run[-1], since, rule):
            break
        run.append(point)
        was_cut = False
    run.reverse()
    return run


def _same(now: TrajectoryPoint, later: TrajectoryPoint, since: int, rule: WrongWayRule) -> bool:
    """Whether two sightings are one vehicle's, seen ``since`` times from the later one on."""
    gap_s = later.time_s - now.time_s
    step_m = abs(later.progress_m - now.progress_m)
    if step_m > rule.max_speed_mps * gap_s + rule.jitter_m:
        return False
    if gap_s <= rule.max_gap_s:
        return True
    known = since >= rule.min_after and gap_s <= rule.max_hidden_s
    return known and speeds_explain(now, later, step_m)


def _start(run: Sequence[TrajectoryPoint], rule: WrongWayRule) -> int | None:
    """Where the latest part of a run that is travel against the approach begins."""
    found, last = None, run[-1]
    wrong, foremost_m = 0, -math.inf
    for index in reversed(range(len(run))):
        now, seen = run[index], len(run) - index
        if seen > 1:
            later = run[index + 1]
            step_m, step_s = now.progress_m - later.progress_m, later.time_s - now.time_s
            if found is not None and step_m < rule.min_speed_mps * step_s:
                break
            wrong += step_m < 0
        if now.in_zone:
            foremost_m = max(foremost_m, now.progress_m)
        distance_m, time_s = now.progress_m - last.progress_m, last.time_s - now.time_s
        # One who came out of the junction is as far on the approach as his front is from the line.
        zone_m = max(foremost_m - last.progress_m, -math.inf if now.in_zone else -last.depth_m)
        if (
            seen >= rule.min_points
            and distance_m >= rule.min_distance_m
            and time_s >= rule.min_time_s
            and distance_m >= rule.min_speed_mps * time_s
            and zone_m >= rule.min_zone_m
            and wrong <= rule.max_backward_share * (seen - 1)
        ):
            found = index
    return found
