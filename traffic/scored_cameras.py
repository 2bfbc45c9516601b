"""Cameras of a site before its virtual street: what they report, and what was true.

Level 1 gives the pipeline the street's vehicles as boxes with misses, scatter, merges and lost
frames; level 2 renders the picture and runs the detector on it. Both feed the same pipeline.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from detection.ahead import GAP_M, NEXT
from detection.counting import Crossing
from detection.detectors import STREET, open_detector
from detection.geometry import inside
from detection.motion_detector import MotionDetector
from detection.pipeline import CameraPipeline, PipelineSettings
from detection.plane import CLASS_HEIGHT_M
from detection.ports import Detections, Detector, Image
from detection.track_table import LENGTH_M, WIDTH_M
from detection.yolo import DetectorSettings
from models.camera import SourceKind
from models.counts import counts_from_csv
from models.errors import BadInput
from models.signals import SignalState
from models.site import DENSE, LAWFUL, Site, SiteCamera, StreetOptions
from models.violation import Violation, ViolationKind
from simulation.camera import PinholeCamera
from simulation.people import People
from simulation.projection import (
    JITTER_PX,
    MIN_HEIGHT_PX,
    MISS_RATE,
    READ_FROM_PX,
    Projection,
    in_view,
)
from simulation.states import CLASSES, VehicleStates, interpolate
from simulation.street import Street, StreetFrame
from traffic.camerawork import FRAMES_PER_S, SIGHT_M, PixelEye, camera_pose, detections_of
from traffic.planfiles import read_plan
from traffic.scoring import MOST, READ_BY_BOXES, Act, Glimpse, Sight, true_acts, watched
from traffic.sites import load_site

LEAD_S = 30
TAIL_S = 45
"""Cameras watch so long before and after the scored time: whoever stands about then is known, and
what they did is settled."""
QUEUED_MPS = 5 / 3.6
SEEN_PX = {1: MIN_HEIGHT_PX, 2: 18.0}
"""By level: a less tall road user is not seen in most frames. Of projected boxes the sensor's own
bound; the packaged weights find half of the riders about so tall (their model card)."""
LOOK_S, SIGHTS_S = 25.0, 240
SAY_S = {1: 300, 2: 60}
"""How often, in the street's seconds, it is told how far it is: pictures take longer than boxes."""


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """What to score, and how bad the boxes are at level 1.

    ``miss_rate`` is the share of plainly visible vehicles that a frame misses, ``jitter_px`` the
    scatter of a box's edges, ``merge_rate`` the share of overlapping pairs of two-wheelers that
    come as one box, ``drop_rate`` the share of frames that are lost. Nobody on a ``lawful`` street
    breaks the law; on a ``dense`` one the rarer violations are many. ``cameras`` are ids; none
    means all of them at level 1 and those with pixels at level 2.
    """

    level: int = 1
    minutes: float = 30.0
    warm_up_s: int = 180
    seed: int = 1
    miss_rate: float = MISS_RATE
    jitter_px: float = JITTER_PX
    merge_rate: float = 0.02
    drop_rate: float = 0.01
    lawful: bool = False
    dense: bool = False
    cameras: tuple[str, ...] = ()
    weights: str = ""


@dataclass(slots=True)
class CameraRecord:
    """What one camera reported, and what was true before it."""

    crossings: list[Crossing] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    queue_errors: list[float] = field(default_factory=list)
    queue_true: list[int] = field(default_factory=list)


