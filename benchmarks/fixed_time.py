"""Fixed-time plans against the program that came with each network, on demand held out.

    python benchmarks/fixed_time.py SITE [SITE ...] [--plan NAME] [--seeds 5] [--workers 2]

Each site is an imported one; ``--plan`` is a plan file in its folder (default: made here by
``retime_site`` with SUMO choosing, and kept as ``retimed.yaml``). Every plan runs with each seed
at each of ``--demands``, multiples of the counted one. None of these seeds was used in the search;
0.85, 1 and 1.15 are the demands that it uses, others are held out too. With
``--as-found`` the plan is made with the clearances and the shortest green of the program as
found instead of the site's own envelope, to compare like with like; such a plan is never
deployed.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from models.counts import counts_from_csv
from models.plan import Plan
from models.site import Site
from simulation.runner import SimulationJob, site_job, sumo_version, sweep
from traffic.planfiles import read_plan, write_plan
from traffic.replan import retime_site
from traffic.sites import load_site

DEMANDS = "0.85,1,1.15"
FIRST_SEED = 9001


def main() -> None:
    parser = argparse.ArgumentParser(description="Fixed-time plans on demand held out.")
    parser.add_argument("sites", type=Path, nargs="+")
    parser.add_argument("--plan", help="Plan file in each site's folder.")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--demands", default=DEMANDS)
    parser.add_argument("--search", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--as-found", action="store_true")
    options = parser.parse_args()
    demands = tuple(float(part) for part in options.demands.split(","))
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    print(f"SUMO {sumo_version()}, {options.seeds} seeds at {demands} of the demand")
    print("site,as_found_s,plan_s,change_pct,low_pct,high_pct,made_in_processor_s")
    ratios = []
    for folder in options.sites:
        site = load_site(folder)
        if options.as_found:
            site = like_as_found(site, read_plan(site.current_plan_path))
        started = used_s()
        plan = read_plan(folder / options.plan) if options.plan else made(site, options.search)
        seconds = used_s() - started
        as_found = read_plan(site.current_plan_path)
        before, after = (
            delays(site, item, demands, seeds, options.workers) for item in (as_found, plan)
        )
        logs = [math.log(b / a) for a, b in zip(before, after, strict=True)]
        mean, half = statistics.mean(logs), 2.0 * statistics.stdev(logs) / math.sqrt(len(logs))
        ratios.append(mean)
        low, middle, high = (100 * (math.exp(v) - 1) for v in (mean - half, mean, mean + half))
        print(
            f"{site.id},{statistics.mean(before):.1f},{statistics.mean(after):.1f},"
            f"{middle:.1f},{low:.1f},{high:.1f},{seconds:.0f}",
            flush=True,
        )
    print(f"geometric mean: {100 * (math.exp(statistics.mean(ratios)) - 1):.1f} %")


def used_s() -> float:
    """Processor seconds of this process and of those that it ran to their end."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def made(site: Site, search: int | None) -> Plan:
    """The plan of ``xanh retime`` with its defaults, kept beside the site's own."""
    text = site.counts_path.read_text(encoding="utf-8")
    rows = counts_from_csv(text, str(site.counts_path))
    plan = retime_site(site, rows, read_plan(site.current_plan_path), search=search).plan
    write_plan(plan, site.folder / "retimed.yaml")
    return plan


def like_as_found(site: Site, plan: Plan) -> Site:
    """The site with each junction's clearances and shortest green as its program has them."""
    junctions = {}
    for name, junction in site.junctions.items():
        stages = plan.junction(name).stages
        envelope = replace(
            junction.envelope,
            min_green_ds=min(stage.green_ds for stage in stages),
            yellow_change_ds=max(stage.yellow_ds for stage in stages),
            red_clearance_ds=max(stage.red_ds for stage in stages),
        )
        junctions[name] = replace(junction, envelope=envelope)
    return replace(site, junctions=junctions)


def delays(
    site: Site, plan: Plan, demands: Sequence[float], seeds: Sequence[int], workers: int
) -> list[float]:
    """``delay_s`` for each demand and seed, the same order for every plan."""
    jobs: list[SimulationJob] = []
    for factor in demands:
        for seed in seeds:
            job = site_job(
                site,
                plan,
                (site.folder / site.simulation.routes,),
                seed=seed,
                name=f"{site.id} {factor:g} {seed}",
                vehicle_types=True,
            )
            scaled = (*job.options.options, "--scale", f"{factor:g}")
            jobs.append(replace(job, options=replace(job.options, options=scaled)))
    return [result.kpi.delay_s for result in sweep(jobs, workers=workers)]


if __name__ == "__main__":
    main()
