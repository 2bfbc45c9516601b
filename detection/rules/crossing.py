"""Rules about the stop line: red light, early start, encroachment.

Red light (Law 36/2024/QH15, Art. 11.4): yellow means stop before the line unless already on or
past it, so the instant that decides is that at which the vehicle's front crosses. A front that
crosses on yellow ran no light, and nothing is flagged while the state is dark or unknown.

A front that crosses on red is one of three: it goes on into the junction (red light), green
comes before it is inside (early start), or it stops past the line (encroachment).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from detection.rules.story import ASTRIDE_M, STANDING_MPS, Finding, Story, apart_m
from detection.trajectory import TrajectoryPoint
from models.signals import SignalState, SignalTimeline
from models.site import LONG_VEHICLES
from models.violation import ViolationKind

JUST_S = 1e-3
STOOD_S = 0.8
"""A shorter stand past the line may be the scatter of one that creeps."""
STAYS_M = 0.5
"""So near to where one stood he stands still, whatever a single speed says."""


@dataclass(frozen=True, slots=True)
class RedLightRule:
    """Parameters of the red-light rule.

    ``min_red_s``: the front must cross at least this long after red began; it covers the
    interpolation between frames and a signal log of limited resolution. ``min_before_m``: so far
    before the line it was when red began; who stood on the line by then may have crossed before.
    ``continue_m``: the
    front must get this far past the line, still on red; one who stops on the pedestrian
    crossing did not run the light. ``within_s``: and must do so within this time of crossing,
    else it is a creeping start, which is another kind. ``max_gap_s``, ``max_gain_mps2`` and
    ``jitter_m``: the vehicle is seen all the way and goes no further between two sightings than
    its speed, such an acceleration and the boxes' jitter allow; a track that breaks or leaps may
    have changed vehicles. Nor may more than ``max_unseen`` of the way lie in gaps longer than
    ``gap_s``.
    """

    enabled: bool = True
    min_red_s: float = 0.3
    min_before_m: float = 0.3
    continue_m: float = 5.0
    within_s: float = 8.0
    max_gap_s: float = 1.5
    max_gain_mps2: float = 3.0
    jitter_m: float = 1.2
    max_unseen: float = 0.5
    gap_s: float = 0.5


@dataclass(frozen=True, slots=True)
class EarlyStartRule:
    """Parameters of the early start: over the line on red, green comes before it is inside.

    The front crosses at least ``min_before_green_s`` and at most ``max_before_green_s`` before
    green, at least ``min_red_s`` after red began, when it was ``min_before_m`` before the line or
    more; it was seen ``min_past_m`` past the line on red
    (what a front's place may be off by), is less than ``inside_m`` past it when green comes, and
    gets there within ``within_s`` of crossing, seen without a gap longer than
    ``max_gap_s``.
    """

    enabled: bool = True
    min_red_s: float = 0.3
    min_before_m: float = 0.3
    min_before_green_s: float = 0.4
    max_before_green_s: float = 4.0
    min_past_m: float = 0.8
    inside_m: float = 5.0
    within_s: float = 8.0
    max_gap_s: float = 1.5


@dataclass(frozen=True, slots=True)
class StopLineRule:
    """Parameters of the encroachment: came over the line on yellow or red and stands past it.

    Its front was ``min_before_m`` before the line or more when that light began, and stands
    between ``min_past_m`` and ``max_past_m`` past it for ``min_stand_s``, on red throughout, seen
    at least every ``max_gap_s``, no further than ``max_aside_m`` to the side of where it crossed:
    beyond that it has turned, and who stands there may be somebody else, on foot. Of a truck or
    a bus, whose length and height are only guessed, the front must be ``min_past_long_m`` past.
    """

    enabled: bool = True
    min_before_m: float = 0.3
    min_past_m: float = 1.0
    min_past_long_m: float = 2.5
    max_past_m: float = 6.0
    max_aside_m: float = 4.0
    min_stand_s: float = 2.0
    max_gap_s: float = 2.5


def red_light(story: Story, rule: RedLightRule) -> Finding | None:
    """Whether a vehicle ran the red light; None too while its sightings do not show it yet."""
    crossing_s, signal = story.crossing_s, story.signal
    into_s = _into_red_s(story, rule)
    if crossing_s is None or into_s is None:
        return None
    before: TrajectoryPoint | None = None
    passed_m = unseen_m = 0.0
    for point in story.points:
        if point.time_s < crossing_s:
            before = point
            continue
        if point.time_s > crossing_s + rule.within_s or not _continuous(before, point, rule):
            return None
        if before is not None:
            step_m = abs(point.depth_m - before.depth_m)
            passed_m += step_m
            unseen_m += step_m if point.time_s - before.time_s > rule.gap_s else 0.0
        before = point
        if signal.state_at(point.time_s) is not SignalState.RED:
            return None
        if point.depth_m >= rule.continue_m:
            if unseen_m > rule.max_unseen * passed_m:
                return None
            return Finding(
                ViolationKind.RED_LIGHT,
                crossing_s,
                crossing_s - 1.0,
                point.time_s,
                SignalState.RED,
                into_s,
                measures={
                    "inside_m": round(point.depth_m, 2),
                    "inside_after_s": round(point.time_s - crossing_s, 2),
                    "rule_min_red_s": rule.min_red_s,
                    "rule_continue_m": rule.continue_m,
                },
            )
    return None


def early_start(story: Story, rule: EarlyStartRule) -> Finding | None:
    """Whether a vehicle crossed the line on red just before green and drove off."""
    crossing_s, signal = story.crossing_s, story.signal
    into_s = _into_red_s(story, rule)
    if crossing_s is None or into_s is None:
        return None
    after = [point for point in story.points if point.time_s >= crossing_s]
    if not _seen_throughout(after, rule.max_gap_s):
        return None
    green_s: float | None = None
    past_m = 0.0
    red: list[TrajectoryPoint] = []
    for point in after:
        state = signal.state_at(point.time_s)
        if state is SignalState.RED and green_s is None:
            red.append(point)
            if point.depth_m >= rule.inside_m or _stood_past(red):
                return None
            past_m = max(past_m, point.depth_m)
            continue
        if state is not SignalState.GREEN or past_m < rule.min_past_m:
            return None
        if green_s is None:
            green_s = point.time_s - (signal.time_into_s(point.time_s) or 0.0)
            ahead_s = green_s - crossing_s
            if not rule.min_before_green_s <= ahead_s <= rule.max_before_green_s:
                return None
        if point.time_s > crossing_s + rule.within_s:
            return None
        if point.depth_m >= rule.inside_m:
            return Finding(
                ViolationKind.EARLY_START,
                crossing_s,
                crossing_s - 1.0,
                green_s,
                SignalState.RED,
                into_s,
                measures={
                    "before_green_s": round(green_s - crossing_s, 2),
                    "rule_min_before_green_s": rule.min_before_green_s,
                },
            )
    return None


def stop_line(story: Story, rule: StopLineRule) -> Finding | None:
    """Whether a vehicle came over the line on yellow or red and stopped past it, on red."""
    crossing_s, signal = story.crossing_s, story.signal
    if crossing_s is None:
        return None
    crossed_on = signal.state_at(crossing_s)
    if crossed_on not in (SignalState.RED, SignalState.YELLOW):
        return None
    if not _was_before(story, _since_green_s(signal, crossing_s), rule.min_before_m):
        return None
    long = story.vehicle_class in LONG_VEHICLES
    min_past_m = max(rule.min_past_m, rule.min_past_long_m) if long else rule.min_past_m
    run: list[TrajectoryPoint] = []
    over = next((point for point in story.points if point.time_s >= crossing_s), story.points[-1])
    for point in story.points:
        here = (
            point.time_s >= crossing_s
            and _aside_m(story, over, point) <= rule.max_aside_m
            and min_past_m <= point.depth_m <= rule.max_past_m
            and point.whole
            and signal.state_at(point.time_s) is SignalState.RED
        )
        stands = point.speed_mps < STANDING_MPS
        if run:
            stays = here and (stands or apart_m(point, run[-1]) <= STAYS_M)
            if not stays or point.time_s - run[-1].time_s > rule.max_gap_s:
                run = []
        if here and stands:
            run.append(point)
        if run and run[-1].time_s - run[0].time_s >= rule.min_stand_s:
            depths = sorted(item.depth_m for item in run)
            return Finding(
                ViolationKind.STOP_LINE,
                run[0].time_s,
                crossing_s,
                run[-1].time_s,
                SignalState.RED,
                signal.time_into_s(run[0].time_s),
                measures={
                    "past_line_m": round(depths[len(depths) // 2], 2),
                    "stood_s": round(run[-1].time_s - run[0].time_s, 2),
                    "rule_min_past_m": min_past_m,
                    "rule_min_stand_s": rule.min_stand_s,
                },
            )
    return None


def _aside_m(story: Story, one: TrajectoryPoint, other: TrajectoryPoint) -> float:
    """How far a vehicle has gone to the side, metres."""
    ix, iy = story.inward
    return abs((other.centre[0] - one.centre[0]) * iy - (other.centre[1] - one.centre[1]) * ix)


def _into_red_s(story: Story, rule: RedLightRule | EarlyStartRule) -> float | None:
    """Seconds into red at the crossing; None where it was not red for so long, or not before."""
    if story.crossing_s is None:
        return None
    if story.signal.state_at(story.crossing_s) is not SignalState.RED:
        return None
    into_s = story.signal.time_into_s(story.crossing_s)
    if into_s is None or into_s < rule.min_red_s:
        return None
    since_s = story.crossing_s - into_s
    return into_s if _was_before(story, since_s, rule.min_before_m) else None


def _since_green_s(signal: SignalTimeline, time_s: float) -> float | None:
    """When the yellow or the red that is shown at a time began, red with the yellow before it."""
    into_s = signal.time_into_s(time_s)
    if into_s is None:
        return None
    before_s = time_s - into_s - JUST_S
    if signal.state_at(before_s) is SignalState.YELLOW:
        yellow_s = signal.time_into_s(before_s)
        return before_s if yellow_s is None else before_s - yellow_s
    return time_s - into_s


def _was_before(story: Story, since_s: float | None, least_m: float) -> bool:
    """Whether the front was clearly before the line from a time on until it crossed.

    A front that stood on the line may have crossed it on green, by what its place is off: the
    mean of its sightings tells, so that one that scatters over the line is before it by chance.
    """
    if since_s is None or story.crossing_s is None or not story.points:
        return False
    early = [point for point in story.points if point.time_s <= since_s]
    later = [point for point in story.points if point.time_s > since_s]
    if not later:
        return early[-1].depth_m <= -least_m
    after = later[0]
    if early:
        now = early[-1]
        share = (since_s - now.time_s) / (after.time_s - now.time_s)
        first_m = now.depth_m + share * (after.depth_m - now.depth_m)
    else:
        first_m = after.depth_m - after.speed_mps * (after.time_s - since_s)
    depths = [first_m, *(point.depth_m for point in later if point.time_s < story.crossing_s)]
    return sum(depths) / len(depths) <= -least_m


def _stood_past(points: Sequence[TrajectoryPoint]) -> bool:
    """Whether the latest sightings show it standing past the line.

    By the way it went: of one that drives off the speed lags behind for half a second.
    """
    last = points[-1]
    before = next((p for p in reversed(points) if last.time_s - p.time_s >= STOOD_S), None)
    if before is None or before.depth_m <= ASTRIDE_M:
        return False
    return last.depth_m - before.depth_m < STANDING_MPS * (last.time_s - before.time_s)


def _seen_throughout(points: Sequence[TrajectoryPoint], max_gap_s: float) -> bool:
    return all(later.time_s - now.time_s <= max_gap_s for now, later in pairwise(points))


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
