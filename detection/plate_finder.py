"""Finds number plates in a picture, with their four corners.

The network is the project's own, trained on plates that it draws (``traffic.plate_training``).
It sees plates of 13 to 130 pixels in width; larger ones are found in smaller copies.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from detection.ports import Image
from detection.weights import PACKAGED
from models.errors import BadInput

FloatArray = npt.NDArray[np.float64]

PLATES: Final = PACKAGED / "plates"
MIN_SCORE: Final = 0.4
LONGEST_PX: Final = 1280
"""Larger pictures are reduced first."""
_LEVEL: Final = 0.42
_SMALLEST_PX: Final = 96
_PAD_PX: Final = 32
_SAME_PLATE: Final = 0.35


@dataclass(frozen=True, slots=True)
class FoundPlate:
    """A plate: its corners (4, 2) in pixels from the top left clockwise, and a score 0 to 1."""

    quad: FloatArray
    score: float

    @property
    def width_px(self) -> float:
        """Mean length of its upper and lower edge."""
        q = self.quad
        return float(np.linalg.norm(q[1] - q[0]) + np.linalg.norm(q[2] - q[3])) / 2

    @property
    def height_px(self) -> float:
        """Mean length of its sides."""
        q = self.quad
        return float(np.linalg.norm(q[3] - q[0]) + np.linalg.norm(q[2] - q[1])) / 2


class PlateFinder:
    """The packaged finder, or one trained anew."""

    def __init__(self, folder: Path = PLATES, threads: int = 1) -> None:
        """Load and compile.

        Raises:
            BadInput: If the folder holds no finder.
        """
        import openvino as ov  # noqa: PLC0415 - slow, and few cameras promise plates

        try:
            settings = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
            self._cell_px = int(settings["cell_px"])
            self._reach_px = float(settings["reach_px"])
            model = ov.Core().read_model(str(folder / "plates.xml"))
        except (OSError, ValueError, KeyError, RuntimeError):
            raise BadInput(str(folder), "", "valid is a folder of plate weights") from None
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        self._compiled = ov.Core().compile_model(model, "CPU", options)

    def find(self, image: Image, min_score: float = MIN_SCORE) -> list[FoundPlate]:
        """Plates in a picture (H, W, 3) BGR, best first."""
        longest = max(image.shape[:2])
        scale = min(1.0, LONGEST_PX / longest)
        quads, scores = [], []
        while True:
            for quad, score in zip(*self._level(image, scale, min_score), strict=True):
                quads.append(quad)
                scores.append(score)
            scale *= _LEVEL
            if longest * scale < _SMALLEST_PX:
                break
        return _merged(np.array(quads).reshape(-1, 4, 2), np.array(scores))

    def _level(self, image: Image, scale: float, min_score: float) -> tuple[FloatArray, FloatArray]:
        if scale < 1:
            way = cv2.INTER_AREA
            image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=way))
        height, width = image.shape[:2]
        pad = ((0, -height % _PAD_PX), (0, -width % _PAD_PX), (0, 0))
        padded = np.pad(image, pad, mode="edge").astype(np.float32) / 255 - np.float32(0.45)
        raw = np.asarray(self._compiled(padded.transpose(2, 0, 1)[None])[0][0], np.float64)
        score = 1 / (1 + np.exp(-raw[0]))
        rows, columns = np.nonzero(score >= min_score)
        middle = (np.stack([columns, rows], -1) + 0.5) * self._cell_px
        corners = raw[1:, rows, columns].T.reshape(-1, 4, 2) * self._reach_px
        return (middle[:, None] + corners) / scale, score[rows, columns]


def _merged(quads: FloatArray, scores: FloatArray) -> list[FoundPlate]:
    """One plate from all the cells that tell of it: corners by their mean, weighted by score."""
    low, high = quads.min(1), quads.max(1)
    area = np.prod(high - low, axis=1)
    free = np.ones(len(quads), np.bool_)
    found = []
    for best in np.argsort(-scores):
        if not free[best]:
            continue
        common = np.minimum(high[best], high) - np.maximum(low[best], low)
        shared = np.prod(np.maximum(common, 0), axis=1)
        same = free & (shared > _SAME_PLATE * np.minimum(area, area[best]))
        free &= ~same
        weight = np.where(same, scores**2, 0)
        # Cells of another level see the plate too large or too small: only near sizes count.
        weight[(area > 1.6 * area[best]) | (area < area[best] / 1.6)] = 0
        quad = (quads * weight[:, None, None]).sum(0) / weight.sum()
        found.append(FoundPlate(quad, float(scores[best])))
    return found
