"""The YOLO family: an image as the network's input, its output as boxes.

The same for every runtime. ``yolox``: BGR from 0 to 255, rows of cx cy w h objectness classes
relative to a grid cell (Ge et al. 2021). ``yolo``: RGB from 0 to 1, columns of cx cy w h classes
(ultralytics YOLOv8, YOLO11), or an end-to-end export's rows x0 y0 x1 y1 score class (YOLO26).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from detection import weights as registry
from detection.boxes import suppress, suppress_by_class
from detection.letterbox import Fit, letterbox
from detection.ports import Detections, Float32Array, Image
from models.errors import BadInput, XanhError

MAX_DETECTIONS: Final = 300
YOLOX_STRIDES: Final = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """Settings of a detector.

    ``min_score`` keeps what the tracker's second stage can use; ``iou`` is the overlap above
    which two boxes are one object, ``across_classes`` whatever their class. ``runtime`` runs the
    network: openvino or onnxruntime. ``precision`` is OpenVINO's hint f32 or bf16 (bf16 is faster
    on processors with AMX); ``threads`` 0 leaves the number to the runtime.
    """

    min_score: float = 0.08
    iou: float = 0.6
    across_classes: bool = False
    threads: int = 0
    precision: str = ""
    runtime: str = "openvino"


class YoloHead:
    """Both ends of a network of the family."""

    def __init__(self, weights: registry.Weights, settings: DetectorSettings) -> None:
        """Set up.

        Raises:
            BadInput: If the weights' family is not known.
        """
        if weights.family not in ("yolo", "yolox"):
            raise BadInput(f"weights {weights.name}", "family", "valid is yolo or yolox")
        self._weights = weights
        self._settings = settings
        self._grid = _yolox_grid(weights.input_px) if weights.family == "yolox" else None

    def prepare(self, images: Sequence[Image]) -> tuple[Float32Array, list[Fit]]:
        """The input (N, 3, height, width) for images, and how each was fitted into it."""
        yolox = self._weights.family == "yolox"
        fitted = [letterbox(image, self._weights.input_px, centred=not yolox) for image in images]
        batch = np.stack([picture for picture, _ in fitted])
        if yolox:
            blob = np.ascontiguousarray(batch.transpose(0, 3, 1, 2)).astype(np.float32)
        else:
            rgb = batch[..., ::-1].transpose(0, 3, 1, 2)
            blob = np.ascontiguousarray(rgb).astype(np.float32) / np.float32(255)
        return blob, [fit for _, fit in fitted]

    def read(self, output: Float32Array, fit: Fit) -> Detections:
        """One image's raw output as detections in its own pixels.

        Raises:
            XanhError: If its shape does not fit the weights' classes.
        """
        classes_known = self._weights.classes
        count = len(classes_known)
        fits_grid = self._grid is not None and output.shape == (len(self._grid[0]), 5 + count)
        if self._grid is not None and fits_grid:
            boxes, scores, classes = _decode_yolox(output, self._grid, self._settings.min_score)
        elif self._grid is None and output.shape[-1] == 6 and output.shape[0] != 4 + count:
            # An end-to-end export: x0 y0 x1 y1 score class, already suppressed.
            rows = output[output[:, 4] >= self._settings.min_score]
            boxes, scores, classes = rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64)
        elif self._grid is None and output.shape[0] == 4 + count:
            boxes, scores, classes = _decode_yolo(output, self._settings.min_score)
        else:
            raise XanhError(
                f"weights {self._weights.name}: output of shape {output.shape} does not fit "
                f"{count} classes of family {self._weights.family}"
            )
        by_class = not self._settings.across_classes
        kept = (
            suppress_by_class(boxes, scores, classes, self._settings.iou)
            if by_class
            else suppress(boxes, scores, self._settings.iou)
        )[:MAX_DETECTIONS]
        return Detections(
            fit.to_image(boxes[kept].astype(np.float32)),
            scores[kept].astype(np.float32),
            classes[kept],
            classes_known,
        )


Infer = Callable[[Float32Array], Float32Array]
"""A network: images (n, 3, height, width) in, one output for each image."""


class YoloDetector:
    """A detector of the family, whatever runs its network."""

    def __init__(
        self,
        weights: registry.Weights,
        settings: DetectorSettings,
        infer: Infer,
        *,
        runtime: str,
        weights_sha256: str,
        one_at_a_time: bool,
    ) -> None:
        """Put head and network together.

        Raises:
            BadInput: If the weights' family is not known.
        """
        self._head = YoloHead(weights, settings)
        self._infer = infer
        self._one_at_a_time = one_at_a_time
        self.name = f"{weights.name} ({runtime})"
        self.weights_sha256 = weights_sha256
        self.class_names = weights.classes

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Detections for each image; one run of the network where its batch is free."""
        if not images:
            return []
        blob, fits = self._head.prepare(images)
        parts = [blob[i : i + 1] for i in range(len(blob))] if self._one_at_a_time else [blob]
        outputs = [output for part in parts for output in self._infer(part)]
        return [self._head.read(output, fit) for output, fit in zip(outputs, fits, strict=True)]


def _yolox_grid(input_px: tuple[int, int]) -> tuple[Float32Array, Float32Array]:
    """Cell corner (N, 2) and stride (N, 1) of each output row of YOLOX."""
    corners, strides = [], []
    for stride in YOLOX_STRIDES:
        columns, rows = input_px[0] // stride, input_px[1] // stride
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        corners.append(np.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(np.full((rows * columns, 1), stride))
    return (
        np.concatenate(corners).astype(np.float32),
        np.concatenate(strides).astype(np.float32),
    )


def _corners(centre: Float32Array, size: Float32Array) -> Float32Array:
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def _decode_yolox(
    output: Float32Array, grid: tuple[Float32Array, Float32Array], min_score: float
) -> tuple[Float32Array, Float32Array, np.ndarray[Any, np.dtype[np.int64]]]:
    """Rows of cx cy w h objectness classes, relative to their grid cell."""
    classes = output[:, 5:].argmax(axis=1)
    scores = output[:, 4] * output[np.arange(len(output)), 5 + classes]
    keep = scores >= min_score
    corner, stride = grid[0][keep], grid[1][keep]
    raw = output[keep]
    boxes = _corners((raw[:, :2] + corner) * stride, np.exp(raw[:, 2:4]) * stride)
    return boxes, scores[keep], classes[keep].astype(np.int64)


def _decode_yolo(
    output: Float32Array, min_score: float
) -> tuple[Float32Array, Float32Array, np.ndarray[Any, np.dtype[np.int64]]]:
    """Columns of cx cy w h classes (YOLOv8 and YOLO11)."""
    best = output[4:].max(axis=0)
    keep = best >= min_score
    rows = output[:, keep].T
    boxes = _corners(rows[:, :2], rows[:, 2:4])
    return boxes, best[keep], rows[:, 4:].argmax(axis=1).astype(np.int64)
