"""One way to name a detector: a registry name, an export's folder, or a weights file."""

from __future__ import annotations

from pathlib import Path

from detection import weights as registry
from detection.openvino_detector import DetectorSettings, OpenVinoDetector, from_export
from detection.ports import Detector
from detection.ultralytics_detector import UltralyticsDetector
from models.errors import BadInput

STREET = "street"
"""Weights of the project's own, trained on frames that it renders."""


def open_detector(name: str, settings: DetectorSettings | None = None) -> Detector:
    """The detector of this name.

    Args:
        name: A name of the registry (``yolox-nano``), ``street``, the folder of an ultralytics
            OpenVINO export, or a ``.pt`` file.
        settings: Score, suppression and inference settings.

    Raises:
        BadInput: If there is no such detector or its weights are missing or wrong.
        XanhError: If a ``.pt`` file is named and ultralytics is not installed.
    """
    path = Path(name)
    if path.suffix == ".pt":
        return UltralyticsDetector(path, settings)
    if path.is_dir():
        return OpenVinoDetector(*from_export(path), settings)
    packaged = registry.PACKAGED / name
    if name and packaged.is_dir():
        return OpenVinoDetector(*from_export(packaged), settings)
    known = registry.registry()
    if name not in known:
        shipped = sorted(p.name for p in registry.PACKAGED.iterdir() if p.is_dir())
        valid = ", ".join([*shipped, *sorted(known)])
        raise BadInput(
            "detector",
            name,
            f"unknown; valid are {valid}, an OpenVINO export's folder or a .pt file",
        )
    weights = known[name]
    return OpenVinoDetector(weights, registry.fetch(weights), settings)
