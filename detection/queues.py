"""Vehicles that wait before the stop line, and how far back they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detection.geometry import StopLine
from detection.tracking import LENGTH_M, TrackState
from models.site import VEHICLE_CLASSES

STANDING_MPS: Final = 5 / 3.6
"""Slower than 5 km/h is standing in a queue."""
MAX_GAP_M: Final = 15.0
"""A vehicle that stands further back than this behind the others is not of their queue."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Vehicles standing in the zone and the distance from the line to the last one's rear."""

    vehicles: int
    length_m: float


def measure_queue(tracks: Sequence[TrackState], in_zone: Sequence[bool], line: StopLine) -> Queue:
    """The queue among the tracks of one frame; ``in_zone`` tells which are in the zone."""
    rears = sorted(
        max(0.0, -line.depth_m(track.front, track.units_per_m))
        + float(LENGTH_M[VEHICLE_CLASSES.index(track.vehicle_class)])
        for track, inside in zip(tracks, in_zone, strict=True)
        if inside and track.vehicle_class != "pedestrian" and track.speed_mps < STANDING_MPS
    )
    length = 0.0
    vehicles = 0
    for rear in rears:
        if rear - length > MAX_GAP_M:
            break
        length, vehicles = rear, vehicles + 1
    return Queue(vehicles, length)
