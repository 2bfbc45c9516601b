"""Invented junctions, cameras and traffic: what a detector of the virtual street trains on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.camera import CameraPose
from simulation.scene import (
    DUSK,
    OVERCAST,
    SUNNY,
    Crossing,
    Lane,
    Leg,
    Light,
    SceneGeometry,
    point_along,
    polyline_length,
)
from simulation.scene_builder import junction_scene
from simulation.states import CLASSES, FloatArray, VehicleStates

SIZES_M: Final = {
    "motorcycle": (1.85, 0.75, 1.6),
    "bicycle": (1.7, 0.6, 1.65),
    "car": (4.4, 1.76, 1.5),
    "bus": (11.0, 2.5, 3.2),
    "truck": (6.8, 2.15, 2.9),
    "pedestrian": (0.5, 0.5, 1.66),
}
"""Usual length, width and height by class."""

_LEG_M = 140.0
_TRAINING_MIX = {"motorcycle": 0.70, "car": 0.18, "bus": 0.06, "truck": 0.06}
_KINDS = tuple(_TRAINING_MIX)
_STEP_BACK_M = 0.25


@dataclass(frozen=True, slots=True)
class RandomJunction:
    """A scene with the legs it was built from; the first leg is the camera's approach."""

    scene: SceneGeometry
    legs: tuple[Leg, ...]


def random_light(rng: np.random.Generator) -> Light:
    """A sky: overcast, sunny or dusk, with the sun anywhere and the colours shifted a little."""
    base = (OVERCAST, SUNNY, DUSK)[int(rng.choice(3, p=[0.42, 0.42, 0.16]))]
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.3)
    flat = float(np.cos(elevation))
    shift = rng.normal(0, 0.015, 3)
    return Light(
        sun=(
            float(np.sin(azimuth)) * flat,
            float(np.cos(azimuth)) * flat,
            float(np.sin(elevation)),
        ),
        ambient=base.ambient * float(rng.uniform(0.88, 1.12)),
        direct=base.direct * float(rng.uniform(0.8, 1.15)),
        tint=(
            base.tint[0] + float(shift[0]),
            base.tint[1] + float(shift[1]),
            base.tint[2] + float(shift[2]),
        ),
        haze=base.haze,
        haze_distance_m=base.haze_distance_m * float(rng.uniform(0.5, 1.4)),
        sky_top=base.sky_top,
        shadow=min(0.92, base.shadow * float(rng.uniform(0.9, 1.15))),
        cast_m=base.cast_m * float(rng.uniform(0.3, 1.0)),
    )


def random_junction(rng: np.random.Generator) -> RandomJunction:
    """Four legs at right or nearly right angles, one-way or two-way, with crossings."""
    turn = float(rng.uniform(0, 2 * np.pi)) if rng.random() < 0.5 else 0.0
    lane_m = float(rng.uniform(3.0, 3.7))
    one_way = rng.random() < 0.5
    lanes_in = int(rng.integers(2, 5)) if one_way else int(rng.integers(1, 4))
    main_out = 0 if one_way else lanes_in
    cross_one_way = rng.random() < 0.35
    cross_in = int(rng.integers(1, 4))
    skew = float(rng.normal(0, 0.08))
    crossing_m = float(rng.uniform(3.0, 4.2))
    inset = float(rng.uniform(4.5, 7.0)) + crossing_m * 0.5
    main_half = (lanes_in + main_out) * lane_m / 2
    cross_half = cross_in * (1 if cross_one_way else 2) * lane_m / 2
    legs = (
        _leg("south", turn, cross_half + inset, lanes_in, main_out, lane_m, crossing_m),
        _leg(
            "west",
            turn + np.pi / 2 + skew,
            main_half + inset,
            cross_in,
            0 if cross_one_way else cross_in,
            lane_m,
            crossing_m,
        ),
        _leg("north", turn + np.pi, cross_half + inset, main_out, lanes_in, lane_m, crossing_m),
        _leg(
            "east",
            turn - np.pi / 2 + skew,
            main_half + inset,
            0 if cross_one_way else cross_in,
            cross_in,
            lane_m,
            crossing_m,
        ),
    )
    scene = junction_scene(
        legs,
        int(rng.integers(1 << 31)),
        light=random_light(rng),
        pavement_m=float(rng.uniform(2.8, 5.5)),
        corner_radius_m=float(rng.uniform(2.5, 6.5)),
        tree_spacing_m=(float(rng.uniform(7, 12)), float(rng.uniform(14, 30))),
        parked_share=float(rng.uniform(0, 0.7)),
    )
    return RandomJunction(scene, legs)


