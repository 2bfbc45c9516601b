"""Retime a site: its counts and plan to a problem, the optimizer, and SUMO as judge if asked."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast, get_args

from models.counts import CountRow
from models.errors import BadInput
from models.plan import Plan
from models.site import Site
from optimizer.refine import Judgement, legal_start, refine
from optimizer.result import RetimingResult, predict
from optimizer.retime import Method, candidates
from simulation.demand import write_demand
from simulation.runner import SimulationJob, SimulationResult, site_job, sweep
from simulation.validate import runs_own_routes
from traffic.retiming import build_problem

SEARCH_SEED = 501
"""Demand and driver seed of the first scenario of a search; a validation uses others."""

SCENARIOS = (1.0, 0.85, 1.15)
"""Demand of the scenarios of a search, as multiples of the counts.

A plan is chosen for what it does over all of them: counts are uncertain and days differ.
"""


@dataclass(frozen=True, slots=True)
class Retiming:
    """A new plan, with one line on what is expected of it."""

    plan: Plan
    status: str
    line: str
    result: RetimingResult


def retime_site(
    site: Site,
    counts: Sequence[CountRow],
    current: Plan,
    *,
    method: str = "cpsat",
    search: int | None = 0,
    seed: int = 0,
    time_limit_s: float = 20.0,
    workers: int = 2,
    created: datetime | None = None,
) -> Retiming:
    """The best plan for the counts.

    Args:
        site: A site with a network.
        counts: Demand.
        current: The plan in force; its stages are kept where they serve.
        method: One of the optimizer's methods.
        search: Let SUMO judge so many plans, those of the model and what a local search makes
            of them; each runs once per scenario. 0 takes the model's best, None as many as
            ``affordable_search`` says.
        seed: Seed of the solver.
        time_limit_s: Work limit of the solver, about seconds on one core.
        workers: SUMO processes at a time while searching.
        created: Time that the plan carries; now by default.

    Raises:
        BadInput: If the method is unknown or the counts do not fit the site.
        Infeasible: If no plan keeps the envelope; names the clash.
        XanhError: If a simulation fails.
    """
    methods: tuple[str, ...] = get_args(Method)
    if method not in methods:
        raise BadInput("--method", method, f"valid is {', '.join(methods)}")
    problem = build_problem(site, counts, current)
    if search is None:
        # The others are there to be compared with: as they are.
        search = affordable_search(site, counts) if method == "cpsat" else 0
    made = created or datetime.now(UTC)
    options = candidates(
        problem,
        max(1, min(search // 3, CANDIDATES)),
        method=cast(Method, method),
        seed=seed,
        time_limit_s=time_limit_s,
        created=made,
    )
    best, chosen = options[0], ""
    plan = best.plan
    if search > 1:
        maker = f"xanh retime --method {method} --search {search}"
        starts = [item.plan for item in options]
        kept = legal_start(problem, current, created=made, by=maker)
        if kept is not None:
            starts.insert(1, kept)
        if problem.links:
            # Each junction with a cycle of its own: a common one may cost more than it gives.
            alone = candidates(
                replace(problem, links=()),
                2,
                seed=seed,
                time_limit_s=time_limit_s / 4,
                created=made,
            )
            starts += [item.plan for item in alone]
        with _scenarios(site, counts) as judge:
            found = refine(
                problem,
                starts,
                lambda plans: judge(plans, workers),
                budget=search,
                created=made,
                by=maker,
                batch=2 * workers,
                seed=seed,
            )
        plan = found.best.plan
        best = predict(problem, plan, method, best.status)
        chosen = (
            f"; {found.best.figure:.1f} s delay in SUMO, the least of {len(found.trials)} plans, "
            f"the model's best had {found.trials[0].figure:.1f} s"
        )
    cycles = sorted({value // 10 for value in best.cycle_ds.values()})
    line = (
        f"cycle {', '.join(str(value) for value in cycles)} s, {best.delay_s:.1f} s delay and "
        f"{best.stops:.2f} stops per vehicle by the model{chosen}"
    )
    if best.note:
        line += f"; {best.note}"
    return Retiming(plan, best.status, line, best)


CANDIDATES = 8
"""Plans of the model at most that a search starts from."""

# SUMO's work for one vehicle at one signal, about, in seconds on one core; with sublanes.
_CROSSING_S = 1.5e-4
_SUBLANE_CROSSING_S = 4.5e-3
_SEARCH_BUDGET_S = 120.0
_LEAST_SEARCH, _MOST_SEARCH = 12, 60


def affordable_search(site: Site, counts: Sequence[CountRow]) -> int:
    """Plans that SUMO judges in about a minute on two cores; 0 where that is too few to matter.

    Estimated from the demand, never timed, so that the same site and counts give the same plan.
    """
    sublane = any(option.startswith("--lateral-resolution") for option in site.simulation.options)
    crossings = sum(row.count for row in counts)
    run_s = crossings * (_SUBLANE_CROSSING_S if sublane else _CROSSING_S)
    plans = int(_SEARCH_BUDGET_S / max(run_s * len(SCENARIOS), 0.1))
    return 0 if plans < _LEAST_SEARCH else min(plans, _MOST_SEARCH)


@contextmanager
def _scenarios(
    site: Site, counts: Sequence[CountRow]
) -> Iterator[Callable[[Sequence[Plan], int], list[Judgement]]]:
    """A judge of plans: mean ``delay_s`` over the scenarios, each with its demand and seed."""
    simulation = site.simulation
    with tempfile.TemporaryDirectory(prefix="xanh-search-") as folder:
        own = runs_own_routes(site, counts)
        demand = site.folder / simulation.routes if own else Path(folder) / "demand.rou.xml"
        if not own:
            write_demand(
                site,
                counts,
                demand,
                seed=SEARCH_SEED,
                begin_s=simulation.begin_s,
                end_s=simulation.end_s,
            )

        def job(plan: Plan, number: int, factor: float) -> SimulationJob:
            base = site_job(
                site,
                plan,
                (demand,),
                seed=SEARCH_SEED + number,
                name=f"plan {plan.digest[:12]} at {factor:g} of the demand",
                vehicle_types=own,
            )
            options = (*base.options.options, "--scale", f"{factor:g}")
            return replace(base, options=replace(base.options, options=options))

        def judge(plans: Sequence[Plan], workers: int) -> list[Judgement]:
            jobs = [
                job(plan, number, factor)
                for plan in plans
                for number, factor in enumerate(SCENARIOS)
            ]
            results = sweep(jobs, workers=workers)
            count = len(SCENARIOS)
            return [
                _judgement(site, results[index : index + count])
                for index in range(0, len(results), count)
            ]

        yield judge


def _judgement(site: Site, results: Sequence[SimulationResult]) -> Judgement:
    """Means over the scenarios: ``delay_s``, and vehicle seconds of delay at each junction."""
    at = dict.fromkeys(site.junctions, 0.0)
    of = {m.id: name for name, junction in site.junctions.items() for m in junction.movements}
    for result in results:
        for movement, delay in result.movements.items():
            at[of[movement]] += delay.vehicles * delay.delay_s / len(results)
    return Judgement(sum(result.kpi.delay_s for result in results) / len(results), at)
