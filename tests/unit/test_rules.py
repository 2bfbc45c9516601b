"""Each rule: what it flags, and what it must not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from detection import rules
from detection.judge import RULES
from detection.movements import MovementMatch
from detection.rules import Story
from detection.trajectory import TrajectoryPoint
from models.signals import SignalChange, SignalState, SignalTimeline
from models.violation import ViolationKind

RED_AT_10 = SignalTimeline(
    (
        SignalChange(0.0, SignalState.GREEN),
        SignalChange(7.0, SignalState.YELLOW),
        SignalChange(10.0, SignalState.RED),
        SignalChange(40.0, SignalState.GREEN),
    )
)
UNKNOWN = SignalTimeline((SignalChange(0.0, SignalState.UNKNOWN),))
AREA = 1


def sighting(
    time_s: float,
    depth_m: float,
    *,
    x_m: float = 0.0,
    speed_mps: float = 5.0,
    progress_m: float | None = None,
    in_zone: bool = True,
    areas: int = 0,
    whole: bool = True,
) -> TrajectoryPoint:
    progress = depth_m if progress_m is None else progress_m
    return TrajectoryPoint(
        time_s, 0, (0, 0), (x_m, progress), (x_m, depth_m), depth_m, progress, speed_mps, in_zone,
        (0, 0, 20, 40), areas, whole,
    )  # fmt: skip


def riding(
    begin_s: float, speed_mps: float, frames: int, *, from_m: float = 0.0, **more: object
) -> list[TrajectoryPoint]:
    """Straight ahead at one speed, six sightings a second."""
    return [
        sighting(begin_s + k / 6, from_m + k / 6 * speed_mps, speed_mps=speed_mps, **more)  # type: ignore[arg-type]
        for k in range(frames)
    ]


def standing(begin_s: float, seconds: float, depth_m: float, **more: object) -> list:
    """At one place, one sighting a second, as a track keeps them."""
    return [
        sighting(begin_s + k, depth_m, speed_mps=0.1, **more)  # type: ignore[arg-type]
        for k in range(int(seconds) + 1)
    ]


def a_story(points: list[TrajectoryPoint], **changes: object) -> Story:
    story = Story("motorcycle", points, RED_AT_10, pavement_areas=AREA, no_stopping_areas=AREA,
                  box_areas=AREA)  # fmt: skip
    return replace(story, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("crossing_s", "speed", "flagged"),
    [
        (9.9, 5.0, False),  # on yellow
        (10.2, 5.0, False),  # within what interpolation may be wrong by
        (10.4, 5.0, True),
        (25.0, 5.0, True),
        (39.5, 5.0, False),  # green before it was inside: an early start
        (12.0, 0.4, False),  # creeps over the line
    ],
)
def test_red_light(crossing_s, speed, flagged):
    points = riding(crossing_s - 0.5, speed, 93, from_m=-0.5 * speed)
    story = a_story(points, crossing_s=crossing_s)
    finding = rules.red_light(story, rules.RedLightRule())
    assert (finding is not None) is flagged
    if finding is not None:
        assert finding.kind is ViolationKind.RED_LIGHT
        assert finding.time_into_red_s == pytest.approx(crossing_s - 10.0)
        assert finding.measures["inside_m"] >= 5.0
    assert rules.red_light(replace(story, signal=UNKNOWN), rules.RedLightRule()) is None


def test_a_track_that_leaps_over_the_line_is_no_runner():
    points = [sighting(12.0, -1.0), sighting(12.17, 0.3), sighting(12.34, 14.0)]
    assert rules.red_light(a_story(points, crossing_s=12.1), rules.RedLightRule()) is None


@pytest.mark.parametrize(
    ("crossing_s", "speed", "flagged"),
    [
        (39.4, 4.0, True),
        (38.0, 2.0, True),
        (39.8, 4.0, False),  # within what the instant may be wrong by
        (38.0, 6.0, False),  # inside while still red: ran the light
        (40.2, 4.0, False),  # on green
        (9.0, 4.0, False),  # on yellow
    ],
)
def test_early_start(crossing_s, speed, flagged):
    story = a_story(riding(crossing_s - 0.5, speed, 40, from_m=-0.5 * speed), crossing_s=crossing_s)
    finding = rules.early_start(story, rules.EarlyStartRule())
    assert (finding is not None) is flagged
    if finding is not None:
        assert finding.measures["before_green_s"] == pytest.approx(40.0 - crossing_s, abs=0.01)
    assert rules.early_start(replace(story, signal=UNKNOWN), rules.EarlyStartRule()) is None
    ran = rules.red_light(story, rules.RedLightRule())
    assert ran is None or finding is None


@pytest.mark.parametrize(("halts_s", "flagged"), [(0.0, True), (1.5, False)])
def test_who_drives_off_over_the_line_does_not_stand_past_it(halts_s, flagged):
    """Whose speed, as a filter tells it, is still small where its front is."""
    points = [sighting(36.0 + k / 6, -0.5, speed_mps=0.1) for k in range(12)]
    points += [sighting(38.0 + k / 6, -0.5 + 0.3 * k, speed_mps=0.1 * k) for k in range(6)]
    points += [sighting(39.0 + k / 6, 1.3, speed_mps=0.3) for k in range(int(6 * halts_s))]
    points += riding(39.0 + halts_s, 3.0, 30, from_m=1.3)
    signal = SignalTimeline(
        (SignalChange(0.0, SignalState.RED), SignalChange(39.2 + halts_s, SignalState.GREEN))
    )
    story = a_story(points, crossing_s=38.3, signal=signal)
    assert (rules.early_start(story, rules.EarlyStartRule()) is not None) is flagged


@pytest.mark.parametrize(
    ("crossing_s", "past_m", "stands_s", "flagged"),
    [
        (15.0, 1.5, 3, True),
        (9.0, 1.5, 3, True),  # came over on yellow, stands on red
        (15.0, 0.4, 9, False),  # with the front wheel on the line
        (15.0, 1.5, 1, False),  # hesitates
        (5.0, 1.5, 9, False),  # came over on green
        (15.0, 9.0, 9, False),  # within the junction: another kind
    ],
)
def test_stop_line(crossing_s, past_m, stands_s, flagged):
    come = sighting(crossing_s - 0.2, -0.5)
    points = [come, *standing(max(crossing_s + 0.5, 11.0), stands_s, past_m)]
    story = a_story(points, crossing_s=crossing_s)
    finding = rules.stop_line(story, rules.StopLineRule())
    assert (finding is not None) is flagged
    assert rules.stop_line(replace(story, signal=UNKNOWN), rules.StopLineRule()) is None
    cut = [point._replace(whole=False) for point in points]
    assert rules.stop_line(replace(story, points=cut), rules.StopLineRule()) is None
    aside = [come, *(p._replace(centre=(p.centre[0] + 6.0, p.centre[1])) for p in points[1:])]
    driven = [come, points[1]._replace(time_s=crossing_s, speed_mps=5.0), *aside[1:]]
    assert rules.stop_line(replace(story, points=driven), rules.StopLineRule()) is None


@pytest.mark.parametrize(("moved_m", "flagged"), [(0.2, True), (1.0, False)])
def test_a_single_speed_does_not_end_a_stop_past_the_line(moved_m, flagged):
    points = [sighting(14.8, -0.5), *standing(15.5, 1, 1.5)]
    points += [sighting(16.7, 1.5 + moved_m, speed_mps=0.9), *standing(16.9, 1, 1.5 + moved_m)]
    finding = rules.stop_line(a_story(points, crossing_s=15.0), rules.StopLineRule())
    assert (finding is not None) is flagged
    assert finding is None or finding.time_s == 15.5


@pytest.mark.parametrize(("past_m", "flagged"), [(2.0, False), (3.5, True)])
def test_the_front_of_a_bus_must_be_further_past_the_line(past_m, flagged):
    points = [sighting(14.8, -0.5), *standing(15.5, 3, past_m)]
    story = a_story(points, crossing_s=15.0, vehicle_class="bus")
    assert (rules.stop_line(story, rules.StopLineRule()) is not None) is flagged
    rider = replace(story, vehicle_class="motorcycle")
    assert rules.stop_line(rider, rules.StopLineRule()) is not None


def test_wrong_way():
    rule = rules.WrongWayRule()

    def judged(points: list[TrajectoryPoint]) -> bool:
        return rules.wrong_way(a_story(points), rule) is not None

    against = [sighting(k / 6, -k, progress_m=20 - k) for k in range(9)]
    assert judged(against)
    assert not judged(against[:5])
    assert not judged([point._replace(in_zone=False) for point in against])
    assert not judged([sighting(k / 6, k) for k in range(9)])
    assert not judged([sighting(k / 2, -k, progress_m=20 - k / 2) for k in range(18)])
    # It turned in from the junction, and was seen for a moment only on the approach.
    turned_in = [sighting(k / 6, 6 - k, in_zone=k > 6) for k in range(11)]
    assert judged(turned_in)
    finding = rules.wrong_way(a_story(turned_in), rule)
    assert finding is not None
    assert (finding.before_s, finding.time_s) == (0.0, turned_in[7].time_s)
    assert not judged(turned_in[:9])
    assert not judged([point._replace(depth_m=-4.0) for point in turned_in[:7]] + turned_in[7:])
    hidden = [point for point in against if not 0.3 < point.time_s < 1.2]
    assert judged(
        [*hidden, sighting(1.5, -9, progress_m=11.0), sighting(1.7, -10, progress_m=10.0)]
    )
    leap = [sighting(0.0, 0, progress_m=30.0)]
    leap += [sighting(0.2 + k / 6, 0, progress_m=10 - k * 0.1) for k in range(9)]
    assert not judged(leap)


def test_who_waits_in_the_junction_before_he_rides_against_the_approach_rides_no_less_against_it():
    waits = standing(0.0, 8, 12.0, in_zone=False)
    rides = [
        sighting(8.1 + k / 6, 12 - k, speed_mps=6.0, in_zone=12 - k < 0, progress_m=12.0 - k)
        for k in range(17)
    ]
    finding = rules.wrong_way(a_story([*waits, *rides]), rules.WrongWayRule())
    assert finding is not None
    # The evidence shows the ride, not the wait.
    assert finding.before_s >= 7.0


@pytest.mark.parametrize(
    ("hidden_s", "off_m", "seen", "cut", "flagged"),
    [
        (2.0, 0.0, 3, 0, True),
        (2.0, 0.0, 3, 2, True),
        (2.0, 0.0, 3, 3, False),
        (2.0, 0.0, 2, 0, False),
        (2.0, 5.0, 3, 0, False),
        (3.5, 0.0, 3, 0, False),
    ],
    ids=["his way", "at the edge", "never whole", "a glimpse", "too far", "too long"],
)
def test_one_hidden_as_he_rides_against_the_approach(hidden_s, off_m, seen, cut, flagged):
    """He comes out of the junction and is seen again where his speed takes him, or elsewhere.

    The picture's edge may cut his last boxes: they say that he rides on, not how far.
    """
    out = [sighting(k / 6, 8 - k, speed_mps=6.0, in_zone=False) for k in range(7)]
    again_s, at_m = 1.0 + hidden_s, 2.0 - 6.0 * hidden_s - off_m
    after = [
        sighting(again_s + k / 6, at_m - k, speed_mps=6.0, whole=k < seen - cut)
        for k in range(seen)
    ]
    finding = rules.wrong_way(a_story([*out, *after]), rules.WrongWayRule())
    assert (finding is not None) is flagged


@pytest.mark.parametrize(
    ("name", "cut_at", "flagged"),
    [
        ("motorcycle", {5, 7}, True),
        ("motorcycle", {4, 5, 6, 7}, False),
        ("bus", {5, 7}, False),
    ],
    ids=["for a moment", "for long", "a bus"],
)
def test_a_rider_whom_the_edge_cuts_for_a_moment_is_the_same_rider(name, cut_at, flagged):
    """He leaves by the lower edge; in some of the last frames his box is cut."""
    against = [sighting(k / 6, -k, progress_m=20 - k) for k in range(9)]
    cut = [point._replace(whole=k not in cut_at) for k, point in enumerate(against)]
    story = a_story(cut, vehicle_class=name)
    assert (rules.wrong_way(story, rules.WrongWayRule()) is not None) is flagged


def test_a_truck_that_stood_on_the_line_turns_when_it_drives_on():
    """Whether its front was on the line or just before it nobody can tell."""
    stands = standing(20.0, 30, 0.3)
    turns = riding(50.2, 4.0, 30, from_m=0.5)
    story = a_story(
        [sighting(19.0, -1.0), *stands, *turns],
        crossing_s=19.5,
        turn=MovementMatch("J:a>b", True, 20.0, 0.2),
        turn_forbidden=True,
    )
    finding = rules.illegal_turn(story, rules.IllegalTurnRule())
    assert finding is not None
    assert finding.time_s == 50.0
    # One that waits further in, for a gap, has begun to turn.
    waits = standing(22.0, 10, 6.0)
    points = [sighting(19.0, -1.0), *riding(19.7, 4.0, 6, from_m=0.8), *waits]
    finding = rules.illegal_turn(replace(story, points=points), rules.IllegalTurnRule())
    assert finding is not None
    assert finding.time_s == 19.5


def test_illegal_turn():
    rule = rules.IllegalTurnRule()
    sure = MovementMatch("J:a>b", True, 20.0, 0.2)
    story = a_story(riding(20.0, 7.0, 20), crossing_s=20.0, turn=sure, turn_forbidden=True)
    assert rules.illegal_turn(story, rule) is not None
    for doubt in (
        {"turn_forbidden": False},
        {"turn": replace(sure, certain=False)},
        {"turn": replace(sure, travelled_m=10.0)},
        {"turn": replace(sure, heading_off_rad=math.radians(60))},
        {"turn": replace(sure, lead_m=0.5)},  # the way straight on has hardly parted from it
        {"points": [sighting(20.0, 0.0), sighting(23.0, 18.0)]},
    ):
        assert rules.illegal_turn(replace(story, **doubt), rule) is None


def back_again(beside_m: float, back_m: float) -> list[TrajectoryPoint]:
    """Ten metres in, a half circle, and back."""
    points = riding(20.0, 5.0, 13)
    for k in range(1, 10):
        angle = math.pi * k / 9
        x, y = beside_m / 2 * (1 - math.cos(angle)), 10 + beside_m / 2 * math.sin(angle)
        points.append(sighting(22.0 + k / 6, y, x_m=-x, progress_m=y))
    for k in range(1, int(back_m / 0.8) + 1):
        y = 10 - 0.8 * k
        points.append(sighting(23.5 + k / 6, y, x_m=-beside_m, progress_m=y))
    return points


@pytest.mark.parametrize(("beside_m", "back_m", "flagged"), [(6.0, 6.0, True), (1.0, 6.0, False)])
def test_u_turn(beside_m, back_m, flagged):
    story = a_story(back_again(beside_m, back_m), crossing_s=20.0)
    assert (rules.u_turn(story, rules.UTurnRule()) is not None) is flagged
    assert rules.u_turn(replace(story, crossing_s=None), rules.UTurnRule()) is None
    half_way = a_story(back_again(beside_m, back_m)[:18], crossing_s=20.0)
    assert rules.u_turn(half_way, rules.UTurnRule()) is None
    straight_on = a_story(riding(20.0, 8.0, 40), crossing_s=20.0)
    assert rules.u_turn(straight_on, rules.UTurnRule()) is None


def test_who_stood_on_the_line_turned_back_when_he_drove_off():
    """His front was seen a hand's breadth past it all the while; he drove over it at 20 s."""
    points = [*standing(-20.0, 40.0, 0.2), *back_again(6.0, 6.0)[1:]]
    finding = rules.u_turn(a_story(points, crossing_s=-25.0), rules.UTurnRule())
    assert finding is not None
    assert finding.time_s == 20.0


