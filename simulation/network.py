"""Junctions of a SUMO network: movements, crossings, and what conflicts with what."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from models.camera import CameraPose, CameraView, MovementPath, Point, SourceKind
from models.errors import BadInput, XanhError
from models.junction import (
    Junction,
    Movement,
    PedestrianCrossing,
    SafetyEnvelope,
    Turn,
    movement_id,
)
from simulation.camera import PinholeCamera
from simulation.netfile import NetFile, NetLane, NetLink, NetNode, lane_direction, read_net
from simulation.netprograms import RAIL_KINDS

WALKING_SPEED_MPS = 1.2
"""Pedestrian clearance = length of the crossing / this (HCM, MUTCD: 3.5 to 4 ft/s)."""
_OPPOSING_COSINE = -0.3
"""Approaches whose directions of travel differ by more than about 107 degrees are opposing."""
_TURNS = {
    "l": Turn.LEFT,
    "L": Turn.LEFT,
    "r": Turn.RIGHT,
    "R": Turn.RIGHT,
    "t": Turn.UTURN,
    "s": Turn.THROUGH,
}
ZONE_LENGTH_M = 40.0
ZONE_MARGIN_M = 1.5
PATH_BEFORE_M = 10.0
PATH_AFTER_M = 15.0


@dataclass(frozen=True, slots=True)
class SignalsRead:
    """The junctions of a network, and why each other signal could not be taken, by its id."""

    junctions: Mapping[str, Junction]
    reasons: Mapping[str, str]

    @property
    def refused(self) -> tuple[str, ...]:
        """One line for each signal that could not be taken."""
        return tuple(
            f"junction {name} cannot be taken: {why}" for name, why in self.reasons.items()
        )


def read_junctions(
    net_path: Path,
    envelopes: Mapping[str, SafetyEnvelope] | None = None,
    *,
    default: SafetyEnvelope | None = None,
    names: Mapping[str, str] | None = None,
) -> dict[str, Junction]:
    """Every signalized junction of a network, by id, in the order of its first signal.

    Args:
        net_path: The ``.net.xml``.
        envelopes: Safety envelope per junction id. A crossing without a pedestrian clearance in
            its envelope gets its length at 1.2 m/s, rounded up to a whole second.
        default: Envelope of a junction that ``envelopes`` does not name.
        names: Names to show, where the network has none or others are wanted.

    Raises:
        BadInput: If the network cannot be read.
        XanhError: If none of its signals can be taken.
    """
    read = read_signals(net_path, envelopes, default=default, names=names)
    if not read.junctions:
        why = "; ".join(read.refused) or "it has no signals"
        raise XanhError(f"{net_path}: no signalized junction can be taken: {why}")
    return dict(read.junctions)


def read_signals(
    net_path: Path,
    envelopes: Mapping[str, SafetyEnvelope] | None = None,
    *,
    default: SafetyEnvelope | None = None,
    names: Mapping[str, str] | None = None,
) -> SignalsRead:
    """As :func:`read_junctions`, with the reasons for signals that cannot be taken."""
    net = read_net(net_path)
    by_signal: dict[str, list[NetLink]] = defaultdict(list)
    by_node: dict[str, list[NetLink]] = defaultdict(list)
    inner: dict[str, set[int]] = defaultdict(set)
    for link in net.links:
        # The second part of an indirect turn waits inside the junction, at another link's head.
        if link.tl and net.function(link.from_edge) == "internal":
            inner[link.tl].add(link.index)
        elif link.tl:
            by_signal[link.tl].append(link)
            if link.from_edge in net.edges:
                by_node[net.edges[link.from_edge].to_node].append(link)
    junctions: dict[str, Junction] = {}
    refused: dict[str, str] = {}
    for signal in sorted({*net.programs, *by_signal}):
        envelope = (envelopes or {}).get(signal, default or SafetyEnvelope())
        links = by_signal.get(signal, [])
        alone = inner[signal] - {link.index for link in links}
        if alone:
            refused[signal] = f"its link {min(alone)} is only the second part of an indirect turn"
            continue
        try:
            junction = _junction(net, signal, links, envelope, by_node)
        except BadInput as error:
            refused[signal] = error.valid
            continue
        name = (names or {}).get(signal)
        junctions[signal] = replace(junction, name=name) if name else junction
    return SignalsRead(junctions, refused)


@dataclass(frozen=True, slots=True)
class LinkRightOfWay:
    """Links of one signal: unordered pairs that cross, ordered pairs (yielding, priority)."""

    conflicts: frozenset[frozenset[int]]
    yields: frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Request:
    """A signal link within one node's right-of-way matrix."""

    node: str
    row: int
    link: int
    owner: str


