"""Counts as SUMO demand: departures whose routes follow the counted turning shares."""

from __future__ import annotations

import os
import random
import shutil
import xml.etree.ElementTree as ET
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from models.counts import CountRow, counts_from_csv, counts_to_csv, geh, movement_flows_vph
from models.errors import BadInput
from models.junction import Junction
from models.site import Site
from simulation.counted_streets import CountedStreets
from simulation.netfile import NetFile, read_net

PEDESTRIANS_KEY = "per_junction_per_hour"
"""Parameter of a site's pedestrian vehicle type: people an hour who cross at each junction."""
IMBALANCE_GEH = 5.0
"""Neighbouring counts that differ by more are reported (GEH above 5: not the same flow)."""
_MAX_JUNCTIONS = 80
_WALK_REACH_M = 60.0
_COUNTED_CLASS = {
    "motorcycle": "motorcycle",
    "moped": "motorcycle",
    "bicycle": "bicycle",
    "bus": "bus",
    "coach": "bus",
    "truck": "truck",
    "trailer": "truck",
    "delivery": "truck",
    "pedestrian": "pedestrian",
}


def counted_class(sumo_class: str) -> str:
    """The class that is counted for a SUMO vehicle class; every unlisted one is a car."""
    return _COUNTED_CLASS.get(sumo_class, "car")


@dataclass(frozen=True, slots=True)
class Imbalance:
    """Between two counted junctions more vehicles arrive than left, or fewer."""

    approach: str
    upstream_vph: float
    counted_vph: float


@dataclass(frozen=True, slots=True)
class DemandSummary:
    """What was written. ``entries`` holds vehicles an hour by the edge where they begin."""

    vehicles: int
    pedestrians: int
    verbatim: bool
    entries: Mapping[str, float]
    imbalances: tuple[Imbalance, ...]


def write_demand(
    site: Site,
    rows: Sequence[CountRow],
    path: Path,
    *,
    seed: int,
    begin_s: float,
    end_s: float,
    pedestrians_ph: float | None = None,
) -> DemandSummary:
    """Write a SUMO route file, with its vehicle types, that reproduces counts.

    Where the counts' intervals cover exactly the time of the demand, each has its own flows; else
    each movement has its mean flow over all rows, per class. Vehicles begin, as a Poisson
    process, where counted approaches are not fed by another counted junction, and turn at each
    junction with its counted shares; at junctions without counts they go straight on, or end.
    Where neighbouring counts disagree, the difference begins or ends between them, so that
    every movement keeps its count; what is not explained by chance is reported.

    A site that brings its own routes runs those, verbatim, when ``rows`` are its own counts.

    Args:
        site: A site with a network.
        rows: The counts.
        path: The route file to write.
        seed: Determines departures and routes.
        begin_s: First second of departures.
        end_s: No departure at or after it.
        pedestrians_ph: People an hour who cross at each junction; by default what the site's
            vehicle types say, or none.

    Raises:
        BadInput: If the site has no network, or a count names what the site does not have.
    """
    if site.network is None:
        raise BadInput(
            str(site.folder / "site.yaml"), "network", "the site has none; valid is a net.xml"
        )
    if site.simulation.routes and _are_own_counts(site, rows):
        return _copy_routes(site.folder / site.simulation.routes, path)
    net = read_net(site.network)
    types = VehicleTypes.of_site(site)
    flows = _flows(site, rows)
    streets = CountedStreets(net, site.junctions, flows)
    turning = _Turning(streets, flows)
    draw = random.Random(seed)

    departures: list[tuple[float, ET.Element]] = []
    entries: dict[str, float] = defaultdict(float)
    for from_s, until_s, part in _windows(rows, begin_s, end_s):
        shown = turning if len(part) == len(rows) else _Turning(streets, _flows(site, part))
        for approach, vehicle_class, vph in shown.sources():
            start = streets.entry(approach) if not streets.fed(approach) else (approach,)
            entries[start[0]] += vph * (until_s - from_s) / (end_s - begin_s)
            for moment in _poisson(draw, vph, from_s, until_s):
                route, arrives = shown.route(draw, start, vehicle_class)
                element = vehicle_element(draw, types, vehicle_class, route, arrives)
                departures.append((moment, element))
    vehicles = len(departures)
    departures += walk_elements(
        net, site.junctions, types, draw, pedestrians_ph, begin_s=begin_s, end_s=end_s
    )
    write_routes(departures, types, path)
    return DemandSummary(
        vehicles=vehicles,
        pedestrians=len(departures) - vehicles,
        verbatim=False,
        entries=dict(entries),
        imbalances=turning.imbalances(),
    )


