"""A case as a camera writes it: a rider runs a red light past one who waits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import line_camera
import numpy as np

from detection.evidence import EvidenceWriter
from detection.pipeline import CameraPipeline
from detection.ports import Detections
from models.camera import MovementPath
from models.signals import SignalState
from models.violation import Violation

VIEW = replace(
    line_camera.VIEW,
    camera="C2-c1",
    junction="C2",
    movements=(MovementPath("C2:c1>c2", ((110.0, 240.0), (110.0, 0.0))),),
)


def write_case(folder: Path) -> tuple[Violation, Path]:
    """The flag and its folder; the street is as fine as print."""
    writer = EvidenceWriter(VIEW, folder)
    pipeline = CameraPipeline(VIEW, detector="d", weights_sha256="", evidence=writer)
    rows, columns = np.mgrid[0:240, 0:320] // 2
    print_ = np.repeat((((rows + columns) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)
    flagged: list[Violation] = []
    for index in range(40):
        bottom = 235 - index * 5
        image = print_.copy()
        image[max(bottom - 32, 0) : bottom, 100:114] = (230, 60, 20)
        boxes = np.array([[100, bottom - 32, 114, bottom], [200, 168, 214, 200]], np.float32)
        found = Detections(boxes, np.ones(2, np.float32), np.zeros(2, np.int64), ("motorcycle",))
        flagged += pipeline.process(index / 6, found, SignalState.RED, image).violations
    (violation,) = flagged
    assert violation.kind == "red_light"
    return violation, writer.folder(violation.id)
