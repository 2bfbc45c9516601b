"""Lengths, free-flow times and turns of a SUMO network, for measures and diagrams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from simulation.netfile import NetFile, read_net

MIN_SPEED_MPS = 0.1


@dataclass(frozen=True, slots=True)
class Road:
    """A normal edge: its length and the highest speed limit among its lanes for motor traffic."""

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
    """Roads of a network file.

    Raises:
        BadInput: If the file cannot be read as a SUMO network.
    """
    return roads_of(read_net(network))


def roads_of(net: NetFile) -> Roads:
    """Roads of a network that has been read; footpaths and tracks are left out."""
    roads = {
        edge.id: Road(
            max(lane.length_m for lane in edge.traffic_lanes),
            max(MIN_SPEED_MPS, *(lane.speed_mps for lane in edge.traffic_lanes)),
        )
        for edge in net.edges.values()
        if edge.function in ("", "normal") and edge.traffic_lanes
    }
    inner = {
        lane.id: lane
        for edge in net.edges.values()
        if edge.function == "internal"
        for lane in edge.lanes
    }
    follow = {
        f"{link.from_edge}_{link.from_lane}": link.via
        for link in net.links
        if link.from_edge in net.edges and net.edges[link.from_edge].function == "internal"
    }
    crossovers: dict[tuple[str, str], Crossover] = {}
    for link in net.links:
        pair = (link.from_edge, link.to_edge)
        if pair[0] not in roads or pair[1] not in roads or pair in crossovers:
            continue
        length_m = free_s = 0.0
        lane = inner.get(link.via)
        while lane is not None:
            length_m += lane.length_m
            free_s += lane.length_m / max(MIN_SPEED_MPS, lane.speed_mps)
            lane = inner.get(follow.get(lane.id, ""))
        crossovers[pair] = Crossover(length_m, free_s, link.direction)
    return Roads(roads, crossovers)
