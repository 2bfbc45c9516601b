"""Each vehicle that crosses a stop line is counted once, at the instant its wheels do.

A vehicle must come from clearly before the line and get clearly past it: a box that flickers on
the line, or a rider who stops and starts on it, is one crossing. The instant is interpolated
between sightings.
"""

from __future__ import annotations

import csv
import io
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, TypeAlias

from detection.boxes import EDGE_PX
from detection.geometry import StopLine
from detection.track_table import LENGTH_M, WIDTH_M
from detection.tracking import TrackState
from detection.trajectory import TrajectoryPoint
from models.camera import CameraView, Point
from models.counts import CountRow
from models.signals import SignalState
from models.site import VEHICLE_CLASSES
from models.units import utc_text

TWICE_S: Final = 2.0
TWICE_LENGTH: Final = 0.8
TWICE_WIDTH: Final = 1.0
"""Two crossings so little apart in time, and within an ellipse of these shares of the vehicle's
length and width, are one vehicle's."""
APART: Final = 0.3
"""Boxes of two tracks of one vehicle cover more of the smaller one than this."""
UNLIKE: Final = 2.0
LATELY: Final = 12
STARTING_MPS2: Final = 1.5
HALTED_MPS: Final = 2.0
DRIVES_ON: Final = 0.35
DRIVES_ON_S: Final = 1.0
"""One who passed the line unseen drives on at this share of the speed that took him over it, for
so long; then he may stand."""
CROSSING_COLUMNS: Final = (
    "time", "frame", "line", "direction", "movement", "vehicle_class", "track", "x_px", "y_px",
    "signal_state",
)  # fmt: skip
Box: TypeAlias = tuple[float, float, float, float]
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The clock of a source that has none: its time counts from here."""


@dataclass(frozen=True, slots=True)
class CountingSettings:
    """How a line is watched.

    ``hysteresis_m`` is the band on either side that a front must have left, ``min_travel_m`` how
    far it must have come in all (a box that jumps in a queue does not travel);
    ``beyond_ends_m`` how far outside its ends the line still counts (not for one whom the
    picture's side cuts: he may be anywhere out there); after ``unseen_s`` without a sighting a step
    that its speed does not explain to ``unseen_m`` is no passage;
    who passed the line while unseen for ``doubt_s`` must be seen to drive on for ``settle_s``;
    ``max_gap_s`` the longest time without a frame that counts as watched.
    """

    hysteresis_m: float = 0.5
    min_travel_m: float = 1.5
    beyond_ends_m: float = 1.5
    unseen_s: float = 0.6
    unseen_m: float = 3.0
    doubt_s: float = 0.3
    settle_s: float = 0.4
    max_gap_s: float = 1.0
    interval_s: float = 900.0


@dataclass(frozen=True, slots=True)
class LineCrossing:
    """A point of a vehicle crossed the line: when, and where its wheel contact was then.

    Not ``seen``: it was hidden then, and the point is where it came out.
    """

    track: int
    direction: str
    time_s: float
    frame: int
    contact_px: Point
    speed_mps: float
    seen: bool = True


@dataclass(frozen=True, slots=True)
class Crossing:
    """A counted crossing with the movement that it turned out to be.

    ``direction`` is ``in`` or ``out`` of the junction. ``movement_certain`` is False where the
    vehicle was lost too soon after the line to tell where it went; ``movement`` is then the
    nearest by position and heading. ``time_s`` and the point are the wheel contact's, ``front_s``
    is the instant of the front; ``signal_state`` is what was shown at ``time_s``. ``seen`` is False
    of a passage that was hidden and is told by what came out behind (:mod:`detection.hidden`).
    """

    track: int
    vehicle_class: str
    movement: str
    movement_certain: bool
    line: str
    direction: str
    time_s: float
    front_s: float
    frame: int
    x_px: float
    y_px: float
    speed_mps: float
    signal_state: SignalState
    seen: bool = True


@dataclass(slots=True)
class _Watch:
    """One track at one line: the side it is known to be on and where it may be crossing."""

    least: float
    most: float
    side: int = 0
    last: tuple[float, float, Point, Point] | None = None
    over: tuple[float, int, Point, Point, bool] | None = None
    """Where it may be crossing: time, frame, place, pixel, whether the picture cuts it."""
    speed_mps: float = 0.0
    """At the last sighting."""
    doubt: tuple[float, float, float] | None = None
    """A passage that was not seen: when and how deep the vehicle came out, and how fast it was."""
    held_s: float | None = None

    def start(self, depth: float, stood_s: float) -> None:
        """After standing travel begins anew: boxes that differ about the line are no passage."""
        self.least = self.most = depth
        if self.last is not None:
            self.last = (stood_s, *self.last[1:])
        self.held_s = None


@dataclass(frozen=True, slots=True)
class _Passed:
    """A crossing that was counted lately."""

    direction: str
    time_s: float
    place: Point
    speed_mps: float
    length_m: float
    width_m: float
    boxes: Mapping[float, Box]
    """Where in the picture it was shortly before, by time."""

    def beside(self, other: _Passed) -> bool:
        """Whether both were seen at once, and are two: for once apart, or of unlike size."""
        common = self.boxes.keys() & other.boxes.keys()
        if max(self.width_m, other.width_m) > UNLIKE * min(self.width_m, other.width_m):
            return len(common) > 0
        return any(_shared(self.boxes[time_s], other.boxes[time_s]) < APART for time_s in common)


class LineCounter:
    """Watches one stop line for one point of the vehicles; at most one crossing per track."""

    def __init__(
        self, view: CameraView, settings: CountingSettings, *, fronts: bool = False
    ) -> None:
        """Set up: for wheel contacts, which are counted, or for ``fronts``, which are judged.

        A vehicle seen from behind shows its rear wheel: it is over the line as a whole, and
        counted, when that is; the law looks at its front.
        """
        self.line = StopLine(view)
        self._width_px = view.width_px
        self._settings = settings
        self._fronts = fronts
        self._watches: dict[int, _Watch] = {}
        self.done: set[int] = set()
        """Tracks that came in over the line: nothing more is asked of them."""
        self._recent: deque[_Passed] = deque(maxlen=64)

    def update(
        self,
        track: TrackState,
        time_s: float,
        frame: int,
        depth: float | None = None,
        points: Sequence[TrajectoryPoint] = (),
        *,
        entered: bool = False,
    ) -> LineCrossing | None:
        """Look at a sighting of a track; a crossing once it is certain.

        ``depth`` is that of the watched point, where it is known already; ``points`` are the
        track's sightings up to now, which tell it from others close by. One that ``entered``
        between the line's ends with its front may swing its rear beyond them.
        """
        if track.id in self.done or not track.seen:
            return None
        watch = self._watches.get(track.id)
        if track.held and watch is not None:
            watch.held_s = time_s
            if watch.doubt is not None and watch.doubt[2] > HALTED_MPS:
                self._start_again(track, watch.doubt[1])
            return None
        band = self._settings.hysteresis_m
        point = track.front if self._fronts else track.contact
        if depth is None:
            depth = self.line.depth_m(point, track.units_per_m)
        if watch is None:
            watch = self._watches[track.id] = _Watch(depth, depth)
        if watch.held_s is not None:
            watch.start(depth, watch.held_s)
        watch.least, watch.most = min(watch.least, depth), max(watch.most, depth)
        if watch.side == 0 and abs(depth) >= band:
            watch.side = 1 if depth > 0 else -1
        found = None
        if watch.side != 0 and watch.last is not None:
            before_s, before, place, contact = watch.last
            gap_s = time_s - before_s
            if gap_s > self._settings.unseen_s and not self._drove(watch, track, depth, gap_s):
                # Lost before the line and found well past it may be two vehicles.
                watch = self._start_again(track, depth)
            elif before * watch.side > 0 >= depth * watch.side:
                # The last passage over the line counts: one who stops on it leaves it later.
                share = before / (before - depth)
                watch.over = (
                    before_s + share * (time_s - before_s),
                    frame,
                    _between(place, point, share),
                    _between(contact, track.contact_px, share),
                    self._cut(track.box_px),
                )
                watch.doubt = None
                if gap_s > self._settings.doubt_s:
                    watch.doubt = time_s, depth, abs(depth - before) / gap_s
            travelled = depth - watch.least if watch.side < 0 else watch.most - depth
            past = depth * watch.side <= -band and travelled >= self._settings.min_travel_m
            if past and watch.over is not None:
                lately = {p.time_s: p.box_px for p in islice(reversed(points), LATELY)}
                drives_on = self._drives_on(watch, time_s, depth)
                if drives_on:
                    found = self._crossing(track, watch, lately, entered, *watch.over)
                elif drives_on is not None:
                    watch = self._start_again(track, depth)
        watch.last = (time_s, depth, point, track.contact_px)
        watch.speed_mps = track.speed_mps
        return found

    def _cut(self, box: Box) -> bool:
        """Whether the picture's left or right edge cuts a box."""
        return box[0] < EDGE_PX or box[2] > self._width_px - EDGE_PX

    def _start_again(self, track: TrackState, depth: float) -> _Watch:
        """Take a track for another vehicle's from here on."""
        watch = self._watches[track.id] = _Watch(depth, depth, 1 if depth > 0 else -1)
        return watch

    def _drove(self, watch: _Watch, track: TrackState, depth: float, gap_s: float) -> bool:
        """Whether a vehicle can have come so far while it was not seen.

        The speed of before the gap, not only the one that the leap itself makes believe, must
        explain it, give or take what a driver does.
        """
        assert watch.last is not None
        leapt_m = abs(depth - watch.last[1])
        slack_m = self._settings.unseen_m
        most_m = (watch.speed_mps + STARTING_MPS2 / 2 * gap_s) * gap_s
        least_m = min(watch.speed_mps, track.speed_mps) * gap_s
        return least_m - slack_m <= leapt_m <= most_m + slack_m

    def _drives_on(self, watch: _Watch, time_s: float, depth: float) -> bool | None:
        """Whether who passed the line unseen went on as it came; None while that is open."""
        if watch.doubt is None:
            return True
        out_s, out, speed_mps = watch.doubt
        since_s = time_s - out_s
        if since_s < self._settings.settle_s:
            return None
        least_m = DRIVES_ON * speed_mps * min(since_s, DRIVES_ON_S)
        return (out - depth) * watch.side > least_m - self._settings.hysteresis_m

    def forget(self, track: int) -> None:
        """Drop what is kept of a track that has ended."""
        self._watches.pop(track, None)
        self.done.discard(track)

    def _crossing(
        self,
        track: TrackState,
        watch: _Watch,
        boxes: Mapping[float, Box],
        entered: bool,
        over_s: float,
        frame: int,
        place: Point,
        px: Point,
        cut: bool,
    ) -> LineCrossing | None:
        beside_m = 0.0 if entered else self.line.beside_m(place, track.units_per_m)
        # The middle of a cut box is nearer to the line than who is in it.
        if beside_m > (0.0 if cut else self._settings.beyond_ends_m):
            watch.side, watch.over = -watch.side, None
            return None
        direction = "in" if watch.side < 0 else "out"
        if direction == "in":
            self.done.add(track.id)
        else:
            # Whoever comes in after this is another that the track was taken for, or comes back.
            self._start_again(track, self.line.depth_m(place, track.units_per_m))
        if self._seen_twice(track, direction, over_s, place, boxes):
            return None
        return LineCrossing(
            track=track.id,
            direction=direction,
            time_s=over_s,
            frame=frame,
            contact_px=px,
            speed_mps=track.speed_mps,
        )

    def _seen_twice(
        self,
        track: TrackState,
        direction: str,
        over_s: float,
        place: Point,
        boxes: Mapping[float, Box],
    ) -> bool:
        """Whether another track of the same vehicle has crossed already.

        No two vehicles stand in one place: who crosses where, and so soon after another that
        this one has not left it, is the same vehicle followed twice; unless both were seen at
        once, side by side.
        """
        kind = VEHICLE_CLASSES.index(track.vehicle_class)
        length_m, width_m = float(LENGTH_M[kind]), float(WIDTH_M[kind])
        new = _Passed(direction, over_s, place, track.speed_mps, length_m, width_m, boxes)
        units = track.units_per_m
        for old in self._recent:
            gap_s = abs(over_s - old.time_s)
            if gap_s > TWICE_S or old.direction != direction:
                continue
            ahead_m = gap_s * max(old.speed_mps, track.speed_mps, 0.5)
            # Of two vehicles the later one's rear is its own length behind, fronts the earlier's.
            first, later = (old, new) if over_s >= old.time_s else (new, old)
            along = ahead_m / (TWICE_LENGTH * (first if self._fronts else later).length_m)
            if along >= 1.0:
                continue
            beside_m = self.line.apart_m(place, old.place, units)
            across = beside_m / (TWICE_WIDTH * (width_m + old.width_m) / 2.0)
            if along * along + across * across < 1.0 and not old.beside(new):
                return True
        self._recent.append(new)
        return False


def _shared(first: Box, other: Box) -> float:
    """Share of the smaller of two boxes that the other covers."""
    width = min(first[2], other[2]) - max(first[0], other[0])
    height = min(first[3], other[3]) - max(first[1], other[1])
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (first, other))
    return max(width, 0.0) * max(height, 0.0) / max(min(areas), 1e-9)