def _junction(
    net: NetFile,
    signal: str,
    links: Sequence[NetLink],
    envelope: SafetyEnvelope,
    others: Mapping[str, Sequence[NetLink]],
) -> Junction:
    def refuse(why: str) -> BadInput:
        return BadInput(signal, "", why)

    program = net.programs.get(signal)
    node = net.nodes.get(signal)
    if RAIL_KINDS & {program.kind if program else "", node.kind if node else ""}:
        raise refuse("it is a railway signal")
    if program is None:
        raise refuse("the network has no program for it")
    if program.unusable:
        raise refuse(program.unusable)
    unnumbered = [link for link in links if link.index < 0]
    if unnumbered:
        link = unnumbered[0]
        raise refuse(f"the connection {link.from_edge} -> {link.to_edge} has no link index")

    vehicle_links, crossing_links = _grouped(net, links)
    if not vehicle_links:
        raise refuse("it rules no vehicles")

    movements = tuple(
        _movement(signal, net, pair, group)
        for pair, group in sorted(vehicle_links.items(), key=lambda item: item[1][0].index)
    )
    crossings = tuple(
        PedestrianCrossing(
            id=crossing,
            edges=net.edges[crossing].crossing_edges,
            links=tuple(sorted(indices)),
            length_m=net.edges[crossing].lanes[0].length_m,
        )
        for crossing, indices in sorted(crossing_links.items(), key=lambda item: min(item[1]))
    )
    requests, nodes = _requests(net, signal, vehicle_links, crossing_links)
    _refuse_shared_nodes(net, signal, nodes, requests, others)
    conflicts, yields = _right_of_way(requests, nodes)
    allowed = {
        (yielding, priority)
        for yielding, priority in yields
        if _may_give_way(net, yielding, priority, movements, crossings)
        or _shown_giving_way(program.rows, yielding, priority, requests)
    }
    return Junction(
        id=signal,
        movements=movements,
        crossings=crossings,
        conflicts=frozenset(conflicts),
        permissive=frozenset(allowed),
        tied=_tied(movements, crossings),
        envelope=with_crossing_clearances(envelope, crossings),
        name=next((node.name for node in nodes.values() if node.name), ""),
        x_m=sum(node.x_m for node in nodes.values()) / len(nodes),
        y_m=sum(node.y_m for node in nodes.values()) / len(nodes),
    )


def _grouped(
    net: NetFile, links: Sequence[NetLink]
) -> tuple[dict[tuple[str, str], list[NetLink]], dict[str, set[int]]]:
    """Links of a signal: those of vehicles by pair of edges, indices by pedestrian crossing."""
    vehicle_links: dict[tuple[str, str], list[NetLink]] = defaultdict(list)
    crossing_links: dict[str, set[int]] = defaultdict(set)
    for link in links:
        crossing = next(
            (
                edge
                for edge in (link.to_edge, link.from_edge)
                if edge in net.edges and net.edges[edge].function == "crossing"
            ),
            None,
        )
        if crossing is not None:
            crossing_links[crossing].add(link.index)
        else:
            vehicle_links[link.from_edge, link.to_edge].append(link)
    return vehicle_links, crossing_links


def link_right_of_way(net: NetFile, signal: str) -> LinkRightOfWay:
    """Which links of a signal cross each other, and which of two always gives way.

    Raises:
        BadInput: If the network holds no right of way for one of them.
    """
    own = [k for k in net.links if k.tl == signal and net.function(k.from_edge) != "internal"]
    vehicle_links, crossing_links = _grouped(net, own)
    requests, nodes = _requests(net, signal, vehicle_links, crossing_links)
    conflicts: set[frozenset[int]] = set()
    yields: set[tuple[int, int]] = set()
    for one in requests:
        node = nodes[one.node]
        for other in requests:
            if one.link == other.link or one.node != other.node or one.owner == other.owner:
                continue
            if node.foes[one.row] >> other.row & 1 or node.foes[other.row] >> one.row & 1:
                conflicts.add(frozenset((one.link, other.link)))
            if node.response[one.row] >> other.row & 1:
                yields.add((one.link, other.link))
    return LinkRightOfWay(frozenset(conflicts), frozenset(yields))


