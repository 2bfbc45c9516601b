"""How long and how high each truck and bus is, told by both ends of its boxes.

Trucks and buses are of any length, and where the front of one is that drives away cannot be seen:
its far upper edge shows it as far as its height is known. The bottom of the box shows its rear. In
one picture a long low vehicle looks like a short high one; over its way they part. Of a camera at
the height ``h`` whose rays to both edges meet the ground ``far_m`` and ``near_m`` away along the
vehicle, its length and height fulfil

    length - bonnet + height * far_m / h = far_m - near_m

which an extended Kalman filter of both, begun at what is usual for its class, takes from every
picture that shows all of it. Of one whose rear the picture's edge cuts off, the upper edge alone
tells where its front is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, cast

import numba
import numpy as np

from detection.boxes import EDGE_PX
from detection.plane import CLASS_HEIGHT_M, Eye, GroundPlane
from detection.ports import BoolArray, FloatArray, IntArray
from detection.track_table import LENGTH_M, TrackTable
from models.site import LONG_VEHICLES, VEHICLE_CLASSES

AWAY: Final = 0.85
"""Cosine of the angle to the line of sight at which one drives away from the camera."""
LONG: Final = np.array([name in LONG_VEHICLES for name in VEHICLE_CLASSES])
BONNET_M: Final = np.array([{"car": 0.8, "truck": 0.25}.get(name, 0.0) for name in VEHICLE_CLASSES])
"""So far before the far end of a vehicle's upper edge its bumper is."""
HEIGHT_M: Final = np.array(
    [{"truck": 2.6, "bus": 3.1}.get(name, CLASS_HEIGHT_M[name]) for name in VEHICLE_CLASSES]
)
"""Light trucks, as are let into a city, with a box; buses with their cooling on the roof."""
LENGTH_SPREAD_M: Final = np.array([{"bus": 2.0}.get(name, 0.8) for name in VEHICLE_CLASSES])
HEIGHT_SPREAD_M: Final = 0.3
"""Standard deviations among the vehicles of a class: there are small buses too."""
ROW_PX: Final = 1.5
ROW_SHARE: Final = 0.05
"""What the upper and the lower edge of a box are off by: pixels, and a share of its height. More
than they scatter: from picture to picture they are off alike."""
LEAST_REACH_M: Final = 0.5
MOST_REACH_M: Final = 9.0
REACH_GAIN: Final = 0.4
STANDING_NOISE: Final = 50.0
"""So much less a picture tells of one that stands: it is off as the last one was."""


class _Rays(NamedTuple):
    """Where rays to both edges meet the ground, from the camera's foot along the vehicle, and what
    they are off by."""

    far_m: FloatArray
    near_m: FloatArray
    far_off_m: FloatArray
    near_off_m: FloatArray


def begin_sizes(t: TrackTable, rows: IntArray) -> None:
    """Start tracks' sizes anew, at what is usual for their class."""
    t.size_class[rows] = t.classes[rows]
    t.size_m[rows, 0], t.size_m[rows, 1] = LENGTH_M[t.classes[rows]], HEIGHT_M[t.classes[rows]]
    t.size_m2[rows] = 0.0
    t.size_m2[rows, 0, 0] = LENGTH_SPREAD_M[t.classes[rows]] ** 2
    t.size_m2[rows, 1, 1] = HEIGHT_SPREAD_M**2


def learn_sizes(t: TrackTable, rows: IntArray, box: FloatArray, plane: GroundPlane) -> None:
    """Take what the boxes of tracks, seen from top to bottom, tell of their size and front."""
    eye = plane.eye
    if eye is None:
        return
    changed = t.size_class[rows] != t.classes[rows]
    begin_sizes(t, rows[changed])
    away = (t.away[rows] * t.heading[rows]).sum(axis=1) > AWAY
    shown = away & (box[:, 1] > EDGE_PX)
    rows, box = rows[shown], box[shown]
    if len(rows) == 0:
        return
    rays = _rays(t, rows, box, plane, eye)
    ahead = np.isfinite(rays.far_m) & (rays.far_m > rays.near_m)
    cut = t.cut[rows]
    _of_the_cut(t, rows[cut & ahead], _Rays(*(part[cut & ahead] for part in rays)), eye)
    whole = ahead & ~cut & LONG[t.classes[rows]]
    _of_the_whole(t, rows[whole], _Rays(*(part[whole] for part in rays)), eye)


