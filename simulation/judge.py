"""From paired measures to a verdict: changes with intervals, what got worse, why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.validation import (
    KPI_NAMES,
    MEASURE_NAMES,
    SAFETY_NAMES,
    AcceptancePolicy,
    Cause,
    Change,
    Kpi,
    Measures,
    MovementChange,
    SpillbackChange,
    Verdict,
)
from simulation.metrics import MovementDelay
from simulation.results import SimulationResult
from simulation.sequential import FIRST_LOOK, looks, nominal_level, p_above_zero, repeated_interval

SIGNIFICANCE = 0.05
ENOUGH_PAIRS = FIRST_LOOK

_NO_RATIO = frozenset({"trips", "spillback_pct"})
"""The same in both, or a share near 0: a relative change of these says nothing."""

ResultPair = tuple[SimulationResult, SimulationResult]
MovementPair = tuple[Mapping[str, MovementDelay], Mapping[str, MovementDelay]]


@dataclass(frozen=True, slots=True)
class MovementTest:
    """A movement's change over the pairs, and how sure it is that it got worse.

    ``p_worse`` is the one-sided p-value of a paired t-test against "not worse", for this
    movement alone; ``holm_worse`` says whether it stands after Holm's correction for all the
    movements that were tested, over all looks, at 5 %.
    """

    change: MovementChange
    p_worse: float
    holm_worse: bool


@dataclass(frozen=True, slots=True)
class SpillbackTest:
    """An approach's time with a queue into the junction before it, tested like a movement."""

    change: SpillbackChange
    p_worse: float
    holm_worse: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that one look at the pairs shows. ``less_safe`` holds safety measures that got worse."""

    pairs: int
    change: Mapping[str, Change]
    movements: tuple[MovementChange, ...]
    tested: tuple[MovementTest, ...]
    spillback: tuple[SpillbackTest, ...]
    less_safe: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and what decided it: ``subject`` is a movement, approach or measure, or empty.

    ``final`` says that more pairs would not change it.
    """

    verdict: Verdict
    cause: Cause
    subject: str = ""

    @property
    def final(self) -> bool:
        """Whether no more pairs are needed."""
        return self.verdict is not Verdict.UNDECIDED


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


def mean_measures(runs: Sequence[Measures]) -> Measures:
    """Means over runs; None where a run had nothing to measure."""
    means: dict[str, float | None] = {}
    for name in MEASURE_NAMES:
        values = [getattr(run, name) for run in runs]
        known = [value for value in values if value is not None]
        means[name] = math.fsum(known) / len(known) if len(known) == len(values) and known else None
    return Measures(**means)


def relative_change(pairs: Sequence[tuple[float, float]], limit: int | None = None) -> Change:
    """Mean relative change over ``(baseline, candidate)`` pairs, with its 95 % interval.

    Each pair shares demand and seed; the interval is over the pairs' own changes, and holds at
    every look of a validation of at most ``limit`` pairs (default: no look before this one).

    Raises:
        ValueError: With fewer than two pairs or a baseline of 0.
    """
    if len(pairs) < 2 or any(baseline <= 0 for baseline, _ in pairs):
        raise ValueError("an interval needs two pairs and baselines above 0")
    changes = [100.0 * (candidate - baseline) / baseline for baseline, candidate in pairs]
    interval = repeated_interval(changes, len(changes) if limit is None else limit)
    return Change(interval.mean, (interval.low, interval.high))


def all_changes(pairs: Sequence[ResultPair], limit: int) -> dict[str, Change]:
    """Relative change of each measure that every run has, and every baseline run above 0."""
    changes = {}
    for name in (*KPI_NAMES, *MEASURE_NAMES):
        part = "kpi" if name in KPI_NAMES else "measures"
        values = [
            (getattr(getattr(one, part), name), getattr(getattr(other, part), name))
            for one, other in pairs
        ]
        if name not in _NO_RATIO and all(
            before is not None and after is not None and before > 0 for before, after in values
        ):
            changes[name] = relative_change(values, limit)
    return changes


