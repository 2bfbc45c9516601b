"""Whatever the traffic, the planner's schedules are lawful, bounded and cost what it says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planner_cases import DRIVING, displays, now, traffic

from optimizer.horizon import effort, replay, search

LANES = 6
arrivals = st.lists(
    st.lists(st.integers(0, 60).map(float), max_size=12).map(sorted),
    min_size=LANES,
    max_size=LANES,
)
greens = st.lists(
    st.lists(st.integers(0, LANES - 1), min_size=1, max_size=3, unique=True),
    min_size=2,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(
    arrivals=arrivals,
    greens=greens,
    clear_s=st.integers(0, 8),
    min_green_s=st.integers(1, 25),
    ready_s=st.integers(0, 10),
)
def test_schedules_keep_clearances_and_shortest_greens(
    arrivals: list[list[float]],
    greens: list[list[int]],
    clear_s: int,
    min_green_s: int,
    ready_s: int,
) -> None:
    """No change before it is allowed, none within clearance and shortest green of the last."""
    shown = displays(greens, LANES, clear_s=float(clear_s), min_green_s=float(min_green_s))
    vehicles = traffic(arrivals)
    begin = now(len(greens), ready_s=float(ready_s))
    bounds = effort(60, expansions=500)
    found = search(begin, shown, vehicles, DRIVING, bounds)

    stages = [begin.stage, *(int(stage) for stage in found.stage)]
    assert all(a != b for a, b in itertools.pairwise(stages))
    assert all(0 <= stage < len(greens) for stage in stages)
    if len(found.change_s):
        assert found.change_s[0] >= ready_s
    for one, other in itertools.pairwise(found.change_s):
        assert other - one >= clear_s + min_green_s
    # A started step is finished: at most one more round of every stage, for each hold.
    assert found.expansions <= 500 + len(bounds.grid_s) * len(greens)

    cost, passes_s = replay(found, begin, shown, vehicles, DRIVING, bounds)
    assert cost == pytest.approx(found.cost)
    assert (passes_s >= vehicles.arrival_s).all()
    for lane in range(LANES):
        own = passes_s[vehicles.first[lane] : vehicles.first[lane + 1]]
        own = own[np.isfinite(own)]
        assert (np.diff(own) >= 2.0 - 1e-9).all()


@settings(max_examples=30, deadline=None)
@given(arrivals=arrivals, greens=greens)
def test_more_width_is_no_reason_to_do_worse(
    arrivals: list[list[float]], greens: list[list[int]]
) -> None:
    """Never worse than staying, whatever the width; and the same answer twice."""
    shown = displays(greens, LANES)
    vehicles = traffic(arrivals)
    begin = now(len(greens))
    for width, breadth in ((1, 1), (3, 10)):
        bounds = effort(60, width=width, breadth=breadth)
        found = search(begin, shown, vehicles, DRIVING, bounds)
        again = search(begin, shown, vehicles, DRIVING, bounds)
        assert found.cost == again.cost
        stay = found._replace(change_s=np.empty(0), stage=np.empty(0, dtype=np.int64))
        assert found.cost <= replay(stay, begin, shown, vehicles, DRIVING, bounds)[0] + 1e-6
