"""Several cameras in one process: shared network runs, bounded memory, and a clean stop."""

from __future__ import annotations

import csv
import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from mjpeg_camera import MjpegCamera
from test_detect_run import VIEW, BlueBoxes, draw

from detection.live import LiveSettings, LiveSource
from detection.ports import Detections, Image
from detection.sources import FileSource
from detection.worker import CameraJob, DetectOptions, DetectSummary, Progress, detect_sources
from models.errors import BadInput
from models.health import HealthKind

FILES = {
    "counts.csv", "measures.csv", "crossings.csv", "queue.csv", "tracks.parquet", "health.csv",
    "summary.json", "violations",
}  # fmt: skip


class Watched(BlueBoxes):
    """Notes how many frames each run of the network gets, and takes its time."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.batches: list[int] = []
        self.takes_s = takes_s

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        self.batches.append(len(images))
        time.sleep(self.takes_s)
        return super().detect(images)


def view(name: str):
    return dataclasses.replace(VIEW, camera=name)


def seen(outcome: object) -> DetectSummary:
    assert isinstance(outcome, DetectSummary), outcome
    return outcome


def test_cameras_share_each_run_of_the_network_and_one_that_fails_stops_no_other(tmp_path):
    detector = Watched()
    long, short = draw(tmp_path / "a.mp4"), draw(tmp_path / "b.mp4", frames=24)
    wrong = dataclasses.replace(view("c"), width_px=100)
    jobs = [
        CameraJob(FileSource(long), view("a"), detector, tmp_path / "out" / "a"),
        CameraJob(FileSource(short), view("b"), detector, tmp_path / "out" / "b"),
        CameraJob(FileSource(short), wrong, detector, tmp_path / "out" / "c"),
        CameraJob(
            FileSource(long), view("d"), detector, tmp_path / "out" / "d",
            options=DetectOptions(tiles=True),
        ),
    ]  # fmt: skip
    first, second, failed, tiled = detect_sources(jobs)
    assert (seen(first).frames, seen(second).frames, seen(tiled).frames) == (60, 24, 60)
    assert seen(first).crossings == seen(tiled).crossings == 2
    assert isinstance(failed, BadInput)
    assert "camera c" in str(failed)
    tiles = detector.batches[0] - 2
    assert tiles > 1
    # A run for each round: both whole frames and the tiles; then without the shorter video.
    assert detector.batches == [2 + tiles] * 24 + [1 + tiles] * 36
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a", "b", "d"}
    assert {path.name for path in (tmp_path / "out" / "b").iterdir()} == FILES


def test_a_stop_leaves_complete_files_of_what_was_seen(tmp_path):
    detector, out = Watched(), tmp_path / "out"
    (outcome,) = detect_sources(
        [CameraJob(FileSource(draw(tmp_path / "a.mp4")), view("a"), detector, out)],
        stop=lambda: len(detector.batches) >= 30,
    )
    assert seen(outcome).frames == 30
    assert {path.name for path in out.iterdir()} == FILES
    assert json.loads((out / "summary.json").read_text())["stopped"] is True
    with (out / "crossings.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 1


def riders(number: int) -> np.ndarray:
    image = np.full((240, 320, 3), 90, np.uint8)
    bottom = 235 - 4 * number % 200
    cv2.rectangle(image, (90, bottom - 32), (104, bottom), (230, 60, 20), -1)
    cv2.putText(image, str(number), (5, 20), cv2.FONT_HERSHEY_PLAIN, 1.0, (255, 255, 255))
    return image


@pytest.fixture
def camera():
    served = MjpegCamera(riders)
    yield served
    served.close()


def test_a_slow_machine_sees_the_newest_frames_of_live_cameras_and_keeps_none(camera, tmp_path):
    detector = Watched(takes_s=0.15)
    settings = LiveSettings(retry_s=0.2, gap_s=1.0)
    shown: list[Progress] = []
    jobs = [
        CameraJob(
            LiveSource(camera.url, settings), view(name), detector, tmp_path / name,
            options=DetectOptions(until_s=4.0),
        )
        for name in ("a", "b")
    ]  # fmt: skip

    def progress(each: Sequence[Progress]) -> None:
        shown.extend(each)
        if each[0].time_s > 1.5:
            camera.silent.set()

    first, second = (seen(item) for item in detect_sources(jobs, progress=progress))
    for outcome in (first, second):
        # 25 a second come, some six are looked at; the others were overtaken.
        assert outcome.dropped > outcome.frames > 5
        # A busy machine may have had a gap of its own before.
        gap = [event for event in outcome.health if event.kind is HealthKind.GAP][-1]
        assert gap.end_s == pytest.approx(4.0, abs=0.5)
        assert outcome.counts[0].coverage < 0.8
    assert {item.camera for item in shown} == {"a", "b"}
    assert max(detector.batches) == 2


SITE = """\
schema: 1
id: s
name: s
agencies: [transport, police]
junctions: [{id: J, movements: [{id: "J:a>b", turn: through}]}]
cameras:
  - {id: a, junction: J, approach: a, kind: stream, source: URL, size_px: [320, 240],
     stop_line: [[20, 150], [300, 150]], inward: [0, -1],
     zone: [[20, 150], [300, 150], [300, 240], [20, 240]],
     movements: [{id: "J:a>b", path: [[160, 240], [160, 0]]}]}
  - {id: b, junction: J, approach: a, kind: stream, source: URL, size_px: [320, 240],
     stop_line: [[20, 150], [300, 150]], inward: [0, -1],
     zone: [[20, 150], [300, 150], [300, 240], [20, 240]],
     movements: [{id: "J:a>b", path: [[160, 240], [160, 0]]}]}
"""


def test_sigterm_ends_the_command_with_complete_files(camera, tmp_path: Path):
    (tmp_path / "site.yaml").write_text(SITE.replace("URL", camera.url))
    command = [
        sys.executable, "-c", "from traffic.cli import main; main()", "detect", "--site",
        str(tmp_path), "--cameras", "all", "--out", str(tmp_path / "out"), "--save-overlay",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            deadline = time.monotonic() + 60
            # An overlay begins when a dozen frames were looked at.
            while len(list(tmp_path.glob("out/.?.*/overlay.webm"))) < 2:
                assert time.monotonic() < deadline
                assert process.poll() is None, process.stderr
                time.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            told, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert "a: " in told
    assert "frames/s" in told
    for name in ("a", "b"):
        assert {path.name for path in (tmp_path / "out" / name).iterdir()} == {
            *FILES, "overlay.webm",
        }  # fmt: skip
    assert not list((tmp_path / "out").glob(".*"))
