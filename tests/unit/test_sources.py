from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from mjpeg_camera import MjpegCamera
from video_files import set_times, write_video

from detection.live import LiveSettings, LiveSource
from detection.sources import FileSource, FolderSource, open_source
from models.errors import BadInput
from models.health import HealthKind


def picture(number: int, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    image = np.full((size[1], size[0], 3), 40, np.uint8)
    cv2.circle(image, (10 + number % 70, 30), 8, (0, 200, 255), -1)
    return image


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 8.0, (96, 64)
    )
    for number in range(40):
        writer.write(picture(number))
    writer.release()
    return path


def test_times_of_a_file_are_its_timestamps(video):
    source = open_source(str(video))
    frames = list(source)
    source.close()
    assert source.size_px == (96, 64)
    assert [frame.index for frame in frames] == list(range(40))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(40) / 8.0, atol=0.002)


def test_a_missing_an_empty_and_a_damaged_video_are_each_one_line(tmp_path, video):
    with pytest.raises(BadInput, match="no such video file"):
        FileSource(tmp_path / "none.mp4")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    with pytest.raises(BadInput, match="empty"):
        FileSource(empty)
    # The index of an MP4 stands at its end, so half a file cannot be opened at all.
    half = tmp_path / "half.mp4"
    half.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    with pytest.raises(BadInput, match="truncated"):
        list(FileSource(half))
    text = tmp_path / "text.mp4"
    text.write_text("this is no video\n" * 50)
    with pytest.raises(BadInput, match="not a video"):
        FileSource(text)


def test_a_video_that_breaks_off_says_where(tmp_path):
    path = write_video(tmp_path / "clip.avi", map(picture, range(60)), 8.0, "MJPG")
    cut = tmp_path / "cut.avi"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = FileSource(cut)
    assert source.promised_s == pytest.approx(7.5)
    seen = list(source)
    source.close()
    (fault,) = source.faults
    assert fault.kind is HealthKind.TRUNCATED
    assert fault.start_s == seen[-1].time_s
    assert fault.end_s == pytest.approx(7.375, abs=0.01)
    assert "breaks off" in fault.detail


def test_times_of_a_varying_rate_are_kept_and_a_gap_is_told(tmp_path):
    path = write_video(tmp_path / "clip.mp4", map(picture, range(30)), 10.0, "mp4v")
    steps = [0.1] * 10 + [0.4] * 9 + [12.0] + [0.04] * 10
    set_times(path, steps)
    source = FileSource(path)
    times = [frame.time_s for frame in source]
    source.close()
    np.testing.assert_allclose(np.diff(times), steps[:-1], atol=0.002)
    (fault,) = source.faults
    assert fault.kind is HealthKind.GAP
    assert (fault.start_s, fault.end_s) == (times[19], times[20])


def test_a_clock_that_is_set_does_not_stop_or_stretch_the_video(tmp_path):
    path = write_video(tmp_path / "clip.mkv", map(picture, range(40)), 10.0, "MJPG")
    path.write_bytes(path.read_bytes() * 2)  # begins again at 0 after four seconds
    source = FileSource(path)
    times = [frame.time_s for frame in source]
    source.close()
    np.testing.assert_allclose(np.diff(times), 0.1, atol=0.01)
    assert len(times) == 80
    (fault,) = source.faults
    assert fault.kind is HealthKind.CLOCK_JUMP
    assert "-3.9 s" in fault.detail

    ahead = write_video(tmp_path / "ahead.mp4", map(picture, range(20)), 10.0, "mp4v")
    set_times(ahead, [0.1] * 10 + [7200.0] + [0.1] * 9)
    source = FileSource(ahead)
    times = [frame.time_s for frame in source]
    source.close()
    np.testing.assert_allclose(np.diff(times), 0.1, atol=0.01)
    assert [fault.kind for fault in source.faults] == [HealthKind.CLOCK_JUMP]


def test_a_folder_needs_a_rate_and_images(tmp_path):
    with pytest.raises(BadInput, match="no images"):
        FolderSource(tmp_path, 6.0)
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number:03d}.png"), picture(number))
    with pytest.raises(BadInput, match="clock"):
        open_source(str(tmp_path))
    frames = list(open_source(str(tmp_path), folder_rate_hz=5.0))
    assert [frame.time_s for frame in frames] == [0.0, 0.2, 0.4]


def test_images_of_a_folder_come_as_a_person_counts(tmp_path):
    for number in range(12):
        cv2.imwrite(str(tmp_path / f"f{number}.png"), np.full((8, 8, 3), 20 * number, np.uint8))
    frames = open_source(str(tmp_path), folder_rate_hz=5.0)
    assert [int(frame.image[0, 0, 0]) // 20 for frame in frames] == list(range(12))


def test_a_damaged_image_of_a_folder_keeps_its_place_in_time_and_is_told(tmp_path):
    for number in (1, 2, 5):
        cv2.imwrite(str(tmp_path / f"{number:03d}.png"), picture(number))
    for number in (0, 3, 4):
        (tmp_path / f"{number:03d}.png").write_bytes(b"not an image" * (number > 0))
    source = open_source(str(tmp_path), folder_rate_hz=5.0)
    assert source.size_px == (96, 64)
    assert [frame.time_s for frame in source] == [0.2, 0.4, 1.0]
    gaps = [(fault.start_s, fault.end_s, fault.detail) for fault in source.faults]
    assert [gap[:2] for gap in gaps] == [(0.0, 0.2), (0.6, 1.0)]
    assert "003.png and 1 after it" in gaps[1][2]
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    with pytest.raises(BadInput, match=r"000\.png"):
        open_source(str(tmp_path), folder_rate_hz=5.0)


@pytest.fixture
def camera() -> Iterator[MjpegCamera]:
    server = MjpegCamera(picture)
    yield server
    server.close()


def test_a_stream_that_falls_silent_is_reconnected_and_the_gap_is_known(camera):
    source = LiveSource(camera.url, LiveSettings(hang_s=3.0, retry_s=0.2))
    frames = iter(source)
    first = [next(frames) for _ in range(5)]
    assert source.size_px == (96, 64)
    camera.silent.set()
    threading.Timer(4.0, camera.silent.clear).start()
    before = camera.connections
    # What had been sent before the silence still arrives; then the gap.
    last = first[-1].time_s
    for frame in frames:
        gap, last = frame.time_s - last, frame.time_s
        if gap > 1.0:
            break
    source.close()
    assert camera.connections > before
    assert len(source.faults) == 1
    assert source.faults[0].end_s - source.faults[0].start_s == pytest.approx(gap, abs=0.01)
    times = [frame.time_s for frame in first]
    assert times == sorted(times)


def test_a_stream_that_never_answers_is_one_line(camera):
    camera.close()
    with pytest.raises(BadInput, match="no frame within"):
        LiveSource(camera.url, LiveSettings(hang_s=0.5, open_s=1.0))