def corridor_junction(rng: np.random.Generator) -> RandomJunction:
    """A one-way three-lane street crossed by a two-lane one, as on the Pho Hue corridor.

    The first leg is any of the approaches, so that cameras of all of them are seen.
    """
    two_way = rng.random() < 0.65
    crossing_m = 4.0
    across = (4 if two_way else 2) * 3.25 / 2
    gap = float(rng.uniform(8.0, 12.5))
    legs = [
        _leg("south", 0.0, across + gap, 3, 0, 3.5, crossing_m),
        _leg("west", np.pi / 2, 5.25 + gap, 2, 2 if two_way else 0, 3.25, crossing_m),
        _leg("north", np.pi, across + gap, 0, 3, 3.5, crossing_m),
        _leg("east", -np.pi / 2, 5.25 + gap, 2 if two_way else 0, 2, 3.25, crossing_m),
    ]
    first = int(rng.choice([0, 0, 1, 3] if two_way else [0, 0, 1]))
    ordered = tuple(legs[first:] + legs[:first])
    scene = junction_scene(
        ordered,
        int(rng.integers(1 << 31)),
        light=random_light(rng),
        pavement_m=float(rng.uniform(2.6, 4.5)),
        corner_radius_m=float(rng.uniform(3, 6)),
        parked_share=float(rng.uniform(0, 0.7)),
    )
    return RandomJunction(scene, ordered)


def _leg(
    name: str,
    heading_rad: float,
    stop_m: float,
    lanes_in: int,
    lanes_out: int,
    lane_m: float,
    crossing_m: float,
) -> Leg:
    """A straight leg; ``heading_rad`` is the travel direction of its incoming traffic."""
    d = np.array([np.sin(heading_rad), np.cos(heading_rad)])
    right = np.array([d[1], -d[0]])
    total = lanes_in + lanes_out
    near, far = -d * stop_m, -d * (stop_m + _LEG_M)

    def lane(aside_m: float, incoming: bool) -> Lane:
        ends = [far + right * aside_m, near + right * aside_m]
        return Lane(np.stack(ends if incoming else ends[::-1]), lane_m)

    # The whole carriageway is centred on the street's axis.
    kerb = total * lane_m / 2
    incoming = tuple(lane(kerb - (i + 0.5) * lane_m, True) for i in range(lanes_in))
    outgoing = tuple(lane(-kerb + (i + 0.5) * lane_m, False) for i in range(lanes_out))
    middle = near + d * (1.0 + crossing_m / 2)
    a, b = middle - right * kerb, middle + right * kerb
    crossing = Crossing((float(a[0]), float(a[1])), (float(b[0]), float(b[1])), crossing_m)
    return Leg(name, incoming, outgoing, crossing)


def random_camera(leg: Leg, rng: np.random.Generator, *, behind_only: bool = False) -> CameraPose:
    """A camera of an approach: mostly behind its stop line looking on, else facing the queue."""
    lanes = leg.incoming or leg.outgoing
    first = lanes[0].points if leg.incoming else lanes[0].points[::-1]
    last = lanes[-1].points if leg.incoming else lanes[-1].points[::-1]
    length = polyline_length(first)
    u = float(rng.uniform(-0.1, 1.1))
    height = float(rng.uniform(5.5, 10.0))
    behind = behind_only or rng.random() < 0.72
    back = float(rng.uniform(10, 24)) if behind else -float(rng.uniform(5, 24))
    (p, d), (q, _) = point_along(first, length - back), point_along(last, length - back)
    at = p + (q - p) * u
    heading = float(np.degrees(np.arctan2(d[0], d[1]))) + (0.0 if behind else 180.0)
    return CameraPose(
        x_m=float(at[0]),
        y_m=float(at[1]),
        z_m=height,
        heading_deg=heading + float(rng.uniform(-14, 14)),
        pitch_deg=float(rng.uniform(14, 29)),
        hfov_deg=float(rng.uniform(46, 74)),
    )


