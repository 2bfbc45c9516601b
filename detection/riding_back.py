"""One who rides back out of the junction, is hidden for a moment and found again is the same.

Who turned in against a one-way approach meets the queue that waits at the line: it hides him for a
second or three, a few metres before he leaves the picture. Hardly anybody else drives that way
there: a new track that does, where his speed must have taken him, is his. On a road of two
directions many do, on the opposite carriageway: there nothing is told.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

from detection.lives import Life
from detection.tracking import TrackState
from detection.trajectory import Trajectory, TrajectoryPoint, speeds_explain
from models.camera import CameraView, Point
from models.site import TWO_WHEELERS

HIDDEN_S: Final = 3.0
"""Where one is after longer is anybody's guess."""
BACK_MPS: Final = 1.5
"""Slower than this may be the scatter of boxes."""
OVER_S: Final = 0.7
LEAST_S: Final = 0.3
"""His speed back is taken over so long, and no less."""
STRAIGHT: Final = 0.9
"""So much of his way while hidden leads back (a cosine)."""
CHANGE_MPS: Final = 2.5
"""By so much at most is he faster or slower than before."""
KEPT: Final = 16


class RidingBack:
    """Riders who were lost from sight riding back. Calibrated cameras only."""

    def __init__(self, view: CameraView) -> None:
        self._inward = view.inward
        self._one_way = view.wrong_way
        self._lost: deque[Life] = deque(maxlen=KEPT)

    def lost(self, life: Life) -> None:
        """A vehicle is seen no more; remembered if it rode back."""
        if self._one_way and _rode_back(life):
            self._lost.append(life)

    def again(self, time_s: float, track: TrackState, lives: dict[int, Life]) -> Life | None:
        """The life that a new track goes on with; None if with none, or it is open.

        ``lives`` are those that are followed, by number: one not seen just now may be the one. Its
        number is free then: should it come back, it is somebody else's.
        """
        while self._lost and time_s - self._lost[0].trajectory.points[-1].time_s > HIDDEN_S:
            self._lost.popleft()
        rides = self._one_way and track.vehicle_class in TWO_WHEELERS
        if not rides or self._back(track.velocity) < BACK_MPS:
            return None
        unseen = [life for life in lives.values() if not life.last.seen and _rode_back(life)]
        fits = [life for life in (*self._lost, *unseen) if self._fits(time_s, track, life)]
        if len(fits) != 1:
            return None
        found = fits[0]
        number = found.last.id
        if lives.get(number) is found:
            lives[number] = Life(Trajectory(), found.last)
        else:
            self._lost = deque((life for life in self._lost if life is not found), KEPT)
        return found

    def _fits(self, time_s: float, track: TrackState, life: Life) -> bool:
        last = life.trajectory.points[-1]
        gap_s = time_s - last.time_s
        change_mps = abs(track.speed_mps - last.speed_mps)
        if not track.age_s < gap_s <= HIDDEN_S or change_mps > CHANGE_MPS:
            return False
        dx, dy = track.centre[0] - last.centre[0], track.centre[1] - last.centre[1]
        way_m = math.hypot(dx, dy)
        found = last._replace(time_s=time_s, speed_mps=track.speed_mps)
        return self._back((dx, dy)) >= STRAIGHT * way_m and speeds_explain(last, found, way_m)

    def _back(self, vector: Point) -> float:
        return -(vector[0] * self._inward[0] + vector[1] * self._inward[1])


def _rode_back(life: Life) -> bool:
    """Whether one on two wheels rode back when he was seen last."""
    rides = life.last.vehicle_class in TWO_WHEELERS
    return rides and back_mps(life.trajectory.points) >= BACK_MPS


def back_mps(points: Sequence[TrajectoryPoint]) -> float:
    """How fast a vehicle drove back when it was seen last; 0 where that is not known."""
    last = first = points[-1] if points else None
    for point in reversed(points):
        if last is None or last.time_s - point.time_s > OVER_S:
            break
        first = point
    if last is None or first is None or last.time_s - first.time_s < LEAST_S:
        return 0.0
    return (first.progress_m - last.progress_m) / (last.time_s - first.time_s)