@pytest.mark.parametrize("glimpsed", [False, True])
@pytest.mark.parametrize(("leapt_m", "flagged"), [(3.0, True), (7.0, False)])
def test_who_is_hidden_as_he_turns_comes_out_where_his_ways_take_him(leapt_m, flagged, glimpsed):
    """He rides in at 4 m/s, is unseen for 1.2 s, and rides back at 2.5 m/s, 4 m beside.

    One box in between, perhaps of another, says nothing either way.
    """
    points = riding(20.0, 4.0, 16)
    last = points[-1]
    if glimpsed:
        points.append(sighting(last.time_s + 0.6, last.depth_m + 2.0, x_m=-3.0))
    out = [
        sighting(last.time_s + 1.2 + k / 6, last.depth_m + leapt_m - 2.5 * k / 6, x_m=-4.0,
                 speed_mps=6.0 if k == 0 else 2.5)
        for k in range(14)
    ]  # fmt: skip
    story = a_story(points + out, crossing_s=20.0)
    assert (rules.u_turn(story, rules.UTurnRule()) is not None) is flagged


def test_a_leap_back_is_no_u_turn():
    """One who stopped in the junction is hidden; his track goes on with another behind him."""
    points = riding(20.0, 5.0, 13)
    points += [sighting(22.2 + k / 6, 10.0, x_m=-2.2, speed_mps=0.8) for k in range(3)]
    points.append(sighting(23.6, 6.5, x_m=-2.2, speed_mps=2.0))
    assert rules.u_turn(a_story(points, crossing_s=20.0), rules.UTurnRule()) is None
    # Seen on the way back, it is one.
    points[-1:] = [sighting(22.8 + k / 6, 9.5 - k * 0.5, x_m=-2.2) for k in range(7)]
    assert rules.u_turn(a_story(points, crossing_s=20.0), rules.UTurnRule()) is not None


