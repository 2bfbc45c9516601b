"""Which detection belongs to which track: costs of all pairs, and the cheapest assignment."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from scipy.optimize import linear_sum_assignment

from detection import boxes as bx
from detection.pair_kernel import MISSING, NEVER, pair_costs_of
from detection.plane import GroundPlane
from detection.ports import BoolArray, FloatArray, IntArray
from detection.track_table import SMALL, Measured, TrackTable
from detection.tracker_settings import TrackerSettings
from detection.wheels import CUBOID, MACHINE
from models.site import VEHICLE_CLASSES

PERSON: Final = VEHICLE_CLASSES.index("pedestrian")
KNOWN_HITS: Final = 4
"""After so many sightings a track's motion is known."""
_XX_XY_YY: Final = [0, 1, 3]


def solve(cost: FloatArray, rows: BoolArray, columns: BoolArray, matched: IntArray) -> None:
    """Assign the chosen tracks to the chosen detections at least total cost, into ``matched``."""
    row, column = np.nonzero(rows)[0], np.nonzero(columns)[0]
    if len(row) == 0 or len(column) == 0:
        return
    part = cost[np.ix_(row, column)]
    chosen_rows, chosen_columns = linear_sum_assignment(part)
    good = part[chosen_rows, chosen_columns] < NEVER / 2
    matched[column[chosen_columns[good]]] = row[chosen_rows[good]]


def centre_offset(
    plane: GroundPlane, away: FloatArray, heading: FloatArray, classes: IntArray
) -> FloatArray:
    """From the point under the box's bottom centre to the vehicle's centre, (N, 2).

    The bottom edge of the box touches the side of the footprint that is nearest to the
    camera; half the footprint's extent along the line of sight lies behind it. The footprint of
    a machine is that of its wheels (:mod:`detection.wheels`).
    """
    if not plane.metric:
        return np.zeros_like(away)
    along = np.abs((away * heading).sum(axis=1))
    across = np.abs(away[:, 0] * heading[:, 1] - away[:, 1] * heading[:, 0])
    length, width = MACHINE if plane.hull else CUBOID
    half = (length[classes] * along + width[classes] * across) / 2
    result: FloatArray = away * half[:, None]
    return result


def predicted_boxes(t: TrackTable, contact: FloatArray, plane: GroundPlane) -> FloatArray:
    """Each track's box, moved and scaled to its predicted contact point."""
    centre = plane.to_image(contact)
    centre = np.where(np.isfinite(centre), centre, t.contact_px)
    last = plane.size_scale(t.contact_px)
    scale = np.clip(plane.size_scale(centre) / last, 0.5, 2.0)
    width = (t.box[:, 2] - t.box[:, 0]) * scale
    height = t.tall * last * scale
    low = np.stack([centre[:, 0] - width / 2, centre[:, 1] - height], axis=1)
    return np.concatenate([low, low + np.stack([width, height], axis=1)], axis=1)


def hidden_px(
    expected: FloatArray, box: FloatArray, contact_px: FloatArray, short_share: float
) -> FloatArray:
    """By how many pixels the wheels may lie below each box (N, 4) of the vehicle expected there.

    Where the top of a box is where the vehicle's should be and its bottom is not, the vehicle
    behind hides the wheels (or the detector saw the rider alone); elsewhere 0.
    """
    height = expected[:, 3] - expected[:, 1]
    shown = contact_px[:, 1] - box[:, 1]
    middle = (expected[:, 0] + expected[:, 2]) / 2
    beside = np.abs((box[:, 0] + box[:, 2]) / 2 - middle)
    short = (shown < short_share * height) & (np.abs(box[:, 1] - expected[:, 1]) < MISSING * height)
    short &= beside < 0.5 * (expected[:, 2] - expected[:, 0])
    result: FloatArray = np.where(short, np.maximum(height - shown, 0.0), 0.0)
    return result


def pair_costs(
    t: TrackTable,
    found: Measured,
    contact: FloatArray,
    expected: FloatArray,
    settings: TrackerSettings,
    time_s: float,
    *,
    walkers: bool = False,
) -> FloatArray:
    """Cost (tracks, detections) of each pairing; ``NEVER`` where it is impossible.

    Args:
        t: The tracks, moved on to now.
        found: The detections.
        contact: (T, 2) where on the plane the tracks' wheels must be now.
        expected: (T, 4) where in the picture their boxes must be.
        settings: Parameters.
        time_s: Now.
        walkers: The detector tells riders from people on foot.
    """
    s = settings
    small = t.votes @ SMALL > 0.5 * t.votes.sum(axis=1)
    walks = t.classes == PERSON
    tracks = np.concatenate(
        [
            expected, t.box, contact, t.p_pp.reshape(-1, 4)[:, _XX_XY_YY],
            t.units, _columns(small, walks, t.hits >= KNOWN_HITS, time_s - t.seen_s, t.held),
        ], axis=1,
    )  # fmt: skip
    np.maximum(tracks[:, 18], 0.05, out=tracks[:, 18])
    boxes = np.concatenate(
        [
            found.box, found.contact, found.contact_px[:, 1:],
            found.noise.reshape(-1, 4)[:, _XX_XY_YY], found.down,
            _columns(found.spread_m2, found.small, found.classes == PERSON, found.moved),
        ], axis=1,
    )  # fmt: skip
    limits = np.array(
        [
            s.gate, s.slack_m, s.surprise_mps2, s.max_speed_mps, s.short_share,
            math.log(s.max_size_ratio), math.log(s.known_size_ratio), s.still_share,
            s.moved_share, float(walkers),
        ]
    )  # fmt: skip
    return pair_costs_of(tracks, boxes, limits)


def _columns(*values: FloatArray | BoolArray) -> FloatArray:
    return np.stack([value.astype(np.float64) for value in values], axis=1)


def turn_costs(
    t: TrackTable, found: Measured, plane: GroundPlane, s: TrackerSettings, time_s: float
) -> FloatArray:
    """Distance, in metres, of what is left over to moving tracks that lost their vehicle.

    A sharp turn is nothing a steady motion predicts; yet the vehicle is still about where it
    was, as large as it was, within reach of its speed in any direction.
    """
    contact = t.position - centre_offset(plane, t.away, t.heading, t.classes)
    delta = (found.contact[None] - contact[:, None]) / t.units[:, None]
    metres = np.hypot(delta[..., 0], delta[..., 1])
    speed = np.hypot(*(t.velocity / t.units).T)
    gap_s = time_s - t.seen_s
    reach = s.slack_m + s.turn_share * speed * gap_s
    height = (t.box[:, 3] - t.box[:, 1])[:, None]
    ratio = np.abs(np.log(height / (found.box[:, 3] - found.box[:, 1])[None]))
    possible = (metres < reach[:, None]) & (ratio < np.log(s.turn_size_ratio))
    possible &= (bx.iou(t.box, found.box) > 0.1) & (speed > s.turn_speed_mps)[:, None]
    costs: FloatArray = np.where(possible, metres, NEVER)
    return costs
