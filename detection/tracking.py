"""Following road users from frame to frame, on the ground plane.

A motorbike at 14 m/s moves 2.3 m between frames at 6 a second, more than its own length, so
boxes of consecutive frames need not overlap. Each track is therefore a constant-velocity Kalman
filter of the vehicle's centre on the plane, with the box's pixel noise carried to the plane by
the local derivative of the homography. Detections are assigned in two stages (strong ones to
every track, weak ones to confirmed tracks that are left) by least total cost.

All tracks live in arrays; one step costs a few dozen numpy calls whatever their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import linear_sum_assignment

from detection import boxes as bx
from detection.plane import CLASS_HEIGHT_M, GroundPlane
from detection.ports import BoolArray, Detections, FloatArray, IntArray
from models.camera import CameraView
from models.site import DEFAULT_CLASSES, VEHICLE_CLASSES

LENGTH_M: Final = np.array([item.length_m for item in DEFAULT_CLASSES])
WIDTH_M: Final = np.array([item.width_m for item in DEFAULT_CLASSES])
HEIGHT_M: Final = np.array([CLASS_HEIGHT_M[name] for name in VEHICLE_CLASSES])
_PERSON: Final = VEHICLE_CLASSES.index("pedestrian")
_MOTORCYCLE: Final = VEHICLE_CLASSES.index("motorcycle")
_SMALL: Final = np.array(
    [name in ("motorcycle", "bicycle", "pedestrian") for name in VEHICLE_CLASSES]
)
_NEVER: Final = 1e6


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Tuned on a 6 frames per second street; every time is in seconds, never in frames."""

    high_score: float = 0.35
    """Detections from here on may start a track and are assigned first."""
    low_score: float = 0.1
    """Weaker ones are ignored; those between only continue confirmed tracks."""
    confirm_hits: int = 2
    confirm_hits_cut: int = 5
    """For one that the border of the picture cuts: where it stands is only guessed."""
    tentative_s: float = 0.45
    """A track that is not yet confirmed ends after this long without a detection."""
    lost_moving_s: float = 1.2
    lost_standing_s: float = 4.0
    """How long a confirmed track waits for its vehicle to come back from behind another."""
    acceleration_mps2: float = 3.5
    """Spread of what a driver may do between frames: hard braking, swerving."""
    first_speed_mps: float = 7.0
    """Spread of the unknown speed of a new track."""
    gate: float = 14.0
    """Largest squared Mahalanobis distance of a detection from a track."""
    max_speed_mps: float = 22.0
    slack_m: float = 1.2
    surprise_mps2: float = 8.0
    """A settled track may be off its prediction by ``slack_m`` and what this does in the gap."""
    turn_gap_s: float = 0.4
    turn_speed_mps: float = 1.5
    turn_share: float = 1.2
    turn_size_ratio: float = 1.35
    """A vehicle that turns sharply: moving, seen just now, off its prediction by at most such a
    share of its own way in the gap (a turn by 75 degrees), and of about the same size."""
    max_size_ratio: float = 2.2
    """A box that differs more in height from the last one is another vehicle."""
    max_ground_sigma_m: float = 5.0
    """Detections whose place on the ground is less certain (far away) are left out."""
    walking_mps: float = 3.5
    """Persons who move faster ride; a detector saw the rider and missed the machine."""


@dataclass(frozen=True, slots=True)
class TrackState:
    """A confirmed track at one frame.

    ``box_px`` is x0 y0 x1 y1, ``contact_px`` its bottom centre; ``centre``, ``front`` and
    ``velocity`` are in the view's plane (metres when ``metric``), ``heading`` a unit vector in
    it. ``units_per_m`` converts metres to plane units along x and y. ``seen`` is False while
    the track coasts without a detection.
    """

    id: int
    vehicle_class: str
    box_px: tuple[float, float, float, float]
    contact_px: tuple[float, float]
    centre: tuple[float, float]
    front: tuple[float, float]
    velocity: tuple[float, float]
    heading: tuple[float, float]
    units_per_m: tuple[float, float]
    speed_mps: float
    score: float
    seen: bool
    age_s: float


