"""Verdicts from paired measures, with intervals and tests checked against known values."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from models.validation import (
    AcceptancePolicy,
    Cause,
    Change,
    Kpi,
    Measures,
    MovementChange,
    SpillbackChange,
    Verdict,
)
from simulation.judge import (
    Evidence,
    Judgement,
    MovementTest,
    SpillbackTest,
    all_changes,
    judge,
    less_safe,
    mean_kpi,
    mean_measures,
    movement_changes,
    relative_change,
    spillback_changes,
    worst_of,
)
from simulation.metrics import MovementDelay
from simulation.results import SimulationResult
from simulation.wording import LANGUAGES, change_text, reason

POLICY = AcceptancePolicy()
BETTER = Change(-18.4, (-21.0, -15.7))
KPI = Kpi(100, 90, 8, 2, 40.0, 80.0, 35.0, 20.0, 1.2)


def movement(before: float, after: float, vehicles: float = 100.0) -> MovementChange:
    return MovementChange("J:a>b", vehicles, before, after)


def result(before: float, after: float, p: float, holm: bool) -> MovementTest:
    return MovementTest(movement(before, after), p, holm)


def verdict(
    delay: Change,
    tested: tuple[MovementTest, ...] = (),
    policy: AcceptancePolicy = POLICY,
    *,
    pairs: int = 5,
    spillback: tuple[SpillbackTest, ...] = (),
    unsafe: tuple[str, ...] = (),
    same_plan: bool = False,
) -> Judgement:
    movements = tuple(item.change for item in tested)
    evidence = Evidence(pairs, {"delay_s": delay}, movements, tested, spillback, unsafe)
    return judge(evidence, policy, same_plan=same_plan)


def run(kpi: Kpi = KPI, measures: Measures | None = None, **spillback: float) -> SimulationResult:
    return SimulationResult("run", 1, kpi, {}, 1.0, measures or Measures(), spillback)


def test_interval_is_students_t_over_the_pairs() -> None:
    change = relative_change([(100, 90), (100, 80), (100, 85), (100, 95), (100, 75)])
    # Mean -15, standard deviation sqrt(62.5), t(0.975; 4) = 2.7764.
    reach = 2.7764 * math.sqrt(62.5 / 5)
    assert change.mean_pct == pytest.approx(-15)
    assert change.ci95_pct == pytest.approx((-15 - reach, -15 + reach), abs=1e-3)
    assert change_text(change) == "-15.0 % [-24.8, -5.2]"


def test_measures_that_a_baseline_run_has_at_zero_have_no_change() -> None:
    changes = all_changes([(run(), run()), (run(replace(KPI, undeparted=0)), run())], 5)
    assert "undeparted" not in changes
    assert "fuel_g" not in changes
    assert changes["delay_s"] == Change(0.0, (0.0, 0.0))


def test_means_keep_whole_vehicles() -> None:
    mean = mean_kpi([KPI, replace(KPI, finished=91, delay_s=50.0)])
    assert (mean.finished, mean.delay_s) == (90, 45.0)


def test_an_interval_below_the_limit_passes() -> None:
    judgement = verdict(BETTER, (result(30, 32, 0.01, True),))
    assert (judgement.verdict, judgement.cause) == (Verdict.PASS, Cause.IMPROVED)


@pytest.mark.parametrize(
    ("interval", "expected", "cause"),
    [
        ((-5.0, 0.1), Verdict.UNDECIDED, Cause.DELAY_UNCLEAR),
        ((0.0, 4.0), Verdict.FAIL, Cause.DELAY_NOT_LOWER),
        ((1.0, 4.0), Verdict.FAIL, Cause.DELAY_NOT_LOWER),
    ],
)
def test_delay_decides(interval: tuple[float, float], expected: Verdict, cause: Cause) -> None:
    judgement = verdict(Change(sum(interval) / 2, interval))
    assert (judgement.verdict, judgement.cause) == (expected, cause)
    assert judgement.final == (expected is not Verdict.UNDECIDED)


def test_the_sites_own_limit_holds() -> None:
    strict = replace(POLICY, max_delay_change_pct=-20.0)
    assert verdict(BETTER, (), strict).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("p", "holm", "expected"),
    [
        (0.0001, True, Verdict.FAIL),
        (0.03, False, Verdict.UNDECIDED),
        (0.2, False, Verdict.PASS),
    ],
)
def test_a_movement_counts_as_worse_only_when_significant(
    p: float, holm: bool, expected: Verdict
) -> None:
    judgement = verdict(BETTER, (result(30, 60, p, holm),))
    assert judgement.verdict is expected
    assert (judgement.subject == "") == (expected is Verdict.PASS)


@pytest.mark.parametrize(
    ("before", "after", "p", "holm", "expected"),
    [
        (0.0, 9.0, 0.0001, True, Verdict.FAIL),
        (0.0, 9.0, 0.03, False, Verdict.UNDECIDED),
        (0.0, 9.0, 0.2, False, Verdict.PASS),
        (8.0, 9.0, 0.0001, True, Verdict.PASS),  # hardly more than now
        (0.0, 1.9, 0.0001, True, Verdict.PASS),  # within the limit
    ],
)
def test_a_queue_may_not_reach_the_junction_before(
    before: float, after: float, p: float, holm: bool, expected: Verdict
) -> None:
    test = SpillbackTest(SpillbackChange("e1", before, after), p, holm)
    judgement = verdict(BETTER, spillback=(test,))
    assert judgement.verdict is expected
    assert judgement.subject == ("" if expected is Verdict.PASS else "e1")


def test_less_safe_fails() -> None:
    judgement = verdict(BETTER, unsafe=("pet_conflicts",))
    assert (judgement.verdict, judgement.cause) == (Verdict.FAIL, Cause.LESS_SAFE)


def test_safety_is_judged_only_where_it_was_measured() -> None:
    before = [Measures(pet_conflicts=10.0 + i, ttc_conflicts=50.0) for i in range(5)]
    after = [Measures(pet_conflicts=20.0 + 2 * i, ttc_conflicts=50.0 - i) for i in range(5)]
    pairs = [(run(measures=a), run(measures=b)) for a, b in zip(before, after, strict=True)]
    assert less_safe(pairs, 5) == ("pet_conflicts",)
    assert less_safe([(run(), run())] * 5, 5) == ()
    assert mean_measures(before).pet_conflicts == 12.0
    assert mean_measures([*before, Measures()]).pet_conflicts is None


def test_spillback_is_tested_per_approach() -> None:
    pairs = [(run(e1=0.0, e2=5.0), run(e1=10.0 + i, e2=5.0 - i)) for i in range(5)]
    tests = spillback_changes(pairs, 5)
    assert [(t.change.approach, t.holm_worse) for t in tests] == [("e1", True), ("e2", False)]
    assert tests[0].change.change_pct == pytest.approx(12.0)


@pytest.mark.parametrize(("before", "after"), [(10, 29), (100, 125)])
def test_both_limits_must_be_passed(before: float, after: float) -> None:
    assert verdict(BETTER, (result(before, after, 0.0, True),)).verdict is Verdict.PASS


def test_few_pairs_may_fail_but_never_pass() -> None:
    few = verdict(BETTER, pairs=4)
    assert (few.verdict, few.cause) == (Verdict.UNDECIDED, Cause.FEW_PAIRS)
    assert verdict(Change(2.0, (1.0, 3.0)), pairs=4).verdict is Verdict.FAIL


def test_the_same_plan_does_not_pass() -> None:
    judgement = verdict(Change(0.0, (0.0, 0.0)), same_plan=True)
    assert (judgement.verdict, judgement.cause) == (Verdict.FAIL, Cause.SAME_PLAN)


def runs(*changes: float, vehicles: int = 50) -> list[tuple[MovementDelay, MovementDelay]]:
    return [(MovementDelay(vehicles, 40.0), MovementDelay(vehicles, 40.0 + d)) for d in changes]


def test_holm_corrects_for_the_number_of_movements() -> None:
    # t = mean / (sd / sqrt(5)): one-sided p is 0.0224 for "b", below 1e-4 for "a".
    data = {"a": runs(50, 52, 48, 51, 49), "b": runs(10, 40, 20, 50, 5), "c": runs(1, -1, 2, -2, 0)}
    pairs = [
        ({name: item[i][0] for name, item in data.items()}, {n: v[i][1] for n, v in data.items()})
        for i in range(5)
    ]
    everything, results = movement_changes(pairs, POLICY)
    assert [m.movement for m in everything] == ["a", "b", "c"]
    by_name = {r.change.movement: r for r in results}
    assert by_name["b"].p_worse == pytest.approx(0.0224, abs=0.0005)
    assert [by_name[name].holm_worse for name in "abc"] == [True, True, False]
    more = {f"n{i}": runs(1, -1, 2, -2, 0) for i in range(20)} | data
    pairs = [
        ({name: item[i][0] for name, item in more.items()}, {n: v[i][1] for n, v in more.items()})
        for i in range(5)
    ]
    by_name = {r.change.movement: r for r in movement_changes(pairs, POLICY)[1]}
    assert [by_name[name].holm_worse for name in "abc"] == [True, False, False]


def test_few_vehicles_are_neither_tested_nor_worst() -> None:
    pairs = [
        (
            {"few": MovementDelay(5, 10.0), "many": MovementDelay(60, 10.0)},
            {"few": MovementDelay(5, 99.0), "many": MovementDelay(60, 12.0)},
        )
    ] * 5
    everything, results = movement_changes(pairs, POLICY)
    assert [r.change.movement for r in results] == ["many"]
    worst = worst_of(everything, POLICY)
    assert worst is not None
    assert worst.movement == "many"


def test_a_movement_without_vehicles_in_some_runs_uses_the_others() -> None:
    full = {"m": MovementDelay(40, 10.0)}
    everything, _ = movement_changes([(full, full), (full, {}), ({}, {})], POLICY)
    assert everything == (MovementChange("m", 40.0, 10.0, 10.0),)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_one_sentence_with_its_numbers(cause: Cause, language: str) -> None:
    subject = {
        Cause.MOVEMENT_WORSE: "J:a>b",
        Cause.MOVEMENT_UNCLEAR: "J:a>b",
        Cause.SPILLBACK: "e1",
        Cause.SPILLBACK_UNCLEAR: "e1",
        Cause.LESS_SAFE: "pet_conflicts",
        Cause.GRIDLOCK: "pair 1 (seed 1), candidate: nothing moves",
        Cause.GRIDLOCK_BOTH: "pair 1 (seed 1), plan in force: nothing moves",
        Cause.NO_NUMBER: "simulation x failed",
    }.get(cause, "")
    number = cause not in (Cause.GRIDLOCK, Cause.GRIDLOCK_BOTH, Cause.NO_NUMBER)
    text = reason(
        cause,
        change={"delay_s": BETTER, "pet_conflicts": Change(7.0, (1.0, 13.0))} if number else {},
        baseline=KPI if number else None,
        candidate=replace(KPI, delay_s=32.6) if number else None,
        movements=[movement(30, 60)],
        spillback=[SpillbackChange("e1", 1.0, 9.0)],
        subject=subject,
        pairs=5,
        limit=30,
        policy=POLICY,
        language=language,  # type: ignore[arg-type]
    )
    assert "{" not in text
    assert "\n" not in text
    assert ("-18.4 % [-21.0, -15.7]" in text) == (number and cause is not Cause.SAME_PLAN)
    if not number:
        assert subject in text
    for part in {"J:a>b": ("30.0",), "e1": ("e1", "9.0"), "pet_conflicts": ("+7.0",)}.get(
        subject, ()
    ):
        assert part in text
