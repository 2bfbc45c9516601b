"""From a detector's classes to road users: one box for machine and rider, one per vehicle.

COCO models see a person and a motorcycle; Xanh counts one **rider** (class ``motorcycle`` or
``bicycle``) whose box is the union of both and whose bottom centre is the wheel contact.
"""

from __future__ import annotations

from typing import Final

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
    mapping = np.array(
        [
            VEHICLE_CLASSES.index(VEHICLE_OF_NAME[name]) if name in VEHICLE_OF_NAME else -1
            for name in found.class_names
        ],
        np.int64,
    )
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
    count = len(boxes)
    alive: BoolArray = np.ones(count, np.bool_)
    if count < 2:
        return alive
    order = np.argsort(-scores, kind="stable")
    overlap = bx.iou(boxes, boxes)
    same: BoolArray = overlap > SAME_OBJECT_IOU
    if parted:
        within = bx.covered(boxes, boxes)
        small = (classes == PERSON) | np.isin(classes, TWO_WHEELERS)
        machine = small & (classes != PERSON)
        same |= machine[:, None] & small[None] & (within.T > SAME_RIDER_COVERED)
    # Only weaker ones go, so the outcome does not depend on the order of the input.
    same &= scores[None] <= scores[:, None]
    np.fill_diagonal(same, False)
    contested: BoolArray = np.count_nonzero(same, axis=1) > 0
    for index in order[contested[order]]:
        if alive[index]:
            alive[same[index]] = False
    return alive