def _windows(
    rows: Sequence[CountRow], begin_s: float, end_s: float
) -> list[tuple[float, float, Sequence[CountRow]]]:
    """Parts of the demand's time with the counts that hold in each."""
    intervals = sorted({(row.start, row.end) for row in rows})
    if not intervals:
        return []
    joined = all(one[1] == other[0] for one, other in pairwise(intervals))
    first, last = intervals[0][0], intervals[-1][1]
    if not joined or (last - first).total_seconds() != end_s - begin_s:
        return [(begin_s, end_s, rows)]
    return [
        (
            begin_s + (start - first).total_seconds(),
            begin_s + (end - first).total_seconds(),
            [row for row in rows if row.start == start],
        )
        for start, end in intervals
    ]


def write_routes(
    departures: Sequence[tuple[float, ET.Element]], types: VehicleTypes, path: Path
) -> None:
    """Write travellers, numbered in the order of their departure, with all vehicle types."""
    root = ET.Element("routes")
    root.extend(types.elements)
    for number, (moment, element) in enumerate(sorted(departures, key=lambda item: item[0])):
        element.set("id", f"{'p' if element.tag == 'person' else 'v'}{number}")
        element.set("depart", f"{moment:.2f}")
        root.append(element)
    _write(root, path)


def walk_elements(
    net: NetFile,
    junctions: Mapping[str, Junction],
    types: VehicleTypes,
    draw: random.Random,
    pedestrians_ph: float | None,
    *,
    begin_s: float,
    end_s: float,
) -> list[tuple[float, ET.Element]]:
    """People who cross at the junctions, and when they set out; as many an hour as asked for.

    Without ``pedestrians_ph`` as many as the site's pedestrian type says, or none.
    """
    per_hour = types.pedestrians_ph if pedestrians_ph is None else pedestrians_ph
    walks = _walks(net, junctions)
    return [
        (moment, _person(draw, net, types, walks[junction]))
        for junction in sorted(walks)
        for moment in _poisson(draw, per_hour, begin_s, end_s)
    ]


def _are_own_counts(site: Site, rows: Sequence[CountRow]) -> bool:
    try:
        text = site.counts_path.read_text(encoding="utf-8")
    except OSError:
        return False
    own = counts_from_csv(text, str(site.counts_path))
    return counts_to_csv(own) == counts_to_csv(rows)


def _copy_routes(routes: Path, path: Path) -> DemandSummary:
    temporary = path.with_name(path.name + ".tmp")
    try:
        shutil.copyfile(routes, temporary)
    except OSError as error:
        raise BadInput(str(routes), "", f"cannot be read: {error.strerror}") from None
    os.replace(temporary, path)
    tags = [element.tag for element in ET.parse(path).getroot()]
    return DemandSummary(
        vehicles=tags.count("vehicle") + tags.count("trip"),
        pedestrians=tags.count("person"),
        verbatim=True,
        entries={},
        imbalances=(),
    )


def _write(root: ET.Element, path: Path) -> None:
    ET.indent(root)
    temporary = path.with_name(path.name + ".tmp")
    ET.ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)
    os.replace(temporary, path)


def _poisson(draw: random.Random, per_hour: float, begin_s: float, end_s: float) -> Iterator[float]:
    """Moments of a Poisson process; rounded down to 0.01 s, so that none reaches the end."""
    if per_hour <= 0:
        return
    moment = begin_s
    while True:
        moment += draw.expovariate(per_hour / 3600.0)
        if moment >= end_s:
            return
        yield int(moment * 100) / 100


