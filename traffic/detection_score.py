"""``xanh score detection``: what a site's cameras count and flag on its virtual street, against
the truth.

Level 1 gives the pipeline the street's vehicles as boxes with misses, scatter, merges and lost
frames; level 2 renders the picture and runs the detector on it. Both feed the same pipeline.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from detection.counting import Crossing
from detection.detectors import STREET, open_detector
from detection.geometry import inside
from detection.motion_detector import MotionDetector
from detection.pipeline import CameraPipeline, PipelineSettings
from detection.ports import Detections, Detector, Image
from models.camera import SourceKind
from models.counts import counts_from_csv
from models.errors import BadInput
from models.signals import SignalState
from models.site import DENSE, LAWFUL, Site, SiteCamera, StreetOptions
from models.violation import Violation, ViolationKind
from simulation.camera import PinholeCamera
from simulation.people import People
from simulation.projection import JITTER_PX, MISS_RATE, READ_FROM_PX, Projection, in_sight
from simulation.states import CLASSES, VehicleStates, interpolate
from simulation.street import Street, StreetFrame
from traffic.camerawork import FRAMES_PER_S, SIGHT_M, PixelEye, camera_pose
from traffic.planfiles import read_plan
from traffic.scoring import (
    READ_BY_BOXES,
    TOLERANCE_S,
    Act,
    Sight,
    compare,
    count_error,
    true_acts,
    watched,
)

LEAD_S = 30
TAIL_S = 45
"""Cameras watch so long before and after the scored time: whoever stands about then is known, and
what they did is settled."""
PAIR_S = 0.5
"""A counted and a true crossing are one when nothing else lies so near to either."""
QUEUED_MPS = 5 / 3.6
LEAST_PX = 18.0
"""A road user less tall than this in the picture is out of a camera's sight."""
LOOK_S, SIGHTS_S = 25.0, 240
_UNREAD = {
    ViolationKind.OVERLOADED.value: "this detector does not count riders",
    ViolationKind.NO_HELMET.value: "this detector does not tell helmets",
}


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
        self._sights: deque[Sight] = deque(maxlen=SIGHTS_S)
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
        middle = interpolate(before, now, 0.5)
        seen, read = (
            frozenset(in_sight(middle, self._pinhole, least_px).tolist())
            for least_px in (LEAST_PX, READ_FROM_PX)
        )
        self._sights.append(Sight(begin_s + 0.5, seen, read))
        for step in range(FRAMES_PER_S):
            if self._drop_rate and self._rng.random() < self._drop_rate:
                continue
            fraction = step / FRAMES_PER_S
            if isinstance(self._detector, MotionDetector):
                self._detector.advance(begin_s + fraction)
            found, image = self._look(interpolate(before, now, fraction), aspects)
            self.read |= read_of_riders(found)
            result = self._pipeline.process(begin_s + fraction, found, signal, image)
            self.record.crossings += [c for c in result.crossings if c.direction == "in"]
            self.record.violations += result.violations
        if result is not None:
            moment = interpolate(before, now, (FRAMES_PER_S - 1) / FRAMES_PER_S)
            true = self._queue(moment)
            self.record.queue_errors.append(float(result.queue.vehicles - true))
            self.record.queue_true.append(true)

    def saw(self, act: Act) -> bool:
        """Whether an act could be seen."""
        return watched(act, self._sights)

    def finish(self) -> None:
        """Settle what is open."""
        self.record.crossings += [c for c in self._pipeline.finish() if c.direction == "in"]

    def _look(
        self, states: VehicleStates, aspects: Mapping[str, SignalState]
    ) -> tuple[Detections, Image | None]:
        if self._projection is not None:
            seen = self._projection.observe(states)
            found = Detections(
                seen.xyxy.astype(np.float32),
                seen.score.astype(np.float32),
                seen.class_index.astype(np.int64),
                CLASSES,
                seen.riders,
                seen.bare_heads,
            )
            return found, None
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


