"""What is expected of a plan, by the model, and which rules of the envelope bind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.plan import Plan
from optimizer.corridor import components
from optimizer.platoon import PlatoonModel, Timing
from optimizer.problem import RetimingProblem
from optimizer.splits import green_rules, split_step_ds
from optimizer.stages import StageOption, StageSet

Parts = Sequence[tuple[PlatoonModel, Mapping[str, Timing]]]
"""Connected parts of a network, each with its model and the timing of its junctions."""


@dataclass(frozen=True, slots=True)
class MovementPrediction:
    """What the model expects of one movement; delay and stops are per vehicle."""

    junction: str
    movement: str
    demand_vph: float
    degree_of_saturation: float
    delay_s: float
    stops: float


@dataclass(frozen=True, slots=True)
class Binding:
    """A rule of the envelope that the plan meets with nothing to spare."""

    junction: str
    rule: str
    limit_ds: int


@dataclass(frozen=True, slots=True)
class Advice:
    """A speed to be shown to drivers on the way from one signal to the next.

    ``usual_mps`` is what they drive by themselves.
    """

    upstream: str
    downstream: str
    approach: str
    speed_mps: float
    usual_mps: float


@dataclass(frozen=True, slots=True)
class RetimingResult:
    """A plan with what is expected of it and why it is as it is.

    ``cost`` is what was minimized: seconds of delay and weighted stops of all vehicles in an
    hour, by the platoon model. ``gap`` is the proven relative gap of the corridor's program for
    the platoons as they leave each signal; ``status`` the solver's word. ``advice`` are the
    speeds that belong to the plan; what slower drives take is in ``delay_s``. ``overloaded`` names
    the movements whose demand is above what any share of the cycle given to them carries.
    ``seconds`` is wall-clock time and no part of equality.
    """

    plan: Plan
    method: str
    cycle_ds: Mapping[str, int]
    stage_sets: Mapping[str, str]
    delay_s: float
    stops: float
    cost: float
    movements: tuple[MovementPrediction, ...]
    binding: tuple[Binding, ...]
    overloaded: tuple[str, ...]
    status: str
    gap: float
    advice: tuple[Advice, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    @property
    def note(self) -> str:
        """One line on what the plan cannot do; empty when demand fits."""
        if not self.overloaded:
            return ""
        worst = max(self.movements, key=lambda item: item.degree_of_saturation)
        return (
            f"demand is above capacity on {len(self.overloaded)} movement(s), worst "
            f"{worst.movement} at {worst.degree_of_saturation:.2f} of capacity; the plan keeps "
            "the overload as small as it can"
        )


def timings_of(plan: Plan) -> dict[str, Timing]:
    """Stages, greens and offset of each junction of a plan."""
    return {
        item.junction: Timing(
            StageSet(
                "plan",
                tuple(
                    StageOption(stage.id, stage.green, stage.permissive) for stage in item.stages
                ),
            ),
            tuple(stage.green_ds for stage in item.stages),
            item.offset_ds,
        )
        for item in plan.junctions
    }


def predict(problem: RetimingProblem, plan: Plan, method: str, status: str) -> RetimingResult:
    """What the model expects of a plan that it did not make itself.

    The junctions of a connected part must share a cycle, or run half of it; without that each is
    taken by itself.
    """
    parts = _parts(problem, plan)
    cost = sum(model.cost(chosen) for model, chosen in parts)
    return explain(problem, plan, parts, method=method, cost=cost, status=status)


def in_common_cycle(
    timings: Mapping[str, Timing], cycles: Mapping[str, int]
) -> dict[str, Timing] | None:
    """Timings in the longest of the cycles, half ones twice; None if some run another cycle."""
    longest = max(cycles.values())
    if any(cycle_ds not in (longest, longest / 2) for cycle_ds in cycles.values()):
        return None
    return {
        name: timing if cycles[name] == longest else timing.twice()
        for name, timing in timings.items()
    }


def group_delays(problem: RetimingProblem, plan: Plan) -> dict[tuple[str, str], float]:
    """Delay in s per vehicle that the model expects, by junction and lane group."""
    return {
        (item.junction, item.group): item.delay_s
        for model, chosen in _parts(problem, plan)
        for item in model.evaluate(chosen)
    }


def _parts(problem: RetimingProblem, plan: Plan) -> list[tuple[PlatoonModel, dict[str, Timing]]]:
    timings = timings_of(plan)
    parts = []
    for group in components(problem):
        cycles = {name: plan.junction(name).cycle_ds for name in group}
        common = in_common_cycle({name: timings[name] for name in group}, cycles)
        if common is not None:
            parts.append((PlatoonModel(problem, group, max(cycles.values())), common))
            continue
        for name in group:
            model = PlatoonModel(problem, (name,), cycles[name])
            parts.append((model, {name: timings[name]}))
    return parts


def explain(
    problem: RetimingProblem,
    plan: Plan,
    parts: Parts,
    *,
    method: str,
    cost: float,
    status: str,
    gap: float = 0.0,
    seconds: float = 0.0,
) -> RetimingResult:
    """A plan with its predictions and what binds it; ``parts`` holds the same timing."""
    movements: list[MovementPrediction] = []
    binding: list[Binding] = []
    stage_names: dict[str, str] = {}
    for model, timings in parts:
        for name, timing in timings.items():
            stage_names[name] = timing.stages.name
            binding += _binding(problem, name, timing, model.cycle_ds)
        movements += _predictions(model, timings)
    vehicles = sum(item.demand_vph for item in movements)
    return RetimingResult(
        plan=plan,
        method=method,
        cycle_ds={item.junction: item.cycle_ds for item in plan.junctions},
        stage_sets=stage_names,
        delay_s=_mean(movements, "delay_s", vehicles),
        stops=_mean(movements, "stops", vehicles),
        cost=cost,
        movements=tuple(sorted(movements, key=lambda item: (item.junction, item.movement))),
        binding=tuple(binding),
        overloaded=tuple(
            sorted(item.movement for item in movements if item.degree_of_saturation > 1.0)
        ),
        status=status,
        gap=gap,
        advice=tuple(item for model, _ in parts for item in _advice(model)),
        seconds=seconds,
    )


def _advice(model: PlatoonModel) -> list[Advice]:
    found = []
    for index, speed_mps in sorted(model.advised_mps.items()):
        link = model.links[index]
        ends = (link.upstream, link.downstream, link.approach)
        found.append(Advice(*ends, speed_mps, link.speed_mps))
    return found


def _mean(movements: Sequence[MovementPrediction], name: str, vehicles: float) -> float:
    total: float = sum(getattr(item, name) * item.demand_vph for item in movements)
    return total / vehicles if vehicles > 0 else 0.0


def _predictions(model: PlatoonModel, timings: Mapping[str, Timing]) -> list[MovementPrediction]:
    """Groups' figures as figures of movements, weighted by the flow in each group."""
    figures = {(item.junction, item.group): item for item in model.evaluate(timings)}
    result = []
    for name in sorted(timings):
        part = model.part(name)
        for movement in part.junction.movements:
            uses = [
                (flow.vph, figures[name, group.id])
                for group in part.groups
                if (name, group.id) in figures
                for lane in group.lanes
                for flow in lane.flows
                if flow.movement == movement.id
            ]
            vehicles = sum(vph for vph, _ in uses)
            if vehicles <= 0:
                continue
            result.append(
                MovementPrediction(
                    junction=name,
                    movement=movement.id,
                    demand_vph=vehicles,
                    degree_of_saturation=max(item.degree_of_saturation for _, item in uses),
                    delay_s=sum(vph * item.delay_s for vph, item in uses) / vehicles,
                    stops=sum(vph * item.stops for vph, item in uses) / vehicles,
                )
            )
    return result


def _binding(problem: RetimingProblem, name: str, timing: Timing, cycle_ds: int) -> list[Binding]:
    part = problem.junction(name)
    step = split_step_ds(part)
    found: dict[str, Binding] = {}
    for rule in green_rules(part, timing.stages, cycle_ds):
        value = sum(timing.greens_ds[i] for i in rule.stages) + rule.constant_ds
        if rule.low_ds > 0 and value - rule.low_ds < step:
            found[rule.what] = Binding(name, f"{rule.what} at its minimum", rule.low_ds)
        elif rule.high_ds is not None and rule.high_ds - value < step:
            found[rule.what] = Binding(name, f"{rule.what} at its maximum", rule.high_ds)
    envelope = part.junction.envelope
    for what, limit in (("shortest", envelope.min_cycle_ds), ("longest", envelope.max_cycle_ds)):
        if cycle_ds == limit * timing.stages.repeats:
            found[what] = Binding(name, f"cycle is the {what} allowed", limit)
    return list(found.values())
