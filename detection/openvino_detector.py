"""Detection through OpenVINO: YOLOX and ultralytics YOLO exports, ONNX or OpenVINO files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from detection import weights as registry
from detection.ports import Float32Array
from detection.yolo import DetectorSettings, YoloDetector
from models.errors import BadInput


def openvino_detector(
    weights: registry.Weights, path: Path, settings: DetectorSettings | None = None
) -> YoloDetector:
    """A detector whose weights run in OpenVINO on the processor.

    Raises:
        BadInput: If the file is no network that can be read.
    """
    import openvino as ov  # noqa: PLC0415 - half a second that a projected camera saves

    settings = settings or DetectorSettings()
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if settings.threads:
        options["INFERENCE_NUM_THREADS"] = settings.threads
    if settings.precision:
        options["INFERENCE_PRECISION_HINT"] = settings.precision
    try:
        core = ov.Core()
        model = core.read_model(str(path))
        compiled, fixed_batch = _compile(core, model, weights.input_px, options)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise BadInput(str(path), "", f"OpenVINO cannot load it: {reason}") from None

    def infer(blob: Float32Array) -> Float32Array:
        return np.asarray(compiled(blob)[0], np.float32)

    return YoloDetector(
        weights,
        settings,
        infer,
        runtime="OpenVINO",
        weights_sha256=registry.sha256(path.with_suffix(".bin") if path.suffix == ".xml" else path),
        one_at_a_time=fixed_batch,
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
