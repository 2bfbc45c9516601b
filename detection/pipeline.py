"""One camera from detections to counts and flags, for pixels and projected boxes alike."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import repeat
from typing import Final

import numpy as np

from detection.approach_signals import ApproachSignals
from detection.boxes import EDGE_PX, covered
from detection.casework import Casework
from detection.counting import (
    EPOCH,
    Box,
    CountingSettings,
    Crossing,
    LineCounter,
    LineCrossing,
)
from detection.evidence import EvidenceSettings, EvidenceWriter
from detection.exchange import part
from detection.geometry import AreaMap
from detection.hidden import HiddenPassages, HiddenSettings
from detection.judge import Judge
from detection.lives import Life, Pending, Place, entered_at, note_riders
from detection.measures import PCU, MeasureRow
from detection.movements import MovementMatch, MovementMatcher
from detection.ports import Detections, FloatArray, Image
from detection.queues import Queue, measure_queue
from detection.rejoining import LostLives
from detection.rider_size import RiderSize
from detection.riders import road_users
from detection.rules import RuleSettings
from detection.snapshots import SnapshotBuffer
from detection.stillness import StillnessWatch
from detection.tally import Tally
from detection.tracking import Tracker, TrackerSettings, TrackState
from detection.trajectory import Trajectory, TrajectoryPoint
from models.camera import CameraView, Point, SourceKind
from models.counts import CountRow
from models.signals import SignalState, SignalTimeline
from models.violation import Violation

MOVEMENT_KNOWN_M: Final = 40.0
"""A vehicle this far past the line has shown where it goes."""
MOVEMENT_WAIT_S: Final = 20.0
NEARER: Final = 0.08
NEAR_LINE_M: Final = 3.0
MIN_SEEN_M: Final = 1.5
"""One that is lost before the line was seen to come from at least so far before it."""
ON_LINE_M: Final = 0.2
"""A vehicle whose body is so near the line stands on it."""
AFOOT: Final = 0.6
"""Of a track whose latest boxes are a walker's, to this share, no rule tells anything."""
EDGE_SHARE: Final = 0.04
"""A box nearer than this to the picture's edge may show only part of its vehicle."""

