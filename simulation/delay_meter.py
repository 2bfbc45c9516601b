"""Delay of everybody on the virtual street, for "so much delay in this window"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulation.states import FloatArray


@dataclass(frozen=True, slots=True)
class DelayMark:
    """Where the meter stood at an instant: vehicle-seconds of delay, vehicles planned."""

    time_s: float
    vehicle_s: float
    planned: int


@dataclass(frozen=True, slots=True)
class DelayWindow:
    """Delay that accrued in ``[begin_s, end_s)`` and the vehicles planned to depart in it."""

    begin_s: float
    end_s: float
    vehicle_s: float
    vehicles: int

    @property
    def delay_s(self) -> float:
        """Vehicle-seconds per planned vehicle; 0 when none was planned.

        All vehicles accrue delay, also those still waiting to enter the network. In a steady
        state this equals the mean delay over vehicles, the ``delay_s`` of a simulation report.
        """
        return self.vehicle_s / self.vehicles if self.vehicles else 0.0


class DelayMeter:
    """Sums timeLoss of vehicles on the road and waiting time of those that cannot enter yet."""

    def __init__(self, time_s: float) -> None:
        self._time_s = time_s
        self._gone_s = 0.0
        self._on_road_s = 0.0
        self._waited_s = 0.0
        self._planned = 0
        self._row: Mapping[str, int] = {}
        self._loss_s: FloatArray = np.empty(0)

    @property
    def total_s(self) -> float:
        """Vehicle-seconds since the street began."""
        return self._gone_s + self._on_road_s + self._waited_s

    def plan(self, vehicles: int) -> None:
        """Vehicles are due to depart."""
        self._planned += vehicles

    def step(
        self,
        time_s: float,
        row: Mapping[str, int],
        loss_s: FloatArray,
        arrived: Sequence[str],
        waited_s: float,
    ) -> float:
        """One step went by.

        Args:
            time_s: End of the step.
            row: Place in ``loss_s`` of every vehicle on the road.
            loss_s: Their timeLoss so far.
            arrived: Vehicles that left the road in the step; they count with what they had
                lost by the step before.
            waited_s: Vehicle-seconds that vehicles outside the network waited.

        Returns:
            Vehicle-seconds of delay that accrued in the step.
        """
        before = self.total_s
        for vehicle in arrived:
            if vehicle in self._row:
                self._gone_s += float(self._loss_s[self._row[vehicle]])
        self._row, self._loss_s = row, loss_s
        self._on_road_s = float(loss_s.sum())
        self._waited_s += waited_s
        self._time_s = time_s
        return self.total_s - before

    def mark(self) -> DelayMark:
        """Remember the present instant."""
        return DelayMark(self._time_s, self.total_s, self._planned)

    def since(self, mark: DelayMark) -> DelayWindow:
        """Delay between a mark and the present."""
        return DelayWindow(
            mark.time_s,
            self._time_s,
            self.total_s - mark.vehicle_s,
            self._planned - mark.planned,
        )
