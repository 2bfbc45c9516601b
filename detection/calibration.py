"""Calibration: the homography from the image to the ground, fitted to pairs of points.

At least four pairs (a pixel and its place on the ground in metres) are needed, no three of the
four on one line. More pairs are fitted by least squares, and the reprojection error says how
well the ground is a plane and how well the points were picked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, cast

import numpy as np

from detection.ports import FloatArray
from models.camera import Matrix3, Point
from models.errors import BadInput

MIN_PAIRS: Final = 4
MIN_SPREAD: Final = 1e-3


@dataclass(frozen=True, slots=True)
class PointPair:
    """A pixel and where it lies on the ground."""

    px: Point
    m: Point


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted homography.

    ``ground_from_image`` maps homogeneous pixels to metres, scaled so that points below the
    horizon have a positive last coordinate. ``error_m`` is the distance of each pair's ground
    point from where its pixel maps to; ``rms_m`` and ``worst_m`` sum that up.
    """

    ground_from_image: Matrix3
    error_m: tuple[float, ...]

    @property
    def rms_m(self) -> float:
        """Root mean square of the reprojection error on the ground."""
        return float(np.sqrt(np.mean(np.square(self.error_m))))

    @property
    def worst_m(self) -> float:
        """Largest reprojection error on the ground."""
        return max(self.error_m)


def fit(pairs: Sequence[PointPair], source: str = "calibration") -> Calibration:
    """Fit the homography to the pairs (normalised direct linear transform).

    Raises:
        BadInput: Naming ``source``, when there are too few pairs, or they lie on a line.
    """
    if len(pairs) < MIN_PAIRS:
        raise BadInput(source, "points", f"{len(pairs)} pairs; valid is {MIN_PAIRS} or more")
    pixels = np.array([pair.px for pair in pairs], np.float64)
    metres = np.array([pair.m for pair in pairs], np.float64)
    for points, name in ((pixels, "px"), (metres, "m")):
        spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
        if spread[1] < MIN_SPREAD * max(spread[0], 1e-12):
            raise BadInput(source, name, "the points lie on one line; valid is a spread of points")
        if len(pairs) == MIN_PAIRS and _three_on_a_line(points, spread[0]):
            raise BadInput(source, name, "three of the four points lie on one line; spread them")
    from_pixels, from_metres = _normaliser(pixels), _normaliser(metres)
    p, m = _apply(from_pixels, pixels), _apply(from_metres, metres)
    rows = []
    for (x, y), (u, v) in zip(p, m, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, -u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, -v])
    _, _, vectors = np.linalg.svd(np.array(rows))
    matrix = np.linalg.inv(from_metres) @ vectors[-1].reshape(3, 3) @ from_pixels
    scale = pixels @ matrix[2, :2] + matrix[2, 2]
    if (scale > 0).any() and (scale < 0).any():
        raise BadInput(source, "points", "the pairs contradict each other: no camera sees them so")
    matrix /= scale.mean()
    error = np.hypot(*(_apply(matrix, pixels) - metres).T)
    return Calibration(
        cast(Matrix3, tuple(tuple(float(v) for v in row) for row in matrix)),
        tuple(float(value) for value in error),
    )


def _three_on_a_line(points: FloatArray, extent: float) -> bool:
    for first, second, third in combinations(points, 3):
        (ax, ay), (bx, by) = second - first, third - first
        if abs(ax * by - ay * bx) < MIN_SPREAD * extent * extent:
            return True
    return False


def _normaliser(points: FloatArray) -> FloatArray:
    """Similarity that brings points to mean 0 and mean distance sqrt 2."""
    centre = points.mean(axis=0)
    scale = np.sqrt(2.0) / max(float(np.hypot(*(points - centre).T).mean()), 1e-12)
    return np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1.0]])


def _apply(matrix: FloatArray, points: FloatArray) -> FloatArray:
    flat = points @ matrix[:, :2].T + matrix[:, 2]
    result: FloatArray = flat[:, :2] / flat[:, 2:]
    return result
