"""Retime a site: its counts and plan to a problem, the optimizer, and SUMO as judge if asked."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast, get_args

from models.counts import CountRow
from models.errors import BadInput
from models.plan import Plan
from models.site import Site
from optimizer.retime import Method, RetimingResult, candidates, choose
from simulation.demand import write_demand
from simulation.runner import SimulationJob, site_job, sweep
from simulation.validate import runs_own_routes
from traffic.retiming import build_problem

SEARCH_SEED = 501
"""Demand and driver seed of the search; a validation uses others."""


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
    search: int = 0,
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
        search: Let SUMO choose among so many candidates of the model; 0 takes the model's best.
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
    options = candidates(
        problem,
        max(search, 1),
        method=cast(Method, method),
        seed=seed,
        time_limit_s=time_limit_s,
        created=created or datetime.now(UTC),
    )
    best, chosen = options[0], ""
    if search > 1 and len(options) > 1:
        figures = _simulated_delay_s(site, counts, [item.plan for item in options], workers)
        by_digest = {
            item.plan.digest: figure for item, figure in zip(options, figures, strict=True)
        }
        best, _ = choose(options, lambda plan: by_digest[plan.digest])
        chosen = f", chosen by SUMO among {len(options)}"
    cycles = sorted({value // 10 for value in best.cycle_ds.values()})
    line = (
        f"cycle {', '.join(str(value) for value in cycles)} s, {best.delay_s:.1f} s delay and "
        f"{best.stops:.2f} stops per vehicle by the model{chosen}"
    )
    if best.note:
        line += f"; {best.note}"
    return Retiming(best.plan, best.status, line, best)


def _simulated_delay_s(
    site: Site, counts: Sequence[CountRow], plans: Sequence[Plan], workers: int
) -> list[float]:
    """``delay_s`` of each plan in one run with the same demand and seed."""
    simulation = site.simulation
    with tempfile.TemporaryDirectory(prefix="xanh-search-") as folder:
        own = runs_own_routes(site, counts)
        if own:
            demand = (site.folder / simulation.routes,)
        else:
            path = Path(folder) / "demand.rou.xml"
            write_demand(
                site,
                counts,
                path,
                seed=SEARCH_SEED,
                begin_s=simulation.begin_s,
                end_s=simulation.end_s,
            )
            demand = (path,)
        jobs: list[SimulationJob] = [
            site_job(
                site,
                plan,
                demand,
                seed=SEARCH_SEED,
                name=f"candidate {number}",
                vehicle_types=own,
            )
            for number, plan in enumerate(plans, start=1)
        ]
        return [result.kpi.delay_s for result in sweep(jobs, workers=workers)]
