"""Measures of one run, from what SUMO wrote: totals per run and delay per movement."""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from models.errors import XanhError
from models.junction import Junction
from models.validation import Kpi
from simulation.roads import Roads

EdgePair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Trip:
    """One vehicle as ``tripinfo`` reports it.

    ``planned_s`` is when it was meant to depart; ``departed`` says whether it ever did.
    ``wait_s`` is the time it stood outside the network (to the end of the run when it never
    entered), the rest is 0 for a vehicle that never entered.
    """

    id: str
    planned_s: float
    departed: bool
    arrived: bool
    wait_s: float
    duration_s: float
    time_loss_s: float
    waiting_s: float
    stops: int
    depart_pos_m: float
    speed_factor: float
    vehicle_type: str = ""
    arrival_s: float = -1.0
    fuel_g: float = 0.0
    co2_g: float = 0.0

    @property
    def delay_s(self) -> float:
        """Its share of ``delay_s``: time lost on the road and before entering."""
        return self.time_loss_s + self.wait_s


@dataclass(frozen=True, slots=True)
class MovementDelay:
    """Vehicles that used or headed for a movement, and their mean delay up to it."""

    vehicles: int
    delay_s: float


def read_trips(tripinfo: Path, *, begin_s: float, end_s: float) -> Iterator[Trip]:
    """Vehicles planned to depart in ``[begin_s, end_s)``, in the file's order.

    The file must have been written with ``--tripinfo-output.write-unfinished`` and
    ``--tripinfo-output.write-undeparted``, by a run that ended at ``end_s``. Pedestrians are
    left out.

    Raises:
        XanhError: If the file is not complete.
    """
    for element in elements(tripinfo, "tripinfo"):
        trip = _trip(element, end_s)
        # SUMO loads trips ahead of time; what was due at or after the end is not of this run.
        if begin_s <= trip.planned_s < end_s:
            yield trip


def _trip(element: ET.Element, end_s: float) -> Trip:
    get = element.attrib
    depart_s, wait_s = float(get["depart"]), float(get["departDelay"])
    departed = depart_s >= 0
    emissions = element.find("emissions")
    burnt = emissions.attrib if emissions is not None else {}
    return Trip(
        id=get["id"],
        planned_s=(depart_s if departed else end_s) - wait_s,
        departed=departed,
        arrived=float(get["arrival"]) >= 0,
        wait_s=wait_s,
        duration_s=float(get["duration"]),
        time_loss_s=float(get["timeLoss"]) if departed else 0.0,
        waiting_s=float(get["waitingTime"]),
        stops=int(get["waitingCount"]),
        depart_pos_m=max(0.0, float(get["departPos"])),
        speed_factor=max(0.1, float(get["speedFactor"])),
        vehicle_type=get.get("vType", ""),
        arrival_s=float(get["arrival"]),
        fuel_g=float(burnt.get("fuel_abs", 0.0)) / 1000.0,
        co2_g=float(burnt.get("CO2_abs", 0.0)) / 1000.0,
    )


@dataclass(frozen=True, slots=True)
class Walker:
    """A pedestrian as ``tripinfo`` reports it; ``lost_s`` is what walking on would have saved."""

    depart_s: float
    lost_s: float


@dataclass(frozen=True, slots=True)
class Everybody:
    """All who took part in a run, those of the warm-up too."""

    trips: tuple[Trip, ...]
    walkers: tuple[Walker, ...]


def read_everybody(tripinfo: Path, *, end_s: float) -> Everybody:
    """Every vehicle and pedestrian due before ``end_s``, in the file's order.

    Raises:
        XanhError: If the file is not complete.
    """
    trips: list[Trip] = []
    walkers: list[Walker] = []
    for element in elements(tripinfo, "tripinfo", "personinfo"):
        if element.tag == "tripinfo":
            trip = _trip(element, end_s)
            if trip.planned_s < end_s:
                trips.append(trip)
            continue
        walks = element.findall("walk")
        if walks:
            lost = sum(max(0.0, float(walk.get("timeLoss", "0"))) for walk in walks)
            walkers.append(Walker(float(element.attrib["depart"]), lost))
    return Everybody(tuple(trips), tuple(walkers))