class DetectionScore:
    """Collects truth and reports of one run, and scores them."""

    def __init__(self, site: Site, options: ScoreOptions, people: People) -> None:
        """Set up the cameras.

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
        detector: Detector | None = None
        if options.level == 2:
            if not options.cameras:
                chosen = [c for c in chosen if c.view.source_kind is SourceKind.PIXELS]
            detector = open_detector(options.weights or STREET, view=chosen[0].view)
        self.detector = "projected boxes" if detector is None else detector.name
        self.options = options
        self.cameras = [
            ScoredCamera(site, camera, options, people, _own(detector, camera), index)
            for index, camera in enumerate(chosen)
        ]
        self._camera_of = {item.camera.approach: item.camera.id for item in self.cameras}
        self._true: list[tuple[str, str, float, float]] = []
        self._acts: list[Act] = []
        self._told: deque[tuple[float, Act]] = deque()
        self.begin_s = math.inf
        self.end_s = 0.0

    def add(self, frame: StreetFrame) -> None:
        """One second of the street, seen by every camera."""
        self.begin_s = min(self.begin_s, frame.begin_s)
        self.end_s = frame.end_s
        for item in self.cameras:
            item.see(frame.begin_s, frame.previous, frame.current, frame.aspects)
        for act in true_acts(frame.offences, frame.wrong_way, self._camera_of):
            # One told at once is looked at when its camera has seen what follows.
            self._told.append((frame.begin_s + LOOK_S, act))
        while self._told and self._told[0][0] <= frame.begin_s:
            self._look_at(self._told.popleft()[1])
        row = {int(vehicle): index for index, vehicle in enumerate(frame.current.id.tolist())}
        for crossing in frame.crossings:
            camera = self._camera_of.get(crossing.approach)
            if camera is not None:
                at = row.get(crossing.vehicle)
                speed = math.nan if at is None else float(frame.current.speed_mps[at])
                self._true.append((camera, crossing.movement, crossing.time_s, speed))

    def _look_at(self, act: Act) -> None:
        """What happened out of its camera's sight is no truth to hold against it."""
        camera = next(item for item in self.cameras if item.camera.id == act.camera)
        self._acts.append(act if camera.saw(act) else replace(act, clear=False))

    def result(self) -> dict[str, Any]:
        """Every figure, as in ``score.json``; vehicles and acts of the scored time alone."""
        for item in self.cameras:
            item.finish()
        while self._told:
            self._look_at(self._told.popleft()[1])
        begin_s, end_s = self.begin_s + LEAD_S, self.end_s - TAIL_S

        def holds(time_s: float) -> bool:
            return begin_s <= time_s < end_s

        counted = {
            item.camera.id: [c for c in item.record.crossings if holds(c.time_s)]
            for item in self.cameras
        }
        true = [entry for entry in self._true if holds(entry[2])]
        flagged = [
            Act(item.camera.id, violation.kind, violation.time_s)
            for item in self.cameras
            for violation in item.record.violations
        ]
        # An act at the edge of the scored time is found on either side of it.
        compared = compare(flagged, self._acts, TOLERANCE_S).within(holds)
        # What no detector tells cannot be flagged: such acts are not missed, but not judged.
        unread = READ_BY_BOXES.difference(*(item.read for item in self.cameras))
        return {
            "level": self.options.level,
            "minutes": round((end_s - begin_s) / 60, 2),
            "detector": self.detector,
            "options": asdict(self.options),
            "cameras": [item.camera.id for item in self.cameras],
            "counts": self._counts(counted, true, (end_s - begin_s) / 3600),
            "rules": {
                kind.value: {**score.to_dict(), "judged": kind not in unread}
                for kind, score in compared.scores().items()
            },
            "false_flags": [_named(act) for act in compared.false],
            "missed_acts": [_named(act) for act in compared.missed if act.kind not in unread],
            "speed": _speed(counted, true),
            "queue": self._queue(),
        }

    def _counts(
        self,
        counted: Mapping[str, Sequence[Crossing]],
        true: Sequence[tuple[str, str, float, float]],
        hours: float,
    ) -> dict[str, Any]:
        seen = Counter(item.movement for items in counted.values() for item in items)
        real = Counter(movement for _, movement, _, _ in true)
        known = {path.movement for item in self.cameras for path in item.camera.view.movements}
        errors = count_error(seen.elements(), real.elements(), known)
        by_movement = {
            movement: {
                "counted": seen[movement],
                "true": real[movement],
                "error": None
                if not real[movement]
                else (seen[movement] - real[movement]) / real[movement],
                "geh": geh(seen[movement] / hours, real[movement] / hours),
            }
            for movement in sorted(known)
        }
        return {
            "counted": seen.total(),
            "true": real.total(),
            "unseen": sum(not item.seen for items in counted.values() for item in items),
            "error": errors["total"],
            "worst_geh": max(
                (geh(seen[name] / hours, real[name] / hours) for name in known), default=0.0
            ),
            "movements": by_movement,
        }

    def _queue(self) -> dict[str, Any]:
        errors = [error for item in self.cameras for error in item.record.queue_errors]
        true = [value for item in self.cameras for value in item.record.queue_true]
        if not errors:
            return {"samples": 0, "mean_true": None, "bias_veh": None, "mean_error_veh": None}
        return {
            "samples": len(errors),
            "mean_true": round(float(np.mean(true)), 3),
            "bias_veh": round(float(np.mean(errors)), 3),
            "mean_error_veh": round(float(np.mean(np.abs(errors))), 3),
        }


def read_of_riders(found: Detections) -> frozenset[ViolationKind]:
    """The rules on riders that a detector's answer can feed: persons on a machine are counted."""
    kinds = set()
    if found.riders is not None or "person" in found.class_names:
        kinds.add(ViolationKind.OVERLOADED)
    if found.bare_heads is not None:
        kinds.add(ViolationKind.NO_HELMET)
    return frozenset(kinds)


def geh(one_vph: float, other_vph: float) -> float:
    """The GEH statistic of two hourly volumes: 0 is alike, below 5 is good."""
    total = one_vph + other_vph
    return 0.0 if total <= 0 else round(math.sqrt(2 * (one_vph - other_vph) ** 2 / total), 3)


