"""Who may not have done it is not flagged, and what tells is asked for before it is too late."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from test_line_counter import VIEW, rider
from test_rules import AREA, a_story, riding, sighting, standing

from detection import rules
from detection.approach_signals import ApproachSignals
from detection.counting import LineCrossing
from detection.judge import Judge, Watch
from detection.lives import Life
from detection.movements import MovementMatch
from detection.pipeline import CameraPipeline
from detection.ports import Detections
from detection.trajectory import Trajectory
from models.camera import ForbiddenTurn, MovementPath, RoadRules
from models.signals import SignalState
from models.site import VEHICLE_CLASSES
from models.violation import ViolationKind as Kind


@pytest.mark.parametrize(("front_m", "flagged"), [(-0.03, False), (0.1, False), (-0.5, True)])
def test_who_stood_on_the_line_when_red_began_may_have_crossed_before(front_m, flagged):
    """The place scatters over the line; red at 10 s, and at 14 s it drives on."""
    scatter = np.random.default_rng(4).normal(0.0, 0.12, 40)
    waits = [
        sighting(2.0 + k / 3, front_m + float(off), speed_mps=0.1) for k, off in enumerate(scatter)
    ]
    goes = riding(waits[-1].time_s + 1 / 6, 4.0, 20, from_m=front_m + 0.3)
    crossing_s = max([p.time_s for p in waits if p.depth_m < 0.0 and p.time_s > 10.0][-1], 10.5)
    story = a_story([*waits, *goes], crossing_s=crossing_s)
    assert (rules.red_light(story, rules.RedLightRule()) is not None) is flagged
    stops = standing(goes[3].time_s, 5, 2.0)
    halted = dataclasses.replace(story, points=[*waits, *goes[:3], *stops])
    assert (rules.stop_line(halted, rules.StopLineRule()) is not None) is flagged


def test_who_waited_before_the_line_on_yellow_came_over_it_on_red():
    """Red at 10 s; it sets off just then and stands past the line."""
    waits = standing(7.5, 2, -0.35)
    goes = riding(9.9, 1.3, 9, from_m=-0.3)
    points = [*waits, *goes, *standing(12.0, 4, 1.7)]
    assert rules.stop_line(a_story(points, crossing_s=10.13), rules.StopLineRule()) is not None


def test_who_is_first_seen_driving_over_the_line_on_red_was_before_it():
    points = riding(15.0, 6.0, 12, from_m=0.8)
    ran = a_story(points, crossing_s=14.87)
    assert rules.red_light(ran, rules.RedLightRule()) is not None
    stood = a_story([sighting(15.0, 0.8, speed_mps=0.1), *points[1:]], crossing_s=14.87)
    assert rules.red_light(stood, rules.RedLightRule()) is None


def test_a_box_that_the_picture_cuts_does_not_drive_the_wrong_way():
    points = [sighting(20 + k / 6, 0.0, progress_m=-5.0 - k) for k in range(9)]
    rule = rules.WrongWayRule()
    assert rules.wrong_way(a_story(points), rule) is not None
    cut = [point._replace(whole=False) for point in points]
    assert rules.wrong_way(a_story(cut), rule) is None


@pytest.mark.parametrize(("height_px", "flagged"), [(12.0, False), (17.0, True)])
def test_a_stop_too_far_to_be_placed_is_none(height_px, flagged):
    points = standing(50.0, 25, 70.0, areas=AREA)
    far = [point._replace(box_px=(0.0, 40.0, 8.0, 40.0 + height_px)) for point in points]
    rule = rules.IllegalStoppingRule()
    assert (rules.illegal_stopping(a_story(far, passed=6), rule) is not None) is flagged


def test_one_who_blocks_far_away_may_seem_to_move():
    """Deep in the junction a place scatters by half a metre, a speed by more."""
    off = np.random.default_rng(2).normal(0.0, 0.4, 12)
    points = [
        sighting(12 + k / 2, 28.0 + float(d), areas=AREA, speed_mps=1.2 if k % 3 else 0.2)
        for k, d in enumerate(off)
    ]
    rule = rules.BlockingRule()
    assert rules.blocking(a_story(points, crossing_s=9.0), rule) is not None
    creeps = [p._replace(centre=(0.0, 28.0 + 0.5 * k)) for k, p in enumerate(points)]
    assert rules.blocking(a_story(creeps, crossing_s=9.0), rule) is None


def _judge(
    shown: dict[str, SignalState], match: MovementMatch, road: RoadRules = VIEW.road
) -> Judge:
    """Of an approach whose left turn has a head of its own."""
    paths = tuple(MovementPath(name, ((0.0, -20.0), (0.0, 20.0))) for name in shown)
    signals = ApproachSignals(list(shown))
    for second in range(40):
        signals.note(float(second), shown)
    return Judge(
        dataclasses.replace(VIEW, movements=paths, road=road), rules.RuleSettings(), signals,
        lambda points, track, since_s: match,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("from_m", "beside_m", "heading", "flagged"),
    [
        (0.0, 5.0, (-1.0, 0.0), False),
        (0.0, 12.5, (-1.0, 0.0), True),
        (5.0, 5.5, (-1.0, 0.0), False),
        (0.0, 2.0, (-0.57, 0.82), False),
    ],
    ids=["turning", "gone left", "from the outermost lane", "begins to turn"],
)
def test_one_who_turns_at_the_others_green_may_be_turning_back(from_m, beside_m, heading, flagged):
    """Straight on is green, left is red; who turns back goes with what the approach shows.

    One who comes from the outermost lane has a long way across before he drives back.
    """
    shown = {"J:a>through": SignalState.GREEN, "J:a>left": SignalState.RED}
    judge, watch = _judge(shown, MovementMatch("J:a>left", True, 18.0, 0.1)), Watch()
    judge.crossed(watch, LineCrossing(1, "in", 20.0, 1, (0, 0), 5.0))
    points = riding(19.5, 4.0, 15, from_m=-2.0)
    way = [point._replace(centre=(from_m, point.depth_m)) for point in points]
    track = rider(1, 0.0, 0.0)._replace(centre=(-beside_m, 8.0), heading=heading)
    found = judge.judge(track, watch, way)
    assert (Kind.RED_LIGHT in {finding.kind for finding, _ in found}) is flagged


@pytest.mark.parametrize(("goes_s", "asked"), [(50.0, True), (205.0, False)])
def test_a_truck_that_stood_on_the_line_is_watched_until_it_turns(goes_s, asked):
    """Its front was seen to come over the line at 20 s."""
    road = dataclasses.replace(VIEW.road, forbidden_turns=(ForbiddenTurn("J:a>left", ("truck",)),))
    left = MovementMatch("J:a>left", True, 18.0, 0.1)
    judge = _judge({"J:a>left": SignalState.GREEN}, left, road)
    watch, track = Watch(), rider(1, 0.0, 16.0)._replace(vehicle_class="truck")
    judge.crossed(watch, LineCrossing(1, "in", 20.0, 1, (0, 0), 5.0))
    way = [*standing(20.0, goes_s - 20.0, 0.3), *riding(goes_s + 0.2, 5.0, 20, from_m=0.6)]
    found = [finding for finding, _ in judge.judge(track, watch, way)]
    assert [item.time_s for item in found if item.kind is Kind.ILLEGAL_TURN] == [goes_s] * asked


def test_riders_are_judged_by_what_was_read_before_they_were_lost():
    judge = _judge({"J:a>b": SignalState.GREEN}, MovementMatch("J:a>b", True, 4.0, 0.0))
    points, watch = riding(19.5, 4.0, 12, from_m=-2.0), Watch(bare_heads=[1] * 9)
    track = rider(1, 0.0, points[-1].depth_m - 2.0)
    assert judge.judge_lost(track, watch, points) == []
    judge.crossed(watch, LineCrossing(1, "in", 20.0, 1, (0, 0), 5.0))
    assert judge.judge(track, watch, points) == []
    found = judge.judge_lost(track, watch, points)
    assert [finding.kind for finding, _ in found] == [Kind.NO_HELMET]
    assert judge.judge_lost(track, watch, points) == []


def _flags_of_riders(whole: bool) -> set[Kind]:
    """A bareheaded rider drives over the line and is lost; the camera is the picture's plane."""
    view = dataclasses.replace(
        VIEW, ground_from_image=((0.05, 0.0, -16.0), (0.0, -0.05, 12.0), (0.0, 0.0, 1.0)),
        width_px=640 if whole else 320,
    )  # fmt: skip
    pipeline = CameraPipeline(view, detector="boxes", weights_sha256="")
    kinds: set[Kind] = set()
    for step in range(50):
        y = 300.0 - 8.0 * step
        boxes = np.array([[308.0, y - 40, 332.0, y]] if y > 200 else np.zeros((0, 4)), np.float32)
        count = len(boxes)
        found = Detections(
            boxes, np.full(count, 0.9, np.float32), np.zeros(count, np.int64), VEHICLE_CLASSES,
            np.ones(count, np.int64), np.ones(count, np.int64),
        )  # fmt: skip
        result = pipeline.process(step / 6, found, SignalState.GREEN)
        kinds |= {flag.kind for flag in result.violations}
    return kinds


def test_nothing_is_read_of_riders_whom_the_picture_cuts():
    assert Kind.NO_HELMET in _flags_of_riders(whole=True)
    assert Kind.NO_HELMET not in _flags_of_riders(whole=False)


@pytest.mark.parametrize(("wheels_m", "told"), [(-0.3, True), (0.4, False)])
def test_when_one_first_seen_astride_the_line_came_over_it_is_told_by_his_speed(wheels_m, told):
    """He drives 4 m/s and is first seen at 15 s, his front 1.6 m past the line."""
    pipeline = CameraPipeline(VIEW, detector="boxes", weights_sha256="")
    life = Life(Trajectory(), rider(1, 0.0, 5.0), first_m=wheels_m)
    for point in riding(15.0, 4.0, 9, from_m=1.6):
        life.trajectory.add(point)
    pipeline._unseen_passage(life, 15.0)
    assert life.over
    assert (life.watch.crossing is not None) is told
    if life.watch.crossing is not None:
        assert life.watch.crossing.time_s == pytest.approx(14.6)
