"""Detections and tracks of one camera as arrays, one entry each: what the tracker computes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

import numba
import numpy as np

from detection.plane import CLASS_HEIGHT_M, GroundPlane
from detection.ports import BoolArray, Detections, FloatArray, IntArray
from detection.rider_size import PERSON, RiderSize
from detection.stillness import Changes
from detection.tracker_settings import TrackerSettings
from models.site import DEFAULT_CLASSES, VEHICLE_CLASSES

LENGTH_M: Final = np.array([item.length_m for item in DEFAULT_CLASSES])
WIDTH_M: Final = np.array([item.width_m for item in DEFAULT_CLASSES])
HEIGHT_M: Final = np.array([CLASS_HEIGHT_M[name] for name in VEHICLE_CLASSES])
CUT_MARGIN: Final = 0.015
"""A large box that ends so near the picture's lower edge, in shares of its height, is cut."""
CUT_VOTE: Final = 0.1
"""What a box that the picture's lower edge cuts says of its vehicle's class, beside a whole one."""
SHORT: Final = 0.87
"""A person below this share of a rider's height is not seen down to the ground."""
SMALL: Final = np.array(
    [name in ("motorcycle", "bicycle", "pedestrian") for name in VEHICLE_CLASSES]
)


@dataclass(slots=True)
class Measured:
    """Detections on the plane.

    ``contact`` is the point of the plane under the bottom centre of the box, ``noise`` its
    covariance, ``away`` the direction from the camera there, ``down`` how far it moves for one
    pixel down, ``moved`` the share of the box that changed lately (1 where nobody knows).
    """

    box: FloatArray
    score: FloatArray
    classes: IntArray
    small: BoolArray
    contact_px: FloatArray
    contact: FloatArray
    noise: FloatArray
    away: FloatArray
    down: FloatArray
    units: FloatArray
    cut: BoolArray
    spread_m2: FloatArray
    moved: FloatArray

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def of(
        cls,
        users: Detections,
        plane: GroundPlane,
        settings: TrackerSettings,
        size: tuple[int, int],
        changes: Changes | None,
        riders: RiderSize | None = None,
    ) -> Measured:
        """Measure road users; those whose place is beyond the horizon or too vague are left out."""
        box = users.boxes.astype(np.float64)
        score = users.scores.astype(np.float64)
        classes = users.classes
        contact_px = box[:, 2:].copy()
        contact_px[:, 0] = (box[:, 0] + box[:, 2]) / 2
        width, height = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
        _stretch_persons(box, classes, contact_px, size, riders)
        keep = (score >= settings.low_score) & (width > 1) & (height > 1)
        keep &= plane.depth_scale(contact_px) > 1e-9
        if not keep.all():
            box, score, classes = box[keep], score[keep], classes[keep]
            contact_px, width, height = contact_px[keep], width[keep], height[keep]
        contact, jacobian = plane.to_plane_with_jacobian(contact_px)
        # At the border of the picture a box shows only part of its vehicle.
        cut_x = (box[:, 0] < 2) | (box[:, 2] > size[0] - 3)
        cut_y = box[:, 3] > size[1] - np.where(SMALL[classes], 3.0, CUT_MARGIN * size[1])
        sigma_x = 0.7 + np.where(cut_x, 0.25, 0.03) * width
        sigma_y = 0.7 + np.where(cut_y, 0.3, 0.035) * height
        units = plane.units_per_m(height, HEIGHT_M[classes])
        noise, down, away = _about(jacobian, sigma_x, sigma_y)
        spread_m2 = (noise[:, 0, 0] + noise[:, 1, 1]) / (units[:, 0] * units[:, 1])
        moved = np.ones(len(box)) if changes is None else changes.shares(box)
        found = cls(
            box, score, classes, SMALL[classes], contact_px, contact, noise, away, down, units,
            cut_y, spread_m2, moved,
        )  # fmt: skip
        certain = spread_m2 < settings.max_ground_sigma_m**2
        return found if certain.all() else found.select(certain)

    @property
    def votes(self) -> FloatArray:
        """How much each (N,) says of its vehicle's class."""
        result: FloatArray = self.score * np.where(self.cut, CUT_VOTE, 1.0)
        return result

    def select(self, chosen: BoolArray) -> Measured:
        """Those that the mask chooses."""
        return Measured(*(getattr(self, name)[chosen] for name in self.__slots__))


