"""Lanes of a network as seen from its signals: what leads to a stop line, what follows it."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cached_property

from models.junction import Junction
from models.policy import ControlJunction, Feed
from simulation.netfile import NetFile, NetLane, NetLink

SIGHT_M = 300.0
"""How far before a stop line vehicles are reported with full information."""
ENTRY_M = 150.0
"""How far before a stop line detectors count arrivals, where the road is that long."""
FEED_M = 800.0
"""Signals further apart than this are not neighbours."""
RECEIVING_M = 300.0


@dataclass(frozen=True, slots=True)
class LaneChain:
    """Lanes that follow one another without a fork and their length, in driving order."""

    lanes: tuple[str, ...]
    length_m: float


@dataclass(frozen=True, slots=True)
class DetectorPlace:
    """Where a detector lies: ``at_m`` from the beginning of ``lane``."""

    lane: str
    at_m: float


@dataclass(frozen=True, slots=True)
class ViewedLane:
    """A lane, or one within a junction, whose end lies ``end_m`` before a stop line."""

    lane: str
    end_m: float


class LaneGraph:
    """A network's lanes and connections, looked at from its signals."""

    def __init__(self, file: NetFile) -> None:
        """Index the streets' lanes and connections; paths and inner lanes are left out."""
        self.file = file
        self.lanes: dict[str, NetLane] = {
            lane.id: lane for edge in file.edges.values() for lane in edge.lanes
        }
        self._into: dict[str, list[NetLink]] = defaultdict(list)
        self._out: dict[str, list[NetLink]] = defaultdict(list)
        for link in file.links:
            if self._street(link.from_edge) and self._street(link.to_edge):
                self._into[f"{link.to_edge}_{link.to_lane}"].append(link)
                self._out[f"{link.from_edge}_{link.from_lane}"].append(link)

    def _street(self, edge: str) -> bool:
        return edge in self.file.edges and self.file.edges[edge].function in ("", "normal")

    @cached_property
    def _inner_m(self) -> Mapping[str, float]:
        """Length of the way over the junction by its first inner lane."""
        return {
            link.via: sum(self.lanes[lane].length_m for lane in self.inner(link.via))
            for link in self.file.links
        }

    @cached_property
    def _follow(self) -> Mapping[str, str]:
        """The inner lane after another one on the same way over a junction."""
        return {
            f"{link.from_edge}_{link.from_lane}": link.via
            for link in self.file.links
            if link.from_edge.startswith(":") and link.via
        }

    def inner(self, via: str) -> list[str]:
        """Inner lanes of the way over a junction that begins with ``via``."""
        lanes = []
        while via in self.lanes:
            lanes.append(via)
            via = self._follow.get(via, "")
        return lanes

    def letters(self, junction: Junction) -> int:
        """How many letters a state of this signal has."""
        program = self.file.programs.get(junction.id)
        if program is not None and program.rows:
            return len(program.rows[0][1])
        links = [link for movement in junction.movements for link in movement.links]
        links += [link for crossing in junction.crossings for link in crossing.links]
        return 1 + max(links)

    def signal_links(self, junction: Junction) -> dict[str, list[NetLink]]:
        """The vehicles' links of a signal by the lane that they leave."""
        found: dict[str, list[NetLink]] = defaultdict(list)
        movements = {(m.from_edge, m.to_edge) for m in junction.movements}
        for link in self.file.links:
            if link.tl == junction.id and (link.from_edge, link.to_edge) in movements:
                found[f"{link.from_edge}_{link.from_lane}"].append(link)
        return dict(sorted(found.items()))

    def chain_back(self, lane: NetLane) -> LaneChain:
        """A lane and those before it that lead only there, without a signal in between."""
        chain, length_m = [lane.id], lane.length_m
        while length_m < SIGHT_M:
            into = [link for link in self._into[chain[0]] if link.direction != "t"]
            if len(into) != 1 or into[0].tl:
                break
            before = f"{into[0].from_edge}_{into[0].from_lane}"
            onwards = [link for link in self._out[before] if link.direction != "t"]
            if len(onwards) != 1 or before in chain:
                break
            chain.insert(0, before)
            length_m += self.lanes[before].length_m + self._inner_m.get(into[0].via, 0.0)
        return LaneChain(tuple(chain), length_m)

    def chain_on(self, lane: NetLane) -> LaneChain:
        """A lane and those after it up to the next fork or signal."""
        chain, length_m = [lane.id], lane.length_m
        while length_m < RECEIVING_M:
            onwards = [link for link in self._out[chain[-1]] if link.direction != "t"]
            if len(onwards) != 1 or onwards[0].tl:
                break
            after = f"{onwards[0].to_edge}_{onwards[0].to_lane}"
            if after in chain:
                break
            chain.append(after)
            length_m += self.lanes[after].length_m + self._inner_m.get(onwards[0].via, 0.0)
        return LaneChain(tuple(chain), length_m)

    def place(self, chain: LaneChain, before_end_m: float) -> DetectorPlace:
        """The point of a chain that lies so far before its end (junctions' insides count)."""
        left_m = before_end_m
        for lane_id in reversed(chain.lanes):
            length_m = self.lanes[lane_id].length_m
            if left_m <= length_m:
                return DetectorPlace(lane_id, length_m - left_m)
            left_m -= length_m
            into = self._into[lane_id]
            left_m = max(0.0, left_m - (self._inner_m.get(into[0].via, 0.0) if into else 0.0))
        return DetectorPlace(chain.lanes[0], 0.0)

    def view(self, chain: LaneChain, view_m: float) -> tuple[ViewedLane, ...]:
        """What lies within ``view_m`` before the end of a chain, nearest first."""
        parts, end_m = [], 0.0
        for number in range(len(chain.lanes) - 1, -1, -1):
            lane = chain.lanes[number]
            parts.append(ViewedLane(lane, end_m))
            end_m += self.lanes[lane].length_m
            if number == 0 or end_m >= view_m:
                break
            via = next(
                link.via
                for link in self._into[lane]
                if f"{link.from_edge}_{link.from_lane}" == chain.lanes[number - 1]
            )
            for inner in reversed(self.inner(via)):
                parts.append(ViewedLane(inner, end_m))
                end_m += self.lanes[inner].length_m
        return tuple(parts)

    def behind(self, approach: str, seen: Set[str], view_m: float) -> tuple[ViewedLane, ...]:
        """Lanes within ``view_m`` before an approach's line that are none of the ``seen`` ones.

        Vehicles on them are on their way to it without being on a lane of it yet.
        """
        parts: dict[str, ViewedLane] = {}
        heap = [(lane.length_m, lane.id) for lane in self.file.edges[approach].traffic_lanes]
        heapq.heapify(heap)
        done: set[str] = set()
        while heap:
            behind_m, lane_id = heapq.heappop(heap)
            if lane_id in done or behind_m >= view_m:
                continue
            done.add(lane_id)
            for link in self._into[lane_id]:
                if link.tl or link.direction == "t":
                    continue
                end_m = behind_m
                for inner in reversed(self.inner(link.via)):
                    parts.setdefault(inner, ViewedLane(inner, end_m))
                    end_m += self.lanes[inner].length_m
                before = f"{link.from_edge}_{link.from_lane}"
                parts.setdefault(before, ViewedLane(before, end_m))
                heapq.heappush(heap, (end_m + self.lanes[before].length_m, before))
        return tuple(
            part for part in parts.values() if part.lane not in seen and part.end_m < view_m
        )

    def upstream(self, approach: str, nearest_m: float) -> list[tuple[DetectorPlace, float]]:
        """Places that see what comes to an approach earlier than its lanes' own detectors.

        Back along all roads without a signal to ``ENTRY_M`` before the line, or to where the
        road begins or a signal stands. None where the lanes' own detectors lie as far back.
        """
        if nearest_m >= ENTRY_M - 1.0:
            return []
        places: list[tuple[DetectorPlace, float]] = []
        edge_m = max(lane.length_m for lane in self.file.edges[approach].lanes)
        heap = [(edge_m, approach)]
        seen = {approach}
        while heap:
            behind_m, edge = heapq.heappop(heap)
            before: dict[str, float] = {}
            fed_by_signal = False
            for lane in self.file.edges[edge].traffic_lanes:
                for link in self._into[lane.id]:
                    if link.tl:
                        fed_by_signal = True
                    elif link.direction != "t" and link.from_edge not in seen:
                        before[link.from_edge] = self._inner_m.get(link.via, 0.0)
            reaches = behind_m >= ENTRY_M
            if edge != approach and (reaches or fed_by_signal or not before):
                length_m = max(lane.length_m for lane in self.file.edges[edge].lanes)
                distance_m = min(ENTRY_M, behind_m - 1.0)
                for lane in self.file.edges[edge].traffic_lanes:
                    at_m = min(max(0.0, behind_m - distance_m), lane.length_m, length_m)
                    places.append((DetectorPlace(lane.id, at_m), distance_m))
            if reaches:
                continue
            for previous, inner_m in before.items():
                seen.add(previous)
                length_m = max(lane.length_m for lane in self.file.edges[previous].lanes)
                heapq.heappush(heap, (behind_m + inner_m + length_m, previous))
        return [place for place in places if place[1] > nearest_m + 5.0]

    def feeds(self, junctions: Mapping[str, ControlJunction]) -> list[Feed]:
        """Which approaches the vehicles of each movement reach next."""
        ends: dict[str, tuple[str, tuple[str, ...]]] = {}
        for control in junctions.values():
            for lane in control.lanes.values():
                _, lanes = ends.get(lane.approach, ("", ()))
                ends[lane.approach] = (control.id, (*lanes, lane.id))
        signals = {link.from_edge for link in self.file.links if link.tl}
        found = []
        for control in junctions.values():
            for movement in control.junction.movements:
                for edge, travel_s, storage_m in self._onwards(movement.to_edge, signals):
                    if edge in ends:
                        to_junction, lanes = ends[edge]
                        found.append(
                            Feed(
                                control.id,
                                movement.id,
                                to_junction,
                                edge,
                                lanes,
                                travel_s,
                                storage_m,
                            )
                        )
        return found

    def _onwards(self, start: str, signals: set[str]) -> list[tuple[str, float, float]]:
        """Signalized edges reached from an edge: travel time to their line, lanes' length."""
        reached = []
        heap = [(0.0, 0.0, 0.0, start)]
        seen: set[str] = set()
        while heap:
            along_m, travel_s, storage_m, edge = heapq.heappop(heap)
            if edge in seen:
                continue
            seen.add(edge)
            road = self.file.edges[edge]
            lanes = road.traffic_lanes or road.lanes
            length_m = max(lane.length_m for lane in lanes)
            travel_s += length_m / max(1.0, *(lane.speed_mps for lane in lanes))
            storage_m += sum(lane.length_m for lane in lanes)
            along_m += length_m
            if edge in signals:
                reached.append((edge, travel_s, storage_m))
                continue
            if along_m >= FEED_M:
                continue
            for lane in lanes:
                for link in self._out[lane.id]:
                    if link.direction != "t":
                        inner_m = self._inner_m.get(link.via, 0.0)
                        item = (along_m + inner_m, travel_s, storage_m, link.to_edge)
                        heapq.heappush(heap, item)
        return reached
