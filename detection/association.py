"""Which detection belongs to which track: costs of all pairs, and the cheapest assignment."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.optimize import linear_sum_assignment

from detection import boxes as bx
from detection.plane import GroundPlane
from detection.ports import BoolArray, FloatArray, IntArray
from detection.track_table import LENGTH_M, SMALL, WIDTH_M, Measured, TrackTable
from detection.tracker_settings import TrackerSettings

NEVER: Final = 1e6
HELD_OVERLAP: Final = 0.3
"""A vehicle that stands is found again where it was, or not at all."""
SAME_PLACE: Final = 0.15


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
    along = np.abs((away * heading).sum(axis=1))
    across = np.abs(away[:, 0] * heading[:, 1] - away[:, 1] * heading[:, 0])
    half = (LENGTH_M[classes] * along + WIDTH_M[classes] * across) / 2
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
    """By how many pixels the wheels may lie below each box, (tracks, detections).

    Where the top of a box is where the vehicle's should be and its bottom is not, the vehicle
    behind hides the wheels (or the detector saw the rider alone); elsewhere 0.
    """
    height = (expected[:, 3] - expected[:, 1])[:, None]
    shown = contact_px[:, 1] - box[:, 1]
    short = shown[None] < short_share * height
    top = np.abs(box[None, :, 1] - expected[:, None, 1]) < 0.3 * height
    middle = (expected[:, 0] + expected[:, 2])[:, None] / 2
    beside = np.abs((box[:, 0] + box[:, 2])[None] / 2 - middle)
    aligned = beside < 0.5 * (expected[:, 2] - expected[:, 0])[:, None]
    missing = height - shown[None]
    result: FloatArray = np.where(short & top & aligned, np.maximum(missing, 0.0), 0.0)
    return result


def pair_costs(
    t: TrackTable, found: Measured, plane: GroundPlane, settings: TrackerSettings, time_s: float
) -> FloatArray:
    """Cost (tracks, detections) of each pairing; ``NEVER`` where it is impossible."""
    s = settings
    contact = t.position - centre_offset(plane, t.away, t.heading, t.classes)
    expected = predicted_boxes(t, contact, plane)
    hidden = hidden_px(expected, found.box, found.contact_px, s.short_share)
    delta = found.contact[None] - contact[:, None] + hidden[..., None] * found.down[None]
    a = t.p_pp[:, None, 0, 0] + found.noise[None, :, 0, 0]
    b = t.p_pp[:, None, 0, 1] + found.noise[None, :, 0, 1]
    c = t.p_pp[:, None, 1, 1] + found.noise[None, :, 1, 1]
    det = np.maximum(a * c - b * b, 1e-9)
    dx, dy = delta[..., 0], delta[..., 1]
    distance2 = (c * dx * dx - 2 * b * dx * dy + a * dy * dy) / det
    # The log determinant lets a track that knows its place win over one that merely could.
    area = (t.units[:, 0] * t.units[:, 1])[:, None]
    mismatch = (t.votes @ SMALL > 0.5 * t.votes.sum(axis=1))[:, None] != found.small[None]
    gap_s = np.maximum(time_s - t.seen_s, 0.05)[:, None]
    metres = np.hypot(dx / t.units[:, :1], dy / t.units[:, 1:])
    settled = (t.hits >= 4)[:, None]
    reach = np.where(
        settled,
        s.slack_m + s.surprise_mps2 / 2 * gap_s**2 + np.sqrt(found.spread_m2)[None],
        s.slack_m + s.max_speed_mps * gap_s,
    )
    overlap = bx.iou(expected, found.box)
    possible = (distance2 < s.gate) & (metres < reach)
    # An occluded box has a wrong bottom edge but still lies on the predicted one.
    possible |= (overlap > 0.55) & (distance2 < 6 * s.gate) & (metres < 2.0 * reach)
    shown = (found.contact_px[:, 1] - found.box[:, 1])[None] + hidden
    ratio = np.abs(np.log(np.maximum((expected[:, 3] - expected[:, 1])[:, None] / shown, 1e-3)))
    possible &= ratio < np.where(settled, np.log(s.known_size_ratio), np.log(s.max_size_ratio))
    wide = (expected[:, 2] - expected[:, 0])[:, None] / (found.box[:, 2] - found.box[:, 0])[None]
    possible &= np.abs(np.log(np.maximum(wide, 1e-3))) < np.log(s.max_size_ratio)
    now = bx.iou(t.box, found.box)
    still = (found.moved < s.still_share)[None]
    # What stands stood there before: it is no vehicle that was elsewhere a moment ago.
    possible &= ~(still & (now < SAME_PLACE))
    cost = (
        distance2
        + np.log(det / (area * area))
        + 5.0 * (1.0 - overlap)
        + 4.0 * mismatch
        + 2.0 * ratio
    )
    if t.held.any():
        # One that stands is found where it is; what drives past in front of it is another.
        part = np.maximum(now, 0.6 * bx.covered(found.box, t.box).T)
        same = (part > HELD_OVERLAP) & ~((found.moved > s.moved_share)[None] & (now < 0.6))
        held_cost = np.where(same, -6.0 + 12.0 * (1.0 - part) + 2.0 * mismatch, NEVER)
        cost = np.where(t.held[:, None], held_cost, cost)
        possible |= t.held[:, None]
    result: FloatArray = np.where(possible, cost, NEVER)
    return result


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
