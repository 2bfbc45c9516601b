"""Following road users from frame to frame, on the ground plane.

A motorbike at 14 m/s moves 2.3 m between frames at 6 a second, more than its own length, so
boxes of consecutive frames need not overlap. Each track is therefore a constant-velocity Kalman
filter of the vehicle's centre on the plane, with the box's pixel noise carried to the plane by
the local derivative of the homography. Detections are assigned in two stages (strong ones to
every track, weak ones to confirmed tracks that are left) by least total cost.

Where the picture itself shows that nothing moves (:mod:`detection.stillness`) a track is held:
boxes that come and go in a standing queue neither move it nor end it.

All tracks live in arrays; one step costs a few dozen numpy calls whatever their number.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from detection import boxes as bx
from detection.association import (
    centre_offset,
    pair_costs,
    predicted_boxes,
    solve,
    turn_costs,
)
from detection.extents import learn_sizes, reaches
from detection.kalman_kernel import correct, predict
from detection.plane import GroundPlane
from detection.ports import BoolArray, Detections, FloatArray, IntArray
from detection.rider_size import RiderSize
from detection.sighting_kernel import KNOWN_HITS, learn_heights, misfits, note_motion, vote
from detection.slant import learn_widths, slanted
from detection.stillness import Changes
from detection.track_table import (
    LENGTH_M,
    SMALL,
    WIDTH_M,
    Measured,
    TrackTable,
)
from detection.tracker_settings import TrackerSettings
from detection.wheels import beyond_wheels
from models.camera import CameraView
from models.site import LONG_VEHICLES, TWO_WHEELERS, VEHICLE_CLASSES

__all__ = ["LENGTH_M", "WIDTH_M", "TrackState", "Tracker", "TrackerSettings"]

HELD_GAIN: Final = 0.05
"""How far one box moves a vehicle that stands."""
SLOW_MPS: Final = 4.0
"""One who is as slow as this may stand at the next look."""
DRIVES_MPS: Final = 4.5
DRIVES_HITS: Final = 6
"""One who was seen so often, and drives so fast, does not stand at the next look."""
JOINED_SHARE: Final = 0.5
"""Of the height by which a box is too tall, its bottom is so unsure: it may be another's."""
RIDER_SHARE: Final = 0.15
"""Of a detector that tells walkers from riders: one who rides was called so at times."""
DOUBLE: Final = 0.8
WEAKER: Final = 0.8
"""Of two two-wheelers' boxes one that lies within the other to this share, with so small a share of
its score, is of the same vehicle."""
PART: Final = 0.75
"""A box round two has two smaller than this share of it within, that fill it from end to end."""
_LARGE: Final = np.array([name in {*LONG_VEHICLES, "car"} for name in VEHICLE_CLASSES])
_TWO_WHEELERS: Final = [VEHICLE_CLASSES.index(name) for name in sorted(TWO_WHEELERS)]
_PERSON: Final = VEHICLE_CLASSES.index("pedestrian")
_MOTORCYCLE: Final = VEHICLE_CLASSES.index("motorcycle")


