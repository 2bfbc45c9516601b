"""Prove a candidate in SUMO before anybody approves it: paired runs against the plan in force."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from models.counts import CountRow, counts_from_csv, counts_to_csv
from models.errors import BadInput
from models.plan import Plan
from models.safety import check_plan
from models.site import Site
from models.validation import Cause, ValidationReport, Verdict
from simulation.candidates import Candidate, PolicyCandidate
from simulation.film import Film
from simulation.jobkey import digest_of, file_digest
from simulation.judge import (
    Evidence,
    Judgement,
    ResultPair,
    gather,
    judge,
    mean_kpi,
    mean_measures,
    worst_of,
)
from simulation.pairs import Pair, Runs, Scenario
from simulation.results import SimulationResult
from simulation.runner import Outputs, SimulationFailed, TooSlow, simulations, sumo_version
from simulation.sequential import FIRST_LOOK
from simulation.wording import reason

MIN_PAIRS = 2
"""An interval needs two pairs; passing needs ``FIRST_LOOK``."""
DEFAULT_LIMIT = 20
"""Pairs at most (benchmarks/power.py): a true change of 5 % is found nine times in ten."""
DEFAULT_GROWTH_PCT = 10.0


@dataclass(frozen=True, slots=True)
class Validation:
    """A report, the runs that it is made of, and a film of its first pair if one was asked for."""

    report: ValidationReport
    pairs: tuple[Pair, ...]
    film: Film | None = None

    @property
    def results(self) -> tuple[ResultPair, ...]:
        """The pairs that count."""
        return tuple(pair.results for pair in self.pairs if pair.results is not None)


def run_validation(
    site: Site,
    candidate: Candidate,
    against: Plan,
    counts: Sequence[CountRow] | None,
    *,
    now: datetime,
    pairs: int = DEFAULT_LIMIT,
    workers: int = 2,
    first_seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
    executor: Executor | None = None,
    sources: tuple[str, str] = ("candidate plan", "plan to compare with"),
    safety: bool = False,
    kept: Path | None = None,
    film: bool = False,
) -> Validation:
    """Compare a candidate with a plan on the same demand and seeds, and judge it.

    Each pair has one seed: the demand drawn with it and SUMO's own randomness are the same for
    both. Demand from counts differs from pair to pair as far as the counts leave it open, and
    grows and shrinks by the site's range (``simulation.variation``). A site that brings its own
    routes runs them verbatim unless its policy sets a growth, so that there only SUMO's seed
    differs; counts other than the site's own replace them.

    From the fifth pair on the verdict is looked at after each (``simulation.sequential``), and
    the validation ends when it is decided or ``pairs`` have been run.

    Args:
        site: The site; its acceptance policy decides the verdict.
        candidate: What to judge; a plan must keep every safety rule of the site.
        against: The plan to compare with, usually the one in force; may be taken as found.
        counts: Demand; None for the site's own routes.
        now: The present, timezone-aware; the report's ``created``.
        pairs: The most pairs that are run; with fewer than 5 nothing passes.
        workers: Simulations at a time.
        first_seed: Seed of the first pair; the others follow.
        progress: Called with (runs done, runs at most).
        executor: Where to run instead of here (see ``runner.sweep``).
        sources: What errors call the candidate and the other plan, such as their files.
        safety: Measure surrogate safety too; runs take several times as long.
        kept: Folder where each run's result stays: a rerun goes on from there.
        film: Run the first pair that counts once more, for a film of its busiest minutes.

    Raises:
        BadInput: If the site has no network, the candidate breaks a safety rule, a plan does
            not fit the site, or there are too few pairs.
    """
    if pairs < MIN_PAIRS:
        raise BadInput("pairs", "", f"{pairs}; valid is {MIN_PAIRS} or more")
    _check_plans(site, candidate, against, sources)
    own = runs_own_routes(site, counts)
    growth = site.acceptance.growth_pct
    scenario = Scenario(
        site=site,
        counts=None if own else counts,
        growth_range_pct=(0.0 if own else DEFAULT_GROWTH_PCT) if growth is None else growth,
        outputs=Outputs(safety=safety),
    )
    done: list[Pair] = []
    judgement = Judgement(Verdict.UNDECIDED, Cause.FEW_PAIRS)
    evidence: Evidence | None = None
    same = candidate.digest == against.digest
    with _work_folder(kept) as folder, simulations(executor, workers) as pool:
        runs = Runs(scenario, (against, candidate), folder, pool, kept, first_seed)
        for number in range(1, pairs + 1):
            runs.submit(min(pairs, max(FIRST_LOOK, number + -(-workers // 2))))
            one = runs.outcome(number, 0)
            if progress is not None:
                progress(2 * number - 1, 2 * pairs)
            other = runs.outcome(number, 1)
            if progress is not None:
                progress(2 * number, 2 * pairs)
            done.append(runs.pair(number, one, other))
            stopped = _standing_still(done, last=number == pairs)
            if stopped is not None:
                judgement, evidence = stopped, None
                break
            counted = [pair.results for pair in done if pair.results is not None]
            if number < min(FIRST_LOOK, pairs) or len(counted) < MIN_PAIRS:
                continue
            evidence = gather(counted, site.acceptance, pairs)
            if "delay_s" not in evidence.change:
                judgement = Judgement(
                    Verdict.UNDECIDED, Cause.NO_NUMBER, "no vehicle was delayed at all"
                )
                evidence = None
                break
            judgement = judge(evidence, site.acceptance, same_plan=same)
            if judgement.final:
                break
        filmed = runs.film(done) if film else None
    report = _report(scenario, candidate, against, done, judgement, evidence, limit=pairs, now=now)
    return Validation(report, tuple(done), filmed)


def runs_own_routes(site: Site, counts: Sequence[CountRow] | None) -> bool:
    """Whether the site's own routes are run verbatim under these counts.

    Raises:
        BadInput: If there are neither routes nor counts.
    """
    if not site.simulation.routes:
        if counts is None:
            raise BadInput(str(site.counts_path), "", "no counts; valid is a counts.csv")
        return False
    if counts is None:
        return True
    try:
        text = site.counts_path.read_text(encoding="utf-8")
    except OSError:
        return False
    return counts_to_csv(counts_from_csv(text, str(site.counts_path))) == counts_to_csv(counts)


def scenario_digest(
    site: Site, counts: Sequence[CountRow] | None, growth_range_pct: float = 0.0
) -> str:
    """SHA-256 over all that two runs with the same plan and seed must share.

    The network, the demand (the site's routes where ``counts`` is None), how far it grows, the
    vehicle types and the simulation's options.
    """
    options = site.simulation
    body = {
        "network": file_digest(site.network),
        "demand": file_digest(site.folder / options.routes)
        if counts is None
        else hashlib.sha256(counts_to_csv(counts).encode()).hexdigest(),
        "vehicle_types": file_digest(site.folder / options.vehicle_types)
        if options.vehicle_types
        else "",
        "begin_s": options.begin_s,
        "end_s": options.end_s,
        "warm_up_s": options.warm_up_s,
        "step_s": options.step_s,
        "options": list(options.options),
        "growth_pct": growth_range_pct,
    }
    return digest_of(body)


@contextmanager
def _work_folder(kept: Path | None) -> Iterator[Path]:
    """Where demand files lie while runs need them: beside the results, where all machines see."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        for left in kept.glob("demand-*"):  # by a validation that was killed
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="demand-", dir=kept) as folder:
        yield Path(folder)


