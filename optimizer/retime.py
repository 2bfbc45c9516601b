"""Retiming: from counts to a fixed-time plan that keeps every rule of the envelope."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import lcm
from typing import Literal

from models.errors import BadInput
from models.plan import Plan
from models.safety import check_plan
from optimizer.bands import solve_bands
from optimizer.corridor import OffsetResult, components, solve_corridor
from optimizer.limits import in_force_limits
from optimizer.platoon import PlatoonModel, Timing
from optimizer.polish import polish
from optimizer.problem import JunctionProblem, RetimingProblem
from optimizer.result import Binding, MovementPrediction, RetimingResult, explain
from optimizer.splits import (
    Infeasible,
    Splits,
    clash,
    smallest_cycle_ds,
    solve_splits,
    split_step_ds,
)
from optimizer.stages import StageSet, build_plan, orders
from optimizer.webster import webster_splits

Method = Literal["cpsat", "webster", "maxband"]
METHODS: tuple[Method, ...] = ("cpsat", "webster", "maxband")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Cycles, the best first, in which junctions may also run half of it.
_HALVED = 4
# Timings that a junction may have beside its own in the program of a corridor, and half cycles.
_MOST_CHOICES = 4

__all__ = [
    "METHODS",
    "Binding",
    "Infeasible",
    "MovementPrediction",
    "RetimingResult",
    "candidates",
    "retime",
]


@dataclass(frozen=True, slots=True)
class _Option:
    """A solution of one connected part of the network."""

    parts: tuple[tuple[PlatoonModel, Mapping[str, Timing]], ...]
    cost: float
    status: str
    gap: float

    @property
    def order(self) -> tuple[float, int]:
        """Key by which options are ranked: cost, then the shorter cycle."""
        return self.cost, self.parts[0][0].cycle_ds


@dataclass(frozen=True, slots=True)
class _Rough:
    """Splits of every junction for one cycle, and with its other stage sets; HCM cost."""

    cost: float
    cycle_ds: int
    chosen: Mapping[str, Splits]
    others: Mapping[str, tuple[Splits, ...]]


def retime(
    problem: RetimingProblem,
    *,
    method: Method = "cpsat",
    seed: int = 0,
    time_limit_s: float = 20.0,
    created: datetime = _EPOCH,
) -> RetimingResult:
    """The best plan that the method finds for the problem.

    Args:
        problem: The problem.
        method: ``cpsat``, or a baseline: ``webster``, ``maxband``.
        seed: Seed of the solver.
        time_limit_s: Budget of work, about seconds on one core; counted in solver and model
            steps, never by a clock, so the same limit gives the same plan everywhere.
        created: Time that the plan carries.

    Raises:
        Infeasible: If no plan keeps the envelope; names the clash.
        BadInput: If there is no such method.
    """
    return candidates(
        problem, 1, method=method, seed=seed, time_limit_s=time_limit_s, created=created
    )[0]


def candidates(
    problem: RetimingProblem,
    k: int,
    *,
    method: Method = "cpsat",
    seed: int = 0,
    time_limit_s: float = 20.0,
    created: datetime = _EPOCH,
) -> tuple[RetimingResult, ...]:
    """Up to ``k`` good and different plans, best by the model first.

    They differ in cycle or stages, so that a simulation may choose where the model errs.

    Raises:
        Infeasible: If no plan keeps the envelope; names the clash.
        BadInput: If there is no such method.
    """
    if method not in METHODS:
        raise BadInput("method", "", f"{method!r} is not known; valid is {', '.join(METHODS)}")
    started = time.perf_counter()
    share = time_limit_s / len(problem.junctions)
    pools = []
    for names in components(problem):
        budget = share * len(names)
        if method == "webster":
            pools.append(_webster(problem, names))
        else:
            pools.append(_pool(problem, names, method, k, seed, budget))
    results = []
    for rank in range(max(len(pool) for pool in pools)):
        chosen = [pool[min(rank, len(pool) - 1)] for pool in pools]
        results.append(_result(problem, chosen, method, created, started))
    return tuple(results[: max(1, k)])


def _cycles(problem: RetimingProblem, names: Sequence[str]) -> tuple[list[int], dict[str, int]]:
    """Cycle lengths to try for junctions that share one, and each junction's shortest.

    Raises:
        Infeasible: If some junction's minimums do not fit any allowed cycle.
    """
    step = problem.cycle_step_ds
    smallest: dict[str, int] = {}
    for name in names:
        part = problem.junction(name)
        step = lcm(step, split_step_ds(part))
        fits: list[int] = []
        reason: Infeasible | None = None
        for stages in part.stage_sets:
            try:
                fits.append(smallest_cycle_ds(part, stages))
            except Infeasible as error:
                reason = reason or error
        if not fits:
            assert reason is not None
            raise reason
        smallest[name] = min(fits)
    envelopes = [problem.junction(name).junction.envelope for name in names]
    low = max(0, *smallest.values(), *(envelope.min_cycle_ds for envelope in envelopes))
    # The problem's range is a preference; the envelope's is the law.
    ceiling = min(envelope.max_cycle_ds for envelope in envelopes)
    top = min(ceiling, max(problem.max_cycle_ds, low))
    low = max(low, min(problem.min_cycle_ds, top))
    cycles = list(range(-(-low // step) * step, top + 1, step))
    if not cycles:
        grain = lcm(*(split_step_ds(problem.junction(name)) for name in names))
        first = -(-low // grain) * grain
        cycles = [first] if first <= top else []
    if not cycles:
        worst = max(names, key=lambda name: smallest[name])
        part = problem.junction(worst)
        raise Infeasible(worst, clash(part, part.stage_sets[0], top))
    return cycles, smallest


def _pool(
    problem: RetimingProblem,
    names: Sequence[str],
    method: Method,
    k: int,
    seed: int,
    budget: float,
) -> list[_Option]:
    cycles, _ = _cycles(problem, names)
    linked = any(link.upstream in names for link in problem.links)
    rough: list[_Rough] = []
    promising = _promising(problem, names, cycles, seed, 2 if linked else max(3, k))
    # Where junctions are linked, the program of the corridor chooses among the stage sets.
    ranks = 1 if linked else k
    # Every second cycle first, then those beside the better half: the optimum is flat.
    tried: set[int] = set()
    for batch in (cycles[::2] if len(cycles) > 8 else cycles, cycles):
        better = {item.cycle_ds for item in sorted(rough, key=_rank)[: len(rough) // 2]}
        for cycle_ds in batch:
            near = not better or any(
                abs(cycle_ds - other) <= problem.cycle_step_ds for other in better
            )
            if cycle_ds in tried or not near:
                continue
            tried.add(cycle_ds)
            rough += _splits_of(problem, promising, cycle_ds, seed, ranks)
    if not rough:
        part = problem.junction(names[0])
        raise Infeasible(part.id, clash(part, part.stage_sets[0], cycles[-1]))
    rough.sort(key=_rank)
    kept = rough[: max(8, 2 * k)]
    limits = in_force_limits(problem)
    options = []
    for number, item in enumerate(kept):
        model = PlatoonModel(problem, names, item.cycle_ds, limits)
        timings = {name: _timing(splits) for name, splits in item.chosen.items()}
        if method == "maxband":
            limit = max(1.0, budget / len(kept))
            offsets = solve_bands(model, timings, seed=seed, time_limit=limit)
        elif linked:
            offsets = solve_corridor(
                model,
                timings,
                _choices(problem, item, promising if number < _HALVED else {}, seed),
                seed=seed,
                time_limit=min(2.0, max(0.5, budget / 20)),
            )
        else:
            # Nothing is linked: the programs of the splits are the whole.
            offsets = OffsetResult(
                dict(timings),
                sum(splits.cost for splits in item.chosen.values()),
                sum(splits.bound for splits in item.chosen.values()),
                _worst_status(item.chosen),
            )
        model = model.advised(offsets.speed_mps)
        options.append(
            _Option(
                ((model, offsets.timings),),
                model.cost(offsets.timings),
                offsets.status,
                offsets.gap,
            )
        )
    options.sort(key=lambda option: option.order)
    if method == "maxband":
        return options[:k]
    # An evaluation of the model takes about 0.15 ms per lane group.
    groups = sum(len(problem.junction(name).groups) for name in names)
    finalists = options[: max(3, k + 2)]
    evaluations = max(60, int(budget / (0.00015 * groups) / len(finalists)))
    refined = []
    for option in finalists:
        model, found = option.parts[0]
        timings, cost = polish(model, found, evaluations=evaluations)
        refined.append(_Option(((model, timings),), cost, option.status, option.gap))
    refined.sort(key=lambda option: option.order)
    return refined[:k]


def _rank(item: _Rough) -> tuple[float, int]:
    return item.cost, item.cycle_ds


def _timing(splits: Splits) -> Timing:
    return Timing(splits.stages, splits.greens_ds, 0)


def _worst_status(chosen: Mapping[str, Splits]) -> str:
    statuses = {splits.status for splits in chosen.values()}
    return "FEASIBLE" if "FEASIBLE" in statuses else "OPTIMAL"


def _promising(
    problem: RetimingProblem,
    names: Sequence[str],
    cycles: Sequence[int],
    seed: int,
    count: int,
) -> dict[str, tuple[StageSet, ...]]:
    """The ``count`` stage sets of each junction that do best at a short or a long cycle.

    The set in force is always among them.
    """
    probes = sorted({cycles[(len(cycles) - 1) * part // 3] for part in (1, 2)})
    kept = {}
    for name in names:
        part = problem.junction(name)
        best: list[tuple[float, int]] = []
        for index, stages in enumerate(part.stage_sets):
            if len(part.stage_sets) <= count:
                best.append((0.0, index))
                continue
            costs = [
                splits.cost
                for cycle_ds in probes
                if (splits := solve_splits(problem, part, stages, cycle_ds, seed=seed))
            ]
            best.append((min(costs, default=float("inf")), index))
        chosen = {index for _, index in sorted(best)[:count]} | {0}
        kept[name] = tuple(part.stage_sets[index] for index in sorted(chosen))
    return kept


def _splits_of(
    problem: RetimingProblem,
    stage_sets: Mapping[str, Sequence[StageSet]],
    cycle_ds: int,
    seed: int,
    count: int,
) -> list[_Rough]:
    """For each rank up to ``count``, every junction's splits with that rank's stage set."""
    ranked: dict[str, list[Splits]] = {}
    for name, sets in stage_sets.items():
        part = problem.junction(name)
        found = []
        for stages in sets:
            splits = solve_splits(problem, part, stages, cycle_ds, seed=seed)
            if splits is not None:
                found.append(splits)
        if not found:
            return []
        ranked[name] = sorted(found, key=lambda splits: splits.cost)
    result = []
    for rank in range(min(count, max(len(found) for found in ranked.values()))):
        chosen = {name: found[min(rank, len(found) - 1)] for name, found in ranked.items()}
        others = {
            name: tuple(splits for splits in found if splits is not chosen[name])
            for name, found in ranked.items()
        }
        cost = sum(splits.cost for splits in chosen.values())
        result.append(_Rough(cost, cycle_ds, chosen, others))
    return result


def _choices(
    problem: RetimingProblem,
    rough: _Rough,
    halved: Mapping[str, Sequence[StageSet]],
    seed: int,
) -> dict[str, list[Timing]]:
    """What each junction may do instead: other stages, another order of them, half the cycle.

    Args:
        problem: The problem.
        rough: Splits for the cycle.
        halved: Stage sets that junctions may run twice in it.
        seed: Seed of the solver.
    """
    result = {}
    for name, chosen in rough.chosen.items():
        part = problem.junction(name)
        found = list(rough.others[name])
        for stages in orders(chosen.stages):
            splits = solve_splits(problem, part, stages, rough.cycle_ds, seed=seed)
            found += [splits] if splits is not None else []
        found = sorted(found, key=lambda splits: splits.cost)[:_MOST_CHOICES]
        half = _half(problem, part, halved.get(name, ()), rough.cycle_ds, seed)
        result[name] = [_timing(splits) for splits in (*found, *half)]
    return result


def _half(
    problem: RetimingProblem,
    part: JunctionProblem,
    stage_sets: Sequence[StageSet],
    cycle_ds: int,
    seed: int,
) -> tuple[Splits, ...]:
    """The best splits of half the cycle, twice, if the junction can run it."""
    if cycle_ds % 2 or cycle_ds // 2 < part.junction.envelope.min_cycle_ds:
        return ()
    found = [
        splits
        for stages in stage_sets
        if (splits := solve_splits(problem, part, stages, cycle_ds // 2, seed=seed))
    ]
    if not found:
        return ()
    best = min(found, key=lambda splits: splits.cost)
    twice = best.greens_ds * 2
    return (replace(best, stages=best.stages.twice(), cycle_ds=cycle_ds, greens_ds=twice),)


def _webster(problem: RetimingProblem, names: Sequence[str]) -> list[_Option]:
    """Each junction by itself, with its own cycle and no offset."""
    _, smallest = _cycles(problem, names)
    parts = []
    for name in names:
        part = problem.junction(name)
        shortest = max(
            smallest_cycle_ds(part, part.stage_sets[0]),
            part.junction.envelope.min_cycle_ds,
            smallest[name],
        )
        splits = webster_splits(problem, part, shortest)
        model = PlatoonModel(problem, (name,), splits.cycle_ds)
        parts.append((model, {name: Timing(splits.stages, splits.greens_ds, 0)}))
    cost = sum(model.cost(timings) for model, timings in parts)
    return [_Option(tuple(parts), cost, "WEBSTER", 0.0)]


def _result(
    problem: RetimingProblem,
    chosen: Sequence[_Option],
    method: Method,
    created: datetime,
    started: float,
) -> RetimingResult:
    parts = [pair for option in chosen for pair in option.parts]
    gaps = [option.gap for option in chosen]
    statuses = {option.status for option in chosen}
    junctions = [
        build_plan(
            problem.junction(name).junction, timing.stages, timing.greens_ds, timing.offset_ds
        )
        for _, timings in parts
        for name, timing in timings.items()
    ]
    junctions.sort(key=lambda plan: plan.junction)
    plan = Plan(problem.site, tuple(junctions), created, f"xanh retime --method {method}")
    breaches = check_plan(plan, {part.id: part.junction for part in problem.junctions})
    if breaches:
        raise Infeasible(breaches[0].junction, breaches[0].message)
    return explain(
        problem,
        plan,
        parts,
        method=method,
        cost=sum(option.cost for option in chosen),
        status=statuses.pop() if len(statuses) == 1 else "FEASIBLE",
        gap=max(gaps, default=0.0),
        seconds=time.perf_counter() - started,
    )