@dataclass(slots=True)
class Crowd:
    """Road users placed so far; refuses overlaps."""

    rng: np.random.Generator
    rows: list[tuple[int, int, float, float, float, float, float, float, float]]
    placed: FloatArray
    count: int = 0

    def place(
        self,
        kind: str,
        at: FloatArray,
        heading_rad: float,
        speed_mps: float,
        gap_m: float = 0.1,
        size_m: tuple[float, float, float] | None = None,
    ) -> bool:
        """Add a road user of about this size if it overlaps none; says whether it did."""
        size = np.array(size_m or SIZES_M[kind]) * self.rng.uniform(
            [0.92, 0.93, 0.96], [1.08, 1.07, 1.06]
        )
        width = size[1] * (0.8 if kind in ("motorcycle", "bicycle") else 1.0)
        me = np.array([at[0], at[1], heading_rad, size[0], width])
        others = self.placed[: self.count]
        apart = np.hypot(others[:, 0] - me[0], others[:, 1] - me[1])
        close = others[apart < (np.hypot(me[3], me[4]) + np.hypot(others[:, 3], others[:, 4])) / 2]
        if any(_overlap(me, other, gap_m) for other in close):
            return False
        if self.count == len(self.placed):
            return False
        self.placed[self.count] = me
        self.count += 1
        number = int(self.rng.integers(1 << 50))
        self.rows.append(
            (
                number,
                CLASSES.index(kind),
                float(at[0]),
                float(at[1]),
                heading_rad,
                speed_mps,
                float(size[0]),
                float(size[1]),
                float(size[2]),
            )
        )
        return True


