"""The pairs of a validation: their demand, their runs, submitted ahead and taken in order."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path

from models.counts import CountRow
from models.errors import BadInput, XanhError
from models.plan import Plan
from models.site import Site
from simulation.candidates import Candidate, Job, candidate_job, result_key, simulate_candidate
from simulation.demand import write_demand
from simulation.film import Film, busiest_s, film_job, film_side
from simulation.judge import ResultPair
from simulation.results import ResultFolder, SimulationResult
from simulation.runner import Outputs, SimulationFailed, SimulationJob, site_job
from simulation.variation import growth_pct, vary_counts

_ROLES = ("plan in force", "candidate")


@dataclass(frozen=True, slots=True)
class Pair:
    """Both runs of one seed; a run that gave no result stands with why."""

    number: int
    seed: int
    growth_pct: float
    baseline: SimulationResult | SimulationFailed
    candidate: SimulationResult | SimulationFailed

    @property
    def results(self) -> ResultPair | None:
        """Both results, where both are numbers that mean something."""
        one, other = self.baseline, self.candidate
        if not isinstance(one, SimulationResult) or not isinstance(other, SimulationResult):
            return None
        return None if one.gridlock or other.gridlock else (one, other)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What both sides of every pair are run on; ``counts`` None means the site's own routes."""

    site: Site
    counts: Sequence[CountRow] | None
    growth_range_pct: float
    outputs: Outputs

    def growth(self, number: int) -> float:
        """By how many percent the demand of a pair (from 1) differs from what was counted."""
        return growth_pct(number, self.growth_range_pct)

    def job(self, number: int, seed: int, folder: Path) -> SimulationJob:
        """A run of a pair, still without signals; its demand is written here."""
        site, growth = self.site, self.growth(number)
        name = f"pair {number} (seed {seed})"
        if self.counts is None:
            routes = (site.folder / site.simulation.routes,)
            job = site_job(site, None, routes, seed=seed, name=name, vehicle_types=True)
            job = replace(job, outputs=self.outputs)
            return scaled(job, 1.0 + growth / 100.0) if growth else job
        path = folder / f"demand-{number}-{seed}.rou.xml"
        options = site.simulation
        varied = vary_counts(self.counts, seed=seed, growth=growth)
        write_demand(site, varied, path, seed=seed, begin_s=options.begin_s, end_s=options.end_s)
        return replace(site_job(site, None, (path,), seed=seed, name=name), outputs=self.outputs)


def scaled(job: SimulationJob, factor: float) -> SimulationJob:
    """The job with so much more or less of the same vehicles (SUMO draws which)."""
    options, before = [], 1.0
    given = iter(job.options.options)
    for option in given:
        name, equals, value = option.partition("=")
        if name == "--scale":
            before = float(value if equals else next(given))
        else:
            options.append(option)
    options += ["--scale", f"{before * factor:g}"]
    return replace(job, options=replace(job.options, options=tuple(options)))


class Runs:
    """The runs of a validation, submitted ahead and taken in order."""

    def __init__(
        self,
        scenario: Scenario,
        sides: tuple[Plan, Candidate],
        folder: Path,
        pool: Executor,
        kept: Path | None,
        first_seed: int,
    ) -> None:
        self._scenario, self._sides, self._folder = scenario, sides, folder
        self._pool, self._first_seed = pool, first_seed
        self._kept = None if kept is None else ResultFolder(kept)
        self._futures: list[tuple[Future[SimulationResult], Future[SimulationResult]]] = []

    def submit(self, until: int) -> None:
        """See to it that the pairs up to this one are on their way."""
        while len(self._futures) < until:
            number = len(self._futures) + 1
            base = self._scenario.job(number, self._first_seed + number - 1, self._folder)
            one, other = (
                self._start(side, replace(base, name=f"{base.name}, {role}"))
                for side, role in zip(self._sides, _ROLES, strict=True)
            )
            self._futures.append((one, other))

    def film(self, pairs: Sequence[Pair]) -> Film | None:
        """The busiest minutes of the first pair with numbers; None if there is none."""
        first = next((pair for pair in pairs if pair.results is not None), None)
        if first is None or first.results is None:
            return None
        for ahead in self._futures[len(pairs) :]:
            for future in ahead:
                future.cancel()
        begin_s = busiest_s(first.results, self._scenario.site)
        base = film_job(self._scenario.job(first.number, first.seed, self._folder), begin_s)
        futures = [
            self._pool.submit(
                film_side,
                candidate_job(side, replace(base, name=f"film, {role}"), self._scenario.site),
            )
            for side, role in zip(self._sides, _ROLES, strict=True)
        ]
        try:
            before, after = (future.result() for future in futures)
        except SimulationFailed:
            return None
        seconds = max(1, round(base.options.end_s - begin_s))
        return Film(begin_s, seconds, first.seed, before, after)

    def outcome(self, number: int, side: int) -> SimulationResult | SimulationFailed:
        """What a run gave, once it has ended."""
        try:
            return self._futures[number - 1][side].result()
        except SimulationFailed as failure:
            return failure
        except BadInput:
            raise
        except Exception as error:  # its process was killed, its machine went away
            seed = self._first_seed + number - 1
            what = (
                str(error) if isinstance(error, XanhError) else f"{type(error).__name__}: {error}"
            )
            return SimulationFailed(f"pair {number} (seed {seed}), {_ROLES[side]}", what)

    def pair(
        self,
        number: int,
        one: SimulationResult | SimulationFailed,
        other: SimulationResult | SimulationFailed,
    ) -> Pair:
        """Both outcomes of a pair with what it was run on."""
        return Pair(
            number, self._first_seed + number - 1, self._scenario.growth(number), one, other
        )

    def _start(self, side: Candidate, base: SimulationJob) -> Future[SimulationResult]:
        job: Job = candidate_job(side, base, self._scenario.site)
        if self._kept is None:
            return self._pool.submit(simulate_candidate, job)
        kept, key = self._kept, result_key(side, job)
        known = kept.read(key)
        if known is not None:
            future: Future[SimulationResult] = Future()
            future.set_result(known)
            return future
        future = self._pool.submit(simulate_candidate, job)

        def keep(done: Future[SimulationResult]) -> None:
            if not done.cancelled() and done.exception() is None:
                kept.write(key, done.result())

        future.add_done_callback(keep)
        return future
