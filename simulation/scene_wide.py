"""Cameras, light and traffic of any street, far wider than those of the example corridor.

A detector that is to work on streets it has never seen trains on these: high and low cameras
that look anywhere, night and low sun, queues of riders many abreast, large vehicles so close
that only a part of them is in the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from models.camera import CameraPose
from simulation.scene import Leg, Light, point_along, polyline_length
from simulation.scene_random import SIZES_M, Crowd, heading_of, random_light
from simulation.states import FloatArray, VehicleStates

_NIGHT_SHARE, _LOW_SUN_SHARE = 0.07, 0.2
_HEAVY: Final = ("car", "bus", "truck")
_HEAVY_CHANCES: Final = (0.6, 0.22, 0.18)


def wide_light(rng: np.random.Generator) -> Light:
    """Any daylight, low sun with long shadows, or night under street lamps."""
    light = random_light(rng)
    chance = float(rng.random())
    if chance < _NIGHT_SHARE:
        warm = float(rng.uniform(0.8, 1.0))
        level = float(rng.uniform(0.25, 0.5))
        return Light(
            sun=light.sun,
            ambient=level,
            direct=level * float(rng.uniform(0.1, 0.5)),
            tint=(warm, 1.0, 2.0 - warm),
            haze=(30.0, 34.0, 40.0),
            haze_distance_m=float(rng.uniform(120, 400)),
            sky_top=(24.0, 18.0, 16.0),
            shadow=float(rng.uniform(0.5, 0.9)),
        )
    if chance < _NIGHT_SHARE + _LOW_SUN_SHARE:
        azimuth, up = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.25, 0.5))
        flat = float(np.sqrt(1 - up**2))
        return Light(
            sun=(float(np.sin(azimuth)) * flat, float(np.cos(azimuth)) * flat, up),
            ambient=float(rng.uniform(0.35, 0.6)),
            direct=float(rng.uniform(0.4, 0.85)),
            tint=light.tint,
            haze=light.haze,
            haze_distance_m=float(rng.uniform(80, 500)),
            sky_top=light.sky_top,
            shadow=float(rng.uniform(0.35, 0.7)),
            cast_m=float(rng.uniform(0.4, 1.0)),
        )
    return light


def wide_camera(legs: Sequence[Leg], rng: np.random.Generator) -> CameraPose:
    """A camera over the first leg's carriageway or pavement that looks at some of its traffic."""
    leg = legs[0]
    lanes = leg.incoming or leg.outgoing
    first = lanes[0].points if leg.incoming else lanes[0].points[::-1]
    last = lanes[-1].points if leg.incoming else lanes[-1].points[::-1]
    length = polyline_length(first)

    def over(back_m: float, across: float) -> tuple[FloatArray, FloatArray]:
        (p, d), (q, _) = point_along(first, length - back_m), point_along(last, length - back_m)
        return p + (q - p) * across, d

    height = float(rng.uniform(3.6, 12.5))
    behind = rng.random() < 0.68
    back = float(rng.uniform(4, 32)) if behind else -float(rng.uniform(2, 30))
    at, ahead = over(back, float(rng.uniform(-0.35, 1.35)))
    reach = float(rng.uniform(0.8, 4.0)) * height + 2.0
    aside = float(rng.normal(0, 0.24))
    direction = ahead if behind else -ahead
    right = np.array([direction[1], -direction[0]])
    target = at + direction * reach + right * aside * reach
    step = target - at
    pitch = float(np.degrees(np.arctan2(height - 0.8, float(np.hypot(*step)))))
    return CameraPose(
        x_m=float(at[0]),
        y_m=float(at[1]),
        z_m=height,
        heading_deg=float(np.degrees(heading_of(step))),
        pitch_deg=float(np.clip(pitch + rng.normal(0, 4), 4, 60)),
        hfov_deg=float(rng.uniform(34, 92)),
    )


def wide_size(kind: str, rng: np.random.Generator) -> tuple[float, float, float]:
    """Length, width and height: minibuses and coaches, lorries and cars large and small."""
    length, width, height = SIZES_M[kind]
    if kind == "bus":
        if rng.random() < 0.55:
            return float(rng.uniform(5.0, 6.4)), float(rng.uniform(1.8, 2.1)), 2.55
        return float(rng.uniform(8.0, 12.0)), 2.5, float(rng.uniform(2.9, 3.4))
    if kind == "truck":
        scale = float(rng.uniform(0.68, 1.3))
        return length * scale, width * float(np.clip(scale, 0.8, 1.12)), height * scale**0.7
    if kind == "car":
        return (
            length * float(rng.uniform(0.82, 1.12)),
            width,
            height * float(rng.uniform(0.94, 1.12)),
        )
    return length, width, height


