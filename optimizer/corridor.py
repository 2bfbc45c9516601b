"""Offsets of junctions that share a cycle: one program over links' delay tables.

Exact by elimination where junctions form lines, trees and rings; what remains of a grid goes to
CP-SAT, whose proven gap is told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ortools.sat.python import cp_model

from optimizer.elimination import Array, joined, reduce_network, total
from optimizer.platoon import PlatoonModel, Timing, periodic_queue
from optimizer.problem import RetimingProblem
from optimizer.splits import deterministic_solver


@dataclass(frozen=True, slots=True)
class OffsetResult:
    """Offsets found, the objective of the program and its proven bound (veh s per h)."""

    timings: dict[str, Timing]
    objective: float
    bound: float
    status: str

    @property
    def gap(self) -> float:
        """Relative gap between objective and bound."""
        return (
            max(0.0, (self.objective - self.bound) / self.objective) if self.objective > 0 else 0.0
        )


def components(problem: RetimingProblem) -> tuple[tuple[str, ...], ...]:
    """Junctions that are connected by links, each with its neighbours; ids sorted."""
    groups: list[set[str]] = [{part.id} for part in problem.junctions]
    for link in problem.links:
        touching = [group for group in groups if link.upstream in group or link.downstream in group]
        merged: set[str] = set().union(*touching) if touching else set()
        groups = [group for group in groups if group not in touching] + ([merged] if merged else [])
    return tuple(sorted(tuple(sorted(group)) for group in groups))


def offset_step_ds(problem: RetimingProblem, junctions: Sequence[str], cycle_ds: int) -> int:
    """Step in which offsets are searched: at least the coarsest granularity, about 1 s."""
    coarsest = max(
        problem.junction(junction).junction.envelope.granularity_ds for junction in junctions
    )
    step = max(10, coarsest)
    return step if cycle_ds % step == 0 else coarsest


def link_table(
    model: PlatoonModel,
    link: int,
    timings: Mapping[str, Timing],
    step_ds: int,
    departures: Mapping[str, Array] | None = None,
) -> list[float]:
    """Cost of a link for each offset difference (downstream less upstream) in steps.

    Veh s per h of uniform delay and weighted stops of the approach it feeds; how the upstream
    signal discharges is kept as it is, so the table is exact for given upstream arrivals.

    Args:
        model: The platoon model.
        link: Index of the link in ``model.links``.
        timings: Timing of both ends.
        step_ds: Step of the offsets.
        departures: What leaves each junction, where it is known already.
    """
    count = model.cycle_ds // step_ds
    above, below = model.links[link].upstream, model.links[link].downstream
    leaving = (departures or model.departures(timings))[above]
    leaving = np.roll(leaving, -model.shift_steps(timings[above].offset_ds), axis=1)
    platoon = model.travel(link, model.node(above, timings[above]).per_link[link] @ leaving)
    node = model.node(below, timings[below])
    share = node.of_link[link]
    own = model.complete(share[:, None] * platoon[None, :], node.expected)
    total = np.zeros(count)
    shifts = [model.shift_steps(index * step_ds) for index in range(count)]
    for group in np.flatnonzero(share):
        # Seen from the downstream signal, a later offset brings the platoon earlier.
        arrivals = np.stack([np.roll(own[group], -shift) for shift in shifts])
        capacity = node.capacity[group]
        queue, _ = periodic_queue(arrivals, np.broadcast_to(capacity, arrivals.shape))
        delay = queue.sum(axis=1) * model.step_s / node.periodic[2][group]
        waiting = (np.roll(queue, 1, axis=1) > 1e-6) | (capacity <= 0)[None, :]
        stops = (arrivals * waiting).sum(axis=1) / max(float(node.expected[group]), 1e-9)
        total += (delay + model.problem.weights.stop_s * stops) * node.vph[group]
    return [float(value) for value in total]


def solve_offsets(
    model: PlatoonModel,
    timings: Mapping[str, Timing],
    *,
    seed: int = 0,
    time_limit: float = 10.0,
    rounds: int = 4,
) -> OffsetResult:
    """Offsets with least cost over all links.

    The tables depend on how each signal discharges, hence on the offsets before it: solve,
    recompute, until nothing changes or ``rounds`` are over; the best under the full model wins.
    What elimination leaves of a network is solved by descent in each round and by CP-SAT, for at
    most ``time_limit``, once at the end.
    """
    step = offset_step_ds(model.problem, list(timings), model.cycle_ds)
    current = dict(timings)
    best: OffsetResult | None = None
    best_cost = model.cost(current)
    for _ in range(rounds):
        found = _solve(model, current, _tables(model, current, step), step, seed, 0.0)
        cost = model.cost(found.timings)
        if best is None or cost < best_cost - 1e-6:
            best, best_cost = found, min(cost, best_cost)
        if all(
            found.timings[name].offset_ds == timing.offset_ds for name, timing in current.items()
        ):
            break
        current = found.timings
    assert best is not None
    if best.status == "OPTIMAL":
        return best
    tables = _tables(model, best.timings, step)
    proven = _solve(model, best.timings, tables, step, seed, time_limit)
    if model.cost(proven.timings) <= best_cost:
        return proven
    steps = {name: timing.offset_ds // step for name, timing in best.timings.items()}
    return replace(best, objective=total(joined(tables), steps), bound=proven.bound)


def _tables(
    model: PlatoonModel, timings: Mapping[str, Timing], step_ds: int
) -> list[tuple[str, str, Sequence[float]]]:
    """Upstream, downstream and cost of each link by offset difference."""
    departures = model.departures(timings)
    return [
        (link.upstream, link.downstream, link_table(model, index, timings, step_ds, departures))
        for index, link in enumerate(model.links)
        if link.upstream != link.downstream
    ]


def _solve(
    model: PlatoonModel,
    timings: Mapping[str, Timing],
    tables: Sequence[tuple[str, str, Sequence[float]]],
    step_ds: int,
    seed: int,
    time_limit: float,
) -> OffsetResult:
    count = model.cycle_ds // step_ds
    names = sorted(timings)
    costs = joined(tables)
    reduced = reduce_network(names, costs)
    core: dict[str, int] = {}
    bound, status = 0.0, "OPTIMAL"
    if reduced.nodes:
        hints = {name: (timings[name].offset_ds // step_ds) % count for name in reduced.nodes}
        core, bound, status = _solve_core(reduced.tables, hints, count, seed, time_limit)
    offsets = reduced.complete(core, count)
    first = offsets[names[0]]
    return OffsetResult(
        timings={
            name: replace(timing, offset_ds=(offsets[name] - first) % count * step_ds)
            for name, timing in timings.items()
        },
        objective=total(costs, offsets),
        bound=reduced.constant + bound if reduced.nodes else total(costs, offsets),
        status=status,
    )


def _solve_core(
    tables: Mapping[tuple[str, str], Array],
    hints: Mapping[str, int],
    count: int,
    seed: int,
    time_limit: float,
) -> tuple[dict[str, int], float, str]:
    """Offsets in steps, bound and status of what elimination left: by descent, then CP-SAT."""
    started = _descend(tables, hints, count)
    least = float(sum(math.floor(table.min()) for table in tables.values()))
    if time_limit <= 0:
        return started, least, "FEASIBLE"
    program = cp_model.CpModel()
    offsets = {name: program.NewIntVar(0, count - 1, f"offset {name}") for name in hints}
    anchor = min(hints)
    program.Add(offsets[anchor] == 0)
    terms = []
    for index, ((one, other), table) in enumerate(sorted(tables.items())):
        difference = program.NewIntVar(0, count - 1, f"difference {index}")
        wrap = program.NewIntVar(0, 1, f"wrap {index}")
        program.Add(difference == offsets[other] - offsets[one] + wrap * count)
        # Rounded down, so that what is proven of the sum holds for the tables themselves.
        values = [math.floor(value) for value in table]
        cost = program.NewIntVar(min(values), max(values), f"cost {index}")
        program.AddElement(difference, values, cost)
        terms.append(cost)
    program.Minimize(sum(terms))
    for name, variable in offsets.items():
        program.AddHint(variable, (started[name] - started[anchor]) % count)
    solver = deterministic_solver(time_limit, seed)
    status = solver.Solve(program)
    bound = max(solver.BestObjectiveBound(), least)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return started, bound, "FEASIBLE"
    found = {name: int(solver.Value(variable)) for name, variable in offsets.items()}
    better = min(found, started, key=lambda item: total(tables, item))
    return better, bound, str(solver.StatusName(status))


def _descend(
    tables: Mapping[tuple[str, str], Array], hints: Mapping[str, int], count: int
) -> dict[str, int]:
    """A start for the solver: each offset in turn at its best until none moves."""
    offsets = dict(hints)
    steps = np.arange(count)
    while True:
        before = total(tables, offsets)
        for name in sorted(offsets):
            cost = np.zeros(count)
            for (one, other), table in tables.items():
                if name == other:
                    cost += table[(steps - offsets[one]) % count]
                elif name == one:
                    cost += table[(offsets[other] - steps) % count]
            offsets[name] = int(cost.argmin())
        if total(tables, offsets) >= before - 1e-6:
            return offsets