@pytest.mark.parametrize(
    ("frames", "areas", "flagged"),
    [(13, AREA, True), (8, AREA, False), (13, 2, False), (13, 0, False)],
)
def test_wrong_lane(frames, areas, flagged):
    points = riding(5.0, 8.0, frames, areas=areas)
    story = a_story(points, closed_areas=AREA, vehicle_class="truck")
    assert (rules.wrong_lane(story, rules.WrongLaneRule()) is not None) is flagged
    assert rules.wrong_lane(replace(story, closed_areas=0), rules.WrongLaneRule()) is None


def test_pavement():
    rule = rules.PavementRule()
    along = a_story(riding(5.0, 4.0, 20, areas=AREA))
    assert rules.pavement(along, rule) is not None
    assert rules.pavement(replace(along, vehicle_class="pedestrian"), rule) is None
    walks = a_story(riding(5.0, 1.4, 60, areas=AREA))
    assert rules.pavement(walks, rule) is None
    across = a_story([*riding(5.0, 4.0, 8, areas=AREA), sighting(7.0, 6.0)])
    assert rules.pavement(across, rule) is None
    cut = a_story(riding(5.0, 4.0, 20, areas=AREA, whole=False))
    assert rules.pavement(cut, rule) is None


@pytest.mark.parametrize(
    ("stands_s", "passed", "flagged"), [(25, 5, True), (25, 3, False), (12, 9, False)]
)
def test_illegal_stopping(stands_s, passed, flagged):
    story = a_story(standing(50.0, stands_s, 40.0, areas=AREA), passed=passed)
    rule = rules.IllegalStoppingRule()
    assert (rules.illegal_stopping(story, rule) is not None) is flagged
    moved_on = [*story.points, sighting(50.0 + stands_s + 0.5, 43.0, areas=AREA)]
    assert rules.illegal_stopping(replace(story, points=moved_on), rule) is None


