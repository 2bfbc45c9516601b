"""Whose speed is judged that came into sight only when he was over the line."""

from __future__ import annotations

import dataclasses

import pytest
from test_detection_judge import judge_of
from test_line_counter import VIEW, rider
from test_rules import riding

from detection.approach_signals import ApproachSignals
from detection.judge import Watch
from models.camera import RoadRules
from models.signals import SignalChange, SignalState, SignalTimeline
from models.violation import ViolationKind


@pytest.mark.parametrize(
    ("speed_mps", "x_m", "kinds"),
    [
        (20.0, 0.0, [ViolationKind.SPEEDING]),
        (12.0, 0.0, []),
        (20.0, 8.0, []),  # beside the line's end: he came from elsewhere
    ],
)
def test_one_first_seen_past_the_line_is_judged_by_the_way_that_is_seen(speed_mps, x_m, kinds):
    view = dataclasses.replace(VIEW, road=RoadRules(speed_limit_mps=13.9))
    signals = ApproachSignals(["J:a>b"], SignalTimeline((SignalChange(0.0, SignalState.GREEN),)))
    judge = judge_of(view, signals)
    watch, points, found = Watch(), [], []
    for point in riding(5.0, speed_mps, 24, from_m=6.0, x_m=x_m):
        points.append(point)
        track = rider(1, x_m, point.depth_m - 2.0, speed=speed_mps)
        found += judge.judge(track, watch, points)
    assert [finding.kind for finding, _ in found] == kinds
    for finding, _ in found:
        assert finding.time_s == pytest.approx(5.0 - 6.0 / speed_mps, abs=0.01)
