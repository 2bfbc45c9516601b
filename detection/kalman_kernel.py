"""The tracker's filter: constant velocity on the plane.

Compiled, because two-by-two matrices are too small for array expressions to pay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import numba
import numpy as np

from detection.ports import BoolArray, FloatArray, IntArray

CALM: Final = 0.1
"""Of the noise of one that drives, the square's share for one that has stood for a while: it is
left to stand, so that jitter stays jitter."""

_Kernel = Callable[..., None]


def _predict(
    dt: float,
    acceleration: float,
    units: FloatArray,
    held: BoolArray,
    standing: BoolArray,
    position: FloatArray,
    velocity: FloatArray,
    p_pp: FloatArray,
    p_pv: FloatArray,
    p_vv: FloatArray,
) -> None:
    """Move all tracks (T,) on by ``dt`` seconds, in place.

    ``acceleration`` is the spread of what drivers do meanwhile, metres per second squared; those
    that are ``held`` stay as they are. The others are as in :func:`correct`.
    """
    for row in range(len(position)):
        for i in range(2):
            position[row, i] += velocity[row, i] * dt
        if held[row]:
            continue
        pp, pv, vv = p_pp[row], p_pv[row], p_vv[row]
        for i in range(2):
            for j in range(i, 2):
                pp[i, j] += dt * (pv[i, j] + pv[j, i]) + dt * dt * vv[i, j]
                pp[j, i] = pp[i, j]
        for i in range(2):
            for j in range(2):
                pv[i, j] += dt * vv[i, j]
            spread = acceleration * units[row, i]
            noise = spread * spread * (CALM if standing[row] else 1.0)
            pp[i, i] += noise * (dt**4 / 4)
            pv[i, i] += noise * (dt**3 / 2)
            vv[i, i] += noise * (dt * dt)


def _correct(
    rows: IntArray,
    innovation: FloatArray,
    noise: FloatArray,
    held: BoolArray,
    gate: float,
    held_gain: float,
    position: FloatArray,
    velocity: FloatArray,
    p_pp: FloatArray,
    p_pv: FloatArray,
    p_vv: FloatArray,
) -> None:
    """Correct the chosen tracks in place.

    Args:
        rows: (N,) which tracks.
        innovation: (N, 2) measured less predicted place.
        noise: (N, 2, 2) covariance of each measurement.
        held: (N,) stands: its place settles where its boxes lie on average, no box moves it.
        gate: Squared Mahalanobis distance beyond which the measurement's place is believed less.
        held_gain: Share of the way to its box by which one that stands is moved.
        position: (T, 2) of all tracks, as the others: ``velocity`` (T, 2) and the blocks of the
            covariance (T, 2, 2).
        velocity: See ``position``.
        p_pp: See ``position``.
        p_pv: See ``position``.
        p_vv: See ``position``.
    """
    r, kp, kv = np.empty((2, 2)), np.empty((2, 2)), np.empty((2, 2))
    new_pp, new_pv, new_vv = np.empty((2, 2)), np.empty((2, 2)), np.empty((2, 2))
    inverse = np.empty((2, 2))
    for index in range(len(rows)):
        row = rows[index]
        dx, dy = innovation[index, 0], innovation[index, 1]
        if held[index]:
            position[row, 0] += held_gain * dx
            position[row, 1] += held_gain * dy
            continue
        pp, pv, vv = p_pp[row], p_pv[row], p_vv[row]
        r[:] = noise[index]
        a, b = pp[0, 0] + r[0, 0], pp[0, 1] + r[0, 1]
        c, d = pp[1, 0] + r[1, 0], pp[1, 1] + r[1, 1]
        distance2 = (dx * (d * dx - b * dy) + dy * (a * dy - c * dx)) / (a * d - b * c)
        wide = max(distance2 / gate, 1.0)
        r *= wide * wide
        a, b = pp[0, 0] + r[0, 0], pp[0, 1] + r[0, 1]
        c, d = pp[1, 0] + r[1, 0], pp[1, 1] + r[1, 1]
        det = a * d - b * c
        inverse[0, 0], inverse[0, 1] = d / det, -b / det
        inverse[1, 0], inverse[1, 1] = -c / det, a / det
        for i in range(2):
            for j in range(2):
                kp[i, j] = pp[i, 0] * inverse[0, j] + pp[i, 1] * inverse[1, j]
                kv[i, j] = pv[0, i] * inverse[0, j] + pv[1, i] * inverse[1, j]
        for i in range(2):
            position[row, i] += kp[i, 0] * dx + kp[i, 1] * dy
            velocity[row, i] += kv[i, 0] * dx + kv[i, 1] * dy
            for j in range(2):
                new_pv[i, j] = pv[i, j] - kp[i, 0] * pv[0, j] - kp[i, 1] * pv[1, j]
                new_vv[i, j] = vv[i, j] - kv[i, 0] * pv[0, j] - kv[i, 1] * pv[1, j]
                new_pp[i, j] = kp[i, 0] * r[0, j] + kp[i, 1] * r[1, j]
        # Written so, and kept symmetric, the covariance stays one over minutes of standing still.
        for i in range(2):
            for j in range(2):
                pv[i, j] = new_pv[i, j]
                vv[i, j] = (new_vv[i, j] + new_vv[j, i]) / 2.0
                pp[i, j] = (new_pp[i, j] + new_pp[j, i]) / 2.0


predict = cast(_Kernel, numba.njit(cache=True)(_predict))
correct = cast(_Kernel, numba.njit(cache=True)(_correct))
