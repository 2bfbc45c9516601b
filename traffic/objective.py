"""What a judged plan is worth: SUMO's delay and stops, weighed as the retiming problem weighs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from models.plan import Plan
from optimizer.problem import RetimingProblem
from optimizer.walkers import plan_wait_s, waiting_cost
from simulation.runner import SimulationResult


@dataclass(frozen=True, slots=True)
class Objective:
    """The weights of a problem, for runs of ``hours``.

    ``worth`` is what a vehicle of each movement counts on average.
    """

    problem: RetimingProblem
    worth: Mapping[str, float]
    hours: float

    def figure_s(self, plan: Plan, result: SimulationResult) -> float:
        """Seconds per trip: delay and stops, those who count for more, and people who wait.

        With no weights of its own it is ``delay_s`` and the stops. How long people wait follows
        from the plan alone: they come at any time.
        """
        weights, trips = self.problem.weights, max(1, result.kpi.trips)
        more_s = sum(
            (self.worth.get(movement, 1.0) - 1.0) * seen.vehicles * max(0.0, seen.delay_s)
            for movement, seen in result.movements.items()
        )
        if weights.pedestrian > 0.0:
            for part in self.problem.junctions:
                waits_s = plan_wait_s(plan.junction(part.junction.id), part.junction)
                more_s += self.hours * waiting_cost(part, waits_s, weights.pedestrian)
        return result.kpi.delay_s + weights.stop_s * result.kpi.stops + more_s / trips


def objective_of(problem: RetimingProblem, hours: float) -> Objective:
    """The objective of a problem for runs of so many hours."""
    vehicles: dict[str, float] = defaultdict(float)
    counted: dict[str, float] = defaultdict(float)
    for part in problem.junctions:
        for group in part.groups:
            for flow in (flow for lane in group.lanes for flow in lane.flows):
                vehicles[flow.movement] += flow.vph
                counted[flow.movement] += flow.vph * flow.worth
    worth = {name: counted[name] / vph for name, vph in vehicles.items() if vph > 0.0}
    return Objective(problem, worth, hours)
