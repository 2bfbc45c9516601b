"""What a judge's runs teach the model: the discharge of each lane group.

The model's errors are mostly of capacity: pockets too short for their queue, merges just before
the line, gaps that drivers take or do not take. Delay by movement under a few judged plans shows
them. For each lane group a factor on its saturation flow and a delay that no signal changes (a
yield sign on the way, say) are fitted, and the programs are solved again for what was learnt: a
metamodel of a simulation, physical with fitted parameters (Osorio and Bierlaire 2013).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from models.plan import Plan
from optimizer.problem import LaneGroup, RetimingProblem
from optimizer.result import group_delays

FACTORS = (0.3, 0.36, 0.43, 0.52, 0.62, 0.74, 0.86, 1.0)
"""Saturation flow of a lane group over what the model takes it for.

Never more: a short wait where there is room says little of how much would go, and green taken away
for it is missed when it is needed.
"""

FIXED_S = (0.0, 2.0, 5.0, 10.0, 20.0)
"""Delay that stays whatever the signals do."""

# How much squared error (of the logarithm of delay) a full e-fold of the factor, or 20 s of
# fixed delay, must explain to be believed.
_DOUBT = 0.04
_LEAST_S = 2.0


@dataclass(frozen=True, slots=True)
class Observation:
    """Mean delay in s by movement under a plan, as a judge measured it."""

    plan: Plan
    delay_s: Mapping[str, float]


def learnt(problem: RetimingProblem, seen: Sequence[Observation]) -> RetimingProblem:
    """The problem with saturation flows that explain what was seen best.

    Lane groups without an observed movement stay as they are.
    """
    if not seen:
        return problem
    predicted = {
        factor: [group_delays(_scaled(problem, factor), item.plan) for item in seen]
        for factor in FACTORS
    }
    factors: dict[tuple[str, str], float] = {}
    for part in problem.junctions:
        for group in part.groups:
            observed = [_observed(group, item.delay_s) for item in seen]
            if any(value is None for value in observed):
                continue
            wanted = np.log(np.maximum(_LEAST_S, np.array(observed, dtype=float)))
            best = (float("inf"), 1.0)
            for factor, fixed_s in product(FACTORS, FIXED_S):
                model = [found.get((part.id, group.id)) for found in predicted[factor]]
                if any(value is None for value in model):
                    continue
                expected = np.log(np.maximum(_LEAST_S, np.array(model, dtype=float) + fixed_s))
                doubt = _DOUBT * (np.log(factor) ** 2 + (fixed_s / 20.0) ** 2)
                best = min(best, (float(((wanted - expected) ** 2).mean() + doubt), factor))
            factors[part.id, group.id] = best[1]
    return with_factors(problem, factors)


def learnt_factors(before: RetimingProblem, after: RetimingProblem) -> dict[tuple[str, str], float]:
    """Saturation flow of each lane group after learning over what it was."""
    return {
        (part.id, group.id): other.saturation_flow_pcuph / group.saturation_flow_pcuph
        for part in before.junctions
        for group, other in zip(part.groups, after.junction(part.id).groups, strict=True)
        if group.saturation_flow_pcuph > 0
    }


def _observed(group: LaneGroup, delay_s: Mapping[str, float]) -> float | None:
    flows = [
        (flow.vph, delay_s[flow.movement])
        for lane in group.lanes
        for flow in lane.flows
        if flow.movement in delay_s
    ]
    vehicles = sum(vph for vph, _ in flows)
    return sum(vph * value for vph, value in flows) / vehicles if vehicles > 0 else None


def _scaled(problem: RetimingProblem, factor: float) -> RetimingProblem:
    return with_factors(
        problem,
        {(part.id, group.id): factor for part in problem.junctions for group in part.groups},
    )


def with_factors(
    problem: RetimingProblem, factors: Mapping[tuple[str, str], float]
) -> RetimingProblem:
    """The problem with each named lane group's saturation flow multiplied."""
    return replace(
        problem,
        junctions=tuple(
            replace(
                part,
                groups=tuple(
                    replace(
                        group,
                        lanes=tuple(
                            replace(
                                lane,
                                saturation_flow_pcuph=lane.saturation_flow_pcuph
                                * factors.get((part.id, group.id), 1.0),
                            )
                            for lane in group.lanes
                        ),
                    )
                    for group in part.groups
                ),
            )
            for part in problem.junctions
        ),
    )
