"""The retiming problem of a site: its network's geometry and its counts as plain values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from defusedxml import ElementTree

from models.counts import CountRow, movement_flows_vph
from models.errors import BadInput
from models.junction import Junction
from models.plan import Plan
from models.site import Site
from optimizer.problem import (
    LaneGeometry,
    LinkGeometry,
    RetimingProblem,
    Weights,
    problem_from_counts,
)
from simulation.demand import VehicleTypes, counted_class
from simulation.netfile import NetFile, read_net

# Signals further apart than this are not worth a common cycle: platoons have dispersed.
MAX_LINK_M = 800.0
_MAX_EDGES = 12


def build_problem(
    site: Site,
    counts: Sequence[CountRow],
    current: Plan,
    *,
    weights: Weights | None = None,
    slowest_advice: float = 1.0,
) -> RetimingProblem:
    """Retiming problem of a site from counts and the plan in force.

    ``weights`` None is the site's objective. Junctions that the counts do not name at all are
    retimed for no demand, that is, kept at their minimums; so they must be in the counts.

    Raises:
        BadInput: If the counts name no movement of the site or miss a whole junction, or the
            plan lacks a junction.
    """
    if not site.junctions:
        raise BadInput(str(site.folder / "site.yaml"), "junctions", "the site has none to retime")
    _check_counts(site, counts)
    lanes: list[LaneGeometry] = []
    links: list[LinkGeometry] = []
    if site.network is not None:
        net = read_net(site.network)
        lanes = list(lane_geometry(net, site.junctions))
        links = list(link_geometry(net, site.junctions, cruising_mix(site, counts)))
    return problem_from_counts(
        site.id,
        site.junctions,
        counts,
        {item.name: item.pcu for item in site.classes},
        current,
        lanes,
        links,
        weights=weights or Weights(**site.objective),
        pedestrians_ph=_pedestrians_ph(site),
        worth={item.name: item.worth for item in site.classes},
        slowest_advice=slowest_advice,
    )


def _pedestrians_ph(site: Site) -> dict[str, float]:
    """People an hour on each crossing, where the site says how many cross at its junctions."""
    if not site.simulation.vehicle_types:
        return {}
    people = VehicleTypes.of_site(site).pedestrians_ph
    return {
        junction.id: people / len(junction.crossings)
        for junction in site.junctions.values()
        if people > 0 and junction.crossings
    }


def _check_counts(site: Site, counts: Sequence[CountRow]) -> None:
    counted = {row.movement for row in counts if row.coverage > 0}
    for junction in site.junctions.values():
        if not counted & {m.id for m in junction.movements}:
            valid = ", ".join(m.id for m in junction.movements[:3])
            raise BadInput(
                "counts",
                "movement",
                f"junction {junction.id} has no counted movement; valid are {valid}, ...",
            )


def uncounted(site: Site, counts: Sequence[CountRow]) -> tuple[str, ...]:
    """Movements of which the counts say nothing: a plan is made as if nobody drove them."""
    counted = {row.movement for row in counts if row.coverage > 0}
    return tuple(
        movement.id
        for junction in site.junctions.values()
        for movement in junction.movements
        if movement.id not in counted
    )


def lane_geometry(net: NetFile, junctions: Mapping[str, Junction]) -> Iterator[LaneGeometry]:
    """Lanes at the stop lines with the movements that they serve."""
    for junction in junctions.values():
        for approach in junction.approaches:
            for lane in net.edges[approach].lanes:
                served = tuple(m.id for m in junction.movements if lane.id in m.lanes)
                if served:
                    yield LaneGeometry(
                        id=lane.id,
                        junction=junction.id,
                        approach=approach,
                        width_m=lane.width_m,
                        length_m=lane.length_m,
                        movements=served,
                    )


def link_geometry(
    net: NetFile,
    junctions: Mapping[str, Junction],
    mix: Sequence[tuple[Cruising, float]] = (),
) -> Iterator[LinkGeometry]:
    """Roads from signal to signal, going straight on where no signal stands between."""
    approach_of = {
        m.from_edge: junction.id for junction in junctions.values() for m in junction.movements
    }
    for junction in sorted(junctions.values(), key=lambda item: item.id):
        for exit_edge in sorted({m.to_edge for m in junction.movements}):
            path = _to_next_signal(net, exit_edge, approach_of)
            if path is None or approach_of[path[-1]] == junction.id:
                continue
            lengths = [_lane(net, edge)[0] for edge in path]
            speeds = [_lane(net, edge)[1] for edge in path]
            time_s = sum(length / speed for length, speed in zip(lengths, speeds, strict=True))
            length_m = sum(lengths) + sum(
                _through_m(net, before, after) for before, after in pairwise(path)
            )
            yield LinkGeometry(
                upstream=junction.id,
                downstream=approach_of[path[-1]],
                movements=tuple(m.id for m in junction.movements if m.to_edge == exit_edge),
                approach=path[-1],
                length_m=length_m + _crossing_m(net, junction, exit_edge),
                speed_mps=mean_speed_mps(mix or ((Cruising(), 1.0),), sum(lengths) / time_s),
                lanes=min(len(net.edges[edge].traffic_lanes) for edge in path) or 1,
            )


def _to_next_signal(
    net: NetFile, edge: str, approach_of: Mapping[str, str]
) -> tuple[str, ...] | None:
    path = [edge]
    length_m = _lane(net, edge)[0]
    while path[-1] not in approach_of:
        onward = [
            link
            for link in net.outgoing(path[-1])
            if not link.tl and not link.to_edge.startswith(":") and link.direction == "s"
        ]
        targets = sorted({link.to_edge for link in onward} - set(path))
        if len(targets) != 1 or len(path) >= _MAX_EDGES:
            return None
        path.append(targets[0])
        length_m += _lane(net, targets[0])[0]
    return tuple(path) if length_m <= MAX_LINK_M else None


def _lane(net: NetFile, edge: str) -> tuple[float, float]:
    """Length in m and limit in m/s of the edge's traffic lanes (its widest use)."""
    found = net.edges[edge]
    lanes = found.traffic_lanes or found.lanes
    return max(lane.length_m for lane in lanes), max(lane.speed_mps for lane in lanes)


