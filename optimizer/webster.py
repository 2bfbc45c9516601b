"""Webster's method: cycle from the critical flow ratios, greens in proportion to them."""

from __future__ import annotations

import math

from optimizer.capacity import services
from optimizer.delay import webster_cycle_s
from optimizer.problem import JunctionProblem, RetimingProblem
from optimizer.splits import (
    Infeasible,
    Splits,
    clash,
    group_cost,
    nearest_greens,
    split_step_ds,
)


def critical_flow_ratios(part: JunctionProblem) -> tuple[float, ...]:
    """Largest demand over discharge of the groups that each stage serves, in order.

    A group with several stages counts in the one that serves it best.
    """
    stages = part.stage_sets[0]
    ratios = [0.0] * len(stages.stages)
    for service in services(part, stages):
        best = max(range(len(ratios)), key=lambda i: service.weights[i])
        if service.weights[best] > 0:
            discharge = service.group.saturation_flow_pcuph * service.weights[best]
            ratios[best] = max(ratios[best], service.group.demand_pcuph / discharge)
    return tuple(ratios)


def webster_splits(problem: RetimingProblem, part: JunctionProblem, smallest_ds: int) -> Splits:
    """Webster's plan of one junction, moved as little as the envelope demands."""
    stages = part.stage_sets[0]
    clears = [yellow + red for yellow, red in stages.interstages(part.junction)]
    ratios = critical_flow_ratios(part)
    step = split_step_ds(part)
    wanted_s = webster_cycle_s(sum(clears) / 10.0, sum(ratios))
    top = problem.max_cycle_ds
    wanted = top if math.isinf(wanted_s) else min(top, wanted_s * 10.0)
    cycle_ds = max(smallest_ds, problem.min_cycle_ds, round(wanted / step) * step)
    cycle_ds = -(-cycle_ds // step) * step
    green = cycle_ds - sum(clears)
    total = sum(ratios) or 1.0
    shares = [ratio / total if sum(ratios) else 1.0 / len(ratios) for ratio in ratios]
    greens = nearest_greens(part, stages, cycle_ds, [green * share for share in shares])
    if greens is None:
        raise Infeasible(part.id, clash(part, stages, cycle_ds))
    cost = sum(
        group_cost(
            service,
            service.effective_green_s(greens, clears),
            cycle_ds / 10.0,
            problem.period_h,
        )
        for service in services(part, stages)
    )
    return Splits(stages, cycle_ds, greens, cost, 0.0, "WEBSTER")
