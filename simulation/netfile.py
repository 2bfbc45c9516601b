"""Read a SUMO network file into plain values. Nothing here knows of plans or movements."""

from __future__ import annotations

import gzip
import itertools
import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from models.camera import Point
from models.errors import BadInput

DEFAULT_LANE_WIDTH_M = 3.2
"""SUMO's own default."""


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
    """A lane-to-lane connection; ``tl`` is empty and ``index`` -1 when no signal rules it."""

    from_edge: str
    to_edge: str
    from_lane: int
    to_lane: int
    via: str
    direction: str
    tl: str = ""
    index: int = -1


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
class NetProgram:
    """A ``tlLogic``: rows of (duration in seconds, state)."""

    tl: str
    program: str
    kind: str
    offset_s: float
    rows: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class NetFile:
    """A whole network. ``programs`` holds, per signal, the one SUMO would run (the last)."""

    path: Path
    edges: Mapping[str, NetEdge]
    nodes: Mapping[str, NetNode]
    links: tuple[NetLink, ...]
    programs: Mapping[str, NetProgram]

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
        if path.suffix == ".gz":
            with gzip.open(path) as stream:
                root = ET.parse(stream).getroot()
        else:
            root = ET.parse(path).getroot()
    except (ET.ParseError, OSError) as error:
        raise BadInput(str(path), "", f"{error}; valid is a SUMO network (.net.xml)") from None
    if root.tag != "net":
        raise BadInput(
            str(path), f"<{root.tag}>", "not a SUMO network; its first element must be <net>"
        )
    try:
        programs = [_program(element) for element in root.iter("tlLogic")]
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
            links=tuple(_link(e) for e in root.iter("connection")),
            programs=MappingProxyType({program.tl: program for program in programs}),
        )
    except (KeyError, ValueError) as error:
        raise BadInput(str(path), "", f"not a readable SUMO network: {error!r}") from None


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


def _program(element: ET.Element) -> NetProgram:
    return NetProgram(
        tl=element.attrib["id"],
        program=element.get("programID", ""),
        kind=element.get("type", "static"),
        offset_s=float(element.get("offset", 0)),
        rows=tuple((float(p.attrib["duration"]), p.attrib["state"]) for p in element.iter("phase")),
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
