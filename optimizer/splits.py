"""Greens of one junction for one cycle length: CP-SAT with convex cuts of HCM delay."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from ortools.sat.python import cp_model

from models.errors import XanhError
from models.units import ds_to_seconds
from optimizer.capacity import Service, services
from optimizer.delay import control_delays_s, uncertain_delay_s, uniform_delay_s
from optimizer.problem import JunctionProblem, RetimingProblem
from optimizer.stages import StageSet, windows
from optimizer.walkers import timing_wait_s, waiting_cost

Array = NDArray[np.float64]
Amounts = NDArray[np.int64]

# Whole numbers of the program: parts of a stage that serve a group, and parts of the cost.
_SHARES, _GRAINS = 500, 100_000
# Of each cost so many points are looked at for corners, which must stand out by these parts.
_LOOKED_AT, _LEAST_CORNER, _CORNER = 121, 1e-4, 0.002
_ROUNDING = 1e-6


class Infeasible(XanhError):
    """No plan keeps the envelope; the message names what does not fit."""

    def __init__(self, junction: str, clash: str) -> None:
        """Say where and what.

        Args:
            junction: Id of the junction.
            clash: Which minimum greens and clearances do not fit into what.
        """
        self.junction = junction
        self.clash = clash
        super().__init__(f"junction {junction}: no plan is possible: {clash}")


@dataclass(frozen=True, slots=True)
class Splits:
    """Greens of a stage set for one cycle; delay is the HCM sum over groups, veh s per h."""

    stages: StageSet
    cycle_ds: int
    greens_ds: tuple[int, ...]
    cost: float
    bound: float
    status: str


@dataclass(frozen=True, slots=True)
class GreenRange:
    """A linear rule: the sum of these stages' greens, plus a constant, is within bounds."""

    what: str
    stages: tuple[int, ...]
    constant_ds: int
    low_ds: int
    high_ds: int | None


def green_rules(part: JunctionProblem, stages: StageSet, cycle_ds: int) -> tuple[GreenRange, ...]:
    """What the envelope demands of the greens, one rule per window of each id."""
    envelope = part.junction.envelope
    clears = [yellow + red for yellow, red in stages.interstages(part.junction)]
    crossings = {c.id for c in part.junction.crossings}
    count = len(stages.stages)
    # A stage lasts, or a turn that is protected in it alone would be so in name only.
    rules = [
        GreenRange(f"stage {stage.id} green", (index,), 0, envelope.min_green_ds, None)
        for index, stage in enumerate(stages.stages)
    ]
    for signal_id in sorted(part.junction.signal_ids):
        runs = windows(stages, signal_id)
        if not runs:
            raise Infeasible(part.id, f"stage set {stages.name!r} never serves {signal_id}")
        always = len(runs) == 1 and len(runs[0]) == count
        for run in runs:
            inside = sum(clears[i] for i in run[:-1]) + (clears[run[-1]] if always else 0)
            if signal_id in crossings:
                low = envelope.crossing_ds(signal_id)
                rules.append(
                    GreenRange(f"crossing {signal_id} walk and clearance", run, inside, low, None)
                )
            else:
                high = None if always else envelope.max_green_ds
                rules.append(
                    GreenRange(
                        f"movement {signal_id} green", run, inside, envelope.min_green_ds, high
                    )
                )
        if signal_id in crossings:
            continue
        if always:
            continue
        for run, following in zip(runs, runs[1:] + runs[:1], strict=True):
            gap = _between(run[-1], following[0], count)
            red = sum(clears[i] for i in gap) + clears[run[-1]]
            rules.append(GreenRange(f"movement {signal_id} red", gap, red, 0, envelope.max_red_ds))
    return tuple(rules)


def _between(last: int, first: int, count: int) -> tuple[int, ...]:
    found = []
    index = (last + 1) % count
    while index != first:
        found.append(index)
        index = (index + 1) % count
    return tuple(found)


def split_step_ds(part: JunctionProblem) -> int:
    """Step of a split: the controller's granularity."""
    return part.junction.envelope.granularity_ds


