"""What was really done on the virtual street: every violation, from where vehicles were.

Nothing here knows who meant to break the law, and nothing of detection: each second's positions,
the signals shown, and the signs and marks of the site decide. An act near a definition's limit
(a stop past the line of just so long) is told as not ``clear``: a flag on it is neither right
nor wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from models.camera import AreaKind, Point, RoadArea
from models.signals import SignalState
from models.site import Site
from models.violation import ViolationKind as Kind
from simulation.driven import STANDS_MPS, Driven
from simulation.people import THREE, People
from simulation.polygons import lie_within
from simulation.states import CLASSES, FloatArray, IntArray, VehicleStates
from simulation.truth import StopLine, StopLineCrossing

INSIDE_M = 5.0
"""A front so far past the line, on red, has run the light."""
WITHIN_S = 8.0
EARLY_S = (0.4, 4.0)
PAST_LINE_M = (1.0, 6.0)
PAST_ASIDE_M = 4.0
"""Who stands further to the side of where he crossed has turned."""
SPEED_TO_M = 35.0
SPEED_MARGIN_MPS = 2.2
"""The 5 km/h below which nothing is fined, and 3 km/h that a camera may be off by."""
SPEED_DOUBT_MPS = 1.2
BACK_RAD = math.radians(145.0)
ON_LINE_M = 0.5
"""A front so near the line is on it as far as anybody can see: one that stood there when red began
may have crossed before, and one that waits there crosses at any moment until it is past it."""
BESIDE_M = 15.0
BACK_M = 3.0
BACK_WITHIN_M = (8.0, 45.0)
"""Who turns back does so within this way of the line; further on it is the next road's."""
TURN_M = 16.0
FOLLOW_S = 150.0
FOLLOW_M = 70.0
GAP_M = 2.0
QUEUE_AHEAD_M, QUEUE_BESIDE_M = 12.0, 1.6
QUEUE_DOUBT_M = 0.4
"""Of one so little further aside it is no clear matter whether he is in the same queue."""
_PEDESTRIAN = CLASSES.index("pedestrian")


@dataclass(frozen=True, slots=True)
class Offence:
    """One violation: what, when, by whom, and before which approach's camera.

    ``clear`` is False near a limit of the definition. One told at the crossing of a line took place
    at any moment from ``from_s`` to ``to_s`` as far as anybody can see: so long its front was on
    the line. One that lasts and is not clear, so long it lasted.
    """

    kind: Kind
    time_s: float
    vehicle: int
    vehicle_class: str
    junction: str
    approach: str
    clear: bool = True
    from_s: float | None = None
    to_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Lasting:
    """What makes an act that lasts: from how much on it is one, and from how much on clearly."""

    least: float
    clear: float


_LASTING: Mapping[Kind, _Lasting] = {
    Kind.STOP_LINE: _Lasting(2.0, 4.0),
    Kind.BLOCKING: _Lasting(5.0, 8.0),
    Kind.ILLEGAL_STOPPING: _Lasting(20.0, 27.0),
    Kind.PAVEMENT: _Lasting(10.0, 16.0),
    Kind.WRONG_LANE: _Lasting(12.0, 18.0),
}
"""Seconds of standing, metres of riding."""
_STANDING = frozenset({Kind.STOP_LINE, Kind.BLOCKING, Kind.ILLEGAL_STOPPING})
_LEAST_SHARE = 0.6
"""An act that came to this share of what makes it one is not clearly none."""
EDGE_M = 0.8
"""So near the edge of the junction, on either side, it is no clear matter who stands in it."""
PASSED = 6
"""So many vehicles drove past one who clearly stopped, and does not queue."""


