"""Drawing a signal head: mast, housing, three lamps with glow, and the countdown above."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.signals import SignalState
from simulation.camera import PinholeCamera
from simulation.scene import SignalHead

_HALF_WIDTH_M, _HALF_HEIGHT_M, _PITCH_M, _LAMP_M = 0.2, 0.58, 0.38, 0.145
_LIT: Final = ((50, 40, 245), (30, 190, 255), (140, 240, 60))
_UNLIT: Final = ((24, 22, 62), (18, 48, 62), (36, 58, 26))
_LAMPS: Final = {SignalState.RED: 0, SignalState.YELLOW: 1, SignalState.GREEN: 2}

Image = npt.NDArray[np.uint8]


def faces_camera(head: SignalHead, camera: PinholeCamera) -> bool:
    """True if the lamps, not the back, are towards the camera."""
    to_head = np.array([head.x_m, head.y_m]) - camera.position_m[:2]
    return bool(to_head @ np.array([np.sin(head.heading_rad), np.cos(head.heading_rad)]) > 0)


def head_box_px(head: SignalHead, camera: PinholeCamera) -> tuple[int, int, int, int] | None:
    """The housing in the image (x0, y0, x1, y1); None if it is not wholly in the picture."""
    px, depth = camera.project(np.array([[head.x_m, head.y_m, head.height_m]]))
    if depth[0] < 1:
        return None
    k = camera.focal_px / float(depth[0])
    x, y = float(px[0, 0]), float(px[0, 1])
    box = (
        int(np.floor(x - _HALF_WIDTH_M * k)),
        int(np.floor(y - _HALF_HEIGHT_M * k)),
        int(np.ceil(x + _HALF_WIDTH_M * k)),
        int(np.ceil(y + _HALF_HEIGHT_M * k)),
    )
    if box[0] < 0 or box[1] < 0 or box[2] > camera.width_px or box[3] > camera.height_px:
        return None
    return box


def lamp_centre_px(
    head: SignalHead, camera: PinholeCamera, state: SignalState
) -> tuple[float, float] | None:
    """Where the lamp of a state is in the image; None for a state without a lamp."""
    lamp = _LAMPS.get(state)
    px, depth = camera.project(np.array([[head.x_m, head.y_m, head.height_m]]))
    if lamp is None or depth[0] < 1:
        return None
    k = camera.focal_px / float(depth[0])
    return float(px[0, 0]), float(px[0, 1]) + (lamp - 1) * _PITCH_M * k


def draw_signal_head(
    image: Image,
    id_buffer: npt.NDArray[np.uint16] | None,
    camera: PinholeCamera,
    scale: int,
    head: SignalHead,
    state: SignalState,
    countdown_s: int | None,
) -> None:
    """Draw a head into an image of ``scale`` times the camera's size; hides what is behind it."""
    base = np.array([[head.x_m, head.y_m, 0.0], [head.x_m, head.y_m, head.height_m]])
    px, depth = camera.project(base)
    if depth.min() < 1:
        return
    px *= scale
    k = camera.focal_px * scale / float(depth[1])
    foot = (int(px[0, 0]), int(px[0, 1]))
    cx, cy = float(px[1, 0]), float(px[1, 1])
    top = (int(cx), int(cy))
    shine = (int(cx - 0.03 * k), int(cy))
    cv2.line(image, foot, top, (96, 100, 98), max(1, int(0.14 * k)))
    cv2.line(
        image, (int(px[0, 0] - 0.03 * k), foot[1]), shine, (128, 132, 130), max(1, int(0.05 * k))
    )
    w, h = _HALF_WIDTH_M * k, _HALF_HEIGHT_M * k
    c0, c1 = (int(cx - w), int(cy - h)), (int(cx + w), int(cy + h))
    if id_buffer is not None:
        cv2.line(id_buffer, foot, top, 0, max(1, int(0.14 * k)))
        cv2.rectangle(id_buffer, c0, c1, 0, -1)
    cv2.rectangle(image, (c0[0] - 2, c0[1] - 2), (c1[0] + 2, c1[1] + 2), (56, 58, 56), -1)
    if not faces_camera(head, camera):
        cv2.rectangle(image, c0, c1, (44, 46, 44), -1)
        return
    cv2.rectangle(image, c0, c1, (28, 30, 28), -1)
    lit = _LAMPS.get(state, -1)
    radius = max(2, int(_LAMP_M * k))
    for lamp in range(3):
        at = (int(cx), int(cy + (lamp - 1) * _PITCH_M * k))
        cv2.circle(image, at, radius, _LIT[lamp] if lamp == lit else _UNLIT[lamp], -1)
        if lamp == lit:
            bright = tuple(min(255, c + 70) for c in _LIT[lamp])
            cv2.circle(image, at, radius // 2, bright, -1)
            _glow(image, at, radius, _LIT[lamp])
    if countdown_s is not None and 0 <= countdown_s < 100 and lit >= 0:
        b0 = (c0[0], int(cy - h - 0.5 * k))
        b1 = (c1[0], int(cy - h - 0.06 * k))
        cv2.rectangle(image, b0, b1, (24, 24, 24), -1)
        at = (b0[0] + int(0.04 * k), b1[1] - int(0.08 * k))
        font = cv2.FONT_HERSHEY_SIMPLEX
        thick = max(1, int(0.05 * k))
        cv2.putText(
            image, f"{countdown_s:02d}", at, font, 0.0135 * k, _LIT[lit], thick, cv2.LINE_AA
        )


def _glow(image: Image, at: tuple[int, int], radius: int, colour: tuple[int, int, int]) -> None:
    reach = int(radius * 3.2)
    x0, y0 = max(at[0] - reach, 0), max(at[1] - reach, 0)
    x1, y1 = min(at[0] + reach, image.shape[1]), min(at[1] + reach, image.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    glow = np.zeros((y1 - y0, x1 - x0, 3), np.uint8)
    dim = tuple(int(c * 0.55) for c in colour)
    cv2.circle(glow, (at[0] - x0, at[1] - y0), int(radius * 1.3), dim, -1)
    glow = cv2.blur(glow, (radius * 2 + 1, radius * 2 + 1))
    image[y0:y1, x0:x1] = cv2.add(image[y0:y1, x0:x1], glow)
