"""Traffic for a street that never ends: departures read from demand written a stretch at a time."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from models.errors import BadInput

CHUNK_S = 900.0
"""Demand is written for this long at a time, so that memory stays bounded."""

WriteChunk = Callable[[Path, int, float, float], object]
"""Writes a SUMO route file to a path, for a seed, of what departs in [begin_s, end_s)."""


@dataclass(frozen=True, slots=True)
class Departure:
    """Who departs when. ``edges`` is a route, or the two ends of a walk.

    ``attributes`` are SUMO's of the vehicle (type, departLane, departPos, departSpeed,
    arrivalPos) or of the walk (departPos, arrivalPos).
    """

    time_s: float
    walks: bool
    edges: tuple[str, ...]
    attributes: Mapping[str, str]


class LiveDemand:
    """An endless sequence of departures in ascending time."""

    def __init__(self, write: WriteChunk, *, seed: int, begin_s: float, folder: Path) -> None:
        self._write = write
        self._seed = seed
        self._next_s = begin_s
        self._path = folder / "departures.rou.xml"
        self._ready: deque[Departure] = deque()
        self._chunks = 0

    def until(self, time_s: float) -> list[Departure]:
        """Everybody due at or before a time who has not been given out yet.

        Raises:
            BadInput: If the written demand holds what cannot be inserted one by one.
        """
        while self._next_s <= time_s:
            end_s = self._next_s + CHUNK_S
            # Seeds of a street's stretches are its own; two streets' never meet.
            self._write(self._path, self._seed * 100_003 + self._chunks, self._next_s, end_s)
            self._ready.extend(read_departures(self._path, self._next_s, end_s))
            self._next_s = end_s
            self._chunks += 1
        due = []
        while self._ready and self._ready[0].time_s <= time_s:
            due.append(self._ready.popleft())
        return due


def read_departures(path: Path, begin_s: float, end_s: float) -> list[Departure]:
    """Vehicles and persons of a route file that depart in ``[begin_s, end_s)``, sorted.

    Raises:
        BadInput: For a flow or a trip without edges.
    """
    routes: dict[str, tuple[str, ...]] = {}
    found: list[Departure] = []
    for element in ET.parse(path).getroot():
        if element.tag == "route":
            routes[element.attrib["id"]] = tuple(element.attrib["edges"].split())
        elif element.tag == "vehicle":
            found.append(_vehicle(element, routes, path))
        elif element.tag == "person":
            found.append(_person(element, path))
        elif element.tag in {"flow", "trip", "personFlow"}:
            raise BadInput(str(path), element.tag, "valid are vehicles and persons with a route")
    kept = [departure for departure in found if begin_s <= departure.time_s < end_s]
    return sorted(kept, key=lambda departure: departure.time_s)


def _vehicle(element: ET.Element, routes: Mapping[str, tuple[str, ...]], path: Path) -> Departure:
    inline = element.find("route")
    edges = (
        tuple(inline.attrib["edges"].split())
        if inline is not None
        else routes.get(element.get("route", ""), ())
    )
    if not edges:
        raise BadInput(str(path), f"vehicle {element.get('id')}", "has no route")
    return Departure(
        float(element.attrib["depart"]), False, edges, MappingProxyType(dict(element.attrib))
    )


def _person(element: ET.Element, path: Path) -> Departure:
    walk = element.find("walk")
    if walk is None or len(element) != 1:
        raise BadInput(str(path), f"person {element.get('id')}", "valid is exactly one walk")
    edges = tuple(walk.get("edges", "").split()) or (walk.attrib["from"], walk.attrib["to"])
    attributes = {**element.attrib, **walk.attrib}
    return Departure(float(element.attrib["depart"]), True, edges, MappingProxyType(attributes))
