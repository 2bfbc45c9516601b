"""Who comes over the line hidden by a larger vehicle is counted once; who comes from elsewhere,
or was counted before, is not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from street_truth import Camera, Vehicle, box, frames, straight

from detection.counting import Crossing
from detection.pipeline import CameraPipeline
from detection.ports import Detections
from detection.riders import road_users
from detection.stillness import Changes
from detection.tracking import Tracker
from models.signals import SignalState
from models.site import VEHICLE_CLASSES

LINE_S = 36.0
"""By then whoever stood about at the beginning has left."""
RIDER = VEHICLE_CLASSES.index("motorcycle")


def watched(
    vehicles: list[Vehicle],
    hidden: Vehicle,
    from_m: float,
    to_m: float,
    signal: SignalState = SignalState.GREEN,
) -> list[Crossing]:
    """Inward crossings while the last vehicle's boxes are missing on a part of its way."""
    camera = Camera()
    pipeline = CameraPipeline(camera.view(), detector="truth", weights_sha256="")
    found: list[Crossing] = []
    for time_s, every in frames(camera, [*vehicles, hidden], LINE_S + 8.0, seed=2, jitter=0.01):
        seen = every
        state = hidden.path(time_s)
        if state is not None and from_m < state[1] < to_m:
            at = box(camera, hidden, time_s)
            gone = np.array([
                at is not None and kind == RIDER and np.abs(row - at).max() < 6.0
                for row, kind in zip(every.boxes, every.classes, strict=True)
            ], np.bool_)  # fmt: skip
            seen = every.select(~gone)
        found += pipeline.process(time_s, seen, signal).crossings
    return [item for item in [*found, *pipeline.finish()] if item.direction == "in"]


def test_one_who_comes_out_from_behind_a_bus_is_counted():
    bus, rider = straight(0.0, LINE_S, 6.0, "bus"), straight(0.3, LINE_S - 1.2, 7.0)
    found = watched([bus], rider, -60.0, 5.0)
    assert sorted((item.vehicle_class, item.seen) for item in found) == [
        ("bus", True),
        ("motorcycle", False),
    ]
    unseen = next(item for item in found if not item.seen)
    assert abs(unseen.time_s - LINE_S + 1.2) < 0.8


def test_on_red_it_is_not_taken_to_have_come_over_the_line():
    bus, rider = straight(0.0, LINE_S, 6.0, "bus"), straight(0.3, LINE_S - 1.2, 7.0)
    found = watched([bus], rider, -60.0, 5.0, SignalState.RED)
    assert [item.vehicle_class for item in found] == ["bus"]


def test_one_who_is_lost_before_the_line_and_never_seen_again_is_counted():
    bus, rider = straight(0.0, LINE_S, 6.0, "bus"), straight(0.3, LINE_S - 1.2, 7.0)
    found = watched([bus], rider, -4.0, 60.0)
    assert sorted((item.vehicle_class, item.seen) for item in found) == [
        ("bus", True),
        ("motorcycle", False),
    ]


@pytest.mark.parametrize("until_m", [12.0, 20.0])
def test_one_who_was_counted_and_hidden_later_is_counted_once(until_m):
    bus, rider = straight(0.0, LINE_S, 6.0, "bus"), straight(0.3, LINE_S - 1.2, 7.0)
    found = watched([bus], rider, 2.0, until_m)
    assert sorted(item.vehicle_class for item in found) == ["bus", "motorcycle"]


def test_one_who_comes_from_the_side_is_not_counted():
    def across(time_s: float) -> tuple[float, float, float] | None:
        x = -25.0 + (time_s - LINE_S) * 7.0
        return (x, 9.0, np.pi / 2) if -25.0 < x < 25.0 else None

    found = watched([straight(0.0, LINE_S, 6.0, "bus")], Vehicle("motorcycle", across), 60.0, 61.0)
    assert [item.vehicle_class for item in found] == ["bus"]


def test_who_drove_past_is_not_held_where_the_picture_is_again_what_it_was():
    """Between a picture and one of half a second before, a fast one has come and gone."""
    camera = Camera()
    tracker = Tracker(camera.view())
    for time_s, seen in frames(camera, [straight(1.0, 2.0, 12.0)], 1.8):
        moving = np.ones((480, 640), np.uint8)
        tracks = tracker.update(time_s, road_users(seen), changes_of(moving))
    (last,) = tracks
    nobody = Detections.empty(VEHICLE_CLASSES)
    (gone,) = tracker.update(2.0, nobody, changes_of(np.zeros((480, 640), np.uint8)))
    assert not gone.held
    assert gone.centre[1] > last.centre[1] + 1.5


def changes_of(changed: np.ndarray) -> Changes:
    return Changes(np.asarray(cv2.integral(changed), np.int32), (1.0, 1.0))
