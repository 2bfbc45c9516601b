"""Detectors on real frames: motorcycles in the labelled queue, and what a frame costs.

    python benchmarks/own_weights.py CLIP TRUTH.json [DETECTOR ...]

TRUTH names frames with the number of motorcycles whose wheels stand in ``queue_roi``. A detector
is a name or a file as ``xanh detect --weights`` takes it; ``@640x480`` after the folder of an
OpenVINO export runs it at that input size, ``+tiles`` looks a second time at the queue's part of
the picture. Times are of processor time on one thread.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from detection.detectors import open_detector
from detection.exports import weights_of
from detection.openvino_detector import openvino_detector
from detection.ports import Detections, Detector, Image
from detection.riders import road_users
from detection.tiling import TiledDetector
from detection.weights import PACKAGED
from detection.yolo import DetectorSettings
from traffic.detector_card import processor_name

SCORES = (0.1, 0.15, 0.25, 0.35)
TILE_PX = 260


def opened(name: str, area: npt.NDArray[np.float32]) -> Detector:
    """A detector by its name, at its own or another input size, with tiles if wanted."""
    base, _, tiles = name.partition("+")
    base, _, size = base.partition("@")
    settings = DetectorSettings(min_score=min(SCORES), threads=1)
    detector: Detector
    if size:
        folder = PACKAGED / base if (PACKAGED / base).is_dir() else Path(base)
        weights, path = weights_of(folder)
        width, height = (int(part) for part in size.split("x"))
        weights = dataclasses.replace(weights, input_px=(width, height))
        detector = openvino_detector(weights, path, settings)
    else:
        detector = open_detector(base, settings)
    if not tiles:
        return detector
    (x0, _), (x1, y1) = area.min(0).astype(int), area.max(0).astype(int)
    columns = np.linspace(x0, max(x0, x1 - TILE_PX), 3).astype(int)
    return TiledDetector(
        detector, [(int(x), int(y1 - TILE_PX), int(x + TILE_PX), int(y1)) for x in columns]
    )


def frames_of(clip: Path, wanted: set[int]) -> dict[int, Image]:
    """Frames of a clip by their number."""
    capture = cv2.VideoCapture(str(clip))
    frames: dict[int, Image] = {}
    number = 0
    while len(frames) < len(wanted):
        done, frame = capture.read()
        if not done:
            sys.exit(f"{clip}: ends before frame {max(wanted)}")
        if number in wanted:
            frames[number] = np.asarray(frame, np.uint8)
        number += 1
    return frames


def standing(found: Detections, area: npt.NDArray[np.float32], score: float) -> int:
    """Motorcycles whose wheels stand in an area; cut by the lower edge they count as there."""
    users = road_users(found)
    count = 0
    for box, sure, kind in zip(users.boxes, users.scores, users.classes, strict=True):
        if users.class_names[kind] != "motorcycle" or sure < score:
            continue
        foot = (float(box[0] + box[2]) / 2, float(box[3]) - 3)
        count += cv2.pointPolygonTest(area, foot, False) >= 0
    return count


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    clip, truth = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    area = np.array(truth["queue_roi"], np.float32)
    labels = {int(row["f"]): int(row["motorcycle"]) for row in truth["queue_counts"]}
    frames = frames_of(clip, set(labels))
    cv2.setNumThreads(1)
    print(processor_name())
    for name in sys.argv[3:] or ["street", "street@416x320", "street@640x480", "yolox-nano"]:
        detector = opened(name, area)
        spent, found = [], {}
        for number, frame in frames.items():
            detector.detect([frame])
            began = time.process_time()
            found[number] = detector.detect([frame])[0]
            spent.append(time.process_time() - began)
        shown = "; ".join(
            f"at {score}: "
            + ", ".join(
                f"{standing(found[number], area, score)}/{label}"
                for number, label in labels.items()
            )
            for score in SCORES
        )
        print(f"{name}: {shown}; {np.mean(spent) * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