class VehicleTypes:
    """The vehicle types of a site's demand, by counted class."""

    def __init__(self, elements: Sequence[ET.Element], used: Mapping[str, int]) -> None:
        """Take ``vType`` elements; ``used`` weighs the types of one class (else probability)."""
        self.elements = list(elements)
        self.pedestrians_ph = 0.0
        weights: dict[str, list[tuple[str, float]]] = defaultdict(list)
        for element in elements:
            name = element.attrib["id"]
            vehicle_class = counted_class(element.get("vClass", "passenger"))
            weight = used.get(name, 0) if used else float(element.get("probability", 1))
            weights[vehicle_class].append((name, weight))
            for parameter in element.iter("param"):
                if parameter.get("key") == PEDESTRIANS_KEY:
                    self.pedestrians_ph = float(parameter.get("value", "0"))
        self._weights = {
            name: items for name, items in weights.items() if sum(w for _, w in items) > 0
        }

    @classmethod
    def of_site(cls, site: Site) -> VehicleTypes:
        """Types from the site's vehicle types file and its routes, weighed by their use there.

        Raises:
            BadInput: If the file cannot be read.
        """
        options = site.simulation
        used: dict[str, int] = defaultdict(int)
        elements: list[ET.Element] = []
        for name in (options.vehicle_types, options.routes):
            if not name:
                continue
            file = site.folder / name
            try:
                root = ET.parse(file).getroot()
            except (OSError, ET.ParseError) as error:
                raise BadInput(
                    str(file), "", f"{error}; valid is a SUMO file with vTypes"
                ) from None
            for element in root:
                if element.tag in ("vehicle", "trip"):
                    used[element.get("type", "")] += 1
            elements += root.iter("vType")
        for element in elements:
            element.tail = None
        kinds = {element.attrib["id"] for element in elements}
        return cls(elements, used if used.keys() & kinds else {})

    def draw(self, draw: random.Random, vehicle_class: str) -> str:
        """A type of the class; classes without one get a plain type of SUMO's own."""
        items = self._of(vehicle_class)
        if len(items) == 1:
            return items[0][0]
        return draw.choices([name for name, _ in items], [weight for _, weight in items])[0]

    def shares(self, vehicle_class: str) -> dict[str, float]:
        """The types of a class and the share of its vehicles that each has."""
        items = self._of(vehicle_class)
        total = sum(weight for _, weight in items)
        return {name: weight / total for name, weight in items if weight > 0}

    def _of(self, vehicle_class: str) -> list[tuple[str, float]]:
        items = self._weights.get(vehicle_class)
        if items is None:
            sumo_class = {"car": "passenger"}.get(vehicle_class, vehicle_class)
            if sumo_class not in _COUNTED_CLASS and sumo_class != "passenger":
                sumo_class = "passenger"
            self.elements.append(
                ET.Element("vType", id=f"plain_{vehicle_class}", vClass=sumo_class)
            )
            items = self._weights[vehicle_class] = [(f"plain_{vehicle_class}", 1.0)]
        return items


class _Turning:
    """Turning shares, sources and sinks of counted flows, per class."""

    def __init__(self, streets: CountedStreets, flows: Mapping[str, Mapping[str, float]]) -> None:
        self._streets = streets
        self._counted: dict[tuple[str, str], float] = defaultdict(float)
        self._fed: dict[tuple[str, str], float] = defaultdict(float)
        choices: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
        for approach, movements in streets.movements.items():
            for movement in movements:
                for vehicle_class, vph in flows.get(movement.id, {}).items():
                    if vph <= 0:
                        continue
                    choices[approach, vehicle_class].append((movement.to_edge, vph))
                    self._counted[approach, vehicle_class] += vph
                    arrives = streets.after(movement.to_edge)[-1]
                    if arrives in streets.movements:
                        self._fed[arrives, vehicle_class] += vph
        self._choices = {
            key: ([edge for edge, _ in items], list(accumulate(vph for _, vph in items)))
            for key, items in choices.items()
        }

    def sources(self) -> list[tuple[str, str, float]]:
        """Approach, class and vehicles an hour that begin there and come from no neighbour."""
        return [
            (approach, vehicle_class, vph - self._fed[approach, vehicle_class])
            for (approach, vehicle_class), vph in sorted(self._counted.items())
            if vph > self._fed[approach, vehicle_class] + 1e-9
        ]

    def route(
        self, draw: random.Random, start: tuple[str, ...], vehicle_class: str
    ) -> tuple[tuple[str, ...], bool]:
        """A route from its first edges on, and whether it ends at the end of its last edge."""
        route = list(start)
        for _ in range(_MAX_JUNCTIONS):
            approach = route[-1]
            choice = self._choices.get((approach, vehicle_class))
            if choice is None:
                return tuple(route), approach not in self._streets.movements
            edges, cumulated = choice
            route += self._streets.after(edges[bisect(cumulated, draw.random() * cumulated[-1])])
            reached = route[-1]
            if reached not in self._streets.movements:
                return tuple(route), True
            fed = self._fed[reached, vehicle_class]
            if draw.random() * fed >= self._counted[reached, vehicle_class]:
                return tuple(route), False
        return tuple(route), False

    def imbalances(self) -> tuple[Imbalance, ...]:
        """Approaches whose count and whose neighbours' counts are not the same flow."""
        counted: dict[str, float] = defaultdict(float)
        fed: dict[str, float] = defaultdict(float)
        for (approach, _), vph in self._counted.items():
            counted[approach] += vph
        for (approach, _), vph in self._fed.items():
            fed[approach] += vph
        return tuple(
            Imbalance(approach, fed[approach], counted[approach])
            for approach in sorted(fed)
            if self._streets.fed(approach) and geh(fed[approach], counted[approach]) > IMBALANCE_GEH
        )


