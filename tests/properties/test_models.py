"""Promises of the vocabulary: files round-trip, invalid values cannot exist, windows tile."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from models.counts import CountRow, counts_from_csv, counts_to_csv
from models.plan import (
    JunctionPlan,
    Plan,
    Stage,
    junction_plan_from_dict,
    junction_plan_to_dict,
)
from models.safety import green_windows_ds
from models.signals import SignalState, SignalTimeline

NAMES = st.sampled_from(["a", "b", "c", "d"])
MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


@st.composite
def junction_plans(draw: st.DrawFn) -> JunctionPlan:
    stages = []
    for index in range(draw(st.integers(1, 5))):
        green = draw(st.lists(NAMES, unique=True, min_size=1))
        stages.append(
            Stage(
                id=f"s{index}",
                green=tuple(green),
                green_ds=draw(st.integers(1, 900)),
                yellow_ds=draw(st.integers(0, 60)),
                red_ds=draw(st.integers(0, 60)),
                permissive=tuple(green[: draw(st.integers(0, len(green)))]),
            )
        )
    cycle = sum(stage.split_ds for stage in stages)
    return JunctionPlan("J", cycle, draw(st.integers(0, cycle - 1)), tuple(stages))


@given(junction_plans())
def test_a_junction_plan_survives_its_file_form(plan: JunctionPlan) -> None:
    assert junction_plan_from_dict(junction_plan_to_dict(plan)) == plan


@given(junction_plans(), junction_plans(), MOMENTS)
def test_digests_are_equal_exactly_when_the_canonical_forms_are(
    one: JunctionPlan, other: JunctionPlan, now: datetime
) -> None:
    first, second = Plan("s", (one,), now, "x"), Plan("s", (other,), now, "y")
    assert (first.digest == second.digest) == (first.canonical() == second.canonical())


@given(junction_plans(), NAMES)
def test_green_windows_lie_in_the_cycle_and_do_not_overlap(plan: JunctionPlan, name: str) -> None:
    windows = green_windows_ds(plan, name)
    shown_ds = sum(stage.green_ds for stage in plan.stages if name in stage.green)
    assert sum(length for _, length in windows) >= shown_ds
    assert sum(length for _, length in windows) <= plan.cycle_ds
    for (start, length), (following, _) in itertools.pairwise(windows):
        assert start + length <= following


@given(
    st.lists(
        st.tuples(st.integers(0, 10_000), st.integers(0, 1000), st.integers(0, 100)),
        min_size=1,
        unique_by=lambda item: item[0],
    )
)
def test_counts_survive_their_file(items: list[tuple[int, int, int]]) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = tuple(
        CountRow(
            "J",
            "J:a>b",
            "car",
            start + timedelta(minutes=minute),
            start + timedelta(minutes=minute + 5),
            count,
            coverage / 100,
        )
        for minute, count, coverage in sorted(items)
    )
    assert counts_from_csv(counts_to_csv(rows), "f") == rows


@given(st.lists(st.tuples(st.integers(0, 500), st.sampled_from(SignalState)), min_size=1))
def test_a_timeline_answers_what_it_was_told(samples: list[tuple[int, SignalState]]) -> None:
    ordered = sorted(dict(samples).items())
    timeline = SignalTimeline.from_samples((float(time), state) for time, state in ordered)
    for time, state in ordered:
        assert timeline.state_at(float(time)) is state
    assert timeline.state_at(ordered[0][0] - 1.0) is SignalState.UNKNOWN
