"""Low-poly road users: convex parts with flat decals, flattened into one library of arrays.

Model space: x forward, y left, z up, metres, origin on the ground under the centre. Every face
has a colour slot, a group (a convex part, sorted by distance) and a layer (order in its group).
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from simulation.states import CLASSES, FloatArray, IntArray

Vec = tuple[float, float, float]
POLY_WIDTH: Final = 16
"""Vertices of the widest face; narrower ones repeat their last vertex."""


class Slot(enum.IntEnum):
    """What a face is made of: an index into a road user's palette."""

    PAINT = 0
    PAINT_2 = 1
    DARK = 2
    GLASS = 3
    METAL = 4
    HEADLAMP = 5
    TAIL_LAMP = 6
    PLATE = 7
    SHIRT = 8
    TROUSERS = 9
    SKIN = 10
    HELMET = 11
    SHOE = 12
    BOX = 13
    SHIRT_2 = 14
    HELMET_2 = 15
    AMBER = 16
    TYRE = 17
    HAIR = 18


@dataclass(slots=True)
class _Face:
    index: list[int]
    slot: Slot
    group: int
    layer: float
    normal: FloatArray


@dataclass(slots=True)
class _Disc:
    centre: Vec
    radius: float
    slot: Slot
    group: int
    layer: float
    highlight: bool = False


