from __future__ import annotations

import dataclasses
import math

import pytest
from test_line_counter import VIEW, rider
from test_rules import back_again, riding, standing

from detection.approach_signals import ApproachSignals
from detection.counting import LineCrossing
from detection.judge import Judge, Watch
from detection.movements import MovementMatcher
from detection.rules import RuleSettings
from detection.trajectory import TrajectoryPoint
from models.camera import AreaKind, CameraView, MovementPath, RoadArea, RoadRules
from models.signals import SignalChange, SignalState, SignalTimeline
from models.violation import ViolationKind


def judge_of(view: CameraView, signals: ApproachSignals) -> Judge:
    matcher = MovementMatcher(view)
    return Judge(
        view, RuleSettings(), signals,
        lambda points, track, since_s: matcher.match([p.centre for p in points], (1.0, 1.0)),
    )  # fmt: skip


@pytest.mark.parametrize(("metric", "leap_m", "flagged"), [
    (True, 0.0, True), (True, 1.8, False), (False, 1.8, True), (False, 5.0, False),
])  # fmt: skip
def test_a_box_that_jumps_hides_no_runner_where_metres_are_guessed(metric, leap_m, flagged):
    """A rider at 5 m/s over the line on red, whose place leaps once."""
    view = dataclasses.replace(VIEW, metric=metric)
    signals = ApproachSignals(["J:a>b"], SignalTimeline((SignalChange(0.0, SignalState.RED),)))
    judge = judge_of(view, signals)
    watch, points, found = Watch(), [], []
    for step in range(16):
        depth_m = -4.0 + 5.0 * step / 6 + (leap_m if step > 7 else 0.0)
        track = rider(1, 0.0, depth_m - 2.0, speed=5.0)
        points.append(
            TrajectoryPoint(
                5.0 + step / 6, step, (0, 0), track.centre, track.front, depth_m, depth_m, 5.0,
                depth_m < 0, (0, 0, 1, 1),
            )
        )  # fmt: skip
        if step == 5:
            judge.crossed(watch, LineCrossing(1, "in", points[-1].time_s - 0.03, step, (0, 0), 5.0))
        found += judge.judge(track, watch, points)
    kinds = [finding.kind for finding, _ in found]
    assert (ViolationKind.RED_LIGHT in kinds) is flagged


ZONE = RoadArea(AreaKind.NO_STOPPING, ((-9.0, 20.0), (9.0, 20.0), (9.0, 60.0), (-9.0, 60.0)))


@pytest.mark.parametrize(("ahead", "passing_mps", "passed"), [
    (None, 6.0, 1),
    (None, 2.0, 0),  # threads his way through a queue
    ((0.0, 8.0, 1), 6.0, 0),  # right behind one that stands
    ((0.0, 8.0, 0), 6.0, 0),  # who stands beyond the zone
    ((3.0, 8.0, 1), 6.0, 0),  # in the lane beside
    ((2.2, 1.0, 1), 6.0, 1),  # abreast of it
    ((0.5, 1.5, 1), 6.0, 0),  # a rider right behind another
    ((6.0, 8.0, 1), 6.0, 1),  # across the road
])  # fmt: skip
def test_who_drives_past_one_that_stands_and_does_not_queue(ahead, passing_mps, passed):
    view = dataclasses.replace(VIEW, road=RoadRules(areas=(ZONE,)))
    signals = ApproachSignals(["J:a>b"], SignalTimeline((SignalChange(0.0, SignalState.RED),)))
    judge = Judge(view, RuleSettings(), signals, lambda points, track, since_s: None)
    stands, drives, other = (Watch(since_s=0.0) for _ in range(3))

    def place(x: float, y: float, speed: float, areas: int = 1) -> TrajectoryPoint:
        return TrajectoryPoint(
            5.0, 0, (0, 0), (x, y), (x, y), y, y, speed, False, (0, 0, 9, 9), areas
        )

    for y in (34.0, 46.0):
        seen = [(place(0.0, 40.0, 0.1), 1, stands), (place(-4.0, y, passing_mps), 2, drives)]
        if ahead is not None:
            aside, beyond, areas = ahead
            seen.append((place(aside, 40.0 + beyond, 0.0, areas), 3, other))
        judge.watch_passing(seen)
    assert len(stands.passed) == passed