class Tracker:
    """Tracks of one camera view."""

    def __init__(self, view: CameraView, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self.plane = GroundPlane(view)
        self._size = (view.width_px, view.height_px)
        self._inward: FloatArray = np.array(view.inward, np.float64)
        self._next_id = 1
        self._time_s: float | None = None
        self._tracks = _Tracks.empty()

    def update(self, time_s: float, users: Detections) -> list[TrackState]:
        """Advance to ``time_s`` with the road users found there.

        Args:
            time_s: Time of the frame; must not be before the last one.
            users: Output of :func:`detection.riders.road_users`.

        Returns:
            The confirmed tracks, those without a detection in this frame included.

        Raises:
            ValueError: If time goes backwards.
        """
        dt = 0.0 if self._time_s is None else time_s - self._time_s
        if dt < 0:
            raise ValueError(f"time goes back by {-dt:.3f} s")
        self._time_s = time_s
        if dt > self.settings.lost_standing_s:
            # After so long without a picture nobody can be told from anybody.
            self._tracks = _Tracks.empty()
        found = _Found.measure(users, self.plane, self.settings, self._size)
        tracks = self._tracks
        if len(tracks):
            self._predict(dt)
            matched = self._assign(found)
            self._correct(found, matched, time_s)
        else:
            matched = np.full(len(found), -1, np.int64)
        self._end_lost(time_s)
        self._start(found, matched, time_s)
        return self._states(time_s)

    def _predict(self, dt: float) -> None:
        t = self._tracks
        t.position += t.velocity * dt
        spread = (self.settings.acceleration_mps2 * t.units) ** 2
        noise = np.zeros((len(t), 2, 2))
        # A vehicle that has stood still for a while is left to stand, so that jitter stays jitter.
        calm = np.where(t.standing, 0.1, 1.0)[:, None]
        noise[:, 0, 0], noise[:, 1, 1] = (spread * calm).T
        cross = t.p_pv + np.swapaxes(t.p_pv, 1, 2)
        t.p_pp += dt * cross + dt * dt * t.p_vv + noise * (dt**4 / 4)
        t.p_pv += dt * t.p_vv + noise * (dt**3 / 2)
        t.p_vv += noise * (dt * dt)

    def _assign(self, found: _Found) -> IntArray:
        """Index of the track of each detection, -1 for none."""
        t, s = self._tracks, self.settings
        matched = np.full(len(found), -1, np.int64)
        if len(found) == 0:
            return matched
        cost = self._costs(found)
        strong = found.score >= s.high_score
        free = np.ones(len(t), np.bool_)
        self._solve(cost, np.nonzero(free)[0], np.nonzero(strong)[0], matched)
        free[matched[matched >= 0]] = False
        assert self._time_s is not None
        recent = (self._time_s - t.seen_s) < s.lost_moving_s
        weak = np.nonzero(~strong)[0]
        self._solve(cost, np.nonzero(free & t.confirmed & recent)[0], weak, matched)
        free[matched[matched >= 0]] = False
        turning = free & t.confirmed & (t.hits >= 4) & (self._time_s - t.seen_s < s.turn_gap_s)
        left = np.nonzero(strong & (matched < 0))[0]
        self._solve(self._turn_costs(found), np.nonzero(turning)[0], left, matched)
        return matched

    def _turn_costs(self, found: _Found) -> FloatArray:
        """Distance, in metres, of what is left over to moving tracks that lost their vehicle.

        A sharp turn is nothing a steady motion predicts; yet the vehicle is still about where it
        was, as large as it was, within reach of its speed in any direction.
        """
        t, s = self._tracks, self.settings
        assert self._time_s is not None
        contact = t.position - self._offset(t.away, t.heading, t.classes)
        delta = (found.contact[None] - contact[:, None]) / t.units[:, None]
        metres = np.hypot(delta[..., 0], delta[..., 1])
        speed = np.hypot(*(t.velocity / t.units).T)
        gap_s = self._time_s - t.seen_s
        reach = s.slack_m + s.turn_share * speed * gap_s
        height = (t.box[:, 3] - t.box[:, 1])[:, None]
        ratio = np.abs(np.log(height / (found.box[:, 3] - found.box[:, 1])[None]))
        possible = (metres < reach[:, None]) & (ratio < np.log(s.turn_size_ratio))
        possible &= (bx.iou(t.box, found.box) > 0.1) & (speed > s.turn_speed_mps)[:, None]
        costs: FloatArray = np.where(possible, metres, _NEVER)
        return costs

    @staticmethod
    def _solve(cost: FloatArray, rows: IntArray, columns: IntArray, matched: IntArray) -> None:
        if len(rows) == 0 or len(columns) == 0:
            return
        part = cost[np.ix_(rows, columns)]
        chosen_rows, chosen_columns = linear_sum_assignment(part)
        good = part[chosen_rows, chosen_columns] < _NEVER / 2
        matched[columns[chosen_columns[good]]] = rows[chosen_rows[good]]

    def _costs(self, found: _Found) -> FloatArray:
        """Cost (tracks, detections) of each pairing; ``_NEVER`` where it is impossible."""
        t, s = self._tracks, self.settings
        contact = t.position - self._offset(t.away, t.heading, t.classes)
        delta = found.contact[None] - contact[:, None]
        cov = t.p_pp[:, None] + found.noise[None]
        a, b, c = cov[..., 0, 0], cov[..., 0, 1], cov[..., 1, 1]
        det = np.maximum(a * c - b * b, 1e-9)
        dx, dy = delta[..., 0], delta[..., 1]
        distance2 = (c * dx * dx - 2 * b * dx * dy + a * dy * dy) / det
        # The log determinant lets a track that knows its place win over one that merely could.
        area = np.prod(t.units, axis=1)[:, None]
        mismatch = (t.votes @ _SMALL > 0.5 * t.votes.sum(axis=1))[:, None] != found.small[None]
        assert self._time_s is not None
        gap_s = np.maximum(self._time_s - t.seen_s, 0.05)[:, None]
        metres = np.hypot(dx / t.units[:, :1], dy / t.units[:, 1:])
        settled = (t.hits >= 4)[:, None]
        reach = np.where(
            settled,
            s.slack_m + s.surprise_mps2 / 2 * gap_s**2 + np.sqrt(found.spread_m2)[None],
            s.slack_m + s.max_speed_mps * gap_s,
        )
        expected = self._predicted_boxes(contact)
        overlap = bx.iou(expected, found.box)
        possible = (distance2 < s.gate) & (metres < reach)
        # An occluded box has a wrong bottom edge but still lies on the predicted one.
        possible |= (overlap > 0.55) & (distance2 < 6 * s.gate) & (metres < 2.0 * reach)
        tall = (expected[:, 3] - expected[:, 1])[:, None] / (found.box[:, 3] - found.box[:, 1])[
            None
        ]
        ratio = np.abs(np.log(np.maximum(tall, 1e-3)))
        possible &= ratio < np.log(s.max_size_ratio)
        cost = (
            distance2
            + np.log(det / (area * area))
            + 5.0 * (1.0 - overlap)
            + 4.0 * mismatch
            + 2.0 * ratio
        )
        result: FloatArray = np.where(possible, cost, _NEVER)
        return result

    def _predicted_boxes(self, contact: FloatArray) -> FloatArray:
        """Each track's last box, moved and scaled to its predicted contact point."""
        t = self._tracks
        centre = self.plane.to_image(contact)
        centre = np.where(np.isfinite(centre), centre, t.contact_px)
        scale = self.plane.depth_scale(centre) / np.maximum(
            self.plane.depth_scale(t.contact_px), 1e-9
        )
        size = (t.box[:, 2:] - t.box[:, :2]) * np.clip(scale, 0.5, 2.0)[:, None]
        low = np.stack([centre[:, 0] - size[:, 0] / 2, centre[:, 1] - size[:, 1]], axis=1)
        return np.concatenate([low, low + size], axis=1)

    def _offset(self, away: FloatArray, heading: FloatArray, classes: IntArray) -> FloatArray:
        """From the point under the box's bottom centre to the vehicle's centre, (N, 2).

        The bottom edge of the box touches the side of the footprint that is nearest to the
        camera; half the footprint's extent along the line of sight lies behind it.
        """
        if not self.plane.metric:
            return np.zeros_like(away)
        along = np.abs((away * heading).sum(axis=1))
        across = np.abs(away[:, 0] * heading[:, 1] - away[:, 1] * heading[:, 0])
        half = (LENGTH_M[classes] * along + WIDTH_M[classes] * across) / 2
        result: FloatArray = away * half[:, None]
        return result

    def _correct(self, found: _Found, matched: IntArray, time_s: float) -> None:
        t, s = self._tracks, self.settings
        t.seen[:] = False
        chosen = np.nonzero(matched >= 0)[0]
        if len(chosen) == 0:
            return
        rows = matched[chosen]
        t.votes[rows, found.classes[chosen]] += found.score[chosen] * np.where(
            found.classes[chosen] == _PERSON, 0.4, 1.0
        )
        t.classes[rows] = t.votes[rows].argmax(axis=1)
        away = found.away[chosen]
        measured = found.contact[chosen] + self._offset(away, t.heading[rows], t.classes[rows])
        noise = found.noise[chosen]
        p_pp, p_pv, p_vv = t.p_pp[rows], t.p_pv[rows], t.p_vv[rows]
        innovation = measured - t.position[rows]
        total = p_pp + noise
        inverse = np.linalg.inv(total)
        # Beyond the gate only overlap speaks for the pair: believe its place less.
        distance2 = np.einsum("ni,nij,nj->n", innovation, inverse, innovation)
        wide = np.maximum(distance2 / s.gate, 1.0)[:, None, None]
        noise = noise * wide * wide
        inverse = np.linalg.inv(p_pp + noise)
        gain_p = p_pp @ inverse
        gain_v = np.swapaxes(p_pv, 1, 2) @ inverse
        t.position[rows] += (gain_p @ innovation[..., None])[..., 0]
        t.velocity[rows] += (gain_v @ innovation[..., None])[..., 0]
        # Written so, and kept symmetric, the covariance stays one over minutes of standing still.
        t.p_pv[rows] = p_pv - gain_p @ p_pv
        t.p_vv[rows] = _symmetric(p_vv - gain_v @ p_pv)
        t.p_pp[rows] = _symmetric(gain_p @ noise)
        t.box[rows], t.contact_px[rows] = found.box[chosen], found.contact_px[chosen]
        t.away[rows], t.units[rows], t.cut[rows] = away, found.units[chosen], found.cut[chosen]
        t.score[rows], t.seen_s[rows], t.seen[rows] = found.score[chosen], time_s, True
        t.hits[rows] += 1
        speed = np.hypot(*(t.velocity[rows] / t.units[rows]).T)
        t.standing[rows] = speed < 0.6
        moving = speed > 1.5
        direction = t.velocity[rows] / np.maximum(np.hypot(*t.velocity[rows].T)[:, None], 1e-9)
        turned = rows[moving]
        t.heading[turned] = 0.5 * t.heading[turned] + 0.5 * direction[moving]
        against = np.hypot(*t.heading[turned].T) < 0.3
        t.heading[turned[against]] = direction[moving][against]
        t.heading[turned] /= np.hypot(*t.heading[turned].T)[:, None]
        t.fastest[rows] = np.where(
            t.hits[rows] >= 4, np.maximum(0.8 * t.fastest[rows], speed), t.fastest[rows]
        )

    def _end_lost(self, time_s: float) -> None:
        t, s = self._tracks, self.settings
        if len(t) == 0:
            return
        patience = np.where(
            t.confirmed, np.where(t.standing, s.lost_standing_s, s.lost_moving_s), s.tentative_s
        )
        # One that has left the picture has left for good.
        middle = (t.box[:, :2] + t.box[:, 2:]) / 2
        predicted = self.plane.to_image(t.position)
        width, height = self._size
        outside = ~t.seen & (
            (predicted[:, 0] < -20)
            | (predicted[:, 0] > width + 20)
            | (predicted[:, 1] > height + 60)
            | ~np.isfinite(predicted[:, 0])
            | ~np.isfinite(middle[:, 0])
        )
        keep = (time_s - t.seen_s <= patience) & ~outside
        if not keep.all():
            self._tracks = t.select(keep)

    def _start(self, found: _Found, matched: IntArray, time_s: float) -> None:
        new = (matched < 0) & (found.score >= self.settings.high_score)
        if not new.any():
            return
        if len(self._tracks) and self._tracks.seen.any():
            taken = self._tracks.box[self._tracks.seen]
            new &= ~(bx.iou(found.box, taken) > 0.6).any(axis=1)
        rows = np.nonzero(new)[0]
        if len(rows) == 0:
            return
        born = _Tracks.born(found, rows, self._inward, self.settings, time_s)
        born.position += self._offset(born.away, born.heading, born.classes)
        self._tracks = born if len(self._tracks) == 0 else self._tracks.join(born)

    def _states(self, time_s: float) -> list[TrackState]:
        t = self._tracks
        s = self.settings
        needed = np.where(t.cut, s.confirm_hits_cut, s.confirm_hits)
        ready = ~t.confirmed & (t.hits >= needed)
        for row in np.nonzero(ready)[0]:
            t.ids[row] = self._next_id
            self._next_id += 1
        t.confirmed |= ready
        rows = np.nonzero(t.confirmed)[0]
        if len(rows) == 0:
            return []
        classes = np.where(
            (t.classes == _PERSON) & (t.fastest > self.settings.walking_mps),
            _MOTORCYCLE,
            t.classes,
        )[rows]
        reach = LENGTH_M[classes] / 2 if self.plane.metric else np.zeros(len(rows))
        position, velocity, heading = t.position[rows], t.velocity[rows], t.heading[rows]
        front = position + heading * reach[:, None]
        speed = np.hypot(*(velocity / t.units[rows]).T)
        values = zip(
            t.ids[rows].tolist(),
            classes.tolist(),
            t.box[rows].tolist(),
            t.contact_px[rows].tolist(),
            position.tolist(),
            front.tolist(),
            velocity.tolist(),
            heading.tolist(),
            t.units[rows].tolist(),
            speed.tolist(),
            t.score[rows].tolist(),
            t.seen[rows].tolist(),
            (time_s - t.born_s[rows]).tolist(),
            strict=True,
        )
        return [
            TrackState(
                id=track,
                vehicle_class=VEHICLE_CLASSES[class_index],
                box_px=(box[0], box[1], box[2], box[3]),
                contact_px=(contact[0], contact[1]),
                centre=(centre[0], centre[1]),
                front=(tip[0], tip[1]),
                velocity=(motion[0], motion[1]),
                heading=(direction[0], direction[1]),
                units_per_m=(unit[0], unit[1]),
                speed_mps=speed_mps,
                score=score,
                seen=seen,
                age_s=age_s,
            )
            for (
                track, class_index, box, contact, centre, tip, motion, direction, unit,
                speed_mps, score, seen, age_s,
            ) in values
        ]  # fmt: skip


def _symmetric(blocks: FloatArray) -> FloatArray:
    result: FloatArray = (blocks + np.swapaxes(blocks, 1, 2)) / 2
    return result


@dataclass(slots=True)
class _Found:
    """Measured detections: all fields have one entry per detection."""

    box: FloatArray
    score: FloatArray
    classes: IntArray
    small: BoolArray
    contact_px: FloatArray
    contact: FloatArray
    noise: FloatArray
    away: FloatArray
    units: FloatArray
    cut: BoolArray
    spread_m2: FloatArray

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def measure(
        cls, users: Detections, plane: GroundPlane, settings: TrackerSettings, size: tuple[int, int]
    ) -> _Found:
        box = users.boxes.astype(np.float64)
        score = users.scores.astype(np.float64)
        classes = users.classes
        contact_px = np.stack([(box[:, 0] + box[:, 2]) / 2, box[:, 3]], axis=1)
        width, height = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
        keep = (score >= settings.low_score) & (width > 1) & (height > 1)
        keep &= plane.depth_scale(contact_px) > 1e-9
        box, score, classes, contact_px = box[keep], score[keep], classes[keep], contact_px[keep]
        width, height = width[keep], height[keep]
        jacobian = plane.jacobian(contact_px)
        # At the border of the picture a box shows only part of its vehicle.
        cut_x = (box[:, 0] < 2) | (box[:, 2] > size[0] - 3)
        cut_y = box[:, 3] > size[1] - 3
        sigma_x = 0.7 + np.where(cut_x, 0.25, 0.03) * width
        sigma_y = 0.7 + np.where(cut_y, 0.3, 0.035) * height
        scaled = jacobian * np.stack([sigma_x, sigma_y], axis=1)[:, None, :]
        units = plane.units_per_m(height, HEIGHT_M[classes])
        noise = scaled @ np.swapaxes(scaled, 1, 2)
        spread_m2 = np.trace(noise, axis1=1, axis2=2) / np.prod(units, axis=1)
        certain = spread_m2 < settings.max_ground_sigma_m**2
        found = cls(
            box, score, classes, _SMALL[classes], contact_px, plane.to_plane(contact_px), noise,
            plane.away(contact_px), units, cut_y, spread_m2,
        )  # fmt: skip
        return found if certain.all() else found.select(certain)

    def select(self, chosen: BoolArray) -> _Found:
        return _Found(
            self.box[chosen], self.score[chosen], self.classes[chosen], self.small[chosen],
            self.contact_px[chosen], self.contact[chosen], self.noise[chosen], self.away[chosen],
            self.units[chosen], self.cut[chosen], self.spread_m2[chosen],
        )  # fmt: skip


@dataclass(slots=True)
class _Tracks:
    """All tracks of a camera, one entry each; id 0 means not confirmed yet."""

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
    cut: BoolArray

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def empty(cls) -> _Tracks:
        pair, block = np.zeros((0, 2)), np.zeros((0, 2, 2))
        number, whole, flag = np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.bool_)
        return cls(
            whole, pair, pair, block, block, block, pair, pair, pair, np.zeros((0, 4)), pair,
            np.zeros((0, len(VEHICLE_CLASSES))), whole, number, whole, number, number, number,
            flag, flag, flag, flag,
        )  # fmt: skip

    @classmethod
    def born(
        cls,
        found: _Found,
        rows: IntArray,
        inward: FloatArray,
        settings: TrackerSettings,
        time_s: float,
    ) -> _Tracks:
        count = len(rows)
        units = found.units[rows]
        speed_spread = np.zeros((count, 2, 2))
        spread = (settings.first_speed_mps * units) ** 2
        speed_spread[:, 0, 0], speed_spread[:, 1, 1] = spread.T
        votes = np.zeros((count, len(VEHICLE_CLASSES)))
        votes[np.arange(count), found.classes[rows]] = found.score[rows]
        flag = np.zeros(count, np.bool_)
        return cls(
            np.zeros(count, np.int64), found.contact[rows].copy(), np.zeros((count, 2)),
            found.noise[rows].copy(), np.zeros((count, 2, 2)), speed_spread,
            np.repeat(inward[None], count, axis=0), found.away[rows].copy(), units.copy(),
            found.box[rows].copy(), found.contact_px[rows].copy(), votes,
            found.classes[rows].copy(), found.score[rows].copy(), np.ones(count, np.int64),
            np.full(count, time_s), np.full(count, time_s), np.zeros(count),
            flag, ~flag, flag.copy(), found.cut[rows].copy(),
        )  # fmt: skip

    def select(self, chosen: BoolArray) -> _Tracks:
        return _Tracks(*(getattr(self, name)[chosen] for name in self.__slots__))

    def join(self, other: _Tracks) -> _Tracks:
        return _Tracks(
            *(
                np.concatenate([getattr(self, name), getattr(other, name)])
                for name in self.__slots__
            )
        )
