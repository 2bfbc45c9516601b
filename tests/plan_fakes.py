"""A two-junction site, plans for it, and a field whose controllers fail on demand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from models.control import ControllerStatus
from models.errors import XanhError
from models.junction import Junction, Movement, SafetyEnvelope, Turn
from models.plan import (
    JunctionPlan,
    Plan,
    Stage,
    junction_plan_from_dict,
    junction_plan_to_dict,
)
from models.site import Site
from models.validation import Change, Kpi, ValidationReport, Verdict
from traffic.controllers.street import StreetController
from traffic.lifecycle import PlanService
from traffic.store import Store

START = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
JUNCTIONS = ("J1", "J2")


@dataclass
class SetClock:
    """A clock that a test sets."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def junction(name: str) -> Junction:
    main, side = f"{name}:a>b", f"{name}:c>d"
    return Junction(
        id=name,
        movements=(Movement(main, "a", "b", Turn.THROUGH), Movement(side, "c", "d", Turn.THROUGH)),
        conflicts=frozenset({frozenset((main, side))}),
        envelope=SafetyEnvelope(),
    )


def site(folder: Path) -> Site:
    return Site("two", "Two", folder, {name: junction(name) for name in JUNCTIONS})


def timing(name: str, main_s: int, side_s: int = 20, red_ds: int = 20) -> JunctionPlan:
    stages = (
        Stage("main", (f"{name}:a>b",), main_s * 10, 30, red_ds),
        Stage("side", (f"{name}:c>d",), side_s * 10, 30, red_ds),
    )
    return JunctionPlan(name, sum(stage.split_ds for stage in stages), 0, stages)


def plan(main_s: int = 30, *, by: str = "ann", red_ds: int = 20) -> Plan:
    return Plan("two", tuple(timing(n, main_s, red_ds=red_ds) for n in JUNCTIONS), START, by)


CURRENT = plan(20)


def report(
    candidate: Plan, verdict: Verdict = Verdict.PASS, *, created: datetime = START
) -> ValidationReport:
    kpi = Kpi(100, 100, 0, 0, 30.0, 60.0, 20.0, 10.0, 1.0)
    return ValidationReport(
        site=candidate.site,
        verdict=verdict,
        reason="measured",
        pairs=5,
        baseline=kpi,
        candidate=replace(kpi, delay_s=20.0),
        change={"delay_s": Change(-30.0, (-35.0, -25.0))},
        movements=(),
        worst_movement=None,
        plan_digest=candidate.digest,
        baseline_digest=CURRENT.digest,
        scenario_digest="s",
        seeds=(1, 2, 3, 4, 5),
        sumo_version="1",
        created=created,
        expires=created + timedelta(hours=24),
    )


@dataclass
class FakeField:
    """A field in memory. ``faults`` is consumed call by call: None means the call works.

    A fault is one of ``raise`` (no answer, nothing done), ``late`` (done, then no answer),
    ``lie`` (accepted, something else is run), ``bug`` (an error nobody expects) and ``stop``
    (the process is interrupted). ``received`` records everything that reached a controller.
    """

    running: dict[str, JunctionPlan] = field(
        default_factory=lambda: {p.junction: p for p in CURRENT.junctions}
    )
    faults: list[str | None] = field(default_factory=list)
    received: list[JunctionPlan] = field(default_factory=list)
    lies: int = 0

    def _fault(self) -> str | None:
        return self.faults.pop(0) if self.faults else None

    def apply(self, sent: JunctionPlan) -> None:
        fault = self._fault()
        self._before(fault)
        self.received.append(sent)
        self.running[sent.junction] = timing(sent.junction, 41) if fault == "lie" else sent
        if fault == "late":
            raise ConnectionResetError("reset after it was sent")

    def read(self, name: str) -> JunctionPlan:
        fault = self._fault()
        self._before(fault)
        if fault == "late":
            raise TimeoutError("no answer")
        if fault == "lie":
            self.lies += 1
            return timing(name, 43 + self.lies)
        return self.running[name]

    def status(self, name: str) -> ControllerStatus:
        self._before(self._fault())
        return ControllerStatus(name, START, "main", 0.0, {})

    @staticmethod
    def _before(fault: str | None) -> None:
        if fault == "raise":
            raise XanhError("no answer")
        if fault == "bug":
            raise KeyError("bug")
        if fault == "stop":
            raise KeyboardInterrupt


@dataclass
class FileField:
    """A field that outlives the process: one file per controller, and a log of what came."""

    folder: Path

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for item in CURRENT.junctions:
            self._write(item)

    def apply(self, sent: JunctionPlan) -> None:
        with (self.folder / "received.jsonl").open("a") as log:
            log.write(json.dumps(junction_plan_to_dict(sent)) + "\n")
        self._write(sent)

    def read(self, name: str) -> JunctionPlan:
        return junction_plan_from_dict(json.loads((self.folder / f"{name}.json").read_text()))

    def status(self, name: str) -> ControllerStatus:
        return ControllerStatus(name, START, "main", 0.0, {})

    def _write(self, item: JunctionPlan) -> None:
        temporary = self.folder / f"{item.junction}.tmp"
        temporary.write_text(json.dumps(junction_plan_to_dict(item)))
        temporary.replace(self.folder / f"{item.junction}.json")


def service(
    store: Store, folder: Path, link: FakeField | FileField, clock: SetClock
) -> PlanService:
    declared = site(folder)
    controllers = [
        StreetController(declared.id, declared.junctions[name], link, store, clock)
        for name in JUNCTIONS
    ]
    return PlanService(store, declared, controllers, clock)


def approved(plans: PlanService, candidate: Plan) -> str:
    """Take a plan to approved; returns its digest."""
    plans.propose(candidate, "ann")
    plans.attach_report(report(candidate))
    plans.approve(candidate.digest, "ben", "good")
    return candidate.digest
