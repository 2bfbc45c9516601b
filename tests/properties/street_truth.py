"""A small street with exact truth: vehicles on a straight approach seen by a pinhole camera."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from detection.plane import CLASS_HEIGHT_M
from detection.ports import Detections
from models.camera import CameraView, MovementPath, SourceKind
from models.site import DEFAULT_CLASSES, VEHICLE_CLASSES

SIZE = {
    item.name: (item.length_m, item.width_m, CLASS_HEIGHT_M[item.name]) for item in DEFAULT_CLASSES
}
RATE_HZ = 6.0


class Camera:
    """Looks along +y from ``back_m`` before the stop line (y = 0), or against the traffic."""

    def __init__(self, back_m: float = 28.0, height_m: float = 8.0, facing: bool = False) -> None:
        sign = -1.0 if facing else 1.0
        self.position = np.array([1.0, -sign * back_m, height_m])
        pitch = math.radians(17.0)
        forward = np.array([0.0, sign * math.cos(pitch), -math.sin(pitch)])
        right = np.array([sign, 0.0, 0.0])
        self.rotation = np.stack([right, np.cross(forward, right), forward])
        self.focal = 320 / math.tan(math.radians(62) / 2)

    def project(self, points: np.ndarray) -> np.ndarray:
        local = (points - self.position) @ self.rotation.T
        depth = np.maximum(local[:, 2:], 0.1)
        return local[:, :2] / depth * self.focal + np.array([320.0, 240.0])

    def view(self, **changes: object) -> CameraView:
        extrinsic = np.column_stack(
            [self.rotation[:, 0], self.rotation[:, 1], -self.rotation @ self.position]
        )
        f = self.focal
        inverse = np.linalg.inv(np.array([[f, 0, 320], [0, f, 240], [0, 0, 1.0]]) @ extrinsic)
        inverse /= inverse[2] @ np.array([320.0, 400.0, 1.0])
        values: dict[str, object] = {
            "camera": "cam",
            "junction": "J",
            "width_px": 640,
            "height_px": 480,
            "ground_from_image": tuple(tuple(float(v) for v in row) for row in inverse),
            "metric": True,
            "stop_line": ((-6.0, 0.0), (6.0, 0.0)),
            "inward": (0.0, 1.0),
            "zone": ((-6.0, -45.0), (6.0, -45.0), (6.0, 0.0), (-6.0, 0.0)),
            "movements": (
                MovementPath("J:a>through", ((0.0, -10.0), (0.0, 40.0))),
                MovementPath("J:a>right", ((3.0, -5.0), (3.0, 4.0), (6.0, 9.0), (30.0, 9.0))),
                MovementPath("J:a>left", ((-3.0, -5.0), (-3.0, 8.0), (-7.0, 13.0), (-30.0, 13.0))),
            ),
            "calibration_version": "1",
            "source_kind": SourceKind.PROJECTED,
        }
        return CameraView(**{**values, **changes})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Vehicle:
    """``path(time_s)`` gives the centre (x, y) and compass heading, or None while away."""

    vehicle_class: str
    path: Callable[[float], tuple[float, float, float] | None]

    def front(self, time_s: float) -> float:
        state = self.path(time_s)
        assert state is not None
        return state[1] + SIZE[self.vehicle_class][0] / 2 * math.cos(state[2])


def straight(
    x_m: float, front_at_line_s: float, speed_mps: float, vehicle_class: str = "motorcycle"
) -> Vehicle:
    """Rides north at one speed; its front is on the line at the given time."""
    half = SIZE[vehicle_class][0] / 2

    def path(time_s: float) -> tuple[float, float, float] | None:
        y = (time_s - front_at_line_s) * speed_mps - half
        return (x_m, y, 0.0) if -45.0 < y < 35.0 else None

    return Vehicle(vehicle_class, path)


def stop_and_go(x_m: float, stop_y_m: float, arrive_s: float, leave_s: float) -> Vehicle:
    """Rides up at 8 m/s, brakes with 3 m/s2 to stand with its front at ``stop_y_m`` from
    ``arrive_s`` on, leaves at ``leave_s`` with 2 m/s2.
    """
    half = SIZE["motorcycle"][0] / 2
    braking_s = 8.0 / 3.0

    def path(time_s: float) -> tuple[float, float, float] | None:
        before_s = arrive_s - time_s
        if before_s > braking_s:
            front = stop_y_m - 1.5 * braking_s**2 - (before_s - braking_s) * 8.0
        elif before_s > 0:
            front = stop_y_m - 1.5 * before_s**2
        else:
            front = stop_y_m + max(time_s - leave_s, 0.0) ** 2
        y = front - half
        return (x_m, y, 0.0) if -45.0 < y < 35.0 else None

    return Vehicle("motorcycle", path)


def box(camera: Camera, vehicle: Vehicle, time_s: float) -> np.ndarray | None:
    """The box of the vehicle's cuboid in the image, or None outside of it."""
    state = vehicle.path(time_s)
    if state is None:
        return None
    length, width, height = SIZE[vehicle.vehicle_class]
    x, y, heading = state
    ahead = np.array([math.sin(heading), math.cos(heading), 0.0]) * length / 2
    beside = np.array([math.cos(heading), -math.sin(heading), 0.0]) * width / 2
    up = np.array([0.0, 0.0, height])
    corners = np.array([
        np.array([x, y, 0.0]) + i * ahead + j * beside + k * up
        for i in (-1, 1) for j in (-1, 1) for k in (0, 1)
    ])  # fmt: skip
    if ((corners - camera.position) @ camera.rotation[2] < 3.0).any():
        return None
    pixels = camera.project(corners)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    if high[0] < 0 or low[0] > 640 or low[1] > 480 or high[1] < 0 or high[1] - low[1] < 8:
        return None
    low, high = np.clip(low, 0, (640, 480)), np.clip(high, 0, (640, 480))
    return np.concatenate([low, high])


def frames(
    camera: Camera,
    vehicles: list[Vehicle],
    end_s: float,
    *,
    seed: int = 0,
    miss: float = 0.0,
    jitter: float = 0.0,
    rate_hz: float = RATE_HZ,
) -> Iterator[tuple[float, Detections]]:
    """Times and detections; jitter is a share of the box's size, one sigma."""
    rng = np.random.default_rng(seed)
    for index in range(int(end_s * rate_hz) + 1):
        time_s = index / rate_hz
        boxes, classes = [], []
        for vehicle in vehicles:
            found = box(camera, vehicle, time_s)
            if found is None or rng.random() < miss:
                continue
            size = found[2:] - found[:2]
            noise = rng.normal(0.0, jitter, 4) * np.concatenate([size, size])
            boxes.append(found + noise)
            classes.append(VEHICLE_CLASSES.index(vehicle.vehicle_class))
        yield (
            time_s,
            Detections(
                np.array(boxes, np.float32).reshape(-1, 4),
                np.full(len(boxes), 0.8, np.float32),
                np.array(classes, np.int64),
                VEHICLE_CLASSES,
            ),
        )
