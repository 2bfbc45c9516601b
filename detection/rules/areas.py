"""Where a vehicle drives: a lane closed to its class, the pavement."""

from __future__ import annotations

from dataclasses import dataclass

from detection.rules.story import Finding, Story, latest_run, way_m
from models.violation import ViolationKind


@dataclass(frozen=True, slots=True)
class WrongLaneRule:
    """Parameters of the wrong lane: ``min_distance_m`` in a lane that its class may not use.

    Seen there ``min_points`` times without a gap longer than ``max_gap_s`` or a step faster than
    ``max_speed_mps`` (with ``jitter_m``).
    """

    enabled: bool = True
    min_distance_m: float = 15.0
    min_points: int = 6
    max_gap_s: float = 1.0
    max_speed_mps: float = 22.0
    jitter_m: float = 1.5


@dataclass(frozen=True, slots=True)
class PavementRule:
    """Parameters of riding on the pavement: along it, not across to a gate.

    ``min_distance_m`` on it at ``min_speed_mps`` or more on average (a person who pushes a
    motorbike, or walks, is slower), seen ``min_points`` times without a gap longer than
    ``max_gap_s`` or a step faster than ``max_speed_mps`` (with ``jitter_m``).
    """

    enabled: bool = True
    min_distance_m: float = 10.0
    min_speed_mps: float = 2.2
    min_points: int = 6
    max_gap_s: float = 1.0
    max_speed_mps: float = 14.0
    jitter_m: float = 1.5


def wrong_lane(story: Story, rule: WrongLaneRule) -> Finding | None:
    """Whether a vehicle drives along a lane that is closed to its class."""
    return _along(ViolationKind.WRONG_LANE, story, story.closed_areas, rule, 0.0)


def pavement(story: Story, rule: PavementRule) -> Finding | None:
    """Whether a vehicle rides along the pavement."""
    if story.vehicle_class == "pedestrian":
        return None
    return _along(ViolationKind.PAVEMENT, story, story.pavement_areas, rule, rule.min_speed_mps)


def _along(
    kind: ViolationKind,
    story: Story,
    areas: int,
    rule: WrongLaneRule | PavementRule,
    min_speed_mps: float,
) -> Finding | None:
    if not areas or not story.points or not story.points[-1].areas & areas:
        return None
    run = latest_run(
        story.points,
        areas=areas,
        max_gap_s=rule.max_gap_s,
        max_speed_mps=rule.max_speed_mps,
        jitter_m=rule.jitter_m,
    )
    if len(run) < rule.min_points:
        return None
    distance_m = way_m((run[0], run[-1]))
    time_s = run[-1].time_s - run[0].time_s
    if distance_m < rule.min_distance_m or distance_m < min_speed_mps * time_s:
        return None
    return Finding(
        kind,
        run[0].time_s,
        run[0].time_s,
        run[-1].time_s,
        story.signal.state_at(run[0].time_s),
        at_s=(run[0].time_s + run[-1].time_s) / 2,
        measures={
            "distance_m": round(distance_m, 2),
            "duration_s": round(time_s, 2),
            "rule_min_distance_m": rule.min_distance_m,
        },
    )
