"""Rides that the network has no lanes for: turning back, along the pavement.

SUMO keeps its vehicles on their lanes. A rider who leaves them is taken out of SUMO and ridden
along a path of his own, one second at a time; cameras see him as before, under the same number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from models.camera import Point
from simulation.netfile import NetLane
from simulation.states import VehicleStates

PAVEMENT_MPS, BACK_MPS = 4.5, 2.8
"""Speeds along a pavement, and round a tight half circle."""
EASE_MPS2 = 3.5
TURN_AHEAD_M = 7.0
"""A rider who turns back rides on so far first."""
ONTO_M = 8.0
"""Along so much road a rider drifts onto the pavement."""
CLEAR_M = 1.6
CLEAR_S = 5.0


@dataclass(frozen=True, slots=True)
class Ride:
    """A rider off the lanes: his path (of the vehicle's middle), place on it, and looks."""

    state: VehicleStates
    path: tuple[Point, ...]
    along_m: float
    speed_mps: float
    target_mps: float

    @property
    def length_m(self) -> float:
        """Length of the path."""
        return math.fsum(math.dist(a, b) for a, b in pairwise(self.path))

    @property
    def over(self) -> bool:
        """Whether he has come to its end."""
        return self.along_m >= self.length_m

    def after(self, seconds: float) -> Ride:
        """The ride so much later: its speed eases towards ``target_mps``."""
        ease = EASE_MPS2 * seconds
        speed = self.speed_mps + min(max(self.target_mps - self.speed_mps, -ease), ease)
        along = self.along_m + (self.speed_mps + speed) / 2 * seconds
        (x, y), heading = place_on(self.path, along)
        state = replace(
            self.state,
            x_m=np.array([x]),
            y_m=np.array([y]),
            heading_rad=np.array([heading]),
            speed_mps=np.array([speed]),
        )
        return Ride(state, self.path, along, speed, self.target_mps)


def place_on(path: Sequence[Point], along_m: float) -> tuple[Point, float]:
    """Point and compass heading at a distance along a path; its end beyond it."""
    left = along_m
    for a, b in pairwise(path):
        step = math.dist(a, b)
        if left <= step or b is path[-1]:
            part = min(left / step, 1.0) if step else 1.0
            heading = math.atan2(b[0] - a[0], b[1] - a[1])
            return (a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part), heading
        left -= step
    raise ValueError("a path needs two points")


def back_path(place: Point, inward: Point, leave: NetLane, reach_m: float) -> tuple[Point, ...]:
    """From a place past the line on, round in a half circle, and away along an opposite lane."""
    ix, iy = inward
    x0, y0 = place
    start = leave.shape[0]
    beside = (start[0] - x0) * -iy + (start[1] - y0) * ix
    radius = beside / 2
    turn = (x0 + ix * TURN_AHEAD_M, y0 + iy * TURN_AHEAD_M)
    points = [place, turn]
    for step in range(1, 13):
        angle = math.pi * step / 12
        left = radius * (1 - math.cos(angle))
        ahead = abs(radius) * math.sin(angle)
        points.append((turn[0] - iy * left + ix * ahead, turn[1] + ix * left + iy * ahead))
    return (*points, *_first(leave.shape, reach_m))


def pavement_path(place: Point, footway: NetLane, length_m: float) -> tuple[Point, ...]:
    """From a place on the road onto a footway beside it, and along that for ``length_m``."""
    shape = footway.shape
    ax, ay = shape[0]
    bx, by = shape[1]
    span = math.hypot(bx - ax, by - ay)
    ux, uy = (bx - ax) / span, (by - ay) / span
    along = (place[0] - ax) * ux + (place[1] - ay) * uy + ONTO_M
    return (
        place,
        (ax + ux * along, ay + uy * along),
        (ax + ux * (along + length_m), ay + uy * (along + length_m)),
    )


def is_clear(path: Sequence[Point], others: VehicleStates, itself: int, speed_mps: float) -> bool:
    """Whether nobody will be within ``CLEAR_M`` of the path when the rider comes there.

    The others are taken to go straight on at their speed.
    """
    vx = np.sin(others.heading_rad) * others.speed_mps
    vy = np.cos(others.heading_rad) * others.speed_mps
    room = CLEAR_M + others.length_m / 2 - 0.5
    for second in np.arange(1.0, CLEAR_S, 0.5):
        (x, y), _ = place_on(path, speed_mps * float(second))
        gaps = np.hypot(others.x_m + vx * second - x, others.y_m + vy * second - y)
        if ((gaps < room) & (others.id != itself)).any():
            return False
    return True


def _first(points: Sequence[Point], length_m: float) -> list[Point]:
    kept, left = [points[0]], length_m
    for a, b in pairwise(points):
        step = math.dist(a, b)
        if step >= left:
            part = left / step
            return [*kept, (a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part)]
        kept.append(b)
        left -= step
    return kept