def _scatter(
    jacobian: FloatArray, sigma_x: FloatArray, sigma_y: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of places on the plane: covariance (N, 2, 2), way for one pixel down, direction away (N, 2).

    ``jacobian`` (N, 2, 2) is by the pixel, whose standard deviations are ``sigma_x``, ``sigma_y``.
    """
    count = len(jacobian)
    noise, down, away = np.empty((count, 2, 2)), np.empty((count, 2)), np.empty((count, 2))
    for index in range(count):
        j, sx, sy = jacobian[index], sigma_x[index], sigma_y[index]
        for a in range(2):
            for b in range(2):
                noise[index, a, b] = (j[a, 0] * sx) * (j[b, 0] * sx) + (j[a, 1] * sy) * (
                    j[b, 1] * sy
                )
        length = max(math.hypot(j[0, 1], j[1, 1]), 1e-12)
        for a in range(2):
            down[index, a], away[index, a] = j[a, 1], -j[a, 1] / length
    return noise, down, away


_about = cast(
    Callable[[FloatArray, FloatArray, FloatArray], tuple[FloatArray, FloatArray, FloatArray]],
    numba.njit(cache=True)(_scatter),
)


def _stretch_persons(
    box: FloatArray,
    classes: IntArray,
    contact_px: FloatArray,
    size: tuple[int, int],
    riders: RiderSize | None,
) -> None:
    """Put the contact of persons whose lower part is hidden to where their feet or wheels are."""
    if riders is None or not riders.known:
        return
    rows = np.nonzero((classes == PERSON) & (box[:, 1] > 2))[0]
    if len(rows) == 0:
        return
    top, guess = box[rows, 1], contact_px[rows].copy()
    for _ in range(3):
        guess[:, 1] = top + riders.height_px(guess)
    short = box[rows, 3] - top < SHORT * (guess[:, 1] - top)
    short &= guess[:, 1] < size[1] + 0.5 * (guess[:, 1] - top)
    contact_px[rows[short], 1] = guess[short, 1]


@dataclass(slots=True)
class TrackTable:
    """All tracks of a camera.

    ``ids`` is 0 until a track is confirmed. ``position`` and ``velocity`` are those of the
    vehicle's centre on the plane, with the covariance in blocks ``p_pp``, ``p_pv``, ``p_vv``.
    ``tall`` is the height of the whole vehicle in pixels over the depth scale of its contact;
    ``reach_m`` is how far the front of one that the picture's edge cuts is from its position, 0
    where its length must tell; ``size_m`` are length and height of one of ``size_class`` with their
    covariance ``size_m2`` (:mod:`detection.extents`); ``wide_m`` is how wide the boxes of a
    two-wheeler are (:mod:`detection.slant`), 0 where none has told; ``afoot`` the share of its
    latest boxes that were called a walker's;
    ``held`` says that the picture has not changed where it stands, ``moved`` the share of its box
    that had when it was last seen.
    """

    ids: IntArray
    position: FloatArray
    velocity: FloatArray
    p_pp: FloatArray
    p_pv: FloatArray
    p_vv: FloatArray
    heading: FloatArray
    away: FloatArray
    units: FloatArray
    box: FloatArray
    contact_px: FloatArray
    tall: FloatArray
    votes: FloatArray
    classes: IntArray
    score: FloatArray
    hits: IntArray
    born_s: FloatArray
    seen_s: FloatArray
    fastest: FloatArray
    confirmed: BoolArray
    seen: BoolArray
    standing: BoolArray
    held: BoolArray
    cut: BoolArray
    moved: FloatArray
    reach_m: FloatArray
    size_class: IntArray
    size_m: FloatArray
    size_m2: FloatArray
    wide_m: FloatArray
    afoot: FloatArray

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def empty(cls) -> TrackTable:
        """No tracks."""
        pair, block = np.zeros((0, 2)), np.zeros((0, 2, 2))
        number, whole, flag = np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.bool_)
        return cls(
            whole, pair, pair, block, block, block, pair, pair, pair, np.zeros((0, 4)), pair,
            number, np.zeros((0, len(VEHICLE_CLASSES))), whole, number, whole, number, number,
            number, flag, flag, flag, flag, flag, number, number, whole, pair, block,
            number, number,
        )  # fmt: skip

    @classmethod
    def born(
        cls,
        found: Measured,
        rows: IntArray,
        inward: FloatArray,
        plane: GroundPlane,
        settings: TrackerSettings,
        time_s: float,
    ) -> TrackTable:
        """New tracks from the detections of these rows; ``position`` is still their contact."""
        count = len(rows)
        units, box = found.units[rows], found.box[rows]
        speed_spread = np.zeros((count, 2, 2))
        # One that the picture shows standing has no speed to be found out.
        first = np.where(
            found.moved[rows] < settings.still_share,
            settings.start_speed_mps,
            settings.first_speed_mps,
        )
        speed_spread[:, 0, 0], speed_spread[:, 1, 1] = ((first[:, None] * units) ** 2).T
        votes = np.zeros((count, len(VEHICLE_CLASSES)))
        votes[np.arange(count), found.classes[rows]] = found.votes[rows]
        tall = (found.contact_px[rows, 1] - box[:, 1]) / plane.size_scale(found.contact_px[rows])
        flag = np.zeros(count, np.bool_)
        return cls(
            np.zeros(count, np.int64), found.contact[rows].copy(), np.zeros((count, 2)),
            found.noise[rows].copy(), np.zeros((count, 2, 2)), speed_spread,
            np.repeat(inward[None], count, axis=0), found.away[rows].copy(), units.copy(),
            box.copy(), found.contact_px[rows].copy(), tall, votes,
            found.classes[rows].copy(), found.score[rows].copy(), np.ones(count, np.int64),
            np.full(count, time_s), np.full(count, time_s), np.zeros(count),
            flag, ~flag, flag.copy(), flag.copy(), found.cut[rows].copy(),
            found.moved[rows].copy(), np.zeros(count), np.full(count, -1),
            np.zeros((count, 2)), np.zeros((count, 2, 2)), np.zeros(count),
            (found.classes[rows] == PERSON).astype(np.float64),
        )  # fmt: skip

    def select(self, chosen: BoolArray | IntArray) -> TrackTable:
        """Those that the mask or the indices choose."""
        return TrackTable(*(getattr(self, name)[chosen] for name in self.__slots__))

    def join(self, other: TrackTable) -> TrackTable:
        """These and others."""
        return TrackTable(
            *(
                np.concatenate([getattr(self, name), getattr(other, name)])
                for name in self.__slots__
            )
        )