def _tied(
    movements: Sequence[Movement], crossings: Sequence[PedestrianCrossing]
) -> frozenset[frozenset[str]]:
    """Ids that share a signal head: whatever one of them is shown, the others are too."""
    users: dict[int, set[str]] = defaultdict(set)
    for name, links in [(m.id, m.links) for m in movements] + [(c.id, c.links) for c in crossings]:
        for link in links:
            users[link].add(name)
    groups: list[set[str]] = []
    for ids in users.values():
        touched = [group for group in groups if group & ids]
        groups = [group for group in groups if not group & ids]
        groups.append(ids.union(*touched))
    return frozenset(frozenset(group) for group in groups if len(group) > 1)


def with_crossing_clearances(
    envelope: SafetyEnvelope, crossings: Iterable[PedestrianCrossing]
) -> SafetyEnvelope:
    """Fill in the pedestrian clearance of each crossing that the envelope does not name."""
    clearances = {
        crossing.id: 10 * math.ceil(crossing.length_m / WALKING_SPEED_MPS - 1e-9)
        for crossing in crossings
    }
    return replace(envelope, ped_clearance_ds={**clearances, **envelope.ped_clearance_ds})


def _movement(
    signal: str, net: NetFile, pair: tuple[str, str], links: Sequence[NetLink]
) -> Movement:
    from_edge, to_edge = pair
    turns = Counter(_TURNS.get(link.direction, Turn.THROUGH) for link in links)
    lanes = net.edges[from_edge].lanes
    return Movement(
        id=movement_id(signal, from_edge, to_edge),
        from_edge=from_edge,
        to_edge=to_edge,
        turn=turns.most_common(1)[0][0],
        lanes=tuple(lanes[index].id for index in sorted({link.from_lane for link in links})),
        links=tuple(sorted({link.index for link in links})),
    )


def _requests(
    net: NetFile,
    signal: str,
    vehicle_links: Mapping[tuple[str, str], Sequence[NetLink]],
    crossing_links: Mapping[str, set[int]],
) -> tuple[list[_Request], dict[str, NetNode]]:
    """Every signal link with its row in the right-of-way matrix of the node that it crosses."""
    requests: list[_Request] = []
    nodes: dict[str, NetNode] = {}
    for (from_edge, to_edge), links in vehicle_links.items():
        node = net.nodes.get(net.edges[from_edge].to_node)
        if node is None:
            raise BadInput(signal, "", f"edge {from_edge} ends at no known junction")
        nodes[node.id] = node
        owner = movement_id(signal, from_edge, to_edge)
        for link in links:
            requests.append(_Request(node.id, _request_row(net, node, link), link.index, owner))
    for crossing, indices in crossing_links.items():
        lane = f"{crossing}_0"
        node = next((n for n in nodes.values() if lane in n.internal_lanes), None)
        if node is None:
            raise BadInput(signal, "", f"crossing {crossing} belongs to none of its junctions")
        row = node.internal_lanes.index(lane)
        requests += [_Request(node.id, row, index, crossing) for index in sorted(indices)]
    for request in requests:
        if request.row not in nodes[request.node].foes:
            raise BadInput(
                signal,
                "",
                f"the network holds no right of way for its link {request.link} "
                f"(junction {request.node} is of type {nodes[request.node].kind})",
            )
    return requests, nodes


def _refuse_shared_nodes(
    net: NetFile,
    signal: str,
    nodes: Mapping[str, NetNode],
    requests: Sequence[_Request],
    others: Mapping[str, Sequence[NetLink]],
) -> None:
    """Refuse a signal whose paths cross those of another signal: nothing would keep them apart.

    Raises:
        BadInput: Naming the other signal.
    """
    own = {(request.node, request.row) for request in requests}
    for link in (link for name in nodes for link in others.get(name, ())):
        node = nodes[net.edges[link.from_edge].to_node]
        if link.tl == signal or net.edges[link.to_edge].function in ("crossing", "walkingarea"):
            continue
        foes = node.foes.get(_request_row(net, node, link), 0)
        if any(name == node.id and foes >> row & 1 for name, row in own):
            raise BadInput(
                signal, "", f"its paths at {node.id} cross those of another signal, {link.tl}"
            )


