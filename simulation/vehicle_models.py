"""Shapes of the road users: motorcycles with riders, bicycles, cars, buses, trucks, pedestrians."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from simulation.mesh import MeshBuilder, Slot, Vec, build_library
from simulation.motorcycle_models import MOTORCYCLES, OFFENDERS, TWO_UP, bicycle, motorcycle
from simulation.states import CLASSES, IntArray

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


def _minibus(detail: bool) -> MeshBuilder:
    """A van for 16 passengers: the commonest small bus."""
    m = MeshBuilder()
    g = m.group()
    length, half, top = 2.85, 0.98, 2.55
    c = (0.0, 0.0, 1.0)
    m.box((-length + 0.1, length - 0.2), (-half + 0.1, half - 0.1), (0.12, 0.5), Slot.DARK, g, -1)
    m.box((-length, length), (-half, half), (0.3, 1.15), Slot.PAINT, g, 0, (0.0, 0.06), 0.0)
    m.box((-length, length - 0.55), (-half, half), (1.15, top), Slot.PAINT, g, 1, (0.1, 0.75), 0.14)
    m.box((-length + 0.4, 1.2), (-0.7, 0.7), (top, top + 0.08), Slot.METAL, g, 4, (0.1, 0.1), 0.1)
    windscreen: list[Vec] = [
        (length - 0.54, -0.9, 1.2),
        (length - 0.54, 0.9, 1.2),
        (length - 1.06, 0.82, 2.15),
        (length - 1.06, -0.82, 2.15),
    ]
    m.decal(windscreen, Slot.GLASS, g, 2, c)
    for s in (-1, 1):
        for x in (-1.75, 1.75):
            m.side_wheel(x, 0.36, s * (half + 0.01), s, g, 1.5)
        pane_y = (s * (half - 0.01), s * (half - 0.1))
        for u in (-2.6, -1.45, -0.3, 0.85):
            m.side_panel((u, u + 1.05), pane_y, (1.3, 2.05), Slot.GLASS, g, 2, c)
        rear = (-length - 0.01, -length + 0.06)
        m.panel(rear, (s * 0.06, s * 0.8), (1.3, 2.1), Slot.GLASS, g, 2, c)
        tail = (-length - 0.01, -length - 0.01)
        m.panel(tail, (s * 0.97, s * 0.82), (0.55, 1.3), Slot.TAIL_LAMP, g, 2, c)
        lamp = (length + 0.01, length - 0.04)
        m.panel(lamp, (s * 0.92, s * 0.6), (0.7, 0.95), Slot.HEADLAMP, g, 2, c)
        if detail:
            y = s * (half + 0.12)
            m.box((1.75, 1.9), (y - 0.08, y + 0.08), (1.3, 1.6), Slot.DARK, g, 3)
    m.panel((-length - 0.02, -length - 0.02), (-0.2, 0.2), (0.6, 0.85), Slot.PLATE, g, 2, c)
    m.panel((length + 0.02, length + 0.02), (-0.25, 0.25), (0.42, 0.54), Slot.PLATE, g, 2, c)
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


_BODY_WIDTH_M: Final = {"car": 1.76, "bus": 2.5, "minibus": 1.98, "truck": 2.2}
"""Widths without mirrors, which is what a vehicle's stated width means."""

_CARS: Final = ("sedan", "suv", "taxi", "van", "hatch")
VARIANTS: Final = {
    "motorcycle": len(MOTORCYCLES),
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
        for i, build in enumerate((*MOTORCYCLES, *OFFENDERS)):
            models[f"motorcycle{i}.{lod}"] = build(detail)
        for i, kind in enumerate(_CARS):
            models[f"car{i}.{lod}"] = _car(kind, detail)
        models[f"bicycle0.{lod}"] = bicycle(detail)
        models[f"bus0.{lod}"] = _bus(detail)
        models[f"minibus0.{lod}"] = _minibus(detail)
        for i in range(2):
            models[f"truck{i}.{lod}"] = _truck(bool(i), detail)
            models[f"pedestrian{i}.{lod}"] = _pedestrian((0.12, 0.24)[i])
    models["parked0.0"] = motorcycle(True, parked=True)
    models["parked1.0"] = motorcycle(True, parked=True, scooter=False)
    return models


_SHAPES: Final = {**VARIANTS, "motorcycle": len(MOTORCYCLES) + len(OFFENDERS)}
"""With those that are never drawn by chance."""

LIBRARY: Final = build_library(_all_models(), _BODY_WIDTH_M)
MODEL_NUMBER: Final = np.array(
    [
        [
            [LIBRARY.number(f"{name}{v if v < _SHAPES[name] else 0}.{lod}") for lod in (0, 1)]
            for v in range(max(_SHAPES.values()))
        ]
        for name in CLASSES
    ],
    np.int64,
)
"""Model number by class, variant and level of detail (0 fine, 1 coarse)."""

MINIBUS_BELOW_M: Final = 7.5
"""A bus shorter than this is drawn as a minibus."""
MINIBUS_NUMBER: Final = np.array([LIBRARY.number(f"minibus0.{lod}") for lod in (0, 1)], np.int64)
"""Model number of the minibus by level of detail."""

_SOLO: Final = np.array([i for i in range(len(MOTORCYCLES)) if i not in TWO_UP], np.int64)
_TWO_UP: Final = np.array(TWO_UP, np.int64)


def ridden(variant: IntArray, riders: IntArray, bare_heads: IntArray) -> IntArray:
    """The motorcycle's shape (N,) for those who ride it, of its own kind where that fits.

    Args:
        variant: The shape (N,) that it would have by chance.
        riders: How many ride it (N,), 1 to 3.
        bare_heads: How many of them wear no helmet (N,); one is drawn.
    """
    usual = np.where(riders >= 2, _TWO_UP[variant % len(_TWO_UP)], _SOLO[variant % len(_SOLO)])
    fits = np.isin(variant, _TWO_UP) == (riders >= 2)
    first = len(MOTORCYCLES)
    three, bare = riders >= 3, bare_heads > 0
    return np.select(
        [three & bare, three, bare & (riders == 2), bare, fits],
        [first + 3, first + 2, first + 1, first, variant],
        usual,
    ).astype(np.int64)
