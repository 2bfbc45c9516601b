"""A user's own ``.pt`` weights through ultralytics, which ``make setup-train`` installs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detection.ports import Detections, Image
from detection.weights import sha256
from detection.yolo import DetectorSettings
from models.errors import BadInput, XanhError


class UltralyticsDetector:
    """Runs a ``.pt`` file as ultralytics itself would."""

    def __init__(
        self, path: Path, settings: DetectorSettings | None = None, *, size_px: int = 640
    ) -> None:
        """Load the weights.

        Raises:
            XanhError: If ultralytics is not installed.
            BadInput: If the file cannot be loaded.
        """
        try:
            from ultralytics import YOLO  # noqa: PLC0415 - an extra that brings torch
        except ImportError:
            raise XanhError(
                f"{path}: .pt weights need ultralytics: run `make setup-train`"
            ) from None
        if not path.is_file():
            raise BadInput(str(path), "", "no such weights file")
        self._settings = settings or DetectorSettings()
        self._path = path
        self._size_px = size_px
        self._sha256 = sha256(path)
        try:
            self._model = YOLO(str(path), task="detect")
            names = self._model.names
        except Exception as error:  # torch raises many kinds for a file that is no checkpoint
            raise BadInput(str(path), "", f"ultralytics cannot load it: {error}") from None
        self._names = tuple(str(names[index]).lower() for index in range(len(names)))

    @property
    def name(self) -> str:
        """Name of the weights and what runs them."""
        return f"{self._path.stem} (ultralytics)"

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights file."""
        return self._sha256

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the network tells apart."""
        return self._names

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Detections for each image."""
        if not images:
            return []
        results = self._model.predict(
            list(images),
            imgsz=self._size_px,
            conf=self._settings.min_score,
            iou=self._settings.iou,
            agnostic_nms=self._settings.across_classes,
            verbose=False,
            device="cpu",
        )
        return [
            Detections(
                result.boxes.xyxy.cpu().numpy().astype(np.float32),
                result.boxes.conf.cpu().numpy().astype(np.float32),
                result.boxes.cls.cpu().numpy().astype(np.int64),
                self._names,
            )
            for result in results
        ]