def smallest_cycle_ds(part: JunctionProblem, stages: StageSet) -> int:
    """Shortest cycle in which every minimum fits, in steps of the granularity.

    Raises:
        Infeasible: If the envelope's maxima forbid what its minima demand.
    """
    envelope = part.junction.envelope
    model, _, cycle = base_model(part, stages)
    model.Minimize(cycle)
    solver = deterministic_solver(5.0)
    status = solver.Solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        raise Infeasible(part.id, clash(part, stages, envelope.max_cycle_ds))
    return int(solver.Value(cycle)) * split_step_ds(part)


def clash(part: JunctionProblem, stages: StageSet, cycle_ds: int) -> str:
    """Name the rules that together do not fit into a cycle, as few as can be found."""
    step = split_step_ds(part)
    envelope = part.junction.envelope
    if cycle_ds % step:
        return (
            f"cycle {ds_to_seconds(cycle_ds)} s is no multiple of the controller's "
            f"{ds_to_seconds(step)} s"
        )
    rules = list(green_rules(part, stages, cycle_ds))
    clears = sum(yellow + red for yellow, red in stages.interstages(part.junction))

    def possible(chosen: Sequence[GreenRange]) -> bool:
        model, _, cycle = base_model(part, stages, chosen)
        model.Add(cycle * step <= cycle_ds)
        solver = deterministic_solver(5.0)
        return solver.Solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE)

    # Deletion filter: what remains cannot be met together, and every one of it is needed.
    kept = list(rules)
    for rule in rules:
        fewer = [other for other in kept if other is not rule]
        if not possible(fewer):
            kept = fewer
    names = "; ".join(_rule_text(rule) for rule in kept) or "the clearances alone"
    return (
        f"{names}; with {ds_to_seconds(clears)} s of yellow and red clearance in "
        f"{len(stages.stages)} stages they do not fit into a cycle of at most "
        f"{ds_to_seconds(min(cycle_ds, envelope.max_cycle_ds))} s"
    )


def _rule_text(rule: GreenRange) -> str:
    if rule.low_ds > 0:
        return f"{rule.what} needs {ds_to_seconds(rule.low_ds)} s"
    return f"{rule.what} may last {ds_to_seconds(rule.high_ds or 0)} s"


def base_model(
    part: JunctionProblem, stages: StageSet, rules: Sequence[GreenRange] | None = None
) -> tuple[cp_model.CpModel, list[cp_model.IntVar], cp_model.LinearExprT]:
    """Model of splits in granularity steps with the envelope's rules; cycle is their sum."""
    envelope = part.junction.envelope
    step = split_step_ds(part)
    clears = [yellow + red for yellow, red in stages.interstages(part.junction)]
    model = cp_model.CpModel()
    top = envelope.max_cycle_ds // step
    splits = []
    for index, clear in enumerate(clears):
        low = clear // step + 1  # a stage shows some green
        splits.append(model.NewIntVar(low, max(low, top), f"split{index}"))
    for rule in green_rules(part, stages, envelope.max_cycle_ds) if rules is None else rules:
        total = sum(splits[i] * step - clears[i] for i in rule.stages) + rule.constant_ds
        if not rule.stages:
            # No stage between two greens: only constants, true or false by themselves.
            if rule.high_ds is not None and rule.constant_ds > rule.high_ds:
                model.AddBoolOr([])
            continue
        if rule.low_ds > 0:
            model.Add(total >= rule.low_ds)
        if rule.high_ds is not None:
            model.Add(total <= rule.high_ds)
    return model, splits, sum(splits)


def deterministic_solver(time_limit: float, seed: int = 0) -> cp_model.CpSolver:
    """A solver whose answer depends on the model, seed and limit alone.

    The limit is CP-SAT's deterministic time, about seconds on a fast core.
    """
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.max_deterministic_time = time_limit
    # The models are tiny: presolving them takes longer than solving.
    solver.parameters.cp_model_presolve = False
    return solver


def nearest_greens(
    part: JunctionProblem, stages: StageSet, cycle_ds: int, wanted_ds: Sequence[float]
) -> tuple[int, ...] | None:
    """Greens that fill a cycle, keep every rule and differ least in all from those wanted.

    None if the minimums do not fit into the cycle or it is not in the controller's steps.
    """
    step = split_step_ds(part)
    if cycle_ds % step:
        return None
    clears = [yellow + red for yellow, red in stages.interstages(part.junction)]
    model, splits, cycle = base_model(part, stages)
    model.Add(cycle * step == cycle_ds)
    deviations = []
    for index, (split, clear, green) in enumerate(zip(splits, clears, wanted_ds, strict=True)):
        ideal = round(green) + clear
        deviation = model.NewIntVar(0, 10 * cycle_ds, f"deviation{index}")
        model.Add(deviation >= split * step - ideal)
        model.Add(deviation >= ideal - split * step)
        deviations.append(deviation)
    model.Minimize(sum(deviations))
    solver = deterministic_solver(5.0)
    if solver.Solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    return tuple(
        int(solver.Value(split)) * step - clear for split, clear in zip(splits, clears, strict=True)
    )