def _standing_still(pairs: Sequence[Pair], *, last: bool) -> Judgement | None:
    """The judgement where runs gave no number: broken off, or ground to gridlock."""
    newest = pairs[-1]
    for run in (newest.baseline, newest.candidate):
        if isinstance(run, SimulationFailed) and not isinstance(run, TooSlow):
            return Judgement(Verdict.UNDECIDED, Cause.NO_NUMBER, str(run))
    only_candidate = sum(bool(_stuck(p.candidate)) > bool(_stuck(p.baseline)) for p in pairs)
    only_baseline = sum(bool(_stuck(p.baseline)) > bool(_stuck(p.candidate)) for p in pairs)
    if only_candidate > only_baseline:
        first = next(p for p in pairs if _stuck(p.candidate) and not _stuck(p.baseline))
        return Judgement(Verdict.FAIL, Cause.GRIDLOCK, _stuck(first.candidate))
    counted = sum(pair.results is not None for pair in pairs)
    enough = min(FIRST_LOOK, len(pairs))
    if counted < enough and (last or (counted == 0 and len(pairs) >= FIRST_LOOK)):
        first = next(p for p in pairs if p.results is None)
        return Judgement(
            Verdict.UNDECIDED,
            Cause.GRIDLOCK_BOTH,
            _stuck(first.baseline) or _stuck(first.candidate),
        )
    return None


