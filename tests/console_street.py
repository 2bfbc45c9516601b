"""A made-up street for the console's tests: signals follow a real plan, queues a toy rule."""

from __future__ import annotations

import math
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
from argon2 import PasswordHasher

from detection.webm import open_webm
from models.control import ControllerStatus
from models.counts import CountRow
from models.plan import JunctionPlan, Plan, Stage
from models.signals import SignalState
from models.site import Site
from models.validation import Cause, Change, Kpi, MovementChange, ValidationReport, Verdict
from models.violation import TrackPoint, Violation, ViolationKind
from simulation.progression import Lamp, lamps
from traffic.api.services import Services
from traffic.auth import Accounts, Role
from traffic.cases import CaseService
from traffic.controllers.street import StreetController
from traffic.law import load_law
from traffic.lifecycle import PlanService
from traffic.live import (
    ApproachLive,
    CameraLive,
    Crossing,
    DelaySoFar,
    FrameKind,
    JunctionLive,
    LiveSnapshot,
    LiveState,
    Phase,
    Progress,
)
from traffic.planfiles import read_plan
from traffic.settings import Settings
from traffic.signing import SigningKey
from traffic.sites import load_site
from traffic.store import Severity, Store

PASSWORD = "xanh tests only 1"
USERS = {
    "viewer": Role.VIEWER,
    "operator": Role.OPERATOR,
    "engineer": Role.ENGINEER,
    "manager": Role.MANAGER,
    "officer": Role.OFFICER,
    "officer2": Role.OFFICER,
    "admin": Role.ADMIN,
}
NOW = datetime(2026, 11, 22, 0, 15, tzinfo=UTC)


class RunningClock:
    """Starts at a fixed moment and then runs."""

    def __init__(self, start: datetime = NOW) -> None:
        self._start, self._began = start, time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._began)


class MemoryField:
    """Controllers in memory."""

    def __init__(self, plan: Plan) -> None:
        self.running = {timing.junction: timing for timing in plan.junctions}

    def apply(self, sent: JunctionPlan) -> None:
        self.running[sent.junction] = sent

    def read(self, junction: str) -> JunctionPlan:
        return self.running[junction]

    def status(self, junction: str) -> ControllerStatus:
        return ControllerStatus(junction, NOW, "", 0.0, {})


def better(site: Site, current: Plan) -> Plan:
    """One cycle for all and offsets that follow a vehicle: a deployable candidate."""
    cycle = max(timing.cycle_ds for timing in current.junctions)
    timings = []
    for index, timing in enumerate(current.junctions):
        first = timing.stages[0]
        longer = Stage(
            first.id,
            first.green,
            first.green_ds + cycle - timing.cycle_ds,
            first.yellow_ds,
            first.red_ds,
            first.permissive,
        )
        offset = (index * 170) // 10 * 10 % cycle
        timings.append(JunctionPlan(timing.junction, cycle, offset, (longer, *timing.stages[1:])))
    return Plan(site.id, tuple(timings), NOW, "engineer")


def report_for(site: Site, candidate: Plan, current: Plan) -> ValidationReport:
    """A passing report whose figures are made up."""
    before = Kpi(4210, 3984, 181, 45, 78.4, 212.6, 66.0, 48.2, 2.41)
    after = Kpi(4210, 4090, 112, 8, 63.9, 187.3, 54.1, 36.9, 1.67)
    movements = tuple(
        MovementChange(
            movement.id,
            40.0 + 17 * (index % 9),
            55.0 + 11 * (index % 7),
            50.0 + 9 * (index % 7) - 4 * (index % 5),
        )
        for index, movement in enumerate(
            m for junction in site.junctions.values() for m in junction.movements
        )
    )
    return ValidationReport(
        site=site.id,
        verdict=Verdict.PASS,
        reason="delay is lower",
        pairs=5,
        baseline=before,
        candidate=after,
        change={
            "delay_s": Change(-18.4, (-21.0, -15.7)),
            "trip_time_s": Change(-11.9, (-13.6, -10.2)),
            "waiting_time_s": Change(-23.4, (-26.8, -20.1)),
            "stops": Change(-30.7, (-34.0, -27.4)),
        },
        movements=movements,
        worst_movement=max(movements, key=lambda item: item.change_s),
        plan_digest=candidate.digest,
        baseline_digest=current.digest,
        scenario_digest="0" * 64,
        seeds=(1, 2, 3, 4, 5),
        sumo_version="1.28.0",
        created=NOW - timedelta(minutes=2),
        expires=NOW + timedelta(hours=24),
        cause=Cause.IMPROVED,
    )


