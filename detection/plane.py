"""The plane in which a camera's vehicles are followed: the ground in metres, or the image.

With a calibration the plane is the ground and a unit is a metre. Without one it is the image;
lengths in metres are then estimated from the height of the vehicle's own box and an assumed
downward view (``UNCALIBRATED_FORESHORTENING``): good enough for gates and thresholds, and
screening only where a speed or length is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import numba
import numpy as np

from detection.ports import FloatArray
from models.camera import CameraView, Matrix3, SourceKind

UNCALIBRATED_FORESHORTENING: Final = 0.42
"""Metres along the road look this much shorter than across it: the sine of 25 degrees."""

UPRIGHT: Final = 0.93
"""A metre upwards looks this much shorter than one across, from a camera over a street."""

HORIZON_SCALE: Final = 0.1

CLASS_HEIGHT_M: Final = {
    "motorcycle": 1.65,
    "bicycle": 1.65,
    "car": 1.5,
    "bus": 3.0,
    "truck": 2.8,
    "pedestrian": 1.65,
}


MOST_FOCAL: Final = 10.0
"""No camera over a street has a focal length of so many pictures' widths."""
LEAST_EYE_M: Final = 2.0
MOST_EYE_M: Final = 100.0
"""A camera over a street is at a height between these."""


class Eye(NamedTuple):
    """Where a camera is: the point (2,) of the ground below it, and its height over it."""

    foot: FloatArray
    height_m: float


