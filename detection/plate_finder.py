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
FIRST_SCORE: Final = 0.15
MIN_SCORE: Final = 0.3
"""At a first look a plate needs the lower score, at a second, closer one the higher."""
LONGEST_PX: Final = 1280
"""Larger pictures are reduced first."""
_LEVEL: Final = 0.5
_CLOSE_PX: Final = (48.0, 34.0)
"""Sides of a square as large as the plate, to which it is brought for closer looks."""
_CLOSE_SIDE_PX: Final = 160
_MOST_LOOKS: Final = 16
_SMALLEST_PX: Final = 96
_PAD_PX: Final = 32
_SAME_PLATE: Final = 0.35


@dataclass(frozen=True, slots=True)
class FoundPlate:
    """A plate: its corners (4, 2) in pixels from the top left clockwise, and a score 0 to 1."""

    quad: FloatArray
    score: float

    def scaled(self, by: float) -> FoundPlate:
        """The same plate in a picture that is so many times larger."""
        return FoundPlate(self.quad * by, self.score)

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
        first = []
        while True:
            level = _reduced(image, scale)
            first += [found.scaled(1 / scale) for found in self._look(level, FIRST_SCORE)]
            scale *= _LEVEL
            if longest * scale < _SMALLEST_PX:
                break
        first.sort(key=lambda found: -found.score)
        closer = [self._closer(image, found) for found in first[:_MOST_LOOKS]]
        sure = [found for found in closer if found is not None and found.score >= min_score]
        return _merged(sure)

    def _closer(self, image: Image, found: FoundPlate) -> FoundPlate | None:
        """The plate seen again at sizes that the network knows well: its corners sit better."""
        seen = [self._at_size(image, found, side) for side in _CLOSE_PX]
        return max((s for s in seen if s is not None), key=lambda s: s.score, default=None)

    def _at_size(self, image: Image, found: FoundPlate, side_px: float) -> FoundPlate | None:
        scale = side_px / max(np.sqrt(found.width_px * found.height_px), 1.0)
        middle = found.quad.mean(0)
        half = _CLOSE_SIDE_PX / 2
        shift = half - scale * middle
        reach = int(np.ceil(half / scale)) + 2
        x0, y0 = np.maximum(middle.astype(int) - reach, 0)
        part = image[y0 : int(middle[1]) + reach, x0 : int(middle[0]) + reach]
        if scale < 0.7:
            part = np.asarray(cv2.GaussianBlur(part, (0, 0), 0.4 / scale), np.uint8)
        shift = shift + scale * np.array([x0, y0])
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        size = (_CLOSE_SIDE_PX, _CLOSE_SIDE_PX)
        cut = cv2.warpAffine(part, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        seen = self._look(np.asarray(cut, np.uint8), FIRST_SCORE)
        near = [s for s in seen if np.linalg.norm(s.quad.mean(0) - half) < 0.7 * side_px]
        if not near:
            return None
        best = max(near, key=lambda s: s.score)
        return FoundPlate((best.quad - half) / scale + middle, best.score)

    def _look(self, image: Image, min_score: float) -> list[FoundPlate]:
        """Plates that the network sees in a picture as it is."""
        height, width = image.shape[:2]
        pad = ((0, -height % _PAD_PX), (0, -width % _PAD_PX), (0, 0))
        padded = np.pad(image, pad, mode="edge").astype(np.float32) / 255 - np.float32(0.45)
        raw = np.asarray(self._compiled(padded.transpose(2, 0, 1)[None])[0][0], np.float64)
        score = 1 / (1 + np.exp(-raw[0]))
        rows, columns = np.nonzero(score >= min_score)
        middle = (np.stack([columns, rows], -1) + 0.5) * self._cell_px
        corners = raw[1:, rows, columns].T.reshape(-1, 4, 2) * self._reach_px
        quads = middle[:, None] + corners
        return _merged(
            [
                FoundPlate(quad, float(s))
                for quad, s in zip(quads, score[rows, columns], strict=True)
            ]
        )


def _reduced(image: Image, scale: float) -> Image:
    if scale >= 1:
        return image
    smaller = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(smaller, np.uint8)


def _merged(plates: list[FoundPlate]) -> list[FoundPlate]:
    """One plate of all that overlap: corners by their mean, weighted by score; best first."""
    if not plates:
        return []
    quads = np.array([plate.quad for plate in plates])
    scores = np.array([plate.score for plate in plates])
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
        # What sees the plate much larger or smaller is less sure of its corners.
        weight[(area > 1.6 * area[best]) | (area < area[best] / 1.6)] = 0
        quad = (quads * weight[:, None, None]).sum(0) / weight.sum()
        found.append(FoundPlate(quad, float(scores[best])))
    return found
