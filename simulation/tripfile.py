"""Read SUMO demand: who departs when, as what, along which edges."""

from __future__ import annotations

import gzip
import heapq
import random
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import BadInput
from simulation.netfile import NetFile
from simulation.roads import MIN_SPEED_MPS

_VEHICLES = ("vehicle", "trip", "flow")
_FREQUENCIES = ("period", "vehsPerHour", "perHour", "probability", "number")


@dataclass(frozen=True, slots=True)
class PlannedTrip:
    """A vehicle of the demand; ``edges`` is its whole route, ``vehicle_class`` SUMO's."""

    depart_s: float
    vehicle_class: str
    edges: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TripFile:
    """The vehicles of a route file, and how many could not be followed, by reason."""

    trips: tuple[PlannedTrip, ...]
    skipped: Mapping[str, int]


def read_trip_file(routes: Path, net: NetFile) -> TripFile:
    """Every vehicle of a route file.

    Trips without a route take the quickest way through the empty network, as SUMO does when
    they depart. Flows are spread evenly over their time. A vehicle of a route distribution
    draws its route with the stated probabilities.

    Raises:
        BadInput: If the file cannot be read as SUMO routes.
    """
    root = read_xml(routes)
    if root.tag not in ("routes", "additional"):
        raise BadInput(str(routes), f"<{root.tag}>", "not SUMO routes; it must start with <routes>")
    classes = {e.attrib["id"]: e.get("vClass", "passenger") for e in root.iter("vType")}
    for group in root.iter("vTypeDistribution"):
        members = [e.get("vClass", "passenger") for e in group.iter("vType")]
        members += [classes.get(name, "passenger") for name in group.get("vTypes", "").split()]
        classes[group.attrib["id"]] = members[0] if members else "passenger"
    named = _NamedRoutes(root)
    ways = QuickestWays(net)
    trips: list[PlannedTrip] = []
    skipped: dict[str, int] = defaultdict(int)
    for element in root:
        if element.tag not in _VEHICLES:
            continue
        vehicle_class = classes.get(element.get("type", ""), "passenger")
        try:
            moments = list(_moments(element))
        except (KeyError, ValueError):
            skipped["their time of departure is not a number"] += 1
            continue
        for moment in moments:
            edges = named.of(element) or ways.through(_stops(element), vehicle_class)
            if edges:
                trips.append(PlannedTrip(moment, vehicle_class, edges))
            else:
                skipped["the network has no way for them"] += 1
    return TripFile(tuple(trips), dict(skipped))


def read_xml(path: Path) -> ET.Element:
    """Root of an XML file, plain or gzipped.

    Raises:
        BadInput: If it cannot be read.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as stream:
                return ET.parse(stream).getroot()
        return ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise BadInput(str(path), "", f"{error}; valid is a SUMO XML file") from None


def _seconds(text: str) -> float:
    """SUMO's times: seconds, or days:hours:minutes:seconds with leading parts left out."""
    value = 0.0
    factors = (1, 60, 3600, 86_400)
    for part, factor in zip(reversed(text.split(":")), factors, strict=False):
        value += float(part) * factor
    return value


def _moments(element: ET.Element) -> Iterator[float]:
    if element.tag != "flow":
        yield _seconds(element.attrib["depart"])
        return
    begin, end = _seconds(element.get("begin", "0")), _seconds(element.get("end", "86400"))
    name = next(name for name in _FREQUENCIES if element.get(name) is not None)
    text = element.attrib[name]
    if name == "number":
        count = int(text)
        yield from (begin + (end - begin) * i / count for i in range(count))
        return
    if name == "period":
        # period="exp(X)" is a Poisson flow of X vehicles a second, any other the gap itself.
        spacing = 1 / float(text[4:-1]) if text.startswith("exp(") else float(text)
    elif name == "probability":
        spacing = 1 / float(text)
    else:
        spacing = 3600 / float(text)
    limit = int(element.get("number", "1000000000"))
    moment, count = begin, 0
    while moment < end and count < limit:
        yield moment
        moment += spacing
        count += 1


def _stops(element: ET.Element) -> tuple[str, ...]:
    """Edges that a trip must touch, in order."""
    ends = (element.get("from"), *element.get("via", "").split(), element.get("to"))
    return tuple(edge for edge in ends if edge) if ends[0] and ends[-1] else ()


