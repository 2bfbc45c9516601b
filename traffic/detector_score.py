"""How well a detector finds the road users of labelled frames, and how fast."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from detection.ports import Detections, Detector
from models.errors import XanhError
from traffic.rendered_frames import DETECTED, MIN_VISIBLE

MATCH_IOU: Final = 0.5
WORKING_SCORE: Final = 0.25
HEIGHT_BANDS_PX: Final = (0, 15, 25, 40, 80, 480)

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DetectorScore:
    """Figures over a set of labelled frames.

    ``ap50`` by class is the area under the precision-recall curve at an overlap of 0.5;
    precision, recall and recall by height of motorcycles in pixels hold at a score of 0.25.
    Boxes with less than a quarter visible are neither wanted nor wrong. ``cpu_ms`` is the median
    processor time of one frame, decoding of boxes included.
    """

    frames: int
    boxes: int
    ap50: dict[str, float]
    precision: float
    recall: dict[str, float]
    recall_by_height: dict[str, float]
    cpu_ms: float

    @property
    def map50(self) -> float:
        """Mean of ``ap50`` over the classes that occur."""
        return float(np.mean(list(self.ap50.values()))) if self.ap50 else 0.0


@dataclass(slots=True)
class _Tally:
    scores: list[float]
    hits: list[bool]
    wanted: int = 0
    found: int = 0


def score(detector: Detector, folders: Sequence[Path]) -> DetectorScore:
    """Score a detector on frames of :func:`traffic.rendered_frames.generate`.

    Raises:
        XanhError: If a folder holds no labelled frames.
    """
    tallies = {name: _Tally([], []) for name in DETECTED}
    bands = {_band(i): [0, 0] for i in range(len(HEIGHT_BANDS_PX) - 1)}
    kept, right, frames, times = 0, 0, 0, []
    for folder in folders:
        try:
            labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))["frames"]
        except (OSError, ValueError, KeyError) as error:
            raise XanhError(f"{folder}: no labelled frames there") from error
        for name, rows in sorted(labels.items()):
            image = cv2.imread(str(folder / "images" / name))
            if image is None:
                raise XanhError(f"{folder / 'images' / name}: cannot be read")
            began = time.process_time()
            found = detector.detect([image])[0]
            times.append(time.process_time() - began)
            frames += 1
            truth = np.array(rows, np.float64).reshape(-1, 6)
            for number, kind in enumerate(DETECTED):
                mine = truth[truth[:, 0] == number]
                boxes, scores = _of_class(found, kind)
                matched = _match(boxes, scores, mine[:, 1:5])
                _count(tallies[kind], scores, matched, mine)
                working = scores >= WORKING_SCORE
                ignored = _ignored(matched, mine)
                kept += int((working & ~ignored).sum())
                right += int((working & ~ignored & (matched >= 0)).sum())
                if kind == "motorcycle":
                    _count_heights(bands, mine, matched[working])
    return DetectorScore(
        frames=frames,
        boxes=sum(tally.wanted for tally in tallies.values()),
        ap50={name: _area(tally) for name, tally in tallies.items() if tally.wanted},
        precision=right / max(kept, 1),
        recall={n: t.found / t.wanted for n, t in tallies.items() if t.wanted},
        recall_by_height={band: hit / seen for band, (hit, seen) in bands.items() if seen},
        cpu_ms=float(np.median(times)) * 1e3 if times else 0.0,
    )


def _band(index: int) -> str:
    low, high = HEIGHT_BANDS_PX[index], HEIGHT_BANDS_PX[index + 1]
    return f"{low}-{high}"


def _of_class(found: Detections, kind: str) -> tuple[FloatArray, FloatArray]:
    if kind not in found.class_names:
        return np.zeros((0, 4)), np.zeros(0)
    chosen = found.classes == found.class_names.index(kind)
    scores = found.scores[chosen].astype(np.float64)
    order = np.argsort(-scores, kind="stable")
    return found.boxes[chosen].astype(np.float64)[order], scores[order]


def _match(boxes: FloatArray, scores: FloatArray, truth: FloatArray) -> npt.NDArray[np.int64]:
    """For each box, best score first, the row of the truth it takes; -1 for none."""
    matched = np.full(len(boxes), -1, np.int64)
    if not len(boxes) or not len(truth):
        return matched
    low = np.maximum(boxes[:, None, :2], truth[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], truth[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)[:, None]
    overlap = common / (area + np.prod(truth[:, 2:] - truth[:, :2], axis=1)[None] - common)
    free = np.ones(len(truth), np.bool_)
    for row in range(len(scores)):
        best = int(np.where(free, overlap[row], -1).argmax())
        if free[best] and overlap[row, best] >= MATCH_IOU:
            matched[row] = best
            free[best] = False
    return matched


def _ignored(matched: npt.NDArray[np.int64], truth: FloatArray) -> npt.NDArray[np.bool_]:
    """Boxes on road users too hidden to be wanted."""
    if not len(truth):
        return np.zeros(len(matched), np.bool_)
    hidden = truth[:, 5] < MIN_VISIBLE
    return (matched >= 0) & hidden[np.maximum(matched, 0)]


def _count(
    tally: _Tally, scores: FloatArray, matched: npt.NDArray[np.int64], truth: FloatArray
) -> None:
    counted = ~_ignored(matched, truth)
    tally.scores += scores[counted].tolist()
    tally.hits += (matched[counted] >= 0).tolist()
    tally.wanted += int((truth[:, 5] >= MIN_VISIBLE).sum())
    tally.found += int((counted & (matched >= 0) & (scores >= WORKING_SCORE)).sum())


def _count_heights(
    bands: dict[str, list[int]], truth: FloatArray, matched: npt.NDArray[np.int64]
) -> None:
    height = truth[:, 4] - truth[:, 2]
    hit = np.isin(np.arange(len(truth)), matched)
    for index in range(len(HEIGHT_BANDS_PX) - 1):
        low, high = HEIGHT_BANDS_PX[index : index + 2]
        wanted = (height >= low) & (height < high) & (truth[:, 5] >= MIN_VISIBLE)
        bands[_band(index)][0] += int((wanted & hit).sum())
        bands[_band(index)][1] += int(wanted.sum())


def _area(tally: _Tally) -> float:
    """Average precision: area under the curve made monotone, at every recall."""
    if not tally.scores:
        return 0.0
    order = np.argsort(-np.array(tally.scores), kind="stable")
    hits = np.array(tally.hits)[order]
    true = np.cumsum(hits)
    recall = np.concatenate([[0.0], true / tally.wanted])
    precision = np.concatenate([[1.0], true / np.arange(1, len(hits) + 1)])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * envelope[1:]).sum())
