"""What the street and its cameras report, as the live state that the console shows."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from models.camera import SourceKind
from models.site import Site
from models.violation import Violation
from traffic.camerawork import FRAMES_PER_S, CameraReport
from traffic.field import StreetTick
from traffic.live import (
    ApproachLive,
    CameraLive,
    Crossing,
    DelaySoFar,
    FigureSource,
    FrameKind,
    JunctionLive,
    LiveSnapshot,
    LiveState,
    Progress,
)

FLOW_WINDOW_S = 300.0
DELAY_WINDOW_S = 300.0
SPEED_WINDOW_S = 10.0


class Broadcast:
    """Turns ticks and camera reports into snapshots; used by one thread."""

    def __init__(self, site: Site, live: LiveState, zero: datetime) -> None:
        self._site = site
        self._live = live
        self.zero = zero
        self._camera_of = {camera.approach: camera.id for camera in site.cameras}
        self._approach_of = {camera.id: camera.approach for camera in site.cameras}
        self._reports: dict[str, CameraReport] = {}
        self._heard_s: dict[str, float] = {}
        self._counts: dict[str, Counter[str]] = {c.id: Counter() for c in site.cameras}
        self._recent: deque[tuple[float, str, str]] = deque()
        self._watched_since_s: float | None = None
        self._delay: deque[tuple[float, float, int]] = deque()
        self._paces: deque[tuple[float, float]] = deque()
        self.plan_digests: Mapping[str, str] = {}
        self.progress: Progress | None = None
        self.delay_before_s: float | None = None
        self.delay_after_s: float | None = None

    def tick(self, tick: StreetTick) -> None:
        """A second of the street: publish the present."""
        now = time.monotonic()
        self._paces.append((now, tick.end_s))
        while self._paces[0][0] < now - SPEED_WINDOW_S and len(self._paces) > 2:
            self._paces.popleft()
        self._delay.append((tick.end_s, tick.delay_vehicle_s, tick.planned))
        while self._delay[0][0] < tick.end_s - DELAY_WINDOW_S:
            self._delay.popleft()
        while self._recent and self._recent[0][0] < tick.end_s - FLOW_WINDOW_S:
            self._recent.popleft()
        self._live.publish(
            LiveSnapshot(
                at=self._at(tick.end_s),
                junctions=self._junctions(tick),
                cameras=self._cameras(now),
                speed=self._speed(),
                delay=DelaySoFar(self.delay_before_s, self.delay_after_s, self._delay_now_s()),
                progress=self.progress,
                virtual=True,
            )
        )

    def report(self, report: CameraReport) -> None:
        """A second of one camera: its picture and crossings."""
        camera = self._site.camera(report.camera)
        if not report.ends_window:
            if self._watched_since_s is None:
                self._watched_since_s = report.begin_s
            self._reports[report.camera] = report
            self._heard_s[report.camera] = time.monotonic()
        if report.picture is not None:
            self._live.put_frame(report.camera, report.picture)
        for item in report.crossings:
            if item.direction != "in":
                continue
            self._counts[report.camera][item.vehicle_class] += 1
            self._recent.append((item.time_s, report.camera, item.movement))
            self._live.record_crossing(
                Crossing(
                    time_s=self._at(item.time_s).timestamp(),
                    junction=camera.junction,
                    movement=item.movement,
                    vehicle_class=item.vehicle_class,
                    state=item.signal_state,
                    camera=report.camera,
                )
            )

    def case(self, violation: Violation, case_id: str) -> None:
        """A flag became a case: mark its crossing."""
        self._live.link_case(violation.camera, self._at(violation.time_s).timestamp(), case_id)

    def _at(self, time_s: float) -> datetime:
        return self.zero + timedelta(seconds=time_s)

    def _speed(self) -> float:
        (began, from_s), (now, to_s) = self._paces[0], self._paces[-1]
        return (to_s - from_s) / (now - began) if now > began else 0.0

    def _delay_now_s(self) -> float | None:
        if len(self._delay) < DELAY_WINDOW_S / 2:
            return None
        planned = self._delay[-1][2] - self._delay[0][2]
        waited_s = sum(vehicle_s for _, vehicle_s, _ in self._delay) - self._delay[0][1]
        return waited_s / planned if planned else None

    def _flows_vph(self, tick: StreetTick) -> tuple[Counter[str], float]:
        """Crossings by movement and by camera in the last minutes, and hours they cover."""
        if self._watched_since_s is None:
            return Counter(), 0.0
        seen_s = min(FLOW_WINDOW_S, tick.end_s - self._watched_since_s)
        flows: Counter[str] = Counter()
        for _, camera, movement in self._recent:
            flows[movement] += 1
            flows[camera] += 1
        return flows, seen_s / 3600.0

    def _junctions(self, tick: StreetTick) -> dict[str, JunctionLive]:
        flows, hours = self._flows_vph(tick)

        def vph(key: str) -> float:
            return flows[key] / hours if hours > 0 else 0.0

        junctions = {}
        for name, junction in self._site.junctions.items():
            shown = tick.stages.get(name)
            ids = [m.id for m in junction.movements] + [c.id for c in junction.crossings]
            junctions[name] = JunctionLive(
                junction=name,
                stage=shown.stage if shown else "",
                second_in_cycle=shown.second_in_cycle if shown else 0.0,
                cycle_s=shown.cycle_s if shown else 0.0,
                states={key: tick.aspects[key] for key in ids if key in tick.aspects},
                approaches={
                    approach: self._approach(approach, tick, vph)
                    for approach in junction.approaches
                    if approach in tick.queues
                },
                flows_vph={m.id: vph(m.id) for m in junction.movements} if hours > 0 else {},
                plan_digest=self.plan_digests.get(name, ""),
                reachable=shown is not None,
            )
        return junctions

    def _approach(
        self, approach: str, tick: StreetTick, vph: Callable[[str], float]
    ) -> ApproachLive:
        camera = self._camera_of.get(approach, "")
        report = self._reports.get(camera)
        if report is not None and report.begin_s >= tick.begin_s - 5.0:
            return ApproachLive(
                report.queue_veh,
                report.queue_m,
                vph(camera),
                FigureSource.CAMERA,
                camera,
                report.queue_at_least,
            )
        queue = tick.queues[approach]
        return ApproachLive(
            queue.vehicles, queue.length_m, vph(camera), FigureSource.SIMULATION, camera
        )

    def _cameras(self, now: float) -> dict[str, CameraLive]:
        cameras = {}
        speed = self._speed()
        for camera in self._site.cameras:
            heard = self._heard_s.get(camera.id)
            pixels = camera.view.source_kind is SourceKind.PIXELS
            cameras[camera.id] = CameraLive(
                camera=camera.id,
                kind=FrameKind.PIXELS if pixels else FrameKind.PROJECTED,
                age_s=now - heard if heard is not None else 0.0,
                fps=FRAMES_PER_S * speed if heard is not None else 0.0,
                counts=dict(self._counts[camera.id]),
                ok=heard is None or now - heard < 30.0,
            )
        return cameras
