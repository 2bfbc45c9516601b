"""What the console draws of a SUMO network: lanes, junction outlines, stop lines, heads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import BadInput
from models.junction import Junction, Turn
from simulation.netfile import NetEdge, NetFile, NetLane, NetNode, lane_direction, read_net
from simulation.progression import Corridor, find_corridors
from simulation.roads import read_roads

Point = tuple[float, float]
Line = tuple[Point, ...]

HEAD_M = 3.3
_TURN_ORDER = {Turn.UTURN: 0, Turn.LEFT: 1, Turn.THROUGH: 2, Turn.RIGHT: 3}


@dataclass(frozen=True, slots=True)
class DrawnLane:
    """A lane's centre line in metres; ``foot`` lanes are pavements."""

    edge: str
    points: Line
    width_m: float
    foot: bool


@dataclass(frozen=True, slots=True)
class DrawnHead:
    """A signal head of one movement: where it stands and the compass heading it faces."""

    movement: str
    turn: Turn
    at: Point
    heading_rad: float


@dataclass(frozen=True, slots=True)
class DrawnApproach:
    """An approach: its centre line driven towards the stop line, the stop line, its heads.

    ``direction`` is the unit vector of travel at the stop line.
    """

    junction: str
    edge: str
    centre: Line
    width_m: float
    length_m: float
    stop_line: tuple[Point, Point]
    direction: Point
    heads: tuple[DrawnHead, ...]
    main_movement: str


@dataclass(frozen=True, slots=True)
class DrawnCrossing:
    """A pedestrian crossing: its walking line and its width along the road."""

    id: str
    points: Line
    width_m: float


@dataclass(frozen=True, slots=True)
class DrawnJunction:
    """A signalized junction: its outline, its crossings, the curve of each movement."""

    id: str
    name: str
    at: Point
    outline: Line
    approaches: tuple[DrawnApproach, ...]
    crossings: tuple[DrawnCrossing, ...]
    paths: Mapping[str, Line]


@dataclass(frozen=True, slots=True)
class DrawnNetwork:
    """Everything that the map and the junction pages draw."""

    lanes: tuple[DrawnLane, ...]
    other_outlines: tuple[Line, ...]
    junctions: Mapping[str, DrawnJunction]
    corridor: Corridor | None


def read_geometry(network: Path, junctions: Mapping[str, Junction]) -> DrawnNetwork:
    """Read the drawing of a network; junction, movement and crossing ids are the site's.

    Raises:
        BadInput: If the network cannot be read.
    """
    net = read_net(network)
    lanes = tuple(
        DrawnLane(edge.id, lane.shape, lane.width_m, _foot(lane))
        for edge in net.edges.values()
        if edge.function == "" and not _hidden(edge)
        for lane in edge.lanes
        if len(lane.shape) > 1
    )
    nodes = {key: _node(net, junction) for key, junction in junctions.items()}
    drawn = {key: _junction(net, nodes[key], junction) for key, junction in junctions.items()}
    signalized = {node.id for node in nodes.values()}
    others = tuple(
        node.shape
        for node in net.nodes.values()
        if node.id not in signalized and len(node.shape) > 2
    )
    corridors = find_corridors(junctions, read_roads(network))
    return DrawnNetwork(lanes, others, drawn, next(iter(corridors), None))


def offset(line: Sequence[Point], right_m: float) -> Line:
    """A line moved sideways, to the right of its direction when positive."""
    moved = []
    for index, point in enumerate(line):
        before, after = line[max(index - 1, 0)], line[min(index + 1, len(line) - 1)]
        dx, dy = after[0] - before[0], after[1] - before[1]
        size = math.hypot(dx, dy) or 1.0
        moved.append((point[0] + dy / size * right_m, point[1] - dx / size * right_m))
    return tuple(moved)


def _foot(lane: NetLane) -> bool:
    return lane.allows("pedestrian") and not lane.allows("motorcycle")


def _hidden(edge: NetEdge) -> bool:
    # Narrow motorcycle edges laid over another carriageway carry wrong-way riders on the
    # virtual street; they are no road of their own.
    return not edge.traffic_lanes and not any(_foot(lane) for lane in edge.lanes)