def _between(first: Point, second: Point, share: float) -> Point:
    return (
        first[0] + share * (second[0] - first[0]),
        first[1] + share * (second[1] - first[1]),
    )


class IntervalCounts:
    """Counts per movement, class and interval, with the share of each interval watched.

    Only crossings into the junction are counts; those out of it stay in ``crossings.csv``.
    """

    def __init__(
        self,
        junction: str,
        movements: Sequence[str],
        settings: CountingSettings,
        origin_s: float,
        grid_s: float | None = None,
    ) -> None:
        """The first interval begins at ``origin_s``, the others at whole intervals from ``grid_s``
        on, which is no later; by default the two are one.
        """
        self._junction = junction
        self._movements = tuple(movements)
        self._settings = settings
        self._origin_s = origin_s
        self._grid_s = origin_s if grid_s is None else grid_s
        self._watched_s: dict[int, float] = {}
        self._counts: dict[int, dict[tuple[str, str], int]] = {}
        self._classes = {"motorcycle", "car"}
        self._last_s: float | None = None

    def watched(self, time_s: float) -> None:
        """A frame was seen at this time."""
        if self._last_s is not None and time_s - self._last_s <= self._settings.max_gap_s:
            at = self._last_s
            while at < time_s:
                index = self._index(at)
                until = min(time_s, self._grid_s + (index + 1) * self._settings.interval_s)
                self._watched_s[index] = self._watched_s.get(index, 0.0) + until - at
                if until <= at:
                    break
                at = until
        self._last_s = time_s

    def add(self, crossing: Crossing) -> None:
        """Count a crossing into the junction."""
        if crossing.direction != "in":
            return
        counts = self._counts.setdefault(self._index(crossing.time_s), {})
        key = (crossing.movement, crossing.vehicle_class)
        counts[key] = counts.get(key, 0) + 1
        self._classes.add(crossing.vehicle_class)

    def rows(
        self, *, start: datetime = EPOCH, since_s: float | None = None, until_s: float | None = None
    ) -> tuple[CountRow, ...]:
        """Rows of all intervals, zeros included, of every movement and class seen.

        Args:
            start: The moment at which the source's clock shows 0.
            since_s: Leave out intervals that began before.
            until_s: End of the observation, which cuts the last interval short; the last frame
                by default.
        """
        if self._last_s is None:
            return ()
        end_s = self._last_s if until_s is None else until_s
        rows: list[CountRow] = []
        for index in range(self._index(max(end_s - 1e-9, self._origin_s)) + 1):
            whole_s = self._grid_s + index * self._settings.interval_s
            begin_s = max(whole_s, self._origin_s)
            stop_s = min(whole_s + self._settings.interval_s, end_s)
            if stop_s - begin_s <= 1e-6 or (since_s is not None and begin_s < since_s - 1e-6):
                continue
            coverage = min(self._watched_s.get(index, 0.0) / (stop_s - begin_s), 1.0)
            counts = self._counts.get(index, {})
            rows.extend(
                CountRow(
                    junction=self._junction,
                    movement=movement,
                    vehicle_class=vehicle_class,
                    start=start + timedelta(seconds=begin_s),
                    end=start + timedelta(seconds=stop_s),
                    count=counts.get((movement, vehicle_class), 0),
                    coverage=coverage,
                )
                for movement in self._movements
                for vehicle_class in sorted(self._classes)
            )
        return tuple(rows)

    def forget_before(self, time_s: float) -> None:
        """Drop intervals that ended before ``time_s`` (they have been stored elsewhere)."""
        oldest = self._index(time_s)
        for table in (self._counts, self._watched_s):
            for index in [index for index in table if index < oldest]:
                table.pop(index)

    def _index(self, time_s: float) -> int:
        return max(math.floor((time_s - self._grid_s) / self._settings.interval_s + 1e-9), 0)


def crossings_to_csv(crossings: Iterable[Crossing], start: datetime | None = None) -> str:
    """The text of ``crossings.csv``, in order of time.

    ``time`` is ISO 8601 UTC when the source's clock is known, else seconds from its start.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CROSSING_COLUMNS)
    for item in sorted(crossings, key=lambda crossing: (crossing.time_s, crossing.track)):
        time = (
            f"{item.time_s:.3f}"
            if start is None
            else utc_text(start + timedelta(milliseconds=round(item.time_s * 1000)))
        )
        writer.writerow(
            (
                time,
                item.frame,
                item.line,
                item.direction,
                item.movement,
                item.vehicle_class,
                item.track,
                f"{item.x_px:.1f}",
                f"{item.y_px:.1f}",
                item.signal_state.value,
            )
        )
    return out.getvalue()