@pytest.mark.parametrize(("inside", "flagged"), [(3, True), (2, False)])
def test_who_stands_at_the_kerb_is_in_the_zone_for_the_most_part(inside, flagged):
    stands = standing(50.0, 30, 40.0, areas=AREA)
    beside = [p._replace(areas=0) if k % 5 >= inside else p for k, p in enumerate(stands)]
    found = rules.illegal_stopping(a_story(beside, passed=9), rules.IllegalStoppingRule())
    assert (found is not None) is flagged


@pytest.mark.parametrize(
    ("begin_s", "stands_s", "flagged"),
    [(12.0, 6, True), (12.0, 3, False), (2.0, 6, False), (42.0, 9, False)],
)
def test_blocking(begin_s, stands_s, flagged):
    story = a_story(standing(begin_s, stands_s, 12.0, areas=AREA), crossing_s=begin_s - 3.0)
    rule = rules.BlockingRule()
    assert (rules.blocking(story, rule) is not None) is flagged
    assert rules.blocking(replace(story, signal=UNKNOWN), rule) is None
    assert rules.blocking(replace(story, crossing_s=None), rule) is None


def test_one_who_came_over_the_line_unseen_blocks_as_well():
    story = a_story(standing(12.0, 6, 12.0, areas=AREA), unseen_s=5.0)
    assert rules.blocking(story, rules.BlockingRule()) is not None
    assert rules.stop_line(story, rules.StopLineRule()) is None