def _request_row(net: NetFile, node: NetNode, link: NetLink) -> int:
    """Row of a link in the node's matrix: SUMO numbers internal lanes ``:NODE_ROW_LANE``."""
    prefix = f":{node.id}_"
    if link.via.startswith(prefix):
        first, _, lane = link.via[len(prefix) :].rpartition("_")
        if first.isdigit() and lane.isdigit():
            return int(first) + int(lane)
    # A network without internal lanes: rows follow the incoming lanes and their connections.
    row = 0
    for lane_id in node.incoming_lanes:
        edge, _, index = lane_id.rpartition("_")
        for candidate in net.links:
            if candidate.from_edge != edge or candidate.from_lane != int(index):
                continue
            if candidate is link:
                return row
            row += net.edges[candidate.to_edge].function not in ("walkingarea", "internal")
    raise BadInput(link.tl, "", f"link {link.index} enters {node.id} by no lane of it")


def _right_of_way(
    requests: Sequence[_Request], nodes: Mapping[str, NetNode]
) -> tuple[set[frozenset[str]], set[tuple[str, str]]]:
    """Conflicting pairs, and ordered pairs in which the first always gives way to the second."""
    conflicts: set[frozenset[str]] = set()
    gives_way: dict[tuple[str, str], bool] = {}
    for one in requests:
        node = nodes[one.node]
        for other in requests:
            if one.owner == other.owner or one.node != other.node:
                continue
            if not (node.foes[one.row] >> other.row & 1 or node.foes[other.row] >> one.row & 1):
                continue
            conflicts.add(frozenset((one.owner, other.owner)))
            yields = bool(
                node.response[one.row] >> other.row & 1
                and not node.response[other.row] >> one.row & 1
            )
            key = (one.owner, other.owner)
            gives_way[key] = gives_way.get(key, True) and yields
    return conflicts, {pair for pair, always in gives_way.items() if always}


def _may_give_way(
    net: NetFile,
    yielding: str,
    priority: str,
    movements: Sequence[Movement],
    crossings: Sequence[PedestrianCrossing],
) -> bool:
    """Whether drivers expect to give way here on green.

    A turning movement may yield to people on the crossing of the street it enters, and to
    oncoming traffic; never to traffic from the side, whatever the network's priorities say.
    """
    by_id = {movement.id: movement for movement in movements}
    turning = by_id.get(yielding)
    if turning is None or turning.turn is Turn.THROUGH:
        return False
    crossing = next((c for c in crossings if c.id == priority), None)
    if crossing is not None:
        return turning.to_edge in crossing.edges
    oncoming = by_id[priority]
    ax, ay = lane_direction(net.edges[turning.from_edge].lanes[-1], at_end=True)
    bx, by = lane_direction(net.edges[oncoming.from_edge].lanes[-1], at_end=True)
    return ax * bx + ay * by < _OPPOSING_COSINE


def _shown_giving_way(
    rows: Sequence[tuple[float, str]], yielding: str, priority: str, requests: Sequence[_Request]
) -> bool:
    """Whether the network's own program shows the pair together, the first as permissive."""
    own = [r.link for r in requests if r.owner == yielding]
    others = [r.link for r in requests if r.owner == priority]
    return any(
        any(state[i] == "g" for i in own)
        and not any(state[i] == "G" for i in own)
        and any(state[j] in "Gg" for j in others)
        for _, state in rows
    )


