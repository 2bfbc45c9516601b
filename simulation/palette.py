"""Colours of road users, drawn from their id: the same vehicle always looks the same."""

from __future__ import annotations

from typing import Final

import numpy as np

from simulation.mesh import Slot
from simulation.states import CLASSES, FloatArray
from simulation.vehicle_models import VARIANTS

Bgr = tuple[int, int, int]
_CAR: Final[list[Bgr]] = [
    *[(235, 235, 235)] * 5,
    *[(200, 202, 204)] * 3,
    *[(30, 30, 32)] * 4,
    *((45, 40, 160), (90, 60, 30), (120, 120, 120), (70, 75, 80), (30, 60, 140)),
    *((150, 90, 40), (60, 110, 150), (46, 74, 52), (110, 150, 176)),
]
_MOTO: Final[list[Bgr]] = [
    *[(30, 30, 34)] * 5,
    *[(40, 40, 180)] * 4,
    *[(225, 225, 225)] * 4,
    *((150, 80, 30), (110, 50, 30), (60, 60, 66), (140, 140, 140), (90, 140, 40)),
    *((40, 120, 200), (200, 170, 60), (70, 90, 100)),
]
_SHIRT: Final[list[Bgr]] = [
    (40, 40, 44),
    (235, 235, 235),
    (190, 150, 110),
    (120, 70, 30),
    (60, 60, 170),
    (90, 150, 70),
    (150, 150, 150),
    (60, 160, 220),
    (170, 120, 200),
    (110, 90, 60),
    (200, 200, 170),
    (70, 50, 60),
    (60, 110, 230),
    (210, 205, 225),
    (86, 80, 76),
]
_HELMET: Final[list[Bgr]] = [
    (235, 235, 235),
    (40, 40, 190),
    (30, 30, 34),
    (150, 90, 40),
    (200, 120, 40),
    (60, 190, 230),
    (170, 130, 220),
    (90, 160, 60),
    (140, 140, 140),
    (60, 120, 230),
    (88, 84, 82),
]
_TROUSERS: Final[list[Bgr]] = [
    (40, 36, 34),
    (110, 70, 50),
    (60, 56, 60),
    (90, 100, 110),
    (140, 120, 100),
    (30, 30, 30),
]
_BUS: Final[list[Bgr]] = [
    (60, 60, 200),
    (90, 160, 60),
    (30, 170, 235),
    (190, 120, 40),
    (225, 225, 225),
]
_TRUCK: Final[list[Bgr]] = [
    (160, 90, 40),
    (60, 60, 180),
    (220, 220, 220),
    (90, 150, 70),
    (40, 150, 220),
]
_TRIM: Final[list[Bgr]] = [(225, 225, 225), (40, 170, 235), (60, 60, 180), (120, 150, 90)]
_CARGO: Final[list[Bgr]] = [(200, 205, 205), (150, 110, 60), (110, 140, 90), (170, 170, 175)]
_TAXI: Final[list[Bgr]] = [(90, 160, 40), (235, 235, 235), (60, 190, 230), (160, 150, 40)]
_MASK: Final[list[Bgr]] = [(200, 170, 140), (230, 230, 225), (60, 50, 50), (150, 120, 200)]
_PARCEL: Final[list[Bgr]] = [
    (80, 165, 30),
    (40, 110, 235),
    (45, 45, 200),
    (60, 190, 235),
    (50, 50, 50),
]
_PAINTS: Final = {
    "motorcycle": _MOTO,
    "bicycle": _MOTO,
    "car": _CAR,
    "bus": _BUS,
    "truck": _TRUCK,
    "pedestrian": _SHIRT,
}


def appearance(road_user_id: int, class_index: int) -> tuple[int, FloatArray]:
    """Shape variant and palette, shape (slots, 3) BGR 0..255, of a road user."""
    rng = np.random.default_rng(road_user_id % (1 << 63))
    name = CLASSES[class_index]
    variant = int(rng.integers(VARIANTS[name]))
    colours = np.zeros((len(Slot), 3))

    def pick(options: list[Bgr]) -> FloatArray:
        chosen = np.array(options[int(rng.integers(len(options)))], np.float64)
        return chosen * rng.uniform(0.85, 1.08) + rng.normal(0, 5, 3)

    colours[Slot.PAINT] = pick(_PAINTS[name])
    colours[Slot.PAINT_2] = colours[Slot.PAINT] * 0.8 + 20
    if name == "car" and variant == 2:
        colours[Slot.PAINT] = pick(_TAXI)
    if name == "bus":
        colours[Slot.PAINT_2] = pick(_TRIM)
    if name == "truck":
        colours[Slot.PAINT_2] = pick(_CARGO)
    colours[Slot.DARK] = (36, 34, 34)
    colours[Slot.GLASS] = np.array((78, 66, 56)) * rng.uniform(0.7, 1.3)
    colours[Slot.METAL] = (150, 150, 150)
    colours[Slot.HEADLAMP] = (245, 250, 250)
    colours[Slot.TAIL_LAMP] = (35, 35, 205)
    colours[Slot.PLATE] = (225, 228, 230) if rng.random() < 0.8 else (60, 190, 235)
    for slot in (Slot.SHIRT, Slot.SHIRT_2):
        colours[slot] = pick(_SHIRT)
    for slot in (Slot.HELMET, Slot.HELMET_2):
        colours[slot] = pick(_HELMET)
    colours[Slot.TROUSERS] = pick(_TROUSERS)
    colours[Slot.SKIN] = np.array((135, 165, 208)) * rng.uniform(0.75, 1.1)
    colours[Slot.HAIR] = np.array((30, 30, 34)) * rng.uniform(0.8, 2.0)
    if name == "motorcycle" and rng.random() < 0.35:
        colours[Slot.SKIN] = pick(_MASK)  # a face mask against dust and sun
    colours[Slot.SHOE] = (40, 44, 50)
    colours[Slot.BOX] = pick(_PARCEL)
    colours[Slot.AMBER] = (60, 170, 240)
    colours[Slot.TYRE] = (30, 30, 32)
    if name == "motorcycle" and variant in (4, 5) and rng.random() < 0.6:
        colours[Slot.SHIRT] = colours[Slot.HELMET] = colours[Slot.BOX]  # a delivery uniform
    return variant, np.clip(colours, 0, 255)
