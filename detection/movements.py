"""Which movement a vehicle made: the path that its track after the stop line lies nearest to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

import numba
import numpy as np

from detection.ports import FloatArray
from models.camera import CameraView, Point

SAMPLES: Final = 40
HEADING_WEIGHT_M: Final = 6.0
"""A final heading that differs by one radian weighs as much as this distance."""
MOST_POINTS: Final = 24
"""So many points of a way tell where it leads as well as all of them do."""
FIRST_WEIGHT: Final = 0.3
"""What the first of them weighs beside the last."""
HEADING_M: Final = 2.0
CERTAIN_M: Final = 6.0
"""After this distance beyond the line a movement can be told."""


@dataclass(frozen=True, slots=True)
class MovementMatch:
    """The nearest movement; ``certain`` is False after too short a way to tell.

    ``heading_off_rad`` is the angle between the vehicle's last heading and its path's, ``lead_m``
    by how much the next path fits less well, its heading weighed as metres.
    """

    movement: str
    certain: bool
    travelled_m: float = 0.0
    heading_off_rad: float = 0.0
    lead_m: float = math.inf


class MovementMatcher:
    """Matches tracks of one view to its movement paths."""

    def __init__(self, view: CameraView) -> None:
        if not view.movements:
            raise ValueError(f"camera {view.camera} has no movements")
        self._names = [path.movement for path in view.movements]
        self._paths = np.stack([_evenly(path.points) for path in view.movements])
        self._inward: FloatArray = np.array(view.inward, np.float64)

    def match(self, centres: list[Point], units_per_m: Point) -> MovementMatch:
        """The movement of a vehicle whose centres from the line on are given, oldest first."""
        only = len(self._names) == 1
        if not centres:
            return MovementMatch(self._names[self._straightest()], only)
        points, units = np.array(centres, np.float64), np.array(units_per_m)
        best, turn, travelled, lead = _nearest(self._paths, points, units, self._inward)
        if only:
            return MovementMatch(self._names[0], True, travelled)
        return MovementMatch(self._names[best], travelled >= CERTAIN_M, travelled, turn, lead)

    def _straightest(self) -> int:
        ends = [path[-1] - path[0] for path in self._paths]
        return int(np.argmax([end @ self._inward / max(np.hypot(*end), 1e-9) for end in ends]))


def _fit(
    paths: FloatArray, points: FloatArray, units: FloatArray, inward: FloatArray
) -> tuple[int, float, float, float]:
    """The path (P, S, 2) that the way through the points (N, 2) lies nearest to.

    Also how far the way's end heads off that path, radians, how long it is, metres, and by how
    much the next path fits less well.
    """
    last = len(points) - 1
    travelled = 0.0
    for index in range(last):
        step = (points[index + 1] - points[index]) / units
        travelled += math.hypot(step[0], step[1])
    # The last stretch of two metres gives the heading; jitter of a standing rider does not.
    heading = inward
    for index in range(last - 1, -1, -1):
        ahead = points[last] - points[index]
        if math.hypot(ahead[0] / units[0], ahead[1] / units[1]) >= HEADING_M:
            heading = ahead
            break
    heading = heading / math.hypot(heading[0], heading[1])
    count, samples = min(last + 1, MOST_POINTS), paths.shape[1]
    best, best_cost, next_cost, best_turn = 0, np.inf, np.inf, 0.0
    for path in range(len(paths)):
        away = weights = 0.0
        nearest = 0
        for told in range(count):
            share = told / max(count - 1, 1)
            index = last if told == count - 1 else int(told * (last / max(count - 1, 1)))
            least = np.inf
            for sample in range(samples):
                dx = (points[index, 0] - paths[path, sample, 0]) / units[0]
                dy = (points[index, 1] - paths[path, sample, 1]) / units[1]
                square = dx * dx + dy * dy
                if square < least:
                    least, nearest = square, sample
            # Later points tell more: all paths start alike.
            weight = FIRST_WEIGHT + (1.0 - FIRST_WEIGHT) * share
            away += weight * math.sqrt(least)
            weights += weight
        along = paths[path, min(nearest + 1, samples - 1)] - paths[path, max(nearest - 1, 0)]
        cosine = (along[0] * heading[0] + along[1] * heading[1]) / max(
            math.hypot(along[0], along[1]), 1e-9
        )
        turn = math.acos(min(max(cosine, -1.0), 1.0))
        cost = away / weights + HEADING_WEIGHT_M * turn
        if cost < best_cost:
            best, best_cost, next_cost, best_turn = path, cost, best_cost, turn
        elif cost < next_cost:
            next_cost = cost
    return best, best_turn, travelled, next_cost - best_cost


_nearest = cast(
    Callable[[FloatArray, FloatArray, FloatArray, FloatArray], tuple[int, float, float, float]],
    numba.njit(cache=True)(_fit),
)
"""Compiled: as array expressions it takes thousands of distances a time to keep a few."""


def _evenly(points: tuple[Point, ...]) -> FloatArray:
    """A polyline as ``SAMPLES`` points at equal distances, (SAMPLES, 2)."""
    corners = np.array(points, np.float64)
    if len(corners) < 2:
        raise ValueError("a movement path needs two points or more")
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    at = np.linspace(0.0, along[-1], SAMPLES)
    return np.stack([np.interp(at, along, corners[:, axis]) for axis in (0, 1)], axis=1)