class TrackState(NamedTuple):
    """A confirmed track at one frame (a tuple: sixty of them are made for every frame).

    ``box_px`` is x0 y0 x1 y1, ``contact_px`` its bottom centre, where the wheels touch the
    ground; ``centre``, ``front`` and ``velocity`` are in the view's plane (metres when
    ``metric``), ``heading`` a unit vector in it. ``units_per_m`` converts metres to plane units
    along x and y. ``seen`` is False while the track coasts without a detection, ``held`` True
    while the picture does not change where it stands. ``contact`` is the place of
    ``contact_px`` on the plane, smoothed as the centre is, ``afoot`` the share of its latest boxes
    that the detector called a walker's.
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
    contact: tuple[float, float]
    held: bool = False
    afoot: float = 0.0


_METRE: Final = (1.0, 1.0)
# Sixty are made for every frame: what a named tuple's own constructor asks is known here.
_STATE: Final = partial(tuple.__new__, TrackState)


class Places(NamedTuple):
    """Places of the states last returned, on the plane, as arrays (N, 2); boxes (N, 4)."""

    centre: FloatArray
    front: FloatArray
    contact: FloatArray
    units: FloatArray
    box_px: FloatArray

    @classmethod
    def none(cls) -> Places:
        """Of no states."""
        pair = np.zeros((0, 2))
        return cls(pair, pair, pair, pair, np.zeros((0, 4)))


class Tracker:
    """Tracks of one camera view.

    ``places`` holds where the tracks of the last update are, for who computes on all of them.
    """

    def __init__(self, view: CameraView, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self.plane = GroundPlane(view)
        self._size = (view.width_px, view.height_px)
        self._inward: FloatArray = np.array(view.inward, np.float64)
        self._next_id = 1
        self._time_s: float | None = None
        self._walkers = False
        self.places = Places.none()
        self._tracks = TrackTable.empty()
        self._expected: FloatArray = np.zeros((0, 4))
        """Where the boxes of the tracks must be now."""

    def update(
        self,
        time_s: float,
        users: Detections,
        changes: Changes | None = None,
        riders: RiderSize | None = None,
        *,
        walkers: bool = False,
    ) -> list[TrackState]:
        """Advance to ``time_s`` with the road users found there.

        Args:
            time_s: Time of the frame; must not be before the last one.
            users: Output of :func:`detection.riders.road_users`.
            changes: Where the picture changed lately; None where there is no picture.
            riders: How tall riders are; tells where those stand whose machine is hidden.
            walkers: The detector tells people on foot from riders.

        Returns:
            The confirmed tracks, those without a detection in this frame included.

        Raises:
            ValueError: If time goes backwards.
        """
        dt = 0.0 if self._time_s is None else time_s - self._time_s
        if dt < 0:
            raise ValueError(f"time goes back by {-dt:.3f} s")
        self._time_s, self._walkers = time_s, walkers
        if dt > self.settings.lost_standing_s:
            # After so long without a picture nobody can be told from anybody.
            self._tracks = TrackTable.empty()
        found = Measured.of(users, self.plane, self.settings, self._size, changes, riders)
        if len(self._tracks):
            self._hold(changes)
            self._predict(dt)
            matched = self._assign(found, time_s, walkers)
            self._correct(found, matched, time_s)
        else:
            matched = np.full(len(found), -1, np.int64)
        self._start(found, matched, time_s)
        self._end_lost(time_s)
        return self._states(time_s)

    def _hold(self, changes: Changes | None) -> None:
        """Hold the tracks that stand on unchanged pixels; let go of the others."""
        t, s = self._tracks, self.settings
        before = t.held
        if changes is None:
            t.held = np.zeros(len(t), np.bool_)
        else:
            # Where one drove past fast, the picture is again what it was before: it had changed
            # when the vehicle was seen there.
            t.held = changes.shares(t.box) < s.still_share
            speed = np.hypot(*(t.velocity / t.units).T)
            slow = (speed < SLOW_MPS) & (t.hits >= KNOWN_HITS)
            drives = (speed >= DRIVES_MPS) & (t.hits >= DRIVES_HITS)
            # Boxes that are now the rider's, now the machine's too, seem to drive.
            drives &= self._walkers and self.plane.metric
            t.held &= before | t.standing | slow | ((t.moved < s.moved_share) & ~drives)
            # Who passes behind or before one that stands covers its upper or its lower part.
            covered = before & ~t.held
            if covered.any():
                t.held[covered] = changes.calmer_half(t.box[covered]) < s.still_share
        t.velocity[t.held] = 0.0
        t.standing |= t.held
        started = before & ~t.held
        if started.any():
            spread = (s.start_speed_mps * t.units[started]) ** 2
            t.p_vv[started] = 0.0
            t.p_pv[started] = 0.0
            t.p_vv[started, 0, 0], t.p_vv[started, 1, 1] = spread.T
            t.standing[started] = False

    def _predict(self, dt: float) -> None:
        t = self._tracks
        predict(
            dt, self.settings.acceleration_mps2, t.units, t.held, t.standing,
            t.position, t.velocity, t.p_pp, t.p_pv, t.p_vv,
        )  # fmt: skip

    def _assign(self, found: Measured, time_s: float, walkers: bool) -> IntArray:
        """Index of the track of each detection, -1 for none."""
        t, s = self._tracks, self.settings
        matched = np.full(len(found), -1, np.int64)
        if len(found) == 0:
            return matched
        contact = t.position - centre_offset(self.plane, t.away, t.heading, t.classes)
        self._expected = predicted_boxes(t, contact, self.plane)
        cost = pair_costs(t, found, contact, self._expected, s, time_s, walkers=walkers)
        strong = found.score >= s.high_score
        free = np.ones(len(t), np.bool_)
        solve(cost, free, strong, matched)
        free[matched[matched >= 0]] = False
        recent = (time_s - t.seen_s) < s.weak_gap_s
        solve(cost, free & t.confirmed & (recent | t.held), ~strong, matched)
        free[matched[matched >= 0]] = False
        turning = free & t.confirmed & (t.hits >= 4) & (time_s - t.seen_s < s.turn_gap_s)
        left = strong & (matched < 0)
        if turning.any() and left.any():
            # Few are left: of all pairs the costs would be as many as those above.
            lost, others = t.select(turning), found.select(left)
            cost[np.ix_(turning, left)] = turn_costs(lost, others, self.plane, s, time_s)
            solve(cost, turning, left, matched)
        return matched

    def _correct(self, found: Measured, matched: IntArray, time_s: float) -> None:
        t, s = self._tracks, self.settings
        t.seen[:] = False
        chosen = np.nonzero(matched >= 0)[0]
        if len(chosen) == 0:
            return
        rows = matched[chosen]
        kinds = found.classes[chosen]
        vote(rows, kinds, found.votes[chosen], _PERSON, t.held, t.votes, t.classes, t.afoot)
        box, contact_px = found.box[chosen], found.contact_px[chosen]
        contact, noise = found.contact[chosen], found.noise[chosen]
        hidden, over = misfits(rows, box, contact_px, self._expected, t.hits, s.short_share)
        low = hidden > 0
        if low.any():
            contact_px[low, 1] += hidden[low]
            contact[low], jacobian = self.plane.to_plane_with_jacobian(contact_px[low])
            more = jacobian[:, :, 1] * (0.15 * hidden[low])[:, None]
            noise[low] += more[:, :, None] * more[:, None, :]
        joined = over > 0
        if joined.any():
            unsure = found.down[chosen] * (JOINED_SHARE * over)[:, None]
            noise = noise + unsure[:, :, None] * unsure[:, None, :]
        cut, large = found.cut[chosen], _LARGE[t.classes[rows]]
        scale = self.plane.size_scale(contact_px)
        shown = (contact_px[:, 1] - box[:, 1]) / scale
        learn_heights(rows, shown, scale, low, cut, joined, large, t.hits, t.tall)
        away = found.away[chosen]
        measured = contact + centre_offset(self.plane, away, t.heading[rows], t.classes[rows])
        held = t.held[rows]
        let_in = large & t.cut[rows] & ~cut & ~held
        if let_in.any():
            self._let_in(rows[let_in])
        correct(
            rows, measured - t.position[rows], noise, held, s.gate, HELD_GAIN,
            t.position, t.velocity, t.p_pp, t.p_pv, t.p_vv,
        )  # fmt: skip
        if held.any():
            keep = np.where(held, 1.0 - HELD_GAIN, 0.0)[:, None]
            box = keep * t.box[rows] + (1.0 - keep) * box
            contact_px = keep * t.contact_px[rows] + (1.0 - keep) * contact_px
        t.box[rows], t.contact_px[rows] = box, contact_px
        t.away[rows], t.units[rows], t.cut[rows] = away, found.units[chosen], cut
        t.score[rows], t.seen_s[rows], t.seen[rows] = found.score[chosen], time_s, True
        t.moved[rows] = found.moved[chosen]
        t.hits[rows] += 1
        note_motion(rows, t.velocity, t.units, t.hits, t.standing, t.heading, t.fastest)
        if self.plane.metric:
            clear = ~(low | joined)
            whole, small = clear & large, clear & ~cut & SMALL[t.classes[rows]]
            if whole.any():
                learn_sizes(t, rows[whole], found.box[chosen[whole]], self.plane)
            learn_widths(t, rows[small], found.box[chosen[small]], self.plane, self._size[0])

    def _let_in(self, rows: IntArray) -> None:
        """Forget the way of large vehicles while the picture's edge cut them: it was the edge's."""
        t, s = self._tracks, self.settings
        rows = rows[~t.standing[rows]]
        for block, spread in ((t.p_pp, s.max_ground_sigma_m), (t.p_vv, s.first_speed_mps)):
            block[rows] = 0.0
            block[rows, 0, 0], block[rows, 1, 1] = ((spread * t.units[rows]) ** 2).T
        t.p_pv[rows] = 0.0

    def _end_lost(self, time_s: float) -> None:
        t, s = self._tracks, self.settings
        if len(t) == 0:
            return
        patience = np.where(
            t.confirmed, np.where(t.standing, s.lost_standing_s, s.lost_moving_s), s.tentative_s
        )
        # Where a vehicle goes that was seen a few times only is soon anybody's guess.
        patience = np.minimum(patience, np.maximum(s.tentative_s, s.known_s * t.hits))
        patience = np.where(t.confirmed & t.held, s.held_s, patience)
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

    def _start(self, found: Measured, matched: IntArray, time_s: float) -> None:
        new = (matched < 0) & (found.score >= self.settings.high_score)
        if not new.any():
            return
        if len(self._tracks) and self._tracks.seen.any():
            taken = self._tracks.box[self._tracks.seen]
            new &= ~(bx.iou(found.box, taken) > 0.6).any(axis=1)
            new &= ~self._doubles(found).any(axis=1)
            new[new] = ~self._joins(found.select(new))
        rows = np.nonzero(new)[0]
        if len(rows) == 0:
            return
        born = TrackTable.born(found, rows, self._inward, self.plane, self.settings, time_s)
        born.position += centre_offset(self.plane, born.away, born.heading, born.classes)
        self._tracks = born if len(self._tracks) == 0 else self._tracks.join(born)

    def _doubles(self, found: Measured) -> BoolArray:
        """Which are of the same two-wheeler as one that was taken (N, tracks)."""
        t = self._tracks.select(self._tracks.seen)
        weaker = found.score[:, None] < WEAKER * t.score[None]
        inside = bx.covered(found.box, t.box) > DOUBLE
        result: BoolArray = weaker & inside & (found.small[:, None] & SMALL[t.classes][None])
        return result

    def _joins(self, found: Measured) -> BoolArray:
        """Which are one box round two two-wheelers that are followed, seen just now or not (N,)."""
        t = self._tracks
        box = np.where(t.seen[:, None], t.box, self._expected)[t.confirmed & SMALL[t.classes]]
        size = bx.areas(found.box)
        part = bx.covered(box, found.box) > DOUBLE
        part &= bx.areas(box)[:, None] < PART * size
        first = np.where(part[..., None], box[:, None, :2], np.inf).min(axis=0, initial=np.inf)
        last = np.where(part[..., None], box[:, None, 2:], -np.inf).max(axis=0, initial=-np.inf)
        both = np.concatenate([first, last], axis=1)
        joined: BoolArray = found.small & (part.sum(axis=0) >= 2)
        joined[joined] = np.diagonal(bx.covered(found.box[joined], both[joined])) > DOUBLE
        return joined

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
            self.places = Places.none()
            return []
        rides = (t.classes == _PERSON) & (t.fastest > self.settings.walking_mps)
        if self._walkers:
            # Far away two walkers taken for one seem to hurry.
            rides &= t.votes[:, _TWO_WHEELERS].sum(axis=1) > RIDER_SHARE * t.votes.sum(axis=1)
        classes = np.where(rides, _MOTORCYCLE, t.classes)[rows]
        position, velocity, heading = t.position[rows], t.velocity[rows], t.heading[rows]
        front = position + self._reach(rows, classes)
        contact_m = position - centre_offset(self.plane, t.away[rows], heading, classes)
        units, box = t.units[rows], t.box[rows]
        speed = np.hypot(*(velocity / units).T)
        self.places = Places(position, front, contact_m, units, box)
        columns = (
            t.ids[rows].tolist(),
            [VEHICLE_CLASSES[index] for index in classes.tolist()],
            _tuples(box),
            _tuples(t.contact_px[rows]),
            _tuples(position),
            _tuples(front),
            _tuples(velocity),
            _tuples(heading),
            [_METRE] * len(rows) if self.plane.metric else _tuples(units),
            speed.tolist(),
            t.score[rows].tolist(),
            t.seen[rows].tolist(),
            (time_s - t.born_s[rows]).tolist(),
            _tuples(contact_m),
            t.held[rows].tolist(),
            t.afoot[rows].tolist(),
        )
        return list(map(_STATE, zip(*columns, strict=True)))

    def _reach(self, rows: IntArray, classes: IntArray) -> FloatArray:
        """From where each track's position is to its front, (N, 2)."""
        t = self._tracks
        if self.plane.metric:
            ahead = reaches(t, rows, classes, _LARGE) + slanted(t, rows, classes, self.plane.hull)
            if self.plane.hull:
                ahead -= beyond_wheels(t.heading[rows], t.away[rows], classes)
            return ahead
        # In the picture the position is the contact: the rear of one that drives away.
        heading = t.heading[rows]
        ahead = np.clip((heading * t.away[rows]).sum(axis=1), 0.0, 1.0)[:, None]
        reach: FloatArray = heading * LENGTH_M[classes][:, None] * ahead * t.units[rows]
        return reach


def _tuples(rows: FloatArray) -> Iterable[tuple[float, ...]]:
    """The rows of an array (N, K) as tuples."""
    return map(tuple, rows.tolist())
