"""Real cameras in service: their process, and what it reports on its way to store and console."""

from __future__ import annotations

import multiprocessing as mp
import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Final

from models.camera import SourceKind
from models.health import HealthEvent, HealthKind
from models.signals import SignalState
from models.site import Site
from traffic.api.services import Services
from traffic.live import (
    ApproachLive,
    CameraLive,
    Crossing,
    FigureSource,
    FrameKind,
    JunctionLive,
    LiveSnapshot,
)
from traffic.measure_records import add_measures
from traffic.store import Severity
from traffic.watching import Report, WatchConfig, WatchFailed, WatchReport, watch_main

FLOW_WINDOW_S: Final = 300.0
STALE_S: Final = 5.0
RESTART_S: Final = 5.0
STOP_S: Final = 10.0
RATE_WINDOW: Final = 10
FAILED: Final = "camera_failed"


class CameraWatch:
    """Keeps the process that watches a site's cameras running; used by one thread."""

    def __init__(self, config: WatchConfig, say: Callable[[str], None]) -> None:
        """Start watching."""
        self._config = config
        self._say = say
        self._context = mp.get_context("spawn")
        self._again = False
        self._failed_at = float("-inf")
        self._start()

    def again(self, _camera: str = "") -> None:
        """Begin anew with the site as it is described now; may be called from any thread."""
        self._again = True

    def take(self, timeout_s: float) -> Report | None:
        """The next report, None when none comes in time; looks after the process."""
        if self._again:
            self._again = False
            self._stop.set()
        try:
            return self._reports.get(timeout=timeout_s)
        except queue.Empty:
            if self._process.is_alive():
                return None
        if not self._stop.is_set():
            # It broke off: what it said was reported; try again, but not without a pause.
            if time.monotonic() - self._failed_at < RESTART_S:
                time.sleep(min(timeout_s, 0.5))
                return None
            self._failed_at = time.monotonic()
            self._say("the cameras' process has ended; it is started again")
        self._end()
        self._start()
        return None

    def close(self) -> list[Report]:
        """Stop it; what it had still to report."""
        self._stop.set()
        left: list[Report] = []
        deadline = time.monotonic() + STOP_S
        while time.monotonic() < deadline:
            try:
                left.append(self._reports.get(timeout=0.1))
            except queue.Empty:
                if not self._process.is_alive():
                    break
        self._end()
        return left

    def _start(self) -> None:
        self._reports: Queue[Report] = self._context.Queue(maxsize=1000)
        self._stop = self._context.Event()
        self._process = self._context.Process(
            target=watch_main,
            args=(self._config, self._reports, self._stop),
            name="xanh-cameras",
            # Not a daemon: it starts the readers of its streams.
            daemon=False,
        )
        self._process.start()

    def _end(self) -> None:
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._reports.cancel_join_thread()
        self._reports.close()


