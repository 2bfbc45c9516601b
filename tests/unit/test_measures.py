from __future__ import annotations

import csv
import io
import math
from datetime import UTC, datetime, timedelta

import pytest

from detection.counting import Crossing
from detection.measures import ALL, APPROACH, PCU, MeasureLog, count_interval, measures_to_csv
from detection.queues import Queue
from detection.saturation import START_UP_S, DischargeWatch
from models.counts import CountRow
from models.signals import SignalState

START = datetime(2026, 11, 22, 7, tzinfo=UTC)


def crossing(time_s: float, movement: str = "J:a>b", name: str = "motorcycle", speed: float = 5.0):
    return Crossing(
        1, name, movement, True, "cam", "in", time_s, time_s - 0.2, 0, 0.0, 0.0, speed,
        SignalState.GREEN,
    )  # fmt: skip


def counts(movement: str, name: str, count: int, index: int = 0, coverage: float = 1.0):
    begin = START + timedelta(seconds=60 * index)
    return CountRow("J", movement, name, begin, begin + timedelta(seconds=60), count, coverage)


def test_measures_of_an_interval():
    log = MeasureLog(0.0, 60.0, metric=True)
    for second in range(60):
        waiting = second % 10
        queue = Queue(waiting, 2.0 * waiting, at_least=waiting == 9)
        log.frame(second, queue, SignalState.GREEN, occupied=second < 15)
    for time_s, speed in ((10.0, 4.0), (20.0, 6.0), (40.0, 8.0)):
        log.add(crossing(time_s, speed=speed))
    log.add(crossing(30.0, "J:a>c", "car", 9.0))
    rows = log.rows(
        [counts("J:a>b", "motorcycle", 3), counts("J:a>b", "car", 0), counts("J:a>c", "car", 1)],
        START,
    )
    found = {(row.movement, row.vehicle_class): row for row in rows}
    assert len(rows) == 6
    through = found["J:a>b", "motorcycle"]
    assert through.flow_vph == pytest.approx(180)
    assert through.flow_pcu_ph == pytest.approx(180 * PCU["motorcycle"])
    assert through.mean_speed_mps == pytest.approx(6.0)
    assert through.headway_s == pytest.approx(15.0)
    assert through.queue_max_veh is None
    assert found["J:a>b", "car"].mean_speed_mps is None
    whole = found[APPROACH, ALL]
    assert whole.count == 4
    assert whole.headway_s == pytest.approx(10.0)
    assert whole.queue_max_veh == 9
    assert whole.queue_max_m == pytest.approx(18.0)
    assert whole.queue_mean_veh == pytest.approx(4.5)
    assert whole.occupancy == pytest.approx(0.25)
    assert whole.queue_beyond == pytest.approx(0.1)
    table = list(csv.DictReader(io.StringIO(measures_to_csv(rows))))
    assert table[0]["flow_vph"] == "180"
    assert table[0]["queue_max_veh"] == ""


def test_passenger_car_units_are_the_sites():
    log = MeasureLog(0.0, 60.0, metric=True, pcu={"motorcycle": 0.5})
    rows = log.rows([counts("J:a>b", "motorcycle", 4), counts("J:a>b", "ferry", 1)], START)
    assert rows[-1].flow_pcu_ph == pytest.approx((4 * 0.5 + 1) * 60)


def test_a_camera_in_pixels_tells_no_speed_and_no_length():
    log = MeasureLog(0.0, 60.0, metric=False)
    log.frame(0.0, Queue(3, 7.0), SignalState.RED, occupied=False)
    log.add(crossing(1.0))
    row = log.rows([counts("J:a>b", "motorcycle", 1)], START)[-1]
    assert row.mean_speed_mps is None
    assert row.queue_max_m is None
    assert row.queue_max_veh == 3


def test_each_interval_has_its_own_and_old_ones_are_forgotten():
    log = MeasureLog(0.0, 60.0, metric=True)
    log.add(crossing(30.0, speed=4.0))
    log.add(crossing(90.0, speed=8.0))
    both = [counts("J:a>b", "motorcycle", 1), counts("J:a>b", "motorcycle", 1, 1)]
    speeds = [row.mean_speed_mps for row in log.rows(both, START) if row.movement == APPROACH]
    assert speeds == [4.0, 8.0]
    log.forget_before(60.0)
    speeds = [row.mean_speed_mps for row in log.rows(both, START) if row.movement == APPROACH]
    assert speeds == [None, 8.0]


def test_what_was_not_watched_widens_the_bounds():
    full, half = count_interval(100, 1.0), count_interval(50, 0.5)
    assert full[0] < 100 < full[1]
    assert half[0] < 100 < half[1]
    assert half[1] - half[0] > 1.5 * (full[1] - full[0])
    assert count_interval(0, 1.0) == (0.0, 0.0)
    assert count_interval(0, 0.5)[1] > 2.0
    assert math.isinf(count_interval(0, 0.0)[1])


def test_the_bounds_hold_the_truth_as_often_as_they_say():
    import numpy as np

    rng = np.random.default_rng(3)
    held = 0
    for _ in range(2000):
        watched, missed = rng.poisson(60), rng.poisson(40)
        low, high = count_interval(int(watched), 0.6, error=0.0)
        held += low <= watched + missed <= high
    assert 0.93 <= held / 2000 <= 0.97


def leave(watch: DischargeWatch, headway_s: float, vehicles: int, green_s: float = 10.0):
    """A queue that leaves with a headway; what ``DischargeWatch`` made of it."""
    found = []
    times = [green_s + 1.0 + headway_s * k for k in range(vehicles)]
    for step in range(60 * 6):
        now = step / 6
        shown = SignalState.GREEN if now >= green_s else SignalState.RED
        queue = vehicles if now < green_s else 0
        for time_s in [t for t in times if now - 1 / 6 < t <= now]:
            watch.crossed(time_s, 0.5)
        ended = watch.frame(now, shown, queue)
        if ended is not None:
            found.append(ended)
    return found


def test_saturation_flow_of_a_queue():
    found = leave(DischargeWatch(), 0.5, 40)
    assert len(found) == 1
    # A headway of half a second and half a unit each: one unit a second.
    assert found[0].pcu / found[0].flow_s == pytest.approx(1.0)
    # From the first crossing after the start-up to the last.
    assert found[0].flow_s == pytest.approx(30.5 - 10.0 - START_UP_S)


@pytest.mark.parametrize(("headway_s", "vehicles"), [(0.5, 6), (4.0, 10)])
def test_no_saturation_flow_without_a_queue_that_lasts(headway_s, vehicles):
    assert leave(DischargeWatch(), headway_s, vehicles) == []