# Made for every vehicle of every frame: what a named tuple's own constructor asks is known here.
_PLACE: Final = partial(tuple.__new__, Place)
_POINT: Final = partial(tuple.__new__, TrajectoryPoint)


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
        self._signals = ApproachSignals([path.movement for path in view.movements], timeline)
        self._tracker = Tracker(view, self.settings.tracker)
        self._riders = RiderSize(view)
        self._stillness = StillnessWatch()
        self._counter = LineCounter(view, self.settings.counting)
        self._fronts = LineCounter(view, self.settings.counting, fronts=True)
        self._hidden = HiddenPassages(self._counter.line, self.settings.hidden, self._signals)
        self._matcher = MovementMatcher(view)
        self._tells_walkers = False
        areas = [area.outline for area in view.road.areas]
        self._areas = AreaMap([*areas, view.zone])
        self._zone = 1 << len(areas)
        """The zone's bit."""
        self._lost = LostLives(view)
        self._judge = Judge(view, self.settings.rules, self._signals, self._movement)
        self._casework = Casework(
            view,
            detector=(detector, weights_sha256),
            start=start,
            signals=self._signals,
            evidence=evidence,
            settings=self.settings.evidence,
            snapshots=SnapshotBuffer(self.settings.keep_s, self.settings.max_snapshots),
        )
        self._tally = Tally(view, self.settings.counting, self.settings.pcu, start)
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
        evidence: Image | None = None,
        frame: int | None = None,
        signal_since_s: float | None = None,
    ) -> FrameResult:
        """Take one frame.

        Args:
            time_s: Its time in the source's clock; never before the last one.
            detections: As the detector gave them; classes are mapped and riders fused here.
            signal: What the approach's head shows now, or what each movement's shows; unknown
                when nobody knows.
            image: The picture, steadied.
            evidence: What to keep of it for cases; the same by default.
            frame: Number of the frame in its source; counted from 0 by default.
            signal_since_s: When ``signal`` began, where that is known better than by the first
                frame that brought it.

        Raises:
            ValueError: If time goes backwards.
        """
        self._frame = self._frame + 1 if frame is None else frame
        shown = self._signals.note(time_s, signal, signal_since_s)
        if self._tally.watched(time_s):
            self._hidden.began_s = time_s
        projected = self.view.source_kind is SourceKind.PROJECTED
        users = road_users(detections, truthful=projected)
        # COCO's persons are riders as often as not; a motion detector guesses from a footprint.
        walkers = "person" not in detections.class_names
        walkers &= self.view.source_kind is not SourceKind.MOTION
        self._tells_walkers = walkers
        tracks = tuple(self._tracks(time_s, users, None if projected else image, walkers))
        kept = image if evidence is None else evidence
        self._casework.keep(self._frame, time_s, tracks, shown, kept)
        lost: list[str] = []
        crossings, ended = self._end_tracks({track.id for track in tracks}, lost)
        standing = tuple(self._standing_of(len(tracks)))
        self._screens = self._tracker.places.box_px[[track.seen for track in tracks]]
        points = self._sightings(time_s, tracks, standing)
        for track, place, point in zip(tracks, standing, points, strict=True):
            self._follow(track, place, point, crossings)
        if self.view.metric:
            exchanged = part(self._lives, self.view.inward, self._lost.lives)
            if exchanged is not None:
                self._lost.found(exchanged[0])
                self._end(exchanged[1], crossings, ended, lost)
            self._lost.rejoin(time_s, self._lives)
        violations = (*ended, *self._flag_all(tracks, users, lost))
        self._tally.add(crossings)
        in_zone = [place.in_zone for place in standing]
        queue = measure_queue(tracks, in_zone, self._counter.line, self._watched)
        occupied = any(
            place.on_line and track.vehicle_class != "pedestrian"
            for track, place in zip(tracks, standing, strict=True)
        )
        self._tally.frame(time_s, queue, shown, occupied=occupied)
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

    def _watched(self, place: Point) -> bool:
        """Whether a place is in the zone and in the picture."""
        point = np.array([place])
        x, y = self._tracker.plane.to_image(point)[0].tolist()
        pictured = 0 <= x < self.view.width_px and 0 <= y < self.view.height_px
        return pictured and bool(self._areas.bits(point)[0] & self._zone)

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
        self._tally.add(crossings)
        return tuple(crossings)

    def counts(
        self, *, since_s: float | None = None, until_s: float | None = None
    ) -> tuple[CountRow, ...]:
        """Counts so far (see :meth:`detection.counting.IntervalCounts.rows`).

        Vehicles whose movement is still open are not in them yet; :meth:`finish` settles those.
        """
        return self._tally.counts(since_s=since_s, until_s=until_s)

    def forget_counts_before(self, time_s: float) -> None:
        """Drop intervals that ended before ``time_s`` and are stored elsewhere."""
        self._tally.forget_before(time_s)

    def measures(self, counts: Sequence[CountRow]) -> tuple[MeasureRow, ...]:
        """Measures beside counts of :meth:`counts`."""
        return self._tally.measures(counts)

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
        areas = self._areas.bits(centre)
        front_m, wheels_m, centre_m = line.depths_m(np.stack([front, contact, centre]), units)
        on_line = np.minimum(front_m, wheels_m) <= ON_LINE_M
        on_line &= np.maximum(front_m, wheels_m) >= -ON_LINE_M
        columns = (
            areas & self._zone > 0,
            areas & ~self._zone,
            front_m,
            wheels_m,
            (centre / units) @ inward,
            whole,
            on_line,
            centre_m > MOVEMENT_KNOWN_M,
        )
        return map(_PLACE, zip(*(column.tolist() for column in columns), strict=True))

    def _sightings(
        self, time_s: float, tracks: Sequence[TrackState], places: Sequence[Place]
    ) -> Iterable[TrajectoryPoint]:
        """What is remembered of each of this frame's tracks, all of them in one go."""
        if not tracks:
            return ()
        (_, _, box_px, contact_px, centre, front, _, _, _, speed_mps, *_) = zip(
            *tracks, strict=True
        )
        in_zone, areas, front_m, _, progress_m, whole, *_ = zip(*places, strict=True)
        columns = (
            repeat(time_s), repeat(self._frame), contact_px, centre, front, front_m, progress_m,
            speed_mps, in_zone, box_px, areas, whole,
        )  # fmt: skip
        return map(_POINT, zip(*columns, strict=False))

    def _follow(
        self,
        track: TrackState,
        place: Place,
        point: TrajectoryPoint,
        crossings: list[Crossing],
    ) -> None:
        life, wheels_m, time_s = self._lives.get(track.id), place.wheels_m, point.time_s
        if life is None:
            life = self._lives[track.id] = Life(Trajectory(), track)
            life.first_m, life.began_s = wheels_m, time_s - track.age_s
            if self.view.metric:
                if self._hidden.may_have(time_s, wheels_m, track.contact):
                    life.hidden_m = wheels_m
                elif -NEAR_LINE_M < wheels_m < NEAR_LINE_M and track.seen:
                    life.over = self._hidden.again(time_s, track)
            if life.hidden_m is not None:
                life.first_covered = self._covered(track.box_px)
        life.last = track
        if not track.seen:
            return
        life.wheels_m = wheels_m
        life.trajectory.add(point)
        # The law looks at the front; counted is who is over the line as a whole.
        points = life.trajectory.points
        if track.id not in self._fronts.done:
            front = self._fronts.update(track, time_s, self._frame, place.front_m, points)
            if front is not None:
                self._front_over(life, front)
        crossed = None
        if track.id not in self._counter.done:
            entered = life.front is not None and life.front.direction == "in"
            crossed = self._counter.update(
                track, time_s, self._frame, wheels_m, points, entered=entered
            )
        if crossed is not None and not (life.over and crossed.direction == "in"):
            if life.pending is not None:
                self._settle(life, life.pending, crossings)
            life.pending = Pending(crossed, self._signals.approach.state_at(crossed.time_s))
            life.over, life.hidden_m = life.over or crossed.direction == "in", None
            if life.front is None:
                self._front_over(life, entered_at(crossed, points))
            if crossed.direction == "in":
                self._tally.over(crossed.time_s, track.vehicle_class)
        if life.hidden_m is not None:
            since_s = time_s - life.trajectory.points[0].time_s
            if since_s > self.settings.hidden.wait_s:
                self._came_out(life)
        pending = life.pending
        if pending is not None and (place.far or time_s - pending.line.time_s > MOVEMENT_WAIT_S):
            self._settle(life, pending, crossings)

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
            self._counter.forget(track)
            self._fronts.forget(track)
            self._end(self._lives.pop(track), crossings, violations, lost_cases)
        return crossings, violations

    def _end(
        self,
        life: Life,
        crossings: list[Crossing],
        violations: list[Violation],
        lost_cases: list[str],
    ) -> None:
        """Settle what is open of one whose track has ended, and keep him among the lost."""
        if life.hidden_m is not None and life.trajectory.points:
            self._came_out(life)
        # At the source's end nobody is lost: whoever is seen then has not gone.
        lost = not life.last.seen and not life.over and self.view.metric
        if lost and life.trajectory.points:
            self._went_over(life)
        if self.view.metric:
            life.hidden = self._judge.parks(life.trajectory.points) * self._covered(
                life.last.box_px
            )
            self._lost.ended(life)
        if life.over:
            self._hidden.lost(life.last, life.trajectory.points[-1].time_s)
        if life.pending is not None:
            self._settle(life, life.pending, crossings)
        if life.trajectory.points:
            found = self._judge.judge_lost(life.last, life.watch, life.trajectory.points)
            violations += self._casework.take(life.last, life, found, lost_cases)

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
        # A rider's track may go on with somebody on foot who hid him.
        afoot = AFOOT if self._tells_walkers else math.inf
        seen = [
            (track, self._lives[track.id])
            for track in tracks
            if track.seen and track.vehicle_class != "pedestrian" and track.afoot <= afoot
        ]
        note_riders([life for _, life in seen], users)
        self._judge.watch_passing(
            (life.trajectory.points[-1], track.id, life.watch) for track, life in seen
        )
        flagged: list[Violation] = []
        for track, life in seen:
            found = self._judge.judge(track, life.watch, life.trajectory.points)
            if found:
                flagged += self._casework.take(track, life, found, lost)
        return tuple(flagged)
