"""Retime a site: its counts and plan to a problem, the optimizer, and SUMO as judge if asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import cast, get_args

from models.counts import CountRow, movement_flows_vph
from models.errors import BadInput
from models.plan import Plan
from models.site import Site
from optimizer.problem import RetimingProblem
from optimizer.refine import Judgement, Refinement, Trial, legal_start, refine
from optimizer.result import RetimingResult, predict
from optimizer.retime import Method, candidates
from optimizer.selection import choose
from simulation.demand import write_demand
from simulation.runner import SimulationJob, SimulationResult, simulations, site_job, sweep
from simulation.scratch import Scratch
from simulation.validate import runs_own_routes
from traffic.objective import Objective, objective_of
from traffic.retiming import build_problem

SEARCH_SEED = 501
"""Demand and driver seed of the first scenario of a search; a validation uses others."""

SCENARIOS = (1.0, 0.85, 1.15)
"""Demand of the scenarios of a search, as multiples of the counts.

A plan is chosen for what it does over all of them: counts are uncertain and days differ. Where a
run is long, the first stands for all.
"""


@dataclass(frozen=True, slots=True)
class Retiming:
    """A new plan, with one line on what is expected of it and what it was chosen from.

    ``options`` are the model's plans, ``trials`` what SUMO judged, ``in_force`` what the model
    expects of the plan in force as far as the envelope allows it; ``learnt`` are the factors on
    saturation flows, by junction and lane group, that SUMO's runs taught.
    """

    plan: Plan
    status: str
    line: str
    result: RetimingResult
    options: tuple[RetimingResult, ...] = ()
    trials: tuple[Trial, ...] = ()
    in_force: RetimingResult | None = None
    learnt: Mapping[tuple[str, str], float] = field(default_factory=dict)


def retime_site(
    site: Site,
    counts: Sequence[CountRow],
    current: Plan,
    *,
    method: str = "cpsat",
    search: int | None = 0,
    seed: int = 0,
    time_limit_s: float = 20.0,
    slowest_advice: float = 1.0,
    workers: int = 2,
    created: datetime | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Retiming:
    """The best plan for the counts.

    Args:
        site: A site with a network.
        counts: Demand.
        current: The plan in force; its stages are kept where they serve.
        method: One of the optimizer's methods.
        search: Let SUMO judge so many plans: the plan in force, those of the model and what a
            search makes of them. 0 takes the model's best, None as many as ``affordable`` says.
        seed: Seed of the solver.
        time_limit_s: Work limit of the solver, about seconds on one core.
        slowest_advice: Part of their speed down to which signs may advise drivers to drive.
            Below 1 the model alone decides: SUMO's drivers see no such signs.
        workers: SUMO processes at a time while searching.
        created: Time that the plan carries; now by default.
        progress: Called with (runs of SUMO done, most that there will be) after each.

    Raises:
        BadInput: If the method is unknown, the counts do not fit the site or SUMO is to judge
            advised speeds.
        Infeasible: If no plan keeps the envelope; names the clash.
        XanhError: If a simulation fails.
    """
    methods: tuple[str, ...] = get_args(Method)
    if method not in methods:
        raise BadInput("--method", method, f"valid is {', '.join(methods)}")
    advised = slowest_advice < 1.0
    if not 0.3 <= slowest_advice <= 1.0:
        raise BadInput("--advise-speed", f"{slowest_advice:g}", "valid is 0.3 to 1")
    if advised and (search or method != "cpsat"):
        raise BadInput("--advise-speed", f"{slowest_advice:g}", "is for cpsat without --search")
    problem = build_problem(site, counts, current, slowest_advice=slowest_advice)
    effort = affordable(site, counts)
    if search is not None or method != "cpsat" or advised:
        # Baselines are there to be compared with: as they are, unless told otherwise.
        effort = Effort(search or 0, effort.scenarios)
    made = created or datetime.now(UTC)
    options = candidates(
        problem,
        effort.plans - 1 if effort.draws > 1 else max(1, min(effort.plans // 4, CANDIDATES)),
        method=cast(Method, method),
        seed=seed,
        time_limit_s=time_limit_s,
        created=made,
    )
    maker = f"xanh retime --method {method} --search {effort.plans}"
    in_force = legal_start(problem, current, created=made, by=maker)
    held = None if in_force is None else predict(problem, in_force, "in force", "")
    if effort.plans < 2:
        best = options[0]
        line = _line(best, _proven(best))
        return Retiming(best.plan, best.status, line, best, options, in_force=held)
    starts = [item.plan for item in options]
    if problem.links and effort.plans >= 12:
        # Each junction with a cycle of its own: a common one may cost more than it gives.
        alone = candidates(
            replace(problem, links=()), 2, seed=seed, time_limit_s=time_limit_s / 4, created=made
        )
        starts += [item.plan for item in alone]
    with _judge(site, counts, effort, problem, workers, progress) as judge:
        if effort.draws > 1:
            found = choose(
                starts[: effort.plans - 1],
                judge,
                draws=effort.draws,
                in_force=in_force,
                worse_weight=problem.weights.worse_weight,
            )
        else:
            found = refine(
                problem,
                starts,
                judge,
                budget=effort.plans,
                created=made,
                by=maker,
                in_force=in_force,
                batch=6,
                seed=seed,
            )
        as_it_is_s = None
        if in_force is None or in_force.digest != current.digest:
            # What runs there now may break the envelope and be better for it: then it is said.
            heard = [judge([current], draw)[0].figure for draw in found.draws]
            as_it_is_s = math.exp(fmean(math.log(max(0.01, value)) for value in heard))
    best = predict(problem, found.best.plan, method, options[0].status)
    judged = f"{_proven(options[0])}; {found.best.figure:.1f} s delay and stops in SUMO"
    judged += _compared(found, as_it_is_s)
    judged += f", {len(found.trials) * effort.draws} judgements"
    return Retiming(
        found.best.plan,
        best.status,
        _line(best, judged),
        best,
        options,
        found.trials,
        held,
        found.learnt,
    )


def _compared(found: Refinement, as_it_is_s: float | None) -> str:
    """The plan in force beside the one that was chosen, on the same draws.

    ``as_it_is_s`` is its figure where it breaks the envelope; None where it does not.
    """
    held_s = None if found.in_force is None else found.in_force.figure
    if as_it_is_s is None:
        return "" if held_s is None else f", the plan in force {held_s:.1f} s"
    text = f", the plan in force {as_it_is_s:.1f} s as it is, which breaks the envelope"
    if held_s is not None:
        text += f", {held_s:.1f} s within it"
    if as_it_is_s < found.best.figure:
        text += " (nothing within it was found that is better than as it is)"
    return text


def _proven(result: RetimingResult) -> str:
    """How near the model's plan is to the bound of its program, and the speeds it counts on."""
    text = f"; proven within {100.0 * result.gap:.1f} % of the program's bound"
    if result.advice:
        signs = (
            f"{3.6 * item.speed_mps:.0f} km/h {item.upstream} to {item.downstream}"
            for item in result.advice
        )
        text += f"; advise {', '.join(signs)}"
    return text if result.method == "cpsat" else ""


