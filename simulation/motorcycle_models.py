"""Shapes of motorcycles and bicycles with those who ride them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from simulation.mesh import MeshBuilder, Slot, Vec


def _ring(
    x: float, radius: float, z: float, count: int, turn: float = 0.0
) -> list[tuple[float, float]]:
    angles = np.arange(count) * 2 * np.pi / count + turn
    return [(x + radius * float(np.cos(t)), z + radius * float(np.sin(t))) for t in angles]


def motorcycle(
    detail: bool,
    *,
    passenger: bool = False,
    third: bool = False,
    bare: bool = False,
    box: bool = False,
    scooter: bool = True,
    pack: bool = False,
    parked: bool = False,
    raincoat: bool = False,
    hair: bool = False,
    hat: bool = False,
    load: bool = False,
    girth: float = 1.0,
) -> MeshBuilder:
    """A motorcycle and whoever sits on it.

    Args:
        detail: The fine shape; else the coarse one for small pictures.
        passenger: A second rider behind.
        third: A third one, behind the second; all sit closer.
        bare: The last rider wears no helmet.
        box: A delivery box on the rack.
        scooter: A leg shield; else an open frame with its engine.
        pack: A rucksack on the driver's back.
        parked: Nobody on it.
        raincoat: A cape over driver and seat.
        hair: Long hair of the last rider under the helmet.
        hat: A wide sun hat over the driver's helmet.
        load: Goods wider than the motorcycle.
        girth: The driver's breadth, 1 is usual.
    """
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
    behind = [(-0.3, 0.04), (-0.58, 0.1)] if third else [(-0.4, 0.06)] if passenger else []
    front = 0.08 if third else 0.0
    alone = not behind
    _rider(
        m, detail, front, 0, Slot.SHIRT, Slot.HELMET, driver=True, girth=girth, bare=bare and alone
    )
    for number, (dx, dz) in enumerate(behind, 1):
        shirt, helmet = (Slot.SHIRT_2, Slot.HELMET_2) if number == 1 else (Slot.BOX, Slot.HELMET)
        last = number == len(behind)
        _rider(m, detail, dx, dz, shirt, helmet, driver=False, bare=bare and last)
    if hair:
        x, z = (-0.4, 0.06) if passenger else (0.0, 0.0)
        long = (1.1 + z, 1.52 + z)
        m.box((x - 0.36, x - 0.22), (-0.1, 0.1), long, Slot.HAIR, m.group(), 0, (0.06, 0), 0.02)
    if hat:
        m.prism([(-0.42, 1.5), (0.16, 1.5), (-0.13, 1.72)], 0.22, Slot.HELMET_2, m.group())
    if raincoat:
        cape = m.group()
        m.box((-0.78, 0.3), (-0.38, 0.38), (0.5, 1.4), Slot.SHIRT, cape, 0, (0.45, 0.26), 0.2)
    if load:
        m.box((-1.05, -0.4), (-0.5, 0.5), (0.75, 1.12), Slot.BOX, m.group(), 0, (0.02, 0.02), 0.03)
        m.box((-0.95, -0.42), (-0.4, 0.4), (1.12, 1.5), Slot.BOX, m.group(), 0, (0.04, 0.02), 0.06)
    if pack:
        m.box((-0.5, -0.32), (-0.16, 0.16), (0.95, 1.35), Slot.BOX, m.group())
    if box:
        m.box((-1.0, -0.45), (-0.25, 0.25), (0.84, 1.32), Slot.BOX, m.group())
    return m


def _rider(
    m: MeshBuilder,
    detail: bool,
    dx: float,
    dz: float,
    shirt: Slot,
    helmet: Slot,
    *,
    driver: bool,
    girth: float = 1.0,
    bare: bool = False,
) -> None:
    trunk_z, half = (0.8 + dz, 1.36 + dz), 0.19 * girth
    m.box((dx - 0.33, dx - 0.06), (-half, half), trunk_z, shirt, m.group(), 0, (0.05, 0.02), -0.04)
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
    if bare:
        m.head(dx - 0.115, 1.49 + dz, Slot.SKIN, Slot.HAIR, 0.115)
    else:
        m.head(dx - 0.115, 1.49 + dz, Slot.SKIN, helmet, 0.15)


def bicycle(detail: bool) -> MeshBuilder:
    """A bicycle and its rider, fine or coarse."""
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


MOTORCYCLES: Final[tuple[Callable[[bool], MeshBuilder], ...]] = (
    motorcycle,
    lambda detail: motorcycle(detail, scooter=False),
    lambda detail: motorcycle(detail, passenger=True),
    lambda detail: motorcycle(detail, passenger=True, scooter=False),
    lambda detail: motorcycle(detail, box=True),
    lambda detail: motorcycle(detail, scooter=False, pack=True),
    lambda detail: motorcycle(detail, girth=0.85, hair=True),
    lambda detail: motorcycle(detail, passenger=True, hair=True, girth=0.95),
    lambda detail: motorcycle(detail, girth=1.2),
    lambda detail: motorcycle(detail, scooter=False, girth=0.9, hat=True),
    lambda detail: motorcycle(detail, raincoat=True),
    lambda detail: motorcycle(detail, scooter=False, load=True),
)
"""Riders as they are met: alone, two up, with boxes, packs and loads, in a raincoat, in a hat."""

TWO_UP: Final = (2, 3, 7)
"""Of these, those with a passenger; on the others the driver is alone."""

OFFENDERS: Final[tuple[Callable[[bool], MeshBuilder], ...]] = (
    lambda detail: motorcycle(detail, bare=True),
    lambda detail: motorcycle(detail, passenger=True, bare=True),
    lambda detail: motorcycle(detail, third=True),
    lambda detail: motorcycle(detail, third=True, bare=True),
)
"""Drawn only for those who are said to be so: a bare head alone, two up; three up, also bare."""
