"""Where the front of a two-wheeler is that stands slantwise."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detection.ports import Detections
from detection.riders import road_users
from detection.slant import angles
from detection.tracking import Tracker, TrackState
from models.camera import SourceKind
from simulation.camera import PinholeCamera
from simulation.projection import project_boxes
from simulation.states import CLASSES, VehicleStates
from traffic.camerawork import camera_pose
from traffic.sites import load_site

MOTORCYCLE = CLASSES.index("motorcycle")
LENGTH_M, WIDTH_M, HEIGHT_M = 1.9, 0.7, 1.6
FRAME_S = 1 / 6


class Approach:
    """One rider before the line of a camera, who drives up to it and then turns."""

    def __init__(self, pho_hue: Path, source_kind: SourceKind) -> None:
        camera = load_site(pho_hue).camera("C2-c1")
        self._view = replace(camera.view, source_kind=source_kind)
        self._camera = PinholeCamera(camera_pose(camera))
        self._tracker = Tracker(self._view)
        self._rng = np.random.default_rng(1)
        self._frame = 0

    def see(
        self, front_m: float, turned_deg: float = 0.0, more_px: tuple[float, float] = (0.0, 0.0)
    ) -> TrackState | None:
        """The track after a frame; the box is wider and higher by ``more_px`` than the rider."""
        (ax, ay), (bx, by) = self._view.stop_line
        ix, iy = self._view.inward
        heading = math.atan2(ix, iy) + math.radians(turned_deg)
        back_m = front_m - LENGTH_M / 2 * math.cos(math.radians(turned_deg))
        x, y = (ax + bx) / 2 + ix * back_m, (ay + by) / 2 + iy * back_m
        row = (1, MOTORCYCLE, x, y, heading, 0.0, LENGTH_M, WIDTH_M, HEIGHT_M)
        seen = project_boxes(
            VehicleStates.from_rows([row]), self._camera, self._rng, miss_rate=0.0, jitter_px=0.5
        )
        boxes = seen.xyxy + np.array([-more_px[0] / 2, -more_px[1], more_px[0] / 2, 0.0])
        found = Detections(
            boxes.astype(np.float32), seen.score.astype(np.float32),
            seen.class_index.astype(np.int64), CLASSES,
        )  # fmt: skip
        self._frame += 1
        users = road_users(found, truthful=True)
        tracks = self._tracker.update(self._frame * FRAME_S, users, walkers=True)
        return tracks[0] if tracks else None

    def drive_up(self) -> None:
        """To 1 m before the line, slower and slower."""
        front_m = -9.0
        while front_m < -1.05:
            front_m = min(front_m + max(0.25, -0.08 * front_m), -1.0)
            self.see(front_m)

    def depth_m(self, track: TrackState | None) -> float:
        """How far past the line the front is believed."""
        assert track is not None
        (ax, ay), (ix, iy) = self._view.stop_line[0], self._view.inward
        return (track.front[0] - ax) * ix + (track.front[1] - ay) * iy


@pytest.fixture
def approach(pho_hue: Path) -> Approach:
    return Approach(pho_hue, SourceKind.PROJECTED)


@pytest.mark.parametrize(
    ("turned_deg", "off_m"), [(-60.0, 0.35), (-45.0, 0.2), (45.0, 0.2), (60.0, 0.35)]
)
def test_the_front_of_one_who_turned_before_the_line_is_nearer(
    approach: Approach, turned_deg: float, off_m: float
) -> None:
    approach.drive_up()
    for share in np.linspace(0.0, 1.0, 12).tolist():
        approach.see(-1.0, turned_deg * share)
    for _ in range(24):
        track = approach.see(-1.0, turned_deg)
    assert approach.depth_m(track) == pytest.approx(-1.0, abs=off_m)


def test_one_who_stands_straight_keeps_his_front(approach: Approach) -> None:
    approach.drive_up()
    for _ in range(36):
        track = approach.see(-1.0)
    assert approach.depth_m(track) == pytest.approx(-1.0, abs=0.1)


def test_the_box_of_two_is_no_slant(pho_hue: Path) -> None:
    approach = Approach(pho_hue, SourceKind.PIXELS)
    approach.drive_up()
    for _ in range(18):
        alone = approach.see(-1.0)
    for _ in range(6):
        both = approach.see(-1.0, more_px=(20.0, 0.0))
    assert both is not None
    assert both.seen
    assert approach.depth_m(both) == pytest.approx(approach.depth_m(alone), abs=0.1)


def test_a_cuboid_looks_wider_than_a_machine_thin_at_both_ends() -> None:
    turned, wide, kinds = math.radians(40.0), np.zeros(2), np.full(2, MOTORCYCLE)
    wide[0] = WIDTH_M * math.cos(turned) + LENGTH_M * math.sin(turned)
    wide[1] = math.hypot(WIDTH_M * math.cos(turned), LENGTH_M * math.sin(turned))
    assert math.degrees(angles(wide, kinds, hull=False)[0]) == pytest.approx(40.0, abs=4.0)
    assert math.degrees(angles(wide, kinds, hull=True)[1]) == pytest.approx(40.0, abs=4.0)
    assert angles(np.full(2, 0.6), kinds, hull=False).max() == 0.0