def test_what_a_track_seems_to_do_when_it_begins_undoes_no_stop():
    """A new track's speed begins anywhere: it may seem to stand ahead, or to drive as it stands."""
    view = dataclasses.replace(VIEW, road=RoadRules(areas=(ZONE,)))
    signals = ApproachSignals(["J:a>b"], SignalTimeline((SignalChange(0.0, SignalState.RED),)))
    judge = Judge(view, RuleSettings(), signals, lambda points, track, since_s: None)
    stands, again, ahead = Watch(passed={7, 8}), Watch(passed={7, 8}, since_s=0.0), Watch()
    again.add(Watch())  # found again, under a new number

    def place(time_s: float, x: float, y: float, speed: float) -> TrajectoryPoint:
        return TrajectoryPoint(
            time_s, 0, (0, 0), (x, y), (x, y), y, y, speed, False, (0, 0, 9, 9), 1
        )

    judge.watch_passing([(place(5.0, 0.0, 40.0, 0.1), 1, stands)])
    for step, speed in enumerate((4.0, 2.5, 0.6, 0.3)):
        time_s = 20.0 + step / 6
        judge.watch_passing([
            (place(time_s, 0.0, 40.0, 0.1), 1, stands),
            (place(time_s, 3.0, 48.0, 0.3), 2, ahead),
            (place(time_s, 8.0, 25.0, speed), 3, again),
        ])  # fmt: skip
    assert (stands.passed, stands.alone_s) == ({7, 8}, -math.inf)
    assert (again.passed, again.alone_s) == ({7, 8}, -math.inf)
    # Seen for a second it does.
    judge.watch_passing([
        (place(21.0, 0.0, 40.0, 0.1), 1, stands),
        (place(21.0, 3.0, 48.0, 0.3), 2, ahead),
        (place(21.0, 8.0, 25.0, 4.0), 3, again),
    ])  # fmt: skip
    assert not stands.passed
    assert (again.passed, again.alone_s) == (set(), 21.0)


@pytest.mark.parametrize(("ahead_m", "passed"), [(0.1, {7, 8}), (2.0, set())])
def test_of_two_who_stand_abreast_neither_waits_for_the_other(ahead_m, passed):
    """Far off single boxes scatter by a metre: where both stand is told by many."""
    view = dataclasses.replace(VIEW, road=RoadRules(areas=(ZONE,)))
    signals = ApproachSignals(["J:a>b"], SignalTimeline((SignalChange(0.0, SignalState.RED),)))
    judge = Judge(view, RuleSettings(), signals, lambda points, track, since_s: None)
    stands, beside = Watch(since_s=0.0), Watch(since_s=0.0)

    def place(time_s: float, x: float, y: float) -> TrajectoryPoint:
        return TrajectoryPoint(time_s, 0, (0, 0), (x, y), (x, y), y, y, 0.2, False, (0, 0, 9, 9), 1)

    for step in range(30):
        time_s, off_m = 20.0 + step / 6, 0.7 * (-1) ** step
        judge.watch_passing([
            (place(time_s, 0.0, 40.0 - off_m), 1, stands),
            (place(time_s, 1.7, 40.0 + ahead_m + off_m), 2, beside),
        ])  # fmt: skip
        if step == 9:
            stands.passed |= {7, 8}
    assert stands.passed == passed


def test_one_who_waited_on_the_line_all_red_is_judged_when_he_turns_back():
    """His boxes put his front a hand's breadth past it 50 s ago."""
    signals = ApproachSignals(["J:a>b"], SignalTimeline((SignalChange(0.0, SignalState.GREEN),)))
    view = dataclasses.replace(VIEW, road=RoadRules(u_turn_forbidden=True))
    judge = judge_of(view, signals)
    watch, points, found = Watch(), [], []
    judge.crossed(watch, LineCrossing(1, "in", -30.0, 0, (0, 0), 5.0))
    for point in [*standing(-30.0, 50.0, 0.2), *back_again(6.0, 6.0)[1:]]:
        ahead_mps = 6.0 * (point.depth_m - points[-1].depth_m) if points else 0.0
        points.append(point)
        track = rider(1, 0.0, point.depth_m - 2.0, speed=ahead_mps)
        found += judge.judge(track._replace(centre=point.centre), watch, points)
    assert [finding.kind for finding, _ in found] == [ViolationKind.U_TURN]


def test_a_stop_past_the_line_is_judged_when_the_way_tells_whose_head_it_was():
    """The arrow to the left is green all the while; he stands past the line, then drives ahead."""
    ahead, left = "J:a>b", "J:a>c"
    signals = ApproachSignals([ahead, left])
    paths = (
        MovementPath(ahead, ((0.0, -20.0), (0.0, 40.0))),
        MovementPath(left, ((0.0, -20.0), (0.0, 8.0), (-30.0, 8.0))),
    )
    judge = judge_of(dataclasses.replace(VIEW, movements=paths), signals)
    points = [*riding(8.0, 1.2, 24, from_m=-2.4), *standing(12.0, 30.0, 2.4)]
    points += riding(43.0, 5.0, 30, from_m=2.4)
    watch, seen, found = Watch(), [], []
    for second in range(8):
        signals.note(float(second), {ahead: SignalState.GREEN, left: SignalState.GREEN})
    for point in points:
        shown = SignalState.GREEN if point.time_s > 42.5 else SignalState.RED
        signals.note(point.time_s, {ahead: shown, left: SignalState.GREEN})
        seen.append(point)
        if watch.crossing is None and point.depth_m >= 0.0:
            judge.crossed(watch, LineCrossing(1, "in", point.time_s, 0, (0, 0), 1.2))
        track = rider(1, 0.0, point.depth_m - 2.0, speed=point.speed_mps)
        found += [(point.time_s, finding) for finding, _ in judge.judge(track, watch, seen)]
    ((told_s, finding),) = found
    assert finding.kind is ViolationKind.STOP_LINE
    assert 11.0 < finding.time_s < 13.0
    assert told_s > 43.0
