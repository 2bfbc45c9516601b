"""The rules, as pure functions of a track and the signal's timeline.

What a rule returns is a flag for a person to review, never a verdict.

Red light (Law 36/2024/QH15, Art. 11.4): yellow means stop before the line unless already on or
past it, so the instant that decides is that at which the vehicle's front crosses. A front that
crosses on yellow is not flagged, and nothing is flagged while the state is dark or unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from detection.trajectory import TrajectoryPoint
from models.signals import SignalState, SignalTimeline


@dataclass(frozen=True, slots=True)
class RedLightRule:
    """Parameters of the red-light rule.

    ``min_red_s``: the front must cross at least this long after red began; it covers the
    interpolation between frames and a signal log of limited resolution. ``continue_m``: the
    front must get this far past the line, still on red; one who stops on the pedestrian
    crossing did not run the light. ``within_s``: and must do so within this time of crossing,
    else it is a creeping start, which is another kind. ``max_gap_s``, ``max_gain_mps2`` and
    ``jitter_m``: the vehicle is seen all the way and goes no further between two sightings than
    its speed, such an acceleration and the boxes' jitter allow; a track that breaks or leaps may
    have changed vehicles. Nor may more than ``max_unseen`` of the way lie in gaps longer than
    ``gap_s``.
    """

    min_red_s: float = 0.3
    continue_m: float = 5.0
    within_s: float = 8.0
    max_gap_s: float = 1.5
    max_gain_mps2: float = 3.0
    jitter_m: float = 1.2
    max_unseen: float = 0.5
    gap_s: float = 0.5


@dataclass(frozen=True, slots=True)
class WrongWayRule:
    """Parameters of the wrong-way rule: steady travel against the approach, within its zone.

    ``max_speed_mps`` with ``jitter_m``, and ``max_gap_s``, bound way and time between two
    sightings of one vehicle; more may be a track that jumped to another.
    ``max_backward_share`` is the share of steps that may point the other way (jitter).
    """

    min_distance_m: float = 6.0
    min_time_s: float = 1.0
    min_speed_mps: float = 2.0
    min_points: int = 5
    max_speed_mps: float = 14.0
    jitter_m: float = 1.5
    max_gap_s: float = 0.75
    max_backward_share: float = 0.15


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """Parameters of all rules."""

    red_light: RedLightRule = field(default_factory=RedLightRule)
    wrong_way: WrongWayRule = field(default_factory=WrongWayRule)


@dataclass(frozen=True, slots=True)
class RedLightFinding:
    """A front crossed on red and went on into the junction."""

    crossing_s: float
    time_into_red_s: float
    inside_s: float
    inside_m: float


@dataclass(frozen=True, slots=True)
class WrongWayFinding:
    """Steady travel against the approach from ``start_s`` to ``end_s``."""

    start_s: float
    end_s: float
    distance_m: float
    speed_mps: float
    signal_state: SignalState


def red_light(
    crossing_s: float,
    points: Sequence[TrajectoryPoint],
    signal: SignalTimeline,
    rule: RedLightRule,
) -> RedLightFinding | None:
    """Whether a vehicle ran the red light.

    Args:
        crossing_s: When its front crossed the stop line inward.
        points: Its sightings, those before the crossing may be included.
        signal: The head's timeline.
        rule: Parameters.

    Returns:
        The finding, or None when it did not, or when the points do not show it yet.
    """
    if signal.state_at(crossing_s) is not SignalState.RED:
        return None
    into_s = signal.time_into_s(crossing_s)
    if into_s is None or into_s < rule.min_red_s:
        return None
    before: TrajectoryPoint | None = None
    way_m = unseen_m = 0.0
    for point in points:
        if point.time_s < crossing_s:
            before = point
            continue
        if point.time_s > crossing_s + rule.within_s or not _continuous(before, point, rule):
            return None
        if before is not None:
            step_m = abs(point.depth_m - before.depth_m)
            way_m += step_m
            unseen_m += step_m if point.time_s - before.time_s > rule.gap_s else 0.0
        before = point
        if signal.state_at(point.time_s) is not SignalState.RED:
            return None
        if point.depth_m >= rule.continue_m:
            if unseen_m > rule.max_unseen * way_m:
                return None
            return RedLightFinding(crossing_s, into_s, point.time_s, point.depth_m)
    return None


def _continuous(before: TrajectoryPoint | None, after: TrajectoryPoint, rule: RedLightRule) -> bool:
    """Whether one vehicle can have made the way between two sightings."""
    if before is None:
        return True
    gap_s = after.time_s - before.time_s
    # A standing vehicle adds a sighting a second only (detection.trajectory).
    standing = abs(after.depth_m - before.depth_m) < 1.0
    if gap_s > rule.max_gap_s and not standing:
        return False
    reach_m = (before.speed_mps + rule.max_gain_mps2 * gap_s) * gap_s + rule.jitter_m
    return abs(after.depth_m - before.depth_m) <= reach_m


def wrong_way(
    points: Sequence[TrajectoryPoint], signal: SignalTimeline, rule: WrongWayRule
) -> WrongWayFinding | None:
    """Whether a vehicle rode against the approach; judged on its latest run of sightings.

    A run is an unbroken series of sightings in the zone without a jump; it may begin in the
    junction, where a rider turns in against the traffic.
    """
    run: list[TrajectoryPoint] = []
    for point in reversed(points):
        if not point.in_zone:
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
    return WrongWayFinding(
        start_s=run[0].time_s,
        end_s=run[-1].time_s,
        distance_m=distance_m,
        speed_mps=distance_m / time_s,
        signal_state=signal.state_at(run[0].time_s),
    )
