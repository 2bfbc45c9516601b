"""Queues small enough to be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from planner_cases import DRIVING, displays, now, traffic, whole_seconds

from optimizer.horizon import Found, replay, search
from optimizer.queueing import CHANGE_COST

STAY = Found(0.0, np.empty(0), np.empty(0, dtype=np.int64), 0)


def _change_at(*changes: tuple[float, int]) -> Found:
    return Found(
        0.0,
        np.array([at for at, _ in changes], dtype=np.float64),
        np.array([to for _, to in changes], dtype=np.int64),
        0,
    )


def test_a_queue_on_green_leaves_one_headway_apart() -> None:
    """Three standing vehicles and one that comes later, green since long."""
    vehicles = traffic([[0.0, 0.0, 0.0, 9.0]])
    cost, passes_s = replay(
        STAY, now(1), displays([[0]], 1), vehicles, DRIVING, whole_seconds(20, width=1)
    )
    assert passes_s.tolist() == [0.0, 2.0, 4.0, 9.0]
    # Delays 2 and 4, a half stop (2 s: 0.5 x 4) and a whole one (4).
    assert cost == pytest.approx(2.0 + 4.0 + 2.0 + 4.0)


def test_red_then_change_clearance_and_start_up() -> None:
    """Change at 1 s, clear for 2 s, start-up 1 s: they pass at 4 and 6 s."""
    vehicles = traffic([[], [0.0, 0.0]])
    cost, passes_s = replay(
        _change_at((1.0, 1)),
        now(2),
        displays([[0], [1]], 2),
        vehicles,
        DRIVING,
        whole_seconds(20, width=1),
    )
    assert passes_s.tolist() == [4.0, 6.0]
    assert cost == pytest.approx(4.0 + 6.0 + 2 * 4.0, abs=2 * CHANGE_COST)


def test_the_first_second_of_yellow_is_used() -> None:
    """A vehicle that arrives in it still passes, the next one waits beyond the horizon."""
    vehicles = traffic([[1.5, 2.5], [0.0]])
    _, passes_s = replay(
        _change_at((1.0, 1)),
        now(2),
        displays([[0], [1]], 2),
        vehicles,
        DRIVING,
        whole_seconds(10, width=1),
    )
    assert passes_s[0] == 1.5
    assert np.isinf(passes_s[1])


def test_those_left_at_the_horizon_cost_what_they_waited_and_an_estimate() -> None:
    """Two on red for 10 s; then 8 s to the next green, a stop each, the second 2 s later."""
    vehicles = traffic([[], [0.0, 0.0]])
    cost, _ = replay(
        STAY, now(2), displays([[0], [1]], 2), vehicles, DRIVING, whole_seconds(10, width=1)
    )
    assert cost == pytest.approx(2 * 10.0 + 2 * (8.0 + 4.0) + 2.0)


def test_a_full_road_takes_nobody_and_then_as_many_as_leave_it() -> None:
    """Room for one; the rest follow at the 0.2 a second that drain from it."""
    shown = displays([[0]], 1)._replace(exit_of=np.array([0]))
    vehicles = traffic([[0.0, 0.0, 0.0]], exits=1)._replace(
        room=np.array([1.0]), drain_per_s=np.array([0.2])
    )
    _, passes_s = replay(STAY, now(1), shown, vehicles, DRIVING, whole_seconds(20, width=1))
    assert passes_s.tolist() == pytest.approx([0.0, 5.0, 10.0])
    _, passes_s = replay(
        STAY,
        now(1),
        shown,
        vehicles._replace(drain_per_s=np.array([0.0])),
        DRIVING,
        whole_seconds(20, width=1),
    )
    assert np.isinf(passes_s[1:]).all()


def test_a_stream_that_gives_way_waits_for_the_queue_it_crosses() -> None:
    """Lane 1 yields to lane 0, whose three vehicles go first."""
    shown = displays([[0, 1]], 2)
    shown.yields_to[0, 1, 0] = 0
    shown.crosses[0, 1] = shown.crosses[1, 0] = True
    _, passes_s = replay(
        STAY,
        now(1),
        shown,
        traffic([[0.0, 0.0, 0.0], [0.0]]),
        DRIVING,
        whole_seconds(20, width=1),
    )
    assert passes_s[:3].tolist() == [0.0, 2.0, 4.0]
    assert passes_s[3] >= 6.0


def test_who_must_stop_before_going_on_red_loses_a_stop() -> None:
    """Due at 8 s, braking and a look until 10.5 s; who stands already goes without another."""
    shown = displays([[0]], 1)
    shown.halts[0, 0] = 1.0
    cost, passes_s = replay(
        STAY, now(1), shown, traffic([[0.0, 8.0]]), DRIVING, whole_seconds(20, width=1)
    )
    assert passes_s.tolist() == [0.0, 10.5]
    assert cost == pytest.approx(2.5 + 4.0)


def test_a_vehicle_that_must_wait_holds_those_behind_it() -> None:
    """One lane, two streams: the first needs stage 1, the second could go now."""
    shown = displays([[0], [1]], 2)
    vehicles = traffic([[0.0, 0.0], []])._replace(movement=np.array([1, 0]))
    _, passes_s = replay(STAY, now(2), shown, vehicles, DRIVING, whole_seconds(10, width=1))
    assert np.isinf(passes_s).all()


def test_a_stage_is_skipped_when_nobody_needs_it() -> None:
    """Three stages, vehicles for the first and the third only."""
    found = search(
        now(3),
        displays([[0], [1], [2]], 3),
        traffic([[20.0], [], [0.0] * 5]),
        DRIVING,
        whole_seconds(40, width=3),
    )
    assert found.stage.tolist()[0] == 2
    assert 1 not in found.stage.tolist()


def test_the_longest_green_ends_for_those_who_wait() -> None:
    """A stream that never ends gives way after its longest green, not before."""
    shown = displays([[0], [1]], 2)._replace(max_green_s=np.array([35.0, 35.0]))
    vehicles = traffic([[float(t) for t in range(0, 40, 2)], [0.0]])
    begin = now(2)._replace(green_s=30.0)
    found = search(begin, shown, vehicles, DRIVING, whole_seconds(40, width=50))
    assert found.change_s[0] <= 5.0


def test_the_first_headways_of_a_queue_are_longer_and_its_first_vehicles_lose_behind_the_line() -> (
    None
):
    """Excess 1 and 0.5 s; 2 and 1 s lost behind the line; those in motion know neither."""
    driving = DRIVING._replace(excess_s=np.array([1.0, 0.5]), away_s=np.array([2.0, 1.0]))
    vehicles = traffic([[], [0.0, 0.0, 0.0, 0.0]])
    args = (now(2), displays([[0], [1]], 2))
    bounds = whole_seconds(20, width=1)
    plain, _ = replay(_change_at((1.0, 1)), *args, vehicles, DRIVING, bounds)
    cost, passes_s = replay(_change_at((1.0, 1)), *args, vehicles, driving, bounds)
    assert passes_s.tolist() == [4.0, 7.0, 9.5, 11.5]
    # Plain: 4, 6, 8, 10 s.
    assert cost - plain == pytest.approx((1.0 + 1.5 + 1.5) + (2.0 + 1.0))
    late = traffic([[], [12.0, 12.0, 12.0]])
    _, passes_s = replay(_change_at((1.0, 1)), *args, late, driving, bounds)
    assert passes_s.tolist() == [12.0, 14.0, 16.0]


def test_a_queue_in_motion_keeps_its_pace() -> None:
    """Two have started already: no more excess; after none it is there."""
    driving = DRIVING._replace(excess_s=np.array([1.0, 0.5]), away_s=np.zeros(2))
    vehicles = traffic([[0.0, 0.0, 0.0]])
    for started, expected in ((2, [0.0, 2.0, 4.0]), (1, [0.0, 2.5, 4.5]), (0, [0.0, 3.0, 5.5])):
        begun = vehicles._replace(moving=np.array([started]))
        _, passes_s = replay(
            STAY, now(1), displays([[0]], 1), begun, driving, whole_seconds(20, width=1)
        )
        assert passes_s.tolist() == expected
