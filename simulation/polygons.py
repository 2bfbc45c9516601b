"""Areas of the ground as polygons."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulation.states import FloatArray


def lie_within(points: FloatArray, corners: FloatArray) -> npt.NDArray[np.bool_]:
    """Which points (N, 2) lie within a polygon (even-odd rule)."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    result: npt.NDArray[np.bool_] = ((points >= low) & (points <= high)).all(axis=1)
    near = np.nonzero(result)[0]
    if len(near):
        before = np.roll(corners, 1, axis=0)
        x, y = points[near, :1], points[near, 1:]
        spans = (corners[:, 1] > y) != (before[:, 1] > y)
        rise = np.where(before[:, 1] == corners[:, 1], 1.0, before[:, 1] - corners[:, 1])
        at = corners[:, 0] + (y - corners[:, 1]) * (before[:, 0] - corners[:, 0]) / rise
        result[near] = (spans & (x < at)).sum(axis=1) % 2 == 1
    return result
