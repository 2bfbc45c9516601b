"""Ports of detection: where frames come from and what finds vehicles in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from models.health import HealthEvent

FloatArray: TypeAlias = npt.NDArray[np.float64]
Float32Array: TypeAlias = npt.NDArray[np.float32]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Image: TypeAlias = npt.NDArray[np.uint8]
"""An image of shape (height, width, 3), BGR, uint8."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a source.

    ``index`` counts from 0; ``time_s`` is the frame's own time in the source's clock. ``image``
    is None for a frame that brings boxes without a picture (a projected camera). ``evidence`` is
    the picture to keep where that is another one than the one to look at.
    """

    index: int
    time_s: float
    image: Image | None
    evidence: Image | None = None


class FrameSource(Protocol):
    """A sequence of frames in ascending time."""

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of its frames."""
        ...

    @property
    def kind(self) -> str:
        """``file``, ``folder``, ``stream`` or another word for what it is."""
        ...

    @property
    def faults(self) -> Sequence[HealthEvent]:
        """What went wrong with the source itself so far: gaps, a clock that jumped, its end."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """The frames.

        Raises:
            BadInput: If nothing can be read.
        """
        ...

    def close(self) -> None:
        """Give back what it holds; may be called more than once."""
        ...


@dataclass(frozen=True, slots=True)
class Detections:
    """What a detector found in one frame.

    ``boxes`` is (N, 4) float32, x0 y0 x1 y1 in pixels of the frame; ``scores`` (N,) float32 from
    0 to 1; ``classes`` (N,) int64 indexes ``class_names``. ``riders`` and ``bare_heads`` (N,)
    int64 say how many ride a motorbike and how many of them without a helmet, -1 where that
    cannot be told; None where the detector never tells.
    """

    boxes: Float32Array
    scores: Float32Array
    classes: IntArray
    class_names: tuple[str, ...]
    riders: IntArray | None = None
    bare_heads: IntArray | None = None

    def __post_init__(self) -> None:
        count = len(self.boxes)
        if self.boxes.shape != (count, 4) or len(self.scores) != count:
            raise ValueError(f"boxes {self.boxes.shape}, scores {self.scores.shape}")
        if len(self.classes) != count:
            raise ValueError(f"{count} boxes but {len(self.classes)} classes")

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def empty(cls, class_names: tuple[str, ...]) -> Detections:
        """Nothing found."""
        return cls(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.int64),
            class_names,
        )

    def select(self, chosen: BoolArray | IntArray) -> Detections:
        """The chosen ones (mask or indices), in the given order."""
        return Detections(
            self.boxes[chosen],
            self.scores[chosen],
            self.classes[chosen],
            self.class_names,
            None if self.riders is None else self.riders[chosen],
            None if self.bare_heads is None else self.bare_heads[chosen],
        )


class Detector(Protocol):
    """Finds road users in images."""

    @property
    def name(self) -> str:
        """Name of detector and weights, as cases and reports show it."""
        ...

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights file, hexadecimal."""
        ...

    @property
    def class_names(self) -> tuple[str, ...]:
        """What ``Detections.classes`` indexes."""
        ...

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Detections for each image, in the same order."""
        ...
