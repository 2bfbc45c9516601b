"""Measures of an approach per movement, class and interval, with what is not known of them.

Counts come from :mod:`detection.counting`; here stand what follows from them (flow, passenger
car units, headway), what is seen beside them (speed, queue, occupancy, saturation flow) and how
sure the count is.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from detection.counting import Crossing
from detection.queues import Queue
from detection.saturation import Discharge, DischargeWatch
from models.counts import CountRow
from models.signals import SignalState
from models.site import DEFAULT_CLASSES
from models.units import utc_text

ALL: Final = "all"
APPROACH: Final = ""
"""Movement of the rows that hold for the approach as a whole."""
COLUMNS: Final = (
    "junction", "movement", "vehicle_class", "start", "end", "coverage", "count", "count_low",
    "count_high", "flow_vph", "flow_pcu_ph", "mean_speed_mps", "headway_s", "queue_mean_veh",
    "queue_max_veh", "queue_max_m", "occupancy", "saturation_pcu_ph", "queue_beyond",
)  # fmt: skip
COUNT_ERROR: Final = 0.05
"""Relative error (one sigma) of a count where everything was watched; see docs/camera.md."""
SIGMAS: Final = 1.96
PCU: Final[Mapping[str, float]] = {item.name: item.pcu for item in DEFAULT_CLASSES}


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One row of ``measures.csv``; None where a measure has no value or cannot be had.

    ``count_low`` and ``count_high`` bound, with 95 % confidence, how many passed in the whole
    interval: those that were not watched are estimated from those that were. Flows are per hour
    watched. ``mean_speed_mps`` is at the line, for screening, and only of a calibrated camera;
    ``headway_s`` the mean time between two crossings; ``occupancy`` the share of the time in
    which somebody stood or drove on the line; ``saturation_pcu_ph`` per hour of green.
    """

    junction: str
    movement: str
    vehicle_class: str
    start: datetime
    end: datetime
    coverage: float
    count: int
    count_low: float
    count_high: float
    flow_vph: float | None
    flow_pcu_ph: float | None
    mean_speed_mps: float | None = None
    headway_s: float | None = None
    queue_mean_veh: float | None = None
    queue_max_veh: int | None = None
    queue_max_m: float | None = None
    occupancy: float | None = None
    saturation_pcu_ph: float | None = None
    queue_beyond: float | None = None


def count_interval(count: int, coverage: float, error: float = COUNT_ERROR) -> tuple[float, float]:
    """Bounds (95 %) of the true number of vehicles in an interval.

    Of what passed unwatched only the rate is known, from what was watched: its number varies as
    a Poisson count does, and so does the rate that was measured. Together that is a variance of
    n (1 - c) / c^2 about n / c; the counting's own error comes on top.
    """
    if coverage <= 0:
        return (0.0, math.inf)
    expected = count / coverage
    variance = max(count, 1) * (1 - coverage) / coverage**2 + (error * expected) ** 2
    spread = SIGMAS * math.sqrt(variance)
    return (max(expected - spread, float(count) * (1 - SIGMAS * error)), expected + spread)


@dataclass(slots=True)
class _Interval:
    """What one interval brought."""

    passages: list[tuple[float, str, str, float]] = field(default_factory=list)
    frames: int = 0
    occupied: int = 0
    queue_sum: int = 0
    queue_most: int = 0
    queue_longest_m: float = 0.0
    queue_beyond: int = 0
    discharges: list[Discharge] = field(default_factory=list)


