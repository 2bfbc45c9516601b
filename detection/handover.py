"""One who stands past the line, is hidden for a moment and found again is the same vehicle.

A bus between him and the camera ends the track of a rider who stands; the next one begins where he
stands. What was known of him holds on: that he crossed the line, and since when he stands there.
Without it a stop in two halves is none, and who blocks the junction never came over the line.
Or nobody hid him: a box that was off began a track beside his own, which found none any more.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Final

from detection.lives import Life, as_many_wheels
from detection.rules.story import STANDING_MPS
from detection.tracking import TrackState
from detection.trajectory import TrajectoryPoint
from models.site import TWO_WHEELERS

LOST_S: Final = 6.0
"""Rules ask for sightings more often than this."""
HIDDEN_S: Final = 20.0
HIDDEN: Final = 0.5
"""One who stood where nobody may stop, and of whose place others hide so much, may be there still
for so long."""
STOOD_S: Final = 1.5
NEAR_M: Final = 1.2
"""Who is found again so near to where he stood has not moved; four wheels are placed less well."""
NEAR_LARGE_M: Final = 2.0


class Handover:
    """Who stood past one stop line when he was lost. Calibrated cameras only."""

    def __init__(self) -> None:
        self._lost: deque[tuple[Life, float]] = deque(maxlen=64)

    def lost(self, life: Life, others: Iterable[Life] = (), *, hidden: float = 0.0) -> None:
        """A vehicle is seen no more; remembered if it crossed the line and stood.

        ``hidden`` is the share that others hide of its place where nobody may stop.
        If it stood past the line, and one of the ``others`` that are followed has begun there after
        it was seen for the last time, that one is it, and goes on with what was known.
        """
        points = life.trajectory.points
        if not points or not (life.over or life.front is not None) or not stood(tuple(points)):
            return
        heirs = [
            (math.dist(other.trajectory.points[0].centre, points[-1].centre), other)
            for other in others
            if points[-1].depth_m > 0.0 and other.front is None and _heir(life, other)
        ]
        if heirs:
            min(heirs, key=lambda item: item[0])[1].go_on_with(life)
        else:
            self._lost.append((life, HIDDEN_S if hidden >= HIDDEN else LOST_S))

    def again(self, time_s: float, track: TrackState) -> Life | None:
        """The life that a new track goes on with: of one who stood there; each only once."""
        self._lost = deque(
            (item for item in self._lost if time_s - _last_s(item[0]) <= item[1] + LOST_S),
            maxlen=self._lost.maxlen,
        )
        best: tuple[float, Life] | None = None
        for life, most_s in self._lost:
            last = life.trajectory.points[-1]
            gap_s = time_s - track.age_s - last.time_s
            if not as_many_wheels(life.last, track) or not 0.0 < gap_s <= most_s:
                continue
            apart_m = math.dist(track.centre, last.centre)
            if apart_m <= _near_m(track):
                best = min(best or (apart_m, life), (apart_m, life), key=lambda item: item[0])
        if best is None:
            return None
        found = best[1]
        self._lost = deque((item for item in self._lost if item[0] is not found), self._lost.maxlen)
        return found


def _last_s(life: Life) -> float:
    return life.trajectory.points[-1].time_s


def _near_m(track: TrackState) -> float:
    return NEAR_M if track.vehicle_class in TWO_WHEELERS else NEAR_LARGE_M


def _heir(life: Life, other: Life) -> bool:
    """Whether another has begun where one stood, soon after that one was seen for the last time."""
    if not other.trajectory.points:
        return False
    last, first = life.trajectory.points[-1], other.trajectory.points[0]
    gap_s = first.time_s - last.time_s
    near = math.dist(first.centre, last.centre) <= _near_m(other.last)
    return as_many_wheels(life.last, other.last) and 0.0 < gap_s <= LOST_S and near


def stood(points: tuple[TrajectoryPoint, ...]) -> bool:
    """Whether a vehicle had stood for a while when it was seen last."""
    last = points[-1]
    if last.speed_mps >= STANDING_MPS:
        return False
    since = next((p for p in points if last.time_s - p.time_s <= 2 * STOOD_S), last)
    near = math.dist(since.centre, last.centre) <= NEAR_M
    return near and last.time_s - since.time_s >= STOOD_S
