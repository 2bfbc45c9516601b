"""A second pass on the part of the picture where vehicles stand densely.

A network sees a whole frame at its own small input size, where a queue of motorbikes runs
together. Tiles of the approach's zone are shown to it at a larger scale in the same batch, and
the results are joined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np

from detection.boxes import areas, covered, iou
from detection.plane import GroundPlane
from detection.ports import BoolArray, Detections, Detector, Image
from models.camera import CameraView

Tile: TypeAlias = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels of the frame."""

OVERLAP: Final = 0.25
BORDER_PX: Final = 3
SAME_IOU: Final = 0.5
SAME_COVERED: Final = 0.75
PART_AREA: Final = 0.35
HEADROOM: Final = 0.2
"""Vehicles stand on the zone and rise above it by about this share of the picture's height."""


def zone_tiles(view: CameraView, side_px: int = 260) -> tuple[Tile, ...]:
    """Square tiles of about ``side_px`` that cover the zone of a view, overlapping."""
    size = (view.width_px, view.height_px)
    corners = GroundPlane(view).to_image(np.array(view.zone, np.float64))
    corners = corners[np.isfinite(corners).all(axis=1)]
    if len(corners) == 0:
        return ()
    low = np.clip(corners.min(axis=0) - (0, HEADROOM * size[1]), 0, size)
    high = np.clip(corners.max(axis=0), 0, size)
    if (high - low).min() < 32:
        return ()
    spans = [_spans(low[axis], high[axis], side_px) for axis in (0, 1)]
    return tuple((x0, y0, x1, y1) for y0, y1 in spans[1] for x0, x1 in spans[0])


def _spans(low: float, high: float, side: int) -> list[tuple[int, int]]:
    length = high - low
    if length <= side * 1.25:
        return [(math.floor(low), math.ceil(high))]
    count = math.ceil((length - side * OVERLAP) / (side * (1 - OVERLAP)))
    starts = np.linspace(low, high - side, count)
    return [(round(start), round(start) + side) for start in starts.tolist()]


class TiledDetector:
    """A detector that looks at whole frames and at tiles of them."""

    def __init__(self, detector: Detector, tiles: Sequence[Tile]) -> None:
        self.within = detector
        """What looks at the frame and at its tiles."""
        self._tiles = tuple(tiles)

    @property
    def name(self) -> str:
        """Name of the detector within, and that it sees tiles."""
        return f"{self.within.name} + {len(self._tiles)} tiles"

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of its weights."""
        return self.within.weights_sha256

    @property
    def class_names(self) -> tuple[str, ...]:
        """What it tells apart."""
        return self.within.class_names

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Detections for each image, those of frame and tiles joined."""
        found = self.within.detect([part for image in images for part in self.parts(image)])
        step = 1 + len(self._tiles)
        return [
            self.join(image, found[index * step : (index + 1) * step])
            for index, image in enumerate(images)
        ]

    def parts(self, image: Image) -> list[Image]:
        """The frame, and its tiles."""
        return [image, *(image[y0:y1, x0:x1] for x0, y0, x1, y1 in self._tiles)]

    def join(self, image: Image, found: Sequence[Detections]) -> Detections:
        """Detections of a frame out of those of its :meth:`parts`."""
        height, width = image.shape[:2]
        boxes, scores, classes = [found[0].boxes], [found[0].scores], [found[0].classes]
        for (x0, y0, x1, y1), part in zip(self._tiles, found[1:], strict=True):
            whole = _not_cut(part, (x0, y0, x1, y1), (width, height))
            boxes.append(part.boxes[whole] + np.array([x0, y0, x0, y0], np.float32))
            scores.append(part.scores[whole])
            classes.append(part.classes[whole])
        joined = Detections(
            np.concatenate(boxes), np.concatenate(scores), np.concatenate(classes), self.class_names
        )
        return joined.select(_best_of_each(joined))


def _not_cut(part: Detections, tile: Tile, size: tuple[int, int]) -> BoolArray:
    """Which boxes do not touch a border that the tile has and the picture has not."""
    x0, y0, x1, y1 = tile
    box = part.boxes
    cut = np.zeros(len(box), np.bool_)
    if x0 > 0:
        cut |= box[:, 0] < BORDER_PX
    if y0 > 0:
        cut |= box[:, 1] < BORDER_PX
    if x1 < size[0]:
        cut |= box[:, 2] > x1 - x0 - BORDER_PX
    if y1 < size[1]:
        cut |= box[:, 3] > y1 - y0 - BORDER_PX
    return ~cut


def _best_of_each(found: Detections) -> BoolArray:
    """Mask after suppressing, within a class, what two passes saw twice."""
    order = np.argsort(-found.scores, kind="stable")
    alive = np.ones(len(found), np.bool_)
    overlap = iou(found.boxes, found.boxes) > SAME_IOU
    # A part of a vehicle that a tile shows large lies within the whole one's box; much smaller
    # ones are other vehicles, whose group the other pass took for one.
    area = areas(found.boxes)
    alike = area[None] > PART_AREA * area[:, None]
    overlap |= (covered(found.boxes, found.boxes) > SAME_COVERED).T & alike
    same_class = found.classes[:, None] == found.classes[None]
    for index in order:
        if alive[index]:
            gone = overlap[index] & same_class[index] & (found.scores <= found.scores[index])
            gone[index] = False
            alive &= ~gone
    return alive