def wide_traffic(legs: Sequence[Leg], rng: np.random.Generator, density: float) -> VehicleStates:
    """A crowd: riders many abreast at and past the line, traffic across, heavy ones between."""
    crowd = Crowd(rng, [], np.zeros((400, 5)))
    for number, leg in enumerate(legs):
        share = 1.0 if number == 0 else float(rng.uniform(0.1, 0.6))
        if leg.incoming:
            _crowd_queue(crowd, leg, density * share)
        _stream(crowd, leg, density * share)
    _junction(crowd, legs, density)
    _walkers(crowd, legs)
    return VehicleStates.from_rows(crowd.rows)


def _heavy(rng: np.random.Generator) -> str:
    return str(rng.choice(_HEAVY, p=_HEAVY_CHANCES))


def _crowd_queue(crowd: Crowd, leg: Leg, density: float) -> None:
    rng = crowd.rng
    moving = 5.0 if rng.random() < 0.3 else 0.0
    first, last = leg.incoming[0], leg.incoming[-1]
    length = polyline_length(first.points)
    heavy_share = float(rng.choice([0.05, 0.2, 0.45]))
    for lane in leg.incoming:
        back = float(rng.uniform(0.2, 9))
        while back < 44:
            if rng.random() < heavy_share * min(density, 1.5):
                kind = _heavy(rng)
                size = wide_size(kind, rng)
                at, d = point_along(lane.points, polyline_length(lane.points) - back - size[0] / 2)
                aside = np.array([-d[1], d[0]]) * float(rng.normal(0, 0.35))
                turn = float(rng.normal(0, 0.05))
                crowd.place(kind, at + aside, heading_of(d) + turn, moving, 0.1, size)
                back += size[0]
            back += float(rng.uniform(0.6, 6))
    wanted = int(rng.uniform(3, 26) * density * len(leg.incoming))
    spread = float(rng.uniform(5, 24))
    past = float(rng.uniform(0, 9)) if rng.random() < 0.4 else 0.5
    skew = float(rng.normal(0, 0.06))
    placed = 0
    for _ in range(wanted * 5):
        if placed >= wanted:
            break
        back = min(float(rng.exponential(spread)), 70.0) - past
        (p, d), (q, _) = (point_along(x.points, length - back - 0.9) for x in (first, last))
        right = np.array([d[1], -d[0]])
        a, b = p + right * (first.width_m / 2 - 0.3), q - right * (last.width_m / 2 - 0.3)
        at = a + (b - a) * float(rng.random())
        turn = skew + float(rng.normal(0, 0.12))
        placed += crowd.place("motorcycle", at, heading_of(d) + turn, moving, 0.0)


def _stream(crowd: Crowd, leg: Leg, density: float) -> None:
    """Vehicles that drive away."""
    rng = crowd.rng
    for lane in leg.outgoing:
        for _ in range(int(rng.uniform(0, 12) * density)):
            kind = "motorcycle" if rng.random() < 0.75 else _heavy(rng)
            at, d = point_along(lane.points, float(rng.uniform(-4, 70)))
            at = at + np.array([-d[1], d[0]]) * float(rng.normal(0, 0.9))
            turn = float(rng.normal(0, 0.12))
            crowd.place(kind, at, heading_of(d) + turn, 8.0, 0.1, wide_size(kind, rng))


def _junction(crowd: Crowd, legs: Sequence[Leg], density: float) -> None:
    """Vehicles inside the junction, in any direction: across, turning, against the others."""
    rng = crowd.rng
    centre = np.mean([lane.points[-1] for leg in legs for lane in leg.incoming], axis=0)
    spread = float(rng.uniform(4, 13))
    flow = float(rng.uniform(0, 2 * np.pi))
    for _ in range(int(rng.uniform(0, 30) * density)):
        kind = "motorcycle" if rng.random() < 0.78 else _heavy(rng)
        at = centre + rng.normal(0, spread, 2)
        heading = flow + (float(rng.normal(0, 0.25)) if rng.random() < 0.6 else 0.0)
        if rng.random() < 0.35:
            heading = float(rng.uniform(0, 2 * np.pi))
        elif rng.random() < 0.4:
            heading += np.pi
        crowd.place(kind, at, heading, 6.0, 0.15, wide_size(kind, rng))


def _walkers(crowd: Crowd, legs: Sequence[Leg]) -> None:
    """People on pavements and crossings."""
    rng = crowd.rng
    for leg in legs:
        lane = leg.incoming[0] if leg.incoming else leg.outgoing[0]
        for _ in range(int(rng.poisson(4.0))):
            along = float(rng.uniform(0.4, 1.05)) * polyline_length(lane.points)
            at, d = point_along(lane.points, along)
            aside = lane.width_m / 2 + float(rng.uniform(-0.5, 3.2))
            where = at + np.array([d[1], -d[0]]) * aside
            crowd.place("pedestrian", where, float(rng.uniform(0, 2 * np.pi)), 1.0)
