"""The virtual street and its cameras at work: lived on second by second, observed in windows."""

from __future__ import annotations

import multiprocessing as mp
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from detection.counting import Crossing
from models.camera import SourceKind
from models.counts import CountRow
from models.errors import XanhError
from models.plan import Plan
from models.site import Site, StreetOptions
from models.violation import Violation
from simulation.offences import Offence
from simulation.people import People
from simulation.truth import StopLineCrossing, WrongWayEntry
from traffic.camerawork import FRAMES_PER_S, CameraProcess, CameraReport, WorkConfig
from traffic.field import FieldConfig, FieldProcess, StreetTick, camera_queue

LEAD_S = 5
"""Cameras run so long before a window, so that who crosses at its start is tracked already."""
TAIL_S = 12
"""And so long after it: a crossing's movement, and a flag, is settled seconds later."""
STALLED_S = 300.0


@dataclass(slots=True)
class Window:
    """What was seen, and what was true, in ``[begin_s, end_s)`` of the street.

    ``counted`` are crossings into the junction by camera id; ``frames`` by camera.
    """

    begin_s: float
    end_s: float
    crossings: list[StopLineCrossing] = field(default_factory=list)
    wrong_way: list[WrongWayEntry] = field(default_factory=list)
    offences: list[Offence] = field(default_factory=list)
    counted: dict[str, list[Crossing]] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    frames: dict[str, int] = field(default_factory=dict)
    delay_vehicle_s: float = 0.0
    planned: int = 0

    @property
    def delay_s(self) -> float:
        """Delay that accrued per vehicle planned to depart (``simulation.delay_meter``)."""
        return self.delay_vehicle_s / self.planned if self.planned else 0.0

    def holds(self, time_s: float) -> bool:
        """Whether a time lies in the window."""
        return self.begin_s <= time_s < self.end_s

    def coverage(self, camera: str) -> float:
        """Share of the window's frames that a camera saw."""
        expected = (self.end_s - self.begin_s) * FRAMES_PER_S
        return min(self.frames.get(camera, 0) / expected, 1.0) if expected else 0.0