def _through_m(net: NetFile, before: str, after: str) -> float:
    """Length of the way through the node between two edges."""
    for link in net.outgoing(before):
        if link.to_edge == after and link.via:
            edge, _, index = link.via.rpartition("_")
            return float(net.edges[edge].lanes[int(index)].length_m)
    return 0.0


def _crossing_m(net: NetFile, junction: Junction, exit_edge: str) -> float:
    """Mean way from the stop lines through the junction onto an exit, going straight."""
    ways = [
        _through_m(net, m.from_edge, exit_edge) for m in junction.movements
        if m.to_edge == exit_edge
    ]  # fmt: skip
    return max(ways, default=0.0)


@dataclass(frozen=True, slots=True)
class Cruising:
    """How a class drives when nothing hinders it: part of the limit, less what it dawdles."""

    speed_factor: float = 1.0
    dawdle_mps: float = 0.0

    def speed_mps(self, limit_mps: float) -> float:
        """Mean speed at a limit."""
        return max(1.0, self.speed_factor * limit_mps - self.dawdle_mps)


def mean_speed_mps(mix: Sequence[tuple[Cruising, float]], limit_mps: float) -> float:
    """Speed whose travel time is the mix's mean: harmonic over the classes."""
    total = sum(share for _, share in mix)
    slowness = sum(share / kind.speed_mps(limit_mps) for kind, share in mix) / total
    return 1.0 / slowness


def cruising_mix(site: Site, counts: Sequence[CountRow]) -> tuple[tuple[Cruising, float], ...]:
    """Counted classes with the cruising of their vehicle types, and their volume.

    A driver after Krauss fluctuates below the wanted speed by up to sigma x acceleration x
    step, half of it in the mean.

    Raises:
        BadInput: If the site's vehicle types cannot be read.
    """
    plain = ((Cruising(), 1.0),)
    name = site.simulation.vehicle_types
    if not name:
        return plain
    path = site.folder / name
    try:
        root = ElementTree.parse(path).getroot()
    except OSError as error:
        raise BadInput(str(path), "", f"cannot be read: {error.strerror}") from None
    except ElementTree.ParseError as error:
        raise BadInput(str(path), "", f"cannot be read as vehicle types: {error}") from None
    if root is None:
        raise BadInput(str(path), "", "holds no vehicle types")
    kinds: dict[str, Cruising] = {}
    for item in root.iter("vType"):
        number = re.search(r"\d*\.?\d+", item.get("speedFactor", "1"))
        dawdle = float(item.get("sigma", "0.5")) * float(item.get("accel", "2.6")) / 2.0
        kinds.setdefault(
            counted_class(item.get("vClass", "passenger")),
            Cruising(float(number.group()) if number else 1.0, dawdle * site.simulation.step_s),
        )
    volumes: dict[str, float] = {}
    for classes in movement_flows_vph(counts).values():
        for kind, vph in classes.items():
            volumes[kind] = volumes.get(kind, 0.0) + vph
    mix = tuple(
        (kinds[kind], vph) for kind, vph in sorted(volumes.items()) if kind in kinds and vph > 0
    )
    return mix or plain
