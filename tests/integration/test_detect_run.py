"""A drawn video through source, detector, pipeline and evidence to the files of a run."""

from __future__ import annotations

import hashlib
import json
import resource
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import line_camera
import numpy as np
import pyarrow.parquet as pq
import pytest
from video_files import write_video

from detection.counting import CROSSING_COLUMNS
from detection.evidence import EvidenceWriter
from detection.pipeline import CameraPipeline
from detection.ports import Detections, Image
from detection.sources import FileSource
from detection.worker import DetectOptions, detect_source
from models.camera import SourceKind
from models.counts import counts_from_csv
from models.errors import BadInput, XanhError
from models.health import HealthKind
from models.signals import SignalChange, SignalState, SignalTimeline

VIEW = replace(
    line_camera.VIEW, camera="cam 1", calibration_version="7", lamp_px=(290, 10, 310, 50)
)


class BlueBoxes:
    """Finds the drawn riders by their colour."""

    name = "blue boxes"
    weights_sha256 = "ab" * 32
    class_names = ("motorcycle",)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        results = []
        for image in images:
            hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
            mask = cv2.inRange(hsv, (105, 120, 120), (135, 255, 255))
            _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
            rows = [(x, y, x + w, y + h) for x, y, w, h, area in stats[1:] if area > 60]
            boxes = np.array(rows, np.float32).reshape(-1, 4)
            results.append(
                Detections(
                    boxes,
                    np.full(len(boxes), 0.9, np.float32),
                    np.zeros(len(boxes), np.int64),
                    ("motorcycle",),
                )
            )
        return results


def draw(path: Path, *, codec: str = "mp4v", rate_hz: float = 6.0, frames: int = 60) -> Path:
    """Two riders: one crosses at about 2.5 s while the lamp is green, one at about 6 s on red."""
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), rate_hz, (320, 240)
    )
    for index in range(frames):
        time_s = index / rate_hz
        image = np.full((240, 320, 3), 90, np.uint8)
        lit = (40, 200, 40) if time_s < 4.0 else (30, 30, 230)
        cv2.circle(image, (300, 20 if time_s >= 4.0 else 40), 7, lit, -1)
        for x, at_line_s in ((90, 2.5), (200, 6.0)):
            bottom = round(150 - (time_s - at_line_s) * 30)
            if 0 < bottom < 239:
                cv2.rectangle(image, (x, bottom - 32), (x + 14, bottom), (230, 60, 20), -1)
        writer.write(image)
    writer.release()
    return path


def test_a_run_counts_flags_and_writes_everything(tmp_path):
    video = draw(tmp_path / "clip.mp4")
    out = tmp_path / "out"
    start = datetime(2026, 11, 22, 7, tzinfo=UTC)
    summary = detect_source(
        FileSource(video), VIEW, BlueBoxes(), out, options=DetectOptions(start=start, overlay=True)
    )
    rows = counts_from_csv((out / "counts.csv").read_text(), "counts.csv")
    assert {(r.movement, r.vehicle_class): r.count for r in rows} == {
        ("J:a>b", "motorcycle"): 2,
        ("J:a>b", "car"): 0,
    }
    assert rows[0].start == start
    assert rows[0].coverage == pytest.approx(1.0)
    lines = (out / "crossings.csv").read_text().splitlines()
    assert lines[0] == ",".join(CROSSING_COLUMNS)
    fields = [dict(zip(CROSSING_COLUMNS, line.split(","), strict=True)) for line in lines[1:]]
    assert [field["signal_state"] for field in fields] == ["green", "red"]
    assert [field["direction"] for field in fields] == ["in", "in"]
    assert fields[0]["time"].startswith("2026-11-22T07:00:02")
    assert abs(int(fields[1]["frame"]) - 36) <= 2

    (case_folder,) = (out / "violations").iterdir()
    case = json.loads((case_folder / "case.json").read_text())
    assert case["kind"] == "red_light"
    assert case["status"] == "pending_review"
    assert case["caution"] is None
    # The law looks at the front, which is over the line half a second before the wheels.
    assert case["time_s"] == pytest.approx(5.5, abs=0.3)
    assert case["time_into_red_s"] == pytest.approx(1.5, abs=0.3)
    assert case["weights_sha256"] == BlueBoxes.weights_sha256
    assert case["calibration_version"] == "7"
    assert [frame["name"] for frame in case["frames"]] == ["before", "at", "inside"]
    for name, digest in case["files_sha256"].items():
        assert hashlib.sha256((case_folder / name).read_bytes()).hexdigest() == digest
    crop = cv2.imread(str(case_folder / "at-crop.jpg"))
    assert crop[..., 0].max() > 180  # the blue rider is in it
    clip = cv2.VideoCapture(str(case_folder / "clip.webm"), cv2.CAP_FFMPEG)
    assert clip.get(cv2.CAP_PROP_FRAME_COUNT) > 10
    clip.release()

    tracks = pq.read_table(out / "tracks.parquet")
    assert set(tracks["track"].to_pylist()) == {1, 2}
    assert summary.crossings == 2
    assert summary.violations == 1
    overlay = cv2.VideoCapture(str(out / "overlay.webm"), cv2.CAP_FFMPEG)
    done, _ = overlay.read()
    overlay.release()
    assert done
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    # A second run replaces the first one's files and cases.
    detect_source(FileSource(video), VIEW, BlueBoxes(), out)
    assert len(list((out / "violations").iterdir())) == 1
    assert (out / "crossings.csv").read_text().splitlines()[1].startswith("2.")