def score_detection(
    site: Site,
    out: Path,
    options: ScoreOptions,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Live the site's street, watch it, print the table and write ``score.json``.

    Raises:
        BadInput: If the site has no virtual street, or an option names what is not there.
        XanhError: If SUMO or the detector refuses.
    """
    if site.street is None or site.network is None:
        raise BadInput(
            str(site.folder / "site.yaml"), "street", "is absent; valid is a virtual street"
        )
    behaviour = _behaviour(site.street, options)
    people = People(options.seed, behaviour.overloaded_share, behaviour.no_helmet_share)
    score = DetectionScore(site, options, people)
    counts = counts_from_csv(site.counts_path.read_text(encoding="utf-8"), str(site.counts_path))
    plan = read_plan(site.current_plan_path)
    seconds = options.warm_up_s + LEAD_S + round(options.minutes * 60) + TAIL_S
    with Street(site, plan, seed=options.seed, counts=counts, options=behaviour) as street:
        for frame in street.steps(seconds):
            if frame.begin_s < options.warm_up_s:
                continue
            score.add(frame)
            if int(frame.end_s) % 300 == 0:
                say(f"second {frame.end_s:.0f} of {seconds}")
    result = score.result()
    out.mkdir(parents=True, exist_ok=True)
    path = out / "score.json"
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, path)
    return result


def _behaviour(street: StreetOptions, options: ScoreOptions) -> StreetOptions:
    """Which laws are broken, and how often."""
    if options.lawful and options.dense:
        raise BadInput("--dense", "true", "is the contrary of --lawful; valid is one of the two")
    if options.lawful:
        return LAWFUL
    return DENSE if options.dense else street


def table(result: Mapping[str, Any]) -> str:
    """The figures as a person reads them."""
    counts, speed, queue = result["counts"], result["speed"], result["queue"]
    lines = [
        f"level {result['level']}, {result['minutes']:g} min, {len(result['cameras'])} cameras, "
        f"{result['detector']}",
        f"counts: {counts['counted']} of {counts['true']} ({_percent(counts['error'])}), "
        f"{counts['unseen']} of them hidden at the line, "
        f"worst GEH of a movement {counts['worst_geh']:.2f}",
        f"speed: {_number(speed['bias_mps'])} m/s on average, {_number(speed['mean_error_mps'])} "
        f"m/s either way, {speed['pairs']} vehicles",
        f"queue: {_number(queue['bias_veh'])} vehicles on average, "
        f"{_number(queue['mean_error_veh'])} either way, {queue['samples']} seconds",
        f"{'rule':<18}{'truth':>7}{'flagged':>9}{'matched':>9}{'precision':>11}{'recall':>8}"
        f"{'unclear':>9}",
    ]
    for name, rule in result["rules"].items():
        if not rule["judged"]:
            lines.append(f"{name:<18}{rule['truth']:>7}  advisory, not judged: {_UNREAD[name]}")
            continue
        lines.append(
            f"{name:<18}{rule['truth']:>7}{rule['flagged']:>9}{rule['matched']:>9}"
            f"{_number(rule['precision']):>11}{_number(rule['recall']):>8}{rule['unclear']:>9}"
        )
    return "\n".join(lines)


def _speed(
    counted: Mapping[str, Sequence[Crossing]],
    true: Iterable[tuple[str, str, float, float]],
) -> dict[str, Any]:
    """Speed at the line, of crossings that can be told apart."""
    errors: list[float] = []
    by_camera: dict[str, list[tuple[float, float]]] = {}
    for camera, _, time_s, speed in true:
        by_camera.setdefault(camera, []).append((time_s, speed))
    for camera, crossings in counted.items():
        real = by_camera.get(camera, [])
        for item in crossings:
            near = [entry for entry in real if abs(entry[0] - item.time_s) <= PAIR_S]
            rivals = [c for c in crossings if abs(c.time_s - item.time_s) <= PAIR_S]
            if len(near) == 1 and len(rivals) == 1 and math.isfinite(near[0][1]):
                errors.append(item.speed_mps - near[0][1])
    if not errors:
        return {"pairs": 0, "bias_mps": None, "mean_error_mps": None}
    return {
        "pairs": len(errors),
        "bias_mps": round(float(np.mean(errors)), 3),
        "mean_error_mps": round(float(np.mean(np.abs(errors))), 3),
    }


def _named(act: Act) -> dict[str, Any]:
    """An act as ``score.json`` lists it; times are the street's seconds."""
    return {"camera": act.camera, "kind": act.kind.value, "time_s": round(act.time_s, 2)}


def _percent(value: float | None) -> str:
    return "nothing crossed" if value is None else f"{100 * value:+.2f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _own(detector: Detector | None, camera: SiteCamera) -> Detector | None:
    """Motion is seen by a detector for each camera; weights are shared."""
    return MotionDetector(camera.view) if isinstance(detector, MotionDetector) else detector
