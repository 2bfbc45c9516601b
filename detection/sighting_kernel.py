"""What the boxes that were found tell of their tracks besides the place, row by row.

Compiled: each step is a dozen array expressions of sixty numbers, which cost what their calls do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, cast

import numba
import numpy as np

from detection.pair_kernel import HEIGHT_PX, MISSING
from detection.ports import BoolArray, FloatArray, IntArray

HELD_VOTE: Final = 0.1
"""What a box says of the class of a vehicle that stands: every picture says the same again,"""
PERSON_VOTE: Final = 0.4
"""and one of a person, who may be a rider whose machine is hidden."""
AFOOT_GAIN: Final = 0.12
"""How fast a track is believed to have gone on with somebody on foot: in about two seconds."""
KNOWN_HITS: Final = 3
"""After so many sightings the height of a vehicle is known."""
JOINED: Final = 1.25
"""A box so much taller than the vehicle known may hold two: its bottom may be the other's."""
JOINED_TOP: Final = 0.12
JOINED_GAIN: Final = 0.15
"""How fast it is believed that the vehicle itself is so tall."""
LARGE_FORGETS: Final = 0.96
SMALL_PX: Final = 23.0
"""Of a box less tall the scatter of its edges is as much as what hidden wheels take off it."""
STANDING_MPS: Final = 0.6
HEADING_MPS: Final = 1.5
"""From this speed on the way one drives tells where it heads."""
TOP_SPEED_HITS: Final = 4

_Kernel = Callable[..., Any]


def _vote(
    rows: IntArray,
    kinds: IntArray,
    weights: FloatArray,
    person: int,
    held: BoolArray,
    votes: FloatArray,
    classes: IntArray,
    afoot: FloatArray,
) -> None:
    """Let the boxes (N,) of tracks say what they are; ``held`` and what follows are all tracks'."""
    for index in range(len(rows)):
        row, kind = rows[index], kinds[index]
        weight = weights[index] * (PERSON_VOTE if kind == person else 1.0)
        votes[row, kind] += weight * (HELD_VOTE if held[row] else 1.0)
        classes[row] = np.argmax(votes[row])
        afoot[row] += AFOOT_GAIN * ((1.0 if kind == person else 0.0) - afoot[row])


def _misfits(
    rows: IntArray,
    box: FloatArray,
    contact_px: FloatArray,
    expected: FloatArray,
    hits: IntArray,
    short_share: float,
) -> tuple[FloatArray, FloatArray]:
    """By how many pixels (N,) the wheels lie below boxes (N, 4), and boxes are taller than theirs.

    Where the top of a box is where the vehicle's should be and its bottom is not, the vehicle
    behind hides the wheels (or the detector saw the rider alone); elsewhere 0. A box that begins
    above its vehicle may hold two. ``expected`` (T, 4) and ``hits`` are of all tracks.
    """
    hidden, joined = np.zeros(len(rows)), np.zeros(len(rows))
    for index in range(len(rows)):
        row = rows[index]
        if hits[row] < KNOWN_HITS:
            continue
        left, top, right, bottom = expected[row]
        height, shown = bottom - top, contact_px[index, 1] - box[index, 1]
        if shown > JOINED * height and box[index, 1] < top - JOINED_TOP * height:
            joined[index] = shown - height
        beside = abs((box[index, 0] + box[index, 2]) / 2 - (left + right) / 2)
        fits = abs(box[index, 1] - top) < MISSING * height and beside < 0.5 * (right - left)
        if shown < min(short_share * height, height - HEIGHT_PX) and fits:
            hidden[index] = max(height - shown, 0.0)
    return hidden, joined


def _learn_heights(
    rows: IntArray,
    shown: FloatArray,
    scale: FloatArray,
    low: BoolArray,
    cut: BoolArray,
    joined: BoolArray,
    large: BoolArray,
    hits: IntArray,
    tall: FloatArray,
) -> None:
    """Remember how tall each vehicle is when all of it is seen.

    Args:
        rows: (N,) which tracks.
        shown: (N,) height of each box to the wheels, over the scale of its place.
        scale: (N,) pixels that a height of 1 has there.
        low: (N,) the wheels are hidden.
        cut: (N,) the picture's border cuts the box.
        joined: (N,) the box may hold two.
        large: (N,) four wheels or more.
        hits: (T,) of all tracks.
        tall: (T,) of all tracks; changed in place.
    """
    for index in range(len(rows)):
        row, change = rows[index], shown[index] - tall[rows[index]]
        if low[index] or cut[index]:
            # A large one shows ever less of its roof as it drives away: what it lacks may be that.
            driven_away = large[index] and low[index] and not cut[index]
            tall[row] *= LARGE_FORGETS if driven_away else 0.99
        elif joined[index]:
            tall[row] += JOINED_GAIN * change
        else:
            # Boxes are too short more often than too tall; those of large vehicles may be either,
            # and so may small ones, by what they scatter.
            known_large = large[index] and hits[row] >= KNOWN_HITS
            either = change <= 0 or known_large or shown[index] * scale[index] < SMALL_PX
            tall[row] += (0.15 if either else 0.5) * change
        if cut[index]:
            # What the picture's border cuts is at least as tall as the part that is seen.
            tall[row] = max(tall[row], shown[index])


def _note_motion(
    rows: IntArray,
    velocity: FloatArray,
    units: FloatArray,
    hits: IntArray,
    standing: BoolArray,
    heading: FloatArray,
    fastest: FloatArray,
) -> None:
    """Note which of the chosen tracks stand, where the others head, and how fast they came."""
    for index in range(len(rows)):
        row = rows[index]
        vx, vy = velocity[row, 0], velocity[row, 1]
        speed = math.hypot(vx / units[row, 0], vy / units[row, 1])
        standing[row] = speed < STANDING_MPS
        if hits[row] >= TOP_SPEED_HITS:
            fastest[row] = max(0.8 * fastest[row], speed)
        if speed > HEADING_MPS:
            length = max(math.hypot(vx, vy), 1e-9)
            dx, dy = vx / length, vy / length
            hx, hy = 0.5 * heading[row, 0] + 0.5 * dx, 0.5 * heading[row, 1] + 0.5 * dy
            length = math.hypot(hx, hy)
            if length < 0.3:
                hx, hy, length = dx, dy, math.hypot(dx, dy)
            heading[row, 0], heading[row, 1] = hx / length, hy / length


vote = cast(_Kernel, numba.njit(cache=True)(_vote))
misfits = cast(_Kernel, numba.njit(cache=True)(_misfits))
learn_heights = cast(_Kernel, numba.njit(cache=True)(_learn_heights))
note_motion = cast(_Kernel, numba.njit(cache=True)(_note_motion))
