"""What a camera's pipeline keeps of each track while it lives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from detection.counting import LineCrossing
from detection.hidden import LEAST_MPS
from detection.judge import Watch
from detection.tracking import TrackState
from detection.trajectory import Trajectory, TrajectoryPoint
from models.signals import SignalState
from models.site import TWO_WHEELERS

ON_LINE_M: Final = 0.2
"""A vehicle whose body is so near the line stands on it."""
ENTERED_M: Final = 4.0
"""So near past the line its first sighting still tells when a front crossed."""


class Place(NamedTuple):
    """Where a vehicle is: in the zone, bits of the areas, front and wheels past the line, along
    ``inward``, and whether the picture's edge cuts nothing off."""

    in_zone: bool
    areas: int
    front_m: float
    wheels_m: float
    progress_m: float
    whole: bool


@dataclass(slots=True)
class Pending:
    """A crossing whose movement is not settled yet."""

    line: LineCrossing
    signal: SignalState


@dataclass(slots=True)
class Life:
    """What is kept of a track while it lives."""

    trajectory: Trajectory
    last: TrackState
    front: LineCrossing | None = None
    pending: Pending | None = None
    first_m: float = 0.0
    wheels_m: float = 0.0
    """How far past the line its wheels were at its first, and at its last sighting."""
    first_covered: float = 0.0
    """Share of it that nearer ones hid when it was first seen there."""
    over: bool = False
    """It has crossed the line inward, seen or unseen."""
    hidden_m: float | None = None
    """How far past the line its wheels were when it was first seen there; None when settled."""
    watch: Watch = field(default_factory=Watch)

    def go_on_with(self, before: Life) -> None:
        """It is the vehicle of an earlier life, which was lost: what was known of that one holds.

        Who has come over the line is counted already.
        """
        trajectory, watch = self.trajectory, self.watch
        self.trajectory, self.watch, self.front = before.trajectory, before.watch, before.front
        self.trajectory.points.extend(trajectory.points)
        self.watch.add(watch)
        self.over |= before.over
        if self.over:
            self.hidden_m = None


def as_many_wheels(one: TrackState, other: TrackState) -> bool:
    """Whether both go on two wheels, or neither does."""
    return (one.vehicle_class in TWO_WHEELERS) == (other.vehicle_class in TWO_WHEELERS)


def entered_at(wheels: LineCrossing, points: Sequence[TrajectoryPoint]) -> LineCrossing:
    """When the front must have crossed of one whose wheels were seen to.

    A long vehicle is often first seen across the line: close to it the front's own instant is
    told from place and speed; else that of the wheels has to do.
    """
    first = next((point for point in points if point.depth_m >= 0.0), None)
    if wheels.direction != "in" or first is None or first.depth_m > ENTERED_M:
        return wheels
    since_s = first.depth_m / max(first.speed_mps, LEAST_MPS)
    return replace(wheels, time_s=min(first.time_s - since_s, wheels.time_s))


def on_line(track: TrackState, place: Place) -> bool:
    """Whether a vehicle stands or drives on the stop line."""
    low, high = min(place.front_m, place.wheels_m), max(place.front_m, place.wheels_m)
    return track.vehicle_class != "pedestrian" and low - ON_LINE_M <= 0.0 <= high + ON_LINE_M
