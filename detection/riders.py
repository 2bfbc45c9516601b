"""From a detector's classes to road users: one box for machine and rider, one per vehicle.

COCO models see a person and a motorcycle; Xanh counts one **rider** (class ``motorcycle`` or
``bicycle``) whose box is the union of both and whose bottom centre is the wheel contact.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, cast

import numba
import numpy as np

from detection import boxes as bx
from detection.ports import BoolArray, Detections, FloatArray, IntArray
from models.site import VEHICLE_CLASSES

VEHICLE_OF_NAME: Final = {
    **{name: name for name in VEHICLE_CLASSES},
    "person": "pedestrian",
    "motorbike": "motorcycle",
    "rider": "motorcycle",
    "van": "car",
    "tricycle": "motorcycle",
}
"""A detector's class name to the vehicle class that Xanh counts; other names are dropped."""

PERSON: Final = VEHICLE_CLASSES.index("pedestrian")
TWO_WHEELERS: Final = (VEHICLE_CLASSES.index("motorcycle"), VEHICLE_CLASSES.index("bicycle"))

SEAT_OVERLAP: Final = 0.25
"""A rider's box lies at least this much within the machine's box widened upward by its height."""
SAME_OBJECT_IOU: Final = 0.65
"""Boxes of any two classes that overlap more are one object."""
SAME_RIDER_COVERED: Final = 0.8
"""A box of a person or two-wheeler that lies this much within another rider's is the same one."""


def road_users(found: Detections, *, truthful: bool = False) -> Detections:
    """Detections as road users, with ``VEHICLE_CLASSES`` as class names.

    Persons on two-wheelers become part of the rider, one object keeps one box whatever class
    the detector named it, and classes that are no road users are dropped.

    Args:
        found: What a detector found.
        truthful: The boxes are known to be one each (a projected camera): vehicles whose boxes
            overlap are then all kept.
    """
    mapping = _vehicle_classes(found.class_names)
    classes = mapping[found.classes] if len(found) else np.zeros(0, np.int64)
    kept = classes >= 0
    boxes = found.boxes[kept].astype(np.float64)
    scores, classes = found.scores[kept].astype(np.float64), classes[kept]
    riders = None if found.riders is None else found.riders[kept]
    bare_heads = None if found.bare_heads is None else found.bare_heads[kept]
    parted = "person" in found.class_names
    if parted:
        single = ~_groups(boxes, classes)
        boxes, scores, classes = boxes[single], scores[single], classes[single]
        boxes, scores, classes, riders = _fuse_riders(boxes, scores, classes)
        bare_heads = None
    alive = np.ones(len(boxes), np.bool_)
    if not truthful:
        alive = _one_box_each(boxes, scores, classes, parted=parted)
    return Detections(
        boxes[alive].astype(np.float32),
        scores[alive].astype(np.float32),
        classes[alive],
        VEHICLE_CLASSES,
        None if riders is None else riders[alive],
        None if bare_heads is None else bare_heads[alive],
    )


@lru_cache(maxsize=8)
def _vehicle_classes(names: tuple[str, ...]) -> IntArray:
    """Vehicle class of each of a detector's; -1 of those that are no road users."""
    kinds = [VEHICLE_OF_NAME.get(name) for name in names]
    return np.array([-1 if kind is None else VEHICLE_CLASSES.index(kind) for kind in kinds])


def _groups(boxes: FloatArray, classes: IntArray) -> BoolArray:
    """Which boxes of two-wheelers hold several: a dense queue looks like one thing from afar."""
    machine = np.isin(classes, TWO_WHEELERS)
    if machine.sum() < 3:
        return np.zeros(len(boxes), np.bool_)
    area = bx.areas(boxes)
    within = (bx.covered(boxes, boxes) > 0.7) & (area[:, None] < 0.5 * area[None])
    within &= machine[:, None] & machine[None]
    result: BoolArray = machine & (within.sum(axis=0) >= 2)
    return result