def check_counts(site: Site, rows: Sequence[CountRow]) -> None:
    """See that counts are of the site.

    Raises:
        BadInput: If a count names what the site does not have.
    """
    known = {m.id: j.id for j in site.junctions.values() for m in j.movements}
    for row in rows:
        if known.get(row.movement) != row.junction:
            raise BadInput(
                "counts",
                "movement",
                f"{row.movement!r} of junction {row.junction!r} is not in site {site.id}",
            )


def _flows(site: Site, rows: Sequence[CountRow]) -> dict[str, dict[str, float]]:
    """Mean flow per movement and class; pedestrians are no vehicles."""
    check_counts(site, rows)
    return movement_flows_vph([row for row in rows if row.vehicle_class != "pedestrian"])


def vehicle_element(
    draw: random.Random,
    types: VehicleTypes,
    vehicle_class: str,
    route: Sequence[str],
    arrives: bool,
) -> ET.Element:
    """A vehicle on a route, to be numbered and timed by :func:`write_routes`.

    With ``arrives`` it drives to the end of its last edge, else it ends somewhere on it.
    """
    element = ET.Element(
        "vehicle",
        id="",
        type=types.draw(draw, vehicle_class),
        depart="",
        departLane="best",
        departSpeed="max",
        departPosLat="random_free",
        arrivalPos="max" if arrives else "random",
    )
    ET.SubElement(element, "route", edges=" ".join(route))
    return element


_Walk = tuple[tuple[str, ...], tuple[str, ...], frozenset[str]]


def _walks(net: NetFile, junctions: Mapping[str, Junction]) -> dict[str, list[_Walk]]:
    """Per junction and crossing: footpaths on its two sides, and which of them end here."""
    beside: dict[str, set[str]] = defaultdict(set)
    ends: dict[str, list[str]] = defaultdict(list)
    for link in net.links:
        one, other = net.edges.get(link.from_edge), net.edges.get(link.to_edge)
        if one is None or other is None:
            continue
        if one.function == "walkingarea" and other.function == "":
            beside[one.id].add(other.id)
        elif other.function == "walkingarea" and one.function == "":
            beside[other.id].add(one.id)
        elif one.function == "walkingarea" and other.function == "crossing":
            ends[other.id].insert(0, one.id)
        elif one.function == "crossing" and other.function == "walkingarea":
            ends[one.id].append(other.id)
    walks: dict[str, list[_Walk]] = defaultdict(list)
    for junction in junctions.values():
        for crossing in junction.crossings:
            areas = list(dict.fromkeys(ends.get(crossing.id, ())))
            if len(areas) != 2 or not all(beside[area] for area in areas):
                continue
            node = crossing.id.lstrip(":").rpartition("_")[0]
            sides = [tuple(sorted(beside[area])) for area in areas]
            arriving = frozenset(
                edge for side in sides for edge in side if net.edges[edge].to_node == node
            )
            walks[junction.id].append((sides[0], sides[1], arriving))
    return dict(walks)


def _person(
    draw: random.Random, net: NetFile, types: VehicleTypes, walks: Sequence[_Walk]
) -> ET.Element:
    one, other, arriving = draw.choice(walks)
    if draw.random() < 0.5:
        one, other = other, one
    origin, goal = draw.choice(one), draw.choice(other)

    def position(edge: str) -> str:
        length = net.edges[edge].lanes[0].length_m
        away = draw.uniform(0.0, min(_WALK_REACH_M, length))
        return f"{length - away if edge in arriving else away:.2f}"

    element = ET.Element("person", id="", type=types.draw(draw, "pedestrian"), depart="")
    element.set("departPos", position(origin))
    walk = ET.SubElement(element, "walk")
    walk.set("from", origin)
    walk.set("to", goal)
    walk.set("arrivalPos", position(goal))
    return element
