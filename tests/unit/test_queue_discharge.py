"""What is learned at the line: who crossed, how fast a queue leaves, what a full road takes."""

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


@pytest.mark.parametrize("headway_s", [1.6, 2.0, 3.0])
def test_the_headway_of_a_queue_is_learned(headway_s: float) -> None:
    """Three queues of thirty; the prior of ten vehicles still counts a little."""
    watch = LaneWatch(())
    for _ in range(3):
        for second in range(int(30 * headway_s) + 3):
            cars = _queue(float(second), headway_s, 30)
            watch.see(cars, [4] * len(cars), {4}, 14.0)
    assert watch.headway_s(4, 2.0) == pytest.approx(headway_s, abs=0.4)
    assert abs(watch.headway_s(4, 2.0) - headway_s) <= 0.35 * abs(2.0 - headway_s) + 0.05
    assert watch.headway_s(5, 2.0) == 2.0


def test_nothing_is_learned_from_free_flow_or_while_giving_way() -> None:
    """Vehicles at full speed follow by chance; a stream that gives way waits for gaps."""
    watch = LaneWatch(())
    for second in range(60):
        cars = _queue(float(second), 3.0, 20)
        watch.see(cars, [4] * len(cars), (), 14.0)
        watch.see(tuple(car._replace(speed_mps=14.0) for car in cars), [4] * len(cars), {4}, 14.0)
    assert not watch.learned


def test_the_first_headways_of_a_queue_are_known_to_be_longer() -> None:
    """Crossings 1, 3 + 1, 2 + 1 ... s apart after the start, headway 2: learned is 2."""
    watch = LaneWatch((1.0, 1.0))
    for second in (0, 3, 6, 8, 10, 12, 14, 16, 18, 20):
        watch.count([7], True, True, {7})
        following = {0: 2, 3: 2}.get(second, 1)
        for _ in range(following):
            watch.count([], True, False, {7})
    assert watch.learned[7].seconds / watch.learned[7].vehicles == pytest.approx(2.0)


def test_a_queue_that_breaks_off_teaches_nothing() -> None:
    """Ten seconds without anybody crossing are no headway."""
    watch = LaneWatch(())
    watch.count([7], True, True, {7})
    for _ in range(10):
        watch.count([], True, False, {7})
    watch.count([7], True, False, {7})
    assert not watch.learned


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
