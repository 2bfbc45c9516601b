"""Who still stands on a junction when a change ends: others begin when he is under way.

Somebody passes the line late in his green, is held up behind one who gives way, and stands with
most of the junction before him when his stage ends. Where those who then begin drive round his
front, each may end up waiting for the other; in SUMO without teleports that lasts for ever.
Controllers know this as red extension: what a detector inside the junction sees prolongs the red
clearance (FHWA, Signal Timing Manual, 2nd ed., chapter on detection). Cameras see whole junctions.

Who is out before one who begins meets him is not waited for. Nor is who had to give way: he waits
in the junction by rule and goes as soon as the oncoming stream has stopped.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from models.policy import ControlJunction
from simulation.lane_graph import LaneGraph

LONGEST_S = 10.0
"""A broken-down vehicle holds nobody for longer than this."""
UNDER_WAY_MPS = 4.0
"""Nobody who drives so fast is waited for."""
START_MPS2 = 2.6
"""How fast vehicles gain speed."""
OUT_IN_S = 3.4
"""As long as one who starts at his line needs, after a second, for 8 m into the junction; from a
standstill 15 m are left behind in this time. Who needs no longer is gone before the other comes."""


class Inside(NamedTuple):
    """A vehicle between its stop line and the end of its way over the junction."""

    link: int
    speed_mps: float
    way_out_m: float

    @property
    def out_in_s(self) -> float:
        """Until it is off the junction if it gains speed as from a standstill."""
        speed = self.speed_mps
        return (math.sqrt(speed**2 + 2.0 * START_MPS2 * self.way_out_m) - speed) / START_MPS2


@dataclass(frozen=True, slots=True)
class InnerLane:
    """A lane within a junction, on the way that ``link`` rules; ``way_out_m`` from its start."""

    lane: str
    link: int
    way_out_m: float


def inner_lanes(graph: LaneGraph, control: ControlJunction) -> tuple[InnerLane, ...]:
    """All lanes within a junction that begin at its stop lines."""
    found = []
    for links in graph.signal_links(control.junction).values():
        for link in links:
            lanes = graph.inner(link.via)
            for number, lane in enumerate(lanes):
                way_m = sum(graph.lanes[other].length_m for other in lanes[number:])
                found.append(InnerLane(lane, link.index, way_m))
    return tuple(found)


def in_the_way(
    inside: Mapping[str, Inside],
    protected: Set[int],
    beginning: Set[int],
    crossing: Mapping[int, Set[int]],
) -> frozenset[str]:
    """Vehicles that stand or creep, with far to go, in the way of links that are about to begin.

    Args:
        inside: Who is on the junction, by any name that stays with the vehicle.
        protected: Links that did not have to give way in the stage that ends.
        beginning: Links that are about to become green.
        crossing: Per link, those whose paths cross its own.
    """
    return frozenset(
        name
        for name, vehicle in inside.items()
        if vehicle.speed_mps < UNDER_WAY_MPS
        and vehicle.link in protected
        and vehicle.out_in_s > OUT_IN_S
        and beginning & crossing.get(vehicle.link, frozenset())
    )


def still_held(held: frozenset[str], inside: Mapping[str, Inside]) -> frozenset[str]:
    """Those of ``held`` who are neither under way nor out yet."""
    return frozenset(
        name for name in held if name in inside and inside[name].speed_mps < UNDER_WAY_MPS
    )


class JunctionWatch:
    """Sees who is on a junction: at once, or as a camera does, some missed and a second late."""

    def __init__(
        self,
        lanes: Mapping[str, tuple[InnerLane, ...]],
        sumo: Any,
        *,
        seed: int,
        miss_rate: float = 0.0,
        late_s: float = 0.0,
    ) -> None:
        """Watch the one SUMO of this process; ``lanes`` by junction.

        A vehicle is missed, or not, as long as it is there.
        """
        self._lanes = lanes
        self._sumo = sumo
        self._miss_rate = miss_rate
        self._late_s = late_s
        self._seed = seed
        self._before: dict[str, tuple[float, dict[str, Inside]]] = {}

    def look(self, junction: str, time_s: float) -> Mapping[str, Inside]:
        """Everybody on a junction; late, nobody until it has been looked at for that long."""
        lane, vehicle = self._sumo.lane, self._sumo.vehicle
        now = {
            name: Inside(
                inner.link,
                vehicle.getSpeed(name),
                inner.way_out_m - vehicle.getLanePosition(name),
            )
            for inner in self._lanes[junction]
            for name in lane.getLastStepVehicleIDs(inner.lane)
            if not self._missed(junction, name)
        }
        if not self._late_s:
            return now
        seen_s, before = self._before.get(junction, (time_s, {}))
        self._before[junction] = (time_s, now)
        return before if time_s - seen_s <= self._late_s + 1e-9 else {}

    def _missed(self, junction: str, vehicle: str) -> bool:
        if not self._miss_rate:
            return False
        draw = random.Random(f"inside {self._seed} {junction} {vehicle}").random()
        return draw < self._miss_rate