def make_services(site_folder: Path, folder: Path) -> Services:
    """Real services over a temporary store, with users, a validated plan, counts and cases."""
    site = load_site(site_folder)
    clock = RunningClock()
    store = Store.at(folder / "store")
    accounts = Accounts(
        store, clock, hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    )
    for name, role in USERS.items():
        accounts.create_user(name, PASSWORD, role)
    current = read_plan(site.current_plan_path)
    field = MemoryField(current)
    controllers = [
        StreetController(site.id, junction, field, store, clock)
        for junction in site.junctions.values()
    ]
    plans = PlanService(store, site, controllers, clock)
    candidate = better(site, current)
    plans.propose(candidate, "engineer", "one cycle, offsets for 40 km/h")
    report_folder = folder / "report"
    report_folder.mkdir()
    (report_folder / "report.html").write_text("<!doctype html><title>r</title><p>report</p>")
    plans.attach_report(report_for(site, candidate, current), folder=str(report_folder))
    cases = CaseService(store, load_law(), clock)
    services = Services(
        site=site,
        store=store,
        plans=plans,
        cases=cases,
        auth=accounts,
        live=LiveState(),
        settings=Settings(data_dir=folder),
        clock=clock,
        signing=SigningKey.at(folder / "store"),
    )
    add_counts(services)
    for index in range(4):
        add_case(services, folder / f"case{index}", index)
    return services


def add_counts(services: Services) -> None:
    rows = []
    for junction in services.site.junctions.values():
        for at, movement in enumerate(junction.movements):
            for minute in range(6):
                start = NOW - timedelta(minutes=6 - minute)
                for name, share in (("motorcycle", 0.77), ("car", 0.19), ("bus", 0.02)):
                    count = round(share * (14 + 4 * at + 3 * math.sin(minute + at)))
                    rows.append(
                        CountRow(
                            junction.id,
                            movement.id,
                            name,
                            start,
                            start + timedelta(minutes=1),
                            count,
                            0.98,
                        )
                    )
    services.store.add_counts(services.site.id, rows, camera="C2-c1", source_kind="pixels")