class StreetWork:
    """Owns the street process and the camera processes; one thread at a time advances it."""

    def __init__(
        self,
        site: Site,
        plan: Plan,
        counts: Sequence[CountRow],
        options: StreetOptions,
        *,
        zero: datetime,
        evidence: Path,
        weights: str = "",
        on_tick: Callable[[StreetTick], None] | None = None,
        on_report: Callable[[CameraReport], None] | None = None,
    ) -> None:
        """Start the processes; the street stands at its second 0.

        Args:
            site: A site with a virtual street.
            plan: Timing that its controllers run at first.
            counts: Demand of the street.
            options: Its behaviour.
            zero: Moment of the street's second 0.
            evidence: Folder for the flags' evidence.
            weights: Detector of the pixel cameras; empty for the default.
            on_tick: Called with every second of the street.
            on_report: Called with every second of every camera.
        """
        self.site = site
        self.zero = zero
        self.evidence = evidence
        self.now_s = 0.0
        self._on_tick = on_tick or _ignore
        self._on_report = on_report or _ignore
        self._planned = 0
        self._reported: dict[str, float] = {}
        context = mp.get_context("spawn")
        kinds = (SourceKind.PIXELS, SourceKind.PROJECTED)
        groups = [
            tuple(camera.id for camera in site.cameras if camera.view.source_kind is kind)
            for kind in kinds
        ]
        self._workers: list[CameraProcess] = []
        for group in groups:
            if group:
                people = People(options.seed, options.overloaded_share, options.no_helmet_share)
                config = WorkConfig(
                    site.folder, group, zero, evidence, options.seed, weights, people
                )
                self._workers.append(CameraProcess(config, camera_queue(context)))
        self.cameras = [camera for group in groups for camera in group]
        self.field = FieldProcess(
            FieldConfig(site.folder, plan, tuple(counts), options),
            zero,
            [worker.orders for worker in self._workers],
        )

    def advance(
        self,
        seconds: float,
        *,
        cameras: bool = False,
        speed: float = 0.0,
        until: Callable[[], bool] | None = None,
        window: Window | None = None,
    ) -> None:
        """Live on.

        Args:
            seconds: How long, in the street's seconds.
            cameras: Whether the cameras watch.
            speed: At most so many times real time; 0 is as fast as possible.
            until: Stop early, at a whole number of seconds, once this holds.
            window: Collect into this.

        Raises:
            XanhError: If the street or a camera worker breaks off.
        """
        target_s = self.now_s + seconds
        while self.now_s < target_s and not (until is not None and until()):
            # In steps: a caller who wants to stop early waits for one of them at most.
            step_s = min(self.now_s + (5.0 if until is not None else seconds), target_s)
            self.field.run_until(step_s, cameras=cameras, speed=speed)
            while self.now_s < step_s:
                self._take_tick(self.field.next_tick(STALLED_S), window)
                self._take_reports(0.0, window)
            if cameras:
                self._catch_up(step_s - 1.0, window)

    def observe(self, seconds: float, *, speed: float = 0.0) -> Window:
        """Watch for so many seconds with all cameras.

        Lives on for ``LEAD_S`` before and ``TAIL_S`` after the window, with the cameras on.

        Raises:
            XanhError: If the street or a camera worker breaks off.
        """
        window = Window(self.now_s + LEAD_S, self.now_s + LEAD_S + seconds)
        self.advance(LEAD_S + seconds + TAIL_S, cameras=True, speed=speed, window=window)
        self.end_window(window)
        return window

    def end_window(self, window: Window | None = None) -> None:
        """Let every camera settle what is open and begin anew."""
        open_cameras = set(self.cameras)
        for worker in self._workers:
            worker.end_window()
        for worker in self._workers:
            while open_cameras & set(worker.cameras):
                report = worker.take(STALLED_S)
                if report is None:
                    raise XanhError("a camera worker does not go on")
                self._take_report(report, window)
                if report.ends_window:
                    open_cameras.discard(report.camera)
        self._reported.clear()

    def close(self) -> None:
        """Stop all processes; safe to call again."""
        self.field.close()
        for worker in self._workers:
            worker.close()

    def _take_tick(self, tick: StreetTick, window: Window | None) -> None:
        self.now_s = tick.end_s
        if window is not None:
            window.crossings += [item for item in tick.crossings if window.holds(item.time_s)]
            window.wrong_way += [item for item in tick.wrong_way if window.holds(item.time_s)]
            window.offences += [item for item in tick.offences if window.holds(item.time_s)]
            if window.holds(tick.begin_s):
                window.delay_vehicle_s += tick.delay_vehicle_s
                window.planned += tick.planned - self._planned
        self._planned = tick.planned
        self._on_tick(tick)

    def _take_reports(self, timeout_s: float, window: Window | None) -> None:
        for worker in self._workers:
            while (report := worker.take(timeout_s)) is not None:
                self._take_report(report, window)

    def _catch_up(self, begin_s: float, window: Window | None) -> None:
        """Wait until every camera has reported the second that begins at ``begin_s``."""
        for worker in self._workers:
            while any(self._reported.get(name, -1.0) < begin_s for name in worker.cameras):
                report = worker.take(STALLED_S)
                if report is None:
                    raise XanhError("a camera worker does not go on")
                self._take_report(report, window)

    def _take_report(self, report: CameraReport, window: Window | None) -> None:
        if not report.ends_window:
            self._reported[report.camera] = report.begin_s
        if window is not None:
            seen = window.counted.setdefault(report.camera, [])
            seen += [
                item
                for item in report.crossings
                if item.direction == "in" and window.holds(item.time_s)
            ]
            window.violations += [v for v in report.violations if window.holds(v.time_s)]
            if report.frames and window.holds(report.begin_s):
                window.frames[report.camera] = window.frames.get(report.camera, 0) + report.frames
        self._on_report(report)


def count_rows(site: Site, windows: Iterable[Window], zero: datetime) -> tuple[CountRow, ...]:
    """Counts of the windows per movement and class, zeros included."""
    rows = []
    for window in windows:
        for camera in site.cameras:
            found: dict[tuple[str, str], int] = {}
            for item in window.counted.get(camera.id, ()):
                key = (item.movement, item.vehicle_class)
                found[key] = found.get(key, 0) + 1
            classes = sorted({"motorcycle", "car"} | {name for _, name in found})
            rows += [
                CountRow(
                    junction=camera.junction,
                    movement=movement,
                    vehicle_class=vehicle_class,
                    start=zero + timedelta(seconds=window.begin_s),
                    end=zero + timedelta(seconds=window.end_s),
                    count=found.get((movement, vehicle_class), 0),
                    coverage=window.coverage(camera.id),
                )
                # A movement has one path per lane.
                for movement in dict.fromkeys(path.movement for path in camera.view.movements)
                for vehicle_class in classes
            ]
    return tuple(rows)


def _ignore(_: Any) -> None:
    """Nobody listens."""
