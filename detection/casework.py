"""What becomes of one camera's findings: each act told once, with the evidence that shows it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from detection.approach_signals import ApproachSignals
from detection.evidence import EvidenceSettings, EvidenceWriter, KeyMoment
from detection.flags import violation_of
from detection.lives import Life
from detection.ports import Image
from detection.repeats import Repeats
from detection.rules import Finding
from detection.snapshots import SnapshotBuffer
from detection.tracking import TrackState
from models.camera import CameraView
from models.errors import XanhError
from models.signals import SignalState
from models.violation import Violation


class Casework:
    """Makes violations of findings; keeps the last pictures to show them by."""

    def __init__(
        self,
        view: CameraView,
        *,
        detector: tuple[str, str],
        start: datetime,
        signals: ApproachSignals,
        evidence: EvidenceWriter | None,
        settings: EvidenceSettings,
        snapshots: SnapshotBuffer,
    ) -> None:
        """Set up.

        Args:
            view: The approach as the camera sees it.
            detector: Name and weights' hash of what makes the detections.
            start: The moment at which the source's clock shows 0.
            signals: What the heads show.
            evidence: Where cases are written; None makes violations without writing.
            settings: How much of the time before is shown.
            snapshots: An empty buffer for the last pictures.
        """
        self._view = view
        self._detector = detector
        self._start = start
        self._signals = signals
        self._evidence = evidence
        self._settings = settings
        self._snapshots = snapshots
        self._repeats = Repeats()

    def keep(
        self,
        frame: int,
        time_s: float,
        tracks: tuple[TrackState, ...],
        shown: SignalState,
        image: Image | None,
    ) -> None:
        """Keep a picture for cases to come."""
        if self._evidence is not None:
            self._snapshots.add(frame, time_s, tracks, shown, image)

    def take(
        self,
        track: TrackState,
        life: Life,
        found: Iterable[tuple[Finding, str | None]],
        lost: list[str],
    ) -> list[Violation]:
        """The violations of these findings, their evidence written; else a line in ``lost``."""
        taken: list[Violation] = []
        for finding, movement in found:
            points, since_s = life.trajectory.points, finding.before_s
            if self._view.metric and self._repeats.again(finding.kind, track.id, points, since_s):
                continue
            try:
                taken.append(self._case(track, life, finding, movement))
            except XanhError as error:
                # A full disk must not end the watch: the camera goes on counting.
                lost.append(str(error))
        return taken

    def _case(
        self, track: TrackState, life: Life, finding: Finding, movement: str | None
    ) -> Violation:
        violation = violation_of(
            self._view, self._detector, self._start, self._signals, track,
            life.trajectory.points, finding, movement,
        )  # fmt: skip
        if self._evidence is None:
            return violation
        at_s = finding.time_s if finding.at_s is None else finding.at_s
        moments = (
            KeyMoment("before", finding.before_s),
            KeyMoment("at", at_s),
            KeyMoment("inside", finding.inside_s),
        )
        shots = self._snapshots.between(
            moments[0].time_s - self._settings.before_s, moments[-1].time_s
        )
        if not shots:
            raise XanhError(f"camera {self._view.camera}: no frames are kept for {violation.id}")
        self._evidence.write(violation, moments, shots)
        return violation
