"""What a box that the picture's lower edge cuts says of its vehicle, and what it does not."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from detection.plane import GroundPlane, eye_over_ground
from detection.ports import Detections
from detection.riders import road_users
from detection.stillness import Changes
from detection.tracking import Tracker, TrackState
from models.camera import CameraView
from simulation.camera import PinholeCamera
from simulation.projection import project_boxes
from simulation.states import CLASSES, VehicleStates
from traffic.camerawork import camera_pose
from traffic.sites import load_site

CAR, BUS, TRUCK = (CLASSES.index(name) for name in ("car", "bus", "truck"))
TRUCK_M, CAR_M = (7.0, 2.3, 2.6), (4.4, 1.8, 1.5)
ASIDE_M = 6.0


class Road:
    """A vehicle before one camera of the example site; the detector may call it what it likes."""

    def __init__(self, pho_hue: Path) -> None:
        site = load_site(pho_hue)
        self.view: CameraView = site.camera("C2-c1").view
        self.camera = PinholeCamera(camera_pose(site.camera("C2-c1")))
        self._tracker = Tracker(self.view)
        self._rng = np.random.default_rng(2)

    def place(self, depth_m: float) -> tuple[float, float]:
        """The point so far past the line."""
        (ax, ay), (bx, by) = self.view.stop_line
        share = ASIDE_M / math.dist((ax, ay), (bx, by))
        ix, iy = self.view.inward
        return ax + (bx - ax) * share + ix * depth_m, ay + (by - ay) * share + iy * depth_m

    def depth_m(self, point: tuple[float, float]) -> float:
        """How far past the line a point is."""
        (ax, ay), (ix, iy) = self.view.stop_line[0], self.view.inward
        return (point[0] - ax) * ix + (point[1] - ay) * iy

    def see(
        self,
        time_s: float,
        front_m: float,
        called: int,
        *,
        size_m: tuple[float, float, float] = TRUCK_M,
        moved: float = 1.0,
        taller: float = 0.0,
        seen: bool = True,
    ) -> TrackState | None:
        """Its track after a frame with its front so far past the line.

        ``moved`` is the share of the picture that changed, ``taller`` by how much of its height
        the box is drawn too high.
        """
        ix, iy = self.view.inward
        x, y = self.place(front_m - size_m[0] / 2)
        state = VehicleStates.from_rows([(1, TRUCK, x, y, math.atan2(ix, iy), 0.0, *size_m)])
        boxes = project_boxes(state, self.camera, self._rng, miss_rate=0.0, jitter_px=0.5).xyxy
        boxes = boxes[: len(boxes) if seen else 0].astype(np.float32)
        boxes[:, 1] -= taller * (boxes[:, 3] - boxes[:, 1])
        count = len(boxes)
        found = Detections(
            boxes, np.full(count, 0.9, np.float32), np.full(count, called, np.int64), CLASSES
        )
        size = (self.view.height_px // 2, self.view.width_px // 2)
        changed = np.cumsum(np.cumsum(self._rng.random(size) < moved, axis=0), axis=1)
        changes = Changes(np.pad(changed, ((1, 0), (1, 0))).astype(np.int32), (0.5, 0.5))
        tracks = self._tracker.update(time_s, road_users(found), changes, walkers=True)
        return max(tracks, key=lambda track: track.seen, default=None)


@pytest.fixture
def road(pho_hue: Path) -> Road:
    return Road(pho_hue)


def test_a_camera_is_where_its_calibration_says(road):
    eye = GroundPlane(road.view).eye
    assert eye is not None
    x, y, height_m = road.camera.position_m
    assert eye.foot == pytest.approx((x, y), abs=1e-6)
    assert eye.height_m == pytest.approx(height_m, abs=1e-6)


def test_a_calibration_that_is_no_camera_over_a_street_tells_of_none(road):
    """A plan seen from straight above: any focal length explains it."""
    assert eye_over_ground(np.diag([8.0, 8.0, 1.0]), (640, 480)) is None


@pytest.mark.parametrize("size_m", [(6.2, 2.1, 2.6), (7.0, 2.2, 2.3), (7.8, 2.3, 2.8)])
def test_the_front_of_a_truck_is_found_whatever_its_length_and_height(road, size_m):
    off_m = []
    for step in range(60):
        front_m = -9.0 + 2.0 * step / 6
        track = road.see(step / 6, front_m, TRUCK, size_m=size_m)
        if track is not None and track.seen and front_m > 0.0:
            off_m.append(road.depth_m(track.front) - front_m)
    assert len(off_m) > 20
    assert abs(float(np.mean(off_m))) < 0.6


def test_a_truck_taken_for_a_bus_while_it_is_cut_has_its_front_where_it_is_seen(road):
    """A bus is four metres longer: placed by its length it would be over the line at once."""
    told = []
    for step in range(24):
        front_m = -10.0 + 4.0 * step / 6
        track = road.see(step / 6, front_m, BUS if front_m < -2.0 else TRUCK)
        if track is not None and track.seen and step > 8:
            told.append(road.depth_m(track.front) - front_m)
    assert len(told) > 10
    assert max(map(abs, told)) < 1.5


def test_a_car_that_is_cut_reaches_no_further_than_is_seen(road):
    """As long as it stands there, its box ends at the edge: its class would place it beyond."""
    for step in range(12):
        track = road.see(step / 6, -9.2, CAR, size_m=CAR_M)
    assert track is not None
    assert abs(road.depth_m(track.front) + 9.2) < 1.0


def test_what_is_seen_of_one_that_the_edge_cuts_is_soon_outvoted(road):
    for step in range(30):
        road.see(step / 6, -9.0, CAR)
    for step in range(8):
        track = road.see(5.0 + step / 6, -4.5 + step / 2, TRUCK)
    assert track is not None
    assert track.vehicle_class == "truck"


def test_a_picture_that_does_not_change_is_one_witness(road):
    for step in range(6):
        road.see(step / 6, -6.0 + step / 2, TRUCK)
    for step in range(90):
        road.see(1.0 + step / 6, -3.5, BUS, moved=float(step < 2))
    for step in range(14):
        track = road.see(16.0 + step / 6, -3.5 + step / 3, TRUCK)
    assert track is not None
    assert track.vehicle_class == "truck"
