"""What each step from a video file to its flags costs on one core.

    XANH_TEST_DATA=... .venv/bin/python benchmarks/detection_speed.py [--frames N] [--peer PYTHON]

Processor time, not wall time, so that a busy machine does not change the figures much; one
thread everywhere. The processor is named, and whether it has AMX; `f32` computes without
bfloat16 (the figure for a processor that has neither AMX nor AVX512-BF16). `--peer` names an
interpreter that has ultralytics: its own tracker and ObjectCounter then run on the same clip, in
the same run, with its own detector (yolov8n, int8, 640).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from detection.detectors import open_detector
from detection.health import HealthMonitor
from detection.lamp import LampReader
from detection.pipeline import CameraPipeline
from detection.plane import GroundPlane
from detection.ports import Detections, Frame, Image
from detection.rider_size import RiderSize
from detection.sources import open_source
from detection.yolo import DetectorSettings
from models.camera import CameraView
from models.signals import SignalState
from models.site import VEHICLE_CLASSES
from traffic.sites import load_site

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "hanoi-giang-vo"
PEER = Path(__file__).with_name("ultralytics_peer.py")
OBJECTS = 60
STEPS = 240
RUNS = 9
DETECTORS = (("yolox-nano", ""), ("yolox-nano", "f32"), ("street", ""), ("street", "f32"))


def processor() -> str:
    """Its name, and which fast matrix instructions it has."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    fields: dict[str, str] = {}
    for line in text.split("\n\n", 1)[0].splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    flags = set(fields.get("flags", "").split())
    has = [name for name in ("amx_tile", "avx512_bf16", "avx512f") if name in flags]
    return f"{fields.get('model name', 'unknown')} ({', '.join(has) or 'none of AMX, AVX512'})"


def street(view: CameraView, step: int) -> Detections:
    """Sixty riders, six abreast, who ride up to the line and on, as a detector's boxes."""
    plane, size = GroundPlane(view), RiderSize(view)
    (ax, ay), (bx, by) = view.stop_line
    index = np.arange(OBJECTS)
    across = 0.1 + 0.15 * (index % 6)
    # Ten rows, two metres apart, at 2.4 m/s; the first leaves where the last comes in.
    along = (2.0 * (index // 6) + 0.4 * step) % 20.0 - 4.0
    ground = np.stack([ax + (bx - ax) * across, (ay + by) / 2 + along], axis=1)
    contact = plane.to_image(ground)
    height = size.height_px(contact)
    low = np.stack([contact[:, 0] - 0.22 * height, contact[:, 1] - height], axis=1)
    high = np.stack([contact[:, 0] + 0.22 * height, contact[:, 1]], axis=1)
    boxes = np.concatenate([low, high], axis=1).astype(np.float32)
    kind = np.full(OBJECTS, VEHICLE_CLASSES.index("motorcycle"), np.int64)
    return Detections(boxes, np.full(OBJECTS, 0.8, np.float32), kind, VEHICLE_CLASSES)


def ride(view: CameraView, boxes: Sequence[Detections]) -> tuple[float, float]:
    """Seconds that tracking and rules take of a new camera's frames, and of these Python's
    garbage collector, which a run meets more or fewer times."""
    pipeline = CameraPipeline(view, detector="", weights_sha256="")
    collecting: list[float] = []

    def note(phase: str, _: dict[str, int]) -> None:
        collecting.append(time.process_time() * (1.0 if phase == "stop" else -1.0))

    gc.callbacks.append(note)
    began = time.process_time()
    for step, found in enumerate(boxes):
        pipeline.process(step / 6, found, SignalState.GREEN)
    spent_s = time.process_time() - began
    gc.callbacks.remove(note)
    return spent_s, sum(collecting)


def per_frame(spent_s: float, frames: int) -> str:
    """Milliseconds a frame."""
    return f"{1000 * spent_s / frames:6.2f} ms"


def main() -> None:
    cv2.setNumThreads(1)
    data = Path(os.environ["XANH_TEST_DATA"])
    os.environ.setdefault("XANH_WEIGHTS_DIR", str(data / "weights"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=384)
    parser.add_argument("--peer", help="a Python with ultralytics")
    arguments = parser.parse_args()
    limit: int = arguments.frames
    clip = data / "footage" / "vn_16h15.mp4"
    print(processor())
    view = load_site(EXAMPLE).camera("giang-vo-south").view
    began = time.process_time()
    images: list[tuple[float, Image]] = []
    for frame in open_source(str(clip)):
        if frame.image is not None and len(images) < limit:
            images.append((frame.time_s, frame.image))
    decode_s = (time.process_time() - began) * len(images) / (frame.index + 1)
    print(f"decode {per_frame(decode_s, len(images))}")
    assert view.lamp_px is not None
    health = HealthMonitor((view.width_px, view.height_px))
    began = time.process_time()
    for index, (time_s, image) in enumerate(images):
        health.look(Frame(index, time_s, image))
    health_s = time.process_time() - began
    print(f"health, and a mast that sways {per_frame(health_s, len(images))}")
    for weights, precision in DETECTORS:
        detector = open_detector(weights, DetectorSettings(threads=1, precision=precision))
        detector.detect([images[0][1]])
        began = time.process_time()
        found = [detector.detect([image])[0] for _, image in images]
        network_s = time.process_time() - began
        pipeline = CameraPipeline(view, detector="", weights_sha256="")
        lamp = LampReader(view.lamp_px)
        began = time.process_time()
        tracks = 0
        for (time_s, image), detections in zip(images, found, strict=True):
            state = lamp.read(time_s, image)
            tracks += len(pipeline.process(time_s, detections, state, image).tracks)
        rest_s = time.process_time() - began
        total_s = decode_s + health_s + network_s + rest_s
        count = len(images)
        print(
            f"{weights:11s}{precision or 'default':8s} network {per_frame(network_s, count)}, "
            f"lamp to rules {per_frame(rest_s, count)} at {tracks / count:.0f} tracks, "
            f"end to end {per_frame(total_s, count)}: {count / total_s:.0f} frames/s of one core"
        )
    if arguments.peer:
        environment = {**os.environ, "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0"}
        for tracker in ("bytetrack.yaml", "botsort.yaml"):
            command = [
                arguments.peer, str(PEER), str(clip), str(data / "weights"), tracker,
            ]  # fmt: skip
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=True
            )
            spent_ms = json.loads(done.stdout.strip().splitlines()[-1])["cpu_ms"]
            print(
                f"ultralytics ObjectCounter, {tracker.split('.')[0]:10s} end to end "
                f"{spent_ms:.2f} ms: {1000 / spent_ms:.0f} frames/s of one core"
            )
    boxes = [street(view, step) for step in range(STEPS)]
    ride(view, boxes[:60])  # What is compiled is loaded.
    runs = [ride(view, boxes) for _ in range(RUNS)]
    low, middle, high = np.quantile([spent_s for spent_s, _ in runs], [0.25, 0.5, 0.75])
    collected_s = float(np.median([collected_s for _, collected_s in runs]))
    print(
        f"tracking and rules, {OBJECTS} objects, no picture {per_frame(middle, STEPS)} (median of "
        f"{RUNS} runs of {STEPS} frames, quartiles {per_frame(low, STEPS).strip()} and "
        f"{per_frame(high, STEPS).strip()}; of it {per_frame(collected_s, STEPS).strip()} Python "
        f"collecting garbage)"
    )


if __name__ == "__main__":
    main()