def types_of_class(files: Iterable[Path], classes: frozenset[str]) -> frozenset[str]:
    """Ids of the vehicle types of these SUMO classes, declared in route or additional files.

    Raises:
        XanhError: If a file cannot be read.
    """
    return frozenset(
        declared.attrib["id"]
        for path in files
        for element in elements(path, "vType", "vTypeDistribution")
        for declared in element.iter("vType")
        if declared.get("vClass", "passenger") in classes
    )


def kpi(trips: Iterable[Trip]) -> Kpi:
    """The measures of one run over its vehicles (contracts, "Measures").

    ``delay_s`` counts every vehicle: running ones with their loss so far, never inserted ones
    with their wait until the end of the run. The other means are over inserted vehicles. On a
    site with a warm-up ``trips`` are the vehicles planned to depart in
    ``[begin + warm_up, end)``; those that departed earlier load the streets and are not counted.
    A run without vehicles has 0 everywhere.
    """
    finished = running = undeparted = 0
    delay = duration = loss = waiting = 0.0
    stops = 0
    for trip in trips:
        delay += trip.delay_s
        if not trip.departed:
            undeparted += 1
            continue
        finished += trip.arrived
        running += not trip.arrived
        duration += trip.duration_s
        loss += trip.time_loss_s
        waiting += trip.waiting_s
        stops += trip.stops
    inserted = finished + running
    total = inserted + undeparted
    return Kpi(
        trips=total,
        finished=finished,
        running=running,
        undeparted=undeparted,
        delay_s=delay / max(total, 1),
        trip_time_s=duration / max(inserted, 1),
        time_loss_s=loss / max(inserted, 1),
        waiting_time_s=waiting / max(inserted, 1),
        stops=stops / max(inserted, 1),
    )


@dataclass(frozen=True, slots=True)
class Drive:
    """Edges of a vehicle's route and when it left each; negative where it has not yet."""

    id: str
    edges: tuple[str, ...]
    left_s: tuple[float, ...]


def read_drives(vehroutes: Path) -> Iterator[Drive]:
    """Routes written with ``--vehroute-output.exit-times`` and ``.write-unfinished``.

    Raises:
        XanhError: If the file is not complete.
    """
    for element in elements(vehroutes, "vehicle"):
        # A vehicle that was rerouted lists its older routes first.
        route = list(element.iter("route"))[-1]
        yield Drive(
            element.attrib["id"],
            tuple(route.attrib["edges"].split()),
            tuple(float(value) for value in route.get("exitTimes", "").split()),
        )


def signalized_turns(junctions: Iterable[Junction]) -> dict[EdgePair, str]:
    """Movement id by (from edge, to edge), for the vehicles' routes."""
    return {
        (movement.from_edge, movement.to_edge): movement.id
        for junction in junctions
        for movement in junction.movements
    }


def split_delay(
    trip: Trip, drive: Drive, turns: Mapping[EdgePair, str], roads: Roads
) -> dict[str, float]:
    """A vehicle's delay by movement, seconds; under ``""`` what belongs to no signal.

    The delay between one signal and the next belongs to the movement at the next, so that a
    queue that reaches back over several edges counts where it comes from. The wait before
    entering belongs to the first signal of the route; what is lost after the last, or on the
    way to a signal when the run ended, is the remainder, so that the parts always add up to the
    vehicle's ``delay_s``. A vehicle that never entered has its whole wait at its first signal.
    """
    parts: dict[str, float] = {}
    left = trip.delay_s
    since = trip.planned_s
    free = 0.0
    previous: str | None = None
    for index, edge in enumerate(drive.edges):
        following = drive.edges[index + 1] if index + 1 < len(drive.edges) else None
        movement = turns.get((edge, following)) if following is not None else None
        left_s = drive.left_s[index] if index < len(drive.left_s) else -1.0
        free += roads.free_s(previous, edge, trip.depart_pos_m if index == 0 else 0.0)
        previous = edge
        if movement is None:
            continue
        if not trip.departed or left_s < 0:
            parts[movement] = parts.get(movement, 0.0) + left
            return parts
        lost = left_s - since - free / trip.speed_factor
        parts[movement] = parts.get(movement, 0.0) + lost
        left -= lost
        since, free = left_s, 0.0
    parts[""] = left
    return parts