class ScoredCamera:
    """One camera at work on the street."""

    def __init__(
        self,
        site: Site,
        camera: SiteCamera,
        options: ScoreOptions,
        people: People,
        detector: Detector | None,
        index: int,
    ) -> None:
        self.camera = camera
        self.record = CameraRecord()
        self._rng = np.random.default_rng([options.seed, index])
        self._sights: deque[Sight] = deque(maxlen=SIGHTS_S * FRAMES_PER_S)
        self._moments: deque[tuple[float, VehicleStates]] = deque(maxlen=SIGHTS_S)
        rule = camera.options["rules"].illegal_stopping
        least_px = SEEN_PX[options.level]
        self._least_px = dict.fromkeys(ViolationKind, least_px)
        self._least_px |= dict.fromkeys(READ_BY_BOXES, READ_FROM_PX)
        self._least_px[ViolationKind.ILLEGAL_STOPPING] = max(least_px, rule.min_height_px)
        self.read: frozenset[ViolationKind] = frozenset()
        """Rules on riders for which the detector tells anything."""
        self._drop_rate = options.drop_rate if options.level == 1 else 0.0
        junction = site.junctions[camera.junction]
        self._place = (junction.x_m, junction.y_m)
        self._movements = tuple(path.movement for path in camera.view.movements)
        self._pinhole = PinholeCamera(camera_pose(camera))
        self._detector = detector
        seed = options.seed * 1009 + index
        self._pixels: PixelEye | None = None
        self._projection: Projection | None = None
        named = ("projected", "")
        if detector is None:
            self._projection = Projection(
                self._pinhole,
                seed=seed,
                miss_rate=options.miss_rate,
                jitter_px=options.jitter_px,
                merge_rate=options.merge_rate,
                people=people,
            )
        else:
            self._pixels = PixelEye(site, camera, seed, people)
            named = (detector.name, detector.weights_sha256)
        view = camera.view
        if isinstance(detector, MotionDetector):
            view = replace(view, source_kind=SourceKind.MOTION)
        if detector is None and view.source_kind is not SourceKind.PROJECTED:
            view = replace(view, source_kind=SourceKind.PROJECTED)
        self._pipeline = CameraPipeline(
            view,
            detector=named[0],
            weights_sha256=named[1],
            settings=PipelineSettings(rules=camera.options["rules"]),
        )

    def see(
        self,
        begin_s: float,
        previous: VehicleStates,
        current: VehicleStates,
        aspects: Mapping[str, SignalState],
    ) -> None:
        """One second of the street."""
        now = current.near(*self._place, SIGHT_M)
        before = previous.select(np.isin(previous.id, now.id))
        signal = {movement: aspects[movement] for movement in self._movements}
        result = None
        self._moments.append((begin_s + 1.0, now))
        for step in range(FRAMES_PER_S):
            fraction = step / FRAMES_PER_S
            states = interpolate(before, now, fraction)
            self._sights.append(self._sight(begin_s + fraction, states))
            if self._drop_rate and self._rng.random() < self._drop_rate:
                continue
            if isinstance(self._detector, MotionDetector):
                self._detector.advance(begin_s + fraction)
            found, image = self._look(states, aspects)
            self.read |= read_of_riders(found)
            result = self._pipeline.process(begin_s + fraction, found, signal, image)
            self.record.crossings += [c for c in result.crossings if c.direction == "in"]
            self.record.violations += result.violations
        if result is not None:
            moment = interpolate(before, now, (FRAMES_PER_S - 1) / FRAMES_PER_S)
            true = self._queue(moment)
            self.record.queue_errors.append(float(result.queue.vehicles - true))
            self.record.queue_true.append(true)

    def _sight(self, time_s: float, states: VehicleStates) -> Sight:
        view = in_view(states, self._pinhole)
        ids, columns = states.id[view.rows], (view.shown, view.height_px, view.whole)
        glimpses = map(Glimpse, *(column.tolist() for column in columns))
        return Sight(time_s, dict(zip(ids.tolist(), glimpses, strict=True)))

    def saw(self, act: Act) -> bool:
        """Whether an act could be seen."""
        if not watched(act, self._sights, self._least_px):
            return False
        return act.kind is not ViolationKind.ILLEGAL_STOPPING or self._sees_next(act)

    def _sees_next(self, act: Act) -> bool:
        """Whether a car that stood right ahead of one who stands would be seen: else he may queue.

        A truck hides all of it from a camera behind; that nobody is there is no camera's to tell.
        """
        states = next((there for at_s, there in self._moments if at_s > act.time_s), None)
        if states is None or act.vehicle not in states.id:
            return False
        one = states.select(states.id == act.vehicle)
        kind = CLASSES.index(NEXT)
        length_m = float(LENGTH_M[kind])
        ahead_m = float(one.length_m[0]) / 2 + GAP_M + length_m / 2
        heading = float(one.heading_rad[0])
        x_m = float(one.x_m[0]) + math.sin(heading) * ahead_m
        y_m = float(one.y_m[0]) + math.cos(heading) * ahead_m
        size = (length_m, float(WIDTH_M[kind]), CLASS_HEIGHT_M[NEXT])
        car = VehicleStates.from_rows([(-1, kind, x_m, y_m, heading, 0.0, *size)])
        view = in_view(VehicleStates.joined([one, car]), self._pinhole)
        return bool((view.shown[view.rows == 1] > MOST).any())

    def finish(self) -> None:
        """Settle what is open."""
        self.record.crossings += [c for c in self._pipeline.finish() if c.direction == "in"]

    def _look(
        self, states: VehicleStates, aspects: Mapping[str, SignalState]
    ) -> tuple[Detections, Image | None]:
        if self._projection is not None:
            return detections_of(self._projection.observe(states)), None
        assert self._pixels is not None
        assert self._detector is not None
        image, _ = self._pixels.look(states, aspects)
        assert image is not None
        return self._detector.detect([image])[0], image

    def _queue(self, states: VehicleStates) -> int:
        """Vehicles that stand in the zone within the picture."""
        places = np.stack([states.x_m, states.y_m], axis=1)
        slow = (states.speed_mps < QUEUED_MPS) & (
            states.vehicle_class != CLASSES.index("pedestrian")
        )
        slow &= inside(places, self.camera.view.zone)
        if not slow.any():
            return 0
        ground = np.concatenate([places[slow], np.zeros((int(slow.sum()), 1))], axis=1)
        pixels, depth = self._pinhole.project(ground)
        width, height = self._pinhole.width_px, self._pinhole.height_px
        seen = (depth > 0) & (pixels >= 0).all(axis=1)
        seen &= (pixels[:, 0] < width) & (pixels[:, 1] < height)
        return int(seen.sum())


