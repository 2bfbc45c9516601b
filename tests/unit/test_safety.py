"""Each rule of the rulebook is broken once, alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from models.junction import Junction, Movement, PedestrianCrossing, SafetyEnvelope, Turn
from models.plan import JunctionPlan, Plan, SignalRow, Stage
from models.safety import Rule, check, check_plan, green_windows_ds

A, B, X, TURN, WALK = "C1:a>b", "C1:b>a", "C1:x>y", "C1:a>y", ":C1_c0"


def junction() -> Junction:
    return Junction(
        id="C1",
        movements=(
            Movement(A, "a", "b", Turn.THROUGH),
            Movement(B, "b", "a", Turn.THROUGH),
            Movement(X, "x", "y", Turn.THROUGH),
            Movement(TURN, "a", "y", Turn.LEFT),
        ),
        crossings=(PedestrianCrossing(WALK, ("x",)),),
        conflicts=frozenset(
            frozenset(pair)
            for pair in ((A, X), (B, X), (TURN, B), (TURN, X), (WALK, X), (WALK, TURN))
        ),
        permissive=frozenset({(TURN, B), (TURN, WALK)}),
        envelope=SafetyEnvelope(ped_clearance_ds={WALK: 60}, max_green_ds=600, max_red_ds=1000),
    )


def plan() -> JunctionPlan:
    return JunctionPlan(
        "C1",
        800,
        0,
        (
            Stage("main", (A, B, TURN, WALK), 400, 30, 20, permissive=(TURN,)),
            Stage("cross", (X,), 300, 30, 20),
        ),
    )


def rules(candidate: JunctionPlan, at: Junction | None = None) -> set[Rule]:
    return {breach.rule for breach in check(candidate, at or junction())}


def with_stage(index: int, **changes: object) -> JunctionPlan:
    stages = list(plan().stages)
    stages[index] = replace(stages[index], **changes)  # type: ignore[arg-type]
    return replace(plan(), stages=tuple(stages), cycle_ds=sum(s.split_ds for s in stages))


def test_a_lawful_plan_breaks_nothing() -> None:
    assert check(plan(), junction()) == ()


@pytest.mark.parametrize(
    ("candidate", "rule"),
    [
        (with_stage(0, green=(A, B, TURN, WALK, X)), Rule.CONFLICT),
        (with_stage(0, permissive=()), Rule.CONFLICT),
        (with_stage(1, green_ds=60), Rule.MIN_GREEN),
        (with_stage(0, green_ds=610), Rule.MAX_GREEN),
        (with_stage(0, yellow_ds=29, red_ds=21), Rule.YELLOW_CHANGE),
        (with_stage(1, red_ds=10), Rule.RED_CLEARANCE),
        (with_stage(0, green_ds=120), Rule.PEDESTRIAN),
        (with_stage(0, green=(A, B, WALK), permissive=()), Rule.STARVED),
        (with_stage(0, green=(A, B, TURN)), Rule.STARVED),
        (with_stage(0, green=(A, B, TURN, WALK, "C1:no>where")), Rule.KNOWN_IDS),
        (replace(plan(), offset_ds=5), Rule.GRANULARITY),
        (replace(plan(), junction="C2"), Rule.KNOWN_IDS),
        (replace(plan(), as_found=(SignalRow(800, "G"),)), Rule.DEPLOYABLE),
    ],
)
def test_each_rule_is_caught(candidate: JunctionPlan, rule: Rule) -> None:
    assert rules(candidate) == {rule}


def test_what_shares_a_signal_head_is_shown_alike() -> None:
    tied = replace(junction(), tied=frozenset({frozenset({A, TURN})}))
    assert rules(plan(), tied) == {Rule.TIED}  # TURN gives way, A does not
    alike = with_stage(0, permissive=(A, TURN))
    assert rules(alike, tied) == set()
    assert Rule.TIED in rules(with_stage(0, green=(A, B, WALK), permissive=()), tied)


def test_cycle_bounds_and_longest_red() -> None:
    tight = replace(
        junction(), envelope=SafetyEnvelope(max_cycle_ds=700, ped_clearance_ds={WALK: 60})
    )
    assert rules(plan(), tight) == {Rule.CYCLE}
    impatient = replace(junction(), envelope=SafetyEnvelope(max_red_ds=300))
    assert rules(plan(), impatient) == {Rule.MAX_RED}


def test_a_plan_must_time_every_junction_and_no_other() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    whole = Plan("s", (plan(),), now, "an")
    assert check_plan(whole, {"C1": junction()}) == ()
    assert [b.rule for b in check_plan(whole, {})] == [Rule.KNOWN_IDS]
    bare = Junction(id="C9", movements=())
    missing = check_plan(whole, {"C1": junction(), "C9": bare})
    assert [(b.rule, b.junction) for b in missing] == [(Rule.COVERAGE, "C9")]


def test_green_windows_run_over_the_cycle_end() -> None:
    turned = JunctionPlan(
        "C1",
        800,
        0,
        (
            Stage("one", (A,), 200, 0, 0),
            Stage("two", (X,), 200, 30, 20),
            Stage("three", (A, B), 300, 30, 20),
        ),
    )
    assert green_windows_ds(turned, A) == ((450, 550),)
    assert green_windows_ds(turned, B) == ((450, 300),)
    assert green_windows_ds(turned, "C1:none") == ()
