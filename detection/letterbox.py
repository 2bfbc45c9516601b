"""Fitting an image into a network's input without changing its proportions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from detection.ports import Float32Array, Image

PAD_VALUE: Final = 114


@dataclass(frozen=True, slots=True)
class Fit:
    """How an image was scaled and moved; ``shift`` is (left, top) in network pixels."""

    scale: float
    shift: tuple[int, int]
    size_px: tuple[int, int]

    def to_image(self, boxes: Float32Array) -> Float32Array:
        """Boxes (N, 4) of the network's input in pixels of the image, clipped to it."""
        width, height = self.size_px
        shift = np.array(self.shift * 2, np.float32)
        limit = np.array([width, height, width, height], np.float32)
        moved: Float32Array = (boxes - shift) / np.float32(self.scale)
        return np.minimum(np.maximum(moved, np.float32(0)), limit)


def letterbox(image: Image, size_px: tuple[int, int], *, centred: bool) -> tuple[Image, Fit]:
    """Scale an image into ``size_px`` (width, height), padding with grey.

    ``centred`` pads on both sides (ultralytics), otherwise right and below (YOLOX).
    """
    height, width = image.shape[:2]
    scale = min(size_px[0] / width, size_px[1] / height)
    inner = (max(round(width * scale), 1), max(round(height * scale), 1))
    shift = ((size_px[0] - inner[0]) // 2, (size_px[1] - inner[1]) // 2) if centred else (0, 0)
    canvas: Image = np.full((size_px[1], size_px[0], 3), PAD_VALUE, np.uint8)
    canvas[shift[1] : shift[1] + inner[1], shift[0] : shift[0] + inner[0]] = (
        image
        if inner == (width, height)
        else cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
    )
    return canvas, Fit(scale, shift, (width, height))
