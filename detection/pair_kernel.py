"""The inner loop of the tracker: what it costs to take each detection for each track.

Sixty tracks and sixty boxes are 3,600 pairs a frame of which a few hundred are possible at all.
As array expressions every one of them is computed in full, a dozen temporaries each; compiled,
the impossible ones are dropped at the first question. Same results as the expressions, bit for
bit on one machine (no fast maths).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, cast

import numba
import numpy as np

from detection.boxes import shared_area
from detection.ports import BoolArray, FloatArray

NEVER: Final = 1e6
HELD_OVERLAP: Final = 0.3
"""A vehicle that stands is found again where it was, or not at all."""
SAME_PLACE: Final = 0.15
OTHER_SIZE: Final = 4.0
"""What it costs to take a two-wheeler for a car."""
WALKS: Final = 4.0
"""What it costs to take a walker for a rider, of a detector that tells them apart."""
KIND_OVERLAP: Final = 0.3
"""One of the other kind, two wheels for four, is the same vehicle only where that one must be."""
MISSED: Final = 4.0
"""What a second costs in which a track was not seen: whoever was seen just now is likelier."""
LEAST_GAP_S: Final = 0.05
"""Reaches and costs are those of so short a gap at least."""
MISSING: Final = 0.3
"""The top of a box that hides its vehicle's wheels is, to this share of its height, in place."""

SCATTERS: Final = 3.0
"""A rider's place is off by so many of its standard deviations: far off a pixel is two metres."""
WIDTH_PX: Final = 2.0
HEIGHT_PX: Final = 3.0
"""By so much two boxes of one vehicle differ by chance: of a rider far off that is a large share of
them."""

_Kernel = Callable[..., FloatArray]


def _area(a: FloatArray) -> float:
    return float((a[2] - a[0]) * (a[3] - a[1]))


_area = numba.njit(inline="always")(_area)


