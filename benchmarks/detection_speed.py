"""What each step from a video file to its flags costs on one core.

    XANH_TEST_DATA=... .venv/bin/python benchmarks/detection_speed.py [FRAMES]

Processor time, not wall time, so that a busy machine does not change the figures much; one
thread everywhere. The processor is named, and whether it has AMX; `f32` computes without
bfloat16 (the figure for a processor that has neither AMX nor AVX512-BF16).
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from detection.detectors import open_detector
from detection.lamp import LampReader
from detection.pipeline import CameraPipeline
from detection.plane import GroundPlane
from detection.ports import Detections, Image
from detection.rider_size import RiderSize
from detection.sources import open_source
from detection.yolo import DetectorSettings
from models.camera import CameraView
from models.signals import SignalState
from models.site import VEHICLE_CLASSES
from traffic.sites import load_site

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "hanoi-giang-vo"
OBJECTS = 60


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


def per_frame(spent_s: float, frames: int) -> str:
    """Milliseconds a frame."""
    return f"{1000 * spent_s / frames:6.2f} ms"


def main() -> None:
    cv2.setNumThreads(1)
    data = Path(os.environ["XANH_TEST_DATA"])
    os.environ.setdefault("XANH_WEIGHTS_DIR", str(data / "weights"))
    limit = int(sys.argv[1]) if len(sys.argv) > 1 else 384
    print(processor())
    view = load_site(EXAMPLE).camera("giang-vo-south").view
    began = time.process_time()
    images: list[tuple[float, Image]] = []
    for frame in open_source(str(data / "footage" / "vn_16h15.mp4")):
        if frame.image is not None and len(images) < limit:
            images.append((frame.time_s, frame.image))
    decode_s = (time.process_time() - began) * len(images) / (frame.index + 1)
    print(f"decode                     {per_frame(decode_s, len(images))}")
    found: list[Detections] = []
    network_s: dict[str, float] = {}
    for precision in ("", "f32"):
        settings = DetectorSettings(threads=1, precision=precision)
        detector = open_detector("yolox-nano", settings)
        detector.detect([images[0][1]])
        began = time.process_time()
        found = [detector.detect([image])[0] for _, image in images]
        network_s[precision] = time.process_time() - began
        name = f"YOLOX-nano 416 {precision or 'as OpenVINO picks'}"
        print(f"{name:27s}{per_frame(network_s[precision], len(images))}")
    assert view.lamp_px is not None
    pipeline = CameraPipeline(view, detector="", weights_sha256="")
    lamp = LampReader(view.lamp_px)
    began = time.process_time()
    tracks = 0
    for (time_s, image), detections in zip(images, found, strict=True):
        state = lamp.read(time_s, image)
        tracks += len(pipeline.process(time_s, detections, state, image).tracks)
    rest_s = time.process_time() - began
    print(f"lamp, fusion to rules      {per_frame(rest_s, len(images))}, "
          f"{tracks / len(images):.0f} tracks")  # fmt: skip
    for precision, spent_s in network_s.items():
        total_s = decode_s + spent_s + rest_s
        print(f"end to end {precision or 'default':8s}        {per_frame(total_s, len(images))}: "
              f"{len(images) / total_s:.0f} frames/s of one core")  # fmt: skip
    pipeline = CameraPipeline(view, detector="", weights_sha256="")
    steps = 240
    boxes = [street(view, step) for step in range(steps)]
    began = time.process_time()
    for step in range(steps):
        pipeline.process(step / 6, boxes[step], SignalState.GREEN)
    spent_s = time.process_time() - began
    print(f"tracking, rules, {OBJECTS} objects {per_frame(spent_s, steps)}")


if __name__ == "__main__":
    main()
