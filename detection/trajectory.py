"""What is remembered of a track: enough for the rules, the movement and the evidence."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from models.camera import Point

MAX_POINTS: Final = 360
STILL_M: Final = 0.15
STILL_MPS: Final = 0.6
STILL_S: Final = 1.0
OFF_M: Final = 1.5
OFF_SHARE: Final = 0.1
"""By so much, and so large a share of it, the way of one who was hidden may differ from what his
speeds before and after make it."""


class TrajectoryPoint(NamedTuple):
    """One sighting of a vehicle (a tuple: one is made for each vehicle of every frame).

    ``depth_m`` is the signed distance of its front from the stop line (positive in the
    junction); ``progress_m`` the place of its centre along ``inward``. ``areas`` holds a bit for
    each of the view's areas that the centre lies in; ``whole`` is False where the picture's edge
    cuts the box.
    """

    time_s: float
    frame: int
    contact_px: Point
    centre: Point
    front: Point
    depth_m: float
    progress_m: float
    speed_mps: float
    in_zone: bool
    box_px: tuple[float, float, float, float]
    areas: int = 0
    whole: bool = True


class Trajectory:
    """Sightings of one track in ascending time; a standing vehicle adds one a second."""

    def __init__(self) -> None:
        self.points: deque[TrajectoryPoint] = deque(maxlen=MAX_POINTS)

    def add(self, point: TrajectoryPoint) -> None:
        """Remember a sighting."""
        if point.speed_mps < STILL_MPS and len(self.points) >= 2:
            last = self.points[-2]
            still = abs(point.progress_m - last.progress_m) < STILL_M
            if still and point.time_s - last.time_s < STILL_S:
                self.points.pop()
        self.points.append(point)

    def between(self, start_s: float, end_s: float) -> list[TrajectoryPoint]:
        """Sightings from ``start_s`` to ``end_s``, both included."""
        return [point for point in self.points if start_s <= point.time_s <= end_s]


def mean_velocity(points: Sequence[TrajectoryPoint], least_s: float) -> Point | None:
    """Velocity from the first to the last of these sightings, units of the plane per second.

    None where they span less than ``least_s``: boxes scatter.
    """
    span_s = points[-1].time_s - points[0].time_s if points else 0.0
    if not points or span_s < least_s:
        return None
    (from_x, from_y), (to_x, to_y) = points[0].centre, points[-1].centre
    return (to_x - from_x) / span_s, (to_y - from_y) / span_s


def speeds_explain(now: TrajectoryPoint, later: TrajectoryPoint, way_m: float) -> bool:
    """Whether the speeds at both ends of a gap explain the way in between, metres."""
    driven_m = (now.speed_mps + later.speed_mps) / 2 * (later.time_s - now.time_s)
    return abs(way_m - driven_m) <= OFF_M + OFF_SHARE * way_m