def _to_plane(matrix: FloatArray, pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Points (N, 2) under pixels (N, 2) below the horizon, and their derivatives (N, 2, 2)."""
    points, jacobian = np.empty((len(pixels), 2)), np.empty((len(pixels), 2, 2))
    for index in range(len(pixels)):
        x, y = pixels[index]
        scale = max(x * matrix[2, 0] + y * matrix[2, 1] + matrix[2, 2], 1e-9)
        for axis in range(2):
            at = (x * matrix[axis, 0] + y * matrix[axis, 1] + matrix[axis, 2]) / scale
            points[index, axis] = at
            for way in range(2):
                jacobian[index, axis, way] = (matrix[axis, way] - at * matrix[2, way]) / scale
    return points, jacobian


def _to_image(inverse: FloatArray, points: FloatArray) -> FloatArray:
    """Pixels (N, 2) of points (N, 2) of the plane; NaN behind the camera."""
    pixels = np.full((len(points), 2), np.nan)
    for index in range(len(points)):
        x, y = points[index]
        scale = x * inverse[2, 0] + y * inverse[2, 1] + inverse[2, 2]
        if scale > 1e-12:
            for axis in range(2):
                flat = x * inverse[axis, 0] + y * inverse[axis, 1] + inverse[axis, 2]
                pixels[index, axis] = flat / scale
    return pixels


_on_plane = cast(
    Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]],
    numba.njit(cache=True)(_to_plane),
)
_in_picture = cast(
    Callable[[FloatArray, FloatArray], FloatArray], numba.njit(cache=True)(_to_image)
)


class GroundPlane:
    """Converts between pixels of a view and its plane."""

    def __init__(self, view: CameraView) -> None:
        self.metric = view.metric
        self.hull = view.source_kind is not SourceKind.PROJECTED
        """Boxes are those of machines, not of cuboids."""
        self._matrix: FloatArray = np.array(view.ground_from_image, np.float64)
        self._inverse: FloatArray = np.asarray(np.linalg.inv(self._matrix), np.float64)
        self._height_px = view.height_px
        self.eye = (
            eye_over_ground(self._inverse, (view.width_px, view.height_px)) if view.metric else None
        )
        """Where the camera is; None where its calibration does not tell."""

    def depth_scale(self, pixels: FloatArray) -> FloatArray:
        """Quantity (N,) that is proportional to the apparent size of things on the ground."""
        result: FloatArray = pixels @ self._matrix[2, :2] + self._matrix[2, 2]
        return result

    def size_scale(self, pixels: FloatArray) -> FloatArray:
        """Quantity (N,) above 0 that is proportional to the apparent size of things there.

        Without a calibration the horizon is taken to be at the picture's upper edge, which is
        about right for a camera over a street.
        """
        if self.metric:
            return np.maximum(self.depth_scale(pixels), 1e-9)
        result: FloatArray = np.maximum(pixels[:, 1] / self._height_px, HORIZON_SCALE)
        return result

    def to_plane(self, pixels: FloatArray) -> FloatArray:
        """Points (N, 2) of the plane under pixels (N, 2); NaN at and above the horizon."""
        scale = self.depth_scale(pixels)
        flat = pixels @ self._matrix[:2, :2].T + self._matrix[:2, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            result: FloatArray = np.where(scale[:, None] > 1e-9, flat / scale[:, None], np.nan)
        return result

    def to_image(self, points: FloatArray) -> FloatArray:
        """Pixels (N, 2) of points (N, 2) of the plane; NaN behind the camera."""
        return _in_picture(self._inverse, np.asarray(points, np.float64, order="C"))

    def jacobian(self, pixels: FloatArray) -> FloatArray:
        """Derivative (N, 2, 2) of the plane's point with respect to the pixel."""
        scale = np.maximum(self.depth_scale(pixels), 1e-9)[:, None, None]
        points = self.to_plane(pixels)
        result: FloatArray = (
            self._matrix[None, :2, :2] - points[:, :, None] * self._matrix[None, 2:, :2]
        ) / scale
        return result

    def to_plane_with_jacobian(self, pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
        """:meth:`to_plane` and :meth:`jacobian` of points below the horizon, in one go."""
        return _on_plane(self._matrix, np.asarray(pixels, np.float64, order="C"))

    def away(self, pixels: FloatArray) -> FloatArray:
        """Unit vectors (N, 2) in the plane that point away from the camera at these pixels."""
        direction = -self.jacobian(pixels)[:, :, 1]
        length = np.hypot(direction[:, 0], direction[:, 1])[:, None]
        result: FloatArray = direction / np.maximum(length, 1e-12)
        return result

    def units_per_m(self, heights_px: FloatArray, heights_m: FloatArray) -> FloatArray:
        """Plane units per metre (N, 2) along x and y, at boxes of these heights."""
        if self.metric:
            return np.ones((len(heights_px), 2))
        across = np.maximum(heights_px, 4.0) / heights_m
        return np.stack([across, across * UNCALIBRATED_FORESHORTENING], axis=1)


def eye_over_ground(image_from_ground: FloatArray, size_px: tuple[int, int]) -> Eye | None:
    """Where the camera of a homography (3, 3) from metres to pixels is.

    Its pixels are taken to be square and its axis to go through the picture's middle; that the
    ground's axes are then seen as long as each other and at right angles gives the focal length
    (Zhang, A flexible new technique for camera calibration, 2000, section 2.3: both constraints,
    by least squares) and with it the camera. None where that is no camera over a street.
    """
    middle = np.array([[1.0, 0.0, -size_px[0] / 2], [0.0, 1.0, -size_px[1] / 2], [0.0, 0.0, 1.0]])
    h = middle @ image_from_ground
    (a, c), (b, d), (e, f) = h[:, :2].tolist()
    in_image = np.array([2.0 * (a * c + b * d), a * a + b * b - c * c - d * d])
    in_depth = np.array([2.0 * e * f, e * e - f * f])
    focal2 = -float(in_image @ in_image) / min(float(in_image @ in_depth), -1e-300)
    if not 0.0 < focal2 < MOST_FOCAL**2 * max(size_px) ** 2:
        return None
    h = h / np.array([math.sqrt(focal2), math.sqrt(focal2), 1.0])[:, None]
    # The axes of the ground and their common normal, as long as each other.
    normal = np.cross(h[:, 0], h[:, 1]) / math.sqrt(
        np.linalg.norm(h[:, 0]) * np.linalg.norm(h[:, 1])
    )
    place = -np.linalg.solve(np.stack([h[:, 0], h[:, 1], normal], axis=1), h[:, 2])
    eye = Eye(place[:2], abs(float(place[2])))
    return eye if LEAST_EYE_M <= eye.height_m <= MOST_EYE_M else None


def horizon_row(ground_from_image: Matrix3, size_px: tuple[int, int]) -> float | None:
    """Row of the picture at which the ground ends, in its middle column; None if never."""
    (_, _, (a, b, c)) = ground_from_image
    return None if abs(b) < 1e-12 else -(a * size_px[0] / 2 + c) / b