def test_one_who_still_brakes_does_not_stand():
    brakes = [sighting(12.0 + k / 6, 11.0 + 0.4 * k, speed_mps=4.0, areas=AREA) for k in range(3)]
    stands = standing(12.5, 5, 12.0, areas=AREA)
    story = a_story([*brakes, *stands[:-1]], crossing_s=9.0)
    assert rules.blocking(story, rules.BlockingRule()) is None
    assert rules.blocking(replace(story, points=[*brakes, *stands]), rules.BlockingRule())


def test_a_box_of_another_size_does_not_show_who_stands():
    stands = standing(12.0, 3, 12.0, areas=AREA)
    wide = [p._replace(box_px=(0, 0, 40, 40)) for p in standing(16.0, 2, 12.6, areas=AREA)]
    other = a_story([*stands, *wide], crossing_s=9.0)
    assert rules.blocking(other, rules.BlockingRule()) is None
    # A single one among his own changes nothing.
    own = [*standing(12.0, 2, 12.0, areas=AREA), wide[0], *standing(16.5, 2, 12.0, areas=AREA)]
    rule = rules.BlockingRule()
    assert rules.blocking(a_story(own, crossing_s=9.0), replace(rule, max_gap_s=3.0)) is not None


def test_who_may_wait_for_one_ahead_has_not_stopped_there():
    rule = rules.IllegalStoppingRule()
    story = a_story(standing(50.0, 30, 40.0, areas=AREA), passed=5)
    assert rules.illegal_stopping(story, rule) is not None
    # A truck hides whoever stands ahead of it.
    assert rules.illegal_stopping(replace(story, ahead_hidden=0.95), rule) is None
    # It waited for another until then, and has stood alone for fifteen seconds.
    assert rules.illegal_stopping(replace(story, alone_s=65.0), rule) is None
    assert rules.illegal_stopping(replace(story, alone_s=55.0), rule) is not None


