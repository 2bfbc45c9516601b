"""Plates of vehicles: found, read, checked, and voted over a track, or "unreadable"."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detection.plate_finder import FoundPlate, PlateFinder
from detection.plate_reader import PlateReader, PlateReading
from detection.ports import Image
from models.plate import Plate

MIN_SHARE: Final = 0.6
"""Share of the votes that the winner of a track must have."""
MIN_VOTES: Final = 1.5
"""Votes that it needs: two good readings, or one that is nearly certain."""
NEARLY_CERTAIN: Final = 0.97


@dataclass(frozen=True, slots=True)
class TrackPlate:
    """What a track's readings agree on; ``plate`` None is unreadable.

    ``readings`` counts frames in which something was read, ``share`` is the winner's share of
    the votes.
    """

    plate: Plate | None
    readings: int
    share: float


class PlateEyes:
    """Finder and reader together."""

    def __init__(self, threads: int = 1) -> None:
        """Load both networks.

        Raises:
            BadInput: If the packaged weights are missing.
            XanhError: If the recognizer's package is missing.
        """
        self._finder = PlateFinder(threads=threads)
        self._reader = PlateReader(threads)

    def read(self, image: Image) -> list[PlateReading]:
        """Every plate in a picture (H, W, 3) BGR, readable or not."""
        return [self._reader.read(image, found) for found in self._finder.find(image)]

    def read_vehicle(
        self, image: Image, box_px: tuple[float, float, float, float]
    ) -> PlateReading | None:
        """The plate of the vehicle in this box, or None if none is seen."""
        height, width = image.shape[:2]
        x0, y0 = np.clip(np.floor(box_px[:2]), 0, [width, height]).astype(int)
        x1, y1 = np.clip(np.ceil(box_px[2:]), 0, [width, height]).astype(int)
        if x1 - x0 < 16 or y1 - y0 < 16:
            return None
        readings = self.read(image[y0:y1, x0:x1])
        if not readings:
            return None
        # The lowest readable one: what stands above it belongs to a vehicle behind.
        best = max(readings, key=lambda r: (r.plate is not None, float(r.found.quad[:, 1].mean())))
        moved = FoundPlate(best.found.quad + np.array([x0, y0], np.float64), best.found.score)
        return PlateReading(moved, best.plate, best.score)


def vote(readings: Sequence[PlateReading]) -> TrackPlate:
    """The number that a track's readings agree on, each weighted by how sure it is."""
    votes: dict[str, float] = defaultdict(float)
    plates: dict[str, Plate] = {}
    best: dict[str, float] = defaultdict(float)
    for reading in readings:
        if reading.plate is not None:
            key = reading.plate.compact
            votes[key] += reading.score
            best[key] = max(best[key], reading.score)
            plates.setdefault(key, reading.plate)
    if not votes:
        return TrackPlate(None, 0, 0.0)
    count = sum(reading.plate is not None for reading in readings)
    winner = max(votes, key=lambda key: votes[key])
    share = votes[winner] / sum(votes.values())
    enough = votes[winner] >= MIN_VOTES or best[winner] >= NEARLY_CERTAIN
    agreed = enough and share >= MIN_SHARE
    return TrackPlate(plates[winner] if agreed else None, count, share)
