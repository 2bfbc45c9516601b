"""Saturation flow as it is observed: how fast a queue leaves on green.

After the start-up the vehicles that stood at the beginning of green cross as fast as the
approach lets them; their flow in passenger car units is the saturation flow (HCM 2010, chapter
31, measures headways of single lanes; where motorbikes fill the road side by side the time
slices of all crossings are counted instead, after Minh and Sano, 2003).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from models.signals import SignalState

START_UP_S: Final = 4.0
"""From the beginning of green until the flow is steady."""
MIN_VEHICLES: Final = 4
MIN_FLOW_S: Final = 3.0
MAX_HEADWAY_S: Final = 3.0
"""A longer pause between two crossings ends the discharge: the queue has gone, or is held up."""


@dataclass(frozen=True, slots=True)
class Discharge:
    """The steady part of one queue's departure."""

    time_s: float
    pcu: float
    flow_s: float


class DischargeWatch:
    """Finds the discharges of an approach from its signal, queue and crossings."""

    def __init__(self) -> None:
        self._green_s: float | None = None
        self._queued = 0
        self._last_queue = 0
        self._last_s = 0.0
        self._crossed: list[tuple[float, float]] = []
        self._shown = SignalState.UNKNOWN

    def frame(self, time_s: float, shown: SignalState, queue: int) -> Discharge | None:
        """A frame; the discharge that ended with it."""
        ended: Discharge | None = None
        if shown is not self._shown:
            ended = self._end()
            if shown is SignalState.GREEN and self._shown is SignalState.RED:
                self._green_s, self._queued = time_s, self._last_queue
            self._shown = shown
        if self._green_s is not None and self._paused(time_s):
            ended = self._end()
        self._last_queue = queue
        return ended

    def crossed(self, time_s: float, pcu: float) -> None:
        """A vehicle crossed the stop line inward."""
        if self._green_s is not None and time_s >= self._green_s:
            self._crossed.append((time_s, pcu))
            self._last_s = time_s

    def _paused(self, time_s: float) -> bool:
        assert self._green_s is not None
        return time_s - max(self._last_s, self._green_s + START_UP_S) > MAX_HEADWAY_S

    def _end(self) -> Discharge | None:
        green_s, queued = self._green_s, self._queued
        crossed = sorted(self._crossed)[:queued]
        self._green_s, self._crossed = None, []
        if green_s is None:
            return None
        steady = [(t, pcu) for t, pcu in crossed if t >= green_s + START_UP_S]
        if len(steady) < MIN_VEHICLES + 1:
            return None
        # The first crossing starts the clock; what it brings belongs to the time before.
        flow_s = steady[-1][0] - steady[0][0]
        if flow_s < MIN_FLOW_S:
            return None
        return Discharge(steady[-1][0], sum(pcu for _, pcu in steady[1:]), flow_s)
