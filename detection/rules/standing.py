"""Standing where nobody may stand: in a no-stopping zone, within the junction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from detection.rules.story import Finding, Story, apart_m
from detection.trajectory import TrajectoryPoint
from models.signals import SignalState
from models.violation import ViolationKind

BRAKING_MPS: Final = 2.0
"""One who seems to move so fast where he then stays has not stopped yet: a place that scatters,
deep in the junction, gives less."""
OTHER_SIZE: Final = 1.7
"""One who stands keeps his size: a box so many times as wide or high shows another beside him."""


@dataclass(frozen=True, slots=True)
class IllegalStoppingRule:
    """Parameters of illegal stopping: ``min_stand_s`` in a no-stopping zone, not in a queue.

    It stays within ``stay_m`` of one place (far from the camera a place scatters, and a speed
    more so), hidden for ``max_gap_s`` at the most. That it is no queue is known from ``min_passed``
    vehicles that drove past meanwhile. A box below ``min_height_px`` is too far to tell; so is one
    that hides more than ``max_ahead_hidden`` of a car that it may wait for.
    """

    enabled: bool = True
    min_stand_s: float = 20.0
    min_passed: int = 4
    stay_m: float = 2.5
    max_gap_s: float = 20.0
    min_height_px: float = 16.0
    max_ahead_hidden: float = 0.8


@dataclass(frozen=True, slots=True)
class BlockingRule:
    """Parameters of blocking: ``min_stand_s`` within the junction while its own head is red.

    One who waits there for a gap during green waits lawfully. It stays within ``stay_m`` of one
    place (deep in the junction a place scatters, and a speed more so), seen at least every
    ``max_gap_s``.
    """

    enabled: bool = True
    min_stand_s: float = 5.0
    stay_m: float = 1.5
    max_gap_s: float = 2.5


def illegal_stopping(story: Story, rule: IllegalStoppingRule) -> Finding | None:
    """Whether a vehicle stands in a no-stopping zone while others drive past it."""
    if story.passed < rule.min_passed or story.vehicle_class == "pedestrian":
        return None
    if story.ahead_hidden > rule.max_ahead_hidden:
        return None
    run = _staying(story, lambda p: p.time_s >= story.alone_s, rule)
    # One who stands at the kerb is at the zone's edge: now in it, now beside it, as boxes scatter.
    if 2 * sum(bool(point.areas & story.no_stopping_areas) for point in run) < len(run):
        return None
    heights = sorted(point.box_px[3] - point.box_px[1] for point in run)
    if not run or heights[len(run) // 2] < rule.min_height_px:
        return None
    stood_s = run[-1].time_s - run[0].time_s if run else 0.0
    if stood_s < rule.min_stand_s:
        return None
    return Finding(
        ViolationKind.ILLEGAL_STOPPING,
        run[0].time_s,
        run[-1].time_s - 10.0,
        run[-1].time_s,
        story.signal.state_at(run[0].time_s),
        at_s=run[-1].time_s - 5.0,
        measures={
            "stood_s": round(stood_s, 1),
            "passed_by": float(story.passed),
            "rule_min_stand_s": rule.min_stand_s,
        },
    )


def blocking(story: Story, rule: BlockingRule) -> Finding | None:
    """Whether a vehicle stands within the junction after its own green has ended."""
    if story.crossing_s is None and story.unseen_s is None:
        return None
    signal = story.signal
    run = _staying(
        story,
        lambda p: bool(p.areas & story.box_areas) and signal.state_at(p.time_s) is SignalState.RED,
        rule,
    )
    stood_s = run[-1].time_s - run[0].time_s if run else 0.0
    if stood_s < rule.min_stand_s:
        return None
    return Finding(
        ViolationKind.BLOCKING,
        run[0].time_s,
        run[0].time_s,
        run[-1].time_s,
        SignalState.RED,
        signal.time_into_s(run[0].time_s),
        at_s=(run[0].time_s + run[-1].time_s) / 2,
        measures={"stood_s": round(stood_s, 1), "rule_min_stand_s": rule.min_stand_s},
    )


def _staying(
    story: Story,
    here: Callable[[TrajectoryPoint], bool],
    rule: IllegalStoppingRule | BlockingRule,
) -> list[TrajectoryPoint]:
    """The latest unbroken series of sightings about its last place, since it stopped there."""
    run: list[TrajectoryPoint] = []
    for point in reversed(story.points):
        if not here(point) or not point.whole:
            break
        if run:
            if not _alike(point, run[0]):
                continue
            gap_s = run[-1].time_s - point.time_s
            if gap_s > rule.max_gap_s or apart_m(point, run[0]) > rule.stay_m:
                break
        run.append(point)
    while run and run[-1].speed_mps >= BRAKING_MPS:
        run.pop()
    run.reverse()
    return run


def _alike(one: TrajectoryPoint, other: TrajectoryPoint) -> bool:
    """Whether two boxes are about as wide and as high."""
    (a, b, c, d), (e, f, g, h) = one.box_px, other.box_px
    pairs = ((c - a, g - e), (d - b, h - f))
    return all(max(pair) < OTHER_SIZE * min(pair) for pair in pairs)
