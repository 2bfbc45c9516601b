"""Whom the rules look at: not one who came over the line on foot, not half of a vehicle."""

from __future__ import annotations

from dataclasses import replace

import line_camera
import numpy as np
import pytest

from detection.pipeline import CameraPipeline
from detection.ports import Detections
from models.camera import MovementPath
from models.signals import SignalState
from models.site import VEHICLE_CLASSES
from models.violation import ViolationKind

VIEW = replace(line_camera.VIEW, movements=(MovementPath("J:a>b", ((110.0, 240.0), (110.0, 0.0))),))
FRAMES = 40
LINE_FRAME = 17


def flags(names: list[str]) -> list[ViolationKind]:
    """What is flagged of one who passes the line on red, called so frame by frame."""
    pipeline = CameraPipeline(VIEW, detector="boxes", weights_sha256="")
    found: list[ViolationKind] = []
    for index, name in enumerate(names):
        bottom = 235 - index * 5
        boxes = np.array([[100, bottom - 32, 114, bottom]], np.float32)
        called = np.array([VEHICLE_CLASSES.index(name)], np.int64)
        seen = Detections(boxes, np.ones(1, np.float32), called, VEHICLE_CLASSES)
        result = pipeline.process(index / 6, seen, SignalState.RED)
        found += [violation.kind for violation in result.violations]
    return found


def test_who_came_over_the_line_on_foot_is_not_judged_when_a_rider_has_his_track() -> None:
    rider = ["motorcycle"] * FRAMES
    on_foot = ["pedestrian"] * (LINE_FRAME + 3) + ["motorcycle"] * (FRAMES - LINE_FRAME - 3)
    assert flags(rider) == [ViolationKind.RED_LIGHT]
    assert flags(on_foot) == []


def test_a_riders_track_that_went_on_with_a_walker_tells_nothing_of_him() -> None:
    """Who waits is hidden by a walker, whose boxes his track takes over the line."""
    walker = ["motorcycle"] * (LINE_FRAME - 5) + ["pedestrian"] * (FRAMES - LINE_FRAME + 5)
    called_so_once = ["motorcycle"] * FRAMES
    called_so_once[LINE_FRAME - 2 : LINE_FRAME + 2] = ["pedestrian"] * 4
    assert flags(walker) == []
    assert flags(called_so_once) == [ViolationKind.RED_LIGHT]


@pytest.mark.parametrize(
    ("box", "whole"),
    [
        ((100, 133, 160, 233), True),
        ((100, 137, 160, 237), False),  # its lower edge may be the picture's
        ((100, 217, 108, 237), True),  # one so small ends where it ends
        ((3, 100, 103, 160), False),
        ((100, 3, 160, 103), False),
    ],
)
def test_a_large_box_near_the_edge_may_be_cut(
    monkeypatch: pytest.MonkeyPatch, box: tuple[int, int, int, int], whole: bool
) -> None:
    pipeline = CameraPipeline(VIEW, detector="boxes", weights_sha256="")
    empty = Detections.empty(VEHICLE_CLASSES)
    pipeline.process(0.0, empty, SignalState.RED)
    at = np.array([[130.0, 200.0]])
    places = pipeline._tracker.places._replace(
        centre=at, front=at, contact=at, units=np.ones((1, 2)), box_px=np.array([box], float)
    )
    monkeypatch.setattr(pipeline._tracker, "places", places)
    (place,) = pipeline._standing_of(1)
    assert place.whole is whole
