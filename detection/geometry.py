"""Lines and polygons in a view's plane."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from detection.ports import BoolArray, FloatArray
from models.camera import CameraView, Point


def inside(points: FloatArray, polygon: Sequence[Point]) -> BoolArray:
    """Which of the points (N, 2) lie within the polygon (even-odd rule)."""
    corners = np.array(polygon, np.float64)
    before = np.roll(corners, 1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    spans = (corners[:, 1] > y) != (before[:, 1] > y)
    rise = before[:, 1] - corners[:, 1]
    safe = np.where(rise == 0, 1.0, rise)
    at = corners[:, 0] + (y - corners[:, 1]) * (before[:, 0] - corners[:, 0]) / safe
    result: BoolArray = (spans & (x < at)).sum(axis=1) % 2 == 1
    return result


class StopLine:
    """A stop line, crossed inward.

    Depth is the signed distance from the line, negative on the approach and positive in the
    junction.
    """

    def __init__(self, view: CameraView) -> None:
        (ax, ay), (bx, by) = view.stop_line
        self.start: Point = (ax, ay)
        self.length = math.hypot(bx - ax, by - ay)
        if self.length <= 0:
            raise ValueError(f"stop line of {view.camera} has no length")
        self.along: Point = ((bx - ax) / self.length, (by - ay) / self.length)
        normal = (-self.along[1], self.along[0])
        side = normal[0] * view.inward[0] + normal[1] * view.inward[1]
        if abs(side) < 0.05:
            raise ValueError(f"inward of {view.camera} runs along its stop line")
        self.normal: Point = normal if side > 0 else (-normal[0], -normal[1])

    def depth_m(self, point: Point, units_per_m: Point) -> float:
        """Depth in metres; ``units_per_m`` converts at this place of the plane."""
        depth = (point[0] - self.start[0]) * self.normal[0] + (
            point[1] - self.start[1]
        ) * self.normal[1]
        return depth * math.hypot(self.normal[0] / units_per_m[0], self.normal[1] / units_per_m[1])

    def beside_m(self, point: Point, units_per_m: Point) -> float:
        """How far beyond the ends of the line a point lies, in metres; 0 between the ends."""
        at = (point[0] - self.start[0]) * self.along[0] + (point[1] - self.start[1]) * self.along[1]
        beyond = max(-at, at - self.length, 0.0)
        return beyond * math.hypot(self.along[0] / units_per_m[0], self.along[1] / units_per_m[1])
