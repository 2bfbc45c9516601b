"""What a policy is given of a running simulation: everything, or what detectors deliver.

libsumo answers a call in about a microsecond, so vehicles are asked one by one: measured on
arterial4x4 with 230 vehicles, subscriptions cost SUMO more than the calls they save.
"""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from xml.etree import ElementTree as ET

from models.policy import (
    FREE_VIEW_M,
    QUEUE_VIEW_M,
    Approaching,
    ControlArea,
    DetectorReading,
    PriorityRequest,
    RequestKind,
    Sensing,
    Track,
    Turned,
)
from simulation.control_area import Wiring
from simulation.demand import counted_class
from simulation.lane_graph import DetectorPlace, LaneChain, ViewedLane
from simulation.metrics import signalized_turns

STANDING_MPS = 0.1
"""SUMO's own bound for a halting vehicle."""
CALL_M = 20.0
PLACE_ERROR_M = 0.7
"""Standard deviation of where a camera places a vehicle along its lane."""
LINE_M = 1.5
"""The detector at the line lies so far before it: who stops a metre before the line is on it."""
SHARE_MEMORY_S = 900.0
"""Counts of turns are forgotten with this time constant."""
SHARE_PRIOR = 2.0
"""Vehicles, spread evenly over a lane's movements, from which its shares start."""
REQUEST_WEIGHTS: Mapping[str, tuple[RequestKind, float]] = {
    "bus": (RequestKind.BUS, 15.0),
    "emergency": (RequestKind.EMERGENCY, 100.0),
}
"""Who asks for priority by SUMO vehicle class. 15: twenty people in a bus against 1.3 in a car."""


@dataclass(frozen=True, slots=True)
class Sensed:
    """The traffic's part of an observation."""

    time_s: float
    vehicles: Mapping[str, tuple[Approaching, ...]] = field(default_factory=dict)
    readings: Mapping[str, DetectorReading] = field(default_factory=dict)
    passed: Mapping[str, int] = field(default_factory=dict)
    behind: Mapping[str, int] = field(default_factory=dict)
    shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    free_m: Mapping[str, float] = field(default_factory=dict)
    standing: Mapping[str, int] = field(default_factory=dict)
    requests: tuple[PriorityRequest, ...] = ()


class Sensor(Protocol):
    """Looks at the running simulation once a second."""

    def sense(self, time_s: float) -> Sensed:
        """What is known now."""
        ...


class _Streets:
    """What both kinds of sensing ask of the simulation."""

    def __init__(self, wiring: Wiring, sumo: Any) -> None:
        self.sumo = sumo
        self.wiring = wiring
        self._kinds: dict[str, tuple[str, str]] = {}
        self._length: dict[str, float] = {}
        chains = (*wiring.approach_chains.values(), *wiring.receiving_chains.values())
        self.lane_m = {name: sumo.lane.getLength(name) for c in chains for name in c.lanes}
        self.links: dict[str, dict[int, list[tuple[str, str]]]] = {}
        self.lane_movements: dict[str, tuple[str, ...]] = {}
        self.turns = signalized_turns(c.junction for c in wiring.area.junctions.values())
        for junction in wiring.area.junctions.values():
            links: dict[int, list[tuple[str, str]]] = defaultdict(list)
            for lane in junction.lanes.values():
                self.lane_movements[lane.id] = lane.movements
                for connection in lane.connections:
                    links[connection.link].append((lane.id, connection.movement))
            self.links[junction.id] = dict(links)

    def kind(self, vehicle: str) -> tuple[str, str]:
        """SUMO's and our class of a vehicle."""
        if vehicle not in self._kinds:
            sumo_class = str(self.sumo.vehicle.getVehicleClass(vehicle))
            self._kinds[vehicle] = (sumo_class, counted_class(sumo_class))
        return self._kinds[vehicle]

    def next_signal(self, vehicle: str) -> tuple[str, str, str, float] | None:
        """Junction, lane, movement and distance of a vehicle's next signal, if it is near."""
        ahead = self.sumo.vehicle.getNextTLS(vehicle)
        if not ahead:
            return None
        signal, link, distance_m = ahead[0][0], ahead[0][1], ahead[0][2]
        if distance_m > self.wiring.area.sight_m or signal not in self.links:
            return None
        ways = self.links[signal].get(link)
        if not ways:
            return None
        if len(ways) == 1:
            return (signal, *ways[0], distance_m)
        own = self.sumo.vehicle.getLaneID(vehicle)
        lane, movement = next((way for way in ways if way[0] == own), ways[0])
        return signal, lane, movement, distance_m

    def request(
        self, vehicle: str, at: tuple[str, str, str, float], speed_mps: float
    ) -> PriorityRequest | None:
        """The priority that a vehicle asks for at its next signal."""
        asks = REQUEST_WEIGHTS.get(self.kind(vehicle)[0])
        if asks is None:
            return None
        junction, lane, movement, distance_m = at
        return PriorityRequest(
            vehicle, asks[0], junction, movement, lane, distance_m, speed_mps, asks[1]
        )

    def standing_on(
        self, chain: LaneChain, view_m: float, missed: frozenset[str] | set[str]
    ) -> tuple[int, float]:
        """Vehicles that stand on a chain's first ``view_m``, and the metres free before them."""
        lane = self.sumo.lane
        count, free_m, begin_m = 0, chain.length_m, 0.0
        for name in chain.lanes:
            if begin_m > view_m:
                break
            if lane.getLastStepHaltingNumber(name):
                for vehicle in lane.getLastStepVehicleIDs(name):
                    if vehicle in missed or self.sumo.vehicle.getSpeed(vehicle) >= STANDING_MPS:
                        continue
                    if vehicle not in self._length:
                        self._length[vehicle] = self.sumo.vehicle.getLength(vehicle)
                    rear_m = begin_m + self.sumo.vehicle.getLanePosition(vehicle)
                    rear_m -= self._length[vehicle]
                    if rear_m <= view_m:
                        count += 1
                        free_m = min(free_m, max(0.0, rear_m))
            begin_m += self.lane_m[name]
        return count, free_m


