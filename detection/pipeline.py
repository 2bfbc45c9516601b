"""One camera from detections to counts and flags, for pixels and projected boxes alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np

from detection.approach_signals import ApproachSignals
from detection.boxes import covered
from detection.counting import (
    EPOCH,
    Box,
    CountingSettings,
    Crossing,
    IntervalCounts,
    LineCounter,
    LineCrossing,
)
from detection.evidence import EvidenceSettings, EvidenceWriter, KeyMoment
from detection.exchange import part
from detection.flags import violation_of
from detection.geometry import AreaMap, inside
from detection.handover import Handover
from detection.hidden import HiddenPassages, HiddenSettings
from detection.judge import Judge
from detection.lives import Life, Pending, Place, entered_at, on_line
from detection.measures import PCU, MeasureLog, MeasureRow
from detection.movements import MovementMatch, MovementMatcher
from detection.ports import Detections, FloatArray, Image
from detection.queues import Queue, measure_queue
from detection.repeats import Repeats
from detection.rider_size import RiderSize
from detection.riders import road_users
from detection.riding_back import RidingBack
from detection.rules import Finding, RuleSettings
from detection.snapshots import SnapshotBuffer
from detection.stillness import StillnessWatch
from detection.tracking import Tracker, TrackerSettings, TrackState
from detection.trajectory import Trajectory, TrajectoryPoint
from detection.turning_back import TurningBack
from models.camera import CameraView, SourceKind
from models.counts import CountRow
from models.errors import XanhError
from models.signals import SignalState, SignalTimeline
from models.violation import Violation

MOVEMENT_KNOWN_M: Final = 40.0
"""A vehicle this far past the line has shown where it goes."""
MOVEMENT_WAIT_S: Final = 20.0
NEARER: Final = 0.08
NEAR_LINE_M: Final = 3.0
MIN_SEEN_M: Final = 1.5
"""One that is lost before the line was seen to come from at least so far before it."""
CLOCK_ERROR_S: Final = 1e-3
"""A first frame so short before a whole interval begins with it."""
EDGE_PX: Final = 2.0
EDGE_SHARE: Final = 0.04
"""A box nearer than this to the picture's edge may show only part of its vehicle."""


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """Settings of one camera's pipeline; each part documents its own.

    ``stillness`` holds tracks where the picture stands still, ``rider_size`` learns how tall
    riders are; both need a picture, and can be left out to measure what they bring. ``pcu`` are
    passenger car units by class.
    """

    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    counting: CountingSettings = field(default_factory=CountingSettings)
    hidden: HiddenSettings = field(default_factory=HiddenSettings)
    rules: RuleSettings = field(default_factory=RuleSettings)
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
    stillness: bool = True
    rider_size: bool = True
    pcu: Mapping[str, float] = field(default_factory=lambda: PCU)
    keep_s: float = 16.0
    max_snapshots: int = 240