@dataclass(frozen=True, slots=True)
class TrueCrossing:
    """A vehicle that crossed a camera's stop line; its speed is NaN where it has left."""

    camera: str
    movement: str
    time_s: float
    speed_mps: float


@dataclass(frozen=True, slots=True)
class Watched:
    """What some cameras reported and what was true before them, from ``begin_s`` to ``end_s``."""

    detector: str
    begin_s: float
    end_s: float
    records: Mapping[str, CameraRecord]
    true: Sequence[TrueCrossing]
    acts: Sequence[Act]
    read: frozenset[ViolationKind]
    """Rules on riders for which a detector told anything."""


class StreetWatch:
    """Collects what cameras report and the truth before them, second by second."""

    def __init__(
        self,
        site: Site,
        options: ScoreOptions,
        people: People,
        cameras: Sequence[str] | None = None,
        *,
        threads: int = 0,
    ) -> None:
        """Set up the cameras.

        Args:
            site: The site.
            options: Of the run.
            people: Who sits on the motorbikes.
            cameras: Those of the run's cameras that are watched here; all by default. Each sees
                the same whoever is watched beside it.
            threads: Of the detector; 0 leaves the number to it.

        Raises:
            BadInput: If a camera or the level is unknown.
        """
        chosen = cameras_of(site, options)
        detector: Detector | None = None
        if options.level == 2:
            settings = DetectorSettings(threads=threads)
            detector = open_detector(options.weights or STREET, settings, view=chosen[0].view)
        self._detector = "projected boxes" if detector is None else detector.name
        self.cameras = [
            ScoredCamera(site, camera, options, people, _own(detector, camera), index)
            for index, camera in enumerate(chosen)
            if cameras is None or camera.id in cameras
        ]
        self._camera_of = {item.camera.approach: item.camera.id for item in self.cameras}
        self._true: list[TrueCrossing] = []
        self._acts: list[Act] = []
        self._told: deque[tuple[float, Act]] = deque()
        self._begin_s = math.inf
        self._end_s = 0.0

    def add(self, frame: StreetFrame) -> None:
        """One second of the street, seen by every camera."""
        self._begin_s = min(self._begin_s, frame.begin_s)
        self._end_s = frame.end_s
        for item in self.cameras:
            item.see(frame.begin_s, frame.previous, frame.current, frame.aspects)
        for act in true_acts(frame.offences, frame.wrong_way, self._camera_of):
            # One told at once is looked at when its camera has seen what follows.
            self._told.append((frame.begin_s + LOOK_S, replace(act, done_s=frame.end_s)))
        while self._told and self._told[0][0] <= frame.begin_s:
            self._look_at(self._told.popleft()[1])
        row = {int(vehicle): index for index, vehicle in enumerate(frame.current.id.tolist())}
        for crossing in frame.crossings:
            camera = self._camera_of.get(crossing.approach)
            if camera is not None:
                at = row.get(crossing.vehicle)
                speed = math.nan if at is None else float(frame.current.speed_mps[at])
                self._true.append(TrueCrossing(camera, crossing.movement, crossing.time_s, speed))

    def _look_at(self, act: Act) -> None:
        """What happened out of its camera's sight is no truth to hold against it."""
        camera = next(item for item in self.cameras if item.camera.id == act.camera)
        self._acts.append(act if camera.saw(act) else replace(act, clear=False))

    def finish(self) -> Watched:
        """Settle what is open."""
        for item in self.cameras:
            item.finish()
        while self._told:
            self._look_at(self._told.popleft()[1])
        return Watched(
            self._detector,
            self._begin_s,
            self._end_s,
            {item.camera.id: item.record for item in self.cameras},
            self._true,
            self._acts,
            frozenset().union(*(item.read for item in self.cameras)),
        )