class WatchRelay:
    """Passes reports on: counts, cases and alarms to the store, the present to the console."""

    def __init__(self, services: Services, evidence: Path) -> None:
        self._services = services
        self._site: Site = services.site
        self._evidence = evidence
        self._reports: dict[str, tuple[float, WatchReport]] = {}
        self._rates: dict[str, deque[tuple[float, int]]] = {}
        self._counts: dict[str, Counter[str]] = {c.id: Counter() for c in self._site.cameras}
        self._recent: deque[tuple[float, str, str]] = deque()
        self._raised: set[tuple[str, HealthKind]] = set()
        self._greeted: set[str] = set()
        self._began = time.monotonic()

    def report(self, report: Report) -> None:
        """A report of the cameras' process."""
        if isinstance(report, WatchFailed):
            self._failed(report)
            return
        now = time.monotonic()
        before = self._reports.get(report.camera)
        if before is not None and before[1].now_s > report.now_s:
            self._rates.pop(report.camera, None)  # watched anew
        self._reports[report.camera] = (now, report)
        rates = self._rates.setdefault(report.camera, deque(maxlen=RATE_WINDOW))
        rates.append((now, report.frames))
        if report.picture is not None:
            self._services.live.put_frame(report.camera, report.picture)
        self._keep_health(report)
        if report.counts:
            self._services.store.add_counts(
                self._site.id,
                report.counts,
                camera=report.camera,
                source_kind=report.kind.value,
                calibration=report.calibration_version,
            )
        if report.measures:
            add_measures(
                self._services.store,
                self._site.id,
                report.measures,
                camera=report.camera,
                calibration=report.calibration_version,
            )
        self._keep_crossings(report)
        for violation in report.violations:
            at = report.start + timedelta(seconds=violation.time_s)
            case = self._services.cases.open_case(
                self._site.id, violation, at, self._evidence / violation.id
            )
            self._services.live.link_case(report.camera, at.timestamp(), case)

    def publish(self) -> None:
        """Make what is known the console's present; call it once a second."""
        now = time.monotonic()
        while self._recent and self._recent[0][0] < now - FLOW_WINDOW_S:
            self._recent.popleft()
        self._services.live.publish(
            LiveSnapshot(
                at=datetime.now(UTC),
                junctions=self._junctions(now),
                cameras=self._cameras(now),
                virtual=False,
            )
        )

    def _failed(self, failed: WatchFailed) -> None:
        self._greeted -= {failed.camera} if failed.camera else set(self._greeted)
        self._services.store.raise_alarm(
            self._site.id,
            at=self._services.clock.now(),
            severity=Severity.CRITICAL,
            kind=FAILED,
            subject=failed.camera or self._site.id,
            message=failed.message,
        )

    def _keep_health(self, report: WatchReport) -> None:
        """Each event is an alarm from its start to its end."""
        if report.camera not in self._greeted:
            # It is watched: what an earlier run left open is over.
            self._greeted.add(report.camera)
            kinds = [FAILED, *(f"camera_{kind}" for kind in HealthKind)]
            for stale in kinds:
                for subject in (report.camera, self._site.id):
                    self._services.store.clear_alarms(
                        self._site.id, stale, subject, at=self._services.clock.now()
                    )
        lasting = {event.kind for event in report.wrong}
        for event in report.ended:
            if (report.camera, event.kind) not in self._raised:
                self._raise(report, event)
            if event.kind not in lasting:
                self._clear(report, event.kind, event.end_s or report.now_s)
        for event in report.wrong:
            if (report.camera, event.kind) not in self._raised:
                self._raise(report, event)
        for camera, kind in list(self._raised):
            if camera == report.camera and kind not in lasting:
                self._clear(report, kind, report.now_s)

    def _raise(self, report: WatchReport, event: HealthEvent) -> None:
        self._raised.add((report.camera, event.kind))
        self._services.store.raise_alarm(
            self._site.id,
            at=report.start + timedelta(seconds=event.start_s),
            severity=Severity.WARNING,
            kind=f"camera_{event.kind}",
            subject=report.camera,
            message=event.detail,
        )

    def _clear(self, report: WatchReport, kind: HealthKind, end_s: float) -> None:
        self._raised.discard((report.camera, kind))
        at = report.start + timedelta(seconds=end_s)
        self._services.store.clear_alarms(self._site.id, f"camera_{kind}", report.camera, at=at)

    def _keep_crossings(self, report: WatchReport) -> None:
        junction = self._site.camera(report.camera).junction
        for item in report.crossings:
            if item.direction != "in":
                continue
            self._counts[report.camera][item.vehicle_class] += 1
            self._recent.append((time.monotonic(), report.camera, item.movement))
            self._services.live.record_crossing(
                Crossing(
                    time_s=(report.start + timedelta(seconds=item.time_s)).timestamp(),
                    junction=junction,
                    movement=item.movement,
                    vehicle_class=item.vehicle_class,
                    state=item.signal_state,
                    camera=report.camera,
                )
            )

    def _fresh(self, camera: str, now: float) -> WatchReport | None:
        held = self._reports.get(camera)
        return held[1] if held is not None and now - held[0] < STALE_S else None

    def _junctions(self, now: float) -> Mapping[str, JunctionLive]:
        hours = min(max(now - self._began, 1.0), FLOW_WINDOW_S) / 3600.0
        flows: Counter[str] = Counter()
        for _, name, movement in self._recent:
            flows[movement] += 1
            flows[name] += 1
        junctions = {}
        for name, junction in self._site.junctions.items():
            states: dict[str, SignalState] = {}
            approaches = {}
            watched: set[str] = set()
            for camera in self._site.cameras:
                report = self._fresh(camera.id, now) if camera.junction == name else None
                if report is None:
                    continue
                approaches[camera.approach] = ApproachLive(
                    report.queue_veh,
                    report.queue_m,
                    flows[camera.id] / hours,
                    FigureSource.CAMERA,
                    camera.id,
                    report.queue_at_least,
                )
                seen = {path.movement for path in camera.view.movements}
                watched |= seen
                states |= dict.fromkeys(seen, report.signal)
            junctions[name] = JunctionLive(
                junction=name,
                stage="",
                second_in_cycle=0.0,
                cycle_s=0.0,
                states=states,
                approaches=approaches,
                flows_vph={
                    item.id: flows[item.id] / hours
                    for item in junction.movements
                    if item.id in watched
                },
            )
        return junctions

    def _cameras(self, now: float) -> Mapping[str, CameraLive]:
        cameras = {}
        for camera in self._site.cameras:
            held = self._reports.get(camera.id)
            if held is None:
                cameras[camera.id] = CameraLive(
                    camera.id, FrameKind.STREAM, now - self._began, 0.0, coverage=0.0, ok=False
                )
                continue
            at, report = held
            rates = self._rates[camera.id]
            span_s = max(now - rates[0][0], 1.0)
            motion = report.kind is SourceKind.MOTION
            cameras[camera.id] = CameraLive(
                camera=camera.id,
                kind=FrameKind.MOTION if motion else FrameKind.STREAM,
                age_s=now - at,
                fps=sum(frames for _, frames in list(rates)[1:]) / span_s,
                counts=dict(self._counts[camera.id]),
                coverage=report.coverage,
                dropped=report.dropped,
                ok=not report.wrong and now - at < STALE_S,
                calibration=report.calibration_version,
            )
        return cameras


def watch_until_stopped(watch: CameraWatch, relay: WatchRelay) -> None:
    """Pass reports on, once a second the whole present, until interrupted."""
    published = 0.0
    while True:
        report = watch.take(0.25)
        if report is not None:
            relay.report(report)
        if time.monotonic() - published >= 1.0:
            published = time.monotonic()
            relay.publish()
