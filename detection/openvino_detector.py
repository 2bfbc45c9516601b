"""Detection through OpenVINO: YOLOX and ultralytics YOLO exports, ONNX or OpenVINO files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
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
    which two boxes are one object, ``across_classes`` whatever their class. ``precision`` is the
    inference hint f32 or bf16 (bf16 is faster on processors with AMX); ``threads`` 0 leaves the
    number to OpenVINO.
    """

    min_score: float = 0.08
    iou: float = 0.6
    across_classes: bool = False
    threads: int = 0
    precision: str = ""


class OpenVinoDetector:
    """A detector whose weights run in OpenVINO on the processor."""

    def __init__(
        self, weights: registry.Weights, path: Path, settings: DetectorSettings | None = None
    ) -> None:
        """Load and compile.

        Raises:
            BadInput: If the file is no network that can be read.
        """
        import openvino as ov  # noqa: PLC0415 - half a second that a projected camera saves

        self._weights = weights
        self._settings = settings or DetectorSettings()
        if weights.family not in ("yolo", "yolox"):
            raise BadInput(f"weights {weights.name}", "family", "valid is yolo or yolox")
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if self._settings.threads:
            options["INFERENCE_NUM_THREADS"] = self._settings.threads
        if self._settings.precision:
            options["INFERENCE_PRECISION_HINT"] = self._settings.precision
        try:
            core = ov.Core()
            model = core.read_model(str(path))
            self._compiled, self._fixed_batch = _compile(core, model, weights.input_px, options)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise BadInput(str(path), "", f"OpenVINO cannot load it: {reason}") from None
        self._sha256 = registry.sha256(path.with_suffix(".bin") if path.suffix == ".xml" else path)
        self._grid = _yolox_grid(weights.input_px) if weights.family == "yolox" else None

    @property
    def name(self) -> str:
        """Name of the weights and what runs them."""
        return f"{self._weights.name} (OpenVINO)"

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights file."""
        return self._sha256

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the network tells apart."""
        return self._weights.classes

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Detections for each image; one run of the network where its batch is free."""
        if not images:
            return []
        yolox = self._weights.family == "yolox"
        fitted = [letterbox(image, self._weights.input_px, centred=not yolox) for image in images]
        batch = np.stack([picture for picture, _ in fitted])
        if yolox:
            blob = np.ascontiguousarray(batch.transpose(0, 3, 1, 2)).astype(np.float32)
        else:
            rgb = batch[..., ::-1].transpose(0, 3, 1, 2)
            blob = np.ascontiguousarray(rgb).astype(np.float32) / np.float32(255)
        parts = [blob[i : i + 1] for i in range(len(blob))] if self._fixed_batch else [blob]
        outputs: list[Float32Array] = []
        for part in parts:
            outputs.extend(np.asarray(self._compiled(part)[0], np.float32))
        return [self._read(output, fit) for output, (_, fit) in zip(outputs, fitted, strict=True)]

    def _read(self, output: Float32Array, fit: Fit) -> Detections:
        """One image's raw output as detections in its own pixels."""
        count = len(self.class_names)
        if self._grid is not None:
            boxes, scores, classes = _decode_yolox(output, self._grid, self._settings.min_score)
        elif output.shape[-1] == 6 and output.shape[0] != 4 + count:
            # An end-to-end export: x0 y0 x1 y1 score class, already suppressed.
            rows = output[output[:, 4] >= self._settings.min_score]
            boxes, scores, classes = rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64)
        elif output.shape[0] == 4 + count:
            boxes, scores, classes = _decode_yolo(output, self._settings.min_score)
        else:
            raise XanhError(
                f"weights {self._weights.name}: output of shape {output.shape} does not fit "
                f"{count} classes"
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
            self.class_names,
        )


def _compile(
    core: Any, model: Any, input_px: tuple[int, int], options: dict[str, Any]
) -> tuple[Any, bool]:
    """The compiled network, and whether it takes one image at a time only.

    Many exports have one image built into them and give a wrong shape for two, so two are tried.
    """
    width, height = input_px
    shape = [2, 3, height, width]
    try:
        model.reshape([-1, 3, height, width])
        compiled = core.compile_model(model, "CPU", options)
        if compiled(np.zeros(shape, np.float32))[0].shape[0] == 2:
            return compiled, False
    except RuntimeError:
        pass
    model.reshape([1, 3, height, width])
    return core.compile_model(model, "CPU", options), True


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


def from_export(folder: Path) -> tuple[registry.Weights, Path]:
    """An ultralytics OpenVINO export (a folder with ``metadata.yaml``) as weights.

    Raises:
        BadInput: If the folder is no such export.
    """
    metadata = folder / "metadata.yaml"
    networks = sorted(folder.glob("*.xml"))
    if not metadata.is_file() or not networks:
        raise BadInput(
            str(folder), "", "valid is an ultralytics OpenVINO export with metadata.yaml"
        )
    text = metadata.read_text(encoding="utf-8")
    names = dict(re.findall(r"^  (\d+): ['\"]?(.+?)['\"]?$", text, re.MULTILINE))
    size = re.search(r"^imgsz:\n- (\d+)\n- (\d+)", text, re.MULTILINE)
    licence = re.search(r"^license: (.+)$", text, re.MULTILINE)
    if not names or size is None:
        raise BadInput(str(metadata), "names", "valid names classes and imgsz")
    return (
        registry.Weights(
            name=folder.name.removesuffix("_openvino_model"),
            file=networks[0].name,
            family="yolo",
            sha256="",
            licence=licence[1] if licence else "unknown",
            classes=tuple(names[str(index)] for index in range(len(names))),
            input_px=(int(size[2]), int(size[1])),
        ),
        networks[0],
    )
