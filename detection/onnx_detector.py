"""Detection through ONNX Runtime, for machines where OpenVINO is not at home (an extra)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from detection import weights as registry
from detection.ports import Float32Array
from detection.yolo import DetectorSettings, YoloDetector
from models.errors import BadInput, XanhError


def onnx_runtime_detector(
    weights: registry.Weights, path: Path, settings: DetectorSettings | None = None
) -> YoloDetector:
    """A detector whose ONNX weights run in ONNX Runtime on the processor.

    Raises:
        XanhError: If ONNX Runtime is not installed.
        BadInput: If the file is no ONNX network.
    """
    try:
        import onnxruntime as ort  # noqa: PLC0415 - an extra
    except ImportError:
        raise XanhError(
            "ONNX Runtime is not installed: pip install 'xanh[onnxruntime]', or set "
            "XANH_INFERENCE=openvino"
        ) from None
    if path.suffix != ".onnx":
        raise BadInput(str(path), "", "ONNX Runtime reads .onnx; this is OpenVINO's own format")
    settings = settings or DetectorSettings()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if settings.threads:
        options.intra_op_num_threads = settings.threads
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own kinds, one for each way to be broken
        reason = str(error).strip().splitlines()[-1]
        raise BadInput(str(path), "", f"ONNX Runtime cannot load it: {reason}") from None
    given = session.get_inputs()[0]

    def infer(blob: Float32Array) -> Float32Array:
        return np.asarray(session.run(None, {given.name: blob})[0], np.float32)

    return YoloDetector(
        weights,
        settings,
        infer,
        runtime="ONNX Runtime",
        weights_sha256=registry.sha256(path),
        one_at_a_time=isinstance(given.shape[0], int),
    )