def _overlap(a: FloatArray, b: FloatArray, gap_m: float) -> bool:
    """Separating axes of two rectangles (x, y, heading, length, width)."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    for p, q in ((a, b), (b, a)):
        sin, cos = np.sin(p[2]), np.cos(p[2])
        turn_sin, turn_cos = abs(np.sin(q[2] - p[2])), abs(np.cos(q[2] - p[2]))
        along = abs(dx * sin + dy * cos)
        across = abs(dx * cos - dy * sin)
        if along > (p[3] + turn_cos * q[3] + turn_sin * q[4]) / 2 + gap_m:
            return False
        if across > (p[4] + turn_sin * q[3] + turn_cos * q[4]) / 2 + gap_m:
            return False
    return True


def random_traffic(
    legs: Sequence[Leg], rng: np.random.Generator, density: float = 1.0
) -> VehicleStates:
    """Queues, discharge, opposing and crossing traffic, some the wrong way, and pedestrians."""
    crowd = Crowd(rng, [], np.zeros((400, 5)))
    kinds, chances = list(_KINDS), list(_TRAINING_MIX.values())
    centre = np.mean([lane.points[-1] for leg in legs for lane in leg.incoming], axis=0)
    for number, leg in enumerate(legs):
        if leg.incoming:
            queued = rng.random() < (0.8 if number == 0 else 0.6)
            _queue(crowd, leg, density * (1.0 if number == 0 else 0.5) * (1.0 if queued else 0.25))
        for lane in leg.outgoing:
            for _ in range(int(rng.uniform(0, 7) * density)):
                kind = str(rng.choice(kinds, p=chances))
                at, d = point_along(lane.points, float(rng.uniform(0, 80)))
                aside = np.array([-d[1], d[0]]) * float(rng.normal(0, 0.7))
                crowd.place(kind, at + aside, heading_of(d) + float(rng.normal(0, 0.07)), 8.0)
    for _ in range(int(rng.uniform(0, 12) * density)):  # inside the junction, any direction
        kind = str(rng.choice(kinds, p=chances))
        leg = legs[int(rng.integers(len(legs)))]
        if not leg.incoming:
            continue
        lane = leg.incoming[int(rng.integers(len(leg.incoming)))]
        end, d = point_along(lane.points, polyline_length(lane.points) + float(rng.uniform(2, 24)))
        turn = 0.0 if rng.random() < 0.5 else float(rng.normal(0, 0.6))
        drift = np.array([d[1], -d[0]]) * turn * 5.0
        if np.hypot(*(end + drift - centre)) < 30:
            crowd.place(kind, end + drift, heading_of(d) + turn, 6.0)
    for leg in legs:  # against the traffic along the kerb
        for _ in range(int(rng.poisson(0.5))):
            lane = leg.incoming[0] if leg.incoming else leg.outgoing[0]
            at, d = point_along(
                lane.points, float(rng.uniform(0.4, 1.0)) * polyline_length(lane.points)
            )
            aside = np.array([d[1], -d[0]]) * float(
                rng.uniform(-lane.width_m, lane.width_m / 2 - 0.4)
            )
            crowd.place("motorcycle", at + aside, heading_of(-d) + float(rng.normal(0, 0.1)), 5.0)
    _pedestrians(crowd, legs)
    return VehicleStates.from_rows(crowd.rows)


def heading_of(direction: FloatArray) -> float:
    """Compass heading in radians of a direction (2,)."""
    return float(np.arctan2(direction[0], direction[1]))


def _queue(crowd: Crowd, leg: Leg, density: float) -> None:
    rng = crowd.rng
    moving = rng.random() < 0.35
    for number, lane in enumerate(leg.incoming):
        length = polyline_length(lane.points)
        back = float(rng.uniform(0.3, 6))
        while back < 46:
            if rng.random() < 0.26 * density * (1.0 if number else 0.6):
                kind = str(rng.choice(["car", "bus", "truck"], p=[0.64, 0.18, 0.18]))
                size = SIZES_M[kind][0]
                at, d = point_along(lane.points, length - back - size / 2)
                aside = np.array([-d[1], d[0]]) * float(rng.normal(0, 0.2))
                speed = 5.0 if moving else 0.0
                if crowd.place(
                    kind, at + aside, heading_of(d) + float(rng.normal(0, 0.025)), speed
                ):
                    back += size
            back += float(rng.uniform(0.8, 5))
    first, last = leg.incoming[0], leg.incoming[-1]
    wanted = int(rng.uniform(4, 24) * density * len(leg.incoming))
    placed = 0
    length = polyline_length(first.points)
    for _ in range(wanted * 6):
        if placed >= wanted:
            break
        back = min(abs(float(rng.exponential(13 if not moving else 24))), 70) + float(
            rng.uniform(-1.5, 1.5)
        )
        (p, d), (q, _) = (point_along(x.points, length - back - 0.9) for x in (first, last))
        right = np.array([d[1], -d[0]])
        a = p + right * (first.width_m / 2 - 0.45)
        b = q - right * (last.width_m / 2 - 0.45)
        at = a + (b - a) * float(rng.random())
        speed = 5.0 if moving else float(rng.choice([0.0, 0.0, 2.0]))
        placed += crowd.place(
            "motorcycle", at, heading_of(d) + float(rng.normal(0, 0.09)), speed, 0.05
        )


def _pedestrians(crowd: Crowd, legs: Sequence[Leg]) -> None:
    rng = crowd.rng
    for leg in legs:
        if leg.crossing is not None:
            a, b = np.array(leg.crossing.start), np.array(leg.crossing.end)
            d = (b - a) / max(float(np.linalg.norm(b - a)), 1e-9)
            n = np.array([-d[1], d[0]])
            for _ in range(int(rng.poisson(1.5))):
                at = a + (b - a) * float(rng.uniform(-0.15, 1.15)) + n * float(rng.normal(0, 0.9))
                way = d if rng.random() < 0.5 else -d
                crowd.place("pedestrian", at, heading_of(way) + float(rng.normal(0, 0.3)), 1.2)
        lane = leg.incoming[0] if leg.incoming else leg.outgoing[0]
        for _ in range(int(rng.poisson(2.0))):
            at, d = point_along(
                lane.points, float(rng.uniform(0, 1)) * polyline_length(lane.points)
            )
            aside = np.array([d[1], -d[0]]) * (lane.width_m / 2 + float(rng.uniform(0.6, 2.2)))
            crowd.place("pedestrian", at + aside, float(rng.uniform(0, 2 * np.pi)), 1.0)
