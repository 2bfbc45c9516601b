"""How slantwise a two-wheeler stands, told by how wide its boxes are.

One that stands or creeps shows no way it drives, and the way it last showed may be another than
the one it stands in now. A footprint of the length ``L`` and the width ``W`` that is turned by the
angle ``a`` from the line of sight looks

    W cos a + L sin a            wide where its box is a cuboid's (a projected camera),
    hypot(W cos a, L sin a)      wide where it is that of a machine, thin at both ends.

The bottom of its box is the near end of what touches the ground, ``l`` long and ``w`` wide
(:mod:`detection.wheels`). Half of that along the line of sight beyond is its centre, and
``L/2 cos a`` beyond the centre its front: together the front is

    (L + l)/2 cos a + w/2 sin a

beyond the bottom of the box: 1.9 m for a cuboid seen from behind, 1.25 m for one turned by 60
degrees, 1.65 m and 0.8 m for a machine.
To which side it is turned its width does not tell: of the front only the part along the line of
sight is moved. The place by which it is followed stays what it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, cast

import numba
import numpy as np

from detection.boxes import EDGE_PX
from detection.plane import GroundPlane
from detection.ports import BoolArray, FloatArray, IntArray
from detection.track_table import LENGTH_M, WIDTH_M, TrackTable
from detection.wheels import CUBOID, MACHINE
from models.site import TWO_WHEELERS, VEHICLE_CLASSES

TWO_WHEELED: Final = np.array([name in TWO_WHEELERS for name in VEHICLE_CLASSES])
GAIN: Final = 0.25
DRIVING_GAIN: Final = 0.5
"""How fast boxes of one that stands, and of one that drives, are believed."""
STEP_M: Final = 0.5
JUMP_GAIN: Final = 0.03
"""Nobody turns on the spot from one picture to the next: a box so much wider is of two, mostly."""
WIDEST: Final = 1.3
"""No two-wheeler looks wider than this share of its length."""
LOOSE: Final = 0.96
"""So much of the width of a box is believed: boxes are drawn a little too wide."""
CREEPS_MPS: Final = 1.0
DRIVES_MPS: Final = 2.0
"""Up to the first its width alone tells how one stands; from the second on its way does."""


def learn_widths(
    t: TrackTable, rows: IntArray, box: FloatArray, plane: GroundPlane, width_px: int
) -> None:
    """Take what the whole boxes (N, 4) of tracks tell of how wide they look."""
    contact = np.stack([(box[:, 0] + box[:, 2]) / 2, box[:, 3]], axis=1)
    across = plane.to_plane_with_jacobian(contact)[1][:, :, 0]
    _learn(rows, box, across, t.classes, t.standing, LENGTH_M, float(width_px), t.wide_m)


def _widths(
    rows: IntArray,
    box: FloatArray,
    across: FloatArray,
    classes: IntArray,
    standing: BoolArray,
    length_m: FloatArray,
    width_px: float,
    wide_m: FloatArray,
) -> None:
    """:func:`learn_widths`; ``across`` (N, 2) is the way on the ground for one pixel across."""
    for index in range(len(rows)):
        row, left, right = rows[index], box[index, 0], box[index, 2]
        wide = (right - left) * math.hypot(across[index, 0], across[index, 1])
        shown = left >= EDGE_PX and right <= width_px - 1 - EDGE_PX
        if not shown or not wide < WIDEST * length_m[classes[row]]:
            continue
        more = wide - wide_m[row]
        if wide_m[row] <= 0:
            wide_m[row] += more
        else:
            standing_gain = JUMP_GAIN if abs(more) > STEP_M else GAIN
            gain = standing_gain if standing[row] else DRIVING_GAIN
            wide_m[row] += gain * min(max(more, -STEP_M), STEP_M)


_learn = cast(Callable[..., None], numba.njit(cache=True)(_widths))


def angles(wide_m: FloatArray, classes: IntArray, hull: bool) -> FloatArray:
    """By how much (N,), in radians, footprints are turned at the least that look so wide."""
    length, width = LENGTH_M[classes], WIDTH_M[classes]
    wide = LOOSE * wide_m
    if hull:
        sine2 = (wide**2 - width**2) / (length**2 - width**2)
        return np.asarray(np.arcsin(np.sqrt(np.clip(sine2, 0.0, 1.0))))
    most = np.arcsin(np.clip(wide / np.hypot(length, width), -1.0, 1.0))
    return np.asarray(np.clip(most - np.arctan2(width, length), 0.0, None))


def slanted(t: TrackTable, rows: IntArray, classes: IntArray, hull: bool) -> FloatArray:
    """By how much (N, 2), in metres, the fronts of tracks are elsewhere than their headings say.

    Args:
        t: All tracks of a calibrated view.
        rows: Those asked for.
        classes: What each of them is.
        hull: Their boxes are those of machines, not of cuboids.
    """
    heading, away = t.heading[rows], t.away[rows]
    length = LENGTH_M[classes]
    long, wide = (size[classes] for size in (MACHINE if hull else CUBOID))
    speed = np.hypot(*t.velocity[rows].T)
    share = np.clip((DRIVES_MPS - speed) / (DRIVES_MPS - CREEPS_MPS), 0.0, 1.0)
    if not share.any():
        return np.zeros_like(away)
    cosine = np.clip((heading * away).sum(axis=1), -1.0, 1.0)
    believed = np.arccos(cosine)
    turned = np.maximum(angles(t.wide_m[rows], classes, hull), believed)
    known: BoolArray = TWO_WHEELED[classes] & (t.wide_m[rows] > 0) & (cosine > 0)

    def far(angle: FloatArray) -> FloatArray:
        result: FloatArray = (length + long) / 2 * np.cos(angle) + wide * np.sin(angle) / 2
        return result

    nearer = np.where(known, share * (far(turned) - far(believed)), 0.0)
    result: FloatArray = away * nearer[:, None]
    return result
