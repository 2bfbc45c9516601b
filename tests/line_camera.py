"""A camera that looks up a road over its stop line, in pixels alone."""

from __future__ import annotations

from models.camera import IDENTITY, CameraView, MovementPath

VIEW = CameraView(
    camera="cam",
    junction="J",
    width_px=320,
    height_px=240,
    ground_from_image=IDENTITY,
    metric=False,
    stop_line=((20.0, 150.0), (300.0, 150.0)),
    inward=(0.0, -1.0),
    zone=((20.0, 150.0), (300.0, 150.0), (300.0, 240.0), (20.0, 240.0)),
    movements=(MovementPath("J:a>b", ((160.0, 240.0), (160.0, 0.0))),),
    calibration_version="1",
)
