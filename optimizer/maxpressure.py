"""Max-pressure control, as a method to compare with.

P. Varaiya, "Max pressure control of a network of signalized intersections", Transportation
Research C 36 (2013): show the stage whose links have the largest sum of queue before the line
less queue behind it. Decided anew every ``period_s`` of green (7 s: the usual figure in
comparisons), so a green is a multiple of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from models.policy import ControlArea, ControlJunction, Observation, Sensing

STANDING_MPS = 0.1


class MaxPressure:
    """A :class:`models.policy.SignalPolicy`; each junction decides by itself."""

    def __init__(self, *, period_s: float = 7.0) -> None:
        """Decide again after every ``period_s`` of green."""
        self._period_s = period_s
        self._area: ControlArea | None = None

    def start(self, area: ControlArea, seed: int) -> None:
        """Learn the area; nothing is random."""
        self._area = area

    def decide(self, observation: Observation) -> Mapping[str, str]:
        """The stage of largest pressure, where a period of green is over."""
        assert self._area is not None
        return {
            name: self._best(control, observation)
            for name, control in self._area.junctions.items()
            if due(observation, name, self._period_s)
        }

    def _best(self, control: ControlJunction, observation: Observation) -> str:
        assert self._area is not None
        pressure: dict[int, float] = {}
        for lane in control.lanes.values():
            if self._area.sensing is Sensing.ORACLE:
                before = sum(
                    vehicle.speed_mps < STANDING_MPS and vehicle.distance_m <= lane.edge_m
                    for vehicle in observation.vehicles.get(lane.id, ())
                )
            else:
                reading = observation.readings.get(lane.id)
                before = reading.queue if reading else 0
            for connection in lane.connections:
                behind = observation.standing.get(connection.to_lane, 0)
                pressure[connection.link] = pressure.get(connection.link, 0.0) + before - behind
        now = observation.shown[control.id].stage
        return max(
            control.stages.values(),
            key=lambda stage: (
                sum(value for link, value in pressure.items() if stage.letters[link] in "Gg"),
                stage.id == now,
            ),
        ).id


def due(observation: Observation, junction: str, period_s: float) -> bool:
    """Whether a junction's green has just lasted a whole number of periods."""
    shown = observation.shown[junction]
    green_s = observation.time_s - shown.since_s
    return shown.next_stage is None and green_s > 0 and abs(green_s % period_s) < 1e-6
