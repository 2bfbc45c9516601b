"""What detection needs to know of a camera: geometry on the ground and what to count."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
Matrix3: TypeAlias = tuple[
    tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]
]
IDENTITY: Matrix3 = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


class SourceKind(StrEnum):
    """Where a camera's detections come from; shown wherever its figures are."""

    PIXELS = "pixels"
    PROJECTED = "projected"
    MOTION = "motion"
    """Background subtraction, where no weights fit: its flags only advise."""


class AreaKind(StrEnum):
    """What a marked piece of road is."""

    PAVEMENT = "pavement"
    LANE = "lane"
    NO_STOPPING = "no_stopping"
    BOX = "box"


@dataclass(frozen=True, slots=True)
class RoadArea:
    """A polygon in the view's plane that a rule speaks of.

    ``not_for`` names the vehicle classes that a lane is closed to; ``lane`` is its id in the
    network, if it has one. A ``box`` is the inside of the junction, where nobody may stop.
    """

    kind: AreaKind
    outline: tuple[Point, ...]
    not_for: tuple[str, ...] = ()
    lane: str = ""


@dataclass(frozen=True, slots=True)
class ForbiddenTurn:
    """A movement that a sign forbids to some vehicle classes."""

    movement: str
    vehicle_classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RoadRules:
    """What marks and signs say about one approach and the way on from it.

    ``u_turn_forbidden``: nobody may turn back here. ``speed_limit_mps`` is None where no limit
    is to be watched.
    """

    areas: tuple[RoadArea, ...] = ()
    forbidden_turns: tuple[ForbiddenTurn, ...] = ()
    u_turn_forbidden: bool = False
    speed_limit_mps: float | None = None


@dataclass(frozen=True, slots=True)
class CameraPose:
    """Pinhole camera: position and direction in the site's metric frame.

    ``heading_deg`` is the compass direction (0 north, clockwise), ``pitch_deg`` downward tilt,
    ``hfov_deg`` the horizontal field of view.
    """

    x_m: float
    y_m: float
    z_m: float
    heading_deg: float
    pitch_deg: float
    hfov_deg: float
    width_px: int = 640
    height_px: int = 480


@dataclass(frozen=True, slots=True)
class MovementPath:
    """A movement's line on the ground from before the stop line to its exit."""

    movement: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class CameraView:
    """One approach as a camera sees it.

    ``ground_from_image`` maps homogeneous pixels to the plane in which all other geometry is
    given: metres on the ground when ``metric``, else pixels (identity). ``stop_line`` is
    crossed inward (into the junction) along ``inward``, a unit vector. ``zone`` is the polygon
    of the approach within which vehicles are tracked and the queue is measured; ``signal`` the
    id of the head that rules the approach's movements (SUMO movement id or a camera-only name).
    ``lamp_px`` is the head's box in the image (x0, y0, x1, y1) when the lamp can be read.
    ``wrong_way`` says whether travel against ``inward`` within the zone is an offence (a
    one-way carriageway). ``road`` holds what else marks and signs say.
    """

    camera: str
    junction: str
    width_px: int
    height_px: int
    ground_from_image: Matrix3
    metric: bool
    stop_line: tuple[Point, Point]
    inward: Point
    zone: tuple[Point, ...]
    movements: tuple[MovementPath, ...]
    calibration_version: str
    source_kind: SourceKind = SourceKind.PIXELS
    lamp_px: tuple[int, int, int, int] | None = None
    wrong_way: bool = False
    road: RoadRules = field(default_factory=RoadRules)
