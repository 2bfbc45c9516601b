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

from detection.ports import FloatArray

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
MISSING: Final = 0.3
"""The top of a box that hides its vehicle's wheels is, to this share of its height, in place."""

_Kernel = Callable[..., FloatArray]


def _overlap(a: FloatArray, b: FloatArray) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0.0 or height <= 0.0:
        return 0.0
    return float(width * height)


def _area(a: FloatArray) -> float:
    return float((a[2] - a[0]) * (a[3] - a[1]))


_overlap = numba.njit(inline="always")(_overlap)
_area = numba.njit(inline="always")(_area)


def _costs(tracks: FloatArray, found: FloatArray, limits: FloatArray) -> FloatArray:
    """Costs (T, D).

    Args:
        tracks: (T, 23): expected box, last box, contact x y, covariance xx xy yy, units x y,
            two-wheeler or walker, walker, settled, seconds since seen, held.
        found: (D, 17): box, contact x y, contact pixel's row, noise xx xy yy, way down x y,
            spread, two-wheeler or walker, walker, moved share, score.
        limits: gate, slack, surprise, largest speed, short share, log of the size ratio of a new
            and of a settled track, still share, moved share, whether walkers are told apart.
    """
    gate, slack, surprise, most_mps, short_share = (
        limits[0],
        limits[1],
        limits[2],
        limits[3],
        limits[4],
    )
    new_ratio, known_ratio, still_share, moved_share = limits[5], limits[6], limits[7], limits[8]
    told_apart = limits[9] > 0.0
    result = np.full((len(tracks), len(found)), NEVER)
    for row in range(len(tracks)):
        t = tracks[row]
        expected, last = t[0:4], t[4:8]
        height, width = expected[3] - expected[1], expected[2] - expected[0]
        middle = (expected[0] + expected[2]) / 2.0
        ux, uy = t[13], t[14]
        unit_area = ux * uy
        settled, gap_s, held = t[17] > 0.0, t[18], t[19] > 0.0
        last_area, expected_area = _area(last), _area(expected)
        for column in range(len(found)):
            d = found[column]
            box = d[0:4]
            mismatch = OTHER_SIZE if t[15] != d[13] else 0.0
            if told_apart and t[15] == d[13] and t[16] != d[14]:
                mismatch = WALKS
            box_area = _area(box)
            shared = _overlap(last, box)
            now = shared / max(last_area + box_area - shared, 1e-9)
            if held:
                # One that stands is found where it is; what drives past in front is another.
                part = max(now, 0.6 * shared / max(box_area, 1e-9))
                if part > HELD_OVERLAP and not (d[15] > moved_share and now < 0.6):
                    result[row, column] = -6.0 + 12.0 * (1.0 - part) + mismatch / 2.0
                continue
            # What stands stood there before: it is no vehicle that was elsewhere a moment ago.
            if d[15] < still_share and now < SAME_PLACE:
                continue
            wide = math.log(max(width / (box[2] - box[0]), 1e-3))
            if abs(wide) >= new_ratio:
                continue
            shown = d[6] - box[1]
            hidden = 0.0
            top_fits = abs(box[1] - expected[1]) < MISSING * height
            aligned = abs((box[0] + box[2]) / 2.0 - middle) < 0.5 * width
            if shown < short_share * height and top_fits and aligned:
                hidden = max(height - shown, 0.0)
            ratio = abs(math.log(max(height / (shown + hidden), 1e-3)))
            if ratio >= (known_ratio if settled else new_ratio):
                continue
            dx = d[4] - t[8] + hidden * d[10]
            dy = d[5] - t[9] + hidden * d[11]
            metres = math.hypot(dx / ux, dy / uy)
            if settled:
                reach = slack + surprise / 2.0 * gap_s * gap_s + math.sqrt(d[12])
            else:
                reach = slack + most_mps * gap_s
            if metres >= 2.0 * reach:
                continue
            a, b, c = t[10] + d[7], t[11] + d[8], t[12] + d[9]
            det = max(a * c - b * b, 1e-9)
            distance2 = (c * dx * dx - 2.0 * b * dx * dy + a * dy * dy) / det
            shared = _overlap(expected, box)
            overlap = shared / max(expected_area + box_area - shared, 1e-9)
            if settled and t[15] != d[13] and overlap < KIND_OVERLAP:
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
