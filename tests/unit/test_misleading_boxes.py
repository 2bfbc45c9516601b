"""Boxes and pictures that mislead for a moment do not stop a vehicle that drives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_cut_boxes import TRUCK, Road, road

from detection.ports import Detections
from detection.tracking import Tracker
from simulation.states import CLASSES

__all__ = ["road"]


def drive(road: Road, step: int, speed_mps: float, **more: float) -> float:
    """One frame; how far ahead of the truck its track is (not a number: lost)."""
    front_m = -4.0 + speed_mps * step / 6
    track = road.see(step / 6, front_m, TRUCK, **more)
    return math.nan if track is None else road.depth_m(track.front) - front_m


@pytest.mark.parametrize("speed_mps", [6.0, 5.0])
def test_one_who_drives_is_not_held_where_the_picture_is_still_for_once(road, speed_mps):
    """Between those who stand little of the picture changes where a rider drives past them."""
    for step in range(12):
        drive(road, step, speed_mps, moved=0.3)
    off = [drive(road, 12 + k, speed_mps, moved=0.0, seen=False) for k in range(3)]
    assert max(map(abs, off)) < 1.5


def test_a_truck_drawn_too_tall_for_a_moment_goes_on(road):
    """Its wheels are not sought below its box when the box is right again."""
    for step in range(9):
        drive(road, step, 6.0)
    for step in range(9, 12):
        drive(road, step, 6.0, taller=0.3)
    off = [drive(road, 12 + k, 6.0) for k in range(9)]
    assert max(map(abs, off)) < 3.0
    assert abs(off[-1]) < 1.5


@pytest.mark.parametrize(
    ("small", "score", "tracks"),
    [
        ((320, 222, 338, 258), 0.5, 1),
        ((320, 222, 338, 258), 0.85, 2),
        ((331, 215, 351, 251), 0.5, 2),
    ],
    ids=["his second box", "a rider right behind", "one beside him"],
)
def test_a_weak_box_within_a_riders_box_starts_no_track(road, small, score, tracks):
    """Seen from the side a rider is found twice now and then."""
    tracker, rider = Tracker(road.view), CLASSES.index("motorcycle")
    for step in range(6):
        boxes = [(318, 220, 346, 260), small][: 2 if step >= 3 else 1]
        found = Detections(
            np.array(boxes, np.float32),
            np.array([0.9, score][: len(boxes)], np.float32),
            np.full(len(boxes), rider, np.int64),
            CLASSES,
        )
        seen = tracker.update(step / 6, found, walkers=True)
    assert len(seen) == tracks


@pytest.mark.parametrize(
    ("third", "tracks"),
    [((300, 216, 352, 262), 2), ((300, 200, 352, 300), 3), ((340, 216, 392, 262), 3)],
    ids=["round both", "one nearer that hides both", "one beside them"],
)
@pytest.mark.parametrize("last_seen", [True, False])
def test_a_box_round_two_riders_starts_no_track(road, third, tracks, last_seen):
    """Who rides by another is found with him in one box, and by himself no longer."""
    tracker, rider = Tracker(road.view), CLASSES.index("motorcycle")
    for step in range(8):
        boxes = [(302, 218, 328, 260), third, (326, 216, 350, 258)]
        boxes = boxes[: 3 if last_seen else 2] if step >= 6 else boxes[::2]
        found = Detections(
            np.array(boxes, np.float32),
            np.full(len(boxes), 0.8, np.float32),
            np.full(len(boxes), rider, np.int64),
            CLASSES,
        )
        seen = tracker.update(step / 6, found, walkers=True)
    assert len(seen) == tracks
