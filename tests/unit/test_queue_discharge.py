"""What is seen at the line: who crossed, whether a queue leaves, what a full road takes."""

from __future__ import annotations

import pytest

from models.policy import Approaching
from optimizer.discharge import Drain, LaneWatch, crossings
from optimizer.prediction import away_s


def _car(distance_m: float, speed_mps: float) -> Approaching:
    return Approaching("J:a>b", distance_m, speed_mps, "car")


def _queue(time_s: float, headway_s: float, count: int) -> tuple[Approaching, ...]:
    """A queue at green since 0 whose vehicles cross one headway apart at 5 m/s."""
    cars = (_car(5.0 * (headway_s * (n + 1) - time_s), 5.0) for n in range(count))
    return tuple(car for car in cars if car.distance_m > 0.0)


def test_who_crossed_is_told_by_whose_way_fits() -> None:
    """One second later: the first has gone, none has, both have."""
    before = (_car(3.0, 6.0), _car(14.0, 7.0))
    assert crossings(before, (_car(6.5, 8.0),)) == 1
    assert crossings((_car(1.0, 0.0), _car(8.5, 0.0)), (_car(1.0, 0.0), _car(8.5, 0.0))) == 0
    assert crossings(before, (_car(150.0, 14.0),)) == 1
    assert crossings((_car(3.0, 6.0), _car(7.0, 6.0)), ()) == 2
    assert crossings((_car(60.0, 10.0),), ()) == 0


def test_a_watched_lane_tells_the_streams_of_who_crossed() -> None:
    """Twenty vehicles of two streams in turn: all of them leave, in their order."""
    watch = LaneWatch()
    gone = []
    for second in range(66):
        cars = _queue(float(second), 3.0, 20)
        streams = [4 + (20 - len(cars) + place) % 2 for place in range(len(cars))]
        watch.see(cars, streams)
        gone += watch.gone
    assert gone == [4, 5] * 10


def test_a_queue_leaves_until_it_is_gone_or_held_up() -> None:
    """It begins with the first who crosses while others follow."""
    watch = LaneWatch()
    watch.count([], follows=True)
    assert not watch.discharging
    watch.count([7], follows=True)
    watch.count([], follows=True)
    assert watch.discharging
    assert watch.since_s == 1.0
    watch.count([7], follows=True)
    assert watch.since_s == 0.0
    for _ in range(9):
        watch.count([], follows=True)
    assert not watch.discharging
    watch.count([7], follows=False)
    assert not watch.discharging


def test_what_a_full_road_takes_is_learned() -> None:
    """One in ten seconds where a quarter a second was thought; older seconds fade."""
    drain = Drain()
    assert drain.per_s(0.25) == 0.25
    for second in range(600):
        drain.see(int(second % 10 == 0))
    assert drain.per_s(0.25) == pytest.approx(0.1, abs=0.05)


def test_the_first_of_a_queue_lose_most_behind_the_line() -> None:
    """From 1 m before the line the first has its acceleration almost wholly before it."""
    lost_s = away_s(5)
    assert list(lost_s) == sorted(lost_s, reverse=True)
    # v_0 = sqrt(2 a 1 m) = 2.28 m/s of 13.9: (13.9 - 2.28)^2 / (2 a 13.9).
    assert lost_s[0] == pytest.approx(11.62**2 / (2 * 2.6 * 13.9), rel=1e-3)
    assert lost_s[4] < 0.1
