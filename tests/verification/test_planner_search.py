"""The planner's search against enumeration of every schedule and against CP-SAT."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from planner_cases import DRIVING, displays, now, traffic, whole_seconds

from optimizer.exact import schedule
from optimizer.horizon import Effort, Found, Now, effort, replay, search
from optimizer.queueing import CHANGE_COST, Displays, Traffic

CASES = range(12)


def _random_case(case: int, stages: int = 3, horizon_s: int = 16) -> tuple[Displays, Traffic]:
    random = np.random.default_rng(case)
    green = [[lane for lane in range(4) if lane % stages == stage] for stage in range(stages)]
    green[0].append(3)
    arrivals = [
        sorted(random.integers(0, horizon_s, size=random.integers(0, 5)).tolist()) for _ in range(4)
    ]
    return displays(green, 4), traffic(arrivals)


def _every_schedule(shown: Displays, begin: Now, bounds: Effort) -> list[Found]:
    """All sequences of changes at whole seconds that minimum greens and clearances allow."""
    horizon_s = bounds.horizon_s
    stages = shown.clear_s.shape[0]
    found = []
    unfinished = [((), (), begin.stage, math.ceil(begin.ready_s))]
    while unfinished:
        times, targets, stage, free_s = unfinished.pop()
        found.append(
            Found(0.0, np.array(times, dtype=np.float64), np.array(targets, dtype=np.int64), 0)
        )
        for at_s, target in itertools.product(range(free_s, int(horizon_s)), range(stages)):
            if target != stage:
                ready_s = at_s + math.ceil(
                    float(shown.clear_s[stage, target] + shown.min_green_s[target])
                )
                unfinished.append(((*times, at_s), (*targets, target), target, ready_s))
    return found


@pytest.mark.parametrize("case", CASES)
def test_an_unbounded_search_finds_the_best_of_all_schedules(case: int) -> None:
    """Enumeration of every schedule of 16 s gives no lower cost."""
    shown, vehicles = _random_case(case)
    bounds = whole_seconds(16, width=2000)
    begin = now(3, ready_s=float(case % 3))
    found = search(begin, shown, vehicles, DRIVING, bounds)
    # A stage that nobody needs is no alternative to the search, and never cheaper.
    best = min(
        replay(each, begin, shown, vehicles, DRIVING, bounds)[0]
        for each in _every_schedule(shown, begin, bounds)
    )
    assert found.cost == pytest.approx(best, abs=1e-6)
    assert replay(found, begin, shown, vehicles, DRIVING, bounds)[0] == pytest.approx(found.cost)


@pytest.mark.parametrize("queue_share", [1.0, 0.5])
@pytest.mark.parametrize("case", CASES)
def test_cp_sat_agrees_with_an_unbounded_search(case: int, queue_share: float) -> None:
    """Two independent formulations of the same optimum."""
    shown, vehicles = _random_case(case, stages=2)
    bounds = whole_seconds(16, width=2000)
    begin = now(2)
    driving = DRIVING._replace(queue_share=queue_share)
    assert schedule(begin, shown, vehicles, driving, bounds).cost == pytest.approx(
        search(begin, shown, vehicles, driving, bounds).cost, abs=10 * CHANGE_COST
    )


def test_cp_sat_starts_from_the_search_and_never_does_worse() -> None:
    """A narrow beam may miss the optimum; the exact schedule does not."""
    narrow = effort(20, width=1, breadth=1)
    for case in CASES:
        shown, vehicles = _random_case(case, horizon_s=20)
        found = search(now(3), shown, vehicles, DRIVING, narrow)
        exact = schedule(now(3), shown, vehicles, DRIVING, narrow)
        assert exact.cost <= found.cost + 1e-9


def test_where_roads_are_full_more_vehicles_go_before_longer_queues() -> None:
    """A long queue alone against two short ones together: who is more in a second goes first."""
    shown = displays([[0], [1, 2]], 3)
    vehicles = traffic([[0.0] * 40, [0.0] * 12, [0.0] * 12])
    bounds = whole_seconds(12, width=500)
    passed = {}
    for share in (1.0, 0.25):
        driving = DRIVING._replace(queue_share=share)
        found = search(now(2), shown, vehicles, driving, bounds)
        _, departure_s = replay(found, now(2), shown, vehicles, driving, bounds)
        passed[share] = int(np.isfinite(departure_s).sum())
    assert passed[0.25] > passed[1.0]


def test_the_default_beam_is_close_to_the_optimum() -> None:
    """A minute of traffic over eight lanes and four stages: within 3 % on the whole."""
    best = bounded = 0.0
    for case in range(6):
        random = np.random.default_rng(case)
        green = [[stage, stage + 4] for stage in range(4)]
        arrivals = [
            [0.0] * int(random.integers(0, 6))
            + sorted(random.integers(0, 60, size=random.integers(0, 10)).tolist())
            for _ in range(8)
        ]
        shown = displays(green, 8, clear_s=3.0, min_green_s=5.0)
        vehicles = traffic(arrivals)
        best += search(now(4), shown, vehicles, DRIVING, whole_seconds(60, width=60)).cost
        bounded += search(now(4), shown, vehicles, DRIVING, effort(60)).cost
    assert bounded <= 1.03 * best