def group_cost(
    service: Service, effective_green_s: float, cycle_s: float, period_h: float
) -> float:
    """Vehicle seconds of HCM delay per hour of a group with this effective green."""
    group = service.group
    ratio = min(1.0, max(effective_green_s, 0.05) / cycle_s)
    capacity = group.saturation_flow_pcuph * ratio
    x = group.demand_pcuph / capacity
    delay = uniform_delay_s(cycle_s, ratio, x) + uncertain_delay_s(x, capacity, period_h)
    return delay * group.worth_ph


def group_costs(service: Service, greens_s: Array, cycle_s: float, period_h: float) -> Array:
    """``group_cost`` of many effective greens at once, (greens,)."""
    group = service.group
    ratio = np.minimum(1.0, np.maximum(greens_s, 0.05) / cycle_s)
    saturation_pcuph = group.saturation_flow_pcuph
    delay_s = control_delays_s(cycle_s, ratio, group.demand_pcuph, saturation_pcuph, period_h)
    return delay_s * group.worth_ph


def _cost_above(
    model: cp_model.CpModel, amount: cp_model.LinearExprT, amounts: Amounts, costs: Array
) -> cp_model.IntVar:
    """A variable that is at least a convex function which is nowhere above the costs.

    Args:
        model: The program.
        amount: What costs depend on.
        amounts: All values that it can have, ascending.
        costs: Of each; they fall with the amount.
    """
    cost = model.NewIntVar(0, max(1, math.ceil(float(costs.max()))), "")
    for (x0, y0), (x1, y1) in itertools.pairwise(_corners(amounts, costs)):
        slope, run = y1 - y0, x1 - x0
        common = math.gcd(slope, run) or 1
        slope, run = slope // common, run // common
        # Corners that were left out, and what lies between two: the line goes down until it is
        # below all costs, or the bound of the program would not be one of them.
        above = float((y0 + slope / run * (amounts - x0) - costs).max())
        model.Add(run * (cost - math.floor(y0 - above - _ROUNDING)) >= slope * (amount - x0))
    return cost


def _corners(amounts: Amounts, costs: Array) -> list[tuple[int, int]]:
    """Lower convex hull of costs in whole numbers, with few corners.

    A corner that lies within a little of the line between its neighbours says nothing and is left
    out.
    """
    seen = np.unique(np.linspace(0, len(amounts) - 1, _LOOKED_AT).round().astype(np.int64))
    hull: list[tuple[int, int]] = []
    for index in seen:
        point = int(amounts[index]), math.floor(costs[index])
        while len(hull) > 1 and (hull[-1][1] - hull[-2][1]) * (point[0] - hull[-2][0]) >= (
            point[1] - hull[-2][1]
        ) * (hull[-1][0] - hull[-2][0]):
            hull.pop()
        hull.append(point)
    kept = hull[:1]
    for index in range(1, len(hull) - 1):
        (x0, y0), (x1, y1), (x2, y2) = kept[-1], hull[index], hull[index + 1]
        straight = y0 + (y2 - y0) * (x1 - x0) / (x2 - x0)
        if straight - y1 > max(_LEAST_CORNER * _GRAINS, _CORNER * y1):
            kept.append(hull[index])
    return [*kept, hull[-1]] if len(hull) > 1 else [*kept, (kept[0][0] + 1, kept[0][1])]


def solve_splits(
    problem: RetimingProblem,
    part: JunctionProblem,
    stages: StageSet,
    cycle_ds: int,
    *,
    seed: int = 0,
    time_limit: float = 5.0,
) -> Splits | None:
    """Greens with least HCM delay for one cycle; None when the minimums do not fit.

    Solved twice: how long opposing queues block permissive turns depends on the greens.
    """
    if cycle_ds % split_step_ds(part):
        return None
    best: Splits | None = None
    assumed: list[float] | None = None
    for _ in range(2):
        found = _solve_once(problem, part, stages, cycle_ds, assumed, seed, time_limit)
        if found is None:
            return best
        if best is not None and found.greens_ds == best.greens_ds:
            return found
        best = found
        before = services(part, stages, assumed)
        assumed = [green / 10.0 for green in found.greens_ds]
        if _alike(before, services(part, stages, assumed)):
            break
    return best


