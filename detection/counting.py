"""Each vehicle that crosses a stop line is counted once, at the instant its front crosses.

A vehicle must come from clearly before the line and get clearly past it: a box that flickers on
the line, or a rider who stops and starts on it, is one crossing. The instant is interpolated
between sightings. Persons on foot are not counted.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from detection.geometry import StopLine
from detection.tracking import TrackState
from models.camera import CameraView, Point
from models.counts import CountRow
from models.signals import SignalState
from models.units import utc_text

CROSSING_COLUMNS: Final = (
    "time", "frame", "line", "direction", "movement", "vehicle_class", "track", "x_px", "y_px",
    "signal_state",
)  # fmt: skip
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The clock of a source that has none: its time counts from here."""


@dataclass(frozen=True, slots=True)
class CountingSettings:
    """How a line is watched.

    ``hysteresis_m`` is the band on either side that a front must have left, ``min_travel_m`` how
    far it must have come in all (a box that jumps in a queue does not travel);
    ``beyond_ends_m`` how far outside its ends the line still counts; ``max_gap_s`` the longest
    time without a frame that counts as watched.
    """

    hysteresis_m: float = 0.5
    min_travel_m: float = 1.5
    beyond_ends_m: float = 1.5
    max_gap_s: float = 1.0
    interval_s: float = 900.0


@dataclass(frozen=True, slots=True)
class LineCrossing:
    """A front crossed the line: when, and where the wheel contact was in the image."""

    track: int
    direction: str
    time_s: float
    frame: int
    contact_px: Point
    speed_mps: float


@dataclass(frozen=True, slots=True)
class Crossing:
    """A counted crossing with the movement that it turned out to be.

    ``direction`` is ``in`` or ``out`` of the junction. ``movement_certain`` is False where the
    vehicle was lost too soon after the line to tell where it went; ``movement`` is then the
    nearest by position and heading.
    """

    track: int
    vehicle_class: str
    movement: str
    movement_certain: bool
    line: str
    direction: str
    time_s: float
    frame: int
    x_px: float
    y_px: float
    speed_mps: float
    signal_state: SignalState


@dataclass(slots=True)
class _Watch:
    """One track at one line: the side it is known to be on and where it may be crossing."""

    least: float
    most: float
    side: int = 0
    last: tuple[float, float, Point, Point, Point] | None = None
    candidate: tuple[float, int, Point, Point, Point] | None = None


class LineCounter:
    """Watches one stop line; at most one crossing per track."""

    def __init__(self, view: CameraView, settings: CountingSettings) -> None:
        self.line = StopLine(view)
        self._settings = settings
        self._watches: dict[int, _Watch] = {}
        self._done: set[int] = set()

    def update(self, track: TrackState, time_s: float, frame: int) -> LineCrossing | None:
        """Look at a sighting of a track; a crossing once it is certain."""
        if track.id in self._done or not track.seen:
            return None
        band = self._settings.hysteresis_m
        depth = self.line.depth_m(track.front, track.units_per_m)
        watch = self._watches.setdefault(track.id, _Watch(depth, depth))
        watch.least, watch.most = min(watch.least, depth), max(watch.most, depth)
        if watch.side == 0 and abs(depth) >= band:
            watch.side = 1 if depth > 0 else -1
        found = None
        if watch.side != 0 and watch.last is not None:
            before_s, before, front, contact, _ = watch.last
            if before * watch.side > 0 >= depth * watch.side:
                # The last passage over the line counts: one who stops on it leaves it later.
                share = before / (before - depth)
                watch.candidate = (
                    before_s + share * (time_s - before_s),
                    frame,
                    _between(front, track.front, share),
                    _between(contact, track.contact_px, share),
                    track.units_per_m,
                )
            travelled = depth - watch.least if watch.side < 0 else watch.most - depth
            past = depth * watch.side <= -band and travelled >= self._settings.min_travel_m
            if past and watch.candidate is not None:
                found = self._crossing(track, watch)
        watch.last = (time_s, depth, track.front, track.contact_px, track.units_per_m)
        return found

    def forget(self, track: int) -> None:
        """Drop what is kept of a track that has ended."""
        self._watches.pop(track, None)
        self._done.discard(track)

    def _crossing(self, track: TrackState, watch: _Watch) -> LineCrossing | None:
        assert watch.candidate is not None
        time_s, frame, front, contact, units = watch.candidate
        if self.line.beside_m(front, units) > self._settings.beyond_ends_m:
            watch.side, watch.candidate = -watch.side, None
            return None
        self._done.add(track.id)
        return LineCrossing(
            track=track.id,
            direction="in" if watch.side < 0 else "out",
            time_s=time_s,
            frame=frame,
            contact_px=contact,
            speed_mps=track.speed_mps,
        )


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
        self, junction: str, movements: Sequence[str], settings: CountingSettings, origin_s: float
    ) -> None:
        self._junction = junction
        self._movements = tuple(movements)
        self._settings = settings
        self._origin_s = origin_s
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
                until = min(time_s, self._origin_s + (index + 1) * self._settings.interval_s)
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
            begin_s = self._origin_s + index * self._settings.interval_s
            stop_s = min(begin_s + self._settings.interval_s, end_s)
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
        return max(math.floor((time_s - self._origin_s) / self._settings.interval_s + 1e-9), 0)


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