def _line(result: RetimingResult, judged: str) -> str:
    cycles = sorted({value // 10 for value in result.cycle_ds.values()})
    line = (
        f"cycle {', '.join(str(value) for value in cycles)} s, {result.delay_s:.1f} s delay and "
        f"{result.stops:.2f} stops per vehicle by the model{judged}"
    )
    return f"{line}; {result.note}" if result.note else line


CANDIDATES = 8
"""Plans of the model at most that a search starts from."""

# SUMO's work for one vehicle at one signal, about, in seconds on one core; with sublanes.
_START_S = 0.25
_CROSSING_S = 1.5e-4
_SUBLANE_CROSSING_S = 8e-4
_SEARCH_BUDGET_S = 60.0
_FURTHER_JUNCTION_S = 30.0
_MOST_BUDGET_S = 150.0
_LEAST_SEARCH, _MOST_SEARCH = 12, 60
# Where a run is long: plans that are judged, and on how many draws at most; with more runs than
# twice that a search finds more.
_FEW_PLANS, _FEW_DRAWS = 4, 3


@dataclass(frozen=True, slots=True)
class Effort:
    """How many plans SUMO judges, each over these multiples of the demand.

    With ``draws`` above 1 no plan is sought beyond those of the model: each is judged so often.
    """

    plans: int
    scenarios: tuple[float, ...]
    draws: int = 1

    @property
    def runs(self) -> int:
        """Runs of SUMO at most."""
        return self.plans * self.draws * len(self.scenarios)


def affordable(site: Site, counts: Sequence[CountRow]) -> Effort:
    """What SUMO judges in about a minute on two cores, longer for many junctions.

    Where runs are long, a few plans on the mean demand, several times: the plan in force and the
    model's best at least, so that what comes out is not worse than what is there. Estimated from
    the demand, never timed, so that the same site and counts give the same plan.
    """
    options = site.simulation
    sublane = any(option.startswith("--lateral-resolution") for option in options.options)
    vph = sum(sum(of.values()) for of in movement_flows_vph(counts).values())
    crossings = vph * (options.end_s - options.begin_s) / 3600.0
    run_s = _START_S + crossings * (_SUBLANE_CROSSING_S if sublane else _CROSSING_S)
    budget_s = min(
        _MOST_BUDGET_S, _SEARCH_BUDGET_S + _FURTHER_JUNCTION_S * (len(site.junctions) - 1)
    )
    runs = int(budget_s / run_s)
    if runs >= _LEAST_SEARCH * len(SCENARIOS):
        return Effort(min(runs // len(SCENARIOS), _MOST_SEARCH), SCENARIOS)
    few = int(2.0 * budget_s / run_s)
    if few >= 2 * _FEW_PLANS * _FEW_DRAWS:
        return Effort(few // 2, SCENARIOS[:1])
    plans = _FEW_PLANS if few >= _FEW_PLANS * _FEW_DRAWS else 2
    draws = min(_FEW_DRAWS, few // plans)
    return Effort(plans, SCENARIOS[:1], draws) if draws > 1 else Effort(few, SCENARIOS[:1])


@contextmanager
def _judge(
    site: Site,
    counts: Sequence[CountRow],
    effort: Effort,
    problem: RetimingProblem,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[Callable[[Sequence[Plan], int], list[Judgement]]]:
    """A judge of plans on one draw: geometric mean over the scenarios of the objective.

    Delay is ``delay_s``, everything counts as in the model. Geometric, or the one demand that a
    junction cannot carry would decide alone. Each draw has its own seeds, and its own
    vehicles where they are made from counts.
    """
    simulation = site.simulation
    measured_s = simulation.end_s - simulation.begin_s - simulation.warm_up_s
    objective = objective_of(problem, measured_s / 3600.0)
    with (
        Scratch("search") as folder,
        simulations(None, workers) as pool,
    ):
        own = runs_own_routes(site, counts)
        scenarios, runs = effort.scenarios, 0

        def demand(seed: int) -> Path:
            path = folder / f"demand-{seed}.rou.xml"
            if own:
                return site.folder / simulation.routes
            if not path.exists():
                write_demand(
                    site,
                    counts,
                    path,
                    seed=seed,
                    begin_s=simulation.begin_s,
                    end_s=simulation.end_s,
                )
            return path

        def job(plan: Plan, seed: int, factor: float) -> SimulationJob:
            base = site_job(
                site,
                plan,
                (demand(seed),),
                seed=seed,
                name=f"plan {plan.digest[:12]} at {factor:g} of the demand",
                vehicle_types=own,
            )
            options = (*base.options.options, "--scale", f"{factor:g}")
            return replace(base, options=replace(base.options, options=options))

        def judge(plans: Sequence[Plan], draw: int) -> list[Judgement]:
            nonlocal runs
            count, before = len(scenarios), runs
            first = SEARCH_SEED + draw * count
            jobs = [
                job(plan, first + number, factor)
                for plan in plans
                for number, factor in enumerate(scenarios)
            ]

            def told(done: int, _: int) -> None:
                if progress is not None:
                    progress(before + done, max(effort.runs, before + len(jobs)))

            results = sweep(jobs, executor=pool, progress=told)
            runs += len(jobs)
            return [
                _judgement(site, objective, plan, results[number * count : (number + 1) * count])
                for number, plan in enumerate(plans)
            ]

        yield judge


def _judgement(
    site: Site, objective: Objective, plan: Plan, results: Sequence[SimulationResult]
) -> Judgement:
    """Geometric means over the scenarios: the figure, delay at each junction, of a movement."""
    of = {m.id: name for name, junction in site.junctions.items() for m in junction.movements}
    at: dict[str, float] = dict.fromkeys(site.junctions, 0.0)
    seen: dict[str, list[float]] = {}
    passes: dict[str, float] = {}
    for result in results:
        own = dict.fromkeys(site.junctions, 1.0)
        for movement, delay in result.movements.items():
            own[of[movement]] += delay.vehicles * max(0.0, delay.delay_s)
            seen.setdefault(movement, []).append(math.log(max(0.5, delay.delay_s)))
            share = delay.vehicles / max(1, result.kpi.trips)
            passes[movement] = passes.get(movement, 0.0) + share
        for name, value in own.items():
            at[name] += math.log(value) / len(results)
    logs = [math.log(max(0.01, objective.figure_s(plan, result))) for result in results]
    return Judgement(
        math.exp(fmean(logs)),
        {name: math.exp(value) for name, value in at.items()},
        {movement: math.exp(fmean(values)) for movement, values in seen.items()},
        {movement: value / len(results) for movement, value in passes.items()},
    )