@dataclass(slots=True)
class _Act:
    """Something that lasts: since when, how much of it so far, whether clear of edges."""

    begin_s: float
    until_s: float
    vehicle_class: str
    approach: str
    junction: str
    amount: float = 0.0
    firm: bool = True
    told: bool = False
    behind: set[int] = field(default_factory=set)
    passed: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Passage:
    """A vehicle that crossed a stop line, second by second."""

    crossing: StopLineCrossing
    line: StopLine
    times: list[float] = field(default_factory=list)
    depths: list[float] = field(default_factory=list)
    states: list[SignalState] = field(default_factory=list)
    """What its head showed from each of ``times`` on."""
    travelled_m: float = 0.0
    places: list[Point] = field(default_factory=list)
    told: set[Kind] = field(default_factory=set)
    """One who stands, creeps on and stands again does one thing."""
    judged: bool = False
    on_line_s: float | None = None
    """Since when its front was on the line, before it crossed."""
    riding: tuple[Kind, ...] = ()
    """What is amiss with who rides it, until that is told."""

    def offence(self, kind: Kind, *, clear: bool = True) -> Offence:
        """What it did, told at its crossing of the line."""
        crossing = self.crossing
        off_line_s = _reached(self.times, self.depths, ON_LINE_M)
        return Offence(
            kind,
            crossing.time_s,
            crossing.vehicle,
            crossing.vehicle_class,
            crossing.junction,
            crossing.approach,
            clear,
            crossing.time_s if self.on_line_s is None else self.on_line_s,
            crossing.time_s if off_line_s is None else off_line_s,
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """An area with the approach whose camera watches it."""

    area: RoadArea
    approach: str
    junction: str
    corners: FloatArray
    inward: tuple[float, float]


class OffenceWatch:
    """Tells the violations of one street, second by second."""

    def __init__(self, site: Site, lines: Sequence[StopLine], people: People) -> None:
        self._people = people
        self._lines = {line.approach: line for line in lines}
        self._places: list[_Place] = []
        self._limits: dict[str, float] = {}
        self._forbidden: dict[str, frozenset[str]] = {}
        self._no_back: set[str] = set()
        for camera in site.cameras:
            road = camera.view.road
            self._places += [
                _Place(
                    area,
                    camera.approach,
                    camera.junction,
                    np.array(area.outline),
                    camera.view.inward,
                )
                for area in road.areas
            ]
            if road.speed_limit_mps is not None:
                self._limits[camera.approach] = road.speed_limit_mps
            for turn in road.forbidden_turns:
                self._forbidden[turn.movement] = frozenset(turn.vehicle_classes)
            if road.u_turn_forbidden:
                self._no_back.add(camera.approach)
        self._line_ends = np.array([(line.x_m, line.y_m) for line in lines]).reshape(-1, 2)
        self._line_ways = np.array([(line.inward_x, line.inward_y) for line in lines])
        self._on_line: dict[int, float] = {}
        self._driven = Driven()
        self._passages: dict[int, _Passage] = {}
        self._acts: dict[tuple[int, Kind], _Act] = {}

    def step(
        self,
        begin_s: float,
        now: VehicleStates,
        crossings: Sequence[StopLineCrossing],
        shown: Callable[[StopLineCrossing], SignalState],
    ) -> tuple[Offence, ...]:
        """One second went by.

        Args:
            begin_s: Its beginning.
            now: Everybody at its end.
            crossings: Who crossed a stop line in it.
            shown: What the head of a crossing's movement showed throughout it.

        Returns:
            Violations that are certain now; their times lie in the past.
        """
        now = self._driven.step(now)
        found = [*self._at_the_line(crossings)]
        fronts = _fronts(now)
        self._on_line = {
            vehicle: self._on_line.get(vehicle, begin_s + 1.0)
            for vehicle in now.id[self._stands_on_a_line(fronts)].tolist()
        }
        row = {int(vehicle): index for index, vehicle in enumerate(now.id.tolist())}
        for vehicle, passage in list(self._passages.items()):
            found += self._follow(vehicle, passage, row, now, fronts, begin_s, shown)
        found += self._in_areas(begin_s + 1.0, now)
        return tuple(sorted(found, key=lambda item: (item.time_s, item.vehicle, item.kind)))

    def _stands_on_a_line(self, fronts: FloatArray) -> npt.NDArray[np.bool_]:
        """Which fronts (N, 2) are on a stop line."""
        if not len(self._line_ends):
            return np.zeros(len(fronts), np.bool_)
        offset = fronts[:, None] - self._line_ends
        near = np.abs((offset * self._line_ways).sum(axis=2)) < ON_LINE_M
        result: npt.NDArray[np.bool_] = (near & (np.hypot(*offset.T).T < BESIDE_M)).any(axis=1)
        return result

    def _at_the_line(self, crossings: Sequence[StopLineCrossing]) -> Iterator[Offence]:
        for crossing in crossings:
            line = self._lines.get(crossing.approach)
            if line is None:
                continue
            before = self._passages.get(crossing.vehicle)
            if before is not None:
                yield from self._riding(before)
            passage = self._passages[crossing.vehicle] = _Passage(
                crossing, line, on_line_s=self._on_line.get(crossing.vehicle)
            )
            if crossing.vehicle_class == "motorcycle":
                ids = np.array([crossing.vehicle])
                told = {
                    Kind.OVERLOADED: int(self._people.riders(ids)[0]) >= THREE,
                    Kind.NO_HELMET: int(self._people.bare_heads(ids)[0]) > 0,
                }
                passage.riding = tuple(kind for kind, holds in told.items() if holds)

    def _follow(
        self,
        vehicle: int,
        passage: _Passage,
        row: Mapping[int, int],
        now: VehicleStates,
        fronts: FloatArray,
        begin_s: float,
        shown: Callable[[StopLineCrossing], SignalState],
    ) -> Iterator[Offence]:
        crossing = passage.crossing
        index = row.get(vehicle)
        if index is None or begin_s - crossing.time_s > FOLLOW_S:
            del self._passages[vehicle]
            yield from self._riding(passage)
            return
        state = shown(crossing)
        if not passage.times:
            passage.times.append(crossing.time_s)
            passage.depths.append(0.0)
            passage.states.append(crossing.state)
        depth_m = -passage.line.ahead_m(*fronts[index].tolist())
        passage.times.append(begin_s + 1.0)
        passage.depths.append(depth_m)
        passage.states[-1] = crossing.state if len(passage.times) == 2 else state
        passage.states.append(state)
        place = (float(now.x_m[index]), float(now.y_m[index]))
        if passage.places:
            passage.travelled_m += math.dist(place, passage.places[-1])
        passage.places.append(place)
        if depth_m > ON_LINE_M:
            yield from self._riding(passage)
        if not passage.judged and crossing.state is SignalState.RED:
            yield from self._of_the_light(passage)
        yield from self._of_the_way(passage)
        stands = float(now.speed_mps[index]) < STANDS_MPS
        red = state is SignalState.RED
        came = crossing.state in (SignalState.RED, SignalState.YELLOW)
        low, high = PAST_LINE_M
        here = stands and red and came and low - 0.4 <= depth_m <= high
        here &= Kind.STOP_LINE not in passage.told
        firm = low + 0.5 <= depth_m <= high - 1 and _was_before(passage)
        firm &= _aside_m(passage) <= PAST_ASIDE_M - 0.5
        yield from self._last(vehicle, Kind.STOP_LINE, crossing, here, begin_s, 1.0, firm)
        if passage.travelled_m > FOLLOW_M:
            del self._passages[vehicle]

    @staticmethod
    def _riding(passage: _Passage) -> Iterator[Offence]:
        """What is amiss with who rides it, once."""
        for kind in passage.riding:
            yield passage.offence(kind)
        passage.riding = ()

    def _of_the_light(self, passage: _Passage) -> Iterator[Offence]:
        """Red light or early start, once it is known which."""
        crossing = passage.crossing
        cross_s, into_red_s = crossing.time_s, crossing.time_into_red_s or 0.0
        was_before = _was_before(passage)
        inside_s = _reached(passage.times, passage.depths, INSIDE_M)
        green_s = next(
            (
                time_s
                for time_s, state in zip(passage.times, passage.states, strict=True)
                if state is SignalState.GREEN
            ),
            None,
        )
        if inside_s is not None and (green_s is None or inside_s <= green_s):
            if green_s is None and passage.times[-1] < inside_s + 1.0:
                return
            passage.judged = True
            took_s = inside_s - cross_s
            clear = took_s <= WITHIN_S - 1.5 and into_red_s >= 0.6 and was_before
            clear &= green_s is None or green_s - inside_s >= 0.6
            yield passage.offence(Kind.RED_LIGHT, clear=clear)
            if not clear and green_s is not None:
                yield passage.offence(Kind.EARLY_START, clear=False)
        elif green_s is not None and inside_s is not None:
            passage.judged = True
            ahead_s = green_s - cross_s
            at_green = float(np.interp(green_s, passage.times, passage.depths))
            stood = self._stood_past(passage, green_s)
            low, high = EARLY_S
            firm = low + 0.35 <= ahead_s <= high - 0.5 and 1.2 <= at_green <= INSIDE_M - 1.0
            firm &= inside_s - cross_s <= WITHIN_S - 1.5
            firm &= into_red_s >= 0.6 and was_before
            if not stood:
                yield passage.offence(Kind.EARLY_START, clear=firm)
            if at_green > INSIDE_M - 1.0:
                yield passage.offence(Kind.RED_LIGHT, clear=False)
        elif passage.times[-1] - cross_s > FOLLOW_S / 2:
            passage.judged = True

    @staticmethod
    def _stood_past(passage: _Passage, until_s: float) -> bool:
        """Whether it came almost to a stand past the line before then."""
        seen = [
            (time_s, depth_m)
            for time_s, depth_m in zip(passage.times, passage.depths, strict=True)
            if time_s <= until_s
        ]
        return any(
            later[1] - now[1] < 0.7 * (later[0] - now[0]) and now[1] > 0.2
            for now, later in pairwise(seen)
        )

    def _of_the_way(self, passage: _Passage) -> Iterator[Offence]:
        """Speed, forbidden turn, turning back."""
        crossing = passage.crossing
        limit = self._limits.get(crossing.approach)
        if limit is not None and Kind.SPEEDING not in passage.told:
            end_s = _reached(passage.times, passage.depths, SPEED_TO_M)
            if end_s is not None:
                passage.told.add(Kind.SPEEDING)
                speed = SPEED_TO_M / max(end_s - crossing.time_s, 1e-6)
                over = speed - limit - SPEED_MARGIN_MPS
                if over > -SPEED_DOUBT_MPS:
                    yield passage.offence(Kind.SPEEDING, clear=over > SPEED_DOUBT_MPS)
        classes = self._forbidden.get(crossing.movement, frozenset())
        turned = passage.travelled_m >= TURN_M and Kind.ILLEGAL_TURN not in passage.told
        if crossing.vehicle_class in classes and turned:
            passage.told.add(Kind.ILLEGAL_TURN)
            yield passage.offence(Kind.ILLEGAL_TURN)
        if crossing.approach in self._no_back and Kind.U_TURN not in passage.told:
            # By the way it drove: one who noses past others points anywhere for a moment.
            off = _off_inward(passage)
            least_m, most_m = BACK_WITHIN_M
            near = least_m <= passage.travelled_m <= most_m and passage.depths[-1] > -5.0
            if off > BACK_RAD and near:
                passage.told.add(Kind.U_TURN)
                yield passage.offence(Kind.U_TURN)

    def _in_areas(self, time_s: float, now: VehicleStates) -> Iterator[Offence]:
        """What is done within marked areas."""
        centres = np.stack([now.x_m, now.y_m], axis=1)
        stands = now.speed_mps < STANDS_MPS
        present: set[tuple[int, Kind]] = set()
        for place in self._places:
            # One whose middle is just outside the junction stands there as good as inside it.
            box = place.area.kind is AreaKind.BOX
            within = _about(centres, place) if box else lie_within(centres, place.corners)
            inside = np.nonzero(within)[0]
            for index in inside.tolist():
                name = CLASSES[now.vehicle_class[index]]
                vehicle = int(now.id[index])
                if name == "pedestrian":
                    continue
                kind = self._kind_here(place, vehicle, name, bool(stands[index]))
                if kind is None:
                    continue
                present.add((vehicle, kind))
                step_m = float(now.speed_mps[index])
                amount = 1.0 if kind in (Kind.BLOCKING, Kind.ILLEGAL_STOPPING) else step_m
                crossing = StopLineCrossing(
                    time_s, vehicle, name, place.junction, place.approach, "", "",
                    SignalState.UNKNOWN, None, False, False,
                )  # fmt: skip
                act = self._acts.get((vehicle, kind))
                waits = kind is Kind.ILLEGAL_STOPPING and self._queues(place, now, index)
                if act is not None and kind is Kind.ILLEGAL_STOPPING:
                    if waits:
                        # What it did before is over; from here on it waits for another.
                        if not act.told:
                            yield from self._ended(vehicle, kind, act)
                        act.begin_s = time_s
                        act.amount = 0.0
                        act.firm = True
                        act.behind.clear()
                        act.passed.clear()
                    else:
                        self._passing(act, place, now, index, inside)
                firm = kind is not Kind.BLOCKING or _deep(centres[index], place)
                if kind is Kind.ILLEGAL_STOPPING and not waits:
                    firm = not self._queues(place, now, index, QUEUE_DOUBT_M)
                yield from self._last(vehicle, kind, crossing, True, time_s - 1.0, amount, firm)
        for vehicle, kind in [key for key in self._acts if key not in present]:
            if kind is Kind.STOP_LINE and vehicle in self._passages:
                continue
            # Its vehicle may have left the street: what it did, it did.
            act = self._acts.pop((vehicle, kind))
            if not act.told:
                yield from self._ended(vehicle, kind, act)

    def _kind_here(self, place: _Place, vehicle: int, name: str, stands: bool) -> Kind | None:
        area = place.area
        if area.kind is AreaKind.PAVEMENT:
            return None if stands else Kind.PAVEMENT
        if area.kind is AreaKind.LANE:
            return Kind.WRONG_LANE if name in area.not_for else None
        if not stands:
            return None
        if area.kind is AreaKind.NO_STOPPING:
            return Kind.ILLEGAL_STOPPING
        passage = self._passages.get(vehicle)
        if passage is None or passage.crossing.approach != place.approach:
            return None
        if Kind.BLOCKING in passage.told:
            return None
        return Kind.BLOCKING if passage.states[-1] is SignalState.RED else None

    @staticmethod
    def _queues(place: _Place, now: VehicleStates, index: int, doubt_m: float = 0.0) -> bool:
        """Whether one that stands is right behind another that does, in the zone or beyond it."""
        ix, iy = place.inward
        dx, dy = now.x_m - now.x_m[index], now.y_m - now.y_m[index]
        ahead, aside = dx * ix + dy * iy, np.abs(dx * iy - dy * ix)
        near = (ahead > 0.5) & (ahead < QUEUE_AHEAD_M) & (aside < QUEUE_BESIDE_M + doubt_m)
        near &= (now.speed_mps < STANDS_MPS) & (now.vehicle_class != _PEDESTRIAN)
        return bool(near.any())

    @staticmethod
    def _passing(
        act: _Act, place: _Place, now: VehicleStates, index: int, inside: IntArray
    ) -> None:
        """Who drives past one that stands."""
        ix, iy = place.inward
        along = now.x_m[inside] * ix + now.y_m[inside] * iy
        own = float(now.x_m[index] * ix + now.y_m[index] * iy)
        for other, at in zip(now.id[inside].tolist(), along.tolist(), strict=True):
            if at < own - GAP_M:
                act.behind.add(other)
            elif at > own + GAP_M and other in act.behind:
                act.passed.add(other)

    def _last(
        self,
        vehicle: int,
        kind: Kind,
        crossing: StopLineCrossing,
        here: bool,
        begin_s: float,
        amount: float,
        firm: bool,
    ) -> Iterator[Offence]:
        """An act goes on for another second, or ends."""
        key = (vehicle, kind)
        act = self._acts.get(key)
        if not here:
            if act is not None:
                del self._acts[key]
                if not act.told:
                    yield from self._ended(vehicle, kind, act)
            return
        if act is None:
            # A speed is the way of the second gone by: one who stands at its end stood throughout
            # it. One who rides in there at its end does so from there on.
            stood = kind in _STANDING
            self._acts[key] = _Act(
                begin_s if stood else begin_s + 1.0,
                begin_s + 1.0,
                crossing.vehicle_class,
                crossing.approach,
                crossing.junction,
                amount if stood else 0.0,
                firm,
            )
            return
        act.until_s = begin_s + 1.0
        act.amount += amount
        act.firm &= firm
        enough = kind is not Kind.ILLEGAL_STOPPING or len(act.passed) >= PASSED
        if not act.told and act.firm and act.amount >= _LASTING[kind].clear and enough:
            act.told = True
            if vehicle in self._passages:
                self._passages[vehicle].told.add(kind)
            yield Offence(
                kind, act.begin_s, vehicle, crossing.vehicle_class, act.junction, act.approach
            )

    @staticmethod
    def _ended(vehicle: int, kind: Kind, act: _Act) -> Iterator[Offence]:
        """An act is over that was never clearly one; it may have looked like one.

        One who stands alone where nobody may is no queue, whether others drove past or not.
        """
        if act.amount >= _LEAST_SHARE * _LASTING[kind].least:
            yield Offence(
                kind, act.begin_s, vehicle, act.vehicle_class, act.junction, act.approach, False,
                act.begin_s, act.until_s,
            )  # fmt: skip


def _was_before(passage: _Passage) -> bool:
    """Whether its front was before the line, not on it, when red began."""
    crossing = passage.crossing
    red_s = crossing.time_s - (crossing.time_into_red_s or 0.0)
    return passage.on_line_s is None or passage.on_line_s > red_s


def _aside_m(passage: _Passage) -> float:
    """How far to the side of where it was first seen past the line a vehicle is, metres."""
    (ax, ay), (bx, by), line = passage.places[0], passage.places[-1], passage.line
    return abs((bx - ax) * line.inward_y - (by - ay) * line.inward_x)


def _off_inward(passage: _Passage) -> float:
    """Angle between the last few metres of a way and the direction into the junction."""
    x, y = passage.places[-1]
    for px, py in reversed(passage.places):
        way_m = math.hypot(x - px, y - py)
        if way_m >= BACK_M:
            line = passage.line
            inward = ((x - px) * line.inward_x + (y - py) * line.inward_y) / way_m
            return math.acos(min(max(inward, -1.0), 1.0))
    return 0.0


def _fronts(states: VehicleStates) -> FloatArray:
    half = states.length_m / 2
    return np.stack(
        [
            states.x_m + np.sin(states.heading_rad) * half,
            states.y_m + np.cos(states.heading_rad) * half,
        ],
        axis=1,
    )


def _reached(times: Sequence[float], depths: Sequence[float], depth_m: float) -> float | None:
    """When a depth was first reached, between two seconds on a straight line."""
    for index in range(1, len(times)):
        if depths[index] >= depth_m > depths[index - 1]:
            share = (depth_m - depths[index - 1]) / (depths[index] - depths[index - 1])
            return times[index - 1] + share * (times[index] - times[index - 1])
    return None


def _about(points: FloatArray, place: _Place) -> npt.NDArray[np.bool_]:
    """Which points (N, 2) lie within an area, or at its edge along its camera's direction."""
    step = EDGE_M * np.array(place.inward)
    return lie_within(points + step, place.corners) | lie_within(points - step, place.corners)


def _deep(point: FloatArray, place: _Place) -> bool:
    """Whether a point lies well within an area along its camera's direction."""
    step = EDGE_M * np.array(place.inward)
    return bool(lie_within(np.stack([point + step, point - step]), place.corners).all())
