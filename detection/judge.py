"""Which rules a vehicle is held against, and when: cheap questions first, each rule once.

The rules themselves are pure functions (:mod:`detection.rules`). Here their stories are told:
what signs and marks say of the vehicle's class, which head rules it, who drove past it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from detection import rules
from detection.ahead import hidden_ahead
from detection.approach_signals import ApproachSignals
from detection.counting import LineCrossing
from detection.geometry import StopLine
from detection.movements import MovementMatch
from detection.plane import GroundPlane
from detection.rules.story import STANDING_MPS
from detection.tracking import TrackState
from detection.trajectory import TrajectoryPoint
from models.camera import AreaKind, CameraView, Point
from models.signals import SignalState
from models.violation import ViolationKind as Kind

SETTLED_S: Final = 20.0
"""So long after it crossed the line a vehicle can still turn out to have done so unlawfully."""
STOOD_S: Final = 180.0
"""So long after it crossed the line a vehicle that stands in the junction, or on the line, is
watched."""
WAITS_M: Final = 1.0
"""Whose front stands no further past the line than this waits on it."""
MOVEMENT_SURE_M: Final = 15.0
"""Where movements of an approach show different aspects, a vehicle must have driven this far past
the line before it is judged by its own movement's."""
HEADING_SURE_RAD: Final = 0.7
"""And head where the movement leads: one who turns back makes none of them."""
TURNED: Final = 0.9
BESIDE_SURE_M: Final = 9.0
"""One who has begun to turn (cosine of the heading to the approach's) may still turn back until so
far beside where it crossed the line,"""
OPPOSITE_M: Final = 6.0
"""and so far beyond the line's end: the carriageway on which he would drive back is as wide."""
READ_M: Final = 14.0
READ_S: Final = 3.0
"""Riders and helmets are judged once the vehicle is this far past the line, or this long (it may
have turned off), or is lost from sight, and was read often enough."""
STILL_MPS: Final = 2.0
"""One who stays at a place may seem to move as fast as this far from the camera."""
GUESSED: Final = 2.5
"""So much more a place jumps where metres are guessed from the heights of boxes."""
YOUNG_S: Final = 0.95
"""What a track does is not known before it was seen so long: its speed begins anywhere."""
MEAN_OF: Final = 12
"""Where one stands is told by so many sightings: far off a single one scatters by a metre."""
PASSED_M: Final = 2.0
PASSING_MPS: Final = 3.0
"""Who passes more slowly threads his way through a queue."""
QUEUE_AHEAD_M: Final = 12.0
SAME_LANE_M: Final = 1.8
QUEUE_BESIDE_M: Final = 3.2
ABREAST_M: Final = 2.5
"""One who stands so far ahead is the next in a queue: from then on one who stays has stopped there.
Or he is in the queue of the lane beside: whom the next lane's queue holds up may well be held up by
one ahead that it hides, so that none who drive past meanwhile show that it does not queue. Two
abreast hold up nobody."""

Rule = Callable[[rules.Story, Any], rules.Finding | None]
RULES: Final[Mapping[Kind, Rule]] = {
    Kind.RED_LIGHT: rules.red_light,
    Kind.EARLY_START: rules.early_start,
    Kind.STOP_LINE: rules.stop_line,
    Kind.WRONG_WAY: rules.wrong_way,
    Kind.ILLEGAL_TURN: rules.illegal_turn,
    Kind.U_TURN: rules.u_turn,
    Kind.WRONG_LANE: rules.wrong_lane,
    Kind.SPEEDING: rules.speeding,
    Kind.ILLEGAL_STOPPING: rules.illegal_stopping,
    Kind.BLOCKING: rules.blocking,
    Kind.PAVEMENT: rules.pavement,
    Kind.OVERLOADED: rules.overloaded,
    Kind.NO_HELMET: rules.no_helmet,
}
_WITHOUT_METRES: Final = frozenset({Kind.RED_LIGHT, Kind.WRONG_WAY})
"""Rules that hold without a calibration; all others need lengths on the ground."""
_ASKED_ONCE: Final = frozenset({Kind.SPEEDING, Kind.OVERLOADED, Kind.NO_HELMET})
"""A measurement that is repeated until it says yes is none."""
_LASTING: Final = frozenset({Kind.ILLEGAL_STOPPING, Kind.BLOCKING, Kind.STOP_LINE})
LASTING_S: Final = 0.45
"""How long one stands is asked so often."""
_OF_THE_HEAD: Final = frozenset({Kind.RED_LIGHT, Kind.EARLY_START, Kind.STOP_LINE, Kind.BLOCKING})