class OracleSensor:
    """Every vehicle on its way to a signal, with its turn, at once."""

    def __init__(self, wiring: Wiring, sumo: Any) -> None:
        """Watch the one SUMO of this process."""
        self._streets = _Streets(wiring, sumo)

    def sense(self, time_s: float) -> Sensed:
        """All vehicles within sight of their next stop line."""
        streets = self._streets
        speed = streets.sumo.vehicle.getSpeed
        found: dict[str, list[Approaching]] = defaultdict(list)
        requests = []
        for vehicle in streets.sumo.vehicle.getIDList():
            at = streets.next_signal(vehicle)
            if at is None:
                continue
            speed_mps = max(0.0, speed(vehicle))
            _, lane, movement, distance_m = at
            found[lane].append(
                Approaching(movement, distance_m, speed_mps, streets.kind(vehicle)[1])
            )
            request = streets.request(vehicle, at, speed_mps)
            if request is not None:
                requests.append(request)
        free_m, standing = {}, {}
        for name, chain in streets.wiring.receiving_chains.items():
            standing[name], free_m[name] = streets.standing_on(chain, chain.length_m, frozenset())
        return Sensed(
            time_s,
            vehicles={
                lane: tuple(sorted(group, key=lambda vehicle: vehicle.distance_m))
                for lane, group in found.items()
            },
            free_m=free_m,
            standing=standing,
            requests=tuple(requests),
        )