class _NamedRoutes:
    """Routes and route distributions that vehicles refer to."""

    def __init__(self, root: ET.Element) -> None:
        self._draw = random.Random(0)
        self._routes: dict[str, tuple[str, ...]] = {}
        for element in root.iter("route"):
            if "id" in element.attrib and "edges" in element.attrib:
                self._routes[element.attrib["id"]] = tuple(element.attrib["edges"].split())
        self._distributions: dict[str, ET.Element] = {
            element.attrib["id"]: element
            for element in root.iter("routeDistribution")
            if "id" in element.attrib
        }

    def of(self, element: ET.Element) -> tuple[str, ...]:
        """The route of a vehicle or flow; empty when it has none."""
        inline = element.find("route")
        if inline is not None:
            return tuple(inline.get("edges", "").split())
        distribution = element.find("routeDistribution")
        if distribution is not None:
            return self._choose(distribution)
        name = element.get("route", "")
        if name in self._distributions:
            return self._choose(self._distributions[name])
        return self._routes.get(name, ())

    def _choose(self, distribution: ET.Element) -> tuple[str, ...]:
        options = [
            (
                tuple(route.get("edges", "").split())
                or self._routes.get(route.get("refId", ""), ()),
                float(route.get("probability", 1)),
            )
            for route in distribution.iter("route")
        ]
        chances = [float(p) for p in distribution.get("probabilities", "").split()]
        for i, name in enumerate(distribution.get("routes", "").split()):
            chance = chances[i] if i < len(chances) else 1.0
            options.append((self._routes.get(name, ()), chance))
        if not options:
            return ()
        return self._draw.choices([r for r, _ in options], [p for _, p in options])[0]


class QuickestWays:
    """Quickest routes through the empty network, one search per start and vehicle class."""

    def __init__(self, net: NetFile) -> None:
        self._net = net
        self._following: dict[str, dict[str, tuple[str, ...]]] = {}
        self._searches: dict[tuple[str, str], dict[str, str]] = {}

    def through(self, stops: Sequence[str], vehicle_class: str) -> tuple[str, ...]:
        """Edges from the first stop over the others to the last; empty when there is no way."""
        if len(stops) < 2 or any(stop not in self._net.edges for stop in stops):
            return ()
        route = [stops[0]]
        for goal in stops[1:]:
            if goal == route[-1]:
                continue
            before = self._search(route[-1], vehicle_class)
            if goal not in before:
                return ()
            part = [goal]
            while part[-1] != route[-1]:
                part.append(before[part[-1]])
            route += reversed(part[:-1])
        return tuple(route)

    def _next(self, vehicle_class: str) -> Mapping[str, tuple[str, ...]]:
        if vehicle_class not in self._following:
            found: dict[str, set[str]] = defaultdict(set)
            edges = self._net.edges
            for link in self._net.links:
                one, other = edges.get(link.from_edge), edges.get(link.to_edge)
                if one is None or other is None or one.function or other.function:
                    continue
                if one.lanes[link.from_lane].allows(vehicle_class) and other.lanes[
                    link.to_lane
                ].allows(vehicle_class):
                    found[one.id].add(other.id)
            self._following[vehicle_class] = {k: tuple(sorted(v)) for k, v in found.items()}
        return self._following[vehicle_class]

    def _search(self, start: str, vehicle_class: str) -> Mapping[str, str]:
        key = (start, vehicle_class)
        if key in self._searches:
            return self._searches[key]
        following = self._next(vehicle_class)
        before: dict[str, str] = {}
        reached = {start: 0.0}
        queue = [(0.0, start)]
        while queue:
            time_s, edge = heapq.heappop(queue)
            if time_s > reached[edge]:
                continue
            for other in following.get(edge, ()):
                lane = self._net.edges[other].lanes[-1]
                arrival = time_s + lane.length_m / max(lane.speed_mps, MIN_SPEED_MPS)
                if arrival < reached.get(other, float("inf")):
                    reached[other] = arrival
                    before[other] = edge
                    heapq.heappush(queue, (arrival, other))
        self._searches[key] = before
        return before
