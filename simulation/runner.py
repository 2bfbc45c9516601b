"""Run SUMO over a plan and a demand, one process per run, and measure what happened.

Nothing needs to be stepped here, so the plain ``sumo`` program of the installed wheel does the
work: it is the fastest way. ``simulate`` and its job can be pickled, so that any
``concurrent.futures`` executor carries a sweep.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

import sumo

from models.errors import BadInput, XanhError
from models.junction import Junction
from models.plan import Plan
from models.site import SimulationOptions, Site
from models.validation import Measures
from simulation.conflicts import entered_on_red, read_conflicts, ssm_options
from simulation.guard import run_guarded
from simulation.history import run_history, split_use, standstill
from simulation.metrics import (
    all_drives,
    kpi,
    movement_delays,
    planned_routes,
    read_drives,
    read_everybody,
    signalized_turns,
    types_of_class,
)
from simulation.netfile import read_net
from simulation.probes import read_spillback, read_states, upstream_ends, write_probes
from simulation.programs import write_additional
from simulation.results import SimulationResult as SimulationResult  # noqa: PLC0414 - taken from here
from simulation.roads import read_roads
from simulation.scratch import Scratch
from simulation.spawned import SpawnedProcesses

SUMO_BINARY = Path(sumo.SUMO_HOME) / "bin" / "sumo"

# What a site may set otherwise by its own options (SUMO refuses an option given twice). No
# vehicle is ever taken off the road, whatever a plan does to it.
DEFAULTS: Mapping[str, str] = {
    "--time-to-teleport": "-1",
    "--no-step-log": "true",
    "--no-warnings": "true",
    "--xml-validation": "never",
}


_BUSES = frozenset({"bus", "coach"})
_LEAST_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a run measures beyond delay.

    ``probes``: queues, splits, fuel, pedestrians and buses. ``safety``: surrogate safety, which
    makes a run several times as long. ``positions``: a Parquet file for where everybody is in
    each second from ``positions_from_s`` on, kept for whoever asked.
    """

    probes: bool = True
    safety: bool = False
    positions: Path | None = None
    positions_from_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SimulationJob:
    """One run: what is simulated, with which signals, and how.

    ``plan`` None keeps the network's own programs. ``demand`` are SUMO route files,
    ``additional`` further SUMO inputs (vehicle types). ``name`` is how errors call the run.
    ``outputs`` None measures what ``kpi.json`` holds and nothing else.
    """

    name: str
    network: Path
    junctions: Mapping[str, Junction]
    plan: Plan | None
    demand: tuple[Path, ...]
    seed: int
    options: SimulationOptions
    additional: tuple[Path, ...] = ()
    outputs: Outputs | None = None

    @property
    def patience_s(self) -> float:
        """Processor time after which a run is given up: as slow as the street itself.

        The example corridor runs 60 to 80 times as fast, 10 with surrogate safety.
        """
        return max(_LEAST_PATIENCE_S, self.options.end_s - self.options.begin_s)


class SimulationFailed(XanhError):
    """A run that gave no result: which one, and why."""

    def __init__(self, name: str, reason: str) -> None:
        """Build the line."""
        self.name, self.reason = name, reason
        super().__init__(f"simulation {name} failed: {reason}")

    def __reduce__(self) -> tuple[type[SimulationFailed], tuple[str, str]]:
        return type(self), (self.name, self.reason)