class MeasureLog:
    """Collects what the measures of an approach need, in intervals like those of its counts."""

    def __init__(
        self,
        origin_s: float,
        interval_s: float,
        *,
        metric: bool,
        pcu: Mapping[str, float] = PCU,
    ) -> None:
        """``pcu`` holds passenger car units by class; others count as one."""
        self._origin_s = origin_s
        self._interval_s = interval_s
        self._metric = metric
        self._pcu = pcu
        self._intervals: dict[int, _Interval] = {}
        self._discharge = DischargeWatch()

    def frame(self, time_s: float, queue: Queue, shown: SignalState, *, occupied: bool) -> None:
        """A frame: the queue, the approach's aspect, and whether somebody is on the line."""
        item = self._at(time_s)
        item.frames += 1
        item.occupied += occupied
        item.queue_sum += queue.vehicles
        item.queue_most = max(item.queue_most, queue.vehicles)
        item.queue_longest_m = max(item.queue_longest_m, queue.length_m)
        item.queue_beyond += queue.at_least
        ended = self._discharge.frame(time_s, shown, queue.vehicles)
        if ended is not None:
            self._at(ended.time_s).discharges.append(ended)

    def over(self, time_s: float, vehicle_class: str) -> None:
        """Somebody crossed the line just now; where to is not known yet."""
        self._discharge.crossed(time_s, self._pcu.get(vehicle_class, 1.0))

    def add(self, crossing: Crossing) -> None:
        """A counted crossing, once its movement is known."""
        if crossing.direction == "in":
            self._at(crossing.time_s).passages.append(
                (crossing.time_s, crossing.movement, crossing.vehicle_class, crossing.speed_mps)
            )

    def forget_before(self, time_s: float) -> None:
        """Drop intervals that ended before ``time_s``."""
        oldest = self._index(time_s)
        for index in [index for index in self._intervals if index < oldest]:
            self._intervals.pop(index)

    def rows(self, counts: Sequence[CountRow], start: datetime) -> tuple[MeasureRow, ...]:
        """Measures beside these counts: their rows, one for all classes of each movement, and one
        for the approach, which alone has queue, occupancy and saturation flow.

        Args:
            counts: Rows of whole intervals, as :meth:`CameraPipeline.counts` gives them.
            start: The moment at which the source's clock shows 0.
        """
        found: list[MeasureRow] = []
        for begin in sorted({row.start for row in counts}):
            here = [row for row in counts if row.start == begin]
            item = self._intervals.get(
                self._index((begin - start).total_seconds() + 1e-6), _Interval()
            )
            found += [self._row([row], item, row.movement, row.vehicle_class) for row in here]
            movements = dict.fromkeys(row.movement for row in here)
            found += [
                self._row([row for row in here if row.movement == movement], item, movement, ALL)
                for movement in movements
            ]
            found.append(self._row(here, item, APPROACH, ALL))
        return tuple(found)

    def _row(
        self, counts: Sequence[CountRow], item: _Interval, movement: str, vehicle_class: str
    ) -> MeasureRow:
        first = counts[0]
        watched_h = first.coverage * first.duration_s / 3600
        count = sum(row.count for row in counts)
        low, high = count_interval(count, first.coverage)
        pcu = sum(row.count * self._pcu.get(row.vehicle_class, 1.0) for row in counts)
        passed = [
            (time_s, speed_mps)
            for time_s, of, name, speed_mps in item.passages
            if movement in (APPROACH, of) and vehicle_class in (ALL, name)
        ]
        times = sorted(time_s for time_s, _ in passed)
        whole = movement == APPROACH
        flow_s = sum(discharge.flow_s for discharge in item.discharges)
        return MeasureRow(
            junction=first.junction,
            movement=movement,
            vehicle_class=vehicle_class,
            start=first.start,
            end=first.end,
            coverage=first.coverage,
            count=count,
            count_low=low,
            count_high=high,
            flow_vph=count / watched_h if watched_h > 0 else None,
            flow_pcu_ph=pcu / watched_h if watched_h > 0 else None,
            mean_speed_mps=(
                sum(speed for _, speed in passed) / len(passed) if passed and self._metric else None
            ),
            headway_s=(times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else None,
            queue_mean_veh=item.queue_sum / item.frames if whole and item.frames else None,
            queue_max_veh=item.queue_most if whole and item.frames else None,
            queue_max_m=(item.queue_longest_m if whole and item.frames and self._metric else None),
            occupancy=item.occupied / item.frames if whole and item.frames else None,
            saturation_pcu_ph=(
                3600 * sum(d.pcu for d in item.discharges) / flow_s if whole and flow_s else None
            ),
            queue_beyond=item.queue_beyond / item.frames if whole and item.frames else None,
        )

    def _at(self, time_s: float) -> _Interval:
        return self._intervals.setdefault(self._index(time_s), _Interval())

    def _index(self, time_s: float) -> int:
        return max(math.floor((time_s - self._origin_s) / self._interval_s + 1e-9), 0)


def measures_to_csv(rows: Iterable[MeasureRow]) -> str:
    """The text of ``measures.csv``; an empty field is a measure without a value."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(cells, rows))
    return out.getvalue()


def cells(row: MeasureRow) -> list[str]:
    """The fields of a row as text, in the order of ``COLUMNS``."""
    return [_text(getattr(row, name)) for name in COLUMNS]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, float):
        return "inf" if math.isinf(value) else f"{value:.4g}"
    return str(value)