def _rays(t: TrackTable, rows: IntArray, box: FloatArray, plane: GroundPlane, eye: Eye) -> _Rays:
    middle, parts = (box[:, 0] + box[:, 2]) / 2, []
    row_px = ROW_PX + ROW_SHARE * (box[:, 3] - box[:, 1])
    for edge in (box[:, 1], box[:, 3]):
        pixels = np.stack([middle, edge], axis=1)
        place, jacobian = plane.to_plane_with_jacobian(pixels)
        sky = plane.depth_scale(pixels) <= 1e-9
        along = ((place - eye.foot) * t.heading[rows]).sum(axis=1)
        off_m = row_px * np.hypot(*jacobian[:, :, 1].T)
        parts.append((np.where(sky, np.nan, along), off_m))
    (far_m, far_off_m), (near_m, near_off_m) = parts
    return _Rays(far_m, near_m, far_off_m, near_off_m)


def _of_the_whole(t: TrackTable, rows: IntArray, rays: _Rays, eye: Eye) -> None:
    """One step of the filter of length and height."""
    if len(rows) == 0:
        return
    # About where the far end is expected: a ray that scatters must not weigh itself.
    shown = 1.0 - np.clip(t.size_m[rows, 1] / eye.height_m, 0.0, 0.9)
    expected_m = (rays.near_m + t.size_m[rows, 0] - BONNET_M[t.classes[rows]]) / shown
    gains = np.stack([np.ones(len(rows)), expected_m / eye.height_m], axis=1)
    innovation = (rays.far_m - expected_m) * shown
    noise = (rays.far_off_m * shown) ** 2 + rays.near_off_m**2
    noise *= np.where(t.standing[rows], STANDING_NOISE, 1.0)
    spread = np.einsum("nij,nj->ni", t.size_m2[rows], gains)
    gain = spread / ((gains * spread).sum(axis=1) + noise)[:, None]
    t.size_m[rows] += gain * innovation[:, None]
    t.size_m2[rows] -= gain[:, :, None] * spread[:, None, :]


def _of_the_cut(t: TrackTable, rows: IntArray, rays: _Rays, eye: Eye) -> None:
    """How far the upper edge says that a front is, of one whose rear is out of the picture."""
    if len(rows) == 0:
        return
    kinds = t.classes[rows]
    shown = 1.0 - np.clip(t.size_m[rows, 1] / eye.height_m, 0.0, 0.9)
    place = ((t.position[rows] - eye.foot) * t.heading[rows]).sum(axis=1)
    # No further than one so long would be whose rear is no nearer than the picture's edge.
    reach = np.minimum(rays.far_m * shown + BONNET_M[kinds], rays.near_m + t.size_m[rows, 0])
    gain = np.where(t.reach_m[rows] > 0, REACH_GAIN, 1.0)
    reach = np.clip(reach - place, LEAST_REACH_M, MOST_REACH_M)
    t.reach_m[rows] = (1.0 - gain) * t.reach_m[rows] + gain * reach


def reaches(t: TrackTable, rows: IntArray, classes: IntArray, large: BoolArray) -> FloatArray:
    """From the places of tracks to their fronts, (N, 2). Calibrated views.

    A track's place is half the length of its class behind the end that is seen; so much of what
    it is longer or shorter lies on its far side.
    """
    return _fronts(
        rows, classes, LENGTH_M, LONG, large, t.heading, t.away, t.size_class, t.size_m[:, 0],
        t.cut, t.reach_m,
    )  # fmt: skip


def _to_fronts(
    rows: IntArray,
    classes: IntArray,
    usual_m: FloatArray,
    long: BoolArray,
    large: BoolArray,
    heading: FloatArray,
    away: FloatArray,
    size_class: IntArray,
    length_m: FloatArray,
    cut: BoolArray,
    reach_m: FloatArray,
) -> FloatArray:
    """:func:`reaches`; what follows the classes' tables is all tracks'."""
    result = np.empty((len(rows), 2))
    for index in range(len(rows)):
        row, kind = rows[index], classes[index]
        (hx, hy), (ax, ay) = heading[row], away[row]
        usual = length = usual_m[kind]
        if long[kind] and size_class[row] == kind:
            length = length_m[row]
        if cut[row] and reach_m[row] > 0 and large[kind]:
            result[index, 0], result[index, 1] = hx * reach_m[row], hy * reach_m[row]
        else:
            more = abs(hx * ax + hy * ay) * (length - usual) / 2
            result[index, 0] = hx * (length / 2) + ax * more
            result[index, 1] = hy * (length / 2) + ay * more
    return result


_fronts = cast(Callable[..., FloatArray], numba.njit(cache=True)(_to_fronts))