def _stuck(run: SimulationResult | SimulationFailed) -> str:
    """How a run stands still, naming it; empty when it does not."""
    if isinstance(run, SimulationResult):
        return f"{run.name}: {run.gridlock}" if run.gridlock else ""
    return f"{run.name}: {run.reason}"


def _check_plans(site: Site, candidate: Candidate, against: Plan, sources: tuple[str, str]) -> None:
    if site.network is None:
        raise BadInput(
            str(site.folder / "site.yaml"),
            "network",
            "this site has no network, so nothing can be simulated; valid is a SUMO .net.xml",
        )
    for item, source in zip((candidate, against), sources, strict=True):
        if item.site != site.id:
            raise BadInput(source, "site", f"{item.site!r}; valid is {site.id!r}")
    if isinstance(candidate, Plan) and (breaches := check_plan(candidate, site.junctions)):
        more = f" (and {len(breaches) - 1} more)" if len(breaches) > 1 else ""
        raise BadInput(sources[0], breaches[0].rule.value, f"{breaches[0].message}{more}")
    named = {plan.junction for plan in against.junctions}
    valid = ", ".join(sorted(site.junctions))
    for name in sorted(named ^ set(site.junctions)):
        problem = f"has no timing for {name!r}" if name in site.junctions else f"{name!r}"
        raise BadInput(sources[1], "junction", f"{problem}; valid are {valid}")


def _report(
    scenario: Scenario,
    candidate: Candidate,
    against: Plan,
    pairs: Sequence[Pair],
    judgement: Judgement,
    evidence: Evidence | None,
    *,
    limit: int,
    now: datetime,
) -> ValidationReport:
    site = scenario.site
    policy = site.acceptance
    counted = [(pair, pair.results) for pair in pairs if pair.results is not None]
    ones = [results[0] for _, results in counted]
    others = [results[1] for _, results in counted]
    movements = evidence.movements if evidence is not None else ()
    change = dict(evidence.change) if evidence is not None else {}
    # Where the verdict rests on no number, means of the runs that happened to end would mislead.
    baseline = mean_kpi([run.kpi for run in ones]) if evidence is not None else None
    proposed = mean_kpi([run.kpi for run in others]) if evidence is not None else None
    spillback = tuple(t.change for t in evidence.spillback) if evidence is not None else ()
    problems = [
        _stuck(run) for pair in pairs for run in (pair.baseline, pair.candidate) if _stuck(run)
    ]
    return ValidationReport(
        site=site.id,
        verdict=judgement.verdict,
        reason=reason(
            judgement.cause,
            change=change,
            baseline=baseline,
            candidate=proposed,
            movements=movements,
            spillback=spillback,
            subject=judgement.subject,
            pairs=len(counted),
            limit=limit,
            policy=policy,
        ),
        pairs=len(counted),
        baseline=baseline,
        candidate=proposed,
        change=change,
        movements=movements,
        worst_movement=worst_of(movements, policy),
        plan_digest=candidate.digest,
        baseline_digest=against.digest,
        scenario_digest=scenario_digest(site, scenario.counts, scenario.growth_range_pct),
        seeds=tuple(pair.seed for pair, _ in counted),
        sumo_version=sumo_version(),
        created=now,
        expires=now + timedelta(hours=policy.valid_hours),
        cause=judgement.cause,
        subject=judgement.subject,
        pair_delay_s=tuple((one.kpi.delay_s, two.kpi.delay_s) for _, (one, two) in counted),
        limit=limit,
        policy=candidate.name if isinstance(candidate, PolicyCandidate) else "",
        growth_pct=tuple(pair.growth_pct for pair, _ in counted),
        measures=(
            (mean_measures([r.measures for r in ones]), mean_measures([r.measures for r in others]))
            if evidence is not None
            else None
        ),
        spillback=spillback,
        problems=tuple(problems),
    )