class TooSlow(SimulationFailed):
    """A run that ground along until its time was over."""


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
        TooSlow: If it takes longer than the job's patience.
        SimulationFailed: If SUMO refuses or breaks off, naming the job and SUMO's first error.
    """
    started = time.perf_counter()
    for path in (job.network, *job.demand, *job.additional):
        if not path.exists():
            raise SimulationFailed(job.name, f"{path} is not here; all machines need the folder")
    with Scratch("run") as folder:
        prepare(job, folder)
        run_sumo(job, folder)
        return replace(measure_all(job, folder), wall_s=time.perf_counter() - started)


def run_sumo(job: SimulationJob, folder: Path) -> None:
    """Run SUMO on what ``prepare`` wrote, until it has ended.

    Raises:
        TooSlow: If it takes longer than the job's patience.
        SimulationFailed: If SUMO refuses or breaks off, naming the job and SUMO's first error.
    """
    ended = run_guarded(
        command(job, folder),
        folder=folder,
        environment=sumo_environment(),
        cpu_limit_s=job.patience_s,
        # Other work on the machine may slow a run down; for ever is still too long.
        wall_limit_s=10 * job.patience_s,
    )
    if ended.timed_out:
        raise TooSlow(
            job.name,
            f"given up after {job.patience_s:g} s of processor time: the traffic has ground to a "
            "standstill, or the demand is far beyond what the network carries",
        )
    if ended.code != 0:
        raise SimulationFailed(job.name, _first_error(ended.complaint, ended.code))


def prepare(job: SimulationJob, folder: Path) -> None:
    """Write what SUMO reads beside the job's own files (``command`` names them)."""
    if job.plan is not None:
        write_additional(
            job.plan, job.junctions, folder / "signals.add.xml", step_s=job.options.step_s
        )
    if job.outputs is not None and job.outputs.probes:
        net = read_net(job.network)
        ends = upstream_ends(job.junctions.values(), net)
        write_probes(folder / "probes.add.xml", folder, job.junctions, ends, net)


def measure_all(job: SimulationJob, folder: Path) -> SimulationResult:
    """Everything that the outputs in ``folder`` say of a job's run; ``wall_s`` is 0.

    Raises:
        XanhError: If SUMO's outputs are not complete.
    """
    options = job.options
    begin_s, end_s = options.begin_s + options.warm_up_s, options.end_s
    everybody = read_everybody(folder / "tripinfo.xml", end_s=end_s)
    trips = [trip for trip in everybody.trips if begin_s <= trip.planned_s]
    turns, roads = signalized_turns(job.junctions.values()), read_roads(job.network)
    driven = list(read_drives(folder / "vehroutes.xml"))
    outside = frozenset(trip.id for trip in everybody.trips if not trip.departed)
    planned = planned_routes(job.demand, outside)
    movements = movement_delays(trips, driven, turns, roads, planned)
    result = SimulationResult(job.name, job.seed, kpi(trips), movements, 0.0)
    if job.outputs is None:
        return result
    drives = all_drives(everybody.trips, driven, turns, planned)
    states = read_states(folder / "states.xml")
    if job.outputs.positions is not None and states:
        shutil.copyfile(folder / "states.xml", states_beside(job.outputs.positions))
    by_id = {trip.id: trip for trip in everybody.trips}
    ends = upstream_ends(job.junctions.values(), read_net(job.network))
    spillback, anywhere = read_spillback(folder / "ends.xml", ends, begin_s=begin_s, end_s=end_s)
    buses = types_of_class((*job.demand, *job.additional), _BUSES)
    delayed_buses = [trip.delay_s for trip in trips if trip.vehicle_type in buses]
    walkers = [walker.lost_s for walker in everybody.walkers if walker.depart_s >= begin_s]
    arrived = sum(trip.arrived and trip.arrival_s >= begin_s for trip in everybody.trips)
    passed = sum(delay.vehicles for delay in movements.values())
    inserted = [trip for trip in trips if trip.departed]
    measures = Measures(
        control_delay_s=_mean(
            sum(delay.vehicles * delay.delay_s for delay in movements.values()), passed
        ),
        throughput_vph=arrived * 3600.0 / (end_s - begin_s),
        spillback_pct=anywhere if ends else None,
        pedestrian_delay_s=_mean(sum(walkers), len(walkers)),
        bus_delay_s=_mean(sum(delayed_buses), len(delayed_buses)),
        fuel_g=_mean(sum(trip.fuel_g for trip in inserted), len(inserted)),
        co2_g=_mean(sum(trip.co2_g for trip in inserted), len(inserted)),
    )
    if job.outputs.safety:
        found = read_conflicts(
            folder / "ssm.xml", entered_on_red(drives, job.junctions, states), begin_s=begin_s
        )
        per = 1000.0 / max(len(inserted), 1)
        measures = replace(
            measures,
            ttc_conflicts=found.ttc * per,
            pet_conflicts=found.pet * per,
            red_light_conflicts=found.red_light * per,
        )
    window = {"begin_s": begin_s, "end_s": end_s}
    departures = {
        trip.id: trip.planned_s + trip.wait_s for trip in everybody.trips if trip.departed
    }
    return replace(
        result,
        measures=measures,
        spillback_pct=spillback,
        splits=split_use(by_id, drives, job.junctions.values(), states, roads, **window),
        history=run_history(everybody.trips, drives, turns, roads, **window),
        gridlock=standstill(driven, departures, end_s=end_s),
    )