@dataclass(slots=True)
class Watch:
    """What is kept of one track for the rules."""

    crossing: LineCrossing | None = None
    crossed_on_green: bool = True
    unseen_s: float | None = None
    """When it came over the line that nobody saw there: enough to tell whose head rules it."""
    lasting_s: float = -math.inf
    waited_s: float = -math.inf
    """When it stood on the line last."""
    settled: set[Kind] = field(default_factory=set)
    """Kinds that were flagged, or can no longer be."""
    riders: list[int] = field(default_factory=list)
    bare_heads: list[int] = field(default_factory=list)
    since_s: float = math.inf
    """When its track, or the one that goes on with it, was seen first."""
    place: Point | None = None
    stood: int = 0
    """Where it stands by its latest sightings, and how many of them it has stood."""
    alone_s: float = -math.inf
    """Since when it has not driven, nor waited for another, in a no-stopping zone."""
    behind: set[int] = field(default_factory=set)
    passed: set[int] = field(default_factory=set)

    def add(self, later: Watch) -> None:
        """What was seen of the same vehicle later, under another number."""
        self.unseen_s = later.unseen_s if self.unseen_s is None else self.unseen_s
        self.settled |= later.settled
        self.riders += later.riders
        self.bare_heads += later.bare_heads
        self.since_s = later.since_s
        self.alone_s = max(self.alone_s, later.alone_s)
        self.behind |= later.behind
        self.passed |= later.passed


