"""Detection through OpenVINO: YOLOX and ultralytics YOLO exports, ONNX or OpenVINO files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detection import weights as registry
from detection.ports import Detections, Float32Array, Image
from detection.yolo import DetectorSettings, YoloHead
from models.errors import BadInput


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

        settings = settings or DetectorSettings()
        self._weights = weights
        self._head = YoloHead(weights, settings)
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if settings.threads:
            options["INFERENCE_NUM_THREADS"] = settings.threads
        if settings.precision:
            options["INFERENCE_PRECISION_HINT"] = settings.precision
        try:
            core = ov.Core()
            model = core.read_model(str(path))
            self._compiled, self._fixed_batch = _compile(core, model, weights.input_px, options)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise BadInput(str(path), "", f"OpenVINO cannot load it: {reason}") from None
        self._sha256 = registry.sha256(path.with_suffix(".bin") if path.suffix == ".xml" else path)

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
        blob, fits = self._head.prepare(images)
        parts = [blob[i : i + 1] for i in range(len(blob))] if self._fixed_batch else [blob]
        outputs: list[Float32Array] = []
        for part in parts:
            outputs.extend(np.asarray(self._compiled(part)[0], np.float32))
        return [self._head.read(output, fit) for output, fit in zip(outputs, fits, strict=True)]


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
