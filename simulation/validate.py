"""Prove a plan in SUMO before anybody approves it: paired runs against the plan in force."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from datetime import datetime, timedelta
from pathlib import Path

from models.counts import CountRow, counts_from_csv, counts_to_csv
from models.errors import BadInput, XanhError
from models.plan import Plan
from models.safety import check_plan
from models.site import Site
from models.validation import ValidationReport
from simulation.demand import write_demand
from simulation.judge import (
    ENOUGH_PAIRS,
    judge,
    kpi_changes,
    mean_kpi,
    movement_changes,
    worst_of,
)
from simulation.runner import SimulationJob, SimulationResult, site_job, sumo_version, sweep
from simulation.wording import reason

MIN_PAIRS = 2
"""An interval needs two pairs; passing needs ``ENOUGH_PAIRS``."""


def validate(
    site: Site,
    candidate: Plan,
    against: Plan,
    counts: Sequence[CountRow] | None,
    *,
    now: datetime,
    pairs: int = ENOUGH_PAIRS,
    workers: int = 2,
    first_seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
    executor: Executor | None = None,
    sources: tuple[str, str] = ("candidate plan", "plan to compare with"),
) -> ValidationReport:
    """Compare two plans on the same demand and seeds, and judge the candidate.

    Each pair has one seed: the demand drawn with it and SUMO's own randomness are the same for
    both plans. A site that brings its own routes runs them verbatim, so that there only SUMO's
    seed differs between pairs; counts other than the site's own replace them.

    Args:
        site: The site; its acceptance policy decides the verdict.
        candidate: The plan to judge; it must keep every safety rule of the site.
        against: The plan to compare with, usually the one in force; may be taken as found.
        counts: Demand; None for the site's own routes.
        now: The present, timezone-aware; the report's ``created``.
        pairs: Number of pairs; with fewer than 5 no plan passes.
        workers: SUMO processes at a time.
        first_seed: Seed of the first pair; the others follow.
        progress: Called with (runs done, runs in all).
        executor: Where to run instead of here (see ``runner.sweep``).
        sources: What errors call the candidate and the other plan, such as their files.

    Raises:
        BadInput: If the site has no network, the candidate breaks a safety rule, a plan does
            not fit the site, or there are too few pairs.
        XanhError: If a run fails, naming it.
    """
    if pairs < MIN_PAIRS:
        raise BadInput("pairs", "", f"{pairs}; valid is {MIN_PAIRS} or more")
    _check_plans(site, candidate, against, sources)
    seeds = tuple(range(first_seed, first_seed + pairs))
    verbatim = runs_own_routes(site, counts)
    with tempfile.TemporaryDirectory(prefix="xanh-demand-") as temporary:
        jobs: list[SimulationJob] = []
        for number, seed in enumerate(seeds, start=1):
            demand = _demand(site, None if verbatim else counts, seed, Path(temporary))
            for plan, role in ((against, "plan in force"), (candidate, "candidate")):
                name = f"pair {number} (seed {seed}), {role}"
                jobs.append(
                    site_job(site, plan, demand, seed=seed, name=name, vehicle_types=verbatim)
                )
        results = sweep(jobs, workers=workers, executor=executor, progress=progress)
    paired = tuple(zip(results[0::2], results[1::2], strict=True))
    return _report(
        site,
        candidate,
        against,
        paired,
        seeds=seeds,
        scenario_digest=scenario_digest(site, None if verbatim else counts),
        now=now,
    )


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


def scenario_digest(site: Site, counts: Sequence[CountRow] | None) -> str:
    """SHA-256 over all that two runs with the same plan and seed must share.

    The network, the demand (the site's routes where ``counts`` is None), the vehicle types and
    the simulation's options.
    """
    options = site.simulation
    body = {
        "network": _sha256(site.network),
        "demand": _sha256(site.folder / options.routes)
        if counts is None
        else hashlib.sha256(counts_to_csv(counts).encode()).hexdigest(),
        "vehicle_types": _sha256(site.folder / options.vehicle_types)
        if options.vehicle_types
        else "",
        "begin_s": options.begin_s,
        "end_s": options.end_s,
        "warm_up_s": options.warm_up_s,
        "step_s": options.step_s,
        "options": list(options.options),
    }
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _check_plans(site: Site, candidate: Plan, against: Plan, sources: tuple[str, str]) -> None:
    if site.network is None:
        raise BadInput(
            str(site.folder / "site.yaml"),
            "network",
            "this site has no network, so nothing can be simulated; valid is a SUMO .net.xml",
        )
    for plan, source in zip((candidate, against), sources, strict=True):
        if plan.site != site.id:
            raise BadInput(source, "site", f"{plan.site!r}; valid is {site.id!r}")
    if breaches := check_plan(candidate, site.junctions):
        more = f" (and {len(breaches) - 1} more)" if len(breaches) > 1 else ""
        raise BadInput(sources[0], breaches[0].rule.value, f"{breaches[0].message}{more}")
    named = {plan.junction for plan in against.junctions}
    valid = ", ".join(sorted(site.junctions))
    for name in sorted(named ^ set(site.junctions)):
        problem = f"has no timing for {name!r}" if name in site.junctions else f"{name!r}"
        raise BadInput(sources[1], "junction", f"{problem}; valid are {valid}")


def _demand(
    site: Site, counts: Sequence[CountRow] | None, seed: int, folder: Path
) -> tuple[Path, ...]:
    if counts is None:
        return (site.folder / site.simulation.routes,)
    path = folder / f"demand-{seed}.rou.xml"
    options = site.simulation
    write_demand(site, counts, path, seed=seed, begin_s=options.begin_s, end_s=options.end_s)
    return (path,)


def _report(
    site: Site,
    candidate: Plan,
    against: Plan,
    paired: Sequence[tuple[SimulationResult, SimulationResult]],
    *,
    seeds: tuple[int, ...],
    scenario_digest: str,
    now: datetime,
) -> ValidationReport:
    changes = kpi_changes([(one.kpi, other.kpi) for one, other in paired])
    if "delay_s" not in changes:
        raise XanhError(f"site {site.id}: no vehicle was delayed, so there is nothing to compare")
    policy = site.acceptance
    movements, tested = movement_changes(
        [(one.movements, other.movements) for one, other in paired], policy
    )
    judgement = judge(
        changes["delay_s"],
        tested,
        policy,
        pairs=len(paired),
        same_plan=candidate.digest == against.digest,
    )
    baseline = mean_kpi([one.kpi for one, _ in paired])
    proposed = mean_kpi([other.kpi for _, other in paired])
    return ValidationReport(
        site=site.id,
        verdict=judgement.verdict,
        reason=reason(
            judgement.cause,
            delay=changes["delay_s"],
            baseline=baseline,
            candidate=proposed,
            movements=movements,
            subject=judgement.subject,
            pairs=len(paired),
            policy=policy,
        ),
        pairs=len(paired),
        baseline=baseline,
        candidate=proposed,
        change=changes,
        movements=movements,
        worst_movement=worst_of(movements, policy),
        plan_digest=candidate.digest,
        baseline_digest=against.digest,
        scenario_digest=scenario_digest,
        seeds=seeds,
        sumo_version=sumo_version(),
        created=now,
        expires=now + timedelta(hours=policy.valid_hours),
        cause=judgement.cause,
        subject=judgement.subject.movement if judgement.subject else "",
        pair_delay_s=tuple((one.kpi.delay_s, other.kpi.delay_s) for one, other in paired),
    )


def _sha256(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(str(path), "", f"cannot be read ({error.strerror})") from None
