"""Offsets of junctions that share a cycle: one CP-SAT program over links' delay tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ortools.sat.python import cp_model

from optimizer.platoon import PlatoonModel, Timing, periodic_queue
from optimizer.problem import Link, RetimingProblem
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
    model: PlatoonModel, link: int, timings: Mapping[str, Timing], step_ds: int
) -> list[float]:
    """Cost of a link for each offset difference (downstream less upstream) in steps.

    Veh s per h of uniform delay and weighted stops of the approach it feeds; how the upstream
    signal discharges is kept as it is, so the table is exact for given upstream arrivals.

    Args:
        model: The platoon model.
        link: Index of the link in ``model.links``.
        timings: Timing of both ends.
        step_ds: Step of the offsets.
    """
    count = model.cycle_ds // step_ds
    above, below = model.links[link].upstream, model.links[link].downstream
    departures = np.roll(
        model.flows(timings)[above].departures,
        -model.shift_steps(timings[above].offset_ds),
        axis=1,
    )
    platoon = model.travel(link, model.node(above, timings[above]).per_link[link] @ departures)
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
    """
    step = offset_step_ds(model.problem, list(timings), model.cycle_ds)
    current = dict(timings)
    best: OffsetResult | None = None
    best_cost = model.cost(current)
    for _ in range(rounds):
        tables = [
            (link, link_table(model, index, current, step))
            for index, link in enumerate(model.links)
        ]
        found = _solve(model, current, tables, step, seed, time_limit)
        cost = model.cost(found.timings)
        if best is None or cost < best_cost - 1e-6:
            best, best_cost = found, min(cost, best_cost)
        if all(
            found.timings[name].offset_ds == timing.offset_ds for name, timing in current.items()
        ):
            break
        current = found.timings
    assert best is not None
    return best


def _solve(
    model: PlatoonModel,
    timings: Mapping[str, Timing],
    tables: Sequence[tuple[Link, list[float]]],
    step_ds: int,
    seed: int,
    time_limit: float,
) -> OffsetResult:
    count = model.cycle_ds // step_ds
    program = cp_model.CpModel()
    names = sorted(timings)
    offsets = {name: program.NewIntVar(0, count - 1, f"offset {name}") for name in names}
    anchored: set[str] = set()
    for component in _connected(names, [link for link, _ in tables]):
        program.Add(offsets[component[0]] == 0)
        anchored.add(component[0])
    terms = []
    for index, (link, table) in enumerate(tables):
        if link.upstream == link.downstream:
            continue
        difference = program.NewIntVar(0, count - 1, f"difference {index}")
        wrap = program.NewIntVar(0, 1, f"wrap {index}")
        program.Add(difference == offsets[link.downstream] - offsets[link.upstream] + wrap * count)
        values = [round(value) for value in table]
        cost = program.NewIntVar(min(values), max(values), f"cost {index}")
        program.AddElement(difference, values, cost)
        terms.append(cost)
    if terms:
        program.Minimize(sum(terms))
    for name in names:
        program.AddHint(offsets[name], (timings[name].offset_ds // step_ds) % count)
    solver = deterministic_solver(time_limit, seed)
    status = solver.Solve(program)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return OffsetResult(dict(timings), 0.0, 0.0, str(solver.StatusName(status)))
    return OffsetResult(
        timings={
            name: replace(timing, offset_ds=int(solver.Value(offsets[name])) * step_ds)
            for name, timing in timings.items()
        },
        objective=solver.ObjectiveValue() if terms else 0.0,
        bound=solver.BestObjectiveBound() if terms else 0.0,
        status=str(solver.StatusName(status)),
    )


def _connected(names: Sequence[str], links: Sequence[Link]) -> list[list[str]]:
    groups: list[set[str]] = [{name} for name in names]
    for link in links:
        touching = [g for g in groups if link.upstream in g or link.downstream in g]
        groups = [g for g in groups if g not in touching] + [set().union(*touching)]
    return sorted(sorted(group) for group in groups)
