"""No candidate passes that the site's policy refuses, whatever was measured."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.validation import AcceptancePolicy, Verdict
from simulation.judge import (
    ENOUGH_PAIRS,
    SIGNIFICANCE,
    Evidence,
    beyond_limits,
    judge,
    movement_changes,
    relative_change,
)
from simulation.metrics import MovementDelay

POLICY = AcceptancePolicy()
DELAY_S = st.floats(1.0, 500.0)
PAIR = st.tuples(DELAY_S, DELAY_S)


@given(
    delays=st.integers(2, 8).flatmap(lambda n: st.lists(PAIR, min_size=n, max_size=n)),
    movements=st.lists(
        st.tuples(st.lists(PAIR, min_size=8, max_size=8), st.integers(1, 200)), max_size=6
    ),
)
def test_what_passes_keeps_every_limit(
    delays: list[tuple[float, float]],
    movements: list[tuple[list[tuple[float, float]], int]],
) -> None:
    runs = [
        tuple(
            {f"m{i}": MovementDelay(count, p[n][side]) for i, (p, count) in enumerate(movements)}
            for side in (0, 1)
        )
        for n in range(len(delays))
    ]
    change = relative_change(delays)
    low, high = change.ci95_pct
    assert low <= change.mean_pct <= high
    everything, tested = movement_changes([(run[0], run[1]) for run in runs], POLICY)
    assert len(everything) == len(movements)
    for item in tested:
        assert 0.0 <= item.p_worse <= 1.0
        assert not item.holm_worse or item.p_worse <= SIGNIFICANCE
    evidence = Evidence(len(delays), {"delay_s": change}, everything, tested, (), ())
    judgement = judge(evidence, POLICY)
    if judgement.verdict is Verdict.PASS:
        assert high < POLICY.max_delay_change_pct
        assert len(delays) >= ENOUGH_PAIRS
        assert not any(
            item.p_worse < SIGNIFICANCE and beyond_limits(item.change, POLICY) for item in tested
        )
    if judgement.subject:
        subject = next(item for item in everything if item.movement == judgement.subject)
        assert beyond_limits(subject, POLICY)
        assert subject.vehicles >= POLICY.min_movement_vehicles


@given(st.lists(PAIR, min_size=2, max_size=8), st.floats(0.1, 10.0))
def test_relative_change_does_not_depend_on_the_unit(
    pairs: list[tuple[float, float]], factor: float
) -> None:
    one = relative_change(pairs)
    other = relative_change([(factor * a, factor * b) for a, b in pairs])
    assert abs(one.mean_pct - other.mean_pct) <= 1e-6 * (1 + abs(one.mean_pct))
