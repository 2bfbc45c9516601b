"""Detection through ONNX Runtime, for machines where OpenVINO is not at home (an extra)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detection import weights as registry
from detection.ports import Detections, Float32Array, Image
from detection.yolo import DetectorSettings, YoloHead
from models.errors import BadInput, XanhError


class OnnxRuntimeDetector:
    """A detector whose ONNX weights run in ONNX Runtime on the processor."""

    def __init__(
        self, weights: registry.Weights, path: Path, settings: DetectorSettings | None = None
    ) -> None:
        """Load.

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
        self._weights = weights
        self._head = YoloHead(weights, settings)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if settings.threads:
            options.intra_op_num_threads = settings.threads
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its own kinds, one for each way to be broken
            reason = str(error).strip().splitlines()[-1]
            raise BadInput(str(path), "", f"ONNX Runtime cannot load it: {reason}") from None
        self._input = self._session.get_inputs()[0]
        self._sha256 = registry.sha256(path)

    @property
    def name(self) -> str:
        """Name of the weights and what runs them."""
        return f"{self._weights.name} (ONNX Runtime)"

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
        free = not isinstance(self._input.shape[0], int)
        parts = [blob] if free else [blob[i : i + 1] for i in range(len(blob))]
        outputs: list[Float32Array] = []
        for part in parts:
            (first, *_) = self._session.run(None, {self._input.name: part})
            outputs.extend(np.asarray(first, np.float32))
        return [self._head.read(output, fit) for output, fit in zip(outputs, fits, strict=True)]
