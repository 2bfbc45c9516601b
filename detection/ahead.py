"""Whom a vehicle hides by standing before them, as its camera sees it from behind.

Far off, and before a tall one at any distance, the next in a queue is not seen: whoever looks
cannot tell whether one who stands waits for another.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detection.plane import CLASS_HEIGHT_M, UPRIGHT, GroundPlane
from detection.ports import FloatArray
from detection.track_table import LENGTH_M, WIDTH_M
from models.camera import Point
from models.site import VEHICLE_CLASSES

GAP_M: Final = 2.0
NEXT: Final = "car"
"""The vehicle that may stand so far ahead."""


def hidden_ahead(plane: GroundPlane, centre: Point, vehicle_class: str, forward: Point) -> float:
    """Share of a car, standing right ahead of a vehicle, that this one hides. Calibrated views.

    Both are taken to stand along the road, with the size of their class: their boxes scatter.

    Args:
        plane: The ground as the camera sees it.
        centre: The vehicle's place.
        vehicle_class: Its class.
        forward: Unit vector in which the road leads.
    """
    half_m = float(LENGTH_M[VEHICLE_CLASSES.index(vehicle_class)]) / 2
    near_m = half_m + GAP_M
    far_m = near_m + float(LENGTH_M[VEHICLE_CLASSES.index(NEXT)])
    own = _box(plane, centre, forward, (-half_m, half_m), vehicle_class)
    other = _box(plane, centre, forward, (near_m, far_m), NEXT)
    if not (np.isfinite(own).all() and np.isfinite(other).all()):
        return 1.0
    shared = np.minimum(own[2:], other[2:]) - np.maximum(own[:2], other[:2])
    return float(np.maximum(shared, 0.0).prod() / (other[2:] - other[:2]).prod())


def _box(
    plane: GroundPlane,
    centre: Point,
    forward: Point,
    along_m: tuple[float, float],
    vehicle_class: str,
) -> FloatArray:
    """Box (4,) in pixels of a vehicle that stands from here to there along the road."""
    (fx, fy), side_m = forward, float(WIDTH_M[VEHICLE_CLASSES.index(vehicle_class)]) / 2
    corners = plane.to_image(
        np.array(
            [
                (centre[0] + way * fx + aside * fy, centre[1] + way * fy - aside * fx)
                for way in along_m
                for aside in (-side_m, side_m)
            ]
        )
    )
    metre = plane.jacobian(corners)
    rows = UPRIGHT * CLASS_HEIGHT_M[vehicle_class] / np.hypot(metre[:, 0, 0], metre[:, 1, 0])
    tops = np.stack([corners[:, 0], corners[:, 1] - rows], axis=1)
    both = np.concatenate([corners, tops])
    return np.concatenate([both.min(axis=0), both.max(axis=0)])
