"""A live source on a real RTSP server that is killed, hung, spoiled and changed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from rtsp_camera import RtspCamera, require_rtsp_server

from detection.live import LiveSettings, LiveSource
from detection.ports import Frame

BACK_WITHIN_S = 10.0
SETTINGS = LiveSettings(hang_s=1.5, retry_s=0.3, gap_s=0.8)


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    require_rtsp_server()
    served = RtspCamera()
    yield served
    served.close()


def watch(source: LiveSource, seconds: float) -> list[Frame]:
    frames, end = [], time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        frame = source.next(min(left, 0.2))
        if frame is not None:
            frames.append(frame)
    return frames


def await_frame(source: LiveSource) -> Frame:
    frame = source.next(BACK_WITHIN_S)
    assert frame is not None, f"not back within {BACK_WITHIN_S} s"
    return frame


def test_a_camera_that_dies_hangs_and_changes_comes_back(camera: RtspCamera) -> None:
    camera.start(320, 240)
    source = LiveSource(camera.url, SETTINGS)
    try:
        assert source.size_px == (320, 240)
        steps = np.diff([frame.time_s for frame in watch(source, 2.0)])
        # Even in spite of bursts: the stream's own timestamps, at the camera's true rate.
        assert np.median(steps) == pytest.approx(1 / camera.rate, abs=0.02)

        camera.kill()
        watch(source, 1.5)
        camera.start(400, 304)
        frame = await_frame(source)
        assert frame.image is not None
        assert frame.image.shape == (304, 400, 3)
        assert source.size_px == (400, 304)
        assert len(source.faults) == 1
        assert source.faults[0].end_s == frame.time_s

        watch(source, 1.0)
        camera.hang()
        # Longer than the watchdog waits: the reader that hangs in read() is replaced.
        watch(source, 3.0)
        assert source.silent_s > 2.0
        camera.go_on()
        await_frame(source)
        assert len(source.faults) == 2
        assert 2.0 < source.faults[1].end_s - source.faults[1].start_s < 3.0 + BACK_WITHIN_S

        camera.spoiling.set()
        watch(source, 2.0)
        camera.spoiling.clear()
        await_frame(source)
        frames = watch(source, 3.0)
        assert frames
        times = [frame.time_s for frame in frames]
        assert times == sorted(set(times))
    finally:
        source.close()


def test_a_camera_may_come_later(camera: RtspCamera) -> None:
    source = LiveSource(camera.url, SETTINGS, patient=True)
    try:
        assert source.next(1.5) is None
        camera.start()
        frame = await_frame(source)
        assert frame.index == 0
        # Nothing was seen from the start until it came: the coverage must know.
        assert source.faults[0].start_s == 0.0
        assert source.faults[0].end_s == frame.time_s > 1.5
    finally:
        source.close()
