"""What a network's marks say of one approach and the way straight on: where nobody may stop, the
pavements, the inside of the junction, the speed limit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from models.camera import AreaKind, Point, RoadArea, RoadRules
from simulation.netfile import NetFile, NetLane, lane_direction, read_net

APPROACH_M = 30.0
"""Pavements and lanes are marked so far back from the stop line."""
EXIT_M = 45.0
"""And so far beyond the junction."""
KERB_M = 0.3
"""A wheel on the kerb is not on the pavement yet."""
NO_STOPPING_FROM_M = 3.0
BOX_FROM_M = 7.0
"""The inside of the junction begins past the pedestrian crossing."""
BOX_TO_M = 4.0
BOX_MARGIN_M = 1.0


def road_rules(net_path: Path, junction: str, approach: str) -> RoadRules:
    """Marks of an approach, in network metres.

    Pavements are the footways beside the approach's last 30 m and the straight exit's first 45 m;
    no stopping holds on that exit's traffic lanes; the box is the part of the junction between
    the pedestrian crossings that lies straight ahead. The speed limit is the approach's.

    Raises:
        BadInput: If the network cannot be read.
    """
    net = read_net(net_path)
    edge = net.edges[approach]
    lanes = edge.traffic_lanes or edge.lanes
    areas = [
        RoadArea(AreaKind.PAVEMENT, lane_outline(lane, at_end=True, length_m=APPROACH_M))
        for lane in _footways(net, approach)
    ]
    ahead = straight_exit(net, junction, approach)
    if ahead is not None:
        leave = net.edges[ahead].traffic_lanes or net.edges[ahead].lanes
        areas += [
            RoadArea(AreaKind.PAVEMENT, lane_outline(lane, at_end=False, length_m=EXIT_M))
            for lane in _footways(net, ahead)
        ]
        areas.append(RoadArea(AreaKind.NO_STOPPING, _carriageway(leave)))
        box = _box(lanes, leave)
        if box is not None:
            areas.append(RoadArea(AreaKind.BOX, box))
    return RoadRules(areas=tuple(areas), speed_limit_mps=lanes[0].speed_mps)


def straight_exit(net: NetFile, junction: str, approach: str) -> str | None:
    """The edge straight ahead of an approach; None where there is none."""
    return next(
        (
            link.to_edge
            for link in net.links
            if link.tl == junction and link.from_edge == approach and link.direction == "s"
        ),
        None,
    )


def lane_outline(
    lane: NetLane, *, at_end: bool, length_m: float, from_m: float = 0.0, narrow_m: float = KERB_M
) -> tuple[Point, ...]:
    """A stretch of a lane at its end or its beginning, ``narrow_m`` narrower on either side."""
    shape = tuple(reversed(lane.shape)) if at_end else lane.shape
    half_m = lane.width_m / 2 - narrow_m
    line = _between(shape, from_m, length_m)
    return (*_beside(line, half_m), *reversed(_beside(line, -half_m)))


def _footways(net: NetFile, edge: str) -> list[NetLane]:
    return [lane for lane in net.edges[edge].lanes if lane.allow == {"pedestrian"}]


def _carriageway(lanes: Sequence[NetLane]) -> tuple[Point, ...]:
    right = _between(lanes[0].shape, NO_STOPPING_FROM_M, EXIT_M)
    left = _between(lanes[-1].shape, NO_STOPPING_FROM_M, EXIT_M)
    return (
        *_beside(left, lanes[-1].width_m / 2),
        *reversed(_beside(right, -lanes[0].width_m / 2)),
    )


def _box(lanes: Sequence[NetLane], leave: Sequence[NetLane]) -> tuple[Point, ...] | None:
    ix, iy = lane_direction(lanes[0], at_end=True)
    right = lanes[0].shape[-1]
    left = lanes[-1].shape[-1]
    depth_m = min(
        (lane.shape[0][0] - right[0]) * ix + (lane.shape[0][1] - right[1]) * iy for lane in leave
    )
    if depth_m - BOX_TO_M < BOX_FROM_M + 3.0:
        return None
    beside_r = -lanes[0].width_m / 2 - BOX_MARGIN_M
    beside_l = lanes[-1].width_m / 2 + BOX_MARGIN_M

    def at(origin: Point, along_m: float, left_m: float) -> Point:
        return (origin[0] + ix * along_m - iy * left_m, origin[1] + iy * along_m + ix * left_m)

    end_m = depth_m - BOX_TO_M
    return (
        at(left, BOX_FROM_M, beside_l),
        at(left, end_m, beside_l),
        at(right, end_m, beside_r),
        at(right, BOX_FROM_M, beside_r),
    )


def _between(points: Sequence[Point], from_m: float, to_m: float) -> list[Point]:
    """The part of a polyline between two distances along it."""
    found: list[Point] = []
    gone = 0.0
    for a, b in pairwise(points):
        step = math.dist(a, b)
        for limit in (from_m, to_m):
            if gone <= limit <= gone + step and step > 0:
                part = (limit - gone) / step
                found.append((a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part))
        gone += step
        if from_m < gone < to_m:
            found.append(b)
    return found


def _beside(line: Sequence[Point], left_m: float) -> list[Point]:
    """A polyline moved to its left, each corner along its own segment's normal."""
    moved = []
    for index, (x, y) in enumerate(line):
        a, b = (line[index], line[index + 1]) if index + 1 < len(line) else (line[-2], line[-1])
        length = math.dist(a, b) or 1.0
        moved.append((x - (b[1] - a[1]) / length * left_m, y + (b[0] - a[0]) / length * left_m))
    return moved
