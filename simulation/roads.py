"""Lengths, free-flow times and turns of a SUMO network, for measures and diagrams."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from models.errors import BadInput


@dataclass(frozen=True, slots=True)
class Road:
    """A normal edge: its length and the highest speed limit among its lanes for vehicles."""

    length_m: float
    speed_mps: float


@dataclass(frozen=True, slots=True)
class Crossover:
    """The way over a junction from one edge to another; ``direction`` is SUMO's (s, l, r, t)."""

    length_m: float
    free_s: float
    direction: str


@dataclass(frozen=True, slots=True)
class Roads:
    """What driving without hindrance takes.

    ``free_s`` values are for a vehicle with speed factor 1; another divides them by its own.
    """

    roads: Mapping[str, Road]
    crossovers: Mapping[tuple[str, str], Crossover]

    def free_s(self, from_edge: str | None, edge: str, skipped_m: float = 0.0) -> float:
        """Free-flow time over the junction after ``from_edge`` and along ``edge``, seconds.

        ``skipped_m`` is the part of the edge that is not driven (a start within the edge).
        Edges that the network lacks count nothing.
        """
        road = self.roads.get(edge)
        along = max(0.0, road.length_m - skipped_m) / road.speed_mps if road else 0.0
        over = self.crossovers.get((from_edge, edge)) if from_edge is not None else None
        return along + (over.free_s if over else 0.0)


def read_roads(network: Path) -> Roads:
    """Roads of a network file; read once per file and change of it.

    Raises:
        BadInput: If the file cannot be read as a SUMO network.
    """
    try:
        return _read(network, network.stat().st_mtime_ns)
    except (OSError, ET.ParseError, KeyError, ValueError) as error:
        raise BadInput(str(network), "", f"not a readable SUMO network ({error})") from None


@lru_cache(maxsize=4)
def _read(network: Path, _changed_ns: int) -> Roads:
    roads: dict[str, Road] = {}
    inner: dict[str, Road] = {}
    rows: list[dict[str, str]] = []
    follow: dict[str, str] = {}
    for _, element in ET.iterparse(network):
        if element.tag == "edge":
            _take_edge(element, roads, inner)
            element.clear()
        elif element.tag == "connection":
            if element.get("from", "").startswith(":"):
                lane = f"{element.get('from')}_{element.get('fromLane')}"
                if via := element.get("via"):
                    follow[lane] = via
            else:
                rows.append(dict(element.attrib))
            element.clear()
    crossovers: dict[tuple[str, str], Crossover] = {}
    for row in rows:
        pair = (row["from"], row["to"])
        if pair[0] in roads and pair[1] in roads and pair not in crossovers:
            crossovers[pair] = _crossover(row, inner, follow)
    return Roads(roads, crossovers)


def _take_edge(element: ET.Element, roads: dict[str, Road], inner: dict[str, Road]) -> None:
    function = element.get("function", "normal")
    lanes = [
        (lane.get("id", ""), float(lane.attrib["length"]), max(0.1, float(lane.attrib["speed"])))
        for lane in element.iter("lane")
        if lane.get("allow") != "pedestrian"
    ]
    if function == "internal":
        inner.update((name, Road(length, speed)) for name, length, speed in lanes)
    elif function == "normal" and lanes:
        speed = max(speed for _, _, speed in lanes)
        roads[element.get("id", "")] = Road(max(length for _, length, _ in lanes), speed)


def _crossover(row: dict[str, str], inner: dict[str, Road], follow: dict[str, str]) -> Crossover:
    length_m = free_s = 0.0
    lane = row.get("via")
    while lane is not None and lane in inner:
        length_m += inner[lane].length_m
        free_s += inner[lane].length_m / inner[lane].speed_mps
        lane = follow.get(lane)
    return Crossover(length_m, free_s, row.get("dir", ""))
