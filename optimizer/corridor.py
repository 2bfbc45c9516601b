"""Offsets, stage sequences, half cycles and speeds of linked junctions: one program.

Each junction has an offset and one of several timings (stage sequences, once or twice in the
common cycle); each link may have an advised speed. Costs are tables over what both ends of a link
choose and the difference of their offsets. Exact by elimination where junctions form lines, trees
and rings; what remains of a grid goes to CP-SAT, whose proven gap is told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from ortools.sat.python import cp_model

from optimizer.elimination import Array, Indices, Pair, Place, joined, reduce_network, total
from optimizer.platoon import Flow, Node, PlatoonModel, Timing, periodic_queue
from optimizer.problem import Link, RetimingProblem
from optimizer.splits import deterministic_solver

# Speeds that signs show.
ADVICE_STEP_MPS = 5.0 / 3.6
# Offsets that are tried to see how another timing would discharge the platoons as they come.
_TRIED = 24


@dataclass(frozen=True, slots=True)
class OffsetResult:
    """Timings found, the objective of the program and its proven bound (veh s per h).

    ``speed_mps``: advised speed by index of the link, where one is advised.
    """

    timings: dict[str, Timing]
    objective: float
    bound: float
    status: str
    speed_mps: Mapping[int, float] = field(default_factory=dict)

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


def advisable_mps(link: Link, slowest: float) -> tuple[float, ...]:
    """Speeds that may be advised on a link, fast to slow: multiples of 5 km/h.

    All are below what traffic drives by itself, down to its part ``slowest``: nobody can be
    advised to drive faster.
    """
    top = math.ceil(link.speed_mps / ADVICE_STEP_MPS - 1e-9) - 1
    speeds = [count * ADVICE_STEP_MPS for count in range(top, 0, -1)]
    return tuple(speed for speed in speeds if speed >= slowest * link.speed_mps - 1e-9)


@dataclass(frozen=True, slots=True)
class Program:
    """Costs of everything that may be chosen, for platoons as they come now.

    ``own`` are costs of a junction's timings by themselves (groups that no link feeds), ``tables``
    of links by index: (timings upstream, timings downstream, offset downstream less upstream in
    steps), with the best advised speed in each place; ``speeds`` says which: 0 none, else from
    ``advisable_mps``.
    """

    model: PlatoonModel
    step_ds: int
    timings: Mapping[str, tuple[Timing, ...]]
    own: Mapping[str, Array]
    tables: Mapping[int, Array]
    speeds: Mapping[int, Indices]

    @property
    def pairs(self) -> dict[Pair, Array]:
        """One table for each pair of junctions."""
        links = self.model.links
        return joined(
            [(links[i].upstream, links[i].downstream, table) for i, table in self.tables.items()]
        )

    def speed_mps(self, places: Mapping[str, Place]) -> dict[int, float]:
        """Advised speeds that belong to choices and offsets, by index of the link."""
        found = {}
        for index, chosen in self.speeds.items():
            link = self.model.links[index]
            (one, offset), (other, to_offset) = places[link.upstream], places[link.downstream]
            level = int(chosen[one, other, (to_offset - offset) % chosen.shape[2]])
            if level:
                slowest = self.model.problem.slowest_advice
                found[index] = advisable_mps(link, slowest)[level - 1]
        return found


def build_program(
    model: PlatoonModel,
    timings: Mapping[str, Timing],
    choices: Mapping[str, Sequence[Timing]],
) -> Program:
    """Tables of all links for platoons as they come under ``timings``.

    Args:
        model: The platoon model.
        timings: The timing of each junction now.
        choices: Other timings that each junction may have; their offsets say nothing.
    """
    step_ds = offset_step_ds(model.problem, list(timings), model.cycle_ds)
    flows = model.flows(timings)
    saturation: dict[str, float] = {}
    for name, timing in timings.items():
        saturation.update(model.saturation(model.node(name, timing)))
    options = {
        name: (timing, *(c for c in choices.get(name, ()) if not _same(c, timing)))
        for name, timing in timings.items()
    }
    nodes = {name: [model.node(name, t) for t in found] for name, found in options.items()}
    overflow = {
        name: [model.incremental_s(name, node, saturation, uncertain=True) for node in found]
        for name, found in nodes.items()
    }
    leaving = {
        name: [
            _discharge(model, node, flows[name], timings[name].offset_ds, index, overflow[name])
            for index, node in enumerate(found)
        ]
        for name, found in nodes.items()
    }
    tables, speeds = {}, {}
    for index, link in enumerate(model.links):
        platoons = np.array(
            [
                model.travel(index, node.per_link[index] @ away)
                for node, away in zip(nodes[link.upstream], leaving[link.upstream], strict=True)
            ]
        )
        below = zip(nodes[link.downstream], overflow[link.downstream], strict=True)
        table = np.stack(
            [link_table(model, index, platoons, n, o, step_ds) for n, o in below], axis=1
        )
        node = nodes[link.downstream][0]
        tables[index], speeds[index] = _with_advice(model, index, node, table, step_ds)
    own = {
        name: np.array(
            [_alone(model, node, over) for node, over in zip(found, overflow[name], strict=True)]
        )
        for name, found in nodes.items()
    }
    return Program(model, step_ds, options, own, tables, speeds)


def _same(one: Timing, other: Timing) -> bool:
    return (one.stages, one.greens_ds) == (other.stages, other.greens_ds)


def _discharge(
    model: PlatoonModel,
    node: Node,
    flow: Flow,
    offset_ds: int,
    index: int,
    overflow: Sequence[Array],
) -> Array:
    """Departures counted from the start of the first stage, (groups, steps).

    Of the timing as it is (``index`` 0) with its offset; of another with the offset that suits
    the present arrivals best.
    """
    if index == 0:
        return np.roll(flow.departures, -model.shift_steps(offset_ds), axis=1)
    shifts = np.unique(np.arange(_TRIED) * model.steps // _TRIED)
    arrivals = _shifted(flow.arrivals, shifts).swapaxes(0, 1)
    queue, departures = periodic_queue(arrivals, node.capacity)
    figures = model.figures(node, arrivals, node.capacity, queue, overflow[index])
    result: Array = departures[model.costs(node, figures).sum(axis=1).argmin()]
    return result


def _shifted(profile: Array, shifts: Indices) -> Array:
    """Profiles (..., steps) seen so many steps later, (..., shifts, steps)."""
    steps = np.arange(profile.shape[-1])
    result: Array = profile[..., (steps[None, :] + shifts[:, None]) % profile.shape[-1]]
    return result


def link_table(
    model: PlatoonModel, link: int, platoons: Array, node: Node, overflow_s: Array, step_ds: int
) -> Array:
    """Cost of the groups that a link feeds for each offset difference, (platoons, differences).

    Exact for the platoons. A group that several links feed counts its share with each: the other
    links' traffic comes evenly.

    Args:
        model: The platoon model.
        link: Index of the link in ``model.links``.
        platoons: What arrives under each timing upstream, pcu per step from the start of the
            first stage there, (platoons, steps).
        node: The downstream junction.
        overflow_s: Incremental delay of its groups.
        step_ds: Step of the offsets.
    """
    fed = node.of_link[link] > 0
    node, overflow_s = node.only(fed), overflow_s[fed]
    fed_by = sum((share > 0).astype(float) for share in node.of_link.values())
    own = np.stack(
        [model.complete(node.of_link[link][:, None] * one, node.expected) for one in platoons]
    )
    shifts = np.array([model.shift_steps(i * step_ds) for i in range(model.cycle_ds // step_ds)])
    # Seen from the downstream signal, a later offset brings the platoon earlier.
    arrivals = _shifted(own, shifts).swapaxes(1, 2)
    queue, _ = periodic_queue(arrivals, node.capacity)
    costs = model.costs(node, model.figures(node, arrivals, node.capacity, queue, overflow_s))
    result: Array = (costs / fed_by).sum(axis=2)
    return result


def _alone(model: PlatoonModel, node: Node, overflow_s: Array) -> float:
    """Cost of the groups that no link feeds, whose traffic comes evenly, and of people who wait."""
    fed = sum((one > 0 for one in node.of_link.values()), np.zeros(len(node.services), dtype=bool))
    arrivals = model.complete(np.zeros_like(node.capacity), node.expected)
    queue, _ = periodic_queue(arrivals, node.capacity)
    costs = model.costs(node, model.figures(node, arrivals, node.capacity, queue, overflow_s))
    return float(costs[~fed].sum()) + node.walkers


def _with_advice(
    model: PlatoonModel, index: int, node: Node, table: Array, step_ds: int
) -> tuple[Array, Indices]:
    """The table with the best advised speed in each place, and which that is.

    Who drives slower together arrives later, in the same platoon: the table of a speed is the
    table without it, moved, and what the slower drive costs.
    """
    link, slowest = model.links[index], model.problem.slowest_advice
    levels = [table]
    for speed in advisable_mps(link, slowest):
        later_s = link.late_s(speed)
        vehicles = float((model.share_of(index, node) * node.vph).sum())
        steps = later_s * 10.0 / step_ds
        whole, part = math.floor(steps), steps - math.floor(steps)
        moved = (1.0 - part) * np.roll(table, whole, axis=2)
        moved += part * np.roll(table, whole + 1, axis=2)
        levels.append(moved + vehicles * later_s)
    stacked = np.stack(levels)
    chosen = stacked.argmin(axis=0)
    return np.take_along_axis(stacked, chosen[None], axis=0)[0], chosen


def solve_corridor(
    model: PlatoonModel,
    timings: Mapping[str, Timing],
    choices: Mapping[str, Sequence[Timing]] | None = None,
    *,
    seed: int = 0,
    time_limit: float = 10.0,
    rounds: int = 4,
) -> OffsetResult:
    """Offsets, and which of its timings each junction has, with least cost over all links.

    The tables depend on how each signal discharges, hence on the offsets before it: solve,
    recompute, until nothing changes or ``rounds`` are over; the best under the full model wins.
    The first round finds offsets for the timings as they are, so that there are platoons to choose
    others for. What elimination leaves of a network is solved by descent in each round and by
    CP-SAT, for at most ``time_limit``, once at the end.
    """
    choices = choices or {}
    current = dict(timings)
    best: OffsetResult | None = None
    best_cost = math.inf
    for number in range(rounds):
        # First offsets alone, so that there are platoons to choose other timings for.
        joint = number > 0 or not choices
        program = build_program(model, current, choices if joint else {})
        found = solve_program(program, seed, 0.0)
        cost = model.advised(found.speed_mps).cost(found.timings)
        if best is None or cost < best_cost - 1e-6:
            best, best_cost = found, cost
        if joint and found.timings == current:
            if found.timings == best.timings and found.status == "OPTIMAL":
                return found
            break
        current = found.timings
    assert best is not None
    program = build_program(model, best.timings, choices)
    proven = solve_program(program, seed, time_limit)
    if model.advised(proven.speed_mps).cost(proven.timings) < best_cost:
        return proven
    here = {name: (0, timing.offset_ds // program.step_ds) for name, timing in best.timings.items()}
    value = total(program.own, program.pairs, here)
    return replace(best, objective=value, bound=proven.bound, status=proven.status)


def solve_program(program: Program, seed: int = 0, time_limit: float = 0.0) -> OffsetResult:
    """Least cost of a program; what elimination leaves is solved by descent without a limit."""
    count = program.model.cycle_ds // program.step_ds
    tables = program.pairs
    reduced = reduce_network(program.own, tables)
    core: dict[str, Place] = {}
    bound, status = 0.0, "OPTIMAL"
    if reduced.own:
        hints = {
            name: (0, (program.timings[name][0].offset_ds // program.step_ds) % count)
            for name in reduced.own
        }
        core, bound, status = _solve_core(
            reduced.own, reduced.tables, hints, count, seed, time_limit
        )
    places = reduced.complete(core, count)
    objective = total(program.own, tables, places)
    first = places[min(places)][1]
    return OffsetResult(
        timings={
            name: replace(
                options[places[name][0]],
                offset_ds=(places[name][1] - first) % count * program.step_ds,
            )
            for name, options in program.timings.items()
        },
        objective=objective,
        bound=reduced.constant + bound if reduced.own else objective,
        status=status,
        speed_mps=program.speed_mps(places),
    )


def _solve_core(
    own: Mapping[str, Array],
    tables: Mapping[Pair, Array],
    hints: Mapping[str, Place],
    count: int,
    seed: int,
    time_limit: float,
) -> tuple[dict[str, Place], float, str]:
    """Places, bound and status of what elimination left: by descent, then CP-SAT."""
    started = _descend(own, tables, hints)
    costs = [*own.values(), *tables.values()]
    least = float(sum(math.floor(values.min()) for values in costs))
    if time_limit <= 0:
        return started, least, "FEASIBLE"
    program = cp_model.CpModel()
    offsets = {name: program.NewIntVar(0, count - 1, f"offset {name}") for name in own}
    chosen = {name: program.NewIntVar(0, len(own[name]) - 1, f"choice {name}") for name in own}
    anchor = min(own)
    program.Add(offsets[anchor] == 0)
    terms = []

    def cost_of(index: cp_model.LinearExprT, values: Array, name: str) -> None:
        # Rounded down, so that what is proven of the sum holds for the tables themselves.
        floors = [math.floor(value) for value in values.ravel()]
        cost = program.NewIntVar(min(floors), max(floors), f"cost {name}")
        program.AddElement(index, floors, cost)
        terms.append(cost)

    for name, values in own.items():
        cost_of(chosen[name], values, name)
    for (one, other), table in sorted(tables.items()):
        difference = program.NewIntVar(0, count - 1, f"difference {one} {other}")
        wrap = program.NewIntVar(0, 1, f"wrap {one} {other}")
        program.Add(difference == offsets[other] - offsets[one] + wrap * count)
        index = program.NewIntVar(0, table.size - 1, f"index {one} {other}")
        both = chosen[one] * table.shape[1] + chosen[other]
        program.Add(index == both * count + difference)
        cost_of(index, table, f"{one} {other}")
    program.Minimize(sum(terms))
    for name in own:
        choice, offset = started[name]
        program.AddHint(chosen[name], choice)
        program.AddHint(offsets[name], (offset - started[anchor][1]) % count)
    solver = deterministic_solver(time_limit, seed)
    status = solver.Solve(program)
    bound = max(solver.BestObjectiveBound(), least)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return started, bound, "FEASIBLE"
    found = {
        name: (int(solver.Value(chosen[name])), int(solver.Value(offsets[name]))) for name in own
    }
    better = min(found, started, key=lambda item: total(own, tables, item))
    return better, bound, str(solver.StatusName(status))


def _descend(
    own: Mapping[str, Array], tables: Mapping[Pair, Array], hints: Mapping[str, Place]
) -> dict[str, Place]:
    """A start for the solver: each junction in turn at its best until none moves."""
    places = dict(hints)
    while True:
        before = total(own, tables, places)
        for name in sorted(places):
            cost: Array = own[name][:, None]
            for (one, other), table in tables.items():
                if name not in (one, other):
                    continue
                count = table.shape[2]
                steps = np.arange(count)
                choice, offset = places[one if name == other else other]
                if name == other:
                    cost = cost + table[choice][:, (steps - offset) % count]
                else:
                    cost = cost + table[:, choice][:, (offset - steps) % count]
            best = np.unravel_index(int(cost.argmin()), cost.shape)
            places[name] = (int(best[0]), int(best[1]) if cost.shape[1] > 1 else places[name][1])
        if total(own, tables, places) >= before - 1e-6:
            return places
