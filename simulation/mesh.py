"""Low-poly models: convex parts with flat decals, flattened into one library of arrays.

Model space: x forward, y left, z up, metres, origin on the ground under the centre. Every face
has a colour slot, a group (a convex part, sorted by distance) and a layer (order in its group).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from simulation.states import FloatArray, IntArray

Vec = tuple[float, float, float]
Span = tuple[float, float]
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
class MeshBuilder:
    """Collects the parts of one model; parts of one group are drawn together.

    ``back_groups`` are groups that lie under all others and are drawn first.
    """

    vertices: list[FloatArray] = field(default_factory=list)
    faces: list[_Face] = field(default_factory=list)
    discs: list[_Disc] = field(default_factory=list)
    groups: int = 0
    back_groups: list[int] = field(default_factory=list)

    def group(self) -> int:
        """Begin a convex part."""
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
            [x0, y0, z0],
            [x1, y0, z0],
            [x1, y1, z0],
            [x0, y1, z0],
            [x0 + rear, y0 + taper_y, z1],
            [x1 - front, y0 + taper_y, z1],
            [x1 - front, y1 - taper_y, z1],
            [x0 + rear, y1 - taper_y, z1],
        ]
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

    def decal(
        self, points: Sequence[Vec], slot: Slot, group: int, layer: float, inside: Vec
    ) -> None:
        """One flat face that looks away from ``inside``."""
        self.add(points, [range(len(points))], slot, group, layer, inside)

    def panel(
        self, x: Span, y: Span, z: Span, slot: Slot, group: int, layer: float, inside: Vec
    ) -> None:
        """A decal across the front or rear: ``x`` at its foot and its top."""
        (x0, x1), (y0, y1), (z0, z1) = x, y, z
        corners: list[Vec] = [(x0, y0, z0), (x0, y1, z0), (x1, y1, z1), (x1, y0, z1)]
        self.decal(corners, slot, group, layer, inside)

    def side_panel(
        self, x: Span, y: Span, z: Span, slot: Slot, group: int, layer: float, inside: Vec
    ) -> None:
        """A decal along a side: ``y`` at its foot and its top."""
        (x0, x1), (y0, y1), (z0, z1) = x, y, z
        corners: list[Vec] = [(x0, y0, z0), (x1, y0, z0), (x1, y1, z1), (x0, y1, z1)]
        self.decal(corners, slot, group, layer, inside)

    def side_wheel(
        self, x: float, radius: float, y: float, side: int, group: int, layer: float
    ) -> None:
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


def _face_table(models: Sequence[MeshBuilder], width: int, quads: bool) -> FaceTable:
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


def build_library(models: Mapping[str, MeshBuilder], body_width_m: Mapping[str, float]) -> Library:
    """Flatten models into arrays.

    Args:
        models: By name; a name is a class, a variant number, a dot and a level of detail.
        body_width_m: Width without mirrors by class, where that is not the widest part.
    """
    builders = list(models.values())
    nominal, centres, bias, shadows = [], [], [], []
    for name, m in models.items():
        v = np.array(m.vertices)
        top = max([float(v[:, 2].max())] + [d.centre[2] + d.radius for d in m.discs])
        widest = 2 * float(np.abs(v[:, 1]).max())
        width = body_width_m.get(name.split(".")[0].rstrip("0123456789"), widest)
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
        heads = np.array(
            [
                [d.centre[0], s * d.radius, d.centre[2] + d.radius * 0.7]
                for d in m.discs
                for s in (-1, 1)
            ]
        )
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
