"""Shapes of the road users: motorcycles with riders, bicycles, cars, buses, trucks, pedestrians."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from simulation.mesh import MeshBuilder, Slot, Vec, build_library
from simulation.states import CLASSES


def _ring(
    x: float, radius: float, z: float, count: int, turn: float = 0.0
) -> list[tuple[float, float]]:
    angles = np.arange(count) * 2 * np.pi / count + turn
    return [(x + radius * float(np.cos(t)), z + radius * float(np.sin(t))) for t in angles]


def _motorcycle(
    detail: bool,
    *,
    passenger: bool = False,
    box: bool = False,
    scooter: bool = True,
    pack: bool = False,
    parked: bool = False,
) -> MeshBuilder:
    m = MeshBuilder()
    for x in (-0.62, 0.66):
        group = m.group()
        if detail:
            m.prism(_ring(x, 0.29, 0.29, 8, 0.39), 0.06, Slot.TYRE, group)
            for side in (-1, 1):
                hub: list[Vec] = [
                    (u, side * 0.065, w) for u, w in _ring(x, 0.15, 0.29, 8, 0.39)[::2]
                ]
                m.decal(hub, Slot.METAL, group, 1, (x, 0, 0.29))
        else:
            m.box((x - 0.27, x + 0.27), (-0.06, 0.06), (0, 0.56), Slot.TYRE, group)
    body = m.group()
    profile = [(-0.88, 0.62), (-0.8, 0.82), (0.0, 0.76), (0.05, 0.42), (-0.5, 0.38)]
    m.prism(profile, 0.16, Slot.PAINT, body)
    if detail:
        m.panel((-0.875, -0.815), (-0.1, 0.1), (0.64, 0.79), Slot.TAIL_LAMP, body, 1, (0, 0, 0.6))
        m.box((-0.78, 0.08), (-0.13, 0.13), (0.79, 0.86), Slot.DARK, body, 2)
    m.panel((-0.91, -0.88), (-0.11, 0.11), (0.38, 0.6), Slot.PLATE, m.group(), 0, (0, 0, 0.5))
    if detail:
        m.box((0.0, 0.4), (-0.17, 0.17), (0.28, 0.38), Slot.DARK, m.group())
        if not scooter:
            m.box((-0.1, 0.35), (-0.12, 0.12), (0.3, 0.66), Slot.METAL, m.group())
    shield = m.group()
    if scooter:
        m.prism([(0.34, 0.32), (0.44, 0.3), (0.56, 0.98), (0.46, 1.02)], 0.2, Slot.PAINT, shield)
    else:
        m.prism([(0.42, 0.55), (0.5, 0.5), (0.56, 0.98), (0.46, 1.0)], 0.12, Slot.PAINT, shield)
    if detail:
        lower: list[Vec] = [
            (0.53, -0.1, 0.72),
            (0.53, 0.1, 0.72),
            (0.56, 0.08, 0.88),
            (0.56, -0.08, 0.88),
        ]
        m.decal(lower, Slot.HEADLAMP, shield, 1, (0, 0, 0.8))
    mudguard = Slot.PAINT_2 if detail else Slot.PAINT
    m.box((0.46, 0.86), (-0.08, 0.08), (0.5, 0.62), mudguard, m.group(), 0, (0.05, 0.1))
    cowl = m.group()
    m.box((0.36, 0.56), (-0.16, 0.16), (0.96, 1.12), Slot.PAINT, cowl, 0, (0.05, 0.05), 0.04)
    if detail:
        upper: list[Vec] = [
            (0.565, -0.1, 0.98),
            (0.565, 0.1, 0.98),
            (0.535, 0.08, 1.08),
            (0.535, -0.08, 1.08),
        ]
        m.decal(upper, Slot.HEADLAMP, cowl, 1, (0, 0, 1))
        m.box((0.36, 0.41), (-0.34, 0.34), (1.03, 1.08), Slot.DARK, m.group())
        for side in (-1, 1):
            y = side * 0.32
            m.box((0.4, 0.43), (y - 0.05, y + 0.05), (1.2, 1.29), Slot.DARK, m.group())
    if parked:
        return m
    _rider(m, detail, 0, 0, Slot.SHIRT, Slot.HELMET, driver=True)
    if passenger:
        _rider(m, detail, -0.4, 0.06, Slot.SHIRT_2, Slot.HELMET_2, driver=False)
    if pack:
        m.box((-0.5, -0.32), (-0.16, 0.16), (0.95, 1.35), Slot.BOX, m.group())
    if box:
        m.box((-1.0, -0.45), (-0.25, 0.25), (0.84, 1.32), Slot.BOX, m.group())
    return m


def _rider(
    m: MeshBuilder, detail: bool, dx: float, dz: float, shirt: Slot, helmet: Slot, *, driver: bool
) -> None:
    trunk_z = (0.8 + dz, 1.36 + dz)
    m.box((dx - 0.33, dx - 0.06), (-0.19, 0.19), trunk_z, shirt, m.group(), 0, (0.05, 0.02), -0.04)
    if detail:
        neck_x, neck_z = (dx - 0.26, dx - 0.07), (1.355 + dz, 1.42 + dz)
        m.box(neck_x, (-0.12, 0.12), neck_z, shirt, m.group(), 0, (0.03, 0.03), 0.05)
        for side in (-1, 1):
            hip = (dx - 0.14, side * 0.14, 0.83 + dz * 0.5)
            knee = (0.26 + dx * 0.9, side * 0.2, 0.78)
            m.limb(hip, knee, (0.085, 0.07), Slot.TROUSERS, m.group())
            m.limb(knee, (0.22 + dx, side * 0.19, 0.38), (0.065, 0.05), Slot.TROUSERS, m.group())
            y = side * 0.19
            m.box((0.14 + dx, 0.36 + dx), (y - 0.05, y + 0.05), (0.3, 0.39), Slot.SHOE, m.group())
            shoulder = (dx - 0.16, side * 0.25, 1.3 + dz)
            if driver:
                elbow = (0.05 + dx, side * 0.31, 1.08 + dz)
                m.limb(shoulder, elbow, (0.06, 0.05), shirt, m.group())
                m.limb(elbow, (0.38 + dx, side * 0.29, 1.08), (0.045, 0.035), Slot.SKIN, m.group())
            else:
                m.limb(shoulder, (0.1 + dx, side * 0.2, 1.0 + dz), (0.06, 0.05), shirt, m.group())
    else:
        for side in (-1, 1):
            hip, foot = (dx - 0.1, side * 0.16, 0.82), (0.24 + dx, side * 0.2, 0.4)
            m.limb(hip, foot, (0.09, 0.06), Slot.TROUSERS, m.group())
            if driver:
                shoulder, hand = (dx - 0.16, side * 0.25, 1.3 + dz), (0.38 + dx, side * 0.29, 1.06)
                m.limb(shoulder, hand, (0.06, 0.04), shirt, m.group())
    m.head(dx - 0.115, 1.49 + dz, Slot.SKIN, helmet, 0.15)


def _bicycle(detail: bool) -> MeshBuilder:
    m = MeshBuilder()
    for x in (-0.52, 0.52):
        m.prism(_ring(x, 0.33, 0.33, 10), 0.025, Slot.TYRE, m.group())
    tubes: tuple[tuple[Vec, Vec], ...] = (
        ((-0.52, 0, 0.33), (0.0, 0, 0.35)),
        ((0.0, 0, 0.35), (0.42, 0, 0.8)),
        ((-0.12, 0, 0.82), (0.0, 0, 0.35)),
        ((-0.12, 0, 0.78), (0.42, 0, 0.85)),
        ((0.52, 0, 0.33), (0.4, 0, 1.0)),
        ((0.4, -0.28, 1.0), (0.4, 0.28, 1.0)),
    )
    for start, end in tubes:
        m.limb(start, end, (0.025, 0.025), Slot.PAINT, m.group())
    _rider(m, detail, 0, 0.06, Slot.SHIRT, Slot.HAIR, driver=True)
    return m


_SEDAN = [(-2.2, 0.28), (2.2, 0.28), (2.25, 0.55), (2.1, 0.76), (0.95, 0.93), (-1.6, 0.95)]
_CAR_SHAPES: Final = {
    # Outline of the body; then of the cabin: rear and front x, slopes, floor and roof.
    "van": (
        [(-2.2, 0.3), (2.2, 0.3), (2.25, 0.6), (2.1, 0.95), (1.5, 1.1), (-2.2, 1.1)],
        (-2.2, 1.6, 0.08, 0.75, 1.1, 1.9),
    ),
    "suv": (
        [(-2.2, 0.3), (2.2, 0.3), (2.25, 0.62), (2.15, 0.9), (1.0, 1.02), (-2.2, 1.02)],
        (-2.15, 1.05, 0.25, 0.65, 1.02, 1.68),
    ),
    "hatch": (
        [(-2.05, 0.28), (2.15, 0.28), (2.2, 0.55), (2.05, 0.8), (1.0, 0.96), (-2.05, 0.96)],
        (-2.0, 1.05, 0.3, 0.8, 0.94, 1.5),
    ),
    "sedan": ([*_SEDAN, (-2.2, 0.86)], (-1.75, 0.95, 0.55, 0.75, 0.9, 1.44)),
    "taxi": ([*_SEDAN, (-2.2, 0.86)], (-1.75, 0.95, 0.55, 0.75, 0.9, 1.44)),
}


def _car(kind: str, detail: bool) -> MeshBuilder:
    m = MeshBuilder()
    g = m.group()
    half, tumble = 0.88, 0.16
    side_y = half - 0.04
    profile, (x0, x1, rear, front, zb, zt) = _CAR_SHAPES[kind]
    m.box((-2.0, 2.0), (-half + 0.06, half - 0.06), (0.1, 0.4), Slot.DARK, g, -1)
    m.prism(profile, half, Slot.PAINT, g)
    for x in (-1.38, 1.38):
        for side in (-1, 1):
            m.side_wheel(x, 0.32, side * (half + 0.01), side, g, 1)
    lamp_z = (profile[2][1], profile[2][1] + 0.16)
    middle = (0.0, 0.0, 0.6)
    for s in (-1, 1):
        m.panel((2.24, 2.2), (s * 0.84, s * 0.5), lamp_z, Slot.HEADLAMP, g, 1, middle)
        m.panel((-2.21, -2.21), (s * 0.86, s * 0.5), (0.62, 0.84), Slot.TAIL_LAMP, g, 1, middle)
        if detail:
            y = s * (half + 0.08)
            m.box((0.55, 0.7), (y - 0.09, y + 0.09), (zb - 0.02, zb + 0.13), Slot.PAINT, g, 2.6)
    m.panel((2.23, 2.25), (-0.4, 0.4), (0.4, 0.58), Slot.DARK, g, 1, (0, 0, 0.5))
    m.panel((-2.215, -2.215), (-0.26, 0.26), (0.45, 0.6), Slot.PLATE, g, 1, (0, 0, 0.5))
    m.panel((2.255, 2.255), (-0.24, 0.24), (0.34, 0.44), Slot.PLATE, g, 1.1, (0, 0, 0.4))
    m.box((x0, x1), (-side_y, side_y), (zb, zt), Slot.PAINT, g, 2, (rear, front), tumble)

    def pane(corners: Sequence[tuple[float, float]], where: str) -> None:
        points: list[Vec] = []
        for u, v in corners:
            z = zb + (zt - zb) * v
            across = (-side_y + tumble * v) + (2 * side_y - 2 * tumble * v) * u
            if where == "front":
                points.append((x1 - front * v + 0.01, across, z))
            elif where == "rear":
                points.append((x0 + rear * v - 0.01, across, z))
            else:
                along = (x0 + rear * v) + ((x1 - front * v) - (x0 + rear * v)) * u
                s = 1 if where == "left" else -1
                points.append((along, s * (side_y - tumble * v + 0.01), z))
        m.decal(points, Slot.GLASS, g, 3, ((x0 + x1) / 2, 0.0, zb))

    pane([(0.06, 0.08), (0.94, 0.08), (0.92, 0.92), (0.08, 0.92)], "front")
    pane([(0.06, 0.12), (0.94, 0.12), (0.92, 0.9), (0.08, 0.9)], "rear")
    for where in ("left", "right"):
        pane([(0.06, 0.1), (0.47, 0.1), (0.47, 0.88), (0.1, 0.88)], where)
        pane([(0.52, 0.1), (0.95, 0.1), (0.9, 0.88), (0.52, 0.88)], where)
    if kind == "taxi":
        m.box((-0.45, -0.2), (-0.3, 0.3), (zt, zt + 0.16), Slot.AMBER, g, 4, (0.05, 0.05), 0.04)
    return m


def _bus(detail: bool) -> MeshBuilder:
    m = MeshBuilder()
    g = m.group()
    length, half, top = 5.5, 1.25, 3.1
    c = (0.0, 0.0, 1.0)
    m.box((-length + 0.2, length - 0.2), (-half + 0.1, half - 0.1), (0.12, 0.5), Slot.DARK, g, -1)
    m.box((-length, length), (-half, half), (0.38, top), Slot.PAINT, g, 0, (0.05, 0.12), 0.06)
    for s in (-1, 1):
        y = s * (half + 0.01)
        m.side_panel((-length, length), (y, y), (0.38, 0.95), Slot.PAINT_2, g, 0.5, c)
        for x in (-3.3, 3.2):
            m.side_wheel(x, 0.5, y + s * 0.01, s, g, 1)
        windows = 6
        pitch = (2 * length - 0.6) / windows
        pane_y = (s * (half - 0.01), s * (half - 0.04))
        for i in range(windows):
            u = -length + 0.35 + i * pitch
            m.side_panel((u, u + pitch - 0.14), pane_y, (1.35, 2.45), Slot.GLASS, g, 1, c)
        lamp_x = (length + 0.01, length)
        m.panel(lamp_x, (s * 1.15, s * 0.8), (0.7, 0.9), Slot.HEADLAMP, g, 1, c)
        tail_x = (-length - 0.01, -length - 0.01)
        m.panel(tail_x, (s * 1.18, s * 0.95), (0.7, 1.15), Slot.TAIL_LAMP, g, 1, c)
        if detail:
            ym = s * (half + 0.14)
            m.box(
                (length - 0.1, length + 0.1), (ym - 0.08, ym + 0.08), (1.9, 2.35), Slot.DARK, g, 3
            )
    windscreen: list[Vec] = [
        (length + 0.01, -1.12, 1.2),
        (length + 0.01, 1.12, 1.2),
        (length - 0.08, 1.08, 2.5),
        (length - 0.08, -1.08, 2.5),
    ]
    m.decal(windscreen, Slot.GLASS, g, 1, c)
    m.panel((length - 0.07, length - 0.09), (-0.9, 0.9), (2.6, 2.9), Slot.AMBER, g, 1, c)
    m.panel((-length, -length + 0.03), (-1.0, 1.0), (1.5, 2.5), Slot.GLASS, g, 1, c)
    m.panel((-length - 0.02, -length - 0.02), (-0.3, 0.3), (0.6, 0.85), Slot.PLATE, g, 1, c)
    m.panel((length + 0.02, length + 0.02), (-0.3, 0.3), (0.5, 0.65), Slot.PLATE, g, 1, c)
    m.box((-2, 1), (-0.7, 0.7), (top, top + 0.22), Slot.METAL, g, 2, (0.2, 0.2), 0.15)
    return m


def _truck(open_bed: bool, detail: bool) -> MeshBuilder:
    m = MeshBuilder()
    chassis, cargo, cab = m.group(), m.group(), m.group()
    m.back_groups.append(chassis)
    half = 1.05
    m.box((-3.3, 3.2), (-half + 0.25, half - 0.25), (0.4, 0.75), Slot.DARK, chassis, -1)
    for s in (-1, 1):
        for x in (-2.2, -1.35, 2.3):
            m.side_wheel(x, 0.43, s * (half - 0.02), s, chassis, -0.5)
    bed_top = 1.55 if open_bed else 2.95
    ribs = (0.9, bed_top - 0.05)
    bed = (0.0, 0.0, 1.2)
    m.box((-3.4, 1.45), (-half - 0.05, half + 0.05), (0.85, bed_top), Slot.PAINT_2, cargo)
    if open_bed:
        load_z = (bed_top, bed_top + 0.75)
        load_y = (-half + 0.1, half - 0.1)
        m.box((-3.2, 1.25), load_y, load_z, Slot.BOX, cargo, 1, (0.3, 0.1), 0.2)
    for s in (-1, 1):
        y = s * (half + 0.06)
        for i in range(5):
            u = -3.3 + i * 0.95
            m.side_panel((u, u + 0.06), (y, y), ribs, Slot.METAL, cargo, 1, bed)
        m.panel((-3.41, -3.41), (s * 0.04, s * 0.08), ribs, Slot.METAL, cargo, 1, bed)
        lamp_y = (s * 1.0, s * 0.6)
        m.panel((-3.42, -3.42), lamp_y, (0.86, 1.06), Slot.TAIL_LAMP, cargo, 1.5, bed)
    m.panel((-3.42, -3.42), (-0.26, 0.26), (0.87, 1.05), Slot.PLATE, cargo, 1.5, bed)
    m.box((1.6, 3.35), (-half, half), (0.5, 1.35), Slot.PAINT, cab)
    m.box((1.6, 3.35), (-half, half), (1.35, 2.25), Slot.PAINT, cab, 1, (0, 0.35), 0.1)
    c = (2.4, 0.0, 1.5)
    windscreen: list[Vec] = [
        (3.34, -0.95, 1.4),
        (3.34, 0.95, 1.4),
        (3.06, 0.87, 2.12),
        (3.06, -0.87, 2.12),
    ]
    m.decal(windscreen, Slot.GLASS, cab, 2, c)
    for s in (-1, 1):
        low, high = s * half, s * (half - 0.07)
        window: list[Vec] = [
            (1.95, low, 1.4),
            (3.2, low, 1.4),
            (2.98, high, 2.08),
            (1.95, high, 2.08),
        ]
        m.decal(window, Slot.GLASS, cab, 2, c)
        m.panel((3.36, 3.36), (s * 0.95, s * 0.6), (0.75, 0.98), Slot.HEADLAMP, cab, 2, c)
        if detail:
            y = s * (half + 0.15)
            m.box((3.1, 3.2), (y - 0.08, y + 0.08), (1.5, 1.95), Slot.DARK, cab, 3)
    m.panel((3.36, 3.36), (-0.25, 0.25), (0.55, 0.7), Slot.PLATE, cab, 2, c)
    return m


def _pedestrian(stride: float) -> MeshBuilder:
    m = MeshBuilder()
    for s in (-1, 1):
        m.limb(
            (0, s * 0.1, 0.85), (s * stride, s * 0.1, 0.04), (0.09, 0.06), Slot.TROUSERS, m.group()
        )
    m.box((-0.12, 0.12), (-0.2, 0.2), (0.82, 1.42), Slot.SHIRT, m.group(), 0, (0.02, 0.02), -0.03)
    for s in (-1, 1):
        shoulder, hand = (0.0, s * 0.26, 1.38), (-s * stride * 0.8, s * 0.28, 0.85)
        m.limb(shoulder, hand, (0.055, 0.045), Slot.SHIRT, m.group())
    m.head(0.03, 1.55, Slot.SKIN, Slot.HAIR, 0.115)
    return m


_BODY_WIDTH_M: Final = {"car": 1.76, "bus": 2.5, "truck": 2.2}
"""Widths without mirrors, which is what a vehicle's stated width means."""