def movement_changes(
    pairs: Sequence[MovementPair], policy: AcceptancePolicy, limit: int | None = None
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
            tested.append((change, p_above_zero([b.delay_s - a.delay_s for a, b in both])))
    worse = _holm([p for _, p in tested], len(pairs), limit or len(pairs))
    return tuple(everything), tuple(
        MovementTest(change, p, stands) for (change, p), stands in zip(tested, worse, strict=True)
    )


def spillback_changes(pairs: Sequence[ResultPair], limit: int) -> tuple[SpillbackTest, ...]:
    """Every approach that has a junction before it."""
    tested: list[tuple[SpillbackChange, float]] = []
    for approach in sorted({name for one, _ in pairs for name in one.spillback_pct}):
        shares = [
            (one.spillback_pct[approach], other.spillback_pct.get(approach, 0.0))
            for one, other in pairs
            if approach in one.spillback_pct
        ]
        count = len(shares)
        change = SpillbackChange(
            approach,
            math.fsum(before for before, _ in shares) / count,
            math.fsum(after for _, after in shares) / count,
        )
        tested.append((change, p_above_zero([after - before for before, after in shares])))
    worse = _holm([p for _, p in tested], len(pairs), limit)
    return tuple(
        SpillbackTest(change, p, stands) for (change, p), stands in zip(tested, worse, strict=True)
    )


def less_safe(pairs: Sequence[ResultPair], limit: int) -> tuple[str, ...]:
    """Safety measures that are worse, beyond what chance would show among them (Holm, 5 %)."""
    names, p_values = [], []
    for name in SAFETY_NAMES:
        values = [(getattr(a.measures, name), getattr(b.measures, name)) for a, b in pairs]
        if any(before is None or after is None for before, after in values):
            continue
        names.append(name)
        p_values.append(p_above_zero([after - before for before, after in values]))
    worse = _holm(p_values, len(pairs), limit)
    return tuple(name for name, stands in zip(names, worse, strict=True) if stands)


def gather(pairs: Sequence[ResultPair], policy: AcceptancePolicy, limit: int) -> Evidence:
    """What one look at the pairs shows; ``limit`` is the most pairs that there may be."""
    movements, tested = movement_changes(
        [(one.movements, other.movements) for one, other in pairs], policy, limit
    )
    return Evidence(
        pairs=len(pairs),
        change=all_changes(pairs, limit),
        movements=movements,
        tested=tested,
        spillback=spillback_changes(pairs, limit),
        less_safe=less_safe(pairs, limit),
    )


def worst_of(changes: Sequence[MovementChange], policy: AcceptancePolicy) -> MovementChange | None:
    """The movement whose delay rises most (or falls least), among those with enough vehicles."""
    counted = [c for c in changes if c.vehicles >= policy.min_movement_vehicles] or changes
    return max(counted, key=lambda change: change.change_s, default=None)


def judge(evidence: Evidence, policy: AcceptancePolicy, *, same_plan: bool = False) -> Judgement:
    """The verdict on a candidate after a look.

    It passes when the whole interval of the change of ``delay_s`` lies below the site's limit,
    and neither a movement, nor an approach's queue, nor a safety measure is beyond its limit. A
    movement is beyond its limits when its mean delay rises by more than both; an approach when
    its queue reaches back for more than the limit, and for as much more than before. Either
    fails the plan when that stands after Holm's correction over all looks, and leaves it
    undecided when its own test finds it worse but the correction does not. What no test finds
    worse counts as noise. Fewer than ``ENOUGH_PAIRS`` never pass.
    """
    if same_plan:
        return Judgement(Verdict.FAIL, Cause.SAME_PLAN)
    low, high = evidence.change["delay_s"].ci95_pct
    limit = policy.max_delay_change_pct
    movements = sorted(
        (t for t in evidence.tested if beyond_limits(t.change, policy)),
        key=lambda t: -t.change.change_s,
    )
    queues = sorted(
        (t for t in evidence.spillback if spills_beyond(t.change, policy)),
        key=lambda t: -t.change.change_pct,
    )
    if low >= limit:
        return Judgement(Verdict.FAIL, Cause.DELAY_NOT_LOWER)
    if surely := [t.change.movement for t in movements if t.holm_worse]:
        return Judgement(Verdict.FAIL, Cause.MOVEMENT_WORSE, surely[0])
    if surely := [t.change.approach for t in queues if t.holm_worse]:
        return Judgement(Verdict.FAIL, Cause.SPILLBACK, surely[0])
    if evidence.less_safe:
        return Judgement(Verdict.FAIL, Cause.LESS_SAFE, evidence.less_safe[0])
    if high >= limit:
        return Judgement(Verdict.UNDECIDED, Cause.DELAY_UNCLEAR)
    if maybe := [t.change.movement for t in movements if t.p_worse < SIGNIFICANCE]:
        return Judgement(Verdict.UNDECIDED, Cause.MOVEMENT_UNCLEAR, maybe[0])
    if maybe := [t.change.approach for t in queues if t.p_worse < SIGNIFICANCE]:
        return Judgement(Verdict.UNDECIDED, Cause.SPILLBACK_UNCLEAR, maybe[0])
    if evidence.pairs < ENOUGH_PAIRS:
        return Judgement(Verdict.UNDECIDED, Cause.FEW_PAIRS)
    return Judgement(Verdict.PASS, Cause.IMPROVED)


def beyond_limits(change: MovementChange, policy: AcceptancePolicy) -> bool:
    """Whether a movement's mean delay rises by more than both of the site's limits."""
    return (
        change.change_s > policy.max_movement_worse_s
        and change.change_s > policy.max_movement_worse_pct / 100.0 * change.baseline_delay_s
    )


def spills_beyond(change: SpillbackChange, policy: AcceptancePolicy) -> bool:
    """Whether a queue reaches the junction before for longer than allowed, and than before."""
    limit = policy.max_spillback_pct
    return change.candidate_pct > limit and change.change_pct > limit


def _holm(p_values: Sequence[float], pairs: int, limit: int) -> tuple[bool, ...]:
    """Holm's step-down over all looks: the smallest p at 5 % / m, the next at 5 % / (m - 1), ...

    Each share of the 5 % is spent over the looks like that of the delay.
    """
    stands, results = pairs in looks(limit), [False] * len(p_values)
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if not stands:
            break
        share = SIGNIFICANCE / (len(p_values) - rank)
        stands = p_values[index] <= nominal_level(share, pairs, limit)
        results[index] = stands
    return tuple(results)
