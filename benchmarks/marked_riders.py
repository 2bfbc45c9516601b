"""Riders marked by eye in four frames of a real street, against what a detector finds there.

    python benchmarks/marked_riders.py [NAME ...]      with XANH_TEST_DATA set

NAME is a detector as `xanh detect --weights` takes it. The marks (a driver's trunk; the middle of a
car or bus) stand in docs/examples/hanoi-giang-vo/riders.csv; everybody between two rows of a frame
was marked, and false finds are judged between these only.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from detection.detectors import STREET, open_detector
from detection.ports import Detector, Image
from detection.riders import road_users
from detection.yolo import DetectorSettings

MARKS = Path(__file__).parents[1] / "docs" / "examples" / "hanoi-giang-vo" / "riders.csv"
CLIP = "footage/vn_16h15.mp4"
ROWS_PX = {30: (180, 280), 90: (180, 480), 160: (285, 480), 380: (285, 480)}
"""Rows of each frame between which everybody was marked."""
HEAVY = ("car", "bus", "truck")
TRUNK_AT, MIDDLE_AT = 0.38, 0.5
"""Where in a box's height a rider's and a vehicle's mark lies."""
NEAR_X, NEAR_Y = 0.4, 0.34
"""How far from there it may lie, in widths and heights of the box."""
SCORE = 0.25

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Found:
    """Marks found, false finds and marks; heavy vehicles apart."""

    right: int
    false: int
    marked: int
    heavy: int
    heavy_marked: int

    def __str__(self) -> str:
        precision, recall = self.right / max(1, self.right + self.false), self.right / self.marked
        f1 = 2 * self.right / (self.right + self.false + self.marked)
        return (
            f"riders P {precision:.2f} R {recall:.2f} F1 {f1:.2f} ({self.right} of {self.marked}, "
            f"{self.false} false), heavy vehicles {self.heavy} of {self.heavy_marked}"
        )


def marks() -> dict[int, dict[str, Points]]:
    """Marked points (n, 2) in pixels by frame and kind."""
    read: dict[int, dict[str, list[tuple[float, float]]]] = {}
    with MARKS.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            frame = read.setdefault(int(row["frame"]), {"rider": [], "heavy": []})
            frame[row["kind"]].append((float(row["x_px"]), float(row["y_px"])))
    return {
        frame: {kind: np.array(points).reshape(-1, 2) for kind, points in kinds.items()}
        for frame, kinds in read.items()
    }


def frames_of(clip: Path, numbers: Sequence[int]) -> dict[int, Image]:
    """Frames of a clip by number."""
    capture = cv2.VideoCapture(str(clip))
    frames = {}
    for number in range(max(numbers) + 1):
        done, frame = capture.read()
        if not done:
            sys.exit(f"{clip}: ends before frame {max(numbers)}")
        if number in numbers:
            frames[number] = np.asarray(frame, np.uint8)
    return frames


def paired(boxes: Points, points: Points, at: float) -> npt.NDArray[np.bool_]:
    """Which boxes (n, 4) hold a mark of their own, nearest first."""
    hit = np.zeros(len(boxes), bool)
    if not len(boxes) or not len(points):
        return hit
    size = boxes[:, 2:] - boxes[:, :2]
    origin = boxes[:, :2] + size * np.array([0.5, at])
    off = (points[None] - origin[:, None]) / size[:, None]
    far = (off**2).sum(-1)
    far[(np.abs(off[..., 0]) >= NEAR_X) | (np.abs(off[..., 1]) >= NEAR_Y)] = np.inf
    while np.isfinite(far).any():
        i, j = np.unravel_index(int(far.argmin()), far.shape)
        hit[i] = True
        far[i], far[:, j] = np.inf, np.inf
    return hit


def judge(detector: Detector, frames: Mapping[int, Image]) -> Found:
    """Compare a detector with the marks."""
    right = false = marked = heavy = heavy_marked = 0
    for number, kinds in marks().items():
        users = road_users(detector.detect([frames[number]])[0])
        sure = users.scores >= SCORE
        names = np.array([users.class_names[kind] for kind in users.classes])
        riders = users.boxes[sure & (names == "motorcycle")].astype(np.float64)
        hit = paired(riders, kinds["rider"], TRUNK_AT)
        low, high = ROWS_PX[number]
        middle = riders[:, [1, 3]].mean(axis=1)
        false += int((~hit & (middle >= low) & (middle < high)).sum())
        right += int(hit.sum())
        marked += len(kinds["rider"])
        large = users.boxes[sure & np.isin(names, HEAVY)].astype(np.float64)
        heavy += int(paired(large, kinds["heavy"], MIDDLE_AT).sum())
        heavy_marked += len(kinds["heavy"])
    return Found(right, false, marked, heavy, heavy_marked)


def main() -> None:
    data = Path(os.environ["XANH_TEST_DATA"])
    os.environ.setdefault("XANH_WEIGHTS_DIR", str(data / "weights"))
    cv2.setNumThreads(1)
    frames = frames_of(data / CLIP, sorted(marks()))
    for name in sys.argv[1:] or [STREET, "yolox-nano"]:
        detector = open_detector(name, DetectorSettings(min_score=0.05, threads=1))
        print(f"{name}: {judge(detector, frames)}")


if __name__ == "__main__":
    main()
