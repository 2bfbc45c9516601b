"""The scene of a junction of a SUMO network, and where to hang a camera over an approach."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from models.camera import CameraPose
from models.errors import BadInput
from simulation.netfile import NetEdge, NetFile, NetLane, NetNode, read_net
from simulation.scene import (
    OVERCAST,
    VIEW_RADIUS_M,
    Crossing,
    Lane,
    Leg,
    Light,
    SceneGeometry,
    point_along,
    polyline_length,
)
from simulation.scene_builder import junction_scene
from simulation.states import FloatArray

CAMERA_BACK_M = 20.0
CAMERA_HEIGHT_M = 8.5
CAMERA_PITCH_DEG = 23.0
CAMERA_HFOV_DEG = 58.0
"""At these a rider at the stop line is about 40 px tall in a 640 px wide frame, some 12 m of
queue, the whole junction and the signal head are in the picture."""

_FAR_M = VIEW_RADIUS_M + 30.0
_PAVEMENT_M = 3.0
_OPPOSITE_COS = -0.8


def scene_from_network(
    net_path: Path, junction_id: str, *, light: Light = OVERCAST, seed: int | None = None
) -> SceneGeometry:
    """The street around a junction as its cameras see it, in network coordinates.

    Road, lane lines, stop lines and crossings are the network's; house fronts, trees and parked
    motorcycles are drawn at random from ``seed`` (by default from the junction's id). A signal
    head stands to the right of each approach, with the approach's edge as its id.

    Raises:
        BadInput: If the network has no such junction, or no traffic can enter it.
    """
    net = read_net(net_path)
    legs = junction_legs(net, junction_id)
    node = net.nodes[junction_id]
    footprints = {
        crossing.id: crossing
        for crossing in net.edges.values()
        if crossing.function == "crossing" and crossing.id.startswith(f":{junction_id}_c")
    }
    crossings = [_crossing(edge.lanes[0]) for edge in footprints.values() if edge.lanes]
    by_id = {lane.id: lane for edge in net.edges.values() for lane in edge.lanes}
    inner = [
        Lane(np.array(by_id[lane].shape), by_id[lane].width_m)
        for lane in node.internal_lanes
        if lane in by_id and by_id[lane].allows("passenger") and len(by_id[lane].shape) > 1
    ]
    if seed is None:
        seed = zlib.crc32(junction_id.encode())
    return junction_scene(
        legs, seed, light=light, inner=inner, crossings=crossings, pavement_m=_PAVEMENT_M
    )


def junction_legs(net: NetFile, junction_id: str) -> tuple[Leg, ...]:
    """The streets of a junction, each with its lanes in both directions.

    Raises:
        BadInput: If the network has no such junction, or no traffic can enter it.
    """
    node = net.nodes.get(junction_id)
    if node is None:
        raise BadInput(str(net.path), junction_id, f"no such junction; valid are {_some(net)}")
    entering = _streets(net, lambda edge: edge.to_node == junction_id)
    leaving = _streets(net, lambda edge: edge.from_node == junction_id)
    if not entering:
        raise BadInput(str(net.path), junction_id, "no traffic can enter this junction")
    legs = []
    free = list(leaving)
    for edge in entering:
        partner = _partner(edge, free)
        if partner is not None:
            free.remove(partner)
        legs.append(_leg(edge, partner, node))
    legs += [_leg(None, edge, node) for edge in free]
    return tuple(legs)


def approach_camera_pose(net_path: Path, edge_id: str) -> CameraPose:
    """A camera on a mast behind an approach's stop line, looking downstream over its middle.

    Raises:
        BadInput: If the network has no such edge or it carries no traffic.
    """
    net = read_net(net_path)
    edge = net.edges.get(edge_id)
    if edge is None or not edge.traffic_lanes:
        raise BadInput(str(net_path), edge_id, "no such approach; valid is an edge with traffic")
    lanes = edge.traffic_lanes
    right, left = np.array(lanes[0].shape), np.array(lanes[-1].shape)
    (p, d), (q, _) = (point_along(x, polyline_length(x) - CAMERA_BACK_M) for x in (right, left))
    at = (p + q) / 2
    # Looks along the approach at its end: on a bend that is where the junction lies.
    _, d = point_along(right, polyline_length(right))
    return CameraPose(
        x_m=round(float(at[0]), 2),
        y_m=round(float(at[1]), 2),
        z_m=CAMERA_HEIGHT_M,
        heading_deg=round(float(np.degrees(np.arctan2(d[0], d[1]))) % 360.0, 2),
        pitch_deg=CAMERA_PITCH_DEG,
        hfov_deg=CAMERA_HFOV_DEG,
    )


def _some(net: NetFile) -> str:
    signalized = sorted(node.id for node in net.nodes.values() if node.kind == "traffic_light")
    return ", ".join(signalized[:8]) or "none"


def _streets(net: NetFile, wanted: object) -> list[NetEdge]:
    assert callable(wanted)
    return [
        edge
        for edge in net.edges.values()
        if edge.function in ("", "normal") and edge.traffic_lanes and wanted(edge)
    ]


def _partner(edge: NetEdge, leaving: list[NetEdge]) -> NetEdge | None:
    """The carriageway of the same street that leaves the junction."""
    for other in leaving:
        if other.to_node == edge.from_node:
            return other
    shape = np.array(edge.traffic_lanes[0].shape)
    end, d = point_along(shape, polyline_length(shape))
    best, nearest = None, 20.0
    for other in leaving:
        start, away = point_along(np.array(other.traffic_lanes[0].shape), 0.0)
        if float(away @ d) < _OPPOSITE_COS and np.hypot(*(start - end)) < nearest:
            best, nearest = other, float(np.hypot(*(start - end)))
    return best


def _leg(entering: NetEdge | None, leaving: NetEdge | None, node: NetNode) -> Leg:
    incoming = entering.traffic_lanes if entering else ()
    outgoing = leaving.traffic_lanes if leaving else ()
    name = entering.id if entering else (leaving.id if leaving else "")
    return Leg(
        name,
        tuple(
            Lane(_prolonged(np.array(lane.shape), before=True), lane.width_m) for lane in incoming
        ),
        tuple(
            Lane(_prolonged(np.array(lane.shape), before=False), lane.width_m) for lane in outgoing
        ),
        signal=node.kind.startswith("traffic_light"),
    )


def _prolonged(points: FloatArray, *, before: bool) -> FloatArray:
    """A lane that reaches out of sight, straight on beyond its far end."""
    missing = _FAR_M - polyline_length(points)
    if missing <= 0:
        return points
    if before:
        first, d = point_along(points, 0.0)
        return np.concatenate([(first - d * missing)[None], points])
    last, d = point_along(points, polyline_length(points))
    return np.concatenate([points, (last + d * missing)[None]])


def _crossing(lane: NetLane) -> Crossing:
    return Crossing(lane.shape[0], lane.shape[-1], lane.width_m)
