"""One camera from detections to counts and flags, for pixels and projected boxes alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from detection.approach_signals import ApproachSignals
from detection.counting import (
    EPOCH,
    CountingSettings,
    Crossing,
    IntervalCounts,
    LineCounter,
    LineCrossing,
)
from detection.evidence import EvidenceSettings, EvidenceWriter, KeyMoment
from detection.geometry import inside
from detection.movements import MovementMatch, MovementMatcher
from detection.ports import Detections, Image
from detection.queues import Queue, measure_queue
from detection.riders import road_users
from detection.rules import RedLightFinding, RuleSettings, WrongWayFinding, red_light, wrong_way
from detection.snapshots import SnapshotBuffer
from detection.tracking import Tracker, TrackerSettings, TrackState
from detection.trajectory import Trajectory, TrajectoryPoint
from models.camera import CameraView, SourceKind
from models.counts import CountRow
from models.errors import XanhError
from models.signals import SignalState, SignalTimeline
from models.violation import TrackPoint, Violation, ViolationKind

MOVEMENT_KNOWN_M: Final = 40.0
"""A vehicle this far past the line has shown where it goes."""
MOVEMENT_WAIT_S: Final = 20.0
MOVEMENT_SURE_M: Final = 15.0
"""Where movements of an approach show different aspects, a vehicle must have driven this far past
the line before it is judged by its own movement's."""


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """Settings of one camera's pipeline; each part documents its own."""

    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    counting: CountingSettings = field(default_factory=CountingSettings)
    rules: RuleSettings = field(default_factory=RuleSettings)
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    keep_s: float = 16.0
    max_snapshots: int = 240


@dataclass(frozen=True, slots=True)
class FrameResult:
    """What one frame brought.

    ``tracks`` are all confirmed tracks; ``crossings`` those whose movement has become known now
    (a few seconds after the line was crossed, and never twice); ``violations`` what was flagged
    now, its evidence already written.
    """

    frame: int
    time_s: float
    tracks: tuple[TrackState, ...]
    crossings: tuple[Crossing, ...]
    violations: tuple[Violation, ...]
    queue: Queue
    signal: SignalState


@dataclass(slots=True)
class _Pending:
    """A crossing whose movement, and whose red-light rule, is not settled yet."""

    line: LineCrossing
    signal: SignalState
    judged: bool = False


@dataclass(slots=True)
class _Life:
    """What is kept of a track while it lives."""

    trajectory: Trajectory
    last: TrackState
    pending: _Pending | None = None
    wrong_way_flagged: bool = False


