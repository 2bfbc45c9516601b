"""Greedy control, as a method to compare with: serve where most vehicles are near the line.

The rule called "max-wave" in comparisons of learned control (J. Ault and G. Sharon, "Reinforcement
Learning Benchmarks for Traffic Signal Control", NeurIPS 2021): of all stages show the one whose
lanes hold most vehicles within 50 m of the line, decided anew every 7 s of green.
"""

from __future__ import annotations

from collections.abc import Mapping

from models.policy import ControlArea, ControlJunction, Observation, Sensing
from optimizer.maxpressure import due


class Greedy:
    """A :class:`models.policy.SignalPolicy`; each junction decides by itself."""

    def __init__(self, *, reach_m: float = 50.0, period_s: float = 7.0) -> None:
        """Count vehicles up to ``reach_m`` before the line, decide every ``period_s`` of green."""
        self._reach_m = reach_m
        self._period_s = period_s
        self._area: ControlArea | None = None

    def start(self, area: ControlArea, seed: int) -> None:
        """Learn the area; nothing is random."""
        self._area = area

    def decide(self, observation: Observation) -> Mapping[str, str]:
        """The stage that most vehicles near their line wait for, where a period is over."""
        assert self._area is not None
        return {
            name: self._best(control, observation)
            for name, control in self._area.junctions.items()
            if due(observation, name, self._period_s)
        }

    def _best(self, control: ControlJunction, observation: Observation) -> str:
        assert self._area is not None
        near = {}
        for lane in control.lanes.values():
            if self._area.sensing is Sensing.ORACLE:
                reach_m = min(self._reach_m, lane.edge_m)
                near[lane.id] = sum(
                    vehicle.distance_m <= reach_m
                    for vehicle in observation.vehicles.get(lane.id, ())
                )
            else:  # detectors see who stands, and who is on the line
                reading = observation.readings.get(lane.id)
                near[lane.id] = max(reading.queue, round(reading.occupied)) if reading else 0
        now = observation.shown[control.id].stage

        def waiting(letters: str) -> int:
            return sum(
                near[lane.id]
                for lane in control.lanes.values()
                if any(letters[connection.link] in "Gg" for connection in lane.connections)
            )

        return max(
            control.stages.values(),
            key=lambda stage: (waiting(stage.letters), stage.id == now),
        ).id
