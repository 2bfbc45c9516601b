"""Where every road user is at one instant, as a struct of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

CLASSES: Final = ("motorcycle", "bicycle", "car", "bus", "truck", "pedestrian")
"""Index of ``VehicleStates.vehicle_class``; the same order as ``models.site.VEHICLE_CLASSES``."""

MAX_JUMP_M: Final = 40.0
"""A road user that moved further than this between two states was teleported, not driven."""


@dataclass(frozen=True, slots=True)
class VehicleStates:
    """Road users at one instant, in network coordinates.

    Each field has shape (N,). ``x_m``, ``y_m`` is the CENTRE of the road user on the ground;
    ``heading_rad`` is a compass heading (0 = north, clockwise); ``vehicle_class`` indexes
    :data:`CLASSES`. A motorcycle's height includes its rider.
    """

    id: IntArray
    vehicle_class: ByteArray
    x_m: FloatArray
    y_m: FloatArray
    heading_rad: FloatArray
    speed_mps: FloatArray
    length_m: FloatArray
    width_m: FloatArray
    height_m: FloatArray

    def __post_init__(self) -> None:
        count = len(self.id)
        for field in fields(self):
            value = getattr(self, field.name)
            if value.shape != (count,):
                raise ValueError(f"{field.name} has shape {value.shape}, expected ({count},)")
        if count and int(self.vehicle_class.max()) >= len(CLASSES):
            raise ValueError(f"vehicle_class above {len(CLASSES) - 1}")

    def __len__(self) -> int:
        return len(self.id)

    @classmethod
    def empty(cls) -> VehicleStates:
        """No road users at all."""
        return cls.from_rows([])

    @classmethod
    def from_rows(
        cls, rows: Sequence[tuple[int, int, float, float, float, float, float, float, float]]
    ) -> VehicleStates:
        """Build from rows of (id, class index, x, y, heading, speed, length, width, height)."""
        columns = list(zip(*rows, strict=True)) if rows else [()] * 9
        return cls(
            np.array(columns[0], np.int64),
            np.array(columns[1], np.uint8),
            *(np.array(column, np.float64) for column in columns[2:]),
        )

    @classmethod
    def joined(cls, parts: Sequence[VehicleStates]) -> VehicleStates:
        """All road users of several states, in order."""
        return cls(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            )
        )

    def select(self, chosen: npt.NDArray[np.bool_] | IntArray) -> VehicleStates:
        """The chosen road users (mask or indices), in the given order."""
        return VehicleStates(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def near(self, x_m: float, y_m: float, radius_m: float) -> VehicleStates:
        """Those whose centre is within ``radius_m`` of a point."""
        return self.select(np.hypot(self.x_m - x_m, self.y_m - y_m) <= radius_m)


def interpolate(prev: VehicleStates, curr: VehicleStates, fraction: float) -> VehicleStates:
    """The state ``fraction`` of the way from ``prev`` (0) to ``curr`` (1).

    Road users of both states move on a straight line and turn the short way round; one that is
    only in ``curr`` (just entered) is placed back along its heading at its speed over one second;
    one that is only in ``prev`` (just left) is dropped. A teleport shows at its new place.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"fraction {fraction} outside 0..1")
    order = np.argsort(prev.id, kind="stable")
    sorted_ids = prev.id[order]
    place = np.searchsorted(sorted_ids, curr.id)
    place_in = np.minimum(place, max(len(sorted_ids) - 1, 0))
    known = (
        sorted_ids[place_in] == curr.id if len(sorted_ids) else np.zeros(len(curr), dtype=np.bool_)
    )
    x, y = curr.x_m.copy(), curr.y_m.copy()
    heading, speed = curr.heading_rad.copy(), curr.speed_mps.copy()
    back = 1.0 - fraction

    new = ~known
    x[new] -= np.sin(heading[new]) * speed[new] * back
    y[new] -= np.cos(heading[new]) * speed[new] * back

    now = np.nonzero(known)[0]
    was = order[place_in[now]] if len(order) else now
    dx, dy = curr.x_m[now] - prev.x_m[was], curr.y_m[now] - prev.y_m[was]
    moved = np.hypot(dx, dy) <= MAX_JUMP_M
    now, was, dx, dy = now[moved], was[moved], dx[moved], dy[moved]
    x[now] -= dx * back
    y[now] -= dy * back
    turn = curr.heading_rad[now] - prev.heading_rad[was]
    heading[now] -= ((turn + np.pi) % (2 * np.pi) - np.pi) * back
    speed[now] -= (curr.speed_mps[now] - prev.speed_mps[was]) * back
    return VehicleStates(
        curr.id,
        curr.vehicle_class,
        x,
        y,
        heading,
        speed,
        curr.length_m,
        curr.width_m,
        curr.height_m,
    )