class Judge:
    """Holds the vehicles of one camera against the rules."""

    def __init__(
        self,
        view: CameraView,
        settings: rules.RuleSettings,
        signals: ApproachSignals,
        movement_of: Callable[[Sequence[TrajectoryPoint], TrackState, float], MovementMatch],
    ) -> None:
        """Set up.

        Args:
            view: The approach as the camera sees it.
            settings: Parameters of the rules.
            signals: What its heads show.
            movement_of: The movement of a track that crossed the line at a time.
        """
        self._view = view
        self._road = view.road
        self._line = StopLine(view)
        self._plane = GroundPlane(view)
        # Without a calibration metres are guessed from each box's height, which jumps.
        self._settings = settings if view.metric else _for_guessed_metres(settings)
        self._signals = signals
        self._movement_of = movement_of
        self._enabled = {
            kind
            for kind in RULES
            if getattr(settings, kind.value).enabled and (view.metric or kind in _WITHOUT_METRES)
        }
        if not view.wrong_way:
            self._enabled.discard(Kind.WRONG_WAY)
        if not view.road.u_turn_forbidden:
            self._enabled.discard(Kind.U_TURN)
        self._bits = {
            kind: sum(1 << i for i, area in enumerate(self._road.areas) if area.kind is kind)
            for kind in AreaKind
        }
        self._closed: dict[str, int] = {}
        for index, area in enumerate(self._road.areas):
            for name in area.not_for if area.kind is AreaKind.LANE else ():
                self._closed[name] = self._closed.get(name, 0) | 1 << index
        self._forbidden = {
            (turn.movement, name)
            for turn in self._road.forbidden_turns
            for name in turn.vehicle_classes
        }
        self._no_turn_for = {name for _, name in self._forbidden}

    def crossed(self, watch: Watch, crossing: LineCrossing) -> None:
        """The vehicle's front crossed the stop line inward."""
        watch.crossing = crossing
        shown = self._signals.states_at(crossing.time_s)
        watch.crossed_on_green = not shown & {SignalState.RED, SignalState.YELLOW}

    def parks(self, points: Sequence[TrajectoryPoint]) -> bool:
        """Whether a vehicle was where nobody may stop when it was seen last."""
        return bool(points) and bool(points[-1].areas & self._bits[AreaKind.NO_STOPPING])

    def watch_passing(self, seen: Iterable[tuple[TrajectoryPoint, int, Watch]]) -> None:
        """Who drives past those that stand in a no-stopping zone; one frame's vehicles."""
        zone = self._bits[AreaKind.NO_STOPPING]
        if not zone:
            return
        here: list[tuple[TrajectoryPoint, int, Watch, Point]] = []
        standing: list[Point] = []
        for point, track, watch in seen:
            watch.since_s = min(watch.since_s, point.time_s)
            place = _place(point, watch)
            if point.areas & zone:
                here.append((point, track, watch, place))
            if point.speed_mps < STANDING_MPS and not _young(point, watch):
                standing.append(place)
        for point, _, watch, place in here:
            moves = point.speed_mps >= STILL_MPS and not _young(point, watch)
            beside_m = math.inf if moves else self._next_in_queue_m(place, standing)
            if moves or beside_m < SAME_LANE_M:
                watch.alone_s = point.time_s
            if moves or beside_m < QUEUE_BESIDE_M:
                watch.behind.clear()
                watch.passed.clear()
                continue
            for other, track, _, _ in here:
                if other.progress_m < point.progress_m - PASSED_M:
                    watch.behind.add(track)
                elif (
                    track in watch.behind
                    and other.progress_m > point.progress_m + PASSED_M
                    and other.speed_mps >= PASSING_MPS
                ):
                    watch.passed.add(track)

    def _next_in_queue_m(self, place: Point, standing: Iterable[Point]) -> float:
        """How far to the side the nearest one stands ahead of it, in the zone or beyond it."""
        ix, iy = self._view.inward
        nearest_m = math.inf
        for other in standing:
            dx, dy = other[0] - place[0], other[1] - place[1]
            ahead_m = dx * ix + dy * iy
            if not 0.5 < ahead_m < QUEUE_AHEAD_M:
                continue
            beside_m = abs(dx * iy - dy * ix)
            if beside_m < SAME_LANE_M or ahead_m > ABREAST_M:
                nearest_m = min(nearest_m, beside_m)
        return nearest_m

    def judge(
        self, track: TrackState, watch: Watch, points: Sequence[TrajectoryPoint]
    ) -> list[tuple[rules.Finding, str | None]]:
        """What is to be flagged now, each with the vehicle's movement where it is known."""
        due = self._due(track, watch, points)
        return self._ask(track, watch, points, due) if due else []

    def judge_lost(
        self, track: TrackState, watch: Watch, points: Sequence[TrajectoryPoint]
    ) -> list[tuple[rules.Finding, str | None]]:
        """What is to be flagged of one that will be seen no more: what was read of its riders."""
        if watch.crossing is None:
            return []
        return self._ask(track, watch, points, self._open(self._read(watch), watch))

    def _ask(
        self,
        track: TrackState,
        watch: Watch,
        points: Sequence[TrajectoryPoint],
        due: list[Kind],
    ) -> list[tuple[rules.Finding, str | None]]:
        if watch.lasting_s + LASTING_S > points[-1].time_s:
            due = [kind for kind in due if kind not in _LASTING]
        elif not _LASTING.isdisjoint(due):
            watch.lasting_s = points[-1].time_s
        if not due:
            return []
        story, match = self._story(track, watch, tuple(points), due)
        found = []
        for kind in due:
            finding = RULES[kind](story, getattr(self._settings, kind.value))
            if finding is not None or kind in _ASKED_ONCE:
                watch.settled.add(kind)
            if finding is not None:
                found.append((finding, None if match is None else match.movement))
        return found

    def _due(
        self, track: TrackState, watch: Watch, points: Sequence[TrajectoryPoint]
    ) -> list[Kind]:
        """The rules worth asking now."""
        last = points[-1]
        name = track.vehicle_class
        still = last.speed_mps < STILL_MPS
        due: list[Kind] = []
        if last.areas:
            if last.areas & self._closed.get(name, 0):
                due.append(Kind.WRONG_LANE)
            if last.areas & self._bits[AreaKind.PAVEMENT]:
                due.append(Kind.PAVEMENT)
            if still and watch.passed and last.areas & self._bits[AreaKind.NO_STOPPING]:
                due.append(Kind.ILLEGAL_STOPPING)
        forward_mps = self._forward_mps(track)
        if still and last.depth_m < WAITS_M:
            watch.waited_s = last.time_s
        if last.in_zone and forward_mps < -1.0:
            due.append(Kind.WRONG_WAY)
        over_s = watch.unseen_s if watch.crossing is None else watch.crossing.time_s
        if over_s is not None:
            since_s = last.time_s - over_s
            boxed = still and last.areas & self._bits[AreaKind.BOX]
            if boxed and since_s < STOOD_S and self._signals.red_now:
                due.append(Kind.BLOCKING)
            if watch.crossing is not None and since_s < SETTLED_S:
                due += self._after_the_line(track, watch, last, forward_mps)
            elif forward_mps < -1.0 and last.time_s - watch.waited_s < SETTLED_S:
                due.append(Kind.U_TURN)
            # Whose head it was is known of one who stood past the line when he drives on.
            if watch.crossing is not None and not watch.crossed_on_green and since_s < STOOD_S:
                due.append(Kind.STOP_LINE)
            # One that stood on the line turns when it drives on.
            if since_s < STOOD_S and name in self._no_turn_for:
                due.append(Kind.ILLEGAL_TURN)
        if watch.crossing is None and self._sped_by(track, points, forward_mps):
            due.append(Kind.SPEEDING)
        return self._open(due, watch) if due else due

    def _sped_by(
        self, track: TrackState, points: Sequence[TrajectoryPoint], forward_mps: float
    ) -> bool:
        """Whether one first seen past the line, between its ends, drives on fast.

        At such a speed three frames are ten metres: a track may begin only there.
        """
        limit_mps = self._road.speed_limit_mps
        if limit_mps is None or forward_mps <= limit_mps:
            return False
        past = points[-1].depth_m >= self._settings.speeding.end_m
        return past and self._line.beside_m(points[0].front, track.units_per_m) == 0.0

    def _open(self, due: list[Kind], watch: Watch) -> list[Kind]:
        return [kind for kind in due if kind in self._enabled and kind not in watch.settled]

    def _read(self, watch: Watch) -> list[Kind]:
        """The rules on riders for which enough was read."""
        due: list[Kind] = []
        if len(watch.riders) >= self._settings.overloaded.min_readings:
            due.append(Kind.OVERLOADED)
        if len(watch.bare_heads) >= self._settings.no_helmet.min_readings:
            due.append(Kind.NO_HELMET)
        return due

    def _after_the_line(
        self, track: TrackState, watch: Watch, last: TrajectoryPoint, forward_mps: float
    ) -> list[Kind]:
        due: list[Kind] = []
        if not watch.crossed_on_green:
            due += [Kind.RED_LIGHT, Kind.EARLY_START]
        if forward_mps < -1.0:
            due.append(Kind.U_TURN)
        limit_mps = self._road.speed_limit_mps
        if limit_mps is not None and last.depth_m >= self._settings.speeding.end_m:
            due.append(Kind.SPEEDING)
        since_s = last.time_s - watch.crossing.time_s if watch.crossing is not None else 0.0
        if last.depth_m >= READ_M or since_s >= READ_S:
            due += self._read(watch)
        return due

    def _forward_mps(self, track: TrackState) -> float:
        inward, units = self._view.inward, track.units_per_m
        return track.velocity[0] * inward[0] / units[0] + track.velocity[1] * inward[1] / units[1]

    def _may_turn_back(
        self, track: TrackState, points: Sequence[TrajectoryPoint], crossing_s: float
    ) -> bool:
        """Whether one that has begun to turn is still where those drive who turn back."""
        (ix, iy), (ux, uy) = self._view.inward, track.units_per_m
        if track.heading[0] * ix + track.heading[1] * iy > TURNED:
            return False
        start = next((point for point in points if point.time_s >= crossing_s), points[-1])
        dx, dy = track.centre[0] - start.centre[0], track.centre[1] - start.centre[1]
        if abs(dx / ux * iy - dy / uy * ix) < BESIDE_SURE_M:
            return True
        return self._line.beside_m(track.centre, track.units_per_m) < OPPOSITE_M

    def _story(
        self,
        track: TrackState,
        watch: Watch,
        points: tuple[TrajectoryPoint, ...],
        due: Sequence[Kind],
    ) -> tuple[rules.Story, MovementMatch | None]:
        match: MovementMatch | None = None
        signal = self._signals.approach
        crossing_s = None if watch.crossing is None else watch.crossing.time_s
        over_s = watch.unseen_s if crossing_s is None else crossing_s
        if over_s is not None:
            # Of a long vehicle first seen across the line the crossing is that of its wheels.
            entered_s = next((p.time_s for p in points if p.depth_m >= 0.0), over_s)
            match = self._movement_of(points, track, min(over_s, entered_s))
            sure = (
                match.certain
                and match.travelled_m >= MOVEMENT_SURE_M
                and match.heading_off_rad <= HEADING_SURE_RAD
                and not self._may_turn_back(track, points, over_s)
            )
            if sure:
                signal = self._signals.of(match.movement)
            elif _OF_THE_HEAD & set(due):
                # Nothing is flagged on a guess: heads that differ rule nobody yet.
                signal = self._signals.common
        story = rules.Story(
            vehicle_class=track.vehicle_class,
            points=points,
            signal=signal,
            crossing_s=crossing_s,
            unseen_s=watch.unseen_s,
            inward=self._view.inward,
            turn=match,
            turn_forbidden=match is not None
            and (match.movement, track.vehicle_class) in self._forbidden,
            closed_areas=self._closed.get(track.vehicle_class, 0),
            pavement_areas=self._bits[AreaKind.PAVEMENT],
            no_stopping_areas=self._bits[AreaKind.NO_STOPPING],
            box_areas=self._bits[AreaKind.BOX],
            alone_s=watch.alone_s,
            passed=len(watch.passed),
            ahead_hidden=0.0
            if Kind.ILLEGAL_STOPPING not in due
            else hidden_ahead(self._plane, track.centre, track.vehicle_class, self._view.inward),
            speed_limit_mps=self._road.speed_limit_mps,
            riders=watch.riders,
            bare_heads=watch.bare_heads,
        )
        return story, match


def _place(point: TrajectoryPoint, watch: Watch) -> Point:
    """Where a vehicle is; of one that stands the mean of its latest sightings."""
    if watch.place is None or point.speed_mps >= STILL_MPS:
        watch.place, watch.stood = point.centre, 1
    else:
        watch.stood = min(watch.stood + 1, MEAN_OF)
        (x, y), (now_x, now_y) = watch.place, point.centre
        watch.place = x + (now_x - x) / watch.stood, y + (now_y - y) / watch.stood
    return watch.place


def _young(point: TrajectoryPoint, watch: Watch) -> bool:
    return point.time_s - watch.since_s < YOUNG_S


def _for_guessed_metres(settings: rules.RuleSettings) -> rules.RuleSettings:
    red_light = settings.red_light
    jitter_m = GUESSED * red_light.jitter_m
    return replace(settings, red_light=replace(red_light, jitter_m=jitter_m))
