"""What a street camera sees that does not move: one junction and its streets, in metres.

A scene is built from :class:`Leg` objects (lanes as polylines); where the legs come from, a SUMO
network or a random draw, does not matter here. All coordinates are network coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from simulation.states import FloatArray

VIEW_RADIUS_M: Final = 125.0
"""Streets are drawn this far from the junction's centre."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Centre line (N, 2) in the direction of travel, and width."""

    points: FloatArray
    width_m: float


@dataclass(frozen=True, slots=True)
class Crossing:
    """A zebra crossing: the ends of its centre line across the road, and its depth."""

    start: tuple[float, float]
    end: tuple[float, float]
    width_m: float


@dataclass(frozen=True, slots=True)
class Leg:
    """One street at a junction; lanes of each direction from the kerb to the middle.

    ``incoming`` lanes end at the stop line; ``outgoing`` lanes begin at the junction. ``id`` is
    the approach edge when traffic can enter here, and names its signal head.
    """

    id: str
    incoming: tuple[Lane, ...]
    outgoing: tuple[Lane, ...]
    crossing: Crossing | None = None
    signal: bool = True


@dataclass(frozen=True, slots=True)
class SignalHead:
    """A head on a mast; ``heading_rad`` is the travel direction of the drivers who face it."""

    id: str
    x_m: float
    y_m: float
    heading_rad: float
    height_m: float = 5.0


@dataclass(frozen=True, slots=True)
class Marking:
    """A painted polygon (N, 2) on the road."""

    points: FloatArray
    colour: Literal["white", "yellow"]
    opacity: float = 0.85


@dataclass(frozen=True, slots=True)
class Frontage:
    """A house front from ``start`` to ``end``; the street is to the right of that direction."""

    start: tuple[float, float]
    end: tuple[float, float]
    height_m: float


@dataclass(frozen=True, slots=True)
class Tree:
    """A street tree: trunk position, height of the crown's middle and its radius."""

    x_m: float
    y_m: float
    height_m: float
    radius_m: float


@dataclass(frozen=True, slots=True)
class ParkedMotorcycle:
    """A motorcycle without rider on the pavement."""

    x_m: float
    y_m: float
    heading_rad: float


@dataclass(frozen=True, slots=True)
class Light:
    """Daylight: unit vector to the sun, ambient and direct strength, tint, haze, shadow depth.

    Colours are BGR. ``shadow`` is how bright ground in shadow stays (1 = no shadow).
    """

    sun: tuple[float, float, float]
    ambient: float
    direct: float
    tint: tuple[float, float, float]
    haze: tuple[float, float, float]
    haze_distance_m: float
    sky_top: tuple[float, float, float]
    shadow: float
    cast_m: float = 0.0
    """How strongly houses and trees throw shadows on the road, 0..1."""


@dataclass(frozen=True, slots=True)
class SceneGeometry:
    """Everything static around one junction.

    ``carriageways`` are polygons (even-odd filled); ``kerbs`` (M, 2, 2) are segments with the
    road on their right; ``lanes`` are centre lines where tyres wear the asphalt.
    """

    centre: tuple[float, float]
    carriageways: tuple[FloatArray, ...]
    kerbs: FloatArray
    markings: tuple[Marking, ...]
    heads: tuple[SignalHead, ...]
    frontages: tuple[Frontage, ...]
    trees: tuple[Tree, ...]
    parked: tuple[ParkedMotorcycle, ...]
    lanes: tuple[Lane, ...]
    light: Light
    seed: int

    def head(self, head_id: str) -> SignalHead:
        """The signal head of an approach edge.

        Raises:
            KeyError: If the scene has no such head.
        """
        for head in self.heads:
            if head.id == head_id:
                return head
        raise KeyError(head_id)

    def with_light(self, light: Light) -> SceneGeometry:
        """The same street under another sky."""
        return replace(self, light=light)


OVERCAST: Final = Light(
    sun=(0.3, -0.35, 0.89),
    ambient=0.66,
    direct=0.34,
    tint=(1.02, 1.0, 0.98),
    haze=(205, 203, 198),
    haze_distance_m=240.0,
    sky_top=(222, 206, 186),
    shadow=0.72,
)
SUNNY: Final = Light(
    sun=(0.45, -0.35, 0.82),
    ambient=0.55,
    direct=0.55,
    tint=(0.96, 1.0, 1.05),
    haze=(225, 212, 196),
    haze_distance_m=300.0,
    sky_top=(246, 214, 176),
    shadow=0.55,
    cast_m=1.0,
)
DUSK: Final = Light(
    sun=(-0.6, 0.1, 0.79),
    ambient=0.46,
    direct=0.28,
    tint=(1.1, 0.98, 0.92),
    haze=(128, 112, 110),
    haze_distance_m=200.0,
    sky_top=(138, 112, 96),
    shadow=0.75,
)


def offset_polyline(points: FloatArray, left_m: float) -> FloatArray:
    """The polyline moved sideways; positive to the left of its direction."""
    step = np.diff(points, axis=0)
    step = step / np.maximum(np.linalg.norm(step, axis=1), 1e-9)[:, None]
    tangent = np.concatenate([step[:1], step[:-1] + step[1:], step[-1:]])
    tangent = tangent / np.maximum(np.linalg.norm(tangent, axis=1), 1e-9)[:, None]
    moved: FloatArray = points + left_m * np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    return moved


def polyline_length(points: FloatArray) -> float:
    """Length in metres."""
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def point_along(points: FloatArray, distance_m: float) -> tuple[FloatArray, FloatArray]:
    """Point and unit direction at a distance from the start; straight on beyond the ends."""
    step = np.diff(points, axis=0)
    length = np.linalg.norm(step, axis=1)
    upto = np.concatenate([[0.0], np.cumsum(length)])
    i = int(np.clip(np.searchsorted(upto, distance_m, side="right") - 1, 0, len(step) - 1))
    direction = step[i] / max(float(length[i]), 1e-9)
    return points[i] + direction * (distance_m - upto[i]), direction


def sub_polyline(points: FloatArray, begin_m: float, end_m: float) -> FloatArray:
    """The part of a polyline between two distances from its start."""
    upto = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    inner = points[(upto > begin_m + 1e-6) & (upto < end_m - 1e-6)]
    first, _ = point_along(points, begin_m)
    last, _ = point_along(points, end_m)
    return np.concatenate([first[None], inner, last[None]])


def strip(points: FloatArray, width_m: float) -> FloatArray:
    """Polygon of a polyline with a width."""
    half = width_m / 2
    return np.concatenate([offset_polyline(points, half), offset_polyline(points, -half)[::-1]])
