"""A detector without weights: what moves before a fixed camera, classed by its footprint.

OpenCV's background subtraction (MOG2, Zivkovic 2004) finds what differs from the standing scene;
each blob is compared with the box that a vehicle of each class would fill at that place of the
calibrated ground. It serves where no weights fit: it counts on any fixed camera, cannot tell a
rider from a pedestrian or two riders side by side from a car as weights can, and forgets a queue
that stands for minutes. So it is named wherever its figures are, and its flags only advise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from detection.plane import CLASS_HEIGHT_M, GroundPlane
from detection.ports import BoolArray, Detections, Float32Array, FloatArray, Image, IntArray
from models.camera import CameraView
from models.errors import BadInput
from models.site import DEFAULT_CLASSES

MOTION: Final = "motion"
CLASSES: Final = ("motorcycle", "car", "bus", "truck")
_SIZES_M: Final = np.array(
    [
        (item.length_m, item.width_m, CLASS_HEIGHT_M[item.name])
        for name in CLASSES
        for item in DEFAULT_CLASSES
        if item.name == name
    ]
)
VARIANCE: Final = 16.0
"""Least variance of a standing pixel, in levels squared: light flickers, codecs smear."""
RELEARN_S: Final = 1.0
SCENE_S: Final = 0.5
STRIDE: Final = 8
DIM: Final = 20
SHADOW: Final = 127
"""MOG2's mark of a shadow in its mask."""


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """How motion is seen.

    ``work_px``: width that pictures are reduced to. ``learn_s``: first look at the scene, in which
    nothing is found. ``absorb_s``: what stands still for so long becomes scenery. ``threshold``:
    squared distance from the scene, in standard deviations. ``flood_share``: so much of the picture
    changed at once is a change of light, and the scene is learnt anew. ``min_fit`` and
    ``max_misfit``: a blob smaller than that share of a rider is noise; one that misses every
    class's box by more (in logarithms of width and height) is several riders.
    """

    work_px: int = 480
    learn_s: float = 4.0
    absorb_s: float = 90.0
    threshold: float = 18.0
    flood_share: float = 0.55
    min_fit: float = 0.2
    max_misfit: float = 0.75
    score: float = 0.6


