"""Crossings and red-light runners on labelled footage: this pipeline, its parts, its peers.

Run with `XANH_TEST_DATA` set:

    .venv/bin/python benchmarks/real_footage.py [--tiles] [--peer PYTHON]

`--peer` names an interpreter that has ultralytics (a venv after `make setup-train`): its own
tracker and ObjectCounter then run on the same clip, in the same run. The labels were made by eye
(docs/examples/hanoi-giang-vo/README.md); the line `queue` lies in the middle of the waiting
riders and is far harder than the stop line.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from detection.counting import Crossing
from detection.crossing_score import Passage, Score, read_labels, score, score_red_light
from detection.detectors import open_detector
from detection.lamp import LampReader
from detection.pipeline import CameraPipeline, PipelineSettings
from detection.plane import GroundPlane
from detection.ports import Detections, Detector, Frame
from detection.sources import open_source
from detection.tiling import TiledDetector, zone_tiles
from detection.tracking import TrackerSettings
from detection.yolo import DetectorSettings
from models.camera import IDENTITY, CameraView
from models.signals import SignalState
from traffic.sites import load_site

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "hanoi-giang-vo"
QUEUE_LINE = ((150.0, 415.0), (640.0, 440.0))
PEER = Path(__file__).with_name("ultralytics_peer.py")

PARTS: Mapping[str, PipelineSettings] = {
    "everything": PipelineSettings(),
    "without stillness": PipelineSettings(stillness=False),
    "without rider size": PipelineSettings(rider_size=False),
    "without hidden wheels": PipelineSettings(tracker=TrackerSettings(short_share=0.0)),
    "without weak detections": PipelineSettings(tracker=TrackerSettings(low_score=0.35)),
}


def in_pixels(view: CameraView) -> CameraView:
    """The same view without its calibration."""
    plane = GroundPlane(view)

    def image(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        return tuple((x, y) for x, y in plane.to_image(np.array(points)).tolist())

    paths = tuple(dataclasses.replace(m, points=image(m.points)) for m in view.movements)
    start, end = image(view.stop_line)
    return dataclasses.replace(
        view, ground_from_image=IDENTITY, metric=False, stop_line=(start, end),
        inward=(0.0, -1.0), zone=image(view.zone), movements=paths,
    )  # fmt: skip


def with_line(view: CameraView, line_px: tuple[tuple[float, float], ...]) -> CameraView:
    """The same view with another line, given in pixels."""
    start, end = GroundPlane(view).to_plane(np.array(line_px)).tolist()
    return dataclasses.replace(view, stop_line=((start[0], start[1]), (end[0], end[1])))


def run(
    view: CameraView,
    frames: list[tuple[Frame, Detections, SignalState]],
    settings: PipelineSettings,
) -> tuple[list[Crossing], list[Passage]]:
    """Inward crossings, and the red-light runners among what was flagged."""
    pipeline = CameraPipeline(view, detector="", weights_sha256="", settings=settings)
    crossings: list[Crossing] = []
    runners = []
    times = np.array([frame.time_s for frame, _, _ in frames])
    for frame, found, state in frames:
        result = pipeline.process(frame.time_s, found, state, frame.image, frame=frame.index)
        crossings += result.crossings
        for flag in result.violations:
            if flag.kind.value == "red_light":
                at = min(flag.points, key=lambda point: abs(point.time_s - flag.time_s))
                runners.append(Passage(int(np.abs(times - flag.time_s).argmin()), at.x_px))
    crossings += pipeline.finish()
    return [item for item in crossings if item.direction == "in"], runners


def text(value: Score) -> str:
    """Precision and recall, with the counts behind them."""
    precision = "-" if value.precision is None else f"{value.precision:.2f}"
    recall = "-" if value.recall is None else f"{value.recall:.2f}"
    return f"P {precision} R {recall} ({value.matched} of {value.labelled}, {value.found} found)"


def peers(python: str, clip: Path, weights: Path) -> Iterator[tuple[str, list[Passage]]]:
    """Crossings of the stop line as ultralytics counts them."""
    environment = {**os.environ, "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0"}
    for tracker in ("bytetrack.yaml", "botsort.yaml"):
        command = [python, str(PEER), str(clip), str(weights), tracker]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.strip().splitlines()[-1])
        rows = [Passage(int(frame), float(x)) for frame, x in found["crossings"]]
        yield f"{tracker.split('.')[0]}, {found['cpu_ms']:.0f} ms CPU a frame", rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="yolox-nano")
    parser.add_argument("--tiles", action="store_true", help="look twice at the zone")
    parser.add_argument("--peer", help="a Python with ultralytics")
    arguments = parser.parse_args()
    data = Path(os.environ["XANH_TEST_DATA"])
    os.environ.setdefault("XANH_WEIGHTS_DIR", str(data / "weights"))
    clip = data / "footage" / "vn_16h15.mp4"
    labels = read_labels((EXAMPLE / "labels.csv").read_text(encoding="utf-8"), "labels.csv")
    view = load_site(EXAMPLE).camera("giang-vo-south").view
    detector: Detector = open_detector(arguments.weights, DetectorSettings(threads=1))
    if arguments.tiles:
        detector = TiledDetector(detector, zone_tiles(view))
    assert view.lamp_px is not None
    lamp = LampReader(view.lamp_px)
    frames = []
    began = time.process_time()
    for frame in open_source(str(clip)):
        assert frame.image is not None
        found = detector.detect([frame.image])[0]
        frames.append((frame, found, lamp.read(frame.time_s, frame.image)))
    spent_ms = (time.process_time() - began) / len(frames) * 1000
    print(f"{detector.name}: {spent_ms:.1f} ms CPU a frame for decoding and detection")
    for name, settings in PARTS.items():
        for kind, base in (("metres", view), ("pixels", in_pixels(view))):
            began = time.process_time()
            crossings, runners = run(base, frames, settings)
            spent_ms = (time.process_time() - began) / len(frames) * 1000
            passages = [Passage(item.frame, item.x_px) for item in crossings]
            stop = score(passages, labels["stop"], view.width_px)
            red = score_red_light(runners, labels["stop"], view.width_px)
            on_queue, _ = run(with_line(base, QUEUE_LINE), frames, settings)
            queue = score(
                [Passage(item.frame, item.x_px) for item in on_queue], labels["queue"],
                view.width_px,
            )  # fmt: skip
            print(f"{name}, {kind} ({spent_ms:.1f} ms CPU a frame)")
            print(f"    stop line {text(stop)}; red light {text(red)}; queue line {text(queue)}")
    if arguments.peer:
        for name, passages in peers(arguments.peer, clip, data / "weights"):
            print(f"ultralytics ObjectCounter, yolov8n-int8, {name}")
            print(f"    stop line {text(score(passages, labels['stop'], view.width_px))}")


if __name__ == "__main__":
    main()