def watch(
    folder: Path,
    options: ScoreOptions,
    cameras: Sequence[str],
    *,
    threads: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Watched:
    """Live a site's street and watch it with some of the run's cameras; ``say`` hears how far.

    The street is the same in every process that lives it with the same options.

    Raises:
        BadInput: If the site or an option is no good.
        XanhError: If SUMO or the detector refuses.
    """
    site = load_site(folder)
    behaviour = behaviour_of(site, options)
    people = People(options.seed, behaviour.overloaded_share, behaviour.no_helmet_share)
    watching = StreetWatch(site, options, people, cameras, threads=threads)
    counts = counts_from_csv(site.counts_path.read_text(encoding="utf-8"), str(site.counts_path))
    plan = read_plan(site.current_plan_path)
    seconds = options.warm_up_s + LEAD_S + round(options.minutes * 60) + TAIL_S
    with Street(site, plan, seed=options.seed, counts=counts, options=behaviour) as street:
        say(f"the street fills until second {options.warm_up_s}")
        for frame in street.steps(seconds):
            if frame.begin_s < options.warm_up_s:
                continue
            watching.add(frame)
            if round(frame.end_s) % SAY_S[options.level] == 0:
                say(f"second {frame.end_s:.0f} of {seconds}")
    return watching.finish()


def cameras_of(site: Site, options: ScoreOptions) -> list[SiteCamera]:
    """The run's cameras, in order.

    Raises:
        BadInput: If a camera or the level is unknown.
    """
    if options.level not in (1, 2):
        raise BadInput("--level", str(options.level), "no such level; valid is 1 or 2")
    known = {camera.id: camera for camera in site.cameras if "pose" in camera.options}
    for name in options.cameras:
        if name not in known:
            valid = ", ".join(known) or "none: no camera of this site has a pose"
            raise BadInput("--cameras", name, f"no such camera; valid is {valid}")
    chosen = [known[name] for name in options.cameras or known]
    if options.level == 2 and not options.cameras:
        chosen = [c for c in chosen if c.view.source_kind is SourceKind.PIXELS]
    return chosen


def behaviour_of(site: Site, options: ScoreOptions) -> StreetOptions:
    """Which laws are broken, and how often.

    Raises:
        BadInput: If the site has no virtual street, or the options contradict each other.
    """
    if site.street is None or site.network is None:
        raise BadInput(
            str(site.folder / "site.yaml"), "street", "is absent; valid is a virtual street"
        )
    if options.lawful and options.dense:
        raise BadInput("--dense", "true", "is the contrary of --lawful; valid is one of the two")
    if options.lawful:
        return LAWFUL
    return DENSE if options.dense else site.street


def read_of_riders(found: Detections) -> frozenset[ViolationKind]:
    """The rules on riders that a detector's answer can feed: persons on a machine are counted."""
    kinds = set()
    if found.riders is not None or "person" in found.class_names:
        kinds.add(ViolationKind.OVERLOADED)
    if found.bare_heads is not None:
        kinds.add(ViolationKind.NO_HELMET)
    return frozenset(kinds)


def _own(detector: Detector | None, camera: SiteCamera) -> Detector | None:
    """Motion is seen by a detector for each camera; weights are shared."""
    return MotionDetector(camera.view) if isinstance(detector, MotionDetector) else detector
