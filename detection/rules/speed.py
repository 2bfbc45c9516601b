"""Speeding, for screening only: a camera's ground plane is no calibrated speed meter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from detection.rules.story import Finding, Story
from models.violation import ViolationKind


@dataclass(frozen=True, slots=True)
class SpeedingRule:
    """Parameters of speeding: the mean over a stretch, above the limit by a margin.

    Measured from ``begin_m`` to ``end_m`` past the line (negative: before it), over at least
    ``min_length_m`` and ``min_points`` sightings without a gap longer than ``max_gap_s``. One that
    came into sight past the line came over it where it drives straight on, within ``max_off_deg``
    of the approach's direction: nobody starts to such a speed within the junction.
    ``margin_mps`` holds the 5 km/h below which nothing is fined, and what the measurement may be
    off by; a fit that scatters more than ``max_scatter_m`` is no measurement.
    """

    enabled: bool = True
    begin_m: float = -5.0
    end_m: float = 35.0
    min_length_m: float = 22.0
    min_points: int = 8
    max_gap_s: float = 0.75
    margin_mps: float = 2.2
    max_scatter_m: float = 0.8
    max_off_deg: float = 20.0


def speeding(story: Story, rule: SpeedingRule) -> Finding | None:
    """Whether a vehicle that drove straight on was faster than the limit and the margin."""
    limit_mps = story.speed_limit_mps
    if limit_mps is None:
        return None
    seen = [p for p in story.points if rule.begin_m <= p.depth_m <= rule.end_m and p.whole]
    if len(seen) < rule.min_points:
        return None
    times = np.array([p.time_s for p in seen])
    places = np.array([p.centre for p in seen])
    if np.diff(times).max() > rule.max_gap_s:
        return None
    if float(np.hypot(*(places[-1] - places[0]))) < rule.min_length_m:
        return None
    design = np.stack([times - times[0], np.ones(len(times))], axis=1)
    fit, *_ = np.linalg.lstsq(design, places, rcond=None)
    scatter_m = float(np.hypot(*(places - design @ fit).T).mean())
    speed_mps = float(np.hypot(*fit[0]))
    if scatter_m > rule.max_scatter_m or speed_mps < limit_mps + rule.margin_mps:
        return None
    crossing_s = story.crossing_s
    if crossing_s is None:
        forward_mps = float(fit[0] @ story.inward)
        if forward_mps < speed_mps * math.cos(math.radians(rule.max_off_deg)):
            return None
        crossing_s = seen[0].time_s - seen[0].depth_m / forward_mps
    return Finding(
        ViolationKind.SPEEDING,
        crossing_s,
        seen[0].time_s,
        seen[-1].time_s,
        story.signal.state_at(crossing_s),
        measures={
            "speed_mps": round(speed_mps, 2),
            "limit_mps": round(limit_mps, 2),
            "over_m": round(float(np.hypot(*(places[-1] - places[0]))), 1),
            "rule_margin_mps": rule.margin_mps,
        },
    )
