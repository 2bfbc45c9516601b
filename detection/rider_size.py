"""How tall riders are in the picture: tells where the wheels are of one who is seen in part.

From behind and above, a queue hides the lower part of all but the last of its riders. Their
heads stay visible, and the wheels stand a rider's height below.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from detection.plane import CLASS_HEIGHT_M, GroundPlane
from detection.ports import Detections, FloatArray
from detection.riders import TWO_WHEELERS
from models.camera import CameraView
from models.site import VEHICLE_CLASSES

PERSON: Final = VEHICLE_CLASSES.index("pedestrian")

MIN_SAMPLES: Final = 12
SAMPLES: Final = 200
WHOLE_ASPECT: Final = (1.6, 3.0)
"""Height over width of a rider who is seen whole; a machine alone is about square."""
WHOLE_SCORE: Final = 0.5


class RiderSize:
    """How tall a rider is in the picture, by place; learned while watching.

    A calibrated view tells it from the ground's scale, corrected by what riders measure; in
    pixels it is unknown until enough riders were seen whole.
    """

    def __init__(self, view: CameraView) -> None:
        self._plane = GroundPlane(view)
        self._size = (view.width_px, view.height_px)
        self._seen: deque[float] = deque(maxlen=SAMPLES)
        self._factor: float | None = 1.0 if view.metric else None

    @property
    def known(self) -> bool:
        """Whether :meth:`height_px` can answer."""
        return self._factor is not None

    def height_px(self, contact_px: FloatArray) -> FloatArray:
        """Height (N,) of a rider whose wheels are at these pixels (N, 2)."""
        assert self._factor is not None
        return self._factor * self._unit(contact_px)

    def learn(self, users: Detections) -> None:
        """Measure the riders that are seen whole."""
        boxes = users.boxes.astype(np.float64)
        width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        whole = np.isin(users.classes, TWO_WHEELERS) & (users.scores >= WHOLE_SCORE)
        whole &= (height > WHOLE_ASPECT[0] * width) & (height < WHOLE_ASPECT[1] * width)
        whole &= (boxes[:, 1] > 2) & (boxes[:, 3] < self._size[1] - 3) & (width > 8)
        if not whole.any():
            return
        self._seen.extend((height[whole] / self._unit(_contact(boxes[whole]))).tolist())
        if len(self._seen) >= MIN_SAMPLES:
            middle = float(np.median(self._seen))
            self._factor = float(np.clip(middle, 0.7, 1.4)) if self._plane.metric else middle

    def _unit(self, contact_px: FloatArray) -> FloatArray:
        if not self._plane.metric:
            return self._plane.size_scale(contact_px) * self._size[1]
        _, jacobian = self._plane.to_plane_with_jacobian(contact_px)
        across = np.hypot(jacobian[:, 0, 0], jacobian[:, 1, 0])
        result: FloatArray = CLASS_HEIGHT_M["motorcycle"] / np.maximum(across, 1e-9)
        return result


def _contact(boxes: FloatArray) -> FloatArray:
    result: FloatArray = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
    return result
