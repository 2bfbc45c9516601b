"""Turns that a sign forbids, and turning back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from detection.rules.story import Finding, Story, apart_m, drove_over_s, way_m
from detection.trajectory import TrajectoryPoint, mean_velocity
from models.camera import Point
from models.violation import ViolationKind

BESIDE_S: Final = 0.6
LEAST_S: Final = 0.3
"""How one drove before or after it was unseen is told by its way over so long, and no less."""


@dataclass(frozen=True, slots=True)
class IllegalTurnRule:
    """Parameters of the forbidden turn: which movement it was must be beyond doubt.

    The vehicle has gone ``min_travel_m`` past the line, and heads within ``max_heading_off_deg``
    of where the movement's path leads there; every other path fits less well by ``min_lead_m``: a
    turn begins as the way straight on does. Its track has no gap longer than ``max_gap_s``. One
    that stood with its front on the line turned when it drove on.
    """

    enabled: bool = True
    min_travel_m: float = 14.0
    max_heading_off_deg: float = 35.0
    min_lead_m: float = 1.5
    max_gap_s: float = 1.5


@dataclass(frozen=True, slots=True)
class UTurnRule:
    """Parameters of the U-turn: over the line, then back the way it came, beside it.

    Its last ``min_back_m`` point back within ``max_off_deg`` of the opposite of the approach, no
    more than ``max_step`` of them between two sightings,
    after a way of ``min_way_m`` to ``max_way_m`` since the line, ``min_beside_m`` beside where it
    crossed and beside its own way, without a gap longer than ``max_gap_s`` or a step further than
    its speed, such an acceleration and the boxes' jitter allow; nor, over a gap longer than
    ``unseen_s``, further than its ways on either side explain, give or take ``slack_m``.
    """

    enabled: bool = True
    min_back_m: float = 3.0
    max_step: float = 0.7
    max_off_deg: float = 35.0
    min_way_m: float = 8.0
    max_way_m: float = 45.0
    min_beside_m: float = 2.0
    max_gap_s: float = 1.8
    unseen_s: float = 0.45
    slack_m: float = 1.5
    max_gain_mps2: float = 4.0
    jitter_m: float = 1.2


def illegal_turn(story: Story, rule: IllegalTurnRule) -> Finding | None:
    """Whether a vehicle made a movement that a sign forbids to its class."""
    turn, crossing_s = story.turn, story.crossing_s
    if turn is None or crossing_s is None or not story.turn_forbidden:
        return None
    if (
        not turn.certain
        or turn.travelled_m < rule.min_travel_m
        or turn.lead_m < rule.min_lead_m
        or math.degrees(turn.heading_off_rad) > rule.max_heading_off_deg
    ):
        return None
    after = [point for point in story.points if point.time_s >= crossing_s]
    moving = [
        (now, later)
        for now, later in pairwise(after)
        if later.time_s - now.time_s > rule.max_gap_s and apart_m(now, later) > 1.0
    ]
    if moving or not after:
        return None
    began_s = drove_over_s(story) or crossing_s
    return Finding(
        ViolationKind.ILLEGAL_TURN,
        began_s,
        began_s,
        after[-1].time_s,
        story.signal.state_at(began_s),
        at_s=(began_s + after[-1].time_s) / 2,
        measures={
            "travelled_m": round(turn.travelled_m, 1),
            "heading_off_deg": round(math.degrees(turn.heading_off_rad), 1),
            "rule_min_travel_m": rule.min_travel_m,
        },
    )


def u_turn(story: Story, rule: UTurnRule) -> Finding | None:
    """Whether a vehicle crossed the line and turned back."""
    crossing_s = drove_over_s(story)
    if crossing_s is None:
        return None
    after = [point for point in story.points if point.time_s >= crossing_s]
    if len(after) < 4 or not after[-1].whole:
        return None
    if not rule.min_way_m <= way_m(after) <= rule.max_way_m:
        return None
    for now, later in pairwise(after):
        gap_s = later.time_s - now.time_s
        step_m = apart_m(now, later)
        # A track that leaps may have changed vehicles; those that drive back are beside it.
        reach_m = (now.speed_mps + rule.max_gain_mps2 * gap_s) * gap_s + rule.jitter_m
        if step_m > reach_m or (gap_s > rule.max_gap_s and step_m > 1.0):
            return None
    last = after[-1]
    index = next(
        (i for i in reversed(range(len(after))) if apart_m(after[i], last) >= rule.min_back_m), None
    )
    if index is None:
        return None
    start = after[index]
    # A single leap back is no way back: it may be the leap from one vehicle to another.
    longest_m = max(apart_m(now, later) for now, later in pairwise(after[index:]))
    if longest_m > rule.max_step * rule.min_back_m:
        return None
    dx, dy = last.centre[0] - start.centre[0], last.centre[1] - start.centre[1]
    back = -(dx * story.inward[0] + dy * story.inward[1]) / math.hypot(dx, dy)
    bx, by = last.centre[0] - after[0].centre[0], last.centre[1] - after[0].centre[1]
    beside_m = abs(bx * story.inward[1] - by * story.inward[0])
    if back < math.cos(math.radians(rule.max_off_deg)) or beside_m < rule.min_beside_m:
        return None
    # One who stands far off, where boxes scatter by metres, seems to move back on his own way.
    if _off_way_m(last.centre, [point.centre for point in after[: index + 1]]) < rule.min_beside_m:
        return None
    if _leapt(after, rule):
        return None
    return Finding(
        ViolationKind.U_TURN,
        crossing_s,
        crossing_s,
        last.time_s,
        story.signal.state_at(crossing_s),
        at_s=(crossing_s + last.time_s) / 2,
        measures={
            "beside_m": round(beside_m, 2),
            "way_m": round(way_m(after), 1),
            "rule_min_way_m": rule.min_way_m,
        },
    )


def _leapt(points: Sequence[TrajectoryPoint], rule: UTurnRule) -> bool:
    """Whether one came further while unseen than its ways before and after explain."""
    parts = [[points[0]]]
    for now, later in pairwise(points):
        if later.time_s - now.time_s > rule.unseen_s:
            parts.append([])
        parts[-1].append(later)
    # A glimpse between two gaps has no way of its own, and may be of another.
    ways = [parts[0], *(part for part in parts[1:-1] if _lasts(part)), *parts[1:][-1:]]
    return any(
        apart_m(before[-1], after[0]) > _explained_m(before, after, rule)
        for before, after in pairwise(ways)
    )


def _lasts(points: Sequence[TrajectoryPoint]) -> bool:
    return points[-1].time_s - points[0].time_s >= LEAST_S


def _explained_m(
    early: Sequence[TrajectoryPoint], late: Sequence[TrajectoryPoint], rule: UTurnRule
) -> float:
    """How far one may have come unseen between sightings, by its ways before and after.

    Its speed right after the gap is no witness: the leap itself makes it.
    """
    now, later = early[-1], late[0]
    before = mean_velocity([p for p in early if now.time_s - p.time_s <= BESIDE_S], LEAST_S)
    after = mean_velocity([p for p in late if p.time_s - later.time_s <= BESIDE_S], LEAST_S)
    before_mps = now.speed_mps if before is None else math.hypot(*before)
    # Not seen for long enough since: it is asked again.
    after_mps = 0.0 if after is None else math.hypot(*after)
    return (before_mps + after_mps) / 2 * (later.time_s - now.time_s) + rule.slack_m


def _off_way_m(place: Point, way: Sequence[Point]) -> float:
    """Distance of a place from a way of at least one point, metres."""
    x, y = place
    nearest_m = math.dist(place, way[0])
    for (ax, ay), (bx, by) in pairwise(way):
        dx, dy = bx - ax, by - ay
        square = dx * dx + dy * dy
        share = ((x - ax) * dx + (y - ay) * dy) / square if square > 0.0 else 0.0
        share = min(max(share, 0.0), 1.0)
        nearest_m = min(nearest_m, math.hypot(x - ax - share * dx, y - ay - share * dy))
    return nearest_m
