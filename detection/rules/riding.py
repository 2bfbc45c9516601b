"""Who rides: more than two on a motorbike, no helmet. Advisory: it rests on what a detector
reads from a few pixels, by vote over the track.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detection.rules.story import Finding, Story
from models.violation import ViolationKind

MIXED: Final = 10
AGREE: Final = 2
"""So many readings in a row of which no more than so few agree with the vote are another rider's:
the track has changed vehicles."""


@dataclass(frozen=True, slots=True)
class OverloadedRule:
    """Parameters of overloading: more than ``max_riders`` in most readings.

    At least ``min_readings`` of the detector, of which ``min_share`` say so.
    """

    enabled: bool = True
    max_riders: int = 2
    min_readings: int = 8
    min_share: float = 0.65


@dataclass(frozen=True, slots=True)
class NoHelmetRule:
    """Parameters of the missing helmet: a bare head in most of at least ``min_readings``."""

    enabled: bool = True
    min_readings: int = 8
    min_share: float = 0.65


def overloaded(story: Story, rule: OverloadedRule) -> Finding | None:
    """Whether more ride a motorbike than may."""
    if story.vehicle_class != "motorcycle":
        return None
    share = _share(story.riders, rule.max_riders, rule.min_readings)
    if share is None or share < rule.min_share:
        return None
    counts = sorted(story.riders)
    return _finding(
        ViolationKind.OVERLOADED,
        story,
        {
            "riders": float(counts[len(counts) // 2]),
            "readings": float(len(counts)),
            "share": round(share, 2),
        },
    )


def no_helmet(story: Story, rule: NoHelmetRule) -> Finding | None:
    """Whether somebody on a motorbike wears no helmet."""
    if story.vehicle_class != "motorcycle":
        return None
    share = _share(story.bare_heads, 0, rule.min_readings)
    if share is None or share < rule.min_share:
        return None
    return _finding(
        ViolationKind.NO_HELMET,
        story,
        {"readings": float(len(story.bare_heads)), "share": round(share, 2)},
    )


def _share(readings: Sequence[int], above: int, least: int) -> float | None:
    """Share of readings above a number; None of too few, or of more than one rider's."""
    if len(readings) < least:
        return None
    says = [value > above for value in readings]
    stretches = (says[i : i + MIXED] for i in range(len(says) - MIXED + 1))
    if any(sum(stretch) <= AGREE for stretch in stretches):
        return None
    return sum(says) / len(says)


def _finding(kind: ViolationKind, story: Story, measures: dict[str, float]) -> Finding | None:
    """The flag at the stop line: one place where every vehicle is judged, once."""
    crossing_s = story.crossing_s
    if crossing_s is None or not story.points:
        return None
    return Finding(
        kind,
        crossing_s,
        max(crossing_s - 1.0, story.points[0].time_s),
        story.points[-1].time_s,
        story.signal.state_at(crossing_s),
        measures=measures,
    )
