"""Lines and polygons in a view's plane."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import numba
import numpy as np

from detection.ports import BoolArray, FloatArray, IntArray
from models.camera import CameraView, Point


def _bits_within(points: FloatArray, outlines: FloatArray) -> IntArray:
    """For each of the points (N, 2), bit ``i`` set where it lies in outline ``i`` (M, C, 2)."""
    bits = np.zeros(len(points), np.int64)
    for index in range(len(points)):
        x, y = points[index]
        for area in range(len(outlines)):
            odd = False
            for corner in range(outlines.shape[1]):
                x0, y0 = outlines[area, corner]
                x1, y1 = outlines[area, corner - 1]
                if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                    odd = not odd
            if odd:
                bits[index] |= 1 << area
    return bits


_within = cast(Callable[[FloatArray, FloatArray], IntArray], numba.njit(cache=True)(_bits_within))


def inside(points: FloatArray, polygon: Sequence[Point]) -> BoolArray:
    """Which of the points (N, 2) lie within the polygon (even-odd rule)."""
    outline = np.array(polygon, np.float64)[None]
    result: BoolArray = _within(np.asarray(points, np.float64, order="C"), outline) > 0
    return result


class AreaMap:
    """Which of a view's areas points lie in, all polygons in one pass."""

    def __init__(self, outlines: Sequence[Sequence[Point]]) -> None:
        self._count = len(outlines)
        longest = max((len(outline) for outline in outlines), default=0)
        # A repeated corner is an edge without length: it changes nothing.
        rows = [[*outline, *[outline[-1]] * (longest - len(outline))] for outline in outlines]
        self._corners = np.array(rows, np.float64).reshape(self._count, longest, 2)

    def bits(self, points: FloatArray) -> IntArray:
        """For each of the points (N, 2), bit ``i`` set where it lies in area ``i``."""
        if self._count == 0 or len(points) == 0:
            return np.zeros(len(points), np.int64)
        return _within(np.asarray(points, np.float64, order="C"), self._corners)


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

    def depths_m(self, points: FloatArray, units_per_m: FloatArray) -> FloatArray:
        """:meth:`depth_m` of points (..., N, 2) with their units (N, 2)."""
        nx, ny = self.normal
        along = (points[..., 0] - self.start[0]) * nx + (points[..., 1] - self.start[1]) * ny
        depths: FloatArray = along * np.hypot(nx / units_per_m[:, 0], ny / units_per_m[:, 1])
        return depths

    def beside_m(self, point: Point, units_per_m: Point) -> float:
        """How far beyond the ends of the line a point lies, in metres; 0 between the ends."""
        at = (point[0] - self.start[0]) * self.along[0] + (point[1] - self.start[1]) * self.along[1]
        beyond = max(-at, at - self.length, 0.0)
        return beyond * math.hypot(self.along[0] / units_per_m[0], self.along[1] / units_per_m[1])

    def apart_m(self, first: Point, second: Point, units_per_m: Point) -> float:
        """How far two points are apart along the line, in metres."""
        along = (first[0] - second[0]) * self.along[0] + (first[1] - second[1]) * self.along[1]
        return abs(along) * math.hypot(
            self.along[0] / units_per_m[0], self.along[1] / units_per_m[1]
        )