@dataclass(frozen=True, slots=True)
class FrameResult:
    """What one frame brought.

    ``tracks`` are all confirmed tracks; ``crossings`` those whose movement has become known now
    (a few seconds after the line was crossed, and never twice); ``violations`` what was flagged
    now, its evidence already written. ``lost_cases`` says, a line each, for which flags none could
    be written: those are no violations, for there is nothing to show.
    """

    frame: int
    time_s: float
    tracks: tuple[TrackState, ...]
    crossings: tuple[Crossing, ...]
    violations: tuple[Violation, ...]
    queue: Queue
    signal: SignalState
    lost_cases: tuple[str, ...] = ()


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
        self._riders = RiderSize(view)
        self._stillness = StillnessWatch()
        self._counter = LineCounter(view, self.settings.counting)
        self._fronts = LineCounter(view, self.settings.counting, fronts=True)
        self._hidden = HiddenPassages(self._counter.line, self.settings.hidden, self._signals)
        self._matcher = MovementMatcher(view)
        self._tells_walkers = False
        self._areas = AreaMap([area.outline for area in view.road.areas])
        self._repeats = Repeats()
        self._handover = Handover()
        self._riding_back = RidingBack(view)
        self._turning_back = TurningBack(view.inward)
        self._judge = Judge(view, self.settings.rules, self._signals, self._movement)
        self._counts: IntervalCounts | None = None
        self._measures: MeasureLog | None = None
        self._snapshots = SnapshotBuffer(self.settings.keep_s, self.settings.max_snapshots)
        self._lives: dict[int, Life] = {}
        self._screens: FloatArray = np.zeros((0, 4))
        """Boxes of all that are seen now."""
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
        """
        self._frame = self._frame + 1 if frame is None else frame
        shown = self._signals.note(time_s, signal, signal_since_s)
        if self._counts is None:
            self._hidden.began_s = time_s
            # Intervals end with the clock's quarters of an hour: several cameras' add up.
            moment_s = self._start.timestamp() + time_s + CLOCK_ERROR_S
            grid_s = time_s - moment_s % self.settings.counting.interval_s + CLOCK_ERROR_S
            self._counts = IntervalCounts(
                self.view.junction,
                list(dict.fromkeys(path.movement for path in self.view.movements)),
                self.settings.counting,
                time_s,
                grid_s,
            )
            self._measures = MeasureLog(
                grid_s,
                self.settings.counting.interval_s,
                metric=self.view.metric,
                pcu=self.settings.pcu,
            )
        self._counts.watched(time_s)
        projected = self.view.source_kind is SourceKind.PROJECTED
        users = road_users(detections, truthful=projected)
        # COCO's persons are riders as often as not; a motion detector guesses from a footprint.
        walkers = "person" not in detections.class_names
        walkers &= self.view.source_kind is not SourceKind.MOTION
        self._tells_walkers = walkers
        tracks = tuple(self._tracks(time_s, users, None if projected else image, walkers))
        if self._evidence is not None:
            self._snapshots.add(self._frame, time_s, tracks, shown, image)
        lost: list[str] = []
        crossings, ended = self._end_tracks({track.id for track in tracks}, lost)
        standing = tuple(self._standing_of(len(tracks)))
        self._screens = self._tracker.places.box_px[[track.seen for track in tracks]]
        for track, place in zip(tracks, standing, strict=True):
            self._follow(track, place, time_s, crossings)
        if self.view.metric:
            part(self._lives, self.view.inward)
            self._turning_back.rejoin(time_s, self._lives)
        violations = (*ended, *self._flag_all(tracks, users, lost))
        self._add(crossings)
        queue = measure_queue(tracks, [place.in_zone for place in standing], self._counter.line)
        if self._measures is not None:
            occupied = any(map(on_line, tracks, standing))
            self._measures.frame(time_s, queue, shown, occupied=occupied)
        return FrameResult(
            frame=self._frame,
            time_s=time_s,
            tracks=tracks,
            crossings=tuple(crossings),
            violations=violations,
            queue=queue,
            signal=shown,
            lost_cases=tuple(lost),
        )

    def _tracks(
        self, time_s: float, users: Detections, image: Image | None, walkers: bool
    ) -> list[TrackState]:
        """The tracks of this frame; a picture also tells what stands and how tall riders are."""
        if image is None:
            return self._tracker.update(time_s, users, walkers=walkers)
        self._riders.learn(users)
        changes = self._stillness.look(time_s, image) if self.settings.stillness else None
        riders = self._riders if self.settings.rider_size else None
        return self._tracker.update(time_s, users, changes, riders, walkers=walkers)

    def finish(self) -> tuple[Crossing, ...]:
        """Settle what is open at the end of the source; the crossings that were left."""
        crossings, _ = self._end_tracks(set(), [])
        self._add(crossings)
        return tuple(crossings)

    def _add(self, crossings: Sequence[Crossing]) -> None:
        for crossing in crossings:
            if self._counts is not None:
                self._counts.add(crossing)
            if self._measures is not None:
                self._measures.add(crossing)

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
        if self._measures is not None:
            self._measures.forget_before(time_s)

    def measures(self, counts: Sequence[CountRow]) -> tuple[MeasureRow, ...]:
        """Measures beside counts of :meth:`counts`."""
        return () if self._measures is None else self._measures.rows(counts, self._start)

    @property
    def timeline(self) -> SignalTimeline:
        """The approach's signal as far as it is known."""
        return self._signals.approach

    def _standing_of(self, count: int) -> Iterable[Place]:
        """Where each of this frame's tracks stands, all of them in one go."""
        if count == 0:
            return ()
        centre, front, contact, units, box = self._tracker.places
        line, inward = self._counter.line, np.array(self.view.inward)
        size_px = np.array([self.view.width_px, self.view.height_px])
        margin_px = np.maximum(EDGE_PX, EDGE_SHARE * (box[:, 2:] - box[:, :2]))
        whole = (box[:, :2] >= margin_px).all(axis=1)
        whole &= (box[:, 2:] <= size_px - margin_px).all(axis=1)
        columns = (
            inside(centre, self.view.zone),
            self._areas.bits(centre),
            line.depths_m(front, units),
            line.depths_m(contact, units),
            (centre / units) @ inward,
            whole,
        )
        return map(Place._make, zip(*(column.tolist() for column in columns), strict=True))

    def _follow(
        self,
        track: TrackState,
        place: Place,
        time_s: float,
        crossings: list[Crossing],
    ) -> None:
        life, wheels_m = self._lives.get(track.id), place.wheels_m
        if life is None:
            life = self._lives[track.id] = Life(Trajectory(), track)
            life.first_m = wheels_m
            if self.view.metric:
                if self._hidden.may_have(time_s, wheels_m, track.contact):
                    life.hidden_m = wheels_m
                elif -NEAR_LINE_M < wheels_m < NEAR_LINE_M and track.seen:
                    life.over = self._hidden.again(time_s, track)
                before = self._handover.again(time_s, track)
                before = before or self._riding_back.again(time_s, track, self._lives)
                if before is not None:
                    life.go_on_with(before)
                    life.pending = before.pending
            if life.hidden_m is not None:
                life.first_covered = self._covered(track.box_px)
        life.last = track
        if not track.seen:
            return
        life.wheels_m = wheels_m
        line = self._counter.line
        life.trajectory.add(
            TrajectoryPoint(
                time_s,
                self._frame,
                track.contact_px,
                track.centre,
                track.front,
                place.front_m,
                place.progress_m,
                track.speed_mps,
                place.in_zone,
                track.box_px,
                place.areas,
                place.whole,
            )
        )
        # The law looks at the front; counted is who is over the line as a whole.
        points = life.trajectory.points
        front = self._fronts.update(track, time_s, self._frame, place.front_m, points)
        if front is not None:
            self._front_over(life, front)
        entered = life.front is not None and life.front.direction == "in"
        crossed = self._counter.update(
            track, time_s, self._frame, wheels_m, points, entered=entered
        )
        if crossed is not None and not (life.over and crossed.direction == "in"):
            life.pending = Pending(crossed, self._signals.approach.state_at(crossed.time_s))
            life.over, life.hidden_m = life.over or crossed.direction == "in", None
            if life.front is None:
                self._front_over(life, entered_at(crossed, points))
            if self._measures is not None and crossed.direction == "in":
                self._measures.over(crossed.time_s, track.vehicle_class)
        if life.hidden_m is not None:
            since_s = time_s - life.trajectory.points[0].time_s
            if since_s > self.settings.hidden.wait_s:
                self._came_out(life)
        if life.pending is not None:
            far = line.depth_m(track.centre, track.units_per_m) > MOVEMENT_KNOWN_M
            if far or time_s - life.pending.line.time_s > MOVEMENT_WAIT_S:
                self._settle(life, life.pending, crossings)

    def _front_over(self, life: Life, crossing: LineCrossing) -> None:
        life.front = crossing
        # A track may go on with a rider who passes one on foot: that one crossed on foot.
        on_foot = self._tells_walkers and life.last.vehicle_class == "pedestrian"
        if crossing.direction == "in" and not on_foot:
            self._judge.crossed(life.watch, crossing)

    def _end_tracks(
        self, alive: set[int], lost_cases: list[str]
    ) -> tuple[list[Crossing], list[Violation]]:
        crossings: list[Crossing] = []
        violations: list[Violation] = []
        for track in [track for track in self._lives if track not in alive]:
            life = self._lives.pop(track)
            self._counter.forget(track)
            self._fronts.forget(track)
            if life.hidden_m is not None and life.trajectory.points:
                self._came_out(life)
            # At the source's end nobody is lost: whoever is seen then has not gone.
            lost = not life.last.seen and not life.over and self.view.metric
            if lost and life.trajectory.points:
                self._went_over(life)
            if self.view.metric:
                hidden = self._judge.parks(life.trajectory.points) * self._covered(life.last.box_px)
                self._handover.lost(life, self._lives.values(), hidden=hidden)
                self._riding_back.lost(life)
                self._turning_back.lost(life)
            if life.over:
                self._hidden.lost(life.last, life.trajectory.points[-1].time_s)
            if life.pending is not None:
                self._settle(life, life.pending, crossings)
            if life.trajectory.points:
                found = self._judge.judge_lost(life.last, life.watch, life.trajectory.points)
                violations += self._flag(life.last, life, found, lost_cases)
        return crossings, violations

    def _covered(self, box: Box) -> float:
        """Share of a box that those hide who are seen nearer to the camera."""
        nearer = self._screens[self._screens[:, 3] > box[3] + NEARER * (box[3] - box[1])]
        return float(covered(np.array([box]), nearer).sum()) if len(nearer) else 0.0

    def _came_out(self, life: Life) -> None:
        """Count one that was first seen past the line, if it must have come over it."""
        wheels_m, points = life.hidden_m, life.trajectory.points
        life.hidden_m = None
        hidden = life.first_covered >= self.settings.hidden.covered
        if wheels_m is None or not hidden or life.last.vehicle_class == "pedestrian":
            return
        time_s = self._hidden.crossed_s(points, wheels_m, self._unseen())
        if time_s is not None:
            self._unseen_passage(life, time_s)

    def _unseen(self) -> list[tuple[TrackState, float]]:
        """Who crossed and is not seen just now, and when each was seen last."""
        return [
            (other.last, other.trajectory.points[-1].time_s)
            for other in self._lives.values()
            if other.over and not other.last.seen
        ]

    def _went_over(self, life: Life) -> None:
        """Count one that is lost from sight on its way over the line."""
        # One whose wheels were seen over the line was counted, or is another's second track.
        past = life.first_m > -MIN_SEEN_M or life.wheels_m > self.settings.counting.hysteresis_m
        if past or life.last.vehicle_class == "pedestrian":
            return
        entered = life.front is not None and life.front.direction == "in"
        others = [
            (other.last, other.trajectory.points[0])
            for other in self._lives.values()
            if other.last.seen
        ]
        time_s = self._hidden.went_s(
            life.trajectory.points, life.wheels_m, life.last, others, entered=entered
        )
        if time_s is not None:
            self._unseen_passage(life, time_s)

    def _unseen_passage(self, life: Life, time_s: float) -> None:
        points = life.trajectory.points
        line = LineCrossing(
            track=life.last.id,
            direction="in",
            time_s=time_s,
            frame=points[-1].frame,
            contact_px=points[-1].contact_px,
            speed_mps=points[-1].speed_mps,
            seen=False,
        )
        life.over, life.watch.unseen_s = True, time_s
        life.pending = Pending(line, self._signals.approach.state_at(time_s))
        if life.front is None and life.first_m <= 0.0 < points[0].depth_m:
            # First seen astride the line: when its front crossed is told by its speed.
            self._front_over(life, entered_at(line, points))

    def _settle(self, life: Life, pending: Pending, crossings: list[Crossing]) -> None:
        """Count what has crossed, unless it turned out to be somebody on foot."""
        life.pending = None
        if life.last.vehicle_class != "pedestrian":
            crossings.append(self._crossing(life, pending))

    def _movement(
        self, points: Iterable[TrajectoryPoint], track: TrackState, since_s: float
    ) -> MovementMatch:
        centres = [point.centre for point in points if point.time_s >= since_s - 0.5]
        return self._matcher.match(centres, track.units_per_m)

    def _crossing(self, life: Life, pending: Pending) -> Crossing:
        line = pending.line
        if line.direction == "in":
            match = self._movement(life.trajectory.points, life.last, line.time_s)
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
            front_s=line.time_s if life.front is None else life.front.time_s,
            frame=line.frame,
            x_px=line.contact_px[0],
            y_px=line.contact_px[1],
            speed_mps=line.speed_mps,
            signal_state=pending.signal,
            seen=line.seen,
        )

    def _flag_all(
        self, tracks: Sequence[TrackState], users: Detections, lost: list[str]
    ) -> tuple[Violation, ...]:
        """Hold every vehicle that was seen now against the rules."""
        seen = [
            (track, self._lives[track.id])
            for track in tracks
            if track.seen and track.vehicle_class != "pedestrian"
        ]
        self._read_riders(seen, users)
        self._judge.watch_passing(
            (life.trajectory.points[-1], track.id, life.watch) for track, life in seen
        )
        flagged: list[Violation] = []
        for track, life in seen:
            found = self._judge.judge(track, life.watch, life.trajectory.points)
            flagged += self._flag(track, life, found, lost)
        return tuple(flagged)

    @staticmethod
    def _read_riders(seen: Sequence[tuple[TrackState, Life]], users: Detections) -> None:
        """Note what the detector said of riders and helmets; a track keeps its box's values.

        At the picture's edge, where vehicles come in one behind the other, boxes are cut and
        tracks young: what is read there may be another's.
        """
        for readings, into in ((users.riders, "riders"), (users.bare_heads, "bare_heads")):
            if readings is None:
                continue
            of_box = dict(
                zip(map(tuple, users.boxes.astype(np.float64).tolist()), readings, strict=True)
            )
            for track, life in seen:
                value = int(of_box.get(track.box_px, -1))
                if value >= 0 and life.trajectory.points[-1].whole:
                    getattr(life.watch, into).append(value)

    def _flag(
        self,
        track: TrackState,
        life: Life,
        found: Iterable[tuple[Finding, str | None]],
        lost: list[str],
    ) -> list[Violation]:
        """The violations of these findings, their evidence written; else a line in ``lost``."""
        flagged: list[Violation] = []
        for finding, movement in found:
            points, since_s = life.trajectory.points, finding.before_s
            if self.view.metric and self._repeats.again(finding.kind, track.id, points, since_s):
                continue
            try:
                flagged.append(self._case(track, life, finding, movement))
            except XanhError as error:
                # A full disk must not end the watch: the camera goes on counting.
                lost.append(str(error))
        return flagged

    def _case(
        self, track: TrackState, life: Life, finding: Finding, movement: str | None
    ) -> Violation:
        violation = violation_of(
            self.view, self._detector, self._start, self._signals, track,
            life.trajectory.points, finding, movement,
        )  # fmt: skip
        at_s = finding.time_s if finding.at_s is None else finding.at_s
        moments = (
            KeyMoment("before", finding.before_s),
            KeyMoment("at", at_s),
            KeyMoment("inside", finding.inside_s),
        )
        self._write(violation, moments, finding.inside_s)
        return violation

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