class MotionDetector:
    """Finds what moves before one fixed, calibrated camera; give it that camera's frames only."""

    def __init__(self, view: CameraView, settings: MotionSettings | None = None) -> None:
        """Set up.

        Raises:
            BadInput: If the camera is not calibrated: a footprint needs metres.
        """
        if not view.metric:
            raise BadInput(
                f"camera {view.camera}",
                "calibration",
                "is absent; the motion detector needs one: xanh camera calibrate",
            )
        self._plane = GroundPlane(view)
        self._paths = _tangents(view)
        self._settings = settings or MotionSettings()
        self._scale = min(1.0, self._settings.work_px / view.width_px)
        self._subtractor: Any = cv2.createBackgroundSubtractorMOG2(
            varThreshold=self._settings.threshold, detectShadows=True
        )
        self._subtractor.setShadowThreshold(0.55)
        self._subtractor.setVarInit(VARIANCE)
        self._subtractor.setVarMin(VARIANCE)
        self._began_s: float | None = None
        self._time_s = 0.0
        self._step_s = 0.0
        self._scene: Float32Array | None = None
        self._scene_s = 0.0

    @property
    def name(self) -> str:
        """What it is, as counts and cases show it."""
        return "motion (background subtraction)"

    @property
    def weights_sha256(self) -> str:
        """It has no weights."""
        return ""

    @property
    def class_names(self) -> tuple[str, ...]:
        """What a footprint can tell apart."""
        return CLASSES

    def advance(self, time_s: float) -> None:
        """The time of the next picture: how fast the scene is learnt depends on it."""
        if self._began_s is None:
            self._began_s = time_s
        self._step_s = min(max(time_s - self._time_s, 0.0), 2.0)
        self._time_s = time_s

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """What moves in each image, in the order of time."""
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> Detections:
        s = self._settings
        size = (round(image.shape[1] * self._scale), round(image.shape[0] * self._scale))
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        learning = self._began_s is None or self._time_s - self._began_s < s.learn_s
        mask = self._subtractor.apply(self._evened(small), learningRate=self._rate(learning))
        moving = (mask > SHADOW).astype(np.uint8)
        if not learning and moving.mean() > s.flood_share:
            self._began_s = self._time_s + RELEARN_S - s.learn_s
            learning = True
        if learning:
            return Detections.empty(CLASSES)
        moving = cv2.morphologyEx(moving, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
        moving = cv2.morphologyEx(moving, cv2.MORPH_CLOSE, np.ones((7, 3), np.uint8))
        _, _, stats, _ = cv2.connectedComponentsWithStats(moving, connectivity=8)
        blobs = stats[1:].astype(np.float64)
        blobs = blobs[blobs[:, cv2.CC_STAT_AREA] >= 6]
        boxes = np.stack(
            [blobs[:, 0], blobs[:, 1], blobs[:, 0] + blobs[:, 2], blobs[:, 1] + blobs[:, 3]], axis=1
        ).reshape(-1, 4)
        return self._classed(boxes / self._scale, moving)

    def _rate(self, learning: bool) -> float:
        """MOG2 takes a new value for scenery when it has held a tenth of the weight."""
        step_s = self._step_s or 0.1
        if learning:
            return min(step_s / 1.0, 0.5)
        return 0.105 * step_s / self._settings.absorb_s

    def _evened(self, small: Image) -> Image:
        """The picture at the brightness of the scene that was learnt: clouds are no motion."""
        if self._scene is None or self._time_s - self._scene_s >= SCENE_S:
            learnt = self._subtractor.getBackgroundImage()
            if learnt is not None and learnt.shape == small.shape:
                self._scene, self._scene_s = (
                    learnt[::STRIDE, ::STRIDE].astype(np.float32),
                    self._time_s,
                )
        if self._scene is None:
            return small
        now = small[::STRIDE, ::STRIDE].astype(np.float32)
        lit = (now > DIM) & (self._scene > DIM)
        if lit.mean() < 0.2:
            return small
        gain = float(np.clip(np.median(self._scene[lit] / now[lit]), 0.5, 2.0))
        return np.asarray(cv2.convertScaleAbs(small, alpha=gain), np.uint8)

    def _classed(self, boxes: FloatArray, moving: npt.NDArray[Any]) -> Detections:
        expected = self.expected_px(boxes)
        size = np.stack([boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]], axis=1)
        seen = np.isfinite(expected).all(axis=(1, 2)) & (
            size.prod(axis=1) >= self._settings.min_fit * expected[:, 0].prod(axis=1)
        )
        boxes, expected, size = boxes[seen], expected[seen], size[seen]
        misfit = np.abs(np.log(np.maximum(size[:, None], 1.0) / expected)).max(axis=2)
        best = misfit.argmin(axis=1)
        single = misfit[np.arange(len(boxes)), best] <= self._settings.max_misfit
        # What is smaller than a rider is a part of one; what fits nothing else is a crowd of them.
        small = (size < expected[:, 0]).all(axis=1)
        best[small], single[small] = 0, True
        rows = [boxes[single]]
        classes = [best[single]]
        for box, rider in zip(boxes[~single], expected[~single, 0], strict=True):
            riders = _riders_in(box, rider, moving, self._scale)
            rows.append(riders)
            classes.append(np.zeros(len(riders), np.int64))
        found = np.concatenate(rows).astype(np.float32)
        return Detections(
            found,
            np.full(len(found), self._settings.score, np.float32),
            np.concatenate(classes).astype(np.int64),
            CLASSES,
        )

    def expected_px(self, boxes: FloatArray) -> FloatArray:
        """Width and height (N, classes, 2) of each class's box standing where these boxes stand.

        A box of the class's size stands on the ground along the nearest path, its lowest corner
        at the blob's lower edge; upright lengths look like lengths across at the same place.
        NaN above the horizon.
        """
        contact = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
        ground = self._plane.to_plane(contact)
        heading = self._heading(ground)
        side = np.stack([-heading[:, 1], heading[:, 0]], axis=1)
        away = self._plane.away(contact)
        along, across = np.abs((heading * away).sum(1)), np.abs((side * away).sum(1))
        out = np.full((len(boxes), len(CLASSES), 2), np.nan)
        for index, (length, width, height) in enumerate(_SIZES_M):
            centre = ground + away * ((along * length + across * width) / 2)[:, None]
            corners = [
                self._plane.to_image(centre + a * length / 2 * heading + b * width / 2 * side)
                for a in (-1, 1)
                for b in (-1, 1)
            ]
            x = np.stack([corner[:, 0] for corner in corners], axis=1)
            y = np.stack([corner[:, 1] for corner in corners], axis=1)
            scale = self._px_per_m(centre)
            out[:, index, 0] = x.max(axis=1) - x.min(axis=1)
            out[:, index, 1] = y.max(axis=1) - y.min(axis=1) + height * scale
        return out

    def _px_per_m(self, points: FloatArray) -> FloatArray:
        """Pixels per metre across the view at places (N, 2) of the ground."""
        image = self._plane.to_image(points)
        beside = self._plane.to_plane(image + np.array([1.0, 0.0]))
        result: FloatArray = 1.0 / np.maximum(np.hypot(*(beside - points).T), 1e-6)
        return result

    def _heading(self, points: FloatArray) -> FloatArray:
        """Direction of travel (N, 2) at places of the ground: that of the nearest path there."""
        places, directions = self._paths
        away = np.hypot(*(points[:, None] - places[None]).transpose(2, 0, 1))
        nearest: IntArray = np.where(np.isfinite(away), away, np.inf).argmin(axis=1)
        result: FloatArray = directions[nearest]
        return result


def _tangents(view: CameraView) -> tuple[FloatArray, FloatArray]:
    """Places along the movements' paths, two metres apart, and the direction at each."""
    places, directions = [], []
    for path in view.movements:
        points = np.array(path.points, np.float64)
        for start, end in pairwise(points):
            length = float(np.hypot(*(end - start)))
            if length <= 0:
                continue
            steps = np.linspace(0.0, 1.0, max(int(length / 2.0), 1) + 1)[:, None]
            places.append(start + steps * (end - start))
            directions.append(np.repeat(((end - start) / length)[None], len(steps), axis=0))
    return np.concatenate(places), np.concatenate(directions)


def _riders_in(
    box: FloatArray, rider_px: FloatArray, moving: npt.NDArray[Any], scale: float
) -> Float32Array:
    """A crowd as rider-sized boxes: a grid over the blob, of which what moves is kept."""
    width, height = box[2] - box[0], box[3] - box[1]
    columns = max(round(width / (1.15 * rider_px[0])), 1)
    rows = max(round(height / (1.0 * rider_px[1])), 1)
    x = np.linspace(box[0], box[2], columns + 1)
    y = np.linspace(box[1], box[3], rows + 1)
    cells = [(x[i], y[j], x[i + 1], y[j + 1]) for j in range(rows) for i in range(columns)]
    kept: list[tuple[float, ...]] = []
    for cell in cells:
        left, top, right, bottom = (round(value * scale) for value in cell)
        part: BoolArray = moving[top : max(bottom, top + 1), left : max(right, left + 1)] > 0
        if part.size and part.mean() >= 0.4:
            kept.append(cell)
    return np.array(kept, np.float32).reshape(-1, 4)
