"""Run a policy on a site: SUMO inside a process of its own, one simulation per process."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import sumo

from models.errors import XanhError
from models.plan import Plan
from models.policy import ExplainingPolicy, Observation, Sensing, SignalPolicy, StageChoice
from models.site import Site
from models.validation import Kpi
from simulation.control_area import Wiring, wire
from simulation.guard import die_with_parent
from simulation.metrics import MovementDelay
from simulation.red_extension import Inside, JunctionWatch
from simulation.results import SimulationResult
from simulation.runner import SimulationJob, command, measure_all, prepare
from simulation.samples import SampleWriter
from simulation.scratch import Scratch
from simulation.sensing import (
    DetectorSensor,
    OracleSensor,
    Sensed,
    Sensor,
    called_links,
    write_detectors,
)
from simulation.signal_executor import SignalExecutor
from simulation.sumo_session import libsumo

DECISION_S = 1.0
"""A policy is asked once a second, whatever the simulation's step."""


@dataclass(frozen=True, slots=True)
class PolicyJob:
    """One run of a policy.

    ``run`` says what is simulated (its ``plan`` stays None: the policy shows the stages of
    ``plan``, and composed ones if ``choice`` says so); ``red_extension_s`` is the longest by which
    a change waits for whoever stands on the junction. ``make`` builds the policy in the process
    that runs it and must be picklable. ``samples`` is a Parquet file to write. ``explain`` is a
    junction and the second from which on its next decision is to be explained.
    """

    run: SimulationJob
    site: Site
    plan: Plan
    policy: str
    make: Callable[[], SignalPolicy]
    sensing: Sensing = Sensing.ORACLE
    miss_rate: float = 0.05
    choice: StageChoice = StageChoice.PLAN
    red_extension_s: float = 0.0
    samples: Path | None = None
    explain: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class DecisionTime:
    """Processor time that a policy took, milliseconds per junction and second."""

    mean_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """What a run gave; ``run`` holds all of its measures.

    ``switches`` counts changes of stage; ``overruled`` wishes that were not followed because
    somebody had waited too long; ``extended_s`` how long changes waited for whoever stood on a
    junction; ``silent_s`` the seconds in which the policy failed, or named
    stages that do not exist, and the fixed plan stood in; ``fault`` is its first failure.
    ``explanation`` is the decision asked for, None if there was none.
    """

    name: str
    seed: int
    policy: str
    run: SimulationResult
    kpi: Kpi
    movements: Mapping[str, MovementDelay]
    decision: DecisionTime
    switches: int
    overruled: int
    extended_s: float
    silent_s: float
    fault: str
    wall_s: float
    explanation: Mapping[str, object] | None = None


