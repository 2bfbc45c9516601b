"""One who stands past the line, is hidden for a moment and found again is the same vehicle.

A bus between him and the camera ends the track of a rider who stands; the next one begins where he
stands. What was known of him holds on: that he crossed the line, and since when he stands there.
Without it a stop in two halves is none, and who blocks the junction never came over the line.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from detection.lives import Life
from detection.rules.story import STANDING_MPS
from detection.tracking import TrackState
from detection.trajectory import TrajectoryPoint
from models.site import TWO_WHEELERS

LOST_S: Final = 6.0
"""Rules ask for sightings more often than this."""
STOOD_S: Final = 1.5
NEAR_M: Final = 1.2
"""Who is found again so near to where he stood has not moved; four wheels are placed less well."""
NEAR_LARGE_M: Final = 2.0


class Handover:
    """Who stood past one stop line when he was lost. Calibrated cameras only."""

    def __init__(self) -> None:
        self._lost: deque[Life] = deque(maxlen=64)

    def lost(self, life: Life) -> None:
        """A vehicle is seen no more; remembered if it crossed the line and stood."""
        points = life.trajectory.points
        if points and (life.over or life.front is not None) and stood(tuple(points)):
            self._lost.append(life)

    def again(self, time_s: float, track: TrackState) -> Life | None:
        """The life that a new track goes on with: of one who stood there; each only once."""
        while self._lost and time_s - self._lost[0].trajectory.points[-1].time_s > 2 * LOST_S:
            self._lost.popleft()
        small = track.vehicle_class in TWO_WHEELERS
        best: tuple[float, Life] | None = None
        for life in self._lost:
            last = life.trajectory.points[-1]
            gap_s = time_s - track.age_s - last.time_s
            alike = (life.last.vehicle_class in TWO_WHEELERS) == small
            if not alike or not 0.0 < gap_s <= LOST_S:
                continue
            apart_m = math.dist(track.centre, last.centre)
            if apart_m <= (NEAR_M if small else NEAR_LARGE_M):
                best = min(best or (apart_m, life), (apart_m, life), key=lambda item: item[0])
        if best is None:
            return None
        self._lost.remove(best[1])
        return best[1]


def stood(points: tuple[TrajectoryPoint, ...]) -> bool:
    """Whether a vehicle had stood for a while when it was seen last."""
    last = points[-1]
    if last.speed_mps >= STANDING_MPS:
        return False
    since = next((p for p in points if last.time_s - p.time_s <= 2 * STOOD_S), last)
    near = math.dist(since.centre, last.centre) <= NEAR_M
    return near and last.time_s - since.time_s >= STOOD_S