def camera_view(
    net_path: Path,
    junction_id: str,
    approach: str,
    pose: CameraPose,
    camera: str,
    source_kind: SourceKind = SourceKind.PIXELS,
) -> CameraView:
    """What a camera over one approach sees, in network metres.

    The stop line spans the approach's traffic lanes where they end; the zone is those lanes'
    last 40 m with a margin of 1.5 m; each movement has one path per connected lane, from 10 m
    before the line through the junction to 15 m into the exit. Travel against the traffic is
    an offence (``wrong_way``) where no lanes lead back between the same two junctions.

    Raises:
        BadInput: If no such approach leads to such a junction.
    """
    net = read_net(net_path)
    links = [
        link for link in net.links if link.tl == junction_id and not link.from_edge.startswith(":")
    ]
    approaches = list(dict.fromkeys(link.from_edge for link in links))
    if approach not in approaches:
        raise BadInput(
            f"camera {camera}",
            "approach",
            f"{approach!r} does not lead to {junction_id}; valid are {', '.join(approaches)}",
        )
    edge = net.edges[approach]
    lanes = edge.traffic_lanes or edge.lanes
    right, left = (lanes[-1], lanes[0]) if net.left_hand else (lanes[0], lanes[-1])
    inward = lane_direction(right, at_end=True)
    paths = [
        MovementPath(movement_id(junction_id, approach, link.to_edge), _path(net, link))
        for link in links
        if link.from_edge == approach
    ]
    pinhole = PinholeCamera(pose)
    return CameraView(
        camera=camera,
        junction=junction_id,
        width_px=pose.width_px,
        height_px=pose.height_px,
        ground_from_image=pinhole.ground_from_image(),
        metric=True,
        stop_line=(
            _aside(left.shape[-1], inward, left.width_m / 2),
            _aside(right.shape[-1], inward, -right.width_m / 2),
        ),
        inward=inward,
        zone=_zone(left, right),
        movements=tuple(paths),
        calibration_version=f"pose-{hashlib.sha256(repr(pose).encode()).hexdigest()[:8]}",
        source_kind=source_kind,
        wrong_way=not any(
            other.from_node == edge.to_node
            and other.to_node == edge.from_node
            and other.traffic_lanes
            for other in net.edges.values()
        ),
    )


def _zone(left: NetLane, right: NetLane) -> tuple[Point, ...]:
    margin = ZONE_MARGIN_M
    sides = []
    for lane, aside in ((left, left.width_m / 2 + margin), (right, -right.width_m / 2 - margin)):
        line = cut_line(tuple(reversed(lane.shape)), ZONE_LENGTH_M + margin)[::-1]
        ahead = lane_direction(lane, at_end=True)
        line = (*line, (line[-1][0] + ahead[0] * margin, line[-1][1] + ahead[1] * margin))
        directions = [_unit(a, b) for a, b in pairwise(line)]
        directions.append(directions[-1])
        sides.append([_aside(p, d, aside) for p, d in zip(line, directions, strict=True)])
    return (*sides[0], *reversed(sides[1]))


def _path(net: NetFile, link: NetLink) -> tuple[Point, ...]:
    """Approach, way through the junction and exit of one connection, without repeats."""
    approach = net.edges[link.from_edge].lanes[link.from_lane].shape
    leave = net.edges[link.to_edge].lanes[link.to_lane].shape
    points = list(cut_line(tuple(reversed(approach)), PATH_BEFORE_M)[::-1])
    via = link.via
    while via:
        edge, _, index = via.rpartition("_")
        points += net.edges[edge].lanes[int(index)].shape
        via = next(
            (o.via for o in net.outgoing(edge) if o.from_lane == int(index)),
            "",
        )
    points += cut_line(leave, PATH_AFTER_M)
    return tuple(p for i, p in enumerate(points) if i == 0 or math.dist(p, points[i - 1]) > 0.05)


def cut_line(points: Sequence[Point], length_m: float) -> tuple[Point, ...]:
    """The first ``length_m`` of a polyline, or all of it when it is shorter."""
    kept = [points[0]]
    left_m = length_m
    for a, b in pairwise(points):
        step = math.dist(a, b)
        if step >= left_m:
            part = left_m / step
            kept.append((a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part))
            break
        kept.append(b)
        left_m -= step
    return tuple(kept)


def _unit(a: Point, b: Point) -> Point:
    length = math.dist(a, b) or 1.0
    return ((b[0] - a[0]) / length, (b[1] - a[1]) / length)


def _aside(point: Point, direction: Point, left_m: float) -> Point:
    """A point moved to the left of a direction of travel (negative: to the right)."""
    return (point[0] - direction[1] * left_m, point[1] + direction[0] * left_m)