def _node(net: NetFile, junction: Junction) -> NetNode:
    approach = net.edges.get(junction.approaches[0]) if junction.approaches else None
    # The signal's id may differ from its node's (imported networks, joined signals).
    name = junction.id if junction.id in net.nodes or approach is None else approach.to_node
    if name not in net.nodes:
        raise BadInput(str(net.path), name, "is no junction of this network")
    return net.nodes[name]


def _junction(net: NetFile, node: NetNode, junction: Junction) -> DrawnJunction:
    approaches = tuple(
        _approach(net.edges[edge], junction)
        for edge in junction.approaches
        if edge in net.edges and net.edges[edge].traffic_lanes
    )
    crossings = tuple(
        DrawnCrossing(crossing.id, lane.shape, lane.width_m)
        for crossing in junction.crossings
        if crossing.id in net.edges
        for lane in net.edges[crossing.id].lanes[:1]
    )
    paths = {
        movement.id: _path(net, movement.from_edge, movement.to_edge)
        for movement in junction.movements
        if movement.from_edge in net.edges and movement.to_edge in net.edges
    }
    return DrawnJunction(
        id=junction.id,
        name=junction.name or junction.id,
        at=(node.x_m, node.y_m),
        outline=node.shape,
        approaches=approaches,
        crossings=crossings,
        paths=paths,
    )


def _approach(edge: NetEdge, junction: Junction) -> DrawnApproach:
    lanes = edge.traffic_lanes
    width = sum(lane.width_m for lane in lanes)
    kerb, inner = lanes[0].shape, lanes[-1].shape
    # A lane's shapes have the same number of points as its neighbours'; if not, follow the kerb.
    centre = (
        tuple(((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in zip(kerb, inner, strict=True))
        if len(kerb) == len(inner)
        else kerb
    )
    ux, uy = lane_direction(lanes[0], at_end=True)
    (bx, by), right, half = centre[-1], (uy, -ux), width / 2
    movements = sorted(
        (m for m in junction.movements if m.from_edge == edge.id),
        key=lambda m: _TURN_ORDER[m.turn],
    )
    heads = []
    for index, movement in enumerate(movements):
        # Side by side across the approach, never closer than heads are wide.
        side = (index - (len(movements) - 1) / 2) * max(width / len(movements), HEAD_M)
        at = (bx + right[0] * side, by + right[1] * side)
        heads.append(DrawnHead(movement.id, movement.turn, at, math.atan2(ux, uy)))
    main = max(movements, key=lambda m: (m.turn is Turn.THROUGH, len(m.lanes), len(m.links)))
    return DrawnApproach(
        junction=junction.id,
        edge=edge.id,
        centre=centre,
        width_m=width,
        length_m=lanes[0].length_m,
        stop_line=(
            (bx - right[0] * half, by - right[1] * half),
            (bx + right[0] * half, by + right[1] * half),
        ),
        direction=(ux, uy),
        heads=tuple(heads),
        main_movement=main.id,
    )


def _path(net: NetFile, from_edge: str, to_edge: str) -> Line:
    """A movement's curve: from the middle of its lanes to the middle of where they lead."""
    first, last = net.edges[from_edge], net.edges[to_edge]
    links = [link for link in net.outgoing(from_edge) if link.to_edge == to_edge]
    starts = [first.lanes[link.from_lane] for link in links] or list(first.traffic_lanes)
    ends = [last.lanes[link.to_lane] for link in links] or list(last.traffic_lanes)
    start, end = _mean([lane.shape[-1] for lane in starts]), _mean([lane.shape[0] for lane in ends])
    into, out = lane_direction(starts[0], at_end=True), lane_direction(ends[0], at_end=False)
    reach = math.dist(start, end) * 0.45
    c1 = (start[0] + into[0] * reach, start[1] + into[1] * reach)
    c2 = (end[0] - out[0] * reach, end[1] - out[1] * reach)
    return tuple(_bezier((start, c1, c2, end), step / 12) for step in range(13))


def _mean(points: Sequence[Point]) -> Point:
    return sum(p[0] for p in points) / len(points), sum(p[1] for p in points) / len(points)


def _bezier(points: tuple[Point, Point, Point, Point], u: float) -> Point:
    v = 1 - u
    weights = (v**3, 3 * v * v * u, 3 * v * u * u, u**3)
    return (
        sum(w * p[0] for w, p in zip(weights, points, strict=True)),
        sum(w * p[1] for w, p in zip(weights, points, strict=True)),
    )