_CARS: Final = ("sedan", "suv", "taxi", "van", "hatch")
_MOTORCYCLES: Final[tuple[dict[str, bool], ...]] = (
    {"scooter": True},
    {"scooter": False},
    {"passenger": True},
    {"passenger": True, "scooter": False},
    {"box": True},
    {"scooter": False, "pack": True},
)
VARIANTS: Final = {
    "motorcycle": len(_MOTORCYCLES),
    "bicycle": 1,
    "car": len(_CARS),
    "bus": 1,
    "truck": 2,
    "pedestrian": 2,
}
"""How many shapes each class has."""

CAR_HEIGHT: Final = (1.0, 1.14, 1.03, 1.27, 1.04)
"""Height of each car shape in heights of the class (states carry one height for all cars)."""


def _all_models() -> dict[str, MeshBuilder]:
    models: dict[str, MeshBuilder] = {}
    for lod, detail in enumerate((True, False)):
        for i, options in enumerate(_MOTORCYCLES):
            models[f"motorcycle{i}.{lod}"] = _motorcycle(detail, **options)
        for i, kind in enumerate(_CARS):
            models[f"car{i}.{lod}"] = _car(kind, detail)
        models[f"bicycle0.{lod}"] = _bicycle(detail)
        models[f"bus0.{lod}"] = _bus(detail)
        for i in range(2):
            models[f"truck{i}.{lod}"] = _truck(bool(i), detail)
            models[f"pedestrian{i}.{lod}"] = _pedestrian((0.12, 0.24)[i])
    models["parked0.0"] = _motorcycle(True, parked=True)
    models["parked1.0"] = _motorcycle(True, parked=True, scooter=False)
    return models


LIBRARY: Final = build_library(_all_models(), _BODY_WIDTH_M)
MODEL_NUMBER: Final = np.array(
    [
        [
            [LIBRARY.number(f"{name}{v if v < VARIANTS[name] else 0}.{lod}") for lod in (0, 1)]
            for v in range(max(VARIANTS.values()))
        ]
        for name in CLASSES
    ],
    np.int64,
)
"""Model number by class, variant and level of detail (0 fine, 1 coarse)."""
