"""Which movement a vehicle made: the path that its track after the stop line lies nearest to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

import numba
import numpy as np

from detection.ports import FloatArray, IntArray
from models.camera import CameraView, Point

SAMPLES: Final = 40
HEADING_WEIGHT_M: Final = 6.0
"""A final heading that differs by one radian weighs as much as this distance."""
MOST_POINTS: Final = 24
"""So many points of a way tell where it leads as well as all of them do."""
WEIGHTS: Final = [np.linspace(0.3, 1.0, count) for count in range(MOST_POINTS + 1)]
"""By how many points are told."""
CERTAIN_M: Final = 6.0
"""After this distance beyond the line a movement can be told."""


@dataclass(frozen=True, slots=True)
class MovementMatch:
    """The nearest movement; ``certain`` is False after too short a way to tell.

    ``heading_off_rad`` is the angle between the vehicle's last heading and its path's.
    """

    movement: str
    certain: bool
    travelled_m: float = 0.0
    heading_off_rad: float = 0.0


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
        units = np.array(units_per_m)
        points = np.array(centres, np.float64).reshape(-1, 2)
        steps = np.diff(points, axis=0) / units
        travelled = float(np.hypot(*steps.T).sum()) if len(points) > 1 else 0.0
        if len(self._names) == 1:
            return MovementMatch(self._names[0], True, travelled)
        if len(points) == 0:
            return MovementMatch(self._names[self._straightest()], False)
        # The last stretch of two metres gives the heading; jitter of a standing rider does not.
        ahead = points[-1] - points
        far = np.nonzero(np.hypot(*(ahead / units).T) >= 2.0)[0]
        heading = ahead[far[-1]] if len(far) else self._inward
        heading = heading / np.hypot(*heading)
        # Later points tell more: all paths start alike.
        if len(points) > MOST_POINTS:
            points = points[np.linspace(0, len(points) - 1, MOST_POINTS).astype(np.int64)]
        weights = WEIGHTS[len(points)]
        distance, nearest = _nearest(self._paths, points, units)
        which = np.arange(len(self._paths))
        direction = (
            self._paths[which, np.minimum(nearest + 1, SAMPLES - 1)]
            - self._paths[which, np.maximum(nearest - 1, 0)]
        )
        direction /= np.maximum(np.hypot(*direction.T), 1e-9)[:, None]
        turns = np.arccos(np.clip(direction @ heading, -1.0, 1.0))
        away = (distance * weights).sum(axis=1) / weights.sum()
        costs = away + HEADING_WEIGHT_M * turns
        best = int(np.argmin(costs))
        return MovementMatch(
            self._names[best], travelled >= CERTAIN_M, travelled, float(turns[best])
        )

    def _straightest(self) -> int:
        ends = [path[-1] - path[0] for path in self._paths]
        return int(np.argmax([end @ self._inward / max(np.hypot(*end), 1e-9) for end in ends]))


def _distances(
    paths: FloatArray, points: FloatArray, units: FloatArray
) -> tuple[FloatArray, IntArray]:
    """How far each of the points (N, 2) is from each path (P, S, 2), metres (P, N).

    Also which of a path's own points (P,) is nearest to the last one.
    """
    nearest_m = np.full((len(paths), len(points)), np.inf)
    which = np.zeros(len(paths), np.int64)
    for path in range(len(paths)):
        for index in range(len(points)):
            for sample in range(paths.shape[1]):
                dx = (points[index, 0] - paths[path, sample, 0]) / units[0]
                dy = (points[index, 1] - paths[path, sample, 1]) / units[1]
                away_m = math.hypot(dx, dy)
                if away_m < nearest_m[path, index]:
                    nearest_m[path, index] = away_m
                    if index == len(points) - 1:
                        which[path] = sample
    return nearest_m, which


_nearest = cast(
    Callable[[FloatArray, FloatArray, FloatArray], tuple[FloatArray, IntArray]],
    numba.njit(cache=True)(_distances),
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
