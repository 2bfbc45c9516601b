"""The whole thread on the virtual street: count, retime, prove, approve, apply, compare, review.

Headless, the street stands still while a plan is found and proved, and every figure is measured
in simulated time. With the console it goes on, and a person approves.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from models.counts import CountRow, counts_from_csv, counts_to_csv
from models.errors import BadInput, XanhError
from models.lifecycle import PlanStatus
from models.plan import Plan
from models.site import Site
from models.validation import ValidationReport, Verdict
from simulation.report import write_report
from simulation.validate import run_validation
from traffic.api.app import create_app
from traffic.api.services import Services
from traffic.broadcast import Broadcast
from traffic.field import street_of
from traffic.live import Phase, Progress
from traffic.planfiles import read_plan, write_plan
from traffic.relay import Relay
from traffic.replan import retime_site
from traffic.service import announce_users, open_services
from traffic.settings import load_settings
from traffic.streetwork import StreetWork, Window, count_rows
from traffic.summary import Summary, write_summary
from traffic.webserver import WebServer, require_free_port

WARM_UP_S = 900
"""The empty street fills, and its queues reach what they are under the plan in force."""
SETTLE_S = 1200
"""After a plan is applied: the slowest controller reaches its offset, old queues dissolve."""
COUNT_S = 300
"""A plan needs counts over several cycles: short windows are preceded by more counting."""
RETIME_S = 20.0
PROPOSER, APPROVER = "engineer", "manager"
_MARKER = ".xanh-demo"
_FOR_EVER_S = 1e9
_DECIDED = frozenset({PlanStatus.APPLIED, PlanStatus.REFUSED, PlanStatus.ROLLED_BACK})
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Options of ``xanh demo``. ``minutes`` of the street are observed, half with each plan."""

    out: Path
    headless: bool = False
    auto_approve: bool = False
    minutes: float = 10.0
    host: str = "127.0.0.1"
    port: int = 8000
    pairs: int = 5
    workers: int = 2
    seed: int = 1
    speed: float = 1.0
    warm_up_s: int = WARM_UP_S
    settle_s: int = SETTLE_S


def run_demo(site: Site, options: DemoOptions, say: Callable[[str], None]) -> Path | None:
    """Run the demo; with the console until Ctrl-C.

    Returns:
        The summary's path once it is written.

    Raises:
        BadInput: If the site has no virtual street, the port is in use, or the folder holds
            something else than an earlier demo.
        XanhError: If the street, a camera, a controller or the validation breaks off.
    """
    if options.headless and not options.auto_approve:
        raise BadInput(
            "--headless", "", "nobody could approve; valid is together with --auto-approve"
        )
    street = replace(street_of(site), seed=options.seed)
    if not options.headless:
        require_free_port(options.host, options.port)
    _fresh_folder(options.out)
    counts = counts_from_csv(site.counts_path.read_text(encoding="utf-8"), str(site.counts_path))
    current = read_plan(site.current_plan_path)
    # Second 0 of the street is a midnight UTC, so that offsets mean the same in both clocks.
    zero = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    relay = Relay(options.out / "violations")
    work = StreetWork(
        site,
        current,
        counts,
        street,
        zero=zero,
        evidence=options.out / "violations",
        on_tick=relay.tick,
        on_report=relay.report,
    )
    server: WebServer | None = None
    try:
        services = open_services(site, load_settings(), data=options.out / "data", link=work.field)
        broadcast = Broadcast(site, services.live, zero)
        relay.connect(services, broadcast)
        announce_users(services, say)
        if not options.headless:
            server = WebServer(create_app(services), options.host, options.port)
            say(f"console: {server.url}")
        summary = _Demo(site, options, services, work, relay, broadcast, current, say).run()
        if server is None:
            return summary
        say(f"wrote {summary}; the street goes on, Ctrl-C ends it")
        while True:
            work.advance(60.0, cameras=True, speed=options.speed)
    except KeyboardInterrupt:
        say("stopped")
        return None
    finally:
        if server is not None:
            services.live.close()
            server.close()
        work.close()


