"""The plane in which a camera's vehicles are followed: the ground in metres, or the image.

With a calibration the plane is the ground and a unit is a metre. Without one it is the image;
lengths in metres are then estimated from the height of the vehicle's own box and an assumed
downward view (``UNCALIBRATED_FORESHORTENING``): good enough for gates and thresholds, and
screening only where a speed or length is shown.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from detection.ports import FloatArray
from models.camera import CameraView, Matrix3

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


class GroundPlane:
    """Converts between pixels of a view and its plane."""

    def __init__(self, view: CameraView) -> None:
        self.metric = view.metric
        self._matrix: FloatArray = np.array(view.ground_from_image, np.float64)
        self._inverse: FloatArray = np.asarray(np.linalg.inv(self._matrix), np.float64)
        self._height_px = view.height_px

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
        flat = points @ self._inverse[:, :2].T + self._inverse[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            result: FloatArray = np.where(flat[:, 2:] > 1e-12, flat[:, :2] / flat[:, 2:], np.nan)
        return result

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
        scale = np.maximum(self.depth_scale(pixels), 1e-9)
        points = (pixels @ self._matrix[:2, :2].T + self._matrix[:2, 2]) / scale[:, None]
        jacobian = (
            self._matrix[None, :2, :2] - points[:, :, None] * self._matrix[None, 2:, :2]
        ) / scale[:, None, None]
        return points, jacobian

    def away(self, pixels: FloatArray) -> FloatArray:
        """Unit vectors (N, 2) in the plane that point away from the camera at these pixels."""
        direction = -self.jacobian(pixels)[:, :, 1]
        length = np.hypot(direction[:, 0], direction[:, 1])[:, None]
        result: FloatArray = direction / np.maximum(length, 1e-12)
        return result

    def far_ends(
        self, tops_px: FloatArray, below_px: FloatArray, heights_m: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Where the far ends of things stand whose upper edges are seen. Calibrated views only.

        The far end of one that is so high stands as many rows below its upper edge as that height
        has there; pixels per metre grow from row to row as the depth scale does, which is linear.

        Args:
            tops_px: (N, 2) the middle of each upper edge.
            below_px: (N,) a row of the picture below each, where something stands at the latest.
            heights_m: (N,) how high they are.

        Returns:
            The places (N, 2) on the plane, and how many rows a metre along the road is there (N,).
        """
        growth = self._matrix[2, 1]
        _, jacobian = self.to_plane_with_jacobian(np.stack([tops_px[:, 0], below_px], axis=1))
        scale = self.depth_scale(np.stack([tops_px[:, 0], below_px], axis=1))
        across = np.hypot(jacobian[:, 0, 0], jacobian[:, 1, 0])
        per_scale = UPRIGHT * heights_m / np.maximum(across * scale, 1e-12)
        rest = scale - growth * below_px
        row = (tops_px[:, 1] + per_scale * rest) / np.maximum(1.0 - per_scale * growth, 0.1)
        ends = np.stack([tops_px[:, 0], np.minimum(row, below_px)], axis=1)
        places, jacobian = self.to_plane_with_jacobian(ends)
        along = np.hypot(jacobian[:, 0, 1], jacobian[:, 1, 1])
        return places, 1.0 / np.maximum(along, 1e-12)

    def units_per_m(self, heights_px: FloatArray, heights_m: FloatArray) -> FloatArray:
        """Plane units per metre (N, 2) along x and y, at boxes of these heights."""
        if self.metric:
            return np.ones((len(heights_px), 2))
        across = np.maximum(heights_px, 4.0) / heights_m
        return np.stack([across, across * UNCALIBRATED_FORESHORTENING], axis=1)


def horizon_row(ground_from_image: Matrix3, size_px: tuple[int, int]) -> float | None:
    """Row of the picture at which the ground ends, in its middle column; None if never."""
    (_, _, (a, b, c)) = ground_from_image
    return None if abs(b) < 1e-12 else -(a * size_px[0] / 2 + c) / b