def _costs(
    expected_boxes: FloatArray,
    last_boxes: FloatArray,
    contact: FloatArray,
    covariance: FloatArray,
    units: FloatArray,
    small: BoolArray,
    walks: BoolArray,
    known: BoolArray,
    unseen_s: FloatArray,
    held: BoolArray,
    boxes: FloatArray,
    places: FloatArray,
    places_px: FloatArray,
    noise: FloatArray,
    down: FloatArray,
    spread_m2: FloatArray,
    found_small: BoolArray,
    found_walks: BoolArray,
    moved: FloatArray,
    told_apart: bool,
    gate: float,
    slack: float,
    surprise: float,
    most_mps: float,
    short_share: float,
    new_ratio: float,
    known_ratio: float,
    still_share: float,
    moved_share: float,
) -> FloatArray:
    """Costs (T, D).

    Args:
        expected_boxes: (T, 4) where the tracks' boxes must be now.
        last_boxes: (T, 4) where they were last.
        contact: (T, 2) where on the plane their wheels must be.
        covariance: (T, 2, 2) of that place.
        units: (T, 2) of the plane per metre.
        small: (T,) two-wheeler or walker.
        walks: (T,) walker.
        known: (T,) its motion is settled.
        unseen_s: (T,) seconds since it was seen.
        held: (T,) stands.
        boxes: (D, 4) of the detections, as all that follows.
        places: (D, 2) on the plane.
        places_px: (D, 2) in the picture.
        noise: (D, 2, 2) of the place.
        down: (D, 2) way on the plane for one pixel down.
        spread_m2: (D,) of the place.
        found_small: (D,) two-wheeler or walker.
        found_walks: (D,) walker.
        moved: (D,) share that changed lately.
        told_apart: Whether the detector tells walkers from riders.
        gate: See :class:`~detection.tracker_settings.TrackerSettings`, as all that follows.
        slack: Metres.
        surprise: Metres per second squared.
        most_mps: Largest speed.
        short_share: Of a height.
        new_ratio: Log of the size ratio of a new track,
        known_ratio: and of a settled one.
        still_share: Of a box.
        moved_share: Of a box.
    """
    result = np.full((len(last_boxes), len(boxes)), NEVER)
    for row in range(len(last_boxes)):
        expected, last, p = expected_boxes[row], last_boxes[row], covariance[row]
        height, width = expected[3] - expected[1], expected[2] - expected[0]
        middle = (expected[0] + expected[2]) / 2.0
        ux, uy = units[row, 0], units[row, 1]
        unit_area = ux * uy
        settled, gap_s = known[row], max(unseen_s[row], LEAST_GAP_S)
        last_area, expected_area = _area(last), _area(expected)
        for column in range(len(boxes)):
            box = boxes[column]
            alike = small[row] == found_small[column]
            mismatch = 0.0 if alike else OTHER_SIZE
            if told_apart and alike and walks[row] != found_walks[column]:
                mismatch = WALKS
            box_area = _area(box)
            shared = shared_area(last, box)
            now = shared / max(last_area + box_area - shared, 1e-9)
            if held[row]:
                # One that stands is found where it is; what drives past in front is another.
                part = max(now, 0.6 * shared / max(box_area, 1e-9))
                if part > HELD_OVERLAP and not (moved[column] > moved_share and now < 0.6):
                    result[row, column] = -6.0 + 12.0 * (1.0 - part) + mismatch / 2.0
                continue
            # What stands stood there before: it is no vehicle that was elsewhere a moment ago.
            if moved[column] < still_share and now < SAME_PLACE:
                continue
            shown = places_px[column, 1] - box[1]
            hidden = 0.0
            top_fits = abs(box[1] - expected[1]) < MISSING * height
            aligned = abs((box[0] + box[2]) / 2.0 - middle) < 0.5 * width
            if shown < min(short_share * height, height - HEIGHT_PX) and top_fits and aligned:
                hidden = max(height - shown, 0.0)
            dx = places[column, 0] - contact[row, 0] + hidden * down[column, 0]
            dy = places[column, 1] - contact[row, 1] + hidden * down[column, 1]
            if settled:
                reach = slack + surprise / 2.0 * gap_s * gap_s
                # Large ones scatter where the picture's edge cuts them: nothing vouches for those.
                reach += (SCATTERS if found_small[column] else 1.0) * math.sqrt(spread_m2[column])
            else:
                reach = slack + most_mps * gap_s
            # Most pairs are too far apart: that is asked before what takes roots and logarithms.
            if max(abs(dx / ux), abs(dy / uy)) >= 2.0 * reach:
                continue
            metres = math.hypot(dx / ux, dy / uy)
            if metres >= 2.0 * reach:
                continue
            wide = math.log(max((width + WIDTH_PX) / (box[2] - box[0] + WIDTH_PX), 1e-3))
            if abs(wide) >= new_ratio:
                continue
            ratio = abs(math.log(max(height / (shown + hidden), 1e-3)))
            if ratio >= (known_ratio if settled else new_ratio):
                continue
            noise_of = noise[column]
            a, b, c = p[0, 0] + noise_of[0, 0], p[0, 1] + noise_of[0, 1], p[1, 1] + noise_of[1, 1]
            det = max(a * c - b * b, 1e-9)
            distance2 = (c * dx * dx - 2.0 * b * dx * dy + a * dy * dy) / det
            shared = shared_area(expected, box)
            overlap = shared / max(expected_area + box_area - shared, 1e-9)
            if settled and not alike and overlap < KIND_OVERLAP:
                continue
            # An occluded box has a wrong bottom edge but still lies on the predicted one.
            near = distance2 < gate and metres < reach
            if not near and not (overlap > 0.55 and distance2 < 6.0 * gate):
                continue
            # The log determinant lets a track that knows its place win over one that merely could.
            result[row, column] = (
                distance2
                + math.log(det / (unit_area * unit_area))
                + 5.0 * (1.0 - overlap)
                + mismatch
                + 2.0 * ratio
                + MISSED * gap_s
            )
    return result


pair_costs_of = cast(_Kernel, numba.njit(cache=True)(_costs))
