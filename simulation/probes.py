"""What a run writes beside its trips: queues at the upstream ends, signal states."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.junction import Junction
from simulation.metrics import elements
from simulation.netfile import NetFile

PERIOD_S = 30.0
_ZONE_M = 12.0
_MAX_EDGES = 12
_STANDING_MPS = 1.39


@dataclass(frozen=True, slots=True)
class StateChange:
    """From ``time_s`` on a signal shows these letters."""

    time_s: float
    letters: str


def upstream_ends(junctions: Iterable[Junction], net: NetFile) -> dict[str, str]:
    """Per approach of a signal, the edge on which its queue would reach the junction before it.

    The approach itself, or the first of the edges before it that lead nowhere else. Approaches
    that begin at the border of the network are left out: their queue waits outside, and counts
    as vehicles never inserted.
    """
    into: dict[str, set[str]] = defaultdict(set)
    out_of: dict[str, set[str]] = defaultdict(set)
    for link in net.links:
        one, other = net.edges.get(link.from_edge), net.edges.get(link.to_edge)
        if one is None or other is None or not one.traffic_lanes or not other.traffic_lanes:
            continue
        if one.function in ("", "normal") and other.function in ("", "normal"):
            if one.from_node == other.to_node:  # a U-turn is no way on
                continue
            into[other.id].add(one.id)
            out_of[one.id].add(other.id)
    ends: dict[str, str] = {}
    for approach in sorted({m.from_edge for j in junctions for m in j.movements}):
        edge = approach
        for _ in range(_MAX_EDGES):
            before = into[edge]
            if len(before) != 1 or len(out_of[next(iter(before))]) != 1:
                break
            edge = next(iter(before))
        if into[edge] and edge in net.edges:
            ends[approach] = edge
    return ends


def write_probes(
    path: Path,
    folder: Path,
    junctions: Mapping[str, Junction],
    ends: Mapping[str, str],
    net: NetFile,
) -> None:
    """Write the SUMO additional file that asks for both outputs, in ``folder``."""
    root = ET.Element("additional")
    for edge in sorted(set(ends.values())):
        for lane in net.edges[edge].traffic_lanes:
            if lane.length_m < 1.0:
                continue
            ET.SubElement(
                root,
                "laneAreaDetector",
                id=f"end {lane.id}",
                lane=lane.id,
                pos="0",
                endPos=f"{min(_ZONE_M, lane.length_m / 2):.2f}",
                period=f"{PERIOD_S:g}",
                timeThreshold="1",
                speedThreshold=f"{_STANDING_MPS}",
                file=str(folder / "ends.xml"),
            )
    for name in sorted(junctions):
        ET.SubElement(
            root,
            "timedEvent",
            type="SaveTLSSwitchStates",
            source=name,
            dest=str(folder / "states.xml"),
        )
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def read_spillback(
    path: Path, ends: Mapping[str, str], *, begin_s: float, end_s: float
) -> tuple[dict[str, float], float]:
    """Share of the time that each approach's queue stood at its upstream end, percent.

    In each interval counts the longest time that one vehicle stood there. The second value is
    the share for at least one of the approaches.
    """
    per_edge: dict[str, dict[float, float]] = defaultdict(dict)
    if path.exists():
        for element in elements(path, "interval"):
            at = float(element.attrib["begin"])
            if not begin_s <= at < end_s:
                continue
            edge = element.attrib["id"].removeprefix("end ").rpartition("_")[0]
            stood = min(PERIOD_S, float(element.attrib["maxIntervalHaltingDuration"]))
            per_edge[edge][at] = max(per_edge[edge].get(at, 0.0), stood)
    window_s = max(end_s - begin_s, 1.0)
    shares = {
        approach: 100.0 * sum(per_edge[edge].values()) / window_s for approach, edge in ends.items()
    }
    moments = {at for intervals in per_edge.values() for at in intervals}
    anywhere = sum(max(i.get(at, 0.0) for i in per_edge.values()) for at in moments)
    return shares, 100.0 * anywhere / window_s


def read_states(path: Path) -> dict[str, tuple[StateChange, ...]]:
    """What each signal showed, from its first state on; equal states in a row are joined."""
    shown: dict[str, list[StateChange]] = defaultdict(list)
    if path.exists():
        for element in elements(path, "tlsState"):
            changes = shown[element.attrib["id"]]
            letters = element.attrib["state"]
            if not changes or changes[-1].letters != letters:
                changes.append(StateChange(float(element.attrib["time"]), letters))
    return {name: tuple(changes) for name, changes in shown.items()}
