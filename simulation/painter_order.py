"""Which of two things on the road hides the other: the painter's order of footprints."""

from __future__ import annotations

import numpy as np

from simulation.states import FloatArray, IntArray


def far_to_near(
    xy: FloatArray,
    heading_rad: FloatArray,
    length_m: FloatArray,
    width_m: FloatArray,
    eye: FloatArray,
) -> IntArray:
    """Indices of rectangular footprints in the order to paint them, far ones first.

    Two footprints are compared by the edge that separates them best: the one on the camera's
    side of it is in front. Where that leaves a cycle, the nearer centre is painted later.

    Args:
        xy: Centres (N, 2).
        heading_rad: Compass headings (N,).
        length_m: Along the heading (N,).
        width_m: Across (N,).
        eye: The camera's ground position (2,).
    """
    n = len(xy)
    if n == 0:
        return np.zeros(0, np.int64)
    forward = np.stack([np.sin(heading_rad), np.cos(heading_rad)], -1)
    right = np.stack([forward[:, 1], -forward[:, 0]], -1)
    half_l, half_w = length_m / 2, width_m / 2
    fl, rw = forward * half_l[:, None], right * half_w[:, None]
    corners = np.stack([xy + fl + rw, xy + fl - rw, xy - fl - rw, xy - fl + rw], 1)
    to_corner = corners - eye
    # Bearings relative to the middle of the scene, so that none wraps around.
    middle = (xy - eye).mean(0)
    middle = middle / max(float(np.hypot(*middle)), 1e-9)
    bearing = np.arctan2(
        to_corner[..., 0] * middle[1] - to_corner[..., 1] * middle[0], to_corner @ middle
    )
    low, high = bearing.min(1) - 0.03, bearing.max(1) + 0.03
    distance = np.hypot(xy[:, 0] - eye[0], xy[:, 1] - eye[1])

    normals = np.stack([forward, -forward, right, -right], 1)
    extent = np.stack([half_l, half_l, half_w, half_w], -1)
    offset = np.einsum("nkd,nd->nk", normals, xy) + extent
    flat = normals.transpose(1, 0, 2).reshape(-1, 2)
    reach = (flat @ corners.transpose(1, 0, 2).reshape(-1, 2).T).reshape(4, n, 4, n)
    nearest = np.minimum(
        np.minimum(reach[:, :, 0], reach[:, :, 1]), np.minimum(reach[:, :, 2], reach[:, :, 3])
    )
    gap = nearest - offset.T[:, :, None]  # (edge k, n, m): all of m beyond edge k of n by this much
    best = gap.max(0)
    eye_beyond = ((normals @ eye) - offset > 0).T[:, :, None]
    m_before_n = ((gap == best) & eye_beyond).any(0)
    in_front = np.where(best >= best.T, m_before_n, ~m_before_n.T)
    overlap = np.maximum(best, best.T) < -0.15
    in_front = np.where(overlap, distance[None] < distance[:, None], in_front)
    in_front &= (low[:, None] < high[None]) & (low[None] < high[:, None])
    np.fill_diagonal(in_front, False)

    waiting = in_front.sum(0).astype(np.int64)  # how many must be painted before each
    done = np.zeros(n, np.bool_)
    order = np.empty(n, np.int64)
    for k in range(n):
        chosen = int(np.where(done, -1.0, distance + 1e6 * (waiting <= 0)).argmax())
        order[k] = chosen
        done[chosen] = True
        waiting -= in_front[chosen]
    return order
