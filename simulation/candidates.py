"""What may be put to the test: a plan, or a policy that decides while traffic flows."""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from models.plan import Plan
from models.policy import Sensing, SignalPolicy, StageChoice
from models.site import Site
from simulation.control_area import EnvelopeChange
from simulation.guard import run_guarded
from simulation.jobkey import digest_of, job_key
from simulation.policyrun import PolicyJob
from simulation.results import FORMAT, SimulationResult
from simulation.runner import (
    SimulationFailed,
    SimulationJob,
    TooSlow,
    simulate,
    sumo_environment,
    sumo_version,
)
from simulation.scratch import Scratch

_POLICY_PATIENCE = 4.0
"""A policy thinks on the same processor: so much more patience than for a plan."""


@dataclass(frozen=True, slots=True)
class PolicyCandidate:
    """A policy with all that decides what it does.

    ``make`` builds it in the process that runs it and must be picklable. It shows the stages of
    ``plan``, and others as ``choice`` says, within the envelope as ``change``d, its changes
    lengthened by up to ``red_extension_s``; the plan also stands in when it is silent;
    ``version`` tells one edition of the policy from another.
    """

    name: str
    plan: Plan
    make: Callable[[], SignalPolicy]
    sensing: Sensing = Sensing.ORACLE
    miss_rate: float = 0.05
    choice: StageChoice = StageChoice.PLAN
    red_extension_s: float = 0.0
    change: EnvelopeChange = field(default_factory=EnvelopeChange)
    version: str = ""

    @property
    def site(self) -> str:
        """The site that it is for."""
        return self.plan.site

    @property
    def digest(self) -> str:
        """SHA-256 over everything above but ``make``."""
        return digest_of(
            {
                "policy": self.name,
                "version": self.version,
                "plan": self.plan.digest,
                "sensing": self.sensing.value,
                "miss_rate": self.miss_rate if self.sensing is Sensing.DETECTORS else None,
                "stages": self.choice.value,
                "red_extension_s": self.red_extension_s,
                "yellow_s": self.change.yellow_s,
                "red_s": self.change.red_s,
                "min_green_s": self.change.min_green_s,
            }
        )


Candidate: TypeAlias = Plan | PolicyCandidate
Job: TypeAlias = SimulationJob | PolicyJob


def candidate_job(candidate: Candidate, base: SimulationJob, site: Site) -> Job:
    """The run of a candidate, where ``base`` says all but its signals."""
    if isinstance(candidate, Plan):
        return replace(base, plan=candidate)
    changed = candidate.change.applied(site)
    return PolicyJob(
        run=replace(base, plan=None, junctions=dict(changed.junctions)),
        site=changed,
        plan=candidate.plan,
        policy=candidate.name,
        make=candidate.make,
        sensing=candidate.sensing,
        miss_rate=candidate.miss_rate,
        choice=candidate.choice,
        red_extension_s=candidate.red_extension_s,
    )


def result_key(candidate: Candidate, job: Job) -> str:
    """Under which the result of a candidate's job is kept."""
    run = job if isinstance(job, SimulationJob) else job.run
    key = job_key(run, version=sumo_version(), result_format=FORMAT)
    return key if isinstance(job, SimulationJob) else digest_of([key, candidate.digest])


def simulate_candidate(job: Job) -> SimulationResult:
    """Run a job in a process of its own, whichever kind it is.

    Raises:
        TooSlow: If it takes longer than the job's patience.
        SimulationFailed: If it breaks off, naming the job and why.
    """
    if isinstance(job, SimulationJob):
        return simulate(job)
    started = time.perf_counter()
    patience_s = _POLICY_PATIENCE * job.run.patience_s
    with Scratch("policy") as folder:
        (folder / "job").write_bytes(pickle.dumps(job))
        ended = run_guarded(
            [sys.executable, "-m", "simulation.policyprocess", str(folder)],
            folder=folder,
            environment=sumo_environment(),
            cpu_limit_s=patience_s,
            wall_limit_s=10 * patience_s,
        )
        if ended.timed_out:
            raise TooSlow(job.run.name, f"given up after {patience_s:g} s of processor time")
        if ended.code != 0:
            lines = ended.complaint.strip().splitlines()
            raise SimulationFailed(job.run.name, lines[-1] if lines else f"code {ended.code}")
        result: SimulationResult = pickle.loads((folder / "result").read_bytes())
    return replace(result, wall_s=time.perf_counter() - started)
