"""What a flag becomes: the record of a violation, with its track, its signal and its measures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from detection.approach_signals import ApproachSignals
from detection.rules import Finding
from detection.tracking import TrackState
from detection.trajectory import TrajectoryPoint
from models.camera import CameraView
from models.violation import TrackPoint, Violation


def violation_of(
    view: CameraView,
    detector: tuple[str, str],
    start: datetime,
    signals: ApproachSignals,
    track: TrackState,
    sightings: Sequence[TrajectoryPoint],
    finding: Finding,
    movement: str | None,
) -> Violation:
    """The violation that a rule found.

    Args:
        view: The approach as the camera sees it.
        detector: Name and weights' hash of what made the detections.
        start: The moment at which the source's clock shows 0.
        signals: What the heads showed.
        track: The vehicle now.
        sightings: The vehicle so far.
        finding: What the rule says.
        movement: The vehicle's movement where it is known.
    """
    time_s, kind = finding.time_s, finding.kind
    measures = {**finding.measures, "speed_mps_screening": round(track.speed_mps, 2)}
    moment = start + timedelta(seconds=time_s)
    stamp = moment.strftime("%Y%m%dT%H%M%S") + f"{moment.microsecond // 1000:03d}"
    camera = "".join(c if c.isalnum() or c in "-_" else "_" for c in view.camera)
    metric = view.metric
    points = tuple(
        TrackPoint(
            point.time_s,
            *point.contact_px,
            round(point.centre[0], 2) if metric else None,
            round(point.centre[1], 2) if metric else None,
        )
        for point in sightings
    )
    begin_s = time_s - 60.0
    known = signals.approach if movement is None else signals.of(movement)
    changes = tuple(
        (max(change.time_s, begin_s), change.state)
        for index, change in enumerate(known.changes)
        if change.time_s > begin_s
        or index + 1 == len(known.changes)
        or known.changes[index + 1].time_s > begin_s
    )
    now_s = points[-1].time_s if points else time_s
    return Violation(
        id=f"{camera}-{stamp}-{kind.value}-{track.id}",
        kind=kind,
        camera=view.camera,
        junction=view.junction,
        movement=movement,
        vehicle_class=track.vehicle_class,
        track=track.id,
        time_s=time_s,
        signal_state=finding.signal_state,
        time_into_red_s=finding.time_into_red_s,
        detector=detector[0],
        weights_sha256=detector[1],
        calibration_version=view.calibration_version,
        source_kind=view.source_kind.value,
        points=points,
        signal=tuple(change for change in changes if change[0] <= now_s),
        measures=measures,
    )
