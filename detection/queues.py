"""Vehicles that wait before the stop line, and how far back they stand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from detection.geometry import StopLine
from detection.tracking import LENGTH_M, TrackState
from models.camera import Point
from models.site import TWO_WHEELERS, VEHICLE_CLASSES

STANDING_MPS: Final = 5 / 3.6
"""Slower than 5 km/h is standing in a queue."""
MAX_GAP_M: Final = 15.0
"""A vehicle that stands further back than this behind the others is not of their queue."""

NEXT_M: Final = 3.0
"""So much more road the next in a queue would stand on: a gap and a motorbike."""

AMONG_M: Final = 2.0
AMONG_RIDERS: Final = 2


@dataclass(frozen=True, slots=True)
class Queue:
    """Vehicles standing in the zone and the distance from the line to the last one's rear.

    ``at_least`` says that the next one would not be seen: the queue may be longer.
    """

    vehicles: int
    length_m: float
    at_least: bool = False


def measure_queue(
    tracks: Sequence[TrackState],
    in_zone: Sequence[bool],
    line: StopLine,
    watched: Callable[[Point], bool],
) -> Queue:
    """The queue among the tracks of one frame; ``in_zone`` tells which are in the zone.

    Somebody who stands on the approach right among motorbikes sits on one that the others hide.
    ``watched`` tells whether a place of the view's plane is in the zone and in the picture.
    """
    standing = [
        track
        for track, inside in zip(tracks, in_zone, strict=True)
        if inside and track.speed_mps < STANDING_MPS
    ]
    riders = [track for track in standing if track.vehicle_class in TWO_WHEELERS]
    waiting = [t for t in standing if t.vehicle_class != "pedestrian" or _among(t, riders)]
    rears = sorted(
        (max(0.0, -line.depth_m(track.front, track.units_per_m)) + _length_m(track), index)
        for index, track in enumerate(waiting)
    )
    length, vehicles, last = 0.0, 0, None
    for rear, index in rears:
        if rear - length > MAX_GAP_M:
            break
        length, vehicles, last = rear, vehicles + 1, waiting[index]
    return Queue(vehicles, length, last is not None and not watched(_behind(last, line)))


def _behind(track: TrackState, line: StopLine) -> Point:
    """Where the next one's rear would be."""
    (x, y), (ux, uy) = track.front, track.units_per_m
    back_m = _length_m(track) + NEXT_M
    return (x - line.normal[0] * ux * back_m, y - line.normal[1] * uy * back_m)


def _length_m(track: TrackState) -> float:
    return float(LENGTH_M[VEHICLE_CLASSES.index(_kind(track))])


def _kind(track: TrackState) -> str:
    return "motorcycle" if track.vehicle_class == "pedestrian" else track.vehicle_class


def _among(track: TrackState, riders: Sequence[TrackState]) -> bool:
    """Whether two or more riders stand within reach."""
    (x, y), (ux, uy) = track.contact, track.units_per_m
    near = sum(
        math.hypot((rider.contact[0] - x) / ux, (rider.contact[1] - y) / uy) < AMONG_M
        for rider in riders
    )
    return near >= AMONG_RIDERS
