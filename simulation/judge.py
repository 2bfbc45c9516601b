"""From paired measures to a verdict: changes with intervals, movements that got worse, why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy import stats

from models.validation import (
    KPI_NAMES,
    AcceptancePolicy,
    Cause,
    Change,
    Kpi,
    MovementChange,
    Verdict,
)
from simulation.metrics import MovementDelay

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05
ENOUGH_PAIRS = 5

KpiPair = tuple[Kpi, Kpi]
MovementPair = tuple[Mapping[str, MovementDelay], Mapping[str, MovementDelay]]


@dataclass(frozen=True, slots=True)
class MovementTest:
    """A movement's change over the pairs, and how sure it is that it got worse.

    ``p_worse`` is the one-sided p-value of a paired t-test against "not worse", for this
    movement alone; ``holm_worse`` says whether it stands after Holm's correction for all the
    movements that were tested at 5 %.
    """

    change: MovementChange
    p_worse: float
    holm_worse: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, what decided it and the movement that it is about (else None)."""

    verdict: Verdict
    cause: Cause
    subject: MovementChange | None = None


def mean_kpi(runs: Sequence[Kpi]) -> Kpi:
    """Means over runs; numbers of vehicles rounded to whole ones."""
    values = {name: math.fsum(getattr(run, name) for run in runs) / len(runs) for name in KPI_NAMES}
    counts = {name: round(values[name]) for name in ("trips", "finished", "running", "undeparted")}
    return Kpi(
        **counts,
        delay_s=values["delay_s"],
        trip_time_s=values["trip_time_s"],
        time_loss_s=values["time_loss_s"],
        waiting_time_s=values["waiting_time_s"],
        stops=values["stops"],
    )


def relative_change(pairs: Sequence[tuple[float, float]]) -> Change:
    """Mean relative change over ``(baseline, candidate)`` pairs, with its 95 % interval.

    Student's t over the pairs' own changes: each pair shares demand and seed.

    Raises:
        ValueError: With fewer than two pairs or a baseline of 0.
    """
    if len(pairs) < 2 or any(baseline <= 0 for baseline, _ in pairs):
        raise ValueError("an interval needs two pairs and baselines above 0")
    changes = [100.0 * (candidate - baseline) / baseline for baseline, candidate in pairs]
    mean, error = _mean_and_error(changes)
    reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(changes) - 1)) * error
    return Change(mean, (mean - reach, mean + reach))


def kpi_changes(pairs: Sequence[KpiPair]) -> dict[str, Change]:
    """Relative change of each measure that every baseline run has above 0."""
    changes = {}
    for name in KPI_NAMES:
        values = [(getattr(one, name), getattr(other, name)) for one, other in pairs]
        if name != "trips" and all(baseline > 0 for baseline, _ in values):
            changes[name] = relative_change(values)
    return changes


def movement_changes(
    pairs: Sequence[MovementPair], policy: AcceptancePolicy
) -> tuple[tuple[MovementChange, ...], tuple[MovementTest, ...]]:
    """Every movement's change, and the test of those with enough vehicles.

    A movement that had no vehicle in a run takes part with the pairs where it had some in both.
    """
    everything: list[MovementChange] = []
    tested: list[tuple[MovementChange, float]] = []
    for name in sorted({name for pair in pairs for side in pair for name in side}):
        both = [(one[name], other[name]) for one, other in pairs if name in one and name in other]
        if not both:
            continue
        change = MovementChange(
            movement=name,
            vehicles=math.fsum(one.vehicles + other.vehicles for one, other in both)
            / (2 * len(both)),
            baseline_delay_s=math.fsum(one.delay_s for one, _ in both) / len(both),
            candidate_delay_s=math.fsum(other.delay_s for _, other in both) / len(both),
        )
        everything.append(change)
        if change.vehicles >= policy.min_movement_vehicles:
            tested.append((change, _p_worse([b.delay_s - a.delay_s for a, b in both])))
    return tuple(everything), _holm(tested)


def worst_of(changes: Sequence[MovementChange], policy: AcceptancePolicy) -> MovementChange | None:
    """The movement whose delay rises most (or falls least), among those with enough vehicles."""
    counted = [c for c in changes if c.vehicles >= policy.min_movement_vehicles] or changes
    return max(counted, key=lambda change: change.change_s, default=None)


def judge(
    delay: Change,
    tested: Sequence[MovementTest],
    policy: AcceptancePolicy,
    *,
    pairs: int,
    same_plan: bool = False,
) -> Judgement:
    """The verdict on a candidate.

    It passes when the whole interval of the change of ``delay_s`` lies below the site's limit
    and no movement is beyond the limits for movements. A movement is beyond them when its mean
    delay rises by more than both limits; it fails the plan when that stands after Holm's
    correction, and leaves it undecided when the movement's own test finds it worse but the
    correction for many movements does not. One that no test finds worse counts as noise. Fewer
    than ``ENOUGH_PAIRS`` never pass.
    """
    if same_plan:
        return Judgement(Verdict.FAIL, Cause.SAME_PLAN)
    beyond = sorted(
        (t for t in tested if beyond_limits(t.change, policy)),
        key=lambda t: t.change.change_s,
        reverse=True,
    )
    low, high = delay.ci95_pct
    limit = policy.max_delay_change_pct
    if low >= limit:
        return Judgement(Verdict.FAIL, Cause.DELAY_NOT_LOWER)
    if surely := [t.change for t in beyond if t.holm_worse]:
        return Judgement(Verdict.FAIL, Cause.MOVEMENT_WORSE, surely[0])
    if high >= limit:
        return Judgement(Verdict.UNDECIDED, Cause.DELAY_UNCLEAR)
    if maybe := [t.change for t in beyond if t.p_worse < SIGNIFICANCE]:
        return Judgement(Verdict.UNDECIDED, Cause.MOVEMENT_UNCLEAR, maybe[0])
    if pairs < ENOUGH_PAIRS:
        return Judgement(Verdict.UNDECIDED, Cause.FEW_PAIRS)
    return Judgement(Verdict.PASS, Cause.IMPROVED)


def beyond_limits(change: MovementChange, policy: AcceptancePolicy) -> bool:
    """Whether a movement's mean delay rises by more than both of the site's limits."""
    return (
        change.change_s > policy.max_movement_worse_s
        and change.change_s > policy.max_movement_worse_pct / 100.0 * change.baseline_delay_s
    )


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


def _p_worse(differences: Sequence[float]) -> float:
    """One-sided p-value of a paired t-test: is the mean difference above 0?"""
    if len(differences) < 2:
        return 1.0
    mean, error = _mean_and_error(differences)
    if error == 0.0:
        return 0.0 if mean > 0 else 1.0
    return float(stats.t.sf(mean / error, len(differences) - 1))


def _holm(tested: Sequence[tuple[MovementChange, float]]) -> tuple[MovementTest, ...]:
    """Holm's step-down: the smallest p against 5 % / m, the next against 5 % / (m - 1), ..."""
    results: list[MovementTest] = []
    stands = True
    for index, (change, p_worse) in enumerate(sorted(tested, key=lambda item: item[1])):
        stands = stands and p_worse <= SIGNIFICANCE / (len(tested) - index)
        results.append(MovementTest(change, p_worse, stands))
    return tuple(sorted(results, key=lambda item: item.change.movement))
