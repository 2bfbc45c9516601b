"""One way to name a detector: a registry name, an export, a user's file, or motion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from detection import weights as registry
from detection.exports import weights_of
from detection.motion_detector import MOTION, MotionDetector
from detection.onnx_detector import onnx_runtime_detector
from detection.openvino_detector import openvino_detector
from detection.ports import Detector
from detection.riders import VEHICLE_OF_NAME
from detection.ultralytics_detector import UltralyticsDetector
from detection.yolo import DetectorSettings
from models.camera import CameraView
from models.errors import BadInput

STREET: Final = "street"
"""Weights of the project's own, trained on frames that it renders."""
RUNTIMES: Final[Mapping[str, Callable[..., Detector]]] = {
    "openvino": openvino_detector,
    "onnxruntime": onnx_runtime_detector,
}


def open_detector(
    name: str, settings: DetectorSettings | None = None, *, view: CameraView | None = None
) -> Detector:
    """The detector of this name.

    Args:
        name: A name of the registry (``yolox-nano``), ``street``, the folder of an ultralytics
            OpenVINO export, an ``.onnx`` or a ``.pt`` file, or ``motion``.
        settings: Score, suppression and inference settings.
        view: The camera, which ``motion`` needs; such a detector is that camera's alone.

    Raises:
        BadInput: If there is no such detector, its weights are missing or wrong, or it finds
            nothing that Xanh counts.
        XanhError: If what runs it is an extra that is not installed.
    """
    if name == MOTION:
        if view is None:
            raise BadInput("detector", name, "needs a fixed camera; valid here are weights")
        return MotionDetector(view)
    detector = _trained(name, settings or DetectorSettings())
    if not any(found in VEHICLE_OF_NAME for found in detector.class_names):
        shown = ", ".join(detector.class_names[:3])
        valid = ", ".join(VEHICLE_OF_NAME)
        raise BadInput(
            "detector", name, f"finds no road user ({shown}, ...); valid is a class of {valid}"
        )
    return detector


def _trained(name: str, settings: DetectorSettings) -> Detector:
    """The detector with these weights."""
    if settings.runtime not in RUNTIMES:
        raise BadInput("runtime", settings.runtime, f"valid is {', '.join(RUNTIMES)}")
    run = RUNTIMES[settings.runtime]
    path = Path(name)
    if path.suffix == ".pt":
        return UltralyticsDetector(path, settings)
    if path.suffix == ".onnx" or path.is_dir():
        return run(*weights_of(path), settings)
    packaged = registry.PACKAGED / name
    if name and packaged.is_dir():
        return run(*weights_of(packaged), settings)
    known = registry.registry()
    if name not in known:
        shipped = sorted(p.parent.name for p in registry.PACKAGED.glob("*/metadata.yaml"))
        valid = ", ".join([*shipped, *sorted(known), MOTION])
        raise BadInput(
            "detector",
            name,
            f"unknown; valid are {valid}, an OpenVINO export's folder, an .onnx or a .pt file",
        )
    weights = known[name]
    return run(weights, registry.fetch(weights), settings)
