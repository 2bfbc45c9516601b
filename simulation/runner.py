"""Run SUMO over a plan and a demand, one process per run, and measure what happened.

Nothing needs to be stepped here, so the plain ``sumo`` program of the installed wheel does the
work: it is the fastest way, every run has its own process, and the threads of this one only
wait for it. ``simulate`` can be pickled, so that any ``concurrent.futures`` executor carries a
sweep.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import sumo

from models.errors import BadInput, XanhError
from models.junction import Junction
from models.plan import Plan
from models.site import SimulationOptions, Site
from models.validation import Kpi
from simulation.metrics import (
    MovementDelay,
    kpi,
    movement_delays,
    planned_routes,
    read_drives,
    read_trips,
    signalized_turns,
)
from simulation.programs import write_additional
from simulation.roads import read_roads

SUMO_BINARY = Path(sumo.SUMO_HOME) / "bin" / "sumo"

# What a site may set otherwise by its own options (SUMO refuses an option given twice). No
# vehicle is ever taken off the road, whatever a plan does to it.
DEFAULTS: Mapping[str, str] = {
    "--time-to-teleport": "-1",
    "--no-step-log": "true",
    "--no-warnings": "true",
    "--xml-validation": "never",
}


@dataclass(frozen=True, slots=True)
class SimulationJob:
    """One run: what is simulated, with which signals, and how.

    ``plan`` None keeps the network's own programs. ``demand`` are SUMO route files,
    ``additional`` further SUMO inputs (vehicle types). ``name`` is how errors call the run.
    """

    name: str
    network: Path
    junctions: Mapping[str, Junction]
    plan: Plan | None
    demand: tuple[Path, ...]
    seed: int
    options: SimulationOptions
    additional: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """What a run gave; ``movements`` holds every movement that a vehicle used or headed for."""

    name: str
    seed: int
    kpi: Kpi
    movements: Mapping[str, MovementDelay]
    wall_s: float


@cache
def sumo_version() -> str:
    """Version of the SUMO that runs, like ``1.28.0``."""
    return version("eclipse-sumo")


def site_job(
    site: Site,
    plan: Plan | None,
    demand: Sequence[Path],
    *,
    seed: int,
    name: str,
    vehicle_types: bool = False,
) -> SimulationJob:
    """The run of a plan on a site; ``vehicle_types`` adds the site's file of vehicle types.

    Raises:
        BadInput: If the site has no network.
    """
    if site.network is None:
        raise BadInput(
            str(site.folder / "site.yaml"),
            "network",
            "this site has no network, so nothing can be simulated; valid is a SUMO .net.xml",
        )
    types = site.simulation.vehicle_types
    return SimulationJob(
        name=name,
        network=site.network,
        junctions=dict(site.junctions),
        plan=plan,
        demand=tuple(demand),
        seed=seed,
        options=site.simulation,
        additional=(site.folder / types,) if vehicle_types and types else (),
    )


def simulate(job: SimulationJob) -> SimulationResult:
    """Run one job in a SUMO process of its own and measure it; leaves no file behind.

    Raises:
        XanhError: If SUMO refuses or breaks off, naming the job and SUMO's first error.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="xanh-run-") as temporary:
        folder = Path(temporary)
        _run(job, folder)
        measured, movements = measure(job, folder)
    return SimulationResult(job.name, job.seed, measured, movements, time.perf_counter() - started)


def measure(job: SimulationJob, folder: Path) -> tuple[Kpi, Mapping[str, MovementDelay]]:
    """What the run of a job whose outputs stand in ``folder`` gave.

    Raises:
        XanhError: If SUMO's outputs are not complete.
    """
    options = job.options
    trips = list(
        read_trips(
            folder / "tripinfo.xml",
            begin_s=options.begin_s + options.warm_up_s,
            end_s=options.end_s,
        )
    )
    outside = frozenset(trip.id for trip in trips if not trip.departed)
    movements = movement_delays(
        trips,
        read_drives(folder / "vehroutes.xml"),
        signalized_turns(job.junctions.values()),
        read_roads(job.network),
        planned_routes(job.demand, outside),
    )
    return kpi(trips), movements


def sweep(
    jobs: Sequence[SimulationJob],
    *,
    workers: int = 2,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[SimulationResult, ...]:
    """Run jobs side by side; results in the order of the jobs.

    Args:
        jobs: The runs.
        workers: SUMO processes at a time, when no executor is given.
        executor: Where to run instead: processes, or other machines that see the same files.
        progress: Called with (done, total) after each run, from the calling thread.

    Raises:
        XanhError: At the first job that fails; those that have not begun are dropped.
    """
    with _executor(executor, workers) as pool:
        futures: list[Future[SimulationResult]] = [pool.submit(simulate, job) for job in jobs]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                if progress is not None:
                    progress(done, len(jobs))
        finally:
            for future in futures:
                future.cancel()
        return tuple(future.result() for future in futures)


@contextmanager
def _executor(given: Executor | None, workers: int) -> Iterator[Executor]:
    if given is not None:
        yield given
        return
    with ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="sumo") as pool:
        yield pool


def command(job: SimulationJob, folder: Path) -> list[str]:
    """The SUMO command of a job whose signals, if any, stand in ``folder/signals.add.xml``.

    Vehicles that did not finish, or never entered, are always written: without them a bad plan
    would look better than it is.
    """
    options = job.options
    additional = [str(path) for path in job.additional]
    if job.plan is not None:
        additional.append(str(folder / "signals.add.xml"))
    line = [
        str(SUMO_BINARY),
        *("--net-file", str(job.network)),
        *("--route-files", ",".join(str(path) for path in job.demand)),
        *("--begin", f"{options.begin_s:g}", "--end", f"{options.end_s:g}"),
        *("--step-length", f"{options.step_s:g}"),
        *("--seed", str(job.seed)),
        *("--tripinfo-output", str(folder / "tripinfo.xml")),
        *("--tripinfo-output.write-unfinished", "--tripinfo-output.write-undeparted"),
        *("--vehroute-output", str(folder / "vehroutes.xml")),
        *("--vehroute-output.exit-times", "--vehroute-output.write-unfinished"),
    ]
    if additional:
        line += ["--additional-files", ",".join(additional)]
    given = {option.partition("=")[0] for option in options.options}
    for option, value in DEFAULTS.items():
        if option not in given:
            line += [option, value]
    return [*line, *options.options]


def sumo_environment() -> dict[str, str]:
    """Environment in which the wheel's SUMO finds its own data, whatever is set outside."""
    return {**os.environ, "SUMO_HOME": str(sumo.SUMO_HOME)}


def _run(job: SimulationJob, folder: Path) -> None:
    if job.plan is not None:
        write_additional(
            job.plan, job.junctions, folder / "signals.add.xml", step_s=job.options.step_s
        )
    process = subprocess.Popen(
        command(job, folder),
        env=sumo_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        _, complaint = process.communicate()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode != 0:
        lines = [line.strip() for line in complaint.splitlines()]
        errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error:")]
        reason = errors[0] if errors else f"SUMO ended with code {process.returncode}"
        raise XanhError(f"simulation {job.name} failed: {reason}")
