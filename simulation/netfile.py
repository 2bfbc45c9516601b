"""Read a SUMO network file into plain values. Nothing here knows of plans or movements."""

from __future__ import annotations

import gzip
import itertools
import math
import re
import xml.etree.ElementTree as ET
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from models.camera import Point
from models.errors import BadInput
from simulation.netprograms import NetProgram, read_program

DEFAULT_LANE_WIDTH_M = 3.2
"""SUMO's own default."""
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class NetLane:
    """A lane: centre line in network metres in the direction of travel.

    ``allow`` and ``disallow`` are SUMO's lists of vehicle classes; both empty means everyone.
    """

    id: str
    edge: str
    index: int
    speed_mps: float
    length_m: float
    width_m: float
    shape: tuple[Point, ...]
    allow: frozenset[str] = frozenset()
    disallow: frozenset[str] = frozenset()

    def allows(self, vehicle_class: str) -> bool:
        """Whether a SUMO vehicle class may use it."""
        if self.allow:
            return vehicle_class in self.allow or "all" in self.allow
        return vehicle_class not in self.disallow and "all" not in self.disallow


@dataclass(frozen=True, slots=True)
class NetEdge:
    """A directed edge. ``function`` is empty for a street, else internal, crossing, walkingarea."""

    id: str
    function: str
    from_node: str
    to_node: str
    name: str
    lanes: tuple[NetLane, ...]
    crossing_edges: tuple[str, ...] = ()

    @property
    def traffic_lanes(self) -> tuple[NetLane, ...]:
        """Lanes for motor traffic, kerb first; none on a footpath or a track."""
        return tuple(lane for lane in self.lanes if lane.allows("passenger") or lane.allows("bus"))


@dataclass(frozen=True, slots=True)
class NetLink:
    """A lane-to-lane connection; ``tl`` is empty and ``index`` -1 when no signal rules it.

    ``unsignalled`` is SUMO's letter for its right of way when the signal is off (O, o).
    """

    from_edge: str
    to_edge: str
    from_lane: int
    to_lane: int
    via: str
    direction: str
    tl: str = ""
    index: int = -1
    unsignalled: str = "o"


@dataclass(frozen=True, slots=True)
class NetNode:
    """A junction of the network.

    ``foes[i]`` and ``response[i]`` are bit sets over request indices: which other links cross
    link ``i``'s path, and which of them it gives way to.
    """

    id: str
    kind: str
    name: str
    x_m: float
    y_m: float
    incoming_lanes: tuple[str, ...]
    internal_lanes: tuple[str, ...]
    shape: tuple[Point, ...]
    response: Mapping[int, int]
    foes: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class NetFile:
    """A whole network.

    ``programs`` holds, per signal, the one SUMO runs: the last of its file; ``spare_programs``
    the ids of the others. ``left_hand`` traffic numbers its lanes from the left kerb.
    ``location`` is latitude and longitude of its middle, where it states a projection.
    ``converted`` holds what netconvert noted of how it made the file.
    """

    path: Path
    edges: Mapping[str, NetEdge]
    nodes: Mapping[str, NetNode]
    links: tuple[NetLink, ...]
    programs: Mapping[str, NetProgram]
    spare_programs: Mapping[str, tuple[str, ...]]
    left_hand: bool
    location: tuple[float, float] | None
    converted: Mapping[str, str]

    def function(self, edge: str) -> str:
        """Function of an edge, empty for a street and for one that the network lacks."""
        return self.edges[edge].function if edge in self.edges else ""

    def outgoing(self, edge: str) -> tuple[NetLink, ...]:
        """Connections that leave an edge to another street."""
        return tuple(link for link in self.links if link.from_edge == edge)


def read_net(path: Path) -> NetFile:
    """Read a network file, plain or gzipped; unchanged files are read once per process.

    Raises:
        BadInput: If the file is absent or not a SUMO network.
    """
    try:
        stat = path.stat()
    except OSError:
        raise BadInput(str(path), "", "no such file; valid is a SUMO network (.net.xml)") from None
    return _read_cached(path.resolve(), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=16)
def _read_cached(path: Path, _mtime_ns: int, _size: int) -> NetFile:
    try:
        content = path.read_bytes()
        if content[:2] == GZIP_MAGIC:
            content = gzip.decompress(content)
        root = ET.fromstring(content)
    except (ET.ParseError, OSError, EOFError, zlib.error) as error:
        raise BadInput(str(path), "", f"{error}; valid is a SUMO network (.net.xml)") from None
    if root.tag != "net":
        raise BadInput(
            str(path), f"<{root.tag}>", "not a SUMO network; its first element must be <net>"
        )
    try:
        links = tuple(_link(e) for e in root.iter("connection"))
        programs, spare = _programs(root, links)
        return NetFile(
            path=path,
            edges=MappingProxyType({e.attrib["id"]: _edge(e) for e in root.iter("edge")}),
            nodes=MappingProxyType(
                {
                    e.attrib["id"]: _node(e)
                    for e in root.iter("junction")
                    if e.get("type") != "internal"
                }
            ),
            links=links,
            programs=MappingProxyType(programs),
            spare_programs=MappingProxyType(spare),
            left_hand=root.get("lefthand") in ("true", "1", "yes", "on"),
            location=_location(root.find("location")),
            converted=MappingProxyType(_converted(content)),
        )
    except (KeyError, ValueError) as error:
        raise BadInput(str(path), "", f"not a readable SUMO network: {error!r}") from None


