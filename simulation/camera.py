"""A pinhole camera above a flat street: points to pixels, pixels to the ground."""

from __future__ import annotations

from typing import cast

import numpy as np

from models.camera import CameraPose, Matrix3
from simulation.states import FloatArray


class PinholeCamera:
    """Projects network coordinates (x east, y north, z up, metres) to pixels.

    No roll and no lens distortion; pixel (0, 0) is the top left corner of the image and the
    optical axis passes through its middle.
    """

    def __init__(self, pose: CameraPose) -> None:
        if not (0 < pose.hfov_deg < 170 and -80 < pose.pitch_deg < 89 and pose.z_m > 0):
            raise ValueError(f"not a usable camera: {pose}")
        self.pose = pose
        self.width_px = pose.width_px
        self.height_px = pose.height_px
        self.position_m: FloatArray = np.array([pose.x_m, pose.y_m, pose.z_m])
        self.focal_px = pose.width_px / 2 / float(np.tan(np.radians(pose.hfov_deg) / 2))
        heading, pitch = np.radians(pose.heading_deg), np.radians(pose.pitch_deg)
        forward = np.array(
            [np.sin(heading) * np.cos(pitch), np.cos(heading) * np.cos(pitch), -np.sin(pitch)]
        )
        right = np.array([np.cos(heading), -np.sin(heading), 0.0])
        self.forward: FloatArray = forward
        self.rotation: FloatArray = np.stack([right, np.cross(forward, right), forward])
        """Rows: right, down and forward of the camera in network axes."""

    @property
    def horizon_px(self) -> float:
        """Image row of the horizon."""
        return self.height_px / 2 - self.focal_px * float(np.tan(np.radians(self.pose.pitch_deg)))

    def project(self, points_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Pixels (N, 2) and depth in metres (N,) of points (N, 3).

        Depth is measured along the optical axis; a point with depth <= 0 is behind the camera
        and its pixel means nothing.
        """
        local = (np.asarray(points_m, np.float64) - self.position_m) @ self.rotation.T
        depth = local[:, 2]
        scale = self.focal_px / np.maximum(depth, 1e-3)
        pixels = np.empty((len(local), 2))
        pixels[:, 0] = local[:, 0] * scale + self.width_px / 2
        pixels[:, 1] = local[:, 1] * scale + self.height_px / 2
        return pixels, depth

    def ground_homography(self) -> FloatArray:
        """Matrix (3, 3) from homogeneous ground metres (x, y, 1) to homogeneous pixels."""
        extrinsic = np.column_stack(
            [self.rotation[:, 0], self.rotation[:, 1], -self.rotation @ self.position_m]
        )
        f, cx, cy = self.focal_px, self.width_px / 2, self.height_px / 2
        return np.array([[f, 0, cx], [0, f, cy], [0, 0, 1.0]]) @ extrinsic

    def ground_from_image(self) -> Matrix3:
        """Inverse of :meth:`ground_homography`, as ``models.camera.CameraView`` holds it."""
        inverse = np.linalg.inv(self.ground_homography())
        # Scaled so that an image point below the horizon keeps a positive last coordinate.
        below = inverse[2] @ np.array([self.width_px / 2, self.horizon_px + 100.0, 1.0])
        inverse = inverse / below
        return cast(Matrix3, tuple(tuple(float(v) for v in row) for row in inverse))

    def to_ground(self, pixels: FloatArray) -> FloatArray:
        """Ground metres (N, 2) under pixels (N, 2); NaN at and above the horizon."""
        px = np.column_stack([np.asarray(pixels, np.float64), np.ones(len(pixels))])
        ground = px @ np.array(self.ground_from_image()).T
        with np.errstate(divide="ignore", invalid="ignore"):
            result: FloatArray = np.where(
                px[:, 1:2] > self.horizon_px, ground[:, :2] / ground[:, 2:3], np.nan
            )
        return result
