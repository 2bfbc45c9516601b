"""Which detection belongs to which track: costs of all pairs, and the cheapest assignment."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, cast

import numba
import numpy as np
from scipy.optimize import linear_sum_assignment

from detection import boxes as bx
from detection.pair_kernel import NEVER, pair_costs_of
from detection.plane import GroundPlane
from detection.ports import BoolArray, FloatArray, IntArray
from detection.track_table import LENGTH_M, SMALL, WIDTH_M, Measured, TrackTable
from detection.tracker_settings import TrackerSettings
from models.site import VEHICLE_CLASSES

PERSON: Final = VEHICLE_CLASSES.index("pedestrian")
KNOWN_HITS: Final = 4
"""After so many sightings a track's motion is known."""


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
    camera; half the footprint's extent along the line of sight lies behind it.
    """
    if not plane.metric:
        return np.zeros_like(away)
    return _half_extents(away, heading, LENGTH_M[classes], WIDTH_M[classes])


def _offsets(
    away: FloatArray, heading: FloatArray, length: FloatArray, width: FloatArray
) -> FloatArray:
    result = np.empty((len(away), 2))
    for row in range(len(away)):
        (ax, ay), (hx, hy) = away[row], heading[row]
        along, across = abs(ax * hx + ay * hy), abs(ax * hy - ay * hx)
        half = (length[row] * along + width[row] * across) / 2
        result[row, 0], result[row, 1] = ax * half, ay * half
    return result


_half_extents = cast(Callable[..., FloatArray], numba.njit(cache=True)(_offsets))


def predicted_boxes(t: TrackTable, contact: FloatArray, plane: GroundPlane) -> FloatArray:
    """Each track's box, moved and scaled to its predicted contact point."""
    centre = plane.to_image(contact)
    centre = np.where(np.isfinite(centre), centre, t.contact_px)
    return _scaled(centre, plane.size_scale(centre), plane.size_scale(t.contact_px), t.box, t.tall)


def _boxes_at(
    centre: FloatArray, scale: FloatArray, last: FloatArray, box: FloatArray, tall: FloatArray
) -> FloatArray:
    result = np.empty((len(box), 4))
    for row in range(len(box)):
        grown = min(max(scale[row] / last[row], 0.5), 2.0)
        width = (box[row, 2] - box[row, 0]) * grown
        height = tall[row] * last[row] * grown
        left, top = centre[row, 0] - width / 2, centre[row, 1] - height
        result[row] = left, top, left + width, top + height
    return result


_scaled = cast(Callable[..., FloatArray], numba.njit(cache=True)(_boxes_at))


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
    return pair_costs_of(
        expected, t.box, contact, t.p_pp, t.units, small, t.classes == PERSON,
        t.hits >= KNOWN_HITS, time_s - t.seen_s, t.held,
        found.box, found.contact, found.contact_px, found.noise, found.down, found.spread_m2,
        found.small, found.classes == PERSON, found.moved,
        walkers, s.gate, s.slack_m, s.surprise_mps2, s.max_speed_mps, s.short_share,
        math.log(s.max_size_ratio), math.log(s.known_size_ratio), s.still_share, s.moved_share,
    )  # fmt: skip


def turn_costs(
    t: TrackTable, found: Measured, plane: GroundPlane, s: TrackerSettings, time_s: float
) -> FloatArray:
    """Distance, in metres, of detections to moving tracks that lost their vehicle.

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
