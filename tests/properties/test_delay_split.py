"""Delay is neither lost nor made when it is split over movements."""

from __future__ import annotations

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from simulation.metrics import Drive, Trip, split_delay
from simulation.roads import Crossover, Road, Roads

EDGES = tuple("abcdef")
ROADS = Roads(
    {edge: Road(50.0 + 10 * i, 10.0) for i, edge in enumerate(EDGES)},
    {pair: Crossover(15.0, 1.5, "s") for pair in itertools.pairwise(EDGES)},
)


@given(
    signals=st.sets(st.sampled_from(list(itertools.pairwise(EDGES)))),
    steps=st.lists(st.integers(1, 300), max_size=len(EDGES)),
    loss=st.floats(0, 2000),
    wait=st.floats(0, 2000),
    departed=st.booleans(),
    factor=st.floats(0.5, 1.5),
)
def test_parts_of_a_vehicles_delay_add_up(
    signals: set[tuple[str, str]],
    steps: list[int],
    loss: float,
    wait: float,
    departed: bool,
    factor: float,
) -> None:
    left = [float(sum(steps[: i + 1])) for i in range(len(steps))]
    left += [-1.0] * (len(EDGES) - len(steps))
    trip = Trip("v", 0.0, departed, False, wait, 0, loss if departed else 0.0, 0, 0, 0.0, factor)
    turns = {pair: f"J:{pair[0]}>{pair[1]}" for pair in signals}
    parts = split_delay(trip, Drive("v", EDGES, tuple(left)), turns, ROADS)
    assert math.isclose(sum(parts.values()), trip.delay_s, abs_tol=1e-6)
    if not departed and turns:
        assert len(parts) == 1