def test_a_log_of_the_signal_outranks_the_lamp(tmp_path):
    video = draw(tmp_path / "clip.mp4")
    green = SignalTimeline((SignalChange(0.0, SignalState.GREEN),))
    summary = detect_source(FileSource(video), VIEW, BlueBoxes(), tmp_path / "out", signals=green)
    assert (summary.crossings, summary.violations) == (2, 0)


def test_a_source_that_fails_leaves_nothing_behind(tmp_path):
    whole = draw(tmp_path / "whole.avi", codec="MJPG")
    cut = tmp_path / "cut.avi"
    # The header and the index are whole, no frame can be decoded.
    data = bytearray(whole.read_bytes())
    begin = data.index(b"movi") + 4
    data[begin + 8 : data.index(b"idx1")] = bytes(data.index(b"idx1") - begin - 8)
    cut.write_bytes(data)
    with pytest.raises(BadInput, match="no frame can be decoded"):
        detect_source(FileSource(cut), VIEW, BlueBoxes(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing_behind(tmp_path):
    video = draw(tmp_path / "clip.mp4")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))  # no file may grow beyond this
    try:
        with pytest.raises(XanhError, match="out: cannot be written"):
            detect_source(FileSource(video), VIEW, BlueBoxes(), tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == [video]


def test_half_a_video_is_counted_as_far_as_it_goes_and_says_so(tmp_path):
    whole = draw(tmp_path / "whole.avi", codec="MJPG")
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    out = tmp_path / "out"
    summary = detect_source(FileSource(cut), VIEW, BlueBoxes(), out)
    (event,) = summary.health
    assert event.kind is HealthKind.TRUNCATED
    assert event.start_s == pytest.approx(4.5, abs=0.8)
    assert event.end_s == pytest.approx(9.8, abs=0.2)
    # The first rider is counted, the second is not invented, and the coverage knows.
    assert sum(row.count for row in summary.counts) == 1
    assert summary.counts[0].coverage == pytest.approx(event.start_s / event.end_s, abs=0.03)
    assert (out / "health.csv").read_text().splitlines()[1].startswith("truncated,")


def test_frozen_and_black_stretches_bring_no_counts(tmp_path):
    living = tmp_path / "living.avi"
    draw(living, codec="MJPG")
    frames = [frame.image for frame in FileSource(living)]
    noise = np.random.default_rng(1).integers(0, 30, frames[0].shape).astype(np.uint8)
    frames = [cv2.add(frame, np.roll(noise, 7 * i, 1)) for i, frame in enumerate(frames)]
    # Both riders stand in the picture that freezes for 20 s; then the camera goes black.
    pictures = frames[:12] + [frames[12]] * 120 + [np.zeros_like(frames[0])] * 30 + frames[48:]
    video = write_video(tmp_path / "clip.avi", pictures, 6.0, "MJPG")
    summary = detect_source(FileSource(video), VIEW, BlueBoxes(), tmp_path / "out")
    assert [event.kind for event in summary.health] == [HealthKind.FROZEN, HealthKind.BLANK]
    frozen, blank = summary.health
    assert (frozen.start_s, frozen.end_s) == (pytest.approx(2.0, abs=0.2), blank.start_s)
    assert blank.end_s == pytest.approx(27.0, abs=0.3)
    assert sum(row.count for row in summary.counts) == 0
    assert summary.counts[0].coverage == pytest.approx(4.0 / summary.duration_s, abs=0.06)


def test_a_picture_of_another_size_is_one_line(tmp_path):
    other = replace(VIEW, width_px=480)
    video = draw(tmp_path / "clip.mp4", frames=12)
    with pytest.raises(BadInput, match="320x240"):
        detect_source(FileSource(video), other, BlueBoxes(), tmp_path / "out")


def test_a_projected_camera_gives_a_schematic_case(tmp_path):
    view = replace(VIEW, source_kind=SourceKind.PROJECTED)
    writer = EvidenceWriter(view, tmp_path / "cases")
    pipeline = CameraPipeline(view, detector="projected", weights_sha256="", evidence=writer)
    flagged = []
    for index in range(40):
        bottom = 230 - index * 5
        found = Detections(
            np.array([[100, bottom - 32, 114, bottom]], np.float32),
            np.ones(1, np.float32),
            np.zeros(1, np.int64),
            ("motorcycle",),
        )
        flagged += pipeline.process(index / 6, found, SignalState.RED).violations
    assert len(flagged) == 1
    case = json.loads((writer.folder(flagged[0].id) / "case.json").read_text())
    assert case["schematic"] is True
    assert case["source_kind"] == "projected"
    assert (writer.folder(flagged[0].id) / "at.jpg").stat().st_size > 1000


def test_evidence_is_there_as_a_whole_or_not_at_all_and_the_camera_goes_on(tmp_path, monkeypatch):
    writer = EvidenceWriter(VIEW, tmp_path / "cases")
    pipeline = CameraPipeline(VIEW, detector="d", weights_sha256="", evidence=writer)
    rng = np.random.default_rng(1)

    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("detection.evidence.os.replace", full_disk)
    lost: list[str] = []
    flagged = 0
    for index in range(40):
        bottom = 230 - index * 5
        found = Detections(
            np.array([[100, bottom - 32, 114, bottom]], np.float32),
            np.ones(1, np.float32),
            np.zeros(1, np.int64),
            ("motorcycle",),
        )
        image = rng.integers(0, 255, (240, 320, 3)).astype(np.uint8)
        result = pipeline.process(index / 6, found, SignalState.RED, image)
        lost += result.lost_cases
        flagged += len(result.violations)
    assert len(lost) == 1
    assert "No space left" in lost[0]
    assert flagged == 0
    assert list((tmp_path / "cases").iterdir()) == []
    assert len(pipeline.finish()) == 1
