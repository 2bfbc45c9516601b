"""What a run costs over bare SUMO, libsumo beside traci, and how fast a whole validation is.

    python benchmarks/validation.py SITE [--pairs 10] [--minutes 30] [--workers 2]
        [--only run|interfaces|validation]

``run``: one run of the plan in force with seed 1 by ``simulate``, beside bare SUMO asked for the
same outputs and for trips alone, and with surrogate safety. ``interfaces``: the same run stepped
through libsumo and through traci, without queries and with the queues of all approaches each
second. ``validation``: so many pairs of so many simulated minutes after the warm-up, all of them.
Processor seconds hardly depend on what else the machine does; wall-clock times do.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.counts import CountRow, counts_from_csv
from models.plan import Plan
from models.site import Site
from simulation.pairs import Scenario
from simulation.runner import (
    SUMO_BINARY,
    Outputs,
    SimulationJob,
    command,
    prepare,
    run_sumo,
    simulate,
    sumo_environment,
    sumo_version,
    sweep,
)
from simulation.validate import DEFAULT_GROWTH_PCT, runs_own_routes
from traffic.planfiles import read_plan
from traffic.sites import load_site


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of runs and of a validation.")
    parser.add_argument("site", type=Path)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", choices=("run", "interfaces", "validation"))
    options = parser.parse_args()
    site = load_site(options.site)
    window = site.simulation
    if window.warm_up_s:
        end_s = window.begin_s + window.warm_up_s + 60.0 * options.minutes
        site = replace(site, simulation=replace(window, end_s=end_s))
    plan = read_plan(site.current_plan_path)
    text = site.counts_path.read_text(encoding="utf-8")
    counts = counts_from_csv(text, str(site.counts_path))
    span_s = site.simulation.end_s - site.simulation.begin_s
    print(f"{site.id}: SUMO {sumo_version()}, {os.cpu_count()} processors, {span_s:g} s a run")
    with tempfile.TemporaryDirectory() as temporary:
        scenario = _scenario(site, counts)
        job = replace(scenario.job(1, 1, Path(temporary)), plan=plan)
        if options.only in (None, "run"):
            one_run(job, span_s)
        if options.only in (None, "interfaces"):
            interfaces(job)
        if options.only in (None, "validation"):
            whole(scenario, plan, Path(temporary), options.pairs, options.workers)


def _scenario(site: Site, counts: tuple[CountRow, ...]) -> Scenario:
    own = runs_own_routes(site, counts)
    return Scenario(site, None if own else counts, 0 if own else DEFAULT_GROWTH_PCT, Outputs())


def one_run(job: SimulationJob, span_s: float) -> None:
    """Bare SUMO against a measured run."""
    print("what,processor_s,times_real_time,over_bare")
    bare = _timed(lambda: _bare(job))
    rows = [
        ("bare SUMO with the same outputs", bare),
        ("bare SUMO with trips alone", _timed(lambda: _bare(replace(job, outputs=None)))),
        ("simulate", _timed(lambda: simulate(job))),
        ("simulate with surrogate safety", _timed(lambda: simulate(_safety(job)))),
    ]
    for name, cost_s in rows:
        print(f"{name},{cost_s:.1f},{span_s / cost_s:.0f},{cost_s / bare:.2f}", flush=True)


def _safety(job: SimulationJob) -> SimulationJob:
    return replace(job, outputs=Outputs(safety=True))


def _bare(job: SimulationJob) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(job, folder)
        run_sumo(job, folder)


def _timed(call: Callable[[], Any]) -> float:
    """Processor seconds of a call, those of its child processes included."""
    before = _processor_s()
    call()
    return _processor_s() - before


def _processor_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(item.ru_utime + item.ru_stime for item in used)


def interfaces(job: SimulationJob) -> None:
    """libsumo beside traci, each in a process of its own."""
    print("interface,queries,processor_s")
    context = multiprocessing.get_context("spawn")
    for queries in (False, True):
        costs = {}
        for name in ("libsumo", "traci"):
            queue = context.Queue()
            process = context.Process(target=_stepped, args=(name, job, queries, queue))
            process.start()
            costs[name] = float(queue.get())
            process.join()
            print(f"{name},{'queues' if queries else 'none'},{costs[name]:.1f}", flush=True)
        print(f"# libsumo is {costs['traci'] / costs['libsumo']:.1f} times as fast")


def _stepped(name: str, job: SimulationJob, queries: bool, queue: Any) -> None:
    os.environ["SUMO_HOME"] = sumo_environment()["SUMO_HOME"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        api: Any = __import__(name)
    run = replace(job, outputs=None)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(run, folder)
        line = [str(SUMO_BINARY), *command(run, folder)[1:]]
        lanes = None
        before = _processor_s()
        api.start(line)
        for _ in range(round((run.options.end_s - run.options.begin_s) / run.options.step_s)):
            api.simulationStep()
            if queries:
                lanes = lanes or [name for name in api.lane.getIDList() if name[0] != ":"]
                for lane in lanes:
                    api.lane.getLastStepHaltingNumber(lane)
        api.close()
        queue.put(_processor_s() - before)


def whole(scenario: Scenario, plan: Plan, folder: Path, pairs: int, workers: int) -> None:
    """All pairs of the plan in force against itself, side by side."""
    jobs = []
    started, before = time.perf_counter(), _processor_s()
    for number in range(1, pairs + 1):
        job = replace(scenario.job(number, number, folder), plan=plan)
        jobs += [job, replace(job, seed=job.seed + 1000)]
    sweep(jobs, workers=workers)
    wall_s, cost_s = time.perf_counter() - started, _processor_s() - before
    window = scenario.site.simulation
    measured_s = len(jobs) * (window.end_s - window.begin_s - window.warm_up_s)
    print(f"# {datetime.now(UTC):%Y-%m-%d}: {pairs} pairs on {workers} processes")
    print(f"wall_s,{wall_s:.0f}")
    print(f"processor_s,{cost_s:.0f}")
    print(f"simulated_after_warm_up_s,{measured_s:.0f}")
    print(f"times_real_time,{measured_s / wall_s:.1f}")
    print(f"times_real_time_if_{workers}_processors_were_free,{measured_s * workers / cost_s:.1f}")


if __name__ == "__main__":
    main()