def _alike(first: Sequence[Service], second: Sequence[Service]) -> bool:
    return all(
        abs(a - b) < 0.02
        for one, other in zip(first, second, strict=True)
        for a, b in zip(one.weights, other.weights, strict=True)
    )


def _solve_once(
    problem: RetimingProblem,
    part: JunctionProblem,
    stages: StageSet,
    cycle_ds: int,
    assumed: Sequence[float] | None,
    seed: int,
    time_limit: float,
) -> Splits | None:
    step = split_step_ds(part)
    clears = [yellow + red for yellow, red in stages.interstages(part.junction)]
    model, splits, cycle = base_model(part, stages)
    model.Add(cycle * step == cycle_ds)
    terms = []
    served = services(part, stages, assumed)
    cycle_s = cycle_ds / 10.0
    # Cost in small parts of the delay that everyone together would have at half a cycle each.
    vehicles = sum(service.group.worth_ph for service in served)
    grain = max(1e-6, vehicles * cycle_s / 2.0 / _GRAINS)
    least = [-(-(clear + max(1, part.junction.envelope.min_green_ds)) // step) for clear in clears]
    spare = cycle_ds // step - sum(least)
    if spare < 0:
        return None
    for service in served:
        # Parts of stages in whole numbers, rounded so that no more delay is seen than there is.
        weights = [math.ceil(weight * _SHARES - _ROUNDING) for weight in service.weights]
        if not any(weights):
            continue
        count = len(weights)
        inner = sum(min(weights[i], weights[(i + 1) % count]) * clears[i] for i in range(count))
        lost = math.floor(service.lost_s * 10 * _SHARES + _ROUNDING)
        constant = inner - lost - sum(w * clear for w, clear in zip(weights, clears, strict=True))
        amount = sum(w * split * step for w, split in zip(weights, splits, strict=True) if w)
        lowest = sum(w * low * step for w, low in zip(weights, least, strict=True))
        stride = math.gcd(*weights) * step
        amounts = lowest + np.arange(0, spare * max(weights) * step + stride, stride)
        greens_s = np.maximum(0, amounts + constant) / (10.0 * _SHARES)
        greens_s += service.bonus_pcu * 3600.0 / service.group.saturation_flow_pcuph
        costs = group_costs(service, greens_s, cycle_s, problem.period_h) / grain
        terms.append(_cost_above(model, amount, amounts, costs))
    foot = problem.weights.pedestrian * part.pedestrians_ph
    for crossing in part.junction.crossings if foot > 0.0 else ():
        runs = windows(stages, crossing.id)
        if not runs or len(runs[0]) == len(splits):
            continue
        clearance = part.junction.envelope.ped_clearance_ds.get(crossing.id, 0)
        walk = sum(sum(splits[i] * step for i in run) - clears[run[-1]] - clearance for run in runs)
        # The reds between several walks are taken as equal: people wait least then.
        walks = np.arange(0, cycle_ds + 1)
        waits = foot * (cycle_s - walks / 10.0) ** 2 / (2.0 * cycle_s * len(runs)) / grain
        terms.append(_cost_above(model, walk, walks, waits))
    if terms:
        model.Minimize(sum(terms))
    solver = deterministic_solver(time_limit, seed)
    status = solver.Solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    greens = tuple(
        int(solver.Value(split)) * step - clear for split, clear in zip(splits, clears, strict=True)
    )
    exact = sum(
        group_cost(service, service.effective_green_s(greens, clears), cycle_s, problem.period_h)
        for service in served
    )
    if foot > 0.0:
        waits_s = timing_wait_s(part.junction, stages, greens)
        exact += waiting_cost(part, waits_s, problem.weights.pedestrian)
    return Splits(
        stages=stages,
        cycle_ds=cycle_ds,
        greens_ds=greens,
        cost=exact,
        bound=solver.BestObjectiveBound() * grain if terms else 0.0,
        status=str(solver.StatusName(status)),
    )
