"""Vehicles that wait before the stop line, and how far back they stand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detection.geometry import StopLine
from detection.tracking import LENGTH_M, TrackState
from models.site import TWO_WHEELERS, VEHICLE_CLASSES

STANDING_MPS: Final = 5 / 3.6
"""Slower than 5 km/h is standing in a queue."""
MAX_GAP_M: Final = 15.0
"""A vehicle that stands further back than this behind the others is not of their queue."""

AMONG_M: Final = 2.0
AMONG_RIDERS: Final = 2


@dataclass(frozen=True, slots=True)
class Queue:
    """Vehicles standing in the zone and the distance from the line to the last one's rear."""

    vehicles: int
    length_m: float


def measure_queue(tracks: Sequence[TrackState], in_zone: Sequence[bool], line: StopLine) -> Queue:
    """The queue among the tracks of one frame; ``in_zone`` tells which are in the zone.

    Somebody who stands on the approach right among motorbikes sits on one that the others hide.
    """
    standing = [
        track
        for track, inside in zip(tracks, in_zone, strict=True)
        if inside and track.speed_mps < STANDING_MPS
    ]
    riders = [track for track in standing if track.vehicle_class in TWO_WHEELERS]
    rears = sorted(
        max(0.0, -line.depth_m(track.front, track.units_per_m))
        + float(LENGTH_M[VEHICLE_CLASSES.index(_kind(track))])
        for track in standing
        if track.vehicle_class != "pedestrian" or _among(track, riders)
    )
    length = 0.0
    vehicles = 0
    for rear in rears:
        if rear - length > MAX_GAP_M:
            break
        length, vehicles = rear, vehicles + 1
    return Queue(vehicles, length)


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
