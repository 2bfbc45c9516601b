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
    MovementChange,
    Verdict,
)
from simulation.judge import (
    MovementTest,
    judge,
    kpi_changes,
    mean_kpi,
    movement_changes,
    relative_change,
    worst_of,
)
from simulation.metrics import MovementDelay
from simulation.wording import LANGUAGES, change_text, reason

POLICY = AcceptancePolicy()
BETTER = Change(-18.4, (-21.0, -15.7))
KPI = Kpi(100, 90, 8, 2, 40.0, 80.0, 35.0, 20.0, 1.2)


def movement(before: float, after: float, vehicles: float = 100.0) -> MovementChange:
    return MovementChange("J:a>b", vehicles, before, after)


def result(before: float, after: float, p: float, holm: bool) -> MovementTest:
    return MovementTest(movement(before, after), p, holm)


def test_interval_is_students_t_over_the_pairs() -> None:
    change = relative_change([(100, 90), (100, 80), (100, 85), (100, 95), (100, 75)])
    # Mean -15, standard deviation sqrt(62.5), t(0.975; 4) = 2.7764.
    reach = 2.7764 * math.sqrt(62.5 / 5)
    assert change.mean_pct == pytest.approx(-15)
    assert change.ci95_pct == pytest.approx((-15 - reach, -15 + reach), abs=1e-3)
    assert change_text(change) == "-15.0 % [-24.8, -5.2]"


def test_measures_that_a_baseline_run_has_at_zero_have_no_change() -> None:
    changes = kpi_changes([(KPI, KPI), (replace(KPI, undeparted=0), KPI)])
    assert "undeparted" not in changes
    assert changes["delay_s"] == Change(0.0, (0.0, 0.0))


def test_means_keep_whole_vehicles() -> None:
    mean = mean_kpi([KPI, replace(KPI, finished=91, delay_s=50.0)])
    assert (mean.finished, mean.delay_s) == (90, 45.0)


def test_an_interval_below_the_limit_passes() -> None:
    judgement = judge(BETTER, [result(30, 32, 0.01, True)], POLICY, pairs=5)
    assert (judgement.verdict, judgement.cause) == (Verdict.PASS, Cause.IMPROVED)


@pytest.mark.parametrize(
    ("interval", "verdict", "cause"),
    [
        ((-5.0, 0.1), Verdict.UNDECIDED, Cause.DELAY_UNCLEAR),
        ((0.0, 4.0), Verdict.FAIL, Cause.DELAY_NOT_LOWER),
        ((1.0, 4.0), Verdict.FAIL, Cause.DELAY_NOT_LOWER),
    ],
)
def test_delay_decides(interval: tuple[float, float], verdict: Verdict, cause: Cause) -> None:
    judgement = judge(Change(sum(interval) / 2, interval), [], POLICY, pairs=5)
    assert (judgement.verdict, judgement.cause) == (verdict, cause)


def test_the_sites_own_limit_holds() -> None:
    strict = replace(POLICY, max_delay_change_pct=-20.0)
    assert judge(BETTER, [], strict, pairs=5).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("p", "holm", "verdict"),
    [
        (0.0001, True, Verdict.FAIL),
        (0.03, False, Verdict.UNDECIDED),
        (0.2, False, Verdict.PASS),
    ],
)
def test_a_movement_counts_as_worse_only_when_significant(
    p: float, holm: bool, verdict: Verdict
) -> None:
    judgement = judge(BETTER, [result(30, 60, p, holm)], POLICY, pairs=5)
    assert judgement.verdict is verdict
    assert (judgement.subject is None) == (verdict is Verdict.PASS)


@pytest.mark.parametrize(("before", "after"), [(10, 29), (100, 125)])
def test_both_limits_must_be_passed(before: float, after: float) -> None:
    assert (
        judge(BETTER, [result(before, after, 0.0, True)], POLICY, pairs=5).verdict is Verdict.PASS
    )


def test_few_pairs_may_fail_but_never_pass() -> None:
    few = judge(BETTER, [], POLICY, pairs=4)
    assert (few.verdict, few.cause) == (Verdict.UNDECIDED, Cause.FEW_PAIRS)
    assert judge(Change(2.0, (1.0, 3.0)), [], POLICY, pairs=4).verdict is Verdict.FAIL


def test_the_same_plan_does_not_pass() -> None:
    judgement = judge(Change(0.0, (0.0, 0.0)), [], POLICY, pairs=5, same_plan=True)
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
    text = reason(
        cause,
        delay=BETTER,
        baseline=KPI,
        candidate=replace(KPI, delay_s=32.6),
        movements=[movement(30, 60)],
        subject=movement(30, 60),
        pairs=5,
        policy=POLICY,
        language=language,  # type: ignore[arg-type]
    )
    assert "{" not in text
    assert "\n" not in text
    if cause is not Cause.SAME_PLAN:
        assert "-18.4 % [-21.0, -15.7]" in text
    if cause in (Cause.MOVEMENT_WORSE, Cause.MOVEMENT_UNCLEAR):
        assert "J:a>b" in text
        assert "30.0" in text