@pytest.mark.parametrize(
    ("speed", "limit", "flagged"), [(18.0, 13.9, True), (15.5, 13.9, False), (18.0, None, False)]
)
def test_speeding(speed, limit, flagged):
    story = a_story(riding(19.0, speed, 20, from_m=-5.0), crossing_s=19.3, speed_limit_mps=limit)
    finding = rules.speeding(story, rules.SpeedingRule())
    assert (finding is not None) is flagged
    if finding is not None:
        assert finding.measures["speed_mps"] == pytest.approx(speed, abs=0.05)


@pytest.mark.parametrize(
    ("first_m", "aside", "flagged"),
    [
        (7.0, 0.0, True),
        (7.0, 0.2, True),
        (7.0, 0.5, False),  # comes from elsewhere
        (18.0, 0.0, False),  # too short a way
    ],
)
def test_who_comes_into_sight_past_the_line_came_over_it_as_fast(first_m, aside, flagged):
    points = [
        point._replace(centre=(aside * point.progress_m, point.centre[1]))
        for point in riding(19.0, 20.0, 14, from_m=first_m)
    ]
    finding = rules.speeding(a_story(points, speed_limit_mps=13.9), rules.SpeedingRule())
    assert (finding is not None) is flagged
    if finding is not None:
        assert finding.time_s == pytest.approx(19.0 - first_m / 20.0, abs=0.01)
        assert finding.before_s == 19.0


def test_a_speed_from_few_or_scattered_sightings_is_none():
    rule = rules.SpeedingRule()
    points = riding(19.0, 18.0, 20, from_m=-5.0)
    few = a_story(points[::3], crossing_s=19.3, speed_limit_mps=10.0)
    assert rules.speeding(few, rule) is None
    shaken = [p._replace(centre=(3.0 * (k % 2), p.centre[1])) for k, p in enumerate(points)]
    assert rules.speeding(replace(few, points=shaken), rule) is None


@pytest.mark.parametrize(
    ("readings", "flagged"),
    [
        ([3] * 9, True),
        ([3, 4, 3, 2, 3, 3, 3, 2, 3], True),
        ([3] * 4, False),
        ([2, 3] * 5, False),
        ([3] * 20 + [2, 2, 3, 2, 3, 2, 2, 3, 2, 2] + [3] * 6, True),  # misread, not another
        ([3] * 26 + [2] * 10, False),  # then the track goes on with another
        ([3, 3, 2] * 12, True),
    ],
)
def test_overloaded(readings, flagged):
    story = a_story(riding(20.0, 6.0, 15), crossing_s=20.0, riders=readings)
    assert (rules.overloaded(story, rules.OverloadedRule()) is not None) is flagged
    assert rules.overloaded(replace(story, vehicle_class="car"), rules.OverloadedRule()) is None


@pytest.mark.parametrize(("heads", "flagged"), [([1] * 9, True), ([0] * 9, False), ([1], False)])
def test_no_helmet(heads, flagged):
    story = a_story(riding(20.0, 6.0, 15), crossing_s=20.0, bare_heads=heads)
    assert (rules.no_helmet(story, rules.NoHelmetRule()) is not None) is flagged


def test_every_kind_has_its_rule_its_parameters_and_a_switch():
    assert set(RULES) == set(ViolationKind)
    settings = rules.RuleSettings()
    for kind in ViolationKind:
        assert getattr(settings, kind.value).enabled is True