def states_beside(positions: Path) -> Path:
    """Where the signal states of a run are kept that keeps its positions."""
    return positions.with_suffix(".states.xml")


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None


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
        workers: Spawned processes at a time, when no executor is given.
        executor: Where to run instead: other processes, or machines that see the same files.
        progress: Called with (done, total) after each run, from the calling thread.

    Raises:
        XanhError: At the first job that fails, named; the others are dropped.
    """
    with simulations(executor, workers) as pool:
        futures = [pool.submit(simulate, job) for job in jobs]
        names = {future: job.name for future, job in zip(futures, jobs, strict=True)}
        for done, future in enumerate(as_completed(futures), start=1):
            error = future.exception()
            if isinstance(error, XanhError) and not isinstance(error, SimulationFailed | BadInput):
                raise SimulationFailed(names[future], str(error))
            future.result()
            if progress is not None:
                progress(done, len(jobs))
        return tuple(future.result() for future in futures)


@contextmanager
def simulations(given: Executor | None, workers: int) -> Iterator[Executor]:
    """Where to simulate: ``given``, which stays open, or spawned processes.

    Own processes are killed when the block is left early, and gone when it is left at all. What
    runs elsewhere ends by itself: each run has its patience.
    """
    if given is not None:
        yield given
        return
    pool = SpawnedProcesses(workers)
    try:
        yield pool
    finally:
        pool.kill()


def command(job: SimulationJob, folder: Path) -> list[str]:
    """The SUMO command of a job for which ``folder`` was prepared.

    Vehicles that did not finish, or never entered, are always written: without them a bad plan
    would look better than it is.
    """
    options = job.options
    additional = [str(path) for path in job.additional]
    outputs = job.outputs or Outputs(probes=False)
    if job.plan is not None:
        additional.append(str(folder / "signals.add.xml"))
    if outputs.probes:
        additional.append(str(folder / "probes.add.xml"))
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
    if outputs.probes:
        line += ["--device.emissions.probability", "1"]
    if outputs.safety:
        line += ssm_options(folder)
    if outputs.positions is not None:
        line += [
            *("--fcd-output", str(outputs.positions)),
            *("--fcd-output.attributes", "id,x,y,angle,type,lane,pos"),
            *("--device.fcd.begin", f"{outputs.positions_from_s:g}"),
        ]
    given = {option.partition("=")[0] for option in options.options}
    for option, value in DEFAULTS.items():
        if option not in given:
            line += [option, value]
    return [*line, *options.options]


def sumo_environment() -> dict[str, str]:
    """Environment in which the wheel's SUMO finds its own data, whatever is set outside."""
    return {**os.environ, "SUMO_HOME": str(sumo.SUMO_HOME)}


def _first_error(complaint: str, code: int) -> str:
    """SUMO's own first error, else how it ended."""
    for line in complaint.splitlines():
        if line.strip().startswith("Error:"):
            return line.strip().removeprefix("Error: ")
    ended = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"SUMO {ended}"