class _Demo:
    """One run; each step leaves what the next one needs."""

    def __init__(
        self,
        site: Site,
        options: DemoOptions,
        services: Services,
        work: StreetWork,
        relay: Relay,
        broadcast: Broadcast,
        current: Plan,
        say: Callable[[str], None],
    ) -> None:
        self.site, self.options, self.services = site, options, services
        self.work, self.relay, self.current, self.say = work, relay, current, say
        self.broadcast = broadcast
        self.half_s = round(options.minutes * 30.0)
        self.speed = 0.0 if options.headless else options.speed

    def run(self) -> Path:
        """All of it; returns the summary's path.

        Raises:
            XanhError: If a part breaks off, or the plan could not be applied.
        """
        options, work = self.options, self.work
        self._phase(Phase.STARTING, f"{options.warm_up_s} s of traffic fill the street")
        work.advance(options.warm_up_s)
        self._phase(Phase.OBSERVING, f"{self.half_s} s with the plan in force")
        counted = []
        if self.half_s < COUNT_S:
            counted.append(work.observe(COUNT_S - self.half_s, speed=self.speed))
        before = work.observe(self.half_s, speed=self.speed)
        self.broadcast.delay_before_s = before.delay_s
        self.say(f"observed {self.half_s} s: delay {before.delay_s:.1f} s per vehicle")
        counts = count_rows(self.site, [*counted, before], work.zero)
        self.services.store.add_counts(self.site.id, counts)
        _write_text(options.out / "counts.csv", counts_to_csv(counts))

        plan = self._alongside(lambda: self._retime(counts))
        report = self._alongside(lambda: self._validate(plan, counts))
        problem = self._deploy(plan, report)
        if problem:
            self._phase(Phase.STOPPED, problem)
            self._summary((before,), plan, report, applied=False)
            raise XanhError(f"{problem}; wrote {options.out / 'summary.json'}")

        self._phase(Phase.SETTLING, "controllers reach the new offsets")
        # The cameras rest and the street runs as fast as it can: twenty minutes in about one.
        work.advance(options.settle_s)
        self._phase(Phase.COMPARING, f"{self.half_s} s with the new plan")
        after = work.observe(self.half_s, speed=self.speed)
        self.broadcast.delay_after_s = after.delay_s
        change = 100.0 * (after.delay_s / before.delay_s - 1.0) if before.delay_s else 0.0
        self._phase(Phase.DONE, f"{change:+.1f} %")
        self.say(
            f"delay {before.delay_s:.1f} -> {after.delay_s:.1f} s per vehicle ({change:+.1f} %)"
        )
        return self._summary((before, after), plan, report, applied=True)

    def _retime(self, counts: Sequence[CountRow]) -> Plan:
        self._phase(Phase.RETIMING, "CP-SAT on the cameras' counts")
        result = retime_site(
            self.site, counts, self.current, time_limit_s=RETIME_S, created=datetime.now(UTC)
        )
        write_plan(result.plan, self.options.out / "plan.yaml")
        self.services.plans.propose(result.plan, PROPOSER, result.line)
        self.say(f"proposed {result.plan.digest[:12]}: {result.line}")
        return result.plan

    def _validate(self, plan: Plan, counts: Sequence[CountRow]) -> ValidationReport:
        def progress(done: int, total: int) -> None:
            self._phase(Phase.VALIDATING, f"{done} / {total} SUMO", done / total)

        progress(0, 2 * self.options.pairs)
        folder = self.options.out / "report"
        validation = run_validation(
            self.site,
            plan,
            self.current,
            counts,
            pairs=self.options.pairs,
            workers=self.options.workers,
            # Seeds of the proof are not the seed of the street that it is about.
            first_seed=1000 + self.options.seed,
            progress=progress,
            now=self.services.clock.now(),
            kept=folder / "runs",
            film=True,
        )
        report = validation.report
        write_report(
            report,
            self.site,
            plan,
            self.current,
            folder,
            runs=validation.results,
            film=validation.film,
        )
        self.services.plans.attach_report(report, folder=str(folder.resolve()))
        self.say(f"validation: {report.verdict.value}: {report.reason}")
        return report

    def _deploy(self, plan: Plan, report: ValidationReport) -> str:
        """Approve and apply, or wait until persons have; what prevented it, else empty."""
        plans, digest = self.services.plans, plan.digest
        if report.verdict is not Verdict.PASS and self.options.auto_approve:
            return f"the validation did not pass ({report.verdict.value}: {report.reason})"
        if self.options.auto_approve:
            self._phase(Phase.APPLYING, "approved automatically: a virtual street")
            plans.approve(digest, APPROVER, "demo: approved automatically, virtual street")
            outcome = plans.apply(digest, APPROVER, "demo")
            return "" if outcome.applied else f"the plan was rolled back: {outcome.reason}"
        self._phase(Phase.WAITING, "a person must approve and apply the plan")
        self.say(f"plan {digest[:12]} waits: sign in as {APPROVER}, approve it and apply it")
        self.work.advance(
            _FOR_EVER_S,
            cameras=True,
            speed=self.speed,
            until=lambda: plans.get(digest).status in _DECIDED,
        )
        self.work.end_window()
        status = plans.get(digest).status
        return "" if status is PlanStatus.APPLIED else f"the plan is {status.value}"

    def _alongside(self, step: Callable[[], _T]) -> _T:
        """Do a step; with the console the street goes on meanwhile."""
        if self.options.headless:
            return step()
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(step)
            self.work.advance(_FOR_EVER_S, cameras=True, speed=self.speed, until=future.done)
            self.work.end_window()
            return future.result()

    def _summary(
        self, windows: tuple[Window, ...], plan: Plan, report: ValidationReport, *, applied: bool
    ) -> Path:
        matches = self.services.plans.watch() if applied else {}
        summary = Summary(
            site=self.site,
            windows=windows,
            plan=plan,
            report=report,
            applied=applied,
            read_back_matches=applied
            and len(matches) == len(self.site.junctions)
            and all(matches.values()),
            cases=self.relay.cases,
            seed=self.options.seed,
            minutes=self.options.minutes,
            detector=self.relay.detector,
        )
        return write_summary(summary, self.options.out / "summary.json")

    def _phase(self, phase: Phase, detail: str, fraction: float = 0.0) -> None:
        self.broadcast.progress = Progress(phase, fraction, detail)


def _fresh_folder(folder: Path) -> None:
    """An empty folder; what an earlier demo left there goes.

    Raises:
        BadInput: If something else is in it.
    """
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / _MARKER).exists():
            raise BadInput(
                "--out", str(folder), "holds something else; valid is a new or empty folder"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARKER).touch()


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".tmp")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