def _fuse_riders(
    boxes: FloatArray, scores: FloatArray, classes: IntArray
) -> tuple[FloatArray, FloatArray, IntArray, IntArray]:
    """Join each person to the machine below; a pillion joins the same machine.

    The last array is how many persons joined each; -1 where none did: they were not seen.
    """
    machines = np.nonzero(np.isin(classes, TWO_WHEELERS))[0]
    people = np.nonzero(classes == PERSON)[0]
    if len(machines) == 0 or len(people) == 0:
        return boxes, scores, classes, np.full(len(boxes), -1, np.int64)
    machine, person = boxes[machines], boxes[people]
    height = machine[:, 3] - machine[:, 1]
    width = machine[:, 2] - machine[:, 0]
    # The seat's space: the machine's box, up by its own height, and a little to the sides.
    space = machine + np.stack([-0.1 * width, -height, 0.1 * width, 0.1 * height], axis=1)
    inside = bx.covered(person, space)
    middle = (person[:, 0] + person[:, 2]) / 2
    offset = np.abs(middle[:, None] - (machine[None, :, 0] + machine[None, :, 2]) / 2)
    foot, wheel = person[:, 3][:, None], machine[None, :, 3]
    fits = (
        (inside > SEAT_OVERLAP)
        & (offset < 0.75 * width)
        & (foot < wheel + 0.35 * height)
        & (foot > wheel - 1.1 * height)
        # A person beside a much smaller or larger machine sits on another one.
        & ((person[:, 3] - person[:, 1])[:, None] < 2.0 * height)
        & ((person[:, 3] - person[:, 1])[:, None] > 0.4 * height)
    )
    score = np.where(fits, inside - offset / np.maximum(width, 1.0), -np.inf)
    result_boxes, result_scores = boxes.copy(), scores.copy()
    gone = np.zeros(len(boxes), np.bool_)
    riders = np.zeros(len(boxes), np.int64)
    for index, row in enumerate(score):
        best = int(row.argmax())
        if np.isfinite(row[best]):
            target = machines[best]
            union = result_boxes[target]
            result_boxes[target] = (
                min(union[0], person[index, 0]),
                min(union[1], person[index, 1]),
                max(union[2], person[index, 2]),
                max(union[3], person[index, 3]),
            )
            result_scores[target] = max(result_scores[target], scores[people[index]])
            gone[people[index]] = True
            riders[target] += 1
    counted = np.where(riders > 0, riders, -1)
    return result_boxes[~gone], result_scores[~gone], classes[~gone], counted[~gone]


def _one_box_each(
    boxes: FloatArray, scores: FloatArray, classes: IntArray, *, parted: bool
) -> BoolArray:
    """Mask of the boxes that stay after suppression across classes.

    ``parted``: the detector sees parts (person, machine), so a part may lie within a rider.
    """
    machine = part = np.zeros(len(boxes), np.bool_)
    if parted:
        machine = np.isin(classes, TWO_WHEELERS)
        part = machine | (classes == PERSON)
    order = np.argsort(-scores, kind="stable")
    return _strongest(order, boxes, scores, machine, part)


def _suppress(
    order: IntArray, boxes: FloatArray, scores: FloatArray, machine: BoolArray, part: BoolArray
) -> BoolArray:
    alive = np.ones(len(boxes), np.bool_)
    for index in order:
        if not alive[index]:
            continue
        one = boxes[index]
        area = (one[2] - one[0]) * (one[3] - one[1])
        for rival in range(len(boxes)):
            other = boxes[rival]
            width = min(one[2], other[2]) - max(one[0], other[0])
            height = min(one[3], other[3]) - max(one[1], other[1])
            # Only weaker ones go, so the outcome does not depend on the order of the input.
            weaker = rival != index and scores[rival] <= scores[index]
            if not weaker or width <= 0.0 or height <= 0.0:
                continue
            shared = width * height
            others = (other[2] - other[0]) * (other[3] - other[1])
            if shared / max(area + others - shared, 1e-9) > SAME_OBJECT_IOU or (
                machine[index] and part[rival] and shared / max(others, 1e-9) > SAME_RIDER_COVERED
            ):
                alive[rival] = False
    return alive


_strongest = cast(Callable[..., BoolArray], numba.njit(cache=True)(_suppress))
"""Compiled: sixty boxes are 3,600 pairs, of which hardly any overlap."""