class DetectorSensor:
    """Counts, occupancies, tracks near the line; each vehicle missed now and then, a second late.

    A vehicle that a detector misses is missed by that detector only, except that whoever is
    missed in a queue stays missed there while it stands. The turn of a vehicle is known when it
    has crossed the line, as a camera sees it; a policy is given the shares of each lane.
    """

    def __init__(
        self, wiring: Wiring, sumo: Any, *, miss_rate: float, seed: int, delay_steps: int = 1
    ) -> None:
        """Watch the one SUMO of this process, which has read :func:`write_detectors`."""
        self._streets = _Streets(wiring, sumo)
        self._random = random.Random(f"detectors {seed}")
        self._miss_rate = miss_rate
        self._late: deque[Sensed] = deque()
        self._delay_steps = delay_steps
        self._on: dict[str, frozenset[str]] = defaultdict(frozenset)
        self._unseen_at: dict[str, set[str]] = defaultdict(set)
        self._missed: dict[str, set[str]] = defaultdict(set)
        self._known: dict[str, set[str]] = defaultdict(set)
        self._turns: dict[str, dict[str, float]] = {
            lane: dict.fromkeys(movements, SHARE_PRIOR / len(movements))
            for lane, movements in self._streets.lane_movements.items()
        }
        self._special: set[str] = set()
        self._errors: dict[str, float] = {}
        # A camera knows again whom it follows, on its own approach and nowhere else.
        self._numbers: dict[tuple[str, str], int] = {}
        self._followed: dict[str, str] = {}
        self._last_s: float | None = None

    def sense(self, time_s: float) -> Sensed:
        """What the detectors reported a second ago."""
        self._late.append(self._now(time_s))
        if len(self._late) > self._delay_steps:
            return self._late.popleft()
        return Sensed(time_s)

    def _now(self, time_s: float) -> Sensed:
        wiring, streets = self._streets.wiring, self._streets
        self._forget(time_s)
        readings = {}
        for lane in streets.lane_movements:
            entered = len(self._arrived(f"entry:{lane}"))
            line = f"line:{lane}"
            before = self._on[line] - self._unseen_at[line]
            self._arrived(line)
            seen = self._on[line] - self._unseen_at[line]
            gone = {v: self._crossed(lane, v) for v in sorted(before - self._on[line])}
            turned = tuple(
                Turned(self._numbers[lane.rpartition("_")[0], vehicle], movement)
                for vehicle, movement in gone.items()
                if movement and self._followed.get(vehicle) == lane
            )
            occupied = streets.sumo.inductionloop.getLastStepOccupancy(line) / 100 if seen else 0.0
            tracks = self._view(lane, wiring.views[lane])
            readings[lane] = DetectorReading(
                entered,
                sum(movement is not None for movement in gone.values()),
                min(1.0, occupied),
                queue=sum(track.speed_mps < STANDING_MPS for track in tracks),
                in_view=len(tracks),
                tracks=tracks,
                turned=turned,
            )
        free_m, standing = {}, {}
        for name, chain in wiring.receiving_chains.items():
            missed = self._missed_on(name, chain.lanes[:1])
            standing[name], free_m[name] = streets.standing_on(chain, FREE_VIEW_M, missed)
        return Sensed(
            time_s,
            readings=readings,
            passed={name: len(self._arrived(f"up:{name}")) for name in wiring.upstream},
            behind={name: len(self._view(name, parts)) for name, parts in wiring.behind.items()},
            shares={
                lane: {movement: count / sum(turns.values()) for movement, count in turns.items()}
                for lane, turns in self._turns.items()
            },
            free_m=free_m,
            standing=standing,
            requests=self._requests(),
        )

    def _arrived(self, detector: str) -> frozenset[str]:
        """Vehicles that came upon a detector in the last second and were seen."""
        now = frozenset(self._streets.sumo.inductionloop.getLastStepVehicleIDs(detector))
        new = now - self._on[detector]
        self._on[detector] = now
        unseen = self._unseen_at[detector]
        unseen &= now
        missed = {v for v in sorted(new) if self._random.random() < self._miss_rate}
        unseen |= missed
        return new - missed

    def _crossed(self, lane: str, vehicle: str) -> str | None:
        """Movement of a vehicle that left the line's detector over the line; counts it.

        None if it did not cross, "" if it went where nothing of this lane leads.
        """
        try:
            route = self._streets.sumo.vehicle.getRoute(vehicle)
            index = self._streets.sumo.vehicle.getRouteIndex(vehicle)
            road = self._streets.sumo.vehicle.getRoadID(vehicle)
        except self._streets.sumo.TraCIException:
            return None  # it ended its trip at the line
        approach = lane.rpartition("_")[0]
        if road == approach:
            return None  # to another lane
        at = index if route[index] == approach else index - 1
        if at < 0 or route[at] != approach or at + 1 >= len(route):
            return None
        movement = self._streets.turns.get((approach, route[at + 1]), "")
        if movement not in self._turns[lane]:
            return ""
        self._turns[lane][movement] += 1.0
        return movement

    def _forget(self, time_s: float) -> None:
        if self._last_s is not None:
            kept = 1.0 - (time_s - self._last_s) / SHARE_MEMORY_S
            for turns in self._turns.values():
                total = sum(turns.values())
                if total * kept >= SHARE_PRIOR:
                    for movement in turns:
                        turns[movement] *= kept
        self._last_s = time_s

    def _missed_on(self, place: str, lanes: tuple[str, ...]) -> set[str]:
        """Vehicles on lanes that are not seen there, decided once for each."""
        now = {v for name in lanes for v in self._streets.sumo.lane.getLastStepVehicleIDs(name)}
        known, missed = self._known[place], self._missed[place]
        missed |= {v for v in sorted(now - known) if self._random.random() < self._miss_rate}
        missed &= now
        self._known[place] = now
        return missed

    def _view(self, place: str, parts: Sequence[ViewedLane]) -> tuple[Track, ...]:
        """Vehicles that a camera follows within its view of a line, nearest first.

        Each is placed too far or too near by an error of its own, as its footprint is.
        """
        sumo = self._streets.sumo
        missed = self._missed_on(f"view {place}", tuple(part.lane for part in parts))
        found = []
        approach = place.rpartition("_")[0]
        for part in parts:
            line_m = part.end_m + self._length_m(part.lane)
            for vehicle in sumo.lane.getLastStepVehicleIDs(part.lane):
                distance_m = line_m - sumo.vehicle.getLanePosition(vehicle)
                if distance_m <= QUEUE_VIEW_M and vehicle not in missed:
                    if vehicle not in self._errors:
                        self._errors[vehicle] = self._random.gauss(0.0, PLACE_ERROR_M)
                    placed_m = max(0.0, distance_m + self._errors[vehicle])
                    number = self._numbers.setdefault((approach, vehicle), len(self._numbers) + 1)
                    speed_mps = max(0.0, sumo.vehicle.getSpeed(vehicle))
                    found.append(Track(placed_m, speed_mps, number))
                    self._followed[vehicle] = place
        return tuple(sorted(found))

    def _length_m(self, lane: str) -> float:
        known = self._streets.lane_m
        if lane not in known:
            known[lane] = self._streets.sumo.lane.getLength(lane)
        return float(known[lane])

    def _requests(self) -> tuple[PriorityRequest, ...]:
        streets = self._streets
        vehicle = streets.sumo.vehicle
        self._special |= {
            name
            for name in streets.sumo.simulation.getDepartedIDList()
            if streets.kind(name)[0] in REQUEST_WEIGHTS
        }
        self._special -= set(streets.sumo.simulation.getArrivedIDList())
        found = []
        for name in sorted(self._special):
            at = streets.next_signal(name)
            request = at and streets.request(name, at, vehicle.getSpeed(name))
            if request:
                found.append(request)
        return tuple(found)


