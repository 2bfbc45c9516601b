"""Whose box it is, where a box may be another vehicle's."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from detection.association import pair_costs
from detection.ports import Detections
from detection.riders import road_users
from detection.track_table import Measured
from detection.tracking import Tracker, TrackState
from models.camera import CameraView
from simulation.camera import PinholeCamera
from simulation.projection import project_boxes
from simulation.states import CLASSES, VehicleStates
from traffic.camerawork import camera_pose
from traffic.sites import load_site

CAR, MOTORCYCLE = CLASSES.index("car"), CLASSES.index("motorcycle")
SIZE = {CAR: (4.4, 1.8, 1.5), MOTORCYCLE: (1.9, 0.7, 1.6)}


class Scene:
    """One camera of the example site; vehicles stand at a front's depth and a place aside."""

    def __init__(self, pho_hue: Path) -> None:
        site = load_site(pho_hue)
        self.view: CameraView = site.camera("C2-c1").view
        self._camera = PinholeCamera(camera_pose(site.camera("C2-c1")))
        self._tracker = Tracker(self.view)
        self._rng = np.random.default_rng(1)

    def see(
        self,
        time_s: float,
        *vehicles: tuple[int, float, float],
        join: tuple[int, int] | None = None,
        jitter_px: float = 0.5,
    ) -> list[TrackState]:
        """Tracks after a frame with these vehicles: class, depth of the front, metres aside.

        The two that ``join`` names come as one box; edges of boxes scatter by ``jitter_px``.
        """
        (ax, ay), (bx, by) = self.view.stop_line
        length = math.dist((ax, ay), (bx, by))
        ix, iy = self.view.inward
        rows = []
        for number, (kind, depth_m, aside_m) in enumerate(vehicles):
            back_m = depth_m - SIZE[kind][0] / 2
            x = ax + (bx - ax) / length * aside_m + ix * back_m
            y = ay + (by - ay) / length * aside_m + iy * back_m
            rows.append((number, kind, x, y, math.atan2(ix, iy), 0.0, *SIZE[kind]))
        seen = project_boxes(
            VehicleStates.from_rows(rows), self._camera, self._rng, miss_rate=0.0,
            jitter_px=jitter_px,
        )  # fmt: skip
        boxes, chosen = seen.xyxy.copy(), np.ones(len(seen), np.bool_)
        if join is not None:
            one, other = (seen.id.tolist().index(number) for number in join)
            boxes[one, :2] = np.minimum(boxes[one, :2], boxes[other, :2])
            boxes[one, 2:] = np.maximum(boxes[one, 2:], boxes[other, 2:])
            chosen[other] = False
        found = Detections(
            boxes[chosen].astype(np.float32), seen.score[chosen].astype(np.float32),
            seen.class_index[chosen].astype(np.int64), CLASSES,
        )  # fmt: skip
        return self._tracker.update(time_s, road_users(found, truthful=True), walkers=True)


@pytest.fixture
def scene(pho_hue: Path) -> Scene:
    return Scene(pho_hue)


def test_one_that_the_border_cuts_for_long_is_the_same_when_it_drives_on(scene):
    """What is seen of it does not make it small."""
    ids = set()
    for step in range(150):
        time_s = step / 6
        drove_m = max(time_s - 18.0, 0.0) ** 2 / 2
        tracks = scene.see(time_s, (CAR, -9.5 + drove_m, 9.9))
        ids |= {track.id for track in tracks}
        assert step < 6 or [track.seen for track in tracks] == [True]
    assert len(ids) == 1


@pytest.mark.parametrize("depth_m", [44.0, 60.0])
def test_who_stands_far_off_stays_one_where_he_stands(scene, depth_m):
    """A rider a dozen pixels tall: his boxes differ in size, and lie metres apart on the road."""
    ids, off_m = set(), []
    (ax, ay), (ix, iy) = scene.view.stop_line[0], scene.view.inward
    for step in range(240):
        for track in scene.see(step / 6, (MOTORCYCLE, depth_m, 4.4), jitter_px=1.2):
            ids.add(track.id)
            x, y = track.centre
            off_m.append((x - ax) * ix + (y - ay) * iy - (depth_m - SIZE[MOTORCYCLE][0] / 2))
    assert len(ids) == 1
    assert abs(np.median(off_m[30:])) < 0.6


def test_a_rider_near_by_does_not_continue_a_car_that_is_lost(scene):
    for step in range(60):
        car = scene.see(step / 6, (CAR, -3.0, 6.0))
    (car_id,) = (track.id for track in car)
    riders = set()
    for step in range(64, 74):
        for track in scene.see(step / 6, (MOTORCYCLE, -5.5, 7.5)):
            if track.seen:
                riders.add((track.id, track.vehicle_class))
    assert {kind for _, kind in riders} == {"motorcycle"}
    assert car_id not in {number for number, _ in riders}


def test_two_in_one_box_do_not_make_one_of_them_tall(scene):
    """Riders stand one behind the other; now and then the detector takes both for one."""
    places = []
    for step in range(90):
        joined = (0, 1) if step > 12 and step % 9 == 0 else None
        tracks = scene.see(step / 6, (MOTORCYCLE, -3.0, 4.4), (MOTORCYCLE, -0.3, 4.4), join=joined)
        places += [track.front for track in tracks if step > 20]
    (ax, ay), (ix, iy) = scene.view.stop_line[0], scene.view.inward
    depths = np.array([(x - ax) * ix + (y - ay) * iy for x, y in places])
    assert np.abs(depths[:, None] - np.array([-3.0, -0.3])).min(axis=1).max() < 0.5


def test_of_two_whose_box_it_may_be_one_was_seen_just_now(scene):
    """A track that was lost for half a second, and reaches as far, takes it from no other."""
    for step in range(6):
        scene.see(step / 6, (MOTORCYCLE, 4.0 + step, 3.0))
    tracker = scene._tracker
    tracks, settings = tracker._tracks, tracker.settings
    boxes = Detections(
        tracks.box.astype(np.float32), np.ones(1, np.float32),
        np.array([MOTORCYCLE], np.int64), CLASSES,
    )  # fmt: skip
    found = Measured.of(boxes, tracker.plane, settings, (640, 480), None)
    contact = tracker.plane.to_plane_with_jacobian(tracks.contact_px)[0]
    just_now, long_ago = (
        float(pair_costs(tracks, found, contact, tracks.box, settings, 5 / 6 + gap_s)[0, 0])
        for gap_s in (1 / 6, 4 / 6)
    )
    assert long_ago - just_now > 1.5
