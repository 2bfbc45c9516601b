"""Boxes as arrays: overlap and suppression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import numba
import numpy as np
import numpy.typing as npt

from detection.ports import FloatArray, IntArray

AnyFloat = npt.NDArray[np.floating]

EDGE_PX: Final = 2.0
"""A box so near to the picture's edge may be cut by it."""


def _shared_area(a: AnyFloat, b: AnyFloat) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0.0 or height <= 0.0:
        return 0.0
    return float(width * height)


shared_area = numba.njit(inline="always")(_shared_area)
"""Area that two boxes x0 y0 x1 y1 share; for compiled loops."""


def _intersections(first: AnyFloat, second: AnyFloat) -> AnyFloat:
    shared: AnyFloat = np.zeros((len(first), len(second)), first.dtype)
    for row in range(len(first)):
        for column in range(len(second)):
            shared[row, column] = shared_area(first[row], second[column])
    return shared


_shared = cast(Callable[[AnyFloat, AnyFloat], FloatArray], numba.njit(cache=True)(_intersections))
"""One pass instead of seven: sixty boxes are 3,600 pairs."""


def intersections(first: AnyFloat, second: AnyFloat) -> FloatArray:
    """Area (N, M) that boxes (N, 4) and (M, 4) share."""
    return _shared(np.ascontiguousarray(first), np.ascontiguousarray(second))


def areas(boxes: AnyFloat) -> FloatArray:
    """Area (N,) of boxes (N, 4) x0 y0 x1 y1."""
    result: FloatArray = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return result


def iou(first: AnyFloat, second: AnyFloat) -> FloatArray:
    """Intersection over union (N, M) of boxes (N, 4) and (M, 4)."""
    inter = intersections(first, second)
    union = areas(first)[:, None] + areas(second)[None, :] - inter
    result: FloatArray = inter / np.maximum(union, 1e-9)
    return result


def covered(first: AnyFloat, second: AnyFloat) -> FloatArray:
    """Share (N, M) of each first box that lies within each second box."""
    result: FloatArray = intersections(first, second) / np.maximum(areas(first)[:, None], 1e-9)
    return result


def suppress(boxes: AnyFloat, scores: AnyFloat, iou_above: float) -> IntArray:
    """Greedy non-maximum suppression; indices of the kept boxes, best score first."""
    order = np.argsort(-scores, kind="stable")
    if len(order) == 0:
        return order.astype(np.int64)
    overlap = iou(boxes[order], boxes[order]) > iou_above
    alive = np.ones(len(order), np.bool_)
    for index in range(len(order)):
        if alive[index]:
            alive[index + 1 :] &= ~overlap[index, index + 1 :]
    return order[alive].astype(np.int64)


def suppress_by_class(
    boxes: AnyFloat, scores: AnyFloat, classes: IntArray, iou_above: float
) -> IntArray:
    """As :func:`suppress`, but boxes of different classes never suppress each other."""
    if len(boxes) == 0:
        return np.zeros(0, np.int64)
    shift = (classes * (float(boxes.max() - boxes.min()) + 1.0))[:, None]
    return suppress(boxes.astype(np.float64) + shift, scores, iou_above)
