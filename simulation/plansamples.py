"""A fixed plan run second by second, for samples of what each lane holds."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import sumo

from models.errors import XanhError
from models.plan import Plan
from models.policy import Sensing
from models.site import Site
from simulation.control_area import Wiring, wire
from simulation.guard import die_with_parent
from simulation.results import SimulationResult
from simulation.runner import SimulationJob, command, measure_all, prepare
from simulation.samples import SampleWriter
from simulation.scratch import Scratch
from simulation.sumo_session import libsumo


def simulate_sampled(job: SimulationJob, site: Site, plan: Plan, samples: Path) -> SimulationResult:
    """Run a plan in a new process and write samples of every second (``SampleWriter``).

    The measures are those of ``simulate``; it takes longer, as SUMO is asked each second.

    Raises:
        XanhError: If SUMO breaks off or the file cannot be written.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        max_workers=1, mp_context=context, initializer=die_with_parent
    ) as pool:
        try:
            return pool.submit(_run, replace(job, plan=plan), site, plan, samples).result()
        except BrokenProcessPool:
            raise XanhError(f"simulation {job.name} failed: SUMO broke down") from None


def _run(job: SimulationJob, site: Site, plan: Plan, samples: Path) -> SimulationResult:
    started = time.perf_counter()
    os.environ["SUMO_HOME"] = str(sumo.SUMO_HOME)
    wiring = wire(site, plan, sensing=Sensing.ORACLE)
    sumo_: Any = libsumo()
    with Scratch("run") as folder:
        prepare(job, folder)
        try:
            sumo_.start(["sumo", *command(job, folder)[1:]])
            try:
                _steps(sumo_, job, wiring, samples)
            finally:
                sumo_.close()
        except (sumo_.TraCIException, sumo_.FatalTraCIError) as error:
            raise XanhError(f"simulation {job.name} failed: {error}") from None
        return replace(measure_all(job, folder), wall_s=time.perf_counter() - started)


def _steps(sumo_: Any, job: SimulationJob, wiring: Wiring, samples: Path) -> None:
    options = job.options
    every = max(1, round(1.0 / options.step_s))
    stages = {
        name: {stage.letters: stage.id for stage in control.stages.values()}
        for name, control in wiring.area.junctions.items()
    }
    with SampleWriter(samples, wiring, sumo_) as writer:
        for step in range(round((options.end_s - options.begin_s) / options.step_s)):
            if step % every == 0:
                signals = {}
                for name, known in stages.items():
                    letters = sumo_.trafficlight.getRedYellowGreenState(name)
                    signals[name] = (known.get(letters, ""), letters)
                writer.add(options.begin_s + step * options.step_s, signals)
            sumo_.simulationStep()