def called_links(area: ControlArea, sensed: Sensed) -> dict[str, set[int]]:
    """Links of each junction at which somebody is seen, near the line or standing.

    A lane without a working detector counts as if somebody were there.
    """
    called: dict[str, set[int]] = {}
    for junction in area.junctions.values():
        links: set[int] = set()
        for lane in junction.lanes.values():
            if area.sensing is Sensing.ORACLE:
                vehicles = sensed.vehicles.get(lane.id)
                if vehicles:
                    turns = {vehicle.movement for vehicle in vehicles if near(vehicle)}
                    links |= {c.link for c in lane.connections if c.movement in turns}
            elif sensed.readings:
                reading = sensed.readings.get(lane.id)
                if reading is None or reading.entered or reading.occupied or reading.queue:
                    links |= {connection.link for connection in lane.connections}
        called[junction.id] = links
    return called


def near(vehicle: Approaching) -> bool:
    """Whether a vehicle stands, or is so near the line that a detector there would see it."""
    return vehicle.speed_mps < STANDING_MPS or vehicle.distance_m <= CALL_M


def write_detectors(wiring: Wiring, path: Path, *, step_s: float) -> None:
    """Write the induction loops of a control area as a SUMO additional file."""
    root = ET.Element("additional")

    def loop(name: str, place: DetectorPlace) -> None:
        ET.SubElement(
            root,
            "inductionLoop",
            id=name,
            lane=place.lane,
            pos=f"{max(0.1, place.at_m):.2f}",
            period=f"{max(step_s, 86400.0):g}",
            file="NUL",
            friendlyPos="true",
        )

    for junction in wiring.area.junctions.values():
        for lane in junction.lanes.values():
            loop(f"entry:{lane.id}", wiring.entries[lane.id])
            loop(f"line:{lane.id}", DetectorPlace(lane.id, lane.edge_m - LINE_M))
    for name, place in wiring.upstream.items():
        loop(f"up:{name}", place)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