class CameraPipeline:
    """Tracking, counting, rules and evidence of one camera view.

    Memory is bounded: tracks end, trajectories and snapshots have a length, the signal's history
    ten minutes.
    """

    def __init__(
        self,
        view: CameraView,
        *,
        detector: str,
        weights_sha256: str,
        settings: PipelineSettings | None = None,
        evidence: EvidenceWriter | None = None,
        timeline: SignalTimeline | None = None,
        start: datetime = EPOCH,
    ) -> None:
        """Set up a camera.

        Args:
            view: The approach as the camera sees it.
            detector: Name of what makes the detections, for the cases.
            weights_sha256: Hash of its weights; empty for a projected camera.
            settings: Parameters.
            evidence: Where cases are written; None flags without writing.
            timeline: The signal's exact changes where they are known beforehand; the state given
                with each frame is then not needed.
            start: The moment at which the source's clock shows 0.

        Raises:
            ValueError: If the view cannot be used (no movements, a line without length).
        """
        self.view = view
        self.settings = settings or PipelineSettings()
        self._detector = (detector, weights_sha256)
        self._evidence = evidence
        self._start = start
        self._signals = ApproachSignals([path.movement for path in view.movements], timeline)
        self._tracker = Tracker(view, self.settings.tracker)
        self._counter = LineCounter(view, self.settings.counting)
        self._matcher = MovementMatcher(view)
        self._counts: IntervalCounts | None = None
        self._snapshots = SnapshotBuffer(self.settings.keep_s, self.settings.max_snapshots)
        self._lives: dict[int, _Life] = {}
        self._frame = -1

    def process(
        self,
        time_s: float,
        detections: Detections,
        signal: SignalState | Mapping[str, SignalState] = SignalState.UNKNOWN,
        image: Image | None = None,
        *,
        frame: int | None = None,
        signal_since_s: float | None = None,
    ) -> FrameResult:
        """Take one frame.

        Args:
            time_s: Its time in the source's clock; never before the last one.
            detections: As the detector gave them; classes are mapped and riders fused here.
            signal: What the approach's head shows now, or what each movement's shows; unknown
                when nobody knows.
            image: The picture, for evidence.
            frame: Number of the frame in its source; counted from 0 by default.
            signal_since_s: When ``signal`` began, where that is known better than by the first
                frame that brought it.

        Raises:
            ValueError: If time goes backwards.
            XanhError: If evidence cannot be written.
        """
        self._frame = self._frame + 1 if frame is None else frame
        shown = self._signals.note(time_s, signal, signal_since_s)
        if self._counts is None:
            self._counts = IntervalCounts(
                self.view.junction,
                list(dict.fromkeys(path.movement for path in self.view.movements)),
                self.settings.counting,
                time_s,
            )
        self._counts.watched(time_s)
        projected = self.view.source_kind is SourceKind.PROJECTED
        users = road_users(detections, truthful=projected)
        tracks = tuple(self._tracker.update(time_s, users))
        if self._evidence is not None:
            self._snapshots.add(self._frame, time_s, tracks, shown, image)
        crossings = self._end_tracks({track.id for track in tracks})
        violations: list[Violation] = []
        in_zone = self._in_zone(tracks)
        for track, within in zip(tracks, in_zone, strict=True):
            self._follow(track, within, time_s, crossings, violations)
        for crossing in crossings:
            self._counts.add(crossing)
        return FrameResult(
            frame=self._frame,
            time_s=time_s,
            tracks=tracks,
            crossings=tuple(crossings),
            violations=tuple(violations),
            queue=measure_queue(tracks, in_zone, self._counter.line),
            signal=shown,
        )

    def finish(self) -> tuple[Crossing, ...]:
        """Settle what is open at the end of the source; the crossings that were left."""
        crossings = self._end_tracks(set())
        if self._counts is not None:
            for crossing in crossings:
                self._counts.add(crossing)
        return tuple(crossings)

    def counts(
        self, *, since_s: float | None = None, until_s: float | None = None
    ) -> tuple[CountRow, ...]:
        """Counts so far (see :meth:`detection.counting.IntervalCounts.rows`).

        Vehicles whose movement is still open are not in them yet; :meth:`finish` settles those.
        """
        if self._counts is None:
            return ()
        return self._counts.rows(start=self._start, since_s=since_s, until_s=until_s)

    def forget_counts_before(self, time_s: float) -> None:
        """Drop intervals that ended before ``time_s`` and are stored elsewhere."""
        if self._counts is not None:
            self._counts.forget_before(time_s)

    @property
    def timeline(self) -> SignalTimeline:
        """The approach's signal as far as it is known."""
        return self._signals.approach

    def _in_zone(self, tracks: tuple[TrackState, ...]) -> list[bool]:
        if not tracks:
            return []
        centres = np.array([track.centre for track in tracks], np.float64)
        within: list[bool] = inside(centres, self.view.zone).tolist()
        return within

    def _follow(
        self,
        track: TrackState,
        within: bool,
        time_s: float,
        crossings: list[Crossing],
        violations: list[Violation],
    ) -> None:
        life = self._lives.get(track.id)
        if life is None:
            life = self._lives[track.id] = _Life(Trajectory(), track)
        life.last = track
        if not track.seen:
            return
        line = self._counter.line
        inward, units = self.view.inward, track.units_per_m
        progress = (track.centre[0] * inward[0] / units[0]) + (
            track.centre[1] * inward[1] / units[1]
        )
        life.trajectory.add(
            TrajectoryPoint(
                time_s=time_s,
                frame=self._frame,
                contact_px=track.contact_px,
                centre=track.centre,
                front=track.front,
                depth_m=line.depth_m(track.front, units),
                progress_m=progress,
                speed_mps=track.speed_mps,
                in_zone=within,
                box_px=track.box_px,
            )
        )
        if track.vehicle_class == "pedestrian":
            return
        crossed = self._counter.update(track, time_s, self._frame)
        if crossed is not None:
            state = self._signals.approach.state_at(crossed.time_s)
            shown = self._signals.states_at(crossed.time_s)
            lawful = crossed.direction != "in" or SignalState.RED not in shown
            life.pending = _Pending(crossed, state, judged=lawful)
        if life.pending is not None:
            self._judge_red_light(track, life, life.pending, time_s, violations)
            far = line.depth_m(track.centre, units) > MOVEMENT_KNOWN_M
            if far or time_s - life.pending.line.time_s > MOVEMENT_WAIT_S:
                crossings.append(self._crossing(life, life.pending))
                life.pending = None
        self._judge_wrong_way(track, life, within, violations)

    def _end_tracks(self, alive: set[int]) -> list[Crossing]:
        crossings = []
        for track in [track for track in self._lives if track not in alive]:
            life = self._lives.pop(track)
            self._counter.forget(track)
            if life.pending is not None:
                crossings.append(self._crossing(life, life.pending))
        return crossings

    def _movement(self, life: _Life, since_s: float) -> MovementMatch:
        points = [point.centre for point in life.trajectory.points if point.time_s >= since_s - 0.5]
        return self._matcher.match(points, life.last.units_per_m)

    def _crossing(self, life: _Life, pending: _Pending) -> Crossing:
        line = pending.line
        if line.direction == "in":
            match = self._movement(life, line.time_s)
        else:
            match = MovementMatch("", True)
        return Crossing(
            track=line.track,
            vehicle_class=life.last.vehicle_class,
            movement=match.movement,
            movement_certain=match.certain,
            line=self.view.camera,
            direction=line.direction,
            time_s=line.time_s,
            frame=line.frame,
            x_px=line.contact_px[0],
            y_px=line.contact_px[1],
            speed_mps=line.speed_mps,
            signal_state=pending.signal,
        )

    def _judge_red_light(
        self,
        track: TrackState,
        life: _Life,
        pending: _Pending,
        time_s: float,
        violations: list[Violation],
    ) -> None:
        rule = self.settings.rules.red_light
        if pending.judged:
            return
        crossing_s = pending.line.time_s
        match = self._movement(life, crossing_s)
        # Nothing is flagged on a guess: where only some movements have red, the vehicle's own
        # must be beyond doubt.
        differ = len(self._signals.states_at(crossing_s)) > 1
        sure = match.certain and match.travelled_m >= MOVEMENT_SURE_M
        if not differ or sure:
            signal = self._signals.of(match.movement)
            finding = red_light(crossing_s, tuple(life.trajectory.points), signal, rule)
            if finding is not None:
                pending.judged = True
                violations.append(self._flag_red_light(track, life, finding, match.movement))
        limit_s = MOVEMENT_WAIT_S if differ else rule.within_s
        pending.judged |= time_s - crossing_s > limit_s or (differ and sure)

    def _judge_wrong_way(
        self, track: TrackState, life: _Life, within: bool, violations: list[Violation]
    ) -> None:
        if not self.view.wrong_way or life.wrong_way_flagged or not within:
            return
        inward, units = self.view.inward, track.units_per_m
        forward = (
            track.velocity[0] * inward[0] / units[0] + track.velocity[1] * inward[1] / units[1]
        )
        if forward > -1.0:
            return
        finding = wrong_way(
            tuple(life.trajectory.points), self._signals.approach, self.settings.rules.wrong_way
        )
        if finding is not None:
            life.wrong_way_flagged = True
            violations.append(self._flag_wrong_way(track, life, finding))

    def _flag_red_light(
        self, track: TrackState, life: _Life, finding: RedLightFinding, movement: str
    ) -> Violation:
        moments = (
            KeyMoment("before", finding.crossing_s - 1.0),
            KeyMoment("at", finding.crossing_s),
            KeyMoment("inside", finding.inside_s),
        )
        rule = self.settings.rules.red_light
        violation = self._violation(
            ViolationKind.RED_LIGHT,
            track,
            life,
            time_s=finding.crossing_s,
            signal_state=SignalState.RED,
            time_into_red_s=finding.time_into_red_s,
            movement=movement,
            measures={
                "inside_m": round(finding.inside_m, 2),
                "inside_after_s": round(finding.inside_s - finding.crossing_s, 2),
                "speed_mps_screening": round(track.speed_mps, 2),
                "rule_min_red_s": rule.min_red_s,
                "rule_continue_m": rule.continue_m,
            },
        )
        self._write(violation, moments, finding.inside_s)
        return violation

    def _flag_wrong_way(
        self, track: TrackState, life: _Life, finding: WrongWayFinding
    ) -> Violation:
        middle = (finding.start_s + finding.end_s) / 2
        moments = (
            KeyMoment("before", finding.start_s),
            KeyMoment("at", middle),
            KeyMoment("inside", finding.end_s),
        )
        rule = self.settings.rules.wrong_way
        violation = self._violation(
            ViolationKind.WRONG_WAY,
            track,
            life,
            time_s=finding.start_s,
            signal_state=finding.signal_state,
            time_into_red_s=None,
            movement=None,
            measures={
                "distance_m": round(finding.distance_m, 2),
                "duration_s": round(finding.end_s - finding.start_s, 2),
                "speed_mps_screening": round(finding.speed_mps, 2),
                "rule_min_distance_m": rule.min_distance_m,
            },
        )
        self._write(violation, moments, finding.end_s)
        return violation

    def _violation(
        self,
        kind: ViolationKind,
        track: TrackState,
        life: _Life,
        *,
        time_s: float,
        signal_state: SignalState,
        time_into_red_s: float | None,
        movement: str | None,
        measures: dict[str, float],
    ) -> Violation:
        moment = self._start + timedelta(seconds=time_s)
        stamp = moment.strftime("%Y%m%dT%H%M%S") + f"{moment.microsecond // 1000:03d}"
        camera = "".join(c if c.isalnum() or c in "-_" else "_" for c in self.view.camera)
        metric = self.view.metric
        points = tuple(
            TrackPoint(
                point.time_s,
                *point.contact_px,
                round(point.centre[0], 2) if metric else None,
                round(point.centre[1], 2) if metric else None,
            )
            for point in life.trajectory.points
        )
        begin_s = time_s - 60.0
        known = self._signals.approach if movement is None else self._signals.of(movement)
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
            camera=self.view.camera,
            junction=self.view.junction,
            movement=movement,
            vehicle_class=track.vehicle_class,
            track=track.id,
            time_s=time_s,
            signal_state=signal_state,
            time_into_red_s=time_into_red_s,
            detector=self._detector[0],
            weights_sha256=self._detector[1],
            calibration_version=self.view.calibration_version,
            source_kind=self.view.source_kind.value,
            points=points,
            signal=tuple(change for change in changes if change[0] <= now_s),
            measures=measures,
        )

    def _write(self, violation: Violation, moments: tuple[KeyMoment, ...], until_s: float) -> None:
        if self._evidence is None:
            return
        settings = self.settings.evidence
        shots = self._snapshots.between(
            moments[0].time_s - settings.before_s, max(until_s, moments[-1].time_s)
        )
        if not shots:
            raise XanhError(f"camera {self.view.camera}: no frames are kept for {violation.id}")
        self._evidence.write(violation, moments, shots)
