"""What a camera's pipeline keeps of each track while it lives."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np

from detection.counting import LineCrossing
from detection.hidden import LEAST_MPS
from detection.judge import Watch
from detection.ports import Detections
from detection.tracking import TrackState
from detection.trajectory import Trajectory, TrajectoryPoint
from models.signals import SignalState
from models.site import TWO_WHEELERS

ENTERED_M: Final = 4.0
"""So near past the line its first sighting still tells when a front crossed."""


class Place(NamedTuple):
    """Where a vehicle is: in the zone, bits of the areas, front and wheels past the line, along
    ``inward``, and whether the picture's edge cuts nothing off; whether it stands or drives on the
    line, and whether it is so far past it that it has shown where it goes."""

    in_zone: bool
    areas: int
    front_m: float
    wheels_m: float
    progress_m: float
    whole: bool
    on_line: bool = False
    far: bool = False


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
    began_s: float = math.inf
    """When its first box was seen, before it was believed."""
    hidden: float = 0.0
    """Share of its last place, where nobody may stop, that others hid when its track ended."""
    rejoined: bool = False
    """It goes on with what was known of another number."""

    def go_on_with(self, before: Life, until_s: float, begun: Sequence[TrajectoryPoint]) -> None:
        """It is the vehicle of an earlier life, which was lost: what was known of that one holds.

        Who has come over the line is counted already.

        Args:
            before: The earlier life; nobody may use it any more.
            until_s: Its vehicle's sightings in it end then.
            begun: This one's own sightings of the vehicle.
        """
        own, watch = [*begun], self.watch
        self.trajectory, self.watch, self.front = before.trajectory, before.watch, before.front
        points = self.trajectory.points
        while points[-1].time_s > until_s:
            points.pop()
        points.extend(own)
        self.watch.add(watch)
        self.pending = before.pending or self.pending
        self.over |= before.over
        self.rejoined = True
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


def note_riders(lives: Collection[Life], users: Detections) -> None:
    """Note what the detector said of riders and helmets; a track keeps its box's values.

    At the picture's edge, where vehicles come in one behind the other, boxes are cut and
    tracks young: what is read there may be another's.
    """
    for readings, into in ((users.riders, "riders"), (users.bare_heads, "bare_heads")):
        if readings is None:
            continue
        boxes = map(tuple, users.boxes.astype(np.float64).tolist())
        of_box = dict(zip(boxes, readings, strict=True))
        for life in lives:
            value = int(of_box.get(life.last.box_px, -1))
            if value >= 0 and life.trajectory.points[-1].whole:
                getattr(life.watch, into).append(value)
