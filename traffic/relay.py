"""What the street and its cameras send, passed on to the live state and the cases."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

from traffic.api.services import Services
from traffic.broadcast import Broadcast
from traffic.camerawork import CameraReport
from traffic.controllers.street import timing_digest
from traffic.field import StreetTick
from traffic.measure_records import add_measures


class Relay:
    """Takes ticks and reports; deaf until the service is there (``connect``).

    Looks every so often whether the controllers still run what they should
    (``PlanService.watch``, which raises and clears alarms).
    """

    def __init__(self, evidence: Path, *, keep_counts: bool = False) -> None:
        """Set up.

        Args:
            evidence: Where the camera workers write a flag's files.
            keep_counts: Whether counts go to the store as they come; a demo keeps those of its
                own windows.
        """
        self._keep_counts = keep_counts
        self.cases = 0
        self.detector = ""
        self.broadcast: Broadcast | None = None
        self._services: Services | None = None
        self._evidence = evidence
        self._watched = 0.0

    def connect(self, services: Services, broadcast: Broadcast) -> None:
        """From now on pass everything on."""
        self._services = services
        self.broadcast = broadcast

    def tick(self, tick: StreetTick) -> None:
        """A second of the street."""
        if self.broadcast is None or self._services is None:
            return
        self.broadcast.tick(tick)
        now = time.monotonic()
        if now - self._watched >= self._services.settings.watch_interval_s:
            self._watched = now
            self._services.plans.watch()
            running = self._services.plan_in_force()
            if running is not None:
                self.broadcast.plan_digests = {
                    plan.junction: timing_digest(plan) for plan in running.junctions
                }

    def report(self, report: CameraReport) -> None:
        """A second of one camera; each flag becomes a case."""
        if self.broadcast is None or self._services is None:
            return
        self.broadcast.report(report)
        if report.counts:
            site = self._services.site
            view = site.camera(report.camera).view
            version = view.calibration_version
            add_measures(
                self._services.store,
                site.id,
                report.measures,
                camera=report.camera,
                calibration=version,
            )
            if self._keep_counts:
                self._services.store.add_counts(
                    site.id,
                    report.counts,
                    camera=report.camera,
                    source_kind=view.source_kind.value,
                    calibration=version,
                )
        for violation in report.violations:
            case = self._services.cases.open_case(
                self._services.site.id,
                violation,
                self.broadcast.zero + timedelta(seconds=violation.time_s),
                self._evidence / violation.id,
            )
            self.cases += 1
            self.detector = (
                f"{violation.detector} {violation.weights_sha256[:12]}"
                if violation.weights_sha256
                else self.detector
            )
            self.broadcast.case(violation, case)