def _programs(
    root: ET.Element, links: Sequence[NetLink]
) -> tuple[dict[str, NetProgram], dict[str, tuple[str, ...]]]:
    counts: dict[str, int] = defaultdict(int)
    for link in links:
        counts[link.tl] = max(counts[link.tl], link.index + 1)
    found: dict[str, list[ET.Element]] = defaultdict(list)
    for element in root.iter("tlLogic"):
        found[element.attrib["id"]].append(element)
    programs = {tl: read_program(e[-1], counts[tl]) for tl, e in found.items()}
    spare = {
        tl: tuple(element.get("programID", "") for element in elements[:-1])
        for tl, elements in found.items()
        if len(elements) > 1
    }
    return programs, spare


def _location(element: ET.Element | None) -> tuple[float, float] | None:
    if element is None or not element.get("projParameter", "!").startswith("+proj"):
        return None
    west, south, east, north = (float(v) for v in element.attrib["origBoundary"].split(","))
    latitude, longitude = (south + north) / 2, (west + east) / 2
    inside = abs(latitude) <= 90 and abs(longitude) <= 180
    return (round(latitude, 5), round(longitude, 5)) if inside else None


def _converted(content: bytes) -> dict[str, str]:
    """Options of the netconvert run that made the file, from the comment at its top."""
    head = content[: content.find(b"<net ")].decode(errors="replace")
    return dict(re.findall(r'<([\w.-]+) value="([^"]*)"/>', head))


def _points(text: str | None) -> tuple[Point, ...]:
    points = []
    for token in (text or "").split():
        x, y = token.split(",")[:2]
        points.append((float(x), float(y)))
    return tuple(points)


def _edge(element: ET.Element) -> NetEdge:
    edge = element.attrib["id"]
    return NetEdge(
        id=edge,
        function=element.get("function", ""),
        from_node=element.get("from", ""),
        to_node=element.get("to", ""),
        name=element.get("name", ""),
        lanes=tuple(_lane(lane, edge) for lane in element.iter("lane")),
        crossing_edges=tuple(element.get("crossingEdges", "").split()),
    )


def _lane(element: ET.Element, edge: str) -> NetLane:
    return NetLane(
        id=element.attrib["id"],
        edge=edge,
        index=int(element.attrib["index"]),
        speed_mps=float(element.attrib["speed"]),
        length_m=float(element.attrib["length"]),
        width_m=float(element.get("width", DEFAULT_LANE_WIDTH_M)),
        shape=_points(element.get("shape")),
        allow=frozenset(element.get("allow", "").split()),
        disallow=frozenset(element.get("disallow", "").split()),
    )


def _link(element: ET.Element) -> NetLink:
    return NetLink(
        from_edge=element.attrib["from"],
        to_edge=element.attrib["to"],
        from_lane=int(element.attrib["fromLane"]),
        to_lane=int(element.attrib["toLane"]),
        via=element.get("via", ""),
        direction=element.get("dir", ""),
        tl=element.get("tl", ""),
        index=int(element.get("linkIndex", -1)),
        unsignalled="O" if element.get("state") == "O" else "o",
    )


def _node(element: ET.Element) -> NetNode:
    requests = list(element.iter("request"))
    return NetNode(
        id=element.attrib["id"],
        kind=element.get("type", ""),
        name=element.get("name", ""),
        x_m=float(element.attrib["x"]),
        y_m=float(element.attrib["y"]),
        incoming_lanes=tuple(element.get("incLanes", "").split()),
        internal_lanes=tuple(element.get("intLanes", "").split()),
        shape=_points(element.get("shape")),
        response={int(r.attrib["index"]): int(r.attrib["response"], 2) for r in requests},
        foes={int(r.attrib["index"]): int(r.attrib["foes"], 2) for r in requests},
    )


def lane_direction(lane: NetLane, *, at_end: bool) -> Point:
    """Unit vector of travel on the last (or first) metres of a lane.

    Raises:
        BadInput: If the lane has no length.
    """
    shape = lane.shape
    pairs = list(itertools.pairwise(shape))
    for (x0, y0), (x1, y1) in reversed(pairs) if at_end else pairs:
        length = math.hypot(x1 - x0, y1 - y0)
        if length > 0.01:
            return ((x1 - x0) / length, (y1 - y0) / length)
    raise BadInput(f"lane {lane.id}", "shape", "has no length; valid is two points apart")
