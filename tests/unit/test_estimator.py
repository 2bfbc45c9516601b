"""What is concluded from detectors: counted by hand, with misses, and with detectors that lie."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planner_cases import pair

from models.policy import Connection, ControlLane, DetectorReading, Sensing, Track, UpstreamDetector
from optimizer.estimator import Estimator, LaneEstimate, Upstream

LANE = ControlLane("a_0", "a", 200.0, 200.0, 150.0, 15.0, 3.2, (Connection(0, "J:a>b", "b_0"),))


def _seconds(
    lane: LaneEstimate, start_s: int, readings: list[DetectorReading], *, green: bool
) -> None:
    for second, reading in enumerate(readings):
        lane.update(float(start_s + second), reading, green)


def _read(
    entered: int = 0, crossed: int = 0, queue: int = 0, in_view: int | None = None
) -> DetectorReading:
    """``in_view`` as many as stand unless said."""
    at_line = 1.0 if queue or crossed else 0.0
    return DetectorReading(entered, crossed, at_line, queue, queue if in_view is None else in_view)


def test_a_vehicle_is_expected_when_the_free_road_lets_it() -> None:
    """150 m at 15 m/s: ten seconds after it entered."""
    lane = LaneEstimate(LANE)
    _seconds(lane, 0, [_read(entered=1), _read(), _read(entered=2)], green=False)
    assert lane.arrivals_s == [10.0, 12.0, 12.0]


def test_whoever_crosses_first_is_the_first_who_came() -> None:
    """One of two who drive up to the line leaves."""
    lane = LaneEstimate(LANE)
    _seconds(lane, 0, [_read(entered=1), _read(entered=1)], green=True)
    _seconds(lane, 6, [_read(in_view=1), _read(in_view=2)], green=True)
    _seconds(lane, 10, [_read(crossed=1, in_view=1)], green=True)
    assert lane.arrivals_s == [11.0]


def test_a_vehicle_missed_at_the_entry_is_found_in_the_queue() -> None:
    """Two entered as counted; three stand."""
    lane = LaneEstimate(LANE)
    _seconds(lane, 0, [_read(entered=2)], green=False)
    _seconds(lane, 15, [_read(queue=3)], green=False)
    assert len(lane.arrivals_s) == 3


def test_a_vehicle_missed_at_the_line_is_taken_off_at_red() -> None:
    """Two entered, one left unseen, one stands."""
    lane = LaneEstimate(LANE)
    _seconds(lane, 0, [_read(entered=2)], green=False)
    _seconds(lane, 16, [_read(queue=1) for _ in range(6)], green=False)
    assert len(lane.arrivals_s) == 1


def test_who_does_not_come_into_view_is_given_up() -> None:
    """Due in view six seconds after he entered: four seconds more, then he is not expected."""
    lane = LaneEstimate(LANE)
    _seconds(lane, 0, [_read(entered=1), *[_read()] * 10], green=True)
    assert lane.arrivals_s == [14.0]
    _seconds(lane, 11, [_read()], green=True)
    assert lane.arrivals_s == []


def test_who_is_late_cannot_be_at_the_line_before_he_was_in_view() -> None:
    """At nine seconds he is not in view, which takes four seconds to drive through."""
    lane = LaneEstimate(LANE)
    _seconds(lane, 0, [_read(entered=1), *[_read()] * 9], green=True)
    assert lane.arrivals_s == [13.0]
    _seconds(lane, 10, [_read(in_view=1)], green=True)
    assert lane.arrivals_s == [14.0]


def test_without_a_camera_an_empty_line_at_green_empties_the_queue() -> None:
    """Three seconds without anybody at the line."""
    lane = LaneEstimate(LANE)
    for second in range(150):
        lane.update(float(second), _read(second % 4 == 0, second % 4 == 2, 5), green=True)
    stuck = DetectorReading(0, 0, 0.0, 5, 5)
    _seconds(lane, 150, [stuck] * 20, green=True)
    _seconds(lane, 170, [stuck._replace(entered=3), *[stuck] * 10], green=True)
    assert lane.ignored == {"queue"}
    assert lane.arrivals_s == [180.0, 180.0, 180.0]
    _seconds(lane, 181, [stuck], green=True)
    assert lane.arrivals_s == []


def test_one_whom_the_camera_misses_is_known_from_the_line() -> None:
    """He stands on the detector at the line; the camera shows an empty lane."""
    lane = LaneEstimate(LANE)
    _seconds(lane, 0, [_read(entered=1), *[_read()] * 10], green=False)
    _seconds(lane, 11, [DetectorReading(0, 0, 1.0, 0, 0)] * 5, green=False)
    assert len(lane.arrivals_s) == 1


def test_travel_times_are_learned_from_those_who_come() -> None:
    """Each takes eight seconds to the view and five through it, instead of six and four."""
    lane = LaneEstimate(LANE)
    for second in range(900):
        phase = second % 15
        reading = _read(int(phase == 0), int(phase == 13), in_view=int(8 <= phase < 13))
        lane.update(float(second), reading, green=True)
    lane.update(900.0, _read(entered=1), green=True)
    assert lane.arrivals_s == pytest.approx([913.0], abs=0.3)


def test_those_beyond_the_camera_are_kept() -> None:
    """A full view says nothing about those behind it."""
    lane = LaneEstimate(LANE)
    _seconds(lane, 0, [_read(entered=14)], green=False)
    _seconds(lane, 20, [_read(queue=8) for _ in range(8)], green=False)
    assert len(lane.arrivals_s) == 14


@pytest.mark.parametrize("followed", [False, True])
def test_those_beyond_the_camera_come_when_the_queue_has_moved(followed: bool) -> None:
    """A queue of 14 starts: those out of sight are no less there because the view moves.

    Nobody comes for four seconds, though nobody is in view: then nobody is behind it.
    """
    lane = LaneEstimate(LANE)
    _seconds(lane, 0, [_read(entered=14)], green=False)
    _seconds(lane, 20, [_read(queue=8) for _ in range(8)], green=False)
    creeping = tuple(Track(1.0 + 7.5 * place, 3.0) for place in range(8))
    moving = DetectorReading(0, 0, 1.0, 2, 8, creeping if followed else ())
    _seconds(lane, 28, [moving] * 9, green=True)
    assert len(lane.arrivals_s) == 14
    # One crosses and one comes into view every other second.
    _seconds(lane, 37, [moving, moving._replace(crossed=1)] * 4, green=True)
    assert len(lane.arrivals_s) == 10
    free = DetectorReading(0, 0, 0.0, 0, 0)
    _seconds(lane, 45, [free] * 6, green=True)
    assert len(lane.arrivals_s) == 0


def test_an_entry_detector_stuck_on_is_ignored_and_said_to_be() -> None:
    """It counts somebody every second for a minute: no lane carries that."""
    estimator = Estimator({"a_0": LANE})
    for second in range(80):
        crossed = 1 if second % 4 == 0 else 0
        reading = _read(entered=1, crossed=crossed, in_view=second % 2)
        estimator.update(float(second), {"a_0": reading}, {"a_0": True})
    assert estimator.ignored == ("a_0:entry",)
    assert estimator.coverage == pytest.approx(2 / 3)
    # From then on vehicles come as they leave, one in four seconds, instead of one in one.
    assert len(estimator.lanes["a_0"].arrivals_s) < 70


def test_an_entry_detector_stuck_off_is_ignored_until_it_counts_again() -> None:
    """Fifty cross and nobody entered; later one enters."""
    estimator = Estimator({"a_0": LANE})
    for second in range(100):
        reading = _read(crossed=second % 2, in_view=1 - second % 2)
        estimator.update(float(second), {"a_0": reading}, {"a_0": True})
    assert estimator.ignored == ("a_0:entry",)
    estimator.update(100.0, {"a_0": _read(entered=1)}, {"a_0": True})
    assert estimator.ignored == ()


def test_a_dead_line_detector_is_ignored_and_the_queue_leaves_all_the_same() -> None:
    """Vehicles enter at green, nobody stands, nobody is counted at the line."""
    lane = LaneEstimate(LANE)
    for second in range(120):
        busy = DetectorReading(second % 4 == 0, 0, 0.5, 0, 0)
        lane.update(float(second), busy, green=True)
    assert lane.ignored == {"line"}
    assert len(lane.arrivals_s) < 8


@pytest.mark.parametrize("count", [0, 5])
def test_a_camera_whose_count_never_changes_is_ignored(count: int) -> None:
    """Five in view, or nobody, for minutes while one vehicle after the other crosses."""
    lane = LaneEstimate(LANE)
    for second in range(150):
        lane.update(float(second), _read(second % 4 == 0, second % 4 == 2, count), green=True)
    assert lane.ignored == {"queue"}


def test_a_lane_without_a_word_goes_on_as_before_and_counts_as_uncovered() -> None:
    """Flow of a vehicle in five seconds, then silence at red: about four more in 20 s."""
    estimator = Estimator({"a_0": LANE})
    for second in range(900):
        reading = _read(entered=second % 5 == 0, crossed=second % 5 == 3)
        estimator.update(float(second), {"a_0": reading}, {"a_0": True})
    before = len(estimator.lanes["a_0"].arrivals_s)
    for second in range(900, 920):
        estimator.update(float(second), {}, {"a_0": False})
    assert 3 <= len(estimator.lanes["a_0"].arrivals_s) - before <= 5
    assert estimator.ignored == ("a_0:all",)
    assert estimator.coverage == 0.0


def test_who_is_missing_on_one_lane_stands_out_of_sight_on_the_next() -> None:
    """Three entered on lane 0 and only one stands there; lane 1 is full as far as one sees."""
    other = replace(LANE, id="a_1")
    estimator = Estimator({"a_0": LANE, "a_1": other})
    red = {"a_0": False, "a_1": False}
    estimator.update(0.0, {"a_0": _read(entered=3), "a_1": _read(entered=8)}, red)
    for second in range(14, 22):
        estimator.update(float(second), {"a_0": _read(queue=1), "a_1": _read(queue=8)}, red)
    assert len(estimator.lanes["a_0"].arrivals_s) == 1
    assert len(estimator.lanes["a_1"].arrivals_s) == 10


def test_who_was_counted_in_and_is_never_seen_waits_for_his_green() -> None:
    """The camera misses him; he is there until it was green for him."""
    estimator = Estimator({"a_0": LANE})
    lane = estimator.lanes["a_0"]
    for second in range(60):
        estimator.update(float(second), {"a_0": _read(entered=int(second == 0))}, {"a_0": False})
    assert lane.arrivals_s == [10.0]
    for second in range(60, 66):
        crossed = int(second == 62)
        estimator.update(float(second), {"a_0": _read(crossed=crossed)}, {"a_0": True})
    assert lane.arrivals_s == []


def test_where_vehicles_turn_off_on_the_way_nobody_is_taken_for_hidden() -> None:
    """One a minute enters, is never seen and never crosses: it is believed a few times."""
    estimator = Estimator({"a_0": LANE})
    lane = estimator.lanes["a_0"]
    waiting = []
    for second in range(1200):
        entered = int(second % 60 == 0)
        green = second % 60 >= 40
        estimator.update(float(second), {"a_0": _read(entered=entered)}, {"a_0": green})
        if second % 60 == 39:
            waiting.append(len(lane.arrivals_s))
    assert waiting[0] == 1
    assert waiting[-1] == 0


def test_who_turns_into_a_pocket_leaves_the_long_lane_beside_it() -> None:
    """Both counted in at 150 m of the long lane; one enters the pocket 90 m before the line."""
    pocket = replace(LANE, id="a_1", entry_m=90.0, length_m=91.0)
    estimator = Estimator({"a_0": LANE, "a_1": pocket})
    green = {"a_0": True, "a_1": True}
    estimator.update(0.0, {"a_0": _read(entered=1), "a_1": _read()}, green)
    estimator.update(1.0, {"a_0": _read(entered=1), "a_1": _read()}, green)
    estimator.update(5.0, {"a_0": _read(), "a_1": _read(entered=1)}, green)
    assert len(estimator.lanes["a_0"].arrivals_s) == 1
    assert len(estimator.lanes["a_1"].arrivals_s) == 1


def test_who_was_counted_in_on_one_lane_and_is_seen_on_the_next_is_one_vehicle() -> None:
    """He changes lanes before the camera's view; later another does within it."""
    other = replace(LANE, id="a_1")
    estimator = Estimator({"a_0": LANE, "a_1": other})
    red = {"a_0": False, "a_1": False}
    estimator.update(0.0, {"a_0": _read(entered=1), "a_1": _read()}, red)
    estimator.update(6.0, {"a_0": _read(), "a_1": _read(in_view=1)}, red)
    assert estimator.lanes["a_0"].arrivals_s == []
    assert estimator.lanes["a_1"].arrivals_s == [10.0]
    estimator.update(8.0, {"a_0": _read(in_view=1), "a_1": _read()}, red)
    assert estimator.lanes["a_0"].arrivals_s == [10.0]
    assert estimator.lanes["a_1"].arrivals_s == []


def test_who_waits_in_view_before_the_lanes_begin_is_still_expected() -> None:
    """Counted on a side road 150 m back, he waits before the short lane that leads to the line."""
    west = pair(Sensing.DETECTORS).junctions["W"]
    lanes = {**west.lanes, "w_0": replace(west.lanes["w_0"], entry_m=15.0, length_m=16.0)}
    counted = {"side": UpstreamDetector("side", "w", 150.0, 15.0, ("w_0",))}
    upstream = Upstream(replace(west, lanes=lanes, upstream=counted))
    flow = {"w_0": 0.1}
    upstream.see(0.0, {"side": 1}, flow, {"w": 0})
    assert upstream.coming(0.0, set()) == [("w_0", 10.0, 1.0)]
    upstream.see(12.0, {"side": 0}, flow, {"w": 1})
    assert upstream.coming(12.0, set()) == [("w_0", 10.0, 1.0)]
    upstream.see(13.0, {"side": 0}, flow, {"w": 2})
    assert len(upstream.coming(13.0, set())) == 2
    upstream.see(14.0, {"side": 0}, flow, {"w": 0})
    assert upstream.coming(14.0, set()) == []