@dataclass(slots=True)
class _Builder:
    """Collects the parts of one model."""

    vertices: list[FloatArray] = field(default_factory=list)
    faces: list[_Face] = field(default_factory=list)
    discs: list[_Disc] = field(default_factory=list)
    groups: int = 0
    back_groups: list[int] = field(default_factory=list)

    def group(self) -> int:
        self.groups += 1
        return self.groups - 1

    def add(
        self,
        points: Sequence[Sequence[float]] | FloatArray,
        faces: Sequence[Sequence[int]],
        slot: Slot,
        group: int,
        layer: float = 0,
        inside: Vec | None = None,
    ) -> None:
        """Add faces of a convex part; normals point away from ``inside`` (default: its middle)."""
        array = np.asarray(points, np.float64)
        middle = array.mean(0) if inside is None else np.asarray(inside, np.float64)
        base = len(self.vertices)
        self.vertices.extend(array)
        for face in faces:
            p = array[list(face)]
            normal = np.cross(p[1] - p[0], p[2] - p[1])
            if np.linalg.norm(normal) < 1e-9:
                normal = np.cross(p[2] - p[1], p[3] - p[2])
            normal = normal / (np.linalg.norm(normal) + 1e-12)
            if normal @ (p.mean(0) - middle) < 0:
                normal = -normal
            self.faces.append(_Face([base + i for i in face], slot, group, layer, normal))

    def box(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        z: tuple[float, float],
        slot: Slot,
        group: int,
        layer: float = 0,
        taper_x: tuple[float, float] = (0, 0),
        taper_y: float = 0,
    ) -> None:
        """A box whose top is inset by ``taper_x`` (rear, front) and ``taper_y`` (each side)."""
        (x0, x1), (y0, y1), (z0, z1) = x, y, z
        rear, front = taper_x
        points = [
            [x0, y0, z0], [x1, y0, z0], [x1, y1, z0], [x0, y1, z0],
            [x0 + rear, y0 + taper_y, z1], [x1 - front, y0 + taper_y, z1],
            [x1 - front, y1 - taper_y, z1], [x0 + rear, y1 - taper_y, z1],
        ]  # fmt: skip
        faces = [(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (4, 5, 6, 7)]
        self.add(points, faces, slot, group, layer)

    def prism(
        self,
        profile: Sequence[tuple[float, float]],
        half_width: float,
        slot: Slot,
        group: int,
        layer: float = 0,
    ) -> None:
        """A convex (x, z) profile drawn out to ``half_width`` on both sides."""
        n = len(profile)
        points = [[x, -half_width, z] for x, z in profile]
        points += [[x, half_width, z] for x, z in profile]
        faces: list[Sequence[int]] = [range(n), range(n, 2 * n)]
        faces += [(i, (i + 1) % n, n + (i + 1) % n, n + i) for i in range(n)]
        self.add(points, faces, slot, group, layer)

    def limb(
        self,
        start: Vec,
        end: Vec,
        thickness: tuple[float, float],
        slot: Slot,
        group: int,
        layer: float = 0,
    ) -> None:
        """A square rod from ``start`` to ``end`` with half-thickness at both ends."""
        p, q = np.array(start), np.array(end)
        axis = (q - p) / np.linalg.norm(q - p)
        a = np.cross(axis, [0, 1, 0.01])
        a /= np.linalg.norm(a)
        b = np.cross(axis, a)
        ring = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        points = [p + thickness[0] * (i * a + j * b) for i, j in ring]
        points += [q + thickness[1] * (i * a + j * b) for i, j in ring]
        faces = [(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (4, 5, 6, 7), (0, 1, 2, 3)]
        self.add(np.array(points), faces, slot, group, layer)

    def decal(self, points: Sequence[Vec], slot: Slot, group: int, layer: float, inside: Vec) -> None:
        """One flat face that looks away from ``inside``."""
        self.add(points, [range(len(points))], slot, group, layer, inside)

    def side_wheel(self, x: float, radius: float, y: float, side: int, group: int, layer: float) -> None:
        """A wheel seen from one side of a four-wheeled vehicle."""
        angles = np.arange(10) * 2 * np.pi / 10
        inside = (x, y - side, radius)
        for scale, offset, step, slot, lift in (
            (1.0, 0.0, 1, Slot.TYRE, 0.0),
            (0.55, 0.005, 2, Slot.METAL, 0.1),
        ):
            rim: list[Vec] = [
                (
                    x + scale * radius * float(np.cos(t)),
                    y + side * offset,
                    radius + scale * radius * float(np.sin(t)),
                )
                for t in angles[::step]
            ]
            self.decal(rim, slot, group, layer + lift, inside)

    def head(self, x: float, z: float, face: Slot, cap: Slot, cap_radius: float) -> None:
        """A face disc and a helmet or hair disc with a highlight."""
        self.discs.append(_Disc((x, 0, z), 0.105, face, self.group(), 0))
        group = self.group()
        centre = (x - 0.055, 0.0, z + 0.07)
        self.discs.append(_Disc(centre, cap_radius, cap, group, 0))
        self.discs.append(_Disc(centre, cap_radius * 0.42, cap, group, 0.5, highlight=True))


def _motorcycle(
    detail: bool,
    *,
    passenger: bool = False,
    box: bool = False,
    scooter: bool = True,
    pack: bool = False,
    parked: bool = False,
) -> _Builder:
    m = _Builder()
    for x in (-0.62, 0.66):
        group = m.group()
        if detail:
            a = np.arange(8) * np.pi / 4 + 0.39
            ring = [(x + 0.29 * float(np.cos(t)), 0.29 + 0.29 * float(np.sin(t))) for t in a]
            m.prism(ring, 0.06, Slot.TYRE, group)
            for side in (-1, 1):
                hub: list[Vec] = [
                    (x + 0.15 * float(np.cos(t)), side * 0.065, 0.29 + 0.15 * float(np.sin(t)))
                    for t in a[::2]
                ]
                m.decal(hub, Slot.METAL, group, 1, (x, 0, 0.29))
        else:
            m.box((x - 0.27, x + 0.27), (-0.06, 0.06), (0, 0.56), Slot.TYRE, group)
    body = m.group()
    profile = [(-0.88, 0.62), (-0.8, 0.82), (0.0, 0.76), (0.05, 0.42), (-0.5, 0.38)]
    m.prism(profile, 0.16, Slot.PAINT, body)
    if detail:
        lamp: list[Vec] = [(-0.875, -0.1, 0.64), (-0.875, 0.1, 0.64), (-0.815, 0.1, 0.79), (-0.815, -0.1, 0.79)]  # fmt: skip
        m.decal(lamp, Slot.TAIL_LAMP, body, 1, (0, 0, 0.6))
        m.box((-0.78, 0.08), (-0.13, 0.13), (0.79, 0.86), Slot.DARK, body, 2)
    m.decal(
        [(-0.91, -0.11, 0.38), (-0.91, 0.11, 0.38), (-0.88, 0.11, 0.6), (-0.88, -0.11, 0.6)],
        Slot.PLATE, m.group(), 0, (0, 0, 0.5),
    )  # fmt: skip
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
        plate: list[Vec] = [(0.53, -0.1, 0.72), (0.53, 0.1, 0.72), (0.56, 0.08, 0.88), (0.56, -0.08, 0.88)]  # fmt: skip
        m.decal(plate, Slot.HEADLAMP, shield, 1, (0, 0, 0.8))
    mudguard = Slot.PAINT_2 if detail else Slot.PAINT
    m.box((0.46, 0.86), (-0.08, 0.08), (0.5, 0.62), mudguard, m.group(), 0, (0.05, 0.1))
    cowl = m.group()
    m.box((0.36, 0.56), (-0.16, 0.16), (0.96, 1.12), Slot.PAINT, cowl, 0, (0.05, 0.05), 0.04)
    if detail:
        beam: list[Vec] = [(0.565, -0.1, 0.98), (0.565, 0.1, 0.98), (0.535, 0.08, 1.08), (0.535, -0.08, 1.08)]  # fmt: skip
        m.decal(beam, Slot.HEADLAMP, cowl, 1, (0, 0, 1))
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
    m: _Builder, detail: bool, dx: float, dz: float, shirt: Slot, helmet: Slot, *, driver: bool
) -> None:
    m.box((dx - 0.33, dx - 0.06), (-0.19, 0.19), (0.8 + dz, 1.36 + dz), shirt, m.group(), 0, (0.05, 0.02), -0.04)  # fmt: skip
    if detail:
        m.box((dx - 0.26, dx - 0.07), (-0.12, 0.12), (1.355 + dz, 1.42 + dz), shirt, m.group(), 0, (0.03, 0.03), 0.05)  # fmt: skip
        for side in (-1, 1):
            knee = (0.26 + dx * 0.9, side * 0.2, 0.78)
            m.limb((dx - 0.14, side * 0.14, 0.83 + dz * 0.5), knee, (0.085, 0.07), Slot.TROUSERS, m.group())  # fmt: skip
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
            m.limb((dx - 0.1, side * 0.16, 0.82), (0.24 + dx, side * 0.2, 0.4), (0.09, 0.06), Slot.TROUSERS, m.group())  # fmt: skip
            if driver:
                m.limb((dx - 0.16, side * 0.25, 1.3 + dz), (0.38 + dx, side * 0.29, 1.06), (0.06, 0.04), shirt, m.group())  # fmt: skip
    m.head(dx - 0.115, 1.49 + dz, Slot.SKIN, helmet, 0.15)


def _bicycle(detail: bool) -> _Builder:
    m = _Builder()
    for x in (-0.52, 0.52):
        a = np.arange(10) * np.pi / 5
        ring = [(x + 0.33 * float(np.cos(t)), 0.33 + 0.33 * float(np.sin(t))) for t in a]
        m.prism(ring, 0.025, Slot.TYRE, m.group())
    for start, end in (
        ((-0.52, 0, 0.33), (0.0, 0, 0.35)), ((0.0, 0, 0.35), (0.42, 0, 0.8)),
        ((-0.12, 0, 0.82), (0.0, 0, 0.35)), ((-0.12, 0, 0.78), (0.42, 0, 0.85)),
        ((0.52, 0, 0.33), (0.4, 0, 1.0)), ((0.4, -0.28, 1.0), (0.4, 0.28, 1.0)),
    ):  # fmt: skip
        m.limb(start, end, (0.025, 0.025), Slot.PAINT, m.group())
    _rider(m, detail, 0, 0.06, Slot.SHIRT, Slot.HAIR, driver=True)
    return m


def _car(kind: str, detail: bool) -> _Builder:
    m = _Builder()
    g = m.group()
    half = 0.88
    m.box((-2.0, 2.0), (-half + 0.06, half - 0.06), (0.1, 0.4), Slot.DARK, g, -1)
    if kind == "van":
        profile = [(-2.2, 0.3), (2.2, 0.3), (2.25, 0.6), (2.1, 0.95), (1.5, 1.1), (-2.2, 1.1)]
        x0, x1, rear, front, zb, zt = -2.2, 1.6, 0.08, 0.75, 1.1, 1.9
    elif kind == "suv":
        profile = [(-2.2, 0.3), (2.2, 0.3), (2.25, 0.62), (2.15, 0.9), (1.0, 1.02), (-2.2, 1.02)]
        x0, x1, rear, front, zb, zt = -2.15, 1.05, 0.25, 0.65, 1.02, 1.68
    elif kind == "hatch":
        profile = [(-2.05, 0.28), (2.15, 0.28), (2.2, 0.55), (2.05, 0.8), (1.0, 0.96), (-2.05, 0.96)]
        x0, x1, rear, front, zb, zt = -2.0, 1.05, 0.3, 0.8, 0.94, 1.5
    else:
        profile = [(-2.2, 0.28), (2.2, 0.28), (2.25, 0.55), (2.1, 0.76), (0.95, 0.93), (-1.6, 0.95), (-2.2, 0.86)]  # fmt: skip
        x0, x1, rear, front, zb, zt = -1.75, 0.95, 0.55, 0.75, 0.9, 1.44
    m.prism(profile, half, Slot.PAINT, g)
    for x in (-1.38, 1.38):
        for side in (-1, 1):
            m.side_wheel(x, 0.32, side * (half + 0.01), side, g, 1)
    lamp_z = profile[2][1]
    middle = (0.0, 0.0, 0.6)
    for s in (-1, 1):
        m.decal([(2.24, s * 0.84, lamp_z), (2.24, s * 0.5, lamp_z), (2.2, s * 0.5, lamp_z + 0.16), (2.2, s * 0.84, lamp_z + 0.16)], Slot.HEADLAMP, g, 1, middle)  # fmt: skip
        m.decal([(-2.21, s * 0.86, 0.62), (-2.21, s * 0.5, 0.62), (-2.21, s * 0.5, 0.84), (-2.21, s * 0.86, 0.84)], Slot.TAIL_LAMP, g, 1, middle)  # fmt: skip
        if detail:
            y = s * (half + 0.08)
            m.box((0.55, 0.7), (y - 0.09, y + 0.09), (zb - 0.02, zb + 0.13), Slot.PAINT, g, 2.6)
    m.decal([(2.23, -0.4, 0.4), (2.23, 0.4, 0.4), (2.25, 0.4, 0.58), (2.25, -0.4, 0.58)], Slot.DARK, g, 1, middle)  # fmt: skip
    m.decal([(-2.215, -0.26, 0.45), (-2.215, 0.26, 0.45), (-2.215, 0.26, 0.6), (-2.215, -0.26, 0.6)], Slot.PLATE, g, 1, middle)  # fmt: skip
    m.decal([(2.255, -0.24, 0.34), (2.255, 0.24, 0.34), (2.255, 0.24, 0.44), (2.255, -0.24, 0.44)], Slot.PLATE, g, 1.1, middle)  # fmt: skip
    tumble = 0.16
    side_y = half - 0.04
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


def _bus(detail: bool) -> _Builder:
    m = _Builder()
    g = m.group()
    length, half, top = 5.5, 1.25, 3.1
    middle = (0.0, 0.0, 1.0)
    m.box((-length + 0.2, length - 0.2), (-half + 0.1, half - 0.1), (0.12, 0.5), Slot.DARK, g, -1)
    m.box((-length, length), (-half, half), (0.38, top), Slot.PAINT, g, 0, (0.05, 0.12), 0.06)
    for s in (-1, 1):
        y = s * (half + 0.01)
        m.decal([(-length, y, 0.38), (length, y, 0.38), (length, y, 0.95), (-length, y, 0.95)], Slot.PAINT_2, g, 0.5, middle)  # fmt: skip
        for x in (-3.3, 3.2):
            m.side_wheel(x, 0.5, y + s * 0.01, s, g, 1)
        windows = 6
        pitch = (2 * length - 0.6) / windows
        yw = s * (half - 0.025)
        for i in range(windows):
            u0 = -length + 0.35 + i * pitch
            u1 = u0 + pitch - 0.14
            m.decal([(u0, yw + s * 0.015, 1.35), (u1, yw + s * 0.015, 1.35), (u1, yw - s * 0.015, 2.45), (u0, yw - s * 0.015, 2.45)], Slot.GLASS, g, 1, middle)  # fmt: skip
        m.decal([(length + 0.01, s * 1.15, 0.7), (length + 0.01, s * 0.8, 0.7), (length, s * 0.8, 0.9), (length, s * 1.15, 0.9)], Slot.HEADLAMP, g, 1, middle)  # fmt: skip
        m.decal([(-length - 0.01, s * 1.18, 0.7), (-length - 0.01, s * 0.95, 0.7), (-length - 0.01, s * 0.95, 1.15), (-length - 0.01, s * 1.18, 1.15)], Slot.TAIL_LAMP, g, 1, middle)  # fmt: skip
        if detail:
            ym = s * (half + 0.14)
            m.box((length - 0.1, length + 0.1), (ym - 0.08, ym + 0.08), (1.9, 2.35), Slot.DARK, g, 3)
    m.decal([(length + 0.01, -1.12, 1.2), (length + 0.01, 1.12, 1.2), (length - 0.08, 1.08, 2.5), (length - 0.08, -1.08, 2.5)], Slot.GLASS, g, 1, middle)  # fmt: skip
    m.decal([(length - 0.07, -0.9, 2.6), (length - 0.07, 0.9, 2.6), (length - 0.09, 0.9, 2.9), (length - 0.09, -0.9, 2.9)], Slot.AMBER, g, 1, middle)  # fmt: skip
    m.decal([(-length, -1.0, 1.5), (-length, 1.0, 1.5), (-length + 0.03, 1.0, 2.5), (-length + 0.03, -1.0, 2.5)], Slot.GLASS, g, 1, middle)  # fmt: skip
    m.decal([(-length - 0.02, -0.3, 0.6), (-length - 0.02, 0.3, 0.6), (-length - 0.02, 0.3, 0.85), (-length - 0.02, -0.3, 0.85)], Slot.PLATE, g, 1, middle)  # fmt: skip
    m.decal([(length + 0.02, -0.3, 0.5), (length + 0.02, 0.3, 0.5), (length + 0.02, 0.3, 0.65), (length + 0.02, -0.3, 0.65)], Slot.PLATE, g, 1, middle)  # fmt: skip
    m.box((-2, 1), (-0.7, 0.7), (top, top + 0.22), Slot.METAL, g, 2, (0.2, 0.2), 0.15)
    return m


def _truck(open_bed: bool, detail: bool) -> _Builder:
    m = _Builder()
    chassis, cargo, cab = m.group(), m.group(), m.group()
    m.back_groups.append(chassis)
    half = 1.05
    m.box((-3.3, 3.2), (-half + 0.25, half - 0.25), (0.4, 0.75), Slot.DARK, chassis, -1)
    for s in (-1, 1):
        for x in (-2.2, -1.35, 2.3):
            m.side_wheel(x, 0.43, s * (half - 0.02), s, chassis, -0.5)
    bed_top = 1.55 if open_bed else 2.95
    bed = (0.0, 0.0, 1.2)
    m.box((-3.4, 1.45), (-half - 0.05, half + 0.05), (0.85, bed_top), Slot.PAINT_2, cargo)
    if open_bed:
        m.box((-3.2, 1.25), (-half + 0.1, half - 0.1), (bed_top, bed_top + 0.75), Slot.BOX, cargo, 1, (0.3, 0.1), 0.2)  # fmt: skip
    for s in (-1, 1):
        y = s * (half + 0.06)
        for i in range(5):
            u = -3.3 + i * 0.95
            m.decal([(u, y, 0.9), (u + 0.06, y, 0.9), (u + 0.06, y, bed_top - 0.05), (u, y, bed_top - 0.05)], Slot.METAL, cargo, 1, bed)  # fmt: skip
        m.decal([(-3.41, s * 0.04, 0.9), (-3.41, s * 0.08, 0.9), (-3.41, s * 0.08, bed_top - 0.05), (-3.41, s * 0.04, bed_top - 0.05)], Slot.METAL, cargo, 1, bed)  # fmt: skip
        m.decal([(-3.42, s, 0.86), (-3.42, s * 0.6, 0.86), (-3.42, s * 0.6, 1.06), (-3.42, s, 1.06)], Slot.TAIL_LAMP, cargo, 1.5, bed)  # fmt: skip
    m.decal([(-3.42, -0.26, 0.87), (-3.42, 0.26, 0.87), (-3.42, 0.26, 1.05), (-3.42, -0.26, 1.05)], Slot.PLATE, cargo, 1.5, bed)  # fmt: skip
    m.box((1.6, 3.35), (-half, half), (0.5, 1.35), Slot.PAINT, cab)
    m.box((1.6, 3.35), (-half, half), (1.35, 2.25), Slot.PAINT, cab, 1, (0, 0.35), 0.1)
    c = (2.4, 0.0, 1.5)
    m.decal([(3.34, -0.95, 1.4), (3.34, 0.95, 1.4), (3.06, 0.87, 2.12), (3.06, -0.87, 2.12)], Slot.GLASS, cab, 2, c)  # fmt: skip
    for s in (-1, 1):
        m.decal([(1.95, s * half, 1.4), (3.2, s * half, 1.4), (2.98, s * (half - 0.07), 2.08), (1.95, s * (half - 0.07), 2.08)], Slot.GLASS, cab, 2, c)  # fmt: skip
        m.decal([(3.36, s * 0.95, 0.75), (3.36, s * 0.6, 0.75), (3.36, s * 0.6, 0.98), (3.36, s * 0.95, 0.98)], Slot.HEADLAMP, cab, 2, c)  # fmt: skip
        if detail:
            y = s * (half + 0.15)
            m.box((3.1, 3.2), (y - 0.08, y + 0.08), (1.5, 1.95), Slot.DARK, cab, 3)
    m.decal([(3.36, -0.25, 0.55), (3.36, 0.25, 0.55), (3.36, 0.25, 0.7), (3.36, -0.25, 0.7)], Slot.PLATE, cab, 2, c)  # fmt: skip
    return m


def _pedestrian(stride: float) -> _Builder:
    m = _Builder()
    for s in (-1, 1):
        m.limb((0, s * 0.1, 0.85), (s * stride, s * 0.1, 0.04), (0.09, 0.06), Slot.TROUSERS, m.group())
    m.box((-0.12, 0.12), (-0.2, 0.2), (0.82, 1.42), Slot.SHIRT, m.group(), 0, (0.02, 0.02), -0.03)
    for s in (-1, 1):
        m.limb((0, s * 0.26, 1.38), (-s * stride * 0.8, s * 0.28, 0.85), (0.055, 0.045), Slot.SHIRT, m.group())
    m.head(0.03, 1.55, Slot.SKIN, Slot.HAIR, 0.115)
    return m


@dataclass(frozen=True, slots=True)
class FaceTable:
    """Faces of all models with one vertex count; those of model k are ``start[k]:+count[k]``."""

    start: IntArray
    count: IntArray
    index: IntArray
    slot: IntArray
    group: IntArray
    layer: FloatArray
    normal: FloatArray
    plane: FloatArray


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a library array that belong to each model."""

    start: IntArray
    count: IntArray


@dataclass(frozen=True, slots=True)
class Library:
    """All models as flat arrays, indexed by model number."""

    names: tuple[str, ...]
    nominal: FloatArray
    vertices: FloatArray
    vertex_rows: Part
    faces: tuple[FaceTable, FaceTable]
    group_centre: FloatArray
    group_bias: FloatArray
    group_rows: Part
    disc_centre: FloatArray
    disc_radius: FloatArray
    disc_slot: IntArray
    disc_layer: FloatArray
    disc_group: IntArray
    disc_highlight: FloatArray
    disc_rows: Part
    shadow: FloatArray
    shadow_rows: Part

    def number(self, name: str) -> int:
        """The model's number."""
        return self.names.index(name)


def _rows(counts: Sequence[int]) -> Part:
    count = np.array(counts, np.int64)
    return Part(np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int64), count)


