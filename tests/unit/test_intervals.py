"""Counting intervals end with the clock's, so that several cameras' counts add up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from line_camera import VIEW

from detection.counting import EPOCH, CountingSettings
from detection.measures import APPROACH
from detection.pipeline import CameraPipeline, PipelineSettings
from detection.ports import Detections
from models.signals import SignalState

DAY = datetime(2026, 11, 22, tzinfo=UTC)


def rider(time_s: float, at_line_s: float) -> Detections:
    bottom = 150 - (time_s - at_line_s) * 30
    there = int(0 < bottom < 239)
    boxes = np.array([[90, bottom - 32, 104, bottom]] if there else [], np.float32)
    return Detections(
        boxes.reshape(-1, 4), np.ones(there, np.float32), np.zeros(there, np.int64), ("motorcycle",)
    )


def watched(start: datetime, first_s: float, last_s: float, interval_s: float) -> CameraPipeline:
    settings = PipelineSettings(counting=CountingSettings(interval_s=interval_s))
    pipeline = CameraPipeline(VIEW, detector="d", weights_sha256="", settings=settings, start=start)
    for time_s in np.arange(first_s, last_s, 1 / 6).tolist():
        # One crosses 4 s before, another 4 s after the 60th second.
        found = rider(time_s, 56.0) if time_s < 60 else rider(time_s, 64.0)
        pipeline.process(time_s, found, SignalState.UNKNOWN)
    pipeline.finish()
    return pipeline


def spans(pipeline: CameraPipeline, start: datetime) -> list[tuple[float, float, int]]:
    return [
        ((row.start - start).total_seconds(), (row.end - start).total_seconds(), row.count)
        for row in pipeline.counts()
        if row.vehicle_class == "motorcycle"
    ]


def test_the_first_interval_is_cut_where_the_watch_begins() -> None:
    start = DAY + timedelta(hours=7)
    pipeline = watched(start, 50.0, 80.0, 60.0)
    (first, second) = spans(pipeline, start)
    assert first == (50.0, 60.0, 1)
    assert second == (60.0, pytest.approx(80.0, abs=0.2), 1)
    assert all(row.coverage == pytest.approx(1.0) for row in pipeline.counts())
    measures = {
        (row.start - start).total_seconds(): row
        for row in pipeline.measures(pipeline.counts())
        if row.movement == APPROACH
    }
    assert {at: row.count for at, row in measures.items()} == {50.0: 1, 60.0: 1}
    assert all(row.queue_max_veh is not None for row in measures.values())


@pytest.mark.parametrize("start", [EPOCH, DAY + timedelta(hours=7, minutes=15)])
def test_a_watch_that_begins_on_the_hour_has_whole_intervals(start: datetime) -> None:
    assert spans(watched(start, 0.0, 70.0, 60.0), start) == [
        (0.0, 60.0, 1),
        (60.0, pytest.approx(70.0, abs=0.2), 1),
    ]


def test_the_clock_decides_not_the_source() -> None:
    """Second 0 of the source is 7:00:40: the minute ends after 20 s."""
    start = DAY + timedelta(hours=7, seconds=40)
    begins = [begin for begin, _, _ in spans(watched(start, 0.0, 90.0, 60.0), start)]
    assert begins == [0.0, 20.0, 80.0]


def test_a_frame_just_before_the_hour_makes_no_interval_of_its_own() -> None:
    start = DAY + timedelta(hours=7) - timedelta(microseconds=400)
    assert [round(begin) for begin, _, _ in spans(watched(start, 0.0, 30.0, 60.0), start)] == [0]