def movement_delays(
    trips: Sequence[Trip],
    drives: Iterable[Drive],
    turns: Mapping[EdgePair, str],
    roads: Roads,
    planned_routes: Mapping[str, Sequence[str]],
) -> dict[str, MovementDelay]:
    """Mean delay per movement over the vehicles that used it or were on their way to it.

    ``planned_routes`` holds the edges (or only first and last) that the demand asks for, of the
    vehicles that never entered: SUMO writes no route of those. Where only the two ends are
    known, the vehicle takes the way that most vehicles between them took, or else from the
    same first edge; the wait of one that fits no other vehicle is left to no movement.
    """
    everyone = all_drives(trips, drives, turns, planned_routes)
    sums: dict[str, float] = defaultdict(float)
    counts: Counter[str] = Counter()
    for trip in trips:
        for movement, delay_s in split_delay(trip, everyone[trip.id], turns, roads).items():
            if movement:
                sums[movement] += delay_s
                counts[movement] += 1
    return {
        movement: MovementDelay(counts[movement], sums[movement] / counts[movement])
        for movement in sorted(counts)
    }


def all_drives(
    trips: Sequence[Trip],
    drives: Iterable[Drive],
    turns: Mapping[EdgePair, str],
    planned_routes: Mapping[str, Sequence[str]],
) -> dict[str, Drive]:
    """The drive of every trip; for those that never entered, the one they asked for.

    ``drives`` and ``planned_routes`` as for ``movement_delays``.
    """
    found: dict[str, Drive] = {}
    wanted = {trip.id for trip in trips}
    ways: dict[tuple[str, ...], Counter[tuple[str, ...]]] = defaultdict(Counter)
    for drive in drives:
        ways[drive.edges[0], drive.edges[-1]][drive.edges] += 1
        ways[(drive.edges[0],)][drive.edges] += 1
        if drive.id in wanted:
            found[drive.id] = drive
    for trip in trips:
        if trip.id in found:
            continue
        edges = tuple(planned_routes.get(trip.id, ()))
        if edges and not any(pair in turns for pair in pairwise(edges)):
            known = ways.get((edges[0], edges[-1])) or ways.get((edges[0],))
            edges = known.most_common(1)[0][0] if known else ()
        found[trip.id] = Drive(trip.id, edges, ())
    return found


def planned_routes(demand: Iterable[Path], ids: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """Edges that route files ask for, of the vehicles with these ids.

    A trip gives its first and last edge. A vehicle of a flow has the flow's id and a number.

    Raises:
        XanhError: If a file cannot be read.
    """
    found: dict[str, tuple[str, ...]] = {}
    if not ids:
        return found
    flows = defaultdict(list)
    for vehicle in ids:
        flows[vehicle.rpartition(".")[0]].append(vehicle)
    for path in demand:
        named: dict[str, tuple[str, ...]] = {}
        for element in elements(path, "vehicle", "trip", "flow", "route"):
            if element.tag == "route" and "id" in element.attrib:
                named[element.attrib["id"]] = tuple(element.get("edges", "").split())
                continue
            name = element.get("id", "")
            wanted = flows.get(name, []) if element.tag == "flow" else [name] if name in ids else []
            if wanted:
                edges = _asked(element, named)
                found.update((vehicle, edges) for vehicle in wanted)
    return found


def _asked(element: ET.Element, named: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    route = element.find("route")
    if route is not None:
        return tuple(route.get("edges", "").split())
    if "route" in element.attrib:
        return named.get(element.attrib["route"], ())
    ends = (element.get("from"), *element.get("via", "").split(), element.get("to"))
    return tuple(edge for edge in ends if edge)


def elements(path: Path, *tags: str) -> Iterator[ET.Element]:
    """Elements right below the top with these tags, each forgotten afterwards: files are large.

    Raises:
        XanhError: If the file, plain or gzipped, cannot be read to its end.
    """
    top: ET.Element | None = None
    depth = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            for event, element in ET.iterparse(stream, events=("start", "end")):
                if event == "start":
                    top = element if top is None else top
                    depth += 1
                    continue
                depth -= 1
                if depth == 1:
                    if element.tag in tags:
                        yield element
                    if top is not None:
                        top.clear()
    except (OSError, EOFError, ET.ParseError) as error:
        raise XanhError(f"{path}: cannot be read ({error})") from None