def _face_table(models: Sequence[_Builder], width: int, quads: bool) -> FaceTable:
    index, slot, group, layer, normal, plane, counts = [], [], [], [], [], [], []
    for model in models:
        chosen = [f for f in model.faces if (len(f.index) == 4) == quads]
        counts.append(len(chosen))
        for f in chosen:
            index.append(f.index + f.index[-1:] * (width - len(f.index)))
            slot.append(int(f.slot))
            group.append(f.group)
            layer.append(float(f.layer))
            normal.append(f.normal)
            plane.append(float(f.normal @ model.vertices[f.index[0]]))
    rows = _rows(counts)
    return FaceTable(
        rows.start,
        rows.count,
        np.array(index, np.int64).reshape(-1, width),
        np.array(slot, np.int64),
        np.array(group, np.int64),
        np.array(layer),
        np.array(normal).reshape(-1, 3),
        np.array(plane),
    )


_BODY_WIDTH_M: Final = {"car": 1.76, "bus": 2.5, "truck": 2.2}
"""Widths without mirrors, which is what a vehicle's stated width means."""


def _build_library(models: dict[str, _Builder]) -> Library:
    builders = list(models.values())
    nominal, centres, bias, shadows = [], [], [], []
    for name, m in models.items():
        v = np.array(m.vertices)
        top = max([float(v[:, 2].max())] + [d.centre[2] + d.radius for d in m.discs])
        widest = 2 * float(np.abs(v[:, 1]).max())
        width = _BODY_WIDTH_M.get(name.split(".")[0].rstrip("0123456789"), widest)
        nominal.append([np.ptp(v[:, 0]), width, top])
        sums = np.zeros((m.groups, 3))
        parts = np.zeros(m.groups)
        for f in m.faces:
            sums[f.group] += v[f.index].mean(0)
            parts[f.group] += 1
        for d in m.discs:
            sums[d.group] += d.centre
            parts[d.group] += 1
        centres.append(sums / np.maximum(parts, 1)[:, None])
        # A chassis lies under its cargo and cab: always the first thing drawn.
        bias.append(np.array([1e3 if g in m.back_groups else 0.0 for g in range(m.groups)]))
        high = v[v[:, 2] > v[:, 2].max() * 0.85][::4]
        heads = np.array([[d.centre[0], s * d.radius, d.centre[2] + d.radius * 0.7] for d in m.discs for s in (-1, 1)])  # fmt: skip
        shadows.append(np.concatenate([v[:: max(1, len(v) // 40)], high, heads.reshape(-1, 3)]))
    discs = [d for m in builders for d in m.discs]
    return Library(
        names=tuple(models),
        nominal=np.array(nominal),
        vertices=np.concatenate([np.array(m.vertices) for m in builders]),
        vertex_rows=_rows([len(m.vertices) for m in builders]),
        faces=(_face_table(builders, 4, True), _face_table(builders, POLY_WIDTH, False)),
        group_centre=np.concatenate(centres),
        group_bias=np.concatenate(bias),
        group_rows=_rows([m.groups for m in builders]),
        disc_centre=np.array([d.centre for d in discs]).reshape(-1, 3),
        disc_radius=np.array([d.radius for d in discs]),
        disc_slot=np.array([int(d.slot) for d in discs], np.int64),
        disc_layer=np.array([d.layer for d in discs]),
        disc_group=np.array([d.group for d in discs], np.int64),
        disc_highlight=np.array([float(d.highlight) for d in discs]),
        disc_rows=_rows([len(m.discs) for m in builders]),
        shadow=np.concatenate(shadows),
        shadow_rows=_rows([len(s) for s in shadows]),
    )


_CARS: Final = ("sedan", "suv", "taxi", "van", "hatch")
_MOTORCYCLES: Final = (
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

WHEEL_SLOTS: Final = frozenset({Slot.TYRE, Slot.METAL})


def _all_models() -> dict[str, _Builder]:
    models: dict[str, _Builder] = {}
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


LIBRARY: Final = _build_library(_all_models())
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
