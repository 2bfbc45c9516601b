"""What one run of a site costs, and the runs of one validation side by side.

    python benchmarks/validation.py SITE [SITE ...] [--pairs 5] [--workers 2]

Each site's plan in force runs once with seed 1, then twice as often as there are pairs. Times
are wall-clock; ``cpu_s`` is SUMO's own processor time of the single run. Say what else the
machine was doing when you quote these figures.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from models.counts import counts_from_csv
from simulation.demand import write_demand
from simulation.runner import simulate, site_job, sumo_version, sweep
from simulation.validate import runs_own_routes
from traffic.planfiles import read_plan
from traffic.sites import load_site


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of one run and of one validation.")
    parser.add_argument("sites", type=Path, nargs="+")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    print(f"SUMO {sumo_version()}, {options.pairs} pairs, {options.workers} workers")
    print("site,trips,run_s,cpu_s,times_real_time,validation_s")
    for folder in options.sites:
        site = load_site(folder)
        plan = read_plan(site.current_plan_path)
        path = str(site.counts_path)
        counts = counts_from_csv(site.counts_path.read_text(encoding="utf-8"), path)
        window = site.simulation
        with tempfile.TemporaryDirectory() as temporary:
            demand = Path(temporary) / "demand.rou.xml"
            write_demand(site, counts, demand, seed=1, begin_s=window.begin_s, end_s=window.end_s)
            own = runs_own_routes(site, counts)
            job = site_job(site, plan, [demand], seed=1, name=site.id, vehicle_types=own)
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            result = simulate(job)
            cpu_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
            started = time.perf_counter()
            sweep([job] * (2 * options.pairs), workers=options.workers)
            validation_s = time.perf_counter() - started
        speed = (window.end_s - window.begin_s) / result.wall_s
        print(
            f"{site.id},{result.kpi.trips},{result.wall_s:.1f},{cpu_s:.1f},{speed:.0f},"
            f"{validation_s:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