def picture(text: str, shade: int = 60) -> bytes:
    """A grey picture with a box and a text, as JPEG."""
    image = np.full((480, 640, 3), shade, np.uint8)
    image[:] += np.linspace(0, 60, 480, dtype=np.uint8)[:, None, None]
    cv2.rectangle(image, (260, 200), (340, 330), (220, 220, 220), 2)
    cv2.putText(image, text, (30, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (230, 230, 230), 2)
    return cv2.imencode(".jpg", image)[1].tobytes()


def add_case(services: Services, folder: Path, index: int) -> str:
    folder.mkdir()
    for name in ("before", "at", "inside"):
        (folder / f"{name}.jpg").write_bytes(picture(f"{name} {index}", 50 + 10 * index))
    clip = open_webm(folder / "clip.webm", 6.0, (320, 240))
    for frame in range(12):
        clip.write(np.full((240, 320, 3), 40 + 12 * frame, np.uint8))
    clip.release()
    wrong_way = index == 3
    act_s = 100.0 + index
    violation = Violation(
        id=f"v{index}",
        kind=ViolationKind.WRONG_WAY if wrong_way else ViolationKind.RED_LIGHT,
        camera="C2-c1",
        junction="C2",
        movement=None if wrong_way else "C2:c1>c2",
        vehicle_class="car" if index == 2 else "motorcycle",
        track=7 + index,
        time_s=act_s,
        signal_state=SignalState.GREEN if wrong_way else SignalState.RED,
        time_into_red_s=None if wrong_way else 3.2 + index,
        detector="yolo11n-street",
        weights_sha256="ab" * 32,
        calibration_version="1",
        source_kind="pixels",
        points=(TrackPoint(act_s, 300.0, 320.0),),
        signal=(
            (act_s - 60, SignalState.GREEN),
            (act_s - 6.2 - index, SignalState.YELLOW),
            (act_s - 3.2 - index, SignalState.RED),
            (act_s + 14, SignalState.GREEN),
        ),
        measures={"speed_mps": 9.4},
    )
    at = NOW - timedelta(days=8 - 2 * index, minutes=index)
    return services.cases.open_case(services.site.id, violation, at, folder)


class FixtureStreet:
    """Publishes snapshots: the plan in force drives the heads, queues fill on red."""

    def __init__(self, services: Services, *, phase: Phase = Phase.WAITING) -> None:
        self._services = services
        self._plan = services.plan_in_force()
        self._lamps: dict[tuple[str, str], tuple[Lamp, ...]] = {}
        self._queues: dict[tuple[str, str], float] = {}
        self._phase = phase
        self._stop = threading.Event()
        self.at = NOW
        self.lost = ""

    def step(self, seconds: float = 1.0, *, publish: bool = True) -> None:
        services, plan = self._services, self._plan
        assert plan is not None
        self.at += timedelta(seconds=seconds)
        now_s = self.at.timestamp()
        junctions = {}
        for order, junction in enumerate(services.site.junctions.values()):
            timing = plan.junction(junction.id)
            cycle_s = timing.cycle_ds / 10
            second = (now_s - timing.offset_ds / 10) % cycle_s
            states = {}
            for key in junction.signal_ids:
                at = (plan.digest, key)
                if at not in self._lamps:
                    self._lamps[at] = lamps(plan, junction, key)
                shown = next(lamp for lamp in self._lamps[at] if second < lamp.end_s)
                states[key] = {"G": "green", "g": "green", "y": "yellow"}.get(shown.letter, "red")
            aspects = {key: SignalState(value) for key, value in states.items()}
            approaches, flows = {}, {}
            for number, edge in enumerate(junction.approaches):
                main = next(m for m in junction.movements if m.from_edge == edge)
                queue = self._queues.get((junction.id, edge), 4.0 * order)
                green = aspects[main.id] is SignalState.GREEN
                queue = max(0.0, queue - 1.6 * seconds) if green else queue + 0.42 * seconds
                self._queues[junction.id, edge] = queue = min(queue, 60.0)
                approaches[edge] = ApproachLive(
                    queue, queue * 2.1, 900 + 210 * number + 37 * order, camera=f"C{order}-{edge}"
                )
                for m in junction.movements:
                    if m.from_edge == edge:
                        flows[m.id] = (1900 if m.turn.value == "through" else 320) - 60 * order
                if green and publish:
                    services.live.record_crossing(
                        Crossing(
                            now_s,
                            junction.id,
                            main.id,
                            "motorcycle",
                            aspects[main.id],
                            f"{junction.id}-{edge}",
                        )
                    )
            stage, at = timing.stages[0].id, 0
            for item in timing.stages:
                if second * 10 >= at:
                    stage = item.id
                at += item.split_ds
            junctions[junction.id] = JunctionLive(
                junction.id,
                stage,
                second,
                cycle_s,
                aspects,
                approaches,
                flows,
                plan.digest,
                reachable=junction.id != self.lost,
            )
        if not publish:
            for item in junctions.values():
                services.live.record_signals(self.at, item.states)
            return
        cameras = {
            camera.id: CameraLive(
                camera.id,
                FrameKind(camera.view.source_kind.value),
                0.12,
                6.0,
                {"motorcycle": 210, "car": 52, "bus": 4},
                0.991,
                3,
            )
            for camera in services.site.cameras
        }
        services.live.publish(
            LiveSnapshot(
                self.at,
                junctions,
                cameras,
                5.0,
                DelaySoFar(71.2, None, 68.4 + 6 * math.sin(now_s / 90)),
                Progress(self._phase, 0.4, "5/5"),
            )
        )
        for camera in services.site.cameras:
            if camera.view.source_kind.value == "pixels":
                services.live.put_frame(camera.id, picture(f"{camera.id} {self.at:%H:%M:%S}"))

    def warm_up(self, seconds: int = 200) -> None:
        for _ in range(seconds):
            self.step(publish=False)
        self.step()

    def flag_one(self) -> None:
        """A crossing on red with a case, two minutes back on the first camera's approach."""
        live = self._services.live
        movement = self._services.site.junctions["C2"].movement("C2:c1>c2")
        then = self.at.timestamp() - 60
        live.record_crossing(
            Crossing(then, "C2", movement.id, "motorcycle", SignalState.RED, "C2-c1", case="x")
        )

    def alarm(self) -> None:
        self._services.store.raise_alarm(
            self._services.site.id,
            at=NOW,
            severity=Severity.CRITICAL,
            kind="controller_lost",
            subject="C5",
            message="controller C5 does not answer",
        )

    def start(self, interval_s: float = 0.25) -> None:
        def run() -> None:
            while not self._stop.wait(interval_s):
                self.step()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
