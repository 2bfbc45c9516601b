"""In a picture a box ends where wheels touch the ground, not where the machine ends."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detection.ports import Detections
from detection.tracking import Tracker
from models.camera import SourceKind
from simulation.camera import PinholeCamera
from simulation.states import CLASSES
from traffic.camerawork import camera_pose
from traffic.sites import load_site

MOTORCYCLE = CLASSES.index("motorcycle")
WHEEL_M, LENGTH_M = 0.28, 1.9
AXLE_M = LENGTH_M / 2 - WHEEL_M


def machine() -> np.ndarray:
    """Points (N, 3) of a motorcycle and who rides it: ahead, to the left, up from its middle."""
    turn = np.linspace(0.0, 2 * math.pi, 48, endpoint=False)
    wheel = np.stack([np.cos(turn), 0 * turn, 1.0 + np.sin(turn)], axis=1) * WHEEL_M
    wheels = [wheel + np.array([along, 0.0, 0.0]) for along in (-AXLE_M, AXLE_M)]
    rider = [[0.38, -0.33, 1.05], [0.38, 0.33, 1.05], [-0.1, -0.1, 1.6], [-0.1, 0.1, 1.6]]
    return np.concatenate([*wheels, np.array(rider)])


@pytest.mark.parametrize(("turned_deg", "off_m"), [(0.0, 0.1), (-45.0, 0.2), (60.0, 0.2)])
def test_the_front_of_a_rider_in_a_picture_is_where_he_is(
    pho_hue: Path, turned_deg: float, off_m: float
) -> None:
    camera = load_site(pho_hue).camera("C2-c1")
    view = replace(camera.view, source_kind=SourceKind.PIXELS)
    pinhole = PinholeCamera(camera_pose(camera))
    tracker = Tracker(view)
    (ax, ay), (bx, by) = view.stop_line
    ix, iy = view.inward
    ways = [-1.0 - 0.1 * k for k in range(60, 0, -1)] + [-1.0] * 48
    for frame, front_m in enumerate(ways):
        share = min(max(frame - 60, 0) / 12, 1.0)
        turned = math.radians(turned_deg) * share
        ahead, left = (math.cos(turned), math.sin(turned)), (-math.sin(turned), math.cos(turned))
        points = machine()
        # Along the approach and to its left, from his middle; his front stays where it is.
        along = points[:, 0] * ahead[0] + points[:, 1] * left[0]
        along += front_m - LENGTH_M / 2 * ahead[0]
        aside = points[:, 0] * ahead[1] + points[:, 1] * left[1]
        world = np.stack(
            [
                (ax + bx) / 2 + ix * along - iy * aside,
                (ay + by) / 2 + iy * along + ix * aside,
                points[:, 2],
            ],
            axis=1,
        )
        pixels, _ = pinhole.project(world)
        box = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
        found = Detections(
            box[None].astype(np.float32), np.ones(1, np.float32), np.array([MOTORCYCLE]), CLASSES
        )
        tracks = tracker.update(frame / 6, found, walkers=True)
    (track,) = tracks
    depth_m = (track.front[0] - ax) * ix + (track.front[1] - ay) * iy
    assert depth_m == pytest.approx(-1.0, abs=off_m)
