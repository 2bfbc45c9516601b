"""What one camera counts and measures, interval by interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from detection.counting import CountingSettings, Crossing, IntervalCounts
from detection.measures import MeasureLog, MeasureRow
from detection.queues import Queue
from models.camera import CameraView
from models.counts import CountRow
from models.signals import SignalState

CLOCK_ERROR_S: Final = 1e-3
"""A first frame so short before a whole interval begins with it."""


class Tally:
    """Counts and measures of one camera. Nothing is told before the first frame."""

    def __init__(
        self,
        view: CameraView,
        settings: CountingSettings,
        pcu: Mapping[str, float],
        start: datetime,
    ) -> None:
        """Set up; ``pcu`` are passenger car units by class, ``start`` is the clock's 0."""
        self._view = view
        self._settings = settings
        self._pcu = pcu
        self._start = start
        self._books: tuple[IntervalCounts, MeasureLog] | None = None

    def watched(self, time_s: float) -> bool:
        """A frame was taken at a time; whether it is the first."""
        first = self._books is None
        if self._books is None:
            self._books = self._open(time_s)
        self._books[0].watched(time_s)
        return first

    def _open(self, time_s: float) -> tuple[IntervalCounts, MeasureLog]:
        # Intervals end with the clock's quarters of an hour: several cameras' add up.
        interval_s = self._settings.interval_s
        moment_s = self._start.timestamp() + time_s + CLOCK_ERROR_S
        grid_s = time_s - moment_s % interval_s + CLOCK_ERROR_S
        movements = list(dict.fromkeys(path.movement for path in self._view.movements))
        return (
            IntervalCounts(self._view.junction, movements, self._settings, time_s, grid_s),
            MeasureLog(grid_s, interval_s, metric=self._view.metric, pcu=self._pcu),
        )

    def add(self, crossings: Sequence[Crossing]) -> None:
        """Vehicles crossed whose movement is settled."""
        if self._books is not None:
            for crossing in crossings:
                self._books[0].add(crossing)
                self._books[1].add(crossing)

    def over(self, time_s: float, vehicle_class: str) -> None:
        """A vehicle was seen to cross the line inward."""
        if self._books is not None:
            self._books[1].over(time_s, vehicle_class)

    def frame(self, time_s: float, queue: Queue, shown: SignalState, *, occupied: bool) -> None:
        """What stands before the line, and whether anything stands on it."""
        if self._books is not None:
            self._books[1].frame(time_s, queue, shown, occupied=occupied)

    def counts(
        self, *, since_s: float | None = None, until_s: float | None = None
    ) -> tuple[CountRow, ...]:
        """Counts so far (see :meth:`detection.counting.IntervalCounts.rows`)."""
        if self._books is None:
            return ()
        return self._books[0].rows(start=self._start, since_s=since_s, until_s=until_s)

    def measures(self, counts: Sequence[CountRow]) -> tuple[MeasureRow, ...]:
        """Measures beside counts of :meth:`counts`."""
        return () if self._books is None else self._books[1].rows(counts, self._start)

    def forget_before(self, time_s: float) -> None:
        """Drop intervals that ended before ``time_s`` and are stored elsewhere."""
        if self._books is not None:
            for book in self._books:
                book.forget_before(time_s)