def run_policy(job: PolicyJob) -> PolicyResult:
    """Run a job in a new process.

    Raises:
        XanhError: If SUMO or the policy's start fails, or the process ends early; names the job.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        max_workers=1, mp_context=context, initializer=die_with_parent
    ) as pool:
        try:
            return pool.submit(simulate_policy, job).result()
        except BrokenProcessPool:
            raise XanhError(f"simulation {job.run.name} failed: SUMO broke down") from None


def simulate_policy(job: PolicyJob) -> PolicyResult:
    """Run a job in this process, which must not run a SUMO already; leaves no file behind.

    Raises:
        XanhError: As :func:`run_policy`.
    """
    started = time.perf_counter()
    os.environ["SUMO_HOME"] = str(sumo.SUMO_HOME)
    wiring = wire(job.site, job.plan, sensing=job.sensing, choice=job.choice)
    with Scratch("run") as folder:
        prepare(job.run, folder)
        drive = PolicyDrive(job, wiring, folder)
        drive.run()
        measured = measure_all(job.run, folder)
    return PolicyResult(
        name=job.run.name,
        seed=job.run.seed,
        policy=job.policy,
        run=measured,
        kpi=measured.kpi,
        movements=measured.movements,
        decision=drive.decision_time(),
        switches=drive.switches,
        overruled=sum(executor.overruled for executor in drive.executors.values()),
        extended_s=sum(executor.extended_s for executor in drive.executors.values()),
        silent_s=drive.silent_s,
        fault=drive.fault,
        wall_s=time.perf_counter() - started,
        explanation=drive.explanation,
    )


class PolicyDrive:
    """One run: observe, decide, show, step."""

    def __init__(self, job: PolicyJob, wiring: Wiring, folder: Path) -> None:
        """Nothing happens before :meth:`run`."""
        self.job = job
        self.wiring = wiring
        self.folder = folder
        self.executors: dict[str, SignalExecutor] = {}
        self.switches = 0
        self.silent_s = 0.0
        self.fault = ""
        self.explanation: Mapping[str, object] | None = None
        self._decisions_ms: list[float] = []
        self._shown: dict[str, str] = {}

    def run(self) -> None:
        """Start SUMO in this process, run to the end, close it.

        Raises:
            XanhError: As :func:`run_policy`.
        """
        job = self.job
        sumo_: Any = libsumo()
        # A second start is silently accepted by libsumo and takes the first one's place.
        if sumo_.isLoaded():
            raise XanhError("a SUMO runs in this process already; run a policy in its own process")
        run = job.run
        if job.sensing is Sensing.DETECTORS:
            path = self.folder / "detectors.add.xml"
            write_detectors(self.wiring, path, step_s=run.options.step_s)
            run = replace(run, additional=(*run.additional, path))
        try:
            sumo_.start(["sumo", *command(run, self.folder)[1:]])
            try:
                self.steps(sumo_)
            finally:
                sumo_.close()
        except (sumo_.TraCIException, sumo_.FatalTraCIError) as error:
            raise XanhError(f"simulation {run.name} failed: {error}") from None

    def steps(self, sumo_: Any) -> None:
        """Go through all seconds of the run in a SUMO that has been started.

        Args:
            sumo_: libsumo, or a module with the same calls (traci).

        Raises:
            XanhError: If the policy does not start.
        """
        job, options = self.job, self.job.run.options
        policy = job.make()
        try:
            policy.start(self.wiring.area, job.run.seed)
        except Exception as error:
            raise XanhError(
                f"simulation {job.run.name} failed: policy {job.policy} does not start: {error}"
            ) from error
        sensor: Sensor
        seed, inner = job.run.seed, self.wiring.inner
        if job.sensing is Sensing.DETECTORS:
            missed = job.miss_rate
            sensor = DetectorSensor(self.wiring, sumo_, miss_rate=missed, seed=seed)
            watch = JunctionWatch(inner, sumo_, seed=seed, miss_rate=missed, late_s=DECISION_S)
        else:
            sensor = OracleSensor(self.wiring, sumo_)
            watch = JunctionWatch(inner, sumo_, seed=seed)
        begin_s, step_s = options.begin_s, options.step_s
        self.executors = {
            name: SignalExecutor(
                control, begin_s=begin_s, step_s=step_s, red_extension_s=job.red_extension_s
            )
            for name, control in self.wiring.area.junctions.items()
        }
        every = max(1, round(DECISION_S / step_s))
        wishes: Mapping[str, str] = {}
        called: Mapping[str, Collection[int]] = {}
        inside: Mapping[str, Mapping[str, Inside]] = {}
        steps = round((options.end_s - begin_s) / step_s)
        with SampleWriter(job.samples, self.wiring, sumo_) as samples:
            for step in range(steps):
                time_s = begin_s + step * step_s
                asked = step % every == 0
                if asked:
                    sensed = sensor.sense(time_s)
                    wishes = self._decide(policy, sensed, time_s)
                    self._explain(policy, time_s)
                    called = called_links(self.wiring.area, sensed)
                    if job.red_extension_s:
                        inside = {
                            name: watch.look(name, time_s)
                            for name, executor in self.executors.items()
                            if executor.shown.next_stage is not None
                        }
                for name, executor in self.executors.items():
                    before = executor.shown.stage
                    letters = executor.advance(
                        time_s, wishes.get(name), called[name], inside.get(name, {})
                    )
                    self.switches += executor.shown.stage != before
                    if self._shown.get(name) != letters:
                        sumo_.trafficlight.setRedYellowGreenState(name, letters)
                        self._shown[name] = letters
                if asked:
                    samples.add(time_s, {n: ex.signal for n, ex in self.executors.items()})
                sumo_.simulationStep()

    def _decide(self, policy: SignalPolicy, sensed: Sensed, time_s: float) -> Mapping[str, str]:
        observation = Observation(
            time_s=time_s,
            sensed_s=sensed.time_s,
            shown={name: executor.shown for name, executor in self.executors.items()},
            vehicles=sensed.vehicles,
            readings=sensed.readings,
            passed=sensed.passed,
            behind=sensed.behind,
            shares=sensed.shares,
            free_m=sensed.free_m,
            standing=sensed.standing,
            red_since_s={name: executor.red_since_s() for name, executor in self.executors.items()},
            requests=sensed.requests,
        )
        started = time.process_time()
        try:
            wishes = dict(policy.decide(observation))
        except Exception as error:  # whatever a policy does, the signals go on
            self.fault = self.fault or f"{type(error).__name__}: {error}"
            wishes = {name: ex.plan_stage(time_s) for name, ex in self.executors.items()}
            self.silent_s += DECISION_S
        else:
            stages = {name: ex.control.stages for name, ex in self.executors.items()}
            if any(stage not in stages.get(name, ()) for name, stage in wishes.items()):
                self.silent_s += DECISION_S
                self.fault = self.fault or "it names a stage that does not exist"
        elapsed_ms = (time.process_time() - started) * 1000
        self._decisions_ms.append(elapsed_ms / max(1, len(self.executors)))
        return wishes

    def _explain(self, policy: SignalPolicy, time_s: float) -> None:
        """Keep the first decision from the second on that was asked for."""
        if self.job.explain is None or self.explanation is not None:
            return
        junction, from_s = self.job.explain
        if time_s >= from_s and isinstance(policy, ExplainingPolicy):
            self.explanation = policy.explanation(junction, time_s)

    def decision_time(self) -> DecisionTime:
        """What the policy's decisions took."""
        times = np.array(self._decisions_ms or [0.0])
        return DecisionTime(float(times.mean()), float(np.percentile(times, 99)))
